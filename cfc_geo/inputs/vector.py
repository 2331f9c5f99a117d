"""Vector layers → raw layers, through GDAL and pyarrow, which open nothing before `vector_guard` has looked at it."""

import codecs
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from cfc_geo.errors import Findings
from cfc_geo.inputs import gdal_guard
from cfc_geo.inputs.raw import RawLayer, reading
from cfc_geo.inputs.vector_guard import MAX_RECORDS, may_open, may_read, shapefile_parts

FORMATS = ("geojson", "geopackage", "shapefile", "flatgeobuf", "geoparquet")
COUNTING_FORMATS = ("geopackage", "shapefile", "flatgeobuf")
"""Formats that say how many records they hold, so that one cut off in the middle is noticed."""


def read_vector(path: Path, file: str, format: str, layer: str | None, findings: Findings) -> RawLayer | None:
    """A layer of one of `FORMATS`; None, with errors, where it cannot be read or should not be."""
    frame = None
    with reading(path, file, format, findings):
        if may_open(path, file, format, findings):
            read = _read_geoparquet if format == "geoparquet" else _read_by_gdal
            frame = _decoded(read(path, file, format, layer, findings))
    if frame is None:
        return None
    if not isinstance(frame, gpd.GeoDataFrame):
        findings.error("read.no_geometry", file)
        return None
    if repeated := sorted(set(frame.columns[frame.columns.duplicated()])):
        findings.error("read.heading_repeated", file, columns=repeated)
        return None
    if frame.geometry.name != "geometry":
        frame = frame.drop(columns="geometry", errors="ignore").rename_geometry("geometry")
    frame = frame.reset_index(drop=True)
    return RawLayer(file, format, frame, frame.crs, "feature", np.arange(1, len(frame) + 1))


def _read_geoparquet(path: Path, *_: object) -> gpd.GeoDataFrame:
    return gpd.read_parquet(path)


def _read_by_gdal(path: Path, file: str, format: str, layer: str | None, findings: Findings) -> pd.DataFrame | None:
    with gdal_guard.offline() as pyogrio:
        picked = _pick_layer(pyogrio.list_layers(path), file, layer, findings)
        if picked is None or not may_read(path, file, format, picked, pyogrio.read_info(path, layer=picked), findings):
            return None
        encoding = _dbf_encoding(path, file, findings) if format == "shapefile" else None
        settings = {"layer": picked, "encoding": encoding, "on_invalid": "ignore", "max_features": MAX_RECORDS}
        frame: pd.DataFrame = pyogrio.read_dataframe(path, **settings)
        stated = pyogrio.read_info(path, layer=picked)["features"]
    if stated > len(frame) and format in COUNTING_FORMATS:
        findings.error("read.cut_off", file, stated=stated, found=len(frame))
    return frame


def _decoded(frame: pd.DataFrame | None) -> pd.DataFrame | None:
    """The frame; raises UnicodeDecodeError, or pyarrow's error, where a column of text holds bytes that are none."""
    if frame is not None:
        for name in frame.columns[[pd.api.types.is_string_dtype(kind) for kind in frame.dtypes]]:
            frame[name].to_numpy(dtype=object)
    return frame


def _pick_layer(listed: Any, file: str, layer: str | None, findings: Findings) -> str | None:
    layers = [str(name) for name, geometry in listed if geometry is not None]
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
    parts = shapefile_parts(path)
    if ".cpg" in parts or ".dbf" not in parts:
        return None
    texts = [text for text in _dbf_texts(parts[".dbf"].read_bytes()) if not text.isascii()]
    if not texts:
        return None
    encoding = "UTF-8" if all(_decodes_cut(text) for text in texts) else "GB18030"
    findings.note("read.encoding", file, encoding=encoding)
    return encoding


def _dbf_texts(content: bytes) -> Iterator[bytes]:
    """The headings and cells of a dBASE table; of one whose records are narrower than their cells, the headings."""
    records, width = int.from_bytes(content[8:10], "little"), int.from_bytes(content[10:12], "little")
    fields = [content[at : at + 32] for at in range(32, records - 31, 32)]
    fields = [field for field in fields if len(field) == 32 and field[16]]
    yield from (field[:11].partition(b"\0")[0] for field in fields)
    ends = np.cumsum([1, *(field[16] for field in fields)])
    if width < ends[-1]:
        return
    for start in range(records, len(content) - width + 1, width):
        row = content[start : start + width]
        yield from (row[a:b].rstrip(b" \0") for a, b in pairwise(ends))


def _decodes_cut(text: bytes) -> bool:
    """Whether `text` is UTF-8, its last character perhaps cut by the width of the field."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(text)
    except UnicodeDecodeError:
        return False
    return True
