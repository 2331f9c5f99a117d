"""The register of gaps: one row for every missed target, unit by unit where it can be told, with who is to act and by
when; and what became of the gaps of an earlier register."""

from typing import Final

import numpy as np
import pandas as pd

from cfc_geo.questions.scorecard.judge import MISSED
from cfc_geo.tables import GAP_COLUMNS

OPEN, NEW, CLOSED = "open", "new", "closed"
SOON_YEARS: Final = 1


def gap_register(
    scores: pd.DataFrame, units: pd.DataFrame, children: pd.Series, *, year: int, earlier: pd.DataFrame | None = None
) -> pd.DataFrame:
    """`tables.GAP_COLUMNS`, first priority and most children first.

    `scores`: `tables.SCORE_COLUMNS`; `units`: `tables.SCORE_UNIT_COLUMNS`; `children`: of each unit. Of a target that
    is missed, the units that miss it; or, where it is not told by unit, the place. Rows that state one thing twice
    count once. Priority 1: due by now; 2: due within a year; 3: later, or never. A gap of the `earlier` register keeps
    its status and remarks; one that is gone is listed once more, as closed.
    """
    missed = scores[(scores["status"] == MISSED) & scores["counted"]]
    here = units[units["status"] == MISSED].merge(missed[["plan_id", "target_id"]], on=["plan_id", "target_id"])
    whole = missed.merge(here[["plan_id", "target_id"]].drop_duplicates(), how="left", indicator=True)
    whole = whole[whole["_merge"] == "left_only"].assign(unit_id="", unit_name="", level="")
    said = missed.drop(columns=["measured", "measured_most", "shortfall", "status"])
    rows = pd.concat([here.merge(said, on=["plan_id", "target_id"]), whole], ignore_index=True)
    rows["children"] = rows["unit_id"].map(children).astype(float)
    rows["priority"] = _priority(rows["year"], year)
    rows["gap_id"] = (
        rows["plan_id"] + "/" + rows["target_id"] + np.where(rows["unit_id"] == "", "", "/" + rows["unit_id"])
    )
    rows["gap_status"], rows["remarks"] = NEW, ""
    order = ["priority", "children", "gap_id"]
    found = rows.sort_values(order, ascending=[True, False, True], kind="stable", na_position="last")
    found = found.reindex(columns=list(GAP_COLUMNS)).reset_index(drop=True)
    return found if earlier is None else _kept(found, earlier)


def _priority(due: pd.Series, year: int) -> np.ndarray:
    left = due.to_numpy(dtype=float) - year
    return np.select([left < 0, left <= SOON_YEARS], [1, 2], default=3)


def _kept(found: pd.DataFrame, earlier: pd.DataFrame) -> pd.DataFrame:
    """A gap that was there before keeps what was written beside it; what has gone is closed."""
    before = earlier.drop_duplicates("gap_id").set_index("gap_id")
    was = found["gap_id"].isin(before.index)
    status = found["gap_id"].map(before["gap_status"]).replace({NEW: OPEN, CLOSED: OPEN})
    found = found.assign(
        gap_status=status.where(was & status.notna() & (status != ""), found["gap_status"]),
        remarks=found["gap_id"].map(before["remarks"]).fillna(""),
    )
    gone = earlier[~earlier["gap_id"].isin(found["gap_id"]) & (earlier["gap_status"] != CLOSED)]
    closed = gone.reindex(columns=list(GAP_COLUMNS)).assign(gap_status=CLOSED)
    return pd.concat([found, closed], ignore_index=True) if len(closed) else found
