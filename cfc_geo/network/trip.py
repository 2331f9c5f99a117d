"""A sided graph → the same with a few places on it, so that one may walk from some of them to others.

Places get onto the graph as those of flows do (`doorsteps`). On closed streets one may set out and arrive.
"""

from dataclasses import dataclass, replace

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo.model import Network, Steps
from cfc_geo.network.doorsteps import Doorsteps, Entries, doorsteps, entries, straight_walks
from cfc_geo.network.graph import nanometres
from cfc_geo.network.sided import NO_SIDE, SidedGraph, crossing_table
from cfc_geo.network.stress import crossing_kind


@dataclass(frozen=True, eq=False)
class Trip:
    """`graph` is the sided graph with positions as further nodes (junction -1) and crossings in mid-block as further
    rows of its crossings (node_id -1). By arc: `nm`, its length in whole nanometres, and the metres `from_m` → `to_m`
    along its street, as drawn, that are walked (NaN of crossings).

    One sets out from the nodes `starts` after `start_nm` of access, and is there at `goals` after `goal_nm` more;
    `start_of` and `goal_of` are the points they belong to, `start_at` and `goal_at` the places on the streets.
    """

    graph: SidedGraph
    nm: np.ndarray
    from_m: np.ndarray
    to_m: np.ndarray
    starts: np.ndarray
    start_nm: np.ndarray
    start_of: np.ndarray
    start_at: np.ndarray
    goals: np.ndarray
    goal_nm: np.ndarray
    goal_of: np.ndarray
    goal_at: np.ndarray


def plan_trip(
    graph: SidedGraph, network: Network, streets: gpd.GeoDataFrame, stress: pd.DataFrame, *,
    starts: tuple[np.ndarray, Steps], goals: tuple[np.ndarray, Steps],
) -> Trip:  # fmt: skip
    """`graph` (of `network`, `streets` and their `segment_stress`) with the ways from points to points, each given with
    its steps onto the streets (`costs.steps_onto`)."""
    first, last = (entries(graph, network, streets, steps, points) for points, steps in (starts, goals))
    start_node, nodes = _nodes(first, len(graph.junction))
    goal_node, nodes = _nodes(last, nodes)
    start_at, goal_at = (_places(one, graph, network, streets) for one in (first, last))
    out, back = np.flatnonzero(first.across_from >= 0), np.flatnonzero(last.across_from >= 0)
    crossed = np.concatenate((first.street[out], last.street[back]))
    unmarked = crossing_table(
        streets, crossed, np.full(len(crossed), -1), crossing_kind(np.full(len(crossed), "", dtype=object)),
        np.concatenate((start_at[out], goal_at[back])),
    )  # fmt: skip
    over = _arcs(
        np.concatenate((start_node[first.across_from[out]], goal_node[back])),
        np.concatenate((start_node[out], goal_node[last.across_from[back]])),
        crossing=len(graph.crossings) + np.arange(len(crossed)),
    )
    doors, gates = doorsteps(graph, network, first, leaving=True), doorsteps(graph, network, last, leaving=False)
    door_m, gate_m = _ends_m(doors, network), _ends_m(gates, network)
    straight = straight_walks(network, first, last)
    walked = [
        _arcs(start_node[doors.entry], doors.node, doors.street, doors.side, first.at_m[doors.entry], door_m),
        _arcs(gates.node, goal_node[gates.entry], gates.street, gates.side, gate_m, last.at_m[gates.entry]),
        _arcs(
            start_node[straight.from_entry], goal_node[straight.to_entry], straight.street, straight.side,
            first.at_m[straight.from_entry], last.at_m[straight.to_entry],
        ),
    ]  # fmt: skip
    added = pd.concat([over, *(arcs[arcs["street"] >= 0] for arcs in walked)], ignore_index=True)
    set_out, arrive = first.across_from < 0, last.across_from < 0
    return Trip(
        *_extended(graph, network, streets, stress, added, unmarked, nodes),
        start_node[set_out], first.access_nm[set_out], first.point[set_out], start_at[set_out],
        goal_node[arrive], last.access_nm[arrive], last.point[arrive], goal_at[arrive],
    )  # fmt: skip


def _nodes(entered: Entries, before: int) -> tuple[np.ndarray, int]:
    """The node of every entry, those between junctions new ones after the nodes `before`; how many there are then."""
    between = entered.node < 0
    return np.where(between, before - 1 + np.cumsum(between), entered.node), before + int(between.sum())


def _places(entered: Entries, graph: SidedGraph, network: Network, streets: gpd.GeoDataFrame) -> np.ndarray:
    """Where on the streets every entry is, as points."""
    full = network.segment_m[entered.street]
    share = np.nan_to_num(entered.at_m / np.where(full > 0, full, 1.0))
    along = shapely.line_interpolate_point(streets.geometry.to_numpy()[entered.street], share, normalized=True)
    junctions = shapely.points(network.node_xy[graph.junction[entered.node]])
    return np.asarray(np.where(entered.node < 0, along, junctions))


def _ends_m(steps: Doorsteps, network: Network) -> np.ndarray:
    return np.where(steps.end == 1, network.segment_m[steps.street], 0.0)


def _arcs(
    tail: np.ndarray, head: np.ndarray, street: np.ndarray | int = -1, side: np.ndarray | int = NO_SIDE,
    from_m: np.ndarray | float = np.nan, to_m: np.ndarray | float = np.nan, crossing: np.ndarray | int = -1,
) -> pd.DataFrame:  # fmt: skip
    columns = {"tail": tail, "head": head, "street": street, "side": side, "crossing": crossing}
    return pd.DataFrame({**columns, "from_m": from_m, "to_m": to_m})


def _extended(
    graph: SidedGraph, network: Network, streets: gpd.GeoDataFrame, stress: pd.DataFrame, added: pd.DataFrame,
    unmarked: gpd.GeoDataFrame, nodes: int,
) -> tuple[SidedGraph, np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """The graph with the arcs `added` and the crossings `unmarked`; nanometres, from_m and to_m of its arcs."""
    tables = [table for table in (graph.crossings, unmarked) if len(table)] or [unmarked]
    crossings = gpd.GeoDataFrame(pd.concat(tables, ignore_index=True), crs=streets.crs)
    new = {name: values.to_numpy() for name, values in added.items()}
    walked, full = graph.street >= 0, network.segment_m[graph.street]
    base_from = np.where(walked, np.where(graph.along, 0.0, full), np.nan)
    base_to = np.where(walked, np.where(graph.along, full, 0.0), np.nan)
    from_m, to_m = np.concatenate((base_from, new.pop("from_m"))), np.concatenate((base_to, new.pop("to_m")))
    on, steps = new["street"] >= 0, streets["steps"].eq(True).to_numpy()
    level = np.zeros(len(on), dtype=np.int64)
    levels = stress[["stress", "stress_left", "stress_right"]].to_numpy()
    level[on] = levels[new["street"][on], new["side"][on]]
    level[~on] = crossings["stress"].to_numpy()[new["crossing"][~on]]
    metres = np.nan_to_num(np.abs(to_m - from_m))
    new |= {
        "length_m": metres[len(walked) :], "along": ~(to_m < from_m)[len(walked) :], "stress": level,
        "steps": steps[new["street"]] & on,
    }  # fmt: skip
    every = {name: np.concatenate((getattr(graph, name), values)) for name, values in new.items()}
    every = {name: values.astype(getattr(graph, name).dtype) for name, values in every.items()}
    order = np.argsort(every["head"], kind="stable")
    beyond = np.full(nodes - len(graph.junction), -1)
    extended = replace(
        graph,
        junction=np.concatenate((graph.junction, beyond)),
        begins=np.concatenate((graph.begins, np.zeros(len(beyond)))),
        start=np.concatenate(([0], np.cumsum(np.bincount(every["head"], minlength=nodes)))),
        crossings=crossings,
        **{name: values[order] for name, values in every.items()},
    )
    from_nm, to_nm = (nanometres(np.nan_to_num(ends))[order] for ends in (from_m, to_m))
    return extended, np.abs(to_nm - from_nm), from_m[order], to_m[order]
