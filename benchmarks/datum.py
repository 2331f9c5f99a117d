"""How often the datum doctor is right, wrong, or cannot tell: the tables of docs/methods.md.

    python benchmarks/datum.py [--repeats 300] [--town NAME] [--smallest] [--inverse]

Facility-like places (mapped amenities and centres of buildings) of a town are drawn at random, misplaced by noise,
written down in one datum and handed to the doctor, who does not know which. Real Guixi and the BUPT campus are used
where their data lie beside the project (`../shared/data`), and the bundled sample. "Carried" repeats this with the town
as it is, set down at random places in China, where the shifts of the datums point in other directions. With buildings,
the doctor sees the outlines whose centres were drawn: a map that knows the facility's own house. `--inverse` times the
undoing of a million shifts instead.
"""

import argparse
import sys
import time
from itertools import product
from pathlib import Path
from typing import NamedTuple

import geopandas as gpd
import numpy as np
import osmium
import shapely
from pyproj import Transformer

sys.path.insert(0, str(Path(__file__).parents[1]))
from cfc_geo.blocks import FileSource
from cfc_geo.errors import Findings
from cfc_geo.inputs import datum as datums
from cfc_geo.inputs.doctor import CERTAIN, Diagnosis, Evidence, diagnose
from cfc_geo.inputs.examine import Ground, Layer, places_of
from cfc_geo.inputs.osm import read_osm
from cfc_geo.inputs.readings import DEGREES, Reading

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"
TOWNS = {
    "Guixi": SHARED / "guixi/guixi.osm",
    "BUPT": SHARED / "bupt/bupt.osm",
    "sample": ROOT / "data/streets/streets.osm",
}
POI_KEYS = ("amenity", "shop", "leisure", "office", "tourism", "healthcare")
CHINA = (100.0, 122.0), (22.0, 42.0)


class Town(NamedTuple):
    """Streets, buildings and facility-like places, in metres of the CRS of the place."""

    crs: str
    streets: np.ndarray
    buildings: np.ndarray
    pool: np.ndarray


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--repeats", type=int, default=300)
    options.add_argument("--town", choices=list(TOWNS), help="default: all")
    options.add_argument("--smallest", action="store_true", help="one repeat of each setting of the sample")
    options.add_argument("--inverse", action="store_true", help="time the inverse shifts of a million points")
    given = options.parse_args()
    if given.inverse:
        time_inverse()
        return
    print("| town | evidence | points | noise, m | right | wrong | cannot tell | wrong at 0.999 |\n" + "|---" * 8 + "|")
    for name, path in TOWNS.items():
        if not path.is_file():
            print(f"<!-- {name}: no {path.name} beside the project -->")
        elif name == ("sample" if given.smallest else given.town or name):
            measure_town(name, read_town(path), 1 if given.smallest else given.repeats)


def measure_town(name: str, town: Town, repeats: int) -> None:
    """A row for every setting; the true datum changes from repeat to repeat, so each has a third of them."""
    bare = town._replace(buildings=np.array([], dtype=object))
    for (what, seen), carried in product((("streets", bare), ("streets, buildings", town)), (False, True)):
        for points, noise_m in product((5, 20, 200), (10, 30, 50, 100)):
            rng = np.random.default_rng([points, noise_m])
            told = np.array([measure_once(seen, points, noise_m, number, carried, rng) for number in range(repeats)])
            right, wrong, refused = told.mean(axis=0)
            where = f"{name}, carried" if carried else name
            shares = f"{right:.1%} | {wrong:.1%} | {1 - right - wrong:.1%} | {refused:.1%}"
            print(f"| {where} | {what} | {points} | {noise_m} | {shares} |", flush=True)


def measure_once(
    town: Town, points: int, noise_m: float, number: int, carried: bool, rng: np.random.Generator
) -> tuple[bool, bool, bool]:
    """Whether the doctor was right, wrong, and wrong with certainty."""
    drawn = town.pool[rng.integers(0, len(town.pool), points)] + rng.normal(0, noise_m / np.sqrt(2), (points, 2))
    crs, offset = _elsewhere(town, rng) if carried else (town.crs, np.zeros(2))
    lonlat = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(*(drawn + offset).T)
    actual = DEGREES[number % 3]
    written = np.column_stack(datums.from_wgs84(*lonlat, actual))
    found = ask(town, written, crs, offset)
    wrong = found.verdict not in (None, Reading(actual))
    return found.verdict == Reading(actual), wrong, wrong and found.weighed[0].probability >= CERTAIN


def ask(town: Town, written: np.ndarray, crs: str, offset: np.ndarray) -> Diagnosis:
    """The doctor's answer for coordinates declared as WGS84; `offset` is how far the town was carried."""
    evidence = Evidence(town.streets, town.buildings)
    ground = Ground(crs, 0.0, evidence, "wgs84")
    layer = Layer("points", FileSource(datum="wgs84"), written)
    return diagnose({reading: xy - offset for reading, xy in places_of(layer, ground).items()}, evidence)


def _elsewhere(town: Town, rng: np.random.Generator) -> tuple[str, np.ndarray]:
    """A random place in China, as a CRS and how far the town must be carried to it."""
    lon, lat = (rng.uniform(*bounds) for bounds in CHINA)
    crs = datums.working_crs(lon, lat)
    there = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lon, lat)
    return crs, np.array(there) - town.pool.mean(axis=0)


def read_town(path: Path) -> Town:
    layers = read_osm(path, path.name, Findings())
    assert layers is not None
    west, south, east, north = layers.streets.total_bounds
    crs = datums.working_crs((west + east) / 2, (south + north) / 2)
    streets, backdrop = layers.streets.to_crs(crs), layers.backdrop.to_crs(crs)
    buildings = backdrop.geometry.to_numpy()[(backdrop["theme"] == "building").to_numpy()]
    mapped = gpd.GeoSeries.from_xy(*np.reshape(_amenities(path), (-1, 2)).T, crs="EPSG:4326").to_crs(crs)
    pool = shapely.get_coordinates([*shapely.centroid(buildings), *mapped])
    return Town(crs, streets.geometry.to_numpy(), buildings, pool)


def _amenities(path: Path) -> list[tuple[float, float]]:
    return [
        (entry.lon, entry.lat)
        for entry in osmium.FileProcessor(str(path))
        if entry.is_node() and any(key in entry.tags for key in POI_KEYS)
    ]


def time_inverse(count: int = 1_000_000) -> None:
    rng = np.random.default_rng(1)
    lon, lat = rng.uniform(74, 134, count), rng.uniform(18, 53, count)
    print("| datum | points | wall s | processor s | largest error, ° |\n" + "|---" * 5 + "|")
    for datum in ("gcj02", "bd09"):
        written = datums.from_wgs84(lon, lat, datum)
        start, used = time.perf_counter(), time.process_time()
        found = datums.to_wgs84(*written, datum)
        wall, processor = time.perf_counter() - start, time.process_time() - used
        error = max(np.abs(found[0] - lon).max(), np.abs(found[1] - lat).max())
        print(f"| {datum} | {count:,} | {wall:.2f} | {processor:.2f} | {error:.1e} |")


if __name__ == "__main__":
    main()
