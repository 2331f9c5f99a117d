"""A measured figure and a target → met, missed, no data, or not judged; and by how much it is missed."""

import math
from typing import Final, NamedTuple

import pandas as pd

from cfc_geo import catalog
from cfc_geo.model import Answer
from cfc_geo.targets import NUMBERED, Target

MET, MISSED, NO_DATA, NOT_JUDGED = "met", "missed", "no_data", "not_judged"
SAME: Final = 1e-9
"""Figures nearer than this, relative to the target, are the same: sums of thirds are not."""
LOCAL: Final = ("count", "balance", "none_within", "per_facility")
"""Methods whose figure is of the whole place: that of a district says nothing of a target of its province."""


class Verdict(NamedTuple):
    """`why` a row is not judged or has no data, as a key of `words/score.toml`: scope, threshold, earlier, nothing (of
    which there could be a share), form, evidence, lacking; "" where it is judged. `gap`: how far the figure surely is
    from the target, in its unit; NaN where it is met or not known."""

    status: str
    why: str = ""
    gap: float = math.nan


def judge(
    target: Target, least: float, most: float, *, threshold: float | None = None, earlier: float = math.nan
) -> Verdict:
    """Of a figure between `least` and `most` (NaN: nothing is known).

    `threshold`: what the planner takes for a target that has no number of its own; at least it, or as the row compares.
    `earlier`: the figure of an earlier year, for rows that ask for more or less than before: NaN none.
    """
    if math.isnan(least):
        return Verdict(NO_DATA, "lacking")
    compare, value = target.compare, target.value
    if threshold is not None:
        compare, value = (compare if compare in NUMBERED else "at_least"), threshold
    if compare in ("rises", "falls"):
        if math.isnan(earlier):
            return Verdict(NOT_JUDGED, "earlier")
        compare, value = ("more_than" if compare == "rises" else "less_than"), earlier
    if value is None:
        return Verdict(NOT_JUDGED, "threshold")
    low, high = _holds(compare, least, value), _holds(compare, most, value)
    if compare == "exactly":
        return _exactly(least, most, value)
    if low and high:
        return Verdict(MET)
    if low or high:
        return Verdict(NO_DATA, "lacking")
    nearer = most if compare in ("at_least", "more_than") else least
    return Verdict(MISSED, gap=abs(value - nearer))


def judge_answer(
    target: Target, answer: Answer | None, *, earlier: float = math.nan, threshold: float | None = None
) -> Verdict:
    """Of what an office answered. A yes without evidence that can be checked is none."""
    if target.compare == "yes" or target.rows == "Q":
        if answer is None or not answer.done:
            return Verdict(NO_DATA, "form")
        if answer.done == "no":
            return Verdict(MISSED)
        return Verdict(MET) if answer.evidence else Verdict(NO_DATA, "evidence")
    if answer is None or math.isnan(answer.value):
        return Verdict(NO_DATA, "form")
    return judge(target, answer.value, answer.value, threshold=threshold, earlier=earlier)


def fallen(scores: pd.DataFrame) -> pd.DataFrame:
    """The rows of `scores` (`tables.SCORE_COLUMNS`) whose figure is surely worse than before: less, or more where less
    is asked for."""
    less_is_better = scores["compare"].isin(["at_most", "less_than", "falls"])
    worse = (scores["measured_most"] < scores["earlier"]).where(~less_is_better, scores["measured"] > scores["earlier"])
    return scores[worse.to_numpy(dtype=bool)]


def is_smaller(widest: str, scope: str) -> bool:
    """Whether layers whose widest units are of the level `widest` ("" not known) show only a part of a `scope`."""
    levels = list(catalog.levels())
    return widest not in levels or levels.index(widest) > levels.index(scope)


def is_out_of_scope(target: Target, scope: str, widest: str) -> bool:
    """Whether the layers are of a smaller place than the one whose target it is, and its figure adds up over places."""
    return target.method is not None and target.method.by in LOCAL and is_smaller(widest, scope)


def _holds(compare: str, figure: float, value: float) -> bool:
    same = math.isclose(figure, value, rel_tol=SAME, abs_tol=SAME)
    match compare:
        case "at_least":
            return figure > value or same
        case "at_most":
            return figure < value or same
        case "more_than":
            return figure > value and not same
        case "less_than":
            return figure < value and not same
        case _:
            return same


def _exactly(least: float, most: float, value: float) -> Verdict:
    if _holds("exactly", least, value) and _holds("exactly", most, value):
        return Verdict(MET)
    if _holds("at_most", least, value) and _holds("at_least", most, value):
        return Verdict(NO_DATA, "lacking")
    return Verdict(MISSED, gap=min(abs(value - least), abs(value - most)))
