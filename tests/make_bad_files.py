"""Makes the files of tests/data/bad, the same bytes each time: `python -m tests.make_bad_files [FOLDER]`.

Each is the toy plan (`toyplan.py`) or one file of it with one thing wrong. `manifest.toml` beside them says which, and
what the program must say of it.
"""

import gzip
import io
import json
import sqlite3
import struct
import sys
import warnings
import zipfile
import zlib
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import geopandas as gpd
import numpy as np
import openpyxl
import pyogrio
import rasterio
import shapely
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning

from tests import toyplan
from tests.fuzz_readers import GRAPHML, packed
from tests.toyplan import CRS, ORIGIN, PLAN, cell_rows, facility_rows, in_degrees, unit_records

BAD = Path(__file__).parent / "data" / "bad"
Records = list[tuple[dict[str, object], shapely.Geometry]]


def main(folder: Path = BAD) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in {**plans(), **tables(), **layers(), **rasters(), **streets(), **disguises()}.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


Made = dict[str, bytes | str]


# ---------------------------------------------------------------------------------------------------------------- plans


def plans() -> Made:
    """Whole plans, laid beside the good data."""

    def plan(old: str, new: str, text: str = PLAN) -> str:
        assert old in text, old
        return text.replace(old, new, 1)

    raster = raster_plan("children.tif")
    crs = "\n[population]"
    return {
        "no_file.toml": plan("data/cells.csv", "data/cell.csv"),
        "folder.toml": plan("data/cells.csv", "data"),
        "long_name.toml": plan("data/cells.csv", "x" * 300),
        "address.toml": plan("data/cells.csv", "https://example.org/cells.csv"),
        "vsicurl.toml": plan("data/parks.geojson", "/vsicurl/http://example.org/p"),
        "zero_byte.toml": plan("data/cells.csv", "data/cells.csv\\u0000.txt"),
        "outside.toml": plan("data/cells.csv", "/etc/hostname"),
        "no_datum.toml": plan('datum = "wgs84"', ""),
        "unknown_crs.toml": plan('datum = "wgs84"', 'datum = "EPSG:99999"'),
        "heights.toml": plan('datum = "wgs84"', 'datum = "EPSG:5773"'),
        "beijing_1954.toml": plan('datum = "wgs84"', 'datum = "EPSG:4214"'),
        "xian_1980.toml": plan('datum = "wgs84"', 'datum = "EPSG:2379"'),
        "sheet_in_degrees.toml": plan(crs, '\ncrs = "EPSG:4326"' + crs),
        "web_mercator.toml": plan(crs, '\ncrs = "EPSG:3857"' + crs),
        "swapped_columns.toml": plan('lon = "经度", lat = "纬度", cap', 'lon = "纬度", lat = "经度", cap'),
        "misspelt_column.toml": plan('lon = "经度"', 'lon = "经"'),
        "missing_column.toml": plan('"0-2" = "0-2岁"', '"0-2" = "婴儿"'),
        "no_kind.toml": plan('kind = "类型", ', "", plan("facilities.csv", "kind_unstated.csv")),
        "no_coordinates.toml": plan('lon = "经度"\nlat = "纬度"\n', "", plan("cells.csv", "coordinates_unstated.csv")),
        "streets_in_a_table.toml": plan("data/streets.osm", "data/cells.csv"),
        "kind_of_osm.toml": plan('file = "data/parks.geojson"', 'file = "data/streets.osm"'),
        "band_of_a_table.toml": plan('"0-2" = "0-2岁"', '"0-2" = 1'),
        "band_missing.toml": plan('"3-5" = 1', '"3-5" = 2', raster),
        "band_by_name.toml": plan('"3-5" = 1', '"3-5" = "kids"', raster),
        "raster_in_amap_metres.toml": plan('"3-5" = 1 }', '"3-5" = 1 }\ndatum = "gcj02"', raster),
        "raster_in_another_zone.toml": plan('"3-5" = 1 }', '"3-5" = 1 }\ndatum = "EPSG:4548"', raster),
        "two_grids.toml": plan(
            'file = "data/children.tif"\nchildren = { "3-5" = 1 }',
            'files = { "3-5" = "data/children.tif", "6-11" = "data/another_grid.tif" }',
            raster,
        ),
        "gates.toml": plan(
            'columns = { id = "code"',
            'entrances = { file = "data/gates.csv", facility = "设施", lon = "经度", lat = "纬度", datum = "wgs84" }\n'
            'columns = { id = "code"',
        ),
        "unknown_key.toml": PLAN + "columm = 1\n",
        "repeated_key.toml": PLAN + 'file = "b.osm"\n',
        "not_toml.toml": PLAN + "file =\n",
        "not_utf8.toml": PLAN.encode("gb18030"),
        "not_finite.toml": PLAN + "[walk]\nsnap_limit_m = inf\n",
        "too_deep.toml": PLAN + "x = " + "[" * 3000 + "]" * 3000 + "\n",
        "long_key.toml": PLAN + "a" + ".a" * 2000 + " = 1\n",
        "extends_itself.toml": 'extends = "extends_itself.toml"\n',
        "extends_nothing.toml": 'extends = "bose.toml"\n',
    }


def raster_plan(name: str) -> str:
    """The toy plan with children of 3-5 in a raster."""
    start, end = PLAN.index("[population]"), PLAN.index("[[facilities]]")
    return PLAN[:start] + f'[population]\nfile = "data/{name}"\nchildren = {{ "3-5" = 1 }}\n' + PLAN[end:]


# --------------------------------------------------------------------------------------------------------------- tables


def csv_of(rows: list[list[object]]) -> bytes:
    return "\r\n".join([*(",".join(map(str, row)) for row in rows), ""]).encode()


def changed(rows: list[list[object]], row: int, column: int, value: object) -> bytes:
    """Row 1 is the heading, column 1 the first."""
    rows[row - 1][column - 1] = value
    return csv_of(rows)


def tables() -> Made:
    cells, facilities = cell_rows, facility_rows
    return {
        "empty.csv": b"",
        "heading_only.csv": "编号,经度,纬度\n\n",
        "web_page.csv": "<!DOCTYPE html><html></html>",
        "id_blank.csv": changed(cells(), 4, 1, " "),
        "id_repeated.csv": changed(cells(), 3, 1, "a"),
        "longitude_blank.csv": changed(cells(), 3, 2, ""),
        "latitude_in_words.csv": changed(cells(), 3, 3, "北"),
        "latitude_nan.csv": changed(cells(), 3, 3, "NaN"),
        "longitude_impossible.csv": changed(cells(), 3, 2, 500000),
        "count_blank.csv": changed(cells(), 3, 5, ""),
        "count_in_words.csv": changed(cells(), 3, 5, "许多"),
        "count_nan.csv": changed(cells(), 3, 5, "nan"),
        "count_infinite.csv": changed(cells(), 3, 5, "inf"),
        "count_huge.csv": changed(cells(), 3, 5, "1e999"),
        "count_negative.csv": changed(cells(), 3, 5, -1),
        "capacity_in_words.csv": changed(facilities(), 3, 6, "许多"),
        "kind_unknown.csv": changed(facilities(), 2, 3, "造纸厂"),
        "another_city.csv": csv_of([facilities()[0], ["K", "幼儿园", "幼儿园", 121.5, 31.2, 90]]),
        "kind_unstated.csv": csv_of(facilities()).replace("类型".encode(), "备注".encode(), 1),
        "coordinates_unstated.csv": csv_of(cells()).replace("经度,纬度".encode(), "东,北".encode(), 1),
        "heading_repeated.csv": csv_of(facilities()).replace("名称".encode(), "编号".encode(), 1),
        "ragged.csv": csv_of([*facilities()[:2], [*facilities()[2], "多出来"], *facilities()[3:]]),
        "open_quote.csv": '编号,名称\n1,"a\n',
        "no_encoding.csv": b"a,b\n\xff\xff,1\n",
        "gates.csv": csv_of([["设施", "经度", "纬度"], ["Q", *toyplan.lonlat(0, 0)]]),
        "two_sheets.xlsx": _book({"表一": [["a"], ["1"]], "表二": [["b"], ["2"]]}),
        "bomb.xlsx": book_of_rows(b" " * 3_000_000),
        "lie.xlsx": book_of_rows(SHEET_ROWS, claim=1000),
        "stray_cell.xlsx": book_of_rows(b'<row r="1"><c r="A1"/></row><row r="1048576"><c r="XFD1048576"/></row>'),
        "cut_off.xlsx": _book({"表": [["a"], ["1"]]})[:2000],
        "two_kinds.xlsx": _two_kinds(_book({"表": [["a"], ["1"]]})),
        "archive.zip": packed({"cells.csv": csv_of(cells())}),
        "cut_off.xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500),
    }


SHEET_ROWS = b"".join(b'<row r="%d"><c r="A%d"><v>1</v></c></row>' % (row, row) for row in range(1, 800))


def _book(sheets: dict[str, list[list[object]]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    target = io.BytesIO()
    book.save(target)
    parts = _parts(target.getvalue())
    parts.pop("docProps/core.xml")  # holds the time of writing
    parts["_rels/.rels"] = b"\n".join(
        line for line in parts["_rels/.rels"].replace(b"<Rel", b"\n<Rel").splitlines() if b"core.xml" not in line
    )
    return packed(parts)


def _parts(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def book_of_rows(rows: bytes, claim: int | None = None) -> bytes:
    """A workbook with these rows; with `claim`, the archive says that the sheet is only so many bytes long."""
    start = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    sheet = start + rows + b"</sheetData></worksheet>"
    parts = _parts(_book({"表": [["a"]]}))
    book = packed({**parts, "xl/worksheets/sheet1.xml": sheet})
    return book if claim is None else book.replace(struct.pack("<I", len(sheet)), struct.pack("<I", claim))


def _two_kinds(book: bytes) -> bytes:
    return packed({**_parts(book), "content.xml": b"<office/>"})


# --------------------------------------------------------------------------------------------------------------- layers


def geojson_of(records: Records, crs: object = None) -> str:
    features = [
        {"type": "Feature", "properties": values, "geometry": shapely.geometry.mapping(in_degrees(shape))}
        for values, shape in records
    ]
    stated = {} if crs is None else {"crs": crs}
    return json.dumps({"type": "FeatureCollection", **stated, "features": features}, ensure_ascii=False)


def units(number: int | None = None, shape: shapely.Geometry | None = None, **values: object) -> str:
    """The toy's units, one of them with another shape or other values."""
    records = unit_records()
    if number is not None:
        records[number] = ({**records[number][0], **values}, shape or records[number][1])
    return geojson_of(records)


def park(geometry: str) -> str:
    start = '{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"code":"P","name":"公园"},'
    return start + '"geometry":' + geometry + "}]}"


def layers() -> Made:
    link = {"type": "link", "properties": {"href": "http://example.org/crs", "type": "ogcwkt"}}
    turned = shapely.to_geojson(shapely.transform(in_degrees(toyplan.PARK), lambda xy: xy[:, ::-1]))
    good = geojson_of([({"code": "P", "name": "公园"}, toyplan.PARK)])
    bow_tie = shapely.Polygon([(-100, -200), (1300, 400), (1300, -200), (-100, 400)])
    with_gap = [
        *[({**values, "parent": ""}, shape) for values, shape in unit_records()[1:]],
        ({"code": "03", "name": "飞地", "level": "社区", "parent": ""}, _ring()),
    ]
    return {
        "not_a_map.geojson": b"\x89PNG\r\n\x1a\n\0\0",
        "list.geojson": '[{"a": 1}]',
        "cut_off.geojson": good[: len(good) // 2],
        "deep.geojson": '{"type":"FeatureCollection","features":' + "[" * 5000 + "]" * 5000 + "}",
        "linked_crs.geojson": geojson_of([({"code": "P", "name": "公园"}, toyplan.PARK)], link),
        "empty_layer.geojson": geojson_of([]),
        "point_units.geojson": units(0, shapely.Point(0, 0)),
        "line_park.geojson": geojson_of([({"code": "P", "name": "公园"}, shapely.LineString([(0, 0), (9, 9)]))]),
        "bow_tie.geojson": units(0, bow_tie),
        "flat_park.geojson": park('{"type":"Polygon","coordinates":[[[120,28],[121,28],[122,28],[120,28]]]}'),
        "no_shape.geojson": park("null"),
        "half_a_point.geojson": park('{"type":"Point","coordinates":[120]}'),
        "nan_point.geojson": park('{"type":"Point","coordinates":[120,NaN]}'),
        "ring_of_two.geojson": park('{"type":"Polygon","coordinates":[[[120,28],[121,28]]]}'),
        "swapped_park.geojson": park(turned),
        "unit_named_all.geojson": units(1, code="all"),
        "unknown_parent.geojson": units(2, parent="9"),
        "outside_parent.geojson": units(2, parent="01"),
        "circle_of_parents.geojson": units(0, parent="01"),
        "overlap.geojson": units(1, shapely.box(-100, -200, 700, 400)),
        "too_wide.geojson": units(0, shapely.box(-100, -200, 300_000, 400)),
        "gap.geojson": geojson_of(with_gap),
        **_shapefile("no_prj", CRS, drop=".prj"),
        **_shapefile("moon", "ESRI:104903"),
        **geopackages(),
        **_arrow_files(),
    }


def _ring() -> shapely.Geometry:
    """Ground east of the toy's units around a hole of 100 m."""
    return shapely.box(1300, -200, 1700, 400) - shapely.box(1450, 0, 1550, 100)


def _park_layer(crs: str | None = CRS) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({"code": ["P"], "name": ["公园"]}, geometry=[toyplan.PARK], crs=crs)


def _shapefile(stem: str, crs: str, drop: str = "") -> Made:
    with TemporaryDirectory() as folder:
        layer = _park_layer().set_crs(crs, allow_override=True)
        layer.to_file(Path(folder) / f"{stem}.shp", encoding="utf-8")
        parts = {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir()) if path.suffix != drop}
    table = f"{stem}.dbf"
    parts[table] = parts[table][:1] + b"\x7d\x01\x01" + parts[table][4:]  # the date of writing
    return dict(parts)


def geopackages() -> Made:
    view = "CREATE VIEW parks AS SELECT * FROM kept"
    computed = (
        "ALTER TABLE parks ADD COLUMN size INTEGER GENERATED ALWAYS AS (length(hex(zeroblob(500000000)))) VIRTUAL"
    )
    endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT * FROM g, c"
    contents = ("ALTER TABLE gpkg_contents RENAME TO g", f"CREATE VIEW gpkg_contents AS {endless}")
    return {
        "two_layers.gpkg": _geopackage(layers=("parks", "other")),
        "view.gpkg": _geopackage("ALTER TABLE parks RENAME TO kept", view),
        "endless_contents.gpkg": _geopackage(*contents),
        "computed_column.gpkg": _geopackage(computed),
        "virtual_table.gpkg": _geopackage(schema="CREATE VIRTUAL TABLE evil USING VirtualOGR('secret.csv')"),
        "billion_rows.gpkg": _geopackage("UPDATE gpkg_ogr_contents SET feature_count = 1000000000"),
        "cut_off.gpkg": _geopackage()[:4000],
    }


def _geopackage(*changes: str, layers: tuple[str, ...] = ("parks",), schema: str = "") -> bytes:
    """A GeoPackage of the toy's park, made small, then changed; `schema` is put into its schema as it is."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "parks.gpkg"
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "2025-01-01T00:00:00.000Z"})
        for layer in layers:
            _park_layer().to_file(path, layer=layer, layer_options={"SPATIAL_INDEX": "NO"})
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})
        with closing(sqlite3.connect(path, isolation_level=None)) as base:
            base.execute("PRAGMA legacy_alter_table = ON")
            for name, *_ in base.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                base.execute(f'DROP TRIGGER "{name}"')
            for change in changes:
                base.execute(change)
            base.execute("PRAGMA page_size = 512")
            base.execute("VACUUM")
            if schema:
                base.execute("PRAGMA writable_schema = ON")
                row = ("table", "evil", "evil", 0, schema)
                base.execute(
                    "INSERT INTO sqlite_master(type, name, tbl_name, rootpage, sql) VALUES (?, ?, ?, ?, ?)", row
                )
        return path.read_bytes()


def _arrow_files() -> Made:
    with TemporaryDirectory() as folder:
        parquet, flat = Path(folder) / "p.parquet", Path(folder) / "p.fgb"
        _park_layer().to_parquet(parquet, compression=None)
        _park_layer().to_file(flat, SPATIAL_INDEX="NO")
        whole, flatgeobuf = parquet.read_bytes(), flat.read_bytes()
    return {
        "not_text.parquet": whole.replace("公园".encode(), b"\xff\xfe\xfd\xfc\xfb\xfa"),
        "cut_off.parquet": whole[: len(whole) // 2],
        "cut_off.fgb": flatgeobuf[:-10],
    }


# -------------------------------------------------------------------------------------------------------------- rasters


def counts() -> np.ndarray:
    return np.ones((1, 6, 14), dtype="float32")


def spoilt(value: float) -> np.ndarray:
    values = counts()
    values[0, 2, 3] = value
    return values


def tiff(values: np.ndarray, tags: dict[str, dict[str, str]] | None = None, **settings: object) -> bytes:
    """`values` (bands × rows × columns) as counts of children 3-5 on 100 m pixels over the town."""
    bands, height, width = values.shape
    place = Affine(100, 0, ORIGIN[0] - 100, 0, -100, ORIGIN[1] + 400)
    size = {"count": bands, "height": height, "width": width, "dtype": values.dtype.name}
    profile = {"driver": "GTiff", **size, "crs": CRS, "transform": place, "nodata": -1, **settings}
    with warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning), TemporaryDirectory() as folder:
        path = Path(folder) / "t.tif"
        with rasterio.open(path, "w", **profile) as file:
            file.write(values)
            for domain, words in (tags or {}).items():
                file.update_tags(ns=domain, **words)
        return path.read_bytes()


def _sparse() -> bytes:
    """100000 × 100000 pixels in some kilobytes."""
    size = {"width": 100_000, "height": 100_000, "count": 1, "dtype": "float32", "crs": CRS}
    place = Affine(1, 0, ORIGIN[0], 0, -1, ORIGIN[1])
    tiles = {"sparse_ok": True, "tiled": True, "blockxsize": 4096, "blockysize": 4096}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "t.tif"
        with rasterio.open(path, "w", driver="GTiff", **size, **tiles, transform=place):
            pass
        return path.read_bytes()


def _one_block() -> bytes:
    """One tile of 16384 × 16384 numbers of 8 bytes, of which nothing is there."""
    size = {"width": 600, "height": 600, "count": 1, "dtype": "float64", "crs": CRS}
    place = Affine(1, 0, ORIGIN[0], 0, -1, ORIGIN[1])
    tiles = {"sparse_ok": True, "tiled": True, "blockxsize": 16384, "blockysize": 16384}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "t.tif"
        with rasterio.open(path, "w", driver="GTiff", **size, **tiles, transform=place):
            pass
        return path.read_bytes()


PAM_BAND = '<PAMRasterBand band="1"><NoDataValue>1</NoDataValue></PAMRasterBand>'


def rasters() -> Made:
    noise = np.random.default_rng(0).random((1, 30, 70)).astype("float32")
    packed_noise = tiff(noise, compress="deflate")
    return {
        "children.tif": tiff(counts()),
        "another_grid.tif": tiff(
            counts(), crs=None, transform=Affine(100, 0, ORIGIN[0] - 50, 0, -100, ORIGIN[1] + 400)
        ),
        "no_crs.tif": tiff(counts(), crs=None),
        "no_place.tif": tiff(counts(), crs=None, transform=Affine.identity()),
        "flat_pixels.tif": tiff(counts(), transform=Affine(1e-300, 0, ORIGIN[0], 0, -100, ORIGIN[1])),
        "rotated.tif": tiff(counts(), transform=Affine(100, 5, ORIGIN[0], 5, -100, ORIGIN[1])),
        "negative.tif": tiff(spoilt(-5)),
        "nodata_undeclared.tif": tiff(spoilt(-9999), nodata=None),
        "infinite.tif": tiff(spoilt(np.inf)),
        "nobody.tif": tiff(counts() * 0),
        "nodata_only.tif": tiff(counts() * -1),
        "elsewhere.tif": tiff(counts(), transform=Affine(100, 0, 600_000, 0, -100, 3_100_000)),
        "xian_1980.tif": tiff(counts(), crs="EPSG:2379"),
        "cut_off.tif": packed_noise[: len(packed_noise) // 2],
        "absurd_size.tif": _sparse(),
        "absurd_block.tif": _one_block(),
        "leads_elsewhere.tif": tiff(counts(), {"OVERVIEWS": {"OVERVIEW_FILE": "/vsicurl/http://example.org/o.tif"}}),
        "with_aux.tif": tiff(counts(), nodata=None),
        "with_aux.tif.aux.xml": f"<PAMDataset>{PAM_BAND}</PAMDataset>",
    }


# -------------------------------------------------------------------------------------------------------------- streets


def streets() -> Made:
    osm = toyplan.streets_osm()
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    entity = '<!DOCTYPE osm [<!ENTITY a "b"><!ENTITY c "&a;&a;&a;">]>'
    graph = GRAPHML.format(nodes='<node id="0"/>', edges="")
    far = [((0, -190), (200, -190))]
    return {
        "cut_off.osm": osm[: len(osm) // 2],
        "entities.osm": osm.replace(head, head + entity),
        "utf16.osm": osm.replace("UTF-8", "UTF-16").encode("utf-16"),
        "no_streets.osm": osm.replace("highway", "waterway"),
        "elsewhere.osm": osm.replace('lat="28.', 'lat="29.'),
        "beside.geojson": _lines(far, [200.0]),
        "length_missing.geojson": _lines(ALONG, [400.0, None]),
        "length_negative.geojson": _lines(ALONG, [400.0, -1.0]),
        "length_absurd.geojson": _lines(ALONG, [400.0, 1e12]),
        "length_unlike.geojson": _lines(ALONG, [400.0, 80.0]),
        "entities.graphml": graph.replace("<graphml", entity + "<graphml", 1),
        "no_encoding.graphml": graph.replace("utf-8", "utf-99", 1),
        "node_nowhere.graphml": graph,
        "cut_off.graphml": graph[: len(graph) // 2],
        "not_utf8.pbf": _pbf(_block(b"high\xff\xfe", b"way")),
        "zero_byte.pbf": _pbf(_block(b"high\0way", b"way")),
        "bomb.pbf": _pbf(*[_bytes(9, bytes(33_000_000))] * 3),
        "another_packing.pbf": _pbf(b"", field=4),
        "cut_off.pbf": _pbf(_block(b"highway", b"path"))[:-5],
    }


ALONG = [((0, 0), (400, 0)), ((400, 0), (1200, 0))]


def _lines(lines: list[tuple[tuple[float, float], ...]], lengths: list[float | None]) -> str:
    named = [({"metres": length}, shapely.LineString(line)) for line, length in zip(lines, lengths, strict=True)]
    return geojson_of(named)


def _pbf(*blocks: bytes, field: int = 3) -> bytes:
    """Blocks as an .osm.pbf file; `field` 3 is zlib."""
    header = _bytes(4, b"OsmSchema-V0.6") + _bytes(4, b"DenseNodes")
    return b"".join(
        _framed(kind, _number(2, len(block)) + _bytes(field, zlib.compress(block, 9)))
        for kind, block in [(b"OSMHeader", header), *((b"OSMData", block) for block in blocks)]
    )


def _framed(kind: bytes, blob: bytes) -> bytes:
    head = _bytes(1, kind) + _number(3, len(blob))
    return struct.pack(">I", len(head)) + head + blob


def _block(*strings: bytes) -> bytes:
    return _bytes(1, b"".join(_bytes(1, text) for text in (b"", *strings)))


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _varint(value: int) -> bytes:
    low = bytes([value & 127 | (128 if value > 127 else 0)])
    return low + _varint(value >> 7) if value > 127 else low


# ------------------------------------------------------------------------------------------------------------ disguises

VRT = (
    '<OGRVRTDataSource><OGRVRTLayer name="secret"><SrcDataSource relativeToVRT="1">cells.csv</SrcDataSource>'
    '<GeometryType>wkbPoint</GeometryType><GeometryField encoding="PointFromColumns" x="经度" y="纬度"/>'
    "</OGRVRTLayer></OGRVRTDataSource>"
)


def disguises() -> Made:
    band = '<VRTDataset rasterXSize="1" rasterYSize="1"><VRTRasterBand dataType="Byte" band="1"/></VRTDataset>'
    command = "gdal vector pipeline ! read cells.csv ! write x"
    return {
        "vrt.geojson": VRT,
        "vrt.gpkg": VRT,
        "vrt.csv": VRT,
        "vrt_behind_json.geojson": '{"type": "FeatureCollection"}' + VRT,
        "vrt_behind_a_mark.geojson": "\ufeff \n" + VRT,
        "vrt_in_capitals.geojson": '{"a": "' + VRT.upper() + '"}',
        "pipeline.geojson": json.dumps({"type": "gdal_streamed_alg", "command_line": command}),
        "vrt.tif": band,
        "packed.geojson": gzip.compress(units().encode(), mtime=0),
    }


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
