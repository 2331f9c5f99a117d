"""The walk graph in which big roads have two sides, so that a walker who changes sides crosses, and is seen to.

Streets are drawn as centrelines, on which crossing costs nothing. Here a *wall* is a street with cars whose unmarked
crossing has stress ≥ 2. The arms of a junction stand around it by the angle at which they leave; its walls cut the
ground around it into sectors, one sub-node each. A wall is walked on its left (at its from-end: the sector
counter-clockwise of it) or on its right; any other street meets the sector it lies in. A crossing link of length 0
leads over every wall between the two sectors beside it, with the type that is mapped at the junction, on a crossing way
there, or on a crossing node so near along the arm that it is the junction's (`near_junction_m`); else it is unmarked,
an assumption.

A junction without walls, or with one (where a big road ends, walkers go around its end), stays one node. All sub-nodes
of a junction are joined by links of length 0 in both directions and every copy of a street is as long as the street, so
that shortest distances equal the spine's.
"""

from dataclasses import dataclass
from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo import catalog
from cfc_geo.inputs.walkable import WITHOUT_CARS
from cfc_geo.model import Network
from cfc_geo.network.stress import (
    crossing_governed_by,
    crossing_kind,
    crossing_remedies,
    crossing_stress,
)
from cfc_geo.network.traits import ASSUMED, CERTAINTIES, TAGGED, traits_of

WALL_STRESS: Final = 2
"""A street is a wall if crossing it unmarked has at least this stress."""
SAME_ANGLE: Final = 1e-6
NO_SIDE, LEFT_SIDE, RIGHT_SIDE = 0, 1, -1


@dataclass(frozen=True, eq=False)
class SidedGraph:
    """Arcs sorted by the node they lead to: those into node `n` are `start[n]:start[n + 1]`.

    `junction` is, by node, the node of the spine `Network` it is part of, and `begins` the angle (radians) of the wall
    that its sector lies counter-clockwise of, rising within a junction. By arc: `tail`, `head`, `length_m`, `street`
    (row of the streets, -1 for crossing links), `crossing` (row of `crossings`, -1 for streets), `side` of the street
    as drawn (`NO_SIDE` where it is no wall), `along` (as drawn; for links True), `stress`, `steps`.
    `copies` are the streets' ends: street × (left, right) × (from, to) → node; both sides the same where no wall.

    crossings: node_id, street_id (the wall crossed), crossing_type (none, zebra, signal), island, stress_evidence,
    highway, speed_kmh, lanes_count, volume, stress, governed_by, remedies; geometry: the junction.
    `unclear` lists the streets that leave a junction at the same angle as a wall: their sector is assumed.
    """

    junction: np.ndarray
    begins: np.ndarray
    start: np.ndarray
    tail: np.ndarray
    head: np.ndarray
    length_m: np.ndarray
    street: np.ndarray
    crossing: np.ndarray
    side: np.ndarray
    along: np.ndarray
    stress: np.ndarray
    steps: np.ndarray
    copies: np.ndarray
    wall: np.ndarray
    crossings: gpd.GeoDataFrame
    unclear: np.ndarray


@dataclass(frozen=True, eq=False)
class _Ends:
    """The arms of junctions, sorted by node and angle, walls first of equals. `street` and `last` (whether it is the
    street's to-end) name the arm; `wall`; `before` counts the walls of the node up to and with this arm."""

    street: np.ndarray
    last: np.ndarray
    node: np.ndarray
    angle: np.ndarray
    wall: np.ndarray
    before: np.ndarray


def sided_graph(network: Network, streets: gpd.GeoDataFrame, nodes: pd.DataFrame, stress: pd.DataFrame) -> SidedGraph:
    """The sided graph of `network`, which was built from `streets` and `nodes`; `stress` is `segment_stress(streets)`.

    Nodes need node_id and crossing, as readers give it. Nothing is changed. Memory and time grow as the streets do.
    """
    wall = walls(streets)
    ends = _ends(network, streets, wall)
    walls_at = np.bincount(ends.node[ends.wall], minlength=len(network.node_id))
    sectors = np.maximum(walls_at, 1)
    first = np.concatenate(([0], np.cumsum(sectors)))
    copies = _copies(ends, walls_at, first, len(streets))
    crossings, links = _crossings(network, streets, nodes, ends, walls_at, first)
    arcs = _arcs(network, streets, stress, wall, copies, crossings, links)
    order = np.argsort(arcs["head"], kind="stable")
    start = np.concatenate(([0], np.cumsum(np.bincount(arcs["head"], minlength=first[-1]))))
    return SidedGraph(
        junction=np.repeat(np.arange(len(sectors)), sectors),
        begins=_begins(ends, walls_at, first),
        start=start,
        copies=copies,
        wall=wall,
        crossings=crossings,
        unclear=_unclear(ends),
        **{name: values[order] for name, values in arcs.items()},
    )


def walls(streets: gpd.GeoDataFrame) -> np.ndarray:
    """Which streets are hard enough to cross that they are walked on one of two sides."""
    traits = traits_of(streets)
    none = np.full(len(streets), "none", dtype=object)
    bare = np.zeros(len(streets), dtype=bool)
    level = crossing_stress(none, bare, traits.speed_kmh, traits.lanes, traits.volume)
    found: np.ndarray = traits.cars & (level >= WALL_STRESS)
    return found


def side_of(segments: np.ndarray, points: np.ndarray) -> np.ndarray:
    """On which side of its segment (as drawn) each point lies: `LEFT_SIDE`, `RIGHT_SIDE`, or `NO_SIDE` on the line."""
    along = shapely.line_locate_point(segments, points)
    step = np.minimum(0.5, shapely.length(segments) / 4)
    back = shapely.get_coordinates(shapely.line_interpolate_point(segments, np.maximum(along - step, 0)))
    ahead = shapely.get_coordinates(shapely.line_interpolate_point(segments, along + step))
    way, to = ahead - back, shapely.get_coordinates(points) - back
    cross = way[:, 0] * to[:, 1] - way[:, 1] * to[:, 0]
    return np.where(shapely.distance(segments, points) < SAME_ANGLE, NO_SIDE, np.sign(cross).astype(int))


def by_arc(graph: SidedGraph, by_street: np.ndarray, by_crossing: np.ndarray) -> np.ndarray:
    """A value of every arc: that of its street in its direction (`by_street`: street × (as drawn, against it), as
    `walk_seconds` and the columns of `climbs` are), or that of its crossing."""
    found = np.empty(len(graph.tail), dtype=float)
    walked = graph.street >= 0
    found[walked] = by_street[graph.street[walked], np.where(graph.along[walked], 0, 1)]
    found[~walked] = by_crossing[graph.crossing[~walked]]
    return found


# -------------------------------------------------------------------------------------------------------------- sectors


def _ends(network: Network, streets: gpd.GeoDataFrame, wall: np.ndarray) -> _Ends:
    count = len(wall)
    lines = streets.geometry.to_numpy()
    street = np.tile(np.arange(count), 2)
    last = np.repeat([False, True], count)
    node = np.concatenate((network.segment_from, network.segment_to)).astype(np.int64)
    angle = np.concatenate((_leaving(lines), _leaving(shapely.reverse(lines))))
    walkable = network.segment_forward | network.segment_backward
    keep = walkable[street]
    street, last, node, angle = street[keep], last[keep], node[keep], angle[keep]
    order = np.lexsort((street, ~wall[street], angle, node))
    street, last, node, angle = street[order], last[order], node[order], angle[order]
    so_far = np.cumsum(wall[street])
    at_node = np.flatnonzero(np.diff(node, prepend=-1))
    earlier = np.repeat(so_far[at_node] - wall[street][at_node], np.diff(np.append(at_node, len(node))))
    return _Ends(street, last, node, angle, wall[street], so_far - earlier)


def _leaving(lines: np.ndarray) -> np.ndarray:
    """The direction, radians, in which each line leaves its first point: towards its first other vertex."""
    xy, of = shapely.get_coordinates(lines, return_index=True)
    origin = np.full((len(lines), 2), np.nan)
    first = np.flatnonzero(np.diff(of, prepend=-1))
    origin[of[first]] = xy[first]
    away = xy - origin[of]
    other = np.flatnonzero((away != 0).any(axis=1))
    line, at = np.unique(of[other], return_index=True)
    angle = np.zeros(len(lines))
    angle[line] = np.arctan2(away[other[at], 1], away[other[at], 0])
    return angle


def _copies(ends: _Ends, walls_at: np.ndarray, first: np.ndarray, streets: int) -> np.ndarray:
    """street × (left, right) × (from, to) → node. Sector i of a junction lies counter-clockwise of its wall i."""
    modulus = np.maximum(walls_at[ends.node], 1)
    after = first[ends.node] + (ends.before - 1) % modulus
    clockwise = first[ends.node] + (ends.before - 2) % modulus
    clockwise = np.where(ends.wall, clockwise, after)
    copies = np.full((streets, 2, 2), -1, dtype=np.int64)
    end = ends.last.astype(int)
    # left of who leaves along the arm lies counter-clockwise; whoever arrives on it has that side to the right
    copies[ends.street, np.where(ends.last, 1, 0), end] = after
    copies[ends.street, np.where(ends.last, 0, 1), end] = clockwise
    return copies


def _begins(ends: _Ends, walls_at: np.ndarray, first: np.ndarray) -> np.ndarray:
    """By node the angle of the wall that its sector begins at; of a junction that is one node, any."""
    begins = np.zeros(first[-1])
    arm = np.flatnonzero(ends.wall & (walls_at[ends.node] > 1))
    begins[first[ends.node[arm]] + ends.before[arm] - 1] = ends.angle[arm]
    return begins


def _unclear(ends: _Ends) -> np.ndarray:
    same = (np.diff(ends.node) == 0) & (np.diff(ends.angle) < SAME_ANGLE)
    pairs = np.flatnonzero(same)
    pairs = pairs[ends.wall[pairs] | ends.wall[pairs + 1]]
    return np.unique(np.concatenate((ends.street[pairs], ends.street[pairs + 1])))


# ------------------------------------------------------------------------------------------------------------ crossings


def _crossings(
    network: Network, streets: gpd.GeoDataFrame, nodes: pd.DataFrame, ends: _Ends, walls_at: np.ndarray,
    first: np.ndarray,
) -> tuple[gpd.GeoDataFrame, tuple[np.ndarray, np.ndarray]]:  # fmt: skip
    """One row a wall at a junction of several, and the two nodes that each joins."""
    arm = np.flatnonzero(ends.wall & (walls_at[ends.node] > 1))
    node, street = ends.node[arm], ends.street[arm]
    mapped = mapped_crossings(network, streets, nodes)
    tagged = crossing_kind(_of_arms(network, streets, mapped, node, street, ends.last[arm]))
    table = crossing_table(streets, street, network.node_id[node], tagged, shapely.points(network.node_xy[node]))
    before = ends.before[arm]
    one, other = (first[node] + (before - less) % walls_at[node] for less in (1, 2))
    return table, (one, other)


def crossing_table(
    streets: gpd.GeoDataFrame, street: np.ndarray, node_id: np.ndarray,
    tagged: tuple[np.ndarray, np.ndarray, np.ndarray], places: np.ndarray,
) -> gpd.GeoDataFrame:  # fmt: skip
    """The columns of `SidedGraph.crossings`, one row for each of `street` (rows of `streets`) that is crossed, at
    `places`; `tagged` as `crossing_kind` gives it."""
    kind, island, known = tagged
    traits = traits_of(streets.iloc[street])
    facts = (kind, island, traits.speed_kmh, traits.lanes, traits.volume)
    evidence = np.maximum.reduce(
        [known, traits.speed_from, traits.lanes_from, np.where(traits.volume_from == ASSUMED, ASSUMED, TAGGED)]
    )
    columns = {
        "node_id": node_id,
        "street_id": streets["street_id"].to_numpy()[street],
        "crossing_type": kind,
        "island": island,
        "stress_evidence": np.array(CERTAINTIES, dtype=object)[evidence],
        "highway": traits.highway,
        "speed_kmh": traits.speed_kmh,
        "lanes_count": traits.lanes,
        "volume": np.array(catalog.stress_rules()["volumes"], dtype=object)[traits.volume],
        "stress": crossing_stress(*facts),
        "governed_by": crossing_governed_by(*facts),
        "remedies": crossing_remedies(*facts),
    }
    return gpd.GeoDataFrame(columns, geometry=places, crs=streets.crs)


def mapped_crossings(network: Network, streets: gpd.GeoDataFrame, nodes: pd.DataFrame) -> np.ndarray:
    """By node of the network: the crossing mapped there, on the node or on a crossing way that comes to it, else ""."""
    by_id = nodes.drop_duplicates("node_id").set_index("node_id")["crossing"]
    mapped: np.ndarray = by_id.reindex(network.node_id).fillna("").to_numpy(dtype=object).copy()
    way = streets["crossing"].fillna("").to_numpy(dtype=object)
    for ends in (network.segment_from, network.segment_to):
        unsaid = (way != "") & np.isin(mapped[ends], ("", "yes"))
        mapped[ends[unsaid]] = way[unsaid]
    return mapped


def _of_arms(
    network: Network, streets: gpd.GeoDataFrame, mapped: np.ndarray, node: np.ndarray, street: np.ndarray,
    last: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """The crossing of each arm: the junction's own, or the one mapped at the arm's other end if that is near."""
    far = np.where(last, network.segment_from[street], network.segment_to[street])
    near = network.segment_m[street] <= catalog.stress_rules()["crossing"]["near_junction_m"]
    roads = ~np.isin(streets["highway"].to_numpy(dtype=object), list(WITHOUT_CARS))
    met = np.concatenate((network.segment_from[roads], network.segment_to[roads]))
    near &= np.bincount(met, minlength=len(mapped))[far] == 2  # a crossing on the arm, no junction of its own
    own = mapped[node]
    found: np.ndarray = np.where((own == "") & near, mapped[far], own)
    return found


# ----------------------------------------------------------------------------------------------------------------- arcs


def _arcs(
    network: Network, streets: gpd.GeoDataFrame, stress: pd.DataFrame, wall: np.ndarray, copies: np.ndarray,
    crossings: gpd.GeoDataFrame, links: tuple[np.ndarray, np.ndarray],
) -> dict[str, np.ndarray]:  # fmt: skip
    """Every copy of every street in the directions it may be walked, then every crossing both ways."""
    both = np.flatnonzero(wall)
    street = np.concatenate((np.arange(len(wall)), both))
    right = np.arange(len(street)) >= len(wall)
    sides = stress[["stress", "stress_left", "stress_right"]].to_numpy()
    level = sides[street, np.where(right, 2, np.where(wall[street], 1, 0))]
    side = np.where(right, RIGHT_SIDE, np.where(wall[street], LEFT_SIDE, NO_SIDE))
    from_node, to_node = copies[street, right.astype(int), 0], copies[street, right.astype(int), 1]
    closed = streets["closed"].eq(True).to_numpy()[street] if "closed" in streets else np.zeros(len(street), dtype=bool)
    ahead, back = network.segment_forward[street] & ~closed, network.segment_backward[street] & ~closed
    one, other = links
    row, none = np.tile(np.arange(len(crossings)), 2), np.full(2 * len(crossings), -1)
    of = np.concatenate((np.flatnonzero(ahead), np.flatnonzero(back)))
    along = np.arange(len(of)) < np.count_nonzero(ahead)
    empty = np.zeros(len(row))
    return {
        "tail": np.concatenate((np.where(along, from_node[of], to_node[of]), one, other)),
        "head": np.concatenate((np.where(along, to_node[of], from_node[of]), other, one)),
        "length_m": np.concatenate((network.segment_m[street][of], empty)),
        "street": np.concatenate((street[of], none)),
        "crossing": np.concatenate((np.full(len(of), -1), row)),
        "side": np.concatenate((side[of], np.full(len(row), NO_SIDE))),
        "along": np.concatenate((along, np.ones(len(row), dtype=bool))),
        "stress": np.concatenate((level[of], crossings["stress"].to_numpy()[row])).astype(np.int8),
        "steps": np.concatenate((streets["steps"].eq(True).to_numpy()[street][of], np.zeros(len(row), dtype=bool))),
    }
