"""A scorecard as tables: for files, with codes and figures; for people, in words."""

from typing import Any

import numpy as np
import pandas as pd

from cfc_geo import catalog
from cfc_geo.model import Scorecard
from cfc_geo.outputs import score_words as words
from cfc_geo.outputs.spreadsheet import Sheet
from cfc_geo.tables import CHANGED_COLUMNS, CIRCLE, GAP_COLUMNS, SCORE_COLUMNS, SCORE_SAID

SHEET_COLUMNS = (
    "plan_name", "target_id", "clause", "target_name", "asked", "found", "verdict", "shortfall_said", "reason",
    "units_told", "due", "data_said", "method_said", "office", "document", "figure_said", "note",
)  # fmt: skip
"""The sheet of targets, as a 体检 table has it."""
WRAPPED = {
    "plan_name": 16, "clause": 11, "target_name": 26, "asked": 15, "found": 15, "verdict": 10, "shortfall_said": 13,
    "reason": 30, "due": 9, "data_said": 26, "method_said": 30, "office": 16, "document": 16, "figure_said": 14,
    "note": 34, "remarks": 24,
}  # fmt: skip
"""Widths of columns of texts, in half-width characters."""
GAP_SHEET_COLUMNS = (
    "priority", "plan_name", "target_id", "target_name", "unit_name", "level", "found", "asked", "shortfall_said",
    "children", "office", "year", "gap_status", "remarks",
)  # fmt: skip


def score_tables(scorecard: Scorecard, lang: str) -> dict[str, pd.DataFrame]:
    """File name → table."""
    return {
        "scorecard.csv": words.said_columns(scorecard, scorecard.scores, lang)[[*SCORE_COLUMNS, *SCORE_SAID]],
        "score_units.csv": scorecard.units.assign(draft=_drafts(scorecard, scorecard.units)),
        "gaps.csv": gap_table(scorecard, lang),
        "equity.csv": scorecard.equity,
        **({"hubs.csv": _hubs(scorecard)} if scorecard.hubs else {}),
    }


def _hubs(scorecard: Scorecard) -> pd.DataFrame:
    """To which hub each one that is linked to none could be linked."""
    return pd.DataFrame(list(scorecard.hubs.items()), columns=["facility_id", "proposed_hub"])


def gap_table(scorecard: Scorecard, lang: str) -> pd.DataFrame:
    """The register (`tables.GAP_COLUMNS`), with the target's name and who is responsible."""
    known = words.by_id(scorecard)
    rows = [known.get(key) for key in zip(scorecard.gaps["plan_id"], scorecard.gaps["target_id"], strict=True)]
    table = scorecard.gaps.assign(
        target_name=["" if row is None else words.target_named(row[1], lang) for row in rows],
        office=["" if row is None else words.lead_office(row[1], lang) for row in rows],
        draft=_drafts(scorecard, scorecard.gaps),
    )
    at = GAP_COLUMNS.index("target_id") + 1
    return table[[*GAP_COLUMNS[:at], "target_name", "office", "draft", *GAP_COLUMNS[at:]]]


def _drafts(scorecard: Scorecard, table: pd.DataFrame) -> list[bool]:
    """Of each row whether its plan is a draft."""
    drafts = {plan.id for plan in scorecard.plans if plan.draft}
    return [plan in drafts for plan in table["plan_id"]]


def score_sheets(scorecard: Scorecard, lang: str) -> list[Sheet]:
    """The sheets of targets, gaps, units and equity."""
    gaps, units = gap_table(scorecard, lang), scorecard.units
    names = {plan.id: getattr(plan, lang) for plan in scorecard.plans}
    targets = {key: words.target_named(target, lang) for key, (_, target) in words.by_id(scorecard).items()}
    unit_of = {(row.plan_id, row.target_id): row.target_unit for row in scorecard.scores.itertuples()}
    gaps = gaps.assign(
        plan_id=gaps["plan_id"].map(names).fillna(gaps["plan_id"]),
        gap_status=[words.gap_status(status, lang) for status in gaps["gap_status"]],
        asked=[words.asked(row, lang) for row in gaps.itertuples()],
        found=[words.found(row, lang) for row in gaps.itertuples()],
        shortfall_said=[words.shortfall(row, lang) for row in gaps.itertuples()],
    ).rename(columns={"plan_id": "plan_name"})[list(GAP_SHEET_COLUMNS)]
    units = units[units["status"] != "not_judged"].assign(
        target_name=lambda table: [targets[key] for key in zip(table["plan_id"], table["target_id"], strict=True)],
        target_unit=lambda table: [unit_of[key] for key in zip(table["plan_id"], table["target_id"], strict=True)],
        found=lambda table: [words.found(row, lang) for row in table.itertuples()],
        shortfall_said=lambda table: [words.shortfall(row, lang) for row in table.itertuples()],
        verdict=lambda table: [words.say(f"status.{status}", lang) for status in table["status"]],
    )
    told = ["target_id", "target_name", "unit_name", "level", "found", "verdict", "shortfall_said"]
    return [
        Sheet(words.say("sheet", lang), readable_scores(scorecard, lang), "scorecard.csv", 4, wrapped=WRAPPED),
        Sheet(words.say("sheet.gaps", lang), gaps, "gaps.csv", 2, wrapped=WRAPPED),
        Sheet(words.say("sheet.units", lang), units[told].reset_index(drop=True), "score_units.csv", 2),
        Sheet(words.say("sheet.equity", lang), readable_equity(scorecard.equity, lang), "equity.csv", 2),
    ]


def readable_scores(scorecard: Scorecard, lang: str) -> pd.DataFrame:
    """One row a target in words (`SHEET_COLUMNS`)."""
    names = {plan.id: getattr(plan, lang) for plan in scorecard.plans}
    table = words.said_columns(scorecard, scorecard.scores, lang)
    rows = list(scorecard.scores.itertuples())
    return table.assign(
        plan_name=table["plan_id"].map(names),
        asked=[words.asked(row, lang) for row in rows],
        found=[words.found(row, lang) for row in rows],
        shortfall_said=[words.shortfall(row, lang) for row in rows],
        verdict=[words.verdict(row, lang) for row in rows],
        reason=[words.reason(row, scorecard, lang) for row in rows],
        units_told=[words.units_told(row) for row in rows],
        due=[words.due(row, lang) for row in rows],
        figure_said=[words.say(f"figure.{row.figure_is}", lang) if row.figure_is else "" for row in rows],
    )[list(SHEET_COLUMNS)]


def readable_equity(equity: pd.DataFrame, lang: str) -> pd.DataFrame:
    """With the names of kinds."""
    circle = catalog.word("compare.kind.circle", lang)
    return equity.assign(kind=[circle if kind == CIRCLE else catalog.kind_name(kind, lang) for kind in equity["kind"]])


def changed_table(before: Scorecard, after: Scorecard, lang: str) -> pd.DataFrame:
    """`tables.CHANGED_COLUMNS`: the targets that come out otherwise, or ask for something else, by the rules of `after`
    than by those of `before`, on the same layers."""
    old, new = ({(row.plan_id, row.target_id): row for row in one.scores.itertuples()} for one in (before, after))
    names = {
        key: words.target_named(target, lang)
        for key, (_, target) in {**words.by_id(before), **words.by_id(after)}.items()
    }
    rows = []
    for key in dict.fromkeys([*old, *new]):
        told = [_told(one.get(key), lang) for one in (old, new)]
        if told[0] != told[1]:
            rows.append((*key, names[key], *(part for pair in zip(*told, strict=True) for part in pair)))
    return pd.DataFrame(rows, columns=list(CHANGED_COLUMNS))


def no_changes() -> pd.DataFrame:
    return pd.DataFrame(columns=list(CHANGED_COLUMNS))


def _told(row: Any, lang: str) -> tuple[str, str, str]:
    """What is asked, found and judged; "" where there is no such target."""
    return ("", "", "") if row is None else (words.asked(row, lang), words.found(row, lang), row.status)


def summed(scorecard: Scorecard, plan_id: str) -> dict[str, int]:
    """How many targets of a plan, of those that count, came out how; `form`: wait for one; `twice`: do not count."""
    scores = scorecard.scores[scorecard.scores["plan_id"] == plan_id]
    counted = scores[scores["counted"].to_numpy(dtype=bool)]
    by_status = counted["status"].value_counts()
    told = {status: int(by_status.get(status, 0)) for status in ("met", "missed", "no_data", "not_judged")}
    return told | {
        "count": len(scores),
        "form": int(np.sum(counted["why_not"] == "form")),
        "twice": len(scores) - len(counted),
    }
