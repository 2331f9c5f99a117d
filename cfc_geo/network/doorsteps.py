"""How points get onto the sided graph: the same for a walk from point to point and for flows of children.

A point beside a wall (a street with two sides) stands on the side on which it lies; one on the very line stands on
both. At that place the wall may be crossed, in mid-block and unmarked. A point at a junction steps into the sector in
which it lies; one that stands on the junction, into all of them.
"""

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import shapely

from cfc_geo.model import Network, Steps
from cfc_geo.network.costs import on_one_segment
from cfc_geo.network.graph import nanometres
from cfc_geo.network.sided import LEFT_SIDE, NO_SIDE, RIGHT_SIDE, SidedGraph, side_of
from cfc_geo.network.snap import SAME_PLACE_M

TURN = 8.0
"""More than a whole turn in radians: angles of different junctions do not mix."""


@dataclass(frozen=True, eq=False)
class Entries:
    """One row a way of `point` onto the streets, after `access_nm` nanometres: to a `node` of the graph, or (node -1)
    to `at_m` along `street` on `side`. `across_from`: the row that is the other side of the street, crossed in
    mid-block to be on this one; -1: nothing is crossed."""

    point: np.ndarray
    access_nm: np.ndarray
    node: np.ndarray
    street: np.ndarray
    at_m: np.ndarray
    side: np.ndarray
    across_from: np.ndarray


@dataclass(frozen=True, eq=False)
class Doorsteps:
    """One row a step between `point`, by its `entry`, and `node` of the graph: `nm` nanometres, the access leg
    included, over `street` (-1: none, the entry is the node) on `side`, by its `end` (0 from, 1 to, as drawn);
    `crosses` in mid-block: 0 or 1."""

    entry: np.ndarray
    point: np.ndarray
    node: np.ndarray
    nm: np.ndarray
    street: np.ndarray
    side: np.ndarray
    end: np.ndarray
    crosses: np.ndarray


@dataclass(frozen=True, eq=False)
class StraightWalks:
    """One row a walk from `origin` to `entrance` (points; `from_entry`, `to_entry`) along the `street` of both, on
    `side`; `crosses` in mid-block: 0, 1, or 2."""

    from_entry: np.ndarray
    to_entry: np.ndarray
    origin: np.ndarray
    entrance: np.ndarray
    nm: np.ndarray
    street: np.ndarray
    side: np.ndarray
    crosses: np.ndarray


def entries(
    graph: SidedGraph, network: Network, streets: gpd.GeoDataFrame, steps: Steps, points: np.ndarray
) -> Entries:
    """Every way of `points` (shapely) onto the graph from their places on the streets (`steps_onto`)."""
    taken = steps.taken
    junction = np.flatnonzero(taken.node >= 0)
    turn, sector = _sectors(graph, network, taken.node[junction], points[steps.point[junction]])
    between = np.flatnonzero(taken.attached & (taken.node < 0))
    wall = graph.wall[taken.segment[between]]
    beside, plain = between[wall], between[~wall]
    row = np.concatenate((junction[turn], plain, beside, beside))
    few, many = len(sector) + len(plain), len(beside)
    side = np.repeat([NO_SIDE, LEFT_SIDE, RIGHT_SIDE], [few, many, many])
    own = np.tile(side_of(streets.geometry.to_numpy()[taken.segment[beside]], points[steps.point[beside]]), 2)
    other = few + np.concatenate((np.arange(many, 2 * many), np.arange(many)))
    crossed = own == -side[few:]
    at_node = np.arange(len(row)) < len(sector)
    return Entries(
        point=steps.point[row],
        access_nm=nanometres(taken.snap_m[row]),
        node=np.concatenate((sector, np.full(len(row) - len(sector), -1))),
        street=np.where(at_node, -1, taken.segment[row]),
        at_m=np.where(at_node, np.nan, taken.at_m[row]),
        side=side,
        across_from=np.concatenate((np.full(few, -1), np.where(crossed, other, -1))),
    )


def doorsteps(graph: SidedGraph, network: Network, entered: Entries, *, leaving: bool) -> Doorsteps:
    """The steps from entries to the graph: away from the points where `leaving`, else towards them. Against a one-way
    street nobody steps."""
    by_end = (network.segment_backward, network.segment_forward)[:: 1 if leaving else -1]
    between = np.flatnonzero(entered.node < 0)
    at_node = np.flatnonzero(entered.node >= 0)
    by_from, by_to = (between[may[entered.street[between]]] for may in by_end)
    entry = np.concatenate((at_node, by_from, by_to))
    end = np.repeat([-1, 0, 1], [len(at_node), len(by_from), len(by_to)])
    street, side = entered.street[entry], entered.side[entry]
    from_nm = nanometres(np.nan_to_num(entered.at_m[entry]))
    to_nm = nanometres(network.segment_m[street]) - from_nm
    leg_nm = np.where(end < 0, 0, np.where(end == 0, from_nm, to_nm))
    copy = graph.copies[street, (side == RIGHT_SIDE).astype(int), end]
    return Doorsteps(
        entry=entry,
        point=entered.point[entry],
        node=np.where(end < 0, entered.node[entry], copy),
        nm=entered.access_nm[entry] + leg_nm,
        street=street,
        side=side,
        end=end,
        crosses=(entered.across_from[entry] >= 0).astype(np.int64),
    )


def straight_walks(network: Network, origins: Entries, entrances: Entries) -> StraightWalks:
    """All walks along one street on one of its sides, obeying its direction."""
    to, of = on_one_segment(_street_and_side(entrances), _street_and_side(origins), 3 * len(network.segment_m))
    street = entrances.street[to]
    ahead_nm = nanometres(entrances.at_m[to]) - nanometres(origins.at_m[of])
    way = np.where(ahead_nm > 0, network.segment_forward[street], network.segment_backward[street])
    allowed = way | (ahead_nm == 0)
    to, of, street, ahead_nm = to[allowed], of[allowed], street[allowed], ahead_nm[allowed]
    return StraightWalks(
        from_entry=of,
        to_entry=to,
        origin=origins.point[of],
        entrance=entrances.point[to],
        nm=entrances.access_nm[to] + origins.access_nm[of] + np.abs(ahead_nm),
        street=street,
        side=origins.side[of],
        crosses=(entrances.across_from[to] >= 0).astype(np.int64) + (origins.across_from[of] >= 0),
    )


def _street_and_side(entered: Entries) -> np.ndarray:
    return np.where(entered.node < 0, 3 * entered.street + entered.side % 3, -1)


def _sectors(
    graph: SidedGraph, network: Network, junction: np.ndarray, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(row, node of the graph) of points at junctions: the sector counter-clockwise of the first wall clockwise of the
    point; all of them where it stands on the junction."""
    first, last = (np.searchsorted(graph.junction, junction, side) for side in ("left", "right"))
    east, north = (shapely.get_coordinates(points) - network.node_xy[junction]).T
    begins = graph.junction * TURN + graph.begins
    found = np.searchsorted(begins, junction * TURN + np.arctan2(north, east), "right") - 1
    found = np.where(found < first, last - 1, found)
    on_it = np.hypot(east, north) < SAME_PLACE_M
    count = np.where(on_it, last - first, 1)
    row = np.repeat(np.arange(len(junction)), count)
    turn = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    return row, np.where(on_it, first, found)[row] + turn
