"""The audit: nobody is lost, every measure is what a count by hand says, and a plan's limits are kept or named."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import openpyxl
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import Point

from cfc_geo import catalog
from cfc_geo.blocks import AuditLimits
from cfc_geo.cli import main
from cfc_geo.model import Study
from cfc_geo.network.costs import attach
from cfc_geo.network.graph import build_network
from cfc_geo.plan import load_plan
from cfc_geo.questions import audit
from cfc_geo.questions.audit import (
    LIMITS,
    audit_answers,
    audit_data,
    close_account,
    exceeds,
    judge_audit,
    metres_to_border,
)
from cfc_geo.run import check_plan, run_plan
from cfc_geo.tables import children_columns
from tests import toyplan
from tests.test_questions import SNAP_M, STREET, TOWN, Asked, Sketch
from tests.toyplan import PLAN, write_toy

COUNTS = st.floats(0, 1e9, allow_subnormal=False)


def data_of(sketch: Sketch) -> dict[str, float]:
    return audit_of(sketch.study())


def audit_of(study: Study, reach_m: float = 1000) -> dict[str, float]:
    network = build_network(study.streets, study.nodes)
    attached = attach(network, study.origins, study.entrances, limit_m=SNAP_M)
    return audit_data(study, network, attached, reach_m=reach_m)


# --------------------------------------------------------------------------------------------------------- the account


@given(
    st.dictionaries(st.sampled_from([*children_columns(), "residents"]), st.tuples(COUNTS, COUNTS, COUNTS), min_size=1)
)
def test_an_account_closes_whatever_fractions_are_added(fates: Mapping[str, tuple[float, float, float]]) -> None:
    counted = {}
    for column, (placed, outside, no_land) in fates.items():
        counted[f"{column}_in_file"] = outside + no_land + placed
        parts = {"placed": placed, "outside_units": outside, "on_no_land": no_land}
        counted |= {f"{column}_{fate}": count for fate, count in parts.items()}
    closed = close_account(counted)
    assert {key: value for key, value in closed.items() if key.endswith("_unaccounted") and value} == {}
    assert not judge_audit(AuditLimits(), counted | closed, "plan.toml")


@given(st.sampled_from([*children_columns(), "residents"]), COUNTS.filter(lambda count: count > 1e-3), st.booleans())
def test_whoever_is_lost_or_made_is_named(column: str, count: float, made: bool) -> None:
    counted = {f"{column}_in_file": 2 * count, f"{column}_placed": 3 * count if made else count}
    closed = close_account(counted)
    assert closed[f"{column}_unaccounted"] == pytest.approx(-count if made else count)
    found = judge_audit(AuditLimits(), closed, "plan.toml")
    assert {finding.code for finding in found} == {"audit.not_closed"}
    assert all(finding.severity == "error" for finding in found)
    assert any(f"{column}_unaccounted" in finding.text("zh") for finding in found)


def test_a_loss_of_a_millionth_is_a_loss() -> None:
    counted = {"children_0_2_in_file": 1e6, "children_0_2_placed": 1e6 - 1}
    assert close_account(counted)["children_unaccounted"] == 1
    assert close_account({"children_0_2_in_file": 1e6, "children_0_2_placed": 1e6 - 1e-4})["children_unaccounted"] == 0


def test_the_account_of_a_run_is_that_of_its_files(tmp_path: Path) -> None:
    rows = toyplan.cell_rows()
    rows.append(["z", *toyplan.lonlat(5000, 5000), 128, 0, 0, 0, 0])
    plan = write_toy(tmp_path)
    toyplan.write_csv(tmp_path / "data/cells.csv", rows)
    found = run_plan(load_plan(plan)).audit
    assert (found["children_in_file"], found["children_placed"], found["children_outside_units"]) == (443, 315, 128)
    assert found["children_0_2_outside_units"] == 128 and found["children_3_5_outside_units"] == 0
    assert found["children_outside_share"] == 128 / 443
    assert {key: value for key, value in found.items() if key.endswith("unaccounted")} == {
        f"{column}_unaccounted": 0 for column in [*children_columns(), "children"]
    }


def test_residents_have_their_account_where_the_file_counts_them(tmp_path: Path) -> None:
    plan = write_toy(tmp_path, PLAN.replace('datum = "wgs84"\nchildren', 'datum = "wgs84"\nresidents = "人"\nchildren'))
    rows = [[*row, "人" if number == 0 else 1000] for number, row in enumerate(toyplan.cell_rows())]
    toyplan.write_csv(tmp_path / "data/cells.csv", rows)
    found = run_plan(load_plan(plan)).audit
    assert (found["residents_in_file"], found["residents_placed"], found["residents_unaccounted"]) == (6000, 6000, 0)


# --------------------------------------------------------------------------------------------------- homes and streets


def test_homes_are_measured_however_far_the_street_is() -> None:
    """Cells a, b, c at 10 m, d on the street, e (16 of 31 children of each band) 150 m off."""
    found = data_of(TOWN)
    assert found["cells_not_attached"] == 1
    assert (found["children_not_attached"], found["children_3_5_not_attached"]) == (16 * 5, 16)
    assert found["children_not_attached_share"] == 16 / 31
    assert [found[f"snap_m_{q}"] for q in ("p50", "p90", "max")] == pytest.approx([10, 150, 150])
    assert found["children_snap_m_p50"] == pytest.approx(150), "more than half of the children live in e"
    assert found["children_on_islands"] == 0


@given(
    st.lists(st.tuples(st.floats(0, 1e4), st.integers(0, 50)), min_size=1, max_size=30), st.sampled_from([0.5, 0.9, 1])
)
def test_a_quantile_is_the_least_value_that_so_many_do_not_exceed(homes: list[tuple[float, int]], share: float) -> None:
    metres, weights = (np.array(values, dtype=float) for values in zip(*homes, strict=True))
    label = {value: name for name, value in audit.QUANTILES.items()}[share]
    value = audit._quantiles("x", metres, weights)[f"x_{label}"]
    each = sorted(metre for metre, weight in homes for _ in range(weight))
    if not each:
        assert np.isnan(value)
        return
    needed = int(np.ceil(share * len(each) - 1e-9))
    assert value == each[needed - 1]


def test_children_on_an_island_are_counted_and_so_is_their_street() -> None:
    found = data_of(replace(TOWN, streets=[*STREET, [(550.0, 150.0), (650.0, 150.0)]]))
    assert (found["street_islands"], found["street_km_outside_main_network"]) == (1, 0.1)
    assert found["children_on_islands"] == 16 * 5 and found["children_on_islands_share"] == 16 / 31
    assert found["children_not_attached"] == 0


def test_street_length_is_shared_out_by_what_the_file_states() -> None:
    study = TOWN.study()
    streets = study.streets.iloc[[0, 0, 0, 0]].reset_index(drop=True)
    streets = streets.assign(
        length_m=[100.0, 200.0, 300.0, 400.0],
        highway=["residential", "", "footway", "road"],
        sidewalk=["both", "", "", ""],
        maxspeed="",
        lanes=["2", "2", "", "1"],
    )
    nodes = study.nodes.assign(crossing="").iloc[[0, 0, 0, 0]].reset_index(drop=True)
    nodes["crossing"] = ["", "yes", "zebra", "traffic_signals"]
    network = build_network(study.streets, study.nodes)
    found = audit._streets(replace(study, streets=streets, nodes=nodes), network)
    assert found["street_class_assumed_share"] == 600 / 1000
    assert found["street_sidewalk_assumed_share"] == 600 / 700, "a footway has no sidewalk to state"
    assert (found["street_maxspeed_assumed_share"], found["street_lanes_assumed_share"]) == (1, 0)
    assert (found["crossings"], found["crossing_type_assumed_share"]) == (3, 1 / 3)


def test_cells_near_the_edge_of_the_streets_are_counted() -> None:
    square = [(0.0, 0.0), (4000.0, 0.0), (4000.0, 4000.0), (0.0, 4000.0), (0.0, 0.0)]
    cells = {"edge": Point(10, 2000), "within": Point(999, 2000), "middle": Point(2000, 2000), "out": Point(-50, -50)}
    study = Sketch(cells, {"p": ("playground", Point(0, 0))}, [square]).study()
    found = audit_of(study, reach_m=1000)
    assert found["cells_near_street_edge"] == 3
    middle = study.origins.loc[study.origins["origin_id"] == "middle", children_columns()].sum(axis=1).item()
    assert found["children_near_street_edge"] == 15 * 5 - middle


# ---------------------------------------------------------------------------------------------------------- facilities


def test_facilities_are_counted_by_what_is_wrong_with_them() -> None:
    study = replace(
        TOWN,
        facilities={
            "k1": ("kindergarten", Point(100, 0)),
            "k2": ("kindergarten", Point(100, 400)),
            "k3": ("kindergarten", Point(600, 200)),
            "p1": ("park", Point(200, 5)),
        },
        streets=[*STREET, [(590.0, 200.0), (610.0, 200.0)]],
    ).study()
    facilities = study.facilities.set_index("facility_id")
    facilities["capacity"] = np.nan
    facilities.loc["k1", "capacity"] = 90.0
    facilities["unit_id"] = "u"
    facilities.loc["p1", "unit_id"] = ""
    found = audit_of(replace(study, facilities=facilities.reset_index()))
    assert [found[f"facilities{part}"] for part in ("", "_far", "_on_islands", "_outside_units")] == [4, 1, 1, 1]
    assert found["facilities_without_capacity"] == 2, "a park has no places to count"
    assert found["facilities_without_capacity_share"] == 2 / 3
    assert (found["facilities_kindergarten_far"], found["facilities_park_far"]) == (1, 0)
    assert "facilities_library" not in found
    assert np.isnan(found["facilities_duplicated"]), "nobody looked"
    looked = audit_of(replace(study, duplicated=frozenset({"k1", "k3"})))
    assert (looked["facilities_duplicated"], looked["facilities_park_duplicated"]) == (2, 0)
    assert found["facilities_snap_m_max"] == pytest.approx(400), "of k2, which no street is near"


def test_a_place_without_any_facility_is_audited_too(tmp_path: Path) -> None:
    plan = write_toy(tmp_path)
    text = plan.read_text(encoding="utf-8").replace(
        'columns = { id = "编号", name', 'only = []\ncolumns = { id = "编号", name'
    )
    plan.write_text(text.replace('kind = "park"', 'kind = "park"\nonly = []'), encoding="utf-8")
    found = run_plan(load_plan(plan)).audit
    assert (found["facilities"], found["facilities_far"], found["facilities_on_islands"]) == (0, 0, 0)
    assert np.isnan(found["facilities_without_capacity_share"]) and np.isnan(found["facilities_snap_m_max"])


# ------------------------------------------------------------------------------------------ what the answers leave open


def answers_of(sketch: Sketch) -> dict[str, float]:
    return answered(sketch.study(), sketch.ask())


def answered(study: Study, asked: Asked) -> dict[str, float]:
    border_m = metres_to_border(study, asked.coverage.norms)
    return audit_answers(study, asked.coverage, asked.by_unit, asked.circle_by_unit, border_m)


def test_shares_unknown_are_those_of_the_tables() -> None:
    found = answers_of(TOWN)
    assert found["unknown_playground_share"] == 16 / 31
    assert found["unknown_playground_3_5_share"] == found["unknown_kindergarten_3_5_share"] == 16 / 31
    assert found["unknown_circle_6_11_share"] == 16 / 31
    assert answers_of(replace(TOWN, surveyed=frozenset()))["unknown_playground_share"] == 28 / 31


def test_a_gap_near_the_border_counts_unless_the_kind_is_listed_beyond_it() -> None:
    """Playground at 0, limit 300 m: cells at 400 and 2000 are gaps, of which the second is 200 m from the border."""
    cells = {"a": Point(400, 0), "b": Point(2000, 0)}
    sketch = Sketch(cells, {"p": ("playground", Point(0, 0))}, [[(0.0, 0.0), (2100.0, 0.0)]])
    study, asked = sketch.study(), sketch.ask()
    place = study.units.set_geometry([shapely.box(-3000, -3000, 2200, 3000)], crs=study.crs)
    inside = replace(study, units=place, facilities=study.facilities.assign(unit_id="u"))
    found = answered(inside, asked)
    assert found["children_playground_gap_near_border"] == 2 * 3, "cell b, bands 0-2 to 6-11"
    listed = replace(inside, facilities=study.facilities.assign(unit_id=""))
    found = answered(listed, asked)
    assert found["children_playground_gap_near_border"] == 0


# ------------------------------------------------------------------------------------------------- units below a unit


def test_children_in_a_street_office_but_in_none_of_its_communities_are_told(tmp_path: Path) -> None:
    plan = write_toy(tmp_path)
    records = [record for record in toyplan.unit_records() if record[0]["code"] != "02"]
    toyplan.write_geojson(tmp_path / "data/units.geojson", records)
    result = run_plan(load_plan(plan))
    warning = next(finding for finding in result.findings if finding.code == "audit.parent_only")
    assert result.audit["children_in_parent_only"] == 5 * (8 + 16), "cells d and e lie east of unit 01"
    assert "120" in warning.text("en") and "0 镇" in warning.text("zh") and "units.geojson" in warning.text("zh")
    assert warning in check_plan(load_plan(plan))


def test_where_the_communities_fill_their_street_office_nothing_is_told(tmp_path: Path) -> None:
    result = run_plan(load_plan(write_toy(tmp_path)))
    assert result.audit["children_in_parent_only"] == 0
    assert "audit.parent_only" not in {finding.code for finding in result.findings}


# -------------------------------------------------------------------------------------------------------------- limits


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_limit_is_inclusive_and_forgives_rounding_only(value: float, most: float) -> None:
    assert not exceeds(most, most) and not exceeds(most * (1 + 1e-12), most) and not exceeds(float("nan"), most)
    assert exceeds(value, most) == (value > most and not np.isclose(value, most, rtol=1e-9, atol=0))


def test_every_limit_of_the_plan_has_its_measure_and_its_message() -> None:
    assert set(LIMITS) == set(AuditLimits.model_fields)
    for pattern, _ in LIMITS.values():
        key = pattern.replace("<kind>", "park")
        unit = catalog.measure(key).unit
        name = next(name for name, (other, _) in LIMITS.items() if other == pattern)
        assert unit == ("m" if "_m_" in name else "share")
        found = judge_audit(AuditLimits(**{name: 0.5}), {key: 0.75}, "p.toml")
        for lang in catalog.LANGUAGES:
            text = found[0].text(lang)
            assert len(found) == 1 and f"audit.{name}" in text and "→" in text and "p.toml" in text
            assert ("75" in text and "50" in text) if unit == "share" else ("0.75" in text and "0.5" in text)


def test_a_limit_on_unknown_holds_for_every_kind_by_itself() -> None:
    known = {"unknown_park_share": 0.2, "unknown_library_share": 0.1, "unknown_park_3_5_share": 0.9}
    found = judge_audit(AuditLimits(max_unknown_share=0.1), known, "p.toml")
    assert [finding.values["kind"] for finding in found] == ["park"]


def limited(folder: Path, line: str) -> Path:
    return write_toy(folder, f"{PLAN}\n[audit]\n{line}\n")


def far_toy(folder: Path, limit: str) -> Path:
    """The toy with a seventh cell, of as many children as all others, on no street: half of 630 lives far off."""
    plan = limited(folder, limit)
    far = ["g", *toyplan.lonlat(1000, 350), *[63] * 5]
    toyplan.write_csv(folder / "data/cells.csv", [*toyplan.cell_rows(), far])
    return plan


def test_a_run_over_a_limit_writes_its_result_and_then_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = far_toy(tmp_path, "max_far_share = 0.49")
    assert main(["run", str(plan), "--out", str(tmp_path / "out"), "--lang", "zh"]) == 1
    told = capsys.readouterr().err
    assert "错误: toy.toml：50% 的儿童离任何步行道路都太远，超过方案的上限 49%（audit.max_far_share） → " in told
    assert told.splitlines()[-1].endswith("未通过质量审计（1 项，见上）")
    record = json.loads((tmp_path / "out/toy/run.json").read_text(encoding="utf-8"))
    assert record["audit"]["children_not_attached_share"] == 0.5
    assert record["audit_limits"] == [
        {"measure": "children_not_attached_share", "value": 0.5, "most": 0.49, "kept": False}
    ]
    assert record["findings"][0]["severity"] == "error" and record["findings"][0]["code"] == "audit.far"
    assert record["assumptions"]["zh"] and len(record["assumptions"]["zh"]) == len(record["assumptions"]["en"])
    book = openpyxl.load_workbook(tmp_path / "out/toy/workbook.xlsx")
    assert book["提示"]["A2"].value == "错误"
    row = next(row for row in book["质量审计"].iter_rows() if row[1].value == "未与道路相连的儿童占比")
    assert [cell.value for cell in row[2:5]] == [0.5, "%", 0.49] and row[2].number_format == "0.0%"
    assert "audit.max_far_share" in (tmp_path / "out/toy/map.html").read_text(encoding="utf-8")


def test_a_run_at_its_limit_is_fine_and_a_hair_beyond_it_is_not(tmp_path: Path) -> None:
    value = run_plan(load_plan(far_toy(tmp_path, ""))).audit["children_snap_m_p95"]
    assert value == pytest.approx(350, abs=0.1)
    at_all = f"max_far_share = 0.5\nmax_outside_share = 0\nmax_snap_m_p95 = {value!r}"
    for limits, code in ((at_all, 0), (f"max_snap_m_p95 = {value * (1 - 1e-6)!r}", 1), ("max_far_share = 0.499999", 1)):
        assert main(["run", str(far_toy(tmp_path, limits)), "--out", str(tmp_path / "out")]) == code


def test_check_tells_the_limits_that_it_can_know(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = far_toy(tmp_path, "max_far_share = 0.1\nmax_unknown_share = 0.1\nmax_snap_m_p95 = 349")
    assert main(["check", str(plan), "--out", str(tmp_path / "out"), "--lang", "en"]) == 1
    told = capsys.readouterr().err
    assert "audit.max_far_share" in told and "audit.max_snap_m_p95" in told and "max_unknown_share" not in told
    assert main(["run", str(plan), "--out", str(tmp_path / "out"), "--lang", "en"]) == 1
    told = capsys.readouterr().err
    assert "kindergarten: of 50 % of the children" in told and "audit.max_unknown_share" in told
    assert (tmp_path / "out/toy/run.json").is_file() and (tmp_path / "out/toy.check/check.xlsx").is_file()


@pytest.mark.parametrize(
    "line", ["max_unknown_share = 1.1", "max_snap_m_p95 = 0", "max_unknown_share = nan", "max_x = 1"]
)
def test_a_limit_that_makes_no_sense_is_refused(tmp_path: Path, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(limited(tmp_path, line)), "--out", str(tmp_path / "out"), "--lang", "en"]) == 1
    assert "audit." in capsys.readouterr().err


# --------------------------------------------------------------------------------------------------------------- words


def test_every_measure_of_a_run_is_in_the_catalogue_once_and_in_both_languages(tmp_path: Path) -> None:
    plan = write_toy(tmp_path)
    measures = [catalog.measure(key) for key in run_plan(load_plan(plan)).audit]
    for measure in measures:
        words = (measure.zh, measure.en, measure.help_zh, measure.help_en)
        assert all(words) and not any(mark in word for word in words for mark in "{}<>"), measure.name
        assert catalog.word(f"outputs.unit.{measure.unit}", "zh") and catalog.word(
            f"outputs.group.{measure.group}", "zh"
        )
    for lang in catalog.LANGUAGES:
        names = [(measure.group, getattr(measure, lang)) for measure in measures]
        assert len(set(names)) == len(names)
