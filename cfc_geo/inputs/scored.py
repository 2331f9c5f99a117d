"""What a plan's scorecard is asked of: target plans, filled-in forms, thresholds, and what an earlier run found."""

import csv
import difflib
import math
from datetime import date
from pathlib import Path
from typing import Final

import pandas as pd

from cfc_geo.blocks import Scoring, TargetsOf
from cfc_geo.errors import DataError, Findings, PlanError
from cfc_geo.inputs.forms import read_forms
from cfc_geo.model import Known
from cfc_geo.plan import Plan
from cfc_geo.tables import GAP_COLUMNS
from cfc_geo.targets import TargetPlan, load_targets

SCORES, GAPS = "scorecard.csv", "gaps.csv"
MOST_BYTES: Final = 50_000_000


def year_of(asked: Scoring) -> int:
    """The year that is reported: the plan's, or this one."""
    return asked.year or date.today().year


def read_scoring(plan: Plan, asked: Scoring, previous: Path | None = None) -> tuple[list[TargetPlan], Known, Findings]:
    """The target plans, what is known beside the layers, and what a planner should know of forms; `previous` is the
    folder of an earlier result or score. Of earlier figures the plan's own win, then those of forms.

    Raises `PlanError` or `DataError` with every fault: targets that cannot be read, targets that nothing asks for,
    forms that are wrong, a folder that holds no scorecard.
    """
    findings = Findings()
    targets = _targets(asked, plan, findings)
    ids = {target.id: plan_.id for plan_ in targets for target in plan_.targets}
    for key in ("thresholds", "earlier"):
        for name in (name for name in getattr(asked, key) if name not in ids):
            near = difflib.get_close_matches(name, ids, n=1, cutoff=0.0)
            findings.error("targets.unknown_id", plan.file.name, key=f"scorecard.{key}", id=name, near=near)
    findings.raise_errors(PlanError)
    before, register = ({}, None) if previous is None else read_earlier(previous, findings)
    told = read_forms([plan.path(form.file) for form in asked.forms], targets, findings, year=year_of(asked))
    findings.raise_errors(DataError)
    earlier = before | told.earlier | {(ids[name], name): value for name, value in asked.earlier.items()}
    known = Known(answers=told.answers, thresholds=asked.thresholds, earlier=earlier, register=register)
    return targets, known, findings


def read_targets(asked: Scoring, plan: Plan) -> list[TargetPlan]:
    """The target plans of `asked`. Raises `PlanError` where one cannot be read, or is there twice."""
    findings = Findings()
    targets = _targets(asked, plan, findings)
    findings.raise_errors(PlanError)
    return targets


def _targets(asked: Scoring, plan: Plan, findings: Findings) -> list[TargetPlan]:
    targets = list[TargetPlan]()
    for one in asked.targets:
        try:
            targets.append(named_targets(one, plan))
        except PlanError as error:
            findings.extend(error.findings)
    if len({of.id for of in targets}) < len(targets):
        findings.error("targets.plan_twice", plan.file.name, plans=[of.id for of in targets])
    return targets


def named_targets(one: TargetsOf, plan: Plan) -> TargetPlan:
    """The targets that `one` names, files as seen from `plan`. Raises `PlanError`."""
    return load_targets(one.plan or str(plan.path(str(one.file))))


def read_earlier(folder: Path, findings: Findings) -> tuple[dict[tuple[str, str], float], pd.DataFrame | None]:
    """The figures of an earlier scorecard, where they were known exactly, and its register of gaps."""
    scores = _rows(folder / SCORES, ("plan_id", "target_id", "measured", "measured_most"), findings)
    gaps = _rows(folder / GAPS, ("gap_id", "gap_status", "remarks"), findings)
    found = {}
    for row in scores:
        least, most = _number(row["measured"]), _number(row["measured_most"])
        if least == most:
            found[row["plan_id"], row["target_id"]] = least
    register = pd.DataFrame(gaps).reindex(columns=list(GAP_COLUMNS)).fillna("") if gaps else None
    return found, register


def _rows(file: Path, needed: tuple[str, ...], findings: Findings) -> list[dict[str, str]]:
    try:
        if file.stat().st_size > MOST_BYTES:
            raise ValueError(f"> {MOST_BYTES // 1_000_000} MB")
        with file.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream, strict=True))
    except (OSError, ValueError, csv.Error) as error:
        findings.error("targets.no_earlier", str(file), reason=getattr(error, "strerror", None) or str(error))
        return []
    if rows and (missing := [name for name in needed if name not in rows[0]]):
        findings.error("targets.not_a_scorecard", str(file), columns=missing)
        return []
    return [
        dict.fromkeys(needed, "") | {name: value.removeprefix("'") for name, value in row.items() if name and value}
        for row in rows
    ]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
