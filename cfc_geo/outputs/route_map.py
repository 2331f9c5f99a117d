"""The map of an answer of `route`: one page of its own that holds its data and asks nobody for anything."""

from functools import partial
from typing import Any

import geopandas as gpd
import shapely

from cfc_geo import catalog
from cfc_geo.outputs.drawn import Line, all_lines, ground_entry, lines_of, page_words, shared_entry
from cfc_geo.outputs.page import drawn_page
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

AROUND_M = 300.0
"""The ground is drawn so far around the walks, and at least as far as they reach."""


def draw_routes(routing: Routing, lang: str) -> str:
    """The page. The same answer gives the same text."""
    words = page_words("route", lang)
    heading = f"{words['page']} · {text(routing.plan.name)}"
    return drawn_page(_payload(routing, words, lang), "route", heading, words["no_script"], lang)


def _payload(routing: Routing, words: dict[str, str], lang: str) -> dict[str, Any]:
    plan = routing.plan
    west, south, east, north = routing.walks.total_bounds
    margin_m = max(AROUND_M, east - west, north - south)
    around = shapely.box(west - margin_m, south - margin_m, east + margin_m, north + margin_m)
    study = routing.study
    return {
        **shared_entry(plan, study, lang),
        **ground_entry(study, study.streets.geometry, partial(_near, around=around)),
        "words": words | {name: catalog.word(f"route.{name}", lang) for name in ("hazards", "no_hazards", "rests")},
        "title": text(title(routing, lang)),
        "place": text(plan.map.title or plan.name),
        "asked": text(asked(routing, lang)),
        "verdict": [text(line) for line in verdict(routing, lang)],
        "rests": [text(line) for line in rests(routing, lang)],
        "profile": profile_name(routing, lang),
        "start": text(start_name(routing, lang)),
        "walks": [_walk(routing, walk, lang) for walk in routing.walks.itertuples()],
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
            for stress, borne, at in zip(drawn["stress"], drawn["borne"], lines_of(drawn.geometry), strict=True)
        ],
        "hazards": [
            {
                "stress": int(row["stress"]),
                "borne": bool(row["borne"]),
                "text": text(hazard_text(row, routing, lang)),
                "at": at[0][0],
            }
            for row, at in zip(hazards.to_dict("records"), lines_of(places), strict=True)
        ],
    }


def _middle(shape: shapely.Geometry) -> shapely.Point:
    return shape if shape.geom_type == "Point" else shapely.line_interpolate_point(shape, 0.5, normalized=True)


def _near(shapes: gpd.GeoSeries, around: shapely.Polygon) -> list[Line]:
    """The lines and outlines inside `around`."""
    near = shapes.iloc[shapes.sindex.query(around, predicate="intersects")]
    return all_lines(gpd.GeoSeries(shapely.intersection(near.to_numpy(), around), crs=shapes.crs))
