"""What of a finished result may leave the office."""

import pandas as pd

from cfc_geo.model import Coverage, Finished
from cfc_geo.questions.circle import sum_circle
from cfc_geo.questions.coverage import sum_coverage
from cfc_geo.questions.disclosure.blocks import merge_cells
from cfc_geo.questions.disclosure.protect import Protected, protect
from cfc_geo.questions.disclosure.rules import Rules
from cfc_geo.questions.sums import without_unknown
from cfc_geo.tables import STATUSES, circle_column


def hand_out(finished: Finished, rules: Rules) -> Protected:
    """The tables by unit of a result, and its cells, as they may leave the office."""
    coverage, circle = exact_tables(finished)
    baskets = finished.rules.baskets
    blocks = merge_cells(finished.cells, tuple(baskets), rules)
    return protect(coverage, circle, finished.units, baskets, rules, blocks=blocks)


def exact_tables(finished: Finished) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Coverage and circle by unit, as the run summed them (`tables.COVERAGE_COLUMNS`, `tables.CIRCLE_COLUMNS`)."""
    asked, cells = finished.rules, finished.cells.set_index("origin_id")
    coverage = Coverage(
        status=pd.DataFrame(
            {kind: pd.Categorical(cells[f"{kind}_status"], STATUSES) for kind in asked.limits}, cells.index
        ),
        metres=pd.DataFrame({kind: cells[f"{kind}_m"].astype(float) for kind in asked.limits}, cells.index),
        nearest_id=pd.DataFrame({kind: cells[f"{kind}_nearest_id"] for kind in asked.limits}, cells.index),
        norms=asked.limits,
    )
    bands = {band: pd.Categorical(cells[circle_column(band)], STATUSES) for band in asked.baskets}
    circle = pd.DataFrame(bands, cells.index)
    tables = (
        sum_coverage(coverage, finished.cells, finished.units, asked.speeds_ms),
        sum_circle(coverage, circle, asked.baskets, finished.cells, finished.units),
    )
    of_coverage, of_circle = (
        without_unknown(table, finished.units, bands=asked.unknown_bands, of_units=asked.unknown_units)
        for table in tables
    )
    return of_coverage, of_circle
