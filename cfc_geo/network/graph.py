"""Streets → Network: a directed graph in whole nanometres, numbered so that neighbours lie close in memory."""

from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo.errors import Findings, NetworkError
from cfc_geo.model import Links, Network

MAX_SEGMENT_M: Final = 100_000.0
"""A longer street between two junctions is a fault of units or of data."""

SHOWN_IDS: Final = 8
"""How many ids a message lists."""


def build_network(streets: gpd.GeoDataFrame, nodes: pd.DataFrame) -> Network:
    """The walkable graph of `streets`, segments between the junctions `nodes`.

    `streets` needs street_id, from_node, to_node, length_m, forward, backward (may a walker go that way) and geometry
    from from_node to to_node in metres; `nodes` needs node_id, x, y. Neither is changed. Raises `NetworkError` with
    every fault: no walkable segment, a length outside 0 … `MAX_SEGMENT_M` or not a number, nodes unknown or repeated.
    """
    _check(streets, nodes)
    nodes = _in_hilbert_order(nodes)
    number = pd.Index(nodes["node_id"])
    tail, head = (number.get_indexer(streets[end]).astype(np.int32) for end in ("from_node", "to_node"))
    length_m = streets["length_m"].to_numpy(dtype=float, copy=True)
    forward, backward = (streets[way].to_numpy(dtype=bool, copy=True) for way in ("forward", "backward"))
    walkable = forward | backward
    added, closed = _marks(streets, "added"), _marks(streets, "closed")
    beside = added & ~_marks(streets, "bridge") & ~_marks(streets, "tunnel")
    arcs, arc_segment = _reverse_arcs(tail, head, length_m, (forward & ~closed, backward & ~closed), len(nodes))
    component, component_m = _components(tail[walkable], head[walkable], length_m[walkable], len(nodes))
    return Network(
        node_id=nodes["node_id"].to_numpy(copy=True),
        node_xy=nodes[["x", "y"]].to_numpy(dtype=float, copy=True),
        arcs=arcs,
        arc_segment=arc_segment,
        segment_from=tail,
        segment_to=head,
        segment_m=length_m,
        mean_m=float(length_m.mean()),
        longest_m=float(length_m.max()),
        segment_forward=forward,
        segment_backward=backward,
        segments=streets.geometry.where(walkable & ~added).reset_index(drop=True),
        links=streets.geometry.where(walkable & beside).reset_index(drop=True),
        linked=bool((walkable & beside).any()),
        whole=_wholes(streets),
        whole_m=length_m if "whole_m" not in streets else streets["whole_m"].fillna(streets["length_m"]).to_numpy(),
        component=component,
        component_m=component_m,
    )


def nanometres(metres: np.ndarray) -> np.ndarray:
    """Metres (finite) as whole nanometres; every decimal length below `MAX_SEGMENT_M` comes out exact."""
    return np.rint(np.asarray(metres, dtype=float) * 1e9).astype(np.int64)


def stable_order(values: np.ndarray) -> np.ndarray:
    """What sorts `values` (integers from 0 to 2³² - 1) and keeps the order of equals.

    By halves, because numpy sorts integers of 16 bits by counting them: three times as fast as sorting them whole.
    """
    values = values.astype(np.uint32)
    by_low_half = np.argsort(values.astype(np.uint16), kind="stable")
    return by_low_half[np.argsort((values[by_low_half] >> 16).astype(np.uint16), kind="stable")]


def links(row: np.ndarray, to: np.ndarray, nm: np.ndarray, rows: int) -> Links:
    """Group links by `row` (0 ≤ row < rows), in the order given within each."""
    order = stable_order(row)
    start = np.zeros(rows + 1, dtype=np.int64)
    np.cumsum(np.bincount(row, minlength=rows), out=start[1:])
    return Links(start, to[order].astype(np.int32), nm[order].astype(np.int64))


def _marks(streets: gpd.GeoDataFrame, column: str) -> np.ndarray:
    """A column of yes and no; no throughout where it is not there."""
    marks = streets[column] if column in streets else pd.Series(False, streets.index)
    return np.asarray(marks.eq(True))


def _wholes(streets: gpd.GeoDataFrame) -> np.ndarray:
    """Every segment's shape, of a piece that of the whole."""
    shapes = streets.geometry.to_numpy()
    if "whole" not in streets:
        return np.asarray(shapes)
    wholes = streets["whole"].to_numpy(dtype=object)
    return np.asarray(np.where(pd.isna(wholes), shapes, wholes))


def _check(streets: gpd.GeoDataFrame, nodes: pd.DataFrame) -> None:
    findings = Findings()
    length_m = streets["length_m"].to_numpy(dtype=float)
    repeated = nodes["node_id"].duplicated()
    faults = {
        "network.length": ~((length_m >= 0) & (length_m <= MAX_SEGMENT_M)),
        "network.unknown_node": ~streets[["from_node", "to_node"]].isin(set(nodes["node_id"])).all(axis=1),
    }
    if not (streets["forward"] | streets["backward"]).any():
        findings.error("network.empty")
    for code, wrong in faults.items():
        if wrong.any():
            ids = streets.loc[np.asarray(wrong), "street_id"]
            findings.error(code, count=len(ids), ids=list(ids[:SHOWN_IDS]), limit_m=MAX_SEGMENT_M)
    if repeated.any():
        findings.error("network.node_repeated", ids=list(nodes.loc[repeated, "node_id"].unique()[:SHOWN_IDS]))
    findings.raise_errors(NetworkError)


def _in_hilbert_order(nodes: pd.DataFrame) -> pd.DataFrame:
    """Nodes along a Hilbert curve, so that a search, which spreads through a neighbourhood, stays in the cache."""
    places = gpd.GeoSeries(shapely.points(nodes["x"], nodes["y"]))
    return nodes.iloc[np.argsort(places.hilbert_distance(), kind="stable")]


def _reverse_arcs(
    tail: np.ndarray, head: np.ndarray, length_m: np.ndarray, ways: tuple[np.ndarray, np.ndarray], nodes: int
) -> tuple[Links, np.ndarray]:
    """Arcs by the node they lead to, and the segment of each. `ways` are the masks forward and backward."""
    segment = np.concatenate([np.flatnonzero(way) for way in ways])
    along = np.arange(len(segment)) < np.count_nonzero(ways[0])
    leads_to = np.where(along, head[segment], tail[segment])
    comes_from = np.where(along, tail[segment], head[segment])
    arcs = links(leads_to, comes_from, nanometres(length_m)[segment], nodes)
    return arcs, links(leads_to, segment, segment, nodes).to


def _components(tail: np.ndarray, head: np.ndarray, length_m: np.ndarray, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Weakly connected component of each node (-1 where no segment ends), and metres of each, the longest first."""
    root = _roots(tail, head, nodes)
    used, position = np.unique(root[tail], return_inverse=True)
    total_m = np.bincount(position, weights=length_m)
    longest_first = np.argsort(-total_m, kind="stable")
    number = np.full(nodes, -1, dtype=np.int32)
    number[used[longest_first]] = np.arange(len(used))
    return number[root], total_m[longest_first]


def _roots(tail: np.ndarray, head: np.ndarray, nodes: int) -> np.ndarray:
    """The least node of each node's component: hook roots onto lesser neighbours, then shorten the paths to them
    (Shiloach & Vishkin 1982)."""
    root = np.arange(nodes)
    while True:
        low, high = np.minimum(root[tail], root[head]), np.maximum(root[tail], root[head])
        apart = low < high
        if not apart.any():
            return root
        np.minimum.at(root, high[apart], low[apart])
        while (root[root] != root).any():
            root = root[root]
        tail, head = tail[apart], head[apart]
