"""What a choice of sites is worth, recomputed from the sites alone; whether it keeps what is asked; which are idle."""

from typing import NamedTuple

import numpy as np

from cfc_geo.network.costs import TOLERANCE_M
from cfc_geo.questions.siting import objectives
from cfc_geo.questions.siting.merged import merge_demand, usable, within
from cfc_geo.questions.siting.objectives import nearest_open, unit_shares
from cfc_geo.questions.siting.problem import Objective, SitingProblem

FAR = ("p-median", "p-center")
"""Objectives that look beyond the limit: whoever can reach any usable site must be served."""
SLACK = 1e-9
"""How far sums may be from a bound, relative to it: rounding."""
CHILD = 1e-6
"""A part of a child that does not matter."""


class Worth(NamedTuple):
    """The objective, children served by demand point, and the site that serves each (-1 none)."""

    objective: float
    served: np.ndarray
    served_by: np.ndarray


def worth(problem: SitingProblem, objective: Objective, opened: np.ndarray, x: np.ndarray | None) -> Worth:
    """What the new sites `opened` (a mask) are worth; of a solution `x` only who was assigned where is taken."""
    nearest, away_m = nearest_open(problem, opened)
    covered = away_m <= problem.limit_m + TOLERANCE_M
    served = np.where(covered, problem.children, 0.0)
    by = np.where(covered, nearest, -1)
    weighted = problem.children * problem.weight
    within_m = np.where(np.isfinite(away_m), away_m, 0.0)
    match objective:
        case "cover":
            return Worth(float(weighted[covered].sum()), served, by)
        case "cover-capacitated":
            assert x is not None
            served, by = _assigned(problem, opened, x)
            return Worth(float((served * problem.weight).sum()), served, by)
        case "set-cover":
            differ = objectives.costs_differ(problem)
            return Worth(float(problem.cost[opened].sum() if differ else opened.sum()), served, by)
        case "p-median":
            return Worth(float((weighted * within_m).sum()), served, nearest)
        case "p-center":
            return Worth(float(within_m[problem.children > 0].max(initial=0.0)), served, nearest)
        case "equity":
            return Worth(float(unit_shares(problem, served).min(initial=1.0)), served, by)


def keeps_all(problem: SitingProblem, objective: Objective, opened: np.ndarray, its: Worth) -> bool:
    """Whether new sites (a mask) keep everything that is asked, sums allowed to round."""
    may = usable(problem) & ~problem.existing
    both = problem.apart[~problem.existing[problem.apart].all(axis=1)]
    of_sites = (
        not (opened & ~may).any()
        and not (problem.required & ~problem.existing & ~opened).any()
        and not (opened | problem.existing)[both].all(axis=1).any()
        and (problem.sites is None or opened.sum() <= problem.sites)
        and (problem.budget is None or problem.cost[opened].sum() <= problem.budget + SLACK * max(problem.budget, 1.0))
    )
    children = problem.children > 0
    asked = np.zeros(len(children), dtype=bool)
    if objective in FAR:
        asked[problem.demand[usable(problem)[problem.site]]] = True
        lost = asked & children & (its.served_by < 0)
    elif objective == "set-cover" and problem.cover_share is None:
        asked[problem.demand[within(problem)]] = True
        lost = asked & children & (its.served_by < 0)
    else:
        lost = asked
    total = float(problem.children.sum())
    enough = problem.cover_share is None or its.served.sum() >= problem.cover_share * total - SLACK * total - CHILD
    return bool(of_sites and enough and not lost.any())


def idle_sites(problem: SitingProblem, objective: Objective, opened: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Those of the new sites (masks) that bring nothing, the dearest first, of equals the last; required ones are not.

    They cover nobody whom the others do not; are nearer to nobody than the others, where metres count; take nobody,
    where places count. Without them every child is served as before.
    """
    if objective == "cover-capacitated":
        rows = merge_demand(problem, by_weight=True, with_existing=True)
        takes = np.zeros(len(opened), dtype=bool)
        if len(x) > len(opened):
            takes = np.bincount(rows.site, x[len(opened) :], len(opened)) > CHILD
        return np.asarray(opened & ~takes & ~problem.required)
    left = opened.copy()
    while (free := left & ~_needed(problem, objective in FAR, left) & ~problem.required).any():
        sites = np.flatnonzero(free)
        left[max(sites, key=lambda site: (problem.cost[site], site))] = False
    return np.asarray(opened & ~left)


def _needed(problem: SitingProblem, by_metres: bool, opened: np.ndarray) -> np.ndarray:
    """Sites without which somebody would walk farther, or not be covered."""
    mine = (opened | problem.existing)[problem.site] & (problem.children[problem.demand] > 0)
    if not by_metres:
        mine &= problem.metres <= problem.limit_m + TOLERANCE_M
    demand, site = problem.demand[mine], problem.site[mine]
    metres = problem.metres[mine] if by_metres else np.zeros(len(demand))
    order = np.lexsort((metres, demand))
    demand, site, metres = demand[order], site[order], metres[order]
    same = np.append(np.diff(demand) == 0, False)
    first = np.insert(~same[:-1], 0, True)[: len(demand)]
    as_near = same & (np.append(metres[1:], np.inf)[: len(metres)] <= metres)
    needed = np.zeros(len(opened), dtype=bool)
    needed[site[first & ~as_near]] = True
    return needed


def loosest_bound(problem: SitingProblem, objective: Objective) -> float:
    """What nobody can beat, whoever solves it: every usable site open, at no cost."""
    everything = usable(problem)
    _, away_m = nearest_open(problem, everything)
    covered = away_m <= problem.limit_m + TOLERANCE_M
    weighted = problem.children * problem.weight
    match objective:
        case "cover" | "cover-capacitated":
            return float(weighted[covered].sum())
        case "equity":
            return float(unit_shares(problem, np.where(covered, problem.children, 0.0)).min(initial=1.0))
        case "p-median":
            return float((weighted * np.where(np.isfinite(away_m), away_m, 0.0)).sum())
        case "p-center":
            return float(away_m[np.isfinite(away_m) & (problem.children > 0)].max(initial=0.0))
        case "set-cover":
            had = problem.required & ~problem.existing
            return float(problem.cost[had].sum() if objectives.costs_differ(problem) else had.sum())


def _assigned(problem: SitingProblem, opened: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Children served at each demand point, those of a row shared out alike, and the site that takes most of them.

    What a solution hands to sites that are not open, by its tolerance, is nobody's.
    """
    rows = merge_demand(problem, by_weight=True, with_existing=True)
    taken = np.clip(x[len(problem.existing) :], 0.0, rows.children[rows.row])
    taken = np.where((opened | problem.existing)[rows.site], taken, 0.0)
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
