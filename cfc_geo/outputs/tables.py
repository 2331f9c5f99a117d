"""Result tables as CSV for programs and spreadsheets, and the cells as GeoParquet.

Figures are written the same everywhere (`figure`): counts with up to three decimals (children spread from an estimate
are fractional), shares with four, rates with three, metres and minutes with one; a value that is undefined is empty,
never 0.
"""

import io
import math
from numbers import Real
from pathlib import Path
from typing import Any

import pandas as pd

from cfc_geo import catalog
from cfc_geo.model import ChildStreets, Result
from cfc_geo.outputs.edits import edits_table

BOM = "\ufeff"
"""Tells Excel and WPS that a CSV file is UTF-8."""

DECIMALS = {"share": 4, "rate": 3, "m": 1, "child_m": 1, "km": 2, "min": 1, "m/s": 2}
"""Fixed decimals by unit; `COUNTED` units have up to `COUNT_DECIMALS`, trailing zeros cut off."""
COUNTED = ("children", "places", "count", "cost", "km/h")
COUNT_DECIMALS = 3

FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")
"""A text that starts so could run as a formula where a CSV file is opened; it gets an apostrophe in front."""


def csv_tables(result: Result) -> dict[str, pd.DataFrame]:
    """File name → table, for every table that is written as CSV; overflow and review only if they hold anything, the
    edits only of a scenario."""
    review = {"review.csv": result.study.review} if len(result.study.review) else {}
    overflow = {"overflow.csv": result.overflow} if len(result.overflow) else {}
    return {
        "coverage.csv": result.coverage_by_unit,
        "circle.csv": result.circle_by_unit,
        "access.csv": result.access_by_unit,
        "facilities.csv": pd.DataFrame(result.facilities.drop(columns="geometry")),
        **overflow,
        **review,
        **({} if result.child_streets is None else walk_tables(result.child_streets)),
        **({"edits.csv": edits_table(result)} if result.plan.edits else {}),
    }


def walk_tables(found: ChildStreets) -> dict[str, pd.DataFrame]:
    """File name → table of where children walk."""
    return {
        "streets.csv": pd.DataFrame(found.streets.drop(columns="geometry")),
        "crossings.csv": pd.DataFrame(found.crossings.drop(columns="geometry")),
        "schools.csv": pd.DataFrame(found.schools.drop(columns="geometry")),
        "trips.csv": found.trips,
        "alone.csv": found.alone,
        "corridors.csv": pd.DataFrame(found.corridors.drop(columns="geometry")),
        "corridor_parts.csv": pd.DataFrame(found.corridor_parts.drop(columns="geometry")),
        "detours.csv": found.detours,
        "links.csv": pd.DataFrame(found.links.drop(columns="geometry")),
        "link_gains.csv": found.link_gains,
    }


def write_csv(table: pd.DataFrame, path: Path) -> None:
    r"""UTF-8 with BOM, `\n` line ends, rows as they come. Raises `OSError`."""
    units = [catalog.column(name).unit for name in table.columns]
    columns = [
        [_plain(value) if unit in ("", "own") else figure(value, unit) for value in table[name]]
        for name, unit in zip(table.columns, units, strict=True)
    ]
    rows = [",".join(map(str, table.columns)), *map(",".join, zip(*columns, strict=True))]
    path.write_bytes((BOM + "\n".join(rows) + "\n").encode())


def write_cells(result: Result, path: Path) -> None:
    """The cells as GeoParquet, in the study's CRS, figures unrounded. Raises `OSError`."""
    buffer = io.BytesIO()
    result.cells.to_parquet(buffer, index=False, compression="zstd")
    path.write_bytes(buffer.getvalue())


def figure(value: Any, unit: str) -> str:
    """A number as written in every table, by its unit; "" where undefined."""
    if value is None or math.isnan(value):
        return ""
    if unit in COUNTED:
        shown = f"{round(float(value), COUNT_DECIMALS) + 0.0:.{COUNT_DECIMALS}f}"
        return shown.rstrip("0").rstrip(".")
    decimals = DECIMALS[unit]
    return f"{round(float(value), decimals) + 0.0:.{decimals}f}"


def text(value: Any) -> str:
    """A value as text that any file can hold: missing is "", half characters become U+FFFD."""
    if pd.isna(value):
        return ""
    return str(value).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def guarded(value: str) -> str:
    """`value`, with an apostrophe in front if a spreadsheet could take it for a formula."""
    return "'" + value if value.startswith(FORMULA_STARTS) else value


def _plain(value: Any) -> str:
    """A text, guarded; a number as it is: a longitude in the west is no formula."""
    return text(value) if isinstance(value, Real) else _quoted(guarded(text(value)))


def _quoted(value: str) -> str:
    return '"' + value.replace('"', '""') + '"' if any(mark in value for mark in ',"\r\n') else value


MARKS = str.maketrans({"|": "\\|", "\n": " ", "\r": " ", "<": "&lt;", "*": "\\*", "`": "\\`", "[": "\\["})
"""What would be more than text in Markdown."""


def markdown(value: object) -> str:
    """A text as Markdown that shows it as it is, in one line."""
    return catalog.one_line(text(value)).translate(MARKS)
