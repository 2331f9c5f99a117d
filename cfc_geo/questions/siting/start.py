"""A quick good answer to begin with: greedy adding, then swaps, for the children covered (Church & ReVelle 1974)."""

import numpy as np

from cfc_geo.questions.siting.merged import Rows
from cfc_geo.questions.siting.problem import SitingProblem

MAX_PASSES = 4
"""Rounds of swaps; most of what they bring comes in the first."""


def greedy_sites(problem: SitingProblem, rows: Rows) -> np.ndarray:
    """Sites to open (a mask without the existing ones), by children × weight gained; greedy, improved by swaps.

    Keeps sites, budget, required, forbidden and `apart`; of sites equally good the first is taken.
    """
    choice = _Choice(problem, rows)
    for site in np.flatnonzero(problem.required & ~problem.existing).tolist():
        choice.open(site)
    while True:
        gain = np.where(choice.allowed(), choice.gains(), 0.0)
        worth = gain / problem.cost if problem.budget is not None and (problem.cost > 0).all() else gain
        best = int(np.argmax(worth)) if len(worth) else 0
        if not len(worth) or gain[best] <= 0:
            break
        choice.open(best)
    for _ in range(MAX_PASSES):
        if not _swap(choice):
            break
    return choice.opened.copy()


class _Choice:
    """Open sites, and how many of them cover each row."""

    def __init__(self, problem: SitingProblem, rows: Rows) -> None:
        self.problem, self.rows, self.row = problem, rows, rows.row
        self.opened = np.zeros(len(problem.existing), dtype=bool)
        self.cover = np.zeros(len(rows.children), dtype=np.int64)
        self.by_site = np.argsort(rows.site, kind="stable")
        self.start = np.searchsorted(rows.site[self.by_site], np.arange(len(problem.existing) + 1))

    def rows_of(self, site: int) -> np.ndarray:
        return self.row[self.by_site[self.start[site] : self.start[site + 1]]]

    def open(self, site: int) -> None:
        self.opened[site] = True
        self.cover[self.rows_of(site)] += 1

    def close(self, site: int) -> None:
        self.opened[site] = False
        self.cover[self.rows_of(site)] -= 1

    def gains(self) -> np.ndarray:
        """What each site would add."""
        waiting = np.where(self.cover == 0, self.rows.weighted, 0.0)
        return np.bincount(self.rows.site, waiting[self.row], minlength=len(self.opened))

    def allowed(self) -> np.ndarray:
        """Which sites may be opened besides those that are."""
        problem = self.problem
        may: np.ndarray = ~problem.existing & ~problem.forbidden & ~self.opened
        if problem.sites is not None and self.opened.sum() >= problem.sites:
            may[:] = False
        if problem.budget is not None:
            may &= problem.cost[self.opened].sum() + problem.cost <= problem.budget * (1 + 1e-12)
        open_now = self.opened | problem.existing
        for one, other in ((0, 1), (1, 0)):
            may[problem.apart[open_now[problem.apart[:, one]], other]] = False
        return may


def _swap(choice: _Choice) -> bool:
    """Try to exchange each open site for a better one; whether any was."""
    improved = False
    for site in np.flatnonzero(choice.opened & ~choice.problem.required).tolist():
        choice.close(site)
        gain = np.where(choice.allowed(), choice.gains(), -1.0)
        best = int(np.argmax(gain))
        better = gain[best] > gain[site] * (1 + 1e-12) + 1e-9
        choice.open(best if better else site)
        improved |= bool(better)
    return improved
