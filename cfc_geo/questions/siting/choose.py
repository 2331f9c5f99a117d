"""Where to build: one answer, or the best few, to a siting problem; exact, and honest about what is not proved."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from cfc_geo.network.costs import TOLERANCE_M
from cfc_geo.questions.siting import objectives
from cfc_geo.questions.siting.fairness import equity_outcome
from cfc_geo.questions.siting.merged import merge_demand, usable
from cfc_geo.questions.siting.objectives import Built, Cut, add_cuts, is_cut, nearest_open
from cfc_geo.questions.siting.problem import Objective, SitingAnswer, SitingProblem, Status
from cfc_geo.questions.siting.program import Deadline, Outcome, solve
from cfc_geo.questions.siting.start import greedy_sites
from cfc_geo.questions.siting.worth import Worth, idle_sites, keeps_all, loosest_bound, worth

MAXIMISED = ("cover", "cover-capacitated", "equity")


def choose_sites(
    problem: SitingProblem,
    objective: Objective,
    *,
    time_limit_s: float = 60.0,
    gap: float = 0.0,
    cuts: Sequence[Cut] = (),
    only_worst: bool = False,
) -> SitingAnswer:
    """The best sites to open. Exact if `status` is optimal; else the best found in the time, with its gap.

    Infeasible: no choice keeps all that is asked; `explain_infeasible` says why. `cuts`: answers that are not wanted.
    `only_worst`: equity looks at the worst unit and no further.
    """
    began = time.perf_counter()
    deadline = Deadline(time_limit_s)
    start = greedy_sites(problem, merge_demand(problem))
    find = partial(equity_outcome, only_worst=True) if only_worst else _FINDERS[objective]
    outcome = find(problem, start, cuts, deadline, gap)
    best = _best_kept(problem, objective, outcome, start, cuts)
    if best is None:
        status: Status = "infeasible" if outcome.status == "infeasible" else "unknown"
        return _no_answer(problem, status, time.perf_counter() - began)
    opened, its = best
    value = its.objective
    least = max(abs(value), 1.0) * 1e-6
    better = 1.0 if objective in MAXIMISED else -1.0
    trusted = outcome.x is not None and np.isfinite(outcome.bound) and (outcome.bound - value) * better >= -least
    bound = outcome.bound if trusted else loosest_bound(problem, objective)
    proved = trusted and outcome.status == "optimal" and abs(bound - value) <= least
    return SitingAnswer(
        status="optimal" if proved else "feasible",
        opened=np.flatnonzero(opened),
        objective=value,
        bound=value if abs(bound - value) <= least else bound,
        gap=0.0 if abs(bound - value) <= least else abs(bound - value) / max(abs(value), 1e-12),
        served_by=its.served_by,
        served=its.served,
        cost=float(problem.cost[opened].sum()),
        greedy_objective=_greedy_worth(problem, objective, start),
        seconds=time.perf_counter() - began,
    )


def alternatives(
    problem: SitingProblem, objective: Objective, k: int, *, time_limit_s: float = 60.0, gap: float = 0.0
) -> list[SitingAnswer]:
    """The `k` best answers that differ in their sites, the best first; fewer if there are no more. None of them is one
    before it with more sites that bring nothing.

    The time is for all of them: the first may take it all, those after it share what it leaves.
    """
    deadline = Deadline(time_limit_s)
    found: list[SitingAnswer] = []
    while len(found) < k and (not found or deadline.left() > 0):
        left_s = deadline.left() if not found else deadline.left() / (k - len(found))
        cuts = [Cut(mask(problem, answer.opened), with_more=answer.status == "optimal") for answer in found]
        answer = choose_sites(problem, objective, time_limit_s=left_s, gap=gap, cuts=cuts)
        if answer.status not in ("optimal", "feasible"):
            break
        found.append(answer)
    if all(answer.status == "optimal" for answer in found):
        return found
    better = -1.0 if objective in MAXIMISED else 1.0  # one found later may be better than what was not proved
    return sorted(found, key=lambda answer: better * answer.objective)


def mask(problem: SitingProblem, sites: np.ndarray) -> np.ndarray:
    """Positions of sites as a mask."""
    chosen = np.zeros(len(problem.existing), dtype=bool)
    chosen[sites] = True
    return chosen


# ------------------------------------------------------------------------------------------------------- by objective


def as_start(problem: SitingProblem, opened: np.ndarray, cuts: Sequence[Cut]) -> tuple[np.ndarray, np.ndarray] | None:
    """Sites as a solution to begin with, unless a cut forbids it."""
    if is_cut(opened, cuts):
        return None
    return np.arange(len(opened)), (opened | problem.existing).astype(float)


def _by_program(
    build: Callable[[SitingProblem], Built], problem: SitingProblem, start: np.ndarray, cuts: Sequence[Cut],
    deadline: Deadline, gap: float,
) -> Outcome:  # fmt: skip
    built = build(problem)
    add_cuts(problem, built.builder, cuts)
    outcome = solve(built.builder.build(), start=as_start(problem, start, cuts), deadline=deadline, gap=gap)
    bound = outcome.bound + built.constant
    return replace(outcome, bound=-bound if build in (objectives.cover, objectives.cover_capacitated) else bound)


def _p_center(
    problem: SitingProblem, start: np.ndarray, cuts: Sequence[Cut], deadline: Deadline, gap: float
) -> Outcome:
    """The least distance at which sites can cover all demand with children that can reach any: by halving the list of
    distances. Weights do not count."""
    steps = objectives.distance_steps(problem)
    least = float(steps.nearest_m[steps.first].max(initial=0.0))  # nobody can do better than its nearest usable site
    radii = np.unique(steps.nearest_m[steps.nearest_m >= least - TOLERANCE_M])
    if not len(radii):
        radii = np.array([0.0])
    low, high, best, proved = 0, len(radii) - 1, None, True
    bound = radii[0]
    while low <= high:
        middle = (low + high) // 2
        outcome = _all_within(problem, float(radii[middle]), cuts, deadline)
        if outcome.x is not None:
            best, high = outcome.x, middle - 1
        elif outcome.status == "infeasible":
            low = middle + 1
            bound = radii[low] if low < len(radii) else np.inf
        else:
            low, proved = middle + 1, False  # nobody knows whether this radius works: go on, without its proof
    if best is None:
        return Outcome("infeasible" if proved else "unknown", None, np.inf)
    reached = nearest_open(problem, best[: len(problem.existing)] > 0.5)[1]
    worst = float(reached[(problem.children > 0) & np.isfinite(reached)].max(initial=0.0))
    return Outcome("optimal" if proved else "feasible", best, worst if proved else float(bound))


def _all_within(problem: SitingProblem, radius_m: float, cuts: Sequence[Cut], deadline: Deadline) -> Outcome:
    built = objectives.set_cover(replace(problem, limit_m=radius_m, cover_share=None))
    objectives.add_share(problem, built.builder)
    reachable = np.zeros(len(problem.children), dtype=bool)
    pairs = usable(problem)[problem.site]
    reachable[problem.demand[pairs]] = True
    near = np.zeros(len(problem.children), dtype=bool)
    near[problem.demand[pairs & (problem.metres <= radius_m + TOLERANCE_M)]] = True
    if (reachable & ~near & (problem.children > 0)).any():
        return Outcome("infeasible", None, np.inf)
    add_cuts(problem, built.builder, cuts)
    return solve(built.builder.build(), start=None, deadline=deadline, gap=1.0)


_FINDERS: dict[Objective, Callable[[SitingProblem, np.ndarray, Sequence[Cut], Deadline, float], Outcome]] = {
    "cover": lambda *asked: _by_program(objectives.cover, *asked),
    "cover-capacitated": lambda *asked: _by_program(objectives.cover_capacitated, *asked),
    "set-cover": lambda *asked: _by_program(objectives.set_cover, *asked),
    "p-median": lambda *asked: _by_program(objectives.p_median, *asked),
    "p-center": _p_center,
    "equity": equity_outcome,
}


def _greedy_worth(problem: SitingProblem, objective: Objective, start: np.ndarray) -> float:
    """What the start is worth; NaN where that would take a program of its own."""
    if objective == "cover-capacitated":
        return float("nan")
    return worth(problem, objective, start, None).objective


def _best_kept(
    problem: SitingProblem, objective: Objective, outcome: Outcome, start: np.ndarray, cuts: Sequence[Cut]
) -> tuple[np.ndarray, Worth] | None:
    """The better of what the solver found and what it began with, of those that keep all that is asked, without idle
    sites. The solver's word is not taken for it: it may run out of time before it has read its start, or be wrong."""
    better = 1.0 if objective in MAXIMISED else -1.0
    best: tuple[np.ndarray, Worth] | None = None
    for x in (outcome.x, None if objective == "cover-capacitated" or is_cut(start, cuts) else start.astype(float)):
        if x is None:
            continue
        opened = (x[: len(problem.existing)] > 0.5) & ~problem.existing
        fewer = opened & ~idle_sites(problem, objective, opened, x)
        opened = opened if is_cut(fewer, cuts) else fewer
        its = worth(problem, objective, opened, x)
        if not keeps_all(problem, objective, opened, its):
            continue
        if best is None or (its.objective - best[1].objective) * better > 1e-6 * max(abs(its.objective), 1.0):
            best = opened, its
    return best


def _no_answer(problem: SitingProblem, status: Status, seconds: float) -> SitingAnswer:
    nothing = np.zeros(len(problem.children))
    return SitingAnswer(
        status, np.empty(0, dtype=np.int64), np.nan, np.nan, np.nan,
        np.full(len(problem.children), -1), nothing, np.nan, np.nan, seconds,
    )  # fmt: skip
