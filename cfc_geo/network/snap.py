"""Points → positions on segments. A point attaches to the nearest place on the nearest street, not to a junction."""

import geopandas as gpd
import numpy as np
import shapely

from cfc_geo.model import Network, Snaps

SAME_PLACE_M = 1e-6
"""Closer than this is the same place: two streets are equally near, a position is the junction it lies by."""

ROUNDING_M = 1e-3
"""Places are compared to the millimetre, so that a choice does not hang on the last bit of a coordinate."""


def snap_points(
    network: Network, points: "gpd.GeoSeries | np.ndarray", *, limit_m: float, to: gpd.GeoSeries | None = None
) -> Snaps:
    """Attach each point to the nearest walkable segment (of `to`, by default `network.segments`) within `limit_m`
    (inclusive).

    Where several are equally near (within `SAME_PLACE_M`) the least attached place wins (west, then south), then the
    segment that itself lies least: never the one that happens to stand first in its table.
    """
    points = np.asarray(points, dtype=object)
    segments = network.segments if to is None else to
    point, segment = _equally_near(segments, points, limit_m)
    line = segments.to_numpy()[segment]
    along_m = shapely.line_locate_point(line, points[point])
    place = shapely.line_interpolate_point(line, along_m)
    best = _least(network, points[point], place, segment, point)
    point, segment, line, along_m = point[best], segment[best], line[best], along_m[best]
    drawn_m = shapely.length(line)
    snaps = Snaps(
        segment=np.full(len(points), -1, dtype=np.int64),
        at_m=np.full(len(points), np.nan),
        node=np.full(len(points), -1, dtype=np.int64),
        snap_m=np.full(len(points), np.nan),
        limit_m=limit_m,
    )
    snaps.segment[point] = segment
    snaps.at_m[point] = along_m / np.maximum(drawn_m, SAME_PLACE_M) * network.segment_m[segment]
    snaps.snap_m[point] = shapely.distance(points[point], line)
    by_from, by_to = along_m <= SAME_PLACE_M, along_m >= drawn_m - SAME_PLACE_M
    snaps.node[point[by_to]] = network.segment_to[segment[by_to]]
    snaps.node[point[by_from]] = network.segment_from[segment[by_from]]
    return snaps


def street_distances(network: Network, points: "gpd.GeoSeries | np.ndarray") -> np.ndarray:
    """Metres in a straight line from each point (or shape) to the nearest walkable segment, however far."""
    (point, _), metres = network.segments.sindex.nearest(
        np.asarray(points, dtype=object), return_all=False, return_distance=True
    )
    found = np.full(len(points), np.nan)
    found[point] = metres
    return found


def _equally_near(segments: gpd.GeoSeries, points: np.ndarray, limit_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (point, segment) of all segments as near as the nearest, give or take `SAME_PLACE_M`."""
    (point, _), nearest_m = segments.sindex.nearest(
        points, return_all=False, max_distance=limit_m + SAME_PLACE_M, return_distance=True
    )
    within = nearest_m <= limit_m + SAME_PLACE_M
    point, nearest_m = point[within], nearest_m[within]
    row, segment = segments.sindex.query(points[point], predicate="dwithin", distance=nearest_m + SAME_PLACE_M)
    return point[row], segment


def _least(
    network: Network, point: np.ndarray, place: np.ndarray, segment: np.ndarray, group: np.ndarray
) -> np.ndarray:
    """Of each group of candidates, the position of the one to attach to, in order of group."""
    order = np.argsort(group, kind="stable")
    alone = np.bincount(group)[group[order]] == 1 if len(group) else np.empty(0, dtype=bool)
    tied = order[~alone]
    if len(tied) == 0:
        return order
    ranks = (*_seen_from(point[tied], place[tied]), *_traits(network, segment[tied], point[tied]))
    ranked = tied[np.lexsort((*reversed(ranks), group[tied]))]
    first = np.diff(group[ranked], prepend=-1) > 0
    chosen = np.concatenate([order[alone], ranked[first]])
    return chosen[np.argsort(group[chosen], kind="stable")]


def _traits(network: Network, segment: np.ndarray, point: np.ndarray) -> tuple[np.ndarray, ...]:
    """What tells segments apart wherever they stand in their table and whichever way they are drawn: the middle, the
    stated length, and whether a walker may go towards the lesser end and towards the other. A piece has the traits of
    its whole, so that cutting a street moves nobody to another."""
    line = network.whole[segment]
    before, middle, after = (
        np.stack(_seen_from(point, shapely.line_interpolate_point(line, share, normalized=True)))
        for share in (1 / 3, 1 / 2, 2 / 3)
    )
    east, north = after - before
    rising = (east > 0) | ((east == 0) & (north > 0))
    forward, backward = network.segment_forward[segment], network.segment_backward[segment]
    ways = np.where(rising, backward, forward), np.where(rising, forward, backward)
    return (*middle, network.whole_m[segment], *ways)


def _seen_from(point: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Steps east and north from `point` to `place`, in whole millimetres: the same wherever the map's zero is."""
    east, north = shapely.get_x(place) - shapely.get_x(point), shapely.get_y(place) - shapely.get_y(point)
    return np.rint(east / ROUNDING_M), np.rint(north / ROUNDING_M)
