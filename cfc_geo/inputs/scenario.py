"""What the edits of a scenario make of a Study. The files of the plan stay as they are; so does the Study they gave."""

from dataclasses import replace

import geopandas as gpd
import numpy as np
import shapely

from cfc_geo.edits import OF_STREETS
from cfc_geo.errors import DataError, Findings
from cfc_geo.inputs.drawn import water_areas
from cfc_geo.inputs.edit_children import edit_children
from cfc_geo.inputs.edit_facilities import edit_facilities
from cfc_geo.inputs.edit_streets import edit_streets
from cfc_geo.inputs.ledger import Ledger, numbered
from cfc_geo.inputs.walkable import may_be_walked
from cfc_geo.model import Change, Study
from cfc_geo.plan import Plan
from cfc_geo.tables import ENTRANCES, FACILITIES, ORIGINS, check_table


def apply_edits(study: Study, plan: Plan) -> Study:
    """The study with the plan's edits done, `changes` and findings with them; the same object if there are none.

    A table that no edit changes is the same object in both. Raises `DataError` with every fault of every edit.
    """
    if not plan.edits:
        return study
    findings, changes, edited = Findings(), list[Change](), study
    for edit in (edit_facilities, edit_streets, edit_children):
        edited, made = edit(edited, plan, findings)
        changes += made
    if not (findings.errors and any(edit.verb in OF_STREETS for edit in plan.edits)):
        # else the street that a place needs may be among those that could not be drawn
        _check_places(edited, plan, Ledger(plan.file.name, findings))
    findings.raise_errors(DataError)
    for name, table in (("facilities", FACILITIES), ("entrances", ENTRANCES), ("origins", ORIGINS)):
        if (frame := getattr(edited, name)) is not getattr(study, name):
            check_table(frame, table, unique=table is not ENTRANCES)
    changes.sort(key=lambda change: change.edit)
    return replace(edited, changes=tuple(changes), findings=(*study.findings, *findings))


def _check_places(study: Study, plan: Plan, ledger: Ledger) -> None:
    """What is wrong with the places of new and moved facilities, and of new estates.

    A way in that no walkable street is near is an error, for it would serve nobody; such an estate, or a place in
    water, a warning. `study` has all edits done: the street may be one that the scenario adds.
    """
    limit_m = plan.walk.snap_limit_m
    for edit in numbered(plan, {"add", "move", "grow"}):
        (of_what, of_id), *_ = edit.edit.targets()
        if of_what == "children":  # those of a unit have no place of their own
            continue
        table = study.facilities if of_what == "facility" else study.origins
        site = table[(table["facility_id"] if of_what == "facility" else table["origin_id"]) == of_id]
        if site.empty:  # its own faults are told already
            continue
        doors = study.entrances[study.entrances["facility_id"] == of_id] if of_what == "facility" else site
        away_m = float(_metres_to_streets(doors.geometry.to_numpy(), study.streets).max())
        told = {"id": of_id, "metres": round(away_m, 1), "limit_m": limit_m}
        if away_m > limit_m and of_what == "facility":
            ledger.error(edit, "edit.no_street", **told)
        elif away_m > limit_m:
            ledger.warning(edit, "edit.estate_far", **told)
        elif shapely.intersects(water_areas(study.backdrop), site.geometry.iloc[0]).any():
            ledger.warning(edit, "edit.in_water", id=of_id)


def _metres_to_streets(points: np.ndarray, streets: gpd.GeoDataFrame) -> np.ndarray:
    """Metres in a straight line from each point to the nearest street that may be walked; one that a scenario closes is
    still walked to and from what lies on it."""
    walkable = may_be_walked(streets)
    if not walkable.any():
        return np.full(len(points), np.inf)
    lines = streets.geometry if walkable.all() else streets.geometry[walkable]
    return np.asarray(lines.sindex.nearest(points, return_all=False, return_distance=True)[1])
