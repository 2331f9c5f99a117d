"""Flows of children: against the spine's distances and every shortest walk listed by networkx, and on drawn towns."""

from dataclasses import dataclass, replace
from math import floor
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, Point

from cfc_geo import catalog
from cfc_geo.model import Study
from cfc_geo.network.costs import attach, longest_nm, steps_onto, travel_costs
from cfc_geo.network.excess import IMPASSABLE, excess_by_arc
from cfc_geo.network.flows import (
    NONE_LESS,
    Excess,
    Flows,
    Trips,
    Ways,
    arcs_of,
    bearable,
    excess_of,
    nearest_borne_m,
    walk_flows,
    ways_of,
    without,
)
from cfc_geo.network.graph import build_network
from cfc_geo.network.pareto import least_walk
from cfc_geo.network.sided import LEFT_SIDE, RIGHT_SIDE, sided_graph
from cfc_geo.network.stress import segment_stress
from cfc_geo.network.trip import Trip, plan_trip
from cfc_geo.questions.walks import walk_nm
from cfc_geo.routing import ways_of as ways_of_route
from cfc_geo.routing import with_ties
from tests.random_towns import SNAP_M, Place, random_places
from tests.towns import CRS, facility_tables, origin_table, street_table

BIG = {"highway": "primary", "maxspeed": "60", "lanes": "6"}
WALKED = {**BIG, "sidewalk": "both", "sidewalk_width": "3", "maxspeed": "50", "lanes": "2", "highway": "secondary"}
SMALL = {"highway": "residential", "maxspeed": "30", "lanes": "1"}
PATH = {"highway": "footway"}
STEPS = {"highway": "steps", "steps": True}
ONE_SIDED = {"highway": "tertiary", "maxspeed": "40", "lanes": "2", "sidewalk": "left", "sidewalk_width": "2"}
PROFILES = st.sampled_from(list(catalog.profiles()))


@dataclass(frozen=True, eq=False)
class Town:
    """A place whose streets have tags, and everything the flows need of it."""

    ways: Ways
    trips: Trips
    study: Study


def town(place: Place, tags: list[dict[str, Any]], children: list[float] | None = None, crossings: Any = "") -> Town:
    names = ("highway", "maxspeed", "lanes", "sidewalk", "sidewalk_width")
    streets = place.streets.assign(**{name: [str(row.get(name, "")) for row in tags] for name in names})
    streets = streets.assign(tunnel=False, bridge=False, steps=[bool(row.get("steps", False)) for row in tags])
    nodes = place.nodes.assign(crossing=crossings)
    network = build_network(streets, nodes)
    stress = segment_stress(streets)
    graph = sided_graph(network, streets, nodes, stress)
    empty = pd.DataFrame()
    study = Study(
        "", CRS, empty, place.origins, place.facilities, place.entrances, streets, nodes, empty, frozenset()
    )  # fmt: skip
    ways = ways_of(study, network, graph, stress, snap_limit_m=SNAP_M)
    costs = travel_costs(
        network, attach(network, place.origins, place.entrances, limit_m=SNAP_M), place.facilities, horizon_m=10_000.0
    ).pairs
    origin, facility = (costs[name].cat.codes.to_numpy().astype(np.int64) for name in ("origin_id", "facility_id"))
    order = np.lexsort((origin, facility))
    weights = np.array(children if children is not None else [1.0] * len(place.origins))
    metres = costs["metres"].to_numpy()[order]
    trips = Trips(origin[order], facility[order], weights[origin[order]] + facility[order], metres)
    return Town(ways, trips, study)


def drawn(*ways: tuple[list[tuple[float, float]], dict[str, Any]], homes: dict[str, Any], doors: dict[str, Any],
          children: list[float] | None = None) -> Town:  # fmt: skip
    streets, nodes = street_table([LineString(line) for line, _ in ways])
    origins = origin_table({name: Point(at) for name, at in homes.items()})
    tables = facility_tables({name: Point(at) for name, at in doors.items()})
    return town(Place(streets, nodes, origins, *tables), [tags for _, tags in ways], children)


def walked(town_: Town, profile: str, detour: float = 1.25) -> tuple[Excess, Flows]:
    excess = excess_of(town_.ways, catalog.profiles()[profile])
    return excess, walk_flows(town_.ways, excess, town_.trips, detour=detour)


# ------------------------------------------------------------------------------------------------- the outside judge


class Judge:
    """All walks of one trip as a networkx graph in which every arc and every step is a node of its own, so that
    parallel ones are told apart; keys are length, then the sum of crossing stress."""

    def __init__(self, ways: Ways, excess: Excess, facility: int) -> None:
        self.graph: nx.DiGraph = nx.DiGraph()
        g, arcs = ways.graph, arcs_of(ways, excess)
        for a in range(len(g.tail)):
            element = ("street", g.street[a], g.side[a]) if g.street[a] >= 0 else ("crossing", g.crossing[a], 0)
            self.add(int(g.tail[a]), int(g.head[a]), int(arcs.key[a]), int(arcs.excess[a]), element)
        for step, leaving in ((ways.doors, True), (ways.gates, False)):
            for row, (point, node) in enumerate(zip(step.point, step.node, strict=True)):
                if leaving or ways.facility_of_gate[point] == facility:
                    ends = (("home", int(point)), int(node)) if leaving else (int(node), "goal")
                    self.step(ways, excess, step, row, *ends)
        for row in np.flatnonzero(ways.facility_of_gate[ways.straight.entrance] == facility):
            self.step(ways, excess, ways.straight, row, ("home", int(ways.straight.origin[row])), "goal")

    def step(self, ways: Ways, excess: Excess, of: Any, row: int, tail: object, head: object) -> None:
        street, side, crosses = int(of.street[row]), int(of.side[row]), int(of.crosses[row])
        hard = int(excess.street[street, side]) if street >= 0 else 0
        hard = max(hard, int(excess.midblock[street])) if crosses else hard
        key = (int(of.nm[row]) << 16) + crosses * int(ways.midblock_stress[street])
        self.add(tail, head, key, hard, ("street", street, side) if street >= 0 else ("", 0, 0), crosses)

    def add(
        self, tail: object, head: object, key: int, hard: int, element: tuple[str, int, int], crosses: int = 0
    ) -> None:
        middle = ("arc", self.graph.number_of_nodes())
        self.graph.add_node(middle, element=element, hard=hard, crosses=crosses)
        self.graph.add_edge(tail, middle, weight=key)
        self.graph.add_edge(middle, head, weight=0)

    def shortest_nm(self, origin: int) -> int:
        """Of what the profile can walk; -1 where there is none."""
        walks = self.walks(origin, 3, int(1e15))
        return int(nx.path_weight(self.graph, walks[0], "weight")) >> 16 if walks else -1

    def walks(self, origin: int, ceiling: int, most_nm: int) -> list[list[Any]]:
        nodes = [node for node, data in self.graph.nodes(data=True) if data.get("hard", 0) <= ceiling]
        graph = self.graph.subgraph(nodes)
        home = ("home", origin)
        if home not in graph or "goal" not in graph or not nx.has_path(graph, home, "goal"):
            return []
        if nx.shortest_path_length(graph, home, "goal", weight="weight") >> 16 > most_nm:
            return []
        return list(nx.all_shortest_paths(graph, home, "goal", weight="weight"))


def brute_force(town_: Town, excess: Excess, detour: float) -> tuple[dict[str, dict[Any, float]], list[int]]:
    """Children by element on the easiest and on the shortest walks, and the ceiling of each trip."""
    found: dict[str, dict[Any, float]] = {"easiest": {}, "shortest": {}}
    borne = []
    trips = town_.trips
    judges = {int(facility): Judge(town_.ways, excess, int(facility)) for facility in np.unique(trips.facility)}
    for origin, facility, children in zip(trips.origin, trips.facility, trips.children, strict=True):
        judge = judges[int(facility)]
        most_nm = floor(judge.shortest_nm(int(origin)) * detour) + 1000
        chosen: dict[str, list[Any]] = {"easiest": [], "shortest": judge.walks(int(origin), 3, most_nm)}
        ceiling = NONE_LESS
        for level in range(4):
            if walks := judge.walks(int(origin), level, most_nm):
                ceiling, chosen["easiest"] = level, walks
                break
        borne.append(ceiling)
        for name, walks in chosen.items():
            for walk in walks:
                for node in walk:
                    if isinstance(node, tuple) and node[0] == "arc":
                        kind, row, side = judge.graph.nodes[node]["element"]
                        over = judge.graph.nodes[node]["crosses"]
                        for element, count in [((kind, row, side), 1), *([(("over", row, 0), over)] if over else [])]:
                            found[name][element] = found[name].get(element, 0.0) + count * children / len(walks)
    return found, borne


def check_against(found: dict[Any, float], street: np.ndarray, crossing: np.ndarray, midblock: np.ndarray) -> None:
    expected = np.zeros_like(street), np.zeros_like(crossing), np.zeros_like(midblock)
    for (kind, row, side), children in found.items():
        if kind == "street":
            expected[0][row, side] += children
        elif kind == "crossing":
            expected[1][row] += children
        elif kind == "over":
            expected[2][row] += children
    for measured, right in zip((street, crossing, midblock), expected, strict=True):
        np.testing.assert_allclose(measured, right, atol=1e-9)


TAGS = st.sampled_from([BIG, WALKED, ONE_SIDED, SMALL, PATH, STEPS, {"highway": "tertiary"}, {}])


@settings(max_examples=40)
@given(random_places(), st.data())
def test_flows_are_those_of_all_shortest_walks_listed_one_by_one(place: Place, data: Any) -> None:
    tags = [data.draw(TAGS) for _ in range(len(place.streets))]
    made = town(place, tags, [float(2**number) for number in range(len(place.origins))])
    excess, flows = walked(made, data.draw(PROFILES))
    found, borne = brute_force(made, excess, 1.25)
    assert flows.borne.tolist() == borne
    check_against(found["easiest"], flows.street, flows.crossing, flows.midblock)
    check_against(found["shortest"], flows.street_shortest, flows.crossing_shortest, flows.midblock_shortest)
    has = flows.borne != NONE_LESS
    own = replace(made.trips, metres=np.where(has, flows.shortest_m, 0.0))
    fine = bearable(made.ways, excess, own, detour=1.25)
    assert (fine[has] == (flows.borne[has] == 0)).all()


@settings(max_examples=40)
@given(random_places(), st.data())
def test_flows_and_routes_agree_on_every_walk(place: Place, data: Any) -> None:
    """Whether it is borne within the detour, and how long the shortest and the easiest are: the first trips, as all
    profiles."""
    place = place.with_(
        origins=place.origins.iloc[:2], facilities=place.facilities.iloc[:1],
        entrances=place.entrances[place.entrances["facility_id"] == place.facilities["facility_id"].iloc[0]],
    )  # fmt: skip
    made = town(place, [data.draw(TAGS) for _ in range(len(place.streets))])
    detour, routed = data.draw(st.sampled_from([1.0, 1.25, 3.0])), routes_of(made)
    for name in catalog.profiles():
        _, flows = walked(made, name, detour)
        for trip, route in enumerate(routed):
            shortest_nm, borne_nm = least_nm(route, made, name)
            bears = 0 <= borne_nm <= longest_nm(np.array(shortest_nm), detour)
            assert flows.borne[trip] == NONE_LESS if shortest_nm < 0 else (flows.borne[trip] == 0) == bears
            if shortest_nm >= 0:
                assert flows.shortest_m[trip] * 1e9 == pytest.approx(shortest_nm, rel=1e-12)
            if bears:
                assert flows.easiest_m[trip] * 1e9 == pytest.approx(borne_nm, rel=1e-12)


def routes_of(made: Town) -> list[Trip]:
    """Every trip as `route` walks it."""
    study, network = made.study, build_network(made.study.streets, made.study.nodes)
    homes, doors = (np.array(table.geometry, dtype=object) for table in (study.origins, study.entrances))
    ids = study.facilities["facility_id"].to_numpy()[made.trips.facility]
    pairs = [
        (homes[[home]], doors[study.entrances["facility_id"] == of])
        for home, of in zip(made.trips.origin, ids, strict=True)
    ]
    ends = [[(points, steps_onto(network, points, SNAP_M)) for points in pair] for pair in pairs]
    return [
        plan_trip(made.ways.graph, network, study.streets, made.ways.stress, starts=start, goals=goal)
        for start, goal in ends
    ]


def least_nm(route: Trip, made: Town, name: str) -> tuple[int, int]:
    """Nanometres of the shortest walk that the profile can walk, and of the shortest that it bears; -1 none."""
    profile = catalog.profiles()[name]
    excess, length, ways = (
        excess_by_arc(route.graph, made.study.streets, profile),
        with_ties(route, profile),
        ways_of_route(route),
    )
    found = [least_walk(ways, length, allowed) for allowed in (excess < IMPASSABLE, excess == 0)]
    shortest, borne = (-1 if walk is None else walk_nm(walk) for walk in found)
    return shortest, borne


@settings(max_examples=40)
@given(random_places(), st.data())
def test_shortest_walks_are_as_long_as_the_spine_s(place: Place, data: Any) -> None:
    closed = [data.draw(st.booleans()) and data.draw(st.booleans()) for _ in range(len(place.streets))]
    tags = [data.draw(st.sampled_from([BIG, WALKED, SMALL, {}])) for _ in range(len(place.streets))]
    made = town(place.with_(streets=place.streets.assign(closed=closed)), tags)
    _, flows = walked(made, "child_with_adult")
    np.testing.assert_allclose(flows.shortest_m, made.trips.metres, atol=1e-6, rtol=0)
    has = ~np.isnan(flows.easiest_m)
    assert (flows.easiest_m[has] >= made.trips.metres[has] - 1e-6).all()
    assert (flows.easiest_m[has] <= made.trips.metres[has] * 1.25 + 2e-6).all()


@settings(max_examples=30)
@given(random_places(), st.data())
def test_the_nearest_over_what_is_borne_is_the_least_of_all_trips(place: Place, data: Any) -> None:
    made = town(place, [data.draw(TAGS) for _ in range(len(place.streets))])
    excess = excess_of(made.ways, catalog.profiles()[data.draw(PROFILES)])
    found = nearest_borne_m(made.ways, excess, np.arange(len(place.facilities)), limit_m=9_000.0)
    least = np.full(len(place.origins), np.inf)
    for facility in range(len(place.facilities)):
        judge = Judge(made.ways, excess, facility)
        for origin in range(len(place.origins)):
            for walk in judge.walks(origin, 0, int(9e12))[:1]:
                metres = (nx.path_weight(judge.graph, walk, "weight") >> 16) / 1e9
                least[origin] = min(least[origin], metres)
    np.testing.assert_allclose(np.where(np.isnan(found), np.inf, found), least, atol=1e-9)


# --------------------------------------------------------------------------------------------------------- drawn towns


def ladder(rungs: int) -> Town:
    """North bank, south bank, and bridges between them, all footways; homes in the north, a school in the south."""
    banks = [([(100.0 * x, y), (100.0 * (x + 1), y)], PATH) for x in range(rungs - 1) for y in (100.0, 0.0)]
    bridges = [([(100.0 * x, 100.0), (100.0 * x, 0.0)], PATH) for x in range(rungs)]
    homes = {f"h{x}": (100.0 * x, 110.0) for x in range(rungs)}
    return drawn(
        *banks, *bridges, homes=homes, doors={"school": (0.0, -10.0)}, children=[float(2**x) for x in range(rungs)]
    )


def test_whoever_crosses_the_river_crosses_it_once() -> None:
    made = ladder(4)
    _, flows = walked(made, "alone_9_11")
    bridges = flows.street[-4:].sum()
    assert bridges == pytest.approx(made.trips.children.sum()) == pytest.approx(15.0)


def test_ties_share_the_children_of_a_home_equally() -> None:
    """From h2 three walks of 330 m lead to the school, one over each bridge."""
    made = ladder(3)
    _, flows = walked(made, "alone_9_11")
    over = flows.street[-3:].sum(axis=1)
    np.testing.assert_allclose(over, [1 + 2 / 2 + 4 / 3, 2 / 2 + 4 / 3, 4 / 3])


def test_an_easier_walk_is_taken_within_the_detour_and_else_the_shortest() -> None:
    """The road is straight; the path beside it is 20 % longer."""
    road = ([(0.0, 0.0), (200.0, 0.0)], BIG)
    path = ([(0.0, 0.0), (100.0, 66.3), (200.0, 0.0)], PATH)
    ends = ([(-50.0, 0.0), (0.0, 0.0)], PATH), ([(200.0, 0.0), (250.0, 0.0)], PATH)
    made = drawn(road, path, *ends, homes={"h": (-50.0, 0.0)}, doors={"s": (250.0, 0.0)})
    _, flows = walked(made, "alone_9_11", 1.2)
    assert flows.borne.tolist() == [0] and flows.street[1].sum() == 1.0 and flows.street[0].sum() == 0.0
    assert flows.street_shortest[0].sum() == 1.0
    _, strict = walked(made, "alone_9_11", 1.05)
    assert strict.borne.tolist() == [2] and strict.street[0].sum() == 1.0


def test_a_school_on_the_other_side_of_the_road_is_reached_across_it_unmarked() -> None:
    road = ([(0.0, 0.0), (200.0, 0.0)], WALKED)
    made = drawn(road, homes={"h": (50.0, 5.0)}, doors={"s": (150.0, -5.0)})
    excess, flows = walked(made, "alone_9_11")
    assert flows.midblock.tolist() == [1.0] and excess.midblock[0] > 0
    assert flows.borne[0] == excess.midblock[0]
    same = drawn(road, homes={"h": (50.0, 5.0)}, doors={"s": (150.0, 5.0)})
    _, beside = walked(same, "alone_9_11")
    assert beside.borne.tolist() == [0] and beside.midblock.tolist() == [0.0]
    assert beside.street[0, LEFT_SIDE] == 1.0 and beside.street[0, RIGHT_SIDE] == 0.0


def test_who_lives_on_the_bare_side_crosses_at_the_door_and_takes_the_footway() -> None:
    """One street with a footway on its left; the school is on the left."""
    made = drawn(([(0.0, 0.0), (200.0, 0.0)], ONE_SIDED), homes={"h": (20.0, -8.0)}, doors={"s": (180.0, 8.0)})
    excess, flows = walked(made, "alone_9_11")
    assert excess.street[0].tolist() == [0, 0, 2] and excess.midblock[0] == 0
    assert flows.borne.tolist() == [0] and flows.midblock.tolist() == [1.0]
    assert flows.street[0].tolist() == [0.0, 1.0, 0.0]


def test_who_lives_and_learns_on_the_bare_side_crosses_twice() -> None:
    made = drawn(([(0.0, 0.0), (200.0, 0.0)], ONE_SIDED), homes={"h": (20.0, -8.0)}, doors={"s": (180.0, -8.0)})
    _, flows = walked(made, "alone_9_11")
    assert flows.borne.tolist() == [0] and flows.midblock.tolist() == [2.0]
    assert flows.midblock_shortest.tolist() == [0.0] and flows.street_shortest[0].tolist() == [0.0, 0.0, 1.0]


def test_a_cut_in_a_street_changes_nothing() -> None:
    """The street is drawn in two pieces; the door is still crossed at, not the cut."""
    pieces = ([(0.0, 0.0), (100.0, 0.0)], ONE_SIDED), ([(100.0, 0.0), (200.0, 0.0)], ONE_SIDED)
    made = drawn(*pieces, homes={"h": (20.0, -8.0)}, doors={"s": (180.0, 8.0)})
    _, flows = walked(made, "alone_9_11")
    assert flows.borne.tolist() == [0] and flows.street[:, LEFT_SIDE].tolist() == [1.0, 1.0]
    assert flows.midblock.sum() == 1.0 and flows.street[:, RIGHT_SIDE].sum() == 0.0


def test_a_home_at_a_fork_steps_into_its_own_sector() -> None:
    """Big roads leave to the north-east, the south-east and the south; the home is nearest to their junction."""
    roads = (([(0.0, 0.0), end], WALKED) for end in ((100.0, 60.0), (100.0, -60.0), (0.0, -100.0)))
    made = drawn(*roads, homes={"h": (-9.0, 5.0)}, doors={"s": (60.0, 0.0)})
    _, flows = walked(made, "child_with_adult")
    crossed = made.ways.graph.crossings["street_id"][flows.crossing > 0]
    assert crossed.tolist() == ["s0"] and flows.crossing.sum() == 1.0, "the school lies between the first two"


@pytest.mark.parametrize(("farthest_m", "metres"), [(2000.0, 160.0), (160.0, 160.0), (159.0, np.nan)])
def test_a_stroller_s_detour_is_measured_from_its_own_shortest_walk(farthest_m: float, metres: float) -> None:
    """The steps are 100 m, the ramp around them 160 m."""
    ramp = [(0.0, 0.0), (0.0, 30.0), (100.0, 30.0), (100.0, 0.0)]
    made = drawn(
        ([(0.0, 0.0), (100.0, 0.0)], STEPS), (ramp, PATH), homes={"h": (0.0, 0.0)}, doors={"s": (100.0, 0.0)}
    )  # fmt: skip
    excess = excess_of(made.ways, catalog.profiles()["stroller"])
    flows = walk_flows(made.ways, excess, made.trips, detour=1.25, farthest_m=farthest_m)
    np.testing.assert_allclose(flows.shortest_m, [metres])
    np.testing.assert_allclose(flows.easiest_m, [metres])
    assert flows.borne.tolist() == [NONE_LESS if np.isnan(metres) else 0]
    assert flows.street[1].sum() == (0.0 if np.isnan(metres) else 1.0) and flows.street[0].sum() == 0.0


def test_strollers_do_not_take_steps() -> None:
    made = drawn(
        ([(0.0, 0.0), (100.0, 0.0)], STEPS), homes={"h": (0.0, 0.0)}, doors={"s": (100.0, 0.0)}
    )  # fmt: skip
    excess, flows = walked(made, "stroller")
    assert flows.borne.tolist() == [NONE_LESS] and np.isnan(flows.shortest_m).all()
    assert (without(excess, streets=np.array([0])).street == IMPASSABLE).all()
    _, afoot = walked(made, "child_with_adult")
    assert afoot.borne.tolist() == [0]


def test_trips_that_are_not_sorted_or_too_long_are_refused() -> None:
    made = ladder(2)
    excess = excess_of(made.ways, catalog.profiles()["alone_9_11"])
    zero, one = np.array([0, 0]), np.array([1.0, 1.0])
    with pytest.raises(ValueError, match="sorted"):
        walk_flows(made.ways, excess, Trips(zero, np.array([1, 0]), one, one), detour=1.0)
    with pytest.raises(ValueError, match="too long"):
        walk_flows(made.ways, excess, Trips(zero, zero, one, one * 70_000), detour=1.0)
