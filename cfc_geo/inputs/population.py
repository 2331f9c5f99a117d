"""Population files → origins: where children of each band live, and an account of everybody in the file.

No child is lost or made: children in the file = children placed in units + children outside every unit. Nodata is not
zero.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyproj import CRS

from cfc_geo import catalog
from cfc_geo.errors import Findings
from cfc_geo.inputs import raster_guard
from cfc_geo.inputs.gdal_guard import open_geotiff
from cfc_geo.inputs.normalise import (
    Area,
    ids,
    numbers,
    only_types,
    positions,
    project,
    repaired,
    swap_would_help,
)
from cfc_geo.inputs.raw import RawLayer, reading
from cfc_geo.inputs.read import existing_file, read_layer, sniff
from cfc_geo.inputs.units import depth
from cfc_geo.plan import Plan
from cfc_geo.tables import children_column, children_columns

MAX_RASTER_BYTES = 1_500_000_000


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells with people, in the file's CRS: id, children columns, residents (NaN unknown), geometry.

    `unknown`: where the file says nothing (nodata), as points; for the audit only.
    """

    frame: gpd.GeoDataFrame
    unknown: gpd.GeoSeries | None = None


def read_population(
    plan: Plan, units: gpd.GeoDataFrame | None, findings: Findings
) -> tuple[gpd.GeoDataFrame, dict[str, float]] | None:
    """Origins (`tables.ORIGINS`) in the units' CRS, and the account: children in the file, placed, outside.

    Without units (their file was refused) the population file is still read, so that its own faults are reported.
    """
    cells = _read_raster(plan, findings) if _is_raster(plan) else _read_cells(plan, findings)
    if cells is None or units is None:
        return None
    _note_assumptions(plan, findings)
    origins = cells.frame.set_geometry(project(cells.frame.geometry, str(units.crs)))
    origins = origins.sort_values("origin_id", ignore_index=True)
    origins["unit_id"] = assign_units(origins.geometry, units)
    placed = origins[origins["unit_id"] != ""].reset_index(drop=True)
    _check_nodata(plan, cells, units, findings)
    account = _account(origins, cells, units, plan, findings)
    return placed[["origin_id", "unit_id", *children_columns(), "residents", "geometry"]], account


def assign_units(shapes: gpd.GeoSeries, units: gpd.GeoDataFrame) -> np.ndarray:
    """For each shape, the id of the unit its representative point lies in: the deepest, and of several the least id.

    "" where no unit holds the point. A point on a shared border belongs to the least id: one place, one count.
    """
    points = representative_points(shapes)
    point, unit = shapely.STRtree(units.geometry.to_numpy()).query(points, predicate="intersects")
    unit_ids = units["unit_id"].to_numpy()
    order = np.lexsort((unit_ids[unit].astype(str), -depth(units).reindex(unit_ids).to_numpy()[unit], point))
    first = order[np.unique(point[order], return_index=True)[1]]
    found = np.full(len(points), "", dtype=object)
    found[point[first]] = unit_ids[unit[first]]
    return found


def representative_points(shapes: gpd.GeoSeries) -> np.ndarray:
    """The point that stands for a cell: its centroid where that lies in the cell, else a point surely inside it."""
    geometries = shapes.to_numpy()
    points = shapely.centroid(geometries)
    astray = ~np.asarray(shapely.intersects(geometries, points))
    if astray.any():
        points[astray] = shapely.point_on_surface(geometries[astray])
    return np.asarray(points)


def _account(
    origins: gpd.GeoDataFrame, cells: Cells, units: gpd.GeoDataFrame, plan: Plan, findings: Findings
) -> dict[str, float]:
    """Everybody in the file, by band: placed in a unit or outside; warns of those outside, refuses if all are."""
    children = children_columns()
    outside = origins["unit_id"] == ""
    account = {"cells": float(len(origins)), "cells_outside_units": float(outside.sum())}
    for column in children:
        account[f"{column}_in_file"] = float(origins[column].sum())
        account[f"{column}_outside_units"] = float(origins.loc[outside, column].sum())
        account[f"{column}_placed"] = float(origins.loc[~outside, column].sum())
    file = _file(plan)
    lost, total = origins.loc[outside, children].sum().sum(), origins[children].sum().sum()
    if total == 0:
        findings.error("population.no_children", file)
    elif outside.all():
        place = Area(str(units.crs), tuple(units.total_bounds))
        swapped = swap_would_help(cells.frame.geometry, place)
        findings.error("place.all_outside_swapped" if swapped else "population.all_outside", file)
    elif lost > 0:
        findings.warning("population.outside", file, children=float(round(lost, 1)), percent=float(100 * lost / total))
    return account


def _file(plan: Plan) -> str:
    """The population file, the first where there are several, as messages name it."""
    block = plan.population
    return block.file or next(iter((block.files or {}).values()))


def _note_assumptions(plan: Plan, findings: Findings) -> None:
    block, file = plan.population, _file(plan)
    if block.shares:
        shown = ", ".join(f"{band}: {share:g}" for band, share in block.shares.items())
        findings.warning("population.shares", file, shares=shown, source=block.shares_source or "–")
    if block.assumption:
        findings.warning("population.assumption", file, why=block.assumption)
    given = set(block.files or block.children or block.shares or {})
    if without := [band for band in catalog.bands() if band not in given]:
        findings.warning("population.bands_missing", file, bands=without)


# ------------------------------------------------------------------------------------------------------ cell tables


def _read_cells(plan: Plan, findings: Findings) -> Cells | None:
    """Cells from a table with coordinates, or from a layer of points or polygons."""
    block = plan.population
    assert block.file is not None
    raw = read_layer(plan.path(block.file), block.file, block.layer, findings)
    if raw is None:
        return None
    shapes = positions(raw, (block.lon, block.lat), block.datum, findings)
    frame = pd.DataFrame({"origin_id": ids(raw, block.id, findings)})
    residents = np.full(len(frame), np.nan)
    if block.residents is not None:
        residents = numbers(raw, _column_name(raw, block.residents, findings), findings, blank=None)
    for band in catalog.bands():
        frame[children_column(band)] = _children_of(raw, band, residents, plan, findings)
    frame["residents"] = residents
    if shapes is None or not only_types(raw, shapes, ("Point", "Polygon", "MultiPolygon"), findings):
        return None
    shapes = repaired(raw, shapes, findings)
    if findings.errors:
        return None
    return Cells(_inhabited(gpd.GeoDataFrame(frame, geometry=shapes.to_numpy(), crs=shapes.crs)))


def _children_of(raw: RawLayer, band: str, residents: np.ndarray, plan: Plan, findings: Findings) -> np.ndarray:
    block = plan.population
    if block.shares is not None:
        shares: Mapping[Any, float] = block.shares
        return residents * shares.get(band, 0.0)
    columns: Mapping[Any, str | int] = block.children or {}
    if band not in columns:
        return np.zeros(len(residents))
    return numbers(raw, _column_name(raw, columns[band], findings), findings, blank=None)


def _column_name(raw: RawLayer, name: str | int, findings: Findings) -> str | None:
    if isinstance(name, int):
        findings.error("population.band_number_in_table", raw.file, number=name)
        return None
    return name


def _inhabited(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    people = frame[children_columns()].sum(axis=1) + frame["residents"].fillna(0)
    return frame[people > 0].reset_index(drop=True)


# ---------------------------------------------------------------------------------------------------------- rasters


def _is_raster(plan: Plan) -> bool:
    block = plan.population
    if block.files is not None:
        return True
    assert block.file is not None
    return sniff(plan.path(block.file)) == "geotiff"


def _read_raster(plan: Plan, findings: Findings) -> Cells | None:
    """Cells from count rasters on one grid: one file with a band per age band, or one file per age band."""
    block = plan.population
    grids: dict[str, _Grid] = {}
    if block.files is not None:
        for band, file in block.files.items():
            grid = _read_grid(plan.path(file), file, {children_column(band): 1}, findings)
            if grid is not None:
                grids[file] = grid
    else:
        assert block.file is not None
        wanted = _raster_bands(plan, findings)
        grid = _read_grid(plan.path(block.file), block.file, wanted, findings)
        if grid is not None:
            grids[block.file] = grid
    if findings.errors or not grids:
        return None
    first = next(iter(grids.values()))
    if different := [file for file, grid in grids.items() if not grid.same_grid(first)]:
        findings.error("raster.grids_differ", different[0], files=list(grids))
        return None
    layers = {name: layer for grid in grids.values() for name, layer in grid.layers.items()}
    return _cells_of(_Grid(layers, first.transform, first.crs), plan, findings)


def _raster_bands(plan: Plan, findings: Findings) -> dict[str, int]:
    block = plan.population
    wanted: dict[str, str | int] = {children_column(band): number for band, number in (block.children or {}).items()}
    if block.residents is not None:
        wanted["residents"] = block.residents
    if named := [value for value in wanted.values() if isinstance(value, str)]:
        findings.error("raster.band_by_name", block.file or "", names=named)
    return {name: value for name, value in wanted.items() if isinstance(value, int)}


@dataclass(frozen=True, eq=False)
class _Grid:
    """Arrays of one raster by column name, NaN where nodata, and where the raster lies."""

    layers: dict[str, np.ndarray]
    transform: tuple[float, ...]
    crs: CRS | None

    def same_grid(self, other: "_Grid") -> bool:
        return (
            self.crs == other.crs
            and np.allclose(self.transform, other.transform, rtol=0, atol=1e-9)
            and next(iter(self.layers.values())).shape == next(iter(other.layers.values())).shape
        )


def _read_grid(path: Path, file: str, wanted: dict[str, int], findings: Findings) -> _Grid | None:
    """The wanted bands of a GeoTIFF; None, with errors, for anything that cannot be trusted as counts on a grid."""
    from rasterio.errors import NotGeoreferencedWarning

    if not existing_file(path, file, findings):
        return None
    if (format := sniff(path)) != "geotiff":
        findings.error("raster.format", file, format=format)
        return None
    grid = None
    with reading(path, file, "geotiff", findings):
        if not raster_guard.may_open(path, file, findings):
            return None
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # an error of its own, below
        with open_geotiff(path) as raster:
            if not _readable(raster, file, wanted, findings):
                return None
            layers = {name: _band(raster, number) for name, number in wanted.items()}
            crs = None if raster.crs is None else CRS.from_wkt(raster.crs.to_wkt())
            grid = _Grid(layers, tuple(raster.transform)[:6], crs)
    if grid is None:
        return None
    for name, layer in grid.layers.items():
        _check_counts(layer, name, file, findings)
    return grid


def _band(raster, number: int) -> np.ndarray:  # type: ignore[no-untyped-def]
    """A band as float64, NaN where it holds no data, in the units that its scale and offset state."""
    values: np.ndarray = raster.read(number, masked=True).astype("float64").filled(np.nan)
    return np.asarray(values * raster.scales[number - 1] + raster.offsets[number - 1])


def _readable(raster, file: str, wanted: dict[str, int], findings: Findings) -> bool:  # type: ignore[no-untyped-def]
    """Checks before any pixel is read."""
    before = len(findings.errors)
    if raster.transform.b or raster.transform.d:
        findings.error("raster.rotated", file)
    if raster.transform.is_identity:
        findings.error("raster.no_position", file)
    if raster.width * raster.height * max(len(wanted), 1) * 8 > MAX_RASTER_BYTES:
        findings.error("raster.too_large", file, width=raster.width, height=raster.height)
    raster_guard.blocks_are_sane(raster, file, findings)
    if absent := [number for number in wanted.values() if not 1 <= number <= raster.count]:
        findings.error("raster.no_band", file, bands=absent, count=raster.count)
    return len(findings.errors) == before


def _check_counts(layer: np.ndarray, name: str, file: str, findings: Findings) -> None:
    negative = np.argwhere(layer < 0)
    if len(negative):
        row, col = negative[0]
        findings.error(
            "raster.negative", file, column=name, count=len(negative), row=int(row) + 1, col=int(col) + 1,
            value=float(layer[row, col]),
        )  # fmt: skip
    if np.isinf(layer).any():
        findings.error("raster.infinite", file, column=name, count=int(np.isinf(layer).sum()))


def _cells_of(grid: _Grid, plan: Plan, findings: Findings) -> Cells | None:
    """One square per pixel that holds anybody; pixels that any wanted band leaves without data are set apart."""
    layers = grid.layers
    known = np.logical_and.reduce([~np.isnan(layer) for layer in layers.values()])
    people = np.add.reduce([np.nan_to_num(layer) for layer in layers.values()])
    row, col = np.nonzero(people > 0)
    frame = pd.DataFrame({"origin_id": [f"r{r}c{c}" for r, c in zip(row + 1, col + 1, strict=True)]}, dtype=object)
    residents = np.nan_to_num(layers["residents"])[row, col] if "residents" in layers else np.full(len(row), np.nan)
    shares: Mapping[Any, float] | None = plan.population.shares
    for band in catalog.bands():
        name = children_column(band)
        if shares is not None:
            frame[name] = residents * shares.get(band, 0.0)
        else:
            frame[name] = np.nan_to_num(layers[name])[row, col] if name in layers else 0.0
    frame["residents"] = residents
    unknown = shapely.points(_centres(grid.transform, *np.nonzero(~known)))
    shapes = np.concatenate([_squares(grid.transform, row, col), unknown])
    raw = RawLayer(
        _file(plan), "geotiff", pd.DataFrame({"geometry": shapes}), grid.crs, "feature", np.arange(len(shapes))
    )
    placed = positions(raw, None, plan.population.datum, findings)
    if placed is None:
        return None
    squares, points = placed[: len(row)], placed[len(row) :].reset_index(drop=True)
    return Cells(gpd.GeoDataFrame(frame, geometry=squares, crs=placed.crs), points)


def _squares(transform: tuple[float, ...], row: np.ndarray, col: np.ndarray) -> np.ndarray:
    width, _, west, _, height, north = transform
    x, y = west + col * width, north + row * height
    ring = np.stack(
        [np.stack([x + i * width, y + j * height], axis=1) for i, j in ((0, 0), (1, 0), (1, 1), (0, 1), (0, 0))], axis=1
    )
    return np.asarray(shapely.polygons(ring))


def _centres(transform: tuple[float, ...], row: np.ndarray, col: np.ndarray) -> np.ndarray:
    width, _, west, _, height, north = transform
    return np.column_stack([west + (col + 0.5) * width, north + (row + 0.5) * height])


def _check_nodata(plan: Plan, cells: Cells, units: gpd.GeoDataFrame, findings: Findings) -> None:
    """Ground inside the units of which the raster says nothing is unknown, not empty: say how much."""
    if cells.unknown is None or not len(cells.unknown):
        return
    inside = assign_units(cells.unknown.to_crs(units.crs), units) != ""
    if inside.any():
        findings.warning("raster.nodata_inside", _file(plan), count=int(inside.sum()))
