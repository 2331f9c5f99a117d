"""The map of where children walk: flow by width, stress by colour, hazards, corridors with their figures, new links.

One page that holds its data and asks nobody for anything.
"""

from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo import catalog
from cfc_geo.model import ChildStreets, Study
from cfc_geo.outputs.entries import source_entry
from cfc_geo.outputs.link_scenario import barrier
from cfc_geo.outputs.page import LANG_TAGS, drawn_page
from cfc_geo.outputs.provenance import shown_sources
from cfc_geo.outputs.tables import figure, text
from cfc_geo.plan import Plan
from cfc_geo.questions.corridors import PARKS, SCHOOLS
from cfc_geo.tables import CORRIDOR_COLUMNS, GROUND_THEMES

FLOW_CLASSES: Final = (1.0, 10.0, 50.0, 200.0, 500.0)
"""Lower bounds, children, of the classes by which lines are wider; fewer than the first are not drawn."""
DEGREE_DIGITS: Final = 6
MOST_HAZARDS: Final = 300
WORDS: Final = "map."
NOT_TOLD: Final = ("corridor_id", "name", "unit_id")
"""Columns of a corridor that its page of figures does not list."""


def draw_streets(plan: Plan, study: Study, found: ChildStreets, lang: str) -> str:
    """The page. The same answer gives the same text."""
    words = {
        key.removeprefix(WORDS): said
        for key, said in catalog.room_words("corridors", lang).items()
        if key.startswith(WORDS)
    }
    heading = f"{words['page']} · {text(plan.name)}"
    return drawn_page(_payload(plan, study, found, words, lang), "streets", heading, words["no_script"], lang)


def _payload(plan: Plan, study: Study, found: ChildStreets, words: dict[str, str], lang: str) -> dict[str, Any]:
    key = "approval" if plan.map.approval_no else "not_reviewed"
    sources = [source_entry(source, lang) for source in shown_sources(study.sources)]
    ground = study.backdrop
    west, south, east, north = study.units.to_crs(4326).total_bounds
    return {
        "lang": LANG_TAGS[lang],
        "words": words,
        "title": text(plan.map.title or plan.name),
        "review": catalog.word(f"map.{key}", lang, no=text(plan.map.approval_no)),
        "sources": [" · ".join(dict.fromkeys(text(part) for part in one.values() if part)) for one in sources],
        "bounds": [[float(south), float(west)], [float(north), float(east)]],
        "streets": merged_lines(study.streets.geometry),
        "ground": {theme: merged_lines(ground.geometry[ground["theme"] == theme]) for theme in GROUND_THEMES},
        "flows": _flows(found.streets),
        "classes": [f"{least:,.0f}" for least in FLOW_CLASSES],
        "hazards": _hazards(found.ranked, words),
        "places": _places_of(study, lang),
        "corridors": [_corridor(row, at, lang) for row, at in _with_places(found.corridors)],
        "links": [
            {"at": at, "text": f"{row['link_id']} {text(barrier(row['barrier'], row['barrier_name'], lang))}, "
             f"{row['length_m']:,.0f} m", "told": _link_told(row, words)}
            for row, at in _with_places(found.links)
        ],
    }  # fmt: skip


def _flows(streets: gpd.GeoDataFrame) -> list[dict[str, Any]]:
    """Walked streets by stress and class of flow, the widest last."""
    wide = np.searchsorted(FLOW_CLASSES, streets["children"].to_numpy(dtype=float), side="right") - 1
    stress = streets["stress"].to_numpy()
    return [
        {"stress": level, "wide": of, "at": merged_lines(streets.geometry[here])}
        for of in range(len(FLOW_CLASSES))
        for level in range(1, 5)
        if (here := (wide == of) & (stress == level)).any()
    ]


def _hazards(ranked: gpd.GeoDataFrame, words: dict[str, str]) -> list[dict[str, Any]]:
    """Crossings that are too hard for those who walk there, most exposed first."""
    hard = ranked[(ranked["element"] == "crossing") & (ranked["rank"] > 0)].head(MOST_HAZARDS)
    return [
        {
            "at": at[0][0],
            "stress": int(row["stress"]),
            "text": words["hazard"].format(
                name=text(row["name"]) or words["nameless"], children=f"{row['children']:,.0f}", stress=row["stress"]
            ),
        }
        for row, at in _with_places(hard)
    ]


def _places_of(study: Study, lang: str) -> list[dict[str, Any]]:
    """Schools and parks, to see where children go."""
    shown = study.facilities[study.facilities["kind"].isin((*SCHOOLS, *PARKS))]
    shown = shown.set_geometry(shown.geometry.representative_point())
    return [
        {
            "at": at[0][0],
            "school": row["kind"] in SCHOOLS,
            "text": f"{text(row['name']) or text(row['facility_id'])} · {catalog.kind_name(row['kind'], lang)}",
        }
        for row, at in _with_places(shown)
    ]


def _corridor(row: dict[str, Any], at: list[Any], lang: str) -> dict[str, Any]:
    """A corridor's line, and its page of figures: heading and value of every column that says something."""
    told = []
    for name in CORRIDOR_COLUMNS:
        column = catalog.column(name)
        value = _told(row[name], column.unit)
        if name not in NOT_TOLD and value != "":
            told.append([getattr(column, lang), value, getattr(column, f"help_{lang}")])
    return {"id": row["corridor_id"], "name": text(row["name"]), "metres": f"{row['length_m']:,.0f} m", "at": at,
            "stress": int(row["stress_worst"]), "told": told}  # fmt: skip


def _told(value: Any, unit: str) -> str:
    """A value with its unit, "" where there is none."""
    if unit in ("", "own"):
        return text(value)
    if unit == "share":
        return "" if pd.isna(value) else f"{value:.0%}"
    shown = figure(value, unit)
    return f"{shown} {unit}" if shown and unit == "m" else shown


def _link_told(row: dict[str, Any], words: dict[str, str]) -> str:
    return words["link"].format(children=f"{row['children_nearer']:,.0f}", saved=f"{row['child_m_saved']:,.0f}")


def _with_places(table: gpd.GeoDataFrame) -> list[tuple[dict[str, Any], list[Any]]]:
    """Rows, each with its lines as lists of [latitude, longitude]."""
    rows = pd.DataFrame(table.drop(columns="geometry")).to_dict("records")
    degrees = table.geometry.to_crs(4326).to_numpy() if len(table) else []
    return [
        ({str(key): value for key, value in row.items()}, _lines(shape))
        for row, shape in zip(rows, degrees, strict=True)
    ]


def merged_lines(shapes: gpd.GeoSeries) -> list[Any]:
    """All lines, and outlines of polygons, of a layer."""
    degrees = shapes.to_crs(4326).to_numpy() if len(shapes) else np.empty(0, dtype=object)
    return [line for shape in degrees for line in _lines(shape)]


def _lines(shape: shapely.Geometry) -> list[Any]:
    parts = [
        shapely.get_exterior_ring(part) if part.geom_type == "Polygon" else part for part in shapely.get_parts(shape)
    ]
    return [np.round(shapely.get_coordinates(part)[:, ::-1], DEGREE_DIGITS).tolist() for part in parts]
