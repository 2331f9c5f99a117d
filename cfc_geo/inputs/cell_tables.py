"""Tables and layers of cells → where people live, in the file's own CRS."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo import catalog
from cfc_geo.errors import Findings
from cfc_geo.inputs.ages import ROUNDED
from cfc_geo.inputs.headings import Wanted, match_headings
from cfc_geo.inputs.normalise import ids, numbers, only_types, positions, repaired
from cfc_geo.inputs.raw import RawLayer
from cfc_geo.inputs.read import read_layer
from cfc_geo.inputs.units import OVERLAP_LIMIT, overlaps
from cfc_geo.plan import Plan
from cfc_geo.tables import children_column, children_columns

CELL_ROLES = ("id", "lon", "lat")


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells with people, in the file's CRS: id, children columns, residents (NaN unknown), geometry.

    `unknown`: where the file says nothing (nodata), as points, with a column of true and false for each band; for the
    audit only.
    """

    frame: gpd.GeoDataFrame
    unknown: gpd.GeoDataFrame | None = None


def read_cells(plan: Plan, findings: Findings) -> Cells | None:
    """Cells from a table with coordinates, or from a layer of points or polygons."""
    block = plan.population
    assert block.file is not None
    given = {role: heading for role in CELL_ROLES if (heading := getattr(block, role)) is not None}
    counts: dict[Any, str | int | None] = {**(block.children or {}), "residents": block.residents}
    named = {what: heading for what, heading in counts.items() if isinstance(heading, str)}
    wanted = Wanted({**given, **named}, block.heading_row)
    raw = read_layer(plan.path(block.file), block.file, block.layer, findings, wanted=wanted)
    if raw is None:
        return None
    if block.values is not None:
        findings.error("population.values_in_table", raw.file, values=block.values)
    columns = match_headings(raw, CELL_ROLES, given, block.datum, findings)
    shapes = positions(raw, (columns.get("lon"), columns.get("lat")), block.datum, findings)
    frame = pd.DataFrame({"origin_id": ids(raw, columns.get("id"), findings)})
    residents = np.full(len(frame), np.nan)
    if block.residents is not None:
        residents = numbers(raw, _column_name(raw, block.residents, findings), findings, blank=None)
    _check_distinct(raw, counts, findings)
    for band in catalog.bands():
        frame[children_column(band)] = _children_of(raw, band, residents, plan, findings)
    frame["residents"] = residents
    more = (frame[children_columns()].sum(axis=1) > frame["residents"] + ROUNDED).to_numpy()
    if more.any():
        findings.error("population.children_over_residents", raw.file, raw.rows(more), count=int(more.sum()))
    if shapes is None or not only_types(raw, shapes, ("Point", "Polygon", "MultiPolygon"), findings):
        return None
    shapes = repaired(raw, shapes, findings)
    _check_counted_once(raw, frame, shapes.to_numpy(), findings)
    if findings.errors:
        return None
    return Cells(_inhabited(gpd.GeoDataFrame(frame, geometry=shapes.to_numpy(), crs=shapes.crs)))


def _check_distinct(raw: RawLayer, counts: Mapping[Any, str | int | None], findings: Findings) -> None:
    """An error where one column is to count two groups of people."""
    for heading in sorted({heading for heading in counts.values() if isinstance(heading, str)}):
        if len(keys := [str(key) for key, value in counts.items() if value == heading]) > 1:
            findings.error("population.column_twice", raw.file, raw.whole, column=heading, keys=keys)


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


def _check_counted_once(raw: RawLayer, frame: pd.DataFrame, shapes: np.ndarray, findings: Findings) -> None:
    """Refuse polygons that share ground, and records that are the same twice; tell of points at one place."""
    counts = [*children_columns(), "residents"]
    people = (frame[counts].fillna(0).sum(axis=1) > 0).to_numpy() & ~shapely.is_missing(shapes)
    table = frame[counts].assign(place=shapely.to_wkb(shapes))[people]
    same = np.zeros(len(frame), dtype=bool)
    at_one, same[people] = same.copy(), table.duplicated(keep=False)
    at_one[people] = table.duplicated("place", keep=False)
    if same.any():
        findings.error("population.same_twice", raw.file, raw.rows(same))
    if (others := at_one & ~same & (shapely.get_type_id(shapes) == 0)).any():
        findings.warning("population.same_place", raw.file, raw.rows(others))
    drawn = np.flatnonzero(people & (shapely.get_type_id(shapes) != 0))
    first, second, shared, smaller = overlaps(shapes[drawn])
    if (twice := shared > OVERLAP_LIMIT * smaller).any() and not same.any():
        rows = np.zeros(len(frame), dtype=bool)
        rows[drawn[np.concatenate([first[twice], second[twice]])]] = True
        findings.error("population.overlap", raw.file, raw.rows(rows), count=int(twice.sum()))


def _inhabited(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    people = frame[children_columns()].sum(axis=1) + frame["residents"].fillna(0)
    return frame[people > 0].reset_index(drop=True)
