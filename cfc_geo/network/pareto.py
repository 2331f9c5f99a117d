"""Walks from some nodes to others that nothing beats in both length and burden, exactly.

Two-criteria search with bounds from behind, after BOA* (Hernández Ulloa, Yeoh, Baier, Zhang, Suazo & Koenig 2020, ICAPS
30): labels in the order of their least possible (length, burden); one whose burden is no less than that of an earlier
label of its node, or of a walk found, is beaten. All costs are whole numbers, so that a tie is a tie.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Final, NamedTuple

import numpy as np

NEVER: Final = 1 << 200


class Walk(NamedTuple):
    """Arcs in order, from `starts[start]` to `goals[goal]`; `length` and `burden` with both ends'."""

    length: int
    burden: int
    start: int
    goal: int
    arcs: list[int]


@dataclass(frozen=True, eq=False)
class Ways:
    """A directed multigraph: arcs from `tail` to `head`, sorted by `head`, and where one may set out and arrive, each
    with the length of the access leg."""

    tail: np.ndarray
    head: np.ndarray
    nodes: int
    starts: np.ndarray
    start_length: np.ndarray
    goals: np.ndarray
    goal_length: np.ndarray


def least_walk(ways: Ways, length: np.ndarray, allowed: np.ndarray) -> Walk | None:
    """A shortest walk over `allowed` arcs, however long; None where there is none. Its burden is 0."""
    to_go, onward, goal_of = _to_go(ways, length, ways.goal_length, allowed, until_starts=True)
    reached = [(extra + to_go[node], number) for number, (node, extra) in enumerate(_starts(ways)) if node in to_go]
    if not reached:
        return None
    whole, start = min(reached)
    node, arcs = int(ways.starts[start]), list[int]()
    while onward[node] >= 0:
        arcs.append(onward[node])
        node = int(ways.head[onward[node]])
    return Walk(whole, 0, start, goal_of[node], arcs)


def best_walks(ways: Ways, length: np.ndarray, burden: np.ndarray, allowed: np.ndarray, *, most: int) -> list[Walk]:
    """Every length and burden that no walk over `allowed` arcs beats, with one walk of each, the shortest first; none
    is longer than `most`."""
    to_go, _, _ = _to_go(ways, length, ways.goal_length, allowed, most=most)
    reached = np.zeros(ways.nodes, dtype=bool)
    reached[list(to_go)] = True
    near = allowed & reached[ways.tail] & reached[ways.head]
    lightest, _, _ = _to_go(ways, burden, np.zeros(len(ways.goals), dtype=np.int64), near)
    onward, ends = _outgoing(ways, length, burden, near), _nearest_goals(ways)
    return [_traced(label) for label in _labels_there(ways, onward, ends, to_go, lightest, most)]


class _Label(NamedTuple):
    """A way from a start to `node` (-1: there), last along `arc` (~start: none yet; ~goal: there)."""

    whole: int  # no way on is shorter,
    least: int  # or has less burden
    made: int
    length: int
    burden: int
    node: int
    arc: int
    before: "_Label | None"


def _labels_there(
    ways: Ways, onward: dict[int, list[tuple[int, int, int, int]]], ends: dict[int, tuple[int, int]],
    to_go: dict[int, int], lightest: dict[int, int], most: int,
) -> Iterator[_Label]:  # fmt: skip
    lightest_at, made = defaultdict[int, int](lambda: NEVER), count()
    labels = [
        _Label(extra + to_go[node], lightest[node], next(made), extra, 0, node, ~number, None)
        for number, (node, extra) in enumerate(_starts(ways))
        if node in to_go and extra + to_go[node] <= most
    ]
    heapq.heapify(labels)
    while labels:
        label = heapq.heappop(labels)
        node, so_far, borne = label.node, label.length, label.burden
        if label.least >= lightest_at[-1] or borne >= lightest_at[node]:
            continue
        lightest_at[node] = borne
        if node == -1:
            yield label
            continue
        if node in ends:
            whole = so_far + ends[node][0]
            if whole <= most:
                heapq.heappush(labels, _Label(whole, borne, next(made), whole, borne, -1, ~ends[node][1], label))
        for arc, head, metres, weight in onward.get(node, ()):
            length, heavy = so_far + metres, borne + weight
            whole, least = length + to_go[head], heavy + lightest[head]
            if whole <= most and least < lightest_at[-1] and heavy < lightest_at[head]:
                heapq.heappush(labels, _Label(whole, least, next(made), length, heavy, head, arc, label))


def _traced(there: _Label) -> Walk:
    arcs, label = list[int](), there.before
    while label is not None and label.arc >= 0:
        arcs.append(label.arc)
        label = label.before
    assert label is not None, "a walk begins at a start"
    return Walk(there.length, there.burden, ~label.arc, ~there.arc, arcs[::-1])


def _to_go(
    ways: Ways, cost: np.ndarray, at_goals: np.ndarray, allowed: np.ndarray, *, most: int = NEVER,
    until_starts: bool = False,
) -> tuple[dict[int, int], dict[int, int], dict[int, int]]:  # fmt: skip
    """By node, searched backward from the goals: the least cost to a goal, the arc to take (-1 at a goal); by node
    where a walk ends, its goal. No node costs more than `most`; `until_starts` leaves out what no cheapest walk from a
    start needs."""
    first = np.concatenate(([0], np.cumsum(np.bincount(ways.head, minlength=ways.nodes)))).tolist()
    tail, costs, may_walk = ways.tail.tolist(), cost.tolist(), allowed.tolist()
    settled, onward, goal_of = dict[int, int](), dict[int, int](), dict[int, int]()
    extra_of = dict(sorted(_starts(ways), key=lambda start: -start[1])) if until_starts else {}
    heap = [
        (extra, node, -1, goal)
        for goal, (node, extra) in enumerate(zip(ways.goals.tolist(), at_goals.tolist(), strict=True))
    ]
    heapq.heapify(heap)
    while heap:
        so_far, node, arc, goal = heapq.heappop(heap)
        if so_far > most:
            break
        if node in settled:
            continue
        settled[node], onward[node] = so_far, arc
        if arc < 0:
            goal_of[node] = goal
        if node in extra_of:
            most = min(most, so_far + extra_of[node])
        for back in range(first[node], first[node + 1]):
            if may_walk[back] and tail[back] not in settled and so_far + costs[back] <= most:
                heapq.heappush(heap, (so_far + costs[back], tail[back], back, -1))
    return settled, onward, goal_of


def _outgoing(
    ways: Ways, length: np.ndarray, burden: np.ndarray, allowed: np.ndarray
) -> dict[int, list[tuple[int, int, int, int]]]:
    """Node → (arc, head, length, burden) of what may be walked from it."""
    rows = np.flatnonzero(allowed)
    onward = defaultdict[int, list[tuple[int, int, int, int]]](list)
    columns = (ways.tail[rows], rows, ways.head[rows], length[rows], burden[rows])
    for tail, arc, head, metres, weight in zip(*(column.tolist() for column in columns), strict=True):
        onward[tail].append((arc, head, metres, weight))
    return onward


def _starts(ways: Ways) -> list[tuple[int, int]]:
    return list(zip(ways.starts.tolist(), ways.start_length.tolist(), strict=True))


def _nearest_goals(ways: Ways) -> dict[int, tuple[int, int]]:
    """Node → (access leg, goal) of the goal that is nearest from there."""
    goals = zip(ways.goals.tolist(), ways.goal_length.tolist(), range(len(ways.goals)), strict=True)
    return {node: (extra, goal) for node, extra, goal in sorted(goals, key=lambda goal: (-goal[1], -goal[2]))}
