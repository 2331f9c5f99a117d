"""Flows of children to schools side by side with networkx, on the size that it can manage.

    python benchmarks/flows.py                # 2,500 and 100,000 junctions: about two minutes
    python benchmarks/flows.py --smallest     # the small town alone, for CI

The town is that of `engine.py`: a grid of 50 m with jittered junctions and a home beside each, one child in it, one
school per 1,000 junctions; every eighth street is an arterial road of four lanes, half of the others have a footway.
Timed are what any answer needs (the graph of two sides, homes and gates on it), and the flows of one profile: trips to
the nearest school, shortest and easiest walks, ties shared. networkx walks the spine's graph, shortest walks alone:
`edge_betweenness_centrality_subset` a school with its homes as sources, and one tree a school from the school's side
(`dijkstra_predecessor_and_distance`), its children gathered in Python. Both must agree with ours on every street.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import networkx as nx
import numpy as np
import pandas as pd
import shapely

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.engine import Town, make_town
from cfc_geo import catalog
from cfc_geo.model import Study
from cfc_geo.network.costs import attach, nearest_costs
from cfc_geo.network.flows import Trips, Ways, excess_of, walk_flows, ways_of
from cfc_geo.network.graph import build_network
from cfc_geo.network.sided import sided_graph
from cfc_geo.network.stress import segment_stress
from cfc_geo.tables import STREET_COLUMNS

HORIZON_M = 5_000.0
JUNCTIONS_PER_SCHOOL = 1_000
REPEATS = 3
CRS = "EPSG:4547"


def study_of(town: Town) -> Study:
    """The town as a study, with tags; homes stand at the junctions, so that networkx has the same walks."""
    rng = np.random.default_rng(7)
    line = np.rint(town.xy[town.tail] / 50.0).astype(int)
    along = np.abs(town.xy[town.head] - town.xy[town.tail]).argmax(axis=1)
    big = line[np.arange(len(line)), 1 - along] % 8 == 0
    streets = gpd.GeoDataFrame(
        dict.fromkeys(STREET_COLUMNS, ""), index=range(len(town.tail)),
        geometry=shapely.linestrings(town.xy[np.stack([town.tail, town.head], axis=1)]), crs=CRS,
    )  # fmt: skip
    streets = streets.assign(
        street_id=np.arange(len(town.tail)).astype(str), from_node=town.tail, to_node=town.head,
        length_m=town.length_m, forward=True, backward=True, tunnel=False, bridge=False, steps=False,
        highway=np.where(big, "primary", "residential"), lanes=np.where(big, "4", "2"),
        maxspeed=np.where(big, "50", "30"), sidewalk=np.where(big | (rng.random(len(big)) < 0.5), "both", "no"),
    )  # fmt: skip
    nodes = pd.DataFrame({"node_id": np.arange(len(town.xy)), "x": town.xy[:, 0], "y": town.xy[:, 1], "crossing": ""})
    origins = gpd.GeoDataFrame(
        {"origin_id": [f"{row:07d}" for row in range(len(town.xy))]}, geometry=shapely.points(town.xy), crs=CRS
    )
    ids = [f"{row:05d}" for row in range(len(town.site))]
    points = shapely.points(town.xy[town.site])
    facilities = gpd.GeoDataFrame({"facility_id": ids, "kind": "primary_school"}, geometry=points, crs=CRS)
    none = pd.DataFrame()
    entrances = facilities[["facility_id", "geometry"]]
    return Study("", CRS, none, origins, facilities, entrances, streets, nodes, none, frozenset())


def ready(study: Study) -> tuple[Ways, Trips]:
    """Homes and gates on the sided graph, and one child a home to the nearest school."""
    network = build_network(study.streets, study.nodes)
    attachment = attach(network, study.origins, study.entrances, limit_m=100)
    costs = nearest_costs(network, attachment, study.facilities, kinds=["primary_school"], horizon_m=HORIZON_M)
    stress = segment_stress(study.streets)
    graph = sided_graph(network, study.streets, study.nodes, stress)
    ways = ways_of(study, network, graph, stress, snap_limit_m=100)
    facility = costs.facility["primary_school"].to_numpy(dtype=np.int64)
    reached = np.flatnonzero(facility >= 0)
    order = reached[np.argsort(facility[reached], kind="stable")]
    metres = costs.metres["primary_school"].to_numpy()
    return ways, Trips(order, facility[order], np.ones(len(order)), metres[order])


def betweenness(town: Town, graph: nx.Graph, trips: Trips) -> dict[tuple[int, int], float]:
    """`edge_betweenness_centrality_subset`, school by school."""
    found: dict[tuple[int, int], float] = {}
    for school in np.unique(trips.facility):
        homes, goal = set(trips.origin[trips.facility == school].tolist()), int(town.site[school])
        part = nx.edge_betweenness_centrality_subset(graph, homes - {goal}, [goal], weight="weight")
        for edge, children in part.items():
            found[edge] = found.get(edge, 0.0) + 2 * children  # undirected: networkx halves
    return found


def trees(town: Town, graph: nx.Graph, trips: Trips) -> dict[tuple[int, int], float]:
    """One tree a school, children gathered from far to near (Brandes), in Python."""
    found: dict[tuple[int, int], float] = {}
    for school in np.unique(trips.facility):
        goal = int(town.site[school])
        before, far = nx.dijkstra_predecessor_and_distance(graph, goal, weight="weight")
        ways = {goal: 1.0}
        order = sorted(far, key=far.__getitem__)
        for node in order[1:]:
            ways[node] = sum(ways[other] for other in before[node])
        children = dict.fromkeys(trips.origin[trips.facility == school].tolist(), 1.0)
        for node in reversed(order[1:]):
            for other in before[node]:
                part = children.get(node, 0.0) * ways[other] / ways[node]
                children[other] = children.get(other, 0.0) + part
                edge = (node, other)
                found[edge] = found.get(edge, 0.0) + part
    return found


def on_streets(town: Town, found: dict[tuple[int, int], float]) -> np.ndarray:
    row = {
        frozenset(pair): number for number, pair in enumerate(zip(town.tail.tolist(), town.head.tolist(), strict=True))
    }
    total = np.zeros(len(town.tail))
    for edge, children in found.items():
        total[row[frozenset(edge)]] += children
    return total


def best(run: Callable[[], Any], repeats: int = REPEATS) -> tuple[float, Any]:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        made = run()
        times.append(time.perf_counter() - start)
    return min(times), made


def report(nodes: int, *, with_networkx: bool) -> None:
    town = make_town(nodes, max(nodes // JUNCTIONS_PER_SCHOOL, 2))
    study = study_of(town)
    ready_s, (ways, trips) = best(lambda: ready(study), 1)
    size = f"{len(town.xy):,} junctions, {len(town.tail):,} streets, {len(town.site)} schools"
    sided = f"{len(ways.graph.junction):,} nodes, {len(ways.graph.tail):,} arcs"
    print(f"{size}; {len(trips.origin):,} children")
    print(f"  sided graph: {sided}; made ready in {ready_s:.2f} s")
    for name in ("alone_6_8", "alone_9_11", "child_with_adult"):
        excess = excess_of(ways, catalog.profiles()[name])
        seconds, flows = best(lambda excess=excess: walk_flows(ways, excess, trips, detour=1.25))
        print(f"  cfc_geo, {name}: {seconds:.2f} s (shortest and easiest), {np.mean(flows.borne == 0):.0%} low-stress")
    if not with_networkx:
        return
    graph = nx.Graph()
    graph.add_weighted_edges_from(zip(town.tail.tolist(), town.head.tolist(), town.length_m.tolist(), strict=True))
    for name, engine in (("edge_betweenness_centrality_subset", betweenness), ("one tree a school", trees)):
        seconds, found = best(lambda engine=engine: engine(town, graph, trips), 1)
        apart = np.abs(on_streets(town, found) - flows.street_shortest.sum(axis=1)).max()
        assert apart < 1e-6, f"networkx finds other flows, by {apart}"
        print(f"  networkx, {name}: {seconds:.2f} s (shortest alone); the same on every street")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smallest", action="store_true", help="the small town alone")
    options = parser.parse_args()
    report(2_500, with_networkx=True)
    if not options.smallest:
        report(100_000, with_networkx=False)
