"""The numbers of children that a brief says: exact ones, or those that may leave the office, as text and value."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from cfc_geo import catalog
from cfc_geo.questions.disclosure.rules import SUPPRESSED, Rules


class Shown(NamedTuple):
    """A number as people read it, its value as far as it is shown (NaN: not at all), and whether no part is missing."""

    text: str
    value: float
    whole: bool


class Figures:
    """Sums of rows of finished tables.

    A table with columns `<column>_state` holds protected figures: where the state is "suppressed" a figure is kept
    back, and a sum says how many there are at least, of what is shown. `rules`: by which they are protected; None: all
    figures are exact.
    """

    def __init__(self, coverage: pd.DataFrame, circle: pd.DataFrame, lang: str, rules: Rules | None = None) -> None:
        self._coverage = dict(list(coverage.groupby(["unit_id", "kind"], sort=False)))
        self._circle = dict(list(circle.groupby("unit_id", sort=False)))
        self._none = coverage.iloc[:0], circle.iloc[:0]
        self._lang, self._rules = lang, rules

    @property
    def protected(self) -> bool:
        return self._rules is not None

    def of_kind(self, unit: str, kind: str, column: str) -> Shown:
        """Children of all bands that a kind is for, of a column of the coverage."""
        return self._sum(self._coverage.get((unit, kind), self._none[0]), column)

    def of_circle(self, unit: str, column: str, bands: Sequence[str] | None = None) -> Shown:
        """Children of these bands, all by default, of a column of the circle."""
        table = self._circle.get(unit, self._none[1])
        return self._sum(table if bands is None else table[table["band"].isin(bands)], column)

    def minutes(self, unit: str, kind: str) -> str:
        """Mean walk, minutes, of the covered children of all bands; a dash where nobody is, or it is kept back."""
        table = self._coverage.get((unit, kind), self._none[0])
        if "mean_walk_min" not in table:
            return self._say("nothing")
        known = table[(table["covered"] > 0) & table["mean_walk_min"].notna()]
        if self.protected and len(known) != (table["covered"] != 0).sum():
            return self._say("nothing")
        weight = known["covered"].sum()
        return (
            f"{(known['mean_walk_min'] * known['covered']).sum() / weight:.0f}" if weight > 0 else self._say("nothing")
        )

    def most_missing(self, unit: str, band: str, kinds: Sequence[str]) -> str:
        """Of these kinds the one that most children of a band lack; "" where none is, or a withheld one might be it."""
        of_band = self._circle.get(unit, self._none[1])
        of_band = of_band[of_band["band"] == band]
        if "most_missing_kind" in of_band and len(of_band):
            return str(of_band["most_missing_kind"].iloc[0])
        lacking = {}
        for kind in kinds:
            table = self._coverage.get((unit, kind), self._none[0])
            gap = self._sum(table[table["band"] == band], "gap")
            if not gap.whole:
                return ""
            lacking[kind] = gap.value
        most = max(lacking, key=lambda kind: lacking[kind], default="")
        return most if most and lacking[most] > 0 else ""

    def share(self, part: Shown, whole: Shown, unknown: Shown | None = None) -> str:
        """Per cent; "≥" before it where more of the children may be among the part."""
        value = self.ratio(part, whole)
        if math.isnan(value):
            return self._say("nothing")
        more = unknown is not None and unknown.value != 0 and 0 < value < 1
        return f"{'≥' if more else ''}{_percent(value)}"

    def ratio(self, part: Shown, whole: Shown) -> float:
        """Part of the whole; NaN where one of them is not shown whole, or the whole is nothing."""
        if not (part.whole and whole.whole) or not whole.value > 0:
            return math.nan
        return min(part.value / whole.value, 1.0)

    def at_least(self, part: Shown, unknown: Shown) -> str:
        """A count, "≥" before it where more of the children may be among it."""
        more = part.whole and part.value > 0 and unknown.value != 0
        return f"{'≥' if more else ''}{part.text}"

    def loose(self, count: float) -> Shown:
        """A gain, which stands in no table of the result. Where figures are protected: nothing of one under 2 `k`, and
        of others how many tens there are at least."""
        if self._rules is None:
            return self._shown(count, hidden=False, unknown=math.isnan(count))
        if not count >= 2 * self._rules.k:
            return Shown(self._say("withheld"), math.nan, False)
        tens = math.floor(count / 10) * 10.0
        return Shown(self._say("least", n=f"{tens:,.0f}"), tens, False)

    def _sum(self, table: pd.DataFrame, column: str) -> Shown:
        if column not in table or not len(table):
            return Shown(self._say("unknown"), math.nan, False)
        values = table[column].astype(float)
        hidden = bool((table[f"{column}_state"] == SUPPRESSED).any()) if f"{column}_state" in table else False
        unknown = bool(values.isna().any()) and not hidden
        total = float(values.sum())
        if values.isna().all():
            return Shown(self._say("withheld" if hidden else "unknown"), math.nan, False)
        return self._shown(total, hidden=hidden, unknown=unknown)

    def _shown(self, total: float, *, hidden: bool, unknown: bool) -> Shown:
        if math.isnan(total):
            return Shown(self._say("unknown"), math.nan, False)
        whole = not hidden and not unknown
        if not whole and total == 0:
            return Shown(self._say("withheld" if hidden else "unknown"), math.nan, False)
        return Shown(f"{'' if whole else '≥'}{total + 0.0:,.0f}", total, whole)

    def _say(self, key: str, **values: Any) -> str:
        return catalog.word(f"brief.{key}", self._lang, **values)


def _percent(value: float) -> str:
    """Whole per cent, but never 0 % of some nor 100 % of not all."""
    return f"{value:.1%}" if 0 < value < 0.01 or 0.99 < value < 1 else f"{value:.0%}"
