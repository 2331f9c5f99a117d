"""What planners may edit without touching code: kinds, age bands, norms, baskets and every word a user reads.

The files beside this one are the data; the functions here read them once. Nothing here knows of plans or inputs.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

LANGUAGES = ("zh", "en")


@dataclass(frozen=True)
class Band:
    """An age band; `speed_ms` is its planning walking speed in metres per second."""

    id: str
    zh: str
    en: str
    speed_ms: float
    speed_source: str
    certainty: str


@dataclass(frozen=True)
class Kind:
    """A kind of facility, the bands it is for, and how tables and OpenStreetMap name it."""

    id: str
    zh: str
    en: str
    bands: tuple[str, ...]
    aliases: tuple[str, ...]
    osm: tuple[Mapping[str, str], ...]


@dataclass(frozen=True)
class Norm:
    """The longest walk that still counts as served (`limit_m`, inclusive), and where the number comes from."""

    kind: str
    limit_m: float
    tier: str
    clause: str
    certainty: str
    why: str = ""


@dataclass(frozen=True)
class NormSet:
    """A set of norms: its name in both languages and the version of the instrument."""

    id: str
    zh: str
    en: str
    version: str


@dataclass(frozen=True)
class Column:
    """A column of a table as users read it. `unit`: children, places, count, share, m, min, m/s, or "" for text."""

    name: str
    unit: str
    zh: str
    en: str
    help_zh: str
    help_en: str


@cache
def _load(name: str) -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8"))


@cache
def bands() -> dict[str, Band]:
    """Age bands by id, in order of age."""
    return {row["id"]: Band(**row) for row in _load("bands")["bands"]}


@cache
def kinds() -> dict[str, Kind]:
    """Kinds of facility by id, in the order in which results list them."""
    return {
        kind: Kind(kind, row["zh"], row["en"], tuple(row["bands"]), tuple(row["aliases"]), tuple(row["osm"]))
        for kind, row in _load("kinds").items()
    }


def norm_sets() -> tuple[str, ...]:
    """Names a plan may use in `[norms] use`."""
    return tuple(_load("norms"))


@cache
def norm_set(name: str) -> NormSet:
    """What the set `name` is called, and its version."""
    row = _load("norms")[name]
    return NormSet(name, row["zh"], row["en"], row["version"])


@cache
def norms(name: str) -> dict[str, Norm]:
    """The norms of one set by kind; a set that extends another changes only the rows it states."""
    table = _load("norms")[name]
    inherited = norms(table["extends"]) if "extends" in table else {}
    return {**inherited, **{row["kind"]: Norm(**row) for row in table["rows"]}}


@cache
def baskets() -> dict[str, tuple[str, ...]]:
    """The default circle: band → the kinds it should reach on foot."""
    return {band: tuple(_load("baskets")["circle"][band]) for band in bands()}


@dataclass(frozen=True)
class Ground:
    """Where nobody lives: OpenStreetMap tags by theme, of which the hard ones rule out even what is mapped as a home.

    `not_homes` and `untyped` are values of the tag building; `half_width_m` is by highway class, rail, water or other;
    `kinds` are those of facilities on whose grounds nobody lives.
    """

    themes: Mapping[str, Mapping[str, frozenset[str]]]
    hard: frozenset[str]
    not_homes: frozenset[str]
    untyped: frozenset[str]
    half_width_m: Mapping[str, float]
    kinds: frozenset[str]


@cache
def ground() -> Ground:
    """Where nobody lives."""
    table = _load("ground")
    return Ground(
        {
            name: {key: frozenset(values) for key, values in row["tags"].items()}
            for name, row in table["themes"].items()
        },
        frozenset(name for name, row in table["themes"].items() if row["hard"]),
        frozenset(table["not_homes"]),
        frozenset(table["untyped"]),
        table["half_width_m"],
        frozenset(table["grounds"]["kinds"]),
    )


def census_words(name: str) -> tuple[str, ...]:
    """Words of census tables: unit, residents, counted, around_ages, totals, endings."""
    return tuple(_load("census")[name])


def word(key: str, lang: str, **values: Any) -> str:
    """The text of `key` in `lang` ('zh' or 'en'), with `values` filled in.

    `key` is "<file>.<entry>": "map.legend" is the entry `legend` of `words/map.toml`. A missing key is a programming
    error.
    """
    room, entry = key.split(".", 1)
    text: str = _load(f"words/{room}")[entry][lang]
    return str(text.format_map(values)) if values else text


def kind_name(kind: str, lang: str) -> str:
    """The name of a kind as users read it."""
    return str(getattr(kinds()[kind], lang)) if kind in kinds() else kind


def band_name(band: str, lang: str) -> str:
    """The name of an age band as users read it."""
    return str(getattr(bands()[band], lang)) if band in bands() else band


SHOWN_ROWS = 8
"""How many row numbers a message lists before it says how many more there are."""


def finding_text(
    code: str, lang: str, *, place: tuple[str, str, tuple[int | str, ...], str], values: Mapping[str, Any]
) -> str:
    """One line for one finding: `file, row 4: what is wrong → how to mend it`. `place` is (file, sheet,
    rows, row|feature).

    It is one line whatever a file holds: line breaks become spaces, and other marks that do not print become �.
    """
    entry = _load("findings")[code]
    filled = {
        name: _readable(value, lang, kind_name if name in ("kind", "kinds") else None) for name, value in values.items()
    }
    mend = entry.get(f"mend_{lang}", "").format_map(filled)
    line: str = _place(*place, lang) + entry[lang].format_map(filled) + (f" → {mend}" if mend else "")
    return "".join(mark if mark.isprintable() else " " if mark.isspace() else "�" for mark in line)


def _place(file: str, sheet: str, rows: tuple[int | str, ...], counted: str, lang: str) -> str:
    listed = word("place.list", lang).join(map(str, rows[:SHOWN_ROWS]))
    if len(rows) > SHOWN_ROWS:
        listed = word("place.more", lang, listed=listed, count=len(rows))
    where = word(f"place.{counted}{'s' if len(rows) > 1 else ''}", lang, listed=listed) if rows else ""
    on_sheet = word("place.sheet", lang, sheet=sheet) if sheet else ""
    parts = [part for part in (file, on_sheet, where) if part]
    return word("place.separator", lang).join(parts) + word("place.colon", lang) if parts else ""


def _readable(value: Any, lang: str, name_of: Callable[[str, str], str] | None = None) -> str:
    if isinstance(value, float):
        return f"{value:,.6g}" if abs(value) < 1e4 else f"{value:,.0f}"
    if isinstance(value, (list, tuple, set, frozenset)):
        return word("place.list", lang).join(_readable(item, lang, name_of) for item in value)
    return name_of(str(value), lang) if name_of else str(value)


@cache
def column(name: str) -> Column:
    """What the column `name` of any table means. Columns of a kind or band (`park_m`) come from their patterns.

    Raises `KeyError` for a column that the catalogue does not describe.
    """
    table = _load("columns")
    if name in table:
        return Column(name, **table[name])
    for pattern, row in table.items():
        if "<" in pattern and (found := _column_pattern(pattern).fullmatch(name)):
            parts = found.groupdict()
            words = {field: row[field] for field in ("zh", "en", "help_zh", "help_en")}
            named = {field: _named(text, parts, field.removeprefix("help_")) for field, text in words.items()}
            return Column(name, row["unit"], **named)
    raise KeyError(name)


@cache
def _column_pattern(pattern: str) -> re.Pattern[str]:
    """`<kind>_<band>_gap` as a regular expression that knows the kinds and bands."""
    choices = {"kind": kinds(), "band": [band.replace("-", "_") for band in bands()]}
    for part, names in choices.items():
        pattern = pattern.replace(f"<{part}>", f"(?P<{part}>{'|'.join(names)})")
    return re.compile(pattern)


def _named(text: str, found: Mapping[str, str], lang: str) -> str:
    """`text` with {kind} and {band} filled in by their names."""
    kind, band = found.get("kind", ""), found.get("band", "").replace("_", "-")
    return text.format(kind=kind_name(kind, lang), band=band_name(band, lang))
