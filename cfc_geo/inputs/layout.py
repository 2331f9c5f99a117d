"""A sheet of cells → a table: where its heading is, which rows are records, what merged cells say.

A heading may stand below title rows and may take two rows. Totals, notes and signatures below and between the records
are left out, and each is told. Whether a row is one is decided on the whole row: a school named 合计路小学 is a school.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice

import numpy as np
import pandas as pd

from cfc_geo import catalog
from cfc_geo.errors import Findings, Rows
from cfc_geo.inputs.ages import read_heading
from cfc_geo.inputs.cell_texts import is_number, read_numbers
from cfc_geo.inputs.headings import AXES, Wanted, is_pair, plain, role_of
from cfc_geo.inputs.marks import has_marks
from cfc_geo.inputs.raw import RawLayer

MAX_ROWS = 1_000_000
MAX_CELLS = 20_000_000
"""A sheet spans at most so many cells: one stray cell in the last row and column makes its rectangle billions."""
SEARCHED_ROWS = 30
"""The heading is looked for among so many filled rows."""
SURE_SCORE = (0, 2)
"""A row below the first filled one is a heading only if the plan names one of its cells or the catalogue knows two."""
SECTION = re.compile(r"[(]?[一二三四五六七八九十]+[)]?[、.,:]")
PAIR = r"^(-?\d+(?:\.\d+)?)\s*[,;、\s]\s*(-?\d+(?:\.\d+)?)$"
CLOSING_DATE = re.compile(r"\d{4}年(\d{1,2}月)?(\d{1,2}日)?")
SUM_TOLERANCE = 1e-6

Range = tuple[tuple[int, int], tuple[int, int]]
"""(first row, first column), (last row, last column) of a merged cell, counted from 0, inclusive."""


@dataclass(frozen=True, eq=False)
class Grid:
    """A sheet, or a file of text, as rows of cells."""

    file: str
    format: str
    rows: list[list[str]]
    sheet: str = ""
    merged: tuple[Range, ...] = ()

    def at(self, numbers: Iterable[int]) -> Rows:
        """Rows as a spreadsheet counts them."""
        return Rows(tuple(numbers), "row", self.sheet)


@dataclass(frozen=True)
class Heading:
    """The rows of a heading (positions, both inclusive), its names by column, and how well they are known: how many
    the plan names, how many the catalogue recognises."""

    first: int
    last: int
    names: tuple[str, ...]
    score: tuple[int, int]


def find_heading(grid: Grid, wanted: Wanted) -> Heading | None:
    """The row (or two) whose cells best match the headings the plan names, then those the catalogue recognises; the
    first filled row where none matches. None if no row is filled."""
    searched = range(len(grid.rows)) if wanted.row is None else range(wanted.row - 1, min(wanted.row, len(grid.rows)))
    with_text = (position for position in searched if any(cell.strip() for cell in grid.rows[position]))
    filled = list(islice(with_text, SEARCHED_ROWS))
    found = [heading for position in filled for heading in _headings_at(grid, position, wanted)]
    sure = [heading for heading in found if heading.first == filled[0] or heading.score >= SURE_SCORE]
    return max(sure, key=lambda heading: heading.score, default=None)


def as_table(grid: Grid, heading: Heading, wanted: Wanted, findings: Findings) -> RawLayer | None:
    """The records under the heading as a frame of text, without empty rows and columns without a heading."""
    below = [
        (position, row)
        for position, row in enumerate(grid.rows[heading.last + 1 :], start=heading.last + 1)
        if any(cell.strip() for cell in row)
    ]
    if len(below) > MAX_ROWS:
        findings.error("read.too_many_rows", grid.file, rows_found=len(below), most=MAX_ROWS)
        return None
    names = list(heading.names)
    if _is_title(grid, heading, below):
        findings.error("read.title", grid.file, grid.at([heading.first + 1]), title="".join(names))
        return None
    if repeated := sorted({name for name in names if name and names.count(name) > 1}):
        findings.error("read.heading_repeated", grid.file, grid.at([]), columns=repeated)
        return None
    _note_heading(grid, heading, findings)
    roles = _roles(heading, wanted)
    if placed := [] if wanted.keeps_totals else _placed_totals(roles, below):
        findings.error("grid.total_placed", grid.file, grid.at(placed))
    left_out = _left_out(grid, heading, roles, below, wanted)
    records = [(position, row) for position, row in below if position not in left_out]
    _tell_left_out(grid, left_out, findings)
    width = len(names)
    if ragged := _ragged(grid, heading, records):
        findings.error("read.ragged", grid.file, grid.at(ragged), width=width)
        return None
    cells = np.array([(row + [""] * width)[:width] for _, row in records], dtype=object).reshape(-1, width)
    positions = np.array([position for position, _ in records], dtype=int)
    shared = _fill_merged(grid, heading, roles, cells, positions, findings)
    _check_totals(grid, heading, roles, cells, left_out, findings)
    frame = pd.DataFrame(cells, columns=names, dtype=str).loc[:, [bool(name) for name in names]]
    merged = {names[column]: mask for column, mask in shared.items() if names[column]}
    frame = _with_pairs_split(grid, frame, findings)
    above = tuple(cell for row in grid.rows[: heading.first] for cell in map(_tidy, row) if cell)
    return RawLayer(grid.file, grid.format, frame, None, "row", positions + 1, grid.sheet, merged, above)


def _ragged(grid: Grid, heading: Heading, records: list[tuple[int, list[str]]]) -> list[int]:
    """Rows with cells beyond the heading. In a text file, where a comma in a number shifts its row, also those
    with more fields than the heading, though these be empty, unless most rows have as many."""
    fields = max(len(row) for row in grid.rows[heading.first : heading.last + 1])
    most = max(fields, int(np.median([len(row) for _, row in records]))) if records else fields
    return [
        position + 1
        for position, row in records
        if any(cell.strip() for cell in row[len(heading.names) :]) or (grid.format == "csv" and len(row) > most)
    ]


# ---------------------------------------------------------------------------------------------------------- heading


def _headings_at(grid: Grid, position: int, wanted: Wanted) -> Iterator[Heading]:
    """The heading that row `position` is alone, and the one it is together with the row below."""
    top = [_tidy(cell) for cell in grid.rows[position]]
    yield Heading(position, position, tuple(_cut(top)), _score(top, wanted))
    if position + 1 < len(grid.rows):
        names = _joined(top, [_tidy(cell) for cell in grid.rows[position + 1]], wanted)
        if names:
            grouped = any(r0 == r1 == position and c1 > c0 for (r0, c0), (r1, c1) in grid.merged)
            given, known = _score(names, wanted)
            yield Heading(position, position + 1, tuple(_cut(names)), (given, known + grouped))


def _joined(top: list[str], low: list[str], wanted: Wanted) -> list[str]:
    """Names of a heading of two rows: below a group the lower name where it is the only one so called, else
    "group/name"; ages keep their group always. [] if the two rows are none.

    A group is a cell with nothing to its right and names below both; some column must have its name in the top row.
    """
    width = max(len(top), len(low))
    top, low = (row + [""] * (width - len(row)) for row in (top, low))
    grouped = [bool(below) for below in low]
    starts = [bool(name) for name in top]
    alone = [start and not group for start, group in zip(starts, grouped, strict=True)]
    wide = [
        grouped[at] and starts[at] and at + 1 < width and grouped[at + 1] and not starts[at + 1] for at in range(width)
    ]
    lone_group = any(grouped[at] and starts[at] and not wide[at] for at in range(width))
    needed = any(alone) or len(set(low) - {""}) < sum(grouped)
    if not any(wide) or lone_group or not needed or any(is_number(name) and not _role(name) for name in low if name):
        return []
    names, group = [], ""
    for above, below in zip(top, low, strict=True):
        group = above or group
        joined = f"{group}/{below}"
        once = low.count(below) == 1 and below not in [name for name, lone in zip(top, alone, strict=True) if lone]
        grouped_ages = bool(group) and read_heading(below) is not None and below not in wanted.given.values()
        joins = joined in wanted.given.values() or not once or grouped_ages
        names.append(above if not below else joined if joins else below)
    return names


def _score(names: Sequence[str], wanted: Wanted) -> tuple[int, int]:
    given = {plain(name) for name in wanted.given.values()}
    known = {name for name in names if name and len(name) <= 30}
    return sum(plain(name) in given for name in known), sum(bool(_role(name)) or _counts_people(name) for name in known)


def _roles(heading: Heading, wanted: Wanted) -> list[str]:
    """The role of every column: as the plan says, else as the catalogue does; "" unknown."""
    given = {plain(name): role for role, name in wanted.given.items()}
    return [given.get(plain(name)) or _role(name) for name in heading.names]


@cache
def _role(name: str) -> str:
    return role_of(name)


def _counts_people(name: str) -> bool:
    """Whether the lower name of a heading of two rows states ages, whatever its group says."""
    return read_heading(name.rpartition("/")[2]) is not None


def _tidy(cell: str) -> str:
    return "".join(line.strip() for line in cell.splitlines())


def _cut(names: list[str]) -> list[str]:
    """Without the columns at the right that have no heading."""
    width = max((at for at, name in enumerate(names, start=1) if name), default=0)
    return names[:width]


def _is_title(grid: Grid, heading: Heading, below: list[tuple[int, list[str]]]) -> bool:
    """Whether an unknown heading of one cell stands over rows of several."""
    return (
        heading.score == (0, 0)
        and sum(map(bool, heading.names)) == 1
        and bool(below)
        and sum(bool(cell.strip()) for cell in below[0][1]) > 1
    )


def _note_heading(grid: Grid, heading: Heading, findings: Findings) -> None:
    above = [row for row in grid.rows[: heading.first] if any(cell.strip() for cell in row)]
    if above or heading.last > heading.first:
        shown = [" ".join(filter(None, map(_tidy, row)))[:40] for row in above[:3]]
        rows = grid.at(range(heading.first + 1, heading.last + 2))
        findings.note("grid.heading_row", grid.file, rows, above=shown or ["–"])


# -------------------------------------------------------------------------------------------------- rows left out


def _left_out(
    grid: Grid, heading: Heading, roles: list[str], below: list[tuple[int, list[str]]], wanted: Wanted
) -> dict[int, str]:
    """Position → what it is (total, note, section, heading), for rows that are no records."""
    places = [at for at, role in enumerate(roles) if role in (*AXES, "lonlat")]
    titles = {r0 for (r0, c0), (r1, c1) in grid.merged if r0 == r1 and c1 - c0 + 1 >= min(3, len(roles))}
    names = [name for name in heading.names if name]
    found = {}
    last = next((position for position, row in reversed(below) if sum(bool(cell.strip()) for cell in row) > 1), -1)
    for position, row in below:
        if any(at < len(row) and _is_placed(row[at]) for at in places):
            continue
        cells = [unicodedata.normalize("NFKC", cell).strip() for cell in row]
        filled = [cell for cell in cells if cell]
        if [cell for cell in map(_tidy, row) if cell] == names and len(names) > 1:
            found[position] = "heading"
        elif any(map(is_total_word, filled)) and all(is_total_word(cell) or _is_figure(cell) for cell in filled):
            if not wanted.keeps_totals:
                found[position] = "total"
        elif _is_note(filled):
            found[position] = "note"
        elif len(filled) == 1 and len(names) > 2 and not is_number(filled[0]):
            if SECTION.match(filled[0]) or position in titles:
                found[position] = "section" if position < last else "note"
            elif position > last and (CLOSING_DATE.fullmatch(filled[0]) or re.search(r"[。；;:：]", filled[0])):
                found[position] = "note"
    return found


def _placed_totals(roles: list[str], below: list[tuple[int, list[str]]]) -> list[int]:
    """Rows that hold no more than a word for totals and numbers, and among these coordinates: whatever such a row is,
    it would be counted beside the rows it sums."""
    places = [at for at, role in enumerate(roles) if role in (*AXES, "lonlat")]
    found = []
    for position, row in below:
        cells = [cell.strip() for cell in row if cell.strip()]
        placed = any(at < len(row) and _is_placed(row[at]) for at in places)
        bare = all(is_total_word(cell) or _is_figure(cell) or _is_placed(cell) for cell in cells)
        if placed and bare and any(map(is_total_word, cells)):
            found.append(position + 1)
    return found


def _is_placed(cell: str) -> bool:
    return is_number(cell) or bool(re.match(PAIR, cell.strip(), re.ASCII))


def is_subtotal(row: Sequence[object]) -> bool:
    """Whether a row of totals says that it sums a part only."""
    return any(word in str(cell) for word in catalog.cell_words("subtotal") for cell in row)


def is_total_word(cell: str) -> bool:
    """合计, 总 计, 全区合计, 五马街道小计, 合计:, 共计12所: the word ends the cell, but for a number of something."""
    close = re.sub(r"\s", "", unicodedata.normalize("NFKC", cell)).casefold()
    return bool(_total_pattern().fullmatch(close))


@cache
def _total_pattern() -> re.Pattern[str]:
    words = "|".join(sorted(catalog.cell_words("total")))
    return re.compile(rf"[(]?[^/]{{0,12}}?({words})[)]?:?(\d+\D{{0,3}})?", re.ASCII)


def _is_figure(cell: str) -> bool:
    return is_number(cell) or cell.casefold() in catalog.cell_words("blank")


def _is_note(filled: list[str]) -> bool:
    """Whether the first cell is the label of a note or signature, and there are no more cells than labels explain."""
    labels = sum(bool(_label(cell)) for cell in filled)
    return bool(_label(filled[0])) and len(filled) <= 2 * labels


def _label(cell: str) -> str:
    """The word of a note with its colon (备注:, 注1.) that a cell begins with."""
    found = re.match(r"([(【\[*]*)\s*([^\d:、.]{1,12}?)\s*\d{0,2}\s*([:、.]|$)", cell)
    word = re.sub(r"\s", "", found[2]) if found else ""
    return word if word in catalog.cell_words("note") else ""


def _tell_left_out(grid: Grid, left_out: dict[int, str], findings: Findings) -> None:
    codes = {
        "total": "grid.totals_left_out",
        "note": "grid.notes_left_out",
        "section": "grid.sections_left_out",
        "heading": "grid.headings_left_out",
    }
    for what, code in codes.items():
        if positions := [position for position, found in left_out.items() if found == what]:
            shown = [" ".join(filter(None, map(_tidy, grid.rows[position])))[:40] for position in positions[:3]]
            findings.note(code, grid.file, grid.at(position + 1 for position in positions), shown=shown)


def _check_totals(
    grid: Grid, heading: Heading, roles: list[str], cells: np.ndarray, left_out: dict[int, str], findings: Findings
) -> None:
    """Warn where the table's own grand total is not the sum of its records: a row may be missing, or read wrongly."""
    totals = [at for at, what in left_out.items() if what == "total" and not is_subtotal(grid.rows[at])]
    if len(totals) != 1 or not len(cells):
        return
    row = pd.Series(grid.rows[totals[0]], dtype=object).reindex(range(len(heading.names)), fill_value="")
    stated, _ = read_numbers(row.str.strip(), "places")
    for at in np.flatnonzero(np.isfinite(stated)).tolist():
        column = pd.Series(cells[:, at]).str.strip()
        values, _ = read_numbers(column, "places")
        counted = 2 * np.isfinite(values).sum() > (column != "").sum()  # elsewhere a number counts the records
        found = float(np.nansum(values))
        if counted and roles[at] not in ("id", *AXES) and abs(found - stated[at]) > SUM_TOLERANCE * max(found, 1):
            rows, name = grid.at([totals[0] + 1]), heading.names[at]
            findings.warning("grid.total_differs", grid.file, rows, column=name, stated=float(stated[at]), found=found)


def _with_pairs_split(grid: Grid, frame: pd.DataFrame, findings: Findings) -> pd.DataFrame:
    """With two more columns, `<heading>/经度` and `<heading>/纬度`, for each of which all cells hold both."""
    added: dict[str, pd.Series] = {}
    for heading in filter(is_pair, frame.columns):
        cells = (
            frame[heading]
            .map(lambda cell: cell if has_marks(cell) else unicodedata.normalize("NFKC", cell))
            .str.strip()
        )
        found = cells.str.extract(PAIR)
        names = [f"{heading}/经度", f"{heading}/纬度"]
        if (found[0].notna() | (cells == "")).all() and found[0].notna().any() and not set(names) & set(frame.columns):
            findings.note("grid.pairs_split", grid.file, grid.at([]), column=heading, columns=names)
            added |= dict(zip(names, [found[0].fillna(""), found[1].fillna("")], strict=True))
    return frame.assign(**added)


# ----------------------------------------------------------------------------------------------------- merged cells


def _fill_merged(
    grid: Grid, heading: Heading, roles: list[str], cells: np.ndarray, positions: np.ndarray, findings: Findings
) -> dict[int, np.ndarray]:
    """Write the value of merged cells into each of their cells, in place, where it is text.

    Returns, by column, the records that share a merged number: it is not repeated.
    """
    shared: dict[int, np.ndarray] = {}
    filled: dict[str, set[int]] = {}
    width, left = cells.shape[1], MAX_CELLS
    for (r0, c0), (r1, c1) in grid.merged:
        rows = slice(*np.searchsorted(positions, [r0, r1 + 1]).tolist())
        columns = range(c0, min(c1 + 1, width))
        value = grid.rows[r0][c0].strip() if r0 < len(grid.rows) and c0 < len(grid.rows[r0]) else ""
        area = (rows.stop - rows.start) * len(columns)
        left -= area
        if r0 <= heading.last or area < 2 or not value or left < 0:
            continue
        if is_number(value) and (len(columns) > 1 or not _repeats(roles[c0])):
            for column in columns:
                shared.setdefault(column, np.zeros(len(cells), dtype=bool))[rows] = True
            continue
        cells[rows, columns.start : columns.stop] = value
        for column in columns:
            filled.setdefault(heading.names[column], set()).update((positions[rows] + 1).tolist())
    for name, numbers in filled.items():
        if name:
            findings.note("grid.merged_filled", grid.file, grid.at(sorted(numbers)), column=name)
    return shared


def _repeats(role: str) -> bool:
    """Whether a merged number of this role is true of each of its records: a code or a coordinate, never an amount."""
    return role in catalog.roles() and not catalog.roles()[role].measure
