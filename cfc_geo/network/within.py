"""Pairs of an origin and a facility, taken apart by kind."""

import numpy as np
import pandas as pd

from cfc_geo.model import TravelCosts, Within


def pairs_by_kind(costs: TravelCosts, facilities: pd.DataFrame) -> dict[str, Within]:
    """Kind → its pairs, in the order of `costs`. `facilities` needs facility_id and kind, one kind one horizon."""
    ids = costs.horizon_m.index
    kind_of, kinds = pd.factorize(facilities.set_index("facility_id")["kind"].reindex(ids))
    origin, facility = (costs.pairs[name].cat.codes.to_numpy() for name in ("origin_id", "facility_id"))
    metres = costs.pairs["metres"].to_numpy()
    kind_of_pair, place = kind_of[facility], np.empty(len(ids), dtype=np.int64)
    found = {}
    for number, kind in enumerate(kinds):
        members, mine = np.flatnonzero(kind_of == number), kind_of_pair == number
        place[members] = np.arange(len(members))
        limit_m = float(costs.horizon_m.iloc[members[0]])
        found[str(kind)] = Within(origin[mine], place[facility[mine]], metres[mine], ids[members], limit_m)
    return found
