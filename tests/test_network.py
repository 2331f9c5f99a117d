"""Streets → Network → costs, on towns small enough to work out by hand."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from geopandas.testing import assert_geodataframe_equal
from shapely import LineString, Point, box

from cfc_geo.errors import NetworkError
from cfc_geo.model import Links
from cfc_geo.network import kernel
from cfc_geo.network.costs import attach, nearest_costs, travel_costs
from cfc_geo.network.graph import build_network, links, stable_order
from cfc_geo.network.snap import snap_points
from tests.random_towns import Place
from tests.towns import draw, facility_tables, origin_table, street_table


def place_of(picture: str, homes: str, targets: str, **kinds: str) -> Place:
    """A drawn town whose spots `homes` are origins and `targets` facilities."""
    town = draw(picture)
    return Place(
        town.streets,
        town.nodes,
        origin_table({spot: town.spots[spot] for spot in homes}),
        *facility_tables({spot: town.spots[spot] for spot in targets}, kinds=kinds),
    )


def network_of(*lines: list[tuple[float, float]], **options: list):  # type: ignore[no-untyped-def, type-arg]
    return build_network(*street_table(lines, **options))


# --- graph


@pytest.mark.parametrize("length", [np.nan, -1.0, np.inf, 100_001.0])
def test_absurd_lengths_are_refused_by_street(length: float) -> None:
    streets, nodes = street_table([[(0, 0), (9, 0)], [(9, 0), (9, 9)]], length_m=[9.0, length])
    with pytest.raises(NetworkError, match=r"1 streets have a length .* 0 to 100,000 m: s1 "):
        build_network(streets, nodes)


def test_all_faults_are_reported_at_once() -> None:
    streets, nodes = street_table([[(0, 0), (9, 0)]], length_m=[-3.0])
    nodes = pd.concat([nodes, nodes.iloc[:1]])
    streets["to_node"] = 77
    with pytest.raises(NetworkError) as caught:
        build_network(streets.assign(forward=False, backward=False), nodes)
    codes = {finding.code for finding in caught.value.findings}
    assert codes == {"network.empty", "network.length", "network.unknown_node", "network.node_repeated"}
    assert "77" not in str(caught.value)
    assert "s0" in str(caught.value)


def test_no_segment_is_an_error() -> None:
    streets, nodes = street_table([[(0, 0), (9, 0)]])
    with pytest.raises(NetworkError, match="no street to walk on"):
        build_network(streets.iloc[:0], nodes)


def test_arcs_are_stored_by_the_node_they_lead_to() -> None:
    network = network_of([(0, 0), (9, 0)], [(9, 0), (9, 5)], ways=["forward", "both"])
    a, b, c = (int(np.flatnonzero((network.node_xy == at).all(axis=1))[0]) for at in ([0, 0], [9, 0], [9, 5]))
    arcs = {
        (int(tail), head, int(nm), int(segment))
        for head in (a, b, c)
        for tail, nm, segment in zip(
            *(part[network.arcs.start[head] : network.arcs.start[head + 1]] for part in network.arcs[1:]),
            network.arc_segment[network.arcs.start[head] : network.arcs.start[head + 1]],
            strict=True,
        )
    }
    assert arcs == {(a, b, 9 * 10**9, 0), (b, c, 5 * 10**9, 1), (c, b, 5 * 10**9, 1)}


def test_sorting_by_halves_is_sorting_and_keeps_the_order_of_equals() -> None:
    values = np.random.default_rng(5).integers(0, 2**32, 3_000).repeat(3)[::-1] // 2**13 * 2**13
    assert stable_order(values).tolist() == np.argsort(values, kind="stable").tolist()


def test_nodes_lie_along_a_curve_so_that_neighbours_are_near_in_memory() -> None:
    side = 33
    lines = [[(x, y), (x + 1, y)] for x in range(side - 1) for y in range(side)]
    network = network_of(*lines)
    step_m = np.hypot(*np.diff(network.node_xy, axis=0).T)
    assert np.median(step_m) <= 2
    assert sorted(network.node_id) == list(range(side * side))


def test_islands_are_counted_by_walkable_length() -> None:
    network = network_of(
        [(0, 0), (60, 0)], [(60, 0), (60, 15)], [(0, 90), (20, 90)], [(0, 99), (5, 99)],
        [(0, 0), (0, 90)], ways=["forward", "backward", "both", "both", "both"],
    )  # fmt: skip
    assert network.component_m.tolist() == [185.0, 5.0]
    at = {tuple(xy): part for xy, part in zip(network.node_xy.tolist(), network.component, strict=True)}
    assert (at[60.0, 15.0], at[20.0, 90.0], at[5.0, 99.0]) == (0, 0, 1)


def test_building_leaves_the_tables_as_they_were() -> None:
    streets, nodes = street_table([[(0, 0), (9, 0)], [(9, 0), (9, 9)]])
    before = streets.copy(), nodes.copy()
    network = build_network(streets, nodes)
    network.segment_m[:] = 0
    assert_geodataframe_equal(streets, before[0])
    pd.testing.assert_frame_equal(nodes, before[1])


# --- snap


def test_snap_limit_is_inclusive() -> None:
    network = network_of([(0, 0), (90, 0)])
    snaps = snap_points(network, gpd.GeoSeries([Point(30, 100), Point(30, 100.001), Point(-60, 80)]), limit_m=100)
    assert snaps.segment.tolist() == [0, -1, 0]
    assert snaps.snap_m[[0, 2]].tolist() == [100, 100]
    assert snaps.at_m[0] == 30
    assert np.isnan([snaps.at_m[1], snaps.snap_m[1]]).all()
    assert (snaps.node >= 0).tolist() == [False, False, True]


def test_of_equally_near_streets_the_western_then_the_southern_place_wins_in_any_row_order() -> None:
    lines = [[(0, 10), (50, 10)], [(0, -10), (50, -10)], [(35, -50), (35, 50)], [(15, 50), (15, -50)]]
    for turn in range(4):
        network = network_of(*lines[turn:], *lines[:turn])
        snaps = snap_points(network, np.array([Point(25, 0), Point(30, 0)]), limit_m=50)
        lowest = [network.segments[row].coords[:] for row in snaps.segment]
        assert lowest == [[(15, 50), (15, -50)], [(35, -50), (35, 50)]]


def test_of_streets_in_one_place_the_choice_does_not_hang_on_the_row() -> None:
    """The shorter before the longer; of equals, the one that leads east, whichever way it is drawn."""
    line = [(0, 0), (60, 0)]
    for flip in (1, -1):
        network = network_of(
            *[line, line, line[::-1]][::flip],
            ways=["forward", "backward", "backward"][::flip],
            length_m=[60.0, 50.0, 50.0][::flip],
        )
        chosen = snap_points(network, np.array([Point(20, 5)]), limit_m=50).segment[0]
        assert network.segment_m[chosen] == 50
        assert network.segments[chosen].coords[0] == (60, 0)


def test_position_runs_in_the_stated_length() -> None:
    network = network_of([(0, 0), (50, 0), (50, 50)], length_m=[300.0])
    snaps = snap_points(network, np.array([Point(25, 3), Point(50, 50), Point(0, 0), Point(60, 25)]), limit_m=50)
    assert snaps.at_m.tolist() == [75, 300, 0, 225]
    assert network.node_xy[snaps.node[1:3]].tolist() == [[50, 50], [0, 0]]
    assert (snaps.node[[0, 3]] == -1).all()


def test_segments_nobody_may_walk_attract_nobody() -> None:
    streets, nodes = street_table([[(0, 0), (90, 0)], [(0, 20), (90, 20)]])
    streets.loc[0, ["forward", "backward"]] = False
    snaps = snap_points(build_network(streets, nodes), np.array([Point(40, 1)]), limit_m=50)
    assert (snaps.segment[0], snaps.snap_m[0]) == (1, 19)


# --- costs


def test_walkers_go_from_origin_to_facility_along_one_way_streets() -> None:
    place = place_of(
        """
        A>a>>b>>B
        ^       v
        C<<<<<<<D
        """,
        "ab",
        "ab",
    )
    assert place.pairs() == {("a", "a"): 0, ("b", "b"): 0, ("a", "b"): 30, ("b", "a"): 170}


def test_points_at_a_junction_may_use_every_street_of_it() -> None:
    streets, nodes = street_table([[(0, 0), (50, 0)], [(50, 0), (90, 0)]], ways=["forward", "forward"])
    spots = {"west": Point(0, 0), "middle": Point(50, 0), "east": Point(90, 0)}
    place = Place(streets, nodes, origin_table(spots), *facility_tables(spots))
    apart = {pair: metres for pair, metres in place.pairs().items() if metres}
    assert apart == {("west", "middle"): 50, ("west", "east"): 90, ("middle", "east"): 40}


def test_both_access_legs_count() -> None:
    place = place_of(
        """
          a   b
        A-------B---C c
                  d
        """,
        "ad",
        "abcd",
    )
    assert place.pairs() == {
        ("a", "a"): 20, ("a", "b"): 60, ("a", "c"): 130, ("a", "d"): 100,
        ("d", "a"): 100, ("d", "b"): 60, ("d", "c"): 50, ("d", "d"): 20,
    }  # fmt: skip


def test_a_loop_and_the_shorter_of_parallel_streets_are_taken() -> None:
    ring = LineString([(0, 0), (0, 40), (40, 40), (40, 0), (0, 0)])
    streets, nodes = street_table(
        [ring, [(0, 0), (-50, 0)], [(0, 0), (-25, -20), (-50, 0)]], length_m=[160.0, 70.0, 60.0]
    )
    spots = origin_table({"start": Point(-50, 0), "near end": Point(0, 10)})
    place = Place(streets, nodes, spots, *facility_tables({"far end": Point(30, 0)}))
    assert place.pairs() == {("start", "far end"): 90, ("near end", "far end"): 40}


def test_ten_tenths_are_one_metre_and_the_horizon_is_inclusive() -> None:
    lines = [[(10 * step, 0), (10 * step + 10, 0)] for step in range(10)]
    streets, nodes = street_table(lines, length_m=[0.1] * 10)
    place = Place(streets, nodes, origin_table({"o": Point(0, 0)}), *facility_tables({"f": Point(100, 0)}))
    assert sum([0.1] * 10) != 1.0
    assert place.pairs(1.0) == {("o", "f"): 1.0}
    assert place.pairs(1.0 - 1e-6) == {("o", "f"): 1.0}
    assert place.pairs(1.0 - 1.1e-6) == {}


def test_of_equally_near_facilities_the_least_id_in_text_order_wins_whatever_the_rows() -> None:
    town = draw("A-b-o-a-B-----c-C")
    homes = origin_table({"home": town.spots["o"]})
    doors = {"f2": town.spots["b"], "f10": town.spots["a"], "f3": Point(50, 20)}
    for names in (["f2", "f10", "f3"], ["f10", "f3", "f2"]):
        facilities, entrances = facility_tables({name: doors[name] for name in names})
        network = build_network(town.streets, town.nodes)
        attached = attach(network, homes, entrances, limit_m=50)
        nearest = nearest_costs(network, attached, facilities, kinds=["playground"], horizon_m=500)
        assert nearest.facility_ids["playground"][nearest.facility.loc["home", "playground"]] == "f10"
        assert nearest.metres.loc["home", "playground"] == 20


@pytest.mark.parametrize("step_m", [10.0, 9.0])
def test_a_node_that_is_improved_after_its_turn_has_another_turn(step_m: float) -> None:
    """A street of 8 km makes the queue coarse: M is scanned with z in hand before a, by three short arcs, improves it.

    At steps of 10 m a is as far as z, so that only the label changes; at 9 m it is nearer.
    """
    town = draw("A---z--M-B-o-C")
    detour = [[(70, step * step_m), (70, (step + 1) * step_m)] for step in range(3)]
    streets, nodes = street_table([*town.streets.geometry, *detour, [(1_000, 0), (9_000, 0)]])
    facilities, entrances = facility_tables({"a": Point(70, 3 * step_m), "z": town.spots["z"]})
    place = Place(streets, nodes, origin_table({"o": town.spots["o"]}), facilities, entrances)
    network, attached = place.attached()
    nearest = nearest_costs(network, attached, facilities, kinds=["playground"], horizon_m=500)
    assert nearest.metres.loc["o", "playground"] == 40 + 3 * step_m
    assert nearest.facility_ids["playground"][nearest.facility.loc["o", "playground"]] == "a"


def test_the_nearest_entrance_counts() -> None:
    town = draw("A-a-------b---o-B")
    spots = town.spots
    facilities, entrances = facility_tables({"park": [spots["a"], spots["b"], Point(900, 0)], "shut": Point(900, 0)})
    place = Place(town.streets, town.nodes, origin_table({"o": spots["o"]}), facilities, entrances)
    assert place.pairs() == {("o", "park"): 40}


def test_what_is_not_attached_is_named_and_no_error() -> None:
    town = draw("A-a-----B")
    homes = origin_table({"far": Point(20, 300), "home": Point(60, 0)}).set_index(pd.Index([7, 3]))
    facilities, entrances = facility_tables({"z": Point(20, 300), "y": Point(999, 0), "a": town.spots["a"]})
    network = build_network(town.streets, town.nodes)
    attached = attach(network, homes, entrances, limit_m=50)
    nearest = nearest_costs(network, attached, facilities, kinds=["playground", "school"], horizon_m=500)
    assert nearest.attached.to_dict() == {"far": False, "home": True}
    assert nearest.detached == ("y", "z")
    assert nearest.metres["playground"].fillna(-1).to_dict() == {"far": -1, "home": 40}
    assert nearest.metres["school"].isna().all()
    assert (nearest.facility["school"] == -1).all()
    pairs = travel_costs(network, attached, facilities, horizon_m=500)
    assert pairs.attached.to_dict() == {"far": False, "home": True}
    assert pairs.detached == ("y", "z")
    assert pairs.horizon_m.to_dict() == {"z": 500, "y": 500, "a": 500}


def test_each_facility_is_searched_to_its_own_horizon() -> None:
    place = place_of("A-o---a---b-----c-----B", "o", "abc")
    horizon = pd.Series({"c": 140.0, "b": 79.0, "a": 40.0, "another": 5.0})
    assert place.pairs(horizon) == {("o", "a"): 40, ("o", "c"): 140}


def test_entrances_of_other_facilities_do_not_count() -> None:
    place = place_of("A-o---a---b-----B", "o", "ab")
    network, attached = place.attached()
    only_b = place.facilities.iloc[1:]
    nearest = nearest_costs(network, attached, only_b, kinds=["playground"], horizon_m=500)
    assert nearest.metres.loc["o", "playground"] == 80
    assert travel_costs(network, attached, only_b, horizon_m=500).pairs["facility_id"].tolist() == ["b"]


def test_a_cell_counts_as_its_centre_or_as_a_point_inside() -> None:
    network = network_of([(0, 0), (100, 0)])
    hook = box(0, 10, 90, 20).union(box(80, 10, 90, 100))
    cells = origin_table({"square": box(20, -10, 40, 10), "hook": hook})
    attached = attach(network, cells, facility_tables({"f": Point(0, 0)})[1], limit_m=100)
    assert attached.origins.at_m[0] == 30
    inside = shapely.point_on_surface(hook)
    assert not hook.covers(hook.centroid)
    assert attached.origins.at_m[1] == pytest.approx(inside.x)
    assert attached.origins.snap_m[1] == pytest.approx(inside.y)


def test_pairs_come_by_origin_then_facility_in_the_order_of_their_tables() -> None:
    place = place_of("A-p-o-a---c---b-----B", "po", "cab")
    table = travel_costs(*place.attached(), place.facilities, horizon_m=500).pairs
    assert table["origin_id"].tolist() == ["p"] * 3 + ["o"] * 3
    assert table["facility_id"].tolist() == ["c", "a", "b"] * 2
    assert table["facility_id"].cat.categories.tolist() == ["c", "a", "b"]


@pytest.mark.parametrize("empty", ["origins", "facilities", "entrances"])
def test_empty_tables_give_empty_costs(empty: str) -> None:
    place = place_of("A-o---a---B", "o", "a")
    place = place.with_(**{empty: getattr(place, empty).iloc[:0]})
    assert place.pairs() == {}
    nearest = nearest_costs(*place.attached(), place.facilities, kinds=["playground"], horizon_m=50)
    assert nearest.metres.shape == (len(place.origins), 1)
    assert nearest.metres.isna().all(axis=None)


@pytest.mark.parametrize("horizon", [np.nan, np.inf, -1.0])
def test_a_horizon_is_a_finite_number(horizon: float) -> None:
    place = place_of("A-o---a---B", "o", "a")
    with pytest.raises(ValueError, match="horizon"):
        place.pairs(horizon)


def test_inputs_stay_as_they_were_and_results_are_the_same_with_one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    lines = [[(x, y), (x + dx, y + 1 - dx)] for x in range(9) for y in range(9) for dx in (0, 1)]
    streets, nodes = street_table([[(20 * x, 20 * y) for x, y in line] for line in lines])
    spots = {str(number): Point(at) for number, at in enumerate(rng.uniform(0, 180, (60, 2)))}
    place = Place(streets, nodes, origin_table(spots), *facility_tables(spots))
    before = [table.copy() for table in (place.origins, place.facilities, place.entrances)]
    network, attached = place.attached()
    many = travel_costs(network, attached, place.facilities, horizon_m=120).pairs
    for table, copy in zip((place.origins, place.facilities, place.entrances), before, strict=True):
        assert_geodataframe_equal(table, copy)
    monkeypatch.setattr(kernel, "MAX_WORKERS", 1)
    one = travel_costs(network, attached, place.facilities, horizon_m=120).pairs
    pd.testing.assert_frame_equal(many, one)


# --- kernel


def test_a_square_where_thousands_of_streets_meet() -> None:
    """More streets leave one node than the queue first has room for."""
    arms = 3_000
    rim = [(100 * np.cos(turn), 100 * np.sin(turn)) for turn in np.linspace(0, 6, arms)]
    streets, nodes = street_table([[(0, 0), end] for end in rim], length_m=[100.0] * arms)
    homes = origin_table({f"o{number}": Point(end) for number, end in enumerate(rim)})
    place = Place(streets, nodes, homes, *facility_tables({"f": Point(rim[7])}))
    assert set(place.pairs(200).values()) == {0, 200}
    assert len(place.pairs(200)) == arms


def test_keys_that_cannot_hold_distance_and_label_are_refused() -> None:
    one = links(np.array([0]), np.array([0]), np.array([0]), 1)
    starts = Links(one.start, one.to, np.array([2**20]))
    walk = kernel.Walk(starts, one, one, one, one)
    with pytest.raises(ValueError, match="do not fit"):
        list(kernel.search(walk, np.array([10**14]), origins=1, longest_nm=0, bucket_nm=1, searches_at_once=1))
