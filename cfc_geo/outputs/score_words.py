"""A scorecard in words: what a target asks for, how it is computed, what is missing, what came of it."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from cfc_geo import catalog, targets
from cfc_geo.model import Lack, Scorecard
from cfc_geo.questions.scorecard.judge import is_smaller
from cfc_geo.questions.scorecard.register import CLOSED, NEW, OPEN
from cfc_geo.targets import Bound, Chosen, Condition, Said, Target, TargetPlan

DECIMALS = 2


def said(words: Said | None, lang: str) -> str:
    return "" if words is None else str(getattr(words, lang))


def target_named(target: Target, lang: str) -> str:
    return str(getattr(target, lang))


def by_id(scorecard: Scorecard) -> dict[tuple[str, str], tuple[TargetPlan, Target]]:
    """(plan, target) → both."""
    return {(plan.id, target.id): (plan, target) for plan in scorecard.plans for target in plan.targets}


def number(value: float) -> str:
    """A figure with two decimals, or with four where two would make another of it: a whole one, or none at all; ""
    where there is none."""
    if math.isnan(value):
        return ""
    decimals = DECIMALS if round(value, DECIMALS) % 1 or value % 1 == 0 else 2 * DECIMALS
    return f"{value:,.{decimals}f}".rstrip("0").rstrip(".") if decimals else f"{value:,.0f}"


def unit_of(target_unit: str, lang: str) -> str:
    return str(catalog.target_units()[target_unit][lang])


def draft(plan: TargetPlan, lang: str) -> str:
    """That a plan is one that was sent out for comments; "" where it is not."""
    return f"[{say('draft', lang)}] " if plan.draft else ""


def asked(row: Any, lang: str) -> str:
    """≥ 4.5 个/千常住人口"""
    key = row.compare
    if not math.isnan(row.target_value) and key not in targets.NUMBERED:
        key = "at_least"
    return say(f"compare.{key}", lang, value=number(row.target_value), unit=unit_of(row.target_unit, lang)).strip()


def found(row: Any, lang: str) -> str:
    """What was measured: a figure, or from where to where; "" where nothing is known."""
    least, most = row.measured, row.measured_most
    if math.isnan(least):
        return ""
    unit = unit_of(row.target_unit, lang)
    if least == most:
        shown = number(least)
    elif math.isinf(most):
        shown = say("at_least", lang, least=number(least))
    else:
        shown = say("between", lang, least=number(least), most=number(most))
    return f"{shown} {unit}".strip()


def shortfall(row: Any, lang: str) -> str:
    """How far it surely is from the target, in its unit."""
    return "" if math.isnan(row.shortfall) else f"{number(row.shortfall)} {unit_of(row.target_unit, lang)}".strip()


def reason(row: Any, scorecard: Scorecard, lang: str) -> str:
    """Why a row is not judged, or has no data; "" where it is judged."""
    if not row.why_not:
        return ""
    plan, _ = by_id(scorecard)[row.plan_id, row.target_id]
    lacking = lacks(scorecard.lacking.get((row.plan_id, row.target_id), ()), lang)
    return say(f"why.{row.why_not}", lang, place=said(plan.place, lang), lacking=lacking)


def verdict(row: Any, lang: str) -> str:
    """Met, missed, no data or not judged; and that a row states another again."""
    told = say(f"status.{row.status}", lang)
    return told if row.counted else f"{told}{say('semicolon', lang)}{say('same_as', lang)}"


def units_told(row: Any) -> str:
    """Of how many units that are judged how many meet it: 26/33."""
    return "" if math.isnan(row.units_judged) else f"{row.units_met:.0f}/{row.units_judged:.0f}"


def gap_status(status: str, lang: str) -> str:
    """In words; what a planner wrote instead stays."""
    return say(f"gap.{status}", lang) if status in (NEW, OPEN, CLOSED) else status


def due(row: Any, lang: str) -> str:
    if math.isnan(row.year):
        return ""
    return f"{row.year:.0f}" + (say("semicolon", lang) + say("due.passed", lang) if row.due_passed else "")


def lacks(missing: Iterable[Lack], lang: str) -> str:
    return _join("semicolon", [_lack(one, lang) for one in missing], lang)


def computed(target: Target, lang: str) -> str:
    """How a target is computed."""
    method: Any = target.method
    if method is None:
        return say("method.form", lang)
    values: dict[str, Any] = {"of": _of(method, lang)}
    match method.by:
        case "count" if method.sum is not None:
            return say("method.sum", lang, sum=attribute(method.sum, lang), **values)
        case "share":
            values["having"] = _where(method.having, lang)
        case "units_with" | "per_unit":
            values["levels"] = _join("or", [_level(level, lang) for level in method.levels], lang)
            values["least"] = getattr(method, "least", "")
        case "per_facility":
            flags = _join("or", [attribute(flag, lang) for flag in method.flags], lang)
            values["what"] = attribute(method.of, lang) if method.of else say("method.flags", lang, flags=flags)
        case "per_thousand":
            values |= {"sum": attribute(method.of, lang), "per": say(f"per.{method.per}", lang)}
        case "covered" if method.kind is None:
            return say("method.circle", lang)
        case "nursing_rooms":
            values |= {"area": f"{method.area_over_m2:,.0f}", "visitors": f"{method.visitors_over:,.0f}"}
        case "none_within":
            values |= {"what": values["of"], "of": _kinds(method.of, lang), "limit": f"{method.limit_m:g}"}
        case "school_zones":
            values["what"] = say(f"zone.{method.of}", lang)
    each = method.by == "units_with" and method.each and len(method.kinds) > 1
    text = say("method.units_with_each" if each else f"method.{method.by}", lang, **values)
    if method.by == "per_unit" and method.residents_least:
        text += say("method.residents_least", lang, residents=f"{method.residents_least:,}")
    return text


def drawn_from(target: Target, lang: str) -> str:
    """What a target is computed from, or counted from by its office."""
    method: Any = target.method
    if method is None:
        return said(target.data, lang)
    kinds = [
        *getattr(method, "kinds", []),
        *([method.kind] if getattr(method, "kind", None) else []),
    ]
    return say("layers_of", lang, kinds=_kinds(kinds, lang)) if kinds else ""


def remarks(target: Target, plan: TargetPlan, widest: str, lang: str) -> str:
    """Draft, denominator, note, how it was read; and that a figure is of a part of the place whose target it is."""
    parts = [say("draft", lang)] if plan.draft else []
    if target.method is not None and is_smaller(widest, plan.scope):
        parts.append(say("part", lang, place=said(plan.place, lang)))
    parts += [said(target.of, lang), said(target.note, lang)]
    if target.read_as is not None:
        parts.append(say("read_as", lang, text=said(target.read_as, lang)))
    return _join("semicolon", [part for part in parts if part], lang)


def lead_office(target: Target, lang: str) -> str:
    return target.offices[0] if target.offices else say("office.none", lang)


def attribute(name: str, lang: str) -> str:
    known = catalog.attributes().get(name)
    return str(getattr(known, lang)) if known is not None else say(f"said.{name}", lang)


def _lack(one: Lack, lang: str) -> str:
    of = _kinds(one.of, lang)
    match one.what:
        case "kind" if not one.name:
            name = say("lack.circle", lang)
        case "kind" | "unknown_access":
            name = catalog.kind_name(one.name, lang) if one.name else say("lack.circle", lang)
        case "attribute":
            name = attribute(one.name, lang)
        case "level" | "setting":
            name = _level(one.name, lang)
        case "layer":
            name = say("lack.sidewalk", lang) if one.name == "sidewalk" else one.name
            of = _join("or", [say(f"layer.{layer}", lang) for layer in one.of], lang)
        case _:
            name = one.name
    return say(f"lack.{one.what}", lang, name=name, of=of)


def _of(method: Any, lang: str) -> str:
    if isinstance(method, Chosen):
        kinds = _join("or", method.words, lang) if method.words else _kinds(method.kinds, lang)
        where = _where(method.where, lang)
        return say("where", lang, kinds=kinds, where=where) if where else kinds
    kind = getattr(method, "kind", None)
    return _kinds(getattr(method, "kinds", [kind] if kind else []), lang)


def _where(conditions: Mapping[str, Condition], lang: str) -> str:
    return _join("or", [_condition(name, condition, lang) for name, condition in conditions.items()], lang)


def _condition(name: str, condition: Condition, lang: str) -> str:
    shown = attribute(name, lang)
    if isinstance(condition, bool):
        return say("where.yes" if condition else "where.no", lang, name=shown)
    if isinstance(condition, Bound):
        ends = [
            (end, value) for end, value in (("least", condition.least), ("most", condition.most)) if value is not None
        ]
        return _join("or", [say(f"where.{end}", lang, name=shown, **{end: f"{value:g}"}) for end, value in ends], lang)
    return say("where.words", lang, name=shown, words=_join("or", condition, lang))


def _kinds(kinds: Iterable[str], lang: str) -> str:
    return _join("or", [catalog.kind_name(kind, lang) for kind in kinds], lang)


def _level(level: str, lang: str) -> str:
    return str(getattr(catalog.levels()[level], lang)) if level in catalog.levels() else level


def _join(key: str, parts: Iterable[str], lang: str) -> str:
    return say(key, lang).join(parts)


def say(key: str, lang: str, **values: Any) -> str:
    return catalog.word(f"score.{key}", lang, **values)


def told_in(scores: pd.DataFrame, lang: str) -> pd.DataFrame:
    """Saved `scores` (`tables.SCORE_COLUMNS`, `SCORE_SAID`) with `plan_name`, and names of targets and offices in
    another language than they were saved in, where the target is one of the catalogue; else as saved."""
    plans = {of: targets.load_targets(of) for of in scores["plan_id"].unique() if of in catalog.target_plans()}
    known = {(plan.id, target.id): target for plan in plans.values() for target in plan.targets}
    names, offices = [], []
    for row in scores.itertuples():
        target = known.get((row.plan_id, row.target_id))
        # a file of the planner's own may bear the id of a plan of the catalogue
        is_same = target is not None and row.target_name in (target.zh, target.en)
        names.append(target_named(target, lang) if target is not None and is_same else row.target_name)
        offices.append(lead_office(target, lang) if target is not None and is_same else row.office)
    plan_names = [getattr(plans[of], lang) if of in plans else of for of in scores["plan_id"]]
    return scores.assign(plan_name=plan_names, target_name=names, office=offices)


def said_columns(scorecard: Scorecard, table: pd.DataFrame, lang: str) -> pd.DataFrame:
    """`table` (plan_id, target_id) with the columns `tables.SCORE_SAID`, in words."""
    known = by_id(scorecard)
    rows = [known[key] for key in zip(table["plan_id"], table["target_id"], strict=True)]
    return table.assign(
        target_name=[target_named(target, lang) for _, target in rows],
        office=[lead_office(target, lang) for _, target in rows],
        offices=[_join("or", target.offices, lang) for _, target in rows],
        lacking=[lacks(scorecard.lacking.get((plan.id, target.id), ()), lang) for plan, target in rows],
        method_said=[computed(target, lang) for _, target in rows],
        data_said=[drawn_from(target, lang) for _, target in rows],
        note=[remarks(target, plan, scorecard.widest, lang) for plan, target in rows],
        same_as=[target.same_as or "" for _, target in rows],
    )
