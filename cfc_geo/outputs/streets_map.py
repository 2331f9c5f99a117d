"""The map of where children walk: flow by width, stress by colour, hazards, corridors with their figures, new links.

One page that holds its data and asks nobody for anything; every street, crossing, gate and place answers.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd

from cfc_geo import catalog
from cfc_geo.model import ChildStreets, Study
from cfc_geo.outputs.drawn import all_lines, ground_entry, lines_of, page_words, shared_entry
from cfc_geo.outputs.link_scenario import barrier
from cfc_geo.outputs.page import drawn_page
from cfc_geo.outputs.remedy_words import counted_in_words, remedies_in_words
from cfc_geo.outputs.stress_words import why_in_words
from cfc_geo.outputs.tables import text
from cfc_geo.plan import Plan
from cfc_geo.questions.corridors import PARKS, SCHOOLS

FLOW_CLASSES: Final = (1.0, 10.0, 50.0, 200.0, 500.0)
"""Lower bounds, children, of the classes by which lines are wider; fewer than the first are not drawn."""
MOST_HAZARDS: Final = 300
FIGURES: Final = (
    "unit_name", "from_street", "to_street", "children_gaining", "children_gaining_so_far", "gaining_unit",
    "gaining_share", "children_on_it", "children_beside", "stress_worst", "stress_mean", "assumed_share",
    "crossings_hard", "remedies", "carriageway_m", "schools_joined", "parks_joined",
)  # fmt: skip
"""Columns of a corridor that its page of figures lists, where they say something."""
COUNTED: Final = ("flow", "walk_here", "gain", "hazard")
"""Words that count children; of several kinds a child walks to each, and what is counted are walks."""
CHECKS: Final = ("speed", "crossing", "signal")

Told = list[str]
"""What a place on the map answers, line by line."""


def draw_streets(plan: Plan, study: Study, found: ChildStreets, headline: Sequence[str], lang: str) -> str:
    """The page, `headline` below its title. The same answer gives the same text."""
    words = page_words("corridors", lang)
    if len(found.trips) > 1:
        words |= {name: words[f"{name}.walks"] for name in COUNTED}
    heading = f"{words['page']} · {text(plan.name)}"
    payload = _payload(plan, study, found, words, lang) | {"headline": [text(line) for line in headline]}
    return drawn_page(payload, "streets", heading, words["no_script"], lang)


def _payload(plan: Plan, study: Study, found: ChildStreets, words: dict[str, str], lang: str) -> dict[str, Any]:
    west, south, east, north = study.units.to_crs(4326).total_bounds
    walked = found.streets["children"] >= FLOW_CLASSES[0]
    others = sorted(set(found.trips["kind"]) - {*SCHOOLS, *PARKS})
    return {
        **shared_entry(plan, study, lang),
        **ground_entry(study, found.streets.geometry[~walked], all_lines),
        "words": words,
        "title": text(plan.map.title or plan.name),
        "bounds": [[float(south), float(west)], [float(north), float(east)]],
        "flows": _flows(found.streets[walked], words, lang),
        "classes": [f"{least:,.0f}" for least in FLOW_CLASSES],
        "hazards": _hazards(found.ranked, words, lang),
        "places": _places(study, others, lang),
        "others": words["list"].join(catalog.kind_name(kind, lang) for kind in others),
        "gates": _gates(found.schools, words),
        "corridors": [_corridor(row, at, words, lang) for row, at in _with_places(found.corridors)],
        "links": [_link(row, at, words, lang) for row, at in _with_places(found.links)],
    }


def _flows(walked: gpd.GeoDataFrame, words: dict[str, str], lang: str) -> dict[str, Any]:
    """Walked streets, the widest last: class of flow, stress, which of `texts` each answers, lines."""
    wide = np.searchsorted(FLOW_CLASSES, walked["children"].to_numpy(dtype=float), side="right") - 1
    order = np.lexsort((walked["stress"].to_numpy(), wide))
    number: dict[str, int] = {}
    rows = [
        [int(of), int(row["stress"]), [number.setdefault(line, len(number)) for line in _street(row, words, lang)], at]
        for of, (row, at) in zip(wide[order], _with_places(walked.iloc[order]), strict=True)
    ]
    return {"texts": list(number), "rows": rows}


def _street(row: dict[str, Any], words: dict[str, str], lang: str) -> Told:
    walk = words["walk_here"].format(children=_children(row["children"]))
    return [text(row["name"]) or words["nameless"], walk, *_hardness(row, words, lang)]


def _hardness(row: dict[str, Any], words: dict[str, str], lang: str) -> Told:
    """How hard a street or crossing is, and why; if somebody is exposed what would mend it, and for how many."""
    why = why_in_words(row["governed_by"], row["stress_evidence"], lang)
    told = [words["hard"].format(stress=int(row["stress"]), why=why)]
    if row["exposure"] > 0:
        told.append(words["mend"].format(remedies=remedies_in_words(row["remedies"] or "none_alone", lang)))
        if row["children_gaining"] > 0:
            told.append(words["gain"].format(children=_children(row["children_gaining"])))
    return told


def _hazards(ranked: gpd.GeoDataFrame, words: dict[str, str], lang: str) -> list[dict[str, Any]]:
    """Junctions with crossings that are too hard for those who walk there, most exposed first: of every street that is
    crossed there, all its arms together."""
    hard = ranked[(ranked["element"] == "crossing") & (ranked["rank"] > 0)]
    places: dict[str, tuple[list[float], dict[str, list[dict[str, Any]]]]] = {}
    for row, at in _with_places(hard):
        crossed = places.setdefault(row["node_id"], (at[0][0], {}))[1]
        crossed.setdefault(text(row["name"]), []).append(row)
    return [
        {
            "at": at,
            "stress": max(int(arm["stress"]) for arms in crossed.values() for arm in arms),
            "told": [line for name, arms in crossed.items() for line in _crossing(name, arms, words, lang)],
        }
        for at, crossed in list(places.values())[:MOST_HAZARDS]
    ]


def _crossing(name: str, arms: list[dict[str, Any]], words: dict[str, str], lang: str) -> Told:
    children = _children(sum(arm["children"] for arm in arms))
    told = words["hazard"].format(name=name or words["nameless"], children=children)
    return [told, *dict.fromkeys(line for arm in arms for line in _hardness(arm, words, lang))]


def _places(study: Study, others: Sequence[str], lang: str) -> list[dict[str, Any]]:
    """Schools and parks, and whatever else children walk to."""
    shown = study.facilities[study.facilities["kind"].isin((*SCHOOLS, *PARKS, *others))]
    shown = shown.set_geometry(shown.geometry.representative_point())
    return [
        {
            "at": at[0][0],
            "sort": "school" if row["kind"] in SCHOOLS else "park" if row["kind"] in PARKS else "other",
            "told": [text(row["name"]) or text(row["facility_id"]), catalog.kind_name(row["kind"], lang)],
        }
        for row, at in _with_places(shown)
    ]


def _gates(gates: gpd.GeoDataFrame, words: dict[str, str]) -> list[dict[str, Any]]:
    """The gates of schools, each with what GA/T 1215 asks and whether it is so."""
    return [
        {
            "at": at[0][0],
            "lacking": any(row[f"{check}_status"] == "not_met" for check in CHECKS),
            "told": [
                words["gate_of"].format(name=text(row["name"]) or text(row["facility_id"])),
                *(words[f"check_{check}"].format(status=words[row[f"{check}_status"]]) for check in CHECKS),
            ],
        }
        for row, at in _with_places(gates)
    ]


def _corridor(row: dict[str, Any], at: list[Any], words: dict[str, str], lang: str) -> dict[str, Any]:
    """A corridor's line, and its page of figures: heading, value and explanation."""
    told = []
    for name in FIGURES:
        column = catalog.column(name)
        value = counted_in_words(row[name], lang) if name == "remedies" else _value(row[name], column.unit, words)
        if value not in ("", "0"):
            told.append([getattr(column, lang), value, getattr(column, f"help_{lang}")])
    return {
        "id": row["corridor_id"], "name": text(row["name"]) or words["nameless"], "at": at, "told": told,
        "metres": _value(row["length_m"], "m", words), "stress": int(row["stress_worst"]),
    }  # fmt: skip


def _link(row: dict[str, Any], at: list[Any], words: dict[str, str], lang: str) -> dict[str, Any]:
    over = text(barrier(row["barrier"], row["barrier_name"], lang))
    name = words["link_over"].format(id=row["link_id"], over=over, metres=_value(row["length_m"], "m", words))
    children, saved = _children(row["children_nearer"]), _value(row["child_m_saved"], "child_m", words)
    return {"at": at, "told": [name, words["link"].format(children=children, saved=saved)]}


def _value(value: Any, unit: str, words: dict[str, str]) -> str:
    """A value as people read it, by its unit; "" where there is none."""
    if unit in ("", "own"):
        return text(value)
    if pd.isna(value):
        return ""
    if unit == "share":
        return f"{value:.1%}" if 0 < value < 0.01 else f"{value:.0%}"
    if unit == "m":
        return words["metres"].format(metres=f"{value:,.0f}")
    return f"{value:.1f}" if unit == "rate" else _children(value)


def _children(count: float) -> str:
    return f"{count:,.0f}"


def _with_places(table: gpd.GeoDataFrame) -> Iterable[tuple[dict[str, Any], list[Any]]]:
    """Rows, each with its lines as lists of [latitude, longitude]."""
    rows = pd.DataFrame(table.drop(columns="geometry")).to_dict("records")
    return zip([{str(key): value for key, value in row.items()} for row in rows], lines_of(table.geometry), strict=True)
