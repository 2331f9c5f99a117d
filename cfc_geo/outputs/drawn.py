"""What the pages of `assets/drawn.js` share: words, credits, the ground, and lines in degrees."""

from collections.abc import Callable, Iterable
from typing import Any, Final

import geopandas as gpd
import numpy as np
import shapely

from cfc_geo import catalog
from cfc_geo.model import Source, Study
from cfc_geo.outputs.entries import source_entry
from cfc_geo.outputs.page import LANG_TAGS
from cfc_geo.outputs.provenance import shown_sources
from cfc_geo.outputs.tables import text
from cfc_geo.plan import Plan
from cfc_geo.tables import GROUND_THEMES

DEGREE_DIGITS: Final = 6
OWN: Final = "map."

Line = list[list[float]]
"""Places as [latitude, longitude]."""


def page_words(room: str, lang: str) -> dict[str, str]:
    """The words that all such pages share, and those of `room` that are meant for its page."""
    own = {key.removeprefix(OWN): said for key, said in catalog.room_words(room, lang).items() if key.startswith(OWN)}
    return catalog.room_words("drawn", lang) | own


def shared_entry(plan: Plan, study: Study, lang: str) -> dict[str, Any]:
    """Language, review and sources."""
    sources = [source_entry(source, lang) for source in shown_sources(study.sources)]
    return {
        "lang": LANG_TAGS[lang],
        "review": review(plan, lang),
        "credit": catalog.word("map.credit", lang, sources=credit(study.sources)),
        "sources": [" · ".join(dict.fromkeys(text(part) for part in one.values() if part)) for one in sources],
    }


def review(plan: Plan, lang: str) -> str:
    """The approval number of the map, or that it has none."""
    key = "approval" if plan.map.approval_no else "not_reviewed"
    return catalog.word(f"map.{key}", lang, no=text(plan.map.approval_no))


def credit(sources: Iterable[Source]) -> str:
    """Whom the licences ask to name: every licence and citation, once; the files where none is stated."""
    said = [text(part) for source in sources for part in (source.licence, source.citation) if part]
    return "; ".join(dict.fromkeys(said or [text(source.file) for source in shown_sources(sources)]))


def ground_entry(study: Study, streets: gpd.GeoSeries, drawn: Callable[[gpd.GeoSeries], list[Line]]) -> dict[str, Any]:
    """What lies below: green, water, railways, borders of units, and `streets`; `drawn` makes lines of shapes."""
    themes = study.backdrop["theme"]
    borders = shapely.line_merge(shapely.union_all(study.units.boundary.to_numpy()))  # each once, whosever it is
    return {
        "ground": {theme: drawn(study.backdrop.geometry[themes == theme]) for theme in GROUND_THEMES},
        "rail": drawn(study.backdrop.geometry[themes == "rail"]),
        "units": drawn(gpd.GeoSeries([borders], crs=study.crs)),
        "streets": drawn(streets),
    }


def all_lines(shapes: gpd.GeoSeries) -> list[Line]:
    """All lines, and outlines of polygons, of a layer."""
    return [line for lines in lines_of(shapes) for line in lines]


def lines_of(shapes: gpd.GeoSeries) -> list[list[Line]]:
    """By shape its lines, of polygons the outlines; a point is a line of one place."""
    degrees = shapes.to_crs(4326).to_numpy() if len(shapes) else np.empty(0, dtype=object)
    return [
        [
            np.round(shapely.get_coordinates(line)[:, ::-1], DEGREE_DIGITS).tolist()
            for part in shapely.get_parts(shape)
            if (line := shapely.get_exterior_ring(part) if part.geom_type == "Polygon" else part) is not None
        ]
        for shape in degrees
    ]


def polygons(shape: shapely.Geometry) -> list[list[Line]]:
    """Of a shape in degrees, by polygon its outline and its holes."""
    return [
        [np.round(shapely.get_coordinates(ring)[:, ::-1], DEGREE_DIGITS).tolist() for ring in shapely.get_rings(part)]
        for part in shapely.get_parts(shape)
    ]
