"""What changes from one result to another, and for whom: children who gain, lose, walk farther; sites that overflow.

Children are counted as they live after the change, so that only access changes; how many they were before stands
beside them. Children of a cell that was not there before have no "before": they have arrived.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from cfc_geo import catalog
from cfc_geo.model import Comparison, Finished
from cfc_geo.questions.sums import UnitSums, proven_share, ratio, stacked, without_unknown
from cfc_geo.tables import (
    ALL_BANDS,
    ALL_UNITS,
    CHANGE_COLUMNS,
    CIRCLE,
    FACILITY_CHANGE_COLUMNS,
    STATUSES,
    SUMMARY_COLUMNS,
    UNIT_CHANGE_COLUMNS,
    children_column,
    circle_column,
)

SAME_WALK_M = 0.05
"""Walks that differ by no more are as long as before: tables show metres with one decimal."""
SAME_PLACE_M = 0.01
COVERED, GAP, UNKNOWN = range(len(STATUSES))
ARRIVED = -1
"""Stands for the status before of a cell that was not there."""


def compare(before: Finished, after: tuple[Finished, ...]) -> Comparison:
    """Compare every result of `after` with the first. They are comparable (`inputs.comparable`), their names differ."""
    asked = [set(one.rules.limits) for one in (before, *after)]
    kinds = [kind for kind in catalog.kinds() if kind in set.intersection(*asked)]
    pairs = [Pair.of(before, other, kinds) for other in after]
    changes = pd.concat([_sum_changes(pair) for pair in pairs], ignore_index=True)
    units = pd.concat([_sum_units(pair) for pair in pairs], ignore_index=True)
    facilities = pd.concat([_compare_facilities(before, other) for other in after], ignore_index=True)
    return Comparison(
        before=before,
        after=after,
        changes=changes,
        units=units,
        facilities=facilities,
        summary=_summarise(before, after, units, facilities),
        kinds_apart=tuple(kind for kind in catalog.kinds() if kind in set.union(*asked) - set(kinds)),
    )


@dataclass(frozen=True, eq=False)
class Pair:
    """Two results, cell by cell of the second.

    `was` and `now`: origin × kind (and circle_<band>), position in `STATUSES`, or `ARRIVED`. `was_m`, `now_m`: origin ×
    kind, metres. `children`: origin × band, after.
    """

    before: Finished
    after: Finished
    kinds: list[str]
    was: pd.DataFrame
    now: pd.DataFrame
    was_m: pd.DataFrame
    now_m: pd.DataFrame
    children: pd.DataFrame

    @classmethod
    def of(cls, before: Finished, after: Finished, kinds: list[str]) -> "Pair":
        """The pair, on the cells of `after`."""
        one, two = (frame.cells.set_index("origin_id") for frame in (before, after))
        one = one.reindex(two.index)
        status = {f"{kind}_status": kind for kind in kinds}
        status |= {(column := circle_column(band)): column for band in before.rules.baskets}
        metres = {f"{kind}_m": kind for kind in kinds}
        return cls(
            before,
            after,
            kinds,
            was=_codes(one[list(status)]).rename(columns=status),
            now=_codes(two[list(status)]).rename(columns=status),
            was_m=one[list(metres)].rename(columns=metres).astype(float),
            now_m=two[list(metres)].rename(columns=metres).astype(float),
            children=_children(after.cells),
        )

    def columns(self) -> Iterator[tuple[str, str, str]]:
        """Kind (or `CIRCLE`), band and column of the statuses, in the order of the tables."""
        for kind in self.kinds:
            yield from ((kind, band, kind) for band in catalog.kinds()[kind].bands)
        for band in self.before.rules.baskets:
            yield CIRCLE, band, circle_column(band)

    def known(self, table: pd.DataFrame) -> pd.DataFrame:
        """`table` without figures where nobody knows the children."""
        rules = self.after.rules
        return without_unknown(table, self.after.units, bands=rules.unknown_bands, of_units=rules.unknown_units)


def _codes(statuses: pd.DataFrame) -> pd.DataFrame:
    return statuses.apply(lambda column: pd.Series(pd.Categorical(column, STATUSES).codes.astype(int), column.index))


def _children(cells: gpd.GeoDataFrame) -> pd.DataFrame:
    """Origin × band; 0 where nobody knows, which `without_unknown` makes empty again in sums."""
    return pd.DataFrame({band: cells[children_column(band)].fillna(0.0).to_numpy(float) for band in catalog.bands()})


# -------------------------------------------------------------------------------------------------- by kind and band


def _sum_changes(pair: Pair) -> pd.DataFrame:
    """`tables.CHANGE_COLUMNS` of one pair: kind by kind, band by band, `all` first and then the worst-off unit."""
    sums, sums_before = (UnitSums(one.cells["unit_id"], one.units) for one in (pair.after, pair.before))
    children_before = _children(pair.before.cells)
    blocks = []
    for kind, band, column in pair.columns():
        children = pair.children[band].to_numpy()
        norm = pair.after.rules.limits.get(kind)
        block = {
            **sums.labels(),
            "after": pair.after.name,
            "kind": kind,
            "band": band,
            "limit_m": np.nan if norm is None else norm.limit_m,
            "children_before": sums_before(children_before[band].to_numpy()),
            **_sum_statuses(sums, children, pair.was[column].to_numpy(), pair.now[column].to_numpy()),
        }
        here = pair.was[column].to_numpy() != ARRIVED
        blocks.append(
            block | _sum_walks(sums, np.where(here, children, 0.0), kind, pair, pair.after.rules.speeds_ms[band])
        )
    table = pair.known(stacked(blocks, CHANGE_COLUMNS))
    return _worst_first(table, ["kind", "band"], "covered_share_before", "gap_before")


def _sum_statuses(sums: UnitSums, children: np.ndarray, was: np.ndarray, now: np.ndarray) -> dict[str, np.ndarray]:
    """children = arrived + gaining + losing + unchanged + unknown_changed, in every row."""
    here = was != ARRIVED
    gaining, losing = here & (was != COVERED) & (now == COVERED), here & (was == COVERED) & (now != COVERED)
    masks = {
        "children": np.ones(len(was), dtype=bool),
        "arrived": ~here,
        **{f"{status}_before": was == code for code, status in enumerate(STATUSES)},
        **{f"{status}_after": now == code for code, status in enumerate(STATUSES)},
        "gaining": gaining,
        "losing": losing,
        "unchanged": here & (was == now),
        "unknown_changed": here & (was != now) & ~gaining & ~losing,
        "gaining_unknown": gaining & (was == UNKNOWN),
        "losing_unknown": losing & (now == UNKNOWN),
        "still_covered": (was == COVERED) & (now == COVERED),
        "still_gap": (was == GAP) & (now == GAP),
    }
    counts = {name: sums(children * mask) for name, mask in masks.items()}
    for side, total in (("before", counts["children"] - counts["arrived"]), ("after", counts["children"])):
        share = proven_share(counts[f"covered_{side}"], counts[f"unknown_{side}"], total)
        counts[f"covered_share_{side}"] = share
    return counts


def _sum_walks(sums: UnitSums, children: np.ndarray, kind: str, pair: Pair, speed_ms: float) -> dict[str, Any]:
    """How much farther (nearer is negative) the children walk whose walk is known before and after."""
    names = ("children_walks_known", "children_nearer", "children_farther")
    if kind == CIRCLE:
        return dict.fromkeys((*names, "mean_change_m", "mean_change_min", "best_change_m", "worst_change_m"), np.nan)
    change = pair.now_m[kind].to_numpy() - pair.was_m[kind].to_numpy()
    known = np.isfinite(change) & (children > 0)
    change = np.where(known & (np.abs(change) > SAME_WALK_M), change, 0.0)
    counted = dict(
        zip(names, map(sums, (children * known, children * (change < 0), children * (change > 0))), strict=True)
    )
    mean_m = ratio(sums(children * change), counted["children_walks_known"])
    return {
        **counted,
        "mean_change_m": mean_m,
        "mean_change_min": mean_m / speed_ms / 60,
        "best_change_m": sums.least(np.where(known, change, np.nan)),
        "worst_change_m": 0.0 - sums.least(np.where(known, -change, np.nan)),
    }


def _worst_first(table: pd.DataFrame, groups: list[str], share: str, gap: str) -> pd.DataFrame:
    """Within every group, as they come, `all` first, then the lowest share, of equals the one with most in the gap."""
    order = pd.DataFrame(
        {
            "group": table.groupby(groups, sort=False).ngroup(),
            "unit": table["unit_id"] != ALL_UNITS,
            "share": table[share].fillna(2.0).round(9),
            "gap": -table[gap].fillna(0.0).round(6),
            "id": table["unit_id"],
        }
    )
    return table.loc[order.sort_values(list(order.columns)).index].reset_index(drop=True)


# ---------------------------------------------------------------------------------------------------------- by unit


def _sum_units(pair: Pair) -> pd.DataFrame:
    """`tables.UNIT_CHANGE_COLUMNS` of one pair: the children who gain or lose any kind. Needs are child × kind, of
    the kinds of which anything is known of anybody."""
    sums, sums_before = (UnitSums(one.cells["unit_id"], one.units) for one in (pair.after, pair.before))
    children_before = _children(pair.before.cells)
    by_band = {
        band: _count_any(pair, band, sums) | {"children_before": sums_before(children_before[band].to_numpy())}
        for band in catalog.bands()
    }
    known = [counts for band, counts in by_band.items() if band not in pair.after.rules.unknown_bands]
    if known:
        by_band[ALL_BANDS] = {name: np.sum([counts[name] for counts in known], axis=0) for name in known[0]}
    labels = {**sums.labels(), "after": pair.after.name}
    blocks = [{**labels, "band": band, **counts, **_shares(counts)} for band, counts in by_band.items()]
    table = pair.known(stacked(blocks, UNIT_CHANGE_COLUMNS))
    return _worst_first(table, ["band"], "met_share_before", "gap_needs_before")


def _count_any(pair: Pair, band: str, sums: UnitSums) -> dict[str, np.ndarray]:
    """children = arrived + only_gaining + only_losing + gaining_and_losing + neither; and the needs."""
    kinds = [kind for kind in pair.kinds if band in catalog.kinds()[kind].bands]
    was, now = (table[kinds].to_numpy().reshape(len(pair.children), len(kinds)) for table in (pair.was, pair.now))
    before = set(pair.before.cells["origin_id"])
    here = pair.after.cells["origin_id"].isin(before).to_numpy()
    told = (np.isin(was, (COVERED, GAP)) | np.isin(now, (COVERED, GAP))).any(axis=0)
    gains = here & ((was != COVERED) & (now == COVERED)).any(axis=1)
    loses = here & ((was == COVERED) & (now != COVERED)).any(axis=1)
    masks = {
        "children": np.ones(len(here)),
        "arrived": ~here,
        "only_gaining": gains & ~loses,
        "only_losing": loses & ~gains,
        "gaining_and_losing": gains & loses,
        "neither": here & ~gains & ~loses,
        "gaining_any": gains,
        "losing_any": loses,
        "unknown_any": here & ((was == UNKNOWN) | (now == UNKNOWN)).any(axis=1),
        "needs": here * told.sum(),
        **{f"{status}_needs_before": here * (was[:, told] == code).sum(axis=1) for code, status in enumerate(STATUSES)},
        **{f"{status}_needs_after": here * (now[:, told] == code).sum(axis=1) for code, status in enumerate(STATUSES)},
    }
    children = pair.children[band].to_numpy()
    return {name: sums(children * mask) for name, mask in masks.items()}


def _shares(counts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        f"met_share_{side}": proven_share(
            counts[f"covered_needs_{side}"], counts[f"unknown_needs_{side}"], counts["needs"]
        )
        for side in ("before", "after")
    }


# ------------------------------------------------------------------------------------------------------- facilities


def _compare_facilities(before: Finished, after: Finished) -> pd.DataFrame:
    """`tables.FACILITY_CHANGE_COLUMNS`: newly crowded first, then relieved, then changed, then the rest."""
    one, two = (frame.facilities.set_index("facility_id") for frame in (before, after))
    ids = two.index.append(one.index.difference(two.index))
    one, two = one.reindex(ids), two.reindex(ids)
    named = {name: two[name].where(two["kind"].notna(), one[name]) for name in ("kind", "name", "unit_id")}
    numbers = {
        f"{shown}_{side}": pd.to_numeric(frame[name]).astype(float) if name in frame else np.nan
        for shown, name in FACILITY_FIGURES.items()
        for side, frame in (("before", one), ("after", two))
    }
    table = pd.DataFrame(
        {
            "after": after.name,
            "facility_id": ids,
            **named,
            "state": _states(one, two),
            "kind_before": one["kind"].fillna(""),
            **numbers,
        },
        index=ids,
    ).reset_index(drop=True)
    table["crowded"] = _crowded(one, two)
    order = table.assign(
        rank=table["crowded"].map({"newly": 0, "relieved": 1}).fillna(2), same=table["state"] == "same"
    ).sort_values(["rank", "same", "facility_id"])
    return table.loc[order.index, list(FACILITY_CHANGE_COLUMNS)].reset_index(drop=True)


FACILITY_FIGURES = {
    "capacity": "capacity",
    "children_within": "children_within",
    "assigned": "assigned_children",
    "crowding": "crowding",
}
"""Figure of a facility here → its column in a result."""


def _states(one: gpd.GeoDataFrame, two: gpd.GeoDataFrame) -> np.ndarray:
    """added, closed, converted, moved, resized or same; of several the first of these."""
    there, here = one["kind"].notna(), two["kind"].notna()
    spots = [gpd.GeoSeries(frame.geometry).centroid for frame in (one, two)]
    moved = spots[0].distance(spots[1], align=False).to_numpy() > SAME_PLACE_M
    capacity = [frame["capacity"].astype(float).fillna(-1.0).to_numpy() for frame in (one, two)]
    tests = [~there, ~here, (one["kind"] != two["kind"]).to_numpy(), moved, capacity[0] != capacity[1]]
    return np.select([np.asarray(test) for test in tests], ["added", "closed", "converted", "moved", "resized"], "same")


def _crowded(one: gpd.GeoDataFrame, two: gpd.GeoDataFrame) -> np.ndarray:
    """newly (more children than places, and not before), relieved (the reverse), still, or "" (not, or not known)."""
    (was, _), (now, known_now) = map(_beyond_capacity, (one, two))
    return np.select([now & ~was, was & ~now & known_now, was & now], ["newly", "relieved", "still"], "")


def _beyond_capacity(facilities: gpd.GeoDataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Which facilities have more children than places, and of which that is known; of 0 places no ratio tells it."""
    columns = ("capacity", "crowding", "overflow_children")
    capacity, crowding, overflow = (
        pd.to_numeric(facilities[name]).to_numpy(float) if name in facilities else np.full(len(facilities), np.nan)
        for name in columns
    )
    none = capacity == 0
    return np.where(none, overflow > 0, crowding > 1), ~np.isnan(np.where(none, overflow, crowding))


# --------------------------------------------------------------------------------------------------------- in short


def _summarise(
    before: Finished, after: tuple[Finished, ...], units: pd.DataFrame, facilities: pd.DataFrame
) -> pd.DataFrame:
    """`tables.SUMMARY_COLUMNS`: most children gaining first, then fewest losing, then the cheapest."""
    parents = set(before.units["parent_id"])
    rows = []
    for other in after:
        of_all = units[(units["after"] == other.name) & (units["band"] == ALL_BANDS)]
        whole = of_all[of_all["unit_id"] == ALL_UNITS].iloc[0]
        lowest = of_all[(of_all["unit_id"] != ALL_UNITS) & ~of_all["unit_id"].isin(parents)]
        worst = lowest[lowest["met_share_before"].notna()].head(1)
        crowded = facilities.loc[facilities["after"] == other.name, "crowded"].value_counts()
        counted = facilities.loc[facilities["after"] == other.name, ["crowding_before", "crowding_after"]].notna().any()
        cost, cost_is = _extra_cost(before, other)
        rows.append(
            {
                "after": other.name,
                **{name: whole[name] for name in ("gaining_any", "losing_any", "gaining_and_losing", "unknown_any")},
                "newly_crowded": float(crowded.get("newly", 0)) if counted.all() else np.nan,
                "relieved": float(crowded.get("relieved", 0)) if counted.all() else np.nan,
                "cost_extra": cost,
                "cost_is": cost_is,
                "cost_unit": other.cost.unit if cost_is != "none" else "",
                "cost_per_child": cost / whole["gaining_any"] if cost > 0 and whole["gaining_any"] > 0 else np.nan,
                **_worst_unit(worst),
            }
        )
    table = pd.DataFrame(rows)
    order = table.assign(gains=-table["gaining_any"].round(6), loses=table["losing_any"].round(6))
    table = table.loc[order.sort_values(["gains", "loses", "cost_extra", "after"]).index]
    table["rank"] = np.arange(1, len(table) + 1, dtype=float)
    return table[list(SUMMARY_COLUMNS)].reset_index(drop=True)


def _worst_unit(worst: pd.DataFrame) -> dict[str, Any]:
    """The lowest-level unit whose children had least within reach before, and what becomes of it."""
    if worst.empty:
        return {"worst_unit_id": "", "worst_unit_name": ""} | dict.fromkeys(
            ("worst_share_before", "worst_share_after", "worst_share_change"), np.nan
        )
    unit = worst.iloc[0]
    return {
        "worst_unit_id": unit["unit_id"],
        "worst_unit_name": unit["unit_name"],
        "worst_share_before": unit["met_share_before"],
        "worst_share_after": unit["met_share_after"],
        "worst_share_change": unit["met_share_after"] - unit["met_share_before"],
    }


def _extra_cost(before: Finished, after: Finished) -> tuple[float, str]:
    """What `after` costs beyond `before`: all, partly (it is a lower bound) or none of it known. A lower bound of 0 or
    less says nothing of whether it costs more."""
    base = before.cost.amount if before.cost.unit else 0.0
    same_unit = before.cost.unit in ("", after.cost.unit)
    if before.cost.partly or not same_unit or np.isnan(base) or np.isnan(after.cost.amount):
        return float("nan"), "none"
    extra = after.cost.amount - base
    if after.cost.partly and not extra > 0:
        return float("nan"), "none"
    return extra, "partly" if after.cost.partly else "all"
