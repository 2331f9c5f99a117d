"""Access beside the nearest facility: number, gravity, places per child, crowding, by hand, loops and networkx."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfc_geo import catalog, cli
from cfc_geo.blocks import DecayId
from cfc_geo.model import Result, Within
from cfc_geo.plan import PlanError, load_plan
from cfc_geo.questions.access import count_demand, decay_weights
from cfc_geo.questions.catchment import ONE_ZONE, share_places
from cfc_geo.questions.crowding import place_overflow
from cfc_geo.run import run_plan
from cfc_geo.tables import CROWDING_COLUMNS
from tests.toyplan import PLAN, facility_rows, lonlat, write_csv, write_toy

LIMIT_M = 300.0
FIRST, SECOND, THIRD = catalog.zone_weights()


def run_toy(folder: Path, extra: str = "", rows: list[list[object]] | None = None, plan: str = PLAN) -> Result:
    path = write_toy(folder, plan + extra)
    if rows is not None:
        write_csv(folder / "data/facilities.csv", rows)
    return run_plan(load_plan(path))


def of_cells(result: Result, column: str) -> dict[str, Any]:
    return dict(zip(result.cells["origin_id"], result.cells[column], strict=True))


def of_facility(result: Result, facility: str) -> pd.Series:
    return result.facilities.set_index("facility_id").loc[facility]


def of_all(result: Result, kind: str, band: str) -> pd.Series:
    return result.access_by_unit.set_index(["unit_id", "kind", "band"]).loc["all", kind, band]


# ------------------------------------------------------------------------------------------------------------- by hand


def test_places_are_shared_by_the_children_within_the_limit(tmp_path: Path) -> None:
    result = run_toy(tmp_path)
    school = of_cells(result, "primary_school_places_per_child")
    each = 90 / (4 + 8 + 16)  # c and e walk 410 m, d 110 m, the others more than 500 m
    assert school == pytest.approx({"a": 0, "b": 0, "c": each, "d": each, "e": each, "f": 0})
    assert of_cells(result, "kindergarten_places_per_child") == pytest.approx(
        {"a": 30, "b": 30, "c": 0, "d": 0, "e": 0, "f": 0}
    )
    assert set(of_cells(result, "kindergarten_places_bound").values()) == {"exact"}
    assert "playground_places_per_child" not in result.cells, "a playground has no places"


def test_nearer_children_get_more_of_the_places_by_zones(tmp_path: Path) -> None:
    zoned = of_cells(run_toy(tmp_path), "primary_school_places_per_child_zoned")
    each = 90 / (FIRST * 8 + THIRD * (4 + 16))
    assert zoned == pytest.approx({"a": 0, "b": 0, "c": THIRD * each, "d": FIRST * each, "e": THIRD * each, "f": 0})


def test_number_and_gravity_count_what_is_within_the_limit(tmp_path: Path) -> None:
    result = run_toy(tmp_path, '\n[access]\ndecay = "linear"\n')
    assert of_cells(result, "playground_number") == {"a": 0, "b": 0, "c": 1, "d": 0, "e": 0, "f": 1}
    gravity = of_cells(result, "playground_gravity")
    assert gravity["c"] == pytest.approx(1 - 290 / 300, abs=1e-4) and gravity["f"] == pytest.approx(
        1 - 10 / 300, abs=1e-4
    )
    whole = of_all(result, "playground", "6-11")
    assert whole["mean_number"] == pytest.approx((4 + 32) / 63) and whole["number_bound"] == "exact"


def test_a_facility_is_crowded_by_those_who_have_it_nearest(tmp_path: Path) -> None:
    rows = [*facility_rows(), ["K2", "二幼", "幼儿园", *lonlat(220, 0), 1]]
    rows[1][-1] = 0.5  # K: a, 1 child; K2: b and c, 2 + 4 children
    result = run_toy(tmp_path, rows=rows)
    assert of_facility(result, "K")[list(CROWDING_COLUMNS)].tolist() == [1, 2, 0.5, 0]
    assert of_facility(result, "K2")["crowding"] == pytest.approx(6)
    whole = of_all(result, "kindergarten", "3-5")
    assert (whole["children_at_crowded"], whole["children_at_uncounted"]) == (7, 0)


def test_those_beyond_the_capacity_go_where_there_is_room(tmp_path: Path) -> None:
    rows = [*facility_rows(), ["K2", "二幼", "幼儿园", *lonlat(220, 0), 3]]
    rows[1][-1] = 4  # K has 3 places left; of K2's six only b's two children come so far
    result = run_toy(tmp_path, rows=rows)
    assert result.overflow.to_numpy().tolist() == [["kindergarten", "K2", "K", 2.0]]
    assert of_facility(result, "K2")[["overflow_children", "overflow_room"]].tolist() == [3, 2]


def test_only_those_who_want_a_place_compete(tmp_path: Path) -> None:
    result = run_toy(tmp_path, '\n[access]\nparticipation = { kindergarten = 0.5 }\nwhy = "半数"\n')
    assert of_cells(result, "kindergarten_places_per_child")["a"] == pytest.approx(60)
    assert of_facility(result, "K")["crowding"] == pytest.approx(1.5 / 90)
    assert of_facility(result, "K")["assigned_children"] == 3, "children, whether they want a place or not"
    assert "access.participation" in {finding.code for finding in result.findings}


# ------------------------------------------------------------------------------------------------------------- unknown


def test_unknown_places_are_not_zero(tmp_path: Path) -> None:
    rows = facility_rows()
    rows[1][-1] = ""
    result = run_toy(tmp_path, rows=rows)
    values = of_cells(result, "kindergarten_places_per_child")
    assert math.isnan(values["a"]) and math.isnan(values["b"]) and values["d"] == 0
    assert of_cells(result, "kindergarten_places_bound") == {"a": "", "b": "", **dict.fromkeys("cdef", "exact")}
    assert of_facility(result, "K")[["crowding", "overflow_children", "overflow_room"]].isna().all()
    assert of_facility(result, "K")["assigned_children"] == 3
    whole = of_all(result, "kindergarten", "3-5")
    assert (whole["places_known"], whole["children_at_uncounted"], whole["children_at_crowded"]) == (60, 3, 0)


def test_what_is_known_of_the_places_is_a_lower_bound(tmp_path: Path) -> None:
    rows = [*facility_rows(), ["K2", "二幼", "幼儿园", *lonlat(100, 0), ""]]
    result = run_toy(tmp_path, rows=rows)
    assert of_cells(result, "kindergarten_places_per_child")["a"] == pytest.approx(30)
    assert of_cells(result, "kindergarten_places_bound")["a"] == "at_least"
    assert of_all(result, "kindergarten", "3-5")["places_bound"] == "at_least"


def test_children_of_whom_nobody_knows_make_places_unknown(tmp_path: Path) -> None:
    plan = PLAN.replace('"3-5" = "3-5岁", ', "")
    result = run_toy(tmp_path, plan=plan)
    assert np.isnan(result.cells.loc[0, "kindergarten_places_per_child"])
    assert np.isnan(of_facility(result, "K")["assigned_children"])
    assert result.access_by_unit.query("kind == 'kindergarten'")["mean_number"].isna().all()
    assert (result.access_by_unit.query("kind == 'kindergarten'")["places_bound"] == "").all()


def test_places_near_a_unit_of_unknown_children_are_uncertain(tmp_path: Path) -> None:
    study = replace(run_toy(tmp_path).study, unknown_units=frozenset({"02"}))  # the east, from 600 m on
    ids = {"kindergarten": "K", "primary_school": "S"}
    none = np.empty(0, dtype=np.int64)
    within = {kind: Within(none, none, none, pd.Index([name]), LIMIT_M) for kind, name in ids.items()}
    demand = count_demand(study, within, list(ids), {})
    assert demand.certain.to_dict() == {"K": True, "S": False}
    within["kindergarten"] = within["kindergarten"]._replace(limit_m=501.0)  # K is 500 m from the border
    assert count_demand(study, within, list(ids), {}).certain.to_dict() == {"K": False, "S": False}


def test_a_cell_of_which_nobody_can_say_has_no_number(tmp_path: Path) -> None:
    result = run_toy(tmp_path, "\n[walk]\nsnap_limit_m = 5\n")
    assert np.isnan(of_cells(result, "playground_number")["a"]) and of_cells(result, "playground_number")["f"] == 1


# ---------------------------------------------------------------------------------------------- against loops and flows


@st.composite
def shared(draw: Any) -> tuple[Within, np.ndarray, np.ndarray]:
    """Pairs, children of each origin and places of each facility (some unknown)."""
    origins, facilities = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    every = [(o, f) for o in range(origins) for f in range(facilities)]
    chosen = sorted(draw(st.sets(st.sampled_from(every))))
    metres = [draw(st.sampled_from([0.0, 100.0, 150.0, 200.0, 299.0, 300.0])) for _ in chosen]
    children = np.array([draw(st.integers(0, 9)) for _ in range(origins)], dtype=float)
    places = np.array([draw(st.one_of(st.just(np.nan), st.integers(0, 12).map(float))) for _ in range(facilities)])
    pairs = np.array(chosen, dtype=np.int64).reshape(-1, 2)
    ids = pd.Index([f"f{number}" for number in range(facilities)])
    return Within(pairs[:, 0], pairs[:, 1], np.array(metres, dtype=float), ids, LIMIT_M), children, places


def weight_of(metres: float, zones: tuple[float, ...]) -> float:
    return next(weight for end, weight in enumerate(zones, start=1) if metres <= LIMIT_M * end / len(zones) + 1e-6)


@given(case=shared(), zones=st.sampled_from([ONE_ZONE, catalog.zone_weights()]))
def test_places_per_child_are_those_of_the_formula(case: Any, zones: tuple[float, ...]) -> None:
    pairs, children, places = case
    triples = list(zip(pairs.origin, pairs.facility, [weight_of(m, zones) for m in pairs.metres], strict=True))
    wanted = {f: sum(children[o] * w for o, g, w in triples if g == f) for f in range(len(places))}
    rate = {f: places[f] / wanted[f] for f in wanted if wanted[f] > 0 and not np.isnan(places[f])}
    expected = []
    for origin in range(len(children)):
        mine = [(f, w) for o, f, w in triples if o == origin]
        known = [w * rate[f] for f, w in mine if f in rate]
        expected.append(sum(known) if known or not mine else np.nan)
    np.testing.assert_allclose(share_places(pairs, places, children, zones), expected, rtol=1e-12)


@given(case=shared(), zones=st.sampled_from([ONE_ZONE, catalog.zone_weights()]))
def test_what_is_handed_out_is_what_there_is(case: Any, zones: tuple[float, ...]) -> None:
    pairs, children, places = case
    handed_out = np.nansum(children * share_places(pairs, places, children, zones))
    reached = np.bincount(pairs.facility, weights=children[pairs.origin], minlength=len(places)) > 0
    assert handed_out == pytest.approx(np.nansum(places[reached]))


@given(case=shared(), more=st.integers(1, 9), data=st.data())
def test_more_places_never_lower_what_anyone_has(case: Any, more: int, data: Any) -> None:
    pairs, children, places = case
    which = data.draw(st.integers(0, len(places) - 1))
    grown = places.copy()
    grown[which] = np.nan_to_num(places[which]) + more
    before, after = (share_places(pairs, given, children, catalog.zone_weights()) for given in (places, grown))
    assert (np.isnan(before) | (after >= before - 1e-12)).all()


@given(case=shared())
def test_as_many_as_can_find_another_place(case: Any) -> None:
    pairs, children, places = case
    nearest = np.full(len(children), -1)
    for origin, facility in zip(pairs.origin, pairs.facility, strict=True):
        nearest[origin] = facility if nearest[origin] < 0 else nearest[origin]
    moved = place_overflow(pairs, nearest, children, places)
    taken = np.bincount(nearest[nearest >= 0], weights=children[nearest >= 0], minlength=len(places))
    over, spare = (np.nan_to_num(np.maximum(0, side)) for side in (taken - places, places - taken))
    graph = nx.DiGraph()
    graph.add_nodes_from(["from", "to"])
    for facility in range(len(places)):
        graph.add_edge("from", ("over", facility), capacity=over[facility])
        graph.add_edge(("spare", facility), "to", capacity=spare[facility])
    for origin, facility in zip(pairs.origin, pairs.facility, strict=True):
        graph.add_edge(("over", nearest[origin]), ("home", origin), capacity=children[origin])
        graph.add_edge(("home", origin), ("spare", facility), capacity=children[origin])
    assert sum(moved.values()) == pytest.approx(nx.maximum_flow_value(graph, "from", "to"))
    for facility in range(len(places)):
        assert sum(count for (source, _), count in moved.items() if source == facility) <= over[facility] + 1e-9
        assert sum(count for (_, target), count in moved.items() if target == facility) <= spare[facility] + 1e-9
    assert all(((nearest[pairs.origin] == source) & (pairs.facility == target)).any() for source, target in moved)


# -------------------------------------------------------------------------------------------------------------- decays


@pytest.mark.parametrize(
    ("decay", "parameter", "metres", "weight"),
    [
        ("step", 0.5, 150.0, 1), ("step", 0.5, 150.1, 0), ("linear", None, 75.0, 0.75), ("linear", 0.5, 200.0, 0),
        ("exponential", 1.0, 300.0, math.exp(-1)), ("gaussian", None, 150.0, math.exp(-0.5)),
        ("inverse_power", 2.0, 100.0, 0.25), ("inverse_power", None, 10.0, 1),
    ],
)  # fmt: skip
def test_decays(decay: str, parameter: float | None, metres: float, weight: float) -> None:
    assert decay_weights(np.array([metres]), LIMIT_M, decay=decay, parameter=parameter)[0] == pytest.approx(weight)


@pytest.mark.parametrize("decay", catalog.decays())
def test_no_decay_grows_with_the_distance(decay: str) -> None:
    weights = decay_weights(np.linspace(0, LIMIT_M, 301), LIMIT_M, decay=decay)
    assert weights[0] == 1 and (np.diff(weights) <= 0).all() and weights[-1] >= 0


def test_the_methods_state_every_decay_and_the_zones() -> None:
    methods = (Path(__file__).parents[1] / "docs/methods.md").read_text(encoding="utf-8")
    for decay in catalog.decays().values():
        row = next(line for line in methods.splitlines() if line.strip().startswith(f"| `{decay.id}`"))
        assert row.rstrip().endswith(f"| {decay.parameter:g} |")
        assert decay.formula.removeprefix("f(d) = ").replace("p·L", "p L") in row
    assert "weighs W = 1, 0.68, 0.22" in methods and catalog.zone_weights() == (1, 0.68, 0.22)


def test_the_schema_and_the_catalogue_know_the_same_decays() -> None:
    assert set(catalog.decays()) == set(DecayId.__args__)


# ---------------------------------------------------------------------------------------------------- plans and outputs


@pytest.mark.parametrize(
    ("block", "code"),
    [
        ("participation = { kindergarten = 0.5 }", "plan.access_why"),
        ('kinds = ["clinic"]', "plan.access_without_limit"),
    ],
)
def test_a_wrong_block_is_refused(tmp_path: Path, block: str, code: str) -> None:
    with pytest.raises(PlanError) as caught:
        load_plan(write_toy(tmp_path, PLAN + f"\n[access]\n{block}\n"))
    assert [finding.code for finding in caught.value.findings] == [code]


def test_a_kind_that_nobody_asks_for_is_said_so(tmp_path: Path) -> None:
    result = run_toy(tmp_path, '\n[access]\nkinds = ["kindergarten", "community_service"]\n')
    assert "access.not_asked" in {finding.code for finding in result.findings}
    assert set(result.access_by_unit["kind"]) == {"kindergarten"}


def test_the_command_line_writes_access_overflow_and_areas(tmp_path: Path) -> None:
    path = write_toy(tmp_path, PLAN + "\n[access]\nservice_areas = true\n")
    rows = [*facility_rows(), ["K2", "二幼", "幼儿园", *lonlat(220, 0), 3]]
    write_csv(tmp_path / "data/facilities.csv", rows)
    assert cli.main(["run", str(path), "--out", str(tmp_path / "out")]) == 0
    out = tmp_path / "out" / "toy"
    overflow = pd.read_csv(out / "overflow.csv", encoding="utf-8-sig")
    assert overflow.to_numpy().tolist() == [["kindergarten", "K2", "K", 2]]
    table = pd.read_csv(out / "access.csv", encoding="utf-8-sig", dtype={"unit_id": str})
    assert table.loc[table["unit_id"] == "all", "mean_number"].notna().any()
    areas = gpd.read_file(out / "result.gpkg", layer="service_areas")
    assert set(areas["facility_id"]) == {"K", "K2", "S", "G", "P"}
