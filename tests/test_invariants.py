"""What must hold in every town: what makes no difference, and what can only help."""

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely.affinity import translate

from cfc_geo.network.costs import nearest_costs
from tests.judge import Pairs
from tests.random_towns import FAR_M, Place, random_places
from tests.towns import facility_tables, origin_table, street_table

EQUAL_M = 1e-6
quick = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
seeds = st.integers(0, 2**32 - 1)


def same(first: Pairs, second: Pairs) -> bool:
    return first.keys() == second.keys() and all(abs(first[pair] - second[pair]) <= EQUAL_M for pair in first)


def nowhere_farther(before: Pairs, after: Pairs) -> bool:
    return all(after.get(pair, np.inf) <= metres + EQUAL_M for pair, metres in before.items())


def nearest_of(place: Place) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(metres, facility_id) of the nearest, origin × kind, origins in order of id."""
    costs = nearest_costs(*place.attached(), place.facilities, kinds=["park", "school"], horizon_m=FAR_M)
    ids = costs.facility.apply(lambda column: np.append(costs.facility_ids[column.name], "")[column])
    return costs.metres.sort_index(), ids.sort_index()


@quick
@given(place=random_places(), seed=seeds)
def test_rows_and_node_numbers_make_no_difference(place: Place, seed: int) -> None:
    rng = np.random.default_rng(seed)
    number = pd.Series(rng.permutation(1000)[: len(place.nodes)], index=place.nodes["node_id"])
    shuffled = Place(
        streets=place.streets.assign(
            from_node=place.streets["from_node"].map(number), to_node=place.streets["to_node"].map(number)
        ).sample(frac=1, random_state=rng),
        nodes=place.nodes.assign(node_id=number.to_numpy()).sample(frac=1, random_state=rng),
        origins=place.origins.sample(frac=1, random_state=rng),
        facilities=place.facilities.sample(frac=1, random_state=rng),
        entrances=place.entrances.sample(frac=1, random_state=rng),
    )
    assert shuffled.pairs() == place.pairs()
    for one, other in zip(nearest_of(place), nearest_of(shuffled), strict=True):
        pd.testing.assert_frame_equal(one, other)


@quick
@given(place=random_places(), east=st.floats(-9_000, 9_000), north=st.floats(-9_000, 9_000))
def test_shifting_the_map_makes_no_difference(place: Place, east: float, north: float) -> None:
    moved = {
        name: (table := getattr(place, name)).set_geometry(table.geometry.translate(east, north))
        for name in ("streets", "origins", "facilities", "entrances")
    }
    nodes = place.nodes.assign(x=place.nodes["x"] + east, y=place.nodes["y"] + north)
    assert same(place.with_(nodes=nodes, **moved).pairs(), place.pairs())


@quick
@given(place=random_places(plain=True), seed=seeds)
def test_the_direction_in_which_a_street_is_drawn_makes_no_difference(place: Place, seed: int) -> None:
    turn = np.random.default_rng(seed).random(len(place.streets)) < 0.5
    shapes = place.streets.geometry.to_numpy()
    turned = place.streets.set_geometry(np.where(turn, shapely.reverse(shapes), shapes), crs=place.streets.crs)
    for one, other in (("from_node", "to_node"), ("forward", "backward")):
        turned[one] = np.where(turn, place.streets[other], place.streets[one])
        turned[other] = np.where(turn, place.streets[one], place.streets[other])
    assert same(place.with_(streets=turned).pairs(), place.pairs())


@quick
@given(place=random_places(plain=True), share=st.floats(0.1, 0.9), seed=seeds)
def test_a_node_in_the_middle_of_a_street_makes_no_difference(place: Place, share: float, seed: int) -> None:
    row = seed % len(place.streets)
    street = place.streets.iloc[[row]]
    shape = street.geometry.iloc[0]
    cut = shape.interpolate(share, normalized=True)
    node = len(place.nodes)
    halves = [
        shapely.ops.substring(shape, 0, share, normalized=True),
        shapely.ops.substring(shape, share, 1, normalized=True),
    ]
    head = street.assign(street_id="head", to_node=node, length_m=street["length_m"] * share).set_geometry(halves[:1])
    tail = street.assign(street_id="tail", from_node=node, length_m=street["length_m"] * (1 - share))
    tail = tail.set_geometry(halves[1:])
    rest = place.streets.drop(index=street.index)
    streets = pd.concat([rest, head.set_crs(rest.crs), tail.set_crs(rest.crs)], ignore_index=True)
    nodes = pd.concat(
        [place.nodes, pd.DataFrame({"node_id": [node], "x": [cut.x], "y": [cut.y], "crossing": [""]})],
        ignore_index=True,
    )
    assert same(place.with_(streets=streets, nodes=nodes).pairs(), place.pairs())


@quick
@given(place=random_places())
def test_an_island_elsewhere_makes_no_difference(place: Place) -> None:
    shift = 1 + int(place.nodes["node_id"].max())
    island = place.streets.assign(
        street_id=place.streets["street_id"] + "'",
        from_node=place.streets["from_node"] + shift,
        to_node=place.streets["to_node"] + shift,
    ).set_geometry(place.streets.geometry.map(lambda shape: translate(shape, 5_000, 3_000)))
    nodes = place.nodes.assign(node_id=place.nodes["node_id"] + shift, x=place.nodes["x"] + 5_000)
    both = place.with_(
        streets=pd.concat([island, place.streets], ignore_index=True),
        nodes=pd.concat([nodes, place.nodes], ignore_index=True),
    )
    assert both.pairs() == place.pairs()


@quick
@given(place=random_places(plain=True), length_m=st.floats(0, 50), seed=seeds)
def test_one_more_street_makes_nobody_walk_farther(place: Place, length_m: float, seed: int) -> None:
    first, last = place.nodes.iloc[[seed % len(place.nodes), seed // 7 % len(place.nodes)]].to_dict("records")
    detour = [(first["x"], first["y"]), (-1003.7, -517.3), (-1207.9, -311.1), (last["x"], last["y"])]
    street, _ = street_table([detour], length_m=[length_m])
    street = street.assign(street_id="new", from_node=first["node_id"], to_node=last["node_id"])
    assert nowhere_farther(
        place.pairs(), place.with_(streets=pd.concat([place.streets, street], ignore_index=True)).pairs()
    )


@quick
@given(place=random_places(), seed=seeds)
def test_one_more_facility_makes_nobody_walk_farther(place: Place, seed: int) -> None:
    near = place.origins.geometry.iloc[seed % len(place.origins)]
    facilities, entrances = facility_tables({"new": near}, kinds={"new": "park"})
    richer = place.with_(
        facilities=pd.concat([facilities, place.facilities]), entrances=pd.concat([entrances, place.entrances])
    )
    after = richer.pairs()
    assert {pair: metres for pair, metres in after.items() if pair[1] != "new"} == place.pairs()
    before_m, after_m = nearest_of(place)[0], nearest_of(richer)[0]
    assert (after_m.fillna(np.inf) <= before_m.fillna(np.inf)).all(axis=None)


@quick
@given(place=random_places())
def test_where_all_may_walk_both_ways_the_way_back_is_as_long(place: Place) -> None:
    both = place.with_(streets=place.streets.assign(forward=True, backward=True))
    spots = dict(zip(both.origins["origin_id"], both.origins.geometry, strict=True))
    facilities, entrances = facility_tables(spots)
    found = both.with_(facilities=facilities, entrances=entrances).pairs()
    assert found == {(there, here): metres for (here, there), metres in found.items()}


@quick
@given(place=random_places(), shares=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_a_nearer_horizon_only_leaves_out_what_lies_beyond_it(place: Place, shares: tuple[float, float]) -> None:
    everything = place.pairs()
    for share in shares:
        horizon_m = round(share * max(everything.values(), default=0.0), 1)
        inside = {pair: metres for pair, metres in everything.items() if metres <= horizon_m + EQUAL_M}
        assert place.pairs(horizon_m) == inside


@quick
@given(place=random_places(), data=st.data())
def test_several_entrances_are_as_good_as_the_best_of_them(place: Place, data: st.DataObject) -> None:
    each = place.entrances.assign(facility_id=[f"e{row}" for row in range(len(place.entrances))])
    facilities, entrances = facility_tables(dict(zip(each["facility_id"], each.geometry, strict=True)))
    single = place.with_(facilities=facilities, entrances=entrances).pairs()
    owner = dict(zip(each["facility_id"], place.entrances["facility_id"], strict=True))
    best: Pairs = {}
    for (origin, entrance), metres in single.items():
        pair = origin, owner[entrance]
        best[pair] = min(best.get(pair, np.inf), metres)
    assert place.pairs() == best


def test_a_walk_past_the_dateline_of_floats_is_still_exact() -> None:
    """Coordinates of millions of metres, as in national grids with a zone prefix, still give whole decimetres."""
    east = 39_500_000.0
    streets, nodes = street_table([[(east, 3.2e6), (east + 300.3, 3.2e6)]], length_m=[300.3])
    place = Place(
        streets, nodes,
        origin_table({"o": shapely.Point(east, 3.2e6)}), *facility_tables({"f": shapely.Point(east + 300.3, 3.2e6)}),
    )  # fmt: skip
    assert place.pairs(300.3) == {("o", "f"): pytest.approx(300.3, abs=1e-9)}
