"""What the edits of a scenario do to facilities: added, closed, moved, resized, converted.

What an edit does follows from the facilities of the files, never from another edit, so the order of edits is nothing.
Which kinds are surveyed stays what the files say: elsewhere than at an added facility, an unlisted kind is unknown; and
where the last facility of a listed kind is closed, the kind is a gap.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo.edits import OF_FACILITIES
from cfc_geo.errors import Findings
from cfc_geo.inputs.drawn import degrees_shown
from cfc_geo.inputs.facilities import ENTRANCE_FAR_M
from cfc_geo.inputs.ledger import Ledger, Numbered, like_named, numbered, places_of
from cfc_geo.inputs.units import assign_units, representative_points
from cfc_geo.model import Change, Study
from cfc_geo.plan import Plan
from cfc_geo.tables import ENTRANCE_COLUMNS, FACILITY_NUMBERS, FACILITY_TEXTS, KIND_WORD

OF_PLACE = ("address", "subdistrict", "community")
"""What a file says of where a facility is, and is no longer true of one that moved."""
OF_KIND = ("registered", "demonstration", "opened")
"""What a file says of a facility as one of its kind."""
UNTOLD = ("facility_id", "source", "geometry")
"""Columns that are not among the attributes that an edit changes; the shape is told as a position."""

Door = tuple[str, shapely.Point]
"""A way in: what is known of it (`tables.EVIDENCE`), and where it is."""


@dataclass(frozen=True)
class Site:
    """A facility: its row of the table, and its ways in."""

    row: dict[str, Any]
    doors: tuple[Door, ...]

    def with_(self, **values: Any) -> "Site":
        return replace(self, row=self.row | values)


Edited = dict[str, Site | None]
"""facility_id → what it becomes; None: it is gone."""


def edit_facilities(study: Study, plan: Plan, findings: Findings) -> tuple[Study, list[Change]]:
    """The study with the plan's edits of facilities done, and what they change, in the order of the plan.

    Tables that no edit changes are the same objects. Faults go to `findings`; the edits they speak of are left out.
    """
    ledger = Ledger(plan.file.name, findings)
    edited: Edited = {}
    for edit in numbered(plan, OF_FACILITIES):
        made = _VERBS[edit.edit.verb](edit, study, plan, ledger)
        _tell(edit, made, study, plan, ledger)
        edited |= made
    if not edited:
        return study, []
    facilities, entrances = _laid_over(study, edited)
    doubtful = None if study.duplicated is None else study.duplicated & set(facilities["facility_id"])
    return replace(study, facilities=facilities, entrances=entrances, duplicated=doubtful), ledger.changes


# ------------------------------------------------------------------------------------------------------------ the verbs


def _add(edit: Numbered, study: Study, plan: Plan, ledger: Ledger) -> Edited:
    block = edit.edit.add
    assert block is not None
    is_new = _is_new(block.id, study, edit, ledger)
    places = _places([block.at, *block.entrances], block.datum, study, plan, edit, ledger)
    if not is_new or places is None:
        return {}
    row = {
        "facility_id": block.id,
        "kind": block.kind,
        "name": block.name,
        "capacity": np.nan if block.capacity is None else block.capacity,
        "source": plan.file.name,
        **dict.fromkeys((*FACILITY_TEXTS, KIND_WORD), ""),
        **dict.fromkeys(FACILITY_NUMBERS, np.nan),
    }
    if block.area_m2 is not None:
        row["area_m2"] = block.area_m2
    return {block.id: _placed(Site(row, ()), places, study, edit, ledger)}


def _close(edit: Numbered, study: Study, plan: Plan, ledger: Ledger) -> Edited:
    assert edit.edit.close is not None
    site = _find(edit.edit.close.facility, study, edit, ledger)
    return {} if site is None else {edit.edit.close.facility: None}


def _move(edit: Numbered, study: Study, plan: Plan, ledger: Ledger) -> Edited:
    block = edit.edit.move
    assert block is not None
    site = _find(block.facility, study, edit, ledger)
    places = _places([block.at, *block.entrances], block.datum, study, plan, edit, ledger)
    if site is None or places is None:
        return {}
    return {block.facility: _placed(site.with_(**dict.fromkeys(OF_PLACE, "")), places, study, edit, ledger)}


def _resize(edit: Numbered, study: Study, plan: Plan, ledger: Ledger) -> Edited:
    block = edit.edit.resize
    assert block is not None
    site = _find(block.facility, study, edit, ledger)
    return {} if site is None else {block.facility: site.with_(capacity=block.capacity)}


def _convert(edit: Numbered, study: Study, plan: Plan, ledger: Ledger) -> Edited:
    block = edit.edit.convert
    assert block is not None
    is_new = block.id is None or _is_new(block.id, study, edit, ledger)
    site = _find(block.facility, study, edit, ledger)
    if site is None or not is_new:
        return {}
    if site.row["kind"] == block.to:
        ledger.error(edit, "edit.same_kind", facility=block.facility, kind=block.to)
        return {}
    name = block.name or site.row["name"]
    other = site.with_(kind=block.to, name=name, **dict.fromkeys(OF_KIND, ""))
    if block.places is None or block.id is None:
        return {block.facility: other if block.new_places is None else other.with_(capacity=block.new_places)}
    capacity = float(site.row["capacity"])
    if not capacity >= block.places:
        code = "edit.capacity_unknown" if np.isnan(capacity) else "edit.too_few_places"
        ledger.error(edit, code, facility=block.facility, places=block.places, capacity=capacity)
        return {}
    taken = block.places if block.new_places is None else block.new_places
    new = other.with_(facility_id=block.id, capacity=taken, source=plan.file.name)
    return {
        block.facility: site.with_(capacity=capacity - block.places),
        block.id: new.with_(**dict.fromkeys(FACILITY_NUMBERS, np.nan)),
    }


_VERBS: dict[str, Callable[[Numbered, Study, Plan, Ledger], Edited]] = {
    "add": _add,
    "close": _close,
    "move": _move,
    "resize": _resize,
    "convert": _convert,
}


# --------------------------------------------------------------------------------------------------- which, and where


def _find(of_id: str, study: Study, edit: Numbered, ledger: Ledger) -> Site | None:
    """The facility; an error names what it became part of, or those whose id or name is like it."""
    site = _site(of_id, study)
    if site is not None:
        return site
    if of_id in study.merged:
        ledger.error(edit, "edit.merged_away", id=of_id, kept=study.merged[of_id])
        return None
    near = like_named(of_id, study.facilities["facility_id"], study.facilities["name"])
    ledger.error(edit, "edit.no_such_facility", id=of_id, near=near or ["–"])
    return None


def _site(of_id: str, study: Study) -> Site | None:
    rows = np.flatnonzero(study.facilities["facility_id"] == of_id)
    if not len(rows):
        return None
    facility, evidence = ENTRANCE_COLUMNS
    own = study.entrances[study.entrances[facility] == of_id]
    return Site(study.facilities.iloc[rows[0]].to_dict(), tuple(zip(own[evidence], own.geometry, strict=True)))


def _is_new(of_id: str, study: Study, edit: Numbered, ledger: Ledger) -> bool:
    taken = (study.facilities["facility_id"] == of_id).any() or of_id in study.merged
    if taken:
        ledger.error(edit, "edit.id_taken", id=of_id)
    return not taken


def _places(
    coordinates: Sequence[Sequence[float]], datum: str, study: Study, plan: Plan, edit: Numbered, ledger: Ledger
) -> np.ndarray | None:
    """Points in the working CRS; None, with an error, unless all lie in the study area."""
    xy = places_of(edit, coordinates, datum, study, plan, ledger)
    return None if xy is None else np.asarray(shapely.points(xy))


def _placed(site: Site, places: np.ndarray, study: Study, edit: Numbered, ledger: Ledger) -> Site:
    """The facility at the first of the places, its ways in at the others; without any, at its point."""
    at, doors = places[0], places[1:]
    unit_id = assign_units(gpd.GeoSeries([at], crs=study.crs), study.units)[0]
    if unit_id == "":
        ledger.note(edit, "edit.outside_units", id=site.row["facility_id"])
    if len(doors) and (far_m := float(shapely.distance(at, doors).max())) > ENTRANCE_FAR_M:
        ledger.warning(edit, "edit.entrance_far", id=site.row["facility_id"], metres=round(far_m))
    ways_in = [("given", door) for door in doors] or [("point", at)]
    return Site(site.row | {"unit_id": unit_id, "geometry": at}, tuple(ways_in))


# --------------------------------------------------------------------------------------------------- what they change


def _tell(edit: Numbered, made: Edited, study: Study, plan: Plan, ledger: Ledger) -> None:
    """Every attribute that an edit changes, old → new, and what a planner should know of it."""
    before_all = len(ledger.changes)
    for of_id, after in made.items():
        before = _site(of_id, study)
        old, new = _shown(before, study.crs), _shown(after, study.crs)
        for what in old | new:
            if (was := old.get(what, "")) != (becomes := new.get(what, "")):
                ledger.change(edit, of_id, what, was, becomes)
        if before is not None and after is not None and old["entrances"] == new["entrances"]:
            was, becomes = (_doors_shown(site, study.crs) for site in (before, after))
            if was != becomes:
                ledger.change(edit, of_id, "entrance", was, becomes)
        if after is not None and after.row["capacity"] == 0:
            ledger.warning(edit, "edit.no_places_left", id=of_id)
        if after is not None and (before is None or before.row["kind"] != after.row["kind"]):
            _warn_of_kind(after.row["kind"], of_id, study, plan, edit, ledger)
    if made and len(ledger.changes) == before_all:
        ledger.warning(edit, "edit.nothing_changes", id=next(iter(made)))


def _shown(site: Site | None, crs: str) -> dict[str, str]:
    """The attributes of a facility as text; its position in degrees of WGS84."""
    if site is None:
        return {}
    row = {name: value for name, value in site.row.items() if name not in UNTOLD}
    shown = {name: f"{value:.10g}" if isinstance(value, (int, float)) else str(value) for name, value in row.items()}
    place = gpd.GeoSeries([site.row["geometry"]], crs=crs)
    shown["position"] = degrees_shown(gpd.GeoSeries(representative_points(place), crs=crs))
    shown["entrances"] = str(len(site.doors))
    return {name: "" if value == "nan" else value for name, value in shown.items()}


def _doors_shown(site: Site, crs: str) -> str:
    """Where a facility is entered; as many places as before may be others."""
    doors = sorted((door for _, door in site.doors), key=lambda door: (door.x, door.y))
    return degrees_shown(gpd.GeoSeries(doors, crs=crs))


def _warn_of_kind(kind: str, of_id: str, study: Study, plan: Plan, edit: Numbered, ledger: Ledger) -> None:
    """A kind of which nothing is asked changes no figure; of one that no file lists in full, no gap is known."""
    asked = study.surveyed | {kind for basket in plan.resolved_baskets().values() for kind in basket}
    if kind not in plan.resolved_norms() or kind not in asked:
        ledger.warning(edit, "edit.kind_not_asked", id=of_id, kind=kind)


# ------------------------------------------------------------------------------------------------------- the new tables


def _laid_over(study: Study, edited: Edited) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """The tables with the edited facilities in the place of the old; entrances are the same object if none changes."""
    sites = [site for site in edited.values() if site is not None]
    doors = [(site.row["facility_id"], *door) for site in sites for door in site.doors]
    return (
        _replaced(study.facilities, edited, pd.DataFrame([site.row for site in sites])),
        _with_doors(study.entrances, edited, doors),
    )


def _replaced(table: gpd.GeoDataFrame, edited: Edited, rows: pd.DataFrame) -> gpd.GeoDataFrame:
    kept = table[~table["facility_id"].isin(list(edited))]
    if not len(rows):
        return kept.reset_index(drop=True)
    rows = gpd.GeoDataFrame(rows[table.columns], geometry="geometry", crs=table.crs).astype(
        {name: dtype for name, dtype in table.dtypes.items() if name != "geometry"}
    )
    both = pd.concat([kept, rows] if len(kept) else [rows], ignore_index=True)
    return gpd.GeoDataFrame(both.sort_values("facility_id", ignore_index=True), crs=table.crs)


def _with_doors(
    table: gpd.GeoDataFrame, edited: Edited, doors: list[tuple[str, str, shapely.Point]]
) -> gpd.GeoDataFrame:
    facility, evidence = ENTRANCE_COLUMNS
    of_edited = table[facility].isin(list(edited))
    before = list(zip(table[facility][of_edited], table[evidence][of_edited], table.geometry[of_edited], strict=True))
    if sorted(before, key=_order) == sorted(doors, key=_order):
        return table
    kept = table[~of_edited]
    owner, known, points = ([door[part] for door in doors] for part in range(3))
    new = gpd.GeoDataFrame({facility: owner, evidence: known}, geometry=points, crs=table.crs)
    both = pd.concat([part for part in (kept, new) if len(part)] or [kept], ignore_index=True)
    order = np.lexsort((both.geometry.y, both.geometry.x, both[facility].astype(str)))
    return gpd.GeoDataFrame(both.iloc[order].reset_index(drop=True), crs=table.crs)


def _order(door: tuple[str, str, shapely.Point]) -> tuple[str, float, float]:
    return door[0], door[2].x, door[2].y
