"""How a child walks from here to there: the walks that no other beats in both length and stress, each told in full.

A walk is as hard as its hardest street or crossing, then as the metres of it that are hard. What the profile does not
bear counts as one more than the most that it does, so that a walk it bears comes before any that it does not.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo import catalog
from cfc_geo.catalog import Profile
from cfc_geo.errors import DataError, Findings, SolveError
from cfc_geo.inputs.drawn import place_drawn
from cfc_geo.inputs.scenario import apply_edits
from cfc_geo.inputs.study import read_study, study_area
from cfc_geo.inputs.units import home_points
from cfc_geo.model import Steps, Study
from cfc_geo.network.costs import longest_nm, steps_onto
from cfc_geo.network.excess import IMPASSABLE, excess_by_arc
from cfc_geo.network.graph import nanometres
from cfc_geo.network.pareto import Walk, Ways, best_walks, least_walk
from cfc_geo.network.sided import sided_graph
from cfc_geo.network.slopes import crossing_waits_s
from cfc_geo.network.snap import street_distances
from cfc_geo.network.trip import Trip, plan_trip
from cfc_geo.plan import Plan
from cfc_geo.questions.walks import TIE_BITS, Ends, Ground, Teller, walk_nm
from cfc_geo.run import Clock, Progress

LANE_M: Final = 3.5
"""How wide a lane is that is crossed (CJJ 37: 3.25 to 3.75 m; an assumption for the road at hand)."""
NEAR_NAMES: Final = 5
NEVER: Final = 99
"""A grade that nothing is of that the profile can pass."""


@dataclass(frozen=True)
class RouteAsk:
    """What is asked: `start` is an id or a place in `datum`, `goal` an id or a kind. No walk is longer than `detour` ×
    the shortest that the profile can walk."""

    start: str
    goal: str
    place: tuple[float, float] | None = None
    profile: str = "child_with_adult"
    alternatives: int = 3
    detour: float = 1.25
    datum: str = "wgs84"


@dataclass(frozen=True, eq=False)
class Routing:
    """The answer: `walks` (`tables.ROUTE_COLUMNS`, with geometry) from the least stress to the shortest, out of
    `not_beaten`; their `parts` (`tables.ROUTE_PART_COLUMNS`) and `hazards` (`tables.HAZARD_COLUMNS`).

    `shortest_m` is the shortest walk of anybody, `profile_m` of who passes what the profile can. `borne_m` is the
    shortest that the profile bears, however long; NaN where there is none, and then `in_the_way` are the hazards of the
    walk within the ceiling with the least that it does not bear: the walk `least_walk` (0: one that is not among
    `walks`) of `least_m` metres.
    """

    plan: Plan
    ask: RouteAsk
    study: Study
    start: Ends
    goal: Ends
    walks: gpd.GeoDataFrame
    parts: gpd.GeoDataFrame
    hazards: gpd.GeoDataFrame
    not_beaten: int
    shortest_m: float
    profile_m: float
    borne_m: float
    in_the_way: gpd.GeoDataFrame
    least_walk: int
    least_m: float

    @property
    def kind(self) -> str:
        """The kind that was asked for; "" where a facility was."""
        return "" if self.goal.name else catalog.kind_called(self.ask.goal) or ""

    @property
    def profile(self) -> Profile:
        return catalog.profiles()[self.ask.profile]


def find_routes(plan: Plan, ask: RouteAsk, progress: Progress = lambda stage: None) -> Routing:
    """The walks of `ask`. Raises `DataError` for ends that are not there, `SolveError` where no walk leads to one."""
    clock, findings = Clock(progress), Findings()
    with clock("read"):
        study = apply_edits(read_study(plan), plan)
        start = _start(plan, ask, study, findings)
        goal = _goal(ask, study, start, findings)
        findings.raise_errors(DataError)
    with clock("network"):
        ground = Ground.of(study, catalog.profiles()[ask.profile])
        trip = _trip(plan, ask, ground, start, goal)
    with clock("routes"):
        return _answer(plan, ask, ground, trip, start, goal)


# --------------------------------------------------------------------------------------------------------------- ends


def _start(plan: Plan, ask: RouteAsk, study: Study, findings: Findings) -> Ends:
    nowhere = Ends(np.empty(0, dtype=object), (), "")
    if ask.place is not None:
        area = study_area(plan, study.units)
        at = place_drawn([ask.place], ask.datum, area, file="--from", at=(), findings=findings)  # type: ignore[arg-type]
        return nowhere if at is None else Ends(shapely.points(at), ("",), ask.start)
    cells, facilities = study.origins["origin_id"] == ask.start, _called(ask.start, study)
    if cells.any() and (study.facilities["facility_id"] == ask.start).any():
        findings.error("route.two_things", "--from", id=ask.start)
    if cells.any():
        points = np.asarray(home_points(study.origins[cells]), dtype=object)
        return Ends(points, (ask.start,), ask.start)
    if len(facilities) == 1:
        return _of_facilities(study, facilities)
    _tell_unknown("--from", ask.start, facilities, study, study.origins["origin_id"], findings)
    return nowhere


def _goal(ask: RouteAsk, study: Study, start: Ends, findings: Findings) -> Ends:
    facilities, kind = study.facilities, catalog.kind_called(ask.goal)
    one = facilities[facilities["facility_id"] == ask.goal]
    if one.empty and kind is None:
        one = _called(ask.goal, study)
    if len(one) == 1:
        if one["facility_id"].iloc[0] in start.ids:
            findings.error("route.same", "--to", id=ask.goal)
        return _of_facilities(study, one)
    if kind is None:
        _tell_unknown("--to", ask.goal, one, study, catalog.kinds(), findings)
    all_of_kind = facilities[(facilities["kind"] == kind) & ~facilities["facility_id"].isin(start.ids)]
    if kind is not None and all_of_kind.empty:
        findings.error("route.no_such_kind_here", "--to", kind=kind)
    return _of_facilities(study, all_of_kind, alone=False)


def _called(name: str, study: Study) -> gpd.GeoDataFrame:
    """The facility of that id; else all of that name."""
    facilities = study.facilities
    by_id = facilities["facility_id"] == name
    return facilities[by_id if by_id.any() else facilities["name"].fillna("").str.strip() == name.strip()]


def _of_facilities(study: Study, facilities: gpd.GeoDataFrame, *, alone: bool = True) -> Ends:
    ways_in = study.entrances[study.entrances["facility_id"].isin(facilities["facility_id"])]
    names = [str(name or of_id) for name, of_id in zip(facilities["name"], facilities["facility_id"], strict=True)]
    points = np.array(ways_in.geometry, dtype=object)
    return Ends(points, tuple(ways_in["facility_id"]), names[0] if alone else "")


def _tell_unknown(
    option: str, name: str, called: gpd.GeoDataFrame, study: Study, others: Iterable[str], findings: Findings
) -> None:
    """Neither a facility's id nor one's name: several are `called` so, or ids, names and `others` like it are near."""
    if len(called):
        findings.error("route.several", option, name=name, ids=_told(called))
        return
    known = {str(one): str(one) for one in others}
    for facility, label in zip(study.facilities.itertuples(), _told(study.facilities), strict=True):
        known |= {str(facility.facility_id): label, str(facility.name or facility.facility_id): label}
    near = [known[one] for one in get_close_matches(name, list(known), NEAR_NAMES, 0.5)]
    findings.error("route.unknown_near" if near else "route.unknown", option, name=name, near=list(dict.fromkeys(near)))


def _told(facilities: gpd.GeoDataFrame) -> list[str]:
    """Ids, each with the name."""
    return [
        f"{of} {name or ''}".strip() for of, name in zip(facilities["facility_id"], facilities["name"], strict=True)
    ]


# ------------------------------------------------------------------------------------------------------------- search


def _trip(plan: Plan, ask: RouteAsk, ground: Ground, start: Ends, goal: Ends) -> Trip:
    study, network, findings = ground.study, ground.network, Findings()
    graph = sided_graph(network, study.streets, study.nodes, ground.stress)
    ends: list[tuple[np.ndarray, Steps]] = []
    for option, one in (("--from", start), ("--to", goal)):
        steps = steps_onto(network, one.points, plan.walk.snap_limit_m)
        if not len(one.points):
            findings.error("route.no_entrance", option, name=one.name or ask.goal, limit_m=plan.walk.snap_limit_m)
        elif not steps.taken.attached.any():
            metres = float(np.nanmin(street_distances(network, one.points)))
            findings.error("route.far", option, metres=round(metres, 1), limit_m=plan.walk.snap_limit_m)
        ends.append((one.points, steps))
    findings.raise_errors(DataError)
    return plan_trip(graph, network, study.streets, ground.stress, starts=ends[0], goals=ends[1])


def _answer(plan: Plan, ask: RouteAsk, ground: Ground, trip: Trip, start: Ends, goal: Ends) -> Routing:
    profile, ways = ground.profile, ways_of(trip)
    length, excess = with_ties(trip, profile), excess_by_arc(trip.graph, ground.study.streets, profile)
    bears, passable = excess == 0, excess < IMPASSABLE
    tell = Teller(ground, trip, bears, start, goal)
    shortest = least_walk(ways, length, np.ones(len(bears), dtype=bool))
    possible, best = (least_walk(ways, length, allowed) for allowed in (passable, bears))
    if shortest is None or possible is None:
        raise SolveError(
            _why_not(plan, ask, tell, None if shortest is None else _least_of(ways, length, ~passable, trip))
        )
    most = (int(longest_nm(np.array(walk_nm(possible)), ask.detour)) << TIE_BITS) + (1 << TIE_BITS) - 1
    grade = np.where(passable, grades(trip, bears, profile), NEVER)
    front = not_beaten(ways, length, hard_nm(trip, bears), grade, most)
    shown = [front[row] for row in chosen_of(len(front), ask.alternatives)]
    parts = [tell.parts(walk, rank) for rank, walk in enumerate(shown, start=1)]
    hazards = pd.concat([tell.hazards(of_walk) for of_walk in parts], ignore_index=True)
    hardly = best_walks(ways, length, _refused_nm(trip, ~bears), passable, most=most)[-1]
    same = [rank for rank, walk in enumerate(shown, start=1) if walk.arcs == hardly.arcs]
    in_the_way = parts[0].iloc[:0] if best is not None else tell.parts(hardly, same[0] if same else 0)
    return Routing(
        plan=plan,
        ask=ask,
        study=ground.study,
        start=start,
        goal=goal,
        walks=tell.walks(shown, parts, hazards, walk_nm(possible) / 1e9),
        parts=gpd.GeoDataFrame(pd.concat(parts, ignore_index=True), geometry="geometry", crs=ground.study.crs),
        hazards=gpd.GeoDataFrame(hazards, geometry="geometry", crs=ground.study.crs),
        not_beaten=len(front),
        shortest_m=walk_nm(shortest) / 1e9,
        profile_m=walk_nm(possible) / 1e9,
        borne_m=np.nan if best is None else walk_nm(best) / 1e9,
        in_the_way=tell.hazards(in_the_way, borne=False),
        least_walk=same[0] if same else 0,
        least_m=walk_nm(hardly) / 1e9,
    )


def _why_not(plan: Plan, ask: RouteAsk, tell: Teller, least: Walk | None) -> Findings:
    """Why nobody gets there, or not the profile: the steps on the walk with the least of them."""
    findings = Findings()
    if least is None and (kind := catalog.kind_called(ask.goal)) and not tell.goal.name:
        tried = tell.ground.study.facilities
        names = _told(tried[tried["facility_id"].isin(tell.goal.ids)])
        findings.error("route.none_of_kind", plan.file.name, kind=kind, count=len(names), ids=names[:NEAR_NAMES])
        return findings
    if least is None:
        findings.error("route.none", plan.file.name)
        return findings
    parts = tell.parts(least, 0)
    steps = parts[parts["governed_by"] == "steps"]
    names = [str(name) for name in steps["street_id"]][:NEAR_NAMES]
    metres = round(float(steps["length_m"].sum()), 1)
    findings.error("route.impassable", plan.file.name, profile=ask.profile, metres=metres, ids=names)
    return findings


def not_beaten(ways: Ways, length: np.ndarray, hard: np.ndarray, grade: np.ndarray, most: int) -> list[Walk]:
    """Walks up to `most` that none beats in length and stress, the least stress first. Stress is the worst grade of an
    arc, then how much is hard. `length` holds nanometres above `TIE_BITS`.

    For each grade the walks of no worse one, if shorter than every walk of a lesser: that they are of this grade
    follows.
    """
    front = list[Walk]()
    for worst in np.unique(grade[grade < NEVER]).tolist():
        of_grade = best_walks(ways, length, hard, grade <= worst, most=most)
        kept = dict[int, Walk]()  # of walks equally long, the one with least that is hard
        for walk in of_grade:
            kept[walk_nm(walk)] = walk
        front += sorted(kept.values(), key=lambda walk: walk.burden)
        if front:
            most = min(most, (min(map(walk_nm, front)) << TIE_BITS) - 1)
    return front


def grades(trip: Trip, bears: np.ndarray, profile: Profile) -> np.ndarray:
    """By arc its stress; of what the profile does not bear at least one more than the most that it does."""
    most = max(profile.most_segment_stress.value, profile.most_crossing_stress.value)
    stress = trip.graph.stress.astype(int)
    return np.where(bears, stress, np.maximum(stress, most + 1))


def chosen_of(count: int, wanted: int) -> list[int]:
    """Positions of at most `wanted` of `count` walks: the first, the last, and evenly between."""
    if wanted == 1:
        return [0]
    return np.unique(np.rint(np.linspace(0, count - 1, min(count, wanted))).astype(int)).tolist()  # type: ignore[no-any-return]


def ways_of(trip: Trip) -> Ways:
    graph = trip.graph
    start_key, goal_key = (nm << TIE_BITS for nm in (trip.start_nm, trip.goal_nm))
    return Ways(graph.tail, graph.head, len(graph.junction), trip.starts, start_key, trip.goals, goal_key)


def with_ties(trip: Trip, profile: Profile) -> np.ndarray:
    over = trip.graph.crossing >= 0
    wait = crossing_waits_s(trip.graph.crossings["crossing_type"].to_numpy(dtype=object), profile)
    ties = np.zeros(len(over), dtype=np.int64)
    ties[over] = 1 + np.rint(wait[trip.graph.crossing[over]]).astype(np.int64)
    return (trip.nm << TIE_BITS) + ties


def hard_nm(trip: Trip, bears: np.ndarray) -> np.ndarray:
    """By arc, how much of it is hard (above low stress, or not borne): its length, of a crossing the road's width."""
    return _refused_nm(trip, ~bears | (trip.graph.stress > catalog.stress_rules()["limit"]))


def _refused_nm(trip: Trip, unwanted: np.ndarray) -> np.ndarray:
    """By arc, how much of it is `unwanted`, as `hard_nm` has it."""
    return np.where(unwanted, np.maximum(_wide_nm(trip), 1), 0)


def _wide_nm(trip: Trip) -> np.ndarray:
    over = trip.graph.crossing >= 0
    wide = trip.nm.copy()
    lanes = trip.graph.crossings["lanes_count"].to_numpy(dtype=float)
    wide[over] = nanometres(LANE_M * lanes[trip.graph.crossing[over]])
    return wide


def _least_of(ways: Ways, length: np.ndarray, unwanted: np.ndarray, trip: Trip) -> Walk:
    """Of all walks the one with the fewest metres of what is `unwanted`, then the shortest."""
    above = 1 << 100
    walk = least_walk(
        ways,
        _refused_nm(trip, unwanted).astype(object) * above + length.astype(object),
        np.ones(len(unwanted), dtype=bool),
    )
    assert walk is not None, "a walk was found before"
    return walk
