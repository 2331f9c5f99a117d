"""The hot loop of flows: from each facility one shortest-path tree a ceiling of stress, and children gathered along it.

Keys are whole: nanometres above, the stress of all crossings in the low `PENALTY_BITS`, so that of walks of one length
those over the easiest crossings win, and every arc is longer than nothing. Nodes are settled in order of their key
(Dijkstra 1959); σ counts shortest walks, and children are handed on from far to near in its proportion (Brandes 2001,
*J. Mathematical Sociology* 25(2)), so that every shortest walk carries the same share.
"""

from typing import Final, NamedTuple

import numpy as np
from numba import njit

PENALTY_BITS: Final = 16
FAR: Final = np.int64(1 << 62)
"""The key of what is not reached."""


class Arcs(NamedTuple):
    """Those into node n are start[n]:start[n + 1]; each has the node it comes from, its key, and its excess."""

    start: np.ndarray
    tail: np.ndarray
    key: np.ndarray
    excess: np.ndarray


class Steps(NamedTuple):
    """Steps grouped by row (facility, or origin): node, key, excess."""

    start: np.ndarray
    node: np.ndarray
    key: np.ndarray
    excess: np.ndarray


class Straight(NamedTuple):
    """Straight walks grouped by trip: key, excess."""

    start: np.ndarray
    key: np.ndarray
    excess: np.ndarray


class Trips(NamedTuple):
    """Trips grouped by facility: origin, children, the longest walk that counts (nanometres, inclusive)."""

    start: np.ndarray
    origin: np.ndarray
    children: np.ndarray
    most_nm: np.ndarray


class Gathered(NamedTuple):
    """Children on every arc, gate (a facility's step), door (an origin's step) and straight walk."""

    arcs: np.ndarray
    gates: np.ndarray
    doors: np.ndarray
    straight: np.ndarray


class Scratch(NamedTuple):
    """Buffers; between searches `key` is FAR, `ways` and `flow` are 0 throughout."""

    key: np.ndarray
    ways: np.ndarray
    flow: np.ndarray
    order: np.ndarray


def scratch_of(nodes: int) -> Scratch:
    """Clean buffers for a graph of so many nodes."""
    return Scratch(
        np.full(nodes, FAR), np.zeros(nodes), np.zeros(nodes), np.empty(nodes, dtype=np.int64)
    )  # fmt: skip


@njit(cache=True, nogil=True)
def gather(first, last, ceilings, arcs, gates, doors, straight, trips, into, scratch):  # type: ignore[no-untyped-def]
    """Facilities first … last - 1. `ceilings` rise; the last bears all that can be walked.

    Fills `into` with every trip at the lowest ceiling that brings it within its longest walk. Returns by trip (also of
    other facilities) how long its walk is, nanometres, and its ceiling, both -1 where there is none.
    """
    nm = np.full(len(trips.origin), -1, dtype=np.int64)
    borne = np.full(len(trips.origin), -1, dtype=np.int8)
    for f in range(first, last):
        one, end = trips.start[f], trips.start[f + 1]
        for ceiling in ceilings:
            limit = _limit(trips, one, end, borne)
            if limit < 0:
                break
            count = _search(f, ceiling, limit, arcs, gates, scratch)
            some = False
            for t in range(one, end):
                if borne[t] >= 0:
                    continue
                key, ways = _best(t, ceiling, doors, straight, trips, scratch)
                if (key >> PENALTY_BITS) > trips.most_nm[t]:
                    continue
                nm[t], borne[t], some = key >> PENALTY_BITS, ceiling, True
                _leave(t, key, ways, ceiling, doors, straight, trips, into, scratch)
            if some:
                _pass_on(f, ceiling, count, arcs, gates, into, scratch)
            _wipe(count, scratch)
    return nm, borne


@njit(cache=True, nogil=True)
def bearable(ceiling, arcs, gates, doors, straight, trips, scratch):  # type: ignore[no-untyped-def]
    """Which trips have a walk below the ceiling within their longest walk."""
    found = np.zeros(len(trips.origin), dtype=np.bool_)
    nobody = np.full(len(trips.origin), -1, dtype=np.int8)
    for f in range(len(trips.start) - 1):
        one, end = trips.start[f], trips.start[f + 1]
        count = _search(f, ceiling, _limit(trips, one, end, nobody), arcs, gates, scratch)
        for t in range(one, end):
            key, _ = _best(t, ceiling, doors, straight, trips, scratch)
            found[t] = (key >> PENALTY_BITS) <= trips.most_nm[t]
        _wipe(count, scratch)
    return found


@njit(cache=True, nogil=True)
def nearest(limit_nm, ceiling, arcs, gates, doors, straight, scratch):  # type: ignore[no-untyped-def]
    """Nanometres from every origin to the nearest of all facilities (row 0 of `gates`; straight walks are grouped by
    origin), -1 beyond the limit."""
    origins = len(doors.start) - 1
    found = np.full(origins, -1, dtype=np.int64)
    limit = ((limit_nm + 1) << PENALTY_BITS) - 1
    count = _search(0, ceiling, limit, arcs, gates, scratch)
    for o in range(origins):
        key = FAR
        for d in range(doors.start[o], doors.start[o + 1]):
            if doors.excess[d] <= ceiling and scratch.key[doors.node[d]] < FAR:
                key = min(key, scratch.key[doors.node[d]] + doors.key[d])
        for s in range(straight.start[o], straight.start[o + 1]):
            if straight.excess[s] <= ceiling:
                key = min(key, straight.key[s])
        if key <= limit:
            found[o] = key >> PENALTY_BITS
    _wipe(count, scratch)
    return found


@njit
def _limit(trips, one, end, borne):  # type: ignore[no-untyped-def]
    """The longest key that counts for trips that have no walk yet; -1 where all have one, or may have none."""
    most = np.int64(-1)
    for t in range(one, end):
        if borne[t] < 0:
            most = max(most, trips.most_nm[t])
    return ((most + 1) << PENALTY_BITS) - 1


@njit
def _search(f, ceiling, limit, arcs, gates, scratch):  # type: ignore[no-untyped-def]
    """Settle all nodes within the limit, and count their shortest walks: how many there are, in `order`."""
    best, ways, order = scratch.key, scratch.ways, scratch.order
    keys, nodes = np.empty(1024, dtype=np.int64), np.empty(1024, dtype=np.int64)
    size = np.int64(0)
    for g in range(gates.start[f], gates.start[f + 1]):
        node, key = gates.node[g], gates.key[g]
        if gates.excess[g] <= ceiling and key <= limit and key <= best[node]:
            if key < best[node]:
                best[node], ways[node] = key, 0.0
                keys, nodes, size = _push(keys, nodes, size, key, node)
            ways[node] += 1.0
    count = np.int64(0)
    while size > 0:
        key, node = keys[0], nodes[0]
        size = _pop(keys, nodes, size)
        if key != best[node]:
            continue
        order[count] = node
        count += 1
        for a in range(arcs.start[node], arcs.start[node + 1]):
            longer = key + arcs.key[a]
            tail = arcs.tail[a]
            if arcs.excess[a] > ceiling or longer > limit or longer > best[tail]:
                continue
            if longer < best[tail]:
                best[tail], ways[tail] = longer, 0.0
                keys, nodes, size = _push(keys, nodes, size, longer, tail)
            ways[tail] += ways[node]
    return count


@njit
def _best(t, ceiling, doors, straight, trips, scratch):  # type: ignore[no-untyped-def]
    """The key of a trip's shortest walks, and how many they are."""
    best, ways, origin = FAR, 0.0, trips.origin[t]
    for d in range(doors.start[origin], doors.start[origin + 1]):
        node = doors.node[d]
        if doors.excess[d] > ceiling or scratch.key[node] == FAR:
            continue
        key = scratch.key[node] + doors.key[d]
        if key < best:
            best, ways = key, 0.0
        if key == best:
            ways += scratch.ways[node]
    for s in range(straight.start[t], straight.start[t + 1]):
        if straight.excess[s] > ceiling:
            continue
        if straight.key[s] < best:
            best, ways = straight.key[s], 0.0
        if straight.key[s] == best:
            ways += 1.0
    return best, ways


@njit
def _leave(t, best, ways, ceiling, doors, straight, trips, into, scratch):  # type: ignore[no-untyped-def]
    """Children leave through the doors of their shortest walks."""
    origin, children = trips.origin[t], trips.children[t]
    for d in range(doors.start[origin], doors.start[origin + 1]):
        node = doors.node[d]
        if doors.excess[d] <= ceiling and scratch.key[node] < FAR and scratch.key[node] + doors.key[d] == best:
            part = children * scratch.ways[node] / ways
            into.doors[d] += part
            scratch.flow[node] += part
    for s in range(straight.start[t], straight.start[t + 1]):
        if straight.excess[s] <= ceiling and straight.key[s] == best:
            into.straight[s] += children / ways


@njit
def _pass_on(f, ceiling, count, arcs, gates, into, scratch):  # type: ignore[no-untyped-def]
    """From far to near every node takes what the nodes behind it hand on; `flow` is 0 again afterwards."""
    best, ways, flow = scratch.key, scratch.ways, scratch.flow
    for place in range(count - 1, -1, -1):
        node = scratch.order[place]
        for a in range(arcs.start[node], arcs.start[node + 1]):
            tail = arcs.tail[a]
            if flow[tail] > 0.0 and arcs.excess[a] <= ceiling and best[tail] == best[node] + arcs.key[a]:
                part = flow[tail] * ways[node] / ways[tail]
                into.arcs[a] += part
                flow[node] += part
    for g in range(gates.start[f], gates.start[f + 1]):
        node = gates.node[g]
        if gates.excess[g] <= ceiling and gates.key[g] == best[node]:
            into.gates[g] += flow[node] / ways[node]
    for place in range(count):
        flow[scratch.order[place]] = 0.0


@njit
def _wipe(count, scratch):  # type: ignore[no-untyped-def]
    for place in range(count):
        node = scratch.order[place]
        scratch.key[node], scratch.ways[node] = FAR, 0.0


@njit
def _push(keys, nodes, size, key, node):  # type: ignore[no-untyped-def]
    if size == len(keys):
        more_keys, more_nodes = np.empty(2 * size, dtype=np.int64), np.empty(2 * size, dtype=np.int64)
        more_keys[:size], more_nodes[:size] = keys, nodes
        keys, nodes = more_keys, more_nodes
    place = size
    while place > 0:
        above = (place - 1) >> 1
        if keys[above] <= key:
            break
        keys[place], nodes[place] = keys[above], nodes[above]
        place = above
    keys[place], nodes[place] = key, node
    return keys, nodes, size + 1


@njit
def _pop(keys, nodes, size):  # type: ignore[no-untyped-def]
    """Take the least away: the new size."""
    size -= 1
    key, node = keys[size], nodes[size]
    place = 0
    while True:
        below = 2 * place + 1
        if below >= size:
            break
        if below + 1 < size and keys[below + 1] < keys[below]:
            below += 1
        if keys[below] >= key:
            break
        keys[place], nodes[place] = keys[below], nodes[below]
        place = below
    keys[place], nodes[place] = key, node
    return size
