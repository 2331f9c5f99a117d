"""Spoils good files of every format byte by byte and reads them: `python -m tests.fuzz_readers --minutes 60`.

Every reading must end in a result or in findings: never in a traceback, a crash, more than 20 s, or more than 1 GB. A
child process reads, so that what kills it is seen; what falls out is kept in `--keep` under the seed that makes it.
"""

import argparse
import io
import json
import os
import random
import resource
import select
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from affine import Affine

from cfc_geo.errors import CfcError
from tests import toyplan

MOST_S = 20.0
MOST_BYTES = 1_000_000_000
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Case:
    """A toy plan one of whose files is of some format: the folder, and which file is spoilt."""

    name: str
    folder: Path
    target: str

    @property
    def plan(self) -> Path:
        return self.folder / "toy.toml"


# ------------------------------------------------------------------------------------------------------------- spoiling


def spoilt(content: bytes, rng: random.Random) -> bytes:
    """`content` with one to three faults; of an archive, now and then one of its parts, packed again."""
    if content.startswith(b"PK\x03\x04") and rng.random() < 0.8:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        name = rng.choice(sorted(parts))
        return packed({**parts, name: _spoilt_bytes(parts[name], rng)})
    return _spoilt_bytes(content, rng)


def packed(parts: Mapping[str, bytes]) -> bytes:
    """An archive of these parts, the same bytes each time."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(zipfile.ZipInfo(name), part, zipfile.ZIP_DEFLATED)
    return target.getvalue()


def _spoilt_bytes(content: bytes, rng: random.Random) -> bytes:
    """One to three of: cut off, zero a block, flip a bit, put in random or telling bytes, repeat or drop a piece."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.randrange(len(data)) if rng.random() < 0.6 else rng.randrange(min(len(data), 512))
        size = min(rng.choice((1, 1, 2, 4, 8, 64, 1024)), len(data) - at)
        match rng.randrange(8):
            case 0:
                del data[max(at, 1) :]
            case 1:
                data[at : at + size] = bytes(size)
            case 2:
                data[at] ^= 1 << rng.randrange(8)
            case 3:
                data[at : at + size] = rng.randbytes(size)
            case 4:
                data[at : at + 4] = rng.choice(TELLING)
            case 5:
                start = rng.randrange(len(data))
                data[at:at] = data[start : start + size]
            case 6:
                del data[at : at + size]
            case 7:
                data[at] = rng.randrange(256)
        if not data:
            return b"\0"
    return bytes(data)


TELLING = (
    b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\0\0\xf0\x7f", b"\x7f\xf8\0\0", b"9999", b"1e99",
    b"-1e9", b"NaN,", b"null", b'"\\u0', b"[[[[", b"]]]]", b"{{{{", b"</a>", b"<![C", b"\xef\xbb\xbf\n", b"\x80" * 4,
)  # fmt: skip


# ----------------------------------------------------------------------------------------------------------- good files

GRAPHML = """<?xml version="1.0" encoding="utf-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
<key id="d0" for="graph" attr.name="crs" attr.type="string"/><key id="d1" for="node" attr.name="x" attr.type="string"/>
<key id="d2" for="node" attr.name="y" attr.type="string"/>
<key id="d3" for="edge" attr.name="highway" attr.type="string"/>
<key id="d4" for="edge" attr.name="length" attr.type="string"/>
<key id="d5" for="edge" attr.name="geometry" attr.type="string"/>
<graph edgedefault="directed"><data key="d0">epsg:4326</data>{nodes}{edges}</graph></graphml>
"""


def good_cases(folder: Path) -> list[Case]:
    """A folder with a good toy plan for every format, in every role that reads it."""
    made = []
    for role, ending, write in _variants():
        here = folder / f"{role}.{ending}"
        toyplan.write_toy(here)
        name = f"data/{role}.{ending}"
        text = write(here / name)
        if role != "streets":  # lines are read in a tenth of the time that an OSM file takes
            text = _as(text, "data/streets.osm", here / "data/lines.geojson", None)
            _write_layer(_lines(), here / "data/lines.geojson")
        (here / "toy.toml").write_text(text, encoding="utf-8")
        made.append(Case(f"{role}.{ending}", here, name))
        if ending == "shp":
            made += [Case(f"{role}.{part}", here, f"data/{role}.{part}") for part in ("shx", "dbf", "prj", "cpg")]
    made.append(Case("plan.toml", made[0].folder, "toy.toml"))
    return made


def _variants():  # type: ignore[no-untyped-def]
    plan = toyplan.PLAN
    for ending in ("geojson", "gpkg", "shp", "fgb", "parquet"):
        yield "units", ending, lambda path: _as(plan, "data/units.geojson", path, _write_layer(_units(), path))
    yield "cells", "csv", lambda path: plan
    yield "facilities", "csv", lambda path: plan
    yield "parks", "geojson", lambda path: plan
    yield "streets", "osm", lambda path: plan
    yield "table", "xlsx", lambda path: _as(plan, "data/facilities.csv", path, _write_book(path))
    yield "table", "txt", lambda path: _as(plan, "data/facilities.csv", path, _write_utf16(path))
    yield "cells", "tif", lambda path: _write_tiff(path)
    yield "streets", "pbf", lambda path: _as(plan, "data/streets.osm", path, _write_pbf(path))
    yield "streets", "graphml", lambda path: _as(plan, "data/streets.osm", path, _write_graphml(path))
    yield "streets", "gpkg", lambda path: _as(plan, "data/streets.osm", path, _write_layer(_lines(), path))


def _as(plan: str, old: str, path: Path, _: None) -> str:
    return plan.replace(old, f"data/{path.name}")


def _units() -> gpd.GeoDataFrame:
    records = toyplan.unit_records()
    shapes = [toyplan.in_degrees(shape) for _, shape in records]
    return gpd.GeoDataFrame([values for values, _ in records], geometry=shapes, crs="EPSG:4326")


def _lines() -> gpd.GeoDataFrame:
    lines = [shapely.LineString(toyplan.lonlat_each(pair)) for pair in (((0, 0), (400, 0)), ((400, 0), (1200, 0)))]
    return gpd.GeoDataFrame({"highway": ["residential", "footway"]}, geometry=lines, crs="EPSG:4326")


def _write_layer(layer: gpd.GeoDataFrame, path: Path) -> None:
    if path.suffix == ".parquet":
        layer.to_parquet(path)
    else:
        layer.to_file(path, **({"encoding": "UTF-8"} if path.suffix == ".shp" else {}))


def _write_book(path: Path) -> None:
    heading, *rows = toyplan.facility_rows()
    pd.DataFrame(rows, columns=heading).to_excel(path, index=False)


def _write_utf16(path: Path) -> None:
    rows = ["\t".join(map(str, row)) for row in toyplan.facility_rows()]
    path.write_text("\n".join(rows), encoding="utf-16")


def _write_tiff(path: Path) -> str:
    place = Affine(100, 0, toyplan.ORIGIN[0] - 100, 0, -100, toyplan.ORIGIN[1] + 400)
    profile = {"driver": "GTiff", "count": 1, "height": 6, "width": 14, "dtype": "float32", "nodata": -1}
    with rasterio.open(path, "w", **profile, crs=toyplan.CRS, transform=place, compress="deflate") as file:
        file.write(np.ones((1, 6, 14), dtype="float32"))
    plan = toyplan.PLAN
    start, end = plan.index("[population]"), plan.index("[[facilities]]")
    return plan[:start] + f'[population]\nfile = "data/{path.name}"\nchildren = {{ "3-5" = 1 }}\n' + plan[end:]


def _write_pbf(path: Path) -> None:
    import osmium

    writer = osmium.SimpleWriter(osmium.io.File(str(path), "pbf,pbf_compression=none"))
    for item in osmium.FileProcessor(str(path.with_name("streets.osm"))):
        writer.add(item)
    writer.close()


def _write_graphml(path: Path) -> None:
    places = [(0, 0), (400, 0), (800, 0), (1200, 0), (400, 300)]
    degrees = [toyplan.lonlat(*place) for place in places]
    nodes = "".join(
        f'<node id="{number}"><data key="d1">{lon}</data><data key="d2">{lat}</data></node>'
        for number, (lon, lat) in enumerate(degrees)
    )
    line = f'<data key="d5">LINESTRING ({degrees[0][0]} {degrees[0][1]}, {degrees[1][0]} {degrees[1][1]})</data>'
    edges = "".join(
        f'<edge source="{a}" target="{b}"><data key="d3">residential</data><data key="d4">400.0</data>'
        f"{line if (a, b) == (0, 1) else ''}</edge>"
        for a, b in [(0, 1), (1, 0), (1, 2), (2, 1), (2, 3), (3, 2), (1, 4), (4, 1)]
    )
    path.write_text(GRAPHML.format(nodes=nodes, edges=edges), encoding="utf-8")


# ------------------------------------------------------------------------------------------------------------ the child


def read_to_the_end(plan: Path) -> str:
    """What reading a plan ends in: "result" or "findings". Anything else is raised."""
    from cfc_geo.plan import load_plan
    from cfc_geo.run import check_plan

    try:
        found, ending = list(check_plan(load_plan(plan))), "result"
    except CfcError as error:
        found, ending = error.findings, "findings"
        assert any(finding.severity == "error" for finding in found), "refused without an error"
    for finding in found:
        for lang in ("zh", "en"):
            text = finding.text(lang)
            assert text.isprintable() and "/tmp/" not in text.removeprefix(str(plan.parent)), text
            assert finding.severity != "error" or " → " in text, text
    return ending


def serve() -> None:
    """Read the plans named on the input, one a line; answer each with a line: how it ended, peak memory in bytes."""
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        try:
            ending = read_to_the_end(Path(line.strip()))
        except BaseException as error:  # what escapes is what this is looking for
            import traceback

            where = traceback.extract_tb(error.__traceback__)
            ours = [frame for frame in where if "cfc_geo" in frame.filename] or list(where)
            ending = f"{type(error).__name__} at {Path(ours[-1].filename).name}:{ours[-1].lineno}: {error}"[:400]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps([ending, peak]), flush=True)


class Reader:
    """A child that reads plans; started again when it dies."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        command = [sys.executable, "-c", "from tests.fuzz_readers import serve; serve()"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.child = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.peak = 0

    def __call__(self, plan: Path) -> str:
        """ "result", "findings", or what went wrong."""
        assert self.child.stdin and self.child.stdout
        self.child.stdin.write(f"{plan}\n")
        self.child.stdin.flush()
        first = self.peak == 0
        ready, _, _ = select.select([self.child.stdout], [], [], MOST_S + 40 * first)
        line = self.child.stdout.readline() if ready else ""
        if not line:
            how = f"killed by signal {-self.child.wait()}" if ready else f"longer than {MOST_S:.0f} s"
            self.close()
            self._start()
            return how
        ending, peak = json.loads(line)
        grown, self.peak = peak - self.peak, max(peak, 1)
        if not first and grown > MOST_BYTES / 2:
            ending = f"{grown / 1e6:.0f} MB more"
        if self.peak > 2 * MOST_BYTES:
            self.close()
            self._start()
        return str(ending)

    def close(self) -> None:
        self.child.kill()
        self.child.communicate()


# ----------------------------------------------------------------------------------------------------------- the parent


def spoil_and_read(cases: list[Case], read: Reader, seeds: Iterator[int]) -> Iterator[tuple[int, Case, bytes, str]]:
    """Seed, case, spoilt content and ending of each reading; the file is whole again after each."""
    for seed in seeds:
        rng = random.Random(seed)
        case = cases[seed % len(cases)]
        path = case.folder / case.target
        whole = path.read_bytes()
        content = spoilt(whole, rng)
        try:
            path.write_bytes(content)
            yield seed, case, content, read(case.plan)
        finally:
            path.write_bytes(whole)


def fine(ending: str) -> bool:
    return ending in ("result", "findings")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-found"))
    given = parser.parse_args()
    until = time.monotonic() + 60 * given.minutes
    folder = Path(tempfile.mkdtemp())
    cases, read, counts = good_cases(folder), Reader(), Counter()
    for case in cases:
        assert read(case.plan) == "result", case.name
    seeds = iter(lambda: next(numbers) if time.monotonic() < until else None, None)
    numbers = iter(range(given.seed, sys.maxsize))
    for seed, case, content, ending in spoil_and_read(cases, read, seeds):
        counts[case.name, ending if fine(ending) else "FAULT"] += 1
        if not fine(ending):
            given.keep.mkdir(exist_ok=True)
            (given.keep / f"{seed}-{case.target.replace('/', '-')}").write_bytes(content)
            print(f"{seed} {case.name}: {ending}", flush=True)
    for (name, ending), count in sorted(counts.items()):
        print(f"{name:20} {ending:10} {count}")
    read.close()
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
