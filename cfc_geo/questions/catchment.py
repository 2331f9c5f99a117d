"""Places per child, by floating catchments: 2SFCA (Luo & Wang 2003, *Environment and Planning B* 30(6)) and E2SFCA (Luo
& Qi 2009, *Health & Place* 15(4)).

A facility's places are shared by all children within its limit, a child's share is added up over the facilities within
reach. What is handed out is what there is: Σ children × places per child = Σ places of the facilities in reach of any.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from cfc_geo import catalog
from cfc_geo.model import Coverage, Demand, Places, Study, Within
from cfc_geo.network.costs import TOLERANCE_M
from cfc_geo.tables import AT_LEAST, EXACT, UNKNOWN

ONE_ZONE = (1.0,)


def measure_places(study: Study, within: Mapping[str, Within], demand: Demand, coverage: Coverage) -> Places:
    """Places per child of every origin, for those kinds of `demand` that have places.

    A facility of which nobody knows the places, or all the children, adds what is not known: the value is then that of
    the others, a lower bound (at_least). It is NaN where nothing in reach is known, or the status is unknown.
    """
    capacity = study.facilities.set_index("facility_id")["capacity"].astype(float)
    index = demand.children.index
    per_child, zoned, bound = {}, {}, {}
    for kind in [kind for kind in demand.children.columns if catalog.kinds()[kind].has_places]:
        pairs = within.get(kind)
        answered = (coverage.status[kind] != UNKNOWN).to_numpy()
        partly = np.zeros(len(index), dtype=bool)
        values = [np.zeros(len(index)), np.zeros(len(index))]
        if pairs is not None:
            places = capacity.loc[pairs.facility_ids].where(demand.certain.loc[pairs.facility_ids]).to_numpy()
            children = demand.children[kind].to_numpy()
            values = [share_places(pairs, places, children, zones) for zones in (ONE_ZONE, catalog.zone_weights())]
            partly[pairs.origin[np.isnan(places[pairs.facility])]] = True
        per_child[kind], zoned[kind] = (np.where(answered, value, np.nan) for value in values)
        loose = AT_LEAST if kind not in study.surveyed else EXACT
        of_origin = np.where(partly, AT_LEAST, loose)
        bound[kind] = np.where(np.isnan(per_child[kind]), "", of_origin).astype(object)
    return Places(*(pd.DataFrame(table, index) for table in (per_child, zoned, bound)))


def share_places(pairs: Within, places: np.ndarray, children: np.ndarray, zones: Sequence[float]) -> np.ndarray:
    """Places per child of each origin (`children`, one value an origin), from the `places` of each facility.

    `zones` are the weights of equally wide zones of the limit, from the nearest; one of 1 is 2SFCA. NaN where every
    facility in reach has places unknown (NaN) or no child in reach; 0 where none is in reach.
    """
    ends_m = pairs.limit_m * np.arange(1, len(zones)) / len(zones) + TOLERANCE_M
    weight = np.asarray(zones)[np.searchsorted(ends_m, pairs.metres)]
    wanted = np.bincount(pairs.facility, weights=weight * children[pairs.origin], minlength=len(places))
    each = np.divide(places, wanted, out=np.full(len(places), np.nan), where=wanted > 0)[pairs.facility]
    known = ~np.isnan(each)
    shares = np.bincount(pairs.origin, weights=np.where(known, weight * each, 0.0), minlength=len(children))
    reached = np.bincount(pairs.origin, minlength=len(children))
    told = np.bincount(pairs.origin[known], minlength=len(children))
    return np.where((reached > 0) & (told == 0), np.nan, shares)
