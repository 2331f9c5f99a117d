"""CSV, TSV, XLSX and XLS → grids of text, and of them the one table that is wanted: encoding, delimiter, sheet.

Text stays text (`007` is `007`); `layout` finds the table in the cells, nothing is converted here.
"""

import csv
import io
import re
import zipfile
from datetime import datetime, time
from pathlib import Path

from cfc_geo.errors import Findings
from cfc_geo.inputs.headings import Wanted, plain
from cfc_geo.inputs.layout import MAX_CELLS, Grid, Heading, as_table, find_heading
from cfc_geo.inputs.raw import RawLayer, reading

MAX_TEXT_BYTES = 200_000_000
"""A table, packed or not, holds at most so much text."""
XLSX_MAX_RATIO = 100
LONGEST_EXACT = 1e15
"""A spreadsheet keeps 15 digits: a larger number has lost some."""

DELIMITERS = ",\t;"
SHOWN_LINES = 50
"""Lines from which the delimiter is told."""

SHEET_ROW = re.compile(rb"<(?:[\w.-]+:)?row[\s/>]")
SHEET_CELL = re.compile(rb"<(?:[\w.-]+:)?c[\s/>]")
SHEET_REFERENCE = re.compile(rb"""\sr\s*=\s*["']([A-Za-z]{0,3})(\d{1,7})["']""")
SHEET_FAULT = re.compile(rb"""<(?:[\w.-]+:)?c\s[^<>]{0,200}?\bt\s*=\s*["']e["']""")


def read_csv(path: Path, file: str, wanted: Wanted, findings: Findings) -> RawLayer | None:
    """The table of a text file."""
    if path.stat().st_size > MAX_TEXT_BYTES:
        findings.error("read.too_large", file, mb=path.stat().st_size // 1_000_000, most_mb=MAX_TEXT_BYTES // 1_000_000)
        return None
    text = _decode(path.read_bytes(), file, findings)
    if text is None:
        return None
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True))
    except csv.Error as error:
        findings.error("read.unreadable", file, format="csv", reason=str(error))
        return None
    grid = Grid(file, "csv", rows)
    return _table(grid, find_heading(grid, wanted), wanted, findings)


def read_sheet(
    path: Path, file: str, format: str, sheet: str | None, wanted: Wanted, findings: Findings
) -> RawLayer | None:
    """The table of the sheet that the plan names, else of the only sheet that holds one."""
    from python_calamine import CalamineWorkbook

    picked = None
    with reading(path, file, format, findings):
        if format == "xlsx" and not _workbook_is_sane(path, file, findings):
            return None
        book = CalamineWorkbook.from_path(path)
        if sheet is not None and sheet not in book.sheet_names:
            findings.error("read.no_layer", file, layer=sheet, layers=book.sheet_names)
            return None
        names = book.sheet_names if sheet is None else [sheet]
        grids = [_grid(book.get_sheet_by_name(name), file, format) for name in names]
        shown = {part.name for part in book.sheets_metadata if str(part.visible).endswith(".Visible")}
        picked = _pick_sheet(grids, shown if sheet is None else set(names), wanted, findings)
    return None if picked is None else _table(*picked, wanted, findings)


def read_grids(path: Path, file: str, findings: Findings) -> list[Grid]:
    """Every sheet of an XLSX workbook as it is; none, and a finding, where it cannot be read."""
    from python_calamine import CalamineWorkbook

    with reading(path, file, "xlsx", findings):
        if _workbook_is_sane(path, file, findings):
            book = CalamineWorkbook.from_path(path)
            return [_grid(book.get_sheet_by_name(name), file, "xlsx") for name in book.sheet_names]
    return []


def is_utf16(content: bytes) -> bool:
    """Whether bytes without a byte-order mark are surely UTF-16: every other byte of many is zero, and what they spell
    is printable text of several lines."""
    return _utf16_of(content) is not None


def _table(grid: Grid, heading: Heading | None, wanted: Wanted, findings: Findings) -> RawLayer | None:
    if heading is None:
        code = "read.no_records" if wanted.row is None else "grid.no_heading_row"
        findings.error(code, grid.file, grid.at([] if wanted.row is None else [wanted.row]))
        return None
    return as_table(grid, heading, wanted, findings)


# ------------------------------------------------------------------------------------------------------------- text


def _decode(content: bytes, file: str, findings: Findings) -> str | None:
    """Text by its byte-order mark, else UTF-16 if it surely is, UTF-8 if it is, else GB18030 if it is."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    else:
        encodings = [found] if (found := _utf16_of(content)) else ["utf-8-sig", "gb18030"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding != "utf-8-sig":
            findings.note("read.encoding", file, encoding=encoding.upper())
        if encoding == "gb18030" and _looks_big5(content):
            findings.warning("read.big5", file)
        return text
    findings.error("read.encoding_unknown", file)
    return None


def _utf16_of(content: bytes) -> str | None:
    head = content[: 1 << 16]
    head = head[: len(head) // 2 * 2]
    if len(content) % 2 or len(head) < 8 or b"\0" not in head:
        return None
    for encoding in ("utf-16-le", "utf-16-be"):
        text = head.decode(encoding, "replace").rstrip("\ufffd")
        if "\n" in text and all(mark.isprintable() or mark.isspace() for mark in text):
            return encoding
    return None


def _looks_big5(content: bytes) -> bool:
    """Whether text that GB18030 can read is more likely Big5: its common characters, and few of GB18030's.

    The common characters are those of level 1 of either standard: GB 2312 rows B0 to D7, Big5 rows A4 to C6.
    """
    try:
        traditional = [char.encode("big5") for char in content.decode("big5") if ord(char) > 0x7F]
    except UnicodeDecodeError:
        return False
    simple = [char.encode("gb18030") for char in content.decode("gb18030") if ord(char) > 0x7F]
    as_big5 = sum(0xA4 <= pair[0] <= 0xC6 for pair in traditional)
    as_gb = sum(len(pair) == 2 and 0xB0 <= pair[0] <= 0xD7 and pair[1] >= 0xA1 for pair in simple)
    return as_big5 > 0.9 * len(traditional) > 0 and as_gb < 0.7 * len(simple)


def _delimiter(text: str) -> str:
    """The mark that most of the first lines hold; of those, the one that is met most often."""
    lines = [line for line in text[: 1 << 16].splitlines()[:SHOWN_LINES] if line.strip()]

    def met(mark: str) -> tuple[int, int]:
        return sum(mark in line for line in lines), sum(line.count(mark) for line in lines)

    return max(DELIMITERS, key=met)


# -------------------------------------------------------------------------------------------------------- workbooks


def _grid(sheet: object, file: str, format: str) -> Grid:
    rows = [[_cell_text(value) for value in row] for row in sheet.to_python(skip_empty_area=False)]  # type: ignore[attr-defined]
    return Grid(file, format, rows, sheet.name, tuple(sheet.merged_cell_ranges or ()))  # type: ignore[attr-defined]


def _pick_sheet(
    grids: list[Grid], shown: set[str], wanted: Wanted, findings: Findings
) -> tuple[Grid, Heading | None] | None:
    """The only filled sheet; of several, the only visible one; else the only one with all that the plan names or, if
    it names nothing, with a heading that the catalogue knows."""
    found = [(grid, find_heading(grid, wanted)) for grid in grids if any(map(any, grid.rows))]
    if not found:
        return (grids[0], None) if grids else None
    visible = [pair for pair in found if pair[0].sheet in shown] or found
    fitting = [pair for pair in visible if pair[1] is not None and _fits(pair[1], wanted)]
    if len(visible) == 1 or len(fitting) == 1:
        picked = visible[0] if len(visible) == 1 else fitting[0]
        if others := [grid.sheet for grid, _ in found if grid is not picked[0]]:
            findings.note("grid.picked", picked[0].file, picked[0].at([]), others=others)
        return picked
    findings.error("read.which_layer", grids[0].file, layers=[grid.sheet for grid, _ in visible])
    return None


def _fits(heading: Heading, wanted: Wanted) -> bool:
    given, known = heading.score
    asked = {plain(name) for name in wanted.given.values()}
    return given == len(asked) if asked else known > 1


def _workbook_is_sane(path: Path, file: str, findings: Findings) -> bool:
    """Refuse a workbook that would unpack to far more than it is: a few kilobytes can hold gigabytes of rows or cells.

    Every part is unpacked once, up to the size that the archive states for it; one that is longer fails its checksum.
    """
    faults = 0
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > MAX_TEXT_BYTES or unpacked > XLSX_MAX_RATIO * path.stat().st_size:
            findings.error("read.bomb", file, unpacked_mb=round(unpacked / 1e6))
            return False
        for member in archive.infolist():
            content = archive.read(member)
            rows, columns = _sheet_extent(content)
            if rows * columns > MAX_CELLS:
                findings.error("read.stray_cells", file, sheet=member.filename, rows_found=rows, columns_found=columns)
                return False
            faults += len(SHEET_FAULT.findall(content)) if member.filename.startswith("xl/worksheets/") else 0
    if faults:
        findings.warning("grid.faults", file, count=faults)
    return True


def _sheet_extent(content: bytes) -> tuple[int, int]:
    """Rows and columns of the rectangle that a sheet's cells span; an upper bound where cells have no references."""
    by_row = SHEET_ROW.split(content)
    references = set(SHEET_REFERENCE.findall(content)) if len(by_row) > 1 else set()
    rows = max([len(by_row) - 1, *(int(number) for _, number in references)])
    unnamed = max(len(SHEET_CELL.findall(row)) for row in by_row)
    return rows, max([unnamed, *(_column_number(letters) for letters, _ in references)])


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - ord("A") + 1
    return number


def _cell_text(value: object) -> str:
    """A cell as a person reads it: whole numbers without a decimal point, dates without a clock. A number that has
    lost digits keeps its exponent."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value)) if abs(value) < LONGEST_EXACT else f"{value:.14e}"
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    return str(value)
