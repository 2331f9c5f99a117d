"""workbook.xlsx: the tables for people, with headings, units and explanations in their language.

Text is always text: no cell can become a formula or a link. Equal results give equal bytes.
"""

import io
import math
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from cfc_geo import catalog
from cfc_geo.model import Result
from cfc_geo.outputs.geopackage import layers
from cfc_geo.outputs.provenance import shown_findings, shown_sources, speed_record, versions
from cfc_geo.outputs.tables import csv_tables, figure, text
from cfc_geo.tables import ALL_UNITS

MAX_ROWS = 1_048_576
MAX_CHARS = 32_767
"""What one sheet and one cell of a spreadsheet can hold; characters as UTF-16 counts them."""

FIXED_DATE = datetime(2000, 1, 1)
"""Stands where a spreadsheet program would write the time of saving."""

NARROWEST, WIDEST, WIDEST_TEXT = 8, 36, 80
"""Column widths, in half-width characters; a Chinese character takes two."""
PROSE = ("text", "help", "clause", "why", "items", "speed_source", "citation", "licence", "table")
"""Columns of sentences: wide, and wrapped."""
MEASURED_ROWS = 2_000
LINE_HEIGHT, MAX_LINES = 13.5, 30
"""Points a line of text takes, and lines a row may have: a row can be 409 points high."""

OPTIONS = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
A4 = 9
ABOUT_WIDTHS = (26, 40, 20, 50, 24, 30, 16)
NUMBER_FORMATS = ("#,##0", "#,##0.0", "#,##0.00", "0.0%")
HEADER_COLOUR, RULE_COLOUR = "#E8EEF4", "#B8C4D0"


@dataclass(frozen=True, eq=False)
class Sheet:
    """One table of the workbook. `file` holds the whole of it if it does not fit; `frozen` columns stay in view."""

    name: str
    table: pd.DataFrame
    file: str = "run.json"
    frozen: int = 0


def write_workbook(result: Result, path: Path, lang: str) -> None:
    """Write the workbook. Raises `OSError`."""
    import xlsxwriter

    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, OPTIONS) as book:
        book.set_properties({"title": result.plan.name, "created": FIXED_DATE})
        pen = _Pen(book, lang)
        pen.about(result)
        for sheet in sheets(result, lang):
            pen.sheet(sheet)
    path.write_bytes(buffer.getvalue())


def sheets(result: Result, lang: str) -> list[Sheet]:
    """The tables of the workbook in order, values as people read them."""
    tables = csv_tables(result)

    def result_sheet(name: str, frozen: int) -> Sheet:
        file = f"{name}.csv"
        return Sheet(_say("sheet." + name, lang), readable(tables[file], lang), file, frozen)

    return [
        result_sheet("coverage", 2),
        result_sheet("circle", 2),
        result_sheet("facilities", 1),
        Sheet(_say("sheet.audit", lang), audit_table(result, lang)),
        Sheet(_say("sheet.findings", lang), findings_table(result, lang)),
        Sheet(_say("sheet.dictionary", lang), dictionary_table(result, lang)),
    ]


# -------------------------------------------------------------------------------------------------------------- tables


def readable(table: pd.DataFrame, lang: str) -> pd.DataFrame:
    """`table` with names in place of codes; figures untouched."""
    names: dict[str, Callable[[str], str]] = {
        "kind": lambda kind: catalog.kind_name(kind, lang),
        "most_missing_kind": lambda kind: catalog.kind_name(kind, lang),
        "band": lambda band: catalog.band_name(band, lang),
        "evidence": lambda evidence: _say(f"evidence.{evidence}", lang),
        "certainty": lambda certainty: _say(f"certainty.{certainty}", lang),
        "severity": lambda severity: _say(f"severity.{severity}", lang),
        "role": lambda role: _say(f"role.{role}", lang),
    }
    shown = {name: [names[name](text(code)) for code in table[name]] for name in table.columns if name in names}
    shown_table = table.assign(**shown)
    if "unit_name" in table:
        whole = (table["unit_id"] == ALL_UNITS).to_numpy()
        shown_table["unit_name"] = table["unit_name"].astype(object).where(~whole, _say("all_units", lang))
    return shown_table


def audit_table(result: Result, lang: str) -> pd.DataFrame:
    """measure, value: the counts that must add up."""
    rows = [(_audit_name(key, lang), value) for key, value in result.audit.items()]
    return pd.DataFrame(rows, columns=["measure", "value"])


def findings_table(result: Result, lang: str) -> pd.DataFrame:
    """severity, file, text, code: what a planner should know, warnings first."""
    rows = [(found.severity, found.file, found.text(lang), found.code) for found in shown_findings(result)]
    return readable(pd.DataFrame(rows, columns=["severity", "file", "text", "code"]), lang)


def dictionary_table(result: Result, lang: str) -> pd.DataFrame:
    """table, column, heading, unit, help: one row for every column that is written, file by file."""
    rows = []
    for place, columns in written_columns(result, lang).items():
        for name in columns:
            column = catalog.column(name)
            rows.append(
                (
                    place,
                    name,
                    getattr(column, lang),
                    _say(f"unit.{column.unit}", lang),
                    getattr(column, f"help_{lang}"),
                )
            )
    return pd.DataFrame(rows, columns=["table", "column", "heading", "unit", "help"])


def written_columns(result: Result, lang: str) -> dict[str, list[str]]:
    """Where tables are written, in words → their columns."""
    in_layer = {name: _say("dictionary.inside", lang, file="result.gpkg", layer=name) for name in layers(result)}
    join = _say("dictionary.and", lang)
    places = {file: list(table.columns) for file, table in csv_tables(result).items()}
    places[join.join(["cells.parquet", in_layer["cells"]])] = list(result.cells.columns)
    places |= {in_layer[name]: list(layer.columns) for name, layer in layers(result).items() if name != "cells"}
    return {place: [str(name) for name in columns] for place, columns in places.items()}


def _audit_name(key: str, lang: str) -> str:
    """The words for an audit key; the children's keys name a band: `children_0_2_in_file`."""
    for band in catalog.bands():
        counted = f"children_{band.replace('-', '_')}_"
        if key.startswith(counted):
            return _say(f"audit.children_{key.removeprefix(counted)}", lang, band=catalog.band_name(band, lang))
    try:
        return _say(f"audit.{key}", lang)
    except KeyError:  # the audit is open: what has no words yet is shown by its key
        return key


def _say(key: str, lang: str, **values: Any) -> str:
    return catalog.word(f"outputs.{key}", lang, **values)


# ------------------------------------------------------------------------------------------------------------- writing


class _Pen:
    """Writes on the sheets of one workbook, in one language."""

    def __init__(self, book: Any, lang: str) -> None:
        self.book, self.lang = book, lang
        top, aside = {"valign": "top", "font_size": 10}, {"align": "left", "indent": 1}
        self.plain = book.add_format({**top, **aside})
        self.prose = book.add_format({**top, **aside, "text_wrap": True})
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
        page = self.book.add_worksheet(sheet.name)
        self._set_page(page)
        if len(sheet.table) >= MAX_ROWS:
            message = _say("sheet.too_long", self.lang, rows=len(sheet.table), file=sheet.file)
            page.write_string(0, 0, message, self.plain)
            return
        widths = [self._width(sheet.table[name]) for name in sheet.table.columns]
        for position, width in enumerate(widths):
            page.set_column(position, position, width)
        self.table(page, sheet.table, 0, widths)
        page.freeze_panes(1, sheet.frozen)
        page.repeat_rows(0)
        page.autofilter(0, 0, max(len(sheet.table), 1), len(sheet.table.columns) - 1)

    def table(self, page: Any, table: pd.DataFrame, row: int, widths: Sequence[float]) -> int:
        """`table` with its headings from `row` down, in columns of these widths; returns the first row below it."""
        for position, name in enumerate(table.columns):
            page.write_string(row, position, self._heading(name), self.header)
        if any("\n" in self._heading(name) for name in table.columns):
            page.set_row(row, 2 * LINE_HEIGHT + 2)
        for position, name in enumerate(table.columns):
            self._column(page, row + 1, position, table[name], table)
        wrapped = [(widths[n], table[name]) for n, name in enumerate(table.columns) if name in PROSE]
        for number, lines in enumerate(_lines_needed(wrapped), start=row + 1):
            if lines > 1:
                page.set_row(number, lines * LINE_HEIGHT)
        return row + 1 + len(table)

    def about(self, result: Result) -> None:
        """The first sheet: what was asked, of which data, by which limits, on which assumptions."""
        page = self.book.add_worksheet(_say("sheet.about", self.lang))
        self._set_page(page)
        for position, width in enumerate(ABOUT_WIDTHS):
            page.set_column(position, position, width)
        page.write_string(0, 0, _cut(result.plan.map.title or result.plan.name), self.title)
        row = self._pairs(page, 1, _plan_facts(result, self.lang))
        for heading, table in _about_tables(result, self.lang):
            page.write_string(row + 1, 0, heading, self.section)
            row = self.table(page, table, row + 2, ABOUT_WIDTHS)
        page.write_string(row + 1, 0, _say("about.assumptions", self.lang), self.section)
        for number, sentence in enumerate(assumptions(result, self.lang), start=row + 2):
            page.merge_range(number, 0, number, len(ABOUT_WIDTHS) - 1, "", self.prose)
            page.write_string(number, 0, _cut(sentence), self.prose)
            page.set_row(number, LINE_HEIGHT * _lines(sentence, sum(ABOUT_WIDTHS)))

    def _pairs(self, page: Any, row: int, pairs: Sequence[tuple[str, str]]) -> int:
        for label, value in pairs:
            page.write_string(row, 0, label, self.plain)
            page.write_string(row, 1, _cut(value), self.plain)
            row += 1
        return row

    def _column(self, page: Any, row: int, position: int, values: pd.Series, table: pd.DataFrame) -> None:
        unit = catalog.column(str(values.name)).unit
        if unit == "":
            style = self.prose if values.name in PROSE else self.plain
            for number, value in enumerate(map(text, values), start=row):
                if value:
                    page.write_string(number, position, _cut(value), style)
            return
        shown = [figure(value, unit) for value in values]
        alike = [table[name] for name in table.columns if unit == "children" == catalog.column(name).unit] or [values]
        common = _number_format([figure(value, unit) for column in alike for value in column], unit)
        for number, value in enumerate(shown, start=row):
            if value:
                own = _number_format([value], unit) if unit == "count" else common
                page.write_number(number, position, float(value), self.numbers[own])

    def _heading(self, name: str) -> str:
        column = catalog.column(name)
        unit = _say(f"unit.{column.unit}", self.lang)
        heading: str = getattr(column, self.lang)
        return _say("heading_unit", self.lang, heading=heading, unit=unit) if unit and name != "value" else heading

    def _width(self, values: pd.Series) -> float:
        """As wide as the heading with its filter button and the first rows ask for, within bounds."""
        unit = catalog.column(str(values.name)).unit
        shown = values.iloc[:MEASURED_ROWS]
        texts = [text(value) for value in shown] if unit == "" else [figure(value, unit) for value in shown]
        heading = max(map(display_width, self._heading(str(values.name)).split("\n")))
        widest = max([heading + 4, *(display_width(value) + 3 for value in texts)])
        return min(max(widest, NARROWEST), WIDEST_TEXT if values.name in PROSE else WIDEST)

    def _set_page(self, page: Any) -> None:
        page.set_landscape()
        page.set_paper(A4)
        page.fit_to_pages(1, 0)
        page.set_margins(left=0.5, right=0.5, top=0.6, bottom=0.7)
        page.set_footer(f"&L&A&R{_say('page', self.lang)}")


def display_width(value: str) -> int:
    """Width in half-width characters: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(mark) in "WFA" else 1 for mark in value)


def _number_format(shown: Sequence[str], unit: str) -> str:
    """How figures look: whole if all of them are, else with one decimal (the cell holds what the CSV file does)."""
    if unit == "share":
        return "0.0%"
    if unit == "m/s":
        return "#,##0.00"
    whole = all(float(value).is_integer() for value in shown if value)
    return "#,##0" if whole else "#,##0.0"


def _lines(value: str, width: float) -> int:
    """How many lines a text takes in a column; a little generous, because words do not break."""
    needed = display_width(value)
    return 1 if needed <= width - 3 else math.ceil(needed / (0.97 * width - 1))


def _lines_needed(columns: Sequence[tuple[float, pd.Series]]) -> list[int]:
    """For every row, the lines its longest text takes; `columns` are (width, texts)."""
    lines = [[_lines(text(value), width) for value in values] for width, values in columns]
    return [min(max(row), MAX_LINES) for row in zip(*lines, strict=True)]


def _cut(value: str) -> str:
    """`value` no longer than a cell can hold, with an ellipsis where it was cut."""
    units = value.encode("utf-16-le", "surrogatepass")
    if len(units) <= 2 * MAX_CHARS:
        return value
    return units[: 2 * (MAX_CHARS - 1)].decode("utf-16-le", "ignore") + "…"


# -------------------------------------------------------------------------------------------------------- about the run


def _plan_facts(result: Result, lang: str) -> list[tuple[str, str]]:
    dates = list(dict.fromkeys(f"{_say(f'role.{s.role}', lang)} {s.date}" for s in result.study.sources if s.date))
    facts = {
        "name": result.plan.name,
        "why": result.plan.why,
        "file": result.plan.file.name,
        "dates": _say("list", lang).join(dates) or _say("none", lang),
        "crs": f"{result.study.units.crs.name} ({result.study.crs})",
        "made_with": f"cfc_geo {versions()['cfc_geo']}",
    }
    return [(_say(f"about.{key}", lang), text(value)) for key, value in facts.items() if value]


def _about_tables(result: Result, lang: str) -> list[tuple[str, pd.DataFrame]]:
    """Heading → table: sources, limits, baskets, speeds."""
    norm_set = catalog.norm_set(result.plan.norms.use)
    sources = pd.DataFrame(
        [(s.role, s.file, s.date, s.citation, s.licence, s.datum, s.format) for s in shown_sources(result)],
        columns=["role", "file", "date", "citation", "licence", "datum", "format"],
    )
    norms = pd.DataFrame(
        [(n.kind, n.certainty, n.limit_m, n.clause, n.tier, n.why) for n in result.coverage.norms.values()],
        columns=["kind", "certainty", "limit_m", "clause", "tier", "why"],
    )
    join = _say("list", lang).join
    baskets = pd.DataFrame(
        [(band, join(catalog.kind_name(kind, lang) for kind in kinds)) for band, kinds in result.baskets.items()],
        columns=["band", "items"],
    )
    speeds = pd.DataFrame([speed_record(result.plan, band) for band in catalog.bands()])
    return [
        (_say("about.sources", lang), readable(sources, lang)),
        (
            _say("about.norms", lang, name=getattr(norm_set, lang), version=norm_set.version),
            readable(norms, lang),
        ),
        (_say("about.circle", lang), readable(baskets, lang)),
        (
            _say("about.speeds", lang),
            readable(speeds[["band", "certainty", "speed_ms", "speed_source"]], lang),
        ),
    ]


def assumptions(result: Result, lang: str) -> list[str]:
    """What the figures mean and what was assumed, one sentence each."""
    plan = result.plan
    sentences = [_say(f"about.{key}", lang) for key in ("served", "bound", "levels")]
    sentences.append(_say("about.snap", lang, limit_m=f"{plan.walk.snap_limit_m:g}"))
    if plan.population.count_of:
        sentences.append(_say("about.count_of", lang, count_of=plan.population.count_of))
    if plan.population.assumption:
        sentences.append(_say("about.population", lang, text=plan.population.assumption))
    if plan.population.shares:
        shares = _say("list", lang).join(
            f"{catalog.band_name(b, lang)} {share:.1%}" for b, share in plan.population.shares.items()
        )
        source = plan.population.shares_source or _say("none", lang)
        sentences.append(_say("about.shares", lang, shares=shares, source=source))
    if plan.circle.why:
        sentences.append(_say("about.circle_why", lang, why=plan.circle.why))
    if set(plan.circle.baskets) != set(result.baskets):
        sentences.append(_say("about.circle_assumed", lang))
    if plan.walk.why:
        sentences.append(_say("about.walk_why", lang, why=plan.walk.why))
    return [
        text(sentence)
        for sentence in [*sentences, *(_say(f"about.{key}", lang) for key in ("rounding", "cells", "csv"))]
    ]
