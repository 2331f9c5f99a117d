"""What planners may edit without touching code: kinds, age bands, norms, baskets and every word a user reads.

The files beside this one are the data; the functions here read them once. Nothing here knows of plans or inputs.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

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
    """A kind of facility, the bands it is for, and how tables, OpenStreetMap and Amap name it. `has_places`: a child
    needs a place there."""

    id: str
    zh: str
    en: str
    bands: tuple[str, ...]
    aliases: tuple[str, ...]
    osm: tuple[Mapping[str, str], ...]
    endings: tuple[str, ...] = ()
    amap: tuple[str, ...] = ()
    has_places: bool = False


@dataclass(frozen=True)
class Attribute:
    """What a file may say of a facility besides. `holds`: number, flag (yes or no) or text; `aliases`: headings that
    mean it."""

    id: str
    holds: str
    zh: str
    en: str
    aliases: tuple[str, ...]


@dataclass(frozen=True)
class Level:
    """A level of administrative units, and the words of tables for it."""

    id: str
    zh: str
    en: str
    words: tuple[str, ...]


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
    """A column of a table as users read it. `unit`: children, places, count, rate, share, m, min, m/s, "" for text, or
    "own" where every value brings its own."""

    name: str
    unit: str
    zh: str
    en: str
    help_zh: str
    help_en: str


@dataclass(frozen=True)
class Measure(Column):
    """A measure of the audit: as a column, and the group it stands in. Sheets list measures by `order`."""

    group: str
    order: int


class FindingText(NamedTuple):
    """A finding in words: where ("" nowhere in particular), what is wrong, and how to mend it ("" nothing to mend)."""

    where: str
    what: str
    mend: str

    @property
    def line(self) -> str:
        """All of it in one line."""
        return self.where + self.what + (f" → {self.mend}" if self.mend else "")


@dataclass(frozen=True)
class Role:
    """What a column of a table can hold, and the headings that say so, the surest tier first; `measure` names the
    units a number may carry ("" = it is no number)."""

    id: str
    tiers: tuple[tuple[str, ...], ...]
    measure: str = ""


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
    lists = ("bands", "aliases", "osm", "endings", "amap")
    return {
        kind: Kind(
            kind,
            row["zh"],
            row["en"],
            **{name: tuple(row.get(name, ())) for name in lists},
            has_places=row.get("has_places", False),
        )
        for kind, row in _load("kinds").items()
    }


@cache
def attributes() -> dict[str, Attribute]:
    """Attributes of facilities by id."""
    table = _load("attributes")["attributes"]
    return {of: Attribute(of, row["holds"], row["zh"], row["en"], tuple(row["aliases"])) for of, row in table.items()}


def known_values(attribute: str) -> frozenset[str]:
    """Words that a text attribute may be; none where any word may."""
    return frozenset(_load("attributes")["values"].get(attribute, ()))


def flag(attribute: str, text: str) -> bool | None:
    """What a cell says of a flag: yes, no, or (None) nothing that can be told."""
    words = _load("attributes")["words"]
    said, own = text.strip().casefold(), words.get(attribute, {"no": (), "yes": ()})
    if said in words["no"] or any(word in said for word in own["no"]):
        return False
    return True if said in words["yes"] or any(word in said for word in own["yes"]) else None


@cache
def levels() -> dict[str, Level]:
    """Levels of units by id, the widest first."""
    table = {of: row for of, row in _load("levels").items() if of != "setting"}
    return {of: Level(of, row["zh"], row["en"], tuple(row["words"])) for of, row in table.items()}


def level_of(word: str) -> str:
    """The level that a word of the units' table means; "" for a word that is not known."""
    return next((level.id for level in levels().values() if word in level.words), "")


def setting(text: str) -> str:
    """Whether a word or code means urban or rural; "" where it means neither."""
    said = text.strip().casefold()
    return next((name for name, words in _load("levels")["setting"].items() if said in words), "")


@cache
def target_plans() -> tuple[str, ...]:
    """Ids of the plans whose targets are in `targets/`."""
    names = (file.name for file in files(__package__).joinpath("targets").iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


@cache
def target_units() -> dict[str, Mapping[str, str]]:
    """Units of targets → how each language prints them."""
    return dict(_load("target_units"))


@cache
def ambiguous_words() -> dict[str, tuple[str, ...]]:
    """Words that tables use for several kinds → those kinds."""
    return {word: tuple(row["kinds"]) for word, row in _load("ambiguous").items()}


@cache
def roles() -> dict[str, Role]:
    """Roles of table columns by id; every attribute of facilities is one."""
    table = _load("headings")["roles"]
    known = {role: Role(role, tuple(map(tuple, row["tiers"])), row.get("measure", "")) for role, row in table.items()}
    said = {of: Role(of, ((row.zh, *row.aliases, of),), "count") for of, row in attributes().items()}
    return known | said


@cache
def datum_words() -> dict[str, str]:
    """Words by which a heading states the datum of its column → the datum, the longest first."""
    words = {word: datum for datum, said in _load("headings")["datums"].items() for word in said}
    return dict(sorted(words.items(), key=lambda pair: -len(pair[0])))


@cache
def cell_words(name: str) -> frozenset[str]:
    """Words that mark cells and rows of tables: blank, idle, total, subtotal, note, doubtful."""
    return frozenset(_load("headings")["cells"][name])


def units_of(measure: str) -> Mapping[str, float]:
    """The units that a number of this measure may carry in a cell → how many base units each is."""
    units: Mapping[str, float] = _load("headings")["measures"][measure]
    return units


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


@cache
def age_shares() -> tuple[dict[str, float], str]:
    """Children of each band as shares of all residents where nothing local is known, and where the shares come from."""
    table = _load("age_shares")
    return dict(table["shares"]), str(table["source"])


@dataclass(frozen=True)
class Decay:
    """How much a facility counts the farther it is. `parameter` is that of the formula where a plan states none."""

    id: str
    zh: str
    en: str
    formula: str
    parameter: float
    source: str
    certainty: str
    near_m: float = 0.0


@cache
def decays() -> dict[str, Decay]:
    """Decays by id."""
    return {name: Decay(name, **row) for name, row in _load("decays")["decays"].items()}


@cache
def zone_weights() -> tuple[float, ...]:
    """Weights of the equally wide zones of a limit, from the nearest (E2SFCA)."""
    return tuple(_load("decays")["zones"]["weights"])


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


class Sourced(NamedTuple):
    """A value of the catalogue, where it comes from, and how certain it is ("A" is an assumption)."""

    value: Any
    source: str
    certainty: str


@dataclass(frozen=True)
class Profile:
    """Who walks. `bands` are those it stands for, `ages` the years within them ("" all).

    `speed_ms` on the flat; `downhill_cap` bounds the factor of the slope; `steps_up` and `steps_down` are factors on
    the speed, 0 = impassable; `waits_s` seconds by type of crossing; the highest stress it bears of segments and of
    crossings; `refuses_unsignalised` the classes of road it does not cross without signals.
    """

    id: str
    zh: str
    en: str
    bands: tuple[str, ...]
    ages: str
    speed_ms: Sourced
    downhill_cap: Sourced
    steps_up: Sourced
    steps_down: Sourced
    waits_s: Sourced
    most_segment_stress: Sourced
    most_crossing_stress: Sourced
    refuses_unsignalised: Sourced
    refuses_tunnels: Sourced

    def assumed(self) -> list[str]:
        """Names of the values that are assumptions."""
        return [name for name, value in vars(self).items() if isinstance(value, Sourced) and value.certainty == "A"]


@cache
def profiles() -> dict[str, Profile]:
    """Walking profiles by id."""
    return {
        name: Profile(name, **{key: _sourced(value) for key, value in row.items()})
        for name, row in _load("profiles").items()
    }


def _sourced(value: Any) -> Any:
    """A cell of `profiles.toml`: {value, source, certainty}, a list, or a text."""
    if isinstance(value, dict):
        return Sourced(**value)
    return tuple(value) if isinstance(value, list) else value


def stress_rules() -> Mapping[str, Any]:
    """How hard streets and crossings are for a child, as `stress.toml` has it."""
    return _load("stress")


def census_words(name: str) -> tuple[str, ...]:
    """Words of census tables: unit, residents, counted, around_ages, groups."""
    return tuple(_load("census")[name])


def unit_endings() -> tuple[tuple[str, ...], ...]:
    """Endings of the names of units, those of one kind of unit together."""
    return tuple(tuple(endings) for endings in _load("census")["endings"])


def word(key: str, lang: str, **values: Any) -> str:
    """The text of `key` in `lang` ('zh' or 'en'), with `values` filled in.

    `key` is "<file>.<entry>": "map.legend" is the entry `legend` of `words/map.toml`. A missing key is a programming
    error.
    """
    room, entry = key.split(".", 1)
    text: str = _load(f"words/{room}")[entry][lang]
    return str(text.format_map(values)) if values else text


def room_words(room: str, lang: str) -> dict[str, str]:
    """Every word of `words/<room>.toml` in `lang`, by its entry."""
    return {entry: str(texts[lang]) for entry, texts in _load(f"words/{room}").items()}


def kind_name(kind: str, lang: str) -> str:
    """The name of a kind as users read it."""
    return str(getattr(kinds()[kind], lang)) if kind in kinds() else kind


def kind_called(name: str) -> str | None:
    """The kind of that id or name, in either language; None if there is none."""
    said = name.strip().casefold()
    return next((kind for kind, of in kinds().items() if said in (kind, of.zh.casefold(), of.en.casefold())), None)


def kinds_like(name: str, count: int = 5, *, least: float = 0.5) -> list[str]:
    """At most `count` kinds an id or a name of which is like `name` (0 to 1, at least `least`), the likest first."""
    known = {said.casefold(): kind for kind, of in kinds().items() for said in (of.en, of.zh, kind)}
    near = get_close_matches(name.strip().casefold(), list(known), count, least)
    return list(dict.fromkeys(known[said] for said in near))


def band_name(band: str, lang: str) -> str:
    """The name of an age band as users read it."""
    return str(getattr(bands()[band], lang)) if band in bands() else band


SHOWN_ROWS = 8
"""How many row numbers a message lists before it says how many more there are."""


def finding_text(
    code: str, lang: str, *, place: tuple[str, str, tuple[int | str, ...], str], values: Mapping[str, Any]
) -> FindingText:
    """The words of one finding. `place` is (file, sheet, rows, row|feature).

    Each is one line whatever a file holds: line breaks become spaces, and other marks that do not print become �.
    """
    entry = _load("findings")[code]
    filled = {
        name: _readable(value, lang, kind_name if name in ("kind", "kinds") else None) for name, value in values.items()
    }
    texts = (_place(*place, lang), entry[lang].format_map(filled), entry.get(f"mend_{lang}", "").format_map(filled))
    return FindingText(*map(one_line, texts))


def one_line(text: str) -> str:
    """`text` in one line: line breaks become spaces, other marks that do not print �."""
    return "".join(mark if mark.isprintable() else " " if mark.isspace() else "�" for mark in text)


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
    return Column(name, **_described("columns", name)[1])


@cache
def measure(key: str) -> Measure:
    """What the audit's measure `key` means. Raises `KeyError` for one that the catalogue does not describe."""
    order, entry = _described("audit", key)
    return Measure(key, **entry, order=order)


def matching(pattern: str, names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Those of `names` that a pattern such as `unknown_<kind>_share` describes, each with its kind and band."""
    found = {name: _name_pattern(pattern).fullmatch(name) for name in names}
    return {name: match.groupdict() for name, match in found.items() if match}


def _described(file: str, name: str) -> tuple[int, dict[str, str]]:
    """The entry of `name` in a file of names and patterns, {kind} and {band} filled in, and its place there.

    Raises `KeyError`.
    """
    table = _load(file)
    if name in table:
        return list(table).index(name), table[name]
    for place, (pattern, row) in enumerate(table.items()):
        if "<" in pattern and (found := _name_pattern(pattern).fullmatch(name)):
            words = {field: row[field] for field in ("zh", "en", "help_zh", "help_en")}
            parts = found.groupdict()
            named = {field: _named(text, parts, field.removeprefix("help_")) for field, text in words.items()}
            return place, {**row, **named}
    raise KeyError(name)


@cache
def _name_pattern(pattern: str) -> re.Pattern[str]:
    """`<kind>_<band>_gap` as a regular expression that knows the kinds and bands."""
    choices = {"kind": kinds(), "band": [band.replace("-", "_") for band in bands()]}
    for part, names in choices.items():
        pattern = pattern.replace(f"<{part}>", f"(?P<{part}>{'|'.join(names)})")
    return re.compile(pattern)


def _named(text: str, found: Mapping[str, str], lang: str) -> str:
    """`text` with {kind} and {band} filled in by their names."""
    kind, band = found.get("kind", ""), found.get("band", "").replace("_", "-")
    return text.format(kind=kind_name(kind, lang), band=band_name(band, lang))
