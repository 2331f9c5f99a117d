"""check.xlsx: every finding of a check, one record a row, to send back to the office that made the file."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from cfc_geo import catalog
from cfc_geo.errors import Finding
from cfc_geo.model import Source
from cfc_geo.outputs.folder import check_report_folder, write_file
from cfc_geo.outputs.provenance import shown_findings, shown_sources, versions
from cfc_geo.outputs.spreadsheet import Pen, Sheet, readable, workbook_bytes
from cfc_geo.outputs.tables import text

REPORT = "check.xlsx"
MOST_RECORDS = 200
"""Findings of more records than this have one row, which names them as ranges; so have notes, which ask for nothing."""
MOST_RANGES = 1_000

SUMMARY_WIDTHS = (16, 40, 9, 9, 9, 13, 12, 14, 14, 38)


def write_check_report(
    plan_file: Path, findings: Sequence[Finding], sources: Sequence[Source], out_dir: Path, lang: str
) -> Path:
    """Write `out_dir/<name of the plan file>.check/check.xlsx` and return it.

    An old one is replaced in one step. Raises `OutputError`, with the old one as it was, if it cannot be written.
    """
    folder = check_report_folder(plan_file, out_dir)
    return write_file(report_bytes(plan_file, findings, sources, lang), REPORT, folder)


def report_bytes(plan_file: Path, findings: Sequence[Finding], sources: Sequence[Source], lang: str) -> bytes:
    """The workbook: a summary by file, and every finding."""

    def draw(pen: Pen) -> None:
        _write_summary(pen, plan_file, findings, sources)
        pen.sheet(Sheet(_say("sheet.findings", lang), records_table(findings, lang), REPORT, frozen=4))

    return workbook_bytes(_say("check.title", lang, plan=plan_file.name), lang, draw)


def records_table(findings: Iterable[Finding], lang: str) -> pd.DataFrame:
    """severity, file, sheet, row, what, mend, code, and outcome and handler, which are for the office to fill in.

    One row a record; errors first, and else as they were found. What is about a file as a whole has no `row`.
    """
    rows = [
        (finding.severity, finding.file, finding.sheet, record, words.what, words.mend, finding.code, "", "")
        for finding in shown_findings(findings)
        for words in [finding.words(lang)]
        for record in _records(finding, lang)
    ]
    columns = ["severity", "file", "sheet", "row", "what", "mend", "code", "outcome", "handler"]
    return readable(pd.DataFrame(rows, columns=columns), lang)


def summary_table(findings: Iterable[Finding], sources: Iterable[Source], lang: str) -> pd.DataFrame:
    """role, file, errors, warnings, notes, format, encoding, date, datum, sha256: one row a file.

    Files that only a finding names (the plan) come last, and then what is about no file in particular.
    """
    found, known = shown_findings(findings), shown_sources(sources)
    files = list(dict.fromkeys(source.file for source in known))
    files += sorted({finding.file for finding in found} - set(files), key=lambda file: (file == "", file))
    join = _say("list", lang).join
    rows = []
    for file in files:
        mine = [finding for finding in found if finding.file == file]
        of_file = [source for source in known if source.file == file]
        roles, *facts = (
            join(dict.fromkeys(value for value in values if value))
            for values in (
                [_say(f"role.{source.role}", lang) for source in of_file],
                [_say("check.missing", lang) if source.format == "missing" else source.format for source in of_file],
                [str(finding.values["encoding"]) for finding in mine if finding.code == "read.encoding"],
                [source.date for source in of_file],
                [source.datum for source in of_file],
                [source.sha256 for source in of_file],
            )
        )
        count = [sum(finding.severity == severity for finding in mine) for severity in ("error", "warning", "note")]
        rows.append((roles, file or _say("check.no_file", lang), *count, *facts))
    columns = ["role", "file", "errors", "warnings", "notes", "format", "encoding", "date", "datum", "sha256"]
    return pd.DataFrame(rows, columns=columns)


def _write_summary(pen: Pen, plan_file: Path, findings: Sequence[Finding], sources: Sequence[Source]) -> None:
    lang = pen.lang
    page = pen.page(_say("sheet.summary", lang), SUMMARY_WIDTHS)
    row = pen.heading(page, 0, _say("check.title", lang, plan=text(plan_file.name)), title=True)
    faults = sum(finding.severity == "error" for finding in findings)
    verdict = _say("check.faults", lang, count=faults) if faults else _say("check.fine", lang)
    made_with = f"cfc_geo {versions()['cfc_geo']}"
    row = pen.pairs(page, row, [(_say("check.verdict", lang), verdict), (_say("about.made_with", lang), made_with)])
    row = pen.table(page, summary_table(findings, sources, lang), row + 1, SUMMARY_WIDTHS)
    for sentence in ("to_mend", "to_return"):
        row = pen.paragraph(page, row + 1, _say(f"check.{sentence}", lang), SUMMARY_WIDTHS[:-1])


def _records(finding: Finding, lang: str) -> list[str]:
    """Each record of a finding in words; of a note, and of very many, one text of ranges; "" where it is about a whole
    file."""
    if not finding.rows:
        return [""]
    if finding.severity != "note" and len(finding.rows) <= MOST_RECORDS:
        return [catalog.word(f"place.{finding.counted}", lang, listed=row) for row in finding.rows]
    ranges = _ranges(finding.rows)
    listed = catalog.word("place.list", lang).join(ranges[:MOST_RANGES])
    if len(ranges) > MOST_RANGES:
        listed = catalog.word("place.more", lang, listed=listed, count=len(finding.rows))
    plural = "s" if len(finding.rows) > 1 else ""
    return [catalog.word(f"place.{finding.counted}{plural}", lang, listed=listed)]


def _ranges(rows: Iterable[int | str]) -> list[str]:
    """Row numbers as "2-40", "45"; what is no number stands for itself."""
    numbers = sorted({int(row) for row in rows if not isinstance(row, str)})
    starts = [
        row for row, before in zip(numbers, [None, *numbers], strict=False) if before is None or row != before + 1
    ]
    ends = [row for row, after in zip(numbers, [*numbers[1:], None], strict=True) if after is None or after != row + 1]
    texts = [f"{start}-{end}" if start < end else f"{start}" for start, end in zip(starts, ends, strict=True)]
    return texts + [row for row in rows if isinstance(row, str)]


def _say(key: str, lang: str, **values: Any) -> str:
    return catalog.word(f"outputs.{key}", lang, **values)
