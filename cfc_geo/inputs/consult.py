"""One file before the datum doctor: its coordinates as they stand, every way to read them, and what speaks for each."""

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely

from cfc_geo.blocks import FileSource
from cfc_geo.errors import DataError, Findings
from cfc_geo.inputs.cell_texts import read_degrees
from cfc_geo.inputs.doctor import Diagnosis, Weighed, diagnose
from cfc_geo.inputs.examine import Ground, projected, with_shifted_streets
from cfc_geo.inputs.headings import AXES, Wanted, match_headings
from cfc_geo.inputs.normalise import LonLat, column, text
from cfc_geo.inputs.raw import RawLayer
from cfc_geo.inputs.read import read_layer
from cfc_geo.inputs.readings import Reading, is_unnumbered_zone, lonlat_of, possible_readings
from cfc_geo.inputs.study import read_ground
from cfc_geo.plan import Plan


@dataclass(frozen=True)
class Consultation:
    """What the doctor says of a file. `lonlat`: the columns read ("" in layers); `crs`: the projected one that a layer
    states, out of which its coordinates were taken ("" none); `unread`: records without two numbers; `declared`: the
    datum that the plan states for this file ("" none)."""

    file: str
    lonlat: tuple[str, str]
    crs: str
    unread: int
    declared: str
    diagnosis: Diagnosis


def consult(
    path: Path, plan: Plan | None = None, *, layer: str | None = None, lonlat: LonLat | None = None
) -> Consultation:
    """Tell the datum of a file, against the streets, buildings and units of `plan` if there is one.

    Without a plan only the numbers speak: swapped columns and zones show, shifts do not. `lonlat` names the columns of
    a table; else those of the plan are taken, else those whose headings say so. Raises `DataError` if the file, or the
    plan's ground, cannot be read.
    """
    findings = Findings()
    block = None if plan is None else _block_of(plan, path)
    declared = (block.datum if block else None) or ""
    given = _given(lonlat, block)
    wanted = Wanted(given, block.heading_row if block else None)
    raw = read_layer(path, str(path), layer or (block.layer if block else None), findings, wanted=wanted)
    columns = None if raw is None else _columns_of(raw, given, declared, findings)
    xy = None if raw is None or columns is None else _numbers_of(raw, columns, findings)
    ground = None if plan is None else read_ground(plan, findings)
    findings.raise_errors(DataError)
    assert raw is not None and columns is not None and xy is not None
    known = xy[np.isfinite(xy).all(axis=1)]
    diagnosis = _by_numbers(known) if ground is None else _against(known, ground, declared)
    crs = raw.crs.name if raw.crs is not None and raw.crs.is_projected else ""
    return Consultation(str(path), columns, crs, len(xy) - len(known), declared, diagnosis)


def _against(xy: np.ndarray, ground: Ground, declared: str) -> Diagnosis:
    readings = possible_readings(xy, ground.lon)
    places = {reading: projected(*lonlat_of(xy, reading), ground.crs) for reading in readings}
    stated = declared if declared in ("gcj02", "bd09") else "wgs84"
    if Reading("gcj02") in places:
        places = with_shifted_streets(places, *lonlat_of(xy, Reading(stated)), stated, ground)
    return diagnose(places, ground.evidence)


def _by_numbers(xy: np.ndarray) -> Diagnosis:
    """What the numbers alone say, which is never between WGS84, GCJ-02 and BD-09.

    Reasons: "zone" (a numbered zone: the verdict), "unnumbered" (metres, of which zone nobody can tell), "swapped" and
    "degrees" (in which datum nobody can tell), "nowhere" (no place in China by any reading).
    """
    readings = possible_readings(xy)
    nan = float("nan")
    rows = tuple(Weighed(reading, nan, nan, nan, 0.0, 0.0) for reading in readings)
    if len(readings) == 1 and readings[0].datum.startswith("EPSG:"):
        return Diagnosis(rows, readings[0], "zone", len(xy))
    if not readings:
        return Diagnosis(rows, None, "unnumbered" if is_unnumbered_zone(xy) else "nowhere", len(xy))
    if len(readings) == 1:
        return Diagnosis(rows, None, "no_rival", len(xy))
    return Diagnosis(rows, None, "swapped" if readings[0].swapped else "degrees", len(xy))


def _block_of(plan: Plan, path: Path) -> FileSource | None:
    """The block of the plan that names this file."""
    same = [block for _, file, block in plan.sources() if plan.path(file).resolve() == path.resolve()]
    return same[0] if same else None


def _given(lonlat: LonLat | None, block: FileSource | None) -> dict[str, str]:
    """The columns of the coordinates that the user names, else those that the plan names for this file."""
    holder = getattr(block, "columns", block)
    stated = lonlat or (getattr(holder, "lon", None), getattr(holder, "lat", None))
    return {axis: name for axis, name in zip(AXES, stated, strict=True) if name is not None}


def _columns_of(raw: RawLayer, given: dict[str, str], declared: str, findings: Findings) -> tuple[str, str] | None:
    """The columns that hold the coordinates; ("", "") for a layer that has shapes."""
    if raw.counted == "feature":
        return "", ""
    columns = match_headings(raw, AXES, given, declared or None, Findings())
    if len(columns) < len(AXES):
        headings = [str(name) for name in raw.frame.columns]
        findings.error("doctor.which_columns", raw.file, raw.whole, columns=headings[:12])
        return None
    missing = any(column(raw, columns[axis], findings) is None for axis in AXES)
    return None if missing else (columns["lon"], columns["lat"])


def _numbers_of(raw: RawLayer, columns: tuple[str, str], findings: Findings) -> np.ndarray | None:
    """The coordinates (n × 2), NaN where a record has none; degrees of a layer that states a projected CRS."""
    if raw.counted == "row":
        cells = zip(columns, AXES, strict=True)
        xy = np.column_stack([read_degrees(text(raw.frame[name]), axis)[0] for name, axis in cells])
    else:
        shapes = gpd.GeoSeries(shapely.force_2d(raw.frame["geometry"].to_numpy(dtype=object)), crs=raw.crs)
        if raw.crs is not None and raw.crs.is_projected:
            shapes = shapes.to_crs("EPSG:4326")
        xy = shapely.get_coordinates(shapes.to_numpy())
    if not np.isfinite(xy).all(axis=1).any():
        findings.error("doctor.no_coordinates", raw.file, raw.whole)
        return None
    return xy
