"""Which facilities a target means, in three answers: yes, no, and nobody says."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from cfc_geo import catalog
from cfc_geo.tables import KIND_WORD
from cfc_geo.targets import Bound, Chosen, Condition

PARTS: Final = re.compile(r"[、，,；;/]")
"""A cell may name several things; each is a word of its own: 社区级 is not 区级. One that the catalogue does not know
says nothing."""


class Truth(NamedTuple):
    """Two masks: surely so, surely not. What is neither is not known."""

    yes: np.ndarray
    no: np.ndarray

    def __and__(self, other: "Truth") -> "Truth":
        return Truth(self.yes & other.yes, self.no | other.no)

    @property
    def maybe(self) -> np.ndarray:
        return np.asarray(~self.yes & ~self.no)


def chosen(facilities: pd.DataFrame, choice: Chosen) -> Truth:
    """Which of `facilities` the choice means."""
    return all_of(facilities, choice.where) & _of_kind(facilities, choice.kinds, choice.words)


def all_of(facilities: pd.DataFrame, conditions: Mapping[str, Condition]) -> Truth:
    """Of which of `facilities` all `conditions` (attribute → what it must be) hold."""
    every = np.ones(len(facilities), dtype=bool)
    found = Truth(every, ~every)
    for attribute, condition in conditions.items():
        found &= _holds(facilities[attribute], attribute, condition)
    return found


def _of_kind(facilities: pd.DataFrame, kinds: list[str], words: list[str]) -> Truth:
    """Files that name kinds say the word; of others a name may."""
    mine = facilities["kind"].isin(kinds).to_numpy()
    if not words:
        return Truth(mine, ~mine)
    said, name = facilities[KIND_WORD].fillna(""), facilities["name"].fillna("")
    named = _has_word(said, words) | _has_word(name, words)
    return Truth(mine & named, ~mine | (~named & (said != "").to_numpy()))


def _holds(values: pd.Series, attribute: str, condition: Condition) -> Truth:
    if isinstance(condition, bool):
        flags = values.fillna("").map(lambda text: catalog.flag(attribute, text))
        yes, no = (flags.eq(said).to_numpy(dtype=bool) for said in (True, False))
        return Truth(yes, no) if condition else Truth(no, yes)
    if isinstance(condition, Bound):
        return _within(_numbers(values), condition)
    named = [{part.strip() for part in PARTS.split(text)} for text in values.fillna("")]
    yes = np.array([not one.isdisjoint(condition) for one in named], dtype=bool)
    known = catalog.known_values(attribute)
    read = np.array([one <= known if known else one != {""} for one in named], dtype=bool)
    return Truth(yes, ~yes & read)


def _within(numbers: np.ndarray, bound: Bound) -> Truth:
    least = -np.inf if bound.least is None else bound.least
    most = np.inf if bound.most is None else bound.most
    known = ~np.isnan(numbers)
    inside = known & (numbers >= least) & (numbers <= most)
    return Truth(inside, known & ~inside)


def _numbers(values: pd.Series) -> np.ndarray:
    """Numbers as they are; of dates, as ISO text, the year."""
    if pd.api.types.is_numeric_dtype(values):
        return np.asarray(values, dtype=float)
    return np.asarray(pd.to_numeric(values.astype(str).str[:4], errors="coerce"), dtype=float)


def _has_word(values: pd.Series, words: list[str]) -> np.ndarray:
    return np.array([any(word in text for word in words) for text in values.astype(str)], dtype=bool)
