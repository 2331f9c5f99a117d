"""A corridor drawn as a strip: turned so that it runs from left to right, with what lies around it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import geopandas as gpd
import numpy as np
import shapely
from shapely import affinity

from cfc_geo.model import Study

AROUND_M: Final = 80.0
STRESS_COLOURS: Final = {1: "#2a8a8f", 2: "#8aa83a", 3: "#e08a00", 4: "#b3261e"}
"""As on the maps; the line is wider, too, the harder the street is, so that it tells in grey."""
GROUND_COLOURS: Final = {"water": "#cfe3f1", "green": "#dcecd3", "building": "#e6e3df"}
SCALE_STEPS_M: Final = (20, 50, 100, 200, 500, 1000)


@dataclass(frozen=True, eq=False)
class Strip:
    """What to draw, in points from the lower left corner of a `width` × `height` frame, in the order of drawing:
    (kind, shape, what): ground, street, segment (its stress), mark (its number and element), place (its name). `per_m`:
    points to the metre; `north`: the angle of north, degrees counter-clockwise from the right."""

    width: float
    height: float
    shapes: list[tuple[str, Any, Any]]
    per_m: float
    north: float


def map_strip(parts: gpd.GeoDataFrame, study: Study, joined: gpd.GeoDataFrame, *, width: float, most: float) -> Strip:
    """The strip of a corridor of `parts` in a frame `width` wide and at most `most` high, points; `joined` are the
    facilities to name."""
    line = shapely.union_all(parts.geometry.to_numpy())
    turn = _turn(parts)
    origin = line.centroid
    west, south, east, north = affinity.rotate(line, turn, origin).bounds
    span = (east - west + 2 * AROUND_M, north - south + 2 * AROUND_M)
    per_m = min(width / span[0], most / span[1])
    height = min(most, span[1] * per_m)
    left, low = (west + east) / 2 - width / per_m / 2, (south + north) / 2 - height / per_m / 2
    frame = shapely.box(0, 0, width, height)

    def placed(shape: Any) -> Any:
        moved = affinity.translate(affinity.rotate(shape, turn, origin), -left, -low)
        return affinity.scale(moved, per_m, per_m, origin=(0, 0))

    window = affinity.rotate(shapely.box(left, low, left + width / per_m, low + height / per_m), -turn, origin)
    shapes = [
        (kind, shapely.intersection(placed(shape), frame), what)
        for kind, shape, what in _shapes(parts, study, joined, window)
    ]
    kept = [(kind, shape, what) for kind, shape, what in shapes if not shape.is_empty]
    return Strip(width, height, kept, per_m, 90.0 + turn)


def scale_bar(strip: Strip) -> tuple[int, float]:
    """Metres of a scale bar, at most a fifth of the strip, and its points."""
    fitting = [metres for metres in SCALE_STEPS_M if metres * strip.per_m <= strip.width / 5]
    metres = fitting[-1] if fitting else SCALE_STEPS_M[0]
    return metres, metres * strip.per_m


def _turn(parts: gpd.GeoDataFrame) -> float:
    """Degrees by which to turn the corridor so that its first end lies left of its last."""
    segments = parts[parts["element"] == "segment"].geometry.to_numpy()
    ends = [shapely.get_point(shape, at) for shape in (segments[0], segments[-1]) for at in (0, -1)]
    first, last = max(
        ((one, other) for one in ends[:2] for other in ends[2:]), key=lambda pair: pair[0].distance(pair[1])
    )
    return float(-np.degrees(np.arctan2(last.y - first.y, last.x - first.x)))


def _shapes(
    parts: gpd.GeoDataFrame, study: Study, joined: gpd.GeoDataFrame, window: Any
) -> Iterator[tuple[str, Any, Any]]:
    around = study.backdrop[study.backdrop.intersects(window)]
    for theme in GROUND_COLOURS:
        for shape in around.geometry[around["theme"] == theme]:
            yield "ground", shape, theme
    for shape in around.geometry[around["theme"].isin(("rail", "road"))]:
        yield "barrier", shape, ""
    for shape in study.streets.geometry[study.streets.intersects(window)]:
        yield "street", shape, ""
    segments = parts[parts["element"] == "segment"]
    for shape, stress in zip(segments.geometry, segments["stress"], strict=True):
        yield "segment", shape, int(stress)
    yield from (("mark", at, what) for at, what in _marks(parts))
    for shape, name in zip(joined.geometry, joined["name"], strict=True):
        yield "place", shape.representative_point(), str(name)


def _marks(parts: gpd.GeoDataFrame) -> Iterator[tuple[Any, tuple[str, str]]]:
    """Where each part's number stands, and (number, element); crossings of one place have one mark."""
    segments, crossings = (parts[parts["element"] == element] for element in ("segment", "crossing"))
    for shape, number in zip(segments.geometry, segments["part"], strict=True):
        yield shape.interpolate(0.5, normalized=True), (str(number), "segment")
    for _, here in crossings.groupby(crossings.geometry.to_wkb(), sort=False):
        yield here.geometry.iloc[0], (",".join(map(str, here["part"])), "crossing")
