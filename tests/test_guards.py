"""What stands between a hostile file and the libraries that obey it: nothing is fetched, no other file is read."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from cfc_geo.errors import Findings
from cfc_geo.inputs import gdal_guard, pbf_guard, raster_guard, vector_guard
from cfc_geo.inputs.read import read_layer
from cfc_geo.inputs.vector import _dbf_texts
from tests.make_bad_files import BAD, tiff

ROOT = Path(__file__).parents[1]
SECRET = "小名,经度,纬度\n某童,120.0,28.0\n"


@contextmanager
def listener() -> Iterator[tuple[str, list[str]]]:
    """An address of this machine, and the paths that were asked of it."""
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def codes(path: Path) -> list[str]:
    findings = Findings()
    assert read_layer(path, path.name, None, findings) is None
    return [finding.code for finding in findings.errors]


def run_alone(code: str, *arguments: str) -> str:
    """What a program prints in an interpreter of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    )
    assert done.stderr == ""
    return done.stdout


# ------------------------------------------------------------------------------------------------------------ drivers


def test_the_gdal_of_pyogrio_knows_four_formats_and_no_other() -> None:
    told = run_alone(
        "from cfc_geo.inputs.gdal_guard import load_pyogrio; print(*load_pyogrio().list_drivers(), sep='|')"
    )
    assert set(told.strip().split("|")) - {"MEM", "Memory"} == set(gdal_guard.DRIVERS.values())


def test_nothing_happens_to_gdal_at_import_and_what_is_loaded_stays() -> None:
    told = run_alone(
        "import sys, cfc_geo.run, cfc_geo.inputs.vector; print('pyogrio' in sys.modules)\n"
        "import pyogrio; before = pyogrio.list_drivers()\n"
        "from cfc_geo.inputs.gdal_guard import load_pyogrio; print(load_pyogrio().list_drivers() == before)"
    )
    assert told.split() == ["False", "True"]


@pytest.mark.parametrize("ending", ["geojson", "gpkg", "shp", "csv", "json", "tif"])
@pytest.mark.parametrize(
    "disguise", sorted(path.name for path in BAD.iterdir() if path.stem.startswith(("vrt", "pip")))
)
def test_a_file_that_leads_to_another_is_refused_whatever_its_name(tmp_path: Path, disguise: str, ending: str) -> None:
    (tmp_path / "cells.csv").write_text(SECRET, encoding="utf-8")
    path = tmp_path / f"harmless.{ending}"
    path.write_bytes((BAD / disguise).read_bytes())
    assert codes(path) == ["read.format"]


def test_a_file_that_another_driver_has_opened_is_refused(tmp_path: Path) -> None:
    """Where the first bytes do not tell (another dialect of JSON, say), GDAL is asked before a record is read."""
    path = tmp_path / "topology.geojson"
    topology = {"type": "Topology", "objects": {"a": {"type": "Point", "coordinates": [1, 2]}}, "arcs": []}
    path.write_text(json.dumps(topology))
    assert "TopoJSON" in pyogrio.list_drivers(), "the tests have loaded pyogrio with all its drivers"
    assert codes(path) == ["read.format"]


# ------------------------------------------------------------------------------------------------------------ network


def test_the_crs_of_a_geojson_is_not_fetched(tmp_path: Path) -> None:
    """Both doors: a link is refused, and where it is not seen, GDAL is off the network."""
    with listener() as (address, asked):
        link = {"type": "link", "properties": {"href": address + "/crs"}}
        whole = {"type": "FeatureCollection", "crs": link, "features": [json.loads(FEATURE)]}
        path = tmp_path / "linked.geojson"
        path.write_text(json.dumps(whole))
        assert codes(path) == ["guard.linked_crs"] and asked == []
        with gdal_guard.offline() as engine:
            engine.read_dataframe(path)
        assert asked == []
        pyogrio.read_dataframe(path)
        assert "/crs" in asked, "without the guard, GDAL does fetch it"


FEATURE = '{"type": "Feature", "properties": {"crs": "x"}, "geometry": {"type": "Point", "coordinates": [1, 2]}}'


@pytest.mark.parametrize(
    ("crs", "plain"),
    [
        ('"crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}', True),
        ('"crs": {"properties": {"name": "EPSG:4490"}, "type": "name"}', True),
        ('"crs": null', True),
        ('"crs": {"type": "link", "properties": {"href": "http://x"}}', False),
        ('"CRS" :\n {"type": "url", "properties": {"url": "http://x"}}', False),
        ('"c\\u0072s": {"type": "link", "properties": {"href": "http://x"}}', False),
        ('"crs": {"type": "name", "type": "link", "properties": {"href": "http://x"}}', False),
        ('"crs": {"type": "link", "TYPE": "name", "properties": {"href": "http://x"}}', False),
        ('"crs": {"properties": {"href": "http://x"}}', False),
        ('"crs": {"type": "name", "properties": {"name": "' + "x" * 20_000 + '"}}', False),
    ],
)
def test_a_crs_is_taken_by_name_only(tmp_path: Path, crs: str, plain: bool) -> None:
    path = tmp_path / "p.geojson"
    path.write_text('{"type": "FeatureCollection", ' + crs + ', "features": [' + FEATURE + "]}")
    findings = Findings()
    assert vector_guard.may_open(path, path.name, "geojson", findings) is plain
    assert [finding.code for finding in findings] == ([] if plain else ["guard.linked_crs"])


BESIDE: dict[str, Callable[[str], str]] = {
    "t.tif.ovr": lambda address: vrt_of(address),
    "t.tif.msk": lambda address: vrt_of(address),
    "t.tif.aux.xml": lambda address: (
        f'<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">{address}</MDI></Metadata></PAMDataset>'
    ),
}


def vrt_of(address: str) -> str:
    source = f"<SimpleSource><SourceFilename>{address}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>"
    band = f'<VRTRasterBand dataType="Byte" band="1">{source}</VRTRasterBand>'
    return f'<VRTDataset rasterXSize="14" rasterYSize="6">{band}</VRTDataset>'


@pytest.mark.parametrize("name", BESIDE)
def test_a_raster_is_read_without_the_files_beside_it(tmp_path: Path, name: str) -> None:
    path = tmp_path / "t.tif"
    path.write_bytes(tiff(np.ones((1, 6, 14), dtype="float32")))
    (tmp_path / name).write_text(BESIDE[name](f"/vsimem/{name}"))
    with gdal_guard.open_geotiff(path) as raster:
        assert [Path(part).name for part in raster.files] == ["t.tif"] and raster.overviews(1) == []
        assert raster.read(1, masked=True).count() == 6 * 14


@pytest.mark.parametrize(
    ("beside", "content", "fine"),
    [
        ("t.tif.aux.xml", "<PAMDataset><Metadata><MDI key='STATISTICS_MEAN'>1</MDI></Metadata></PAMDataset>", True),
        ("t.tif.aux.xml", "<PAMDataset><SRS>EPSG:4490</SRS></PAMDataset>", False),
        ("t.tif.msk", "x", False),
        ("t.tfw", "1\n0\n0\n-1\n0\n0\n", True),
    ],
)
def test_what_is_beside_a_raster_is_not_ignored_where_it_matters(
    tmp_path: Path, beside: str, content: str, fine: bool
) -> None:
    path = tmp_path / "t.tif"
    path.write_bytes(tiff(np.ones((1, 6, 14), dtype="float32")))
    (tmp_path / beside).write_text(content)
    assert raster_guard.may_open(path, path.name, Findings()) is fine


# ------------------------------------------------------------------------------------------------------- other files


@pytest.mark.parametrize("part", [".dbf", ".prj", ".shx"])
def test_parts_of_a_shapefile_are_no_links_to_elsewhere(tmp_path: Path, part: str) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir(), there.mkdir()
    layer = gpd.GeoDataFrame({"code": ["P"]}, geometry=[shapely.Point(120, 28)], crs="EPSG:4490")
    layer.to_file(here / "p.shp", encoding="utf-8")
    (here / f"p{part}").rename(there / f"p{part}")
    (here / f"p{part}").symlink_to(there / f"p{part}")
    assert codes(here / "p.shp") == ["guard.part_elsewhere"]
    linked = tmp_path / "p.shp"
    (here / f"p{part}").unlink()
    (there / f"p{part}").rename(here / f"p{part}")
    linked.symlink_to(here / "p.shp")
    assert codes(linked) == ["read.unreadable"], "its parts are not beside the link"


@pytest.mark.parametrize("name", ["view.gpkg", "endless_contents.gpkg", "computed_column.gpkg", "virtual_table.gpkg"])
def test_a_geopackage_that_is_a_program_is_refused(name: str) -> None:
    assert codes(BAD / name) == ["guard.program"]


def test_a_spatial_index_and_words_like_as_are_no_program(tmp_path: Path) -> None:
    layer = gpd.GeoDataFrame({"as (size)": [1], "view": ["x"]}, geometry=[shapely.Point(120, 28)], crs="EPSG:4490")
    layer.to_file(tmp_path / "p.gpkg", layer="parks")
    findings = Findings()
    assert read_layer(tmp_path / "p.gpkg", "p.gpkg", None, findings) is not None
    assert findings == []


def test_a_text_stored_once_and_used_everywhere_counts_as_often_as_it_is_used(tmp_path: Path) -> None:
    layer = gpd.GeoDataFrame({"a": pd.Categorical(["x" * 1_000_000] * 500)}, geometry=[shapely.Point(1, 2)] * 500)
    layer.to_parquet(tmp_path / "p.parquet")
    assert (tmp_path / "p.parquet").stat().st_size < 2_000_000
    assert codes(tmp_path / "p.parquet") == ["guard.unpacked"]


# ---------------------------------------------------------------------------------------------------------- PBF, dBASE


@given(st.binary(max_size=200))
def test_any_bytes_are_judged_and_none_escapes(content: bytes) -> None:
    path = Path(BAD / "zero_byte.pbf")
    whole = path.read_bytes()
    for message in (content, whole[: len(whole) // 2] + content):
        try:
            list(pbf_guard._fields(message))
        except (ValueError, IndexError):
            continue


def test_a_good_pbf_is_not_refused(tmp_path: Path) -> None:
    import osmium

    writer = osmium.SimpleWriter(osmium.io.File(str(tmp_path / "n.pbf"), "pbf"))
    for number in range(1, 20_000):
        tags = {"highway": "crossing", "name": f"路口{number}"}
        writer.add_node(osmium.osm.mutable.Node(id=number, location=(120, 28), tags=tags))
    writer.close()
    assert pbf_guard.refusal(tmp_path / "n.pbf") == ""


def test_a_dbf_of_absurdly_narrow_records_is_not_walked_through() -> None:
    field = b"n".ljust(11, b"\0") + b"C" + bytes(4) + b"\xff" + bytes(15)
    header = b"\x03" + bytes(7) + (32 + 32 * 200 + 1).to_bytes(2, "little") + (1).to_bytes(2, "little") + bytes(20)
    assert len(list(_dbf_texts(header + field * 200 + b"\r" + bytes(1_000_000)))) == 200
