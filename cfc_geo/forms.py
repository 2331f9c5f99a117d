"""Forms of offices: which rows of target plans each has, and what a row of a form says and asks for."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from cfc_geo import catalog
from cfc_geo.targets import Target, TargetPlan

FIGURES, CHECKLIST = "figures", "checklist"
"""The sheets of a form: numbers to be told, and what is done or not."""
KEYS: Final = ("mark", "plan_id", "target_id", "version")
"""Hidden columns that say which row is which, wherever it is moved to."""
SAID: Final = {
    FIGURES: ("id", "plan", "clause", "indicator", "of", "asked", "with", "unit"),
    CHECKLIST: ("id", "plan", "clause", "indicator", "of", "asked", "with"),
}
"""Columns that the form states, by sheet."""
ASKED: Final = {
    FIGURES: ("value", "year", "earlier", "earlier_year", "source", "remarks"),
    CHECKLIST: ("done", "document", "date", "link", "remarks"),
}
"""Columns that the office fills in, by sheet."""
ANSWER_KEY: Final = "answer_of"
"""A hidden, open column between those that the office fills in: it says of which row the answer is, and goes with it
where the answers are sorted or pasted without the locked columns."""
HEAD, ROW = "head", "row"
"""Marks of the row of headings that people read, and of a row to be filled in."""
DONE: Final = {"yes": "yes", "no": "no", "under_way": "no"}
"""Choices of a checklist, by their words, and what each counts as."""
YEARS: Final = (2000, 2100)
FIRST_YEAR: Final = 1949
"""No document is older."""
WHOLE: Final = frozenset(["个", "所", "处", "人", "名", "项", "类", "条", "座", "家", "片", "起", "级", "场", "学位"])
"""Units of which there are only whole numbers; any other may have decimals."""
SHARES: Final = {"%": 100, "‰": 1_000}
"""Units of shares, and what all is in them."""
GROSS, GROSS_MOST = re.compile("(?<!羽)毛.*率"), 3
"""A gross rate (毛入园率) counts those of other ages too; it is at most so many times all."""
DECLINE: Final = re.compile("下降|降幅|减少")


class Row(NamedTuple):
    """One target, and the plan whose it is."""

    plan: TargetPlan
    target: Target


class Range(NamedTuple):
    """What a figure may be: from `least` to `most`, both inclusive; None: no end."""

    least: float | None
    most: float | None
    whole: bool


def marker(sheet: str) -> str:
    """What stands in a hidden cell of a sheet of a form, in the row that names the columns for the program."""
    return f"cfc_geo.form.1.{sheet}"


def sheet_of(target: Target) -> str:
    """The sheet whose row the target is; "" for one that is computed from layers, which no form asks for."""
    if target.rows == "S":
        return ""
    return CHECKLIST if target.rows == "Q" or target.compare == "yes" else FIGURES


def rows_by_office(plans: Sequence[TargetPlan]) -> dict[str, list[Row]]:
    """Lead office ("" where none is named) → the rows it fills in, in the order of the plans. The lead is the office
    that a target names first."""
    rows: dict[str, list[Row]] = {}
    for plan in plans:
        for target in plan.targets:
            if sheet_of(target):
                rows.setdefault(target.offices[0] if target.offices else "", []).append(Row(plan, target))
    return rows


def is_trend(target: Target) -> bool:
    """Whether it takes the figure of an earlier year to judge."""
    return target.compare in ("rises", "falls")


def range_of(target: Target) -> Range:
    """What the figure of a target may be, by its unit. A gross rate may exceed all; a decline and percentage points may
    be negative: a change goes either way. Which rates are gross or of a decline is told from the Chinese name."""
    if target.unit.startswith("百分点"):
        return Range(-100, 100, False)
    if target.unit not in SHARES:
        return Range(0, None, target.unit in WHOLE)
    everything = SHARES[target.unit]
    most = everything * GROSS_MOST if GROSS.search(target.zh) else everything
    return Range(-everything if DECLINE.search(target.zh) else 0, most, False)


def columns_of(sheet: str) -> list[str]:
    """The columns of a sheet of a form, in their order. The key of the answer is not the last: whoever picks all that
    an office fills in picks it too, and hardly a table that is pasted reaches it."""
    *asked, last = ASKED[sheet]
    return [*KEYS, *SAID[sheet], *asked, ANSWER_KEY, last]


def answer_key(plan_id: str, target_id: str) -> str:
    """What stands in the column `ANSWER_KEY` of a row."""
    return f"{plan_id}:{target_id}"


def said(row: Row, lang: str) -> dict[str, str]:
    """The texts of a row by column of `SAID`."""
    plan, target = row
    told = [getattr(one, lang) for one in (target.of, target.data, target.read_as) if one is not None]
    return {
        "id": target.id,
        "plan": plan_name(plan, lang),
        "clause": target.clause,
        "indicator": getattr(target, lang),
        "of": _say("semicolon", lang).join(told),
        "asked": requirement(target, lang),
        "with": _say("list", lang).join(target.offices[1:]),
        "unit": catalog.target_units()[target.unit][lang] or _say("no_unit", lang),
    }


def plan_name(plan: TargetPlan, lang: str) -> str:
    """The name of a plan, which says so if it is a draft."""
    name, draft = str(getattr(plan, lang)), catalog.word("score.draft", lang)
    return name if not plan.draft or draft in name else _say("draft_name", lang, name=name, draft=draft)


def requirement(target: Target, lang: str) -> str:
    """What a target asks for, and by when, in words."""
    unit = catalog.target_units()[target.unit][lang]
    amount = "" if target.value is None else f"{target.value:,.10g} {unit}".strip()
    asked = _say(f"asked.{target.compare}", lang, amount=amount)
    if target.year is not None:
        return _say("by", lang, asked=asked, year=target.year)
    return _say("every_year", lang, asked=asked) if target.every_year else asked


def _say(key: str, lang: str, **values: object) -> str:
    return catalog.word(f"form.{key}", lang, **values)
