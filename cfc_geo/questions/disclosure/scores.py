"""Figures of a scorecard as they may leave the office: no finer than the tables by unit tell the same children."""

from typing import Final

import numpy as np
import pandas as pd

from cfc_geo.questions.disclosure.protect import Protected
from cfc_geo.questions.disclosure.rules import NOTHING, SHOWN, SUPPRESSED, UNKNOWN
from cfc_geo.tables import ALL_UNITS

THINGS: Final = (
    "个", "所", "处", "项", "类", "条", "座", "家", "片", "级", "场", "岁", "米", "平方米", "亿元", "倍", "小时/日",
    "次/年", "次/学期", "场/年", "元/人·月",
)  # fmt: skip
"""Units of what is no child, nor counted by children."""
PEOPLE, BALANCE = ("人", "名", "起"), "学位"
"""Units of counts of people, and of what happened to them; of places less children."""
PER_CENT, RARE = "%", ("‰", "1/10万", "起/年", "百分点/年")
"""Units of shares; of rates whose counts may be few, of which nothing says how many."""
FIGURES: Final = ("measured", "measured_most")
KEYS: Final = ["plan_id", "target_id"]
HALF_PER_CENT: Final = 0.005
"""No figure tells children more finely than by this part of them."""


def protect_scores(scores: pd.DataFrame, protected: Protected) -> pd.DataFrame:
    """`scores` (`tables.SCORE_COLUMNS`) with figures coarsened, and `measured_state`.

    Things are counted as they are, people as children are. Shares are told in whole per cent, other ratios in two
    digits; where half a per cent of all children is less than `k`, both are kept back, and so is a balance where the
    children of the place are, and whatever has a unit that is not known to be harmless. Of what counts children or
    people the status is told only where the shown figure says it as well; else it is `rules.SUPPRESSED`.
    """
    rules, unit, counts = protected.rules, scores["target_unit"].astype(str), _counts_children(scores)
    things, people = unit.isin(THINGS) & ~counts, unit.isin(PEOPLE) & ~counts
    ratio = (unit == PER_CENT) | (unit.str.contains("/") & ~unit.isin([*THINGS, *RARE]))
    balance = (unit == BALANCE) | (counts & ~ratio & ~unit.isin(RARE))
    everybody = _everybody(protected)
    kept = ~(things | people | balance | ratio) | (ratio & (everybody * HALF_PER_CENT < rules.k))
    kept |= balance & (everybody == 0)
    found = scores.copy()
    for name in FIGURES:
        exact = scores[name].to_numpy(dtype=float)
        kept |= people & rules.is_small(exact)
        told = [exact, _rounded(exact, 1), rules.rounded(exact), _rounded(exact, rules.base)]
        found[name] = np.select([things, unit == PER_CENT, people, balance], told, _two_digits(exact))
    state = np.where(scores["measured"].isna(), UNKNOWN, np.where(kept, SUPPRESSED, SHOWN))
    open_ = np.select([unit == PER_CENT, people | balance], [0.5, max(rules.base / 2, rules.least_shown - rules.k)], -1)
    tells = (state == SHOWN) & np.all([_far(found, found[name], open_) for name in FIGURES], axis=0)
    return found.assign(
        **{name: found[name].where(state == SHOWN) for name in FIGURES},
        measured_state=state,
        status=scores["status"].mask((counts | people) & (state != UNKNOWN) & ~tells, SUPPRESSED),
    )


def protect_score_units(units: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """`units` (`tables.SCORE_UNIT_COLUMNS`) without figures, and with `measured_state`: what is measured of a unit may
    tell of few children. Of what counts children (`scores`, `tables.SCORE_COLUMNS`) there is no status either: at two
    targets of one kind it would tell between which shares a unit is."""
    counting = set(scores.loc[_counts_children(scores), KEYS].itertuples(index=False, name=None))
    counts = np.array([key in counting for key in units[KEYS].itertuples(index=False, name=None)], dtype=bool)
    state = np.where(units["measured"].isna() & ~counts, UNKNOWN, SUPPRESSED)
    blank = dict.fromkeys((*FIGURES, "shortfall"), np.nan)
    return units.assign(**blank, measured_state=state, status=units["status"].mask(counts, SUPPRESSED))


def _counts_children(scores: pd.DataFrame) -> pd.Series:
    return scores["counts_children"].astype(str) == "True"  # read back or not


def _far(scores: pd.DataFrame, shown: pd.Series, open_: np.ndarray) -> np.ndarray:
    """Whether what a target asks for is farther from a figure than its rounding leaves `open_` (below 0: two
    digits)."""
    asked, earlier = (pd.to_numeric(scores[name], errors="coerce") for name in ("target_value", "earlier"))
    figures = shown.to_numpy(dtype=float)
    leeway = np.where(open_ < 0, _digit(figures) / 2, open_)
    away = np.abs(figures - asked.fillna(earlier).fillna(0.0).to_numpy(dtype=float))
    return np.asarray(away > leeway + NOTHING)


def _rounded(values: np.ndarray, step: float) -> np.ndarray:
    return np.asarray(np.floor(values / step + 0.5) * step)


def _everybody(protected: Protected) -> float:
    """How many children the whole place has at least in the band that has fewest, for all that is shown; 0 where one is
    not."""
    tables = pd.concat([protected.coverage, protected.circle])
    counts = tables.loc[(tables["unit_id"] == ALL_UNITS) & (tables["children_state"] != UNKNOWN), "children"]
    if counts.isna().any() or not len(counts):
        return 0.0
    return float(protected.rules.bounds(counts.to_numpy(dtype=float))[0].min())


def _two_digits(values: np.ndarray) -> np.ndarray:
    known, step = np.isfinite(values) & (values != 0), _digit(values)
    return np.where(known, np.round(np.floor(values / step + 0.5) * step, 9), values)


def _digit(values: np.ndarray) -> np.ndarray:
    """The place of the second digit."""
    known = np.isfinite(values) & (values != 0)
    return np.asarray(10.0 ** (np.floor(np.log10(np.abs(np.where(known, values, 1.0)))) - 1))
