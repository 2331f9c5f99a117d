"""CSV, TSV, XLSX and XLS → tables of text: the encoding, the sheet, the heading and the rows below it.

Text stays text (`007` is `007`); nothing is converted here.
"""

import csv
import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

from cfc_geo.errors import Findings
from cfc_geo.inputs.raw import RawLayer, reading

MAX_TEXT_BYTES = 200_000_000
"""A table, packed or not, holds at most so much text."""
XLSX_MAX_RATIO = 100
MAX_ROWS = 1_000_000
MAX_CELLS = 20_000_000
"""A sheet spans at most so many cells: one stray cell in the last row and column makes its rectangle billions."""

SHEET_ROW = re.compile(rb"<(?:[\w.-]+:)?row[\s/>]")
SHEET_CELL = re.compile(rb"<(?:[\w.-]+:)?c[\s/>]")
SHEET_REFERENCE = re.compile(rb"""\sr\s*=\s*["']([A-Za-z]{0,3})(\d{1,7})["']""")


def read_csv(path: Path, file: str, findings: Findings) -> RawLayer | None:
    if path.stat().st_size > MAX_TEXT_BYTES:
        findings.error("read.too_large", file, mb=path.stat().st_size // 1_000_000, most_mb=MAX_TEXT_BYTES // 1_000_000)
        return None
    text = _decode(path.read_bytes(), file, findings)
    if text is None:
        return None
    delimiter = max(",\t;", key=text.lstrip().partition("\n")[0].count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        findings.error("read.unreadable", file, format="csv", reason=str(error))
        return None
    return _as_table(rows, file, "csv", findings)


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _decode(content: bytes, file: str, findings: Findings) -> str | None:
    """Text by its byte-order mark, else UTF-8 if it is, else GB18030 if it is."""
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ["utf-16"] if marked else ["utf-8-sig", "gb18030"]:
        if _decodes(content, encoding):
            if encoding != "utf-8-sig":
                findings.note("read.encoding", file, encoding=encoding.upper())
            return content.decode(encoding)
    findings.error("read.encoding_unknown", file)
    return None


def read_sheet(path: Path, file: str, format: str, sheet: str | None, findings: Findings) -> RawLayer | None:
    from python_calamine import CalamineWorkbook

    rows = None
    with reading(path, file, format, findings):
        if format == "xlsx" and not _workbook_is_sane(path, file, findings):
            return None
        book = CalamineWorkbook.from_path(path)
        if sheet is None and len(book.sheet_names) > 1:
            filled = [name for name in book.sheet_names if book.get_sheet_by_name(name).total_height > 0]
            if len(filled) > 1:
                findings.error("read.which_layer", file, layers=filled)
                return None
            sheet = filled[0] if filled else None
        elif sheet is not None and sheet not in book.sheet_names:
            findings.error("read.no_layer", file, layer=sheet, layers=book.sheet_names)
            return None
        found = book.get_sheet_by_name(sheet or book.sheet_names[0])
        rows = [[_cell_text(value) for value in row] for row in found.to_python(skip_empty_area=False)]
    return None if rows is None else _as_table(rows, file, format, findings)


def _workbook_is_sane(path: Path, file: str, findings: Findings) -> bool:
    """Refuse a workbook that would unpack to far more than it is: a few kilobytes can hold gigabytes of rows or cells.

    Every part is unpacked once, up to the size that the archive states for it; one that is longer fails its checksum.
    """
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > MAX_TEXT_BYTES or unpacked > XLSX_MAX_RATIO * path.stat().st_size:
            findings.error("read.bomb", file, unpacked_mb=round(unpacked / 1e6))
            return False
        for member in archive.infolist():
            rows, columns = _sheet_extent(archive.read(member))
            if rows * columns > MAX_CELLS:
                findings.error("read.stray_cells", file, sheet=member.filename, rows_found=rows, columns_found=columns)
                return False
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
    """A cell as a person reads it: whole numbers without a decimal point."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def _as_table(rows: list[list[str]], file: str, format: str, findings: Findings) -> RawLayer | None:
    """Rows under a heading as a frame of text, without rows that are wholly empty and columns without a heading."""
    filled = [(number, row) for number, row in enumerate(rows, start=1) if any(cell.strip() for cell in row)]
    if len(filled) - 1 > MAX_ROWS:
        findings.error("read.too_many_rows", file, rows_found=len(filled) - 1, most=MAX_ROWS)
        return None
    if len(filled) < 2:
        findings.error("read.no_records", file)
        return None
    heading = [name.strip() for name in filled[0][1]]
    body = [row for _, row in filled[1:]]
    if sum(map(bool, heading)) == 1 and sum(map(bool, body[0])) > 1:
        findings.error("read.title", file, [filled[0][0]], title="".join(heading))
        return None
    if repeated := sorted({name for name in heading if name and heading.count(name) > 1}):
        findings.error("read.heading_repeated", file, columns=repeated)
        return None
    width = len(heading)
    ragged = [number for number, row in filled[1:] if any(row[width:])]
    if ragged:
        findings.error("read.ragged", file, ragged, width=width)
        return None
    frame = pd.DataFrame([(row + [""] * width)[:width] for row in body], columns=heading, dtype=str)
    named = frame.loc[:, [bool(name) for name in heading]]
    numbers = np.array([number for number, _ in filled[1:]])
    return RawLayer(file, format, named, None, "row", numbers)
