"""The outside judge: the town as a networkx graph in which every origin and entrance is a node of its own.

It shares no arithmetic with the engine: streets are cut where points attach, and networkx walks between them.
"""

import itertools
from collections.abc import Hashable
from typing import Any

import geopandas as gpd
import networkx as nx
import numpy as np
import shapely

from cfc_geo.model import Snaps

BY_AN_END_M = 1e-6
Pairs = dict[tuple[str, str], float]


def judged_pairs(
    streets: gpd.GeoDataFrame, origins: gpd.GeoDataFrame, entrances: gpd.GeoDataFrame, snaps: tuple[Snaps, Snaps]
) -> Pairs:
    """Metres on foot from every origin to every facility it can reach at all: (origin_id, facility_id) → metres.

    Of the engine's snaps (of origins and of entrances) only the choice among equally near segments is believed.
    """
    graph = nx.MultiDiGraph()
    shapes = streets.geometry.to_numpy()
    walkable = (streets["forward"] | streets["backward"]).to_numpy()
    closed = streets["closed"].to_numpy() if "closed" in streets else np.zeros(len(streets), dtype=bool)
    cuts: dict[int, list[tuple[float, Hashable]]] = {row: [] for row in range(len(streets))}
    for role, table, snap in (("origin", origins, snaps[0]), ("facility", entrances, snaps[1])):
        for number, (name, point) in enumerate(zip(table.iloc[:, 0], table.geometry.to_numpy(), strict=True)):
            away_m = np.where(walkable, shapely.distance(shapes, point), np.inf)
            row = int(snap.segment[number])
            assert (row >= 0) == (away_m.min() <= snap.limit_m + 1e-6), (name, away_m.min())
            if row < 0:
                continue
            assert away_m[row] <= away_m.min() + 1e-6, (name, row)
            place = _place(streets, row, point, cuts)
            if role == "facility" and closed[row] and not isinstance(place, int):
                place = ("in", place)
            ends = ((role, name), place) if role == "origin" else (place, (role, name))
            graph.add_edge(*ends, weight=away_m[row])
    for row, street in enumerate(streets.itertuples()):
        if closed[row]:
            _add_dead_ends(graph, street, cuts[row])
            continue
        stops = [(0.0, street.from_node), *sorted(cuts[row], key=lambda cut: cut[0]), (street.length_m, street.to_node)]
        for (here_m, here), (there_m, there) in itertools.pairwise(stops):
            if street.forward:
                graph.add_edge(here, there, weight=there_m - here_m)
            if street.backward:
                graph.add_edge(there, here, weight=there_m - here_m)
    backwards = graph.reverse(copy=False)
    return {
        (node[1], facility): metres
        for facility in dict.fromkeys(entrances["facility_id"])
        if ("facility", facility) in graph
        for node, metres in nx.single_source_dijkstra_path_length(backwards, ("facility", facility)).items()
        if isinstance(node, tuple) and node[0] == "origin"
    }


def _add_dead_ends(graph: nx.MultiDiGraph, street: Any, cuts: list[tuple[float, Hashable]]) -> None:
    """Of a closed street: the ways out of it, the ways into it, and those that stay on it; none leads through."""
    for here_m, here in cuts:
        if street.backward:
            graph.add_edge(here, street.from_node, weight=here_m)
            graph.add_edge(street.to_node, ("in", here), weight=street.length_m - here_m)
        if street.forward:
            graph.add_edge(here, street.to_node, weight=street.length_m - here_m)
            graph.add_edge(street.from_node, ("in", here), weight=here_m)
        for there_m, there in cuts:
            if here_m == there_m or (street.forward if there_m > here_m else street.backward):
                graph.add_edge(here, ("in", there), weight=abs(there_m - here_m))


def _place(
    streets: gpd.GeoDataFrame, row: int, point: shapely.Point, cuts: dict[int, list[tuple[float, Hashable]]]
) -> Hashable:
    """The node at which `point` joins the street: a junction, or a new cut noted in `cuts`."""
    shape = streets.geometry.iloc[row]
    along_m = shape.project(point)
    if along_m <= BY_AN_END_M:
        return int(streets["from_node"].iloc[row])
    if along_m >= shape.length - BY_AN_END_M:
        return int(streets["to_node"].iloc[row])
    at_m = along_m / shape.length * streets["length_m"].iloc[row]
    cut = ("cut", row, at_m)
    if (at_m, cut) not in cuts[row]:
        cuts[row].append((at_m, cut))
    return cut
