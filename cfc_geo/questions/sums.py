"""Sums of origins by unit: a unit's sum holds its own origins and those of every unit below it."""

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

    def labels(self) -> pd.DataFrame:
        """rank, unit_id, unit_name, level of the rows that a call returns."""
        return pd.DataFrame(
            {
                "rank": np.arange(len(self._units) + 1),
                "unit_id": [ALL_UNITS, *self._units["unit_id"]],
                "unit_name": ["", *self._units["name"]],
                "level": ["", *self._units["level"]],
            }
        )

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
