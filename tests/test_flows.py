"""Flows of children: against the spine's distances and every shortest walk listed by networkx, and on drawn towns."""

from dataclasses import dataclass
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
from cfc_geo.network.costs import attach, travel_costs
from cfc_geo.network.flows import (
    IMPASSABLE,
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
from cfc_geo.network.graph import build_network, nanometres
from cfc_geo.network.sided import LEFT_SIDE, RIGHT_SIDE, sided_graph
from cfc_geo.network.stress import segment_stress
from tests.random_towns import SNAP_M, Place, random_places
from tests.towns import CRS, facility_tables, origin_table, street_table

BIG = {"highway": "primary", "maxspeed": "60", "lanes": "6"}
WALKED = {**BIG, "sidewalk": "both", "sidewalk_width": "3", "maxspeed": "50", "lanes": "2", "highway": "secondary"}
SMALL = {"highway": "residential", "maxspeed": "30", "lanes": "1"}
PATH = {"highway": "footway"}
STEPS = {"highway": "steps", "steps": True}
PROFILES = st.sampled_from(["alone_6_8", "alone_9_11", "child_with_adult", "stroller"])


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
            for point, node, nm, street, side in zip(
                step.point, step.node, step.nm, step.street, step.side, strict=True
            ):
                if not leaving and ways.facility_of_gate[point] != facility:
                    continue
                ends = (("home", int(point)), int(node)) if leaving else (int(node), "goal")
                hard = int(excess.street[street, side]) if street >= 0 else 0
                self.add(*ends, int(nm) << 16, hard, ("street", street, side) if street >= 0 else ("", 0, 0))
        s = ways.straight
        for row in np.flatnonzero(ways.facility_of_gate[s.entrance] == facility):
            street, crosses = s.street[row], bool(s.crosses[row])
            hard = max(int(excess.street[street, s.side[row]]), int(excess.midblock[street]) if crosses else 0)
            key = (int(s.nm[row]) << 16) + (int(ways.midblock_stress[street]) if crosses else 0)
            name = "over" if crosses else "street"
            self.add(("home", int(s.origin[row])), "goal", key, hard, (name, street, s.side[row]))

    def add(self, tail: object, head: object, key: int, hard: int, element: tuple[str, int, int]) -> None:
        middle = ("arc", self.graph.number_of_nodes())
        self.graph.add_node(middle, element=element, hard=hard)
        self.graph.add_edge(tail, middle, weight=key)
        self.graph.add_edge(middle, head, weight=0)

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
    for origin, facility, children, metres in zip(
        trips.origin, trips.facility, trips.children, trips.metres, strict=True
    ):
        judge = judges[int(facility)]
        most_nm = int(nanometres(np.array(metres * detour + 1e-6)))
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
                        for element in (
                            [("street", row, side), ("over", row, 0)] if kind == "over" else [(kind, row, side)]
                        ):
                            found[name][element] = found[name].get(element, 0.0) + children / len(walks)
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


TAGS = st.sampled_from([BIG, WALKED, SMALL, PATH, STEPS, {"highway": "tertiary"}, {}])


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
    fine = bearable(made.ways, excess, made.trips, detour=1.25)
    assert (fine == (flows.borne == 0)).all()


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
