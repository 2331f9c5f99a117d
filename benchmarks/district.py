"""A whole cold run, files to map, of a generated district: where does the time go?

    python benchmarks/district.py [--nodes 95000] [--cells 10000] [--runs 5] [--python PYTHON] [--plan PLAN.toml]

Each run is a new process of the command line, as a planner starts it. `--plan` times a plan of yours instead. Prints
the median wall time and the peak memory, and the stages of the last run as `run.json` gives them. Real Guixi is timed
too, where its data lie beside the project (`../shared/data/guixi`). `--python` is the interpreter to time: that of a
plain `pip install .`, say, for the tools of developers make imports slower (numba loads scipy where it is installed).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import geopandas as gpd
import numpy as np
import osmium
import pandas as pd
import rasterio
import shapely
from pyproj import Transformer

from cfc_geo import catalog

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.real import SHARED, write_guixi  # the same plan that the tests check

CRS = "EPSG:4549"
WEST, SOUTH, SPACING_M = 490_000.0, 3_150_000.0, 70.0
KINDS = [kind for kind in catalog.norms("gb50180") if kind not in ("school", "community_service")]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--nodes", type=int, default=95_000)
    options.add_argument("--cells", type=int, default=10_000)
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--plan", type=Path)
    options.add_argument("--python", default=sys.executable)
    options.add_argument("--smallest", action="store_true", help="1,000 nodes, 100 cells, one run: does it still work?")
    given = options.parse_args()
    if given.smallest:
        given.nodes, given.cells, given.runs = 1_000, 100, 1
    print("| whole run | median s | min s | max s | peak MB |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        if given.plan:
            time_plan(str(given.plan), given.plan, given)
            return
        what = f"{given.nodes:,} junctions, {given.cells:,} cells, {len(KINDS)} kinds"
        time_plan(what, write_district(Path(folder), given.nodes, given.cells), given)
        guixi = SHARED / "guixi" / "guixi.osm"
        if guixi.is_file():
            time_plan("Guixi", write_guixi(Path(folder), guixi), given)


def time_plan(what: str, plan: Path, given: argparse.Namespace) -> None:
    """Run a plan `given.runs` times, after once that fills the disk's caches; print a row and the last run's stages."""
    with tempfile.TemporaryDirectory() as out:
        times, megabytes = zip(
            *[cold_run(plan, Path(out), given.python) for _ in range(given.runs + 1)][1:], strict=True
        )
        folder = Path(out) / plan.stem
        stages = json.loads((folder / "run.json").read_text(encoding="utf-8"))["timings_s"]
        sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    median = statistics.median(times)
    print(f"| {what} | {median:.2f} | {min(times):.2f} | {max(times):.2f} | {max(megabytes):.0f} |")
    print("<!-- stages, s:", ", ".join(f"{name} {value:.2f}" for name, value in stages.items()), "-->")
    print("<!-- files, kB:", ", ".join(f"{name} {size / 1000:.0f}" for name, size in sizes.items()), "-->")


def cold_run(plan: Path, out: Path, python: str) -> tuple[float, float]:
    """Wall seconds and peak megabytes of one run in a process of its own."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [python, "-m", "cfc_geo", "run", str(plan), "--out", str(out), "--allow", str(SHARED)],
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"the run failed with status {status}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def write_district(folder: Path, nodes: int, cells: int) -> Path:
    """Files of a jittered street grid, a raster of children and facilities of every kind; the plan's path."""
    rng = np.random.default_rng(7)
    side = round(nodes**0.5)
    _write_streets(folder / "streets.osm.pbf", side, rng)
    width = side * SPACING_M
    box = gpd.GeoSeries(_grid_boxes(WEST, SOUTH, width, 5), crs=CRS).to_crs("EPSG:4326")
    units = gpd.GeoDataFrame(
        {"code": [f"u{n:02}" for n in range(25)], "name": [f"街道{n}" for n in range(25)]}, geometry=box
    )
    units.to_file(folder / "units.geojson")
    _write_children(folder / "children.tif", round(cells**0.5), width, rng)
    _write_facilities(folder / "facilities.csv", width, max(6, nodes // 1_500), rng)
    plan = folder / "district.toml"
    bands = ", ".join(f'"{band}" = {number}' for number, band in enumerate(catalog.bands(), start=1))
    plan.write_text(
        f"""
name = "district"
place = {{ units = {{ file = "units.geojson", id = "code", name = "name" }} }}
population = {{ file = "children.tif", children = {{ {bands} }} }}
streets = {{ file = "streets.osm.pbf" }}
[[facilities]]
file = "facilities.csv"
datum = "wgs84"
columns = {{ id = "id", name = "name", kind = "kind", lon = "lon", lat = "lat" }}
""",
        encoding="utf-8",
    )
    return plan


def _write_streets(path: Path, side: int, rng: np.random.Generator) -> None:
    """A `side` × `side` grid with jittered junctions; ways run along eight blocks, as mappers draw them."""
    col, row = np.meshgrid(np.arange(side), np.arange(side))
    x = WEST + (col + rng.uniform(-0.2, 0.2, col.shape)) * SPACING_M
    y = SOUTH + (row + rng.uniform(-0.2, 0.2, row.shape)) * SPACING_M
    lon, lat = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True).transform(x, y)
    with osmium.SimpleWriter(str(path), overwrite=True) as writer:
        for number, place in enumerate(zip(lon.ravel(), lat.ravel(), strict=True), start=1):
            writer.add_node(osmium.osm.mutable.Node(id=number, location=place, version=1))
        way = 0
        for line in (
            *np.arange(1, side * side + 1).reshape(side, side),
            *np.arange(1, side * side + 1).reshape(side, side).T,
        ):
            for start in range(0, side - 1, 8):
                way += 1
                refs = [int(ref) for ref in line[start : start + 9]]
                writer.add_way(osmium.osm.mutable.Way(id=way, nodes=refs, tags={"highway": "residential"}, version=1))


def _grid_boxes(west: float, south: float, width: float, count: int) -> np.ndarray:
    step = width / count
    col, row = (axis.ravel() for axis in np.meshgrid(np.arange(count), np.arange(count)))
    return np.asarray(
        shapely.box(west + col * step, south + row * step, west + (col + 1) * step, south + (row + 1) * step)
    )


def _write_children(path: Path, side: int, width: float, rng: np.random.Generator) -> None:
    cell = width / side
    transform = rasterio.transform.from_origin(WEST, SOUTH + width, cell, cell)
    counts = rng.integers(1, 30, (len(catalog.bands()), side, side)).astype("float32")
    profile = {"driver": "GTiff", "width": side, "height": side, "count": len(counts), "dtype": "float32"}
    with rasterio.open(path, "w", **profile, crs=CRS, transform=transform, nodata=-1) as raster:
        raster.write(counts)


def _write_facilities(path: Path, width: float, each: int, rng: np.random.Generator) -> None:
    xy = rng.uniform(0, width, (2, each * len(KINDS)))
    lon, lat = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True).transform(WEST + xy[0], SOUTH + xy[1])
    kind = np.repeat(KINDS, each)
    ids = [f"f{number:05}" for number in range(len(kind))]
    table = pd.DataFrame({"id": ids, "name": ids, "kind": kind, "lon": lon.round(7), "lat": lat.round(7)})
    table.to_csv(path, index=False)


if __name__ == "__main__":
    main()
