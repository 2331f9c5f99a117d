"""How far an answer can be trusted: who was counted, how homes and facilities sit on the streets, what is not known.

An audit is a number by key; what a key means, its unit and its group are in `catalog/audit.toml`. NaN is not known, or
a share of nothing.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import shapely

from cfc_geo import catalog
from cfc_geo.blocks import AuditLimits
from cfc_geo.catalog import Norm
from cfc_geo.errors import Findings
from cfc_geo.inputs.units import home_points
from cfc_geo.inputs.walkable import WITHOUT_CARS
from cfc_geo.model import Attachment, Coverage, Network, Study
from cfc_geo.network.costs import on_main_network
from cfc_geo.network.snap import street_distances
from cfc_geo.tables import ALL_UNITS, GAP, children_column, children_columns

Audit = dict[str, float]

FATES = ("placed", "outside_units", "on_no_land")
"""What becomes of a person in the file; a fate that the population reader does not know of befell nobody."""
BY_EDITS = "by_edits"
"""How many people more the edits of a scenario make than there are in the file."""
CLOSES = 1e-9
"""An account closes if what it leaves over is at most this share of the whole: sums of fractions round."""
QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "max": 1.0}
SHOWN_UNITS = 8

LIMITS = {
    "max_unknown_share": ("unknown_<kind>_share", "audit.unknown"),
    "max_outside_share": ("children_outside_share", "audit.outside"),
    "max_far_share": ("children_not_attached_share", "audit.far"),
    "max_snap_m_p95": ("children_snap_m_p95", "audit.snap"),
    "max_without_capacity_share": ("facilities_without_capacity_share", "audit.without_capacity"),
    "max_assumed_street_share": ("street_class_assumed_share", "audit.assumed_streets"),
    "max_island_share": ("children_on_islands_share", "audit.islands"),
}
"""Key of a plan's `[audit]` → the measures it limits, and the finding of one beyond it."""


def audit_data(study: Study, network: Network, attachment: Attachment, *, reach_m: float) -> Audit:
    """What can be measured before any walk is. `reach_m` is the longest walk the plan asks about."""
    return audit_ground(study, network, attachment, reach_m) | audit_facilities(study, network, attachment)


def audit_ground(study: Study, network: Network, attachment: Attachment, reach_m: float) -> Audit:
    """What can be measured of people and streets, whatever the facilities are."""
    return {
        **study.audit,
        **close_account(study.audit),
        "children_in_parent_only": float(_children(study)[_in_parent_only(study)].sum()),
        **_homes(study, network, attachment),
        **_streets(study, network),
        **_street_edge(study, reach_m),
    }


def audit_answers(
    study: Study,
    coverage: Coverage,
    coverage_by_unit: pd.DataFrame,
    circle_by_unit: pd.DataFrame,
    border_m: np.ndarray,
) -> Audit:
    """What the answers leave open: shares of children unknown, and gaps that a facility beyond the border may fill.

    `border_m`: `metres_to_border`.
    """
    whole = coverage_by_unit[coverage_by_unit["unit_id"] == ALL_UNITS]
    unknown = {
        f"unknown_{kind}_share": _unknown_share(rows["unknown"].sum(skipna=False), rows["children"].sum(skipna=False))
        for kind, rows in whole.groupby("kind", sort=False)
    }
    for row in whole.itertuples():
        unknown[f"unknown_{row.kind}_{_part(row.band)}_share"] = _unknown_share(row.unknown, row.children)
    for row in circle_by_unit[circle_by_unit["unit_id"] == ALL_UNITS].itertuples():
        unknown[f"unknown_circle_{_part(row.band)}_share"] = _unknown_share(row.unknown, row.children)
    return {**unknown, **_gaps_near_border(study, coverage, border_m)}


def close_account(counted: Mapping[str, float]) -> Audit:
    """Who the fates leave over, by band, of residents and of all children; totals of children.

    `counted` holds `<column>_in_file`, `_by_edits` (how many more edits make) and `<column>_<fate>`; nothing is said of
    what it does not count. The difference is 0 where it is rounding (`CLOSES`).
    """
    bands = [column for column in children_columns() if f"{column}_in_file" in counted]
    known = [column for column in (*bands, "residents") if f"{column}_in_file" in counted]
    closed = {f"{column}_unaccounted": _left_over(counted, column) for column in known}
    if not bands:
        return closed
    totals = {
        f"children_{part}": float(sum(counted[f"{column}_{part}"] for column in bands))
        for part in ("in_file", BY_EDITS, *FATES)
        if all(f"{column}_{part}" in counted for column in bands)
    }
    totals["children_unaccounted"] = float(sum(closed[f"{column}_unaccounted"] for column in bands))
    totals["children_outside_share"] = _share(totals.get("children_outside_units", 0.0), totals["children_in_file"])
    return {**closed, **totals}


def limits_set(limits: AuditLimits, audit: Iterable[str]) -> dict[str, float]:
    """Measure → the limit that the plan sets it (inclusive), of the measures in `audit`."""
    audit = list(audit)
    most = {LIMITS[name][0]: value for name, value in limits.model_dump().items() if value is not None}
    return {key: value for pattern, value in most.items() for key in catalog.matching(pattern, audit)}


def exceeds(value: float, most: float) -> bool:
    """Whether a measure breaks its limit: the limit itself does not, nor its rounding, nor what is not known."""
    return value > most * (1 + CLOSES)


def judge_audit(limits: AuditLimits, audit: Audit, file: str) -> Findings:
    """An error for every limit of the plan that the audit breaks, and for an account that does not close."""
    findings = Findings()
    for key, value in audit.items():
        if key.endswith("_unaccounted") and value != 0:
            findings.error("audit.not_closed", file, measure=key, difference=value)
    for name, (pattern, code) in LIMITS.items():
        most = getattr(limits, name)
        for key, parts in catalog.matching(pattern, audit).items() if most is not None else ():
            if exceeds(audit[key], most):
                scale = 100 if catalog.measure(key).unit == "share" else 1
                findings.error(code, file, value=scale * audit[key], most=scale * most, limit=f"audit.{name}", **parts)
    return findings


def warn_of_children_in_parent_only(study: Study, file: str) -> Findings:
    """A warning where children live in a unit that has units below it, but in none of those."""
    findings = Findings()
    children, astray = _children(study), _in_parent_only(study)
    if (lost := float(children[astray].sum())) > 0:
        name = study.units.set_index("unit_id")["name"]
        units = sorted(set(study.origins["unit_id"][astray & (children > 0)]))
        findings.warning(
            "audit.parent_only", file, children=round(lost, 1), percent=float(100 * lost / children.sum()),
            count=len(units), units=[f"{unit} {name[unit]}" for unit in units[:SHOWN_UNITS]],
        )  # fmt: skip
    return findings


# -------------------------------------------------------------------------------------------------------------- people


def _left_over(counted: Mapping[str, float], column: str) -> float:
    in_file = counted[f"{column}_in_file"] + counted.get(f"{column}_{BY_EDITS}", 0.0)
    left = in_file - sum(counted.get(f"{column}_{fate}", 0.0) for fate in FATES)
    return 0.0 if abs(left) <= CLOSES * abs(in_file) else float(left)


def _in_parent_only(study: Study) -> np.ndarray:
    """Which origins lie in a unit that has units below it, in none of which they lie."""
    return np.asarray(study.origins["unit_id"].isin(set(study.units["parent_id"])))


def _children(study: Study) -> np.ndarray:
    """Children of every origin, all bands."""
    return np.asarray(study.origins[children_columns()].sum(axis=1).to_numpy(dtype=float))


# ------------------------------------------------------------------------------------------------- homes and facilities


def _homes(study: Study, network: Network, attachment: Attachment) -> Audit:
    """How cells, and the children in them, sit on the streets."""
    snaps, children = attachment.origins, _children(study)
    far = ~snaps.attached
    island = snaps.attached & ~on_main_network(network, snaps)
    metres = snaps.snap_m.copy()
    metres[far] = street_distances(network, home_points(study.origins)[far])
    by_band = {
        f"{column}_not_attached": float(study.origins[column].to_numpy(dtype=float)[far].sum())
        for column in map(children_column, catalog.bands())
        if column not in set(map(children_column, study.unknown_bands))
    }
    return {
        "cells_not_attached": float(far.sum()),
        "children_not_attached": float(children[far].sum()),
        **by_band,
        "children_not_attached_share": _share(children[far].sum(), children.sum()),
        "children_on_islands": float(children[island].sum()),
        "children_on_islands_share": _share(children[island].sum(), children.sum()),
        **_quantiles("snap_m", metres, np.ones(len(metres))),
        **_quantiles("children_snap_m", metres, children),
    }


def audit_facilities(study: Study, network: Network, attachment: Attachment) -> Audit:
    """Facilities by what is wrong with them, in all and by kind."""
    kind = study.facilities["kind"].to_numpy()
    faults = _facility_faults(study, network, attachment)
    counts = {"facilities": float(len(kind))}
    counts |= {f"facilities_{fault}": float(faults[fault].sum(skipna=False)) for fault in faults}
    with_places = float(_has_places(study.facilities).sum())
    counts["facilities_without_capacity_share"] = _share(counts["facilities_without_capacity"], with_places)
    for name in [name for name in catalog.kinds() if (kind == name).any()]:
        counts[f"facilities_{name}"] = float((kind == name).sum())
        counts |= {
            f"facilities_{name}_{fault}": float(faults[fault][kind == name].sum(skipna=False)) for fault in faults
        }
    return {**counts, **_quantiles("facilities_snap_m", _access_legs(study, network, attachment), np.ones(len(kind)))}


def _facility_faults(study: Study, network: Network, attachment: Attachment) -> pd.DataFrame:
    """Facility × fault, 1.0 where it has it; NaN where nobody looked.

    without_capacity: a kind with places, and no file says how many. duplicated: `Study.duplicated`. far: no way in
    within the snap limit of a street. on_islands: attached, but only to streets apart from the main network.
    """
    table = study.facilities
    owner, main = attachment.facility_of_entrance, on_main_network(network, attachment.entrances)
    attached = table["facility_id"].isin(owner[attachment.entrances.attached])
    joined = table["facility_id"].isin(owner[main])
    return pd.DataFrame(
        {
            "without_capacity": _has_places(table) & table["capacity"].isna(),
            "outside_units": table["unit_id"] == "",
            "duplicated": np.nan if study.duplicated is None else table["facility_id"].isin(study.duplicated),
            "far": ~attached,
            "on_islands": attached & ~joined,
        },
        dtype=float,
    )


def _has_places(facilities: pd.DataFrame) -> pd.Series:
    return facilities["kind"].isin([kind.id for kind in catalog.kinds().values() if kind.has_places])


def _access_legs(study: Study, network: Network, attachment: Attachment) -> np.ndarray:
    """Metres from each facility's nearest way in (without one, from its shape) to the nearest street, however far."""
    entrances = attachment.entrances
    metres = entrances.snap_m.copy()
    far = ~entrances.attached
    metres[far] = street_distances(network, study.entrances.geometry[far])
    least = pd.Series(metres).groupby(attachment.facility_of_entrance).min()
    legs = study.facilities["facility_id"].map(least).to_numpy(dtype=float, copy=True)
    shut = np.isnan(legs)
    legs[shut] = street_distances(network, study.facilities.geometry[shut])
    return np.asarray(legs)


def _quantiles(name: str, metres: np.ndarray, weights: np.ndarray) -> Audit:
    """For each share of the weight, the least of `metres` that it does not exceed; NaN of nothing."""
    metres, weights = metres[weights > 0], weights[weights > 0]
    shares = list(QUANTILES.values())
    values = np.full(len(shares), np.nan)
    if len(metres):
        values = np.quantile(metres, shares, method="inverted_cdf", weights=weights)
    return {f"{name}_{label}": float(value) for label, value in zip(QUANTILES, values, strict=True)}


# ------------------------------------------------------------------------------------------------------------- streets


def _streets(study: Study, network: Network) -> Audit:
    """How much street there is, how much of it is apart, and how much of what matters about it is assumed."""
    streets, length_m = study.streets, study.streets["length_m"].to_numpy(dtype=float)
    roads = ~streets["highway"].isin(WITHOUT_CARS).to_numpy()
    crossings = study.nodes["crossing"].to_numpy(dtype=object)
    crossings = crossings[crossings != ""]
    assumed = {
        f"street_{name}_assumed_share": _share(
            length_m[roads][(streets[name] == "")[roads]].sum(), length_m[roads].sum()
        )
        for name in ("sidewalk", "maxspeed", "lanes")
    }
    return {
        "street_segments": float(len(streets)),
        "street_km": float(length_m.sum() / 1000),
        "street_islands": float(len(network.component_m) - 1),
        "street_km_outside_main_network": float(network.component_m[1:].sum() / 1000),
        "street_class_assumed_share": _share(length_m[streets["highway"].isin(["", "road"])].sum(), length_m.sum()),
        **assumed,
        "crossings": float(len(crossings)),
        "crossing_type_assumed_share": _share((crossings == "yes").sum(), len(crossings)),
    }


# --------------------------------------------------------------------------------------------------------------- edges


def _street_edge(study: Study, reach_m: float) -> Audit:
    """Cells within reach of the outer edge of the street data (its convex hull), or beyond it."""
    hull = shapely.convex_hull(shapely.geometrycollections(study.streets.geometry.to_numpy()))
    inner = shapely.buffer(hull, -reach_m)
    near = ~shapely.contains(inner, home_points(study.origins))
    return {
        "cells_near_street_edge": float(near.sum()),
        "children_near_street_edge": float(_children(study)[near].sum()),
    }


def _gaps_near_border(study: Study, coverage: Coverage, border_m: np.ndarray) -> Audit:
    """By kind, children counted as a gap who live nearer to the border of the place than the limit, in a straight line,
    while no facility of the kind is listed beyond that border: one that is there may serve them."""
    beyond = set(study.facilities.loc[study.facilities["unit_id"] == "", "kind"])
    found = {}
    for kind in coverage.status.columns:
        bands = [children_column(band) for band in catalog.kinds()[kind].bands]
        children = study.origins[bands].sum(axis=1).to_numpy(dtype=float)
        gap = (coverage.status[kind] == GAP).to_numpy() & (kind not in beyond)
        found[f"children_{kind}_gap_near_border"] = float(
            children[gap & (border_m <= coverage.norms[kind].limit_m)].sum()
        )
    return found


def metres_to_border(study: Study, norms: Mapping[str, Norm]) -> np.ndarray:
    """Metres from each origin to the outer outline of all units together; infinite beyond the longest limit."""
    points, furthest_m = home_points(study.origins), max(norm.limit_m for norm in norms.values())
    whole = shapely.union_all(study.units.geometry.to_numpy())
    corners, ring = shapely.get_coordinates(shapely.get_exterior_ring(shapely.get_parts(whole)), return_index=True)
    sides = np.stack([corners[:-1], corners[1:]], axis=1)[ring[:-1] == ring[1:]]
    (point, _), metres = shapely.STRtree(shapely.linestrings(sides)).query_nearest(
        points, max_distance=furthest_m, all_matches=False, return_distance=True
    )
    border_m = np.full(len(points), np.inf)
    border_m[point] = metres
    return border_m


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else float("nan")


def _unknown_share(unknown: float, children: float) -> float:
    """unknown ÷ children; 1 where nobody knows the children."""
    return 1.0 if np.isnan(children) else _share(unknown, children)


def _part(band: str) -> str:
    return band.replace("-", "_")
