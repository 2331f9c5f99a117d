"""Who can get there alone: children who reach a kind within its limit over streets and crossings that their profile
bears, beside those who reach it with an adult and those who would if nothing were too hard."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from cfc_geo import catalog
from cfc_geo.model import Coverage, Study
from cfc_geo.network.flows import CEILINGS, Excess, Ways, excess_of, nearest_borne_m
from cfc_geo.questions.sums import UnitSums, proven_share, stacked
from cfc_geo.tables import ALONE_COLUMNS, UNKNOWN, children_column

ADULT = "child_with_adult"
ASKED: Mapping[str, tuple[str, ...]] = {
    "alone_6_8": ("primary_school", "school", "park", "playground", "childrens_home"),
    "alone_9_11": ("primary_school", "school", "park", "playground", "childrens_home"),
    "alone_12_14": ("middle_school", "school", "park", "sports_ground", "childrens_home"),
    "stroller": ("childcare", "kindergarten", "park", "playground", "childrens_home"),
}
"""Profile → kinds it is asked about; a stroller stands for the bands that ride in one."""


@dataclass(frozen=True, eq=False)
class _Reached:
    """Which origins reach the kind: at all, with an adult, as the profile, and what would let the others."""

    anyhow: np.ndarray
    with_adult: np.ndarray
    by_profile: np.ndarray
    between: dict[str, np.ndarray]


def measure_alone(ways: Ways, study: Study, coverage: Coverage) -> pd.DataFrame:
    """`tables.ALONE_COLUMNS`, unit × profile × kind × band, for kinds with a limit in the plan's norms.

    A child who is within the limit but not as the profile walks is told apart by what alone would have to change:
    `between_crossings` (streets are fine as they are), `between_streets` (crossings are), `between_either` (each of
    the two alone would do), `between_steps` (neither is in the way, only steps), `between_both` (nothing alone).
    `unknown` are those of whom coverage cannot say whether they are within. Of a kind that no file lists in full the
    walks to what is listed are proven all the same: with_adult and alone are lower bounds, between is of these walks.
    """
    sums = UnitSums(study.origins["unit_id"], study.units)
    labels, blocks = sums.labels(), []
    adult = excess_of(ways, catalog.profiles()[ADULT])
    for name, kinds in ASKED.items():
        profile = catalog.profiles()[name]
        own = excess_of(ways, profile)
        for kind in [kind for kind in kinds if kind in coverage.status]:
            reached = _reached(ways, study, coverage, kind, own, adult)
            unknown = (coverage.status[kind] == UNKNOWN).to_numpy()
            for band in [band for band in profile.bands if band in catalog.kinds()[kind].bands]:
                if band in study.unknown_bands:
                    continue
                children = study.origins[children_column(band)].to_numpy(dtype=float)
                known = children * ~unknown
                total, open_ = sums(children), sums(children * unknown)
                counts = {
                    "within": sums(known * reached.anyhow),
                    "with_adult": sums(known * reached.with_adult),
                    "alone": sums(known * reached.by_profile),
                    **{f"between_{what}": sums(known * mask) for what, mask in reached.between.items()},
                }
                blocks.append(
                    {
                        **labels, "profile": name, "kind": kind, "band": band,
                        "limit_m": float(coverage.norms[kind].limit_m), "children": total, "unknown": open_, **counts,
                        **{f"{of}_share": proven_share(counts[of], open_, total)
                           for of in ("within", "with_adult", "alone")},
                    }
                )  # fmt: skip
    return stacked(blocks, ALONE_COLUMNS)


def _reached(ways: Ways, study: Study, coverage: Coverage, kind: str, own: Excess, adult: Excess) -> _Reached:
    limit_m = coverage.norms[kind].limit_m
    facilities = np.flatnonzero(study.facilities["kind"] == kind)

    def reach(excess: Excess) -> np.ndarray:
        found: np.ndarray = ~np.isnan(nearest_borne_m(ways, excess, facilities, limit_m=limit_m))
        return found

    anyhow = reach(_without(own, streets=True, crossings=True, steps=True))
    mine = reach(own)
    crossings, streets = reach(_without(own, crossings=True)), reach(_without(own, streets=True))
    without_steps = reach(_without(own, steps=True))
    missing = anyhow & ~mine
    only_steps = missing & without_steps
    between = {
        "steps": only_steps,
        "crossings": missing & ~only_steps & crossings & ~streets,
        "streets": missing & ~only_steps & streets & ~crossings,
        "either": missing & ~only_steps & streets & crossings,
    }
    between["both"] = missing & ~np.logical_or.reduce(list(between.values()))
    return _Reached(anyhow, reach(adult), mine, between)


def _without(excess: Excess, *, streets: bool = False, crossings: bool = False, steps: bool = False) -> Excess:
    """The same with nothing too hard of streets, of crossings, or with steps that can be walked."""
    passable = excess.street <= CEILINGS[-1]
    of_street = np.where(passable & streets, 0, excess.street)
    of_street = np.where(~passable & steps, 0, of_street).astype(np.int8)
    zero = 0 if crossings else 1
    return replace(excess, street=of_street, crossing=excess.crossing * zero, midblock=excess.midblock * zero)
