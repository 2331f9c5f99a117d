"""One facility recorded twice: the same place under two names, sessions of one school on one point, two sources.

Pairs are reported with their distance and how much alike their names are; nothing is merged unless the plan says so.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo import catalog
from cfc_geo.blocks import Duplicates
from cfc_geo.errors import Findings

WITHIN_M = 100.0
LIKENESS = 0.8
"""What is reported without a rule of the plan."""
SAME_POINT_M = 1.0
SHOWN_PAIRS = 50
"""Pairs a message each; where there are more, they are counted."""

ADMINISTRATIVE = "[^省市区县旗]{2,5}(?:省|市|自治区|(?<![小社校园景片])区|县|旗)(?=..)"
BRANCH = re.compile(r"^(?P<root>.*\w)[-_/](?:\d{1,2}|[A-Za-z]|[一二三四五六七八九十东南西北])$")
IN_BRACKETS = re.compile(r"[(\[【]([^()\[\]【】]*)[)\]】]")
WHICH_BRANCH = re.compile(r"[东西南北中新老]|[\d一二三四五六七八九十百]+|[a-z](?![a-z])")
"""Parts of （东校区）, （二部）, （a区） that tell one branch from another."""
BRANCH_MARK = "\x1f"
ORDINAL = re.compile(r"[\d一二三四五六七八九十百]+")


@dataclass(frozen=True, eq=False)
class Merged:
    """Facilities after merging, in their old order; facility_id merged away → the facility it became part of; and ids
    of pairs that were reported and left."""

    facilities: gpd.GeoDataFrame
    into: dict[str, str]
    doubtful: frozenset[str] = frozenset()


def merge_duplicates(
    facilities: gpd.GeoDataFrame,
    rule: Duplicates | None,
    place_names: Sequence[str],
    findings: Findings,
    *,
    plan_file: str = "",
) -> Merged:
    """Report pairs of records that may be one facility, and merge those of which the plan says so.

    `facilities`: facility_id, kind, name, capacity, source and geometry in metres, ids unique, the first of two the
    one that is kept. `place_names` are names of units, which say nothing in the name of a facility. Errors, of
    `plan_file`: ids that are not there, ids of different kinds.
    """
    within_m = WITHIN_M if rule is None or rule.within_m is None else max(rule.within_m, WITHIN_M)
    likeness = LIKENESS if rule is None or rule.likeness is None else min(rule.likeness, LIKENESS)
    pairs = find_duplicates(facilities, place_names, within_m=within_m, likeness=likeness)
    ids = facilities["facility_id"].to_numpy(dtype=object)
    apart = _listed(rule.distinct if rule else [], ids, plan_file, findings)
    together = [(one, other) not in apart for one, other in zip(pairs["one"], pairs["other"], strict=True)]
    pairs = pairs.loc[np.array(together, dtype=bool)]
    listed = _listed(rule.same if rule else [], ids, plan_file, findings)
    listed = {pair for pair in listed if _of_one_kind(facilities, pair, plan_file, findings)}
    ruled = set()
    if rule is not None and rule.within_m is not None and rule.likeness is not None:
        meets = (pairs["distance_m"] <= rule.within_m) & (pairs["likeness"] >= rule.likeness) & pairs["same_kind"]
        ruled = set(zip(pairs.loc[meets, "one"], pairs.loc[meets, "other"], strict=True))
    into = _groups(listed, ruled, len(facilities))
    left = pairs[into[pairs["one"]] != into[pairs["other"]]]
    _tell_pairs(facilities, left, findings)
    doubtful = frozenset(ids[left[["one", "other"]].to_numpy().ravel()].tolist())
    if rule is None or (into == np.arange(len(into))).all():
        return Merged(facilities, {}, doubtful)
    _tell_merged(facilities, into, rule, findings)
    gone = into != np.arange(len(into))
    capacity = merged_capacity(facilities["capacity"].to_numpy(dtype=float), into, rule.capacity)
    kept = facilities.assign(capacity=capacity)[~gone].reset_index(drop=True)
    return Merged(kept, dict(zip(ids[gone].tolist(), ids[into[gone]].tolist(), strict=True)), doubtful)


def find_duplicates(
    facilities: gpd.GeoDataFrame, place_names: Sequence[str], *, within_m: float, likeness: float
) -> pd.DataFrame:
    """Pairs of records that may be one: `one` < `other` (positions), `distance_m`, `likeness` (0 to 1), `same_kind`.

    Both within `within_m` (inclusive), of one kind or with ids of one root (S005-1, S005-2), and with names alike by
    at least `likeness`, or on one point if one of them has no name.
    """
    shapes = facilities.geometry.to_numpy()
    one, other = shapely.STRtree(shapes).query(shapes, predicate="dwithin", distance=within_m)
    one, other = one[one < other], other[one < other]
    kinds = facilities["kind"].to_numpy(dtype=object)
    roots = np.array([_root(name) for name in facilities["facility_id"]], dtype=object)
    same_kind = kinds[one] == kinds[other]
    related = same_kind | ((roots[one] == roots[other]) & (roots[one] != ""))
    one, other, same_kind = one[related], other[related], same_kind[related]
    distance_m = shapely.distance(shapes[one], shapes[other])
    places = place_pattern(place_names)
    cores = [core(name, places) for name in facilities["name"]]
    code, words = pd.factorize(np.array(cores, dtype=object))
    compared, which = np.unique(np.sort(np.column_stack([code[one], code[other]])), axis=0, return_inverse=True)
    alike = np.array([alikeness(words[a], words[b]) for a, b in compared.tolist()], dtype=float)[which.ravel()]
    named = np.array([bool(word) for word in cores], dtype=bool)
    centres = shapely.centroid(shapes)
    one_point = shapely.distance(centres[one], centres[other]) <= SAME_POINT_M  # courts side by side are two
    found = (alike >= likeness) | (~(named[one] & named[other]) & one_point)
    pairs = pd.DataFrame(
        {"one": one, "other": other, "distance_m": distance_m, "likeness": alike, "same_kind": same_kind}
    )
    return pairs[found].sort_values(["one", "other"], ignore_index=True)


def core(name: str, places: re.Pattern[str]) -> str:
    """What tells a name from others: without brackets, administrative names and words for kinds, unless no more than
    those is left; behind `BRANCH_MARK` what brackets say of which branch it is. `places` finds names of places."""
    folded = re.sub(r"\s|[·・\"'“”‘’.,，。-]", "", unicodedata.normalize("NFKC", name)).casefold()
    bare = IN_BRACKETS.sub("", folded) or folded
    branch = "".join("".join(WHICH_BRANCH.findall(said)) for said in IN_BRACKETS.findall(folded))
    of_branch = BRANCH_MARK + branch if branch else ""
    for rest in (places.sub("", bare), bare):
        if distinct := _kind_words().sub("", rest):
            return distinct + of_branch
    return bare + of_branch


def place_pattern(names: Iterable[str]) -> re.Pattern[str]:
    """Finds the names of these places, and of any 省, 市, 区, 县, where a name begins with them."""
    listed = sorted((re.escape(name) for name in names if len(name) > 1), key=lambda name: (-len(name), name))
    return re.compile(f"^(?:{'|'.join([*listed, ADMINISTRATIVE])})+")


def alikeness(one: str, other: str) -> float:
    """How much alike two cores of names are, from 0 to 1, the same whichever comes first. Numbers must be the same:
    第一 and 第二 are two schools; and so must branches, where both state one: （东园） and （西园） are two. 0 where a
    name is missing."""
    if one == other:
        return 1.0 if one else 0.0
    (one, _, its_branch), (other, _, others_branch) = one.partition(BRANCH_MARK), other.partition(BRANCH_MARK)
    if its_branch and others_branch and its_branch != others_branch:
        return 0.0
    if not one or not other or ORDINAL.findall(one) != ORDINAL.findall(other):
        return 0.0
    if one == other:  # one of them states a branch
        return 1.0
    first, second = sorted((one, other))
    return SequenceMatcher(None, first, second, autojunk=False).ratio()


def merged_capacity(capacity: np.ndarray, into: np.ndarray, how: str) -> np.ndarray:
    """The capacity of every record once all with the same `into` (positions) are one. first: of the first that gives
    one; max: the largest known; sum: all together, unknown if any is."""
    groups = pd.Series(capacity).groupby(into)
    found = {"first": groups.first, "max": groups.max, "sum": lambda: groups.sum(min_count=1)}[how]()
    if how == "sum":
        found = found.where(groups.count() == groups.size())
    values: np.ndarray = found.reindex(into).to_numpy(dtype=float)
    return values


@cache
def _kind_words() -> re.Pattern[str]:
    words = {word for kind in catalog.kinds().values() for word in (kind.zh, *kind.endings, *kind.aliases)}
    return re.compile("|".join(re.escape(word) for word in sorted(words, key=lambda word: (-len(word), word))))


def _root(facility_id: str) -> str:
    found = BRANCH.match(facility_id)
    return found["root"] if found else ""


def _listed(
    groups: Sequence[Sequence[str]], ids: np.ndarray, plan_file: str, findings: Findings
) -> set[tuple[int, int]]:
    """Pairs of positions of the ids that the plan lists together; an error names ids that are not there."""
    position = {facility_id: at for at, facility_id in enumerate(ids.tolist())}
    if absent := sorted({name for group in groups for name in group if name not in position}):
        findings.error("duplicates.no_such_id", plan_file, ids=absent[:8])
    found = [sorted({position[name] for name in group if name in position}) for group in groups]
    return {(one, other) for group in found for at, one in enumerate(group) for other in group[at + 1 :]}


def _of_one_kind(facilities: gpd.GeoDataFrame, pair: tuple[int, int], plan_file: str, findings: Findings) -> bool:
    kinds = facilities["kind"].to_numpy()[list(pair)]
    if kinds[0] != kinds[1]:
        ids = facilities["facility_id"].to_numpy()[list(pair)].tolist()
        findings.error("duplicates.kinds_differ", plan_file, ids=ids, kinds=kinds.tolist())
    return bool(kinds[0] == kinds[1])


def _groups(listed: set[tuple[int, int]], ruled: set[tuple[int, int]], count: int) -> np.ndarray:
    """Every position → the position it is merged into, its own if none.

    What the plan lists is joined over any number of pairs. By its rule a record joins only one that is kept and that
    it itself meets the rule with: of three in a row, each near the next, the last stays.
    """
    least = list(range(count))

    def root(at: int) -> int:
        while least[at] != at:
            at = least[at]
        return at

    for one, other in sorted(listed):
        first, second = sorted((root(one), root(other)))
        least[second] = first
    into = np.array([root(at) for at in range(count)], dtype=int)
    grown = set(into[into != np.arange(count)].tolist())
    for one, other in sorted(ruled):
        if into[one] == one and into[other] == other and other not in grown:
            into[other] = one
            grown.add(one)
    return into


def _tell_pairs(facilities: gpd.GeoDataFrame, pairs: pd.DataFrame, findings: Findings) -> None:
    """A warning for every pair."""
    names, ids, sources = (facilities[name].to_numpy() for name in ("name", "facility_id", "source"))
    for pair in pairs.head(SHOWN_PAIRS).itertuples():
        both = [pair.one, pair.other]
        files = " + ".join(dict.fromkeys(sources[both].tolist()))
        shown = [f"{ids[at]} {names[at]}".strip() for at in both]
        away_m, alike = round(float(pair.distance_m), 1), round(float(pair.likeness), 2)
        findings.warning("duplicates.pair", files, one=shown[0], other=shown[1], metres=away_m, likeness=alike)
    if len(pairs) > SHOWN_PAIRS:
        findings.warning("duplicates.more", "", count=len(pairs) - SHOWN_PAIRS)


def _tell_merged(facilities: gpd.GeoDataFrame, into: np.ndarray, rule: Duplicates, findings: Findings) -> None:
    ids = facilities["facility_id"].to_numpy()
    for first in sorted(set(into[into != np.arange(len(into))].tolist())):
        members = np.flatnonzero(into == first)
        files = " + ".join(dict.fromkeys(facilities["source"].to_numpy()[members].tolist()))
        gone = [str(ids[at]) for at in members if at != first]
        findings.note("duplicates.merged", files, kept=str(ids[first]), ids=gone, why=rule.why)
