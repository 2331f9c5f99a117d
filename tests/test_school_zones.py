"""The gates of schools drawn by hand, and those of the sample."""

from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely import Point

from cfc_geo.inputs.study import read_study
from cfc_geo.model import Study
from cfc_geo.network.graph import build_network
from cfc_geo.network.snap import snap_points
from cfc_geo.network.stress import segment_stress
from cfc_geo.plan import load_plan
from cfc_geo.questions.school_zones import SCHOOLS, ZONE_COLUMNS, school_zones
from tests.towns import CRS, facility_tables, street_table

SLOW = {"highway": "residential", "maxspeed": "30", "lanes": "2"}
FAST = {"highway": "primary", "maxspeed": "60", "lanes": "4"}
UNSAID = {"highway": "tertiary"}
PATH = {"highway": "footway"}
XY = tuple[float, float]


def zone(
    *ways: tuple[list[XY], dict[str, str]], crossings: dict[XY, str] | None = None, gate: XY = (0.0, 0.0)
) -> pd.Series:
    """The row of one school whose gate lies on the streets."""
    streets, nodes = street_table([line for line, _ in ways])
    streets = streets.assign(tunnel=False, bridge=False, steps=False)
    for row, (_, tags) in enumerate(ways):
        for key, value in tags.items():
            streets.loc[row, key] = value == "yes" if key == "bridge" else value
    nodes["crossing"] = [(crossings or {}).get(place, "") for place in zip(nodes["x"], nodes["y"], strict=True)]
    facilities, entrances = facility_tables({"a": [Point(gate)]}, kinds={"a": "primary_school"})
    empty = gpd.GeoDataFrame(geometry=[], crs=CRS)
    entrances = entrances if "evidence" in entrances else entrances.assign(evidence="given")
    facilities = facilities if "name" in facilities else facilities.assign(name="")
    study = Study("toy", CRS, empty, empty, facilities, entrances, streets, nodes, empty, frozenset())
    return ask(study).iloc[0]


def ask(study: Study) -> gpd.GeoDataFrame:
    network = build_network(study.streets, study.nodes)
    gates = snap_points(network, study.entrances.geometry.to_numpy(), limit_m=100)
    return school_zones(study, network, gates, segment_stress(study.streets))


LONG: list[XY] = [(-400, 0), (400, 0)]


@pytest.mark.parametrize(
    ("ways", "speed", "over", "untagged"),
    [
        ([(LONG, SLOW)], "met", 0, 0),
        ([(LONG, FAST)], "not_met", 300, 0),
        ([(LONG, UNSAID)], "not_known", 0, 300),
        ([([(-400, 0), (0, 0)], SLOW), ([(0, 0), (149, 0)], SLOW), ([(149, 0), (400, 0)], FAST)], "not_met", 1, 0),
        ([([(-400, 0), (0, 0)], SLOW), ([(0, 0), (150, 0)], SLOW), ([(150, 0), (400, 0)], FAST)], "met", 0, 0),
        ([([(-400, 0), (0, 0)], UNSAID), ([(0, 0), (400, 0)], FAST)], "not_met", 150, 150),
        ([(LONG, PATH)], "not_known", 0, 0),
        ([([(0, 0), (0, 100)], PATH), ([(-400, 100), (0, 100)], FAST)], "not_met", 50, 0),
    ],
)
def test_the_speed_of_roads_within_150_m(ways, speed: str, over: float, untagged: float) -> None:  # type: ignore[no-untyped-def]
    row = zone(*ways)
    assert (row["speed_status"], row["over_30_m"], row["untagged_m"]) == (
        speed,
        pytest.approx(over),
        pytest.approx(untagged),
    )


@pytest.mark.parametrize(
    ("at", "crossing", "metres"), [(50.0, "met", 50), (51.0, "not_met", 51), (151.0, "not_known", np.nan)]
)
def test_a_crossing_within_50_m(at: float, crossing: str, metres: float) -> None:
    row = zone(([(-400, 0), (at, 0)], SLOW), ([(at, 0), (400, 0)], SLOW), crossings={(at, 0.0): "marked"})
    assert (row["crossing_status"], row["crossing_m"]) == (crossing, pytest.approx(metres, nan_ok=True))


def test_an_unmarked_crossing_is_none_and_a_mapped_one_of_unsaid_type_is_one() -> None:
    ways = ([(-400, 0), (20, 0)], SLOW), ([(20, 0), (400, 0)], SLOW)
    assert zone(*ways, crossings={(20.0, 0.0): "unmarked"})["crossing_status"] == "not_known"
    row = zone(*ways, crossings={(20.0, 0.0): "yes"})
    assert (row["crossing_status"], row["crossing_type"]) == ("met", "unsaid")


def test_a_footbridge_is_a_crossing() -> None:
    row = zone((LONG, FAST), ([(30, -10), (30, -30)], {**PATH, "bridge": "yes"}))
    assert row["crossing_status"] != "met", "the bridge is not joined to the street"
    road = ([(-400, 0), (0, 0)], FAST), ([(0, 0), (400, 0)], FAST)
    ramp, deck = ([(0, 0), (0, -20), (20, -20)], PATH), ([(20, -20), (20, 20)], {**PATH, "bridge": "yes"})
    row = zone(*road, ramp, deck)
    assert (row["crossing_status"], row["signal_status"], row["crossing_type"]) == ("met", "met", "grade_separated")


def test_a_bridge_over_a_brook_is_no_crossing_of_the_road() -> None:
    road = ([(-400, 0), (0, 0)], FAST), ([(0, 0), (400, 0)], FAST)
    row = zone(*road, ([(0, 0), (0, -30)], {**PATH, "bridge": "yes"}))
    assert (row["crossing_status"], row["crossing_type"]) == ("not_known", "")


@pytest.mark.parametrize(
    ("road", "kind", "signal"),
    [
        (FAST, "traffic_signals", "met"),
        (FAST, "marked", "not_met"),
        (FAST, "", "not_known"),
        (FAST, "yes", "not_known"),
        (SLOW, "marked", "not_needed"),
        (UNSAID, "marked", "not_known"),
        ({**SLOW, "lanes": "2", "oneway": "yes"}, "marked", "not_met"),
    ],
)
def test_signals_where_the_road_is_broad(road: dict[str, str], kind: str, signal: str) -> None:
    row = zone(([(-400, 0), (20, 0)], road), ([(20, 0), (400, 0)], road), crossings={(20.0, 0.0): kind})
    assert row["signal_status"] == signal


def test_a_gate_far_from_any_street_is_not_known() -> None:
    row = zone((LONG, SLOW), gate=(0.0, 500.0))
    assert (row["speed_status"], row["crossing_status"], row["signal_status"]) == ("not_known",) * 3


def test_the_zones_of_the_sample() -> None:
    study = read_study(load_plan(Path(__file__).parents[1] / "scenarios/base.toml"))
    zones = ask(study)
    kinds = study.facilities.set_index("facility_id")["kind"]
    schools = study.entrances["facility_id"].map(kinds).isin(SCHOOLS)
    assert len(zones) == schools.sum() > 0 and [*zones.columns] == [*ZONE_COLUMNS, "geometry"]
    assert set(zones["speed_status"]) <= {"met", "not_met", "not_known"}
    assert ((zones["over_30_m"] > 0) == (zones["speed_status"] == "not_met")).all()
    assert (
        ask(replace(study, nodes=study.nodes.assign(crossing="traffic_signals")))["crossing_status"].eq("met").mean()
        > 0.3
    )
