"""What more money or more sites would bring: the Pareto front of cost against children covered and the worst unit."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from cfc_geo.questions.siting.choose import choose_sites, mask
from cfc_geo.questions.siting.merged import merge_demand
from cfc_geo.questions.siting.objectives import costs_differ, is_covered, unit_shares
from cfc_geo.questions.siting.problem import Objective, SitingProblem
from cfc_geo.questions.siting.program import Deadline

MAX_POINTS = 12


@dataclass(frozen=True, eq=False)
class FrontPoint:
    """The best answer for `allowed` (sites, or cost where costs differ) and one objective: what it costs, how many
    children it covers (existing sites included), and the least share covered of any unit. `proved`: optimal."""

    objective: Objective
    allowed: float
    opened: np.ndarray
    cost: float
    children: float
    worst_share: float
    proved: bool


def pareto_front(
    problem: SitingProblem, *, most: float | None = None, time_limit_s: float = 120.0, gap: float = 0.0
) -> list[FrontPoint]:
    """For each objective (cover, equity) the points that no other beats, cheapest first, at up to `MAX_POINTS` levels.

    Levels: 0, 1, 2 … sites; of cost, where costs differ, equal steps up to `most` (default: the problem's own bound, or
    what all sites cost). Ends where nothing more is gained.
    """
    deadline = Deadline(time_limit_s)
    levels = _levels(problem, most)
    return [
        *_undominated(_points(problem, "cover", levels, deadline, gap), "children"),
        *_undominated(_points(problem, "equity", levels, deadline, gap), "worst_share"),
    ]


def _levels(problem: SitingProblem, most: float | None) -> list[float]:
    if costs_differ(problem):
        may = ~problem.existing & ~problem.forbidden
        dearest = np.sort(problem.cost[may])[::-1][: problem.sites]
        most = most or problem.budget or float(dearest.sum())
        return [float(level) for level in np.linspace(0, most, MAX_POINTS)]
    most = most or problem.sites or MAX_POINTS
    levels = np.unique(np.linspace(0, most, min(int(most), MAX_POINTS) + 1).round())
    return [float(level) for level in levels]


def _points(
    problem: SitingProblem, objective: Objective, levels: list[float], deadline: Deadline, gap: float
) -> Iterator[FrontPoint]:
    by_cost = costs_differ(problem)
    for allowed in levels:
        asked = replace(problem, budget=allowed) if by_cost else replace(problem, sites=int(allowed))
        asked = replace(asked, cover_share=None)
        answer = choose_sites(
            asked, objective, time_limit_s=deadline.left() / 3, gap=gap, only_worst=objective == "equity"
        )
        if answer.status not in ("optimal", "feasible"):
            continue
        covered = np.where(is_covered(problem, mask(problem, answer.opened)), problem.children, 0.0)
        share = float(unit_shares(problem, covered).min(initial=1.0))
        proved = answer.status == "optimal"
        yield FrontPoint(objective, allowed, answer.opened, answer.cost, float(covered.sum()), share, proved)
        if covered.sum() >= _most_children(problem) - 1e-9:
            break


def _most_children(problem: SitingProblem) -> float:
    """Children whom all usable sites together would cover."""
    could = merge_demand(problem, with_existing=True).row_of_demand >= 0
    return float(problem.children[could].sum())


def _undominated(points: Iterator[FrontPoint], better: str) -> Iterator[FrontPoint]:
    """Points that cost more only where they bring more."""
    best = -np.inf
    for point in sorted(points, key=lambda point: (point.cost, -getattr(point, better))):
        if getattr(point, better) > best + 1e-9:
            best = getattr(point, better)
            yield point
