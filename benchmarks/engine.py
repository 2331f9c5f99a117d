"""The engine side by side with what one would use instead: scipy, networkx and, where installed, pandana.

    python benchmarks/engine.py                        # 10k, 100k and 1M nodes: some minutes
    python benchmarks/engine.py --smallest             # one small town: seconds, for CI

A town is a street grid of 50 m with jittered junctions (seeded), its tables in random order, one cell of origin beside
every junction, and facilities of 12 kinds at junctions. Every engine starts from the graph as it comes. scipy, networkx
and pandana answer with distances between junctions; cfc_geo with finished tables, from origin to entrance with both
access legs, and which facility is nearest. Every measurement has a process of its own, and so a peak memory of its own.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

KINDS = 12
NODES_PER_FACILITY = 4_000
NEAREST_M = 1_000.0
PAIRS_M = 1_200.0
PAIR_FACILITIES = 500
PAIRS_SIZE = 100_000
REPEATS = 5
STREET_M = 50.0


@dataclass(frozen=True, eq=False)
class Town:
    """Junctions `xy` and segments between rows of it, in random order; `cells` in rows, as rasters list them;
    facilities at the junctions `site`."""

    xy: np.ndarray
    cells: np.ndarray
    tail: np.ndarray
    head: np.ndarray
    length_m: np.ndarray
    site: np.ndarray

    @property
    def sites_by_kind(self) -> list[np.ndarray]:
        return [self.site[kind::KINDS] for kind in range(KINDS)]


def make_town(nodes: int, facilities: int) -> Town:
    """A square grid of about `nodes` junctions, everything in random order."""
    rng = np.random.default_rng(nodes)
    side = round(nodes**0.5)
    number = rng.permutation(side * side).reshape(side, side)
    xy = np.empty((side * side, 2))
    xy[number.ravel()] = STREET_M * np.stack(np.divmod(np.arange(side * side), side), axis=1)
    xy += rng.uniform(-0.3 * STREET_M, 0.3 * STREET_M, xy.shape)
    tail = np.concatenate([number[:, :-1].ravel(), number[:-1].ravel()])
    head = np.concatenate([number[:, 1:].ravel(), number[1:].ravel()])
    order = rng.permutation(len(tail))
    tail, head = tail[order], head[order]
    length_m = np.hypot(*(xy[tail] - xy[head]).T)
    cells = xy[number.ravel()] + rng.uniform(-0.2 * STREET_M, 0.2 * STREET_M, xy.shape)
    return Town(xy, cells, tail, head, length_m, rng.choice(side * side, min(facilities, side * side), replace=False))


# --- the engines: each makes ready, and returns what is timed, which returns how many distances it found


def cfc_geo_engine(town: Town, pairs: bool) -> Callable[[], int]:
    from cfc_geo.network.costs import nearest_costs, travel_costs

    network, attached, facilities, _ = attached_town(town)
    kinds = list(facilities["kind"][:KINDS])

    def nearest() -> int:
        costs = nearest_costs(network, attached, facilities, kinds=kinds, horizon_m=NEAREST_M)
        return int(costs.metres.notna().sum().sum())

    return (lambda: len(travel_costs(network, attached, facilities, horizon_m=PAIRS_M).pairs)) if pairs else nearest


def attached_town(town: Town) -> tuple[Any, Any, Any, Any]:
    """The network, the attachment, facilities and their entrances, as cfc_geo has them."""
    import geopandas as gpd
    import pandas as pd
    import shapely

    from cfc_geo.network.costs import attach
    from cfc_geo.network.graph import build_network

    streets = gpd.GeoDataFrame(
        {
            "street_id": np.arange(len(town.tail)).astype(str),
            "from_node": town.tail,
            "to_node": town.head,
            "length_m": town.length_m,
            "forward": True,
            "backward": True,
        },
        geometry=shapely.linestrings(town.xy[np.stack([town.tail, town.head], axis=1)]),
    )
    nodes = pd.DataFrame({"node_id": np.arange(len(town.xy)), "x": town.xy[:, 0], "y": town.xy[:, 1]})
    origins = gpd.GeoDataFrame(
        {"origin_id": np.arange(len(town.cells)).astype(str)}, geometry=shapely.points(town.cells)
    )
    ids = np.arange(len(town.site)).astype(str)
    facilities = pd.DataFrame(
        {"facility_id": ids, "kind": np.resize([f"kind {kind}" for kind in range(KINDS)], len(ids))}
    )
    entrances = gpd.GeoDataFrame({"facility_id": ids}, geometry=shapely.points(town.xy[town.site]))
    network = build_network(streets, nodes)
    return network, attach(network, origins, entrances, limit_m=100), facilities, entrances


def scipy_engine(town: Town, pairs: bool) -> Callable[[], int]:
    from scipy.sparse.csgraph import dijkstra

    graph = scipy_graph(town)

    def nearest() -> int:
        return sum(
            int(np.isfinite(dijkstra(graph, indices=sites, min_only=True, limit=NEAREST_M)).sum())
            for sites in town.sites_by_kind
        )

    def all_pairs() -> int:
        return sum(int(np.isfinite(dijkstra(graph, indices=site, limit=PAIRS_M)).sum()) for site in town.site)

    return all_pairs if pairs else nearest


def scipy_graph(town: Town) -> Any:
    """Both directions of every street, as a sparse matrix of metres."""
    from scipy.sparse import coo_array

    one_way = coo_array((town.length_m, (town.tail, town.head)), shape=(len(town.xy), len(town.xy)))
    return (one_way + one_way.T).tocsr()


def networkx_engine(town: Town, pairs: bool) -> Callable[[], int]:
    import networkx as nx

    graph = nx.Graph()
    graph.add_weighted_edges_from(zip(town.tail.tolist(), town.head.tolist(), town.length_m.tolist(), strict=True))

    def nearest() -> int:
        search = nx.multi_source_dijkstra_path_length
        return sum(len(search(graph, set(sites.tolist()), cutoff=NEAREST_M)) for sites in town.sites_by_kind)

    def all_pairs() -> int:
        search = nx.single_source_dijkstra_path_length
        return sum(len(search(graph, site, cutoff=PAIRS_M)) for site in town.site.tolist())

    return all_pairs if pairs else nearest


def pandana_engine(town: Town, pairs: bool) -> Callable[[], int]:
    import pandana
    import pandas as pd

    x, y = (pd.Series(column) for column in town.xy.T)
    network = pandana.Network(
        x, y, pd.Series(town.tail), pd.Series(town.head), pd.DataFrame({"metres": town.length_m}), twoway=True
    )

    def nearest() -> int:
        found = 0
        for kind, sites in enumerate(town.sites_by_kind):
            network.set_pois(str(kind), NEAREST_M, 1, x.iloc[sites], y.iloc[sites])
            found += int((network.nearest_pois(NEAREST_M, str(kind), num_pois=1)[1] < NEAREST_M).sum())
        return found

    return (lambda: len(network.nodes_in_range(town.site.tolist(), PAIRS_M))) if pairs else nearest


ENGINES: dict[str, Callable[[Town, bool], Callable[[], int]]] = {
    "cfc_geo": cfc_geo_engine,
    "scipy": scipy_engine,
    "networkx": networkx_engine,
    "pandana": pandana_engine,
}


def measure(engine: str, nodes: int, facilities: int, pairs: bool, repeats: int) -> dict[str, float]:
    """Seconds to make ready and to answer (median), distances found, and the peak memory of this process in GB."""
    town = make_town(nodes, facilities)
    start = time.perf_counter()
    run = ENGINES[engine](town, pairs)
    ready = time.perf_counter()
    found = run()  # loads code and touches memory
    seconds = []
    for _ in range(repeats):
        before = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - before)
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"ready_s": ready - start, "s": statistics.median(seconds), "found": found, "peak_gb": peak_gb}


def in_own_process(*job: Any) -> dict[str, float] | None:
    """`measure` in a child process; None where the engine is not installed."""
    if find_spec(job[0]) is None:
        return None
    command = [sys.executable, __file__, "--job", json.dumps(job)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return dict(json.loads(answer[answer.rindex("{") : answer.rindex("}") + 1]))  # pandana prints around it


def engines_for(nodes: int) -> list[str]:
    """Those that answer within a minute or so: pandana prepares for minutes, networkx searches a million for one."""
    most = {"pandana": 20_000, "networkx": 200_000}
    return [engine for engine in ENGINES if nodes <= most.get(engine, nodes)]


def print_table(title: str, jobs: list[tuple[Any, ...]]) -> None:
    """Measure and print; `jobs` are the arguments of `measure`, ours first for each size."""
    print(f"\n### {title}\n\n| nodes | engine | made ready, s | answer, s | ours ÷ theirs | ns a distance | peak GB |")
    print("|---|---|---|---|---|---|---|")
    ours: dict[int, float] = {}
    for job in jobs:
        result = in_own_process(*job)
        if result is None:
            print(f"| {job[1]:,} | {job[0]} | not installed | | | | |")
            continue
        ours.setdefault(job[1], result["s"])
        ratio, ns_a_distance = ours[job[1]] / result["s"], result["s"] / result["found"] * 1e9
        cells = (
            f"{job[1]:,}", job[0], f"{result['ready_s']:.2f}", f"{result['s']:.3f}", f"{ratio:.3f}",
            f"{ns_a_distance:,.0f}", f"{result['peak_gb']:.2f}",
        )  # fmt: skip
        print("| " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10k,100k,1M", help="numbers of nodes, as in 10k,1M")
    parser.add_argument("--smallest", action="store_true", help="one town of 2,500 nodes, once")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        print(json.dumps(measure(*json.loads(options.job))))
        return
    sizes = [int(float(size.replace("k", "e3").replace("M", "e6"))) for size in options.sizes.split(",")]
    sizes, repeats = ([2_500], 1) if options.smallest else (sizes, REPEATS)
    nearest_jobs = [
        (engine, nodes, KINDS * max(2, nodes // NODES_PER_FACILITY), False, repeats)
        for nodes in sizes
        for engine in engines_for(nodes)
    ]
    pairs_size = min(PAIRS_SIZE, max(sizes))
    pair_jobs = [(engine, pairs_size, PAIR_FACILITIES, True, repeats) for engine in engines_for(pairs_size)]
    print(
        f"Medians of {repeats}; {os.cpu_count()} processors; Python {sys.version.split()[0]}; numpy {np.__version__}."
    )
    print_table(f"Nearest of {KINDS} kinds within {NEAREST_M:,.0f} m, an origin a node", nearest_jobs)
    print_table(f"All pairs within {PAIRS_M:,.0f} m of {PAIR_FACILITIES} facilities", pair_jobs)


if __name__ == "__main__":
    main()
