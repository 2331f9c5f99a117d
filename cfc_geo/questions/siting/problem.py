"""The siting problem and its answer: frozen records, plain arrays, no files and no tables."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Objective = Literal["cover", "cover-capacitated", "p-median", "p-center", "set-cover", "equity"]
Status = Literal["optimal", "feasible", "infeasible", "unknown"]
"""optimal: proved, gap 0 (to the tolerance of the solver). feasible: an answer whose gap to the bound is stated."""


@dataclass(frozen=True, eq=False)
class SitingProblem:
    """Demand points, sites that may be opened, and who can walk where.

    Demand, one row a point: `children` ≥ 0, `weight` ≥ 0 (priority: what one child counts in an objective; never in
    what is reported as children) and `unit` (0 … units - 1).
    Sites: `existing` are open, cost nothing and are not counted; `required` must be opened, `forbidden` must not;
    `cost` ≥ 0; `capacity` in children (infinite: no limit). `apart`: pairs of sites (n × 2) of which at most one may be
    open.
    Pairs, one row a way from a demand point to a site that is no farther than the horizon: `demand`, `site`, `metres`;
    a missing pair is beyond the horizon. Covered means metres ≤ `limit_m` (inclusive, `costs.TOLERANCE_M` allowed for).
    Of `sites`, `budget` and `cover_share` (share of all `children` that must be covered, existing sites included) those
    given must hold together; `sites` counts new sites only.
    """

    children: np.ndarray
    weight: np.ndarray
    unit: np.ndarray
    existing: np.ndarray
    required: np.ndarray
    forbidden: np.ndarray
    cost: np.ndarray
    capacity: np.ndarray
    apart: np.ndarray
    demand: np.ndarray
    site: np.ndarray
    metres: np.ndarray
    limit_m: float
    sites: int | None = None
    budget: float | None = None
    cover_share: float | None = None


@dataclass(frozen=True, eq=False)
class SitingAnswer:
    """Which sites to open, how good that is, and how sure.

    `opened`: positions of the new sites, ascending. `objective` is in its own unit (weighted children; child-metres;
    metres; sites or cost; for equity the least share covered of any unit), `bound` is the best that any answer could
    reach, `gap` |bound - objective| ÷ |objective|. `served_by`: demand point → site that serves it, -1 none
    (capacitated: the site that takes most of it). `served`: children served, demand point by point.
    `greedy_objective`: of the start that the solver was given. `seconds`: wall time, building included.
    """

    status: Status
    opened: np.ndarray
    objective: float
    bound: float
    gap: float
    served_by: np.ndarray
    served: np.ndarray
    cost: float
    greedy_objective: float
    seconds: float
