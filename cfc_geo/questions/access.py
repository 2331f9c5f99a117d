"""What each facility has around it."""

import geopandas as gpd
import numpy as np
import pandas as pd

from cfc_geo import catalog
from cfc_geo.model import TravelCosts
from cfc_geo.tables import children_column


def count_children_within(costs: TravelCosts, origins: gpd.GeoDataFrame, facilities: gpd.GeoDataFrame) -> pd.Series:
    """Children, of the bands its kind is for, within the horizon of each facility of `costs`, by facility_id.

    A child may be within reach of several facilities, and then counts for each.
    """
    horizon_m = costs.horizon_m
    kind_of = facilities.set_index("facility_id")["kind"].reindex(horizon_m.index)
    origin, facility = (costs.pairs[name].cat.codes.to_numpy() for name in ("origin_id", "facility_id"))
    children = np.zeros(len(origin))
    for kind in kind_of.unique():
        mine = (kind_of == kind).to_numpy()[facility]
        bands = [children_column(band) for band in catalog.kinds()[kind].bands]
        children[mine] = origins[bands].sum(axis=1).to_numpy()[origin[mine]]
    within = np.bincount(facility, weights=children, minlength=len(horizon_m))
    return pd.Series(within, horizon_m.index, name="children_within")
