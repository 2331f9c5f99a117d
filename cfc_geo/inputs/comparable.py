"""Whether two results answer one question of one population, so that their difference says what a change does."""

import geopandas as gpd
import numpy as np
import pandas as pd

from cfc_geo import catalog
from cfc_geo.errors import DataError, Findings
from cfc_geo.model import Finished
from cfc_geo.tables import children_column

SAME_M, SAME_CHILDREN = 0.01, 1e-6
"""Cells that lie so near and counts that differ by so little are the same."""


def check_comparable(before: Finished, after: tuple[Finished, ...]) -> None:
    """Raise `DataError`, with all that differs, unless every result can be compared with the first.

    Equal must be: program, CRS, units, norms, horizon, snap limit, baskets, speeds, and what is known of the
    population. Its files must be the same; cells and children may differ only where a scenario says that it changes
    them. A cell is known by its id, so that one id may not be of two places, not even among the results of `after`.
    """
    findings = Findings()
    for number, other in enumerate(after):
        if differ := _rules_that_differ(before, other):
            findings.error("compare.rules_differ", other.name, first=before.name, what=differ)
        if before.rules.population != other.rules.population:
            findings.error("compare.population_differs", other.name, first=before.name)
        elif not differ and not (before.edited or other.edited) and (count := _cells_that_differ(before, other)):
            findings.error("compare.cells_differ", other.name, first=before.name, count=count)
        if not set(before.rules.limits) & set(other.rules.limits):
            findings.error("compare.no_kind", other.name, first=before.name)
        for earlier in (before, *after[:number]):
            if moved := _cells_elsewhere(earlier, other):
                findings.error("compare.cells_elsewhere", other.name, first=earlier.name, ids=moved[:8])
    findings.raise_errors(DataError)


def _rules_that_differ(before: Finished, other: Finished) -> list[str]:
    """Names of rules, and for limits and speeds both values."""
    one, two = before.rules, other.rules
    plain = ("program", "crs", "norm_set", "horizon_m", "snap_limit_m", "baskets", "unknown_bands", "unknown_units")
    differ = [
        f"{name}: {_shown(getattr(one, name))} / {_shown(getattr(two, name))}"
        for name in plain
        if getattr(one, name) != getattr(two, name)
    ]
    if one.units_sha256 != two.units_sha256:
        differ.append("units")
    limits = ((kind, one.limits[kind].limit_m, two.limits[kind].limit_m) for kind in one.limits if kind in two.limits)
    differ += [f"{kind}: {here:g} m / {there:g} m" for kind, here, there in limits if here != there]
    speeds = ((band, one.speeds_ms.get(band), two.speeds_ms.get(band)) for band in catalog.bands())
    differ += [f"{band}: {here} m/s / {there} m/s" for band, here, there in speeds if here != there]
    return sorted(differ)


def _shown(value: object) -> str:
    if isinstance(value, frozenset):
        return ", ".join(sorted(value)) or "–"
    if isinstance(value, dict):
        return "; ".join(f"{band} {'+'.join(kinds)}" for band, kinds in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)


def _cells_elsewhere(one: Finished, other: Finished) -> list[str]:
    """Ids of the new estates of scenarios that are not at the same place in both; other cells are told by
    `_cells_that_differ`."""
    if not (one.edited or other.edited):
        return []
    here, there = (result.cells.set_index("origin_id").geometry.centroid for result in (one, other))
    ids = here.index.intersection(there.index)
    apart_m = here[ids].distance(there[ids], align=False).to_numpy()
    return sorted(ids[apart_m > SAME_M])


def _cells_that_differ(before: Finished, other: Finished) -> int:
    """How many cells are in one of the results only, or are not the same in both."""
    one, two = (table.set_index("origin_id") for table in (before.cells, other.cells))
    shared = one.index.intersection(two.index)
    apart = len(one) + len(two) - 2 * len(shared)
    return apart + int((~_same_cells(one.loc[shared], two.loc[shared])).sum())


def _same_cells(one: gpd.GeoDataFrame, two: gpd.GeoDataFrame) -> pd.Series:
    columns = list(map(children_column, catalog.bands()))
    here, there = (table[columns].to_numpy(dtype=float) for table in (one, two))
    same = np.isclose(here, there, rtol=0, atol=SAME_CHILDREN, equal_nan=True).all(axis=1)
    near = one.geometry.centroid.distance(two.geometry.centroid).to_numpy() <= SAME_M
    return pd.Series(same & near & (one["unit_id"] == two["unit_id"]).to_numpy(), one.index)
