"""Who goes where if every child goes to the nearest facility, which of these have too few places, and where else the
children beyond them could go."""

from collections import deque
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pandas as pd

from cfc_geo import catalog
from cfc_geo.model import Coverage, Crowding, Demand, Study, Within
from cfc_geo.questions.sums import ratio
from cfc_geo.tables import COVERED, CROWDING_COLUMNS, OVERFLOW_COLUMNS

LEAST = 1e-9
"""Fewer children than this are rounding."""

Flow = dict[int, dict[int, float]]
"""Residual capacity: node → neighbour → children that may still go."""


def measure_crowding(
    study: Study, within: Mapping[str, Within], demand: Demand, coverage: Coverage, participation: Mapping[str, float]
) -> Crowding:
    """Children of each facility, and of kinds with places those beyond its capacity, and who of them finds another.

    assigned_children counts children; crowding = assigned_children × participation ÷ capacity, and overflow_children
    what of the product is beyond the capacity. Both are NaN where the capacity is, or where more children may come
    (`Demand.certain`); crowding also of no places at all.
    """
    capacity = study.facilities.set_index("facility_id")["capacity"].astype(float)
    tables, moves = [], []
    for kind in [kind for kind in demand.children.columns if kind in within]:
        pairs, share = within[kind], participation.get(kind, 1.0)
        wanting = demand.children[kind].to_numpy()
        nearest = pairs.facility_ids.get_indexer(coverage.nearest_id[kind])
        nearest[(coverage.status[kind] != COVERED).to_numpy()] = -1
        taken = np.bincount(nearest[nearest >= 0], weights=wanting[nearest >= 0], minlength=len(pairs.facility_ids))
        places = np.full(len(taken), np.nan)
        if catalog.kinds()[kind].has_places:
            places = capacity.loc[pairs.facility_ids].where(demand.certain.loc[pairs.facility_ids]).to_numpy()
        moved = place_overflow(pairs, nearest, wanting, places)
        room = np.zeros(len(taken))
        for (source, target), children in moved.items():
            room[source] += children
            moves.append((kind, pairs.facility_ids[source], pairs.facility_ids[target], children))
        known = ~np.isnan(places)
        columns = taken / share, ratio(taken, np.nan_to_num(places)), np.maximum(0, taken - places), room
        table = pd.DataFrame(dict(zip(CROWDING_COLUMNS, columns, strict=True)), pairs.facility_ids)
        table.loc[~known, list(CROWDING_COLUMNS[1:])] = np.nan
        if set(catalog.kinds()[kind].bands) <= study.unknown_bands:
            table["assigned_children"] = np.nan
        tables.append(table)
    whole = pd.concat(tables) if tables else pd.DataFrame(columns=list(CROWDING_COLUMNS), dtype=float)
    return Crowding(whole, pd.DataFrame(moves, columns=list(OVERFLOW_COLUMNS)))


def place_overflow(
    pairs: Within, nearest: np.ndarray, children: np.ndarray, places: np.ndarray
) -> dict[tuple[int, int], float]:
    """(facility, other facility) → children beyond the places of the first who find one at the second.

    As many as can be in all (a maximum flow by shortest augmenting paths; Edmonds & Karp 1972, *J. ACM* 19(2)): a child
    may go wherever its home has the facility within the limit, and nobody who has a place gives it up. Facilities take
    their turn in order of id, and none later takes from what an earlier one found. `nearest`: facility of each origin,
    -1 none; `places`: NaN unknown, which neither overflows nor takes in.
    """
    taken = np.bincount(nearest[nearest >= 0], weights=children[nearest >= 0], minlength=len(places))
    over, spare = (np.nan_to_num(np.maximum(0, side)) for side in (taken - places, places - taken))
    residual, groups = _flow_of(pairs, nearest, children, over, spare)
    for source in sorted(groups, key=lambda facility: str(pairs.facility_ids[facility])):
        _push(residual, source, float(over[source]), spare)
    moved: dict[tuple[int, int], float] = {}
    for source, mine in groups.items():
        for group in mine:
            for target in residual[group].keys() - {source}:
                if (count := residual[target][group]) > LEAST:
                    moved[source, target] = moved.get((source, target), 0.0) + count
    return dict(sorted(moved.items()))


def _flow_of(
    pairs: Within, nearest: np.ndarray, children: np.ndarray, over: np.ndarray, spare: np.ndarray
) -> tuple[Flow, dict[int, list[int]]]:
    """Facilities beyond capacity → groups of their children (negative nodes) that reach the same facilities with spare
    places → these."""
    open_pair = (over[nearest[pairs.origin]] > LEAST) & (nearest[pairs.origin] >= 0) & (spare[pairs.facility] > LEAST)
    reach: dict[int, list[int]] = {}
    for origin, facility in zip(pairs.origin[open_pair].tolist(), pairs.facility[open_pair].tolist(), strict=True):
        reach.setdefault(origin, []).append(facility)
    members: dict[tuple[int, tuple[int, ...]], float] = {}
    for origin, targets in reach.items():
        key = int(nearest[origin]), tuple(sorted(targets))
        members[key] = members.get(key, 0.0) + float(children[origin])
    residual: Flow = {}
    groups: dict[int, list[int]] = {}
    for number, ((source, others), count) in enumerate(sorted(members.items()), start=1):
        groups.setdefault(source, []).append(-number)
        residual.setdefault(source, {})[-number] = count
        residual[-number] = {source: 0.0, **dict.fromkeys(others, np.inf)}
        for target in others:
            residual.setdefault(target, {})[-number] = 0.0
    return residual, groups


def _push(residual: Flow, source: int, wanted: float, spare: np.ndarray) -> None:
    """Send up to `wanted` children from `source` to spare places; uses up `residual` and `spare`."""
    while wanted > LEAST and (path := _shortest(residual, source, spare)):
        steps = list(pairwise(path))
        count = min(wanted, float(spare[path[-1]]), *(residual[node][after] for node, after in steps))
        for node, after in steps:
            residual[node][after] -= count
            residual[after][node] += count
        spare[path[-1]] -= count
        wanted -= count


def _shortest(residual: Flow, source: int, spare: np.ndarray) -> list[int]:
    """The fewest steps from `source` to a facility with spare places; [] where no way leads to one."""
    before: dict[int, int] = {source: source}
    queue = deque([source])
    while queue:
        node = queue.popleft()
        if node >= 0 and node != source and spare[node] > LEAST:
            path = [node]
            while path[-1] != source:
                path.append(before[path[-1]])
            return path[::-1]
        for after, room in residual[node].items():
            if room > LEAST and after not in before:
                before[after] = node
                queue.append(after)
    return []
