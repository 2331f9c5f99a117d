"""What both maps, of a result and of a comparison, show alike: kinds, units, streets, backdrop, sources, as plain
values."""

import math
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo import catalog
from cfc_geo.catalog import Norm
from cfc_geo.model import Source
from cfc_geo.outputs.packing import STEP_M, Frame, first_points, near_order, packed_shapes
from cfc_geo.tables import STATUSES

SYMBOLS = {
    "childcare": ("learning", "heart"),
    "kindergarten": ("learning", "diamond"),
    "primary_school": ("learning", "square"),
    "middle_school": ("learning", "down"),
    "high_school": ("learning", "pentagon"),
    "school": ("learning", "tall"),
    "playground": ("play", "triangle"),
    "pocket_park": ("play", "diamond"),
    "park": ("play", "hexagon"),
    "sports_ground": ("play", "circle"),
    "library": ("culture", "wide"),
    "activity_centre": ("culture", "star"),
    "childrens_home": ("culture", "pentagon"),
    "community_service": ("culture", "circle"),
    "health_centre": ("health", "cross"),
    "health_station": ("health", "square"),
    "clinic": ("health", "diamond"),
    "nursing_room": ("health", "heart"),
}
"""Kind → the group that gives its colour, and its shape. A kind that is not listed is drawn as a grey circle."""

COLOURS = {"learning": "#0072b2", "play": "#00805c", "culture": "#a8527f", "health": "#c24a00", "other": "#4d4d4d"}
"""Okabe-Ito, the lighter ones darkened until white outlines stand off."""

STREET_CLASSES = {
    "major": ("motorway", "trunk", "primary", "secondary", "tertiary"),
    "path": ("footway", "path", "steps", "cycleway", "track", "bridleway", "corridor", "elevator", "platform"),
}
"""Class → values of `highway` (with or without `_link`); all others are minor."""

THEMES = ("green", "water", "building", "rail", "road")


@cache
def map_words() -> dict[str, dict[str, str]]:
    """Every word of the page, in both languages."""
    return tomllib.loads(files("cfc_geo.catalog").joinpath("words/map.toml").read_text(encoding="utf-8"))


def kind_entry(kind: str, norm: Norm | None, surveyed: bool, lang: str) -> dict[str, Any]:
    """What the page says of a kind; `norm` is null for a kind that is shown and not measured."""
    group, shape = SYMBOLS.get(kind, ("other", "circle"))
    said = norm and {
        "limit_m": number(norm.limit_m, 1),
        "clause": norm.clause,
        "certainty": norm.certainty,
        "why": norm.why,
    }
    return {
        "name": catalog.kind_name(kind, lang),
        "colour": COLOURS[group],
        "shape": shape,
        "norm": said,
        "surveyed": surveyed,
    }


def units_entry(units: gpd.GeoDataFrame, frame: Frame) -> dict[str, Any]:
    """Units in their order, with the point where each is labelled."""
    shapes = geometries(units)
    labels = frame.steps(shapely.get_coordinates(label_points(shapes))) if len(shapes) else np.empty((0, 2))
    columns = {"id": "unit_id", "name": "name", "level": "level", "parent": "parent_id"}
    return {
        **{shown: texts(units[column]) for shown, column in columns.items()},
        "at": labels.astype(int).tolist(),
        "shapes": packed_shapes(shapes, frame),
    }


def label_points(shapes: np.ndarray) -> np.ndarray:
    """The middle of the widest place of each polygon: where a name has most room."""
    widest = shapely.maximum_inscribed_circle(shapes, tolerance=5)
    return np.asarray(shapely.get_point(widest, 0))


def cell_shapes(shapes: np.ndarray) -> np.ndarray:
    """Polygons as they are; points as squares a little smaller than the usual distance between them."""
    if not len(shapes) or shapely.get_dimensions(shapes).max() == 2:
        return shapes
    sample = shapes[:: max(1, len(shapes) // 2_000)]
    spacing = 100.0
    if len(shapes) > 1:
        tree = shapely.STRtree(shapes)
        spacing = float(np.median(tree.query_nearest(sample, exclusive=True, return_distance=True)[1])) or spacing
    x, y, half = shapely.get_x(shapes), shapely.get_y(shapes), 0.45 * spacing
    return np.asarray(shapely.box(x - half, y - half, x + half, y + half))


def facilities_entry(facilities: gpd.GeoDataFrame, units: gpd.GeoDataFrame, frame: Frame) -> dict[str, Any]:
    """Facilities in their order: what they are, and their places; polygons also as shapes."""
    shapes = geometries(facilities)
    areas = np.flatnonzero(shapely.get_dimensions(shapes) == 2)
    points = frame.steps(shapely.get_coordinates(shapely.point_on_surface(shapes))) if len(shapes) else shapes
    return {
        "id": texts(facilities["facility_id"]),
        "name": texts(facilities["name"]),
        "kind": texts(facilities["kind"]),
        "unit": positions(facilities["unit_id"], pd.Index(units["unit_id"])).tolist(),
        "capacity": [number(value, 0) for value in facilities["capacity"]],
        "within": [number(value, 1) for value in facilities["children_within"]],
        "attached": facilities["snap_m"].notna().astype(int).tolist(),
        "at": points.tolist(),
        "areas": areas.tolist(),
        "shapes": packed_shapes(shapes[areas], frame),
    }


def streets_entry(streets: gpd.GeoDataFrame, frame: Frame) -> dict[str, Any]:
    """Walkable segments by class, neighbours next to one another; of a scenario without those that it closes, and with
    those that it adds by themselves."""
    if "closed" in streets:
        streets = streets[~streets["closed"].astype(bool)]
    added = streets["added"].to_numpy(dtype=bool) if "added" in streets else np.zeros(len(streets), dtype=bool)
    lines = geometries(streets)
    order = near_order(frame.steps(first_points(lines)))
    lines, classes = lines[order], np.where(added, "added", street_classes(streets["highway"]))[order]
    return {name: packed_shapes(lines[classes == name], frame) for name in ("path", "minor", "major", "added")}


def street_classes(highway: pd.Series) -> np.ndarray:
    codes, values = pd.factorize(highway)
    classes = [
        next((name for name, tags in STREET_CLASSES.items() if _text(value).removesuffix("_link") in tags), "minor")
        for value in values
    ]
    return np.asarray(np.array([*classes, "minor"])[codes])


def backdrop_entry(backdrop: gpd.GeoDataFrame, frame: Frame) -> dict[str, Any]:
    """Theme → its areas and its lines; points are not drawn."""
    shapes = geometries(backdrop)
    themes = backdrop["theme"].to_numpy(dtype=object)
    drawn = {}
    for theme in THEMES:
        parts = _flat(shapely.get_parts(shapes[themes == theme]))
        dimension = shapely.get_dimensions(parts)
        simple = shapely.simplify(parts, STEP_M)
        drawn[theme] = {
            "rows": int((themes == theme).sum()),
            "areas": packed_shapes(simple[dimension == 2], frame),
            "lines": packed_shapes(simple[dimension == 1], frame),
        }
    return drawn


def _flat(parts: np.ndarray) -> np.ndarray:
    """Collections inside collections taken apart too."""
    while len(parts) and (shapely.get_type_id(parts) >= 4).any():
        parts = shapely.get_parts(parts)
    return parts


def source_entry(source: Source, lang: str) -> dict[str, str]:
    role = f"role_{source.role}"
    return {
        "role": catalog.word(f"map.{role}", lang) if role in map_words() else source.role,
        "file": source.file.replace("\\", "/").rpartition("/")[2],
        "licence": source.licence,
        "date": source.date,
        "citation": source.citation,
    }


def shown_metres(metres: np.ndarray, limit_m: float) -> np.ndarray:
    """Metres + 1 as shown, 0 where there are none: rounded, but never across the limit."""
    shown = np.rint(metres)
    shown = np.where((metres > limit_m) & (shown <= limit_m), np.floor(limit_m) + 1, shown)
    return np.where(np.isfinite(metres), shown + 1, 0)


def status_codes(column: pd.Series) -> np.ndarray:
    """Position in `STATUSES`; a missing status is unknown."""
    codes = pd.Categorical(column, categories=list(STATUSES)).codes.astype(np.int64)
    return np.where(codes < 0, STATUSES.index("unknown"), codes)


def positions(column: pd.Series, ids: pd.Index) -> np.ndarray:
    """1 + the position of each id in `ids`; 0 for an id that is not there."""
    codes, uniques = pd.factorize(column)
    found = np.append(ids.get_indexer(uniques), -1)
    return np.asarray(found[codes] + 1)


def geometries(frame: Any) -> np.ndarray:
    return np.asarray(frame.geometry.array)


def texts(column: pd.Series) -> list[str]:
    return [_text(value) for value in column]


def _text(value: Any) -> str:
    return "" if value is None or value is pd.NA or value != value else str(value)


def number(value: Any, digits: int) -> float | int | None:
    """`value` to `digits` decimals; None for a missing one."""
    if value is None or value is pd.NA or not math.isfinite(float(value)):
        return None
    rounded = round(float(value), digits)
    return int(rounded) if rounded.is_integer() else rounded
