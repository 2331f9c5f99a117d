"""A raster of heights → heights on a grid in the working CRS, as smooth as the raster's own steps demand."""

from typing import Any, Final

import numpy as np
import pandas as pd
from pyproj import CRS, Transformer

from cfc_geo.errors import Findings
from cfc_geo.inputs import raster_guard
from cfc_geo.inputs.gdal_guard import open_geotiff
from cfc_geo.inputs.grids import MAX_RASTER_BYTES
from cfc_geo.inputs.normalise import Area, unusable
from cfc_geo.inputs.raw import reading
from cfc_geo.inputs.read import existing_file, sniff
from cfc_geo.model import Terrain
from cfc_geo.plan import Plan

LOWEST_M, HIGHEST_M = -500.0, 9_000.0
SLOPE_NOISE: Final = 0.02
"""The false slope that rounding of heights may leave: whole metres are smoothed over 1 m / 0.02 = 50 m (assumption)."""
LEAST_CELL_M: Final = 5.0
MOST_CELLS: Final = 4_000_000


def read_terrain(plan: Plan, area: Area | None, nodes: pd.DataFrame | None, findings: Findings) -> Terrain | None:
    """Heights around the streets' `nodes` (x, y in the working CRS); None without a `[terrain]`, or with errors.

    Whole-metre heights (of every raster whose values are whole numbers) are smoothed by a bell of 50 m across. A
    warning says how many junctions lie where the raster has no height.
    """
    if plan.terrain is None or area is None or nodes is None:
        return None
    file = plan.terrain.file
    path = plan.path(file)
    if not existing_file(path, file, findings):
        return None
    if (format := sniff(path)) != "geotiff":
        findings.error("raster.format", file, format=format)
        return None
    read = None
    with reading(path, file, "geotiff", findings):
        if not raster_guard.may_open(path, file, findings):
            return None
        with open_geotiff(path) as raster:
            read = _read(raster, plan.terrain.datum, area, file, findings)
    if read is None:
        return None
    heights, step_m = read
    terrain = Terrain(*_on_working_grid(heights, area, step_m), spacing_m=plan.terrain.spacing_m)
    missing = np.isnan(height_at(terrain, nodes[["x", "y"]].to_numpy(dtype=float)))
    if missing.all():
        findings.error("terrain.elsewhere", file)
        return None
    if step_m:
        findings.note("terrain.whole_metres", file, metres=step_m / SLOPE_NOISE)
    if missing.any():
        findings.warning("terrain.partly", file, share=f"{missing.mean():.1%}")
    return terrain


def height_at(terrain: Terrain, xy: np.ndarray) -> np.ndarray:
    """Metres at each place (n × 2), bilinear between the middles of cells; half a cell around them the nearest."""
    rows, columns = terrain.heights.shape
    x = (xy[:, 0] - terrain.corner[0]) / terrain.cell[0] - 0.5
    y = (terrain.corner[1] - xy[:, 1]) / terrain.cell[1] - 0.5
    inside = (x >= -0.5) & (x <= columns - 0.5) & (y >= -0.5) & (y <= rows - 0.5)
    x, y = np.clip(np.where(inside, x, 0), 0, columns - 1), np.clip(np.where(inside, y, 0), 0, rows - 1)
    left, top = np.minimum(x.astype(int), max(columns - 2, 0)), np.minimum(y.astype(int), max(rows - 2, 0))
    right, below = np.minimum(left + 1, columns - 1), np.minimum(top + 1, rows - 1)
    across, down = x - left, y - top
    found = np.zeros(len(xy))
    for row, of_row in ((top, 1 - down), (below, down)):
        for column, of_column in ((left, 1 - across), (right, across)):
            weight = of_row * of_column
            found += np.where(weight > 0, terrain.heights[row, column] * weight, 0.0)
    return np.where(inside, found, np.nan)


class _Heights:
    """The part of a raster that lies over the area: values (NaN unknown), its corner and pixels in its own CRS."""

    def __init__(self, values: np.ndarray, corner: tuple[float, float], pixel: tuple[float, float], crs: CRS) -> None:
        self.grid, self.pixel, self.crs = Terrain(values, corner, pixel, 0.0), pixel, crs

    def at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return height_at(self.grid, np.column_stack((x, y)))


def _read(raster: Any, datum: str | None, area: Area, file: str, findings: Findings) -> tuple[_Heights, float] | None:
    """Heights over the area and the step in which they are given (1 m for whole numbers, 0 for others)."""
    crs = _crs(raster, datum, file, findings)
    before = len(findings.errors)
    if raster.count != 1:
        findings.error("terrain.bands", file, count=raster.count)
    if raster.transform.b or raster.transform.d or raster.transform.e >= 0 or raster.transform.a <= 0:
        findings.error("raster.rotated", file)
    raster_guard.blocks_are_sane(raster, file, findings)
    if crs is None or len(findings.errors) > before:
        return None
    bounds = Transformer.from_crs(area.crs, crs, always_xy=True).transform_bounds(*area.bounds, densify_pts=21)
    part = _pixels(raster, bounds)
    if part is None:
        findings.error("terrain.elsewhere", file)
        return None
    (top, bottom), (left, right) = part
    if (bottom - top) * (right - left) * 8 > MAX_RASTER_BYTES:
        findings.error("raster.too_large", file, width=raster.width, height=raster.height)
        return None
    values = raster.read(1, window=part, masked=True).astype("float64").filled(np.nan)
    values = values * raster.scales[0] + raster.offsets[0]
    values = np.where(np.isfinite(values), values, np.nan)
    known = values[np.isfinite(values)]
    if len(known) and (known.min() < LOWEST_M or known.max() > HIGHEST_M):
        findings.error("terrain.no_heights", file, low=float(known.min()), high=float(known.max()))
        return None
    step_m = 1.0 if len(known) and (known == np.rint(known)).all() else 0.0
    pixels = raster.transform
    west, north = pixels.c + left * pixels.a, pixels.f + top * pixels.e
    return _Heights(values, (west, north), (pixels.a, -pixels.e), crs), step_m


def _pixels(raster: Any, bounds: tuple[float, ...]) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """(first row, end), (first column, end) of what lies in the bounds and two pixels around; None if nothing does."""
    west, south, east, north = bounds
    pixels = raster.transform
    columns = np.clip(np.array([(west - pixels.c) / pixels.a - 2, (east - pixels.c) / pixels.a + 3]), 0, raster.width)
    rows = np.clip(np.array([(north - pixels.f) / pixels.e - 2, (south - pixels.f) / pixels.e + 3]), 0, raster.height)
    (top, bottom), (left, right) = rows.astype(int).tolist(), columns.astype(int).tolist()
    return ((top, bottom), (left, right)) if top < bottom and left < right else None


def _crs(raster: Any, datum: str | None, file: str, findings: Findings) -> CRS | None:
    """The raster's own CRS, or the one that the plan states as EPSG:n; heights on Chinese map datums are refused."""
    if datum in ("gcj02", "bd09"):
        findings.error("terrain.datum", file, datum=datum)
        return None
    stated = {"wgs84": "EPSG:4326", "cgcs2000": "EPSG:4490"}.get(datum or "", datum)
    if raster.crs is None and stated is None:
        findings.error("raster.no_position", file)
        return None
    crs = CRS.from_user_input(stated) if raster.crs is None else CRS.from_wkt(raster.crs.to_wkt())
    if reason := unusable(crs):
        findings.error("crs.unusable", file, crs=crs.name, reason=reason)
        return None
    return crs


def _on_working_grid(
    heights: _Heights, area: Area, step_m: float
) -> tuple[np.ndarray, tuple[float, float], tuple[float, float]]:
    """(heights, (west, north), (width, height) of a cell) in the working CRS, north up."""
    west, south, east, north = area.bounds
    to_raster = Transformer.from_crs(area.crs, heights.crs, always_xy=True)
    middle = ((west + east) / 2, (south + north) / 2)
    x, y = to_raster.transform(np.array([middle[0], middle[0] + 100]), np.array([middle[1], middle[1]]))
    per_m = float(np.hypot(x[1] - x[0], y[1] - y[0])) / 100
    cell = max(LEAST_CELL_M, min(heights.pixel) / per_m)
    cell = max(cell, float(np.sqrt((east - west) * (north - south) / MOST_CELLS)))
    columns, rows = int(np.ceil((east - west) / cell)), int(np.ceil((north - south) / cell))
    xs, ys = np.meshgrid(west + cell * (np.arange(columns) + 0.5), north - cell * (np.arange(rows) + 0.5))
    values = heights.at(*to_raster.transform(xs.ravel(), ys.ravel())).reshape(rows, columns)
    return smoothed(values, step_m / SLOPE_NOISE / 2 / cell), (west, north), (cell, cell)


def smoothed(values: np.ndarray, sd_cells: float) -> np.ndarray:
    """Heights under a normal bell of standard deviation `sd_cells`, cut at 3; unknown cells stay unknown and weigh
    nothing."""
    if sd_cells <= 0:
        return values
    reach = max(1, int(np.ceil(3 * sd_cells)))
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sd_cells) ** 2)
    known = np.isfinite(values)
    sums, weights = np.where(known, values, 0.0), known.astype(float)
    for axis in (0, 1):
        sums, weights = (_convolved(layer, bell, axis) for layer in (sums, weights))
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, sums / weights, np.nan))


def _convolved(layer: np.ndarray, bell: np.ndarray, axis: int) -> np.ndarray:
    reach = len(bell) // 2
    pad = [(reach, reach) if at == axis else (0, 0) for at in (0, 1)]
    padded = np.pad(layer, pad)
    size = layer.shape[axis]
    parts = (weight * np.take(padded, range(at, at + size), axis=axis) for at, weight in enumerate(bell))
    return np.asarray(sum(parts))
