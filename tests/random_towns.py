"""Random towns for hypothesis: street multigraphs with one-way, parallel, looping and zero-length segments."""

from dataclasses import dataclass, replace

import geopandas as gpd
import pandas as pd
from hypothesis import strategies as st
from shapely import LineString, Point

from cfc_geo.model import Attachment, Network
from cfc_geo.network.costs import attach, travel_costs
from cfc_geo.network.graph import build_network
from tests.judge import Pairs
from tests.towns import facility_tables, origin_table, street_table

SNAP_M = 100.0
FAR_M = 50_000.0
FACILITY_IDS = ("f1", "f10", "f2", "f3", "a")


@dataclass(frozen=True, eq=False)
class Place:
    """The tables the engine asks for; one facility may have several entrances."""

    streets: gpd.GeoDataFrame
    nodes: pd.DataFrame
    origins: gpd.GeoDataFrame
    facilities: gpd.GeoDataFrame
    entrances: gpd.GeoDataFrame

    def with_(self, **tables: pd.DataFrame) -> "Place":
        return replace(self, **tables)

    def attached(self) -> tuple[Network, Attachment]:
        network = build_network(self.streets, self.nodes)
        return network, attach(network, self.origins, self.entrances, limit_m=SNAP_M)

    def pairs(self, horizon_m: "float | pd.Series" = FAR_M) -> Pairs:
        """(origin_id, facility_id) → metres of all pairs within the horizon."""
        table = travel_costs(*self.attached(), self.facilities, horizon_m=horizon_m).pairs
        return dict(zip(zip(table["origin_id"], table["facility_id"], strict=True), table["metres"], strict=True))


@st.composite
def random_places(draw, *, plain: bool = False):  # type: ignore[no-untyped-def]
    """A small `Place`. `plain`: no street lies on another or is of length zero, and places stand on their nearest."""
    corner = st.tuples(st.integers(0, 4), st.integers(0, 4)).map(lambda xy: (xy[0] * 20.0, xy[1] * 20.0))
    corners = draw(st.lists(corner, min_size=2, max_size=8, unique=True))
    count = draw(st.integers(1, 14))
    lines, lengths = [], []
    for number in range(count):
        start, end = draw(st.sampled_from(corners)), draw(st.sampled_from(corners))
        bend = plain or draw(st.booleans()) or start == end
        middle = (start[0] + 3 + 0.71 * number, end[1] + 7 - 1.13 * number)
        beyond = [(middle[0] - 2.3, middle[1] + 5.9)] if start == end else []
        lines.append(LineString([start, middle, *beyond, end] if bend else [start, end]))
        stated = draw(st.integers(1, 900)) * 0.1
        lengths.append(draw(st.sampled_from([lines[-1].length, lines[-1].length, stated, stated if plain else 0.0])))
    ways = draw(st.lists(st.sampled_from(["both", "both", "forward", "backward"]), min_size=count, max_size=count))
    streets, nodes = street_table(lines, ways=ways, length_m=lengths)

    def place() -> Point:
        line = draw(st.sampled_from(lines))
        on = line.interpolate(draw(st.sampled_from([0.0, 1.0, 0.25, 0.5]) | st.floats(0, 1)), normalized=True)
        beside = 0.0 if plain else draw(st.sampled_from([0.0, 0.0, 0.3, 7.0, 300.0]))
        return Point(on.x + beside, on.y - beside)

    origins = origin_table({f"o{number}": place() for number in range(draw(st.integers(1, 6)))})
    names = draw(st.permutations(FACILITY_IDS))[: draw(st.integers(1, len(FACILITY_IDS)))]
    doors = {name: [place() for _ in range(draw(st.integers(1, 3)))] for name in names}
    kinds = {name: draw(st.sampled_from(["park", "school"])) for name in names}
    return Place(streets, nodes, origins, *facility_tables(doors, kinds=kinds))
