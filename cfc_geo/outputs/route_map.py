"""The map of an answer of `route`: one page of its own that holds its data and asks nobody for anything."""

from typing import Any

import geopandas as gpd
import numpy as np
import shapely

from cfc_geo import catalog
from cfc_geo.outputs.entries import source_entry
from cfc_geo.outputs.page import LANG_TAGS, drawn_page
from cfc_geo.outputs.provenance import shown_sources
from cfc_geo.outputs.route_words import (
    asked,
    hazard_text,
    profile_name,
    rests,
    start_name,
    title,
    verdict,
    walk_lines,
    walk_name,
)
from cfc_geo.outputs.tables import text
from cfc_geo.questions.walks import ACCESS, SEGMENT
from cfc_geo.routing import Routing
from cfc_geo.tables import GROUND_THEMES

AROUND_M = 300.0
"""The ground is drawn so far around the walks, and at least as far as they reach."""
DEGREE_DIGITS = 6
WORDS = "map."


def draw_routes(routing: Routing, lang: str) -> str:
    """The page. The same answer gives the same text."""
    words = {key.removeprefix(WORDS): said for key, said in catalog.room_words("route", lang).items() if WORDS in key}
    heading = f"{words['page']} · {text(routing.plan.name)}"
    return drawn_page(_payload(routing, words, lang), "route", heading, words["no_script"], lang)


def _payload(routing: Routing, words: dict[str, str], lang: str) -> dict[str, Any]:
    plan = routing.plan
    key = "approval" if plan.map.approval_no else "not_reviewed"
    west, south, east, north = routing.walks.total_bounds
    margin_m = max(AROUND_M, east - west, north - south)
    around = shapely.box(west - margin_m, south - margin_m, east + margin_m, north + margin_m)
    ground = routing.study.backdrop
    sources = [source_entry(source, lang) for source in shown_sources(routing.study.sources)]
    return {
        "lang": LANG_TAGS[lang],
        "words": words | {name: catalog.word(f"route.{name}", lang) for name in ("hazards", "no_hazards", "rests")},
        "title": text(title(routing, lang)),
        "place": text(plan.map.title or plan.name),
        "asked": text(asked(routing, lang)),
        "verdict": [text(line) for line in verdict(routing, lang)],
        "rests": [text(line) for line in rests(routing, lang)],
        "review": catalog.word(f"map.{key}", lang, no=text(plan.map.approval_no)),
        "sources": [" · ".join(dict.fromkeys(text(part) for part in one.values() if part)) for one in sources],
        "profile": profile_name(routing, lang),
        "start": text(start_name(routing, lang)),
        "walks": [_walk(routing, walk, lang) for walk in routing.walks.itertuples()],
        "streets": _near(routing.study.streets, around),
        "ground": {theme: _near(ground[ground["theme"] == theme], around) for theme in GROUND_THEMES},
    }


def _walk(routing: Routing, walk: Any, lang: str) -> dict[str, Any]:
    parts = routing.parts[routing.parts["walk"] == walk.walk]
    hazards = routing.hazards[routing.hazards["walk"] == walk.walk]
    drawn = parts[parts["element"].isin([ACCESS, SEGMENT])]
    places = hazards.geometry.apply(_middle)
    return {
        "name": walk_name(routing, walk, lang),
        "short": catalog.word("route.short", lang, metres=f"{walk.length_m:,.0f}", minutes=f"{walk.minutes:.0f}"),
        "lines": [text(line) for line in walk_lines(routing, walk, lang)],
        "borne": bool(walk.borne),
        "worst": int(walk.worst_stress),
        "parts": [
            {"stress": int(stress), "borne": bool(borne), "at": at[0]}
            for stress, borne, at in zip(drawn["stress"], drawn["borne"], _places(drawn.geometry), strict=True)
        ],
        "hazards": [
            {
                "stress": int(row["stress"]),
                "borne": bool(row["borne"]),
                "text": text(hazard_text(row, routing, lang)),
                "at": at[0][0],
            }
            for row, at in zip(hazards.to_dict("records"), _places(places), strict=True)
        ],
    }


def _middle(shape: shapely.Geometry) -> shapely.Point:
    return shape if shape.geom_type == "Point" else shapely.line_interpolate_point(shape, 0.5, normalized=True)


def _near(layer: gpd.GeoDataFrame, around: shapely.Polygon) -> list[list[list[float]]]:
    """The lines and outlines of `layer` inside `around`."""
    near = layer.geometry.iloc[layer.sindex.query(around, predicate="intersects")]
    clipped = gpd.GeoSeries(shapely.intersection(near.to_numpy(), around), crs=layer.crs)
    return [ring for shape in _places(clipped) for ring in shape]


def _places(shapes: gpd.GeoSeries) -> list[list[list[list[float]]]]:
    """By shape its lines (of polygons the outlines) as lists of [latitude, longitude]."""
    degrees = shapes.to_crs(4326).to_numpy() if len(shapes) else np.empty(0, dtype=object)
    return [
        [
            np.round(shapely.get_coordinates(line)[:, ::-1], DEGREE_DIGITS).tolist()
            for part in shapely.get_parts(shape)
            if (line := shapely.get_exterior_ring(part) if part.geom_type == "Polygon" else part) is not None
        ]
        for shape in degrees
    ]
