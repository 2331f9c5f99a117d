"""Are the streets at a school's gates what GA/T 1215-2014 asks for? Per gate: met, not met, or not known.

Asked: 30 km/h on roads within 150 m of the gate along the streets; a marked crossing (or a footbridge or subway: a way
without cars whose line crosses a road's) within 50 m; signals at it where the road has two lanes or more per direction.
A map that is silent is no proof: a speed that no tag gives is not known, and a crossing is missing only where one is
mapped a little farther on, so that crossings are evidently mapped there.
"""

import heapq
from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo.model import Network, Snaps, Study
from cfc_geo.network.sided import mapped_crossings
from cfc_geo.network.stress import crossing_kind

MET, NOT_MET, NOT_KNOWN, NOT_NEEDED = "met", "not_met", "not_known", "not_needed"
SCHOOLS: Final = ("kindergarten", "primary_school", "middle_school", "high_school", "school")
ZONE_M: Final = 150.0
CROSSING_M: Final = 50.0
ZONE_KMH: Final = 30.0
LANES_PER_DIRECTION: Final = 2
ROUNDING_M: Final = 1e-6

ZONE_COLUMNS = (
    "facility_id", "kind", "name", "gate_evidence", "speed_status", "crossing_status", "signal_status",
    "road_m", "over_30_m", "untagged_m", "fastest_kmh", "crossing_m", "crossing_type",
)  # fmt: skip


def school_zones(study: Study, network: Network, gates: Snaps, stress: pd.DataFrame) -> gpd.GeoDataFrame:
    """One row a gate of a school (`SCHOOLS`), at the gate: `ZONE_COLUMNS`.

    `gates` are the positions of `study.entrances`, in their order; `stress` is `segment_stress(study.streets)`.
    speed_status and crossing_status: met, not_met or not_known; signal_status may also be not_needed. road_m are metres
    of roads with cars within the zone, over_30_m and untagged_m those that are tagged faster and not tagged;
    fastest_kmh the fastest tagged; crossing_m the metres along the streets to the nearest crossing within the zone, NaN
    where none is mapped.
    A gate that is attached to no street has not_known everywhere.
    """
    facilities = study.facilities.set_index("facility_id")[["kind", "name"]]
    entrances = study.entrances.reset_index(drop=True).join(facilities, on="facility_id")
    wanted = np.flatnonzero(entrances["kind"].isin(SCHOOLS))
    streets = _Streets(study, network, stress)
    found = [streets.at_gate(int(gates.segment[row]), float(gates.at_m[row])) for row in wanted]
    table = entrances.loc[wanted, ["facility_id", "kind", "name", "evidence"]].rename(
        columns={"evidence": "gate_evidence"}
    )
    values = pd.DataFrame(found, index=wanted, columns=list(ZONE_COLUMNS[4:]))
    geometry = study.entrances.geometry.to_numpy()[wanted]
    return gpd.GeoDataFrame(table.join(values), geometry=geometry, crs=study.crs).reset_index(drop=True)


class _Streets:
    """The streets as gates see them: walked both ways, whatever is one-way, for the zone lies along the road."""

    def __init__(self, study: Study, network: Network, stress: pd.DataFrame) -> None:
        self.network = network
        self.cars = stress["cars"].to_numpy(dtype=bool)
        self.kmh = stress["speed_kmh"].to_numpy(dtype=float)
        self.kmh_tagged = (stress["speed_evidence"] == "tagged").to_numpy()
        two_ways = np.where(study.streets["oneway"].fillna("").to_numpy() == "", 2, 1)
        self.per_direction = stress["lanes_count"].to_numpy(dtype=float) / two_ways
        self.lanes_tagged = (stress["lanes_evidence"] == "tagged").to_numpy()
        above = study.streets["bridge"].eq(True).to_numpy() | study.streets["tunnel"].eq(True).to_numpy()
        self.over = above & ~self.cars
        self.over[self.over] = self._over_a_road(study.streets.geometry.to_numpy())
        text = mapped_crossings(network, study.streets, study.nodes)
        self.crossing, _, _ = crossing_kind(text)
        on_road = np.zeros(len(text), dtype=bool)
        on_road[network.segment_from[self.cars]] = on_road[network.segment_to[self.cars]] = True
        said = np.array([str(word).startswith("yes") for word in text], dtype=bool)
        self.marked = on_road & ((self.crossing != "none") | said)
        self.crossing = np.where(said, "unsaid", self.crossing)
        self.beside: dict[int, list[int]] = {}
        for segment, ends in enumerate(zip(network.segment_from.tolist(), network.segment_to.tolist(), strict=True)):
            if network.segment_forward[segment] or network.segment_backward[segment]:
                for node in set(ends):
                    self.beside.setdefault(node, []).append(segment)

    def _over_a_road(self, lines: np.ndarray) -> np.ndarray:
        """Which of the ways in `over` lead over or under a road with cars, and not only over a brook."""
        ways, roads = lines[self.over], shapely.STRtree(lines[self.cars])
        found = np.zeros(len(ways), dtype=bool)
        found[roads.query(ways, predicate="crosses")[0]] = True
        return found

    def at_gate(self, segment: int, at_m: float) -> tuple[object, ...]:
        """The values of `ZONE_COLUMNS` from speed_status on."""
        if segment < 0:
            return NOT_KNOWN, NOT_KNOWN, NOT_KNOWN, 0.0, 0.0, 0.0, np.nan, np.nan, ""
        reached = self._reached(segment, at_m)
        metres = self._metres(reached, segment, at_m, ZONE_M)
        roads = {row: length for row, length in metres.items() if self.cars[row] and length > ROUNDING_M}
        tagged = {row for row in roads if self.kmh_tagged[row]}
        over = sum(length for row, length in roads.items() if row in tagged and self.kmh[row] > ZONE_KMH)
        untagged = sum(length for row, length in roads.items() if row not in tagged)
        fastest = max((float(self.kmh[row]) for row in tagged), default=np.nan)
        speed = NOT_MET if over else NOT_KNOWN if untagged or not roads else MET
        crossing_m, kind = self._nearest_crossing(reached, metres, segment)
        near = crossing_m <= CROSSING_M + ROUNDING_M
        crossing = MET if near else NOT_KNOWN if np.isnan(crossing_m) else NOT_MET
        signal = self._signal(reached, segment, at_m, near, kind)
        return speed, crossing, signal, sum(roads.values()), float(over), float(untagged), fastest, crossing_m, kind

    def _reached(self, segment: int, at_m: float) -> dict[int, float]:
        """Metres along the streets to every node within the zone."""
        whole = float(self.network.segment_m[segment])
        ends = (int(self.network.segment_from[segment]), int(self.network.segment_to[segment]))
        queue = [(at_m, ends[0]), (whole - at_m, ends[1])]
        reached: dict[int, float] = {}
        heapq.heapify(queue)
        while queue:
            metres, node = heapq.heappop(queue)
            if node in reached or metres > ZONE_M + ROUNDING_M:
                continue
            reached[node] = metres
            for beside in self.beside.get(node, []):
                start, end = int(self.network.segment_from[beside]), int(self.network.segment_to[beside])
                heapq.heappush(queue, (metres + float(self.network.segment_m[beside]), end if node == start else start))
        return reached

    def _metres(self, reached: dict[int, float], segment: int, at_m: float, limit_m: float) -> dict[int, float]:
        """How much of every segment lies within `limit_m` of the gate."""
        found: dict[int, float] = {}
        for row in {row for node in reached for row in self.beside.get(node, [])} - {segment}:
            ends = (int(self.network.segment_from[row]), int(self.network.segment_to[row]))
            within = sum(max(0.0, limit_m - reached.get(node, np.inf)) for node in ends)
            found[row] = min(float(self.network.segment_m[row]), within)
        whole = float(self.network.segment_m[segment])
        found[segment] = min(at_m, limit_m) + min(whole - at_m, limit_m)
        return found

    def _nearest_crossing(self, reached: dict[int, float], metres: dict[int, float], segment: int) -> tuple[float, str]:
        """Metres to the nearest marked crossing, footbridge or subway, and of what kind it is; (NaN, "") if none."""
        found = [(far, str(self.crossing[node])) for node, far in reached.items() if self.marked[node]]
        for row in metres:
            if self.over[row]:
                ends = (int(self.network.segment_from[row]), int(self.network.segment_to[row]))
                far = 0.0 if row == segment else min(reached.get(node, np.inf) for node in ends)
                found.append((far, "grade_separated"))
        return min(found, default=(np.nan, ""))

    def _signal(self, reached: dict[int, float], segment: int, at_m: float, near: bool, kind: str) -> str:
        """Whether a crossing has the signals that a broad road by the gate asks for."""
        metres = self._metres(reached, segment, at_m, CROSSING_M)
        roads = [row for row, length in metres.items() if self.cars[row] and length > ROUNDING_M]
        broad = any(self.lanes_tagged[row] and self.per_direction[row] >= LANES_PER_DIRECTION for row in roads)
        if not broad:
            return NOT_NEEDED if roads and all(self.lanes_tagged[row] for row in roads) else NOT_KNOWN
        signals = [far for node, far in reached.items() if self.marked[node] and self.crossing[node] == "signal"]
        if min(signals, default=np.inf) <= CROSSING_M + ROUNDING_M or (near and kind == "grade_separated"):
            return MET
        return NOT_MET if near and kind == "zebra" else NOT_KNOWN
