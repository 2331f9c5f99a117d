"""The reading side: files of any kind become one Study in which no child is lost, made or moved."""

import csv
import warnings
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from cfc_geo import catalog
from cfc_geo.errors import CfcError, Findings
from cfc_geo.inputs import datum as datums
from cfc_geo.inputs.facilities import find_entrances
from cfc_geo.inputs.population import read_population
from cfc_geo.inputs.read import read_layer, sha256
from cfc_geo.inputs.study import read_study
from cfc_geo.inputs.units import assign_units, read_units
from cfc_geo.model import Study
from cfc_geo.plan import load_plan
from cfc_geo.run import run_plan
from cfc_geo.tables import COVERED, GAP, UNKNOWN, children_column, children_columns
from tests import toyplan
from tests.toyplan import (
    BANDS,
    CELLS,
    CHILDREN,
    CRS,
    ORIGIN,
    PLAN,
    cell_rows,
    facility_rows,
    lonlat,
    unit_records,
    write_csv,
    write_geojson,
    write_toy,
)

SHEET = Affine(100, 0, ORIGIN[0] - 100, 0, -100, ORIGIN[1] + 400)
"""Pixels of 100 m over the toy town: 14 columns, 6 rows."""


def study_of(folder: Path, plan: str = PLAN, spoil: Callable[[Path], None] = lambda data: None) -> Study:
    path = write_toy(folder, plan)
    spoil(folder / "data")
    return read_study(load_plan(path))


def codes(study: Study) -> list[str]:
    return [finding.code for finding in study.findings]


def sums(study: Study, band: str = "3-5") -> dict[str, float]:
    """Children by unit; units without any are left out."""
    return study.origins.groupby("unit_id")[children_column(band)].sum().to_dict()


def on_sheet(shape: shapely.Geometry) -> shapely.Geometry:
    return shapely.transform(shape, lambda xy: xy + ORIGIN)


# --------------------------------------------------------------------------------------------------- nobody is lost


@settings(max_examples=settings.default.max_examples // 4)
@given(
    cuts=st.tuples(st.sets(st.integers(1, 7), max_size=3), st.sets(st.integers(1, 7), max_size=3)),
    cells=st.lists(
        st.tuples(st.integers(-1, 9), st.integers(-1, 9), st.lists(st.floats(0, 1e4), min_size=5, max_size=5)),
        min_size=1,
        max_size=12,
        unique_by=lambda cell: cell[:2],
    ),
)
def test_every_child_of_the_file_is_placed_once_or_outside(
    tmp_path_factory: pytest.TempPathFactory,
    cuts: tuple[set[int], set[int]],
    cells: list[tuple[int, int, list[float]]],
) -> None:
    """Units are cut from a square of 800 m; cells lie on a grid of 100 m, so that many lie on borders and corners."""
    folder = tmp_path_factory.mktemp("town")
    columns, rows = ([0, *sorted(cut), 8] for cut in cuts)
    boxes = [
        shapely.box(west * 100, south * 100, east * 100, north * 100)
        for west, east in pairwise(columns)
        for south, north in pairwise(rows)
    ]
    units = gpd.GeoDataFrame(
        {
            "unit_id": ["00", *(f"{n:02}" for n in range(1, len(boxes) + 1))],
            "name": "",
            "level": "",
            "parent_id": ["", *["00"] * len(boxes)],
        },
        geometry=[on_sheet(shapely.box(0, 0, 800, 800)), *map(on_sheet, boxes)],
        crs=CRS,
    )
    plan = write_toy(folder, PLAN.replace('datum = "wgs84"', f'datum = "{CRS}"', 1))
    table = [[f"c{n}", ORIGIN[0] + x * 100, ORIGIN[1] + y * 100, *kids] for n, (x, y, kids) in enumerate(cells)]
    write_csv(folder / "data/cells.csv", [cell_rows()[0], *table])
    findings = Findings()
    read = read_population(load_plan(plan), units, findings)
    total = {band: sum(kids[n] for _, _, kids in cells) for n, band in enumerate(BANDS)}
    inside = [bool(0 <= x <= 8 and 0 <= y <= 8) for x, y, _ in cells]
    if sum(total.values()) == 0 or not any(np.array(inside) & [sum(kids) > 0 for _, _, kids in cells]):
        assert findings.errors
        return
    assert read is not None
    origins, account = read.origins, read.account
    for n, band in enumerate(BANDS):
        column = children_column(band)
        assert account[f"{column}_in_file"] == pytest.approx(total[band], rel=1e-9)
        placed, outside = account[f"{column}_placed"], account[f"{column}_outside_units"]
        assert placed + outside == pytest.approx(total[band], rel=1e-9)
        assert placed == pytest.approx(sum(kids[n] for (_, _, kids), here in zip(cells, inside, strict=True) if here))
        assert origins[column].sum() == pytest.approx(placed, rel=1e-9)
    assert origins["origin_id"].is_unique
    for row in origins.itertuples():
        x, y, _ = cells[int(row.origin_id[1:])]
        touching = [
            number for number, box in enumerate(boxes, start=1) if box.intersects(shapely.Point(x * 100, y * 100))
        ]
        assert row.unit_id == f"{min(touching):02}", "one place, one count: the least of the deepest units"


def test_a_cell_lies_in_the_unit_of_its_centre_or_of_a_point_inside_it() -> None:
    units = gpd.GeoDataFrame(
        {"unit_id": ["a", "b"], "parent_id": ["", ""]},
        geometry=[shapely.box(0, 0, 10, 10), shapely.box(10, 0, 20, 10)],
        crs=CRS,
    )
    horseshoe = shapely.box(2, 1, 18, 9) - shapely.box(4, 3, 19, 7)
    assert not horseshoe.contains(horseshoe.centroid)
    shapes = gpd.GeoSeries(
        [shapely.box(1, 1, 12, 2), shapely.box(5, 1, 19, 2), horseshoe, shapely.box(30, 0, 31, 1)], crs=CRS
    )
    found = assign_units(shapes, units)
    assert found[0] == "a" and found[1] == "b" and found[3] == ""
    assert found[2] in ("a", "b")


def test_children_outside_every_unit_are_counted_and_told(tmp_path: Path) -> None:
    def spoil(data: Path) -> None:
        write_csv(data / "cells.csv", [*cell_rows(), ["z", *lonlat(5000, 0), 7, 7, 7, 7, 7]])

    study = study_of(tmp_path, spoil=spoil)
    assert sums(study) == {"01": 1 + 2 + 4 + 32, "02": 8 + 16}
    assert study.audit["children_3_5_outside_units"] == 7 and study.audit["cells_outside_units"] == 1
    told = next(finding for finding in study.findings if finding.code == "population.outside")
    assert told.text("en").startswith("data/cells.csv: 35 children (10 %) live in cells whose centre is in no unit")


def test_a_gap_between_units_is_told_with_those_who_live_there(tmp_path: Path) -> None:
    def spoil(data: Path) -> None:
        records = unit_records()
        records[1] = (records[1][0], toyplan.UNITS["01"][3] - shapely.box(300, -50, 500, 50))
        write_geojson(data / "units.geojson", records[1:])

    study = study_of(tmp_path, PLAN.replace(', parent = "parent"', ""), spoil)
    assert sums(study) == {"01": 1 + 2 + 32, "02": 8 + 16}
    assert study.audit["children_3_5_outside_units"] == 4
    assert {"units.gaps", "population.outside"} <= set(codes(study))
    gaps = next(finding for finding in study.findings if finding.code == "units.gaps")
    assert gaps.values["count"] == 1 and gaps.values["m2"] == pytest.approx(20_000, rel=1e-3)


def test_rows_without_anybody_are_no_origins(tmp_path: Path) -> None:
    study = study_of(
        tmp_path, spoil=lambda data: write_csv(data / "cells.csv", [*cell_rows(), ["z", *lonlat(50, 0), *[0] * 5]])
    )
    assert "z" not in set(study.origins["origin_id"]) and len(study.origins) == len(CELLS)


# ------------------------------------------------------------------------------------------------------------ rasters


def write_raster(path: Path, bands: np.ndarray, **settings: object) -> None:
    profile = {"crs": CRS, "transform": SHEET, "nodata": -1, **settings}
    count, height, width = bands.shape
    with rasterio.open(
        path, "w", driver="GTiff", count=count, height=height, width=width, dtype=bands.dtype, **profile
    ) as file:
        file.write(bands)


def pixels() -> np.ndarray:
    """The toy's cells as pixels of 100 m: one band, rows from the north."""
    values = np.zeros((1, 6, 14))
    for cell, (x, y) in CELLS.items():
        values[0, int((400 - y) // 100), int((x + 100) // 100)] = CHILDREN[cell]
    return values


def raster_plan(population: str) -> str:
    return PLAN[: PLAN.index("[population]")] + "[population]\n" + population + PLAN[PLAN.index("[[facilities]]") :]


EXPECTED = {"01": 1.0 + 2 + 4 + 32, "02": 8.0 + 16}


def test_a_raster_with_a_band_an_age_and_one_file_an_age_say_the_same(tmp_path: Path) -> None:
    def one(data: Path) -> None:
        write_raster(data / "cells.tif", np.concatenate([pixels(), pixels() * 3]))

    def many(data: Path) -> None:
        write_raster(data / "a.tif", pixels())
        write_raster(data / "b.tif", pixels() * 3)

    first = study_of(
        tmp_path / "1", raster_plan('file = "data/cells.tif"\nchildren = { "3-5" = 1, "6-11" = 2 }\n'), one
    )
    second = study_of(tmp_path / "2", raster_plan('files = { "3-5" = "data/a.tif", "6-11" = "data/b.tif" }\n'), many)
    for study in (first, second):
        assert sums(study) == EXPECTED
        assert sums(study, "6-11") == {unit: 3 * children for unit, children in EXPECTED.items()}
        assert sums(study, "0-2") == {"01": 0, "02": 0}
        assert "population.bands_missing" in codes(study)
        assert set(study.origins.area.round(6)) == {10_000}
    assert_frame_equal(pd.DataFrame(first.origins), pd.DataFrame(second.origins))


def test_a_raster_in_another_crs_keeps_its_children(tmp_path: Path) -> None:
    west, north = lonlat(-100, 400)
    east, south = lonlat(1300, -200)
    degrees = Affine((east - west) / 14, 0, west, 0, (south - north) / 6, north)
    study = study_of(
        tmp_path,
        raster_plan('file = "data/cells.tif"\nchildren = { "3-5" = 1 }\n'),
        lambda data: write_raster(data / "cells.tif", pixels(), crs="EPSG:4326", transform=degrees),
    )
    assert sums(study) == EXPECTED and study.crs == CRS
    assert study.audit["children_3_5_in_file"] == 63


def test_a_raster_of_shifted_degrees_is_put_back(tmp_path: Path) -> None:
    west, north = lonlat(-100, 400)
    east, south = lonlat(1300, -200)
    (west, east), (north, south) = datums.wgs84_to_gcj02(np.array([west, east]), np.array([north, south]))
    degrees = Affine((east - west) / 14, 0, west, 0, (south - north) / 6, north)
    study = study_of(
        tmp_path,
        raster_plan('file = "data/cells.tif"\nchildren = { "3-5" = 1 }\ndatum = "gcj02"\n'),
        lambda data: write_raster(data / "cells.tif", pixels(), crs="EPSG:4326", transform=degrees),
    )
    assert sums(study) == EXPECTED


def test_a_raster_without_a_crs_may_have_it_declared(tmp_path: Path) -> None:
    study = study_of(
        tmp_path,
        raster_plan(f'file = "data/cells.tif"\nchildren = {{ "3-5" = 1 }}\ndatum = "{CRS}"\n'),
        lambda data: write_raster(data / "cells.tif", pixels(), crs=None),
    )
    assert sums(study) == EXPECTED


def test_a_scale_stated_in_the_raster_counts(tmp_path: Path) -> None:
    def scaled(data: Path) -> None:
        write_raster(data / "cells.tif", (pixels() * 10).astype("int32"))
        with rasterio.open(data / "cells.tif", "r+") as file:
            file.scales = (0.1,)

    study = study_of(tmp_path, raster_plan('file = "data/cells.tif"\nchildren = { "3-5" = 1 }\n'), scaled)
    assert sums(study) == pytest.approx(EXPECTED)


def test_nodata_is_not_zero(tmp_path: Path) -> None:
    plan = raster_plan('file = "data/cells.tif"\nchildren = { "3-5" = 1 }\n')
    empty = pixels()
    unknown = pixels()
    unknown[0, 5, 5] = -1
    as_nan = pixels()
    as_nan[0, 5, 5] = np.nan
    told = {}
    for name, values in (("zero", empty), ("nodata", unknown), ("nan", as_nan)):
        study = study_of(tmp_path / name, plan, lambda data, values=values: write_raster(data / "cells.tif", values))
        assert sums(study) == EXPECTED
        told[name] = [finding.values["count"] for finding in study.findings if finding.code == "raster.nodata_inside"]
    assert told == {"zero": [], "nodata": [1], "nan": [1]}


def test_nodata_outside_the_units_needs_no_warning_and_inhabited_land_elsewhere_hides_none(tmp_path: Path) -> None:
    plan = raster_plan('file = "data/cells.tif"\nchildren = { "3-5" = 1 }\n')
    wide = np.full((1, 6, 400), 5.0)
    wide[:, :, :14] = pixels()
    wide[0, 0, 20:400] = -1
    far_only = study_of(tmp_path / "1", plan, lambda data: write_raster(data / "cells.tif", wide))
    assert "raster.nodata_inside" not in codes(far_only)
    wide[0, 5, 5] = -1
    inside = study_of(tmp_path / "2", plan, lambda data: write_raster(data / "cells.tif", wide))
    assert "raster.nodata_inside" in codes(inside)


@pytest.mark.parametrize("source", ["table", "raster"])
def test_children_may_be_shares_of_residents_and_say_so(tmp_path: Path, source: str) -> None:
    if source == "table":
        plan = PLAN.replace(PLAN[PLAN.index("children =") : PLAN.index("[[facilities]]")], SHARES.format('"0-2岁"'))
        study = study_of(tmp_path, plan)
    else:
        plan = raster_plan('file = "data/cells.tif"\n' + SHARES.format("1"))
        study = study_of(tmp_path, plan, lambda data: write_raster(data / "cells.tif", pixels()))
    assert sums(study, "6-11") == pytest.approx({"01": 39 * 0.25, "02": 24 * 0.25})
    assert sums(study, "0-2") == {"01": 0, "02": 0}
    assert study.origins.groupby("unit_id")["residents"].sum().to_dict() == {"01": 39, "02": 24}
    told = next(finding.text("en") for finding in study.findings if finding.code == "population.shares")
    assert "6-11: 0.25" in told and "统计年鉴" in told


SHARES = 'residents = {}\nshares = {{ "6-11" = 0.25 }}\nshares_source = "统计年鉴"\n'


# ------------------------------------------------------------------------------------------------------------- datums


def shifted(x: float, y: float, datum: str) -> tuple[float, float]:
    lon, lat = (np.array([value]) for value in lonlat(x, y))
    if datum in ("gcj02", "bd09"):
        lon, lat = datums.wgs84_to_gcj02(lon, lat)
    if datum == "bd09":
        lon, lat = datums.gcj02_to_bd09(lon, lat)
    if datum.startswith("EPSG"):
        return ORIGIN[0] + x, ORIGIN[1] + y
    return float(lon[0]), float(lat[0])


@pytest.mark.parametrize("datum", ["wgs84", "cgcs2000", "gcj02", "bd09", "EPSG:4549", "EPSG:4490"])
def test_a_declared_datum_is_undone(tmp_path: Path, datum: str) -> None:
    name = "wgs84" if datum == "EPSG:4490" else datum

    def spoil(data: Path) -> None:
        rows = [[key, kind, kind, *shifted(x, y, name), 1] for key, (kind, x, y) in toyplan.FACILITIES.items()]
        write_csv(data / "facilities.csv", [facility_rows()[0], *rows])

    plan = PLAN.replace('facilities.csv"\ndatum = "wgs84"', f'facilities.csv"\ndatum = "{datum}"')
    study = study_of(tmp_path, plan, spoil)
    at = study.facilities.set_index("facility_id").geometry
    for key, (_, x, y) in toyplan.FACILITIES.items():
        assert at[key].distance(on_sheet(shapely.Point(x, y))) < 0.01


def test_undeclared_amap_points_would_be_hundreds_of_metres_off(tmp_path: Path) -> None:
    """So the test above can fail."""
    x, y = shifted(0, 0, "gcj02")
    assert np.hypot(x - lonlat(0, 0)[0], y - lonlat(0, 0)[1]) > 0.003


def test_a_layer_of_shifted_degrees_is_put_back_vertex_by_vertex(tmp_path: Path) -> None:
    def spoil(data: Path) -> None:
        shape = shapely.transform(toyplan.PARK, lambda xy: [shifted(x, y, "bd09") for x, y in xy])
        gpd.GeoDataFrame({"code": ["P"], "name": ["公园"]}, geometry=[shape], crs="EPSG:4326").to_file(
            data / "parks.gpkg"
        )

    study = study_of(tmp_path, PLAN.replace('parks.geojson"', 'parks.gpkg"\ndatum = "bd09"'), spoil)
    park = study.facilities.set_index("facility_id").geometry["P"]
    assert park.hausdorff_distance(on_sheet(toyplan.PARK)) < 0.01


def test_geojson_of_metres_is_read_where_the_plan_says_in_which_crs(tmp_path: Path) -> None:
    """GeoJSON has no way to say it, and offices export it all the same."""

    def spoil(data: Path) -> None:
        sheet = gpd.GeoDataFrame({"code": ["P"], "name": ["公园"]}, geometry=[on_sheet(toyplan.PARK)])
        (data / "parks.geojson").write_text(sheet.to_json(), encoding="utf-8")

    with pytest.raises(CfcError, match=r'parks.geojson, feature 1: .* → if they are projected, write datum = "EPSG'):
        study_of(tmp_path / "1", PLAN, spoil)
    study = study_of(tmp_path / "2", PLAN.replace('parks.geojson"', f'parks.geojson"\ndatum = "{CRS}"'), spoil)
    assert study.facilities.set_index("facility_id").geometry["P"].equals(on_sheet(toyplan.PARK))


def test_north_and_east_in_the_wrong_columns_are_recognised(tmp_path: Path) -> None:
    """Chinese survey sheets call the north coordinate X."""

    def spoil(data: Path) -> None:
        rows = [[key, kind, kind, ORIGIN[1] + y, ORIGIN[0] + x, 1] for key, (kind, x, y) in toyplan.FACILITIES.items()]
        write_csv(data / "facilities.csv", [facility_rows()[0], *rows])

    plan = PLAN.replace('facilities.csv"\ndatum = "wgs84"', f'facilities.csv"\ndatum = "{CRS}"')
    with pytest.raises(CfcError, match=r"facilities.csv: .* with longitude and latitude swapped they lie inside"):
        study_of(tmp_path, plan, spoil)


def test_swapped_population_is_recognised_too(tmp_path: Path) -> None:
    def spoil(data: Path) -> None:
        rows = [[cell, ORIGIN[1] + y, ORIGIN[0] + x, *[1] * 5] for cell, (x, y) in CELLS.items()]
        write_csv(data / "cells.csv", [cell_rows()[0], *rows])

    with pytest.raises(CfcError, match=r"cells.csv: .* swapped they lie inside"):
        study_of(tmp_path, PLAN.replace('datum = "wgs84"', f'datum = "{CRS}"', 1), spoil)


def test_the_working_crs_is_the_places_unless_the_plan_names_a_fitting_one(tmp_path: Path) -> None:
    assert study_of(tmp_path / "1").crs == "EPSG:4549"
    plan = PLAN.replace("[population]", 'crs = "EPSG:4548"\n[population]', 1)
    assert study_of(tmp_path / "2", plan).crs == "EPSG:4548"


# --------------------------------------------------------------------------------------------- ids, encodings, formats


def test_ids_stay_text(tmp_path: Path) -> None:
    def spoil(data: Path) -> None:
        rows = facility_rows()
        for row, name in zip(rows[1:], ["007", "1e3", "NA"], strict=True):
            row[0] = name
        write_csv(data / "facilities.csv", rows)
        cells = cell_rows()
        cells[1][0] = "0001"
        write_csv(data / "cells.csv", cells)

    study = study_of(tmp_path, spoil=spoil)
    assert set(study.facilities["facility_id"]) == {"007", "1e3", "NA", "P"}
    assert "0001" in set(study.origins["origin_id"])
    assert list(study.units["unit_id"]) == ["0", "01", "02"]


@pytest.mark.parametrize(
    ("number", "text"), [(7.0, "7"), (7.5, "7.5"), (330102.0, "330102"), (np.inf, "inf"), (np.nan, "")]
)
def test_numbers_that_serve_as_ids_have_no_decimals(number: float, text: str) -> None:
    from cfc_geo.inputs import normalise

    assert normalise.text(pd.Series([number, 1.25])).tolist() == [text, "1.25"]


@pytest.mark.parametrize(
    ("encoding", "told"),
    [("utf-8", None), ("utf-8-sig", None), ("gb18030", "GB18030"), ("gbk", "GB18030"), ("utf-16", "UTF-16")],
)
def test_tables_of_any_usual_encoding_say_the_same(tmp_path: Path, encoding: str, told: str | None) -> None:
    study = study_of(tmp_path, spoil=lambda data: write_csv(data / "facilities.csv", facility_rows(), encoding))
    assert set(study.facilities["name"]) == {"幼儿园K", "小学S", "playgroundG", "公园"}
    notes = [finding.values["encoding"] for finding in study.findings if finding.code == "read.encoding"]
    assert notes == ([told] if told else [])


@pytest.mark.parametrize("cpg", [True, False])
@pytest.mark.parametrize("encoding", ["UTF-8", "GBK"])
@pytest.mark.parametrize("name", ["公园[1]", "很长很长的名称" * 4, "park"])
def test_shapefiles_are_read_with_their_encoding_or_the_one_their_bytes_have(
    tmp_path: Path, cpg: bool, encoding: str, name: str
) -> None:
    layer = gpd.GeoDataFrame(
        {"名称": [name, "x"]}, geometry=gpd.points_from_xy([120.0, 120.1], [28.0, 28.1]), crs="EPSG:4326"
    )
    path = tmp_path / "parks[1].shp"
    layer.to_file(path, encoding=encoding)
    if not cpg:
        path.with_suffix(".cpg").unlink()
    findings = Findings()
    raw = read_layer(path, path.name, None, findings)
    assert raw is not None and raw.frame["名称"].tolist() == [name, "x"]
    notes = [finding.values["encoding"] for finding in findings if finding.code == "read.encoding"]
    assert notes == ([] if cpg else ["UTF-8" if encoding == "UTF-8" else "GB18030"])


def test_a_character_cut_by_the_width_of_its_field_is_not_taken_for_another_encoding(tmp_path: Path) -> None:
    layer = gpd.GeoDataFrame({"name": ["儿童公园"]}, geometry=gpd.points_from_xy([120.0], [28.0]), crs="EPSG:4326")
    path = tmp_path / "parks.shp"
    layer.to_file(path, encoding="UTF-8")
    path.with_suffix(".cpg").unlink()
    table = path.with_suffix(".dbf").read_bytes()
    path.with_suffix(".dbf").write_bytes(table.replace("园".encode(), "园".encode()[:2] + b" "))
    findings = Findings()
    assert read_layer(path, path.name, None, findings) is None
    assert [finding.code for finding in findings] == ["read.encoding", "read.unreadable"]
    assert findings[0].values["encoding"] == "UTF-8" and "utf-8" in findings[1].text("en")


def facility_frame() -> gpd.GeoDataFrame:
    heading, *rows = facility_rows()
    table = pd.DataFrame(rows, columns=[str(name) for name in heading])
    return gpd.GeoDataFrame(table, geometry=gpd.points_from_xy(table["经度"], table["纬度"]), crs="EPSG:4326")


WRITERS: dict[str, Callable[[Path], None]] = {
    "csv": lambda path: facility_frame().drop(columns="geometry").to_csv(path, index=False),
    "tsv": lambda path: facility_frame().drop(columns="geometry").to_csv(path, index=False, sep="\t"),
    "xlsx": lambda path: facility_frame().drop(columns="geometry").to_excel(path, index=False),
    "geojson": lambda path: facility_frame().to_file(path, driver="GeoJSON"),
    "gpkg": lambda path: facility_frame().to_file(path),
    "shp": lambda path: facility_frame().to_file(path, encoding="UTF-8"),
    "fgb": lambda path: facility_frame().to_file(path),
    "parquet": lambda path: facility_frame().to_parquet(path),
    "projected.gpkg": lambda path: facility_frame().to_crs(CRS).to_file(path),
    "geom.parquet": lambda path: facility_frame().rename_geometry("geom").to_parquet(path),
}


@pytest.mark.parametrize("ending", WRITERS)
def test_the_same_facilities_in_any_format_make_the_same_study(tmp_path: Path, ending: str) -> None:
    wanted = study_of(tmp_path / "csv")
    plan = PLAN.replace("data/facilities.csv", f"data/f.{ending}")
    if ending.split(".")[-1] not in ("csv", "tsv", "xlsx"):
        plan = plan.replace(f'f.{ending}"\ndatum = "wgs84"', f'f.{ending}"')
    found = study_of(tmp_path / "other", plan, lambda data: WRITERS[ending](data / f"f.{ending}"))
    columns = ["facility_id", "kind", "name", "capacity", "unit_id"]
    assert_frame_equal(pd.DataFrame(found.facilities[columns]), pd.DataFrame(wanted.facilities[columns]))
    assert found.facilities.distance(wanted.facilities).max() < 1e-3
    assert found.surveyed == wanted.surveyed
    assert {"kindergarten", "primary_school", "playground", "park"} == found.surveyed


def test_the_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    def turned(data: Path) -> None:
        for name, rows in (("cells.csv", cell_rows()), ("facilities.csv", facility_rows())):
            write_csv(data / name, [rows[0], *rows[:0:-1]])
        write_geojson(data / "units.geojson", unit_records()[::-1])

    one, other = study_of(tmp_path / "1"), study_of(tmp_path / "2", spoil=turned)
    for name in ("units", "origins", "facilities", "entrances"):
        assert_frame_equal(pd.DataFrame(getattr(one, name)), pd.DataFrame(getattr(other, name)))


def test_blank_rows_and_columns_without_a_heading_are_passed_over_and_rows_keep_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("\n编号,,n,\n\na,注,1,\n,,,\nb,,2,\n\n", encoding="utf-8")
    findings = Findings()
    raw = read_layer(path, "t.csv", None, findings)
    assert raw is not None and not findings
    assert list(raw.frame.columns) == ["编号", "n"] and raw.frame["编号"].tolist() == ["a", "b"]
    assert list(raw.rows([True, True])) == [4, 6]


def test_semicolons_quotes_and_line_breaks_in_cells(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('编号;名称\n1;"a;b\nc"\n2;"d""e"\n', encoding="utf-8")
    raw = read_layer(path, "t.csv", None, Findings())
    assert raw is not None and raw.frame["名称"].tolist() == ["a;b\nc", 'd"e']


def test_a_sheet_is_chosen_by_name_or_by_being_the_only_one_that_is_filled(tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    book.active.title = "说明"
    sheet = book.create_sheet("设施")
    for row in (["编号", "n"], ["007", 1], ["b", 2.5]):
        sheet.append(row)
    book.save(tmp_path / "t.xlsx")
    for name in (None, "设施"):
        raw = read_layer(tmp_path / "t.xlsx", "t.xlsx", name, Findings())
        assert raw is not None and raw.frame.values.tolist() == [["007", "1"], ["b", "2.5"]]
    findings = Findings()
    assert read_layer(tmp_path / "t.xlsx", "t.xlsx", "设备", findings) is None
    assert "there is no layer or sheet 设备 → it holds: 说明, 设施" in findings[0].text("en")


def test_a_layer_is_chosen_by_name(tmp_path: Path) -> None:
    for layer in ("one", "two"):
        facility_frame().assign(名称=layer).to_file(tmp_path / "t.gpkg", layer=layer)
    raw = read_layer(tmp_path / "t.gpkg", "t.gpkg", "two", Findings())
    assert raw is not None and set(raw.frame["名称"]) == {"two"}
    findings = Findings()
    assert read_layer(tmp_path / "t.gpkg", "t.gpkg", None, findings) is None
    assert findings[0].values["layers"] == ["one", "two"]


def test_what_a_reader_warns_of_is_passed_on_and_never_printed(tmp_path: Path) -> None:
    path = tmp_path / "t.geojson"
    ring = "[[120,28],[120.1,28],[120.1,28.1]]"
    path.write_text('{"type":"Feature","properties":{},"geometry":{"type":"Polygon","coordinates":[' + ring + "]}}")
    findings = Findings()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_layer(path, "t.geojson", None, findings)
    assert [finding.code for finding in findings] == ["read.reader_says"]
    assert "Non closed ring" in findings[0].text("zh") and "t.geojson" in findings[0].text("zh")


def test_the_hash_of_a_shapefile_is_of_all_its_parts(tmp_path: Path) -> None:
    facility_frame().to_file(tmp_path / "f[1].shp", encoding="UTF-8")
    before = sha256(tmp_path / "f[1].shp")
    with (tmp_path / "f[1].dbf").open("r+b") as table:
        table.seek(-3, 2)
        table.write(b"X")
    assert sha256(tmp_path / "f[1].shp") != before


# -------------------------------------------------------------------------------------------------------------- units


def test_units_know_their_parents_and_levels(tmp_path: Path) -> None:
    units = study_of(tmp_path).units.set_index("unit_id")
    assert units["parent_id"].to_dict() == {"0": "", "01": "0", "02": "0"}
    assert units["level"].to_dict() == {"0": "街道", "01": "社区", "02": "社区"}


def read_drawn_units(folder: Path, shapes: Iterable[shapely.Geometry]) -> tuple[gpd.GeoDataFrame | None, Findings]:
    plan = write_toy(folder, PLAN.replace(', parent = "parent"', "").replace(', level = "level"', ""))
    records = [({"code": str(number), "name": f"单元{number}"}, shape) for number, shape in enumerate(shapes)]
    write_geojson(folder / "data/units.geojson", records)  # type: ignore[arg-type]
    findings = Findings()
    return read_units(load_plan(plan), findings), findings


def test_a_slight_overlap_is_told_and_a_gross_one_refused(tmp_path: Path) -> None:
    for overlap_m, code in ((0, None), (5, "units.overlap_slight"), (20, "units.overlap")):
        shapes = [shapely.box(0, 0, 1000 + overlap_m, 1000), shapely.box(1000, 0, 2000, 1000)]
        _, findings = read_drawn_units(tmp_path / str(overlap_m), shapes)
        assert [finding.code for finding in findings] == ([code] if code else [])
        if code:
            assert findings[0].values["m2"] == pytest.approx(overlap_m * 1000, rel=1e-3)


def test_what_lies_in_an_overlap_goes_to_the_least_id(tmp_path: Path) -> None:
    units, _ = read_drawn_units(tmp_path, [shapely.box(0, 0, 1005, 1000), shapely.box(1000, 0, 2000, 1000)])
    assert units is not None
    assert assign_units(gpd.GeoSeries([on_sheet(shapely.Point(1002, 5))], crs=CRS), units).tolist() == ["0"]


def test_a_small_fault_of_a_ring_is_mended_and_told(tmp_path: Path) -> None:
    spike = shapely.Polygon([(0, 0), (1000, 0), (1000, 1000), (500, 1000), (500, 1100), (500, 1000), (0, 1000)])
    units, findings = read_drawn_units(tmp_path, [spike])
    assert units is not None and units.geometry[0].is_valid
    assert units.area[0] == pytest.approx(1_000_000, rel=1e-4)
    assert [(finding.severity, finding.code) for finding in findings] == [("warning", "geometry.repaired")]


def test_the_third_dimension_is_let_go(tmp_path: Path) -> None:
    units, findings = read_drawn_units(tmp_path, [shapely.force_3d(shapely.box(0, 0, 1000, 1000), 12.5)])
    assert units is not None and not units.has_z.any() and not findings


# ---------------------------------------------------------------------------------------------- entrances and kinds


def drawn_facilities(shapes: dict[str, shapely.Geometry]) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({"facility_id": list(shapes)}, geometry=list(shapes.values()), crs=CRS)


def entrances_of(
    shapes: dict[str, shapely.Geometry],
    streets: list[shapely.LineString],
    given: dict[str, shapely.Point] | None = None,
    *,
    tunnel: bool = False,
) -> list[tuple[str, str, float, float]]:
    stated = gpd.GeoDataFrame({"facility_id": list(given or {})}, geometry=list((given or {}).values()), crs=CRS)
    drawn = gpd.GeoDataFrame({"bridge": [False] * len(streets), "tunnel": tunnel}, geometry=streets, crs=CRS)
    found = find_entrances(drawn_facilities(shapes), stated, drawn, 100)
    return [(row.facility_id, row.evidence, row.geometry.x, row.geometry.y) for row in found.itertuples()]


SQUARE = shapely.box(0, 0, 200, 200)
THROUGH = shapely.LineString([(-50, 50), (250, 50)])
BESIDE = shapely.LineString([(230, -100), (230, 300)])
FAR = shapely.LineString([(400, 0), (400, 200)])


def test_entrances_are_given_or_crossings_or_the_nearest_point_and_never_the_centre() -> None:
    gate = shapely.Point(0, 100)
    assert entrances_of({"p": SQUARE}, [THROUGH, BESIDE], {"p": gate}) == [("p", "given", 0, 100)]
    assert entrances_of({"p": SQUARE}, [THROUGH, BESIDE]) == [("p", "outline", 0, 50), ("p", "outline", 200, 50)]
    nearest = entrances_of({"p": SQUARE}, [BESIDE])
    assert [row[:3] for row in nearest] == [("p", "nearest", 200)]
    assert entrances_of({"p": SQUARE}, [FAR]) == []
    assert entrances_of({"p": shapely.Point(7, 8)}, [FAR]) == [("p", "point", 7, 8)]
    inside = shapely.LineString([(90, 100), (110, 100)])
    assert entrances_of({"p": SQUARE}, [inside])[0][1] == "nearest"


def test_a_street_under_a_park_leads_nowhere_and_one_along_it_leads_in_everywhere() -> None:
    assert entrances_of({"p": SQUARE}, [THROUGH], tunnel=True) == []
    along = entrances_of({"p": SQUARE}, [shapely.LineString([(0, 0), (200, 0)])])
    assert {row[1] for row in along} == {"outline"}
    assert np.diff(sorted(row[2] for row in along)).max() < 10.001


@settings(max_examples=settings.default.max_examples // 2)
@given(
    st.lists(st.tuples(st.integers(-60, 60), st.integers(-60, 60)), min_size=2, max_size=5),
    st.lists(st.tuples(st.integers(-40, 40), st.integers(-40, 40)), min_size=3, max_size=6),
)
def test_an_entrance_of_a_polygon_is_on_its_outline(
    street: list[tuple[int, int]], corners: list[tuple[int, int]]
) -> None:
    park = shapely.MultiPoint(corners).convex_hull
    line = shapely.LineString(street)
    if park.geom_type != "Polygon" or line.length == 0:
        return
    found = entrances_of({"p": park}, [line])
    assert len(found) == len(set(found))
    for _, evidence, x, y in found:
        assert park.exterior.distance(shapely.Point(x, y)) < 1e-6
        if evidence == "outline":
            assert line.distance(shapely.Point(x, y)) < 1e-6
    crosses = line.intersects(park.exterior)
    assert {row[1] for row in found} == (
        {"outline"} if crosses else {"nearest"} if line.distance(park.exterior) <= 100 else set()
    )


def test_a_facility_outside_the_units_counts_within_the_margin(tmp_path: Path) -> None:
    def spoil(data: Path) -> None:
        rows = [
            *facility_rows(),
            ["out", "外", "幼儿园", *lonlat(-250, 0), 1],
            ["far", "远", "幼儿园", *lonlat(-9000, 0), 1],
        ]
        write_csv(data / "facilities.csv", rows)

    study = study_of(tmp_path, spoil=spoil)
    facilities = study.facilities.set_index("facility_id")
    assert facilities.loc["out", "unit_id"] == "" and "far" not in facilities.index
    told = next(finding for finding in study.findings if finding.code == "place.some_outside")
    assert told.rows == (6,) and "row 6" in told.text("en")


def test_the_kinds_of_an_offices_list_are_surveyed_even_where_all_lie_elsewhere(tmp_path: Path) -> None:
    """A list that holds childcare, all of it far away, shows that there is none here."""

    def spoil(data: Path) -> None:
        write_csv(data / "facilities.csv", [*facility_rows(), ["T", "托", "托育", *lonlat(-9000, 0), 1]])

    study = study_of(tmp_path, spoil=spoil)
    assert "childcare" in study.surveyed and "T" not in set(study.facilities["facility_id"])


def test_only_keeps_the_kinds_it_names_and_no_other_is_surveyed(tmp_path: Path) -> None:
    plan = PLAN.replace('facilities.csv"\n', 'facilities.csv"\nonly = ["kindergarten"]\n')
    study = study_of(tmp_path, plan)
    assert set(study.facilities["facility_id"]) == {"K", "P"} and study.surveyed == {"kindergarten", "park"}


def test_words_of_the_plan_the_catalogue_and_both_languages_name_kinds(tmp_path: Path) -> None:
    words = {
        "托老托幼点": "childcare",
        "小学": "primary_school",
        " Park ": "park",
        "幼儿园": "kindergarten",
        "library": "library",
    }

    def spoil(data: Path) -> None:
        rows = [[f"f{n}", "", word, *lonlat(n, 0), ""] for n, word in enumerate(words)]
        write_csv(data / "facilities.csv", [facility_rows()[0], *rows])

    plan = PLAN.replace('facilities.csv"\n', 'facilities.csv"\nkinds = { "托老托幼点" = "childcare" }\n')
    study = study_of(tmp_path, plan, spoil)
    found = study.facilities.set_index("facility_id")
    assert [found.loc[f"f{n}", "kind"] for n in range(5)] == list(words.values())
    assert found.loc["f0":"f4", "capacity"].isna().all(), "blank is unknown"


OSM_PLAN = PLAN.replace(
    PLAN[PLAN.index("[[facilities]]") : PLAN.index("[streets]")], '[[facilities]]\nfile = "data/osm.osm"\n'
)


def osm_facilities(data: Path) -> None:
    nodes = [
        f'<node id="{number}" version="1" lon="{lonlat(x, 0)[0]:.7f}" lat="{lonlat(x, 0)[1]:.7f}">'
        f'<tag k="{key}" v="{value}"/></node>'
        for number, (x, key, value) in enumerate(
            [(100, "leisure", "playground"), (300, "amenity", "library")], start=900
        )
    ]
    (data / "osm.osm").write_text('<?xml version="1.0"?><osm version="0.6">' + "".join(nodes) + "</osm>")


def test_what_volunteers_mapped_proves_cover_but_never_a_gap(tmp_path: Path) -> None:
    plan = write_toy(tmp_path, OSM_PLAN.replace("osm.osm", "osm.osm", 1))
    osm_facilities(tmp_path / "data")
    result = run_plan(load_plan(plan))
    assert result.study.surveyed == frozenset()
    assert set(result.coverage.status["playground"]) == {COVERED, UNKNOWN}
    assert set(result.coverage.status["kindergarten"]) == {UNKNOWN}
    told = {
        finding.code: finding.values["kinds"] for finding in result.findings if finding.code.startswith("coverage.")
    }
    assert told["coverage.partly_listed"] == ["playground", "library"] and "kindergarten" in told["coverage.not_listed"]


def test_an_osm_file_may_be_said_to_hold_all_of_a_kind(tmp_path: Path) -> None:
    plan = write_toy(tmp_path, OSM_PLAN.replace('osm.osm"', 'osm.osm"\nsurveys = ["playground", "kindergarten"]', 1))
    osm_facilities(tmp_path / "data")
    result = run_plan(load_plan(plan))
    assert set(result.coverage.status["playground"]) == {COVERED, GAP}
    assert set(result.coverage.status["kindergarten"]) == {GAP}
    assert set(result.coverage.status["library"]) == {COVERED, UNKNOWN}


def test_a_place_with_no_facility_at_all_is_all_gap_where_the_list_is_full(tmp_path: Path) -> None:
    plan = write_toy(tmp_path, OSM_PLAN.replace('osm.osm"', 'streets.osm"\nsurveys = ["playground"]', 1))
    result = run_plan(load_plan(plan))
    assert len(result.facilities) == 0 and "facilities.none" in [finding.code for finding in result.findings]
    assert set(result.coverage.status["playground"]) == {GAP}


def test_two_files_that_number_alike_are_told_apart_by_a_prefix(tmp_path: Path) -> None:
    block = '[[facilities]]\nfile = "data/osm.osm"\n'
    two = OSM_PLAN.replace(block, block + block.replace("osm.osm", "other.osm") + "{prefix}\n")

    def spoil(data: Path) -> None:
        osm_facilities(data)
        (data / "other.osm").write_bytes((data / "osm.osm").read_bytes())

    with pytest.raises(CfcError, match=r"use the same ids: n900, n901 → add id_prefix"):
        study_of(tmp_path / "1", two.replace("{prefix}", ""), spoil)
    study = study_of(tmp_path / "2", two.replace("{prefix}", 'id_prefix = "b-"'), spoil)
    assert sorted(study.facilities["facility_id"]) == ["b-n900", "b-n901", "n900", "n901"]


def test_given_entrances_follow_the_prefix_and_far_ones_are_told(tmp_path: Path) -> None:
    gate = (
        'id_prefix = "p-"\n[facilities.entrances]\nfile = "data/gates.csv"\nfacility = "设施"\nlon = "经度"\n'
        'lat = "纬度"\ndatum = "wgs84"\n[facilities.columns]\nid = "code"\nname = "name"\n'
    )
    plan = PLAN.replace('columns = { id = "code", name = "name" }\n', gate)

    def spoil(data: Path) -> None:
        write_csv(data / "gates.csv", [["设施", "经度", "纬度"], ["P", *lonlat(900, 50)], ["P", *lonlat(400, 50)]])

    study = study_of(tmp_path, plan, spoil)
    mine = study.entrances[study.entrances["facility_id"] == "p-P"]
    assert set(mine["evidence"]) == {"given"} and len(mine) == 2
    told = next(finding for finding in study.findings if finding.code == "entrances.far")
    assert told.values["count"] == 1 and told.values["ids"] == ["p-P"]


def test_polygons_whose_entrance_is_assumed_are_told(tmp_path: Path) -> None:
    study = study_of(tmp_path)
    park = study.entrances.set_index("facility_id").loc["P"]
    assert park["evidence"] == "nearest" and park.geometry.y == pytest.approx(ORIGIN[1] + 20, abs=0.01)
    assert "entrances.assumed" in codes(study)


def test_reading_leaves_the_tables_of_the_study_as_the_vocabulary_says(tmp_path: Path) -> None:
    study = study_of(tmp_path)
    assert list(study.origins.columns) == ["origin_id", "unit_id", *children_columns(), "residents", "geometry"]
    assert {
        str(frame.crs) for frame in (study.units, study.origins, study.facilities, study.entrances, study.streets)
    } == {CRS}
    assert [source.role for source in study.sources] == ["units", "population", "facilities", "facilities", "streets"]
    assert all(len(source.sha256) == 64 for source in study.sources)
    assert set(study.facilities["kind"]) <= set(catalog.kinds())


def test_a_csv_writer_and_our_reader_agree_on_any_text(tmp_path: Path) -> None:
    cells = ["a,b", 'c"d', "e\nf", " g ", "", "'h", "中文；", "\t", "=1+1"]
    with (tmp_path / "t.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([["n", "t"], *([str(n), cell] for n, cell in enumerate(cells))])
    raw = read_layer(tmp_path / "t.csv", "t.csv", None, Findings())
    assert raw is not None and raw.frame["t"].tolist() == cells


@pytest.mark.parametrize(("lon", "lat"), [(-181, 28), (181, 28), (120, -91), (120, 91), (-4e5, 3e6)])
def test_coordinates_off_the_globe_are_refused_on_every_side(tmp_path: Path, lon: float, lat: float) -> None:
    def spoil(data: Path) -> None:
        write_csv(data / "facilities.csv", [*facility_rows(), ["x", "", "小学", lon, lat, 1]])

    with pytest.raises(CfcError, match=r"facilities.csv, row 5: (these cannot be|longitude and latitude look)"):
        study_of(tmp_path, spoil=spoil)
