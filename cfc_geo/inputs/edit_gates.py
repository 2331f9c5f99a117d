"""Gates that a scenario opens: closed gates of the streets, and more ways into facilities."""

from collections.abc import Sequence

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo.edits import OpenGate
from cfc_geo.inputs.drawn import degrees_shown
from cfc_geo.inputs.facilities import ENTRANCE_FAR_M
from cfc_geo.inputs.ledger import Ledger, Numbered, like_named, numbered, places_of
from cfc_geo.inputs.walkable import may_be_walked
from cfc_geo.model import Study
from cfc_geo.plan import Plan
from cfc_geo.tables import ENTRANCE_COLUMNS

SAME_PLACE_M = 1e-3


def open_gates(
    study: Study,
    streets: gpd.GeoDataFrame,
    nodes: pd.DataFrame,
    plan: Plan,
    edits: Sequence[Numbered],
    ledger: Ledger,
) -> tuple[gpd.GeoDataFrame, pd.DataFrame]:
    """Streets and nodes with the ends that meet at a gate made one, where `open_gate` names no facility.

    A closed gate is a barrier at which several ends of segments lie at one place (`inputs/osm.py`).
    """
    wanted = [(edit, gate) for edit in edits if (gate := edit.edit.open_gate) and gate.facility is None]
    into: dict[int, int] = {}
    opened: dict[int, int] = {}
    gates = _closed_gates(study.nodes) if wanted else pd.DataFrame()
    for edit, gate in wanted:
        place = _place(gate, study, plan, edit, ledger)
        if place is None:
            continue
        ends = _ends_of_gate(gates, place, gate.within_m, study.crs, edit, ledger)
        if ends is None:
            continue
        joint = int(ends["node_id"].min())
        if (first := opened.setdefault(joint, edit.position)) != edit.position:
            ledger.error(edit, "gate.opened_twice", other=first)
            continue
        into |= dict.fromkeys(ends["node_id"], joint)
        ledger.change(edit, gate.id, "open", False, True)
    if not into:
        return streets, nodes
    joined = {end: streets[end].replace(into) for end in ("from_node", "to_node")}
    kept = nodes["node_id"].map(lambda node: into.get(node, node) == node)
    return streets.assign(**joined), nodes[kept].reset_index(drop=True)


def add_entrances(
    study: Study, streets: gpd.GeoDataFrame, plan: Plan, edits: Sequence[Numbered], ledger: Ledger
) -> gpd.GeoDataFrame:
    """Entrances with those that `open_gate` adds to a facility; all that it had stay."""
    owners, places = [], []
    for edit in edits:
        gate = edit.edit.open_gate
        if gate is None or gate.facility is None:
            continue
        at = _place(gate, study, plan, edit, ledger)
        if _is_known(gate.facility, study, plan, edit, ledger) and at is not None:
            place = shapely.Point(at)
            if _leads_in(place, gate.facility, study, streets, plan.walk.snap_limit_m, edit, ledger):
                owners.append(gate.facility)
                places.append(place)
                ledger.change(edit, gate.facility, "entrance", "", degrees_shown(gpd.GeoSeries([place], crs=study.crs)))
    if not owners:
        return study.entrances
    facility, evidence = ENTRANCE_COLUMNS
    added = gpd.GeoDataFrame({facility: owners, evidence: "given"}, geometry=places, crs=study.entrances.crs)
    both = pd.concat([study.entrances, added], ignore_index=True)
    x, y = both.geometry.x, both.geometry.y
    return gpd.GeoDataFrame(both.iloc[np.lexsort((y, x, both[facility].astype(str)))].reset_index(drop=True))


def _place(gate: OpenGate, study: Study, plan: Plan, edit: Numbered, ledger: Ledger) -> np.ndarray | None:
    place = places_of(edit, [gate.at], gate.datum, study, plan, ledger)
    return None if place is None else place[0]


# ------------------------------------------------------------------------------------------------- gates of the streets


def _closed_gates(nodes: pd.DataFrame) -> pd.DataFrame:
    """The nodes of closed gates: barriers where several ends lie at one place."""
    if "barrier" not in nodes:
        return nodes.iloc[:0]
    barriers = nodes[nodes["barrier"] != ""]
    places = (barriers[["x", "y"]] / SAME_PLACE_M).round()
    return barriers[places.duplicated(keep=False)]


def _ends_of_gate(
    gates: pd.DataFrame, place: np.ndarray, within_m: float, crs: str, edit: Numbered, ledger: Ledger
) -> pd.DataFrame | None:
    """The ends that meet at the closed gate nearest to `place`; None, with an error, if it is too far."""
    if not len(gates):
        ledger.error(edit, "gate.none_closed")
        return None
    away_m = np.hypot(gates["x"] - place[0], gates["y"] - place[1])
    nearest = gates.loc[away_m.idxmin()]
    if away_m.min() > within_m:
        metres, node = round(float(away_m.min()), 1), f"n{nearest['node_id']}"
        shown = degrees_shown(gpd.GeoSeries(shapely.points([nearest[["x", "y"]].to_numpy(dtype=float)]), crs=crs))
        ledger.error(edit, "gate.none_near", metres=metres, within_m=within_m, node=node, place=shown)
        return None
    here = np.hypot(gates["x"] - nearest["x"], gates["y"] - nearest["y"]) <= SAME_PLACE_M
    if len(others := away_m[~here]) and others.min() <= away_m.min() + SAME_PLACE_M:
        ledger.error(edit, "gate.two_near")
        return None
    return gates[here]


# ----------------------------------------------------------------------------------------------- gates of facilities


def _is_known(facility: str, study: Study, plan: Plan, edit: Numbered, ledger: Ledger) -> bool:
    """Whether there is such a facility; an error names the edit that closes it, what it became part of, or those whose
    id or name is like it."""
    ids, names = study.facilities["facility_id"], study.facilities["name"]
    if (ids == facility).any():
        return True
    if facility in study.merged:
        ledger.error(edit, "gate.merged_facility", facility=facility, kept=study.merged[facility])
        return False
    for other in numbered(plan, {"close"}):
        if other.edit.close is not None and other.edit.close.facility == facility:
            ledger.error(edit, "gate.closed_facility", facility=facility, other=other.position)
            return False
    near = like_named(facility, ids, names) or ["–"]
    ledger.error(edit, "gate.unknown_facility", facility=facility, near=near)
    return False


def _leads_in(
    place: shapely.Point,
    facility: str,
    study: Study,
    streets: gpd.GeoDataFrame,
    snap_limit_m: float,
    edit: Numbered,
    ledger: Ledger,
) -> bool:
    """Whether the gate lies by its facility and by a street."""
    shape = study.facilities.geometry[study.facilities["facility_id"] == facility].iloc[0]
    away_m = float(shapely.distance(shape, place))
    if away_m > ENTRANCE_FAR_M:
        limit_m = ENTRANCE_FAR_M
        ledger.error(edit, "gate.far_from_facility", facility=facility, metres=round(away_m, 1), limit_m=limit_m)
        return False
    walkable = may_be_walked(streets)
    street_m = float(shapely.distance(streets.geometry.to_numpy()[walkable], place).min())
    if street_m > snap_limit_m:
        ledger.error(edit, "gate.far_from_street", metres=round(street_m, 1), limit_m=snap_limit_m)
        return False
    return True
