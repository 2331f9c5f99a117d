"""Headings of a census table → age groups; counts of groups, nested in one another → children by band.

A count is taken from the narrowest groups that state it. What is left of a wider group, once the groups inside it are
taken out, belongs to the years that none of them covers; where those years are of several bands, the rest is split by
the plan's shares, or evenly by years: an assumption.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from cfc_geo import catalog
from cfc_geo.inputs.marks import without_marks

ADULT = 18
"""The year that stands for everybody older than the oldest band."""
ROUNDED = 0.5
"""A group may differ from the sum of its parts by so many people: tables hold whole numbers."""


@dataclass(frozen=True, order=True)
class Ages:
    """Completed years, both ends inclusive; up to `ADULT`, everybody."""

    first: int
    last: int

    def __str__(self) -> str:
        if self == EVERYBODY:
            return "0+"
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    @property
    def years(self) -> frozenset[int]:
        return frozenset(range(self.first, self.last + 1))


EVERYBODY = Ages(0, ADULT)


@dataclass(frozen=True)
class Heading:
    """What a heading says: which ages, and whom it counts ("常住", "户籍", "" does not say)."""

    ages: Ages
    counted: str


@dataclass(frozen=True, eq=False)
class Parcel:
    """People (by record) of years that no narrower group tells apart, and the group they are what is left of."""

    years: frozenset[int]
    people: np.ndarray
    group: Ages


@dataclass(frozen=True, eq=False)
class Bands:
    """Children by band and record, of the bands that are known whole.

    `split`: groups that were split by an assumption. `partly`: band → the years known of a band that is not known
    whole, and their people; they are left out. `refused`: parcels that nothing allows to split.
    """

    children: dict[str, np.ndarray]
    split: list[Ages]
    partly: dict[str, tuple[Ages, np.ndarray]]
    refused: list[Parcel]


def read_heading(heading: str) -> Heading | None:
    """The ages a heading states, None where it states none of use: 0-14岁, 0—6岁, 3至5岁, 6-11周岁, 0岁, 不满3岁,
    总人口. "15岁以下" is not read: by the Civil Code (民法典 第1259条) it includes 15, in most tables it does not."""
    group, _, name = heading.rpartition("/")
    if group:
        above, below = _read_group(group), read_heading(name)
        if above is None or below is None or (above and below.counted and above != below.counted):
            return None
        return Heading(below.ages, below.counted or above)
    text = folded(heading)
    counted = [word for word in catalog.census_words("counted") if word in text]
    if len(counted) > 1:
        return None
    said = counted[0] if counted else ""
    plain = text.replace(said, "") if said else text
    bare = re.sub(r"[\(\[]人[\)\]]$", "", plain)
    if bare in {folded(word) for word in catalog.census_words("residents")}:
        return Heading(EVERYBODY, said)
    ages = parse_ages(_without(plain, catalog.census_words("around_ages")))
    return None if ages is None else Heading(ages, said)


def _read_group(group: str) -> str | None:
    """Whom a group above ages counts ("" does not say); None where it says more than that: 女, 比重, a year."""
    text = folded(group)
    counted = [word for word in catalog.census_words("counted") if word in text]
    rest = text.replace(counted[0], "") if len(counted) == 1 else text
    words = [*catalog.census_words("around_ages"), *catalog.census_words("groups")]
    return None if len(counted) > 1 or _without(rest, words) else "".join(counted)


def parse_ages(text: str) -> Ages | None:
    """ "0-14", "0-14岁", "3岁", "不满3岁" → ages; None for anything else, and for ages beyond the oldest band."""
    if found := re.fullmatch(r"(\d{1,2})(?:周?岁)?-(\d{1,3})(?:周?岁)?", text):
        ages = Ages(int(found[1]), int(found[2]))
    elif found := re.fullmatch(r"(\d{1,2})周?岁", text):
        ages = Ages(int(found[1]), int(found[1]))
    elif found := re.fullmatch(r"(?:不满|未满)(\d{1,2})周?岁", text):
        ages = Ages(0, int(found[1]) - 1)
    else:
        return None
    return ages if ages.first <= ages.last < ADULT else None


def folded(text: str) -> str:
    """Text for comparing: narrow, small letters, no spaces, no marks of footnotes, one kind of dash."""
    narrow = "".join(unicodedata.normalize("NFKC", without_marks(text)).casefold().split())
    return re.sub(r"[‐‑‒–—―−~～至到]+", "-", narrow)


def _without(text: str, words: Iterable[str]) -> str:
    """`text` without these words at either end, as often as they stand there."""
    longest_first = sorted(map(folded, words), key=len, reverse=True)
    while word := next((word for word in longest_first if word and text.startswith(word)), ""):
        text = text[len(word) :]
    while word := next((word for word in longest_first if word and text.endswith(word)), ""):
        text = text[: -len(word)]
    return text


def crossing(groups: Iterable[Ages]) -> list[tuple[Ages, Ages]]:
    """Pairs of groups that overlap without one lying in the other: what they count together cannot be told."""
    listed = sorted(groups)
    return [
        (one, other)
        for at, one in enumerate(listed)
        for other in listed[at + 1 :]
        if one.years & other.years and not (one.years <= other.years or other.years <= one.years)
    ]


def parcels(groups: Mapping[Ages, np.ndarray]) -> list[Parcel]:
    """What every group counts beyond the groups inside it (people may be negative or left over: see `contradictions`).

    Groups must not cross. The years of the parcels are disjoint; a group that is wholly covered leaves one without
    years.
    """
    found = []
    for group, people in sorted(groups.items(), key=lambda item: len(item[0].years)):
        inside = [other for other in groups if other.years < group.years]
        parts = [part for part in inside if not any(part.years < other.years for other in inside)]
        years = group.years.difference(*(part.years for part in parts))
        found.append(Parcel(years, people - sum((groups[part] for part in parts), np.zeros(len(people))), group))
    return found


def contradictions(found: Iterable[Parcel]) -> list[tuple[Ages, np.ndarray]]:
    """Groups that count fewer people than their parts, or others where their parts cover them; and in which records."""
    wrong = [
        (parcel.group, parcel.people < -ROUNDED if parcel.years else np.abs(parcel.people) > ROUNDED)
        for parcel in found
    ]
    return [(group, mask) for group, mask in wrong if mask.any()]


def children_by_band(found: Iterable[Parcel], *, shares: Mapping[str, float] | None, even: bool) -> Bands:
    """The people of parcels by band.

    `shares`: children of a band ÷ everybody; they split a parcel in proportion to shares × years of the band in it.
    `even` allows a parcel that ends inside a band to be split by years, and any parcel where shares are not given.
    Everybody's parcel is split by shares only.
    """
    years_of = {band: band_years(band) for band in catalog.bands()}
    known: dict[str, list[tuple[frozenset[int], np.ndarray]]] = {band: [] for band in years_of}
    split, refused = [], []
    for parcel in found:
        touched = {band: years & parcel.years for band, years in years_of.items() if years & parcel.years}
        if not touched:
            continue
        portions = _portions(touched, parcel, shares, even)
        if portions is None:
            refused.append(parcel)
            continue
        if portions and (len(touched) > 1 or ADULT in parcel.years):
            split.append(parcel.group)
        for band, portion in portions.items():
            known[band].append((touched[band], np.maximum(parcel.people, 0.0) * portion))
    return _gathered(known, split, refused)


def _portions(
    touched: Mapping[str, frozenset[int]], parcel: Parcel, shares: Mapping[str, float] | None, even: bool
) -> dict[str, float] | None:
    """What share of a parcel each band gets; {} where nothing tells it apart from grown-ups, None where nothing may."""
    adults = ADULT in parcel.years
    if adults and shares is None:
        return {}
    if len(touched) == 1 and not adults:
        return dict.fromkeys(touched, 1.0)
    if not even and (shares is None or any(years != band_years(band) for band, years in touched.items())):
        return None
    if shares is None:
        return _proportions({band: float(len(years)) for band, years in touched.items()}, 0.0)
    weights = {
        band: shares[band] * len(years) / len(band_years(band)) for band, years in touched.items() if band in shares
    }
    if adults:
        return _proportions(weights, 1 - sum(shares.values()))
    return _proportions(weights, 0.0) if len(weights) == len(touched) else None


def _proportions(weights: Mapping[str, float], beside: float) -> dict[str, float] | None:
    total = sum(weights.values()) + beside
    return {band: weight / total for band, weight in weights.items()} if total > 0 else None


def _gathered(
    known: Mapping[str, list[tuple[frozenset[int], np.ndarray]]], split: list[Ages], refused: list[Parcel]
) -> Bands:
    children: dict[str, np.ndarray] = {}
    partly: dict[str, tuple[Ages, np.ndarray]] = {}
    for band, parts in known.items():
        years = frozenset().union(*(of_part for of_part, _ in parts))
        if years == band_years(band):
            children[band] = np.sum([people for _, people in parts], axis=0)
        elif parts:
            partly[band] = Ages(min(years), max(years)), np.sum([people for _, people in parts], axis=0)
    return Bands(children, split, partly, refused)


def band_years(band: str) -> frozenset[int]:
    """The completed years of a band."""
    first, last = band.split("-")
    return Ages(int(first), int(last)).years
