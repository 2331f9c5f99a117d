"""The plan file: its schema, and how a file that extends another becomes one checked `Plan`.

`load_plan` reads TOML, follows `extends`, merges, and validates; every fault of the file is reported at once, with the
key, what is wrong and, for an unknown key, the nearest right one. Nothing else of the package reads a plan file.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from cfc_geo import catalog, reach
from cfc_geo.errors import Findings, PlanError

MAX_BYTES = 1_000_000
LONG_KEY = re.compile(r"""(?<![\w"'-])(?:[\w"'-]+[ \t]*\.[ \t]*){32}""")
"""A key of so many parts; tomllib needs memory that grows with their square, gigabytes for a key of 100 kB."""
MAX_DEPTH = 16
"""Tables and lists of a plan lie at most this deep in one another; no key of the schema lies deeper than 5."""


def _fault(code: str, **values: object) -> PydanticCustomError:
    """What a validator raises: the finding `plan.<code>`."""
    return PydanticCustomError(cast(Any, code), cast(Any, code), values)


def _repeated(words: list[str]) -> list[str]:
    return sorted({word for word in words if words.count(word) > 1})


def _known_kind(kind: str) -> str:
    if kind not in catalog.kinds():
        near = difflib.get_close_matches(kind, catalog.kinds(), n=1, cutoff=0.0)
        raise _fault("unknown_kind", kind=kind, near=near[0])
    return kind


def _known_norm_set(name: str) -> str:
    if name not in catalog.norm_sets():
        raise _fault("norms_unknown_set", sets=catalog.norm_sets())
    return name


def _column_or_band(value: object) -> object:
    is_band = type(value) is int and value >= 1
    if not is_band and not (isinstance(value, str) and value.strip()):
        raise _fault("not_column_or_band")
    return value


BandId = Literal["0-2", "3-5", "6-11", "12-14", "15-17"]
Datum = Annotated[str, Field(pattern=r"^(wgs84|cgcs2000|gcj02|bd09|EPSG:\d{4,6})$")]
KindId = Annotated[
    str, AfterValidator(_known_kind), Field(json_schema_extra=lambda schema: schema.update(enum=list(catalog.kinds())))
]
NormSetId = Annotated[
    str,
    AfterValidator(_known_norm_set),
    Field(json_schema_extra=lambda schema: schema.update(enum=list(catalog.norm_sets()))),
]
Text = Annotated[str, Field(min_length=1)]
"""Text that may not be empty, such as the name of a file or a column."""
ColumnOrBand = Annotated[str | int, BeforeValidator(_column_or_band)]
Share = Annotated[float, Field(ge=0, le=1)]
LimitM = Annotated[float, Field(gt=0, le=5_000)]
SpeedMs = Annotated[float, Field(ge=0.3, le=2.5)]


class PlanModel(BaseModel):
    """Base of every block: unknown keys are refused, values are frozen, NaN, infinity, true and "3" are no numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, str_strip_whitespace=True)


def stated(block: PlanModel, keys: Collection[str]) -> set[str]:
    """Which of the keys say something other than the default; a plan written with all its defaults states nothing."""
    return {key for key in keys if getattr(block, key) != type(block).model_fields[key].default}


class FileSource(PlanModel):
    """What every input file may say of itself."""

    layer: Text | None = Field(None, description="layer of a GeoPackage, or sheet of a workbook; default: the only one")
    heading_row: int | None = Field(
        None, ge=1, description="row of a table's heading (1 is the first); default: the row that looks most like one"
    )
    datum: Datum | None = Field(
        None,
        description="wgs84, cgcs2000, gcj02 (Amap), bd09 (Baidu) or EPSG:n; required for tables with coordinates; "
        "for a layer that states its own CRS it overrides a longitude/latitude one",
    )
    trust_datum: Text | None = Field(
        None,
        description="why the declared datum is right although streets and buildings say otherwise; printed with the "
        "results",
    )
    licence: str = Field("", description="licence of the data, printed on the map")
    date: str = Field("", description="date of the data, as its publisher states it")
    citation: str = Field("", description="how the publisher wants to be named")


class Units(FileSource):
    """Polygons to which results are summed: 区, 街道, 社区."""

    file: Text
    id: Text = Field("unit_id", description="column with the unit's code; read as text")
    name: Text = Field("name", description="column with the unit's name")
    level: Text | None = Field(None, description="column with the level (区, 街道, 社区); default: one level")
    parent: Text | None = Field(None, description="column with the code of the unit that this one lies in")


class Place(PlanModel):
    """Where the plan is about."""

    units: Units
    crs: str | None = Field(
        None, pattern=r"^EPSG:\d{4,6}$", description="projected CRS to compute in; default: the CGCS2000 3-degree zone"
    )


AgeRange = Annotated[str, Field(pattern=r"^\d{1,2}(-\d{1,2})?$")]
Values = Literal["count", "per_km2", "per_ha"]
"""What the pixels of a raster hold: people, or people per square kilometre or hectare."""


class Spread(FileSource):
    """Over what the people of a census unit are spread."""

    on: Literal["buildings", "landuse", "raster", "even"] = Field(
        description="buildings: floor area of homes; landuse: residential land; raster: an existing count raster; "
        "even: all ground on which people may live"
    )
    file: Text | None = Field(
        None, description="buildings, residential land or raster; default: the plan's OSM streets"
    )
    levels: Text | None = Field(None, description="column with the number of floors; in OSM files building:levels")
    default_levels: float = Field(3, gt=0, le=200, description="floors where the file says none; an assumption")
    use: Text | None = Field(None, description="column with the use of a building or of land; OSM files say it in tags")
    residential: list[Text] | None = Field(
        None, min_length=1, description="uses that are homes; default: all but those the catalogue knows to be none"
    )
    cell_m: float = Field(100, ge=10, le=1_000, description="side of the cells that people are spread to, metres")
    children: dict[BandId, int] | None = Field(None, min_length=1, description="age band → band of the raster")
    files: dict[BandId, Text] | None = Field(None, min_length=1, description="age band → single-band raster")
    residents: int | None = Field(None, ge=1, description="band of the raster with all residents")
    values: Values | None = Field(None, description="what the raster holds; default: counts")

    @model_validator(mode="after")
    def _of_one_kind(self) -> "Spread":
        of_rasters = {"children", "files", "residents", "values"}
        of_shapes = {"levels", "default_levels", "use", "residential", "layer"}
        wrong = stated(self, of_shapes | {"cell_m"} if self.on == "raster" else of_rasters)
        wrong |= stated(self, {"file", "datum", *of_shapes}) if self.on == "even" else set()
        if wrong:
            raise _fault("spread_keys", on=self.on, keys=sorted(wrong))
        if self.on == "raster" and (self.file is None) == (self.files is None):
            raise _fault("population_file_or_files")
        return self


class Population(FileSource):
    """Children by age band: a count raster, a table or polygon layer of cells, or a census table of units."""

    file: Text | None = None
    files: dict[BandId, Text] | None = Field(
        None, min_length=1, description="one single-band count raster per age band"
    )
    id: Text | None = Field(None, description="column with the cell's id; default: numbered")
    lon: Text | None = Field(None, description="column with longitude (or x), for tables")
    lat: Text | None = Field(None, description="column with latitude (or y), for tables")
    children: dict[BandId, ColumnOrBand] | None = Field(
        None,
        min_length=1,
        description="age band → column of the table, or number of a raster's band (the first is 1)",
    )
    residents: ColumnOrBand | None = Field(None, description="column or raster band with all residents")
    shares: dict[BandId, Share] | None = Field(
        None, min_length=1, description="children as shares of residents, where only residents are known; an assumption"
    )
    shares_source: str = Field("", description="where the shares come from; printed beside every result")
    assumption: str = Field("", description="why these counts are an estimate, if they are; printed with the results")
    values: Values | None = Field(None, description="what the pixels of a raster hold; default: counts")
    unit: Text | None = Field(None, description="census tables: column with the unit's id or name")
    count_of: Literal["常住", "户籍"] | None = Field(
        None, description="census tables: whom they count, residents or the registered; printed with every result"
    )
    ages: dict[AgeRange, Annotated[list[Text], Field(min_length=1)]] | None = Field(
        None, min_length=1, description="census tables: ages → columns that together count them; default: by headings"
    )
    split: Literal["even"] | None = Field(
        None, description="census tables: split wider age groups evenly by years where shares do not say; an assumption"
    )
    unknown_units: list[Text] = Field(
        [], description="census tables: units (id or name) of which nobody knows the children, so that no row is missed"
    )
    spread: Spread | None = Field(None, description="census tables: over what the people of a unit are spread")

    @model_validator(mode="after")
    def _one_source(self) -> "Population":
        if (self.file is None) == (self.files is None):
            raise _fault("population_file_or_files")
        if self.files is not None and any(value is not None for value in (self.children, self.shares, self.residents)):
            raise _fault("population_files_alone")
        if self.spread is not None:
            return self._one_census()
        if of_census := sorted(stated(self, {"unit", "count_of", "ages", "split", "unknown_units"})):
            raise _fault("population_needs_spread", keys=of_census)
        if self.shares is not None and sum(self.shares.values()) > 1 + 1e-9:
            raise _fault("population_shares_over_one")
        if self.files is None and self.children is None and self.shares is None:
            raise _fault("population_children_or_shares")
        if self.children is not None and self.shares is not None:
            raise _fault("population_children_and_shares")
        if self.shares is not None and self.residents is None:
            raise _fault("population_shares_need_residents")
        return self

    def _one_census(self) -> "Population":
        if of_cells := sorted(stated(self, {"files", "children", "lon", "lat", "id", "datum", "values"})):
            raise _fault("population_census_keys", keys=of_cells)
        if isinstance(self.residents, int):
            raise _fault("population_census_keys", keys=["residents"])
        if self.count_of is None:
            raise _fault("population_count_of")
        return self


class FacilityColumns(PlanModel):
    """Which column of a facility file holds what; default: the one whose heading the catalogue recognises. `kind` is
    not needed where the block states one."""

    id: Text | None = None
    name: Text | None = None
    kind: Text | None = None
    lon: Text | None = None
    lat: Text | None = None
    capacity: Text | None = None
    ownership: Text | None = Field(None, description="办园性质: public, private, …")
    registered: Text | None = Field(None, description="备案")
    demonstration: Text | None = Field(None, description="示范")
    address: Text | None = None
    subdistrict: Text | None = Field(None, description="街道")
    community: Text | None = Field(None, description="社区")
    area_m2: Text | None = None
    visitors_per_day: Text | None = None
    opened: Text | None = Field(None, description="date of opening")


class Entrances(FileSource):
    """Points where facilities can be entered; `facility` is the column with the facility's id."""

    file: Text
    facility: Text | None = Field(None, description="default: the column whose heading the catalogue recognises")
    lon: Text | None = None
    lat: Text | None = None


class Facilities(FileSource):
    """One file of facilities: points or polygons, a table with coordinates, or an OSM file."""

    file: Text
    kind: KindId | None = Field(None, description="kind of all records; else `columns.kind` names the column")
    columns: FacilityColumns = FacilityColumns()
    kinds: dict[str, KindId | Literal["ignore"]] = Field(
        {}, description='words of this file → kinds of the catalogue, or "ignore" to leave such records out'
    )
    unknown_kinds: Literal["refuse", "review"] = Field(
        "refuse",
        description="review: records of unknown kinds go to review.csv and are left out; the file is then no full list "
        "of any kind",
    )
    only: list[KindId] | None = Field(None, description="keep these kinds only (for an OSM file that holds many)")
    id_prefix: str = Field("", description="put before every id of this file, where two files number alike")
    surveys: list[KindId] = Field(
        [],
        description="kinds of which this file is the full list, so that a place without one nearby is a gap and not "
        "unknown; a table or layer is taken as the full list of the kinds it holds, an OSM file is not",
    )
    entrances: Entrances | None = None


class Duplicates(PlanModel):
    """Which records are one facility, and why; without this block duplicates are reported and none is merged."""

    within_m: float | None = Field(
        None, gt=0, le=500, description="merge all pairs of a kind within so many metres that are named alike"
    )
    likeness: float | None = Field(None, ge=0.5, le=1, description="how much alike two names must be: 1 is the same")
    same: list[Annotated[list[Text], Field(min_length=2)]] = Field([], description="ids of records that are one")
    distinct: list[Annotated[list[Text], Field(min_length=2)]] = Field(
        [], description="ids of records that are not one: neither reported nor merged"
    )
    capacity: Literal["first", "max", "sum"] = Field(
        description="capacity of what is merged: of the first record that gives one, the largest, or all together"
    )
    why: str = Field(min_length=2)

    @model_validator(mode="after")
    def _a_rule(self) -> "Duplicates":
        if (self.within_m is None) != (self.likeness is None):
            raise _fault("duplicates_half_a_rule")
        return self


class StreetColumns(PlanModel):
    """Which column of a street line layer holds what; all optional. Tags are read as in OpenStreetMap."""

    id: Text | None = None
    name: Text | None = None
    highway: Text | None = None
    foot: Text | None = None
    access: Text | None = None
    oneway: Text | None = Field(None, description="one-way for walkers: yes, no, -1")
    length: Text | None = Field(None, description="length in metres; default: measured")
    maxspeed: Text | None = None
    lanes: Text | None = None
    sidewalk: Text | None = None
    bridge: Text | None = None
    tunnel: Text | None = None
    level: Text | None = Field(None, description="vertical layer; ends on different levels are not joined")


class Streets(FileSource):
    """Walkable streets: .osm, .osm.pbf, GraphML of osmnx, or a line layer whose lines meet at their ends."""

    file: Text
    columns: StreetColumns = StreetColumns()


class NormOverride(PlanModel):
    """A limit that this plan sets instead of the norm's, and why."""

    kind: KindId
    limit_m: LimitM
    why: str = Field(min_length=2)


class Norms(PlanModel):
    """Which walks count as served."""

    use: NormSetId = "gb50180"
    override: list[NormOverride] = []

    @model_validator(mode="after")
    def _once_each(self) -> "Norms":
        if twice := _repeated([change.kind for change in self.override]):
            raise _fault("override_twice", kinds=twice)
        return self


class Circle(PlanModel):
    """The kinds that make a band's circle, where the plan departs from the catalogue, and why."""

    baskets: dict[BandId, Annotated[list[KindId], Field(min_length=1)]] = {}
    why: str = ""

    @model_validator(mode="after")
    def _reasoned(self) -> "Circle":
        if self.baskets and not self.why:
            raise _fault("circle_why")
        for band, basket in self.baskets.items():
            if twice := _repeated(basket):
                raise _fault("basket_repeats", band=band, kinds=twice)
        return self


class Walk(PlanModel):
    """How people reach the streets and how fast children walk."""

    snap_limit_m: float = Field(
        100, gt=0, le=1_000, description="a cell or facility farther from any walkable street is not attached"
    )
    speeds_ms: dict[BandId, SpeedMs] = Field({}, description="walking speed by band, metres per second")
    why: str = ""

    @model_validator(mode="after")
    def _reasoned(self) -> "Walk":
        if self.speeds_ms and not self.why:
            raise _fault("walk_why")
        return self


class Map(PlanModel):
    """What the map says of itself."""

    title: str = ""
    approval_no: str = Field("", description="审图号; without it the map says that it is not reviewed")
    basemap: Literal["none", "tianditu", "osm"] = Field("none", description="an online base map; default: none")


class AuditLimits(PlanModel):
    """How bad the data may be: a run beyond a limit (the limit itself is allowed) writes its results and then fails."""

    max_unknown_share: Share | None = Field(
        None, description="children of whom nobody can say whether they are served, of any one kind of facility"
    )
    max_outside_share: Share | None = Field(None, description="children of the file who live outside every unit")
    max_far_share: Share | None = Field(None, description="children in cells beyond walk.snap_limit_m of any street")
    max_snap_m_p95: float | None = Field(
        None, gt=0, description="metres from home to the nearest street, that 95 % of children do not exceed"
    )
    max_without_capacity_share: Share | None = Field(
        None, description="childcare, kindergartens and schools of which no file gives the places"
    )
    max_assumed_street_share: Share | None = Field(
        None, description="street length of which the file does not state the class (column or tag highway)"
    )
    max_island_share: Share | None = Field(None, description="children joined only to streets cut off from the rest")


class Plan(PlanModel):
    """One place and its question."""

    name: Text
    why: str = ""
    place: Place
    population: Population
    facilities: list[Facilities] = Field(min_length=1)
    duplicates: Duplicates | None = None
    streets: Streets
    norms: Norms = Norms()
    circle: Circle = Circle()
    walk: Walk = Walk()
    audit: AuditLimits = AuditLimits()
    map: Map = Map()

    _file: Path = PrivateAttr(default=Path("plan.toml"))
    _folders: reach.Folders = PrivateAttr(default_factory=lambda: reach.folders_of(Path("plan.toml"), ()))

    @model_validator(mode="after")
    def _limits_known(self) -> "Plan":
        norms = self.resolved_norms()
        for band, basket in self.circle.baskets.items():
            if without := [kind for kind in basket if kind not in norms]:
                raise _fault("basket_without_limit", band=band, kinds=without)
        return self

    @property
    def file(self) -> Path:
        """The plan file; relative paths in the plan start at its folder."""
        return self._file

    def path(self, file: str) -> Path:
        """Where `file`, as the plan names it, is. Raises `PlanError` where the plan may not reach it (`reach.py`)."""
        findings = Findings()
        _check_reach(self._file, [file], self._folders, findings)
        findings.raise_errors(PlanError)
        return self._file.parent / file

    def sources(self) -> list[tuple[str, str, FileSource]]:
        """Role, file and block of every file the plan names, in the order in which results list them."""
        population, spread = self.population, self.population.spread
        found: list[tuple[str, str | None, FileSource]] = [("units", self.place.units.file, self.place.units)]
        found += [("population", file, population) for file in [population.file, *(population.files or {}).values()]]
        if spread is not None:
            found += [("spread", file, spread) for file in [spread.file, *(spread.files or {}).values()]]
        for block in self.facilities:
            found.append(("facilities", block.file, block))
            if block.entrances:
                found.append(("entrances", block.entrances.file, block.entrances))
        found.append(("streets", self.streets.file, self.streets))
        return [(role, file, block) for role, file, block in found if file is not None]

    def resolved_norms(self) -> dict[str, catalog.Norm]:
        """Kind → norm, overrides applied (certainty "plan", with their reason)."""
        norms = dict(catalog.norms(self.norms.use))
        for change in self.norms.override:
            tier = norms[change.kind].tier if change.kind in norms else ""
            norms[change.kind] = catalog.Norm(change.kind, change.limit_m, tier, self.name, "plan", change.why)
        return {kind: norms[kind] for kind in catalog.kinds() if kind in norms}

    def resolved_baskets(self) -> dict[str, tuple[str, ...]]:
        """Band → the kinds of its circle."""
        changed: Mapping[Any, list[str]] = self.circle.baskets
        return {band: tuple(changed.get(band, kinds)) for band, kinds in catalog.baskets().items()}

    def speed_ms(self, band: str) -> float:
        """Walking speed of a band, metres per second."""
        changed: Mapping[Any, float] = self.walk.speeds_ms
        return changed.get(band, catalog.bands()[band].speed_ms)


def load_plan(file: str | Path, allow: Iterable[str | Path] = ()) -> Plan:
    """Read a plan file, with all that it extends, and check it whole.

    The plan, and what it extends, may name files in its own folder, in the current one if the plan lies in it, and in
    the folders `allow`; links are followed first. Raises `PlanError` with every fault, each with the file that states
    it: unreadable TOML, a circle of `extends`, unknown keys (with the nearest right one), wrong values, unknown kinds,
    a basket kind without a limit, files elsewhere.
    """
    file = Path(file)
    folders = reach.folders_of(file, map(Path, allow))
    findings = Findings()
    chain = _read_chain(file, folders, findings)
    findings.raise_errors(PlanError)
    try:
        plan = Plan.model_validate(_merged(chain))
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            _report(fault, chain, findings)
        raise PlanError(findings) from None
    _check_reach(file, dict.fromkeys(_files_in(plan.model_dump())), folders, findings)
    findings.raise_errors(PlanError)
    plan._file, plan._folders = file, folders
    return plan


def plan_schema() -> dict[str, Any]:
    """The JSON Schema of plan files, for editors. What a plan that extends another need not repeat is not required."""
    schema = Plan.model_json_schema()
    schema["properties"]["extends"] = {"type": "string", "description": "the plan file over which this one is laid"}
    schema["anyOf"] = [{"required": ["extends"]}, {"required": schema.pop("required")}]
    for block in ("Place", "Units", "Streets"):
        schema["$defs"][block].pop("required")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


# ---------------------------------------------------------------------------------------------- reading and merging

Chain = list[tuple[Path, dict[str, Any]]]
"""A plan's file and its table, then those of the plan it extends, and so on; `extends` itself is taken out."""


def _read_chain(file: Path, folders: reach.Folders, findings: Findings) -> Chain:
    chain: Chain = []
    current: Path | None = file
    while current is not None:
        if chain and not _check_reach(chain[-1][0], [os.path.relpath(current, chain[-1][0].parent)], folders, findings):
            break
        if any(_same(current, path) for path, _ in chain):
            names = [path.name for path, _ in chain]
            findings.error("plan.extends_circle", str(chain[-1][0]), files=" → ".join([*names, current.name]))
            break
        table = _read_toml(current, findings)
        if table is None:
            break
        chain.append((current, table))
        base = table.pop("extends", None)
        if base is not None and (not isinstance(base, str) or "\0" in base):
            findings.error("plan.not_text", str(current), key="extends", given=_short(base))
            break
        current = current.parent / base if base else None
    return chain


def _check_reach(file: Path, named: Iterable[str], folders: reach.Folders, findings: Findings) -> bool:
    """Whether the plan `file` may reach the files that it names; errors say which it may not, and how to allow them."""
    addresses = [name for name in named if reach.is_address(name)]
    for name in addresses:
        findings.error("read.not_a_path", name)
    paths = {name: file.parent / name for name in named if name not in addresses}
    if outside := [name for name, path in paths.items() if not reach.is_within(path, folders)]:
        option = reach.option_for([paths[name] for name in outside])
        findings.error("plan.outside", str(file), files=outside, option=option)
    return not (addresses or outside)


def _files_in(value: Any) -> Iterator[str]:
    """Every `file` and `files` that a plan, as plain tables and lists, states."""
    if isinstance(value, list):
        for item in value:
            yield from _files_in(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "file" and isinstance(item, str):
                yield item
            elif key == "files" and isinstance(item, dict):
                yield from item.values()
            else:
                yield from _files_in(item)


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def _read_toml(file: Path, findings: Findings) -> dict[str, Any] | None:
    try:
        if file.stat().st_size > MAX_BYTES:
            findings.error("plan.too_long", str(file), mb=MAX_BYTES // 1_000_000)
            return None
        text = file.read_text(encoding="utf-8-sig")
        if LONG_KEY.search(text):
            findings.error("plan.too_deep", str(file), most=MAX_DEPTH)
            return None
        table = tomllib.loads(text)
    except FileNotFoundError:
        findings.error("plan.no_file", str(file), near=_near_files(file))
    except IsADirectoryError:
        findings.error("read.folder", str(file))
    except OSError as error:
        findings.error("plan.unreadable", str(file), reason=error.strerror or type(error).__name__)
    except UnicodeDecodeError:
        findings.error("plan.not_utf8", str(file))
    except RecursionError:
        findings.error("plan.too_deep", str(file), most=MAX_DEPTH)
    except ValueError as error:  # bad TOML, or a whole number of thousands of digits
        line = re.search(r"at line (\d+)", str(error))
        findings.error("plan.not_toml", str(file), [int(line[1])] if line else [], reason=str(error))
    else:
        if not _is_deeper(table, MAX_DEPTH):
            return table
        findings.error("plan.too_deep", str(file), most=MAX_DEPTH)
    return None


def _is_deeper(table: Any, levels: int) -> bool:
    """Whether tables and lists lie more than `levels` deep in one another. Not recursive: they may lie very deep."""
    layer = [table]
    for _ in range(levels):
        inner = [list(value.values()) if isinstance(value, dict) else value for value in layer]
        layer = [item for values in inner for item in values if isinstance(item, (dict, list))]
    return bool(layer)


def _near_files(file: Path) -> list[str]:
    folder = file.parent
    plans = sorted(path.name for path in folder.glob("*.toml")) if folder.is_dir() else []
    return difflib.get_close_matches(file.name, plans, n=2, cutoff=0.4) or plans[:3] or ["–"]


def _merged(chain: Chain) -> dict[str, Any]:
    """The first table laid over all those it extends; paths are rewritten to start at the folder of its file."""
    merged: dict[str, Any] = {}
    for path, table in reversed(chain):
        merged = _lay_over(merged, _from_folder(table, path.parent, chain[0][0].parent))
    return merged


OF_ONE_FILE = {
    "file",
    "files",
    "layer",
    "heading_row",
    "datum",
    "licence",
    "date",
    "citation",
    "assumption",
    "shares_source",
    "values",
}
"""What a block says of its file: true of that file only, and not inherited by another."""

OF_CELLS = {"children", "files", "lon", "lat"}
OF_UNITS = {"spread", "unit", "count_of", "ages", "split", "unknown_units"}
"""A population is of cells or of census units: a plan that turns to one keeps nothing that was said of the other."""


def _lay_over(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """Tables merge key by key; anything else, lists included, is replaced by what the later file states.

    A block that names another file keeps nothing that was said of the old one.
    """
    gone = set() if {"file", "files"}.isdisjoint(top) else OF_ONE_FILE
    if "spread" in top and "spread" not in base:
        gone = gone | OF_CELLS | {"id", "residents"}
    elif "spread" in base and "spread" not in top and not OF_CELLS.isdisjoint(top):
        gone = gone | OF_UNITS | {"residents"}
    merged = {key: value for key, value in base.items() if key not in gone}
    for key, value in top.items():
        both_tables = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _lay_over(merged[key], value) if both_tables else value
    return merged


def _from_folder(value: Any, folder: Path, start: Path) -> Any:
    """`value` with every `file` and `files` path of a plan in `folder` written as seen from `start`."""
    if folder == start:
        return value
    if isinstance(value, list):
        return [_from_folder(item, folder, start) for item in value]
    if not isinstance(value, dict):
        return value
    moved = {}
    for key, item in value.items():
        if key == "file":
            moved[key] = _as_seen(item, folder, start)
        elif key == "files" and isinstance(item, dict):
            moved[key] = {band: _as_seen(path, folder, start) for band, path in item.items()}
        else:
            moved[key] = _from_folder(item, folder, start)
    return moved


def _as_seen(file: Any, folder: Path, start: Path) -> Any:
    """A path relative to `folder` as one relative to `start`; what is no relative path stays as it is."""
    if not isinstance(file, str) or not file.strip() or "://" in file or Path(file).is_absolute():
        return file
    return os.path.relpath(folder / file, start).replace(os.sep, "/")


# ------------------------------------------------------------------------------------------------------- validating

_CODES = {
    "string_type": "not_text",
    "float_type": "not_number",
    "finite_number": "not_number",
    "int_type": "not_number",
    "model_type": "not_table",
    "model_attributes_type": "not_table",
    "dict_type": "not_table",
    "list_type": "not_list",
    "string_too_short": "too_short",
    "too_short": "too_short",
    "missing": "missing_key",
}
"""What pydantic calls a fault → the finding `plan.<code>`."""


def _report(fault: Any, chain: Chain, findings: Findings) -> None:
    """One fault of validation as a finding, with the file that states the value."""
    loc = tuple(part for part in fault["loc"] if part != "[key]")
    key = ".".join(str(part + 1) if isinstance(part, int) else part for part in loc)
    kind, values = fault["type"], fault.get("ctx", {})
    place = {"file": str(_stating_file(loc, chain)), "key": key}
    if kind == "extra_forbidden":
        known = _keys_beside(loc)
        near = difflib.get_close_matches(str(loc[-1]), known, n=1, cutoff=0.5)
        values = {"near": near[0]} if near else {"keys": known}
        findings.error("plan.unknown_key" if near else "plan.unknown_key_far", **place, **values)
    elif kind in _CODES:
        least = {"least": values["min_length"]} if "min_length" in values else {}
        findings.error(f"plan.{_CODES[kind]}", **place, given=_short(fault["input"]), **least)
    elif reason := _reason(kind, values):
        findings.error("plan.bad_value", **place, given=_short(fault["input"]), reason=reason)
    else:
        findings.error(f"plan.{kind}", **place, given=_short(fault["input"]), **values)


def _reason(kind: str, values: Mapping[str, Any]) -> str:
    """A bound, a pattern or a list that a value breaks, short enough to need no translation; "" for other faults."""
    match kind:
        case "greater_than":
            return f"> {values['gt']:g}"
        case "greater_than_equal":
            return f"≥ {values['ge']:g}"
        case "less_than_equal":
            return f"≤ {values['le']:g}"
        case "literal_error":
            return str(values["expected"]).replace(" or ", ", ").replace("'", "")
        case "string_pattern_mismatch":
            pattern: str = values["pattern"]
            return pattern.strip("^$()").replace("|", " | ").replace(r"\d{4,6}", "4490")
        case _:
            return ""


def _stating_file(loc: tuple[int | str, ...], chain: Chain) -> Path:
    """The file whose value at `loc` counts: the first of the chain that states it; for what none states, the plan's."""
    return next((path for path, table in chain if _states(table, loc)), chain[0][0])


def _states(table: Any, loc: tuple[int | str, ...]) -> bool:
    for part in loc:
        in_list = isinstance(part, int) and isinstance(table, list) and part < len(table)
        if in_list or (isinstance(table, dict) and part in table):
            table = table[part]
        else:
            return False
    return True


def _short(value: Any) -> str:
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _keys_beside(loc: tuple[int | str, ...]) -> list[str]:
    """The keys that the block in which `loc` ends may hold."""
    model: type[BaseModel] | None = Plan
    for part in loc[:-1]:
        if isinstance(part, int) or model is None:
            continue
        field = model.model_fields.get(part)
        model = _model_in(field.annotation) if field else None
    keys = list(model.model_fields) if model else []
    return [*keys, "extends"] if model is Plan else keys


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
