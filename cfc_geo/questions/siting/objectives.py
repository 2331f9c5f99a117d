"""The objectives as programs: what each asks, and what an answer is worth, recomputed from the sites alone.

cover               most weighted children within the limit (Church & ReVelle 1974)
cover-capacitated   the same with children assigned to sites up to their capacity (Current & Storbeck 1988)
set-cover           fewest sites, or least cost, to cover all who can be covered, or a share (Toregas et al. 1971)
p-median            least weighted child-metres to the nearest open site (Hakimi 1964), in the form of Elloumi (2010)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cfc_geo.network.costs import TOLERANCE_M
from cfc_geo.questions.siting.merged import Rows, covered_already, merge_demand, usable
from cfc_geo.questions.siting.problem import SitingProblem
from cfc_geo.questions.siting.program import Builder


@dataclass(frozen=True, eq=False)
class Built:
    """A program under construction whose first columns are the sites, and what is added to its cost."""

    builder: Builder
    constant: float = 0.0


@dataclass(frozen=True, eq=False)
class Cut:
    """An answer that is not wanted again: these new sites (a mask), and `with_more` any that has all of these."""

    opened: np.ndarray
    with_more: bool = False


def add_cuts(problem: SitingProblem, builder: Builder, cuts: Sequence[Cut]) -> None:
    """None of these answers again: at least one site must differ, or be missing."""
    new = np.flatnonzero(~problem.existing & ~problem.forbidden)
    for cut in cuts:
        mine = cut.opened[new]
        columns = new[mine] if cut.with_more else new
        sign = np.where(cut.opened[columns], -1.0, 1.0)
        builder.add_rows(np.zeros(len(columns)), columns, sign, 1.0 - float(mine.sum()), np.inf, count=1)


def is_cut(opened: np.ndarray, cuts: Sequence[Cut]) -> bool:
    """Whether one of the cuts forbids these new sites."""
    return any((opened >= cut.opened).all() if cut.with_more else (opened == cut.opened).all() for cut in cuts)


def site_columns(problem: SitingProblem, cost: np.ndarray | float = 0.0) -> Builder:
    """A column a site (1 open), with all that is asked of sites alone."""
    count = len(problem.existing)
    lower = (problem.existing | problem.required).astype(float)
    upper = usable(problem).astype(float)
    builder = Builder()
    builder.add_columns(cost, lower, upper, whole=True, count=count)
    new = np.flatnonzero(~problem.existing)
    if problem.sites is not None:
        builder.add_rows(np.zeros(len(new)), new, 1.0, -np.inf, float(problem.sites), count=1)
    if problem.budget is not None:
        builder.add_rows(np.zeros(len(new)), new, problem.cost[new], -np.inf, float(problem.budget), count=1)
    pairs = problem.apart[~problem.existing[problem.apart].all(axis=1)]
    if len(pairs):
        builder.add_rows(np.repeat(np.arange(len(pairs)), 2), pairs.ravel(), 1.0, -np.inf, 1.0, count=len(pairs))
    return builder


def add_coverage(builder: Builder, rows: Rows, cost: np.ndarray | float) -> np.ndarray:
    """A column a row of demand: at most 1, and at most the sum of the sites that cover it."""
    count = len(rows.children)
    covered = builder.add_columns(cost, 0.0, 1.0, whole=False, count=count)
    builder.add_rows(
        np.concatenate([np.arange(count), rows.row]),
        np.concatenate([covered, rows.site]),
        np.concatenate([np.ones(count), np.full(len(rows.site), -1.0)]),
        -np.inf,
        0.0,
        count=count,
    )
    return covered


def require_share(problem: SitingProblem, builder: Builder, rows: Rows, covered: np.ndarray) -> None:
    """At least `cover_share` of all children must be covered."""
    if problem.cover_share is None:
        return
    had = float(problem.children[covered_already(problem)].sum())
    least = problem.cover_share * float(problem.children.sum()) - had
    least -= 1e-9 * max(abs(least), 1.0)
    builder.add_rows(np.zeros(len(covered)), covered, rows.children, least, np.inf, count=1)


def add_share(problem: SitingProblem, builder: Builder) -> None:
    """`require_share` for a program that does not count who is covered."""
    if problem.cover_share is not None:
        rows = merge_demand(problem)
        require_share(problem, builder, rows, add_coverage(builder, rows, 0.0))


def cover(problem: SitingProblem) -> Built:
    rows = merge_demand(problem)
    builder = site_columns(problem)
    require_share(problem, builder, rows, add_coverage(builder, rows, -rows.weighted))
    already = covered_already(problem)
    return Built(builder, -float((problem.children * problem.weight)[already].sum()))


def set_cover(problem: SitingProblem) -> Built:
    rows = merge_demand(problem)
    cost = np.where(problem.existing, 0.0, problem.cost if costs_differ(problem) else 1.0)
    builder = site_columns(problem, cost)
    if problem.cover_share is not None:
        require_share(problem, builder, rows, add_coverage(builder, rows, 0.0))
    else:
        builder.add_rows(rows.row, rows.site, 1.0, 1.0, np.inf, count=len(rows.children))
    return Built(builder)


def cover_capacitated(problem: SitingProblem) -> Built:
    """Children are divisible: a cell's may be served by several sites."""
    rows = merge_demand(problem, by_weight=True, with_existing=True)
    builder, row = site_columns(problem), rows.row
    share = builder.add_columns(-rows.weight[row], 0.0, rows.children[row], whole=False, count=len(row))
    builder.add_rows(row, share, 1.0, -np.inf, rows.children, count=len(rows.children))
    count = len(problem.existing)
    asked = np.bincount(rows.site, rows.children[row], minlength=count)
    room = np.minimum(problem.capacity, asked)
    builder.add_rows(
        np.concatenate([rows.site, np.arange(count)]),
        np.concatenate([share, np.arange(count)]),
        np.concatenate([np.ones(len(row)), -room]),
        -np.inf,
        0.0,
        count=count,
    )
    each = np.arange(len(row))  # what no site alone could do; without it the bound is weak
    builder.add_rows(
        np.concatenate([each, each]),
        np.concatenate([share, rows.site]),
        np.concatenate([np.ones(len(row)), -np.minimum(rows.children[row], room[rows.site])]),
        -np.inf,
        0.0,
        count=len(row),
    )
    if problem.cover_share is not None:
        least = problem.cover_share * float(problem.children.sum()) * (1 - 1e-9)
        builder.add_rows(np.zeros(len(share)), share, 1.0, least, np.inf, count=1)
    return Built(builder)


def p_median(problem: SitingProblem) -> Built:
    """A column for every step between distances from a demand point: 1 if no open site is nearer than the step's end.

    Whoever can reach any usable site must be served. Steps beyond the nearest existing site cannot matter.
    """
    steps = distance_steps(problem)
    builder = site_columns(problem)
    weighted = (problem.children * problem.weight)[steps.demand_of_step]
    count = len(steps.demand_of_step)
    beyond = builder.add_columns(
        weighted * steps.longer_m, 0.0, np.where(steps.last, 0.0, 1.0), whole=False, count=count
    )
    # Elloumi: beyond this step + sites at this distance >= beyond the step before (1 before the first)
    with_before = np.flatnonzero(~steps.first)
    builder.add_rows(
        np.concatenate([np.arange(count), with_before, steps.step_of_pair]),
        np.concatenate([beyond, beyond[with_before - 1], steps.site_of_pair]),
        np.concatenate([np.ones(count), np.full(len(with_before), -1.0), np.ones(len(steps.site_of_pair))]),
        steps.first.astype(float),
        np.inf,
        count=count,
    )
    add_share(problem, builder)
    return Built(builder, float((weighted * steps.nearest_m)[steps.first].sum()))


@dataclass(frozen=True, eq=False)
class Steps:
    """Distances from each demand point to its sites, each once, ascending: one row a distance."""

    demand_of_step: np.ndarray
    nearest_m: np.ndarray
    longer_m: np.ndarray
    first: np.ndarray
    last: np.ndarray
    step_of_pair: np.ndarray
    site_of_pair: np.ndarray


def distance_steps(problem: SitingProblem) -> Steps:
    """Steps of all demand with children, up to its nearest existing site."""
    nearest_existing = np.full(len(problem.children), np.inf)
    mine = problem.existing[problem.site]
    np.minimum.at(nearest_existing, problem.demand[mine], problem.metres[mine])
    take = usable(problem)[problem.site] & (problem.children[problem.demand] > 0)
    take &= problem.metres <= nearest_existing[problem.demand]
    order = np.lexsort((problem.site[take], problem.metres[take], problem.demand[take]))
    demand, site, metres = (values[take][order] for values in (problem.demand, problem.site, problem.metres))
    new = np.ones(len(demand), dtype=bool)
    new[1:] = (np.diff(demand) != 0) | (np.diff(metres) != 0)
    demand_of_step, at_m = demand[new], metres[new]
    first = np.ones(len(at_m), dtype=bool)
    first[1:] = np.diff(demand_of_step) != 0
    last = np.append(first[1:], True)[: len(first)]
    longer_m = np.where(last, 0.0, np.append(np.diff(at_m), 0.0)[: len(at_m)])
    return Steps(demand_of_step, at_m, longer_m, first, last, np.cumsum(new) - 1, site)


def costs_differ(problem: SitingProblem) -> bool:
    """Whether it matters which sites are opened and not only how many."""
    may = usable(problem) & ~problem.existing
    return bool(len(np.unique(problem.cost[may])) > 1)


# ------------------------------------------------------------------------------------------- what an answer is worth


def nearest_open(problem: SitingProblem, opened: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest open site of every demand point (-1 none within the horizon) and how far it is (infinite if none);
    of equals the first."""
    mine = (opened | problem.existing)[problem.site]
    order = np.lexsort((problem.site[mine], problem.metres[mine], problem.demand[mine]))
    demand, site, metres = (values[mine][order] for values in (problem.demand, problem.site, problem.metres))
    first = np.ones(len(demand), dtype=bool)
    first[1:] = np.diff(demand) != 0
    nearest, away_m = np.full(len(problem.children), -1), np.full(len(problem.children), np.inf)
    nearest[demand[first]], away_m[demand[first]] = site[first], metres[first]
    return nearest, away_m


def is_covered(problem: SitingProblem, opened: np.ndarray) -> np.ndarray:
    """Demand that an open site covers."""
    return nearest_open(problem, opened)[1] <= problem.limit_m + TOLERANCE_M


def unit_shares(problem: SitingProblem, served: np.ndarray) -> np.ndarray:
    """Share of the children of each unit that has any who are served; units in order."""
    count = int(problem.unit.max(initial=-1)) + 1
    children = np.bincount(problem.unit, problem.children, count)
    return np.bincount(problem.unit, served, count)[children > 0] / children[children > 0]
