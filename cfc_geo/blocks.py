"""The blocks of a plan file: their keys, what each may hold, and what does not go together. Nothing is read here."""

from collections.abc import Collection
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from cfc_geo import catalog


def fault(code: str, **values: object) -> PydanticCustomError:
    """What a validator raises: the finding `plan.<code>`."""
    return PydanticCustomError(cast(Any, code), cast(Any, code), values)


def repeated(words: list[str]) -> list[str]:
    return sorted({word for word in words if words.count(word) > 1})


def _known_kind(name: str) -> str:
    """A kind by its id or its name in either language."""
    kind = catalog.kind_called(name)
    if kind is None:
        raise fault("unknown_kind", kind=name, near=catalog.kinds_like(name, 1, least=0.0)[0])
    return kind


def _known_attribute(name: str) -> str:
    if name not in catalog.attributes():
        raise fault("unknown_attribute", name=name, attributes=list(catalog.attributes()))
    return name


def _known_profile(name: str) -> str:
    if name not in catalog.profiles():
        raise fault("unknown_profile", name=name, profiles=list(catalog.profiles()))
    return name


def _known_norm_set(name: str) -> str:
    if name not in catalog.norm_sets():
        raise fault("norms_unknown_set", sets=catalog.norm_sets())
    return name


def _column_or_band(value: object) -> object:
    is_band = type(value) is int and value >= 1
    if not is_band and not (isinstance(value, str) and value.strip()):
        raise fault("not_column_or_band")
    return value


BandId = Literal["0-2", "3-5", "6-11", "12-14", "15-17"]
Datum = Annotated[str, Field(pattern=r"^(wgs84|cgcs2000|gcj02|bd09|EPSG:\d{4,6})$")]
KindId = Annotated[
    str, AfterValidator(_known_kind), Field(json_schema_extra=lambda schema: schema.update(enum=list(catalog.kinds())))
]
AttributeId = Annotated[
    str,
    AfterValidator(_known_attribute),
    Field(json_schema_extra=lambda schema: schema.update(enum=list(catalog.attributes()))),
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
Weight = Annotated[float, Field(ge=0, le=1_000)]
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
    setting: Text | None = Field(
        None,
        description="column that says whether a unit is urban or rural (城乡分类): a code of statistics, or a word",
    )


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
            raise fault("spread_keys", on=self.on, keys=sorted(wrong))
        if self.on == "raster" and (self.file is None) == (self.files is None):
            raise fault("population_file_or_files")
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
            raise fault("population_file_or_files")
        if self.files is not None and any(value is not None for value in (self.children, self.shares, self.residents)):
            raise fault("population_files_alone")
        if self.spread is not None:
            return self._one_census()
        if of_census := sorted(stated(self, {"unit", "count_of", "ages", "split", "unknown_units"})):
            raise fault("population_needs_spread", keys=of_census)
        if self.shares is not None and sum(self.shares.values()) > 1 + 1e-9:
            raise fault("population_shares_over_one")
        if self.files is None and self.children is None and self.shares is None:
            raise fault("population_children_or_shares")
        if self.children is not None and self.shares is not None:
            raise fault("population_children_and_shares")
        if self.shares is not None and self.residents is None:
            raise fault("population_shares_need_residents")
        return self

    def _one_census(self) -> "Population":
        if of_cells := sorted(stated(self, {"files", "children", "lon", "lat", "id", "datum", "values"})):
            raise fault("population_census_keys", keys=of_cells)
        if isinstance(self.residents, int):
            raise fault("population_census_keys", keys=["residents"])
        if self.count_of is None:
            raise fault("population_count_of")
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
    status: Text | None = Field(None, description="状态: whether it is open, planned or closed")
    remarks: Text | None = Field(None, description="备注: read for words such as 停办, 在建, 规划")


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
    attributes: dict[AttributeId, Text] = Field(
        {}, description="attribute of catalog/attributes.toml → column; default: the one whose heading is recognised"
    )
    kinds: dict[str, KindId | Literal["ignore"]] = Field(
        {}, description='words of this file → kinds of the catalogue, or "ignore" to leave such records out'
    )
    unknown_kinds: Literal["refuse", "review"] = Field(
        "refuse",
        description="review: records of unknown kinds go to review.csv and are left out; the file is then no full list "
        "of any kind",
    )
    not_open: Literal["ignore", "keep"] | None = Field(
        None,
        description="records that a status, a remark or the brackets of the name call closed or planned: leave them "
        "out, or count them all the same; default: they are an error",
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
            raise fault("duplicates_half_a_rule")
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
    sidewalk_width: Text | None = Field(None, description="width of the footway in metres")
    segregated: Text | None = Field(None, description="whether walkers and cyclists are kept apart: yes, no")
    parking: Text | None = Field(None, description="where cars park: footway, lane, no")
    incline: Text | None = Field(None, description="up or down, or a percentage, as drawn")
    bridge: Text | None = None
    tunnel: Text | None = None
    level: Text | None = Field(None, description="vertical layer; ends on different levels are not joined")


class Streets(FileSource):
    """Walkable streets: .osm, .osm.pbf, GraphML of osmnx, or a line layer whose lines meet at their ends."""

    file: Text
    columns: StreetColumns = StreetColumns()


class Terrain(FileSource):
    """Heights of the ground: a GeoTIFF with one band, metres."""

    file: Text
    spacing_m: float = Field(25, ge=5, le=100, description="heights are taken along streets about so far apart, metres")


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
        if twice := repeated([change.kind for change in self.override]):
            raise fault("override_twice", kinds=twice)
        return self


class Circle(PlanModel):
    """The kinds that make a band's circle, where the plan departs from the catalogue, and why."""

    baskets: dict[BandId, Annotated[list[KindId], Field(min_length=1)]] = {}
    why: str = ""

    @model_validator(mode="after")
    def _reasoned(self) -> "Circle":
        if self.baskets and not self.why:
            raise fault("circle_why")
        for band, basket in self.baskets.items():
            if twice := repeated(basket):
                raise fault("basket_repeats", band=band, kinds=twice)
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
            raise fault("walk_why")
        return self


DecayId = Literal["step", "linear", "exponential", "gaussian", "inverse_power"]


class Access(PlanModel):
    """How access is measured beside the nearest facility."""

    kinds: list[KindId] | None = Field(None, min_length=1, description="kinds to measure; default: all in question")
    decay: DecayId = Field("gaussian", description="how much a facility counts the farther it is")
    parameter: float | None = Field(
        None, gt=0, le=10, description="p of the decay's formula (catalog/decays.toml); default: the catalogue's"
    )
    participation: dict[KindId, Annotated[float, Field(gt=0, le=1)]] = Field(
        {}, description="share of the children who want a place, by kind; default 1; an assumption"
    )
    why: str = Field("", description="where the participation comes from; printed with the results")
    service_areas: bool = Field(False, description="draw the area that each facility serves, on the map and as a layer")

    @model_validator(mode="after")
    def _reasoned(self) -> "Access":
        if self.participation and not self.why:
            raise fault("access_why")
        return self


ProfileId = Annotated[
    str,
    AfterValidator(_known_profile),
    Field(json_schema_extra=lambda schema: schema.update(enum=list(catalog.profiles()))),
]


class Districts(FileSource):
    """School districts: polygons (学区), or a table of units, with the school of each."""

    file: Text
    school: Text = Field(description="column with the facility's id, or a name that no other facility has")
    unit: Text | None = Field(
        None, description="column with the id or name of a unit, for tables; without it the file holds polygons"
    )


class StreetsForChildren(PlanModel):
    """Where children walk to facilities, and which streets and crossings to mend first."""

    kinds: list[KindId] = Field(["primary_school"], min_length=1, description="kinds that children walk to")
    profile: ProfileId | None = Field(
        None, description="who walks (catalog/profiles.toml); default: by the age of each kind's children"
    )
    assign: Literal["nearest", "room", "gravity"] = Field(
        "nearest",
        description="kinds with places: nearest; room: nearest pairs first as long as there are places; gravity: by "
        "places and nearness. Other kinds are visited by nearness (decay of [access]), the nearest where none is near",
    )
    districts: Districts | None = Field(
        None,
        description="which facilities each home is given, of several the nearest; for the kinds of the facilities that "
        "the file names, instead of `assign`",
    )
    farthest_m: float = Field(2_000, ge=100, le=10_000, description="who has farther does not walk; an assumption")
    detour: float = Field(
        1.25, ge=1, le=3, description="how many times as long as the shortest walk an easier one may be; an assumption"
    )
    measure: int = Field(
        20, ge=0, le=200, description="for how many places to measure what mending each one would bring"
    )
    corridors: int = Field(5, ge=0, le=50, description="how many corridors to propose for mending whole")
    corridor_m: float = Field(400, ge=100, le=5_000, description="a corridor is at least so long")
    corridor_most_m: float = Field(
        1_500, ge=100, le=10_000, description="a corridor is at most so long; never less than corridor_m"
    )
    corridors_total_m: float | None = Field(None, gt=0, le=1_000_000, description="all corridors together, at most")
    new_links: int = Field(
        3, ge=0, le=20, description="how many new links over water, railways and big roads to propose"
    )


class TargetsOf(PlanModel):
    """The targets of a plan of the catalogue, or of a file in the same form."""

    plan: Text | None = Field(None, description="meizhou, zhoucun, guangxi, shanxi or lucheng")
    file: Text | None = None

    @model_validator(mode="after")
    def _one(self) -> "TargetsOf":
        if (self.plan is None) == (self.file is None):
            raise fault("targets_plan_or_file")
        return self


class FormFile(PlanModel):
    """A form that an office filled in and sent back."""

    file: Text


class Scoring(PlanModel):
    """Which targets are scored, and what is known beside the layers."""

    targets: list[TargetsOf] = Field(min_length=1)
    year: int | None = Field(None, ge=2000, le=2100, description="year that is reported; default: this one")
    thresholds: dict[str, float] = Field(
        {}, description="target id → what you take for a target that has no number of its own; a choice: say why"
    )
    earlier: dict[str, float] = Field(
        {}, description="target id → its figure in an earlier year, for trends; say where from"
    )
    forms: list[FormFile] = Field([], description="forms that offices sent back (cfc-geo form)")
    why: str = Field("", description="where thresholds and earlier figures come from; printed with the results")

    @model_validator(mode="after")
    def _reasoned(self) -> "Scoring":
        if (self.thresholds or self.earlier) and not self.why:
            raise fault("scoring_why")
        return self


class Map(PlanModel):
    """What the map says of itself."""

    title: str = ""
    approval_no: str = Field("", description="审图号; without it the map says that it is not reviewed")
    basemap: Literal["none", "tianditu", "osm"] = Field("none", description="an online base map; default: none")


class Siting(PlanModel):
    """What counts how much where `cfc-geo site` looks for sites; a choice, not a fact, and so it has a reason."""

    band_weights: dict[BandId, Weight] = Field({}, description="what one child of a band counts; default 1")
    unit_weights: dict[str, Weight] = Field({}, description="unit (id or name) → what its children count; default 1")
    why: str = ""

    @model_validator(mode="after")
    def _reasoned(self) -> "Siting":
        if (self.band_weights or self.unit_weights) and not self.why:
            raise fault("siting_why")
        return self


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
