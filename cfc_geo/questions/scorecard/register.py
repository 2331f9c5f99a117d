"""The register of gaps: one row for every missed target, unit by unit where it can be told, with who is to act and by
when; and what became of the gaps of an earlier register."""

from typing import Final

import numpy as np
import pandas as pd

from cfc_geo import catalog
from cfc_geo.questions.scorecard.judge import MET, MISSED
from cfc_geo.tables import GAP_COLUMNS

OPEN, NEW, CLOSED = "open", "new", "closed"
KEYS: Final = ["plan_id", "target_id"]
SOON_YEARS: Final = 1


def gap_register(
    scores: pd.DataFrame, units: pd.DataFrame, children: pd.Series, *, year: int, earlier: pd.DataFrame | None = None
) -> pd.DataFrame:
    """`tables.GAP_COLUMNS`, first priority and most children first.

    `scores`: `tables.SCORE_COLUMNS`; `units`: `tables.SCORE_UNIT_COLUMNS`; `children`: of each unit. Of a target that
    is missed, the units of the narrowest level that miss it; or, where it is not told by unit, the place. Rows that
    state one thing twice count once. Priority 1: due by now; 2: due within a year; 3: later, or never. A gap of the
    `earlier` register keeps its status and remarks; one that is met today is listed once more, as closed; one of which
    nothing is known today, or that nobody asked about, stays as it is.
    """
    missed = scores[(scores["status"] == MISSED) & scores["counted"]]
    told = narrowest(units)
    here = told[told["status"] == MISSED].merge(missed[KEYS], on=KEYS)
    whole = missed.merge(here[KEYS].drop_duplicates(), how="left", on=KEYS, indicator=True)
    whole = whole[whole["_merge"] == "left_only"].assign(unit_id="", unit_name="", level="")
    said = missed.drop(columns=["measured", "measured_most", "shortfall", "status"])
    rows = pd.concat([here.merge(said, on=KEYS), whole], ignore_index=True)
    rows["children"] = rows["unit_id"].map(children).astype(float)
    rows["priority"] = _priority(rows["year"], year)
    rows["gap_id"] = _ids(rows)
    rows["gap_status"], rows["remarks"] = NEW, ""
    found = rows.reindex(columns=list(GAP_COLUMNS))
    if earlier is not None:
        met = {*_ids(told[told["status"] == MET]), *_ids(scores[scores["status"] == MET].assign(unit_id=""))}
        found = _kept(found, earlier, met)
    order = ["priority", "children", "gap_id"]
    return found.sort_values(order, ascending=[True, False, True], kind="stable", na_position="last", ignore_index=True)


def narrowest(units: pd.DataFrame) -> pd.DataFrame:
    """Of every target the rows of its narrowest level: wider units hold the same children again."""
    if units.empty:
        return units
    known = list(catalog.levels())
    of = units["level"].map(lambda word: known.index(level) if (level := catalog.level_of(word)) else len(known))
    return units[of == of.groupby([units[key] for key in KEYS]).transform("max")]


def _ids(rows: pd.DataFrame) -> pd.Series:
    """plan/target, or plan/target/unit."""
    unit = "/" + rows["unit_id"].astype(str)
    return rows["plan_id"].astype(str) + "/" + rows["target_id"].astype(str) + unit.where(rows["unit_id"] != "", "")


def _priority(due: pd.Series, year: int) -> np.ndarray:
    left = due.to_numpy(dtype=float) - year
    return np.select([left < 0, left <= SOON_YEARS], [1, 2], default=3)


def _kept(found: pd.DataFrame, earlier: pd.DataFrame, met: set[str]) -> pd.DataFrame:
    """What was written beside a gap stays; what is `met` now is closed, with what was written."""
    before = earlier.drop_duplicates("gap_id").set_index("gap_id")
    was = found["gap_id"].map(before["gap_status"])
    found = found.assign(
        gap_status=was.replace({NEW: OPEN, CLOSED: OPEN}).where(was.notna() & (was != ""), found["gap_status"]),
        remarks=found["gap_id"].map(before["remarks"]).fillna(""),
    )
    gone = earlier[~earlier["gap_id"].isin(found["gap_id"])]
    closing = gone["gap_id"].isin(met)
    gone = gone[~(closing & (gone["gap_status"] == CLOSED))]  # told once
    gone = gone.assign(gap_status=gone["gap_status"].replace({NEW: OPEN}).mask(gone["gap_id"].isin(met), CLOSED))
    return pd.concat([found, gone.reindex(columns=list(GAP_COLUMNS))], ignore_index=True) if len(gone) else found
