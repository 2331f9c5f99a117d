"""The 15-minute children's circle: which children reach everything in their band's basket, each in its own limit."""

from collections.abc import Mapping

import geopandas as gpd
import numpy as np
import pandas as pd

from cfc_geo.model import Coverage
from cfc_geo.questions.sums import UnitSums, proven_share, stacked
from cfc_geo.tables import CIRCLE_COLUMNS, COVERED, GAP, STATUSES, UNKNOWN, children_column

Baskets = Mapping[str, tuple[str, ...]]


def judge_circle(coverage: Coverage, baskets: Baskets) -> pd.DataFrame:
    """The circle's status, origin × band: covered if every item is, gap if any item is, else unknown."""
    status = {}
    for band, basket in baskets.items():
        covered, gap = _is(coverage, basket, COVERED), _is(coverage, basket, GAP)
        codes = np.select(
            [covered.all(axis=1), gap.any(axis=1)],
            [STATUSES.index(COVERED), STATUSES.index(GAP)],
            STATUSES.index(UNKNOWN),
        )
        status[band] = pd.Categorical.from_codes(codes, STATUSES)
    return pd.DataFrame(status, coverage.status.index)


def sum_circle(
    coverage: Coverage, circle: pd.DataFrame, baskets: Baskets, origins: gpd.GeoDataFrame, units: gpd.GeoDataFrame
) -> pd.DataFrame:
    """Children by unit × band (`tables.CIRCLE_COLUMNS`); `all` comes first.

    children = complete + incomplete + unknown. mean_items_share: items covered ÷ items of the basket, averaged over
    children; an unknown item counts as not covered, so it too is what is proven. complete_share is NaN where nothing is
    known of any circle, mean_items_share where nothing is known of any item. most_missing_kind: the item that most
    children have as a gap, of equals the first in the basket; "" where no child has one.
    """
    sums = UnitSums(origins["unit_id"], units)
    labels, blocks = sums.labels(), []
    for band, basket in baskets.items():
        children = origins[children_column(band)].to_numpy(dtype=float)
        codes = circle[band].cat.codes.to_numpy()
        complete, incomplete, unknown = (sums(children * (codes == STATUSES.index(s))) for s in (COVERED, GAP, UNKNOWN))
        total = complete + incomplete + unknown
        items = sums(children * _is(coverage, basket, COVERED).mean(axis=1))
        blank = sums(children * _is(coverage, basket, UNKNOWN).all(axis=1))
        missing = np.stack([sums(children * _is(coverage, (kind,), GAP)[:, 0]) for kind in basket])
        most_missing = np.array(basket, dtype=object)[missing.argmax(axis=0)]
        blocks.append(
            {
                **labels,
                "band": band,
                "children": total,
                "complete": complete,
                "incomplete": incomplete,
                "unknown": unknown,
                "complete_share": proven_share(complete, unknown, total),
                "mean_items_share": proven_share(items, blank, total),
                "most_missing_kind": np.where(missing.max(axis=0) > 0, most_missing, ""),
            }
        )
    return stacked(blocks, CIRCLE_COLUMNS)


def _is(coverage: Coverage, basket: tuple[str, ...], status: str) -> np.ndarray:
    """Origin × item of the basket: has it this status?"""
    code = STATUSES.index(status)
    return np.column_stack([coverage.status[kind].cat.codes.to_numpy() == code for kind in basket])
