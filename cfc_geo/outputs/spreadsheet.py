"""Workbooks for people: tables as sheets, with headings, units and names in their language.

Text is always text: no cell can become a formula or a link. Equal tables give equal bytes.
"""

import io
import math
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import pandas as pd

from cfc_geo import catalog
from cfc_geo.outputs.remedy_words import counted_in_words, remedies_in_words
from cfc_geo.outputs.tables import figure, text
from cfc_geo.tables import ALL_UNITS

MAX_ROWS = 1_048_576
MAX_CHARS = 32_767
"""What one sheet and one cell of a spreadsheet can hold; characters as UTF-16 counts them."""

FIXED_DATE = datetime(2000, 1, 1)
"""Stands where a spreadsheet program would write the time of saving."""

NARROWEST, WIDEST, WIDEST_TEXT = 8, 36, 80
"""Column widths, in half-width characters; a Chinese character takes two."""
PROSE = (
    "text", "help", "clause", "why", "items", "speed_source", "citation", "licence", "table", "measure", "what", "mend",
    "outcome", "sha256",
)  # fmt: skip
"""Columns of sentences: wide, and wrapped."""
TO_FILL_IN = {"outcome": 24, "handler": 12}
"""Columns that are left blank for people to write in, and their widths."""
MEASURED_ROWS = 2_000
LINE_HEIGHT, MAX_LINES = 13.5, 30
"""Points a line of text takes, and lines a row may have: a row can be 409 points high."""

OPTIONS = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
A3, A4 = 8, 9
NUMBER_FORMATS = ("#,##0", "#,##0.0", "#,##0.00", "0.0%")
HEADER_COLOUR, RULE_COLOUR, MARK_COLOUR = "#E8EEF4", "#B8C4D0", "#5C676D"


Shown = dict[str, list[str]]
"""Column → its values as text; "" where there is none."""
Marks = dict[str, list[str]]
"""Column of figures → by row the words that stand where there is no figure, "" where none need to."""


@dataclass(frozen=True, eq=False)
class Sheet:
    """One table of a workbook. `file` holds the whole of it if it does not fit; `frozen` columns stay in view; texts of
    `wrapped` columns are broken to these widths, and the sheet is printed on A3."""

    name: str
    table: pd.DataFrame
    file: str = "run.json"
    frozen: int = 0
    marks: Marks = field(default_factory=dict)
    wrapped: Mapping[str, float] = field(default_factory=dict)


class Quantity(NamedTuple):
    """A number with its unit, for columns whose every value brings its own."""

    value: float
    unit: str


def workbook_bytes(title: str, lang: str, draw: "Callable[[Pen], None]") -> bytes:
    """The workbook on whose sheets `draw` writes."""
    import xlsxwriter

    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, OPTIONS) as book:
        book.set_properties({"title": title, "created": FIXED_DATE})
        draw(Pen(book, lang))
    return buffer.getvalue()


def readable(table: pd.DataFrame, lang: str) -> pd.DataFrame:
    """`table` with names in place of codes; figures untouched."""
    names: dict[str, Callable[[str], str]] = {
        "kind": lambda kind: catalog.kind_name(kind, lang),
        "most_missing_kind": lambda kind: catalog.kind_name(kind, lang),
        "band": lambda band: catalog.band_name(band, lang),
        "evidence": lambda evidence: _say(f"evidence.{evidence}", lang),
        "certainty": lambda certainty: _say(f"certainty.{certainty}", lang),
        "severity": lambda severity: _say(f"severity.{severity}", lang),
        "profile": lambda name: str(getattr(catalog.profiles()[name], lang)),
        "remedies": lambda told: (counted_in_words if " × " in told else remedies_in_words)(told, lang),
        "role": lambda role: _say(f"role.{role}", lang),
        "number_bound": lambda bound: _say(f"bound.{bound}", lang),
        "places_bound": lambda bound: _say(f"bound.{bound}", lang),
    }
    shown = {name: [names[name](text(code)) for code in table[name]] for name in table.columns if name in names}
    shown_table = table.assign(**shown)
    if "unit_name" in table:
        whole = (table["unit_id"] == ALL_UNITS).to_numpy()
        shown_table["unit_name"] = table["unit_name"].astype(object).where(~whole, _say("all_units", lang))
    return shown_table


class Pen:
    """Writes on the sheets of one workbook, in one language."""

    def __init__(self, book: Any, lang: str) -> None:
        self.book, self.lang = book, lang
        top, aside = {"valign": "top", "font_size": 10}, {"align": "left", "indent": 1}
        self.plain = book.add_format({**top, **aside})
        self.prose = book.add_format({**top, **aside, "text_wrap": True})
        self.mark = book.add_format({**top, "align": "right", "font_color": MARK_COLOUR})
        self.title = book.add_format({"bold": True, "font_size": 14})
        self.section = book.add_format({"bold": True, "font_size": 11})
        self.header = book.add_format(
            {"bold": True, "font_size": 10, "text_wrap": True, "valign": "vcenter", "indent": 1,
             "bg_color": HEADER_COLOUR,
             "bottom": 1, "bottom_color": RULE_COLOUR}
        )  # fmt: skip
        self.numbers = {code: book.add_format({**top, "num_format": code}) for code in NUMBER_FORMATS}

    def sheet(self, sheet: Sheet) -> None:
        """A table that fills a sheet: heading frozen, filterable and repeated in print, which is one page wide."""
        page = self.page(sheet.name, ())
        if len(sheet.table) >= MAX_ROWS:
            message = _say("sheet.too_long", self.lang, rows=len(sheet.table), file=sheet.file)
            page.write_string(0, 0, message, self.plain)
            return
        shown = _shown(sheet.table)
        widths = [
            sheet.wrapped.get(name)
            or self._width(name, [*shown[name][:MEASURED_ROWS], *set(sheet.marks.get(name, []))])
            for name in sheet.table.columns
        ]
        if sheet.wrapped:
            page.set_paper(A3)
        for position, width in enumerate(widths):
            page.set_column(position, position, width)
        self._fill(page, sheet.table, shown, 0, widths, {*PROSE, *sheet.wrapped})
        for position, name in enumerate(sheet.table.columns):
            for row, mark in enumerate(sheet.marks.get(name, ()), start=1):
                if mark and not shown[name][row - 1]:
                    page.write_string(row, position, _cut(mark), self.mark)
        page.freeze_panes(1, sheet.frozen)
        page.repeat_rows(0)
        page.autofilter(0, 0, max(len(sheet.table), 1), len(sheet.table.columns) - 1)

    def table(self, page: Any, table: pd.DataFrame, row: int, widths: Sequence[float]) -> int:
        """`table` with its headings from `row` down, in columns of these widths; returns the first row below it."""
        return self._fill(page, table, _shown(table), row, widths)

    def _fill(
        self, page: Any, table: pd.DataFrame, shown: Shown, row: int, widths: Sequence[float],
        prose: Collection[str] = PROSE,
    ) -> int:  # fmt: skip
        for position, name in enumerate(table.columns):
            page.write_string(row, position, self._heading(name), self.header)
        if any("\n" in self._heading(name) for name in table.columns):
            page.set_row(row, 2 * LINE_HEIGHT + 2)
        for position, name in enumerate(table.columns):
            self._column(page, row + 1, position, name, table, shown, prose)
        wrapped = [(widths[n], shown[name]) for n, name in enumerate(table.columns) if name in prose]
        for number, lines in enumerate(_lines_needed(wrapped), start=row + 1):
            if lines > 1:
                page.set_row(number, lines * LINE_HEIGHT)
        return row + 1 + len(table)

    def page(self, name: str, widths: Sequence[float]) -> Any:
        """An empty sheet with columns of these widths."""
        page = self.book.add_worksheet(name)
        self._set_page(page)
        for position, width in enumerate(widths):
            page.set_column(position, position, width)
        return page

    def paragraph(self, page: Any, row: int, sentence: str, widths: Sequence[float]) -> int:
        """A sentence across columns of these widths; returns the row below it."""
        page.merge_range(row, 0, row, len(widths) - 1, "", self.prose)
        page.write_string(row, 0, _cut(sentence), self.prose)
        page.set_row(row, LINE_HEIGHT * _lines(sentence, sum(widths)))
        return row + 1

    def heading(self, page: Any, row: int, words: str, *, title: bool = False) -> int:
        """The title of a sheet, or of a part of it; returns the row below it."""
        page.write_string(row, 0, _cut(words), self.title if title else self.section)
        return row + 1

    def pairs(self, page: Any, row: int, pairs: Sequence[tuple[str, str]]) -> int:
        """Label and value side by side, one pair a row; returns the row below them."""
        for label, value in pairs:
            page.write_string(row, 0, label, self.plain)
            page.write_string(row, 1, _cut(value), self.plain)
            row += 1
        return row

    def _column(
        self, page: Any, row: int, position: int, name: str, table: pd.DataFrame, shown: Shown, prose: Collection[str]
    ) -> None:
        unit = catalog.column(name).unit
        if unit == "":
            style = self.prose if name in prose else self.plain
            for number, value in enumerate(shown[name], start=row):
                if value:
                    page.write_string(number, position, _cut(value), style)
            return
        if unit == "own":
            codes = [
                _number_format([[value]], quantity.unit)
                for value, quantity in zip(shown[name], table[name], strict=True)
            ]
        else:
            alike = [shown[other] for other in shown if unit == "children" == catalog.column(other).unit]
            codes = [_number_format(alike or [shown[name]], unit)] * len(shown[name])
        for number, (value, code) in enumerate(zip(shown[name], codes, strict=True), start=row):
            if value:
                page.write_number(number, position, float(value), self.numbers[code])

    def _heading(self, name: str) -> str:
        column = catalog.column(name)
        unit = _say(f"unit.{column.unit}", self.lang)
        heading: str = getattr(column, self.lang)
        return _say("heading_unit", self.lang, heading=heading, unit=unit) if unit else heading

    def _width(self, name: str, shown: Sequence[str]) -> float:
        """As wide as the heading with its filter button and the first rows ask for, within bounds."""
        heading = max(map(display_width, self._heading(name).split("\n")))
        rows = set(shown)
        widest = max([heading + 4, TO_FILL_IN.get(name, 0), *(display_width(value) + 3 for value in rows)])
        return min(max(widest, NARROWEST), WIDEST_TEXT if name in PROSE else WIDEST)

    def _set_page(self, page: Any) -> None:
        page.set_landscape()
        page.set_paper(A4)
        page.fit_to_pages(1, 0)
        page.set_margins(left=0.5, right=0.5, top=0.6, bottom=0.7)
        page.set_footer(f"&L&A&R{_say('page', self.lang)}")


def display_width(value: str) -> int:
    """Width in half-width characters: a Chinese character takes two."""
    if value.isascii():
        return len(value)
    return sum(2 if unicodedata.east_asian_width(mark) in "WFA" else 1 for mark in value)


def _shown(table: pd.DataFrame) -> Shown:
    """Column → its values as they are written."""
    shown = {}
    for name in map(str, table.columns):
        unit, values = catalog.column(name).unit, table[name].tolist()
        if unit == "own":
            shown[name] = [figure(*value) for value in values]
        else:
            shown[name] = [text(value) for value in values] if unit == "" else [figure(value, unit) for value in values]
    return shown


def _number_format(columns: Sequence[Sequence[str]], unit: str) -> str:
    """How figures look: whole if all of them are, else with one decimal (the cell holds what the CSV file does)."""
    if unit == "share":
        return "0.0%"
    if unit in ("rate", "m/s"):
        return "#,##0.00"
    whole = all(float(value).is_integer() for shown in columns for value in shown if value)
    return "#,##0" if whole else "#,##0.0"


def _lines(value: str, width: float) -> int:
    """How many lines a text takes in a column; a little generous, because words do not break."""
    needed = display_width(value)
    return 1 if needed <= width - 3 else math.ceil(needed / (0.97 * width - 1))


def _lines_needed(columns: Sequence[tuple[float, Sequence[str]]]) -> list[int]:
    """For every row, the lines its longest text takes; `columns` are (width, texts)."""
    lines = [[_lines(value, width) for value in values] for width, values in columns]
    return [min(max(row), MAX_LINES) for row in zip(*lines, strict=True)]


def _cut(value: str) -> str:
    """`value` no longer than a cell can hold, with an ellipsis where it was cut."""
    units = value.encode("utf-16-le", "surrogatepass")
    if len(units) <= 2 * MAX_CHARS:
        return value
    return units[: 2 * (MAX_CHARS - 1)].decode("utf-16-le", "ignore") + "…"


def _say(key: str, lang: str, **values: Any) -> str:
    return catalog.word(f"outputs.{key}", lang, **values)
