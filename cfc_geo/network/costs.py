"""Network → how far every origin walks: to the nearest facility of each kind, or to every facility within a horizon.

Walkers go from origins to facilities. There are few facilities and many origins, so the search runs the other way, from
the entrances against the walking direction, and ends at the horizon.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo.inputs.units import home_points
from cfc_geo.model import Attachment, Links, NearestCosts, Network, Snaps, Steps, TravelCosts
from cfc_geo.network.graph import links, nanometres, stable_order
from cfc_geo.network.snap import SAME_PLACE_M, snap_points

if TYPE_CHECKING:
    from cfc_geo.network import kernel

TOLERANCE_M: Final = 1e-6
"""A walk longer than its limit by no more than this is within the limit: coordinates carry no more digits."""

TOLERANCE_NM: Final = 1_000

SEARCHES_AT_ONCE: Final = 16
"""Searches a worker takes at a time when there are many; small enough to share them out evenly."""


def attach(network: Network, origins: gpd.GeoDataFrame, entrances: gpd.GeoDataFrame, *, limit_m: float) -> Attachment:
    """Tie origins (origin_id; a cell counts as its home or else its centre) and entrances (facility_id) to the streets.

    Whatever lies farther than `limit_m` (inclusive, straight line) from every walkable segment stays unattached.
    Where an added link is nearer than any other street, one may step onto either: a new street beside a home must not
    keep anybody from the way that was there.
    """
    from_origins = steps_onto(network, home_points(origins), limit_m)
    to_entrances = steps_onto(network, entrances.geometry, limit_m)
    origin, door, door_nm = _ends(network, from_origins.taken, leaving=True)
    return Attachment(
        origin_ids=pd.Index(origins["origin_id"], name="origin_id"),
        origins=from_origins.stated,
        facility_of_entrance=entrances["facility_id"].to_numpy(copy=True),
        entrance_points=np.array(entrances.geometry, dtype=object),
        entrances=to_entrances.stated,
        gates=_gates(network, to_entrances),
        doors=links(door, from_origins.point[origin], door_nm, len(network.node_id)),
        direct=_direct(network, to_entrances, from_origins),
        from_origins=from_origins,
    )


def attach_entrances(network: Network, attached: Attachment, entrances: gpd.GeoDataFrame) -> Attachment:
    """`attached` with `entrances` in the place of its own: what `attach` would give, but only entrances at new places
    are looked for on the streets."""
    points = np.array(entrances.geometry, dtype=object)
    to_entrances = _snapped(network, points, attached)
    return replace(
        attached,
        facility_of_entrance=entrances["facility_id"].to_numpy(copy=True),
        entrance_points=points,
        entrances=to_entrances.stated,
        gates=_gates(network, to_entrances),
        direct=_direct(network, to_entrances, attached.from_origins),
    )


def nearest_costs(
    network: Network, attached: Attachment, facilities: pd.DataFrame, *, kinds: Sequence[str], horizon_m: float
) -> NearestCosts:
    """The nearest facility of each kind for every origin, and how far it is, up to `horizon_m` (inclusive).

    `facilities` needs facility_id and kind; an entrance whose facility is not listed there does not count.
    """
    listed = facilities.loc[facilities["kind"].isin(kinds), ["facility_id", "kind"]]
    listed = listed.assign(kind=pd.Categorical(listed["kind"], kinds)).sort_values(["kind", "facility_id"])
    kind, ids = listed["kind"].cat.codes.to_numpy(), listed["facility_id"].to_numpy()
    first = np.searchsorted(kind, np.arange(len(kinds) + 1))
    entrance, facility = _entrances_of(network, attached, ids)
    label = facility - first[kind[facility]]  # ids of a kind in text order, so that the least wins a tie
    starts = links(kind[facility], entrance, label, len(kinds))

    metres = np.full((len(kinds), len(attached.origin_ids)), np.nan)
    nearest = np.full(metres.shape, -1, dtype=np.int32)
    limits_m = np.full(len(kinds), horizon_m)
    for number, reached in enumerate(_search(network, attached, starts, limits_m, searches_at_once=1)):
        metres[number, reached.origin] = reached.nm / 1e9
        nearest[number, reached.origin] = reached.label
    return NearestCosts(
        metres=pd.DataFrame(metres.T, attached.origin_ids, kinds, copy=False),
        facility=pd.DataFrame(nearest.T, attached.origin_ids, kinds, copy=False),
        facility_ids={name: ids[first[number] : first[number + 1]] for number, name in enumerate(kinds)},
        attached=_attached_origins(attached),
        detached=_detached(attached, ids),
        joined=pd.Series(on_main_network(network, attached.origins), attached.origin_ids, name="joined"),
        joined_entrances=on_main_network(network, attached.entrances),
        horizon_m=horizon_m,
    )


def with_site(
    nearest: NearestCosts, network: Network, attached: Attachment, facility_id: str, kind: str
) -> NearestCosts:
    """`nearest` with one facility of `kind` more: what `nearest_costs` would give, but only the new entrances search.

    `attached` holds the entrances of the facility (`attach_entrances`) beside the origins of `nearest`; of entrances of
    facilities that `nearest` does not know, these only count. Columns of other kinds are those of `nearest`, not
    copies. Raises `ValueError` for a facility that `nearest` knows.
    """
    if any(facility_id in ids for ids in nearest.facility_ids.values()):
        raise ValueError(f"{facility_id} is there already")
    entrance, _ = _entrances_of(network, attached, np.array([facility_id], dtype=object))
    starts = links(np.zeros(len(entrance), dtype=np.int64), entrance, np.zeros(len(entrance)), 1)
    (reached,) = _search(network, attached, starts, np.array([nearest.horizon_m]), searches_at_once=1)
    rank = int(np.searchsorted(nearest.facility_ids[kind], facility_id))
    metres, facility = nearest.metres[kind].to_numpy(copy=True), nearest.facility[kind].to_numpy(copy=True)
    facility += facility >= rank
    old_m, new_m = metres[reached.origin], reached.nm / 1e9
    wins = ~(old_m < new_m) & ((old_m != new_m) | (rank < facility[reached.origin]))
    metres[reached.origin[wins]], facility[reached.origin[wins]] = new_m[wins], rank
    new_ids = np.insert(nearest.facility_ids[kind], rank, facility_id)
    detached = nearest.detached if len(entrance) else tuple(sorted([*nearest.detached, facility_id]))
    return replace(
        nearest,
        metres=_with_column(nearest.metres, kind, metres),
        facility=_with_column(nearest.facility, kind, facility),
        facility_ids={**nearest.facility_ids, kind: new_ids},
        detached=detached,
        joined_entrances=on_main_network(network, attached.entrances),
    )


def travel_costs(
    network: Network, attached: Attachment, facilities: pd.DataFrame, *, horizon_m: "float | pd.Series"
) -> TravelCosts:
    """Every origin × facility pair within the horizon (inclusive): one number, or metres by facility_id.

    `facilities` needs facility_id; an entrance whose facility is not listed there does not count.
    """
    ids = pd.Index(facilities["facility_id"], name="facility_id")
    horizon = horizon_m.loc[ids] if isinstance(horizon_m, pd.Series) else pd.Series(float(horizon_m), ids)
    entrance, facility = _entrances_of(network, attached, ids.to_numpy())
    starts = links(facility, entrance, np.zeros(len(entrance)), len(ids))

    batches = list(_search(network, attached, starts, horizon.to_numpy(), SEARCHES_AT_ONCE))
    origin = _joined([batch.origin for batch in batches])
    facility = _joined([np.repeat(np.arange(len(batch.counts)), batch.counts) + batch.first for batch in batches])
    metres = _joined([batch.nm for batch in batches]) / 1e9
    order = stable_order(origin)  # facilities come in turn, so they stay in turn within each origin
    pairs = pd.DataFrame(
        {
            "origin_id": pd.Categorical.from_codes(origin[order], attached.origin_ids),
            "facility_id": pd.Categorical.from_codes(facility[order], ids),
            "metres": metres[order],
        }
    )
    return TravelCosts(pairs, _attached_origins(attached), _detached(attached, ids.to_numpy()), horizon)


def longest_nm(shortest_nm: np.ndarray, detour: float) -> np.ndarray:
    """How long a walk may be, in whole nanometres, that is no longer than `detour` times the shortest (negative: no
    walk, and stays so)."""
    most = np.floor(np.asarray(shortest_nm) * detour).astype(np.int64) + TOLERANCE_NM
    return np.where(np.asarray(shortest_nm) < 0, -1, most)


def at_nodes(network: Network, attached: Attachment) -> Attachment:
    """`attached` with every node of the network as an origin of its own, whose id is its node: with it `nearest_costs`
    says how far each node is from the facilities."""
    nodes = np.arange(len(network.node_id))
    segment = np.full(len(nodes), -1, dtype=np.int64)
    for ends in (network.segment_from, network.segment_to):
        segment[ends] = np.arange(len(ends))
    zero = np.zeros(len(nodes))
    here = Snaps(segment, zero, np.where(segment >= 0, nodes, -1), zero, limit_m=0.0)
    none = np.zeros(0, dtype=np.int64)
    return replace(
        attached,
        origin_ids=pd.Index(nodes, name="node"),
        origins=here,
        doors=links(nodes, nodes, zero, len(nodes)),
        direct=links(none, none, none, len(attached.facility_of_entrance)),
        from_origins=Steps(here, here, nodes),
    )


def walks_to_nodes(
    network: Network, attached: Attachment, nodes: np.ndarray, limits_m: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For every one of `nodes`, in turn: the origins of `attached` from which it is at most its limit (inclusive) on
    foot, their access leg included, as positions, and metres."""
    turn, none = np.arange(len(nodes)), np.zeros(0, dtype=np.int64)
    zero = np.zeros(len(nodes))
    to_nodes = replace(
        attached, gates=links(turn, np.asarray(nodes), zero, len(nodes)), direct=links(none, none, none, len(nodes))
    )
    for batch in _search(network, to_nodes, links(turn, turn, zero, len(nodes)), limits_m, SEARCHES_AT_ONCE):
        ends = np.cumsum(batch.counts)
        for first, last in zip(ends - batch.counts, ends, strict=True):
            yield batch.origin[first:last], batch.nm[first:last] / 1e9


def _search(
    network: Network, attached: Attachment, starts: Links, limits_m: np.ndarray, searches_at_once: int
) -> "Iterator[kernel.Reached]":
    from cfc_geo.network import kernel  # here, because numba takes half a second to import

    if not (np.isfinite(limits_m).all() and (limits_m >= 0).all()):
        raise ValueError(f"a horizon is a finite number of metres ≥ 0, not {limits_m}")
    walk = kernel.Walk(starts, attached.gates, network.arcs, attached.doors, attached.direct)
    access_m = attached.origins.limit_m + attached.entrances.limit_m
    return kernel.search(
        walk,
        nanometres(limits_m + TOLERANCE_M),
        origins=len(attached.origin_ids),
        longest_nm=int((network.longest_m + access_m + TOLERANCE_M) * 1e9),
        bucket_nm=int(network.mean_m * 1e9),
        searches_at_once=searches_at_once,
    )


def _entrances_of(network: Network, attached: Attachment, facility_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (entrance, facility), as positions, of the attached entrances of `facility_ids`, in order of place."""
    facility = pd.Index(facility_ids).get_indexer(attached.facility_of_entrance)
    entrance = np.flatnonzero((facility >= 0) & attached.entrances.attached)
    place = network.segment_from[attached.entrances.segment[entrance]]
    entrance = entrance[stable_order(place)]
    return entrance, facility[entrance]


def _detached(attached: Attachment, facility_ids: np.ndarray) -> tuple[str, ...]:
    entered = attached.facility_of_entrance[attached.entrances.attached]
    return tuple(sorted(set(facility_ids) - set(entered)))


def on_main_network(network: Network, snaps: Snaps) -> np.ndarray:
    """Which points are attached to the largest connected part of the streets."""
    joined = snaps.attached.copy()
    joined[joined] = network.component[network.segment_from[snaps.segment[joined]]] == 0
    return joined


def _attached_origins(attached: Attachment) -> pd.Series:
    return pd.Series(attached.origins.attached, attached.origin_ids, name="attached")


def _with_column(table: pd.DataFrame, name: str, values: np.ndarray) -> pd.DataFrame:
    """`table` with `values` in the column `name`; the others are shared, not copied."""
    columns = {column: values if column == name else table[column].to_numpy() for column in table.columns}
    return pd.DataFrame(columns, table.index, copy=False)


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)


def _snapped(network: Network, points: np.ndarray, attached: Attachment) -> Steps:
    """Entrances at `points` on the streets; one where an entrance was before is where that was."""
    if network.linked:
        return steps_onto(network, points, attached.entrances.limit_m)
    known = {place: row for row, place in enumerate(shapely.to_wkb(attached.entrance_points))}
    row = np.array([known.get(place, -1) for place in shapely.to_wkb(points)], dtype=np.int64)
    new = row < 0
    row[new] = len(attached.entrance_points) + np.arange(new.sum())
    before = attached.entrances
    fresh = snap_points(network, points[new], limit_m=before.limit_m)
    columns = {
        name: np.concatenate([getattr(before, name), getattr(fresh, name)])[row]
        for name in ("segment", "at_m", "node", "snap_m")
    }
    snaps = Snaps(**columns, limit_m=before.limit_m)
    return Steps(snaps, snaps, np.arange(len(points)))


def _gates(network: Network, to_entrances: Steps) -> Links:
    entrance, gate, gate_nm = _ends(network, to_entrances.taken, leaving=False)
    return links(to_entrances.point[entrance], gate, gate_nm, len(to_entrances.stated.segment))


def steps_onto(network: Network, points: "gpd.GeoSeries | np.ndarray", limit_m: float) -> Steps:
    """Every point's place on the nearest street within `limit_m`, and one on the nearest added link where that is
    nearer still."""
    on_streets = snap_points(network, points, limit_m=limit_m)
    every = np.arange(len(on_streets.segment))
    if not network.linked:
        return Steps(on_streets, on_streets, every)
    on_links = snap_points(network, points, limit_m=limit_m, to=network.links)
    nearer = np.flatnonzero(on_links.snap_m < np.where(on_streets.attached, on_streets.snap_m - SAME_PLACE_M, np.inf))
    only = np.zeros(len(every), dtype=bool)
    only[nearer] = ~on_streets.attached[nearer]
    pairs = {
        name: (getattr(on_streets, name), getattr(on_links, name)) for name in ("segment", "at_m", "node", "snap_m")
    }
    stated = Snaps(**{name: np.where(only, link, street) for name, (street, link) in pairs.items()}, limit_m=limit_m)
    taken = Snaps(
        **{name: np.concatenate([street, link[nearer]]) for name, (street, link) in pairs.items()}, limit_m=limit_m
    )
    return Steps(stated, taken, np.concatenate([every, nearer]))


def _ends(network: Network, snaps: Snaps, *, leaving: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The junctions through which a walker may leave (or come to) each attached point: (point, node, nm).

    A position at the end of its segment is that junction, whichever way the segment may be walked.
    """
    at_junction = np.flatnonzero(snaps.node >= 0)
    between = np.flatnonzero(snaps.attached & (snaps.node < 0))
    segment = snaps.segment[between]
    forward, backward = network.segment_forward[segment], network.segment_backward[segment]
    by_from, by_to = (backward, forward) if leaving else (forward, backward)
    access_nm, from_nm = nanometres(snaps.snap_m[between]), nanometres(snaps.at_m[between])
    to_nm = nanometres(network.segment_m[segment]) - from_nm
    return (
        np.concatenate([at_junction, between[by_from], between[by_to]]),
        np.concatenate(
            [snaps.node[at_junction], network.segment_from[segment[by_from]], network.segment_to[segment[by_to]]]
        ),
        np.concatenate(
            [nanometres(snaps.snap_m[at_junction]), (access_nm + from_nm)[by_from], (access_nm + to_nm)[by_to]]
        ),
    )


def _direct(network: Network, to_entrances: Steps, from_origins: Steps) -> Links:
    """Entrance → origins that reach it straight along the segment they share, obeying its direction."""
    entrances, origins = to_entrances.taken, from_origins.taken
    to, of = (np.where(snaps.node < 0, snaps.segment, -1) for snaps in (entrances, origins))
    entrance, origin = on_one_segment(to, of, len(network.segment_m))
    segment = entrances.segment[entrance]
    ahead_nm = nanometres(entrances.at_m[entrance]) - nanometres(origins.at_m[origin])
    access_nm = nanometres(entrances.snap_m[entrance]) + nanometres(origins.snap_m[origin])
    way = np.where(ahead_nm > 0, network.segment_forward[segment], network.segment_backward[segment])
    allowed = way | (ahead_nm == 0)
    nm = access_nm + np.abs(ahead_nm)
    entrance, origin = to_entrances.point[entrance[allowed]], from_origins.point[origin[allowed]]
    return links(entrance, origin, nm[allowed], len(to_entrances.stated.segment))


def on_one_segment(left: np.ndarray, right: np.ndarray, segments: int) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of positions in `left` and `right` (the segment of each, -1 none) that are on the same segment."""
    wanted = np.zeros(segments + 1, dtype=bool)  # the last: of those on no segment
    wanted[left] = True
    wanted[-1] = False
    near = np.flatnonzero(wanted[right])
    by_segment = near[np.argsort(right[near], kind="stable")]
    first, last = (np.searchsorted(right[by_segment], left, side) for side in ("left", "right"))
    count = np.where(left >= 0, last - first, 0)
    pair_of = np.repeat(np.arange(len(left)), count)
    turn = np.arange(len(pair_of)) - np.repeat(np.cumsum(count) - count, count)
    return pair_of, by_segment[first[pair_of] + turn]
