"""The datum doctor: which reading of a layer's coordinates puts it where it belongs among streets and buildings.

Under the right reading, facilities keep a like distance from the streets and stand in or beside buildings; under a
wrong one they stand hundreds of metres from where they belong, as random places near by do. So every reading is scored
by the log-likelihood ratio of its distances, "a facility" against "a random place near by", and the score is judged by
those that the same points get when they are moved together, by 200 to 1,500 m, in all directions: a score that such
moves reach tells nothing, whatever the pattern of the streets or of the points. docs/methods.md has the formulas and
what the doctor gets wrong.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from math import exp, log, pi, sqrt
from statistics import NormalDist

import numpy as np
import shapely

from cfc_geo.inputs.readings import Reading

LIKELY, CERTAIN = 0.95, 0.999
"""A verdict needs the first probability; to refuse a file needs the second."""
FEWEST, MOST_POINTS = 3, 200
NEAREST_MOVE_M, FARTHEST_MOVE_M = 200.0, 1_500.0
FEWEST_MOVES, MOST_MOVES, WORK = 200, 2_000, 20_000
NEAR_M = 5_000.0
"""A reading that puts most points farther than this from the place is no reading of it."""

EDGES_M = np.array([0.01, 2, 4, 7, 10, 15, 20, 30, 40, 60, 80, 110, 150])
"""Classes of distance, the first of them "in it". What is farther than the last says nothing for or against."""
SETBACKS_M, SETBACK_SPREAD = (5, 10, 20, 40), 0.7
"""How far facilities may stand from a street: log-normal about one of these (A). The layer itself decides which."""
ON_STREETS = (0.3, 2)
BY_BUILDINGS = ((0.8, 5), (0.5, 15), (0.3, 40), (0.0, 20))
"""Or: the share of a layer's records on the line of a street, or in a building, and how far the others are from it by
their mean, in metres; exponential (A)."""
ELSEWHERE = 0.2
"""Share of genuine records that stand anywhere: it bounds what one record can say against a reading."""
MOST_SAYS = 2.0
"""What one record can say for a reading, in natural logarithms."""
LEAST_NEAR = 0.05
"""Where fewer moved points than this come near a layer, it is no evidence."""
EFFECT = 4.0
"""Spread of the score of the right reading, in standard deviations of the moved ones, that is expected beforehand."""
NORMAL = NormalDist()


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of the ground, in one projected CRS: street lines, building outlines, the units' whole."""

    streets: np.ndarray
    buildings: np.ndarray
    place: shapely.Geometry | None = None

    @cached_property
    def trees(self) -> tuple[shapely.STRtree, shapely.STRtree]:
        """The streets and the buildings, each as a tree that finds the nearest, built once for all layers."""
        return shapely.STRtree(self.streets), shapely.STRtree(self.buildings)


@dataclass(frozen=True)
class Weighed:
    """A reading and what speaks for it: medians in metres (NaN without such a layer), the share of points inside the
    units (NaN without units), the score in standard deviations of moved points, and the probability."""

    reading: Reading
    street_m: float
    building_m: float
    inside: float
    score: float
    probability: float


@dataclass(frozen=True)
class Diagnosis:
    """All readings, the likeliest first. `verdict` is None where nobody can tell, and `reason` says why: "few" points,
    "no_evidence" (no streets and no buildings, or far too few), "alike" (several readings, or none, fit),
    "elsewhere" (no reading puts most points in the place), "no_rival" (there is nothing to compare with). A verdict
    for the reason "alone" rests on the numbers: no other reading puts most points in the place.
    """

    weighed: tuple[Weighed, ...]
    verdict: Reading | None
    reason: str
    points: int

    def probability(self, reading: Reading) -> float:
        """What is left for `reading` once all are weighed."""
        return sum(row.probability for row in self.weighed if row.reading == reading)


def diagnose(places: Mapping[Reading, np.ndarray], evidence: Evidence) -> Diagnosis:
    """Weigh the readings of a layer: for each, where it puts every point (n × 2, metres, one order for all).

    Pure; the verdict depends neither on the order of the points nor on duplicates. At most `MOST_POINTS` are used.
    """
    near = {reading: xy for reading, xy in places.items() if _is_near(xy, evidence)}
    if len(near) < 2:
        return _by_numbers(places, near, evidence)
    xy = _distinct(np.stack(list(near.values())))
    reason, score = "few", np.zeros(len(near))
    if xy.shape[1] >= FEWEST:
        compared = _distances(xy, evidence)
        reason, score = ("", _scores(compared)) if compared else ("no_evidence", score)
    weighed = _table(list(near), xy, evidence, score, _probabilities(score))
    sure = not reason and weighed[0].probability >= LIKELY
    verdict = weighed[0].reading if sure else None
    return Diagnosis(weighed, verdict, reason or ("" if sure else "alike"), xy.shape[1])


def _is_near(xy: np.ndarray, evidence: Evidence) -> bool:
    """Whether a reading puts half of the points into the place or a few kilometres around it."""
    if evidence.place is None:
        return True
    distance_m = shapely.distance(shapely.points(xy), evidence.place)
    return bool(np.mean(distance_m <= NEAR_M) >= 0.5) if len(xy) else True


def _by_numbers(
    places: Mapping[Reading, np.ndarray], near: Mapping[Reading, np.ndarray], evidence: Evidence
) -> Diagnosis:
    """What can be said where at most one reading puts the points in the place."""
    shown = list(near or places)
    xy = _distinct(np.stack([places[reading] for reading in shown])) if shown else np.empty((0, 0, 2))
    weighed = _table(shown, xy, evidence, np.zeros(len(shown)), np.zeros(len(shown)))
    alone = next(iter(near), None)
    told = alone is not None and (alone.swapped or alone.datum.startswith("EPSG:"))
    reason = "alone" if told else "no_rival" if near else "elsewhere"
    return Diagnosis(weighed, alone if told else None, reason, xy.shape[1])


def _table(
    readings: list[Reading], xy: np.ndarray, evidence: Evidence, score: np.ndarray, probability: np.ndarray
) -> tuple[Weighed, ...]:
    streets, buildings = evidence.trees
    rows = [
        Weighed(
            reading,
            _median_m(streets, xy[row]),
            _median_m(buildings, xy[row]),
            _inside(xy[row], evidence),
            float(score[row]),
            float(probability[row]),
        )
        for row, reading in enumerate(readings)
    ]
    return tuple(sorted(rows, key=lambda one: -one.probability))


def _distinct(xy: np.ndarray) -> np.ndarray:
    """Readings × points × 2 with every point once, in an order of its own, thinned evenly to `MOST_POINTS`."""
    flat = np.unique(np.concatenate(list(xy), axis=1), axis=0)
    kept = flat[np.linspace(0, len(flat) - 1, min(len(flat), MOST_POINTS)).astype(int)]
    return np.stack(np.split(kept, len(xy), axis=1))


def _moved(xy: np.ndarray) -> np.ndarray:
    """Moves × points × 2: the points of the readings in turn, moved as one by vectors spread evenly over a ring."""
    count = int(np.clip(WORK // max(xy.shape[1], 1), FEWEST_MOVES, MOST_MOVES))
    step = np.arange(count)
    inner, outer = NEAREST_MOVE_M**2, FARTHEST_MOVE_M**2
    radius = np.sqrt(inner + (outer - inner) * (step + 0.5) / count)
    angle = step * pi * (3 - sqrt(5))  # the golden angle: no two moves in one direction
    move = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    return np.asarray(xy[step % len(xy)] + move[:, None, :])


def _nearest_m(tree: shapely.STRtree, xy: np.ndarray, within_m: float | None = None) -> np.ndarray:
    """The distance of every place (… × 2) to the nearest shape of the tree, 0 inside one; inf beyond `within_m`."""
    points = shapely.points(xy.reshape(-1, 2))
    (point, _), distance_m = tree.query_nearest(points, max_distance=within_m, all_matches=False, return_distance=True)
    found = np.full(len(points), np.inf)
    found[point] = distance_m
    return found.reshape(xy.shape[:-1])


@dataclass(frozen=True, eq=False)
class _Compared:
    """Distances to one layer: of the points as read (readings × points) and as moved (moves × points), and the shapes
    that the distances of genuine facilities may have, as shares by class of `EDGES_M`."""

    found_m: np.ndarray
    moved_m: np.ndarray
    shapes: tuple[np.ndarray, ...]


def _distances(xy: np.ndarray, evidence: Evidence) -> list[_Compared]:
    """The distances to each layer that comes near enough to tell anything."""
    moved = _moved(xy)
    far_m, shapes = float(EDGES_M[-1]), (_shapes_by_street(), _shapes_by_building())
    compared = [
        _Compared(_nearest_m(tree, xy, far_m), _nearest_m(tree, moved, far_m), likely)
        for tree, likely in zip(evidence.trees, shapes, strict=True)
        if len(tree)
    ]
    return [one for one in compared if np.mean(one.moved_m < EDGES_M[-1]) >= LEAST_NEAR]


def _scores(compared: list[_Compared]) -> np.ndarray:
    """By reading: how many standard deviations its score lies above those of moved points.

    No more than their ranks allow where some of them reach it, and no more than the likelihood ratio itself says.
    """
    totals = [_totals(one) for one in compared]
    found, moved = (np.sum([total[side] for total in totals], axis=0) for side in (0, 1))
    above, spread = found - np.mean(moved), float(np.std(moved))
    if spread == 0:
        return np.zeros(len(found))
    reach = (moved[None, :] >= found[:, None]).sum(axis=1)
    cap = [NORMAL.inv_cdf(1 - (1 + count) / (len(moved) + 2)) if count else np.inf for count in reach]
    return np.asarray(np.minimum(np.minimum(above / spread, cap), np.sqrt(2 * np.maximum(above, 0))))


def _totals(one: _Compared) -> tuple[np.ndarray, np.ndarray]:
    """The log-likelihood ratios of a layer, added up: by reading, and by move; of the shape that fits each best."""
    found, moved = np.digitize(one.found_m, EDGES_M), np.digitize(one.moved_m, EDGES_M)
    count = np.bincount(moved.ravel(), minlength=len(EDGES_M) + 1)[: len(EDGES_M)]
    at_random = (count + 1) / (count.sum() + len(count))
    says = [
        np.append(np.minimum(np.log((1 - ELSEWHERE) * shape / at_random + ELSEWHERE), MOST_SAYS), 0.0)
        for shape in one.shapes
    ]
    says.append(np.zeros(len(EDGES_M) + 1))  # or the layer is no evidence of these points: they stand as if at random
    best_found, best_moved = (np.max([say[group].sum(axis=1) for say in says], axis=0) for group in (found, moved))
    return best_found, best_moved


@cache
def _shapes_by_street() -> tuple[np.ndarray, ...]:
    set_back = [
        _shares([NORMAL.cdf(log(edge / setback_m) / SETBACK_SPREAD) for edge in EDGES_M]) for setback_m in SETBACKS_M
    ]
    return (_beside(*ON_STREETS), *set_back)


@cache
def _shapes_by_building() -> tuple[np.ndarray, ...]:
    return tuple(_beside(inside, mean_m) for inside, mean_m in BY_BUILDINGS)


def _beside(inside: float, mean_m: float) -> np.ndarray:
    return _shares([inside + (1 - inside) * (1 - exp(-edge / mean_m)) for edge in EDGES_M])


def _shares(below: list[float]) -> np.ndarray:
    """The share of each class among all within the last edge, from the share below each edge."""
    return np.asarray(np.diff([0.0, *below]) / below[-1])


def _probabilities(score: np.ndarray) -> np.ndarray:
    """The probability of each reading, all and "none of these" being equally likely beforehand.

    A wrong reading scores as moved points do, N(0, 1); the right one is higher by an effect that is half-normal with
    scale `EFFECT`. Their ratio, the effect integrated out, is in closed form.
    """
    shrink = EFFECT / sqrt(1 + EFFECT**2)
    ratio = np.array(
        [2 / sqrt(1 + EFFECT**2) * exp(min(one * one * shrink * shrink / 2, 300)) * NORMAL.cdf(one * shrink)
         for one in score]
    )  # fmt: skip
    return np.asarray(ratio / (ratio.sum() + 1))


def _median_m(tree: shapely.STRtree, xy: np.ndarray) -> float:
    return float(np.median(_nearest_m(tree, xy))) if len(tree) and len(xy) else float("nan")


def _inside(xy: np.ndarray, evidence: Evidence) -> float:
    if evidence.place is None or not len(xy):
        return float("nan")
    return float(shapely.intersects_xy(evidence.place, xy).mean())
