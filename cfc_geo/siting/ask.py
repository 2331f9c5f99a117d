"""What a planner asks of `cfc-geo site`."""

from dataclasses import dataclass

from cfc_geo import catalog
from cfc_geo.blocks import NormOverride
from cfc_geo.inputs.candidates import CandidateFile
from cfc_geo.model import Study
from cfc_geo.plan import Plan
from cfc_geo.questions.siting.problem import Objective

FAR_OBJECTIVES = ("p-median", "p-center")
"""Objectives that look beyond the limit."""
LOOK_FARTHER = 3.0
"""Where nothing does what is asked, a longer limit that would is looked for up to so many limits."""


@dataclass(frozen=True)
class Ask:
    """What is asked. `bands` default to those the kind is for; `cost` and `capacity` are of candidates that state none;
    `limit_m` departs from the norm; `horizon_m` is how far p-median and p-center look; `level` names the units that
    equity compares (default: the lowest)."""

    kind: str
    objective: Objective = "cover"
    sites: int | None = None
    budget: float | None = None
    cover_share: float | None = None
    bands: tuple[str, ...] = ()
    candidates: CandidateFile | None = None
    grid_m: float = 200.0
    capacity: float | None = None
    cost: float | None = None
    apart_m: float = 0.0
    limit_m: float | None = None
    horizon_m: float = 5_000.0
    level: str | None = None
    alternatives: int = 1
    front: bool = False
    time_limit_s: float = 60.0
    gap: float = 0.0


def with_limit(plan: Plan, ask: Ask) -> Plan:
    """The plan, asked with `ask.limit_m` in place of its own limit for the kind."""
    if ask.limit_m is None:
        return plan
    kept = [change for change in plan.norms.override if change.kind != ask.kind]
    change = NormOverride(kind=ask.kind, limit_m=ask.limit_m, why=catalog.word("site.limit_asked", "zh"))
    return plan.model_copy(update={"norms": plan.norms.model_copy(update={"override": [*kept, change]})})


def bands_of(ask: Ask, study: Study) -> tuple[str, ...]:
    """The bands asked about, without those of which nobody knows the children."""
    asked = ask.bands or catalog.kinds()[ask.kind].bands
    return tuple(band for band in asked if band not in study.unknown_bands)
