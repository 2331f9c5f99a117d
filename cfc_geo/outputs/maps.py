"""The map page: what of a result is drawn, and what is said beside it. `page` seals it, `packing` makes it small."""

import math
import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo import catalog
from cfc_geo.catalog import Norm
from cfc_geo.errors import Finding
from cfc_geo.model import Result, Source
from cfc_geo.outputs.edits import edit_lines
from cfc_geo.outputs.kept import Kept
from cfc_geo.outputs.packing import (
    STEP_M,
    Frame,
    first_points,
    frame_around,
    near_order,
    packed_numbers,
    packed_shapes,
    packed_text,
)
from cfc_geo.outputs.page import LANG_TAGS, empty_page, filled_page
from cfc_geo.outputs.provenance import shown_findings, shown_sources
from cfc_geo.plan import Plan
from cfc_geo.tables import ALL_UNITS, STATUSES, children_column, circle_column

SHOWN_WARNINGS = 40
"""How many warnings the page lists before it says how many more there are."""

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


def draw_map(result: Result, lang: str, kept: Kept | None = None) -> str:
    """The map of `result` as one HTML page in `lang` ('zh' or 'en'). The same result gives the same text.

    `kept` holds what the maps of the same place have in common (`keep_place`).
    """
    basemap, frame, kept = _basemap(result.plan), _frame(result), kept or Kept()
    page = _page(frame, basemap, lang, kept)
    return filled_page(page, _payload(result, frame, basemap, lang, kept))


def keep_place(result: Result, lang: str, kept: Kept) -> None:
    """Make what the map of `result` has in common with those of other results for the place."""
    frame = _frame(result)
    _page(frame, _basemap(result.plan), lang, kept)
    _ground(result, frame, kept)


def _frame(result: Result) -> Frame:
    """The frame around the units (or, where there are none, the cells)."""
    return frame_around(result.study.units if len(result.study.units) else result.cells, result.study.crs)


def _page(frame: Frame, basemap: Mapping[str, Any], lang: str, kept: Kept) -> str:
    """The finished page, without data."""
    hosts = tuple(basemap["hosts"])
    return kept("map.page", [], (frame.centre, lang, hosts), lambda: empty_page(frame.centre, hosts, lang))


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
        "words": {key: entry[lang] for key, entry in map_words().items()},
        "title": " · ".join(dict.fromkeys([plan.map.title or plan.name, *([plan.name] if plan.edits else [])])),
        "place": study.name,
        "approval": plan.map.approval_no,
        "crs": study.crs,
        "frame": {"west": frame.west, "north": frame.north, "step": frame.step, "bounds": frame.bounds},
        "bands": [_band(plan, band, lang) for band in catalog.bands()],
        "kinds": {
            kind: kind_entry(kind, result.coverage.norms.get(kind), kind in study.surveyed, lang)
            for kind in _kinds_shown(result)
        },
        "baskets": {band: list(kinds) for band, kinds in result.baskets.items()},
        "statuses": list(STATUSES),
        "figures": packed_text(_figures(result)),
        "units": ground["units"],
        "cells": _cells(result, frame),
        "facilities": _facilities(result, frame),
        "entrances": _entrances(result, frame),
        "streets": ground["streets"],
        "backdrop": ground["backdrop"],
        "sources": [source_entry(source, lang) for source in shown_sources(result.study.sources)],
        "edits": edit_lines(result, lang),
        "assumptions": _assumptions(plan, basemap, lang),
        "warnings": _warnings(shown_findings(result.findings), lang),
        "basemap": basemap,
    }


@cache
def map_words() -> dict[str, dict[str, str]]:
    """Every word of the page, in both languages."""
    return tomllib.loads(files("cfc_geo.catalog").joinpath("words/map.toml").read_text(encoding="utf-8"))


def _band(plan: Plan, band: str, lang: str) -> dict[str, Any]:
    return {"id": band, "name": catalog.band_name(band, lang), "speed_ms": plan.speed_ms(band)}


def _kinds_shown(result: Result) -> list[str]:
    """The kinds of the coverage, then the other kinds of which there are facilities, in the catalogue's order."""
    present = set(result.facilities["kind"].dropna())
    measured = list(result.coverage.norms)
    return measured + [kind for kind in catalog.kinds() if kind in present and kind not in measured]


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
        columns[name] = [number(value, digits) for value in table[name]]
    return columns


def _units(result: Result, frame: Frame) -> dict[str, Any]:
    """Units in the study's order, with the point where each is labelled."""
    units = result.study.units
    shapes = geometries(units)
    labels = frame.steps(shapely.get_coordinates(label_points(shapes))) if len(shapes) else np.empty((0, 2))
    return {
        "id": texts(units["unit_id"]),
        "name": texts(units["name"]),
        "level": texts(units["level"]),
        "parent": texts(units["parent_id"]),
        "at": labels.astype(int).tolist(),
        "shapes": packed_shapes(shapes, frame),
    }


def label_points(shapes: np.ndarray) -> np.ndarray:
    """The middle of the widest place of each polygon: where a name has most room."""
    widest = shapely.maximum_inscribed_circle(shapes, tolerance=5)
    return np.asarray(shapely.get_point(widest, 0))


def _cells(result: Result, frame: Frame) -> dict[str, Any]:
    """Cells, neighbours next to one another, with all that a click shows."""
    cells = result.cells
    shapes = cell_shapes(geometries(cells))
    order = near_order(frame.steps(first_points(shapes)))
    cells = cells.iloc[order]
    facility_ids = pd.Index(result.facilities["facility_id"])
    return {
        "id": packed_text(texts(cells["origin_id"])),
        "shapes": packed_shapes(shapes[order], frame),
        "unit": packed_numbers(positions(cells["unit_id"], pd.Index(result.study.units["unit_id"]))),
        "attached": packed_numbers(cells["snap_m"].notna().to_numpy().astype(int)),
        "children": {
            band: packed_numbers(np.rint(cells[children_column(band)].to_numpy(dtype=float) * 10))
            for band in catalog.bands()
            if band not in result.study.unknown_bands
        },
        "kinds": {
            kind: {
                "status": packed_numbers(status_codes(cells[f"{kind}_status"])),
                "metres": packed_numbers(shown_metres(cells[f"{kind}_m"].to_numpy(dtype=float), norm.limit_m)),
                "nearest": packed_numbers(positions(cells[f"{kind}_nearest_id"], facility_ids)),
            }
            for kind, norm in result.coverage.norms.items()
        },
        "circle": {band: packed_numbers(status_codes(cells[circle_column(band)])) for band in result.baskets},
    }


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


def _facilities(result: Result, frame: Frame) -> dict[str, Any]:
    """Facilities in the result's order; polygons also as shapes."""
    table = result.facilities
    shapes = geometries(table)
    areas = np.flatnonzero(shapely.get_dimensions(shapes) == 2)
    points = frame.steps(shapely.get_coordinates(shapely.point_on_surface(shapes))) if len(shapes) else shapes
    units = pd.Index(result.study.units["unit_id"])
    edited = [target for edit in result.plan.edits for kind, target in edit.targets() if kind == "facility"]
    return {
        "id": texts(table["facility_id"]),
        "name": texts(table["name"]),
        "kind": texts(table["kind"]),
        "unit": positions(table["unit_id"], units).tolist(),
        "capacity": [number(value, 0) for value in table["capacity"]],
        "within": [number(value, 1) for value in table["children_within"]],
        "assigned": [number(value, 1) for value in table["assigned_children"]],
        "crowding": [number(value, 3) for value in table["crowding"]],
        "overflow": [number(value, 1) for value in table["overflow_children"]],
        "room": [number(value, 1) for value in table["overflow_room"]],
        "entrances": [number(value, 0) for value in table["entrances"]],
        "evidence": texts(table["evidence"]),
        "attached": table["snap_m"].notna().astype(int).tolist(),
        "edited": table["facility_id"].isin(edited).astype(int).tolist(),
        "at": points.tolist(),
        "areas": areas.tolist(),
        "shapes": packed_shapes(shapes[areas], frame),
        "served": _service_areas(result, frame),
    }


def _service_areas(result: Result, frame: Frame) -> dict[str, Any]:
    """The drawn areas, and which facility each is of; empty where the plan wants none."""
    areas = result.service_areas
    if not len(areas):
        return {"facility": [], "shapes": packed_shapes(np.empty(0, dtype=object), frame)}
    position = pd.Index(result.facilities["facility_id"]).get_indexer(areas["facility_id"])
    return {"facility": position.tolist(), "shapes": packed_shapes(geometries(areas), frame)}


def _entrances(result: Result, frame: Frame) -> dict[str, Any]:
    entrances = result.study.entrances
    steps = frame.steps(shapely.get_coordinates(geometries(entrances))) if len(entrances) else np.empty((0, 2))
    ids = pd.Index(result.facilities["facility_id"])
    return {
        "facility": packed_numbers(positions(entrances["facility_id"], ids)),
        "x": packed_numbers(steps[:, 0]),
        "y": packed_numbers(steps[:, 1]),
    }


def _streets(result: Result, frame: Frame) -> dict[str, Any]:
    return streets_entry(result.study.streets, frame)


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


def _backdrop(result: Result, frame: Frame) -> dict[str, Any]:
    return backdrop_entry(result.study.backdrop, frame)


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
