"""The forms that offices fill in: one workbook a lead office, with the rows that it leads and no others.

What must not change is locked, without a password; every row has its key in hidden columns, so that it may be moved,
and once more among its open cells, so that an answer that was moved away from its row is known.
"""

import hashlib
import json
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple

from cfc_geo import catalog
from cfc_geo.errors import Findings, OutputError, PlanError
from cfc_geo.forms import (
    ANSWER_KEY,
    DONE,
    FIRST_YEAR,
    HEAD,
    KEYS,
    ROW,
    SAID,
    YEARS,
    Row,
    answer_key,
    columns_of,
    is_trend,
    marker,
    plan_name,
    range_of,
    rows_by_office,
    said,
    sheet_of,
)  # fmt: skip
from cfc_geo.outputs.folder import MAX_NAME_BYTES, RESERVED, UNSAFE, check_named_folder, renewed
from cfc_geo.outputs.provenance import PROGRAM, RUN_RECORD, versions, write_record
from cfc_geo.outputs.spreadsheet import (
    HEADER_COLOUR,
    LINE_HEIGHT,
    MAX_LINES,
    RULE_COLOUR,
    Pen,
    display_width,
    workbook_bytes,
)
from cfc_geo.targets import Target, TargetPlan

ENDING: Final = ".xlsx"
WIDTHS: Final = {
    "id": 9, "plan": 13, "clause": 7, "indicator": 22, "of": 24, "asked": 15, "with": 12, "unit": 9, "value": 10,
    "year": 8, "earlier": 10, "earlier_year": 8, "source": 18, "remarks": 14, "done": 8, "document": 20, "date": 12,
    "link": 26,
}  # fmt: skip
"""Of columns, in half-width characters."""
ABOUT_WIDTHS: Final = (110,)
HEAD_LINES: Final = 3
FILL_IN, NOT_ASKED = "#FFF8DC", "#E4E4E4"
EXAMPLE: Final = "2024-05-31"
LONGEST_IN_HEADER: Final = 60
HOW: Final = ("cells", "private", "value", "year", "trend", "done", "back")


class Form(NamedTuple):
    """One office's form: its file, the office ("" where the plans name none), and its rows by sheet."""

    file: str
    office: str
    rows: Mapping[str, Sequence[Row]]


def check_forms_folder(plan_file: Path, out_dir: Path) -> Path:
    """The folder the forms go to, `out_dir/<plan>.forms`; looks, and changes nothing.

    Raises `OutputError` as `check_folder` does, and where a form in it was filled in: it is never overwritten.
    """
    folder = check_named_folder(plan_file, out_dir, f"{plan_file.stem}.forms")
    findings = Findings()
    if changed := _changed_since(folder):
        findings.error("form.filled_in", str(folder), files=changed[:5])
    findings.raise_errors(OutputError)
    return folder


def forms_of(plans: Sequence[TargetPlan], lang: str) -> list[Form]:
    """The forms, in the order in which the plans name their offices. Raises `PlanError` where none has a row."""
    by_office = rows_by_office(plans)
    findings = Findings()
    if not by_office:
        findings.error("form.no_rows", plans=[plan.id for plan in plans])
    findings.raise_errors(PlanError)
    files = _file_names([office or catalog.word("score.office.none", lang) for office in by_office])
    return [
        Form(file, office, {sheet: [row for row in rows if sheet_of(row.target) == sheet] for sheet in SAID})
        for file, (office, rows) in zip(files, by_office.items(), strict=True)
    ]


def write_forms(plan_file: Path, plans: Sequence[TargetPlan], out_dir: Path, lang: str) -> tuple[Path, list[Form]]:
    """Write a form for every office that leads a row of `plans`: all, in the place of old ones, or none.

    Raises `PlanError` or `OutputError` as `forms_of` and `check_forms_folder` do.
    """
    forms, folder = forms_of(plans, lang), check_forms_folder(plan_file, out_dir)
    with renewed(folder) as new:
        check_forms_folder(plan_file, out_dir)
        for form in forms:
            (new / form.file).write_bytes(form_bytes(form, lang))
        record = {
            "program": PROGRAM,
            "verb": "form",
            "plan": {"file": plan_file.name},
            "versions": versions(),
            "targets": [{"id": plan.id, "version": plan.version} for plan in plans],
            "forms": [
                {"file": form.file, "office": form.office, **{of: len(rows) for of, rows in form.rows.items()}}
                for form in forms
            ],
        }
        write_record(record, new / RUN_RECORD, list(new.iterdir()))
    return folder, forms


def form_bytes(form: Form, lang: str) -> bytes:
    """The workbook of a form. The same rows and words give the same bytes."""
    title = _say("title", lang, office=form.office or catalog.word("score.office.none", lang))

    def draw(pen: Pen) -> None:
        style = _Style(pen)
        _draw_about(pen, form, title)
        for sheet, rows in form.rows.items():
            if rows:
                _draw_sheet(pen, style, sheet, rows, title)

    return workbook_bytes(title, lang, draw)


# --------------------------------------------------------------------------------------------------------------- names


def _file_names(offices: Iterable[str]) -> list[str]:
    """A name of a file for each office, which every system can have; no two differ by case only."""
    names, taken = list[str](), {RUN_RECORD}
    for office in offices:
        stem = _safe(office)
        name, number = stem + ENDING, 1
        while name.casefold() in taken:
            number += 1
            name = f"{stem}-{number}{ENDING}"
        taken.add(name.casefold())
        names.append(name)
    return names


def _safe(text: str) -> str:
    plain = unicodedata.normalize("NFC", " ".join(text.split()))
    plain = UNSAFE.sub("_", "".join(mark if mark.isprintable() else "_" for mark in plain))
    plain = plain.encode()[: MAX_NAME_BYTES // 2].decode(errors="ignore").strip(" .") or "_"
    return f"_{plain}" if plain.split(".")[0].strip().casefold() in RESERVED or plain.startswith("~") else plain


def _changed_since(folder: Path) -> list[str]:
    """Forms in a folder that are no longer what was written."""
    try:
        record = json.loads((folder / RUN_RECORD).read_text(encoding="utf-8"))
        written = {row["file"]: row["sha256"] for row in record["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return []
    there = [name for name in sorted(written) if (folder / name).is_file()]
    return [name for name in there if hashlib.sha256((folder / name).read_bytes()).hexdigest() != written[name]]


# -------------------------------------------------------------------------------------------------------------- sheets


class _Style:
    """Formats of a form: cells that say something, and cells to be filled in, by what they hold."""

    def __init__(self, pen: Pen) -> None:
        cell = {"valign": "top", "font_size": 10, "text_wrap": True, "border": 1, "border_color": RULE_COLOUR}
        filled = {**cell, "bg_color": FILL_IN, "locked": False}
        add = pen.book.add_format
        self.head = add({**cell, "bold": True, "valign": "vcenter", "bg_color": HEADER_COLOUR})
        self.said, self.not_asked = add(cell), add({**cell, "bg_color": NOT_ASKED})
        self.text = add({**filled, "num_format": "@"})
        self.date = add({**filled, "num_format": "yyyy-mm-dd"})
        self.year = add({**filled, "num_format": "0"})
        self.count = add({**filled, "num_format": "#,##0"})
        self.number = add({**filled, "num_format": "General"})
        self.share = {sign: add({**filled, "num_format": f'General"{sign}"'}) for sign in "%‰"}

    def figure(self, target: Target) -> Any:
        """Of a figure: a share shows its sign, so that whoever writes 0.85 sees 0.85%."""
        if target.unit in self.share:
            return self.share[target.unit]
        return self.count if range_of(target).whole else self.number


def _draw_about(pen: Pen, form: Form, title: str) -> None:
    lang = pen.lang
    page = pen.page(_say("sheet.about", lang), ABOUT_WIDTHS)
    row = pen.heading(page, 0, title, title=True) + 1
    row = pen.heading(page, row, _say("plans", lang))
    plans = {row.plan.id: row.plan for rows in form.rows.values() for row in rows}
    for plan in plans.values():
        told = _say("plan", lang, name=plan_name(plan, lang), version=plan.version)
        row = _line(pen, page, row, told)
    row = pen.heading(page, row + 1, _say("how", lang))
    counts = {sheet: len(rows) for sheet, rows in form.rows.items()}
    for key in HOW:
        row = _line(pen, page, row, _say(f"how.{key}", lang, **(counts if key == "cells" else {})))
    page.protect()


def _line(pen: Pen, page: Any, row: int, sentence: str) -> int:
    page.write_string(row, 0, sentence, pen.prose)
    page.set_row(row, LINE_HEIGHT * _lines(sentence, ABOUT_WIDTHS[0]))
    return row + 1


def _draw_sheet(pen: Pen, style: _Style, sheet: str, rows: Sequence[Row], title: str) -> None:
    """A hidden row names the columns for the program, the next for people; both stay where rows are moved."""
    lang, columns = pen.lang, columns_of(sheet)
    page = pen.page(_say(f"sheet.{sheet}", lang), [WIDTHS.get(name, 10) for name in columns])
    page.set_column(0, len(KEYS) - 1, None, None, {"hidden": True})
    page.set_column(columns.index(ANSWER_KEY), columns.index(ANSWER_KEY), None, None, {"hidden": True})
    page.set_row(0, None, None, {"hidden": True})
    for position, name in enumerate(columns):
        page.write_string(0, position, marker(sheet) if name == KEYS[0] else name, style.said)
        page.write_string(1, position, HEAD if name == KEYS[0] else _heading(name, lang), style.head)
    page.set_row(1, HEAD_LINES * LINE_HEIGHT + 4)
    for number, row in enumerate(rows, start=2):
        _draw_row(page, style, sheet, columns, number, row, lang)
    page.freeze_panes(2, len(KEYS) + 1)
    page.repeat_rows(0, 1)
    page.set_margins(left=0.3, right=0.3, top=0.7, bottom=0.6)
    page.set_header("&L" + _plain_header(title))
    # no sorting: it would move the open cells and leave the locked ones
    page.protect("", dict.fromkeys(("format_cells", "format_columns", "format_rows", "insert_rows"), True))


def _draw_row(page: Any, style: _Style, sheet: str, columns: Sequence[str], number: int, row: Row, lang: str) -> None:
    texts = {
        "mark": ROW, "plan_id": row.plan.id, "target_id": row.target.id, "version": row.plan.version, **said(row, lang)
    }  # fmt: skip
    for position, name in enumerate(columns):
        if name in texts:
            page.write_string(number, position, texts[name], style.said)
        elif name == ANSWER_KEY:
            page.write_string(number, position, answer_key(row.plan.id, row.target.id), style.text)
        elif name in ("earlier", "earlier_year") and not is_trend(row.target):
            page.write_blank(number, position, None, style.not_asked)
        else:
            page.write_blank(number, position, None, _format(style, name, row.target))
            if rule := _rule(name, row.target, texts["unit"], lang):
                page.data_validation(number, position, number, position, rule)
    lines = max(_lines(texts[name], WIDTHS[name]) for name in SAID[sheet])
    page.set_row(number, LINE_HEIGHT * min(lines, MAX_LINES) + 3)


def _format(style: _Style, name: str, target: Target) -> Any:
    match name:
        case "value" | "earlier":
            return style.figure(target)
        case "year" | "earlier_year":
            return style.year
        case "date":
            return style.date
        case _:
            return style.text


def _rule(name: str, target: Target, shown_unit: str, lang: str) -> dict[str, Any]:
    """What a spreadsheet program lets people write into a cell; nothing where any text will do."""
    match name:
        case "value" | "earlier":
            least, most, whole = range_of(target)
            ends = {"minimum": least, "maximum": most} if most is not None else {"value": least}
            rule = {"validate": "integer" if whole else "decimal", "criteria": "between" if most is not None else ">="}
            key = "between" if most is not None else "whole" if whole else "least"
            told = _say(f"valid.{key}", lang, least=f"{least:g}", most=f"{most or 0:g}", unit=shown_unit)
            return {**rule, **ends, **_message(told, lang)}
        case "year" | "earlier_year":
            told = _say("valid.year", lang, least=YEARS[0], most=YEARS[1])
            return {"validate": "integer", "criteria": "between", "minimum": YEARS[0], "maximum": YEARS[1],
                    **_message(told, lang)}  # fmt: skip
        case "date":
            days = {"minimum": date(FIRST_YEAR, 1, 1), "maximum": date(YEARS[1], 12, 31)}
            told = _say("valid.date", lang, example=EXAMPLE)
            return {"validate": "date", "criteria": "between", **days, **_message(told, lang)}
        case "done":
            choices = [_say(f"done.{choice}", lang) for choice in DONE]
            told = _say("valid.done", lang, choices=_say("list", lang).join(choices))
            return {"validate": "list", "source": choices, **_message(told, lang)}
        case _:
            return {}


def _message(told: str, lang: str) -> dict[str, Any]:
    return {"input_message": told, "error_title": _say("valid.title", lang), "error_message": told}


def _heading(name: str, lang: str) -> str:
    return name if name in (*KEYS, ANSWER_KEY) else _say(f"head.{name}", lang)


def _plain_header(text: str) -> str:
    """A text as a page header shows it: & begins its commands."""
    return re.sub(r"\s+", " ", text)[:LONGEST_IN_HEADER].replace("&", "&&")


def _lines(text: str, width: float) -> int:
    """How many lines a text takes in a column; a Chinese character does not fit into half of its width."""
    return max(1, math.ceil(display_width(text) / max(width // 2 * 2, 2)))


def _say(key: str, lang: str, **values: Any) -> str:
    return catalog.word(f"form.{key}", lang, **values)
