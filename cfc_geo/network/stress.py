"""How hard a street, and the crossing of a street, is for a child on foot: 1 (none) to 4 (high).

The rules are data (`catalog/stress.toml`), after the pedestrian level of traffic stress (UW-Milwaukee 2024, ROSAP
77204; TxDOT TSP 14.2.1.2.3): the worst element governs. What is governed by what is known only so well as the weakest
of the values that govern.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd

from cfc_geo import catalog
from cfc_geo.network.traits import ASSUMED, CERTAINTIES, TAGGED, Traits, traits_of

WORST: Final = 4
LEFT, RIGHT = "left", "right"
ELEMENTS: Final = ("class", "no_footway", "speed", "lanes", "volume", "width", "parking", "one_side")
CROSSING_TYPES: Final = ("none", "zebra", "signal", "bridge", "subway")
INPUTS: Final = ("speed", "lanes", "volume", "footway", "width")


@dataclass(frozen=True, eq=False)
class _Judged:
    """Per street: level, position in `ELEMENTS` of what governs, evidence."""

    level: np.ndarray
    element: np.ndarray
    evidence: np.ndarray

    def where(self, mask: np.ndarray, other: "_Judged") -> "_Judged":
        """This where `mask`, else the other."""
        return _Judged(*(np.where(mask, getattr(self, n), getattr(other, n)) for n in ("level", "element", "evidence")))


def segment_stress(streets: gpd.GeoDataFrame) -> pd.DataFrame:
    """One row a street, index kept: street_id, stress, stress_left, stress_right (as drawn), governed_by (`ELEMENTS`),
    stress_evidence (`CERTAINTIES`), cars, speed_kmh, lanes_count, volume ("" without cars), footway (own, both, left,
    right, no), width_m, the evidence of each (`<input>_evidence`), and remedies: which single changes (30_kmh, footway)
    bring it to the limit of `stress.toml`, by the same rules, joined by ";", "" where none is needed or none alone is
    enough.

    A street is as hard as its better side, but with a footway on one side only never below `one_side`.
    """
    traits, rules = traits_of(streets), catalog.stress_rules()
    whole, left, right = _judge(traits)
    footway = np.select(
        [~traits.cars, traits.left & traits.right, traits.left, traits.right], ["own", "both", LEFT, RIGHT], "no"
    )
    table = pd.DataFrame(
        {
            "street_id": streets["street_id"].to_numpy(),
            "stress": whole.level,
            "stress_left": left.level,
            "stress_right": right.level,
            "governed_by": np.array(ELEMENTS, dtype=object)[whole.element],
            "stress_evidence": np.array(CERTAINTIES, dtype=object)[whole.evidence],
            "cars": traits.cars,
            "speed_kmh": traits.speed_kmh,
            "lanes_count": traits.lanes,
            "volume": np.array(rules["volumes"], dtype=object)[traits.volume],
            "footway": footway,
            "width_m": np.where(traits.left | traits.right | ~traits.cars, traits.width_m, np.nan),
            **{f"{name}_evidence": np.array(CERTAINTIES)[getattr(traits, f"{name}_from")] for name in INPUTS},
            "remedies": _segment_remedies(traits, whole.level),
        },
        index=streets.index,
    )
    table.loc[~traits.cars, ["volume", *(f"{name}_evidence" for name in INPUTS)]] = ""
    return table


def sides_governed_by(streets: gpd.GeoDataFrame) -> tuple[np.ndarray, np.ndarray]:
    """street × (whole, left, right): what governs each (`ELEMENTS`), and how it is known (`CERTAINTIES`)."""
    judged = _judge(traits_of(streets))
    governs = np.array(ELEMENTS, dtype=object)[np.column_stack([one.element for one in judged])]
    return governs, np.array(CERTAINTIES, dtype=object)[np.column_stack([one.evidence for one in judged])]


def remedied_streets(streets: gpd.GeoDataFrame) -> dict[str, np.ndarray]:
    """Remedy → street × (stress, stress_left, stress_right) with it: single changes, then two at once. Streets without
    cars keep theirs."""
    return {
        name: np.column_stack([judged.level for judged in _judge(better)])
        for name, better in _remedied(traits_of(streets)).items()
    }


def crossing_stress(
    kind: np.ndarray, island: np.ndarray, speed_kmh: np.ndarray, lanes: np.ndarray, volume: np.ndarray
) -> np.ndarray:
    """Level 1 to 4 of crossing a road on foot. `kind` is one of `CROSSING_TYPES`, `volume` a rank in `volumes`.

    The lowest level one of whose rows in `stress.toml` fits; a refuge takes one off an unsignalised crossing, though
    not below 2.
    """
    rules = catalog.stress_rules()
    crossing, ranks = rules["crossing"], {name: rank for rank, name in enumerate(rules["volumes"])}
    level = np.full(len(kind), WORST)
    for of_kind in CROSSING_TYPES:
        for row in crossing[of_kind]:
            fits = (lanes <= row["lanes"]) & (speed_kmh <= row["speed_kmh"]) & (volume <= ranks[row["volume"]])
            level = np.where((kind == of_kind) & fits, np.minimum(level, row["level"]), level)
    eased = np.maximum(level - crossing["island_takes"], np.minimum(level, crossing["island_floor"]))
    return np.where(island, eased, level)


def crossing_governed_by(
    kind: np.ndarray, island: np.ndarray, speed_kmh: np.ndarray, lanes: np.ndarray, volume: np.ndarray
) -> np.ndarray:
    """What, were it alone at its best, would ease the crossing most: lanes, speed or volume; else "type"."""
    now = crossing_stress(kind, island, speed_kmh, lanes, volume)
    best = {
        "lanes": crossing_stress(kind, island, speed_kmh, np.ones(len(kind)), volume),
        "speed": crossing_stress(kind, island, np.zeros(len(kind)), lanes, volume),
        "volume": crossing_stress(kind, island, speed_kmh, lanes, np.zeros(len(kind), dtype=int)),
    }
    gains = np.array([now - level for level in best.values()])
    names = np.array([*best, "type"], dtype=object)
    return np.asarray(names[np.where(gains.max(axis=0) > 0, gains.argmax(axis=0), len(best))])


def crossing_remedies(
    kind: np.ndarray, island: np.ndarray, speed_kmh: np.ndarray, lanes: np.ndarray, volume: np.ndarray
) -> np.ndarray:
    """Which single changes (30_kmh, island, signal) bring each crossing to the limit, joined by ";"."""
    now = crossing_stress(kind, island, speed_kmh, lanes, volume)
    then = {
        name: crossing_stress(*facts)
        for name, facts in remedied_crossings(kind, island, speed_kmh, lanes, volume).items()
        if "+" not in name
    }
    return _enough(now, then, catalog.stress_rules()["limit"])


def remedied_crossings(
    kind: np.ndarray, island: np.ndarray, speed_kmh: np.ndarray, lanes: np.ndarray, volume: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Remedy → the facts of the crossings with it, for `crossing_stress`: single changes, then two at once."""
    slower = np.minimum(speed_kmh, catalog.stress_rules()["segment"]["remedy_kmh"])
    signal = np.full(len(kind), "signal", dtype=object)
    return {
        "30_kmh": (kind, island, slower, lanes, volume),
        "island": (kind, np.ones(len(kind), dtype=bool), speed_kmh, lanes, volume),
        "signal": (signal, island, speed_kmh, lanes, volume),
        "30_kmh+signal": (signal, island, slower, lanes, volume),
    }


def crossing_kind(texts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(type, has a refuge, evidence) of how a crossing is tagged, as readers give it ("" = no crossing is mapped).

    A crossing of unsaid type ("yes") is taken as unmarked, which is assumed, as is one that nobody mapped.
    """
    words = catalog.stress_rules()["words"]
    codes, unique = pd.factorize(texts)
    rows = [_kind_of(text, words) for text in unique]
    kinds = np.array([kind for kind, _, _ in rows] or [""], dtype=object)
    islands, evidence = np.array([row[1] for row in rows] or [False]), np.array([row[2] for row in rows] or [ASSUMED])
    return kinds[codes], islands[codes], evidence[codes]


def evidence_summary(stress: pd.DataFrame, length_m: np.ndarray) -> pd.DataFrame:
    """How much of the network rests on what: rows stress (all streets), and every input (streets with cars; width:
    those with a footway); columns length_m and the shares tagged, inferred, assumed (NaN where there is no length)."""
    length_m = np.asarray(length_m, dtype=float)
    cars = stress["cars"].to_numpy(dtype=bool)
    masks = {"stress": np.ones(len(stress), dtype=bool), **dict.fromkeys(INPUTS, cars)}
    masks["width"] = cars & (stress["footway"] != "no").to_numpy()
    rows = {}
    for name, mask in masks.items():
        said = stress[f"{name}_evidence"].to_numpy(dtype=object)
        total = float(length_m[mask].sum())
        shares = {of: float(length_m[mask & (said == of)].sum()) / total if total else np.nan for of in CERTAINTIES}
        rows[name] = {"length_m": total, **shares}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("input")


# ------------------------------------------------------------------------------------------------------------- segments


def _judge(traits: Traits) -> tuple[_Judged, _Judged, _Judged]:
    """The whole street, its left and its right side."""
    rules = catalog.stress_rules()["segment"]
    free, walked_on = _car_free(traits), _on_carriageway(traits, rules)
    beside = _on_footway(traits, rules)
    beside = beside.where(beside.level <= walked_on.level, walked_on)  # a bad footway need not be used
    left, right = (beside.where(has, walked_on) for has in (traits.left, traits.right))
    better, worse = np.minimum(left.level, right.level), np.maximum(left.level, right.level)
    whole = left.where(left.level <= right.level, right)
    one_side = np.minimum(rules["one_side"], worse) > better
    whole = replace(
        whole,
        level=np.where(one_side, np.minimum(rules["one_side"], worse), whole.level),
        element=np.where(one_side, ELEMENTS.index("one_side"), whole.element),
        evidence=np.where(one_side, traits.footway_from, whole.evidence),
    )
    return whole.where(traits.cars, free), left.where(traits.cars, free), right.where(traits.cars, free)


def _car_free(traits: Traits) -> _Judged:
    rules: Mapping[str, int] = catalog.stress_rules()["car_free"]
    codes, unique = pd.factorize(traits.highway)
    level = np.array([rules.get(name, WORST) for name in unique] or [WORST])[codes]
    level = np.where(traits.segregated, np.minimum(level, rules["segregated"]), level)
    level = np.where(traits.tunnel, np.maximum(level, rules["tunnel"]), level)
    same = np.zeros(len(level), dtype=int)
    return _Judged(level, same + ELEMENTS.index("class"), same + TAGGED)


def _on_carriageway(traits: Traits, rules: Mapping[str, Any]) -> _Judged:
    """Without a footway. The volume counts as evidence only where another volume would change the level."""
    volumes = catalog.stress_rules()["volumes"]
    by_volume = np.array([_banded(traits.speed_kmh, rules["on_carriageway"][name]) for name in volumes])
    level = by_volume[traits.volume, np.arange(len(traits.volume))]
    one = (by_volume == by_volume[0]).all(axis=0)
    evidence = np.maximum(traits.footway_from, traits.speed_from)
    evidence = np.where(one, evidence, np.maximum(evidence, traits.volume_from))
    parked = np.isin(traits.parking, ("lane", "footway")) * rules["parking_without_footway"]
    return _worst({"no_footway": (level, evidence), "parking": (parked, np.zeros(len(level), dtype=int))})


def _on_footway(traits: Traits, rules: Mapping[str, Any]) -> _Judged:
    speed = np.where(
        traits.apart, _banded(traits.speed_kmh, rules["apart"]), _banded(traits.speed_kmh, rules["beside"])
    )
    by_rank = np.array([rules["volume"][name] for name in catalog.stress_rules()["volumes"]])
    volume = np.maximum(by_rank[traits.volume] - traits.apart, 1)
    width = np.full(len(speed), WORST)
    for least_m, level in sorted(rules["width"]):
        width = np.where(traits.width_m >= least_m, level, width)
    blocked = np.where(traits.parking == "footway", rules["parking_on_footway"], 0)
    return _worst(
        {
            "speed": (speed, traits.speed_from),
            "lanes": (_banded(traits.lanes, rules["lanes"]), traits.lanes_from),
            "volume": (volume, traits.volume_from),
            "width": (width, traits.width_from),
            "parking": (blocked, np.zeros(len(speed), dtype=int)),
        },
        floor=traits.footway_from,
    )


def _worst(elements: Mapping[str, tuple[np.ndarray, np.ndarray]], floor: np.ndarray | int = 0) -> _Judged:
    """The highest level; the first element of that level governs, the weakest evidence of them all counts."""
    levels = np.array([level for level, _ in elements.values()])
    evidence = np.array([known for _, known in elements.values()])
    level = levels.max(axis=0)
    governs = levels == level
    number = np.array([ELEMENTS.index(name) for name in elements])
    weakest = np.where(governs, evidence, TAGGED).max(axis=0)
    return _Judged(level, number[governs.argmax(axis=0)], np.maximum(weakest, floor))


def _banded(values: np.ndarray, bands: list[list[float]]) -> np.ndarray:
    """The level of the first band [most, level] that holds the value, `WORST` where none does."""
    level = np.full(len(values), WORST)
    for most, of_band in sorted(bands, reverse=True):
        level = np.where(values <= most, int(of_band), level)
    return level


def _segment_remedies(traits: Traits, now: np.ndarray) -> np.ndarray:
    then = {name: _judge(better)[0].level for name, better in _remedied(traits).items() if "+" not in name}
    return _enough(now, then, catalog.stress_rules()["limit"])


def _remedied(traits: Traits) -> dict[str, Traits]:
    """Remedy → the streets with it: single changes, then two at once."""
    rules = catalog.stress_rules()
    yes = np.ones(len(traits.cars), dtype=bool)
    wide = np.maximum(traits.width_m, rules["segment"]["remedy_width_m"])
    slow = np.minimum(traits.speed_kmh, rules["segment"]["remedy_kmh"])
    clear = np.where(traits.parking == "footway", "lane", traits.parking)
    paved = replace(traits, left=yes, right=yes, width_m=wide, parking=clear)
    return {
        "30_kmh": replace(traits, speed_kmh=slow),
        "footway": paved,
        "30_kmh+footway": replace(paved, speed_kmh=slow),
    }


def _enough(now: np.ndarray, then: Mapping[str, np.ndarray], limit: int) -> np.ndarray:
    words = np.full(len(now), "", dtype=object)
    for name, level in then.items():
        helps = (now > limit) & (level <= limit)
        words[helps] = [f"{word};{name}" if word else name for word in words[helps]]
    return words


def _kind_of(text: str, words: Mapping[str, list[str]]) -> tuple[str, bool, int]:
    parts = {part.strip() for part in str(text).split(";")}
    island = not parts.isdisjoint(words["island"])
    for kind in ("none", "zebra", "signal"):  # of several, the worst
        if not parts.isdisjoint(words[kind]):
            return kind, island, TAGGED
    return "none", island, ASSUMED
