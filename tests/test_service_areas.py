"""Service areas: the parts of streets reached, judged by walkers put on them; the drawing, by a river with a bridge."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import LineString, Point, box

from cfc_geo.network.costs import attach, travel_costs
from cfc_geo.network.graph import build_network
from cfc_geo.network.reached import cut_lines, reached_streets
from cfc_geo.questions.service_areas import draw_service_areas
from tests.random_towns import FAR_M, Place, random_places
from tests.towns import CRS, facility_tables, origin_table, street_table

WATER = box(-500, 40, 500, 60)
SOUTH, NORTH = box(-500, -500, 500, 40), box(-500, 60, 500, 600)


def river_town(limit_m: float, *, water: shapely.Geometry = WATER) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """(reached, areas) of a playground at (0, 0) on the south bank of a river 20 m wide, 40 m from its street. The one
    bridge is 200 m to the east; a street of the north bank runs opposite, 10 m from the water."""
    streets, nodes = street_table(
        [[(-300, 0), (0, 0)], [(0, 0), (200, 0)], [(200, 0), (200, 70)], [(200, 70), (-300, 70)]]
    )
    facilities, entrances = facility_tables({"f": Point(0, 0)})
    network = build_network(streets, nodes)
    attached = attach(network, origin_table({"o": Point(0, 0)}), entrances, limit_m=50)
    limits = pd.Series([limit_m], pd.Index(["f"]))
    reached = reached_streets(network, attached, facilities, streets=network.segments, limit_m=limits)
    backdrop = gpd.GeoDataFrame({"theme": ["water"], "name": [""]}, geometry=[water], crs=CRS)
    return reached, draw_service_areas(reached, facilities, limits, backdrop)


# ------------------------------------------------------------------------------------------------------ streets reached


@given(place=random_places(), limit_m=st.floats(1, 200), data=st.data())
def test_a_walker_on_a_street_reaches_the_facility_where_the_street_is_reached(
    place: Place, limit_m: float, data: st.DataObject
) -> None:
    network, attached = place.attached()
    reached = reached_streets(network, attached, place.facilities, streets=place.streets.geometry, limit_m=limit_m)
    assert (reached["from_m"] <= reached["to_m"]).all()
    origin = data.draw(st.integers(0, len(place.origins) - 1))
    segment, at_m = attached.origins.segment[origin], attached.origins.at_m[origin]
    if segment < 0 or attached.origins.node[origin] >= 0:
        return  # a junction is the end of several segments
    costs = travel_costs(network, attached, place.facilities, horizon_m=FAR_M).pairs
    mine = costs[costs["origin_id"] == place.origins["origin_id"][origin]].set_index("facility_id")["metres"]
    on_foot = mine - attached.origins.snap_m[origin]
    for facility in place.facilities["facility_id"]:
        parts = reached[(reached["facility_id"] == facility) & (reached["segment"] == segment)]
        slack = (parts["from_m"] - 1e-6 <= at_m) & (at_m <= parts["to_m"] + 1e-6)
        metres = on_foot.get(facility, np.inf)
        if metres <= limit_m - 1e-5:
            assert slack.any(), (facility, metres)
        elif metres > limit_m + 1e-5:
            assert not ((parts["from_m"] + 1e-6 < at_m) & (at_m < parts["to_m"] - 1e-6)).any(), (facility, metres)


@given(place=random_places(plain=True), limit_m=st.floats(1, 200))
def test_every_place_that_is_covered_stands_on_a_street_that_is_reached(place: Place, limit_m: float) -> None:
    network, attached = place.attached()
    reached = reached_streets(network, attached, place.facilities, streets=place.streets.geometry, limit_m=limit_m)
    streets = {facility: shapely.union_all(parts.geometry) for facility, parts in reached.groupby("facility_id")}
    pairs = travel_costs(network, attached, place.facilities, horizon_m=limit_m).pairs
    at = dict(zip(place.origins["origin_id"], place.origins.geometry, strict=True))
    on_street = dict(zip(place.origins["origin_id"], attached.origins.node < 0, strict=True))
    for origin, facility, metres in pairs.itertuples(index=False):
        # on a junction one may be there already, and no street lead to it
        if metres <= limit_m - 1e-4 and facility in streets and on_street[origin]:
            assert streets[facility].distance(at[origin]) < 1e-3


def test_streets_are_cut_where_the_limit_falls() -> None:
    reached, _ = river_town(150)
    assert sorted(reached["to_m"] - reached["from_m"]) == pytest.approx([150, 150])
    assert shapely.union_all(reached.geometry).bounds == pytest.approx((-150, 0, 150, 0))


def test_a_one_way_street_is_reached_against_its_direction_only() -> None:
    streets, nodes = street_table([[(-300, 0), (0, 0)], [(0, 0), (300, 0)]], ways=["forward", "forward"])
    facilities, entrances = facility_tables({"f": Point(0, 0)})
    network = build_network(streets, nodes)
    attached = attach(network, origin_table({"o": Point(0, 0)}), entrances, limit_m=50)
    reached = reached_streets(network, attached, facilities, streets=network.segments, limit_m=100)
    assert shapely.union_all(reached.geometry).bounds == pytest.approx((-100, 0, 0, 0))


def test_lines_are_cut_by_their_length() -> None:
    bent = np.array([LineString([(0, 0), (10, 0), (10, 10)]), LineString([(0, 0), (4, 0)])])
    parts = cut_lines(bent, np.array([0.25, 0.0]), np.array([0.75, 1.0]))
    assert parts[0].equals(LineString([(5, 0), (10, 0), (10, 5)])) and parts[1].equals(bent[1])


# --------------------------------------------------------------------------------------------------------- the drawing


@pytest.mark.parametrize("water", [WATER, LineString([(-500, 50), (500, 50)])])
def test_an_area_does_not_cross_the_river_unless_the_bridge_is_reached(water: shapely.Geometry) -> None:
    wet = water if water.area else water.buffer(2)
    north = box(-500, wet.bounds[3] + 0.01, 500, 600)
    _, areas = river_town(230, water=water)  # the bridge's street is reached up to 30 m, its deck is not
    assert areas.geometry[0].intersection(north).area == 0
    _, over = river_town(320, water=water)
    beyond = over.geometry[0].intersection(north)
    assert beyond.area > 0 and beyond.bounds[0] > 90, "50 m of the street beyond, and the width of the drawing"


def test_the_far_bank_is_left_out_even_where_it_is_near() -> None:
    streets, nodes = street_table([[(-300, 30), (300, 30)]])  # 10 m from the water, 30 m from the far bank
    facilities, entrances = facility_tables({"f": Point(0, 30)})
    network = build_network(streets, nodes)
    attached = attach(network, origin_table({"o": Point(0, 30)}), entrances, limit_m=50)
    limits = pd.Series([200.0], pd.Index(["f"]))
    reached = reached_streets(network, attached, facilities, streets=network.segments, limit_m=limits)
    backdrop = gpd.GeoDataFrame({"theme": ["water"], "name": [""]}, geometry=[WATER], crs=CRS)
    area = draw_service_areas(reached, facilities, limits, backdrop).geometry[0]
    assert area.intersection(NORTH).area == 0 and area.intersection(WATER).area == 0
    dry = backdrop.assign(theme="green")
    assert draw_service_areas(reached, facilities, limits, dry).geometry[0].intersection(NORTH).area > 0


def test_the_streets_reached_lie_in_the_area_bridges_too() -> None:
    for limit_m in (100, 230, 260, 320, 700):
        reached, areas = river_town(limit_m)
        assert areas.geometry[0].buffer(1e-6).covers(shapely.union_all(reached.geometry))
        assert areas["reached_m"][0] == pytest.approx(shapely.length(reached.geometry).sum())


def test_holes_as_small_as_a_block_are_filled_and_larger_ones_stay() -> None:
    def ring_area(side_m: float) -> shapely.Geometry:
        streets, nodes = street_table(
            [
                [(0, 0), (side_m, 0)],
                [(side_m, 0), (side_m, side_m)],
                [(side_m, side_m), (0, side_m)],
                [(0, side_m), (0, 0)],
            ]
        )
        facilities, entrances = facility_tables({"f": Point(0, 0)})
        network = build_network(streets, nodes)
        attached = attach(network, origin_table({"o": Point(0, 0)}), entrances, limit_m=50)
        limits = pd.Series([5000.0], pd.Index(["f"]))
        reached = reached_streets(network, attached, facilities, streets=network.segments, limit_m=limits)
        none = gpd.GeoDataFrame({"theme": [], "name": []}, geometry=[], crs=CRS)
        return draw_service_areas(reached, facilities, limits, none).geometry[0]

    assert ring_area(170).contains(Point(85, 85))
    assert not ring_area(300).contains(Point(150, 150))


def test_a_facility_that_nobody_reaches_has_no_area() -> None:
    streets, nodes = street_table([[(0, 0), (100, 0)]])
    facilities, entrances = facility_tables({"near": Point(0, 0), "far": Point(0, 900)})
    network = build_network(streets, nodes)
    attached = attach(network, origin_table({"o": Point(0, 0)}), entrances, limit_m=50)
    limits = pd.Series([50.0, 50.0], pd.Index(["near", "far"]))
    reached = reached_streets(network, attached, facilities, streets=network.segments, limit_m=limits)
    none = gpd.GeoDataFrame({"theme": [], "name": []}, geometry=[], crs=CRS)
    assert list(draw_service_areas(reached, facilities, limits, none)["facility_id"]) == ["near"]
    assert len(draw_service_areas(reached.iloc[:0], facilities.iloc[:0], limits, none)) == 0
