"""Why there is no answer, in a planner's words, and the least that would do."""

import numpy as np
import pandas as pd

from cfc_geo.errors import Findings
from cfc_geo.model import Study
from cfc_geo.plan import Plan
from cfc_geo.questions.siting.choose import choose_sites
from cfc_geo.questions.siting.infeasible import Explanation, explain_infeasible
from cfc_geo.questions.siting.problem import SitingProblem
from cfc_geo.siting.ask import FAR_OBJECTIVES, Ask


def why_not(plan: Plan, ask: Ask, problem: SitingProblem, study: Study) -> Findings:
    """Why there is no answer, in a planner's words, and the least that would do."""
    findings, file = Findings(), plan.file.name
    again = choose_sites(problem, ask.objective, time_limit_s=ask.time_limit_s, gap=1.0)
    if again.status != "infeasible":
        findings.error("site.no_time", file, seconds=ask.time_limit_s)
        return findings
    why = explain_infeasible(problem, ask.objective, time_limit_s=ask.time_limit_s)
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
        findings.error("site.infeasible", file, existing=int(problem.existing.sum()))
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
