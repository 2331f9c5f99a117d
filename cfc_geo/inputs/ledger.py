"""The ledger of a scenario: every change that its edits make, and every fault of theirs, by their place in the plan."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from cfc_geo.edits import Edit
from cfc_geo.errors import Findings, Rows
from cfc_geo.model import Change
from cfc_geo.plan import Plan


class Numbered(NamedTuple):
    """An edit and its place in the plan; the first is 1."""

    position: int
    edit: Edit

    @property
    def at(self) -> Rows:
        return Rows((self.position,), "edit")


def numbered(plan: Plan, verbs: Collection[str]) -> list[Numbered]:
    """The plan's edits of these verbs."""
    return [Numbered(position, edit) for position, edit in enumerate(plan.edits, 1) if edit.verb in verbs]


@dataclass(frozen=True)
class Ledger:
    """`file` is the scenario's, as messages name it."""

    file: str
    findings: Findings
    changes: list[Change] = field(default_factory=list)

    def error(self, edit: Numbered, code: str, **values: Any) -> None:
        self.findings.error(code, self.file, edit.at, **values)

    def warning(self, edit: Numbered, code: str, **values: Any) -> None:
        self.findings.warning(code, self.file, edit.at, **values)

    def note(self, edit: Numbered, code: str, **values: Any) -> None:
        self.findings.note(code, self.file, edit.at, **values)

    def change(self, edit: Numbered, target: str, what: str, old: object, new: object) -> None:
        self.changes.append(Change(edit.position, edit.edit.verb, target, what, _shown(old), _shown(new)))


def _shown(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, (bool, np.bool_)) else str(value)
