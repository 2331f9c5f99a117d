"""Where to build next: from a plan and a question to sites whose gain the pipeline has measured.

What an answer promises is never taken on trust: the sites become edits of a scenario, the scenario is run, and the
children that it covers must be the children that were promised, cell by cell.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from cfc_geo import catalog, reach
from cfc_geo.blocks import NormOverride
from cfc_geo.edits import Edit
from cfc_geo.errors import DataError, Findings, PlanError, SolveError
from cfc_geo.inputs.candidates import CandidateFile, grid_candidates, read_candidates
from cfc_geo.inputs.study import study_area
from cfc_geo.inputs.units import KnownUnits
from cfc_geo.model import Network, Result, Study
from cfc_geo.network.costs import attach, travel_costs
from cfc_geo.plan import Plan
from cfc_geo.questions.siting.choose import alternatives, choose_sites, mask
from cfc_geo.questions.siting.front import FrontPoint, pareto_front
from cfc_geo.questions.siting.infeasible import Explanation, explain_infeasible
from cfc_geo.questions.siting.objectives import is_covered
from cfc_geo.questions.siting.problem import Objective, SitingAnswer, SitingProblem
from cfc_geo.run import Clock, Progress, answer_plan
from cfc_geo.tables import COVERED, SITE_COLUMNS, children_column

FAR_OBJECTIVES = ("p-median", "p-center")
"""Objectives that look beyond the limit."""
LOOK_FARTHER = 3.0
"""Where nothing does what is asked, a longer limit that would is looked for up to so many limits."""


@dataclass(frozen=True)
class Ask:
    """What is asked. `bands` default to those the kind is for; `cost` and `capacity` are of candidates that state none;
    `limit_m` departs from the norm; `horizon_m` is how far p-median and p-center look; `level` names the units that
    equity compares (default: the lowest)."""

    kind: str
    objective: Objective = "cover"
    sites: int | None = None
    budget: float | None = None
    cover_share: float | None = None
    bands: tuple[str, ...] = ()
    candidates: CandidateFile | None = None
    grid_m: float = 200.0
    capacity: float | None = None
    cost: float | None = None
    apart_m: float = 0.0
    limit_m: float | None = None
    horizon_m: float = 5_000.0
    level: str | None = None
    alternatives: int = 1
    front: bool = False
    time_limit_s: float = 60.0
    gap: float = 0.0


@dataclass(frozen=True, eq=False)
class Siting:
    """The answer, what it rests on, and what the pipeline made of it.

    `plan` has the asked limit; `scenario` is the plan with the sites as its last edits; `before` and `after` are their
    results. `sites` are the new ones (`tables.SITE_COLUMNS`); `others` the next best answers, `front` what more would
    bring. `out_of_limit`: children of the bands, by unit, whom no candidate and no facility reaches. `placed_before`:
    children who have a place within the limit without the sites, None where the question is not about places.
    """

    ask: Ask
    plan: Plan
    scenario: Plan
    before: Result
    after: Result
    candidates: gpd.GeoDataFrame
    problem: SitingProblem
    answer: SitingAnswer
    sites: gpd.GeoDataFrame
    others: tuple[SitingAnswer, ...]
    front: tuple[FrontPoint, ...]
    out_of_limit: pd.Series
    placed_before: float | None = None
    findings: tuple = field(default_factory=tuple)  # type: ignore[type-arg]

    @property
    def site_ids(self) -> np.ndarray:
        """Ids by position in the problem: the kind's facilities, then the candidates."""
        kept = self.before.study.facilities
        return np.concatenate(
            [
                kept.loc[kept["kind"] == self.ask.kind, "facility_id"].to_numpy(dtype=object),
                self.candidates["candidate_id"].to_numpy(dtype=object),
            ]
        )


def find_sites(plan: Plan, ask: Ask, progress: Progress = lambda stage: None) -> Siting:
    """Choose sites for `ask.kind`, run the scenario that builds them, and hold it to what was promised.

    Raises `PlanError` and `DataError` for faults of plan and candidates, `SolveError` where no choice does what is
    asked (with the reason, and the least that would do) or none was found in the time.
    """
    clock = Clock(progress)
    plan = with_limit(plan, ask)
    before, steps = answer_plan(plan, None, clock)
    study, findings = before.study, Findings()
    _check_known(plan, ask, before, findings)
    findings.raise_errors(DataError)
    with clock("candidates"):
        candidates = _candidates(plan, ask, study, findings)
        problem = state_problem(plan, ask, study, steps.network, candidates, findings)
        findings.raise_errors(DataError)
    with clock("sites"):
        found = alternatives(
            problem, ask.objective, max(ask.alternatives, 1), time_limit_s=ask.time_limit_s, gap=ask.gap
        )
        if not found:
            farther = state_problem(plan, ask, study, steps.network, candidates, Findings(), farther=True)
            raise SolveError(_why_not(plan, ask, farther, study))
        placed_before = _placed_before(problem, ask)
    with clock("front"):
        front = pareto_front(problem, time_limit_s=ask.time_limit_s, gap=ask.gap) if ask.front else []
    scenario = with_sites(plan, ask, candidates, problem, found[0])
    after, _ = answer_plan(scenario, steps, clock)
    _hold_to_promise(plan, ask, problem, found[0], before, after)
    return Siting(
        ask=ask,
        plan=plan,
        scenario=scenario,
        before=before,
        after=after,
        candidates=candidates,
        problem=problem,
        answer=found[0],
        sites=_sites_table(ask, study, candidates, problem, found[0]),
        others=tuple(found[1:]),
        front=tuple(front),
        out_of_limit=_out_of_limit(problem, study),
        placed_before=placed_before,
        findings=tuple(findings),
    )


# ----------------------------------------------------------------------------------------------------- the question


def with_limit(plan: Plan, ask: Ask) -> Plan:
    """The plan, asked with `ask.limit_m` in place of its own limit for the kind."""
    if ask.limit_m is None:
        return plan
    kept = [change for change in plan.norms.override if change.kind != ask.kind]
    change = NormOverride(kind=ask.kind, limit_m=ask.limit_m, why=catalog.word("site.limit_asked", "zh"))
    return plan.model_copy(update={"norms": plan.norms.model_copy(update={"override": [*kept, change]})})


def _check_known(plan: Plan, ask: Ask, before: Result, findings: Findings) -> None:
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


def bands_of(ask: Ask, study: Study) -> tuple[str, ...]:
    """The bands asked about, without those of which nobody knows the children."""
    asked = ask.bands or catalog.kinds()[ask.kind].bands
    return tuple(band for band in asked if band not in study.unknown_bands)


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


def _candidates(plan: Plan, ask: Ask, study: Study, findings: Findings) -> gpd.GeoDataFrame:
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

    def weight_of(unit: str) -> float:
        while unit and unit not in of_unit:
            unit = parent.get(unit, "")
        return float(of_unit.get(unit, 1.0))

    weights: np.ndarray = study.origins["unit_id"].map({unit: weight_of(unit) for unit in parent}).to_numpy(dtype=float)
    return weights


def _units(ask: Ask, study: Study, findings: Findings) -> np.ndarray:
    """The number of each cell's unit at the level asked for, the row of the units."""
    position = {unit: row for row, unit in enumerate(study.units["unit_id"])}
    level = dict(zip(study.units["unit_id"], study.units["level"], strict=True))
    parent = dict(zip(study.units["unit_id"], study.units["parent_id"], strict=True))
    if ask.level is not None and ask.level not in level.values():
        findings.error("site.no_such_level", "", level=ask.level, levels=sorted(set(level.values())))

    def at_level(unit: str) -> int:
        up = unit
        while ask.level is not None and up and level[up] != ask.level:
            up = parent[up]
        return position[up or unit]

    units: np.ndarray = (
        study.origins["unit_id"].map({unit: at_level(unit) for unit in position}).to_numpy(dtype=np.int64)
    )
    return units


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


# ------------------------------------------------------------------------------------------------------ the answer


def with_sites(
    plan: Plan, ask: Ask, candidates: gpd.GeoDataFrame, problem: SitingProblem, answer: SitingAnswer
) -> Plan:
    """The plan with the sites of the answer as its last edits."""
    first = int(problem.existing.sum())
    new = [site_edit(ask, candidates.iloc[site - first]) for site in answer.opened]
    return plan.model_copy(update={"edits": [*plan.edits, *(Edit.model_validate(edit) for edit in new)], "cost": None})


def site_edit(ask: Ask, candidate: pd.Series) -> dict[str, object]:
    """A new site as an edit, in the plain values of a plan file."""
    add: dict[str, object] = {"id": candidate["candidate_id"], "kind": ask.kind}
    if candidate["name"]:
        add["name"] = candidate["name"]
    add |= {"at": [float(candidate["lon"]), float(candidate["lat"])], "datum": "wgs84"}
    capacity = ask.capacity if np.isnan(candidate["capacity"]) else float(candidate["capacity"])
    if capacity is not None:
        add["capacity"] = capacity
    cost = ask.cost if np.isnan(candidate["cost"]) else float(candidate["cost"])
    return {"add": add, **({} if cost is None else {"cost": cost})}


def _placed_before(problem: SitingProblem, ask: Ask) -> float | None:
    """Children who have a place within the limit at the facilities that are there."""
    if ask.objective != "cover-capacitated":
        return None
    nothing = replace(
        problem, required=np.zeros_like(problem.required), sites=0, budget=None, cover_share=None,
        weight=np.ones_like(problem.weight),
    )  # fmt: skip
    return float(choose_sites(nothing, ask.objective, time_limit_s=ask.time_limit_s).served.sum())


def _hold_to_promise(
    plan: Plan, ask: Ask, problem: SitingProblem, answer: SitingAnswer, before: Result, after: Result
) -> None:
    """The scenario must cover the very cells that the answer covers; anything else is a fault of the program."""
    promised = is_covered(problem, mask(problem, answer.opened)) & (problem.children > 0)
    measured = (after.coverage.status[ask.kind] == COVERED).to_numpy() & (problem.children > 0)
    if (promised != measured).any():
        findings = Findings()
        told = [float(problem.children[covered].sum()) for covered in (promised, measured)]
        findings.error("site.promise_broken", plan.file.name, promised=told[0], measured=told[1])
        raise SolveError(findings)


def _sites_table(
    ask: Ask, study: Study, candidates: gpd.GeoDataFrame, problem: SitingProblem, answer: SitingAnswer
) -> gpd.GeoDataFrame:
    """The sites in the order in which each adds most: `tables.SITE_COLUMNS` and geometry."""
    first = int(problem.existing.sum())
    had = is_covered(problem, np.zeros(len(problem.existing), dtype=bool))
    reach_of = {site: _reached(problem, site) for site in answer.opened.tolist()}
    rows, covered, left = list[dict[str, object]](), had.copy(), list(reach_of)
    names = dict(zip(study.units["unit_id"], study.units["name"], strict=True))
    while left:
        best = max(left, key=lambda site: problem.children[reach_of[site] & ~covered].sum())
        left.remove(best)
        candidate, near = candidates.iloc[best - first], reach_of[best]
        capacity = ask.capacity if np.isnan(candidate["capacity"]) else candidate["capacity"]
        rows.append(
            {
                "rank": len(rows) + 1,
                "facility_id": candidate["candidate_id"],
                "name": candidate["name"],
                "kind": ask.kind,
                "unit_id": candidate["unit_id"],
                "unit_name": names.get(candidate["unit_id"], ""),
                "lon": candidate["lon"],
                "lat": candidate["lat"],
                "cost": np.nan if ask.cost is None and np.isnan(candidate["cost"]) else problem.cost[best],
                "capacity": np.nan if capacity is None else capacity,
                "children_in_limit": problem.children[near].sum(),
                "children_alone": problem.children[near & ~had].sum(),
                "children_added": problem.children[near & ~covered].sum(),
                "geometry": candidate["geometry"],
            }
        )
        covered |= near
    return gpd.GeoDataFrame(rows, columns=[*SITE_COLUMNS, "geometry"], geometry="geometry", crs=study.crs)


def _reached(problem: SitingProblem, site: int) -> np.ndarray:
    near = np.zeros(len(problem.children), dtype=bool)
    near[problem.demand[(problem.site == site) & (problem.metres <= problem.limit_m + 1e-6)]] = True
    return near


def _out_of_limit(problem: SitingProblem, study: Study) -> pd.Series:
    everything = ~problem.forbidden | problem.existing
    lost = ~is_covered(problem, everything)
    children = pd.Series(np.where(lost, problem.children, 0.0)).groupby(study.origins["unit_id"].to_numpy()).sum()
    return children[children > 0].sort_values(ascending=False)


# ------------------------------------------------------------------------------------------------------- no answer


def _why_not(plan: Plan, ask: Ask, problem: SitingProblem, study: Study) -> Findings:
    """Why there is no answer, in a planner's words, and the least that would do."""
    findings, file = Findings(), plan.file.name
    again = choose_sites(problem, ask.objective, time_limit_s=ask.time_limit_s, gap=1.0)
    if again.status != "infeasible":
        findings.error("site.no_time", file, seconds=ask.time_limit_s)
        return findings
    why = explain_infeasible(problem, ask.objective, time_limit_s=ask.time_limit_s)
    ids = [*study.facilities.loc[study.facilities["kind"] == ask.kind, "facility_id"]]
    if len(why.required_apart):
        findings.error("site.required_apart", file, metres=ask.apart_m, count=len(why.required_apart))
    if ask.sites is not None and why.required_count > ask.sites:
        findings.error("site.required_many", file, count=why.required_count, sites=ask.sites)
    if ask.budget is not None and why.required_cost > ask.budget:
        findings.error("site.required_dear", file, cost=why.required_cost, budget=ask.budget)
    if ask.objective not in FAR_OBJECTIVES or ask.cover_share is not None:
        _tell_unreached(why, problem, study, file, findings)
    _tell_least(why, ask, file, findings)
    if not findings.errors:
        findings.error("site.infeasible", file, existing=len(ids))
    return findings


def _tell_unreached(why: Explanation, problem: SitingProblem, study: Study, file: str, findings: Findings) -> None:
    lost = float(problem.children[why.out_of_limit].sum())
    if lost > 0:
        by_unit = pd.Series(np.where(why.out_of_limit, problem.children, 0.0)).groupby(
            study.origins["unit_id"].to_numpy()
        )
        names = dict(zip(study.units["unit_id"], study.units["name"], strict=True))
        most = by_unit.sum().sort_values(ascending=False).head(5)
        shown = [f"{names[unit]} {children:,.0f}" for unit, children in most.items() if children > 0]
        percent = 100 * lost / float(problem.children.sum())
        findings.error(
            "site.unreached",
            file,
            children=round(lost, 1),
            percent=round(percent, 1),
            limit_m=problem.limit_m,
            units=shown,
        )


def _tell_least(why: Explanation, ask: Ask, file: str, findings: Findings) -> None:
    if ask.sites is not None and np.isfinite(why.least_sites):
        findings.error("site.least_sites", file, sites=ask.sites, least=int(why.least_sites))
    if ask.budget is not None and np.isfinite(why.least_cost):
        findings.error("site.least_cost", file, budget=ask.budget, least=why.least_cost)
    if np.isfinite(why.least_limit_m):
        findings.error("site.least_limit", file, least_m=float(np.ceil(why.least_limit_m * 10) / 10))
