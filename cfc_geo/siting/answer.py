"""From the answer of a siting problem to what a planner reads and runs: edits, and a table of sites."""

import geopandas as gpd
import numpy as np
import pandas as pd

from cfc_geo.edits import Edit
from cfc_geo.model import Study
from cfc_geo.network.costs import TOLERANCE_M
from cfc_geo.plan import Plan
from cfc_geo.questions.siting.objectives import is_covered
from cfc_geo.questions.siting.problem import SitingAnswer, SitingProblem
from cfc_geo.siting.ask import Ask
from cfc_geo.tables import SITE_COLUMNS


def with_sites(
    plan: Plan, ask: Ask, candidates: gpd.GeoDataFrame, problem: SitingProblem, answer: SitingAnswer
) -> Plan:
    """The plan with the sites of the answer as its last edits."""
    first = int(problem.existing.sum())
    new = [site_edit(ask, candidates.iloc[site - first]) for site in answer.opened]
    edits = [*plan.edits, *(Edit.model_validate(edit) for edit in new)]
    return plan.model_copy(update={"name": f"{plan.name} + {len(new)}", "edits": edits, "cost": None})


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


def sites_table(
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
    near[problem.demand[(problem.site == site) & (problem.metres <= problem.limit_m + TOLERANCE_M)]] = True
    return near


def out_of_limit_of(problem: SitingProblem, study: Study) -> pd.Series:
    """Children by unit_id, most first, whom no facility and no candidate reaches within the limit; units without any
    are left out."""
    everything = ~problem.forbidden | problem.existing
    lost = ~is_covered(problem, everything)
    children = pd.Series(np.where(lost, problem.children, 0.0)).groupby(study.origins["unit_id"].to_numpy()).sum()
    return children[children > 0].sort_values(ascending=False)
