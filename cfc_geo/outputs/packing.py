"""Places and numbers as a page holds them: whole numbers of about half a metre, stored as differences and deflated."""

import base64
import json
import math
import zlib
from dataclasses import dataclass
from functools import cache
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from pyproj import Transformer

STEP_M = 0.5
"""How finely the page knows places, in metres on the ground."""

MERCATOR_RADIUS_M = 6378137.0


@dataclass(frozen=True)
class Frame:
    """How the page counts places: whole steps east and south of a corner, in Web Mercator."""

    to_degrees: Transformer
    west: float
    north: float
    step: float
    bounds: tuple[int, int, int, int]
    centre: tuple[float, float]

    def steps(self, xy: np.ndarray) -> np.ndarray:
        """Coordinates of the study (n × 2, metres) as steps (n × 2, whole numbers)."""
        mercator = _mercator(self.to_degrees, xy)
        scaled = np.column_stack([mercator[:, 0] - self.west, self.north - mercator[:, 1]]) / self.step
        return np.rint(scaled).astype(np.int64)


@cache
def _to_degrees(crs: str) -> Transformer:
    return Transformer.from_crs(crs, "EPSG:4326", always_xy=True)


def _mercator(to_degrees: Transformer, xy: np.ndarray) -> np.ndarray:
    lon, lat = to_degrees.transform(xy[:, 0], xy[:, 1])
    north = np.arctanh(np.sin(np.radians(lat)))
    return np.column_stack([np.radians(lon), north]) * MERCATOR_RADIUS_M


def frame_around(layer: gpd.GeoDataFrame, crs: str) -> Frame:
    """The frame around a layer, which is in `crs`."""
    west, south, east, north = layer.total_bounds
    to_degrees = _to_degrees(crs)
    corners = np.array([[west, south], [west, north], [east, south], [east, north]])
    lon, lat = to_degrees.transform(corners[:, 0], corners[:, 1])
    centre = (round(float(np.mean(lat)), 5), round(float(np.mean(lon)), 5))
    step = STEP_M / math.cos(math.radians(centre[0]))
    mercator = _mercator(to_degrees, corners)
    left, top = float(mercator[:, 0].min()), float(mercator[:, 1].max())
    width, height = mercator[:, 0].max() - left, top - mercator[:, 1].min()
    bounds = (0, 0, math.ceil(width / step), math.ceil(height / step))
    return Frame(to_degrees, round(left, 2), round(top, 2), round(step, 6), bounds, centre)


# ------------------------------------------------------------------------------------------------------------ packing


def _varints(values: np.ndarray) -> bytes:
    """Non-negative whole numbers, seven bits a byte, lowest first; the high bit says that more follow."""
    rest = np.asarray(values, dtype=np.uint64)
    if not len(rest):
        return b""
    lengths = np.ones(len(rest), dtype=np.int64)
    for bits in range(7, 35, 7):
        lengths += rest >= (1 << bits)
    starts = np.cumsum(lengths) - lengths
    packed = np.zeros(int(lengths.sum()), dtype=np.uint8)
    for place in range(int(lengths.max())):
        here = lengths > place
        more = np.where(lengths[here] > place + 1, 128, 0)
        packed[starts[here] + place] = ((rest[here] >> np.uint64(7 * place)) & np.uint64(127)) | more.astype(np.uint64)
    return packed.tobytes()


def _differences(values: np.ndarray) -> np.ndarray:
    """First value, then the steps between neighbours, as non-negative numbers (0, -1, 1, -2 … → 0, 1, 2, 3 …)."""
    steps = np.diff(np.asarray(values, dtype=np.int64), prepend=0)
    return np.where(steps < 0, -2 * steps - 1, 2 * steps)


def _deflated(raw: bytes) -> str:
    return base64.b64encode(zlib.compress(raw, 6)).decode("ascii")


def packed_numbers(values: np.ndarray) -> dict[str, Any]:
    """Whole numbers for the page, in their order."""
    return {"n": len(values), "z": _deflated(_varints(_differences(values)))}


def packed_text(value: Any) -> str:
    return _deflated(json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii"))


def packed_shapes(shapes: np.ndarray, frame: Frame) -> dict[str, Any]:
    """Lines or polygons for the page: how many lines each has, how many points each line, and all points.

    Polygons are turned one way (their holes the other), so that overlapping ones fill; points that fall on the one
    before are dropped, and so is the closing point of a ring.
    """
    parts, owner = _parts(shapes)
    if len(parts) and shapely.get_dimensions(parts[0]) == 2:
        rings, ring_part = shapely.get_rings(shapely.orient_polygons(parts), return_index=True)
        lines, owner, closed = rings, owner[ring_part], True
    else:
        lines, closed = parts, False
    xy, line = shapely.get_coordinates(lines, return_index=True)
    steps = frame.steps(xy) if len(xy) else np.empty((0, 2), dtype=np.int64)
    keep = _kept_points(steps, line, closed)
    steps, line = steps[keep], line[keep]
    sizes = np.bincount(line, minlength=len(lines))
    per_shape = np.bincount(owner, minlength=len(shapes))
    stream = _varints(np.concatenate([per_shape, sizes, _differences(steps[:, 0]), _differences(steps[:, 1])]))
    return {"shapes": len(shapes), "lines": len(lines), "points": len(steps), "z": _deflated(stream)}


def _parts(shapes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The simple shapes of which `shapes` are made, and the position of the shape each belongs to."""
    if len(shapes) and (shapely.get_type_id(shapes) >= 4).any():
        parts, owner = shapely.get_parts(shapes, return_index=True)
        return parts, owner
    return shapes, np.arange(len(shapes))


def _kept_points(steps: np.ndarray, line: np.ndarray, closed: bool) -> np.ndarray:
    """False for points that repeat the one before on their line, and for the last point of a ring."""
    keep = np.ones(len(steps), dtype=bool)
    if not len(steps):
        return keep
    same_line = line[1:] == line[:-1]
    last = np.append(~same_line, True)
    keep[1:] = ~(same_line & (steps[1:] == steps[:-1]).all(axis=1))
    return np.asarray(keep & ~last if closed else keep | last)


def near_order(steps: np.ndarray) -> np.ndarray:
    """The order in which neighbours on the ground are neighbours in the list (a Z-curve over about 32 m)."""
    if not len(steps):
        return np.empty(0, dtype=np.int64)
    code = np.zeros(len(steps), dtype=np.int64)
    coarse = (steps - steps.min(axis=0)) >> 6
    for bit in range(16):
        code |= ((coarse[:, 0] >> bit) & 1) << (2 * bit) | ((coarse[:, 1] >> bit) & 1) << (2 * bit + 1)
    return np.argsort(code, kind="stable")


def first_points(shapes: np.ndarray) -> np.ndarray:
    """The first coordinate of every shape (n × 2)."""
    xy, owner = shapely.get_coordinates(shapes, return_index=True)
    return np.asarray(xy[np.searchsorted(owner, np.arange(len(shapes)))])
