"""Sums of origins by unit: a unit's sum holds its own origins and those of every unit below it."""

from collections.abc import Sequence
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from cfc_geo.tables import ALL_UNITS


class UnitSums:
    """Adds values of origins up to units, ancestors and the whole place.

    Calling it with one value an origin gives one sum a row of `labels()`: first `all`, then the units by id. `all`
    counts each origin once, whatever the depth of its unit.
    """

    def __init__(self, unit_of_origin: pd.Series, units: gpd.GeoDataFrame) -> None:
        self._units = units.sort_values("unit_id", ignore_index=True)
        position = pd.Series(range(len(units)), index=self._units["unit_id"])
        self._own = position.reindex(unit_of_origin).to_numpy(dtype=np.int64)
        parent = position.reindex(self._units["parent_id"]).to_numpy()
        self._above = [self._line(start, parent) for start in range(len(units))]

    def __call__(self, values: np.ndarray) -> np.ndarray:
        own = np.bincount(self._own, weights=values, minlength=len(self._units))
        sums = np.zeros(len(self._units) + 1)
        sums[0] = own.sum()
        for unit, line in enumerate(self._above):
            sums[line] += own[unit]
        return sums

    def labels(self) -> dict[str, np.ndarray]:
        """unit_id, unit_name, level of the sums that a call returns."""
        return {
            "unit_id": np.array([ALL_UNITS, *self._units["unit_id"]], dtype=object),
            "unit_name": np.array(["", *self._units["name"]], dtype=object),
            "level": np.array(["", *self._units["level"]], dtype=object),
        }

    @staticmethod
    def _line(start: int, parent: np.ndarray) -> np.ndarray:
        """Rows of the sums to which a unit's own children count: its own and its ancestors'."""
        line = [start]
        while not np.isnan(parent[line[-1]]):
            line.append(int(parent[line[-1]]))
        return np.array(line) + 1


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part ÷ whole, NaN where the whole is 0."""
    return np.asarray(np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0))


def proven_share(proven: np.ndarray, unknown: np.ndarray, children: np.ndarray) -> np.ndarray:
    """proven ÷ children: a lower bound where some are unknown, NaN where all are (or there are none)."""
    return np.where(unknown < children, ratio(proven, children), np.nan)


def without_unknown(
    table: pd.DataFrame, units: gpd.GeoDataFrame, *, bands: frozenset[str], of_units: frozenset[str]
) -> pd.DataFrame:
    """`table` (unit × band) without figures where nobody knows the children: of `bands`, of `of_units` (units of the
    lowest level), and of units that hold none but those. What is partly known keeps the figures of the known part."""
    leaves = ~units["unit_id"].isin(units["parent_id"])
    known = set(units.loc[leaves & ~units["unit_id"].isin(of_units), "unit_id"])
    parent = dict(zip(units["unit_id"], units["parent_id"], strict=True))
    told, above = {ALL_UNITS}, known
    while above:
        told |= above
        above = {parent[unit] for unit in above} - {""} - told
    open_rows = table["band"].isin(bands) | ~table["unit_id"].isin(told)
    figures = [name for name in table.select_dtypes("number").columns if name != "limit_m"]
    table = table.assign(**{name: table[name].mask(open_rows) for name in figures})
    said = [name for name in ("most_missing_kind", "number_bound", "places_bound") if name in table]
    return table.assign(**{name: table[name].mask(open_rows, "") for name in said})


def stacked(blocks: list[dict[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Blocks of one row a unit as one table: unit by unit, and within a unit in the order of the blocks.

    A block maps columns to one value a unit, or to one value for all.
    """
    if not blocks:
        return pd.DataFrame(columns=list(columns))
    rows = len(blocks[0]["unit_id"])
    table = {name: np.stack([np.broadcast_to(block[name], rows) for block in blocks], axis=1) for name in columns}
    return pd.DataFrame({name: values.ravel() for name, values in table.items()})
