"""Forms that offices sent back → what they answer. Every cell is checked; nothing is guessed, and blank stays blank."""

import math
import re
import unicodedata
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

from cfc_geo import catalog
from cfc_geo.errors import Findings, Rows
from cfc_geo.forms import (
    ANSWER_KEY,
    ASKED,
    DONE,
    FIRST_YEAR,
    ROW,
    SAID,
    YEARS,
    answer_key,
    columns_of,
    marker,
    range_of,
    said,
    sheet_of,
)  # fmt: skip
from cfc_geo.forms import Row as Wanted
from cfc_geo.inputs.cell_texts import DIGITS, read_date
from cfc_geo.inputs.formulas import cells_without_value
from cfc_geo.inputs.layout import Grid
from cfc_geo.inputs.marks import has_marks
from cfc_geo.inputs.read import existing_file, sniff
from cfc_geo.inputs.sheets import read_grids
from cfc_geo.model import Answer
from cfc_geo.targets import Target, TargetPlan

Key = tuple[str, str]
"""Plan and target."""

NUMBER: Final = re.compile(rf"(?P<number>{DIGITS})(?:e(?P<power>[+-]?\d{{1,2}}))?(?P<unit>\D*)", re.ASCII)
YEAR: Final = re.compile(r"(\d{4})年?", re.ASCII)
CONTACTS: Final = (
    re.compile(r"(?<!\d)(?:\+?86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?!\d)", re.ASCII),
    re.compile(r"(?<!\d)(?:\(0\d{2,3}\) ?|0\d{2,3}[ -])[2-9]\d{6,7}(?!\d)", re.ASCII),
    re.compile(
        r"(?<!\d)[1-9]\d{5}[ -]?(?:18|19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])[ -]?\d{3}[\dX](?![\dA-Z])",
        re.ASCII | re.IGNORECASE,
    ),
    re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
)
"""A mobile number, a telephone number with its area code, an identity number (GB 11643), an e-mail address."""
MEANING: Final = ("id", "indicator", "of", "unit")
"""What a figure is of: where one of these has changed since the form was written, the figure is of something else."""


class Told(NamedTuple):
    """What forms say, by plan and target: `answers`, and the figures of an `earlier` year."""

    answers: dict[Key, Answer]
    earlier: dict[Key, float]


@dataclass(frozen=True, eq=False)
class _Row:
    """One row of a form as it came back: the `texts` of its columns, and where these stand."""

    file: str
    grid: Grid
    number: int
    sheet: str
    columns: dict[str, int]
    texts: dict[str, str]
    without_value: set[str]
    """Cells with a formula and no value."""

    @property
    def at(self) -> Rows:
        return self.grid.at([self.number])

    @property
    def key(self) -> str:
        return _plain(answer_key(self.texts["plan_id"], self.texts["target_id"]))

    @property
    def is_moved(self) -> bool:
        """Whether the answer is that of another row. One without its key was written anew, and is of this."""
        return self.texts[ANSWER_KEY] not in ("", self.key)

    def cell(self, column: str) -> str:
        return _cell_name(self.number, self.columns[column])


@dataclass(frozen=True)
class _Said:
    """What one row answers; NaN-free, so that two can be compared."""

    value: float | None = None
    year: int | None = None
    done: str = ""
    earlier: float | None = None
    earlier_year: int | None = None
    evidence: str = ""


def read_forms(paths: Sequence[Path], plans: Sequence[TargetPlan], findings: Findings, *, year: int) -> Told:
    """What offices answered in the forms at `paths`, of the targets of `plans`; `year` is the one that is reported.

    A row that is left blank is not in the answer. Errors: a file that is no form or cannot be read, rows that no plan
    asks for, a changed target, figures that are none, out of range or could be read in two ways, years that are missing
    or too late, what looks like a person's contact, two answers to one row. Warnings: another version of a plan, rows
    without a key, a yes or a figure without evidence.
    """
    found = dict[Key, tuple[_Row, _Said]]()
    for path in paths:
        for row, wanted in _known_rows(_rows(path, findings), plans, findings):
            answer = _answer(row, wanted.target, year, findings)
            key = (wanted.plan.id, wanted.target.id)
            if key in found:
                found[key] = found[key][0], _joined(found[key], row, answer, findings)
            elif replace(answer, evidence="") != _Said():
                found[key] = row, answer
    answers = {
        key: Answer(math.nan if one.value is None else one.value, one.done, one.evidence)
        for key, (_, one) in found.items()
        if one.value is not None or one.done
    }
    return Told(answers, {key: one.earlier for key, (_, one) in found.items() if one.earlier is not None})


# ---------------------------------------------------------------------------------------------------------------- files


def _rows(path: Path, findings: Findings) -> list[_Row]:
    """The rows of a form to be filled in; none where it is no form."""
    file = str(path)
    if not existing_file(path, file, findings):
        return []
    if (format := sniff(path)) != "xlsx":
        findings.error("form.not_xlsx", file, format=format)
        return []
    grids = read_grids(path, file, findings)
    if not grids:
        return []
    private = _refuse_contacts(grids, findings)
    sheets = [(grid, sheet, cells) for grid in grids for sheet, cells in _heads(grid)]
    if not sheets:
        findings.error("form.not_ours", file)
    for grid in _without_marker(grids) if sheets else ():
        findings.error("form.sheet_unmarked", file, grid.at([]))
    try:
        empty = cells_without_value(path)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        findings.error("read.unreadable", file, format="xlsx", reason=str(error))
        return []
    rows = list[_Row]()
    for grid, sheet, cells in sheets:
        names = [name for name in columns_of(sheet) if name != "mark"]
        if gone := [name for name in names if name not in cells]:
            findings.error("form.columns_gone", file, grid.at([]), columns=gone)
            continue
        columns = {"mark": cells.index(marker(sheet)), **{name: cells.index(name) for name in names}}
        rows += _rows_of(grid, sheet, columns, empty, findings)
    return [row for row in rows if (row.grid.sheet, row.number) not in private]


def _without_marker(grids: Sequence[Grid]) -> list[Grid]:
    """Sheets with text that say nothing to the program; the one that explains the form need not."""
    about = {catalog.word("form.sheet.about", lang) for lang in catalog.LANGUAGES}
    others = (grid for grid in grids if grid.sheet not in about and not _heads(grid))
    return [grid for grid in others if any(cell.strip() for cells in grid.rows for cell in cells)]


def _heads(grid: Grid) -> list[tuple[str, list[str]]]:
    """Which sheet of a form it is, and the row that names its columns; nothing where it is none."""
    return [(sheet, cells) for sheet in SAID for cells in grid.rows if marker(sheet) in cells][:1]


def _rows_of(
    grid: Grid, sheet: str, columns: dict[str, int], empty: set[tuple[str, str]], findings: Findings
) -> Iterator[_Row]:
    nameless, without_value = [], {cell for name, cell in empty if name == grid.sheet}
    for number, cells in enumerate(grid.rows, start=1):
        texts = {name: _plain(cells[place]) for name, place in columns.items()}
        row = _Row(grid.file, grid, number, sheet, columns, texts, without_value)
        if texts["mark"] == ROW:
            yield row
        elif not texts["mark"] and any(texts[name] or row.cell(name) in without_value for name in ASKED[sheet]):
            nameless.append(number)
    if nameless:
        findings.warning("form.no_key", grid.file, grid.at(nameless))


def _refuse_contacts(grids: Sequence[Grid], findings: Findings) -> set[tuple[str, int]]:
    """Sheet and row of what looks like a person's contact. It is named by its place and never repeated, so that nothing
    else may be said of such a row."""
    found = set()
    for grid in grids:
        for number, cells in enumerate(grid.rows, start=1):
            for place, text in enumerate(cells):
                plain = unicodedata.normalize("NFKC", text)
                if any(contact.search(plain) for contact in CONTACTS):
                    findings.error("form.contact", grid.file, grid.at([number]), cell=_cell_name(number, place))
                    found.add((grid.sheet, number))
    return found


# ----------------------------------------------------------------------------------------------------------------- rows


def _known_rows(rows: Sequence[_Row], plans: Sequence[TargetPlan], findings: Findings) -> list[tuple[_Row, Wanted]]:
    """Those rows that a plan asks for, as it asks for them. Of a form of another version those that it still asks."""
    by_id = {_plain(plan.id): plan for plan in plans}
    targets = {(name, _plain(target.id)): target for name, plan in by_id.items() for target in plan.targets}
    known, others, outdated = list[tuple[_Row, Wanted]](), dict[str, list[_Row]](), dict[Key, list[_Row]]()
    for row in rows:
        plan_id, target_id, version = (row.texts[name] for name in ("plan_id", "target_id", "version"))
        plan, target = by_id.get(plan_id), targets.get((plan_id, target_id))
        if plan is None:
            others.setdefault(plan_id, []).append(row)
            continue
        if is_outdated := version != _plain(plan.version):
            outdated.setdefault((plan_id, version), []).append(row)
        if target is None or sheet_of(target) != row.sheet:
            if not is_outdated:
                findings.error("form.unknown_row", row.file, row.at, id=target_id, plan=plan_id)
        elif changed := _changed(row, Wanted(plan, target), MEANING if is_outdated else SAID[row.sheet]):
            findings.error("form.changed", row.file, row.at, id=target_id, cells=[row.cell(name) for name in changed])
        elif row.is_moved:
            _tell_moved(row, rows, findings)
        else:
            known.append((row, Wanted(plan, target)))
    for plan_id, of in others.items():
        findings.warning("form.other_plan", of[0].file, plan=plan_id, count=len(of), plans=list(by_id))
    for (plan_id, version), of in outdated.items():
        findings.warning("form.version", of[0].file, plan=plan_id, version=version, now=by_id[plan_id].version)
    return known


def _tell_moved(row: _Row, rows: Sequence[_Row], findings: Findings) -> None:
    found = row.texts[ANSWER_KEY]
    both = [row.number, *(other.number for other in rows if other.grid is row.grid and other.key == found)]
    findings.error(
        "form.moved", row.file, row.grid.at(both), row=row.number, id=row.key, found=found, cell=row.cell(ANSWER_KEY)
    )


def _changed(row: _Row, wanted: Wanted, columns: Sequence[str]) -> list[str]:
    """Columns that do not say what the form said, in one language or the other."""
    stated = [said(wanted, lang) for lang in catalog.LANGUAGES]
    checked = [name for name in columns if name in SAID[row.sheet]]
    return min(([name for name in checked if row.texts[name] != _plain(texts[name])] for texts in stated), key=len)


def _joined(first: tuple[_Row, _Said], row: _Row, answer: _Said, findings: Findings) -> _Said:
    """One answer of two to one row; an error where they differ in more than their evidence."""
    before, bare = first[1], replace(answer, evidence="")
    if bare == _Said():
        return before
    if replace(before, evidence="") != bare:
        other = first[0]
        findings.error(
            "form.twice", row.file, row.at, id=row.texts["target_id"], other=other.file, sheet=other.grid.sheet,
            row=other.number,
        )  # fmt: skip
    return before if before.evidence else answer


# ---------------------------------------------------------------------------------------------------------------- cells


def _answer(row: _Row, target: Target, year: int, findings: Findings) -> _Said:
    if empty := [row.cell(name) for name in ASKED[row.sheet] if row.cell(name) in row.without_value]:
        findings.error("form.formula", row.file, row.at, cells=empty)
        return _Said()
    return _ticked(row, year, findings) if "done" in row.columns else _figured(row, target, year, findings)


def _figured(row: _Row, target: Target, year: int, findings: Findings) -> _Said:
    value, at = _figure(row, "value", target, findings), _year(row, "year", year, findings)
    earlier, before = _figure(row, "earlier", target, findings), _year(row, "earlier_year", year, findings)
    for figure, when, column in ((value, at, "year"), (earlier, before, "earlier_year")):
        if figure is not None and when is None and not row.texts[column]:
            findings.error("form.year_missing", row.file, row.at, cell=row.cell(column))
    if at is not None and before is not None and before >= at:
        findings.error("form.not_earlier", row.file, row.at, cell=row.cell("earlier_year"), earlier=before, year=at)
    if value is not None and not row.texts["source"]:
        findings.warning("form.no_source", row.file, row.at, cell=row.cell("source"))
    if value is None and earlier is None:
        return _Said()
    evidence = _evidence(row.texts["source"], "" if at is None or value is None else str(at))
    return _Said(
        value, at if value is not None else None, "", earlier, before if earlier is not None else None, evidence
    )


def _ticked(row: _Row, year: int, findings: Findings) -> _Said:
    chosen = row.texts["done"].casefold()
    choices = {
        catalog.word(f"form.done.{key}", lang): counts for key, counts in DONE.items() for lang in catalog.LANGUAGES
    }
    if chosen and chosen not in choices:
        findings.error("form.choice", row.file, row.at, cell=row.cell("done"), choices=list(choices))
    dated = read_date(row.texts["date"])
    if row.texts["date"] and not (dated and FIRST_YEAR <= int(dated[:4]) <= year):
        findings.error("form.date", row.file, row.at, cell=row.cell("date"), least=FIRST_YEAR, most=year)
    proof = row.texts["document"] or row.texts["link"]
    done = choices.get(chosen, "")
    if done == "yes" and not proof:
        findings.warning("form.no_evidence", row.file, row.at, cell=row.cell("document"))
    evidence = _evidence(row.texts["document"], dated, row.texts["link"]) if proof else ""
    return _Said(done=done, evidence=evidence)


def _figure(row: _Row, column: str, target: Target, findings: Findings) -> float | None:
    """The number of a cell in the unit of the target; None where there is none or it is refused."""
    text, unit = row.texts[column], catalog.target_units()[target.unit]
    told = unicodedata.normalize("NFKC", text).replace(" ", "").casefold()
    if not told or {told, text.casefold()} & catalog.cell_words("blank"):
        return None
    units = {unicodedata.normalize("NFKC", word).replace(" ", "").casefold() for word in (target.unit, *unit.values())}
    parts = NUMBER.fullmatch(told)
    if parts is None or has_marks(text) or parts["unit"] not in {"", *units}:
        findings.error("form.not_a_number", row.file, row.at, cell=row.cell(column), unit=target.unit)
        return None
    value = float(f"{parts['number'].replace(',', '')}e{parts['power'] or 0}")
    least, most, whole = range_of(target)
    if (least is not None and value < least) or (most is not None and value > most):
        findings.error(
            "form.out_of_range", row.file, row.at, cell=row.cell(column), value=value, unit=target.unit,
            least="−∞" if least is None else f"{least:g}", most="∞" if most is None else f"{most:g}",
        )  # fmt: skip
    elif whole and not value.is_integer():
        findings.error("form.not_whole", row.file, row.at, cell=row.cell(column), value=value, unit=target.unit)
    elif (
        target.unit == "%"
        and 0 < abs(value) <= (most or 0) / 100
        and not parts["unit"]
        and not _is_confirmed(value, row.texts["remarks"])
    ):
        shown = f"{value:.10g}"
        findings.error(
            "form.share", row.file, row.at, cell=row.cell(column), value=shown, percent=f"{value * 100:.10g}"
        )
    else:
        return value
    return None


def _is_confirmed(value: float, remarks: str) -> bool:
    """Whether the remarks repeat a percentage with its sign: then it is meant."""
    shown = re.findall(
        r"(?<![\d.])(-?\d+(?:\.\d+)?)%", unicodedata.normalize("NFKC", remarks).replace(" ", ""), re.ASCII
    )
    return any(math.isclose(float(one), value) for one in shown)


def _year(row: _Row, column: str, year: int, findings: Findings) -> int | None:
    """The year of a cell, not after the one that is reported; None where there is none or it is refused."""
    text = unicodedata.normalize("NFKC", row.texts[column]).replace(" ", "")
    found = YEAR.fullmatch(text)
    if found and YEARS[0] <= int(found[1]) <= year:
        return int(found[1])
    if text:
        findings.error("form.year", row.file, row.at, cell=row.cell(column), least=YEARS[0], most=year)
    return None


def _evidence(*parts: str) -> str:
    return "; ".join(catalog.one_line(part) for part in parts if part)


def _plain(text: str) -> str:
    return " ".join(text.split())


def _cell_name(row: int, place: int) -> str:
    """K7: row counted from 1, column from 0."""
    from xlsxwriter.utility import xl_col_to_name

    return f"{xl_col_to_name(place)}{row}"
