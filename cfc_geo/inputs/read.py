"""Files → raw tables: the only place that opens a data file, apart from the OSM, GraphML and raster readers beside it.

The first bytes choose the reader, never the file's extension: a VRT renamed `.geojson` would otherwise make GDAL read
other files or fetch addresses. Text stays text (`007` is `007`); nothing is converted, dropped or repaired here.
"""

import codecs
import csv
import hashlib
import io
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
from pyproj import CRS

from cfc_geo.errors import Counted, Findings, Rows

MAX_TEXT_BYTES = 200_000_000
"""A table, packed or not, holds at most so much text."""
XLSX_MAX_RATIO = 100
MAX_ROWS = 1_000_000
MAX_CELLS = 20_000_000
"""A sheet spans at most so many cells: one stray cell in the last row and column makes its rectangle billions."""

VECTOR_FORMATS = ("geojson", "geopackage", "shapefile", "flatgeobuf", "geoparquet")
COUNTING_FORMATS = ("geopackage", "shapefile", "flatgeobuf")
"""Formats that say how many records they hold, so that one cut off in the middle is noticed."""

HEAD_BYTES = 1 << 16
LEADS_ELSEWHERE = re.compile(rb"<\s*(OGR|VRT|GDAL|WMS|WFS)|gdal_streamed_alg", re.IGNORECASE)
"""By such words, anywhere in the head of a text, GDAL knows files that tell it to read other files or addresses."""
SHEET_ROW = re.compile(rb"<(?:[\w.-]+:)?row[\s/>]")
SHEET_CELL = re.compile(rb"<(?:[\w.-]+:)?c[\s/>]")
SHEET_REFERENCE = re.compile(rb"""\sr\s*=\s*["']([A-Za-z]{0,3})(\d{1,7})["']""")

_MAGIC = (
    (b"SQLite format 3\0", "geopackage"),
    (b"PAR1", "geoparquet"),
    (b"fgb\x03", "flatgeobuf"),
    (b"\x00\x00\x27\x0a", "shapefile"),
    (b"\xd0\xcf\x11\xe0", "xls"),
    (b"PK\x03\x04", "zip"),
    (b"II*\0", "geotiff"),
    (b"MM\0*", "geotiff"),
    (b"II+\0", "geotiff"),
    (b"MM\0+", "geotiff"),
)


@dataclass(frozen=True, eq=False)
class RawLayer:
    """A file as read. `frame` has a `geometry` column and `crs` where the format carries them.

    `numbers` are what a user calls the records: in a table the row, of which the heading is usually the first; in a
    vector layer 1, 2, 3 …
    """

    file: str
    format: str
    frame: pd.DataFrame
    crs: CRS | None
    counted: Counted
    numbers: np.ndarray
    sheet: str = ""

    @property
    def whole(self) -> Rows:
        """The file, or the sheet of it, without naming a record."""
        return Rows((), self.counted, self.sheet)

    def rows(self, mask: "pd.Series | Iterable[bool]") -> Rows:
        """The records where `mask` is true, as a user counts them."""
        return replace(self.whole, numbers=tuple(self.numbers[np.asarray(mask, dtype=bool)].tolist()))


def existing_file(path: Path, file: str, findings: Findings) -> bool:
    """Whether `path` is a regular file; a finding says why not. Addresses and GDAL prefixes are no files."""
    if "://" in file or file.startswith("/vsi") or "\0" in file:
        findings.error("read.not_a_path", file)
        return False
    try:
        if path.is_dir():
            findings.error("read.folder", file)
        elif not path.is_file():
            near = get_close_matches(path.name, _names_in(path.parent), n=1, cutoff=0.5)
            code = "read.no_file_near" if near else "read.no_file"
            findings.error(code, file, near=near[0] if near else "")
        elif _head(path, 1) == b"":
            findings.error("read.empty_file", file)
        else:
            return True
    except OSError as error:  # no permission, a name too long, a disk that fails
        findings.error("read.denied", file, reason=error.strerror or type(error).__name__)
    return False


def _names_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []


def sniff(path: Path) -> str:
    """The format of a file by its first bytes: a name from the tables above, 'csv', 'xlsx', 'osm', 'pbf', 'graphml' …

    'unknown' is binary and none of them; 'missing' is no file that can be read, 'empty' one without a byte.
    """
    try:
        head = _head(path, HEAD_BYTES) if path.is_file() else None
    except OSError:
        head = None
    if not head:
        return "missing" if head is None else "empty"
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return _zip_format(path) if name == "zip" else name
    if b"OSMHeader" in head[:64]:
        return "pbf"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"<"):
        return "osm" if b"<osm" in text[:4096] else "graphml" if b"<graphml" in text[:4096] else "xml"
    if text.startswith((b"{", b"[")):
        return "geojson" if text.startswith(b"{") and not LEADS_ELSEWHERE.search(head) else "json"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "csv"
    return "csv" if b"\0" not in head else "unknown"


def _head(path: Path, size: int) -> bytes:
    with path.open("rb") as stream:
        return stream.read(size)


def _zip_format(path: Path) -> str:
    """A workbook, or some other archive; one that could be read as a workbook of two kinds is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return "unknown"
    return "xlsx" if "xl/workbook.xml" in names and names.isdisjoint({"xl/workbook.bin", "content.xml"}) else "zip"


def sha256(path: Path) -> str:
    """Hash of the file's bytes; of a shapefile, of its parts in order of name."""
    parts = sorted(_shapefile_parts(path).values()) if path.suffix.lower() == ".shp" else [path]
    digest = hashlib.sha256()
    for part in parts:
        with part.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _shapefile_parts(path: Path) -> dict[str, Path]:
    """The files that make a shapefile, by their endings in lower case."""
    beside = {part.suffix.lower(): part for part in path.parent.iterdir() if part.stem == path.stem}
    return {ending: beside[ending] for ending in (".shp", ".shx", ".dbf", ".prj", ".cpg") if ending in beside}


def read_layer(path: Path, file: str, layer: str | None, findings: Findings) -> RawLayer | None:
    """Read a vector layer or a table. None, with an error in `findings`, if that cannot be done."""
    if not existing_file(path, file, findings):
        return None
    format = sniff(path)
    if format in VECTOR_FORMATS:
        raw = _read_vector(path, file, format, layer, findings)
    elif format == "csv":
        raw = _read_csv(path, file, findings)
    elif format in ("xlsx", "xls"):
        raw = _read_sheet(path, file, format, layer, findings)
    else:
        findings.error("read.format", file, format=format)
        return None
    if raw is not None and not len(raw.frame):
        findings.error("read.no_records", file)
        return None
    return raw


@contextmanager
def reading(path: Path, file: str, format: str, findings: Findings) -> Iterator[None]:
    """Turns whatever a reader says of a file into findings: its warnings, and what it raises.

    Readers raise errors of many kinds, theirs and those of the libraries below them; each means that the file is not
    what it seems to be.
    """
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            yield
        except Exception as error:
            reason = (str(error) or type(error).__name__).splitlines()[0].replace(str(path), file)
            findings.error("read.unreadable", file, format=format, reason=reason)
    for text in list(dict.fromkeys(str(warning.message) for warning in said))[:5]:
        findings.warning("read.reader_says", file, says=text.replace(str(path), file))


# ----------------------------------------------------------------------------------------------------------- vector


def _read_vector(path: Path, file: str, format: str, layer: str | None, findings: Findings) -> RawLayer | None:
    import pyogrio

    frame = None
    with reading(path, file, format, findings):
        if format == "geoparquet":
            frame = gpd.read_parquet(path)
        elif (picked := _pick_layer(path, file, layer, findings)) is not None:
            encoding = _dbf_encoding(path, file, findings) if format == "shapefile" else None
            frame = pyogrio.read_dataframe(path, layer=picked, encoding=encoding, on_invalid="ignore")
            if format in COUNTING_FORMATS and (stated := pyogrio.read_info(path, layer=picked)["features"]) > len(
                frame
            ):
                findings.error("read.cut_off", file, stated=stated, found=len(frame))
    if frame is None:
        return None
    if not isinstance(frame, gpd.GeoDataFrame):
        findings.error("read.no_geometry", file)
        return None
    if frame.geometry.name != "geometry":
        frame = frame.drop(columns="geometry", errors="ignore").rename_geometry("geometry")
    frame = frame.reset_index(drop=True)
    return RawLayer(file, format, frame, frame.crs, "feature", np.arange(1, len(frame) + 1))


def _pick_layer(path: Path, file: str, layer: str | None, findings: Findings) -> str | None:
    import pyogrio

    layers = [str(name) for name, geometry in pyogrio.list_layers(path) if geometry is not None]
    if layer is None and len(layers) == 1:
        return layers[0]
    if layer in layers:
        return layer
    if not layers:
        findings.error("read.no_geometry", file)
    elif layer is None:
        findings.error("read.which_layer", file, layers=layers)
    else:
        findings.error("read.no_layer", file, layer=layer, layers=layers)
    return None


def _dbf_encoding(path: Path, file: str, findings: Findings) -> str | None:
    """The encoding of a shapefile's attributes where its `.cpg` does not say: UTF-8 or GB18030, as the bytes are."""
    parts = _shapefile_parts(path)
    if ".cpg" in parts or ".dbf" not in parts:
        return None
    texts = [text for text in _dbf_texts(parts[".dbf"].read_bytes()) if not text.isascii()]
    if not texts:
        return None
    encoding = "UTF-8" if all(_decodes_cut(text) for text in texts) else "GB18030"
    findings.note("read.encoding", file, encoding=encoding)
    return encoding


def _dbf_texts(content: bytes) -> Iterator[bytes]:
    """The headings and cells of a dBASE table."""
    records, width = int.from_bytes(content[8:10], "little"), int.from_bytes(content[10:12], "little")
    fields = [content[at : at + 32] for at in range(32, records - 31, 32)]
    yield from (field[:11].partition(b"\0")[0] for field in fields)
    ends = np.cumsum([1, *(field[16] for field in fields)])
    for start in range(records, len(content) - width + 1, max(width, 1)):
        row = content[start : start + width]
        yield from (row[a:b].rstrip(b" \0") for a, b in pairwise(ends))


def _decodes_cut(text: bytes) -> bool:
    """Whether `text` is UTF-8, its last character perhaps cut by the width of the field."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(text)
    except UnicodeDecodeError:
        return False
    return True


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


# ----------------------------------------------------------------------------------------------------------- tables


def _read_csv(path: Path, file: str, findings: Findings) -> RawLayer | None:
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


def _read_sheet(path: Path, file: str, format: str, sheet: str | None, findings: Findings) -> RawLayer | None:
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
