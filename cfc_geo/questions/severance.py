"""What rivers, railways and big roads cost children on foot, and which new links would save them most.

The detour index of children is the metres they walk to the nearest facility of a kind over the metres to the entrance
of that kind that is nearest as the crow flies. A link that joins two junctions u and v is worth, to a child who walks c
metres now, the whole of c - (walk to u + the link + walk from v to the facility), where that is more than nothing: a
shortest walk takes a new link once at most. So a link is measured by one search from its near end, and to the last
nanometre as a run of the scenario with the link would measure it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo import catalog
from cfc_geo.catalog import Norm
from cfc_geo.inputs.units import home_points
from cfc_geo.model import Attachment, NearestCosts, Network, Study
from cfc_geo.network.costs import TOLERANCE_M, at_nodes, nearest_costs, walks_to_nodes
from cfc_geo.network.sided import walls
from cfc_geo.questions.sums import UnitSums, ratio, stacked
from cfc_geo.tables import DETOUR_COLUMNS, LINK_COLUMNS, LINK_GAIN_COLUMNS, children_column

LEAST_STRAIGHT_M: Final = 50.0
"""Nearer than this as the crow flies, how far a child walks says nothing of a detour."""
NODES_AT_ONCE: Final = 5_000
APART_M: Final = 50.0
"""Of links whose middles lie nearer than this, one is looked into."""
ROAD_M: Final = 100.0
"""A link over a road is no longer: a longer one leads through the blocks beside it, and the road is not what parts."""
DOOR_M: Final = 1.0
"""A link crosses a barrier between its ends, so far from them."""
NAMED_WITHIN_M: Final = 5e-3
"""Streets so near to a place are at it: a scenario writes places, and its edit compares them, to the millimetre."""
LEAST_PART: Final = 0.05
"""Pieces of the streets that are joined to no other and hold less than this share of all are gaps in the data, as a
rule: no link to them is proposed. What is larger may be the other bank."""
LIVE_NEAR_M: Final = 500.0
"""Children who live so near a link's end are those by whom links are put in an order to be measured."""
STILL_WORTH: Final = 0.5
"""A further link must still save, beside those before it, this share of what it would save alone."""
MOST_MEASURED: Final = 120
ALIKE: Final = 0.8
"""Of links over one barrier whose middles lie within `ALIKE_M` and that save at least this share of what the best of
them does, the shortest is taken: an oblique one costs more than it brings. An assumption, both."""
ALIKE_M: Final = 150.0
BARRIERS: Final = ("water", "rail", "road")
"""Themes of the backdrop that part people; roads are also streets with two sides (`network/sided.py`)."""


# -------------------------------------------------------------------------------------------------------- detour index


class Detours(NamedTuple):
    """`cells`: origin_id × kind, the detour index, NaN where no walk or too near; `units`: `tables.DETOUR_COLUMNS`."""

    cells: pd.DataFrame
    units: pd.DataFrame


def measure_detours(nearest: NearestCosts, study: Study, norms: dict[str, Norm]) -> Detours:
    """How much farther children walk than the crow flies, to every kind of `nearest`; children are those the kind is
    for.

    By unit: detour_index is Σ children × metres walked ÷ Σ children × straight metres, and detour_child_m the
    difference of the two sums, both over children_measured: those who have a walk within the horizon, at least
    `LEAST_STRAIGHT_M` straight. children_cut_off have an entrance within the kind's limit as the crow flies, and none
    within it on foot; those whose home is attached to no street are not among them.
    """
    homes, sums = np.asarray(home_points(study.origins)), UnitSums(study.origins["unit_id"], study.units)
    labels, blocks, cells = sums.labels(), [], {}
    for kind in nearest.metres.columns:
        straight_m = _straight(homes, study, kind)
        metres, children = nearest.metres[kind].to_numpy(), children_for(kind, study)
        measured = np.isfinite(metres) & (straight_m >= LEAST_STRAIGHT_M)
        cells[kind] = np.where(measured, metres / np.maximum(straight_m, LEAST_STRAIGHT_M), np.nan)
        limit_m = norms[kind].limit_m + TOLERANCE_M
        cut_off = (straight_m <= limit_m) & ~(metres <= limit_m) & nearest.attached.to_numpy()
        walked, straight = (sums(np.where(measured, children * of, 0.0)) for of in (metres, straight_m))
        blocks.append(
            {
                **labels,
                "kind": kind,
                "children": sums(children),
                "children_measured": sums(children * measured),
                "detour_index": ratio(walked, straight),
                "detour_child_m": walked - straight,
                "children_cut_off": sums(children * cut_off),
            }
        )
    return Detours(pd.DataFrame(cells, nearest.metres.index), stacked(blocks, DETOUR_COLUMNS))


def children_for(kind: str, study: Study) -> np.ndarray:
    """Children by origin of the bands that a kind is for."""
    columns = [children_column(band) for band in catalog.kinds()[kind].bands]
    counted: np.ndarray = study.origins[columns].to_numpy(dtype=float).sum(axis=1)
    return counted


def _straight(homes: np.ndarray, study: Study, kind: str) -> np.ndarray:
    """Metres from each home to the nearest entrance of a kind; inf where there is none."""
    ids = study.facilities.loc[study.facilities["kind"] == kind, "facility_id"]
    doors = study.entrances.geometry.to_numpy()[study.entrances["facility_id"].isin(ids).to_numpy()]
    metres = np.full(len(homes), np.inf)
    if len(doors):
        (home, _), far = shapely.STRtree(doors).query_nearest(homes, all_matches=False, return_distance=True)
        metres[home] = far
    return metres


# ------------------------------------------------------------------------------------------------------------ new links


class NewLinks(NamedTuple):
    """`table`: one row a link (`tables.LINK_COLUMNS`, line), the best first. `gains`: link × kind
    (`tables.LINK_GAIN_COLUMNS`). Of one link, built alone."""

    table: gpd.GeoDataFrame
    gains: pd.DataFrame


def find_links(
    study: Study, network: Network, attached: Attachment, nearest: NearestCosts, norms: dict[str, Norm], *,
    kinds: Sequence[str], count: int = 3, longest_m: float = 300.0, least_saved_m: float = 100.0,
) -> NewLinks:  # fmt: skip
    """Up to `count` links over water, railways or big roads that save children most metres on the way to `kinds`.

    A link joins two junctions at most `longest_m` apart (inclusive) in a straight line that crosses a barrier, where
    whoever stands at one end would save at least `least_saved_m`. Walks beyond the horizon count as the horizon, so
    that what a link saves is a lower bound there; `children_newly_reached` have such a walk now. Each next link is the
    best one once those before it are there; what is told of it is what it would save alone. child_m_saved adds up all
    kinds; children_nearer and children_newly_within count a child once for each kind. Of very many possible links
    those are measured at whose end most children live who would save most (`MOST_MEASURED`).
    """
    if not kinds or not count:
        return _no_links(study)
    walks = nearest_costs(
        network, at_nodes(network, attached), study.facilities, kinds=kinds, horizon_m=nearest.horizon_m
    )
    now = _Walks(
        origins=nearest.metres[list(kinds)].fillna(nearest.horizon_m).to_numpy(),
        nodes=walks.metres.fillna(nearest.horizon_m).to_numpy(),
        children=np.stack([children_for(kind, study) for kind in kinds], axis=1),
        horizon_m=nearest.horizon_m,
    )
    ends = _apart(network, study.streets, _barriers(study), now, longest_m, least_saved_m)
    pairs = list(_parted(ends, network, study))
    pairs = _worth_measuring(pairs, network, study, now)
    chosen = list(_best(pairs, network, attached, now, count))
    unknown = nearest.metres[list(kinds)].isna().to_numpy()
    gains = [
        _gains(pair, number, network, attached, now, kinds, norms, unknown) for number, pair in enumerate(chosen, 1)
    ]
    rows = [_row(pair, gain, study, network, attached, nearest) for pair, gain in zip(chosen, gains, strict=True)]
    table = gpd.GeoDataFrame(rows, columns=[*LINK_COLUMNS, "geometry"], geometry="geometry", crs=study.crs)
    return NewLinks(table, pd.concat(gains, ignore_index=True) if gains else pd.DataFrame(columns=LINK_GAIN_COLUMNS))


def _no_links(study: Study) -> NewLinks:
    table = gpd.GeoDataFrame(columns=[*LINK_COLUMNS, "geometry"], geometry="geometry", crs=study.crs)
    return NewLinks(table, pd.DataFrame(columns=list(LINK_GAIN_COLUMNS)))


@dataclass(frozen=True, eq=False)
class _Walks:
    """Metres to the nearest of each kind, origins × kinds and nodes × kinds, at most the horizon; children who go."""

    origins: np.ndarray
    nodes: np.ndarray
    children: np.ndarray
    horizon_m: float


class _Pair(NamedTuple):
    """Two nodes on both sides of a barrier, and how long a straight link between them is."""

    one: int
    other: int
    metres: float
    theme: str
    name: str


def _barriers(study: Study) -> gpd.GeoDataFrame:
    """theme, name, shape of what parts people: of the backdrop, and streets that are hard to cross."""
    ground = study.backdrop[study.backdrop["theme"].isin(BARRIERS)][["theme", "name", "geometry"]]
    big = study.streets[walls(study.streets)]
    roads = gpd.GeoDataFrame({"theme": "road", "name": big["name"]}, geometry=big.geometry, crs=study.crs)
    return gpd.GeoDataFrame(pd.concat([part for part in (ground, roads) if len(part)] or [roads], ignore_index=True))


def _apart(
    network: Network, streets: gpd.GeoDataFrame, barriers: gpd.GeoDataFrame, now: _Walks, longest_m: float,
    least_saved_m: float,
) -> np.ndarray:  # fmt: skip
    """Pairs of nodes near barriers and near one another, at one of which somebody would save enough."""
    points = shapely.points(network.node_xy)
    tree = shapely.STRtree(points)
    near = np.unique(shapely.STRtree(barriers.geometry.to_numpy()).query(points, "dwithin", distance=longest_m)[0])
    large = network.component_m >= LEAST_PART * network.component_m.sum()
    joined = large[network.component] & (network.component >= 0) & _can_be_named(network, streets)
    near = near[joined[near]]
    found = [np.zeros((0, 2), dtype=np.int64)]
    for start in range(0, len(near), NODES_AT_ONCE):
        here, there = tree.query(points[near[start : start + NODES_AT_ONCE]], "dwithin", distance=longest_m)
        here = near[start + here]
        once = (here < there) & joined[there]
        here, there = here[once], there[once]
        metres = shapely.distance(points[here], points[there])
        saved = (np.abs(now.nodes[here] - now.nodes[there]) - metres[:, None]).max(axis=1)
        kept = (saved >= least_saved_m) & (metres > 2 * DOOR_M)
        found.append(np.column_stack((here[kept], there[kept])))
    return np.concatenate(found)


def _can_be_named(network: Network, streets: gpd.GeoDataFrame) -> np.ndarray:
    """Nodes that a place says: all open streets there end at the node. Elsewhere, as at a closed gate or where a street
    runs below, the edit that draws a link would not know which is meant, and refuses."""
    open_ = network.segment_forward | network.segment_backward
    for mark in ("closed", "added"):  # an edit joins no street of these
        open_ &= ~streets[mark].eq(True).to_numpy() if mark in streets else True
    rows = np.flatnonzero(open_)
    tree = shapely.STRtree(streets.geometry.to_numpy()[rows])
    node, street = tree.query(shapely.points(network.node_xy), "dwithin", distance=NAMED_WITHIN_M)
    ends_here = (network.segment_from[rows[street]] == node) | (network.segment_to[rows[street]] == node)
    found = np.bincount(node[ends_here], minlength=len(network.node_id)) > 0
    found[node[~ends_here]] = False
    return found


def _parted(ends: np.ndarray, network: Network, study: Study) -> Iterator[_Pair]:
    """Pairs whose straight line crosses a barrier between its ends (of several, water before railways before roads) and
    no building."""
    barriers = _barriers(study)
    lines = shapely.linestrings(network.node_xy[ends])
    metres = shapely.length(lines)
    inner = _between(lines, DOOR_M)
    pair, barrier = shapely.STRtree(barriers.geometry.to_numpy()).query(inner, predicate="intersects")
    rank = np.array([BARRIERS.index(theme) for theme in barriers["theme"]], dtype=int)[barrier]
    free = np.ones(len(lines), dtype=bool)
    buildings = study.backdrop.geometry[study.backdrop["theme"] == "building"].to_numpy()
    free[shapely.STRtree(buildings).query(inner, predicate="intersects")[0]] = False
    kept = free[pair] & ((rank < BARRIERS.index("road")) | (metres[pair] <= ROAD_M))
    pair, barrier, rank = pair[kept], barrier[kept], rank[kept]
    name = barriers["name"].fillna("").to_numpy(dtype=object)[barrier]
    order = np.lexsort((barrier, name == "", rank, pair))
    for at in order[np.flatnonzero(np.diff(pair[order], prepend=-1))].tolist():
        one, other = ends[pair[at]].tolist()
        yield _Pair(one, other, float(metres[pair[at]]), BARRIERS[rank[at]], str(name[at]))


def _between(lines: np.ndarray, door_m: float) -> np.ndarray:
    """Straight lines without so much at both ends."""
    stops = (np.full(len(lines), door_m), shapely.length(lines) - door_m)
    places = [shapely.get_coordinates(shapely.line_interpolate_point(lines, stop)) for stop in stops]
    return np.asarray(shapely.linestrings(np.stack(places, axis=1)))


def _worth_measuring(pairs: list[_Pair], network: Network, study: Study, now: _Walks) -> list[_Pair]:
    """At most `MOST_MEASURED`, apart from one another: first those at whose far end most children would save most."""
    if not pairs:
        return []
    one, other = (np.array([getattr(pair, end) for pair in pairs]) for end in ("one", "other"))
    metres = np.array([pair.metres for pair in pairs])[:, None]
    differ = now.nodes[one] - now.nodes[other]
    promise = (np.maximum(differ - metres, 0) * _living_near(one, network, study, now)).sum(axis=1)
    promise += (np.maximum(-differ - metres, 0) * _living_near(other, network, study, now)).sum(axis=1)
    middle = (network.node_xy[one] + network.node_xy[other]) / 2
    kept = list[int]()
    for at in np.lexsort((other, one, -promise)).tolist():
        if promise[at] <= 0 or len(kept) == MOST_MEASURED:
            break
        if not kept or np.hypot(*(middle[kept] - middle[at]).T).min() >= APART_M:
            near = np.flatnonzero(np.hypot(*(middle - middle[at]).T) < APART_M)
            alike = near[promise[near] >= ALIKE * promise[at]]
            kept.append(int(alike[np.argmin(metres[alike, 0])]))
    return [pairs[at] for at in kept]


def _living_near(nodes: np.ndarray, network: Network, study: Study, now: _Walks) -> np.ndarray:
    """nodes × kinds: children who live near."""
    each, position = np.unique(nodes, return_inverse=True)
    tree = shapely.STRtree(np.asarray(home_points(study.origins)))
    node, home = tree.query(shapely.points(network.node_xy[each]), "dwithin", distance=LIVE_NEAR_M)
    near = np.zeros((len(each), now.children.shape[1]))
    np.add.at(near, node, now.children[home])
    return near[position]


def _best(pairs: list[_Pair], network: Network, attached: Attachment, now: _Walks, count: int) -> Iterator[_Pair]:
    """The pair that saves most, then the one that saves most once it is there, and so on; but none that those before
    it leave less than `STILL_WORTH` of what it would save alone."""
    alone = [_saved(pair, network, attached, now) for pair in pairs]
    chosen = list[_Pair]()
    with_links = now
    while len(chosen) < count:
        saved = [_saved(pair, network, attached, with_links) for pair in pairs] if chosen else alone
        worth = [
            new if new >= max(STILL_WORTH * of_its_own, 1.0) else 0.0
            for new, of_its_own in zip(saved, alone, strict=True)
        ]
        if not any(worth):
            return
        best = _shortest_like(int(np.argmax(worth)), pairs, worth, network)
        yield best
        chosen.append(best)
        with_links = _Walks(
            _with_link(best, network, attached, with_links),
            _with_link(best, network, at_nodes(network, attached), with_links, of_nodes=True),
            now.children,
            now.horizon_m,
        )


def _shortest_like(best: int, pairs: list[_Pair], worth: list[float], network: Network) -> _Pair:
    """Of the links that cross the same barrier near the best one and save about as much, the shortest."""
    middle = np.array([network.node_xy[[pair.one, pair.other]].mean(axis=0) for pair in pairs])
    apart_m = np.hypot(*(middle - middle[best]).T)
    alike = [
        row
        for row, pair in enumerate(pairs)
        if worth[row] >= ALIKE * worth[best] and apart_m[row] <= ALIKE_M and pair[3:] == pairs[best][3:]
    ]
    return pairs[min(alike, key=lambda row: (pairs[row].metres, -worth[row]))]


def _saved(pair: _Pair, network: Network, attached: Attachment, now: _Walks) -> float:
    """Child-metres to all kinds."""
    return float(((now.origins - _with_link(pair, network, attached, now)) * now.children).sum())


def _with_link(
    pair: _Pair, network: Network, attached: Attachment, now: _Walks, *, of_nodes: bool = False
) -> np.ndarray:
    """Metres of every origin (or node) to every kind with a link more."""
    before = now.nodes if of_nodes else now.origins
    after = before.copy()
    for near, far in ((pair.one, pair.other), (pair.other, pair.one)):
        beyond = pair.metres + now.nodes[far]
        useful = np.flatnonzero((beyond < now.nodes[near]) & (beyond <= now.horizon_m))
        if not len(useful):
            continue
        limit = now.horizon_m - beyond[useful].min()
        ((origin, metres),) = walks_to_nodes(network, attached, np.array([near]), np.array([limit]))
        for kind in useful.tolist():
            after[origin, kind] = np.minimum(after[origin, kind], metres + beyond[kind])
    return after


def _gains(
    pair: _Pair, number: int, network: Network, attached: Attachment, now: _Walks, kinds: Sequence[str],
    norms: dict[str, Norm], unknown: np.ndarray,
) -> pd.DataFrame:  # fmt: skip
    """What a link would save alone, by kind."""
    after = _with_link(pair, network, attached, now)
    saved = now.origins - after
    limits = np.array([norms[kind].limit_m for kind in kinds]) + TOLERANCE_M
    masks = {
        "children_nearer": saved > TOLERANCE_M,
        "children_newly_within": (after <= limits) & ~(now.origins <= limits),
        "children_newly_reached": unknown & (saved > TOLERANCE_M),
    }
    columns = {name: (now.children * mask).sum(axis=0) for name, mask in masks.items()}
    table = {"link_id": f"L{number}", "kind": list(kinds), "limit_m": [float(norms[kind].limit_m) for kind in kinds]}
    return pd.DataFrame({**table, "child_m_saved": (now.children * saved).sum(axis=0), **columns})[
        list(LINK_GAIN_COLUMNS)
    ]


def _row(
    pair: _Pair, gains: pd.DataFrame, study: Study, network: Network, attached: Attachment, nearest: NearestCosts
) -> dict[str, object]:
    ((reached, metres),) = walks_to_nodes(
        network, at_nodes(network, attached), np.array([pair.other]), np.array([nearest.horizon_m])
    )
    walk_m = metres[reached == pair.one]
    summed = gains[["child_m_saved", "children_nearer", "children_newly_within"]].sum()
    return {
        "link_id": gains["link_id"].iloc[0],
        "barrier": pair.theme,
        "barrier_name": pair.name,
        "length_m": pair.metres,
        "walk_now_m": float(walk_m[0]) if len(walk_m) else np.nan,
        "from_street": _street_at(pair.one, study, network),
        "to_street": _street_at(pair.other, study, network),
        **summed.to_dict(),
        "geometry": shapely.LineString(network.node_xy[[pair.one, pair.other]]),
    }


def _street_at(node: int, study: Study, network: Network) -> str:
    """The name of a street that ends at a node, the first in text order; "" where none has a name."""
    rows = np.flatnonzero((network.segment_from == node) | (network.segment_to == node))
    here = study.streets.iloc[rows]
    return min(set(here["name"].fillna("")) - {""}, default="")
