"""What the edits of a scenario do to where children live: units that grow or shrink, new estates, children who move.

What an edit does follows from the children of the files, never from another edit, so the order of edits is nothing. No
child is lost or made but those that an edit states, and `Study.audit` books them as such.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo.edits import OF_CHILDREN, Grow
from cfc_geo.errors import Findings
from cfc_geo.inputs.drawn import degrees_shown
from cfc_geo.inputs.ledger import Ledger, Numbered, like_named, numbered, places_of
from cfc_geo.inputs.units import ancestors, assign_units
from cfc_geo.model import Change, Study
from cfc_geo.plan import Plan
from cfc_geo.tables import children_column, children_columns

ALIKE = 0.4
"""How alike the name of a unit must be to be suggested."""
ROUNDING = 1e-9
"""Children that a unit lacks by no more than this share are not missing: sums of fractions round."""

Delta = dict[str, np.ndarray]
"""Column of children → how many more there are in every cell."""


def edit_children(study: Study, plan: Plan, findings: Findings) -> tuple[Study, list[Change]]:
    """The study with the plan's edits of children done, and what they change, in the order of the plan.

    Tables that no edit changes are the same objects. Faults go to `findings`; the edits they speak of are left out.
    """
    ledger = Ledger(plan.file.name, findings)
    edits = [(edit, _units_of(edit, study, ledger)) for edit in numbered(plan, OF_CHILDREN)]
    _check_apart(edits, study, ledger)
    deltas: list[Delta] = []
    estates: list[dict[str, Any]] = []
    for edit, units in edits:
        grow = edit.edit.grow
        if not _are_known(edit, units, study, ledger):
            continue
        if grow is not None and grow.id is not None:
            estates += _estate(edit, grow, study, plan, ledger)
        elif units:
            deltas += _delta(edit, units, study, ledger)
    if not deltas and not estates:
        return study, []
    origins = _grown(study.origins, deltas)
    origins = _settled(origins, estates) if estates else origins
    return replace(study, origins=origins, audit=_booked(study, origins)), ledger.changes


# ------------------------------------------------------------------------------------------------------------ the verbs


def _delta(edit: Numbered, units: Sequence[str], study: Study, ledger: Ledger) -> list[Delta]:
    """What an edit of one unit, or of two, adds to every cell; none, with errors, where it cannot be done."""
    move, grow = edit.edit.move_children, edit.edit.grow
    findings_before = len(ledger.findings.errors)
    delta: Delta = {}
    for band, count in _stated(edit).items():
        column = children_column(band)
        there = _in_unit(study, units[0])
        lives = np.where(there, study.origins[column].to_numpy(dtype=float), 0.0)
        if move is not None:
            delta[column] = _leaving(lives, count, band, edit, ledger) + _spread(
                count, _in_unit(study, units[1]), column, move.to_unit, study, edit, ledger
            )
        elif grow is not None and grow.factor is not None:
            delta[column] = lives * (count - 1)
        else:
            delta[column] = _spread(count, there, column, units[0], study, edit, ledger)
    if len(ledger.findings.errors) > findings_before:
        return []
    _tell(edit, units, delta, study, ledger)
    return [delta]


def _leaving(lives: np.ndarray, count: float, band: str, edit: Numbered, ledger: Ledger) -> np.ndarray:
    """`count` children fewer, from every cell in proportion to those who live there."""
    total = float(lives.sum())
    if count > total * (1 + ROUNDING):
        ledger.error(edit, "edit.too_few_children", band=band, count=count, children=round(total, 1))
        return np.zeros(len(lives))
    return -lives * min(count / total, 1.0) if total else np.zeros(len(lives))


def _spread(
    count: float, there: np.ndarray, column: str, unit: str, study: Study, edit: Numbered, ledger: Ledger
) -> np.ndarray:
    """`count` children over the cells of a unit in proportion to the children of the band; where it has none, to all
    children; where it has none of these, to residents."""
    origins = study.origins
    by_band = origins[column].to_numpy(dtype=float)
    everybody = np.nan_to_num(origins["residents"].to_numpy(dtype=float))
    for weight in (by_band, origins[children_columns()].to_numpy(dtype=float).sum(axis=1), everybody):
        weight = np.where(there, weight, 0.0)
        if (total := weight.sum()) > 0:
            return np.asarray(count * weight / total)
    ledger.error(edit, "edit.nobody_there", unit=unit)
    return np.zeros(len(there))


def _estate(edit: Numbered, grow: Grow, study: Study, plan: Plan, ledger: Ledger) -> list[dict[str, Any]]:
    """A new cell with children, at a point."""
    assert grow.id is not None and grow.at is not None and grow.datum is not None and grow.children is not None
    if taken := bool((study.origins["origin_id"] == grow.id).any()):
        ledger.error(edit, "edit.cell_taken", id=grow.id)
    xy = places_of(edit, [grow.at], grow.datum, study, plan, ledger)
    if xy is None or taken:
        return []
    point = shapely.Point(xy[0])
    place = gpd.GeoSeries([point], crs=study.crs)
    unit = str(assign_units(place, study.units)[0])
    if unit == "":
        ledger.error(edit, "edit.estate_outside", id=grow.id)
        return []
    if unit in study.unknown_units:
        ledger.error(edit, "edit.unit_unknown", unit=unit)
        return []
    counts = {children_column(band): count for band, count in grow.children.items()}
    ledger.change(edit, grow.id, "unit_id", "", unit)
    ledger.change(edit, grow.id, "position", "", degrees_shown(place))
    for column, count in counts.items():
        ledger.change(edit, grow.id, column, "", f"{count:.10g}")
    residents = np.nan if study.origins["residents"].isna().all() else sum(counts.values())
    empty = dict.fromkeys(children_columns(), 0.0)
    return [{**empty, **counts, "origin_id": grow.id, "unit_id": unit, "residents": residents, "geometry": point}]


# ---------------------------------------------------------------------------------------------------------- which units


def _units_of(edit: Numbered, study: Study, ledger: Ledger) -> list[str]:
    """Ids of the units that an edit names; none, with errors, unless all are known."""
    grow, move = edit.edit.grow, edit.edit.move_children
    named = [grow.unit] if grow is not None else [move.from_unit, move.to_unit] if move is not None else []
    found = [_unit(name, study.units, edit, ledger) for name in named if name is not None]
    return [] if None in found else [unit for unit in found if unit is not None]


def _unit(name: str, units: gpd.GeoDataFrame, edit: Numbered, ledger: Ledger) -> str | None:
    """The unit with this id, or the only one with this name."""
    ids, names = units["unit_id"], units["name"]
    found = ids[ids == name].tolist() or ids[names == name].tolist()
    if len(found) == 1:
        return str(found[0])
    if found:
        ledger.error(edit, "edit.several_units", unit=name, ids=found)
        return None
    near = like_named(name, ids, names, alike=ALIKE) or like_named(name, ids, names, alike=0.0)
    ledger.error(edit, "edit.no_such_unit", unit=name, near=near)
    return None


def _check_apart(edits: Sequence[tuple[Numbered, Sequence[str]]], study: Study, ledger: Ledger) -> None:
    """An error where a unit is edited twice (by id and by name), or with one that it lies in."""
    parent = _parents(study)
    seen: list[str] = []
    for edit, of_edit in edits:
        for unit in of_edit:
            above = {unit, *ancestors(unit, parent)}
            if meets := [other for other in seen if other in above or unit in ancestors(other, parent)]:
                ledger.error(edit, "edit.units_overlap", unit=unit, other=meets[0])
            seen.append(unit)


def _are_known(edit: Numbered, units: Sequence[str], study: Study, ledger: Ledger) -> bool:
    """Whether the children that an edit speaks of are known to begin with."""
    if lost := [band for band in _stated(edit) if band in study.unknown_bands]:
        ledger.error(edit, "edit.bands_unknown", bands=lost)
    parent = _parents(study)
    unknown = [
        known for known in sorted(study.unknown_units) for unit in units if unit in (known, *ancestors(known, parent))
    ]
    if unknown:
        ledger.error(edit, "edit.unit_unknown", unit=unknown[0])
    return not lost and not unknown


def _stated(edit: Numbered) -> dict[str, float]:
    """Band → the number of children, or the factor, that an edit states."""
    grow, move = edit.edit.grow, edit.edit.move_children
    stated = move.children if move is not None else (grow.children or grow.factor) if grow is not None else None
    return {str(band): count for band, count in (stated or {}).items()}


def _parents(study: Study) -> dict[str, str]:
    return dict(zip(study.units["unit_id"], study.units["parent_id"], strict=True))


def _in_unit(study: Study, unit: str) -> np.ndarray:
    """Which cells lie in the unit, or in one that lies in it."""
    parent = _parents(study)
    inside = {one for one in parent if one == unit or unit in ancestors(one, parent)}
    return np.asarray(study.origins["unit_id"].isin(inside))


# ------------------------------------------------------------------------------------------------------- the new tables


def _tell(edit: Numbered, units: Sequence[str], delta: Delta, study: Study, ledger: Ledger) -> None:
    """Children of every unit and band, old → new."""
    before_all = len(ledger.changes)
    for unit in units:
        there = _in_unit(study, unit)
        for column, more in delta.items():
            was = float(study.origins[column].to_numpy(dtype=float)[there].sum())
            becomes = was + float(more[there].sum())
            if (old := _count(was)) != (new := _count(becomes)):
                ledger.change(edit, unit, column, old, new)
    if len(ledger.changes) == before_all:
        ledger.warning(edit, "edit.nothing_changes", id=units[0])


def _count(children: float) -> str:
    return f"{round(children, 3) + 0.0:.10g}"


def _grown(origins: gpd.GeoDataFrame, deltas: Sequence[Delta]) -> gpd.GeoDataFrame:
    """The cells with more or fewer children, and as many more or fewer residents where these are known."""
    columns = children_columns()
    more = {
        column: sum((delta[column] for delta in deltas if column in delta), np.zeros(len(origins)))
        for column in columns
    }
    grown = {column: np.maximum(origins[column].to_numpy(dtype=float) + more[column], 0.0) for column in columns}
    residents = origins["residents"].to_numpy(dtype=float) + sum(more.values())
    return origins.assign(**grown, residents=np.maximum(residents, 0.0))


def _settled(origins: gpd.GeoDataFrame, estates: Sequence[dict[str, Any]]) -> gpd.GeoDataFrame:
    new = gpd.GeoDataFrame(list(estates), geometry="geometry", crs=origins.crs)
    if "home" in origins:
        new["home"] = new.geometry
    new = new[list(origins.columns)].astype(
        {name: dtype for name, dtype in origins.dtypes.items() if name not in ("geometry", "home")}
    )
    both = pd.concat([origins, new], ignore_index=True)
    return gpd.GeoDataFrame(both.sort_values("origin_id", ignore_index=True), crs=origins.crs)


def _booked(study: Study, origins: gpd.GeoDataFrame) -> dict[str, float]:
    """The account with those that edits add and take away: `<column>_by_edits`, and placed in units."""
    account = dict(study.audit)
    for column in (*children_columns(), "residents"):
        if f"{column}_in_file" in account:
            before, after = float(study.origins[column].sum()), float(origins[column].sum())
            more = after - before if abs(after - before) > ROUNDING * before else 0.0
            account[f"{column}_by_edits"] = more
            account[f"{column}_placed"] = account.get(f"{column}_placed", 0.0) + more
    return account
