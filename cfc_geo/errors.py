"""What can go wrong, on one screen: findings, and the exceptions that carry them.

A `Finding` is a fact about the user's plan or data. Its sentence lives in the catalogue under its `code`, in Chinese
and in English, together with the way to mend it; here are only the values that fill it in.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from cfc_geo import catalog

Severity = Literal["error", "warning", "note"]
Counted = Literal["row", "feature", "edit"]


@dataclass(frozen=True)
class Rows:
    """Records of a file as its user counts them, and the sheet of the workbook they are on ("" in other files).

    "row": as a spreadsheet numbers its rows. "feature": as a GIS lists its features, the first is 1. "edit": as a plan
    lists its edits, those of the plan that it extends first. None at all is the file, or the sheet, as a whole.
    """

    numbers: tuple[int | str, ...] = ()
    counted: Counted = "row"
    sheet: str = ""

    @classmethod
    def features(cls, positions: Iterable[int]) -> "Rows":
        """The records of a layer at these positions, of which the first is 0."""
        return cls(tuple(int(position) + 1 for position in positions), "feature")

    def __iter__(self) -> Iterator[int | str]:
        return iter(self.numbers)


@dataclass(frozen=True)
class Finding:
    """One fault, warning or note; `rows`, `counted` and `sheet` are as in `Rows`."""

    severity: Severity
    code: str
    file: str = ""
    rows: tuple[int | str, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)
    counted: Counted = "row"
    sheet: str = ""

    def text(self, lang: str = "en") -> str:
        """The finding as one line: where, what is wrong, and (after the arrow) how to mend it."""
        return self.words(lang).line

    def words(self, lang: str) -> catalog.FindingText:
        """The finding's three parts by themselves."""
        place = (self.file, self.sheet, self.rows, self.counted)
        return catalog.finding_text(self.code, lang, place=place, values=self.values)


class Findings(list[Finding]):
    """Collects findings while inputs are read, so that all faults are reported at once."""

    def error(self, code: str, file: str = "", rows: Iterable[int | str] = (), **values: Any) -> None:
        self._add("error", code, file, rows, values)

    def warning(self, code: str, file: str = "", rows: Iterable[int | str] = (), **values: Any) -> None:
        self._add("warning", code, file, rows, values)

    def note(self, code: str, file: str = "", rows: Iterable[int | str] = (), **values: Any) -> None:
        self._add("note", code, file, rows, values)

    def _add(self, severity: Severity, code: str, file: str, rows: Iterable[int | str], values: dict[str, Any]) -> None:
        if not isinstance(rows, Rows):
            rows = Rows(tuple(rows))
        self.append(Finding(severity, code, file, rows.numbers, values, rows.counted, rows.sheet))

    @property
    def errors(self) -> list[Finding]:
        return [finding for finding in self if finding.severity == "error"]

    def raise_errors(self, kind: "type[CfcError]") -> None:
        """Raise `kind` with every finding so far, if one of them is an error."""
        if self.errors:
            raise kind(self)


class CfcError(Exception):
    """Base of all errors a user can mend; carries findings, the errors among them first."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = sorted(findings, key=lambda finding: finding.severity != "error")
        super().__init__(self.findings)

    def __str__(self) -> str:
        return "\n".join(finding.text("en") for finding in self.findings)


class PlanError(CfcError, ValueError):
    """The plan file is wrong."""


class DataError(CfcError, ValueError):
    """A data file is wrong."""


class NetworkError(CfcError, ValueError):
    """The streets cannot carry the question."""


class OutputError(CfcError, OSError):
    """The results cannot be written where they were asked for."""


class SolveError(CfcError, ValueError):
    """No choice of sites does what is asked."""


class FetchError(CfcError, OSError):
    """What was asked for could not be had from the network."""
