"""Demand that sees the same sites, merged into rows: exact, and often a tenth as many."""

from dataclasses import dataclass

import numpy as np

from cfc_geo.network.costs import TOLERANCE_M
from cfc_geo.questions.siting.problem import SitingProblem

SEED = 20_260_101
"""Sets are told apart by sums of random numbers of their sites, and then compared one by one."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Demand merged by the set of sites that can cover it.

    `weighted` and `children`: sums of children × weight and of children; `unit` and `weight` of all of a row's demand
    where it was merged within these (else -1, NaN). Row r may be covered by the sites `site[start[r]:start[r + 1]]`.
    `row_of_demand` is -1 for demand that no usable site covers, or that an open one covers already.
    """

    weighted: np.ndarray
    children: np.ndarray
    unit: np.ndarray
    weight: np.ndarray
    start: np.ndarray
    site: np.ndarray
    row_of_demand: np.ndarray

    @property
    def row(self) -> np.ndarray:
        """The row of each entry of `site`."""
        return np.repeat(np.arange(len(self.children)), np.diff(self.start))


def usable(problem: SitingProblem) -> np.ndarray:
    """Sites that are open or may be opened."""
    may: np.ndarray = problem.existing | ~problem.forbidden
    return may


def within(problem: SitingProblem) -> np.ndarray:
    """Which pairs are no longer than the limit and lead to a usable site."""
    near: np.ndarray = (problem.metres <= problem.limit_m + TOLERANCE_M) & usable(problem)[problem.site]
    return near


def covered_already(problem: SitingProblem) -> np.ndarray:
    """Demand that an existing site covers."""
    covered = np.zeros(len(problem.children), dtype=bool)
    mine = within(problem) & problem.existing[problem.site]
    covered[problem.demand[mine]] = True
    return covered


def merge_demand(
    problem: SitingProblem, *, by_unit: bool = False, by_weight: bool = False, with_existing: bool = False
) -> Rows:
    """Rows of the demand with children that is not covered yet (`with_existing`: of all), by its set of sites."""
    left = problem.children > 0
    mine = within(problem)
    if not with_existing:
        left &= ~covered_already(problem)
        mine &= ~problem.existing[problem.site]
    mine &= left[problem.demand]
    order = np.lexsort((problem.site[mine], problem.demand[mine]))
    demand, site = problem.demand[mine][order], problem.site[mine][order]
    demand, site = _once(demand, site)
    seen, first, count = np.unique(demand, return_index=True, return_counts=True)
    group = _equal_sets(first, count, site, len(problem.existing))
    keys = [group]
    keys += [problem.unit[seen]] if by_unit else []
    keys += [problem.weight[seen]] if by_weight else []
    row = _labels(keys)
    head = np.full(row.max(initial=-1) + 1, -1)
    head[row[::-1]] = np.arange(len(seen))[::-1]  # the first demand point of each row
    row_of_demand = np.full(len(problem.children), -1)
    row_of_demand[seen] = row
    weighted = problem.children * problem.weight
    rows = len(head)
    take = _ranges(first[head], count[head])
    return Rows(
        weighted=np.bincount(row, weighted[seen], rows),
        children=np.bincount(row, problem.children[seen], rows),
        unit=problem.unit[seen][head] if by_unit else np.full(rows, -1),
        weight=problem.weight[seen][head] if by_weight else np.full(rows, np.nan),
        start=np.concatenate([[0], np.cumsum(count[head])]).astype(np.int64),
        site=site[take],
        row_of_demand=row_of_demand,
    )


def _once(demand: np.ndarray, site: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted pairs, each once."""
    new = np.ones(len(demand), dtype=bool)
    new[1:] = (np.diff(demand) != 0) | (np.diff(site) != 0)
    return demand[new], site[new]


def _equal_sets(first: np.ndarray, count: np.ndarray, site: np.ndarray, sites: int) -> np.ndarray:
    """A number for each list `site[first:first + count]` (sorted), the same for equal lists only."""
    marks = np.random.default_rng(SEED).integers(1, 2**62, size=(2, sites), dtype=np.int64)
    sums = [np.add.reduceat(mark[site], first) if len(first) else first for mark in marks]
    label = _labels([count, *sums])
    head = np.full(label.max(initial=-1) + 1, -1)
    head[label[::-1]] = np.arange(len(first))[::-1]
    alike = site[_ranges(first, count)] == site[_ranges(first[head[label]], count)]
    if not alike.all():  # two sets of one sum: possible, but nobody will see it
        odd = np.unique(np.repeat(np.arange(len(first)), count)[~alike])
        label[odd] = label.max() + 1 + np.arange(len(odd))
        label = _labels([label])
    return label


def _labels(keys: list[np.ndarray]) -> np.ndarray:
    """Equal combinations of keys → one number, in the order in which they first come."""
    order = np.lexsort(tuple(keys[::-1]))
    new = np.zeros(len(order), dtype=bool)
    for key in keys:
        new[1:] |= np.diff(key[order]) != 0
    label = np.empty(len(order), dtype=np.int64)
    label[order] = np.cumsum(new)
    least = np.full(label.max(initial=-1) + 1, len(order))
    np.minimum.at(least, label, np.arange(len(order)))
    rank = np.empty(len(least), dtype=np.int64)
    rank[np.argsort(least, kind="stable")] = np.arange(len(least))
    return rank[label]


def _ranges(first: np.ndarray, count: np.ndarray) -> np.ndarray:
    """first[0], first[0] + 1, … count[0] of them, then those of the next."""
    ends = np.cumsum(count)
    turn: np.ndarray = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - count, count)
    turn += np.repeat(first, count)
    return turn
