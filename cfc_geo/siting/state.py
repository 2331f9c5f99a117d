"""From a plan and what is asked to a siting problem: whose children, which sites, who can walk where."""

from collections.abc import Mapping
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from cfc_geo import catalog, reach
from cfc_geo.errors import Findings, PlanError
from cfc_geo.inputs.candidates import grid_candidates, read_candidates
from cfc_geo.inputs.study import study_area
from cfc_geo.inputs.units import KnownUnits, ancestors
from cfc_geo.model import Network, Result, Study
from cfc_geo.network.costs import attach, travel_costs
from cfc_geo.plan import Plan
from cfc_geo.questions.siting.problem import SitingProblem
from cfc_geo.siting.ask import FAR_OBJECTIVES, LOOK_FARTHER, Ask, bands_of
from cfc_geo.tables import children_column


def state_problem(
    plan: Plan,
    ask: Ask,
    study: Study,
    network: Network,
    candidates: gpd.GeoDataFrame,
    findings: Findings,
    *,
    farther: bool = False,
) -> SitingProblem:
    """The siting problem: cells with children as demand; the kind's facilities, which stay, and candidates as sites.

    `farther`: with pairs beyond the limit, to tell which limit would do.
    """
    limit_m = plan.resolved_norms()[ask.kind].limit_m
    mine = study.facilities[study.facilities["kind"] == ask.kind]
    ids = [*mine["facility_id"], *candidates["candidate_id"]]
    doors = study.entrances.loc[study.entrances["facility_id"].isin(mine["facility_id"]), ["facility_id", "geometry"]]
    new = gpd.GeoDataFrame({"facility_id": candidates["candidate_id"]}, geometry=candidates.geometry)
    entrances = gpd.GeoDataFrame(pd.concat([doors, new], ignore_index=True), crs=study.crs)
    attached = attach(network, study.origins, entrances, limit_m=plan.walk.snap_limit_m)
    horizon_m = max(limit_m, ask.horizon_m if ask.objective in FAR_OBJECTIVES else 0.0)
    if farther:
        horizon_m = max(horizon_m, LOOK_FARTHER * limit_m)
    costs = travel_costs(network, attached, pd.DataFrame({"facility_id": ids}), horizon_m=horizon_m)
    existing = np.arange(len(ids)) < len(mine)
    detached = np.isin(ids, costs.detached)
    required = np.concatenate([np.zeros(len(mine), dtype=bool), candidates["required"].to_numpy(dtype=bool)])
    if (lost := required & detached).any():
        lost_ids = np.array(ids, dtype=object)[lost].tolist()
        findings.error("candidates.no_street", "", ids=lost_ids[:8], limit_m=plan.walk.snap_limit_m)
    off = detached & ~existing & ~required
    if ask.candidates is not None and off.any():
        far_ids = np.array(ids, dtype=object)[off].tolist()
        told = {"ids": far_ids[:8], "count": len(far_ids), "limit_m": plan.walk.snap_limit_m}
        findings.warning("candidates.off_street", ask.candidates.file, **told)
    children, weight = _children(plan, ask, study, findings)
    return SitingProblem(
        children=children,
        weight=weight,
        unit=_units(ask, study, findings),
        existing=existing,
        required=required,
        forbidden=np.concatenate([np.zeros(len(mine), dtype=bool), candidates["forbidden"].to_numpy(dtype=bool)])
        | (detached & ~existing),
        cost=np.concatenate([np.zeros(len(mine)), _costs(ask, candidates, findings)]),
        capacity=_capacities(plan, ask, mine, candidates, findings),
        apart=_too_near(study, candidates, ask.apart_m, len(mine), mine),
        demand=costs.pairs["origin_id"].cat.codes.to_numpy().astype(np.int64),
        site=costs.pairs["facility_id"].cat.codes.to_numpy().astype(np.int64),
        metres=costs.pairs["metres"].to_numpy(),
        limit_m=limit_m,
        sites=ask.sites,
        budget=ask.budget,
        cover_share=ask.cover_share,
    )


def check_known(plan: Plan, ask: Ask, before: Result, findings: Findings) -> None:
    """An answer needs a kind that runs measure, and children; what is not known of either is told."""
    study, file, kind = before.study, plan.file.name, ask.kind
    if ask.kind not in before.coverage.status:
        findings.error("site.not_measured", file, kind=kind)
    elif ask.kind not in study.surveyed:
        findings.warning("site.not_surveyed", file, kind=kind)
    asked = ask.bands or catalog.kinds()[ask.kind].bands
    if not (known := bands_of(ask, study)):
        findings.error("site.bands_unknown", file, bands=list(asked))
    elif unknown := [band for band in asked if band not in known]:
        findings.warning("site.bands_left_out", file, bands=unknown)


def candidates_of(plan: Plan, ask: Ask, study: Study, findings: Findings) -> gpd.GeoDataFrame:
    touched = {name for edit in plan.edits for of, name in edit.targets() if of == "facility"}
    taken = touched | set(study.facilities["facility_id"]) | set(study.merged)
    if ask.candidates is None:
        found = grid_candidates(study, ask.grid_m, taken, findings)
    else:
        file = Path(ask.candidates.file)
        if reach.is_address(ask.candidates.file):
            findings.error("read.not_a_path", ask.candidates.file)
            raise PlanError(findings)
        found = read_candidates(ask.candidates, file, study, study_area(plan, study.units), taken, findings)
    if found.empty and not findings.errors:
        findings.error("candidates.none", ask.candidates.file if ask.candidates else "")
    return found


def _children(plan: Plan, ask: Ask, study: Study, findings: Findings) -> tuple[np.ndarray, np.ndarray]:
    """Children of the bands asked about, and what one of them counts, by cell."""
    bands, weights = bands_of(ask, study), plan.siting.band_weights
    by_band = np.stack([study.origins[children_column(band)].to_numpy(dtype=float) for band in bands], axis=1)
    counts: Mapping[str, float] = weights  # type: ignore[assignment]
    children = by_band.sum(axis=1)
    weighted = by_band @ np.array([counts.get(band, 1.0) for band in bands])
    weight = np.divide(weighted, children, out=np.ones(len(children)), where=children > 0)
    return children, weight * _unit_weights(plan, study, findings)


def _unit_weights(plan: Plan, study: Study, findings: Findings) -> np.ndarray:
    """What the plan says a unit's children count; a unit inside another takes its own weight, else that one's."""
    known, of_unit = KnownUnits(study.units), dict[str, float]()
    for name, weight in plan.siting.unit_weights.items():
        meant = known.meant_by(name, "")
        if len(meant) != 1:
            findings.error("site.no_such_unit", plan.file.name, name=name, units=sorted(study.units["name"])[:8])
        of_unit |= dict.fromkeys(meant, weight)
    parent = dict(zip(study.units["unit_id"], study.units["parent_id"], strict=True))
    weights = {
        unit: next((of_unit[known] for known in (unit, *ancestors(unit, parent)) if known in of_unit), 1.0)
        for unit in parent
    }
    return np.asarray(study.origins["unit_id"].map(weights), dtype=float)


def _units(ask: Ask, study: Study, findings: Findings) -> np.ndarray:
    """The row, in the units, of each cell's unit at the level asked for; of its own unit where none above has it."""
    position = {unit: row for row, unit in enumerate(study.units["unit_id"])}
    level = dict(zip(study.units["unit_id"], study.units["level"], strict=True))
    parent = dict(zip(study.units["unit_id"], study.units["parent_id"], strict=True))
    if ask.level is not None and ask.level not in level.values():
        findings.error("site.no_such_level", "", level=ask.level, levels=sorted(set(level.values())))
    row = {
        unit: position[next((up for up in (unit, *ancestors(unit, parent)) if level[up] == ask.level), unit)]
        for unit in position
    }
    return np.asarray(study.origins["unit_id"].map(row), dtype=np.int64)


def _costs(ask: Ask, candidates: gpd.GeoDataFrame, findings: Findings) -> np.ndarray:
    """What each candidate costs; 1 each where no cost is known and none is asked about.

    A cost that nobody states is never made up beside costs that are stated: it would be the cheapest site of all.
    """
    costs = candidates["cost"].fillna(np.nan if ask.cost is None else ask.cost)
    lacking = candidates.loc[costs.isna(), "candidate_id"]
    counts = ask.budget is not None or ask.objective == "set-cover" or ask.front
    if len(lacking) and (ask.budget is not None or (counts and costs.notna().any())):
        findings.error("site.cost_unknown", "", ids=sorted(lacking)[:8], count=len(lacking))
    known: np.ndarray = np.ones(len(costs)) if costs.isna().any() else costs.to_numpy(dtype=float)
    return known


def _capacities(
    plan: Plan, ask: Ask, mine: gpd.GeoDataFrame, candidates: gpd.GeoDataFrame, findings: Findings
) -> np.ndarray:
    """Children for whom there are places, places ÷ participation; infinite where the question is not about places."""
    if ask.objective != "cover-capacitated":
        return np.full(len(mine) + len(candidates), np.inf)
    if (lacking := mine.loc[mine["capacity"].isna(), "facility_id"]).any():
        findings.error("site.capacity_unknown", "", ids=sorted(lacking)[:8], count=len(lacking))
    new = candidates["capacity"].fillna(np.nan if ask.capacity is None else ask.capacity)
    if (lacking := candidates.loc[new.isna(), "candidate_id"]).any():
        findings.error("site.capacity_of_new", "", ids=sorted(lacking)[:8], count=len(lacking))
    if ask.bands and (others := [band for band in catalog.kinds()[ask.kind].bands if band not in ask.bands]):
        findings.warning("site.places_of_others", "", bands=others)
    places = np.concatenate([mine["capacity"].to_numpy(dtype=float), new.to_numpy(dtype=float)])
    return places / plan.access.participation.get(ask.kind, 1.0)


def _too_near(
    study: Study, candidates: gpd.GeoDataFrame, apart_m: float, first: int, mine: gpd.GeoDataFrame
) -> np.ndarray:
    """Pairs of sites nearer to one another, in a straight line, than `apart_m`, one of them new."""
    if apart_m <= 0:
        return np.empty((0, 2), dtype=np.int64)
    places = gpd.GeoSeries([*mine.geometry, *candidates.geometry], crs=study.crs)
    one, other = places.sindex.query(places.to_numpy(), predicate="dwithin", distance=apart_m)
    near = (one < other) & (other >= first)
    near &= places.iloc[one].distance(places.iloc[other], align=False).to_numpy() < apart_m
    return np.column_stack([one[near], other[near]]).astype(np.int64)
