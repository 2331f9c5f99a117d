"""The relations that tie published figures together, as a reader of all of them could write them down.

Unknowns are the true counts. `relations` always hold (a unit is the sum of the units below it); each of `facts` says
what one published figure tells, and is gone when that figure is kept back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Key = tuple[Any, ...]
"""What a figure or an unknown is of."""


@dataclass(frozen=True)
class Line:
    """lower ≤ Σ factor · unknown ≤ upper."""

    unknowns: tuple[int, ...]
    factors: tuple[float, ...]
    lower: float
    upper: float


@dataclass(frozen=True)
class Fact:
    """What the figure `key` tells; `worth` is what is lost, for every child, if it must be kept back."""

    key: Key
    line: Line
    worth: float


@dataclass
class System:
    """Put together figure by figure. `number`: key → its unknown. `true`: counts as they are; they keep every line."""

    number: dict[Key, int] = field(default_factory=dict)
    true: list[float] = field(default_factory=list)
    relations: list[Line] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)

    def unknown(self, key: Key, value: float) -> int:
        """A new unknown, which is never below 0."""
        self.number[key] = len(self.true)
        self.true.append(max(float(value), 0.0))
        return self.number[key]

    def relate(self, terms: Sequence[tuple[Key, float]], lower: float, upper: float) -> None:
        self.relations.append(self._line(terms, lower, upper))

    def publish(self, key: Key, terms: Sequence[tuple[Key, float]], lower: float, upper: float, worth: float) -> None:
        self.facts.append(Fact(key, self._line(terms, lower, upper), worth))

    def sums(self, whole: Key, parts: Sequence[Key]) -> None:
        """whole = Σ parts, as closely as their true values say so."""
        self.relate([(whole, 1.0), *((part, -1.0) for part in parts)], 0.0, 0.0)

    def _line(self, terms: Sequence[tuple[Key, float]], lower: float, upper: float) -> Line:
        return Line(
            tuple(self.number[key] for key, _ in terms), tuple(float(factor) for _, factor in terms), lower, upper
        )


def values_of(lines: Sequence[Line], x: np.ndarray) -> np.ndarray:
    """Σ factor · unknown of each line."""
    return np.array([float(np.dot(line.factors, x[list(line.unknowns)])) for line in lines])
