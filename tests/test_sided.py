"""The sided graph: junctions drawn by hand, and distances equal to the spine's on random towns and the sample."""

from pathlib import Path

import geopandas as gpd
import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, Point

from cfc_geo import catalog
from cfc_geo.inputs.study import read_study
from cfc_geo.model import Network
from cfc_geo.network.excess import excess_by_arc
from cfc_geo.network.graph import build_network
from cfc_geo.network.sided import LEFT_SIDE, NO_SIDE, RIGHT_SIDE, SidedGraph, by_arc, side_of, sided_graph, walls
from cfc_geo.network.stress import segment_stress
from cfc_geo.plan import load_plan
from tests.random_towns import random_places
from tests.towns import street_table

ROOT = Path(__file__).parents[1]
BIG = {"highway": "primary", "maxspeed": "60", "lanes": "6"}
SMALL = {"highway": "residential", "maxspeed": "30", "lanes": "1"}
PATH = {"highway": "footway"}
Way = tuple[list[tuple[float, float]], dict[str, str]]


class Sketch:
    """A few ways, drawn by hand, and their sided graph; nodes are asked for by place."""

    def __init__(self, *ways: Way, crossings: dict[tuple[float, float], str] | None = None) -> None:
        self.streets, self.nodes = street_table([line for line, _ in ways])
        self.streets = self.streets.assign(tunnel=False, bridge=False, steps=False)
        for row, (_, tags) in enumerate(ways):
            for key, value in tags.items():
                self.streets.loc[row, key] = value
        places = list(zip(self.nodes["x"], self.nodes["y"], strict=True))
        self.nodes["crossing"] = [(crossings or {}).get(place, "") for place in places]
        self.network = build_network(self.streets, self.nodes)
        self.stress = segment_stress(self.streets)
        self.graph = sided_graph(self.network, self.streets, self.nodes, self.stress)

    def parts(self, x: float, y: float) -> list[int]:
        at = int(np.flatnonzero((self.network.node_xy == (x, y)).all(axis=1))[0])
        return np.flatnonzero(self.graph.junction == at).tolist()

    def ends(self, street: int) -> list[tuple[int, int, int]]:
        """(side, from, to) of the copies of a street, as walked along."""
        g = self.graph
        arcs = np.flatnonzero((g.street == street) & g.along)
        return sorted((int(g.side[a]), int(g.tail[a]), int(g.head[a])) for a in arcs)

    def free(self, one: int, other: int) -> bool:
        """Whether a walker gets from one street to the other without crossing a wall, on some sides of them."""
        g = self.graph
        walks = nx.Graph()
        walks.add_nodes_from(range(len(g.junction)))
        keep = np.flatnonzero(np.isin(g.street, (one, other)))
        walks.add_edges_from(zip(g.tail[keep].tolist(), g.head[keep].tolist(), strict=True))
        starts = {node for _, *pair in self.ends(one) for node in pair}
        goals = {node for _, *pair in self.ends(other) for node in pair}
        return bool(starts & goals)


def arcs_of(graph: SidedGraph) -> nx.MultiDiGraph:
    made = nx.MultiDiGraph()
    made.add_nodes_from(range(len(graph.junction)))
    made.add_weighted_edges_from(zip(graph.tail.tolist(), graph.head.tolist(), graph.length_m.tolist(), strict=True))
    return made


def spine_of(network: Network) -> nx.MultiDiGraph:
    made = nx.MultiDiGraph()
    made.add_nodes_from(range(len(network.node_id)))
    rows = zip(network.segment_from.tolist(), network.segment_to.tolist(), network.segment_m.tolist(), strict=True)
    for row, (start, end, metres) in enumerate(rows):
        if network.segment_forward[row]:
            made.add_edge(start, end, weight=metres)
        if network.segment_backward[row]:
            made.add_edge(end, start, weight=metres)
    return made


# ------------------------------------------------------------------------------------------------------------ junctions


def test_a_small_junction_stays_one_node() -> None:
    sketch = Sketch(([(-50, 0), (0, 0)], SMALL), ([(0, 0), (50, 0)], SMALL), ([(0, 0), (0, 50)], PATH))
    assert len(sketch.parts(0, 0)) == 1 and sketch.graph.crossings.empty
    assert sketch.ends(0)[0][0] == NO_SIDE and len(sketch.ends(0)) == 1


def test_a_side_street_meets_its_own_side_of_a_big_road() -> None:
    sketch = Sketch(
        ([(-50, 0), (0, 0)], BIG), ([(0, 0), (50, 0)], BIG), ([(0, 0), (0, 50)], SMALL), ([(0, 0), (0, -50)], PATH)
    )
    parts = sketch.parts(0, 0)
    (_, _, right), (_, _, left) = sketch.ends(0)
    north, south = sketch.ends(2)[0][1], sketch.ends(3)[0][1]
    assert len(parts) == 2 and {left, right} == set(parts)
    assert (north, south) == (left, right), "north lies left of who walks east"
    assert [(side, tail) for side, tail, _ in sketch.ends(1)] == [(RIGHT_SIDE, right), (LEFT_SIDE, left)]
    assert not sketch.free(2, 3) and sketch.free(0, 2) and sketch.free(0, 3)


def test_a_t_junction_of_big_roads_has_three_sectors_and_crossings() -> None:
    sketch = Sketch(([(-50, 0), (0, 0)], BIG), ([(0, 0), (50, 0)], BIG), ([(0, 0), (0, 50)], BIG))
    assert len(sketch.parts(0, 0)) == 3
    assert sorted(sketch.graph.crossings["street_id"]) == ["s0", "s1", "s2"]
    (_, south, _), (_, north_east, _) = sketch.ends(1)
    assert {tail for _, tail, _ in sketch.ends(2)} == {north_east} | (set(sketch.parts(0, 0)) - {south, north_east})
    assert south not in {tail for _, tail, _ in sketch.ends(2)}


@pytest.mark.parametrize("turn", [0.0, 0.3, 1.2, 2.9])
def test_an_x_junction_has_four_sectors_in_a_ring(turn: float) -> None:
    ends = [(50 * np.cos(turn + k * np.pi / 2), 50 * np.sin(turn + k * np.pi / 2)) for k in range(4)]
    sketch = Sketch(*(([(0, 0), end], BIG) for end in ends))
    g, parts = sketch.graph, sketch.parts(0, 0)
    links = np.flatnonzero(g.crossing >= 0)
    ring = nx.Graph(zip(g.tail[links].tolist(), g.head[links].tolist(), strict=True))
    assert len(parts) == 4 and sorted(ring) == parts and all(degree == 2 for _, degree in ring.degree)
    for k in range(4):
        left = next(tail for side, tail, _ in sketch.ends(k) if side == LEFT_SIDE)
        right = next(tail for side, tail, _ in sketch.ends((k + 1) % 4) if side == RIGHT_SIDE)
        assert left == right, "the left of an arm is the right of the next one counter-clockwise"
        row = sketch.graph.crossings.index[sketch.graph.crossings["street_id"] == f"s{k}"][0]
        (a,) = np.flatnonzero((g.crossing == row) & (g.tail == left))
        assert g.head[a] == next(tail for side, tail, _ in sketch.ends(k) if side == RIGHT_SIDE)


def test_drawing_a_road_the_other_way_swaps_its_sides_only() -> None:
    east = Sketch(([(-50, 0), (0, 0)], BIG), ([(0, 0), (50, 0)], BIG), ([(0, 0), (0, 50)], SMALL))
    west = Sketch(([(0, 0), (-50, 0)], BIG), ([(50, 0), (0, 0)], BIG), ([(0, 0), (0, 50)], SMALL))
    for sketch, at, side in ((east, 2, LEFT_SIDE), (west, 1, RIGHT_SIDE)):
        assert {e[at] for e in sketch.ends(0) if e[0] == side} == {sketch.ends(2)[0][1]}


def test_a_dual_carriageway_is_crossed_in_two_stages() -> None:
    sketch = Sketch(
        ([(-50, 0), (0, 0)], {**BIG, "lanes": "3", "oneway": "yes"}),
        ([(0, 0), (50, 0)], {**BIG, "lanes": "3", "oneway": "yes"}),
        ([(50, 15), (0, 15)], {**BIG, "lanes": "3", "oneway": "yes"}),
        ([(0, 15), (-50, 15)], {**BIG, "lanes": "3", "oneway": "yes"}),
        ([(0, -40), (0, 0)], SMALL),
        ([(0, 0), (0, 15)], SMALL),
        ([(0, 15), (0, 60)], SMALL),
        crossings={(0, 0): "traffic_signals"},
    )
    assert len(sketch.parts(0, 0)) == len(sketch.parts(0, 15)) == 2
    assert not sketch.free(4, 5) and not sketch.free(5, 6)
    table = sketch.graph.crossings
    assert table["lanes_count"].eq(3).all() and len(table) == 4
    by_kind = table.groupby("crossing_type")["stress"].max()
    assert by_kind.to_dict() == {"none": 4, "signal": 2}


def test_a_big_road_that_ends_is_walked_around() -> None:
    dead_end = Sketch(([(-50, 0), (0, 0)], BIG))
    assert dead_end.graph.crossings.empty and len(dead_end.parts(0, 0)) == 1 and len(dead_end.ends(0)) == 2
    onto_path = Sketch(([(-50, 0), (0, 0)], BIG), ([(0, 0), (50, 0)], PATH))
    assert len(onto_path.parts(0, 0)) == 1 and onto_path.free(0, 1)


def test_a_roundabout_has_an_inside() -> None:
    ring = {**BIG, "oneway": "yes", "lanes": "2"}
    sketch = Sketch(
        ([(20, 0), (14, 14), (0, 20)], ring), ([(0, 20), (-14, 14), (-20, 0)], ring),
        ([(-20, 0), (-14, -14), (0, -20)], ring), ([(0, -20), (14, -14), (20, 0)], ring),
        ([(20, 0), (90, 0)], BIG), ([(-20, 0), (-90, 0)], BIG), ([(0, 20), (0, 90)], SMALL),
    )  # fmt: skip
    assert len(sketch.parts(20, 0)) == len(sketch.parts(-20, 0)) == 3
    assert len(sketch.parts(0, 20)) == len(sketch.parts(0, -20)) == 2
    inside = {node for street in range(4) for side, *pair in sketch.ends(street) if side == LEFT_SIDE for node in pair}
    outside = {
        node for street in range(4) for side, *pair in sketch.ends(street) if side == RIGHT_SIDE for node in pair
    }
    assert len(inside) == 4 and inside.isdisjoint(outside)
    assert sketch.ends(6)[0][1] in outside


# ------------------------------------------------------------------------------------------------------------ crossings


def test_a_crossing_way_gives_its_type_to_the_crossing_of_the_road_it_meets() -> None:
    zebra = {"highway": "footway", "crossing": "marked"}
    sketch = Sketch(
        ([(-50, 0), (0, 0)], BIG), ([(0, 0), (50, 0)], BIG), ([(0, 10), (0, 0)], zebra), ([(0, 0), (0, -10)], zebra)
    )
    assert set(sketch.graph.crossings["crossing_type"]) == {"zebra"} and not sketch.free(2, 3)


def test_a_crossing_near_a_junction_is_that_arm_s_and_no_other_s() -> None:
    sketch = Sketch(
        ([(0, 0), (20, 0)], BIG), ([(20, 0), (90, 0)], BIG), ([(0, 0), (0, 90)], BIG), ([(0, 0), (-90, 0)], BIG),
        crossings={(20, 0): "traffic_signals"},
    )  # fmt: skip
    at = sketch.graph.crossings
    here = at[at.geometry == Point(0, 0)].set_index("street_id")["crossing_type"]
    assert here.to_dict() == {"s0": "signal", "s2": "none", "s3": "none"}


def test_an_unmapped_crossing_is_unmarked_and_assumed() -> None:
    sketch = Sketch(([(-50, 0), (0, 0)], BIG), ([(0, 0), (50, 0)], BIG))
    assert sketch.graph.crossings[["crossing_type", "stress_evidence"]].drop_duplicates().to_numpy().tolist() == [
        ["none", "assumed"]
    ]


def test_streets_that_leave_like_a_wall_are_listed() -> None:
    sketch = Sketch(([(0, 0), (50, 0)], BIG), ([(0, 0), (25, 0), (25, 40)], SMALL), ([(0, 0), (0, 50)], BIG))
    assert sketch.graph.unclear.tolist() == [0, 1]


def test_sides_of_points() -> None:
    line = np.array([LineString([(0, 0), (100, 0)])] * 3, dtype=object)
    points = np.array([Point(50, 3), Point(50, -3), Point(50, 0)], dtype=object)
    assert side_of(line, points).tolist() == [LEFT_SIDE, RIGHT_SIDE, NO_SIDE]


def test_each_side_has_its_own_stress() -> None:
    sketch = Sketch(([(-50, 0), (0, 0)], {**BIG, "sidewalk": "left"}), ([(0, 0), (50, 0)], BIG))
    g = sketch.graph
    found = {int(g.side[a]): int(g.stress[a]) for a in np.flatnonzero(g.street == 0)}
    assert found == {LEFT_SIDE: 3, RIGHT_SIDE: 4}


def test_a_junction_nearby_does_not_lend_its_signals() -> None:
    sketch = Sketch(
        ([(0, 0), (20, 0)], BIG), ([(20, 0), (90, 0)], BIG), ([(20, 0), (20, 90)], SMALL), ([(0, 0), (-90, 0)], BIG),
        crossings={(20, 0): "traffic_signals"},
    )  # fmt: skip
    at = sketch.graph.crossings
    assert set(at[at.geometry == Point(0, 0)]["crossing_type"]) == {"none"}


def test_a_closed_street_is_a_wall_still_but_walked_by_nobody() -> None:
    sketch = Sketch(([(-50, 0), (0, 0)], BIG), ([(0, 0), (50, 0)], BIG))
    streets = sketch.streets.assign(closed=[True, False])
    graph = sided_graph(sketch.network, streets, sketch.nodes, sketch.stress)
    assert not (graph.street == 0).any() and (graph.street == 1).sum() == 4 and len(graph.crossings) == 2


def test_values_of_arcs_follow_direction_and_crossing() -> None:
    sketch = Sketch(([(-50, 0), (0, 0)], BIG), ([(0, 0), (50, 0)], SMALL), ([(0, 0), (0, 50)], BIG))
    g = sketch.graph
    found = by_arc(g, np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), np.array([7.0, 8.0]))
    assert set(found[(g.street == 0) & g.along]) == {1.0} and set(found[(g.street == 0) & ~g.along]) == {2.0}
    assert found[(g.street == 1) & g.along].tolist() == [3.0]
    assert sorted(found[g.crossing >= 0]) == [7.0, 7.0, 8.0, 8.0]


def test_what_profiles_bear() -> None:
    profiles = catalog.profiles()
    paved = {"highway": "secondary", "maxspeed": "30", "lanes": "2", "sidewalk": "both", "sidewalk_width": "2"}
    sketch = Sketch(
        ([(-50, 0), (0, 0)], paved), ([(0, 0), (50, 0)], paved), ([(0, 0), (0, 50)], {"highway": "steps"}),
        ([(0, 0), (0, -50)], BIG), crossings={(0, 0): "marked"},
    )  # fmt: skip
    streets = sketch.streets.assign(steps=[False, False, True, False])
    g = sided_graph(sketch.network, streets, sketch.nodes, sketch.stress)
    bears = {name: excess_by_arc(g, streets, profile) == 0 for name, profile in profiles.items()}
    crosses = g.crossing >= 0
    assert g.crossings.set_index("street_id")["stress"].to_dict() == {"s0": 1, "s1": 1, "s3": 4}
    level = {name: int(bears[name][crosses].sum()) for name in profiles}
    assert level == {"child_with_adult": 4, "stroller": 4, "alone_6_8": 0, "alone_9_11": 4, "alone_12_14": 4}
    assert not bears["stroller"][g.street == 2].any() and bears["alone_6_8"][g.street == 2].all()
    assert not any(of[g.street == 3].any() for of in bears.values()), "nobody walks on a carriageway at 60 km/h"
    dark = streets.assign(tunnel=[True, False, False, False])
    assert (excess_by_arc(g, dark, profiles["alone_6_8"])[g.street == 0] > 0).all()


GRID = [((x, y), (x + 1, y)) for x in range(3) for y in range(4)] + [
    ((x, y), (x, y + 1)) for x in range(4) for y in range(3)
]
CORNER = st.tuples(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3))


@settings(max_examples=80)
@given(
    st.lists(st.sampled_from(GRID), min_size=1, unique=True),
    st.lists(st.booleans(), min_size=24, max_size=24),
    st.lists(CORNER, min_size=16, max_size=16),
)
def test_who_never_crosses_a_wall_stays_in_one_face_of_the_map(edges, turned, shifts) -> None:  # type: ignore[no-untyped-def]
    """Euler: a connected drawing of V corners and E roads has E - V + 2 faces, the outer one with it. Without crossing
    links the sided graph must fall apart into just these."""
    place = {
        (x, y): (100 * (x + shifts[4 * x + y][0]), 100 * (y + shifts[4 * x + y][1])) for x in range(4) for y in range(4)
    }
    lines = [
        [place[start], place[end]][:: -1 if turn else 1] for (start, end), turn in zip(edges, turned, strict=False)
    ]
    sketch = Sketch(*((line, BIG) for line in lines))
    g = sketch.graph
    walked = g.crossing < 0
    sides = nx.Graph()
    sides.add_nodes_from(range(len(g.junction)))
    sides.add_edges_from(zip(g.tail[walked].tolist(), g.head[walked].tolist(), strict=True))
    drawn = nx.Graph(edges)
    faces = len(edges) - drawn.number_of_nodes() + 2 * nx.number_connected_components(drawn)
    assert nx.number_connected_components(sides) == faces


# ------------------------------------------------------------------------------------------------------------ distances


def check_distances(network: Network, graph: SidedGraph, sources: list[int]) -> None:
    spine, sided = spine_of(network), arcs_of(graph)
    for source in sources:
        far = nx.single_source_dijkstra_path_length(spine, source)
        parts = np.flatnonzero(graph.junction == source).tolist()
        for part in parts:
            found = nx.single_source_dijkstra_path_length(sided, part)
            assert set(graph.junction[list(found)].tolist()) == set(far)
            for node, metres in found.items():
                assert metres == pytest.approx(far[int(graph.junction[node])], abs=1e-6)


@settings(max_examples=60)
@given(random_places(), st.data())
def test_distances_are_the_spine_s_in_random_towns(place, data) -> None:  # type: ignore[no-untyped-def]
    tags = st.sampled_from([BIG, SMALL, PATH, {"highway": "tertiary"}, {}])
    rows = [data.draw(tags) for _ in range(len(place.streets))]
    streets = place.streets.assign(
        **{key: [row.get(key, "") for row in rows] for key in ("highway", "maxspeed", "lanes")}
    )
    nodes = place.nodes.assign(crossing="")
    network = build_network(streets, nodes)
    graph = sided_graph(network, streets, nodes, segment_stress(streets))
    check_distances(network, graph, list(range(len(network.node_id))))
    assert (np.diff(graph.start) == np.bincount(graph.head, minlength=len(graph.junction))).all()


def sample() -> tuple[Network, SidedGraph, gpd.GeoDataFrame, pd.DataFrame]:
    study = read_study(load_plan(ROOT / "scenarios/base.toml"))
    network = build_network(study.streets, study.nodes)
    stress = segment_stress(study.streets)
    return network, sided_graph(network, study.streets, study.nodes, stress), study.streets, stress


def test_distances_are_the_spine_s_in_the_sample() -> None:
    network, graph, streets, stress = sample()
    check_distances(network, graph, [0, len(network.node_id) // 2])
    assert walls(streets).any() and (graph.crossings["crossing_type"] == "signal").any()
    assert len(graph.unclear) < 0.01 * len(streets)
    assert stress["stress"].between(1, 4).all()
