"""Population files → origins: where children of each band live, and an account of everybody in the file.

No child is lost or made: children in the file = placed in units + outside every unit + in units without ground to live
on. Nodata is not zero.
"""

from collections.abc import Callable
from typing import NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo import catalog
from cfc_geo.errors import Findings
from cfc_geo.inputs.cell_tables import Cells, read_cells
from cfc_geo.inputs.census import read_census
from cfc_geo.inputs.ground import Surroundings
from cfc_geo.inputs.normalise import Area, project, swap_would_help
from cfc_geo.inputs.rasters import cells_of, is_raster, read_counts
from cfc_geo.inputs.spread import spread_census
from cfc_geo.inputs.units import assign_units
from cfc_geo.plan import Plan
from cfc_geo.tables import children_column, children_columns

SPACING_CELLS = 20
"""The spacing of fewer points than that says nothing."""


class Population(NamedTuple):
    """`origins` (`tables.ORIGINS`), the account (`Study.audit`), and what nobody knows the children of: bands (0 in
    `origins`), and units of the lowest level."""

    origins: gpd.GeoDataFrame
    account: dict[str, float]
    unknown_bands: frozenset[str]
    unknown_units: frozenset[str] = frozenset()


def read_population(
    plan: Plan,
    units: gpd.GeoDataFrame | None,
    findings: Findings,
    around: Callable[[], Surroundings | None] = lambda: None,
) -> Population | None:
    """Origins (`tables.ORIGINS`) in the units' CRS, and the account: children in the file, placed, outside.

    Without units (their file was refused) the population file is still read, so that its own faults are reported.
    `around` is asked for what lies around people's homes where a census is spread.
    """
    if plan.population.spread is not None:
        return _read_census(plan, units, around, findings)
    cells = _read_raster(plan, findings) if is_raster(plan.population, plan.path) else read_cells(plan, findings)
    if cells is None or units is None:
        return None
    _note_assumptions(plan, findings)
    origins = cells.frame.set_geometry(project(cells.frame.geometry, str(units.crs)))
    origins = origins.sort_values("origin_id", ignore_index=True)
    origins["unit_id"] = assign_units(origins.geometry, units)
    placed = origins[origins["unit_id"] != ""].reset_index(drop=True)
    _check_nodata(plan, cells, units, findings)
    _check_coarse(plan, placed, findings)
    unknown = frozenset(_bands_not_given(plan))
    account = _account(origins, np.ones(len(origins), dtype=bool), unknown)
    _check_outside(origins, cells, units, plan, findings)
    return Population(placed[["origin_id", "unit_id", *children_columns(), "residents", "geometry"]], account, unknown)


def _read_raster(plan: Plan, findings: Findings) -> Cells | None:
    grid = read_counts(plan.population, plan.path, findings)
    return None if grid is None else cells_of(grid, plan.population, findings)


def _read_census(
    plan: Plan, units: gpd.GeoDataFrame | None, around: Callable[[], Surroundings | None], findings: Findings
) -> Population | None:
    """Origins to which the people of census units are spread."""
    census = read_census(plan, units, findings)
    lies_around = around()
    if census is None or units is None or lies_around is None:
        return None
    file = _file(plan)
    findings.note("census.count_of", file, count_of=plan.population.count_of)
    if plan.population.assumption:
        findings.warning("population.assumption", file, why=plan.population.assumption)
    if census.missing:
        findings.warning("population.bands_missing", file, bands=list(census.missing))
    if census.totals[children_columns()].to_numpy().sum() == 0:
        findings.error("population.no_children", file)
        return None
    spread = spread_census(plan, census, units, lies_around, findings)
    if spread is None:
        return None
    _check_coarse(plan, spread.origins, findings)
    stated = {f"{column}_in_file": float(census.totals[column].sum()) for column in census.totals}
    account = _account(spread.origins, spread.on_land, frozenset(census.missing))
    if census.unknown:
        account["units_of_unknown_children"] = float(len(census.unknown))
    account |= {name: total for name, total in stated.items() if name in account}
    return Population(spread.origins, account, frozenset(census.missing), census.unknown)


def _account(origins: gpd.GeoDataFrame, on_land: np.ndarray, unknown_bands: frozenset[str]) -> dict[str, float]:
    """Everybody in the file once, by band: placed in a unit; outside every unit; or in a unit that has no ground but
    such on which nobody lives (not `on_land`), and counted there. Residents likewise where they are known; nothing is
    said of bands that nobody knows."""
    outside = (origins["unit_id"] == "").to_numpy()
    account = {"cells": float(len(origins)), "cells_outside_units": float(outside.sum())}
    known = [] if origins["residents"].isna().all() else ["residents"]
    told = [children_column(band) for band in catalog.bands() if band not in unknown_bands]
    for column in [*told, *known]:
        account[f"{column}_in_file"] = float(origins[column].sum())
        account[f"{column}_outside_units"] = float(origins.loc[outside, column].sum())
        account[f"{column}_placed"] = float(origins.loc[~outside & on_land, column].sum())
        account[f"{column}_on_no_land"] = float(origins.loc[~outside & ~on_land, column].sum())
    return account


def _check_outside(
    origins: gpd.GeoDataFrame, cells: Cells, units: gpd.GeoDataFrame, plan: Plan, findings: Findings
) -> None:
    """Warns of those outside, refuses if all are."""
    children, outside, file = children_columns(), origins["unit_id"] == "", _file(plan)
    lost, total = origins.loc[outside, children].sum().sum(), origins[children].sum().sum()
    if total == 0:
        findings.error("population.no_children", file)
    elif outside.all():
        place = Area(str(units.crs), tuple(units.total_bounds))
        swapped = swap_would_help(cells.frame.geometry, place)
        findings.error("place.all_outside_swapped" if swapped else "population.all_outside", file)
    elif lost > 0:
        findings.warning("population.outside", file, children=float(round(lost, 1)), percent=float(100 * lost / total))


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
    if without := _bands_not_given(plan):
        findings.warning("population.bands_missing", file, bands=without)


def _bands_not_given(plan: Plan) -> list[str]:
    """Bands of which a plan of cells names no count."""
    block = plan.population
    given = set(block.files or block.children or block.shares or {})
    return [band for band in catalog.bands() if band not in given]


def _check_nodata(plan: Plan, cells: Cells, units: gpd.GeoDataFrame, findings: Findings) -> None:
    """Ground inside the units of which the raster says nothing is unknown, not empty: how much, and of which band."""
    if cells.unknown is None or not len(cells.unknown):
        return
    inside = assign_units(cells.unknown.geometry.to_crs(units.crs), units) != ""
    by_band = pd.DataFrame(cells.unknown.drop(columns="geometry"))[inside]
    if not len(by_band):
        return
    if by_band.to_numpy().all():
        findings.warning("raster.nodata_inside", _file(plan), count=len(by_band))
        return
    names = {children_column(band): band for band in catalog.bands()}
    for column, count in by_band.sum().items():
        if count:
            band = names.get(str(column), str(column))
            findings.warning("raster.nodata_band", _file(plan), band=band, count=int(count))


def _check_coarse(plan: Plan, origins: gpd.GeoDataFrame, findings: Findings) -> None:
    """Cells wider than half the shortest limit blur who is within it."""
    norms = plan.resolved_norms()
    limit_m = min(norms[kind].limit_m for kinds in plan.resolved_baskets().values() for kind in kinds)
    cell_m = _cell_side_m(origins)
    if cell_m > limit_m / 2:
        findings.warning("population.coarse", _file(plan), cell_m=float(round(cell_m, 1)), limit_m=limit_m)


def _cell_side_m(origins: gpd.GeoDataFrame) -> float:
    """The longer side of a cell, or how far apart points lie; the median, NaN where that says nothing."""
    shapes = origins.geometry.to_numpy()
    if not len(shapes):
        return float("nan")
    if (shapely.get_type_id(shapes) != 0).any():
        west, south, east, north = shapely.bounds(shapes).T
        return float(np.median(np.maximum(east - west, north - south)))
    points = np.unique(shapely.get_coordinates(shapes), axis=0)
    if len(points) < SPACING_CELLS:
        return float("nan")
    tree = shapely.STRtree(shapely.points(points))
    _, away_m = tree.query_nearest(tree.geometries, exclusive=True, return_distance=True, all_matches=False)
    return float(np.median(away_m))
