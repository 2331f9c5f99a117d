"""Routes: against all simple paths of small towns, against the spine's distances, and towns drawn by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from math import floor

import geopandas as gpd
import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from shapely import Point

from cfc_geo import catalog
from cfc_geo.model import Network
from cfc_geo.network.costs import attach, steps_onto, travel_costs
from cfc_geo.network.excess import excess_by_arc
from cfc_geo.network.graph import build_network
from cfc_geo.network.pareto import Ways, best_walks, least_walk
from cfc_geo.network.sided import sided_graph
from cfc_geo.network.stress import segment_stress
from cfc_geo.network.trip import Trip, plan_trip
from cfc_geo.questions.walks import TIE_BITS, walk_nm
from cfc_geo.routing import chosen_of, grades, hard_nm, not_beaten, ways_of, with_ties
from tests.random_towns import SNAP_M, Place, random_places
from tests.towns import street_table

TAGS: dict[str, dict[str, str]] = {
    "big": {"highway": "primary", "maxspeed": "60", "lanes": "6"},
    "paved": {"highway": "secondary", "maxspeed": "50", "lanes": "4", "sidewalk": "both"},
    "one-sided": {"highway": "tertiary", "maxspeed": "40", "lanes": "2", "sidewalk": "left"},
    "small": {"highway": "residential", "maxspeed": "30", "lanes": "1"},
    "path": {"highway": "footway"},
    "steps": {"highway": "steps"},
}
MANY_PATHS = 1_000
PROFILES, DETOURS = st.sampled_from(list(catalog.profiles())), st.sampled_from([1.0, 1.25, 2.0, 10.0])


@dataclass(frozen=True, eq=False)
class Asked:
    """A trip with what a search of it needs, for a profile."""

    network: Network
    streets: gpd.GeoDataFrame
    trip: Trip
    profile: str = "child_with_adult"

    @property
    def bears(self) -> np.ndarray:
        return excess_by_arc(self.trip.graph, self.streets, catalog.profiles()[self.profile]) == 0

    @property
    def length(self) -> np.ndarray:
        return with_ties(self.trip, catalog.profiles()[self.profile])

    @property
    def grade(self) -> np.ndarray:
        return grades(self.trip, self.bears, catalog.profiles()[self.profile])

    @property
    def ways(self) -> Ways:
        return ways_of(self.trip)

    def shortest_m(self) -> float:
        found = least_walk(self.ways, self.length, np.ones(len(self.grade), dtype=bool))
        return np.inf if found is None else walk_nm(found) / 1e9

    def front(self, most_m: float) -> list[tuple[int, int, int]]:
        """(grade, what is hard, length), nanometres."""
        most = (round(most_m * 1e9) << TIE_BITS) + (1 << TIE_BITS) - 1
        found = not_beaten(self.ways, self.length, hard_nm(self.trip, self.bears), self.grade, most)
        return [(int(self.grade[walk.arcs].max(initial=0)), walk.burden, walk_nm(walk)) for walk in found]


def asked(
    streets: gpd.GeoDataFrame, nodes: pd.DataFrame, starts: Sequence[Point], goals: Sequence[Point],
    profile: str = "child_with_adult",
) -> Asked:  # fmt: skip
    network, stress = build_network(streets, nodes), segment_stress(streets)
    graph = sided_graph(network, streets, nodes, stress)
    ends = [np.array(points, dtype=object) for points in (starts, goals)]
    first, last = ((points, steps_onto(network, points, SNAP_M)) for points in ends)
    return Asked(network, streets, plan_trip(graph, network, streets, stress, starts=first, goals=last), profile)


def tagged(streets: gpd.GeoDataFrame, names: Sequence[str]) -> gpd.GeoDataFrame:
    streets = streets.assign(tunnel=False, bridge=False, steps=[name == "steps" for name in names])
    for row, name in enumerate(names):
        for key, value in TAGS[name].items():
            streets.loc[row, key] = value
    return streets


def all_walks(of: Asked) -> list[tuple[int, int, int]] | None:
    """(grade, what is hard, length) of every simple path, by networkx; None where there are too many to try."""
    graph, trip = of.trip.graph, of.trip
    town = nx.MultiDiGraph()
    town.add_nodes_from(range(len(graph.junction)))
    town.add_edges_from(zip(graph.tail.tolist(), graph.head.tolist(), range(len(graph.tail)), strict=True))
    hard, found = hard_nm(trip, of.bears), []
    for start, start_nm in zip(trip.starts.tolist(), trip.start_nm.tolist(), strict=True):
        for goal, goal_nm in zip(trip.goals.tolist(), trip.goal_nm.tolist(), strict=True):
            paths = [[]] if start == goal else nx.all_simple_edge_paths(town, start, goal)
            for path in islice(paths, MANY_PATHS + 1):
                arcs = [arc for _, _, arc in path]
                whole = start_nm + goal_nm + int(trip.nm[arcs].sum())
                found.append((int(of.grade[arcs].max(initial=0)), int(hard[arcs].sum()), whole))
            if len(found) > MANY_PATHS:
                return None
    return found


def best_of(walks: list[tuple[int, int, int]], most_m: float) -> list[tuple[int, int, int]]:
    front, shortest = [], floor(most_m * 1e9) + 1
    for walk in sorted(walks):
        if walk[2] < shortest:
            front.append(walk)
            shortest = walk[2]
    return front


@st.composite
def towns(draw) -> tuple[Place, list[str]]:  # type: ignore[no-untyped-def]
    place = draw(random_places())
    names = draw(st.lists(st.sampled_from(list(TAGS)), min_size=len(place.streets), max_size=len(place.streets)))
    return place, names


# ------------------------------------------------------------------------------------------------ against others


@settings(max_examples=25, deadline=None)
@given(towns())
def test_the_shortest_walk_is_the_spines(town: tuple[Place, list[str]]) -> None:
    place, names = town
    streets = tagged(place.streets, names)
    network = build_network(streets, place.nodes)
    attached = attach(network, place.origins, place.entrances, limit_m=SNAP_M)
    pairs = travel_costs(network, attached, place.facilities, horizon_m=50_000.0).pairs
    metres = dict(zip(zip(pairs["origin_id"], pairs["facility_id"], strict=True), pairs["metres"], strict=True))
    for origin in place.origins.itertuples():
        for facility in place.facilities["facility_id"]:
            doors = place.entrances.loc[place.entrances["facility_id"] == facility, "geometry"].tolist()
            found = asked(streets, place.nodes, [origin.geometry], doors).shortest_m()
            assert found == pytest.approx(metres.get((origin.origin_id, facility), np.inf), abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(towns(), PROFILES, DETOURS)
def test_the_front_is_that_of_all_simple_paths(town: tuple[Place, list[str]], profile: str, detour: float) -> None:
    place, names = town
    assume(len(names) <= 7)
    doors = place.entrances.geometry.tolist()[:2]
    of = asked(tagged(place.streets, names), place.nodes, [place.origins.geometry.iloc[0]], doors, profile)
    judge_front(of, detour)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(list(TAGS)), min_size=5, max_size=5), st.permutations(range(5)), PROFILES, DETOURS)
def test_the_front_of_walks_around_a_block(names: list[str], lengths: list[int], profile: str, detour: float) -> None:
    """Three ways from corner to corner of a square, with a street between two of them, of any kind and length."""
    lines = [
        [(0, 0), (99, 0)],
        [(99, 0), (99, 99)],
        [(0, 0), (0, 99)],
        [(0, 99), (99, 99)],
        [(0, 0), (40, 60), (99, 99)],
    ]
    streets, nodes = street_table(lines, length_m=[90.0 + 17.0 * turn for turn in lengths])
    judge_front(asked(tagged(streets, names), nodes, [Point(-5, -9)], [Point(103, 102)], profile), detour)


def judge_front(of: Asked, detour: float) -> None:
    profile = catalog.profiles()[of.profile]
    most = max(profile.most_segment_stress.value, profile.most_crossing_stress.value)
    assert ((of.grade <= most) == of.bears).all(), "what is borne comes before what is not"
    walks = all_walks(of)
    assume(walks is not None)
    shortest = of.shortest_m()
    if not walks:
        assert np.isinf(shortest)
        return
    assert round(shortest * 1e9) == min(length for _, _, length in walks)
    assert of.front(shortest * detour) == best_of(walks, shortest * detour)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_two_criteria_on_any_graph(data: st.DataObject) -> None:
    """Random multigraphs, zero costs among them, against all simple paths."""
    nodes, count = data.draw(st.integers(2, 6)), data.draw(st.integers(1, 12))
    node, cost = st.integers(0, nodes - 1), st.integers(0, 5)
    rows = data.draw(st.lists(st.tuples(node, node, cost, cost), min_size=count, max_size=count))
    tail, head, length, burden = np.array(sorted(rows, key=lambda row: row[1]), dtype=np.int64).T
    ends = [np.array(data.draw(st.lists(node, min_size=1, max_size=2)), dtype=np.int64) for _ in range(2)]
    legs = [np.array([data.draw(cost) for _ in end], dtype=np.int64) for end in ends]
    ways, most = Ways(tail, head, nodes, ends[0], legs[0], ends[1], legs[1]), data.draw(st.integers(0, 20))
    town = nx.MultiDiGraph()
    town.add_nodes_from(range(nodes))
    town.add_edges_from(zip(tail.tolist(), head.tolist(), range(count), strict=True))
    every = []
    for start, out in zip(ends[0].tolist(), legs[0].tolist(), strict=True):
        for goal, in_ in zip(ends[1].tolist(), legs[1].tolist(), strict=True):
            for path in [[]] if start == goal else nx.all_simple_edge_paths(town, start, goal):
                arcs = [arc for _, _, arc in path]
                every.append((out + in_ + int(length[arcs].sum()), int(burden[arcs].sum())))
    front: list[tuple[int, int]] = []
    for walk in sorted(set(every)):
        if walk[0] <= most and (not front or walk[1] < front[-1][1]):
            front.append(walk)
    open_ = np.ones(count, dtype=bool)
    found = best_walks(ways, length, burden, open_, most=most)
    assert [(walk.length, walk.burden) for walk in found] == front
    for walk in found:
        along = [int(ends[0][walk.start]), *head[walk.arcs].tolist()]
        assert tail[walk.arcs].tolist() == along[:-1] and along[-1] == ends[1][walk.goal]
        assert walk.length == legs[0][walk.start] + legs[1][walk.goal] + length[walk.arcs].sum()
    shortest = least_walk(ways, length, open_)
    assert (None if shortest is None else shortest.length) == min((whole for whole, _ in every), default=None)


# --------------------------------------------------------------------------------------------------- drawn by hand


def big_road() -> tuple[gpd.GeoDataFrame, pd.DataFrame]:
    """A road without footways, 400 m long, between two ends where one may go around."""
    streets, nodes = street_table([[(0, 0), (400, 0)]])
    return tagged(streets, ["big"]), nodes


def test_whoever_stays_on_a_side_crosses_nothing() -> None:
    of = asked(*big_road(), [Point(100, 5)], [Point(200, 5)])
    assert of.front(1e6) == [(4, 100 * 10**9, 110 * 10**9)]
    assert np.isin(of.trip.graph.crossing[of.trip.graph.crossing >= 0], range(2)).all()


def test_the_other_side_is_over_an_unmarked_crossing_in_mid_block_or_around_the_end() -> None:
    of = asked(*big_road(), [Point(100, 5)], [Point(200, -5)])
    wide = round(6 * 3.5 * 1e9)
    assert of.front(1e6) == [(4, 100 * 10**9 + wide, 110 * 10**9)]
    around = asked(*big_road(), [Point(1, 5)], [Point(2, -5)])
    assert around.front(1e6) == [(4, 3 * 10**9, 13 * 10**9), (4, 10**9 + wide, 11 * 10**9)]


def test_a_point_on_the_line_may_take_either_side() -> None:
    of = asked(*big_road(), [Point(100, 0)], [Point(200, -5)])
    assert of.front(1e6) == [(4, 100 * 10**9, 105 * 10**9)]


@pytest.mark.parametrize(
    ("goal", "walked_m", "crossed"),
    [((50, -5), 50, 0), ((-5, 50), 50, 0), ((50, 5), 50, 1), ((5, 50), 50, 1), ((0, 0), 0, 0)],
)
def test_a_point_beside_a_junction_steps_into_its_sector(
    goal: tuple[float, float], walked_m: float, crossed: int
) -> None:
    """From the south-west of a junction whose roads leave to the east, the north-east and the north."""
    streets, nodes = street_table([[(0, 0), (100, 0)], [(0, 0), (100, 100)], [(0, 0), (0, 100)]])
    of = asked(tagged(streets, ["big"] * 3), nodes, [Point(-3, -4)], [Point(goal)])
    hard = of.front(1e6)[0][1] / 1e9
    assert hard == pytest.approx(walked_m + crossed * 6 * 3.5)


def test_a_detour_over_a_footway_is_taken_under_its_ceiling_only() -> None:
    lines = [[(0, 0), (100, 0)], [(0, 0), (0, 10), (100, 10), (100, 0)]]
    streets, nodes = street_table(lines)
    of = asked(tagged(streets, ["big", "path"]), nodes, [Point(0, 0)], [Point(100, 0)])
    assert of.front(100 * 1.25) == [(1, 0, 120 * 10**9), (4, 100 * 10**9, 100 * 10**9)]
    assert of.front(100 * 1.15) == [(4, 100 * 10**9, 100 * 10**9)]


@pytest.mark.parametrize(
    ("start", "goal", "metres"),
    [((-50, 0), (150, 0), 300), ((50, 0), (150, 0), 100), ((150, 0), (40, 0), 110), ((30, 0), (70, 0), 40)],
)
def test_nobody_walks_through_a_closed_street_but_from_it_and_to_it(
    start: tuple[float, float], goal: tuple[float, float], metres: float
) -> None:
    lines = [[(-100, 0), (0, 0)], [(0, 0), (100, 0)], [(0, 0), (0, 50), (100, 50), (100, 0)], [(100, 0), (200, 0)]]
    streets, nodes = street_table(lines)
    streets = tagged(streets, ["big", "big", "small", "path"]).assign(closed=[False, True, False, False])
    assert asked(streets, nodes, [Point(start)], [Point(goal)]).shortest_m() == pytest.approx(metres, abs=1e-6)


@pytest.mark.parametrize(("count", "wanted", "rows"), [(5, 3, [0, 2, 4]), (2, 3, [0, 1]), (1, 3, [0]), (4, 1, [0])])
def test_the_first_the_last_and_between_are_shown(count: int, wanted: int, rows: list[int]) -> None:
    assert chosen_of(count, wanted) == rows


def test_a_stroller_goes_around_the_steps_and_bears_the_longer_way() -> None:
    lines = [[(0, 0), (100, 0)], [(0, 0), (0, 30), (100, 30), (100, 0)]]
    streets, nodes = street_table(lines)
    of = asked(tagged(streets, ["steps", "path"]), nodes, [Point(0, 0)], [Point(100, 0)], "stroller")
    passable = least_walk(of.ways, of.length, ~of.trip.graph.steps)
    assert of.shortest_m() == 100 and passable is not None and walk_nm(passable) == 160 * 10**9
    assert not of.bears[of.trip.graph.steps].any() and of.bears[~of.trip.graph.steps].all()
