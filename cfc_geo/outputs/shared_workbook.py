"""workbook.xlsx as it may leave the office: protected tables, and what was kept back and why.

Sheets and columns are those listed here and no others, whatever else the tables hold.
"""

from collections.abc import Sequence
from typing import Any, Final

import pandas as pd

from cfc_geo import catalog
from cfc_geo.model import Finished
from cfc_geo.outputs import score_words as words
from cfc_geo.outputs.spreadsheet import Marks, Pen, Sheet, readable, workbook_bytes
from cfc_geo.outputs.tables import text
from cfc_geo.questions.disclosure.protect import Protected
from cfc_geo.questions.disclosure.rules import SHOWN, SUPPRESSED
from cfc_geo.questions.disclosure.scores import protect_scores

COVERAGE: Final = (
    "unit_id", "unit_name", "level", "kind", "band", "limit_m", "children", "covered", "gap", "unknown",
    "covered_share", "mean_walk_m", "mean_walk_min",
)  # fmt: skip
CIRCLE: Final = (
    "unit_id", "unit_name", "level", "band", "children", "complete", "incomplete", "unknown", "complete_share",
)  # fmt: skip
SCORES: Final = ("plan_name", "target_id", "clause", "target_name", "asked", "found", "verdict", "due", "office")
SOURCES: Final = ("role", "file", "date", "citation", "licence")
RULES_WIDTHS: Final = (28, 40, 40)


def shared_workbook(
    finished: Finished, protected: Protected, lang: str, *, scores: pd.DataFrame | None = None
) -> bytes:
    """The workbook. The same tables give the same bytes. `scores`: `tables.SCORE_COLUMNS` and `SCORE_SAID`,
    exact."""
    sources = pd.DataFrame(
        [[getattr(source, name) for name in SOURCES] for source in finished.sources], columns=list(SOURCES)
    )
    sources["file"] = sources["file"].str.replace(r".*[/\\\\]", "", regex=True)  # folders are nobody else's business

    def draw(pen: Pen) -> None:
        _write_about(pen, finished, protected)
        pen.sheet(_sheet("coverage", protected.coverage, COVERAGE, lang))
        pen.sheet(_sheet("circle", protected.circle, CIRCLE, lang))
        if scores is not None:
            pen.sheet(
                Sheet(
                    _say("sheet.scores", lang),
                    _scores(words.told_in(protect_scores(scores, protected), lang), lang),
                    frozen=4,
                )
            )
        pen.sheet(Sheet(_say("sheet.sources", lang), readable(sources, lang)))

    return workbook_bytes(_say("title", lang, place=text(finished.title)), lang, draw)


def rule_sentences(protected: Protected, lang: str) -> list[str]:
    """What is not shown, and why, one sentence each."""
    rules = protected.rules
    values = {
        "k": f"{rules.k:g}",
        "base": f"{rules.base:g}",
        "least": f"{rules.least_shown:g}",
        "kept": _say("kept", lang),
        "unknown": _say("unknown", lang),
        "figures": f"{protected.figures:,}",
        "hidden": f"{protected.hidden:,}",
        "share": f"{protected.hidden / max(protected.figures, 1):.0%}",
    }
    told = ("small", "rounded", "complementary", "audit", "shares", "blocks", "unknown", "count", "not_for")
    return [_say(f"rule.{key}", lang, **values) for key in told]


def state_word(state: str, lang: str) -> str:
    """What stands in place of a figure: "" for one that is shown."""
    if state == SHOWN:
        return ""
    return _say("kept" if state == SUPPRESSED else "unknown", lang)


def _sheet(name: str, table: pd.DataFrame, columns: Sequence[str], lang: str) -> Sheet:
    marks: Marks = {
        column: [state_word(state, lang) for state in table[f"{column}_state"]]
        for column in columns
        if f"{column}_state" in table
    }
    return Sheet(_say(f"sheet.{name}", lang), readable(table[list(columns)], lang), frozen=2, marks=marks)


def _scores(scores: pd.DataFrame, lang: str) -> pd.DataFrame:
    """What each target asks for, and what came of it, in words."""
    flags = {
        name: scores[name].astype(str) == "True" for name in ("counted", "draft", "due_passed")
    }  # read back or not
    rows = list(scores.assign(**flags).itertuples())
    return scores.assign(
        asked=[words.asked(row, lang) for row in rows],
        found=[words.found(row, lang) or _kept_word(row.measured_state, lang) for row in rows],
        verdict=[_verdict(row, lang) for row in rows],
        due=[words.due(row, lang) for row in rows],
    )[list(SCORES)]


def _verdict(row: Any, lang: str) -> str:
    draft = [words.say("draft", lang)] if row.draft else []
    return words.say("semicolon", lang).join([words.verdict(row, lang), *draft])


def _kept_word(state: str, lang: str) -> str:
    return state_word(state, lang) if state == SUPPRESSED else ""


def _write_about(pen: Pen, finished: Finished, protected: Protected) -> None:
    """The first sheet: which place, and what is not shown."""
    page = pen.page(_say("sheet.about", pen.lang), RULES_WIDTHS)
    row = pen.heading(page, 0, _say("title", pen.lang, place=text(finished.title)), title=True)
    row = pen.heading(page, row + 1, _say("rule.heading", pen.lang))
    for sentence in rule_sentences(protected, pen.lang):
        row = pen.paragraph(page, row, sentence, RULES_WIDTHS)


def _say(key: str, lang: str, **values: Any) -> str:
    return catalog.word(f"share.{key}", lang, **values)
