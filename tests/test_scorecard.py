"""The scorecard: targets of the catalogue on a county drawn by hand, bounds where data lack, and who is worst off."""

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely import Point, box

from cfc_geo import catalog
from cfc_geo.errors import PlanError
from cfc_geo.model import Answer, Known, Scorecard, Study
from cfc_geo.outputs.score_tables import score_tables
from cfc_geo.questions.scorecard.equity import equity, gini, lorenz, share_of_worst
from cfc_geo.questions.scorecard.judge import judge, judge_answer
from cfc_geo.questions.scorecard.measure import Layers, Measured, measure
from cfc_geo.scoring import score
from cfc_geo.tables import (
    CIRCLE_COLUMNS,
    COVERAGE_COLUMNS,
    FACILITY_COLUMNS,
    FACILITY_NUMBERS,
    FACILITY_TEXTS,
    KIND_WORD,
    children_columns,
)
from cfc_geo.targets import Target, load_targets
from tests.towns import CRS, street_table

PLANS = {name: load_targets(name) for name in catalog.target_plans()}
TARGETS = {target.id: target for plan in PLANS.values() for target in plan.targets}
UNITS = [
    ("A", "甲县", "县", ""), ("A1", "东街道", "街道", "A"), ("A2", "西街道", "街道", "A"),
    ("A11", "一社区", "社区", "A1"),
    ("A12", "二社区", "社区", "A1"), ("A21", "三社区", "社区", "A2"), ("A22", "四社区", "社区", "A2"),
]  # fmt: skip
LEAVES = ("A11", "A12", "A21", "A22")


def county(
    *rows: dict[str, Any], residents: float = 50_000.0, listed: set[str] | None = None, setting: Any = ""
) -> Layers:
    """Four communities side by side, each with `residents` and 100 children of every band; `rows`: facilities, in the
    middle of their unit unless `at` says where. `listed`: kinds of which all are known (default: those there)."""
    place = {unit: box(1000 * n, 0, 1000 * (n + 1), 1000) for n, unit in enumerate(LEAVES)}
    shapes = [place[unit] if unit in place else box(0, 0, 4000, 1000) for unit, *_ in UNITS]
    units = gpd.GeoDataFrame(UNITS, columns=["unit_id", "name", "level", "parent_id"], geometry=shapes, crs=CRS)
    units["setting"] = setting
    origins = gpd.GeoDataFrame(
        {"origin_id": LEAVES, "unit_id": LEAVES, "residents": residents, **dict.fromkeys(children_columns(), 100.0)},
        geometry=[place[unit].centroid for unit in LEAVES],
        crs=CRS,
    )
    blank = {
        **dict.fromkeys((*FACILITY_COLUMNS, *FACILITY_TEXTS, KIND_WORD), ""),
        **dict.fromkeys(("capacity", *FACILITY_NUMBERS), math.nan),
    }
    table = [{**blank, "facility_id": f"f{n}", "name": f"f{n}", "unit_id": "A11", **row} for n, row in enumerate(rows)]
    at = [row.pop("at", place.get(row["unit_id"], box(0, 0, 1, 1)).centroid) for row in table]
    facilities = gpd.GeoDataFrame(table or blank, index=range(len(table)), geometry=at, crs=CRS)
    surveyed = frozenset({row["kind"] for row in rows} if listed is None else listed)
    none = gpd.GeoDataFrame({"highway": [], "sidewalk": []}, geometry=[], crs=CRS)
    study = Study("", CRS, units, origins, facilities, none, none, none, none, surveyed)
    return Layers(study, pd.DataFrame(columns=list(COVERAGE_COLUMNS)), pd.DataFrame(columns=list(CIRCLE_COLUMNS)))


def found(target: str, layers: Layers) -> Measured:
    return measure(TARGETS[target].method, layers)


def ends(one: Measured) -> tuple[float, float]:
    return one.least, one.most


def scored(layers: Layers, *plans: str, known: Known = Known(), year: int = 2026) -> Scorecard:  # noqa: B008
    return score([PLANS[name] for name in plans], layers, year=year, known=known)


def row_of(scorecard: Scorecard, target: str) -> Any:
    return next(scorecard.scores[scorecard.scores["target_id"] == target].itertuples())


# ----------------------------------------------------------------------------------------------------- ten rows by hand


def test_childcare_places_for_a_thousand_residents() -> None:
    """900 places, 200,000 residents: 4.5, which 4.5 includes; one capacity that nobody states leaves a lower bound."""
    homes = [{"kind": "childcare", "capacity": 600.0}, {"kind": "childcare", "capacity": 300.0, "unit_id": "A21"}]
    one = found("LC-018", county(*homes))
    assert ends(one) == (4.5, 4.5)
    assert one.units.set_index("unit_id").loc["A2", "least"] == 3.0, "300 places, 100,000 residents"
    card = scored(county(*homes), "lucheng")
    assert row_of(card, "LC-018").status == "met" and row_of(card, "LC-018").counted
    assert not row_of(card, "LC-080").counted, "the same said twice"
    open_ended = found("LC-018", county(*homes, {"kind": "childcare"}))
    assert ends(open_ended) == (4.5, math.inf) and open_ended.lacking[0].name == "capacity"
    assert row_of(scored(county(homes[1], {"kind": "childcare"}), "lucheng"), "LC-018").status == "no_data"


def test_nursing_rooms_are_owed_over_ten_thousand_of_either() -> None:
    """10,000 m² is not over 10,000; a room within the outline is one; area unknown and few visitors is not known."""
    places = [
        {"area_m2": 10_000.0, "visitors_per_day": 10_000.0, "has_nursing_room": "否"},
        {"area_m2": 10_001.0, "visitors_per_day": 5.0, "has_nursing_room": "是"},
        {"area_m2": 500.0, "visitors_per_day": 10_001.0, "has_nursing_room": "", "at": box(0, 0, 90, 90)},
        {"area_m2": 20_000.0, "visitors_per_day": math.nan, "has_nursing_room": "无", "unit_id": "A21"},
    ]
    rows = [{"kind": "public_place", **place} for place in places]
    none = [{"kind": kind, "area_m2": 1.0, "visitors_per_day": 1.0} for kind in TARGETS["MZ-039"].method.kinds[1:]]  # type: ignore[union-attr]
    one = found("MZ-039", county(*rows, *none, {"kind": "nursing_room", "at": Point(9, 9)}))
    assert ends(one) == pytest.approx((200 / 3, 200 / 3)) and one.lacking == ()
    assert one.units.set_index("unit_id").loc["A21", ["least", "most"]].tolist() == [0, 0]
    doubtful = {"kind": "public_place", "visitors_per_day": 9.0, "has_nursing_room": "否"}
    more = found("MZ-039", county(*rows, *none, doubtful, {"kind": "nursing_room", "at": Point(9, 9)}))
    assert ends(more) == pytest.approx((50, 200 / 3)) and more.lacking[0].name == "area_m2"


def test_demonstration_homes_by_subdistrict_and_by_community() -> None:
    homes = [
        {"kind": "childrens_home", "demonstration": "示范型", "unit_id": "A11"},
        {"kind": "childrens_home", "demonstration": "基础型", "unit_id": "A21"},
        {"kind": "childrens_home", "demonstration": "基础型", "unit_id": "A22"},
    ]
    card = scored(county(*homes), "lucheng")
    by_subdistrict, by_community, basic = (row_of(card, name) for name in ("LC-058", "LC-083", "LC-082"))
    assert (by_subdistrict.measured, by_subdistrict.status, by_subdistrict.units_met) == (50, "missed", 1)
    assert (by_community.measured, by_community.status, by_community.units_judged) == (25, "met", 4)
    assert (basic.measured, basic.status) == (75, "missed")
    assert by_subdistrict.shortfall == 50
    blank = scored(county(*[{**home, "demonstration": ""} for home in homes]), "lucheng")
    assert ends(found("LC-058", county(*[{**home, "demonstration": ""} for home in homes]))) == (0, 100)
    assert row_of(blank, "LC-083").why_not == "lacking"
    assert blank.lacking["lucheng", "LC-083"][0].name == "demonstration"


@pytest.mark.parametrize(
    ("residents", "status"), [(50_000.0, "missed"), (49_999.0, "not_judged"), (math.nan, "no_data")]
)
def test_special_schools_are_owed_from_two_hundred_thousand_residents(residents: float, status: str) -> None:
    """以上 includes 200,000; where no county is so large nothing is owed."""
    school = {"kind": "special_school", "standardised": "否"}
    assert row_of(scored(county(school, residents=residents), "guangxi"), "GX-019").status == status
    good = {"kind": "special_school", "standardised": "是"}
    assert ends(found("GX-019", county(good))) == (1, 1)


def test_every_basic_home_is_linked_to_a_hub_that_there_is() -> None:
    homes = [
        {"kind": "childrens_home", "demonstration": "示范", "name": "东之家"},
        {"kind": "childrens_home", "demonstration": "基础", "hub": "东之家", "unit_id": "A12"},
        {"kind": "childrens_home", "demonstration": "基础", "hub": "f9", "unit_id": "A21"},
        {"kind": "childrens_home", "demonstration": "基础", "hub": "", "unit_id": "A22"},
    ]
    one = found("LC-085", county(*homes))
    assert ends(one) == pytest.approx((100 / 3, 200 / 3)), "one is linked, one to nobody, one does not say"
    assert one.proposal == {"f2": "f0", "f3": "f0"}
    proposed = score_tables(scored(county(*homes), "lucheng"), "zh")["hubs.csv"]
    assert proposed.to_dict("list") == {"facility_id": ["f2", "f3"], "proposed_hub": ["f0", "f0"]}
    nameless = [{**homes[0], "name": ""}, {**homes[3]}]
    assert ends(found("LC-085", county(*nameless))) == (0, 100), "a hub without a name is not what a blank names"


def test_five_haves_are_counted_where_fewest() -> None:
    flags = ("home_space", "home_equipment", "home_staff", "home_services", "home_management")
    full = {"kind": "childrens_home", **dict.fromkeys(flags, "有")}
    assert ends(found("LC-061", county(full, {**full, "home_staff": "无"}))) == (4, 4)
    one = found("LC-061", county(full, {**full, "home_staff": ""}))
    assert ends(one) == (4, 5) and [lack.name for lack in one.lacking] == ["home_staff"]


def test_health_centres_with_a_practitioner() -> None:
    centre = {"kind": "health_centre", "general_practitioners": 2.0}
    assert ends(found("LC-007", county(centre, {**centre, "general_practitioners": 0.0}))) == (50, 50)
    card = scored(county(centre, {**centre, "general_practitioners": 0.0}, {"kind": "health_centre"}), "lucheng")
    assert row_of(card, "LC-007").status == "missed", "whatever the third has, one has none"
    assert (row_of(card, "LC-007").measured, row_of(card, "LC-007").measured_most) == pytest.approx((100 / 3, 200 / 3))


def test_paediatricians_for_a_thousand_children_and_no_full_list() -> None:
    doctors = [{"kind": kind, "child_doctors": 0.5} for kind in TARGETS["LC-006"].method.kinds]  # type: ignore[union-attr]
    assert ends(found("LC-006", county(*doctors))) == pytest.approx((1000 * 0.5 * len(doctors) / 2000,) * 2)
    listed = {row["kind"] for row in doctors[1:]}
    assert found("LC-006", county(*doctors, listed=listed)).most == math.inf


def test_no_internet_cafe_within_two_hundred_metres_of_a_primary_school() -> None:
    school = {"kind": "primary_school", "at": box(100, 100, 200, 200)}
    cafes = [{"kind": "internet_cafe", "at": Point(x, 150)} for x in (400.0, 400.001)]
    near, far = (county(school, cafe) for cafe in cafes)
    assert ends(found("ZC-057", near)) == (1, 1), "200 m, inclusive"
    assert ends(found("ZC-057", far)) == (0, 0)
    assert row_of(scored(near, "zhoucun"), "ZC-057").status == "missed"
    assert row_of(scored(far, "zhoucun"), "ZC-057").status == "met"
    outside = county(school, {**cafes[0], "unit_id": ""})
    assert ends(found("ZC-057", outside)) == (1, 1), "across the border it is as near"


def test_urban_and_rural_communities_are_told_apart_or_not_at_all() -> None:
    """95 % of urban communities, 85 % of rural ones: two and two here, and one of the urban ones has a station."""
    station = {"kind": "family_education_station", "unit_id": "A11"}
    settings = ["", "", "", "urban", "urban", "rural", "rural"]
    layers = county(station, setting=settings)
    assert (ends(found("MZ-109", layers)), ends(found("MZ-110", layers))) == ((50, 50), (0, 0))
    assert found("MZ-109", county(station)).lacking[0].what == "setting"


def test_a_target_of_the_province_is_not_judged_on_a_county() -> None:
    card = scored(county({"kind": "friendly_space", KIND_WORD: "儿童友好基地", "rank": "市级"}), "meizhou")
    assert (row_of(card, "MZ-003").status, row_of(card, "MZ-003").why_not) == ("not_judged", "scope")
    assert row_of(card, "MZ-003").measured == 1


def test_the_whole_circle_is_reported_and_judged_by_the_planner_s_own_threshold() -> None:
    layers = county()
    circle = pd.DataFrame(
        [("all", "", "", "0-2", 400.0, 100.0, 200.0, 100.0), ("A1", "", "", "0-2", 200.0, 100.0, 100.0, 0.0)],
        columns=["unit_id", "unit_name", "level", "band", "children", "complete", "incomplete", "unknown"],
    )
    layers = Layers(layers.study, layers.coverage_by_unit, circle)
    assert ends(found("ZC-038", layers)) == (25, 50)
    told = {
        value: row_of(scored(layers, "zhoucun", known=Known(thresholds={"ZC-038": value})), "ZC-038")
        for value in (25.0, 40.0, 50.1)
    }
    assert [row.status for row in told.values()] == ["met", "no_data", "missed"]
    assert row_of(scored(layers, "zhoucun"), "ZC-038").why_not == "threshold"


def test_a_word_is_a_word_and_no_part_of_another() -> None:
    clinic = {"kind": "maternal_child_health", "standardised": "是"}
    ranks = {"区级": 1, "自治区级": 0, "社区级": 0, "市级、区级": 1}
    for rank, count in ranks.items():
        assert ends(found("LC-005", county({**clinic, "rank": rank}))) == (count, count), rank
    assert ends(found("LC-005", county({**clinic, "rank": "本区重点"}))) == (0, 1), (
        "a word that nobody knows says nothing"
    )


def test_what_a_list_or_a_level_leaves_out_is_not_met() -> None:
    """Of kindergartens that may not all be listed, and of counties that no boundary shows."""
    garden = {"kind": "kindergarten", "ownership": "公办", "toddler_classes": 2.0}
    assert ends(found("MZ-010", county(garden))) == (2, 2)
    assert ends(found("MZ-010", county(garden, listed=set()))) == (0, 2)
    clinic = {"kind": "maternal_child_health", "standardised": "是", "public_run": "是"}
    assert found("SX-021", county(clinic)).least == 1, "a wider level has no fewer"
    city = county(clinic)
    city.study.units["level"] = city.study.units["level"].replace({"县": "市"})
    assert found("SX-021", city).least == 0, "of its counties nobody knows"


def test_streets_and_gates_of_others_do_not_count() -> None:
    layers = county({"kind": "primary_school"})
    lines = [[(0, 500), (4000, 500)], [(4000, 500), (9000, 500)]]
    streets, _ = street_table(lines)
    streets["highway"], streets["sidewalk"] = "residential", ["both", "no"]
    gates = pd.DataFrame({"facility_id": ["f0", "other"], "speed_status": ["met", "not_met"]})
    gates = gates.assign(crossing_status="met", signal_status="not_needed")
    inside = Layers(replace(layers.study, streets=streets), layers.coverage_by_unit, layers.circle_by_unit, gates)
    assert ends(found("MZ-020", inside)) == (100, 100) and ends(found("ZC-042", inside)) == (100, 100)


def test_towns_and_subdistricts_are_one_level() -> None:
    rows = [(unit, unit, level, "park", "0-2", 500.0, 100.0, covered, 100 - covered, 0.0)
            for unit, level, covered in (("A1", "街道", 50.0), ("A2", "镇", 0.0))]  # fmt: skip
    (row,) = equity(
        pd.DataFrame(rows, columns=list(COVERAGE_COLUMNS)[:10]), pd.DataFrame(columns=list(CIRCLE_COLUMNS))
    ).itertuples()
    assert (row.units, row.worst_unit, row.level) == (2, "A2", "街道、镇")


@pytest.mark.parametrize(
    "method",
    [
        '{ by = "per_facility", kinds = ["park"] }', '{ by = "per_facility", kinds = ["park"], of = "rank" }',
        '{ by = "count", kinds = ["park"], sum = "name" }',
        '{ by = "count", kinds = ["park"], where = { capacity = true } }',
        '{ by = "per_facility", kinds = ["park"], flags = ["capacity"] }',
        '{ by = "count", kinds = ["park"], where = { capacity = { least = 9, most = 1 } } }',
    ],
)  # fmt: skip
def test_a_method_that_makes_no_sense_is_told_and_never_run(method: str, tmp_path: Any) -> None:
    text = (
        'id = "x"\nzh = "x"\nen = "x"\nplace = {zh = "x", en = "x"}\nscope = "county"\nversion = "1"\n'
        'source = {zh = "x", en = "x"}\n[[targets]]\nid = "a"\nzh = "a"\nen = "a"\nrows = "S"\nclause = "1"\n'
        'compare = "at_least"\nvalue = 1\nunit = "个"\nyear_basis = "none"\nmethod = ' + method + "\n"
    )
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    with pytest.raises(PlanError):
        load_targets(str(tmp_path / "mine.toml"))


# ---------------------------------------------------------------------------------------------------------------- rules


def target(**more: Any) -> Target:
    said = {"zh": "一", "en": "one"}
    row = {
        "id": "X",
        **said,
        "rows": "T",
        "clause": "一",
        "compare": "at_least",
        "value": 10.0,
        "unit": "%",
        "year_basis": "none",
        "data": said,
    }
    return Target.model_validate({key: value for key, value in (row | more).items() if value is not None})


@pytest.mark.parametrize(
    ("compare", "statuses"),
    [
        ("at_least", ["missed", "met", "met"]), ("more_than", ["missed", "missed", "met"]),
        ("at_most", ["met", "met", "missed"]), ("less_than", ["met", "missed", "missed"]),
        ("exactly", ["missed", "met", "missed"]),
    ],
)  # fmt: skip
def test_numbers_are_read_as_the_civil_code_reads_them(compare: str, statuses: list[str]) -> None:
    assert [judge(target(compare=compare), value, value).status for value in (9.9, 10.0, 10.1)] == statuses
    third = sum([1 / 3] * 30)
    assert judge(target(compare=compare), third, third).status == statuses[1], "a sum of thirds is ten"


@given(
    st.sampled_from(["at_least", "more_than", "at_most", "less_than", "exactly"]),
    st.floats(0, 20),
    st.floats(0, 20),
    st.floats(0, 1),
)
def test_what_is_judged_between_two_bounds_holds_for_everything_between(
    compare: str, one: float, other: float, share: float
) -> None:
    least, most = sorted((one, other))
    told = judge(target(compare=compare), least, most)
    inside = least + share * (most - least)
    if told.status != "no_data":
        assert judge(target(compare=compare), inside, inside).status == told.status
    assert (told.status == "missed") == (not math.isnan(told.gap))


def test_trends_need_an_earlier_year_and_presence_is_never_met_by_itself() -> None:
    rises = target(compare="rises", value=None)
    assert judge(rises, 5, 5).why == "earlier"
    assert [judge(rises, 5, 5, earlier=before).status for before in (4, 5, 6)] == ["met", "missed", "missed"]
    assert judge(target(compare="falls", value=None), 5, 5, earlier=6).status == "met"
    present = target(compare="present", value=None)
    assert judge(present, 99, 99).why == "threshold" and judge(present, 3, 3, threshold=3).status == "met"


def test_a_yes_needs_a_document_and_an_unanswered_row_waits() -> None:
    asked = target(rows="Q", compare="yes", value=None, unit="-")
    answers = [None, Answer(done="no"), Answer(done="yes"), Answer(done="yes", evidence="区政办〔2024〕3号")]
    told = [judge_answer(asked, answer) for answer in answers]
    assert [(one.status, one.why) for one in told] == [
        ("no_data", "form"),
        ("missed", ""),
        ("no_data", "evidence"),
        ("met", ""),
    ]
    assert judge_answer(target(), Answer(value=12.0)).status == "met" and judge_answer(target(), Answer()).why == "form"


def test_the_register_keeps_what_was_written_into_it() -> None:
    homes = [{"kind": "childrens_home", "unit_id": unit} for unit in ("A11", "A21")]
    first = scored(county(*homes), "lucheng").gaps
    mine = first[first["target_id"] == "LC-082"]
    assert (
        mine["unit_id"].tolist() == ["A12", "A22"] and (mine["children"] == 500).all() and (mine["priority"] == 1).all()
    )
    assert set(first.loc[first["target_id"] == "LC-082", "level"]) == {"社区"}, "the narrowest level, each child once"
    written = first.assign(
        gap_status=["立项" if gap == "lucheng/LC-082/A12" else "new" for gap in first["gap_id"]], remarks="x"
    )
    then = scored(
        county(*homes, {"kind": "childrens_home", "unit_id": "A22"}), "lucheng", known=Known(register=written)
    ).gaps
    status = dict(zip(then["gap_id"], then["gap_status"], strict=True))
    assert status["lucheng/LC-082/A12"] == "立项" and status["lucheng/LC-082/A22"] == "closed"
    unknown = scored(county(listed=set()), "lucheng", known=Known(register=written)).gaps
    kept = dict(zip(unknown["gap_id"], unknown["gap_status"], strict=True))
    assert kept["lucheng/LC-082/A22"] == "open", "of which nothing is known today is not closed"
    numbers = unknown.set_index("gap_id").loc["lucheng/LC-082/A22"]
    assert (numbers["children"], numbers["target_value"]) == (500, 100)


def test_all_plans_are_whole_and_every_computed_row_is_measured() -> None:
    counts = {name: len(plan.targets) for name, plan in PLANS.items()}
    assert counts == {"guangxi": 74, "lucheng": 100, "meizhou": 119, "shanxi": 62, "zhoucun": 62}
    assert sum(target.rows == "S" for target in TARGETS.values()) == 142 and len(TARGETS) == 417
    assert [name for name, plan in PLANS.items() if plan.draft] == ["lucheng"]
    layers = county()
    for of in TARGETS.values():
        if of.method is not None:
            one = measure(of.method, layers)
            assert one.lacking or not math.isnan(one.least), f"{of.id} is not known, and nothing is lacking"


def test_a_file_of_targets_says_everything_that_is_wrong_with_it(tmp_path: Any) -> None:
    text = (
        'id = "x"\nzh = "x"\nen = "x"\nplace = {zh = "x", en = "x"}\nscope = "county"\nversion = "1"\n'
        'source = {zh = "x", en = "x"}\n[[targets]]\nid = "a"\nzh = "a"\nen = "a"\nrows = "S"\nclause = "1"\n'
        'compare = "at_least"\nvalue = 1\nunit = "furlong"\nyear_basis = "none"\n'
        'method = { by = "guess" }\n[[targets]]\nid = "b"\nzh = "b"\nen = "b"\nrows = "S"\nclause = "1"\n'
        'compare = "at_least"\nvalue = 1\nunit = "个"\nyear_basis = "none"\n'
        'method = { by = "count", kinds = ["parc"], wher = {} }\n'
    )
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(PlanError) as caught:
        load_targets(str(file))
    told = "\n".join(finding.text("en") for finding in caught.value.findings)
    assert "furlong" in told and "per_thousand" in told and "park" in told and "wher" in told and "where" in told


# --------------------------------------------------------------------------------------------------------------- equity


GROUPS = st.lists(st.tuples(st.floats(1, 100), st.floats(0.01, 1)), min_size=2, max_size=9)


@given(GROUPS)
def test_gini_is_the_mean_difference_of_pairs(groups: list[tuple[float, float]]) -> None:
    """By its definition, over all pairs of children."""
    children, share = np.array(groups).T
    n, mean = children.sum(), (children * share).sum() / children.sum()
    pairs = (children[:, None] * children[None, :] * np.abs(share[:, None] - share[None, :])).sum()
    curve = lorenz(children, children * share)
    assert gini(curve) == pytest.approx(pairs / (2 * n**2 * mean), abs=1e-9)
    assert share_of_worst(curve) <= 0.2 + 1e-9
    assert all(b >= a - 1e-12 for a, b in pairwise(curve.served)) and curve.served[-1] == pytest.approx(1)


def test_all_alike_is_nought_and_one_has_all() -> None:
    same = lorenz(np.array([10.0, 30.0]), np.array([5.0, 15.0]))
    assert gini(same) == pytest.approx(0) and share_of_worst(same) == pytest.approx(0.2)
    one = lorenz(np.array([50.0, 50.0]), np.array([0.0, 50.0]))
    assert gini(one) == pytest.approx(0.5) and share_of_worst(one) == 0


def test_best_and_worst_unit() -> None:
    rows = [
        ("A11", "一社区", "社区", "park", "0-2", 500.0, 100.0, 50.0, 50.0, 0.0),
        ("A12", "二社区", "社区", "park", "0-2", 500.0, 100.0, 0.0, 90.0, 10.0),
    ]
    coverage = pd.DataFrame(rows, columns=list(COVERAGE_COLUMNS)[:10])
    table = equity(coverage, pd.DataFrame(columns=list(CIRCLE_COLUMNS)))
    (row,) = table.itertuples()
    assert (row.best_unit, row.best_share, row.worst_unit, row.worst_share, row.unknown) == (
        "一社区",
        0.5,
        "二社区",
        0,
        10,
    )
    assert (row.covered_share, row.gini) == (0.25, pytest.approx(0.5))
