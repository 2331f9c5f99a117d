"""The relations that tie published figures together, as a reader of all of them could write them down.

Unknowns are the true counts. `relations` always hold (a unit is the sum of the units below it); each of `facts` says
what one published figure tells, and is gone when that figure is kept back.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

Key = tuple[Any, ...]
"""What a figure or an unknown is of."""


@dataclass(frozen=True)
class Line:
    """lower ≤ Σ factor · unknown ≤ upper."""

    terms: tuple[tuple[int, float], ...]
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
        """whole = Σ parts."""
        self.relate([(whole, 1.0), *((part, -1.0) for part in parts)], 0.0, 0.0)

    def _line(self, terms: Sequence[tuple[Key, float]], lower: float, upper: float) -> Line:
        return Line(tuple((self.number[key], float(factor)) for key, factor in terms), lower, upper)


class Parts:
    """Systems of some unknowns of one that is finished."""

    def __init__(self, system: System) -> None:
        self._system, self._keys = system, list(system.number)

    def of(self, free: Iterable[int], hidden: set[Key]) -> System:
        """The system of the unknowns `free`, under their keys, where all others are what they truly are, and figures
        that are `hidden` tell nothing."""
        whole, found = self._system, System()
        number = {old: found.unknown(self._keys[old], whole.true[old]) for old in sorted(free)}
        for row in sorted({row for old in number for row in self._touching.get(old, ())}):
            if row < len(whole.relations):
                found.relations.append(self._moved(whole.relations[row], number))
            elif (fact := whole.facts[row - len(whole.relations)]).key not in hidden:
                found.facts.append(replace(fact, line=self._moved(fact.line, number)))
        return found

    @cached_property
    def _touching(self) -> dict[int, list[int]]:
        """Unknown → where among relations, and facts after them, it occurs."""
        found: dict[int, list[int]] = {}
        for row, line in enumerate([*self._system.relations, *(fact.line for fact in self._system.facts)]):
            for old, _ in line.terms:
                found.setdefault(old, []).append(row)
        return found

    def _moved(self, line: Line, number: dict[int, int]) -> Line:
        fixed = sum(factor * self._system.true[old] for old, factor in line.terms if old not in number)
        terms = tuple((number[old], factor) for old, factor in line.terms if old in number)
        return Line(terms, line.lower - fixed, line.upper - fixed)
