"""Files → raw tables: opens data files, apart from the readers of sheets, vector layers, OSM, GraphML and
rasters beside it.

The first bytes choose the reader, never the file's extension: a VRT renamed `.geojson` would otherwise make GDAL read
other files or fetch addresses. Text stays text (`007` is `007`); nothing is converted, dropped or repaired here.
"""

import hashlib
import re
import zipfile
from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path

from cfc_geo.blocks import PlanModel, stated
from cfc_geo.errors import Findings
from cfc_geo.inputs import vector
from cfc_geo.inputs.headings import ANY, Wanted
from cfc_geo.inputs.raw import RawLayer
from cfc_geo.inputs.sheets import is_utf16, read_csv, read_sheet
from cfc_geo.inputs.vector_guard import shapefile_parts
from cfc_geo.reach import is_address

TABLE_FORMATS = ("csv", "xlsx", "xls")

HEAD_BYTES = 1 << 16
LEADS_ELSEWHERE = re.compile(rb"<\s*(OGR|VRT|GDAL|WMS|WFS)|gdal_streamed_alg", re.IGNORECASE)
"""By such words, anywhere in the head of a text, GDAL knows files that tell it to read other files or addresses."""

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


def existing_file(path: Path, file: str, findings: Findings) -> bool:
    """Whether `path` is a regular file; a finding says why not. Addresses and GDAL prefixes are no files."""
    if is_address(file):
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


def refuse_unused(block: PlanModel, keys: Collection[str], file: str, format: str, findings: Findings) -> None:
    """An error for keys of a block that say nothing of a file of this format: what is passed over would mislead."""
    if unused := sorted(stated(block, keys)):
        findings.error("read.keys_unused", file, format=format, keys=unused)


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
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "xml" if head.decode("utf-16", "replace").lstrip().startswith("<") else "csv"
    if is_utf16(head):
        return "csv"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"<"):
        return "osm" if b"<osm" in text[:4096] else "graphml" if b"<graphml" in text[:4096] else "xml"
    if text.startswith((b"{", b"[")):
        return "geojson" if text.startswith(b"{") and not LEADS_ELSEWHERE.search(head) else "json"
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
    parts = sorted(shapefile_parts(path).values()) if path.suffix.lower() == ".shp" else [path]
    digest = hashlib.sha256()
    for part in parts:
        with part.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def read_layer(
    path: Path, file: str, layer: str | None, findings: Findings, *, wanted: Wanted = ANY
) -> RawLayer | None:
    """Read a vector layer or a table. None, with an error in `findings`, if that cannot be done.

    `wanted` helps to find the sheet and the heading of a table.
    """
    if not existing_file(path, file, findings):
        return None
    format = sniff(path)
    if wanted.row is not None and format not in TABLE_FORMATS:
        findings.error("grid.no_rows", file, format=format)
    if format in vector.FORMATS:
        raw = vector.read_vector(path, file, format, layer, findings)
    elif format == "csv":
        raw = read_csv(path, file, wanted, findings)
    elif format in TABLE_FORMATS:
        raw = read_sheet(path, file, format, layer, wanted, findings)
    else:
        findings.error("guard.archive" if format == "zip" else "read.format", file, format=format)
        return None
    if raw is not None and not len(raw.frame):
        findings.error("read.no_records", file)
        return None
    return raw
