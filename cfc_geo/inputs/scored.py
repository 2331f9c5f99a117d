"""What a plan's scorecard is asked of: target plans, filled-in forms, thresholds, and what an earlier run found."""

import csv
import difflib
import io
from datetime import date
from pathlib import Path
from typing import Final

import pandas as pd
from pydantic import BaseModel, ConfigDict

from cfc_geo.blocks import Scoring, TargetsOf
from cfc_geo.errors import DataError, Findings, PlanError
from cfc_geo.inputs.forms import read_forms
from cfc_geo.model import Known
from cfc_geo.plan import Plan
from cfc_geo.tables import GAP_COLUMNS, GAP_NUMBERS
from cfc_geo.targets import NUMBERED, TargetPlan, load_targets

RECORD, GAPS = "run.json", "gaps.csv"
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
    stated = {target.id: target for of in targets for target in of.targets}
    for name in (name for name in asked.thresholds if name in stated and stated[name].compare in NUMBERED):
        findings.error("targets.has_number", plan.file.name, id=name, value=stated[name].value)
    findings.raise_errors(PlanError)
    year = year_of(asked)
    before, register = ({}, None) if previous is None else read_earlier(previous, targets, year, findings)
    told = read_forms([plan.path(form.file) for form in asked.forms], targets, findings, year=year)
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


class _Figure(BaseModel):
    """A figure of an earlier scorecard as `run.json` keeps it, unrounded."""

    model_config = ConfigDict(extra="ignore", strict=True)

    plan: str
    version: str
    target: str
    least: float
    most: float


class _Scored(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    year: int
    figures: list[_Figure]


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    scorecard: _Scored


def read_earlier(
    folder: Path, targets: list[TargetPlan], year: int, findings: Findings
) -> tuple[dict[tuple[str, str], float], pd.DataFrame | None]:
    """The figures of the scorecard in `folder` that were known exactly, if it is of a year before `year` and of the
    same version of its plan; and its register of gaps, whoever wrote into it."""
    record, figures = _record(folder / RECORD, findings), dict[tuple[str, str], float]()
    versions = {of.id: of.version for of in targets}
    if record is not None and record.year >= year:
        findings.warning("targets.not_earlier", str(folder), year=record.year, reported=year)
    elif record is not None:
        same = [one for one in record.figures if versions.get(one.plan) == one.version and one.least == one.most]
        figures = {(one.plan, one.target): one.least for one in same}
        others = sorted({one.plan for one in record.figures if versions.get(one.plan, one.version) != one.version})
        if others:
            findings.warning("targets.other_version", str(folder), plans=others)
    return figures, _register(folder / GAPS, findings)


def _record(file: Path, findings: Findings) -> _Scored | None:
    try:
        if file.stat().st_size > MOST_BYTES:
            raise ValueError(f"> {MOST_BYTES // 1_000_000} MB")
        return _Record.model_validate_json(file.read_bytes()).scorecard
    except OSError as error:
        findings.error("targets.no_earlier", str(file), reason=error.strerror or str(error))
    except ValueError:  # of pydantic too
        findings.error("targets.not_a_scorecard", str(file))
    return None


def _register(file: Path, findings: Findings) -> pd.DataFrame | None:
    """The register with numbers as numbers; spreadsheets may have saved it in GB18030."""
    try:
        if file.stat().st_size > MOST_BYTES:
            raise ValueError(f"> {MOST_BYTES // 1_000_000} MB")
        raw = file.read_bytes()
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = raw.decode("gb18030")
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except (OSError, ValueError, csv.Error) as error:
        findings.error("targets.no_earlier", str(file), reason=getattr(error, "strerror", None) or str(error))
        return None
    if rows and not {"gap_id", "gap_status", "remarks"} <= set(rows[0]):
        findings.error("targets.not_a_register", str(file))
        return None
    table = pd.DataFrame(rows).reindex(columns=list(GAP_COLUMNS)).fillna("")
    table = table.map(lambda cell: str(cell).removeprefix("'"))
    return table.assign(**{name: pd.to_numeric(table[name], errors="coerce").astype(float) for name in GAP_NUMBERS})
