"""The map of a comparison: the page of `maps` with one view of each result, and one of each difference."""

from collections.abc import Iterator
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo import catalog
from cfc_geo.model import Comparison, Finished
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
from cfc_geo.outputs.maps import BASEMAPS, SHOWN_WARNINGS
from cfc_geo.outputs.packing import (
    Frame,
    first_points,
    frame_around,
    near_order,
    packed_numbers,
    packed_shapes,
    packed_text,
)
from cfc_geo.outputs.page import LANG_TAGS, sealed_page
from cfc_geo.outputs.provenance import shown_sources
from cfc_geo.outputs.sentences import sentences
from cfc_geo.tables import ALL_UNITS, CIRCLE, STATUSES, children_column, circle_column

CHANGES = ("gaining", "losing", "kept", "lacking", "unclear")
"""What the difference of a cell can be; unclear: not known before or after, or not there before."""
SHOWN, COMES, GOES, CROWDED = 1, 2, 3, 4
"""Marks of a facility in a view; 0 is not shown."""
WORDS = "map."
"""The words of this page in `words/compare.toml`, beside those of `words/map.toml`."""


def draw_comparison(comparison: Comparison, lang: str) -> str:
    """The map as one HTML page that needs no network. The same comparison gives the same text."""
    before = comparison.before
    frame = frame_around(before.units if len(before.units) else before.cells, before.rules.crs)
    return sealed_page(_payload(comparison, frame, lang), frame.centre, [], lang)


def _payload(comparison: Comparison, frame: Frame, lang: str) -> dict[str, Any]:
    """What `maps` tells its page; `views` in place of one answer."""
    before, rules = comparison.before, comparison.before.rules
    kinds = [kind for kind in rules.limits if kind not in comparison.kinds_apart]
    cells, sites = _all_cells(comparison), _all_sites(comparison)
    others = [kind for kind in catalog.kinds() if kind in set(sites["kind"]) and kind not in kinds]
    surveyed = set.union(*(set(one.surveyed) for one in _results(comparison)))
    title = f"{before.name} → {' · '.join(other.name for other in comparison.after)}"
    return {
        "lang": LANG_TAGS[lang],
        "words": {key: entry[lang] for key, entry in map_words().items()} | _words(lang),
        "title": title,
        "place": before.title,
        "approval": "",
        "crs": rules.crs,
        "frame": {"west": frame.west, "north": frame.north, "step": frame.step, "bounds": frame.bounds},
        "bands": [
            {"id": band, "name": catalog.band_name(band, lang), "speed_ms": rules.speeds_ms.get(band)}
            for band in catalog.bands()
        ],
        "kinds": {
            kind: kind_entry(kind, rules.limits[kind] if kind in kinds else None, kind in surveyed, lang)
            for kind in [*kinds, *others]
        },
        "baskets": {band: list(basket) for band, basket in rules.baskets.items()},
        "statuses": list(STATUSES),
        "units": units_entry(before.units, frame),
        "cells": {
            "id": packed_text(texts(cells["origin_id"])),
            "shapes": packed_shapes(cell_shapes(geometries(cells)), frame),
            "unit": packed_numbers(positions(cells["unit_id"], pd.Index(before.units["unit_id"]))),
        },
        "facilities": _sites(sites, before.units, frame),
        "views": list(_views(comparison, cells, sites, kinds, lang)),
        "entrances": {name: packed_numbers(np.empty(0)) for name in ("facility", "x", "y")},
        "streets": streets_entry(_all_streets(comparison), frame),
        "backdrop": backdrop_entry(before.ground, frame),
        "opening": _opening(comparison),
        "sources": [source_entry(source, lang) for source in shown_sources(before.sources)],
        "edits": [],
        "assumptions": [],
        "warnings": [one.text for one in sentences(comparison, lang)][:SHOWN_WARNINGS],
        "basemap": BASEMAPS["none"] | {"id": "none", "notice": "", "credit": ""},
    }


def _opening(comparison: Comparison) -> dict[str, str]:
    """The kind (or the circle) and the band of which most children gain or lose: what the page shows first."""
    changes = comparison.changes
    mine = changes[(changes["after"] == comparison.after[0].name) & (changes["unit_id"] == ALL_UNITS)]
    moved = (mine["gaining"] + mine["losing"]).fillna(0.0)
    if not (moved > 0).any():
        return {}
    most = mine.loc[moved.idxmax()]
    return {"kind": str(most["kind"]), "band": str(most["band"])}


def _words(lang: str) -> dict[str, str]:
    """This page's own words; the list of findings holds the sentences."""
    own = {key.removeprefix(WORDS): text for key, text in catalog.room_words("compare", lang).items() if WORDS in key}
    page = catalog.word("compare.page", lang)
    return own | {"warnings": page, "notes": page}


def _results(comparison: Comparison) -> list[Finished]:
    return [comparison.before, *comparison.after]


# ------------------------------------------------------------------------------------------------------ what is there


def _all_cells(comparison: Comparison) -> gpd.GeoDataFrame:
    """The cells of all results, each once, neighbours next to one another."""
    stacked = pd.concat([one.cells[["origin_id", "unit_id", "geometry"]] for one in _results(comparison)])
    cells = gpd.GeoDataFrame(stacked, geometry="geometry", crs=comparison.before.rules.crs)
    cells = cells.drop_duplicates("origin_id").reset_index(drop=True)
    steps = np.rint(first_points(geometries(cells))).astype(np.int64) if len(cells) else np.empty((0, 2))
    return cells.iloc[near_order(steps)].reset_index(drop=True)


def _all_sites(comparison: Comparison) -> gpd.GeoDataFrame:
    """The facilities of all results; one that moves or changes its kind is there twice."""
    columns = ["facility_id", "kind", "name", "unit_id", "snap_m", "capacity", "children_within", "geometry"]
    tables = [one.facilities[columns] for one in _results(comparison)]
    sites = gpd.GeoDataFrame(pd.concat(tables[::-1]), geometry="geometry", crs=comparison.before.rules.crs)
    return sites.assign(place=_places(sites)).drop_duplicates("place").reset_index(drop=True)


def _all_streets(comparison: Comparison) -> gpd.GeoDataFrame:
    """The first result's streets, and the links that others add."""
    new = [one.streets[one.streets["added"].astype(bool)] for one in comparison.after if "added" in one.streets]
    parts = [comparison.before.streets.assign(added=False), *(part.assign(added=True) for part in new)]
    streets = pd.concat([part[["highway", "added", "geometry"]] for part in parts], ignore_index=True)
    return gpd.GeoDataFrame(streets, geometry="geometry", crs=comparison.before.rules.crs)


def _places(sites: gpd.GeoDataFrame) -> list[tuple[str, str, float, float]]:
    """What tells facilities of several results apart: id, kind and place to a decimetre."""
    middle = shapely.get_coordinates(shapely.centroid(geometries(sites))).round(1).tolist()
    return [
        (str(of_id), str(kind), x, y)
        for of_id, kind, (x, y) in zip(sites["facility_id"], sites["kind"], middle, strict=True)
    ]


def _sites(sites: gpd.GeoDataFrame, units: gpd.GeoDataFrame, frame: Frame) -> dict[str, Any]:
    """What all results say of a facility; what they say apart stays empty."""
    return {
        **facilities_entry(sites, units, frame),
        **{name: [None] * len(sites) for name in ("assigned", "crowding", "overflow", "room", "entrances")},
        "evidence": [""] * len(sites),
        "edited": [0] * len(sites),
        "served": {"facility": [], "shapes": packed_shapes(np.empty(0, dtype=object), frame)},
    }


# -------------------------------------------------------------------------------------------------------------- views


def _views(
    comparison: Comparison, cells: gpd.GeoDataFrame, sites: gpd.GeoDataFrame, kinds: list[str], lang: str
) -> Iterator[dict[str, Any]]:
    """Before, and for each of the others after and difference; the page opens with the difference to the first."""
    before = comparison.before
    first = comparison.after[0].name
    yield _view("before", before, _name("before", before.name, "", lang), comparison, first, cells, sites, kinds)
    for other in comparison.after:
        name = _name("after", other.name, "", lang)
        yield _view("after", other, name, comparison, other.name, cells, sites, kinds)
        name = _name("change", other.name, before.name, lang)
        yield _difference(other, name, comparison, cells, sites, kinds)


def _name(view: str, name: str, before: str, lang: str) -> str:
    return catalog.word(f"compare.map.view_{view}", lang, name=name, before=before)


def _view(
    side: str,
    result: Finished,
    name: str,
    comparison: Comparison,
    after: str,
    cells: gpd.GeoDataFrame,
    sites: gpd.GeoDataFrame,
    kinds: list[str],
) -> dict[str, Any]:
    """One result. Its figures are those of the comparison: before, too, the children are counted as they live after."""
    changes = comparison.changes[comparison.changes["after"] == after]
    children = changes["children"] - (changes["arrived"] if side == "before" else 0.0)
    columns = {f"{status}_{side}": status for status in STATUSES} | {f"covered_share_{side}": "share"}
    figures = changes[["unit_id", "kind", "band", *columns]].rename(columns=columns).assign(children=children)
    shown = set(_places(result.facilities))
    return {
        "name": name,
        "statuses": list(STATUSES),
        "figures": packed_text({"all": ALL_UNITS, "rows": _rows(figures)}),
        "cells": _answers(result, cells, kinds, sites, None),
        "facilities": packed_numbers(np.array([SHOWN * (place in shown) for place in sites["place"]])),
    }


def _difference(
    other: Finished,
    name: str,
    comparison: Comparison,
    cells: gpd.GeoDataFrame,
    sites: gpd.GeoDataFrame,
    kinds: list[str],
) -> dict[str, Any]:
    before = comparison.before
    changes = comparison.changes[comparison.changes["after"] == other.name]
    figures = changes[["unit_id", "kind", "band", "children", "gaining", "losing"]].assign(
        kept=changes["still_covered"],
        lacking=changes["still_gap"],
        unclear=changes["children"] - changes[["gaining", "losing", "still_covered", "still_gap"]].sum(axis=1),
        share=changes["gaining"] / changes["children"].where(changes["children"] > 0),
        order=changes["covered_share_before"],
    )
    crowded = comparison.facilities[comparison.facilities["after"] == other.name]
    newly = set(crowded.loc[crowded["crowded"] == "newly", "facility_id"])
    was, now = set(_places(before.facilities)), set(_places(other.facilities))
    marks = [_mark(place, was, now, newly) for place in sites["place"]]
    return {
        "name": name,
        "statuses": list(CHANGES),
        "figures": packed_text({"all": ALL_UNITS, "rows": _rows(figures)}),
        "cells": _answers(other, cells, kinds, sites, before),
        "facilities": packed_numbers(np.array(marks)),
    }


def _mark(place: tuple[str, str, float, float], was: set[Any], now: set[Any], newly: set[str]) -> int:
    if place not in now:
        return GOES if place in was else 0
    if place[0] in newly:
        return CROWDED
    return SHOWN if place in was else COMES


def _rows(figures: pd.DataFrame) -> dict[str, list[Any]]:
    """Columns by name; kinds as on the page, "circle" among them."""
    digits = {"share": 4, "order": 4}
    return {
        str(name): texts(values) if name in ("unit_id", "kind", "band") else _numbers(values, digits.get(name, 1))
        for name, values in figures.items()
    }


def _numbers(values: pd.Series, digits: int) -> list[Any]:
    return [number(value, digits) for value in values]


def _answers(
    result: Finished, cells: gpd.GeoDataFrame, kinds: list[str], sites: gpd.GeoDataFrame, before: Finished | None
) -> dict[str, Any]:
    """What a click on a cell shows; statuses are changes where there is a `before`. 0 children where it has no cell."""
    rules = result.rules
    own = result.cells.set_index("origin_id").reindex(cells["origin_id"])
    was = None if before is None else before.cells.set_index("origin_id").reindex(cells["origin_id"])
    index_of = {place: number for number, place in enumerate(sites["place"])}
    at = {place[0]: index_of[place] for place in _places(result.facilities)}

    def status(column: str) -> dict[str, Any]:
        now = status_codes(own[column])
        return packed_numbers(now if was is None else _changed(was[column], own[column]))

    return {
        "attached": packed_numbers(own["snap_m"].notna().to_numpy().astype(int)),
        "children": {
            band: packed_numbers(np.rint(np.nan_to_num(own[children_column(band)].to_numpy(dtype=float)) * 10))
            for band in catalog.bands()
            if band not in rules.unknown_bands
        },
        "kinds": {
            kind: {
                "status": status(f"{kind}_status"),
                "metres": packed_numbers(
                    shown_metres(own[f"{kind}_m"].to_numpy(dtype=float), rules.limits[kind].limit_m)
                ),
                "nearest": packed_numbers(np.array([at.get(of_id, -1) + 1 for of_id in own[f"{kind}_nearest_id"]])),
            }
            for kind in kinds
        },
        CIRCLE: {band: status(circle_column(band)) for band in rules.baskets},
    }


def _changed(was: pd.Series, now: pd.Series) -> np.ndarray:
    """Position in `CHANGES`, cell by cell."""
    one, two = (pd.Categorical(side, STATUSES).codes for side in (was, now))
    tests = [(one > 0) & (two == 0), (one == 0) & (two > 0), (one == 0) & (two == 0), (one == 1) & (two == 1)]
    return np.select(tests, [0, 1, 2, 3], len(CHANGES) - 1)
