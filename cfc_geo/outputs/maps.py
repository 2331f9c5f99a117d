"""The map page: one HTML file that holds its data, scripts and styles, and opens without a network.

folium makes the shell (the map, its panes and our layers, under names fixed here). No text from data ever passes
through folium or branca, which read text as templates: names, figures and shapes go into one inert JSON block, put
into the finished page, and `assets/map.js` shows them as text. A Content-Security-Policy with the hashes of the page's
own scripts and styles is the second net. Shapes are whole numbers of about half a metre, stored as differences and
deflated.
"""

import base64
import hashlib
import html
import json
import math
import os
import re
import tomllib
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
import shapely
from pyproj import Transformer

from cfc_geo import catalog
from cfc_geo.errors import Finding
from cfc_geo.model import Result, Source
from cfc_geo.outputs.edits import edit_lines
from cfc_geo.outputs.kept import Kept
from cfc_geo.outputs.provenance import shown_findings, shown_sources
from cfc_geo.plan import Plan
from cfc_geo.tables import ALL_UNITS, STATUSES, children_column

STEP_M = 0.5
"""How finely the page knows places, in metres on the ground."""

SHOWN_WARNINGS = 40
"""How many warnings the page lists before it says how many more there are."""

MERCATOR_RADIUS_M = 6378137.0

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

BASEMAPS: dict[str, dict[str, Any]] = {
    "none": {"hosts": [], "tiles": []},
    "osm": {
        "hosts": ["https://tile.openstreetmap.org"],
        "tiles": ["https://tile.openstreetmap.org/{z}/{x}/{y}.png"],
        "subdomains": "",
        "zoom": 19,
    },
    "tianditu": {
        "hosts": [f"https://t{number}.tianditu.gov.cn" for number in range(8)],
        "tiles": [
            f"https://t{{s}}.tianditu.gov.cn/{layer}_w/wmts?SERVICE=WMTS&REQUEST=GetTile&VERSION=1.0.0&LAYER={layer}"
            "&STYLE=default&TILEMATRIXSET=w&FORMAT=tiles&TILEMATRIX={z}&TILEROW={y}&TILECOL={x}&tk={key}"
            for layer in ("vec", "cva")
        ],
        "subdomains": "01234567",
        "zoom": 18,
    },
}

PANES = {"cells": 320, "streets": 330, "facilities": 340}
"""Our canvas layers, from the bottom up, with the z-index of their panes."""

VENDORED = {
    "https://cdn.jsdelivr.net/npm/leaflet@1.9.3/dist/leaflet.js": "leaflet.js",
    "https://cdn.jsdelivr.net/npm/leaflet@1.9.3/dist/leaflet.css": "leaflet.css",
    "map.js": "map.js",
    "map.css": "map.css",
}
"""What the shell asks for → the file of `assets/` that takes its place."""

DROPPED = ("jquery", "bootstrap", "awesome-markers", "fontawesome", "leaflet.awesome")
"""Parts of the addresses of what the shell asks for and this page does not need."""

LANG_TAGS = {"zh": "zh-CN", "en": "en"}


def draw_map(result: Result, lang: str, kept: Kept | None = None) -> str:
    """The map of `result` as one HTML page in `lang` ('zh' or 'en'). The same result gives the same text.

    `kept` holds what the maps of the same place have in common (`keep_place`).
    """
    basemap, frame, kept = _basemap(result.plan), _frame(result), kept or Kept()
    page = _page(frame, basemap, lang, kept)
    return page.replace("</body>", _data_block(_payload(result, frame, basemap, lang, kept)) + "</body>", 1)


def keep_place(result: Result, lang: str, kept: Kept) -> None:
    """Make what the map of `result` has in common with those of other results for the place."""
    frame = _frame(result)
    _page(frame, _basemap(result.plan), lang, kept)
    _ground(result, frame, kept)


# ------------------------------------------------------------------------------------------------ from metres to page


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


def _frame(result: Result) -> Frame:
    """The frame around the units (or, where there are none, the cells)."""
    layer = result.study.units if len(result.study.units) else result.cells
    west, south, east, north = layer.total_bounds
    to_degrees = _to_degrees(result.study.crs)
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


def _packed_numbers(values: np.ndarray) -> dict[str, Any]:
    """Whole numbers for the page, in their order."""
    return {"n": len(values), "z": _deflated(_varints(_differences(values)))}


def _packed_text(value: Any) -> str:
    return _deflated(json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii"))


def _packed_shapes(shapes: np.ndarray, frame: Frame) -> dict[str, Any]:
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


def _near_order(steps: np.ndarray) -> np.ndarray:
    """The order in which neighbours on the ground are neighbours in the list (a Z-curve over about 32 m)."""
    if not len(steps):
        return np.empty(0, dtype=np.int64)
    code = np.zeros(len(steps), dtype=np.int64)
    coarse = (steps - steps.min(axis=0)) >> 6
    for bit in range(16):
        code |= ((coarse[:, 0] >> bit) & 1) << (2 * bit) | ((coarse[:, 1] >> bit) & 1) << (2 * bit + 1)
    return np.argsort(code, kind="stable")


def _first_points(shapes: np.ndarray) -> np.ndarray:
    """The first coordinate of every shape (n × 2)."""
    xy, owner = shapely.get_coordinates(shapes, return_index=True)
    return np.asarray(xy[np.searchsorted(owner, np.arange(len(shapes)))])


# -------------------------------------------------------------------------------------------------------- the payload


def _ground(result: Result, frame: Frame, kept: Kept) -> dict[str, dict[str, Any]]:
    """What the page shows of a place whatever the answers are: units, streets and backdrop, by key of the payload."""
    study = result.study
    place = (study.crs, frame.west, frame.north, frame.step)
    return {
        "units": kept("map.units", [study.units], place, lambda: _units(result, frame)),
        "streets": kept("map.streets", [study.streets], place, lambda: _streets(result, frame)),
        "backdrop": kept("map.backdrop", [study.backdrop], place, lambda: _backdrop(result, frame)),
    }


def _payload(result: Result, frame: Frame, basemap: Mapping[str, Any], lang: str, kept: Kept) -> dict[str, Any]:
    """Everything the page shows, as plain values."""
    plan, study = result.plan, result.study
    ground = _ground(result, frame, kept)
    return {
        "lang": LANG_TAGS[lang],
        "words": {key: entry[lang] for key, entry in _words().items()},
        "title": plan.map.title or plan.name,
        "place": study.name,
        "approval": plan.map.approval_no,
        "crs": study.crs,
        "frame": {"west": frame.west, "north": frame.north, "step": frame.step, "bounds": frame.bounds},
        "bands": [_band(plan, band, lang) for band in catalog.bands()],
        "kinds": {kind: _kind(result, kind, lang) for kind in _kinds_shown(result)},
        "baskets": {band: list(kinds) for band, kinds in result.baskets.items()},
        "statuses": list(STATUSES),
        "figures": _packed_text(_figures(result)),
        "units": ground["units"],
        "cells": _cells(result, frame),
        "facilities": _facilities(result, frame),
        "entrances": _entrances(result, frame),
        "streets": ground["streets"],
        "backdrop": ground["backdrop"],
        "sources": [_source(source, lang) for source in shown_sources(result.study.sources)],
        "edits": edit_lines(result, lang),
        "assumptions": _assumptions(plan, basemap, lang),
        "warnings": _warnings(shown_findings(result.findings), lang),
        "basemap": basemap,
    }


@cache
def _words() -> dict[str, dict[str, str]]:
    """Every word of the page, in both languages."""
    return tomllib.loads(files("cfc_geo.catalog").joinpath("words/map.toml").read_text(encoding="utf-8"))


def _band(plan: Plan, band: str, lang: str) -> dict[str, Any]:
    return {"id": band, "name": catalog.band_name(band, lang), "speed_ms": plan.speed_ms(band)}


def _kinds_shown(result: Result) -> list[str]:
    """The kinds of the coverage, then the other kinds of which there are facilities, in the catalogue's order."""
    present = set(result.facilities["kind"].dropna())
    measured = list(result.coverage.norms)
    return measured + [kind for kind in catalog.kinds() if kind in present and kind not in measured]


def _kind(result: Result, kind: str, lang: str) -> dict[str, Any]:
    """What the page says of a kind; `norm` is null for a kind that is shown and not measured."""
    group, shape = SYMBOLS.get(kind, ("other", "circle"))
    norm = result.coverage.norms.get(kind)
    said = norm and {
        "limit_m": _number(norm.limit_m, 1),
        "clause": norm.clause,
        "certainty": norm.certainty,
        "why": norm.why,
    }
    return {
        "name": catalog.kind_name(kind, lang),
        "colour": COLOURS[group],
        "shape": shape,
        "norm": said,
        "surveyed": kind in result.study.surveyed,
    }


def _figures(result: Result) -> dict[str, Any]:
    """The two tables of figures: columns by name, each a list, rows as in the tables."""
    return {
        "kinds": _columns(
            result.coverage_by_unit,
            ("unit_id", "kind", "band"),
            {"children": 1, "covered": 1, "gap": 1, "unknown": 1, "covered_share": 4, "mean_walk_m": 0,
             "mean_walk_min": 1},
        ),
        "circle": _columns(
            result.circle_by_unit,
            ("unit_id", "band", "most_missing_kind"),
            {"children": 1, "complete": 1, "incomplete": 1, "unknown": 1, "complete_share": 4, "mean_items_share": 4},
        ),
        "all": ALL_UNITS,
    }  # fmt: skip


def _columns(table: pd.DataFrame, texts: Sequence[str], numbers: Mapping[str, int]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {name: [_text(value) for value in table[name]] for name in texts}
    for name, digits in numbers.items():
        columns[name] = [_number(value, digits) for value in table[name]]
    return columns


def _units(result: Result, frame: Frame) -> dict[str, Any]:
    """Units in the study's order, with the point where each is labelled."""
    units = result.study.units
    shapes = _geometries(units)
    labels = frame.steps(shapely.get_coordinates(_label_points(shapes))) if len(shapes) else np.empty((0, 2))
    return {
        "id": _texts(units["unit_id"]),
        "name": _texts(units["name"]),
        "level": _texts(units["level"]),
        "parent": _texts(units["parent_id"]),
        "at": labels.astype(int).tolist(),
        "shapes": _packed_shapes(shapes, frame),
    }


def _label_points(shapes: np.ndarray) -> np.ndarray:
    """The middle of the widest place of each polygon: where a name has most room."""
    widest = shapely.maximum_inscribed_circle(shapes, tolerance=5)
    return np.asarray(shapely.get_point(widest, 0))


def _cells(result: Result, frame: Frame) -> dict[str, Any]:
    """Cells, neighbours next to one another, with all that a click shows."""
    cells = result.cells
    shapes = _cell_shapes(_geometries(cells))
    order = _near_order(frame.steps(_first_points(shapes)))
    cells = cells.iloc[order]
    facility_ids = pd.Index(result.facilities["facility_id"])
    return {
        "id": _packed_text(_texts(cells["origin_id"])),
        "shapes": _packed_shapes(shapes[order], frame),
        "unit": _packed_numbers(_positions(cells["unit_id"], pd.Index(result.study.units["unit_id"]))),
        "attached": _packed_numbers(cells["snap_m"].notna().to_numpy().astype(int)),
        "children": {
            band: _packed_numbers(np.rint(cells[children_column(band)].to_numpy(dtype=float) * 10))
            for band in catalog.bands()
            if band not in result.study.unknown_bands
        },
        "kinds": {
            kind: {
                "status": _packed_numbers(_status_codes(cells[f"{kind}_status"])),
                "metres": _packed_numbers(_shown_metres(cells[f"{kind}_m"].to_numpy(dtype=float), norm.limit_m)),
                "nearest": _packed_numbers(_positions(cells[f"{kind}_nearest_id"], facility_ids)),
            }
            for kind, norm in result.coverage.norms.items()
        },
        "circle": {
            band: _packed_numbers(_status_codes(cells["circle_" + band.replace("-", "_")])) for band in result.baskets
        },
    }


def _cell_shapes(shapes: np.ndarray) -> np.ndarray:
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


def _shown_metres(metres: np.ndarray, limit_m: float) -> np.ndarray:
    """Metres + 1 as shown, 0 where there are none: rounded, but never across the limit."""
    shown = np.rint(metres)
    shown = np.where((metres > limit_m) & (shown <= limit_m), np.floor(limit_m) + 1, shown)
    return np.where(np.isfinite(metres), shown + 1, 0)


def _status_codes(column: pd.Series) -> np.ndarray:
    """Position in `STATUSES`; a missing status is unknown."""
    codes = pd.Categorical(column, categories=list(STATUSES)).codes.astype(np.int64)
    return np.where(codes < 0, STATUSES.index("unknown"), codes)


def _positions(column: pd.Series, ids: pd.Index) -> np.ndarray:
    """1 + the position of each id in `ids`; 0 for an id that is not there."""
    codes, uniques = pd.factorize(column)
    found = np.append(ids.get_indexer(uniques), -1)
    return np.asarray(found[codes] + 1)


def _facilities(result: Result, frame: Frame) -> dict[str, Any]:
    """Facilities in the result's order; polygons also as shapes."""
    table = result.facilities
    shapes = _geometries(table)
    areas = np.flatnonzero(shapely.get_dimensions(shapes) == 2)
    points = frame.steps(shapely.get_coordinates(shapely.point_on_surface(shapes))) if len(shapes) else shapes
    units = pd.Index(result.study.units["unit_id"])
    edited = [target for edit in result.plan.edits for kind, target in edit.targets() if kind == "facility"]
    return {
        "id": _texts(table["facility_id"]),
        "name": _texts(table["name"]),
        "kind": _texts(table["kind"]),
        "unit": _positions(table["unit_id"], units).tolist(),
        "capacity": [_number(value, 0) for value in table["capacity"]],
        "within": [_number(value, 1) for value in table["children_within"]],
        "assigned": [_number(value, 1) for value in table["assigned_children"]],
        "crowding": [_number(value, 3) for value in table["crowding"]],
        "overflow": [_number(value, 1) for value in table["overflow_children"]],
        "room": [_number(value, 1) for value in table["overflow_room"]],
        "entrances": [_number(value, 0) for value in table["entrances"]],
        "evidence": _texts(table["evidence"]),
        "attached": table["snap_m"].notna().astype(int).tolist(),
        "edited": table["facility_id"].isin(edited).astype(int).tolist(),
        "at": points.tolist(),
        "areas": areas.tolist(),
        "shapes": _packed_shapes(shapes[areas], frame),
        "served": _service_areas(result, frame),
    }


def _service_areas(result: Result, frame: Frame) -> dict[str, Any]:
    """The drawn areas, and which facility each is of; empty where the plan wants none."""
    areas = result.service_areas
    if not len(areas):
        return {"facility": [], "shapes": _packed_shapes(np.empty(0, dtype=object), frame)}
    position = pd.Index(result.facilities["facility_id"]).get_indexer(areas["facility_id"])
    return {"facility": position.tolist(), "shapes": _packed_shapes(_geometries(areas), frame)}


def _entrances(result: Result, frame: Frame) -> dict[str, Any]:
    entrances = result.study.entrances
    steps = frame.steps(shapely.get_coordinates(_geometries(entrances))) if len(entrances) else np.empty((0, 2))
    ids = pd.Index(result.facilities["facility_id"])
    return {
        "facility": _packed_numbers(_positions(entrances["facility_id"], ids)),
        "x": _packed_numbers(steps[:, 0]),
        "y": _packed_numbers(steps[:, 1]),
    }


def _streets(result: Result, frame: Frame) -> dict[str, Any]:
    """Walkable segments by class, neighbours next to one another; those that a scenario closes are left out."""
    streets = result.study.streets
    if "closed" in streets:
        streets = streets[~streets["closed"]]
    lines = _geometries(streets)
    order = _near_order(frame.steps(_first_points(lines)))
    lines, classes = lines[order], _street_classes(streets["highway"])[order]
    return {name: _packed_shapes(lines[classes == name], frame) for name in ("path", "minor", "major")}


def _street_classes(highway: pd.Series) -> np.ndarray:
    codes, values = pd.factorize(highway)
    classes = [
        next((name for name, tags in STREET_CLASSES.items() if _text(value).removesuffix("_link") in tags), "minor")
        for value in values
    ]
    return np.asarray(np.array([*classes, "minor"])[codes])


def _backdrop(result: Result, frame: Frame) -> dict[str, Any]:
    """Theme → its areas and its lines; points are not drawn."""
    backdrop = result.study.backdrop
    shapes = _geometries(backdrop)
    themes = backdrop["theme"].to_numpy(dtype=object)
    drawn = {}
    for theme in THEMES:
        parts = _flat(shapely.get_parts(shapes[themes == theme]))
        dimension = shapely.get_dimensions(parts)
        simple = shapely.simplify(parts, STEP_M)
        drawn[theme] = {
            "rows": int((themes == theme).sum()),
            "areas": _packed_shapes(simple[dimension == 2], frame),
            "lines": _packed_shapes(simple[dimension == 1], frame),
        }
    return drawn


def _flat(parts: np.ndarray) -> np.ndarray:
    """Collections inside collections taken apart too."""
    while len(parts) and (shapely.get_type_id(parts) >= 4).any():
        parts = shapely.get_parts(parts)
    return parts


def _source(source: Source, lang: str) -> dict[str, str]:
    role = f"role_{source.role}"
    return {
        "role": catalog.word(f"map.{role}", lang) if role in _words() else source.role,
        "file": source.file.replace("\\", "/").rpartition("/")[2],
        "licence": source.licence,
        "date": source.date,
        "citation": source.citation,
    }


def _assumptions(plan: Plan, basemap: Mapping[str, Any], lang: str) -> list[str]:
    """What the figures rest on and no file says: one sentence each."""
    said: list[tuple[str, dict[str, Any]]] = []
    if plan.population.count_of:
        said.append(("assumed_count_of", {"count_of": plan.population.count_of}))
    if plan.population.assumption:
        said.append(("assumed_population", {"text": plan.population.assumption}))
    if plan.population.shares is not None:
        said.append(("assumed_shares", {"text": plan.population.shares_source or "–"}))
    for change in plan.norms.override:
        values = {"kind": catalog.kind_name(change.kind, lang), "limit": f"{change.limit_m:g}", "why": change.why}
        said.append(("assumed_limit", values))
    if plan.circle.baskets:
        said.append(("assumed_circle", {"why": plan.circle.why}))
    if plan.walk.speeds_ms:
        said.append(("assumed_walk", {"why": plan.walk.why}))
    if basemap["notice"]:
        said.append((basemap["notice"], {}))
    return [catalog.word(f"map.{key}", lang, **values) for key, values in said]


def _warnings(findings: Iterable[Finding], lang: str) -> list[str]:
    """Limits of the audit that are broken, and the warnings; of many, the first and how many more."""
    told = ("population.assumption", "population.shares", "norms.overridden")  # among the assumptions
    lines = [one.text(lang) for one in findings if one.severity != "note" and one.code not in told]
    rest = len(lines) - SHOWN_WARNINGS
    return lines[:SHOWN_WARNINGS] + ([catalog.word("map.more_warnings", lang, n=rest)] if rest > 0 else [])


def _basemap(plan: Plan) -> dict[str, Any]:
    """The online base map the plan asks for: its tile addresses, hosts, and a notice (a key of the map's words)."""
    chosen, key = plan.map.basemap, os.environ.get("TIANDITU_KEY", "").strip()
    if chosen == "tianditu" and not re.fullmatch(r"[0-9A-Za-z]{8,64}", key):
        return {**BASEMAPS["none"], "id": "none", "notice": "no_key", "credit": ""}
    notice, credit = ("", "") if chosen == "none" else ("online", f"credit_{chosen}")
    tiles = [url.replace("{key}", key) for url in BASEMAPS[chosen]["tiles"]]
    return {**BASEMAPS[chosen], "tiles": tiles, "id": chosen, "notice": notice, "credit": credit}


def _geometries(frame: Any) -> np.ndarray:
    return np.asarray(frame.geometry.array)


def _texts(column: pd.Series) -> list[str]:
    return [_text(value) for value in column]


def _text(value: Any) -> str:
    return "" if value is None or value is pd.NA or value != value else str(value)


def _number(value: Any, digits: int) -> float | int | None:
    """`value` to `digits` decimals; None for a missing one."""
    if value is None or value is pd.NA or not math.isfinite(float(value)):
        return None
    rounded = round(float(value), digits)
    return int(rounded) if rounded.is_integer() else rounded


# ----------------------------------------------------------------------------------------------------------- the page


def _page(frame: Frame, basemap: Mapping[str, Any], lang: str, kept: Kept) -> str:
    """The finished page, without data."""
    hosts = tuple(basemap["hosts"])
    return kept(
        "map.page", [], (frame.centre, lang, hosts), lambda: _sealed(_inlined(_shell(frame.centre), lang), hosts)
    )


def _shell(centre: tuple[float, float]) -> str:
    """The page as folium makes it: the map, our panes, layers and furniture. Holds no text from data."""
    from folium import Map
    from folium.elements import JSCSSMixin
    from folium.map import CustomPane, Layer
    from folium.template import Template

    class CanvasLayer(JSCSSMixin, Layer):
        """A layer that `map.js` draws on canvas tiles; `name` is one of `PANES`."""

        _template = Template(
            "{% macro script(this, kwargs) %}"
            "var {{ this.get_name() }} = cfc.canvasLayer({{ this.layer_name|tojson }});"
            "{% endmacro %}"
        )

        def __init__(self, name: str) -> None:
            super().__init__(name=name, overlay=True, control=False, show=False)
            self._name, self._id = "canvas", name
            self.default_js = [("cfc_map_js", "map.js")]
            self.default_css = [("cfc_map_css", "map.css")]

    class Furniture(Layer):
        """The panel, the footer and the north arrow, and the line that starts the page."""

        _template = Template(
            "{% macro html(this, kwargs) %}" + _asset("furniture.html") + "{% endmacro %}"
            "{% macro script(this, kwargs) %}"
            "cfc.start({{ this._parent.get_name() }}, { "
            "{% for name in this.names %}{{ name }}: canvas_{{ name }}, {% endfor %}"
            "});"
            "{% endmacro %}"
        )

        def __init__(self, names: Sequence[str]) -> None:
            super().__init__(name="furniture", overlay=True, control=False, show=False)
            self._name, self._id, self.names = "furniture", "cfc", list(names)

    shell = Map(
        location=centre, zoom_start=13, tiles=None, zoom_control=False, attributionControl=False, zoomSnap=0.25,
        fadeAnimation=False, minZoom=8, maxZoom=19,
    )  # fmt: skip
    shell._name, shell._id = "map", "cfc"
    for name, z_index in PANES.items():
        pane = CustomPane(name, z_index=z_index, pointer_events=False)
        pane._name, pane._id = "pane", name
        shell.add_child(pane)
        shell.add_child(CanvasLayer(name))
    shell.add_child(Furniture(list(PANES)))
    return str(shell.get_root().render())


@cache
def _asset(name: str) -> str:
    return files("cfc_geo.outputs").joinpath("assets", name).read_text(encoding="utf-8").replace("\r\n", "\n")


def _inlined(shell: str, lang: str) -> str:
    """`shell` with every script and style inside it; an address that is not vendored raises `ValueError`."""
    head, body = shell.split("</head>", 1)
    head = re.sub(r'<script src="([^"]*)"></script>', lambda found: _inline_script(found[1]), head)
    head = re.sub(r'<link rel="stylesheet" href="([^"]*)"\s*/?>', lambda found: _inline_style(found[1]), head)
    viewport = '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
    title = f"<title>{html.escape(catalog.word('map.page', lang))}</title>"
    head = re.sub(r'<meta name="viewport".*?/>', viewport + title, head, count=1, flags=re.DOTALL)
    head = head.replace("<html>", f'<html lang="{LANG_TAGS[lang]}">', 1)
    body = body.replace("NO-SCRIPT", html.escape(catalog.word("map.no_script", lang)), 1)
    page = head + "</head>" + body
    if outside := _addresses(page):
        raise ValueError(f"the page would ask for {outside}")
    return page


class _AddressReader(HTMLParser):
    """Collects what a page asks for besides itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [
            value or "" for name, value in attrs if name in ("src", "href") and not (value or "").startswith("#")
        ]


def _addresses(page: str) -> list[str]:
    reader = _AddressReader()
    reader.feed(page)
    return reader.found


def _inline_script(address: str) -> str:
    text = _vendored(address)
    return "<script>" + text.replace("</script", "<\\/script") + "</script>" if text else ""


def _inline_style(address: str) -> str:
    text = _vendored(address)
    return "<style>" + text.replace("</style", "<\\/style") + "</style>" if text else ""


def _vendored(address: str) -> str:
    """The text that takes the place of `address`; "" where the page does not need it."""
    if address in VENDORED:
        return _asset(VENDORED[address])
    if any(part in address.lower() for part in DROPPED):
        return ""
    raise ValueError(f"the page would ask for {address}, which is not among the assets")


def _data_block(payload: Mapping[str, Any]) -> str:
    """The payload as JSON that no browser can take for markup or script."""
    text = json.dumps(payload, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for mark in "<>&":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return f'<script type="application/json" id="cfc-data">{text}</script>\n'


def _sealed(page: str, image_hosts: Sequence[str]) -> str:
    """`page`, which holds no data yet, with a policy that lets its own scripts and styles run, and nothing else."""
    scripts = [_hash(text) for text in re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)]
    styles = [_hash(text) for text in re.findall(r"<style>(.*?)</style>", page, flags=re.DOTALL)]
    policy = "; ".join(
        [
            "default-src 'none'",
            " ".join(["script-src", *scripts]),
            " ".join(["style-src", *styles]),
            " ".join(["img-src", "data:", *image_hosts]),
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    return page.replace("<head>", f'<head>\n<meta http-equiv="Content-Security-Policy" content="{policy}"/>', 1)


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii") + "'"
