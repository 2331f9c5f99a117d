"""Scenarios: what edits of facilities and children make of a study, of its answers, and of what a planner reads."""

import json
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import openpyxl
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from cfc_geo.cli import main
from cfc_geo.errors import DataError, Finding, PlanError
from cfc_geo.inputs import datum as datums
from cfc_geo.inputs.scenario import apply_edits
from cfc_geo.inputs.study import read_study
from cfc_geo.model import Change, Result, Study
from cfc_geo.network.costs import attach, nearest_costs
from cfc_geo.network.graph import build_network
from cfc_geo.outputs.edits import scenario_cost
from cfc_geo.plan import Plan, load_plan
from cfc_geo.questions.coverage import measure_coverage
from cfc_geo.run import check_plan, run_plan
from cfc_geo.tables import BACKDROP_COLUMNS, FACILITY_NUMBERS, FACILITY_TEXTS, KIND_WORD, children_columns
from tests.random_towns import SNAP_M, Place, random_places
from tests.test_bad_input import refused
from tests.towns import CRS as TOWN_CRS
from tests.toyplan import BANDS, CHILDREN, ORIGIN, PLAN, lonlat, write_csv, write_toy


def at(x: float, y: float, datum: str = "wgs84") -> str:
    """A place of the toy's sketch as an edit writes it."""
    lon, lat = lonlat(x, y)
    if datum != "wgs84":
        east, north = datums.from_wgs84(np.array([lon]), np.array([lat]), datum)
        lon, lat = float(east[0]), float(north[0])
    return f'at = [{lon:.9f}, {lat:.9f}], datum = "{datum}"'


def scenario(folder: Path, *edits: str, head: str = "", name: str = "s.toml") -> Path:
    """A scenario of the toy plan; each edit is what stands under [[edits]]."""
    if not (folder / "toy.toml").exists():
        write_toy(folder)
    text = "\n".join(["extends = 'toy.toml'", head, *(f"[[edits]]\n{edit}" for edit in edits)])
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def edited(folder: Path, *edits: str) -> tuple[Study, Study]:
    """The study of the toy plan, and what the edits make of it."""
    plan = load_plan(scenario(folder, *edits))
    base = read_study(plan)
    return base, apply_edits(base, plan)


def ran(folder: Path, *edits: str, name: str = "s.toml") -> Result:
    return run_plan(load_plan(scenario(folder, *edits, name=name)))


def faults(folder: Path, *edits: str) -> dict[str, Finding]:
    """The errors of a scenario by code, as a user gets them: exit code 1, nothing written."""
    return {finding.code: finding for finding in refused(scenario(folder, *edits))}


def told(study: Study) -> list[tuple[str, str, str, str]]:
    return [change[2:] for change in study.changes]


def covered(result: Result, kind: str) -> set[str]:
    """Cells from which a facility of the kind is within the limit."""
    return set(result.cells["origin_id"][result.cells[f"{kind}_status"] == "covered"])


def statuses(result: Result, kind: str) -> dict[str, str]:
    return dict(zip(result.cells["origin_id"], result.cells[f"{kind}_status"], strict=True))


# ---------------------------------------------------------------------------------------------------------- facilities


@pytest.mark.parametrize("datum", ["wgs84", "gcj02", "bd09"])
def test_an_added_facility_stands_where_it_was_drawn_and_serves_who_is_near(tmp_path: Path, datum: str) -> None:
    add = f'add = {{ id = "K2", kind = "kindergarten", name = "新园", capacity = 90, {at(700, 5, datum)} }}'
    base, after = ran(tmp_path, name="base.toml"), ran(tmp_path, add)
    assert covered(base, "kindergarten") == {"a", "b"}  # K stands at 100; c is 310 m from it
    assert covered(after, "kindergarten") == {"a", "b", "d"}
    assert after.cells.set_index("origin_id").loc["d", "kindergarten_m"] == pytest.approx(
        15, abs=0.02
    )  # the file's coordinates have seven decimals
    row = after.study.facilities.set_index("facility_id").loc["K2"]
    assert (row["name"], row["capacity"], row["unit_id"], row["source"], row["address"]) == (
        "新园",
        90,
        "02",
        "s.toml",
        "",
    )
    assert np.isnan(row["area_m2"])
    entrance = after.study.entrances.set_index("facility_id").loc["K2"]
    assert entrance["evidence"] == "point" and entrance.geometry.equals(row["geometry"])
    assert list(after.study.facilities["facility_id"]) == sorted(after.study.facilities["facility_id"])


def test_stated_entrances_are_the_ways_in(tmp_path: Path) -> None:
    lon, lat = lonlat(900, 5)
    add = f'add = {{ id = "K2", kind = "kindergarten", {at(700, 150)}, entrances = [[{lon:.9f}, {lat:.9f}]] }}'
    after = ran(tmp_path, add)
    assert after.study.entrances.set_index("facility_id").loc["K2", "evidence"] == "given"
    assert after.cells.set_index("origin_id").loc["d", "kindergarten_m"] == pytest.approx(200 + 15, abs=0.02)


def test_an_unlisted_kind_is_no_better_known_for_one_that_is_added(tmp_path: Path) -> None:
    add = f'add = {{ id = "L", kind = "library", {at(1200, 5)} }}'
    base, after = ran(tmp_path, name="base.toml"), ran(tmp_path, add)
    assert set(statuses(base, "library").values()) == {"unknown"}
    assert statuses(after, "library") == dict.fromkeys("abcdf", "unknown") | {"d": "unknown", "e": "covered"}
    assert after.study.surveyed == base.study.surveyed


@pytest.mark.parametrize("edit", ['close = { facility = "K" }', 'convert = { facility = "K", to = "childcare" }'])
def test_without_the_last_of_a_listed_kind_nobody_is_served(tmp_path: Path, edit: str) -> None:
    after = ran(tmp_path, edit)
    assert set(statuses(after, "kindergarten").values()) == {"gap"}
    whole = after.coverage_by_unit.query("unit_id == 'all' and kind == 'kindergarten'")
    assert (whole["covered_share"] == 0).all() and (whole["children"] > 0).all()


def test_a_converted_facility_serves_the_other_kind_by_the_same_door(tmp_path: Path) -> None:
    base, after = edited(tmp_path, 'convert = { facility = "K", to = "childcare", name = "托育K", new_places = 54 }')
    row = after.facilities.set_index("facility_id").loc["K"]
    assert (row["kind"], row["name"], row["capacity"]) == ("childcare", "托育K", 54)
    assert after.entrances is base.entrances
    assert told(after) == [
        ("K", "kind", "kindergarten", "childcare"),
        ("K", "name", "幼儿园K", "托育K"),
        ("K", "capacity", "90", "54"),
    ]


def test_converted_places_are_taken_from_the_facility(tmp_path: Path) -> None:
    edit = 'convert = { facility = "K", to = "childcare", id = "K-托", places = 25, new_places = 15 }'
    base, after = edited(tmp_path, edit)
    rows, before = after.facilities.set_index("facility_id"), base.facilities.set_index("facility_id")
    assert rows.loc["K", "capacity"] == 65 and rows.loc["K", "kind"] == "kindergarten"
    assert rows.loc["K-托", "capacity"] == 15 and rows.loc["K-托", "kind"] == "childcare"
    assert rows.loc["K-托", "geometry"].equals(before.loc["K", "geometry"])
    doors = after.entrances.set_index("facility_id")
    assert doors.loc["K-托"].geometry.equals(doors.loc["K"].geometry)
    assert ("K", "capacity", "90", "65") in told(after) and ("K-托", "kind", "", "childcare") in told(after)


def test_a_moved_facility_keeps_what_it_is_and_leaves_its_doors(tmp_path: Path) -> None:
    _, after = edited(tmp_path, f'move = {{ facility = "P", {at(400, 200)} }}')
    row = after.facilities.set_index("facility_id").loc["P"]
    assert (row["kind"], row["name"], row["unit_id"], row["source"]) == ("park", "公园", "01", "data/parks.geojson")
    assert row["geometry"].geom_type == "Point"
    doors = after.entrances[after.entrances["facility_id"] == "P"]
    assert list(doors["evidence"]) == ["point"] and doors.geometry.iloc[0].equals(row["geometry"])
    lon, lat = lonlat(400, 200)
    position = next(change for change in told(after) if change[1] == "position")
    assert position[3] == f"{lon:.6f}, {lat:.6f}"


def test_other_ways_in_are_told_where_the_facility_and_their_number_stay(tmp_path: Path) -> None:
    lon, lat = lonlat(200, 0)
    _, after = edited(tmp_path, f'move = {{ facility = "K", {at(100, 0)}, entrances = [[{lon:.9f}, {lat:.9f}]] }}')
    assert told(after) == [("K", "entrance", "{:.6f}, {:.6f}".format(*lonlat(100, 0)), f"{lon:.6f}, {lat:.6f}")]
    assert not [finding for finding in after.findings if finding.code == "edit.nothing_changes"]


def test_no_gate_leads_into_what_another_edit_closes(tmp_path: Path) -> None:
    found = faults(tmp_path, 'close = { facility = "K" }', f'open_gate = {{ id = "g", facility = "K", {at(100, 0)} }}')
    assert set(found) == {"gate.closed_facility"} and found["gate.closed_facility"].values["other"] == 1


def test_a_table_that_no_edit_changes_is_the_same_object(tmp_path: Path) -> None:
    base, after = edited(tmp_path, 'resize = { facility = "K", capacity = 120 }')
    same = {field.name for field in fields(Study) if getattr(after, field.name) is getattr(base, field.name)}
    assert {"units", "origins", "entrances", "streets", "nodes", "backdrop", "audit", "surveyed"} <= same
    assert told(after) == [("K", "capacity", "90", "120")]
    plain = load_plan(scenario(tmp_path, name="plain.toml"))
    assert apply_edits(base, plain) is base


def test_places_of_nought_and_edits_of_nothing_are_told(tmp_path: Path) -> None:
    add = f'add = {{ id = "PP", kind = "pocket_park", {at(200, 5)} }}'
    lon, lat = lonlat(1200, 0)
    out = f'add = {{ id = "K3", kind = "kindergarten", {at(1320, 5)}, entrances = [[{lon:.9f}, {lat:.9f}]] }}'
    far = f'grow = {{ id = "far", {at(600, 130)}, children = {{ "0-2" = 5 }} }}'
    edits = ['resize = { facility = "K", capacity = 0 }', 'resize = { facility = "S", capacity = 90 }', add, out, far]
    _, after = edited(tmp_path, *edits)
    codes = {
        finding.code: (finding.severity, finding.rows) for finding in after.findings if finding.code.startswith("edit.")
    }
    assert codes == {
        "edit.no_places_left": ("warning", (1,)),
        "edit.nothing_changes": ("warning", (2,)),
        "edit.kind_not_asked": ("warning", (3,)),
        "edit.outside_units": ("note", (4,)),
        "edit.estate_far": ("warning", (5,)),
    }


def test_a_place_in_water_is_asked_about(tmp_path: Path) -> None:
    plan = load_plan(scenario(tmp_path, f'move = {{ facility = "K", {at(200, 5)} }}'))
    base = read_study(plan)
    x, y = ORIGIN
    for theme, asked in (("water", ["edit.in_water"]), ("green", [])):
        pond = gpd.GeoDataFrame(
            {"theme": [theme, "water"], "name": ""},
            geometry=[
                shapely.box(x + 150, y + 1, x + 250, y + 50),
                shapely.LineString([(x + 200, y), (x + 200, y + 9)]),
            ],
            crs=base.crs,
        )
        after = apply_edits(replace(base, backdrop=pond), plan)
        assert [finding.code for finding in after.findings if finding.code.startswith("edit.")] == asked


# ------------------------------------------------------------------------------------------------------------ children


def test_children_added_to_a_unit_live_where_its_children_do(tmp_path: Path) -> None:
    base, after = edited(tmp_path, 'grow = { unit = "西社区", children = { "0-2" = 39, "3-5" = 0 } }')
    before, now = (study.origins.set_index("origin_id") for study in (base, after))
    west = {cell: count for cell, count in CHILDREN.items() if cell in "abcf"}
    assert sum(west.values()) == 39
    for cell, count in CHILDREN.items():
        assert now.loc[cell, "children_0_2"] == pytest.approx(2 * count if cell in west else count)
    assert_frame_equal(now.drop(columns="children_0_2"), before.drop(columns="children_0_2"))
    assert told(after) == [("01", "children_0_2", "39", "78")]


def test_a_unit_without_the_band_takes_the_pattern_of_all_children(tmp_path: Path) -> None:
    write_toy(tmp_path)
    rows = (tmp_path / "data/cells.csv").read_text(encoding="utf-8").splitlines()
    spoilt = [rows[0], *(",".join([*row.split(",")[:-1], "0"]) for row in rows[1:])]
    (tmp_path / "data/cells.csv").write_text("\n".join(spoilt), encoding="utf-8")
    _, after = edited(tmp_path, 'grow = { unit = "02", children = { "15-17" = 40 } }')
    now = after.origins.set_index("origin_id")["children_15_17"]
    assert now.to_dict() == pytest.approx({"a": 0, "b": 0, "c": 0, "d": 40 * 8 / 24, "e": 40 * 16 / 24, "f": 0})


def test_a_factor_multiplies_and_the_whole_holds_its_parts(tmp_path: Path) -> None:
    base, after = edited(tmp_path, 'grow = { unit = "0", factor = { "0-2" = 1.5, "3-5" = 0 } }')
    assert after.origins["children_0_2"].tolist() == pytest.approx((1.5 * base.origins["children_0_2"]).tolist())
    assert (after.origins["children_3_5"] == 0).all()
    assert after.audit["children_3_5_by_edits"] == -63 and after.audit["children_3_5_placed"] == 0


def test_children_who_move_are_neither_lost_nor_made(tmp_path: Path) -> None:
    edit = 'move_children = { from_unit = "02", to_unit = "01", children = { "6-11" = 12 } }'
    _, after = edited(tmp_path, edit)
    assert after.origins["children_6_11"].sum() == pytest.approx(63, abs=1e-9)
    sums = after.origins.groupby("unit_id")["children_6_11"].sum()
    assert sums.to_dict() == pytest.approx({"01": 39 + 12, "02": 24 - 12})
    assert after.audit["children_6_11_by_edits"] == 0
    assert told(after) == [("02", "children_6_11", "24", "12"), ("01", "children_6_11", "39", "51")]


def test_a_new_estate_is_a_cell_of_its_own(tmp_path: Path) -> None:
    grow = f'grow = {{ id = "新苑", {at(800, 5)}, children = {{ "6-11" = 50 }} }}'
    after = ran(tmp_path, grow)
    cell = after.cells.set_index("origin_id").loc["新苑"]
    assert (cell["unit_id"], cell["children_6_11"], cell["children_0_2"]) == ("02", 50, 0)
    assert cell["primary_school_m"] == pytest.approx(5, abs=0.02)
    whole = after.coverage_by_unit.query("unit_id == 'all' and kind == 'primary_school' and band == '6-11'")
    assert whole["children"].item() == 63 + 50
    assert after.audit["children_6_11_in_file"] == 63 and after.audit["children_6_11_by_edits"] == 50
    assert after.audit["children_unaccounted"] == 0
    assert not [finding for finding in after.findings if finding.severity == "error"]


def test_residents_grow_with_the_children(tmp_path: Path) -> None:
    write_toy(tmp_path)
    plan = (tmp_path / "toy.toml").read_text(encoding="utf-8")
    (tmp_path / "toy.toml").write_text(
        plan.replace('datum = "wgs84"\nchildren', 'datum = "wgs84"\nresidents = "人"\nchildren')
    )
    rows = (tmp_path / "data/cells.csv").read_text(encoding="utf-8").splitlines()
    with_residents = [rows[0] + ",人", *(f"{row},1000" for row in rows[1:])]
    (tmp_path / "data/cells.csv").write_text("\n".join(with_residents), encoding="utf-8")
    base, after = edited(tmp_path, 'grow = { unit = "02", children = { "0-2" = 24, "3-5" = 24 } }')
    more = after.origins["residents"] - base.origins["residents"]
    assert more.tolist() == pytest.approx([0, 0, 0, 16, 32, 0])
    assert after.audit["residents_by_edits"] == pytest.approx(48)


CENSUS = """[population]
file = "data/census.csv"
count_of = "常住"
{unknown}
[population.spread]
on = "even"
"""
IN_CENSUS = [["社区", *(f"{band}岁" for band in BANDS)], ["西社区", 1, 2, 3, 4, 5], ["东社区", 10, 20, 30, 40, 50]]


def census_town(folder: Path, unknown: str = "") -> None:
    write_toy(folder)
    head, tail = PLAN[: PLAN.index("[population]")], PLAN[PLAN.index("[[facilities]]") :]
    (folder / "toy.toml").write_text(head + CENSUS.format(unknown=unknown) + tail, encoding="utf-8")
    write_csv(folder / "data/census.csv", IN_CENSUS[: 2 if unknown else 3])


def test_children_of_a_census_grow_in_the_cells_they_were_spread_to(tmp_path: Path) -> None:
    census_town(tmp_path)
    estate = f'grow = {{ id = "新苑", {at(800, 5)}, children = {{ "6-11" = 50 }} }}'
    result = ran(tmp_path, 'grow = { unit = "东社区", children = { "0-2" = 5 } }', estate)
    sums = result.study.origins.groupby("unit_id")[["children_0_2", "children_6_11"]].sum()
    assert sums["children_0_2"].to_dict() == pytest.approx({"01": 1, "02": 15})
    assert sums["children_6_11"].to_dict() == pytest.approx({"01": 3, "02": 80})
    home = result.study.origins.set_index("origin_id").loc["新苑"]
    assert home["home"].equals(home["geometry"])
    assert result.cells.set_index("origin_id").loc["新苑", "primary_school_m"] == pytest.approx(5, abs=0.02)
    assert result.audit["children_unaccounted"] == 0 and result.audit["children_by_edits"] == pytest.approx(55)


@pytest.mark.parametrize("unit", ["02", "0"])
def test_a_unit_of_unknown_children_cannot_be_edited(tmp_path: Path, unit: str) -> None:
    census_town(tmp_path, 'unknown_units = ["东社区"]')
    estate = f'grow = {{ id = "新苑", {at(800, 5)}, children = {{ "6-11" = 50 }} }}'
    found = refused(scenario(tmp_path, f'grow = {{ unit = "{unit}", children = {{ "0-2" = 5 }} }}', estate))
    assert [(finding.code, finding.rows) for finding in found] == [("edit.unit_unknown", (n,)) for n in (1, 2)]
    _, after = edited(tmp_path, 'grow = { unit = "01", children = { "0-2" = 5 } }')
    assert told(after) == [("01", "children_0_2", "1", "6")]


# ----------------------------------------------------------------------------------------------------- what is refused

ELSEWHERE = '[12.5, 41.9], datum = "wgs84"'


@pytest.mark.parametrize(
    ("edit", "code", "said"),
    [
        ('close = { facility = "K9" }', "edit.no_such_facility", "K 幼儿园K"),
        ('close = { facility = "幼儿园 K" }', "edit.no_such_facility", "K 幼儿园K"),
        ('resize = { facility = "../../etc", capacity = 3 }', "edit.no_such_facility", "../../etc"),
        (f'add = {{ id = "K", kind = "park", {at(100, 5)} }}', "edit.id_taken", "K"),
        (f'add = {{ id = "N", kind = "park", {at(600, 130)} }}', "edit.no_street", "130"),
        (f'move = {{ facility = "K", {at(600, 130)} }}', "edit.no_street", "130"),
        (f'add = {{ id = "N", kind = "park", at = {ELSEWHERE} }}', "drawn.outside", "km"),
        ('add = { id = "N", kind = "park", at = [28.014, 120.002], datum = "wgs84" }', "drawn.swapped", "latitude"),
        ('add = { id = "N", kind = "park", at = [500100.0, 3100000.0], datum = "wgs84" }', "drawn.impossible", ""),
        ('convert = { facility = "K", to = "kindergarten" }', "edit.same_kind", "K"),
        ('convert = { facility = "P", to = "playground", id = "x", places = 5 }', "edit.capacity_unknown", "P"),
        ('convert = { facility = "K", to = "childcare", id = "x", places = 91 }', "edit.too_few_places", "90"),
        ('convert = { facility = "K", to = "childcare", id = "S", places = 9 }', "edit.id_taken", "S"),
        ('grow = { unit = "西舍区", children = { "0-2" = 1 } }', "edit.no_such_unit", "01 西社区"),
        (
            'move_children = { from_unit = "01", to_unit = "02", children = { "0-2" = 40 } }',
            "edit.too_few_children",
            "39",
        ),
        ('move_children = { from_unit = "01", to_unit = "0", children = { "0-2" = 4 } }', "edit.units_overlap", "01"),
        (f'grow = {{ id = "a", {at(200, 10)}, children = {{ "0-2" = 1 }} }}', "edit.cell_taken", "a"),
        (f'grow = {{ id = "new", {at(1350, 10)}, children = {{ "0-2" = 1 }} }}', "edit.estate_outside", "new"),
    ],
)
def test_an_edit_that_cannot_be_is_refused_with_its_place_and_mend(
    tmp_path: Path, edit: str, code: str, said: str
) -> None:
    found = faults(tmp_path, 'resize = { facility = "G", capacity = 5 }', edit)
    assert set(found) == {code}
    assert found[code].file == "s.toml" and found[code].rows == (2,) and "edit 2" in found[code].text("en")
    assert said in found[code].text("en")


def test_all_faults_of_a_scenario_are_told_at_once(tmp_path: Path) -> None:
    edits = ['close = { facility = "x" }', 'grow = { unit = "y", children = { "0-2" = 1 } }']
    edits += [f'add = {{ id = "N", kind = "park", {at(600, 130)} }}']
    assert set(faults(tmp_path, *edits)) == {"edit.no_such_facility", "edit.no_such_unit", "edit.no_street"}


def test_check_reports_the_faults_of_edits_too(tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        check_plan(load_plan(scenario(tmp_path, 'close = { facility = "x" }')))
    assert [finding.code for finding in raised.value.findings if finding.severity == "error"] == [
        "edit.no_such_facility"
    ]


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        ('add = { id = "", kind = "park", at = [1.0, 2.0], datum = "wgs84" }', "plan.too_short"),
        ('add = { id = "a\\nb", kind = "park", at = [1.0, 2.0], datum = "wgs84" }', "plan.edit_id"),
        ('add = { id = "a\\u202eb", kind = "park", at = [1.0, 2.0], datum = "wgs84" }', "plan.edit_id"),
        (f'add = {{ id = "{"x" * 101}", kind = "park", at = [1.0, 2.0], datum = "wgs84" }}', "plan.edit_id"),
        ('add = { id = "a", kind = "parc", at = [1.0, 2.0], datum = "wgs84" }', "plan.unknown_kind"),
        ('add = { id = "a", kind = "park", at = [nan, 2.0], datum = "wgs84" }', "plan.not_number"),
        ('add = { id = "a", kind = "park", at = [inf, 2.0], datum = "wgs84" }', "plan.not_number"),
        ('add = { id = "a", kind = "park", at = ["1.0", 2.0], datum = "wgs84" }', "plan.not_number"),
        ('add = { id = "a", kind = "park", at = [1.0, 2.0] }', "plan.missing_key"),
        ('add = { id = "a", kind = "park", at = [1.0, 2.0], datum = "wgs84", capacity = -1.0 }', "plan.bad_value"),
        ('resize = { facility = "K", capacity = nan }', "plan.not_number"),
        ('grow = { unit = "01", children = { "0-3" = 1 } }', "plan.bad_value"),
    ],
)
def test_an_edit_of_wrong_form_is_a_fault_of_the_plan(tmp_path: Path, edit: str, code: str) -> None:
    with pytest.raises(PlanError) as raised:
        load_plan(scenario(tmp_path, edit))
    assert {finding.code for finding in raised.value.findings} == {code}


@pytest.mark.parametrize(
    ("word", "kind"), [("幼儿圆", "kindergarten"), ("Playgrounds", "playground"), ("parc", "park")]
)
def test_a_kind_called_by_nearly_its_name_is_told_its_id(tmp_path: Path, word: str, kind: str) -> None:
    with pytest.raises(PlanError) as raised:
        load_plan(scenario(tmp_path, f'add = {{ id = "n", kind = "{word}", {at(10, 0)} }}'))
    assert [(finding.code, finding.values["near"]) for finding in raised.value.findings] == [
        ("plan.unknown_kind", kind)
    ]


def test_a_kind_may_be_called_by_its_name(tmp_path: Path) -> None:
    (edit,) = load_plan(scenario(tmp_path, f'add = {{ id = "n", kind = "幼儿园", {at(10, 0)} }}')).edits
    assert edit.add is not None and edit.add.kind == "kindergarten"


def test_what_a_base_edits_a_scenario_may_not_edit_again(tmp_path: Path) -> None:
    scenario(tmp_path, 'close = { facility = "K" }', name="first.toml")
    second = scenario(tmp_path, 'resize = { facility = "K", capacity = 5 }', name="second.toml")
    second.write_text(second.read_text(encoding="utf-8").replace("toy.toml", "first.toml"), encoding="utf-8")
    with pytest.raises(PlanError) as raised:
        load_plan(second)
    assert [finding.code for finding in raised.value.findings] == ["plan.edited_twice"]
    assert "second.toml" in str(raised.value) and "K" in str(raised.value)


def test_edits_of_a_base_and_of_its_scenario_hold_together(tmp_path: Path) -> None:
    scenario(tmp_path, 'close = { facility = "K" }', name="first.toml")
    second = scenario(tmp_path, 'close = { facility = "G" }', name="second.toml")
    second.write_text(second.read_text(encoding="utf-8").replace("toy.toml", "first.toml"), encoding="utf-8")
    plan = load_plan(second)
    study = apply_edits(read_study(plan), plan)
    assert list(study.facilities["facility_id"]) == ["P", "S"]
    assert [(change.edit, change.target) for change in study.changes if change.what == "kind"] == [(1, "K"), (2, "G")]


def chain(folder: Path, *heads: str) -> Path:
    """Scenarios that extend one another, the toy plan first, each with an edit of its own unless its head has some."""
    edits = iter(('close = { facility = "K" }', 'close = { facility = "G" }', 'close = { facility = "S" }'))
    before = "toy.toml"
    for number, head in enumerate(heads):
        file = scenario(folder, *([] if "edits" in head else [next(edits)]), head=head, name=f"{number}.toml")
        file.write_text(file.read_text(encoding="utf-8").replace("toy.toml", before), encoding="utf-8")
        before = file.name
    return folder / before


@pytest.mark.parametrize(
    ("heads", "cost"),
    [
        (("cost = 45", ""), (None, "none")),
        (("cost = 45", "cost = 60"), (60.0, "all")),
        (("cost = 45", "edits = []"), (45.0, "all")),
        (("cost = 45", "cost = 6\ncost_unit = '元'"), (6.0, "all")),
        (("", "edits = [{ cost = 3, close = { facility = 'S' } }]"), (3.0, "partly")),
        (("cost = 45", "edits = [{ cost = 3, close = { facility = 'S' } }]"), (3.0, "partly")),
    ],
)
def test_a_whole_cost_is_of_the_edits_it_was_stated_for(
    tmp_path: Path, heads: tuple[str, ...], cost: tuple[float | None, str]
) -> None:
    assert scenario_cost(load_plan(chain(tmp_path, *heads))) == cost


@pytest.mark.parametrize(
    "heads",
    [
        ("edits = [{ cost = 3, close = { facility = 'S' } }]", "cost_unit = '元'"),
        ("cost = 45", "cost_unit = '元'\nedits = []"),
        ("cost = 45\ncost_unit = '元'", "edits = []", "cost_unit = '万元'\nedits = []"),
    ],
)
def test_costs_of_one_file_are_not_counted_in_the_unit_of_another(tmp_path: Path, heads: tuple[str, ...]) -> None:
    with pytest.raises(PlanError) as raised:
        load_plan(chain(tmp_path, *heads))
    (finding,) = raised.value.findings
    assert finding.code == "plan.cost_units" and f"{len(heads) - 1}.toml" in str(raised.value)


def test_a_unit_of_two_names_is_edited_once(tmp_path: Path) -> None:
    edits = [f'grow = {{ unit = "{name}", children = {{ "0-2" = 1 }} }}' for name in ("01", "西社区")]
    assert set(faults(tmp_path, *edits)) == {"edit.units_overlap"}


def test_what_was_merged_away_names_what_it_became(tmp_path: Path) -> None:
    write_toy(tmp_path)
    rows = (tmp_path / "data/facilities.csv").read_text(encoding="utf-8")
    lon, lat = lonlat(101, 0)
    (tmp_path / "data/facilities.csv").write_text(rows + f"K8,幼儿园K,幼儿园,{lon},{lat},90\n", encoding="utf-8")
    merge = '[duplicates]\nsame = [["K", "K8"]]\ncapacity = "first"\nwhy = "同一所"\n'
    for edit, code in (
        ("close = { facility = 'K8' }", "edit.merged_away"),
        (f"add = {{ id = 'K8', kind = 'park', {at(100, 5)} }}", "edit.id_taken"),
    ):
        [found] = refused(scenario(tmp_path, edit, head=merge))
        assert found.code == code and "K8" in found.text("en")
        assert code != "edit.merged_away" or "name K instead" in found.text("en")


def test_children_nobody_knows_cannot_be_edited(tmp_path: Path) -> None:
    write_toy(tmp_path)
    plan = (tmp_path / "toy.toml").read_text(encoding="utf-8")
    (tmp_path / "toy.toml").write_text(plan.replace(', "15-17" = "15-17岁"', ""), encoding="utf-8")
    found = faults(tmp_path, 'grow = { unit = "01", children = { "15-17" = 3 } }')
    assert set(found) == {"edit.bands_unknown"}


# ------------------------------------------------------------------------------------------------ what a planner reads

HOSTILE = ["=cmd()", "<script>alert(1)</script>", "甲" * 5_000, "{{ 7*7 }}"]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The result folder of a scenario with an edit of every verb, and hostile text."""
    folder = tmp_path_factory.mktemp("scenario")
    name, why = "".join(HOSTILE[1:3]), "".join(HOSTILE)
    edits = [
        f'why = """{why}"""\ncost = 80.5\n'
        f'add = {{ id = "../=cmd()", kind = "playground", name = "{name}", {at(200, 5)} }}',
        'close = { facility = "G" }',
        'cost = 20\nconvert = { facility = "K", to = "childcare", id = "托", places = 30 }',
        f'move = {{ facility = "P", {at(400, 200)} }}',
        'resize = { facility = "S", capacity = 90 }',
        'grow = { unit = "西社区", children = { "0-2" = 7 } }',
        f'grow = {{ id = "新苑", {at(800, 5)}, children = {{ "6-11" = 50 }} }}',
    ]
    path = scenario(folder, *edits, head="name = '情景'\ncost_unit = '万元'")
    assert main(["--lang", "zh", "run", str(path), "--out", str(folder / "out")]) == 0
    return folder / "out/s"


def test_every_edit_is_listed_old_and_new(written: Path) -> None:
    table = pd.read_csv(written / "edits.csv", encoding="utf-8-sig", dtype=str, keep_default_na=False)
    assert list(table["edit"].drop_duplicates()) == list("1234567")
    rows = table[["target", "attribute", "old", "new"]].itertuples(index=False, name=None)
    assert {("K", "capacity", "90", "60"), ("G", "kind", "playground", ""), ("01", "children_0_2", "39", "46")} <= set(
        rows
    )
    assert table["cost"][table["cost"] != ""].tolist() == ["80.5", "20"]
    assert set(table["cost_unit"]) == {"", "万元"}


def test_hostile_text_is_text(written: Path) -> None:
    assert sorted(path.name for path in written.parent.iterdir()) == ["s"]
    table = pd.read_csv(written / "edits.csv", encoding="utf-8-sig", dtype=str, keep_default_na=False)
    assert table["why"][0].startswith("'=cmd()") and table["target"][0] == "../=cmd()"
    page = (written / "map.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    book = openpyxl.load_workbook(written / "workbook.xlsx")
    cells = [cell for row in book["情景修改"].iter_rows(min_row=2) for cell in row]
    assert all(cell.data_type in "sn" for cell in cells) and any(cell.value == "新增设施" for cell in cells)
    assert book.sheetnames[:3] == ["说明", "情景修改", "覆盖率"]


def test_the_record_says_what_the_scenario_costs_as_far_as_that_is_known(written: Path) -> None:
    record = json.loads((written / "run.json").read_text(encoding="utf-8"))["scenario"]
    assert (record["cost"], record["cost_known"], record["cost_unit"]) == (100.5, "partly", "万元")
    assert [edit["verb"] for edit in record["edits"]] == ["add", "close", "convert", "move", "resize", "grow", "grow"]
    assert {tuple(change) for change in record["changes"]} == {Change._fields}


def test_the_resolved_plan_of_a_scenario_gives_the_same_result(written: Path) -> None:
    resolved = written.parents[1] / "resolved.toml"
    resolved.write_bytes((written / "plan.resolved.toml").read_bytes())
    assert load_plan(resolved).edits == load_plan(written.parents[1] / "s.toml").edits
    assert main(["run", str(resolved), "--out", str(written.parents[1] / "again")]) == 0
    again = written.parents[1] / "again/resolved"
    for name in ("coverage.csv", "circle.csv", "facilities.csv", "edits.csv", "cells.parquet"):
        assert (again / name).read_bytes() == (written / name).read_bytes(), name


def test_a_plan_without_edits_says_nothing_of_them(tmp_path: Path) -> None:
    plan = write_toy(tmp_path)
    assert main(["run", str(plan), "--out", str(tmp_path / "out")]) == 0
    assert not (tmp_path / "out/toy/edits.csv").exists()
    assert "scenario" not in json.loads((tmp_path / "out/toy/run.json").read_text(encoding="utf-8"))
    assert "情景修改" not in openpyxl.load_workbook(tmp_path / "out/toy/workbook.xlsx", read_only=True).sheetnames


# ---------------------------------------------------------------------------------------------------- on random towns

KINDS = {"park": "park", "school": "primary_school"}
WORSE = {"covered": 2, "unknown": 1, "gap": 0}
TOWN = {
    "name": "t",
    "place": {"units": {"file": "units.geojson"}},
    "population": {"file": "cells.csv", "children": {"0-2": "a"}},
    "facilities": [{"file": "facilities.csv"}],
    "streets": {"file": "streets.osm"},
    "walk": {"snap_limit_m": SNAP_M},
}


def study_of(place: Place, counts: list[float]) -> Study:
    """A random town with its cells west and east of x = 30 in two units."""
    texts = dict.fromkeys((*FACILITY_TEXTS, KIND_WORD), "") | dict.fromkeys(FACILITY_NUMBERS, np.nan)
    facilities = place.facilities.assign(kind=place.facilities["kind"].map(KINDS), **texts)
    units = gpd.GeoDataFrame(
        {"unit_id": ["w", "e"], "name": ["西", "东"], "level": "", "parent_id": ""},
        geometry=[shapely.box(-500, -500, 30, 500), shapely.box(30, -500, 500, 500)],
        crs=TOWN_CRS,
    )
    unit = np.where(place.origins.geometry.x <= 30, "w", "e")
    values = {column: np.resize(np.roll(counts, n), len(unit)) for n, column in enumerate(children_columns())}
    origins = place.origins.assign(unit_id=unit, **values)
    return Study(
        name="t",
        crs=TOWN_CRS,
        units=units,
        origins=origins,
        facilities=facilities.sort_values("facility_id", ignore_index=True),
        entrances=place.entrances.sort_values("facility_id", ignore_index=True),
        streets=place.streets,
        nodes=place.nodes,
        backdrop=gpd.GeoDataFrame({name: [] for name in BACKDROP_COLUMNS}, geometry=[], crs=TOWN_CRS),
        surveyed=frozenset({"park"}),
        audit={f"{column}_{part}": float(origins[column].sum()) for column in values for part in ("in_file", "placed")},
    )


def plan_of(edits: list[dict[str, Any]]) -> Plan:
    return Plan.model_validate({**TOWN, "edits": edits})


def access_of(study: Study) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Metres (inf: none within the horizon) and rank of the status of every cell and kind."""
    network = build_network(study.streets, study.nodes)
    attachment = attach(network, study.origins, study.entrances, limit_m=SNAP_M)
    kinds = list(KINDS.values())
    norms = {kind: plan_of([]).resolved_norms()[kind] for kind in kinds}
    nearest = nearest_costs(network, attachment, study.facilities, kinds=kinds, horizon_m=1000)
    coverage = measure_coverage(nearest, study, norms)
    return nearest.metres.fillna(np.inf), coverage.status.astype(object).replace(WORSE).astype(int)


@st.composite
def towns_with_edits(draw: st.DrawFn) -> Iterator[tuple[Study, list[dict[str, Any]], list[dict[str, Any]]]]:
    """A study, edits that add (facilities and places), and edits that close."""
    place = draw(random_places())
    study = study_of(place, draw(st.lists(st.floats(0.5, 50), min_size=3, max_size=7)))
    add = []
    for number in range(draw(st.integers(1, 3))):
        line = draw(st.sampled_from(list(place.streets.geometry)))
        on = line.interpolate(draw(st.floats(0, 1)), normalized=True)
        where = {"at": [on.x, on.y + draw(st.sampled_from([0.0, 9.0]))], "datum": TOWN_CRS}
        add.append({"add": {"id": f"n{number}", "kind": draw(st.sampled_from(list(KINDS.values()))), **where}})
    names = list(study.facilities["facility_id"])
    if draw(st.booleans()):
        add.append({"resize": {"facility": names[0], "capacity": 30.0}})
    gone = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    return study, add, [{"close": {"facility": name}} for name in gone]  # type: ignore[return-value]


@settings(max_examples=25)
@given(towns_with_edits())
def test_adding_never_lowers_access_and_closing_never_raises_it(
    town: tuple[Study, list[dict[str, Any]], list[dict[str, Any]]],
) -> None:
    study, add, close = town
    before = {field.name: getattr(study, field.name) for field in fields(Study)}
    copies = {name: table.copy() for name, table in before.items() if isinstance(table, pd.DataFrame)}
    metres, status = access_of(study)
    more_metres, more_status = access_of(apply_edits(study, plan_of(add)))
    assert (more_metres <= metres).all(axis=None) and (more_status >= status).all(axis=None)
    less_metres, less_status = access_of(apply_edits(study, plan_of(close)))
    assert (less_metres >= metres).all(axis=None) and (less_status <= status).all(axis=None)
    for name, table in copies.items():
        assert before[name] is getattr(study, name)
        assert_frame_equal(table, getattr(study, name))


@settings(max_examples=10)
@given(towns_with_edits())
def test_without_facilities_nobody_is_covered(
    town: tuple[Study, list[dict[str, Any]], list[dict[str, Any]]],
) -> None:
    study = town[0]
    after = apply_edits(study, plan_of([{"close": {"facility": name}} for name in study.facilities["facility_id"]]))
    metres, status = access_of(after)
    assert np.isinf(metres).all(axis=None) and (status < WORSE["covered"]).all(axis=None)
    assert len(after.facilities) == 0 and len(after.entrances) == 0
    assert list(after.facilities.columns) == list(study.facilities.columns)


@settings(max_examples=12)
@given(towns_with_edits(), st.data())
def test_the_order_of_edits_is_nothing(
    town: tuple[Study, list[dict[str, Any]], list[dict[str, Any]]], data: st.DataObject
) -> None:
    study, add, close = town
    touched = {target for edit in add for target in Plan.model_validate({**TOWN, "edits": [edit]}).edits[0].targets()}
    edits = [*add, *(edit for edit in close if ("facility", edit["close"]["facility"]) not in touched)]
    lived_in = sorted(set(study.origins["unit_id"]))
    edits += [{"grow": {"unit": unit, "children": {"0-2": 7.0, "6-11": 3.5}}} for unit in lived_in]
    edits += [{"grow": {"id": "estate", "at": [10.0, 10.0], "datum": TOWN_CRS, "children": {"3-5": 4.0}}}]
    one = apply_edits(study, plan_of(edits))
    other = apply_edits(study, plan_of(data.draw(st.permutations(edits))))
    for name in ("facilities", "entrances", "origins"):
        assert_frame_equal(getattr(one, name), getattr(other, name), check_exact=True)
    assert one.audit == other.audit
    assert sorted(change[1:] for change in one.changes) == sorted(change[1:] for change in other.changes)


@settings(max_examples=25)
@given(towns_with_edits(), st.floats(0, 1000), st.floats(0, 1), st.sampled_from(BANDS))
def test_no_child_is_lost_or_made(
    town: tuple[Study, list[dict[str, Any]], list[dict[str, Any]]], count: float, share: float, band: str
) -> None:
    study = town[0]
    column = "children_" + band.replace("-", "_")
    unit = study.origins["unit_id"].iloc[0]
    grown = apply_edits(study, plan_of([{"grow": {"unit": unit, "children": {band: count}}}]))
    assert grown.origins[column].sum() == pytest.approx(study.origins[column].sum() + count, rel=1e-9, abs=1e-9)
    others = [name for name in children_columns() if name != column]
    assert_frame_equal(grown.origins[others], study.origins[others])
    elsewhere = study.origins["unit_id"] != unit
    assert_frame_equal(grown.origins[elsewhere], study.origins[elsewhere])
    if not elsewhere.any():
        return
    leaving = float(study.origins[column][~elsewhere].sum()) * share
    move = {"from_unit": unit, "to_unit": study.origins["unit_id"][elsewhere].iloc[0], "children": {band: leaving}}
    moved = apply_edits(study, plan_of([{"move_children": move}]))
    assert moved.origins[column].sum() == pytest.approx(study.origins[column].sum(), rel=1e-9)
    assert moved.origins[column][~elsewhere].sum() == pytest.approx(
        study.origins[column][~elsewhere].sum() - leaving, rel=1e-9, abs=1e-9
    )
    assert (moved.origins[column] >= 0).all()
    for after in (grown, moved):
        gained = after.audit.get(f"{column}_by_edits", 0.0)
        assert after.audit[f"{column}_placed"] == pytest.approx(after.audit[f"{column}_in_file"] + gained, rel=1e-9)


def test_a_facility_may_open_on_a_street_that_the_same_scenario_closes(tmp_path: Path) -> None:
    write_toy(tmp_path)
    streets = read_study(load_plan(tmp_path / "toy.toml")).streets
    lane = streets.loc[streets["highway"] == "footway", "street_id"].iloc[0].split(".")[0]
    added = f'add = {{ id = "new", kind = "library", {at(402, 150)} }}'
    result = ran(tmp_path, f'close_link = {{ street = "{lane}" }}', added)
    assert result.facilities.set_index("facility_id").loc["new", "snap_m"] == pytest.approx(2.0, abs=0.01)
