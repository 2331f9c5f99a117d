"""Iterative proportional fitting: a table that keeps the pattern of one source and adds up to the totals of another."""

from dataclasses import dataclass

import numpy as np

CLOSE = 1e-8
"""Rows are met when none is off by more than this share of all people."""
MAX_ROUNDS = 1_000


@dataclass(frozen=True, eq=False)
class Fit:
    """`table`: cells × bands; its columns add up to the totals. `rounds`: how often both margins were scaled.
    `off`: by how much each row differs from its share of the shape, people. `met`: whether all rows are met."""

    table: np.ndarray
    rounds: int
    off: np.ndarray
    met: bool


def fit_to_margins(seed: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> Fit:
    """The table nearest to `seed` (cells × bands, ≥ 0) with the row sums of `rows`, scaled, and the sums of `columns`.

    Rows are cells and tell the shape: their sum is scaled to that of the columns. Columns are totals, met exactly,
    whatever the rows do. A column with people and no seed takes the shape of the rows; a row without seed stays empty.
    Deming & Stephan 1940, Annals of Mathematical Statistics 11(4): rows and columns are scaled in turn.
    """
    shape = rows.sum()
    columns = np.asarray(columns, dtype=float)
    table = np.where((seed.sum(axis=0) > 0) | (columns == 0), seed, rows[:, None])
    wanted = rows * (columns.sum() / shape if shape > 0 else 0.0)
    table = _to_columns(table, columns)
    rounds = 0
    while rounds < MAX_ROUNDS and _off(table, wanted) > CLOSE * columns.sum():
        before = table.sum(axis=1)
        scaled = table * np.divide(wanted, before, out=np.zeros_like(before), where=before > 0)[:, None]
        emptied = (scaled.sum(axis=0) == 0) & (columns > 0)
        table = _to_columns(np.where(emptied, table, scaled), columns)
        rounds += 1
    off = table.sum(axis=1) - wanted
    return Fit(table, rounds, off, bool(_off(table, wanted) <= CLOSE * columns.sum()))


def _off(table: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(table.sum(axis=1) - wanted).max(initial=0.0))


def _to_columns(table: np.ndarray, columns: np.ndarray) -> np.ndarray:
    sums = table.sum(axis=0)
    return np.asarray(table * np.divide(columns, sums, out=np.zeros_like(columns), where=sums > 0))
