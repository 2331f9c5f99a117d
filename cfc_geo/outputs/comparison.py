"""What a comparison is written as: tables, workbook, sentences, map and record, in one folder, whole or not at all."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from cfc_geo import catalog
from cfc_geo.model import Comparison, Finished
from cfc_geo.outputs.folder import MAX_NAME_BYTES, check_comparison_folder, renewed
from cfc_geo.outputs.provenance import PROGRAM, RUN_RECORD, versions, write_record
from cfc_geo.outputs.sentences import sentences, sentences_markdown, sentences_page
from cfc_geo.outputs.spreadsheet import Pen, Sheet, readable, workbook_bytes
from cfc_geo.outputs.tables import write_csv
from cfc_geo.tables import ALL_BANDS, CIRCLE

SEPARATOR = "--"
DIGEST = 12
CODES = ("state", "crowded", "cost_is")
"""Columns of codes that people read as words."""


def write_comparison(comparison: Comparison, out_dir: Path, lang: str) -> Path:
    """Write everything about `comparison` into a folder of `out_dir` named after its results, and return that folder.

    Raises `OutputError` as `folder.write_result` does; a folder that holds a result is left alone.
    """
    from cfc_geo.outputs.comparison_map import draw_comparison

    folder = check_comparison_folder(folder_name(names_of(comparison)), out_dir)
    with renewed(folder) as new:
        for name, table in tables(comparison).items():
            write_csv(table, new / name)
        (new / "compare.xlsx").write_bytes(workbook(comparison, lang))
        (new / "sentences.md").write_text(sentences_markdown(comparison), encoding="utf-8", newline="\n")
        (new / "sentences.html").write_text(sentences_page(comparison, lang), encoding="utf-8", newline="\n")
        (new / "map.html").write_text(draw_comparison(comparison, lang), encoding="utf-8", newline="\n")
        write_record(comparison_record(comparison), new / RUN_RECORD, list(new.iterdir()))
    return folder


def folder_name(names: Sequence[str]) -> str:
    """The name of the folder for a comparison of these results; of long names the first, and a digest of all."""
    name = SEPARATOR.join(names)
    if len(names) < 2 or len(os.fsencode(name)) <= MAX_NAME_BYTES:
        return name
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:DIGEST]
    first = os.fsencode(names[0])[: MAX_NAME_BYTES // 2].decode("utf-8", "ignore")
    return f"{first}{SEPARATOR}{len(names) - 1}{SEPARATOR}{digest}"


def names_of(comparison: Comparison) -> list[str]:
    """The names of the compared results, the first first."""
    return [comparison.before.name, *(other.name for other in comparison.after)]


def tables(comparison: Comparison) -> dict[str, pd.DataFrame]:
    """File name → table."""
    return {
        "compare.csv": comparison.changes,
        "compare_units.csv": comparison.units,
        "compare_facilities.csv": comparison.facilities,
        "compare_summary.csv": comparison.summary,
    }


def comparison_record(comparison: Comparison) -> dict[str, Any]:
    """`run.json` of a comparison, apart from the files beside it: what was compared, and by which program."""
    return {
        "program": PROGRAM,
        "comparison": {
            "before": _result_record(comparison.before),
            "after": [_result_record(other) for other in comparison.after],
            "kinds_left_out": list(comparison.kinds_apart),
        },
        "versions": versions(),
    }


def _result_record(result: Finished) -> dict[str, Any]:
    return {"folder": result.name, "plan": result.title, "run_sha256": result.record_sha256}


# ----------------------------------------------------------------------------------------------------------- workbook


def workbook(comparison: Comparison, lang: str) -> bytes:
    """The workbook: sentences first, then the tables."""

    def draw(pen: Pen) -> None:
        for sheet in sheets(comparison, lang):
            pen.sheet(sheet)

    return workbook_bytes(folder_name(names_of(comparison)), lang, draw)


def sheets(comparison: Comparison, lang: str) -> list[Sheet]:
    """The sheets in order, values as people read them."""
    said = pd.DataFrame([(one.after, one.text) for one in sentences(comparison, lang)], columns=["after", "text"])
    of_tables = {"summary": 2, "units": 3, "changes": 3, "facilities": 2}
    files = {"summary": "compare_summary.csv", "units": "compare_units.csv", "changes": "compare.csv"}
    return [
        Sheet(_say("sheet.sentences", lang), said, "sentences.md"),
        *(
            Sheet(
                _say(f"sheet.{name}", lang),
                _in_words(getattr(comparison, name), lang),
                files.get(name, "compare_facilities.csv"),
                frozen,
            )
            for name, frozen in of_tables.items()
        ),
        Sheet(_say("sheet.dictionary", lang), dictionary(comparison, lang)),
    ]


def dictionary(comparison: Comparison, lang: str) -> pd.DataFrame:
    """table, column, heading, unit, help: one row for every column that is written, file by file."""
    rows = [
        (
            file,
            name,
            getattr(known, lang),
            catalog.word(f"outputs.unit.{known.unit}", lang),
            getattr(known, f"help_{lang}"),
        )
        for file, table in tables(comparison).items()
        for name, known in ((name, catalog.column(str(name))) for name in table.columns)
    ]
    return pd.DataFrame(rows, columns=["table", "column", "heading", "unit", "help"])


def _in_words(table: pd.DataFrame, lang: str) -> pd.DataFrame:
    shown = table.copy()
    for name in [*CODES, "kind", "kind_before", "band"]:
        if name in shown:
            shown[name] = [in_words(name, code, lang) for code in shown[name]]
    return readable(shown, lang)


def in_words(name: str, code: str, lang: str) -> str:
    """A code of these tables as people read it."""
    if name in CODES:
        return catalog.word(f"compare.{name}.{code}", lang) if code else ""
    if code in (CIRCLE, ALL_BANDS):
        return _say(f"{name}.{code}", lang)
    return catalog.kind_name(code, lang) if name in ("kind", "kind_before") else code


def _say(key: str, lang: str) -> str:
    return catalog.word(f"compare.{key}", lang)
