"""Streets for children, whole: what mending is said to bring is what a run on the mended town finds; the tables and
the command line."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from openpyxl import load_workbook

from cfc_geo import catalog
from cfc_geo.blocks import StreetsForChildren
from cfc_geo.cli import main
from cfc_geo.inputs.study import horizon_m, read_study
from cfc_geo.model import ChildStreets, Study
from cfc_geo.network.costs import nearest_costs
from cfc_geo.network.flows import excess_of, walk_flows, ways_of
from cfc_geo.network.sided import sided_graph
from cfc_geo.network.stress import segment_stress
from cfc_geo.outputs.streets_report import headline, summary
from cfc_geo.plan import Plan, load_plan
from cfc_geo.questions.alone import measure_alone
from cfc_geo.questions.coverage import kinds_in_question, measure_coverage, sum_coverage
from cfc_geo.questions.exposure import Places, Walked, rank_places
from cfc_geo.run import join_network
from cfc_geo.streets import Ground, measure_streets
from cfc_geo.tables import ALL_UNITS
from tests.edited import study_of
from tests.random_towns import Place
from tests.test_flows import PATH, Town, drawn
from tests.toyplan import PLAN, write_toy

ROOT = Path(__file__).parents[1]
BARE = {"highway": "tertiary", "maxspeed": "40", "lanes": "2"}
ASKED = StreetsForChildren(kinds=["primary_school", "park"], measure=12)


def ground_of(plan: Plan, study: Study) -> Ground:
    network, attachment, _ = join_network(plan, study)
    norms = plan.resolved_norms()
    kinds = kinds_in_question(study, norms, plan.resolved_baskets())
    nearest = nearest_costs(network, attachment, study.facilities, kinds=kinds, horizon_m=horizon_m(plan))
    coverage = measure_coverage(nearest, study, norms)
    return Ground(study, network, attachment, coverage, norms, plan.access, plan.walk.snap_limit_m, plan.file.name)


@pytest.fixture(scope="module")
def sample() -> tuple[Plan, Study]:
    plan = load_plan(ROOT / "scenarios/base.toml")
    return plan, read_study(plan)


@pytest.fixture(scope="module")
def found(sample: tuple[Plan, Study]) -> ChildStreets:
    return measure_streets(ASKED, ground_of(*sample))


def low_stress(of: ChildStreets) -> float:
    return float(of.trips["low_stress"].sum())


def test_mending_a_street_brings_what_was_measured(sample: tuple[Plan, Study], found: ChildStreets) -> None:
    """The tags of the street are changed and everything is done again from the start."""
    plan, study = sample
    ranked = found.ranked[found.ranked["element"] == "segment"]
    best = ranked.sort_values("children_gaining", ascending=False).iloc[0]
    assert best["children_gaining"] > 0 and best["remedies"].split(";")[0] in ("footway", "30_kmh+footway")
    mine = study.streets["street_id"] == best["street_id"]
    mended = study.streets.copy()
    mended.loc[mine, ["sidewalk", "sidewalk_width", "parking"]] = ["both", "2.0", ""]
    if "30_kmh" in best["remedies"]:
        mended.loc[mine, "maxspeed"] = "30"
    again = measure_streets(replace_measure(0), ground_of(plan, replace(study, streets=mended)))
    assert low_stress(again) - low_stress(found) == pytest.approx(best["children_gaining"])


def replace_measure(measure: int) -> StreetsForChildren:
    return ASKED.model_copy(update={"measure": measure})


def test_ranked_by_exposure_and_each_with_its_numbers(found: ChildStreets) -> None:
    ranked = found.ranked
    assert (np.diff(ranked["exposure"]) <= 1e-9).all()
    exposed = ranked[ranked["rank"] > 0]
    assert (exposed["exposure"] > 0).all() and (ranked.loc[ranked["rank"] == 0, "exposure"] <= 1e-9).all()
    assert (exposed["exposure"] <= 3 * exposed["children"] + 1e-6).all()
    assert ranked["children_gaining"].notna().sum() == ASKED.measure
    assert ranked["stress"].between(1, 4).all() and (ranked["children_shortest"] >= 0).all()
    assert set(ranked["element"]) == {"segment", "crossing"}
    assert set(ranked["stress_evidence"]) <= {"tagged", "inferred", "assumed"}


def test_every_child_walks_or_is_said_not_to(found: ChildStreets) -> None:
    trips = found.trips
    np.testing.assert_allclose(trips["walking"] + trips["beyond"] + trips["no_way"], trips["wanting"])
    assert (trips["low_stress"] <= trips["walking"]).all() and (trips["low_stress"] > 0).all()
    assert (trips["mean_easiest_m"] >= trips["mean_shortest_m"]).all()


def test_alone_with_an_adult_and_anyhow(sample: tuple[Plan, Study], found: ChildStreets) -> None:
    plan, study = sample
    alone = found.alone
    assert (alone["with_adult"] <= alone["within"] + 1e-9).all()
    by_child = alone[alone["profile"] != "stroller"]
    assert (by_child["alone"] <= by_child["with_adult"] + 1e-9).all()
    between = alone[[name for name in alone if name.startswith("between_")]].sum(axis=1)
    np.testing.assert_allclose(between, alone["within"] - alone["alone"], atol=1e-6)
    assert (alone["between_steps"].to_numpy() == 0)[alone["profile"] != "stroller"].all()
    younger, older = (alone[alone["profile"] == name].set_index(["unit_id", "kind"])["alone"]
                      for name in ("alone_6_8", "alone_9_11"))  # fmt: skip
    assert (younger <= older + 1e-9).all() and younger.sum() < older.sum()
    ground = ground_of(plan, study)
    speeds = dict.fromkeys(catalog.bands(), 1.0)
    covered = sum_coverage(ground.coverage, study.origins, study.units, speeds)
    both = alone.merge(covered, on=["unit_id", "kind", "band"], suffixes=("", "_c"))
    assert len(both) == len(alone)
    np.testing.assert_allclose(both["within"], both["covered"])


def test_who_gets_there_alone_is_proven_whether_or_not_all_is_listed(sample: tuple[Plan, Study]) -> None:
    plan, study = sample
    told = []
    for surveyed in (study.surveyed, frozenset[str]()):
        ground = ground_of(plan, replace(study, surveyed=surveyed))
        stress = segment_stress(study.streets)
        graph = sided_graph(ground.network, study.streets, study.nodes, stress)
        ways = ways_of(study, ground.network, graph, stress, snap_limit_m=ground.snap_limit_m)
        told.append(measure_alone(ways, ground.study, ground.coverage))
    listed, partly = told
    proven = ["children", "within", "with_adult", "alone", *(name for name in listed if name.startswith("between_"))]
    pd.testing.assert_frame_equal(listed[proven], partly[proven])
    np.testing.assert_allclose(partly["unknown"], partly["children"] - partly["within"])


def places_of(made: Town, name: str) -> Places:
    """The places that the children of a drawn town walk over, as one profile."""
    profile = catalog.profiles()[name]
    excess = excess_of(made.ways, profile)
    flows = walk_flows(made.ways, excess, made.trips, detour=1.25)
    study = replace(made.study, units=study_of(Place(*[made.study.origins] * 5)).units)
    return rank_places([Walked("playground", profile, made.trips, excess, flows)], made.ways, study, detour=1.25)


@pytest.mark.parametrize(("highway", "gaining"), [("tertiary", 1.0), ("trunk", 0.0)])
def test_what_no_remedy_is_enough_for_is_mended_by_nothing(highway: str, gaining: float) -> None:
    """The way to school is along a street with a remedy, then along another, then along a path that is fine."""
    tags = {"highway": highway, "maxspeed": "80", "lanes": "2"}
    ways = (
        ([(0.0, 0.0), (100.0, 0.0)], BARE),
        ([(100.0, 0.0), (200.0, 0.0)], tags),
        ([(200.0, 0.0), (300.0, 0.0)], PATH),
    )
    places = places_of(drawn(*ways, homes={"h": (0.0, 8.0)}, doors={"s": (300.0, 8.0)}), "alone_9_11")
    hard = np.flatnonzero(places.ranked["exposure"] > 0)
    assert len(hard) >= 2
    for rows in (hard, np.arange(len(places.ranked))):
        assert places.children_gaining(rows).sum() == gaining


def test_a_long_street_is_crossed_where_its_children_live() -> None:
    """Home and school face each other at one end of a street whose middle is far from both."""
    road = ([(0.0, 0.0), (2000.0, 0.0)], {**BARE, "sidewalk": "both", "sidewalk_width": "2", "highway": "secondary"})
    places = places_of(drawn(road, homes={"h": (50.0, -8.0)}, doors={"s": (60.0, 8.0)}), "alone_6_8")
    (crossing,) = np.flatnonzero(places.ranked["element"] == "crossing")
    assert places.ranked["remedies"].iloc[crossing] == "signal"
    assert places.children_gaining(np.array([crossing])).sum() == 1.0


# ---------------------------------------------------------------------------------------------------- the command line


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


TOLD = (
    PLAN
    + '[streets_for_children]\nkinds = ["primary_school", "park"]\nmeasure = 3\nfarthest_m = 1500\ncorridor_m = 100\n'
)


def test_the_verb_and_run_write_the_same_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan, out = write_toy(tmp_path, TOLD), tmp_path / "out"
    busy = plan.parent / "data/streets.osm"
    busy.write_text(busy.read_text(encoding="utf-8").replace('v="residential"', 'v="secondary"'), encoding="utf-8")
    assert main(["streets", str(plan), "--out", str(out), "--lang", "en"]) == 0
    said = capsys.readouterr().out
    assert "nowhere too hard" in said
    assert main(["run", str(plan), "--out", str(out), "--lang", "en"]) == 0
    lines = said.splitlines()[1:-1]
    assert len(lines) > 4 and set(lines) <= set(capsys.readouterr().out.splitlines()), "a run says so too"
    verb, run = out / "toy.streets", out / "toy"
    book = load_workbook(run / "workbook.xlsx", read_only=True)
    assert {"Trips", "Hardest places", "Corridors", "Corridor parts", "Alone", "School gates"} <= set(book.sheetnames)
    assert book["Trips"].max_row == 3, "a heading, and a row a kind"
    for name in ("streets.csv", "crossings.csv", "schools.csv", "trips.csv", "alone.csv"):
        assert (verb / name).read_bytes() == (run / name).read_bytes(), name
    assert (verb / "map.html").read_bytes() == (run / "streets.html").read_bytes()
    sheets = {path.name for path in verb.glob("*.pdf")}
    assert sheets and sheets == {path.name for path in run.glob("*.pdf")}
    assert {path.name for path in verb.glob("*.toml")} <= {path.name for path in run.glob("*.toml")}
    layers = set(gpd.list_layers(run / "result.gpkg")["name"])
    assert {"walked_streets", "school_gates"} <= layers
    assert set(gpd.list_layers(verb / "streets.gpkg")["name"]) == layers & {
        "walked_streets", "walked_crossings", "school_gates", "corridors", "new_links"
    }  # fmt: skip
    record = json.loads((verb / "run.json").read_text(encoding="utf-8"))
    assert {row["file"] for row in record["files"]} == {path.name for path in verb.iterdir()} - {"run.json"}
    assert record["asked"]["kinds"] == ["primary_school", "park"] and record["evidence"]["stress"]["assumed"] > 0


def test_the_toy_town_s_children_walk_along_its_street(tmp_path: Path) -> None:
    """Primary school S at 800, on the street from 400 to 1200: a (1) and b (2) come along its west, c (4) and f (32)
    down the lane, d (8) and e (16) live beside it."""
    plan, out = write_toy(tmp_path, TOLD), tmp_path / "out"
    assert main(["streets", str(plan), "--kind", "primary_school", "--out", str(out)]) == 0
    walked = {row["length_m"]: row["children"] for row in rows_of(out / "toy.streets/streets.csv")}
    assert walked == {"400.0": "3", "800.0": "63", "300.0": "36"}
    (trips,) = rows_of(out / "toy.streets/trips.csv")
    assert (trips["walking"], trips["beyond"], trips["profile"]) == ("63", "0", "alone_9_11")


def test_a_run_that_does_not_ask_writes_nothing_of_it(tmp_path: Path) -> None:
    plan, out = write_toy(tmp_path), tmp_path / "out"
    assert main(["run", str(plan), "--out", str(out)]) == 0
    assert not (out / "toy/trips.csv").exists()


def test_what_nobody_can_ask_is_said_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan, out = write_toy(tmp_path), str(tmp_path / "out")
    assert main(["streets", str(plan), "--kind", "zoo", "--out", out, "--lang", "zh"]) == 2
    assert "zoo" in capsys.readouterr().err
    assert main(["streets", str(plan), "--profile", "superman", "--out", out, "--lang", "en"]) == 2
    assert main(["streets", str(plan), "--detour", "nan", "--out", out, "--lang", "en"]) == 2
    capsys.readouterr()
    wrong = write_toy(tmp_path / "wrong", PLAN + '[streets_for_children]\nprofile = "superman"\n')
    assert main(["streets", str(wrong), "--out", out, "--lang", "en"]) == 1
    assert "superman" in capsys.readouterr().err


def test_without_any_such_facility_it_is_an_error_and_an_old_answer_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, out = write_toy(tmp_path, TOLD), tmp_path / "out"
    assert main(["streets", str(plan), "--out", str(out)]) == 0
    kept = (out / "toy.streets/summary.md").read_bytes()
    capsys.readouterr()
    assert main(["streets", str(plan), "--kind", "library", "--out", str(out), "--lang", "zh"]) == 1
    assert "数据中没有任何社区阅读站" in capsys.readouterr().err
    assert (out / "toy.streets/summary.md").read_bytes() == kept
    run = write_toy(tmp_path / "run", PLAN + '[streets_for_children]\nkinds = ["library"]\n')
    assert main(["run", str(run), "--out", str(out), "--lang", "zh"]) == 0
    summary = (out / "toy/streets.md").read_text(encoding="utf-8")
    assert catalog.word("streets.nobody", "zh") in summary and catalog.word("streets.nothing", "zh") not in summary


def test_every_street_has_its_unit_and_only_what_is_hard_has_a_rank(tmp_path: Path) -> None:
    """The sample's streets lie in its units, walked or not; the ranked come first."""
    plan, out = write_toy(tmp_path, TOLD), tmp_path / "out"
    assert main(["streets", str(plan), "--kind", "primary_school", "--out", str(out)]) == 0
    rows = rows_of(out / "toy.streets/streets.csv")
    assert {row["length_m"]: row["unit_id"] for row in rows} == {"400.0": "01", "800.0": "02", "300.0": "01"}
    ranks = [row["rank"] for row in rows]
    hard = [rank for rank in ranks if rank]
    assert hard == sorted(hard, key=int) == ranks[: len(hard)] and set(ranks[len(hard) :]) <= {""}


def test_kinds_may_be_named_as_planners_call_them(tmp_path: Path) -> None:
    plan, out = write_toy(tmp_path, PLAN + '[streets_for_children]\nkinds = ["小学", "Park"]\n'), tmp_path / "out"
    asked = load_plan(plan).streets_for_children
    assert asked is not None and asked.kinds == ["primary_school", "park"]
    assert main(["streets", str(plan), "--kind", "小学", "--measure", "0", "--out", str(out)]) == 0
    assert [row["kind"] for row in rows_of(out / "toy.streets/trips.csv")] == ["primary_school"]


def test_of_several_kinds_walks_are_counted_and_of_one_children(tmp_path: Path) -> None:
    plan = write_toy(tmp_path, TOLD)
    osm = plan.parent / "data/streets.osm"
    osm.write_text(osm.read_text(encoding="utf-8").replace('v="residential"', 'v="secondary"'), encoding="utf-8")
    loaded = load_plan(plan)
    for kinds, unit in ((["primary_school"], "children"), (["primary_school", "park"], "walks")):
        found = measure_streets(ASKED.model_copy(update={"kinds": kinds}), ground_of(loaded, read_study(loaded)))
        lines = headline(found, "en")[len(kinds) : -1]
        assert lines and all(f" {unit}" in line for line in lines)


def test_shares_with_unknown_children_are_the_least_that_is_proven(
    sample: tuple[Plan, Study], found: ChildStreets
) -> None:
    everybody = found.alone[found.alone["unit_id"] == ALL_UNITS].iloc[:1]
    page = {}
    for unknown in (0.0, 376.0):
        told = replace(found, alone=everybody.assign(unknown=unknown, children=380.0, alone_share=0.011))
        page[unknown] = "\n".join(summary(*sample, told, [], "zh"))
    assert "至少 1.1% 可达" in page[376.0] and "380 名中有 376 名无法判断" in page[376.0]
    assert "1.1% 可达" in page[0.0] and "至少" not in page[0.0].split("独自可达")[1]


def test_names_from_data_stay_text(tmp_path: Path) -> None:
    plan, out = write_toy(tmp_path, TOLD), tmp_path / "out"
    osm = tmp_path / "data/streets.osm"
    name = "=1+1|&lt;script&gt;*路*"
    osm.write_text(osm.read_text(encoding="utf-8").replace(
        '<tag k="highway" v="residential"/>', f'<tag k="highway" v="primary"/><tag k="name" v="{name}"/>'
    ), encoding="utf-8")  # fmt: skip
    assert main(["streets", str(plan), "--out", str(out)]) == 0
    page = (out / "toy.streets/summary.md").read_text(encoding="utf-8")
    assert "<script" not in page and "&lt;script>" in page
    names = {row["name"] for row in rows_of(out / "toy.streets/streets.csv")}
    assert "'=1+1|<script>*路*" in names


def test_tables_have_the_columns_they_promise(found: ChildStreets) -> None:
    for table in (found.ranked, found.streets, found.crossings, found.schools):
        assert isinstance(table, gpd.GeoDataFrame) and table.crs is not None
    assert isinstance(found.trips, pd.DataFrame)
    assert (found.alone["unit_id"] == ALL_UNITS).any()
    assert (found.schools["peak_children_400_m"] > 0).any()
