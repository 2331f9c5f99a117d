"""Census tables spread to cells, rasters brought to counts: no child is lost, and none is put where nobody lives."""

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod
from python_calamine import CalamineWorkbook

from cfc_geo import catalog
from cfc_geo.cli import main
from cfc_geo.errors import CfcError, Findings, PlanError
from cfc_geo.inputs.ages import EVERYBODY, Ages, children_by_band, contradictions, crossing, parcels, read_heading
from cfc_geo.inputs.census import Census
from cfc_geo.inputs.fit import fit_to_margins
from cfc_geo.inputs.grids import Grid, on_one_grid
from cfc_geo.inputs.ground import Surroundings
from cfc_geo.inputs.spread import Spreading, spread_census
from cfc_geo.inputs.study import read_study
from cfc_geo.inputs.units import KnownUnits
from cfc_geo.model import Study
from cfc_geo.plan import Plan, load_plan
from cfc_geo.run import run_plan
from cfc_geo.tables import FACILITY_COLUMNS, GROUND_COLUMNS, STREET_COLUMNS, children_column, children_columns
from tests.toyplan import (
    BANDS,
    CRS,
    ORIGIN,
    PLAN,
    STREETS,
    lonlat,
    streets_osm,
    unit_records,
    write_csv,
    write_geojson,
    write_toy,
)

ROOT = Path(__file__).parents[1]
FEW = settings(max_examples=max(5, settings.default.max_examples // 4), deadline=None)

# ------------------------------------------------------------------------------------------------------------ headings


@pytest.mark.parametrize(
    ("heading", "ages", "counted"),
    [
        ("0-14岁", (0, 14), ""),
        ("0—6岁", (0, 6), ""),
        ("0~2", (0, 2), ""),
        ("3至5岁", (3, 5), ""),
        ("6-11周岁", (6, 11), ""),
        ("６－１１周岁人口数", (6, 11), ""),
        ("12岁到14岁", (12, 14), ""),
        ("0岁", (0, 0), ""),
        ("其中：0-14岁（人）", (0, 14), ""),
        ("不满3周岁", (0, 2), ""),
        ("常住0-14岁儿童", (0, 14), "常住"),
        ("0-6岁户籍人口", (0, 6), "户籍"),
        ("Children 3-5", (3, 5), ""),
        ("总人口", (0, 18), ""),
        ("常住人口（人）", (0, 18), "常住"),
        ("户籍人口", (0, 18), "户籍"),
    ],
)
def test_headings_that_state_ages(heading: str, ages: tuple[int, int], counted: str) -> None:
    read = read_heading(heading)
    assert read is not None and (read.ages, read.counted) == (Ages(*ages), counted)


@pytest.mark.parametrize(
    "heading",
    ["街道", "15岁以下", "0-14岁占比", "0-14岁（%）", "15-59岁", "60岁及以上", "2020-2021", "3", "14-0岁", "合计", "",
     "0-14岁男", "总人口（万人）", "户籍0-6岁常住"],
)  # fmt: skip
def test_headings_that_do_not(heading: str) -> None:
    assert read_heading(heading) is None


# ---------------------------------------------------------------------------------------------------------------- ages


def people(**counts: float) -> dict[Ages, np.ndarray]:
    """`a0_14=5` → 5 people of ages 0-14 in one record, `a3=1` one of age 3; `all` is everybody."""

    def ages(name: str) -> Ages:
        years = name[1:].split("_")
        return EVERYBODY if name == "all" else Ages(int(years[0]), int(years[-1]))

    return {ages(name): np.array([float(count)]) for name, count in counts.items()}


def bands_of(groups: dict[Ages, np.ndarray], **how: Any) -> dict[str, float]:
    found = children_by_band(parcels(groups), **{"shares": None, "even": False, **how})
    assert not found.refused
    return {band: round(float(value[0]), 9) for band, value in found.children.items()}


def test_bands_come_from_the_narrowest_groups_and_what_is_left_of_the_wider_ones() -> None:
    assert bands_of(people(a0=1, a1=2, a2=3, a3_5=4)) == {"0-2": 6, "3-5": 4}
    assert bands_of(people(a0_2=3, a0_5=10, a0_14=40, a12_14=6)) == {"0-2": 3, "3-5": 7, "6-11": 24, "12-14": 6}
    assert bands_of(people(a6_11=8, all=100)) == {"6-11": 8}, "grown-ups are not split without shares"


def test_a_wider_group_is_split_evenly_by_years_only_where_the_plan_allows() -> None:
    groups = people(a0_14=30)
    assert [parcel.group for parcel in children_by_band(parcels(groups), shares=None, even=False).refused] == [
        Ages(0, 14)
    ]
    assert bands_of(groups, even=True) == {"0-2": 6, "3-5": 6, "6-11": 12, "12-14": 6}


SHARES = {"0-2": 0.02, "3-5": 0.03, "6-11": 0.06, "12-14": 0.04, "15-17": 0.05}


def test_shares_split_what_the_table_lacks() -> None:
    assert bands_of(people(all=1000), shares=SHARES) == {"0-2": 20, "3-5": 30, "6-11": 60, "12-14": 40, "15-17": 50}
    of_children = bands_of(people(a0_14=300), shares=SHARES)
    assert of_children == {"0-2": 40, "3-5": 60, "6-11": 120, "12-14": 80}, "in proportion to 2 : 3 : 6 : 4"
    both = bands_of(people(a0_14=150, all=1000), shares=SHARES)
    assert both["15-17"] == pytest.approx(850 * 0.05 / 0.85) and both["0-2"] == 20


def test_a_group_that_ends_inside_a_band_needs_leave_and_leaves_the_band_open() -> None:
    assert children_by_band(parcels(people(a0_6=7)), shares=SHARES, even=False).refused
    found = children_by_band(parcels(people(a0_6=7)), shares=None, even=True)
    assert {band: float(value[0]) for band, value in found.children.items()} == pytest.approx({"0-2": 3, "3-5": 3})
    ages, left_out = found.partly["6-11"]
    assert ages == Ages(6, 6) and left_out[0] == pytest.approx(1)
    both = bands_of(people(a0_6=7, a0_14=31), even=True)
    assert both == {"0-2": 3, "3-5": 3, "6-11": 16, "12-14": 9}, "1 of age 6, and 24 of 8 years: 7-11 and 12-14"


def test_groups_that_cross_or_contradict_are_found() -> None:
    assert crossing(people(a0_6=1, a3_11=1, a0_14=1)) == [(Ages(0, 6), Ages(3, 11))]
    assert [group for group, _ in contradictions(parcels(people(a0_14=5, a0_2=6)))] == [Ages(0, 14)]
    assert [group for group, _ in contradictions(parcels(people(a0_2=7, a0=1, a1_2=5)))] == [Ages(0, 2)]
    assert contradictions(parcels(people(a0_2=6, a0=1, a1_2=5, a0_14=6))) == []


@given(
    years=st.lists(st.integers(0, 1000), min_size=18, max_size=18),
    cuts=st.sets(st.integers(1, 17)),
    level=st.integers(1, 4),
)
def test_any_nested_groups_of_true_years_give_children_within_the_groups(
    years: list[int], cuts: set[int], level: int
) -> None:
    """Groups cut from the years at random places, and unions of them: bands that need no split are exact."""
    edges = [0, *sorted(cuts), 18]
    fine = [Ages(start, end - 1) for start, end in pairwise(edges)]
    wide = [Ages(some[0].first, some[-1].last) for at in range(0, len(fine), level) if (some := fine[at : at + level])]
    groups = {ages: np.array([float(sum(years[ages.first : ages.last + 1]))]) for ages in {*fine, *wide}}
    assert not crossing(groups) and not contradictions(parcels(groups))
    found = children_by_band(parcels(groups), shares=None, even=True)
    assert set(found.children) == set(catalog.bands()) and not found.partly
    assert sum(float(value[0]) for value in found.children.values()) == pytest.approx(sum(years))
    exact = children_by_band(parcels(groups), shares=None, even=False)
    for band, value in exact.children.items():
        first, last = map(int, band.split("-"))
        assert value[0] == pytest.approx(sum(years[first : last + 1]))


# ------------------------------------------------------------------------------------------------------------- fitting


def slow_fit(seed: list[list[float]], rows: list[float], columns: list[float], rounds: int = 400) -> list[list[float]]:
    """Rows and columns scaled in turn, number by number."""
    table = [list(row) for row in seed]
    wanted = [row * sum(columns) / sum(rows) for row in rows]
    for _ in range(rounds):
        for r, row in enumerate(table):
            have = sum(row)
            table[r] = [value * wanted[r] / have if have else 0.0 for value in row]
        for c, column in enumerate(columns):
            have = sum(row[c] for row in table)
            for row in table:
                row[c] = row[c] * column / have if have else 0.0
    return table


@FEW
@given(
    seed=st.lists(st.lists(st.floats(0.1, 50), min_size=3, max_size=3), min_size=2, max_size=6),
    columns=st.lists(st.floats(0.5, 500), min_size=3, max_size=3),
    data=st.data(),
)
def test_fitting_agrees_with_scaling_number_by_number(
    seed: list[list[float]], columns: list[float], data: st.DataObject
) -> None:
    rows = data.draw(st.lists(st.floats(0.1, 50), min_size=len(seed), max_size=len(seed)))
    fit = fit_to_margins(np.array(seed), np.array(rows), np.array(columns))
    assert fit.met
    assert fit.table.sum(axis=0) == pytest.approx(columns, rel=1e-9)
    assert fit.table == pytest.approx(np.array(slow_fit(seed, rows, columns)), rel=1e-4, abs=1e-6)


def test_fitting_keeps_the_odds_of_the_seed() -> None:
    """A 2 × 2 table is told by its margins and its odds ratio: here 6, so 6x² with x + y = 1 solves it by hand."""
    fit = fit_to_margins(np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([1.0, 1.0]), np.array([10.0, 10.0]))
    (a, b), (c, d) = fit.table
    assert a * d / (b * c) == pytest.approx(6, rel=1e-6)
    root = 6**0.5
    assert a == pytest.approx(10 * root / (1 + root), rel=1e-6) and b == pytest.approx(10 / (1 + root), rel=1e-6)


def test_fitting_where_both_cannot_hold_keeps_the_totals_and_says_how_far_cells_are_off() -> None:
    fit = fit_to_margins(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([1.0, 1.0]), np.array([30.0, 10.0]))
    assert fit.table.tolist() == [[30.0, 0.0], [0.0, 10.0]]
    assert not fit.met and fit.off.tolist() == [10.0, -10.0]


def test_a_band_that_the_raster_lacks_takes_its_pattern() -> None:
    fit = fit_to_margins(np.array([[3.0, 0.0], [1.0, 0.0]]), np.array([3.0, 1.0]), np.array([8.0, 4.0]))
    assert fit.table.tolist() == [[6.0, 3.0], [2.0, 1.0]]


# ------------------------------------------------------------------------------------------------ spreading, by hand

WEST, EAST = shapely.box(0, 0, 400, 400), shapely.box(400, 0, 800, 400)


def frame(
    columns: Sequence[str], rows: Sequence[Sequence[object]], shapes: Sequence[shapely.Geometry]
) -> gpd.GeoDataFrame:
    values = {name: [row[at] for row in rows] for at, name in enumerate(columns)}
    placed = [shapely.transform(shape, lambda xy: xy + ORIGIN) for shape in shapes]
    return gpd.GeoDataFrame(values, geometry=placed, crs=CRS)


def units_of(*shapes: shapely.Geometry) -> gpd.GeoDataFrame:
    """Units "1", "2", … in a unit "0" that is all of them."""
    rows = [("0", "全区", "区", ""), *((str(n), f"{n}号", "街道", "0") for n in range(1, len(shapes) + 1))]
    return frame(("unit_id", "name", "level", "parent_id"), rows, [shapely.union_all(list(shapes)), *shapes])


def around(
    ground: Sequence[tuple[str, str, float, shapely.Geometry]] = (),
    streets: Sequence[tuple[str, shapely.Geometry]] = (),
    facilities: Sequence[tuple[str, shapely.Geometry]] = (),
) -> Surroundings:
    """Ground is (theme, use, levels, shape), streets are (highway, line), facilities (kind, shape)."""
    of_one = {"street_id": "s", "from_node": 0, "to_node": 1, "length_m": 0.0, "forward": True, "backward": True}
    of_one |= {"bridge": False, "tunnel": False, "steps": False}
    street_rows = [[(of_one | {"highway": tag}).get(name, "") for name in STREET_COLUMNS] for tag, _ in streets]
    facility_rows = [[f"f{n}", kind, "", np.nan, "", ""] for n, (kind, _) in enumerate(facilities)]
    return Surroundings(
        frame(GROUND_COLUMNS, [row[:3] for row in ground], [row[3] for row in ground]),
        frame(STREET_COLUMNS, street_rows, [line for _, line in streets]),
        frame(("theme", "name"), [], []),
        frame(FACILITY_COLUMNS, facility_rows, [shape for _, shape in facilities]),
    )


def plan_of(**spread: object) -> Plan:
    return Plan.model_validate(
        {
            "name": "x",
            "place": {"units": {"file": "u.geojson"}},
            "population": {"file": "census.csv", "count_of": "常住", "spread": spread},
            "facilities": [{"file": "f.csv"}],
            "streets": {"file": "s.osm"},
        }
    )


def census_of(**children: float) -> Census:
    """`_1=5` → 5 children of every band and 50 residents in unit "1"."""
    index = pd.Index([name[1:] for name in children], name="unit_id")
    table = pd.DataFrame({column: list(map(float, children.values())) for column in children_columns()}, index=index)
    return Census(table.assign(residents=[10.0 * count for count in children.values()]), ())


def spread(
    on: str, census: Census, units: gpd.GeoDataFrame, lies_around: Surroundings, **keys: object
) -> tuple[Spreading, Findings]:
    findings = Findings()
    plan = plan_of(on=on, **{"file": "x.osm", **keys} if on in ("buildings", "landuse") else keys)
    found = spread_census(plan, census, units, lies_around, findings)
    assert found is not None, findings
    return found, findings


def by_cell(found: Spreading, band: str = "3-5") -> dict[tuple[int, int], float]:
    """Children by the cell's south-west corner in the sketch, in hundreds of metres."""
    corner = found.origins.geometry.bounds[["minx", "miny"]].to_numpy() - ORIGIN
    values = found.origins[children_column(band)]
    return {(int(x // 100), int(y // 100)): float(value) for (x, y), value in zip(corner, values, strict=True)}


@pytest.fixture(autouse=True)
def osm_files_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans drawn here name an OSM file that is not there; its ground is given."""
    import cfc_geo.inputs.spread as module

    real = module.sniff
    monkeypatch.setattr(module, "sniff", lambda path: "osm" if path.name == "x.osm" else real(path))


def test_children_live_where_the_floors_are() -> None:
    homes = [
        ("building", "apartments", 6.0, shapely.box(10, 10, 30, 30)),
        ("building", "house", np.nan, shapely.box(210, 10, 230, 30)),
        ("building", "school", 9.0, shapely.box(310, 10, 390, 90)),
        ("building", "yes", 1.0, shapely.box(90, 290, 110, 310)),
    ]
    found, findings = spread("buildings", census_of(_1=10), units_of(WEST), around(homes), default_levels=2)
    floor_m2 = {(0, 0): 2400.0, (2, 0): 800.0, (0, 2): 100.0, (1, 2): 100.0, (0, 3): 100.0, (1, 3): 100.0}
    assert by_cell(found) == pytest.approx({cell: 10 * m2 / 3600 for cell, m2 in floor_m2.items()})
    told = {finding.code: finding for finding in findings}
    assert told["spread.levels_assumed"].values["percent"] == pytest.approx(100 * 400 / 1200)
    assert set(told) == {"spread.levels_assumed", "spread.on_buildings"}
    home = found.origins.set_index("origin_id")["home"]
    assert {(round(p.x - ORIGIN[0]), round(p.y - ORIGIN[1])) for p in home} >= {(20, 20), (220, 20), (95, 295)}


def test_homes_that_cannot_hold_the_people_are_not_all_that_there_are() -> None:
    homes = [("building", "house", 1.0, shapely.box(n * 400 + 10, 10, n * 400 + 30, 30)) for n in range(2)]
    told = spread("buildings", census_of(_1=4, _2=5), units_of(WEST, EAST), around(homes))[1][-1]
    assert told.code == "spread.crowded" and told.values["units"] == ["2号"], "400 m² for 40 and for 50 residents"
    assert told.values["m2_each"] == 8


def test_cells_are_cut_by_units_and_each_keeps_its_own_children() -> None:
    homes = [("building", "apartments", 1.0, shapely.box(430, 20, 470, 60))]
    units = units_of(shapely.box(0, 0, 450, 400), shapely.box(450, 0, 800, 400))
    found, _ = spread("buildings", census_of(_1=7, _2=70), units, around(homes))
    assert found.origins["unit_id"].tolist() == ["1", "2"]
    assert found.origins["children_3_5"].tolist() == pytest.approx([7, 70])
    assert found.origins["residents"].tolist() == pytest.approx([70, 700])
    assert found.origins.area.tolist() == pytest.approx([5_000, 5_000])
    assert [name.split("-")[0] for name in found.origins["origin_id"]] == ["r31000c5004"] * 2


def test_nobody_lives_in_the_river_on_roads_in_the_park_or_at_school() -> None:
    """A river through the unit, a trunk road, a park, a school; people everywhere else."""
    river, park, school = shapely.box(0, 150, 400, 250), shapely.box(0, 300, 100, 400), shapely.box(300, 0, 400, 100)
    lies = around(
        [("water", "", np.nan, river), ("school", "", np.nan, school)],
        [("trunk", shapely.LineString([(150, 0), (150, 400)]))],
        [("park", park)],
    )
    found, findings = spread("even", census_of(_1=1000), units_of(WEST), lies)
    free = WEST - river - park - school - shapely.box(138, 0, 162, 400)
    cells = by_cell(found)
    for (x, y), children in cells.items():
        square = shapely.box(x * 100, y * 100, x * 100 + 100, y * 100 + 100)
        assert children == pytest.approx(1000 * (square & free).area / free.area)
    assert (0, 3) not in cells and (3, 0) not in cells
    for point in found.origins["home"]:
        assert free.distance(shapely.Point(point.x - ORIGIN[0], point.y - ORIGIN[1])) < 1e-6
    assert [finding.code for finding in findings] == ["spread.on_even"]
    assert found.on_land.all()


def test_a_home_on_soft_ground_is_one_if_it_is_mapped_as_one() -> None:
    works = shapely.box(0, 0, 200, 400)
    homes = [
        ("work", "industrial", np.nan, works),
        ("building", "yes", 1.0, shapely.box(10, 10, 30, 30)),
        ("building", "dormitory", 1.0, shapely.box(110, 10, 130, 30)),
        ("building", "yes", 1.0, shapely.box(310, 10, 330, 30)),
    ]
    found, _ = spread("buildings", census_of(_1=10), units_of(WEST), around(homes))
    assert by_cell(found) == pytest.approx({(1, 0): 5, (3, 0): 5})


def test_a_kindergarten_below_flats_leaves_the_flats_homes() -> None:
    flats, house = shapely.box(10, 10, 30, 30), shapely.box(310, 10, 330, 30)
    lies = around(
        [("building", "apartments", 1.0, flats), ("building", "house", 1.0, house)],
        facilities=[("kindergarten", flats), ("kindergarten", shapely.box(300, 0, 400, 100))],
    )
    found, _ = spread("buildings", census_of(_1=1), units_of(WEST), lies)
    assert by_cell(found) == pytest.approx({(0, 0): 1}), "but a house in a kindergarten's grounds is none"


def test_where_a_unit_has_nothing_the_next_coarser_way_is_taken_and_said() -> None:
    boxes = [shapely.box(n * 400, 0, n * 400 + 400, 400) for n in range(4)]
    lies = around(
        [
            ("building", "house", 9.0, shapely.box(10, 10, 40, 40)),
            ("residential", "residential", np.nan, shapely.box(410, 10, 490, 90)),
            ("water", "", np.nan, shapely.box(1200, 0, 1600, 400)),
        ]
    )
    found, findings = spread("buildings", census_of(_1=1, _2=2, _3=4, _4=8), units_of(*boxes), lies)
    assert found.origins.groupby("unit_id")["children_0_2"].sum().to_dict() == pytest.approx(
        {"1": 1, "2": 2, "3": 4, "4": 8}
    )
    codes = {finding.code: finding.values.get("units") for finding in findings}
    assert codes == {
        "spread.on_buildings": None,
        "spread.fell_to_landuse": ["2号"],
        "spread.fell_to_even": ["3号"],
        "spread.fell_anywhere": ["4号"],
    }
    assert found.origins["unit_id"][~found.on_land].unique().tolist() == ["4"]
    assert found.origins.groupby("unit_id").size().to_dict() == {"1": 1, "2": 1, "3": 16, "4": 16}


def test_residential_land_drawn_twice_counts_once() -> None:
    land = [
        ("residential", "residential", np.nan, shapely.box(0, 0, 100, 100)),
        ("residential", "residential", np.nan, shapely.box(0, 0, 100, 100)),
        ("residential", "residential", np.nan, shapely.box(200, 0, 300, 100)),
    ]
    found, _ = spread("landuse", census_of(_1=10), units_of(WEST), around(land))
    assert by_cell(found) == pytest.approx({(0, 0): 5, (2, 0): 5})


def test_no_more_cells_than_the_machine_holds() -> None:
    findings = Findings()
    wide = units_of(shapely.box(0, 0, 20_000, 20_000))
    assert spread_census(plan_of(on="even", cell_m=10), census_of(_1=1), wide, around(), findings) is None
    assert [finding.code for finding in findings.errors] == ["spread.too_many_cells"]


# ------------------------------------------------------------------------------------------------ spreading, by chance


def boxes_within(width: int = 800, height: int = 400, most: int = 8) -> st.SearchStrategy[list[shapely.Geometry]]:
    spot = st.tuples(
        st.integers(-2, width // 10), st.integers(-2, height // 10), st.integers(1, 15), st.integers(1, 15)
    )
    box = spot.map(lambda at: shapely.box(at[0] * 10, at[1] * 10, (at[0] + at[2]) * 10, (at[1] + at[3]) * 10))
    return st.lists(box, max_size=most)


@FEW
@given(
    on=st.sampled_from(["buildings", "landuse", "even"]),
    homes=boxes_within(),
    land=boxes_within(most=3),
    water=boxes_within(most=4),
    cell_m=st.sampled_from([50.0, 100.0, 130.0]),
    cut=st.integers(1, 79),
    totals=st.lists(st.lists(st.floats(0, 1e5), min_size=5, max_size=5), min_size=2, max_size=2),
)
def test_unit_totals_are_kept_and_the_water_is_empty(
    on: str,
    homes: list[shapely.Geometry],
    land: list[shapely.Geometry],
    water: list[shapely.Geometry],
    cell_m: float,
    cut: int,
    totals: list[list[float]],
) -> None:
    units = units_of(shapely.box(0, 0, cut * 10, 400), shapely.box(cut * 10, 0, 800, 400))
    lies = around(
        [
            *(("building", "apartments", float(n % 5 + 1), shape) for n, shape in enumerate(homes)),
            *(("residential", "residential", np.nan, shape) for shape in land),
            *(("water", "", np.nan, shape) for shape in water),
        ]
    )
    table = pd.DataFrame(totals, columns=children_columns(), index=pd.Index(["1", "2"], name="unit_id"))
    census = Census(table.assign(residents=np.nan), ())
    findings = Findings()
    plan = plan_of(on=on, cell_m=cell_m, **({} if on == "even" else {"file": "x.osm"}))
    found = spread_census(plan, census, units, lies, findings) if table.to_numpy().sum() > 0 else None
    if found is None:
        assert table.to_numpy().sum() == 0
        return
    sums = found.origins.groupby("unit_id")[children_columns()].sum().reindex(["1", "2"], fill_value=0.0)
    np.testing.assert_allclose(sums.to_numpy(), table.to_numpy(), rtol=1e-9, atol=1e-12)
    assert found.origins["origin_id"].is_unique and (found.origins[children_columns()] >= 0).to_numpy().all()
    nowhere = {
        name for finding in findings if finding.code == "spread.fell_anywhere" for name in finding.values["units"]
    }
    wet = shapely.union_all([shapely.transform(shape, lambda xy: xy + ORIGIN) for shape in water])
    dry = found.origins[~found.origins["unit_id"].map(lambda unit: f"{unit}号" in nowhere)]
    assert not shapely.contains_properly(shapely.buffer(wet, -1e-6), dry["home"].to_numpy()).any()
    outlines = units.set_index("unit_id").geometry.reindex(found.origins["unit_id"]).to_numpy()
    assert (shapely.distance(outlines, found.origins["home"].to_numpy()) < 1e-6).all()
    assert (shapely.area(shapely.difference(found.origins.geometry.to_numpy(), outlines)) < 1e-3).all()


@FEW
@given(
    homes=boxes_within(width=400, most=5),
    cell=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    floors=st.integers(1, 30),
)
def test_more_floor_area_in_a_cell_brings_more_children_there_and_fewer_elsewhere(
    homes: list[shapely.Geometry], cell: tuple[int, int], floors: int
) -> None:
    built = [("building", "house", 2.0, shape) for shape in homes] + [
        ("building", "house", 1.0, shapely.box(5, 5, 15, 15)),
        ("building", "house", 1.0, shapely.box(305, 305, 315, 315)),
    ]
    x, y = cell[0] * 100, cell[1] * 100
    more = [*built, ("building", "house", float(floors), shapely.box(x + 40, y + 40, x + 60, y + 60))]
    before, after = (
        by_cell(spread("buildings", census_of(_1=100), units_of(WEST), around(of))[0]) for of in (built, more)
    )
    assert after[cell] > before.get(cell, 0.0)
    assert all(after[other] < children for other, children in before.items() if other != cell)


# ------------------------------------------------------------------------------------------------------- from the files

CENSUS = PLAN[: PLAN.index("[population]")] + (
    '[population]\nfile = "data/census.csv"\ncount_of = "常住"\n[population.spread]\non = "even"\n'
    + PLAN[PLAN.index("[[facilities]]") :]
)
HEADING = ["社区", "0-2岁", "3-5岁", "6-11岁", "12-14岁", "15-17岁"]
ROWS: list[list[object]] = [HEADING, ["西社区", 1, 2, 3, 4, 5], ["东社区", 10, 20, 30, 40, 50]]


def town(folder: Path, rows: list[list[object]] = ROWS, plan: str = CENSUS) -> Path:
    path = write_toy(folder, plan)
    write_csv(folder / "data/census.csv", rows)
    return path


def study(folder: Path, rows: list[list[object]] = ROWS, plan: str = CENSUS) -> Study:
    return read_study(load_plan(town(folder, rows, plan)))


def errors(folder: Path, rows: list[list[object]] = ROWS, plan: str = CENSUS) -> dict[str, str]:
    with pytest.raises(CfcError) as caught:
        study(folder, rows, plan)
    found = [finding for finding in caught.value.findings if finding.severity == "error"]
    return {finding.code: finding.text("en") for finding in found}


def sums(of: Study, band: str = "3-5") -> dict[str, float]:
    return {unit: round(value, 9) for unit, value in of.origins.groupby("unit_id")[children_column(band)].sum().items()}


def test_a_census_table_gives_its_units_their_children_in_every_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = town(tmp_path)
    assert main(["run", str(path), "--out", str(tmp_path / "out"), "--lang", "zh"]) == 0
    assert main(["check", str(path), "--lang", "zh"]) == 0
    assert "儿童数按常住口径" in capsys.readouterr().out
    (folder,) = (tmp_path / "out").rglob("run.json")
    record = folder.read_text(encoding="utf-8")
    assert '"count_of": "常住"' in record and "假设：各单元的人口均匀分布" in record
    assert json.dumps("人口口径：常住")[1:-1] in (folder.parent / "map.html").read_text(encoding="utf-8")
    about = [text for rows in sheets(folder.parent) for row in rows for text in row]
    assert any("人口口径：常住" in str(text) for text in about)
    of = read_study(load_plan(path))
    assert sums(of) == {"01": 2, "02": 20} and sums(of, "15-17") == {"01": 5, "02": 50}
    assert of.audit["children_3_5_in_file"] == 22 and of.audit["children_3_5_placed"] == pytest.approx(22)
    assert of.audit["children_3_5_outside_units"] == 0 and of.audit["children_3_5_on_no_land"] == 0


def sheets(folder: Path) -> Iterator[list[list[Any]]]:
    (path,) = folder.glob("*.xlsx")
    book = CalamineWorkbook.from_path(path)
    yield from (book.get_sheet_by_name(name).to_python() for name in book.sheet_names)


@pytest.mark.parametrize(
    "names",
    [("西社区", "东社区"), ("西", "东"), ("西社区居委会", "东社区居委会"), ("01", "02"), (" 西 社区", "02")],
)
def test_units_are_known_by_id_by_name_and_without_their_endings(tmp_path: Path, names: tuple[str, str]) -> None:
    rows = [HEADING, [names[0], *ROWS[1][1:]], [names[1], *ROWS[2][1:]]]
    assert sums(study(tmp_path, rows)) == {"01": 2, "02": 20}


def test_a_unit_of_a_higher_level_is_spread_over_all_units_in_it(tmp_path: Path) -> None:
    of = study(tmp_path, [["街道", "0-2岁", "3-5岁", "6-11岁", "12-14岁", "15-17岁"], ["镇", 1, 140, 1, 1, 1]])
    free = sums(of)
    assert set(free) == {"01", "02"} and sum(free.values()) == pytest.approx(140)
    assert free["01"] > 60 and free["02"] > 60


def test_sums_are_left_out_and_checked(tmp_path: Path) -> None:
    of = study(tmp_path, [*ROWS, ["合计", 11, 22, 33, 44, 55], ["镇", 11, 22, 33, 44, 99]])
    assert sums(of) == {"01": 2, "02": 20}
    told = {finding.code: finding for finding in of.findings}
    assert told["census.sums"].rows == (4, 5)
    assert told["census.sum_differs"].rows == (5,) and told["census.sum_differs"].values["ages"] == "15-17"


def test_a_town_is_never_taken_for_a_subdistrict_of_its_name() -> None:
    units = pd.DataFrame({"unit_id": ["1", "2"], "name": ["文昌街道", "云山"], "level": ""})
    known_as = KnownUnits(units)
    assert [known_as.meant_by(name) for name in ("文昌", "文昌街道办事处", "文昌镇", "文昌社区", "文昌村")] == [
        ["1"], ["1"], [], [], [],
    ]  # fmt: skip
    assert known_as.meant_by("云山社区") == known_as.meant_by("云山镇") == ["2"]


def test_groups_above_ages_say_whom_they_count(tmp_path: Path) -> None:
    rows: list[list[object]] = [
        ["社区", "常住人口", *[""] * 4, "户籍人口", *[""] * 4],
        ["", *HEADING[1:], *HEADING[1:]],
    ]
    of = study(tmp_path, [*rows, *([*row, *[9] * 5] for row in ROWS[1:])])
    assert sums(of) == {"01": 2, "02": 20} and sums(of, "15-17") == {"01": 5, "02": 50}


def two(*columns: str, west: Sequence[float], east: Sequence[float]) -> list[list[object]]:
    return [["社区", *columns], ["西社区", *west], ["东社区", *east]]


EVENLY = CENSUS.replace('count_of = "常住"', 'count_of = "常住"\nsplit = "even"')
BACKWARDS = CENSUS.replace("[population.spread]", 'ages = { "9-3" = ["0-2岁"] }\n[population.spread]')
HOMELESS = CENSUS.replace('on = "even"', 'on = "buildings"').replace("streets.osm", "lines.geojson")
DENSE = PLAN.replace("children =", 'values = "per_ha"\nchildren =')
Bad = tuple[list[list[object]], str, str, list[str]]
BAD_TABLES: dict[str, Bad] = {
    "unknown unit": (
        [*ROWS, ["西设区", 0, 0, 0, 0, 0]], CENSUS, "census.unit_unknown", ["row 4", "西设区", "perhaps 西社区"],
    ),
    "no row": (ROWS[:2], CENSUS, "census.unit_missing", ["东社区", "unknown, not 0", "unknown_units"]),
    "twice": ([*ROWS, ["02", 0, 0, 0, 0, 0]], CENSUS, "census.unit_twice", ["rows 3, 4"]),
    "blank": ([HEADING, ["西社区", "", 2, 3, 4, 5], ROWS[2]], CENSUS, "number.blank", ["row 2", "0-2岁"]),
    "no unit column": ([["地", *HEADING[1:]], *ROWS[1:]], CENSUS, "census.no_unit", ["unit =", "地"]),
    "no ages": (two("人数甲", west=[1], east=[2]), CENSUS, "census.no_ages", ["人数甲", "ages ="]),
    "others counted": (two("0-14岁户籍", west=[1], east=[2]), CENSUS, "census.counts_others", ["0-14岁户籍", "常住"]),
    "wide group": (two("0-14岁", west=[1], east=[2]), CENSUS, "census.split_needed", ["0-14", 'split = "even"']),
    "contradiction": (
        two("0-14岁", "0-2岁", west=[10, 1], east=[2, 3]), EVENLY, "census.contradiction", ["row 3", "0-14"],
    ),
    "crossing": (two("0-6岁", "3-11岁", west=[1, 1], east=[2, 2]), CENSUS, "census.ages_cross", ["0-6 + 3-11"]),
    "two columns": (two("0-2岁", "0~2", west=[1, 1], east=[2, 2]), CENSUS, "census.ages_twice", ["0-2岁, 0~2"]),
    "girls": (
        [["社区", "其中：女", *[""] * 4], ["", *HEADING[1:]], *ROWS[1:]], CENSUS, "census.groups_unread", ["女/0-2岁"],
    ),
    "years": (
        [["社区", "2015年", "", "2024年", "", ""], ["", *HEADING[1:]], *ROWS[1:]],
        CENSUS, "census.years", ["2015, 2024"],
    ),
    "ten thousands": ([["单位：万人"], *ROWS], CENSUS, "census.unit_of_numbers", ["万人"]),
    "fractions": ([*ROWS[:2], ["东社区", 0.5, 2, 3, 4, 5]], CENSUS, "census.not_whole", ["row 3", "0-2岁"]),
    "title": ([["分街道户籍人口"], *ROWS], CENSUS, "census.title", ["户籍", "常住"]),
    "title of girls": ([["女性人口"], *ROWS], CENSUS, "census.title", ["女性"]),
    "two readings": (two("0-3岁", west=[1], east=[2]), EVENLY, "census.ages_ambiguous", ["0-2 or 0-3"]),
    "wrong ages": (ROWS, BACKWARDS, "census.ages_wrong", ["9-3"]),
    "nobody": (two(*HEADING[1:], west=[0] * 5, east=[0] * 5), CENSUS, "population.no_children", []),
    "density of units": (ROWS, DENSE, "population.values_in_table", ["per_ha"]),
    "no homes file": (ROWS, HOMELESS, "spread.no_file", ["buildings"]),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_TABLES)
def test_a_census_table_that_would_mislead_is_refused(tmp_path: Path, name: str) -> None:
    rows, plan, code, words = BAD_TABLES[name]
    write_toy(tmp_path)
    line = shapely.LineString([(0, 0), (1200, 0)])
    write_geojson(tmp_path / "data/lines.geojson", [({"highway": "residential"}, line)])
    found = errors(tmp_path, rows, plan)
    assert list(found) == [code], found
    assert all(word in found[code] for word in words), found[code]


def test_names_that_two_units_share_are_told_apart_by_the_heading_or_not_at_all(tmp_path: Path) -> None:
    path = town(tmp_path, [["街道", *HEADING[1:]], ["镇", 1, 2, 3, 4, 5]])
    records = unit_records()
    records[1][0]["name"] = "镇"
    write_geojson(tmp_path / "data/units.geojson", records)
    assert sum(sums(read_study(load_plan(path))).values()) == pytest.approx(2)
    write_csv(tmp_path / "data/census.csv", [["单元", *HEADING[1:]], ["镇", 1, 2, 3, 4, 5]])
    with pytest.raises(CfcError, match="镇 can be several units: 0, 01"):
        read_study(load_plan(path))


def test_a_unit_may_be_declared_unknown_and_is_then_told_at_every_run(tmp_path: Path) -> None:
    plan = CENSUS.replace("[population.spread]", 'unknown_units = ["东社区"]\n[population.spread]')
    of = study(tmp_path, ROWS[:2], plan)
    assert sums(of) == {"01": 2}
    assert "东社区" in next(f.text("en") for f in of.findings if f.code == "census.unit_unknown_stated")
    plan = plan.replace("东社区", "北社区")
    assert "census.unknown_units" in errors(tmp_path, ROWS, plan)


def test_stated_columns_and_shares_say_what_was_assumed(tmp_path: Path) -> None:
    keys = 'ages = { "0-14" = ["男童", "女童"] }\nresidents = "全体"\nshares_source = "年鉴"\n'
    keys += "shares = { " + ", ".join(f'"{band}" = {share}' for band, share in SHARES.items()) + " }\n"
    rows: list[list[object]] = [["社区", "男童", "女童", "全体"], ["西社区", 10, 5, 100], ["东社区", 20, 10, 200]]
    of = study(tmp_path, rows, CENSUS.replace("[population.spread]", keys + "[population.spread]"))
    assert sums(of) == {"01": 3, "02": 6} and sums(of, "15-17") == {"01": 5, "02": 10}
    assert of.origins["residents"].sum() == pytest.approx(300)
    told = next(finding.text("en") for finding in of.findings if finding.code == "census.split_shares")
    assert "年鉴" in told and "0-14" in told


def test_bands_that_the_table_lacks_are_unknown_and_said(tmp_path: Path) -> None:
    rows: list[list[object]] = [["社区", "0-6岁"], ["西社区", 70], ["东社区", 7]]
    of = study(tmp_path, rows, CENSUS.replace("[population.spread]", 'split = "even"\n[population.spread]'))
    assert sums(of) == {"01": 30, "02": 3} and sum(sums(of, "6-11").values()) == 0
    told = {finding.code: finding.text("en") for finding in of.findings}
    assert "11 people" in told["census.band_partly"] and "12-14" in told["population.bands_missing"]
    assert of.audit["children_0_2_in_file"] == pytest.approx(33)


def test_what_nobody_knows_is_empty_and_never_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[list[object]] = [["社区", "0-2岁", "3-5岁", "6-11岁", "12-14岁"], ["西社区", 1, 2, 3, 4]]
    plan = CENSUS.replace("[population.spread]", 'unknown_units = ["东社区"]\n[population.spread]')
    path = town(tmp_path, rows, plan + "\n[audit]\nmax_unknown_share = 0.99\n")
    assert main(["run", str(path), "--out", str(tmp_path / "out"), "--lang", "en"]) == 1
    printed = capsys.readouterr()
    assert "nobody knows how many children" in printed.out and "audit.max_unknown_share" in printed.err
    record = next((tmp_path / "out").rglob("run.json")).read_text(encoding="utf-8")
    assert "unknown, not 0" in record and "units that hold them (镇)" in record
    audit = json.loads(record)["audit"]
    assert audit["units_of_unknown_children"] == 1 and "children_15_17_in_file" not in audit
    assert audit["unknown_park_15_17_share"] == audit["unknown_park_share"] == 1 > audit["unknown_park_3_5_share"]
    for file in ("coverage.csv", "circle.csv"):
        found = pd.read_csv(next((tmp_path / "out").rglob(file)), dtype=str, keep_default_na=False)
        unknown = (found["band"] == "15-17") | (found["unit_id"] == "02")
        assert set(found.loc[unknown, "children"]) == {""} == set(found.loc[unknown, "unknown"])
        assert set(found.loc[~unknown, "children"]) == {"1", "2", "3", "4"}
    cells = gpd.read_file(next((tmp_path / "out").rglob("result.gpkg")), layer="cells")
    assert cells["children_15_17"].isna().all() and cells["children_3_5"].sum() == pytest.approx(2)


def test_homes_of_the_streets_file_are_found_by_their_tags(tmp_path: Path) -> None:
    areas = [
        (shapely.box(110, 10, 130, 30), {"building": "apartments", "building:levels": "5"}),
        (shapely.box(210, 10, 230, 30), {"building": "house", "building:levels": "viele"}),
        (shapely.box(310, 10, 330, 30), {"building": "retail"}),
        (shapely.box(710, 10, 730, 30), {"building": "house"}),
        (shapely.box(700, 0, 800, 100), {"amenity": "school"}),
        (shapely.box(850, 110, 870, 130), {"landuse": "residential"}),
    ]
    path = town(tmp_path, ROWS, CENSUS.replace('on = "even"', 'on = "buildings"\ndefault_levels = 5'))
    (tmp_path / "data/streets.osm").write_text(with_areas(areas), encoding="utf-8")
    of = read_study(load_plan(path))
    children = of.origins.set_index("origin_id")["children_3_5"]
    assert children.round(6).tolist() == [1, 1, 20]
    codes = [finding.code for finding in of.findings]
    assert "spread.fell_to_landuse" in codes, "a house in a school's grounds is no home"
    lon, lat = lonlat(860, 120)
    at = of.origins.set_geometry(gpd.GeoSeries(of.origins["home"], crs=CRS)).to_crs("EPSG:4326").geometry
    assert at.iloc[2].x == pytest.approx(lon, abs=1e-6) and at.iloc[2].y == pytest.approx(lat, abs=1e-6)


def with_areas(areas: list[tuple[shapely.Geometry, dict[str, str]]]) -> str:
    """The toy's streets with closed ways."""
    more, node = "", 1000
    for way, (shape, tags) in enumerate(areas, start=len(STREETS) + 1):
        ring = list(shape.exterior.coords)[:-1]
        refs = [node + at for at in range(len(ring))]
        node += len(ring)
        for ref, place in zip(refs, ring, strict=True):
            more += '<node id="{}" version="1" lon="{:.8f}" lat="{:.8f}"/>'.format(ref, *lonlat(*place))
        more += f'<way id="{way}" version="1">' + "".join(f'<nd ref="{ref}"/>' for ref in [*refs, refs[0]])
        more += "".join(f'<tag k="{key}" v="{value}"/>' for key, value in tags.items()) + "</way>"
    return streets_osm().replace("</osm>", more + "</osm>")


def test_a_layer_of_buildings_names_its_columns(tmp_path: Path) -> None:
    homes = [
        ({"层数": 3, "用途": "住宅"}, shapely.box(110, 10, 130, 30)),
        ({"层数": None, "用途": "住宅"}, shapely.box(210, 10, 230, 30)),
        ({"层数": 9, "用途": "商业"}, shapely.box(310, 10, 330, 30)),
        ({"层数": 2, "用途": "住宅"}, shapely.box(710, 10, 730, 30)),
    ]
    write_toy(tmp_path)
    write_geojson(tmp_path / "data/homes.geojson", homes)
    keys = 'on = "buildings"\nfile = "data/homes.geojson"\nlevels = "层数"\nuse = "用途"\n'
    keys += 'residential = ["住宅"]\ndefault_levels = 1'
    of = study(tmp_path, ROWS, CENSUS.replace('on = "even"', keys))
    assert of.origins["children_3_5"].round(9).tolist() == [1.5, 0.5, 20]
    assert [source.role for source in of.sources].count("spread") == 1
    found = errors(tmp_path, ROWS, CENSUS.replace('on = "even"', keys.replace('use = "用途"\n', "")))
    assert list(found) == ["spread.residential_without_use"]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('count_of = "常住"\n', "", "plan.population_count_of"),
        ('count_of = "常住"\n', 'count_of = "常驻"\n', "plan.bad_value"),
        ('[population.spread]\non = "even"\n', "", "plan.population_needs_spread"),
        ("[population.spread]", 'datum = "wgs84"\n[population.spread]', "plan.population_census_keys"),
        ("[population.spread]", 'children = { "0-2" = "0-2岁" }\n[population.spread]', "plan.population_census_keys"),
        ('on = "even"', 'on = "even"\nlevels = "层数"', "plan.spread_keys"),
        ('on = "even"', 'on = "raster"', "plan.population_file_or_files"),
        ('on = "even"', 'on = "buildings"\nvalues = "per_ha"', "plan.spread_keys"),
        ('on = "even"', 'on = "people"', "plan.bad_value"),
        ('on = "even"', "", "plan.missing_key"),
        ('on = "even"', 'on = "even"\ncell_m = 5', "plan.bad_value"),
    ],
)  # fmt: skip
def test_a_census_plan_must_say_who_is_counted_and_over_what(tmp_path: Path, old: str, new: str, code: str) -> None:
    assert old in CENSUS
    with pytest.raises(PlanError) as caught:
        load_plan(town(tmp_path, ROWS, CENSUS.replace(old, new, 1)))
    assert [finding.code for finding in caught.value.findings] == [code]


def test_a_plan_that_turns_to_a_census_keeps_nothing_of_the_cells_and_back(tmp_path: Path) -> None:
    write_toy(tmp_path)
    census = tmp_path / "more" / "census.toml"
    census.parent.mkdir()
    write_csv(tmp_path / "more/census.csv", ROWS)
    text = 'extends = "../toy.toml"\n[population]\nfile = "census.csv"\ncount_of = "常住"\n[population.spread]\n'
    census.write_text(text + 'on = "buildings"\nfile = "../data/streets.osm"\n', encoding="utf-8")
    assert sums(read_study(load_plan(census, [tmp_path]))) == {"01": 2, "02": 20}
    finer = tmp_path / "finer.toml"
    finer.write_text('extends = "more/census.toml"\n[population.spread]\ncell_m = 50\n', encoding="utf-8")
    plan = load_plan(finer)
    assert plan.population.spread is not None and plan.population.spread.file == "data/streets.osm"
    assert plan.population.count_of == "常住" and plan.population.spread.cell_m == 50
    back = tmp_path / "back.toml"
    block = PLAN[PLAN.index("[population]") : PLAN.index("[[facilities]]")]
    back.write_text('extends = "more/census.toml"\n' + block, encoding="utf-8")
    assert load_plan(back).population == load_plan(tmp_path / "toy.toml").population


# ------------------------------------------------------------------------------------------------------------- rasters

SHEET = Affine(100, 0, ORIGIN[0] - 100, 0, -100, ORIGIN[1] + 400)


def write_raster(path: Path, bands: np.ndarray, **settings: Any) -> None:
    tags = settings.pop("tags", {})
    profile = {"crs": CRS, "transform": SHEET, "nodata": -1, "dtype": "float64", **settings}
    count, height, width = bands.shape
    with rasterio.open(path, "w", driver="GTiff", count=count, height=height, width=width, **profile) as file:
        file.write(bands)
        file.update_tags(**tags)


def raster_town(folder: Path, population: str, **rasters: Any) -> Path:
    """The toy with rasters (`name=bands` or `name=(bands, settings)`) and a [population] block."""
    path = write_toy(folder, PLAN[: PLAN.index("[population]")] + population + PLAN[PLAN.index("[[facilities]]") :])
    for name, value in rasters.items():
        bands, keys = value if isinstance(value, tuple) else (value, {})
        write_raster(folder / f"data/{name}.tif", bands, **keys)
    write_csv(folder / "data/census.csv", ROWS)
    return path


ONE_BAND = '[population]\nfile = "data/{}.tif"\nchildren = {{ "3-5" = 1 }}\n'


@FEW
@given(
    values=st.lists(st.floats(0, 1e4), min_size=24, max_size=24),
    size=st.sampled_from([30.0, 70.0, 100.0, 250.0]),
    shift=st.tuples(st.floats(-300, 300), st.floats(-300, 300)),
    crs=st.sampled_from([CRS, "EPSG:4548", "EPSG:4326", "EPSG:32650", "EPSG:3857"]),
)
def test_moving_counts_between_grids_loses_nobody(
    values: list[float], size: float, shift: tuple[float, float], crs: str
) -> None:
    fixed = Grid({"one": np.ones((6, 14))}, tuple(SHEET)[:6], gpd.GeoSeries(crs=CRS).crs)
    here = gpd.GeoSeries([shapely.Point(ORIGIN[0] + shift[0], ORIGIN[1] + shift[1])], crs=CRS).to_crs(crs).iloc[0]
    step = size / 100_000 if crs == "EPSG:4326" else size
    other = np.array(values).reshape(4, 6)
    other[1, 2] = np.nan
    moved = Grid({"other": other}, (step, 0.0, here.x, 0.0, -step, here.y), gpd.GeoSeries(crs=crs).crs)
    findings = Findings()
    found = on_one_grid({"a.tif": fixed, "b.tif": moved}, findings)
    assert found is not None and [finding.code for finding in findings] == ["raster.resampled"]
    assert np.nansum(found.layers["other"]) == pytest.approx(np.nansum(other), rel=1e-9)
    assert np.nansum(found.layers["one"]) == pytest.approx(84, rel=1e-9)
    assert found.layers["one"].shape == found.layers["other"].shape


def test_grids_that_nest_are_moved_exactly() -> None:
    crs = gpd.GeoSeries(crs=CRS).crs
    fine = Grid({"fine": np.arange(16.0).reshape(4, 4)}, (50.0, 0.0, 0.0, 0.0, -50.0, 200.0), crs)
    coarse = Grid({"coarse": np.array([[8.0, np.nan], [4.0, 0.0]])}, (100.0, 0.0, 0.0, 0.0, -100.0, 200.0), crs)
    found = on_one_grid({"fine.tif": fine, "coarse.tif": coarse}, Findings())
    assert found is not None and found.layers["fine"].tolist() == fine.layers["fine"].tolist()
    expected = [[2, 2, np.nan, np.nan], [2, 2, np.nan, np.nan], [1, 1, 0, 0], [1, 1, 0, 0]]
    np.testing.assert_allclose(found.layers["coarse"], expected)


def test_files_on_two_grids_give_every_band_its_own_people(tmp_path: Path) -> None:
    """Ages 3-5 on 100 m in metres; ages 6-11 on some 50 m in degrees, over the same ground."""
    (west, north), (east, south) = lonlat(-100, 400), lonlat(1300, -200)
    degrees = {"crs": "EPSG:4326", "transform": Affine((east - west) / 28, 0, west, 0, (south - north) / 12, north)}
    block = '[population]\nfiles = { "3-5" = "data/a.tif", "6-11" = "data/b.tif" }\n'
    path = raster_town(tmp_path, block, a=np.full((1, 6, 14), 4.0), b=(np.ones((1, 12, 28)), degrees))
    of = read_study(load_plan(path))
    assert of.audit["children_3_5_in_file"] == pytest.approx(336, rel=1e-9)
    assert of.audit["children_6_11_in_file"] == pytest.approx(336, rel=1e-9)
    assert sums(of, "6-11") == pytest.approx(sums(of, "3-5"), rel=0.02)
    assert "raster.resampled" in [finding.code for finding in of.findings]


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("popdens_2020", {}),
        ("x", {"tags": {"units": "people per sq km"}}),
        ("x", {"tags": {"说明": "人口密度"}}),
        ("人口密度", {}),
    ],
)
def test_a_raster_that_says_density_is_refused_until_it_is_declared(
    tmp_path: Path, name: str, keys: dict[str, Any]
) -> None:
    path = raster_town(tmp_path, ONE_BAND.format(name), **{name: (np.ones((1, 6, 14)), keys)})
    with pytest.raises(CfcError, match="density"):
        read_study(load_plan(path))
    path.write_text(
        path.read_text(encoding="utf-8").replace("children =", 'values = "count"\nchildren ='), encoding="utf-8"
    )
    assert read_study(load_plan(path)).audit["children_3_5_in_file"] == 84


def test_a_raster_too_dense_for_counts_is_refused(tmp_path: Path) -> None:
    path = raster_town(tmp_path, ONE_BAND.format("x"), x=np.full((1, 6, 14), 2_000.0))
    with pytest.raises(CfcError, match=r"200,000 people per km².*looks like a density"):
        read_study(load_plan(path))


def test_a_density_counts_by_the_true_area_of_its_pixels(tmp_path: Path) -> None:
    """Against the geodesic area of the raster's rectangle: in degrees, and in web metres, which are no metres."""
    (west, north), (east, south) = lonlat(-100, 400), lonlat(1300, -200)
    area_m2, _ = Geod(ellps="WGS84").polygon_area_perimeter([west, east, east, west], [south, south, north, north])
    block = ONE_BAND.format("x").replace("children =", 'values = "per_km2"\nchildren =')
    degrees = {"crs": "EPSG:4326", "transform": Affine((east - west) / 14, 0, west, 0, (south - north) / 6, north)}
    corners = gpd.GeoSeries([shapely.Point(west, north), shapely.Point(east, south)], crs="EPSG:4326").to_crs(
        "EPSG:3857"
    )
    (left, top), (right, bottom) = corners.get_coordinates().to_numpy()
    web = {"crs": "EPSG:3857", "transform": Affine((right - left) / 14, 0, left, 0, (bottom - top) / 6, top)}
    for at, keys in enumerate((degrees, web)):
        of = read_study(load_plan(raster_town(tmp_path / str(at), block, x=(np.full((1, 6, 14), 1000.0), keys))))
        assert of.audit["children_3_5_in_file"] == pytest.approx(1000 * area_m2 / 1e6, rel=1e-5)
        assert "raster.density_counted" in [finding.code for finding in of.findings]


def test_nodata_of_one_band_only_is_told_by_band(tmp_path: Path) -> None:
    bands = np.ones((2, 6, 14))
    bands[1, 2, 3:6] = -1
    block = '[population]\nfile = "data/x.tif"\nchildren = { "3-5" = 1, "6-11" = 2 }\n'
    of = read_study(load_plan(raster_town(tmp_path, block, x=bands)))
    told = [finding.values for finding in of.findings if finding.code.startswith("raster.nodata")]
    assert told == [{"band": "6-11", "count": 3}]


def test_cells_wider_than_half_the_shortest_limit_are_warned_of(tmp_path: Path) -> None:
    wide = {"transform": Affine(200, 0, ORIGIN[0] - 100, 0, -200, ORIGIN[1] + 400)}
    fine, coarse = (
        read_study(load_plan(raster_town(tmp_path / name, ONE_BAND.format("x"), x=raster)))
        for name, raster in (("fine", np.ones((1, 6, 14))), ("coarse", (np.ones((1, 3, 7)), wide)))
    )
    assert "population.coarse" not in [finding.code for finding in fine.findings]
    told = next(finding for finding in coarse.findings if finding.code == "population.coarse")
    assert told.values["cell_m"] == pytest.approx(200, rel=1e-3) and told.values["limit_m"] == 300


def test_points_far_apart_are_coarse_cells_too(tmp_path: Path) -> None:
    def rows(step: int) -> list[list[object]]:
        spots = [(x * step, y * step) for x in range(6) for y in range(-2, 4)]
        return [["编号", "经度", "纬度", *(f"{band}岁" for band in BANDS)]] + [
            [f"c{n}", *lonlat(*spot), *[1] * 5] for n, spot in enumerate(spots)
        ]

    told = {}
    for step in (90, 200):
        path = write_toy(tmp_path / str(step))
        write_csv(tmp_path / str(step) / "data/cells.csv", rows(step))
        told[step] = [f.values["cell_m"] for f in read_study(load_plan(path)).findings if f.code == "population.coarse"]
    assert told[90] == [] and told[200] == pytest.approx([200], rel=1e-3)


# --------------------------------------------------------------------------------------------------- raster and census

BOTH = '[population]\nfile = "data/census.csv"\ncount_of = "常住"\n'
BOTH += '[population.spread]\non = "raster"\nfile = "data/x.tif"\n'


@FEW
@given(
    values=st.lists(st.sampled_from([0.0, 0.0, 1.0, 2.5, 7.0, 40.0]), min_size=84 * 2, max_size=84 * 2),
    keys=st.sampled_from(
        ["residents = 1", 'children = { "0-2" = 1, "6-11" = 2 }', 'residents = 2\nchildren = { "3-5" = 1 }']
    ),
)
def test_census_totals_hold_whatever_the_raster_says(
    tmp_path_factory: pytest.TempPathFactory, values: list[float], keys: str
) -> None:
    bands = np.array(values).reshape(2, 6, 14)
    bands[0, 2, 3] += 1
    path = raster_town(tmp_path_factory.mktemp("both"), BOTH + keys + "\n", x=bands)
    of = read_study(load_plan(path))
    for at, band in enumerate(BANDS, start=1):
        assert sums(of, band) == pytest.approx({"01": ROWS[1][at], "02": ROWS[2][at]}, rel=1e-9)


def test_a_raster_of_residents_gives_every_band_its_shape(tmp_path: Path) -> None:
    bands = np.zeros((1, 6, 14))
    bands[0, 3, 2], bands[0, 3, 5], bands[0, 1, 12] = 30, 10, 5
    of = read_study(load_plan(raster_town(tmp_path, BOTH, x=bands)))
    assert sorted(of.origins["children_3_5"].round(9)) == [0.5, 1.5, 20]
    told = {finding.code: finding for finding in of.findings}
    assert told["spread.fit"].values["children"] == pytest.approx(0, abs=1e-9) and "spread.on_raster" in told


def test_a_band_that_the_raster_leaves_empty_is_told(tmp_path: Path) -> None:
    bands = np.zeros((2, 6, 14))
    bands[1, 3, 2], bands[1, 1, 12], bands[0, 1, 12] = 30, 5, 2
    keys = 'children = { "3-5" = 1, "6-11" = 2 }\n'
    of = read_study(load_plan(raster_town(tmp_path, BOTH + keys, x=bands)))
    (told,) = (finding.values for finding in of.findings if finding.code == "spread.band_empty")
    assert told["band"] == "3-5" and told["units"] == ["西社区"] and told["children"] == 2


@pytest.mark.parametrize(
    ("keys", "descriptions", "values", "code"),
    [
        ('children = { "3-5" = 1, "6-11" = 1 }', (), (1, 1), "raster.band_twice"),
        ('children = { "3-5" = 1 }\nresidents = 1', (), (1, 1), "raster.band_twice"),
        ('children = { "3-5" = 1 }', ("children 6-11", ""), (1, 1), "raster.band_says"),
        ('children = { "3-5" = 1 }', ("children_3_5", "population"), (1, 1), None),
        ('children = { "3-5" = 1 }\nresidents = 2', (), (1, 0.4), "raster.children_over_residents"),
        ('children = { "3-5" = 1 }\nresidents = 2', (), (1, 0.6), None),
    ],
)
def test_bands_that_say_what_they_hold_are_believed(
    tmp_path: Path, keys: str, descriptions: tuple[str, ...], values: tuple[float, float], code: str | None
) -> None:
    block = f'[population]\nfile = "data/x.tif"\n{keys}\n'
    path = raster_town(tmp_path, block, x=np.stack([np.full((6, 14), value) for value in values]))
    with rasterio.open(tmp_path / "data/x.tif", "r+") as raster:
        for number, said in enumerate(descriptions, start=1):
            raster.set_band_description(number, said)
    found = _codes(path)
    assert found == ([] if code is None else [code])


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('"6-11" = "6-11岁"', '"6-11" = "3-5岁"', "population.column_twice"),
        ("children =", 'residents = "0-2岁"\nchildren =', "population.column_twice"),
        ('children = { "0-2" = "0-2岁", ', 'residents = "0-2岁"\nchildren = { ', "population.children_over_residents"),
    ],
)
def test_columns_that_contradict_one_another_are_refused(tmp_path: Path, old: str, new: str, code: str) -> None:
    assert code in _codes(write_toy(tmp_path, PLAN.replace(old, new)))


def _codes(path: Path) -> list[str]:
    try:
        read_study(load_plan(path))
    except CfcError as error:
        return [finding.code for finding in error.findings if finding.severity == "error"]
    return []


def test_a_unit_that_the_raster_leaves_empty_falls_back_and_says_so(tmp_path: Path) -> None:
    bands = np.zeros((1, 6, 14))
    bands[0, 3, 2] = 30
    of = read_study(load_plan(raster_town(tmp_path, BOTH, x=bands)))
    assert sums(of) == {"01": 2, "02": 20}
    told = next(finding for finding in of.findings if finding.code == "spread.fell_to_even")
    assert told.values["units"] == ["东社区"] and told.values["children"] == pytest.approx(150)


def test_a_pixel_in_the_park_is_no_place_to_live(tmp_path: Path) -> None:
    """The toy's park lies from (900, 20) to (1000, 120); a pixel of 50 m inside it holds people by the raster."""
    keys = {"transform": Affine(50, 0, ORIGIN[0] - 100, 0, -50, ORIGIN[1] + 400)}
    bands = np.zeros((1, 12, 28))
    bands[0, 7, 2], bands[0, 6, 20], bands[0, 6, 24] = 1, 9, 1  # (925, 75) is in the park, (1125, 75) is not
    of = read_study(load_plan(raster_town(tmp_path, BOTH, x=(bands, keys))))
    assert len(of.origins) == 2 and sums(of) == {"01": 2, "02": 20}


def test_a_raster_of_several_bands_must_say_which(tmp_path: Path) -> None:
    with pytest.raises(CfcError, match="2 bands"):
        read_study(load_plan(raster_town(tmp_path, BOTH, x=np.ones((2, 6, 14)))))
    elsewhere = {"transform": Affine(100, 0, ORIGIN[0] + 50_000, 0, -100, ORIGIN[1])}
    with pytest.raises(CfcError, match="nobody inside the units"):
        read_study(load_plan(raster_town(tmp_path, BOTH, x=(np.ones((1, 6, 14)), elsewhere))))


# ---------------------------------------------------------------------------------------------------------- the sample


@pytest.fixture(scope="module")
def sample() -> Any:
    return run_plan(load_plan(ROOT / "scenarios/base.toml"))


def sample_census(result: Any, path: Path) -> None:
    """The sample's own children by 街道, as an office would list them."""
    units, origins = result.study.units, result.study.origins
    parent, name = (dict(zip(units["unit_id"], units[column], strict=True)) for column in ("parent_id", "name"))
    counts = origins.groupby(origins["unit_id"].map(parent))[[*children_columns(), "residents"]].sum()
    heading = ["街道", "0—2岁", "3至5岁", "6-11周岁", "12~14岁", "15-17岁", "总人口"]
    rows = [[name[unit], *map(int, row)] for unit, row in zip(counts.index, counts.to_numpy(), strict=True)]
    write_csv(path, [heading, *rows], encoding="gb18030")


@pytest.mark.parametrize("on", ["raster", "buildings"])
def test_the_sample_with_a_census_by_subdistrict(sample: Any, tmp_path: Path, on: str) -> None:
    """With a raster of ages for shape the answer is the clean one; with homes alone the totals are, and people are
    where homes are."""
    sample_census(sample, tmp_path / "census.csv")
    base = (ROOT / "scenarios/base.toml").read_text(encoding="utf-8")
    block = f'[population]\nfile = "{tmp_path}/census.csv"\ncount_of = "常住"\n[population.spread]\non = "{on}"\n'
    if on == "raster":
        block += f'file = "{ROOT}/data/population/children.tif"\nresidents = 6\n'
        block += 'children = { "0-2" = 1, "3-5" = 2, "6-11" = 3, "12-14" = 4, "15-17" = 5 }\n'
    text = base[: base.index("[population]")] + block + base[base.index("[[facilities]]") :]
    (tmp_path / "plan.toml").write_text(text.replace("../data", f"{ROOT}/data"), encoding="utf-8")
    result = run_plan(load_plan(tmp_path / "plan.toml", [ROOT / "data"]))
    parent = dict(zip(result.study.units["unit_id"], result.study.units["parent_id"], strict=True))
    clean, messy = (
        of.study.origins.groupby(of.study.origins["unit_id"].map(parent))[children_columns()].sum()
        for of in (sample, result)
    )
    pd.testing.assert_frame_equal(clean, messy, rtol=1e-9)
    keys = ["unit_id", "kind", "band"]
    joined = sample.coverage_by_unit.merge(result.coverage_by_unit, on=keys, suffixes=("", "_messy"))
    subdistricts = joined[joined["unit_id"].isin(clean.index)]
    apart = (subdistricts["covered_share"] - subdistricts["covered_share_messy"]).abs()
    assert apart.max() <= 0.005 if on == "raster" else apart.mean() < 0.1


# ---------------------------------------------------------------------------------------------------------------- fuzz

ODD_HEADINGS = (
    "社区",
    "街道",
    "名称",
    "0-2岁",
    "3-5岁",
    "0-6",
    "6—14岁",
    "0-14岁",
    "总人口",
    "户籍0-2",
    "15岁以下",
    "备注",
    "0岁",
    "9-3岁",
)
ODD_CELLS = (
    "西社区",
    "东社区",
    "镇",
    "合计",
    "02",
    "1",
    "2",
    "0",
    "30",
    "-3",
    "1e400",
    "nan",
    "约12",
    "",
    "１２",
    "3.5",
)


@FEW
@given(
    headings=st.lists(st.sampled_from(ODD_HEADINGS), min_size=1, max_size=6, unique=True),
    cells=st.lists(st.lists(st.sampled_from(ODD_CELLS), min_size=6, max_size=6), min_size=1, max_size=4),
    keys=st.sampled_from(["", 'split = "even"\n', 'unknown_units = ["西社区"]\nsplit = "even"\n', 'unit = "名称"\n']),
)
def test_any_table_gives_its_children_or_says_what_is_wrong(
    tmp_path_factory: pytest.TempPathFactory, headings: list[str], cells: list[list[str]], keys: str
) -> None:
    plan = CENSUS.replace("[population.spread]", keys + "[population.spread]")
    rows: list[list[object]] = [list(headings), *([*row[: len(headings)]] for row in cells)]
    try:
        of = study(tmp_path_factory.mktemp("odd"), rows, plan)
    except CfcError as refused:
        assert any(finding.severity == "error" for finding in refused.findings)
        assert all(finding.text("zh") and finding.text("en") for finding in refused.findings)
    else:
        for column in children_columns():
            assert of.audit[f"{column}_placed"] == pytest.approx(of.audit[f"{column}_in_file"], rel=1e-9)
