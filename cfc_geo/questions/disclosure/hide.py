"""Which further figures must be kept back so that nobody can work out a small count.

For one small count after another, a linear program asks for a table that a reader could not tell from the true one and
in which that count is much larger. Where every such table contradicts figures that are shown, the program finds one
that contradicts as little as it can (by what those figures are worth), and they are kept back as well (the linear
heuristic of Kelly, Golden & Assad 1992). To keep back more only makes more tables possible, so no count has to be asked
twice, and the search ends.

The tables that are tried differ from the true one only near the count. There are more; one is enough, and of a large
place not all have to be looked through.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np

from cfc_geo.errors import Findings, SolveError
from cfc_geo.questions.disclosure.system import Key, Parts, System

CONTRADICTED: Final = 1e-5
"""Children by which a table must differ from a figure to contradict it: more than the solver's tolerance."""


def further_hidden(
    system: System, wanted: Iterable[tuple[Iterable[int], Mapping[int, float]]], follows: Mapping[Key, tuple[Key, ...]]
) -> set[Key]:
    """Keys of the facts of `system` that are to be kept back, so that each unknown could be as much as is `wanted`.

    `wanted`: the unknowns that tables may change, and unknown among them → how much it must be possible to take it for.
    `follows`: what is never shown without another figure. Raises `SolveError` if the solver fails.
    """
    hidden: set[Key] = set()
    parts, keys = Parts(system), list(system.number)
    for free, targets in wanted:
        near = parts.of(free, hidden)
        tables = _Tables(near)
        numbers, least = [near.number[keys[number]] for number in targets], np.array(list(targets.values()))
        could_be = np.zeros(len(numbers), dtype=bool)
        for turn, number in enumerate(numbers):
            if could_be[turn]:
                continue
            x, contradicted = tables.nearest(number, least[turn])
            for key in contradicted:
                hidden |= {key, *follows.get(key, ())}
                tables.hide({key, *follows.get(key, ())})
            could_be |= x[numbers] >= least
    return hidden


class _Tables:
    """The tables that a reader cannot tell from the true one, and how far others contradict what is shown."""

    def __init__(self, system: System) -> None:
        import highspy

        self._system, self._infinite = system, highspy.kHighsInf
        self._optimal = highspy.HighsModelStatus.kOptimal
        self._first = len(system.relations)
        self._open = np.zeros(len(system.facts), dtype=bool)
        self._rows: dict[Key, list[int]] = {}
        for number, fact in enumerate(system.facts):
            self._rows.setdefault(fact.key, []).append(number)
        self._highs: Any = highspy._core._Highs()  # highspy.Highs() prints a line, and starts threads for callbacks
        for name, value in {"output_flag": False, "random_seed": 0, "threads": 1}.items():
            self._highs.setOptionValue(name, value)
        self._highs.passModel(_program(highspy, system))

    def nearest(self, number: int, target: float) -> tuple[np.ndarray, list[Key]]:
        """A table in which an unknown is at least `target`, and the figures that it contradicts."""
        self._highs.changeColBounds(number, target, self._infinite)
        self._highs.run()
        if self._highs.getModelStatus() != self._optimal:
            findings = Findings()
            findings.error("share.solver", status=str(self._highs.getModelStatus()))
            raise SolveError(findings)
        solution = np.array(self._highs.getSolution().col_value)
        self._highs.changeColBounds(number, 0.0, self._infinite)
        unknowns, facts = len(self._system.true), len(self._system.facts)
        apart = solution[unknowns : unknowns + facts] + solution[unknowns + facts :]
        off = np.flatnonzero((apart > CONTRADICTED) & ~self._open)
        return solution[:unknowns], list(dict.fromkeys(self._system.facts[row].key for row in off))

    def hide(self, keys: set[Key]) -> None:
        """Let tables contradict these figures."""
        for row in (row for key in keys for row in self._rows.get(key, ()) if not self._open[row]):
            self._open[row] = True
            self._highs.changeRowBounds(self._first + row, -self._infinite, self._infinite)


def _program(highspy: Any, system: System) -> Any:
    """Columns: the unknowns, then for each fact how far a table lies above it, and below it, which costs its worth."""
    lines = [*system.relations, *(fact.line for fact in system.facts)]
    unknowns, facts, first = len(system.true), len(system.facts), len(system.relations)
    sizes = np.array([len(line.terms) + (2 if row >= first else 0) for row, line in enumerate(lines)])
    index: list[int] = []
    value: list[float] = []
    for row, line in enumerate(lines):
        index += [unknown for unknown, _ in line.terms]
        value += [factor for _, factor in line.terms]
        if row >= first:
            index += [unknowns + row - first, unknowns + facts + row - first]
            value += [-1.0, 1.0]
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = unknowns + 2 * facts, len(lines)
    worth = np.array([fact.worth for fact in system.facts])
    lp.col_cost_ = np.concatenate([np.zeros(unknowns), worth, worth])
    lp.col_lower_ = np.zeros(lp.num_col_)
    lp.col_upper_ = np.full(lp.num_col_, highspy.kHighsInf)
    lp.row_lower_ = np.array([line.lower for line in lines])
    lp.row_upper_ = np.array([line.upper for line in lines])
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    lp.a_matrix_.index_ = np.array(index, dtype=np.int32)
    lp.a_matrix_.value_ = np.array(value, dtype=float)
    return lp
