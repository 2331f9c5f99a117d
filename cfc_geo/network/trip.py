"""A sided graph → the same with a few places on it, so that one may walk from some of them to others.

Places are tied to the streets as `costs` ties origins and entrances to them: each to the nearest position of a street,
and where an added link is nearer, to that as well; on closed streets one may set out and arrive. Where a position lies
on a wall the point steps onto the side on which it lies (onto both, where it lies on the line itself); to get to the
other side there is an unmarked crossing in mid-block at that very place, as there is at every junction of walls. At a
junction the point steps into the sector it lies in.
"""

from dataclasses import dataclass, replace

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo import catalog
from cfc_geo.model import Network, Snaps, Steps
from cfc_geo.network.graph import nanometres
from cfc_geo.network.sided import LEFT_SIDE, NO_SIDE, RIGHT_SIDE, SAME_ANGLE, SidedGraph, side_of
from cfc_geo.network.stress import crossing_governed_by, crossing_remedies, crossing_stress
from cfc_geo.network.traits import ASSUMED, CERTAINTIES, Traits, traits_of

BOTH_SIDES = (LEFT_SIDE, RIGHT_SIDE)
SIDE_COLUMN = {LEFT_SIDE: 0, RIGHT_SIDE: 1, NO_SIDE: 0}


@dataclass(frozen=True, eq=False)
class Trip:
    """`graph` is the sided graph with positions as further nodes (junction -1) and crossings in mid-block as further
    rows of its crossings (node_id -1). By arc: `nm`, its length in whole nanometres, and the metres `from_m` → `to_m`
    along its street, as drawn, that are walked (NaN of crossings).

    One sets out from the nodes `starts` after `start_nm` of access, and is there at `goals` after `goal_nm` more;
    `start_of` and `goal_of` are the points they belong to, `start_at` and `goal_at` the places on the streets.
    """

    graph: SidedGraph
    nm: np.ndarray
    from_m: np.ndarray
    to_m: np.ndarray
    starts: np.ndarray
    start_nm: np.ndarray
    start_of: np.ndarray
    start_at: np.ndarray
    goals: np.ndarray
    goal_nm: np.ndarray
    goal_of: np.ndarray
    goal_at: np.ndarray


_Entered = tuple[int, int, int, shapely.Point]
"""A way onto the streets: node, nanometres of access, the number of the point, the place on the street."""


@dataclass(frozen=True, eq=False)
class _Position:
    """A place on a street: its node by side (the same one thrice where the street is no wall)."""

    street: int
    at_m: float
    node: dict[int, int]


class _Arcs:
    """Arcs to be added, column by column."""

    def __init__(self, graph: SidedGraph, network: Network, stress: pd.DataFrame, steps: np.ndarray) -> None:
        self.graph, self.network, self.steps = graph, network, steps
        self.levels = stress[["stress_left", "stress_right", "stress"]].to_numpy()
        self.rows: list[tuple[int, int, int, int, int, bool, int, bool, float, float]] = []
        self.nodes = len(graph.junction)
        self.midblock: list[tuple[int, shapely.Point]] = []

    def walk(self, tail: int, head: int, street: int, side: int, from_m: float, to_m: float) -> None:
        wall = bool(self.graph.wall[street])
        level = int(self.levels[street, SIDE_COLUMN[side] if wall else 2])
        side = side if wall else NO_SIDE
        along = to_m >= from_m
        self.rows.append((tail, head, street, -1, side, along, level, bool(self.steps[street]), from_m, to_m))

    def place(self, street: int, at_m: float, at: shapely.Point) -> _Position:
        """A new position; on a wall it has two nodes, with a crossing between them."""
        if not self.graph.wall[street]:
            node, self.nodes = self.nodes, self.nodes + 1
            return _Position(street, at_m, dict.fromkeys((LEFT_SIDE, RIGHT_SIDE, NO_SIDE), node))
        left, right, self.nodes = self.nodes, self.nodes + 1, self.nodes + 2
        row = len(self.graph.crossings) + len(self.midblock)
        self.midblock.append((street, at))
        for tail, head in ((left, right), (right, left)):
            self.rows.append((tail, head, -1, row, NO_SIDE, True, 0, False, np.nan, np.nan))
        return _Position(street, at_m, {LEFT_SIDE: left, RIGHT_SIDE: right})

    def sides(self, street: int) -> tuple[int, ...]:
        return BOTH_SIDES if self.graph.wall[street] else (NO_SIDE,)

    def leave(self, of: _Position) -> None:
        street, full = of.street, float(self.network.segment_m[of.street])
        for side in self.sides(street):
            from_node, to_node = self.graph.copies[street, SIDE_COLUMN[side]]
            if self.network.segment_backward[street]:
                self.walk(of.node[side], from_node, street, side, of.at_m, 0.0)
            if self.network.segment_forward[street]:
                self.walk(of.node[side], to_node, street, side, of.at_m, full)

    def arrive(self, of: _Position) -> None:
        street, full = of.street, float(self.network.segment_m[of.street])
        for side in self.sides(street):
            from_node, to_node = self.graph.copies[street, SIDE_COLUMN[side]]
            if self.network.segment_forward[street]:
                self.walk(from_node, of.node[side], street, side, 0.0, of.at_m)
            if self.network.segment_backward[street]:
                self.walk(to_node, of.node[side], street, side, full, of.at_m)

    def join(self, one: _Position, other: _Position) -> None:
        """Straight along the street that both are on."""
        street = one.street
        ahead, back = self.network.segment_forward[street], self.network.segment_backward[street]
        allowed = ahead if other.at_m > one.at_m else back if other.at_m < one.at_m else True
        for side in self.sides(street) if allowed else ():
            self.walk(one.node[side], other.node[side], street, side, one.at_m, other.at_m)


def plan_trip(
    graph: SidedGraph, network: Network, streets: gpd.GeoDataFrame, stress: pd.DataFrame, *,
    starts: tuple[np.ndarray, Steps], goals: tuple[np.ndarray, Steps],
) -> Trip:  # fmt: skip
    """`graph` (of `network`, `streets` and their `segment_stress`) with the ways from points to points, each given with
    its steps onto the streets (`costs.steps_onto`)."""
    steps = streets["steps"].eq(True).to_numpy()
    arcs = _Arcs(graph, network, stress, steps)
    (start_nodes, setting_out), (goal_nodes, arriving) = (
        _positions(arcs, network, streets, *ends) for ends in (starts, goals)
    )
    for one in setting_out:
        arcs.leave(one)
    for other in arriving:
        arcs.arrive(other)
        for one in setting_out:
            if one.street == other.street:
                arcs.join(one, other)
    return Trip(*_extended(graph, network, streets, arcs), *_columns(start_nodes), *_columns(goal_nodes))


def _columns(nodes: "list[_Entered]") -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    node, access_nm, of = np.array([row[:3] for row in nodes], dtype=np.int64).reshape(-1, 3).T
    return node, access_nm, of, np.array([row[3] for row in nodes], dtype=object)


def _positions(
    arcs: _Arcs, network: Network, streets: gpd.GeoDataFrame, points: np.ndarray, steps: Steps
) -> tuple[list[_Entered], list[_Position]]:
    """Every way onto the streets, and the positions that are new nodes."""
    nodes, placed, snaps = list[_Entered](), list[_Position](), steps.taken
    for row in np.flatnonzero(snaps.attached).tolist():
        point, street = int(steps.point[row]), int(snaps.segment[row])
        access_nm = int(nanometres(snaps.snap_m[[row]])[0])
        at = shapely.Point(network.node_xy[snaps.node[row]])
        if snaps.node[row] >= 0:
            entered = _sectors(arcs.graph, network, streets, int(snaps.node[row]), points[point])
        else:
            share = snaps.at_m[row] / network.segment_m[street] if network.segment_m[street] > 0 else 0.0
            at = shapely.line_interpolate_point(streets.geometry.iloc[street], share, normalized=True)
            one = arcs.place(street, float(snaps.at_m[row]), at)
            placed.append(one)
            entered = _sides_entered(arcs, one, streets, snaps, row, points[point])
        nodes += [(node, access_nm, point, at) for node in entered]
    return nodes, placed


def _sides_entered(
    arcs: _Arcs, at: _Position, streets: gpd.GeoDataFrame, snaps: Snaps, row: int, point: shapely.Point
) -> list[int]:
    if not arcs.graph.wall[at.street]:
        return [at.node[NO_SIDE]]
    line = streets.geometry.to_numpy()[[at.street]]
    side = int(side_of(line, np.array([point], dtype=object))[0])
    return [at.node[side]] if side != NO_SIDE else [at.node[one] for one in BOTH_SIDES]


def _sectors(
    graph: SidedGraph, network: Network, streets: gpd.GeoDataFrame, node: int, point: shapely.Point
) -> list[int]:
    """The sub-nodes of a junction that a point beside it steps into: the sector counter-clockwise of the first wall
    clockwise of the point; all of them where it stands on the junction."""
    every = np.flatnonzero(graph.junction == node)
    if len(every) == 1:
        return every.tolist()
    away = shapely.get_coordinates(point)[0] - network.node_xy[node]
    if np.hypot(*away) < SAME_ANGLE:
        return every.tolist()
    towards, walkable = np.arctan2(away[1], away[0]), network.segment_forward | network.segment_backward
    arms = [
        (int(wall), end)
        for end, at in enumerate((network.segment_from, network.segment_to))
        for wall in np.flatnonzero((at == node) & graph.wall & walkable)
    ]
    turns = []
    for wall, end in arms:
        xy = shapely.get_coordinates(streets.geometry.iloc[wall])[:: -1 if end else 1]
        off = xy - xy[0]
        first = off[np.flatnonzero((off != 0).any(axis=1))[0]]
        turns.append((towards - np.arctan2(first[1], first[0])) % (2 * np.pi))
    wall, end = arms[int(np.argmin(turns))]
    return [int(graph.copies[wall, 1 if end else 0, end])]


def _extended(
    graph: SidedGraph, network: Network, streets: gpd.GeoDataFrame, arcs: _Arcs
) -> tuple[SidedGraph, np.ndarray, np.ndarray, np.ndarray]:
    crossings = _with_midblock(graph.crossings, streets, arcs.midblock)
    columns = list(zip(*arcs.rows, strict=True)) or [()] * 10
    tail, head, street, crossing, side, along, level, steps, from_m, to_m = (np.array(one) for one in columns)
    crossing = crossing.astype(np.int64)
    over = crossing >= 0
    level = np.where(over, crossings["stress"].to_numpy()[np.where(over, crossing, 0)] if over.any() else level, level)
    walked, full = graph.street >= 0, network.segment_m[graph.street]
    base_from = np.where(walked, np.where(graph.along, 0.0, full), np.nan)
    base_to = np.where(walked, np.where(graph.along, full, 0.0), np.nan)
    added = {
        "tail": tail, "head": head, "length_m": np.nan_to_num(np.abs(to_m - from_m)),
        "street": street, "crossing": crossing, "side": side, "along": along, "stress": level, "steps": steps,
    }  # fmt: skip
    from_m, to_m = np.concatenate((base_from, from_m)), np.concatenate((base_to, to_m))
    every = {name: np.concatenate((getattr(graph, name), values)) for name, values in added.items()}
    every = {name: values.astype(getattr(graph, name).dtype) for name, values in every.items()}
    order = np.argsort(every["head"], kind="stable")
    start = np.concatenate(([0], np.cumsum(np.bincount(every["head"], minlength=arcs.nodes))))
    junction = np.concatenate((graph.junction, np.full(arcs.nodes - len(graph.junction), -1)))
    extended = replace(
        graph, junction=junction, start=start, crossings=crossings,
        **{name: values[order] for name, values in every.items()},
    )  # fmt: skip
    ends_nm = [nanometres(np.nan_to_num(ends))[order] for ends in (from_m, to_m)]
    return extended, np.abs(ends_nm[1] - ends_nm[0]), from_m[order], to_m[order]


def _with_midblock(
    crossings: gpd.GeoDataFrame, streets: gpd.GeoDataFrame, places: list[tuple[int, shapely.Point]]
) -> gpd.GeoDataFrame:
    """`crossings` and, one row each, unmarked crossings of streets at `places` away from any junction."""
    if not places:
        return crossings
    walls = [street for street, _ in places]
    of: Traits = traits_of(streets.iloc[walls])
    kind, island = np.full(len(walls), "none", dtype=object), np.zeros(len(walls), dtype=bool)
    facts = (kind, island, of.speed_kmh, of.lanes, of.volume)
    new = gpd.GeoDataFrame(
        {
            "node_id": np.full(len(walls), -1),
            "street_id": streets["street_id"].to_numpy()[walls],
            "crossing_type": kind,
            "island": island,
            "stress_evidence": CERTAINTIES[ASSUMED],
            "highway": of.highway,
            "speed_kmh": of.speed_kmh,
            "lanes_count": of.lanes,
            "volume": np.array(catalog.stress_rules()["volumes"], dtype=object)[of.volume],
            "stress": crossing_stress(*facts),
            "governed_by": crossing_governed_by(*facts),
            "remedies": crossing_remedies(*facts),
        },
        geometry=[at for _, at in places],
        crs=streets.crs,
    )
    return new if crossings.empty else gpd.GeoDataFrame(pd.concat([crossings, new], ignore_index=True), crs=streets.crs)
