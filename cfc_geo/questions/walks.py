"""Walks as tables: what each consists of, how long it takes, and which of its streets and crossings are hard."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from shapely.ops import substring

from cfc_geo import catalog
from cfc_geo.catalog import Profile
from cfc_geo.model import Network, Study
from cfc_geo.network.graph import build_network
from cfc_geo.network.pareto import Walk
from cfc_geo.network.sided import LEFT_SIDE, NO_SIDE, RIGHT_SIDE
from cfc_geo.network.slopes import relief, walk_seconds
from cfc_geo.network.snap import SAME_PLACE_M
from cfc_geo.network.stress import segment_stress, sides_governed_by
from cfc_geo.network.trip import Trip
from cfc_geo.tables import HAZARD_COLUMNS, ROUTE_COLUMNS, ROUTE_PART_COLUMNS

TIE_BITS: Final = 16
"""Lengths of walks stand above so many bits of waiting, by which equally long ones are told apart."""
ACCESS, SEGMENT, CROSSING = "access", "segment", "crossing"
LEAST_STRESS, BETWEEN, SHORTEST = "least_stress", "between", "shortest"
SIDES: Final = {NO_SIDE: 0, LEFT_SIDE: 1, RIGHT_SIDE: 2}


@dataclass(frozen=True, eq=False)
class Ends:
    """Points that a walk may begin or end at, what each is of (facility or cell, "" a place), and what they are called
    together."""

    points: np.ndarray
    ids: tuple[str, ...]
    name: str


@dataclass(frozen=True, eq=False)
class Ground:
    """What all walks of one profile are told from: by street × (as drawn, against it), seconds; by street × (whole,
    left, right), stress, what governs it and how it is known."""

    study: Study
    network: Network
    profile: Profile
    stress: pd.DataFrame
    levels: np.ndarray
    governs: np.ndarray
    evidence: np.ndarray
    seconds: np.ndarray

    @classmethod
    def of(cls, study: Study, profile: Profile) -> "Ground":
        streets = study.streets
        stress = segment_stress(streets)
        heights = None if study.terrain is None else relief(study.terrain, streets)
        return cls(
            study,
            build_network(streets, study.nodes),
            profile,
            stress,
            stress[["stress", "stress_left", "stress_right"]].to_numpy(),
            *sides_governed_by(streets),
            walk_seconds(streets, heights, profile),
        )


@dataclass(frozen=True, eq=False)
class Teller:
    """Walks as tables."""

    ground: Ground
    trip: Trip
    bears: np.ndarray
    start: Ends
    goal: Ends

    def walks(
        self, walks: list[Walk], parts: list[pd.DataFrame], hazards: pd.DataFrame, shortest_m: float
    ) -> gpd.GeoDataFrame:
        """`tables.ROUTE_COLUMNS`, one row a walk, with its line."""
        rows = []
        for rank, (walk, mine) in enumerate(zip(walks, parts, strict=True), start=1):
            metres, over = walk_nm(walk) / 1e9, mine["element"] == CROSSING
            minutes = {
                f"minutes_{name}": float(mine[f"minutes_{name}"].sum()) for name in ("walking", "climbing", "waiting")
            }
            legs = mine["element"] == ACCESS
            minutes["minutes_access"] = float(mine.loc[legs, "minutes_walking"].sum())
            minutes["minutes_walking"] -= minutes["minutes_access"]
            roles = (LEAST_STRESS if rank == 1 else BETWEEN, SHORTEST if rank == len(walks) else "")
            role = roles[1] if rank > 1 and roles[1] else roles[0]
            rows.append(
                {
                    "walk": rank,
                    "walk_role": role,
                    "facility_id": self.goal.ids[int(self.trip.goal_of[walk.goal])],
                    "length_m": metres,
                    "detour": metres / shortest_m if shortest_m > 0 else 1.0,
                    "minutes": sum(minutes.values()),
                    **minutes,
                    "worst_stress": mine["stress"].max(),
                    "hard_m": walk.burden / 1e9,
                    "crossings": int(over.sum()),
                    "hazards": int((hazards["walk"] == rank).sum()),
                    "borne": bool(mine["borne"].all()),
                    "geometry": _one_line(mine.geometry),
                }
            )  # fmt: skip
        return gpd.GeoDataFrame(rows, columns=[*ROUTE_COLUMNS, "geometry"], crs=self.ground.study.crs)

    def parts(self, walk: Walk, rank: int) -> gpd.GeoDataFrame:
        """`tables.ROUTE_PART_COLUMNS`, one row a street, crossing or access leg, in the order they are walked."""
        arcs = np.array(walk.arcs, dtype=np.int64)
        middle = [self._street(arc) if self.trip.graph.street[arc] >= 0 else self._crossing(arc) for arc in arcs]
        first_m, last_m = self.trip.start_nm[walk.start] / 1e9, self.trip.goal_nm[walk.goal] / 1e9
        begin = self._access(self.start.points[self.trip.start_of[walk.start]], self.trip.start_at[walk.start], first_m)
        end = self._access(self.trip.goal_at[walk.goal], self.goal.points[self.trip.goal_of[walk.goal]], last_m)
        table = pd.DataFrame([begin, *middle, end])
        table["walk"], table["part"] = rank, np.arange(1, len(table) + 1)
        table["at_m"] = table["length_m"].cumsum() - table["length_m"]
        return gpd.GeoDataFrame(
            table[[*ROUTE_PART_COLUMNS, "geometry"]], geometry="geometry", crs=self.ground.study.crs
        )

    def hazards(self, parts: gpd.GeoDataFrame, *, borne: bool = True) -> gpd.GeoDataFrame:
        """`tables.HAZARD_COLUMNS`: parts that are hard or not borne, and steps; like ones that follow one another as
        one, with the ids of all. Without `borne` only what the profile does not bear."""
        same = [
            "element", "name", "highway", "stress", "governed_by", "stress_evidence", "speed_kmh", "lanes_count",
            "borne", "remedies",
        ]  # fmt: skip
        kept = parts[parts["hazard"] & (borne | ~parts["borne"])]
        rows = list[dict[str, Any]]()
        for part in kept.to_dict("records"):
            last = rows[-1] if rows else None
            follows = (
                last is not None
                and part["element"] == SEGMENT
                and abs(last["at_m"] + last["length_m"] - part["at_m"]) < 1e-6
            )
            if last is not None and follows and all(_equal(last[name], part[name]) for name in same):
                last["length_m"] += part["length_m"]
                last["street_id"] += f" {part['street_id']}"
                last["geometry"] = _one_line([last["geometry"], part["geometry"]])
            else:
                rows.append(part)
        return gpd.GeoDataFrame(
            rows, columns=[*HAZARD_COLUMNS, "geometry"], geometry="geometry", crs=self.ground.study.crs
        )

    def _access(self, one: shapely.Point, other: shapely.Point, metres: float) -> dict[str, Any]:
        line = shapely.LineString([one, other])
        speed = self.ground.profile.speed_ms.value
        return _part(ACCESS, length_m=metres, minutes_walking=metres / speed / 60, geometry=line)

    def _street(self, arc: int) -> dict[str, Any]:
        graph, ground, row = self.trip.graph, self.ground, int(self.trip.graph.street[arc])
        street, judged, full = ground.study.streets.iloc[row], ground.stress.iloc[row], ground.network.segment_m[row]
        from_m, to_m = self.trip.from_m[arc], self.trip.to_m[arc]
        metres, side = self.trip.nm[arc] / 1e9, SIDES[int(graph.side[arc])]
        flat = metres / ground.profile.speed_ms.value
        whole = ground.seconds[row, 0 if graph.along[arc] else 1]
        seconds = whole * metres / full if full > 0 else 0.0
        ends = (from_m / full, to_m / full) if full > 0 else (0.0, 1.0)
        steps = bool(graph.steps[arc])
        tunnel = bool(street["tunnel"] == True) and not self.bears[arc] and bool(ground.profile.refuses_tunnels.value)  # noqa: E712
        hard = graph.stress[arc] > catalog.stress_rules()["limit"] or not self.bears[arc] or steps
        return _part(
            SEGMENT,
            street_id=street["street_id"],
            name=street["name"] or "",
            highway=street["highway"] or "",
            length_m=metres,
            minutes_walking=flat / 60,
            minutes_climbing=max(seconds - flat, 0.0) / 60,
            stress=int(graph.stress[arc]),
            governed_by="steps" if steps else "tunnel" if tunnel else ground.governs[row, side],
            stress_evidence=ground.evidence[row, side],
            speed_kmh=judged["speed_kmh"],
            lanes_count=judged["lanes_count"],
            borne=bool(self.bears[arc]),
            hazard=bool(hard),
            remedies=judged["remedies"],
            geometry=substring(street.geometry, *ends, normalized=True),
        )  # fmt: skip

    def _crossing(self, arc: int) -> dict[str, Any]:
        graph, streets = self.trip.graph, self.ground.study.streets
        row = graph.crossings.iloc[int(graph.crossing[arc])]
        street = streets.iloc[int(np.flatnonzero(streets["street_id"].to_numpy() == row["street_id"])[0])]
        wait = self.ground.profile.waits_s.value[row["crossing_type"]]
        hard = row["stress"] > catalog.stress_rules()["limit"] or not self.bears[arc]
        return _part(
            CROSSING,
            street_id=row["street_id"],
            name=street["name"] or "",
            highway=row["highway"],
            minutes_waiting=wait / 60,
            stress=int(row["stress"]),
            governed_by=row["governed_by"],
            stress_evidence=row["stress_evidence"],
            crossing_type=row["crossing_type"],
            island=bool(row["island"]),
            speed_kmh=row["speed_kmh"],
            lanes_count=row["lanes_count"],
            at_name=self._others_at(row["node_id"], street["name"] or ""),
            borne=bool(self.bears[arc]),
            hazard=bool(hard),
            remedies=row["remedies"],
            geometry=row.geometry,
        )

    def _others_at(self, node: int, name: str) -> str:
        """Names of the other streets at a junction."""
        streets = self.ground.study.streets
        here = (streets["from_node"] == node) | (streets["to_node"] == node)
        return " / ".join(sorted({str(other) for other in streets.loc[here, "name"].fillna("")} - {"", name})[:2])


_BLANK: Final[dict[str, Any]] = {
    "street_id": "", "name": "", "highway": "", "length_m": 0.0, "minutes_walking": 0.0, "minutes_climbing": 0.0,
    "minutes_waiting": 0.0, "stress": 0, "governed_by": "", "stress_evidence": "", "crossing_type": "", "island": False,
    "speed_kmh": np.nan, "lanes_count": np.nan, "at_name": "", "borne": True, "hazard": False, "remedies": "",
}  # fmt: skip


def _part(element: str, **values: Any) -> dict[str, Any]:
    return {"element": element, **_BLANK, **values}


def _equal(one: Any, other: Any) -> bool:
    return bool(one == other or (pd.isna(one) and pd.isna(other)))


def _one_line(shapes: Iterable[shapely.Geometry]) -> shapely.LineString:
    """Lines that follow one another as one; points among them are on it."""
    xy = np.concatenate([shapely.get_coordinates(shape) for shape in shapes if shape.geom_type == "LineString"])
    moved = np.append(True, np.hypot(*np.diff(xy, axis=0).T) > SAME_PLACE_M)
    return shapely.LineString(xy[moved] if moved.sum() > 1 else xy[:2])


def walk_nm(walk: Walk) -> int:
    """The length of a walk, access included, in nanometres."""
    return walk.length >> TIE_BITS
