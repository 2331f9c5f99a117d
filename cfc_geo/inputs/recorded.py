"""Tables of a folder that this program wrote, read only if its record lists them and they are as written."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from cfc_geo import catalog
from cfc_geo.errors import Findings
from cfc_geo.inputs.read import sha256

RECORD: Final = "run.json"
MAX_BYTES: Final = 50_000_000
GUARDED_STARTS: Final = tuple("=+-@\t\r\n＝＋－＠")
"""What a text of data begins with where it was written with an apostrophe in front."""


@dataclass(frozen=True, eq=False)
class Recorded:
    """A folder, what its `run.json` says, and its files as listed there: name → sha256."""

    folder: Path
    record: Mapping[str, Any]
    files: Mapping[str, str]


def read_record(folder: Path, findings: Findings) -> Recorded | None:
    """The record of `folder`; None, with an error, where there is none of this program that can be read."""
    path = folder / RECORD
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_BYTES:
            raise ValueError
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["program"] != "cfc_geo":
            raise ValueError
        files = {str(row["file"]): str(row["sha256"]) for row in record["files"]}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        findings.error("compare.no_result", str(folder))
        return None
    return Recorded(folder, record, files)


def read_bytes(recorded: Recorded, name: str, findings: Findings) -> bytes | None:
    """A file as it was written; None where the record lists none of that name, or, with an error, it was changed."""
    if name not in recorded.files:
        return None
    path = recorded.folder / name
    try:
        whole = not path.is_symlink() and path.is_file() and path.stat().st_size <= MAX_BYTES
        if whole and sha256(path) == recorded.files[name]:
            return path.read_bytes()
    except OSError:
        pass
    findings.error("compare.changed", str(recorded.folder), files=[name])
    return None


def read_table(recorded: Recorded, name: str, columns: Sequence[str], findings: Findings) -> pd.DataFrame | None:
    """A CSV table with at least these `columns`, numbers (NaN undefined) where the catalogue gives a unit, else texts;
    None as `read_bytes`, or, with an error, where it is no such table."""
    content = read_bytes(recorded, name, findings)
    if content is None:
        return None
    try:
        table = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False, encoding="utf-8-sig")
        odd = [column for column in columns if column not in table]
    except (ValueError, UnicodeDecodeError):
        table, odd = pd.DataFrame(), list(columns)
    for column in [] if odd else table.columns:
        values = table[column]
        if column in columns and catalog.column(column).unit not in ("", "own"):
            numbers = pd.to_numeric(values.where(values != ""), errors="coerce").astype(float)
            odd += [column] if (numbers.isna() & (values != "")).any() else []
            table[column] = numbers
        else:
            table[column] = values.map(_unguarded)
    if odd:
        findings.error("brief.table", str(recorded.folder / name), columns=odd[:8])
        return None
    return table


def _unguarded(value: str) -> str:
    return value[1:] if value.startswith("'") and value[1:].startswith(GUARDED_STARTS) else value
