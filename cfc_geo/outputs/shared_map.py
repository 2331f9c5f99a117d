"""The map as it may leave the office: units coloured by the share of their children who are served, squares, places.

One page that holds its data, asks nobody for anything, and knows of the children no more than `Protected` says.
"""

from collections.abc import Iterator
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo import catalog
from cfc_geo.model import Finished
from cfc_geo.outputs.drawn import DEGREE_DIGITS, all_lines, credit, page_words, polygons
from cfc_geo.outputs.entries import COLOURS, SYMBOLS, number, source_entry
from cfc_geo.outputs.page import LANG_TAGS, drawn_page
from cfc_geo.outputs.provenance import shown_sources
from cfc_geo.outputs.shared_workbook import state_word
from cfc_geo.outputs.tables import text
from cfc_geo.questions.disclosure.blocks import SHARE_CLASSES
from cfc_geo.questions.disclosure.protect import Protected
from cfc_geo.questions.disclosure.rules import SHOWN, SUPPRESSED
from cfc_geo.tables import ALL_UNITS, CIRCLE, GROUND_THEMES

FIGURES: Final = {
    CIRCLE: ("children", "complete", "incomplete", "unknown", "complete_share"),
    "": ("children", "covered", "gap", "unknown", "covered_share"),
}
"""What the page is told of a unit: of the circle, of a kind."""
KEPT, NOT_KNOWN = "kept", "unknown"
"""Stand in the page where there is no figure."""


def draw_shared(finished: Finished, protected: Protected, lang: str, *, approval_no: str = "") -> str:
    """The page. The same tables give the same text. `approval_no`: the 审图号 of the map, "" if it was not reviewed."""
    words = page_words("share", lang)
    heading = f"{words['page']} · {text(finished.title)}"
    payload = _payload(finished, protected, words, approval_no, lang)
    return drawn_page(payload, "shared", heading, words["no_script"], lang)


def _payload(
    finished: Finished, protected: Protected, words: dict[str, str], approval_no: str, lang: str
) -> dict[str, Any]:
    sources = [source_entry(source, lang) for source in shown_sources(finished.sources)]
    west, south, east, north = finished.units.to_crs(4326).total_bounds
    kinds = [str(kind) for kind in pd.unique(protected.coverage["kind"])]
    bands = [str(band) for band in catalog.bands()]
    rules = protected.rules
    streets = finished.streets
    if "closed" in streets:
        streets = streets[~streets["closed"].astype(bool)]
    rounded = words["rounded"].format(base=f"{rules.base:g}", k=f"{rules.k:g}")
    return {
        "lang": LANG_TAGS[lang],
        "words": words | {"rounded": rounded, KEPT: words["kept"], NOT_KNOWN: words["unknown"]},
        "short": {KEPT: state_word(SUPPRESSED, lang), NOT_KNOWN: catalog.word("share.unknown", lang)},
        "title": text(finished.title),
        "review": catalog.word("map.approval" if approval_no else "brief.map_unapproved", lang, no=text(approval_no)),
        "credit": catalog.word("map.credit", lang, sources=credit(finished.sources)),
        "sources": [" · ".join(dict.fromkeys(text(part) for part in one.values() if part)) for one in sources],
        "bounds": [[float(south), float(west)], [float(north), float(east)]],
        "streets": all_lines(streets.geometry),
        "rail": [],
        "units": [],
        "ground": {
            theme: all_lines(finished.ground.geometry[finished.ground["theme"] == theme]) for theme in GROUND_THEMES
        },
        "measures": [[CIRCLE, words["circle"]], *([kind, catalog.kind_name(kind, lang)] for kind in kinds)],
        "bands": [[band, catalog.band_name(band, lang)] for band in bands],
        "classes": list(SHARE_CLASSES),
        "figures": _figures(protected),
        "whole": ALL_UNITS,
        "areas": [
            {"id": row["unit_id"], "name": text(row["name"]), "level": text(row["level"]), "at": polygons(shape)}
            for row, shape in _rows(finished.units, ("unit_id", "name", "level"))
        ],
        "blocks": list(_blocks(protected.blocks, words, lang)),
        "facilities": [_facility(row, shape, words, lang) for row, shape in _rows(
            finished.facilities.set_geometry(finished.facilities.geometry.representative_point()),
            ("name", "kind", "capacity"),
        )],
    }  # fmt: skip


def _figures(protected: Protected) -> dict[str, dict[str, dict[str, list[float | str]]]]:
    """Measure → band → unit → its figures, as `FIGURES` lists them."""
    found: dict[str, dict[str, dict[str, list[float | str]]]] = {}
    for table in (protected.circle.assign(kind=CIRCLE), protected.coverage):
        for row in table.to_dict("records"):
            names = FIGURES.get(row["kind"], FIGURES[""])
            told = [_figure(row[name], row[f"{name}_state"]) for name in names]
            found.setdefault(row["kind"], {}).setdefault(row["band"], {})[row["unit_id"]] = told
    return found


def _figure(value: float, state: str) -> float | str:
    if state != SHOWN:
        return KEPT if state == SUPPRESSED else NOT_KNOWN
    rounded = number(value, 3)
    return NOT_KNOWN if rounded is None else rounded


def _blocks(blocks: gpd.GeoDataFrame, words: dict[str, str], lang: str) -> Iterator[dict[str, Any]]:
    """Squares: their classes of children and of the share, and both in words."""
    names = [f"{figure}_{side}" for figure in ("children", "complete_share") for side in ("from", "below", "state")]
    for row, shape in _rows(blocks, names) if len(blocks) else []:
        children, share = (
            [_bound(row[f"{figure}_{side}"]) for side in ("from", "below")] if row[f"{figure}_state"] == SHOWN else None
            for figure in ("children", "complete_share")
        )
        said = [
            _class_said(children, "") if children else state_word(row["children_state"], lang),
            _class_said(share, "%") if share else state_word(row["complete_share_state"], lang),
        ]
        yield {
            "at": polygons(shape),
            "children": children or _figure(np.nan, row["children_state"]),
            "share": share or _figure(np.nan, row["complete_share_state"]),
            "text": words["people"].format(children=said[0], share=said[1]),
        }


def _class_said(bounds: list[float | None], unit: str) -> str:
    factor = 100 if unit else 1
    lower, upper = (None if bound is None else f"{bound * factor:g}" for bound in bounds)
    return f"{lower}{unit}+" if upper is None else f"{lower}–{upper}{unit}"


def _bound(value: float) -> float | None:
    return number(value, 3)


def _facility(row: dict[str, Any], shape: shapely.Geometry, words: dict[str, str], lang: str) -> dict[str, Any]:
    """Name, kind and capacity: nothing of the children."""
    kind, places = str(row["kind"]), number(row["capacity"], 0)
    told = [text(row["name"]), catalog.kind_name(kind, lang)]
    told += [] if places is None else [words["capacity"].format(places=places)]
    colour = COLOURS[SYMBOLS.get(kind, ("other", ""))[0]]
    return {
        "at": [round(shape.y, DEGREE_DIGITS), round(shape.x, DEGREE_DIGITS)],
        "kind": kind,
        "colour": colour,
        "text": " · ".join(part for part in told if part),
    }


def _rows(table: gpd.GeoDataFrame, names: tuple[str, ...] | list[str]) -> list[tuple[dict[str, Any], shapely.Geometry]]:
    """These columns of each row, and its place in degrees."""
    records = pd.DataFrame(table[list(names)]).to_dict("records")
    plain = [{str(key): value for key, value in record.items()} for record in records]
    return list(zip(plain, _degrees(table.geometry), strict=True))


def _degrees(shapes: gpd.GeoSeries) -> list[shapely.Geometry]:
    return list(shapes.to_crs(4326)) if len(shapes) else []
