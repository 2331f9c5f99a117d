"""A corridor drawn as a strip: turned so that it runs from left to right, with what lies around it.

Parts of a corridor that are alike and follow one another are one stop of whoever walks along it, and have one mark.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import geopandas as gpd
import numpy as np
import shapely
from shapely import affinity

from cfc_geo.model import Study
from cfc_geo.outputs.tables import text

AROUND_M: Final = 80.0
STRESS_COLOURS: Final = {1: "#2a8a8f", 2: "#8aa83a", 3: "#e08a00", 4: "#b3261e"}
"""As on the maps; the line is wider, too, the harder the street is, so that it tells in grey."""
GROUND_COLOURS: Final = {"water": "#cfe3f1", "green": "#dcecd3", "building": "#e6e3df"}
SCALE_STEPS_M: Final = (20, 50, 100, 200, 500, 1000)
ALIKE: Final = ("element", "name", "stress", "governed_by", "stress_evidence", "remedies")
"""Segments that follow one another and do not differ in these are one stop."""
SHARES: Final = (0.5, 0.3, 0.7, 0.15, 0.85)
"""Where along a street its name may stand, the best first."""


@dataclass(frozen=True, eq=False)
class Strip:
    """What to draw, in points from the lower left corner of a `width` × `height` frame, in the order of drawing:
    (kind, shape, what): ground, street, barrier, segment (its stress), mark (its number and element), place, name (of a
    street). `per_m`: points to the metre; `north`: the angle of north, degrees counter-clockwise from the right."""

    width: float
    height: float
    shapes: list[tuple[str, Any, Any]]
    per_m: float
    north: float


def stops(parts: gpd.GeoDataFrame) -> list[gpd.GeoDataFrame]:
    """The parts of a corridor as one meets them on the way, those of one stop together: like segments in a row, and the
    arms of one crossing."""
    walked = parts.sort_values(["along_m", "element", "name", "part"], kind="stable")
    alike = walked[list(ALIKE)].fillna("").astype(str).agg("|".join, axis=1)
    crossing = walked["element"] == "crossing"
    key = alike.mask(crossing, "crossing|" + walked["name"].fillna("") + walked["along_m"].astype(str))
    return [stop for _, stop in walked.groupby((key != key.shift()).cumsum(), sort=True)]


def stop_number(stop: gpd.GeoDataFrame) -> str:
    """Its part's number; of several the first and the last."""
    first, last = int(stop["part"].min()), int(stop["part"].max())
    return str(first) if first == last else f"{first}–{last}"


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
    return Strip(width, height, [*kept, *_names(kept, set(parts["name"]))], per_m, 90.0 + turn)


def ends(parts: gpd.GeoDataFrame) -> tuple[shapely.Point, shapely.Point]:
    """Where a corridor starts, and where it ends."""
    segments = parts[parts["element"] == "segment"].geometry.to_numpy()
    places = [shapely.get_point(shape, at) for shape in (segments[0], segments[-1]) for at in (0, -1)]
    return max(((one, other) for one in places[:2] for other in places[2:]), key=lambda pair: pair[0].distance(pair[1]))


def scale_bar(strip: Strip) -> tuple[int, float]:
    """Metres of a scale bar, at most a fifth of the strip, and its points."""
    fitting = [metres for metres in SCALE_STEPS_M if metres * strip.per_m <= strip.width / 5]
    metres = fitting[-1] if fitting else SCALE_STEPS_M[0]
    return metres, metres * strip.per_m


def free_box(
    at: shapely.Point, size: tuple[float, float], gap: float, steps: Sequence[tuple[float, float]], taken: list[Any],
    frame: Any,
) -> Any:  # fmt: skip
    """The first box of `size`, its middle so many `steps` of its own half size and a `gap` from `at`, that lies in the
    frame and off all that is taken; None where there is no room."""
    wide, high = size
    for step_x, step_y in steps:
        x, y = at.x + step_x * (wide / 2 + gap), at.y + step_y * (high / 2 + gap)
        box = shapely.box(x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)
        if frame.covers(box) and not any(box.intersects(other) for other in taken):
            return box
    return None


def box_along(line: Any, size: tuple[float, float], taken: list[Any], frame: Any) -> tuple[Any, float] | None:
    """A box of `size` on a straight stretch of a line, off all that is taken, and the angle by which it is turned; None
    where there is no room."""
    wide, high = size
    for share in SHARES:
        middle = share * line.length
        if not wide / 2 <= middle <= line.length - wide / 2:
            continue
        start, end = line.interpolate(middle - wide / 2), line.interpolate(middle + wide / 2)
        if start.distance(end) < 0.97 * wide:
            continue
        angle = float(np.degrees(np.arctan2(end.y - start.y, end.x - start.x)))
        angle = (angle + 90.0) % 180.0 - 90.0
        x, y = (start.x + end.x) / 2, (start.y + end.y) / 2
        box = affinity.rotate(shapely.box(x - wide / 2, y - high / 2, x + wide / 2, y + high / 2), angle)
        if frame.covers(box) and not any(box.intersects(other) for other in taken):
            return box, angle
    return None


def _turn(parts: gpd.GeoDataFrame) -> float:
    """Degrees by which to turn the corridor so that its first end lies left of its last."""
    first, last = ends(parts)
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
    streets = study.streets[study.streets.intersects(window)]
    for shape, name in zip(streets.geometry, streets["name"], strict=True):
        yield "street", shape, text(name)
    segments = parts[parts["element"] == "segment"]
    for shape, stress in zip(segments.geometry, segments["stress"], strict=True):
        yield "segment", shape, int(stress)
    for stop in stops(parts):
        yield "mark", _middle(stop.geometry.to_numpy()), (stop_number(stop), stop["element"].iloc[0])
    for shape, name in zip(joined.geometry, joined["name"], strict=True):
        yield "place", shape.representative_point(), str(name)


def _middle(shapes: np.ndarray) -> shapely.Point:
    """Half way along shapes that follow one another: where the mark of a stop stands."""
    if shapes[0].geom_type == "Point":
        return shapes[0]
    line = shapely.line_merge(shapely.union_all(shapes))
    return (line if line.geom_type == "LineString" else shapes[len(shapes) // 2]).interpolate(0.5, normalized=True)


def _names(shapes: list[tuple[str, Any, Any]], own: set[str]) -> Iterator[tuple[str, Any, str]]:
    """Every other street that has a name, once: its longest stretch in the frame."""
    lines: dict[str, list[Any]] = {}
    for kind, shape, name in shapes:
        if kind == "street" and name and name not in own:
            lines.setdefault(name, []).append(shape)
    for name, pieces in sorted(lines.items()):
        merged = shapely.line_merge(shapely.union_all(pieces))
        stretches = [part for part in shapely.get_parts(merged) if part.geom_type == "LineString"]
        if stretches:
            yield "name", max(stretches, key=lambda part: part.length), name
