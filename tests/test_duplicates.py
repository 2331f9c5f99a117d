"""One facility recorded twice: found by name and place, never merged without a rule, no places lost."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from cfc_geo.blocks import Duplicates
from cfc_geo.cli import main
from cfc_geo.errors import Findings
from cfc_geo.inputs.duplicates import alikeness, core, find_duplicates, merge_duplicates, place_pattern
from cfc_geo.inputs.study import read_study
from cfc_geo.plan import load_plan
from tests.toyplan import PLAN, facility_rows, lonlat, write_csv, write_toy

ROOT = Path(__file__).parents[1]
CRS = "EPSG:4549"
Row = tuple[str, str, str, float, float, float]


def layer(*rows: Row) -> gpd.GeoDataFrame:
    """facility_id, kind, name, x, capacity of facilities on a line, metres."""
    names = ("facility_id", "kind", "name", "x", "y", "capacity")
    columns = (
        dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)) if rows else {name: [] for name in names}
    )
    shapes = shapely.points(np.array(columns.pop("x"), dtype=float), np.array(columns.pop("y"), dtype=float))
    return gpd.GeoDataFrame({**columns, "source": "f.csv"}, geometry=shapes, crs=CRS)


def pairs(facilities: gpd.GeoDataFrame, within_m: float = 100, likeness: float = 0.8) -> set[tuple[int, int]]:
    found = find_duplicates(facilities, ["五马街道"], within_m=within_m, likeness=likeness)
    return set(zip(found["one"], found["other"], strict=True))


def rule(**keys: object) -> Duplicates:
    return Duplicates.model_validate({"capacity": "sum", "why": "实地核实", **keys})


# ------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("枫亭幼儿园", "示例区枫亭幼儿园（普惠）", True),
        ("温州市鹿城区阳光托育中心", "阳光托育园", True),
        ("五马街道清溪幼儿园", "清溪幼儿园", True),
        ("阳光幼儿园", "阳光幼儿园（东校区）", True),
        ("ABC 托育园", "ＡＢＣ托育", True),
        ("第一小学", "第二小学", False),
        ("阳光幼儿园（东园）", "阳光幼儿园（西园）", False),
        ("阳光幼儿园(一部)", "阳光幼儿园(二部)", False),
        ("阳光幼儿园（东校区）", "阳光幼儿园【东园】", True),
        ("清溪第十一小学", "清溪第十二小学", False),
        ("南渡社区儿童之家", "柳岸社区儿童之家", False),
        ("阳光小区幼儿园", "月亮小区幼儿园", False),
        ("阳光幼儿园", "", False),
        ("", "", False),
    ],
)
def test_names_are_compared_by_what_tells_them_apart(one: str, other: str, alike: bool) -> None:
    places = place_pattern(["五马街道"])
    assert (alikeness(core(one, places), core(other, places)) >= 0.8) == alike


@given(st.text(max_size=12), st.text(max_size=12))
def test_likeness_is_symmetric_and_one_for_the_same(one: str, other: str) -> None:
    assert alikeness(one, other) == alikeness(other, one) and 0 <= alikeness(one, other) <= 1
    assert alikeness(one, one) == (1 if one else 0)


# ------------------------------------------------------------------------------------------------------------- pairs


def test_only_near_records_of_one_kind_with_names_alike_are_pairs() -> None:
    facilities = layer(
        ("a", "kindergarten", "阳光幼儿园", 0, 0, 90),
        ("b", "kindergarten", "阳光幼儿园（南）", 100, 0, 90),
        ("c", "kindergarten", "阳光幼儿园", 200.1, 0, 90),
        ("d", "childcare", "阳光托育园", 0, 0, 30),
        ("e", "kindergarten", "月亮幼儿园", 0, 0, 90),
    )
    assert pairs(facilities) == {(0, 1)}, "100 m is within 100 m, and 100.1 m is not"
    assert pairs(facilities, within_m=101) == {(0, 1), (1, 2)}


def test_sessions_of_one_school_and_records_without_a_name_on_one_point() -> None:
    facilities = layer(
        ("S5-1", "primary_school", "实验学校小学部", 0, 0, 90),
        ("S5-2", "middle_school", "实验学校初中部", 0, 0, 90),
        ("p", "playground", "", 50, 0, np.nan),
        ("q", "playground", "", 50, 0.5, np.nan),
        ("r", "playground", "", 50, 9, np.nan),
    )
    assert pairs(facilities, likeness=0.5) == {(0, 1), (2, 3)}
    merged = merge_duplicates(facilities, rule(within_m=10, likeness=0.5), [], Findings())
    assert merged.into == {}, "stages of one school stay two, and records without a name are never merged by rule"


def test_courts_side_by_side_are_two_and_drawn_twice_are_one() -> None:
    courts = [shapely.box(x, 0, x + 20, 10) for x in (0, 20, 20.5)]
    table = {"facility_id": list("abc"), "kind": "sports_ground", "name": "", "capacity": np.nan, "source": "f"}
    assert pairs(gpd.GeoDataFrame(table, geometry=courts, crs=CRS)) == {(1, 2)}


NAMES = st.sampled_from(["阳光", "阳光幼儿园", "阳光（东）", "月亮", "第一小学", "第二小学", ""])
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["kindergarten", "primary_school"]), NAMES, st.integers(0, 120), st.integers(0, 40),
        st.integers(0, 500),
    ),
    max_size=12,
)  # fmt: skip


def drawn(rows: list[tuple[str, str, int, int, int]]) -> gpd.GeoDataFrame:
    return layer(*[(f"f{at:02}", kind, name, x, y, float(cap)) for at, (kind, name, x, y, cap) in enumerate(rows)])


@settings(deadline=None)
@given(ROWS, st.randoms())
def test_pairs_do_not_depend_on_the_order_of_records(
    rows: list[tuple[str, str, int, int, int]], random: object
) -> None:
    facilities = drawn(rows)
    order = list(range(len(rows)))
    random.shuffle(order)  # type: ignore[attr-defined]
    turned = facilities.iloc[order].reset_index(drop=True)
    ids = turned["facility_id"].to_numpy()
    by_id = {tuple(sorted((ids[one], ids[other]))) for one, other in pairs(turned)}
    assert by_id == {(f"f{one:02}", f"f{other:02}") for one, other in pairs(facilities)}


@settings(deadline=None)
@given(ROWS)
def test_nothing_is_merged_without_a_rule(rows: list[tuple[str, str, int, int, int]]) -> None:
    facilities = drawn(rows)
    before, findings = facilities.copy(), Findings()
    for given_rule in (None, rule(), rule(distinct=[["f00", "f01"]] if len(rows) > 1 else [])):
        merged = merge_duplicates(facilities, given_rule, [], findings)
        assert merged.into == {} and merged.facilities.equals(before)
    assert facilities.equals(before)


@settings(deadline=None)
@given(ROWS, st.sampled_from(["first", "max", "sum"]))
def test_merging_by_rule_keeps_places_and_joins_no_chains(rows: list[tuple[str, str, int, int, int]], how: str) -> None:
    facilities, findings = drawn(rows), Findings()
    met = pairs(facilities, within_m=60, likeness=0.9)
    merged = merge_duplicates(facilities, rule(within_m=60, likeness=0.9, capacity=how), [], findings)
    kept = merged.facilities
    assert len(kept) + len(merged.into) == len(facilities)
    assert set(merged.into.values()) <= set(kept["facility_id"]) and set(merged.into).isdisjoint(kept["facility_id"])
    assert all(kept_id < gone for gone, kept_id in merged.into.items()), "the first record is the one that stays"
    at = {facility_id: position for position, facility_id in enumerate(facilities["facility_id"])}
    assert {(at[kept_id], at[gone]) for gone, kept_id in merged.into.items()} <= met
    total, before = kept["capacity"].sum(), facilities["capacity"].sum()
    assert total == before if how == "sum" else total <= before
    listed = {gone for finding in findings if finding.code == "duplicates.merged" for gone in finding.values["ids"]}
    assert listed == set(merged.into)


def test_three_in_a_row_are_not_one_only_because_each_is_near_the_next() -> None:
    facilities = layer(*((name, "park", "甲", x, 0, 1) for name, x in (("a", 0), ("b", 50), ("c", 100), ("d", 150))))
    findings = Findings()
    merged = merge_duplicates(facilities, rule(within_m=60, likeness=0.9), [], findings)
    assert merged.into == {"b": "a", "d": "c"}
    assert [finding.code for finding in findings].count("duplicates.pair") >= 1, "b and c are still a question"


def test_capacity_of_what_is_merged() -> None:
    facilities = layer(("a", "park", "甲", 0, 0, np.nan), ("b", "park", "甲", 0, 0, 30), ("c", "park", "甲", 0, 0, 50))
    for how, expected in (("first", 30), ("max", 50), ("sum", np.nan)):
        merged = merge_duplicates(facilities, rule(same=[["a", "b", "c"]], capacity=how), [], Findings())
        np.testing.assert_equal(merged.facilities["capacity"].tolist(), [expected])
        assert merged.into == {"b": "a", "c": "a"}


def test_lists_of_the_plan_are_checked() -> None:
    facilities = layer(("a", "park", "甲", 0, 0, 1), ("b", "library", "甲", 900, 0, 1), ("c", "park", "甲", 0, 5, 1))
    listed, findings = rule(same=[["a", "b"], ["a", "zz"]], distinct=[["a", "c"]]), Findings()
    merged = merge_duplicates(facilities, listed, [], findings, plan_file="p.toml")
    assert {finding.file for finding in findings} == {"p.toml"}
    assert [finding.code for finding in findings] == ["duplicates.no_such_id", "duplicates.kinds_differ"]
    assert merged.into == {}


def test_many_pairs_are_counted_not_listed() -> None:
    facilities = layer(*[(f"f{at}", "park", "滨江公园", at, 0, 1.0) for at in range(12)])
    findings = Findings()
    merge_duplicates(facilities, None, [], findings)
    assert len(findings) == 51 and findings[-1].values["count"] == 66 - 50


# --------------------------------------------------------------------------------------------------------- in a plan


def test_the_pair_of_the_sample_is_reported_with_both_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(ROOT / "scenarios/base.toml"), "--lang", "en"]) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if "may be one facility" in line]
    assert len(told) == 1 and "S005 枫亭幼儿园 and S029" in told[0] and "5 m apart" in told[0], told


def test_a_rule_merges_in_the_study_and_gates_follow(tmp_path: Path) -> None:
    block = '[duplicates]\nsame = [["K", "K2"]]\ncapacity = "max"\nwhy = "两部门各报一次"\n[streets]'
    gates = 'entrances = { file = "data/gates.csv", datum = "wgs84" }\n'
    text = PLAN.replace("[streets]", block).replace('columns = { id = "编号"', gates + 'columns = { id = "编号"')
    plan = write_toy(tmp_path, text)
    rows = facility_rows()
    write_csv(tmp_path / "data/facilities.csv", [*rows, ["K2", "镇幼儿园", "幼儿园", *lonlat(140, 0), 120]])
    write_csv(tmp_path / "data/gates.csv", [["设施", "经度", "纬度"], ["K2", *lonlat(140, 0)]])
    study = read_study(load_plan(plan))
    assert study.merged == {"K2": "K"}
    kept = study.facilities.set_index("facility_id")
    assert "K2" not in kept.index and kept.loc["K", "capacity"] == 120
    assert study.entrances.set_index("facility_id").loc["K", "evidence"] == "given"
    told = [finding for finding in study.findings if finding.code == "duplicates.merged"]
    assert len(told) == 1 and "两部门各报一次" in told[0].text("zh") and "K2" in told[0].text("en")


def test_half_a_rule_is_a_fault_of_the_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    block = '[duplicates]\nwithin_m = 50\ncapacity = "max"\nwhy = "合并"\n[streets]'
    plan = write_toy(tmp_path, PLAN.replace("[streets]", block))
    assert main(["check", str(plan), "--lang", "en"]) == 1
    assert "duplicates needs both within_m and likeness" in capsys.readouterr().err
