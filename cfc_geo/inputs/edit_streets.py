"""What the edits of a scenario do to the streets: links drawn and closed, gates opened, tags changed.

What an edit does follows from the streets of the file, never from another edit: tags change first, then streets close
and gates open, and links are joined last, to what the file holds and no edit closes. So the order of edits is nothing.

Nothing that is added may lengthen a walk, and nothing that is closed may shorten one (`docs/methods.md`, "Edits of
streets"). That is why a closed street stays in its table, marked `closed`, and a drawn link is marked `added`.
"""

import difflib
from collections.abc import Sequence
from dataclasses import replace

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo.edits import OF_STREETS, ChangeStreet
from cfc_geo.errors import Findings, Rows
from cfc_geo.inputs.edit_gates import add_entrances, open_gates
from cfc_geo.inputs.edit_links import join_links
from cfc_geo.inputs.ledger import Ledger, Numbered, numbered
from cfc_geo.inputs.units import home_points
from cfc_geo.inputs.walkable import is_walkable, may_be_walked
from cfc_geo.model import Change, Study
from cfc_geo.plan import Plan
from cfc_geo.tables import children_columns

SHOWN_IDS = 8
ALIKE = 0.5
"""How alike two ids must be for one to be suggested for the other."""

SAME_PLACE_M = 1e-6
TAGS = ("name", "highway", "maxspeed", "lanes", "sidewalk")
ENDS = {"crossing_start": "from_node", "crossing_end": "to_node"}

RowsOf = list[tuple[Numbered, np.ndarray]]
"""Edits, each with the rows of the streets that it closes or changes."""


def edit_streets(study: Study, plan: Plan, findings: Findings) -> tuple[Study, list[Change]]:
    """The study with the plan's edits of streets done, and what they change, in the order of the plan.

    Tables that no edit changes are the same objects. Faults go to `findings`; the edits they speak of are left out.
    """
    edits = numbered(plan, OF_STREETS)
    ledger = Ledger(plan.file.name, findings)
    rows = _find_streets(study.streets["street_id"], edits, ledger)
    streets = _change_tags(study.streets, rows, ledger)
    nodes = _change_crossings(study, rows, ledger)
    streets = _close(study, streets, rows, plan.walk.snap_limit_m, ledger)
    streets, nodes = open_gates(study, streets, nodes, plan, edits, ledger)
    streets, nodes = join_links(study, streets, nodes, plan, edits, ledger)
    entrances = add_entrances(study, streets, plan, edits, ledger)
    changes = sorted(ledger.changes, key=lambda change: change.edit)
    if not changes:
        return study, changes
    return replace(study, streets=streets, nodes=nodes, entrances=entrances), changes


# ------------------------------------------------------------------------------------------------------ which streets


def rows_named(ids: pd.Series, name: str) -> np.ndarray:
    """Rows of the street `name`: a segment, or else all segments of a way ("w123" are "w123.0", "w123.7", …)."""
    exact = np.flatnonzero(ids == name)
    if len(exact):
        return exact
    start = f"{name}."
    return np.flatnonzero([of_id.startswith(start) and of_id[len(start) :].isdigit() for of_id in ids])


def _find_streets(ids: pd.Series, edits: Sequence[Numbered], ledger: Ledger) -> RowsOf:
    """Errors name what is not there, and what is edited twice, as a segment and with its way."""
    rows: RowsOf = []
    for edit in edits:
        block = edit.edit.close_link or edit.edit.change_street
        if block is None:
            continue
        found = rows_named(ids, block.street)
        if not len(found):
            ledger.error(edit, "link.unknown_street", street=block.street, near=_nearest(block.street, ids))
        rows.append((edit, found))
    touched = np.concatenate([np.empty(0, dtype=np.int64), *(found for _, found in rows)])
    if len(twice := touched[pd.Series(touched).duplicated().to_numpy()]):
        both = Rows(tuple(edit.position for edit, found in rows if np.isin(found, twice).any()), "edit")
        ledger.findings.error("link.edited_twice", ledger.file, both, ids=sorted(set(ids.iloc[twice]))[:SHOWN_IDS])
    return rows


def _nearest(name: str, ids: pd.Series) -> list[str]:
    """The ids, of ways and of segments, that are spelt most like `name`."""
    ways = dict.fromkeys(of_id.rpartition(".")[0] for of_id in ids)
    return difflib.get_close_matches(name, [*filter(None, ways), *ids], n=3, cutoff=ALIKE) or ["–"]


# --------------------------------------------------------------------------------------------------------------- tags


def _change_tags(streets: gpd.GeoDataFrame, rows: RowsOf, ledger: Ledger) -> gpd.GeoDataFrame:
    """Streets with the tags that `change_street` states."""
    for edit, of_edit in rows:
        block = edit.edit.change_street
        if block is None:
            continue
        if block.highway is not None and not is_walkable({"highway": block.highway}):
            ledger.error(edit, "link.not_walkable", highway=block.highway)
            continue
        before = len(ledger.changes)
        for column, value in _stated_tags(block).items():
            row = of_edit[(streets[column].iloc[of_edit] != value).to_numpy()]
            if not len(row):
                continue
            for name, old in zip(streets["street_id"].iloc[row], streets[column].iloc[row], strict=True):
                ledger.change(edit, name, column, old, value)
            changed = streets[column].copy()
            changed.iloc[row] = value
            streets = streets.assign(**{column: changed})
        if len(ledger.changes) == before and block.crossing is None and len(of_edit):
            ledger.warning(edit, "link.changes_nothing", street=block.street)
    return streets


def _stated_tags(block: ChangeStreet) -> dict[str, object]:
    """Column → value that the edit states of a street; steps follow its class where they are not stated."""
    tags: dict[str, object] = {name: str(value) for name in TAGS if (value := getattr(block, name)) is not None}
    if block.steps is not None:
        tags["steps"] = block.steps
    elif block.highway is not None:
        tags["steps"] = block.highway == "steps"
    return tags


def _change_crossings(study: Study, rows: RowsOf, ledger: Ledger) -> pd.DataFrame:
    """Nodes with the crossings that `change_street` states of the ends of streets."""
    was = study.nodes.set_index("node_id")["crossing"]
    stated: dict[int, tuple[str, Numbered]] = {}
    for edit, of_edit in rows:
        block = edit.edit.change_street
        if block is None or block.crossing is None:
            continue
        value = "" if block.crossing == "none" else block.crossing
        for street in study.streets.iloc[of_edit].itertuples():
            for what, end in ENDS.items():
                node = getattr(street, end)
                said, first = stated.setdefault(node, (value, edit))
                if said != value:
                    ledger.error(edit, "link.crossings_clash", street=street.street_id, other=first.position)
                elif first is edit and was[node] != value:
                    ledger.change(edit, str(street.street_id), what, was[node], value)
    pairs = zip(study.nodes["node_id"], study.nodes["crossing"], strict=True)
    crossing = [stated[node][0] if node in stated else old for node, old in pairs]
    unchanged = crossing == study.nodes["crossing"].tolist()
    return study.nodes if unchanged else study.nodes.assign(crossing=crossing)


# -------------------------------------------------------------------------------------------------------------- closed


def _close(
    study: Study, streets: gpd.GeoDataFrame, rows: RowsOf, snap_limit_m: float, ledger: Ledger
) -> gpd.GeoDataFrame:
    """Streets with those marked that nobody may walk through any longer."""
    closed = np.zeros(len(streets), dtype=bool)
    for edit, of_edit in rows:
        if edit.edit.close_link is None or not len(of_edit):
            continue
        closed[of_edit] = True
        for name in streets["street_id"].iloc[of_edit]:
            ledger.change(edit, name, "through", True, False)
        children, facilities = _whose_nearest(study, of_edit, snap_limit_m)
        if children > 0 or facilities:
            shown = facilities[:SHOWN_IDS] or ["–"]
            ledger.note(edit, "link.homes_on_closed", children=children, count=len(facilities), ids=shown)
    if not closed.any():
        return streets
    still_open = may_be_walked(streets) & ~closed
    if not still_open.any():
        ledger.findings.error("link.all_closed", ledger.file)
    ends = streets[["from_node", "to_node"]].to_numpy()
    shut_in = np.flatnonzero(closed & ~np.isin(ends, ends[still_open]).any(axis=1))
    children, facilities = _whose_nearest(study, shut_in, snap_limit_m)
    if still_open.any() and (children > 0 or facilities):
        ids = streets["street_id"].iloc[shut_in[:SHOWN_IDS]].tolist()
        ledger.findings.warning("link.shut_in", ledger.file, children=children, count=len(facilities), ids=ids)
    return streets.assign(closed=closed)


def _whose_nearest(study: Study, rows: np.ndarray, limit_m: float) -> tuple[float, list[str]]:
    """How many children have one of the streets `rows`, and no other, for their nearest; and which facilities have."""
    shapes, other = study.streets.geometry.to_numpy(), may_be_walked(study.streets)
    other[rows] = False
    those, others = shapely.STRtree(shapes[rows]), shapely.STRtree(shapes[other])
    whose = []
    for points in (home_points(study.origins), study.entrances.geometry.to_numpy()):
        (near, _), metres = those.query_nearest(points, limit_m, return_distance=True, all_matches=False)
        (also, _), other_m = others.query_nearest(points[near], return_distance=True, all_matches=False)
        nearer = np.ones(len(near), dtype=bool)
        nearer[also] = metres[also] < other_m - SAME_PLACE_M
        whose.append(near[nearer])
    children = float(study.origins[children_columns()].iloc[whose[0]].to_numpy().sum())
    return round(children, 1), sorted(set(study.entrances["facility_id"].iloc[whose[1]]))
