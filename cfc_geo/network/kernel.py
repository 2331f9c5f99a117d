"""The one hot loop: bounded shortest walks from entrances, against the walking direction, to the origins around them.

A label-correcting search with a bucket queue (Dial 1969; Denardo & Fox 1979). The *key* of a node is its distance in
nanometres with the label of the facility in the low bits: one comparison of integers settles distance first, label on
ties, and labels stay right however often a node is improved. `state` keeps each node's best key beside the key it was
last scanned with; where they are equal, an entry of the queue is stale. The entries also list what was touched, so a
search costs what it reaches and leaves its buffers clean for the next.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Final, NamedTuple

import numpy as np
from numba import njit

from cfc_geo.model import Links

KEY_BITS: Final = 62
"""Keys span less than 2⁶², so that no sum of a key and a link overflows."""

NEVER: Final = 0
"""The key of what has not been reached: above every other, and what fresh memory holds, so that filling it is free."""

NOWHERE: Final = -(1 << KEY_BITS)
"""The key of no distance and label 0. Keys count up from here, and so stay below `NEVER`."""

MAX_BUCKETS: Final = 1 << 16
MAX_WORKERS: Final = 8

ENTRANCES_AT_ONCE: Final = 32
"""Entrances from which a search spreads together. If these are neighbours, what it touches stays in the cache."""

LOW_BITS: Final = (1 << 32) - 1
ZERO: Final = np.int64(0)
"""A zero of the type it will keep: with a plain 0 numba would compile what it is passed to twice."""


class Walk(NamedTuple):
    """Where a search may go: search → entrances (with label) → nodes → nodes → origins, and entrances → origins."""

    starts: Links
    gates: Links
    arcs: Links
    doors: Links
    direct: Links


class Keys(NamedTuple):
    """How keys are cut: from `NOWHERE` on, key >> label_bits is nanometres, key >> bucket_bits the bucket."""

    label_bits: int
    bucket_bits: int


class Scratch(NamedTuple):
    """Buffers of one worker; between searches `state` and `best` are NEVER throughout, `bucket` is -1.

    state    node × (best key, key when last scanned)
    bucket   the latest entry of each bucket of the queue
    best     origin → best key
    reached  the origins reached, in no order
    """

    state: np.ndarray
    bucket: np.ndarray
    best: np.ndarray
    reached: np.ndarray


class Reached(NamedTuple):
    """What a batch of searches reached, from search `first` on: `counts` of each, then origin, nm and label of all."""

    first: int
    counts: np.ndarray
    origin: np.ndarray
    nm: np.ndarray
    label: np.ndarray


def search(
    walk: Walk, limit_nm: np.ndarray, *, origins: int, longest_nm: int, bucket_nm: int, searches_at_once: int
) -> Iterator[Reached]:
    """Run every search of `walk.starts` to its own inclusive limit, on all processors; results come in order.

    The `nm` of `walk.starts` are labels, from 0. There are `origins` origins, and no other link is longer than
    `longest_nm`. A search is faster if its entrances come in order of place; it costs what it reaches, however large
    the network. Raises `ValueError` where a distance and a label do not fit into one key together, which takes 100,000
    labels and a walk or a segment of more than 30 km.
    """
    searches = len(limit_nm)
    keys = _cut_keys(walk, limit_nm, longest_nm, bucket_nm)
    firsts = range(0, searches, searches_at_once)
    workers = max(1, min(os.cpu_count() or 1, MAX_WORKERS, len(firsts)))
    buckets = int((limit_nm.max(initial=0) + 1 << keys.label_bits) >> keys.bucket_bits) + 1
    idle: SimpleQueue[Scratch] = SimpleQueue()
    for _ in range(workers):
        idle.put(_scratch(len(walk.arcs.start) - 1, origins, buckets))

    def run(first: int) -> Reached:
        scratch = idle.get()
        try:
            last = min(first + searches_at_once, searches)
            count, origin, key = _reach(walk, limit_nm, first, last, keys, scratch)
            return Reached(first, count, origin, key >> keys.label_bits, key & ((1 << keys.label_bits) - 1))
        finally:
            idle.put(scratch)

    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(run, firsts)


def _cut_keys(walk: Walk, limit_nm: np.ndarray, longest_nm: int, bucket_nm: int) -> Keys:
    """As many bits as the labels need, the rest for distance; buckets a power of two near `bucket_nm` wide."""
    label_bits = int(walk.starts.nm.max(initial=0)).bit_length()
    limit = int(limit_nm.max(initial=0))
    if (limit + longest_nm + 1).bit_length() + label_bits > KEY_BITS:
        raise ValueError(f"a walk of {limit / 1e9:,.0f} m and {label_bits} bits of facility labels do not fit a key")
    return Keys(label_bits, label_bits + max(bucket_nm, limit // MAX_BUCKETS, 1).bit_length())


def _scratch(nodes: int, origins: int, buckets: int) -> Scratch:
    return Scratch(
        state=np.zeros((nodes, 2), dtype=np.int64),
        best=np.zeros(origins, dtype=np.int64),
        reached=np.empty(origins, dtype=np.int64),
        bucket=np.full(buckets, -1),
    )


# What follows is compiled. The queue is a list of entries: the node in the low 32 bits, and in the high ones the entry
# before it in its bucket (-1: none). In hot loops no array gets a new name: counting the owners of arrays would cost
# more than the search itself.


@njit(cache=True, nogil=True)
def _reach(walk, limit_nm, first, last, keys, scratch):  # type: ignore[no-untyped-def]
    """Searches first … last - 1: (count of each, origin, key). Leaves `scratch` as it found it."""
    starts, gates, arcs, doors, direct = walk
    best, reached = scratch.best, scratch.reached
    queue = np.empty(1024, dtype=np.int64)
    counts = np.empty(last - first, dtype=np.int64)
    origin = np.empty(1024, dtype=np.int64)
    key = np.empty(1024, dtype=np.int64)
    found = ZERO
    for search in range(first, last):
        fence = NOWHERE + ((limit_nm[search] + 1) << keys.label_bits)
        size = count = ZERO
        end = starts.start[search + 1]
        for batch in range(starts.start[search], end, ENTRANCES_AT_ONCE):
            for s in range(batch, min(batch + ENTRANCES_AT_ONCE, end)):
                entrance, from_key = starts.to[s], NOWHERE + starts.nm[s]
                count = _offer(direct, entrance, from_key, fence, keys, scratch, count)
                queue = _longer(queue, size, gates.start[entrance + 1] - gates.start[entrance])
                size = _improve(gates, entrance, from_key, fence, keys, scratch, queue, size)
            b = ZERO
            while b >= 0:
                b, size = _spread(arcs, b, fence, keys, scratch, queue, size)
                if b >= 0:
                    queue = _longer(queue, size, len(queue))
        count = _knock(doors, fence, keys, scratch, queue, size, count)
        origin, key = _longer(origin, found, count), _longer(key, found, count)
        for r in range(count):
            origin[found + r], key[found + r] = reached[r], best[reached[r]] - NOWHERE
            best[reached[r]] = NEVER
        found += count
        counts[search - first] = count
    return counts, origin[:found], key[:found]


@njit
def _spread(arcs, b, fence, keys, scratch, queue, size):  # type: ignore[no-untyped-def]
    """Scan nodes bucket by bucket, from bucket `b` on, until all are done (-1) or the queue is full: (bucket, size).

    What is added to the bucket in hand is scanned in the same turn.
    """
    state, bucket = scratch.state, scratch.bucket
    last = (fence - 1 - NOWHERE) >> keys.bucket_bits
    while b <= last:
        entry = bucket[b]
        if entry < 0:
            b += 1
            continue
        node = queue[entry] & LOW_BITS
        from_key = state[node, 0]
        if state[node, 1] == from_key:  # stale: scanned since, from a lower bucket
            bucket[b] = queue[entry] >> 32
        elif size + arcs.start[node + 1] - arcs.start[node] > len(queue):
            return b, size
        else:
            bucket[b] = queue[entry] >> 32
            state[node, 1] = from_key
            size = _improve(arcs, node, from_key, fence, keys, scratch, queue, size)
    return -1, size


@njit(inline="always")
def _improve(links, row, from_key, fence, keys, scratch, queue, size):  # type: ignore[no-untyped-def]
    """Lower the keys of the nodes linked to `row` and queue them, unless they wait in that bucket already: the size."""
    state, bucket = scratch.state, scratch.bucket
    for a in range(links.start[row], links.start[row + 1]):
        node = links.to[a]
        key = from_key + (links.nm[a] << keys.label_bits)
        old = state[node, 0]
        if key < old and key < fence:
            state[node, 0] = key
            b = (key - NOWHERE) >> keys.bucket_bits
            if (old - NOWHERE) >> keys.bucket_bits != b or state[node, 1] == old:
                queue[size] = (bucket[b] << 32) | node
                bucket[b] = size
                size += 1
    return size


@njit(inline="always")
def _offer(links, row, from_key, fence, keys, scratch, count):  # type: ignore[no-untyped-def]
    """Lower the keys of the origins linked to `row`, and list those reached for the first time: the count."""
    best, reached = scratch.best, scratch.reached
    for a in range(links.start[row], links.start[row + 1]):
        origin = links.to[a]
        key = from_key + (links.nm[a] << keys.label_bits)
        if key < best[origin] and key < fence:
            if best[origin] == NEVER:
                reached[count] = origin
                count += 1
            best[origin] = key
    return count


@njit
def _knock(doors, fence, keys, scratch, queue, size, count):  # type: ignore[no-untyped-def]
    """Go through the doors of every node touched, and wipe its state: the count of origins reached."""
    state = scratch.state
    for entry in range(size):
        node = queue[entry] & LOW_BITS
        if state[node, 0] != NEVER:
            count = _offer(doors, node, state[node, 0], fence, keys, scratch, count)
            state[node, 0] = state[node, 1] = NEVER
    return count


@njit
def _longer(values, size, more):  # type: ignore[no-untyped-def]
    """The first `size` values, moved to a longer array where `more` would not fit behind them."""
    if size + more <= len(values):
        return values
    longer = np.empty(2 * (size + more), dtype=np.int64)
    for place in range(size):
        longer[place] = values[place]
    return longer
