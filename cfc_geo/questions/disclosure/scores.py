"""Figures of a scorecard as they may leave the office: no finer than the tables by unit tell the same children."""

from typing import Final

import numpy as np
import pandas as pd

from cfc_geo.questions.disclosure.protect import Protected
from cfc_geo.questions.disclosure.rules import SHOWN, SUPPRESSED, UNKNOWN
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
HALF_PER_CENT: Final = 0.005
"""No figure tells children more finely than by this part of them."""


def protect_scores(scores: pd.DataFrame, protected: Protected) -> pd.DataFrame:
    """`scores` (`tables.SCORE_COLUMNS`) with figures coarsened, and `measured_state`.

    Things are counted as they are, people as children are. Shares are told in whole per cent, other ratios in two
    digits; where half a per cent of all children is less than what rounding leaves open, both are kept back, and so is
    whatever has a unit that is not known to be harmless.
    """
    rules, unit = protected.rules, scores["target_unit"].astype(str)
    things, people, balance = unit.isin(THINGS), unit.isin(PEOPLE), unit == BALANCE
    ratio = (unit == PER_CENT) | (unit.str.contains("/") & ~things & ~unit.isin(RARE))
    too_fine = _everybody(protected) * HALF_PER_CENT < rules.base / 2
    kept = ~(things | people | balance | ratio) | (ratio & too_fine)
    found = scores.copy()
    for name in FIGURES:
        exact = scores[name].to_numpy(dtype=float)
        kept |= people & rules.is_small(exact)
        told = [exact, _rounded(exact, 1), rules.rounded(exact), _rounded(exact, rules.base)]
        found[name] = np.select([things, unit == PER_CENT, people, balance], told, _two_digits(exact))
    state = np.where(scores["measured"].isna(), UNKNOWN, np.where(kept, SUPPRESSED, SHOWN))
    return found.assign(**{name: found[name].where(state == SHOWN) for name in FIGURES}, measured_state=state)


def _rounded(values: np.ndarray, step: float) -> np.ndarray:
    return np.asarray(np.floor(values / step + 0.5) * step)


def _everybody(protected: Protected) -> float:
    """The children of the whole place in the band that has fewest, as they are shown; 0 where one is not."""
    tables = pd.concat([protected.coverage, protected.circle])
    counts = tables.loc[(tables["unit_id"] == ALL_UNITS) & (tables["children_state"] != UNKNOWN), "children"]
    return 0.0 if counts.isna().any() or not len(counts) else float(counts.min())


def _two_digits(values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values) & (values != 0)
    size = np.floor(np.log10(np.abs(np.where(known, values, 1.0))))
    step = 10.0 ** (size - 1)
    return np.where(known, np.round(np.floor(values / step + 0.5) * step, 9), values)
