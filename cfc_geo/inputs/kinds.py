"""Words of a file → kinds of the catalogue: names and aliases, OpenStreetMap tags, Amap types.

A false match is worse than a question: only whole words count, and of longer ones only endings that leave no doubt.
"""

import difflib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from cfc_geo import catalog
from cfc_geo.blocks import Facilities
from cfc_geo.errors import Findings
from cfc_geo.inputs.normalise import column, text
from cfc_geo.inputs.osm import kind_of
from cfc_geo.inputs.raw import RawLayer
from cfc_geo.tables import REVIEW_COLUMNS

IGNORED = "ignore"
SHOWN_WORDS = 12
"""Unknown kinds a message each; where there are more, the wrong column is named."""
SUGGESTIONS = 3
NO_MORE = (
    "disused",
    "abandoned",
    "demolished",
    "removed",
    "razed",
    "ruins",
    "construction",
    "proposed",
    "planned",
    "was",
)
"""First parts of OpenStreetMap keys of what is no facility now."""
AMAP_SCHEMES = ("科教文化服务", "风景名胜", "医疗保健服务", "体育休闲服务")
"""First parts of Amap's types in words: 科教文化服务;学校;幼儿园."""


@dataclass(frozen=True)
class Word:
    """What a word means: its kind ("" unknown), whether only its ending says so, or the kinds it may be."""

    kind: str = ""
    by_ending: bool = False
    choices: tuple[str, ...] = ()


def read_kinds(raw: RawLayer, block: Facilities, heading: str | None, findings: Findings) -> pd.Series:
    """The catalogue kind of every record: the block's, or the file's word by the plan's and the catalogue's names.

    "ignore" for records that the plan leaves out; "" where nobody can say: errors with suggestions, or (`unknown_kinds
    = "review"`) a warning. `heading` is the column with the words.
    """
    every = range(len(raw.frame))
    if block.kind is not None:
        return pd.Series(block.kind, index=every, dtype=object)
    if heading is None:
        findings.error("facilities.no_kind", raw.file, raw.whole)
    words = column(raw, heading, findings)
    if words is None:
        return pd.Series("", index=every, dtype=object)
    words = text(words).reset_index(drop=True)
    given = {_folded(word): str(kind) for word, kind in block.kinds.items()}
    meant = {word: meaning(word, given) for word in words.unique()}
    kinds = words.map({word: found.kind for word, found in meant.items()}).astype(object)
    if by_ending := [f"{word} → {found.kind}" for word, found in meant.items() if found.by_ending]:
        rows = raw.rows(words.isin([word for word, found in meant.items() if found.by_ending]))
        findings.note("kinds.by_ending", raw.file, rows, words=by_ending[:SHOWN_WORDS])
    if (ignored := kinds == IGNORED).any():
        findings.note("kinds.ignored", raw.file, raw.rows(ignored), words=sorted(set(words[ignored]))[:SHOWN_WORDS])
    if block.unknown_kinds == "review" and (unknown := kinds == "").any():
        findings.warning("kinds.to_review", raw.file, raw.rows(unknown), count=int(unknown.sum()))
    else:
        _refuse_unknown(raw, words, meant, heading or "", findings)
    return kinds


def review_table(raw: RawLayer, words: pd.Series, names: pd.Series, unknown: np.ndarray) -> pd.DataFrame:
    """`tables.REVIEW_COLUMNS`: the records whose kind nobody can say."""
    left = np.flatnonzero(unknown)
    columns = {
        "source": raw.file,
        "sheet": raw.sheet,
        "row": [str(number) for number in raw.numbers[left]],
        "word": words.to_numpy()[left],
        "name": names.to_numpy()[left],
        "suggestions": [", ".join(suggestions(word)) for word in words.to_numpy()[left]],
    }
    return pd.DataFrame(columns, index=range(len(left)), columns=list(REVIEW_COLUMNS))


def meaning(word: str, given: Mapping[str, str]) -> Word:
    """What a word means: as the plan says (`given`, folded words → kinds), else as the catalogue does, else by the tags
    of OpenStreetMap or the types of Amap it holds, else by its ending."""
    folded = _folded(word)
    for said in (given, _catalogue_words()):
        if folded in said:
            return Word(said[folded])
    if folded in _ambiguous():
        return Word(choices=_ambiguous()[folded])
    if "=" in word:
        tags = _tags(word)
        return Word("" if any(map(_is_no_more, tags, tags.values())) else kind_of(tags))
    if "|" in word or folded.startswith(tuple(map(_folded, AMAP_SCHEMES))):
        return _of_several([_amap_part(part) for part in word.split("|") if part.strip()], given)
    if any(part in folded for part in catalog.cell_words("doubtful")):
        return Word()
    kind = next((kind for ending, kind in _endings().items() if folded.endswith(ending)), "")
    return Word(kind, by_ending=bool(kind))


def suggestions(word: str) -> list[str]:
    """Kinds that a word may mean, the likeliest first: those it is ambiguous between, else those of words like it."""
    folded = _folded(word)
    if folded in _ambiguous():
        return list(_ambiguous()[folded])
    known = _catalogue_words()
    inside = [kind for alias, kind in known.items() if len(alias) > 1 and alias in folded]
    near = [known[alias] for alias in difflib.get_close_matches(folded, known, n=SUGGESTIONS, cutoff=0.3)]
    return list(dict.fromkeys([*inside, *near]))[:SUGGESTIONS]


def _refuse_unknown(
    raw: RawLayer, words: pd.Series, meant: Mapping[str, Word], heading: str, findings: Findings
) -> None:
    unknown = sorted((word for word, found in meant.items() if not found.kind), key=_folded)
    for word in unknown[:SHOWN_WORDS]:
        rows = raw.rows(words == word)
        if meant[word].choices:
            choices = list(meant[word].choices)
            findings.error("kinds.ambiguous", raw.file, rows, word=word, kinds=choices, ids=choices)
            continue
        known = _catalogue_words()
        near = difflib.get_close_matches(_folded(word), known, n=1, cutoff=0.3)
        shown = f"{near[0]} ({known[near[0]]})" if near else ", ".join(list(catalog.kinds())[:6]) + " …"
        findings.error("facilities.unknown_kind", raw.file, rows, word=word or "–", near=shown)
    if len(unknown) > SHOWN_WORDS:
        more = len(unknown) - SHOWN_WORDS
        findings.error("facilities.more_unknown_kinds", raw.file, raw.whole, more=more, column=heading)


def _of_several(parts: list[str], given: Mapping[str, str]) -> Word:
    """One kind if all parts that mean one mean the same; several are a question."""
    found = [meaning(part, given) for part in parts]
    kinds = tuple(dict.fromkeys(word.kind for word in found if word.kind))
    choices = tuple(dict.fromkeys(choice for word in found for choice in word.choices))
    if len(kinds) == 1 and not choices:
        return Word(kinds[0])
    return Word(choices=tuple(dict.fromkeys([*kinds, *choices])))


def _amap_part(part: str) -> str:
    """The last level of an Amap type in words; a code, or any other word, as it is."""
    levels = [level.strip() for level in re.split("[;；]", part) if level.strip()]
    return levels[-1] if len(levels) > 1 and levels[0] in AMAP_SCHEMES else part.strip()


def _tags(word: str) -> dict[str, str]:
    """amenity=school;school=primary → tags."""
    pairs = [pair.split("=", 1) for pair in re.split(r"[;,&\s]+", word.strip()) if "=" in pair]
    return {key.strip(): value.strip() for key, value in pairs}


def _is_no_more(key: str, value: str) -> bool:
    """Whether a tag says that an object is gone, or not there yet: disused=yes, demolished:amenity=school."""
    return key.split(":")[0] in NO_MORE and value != "no"


def _folded(word: str) -> str:
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", word)).casefold()


@cache
def _catalogue_words() -> dict[str, str]:
    return {
        _folded(word): kind.id
        for kind in catalog.kinds().values()
        for word in (kind.id, kind.zh, kind.en, *kind.aliases, *kind.amap)
    }


@cache
def _endings() -> dict[str, str]:
    """Endings → kinds, the longest first."""
    endings = {_folded(word): kind.id for kind in catalog.kinds().values() for word in kind.endings}
    return dict(sorted(endings.items(), key=lambda pair: -len(pair[0])))


@cache
def _ambiguous() -> dict[str, tuple[str, ...]]:
    return {_folded(word): kinds for word, kinds in catalog.ambiguous_words().items()}
