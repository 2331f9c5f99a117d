"""What the edits of a scenario make of a Study. The files of the plan stay as they are; so does the Study they gave."""

from dataclasses import replace

import geopandas as gpd
import numpy as np

from cfc_geo.errors import DataError, Findings
from cfc_geo.inputs.edit_children import edit_children
from cfc_geo.inputs.edit_facilities import edit_facilities
from cfc_geo.inputs.ledger import Ledger, numbered
from cfc_geo.inputs.units import home_points
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
    for edit in (edit_facilities, edit_children):  # edits of streets stand between the two
        edited, made = edit(edited, plan, findings)
        changes += made
    _check_reached(edited, plan, findings)
    findings.raise_errors(DataError)
    check_table(edited.facilities, FACILITIES)
    check_table(edited.entrances, ENTRANCES, unique=False)
    check_table(edited.origins, ORIGINS)
    changes.sort(key=lambda change: change.edit)
    return replace(edited, changes=tuple(changes), findings=(*study.findings, *findings))


def _check_reached(study: Study, plan: Plan, findings: Findings) -> None:
    """An error for every way into an added or moved facility that no walkable street is near: it would serve nobody;
    a warning for such an estate. `study` has all edits done: the street may be one that the scenario adds."""
    ledger, limit_m = Ledger(plan.file.name, findings), plan.walk.snap_limit_m
    for edit in numbered(plan, {"add", "move", "grow"}):
        of_what, of_id = edit.edit.targets()[0]
        if of_what == "facility":
            places = study.entrances.geometry[study.entrances["facility_id"] == of_id].to_numpy()
        else:  # a cell; the children of a unit have no place
            places = home_points(study.origins[study.origins["origin_id"] == of_id]) if of_what == "cell" else []
        if len(places) == 0 or (away_m := float(_metres_to_streets(places, study.streets).max())) <= limit_m:
            continue
        tell = ledger.error if of_what == "facility" else ledger.warning
        code = "edit.no_street" if of_what == "facility" else "edit.estate_far"
        tell(edit, code, id=of_id, metres=round(away_m, 1), limit_m=limit_m)


def _metres_to_streets(points: np.ndarray, streets: gpd.GeoDataFrame) -> np.ndarray:
    """Metres in a straight line from each point to the nearest street that may be walked."""
    walkable = (streets["forward"] | streets["backward"]).to_numpy(dtype=bool)
    if "closed" in streets:
        walkable = walkable & ~streets["closed"].to_numpy(dtype=bool)
    if not walkable.any():
        return np.full(len(points), np.inf)
    lines = streets.geometry if walkable.all() else streets.geometry[walkable]
    return np.asarray(lines.sindex.nearest(points, return_all=False, return_distance=True)[1])
