"""What a proposal costs once its base is known: one more site, and whole scenarios in one command.

    python benchmarks/scenarios.py                     # 100k and 1M nodes, the district of district.py: minutes
    python benchmarks/scenarios.py --smallest          # small ones: seconds, for CI

First: a facility is added to a town of engine.py where the nearest of 12 kinds is known for every origin. scipy, which
cannot add, searches that kind again, from junctions; so does cfc_geo's own full search. cfc_geo's time is split into
attaching the entrance to the streets and updating the finished tables. Then: `cfc-geo run base s1 s2 …`, where every
scenario adds facilities of one kind, against `cfc-geo run base`, in processes of their own.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from district import CRS, KINDS, SOUTH, SPACING_M, WEST, write_district
from engine import NEAREST_M, NODES_PER_FACILITY, attached_town, make_town, scipy_graph
from pyproj import Transformer
from scipy.sparse.csgraph import dijkstra

from cfc_geo.network.costs import attach_entrances, nearest_costs, with_site

SITES = 15
SCENARIOS = 4
ADDED = 3
"""Facilities that a scenario adds."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--smallest", action="store_true", help="2,500 nodes; a district of 1,000 nodes, once")
    options.add_argument("--python", default=sys.executable, help="the interpreter to time commands with")
    given = options.parse_args()
    sizes = [2_500] if given.smallest else [100_000, 1_000_000]
    print(
        f"### One more site, nearest of 12 kinds within {NEAREST_M:,.0f} m, an origin a node; medians of {SITES}, ms\n"
    )
    print("| nodes | attach | update | both | scipy, the kind again | ours ÷ scipy | cfc_geo, the kind again |")
    print("|---|---|---|---|---|---|---|")
    for nodes in sizes:
        time_sites(nodes)
    print("\n### Scenarios that touch facilities, in one command\n")
    print("| place | base alone, s | each scenario more, s | ratio | of it computing: base, s | scenario, s | ratio |")
    print("|---|---|---|---|---|---|---|")
    nodes, cells, runs = (1_000, 100, 1) if given.smallest else (95_000, 10_000, 5)
    with tempfile.TemporaryDirectory() as folder:
        time_scenarios(write_district(Path(folder), nodes, cells), nodes, runs, given.python)


# ----------------------------------------------------------------------------------------------------------- one site


def time_sites(nodes: int) -> None:
    """Print a row: sites are added at random junctions, one at a time, each to the town as it is."""
    town = make_town(nodes, 12 * max(2, nodes // NODES_PER_FACILITY))
    network, attached, facilities, entrances = attached_town(town)
    kinds = sorted(set(facilities["kind"]))
    nearest = nearest_costs(network, attached, facilities, kinds=kinds, horizon_m=NEAREST_M)
    graph = scipy_graph(town)
    rng = np.random.default_rng(nodes)
    ms: dict[str, list[float]] = {name: [] for name in ("attach", "update", "scipy", "full")}
    for number in range(SITES + 1):
        site, at, kind = f"site {number}", int(rng.integers(len(town.xy))), kinds[number % len(kinds)]
        new = gpd.GeoDataFrame({"facility_id": [site]}, geometry=shapely.points(town.xy[[at]] + 5.0))
        among = pd.concat([entrances, new], ignore_index=True)
        attached_too = _timed(ms["attach"], lambda among=among: attach_entrances(network, attached, among))
        _timed(
            ms["update"], lambda site=site, kind=kind, too=attached_too: with_site(nearest, network, too, site, kind)
        )
        mine = facilities[facilities["kind"] == kind]
        junctions = np.append(town.site[mine.index], at)
        _timed(ms["scipy"], lambda of=junctions: dijkstra(graph, indices=of, min_only=True, limit=NEAREST_M))
        listed = pd.concat([mine, pd.DataFrame({"facility_id": [site], "kind": kind})], ignore_index=True)
        _timed(
            ms["full"],
            lambda listed=listed, kind=kind, too=attached_too: nearest_costs(
                network, too, listed, kinds=[kind], horizon_m=NEAREST_M
            ),
        )
    median = {name: statistics.median(values[1:]) for name, values in ms.items()}  # the first loads code
    both = median["attach"] + median["update"]
    cells = (median["attach"], median["update"], both, median["scipy"])
    shown = " | ".join(f"{value:.1f}" for value in cells)
    print(f"| {len(town.xy):,} | {shown} | {both / median['scipy']:.3f} | {median['full']:.1f} |", flush=True)


def _timed(ms: list[float], work: Callable[[], Any]) -> Any:
    start = time.perf_counter()
    answer = work()
    ms.append(1000 * (time.perf_counter() - start))
    return answer


# ---------------------------------------------------------------------------------------------------------- scenarios


def time_scenarios(base: Path, nodes: int, runs: int, python: str) -> None:
    """Print a row: the command for the base alone, and for the base and its scenarios, in turn; medians of `runs`."""
    scenarios = write_scenarios(base, round(nodes**0.5) * SPACING_M)
    alone, together, computing = [], [], []
    with tempfile.TemporaryDirectory() as out:
        for _ in range(runs + 1):
            alone.append(command(python, out, [base]))
            together.append(command(python, out, [base, *scenarios]))
            computing.append([computed_s(Path(out) / plan.stem) for plan in (base, *scenarios)])
    base_s, all_s = (statistics.median(times[1:]) for times in (alone, together))  # the first fills the disk's caches
    scenario_s = (all_s - base_s) / len(scenarios)
    base_computing_s = statistics.median(times[0] for times in computing[1:])
    computing_s = statistics.median(one for times in computing[1:] for one in times[1:])
    print(
        f"| district of {nodes:,} junctions | {base_s:.2f} | {scenario_s:.2f} | {scenario_s / base_s:.3f} |"
        f" {base_computing_s:.2f} | {computing_s:.3f} | {computing_s / base_computing_s:.3f} |"
    )


def write_scenarios(base: Path, width_m: float) -> list[Path]:
    """Scenarios beside the plan `base` that each add some facilities of one kind."""
    rng = np.random.default_rng(11)
    to_degrees = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
    paths = []
    for number, kind in enumerate(KINDS[:SCENARIOS], start=1):
        x, y = rng.uniform(0.1 * width_m, 0.9 * width_m, (2, ADDED))
        edits = [
            f'[[edits]]\nadd = {{ id = "new-{row}", kind = "{kind}", at = [{lon:.6f}, {lat:.6f}], datum = "wgs84" }}\n'
            for row, (lon, lat) in enumerate(zip(*to_degrees.transform(WEST + x, SOUTH + y), strict=True))
        ]
        path = base.with_name(f"s{number}.toml")
        path.write_text(f'extends = "{base.name}"\nname = "s{number}"\n' + "".join(edits), encoding="utf-8")
        paths.append(path)
    return paths


def command(python: str, out: str, plans: list[Path]) -> float:
    """Wall seconds of `cfc-geo run` in a process of its own."""
    start = time.perf_counter()
    subprocess.run(
        [python, "-m", "cfc_geo", "run", *map(str, plans), "--out", out], stdout=subprocess.DEVNULL, check=True
    )
    return time.perf_counter() - start


def computed_s(result: Path) -> float:
    """Seconds that a result took to compute, from its record."""
    return float(sum(json.loads((result / "run.json").read_text(encoding="utf-8"))["timings_s"].values()))


if __name__ == "__main__":
    main()
