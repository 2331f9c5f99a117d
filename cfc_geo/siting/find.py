"""From a plan and a question to sites whose gain the pipeline has measured.

What an answer promises is never taken on trust: the sites become edits of a scenario, the scenario is run, and the
children that it covers must be the children that were promised, cell by cell.
"""

from dataclasses import dataclass, replace

import geopandas as gpd
import numpy as np
import pandas as pd

from cfc_geo.errors import DataError, Finding, Findings, SolveError
from cfc_geo.model import Result
from cfc_geo.plan import Plan
from cfc_geo.questions.siting.choose import alternatives, choose_sites, mask
from cfc_geo.questions.siting.front import FrontPoint, pareto_front
from cfc_geo.questions.siting.objectives import is_covered
from cfc_geo.questions.siting.problem import SitingAnswer, SitingProblem
from cfc_geo.run import Clock, Progress, answer_plan
from cfc_geo.siting.answer import out_of_limit_of, sites_table, with_sites
from cfc_geo.siting.ask import Ask, with_limit
from cfc_geo.siting.refusal import why_not
from cfc_geo.siting.state import candidates_of, check_known, state_problem
from cfc_geo.tables import COVERED


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
    placed_before: float | None
    findings: tuple[Finding, ...]

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
    check_known(plan, ask, before, findings)
    findings.raise_errors(DataError)
    with clock("candidates"):
        candidates = candidates_of(plan, ask, study, findings)
        problem = state_problem(plan, ask, study, steps.network, candidates, findings)
        findings.raise_errors(DataError)
    with clock("sites"):
        found = alternatives(
            problem, ask.objective, max(ask.alternatives, 1), time_limit_s=ask.time_limit_s, gap=ask.gap
        )
        if not found:
            farther = state_problem(plan, ask, study, steps.network, candidates, Findings(), farther=True)
            raise SolveError(why_not(plan, ask, farther, study))
        placed_before = _placed_before(problem, ask)
    with clock("front"):
        front = pareto_front(problem, time_limit_s=ask.time_limit_s, gap=ask.gap) if ask.front else []
    scenario = with_sites(plan, ask, candidates, problem, found[0])
    after, _ = answer_plan(scenario, steps, clock)
    _hold_to_promise(plan, ask, problem, found[0], after)
    return Siting(
        ask=ask,
        plan=plan,
        scenario=scenario,
        before=before,
        after=after,
        candidates=candidates,
        problem=problem,
        answer=found[0],
        sites=sites_table(ask, study, candidates, problem, found[0]),
        others=tuple(found[1:]),
        front=tuple(front),
        out_of_limit=out_of_limit_of(problem, study),
        placed_before=placed_before,
        findings=tuple(findings),
    )


def _placed_before(problem: SitingProblem, ask: Ask) -> float | None:
    """Children who have a place within the limit at the facilities that are there."""
    if ask.objective != "cover-capacitated":
        return None
    nothing = replace(
        problem, required=np.zeros_like(problem.required), sites=0, budget=None, cover_share=None,
        weight=np.ones_like(problem.weight),
    )  # fmt: skip
    return float(choose_sites(nothing, ask.objective, time_limit_s=ask.time_limit_s).served.sum())


def _hold_to_promise(plan: Plan, ask: Ask, problem: SitingProblem, answer: SitingAnswer, after: Result) -> None:
    """The scenario must cover the very cells that the answer covers; anything else is a fault of the program."""
    promised = is_covered(problem, mask(problem, answer.opened)) & (problem.children > 0)
    measured = (after.coverage.status[ask.kind] == COVERED).to_numpy() & (problem.children > 0)
    if (promised != measured).any():
        findings = Findings()
        told = [float(problem.children[covered].sum()) for covered in (promised, measured)]
        findings.error("site.promise_broken", plan.file.name, promised=told[0], measured=told[1])
        raise SolveError(findings)
