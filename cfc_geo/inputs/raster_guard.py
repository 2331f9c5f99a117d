"""What is looked at before GDAL may open a GeoTIFF, and before pixels of it are read."""

import re
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import numpy as np

from cfc_geo.errors import Findings

LEADS_ELSEWHERE = b"OVERVIEW_FILE"
"""Metadata of this name, inside a TIFF, make GDAL open the file or address that they hold."""
MATTERS = re.compile(rb"<(SRS|GeoTransform|GCPList|NoDataValue|Scale|Offset|SourceBand)\b")
"""An `.aux.xml` with one of these says what pixels mean; one without holds statistics for drawing."""
AUX_BYTES = 1 << 20
MAX_BLOCK_BYTES = 400_000_000


def may_open(path: Path, file: str, findings: Findings) -> bool:
    """Whether the TIFF stands for itself; an error says what leads elsewhere, or what beside it would be ignored.

    Files beside a raster are not read (they may name other files). One that says which pixels hold no data, or masks
    them, would leave a wrong number behind: such a raster is refused.
    """
    with path.open("rb") as stream, mmap(stream.fileno(), 0, access=ACCESS_READ) as content:
        leads = content.find(LEADS_ELSEWHERE) >= 0
    if leads:
        findings.error("guard.leads_elsewhere", file)
    if beside := [beside.name for beside in _beside(path) if beside.is_file()]:
        findings.error("guard.beside", file, names=beside)
    return not (leads or beside)


def _beside(path: Path) -> list[Path]:
    mask, auxiliary = (path.with_name(path.name + ending) for ending in (".msk", ".aux.xml"))
    if auxiliary.is_file():
        with auxiliary.open("rb") as stream:
            return [mask, auxiliary] if MATTERS.search(stream.read(AUX_BYTES)) else [mask]
    return [mask]


def blocks_are_sane(raster: Any, file: str, findings: Findings) -> bool:
    """Whether one block of an open raster, which GDAL unpacks as a whole, is of bearable size."""
    sizes = [
        rows * columns * np.dtype(kind).itemsize
        for (rows, columns), kind in zip(raster.block_shapes, raster.dtypes, strict=True)
    ]
    if (largest := max(sizes, default=0)) > MAX_BLOCK_BYTES:
        findings.error("guard.block", file, mb=largest // 1_000_000, most_mb=MAX_BLOCK_BYTES // 1_000_000)
        return False
    return True
