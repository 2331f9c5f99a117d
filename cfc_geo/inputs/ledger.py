"""The ledger of a scenario: every change that its edits make, and every fault of theirs, by their place in the plan."""

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from cfc_geo.edits import Edit
from cfc_geo.errors import Findings, Rows
from cfc_geo.inputs.drawn import place_drawn
from cfc_geo.inputs.study import study_area
from cfc_geo.model import Change, Study
from cfc_geo.plan import Plan

SHOWN_LIKE = 3
"""How many ids, and how many names, are suggested for one that nothing bears."""
ALIKE = 0.5
"""How alike two ids, or two names, must be for one to be suggested for the other."""


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


def places_of(
    edit: Numbered, coordinates: Sequence[Sequence[float]], datum: str, study: Study, plan: Plan, ledger: Ledger
) -> np.ndarray | None:
    """Metres (n × 2) in the working CRS of what an edit draws; None, with an error, unless all is in the study area."""
    area = study_area(plan, study.units)
    return place_drawn(coordinates, datum, area, file=ledger.file, at=edit.at, findings=ledger.findings)


def like_named(said: str, ids: pd.Series, names: pd.Series, *, alike: float = ALIKE) -> list[str]:
    """ "id name" of those whose id or name is spelt most like `said`, in the order of the tables; none may be."""
    close = {
        near for known in (ids, names) for near in difflib.get_close_matches(said, known.tolist(), SHOWN_LIKE, alike)
    }
    near = [(of_id, name) for of_id, name in zip(ids, names, strict=True) if of_id in close or name in close]
    return [of_id if name in ("", of_id) else f"{of_id} {name}" for of_id, name in near[: 2 * SHOWN_LIKE]]


def _shown(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, (bool, np.bool_)) else str(value)
