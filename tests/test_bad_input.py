"""Wrong, broken and hostile files: every one ends in exit code 1 with a message that names the file, the place and the
mend, in Chinese and in English; nothing is written, and every fault of a run is told at once."""

import io
import json
import os
import shutil
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import geopandas as gpd
import numpy as np
import openpyxl
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.errors import NotGeoreferencedWarning

from cfc_geo.cli import main
from cfc_geo.errors import Finding, Findings
from cfc_geo.inputs.normalise import ids, numbers, positions, repaired
from cfc_geo.inputs.read import read_layer, sniff
from cfc_geo.inputs.sheets import MAX_CELLS
from tests import toyplan
from tests.toyplan import (
    CRS,
    ORIGIN,
    PLAN,
    cell_rows,
    facility_rows,
    in_degrees,
    lonlat,
    unit_records,
    write_csv,
    write_geojson,
    write_toy,
)

Break = Callable[[Path], str | None]
"""Spoils the data folder of the toy plan; returns a new plan text where the plan itself changes."""

RASTER_PLAN = PLAN[: PLAN.index("[population]")] + (
    '[population]\nfile = "data/cells.tif"\nchildren = { "3-5" = 1 }\n' + PLAN[PLAN.index("[[facilities]]") :]
)
LINES_PLAN = PLAN.replace('file = "data/streets.osm"', 'file = "data/streets.gpkg"\ncolumns = { length = "metres" }')


def refused(plan: Path) -> list[Finding]:
    """The errors of a plan that must be refused, after checking how: exit code 1, nothing written, both languages."""
    out = plan.parent / "out"
    told: list[Finding] = []
    with patch("cfc_geo.cli._print_findings", lambda findings, *_: told.extend(findings)):
        assert main(["run", str(plan), "--out", str(out)]) == 1
    assert not out.exists()
    errors = [finding for finding in told if finding.severity == "error"]
    for error in errors:
        for lang in ("zh", "en"):
            text = error.text(lang)
            assert " → " in text and error.file and text.startswith(error.file), text
            assert str(plan.parent / "data") not in text, "a path of this machine"
    return errors


def refused_after(folder: Path, spoil: Break) -> list[Finding]:
    plan = write_toy(folder)
    text = spoil(folder / "data")
    if text is not None:
        plan.write_text(text, encoding="utf-8")
    return refused(plan)


def edited_csv(name: str, row: int, column: int, value: object) -> Break:
    """Row 1 is the heading, column 1 the first."""

    def spoil(data: Path) -> None:
        rows = cell_rows() if name == "cells.csv" else facility_rows()
        rows[row - 1][column - 1] = value
        write_csv(data / name, rows)

    return spoil


def content(name: str, given: bytes | str) -> Break:
    def spoil(data: Path) -> None:
        (data / name).write_bytes(given.encode() if isinstance(given, str) else given)

    return spoil


def plan_text(old: str, new: str) -> Break:
    return lambda data: PLAN.replace(old, new, 1)


def geojson(name: str, records: list[tuple[dict[str, object], shapely.Geometry]]) -> Break:
    return lambda data: write_geojson(data / name, records)


def feature(geometry: str) -> str:
    start = '{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"code": "P", "name": "公园"},'
    return start + '"geometry":' + geometry + "}]}"


# ----------------------------------------------------------------------------------------------------- one wrong thing


def no_file(data: Path) -> None:
    (data / "cells.csv").rename(data / "cell.csv")


def units_as(change: Callable[[list[tuple[dict[str, object], shapely.Geometry]]], None]) -> Break:
    def spoil(data: Path) -> None:
        records = unit_records()
        change(records)
        write_geojson(data / "units.geojson", records)

    return spoil


def set_property(number: int, key: str, value: object) -> Break:
    return units_as(lambda records: records[number][0].update({key: value}))


def set_shape(number: int, shape: shapely.Geometry) -> Break:
    def change(records: list[tuple[dict[str, object], shapely.Geometry]]) -> None:
        records[number] = (records[number][0], shape)

    return units_as(change)


def swapped_parks(data: Path) -> None:
    turned = shapely.transform(in_degrees(toyplan.PARK), lambda xy: xy[:, ::-1])
    (data / "parks.geojson").write_text(feature(shapely.to_geojson(turned)))


def swapped_columns(data: Path) -> str:
    return PLAN.replace('lon = "经度", lat = "纬度", capacity', 'lon = "纬度", lat = "经度", capacity')


def elsewhere(data: Path) -> None:
    write_csv(data / "facilities.csv", [facility_rows()[0], ["K", "幼儿园", "幼儿园", 121.5, 31.2, 90]])


def no_projection(data: Path) -> str:
    parks = gpd.GeoDataFrame({"code": ["P"], "name": ["公园"]}, geometry=[toyplan.PARK], crs=CRS)
    parks.to_file(data / "parks.shp", encoding="utf-8")
    (data / "parks.prj").unlink()
    return PLAN.replace("parks.geojson", "parks.shp")


def two_sheets(data: Path) -> str:
    book = openpyxl.Workbook()
    book.active.append(["a"])
    book.active.append(["1"])
    sheet = book.create_sheet("设施")
    sheet.append(["b"])
    sheet.append(["2"])
    book.save(data / "facilities.xlsx")
    return PLAN.replace("facilities.csv", "facilities.xlsx")


def ragged(data: Path) -> None:
    text = (data / "facilities.csv").read_text(encoding="utf-8").splitlines()
    text[2] += ",多出来"
    (data / "facilities.csv").write_text("\n".join(text), encoding="utf-8")


def titled(data: Path) -> None:
    text = (data / "facilities.csv").read_text(encoding="utf-8")
    (data / "facilities.csv").write_text("某区设施一览表,,,,,\n" + text, encoding="utf-8")


def repeated_heading(data: Path) -> None:
    text = (data / "facilities.csv").read_text(encoding="utf-8")
    (data / "facilities.csv").write_text(text.replace("名称", "编号", 1), encoding="utf-8")


def gates(data: Path) -> str:
    write_csv(data / "gates.csv", [["设施", "经度", "纬度"], ["Q", *lonlat(0, 0)]])
    gate = 'entrances = { file = "data/gates.csv", facility = "设施", lon = "经度", lat = "纬度", datum = "wgs84" }\n'
    return PLAN.replace('columns = { id = "code"', gate + 'columns = { id = "code"')


def far_streets(data: Path) -> None:
    osm = (data / "streets.osm").read_text()
    (data / "streets.osm").write_text(osm.replace('lat="28.', 'lat="29.'))


def streets_beside(data: Path) -> str:
    """Streets in the place, 200 m from every cell."""
    lines = gpd.GeoDataFrame({"metres": [200.0]}, geometry=[_line((0, -190), (200, -190))], crs=CRS)
    lines.to_file(data / "streets.gpkg")
    return PLAN.replace("streets.osm", "streets.gpkg")


def _line(*places: tuple[float, float]) -> shapely.LineString:
    return shapely.LineString([(ORIGIN[0] + x, ORIGIN[1] + y) for x, y in places])


def street_length(metres: float) -> Break:
    def spoil(data: Path) -> str:
        lines = [_line((0, 0), (400, 0)), _line((400, 0), (1200, 0))]
        gpd.GeoDataFrame({"metres": [400.0, metres]}, geometry=lines, crs=CRS).to_file(data / "streets.gpkg")
        return LINES_PLAN

    return spoil


ONE_FAULT: dict[str, tuple[Break, str, str, str]] = {
    # name: what is spoilt, the code, words of the message in English, words in Chinese
    "missing file": (no_file, "read.no_file_near", "data/cells.csv: there is no such file", "cell.csv"),
    "folder as file": (plan_text("data/cells.csv", "data"), "read.folder", "data: this is a folder", "文件夹"),
    "empty file": (content("cells.csv", b""), "read.empty_file", "data/cells.csv: the file is empty", "空"),
    "name too long": (plan_text("data/cells.csv", "x" * 300), "read.denied", "cannot be opened", "打不开"),
    "unreadable format": (content("parks.geojson", b"\x89PNG\r\n\x1a\n\0\0"), "read.format", "unknown", "unknown"),
    "web page": (content("cells.csv", "<!DOCTYPE html><html></html>"), "read.format", "content is xml", "xml"),
    "a list in JSON": (content("parks.geojson", '[{"a": 1}]'), "read.format", "content is json", "json"),
    "heading only": (
        content("cells.csv", "编号,经度,纬度\n\n"),
        "read.no_records",
        "data/cells.csv: there are no",
        "没有任何记录",
    ),
    "empty layer": (
        geojson("units.geojson", []),
        "read.no_records",
        "data/units.geojson: there are no",
        "没有任何记录",
    ),
    "missing id": (edited_csv("cells.csv", 4, 1, " "), "id.missing", "data/cells.csv, row 4:", "第 4 行"),
    "repeated id": (edited_csv("cells.csv", 3, 1, "a"), "id.repeated", "data/cells.csv, rows 2, 3:", "第 2、3 行"),
    "no datum": (plan_text('datum = "wgs84"', ""), "datum.undeclared", "data/cells.csv", "坐标系"),
    "unknown CRS": (plan_text('datum = "wgs84"', 'datum = "EPSG:99999"'), "crs.unknown", "EPSG:99999", "EPSG"),
    "a CRS of heights": (plan_text('datum = "wgs84"', 'datum = "EPSG:5773"'), "crs.unknown", "EPSG:5773", "EPSG"),
    "Beijing 1954": (plan_text('datum = "wgs84"', 'datum = "EPSG:4214"'), "crs.untransformable", "CGCS2000", "测绘"),
    "Xi'an 1980": (plan_text('datum = "wgs84"', 'datum = "EPSG:2379"'), "crs.untransformable", "CGCS2000", "测绘"),
    "degrees as sheet": (
        plan_text("[population]", 'crs = "EPSG:4326"\n[population]'),
        "plan.crs_unfit",
        "place.crs",
        "地面",
    ),
    "web mercator": (
        plan_text("[population]", 'crs = "EPSG:3857"\n[population]'),
        "plan.crs_unfit",
        "place.crs",
        "地面",
    ),
    "swapped columns": (swapped_columns, "coordinates.swapped", "facilities.csv, rows 2, 3, 4:", "对调"),
    "swapped shapes": (swapped_parks, "coordinates.swapped", "parks.geojson, feature 1:", "第 1 个要素"),
    "no longitude": (edited_csv("cells.csv", 3, 2, ""), "coordinates.not_numbers", "cells.csv, row 3:", "第 3 行"),
    "degrees in words": (edited_csv("cells.csv", 3, 3, "28°N"), "coordinates.not_numbers", "row 3:", "第 3 行"),
    "NaN coordinate": (edited_csv("cells.csv", 3, 3, "NaN"), "coordinates.not_numbers", "row 3:", "第 3 行"),
    "impossible degrees": (edited_csv("cells.csv", 3, 2, 500000), "coordinates.impossible", "row 3:", "EPSG"),
    "another city": (elsewhere, "place.all_outside", "facilities.csv: every record lies outside", "千米"),
    "blank count": (
        edited_csv("cells.csv", 3, 5, ""),
        "number.blank",
        "cells.csv, row 3: 3-5岁 is empty",
        "空白不等于 0",
    ),
    "text count": (
        edited_csv("cells.csv", 3, 5, "36个"),
        "number.not_one",
        "row 3: 3-5岁 is not a number: 36个",
        "36个",
    ),
    "NaN count": (edited_csv("cells.csv", 3, 5, "nan"), "number.not_one", "row 3:", "第 3 行"),
    "infinite count": (edited_csv("cells.csv", 3, 5, "inf"), "number.not_one", "row 3:", "第 3 行"),
    "huge count": (edited_csv("cells.csv", 3, 5, "1e999"), "number.not_one", "row 3:", "第 3 行"),
    "negative count": (edited_csv("cells.csv", 3, 5, -1), "number.negative", "row 3:", "负数"),
    "text capacity": (edited_csv("facilities.csv", 3, 6, "36个"), "number.not_one", "row 3: 容量", "36个"),
    "no such column": (plan_text('lon = "经度"', 'lon = "经"'), "column.missing_near", "did you mean 经度", "经度"),
    "unknown kind": (
        edited_csv("facilities.csv", 2, 3, "幼稚园"),
        "facilities.unknown_kind",
        "row 2:",
        "幼儿园 (kindergarten)",
    ),
    "no kind": (plan_text('kind = "类型", ', ""), "facilities.no_kind", "facilities.csv", "columns.kind"),
    "points as units": (set_shape(0, shapely.Point(0, 0)), "geometry.type", "units.geojson, feature 1:", "Point"),
    "lines as parks": (
        geojson("parks.geojson", [({"code": "P", "name": "公园"}, shapely.LineString([(0, 0), (9, 9)]))]),
        "geometry.type",
        "parks.geojson, feature 1: the geometry is LineString",
        "LineString",
    ),
    "bow-tie": (
        set_shape(0, shapely.Polygon([(-100, -200), (1300, 400), (1300, -200), (-100, 400)])),
        "geometry.invalid",
        "units.geojson, feature 1: the polygon crosses itself; a repair would change its area by 100%",
        "100%",
    ),
    "polygon without ground": (
        content("parks.geojson", feature('{"type":"Polygon","coordinates":[[[120,28],[121,28],[122,28],[120,28]]]}')),
        "geometry.invalid",
        "parks.geojson, feature 1:",
        "第 1 个要素",
    ),
    "no shape": (content("parks.geojson", feature("null")), "geometry.empty", "feature 1:", "第 1 个要素"),
    "point without latitude": (
        content("parks.geojson", feature('{"type":"Point","coordinates":[120]}')),
        "geometry.empty",
        "feature 1:",
        "第 1 个要素",
    ),
    "NaN in a shape": (
        content("parks.geojson", feature('{"type":"Point","coordinates":[120, NaN]}')),
        "geometry.not_finite",
        "feature 1:",
        "第 1 个要素",
    ),
    "ring of two points": (
        content("parks.geojson", feature('{"type":"Polygon","coordinates":[[[120,28],[121,28]]]}')),
        "geometry.empty",
        "feature 1:",
        "第 1 个要素",
    ),
    "streets in a table": (
        plan_text("data/streets.osm", "data/cells.csv"),
        "read.no_shapes",
        "data/cells.csv: this is a table",
        "图层",
    ),
    "no coordinate columns": (
        plan_text('lon = "经度"\nlat = "纬度"\n', ""),
        "table.no_coordinates",
        "data/cells.csv: no coordinate columns",
        "编号、经度、纬度",
    ),
    "unit named all": (set_property(1, "code", "all"), "units.reserved_id", "units.geojson, feature 2:", "全域"),
    "unknown parent": (set_property(2, "parent", "9"), "units.unknown_parent", "feature 3: the parent is", "9"),
    "wrong parent": (set_property(2, "parent", "01"), "units.outside_parent", "feature 3: units do not lie", "02"),
    "circle of parents": (set_property(0, "parent", "01"), "units.parent_circle", "circle: 0, 01", "成环"),
    "gross overlap": (
        set_shape(1, shapely.box(-100, -200, 700, 400)),
        "units.overlap",
        "西社区 and 东社区 overlap by 60,000 m²",
        "重叠",
    ),
    "units too wide": (set_shape(0, shapely.box(-100, -200, 300_000, 400)), "units.too_wide", "km wide", "千米"),
    "several sheets": (two_sheets, "read.which_layer", "Sheet, 设施", "layer ="),
    "ragged rows": (ragged, "read.ragged", "facilities.csv, row 3:", "第 3 行"),
    "title above the headings": (titled, "read.title", "facilities.csv, row 1:", "某区设施一览表"),
    "repeated heading": (repeated_heading, "read.heading_repeated", "headings are repeated: 编号", "编号"),
    "open quote": (
        content("cells.csv", '编号,名称\n1,"a\n'),
        "read.unreadable",
        "cells.csv: cannot be read as csv",
        "csv",
    ),
    "neither UTF-8 nor GB18030": (
        content("cells.csv", b"a,b\n\xff\xff,1\n"),
        "read.encoding_unknown",
        "cells.csv",
        "UTF-8",
    ),
    "no .prj": (no_projection, "crs.missing", "parks.shp: the layer does not state", ".prj"),
    "gate of no facility": (gates, "entrances.unknown_facility", "gates.csv, row 2:", "Q"),
    "streets elsewhere": (far_streets, "streets.none_near", "data/streets.osm: there are no streets", "没有道路"),
    "no street near the population": (streets_beside, "streets.none_near_population", "within 100 m", "100 米"),
    "truncated streets": (
        content("streets.osm", '<?xml version="1.0"?><osm version="0.6"><node'),
        "osm.unreadable",
        "streets.osm",
        "OpenStreetMap",
    ),
    "entities in streets": (
        content("streets.osm", '<?xml version="1.0"?><!DOCTYPE osm [<!ENTITY a "b">]><osm version="0.6"/>'),
        "osm.unreadable",
        "DOCTYPE",
        "DOCTYPE",
    ),
    "street without a length": (
        street_length(float("nan")),
        "lines.length_wrong",
        "streets.gpkg, feature 2:",
        "第 2 个要素",
    ),
    "street of negative length": (street_length(-1), "lines.length_wrong", "feature 2:", "第 2 个要素"),
    "street of absurd length": (street_length(1e12), "lines.length_wrong", "feature 2:", "第 2 个要素"),
    "OSM block with a kind": (
        plan_text('file = "data/parks.geojson"', 'file = "data/streets.osm"'),
        "facilities.osm_keys",
        "columns, kind",
        "only",
    ),
    "address": (plan_text("data/cells.csv", "https://example.org/cells.csv"), "read.not_a_path", "https://", "网址"),
    "vsicurl": (plan_text("data/parks.geojson", "/vsicurl/http://127.0.0.1/p"), "read.not_a_path", "/vsicurl/", "网址"),
}


@pytest.mark.parametrize("name", ONE_FAULT)
def test_one_wrong_thing_is_named_with_its_place_and_mend(tmp_path: Path, name: str) -> None:
    spoil, code, english, chinese = ONE_FAULT[name]
    errors = refused_after(tmp_path, spoil)
    found = [error for error in errors if error.code == code]
    assert found, [error.text() for error in errors]
    assert english in found[0].text("en"), found[0].text("en")
    assert chinese in found[0].text("zh"), found[0].text("zh")
    assert len(errors) <= 2, "one fault, one message"


# ------------------------------------------------------------------------------------------------------------- rasters


def raster(data: Path, values: np.ndarray, **settings: object) -> str:
    """`values` (bands × rows × columns) as counts of children 3-5 on 100 m pixels over the town."""
    profile = {
        "crs": CRS,
        "transform": Affine(100, 0, ORIGIN[0] - 100, 0, -100, ORIGIN[1] + 400),
        "nodata": -1,
        **settings,
    }
    bands, height, width = values.shape
    with (
        warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning),
        rasterio.open(
            data / "cells.tif",
            "w",
            driver="GTiff",
            count=bands,
            height=height,
            width=width,
            dtype=values.dtype,
            **profile,
        ) as file,
    ):
        file.write(values)
    return RASTER_PLAN


def counts() -> np.ndarray:
    return np.ones((1, 6, 14), dtype="float32")


def spoilt(row: int, column: int, value: float) -> np.ndarray:
    values = counts()
    values[0, row, column] = value
    return values


def sparse(data: Path) -> str:
    """100000 × 100000 pixels in some kilobytes."""
    with rasterio.open(
        data / "cells.tif", "w", driver="GTiff", width=100_000, height=100_000, count=1, dtype="float32", crs=CRS,
        transform=Affine(1, 0, ORIGIN[0], 0, -1, ORIGIN[1]), sparse_ok=True, tiled=True, blockxsize=4096,
        blockysize=4096,
    ):  # fmt: skip
        pass
    assert (data / "cells.tif").stat().st_size < 100_000
    return RASTER_PLAN


def vrt_as_tif(data: Path) -> str:
    vrt = '<VRTDataset rasterXSize="1" rasterYSize="1"><VRTRasterBand dataType="Byte" band="1"/></VRTDataset>'
    (data / "cells.tif").write_text(vrt)
    return RASTER_PLAN


def truncated_tif(data: Path) -> str:
    raster(data, np.random.default_rng(0).random((1, 60, 140)).astype("float32"), compress="deflate")
    whole = (data / "cells.tif").read_bytes()
    (data / "cells.tif").write_bytes(whole[: len(whole) // 2])
    return RASTER_PLAN


def two_grids(data: Path) -> str:
    raster(data, counts())
    shutil.copy(data / "cells.tif", data / "first.tif")
    raster(data, counts(), transform=Affine(100, 0, ORIGIN[0] - 50, 0, -100, ORIGIN[1] + 400))
    return RASTER_PLAN.replace(
        'file = "data/cells.tif"\nchildren = { "3-5" = 1 }',
        'files = { "3-5" = "data/first.tif", "6-11" = "data/cells.tif" }',
    )


RASTERS: dict[str, tuple[Break, str, str]] = {
    "without CRS": (lambda data: raster(data, counts(), crs=None), "crs.missing", "coordinate reference system"),
    "without a place": (
        lambda data: raster(data, counts(), crs=None, transform=Affine.identity()),
        "raster.no_position",
        "does not say where",
    ),
    "rotated": (
        lambda data: raster(data, counts(), transform=Affine(100, 5, ORIGIN[0], 5, -100, ORIGIN[1])),
        "raster.rotated",
        "rotated",
    ),
    "negative": (lambda data: raster(data, spoilt(2, 3, -5)), "raster.negative", "row 3, column 4 (-5)"),
    "infinite": (lambda data: raster(data, spoilt(2, 3, np.inf)), "raster.infinite", "1 infinite"),
    "all zero": (lambda data: raster(data, counts() * 0), "population.no_children", "0"),
    "all nodata": (lambda data: raster(data, counts() * -1), "population.no_children", "0"),
    "absurd size": (sparse, "raster.too_large", "100000 × 100000"),
    "elsewhere": (
        lambda data: raster(data, counts(), transform=Affine(100, 0, 600_000, 0, -100, 3_100_000)),
        "population.all_outside",
        "no cell lies",
    ),
    "Xi'an 1980": (lambda data: raster(data, counts(), crs="EPSG:2379"), "crs.untransformable", "Xian"),
    "Amap metres": (
        lambda data: raster(data, counts()).replace('"3-5" = 1 }', '"3-5" = 1 }\ndatum = "gcj02"'),
        "datum.projected",
        "gcj02",
    ),
    "another zone declared": (
        lambda data: raster(data, counts()).replace('"3-5" = 1 }', '"3-5" = 1 }\ndatum = "EPSG:4548"'),
        "datum.contradicts",
        "EPSG:4548",
    ),
    "no such band": (
        lambda data: raster(data, counts()).replace('"3-5" = 1', '"3-5" = 2'),
        "raster.no_band",
        "band 2; it has 1",
    ),
    "band by name": (
        lambda data: raster(data, counts()).replace('"3-5" = 1', '"3-5" = "kids"'),
        "raster.band_by_name",
        "by number, not by name: kids",
    ),
    "VRT renamed": (vrt_as_tif, "read.format", "xml"),
    "truncated": (truncated_tif, "read.unreadable", "geotiff"),
    "two grids": (two_grids, "raster.grids_differ", "data/first.tif, data/cells.tif"),
    "a table named by bands": (plan_text('"0-2" = "0-2岁"', '"0-2" = 1'), "population.band_number_in_table", "band 1"),
}


@pytest.mark.parametrize("name", RASTERS)
def test_a_raster_that_cannot_be_counts_is_refused(tmp_path: Path, name: str) -> None:
    spoil, code, words = RASTERS[name]
    errors = refused_after(tmp_path, spoil)
    assert [error.code for error in errors] == [code], [error.text() for error in errors]
    assert words in errors[0].text("en")


# -------------------------------------------------------------------------------------------------- disguises and bombs

SECRET = "小名,lon,lat\n某童,120.0,28.0\n"


def vrt(source: Path) -> str:
    return (
        f'<OGRVRTDataSource><OGRVRTLayer name="secret"><SrcDataSource>{source}</SrcDataSource>'
        '<GeometryType>wkbPoint</GeometryType><GeometryField encoding="PointFromColumns" x="lon" y="lat"/>'
        "</OGRVRTLayer></OGRVRTDataSource>"
    )


DISGUISES = {
    "VRT": vrt,
    "VRT behind JSON": lambda source: '{"type": "FeatureCollection"}' + vrt(source),
    "VRT behind a mark and blanks": lambda source: "\ufeff \n" + vrt(source),
    "VRT in capitals behind JSON": lambda source: '{"a": "' + vrt(source).upper() + '"}',
    "pipeline": lambda source: json.dumps(
        {"type": "gdal_streamed_alg", "command_line": f"gdal vector pipeline ! read {source} ! write x"}
    ),
}


@pytest.mark.parametrize("ending", ["geojson", "gpkg", "shp", "csv", "json"])
@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_file_that_leads_to_another_file_is_refused_whatever_its_name(
    tmp_path: Path, disguise: str, ending: str
) -> None:
    (tmp_path / "secret.csv").write_text(SECRET, encoding="utf-8")
    path = tmp_path / f"harmless.{ending}"
    path.write_text(DISGUISES[disguise](tmp_path / "secret.csv"), encoding="utf-8")
    findings = Findings()
    assert read_layer(path, path.name, None, findings) is None
    assert [finding.code for finding in findings.errors] == ["read.format"]
    assert "某童" not in findings[0].text("zh")


def workbook(path: Path, cells: dict[str, object]) -> Path:
    book = openpyxl.Workbook()
    for name, value in cells.items():
        book.active[name] = value
    book.save(path)
    return path


def with_sheet(path: Path, sheet: bytes, *, claim: int | None = None) -> Path:
    """A workbook whose sheet is `sheet`; with `claim`, the archive says that it is only so many bytes long."""
    source = zipfile.ZipFile(workbook(path, {"A1": "a"}))
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in source.namelist():
            archive.writestr(name, sheet if name.endswith("sheet1.xml") else source.read(name))
    packed = target.getvalue()
    if claim is not None:
        packed = packed.replace(struct.pack("<I", len(sheet)), struct.pack("<I", claim))
    path.write_bytes(packed)
    return path


def sheet_xml(rows: bytes) -> bytes:
    start = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    return start + rows + b"</sheetData></worksheet>"


def test_a_workbook_that_unpacks_to_far_more_than_it_is_is_refused(tmp_path: Path) -> None:
    path = with_sheet(tmp_path / "bomb.xlsx", sheet_xml(b" " * 3_000_000))
    assert path.stat().st_size < 20_000
    assert codes(path) == ["read.bomb"]


def test_a_workbook_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    rows = b"".join(b'<row r="%d"><c r="A%d"><v>1</v></c></row>' % (row, row) for row in range(1, 5000))
    assert codes(with_sheet(tmp_path / "lie.xlsx", sheet_xml(rows), claim=1000)) == ["read.unreadable"]


@pytest.mark.parametrize(
    "rows",
    [
        b'<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>',
        b"<row><c r='a1'><v>1</v></c></row><row ><c  r = 'xfd1048576' ><v>1</v></c></row>",
        b'<row r="1"><c r="A1"/></row><row r="1048576">' + b"<c><v>1</v></c>" * 20 + b"</row>",
        b'<x:row xmlns:x="urn:x" r="9"><x:c r="XFD999999"/></x:row>',
    ],
)
def test_a_stray_cell_far_out_does_not_fill_the_memory(tmp_path: Path, rows: bytes) -> None:
    assert codes(with_sheet(tmp_path / "stray.xlsx", sheet_xml(rows))) == ["read.stray_cells"]


def test_a_large_honest_sheet_is_not_mistaken_for_a_bomb(tmp_path: Path) -> None:
    rows = b"".join(
        b'<row r="%d"><c r="A%d"><v>%d</v></c></row>' % (row, row, row * 7919 % 1000) for row in range(1, 3000)
    )
    findings = Findings()
    raw = read_layer(with_sheet(tmp_path / "big.xlsx", sheet_xml(rows)), "big.xlsx", None, findings)
    assert raw is not None and len(raw.frame) == 2998 and len(raw.frame) < MAX_CELLS


def test_an_archive_that_could_be_two_workbooks_is_none(tmp_path: Path) -> None:
    path = workbook(tmp_path / "two.ods", {"A1": "a", "A2": "1"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("content.xml", "<office/>")
    assert sniff(path) == "zip" and codes(path) == ["guard.archive"]


def codes(path: Path) -> list[str]:
    findings = Findings()
    assert read_layer(path, path.name, None, findings) is None
    return [finding.code for finding in findings.errors]


@pytest.mark.parametrize(
    "name", ["parks.geojson", "parks.gpkg", "parks.fgb", "parks.parquet", "parks.shp", "parks.xlsx"]
)
def test_truncated_files_are_refused_or_lose_nothing(tmp_path: Path, name: str) -> None:
    path, records = a_layer(tmp_path, name)
    whole = path.read_bytes()
    for kept in (0.3, 0.6, 0.9):
        path.write_bytes(whole[: int(len(whole) * kept)])
        findings = Findings()
        raw = read_layer(path, name, None, findings)
        if raw is not None and name != "parks.xlsx":
            positions(raw, None, None, findings)
        assert findings.errors or (raw is not None and len(raw.frame) == records), (name, kept)


def a_layer(folder: Path, name: str) -> tuple[Path, int]:
    """A good file of some format with 300 records."""
    rng = np.random.default_rng(1)
    xy = rng.random((300, 2)) / 100 + (120, 28)
    frame = gpd.GeoDataFrame({"code": [f"{i:03}" for i in range(300)]}, geometry=shapely.points(xy), crs="EPSG:4326")
    path = folder / name
    if name.endswith("parquet"):
        frame.to_parquet(path)
    elif name.endswith("xlsx"):
        frame.assign(x=xy[:, 0], y=xy[:, 1])[["code", "x", "y"]].to_excel(path, index=False)
    elif name.endswith("csv"):
        frame.assign(x=xy[:, 0], y=xy[:, 1])[["code", "x", "y"]].to_csv(path, index=False)
    else:
        frame.to_file(path)
    return path, len(frame)


@pytest.fixture(scope="module")
def good_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("good")
    endings = ("csv", "geojson", "gpkg", "fgb", "parquet", "shp", "xlsx")
    return {ending: a_layer(folder, f"good.{ending}")[0].read_bytes() for ending in endings}


@settings(max_examples=settings.default.max_examples // 2)
@given(data=st.data())
def test_whatever_bytes_change_reading_ends_in_findings(
    good_files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    ending = data.draw(st.sampled_from(sorted(good_files)))
    spoilt = bytearray(good_files[ending])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, min(len(spoilt) - 1, 2000)))
        patch_bytes = data.draw(st.binary(min_size=1, max_size=8))
        spoilt[at : at + len(patch_bytes)] = patch_bytes
    path = tmp_path_factory.mktemp("spoilt") / f"file.{ending}"
    path.write_bytes(bytes(spoilt))
    findings = Findings()
    raw = read_layer(path, path.name, None, findings)
    assert raw is not None or findings.errors
    if raw is not None:
        columns = ("x", "y") if raw.counted == "row" else None
        shapes = positions(raw, columns, "wgs84", findings)
        ids(raw, "code", findings)
        assert shapes is not None or findings.errors
    for finding in findings:
        assert finding.text("zh").isprintable() and finding.text("en").isprintable()


# ------------------------------------------------------------------------------------------------------------ odd text

ODD = ["名\u202e称", "a\u0000b", "\x1b[2J", "line\nbreak", "{{7*7}}", "{file}", "=1+1", "../../x", "<script>", "𠮷"]


@pytest.mark.parametrize("odd", ODD)
def test_odd_names_neither_break_a_message_nor_take_part_in_it(tmp_path: Path, odd: str) -> None:
    finding = Finding("error", "facilities.unknown_kind", "data/f.csv", (3,), {"word": odd, "near": odd})
    for lang in ("zh", "en"):
        text = finding.text(lang)
        assert text.isprintable() and len(text.splitlines()) == 1
        printable = "".join(mark if mark.isprintable() else " " if mark.isspace() else "�" for mark in odd)
        assert text.count(printable) == 2


def test_bytes_that_are_no_text_end_in_a_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    heading = "编号,名称,类型,经度,纬度,容量\n".encode()
    errors = refused_after(tmp_path, content("facilities.csv", heading + b"K,x,\xed\xa0\x80,1,2,3\n"))
    assert [error.code for error in errors] == ["read.encoding_unknown"]
    plan = os.fsdecode(b"\xff\xfe.toml")
    assert main(["run", plan, "--out", str(tmp_path / "out")]) == 1
    assert "��.toml: there is no such plan file" in capsys.readouterr().err


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = write_toy(tmp_path)
    real = Path.open

    def closed(self: Path, *given: object, **named: object) -> object:
        if self.name == "facilities.csv":
            raise PermissionError(13, "Permission denied")
        return real(self, *given, **named)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", closed)
    errors = refused(plan)
    assert [error.code for error in errors] == ["read.denied"]
    assert "facilities.csv" in errors[0].text()


# ---------------------------------------------------------------------------------------------------------- all at once


def test_every_fault_of_a_run_is_told_at_once(tmp_path: Path) -> None:
    def spoil(data: Path) -> str:
        edited_csv("cells.csv", 3, 5, "36个")(data)
        edited_csv("facilities.csv", 2, 3, "幼稚园")(data)
        set_property(2, "parent", "9")(data)
        (data / "streets.osm").write_bytes(b"")
        return PLAN.replace("parks.geojson", "parcs.geojson")

    errors = refused_after(tmp_path, spoil)
    assert {(error.code, error.file) for error in errors} == {
        ("number.not_one", "data/cells.csv"),
        ("facilities.unknown_kind", "data/facilities.csv"),
        ("units.unknown_parent", "data/units.geojson"),
        ("read.no_file_near", "data/parcs.geojson"),
        ("read.empty_file", "data/streets.osm"),
    }


def test_broken_units_do_not_hide_the_faults_of_the_other_files(tmp_path: Path) -> None:
    def spoil(data: Path) -> None:
        (data / "units.geojson").write_text("{")
        edited_csv("cells.csv", 3, 5, "")(data)
        edited_csv("facilities.csv", 2, 3, "幼稚园")(data)

    assert {error.code for error in refused_after(tmp_path, spoil)} == {
        "read.unreadable",
        "number.blank",
        "facilities.unknown_kind",
    }


def test_the_faults_of_all_plans_are_told_before_any_is_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write_toy(tmp_path / "a")
    bad = [tmp_path / "bad1.toml", tmp_path / "bad2.toml"]
    for number, path in enumerate(bad):
        path.write_text(PLAN + f"zz{number} = 1\n", encoding="utf-8")
    assert main(["run", str(good), *map(str, bad), "--out", str(tmp_path / "out"), "--lang", "en"]) == 1
    told = capsys.readouterr().err
    assert "bad1.toml: the plan has no key streets.zz0" in told and "bad2.toml: the plan has no key streets.zz1" in told
    assert not (tmp_path / "out").exists()


def test_many_unknown_kinds_point_at_the_column(tmp_path: Path) -> None:
    def spoil(data: Path) -> str:
        rows = [facility_rows()[0], *([f"f{i}", f"名{i}", "小学", *lonlat(i, 0), 1] for i in range(40))]
        write_csv(data / "facilities.csv", rows)
        return PLAN.replace('kind = "类型"', 'kind = "名称"')

    errors = refused_after(tmp_path, spoil)
    assert len(errors) == 13 and errors[-1].code == "facilities.more_unknown_kinds"
    assert "28" in errors[-1].text() and "名称" in errors[-1].text()


def test_a_message_lists_few_rows_and_counts_the_rest(tmp_path: Path) -> None:
    def spoil(data: Path) -> None:
        heading, first, *_ = cell_rows()
        first[5] = "x"
        write_csv(data / "cells.csv", [heading, *([f"c{i}", *first[1:]] for i in range(20))])

    error = refused_after(tmp_path, spoil)[0]
    assert "rows 2, 3, 4, 5, 6, 7, 8, 9, … (20 in all):" in error.text("en")
    assert "第 2、3、4、5、6、7、8、9 等 20 行：" in error.text("zh")


# ------------------------------------------------------------------------------------------- numbers and text in cells


@pytest.mark.parametrize("word", ["1,5", "1_000", "0x10", "１２", "٣", "true", "约30", "#N/A", "NULL", "-", "30 人"])
def test_only_plain_numbers_are_numbers(tmp_path: Path, word: str) -> None:
    write_csv(tmp_path / "t.csv", [["n"], ["1"], [word], ["2.5"], ["1e2"]])
    findings = Findings()
    raw = read_layer(tmp_path / "t.csv", "t.csv", None, findings)
    assert raw is not None
    values = numbers(raw, "n", findings, blank=None)
    assert [(finding.code, finding.rows) for finding in findings.errors] == [("number.not_one", (3,))]
    assert values[[0, 2, 3]].tolist() == [1, 2.5, 100]


@settings(max_examples=100)
@given(st.lists(st.tuples(st.floats(-10, 10), st.floats(-10, 10)), min_size=3, max_size=8))
def test_a_repair_never_changes_an_area_unnoticed(corners: list[tuple[float, float]]) -> None:
    from cfc_geo.inputs.raw import RawLayer

    shape = shapely.Polygon(corners)
    frame = gpd.GeoDataFrame({"code": ["1"]}, geometry=[shape], crs=CRS)
    findings = Findings()
    raw = RawLayer("u.gpkg", "geopackage", frame, frame.crs, "feature", np.array([1]))
    mended = repaired(raw, frame.geometry, findings).iloc[0]
    if not findings.errors:
        assert mended.is_valid and not mended.is_empty
        assert mended.area == pytest.approx(shape.area, rel=0.011)
    assert bool(findings) == (not shape.is_valid)
