"""Tables by unit as they may leave the office."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pandas as pd

from cfc_geo.questions.disclosure.hide import further_hidden
from cfc_geo.questions.disclosure.rules import NOTHING, SHOWN, SUPPRESSED, UNKNOWN, Rules
from cfc_geo.questions.disclosure.system import Key, System
from cfc_geo.tables import ALL_UNITS, CIRCLE

CHILDREN: Final = "children"
OF_KIND, OF_CIRCLE = ("covered", "gap", "unknown"), ("complete", "incomplete", "unknown")
"""Into what the children of a unit fall: by their access to a kind, by their whole circle."""
WALK, WALK_STEP_M = "mean_walk_m", 10.0
OWN = "\n"
"""Marks the children of a unit who live in none of the units below it: never shown, but differences would tell."""
CLEARLY: Final = 0.01
"""Children beyond a bound that itself does not belong to an interval."""


@dataclass(frozen=True, eq=False)
class Protected:
    """Tables by unit as they may leave the office: rows and columns of `tables.COVERAGE_COLUMNS` and
    `tables.CIRCLE_COLUMNS` (without `mean_items_share` and `most_missing_kind`): counts rounded, shares and walks of
    what is shown, NaN where a figure is kept back or unknown, and beside each, as `<column>_state`, which it is
    (`rules.SHOWN`, `SUPPRESSED`, `UNKNOWN`). `figures` and `hidden`: how many counts there are, and how many of them
    are kept back; which of those are small is not told."""

    coverage: pd.DataFrame
    circle: pd.DataFrame
    rules: Rules
    figures: int
    hidden: int


Counts = dict[str, float]


@dataclass
class _Band:
    """The counts of one band: unit → children; (unit, kind or CIRCLE) → what they fall into; metres walked."""

    children: Counts = field(default_factory=dict)
    parts: dict[tuple[str, str], tuple[float, float, float]] = field(default_factory=dict)
    walks: dict[tuple[str, str], float] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)


def protect(
    coverage: pd.DataFrame, circle: pd.DataFrame, units: pd.DataFrame, baskets: Mapping[str, tuple[str, ...]],
    rules: Rules, *, complementary: bool = True,
) -> Protected:  # fmt: skip
    """What may be shown of tables by unit (`tables.COVERAGE_COLUMNS`, `tables.CIRCLE_COLUMNS`).

    `units`: unit_id, parent_id. `baskets`: band → kinds of its circle. A count above 0 and under `rules.k` is kept
    back, and so is all that is said of children who are so few; then further figures, until every one of these counts
    could, for all that is shown, also be `rules.k` more than it is. Without `complementary` the last is left out, for
    comparison.
    """
    below = _units_below(units)
    hidden: set[Key] = set()
    for band in pd.unique(pd.concat([coverage["band"], circle["band"]])):
        counts = _counts(coverage[coverage["band"] == band], circle[circle["band"] == band])
        kept = _kept_back(counts, rules)
        if complementary:
            system = _system(counts, below, baskets.get(band, ()), kept, rules)
            kept |= further_hidden(system, _wanted(system, rules), _followers(counts))
        hidden |= {(band, *key) for key in kept}
    return _shown(coverage, circle, hidden, rules)


# ------------------------------------------------------------------------------------------------------------- counts


def _units_below(units: pd.DataFrame) -> dict[str, list[str]]:
    """Unit → the units just below it; those that are below none are below the whole place."""
    known = set(units["unit_id"])
    below: dict[str, list[str]] = {ALL_UNITS: []}
    for unit, parent in sorted(zip(units["unit_id"], units["parent_id"], strict=True)):
        below.setdefault(parent if parent in known else ALL_UNITS, []).append(unit)
    return below


def _counts(coverage: pd.DataFrame, circle: pd.DataFrame) -> _Band:
    """The known counts of one band's rows."""
    found = _Band()
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


def _names(kind: str) -> tuple[str, ...]:
    return OF_CIRCLE if kind == CIRCLE else OF_KIND


def _kept_back(counts: _Band, rules: Rules) -> set[Key]:
    """Small counts, and whatever is said of children who are so few."""
    few = {unit for unit, children in counts.children.items() if rules.is_small(np.array(children))}
    kept: set[Key] = {(unit, "", CHILDREN) for unit in few}
    for (unit, kind), parts in counts.parts.items():
        for name, count in zip(_names(kind), parts, strict=True):
            if unit in few or rules.is_small(np.array(count)):
                kept.add((unit, kind, name))
    return kept | {(unit, kind, WALK) for unit, kind, name in kept if name == "covered"}


def _followers(counts: _Band) -> dict[Key, tuple[Key, ...]]:
    """Mean walks are never shown without the children who walk."""
    return {(unit, kind, "covered"): ((unit, kind, WALK),) for unit, kind in counts.walks}


# ---------------------------------------------------------------------------------------------------------- relations


def _system(
    counts: _Band, below: Mapping[str, list[str]], basket: tuple[str, ...], kept: set[Key], rules: Rules
) -> System:
    """What a reader knows of one band: how its counts hang together, and every figure that is not `kept` back."""
    system = System()
    places = _with_own(counts, below)
    for unit in places.children:
        system.unknown((unit, "", CHILDREN), places.children[unit])
    for (unit, kind), parts in places.parts.items():
        for name, count in zip(_names(kind), parts, strict=True):
            system.unknown((unit, kind, name), count)
        if kind != CIRCLE:
            walked = places.walks.get((unit, kind), math.nan) * parts[0] / places.limits[kind]
            system.unknown((unit, kind, WALK), 0.0 if math.isnan(walked) else walked)
    keys = {key[0]: [] for key in system.number}  # type: dict[str, list[Key]]
    for key in system.number:
        keys[key[0]].append(key)
    for unit, parts_of in _parts_of(places, below).items():
        for key in keys[unit] if parts_of else []:
            system.sums(key, [(part, *key[1:]) for part in parts_of if (part, *key[1:]) in system.number])
    for unit in (unit for unit in places.children if not _parts_of(places, below).get(unit)):
        _relate_unit(system, unit, [kind for of, kind in places.parts if of == unit], basket)
    for key, value in zip(list(system.number), system.true, strict=True):
        if key not in kept and not key[0].endswith(OWN):
            _publish(system, key, value, counts, rules)
    return system


def _with_own(counts: _Band, below: Mapping[str, list[str]]) -> _Band:
    """`counts` and, as units of their own, the children who live in none of the units below theirs."""
    found = _Band(dict(counts.children), dict(counts.parts), dict(counts.walks), counts.limits)
    for unit, under in below.items():
        known = [part for part in under if part in counts.children]
        if unit not in counts.children or not known:
            continue
        own = counts.children[unit] - sum(counts.children[part] for part in known)
        if own > NOTHING:
            found.children[unit + OWN] = own
            for of, kind in [key for key in counts.parts if key[0] == unit]:
                rest = np.array(counts.parts[of, kind])
                rest = rest - sum(np.array(counts.parts[part, kind]) for part in known if (part, kind) in counts.parts)
                found.parts[unit + OWN, kind] = tuple(np.maximum(rest, 0.0).tolist())
    return found


def _parts_of(places: _Band, below: Mapping[str, list[str]]) -> dict[str, list[str]]:
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
        system.sums(whole, [(unit, kind, name) for name in _names(kind)])
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


def _publish(system: System, key: Key, value: float, counts: _Band, rules: Rules) -> None:
    """The figure `key`, as it is shown."""
    unit, kind, name = key
    if name == WALK:
        shown = _walk_shown(counts.walks.get((unit, kind), math.nan))
        if not math.isnan(shown):
            covered: Key = (unit, kind, "covered")
            for side, lower, upper in ((-1, 0.0, math.inf), (1, -math.inf, 0.0)):
                bound = (shown + side * WALK_STEP_M / 2) / counts.limits[kind]
                system.publish(key, [(key, 1.0), (covered, -bound)], lower, upper, 0.3)
        return
    lower, upper = (float(bound) for bound in rules.bounds(rules.rounded(np.array(value))))
    weight = {"": 8.0, CIRCLE: 2.0}.get(kind, 1.0)
    system.publish(key, [(key, 1.0)], lower, upper, weight * (1 + math.log10(1 + value)))


def _walk_shown(metres: float) -> float:
    return math.floor(metres / WALK_STEP_M + 0.5) * WALK_STEP_M if not math.isnan(metres) else math.nan


def _wanted(system: System, rules: Rules) -> dict[int, float]:
    """Unknown → what it must be possible to take it for: every small count for `k` more than it is, so that what a
    reader can say of it is at least `k` wide, and does not end below `k`. Counts of whole units come first."""
    small = rules.is_small(np.array(system.true))
    counts = [key for key in system.number if key[2] != WALK and small[system.number[key]]]
    order = {"": 0, CIRCLE: 1}
    counts.sort(key=lambda key: (order.get(key[1], 2), system.number[key]))
    return {system.number[key]: system.true[system.number[key]] + rules.k + CLEARLY for key in counts}


# -------------------------------------------------------------------------------------------------------------- tables


def _shown(coverage: pd.DataFrame, circle: pd.DataFrame, hidden: set[Key], rules: Rules) -> Protected:
    of_kind = _protected(coverage, coverage["kind"].tolist(), OF_KIND, hidden, rules)
    of_kind = _with_share(of_kind, "covered_share", OF_KIND)
    walks = coverage[WALK].map(_walk_shown)
    kept = [(*at, WALK) in hidden for at in zip(coverage["band"], coverage["unit_id"], coverage["kind"], strict=True)]
    state = np.where(of_kind["covered_state"] == SUPPRESSED, SUPPRESSED, np.where(walks.isna(), UNKNOWN, SHOWN))
    state = np.where(np.array(kept, dtype=bool) & (state == SHOWN), SUPPRESSED, state)
    metres = walks.where(state == SHOWN)
    minutes = np.floor(metres * coverage["mean_walk_min"] / coverage[WALK] + 0.5)
    of_kind = of_kind.assign(
        mean_walk_m=metres, mean_walk_m_state=state, mean_walk_min=minutes, mean_walk_min_state=state
    )
    of_circle = _protected(circle, [CIRCLE] * len(circle), OF_CIRCLE, hidden, rules)
    of_circle = _with_share(of_circle, "complete_share", OF_CIRCLE)
    states = [of_kind[f"{name}_state"] for name in OF_KIND] + [of_circle[f"{name}_state"] for name in OF_CIRCLE]
    states.append(pd.concat([of_kind, of_circle]).drop_duplicates(["unit_id", "band"])["children_state"])
    told = pd.concat(states)
    return Protected(of_kind, of_circle, rules, int((told != UNKNOWN).sum()), int((told == SUPPRESSED).sum()))


def _protected(
    table: pd.DataFrame, kinds: list[str], names: tuple[str, ...], hidden: set[Key], rules: Rules
) -> pd.DataFrame:
    labels = [name for name in ("unit_id", "unit_name", "level", "kind", "band", "limit_m") if name in table]
    found = table[labels].copy()
    for name in (CHILDREN, *names):
        of = [""] * len(table) if name == CHILDREN else kinds
        kept = [(*at, name) in hidden for at in zip(table["band"], table["unit_id"], of, strict=True)]
        counts = table[name].to_numpy(dtype=float)
        state = np.where(np.isnan(counts), UNKNOWN, np.where(np.array(kept, dtype=bool), SUPPRESSED, SHOWN))
        found[name] = np.where(state == SHOWN, rules.rounded(counts), np.nan)
        found[f"{name}_state"] = state
    return found


def _with_share(table: pd.DataFrame, share: str, names: tuple[str, ...]) -> pd.DataFrame:
    """With the share of the first of `names` in the children, of the figures as they are shown; unknown where the shown
    figures say that nobody lives there, or that nothing is known of anybody."""
    proven, gap = table[names[0]], table[names[1]]
    unknown = (table["children_state"] == UNKNOWN) | (table[CHILDREN] == 0) | ((proven == 0) & (gap == 0))
    kept = (table["children_state"] == SUPPRESSED) | (table[f"{names[0]}_state"] == SUPPRESSED)
    state = np.select([kept, unknown], [SUPPRESSED, UNKNOWN], SHOWN)
    return table.assign(**{share: (proven / table[CHILDREN]).where(state == SHOWN), f"{share}_state": state})
