"""workbook.xlsx as it may leave the office: protected tables, and what was kept back and why.

Sheets and columns are those listed here and no others, whatever else the tables hold.
"""

from collections.abc import Sequence
from typing import Any, Final

import pandas as pd

from cfc_geo import catalog
from cfc_geo.model import Finished
from cfc_geo.outputs.provenance import shown_sources
from cfc_geo.outputs.spreadsheet import Marks, Pen, Sheet, readable, workbook_bytes
from cfc_geo.outputs.tables import text
from cfc_geo.questions.disclosure.protect import Protected
from cfc_geo.questions.disclosure.rules import SHOWN, SUPPRESSED

COVERAGE: Final = (
    "unit_id", "unit_name", "level", "kind", "band", "limit_m", "children", "covered", "gap", "unknown",
    "covered_share", "mean_walk_m", "mean_walk_min",
)  # fmt: skip
CIRCLE: Final = (
    "unit_id", "unit_name", "level", "band", "children", "complete", "incomplete", "unknown", "complete_share",
)  # fmt: skip
SOURCES: Final = ("role", "file", "date", "citation", "licence")
RULES_WIDTHS: Final = (28, 40, 40)


def shared_workbook(finished: Finished, protected: Protected, lang: str) -> bytes:
    """The workbook. The same tables give the same bytes."""
    sources = pd.DataFrame(
        [[getattr(source, name) for name in SOURCES] for source in shown_sources(finished.sources)],
        columns=list(SOURCES),
    )

    def draw(pen: Pen) -> None:
        _write_about(pen, finished, protected)
        pen.sheet(_sheet("coverage", protected.coverage, COVERAGE, lang))
        pen.sheet(_sheet("circle", protected.circle, CIRCLE, lang))
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


def _write_about(pen: Pen, finished: Finished, protected: Protected) -> None:
    """The first sheet: which place, and what is not shown."""
    page = pen.page(_say("sheet.about", pen.lang), RULES_WIDTHS)
    row = pen.heading(page, 0, _say("title", pen.lang, place=text(finished.title)), title=True)
    row = pen.heading(page, row + 1, _say("rule.heading", pen.lang))
    for sentence in rule_sentences(protected, pen.lang):
        row = pen.paragraph(page, row, sentence, RULES_WIDTHS)


def _say(key: str, lang: str, **values: Any) -> str:
    return catalog.word(f"share.{key}", lang, **values)
