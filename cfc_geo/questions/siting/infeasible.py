"""Why no choice does what is asked, and the least that would."""

from dataclasses import dataclass, replace

import numpy as np

from cfc_geo.questions.siting.choose import choose_sites
from cfc_geo.questions.siting.merged import usable, within
from cfc_geo.questions.siting.problem import Objective, SitingProblem
from cfc_geo.questions.siting.program import Deadline


@dataclass(frozen=True, eq=False)
class Explanation:
    """What stands in the way. NaN: nothing of that kind would help, or nobody could tell in the time.

    out_of_limit      demand with children that no usable site reaches within the limit
    out_of_reach      demand with children that no usable site reaches within the horizon
    required_count, required_cost   what the required new sites alone take
    required_apart    pairs of required or existing sites that may not stand together
    least_sites, least_cost         the fewest new sites, or the least cost, that would do, all else as asked
    least_limit_m     the shortest limit at which what is asked can be done
    """

    out_of_limit: np.ndarray
    out_of_reach: np.ndarray
    required_count: int
    required_cost: float
    required_apart: np.ndarray
    least_sites: float
    least_cost: float
    least_limit_m: float


def explain_infeasible(problem: SitingProblem, objective: Objective, *, time_limit_s: float = 60.0) -> Explanation:
    """Look for the reason: what nobody can reach, what contradicts itself, and which single bound to loosen."""
    deadline = Deadline(time_limit_s)
    children, may = problem.children > 0, usable(problem)
    near, reached = np.zeros((2, len(problem.children)), dtype=bool)
    near[problem.demand[within(problem)]] = True
    reached[problem.demand[may[problem.site]]] = True
    needed = problem.required & ~problem.existing
    firm = problem.required | problem.existing
    return Explanation(
        out_of_limit=children & ~near,
        out_of_reach=children & ~reached,
        required_count=int(needed.sum()),
        required_cost=float(problem.cost[needed].sum()),
        required_apart=problem.apart[firm[problem.apart].all(axis=1) & ~problem.existing[problem.apart].all(axis=1)],
        least_sites=_least_sites(problem, objective, deadline),
        least_cost=_least(replace(problem, budget=None), objective, deadline),
        least_limit_m=_least_limit(problem, objective, deadline),
    )


def _least_sites(problem: SitingProblem, objective: Objective, deadline: Deadline) -> float:
    """The fewest new sites that do what is asked; a budget in other units is dropped."""
    if not _needs_trying(problem, objective):
        return _least(replace(problem, sites=None, cost=np.ones(len(problem.cost))), objective, deadline)
    free = int((~problem.existing & ~problem.forbidden).sum())
    low, high, found = 0, free, float("nan")
    while low <= high:  # what some can do more can
        middle = (low + high) // 2
        asked = replace(problem, sites=middle, budget=None)
        status = choose_sites(asked, objective, time_limit_s=deadline.left() / 2, gap=1.0).status
        if status in ("optimal", "feasible"):
            found, high = float(middle), middle - 1
        elif status == "infeasible":
            low = middle + 1
        else:
            return float("nan")
    return found


def _needs_trying(problem: SitingProblem, objective: Objective) -> bool:
    """Whether a set cover does not ask the same: it knows neither places nor, beside a share, the way of all others."""
    return problem.cover_share is not None and objective in ("p-median", "p-center", "cover-capacitated")


def _least(problem: SitingProblem, objective: Objective, deadline: Deadline) -> float:
    """The least cost of new sites that do what `objective` asks of everybody; a budget in other units is dropped."""
    if _needs_trying(problem, objective):
        return float("nan")
    asked = replace(problem, budget=None)
    if objective in ("p-median", "p-center"):  # everybody who can reach a site must
        asked = replace(asked, limit_m=float(problem.metres.max(initial=0.0)), cover_share=None)
    elif asked.cover_share is None and objective != "set-cover":
        return float("nan")  # a maximum asks for nothing that more sites would bring
    answer = choose_sites(asked, "set-cover", time_limit_s=deadline.left() / 2)
    return float(problem.cost[answer.opened].sum()) if answer.status == "optimal" else float("nan")


def _least_limit(problem: SitingProblem, objective: Objective, deadline: Deadline) -> float:
    """By halving the list of distances: what can be covered only grows with the limit."""
    if problem.cover_share is None or objective in ("p-median", "p-center", "cover-capacitated"):
        return float("nan")
    longer = np.unique(problem.metres[problem.metres > problem.limit_m])
    low, high, found = 0, len(longer) - 1, float("nan")
    while low <= high:
        middle = (low + high) // 2
        asked = replace(problem, limit_m=float(longer[middle]))
        status = choose_sites(asked, "cover", time_limit_s=deadline.left() / 2, gap=1.0).status
        if status in ("optimal", "feasible"):
            found, high = float(longer[middle]), middle - 1
        elif status == "infeasible":
            low = middle + 1
        else:
            break
    return found
