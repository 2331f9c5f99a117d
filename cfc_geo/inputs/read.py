"""Files → raw tables: opens data files, apart from the sheet, OSM, GraphML and raster readers beside it.

The first bytes choose the reader, never the file's extension: a VRT renamed `.geojson` would otherwise make GDAL read
other files or fetch addresses. Text stays text (`007` is `007`); nothing is converted, dropped or repaired here.
"""

import codecs
import hashlib
import re
import zipfile
from collections.abc import Iterator
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path

import geopandas as gpd
import numpy as np

from cfc_geo.errors import Findings
from cfc_geo.inputs.headings import ANY, Wanted
from cfc_geo.inputs.raw import RawLayer, reading
from cfc_geo.inputs.sheets import is_utf16, read_csv, read_sheet

VECTOR_FORMATS = ("geojson", "geopackage", "shapefile", "flatgeobuf", "geoparquet")
TABLE_FORMATS = ("csv", "xlsx", "xls")
COUNTING_FORMATS = ("geopackage", "shapefile", "flatgeobuf")
"""Formats that say how many records they hold, so that one cut off in the middle is noticed."""

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
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or is_utf16(head):
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
    if format in VECTOR_FORMATS:
        raw = _read_vector(path, file, format, layer, findings)
    elif format == "csv":
        raw = read_csv(path, file, wanted, findings)
    elif format in TABLE_FORMATS:
        raw = read_sheet(path, file, format, layer, wanted, findings)
    else:
        findings.error("read.format", file, format=format)
        return None
    if raw is not None and not len(raw.frame):
        findings.error("read.no_records", file)
        return None
    return raw


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
