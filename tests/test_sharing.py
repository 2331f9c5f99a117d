"""What plans share: results are, to the last bit, those of a run from scratch."""

import json
import os
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from shapely import Point, box

from cfc_geo import run
from cfc_geo.blocks import AuditLimits
from cfc_geo.cli import main
from cfc_geo.model import Attachment, NearestCosts, Result, Study
from cfc_geo.network.costs import attach_entrances, nearest_costs, with_site
from cfc_geo.plan import Plan, load_plan
from cfc_geo.run import run_plan, run_plans
from tests.random_towns import FACILITY_IDS, FAR_M, Place, random_places
from tests.towns import CRS, facility_tables, origin_table, street_table
from tests.toyplan import PLAN, lonlat, write_toy

ROOT = Path(__file__).parents[1]

quick = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
KINDS = ["park", "school"]


def without(place: Place, facility: str) -> Place:
    kept = place.facilities["facility_id"] != facility
    return place.with_(
        facilities=place.facilities[kept], entrances=place.entrances[place.entrances["facility_id"] != facility]
    )


def with_links(place: Place, data: st.DataObject) -> Place:
    """`place`, some of whose streets, but not the first, are links that a scenario added."""
    added = data.draw(st.sets(st.integers(1, 14), max_size=3))
    return place.with_(streets=place.streets.assign(added=[row in added for row in range(len(place.streets))]))


def same_attachment(one: Attachment, other: Attachment) -> None:
    np.testing.assert_array_equal(one.facility_of_entrance, other.facility_of_entrance)
    for part in ("gates", "doors", "direct"):
        for left, right in zip(getattr(one, part), getattr(other, part), strict=True):
            np.testing.assert_array_equal(left, right)
            assert left.dtype == right.dtype
    for part in ("origins", "entrances"):
        for name in ("segment", "at_m", "node", "snap_m", "limit_m"):
            np.testing.assert_array_equal(getattr(getattr(one, part), name), getattr(getattr(other, part), name))


def same_nearest(one: NearestCosts, other: NearestCosts) -> None:
    pd.testing.assert_frame_equal(one.metres, other.metres, check_exact=True)
    pd.testing.assert_frame_equal(one.facility, other.facility)
    assert list(one.facility_ids) == list(other.facility_ids)
    for kind, ids in one.facility_ids.items():
        np.testing.assert_array_equal(ids, other.facility_ids[kind])
    pd.testing.assert_series_equal(one.attached, other.attached)
    pd.testing.assert_series_equal(one.joined, other.joined)
    np.testing.assert_array_equal(one.joined_entrances, other.joined_entrances)
    assert (one.detached, one.horizon_m) == (other.detached, other.horizon_m)


@quick
@given(place=random_places(), data=st.data(), horizon_m=st.sampled_from([30.0, 200.0, FAR_M]))
def test_one_site_more_is_what_a_full_search_finds(place: Place, data: st.DataObject, horizon_m: float) -> None:
    """Wherever the site is, of whichever kind, with several entrances, on an island or on no street at all."""
    place = with_links(place, data)
    site = data.draw(st.sampled_from(list(place.facilities["facility_id"])))
    kind = place.facilities.set_index("facility_id")["kind"][site]
    before = without(place, site)
    network, attached = before.attached()
    nearest = nearest_costs(network, attached, before.facilities, kinds=KINDS, horizon_m=horizon_m)
    copy = nearest.metres.copy(deep=True), nearest.facility.copy(deep=True)
    found = with_site(nearest, network, attach_entrances(network, attached, place.entrances), site, kind)
    full = nearest_costs(*place.attached(), place.facilities, kinds=KINDS, horizon_m=horizon_m)
    same_nearest(found, full)
    pd.testing.assert_frame_equal(nearest.metres, copy[0])
    pd.testing.assert_frame_equal(nearest.facility, copy[1])


@quick
@given(place=random_places(), another=random_places(), data=st.data())
def test_other_entrances_attach_as_from_scratch(place: Place, another: Place, data: st.DataObject) -> None:
    """New, moved and closed entrances, in any order, several at one place, some beside links that were added."""
    place = with_links(place, data)
    network, attached = place.attached()
    pool = pd.concat([place.entrances, another.entrances, place.entrances], ignore_index=True)
    rows = data.draw(st.lists(st.integers(0, len(pool) - 1), max_size=12))
    entrances = pool.iloc[rows].reset_index(drop=True)
    found = attach_entrances(network, attached, entrances)
    same_attachment(found, place.with_(entrances=entrances).attached()[1])
    again = attach_entrances(network, found, place.entrances)
    same_attachment(again, attached)


def test_sites_one_after_another_and_a_site_that_is_there() -> None:
    place = Place(*_street(), *facility_tables({"b": Point(10, 0)}, kinds={"b": "park"}))
    network, attached = place.attached()
    nearest = nearest_costs(network, attached, place.facilities, kinds=KINDS, horizon_m=500)
    sites = {"b": Point(10, 0), "c": Point(10, 0), "a": Point(10, 0), "d": Point(80, 0)}
    facilities, entrances = facility_tables(sites, kinds=dict.fromkeys(sites, "park"))
    attached = attach_entrances(network, attached, entrances)
    for site in ("c", "a", "d"):
        nearest = with_site(nearest, network, attached, site, "park")
    full = nearest_costs(network, attached, facilities, kinds=KINDS, horizon_m=500)
    same_nearest(nearest, full)
    assert nearest.facility_ids["park"][nearest.facility["park"]].tolist() == ["a", "d"]
    with pytest.raises(ValueError, match="there already"):
        with_site(nearest, network, attached, "b", "school")


def _street() -> tuple:  # type: ignore[type-arg]
    return (*street_table([[(0, 0), (100, 0)]]), origin_table({"west": Point(0, 0), "east": Point(90, 0)}))


# ------------------------------------------------------------------------------------------------------- several plans


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return load_plan(write_toy(tmp_path_factory.mktemp("toy"), PLAN + "[access]\nservice_areas = true\n"))


def study_of(place: Place, unit_of: list[str], surveyed: frozenset[str]) -> Study:
    parents = {"all of it": "", "u": "all of it", "v": "all of it"}
    units = gpd.GeoDataFrame(
        {"unit_id": list(parents), "name": list(parents), "level": "", "parent_id": list(parents.values())},
        geometry=[box(-30, -30, 90, 90), box(-30, -30, 30, 90), box(30, -30, 90, 90)],
        crs=CRS,
    )
    origins = place.origins.assign(unit_id=np.resize(unit_of, len(place.origins)))
    return Study(
        "toy",
        CRS,
        units,
        origins,
        place.facilities,
        place.entrances,
        place.streets,
        place.nodes,
        place.streets[:0].assign(theme=""),
        surveyed,
    )


def edited(place: Place, data: st.DataObject) -> Place:
    """`place` with some facilities gone, some new, some of another kind, of other places or with other ways in."""
    table, ways = place.facilities, place.entrances
    drawn = st.lists(st.sampled_from([*FACILITY_IDS, "new"]), max_size=2, unique=True)
    for facility in data.draw(drawn):
        there = (table["facility_id"] == facility).any()
        what = data.draw(
            st.sampled_from(["close", "convert", "resize", "move", "shut", "wander"] if there else ["add"])
        )
        here = table["facility_id"] == facility
        if what == "convert":
            table = table.assign(kind=table["kind"].mask(here, "school"))
        elif what == "resize":
            table = table.assign(capacity=table["capacity"].mask(here, 30.0))
        elif what == "wander":  # its shape only: those that have no way in
            table = table.set_geometry(table.geometry.mask(here, place.origins.geometry.iloc[0]), crs=CRS)
        if what in ("close", "move", "shut"):
            ways = ways[ways["facility_id"] != facility]
        if what in ("close", "move"):
            table = table[~here]
        if what in ("add", "move"):
            at = data.draw(st.sampled_from(list(place.streets.geometry))).interpolate(7.5)
            added = facility_tables({facility: at}, kinds={facility: data.draw(st.sampled_from(KINDS))})
            table, ways = (pd.concat([old, new]) for old, new in zip((table, ways), added, strict=True))
    if table is place.facilities and ways is place.entrances:
        return place
    order = {"by": "facility_id", "kind": "stable", "ignore_index": True}
    return place.with_(facilities=table.sort_values(**order), entrances=ways.sort_values(**order))


def same_result(one: Result, other: Result) -> None:
    tables = (
        "coverage_by_unit",
        "circle_by_unit",
        "access_by_unit",
        "facilities",
        "cells",
        "overflow",
        "service_areas",
    )
    for name in tables:
        left, right = getattr(one, name), getattr(other, name)
        pd.testing.assert_frame_equal(pd.DataFrame(left), pd.DataFrame(right), check_exact=True)
    for name in ("status", "metres", "nearest_id"):
        pd.testing.assert_frame_equal(getattr(one.coverage, name), getattr(other.coverage, name), check_exact=True)
    assert one.coverage.norms == other.coverage.norms
    assert list(one.audit) == list(other.audit)
    np.testing.assert_array_equal(list(one.audit.values()), list(other.audit.values()))
    assert (one.findings, one.baskets, one.study.name) == (other.findings, other.baskets, other.study.name)


@settings(quick, max_examples=6)
@given(place=random_places(), data=st.data())
def test_scenarios_share_and_get_what_a_run_alone_gets(plan: Plan, place: Place, data: st.DataObject) -> None:
    """Scenarios of facilities of random towns, and one that also touches streets, in any order."""
    surveyed = frozenset(data.draw(st.lists(st.sampled_from(KINDS), unique=True)))
    shut = data.draw(st.sampled_from([*FACILITY_IDS, "none"]))
    place = place.with_(entrances=place.entrances[place.entrances["facility_id"] != shut])
    base = study_of(place, data.draw(st.lists(st.sampled_from(["u", "v"]), min_size=1, max_size=6)), surveyed)
    studies = {"base": base}
    for name in ("s1", "s2"):
        scenario = edited(place, data)
        studies[name] = replace(base, facilities=scenario.facilities, entrances=scenario.entrances)
    studies["street"] = replace(studies["s1"], streets=place.streets.assign(length_m=place.streets["length_m"] + 1))
    grown = base.origins.assign(children_3_5=base.origins["children_3_5"] + 2.0)
    studies["grown"] = replace(studies["s2"], origins=grown)
    moved = base.origins.set_geometry(base.origins.geometry.translate(3.0))
    assume(place.with_(origins=moved).attached()[1].origins.attached.any())  # else no run would be
    studies["moved"] = replace(base, origins=moved)
    check_together(plan, {name: studies[name] for name in data.draw(st.permutations(list(studies)))})


def test_a_facility_without_a_way_in_that_moves_changes_what_is_known(plan: Plan) -> None:
    facilities, entrances = facility_tables({"p": Point(10, 0)})
    base = study_of(Place(*_street(), facilities, entrances[:0]), ["u"], frozenset({"playground"}))
    away = replace(base, facilities=facilities.set_geometry([Point(9_000, 0)], crs=CRS))
    before, after = check_together(plan, {"base": base, "away": away})
    assert before.coverage.status["playground"].tolist() == ["unknown"] * 2
    assert after.coverage.status["playground"].tolist() == ["gap"] * 2


def test_a_plan_that_asks_something_else_shares_nothing(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    slower = plan.model_copy(update={"walk": plan.walk.model_copy(update={"speeds_ms": {"3-5": 0.5}})})
    plans = [plan, slower, plan, plan.model_copy(update={"audit": AuditLimits(max_far_share=0.5)})]
    read, reads = run.read_study, []
    monkeypatch.setattr(run, "read_study", lambda plan: reads.append(plan) or read(plan))
    for result, alone in zip(list(run_plans(plans)), map(run_plan, plans), strict=True):
        same_result(result, alone)
    assert reads[:3] == plans[:3] and len(reads) == 3 + len(plans)


def test_the_command_writes_for_several_plans_the_bytes_that_it_writes_for_each(tmp_path: Path) -> None:
    """Facilities in two scenarios, a title, children and a street; only the timings tell how a result was made."""
    base = write_toy(tmp_path)
    at = "at = [{:.6f}, {:.6f}], datum = 'wgs84'".format(*lonlat(700, 5))
    scenarios = {
        "s1": f"[[edits]]\nadd = {{ id = 'N', kind = 'kindergarten', {at}, capacity = 30 }}",
        "s2": "map = { title = '另一张图' }\n[[edits]]\nclose = { facility = 'G' }",
        "s3": "[[edits]]\ngrow = { unit = '01', children = { '3-5' = 7 } }",
        "s4": "[[edits]]\nclose_link = { street = 'w2' }",
    }
    plans = [base]
    for name, text in scenarios.items():
        plans.append(tmp_path / f"{name}.toml")
        plans[-1].write_text(f"extends = '{base.name}'\nname = '{name}'\n{text}\n", encoding="utf-8")
    assert main(["run", *map(str, plans), "--out", str(tmp_path / "together")]) == 0
    for plan in plans:
        assert main(["run", str(plan), "--out", str(tmp_path / "alone")]) == 0
        together, alone = (written(tmp_path / how / plan.stem) for how in ("together", "alone"))
        assert [name for name in {*together, *alone} if together.get(name) != alone.get(name)] == []
    cells = {plan.stem: (tmp_path / "together" / plan.stem / "cells.parquet").read_bytes() for plan in plans}
    assert len({cells[name] for name in ("toy", "s1", "s2", "s3")}) == 4, "every edit shows"


def written(folder: Path) -> dict[str, bytes]:
    """The files of a result; of its record all but the timings."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    record = json.loads(files["run.json"])
    del record["timings_s"]
    return {**files, "run.json": json.dumps(record).encode()}


def test_scenarios_of_the_sample_share_and_get_what_a_run_alone_gets(tmp_path: Path) -> None:
    """A kindergarten more, on the files that planners start from."""
    here = "at = [119.8951, 28.4421], datum = 'wgs84'"
    texts = {"base": "", "s1": f"[[edits]]\nadd = {{ id = 'N', kind = 'kindergarten', {here}, capacity = 90 }}"}
    plans = []
    for name, text in texts.items():
        file = tmp_path / f"{name}.toml"
        base = os.path.relpath(ROOT / "scenarios/base.toml", tmp_path)
        file.write_text(f"extends = '{base}'\nname = '{name}'\n{text}\n", encoding="utf-8")
        plans.append(load_plan(file, [ROOT]))
    for result, plan in zip(list(run_plans(plans)), plans, strict=True):
        same_result(result, run_plan(plan))


def check_together(plan: Plan, studies: dict[str, Study]) -> list[Result]:
    """The results of plans whose edits make `studies`, which read the files of the first once and equal runs alone."""
    plans = [plan.model_copy(update={"name": name}) for name in studies]
    base, reads = next(iter(studies.values())), []

    def read(plan: Plan) -> Study:
        reads.append(plan.name)
        return replace(base, name=plan.name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "read_study", read)
        patch.setattr(run, "apply_edits", lambda study, plan: replace(studies[plan.name], name=study.name))
        together = list(run_plans(plans))
        assert reads == list(studies)[:1]
        for result, alone in zip(together, map(run_plan, plans), strict=True):
            same_result(result, alone)
    return together
