"""What a reader knows of the children of one band: how counts by unit and square hang together, and what is shown."""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pandas as pd

from cfc_geo.questions.disclosure.blocks import Blocks, block_counts, class_bounds, share_bounds
from cfc_geo.questions.disclosure.rules import NOTHING, Rules
from cfc_geo.questions.disclosure.system import Key, System
from cfc_geo.tables import ALL_UNITS, CIRCLE

CHILDREN: Final = "children"
OF_KIND, OF_CIRCLE = ("covered", "gap", "unknown"), ("complete", "incomplete", "unknown")
"""Into what the children of a unit fall: by their access to a kind, by their whole circle."""
WALK, WALK_STEP_M = "mean_walk_m", 10.0
BLOCK, PART, BLOCK_SHARE = "block", "part", "complete_share"
"""A square; the children of a unit in it; what is shown of it beside its children."""
REST = "rest"
"""The children of a square whose circle is not known to be complete."""
OWN = "\n"
"""Marks the children of a unit who live in none of the units below it: never shown, but differences would tell."""
ENOUGH, ENOUGH_OF_KIND = 45, 200
"""Units within which tables may differ: so many suffice for what one gains to be lost by others unnoticed."""
CLEARLY: Final = 0.01
"""Children beyond a bound that itself does not belong to an interval."""
WORTH: Final = {"": 8.0, CIRCLE: 2.0, BLOCK: 0.5}
"""What it costs to keep a figure back, beside one of a kind: whatever children are divided into hangs on them."""
WALK_WORTH: Final = 0.3


@dataclass
class Counts:
    """The known counts of one band: unit → children; (unit, kind or CIRCLE) → what they fall into, and mean walks in
    metres; kind → limit in metres."""

    children: dict[str, float] = field(default_factory=dict)
    parts: dict[tuple[str, str], tuple[float, ...]] = field(default_factory=dict)
    walks: dict[tuple[str, str], float] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, coverage: pd.DataFrame, circle: pd.DataFrame) -> "Counts":
        """The counts of one band's rows."""
        found = cls()
        for row in coverage.itertuples():
            found.limits[row.kind] = row.limit_m
            if not math.isnan(row.children):
                found.children[row.unit_id] = row.children
                found.parts[row.unit_id, row.kind] = (row.covered, row.gap, row.unknown)
                found.walks[row.unit_id, row.kind] = row.mean_walk_m
        for row in circle.itertuples():
            if not math.isnan(row.children):
                found.children[row.unit_id] = row.children
                found.parts[row.unit_id, CIRCLE] = (row.complete, row.incomplete, row.unknown)
        return found

    def all(self) -> Iterator[tuple[Key, float]]:
        """Every count."""
        for unit, children in self.children.items():
            yield (unit, "", CHILDREN), children
        for (unit, kind), parts in self.parts.items():
            for name, count in zip(names(kind), parts, strict=True):
                yield (unit, kind, name), count


def names(kind: str) -> tuple[str, ...]:
    """Into what the children of a unit fall by their access to `kind`."""
    return OF_CIRCLE if kind == CIRCLE else OF_KIND


def walk_shown(metres: float) -> float:
    return math.floor(metres / WALK_STEP_M + 0.5) * WALK_STEP_M if not math.isnan(metres) else math.nan


def units_below(units: pd.DataFrame) -> dict[str, list[str]]:
    """Unit → the units just below it; those that are below none are below the whole place."""
    known = set(units["unit_id"])
    below: dict[str, list[str]] = {ALL_UNITS: []}
    for unit, parent in sorted(zip(units["unit_id"], units["parent_id"], strict=True)):
        below.setdefault(parent if parent in known else ALL_UNITS, []).append(unit)
    return below


def relate(
    counts: Counts, below: Mapping[str, list[str]], basket: tuple[str, ...], kept: set[Key], rules: Rules
) -> System:
    """The system of one band's counts by unit, in which every figure that is not `kept` back is shown."""
    system = System()
    places = _with_own(counts, below)
    for key, count in places.all():
        system.unknown(key, count)
    for unit, kind in [at for at in places.parts if at[1] != CIRCLE]:
        walked = places.walks.get((unit, kind), math.nan) * places.parts[unit, kind][0] / places.limits[kind]
        system.unknown((unit, kind, WALK), 0.0 if math.isnan(walked) else walked)
    of_unit: dict[str, list[Key]] = {}
    for key in system.number:
        of_unit.setdefault(key[0], []).append(key)
    parts_of = _parts_of(places, below)
    for unit, parts in parts_of.items():
        for key in of_unit[unit]:
            system.sums(key, [(part, *key[1:]) for part in parts if (part, *key[1:]) in system.number])
    for unit in [unit for unit in places.children if unit not in parts_of]:
        kinds = list(dict.fromkeys(kind for _, kind, name in of_unit[unit] if name != CHILDREN))
        _relate_unit(system, unit, kinds, basket)
    for key, value in zip(list(system.number), system.true, strict=True):
        if key not in kept and not key[0].endswith(OWN):
            _publish(system, key, value, counts, rules)
    return system


def relate_blocks(system: System, blocks: Blocks, band: str, kept: set[Key], rules: Rules) -> None:
    """Add the squares of a map: of their children those of `band` may be any, the others are as they are.

    So a table that a reader could take for the true one is found only among those that differ in one band; there are
    more, and the count that is asked for is safe all the more.
    """
    of_band = blocks.fragments[blocks.fragments["band"] == band]
    children, asked, complete = block_counts(blocks)
    totals = {CHILDREN: children, "asked": asked, "complete": complete}
    in_block: dict[str, list[Key]] = {}
    in_unit: dict[Key, list[Key]] = {}
    for row in of_band.itertuples():
        place = row.unit_id + OWN if (row.unit_id + OWN, "", CHILDREN) in system.number else row.unit_id
        if (place, "", CHILDREN) not in system.number:
            continue
        part: Key = (row.block_id, PART, place)
        system.unknown(part, row.children)
        in_block.setdefault(row.block_id, []).append(part)
        in_unit.setdefault((place, "", CHILDREN), []).append(part)
        if (place, CIRCLE, "complete") in system.number:
            system.unknown((*part, "complete"), row.complete)
            system.relate([(part, 1.0), ((*part, "complete"), -1.0)], 0.0, math.inf)
            in_unit.setdefault((place, CIRCLE, "complete"), []).append((*part, "complete"))
    for whole, parts in in_unit.items():
        system.sums(whole, parts)
    bounds = [*class_bounds(children, rules), *share_bounds(complete, asked)]
    for position, block in enumerate(blocks.squares["block_id"]):
        parts = in_block.get(block, [])
        with_circle = [(*part, "complete") for part in parts if (*part, "complete") in system.number]
        summed = {CHILDREN: parts, "asked": [part[:3] for part in with_circle], "complete": with_circle}
        for name, of in summed.items():
            key: Key = (block, BLOCK, name)
            number = system.unknown(key, totals[name][position])
            others = max(system.true[number] - sum(system.true[system.number[part]] for part in of), 0.0)
            system.relate([(key, 1.0), *((part, -1.0) for part in of)], others, others)
        rest: Key = (block, BLOCK, REST)
        system.unknown(rest, asked[position] - complete[position])
        system.sums((block, BLOCK, "asked"), [(block, BLOCK, "complete"), rest])
        _publish_block(system, block, [float(bound[position]) for bound in bounds], kept)


def small_blocks(blocks: Blocks, rules: Rules) -> set[Key]:
    """Figures of squares that say something of few children."""
    children, asked, complete = block_counts(blocks)
    few = rules.is_small(children)
    few_share = few | rules.is_small(complete) | rules.is_small(asked - complete)
    ids = blocks.squares["block_id"].to_numpy()
    return {(block, BLOCK, CHILDREN) for block in ids[few]} | {(block, BLOCK, BLOCK_SHARE) for block in ids[few_share]}


def wanted(
    system: System, below: Mapping[str, list[str]], rules: Rules, *, of_blocks: Collection[str]
) -> Iterator[tuple[set[int], dict[int, float]]]:
    """Unknowns near some small counts, and these: unknown → what it must be possible to take it for, `k` more than it
    is, so that what a reader can say of it is at least `k` wide, and does not end below `k`. Of squares: `of_blocks`.

    All that the children of the units around are divided into may change; in a place of many units, for what is said of
    one kind, only this and the circle, in more units.
    """
    small = rules.is_small(np.array(system.true))
    around, far_around = (_around(system, below, enough) for enough in (ENOUGH, ENOUGH_OF_KIND))
    in_block: dict[str, set[str]] = {}
    for key in system.number:
        if key[1] == PART:
            in_block.setdefault(key[0], set()).update(around[key[2]])
    near: dict[tuple[str, tuple[str, ...]], dict[int, float]] = {}
    for key, number in ((key, number) for key, number in system.number.items() if small[number]):
        target = system.true[number] + rules.k + CLEARLY
        at = ("", ())  # type: tuple[str, tuple[str, ...]]
        if key[1] == BLOCK and key[0] in of_blocks and key[2] in (CHILDREN, "complete", REST):
            at = ("", tuple(sorted(in_block.get(key[0], ()))))
        elif key[1] not in (BLOCK, PART) and key[2] != WALK:
            by_kind = key[1] not in ("", CIRCLE) and len(far_around[key[0]]) > len(around[key[0]])
            by_kind &= (
                system.true[system.number[key[0], "", CHILDREN]] >= target
            )  # the children themselves do not change
            at = (key[1], far_around[key[0]]) if by_kind else ("", around[key[0]])
        if at[1]:
            near.setdefault(at, {})[number] = target
    for (kind, places), targets in sorted(near.items(), key=lambda one: one[0][0] != ""):
        yield _free(system, set(places), kind), targets


def _free(system: System, places: set[str], kind: str) -> set[int]:
    """The unknowns of these units, and of the squares in which they have parts; with a `kind` only those of its own and
    of the circle."""
    parts = [key for key in system.number if key[1] == PART and key[2] in places]
    blocks = {key[0] for key in parts}
    free = {
        key: number
        for key, number in system.number.items()
        if (key[2] if key[1] == PART else key[0]) in (blocks if key[1] == BLOCK else places)
    }
    if kind:
        circle = ("complete", REST)
        free = {
            key: number
            for key, number in free.items()
            if key[1] in (kind, CIRCLE) or (key[1] in (PART, BLOCK) and key[-1] in circle)
        }
    return set(free.values())


def _around(system: System, below: Mapping[str, list[str]], enough: int) -> dict[str, tuple[str, ...]]:
    """Unit → the units that tables may change for its sake: itself, some beside it (`enough`, if there are so many),
    all that is below these, and all that is above."""
    known = {key[0] for key in system.number if key[1] == ""}
    parts = {unit: [p for p in (*under, unit + OWN) if p in known] for unit, under in below.items() if unit in known}
    found: dict[str, tuple[str, ...]] = {}

    def under(unit: str) -> list[str]:
        return [unit, *(deeper for part in parts.get(unit, ()) for deeper in under(part))]

    def walk(unit: str, above: tuple[str, ...], wider: tuple[str, ...]) -> None:
        above = (*above, unit)
        for group in _groups([(part, under(part)) for part in parts.get(unit, ())], enough):
            inside = tuple(deeper for _, all_below in group for deeper in all_below)
            around = wider if wider and len(inside) < enough else (*above, *inside)
            found.update(dict.fromkeys((part for part, _ in group), around))
            for part, _ in group:
                walk(part, above, around)

    walk(ALL_UNITS, (), ())
    return {ALL_UNITS: next(iter(found.values()), (ALL_UNITS,))} | found


def _groups(units: list[tuple[str, list[str]]], enough: int) -> Iterator[list[tuple[str, list[str]]]]:
    """Units with all that is below them, in their order, three or more together and `enough` in all; the last group
    takes what is left."""
    groups: list[list[tuple[str, list[str]]]] = []
    for unit in units:
        if groups and (len(groups[-1]) < 3 or sum(len(inside) for _, inside in groups[-1]) < enough):
            groups[-1].append(unit)
        else:
            groups.append([unit])
    if len(groups) > 1 and (len(groups[-1]) < 3 or sum(len(inside) for _, inside in groups[-1]) < enough):
        last = groups.pop()
        groups[-1] += last
    yield from groups


def _with_own(counts: Counts, below: Mapping[str, list[str]]) -> Counts:
    """`counts` and, as units of their own, the children who live in none of the units below theirs."""
    found = Counts(dict(counts.children), dict(counts.parts), dict(counts.walks), counts.limits)
    for unit, under in below.items():
        known = [part for part in under if part in counts.children]
        if unit not in counts.children or not known:
            continue
        own = counts.children[unit] - sum(counts.children[part] for part in known)
        if own > NOTHING:
            found.children[unit + OWN] = own
            for of, kind in [at for at in counts.parts if at[0] == unit]:
                rest = np.array(counts.parts[of, kind])
                rest = rest - sum(np.array(counts.parts[part, kind]) for part in known if (part, kind) in counts.parts)
                found.parts[unit + OWN, kind] = tuple(np.maximum(rest, 0.0).tolist())
    return found


def _parts_of(places: Counts, below: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Unit → all of which it is the sum, where they are known."""
    return {
        unit: [part for part in (*under, unit + OWN) if part in places.children]
        for unit, under in below.items()
        if unit in places.children and any(part in places.children for part in under)
    }


def _relate_unit(system: System, unit: str, kinds: list[str], basket: tuple[str, ...]) -> None:
    """How the counts of a unit at the bottom hang together."""
    whole: Key = (unit, "", CHILDREN)
    for kind in kinds:
        system.sums(whole, [(unit, kind, name) for name in names(kind)])
        if kind != CIRCLE:
            system.relate([((unit, kind, "covered"), 1.0), ((unit, kind, WALK), -1.0)], 0.0, math.inf)
    items = [kind for kind in basket if kind in kinds]
    if CIRCLE not in kinds or len(items) < len(basket):
        return
    complete: Key = (unit, CIRCLE, "complete")
    incomplete: Key = (unit, CIRCLE, "incomplete")
    for kind in items:
        system.relate([((unit, kind, "covered"), 1.0), (complete, -1.0)], 0.0, math.inf)
        system.relate([(incomplete, 1.0), ((unit, kind, "gap"), -1.0)], 0.0, math.inf)
    gaps = [((unit, kind, "gap"), 1.0) for kind in items]
    unknown = [((unit, kind, "unknown"), 1.0) for kind in items]
    system.relate([*gaps, (incomplete, -1.0)], 0.0, math.inf)
    system.relate([*gaps, *unknown, (complete, 1.0), (whole, -1.0)], 0.0, math.inf)


def _publish(system: System, key: Key, value: float, counts: Counts, rules: Rules) -> None:
    """The figure `key`, as it is shown."""
    unit, kind, name = key
    if name == WALK:
        shown = walk_shown(counts.walks.get((unit, kind), math.nan))
        if not math.isnan(shown):
            covered: Key = (unit, kind, "covered")
            for side, lower, upper in ((-1, 0.0, math.inf), (1, -math.inf, 0.0)):
                bound = (shown + side * WALK_STEP_M / 2) / counts.limits[kind]
                system.publish(key, [(key, 1.0), (covered, -bound)], lower, upper, WALK_WORTH)
        return
    lower, upper = (float(bound) for bound in rules.bounds(rules.rounded(np.array(value))))
    system.publish(key, [(key, 1.0)], lower, upper, WORTH.get(kind, 1.0) * (1 + math.log10(1 + value)))


def _publish_block(system: System, block: str, bounds: list[float], kept: set[Key]) -> None:
    """The classes of a square, as they are shown. `bounds`: of children and of the share, from and below."""
    key: Key = (block, BLOCK, CHILDREN)
    if key not in kept:
        system.publish(key, [(key, 1.0)], bounds[0], bounds[1], WORTH[BLOCK])
    share: Key = (block, BLOCK, BLOCK_SHARE)
    if share not in kept and not math.isnan(bounds[2]):
        complete: Key = (block, BLOCK, "complete")
        for bound, lower, upper in ((bounds[2], 0.0, math.inf), (bounds[3], -math.inf, 0.0)):
            terms = [(complete, 1.0), ((block, BLOCK, "asked"), -bound)]
            system.publish(share, terms, lower, upper, WORTH[BLOCK])
