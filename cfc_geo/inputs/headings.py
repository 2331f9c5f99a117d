"""Which column of a table holds what: headings are matched to roles through the catalogue's aliases.

What the plan names always wins. A heading that states a datum ("经度(高德)", "lon_gcj02") counts as a coordinate of
that datum and never as a plain one.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from cfc_geo import catalog
from cfc_geo.errors import Findings
from cfc_geo.inputs.ages import read_heading
from cfc_geo.inputs.marks import without_marks
from cfc_geo.inputs.raw import RawLayer

AXES = ("lon", "lat")
VITAL = ("id", "name", "kind", "capacity", "facility")
"""Roles that answers depend on: two headings for one of them are an error, for any other only a warning."""

SAME_DATUM = {"cgcs2000": "wgs84", "EPSG:4326": "wgs84", "EPSG:4490": "wgs84"}
"""Datums that are taken as one (docs/methods.md, Positions)."""

IN_BRACKETS = re.compile(r"[(\[【〔]([^()\[\]【】〔〕]*)[)\]】〕]")


@dataclass(frozen=True)
class Wanted:
    """What the plan says of a table's columns: role → heading, and the row of the heading (1 is the first)."""

    given: Mapping[str, str] = field(default_factory=dict)
    row: int | None = None
    keeps_totals: bool = False
    """Whether rows of totals are records too: a census is checked by its own."""


ANY = Wanted()
"""No word of the plan: what the catalogue recognises counts."""


def match_headings(
    raw: RawLayer, roles: Sequence[str], given: Mapping[str, str], datum: str | None, findings: Findings
) -> dict[str, str]:
    """Role → heading, for those `roles` that the plan names (`given`) or that the catalogue recognises.

    Two headings of one tier: an error that names them (a warning, and none taken, for roles no answer depends on). Of
    several coordinate pairs the one of the declared datum is taken, else the one whose headings state none. A weak id
    such as 序号 is taken only if it is filled and unique. What was matched is a note.
    """
    named = {plain(heading) for heading in given.values()}
    headings = [str(name) for name in raw.frame.columns if name != "geometry" and plain(str(name)) not in named]
    found: dict[str, str] = {}
    for role in roles:
        if role in given or role in AXES:
            continue
        matched = _best_tier(raw, headings, role)
        if len(matched) == 1:
            found[role] = matched[0]
        elif role in VITAL and matched:
            findings.error("headings.ambiguous", raw.file, raw.whole, role=role, columns=matched)
        elif matched:
            findings.warning("headings.ambiguous_idle", raw.file, raw.whole, role=role, columns=matched)
    if "lon" in roles and not given.keys() & set(AXES) and raw.counted == "row":
        found |= _coordinates(headings, datum)
    if found:
        shown = [f"{role} = {heading}" for role, heading in found.items()]
        findings.note("headings.matched", raw.file, raw.whole, columns=shown)
    return {**found, **{role: heading for role, heading in given.items() if role in roles}}


def coordinate_pairs(headings: Iterable[str]) -> dict[str, tuple[str, str]]:
    """The datum that a table's headings state ("" = none) → its columns of longitude and latitude.

    A datum with two candidates for either is left out: nobody can say which is meant.
    """
    axes: dict[str, dict[str, list[tuple[int, str]]]] = {}
    for heading in headings:
        role, datum, tier = _axis(heading)
        if role:
            axes.setdefault(datum, {}).setdefault(role, []).append((tier, heading))
    surest = {
        datum: [[name for tier, name in pair.get(axis, ()) if tier == min(pair[axis])[0]] for axis in AXES]
        for datum, pair in axes.items()
    }
    return {datum: (lon[0], lat[0]) for datum, (lon, lat) in surest.items() if len(lon) == len(lat) == 1}


def stated_datum(heading: str) -> str:
    """The datum that a heading states ("" = none)."""
    return _without_datum(heading)[1]


def agree(stated: str, declared: str) -> bool:
    """Whether a datum that a heading states can be what the plan declares. CGCS2000 may be declared as a sheet."""
    if stated == "cgcs2000" and declared.startswith("EPSG:"):
        return True
    return SAME_DATUM.get(stated, stated) == SAME_DATUM.get(declared, declared)


def role_of(heading: str) -> str:
    """The first role of the catalogue that the heading is an alias of, people where it states ages ("" none)."""
    base = plain(heading)
    named = next((role for role in catalog.roles() if any(base in tier for tier in _tiers(role))), "")
    return named or _axis(heading)[0] or ("people" if read_heading(heading) else "")


def is_pair(heading: str) -> bool:
    """Whether a column is named as one that holds longitude and latitude in one cell."""
    return {plain(heading), _without_datum(heading)[0]} & _tiers("lonlat")[0] != set()


def plain(heading: str) -> str:
    """A heading without what does not change its meaning: width, case, spaces, asterisks, footnote marks, units in
    brackets."""
    folded = re.sub(r"[\s*]", "", unicodedata.normalize("NFKC", without_marks(heading))).casefold()
    return IN_BRACKETS.sub(lambda found: "" if found[1] in catalog.cell_words("idle") else found[0], folded)


def _axis(heading: str) -> tuple[str, str, int]:
    """For a heading of coordinates: lon or lat, the datum it states ("" none) and its tier; else "", "", 0. A group
    that says no more than "coordinates" does not matter (坐标/经度)."""
    for base, datum in ((plain(heading), ""), _without_datum(heading)):
        group, _, name = base.rpartition("/")
        base = name if group in _tiers("lonlat")[0] or not group else base
        for axis in AXES:
            for tier, names in enumerate(_tiers(axis)):
                if base in names:
                    return axis, datum, tier
    return "", "", 0


def _without_datum(heading: str) -> tuple[str, str]:
    """The heading without the word that states a datum, and the datum."""
    folded = plain(heading)
    for word, datum in catalog.datum_words().items():
        if word in folded:
            rest = folded.replace(word, "", 1).replace("坐标系", "").replace("地图", "")
            return re.sub(r"[()\[\]【】_\-:.]", "", rest).strip("/"), datum
    return folded, ""


@cache
def _tiers(role: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(map(plain, tier)) for tier in catalog.roles()[role].tiers)


def _best_tier(raw: RawLayer, headings: Sequence[str], role: str) -> list[str]:
    """The headings of the first tier that has any. Layers number their features in many ways: only a key is an id."""
    tiers = _tiers(role)
    for tier in tiers:
        matched = [heading for heading in headings if plain(heading) in tier]
        if role == "id" and (tier is tiers[-1] or raw.counted == "feature"):
            matched = [heading for heading in matched if _is_key(raw, heading)]
        if matched:
            return matched
    return []


def _is_key(raw: RawLayer, heading: str) -> bool:
    """Whether a column is filled and unique."""
    values = raw.frame[heading]
    return bool(values.notna().all() and (values.astype(str).str.strip() != "").all() and values.is_unique)


def _coordinates(headings: Sequence[str], declared: str | None) -> dict[str, str]:
    pairs = coordinate_pairs(headings)
    fitting = [stated for stated in pairs if stated and declared and agree(stated, declared)]
    for stated in [*fitting, "", *pairs]:
        if stated in pairs:
            return dict(zip(AXES, pairs[stated], strict=True))
    return {}
