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
from cfc_geo.questions.siting.objectives import Built, nearest_open, unit_shares
from cfc_geo.questions.siting.problem import Objective, SitingAnswer, SitingProblem, Status
from cfc_geo.questions.siting.program import Builder, Deadline, Outcome, solve
from cfc_geo.questions.siting.start import greedy_sites

MAXIMISED = ("cover", "cover-capacitated", "equity")
Cuts = Sequence[np.ndarray]
"""Masks of sites that may not be the answer again."""


def choose_sites(
    problem: SitingProblem,
    objective: Objective,
    *,
    time_limit_s: float = 60.0,
    gap: float = 0.0,
    cuts: Cuts = (),
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
    opened = None if outcome.x is None else outcome.x[: len(problem.existing)] > 0.5
    if opened is None:
        status: Status = "infeasible" if outcome.status == "infeasible" else "unknown"
        return _no_answer(problem, status, time.perf_counter() - began)
    opened &= ~problem.existing
    value, served, served_by = _worth(problem, objective, opened, outcome)
    bound = outcome.bound
    off = abs(bound - value)
    proved = outcome.status == "optimal" and off <= max(abs(value), 1.0) * max(gap, 1e-6)
    return SitingAnswer(
        status="optimal" if proved and off <= max(abs(value), 1.0) * 1e-6 else "feasible",
        opened=np.flatnonzero(opened),
        objective=value,
        bound=value if off <= max(abs(value), 1.0) * 1e-6 else bound,
        gap=0.0 if off <= max(abs(value), 1.0) * 1e-6 else off / max(abs(value), 1e-12),
        served_by=served_by,
        served=served,
        cost=float(problem.cost[opened].sum()),
        greedy_objective=_greedy_worth(problem, objective, start),
        seconds=time.perf_counter() - began,
    )


def alternatives(
    problem: SitingProblem, objective: Objective, k: int, *, time_limit_s: float = 60.0, gap: float = 0.0
) -> list[SitingAnswer]:
    """The `k` best answers that differ in their sites, the best first; fewer if there are no more."""
    found: list[SitingAnswer] = []
    cuts: list[np.ndarray] = []
    while len(found) < k:
        answer = choose_sites(problem, objective, time_limit_s=time_limit_s, gap=gap, cuts=cuts)
        if answer.status not in ("optimal", "feasible"):
            break
        found.append(answer)
        cuts.append(mask(problem, answer.opened))
    return found


def mask(problem: SitingProblem, sites: np.ndarray) -> np.ndarray:
    """Positions of sites as a mask."""
    chosen = np.zeros(len(problem.existing), dtype=bool)
    chosen[sites] = True
    return chosen


# ------------------------------------------------------------------------------------------------------- by objective


def add_cuts(problem: SitingProblem, builder: Builder, cuts: Cuts) -> None:
    """None of these answers again: at least one site must differ."""
    new = np.flatnonzero(~problem.existing & ~problem.forbidden)
    for cut in cuts:
        sign = np.where(cut[new], -1.0, 1.0)
        builder.add_rows(np.zeros(len(new)), new, sign, 1.0 - float(cut[new].sum()), np.inf, count=1)


def as_start(problem: SitingProblem, opened: np.ndarray, cuts: Cuts) -> tuple[np.ndarray, np.ndarray] | None:
    """Sites as a solution to begin with, unless a cut forbids it."""
    if any((cut == opened).all() for cut in cuts):
        return None
    return np.arange(len(opened)), (opened | problem.existing).astype(float)


def _by_program(
    build: Callable[[SitingProblem], Built], problem: SitingProblem, start: np.ndarray, cuts: Cuts,
    deadline: Deadline, gap: float,
) -> Outcome:  # fmt: skip
    built = build(problem)
    add_cuts(problem, built.builder, cuts)
    outcome = solve(built.builder.build(), start=as_start(problem, start, cuts), deadline=deadline, gap=gap)
    bound = outcome.bound + built.constant
    return replace(outcome, bound=-bound if build in (objectives.cover, objectives.cover_capacitated) else bound)


def _p_center(problem: SitingProblem, start: np.ndarray, cuts: Cuts, deadline: Deadline, gap: float) -> Outcome:
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


def _all_within(problem: SitingProblem, radius_m: float, cuts: Cuts, deadline: Deadline) -> Outcome:
    at_radius = replace(problem, limit_m=radius_m, cover_share=None)
    built = objectives.set_cover(at_radius)
    reachable = np.zeros(len(problem.children), dtype=bool)
    pairs = usable(problem)[problem.site]
    reachable[problem.demand[pairs]] = True
    near = np.zeros(len(problem.children), dtype=bool)
    near[problem.demand[pairs & (problem.metres <= radius_m + TOLERANCE_M)]] = True
    if (reachable & ~near & (problem.children > 0)).any():
        return Outcome("infeasible", None, np.inf)
    add_cuts(problem, built.builder, cuts)
    return solve(built.builder.build(), start=None, deadline=deadline, gap=1.0)


_FINDERS: dict[Objective, Callable[[SitingProblem, np.ndarray, Cuts, Deadline, float], Outcome]] = {
    "cover": lambda *asked: _by_program(objectives.cover, *asked),
    "cover-capacitated": lambda *asked: _by_program(objectives.cover_capacitated, *asked),
    "set-cover": lambda *asked: _by_program(objectives.set_cover, *asked),
    "p-median": lambda *asked: _by_program(objectives.p_median, *asked),
    "p-center": _p_center,
    "equity": equity_outcome,
}


# ------------------------------------------------------------------------------------------- what an answer is worth


def _worth(
    problem: SitingProblem, objective: Objective, opened: np.ndarray, outcome: Outcome
) -> tuple[float, np.ndarray, np.ndarray]:
    """The objective of the opened sites, children served by demand point, and the site that serves each."""
    nearest, away_m = nearest_open(problem, opened)
    covered = away_m <= problem.limit_m + TOLERANCE_M
    served = np.where(covered, problem.children, 0.0)
    by = np.where(covered, nearest, -1)
    weighted = problem.children * problem.weight
    match objective:
        case "cover":
            return float(weighted[covered].sum()), served, by
        case "cover-capacitated":
            served, by = _assigned(problem, outcome)
            return float((served * problem.weight).sum()), served, by
        case "set-cover":
            differ = objectives.costs_differ(problem)
            return float(problem.cost[opened].sum() if differ else opened.sum()), served, by
        case "p-median":
            within = np.isfinite(away_m)
            return float((weighted * np.where(within, away_m, 0.0)).sum()), served, np.where(within, nearest, -1)
        case "p-center":
            within = np.isfinite(away_m) & (problem.children > 0)
            return float(away_m[within].max(initial=0.0)), served, np.where(np.isfinite(away_m), nearest, -1)
        case "equity":
            return float(unit_shares(problem, served).min(initial=1.0)), served, by


def _assigned(problem: SitingProblem, outcome: Outcome) -> tuple[np.ndarray, np.ndarray]:
    """Children served at each demand point, those of a row shared out alike, and the site that takes most of them."""
    assert outcome.x is not None
    rows = merge_demand(problem, by_weight=True, with_existing=True)
    taken = np.clip(outcome.x[len(problem.existing) :], 0.0, rows.children[rows.row])
    of_row = np.minimum(np.bincount(rows.row, taken, len(rows.children)), rows.children)
    known = rows.row_of_demand >= 0
    share = np.zeros(len(problem.children))
    share[known] = (of_row / rows.children)[rows.row_of_demand[known]]
    most = np.full(len(rows.children), -1)
    order = np.lexsort((rows.site, -taken, rows.row))
    first = np.ones(len(order), dtype=bool)
    first[1:] = np.diff(rows.row[order]) != 0
    most[rows.row[order][first]] = np.where(taken[order][first] > 0, rows.site[order][first], -1)
    by = np.full(len(problem.children), -1)
    by[known] = most[rows.row_of_demand[known]]
    return problem.children * share, by


def _greedy_worth(problem: SitingProblem, objective: Objective, start: np.ndarray) -> float:
    """What the start is worth; NaN where that would take a program of its own."""
    if objective == "cover-capacitated":
        return float("nan")
    return _worth(problem, objective, start, Outcome("feasible", None, 0.0))[0]


def _no_answer(problem: SitingProblem, status: Status, seconds: float) -> SitingAnswer:
    nothing = np.zeros(len(problem.children))
    return SitingAnswer(
        status, np.empty(0, dtype=np.int64), np.nan, np.nan, np.nan,
        np.full(len(problem.children), -1), nothing, np.nan, np.nan, seconds,
    )  # fmt: skip
