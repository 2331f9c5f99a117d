"""Which targets of government plans a place meets: measure, judge, list the gaps."""

import math
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import pandas as pd

from cfc_geo.errors import Findings
from cfc_geo.model import Answer, Known, Scorecard
from cfc_geo.questions.scorecard.equity import equity
from cfc_geo.questions.scorecard.judge import (
    MET,
    MISSED,
    NO_DATA,
    NOT_JUDGED,
    Verdict,
    fallen,
    is_out_of_scope,
    judge,
    judge_answer,
)
from cfc_geo.questions.scorecard.measure import Layers, Measured, measure, widest_level
from cfc_geo.questions.scorecard.register import KEYS, gap_register, narrowest
from cfc_geo.questions.sums import UnitSums
from cfc_geo.tables import SCORE_COLUMNS, SCORE_UNIT_COLUMNS, children_columns
from cfc_geo.targets import Target, TargetPlan

COMPUTED, BOUND, READ, ANSWERED = "computed", "bound", "read", "answered"
"""How sure a figure is: of complete layers; a bound, for want of data; computed of a target whose words were
interpreted; told by an office."""
BY_UNIT_WITHOUT: Final = ("count", "balance", "none_within", "per_facility")
"""Methods of which a unit's figure is no share of the target: it is told, and not judged."""

Key = tuple[str, str]
"""Plan and target."""


def score(plans: list[TargetPlan], layers: Layers, *, year: int, known: Known) -> Scorecard:
    """Every target of `plans`, as of `year`."""
    found = {(plan.id, target.id): _measured(target, layers) for plan in plans for target in plan.targets}
    widest = widest_level(layers.study)
    judged = {
        (plan.id, target.id): _judged(plan, target, found[plan.id, target.id], widest, known)
        for plan in plans
        for target in plan.targets
    }
    scores = pd.DataFrame(
        [
            _row(plan, target, found[plan.id, target.id], judged[plan.id, target.id], counted, year, known)
            for plan in plans
            for target, counted in _counted(plan)
        ],
        columns=list(SCORE_COLUMNS),
    )
    units = _units_table(plans, found, layers, known)
    scores = _with_counts(scores, units)
    children = layers.study.origins[list(children_columns())].sum(axis=1)
    findings = Findings()
    if len(worse := fallen(scores)):
        findings.warning("targets.fell", "", count=len(worse), ids=worse["target_id"].tolist()[:8])
    return Scorecard(
        plans=tuple(plans),
        scores=scores,
        units=units,
        gaps=gap_register(scores, units, _children_by_unit(layers, children), year=year, earlier=known.register),
        equity=equity(layers.coverage_by_unit, layers.circle_by_unit),
        lacking={key: one.lacking for key, one in found.items() if one is not None and one.lacking},
        hubs={spoke: hub for one in found.values() if one is not None for spoke, hub in one.proposal.items()},
        year=year,
        widest=widest,
        findings=tuple(findings),
    )


def _measured(target: Target, layers: Layers) -> Measured | None:
    return None if target.method is None else measure(target.method, layers)


def _judged(plan: TargetPlan, target: Target, found: Measured | None, widest: str, known: Known) -> Verdict:
    threshold = known.thresholds.get(target.id)
    earlier = known.earlier.get((plan.id, target.id), math.nan)
    if found is None:
        return judge_answer(target, known.answers.get((plan.id, target.id)), earlier=earlier, threshold=threshold)
    if is_out_of_scope(target, plan.scope, widest):
        return Verdict(NOT_JUDGED, "scope")
    if math.isnan(found.least) and not found.lacking:
        return Verdict(NOT_JUDGED, "nothing")
    verdict = judge(target, found.least, found.most, threshold=threshold, earlier=earlier)
    is_empty = verdict.status == NOT_JUDGED and found.lacking and found.least <= 0 < found.most
    return Verdict(NO_DATA, "lacking") if is_empty else verdict


def _counted(plan: TargetPlan) -> Iterator[tuple[Target, bool]]:
    """Every target, and whether it counts: of those that state one thing, the first; two numbers are two targets."""
    seen = set[tuple[str, float | None]]()
    for target in plan.targets:
        same = (target.same_as or target.id, target.value)
        yield target, same not in seen
        seen.add(same)


def _row(
    plan: TargetPlan, target: Target, found: Measured | None, verdict: Verdict, counted: bool, year: int, known: Known
) -> dict[str, object]:
    key = plan.id, target.id
    answer = known.answers.get(key, Answer())
    least, most = (answer.value, answer.value) if found is None else (found.least, found.most)
    due = target.year if target.year is not None else (year if target.every_year else None)
    value = known.thresholds.get(target.id, np.nan if target.value is None else target.value)
    return {
        "plan_id": plan.id, "target_id": target.id, "rows": target.rows, "clause": target.clause,
        "compare": target.compare, "target_value": value, "target_unit": target.unit,
        "year": np.nan if due is None else due, "due_passed": due is not None and due < year,
        "status": verdict.status, "why_not": verdict.why, "measured": least, "measured_most": most,
        "earlier": known.earlier.get(key, np.nan), "shortfall": verdict.gap, "units_met": np.nan,
        "units_judged": np.nan, "counted": counted, "figure_is": _figure_is(target, found, answer),
        "document": answer.evidence, "draft": plan.draft, "counts_children": target.counts_children,
    }  # fmt: skip


def _figure_is(target: Target, found: Measured | None, answer: Answer) -> str:
    """How sure the figure is; "" where there is none."""
    if found is None:
        return ANSWERED if answer.done or not math.isnan(answer.value) else ""
    if math.isnan(found.least):
        return ""
    return BOUND if found.least != found.most else READ if target.read_as is not None else COMPUTED


def _units_table(
    plans: list[TargetPlan], found: Mapping[Key, Measured | None], layers: Layers, known: Known
) -> pd.DataFrame:
    """Every unit of every target that can be told by unit; judged where a unit can be held to what the whole is."""
    units = layers.study.units.set_index("unit_id")
    rows = []
    for plan in plans:
        for target in plan.targets:
            one = found[plan.id, target.id]
            if one is None or one.units.empty:
                continue
            held, threshold = _held_by_unit(target), known.thresholds.get(target.id)
            for unit, least, most in one.units[["unit_id", "least", "most"]].itertuples(index=False):
                told = judge(held, least, most, threshold=threshold) if held else Verdict(NOT_JUDGED)
                name, level = (units[column].get(unit, "") for column in ("name", "level"))
                rows.append((plan.id, target.id, unit, name, level, least, most, told.status, told.gap))
    return pd.DataFrame(rows, columns=list(SCORE_UNIT_COLUMNS))


def _held_by_unit(target: Target) -> Target | None:
    """The target as one unit is held to it: a share of units becomes all of it; None where a unit cannot be."""
    method = target.method
    if method is None or method.by in BY_UNIT_WITHOUT or target.compare in ("rises", "falls", "present", "unstated"):
        return target if method is not None and method.by == "covered" else None
    if method.by == "units_with":
        return target.model_copy(update={"compare": "at_least", "value": 100.0})
    return target


def _with_counts(scores: pd.DataFrame, units: pd.DataFrame) -> pd.DataFrame:
    """How many units of the narrowest level meet a target, of those that can be judged."""
    told = narrowest(units)
    judged = told[told["status"].isin([MET, MISSED])]
    counts = judged.groupby(KEYS)["status"].agg(units_judged="count", units_met=lambda status: (status == MET).sum())
    return scores.drop(columns=["units_met", "units_judged"]).join(counts, on=KEYS)[list(SCORE_COLUMNS)]


def _children_by_unit(layers: Layers, children: pd.Series) -> pd.Series:
    sums = UnitSums(layers.study.origins["unit_id"], layers.study.units)
    by_unit = pd.Series(sums(children.to_numpy(dtype=float)), sums.labels()["unit_id"])
    by_unit[""] = by_unit.iloc[0]
    return by_unit
