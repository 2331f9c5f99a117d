"""The engine against networkx: every origin × facility pair, on drawn towns, random multigraphs and real streets."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from shapely import Point

from cfc_geo.errors import Findings
from cfc_geo.model import NearestCosts
from cfc_geo.network.costs import nearest_costs, travel_costs
from tests.judge import Pairs, judged_pairs
from tests.random_towns import Place, random_places
from tests.real import shared_file
from tests.towns import draw, facility_tables, origin_table

EQUAL_M = 1e-6


def check_against_judge(place: Place, horizons_m: "tuple[float, ...]" = ()) -> Pairs:
    """All pairs and the nearest of each kind equal the judge's, for these horizons and for one that is a distance."""
    network, attached = place.attached()
    judged = judged_pairs(place.streets, place.origins, place.entrances, (attached.origins, attached.entrances))
    middling_m = sorted(judged.values())[len(judged) // 2] if judged else 100.0
    for horizon_m in (middling_m, *horizons_m):
        table = travel_costs(network, attached, place.facilities, horizon_m=horizon_m).pairs
        found = dict(zip(zip(table["origin_id"], table["facility_id"], strict=True), table["metres"], strict=True))
        sure = {pair for pair, metres in judged.items() if metres <= horizon_m}
        possible = {pair for pair, metres in judged.items() if metres <= horizon_m + 2 * EQUAL_M}
        assert sure <= set(found) <= possible
        assert all(abs(found[pair] - judged[pair]) <= EQUAL_M for pair in found)
        kinds = sorted(set(place.facilities["kind"]))
        nearest = nearest_costs(network, attached, place.facilities, kinds=kinds, horizon_m=horizon_m)
        check_nearest(found, nearest, dict(zip(place.facilities["facility_id"], place.facilities["kind"], strict=True)))
    return found


def check_nearest(found: Pairs, nearest: NearestCosts, kind_of: dict[str, str]) -> None:
    """The nearest is the least of the pairs, to the last bit; of equals, the one whose id comes first."""
    best: dict[tuple[str, str], tuple[float, str]] = {}
    for (origin, facility), metres in found.items():
        best[origin, kind_of[facility]] = min(best.get((origin, kind_of[facility]), (np.inf, "")), (metres, facility))
    for kind in nearest.metres:
        for origin, metres, position in zip(
            nearest.metres.index, nearest.metres[kind], nearest.facility[kind], strict=True
        ):
            if (origin, kind) in best:
                assert (metres, nearest.facility_ids[kind][position]) == best[origin, kind]
            else:
                assert np.isnan(metres)
                assert position == -1


TOWNS = {
    "one street": """
        A-a-b-c-B
        """,
    "one-way ring, a spot behind another": """
        A>>a>b>>B
        ^       v
        c       |
        D<<<<<<<C
        """,
    "bridge over a street": """
            A
            a
        B-b-+-c-C
            |
            D---E
        """,
    "spots on the rows of junctions, beside streets and far away": """
        A---a---B  b

          c             d
        C-------D----e--E
        """,
    "two islands": """
        A-a-B   C-c-D
        | b |   |   |
        E---F   G-d-H
        """,
}


@pytest.mark.parametrize("name", TOWNS)
def test_drawn_town_equals_networkx(name: str) -> None:
    town = draw(TOWNS[name])
    doors = {spot: [point] for spot, point in town.spots.items()} | {"two doors": [Point(0, 0), Point(80, 0)]}
    place = Place(town.streets, town.nodes, origin_table(town.spots), *facility_tables(doors))
    assert check_against_judge(place, (10_000.0,))


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(place=random_places())
def test_random_multigraph_equals_networkx(place: Place) -> None:
    check_against_judge(place, (5_000.0,))


def test_real_streets_equal_networkx() -> None:
    osm = pytest.importorskip("cfc_geo.inputs.osm")
    layers = osm.read_osm(shared_file("guixi/guixi.osm"), "guixi.osm", Findings(), layers={"streets"})
    streets = layers.streets.to_crs("EPSG:4548")
    streets["length_m"] = streets.length
    ends = streets.geometry.get_coordinates()
    rng = np.random.default_rng(20)
    points = ends.to_numpy()[rng.choice(len(ends), 120)] + rng.uniform(-90, 90, (120, 2))
    points[::10] = ends.to_numpy()[rng.choice(len(ends), 12)]
    nodes = layers.nodes.drop_duplicates("node_id")
    place = Place(
        streets,
        nodes,
        origin_table({f"o{number}": Point(at) for number, at in enumerate(points[:80])}),
        *facility_tables({f"f{number}": [Point(at) for at in points[80 + 4 * number :][:4]] for number in range(10)}),
    )
    assert len(check_against_judge(place, (1_000.0, 3_000.0))) > 100
