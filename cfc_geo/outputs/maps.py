"""The map page: what of a result is drawn, and what is said beside it. `page` seals it, `packing` makes it small."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import shapely

from cfc_geo import catalog
from cfc_geo.errors import Finding
from cfc_geo.model import Result
from cfc_geo.outputs.edits import edit_lines
from cfc_geo.outputs.entries import (
    backdrop_entry,
    cell_shapes,
    facilities_entry,
    geometries,
    kind_entry,
    map_words,
    number,
    positions,
    shown_metres,
    source_entry,
    status_codes,
    streets_entry,
    texts,
    units_entry,
)
from cfc_geo.outputs.kept import Kept
from cfc_geo.outputs.packing import (
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
        "units": kept("map.units", [study.units], place, lambda: units_entry(study.units, frame)),
        "streets": kept("map.streets", [study.streets], place, lambda: streets_entry(study.streets, frame)),
        "backdrop": kept("map.backdrop", [study.backdrop], place, lambda: backdrop_entry(study.backdrop, frame)),
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
        "opening": _opening(result),
        "assumptions": _assumptions(plan, basemap, lang),
        "warnings": _warnings(shown_findings(result.findings), lang),
        "basemap": basemap,
    }


def _opening(result: Result) -> dict[str, str]:
    """What the page shows first, where a scenario edits facilities of one kind: that kind."""
    edited = [target for edit in result.plan.edits for what, target in edit.targets() if what == "facility"]
    kinds = set(result.facilities.loc[result.facilities["facility_id"].isin(edited), "kind"])
    return {"kind": kinds.pop()} if len(kinds) == 1 and kinds <= set(result.coverage.norms) else {}


def _band(plan: Plan, band: str, lang: str) -> dict[str, Any]:
    return {"id": band, "name": catalog.band_name(band, lang), "speed_ms": plan.speed_ms(band)}


def _kinds_shown(result: Result) -> list[str]:
    """The kinds of the coverage, then the other kinds of which there are facilities, in the catalogue's order."""
    present = set(result.facilities["kind"].dropna())
    measured = list(result.coverage.norms)
    return measured + [kind for kind in catalog.kinds() if kind in present and kind not in measured]


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


def _columns(table: pd.DataFrame, of_texts: Sequence[str], numbers: Mapping[str, int]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {name: texts(table[name]) for name in of_texts}
    for name, digits in numbers.items():
        columns[name] = [number(value, digits) for value in table[name]]
    return columns


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


def _facilities(result: Result, frame: Frame) -> dict[str, Any]:
    """Facilities in the result's order; polygons also as shapes."""
    table = result.facilities
    edited = [target for edit in result.plan.edits for kind, target in edit.targets() if kind == "facility"]
    return {
        **facilities_entry(table, result.study.units, frame),
        "assigned": [number(value, 1) for value in table["assigned_children"]],
        "crowding": [number(value, 3) for value in table["crowding"]],
        "overflow": [number(value, 1) for value in table["overflow_children"]],
        "room": [number(value, 1) for value in table["overflow_room"]],
        "entrances": [number(value, 0) for value in table["entrances"]],
        "evidence": texts(table["evidence"]),
        "edited": table["facility_id"].isin(edited).astype(int).tolist(),
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
