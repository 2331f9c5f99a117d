"""Where points step onto the sided graph, and the straight walks along a street that two points share.

A point beside a wall (a street with two sides) stands on the side on which it lies; one on the very line stands on
both. Two points on opposite sides of the same wall may also cross it straight, between junctions: an unmarked crossing.
"""

from dataclasses import dataclass

import geopandas as gpd
import numpy as np

from cfc_geo.model import Network, Snaps, Steps
from cfc_geo.network.costs import on_one_segment
from cfc_geo.network.graph import nanometres
from cfc_geo.network.sided import LEFT_SIDE, NO_SIDE, RIGHT_SIDE, SidedGraph, side_of


@dataclass(frozen=True, eq=False)
class Doorsteps:
    """One row a step between `point` and `node` of the graph: `nm` nanometres, the access leg included, over `street`
    (-1: the point is at a junction) on `side`."""

    point: np.ndarray
    node: np.ndarray
    nm: np.ndarray
    street: np.ndarray
    side: np.ndarray


@dataclass(frozen=True, eq=False)
class StraightWalks:
    """One row a walk from `origin` to `entrance` along the `street` of both, on `side`; `crosses`: to the other side,
    in mid-block."""

    origin: np.ndarray
    entrance: np.ndarray
    nm: np.ndarray
    street: np.ndarray
    side: np.ndarray
    crosses: np.ndarray


def doorsteps(
    graph: SidedGraph, network: Network, streets: gpd.GeoDataFrame, steps: Steps, points: np.ndarray, *, leaving: bool
) -> Doorsteps:
    """The steps of `points` (shapely) from their places on the streets (`steps_onto`) to the graph: away from the
    points where `leaving`, else towards them. Against a one-way street nobody steps; a point at a junction is there."""
    row, side = _on_sides(graph, streets, steps, points)
    taken = steps.taken
    at_junction = np.flatnonzero(taken.node[row] >= 0)
    between = np.flatnonzero(taken.node[row] < 0)
    segment = taken.segment[row]
    end = (taken.node[row] != network.segment_from[segment]).astype(int)
    forward, backward = network.segment_forward[segment], network.segment_backward[segment]
    by_end = (backward, forward) if leaving else (forward, backward)
    access_nm, along_nm = nanometres(taken.snap_m[row]), nanometres(taken.at_m[row])
    legs_nm = (along_nm, nanometres(network.segment_m[segment]) - along_nm)
    parts = [(at_junction, end[at_junction], access_nm[at_junction], np.full(len(at_junction), -1))]
    for number in (0, 1):
        at = between[by_end[number][between]]
        parts.append((at, np.full(len(at), number), (access_nm + legs_nm[number])[at], segment[at]))
    at, to_end, nm, street = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    copy = (side[at] == RIGHT_SIDE).astype(int)
    return Doorsteps(steps.point[row[at]], graph.copies[segment[at], copy, to_end], nm, street, side[at])


def straight_walks(
    graph: SidedGraph, network: Network, streets: gpd.GeoDataFrame, origins: tuple[Steps, np.ndarray],
    entrances: tuple[Steps, np.ndarray],
) -> StraightWalks:  # fmt: skip
    """All walks along one street, obeying its direction. Origins and entrances: their steps and their points."""
    (from_steps, from_points), (to_steps, to_points) = origins, entrances
    walks_to, walks_from = to_steps.taken, from_steps.taken
    entrance, origin = on_one_segment(walks_to, walks_from, len(network.segment_m))
    segment = walks_to.segment[entrance]
    ahead_nm = nanometres(walks_to.at_m[entrance]) - nanometres(walks_from.at_m[origin])
    access_nm = nanometres(walks_to.snap_m[entrance]) + nanometres(walks_from.snap_m[origin])
    way = np.where(ahead_nm > 0, network.segment_forward[segment], network.segment_backward[segment])
    keep = way | (ahead_nm == 0)
    entrance, origin, segment = entrance[keep], origin[keep], segment[keep]
    of_origin = _sides(graph, streets, segment, from_points[from_steps.point[origin]])
    of_entrance = _sides(graph, streets, segment, to_points[to_steps.point[entrance]])
    either = np.where(graph.wall[segment], LEFT_SIDE, NO_SIDE)
    side = np.where(of_origin != NO_SIDE, of_origin, np.where(of_entrance != NO_SIDE, of_entrance, either))
    return StraightWalks(
        origin=from_steps.point[origin],
        entrance=to_steps.point[entrance],
        nm=(access_nm + np.abs(ahead_nm))[keep],
        street=segment,
        side=side,
        crosses=of_origin * of_entrance < 0,
    )


def _on_sides(
    graph: SidedGraph, streets: gpd.GeoDataFrame, steps: Steps, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Every attached place, as (row of `steps.taken`, side): twice where it is on the line of a wall."""
    taken: Snaps = steps.taken
    row = np.flatnonzero(taken.attached)
    segment = taken.segment[row]
    side = _sides(graph, streets, segment, points[steps.point[row]])
    on_line = graph.wall[segment] & (side == NO_SIDE)
    side = np.where(on_line, LEFT_SIDE, side)
    return np.concatenate((row, row[on_line])), np.concatenate((side, np.full(on_line.sum(), RIGHT_SIDE)))


def _sides(graph: SidedGraph, streets: gpd.GeoDataFrame, segment: np.ndarray, points: np.ndarray) -> np.ndarray:
    found = np.full(len(segment), NO_SIDE)
    wall = graph.wall[segment]
    found[wall] = side_of(streets.geometry.to_numpy()[segment[wall]], points[wall])
    return found
