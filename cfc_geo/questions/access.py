"""What each facility has around it."""

import geopandas as gpd
import numpy as np
import pandas as pd

from cfc_geo import catalog
from cfc_geo.model import TravelCosts
from cfc_geo.tables import children_column


def count_children_within(
    costs: TravelCosts,
    origins: gpd.GeoDataFrame,
    facilities: gpd.GeoDataFrame,
    *,
    unknown_bands: frozenset[str] = frozenset(),
) -> pd.Series:
    """Children, of the bands its kind is for, within the horizon of each facility of `costs`, by facility_id.

    A child may be within reach of several facilities, and then counts for each. Of a kind for several bands, those of
    `unknown_bands` are not counted; of a kind for none but those, the count is NaN.
    """
    horizon_m = costs.horizon_m
    kind_of = facilities.set_index("facility_id")["kind"].reindex(horizon_m.index)
    origin, facility = (costs.pairs[name].cat.codes.to_numpy() for name in ("origin_id", "facility_id"))
    children = np.zeros(len(origin))
    for kind in kind_of.unique():
        mine = (kind_of == kind).to_numpy()[facility]
        bands = [children_column(band) for band in catalog.kinds()[kind].bands if band not in unknown_bands]
        children[mine] = origins[bands].sum(axis=1).to_numpy()[origin[mine]]
    within = np.bincount(facility, weights=children, minlength=len(horizon_m))
    open_kinds = [name for name, kind in catalog.kinds().items() if kind.bands and unknown_bands.issuperset(kind.bands)]
    return pd.Series(within, horizon_m.index, name="children_within").mask(kind_of.isin(open_kinds))
