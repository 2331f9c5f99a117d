"""The plan file: its schema, and how a file that extends another becomes one checked `Plan`.

`load_plan` reads TOML, follows `extends`, merges, and validates; every fault of the file is reported at once, with the
key, what is wrong and, for an unknown key, the nearest right one. Nothing else of the package reads a plan file.
"""

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator, model_validator

from cfc_geo import catalog
from cfc_geo.errors import Findings, PlanError

BandId = Literal["0-2", "3-5", "6-11", "12-14", "15-17"]
Datum = Annotated[str, Field(pattern=r"^(wgs84|cgcs2000|gcj02|bd09|EPSG:\d{4,6})$")]
KindId = str
Share = Annotated[float, Field(ge=0, le=1)]
LimitM = Annotated[float, Field(gt=0, le=5_000)]
SpeedMs = Annotated[float, Field(ge=0.3, le=2.5)]


class PlanModel(BaseModel):
    """Base of every block: unknown keys are refused, values are frozen, NaN and infinity are no numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, str_strip_whitespace=True)


class FileSource(PlanModel):
    """What every input file may say of itself."""

    layer: str | None = Field(None, description="layer of a GeoPackage, or sheet of a workbook; default: the only one")
    datum: Datum | None = Field(
        None,
        description="wgs84, cgcs2000, gcj02 (Amap), bd09 (Baidu) or EPSG:n; required for tables with coordinates; "
        "for a layer that states its own CRS it overrides a longitude/latitude one",
    )
    licence: str = Field("", description="licence of the data, printed on the map")
    date: str = Field("", description="date of the data, as its publisher states it")
    citation: str = Field("", description="how the publisher wants to be named")


class Units(FileSource):
    """Polygons to which results are summed: 区, 街道, 社区."""

    file: str
    id: str = Field("unit_id", description="column with the unit's code; read as text")
    name: str = Field("name", description="column with the unit's name")
    level: str | None = Field(None, description="column with the level (区, 街道, 社区); default: one level")
    parent: str | None = Field(None, description="column with the code of the unit that this one lies in")


class Place(PlanModel):
    """Where the plan is about."""

    units: Units
    crs: str | None = Field(
        None, pattern=r"^EPSG:\d{4,6}$", description="projected CRS to compute in; default: the CGCS2000 3-degree zone"
    )


class Population(FileSource):
    """Children by age band: a count raster, or a table or polygon layer of cells."""

    file: str | None = None
    files: dict[BandId, str] | None = Field(None, description="one single-band count raster per age band")
    id: str | None = Field(None, description="column with the cell's id; default: numbered")
    lon: str | None = Field(None, description="column with longitude (or x), for tables")
    lat: str | None = Field(None, description="column with latitude (or y), for tables")
    children: dict[BandId, str | int] | None = Field(
        None, description="age band → column of the table, or number of the raster's band (the first is 1)"
    )
    residents: str | int | None = Field(None, description="column or raster band with all residents")
    shares: dict[BandId, Share] | None = Field(
        None, description="children as shares of residents, where only residents are known; an assumption"
    )
    shares_source: str = Field("", description="where the shares come from; printed beside every result")
    assumption: str = Field("", description="why these counts are an estimate, if they are; printed with the results")

    @model_validator(mode="after")
    def _one_source(self) -> "Population":
        if (self.file is None) == (self.files is None):
            raise ValueError("population_file_or_files")
        if self.shares is not None and sum(self.shares.values()) > 1:
            raise ValueError("population_shares_over_one")
        if self.files is None and self.children is None and self.shares is None:
            raise ValueError("population_children_or_shares")
        if self.children is not None and self.shares is not None:
            raise ValueError("population_children_and_shares")
        if self.shares is not None and self.residents is None:
            raise ValueError("population_shares_need_residents")
        return self


class FacilityColumns(PlanModel):
    """Which column of a facility file holds what. `kind` is not needed where the block states one."""

    id: str | None = None
    name: str | None = None
    kind: str | None = None
    lon: str | None = None
    lat: str | None = None
    capacity: str | None = None


class Entrances(FileSource):
    """Points where facilities can be entered; `facility` is the column with the facility's id."""

    file: str
    facility: str
    lon: str | None = None
    lat: str | None = None


class Facilities(FileSource):
    """One file of facilities: points or polygons, a table with coordinates, or an OSM file."""

    file: str
    kind: KindId | None = Field(None, description="kind of all records; else `columns.kind` names the column")
    columns: FacilityColumns = FacilityColumns()
    kinds: dict[str, KindId] = Field({}, description="words of this file → kinds of the catalogue")
    only: list[KindId] | None = Field(None, description="keep these kinds only (for an OSM file that holds many)")
    id_prefix: str = Field("", description="put before every id of this file, where two files number alike")
    surveys: list[KindId] = Field(
        [],
        description="kinds of which this file is the full list, so that a place without one nearby is a gap and not unknown; "
        "a table or layer is taken as the full list of the kinds it holds, an OSM file is not",
    )
    entrances: Entrances | None = None


class StreetColumns(PlanModel):
    """Which column of a street line layer holds what; all optional. Tags are read as in OpenStreetMap."""

    id: str | None = None
    name: str | None = None
    highway: str | None = None
    foot: str | None = None
    access: str | None = None
    oneway: str | None = Field(None, description="one-way for walkers: yes, no, -1")
    length: str | None = Field(None, description="length in metres; default: measured")
    maxspeed: str | None = None
    lanes: str | None = None
    sidewalk: str | None = None
    bridge: str | None = None
    tunnel: str | None = None
    level: str | None = Field(None, description="vertical layer; ends on different levels are not joined")


class Streets(FileSource):
    """Walkable streets: .osm, .osm.pbf, GraphML of osmnx, or a line layer whose lines meet at their ends."""

    file: str
    columns: StreetColumns = StreetColumns()


class NormOverride(PlanModel):
    """A limit that this plan sets instead of the norm's, and why."""

    kind: KindId
    limit_m: LimitM
    why: str = Field(min_length=2)


class Norms(PlanModel):
    """Which walks count as served."""

    use: str = "gb50180"
    override: list[NormOverride] = []

    @field_validator("use")
    @classmethod
    def _known_set(cls, value: str) -> str:
        if value not in catalog.norm_sets():
            raise ValueError("norms_unknown_set")
        return value


class Circle(PlanModel):
    """The kinds that make a band's circle, where the plan departs from the catalogue, and why."""

    baskets: dict[BandId, Annotated[list[KindId], Field(min_length=1)]] = {}
    why: str = ""

    @model_validator(mode="after")
    def _reasoned(self) -> "Circle":
        if self.baskets and not self.why:
            raise ValueError("circle_why")
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
            raise ValueError("walk_why")
        return self


class Map(PlanModel):
    """What the map says of itself."""

    title: str = ""
    approval_no: str = Field("", description="审图号; without it the map says that it is not reviewed")
    basemap: Literal["none", "tianditu", "osm"] = Field("none", description="an online base map; default: none")


class Plan(PlanModel):
    """One place and its question."""

    name: str = Field(min_length=1)
    why: str = ""
    place: Place
    population: Population
    facilities: list[Facilities] = Field(min_length=1)
    streets: Streets
    norms: Norms = Norms()
    circle: Circle = Circle()
    walk: Walk = Walk()
    map: Map = Map()

    _file: Path = PrivateAttr(default=Path("plan.toml"))

    @property
    def file(self) -> Path:
        """The plan file; relative paths in the plan start at its folder."""
        return self._file

    def path(self, file: str) -> Path:
        """Where `file`, as the plan names it, is."""
        return self._file.parent / file

    def resolved_norms(self) -> dict[str, catalog.Norm]:
        """Kind → norm, overrides applied (certainty "plan", with their reason)."""
        norms = dict(catalog.norms(self.norms.use))
        for change in self.norms.override:
            tier = norms[change.kind].tier if change.kind in norms else ""
            norms[change.kind] = catalog.Norm(change.kind, change.limit_m, tier, self.name, "plan", change.why)
        return {kind: norms[kind] for kind in catalog.kinds() if kind in norms}

    def resolved_baskets(self) -> dict[str, tuple[str, ...]]:
        """Band → the kinds of its circle."""
        return {band: tuple(self.circle.baskets.get(band, kinds)) for band, kinds in catalog.baskets().items()}

    def speed_ms(self, band: str) -> float:
        """Walking speed of a band, metres per second."""
        return self.walk.speeds_ms.get(band, catalog.bands()[band].speed_ms)  # type: ignore[call-overload, no-any-return]


def load_plan(file: str | Path) -> Plan:
    """Read a plan file, with all that it extends, and check it whole.

    Raises `PlanError` with every fault: unreadable TOML, a circle of `extends`, unknown keys (with the nearest right
    one), wrong values, unknown kinds, a basket kind without a limit.
    """
    file = Path(file)
    findings = Findings()
    merged = _merge_extended(file, findings)
    findings.raise_errors(PlanError)
    plan = _validate(merged, file, findings)
    findings.raise_errors(PlanError)
    assert plan is not None
    plan._file = file
    _check_kinds(plan, findings)
    findings.raise_errors(PlanError)
    return plan


# ---------------------------------------------------------------------------------------------- reading and merging


def _merge_extended(file: Path, findings: Findings) -> dict[str, Any]:
    """The table of `file` laid over the tables it extends; paths are rewritten to start at the folder of `file`."""
    chain: list[tuple[Path, dict[str, Any]]] = []
    seen: list[Path] = []
    current: Path | None = file
    while current is not None:
        if current.resolve() in seen:
            names = [path.name for path in [*seen, current]]
            findings.error("plan.extends_circle", str(file), files=" → ".join(names))
            return {}
        seen.append(current.resolve())
        table = _read_toml(current, findings)
        if table is None:
            return {}
        chain.append((current, table))
        base = table.pop("extends", None)
        if base is not None and not isinstance(base, str):
            findings.error("plan.bad_value", str(current), key="extends", reason="text")
            return {}
        current = current.parent / base if base else None
    merged: dict[str, Any] = {}
    for path, table in reversed(chain):
        merged = _lay_over(merged, _from_folder(table, path.parent, file.parent))
    return merged


def _read_toml(file: Path, findings: Findings) -> dict[str, Any] | None:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        findings.error("plan.no_file", str(file), near=_near_files(file))
    except (IsADirectoryError, PermissionError, OSError) as error:
        findings.error("plan.unreadable", str(file), reason=type(error).__name__)
    except UnicodeDecodeError:
        findings.error("plan.not_utf8", str(file))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        findings.error("plan.not_toml", str(file), reason=str(error))
    return None


def _near_files(file: Path) -> list[str]:
    folder = file.parent
    plans = sorted(path.name for path in folder.glob("*.toml")) if folder.is_dir() else []
    return difflib.get_close_matches(file.name, plans, n=2, cutoff=0.4) or plans[:3] or ["–"]


def _lay_over(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """Tables merge key by key; anything else, lists included, is replaced by what the later file states."""
    merged = dict(base)
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
        if key == "file" and isinstance(item, str):
            moved[key] = _as_seen(item, folder, start)
        elif key == "files" and isinstance(item, dict):
            moved[key] = {band: _as_seen(path, folder, start) for band, path in item.items()}
        else:
            moved[key] = _from_folder(item, folder, start)
    return moved


def _as_seen(file: str, folder: Path, start: Path) -> str:
    return os.path.relpath(folder / file, start).replace(os.sep, "/")


# ------------------------------------------------------------------------------------------------------- validating


def _validate(table: dict[str, Any], file: Path, findings: Findings) -> Plan | None:
    try:
        return Plan.model_validate(table)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            _report(fault, file, findings)
        return None


def _report(fault: Any, file: Path, findings: Findings) -> None:
    key = ".".join(str(part + 1) if isinstance(part, int) else part for part in fault["loc"] if part != "[key]")
    values = {name: value for name, value in fault.get("ctx", {}).items() if name != "error"}
    match fault["type"]:
        case "extra_forbidden":
            near = difflib.get_close_matches(str(fault["loc"][-1]), _keys_beside(fault["loc"]), n=1, cutoff=0.5)
            if near:
                findings.error("plan.unknown_key", str(file), key=key, near=near[0])
            else:
                findings.error("plan.unknown_key_far", str(file), key=key, keys=_keys_beside(fault["loc"]))
        case "missing":
            findings.error("plan.missing_key", str(file), key=key)
        case "value_error":
            findings.error(f"plan.{fault['ctx']['error']}", str(file), key=key, given=_short(fault["input"]))
        case _:
            findings.error("plan.bad_value", str(file), key=key, given=_short(fault["input"]), **_reason(fault, values))


def _reason(fault: Any, values: dict[str, Any]) -> dict[str, str]:
    """Why a value was refused, short enough to need no translation: a bound, a pattern, a list or a type."""
    match fault["type"]:
        case "greater_than":
            return {"reason": f"> {values['gt']}"}
        case "greater_than_equal":
            return {"reason": f"≥ {values['ge']}"}
        case "less_than" | "less_than_equal":
            return {"reason": f"≤ {values.get('le', values.get('lt'))}"}
        case "literal_error":
            return {"reason": str(values["expected"])}
        case "string_pattern_mismatch":
            shown = values["pattern"].strip("^$()").replace("|", " | ").replace(r"\d{4,6}", "4490")
            return {"reason": shown}
        case _:
            return {"reason": str(fault["msg"])}


def _short(value: Any) -> str:
    text = repr(value)
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


def _check_kinds(plan: Plan, findings: Findings) -> None:
    """Every kind the plan names must be of the catalogue; a basket's kinds need a limit."""
    for key, kind in _kinds_named(plan):
        if kind not in catalog.kinds():
            near = difflib.get_close_matches(kind, catalog.kinds(), n=1, cutoff=0.0)
            findings.error("plan.unknown_kind", str(plan.file), key=key, kind=kind, near=near[0])
    findings.raise_errors(PlanError)
    norms = plan.resolved_norms()
    for band, basket in plan.circle.baskets.items():
        if without := [kind for kind in basket if kind not in norms]:
            findings.error("plan.basket_without_limit", str(plan.file), band=band, kinds=without)
        if repeated := sorted({kind for kind in basket if basket.count(kind) > 1}):
            findings.error("plan.basket_repeats", str(plan.file), band=band, kinds=repeated)
    overridden = [change.kind for change in plan.norms.override]
    if twice := sorted({kind for kind in overridden if overridden.count(kind) > 1}):
        findings.error("plan.override_twice", str(plan.file), kinds=twice)


def _kinds_named(plan: Plan) -> Iterator[tuple[str, str]]:
    for number, block in enumerate(plan.facilities, start=1):
        if block.kind is not None:
            yield f"facilities.{number}.kind", block.kind
        for word, kind in block.kinds.items():
            yield f"facilities.{number}.kinds.{word}", kind
        for key in ("only", "surveys"):
            for kind in getattr(block, key) or []:
                yield f"facilities.{number}.{key}", kind
    for number, change in enumerate(plan.norms.override, start=1):
        yield f"norms.override.{number}.kind", change.kind
    for band, basket in plan.circle.baskets.items():
        for kind in basket:
            yield f"circle.baskets.{band}", kind
