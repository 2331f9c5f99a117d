"""The worst unit first: the share of each unit's children that is covered, made as equal upwards as can be.

Answers are compared by their shares from the least up, lexicographically (leximin). The least k shares together are
k·r - Σ max(r - share, 0) at the best r, so each step is one program: make the sum of the k least as large as can be,
and keep those before (Ogryczak & Śliwiński 2003).
"""

from collections.abc import Sequence

import numpy as np

from cfc_geo.questions.siting.merged import Rows, covered_already, merge_demand
from cfc_geo.questions.siting.objectives import (
    Cut,
    add_coverage,
    add_cuts,
    is_covered,
    is_cut,
    require_share,
    site_columns,
    unit_shares,
)
from cfc_geo.questions.siting.problem import SitingProblem
from cfc_geo.questions.siting.program import Builder, Deadline, Outcome, solve

KEPT = 1e-8
"""How much of a sum of shares a later step may give back: less than a child of a place of ten million."""


def equity_outcome(
    problem: SitingProblem,
    start: np.ndarray,
    cuts: Sequence[Cut],
    deadline: Deadline,
    gap: float,
    *,
    only_worst: bool = False,
) -> Outcome:
    """The leximin answer; ties by the weighted children covered. The bound is that of the least share.

    `only_worst` looks at the least share alone, and at the children covered where it is tied.
    """
    rows = merge_demand(problem, by_unit=True)
    best: np.ndarray | None = None if is_cut(start, cuts) else start
    sums: list[float] = []
    bound, proved = 1.0, True
    units = len(unit_shares(problem, problem.children))
    for least in range(1, 2 if only_worst else units + 1):
        outcome = _step(problem, rows, sums, cuts, best, deadline, gap, of=least)
        if outcome.x is None and (least == 1 or outcome.status == "infeasible"):
            return Outcome("infeasible" if outcome.status == "infeasible" else "unknown", None, np.inf)
        if outcome.x is None:  # out of time: the last answer stands, without proof
            proved = False
            break
        best = outcome.x[: len(problem.existing)] > 0.5
        if least == 1:
            bound = -outcome.bound
        proved &= outcome.status == "optimal"
        shares = np.sort(unit_shares(problem, np.where(is_covered(problem, best), problem.children, 0.0)))
        sums.append(float(shares[:least].sum()))
        if shares[least - 1] >= _most(problem, rows).max(initial=1.0) - KEPT:
            break
    outcome = _step(problem, rows, sums, cuts, best, deadline, gap, of=0)
    if outcome.x is not None:
        best = outcome.x[: len(problem.existing)] > 0.5
    proved &= outcome.status == "optimal"
    assert best is not None
    return Outcome("optimal" if proved else "feasible", best.astype(float), bound)


def _step(
    problem: SitingProblem, rows: Rows, sums: list[float], cuts: Sequence[Cut], best: np.ndarray | None,
    deadline: Deadline, gap: float, *, of: int,
) -> Outcome:  # fmt: skip
    """Make the sum of the `of` least shares as large as can be (0: the weighted children), and keep `sums`."""
    builder = site_columns(problem)
    covered = add_coverage(builder, rows, 0.0 if of else -rows.weighted)
    require_share(problem, builder, rows, covered)
    shares = _share_columns(problem, builder, rows, covered)
    for number, kept in enumerate(sums, start=1):
        _sum_of_least(builder, shares, number, least=kept - KEPT)
    if of:
        _sum_of_least(builder, shares, of, least=None)
    add_cuts(problem, builder, cuts)
    begin = None if best is None else (np.arange(len(best)), (best | problem.existing).astype(float))
    return solve(builder.build(), start=begin, deadline=deadline, gap=gap)


def _share_columns(problem: SitingProblem, builder: Builder, rows: Rows, covered: np.ndarray) -> np.ndarray:
    """A column a unit with children: the share of them that is covered."""
    count = int(problem.unit.max(initial=-1)) + 1
    children = np.bincount(problem.unit, problem.children, count)
    already = np.bincount(problem.unit, np.where(covered_already(problem), problem.children, 0.0), count)
    number = np.cumsum(children > 0) - 1
    units = np.flatnonzero(children > 0)
    shares = builder.add_columns(0.0, 0.0, 1.0, whole=False, count=len(units))
    builder.add_rows(
        np.concatenate([np.arange(len(units)), number[rows.unit]]),
        np.concatenate([shares, covered]),
        np.concatenate([np.ones(len(units)), -rows.children / children[rows.unit]]),
        -np.inf,
        (already / np.maximum(children, 1e-300))[units],
        count=len(units),
    )
    return shares


def _sum_of_least(builder: Builder, shares: np.ndarray, count: int, *, least: float | None) -> None:
    """The sum of the `count` least shares: at least `least`, or (None) made as large as can be."""
    level = builder.add_columns(0.0 if least is not None else -float(count), 0.0, 1.0, whole=False, count=1)
    below = builder.add_columns(0.0 if least is not None else 1.0, 0.0, 1.0, whole=False, count=len(shares))
    each = np.arange(len(shares))
    builder.add_rows(
        np.concatenate([each, each, each]),
        np.concatenate([below, shares, np.repeat(level, len(shares))]),
        np.concatenate([np.ones(len(shares)), np.ones(len(shares)), np.full(len(shares), -1.0)]),
        0.0,
        np.inf,
        count=len(shares),
    )
    if least is not None:
        columns = np.concatenate([level, below])
        values = np.concatenate([[float(count)], np.full(len(below), -1.0)])
        builder.add_rows(np.zeros(len(columns)), columns, values, least, np.inf, count=1)


def _most(problem: SitingProblem, rows: Rows) -> np.ndarray:
    """The share of each unit that all usable sites together would cover."""
    could = covered_already(problem) | (rows.row_of_demand >= 0)
    return unit_shares(problem, np.where(could, problem.children, 0.0))
