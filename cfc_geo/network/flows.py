"""Trips → how many children walk on every street and every crossing, and how much harder these are than the children
can bear.

Two walks of every trip are taken: the shortest that the profile can walk, and the easiest: the shortest among those
whose worst place is the least too hard, within a stated detour from the shortest. Walks of one length and one sum of
crossing stress share the children.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from cfc_geo.catalog import Profile
from cfc_geo.inputs.units import home_points
from cfc_geo.model import Network, Study
from cfc_geo.network.costs import TOLERANCE_M, longest_nm, steps_onto
from cfc_geo.network.doorsteps import Doorsteps, StraightWalks, doorsteps, entries, straight_walks
from cfc_geo.network.excess import IMPASSABLE, crossing_excess, street_excess
from cfc_geo.network.graph import nanometres
from cfc_geo.network.sided import RIGHT_SIDE, SidedGraph
from cfc_geo.network.stress import WORST, crossing_stress
from cfc_geo.network.traits import traits_of

if TYPE_CHECKING:
    from cfc_geo.network import flow_kernel

CEILINGS: Final = np.arange(WORST, dtype=np.int8)
NONE_LESS: Final = 127
LONGEST_M: Final = 60_000.0
PARTS: Final = 2
"""Facilities are gathered in so many parts, whatever the machine, so that sums of fractions come out the same."""


@dataclass(frozen=True, eq=False)
class Ways:
    """The sided graph with the homes (`doors`) and the entrances (`gates`, `straight`) of a study on it.
    `midblock_stress`: of crossing each street between junctions, unmarked."""

    graph: SidedGraph
    doors: Doorsteps
    gates: Doorsteps
    straight: StraightWalks
    stress: pd.DataFrame
    midblock_stress: np.ndarray
    classes: np.ndarray
    steps: np.ndarray
    tunnel: np.ndarray
    origins: int
    facility_of_gate: np.ndarray


@dataclass(frozen=True, eq=False)
class Excess:
    """How many levels harder than its profile bears: `street` (street × (no side, left, right)), `crossing` by row of
    the graph's crossings, `midblock` by street. 0 is borne."""

    street: np.ndarray
    crossing: np.ndarray
    midblock: np.ndarray


@dataclass(frozen=True, eq=False)
class Trips:
    """One row a trip: positions of the origin and of the facility, children (may be fractions), and the metres of the
    shortest walk (of anybody; of trips that are known to have a walk, of the profile). Sorted by facility."""

    origin: np.ndarray
    facility: np.ndarray
    children: np.ndarray
    metres: np.ndarray


@dataclass(frozen=True, eq=False)
class Flows:
    """Children on the easiest and on the shortest walks: `street` (street × (no side, left, right)), `crossing`,
    `midblock` (once each time a street is crossed); by trip `borne`, the excess of the easiest walk (`NONE_LESS`: there
    is no walk), and metres (NaN)."""

    street: np.ndarray
    crossing: np.ndarray
    midblock: np.ndarray
    street_shortest: np.ndarray
    crossing_shortest: np.ndarray
    midblock_shortest: np.ndarray
    borne: np.ndarray
    easiest_m: np.ndarray
    shortest_m: np.ndarray


def ways_of(study: Study, network: Network, graph: SidedGraph, stress: pd.DataFrame, *, snap_limit_m: float) -> Ways:
    """Homes and entrances of `study` on its sided graph; `stress` is `segment_stress(study.streets)`. A step is taken
    where the spine's is (`steps_onto`)."""
    homes = np.asarray(home_points(study.origins), dtype=object)
    entrances = np.asarray(study.entrances.geometry, dtype=object)
    from_homes, to_entrances = (
        entries(graph, network, study.streets, steps_onto(network, points, snap_limit_m), points)
        for points in (homes, entrances)
    )
    traits = traits_of(study.streets)
    none, bare = np.full(len(traits.cars), "none", dtype=object), np.zeros(len(traits.cars), dtype=bool)
    facility = pd.Index(study.facilities["facility_id"])
    return Ways(
        graph=graph,
        doors=doorsteps(graph, network, from_homes, leaving=True),
        gates=doorsteps(graph, network, to_entrances, leaving=False),
        straight=straight_walks(network, from_homes, to_entrances),
        stress=stress,
        midblock_stress=crossing_stress(none, bare, traits.speed_kmh, traits.lanes, traits.volume),
        classes=traits.highway,
        steps=study.streets["steps"].eq(True).to_numpy(),
        tunnel=traits.tunnel,
        origins=len(study.origins),
        facility_of_gate=facility.get_indexer(study.entrances["facility_id"]),
    )


def excess_of(ways: Ways, profile: Profile) -> Excess:
    """What of the streets and crossings is too hard for `profile`, and by how many levels; what it refuses, by one."""
    table = ways.graph.crossings
    kind, highway = table["crossing_type"].to_numpy(dtype=object), table["highway"].to_numpy(dtype=object)
    none = np.full(len(ways.midblock_stress), "none", dtype=object)
    levels = ways.stress[["stress", "stress_left", "stress_right"]].to_numpy()
    return Excess(
        street_excess(levels, ways.steps, ways.tunnel, profile),
        crossing_excess(table["stress"].to_numpy(), kind, highway, profile),
        crossing_excess(ways.midblock_stress, none, ways.classes, profile),
    )


def walk_flows(ways: Ways, excess: Excess, trips: Trips, *, detour: float, farthest_m: float = np.inf) -> Flows:
    """Flows of `trips`. There is no walk if the shortest that can be walked is farther than `farthest_m` (inclusive, at
    most `LONGEST_M`); an easier one may be `detour` times as long as that (`longest_nm`). Cost: a bounded search a
    facility, and one for each of `CEILINGS` still wanted, from the lowest. Raises `ValueError` for trips farther than
    `LONGEST_M`."""
    from cfc_geo.network import flow_kernel as kernel

    if len(trips.metres) and trips.metres.max() * detour > LONGEST_M:
        raise ValueError(f"a walk of {trips.metres.max() * detour:,.0f} m is too long")
    blocked = (excess.street == IMPASSABLE).any()  # else the shortest walk is that of anybody
    farthest = np.full(len(trips.metres), min(farthest_m, LONGEST_M / detour)) if blocked else trips.metres
    search = _Search(ways, excess, trips, nanometres(farthest + TOLERANCE_M))
    bounds = np.linspace(0, len(search.facilities), PARTS + 1).astype(int)

    def run(part: int) -> tuple["kernel.Gathered", "kernel.Gathered", np.ndarray, np.ndarray, np.ndarray]:
        gathered, nm = [search.empty(), search.empty()], list[np.ndarray]()
        most = search.trips
        for into, ceilings in zip(gathered, (CEILINGS[-1:], CEILINGS), strict=True):
            found, borne = kernel.gather(
                bounds[part], bounds[part + 1], ceilings, search.arcs, search.gates, search.doors, search.straight,
                most, into, kernel.scratch_of(len(ways.graph.junction)),
            )  # fmt: skip
            nm.append(found)
            most = most._replace(most_nm=longest_nm(found, detour))
        return *gathered, *nm, borne

    with ThreadPoolExecutor(PARTS) as pool:
        shortest, easiest, *by_trip = zip(*pool.map(run, range(PARTS)), strict=True)
    shortest_nm, easiest_nm, borne = (np.max(parts, axis=0) for parts in by_trip)
    return Flows(
        *search.by_element(list(easiest)),
        *search.by_element(list(shortest)),
        borne=np.where(borne < 0, NONE_LESS, borne),
        easiest_m=np.where(easiest_nm < 0, np.nan, easiest_nm / 1e9),
        shortest_m=np.where(shortest_nm < 0, np.nan, shortest_nm / 1e9),
    )


def bearable(ways: Ways, excess: Excess, trips: Trips, *, detour: float) -> np.ndarray:
    """Which trips have a walk on which nothing is too hard, at most `detour` times as long as their metres."""
    from cfc_geo.network import flow_kernel as kernel

    search = _Search(ways, excess, trips, longest_nm(nanometres(trips.metres), detour))
    found: np.ndarray = kernel.bearable(
        np.int8(0), search.arcs, search.gates, search.doors, search.straight, search.trips,
        kernel.scratch_of(len(ways.graph.junction)),
    )  # fmt: skip
    return found


def nearest_borne_m(ways: Ways, excess: Excess, facilities: np.ndarray, *, limit_m: float) -> np.ndarray:
    """Metres from every origin to the nearest of `facilities` (positions) over places none of which is too hard, NaN
    beyond `limit_m` (inclusive)."""
    from cfc_geo.network import flow_kernel as kernel

    arcs = arcs_of(ways, excess)
    gates = _grouped(ways, ways.gates, np.where(_gate_of(ways, facilities), 0, -1), 1, excess)
    straight = _keys(ways, ways.straight, excess)
    mine = np.flatnonzero(np.isin(ways.facility_of_gate[ways.straight.entrance], facilities))
    order = mine[np.argsort(ways.straight.origin[mine], kind="stable")]
    by_origin = kernel.Straight(
        _starts(ways.straight.origin[order], ways.origins), straight[0][order], straight[1][order]
    )
    nm = kernel.nearest(
        np.int64(nanometres(np.array(limit_m + TOLERANCE_M))), np.int8(0), arcs, gates,
        _grouped(ways, ways.doors, ways.doors.point, ways.origins, excess), by_origin,
        kernel.scratch_of(len(ways.graph.junction)),
    )  # fmt: skip
    return np.where(nm < 0, np.nan, nm / 1e9)


def arcs_of(ways: Ways, excess: Excess) -> "flow_kernel.Arcs":
    """The arcs of the graph with their keys; one of no length still costs the least there is."""
    from cfc_geo.network import flow_kernel as kernel

    graph = ways.graph
    walked = graph.street >= 0
    penalty = np.where(walked, 0, graph.stress.astype(np.int64))
    nm = nanometres(graph.length_m)
    key = (nm << kernel.PENALTY_BITS) + np.where((nm == 0) & (penalty == 0), 1, penalty)
    too_hard = np.empty(len(walked), dtype=np.int8)
    too_hard[walked] = excess.street[graph.street[walked], graph.side[walked]]
    too_hard[~walked] = excess.crossing[graph.crossing[~walked]]
    return kernel.Arcs(graph.start, graph.tail, key, too_hard)


def without(
    excess: Excess, *, streets: np.ndarray | None = None, crossings: np.ndarray | None = None,
    midblocks: np.ndarray | None = None,
) -> Excess:  # fmt: skip
    """The same where nothing is too hard any more at the given rows; steps stay what they are."""
    of = {"street": streets, "crossing": crossings, "midblock": midblocks}
    changed = {}
    for name, rows in of.items():
        if rows is not None and len(rows):
            values = getattr(excess, name).copy()
            values[rows] = np.where(values[rows] == IMPASSABLE, IMPASSABLE, 0)
            changed[name] = values
    return replace(excess, **changed)


class _Search:
    """Everything of one set of trips as the kernel wants it; facilities in the order of their first trip."""

    def __init__(self, ways: Ways, excess: Excess, trips: Trips, most_nm: np.ndarray) -> None:
        from cfc_geo.network import flow_kernel as kernel

        self.ways = ways
        self.facilities, number = np.unique(trips.facility, return_inverse=True)
        if (np.diff(number) < 0).any():
            raise ValueError("trips are not sorted by facility")
        self.arcs = arcs_of(ways, excess)
        facility_of_row = pd.Index(self.facilities).get_indexer(ways.facility_of_gate[ways.gates.point])
        self.gate_rows = _rows_by(facility_of_row)
        self.door_rows = _rows_by(ways.doors.point)
        self.gates = _grouped(ways, ways.gates, facility_of_row, len(self.facilities), excess)
        self.doors = _grouped(ways, ways.doors, ways.doors.point, ways.origins, excess)
        trip_of = self._trip_of_straight(trips)
        self.straight_rows = _rows_by(trip_of)
        key, too_hard = _keys(ways, ways.straight, excess)
        self.straight = kernel.Straight(
            _starts(trip_of[self.straight_rows], len(trips.origin)), key[self.straight_rows],
            too_hard[self.straight_rows],
        )  # fmt: skip
        self.trips = kernel.Trips(
            _starts(number, len(self.facilities)), trips.origin.astype(np.int64), trips.children.astype(float),
            most_nm,
        )  # fmt: skip

    def _trip_of_straight(self, trips: Trips) -> np.ndarray:
        """The trip that each straight walk is of, -1 none."""
        straight, many = self.ways.straight, self.ways.origins
        facility = self.ways.facility_of_gate[straight.entrance]
        trip: np.ndarray = pd.Index(trips.facility * many + trips.origin).get_indexer(facility * many + straight.origin)
        return trip

    def empty(self) -> "flow_kernel.Gathered":
        from cfc_geo.network import flow_kernel as kernel

        held = (self.arcs.tail, self.gates.node, self.doors.node, self.straight.key)
        return kernel.Gathered(*(np.zeros(len(rows)) for rows in held))

    def by_element(self, parts: "list[flow_kernel.Gathered]") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Children by street and side, by crossing, and by street crossed in mid-block."""
        on_arcs, on_gates, on_doors, on_straight = (np.sum(values, axis=0) for values in zip(*parts, strict=True))
        ways, graph = self.ways, self.ways.graph
        walked, straight = graph.street >= 0, self.straight_rows
        steps: list[tuple[Doorsteps | StraightWalks, np.ndarray, np.ndarray]] = [
            (ways.gates, self.gate_rows, on_gates), (ways.doors, self.door_rows, on_doors),
            (ways.straight, straight, on_straight),
        ]  # fmt: skip
        used = [
            (graph.street[walked], graph.side[walked], np.zeros(walked.sum()), on_arcs[walked]),
            *((of.street[rows], of.side[rows], of.crosses[rows], children) for of, rows, children in steps),
        ]
        street, side, crosses, children = (np.concatenate(column) for column in zip(*used, strict=True))
        on = street >= 0
        street, side, over, children = street[on], side[on], (crosses * children)[on], children[on]
        streets = len(graph.wall)
        cell = street * 3 + np.where(side == RIGHT_SIDE, 2, side)
        by_street = np.bincount(cell, weights=children, minlength=3 * streets).reshape(streets, 3)
        crossing = np.bincount(graph.crossing[~walked], weights=on_arcs[~walked], minlength=len(graph.crossings))
        return by_street, crossing, np.bincount(street, weights=over, minlength=streets)


def _grouped(ways: Ways, of: Doorsteps, row: np.ndarray, rows: int, excess: Excess) -> "flow_kernel.Steps":
    from cfc_geo.network import flow_kernel as kernel

    order = _rows_by(row)
    key, too_hard = _keys(ways, of, excess)
    return kernel.Steps(_starts(row[order], rows), of.node[order], key[order], too_hard[order])


def _keys(ways: Ways, of: Doorsteps | StraightWalks, excess: Excess) -> tuple[np.ndarray, np.ndarray]:
    """Key and excess of every step or straight walk, with the crossings in mid-block."""
    from cfc_geo.network import flow_kernel as kernel

    walked, crosses = of.street >= 0, of.crosses > 0
    too_hard = np.where(walked, excess.street[of.street, of.side], 0)
    too_hard = np.maximum(too_hard, np.where(crosses, excess.midblock[of.street], 0)).astype(np.int8)
    return (of.nm << kernel.PENALTY_BITS) + of.crosses * ways.midblock_stress[of.street], too_hard


def _gate_of(ways: Ways, facilities: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.isin(ways.facility_of_gate[ways.gates.point], facilities)
    return found


def _rows_by(group: np.ndarray) -> np.ndarray:
    """Rows of a group (≥ 0), group by group."""
    rows = np.flatnonzero(group >= 0)
    return rows[np.argsort(group[rows], kind="stable")]


def _starts(group: np.ndarray, groups: int) -> np.ndarray:
    return np.concatenate(([0], np.cumsum(np.bincount(group, minlength=groups)))).astype(np.int64)
