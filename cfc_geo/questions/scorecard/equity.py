"""How evenly children are served: best and worst unit, Lorenz curve, Gini, and the fifth of children who are worst off.

Lorenz 1905 (Publ. Am. Stat. Assoc. 9); Gini 1912 in the form for groups: G = Σᵢ Σⱼ nᵢ nⱼ |sᵢ - sⱼ| ÷ (2 n² s̄), with
nᵢ the children of unit i, sᵢ the share of them that is served, n and s̄ those of the whole.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from cfc_geo import catalog
from cfc_geo.questions.sums import ratio
from cfc_geo.tables import ALL_UNITS, CIRCLE, EQUITY_COLUMNS

FIFTH = 0.2


class Lorenz(NamedTuple):
    """Corners of the curve, from (0, 0) to (1, 1): the share of children, worst served units first, and the share of
    the served among them."""

    children: np.ndarray
    served: np.ndarray


def lorenz(children: np.ndarray, served: np.ndarray) -> Lorenz:
    """Of units with `children`, of them `served`; units without children count for nothing. All NaN where nobody is
    served."""
    there = children > 0
    children, served = children[there], served[there]
    order = np.argsort(ratio(served, children), kind="stable")
    along = np.concatenate(([0.0], np.cumsum(children[order])))
    up = np.concatenate(([0.0], np.cumsum(served[order])))
    whole = up[-1] if up[-1] > 0 else np.nan
    return Lorenz(along / along[-1] if len(order) else along, up / whole)


def gini(curve: Lorenz) -> float:
    """1 - 2 × the area under the curve: 0 all alike."""
    return float(1 - np.sum(np.diff(curve.children) * (curve.served[1:] + curve.served[:-1])))


def share_of_worst(curve: Lorenz, part: float = FIFTH) -> float:
    """The share of the served that is among the `part` of children worst off; `part` itself if all are alike."""
    return float(np.interp(part, curve.children, curve.served))


def equity(coverage_by_unit: pd.DataFrame, circle_by_unit: pd.DataFrame) -> pd.DataFrame:
    """`tables.EQUITY_COLUMNS`: a row for every kind, and for the whole circle, and every level of units with more than
    one. Served is who surely is; children of whom nobody can say are counted (`unknown`), and not as served."""
    circle = circle_by_unit.rename(columns={"complete": "covered"}).assign(kind=CIRCLE)
    columns = ["unit_id", "unit_name", "level", "kind", "children", "covered", "unknown"]
    told = pd.concat([coverage_by_unit[columns], circle[columns]], ignore_index=True)
    told = told[told["unit_id"] != ALL_UNITS]
    told["level"] = told["level"].map(same_level(told["level"]))
    keys = ["kind", "level", "unit_id", "unit_name"]
    sums = told.groupby(keys, sort=False)[["children", "covered", "unknown"]].sum(min_count=1).reset_index()
    rows = [_row(str(kind), str(level), part) for (kind, level), part in sums.groupby(["kind", "level"], sort=False)]
    return pd.DataFrame([row for row in rows if row], columns=list(EQUITY_COLUMNS))


def same_level(words: pd.Series) -> dict[str, str]:
    """Word of a level → all words of the data that mean the same level, joined: 街道 and 镇 are one."""
    told = {str(word): catalog.level_of(str(word)) or str(word) for word in words.unique()}
    return {word: "、".join(other for other, of in told.items() if of == level) for word, level in told.items()}


def curve_of(units: pd.DataFrame) -> Lorenz:
    """Of rows of units: children, covered. Without those of whom nobody knows the children."""
    known = units[units["children"].notna()]
    return lorenz(known["children"].to_numpy(dtype=float), known["covered"].to_numpy(dtype=float))


def _row(kind: str, level: str, units: pd.DataFrame) -> dict[str, object]:
    units = units[units["children"].fillna(0) > 0].sort_values("unit_id")
    if len(units) < 2:
        return {}
    share = (units["covered"] / units["children"]).to_numpy(dtype=float)
    best, worst = int(np.argmax(share)), int(np.argmin(share))
    curve, names = curve_of(units), units["unit_name"].to_numpy(dtype=object)
    children, served = float(units["children"].sum()), float(units["covered"].sum())
    return {
        "kind": kind, "level": level, "units": len(units), "children": children, "covered_share": served / children,
        "unknown": float(units["unknown"].sum()), "best_unit": names[best], "best_share": share[best],
        "worst_unit": names[worst], "worst_share": share[worst], "unit_gap": share[best] - share[worst],
        "gini": gini(curve), "worst_fifth_share": share_of_worst(curve),
    }  # fmt: skip
