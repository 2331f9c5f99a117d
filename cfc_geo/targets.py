"""Targets of government plans: what is to be reached, by when, by whom, and how it is computed.

Those of the catalogue are in `catalog/targets/`, one file a plan; a planner's own are a file in the same form. Numbers
are read as 民法典 1259 reads them: 以上, 以下, 不低于 include the number, 超过, 低于 do not.
"""

import tomllib
from collections.abc import Iterable
from importlib.resources import files
from math import inf
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator

from cfc_geo import catalog
from cfc_geo.blocks import BandId, KindId, PlanModel, Text, fault, repeated
from cfc_geo.errors import Findings, PlanError
from cfc_geo.faults import report

Compare = Literal[
    "at_least", "more_than", "at_most", "less_than", "exactly", "rises", "falls", "present", "unstated", "yes"
]
"""present: there is some; unstated: the plan gives no number; yes: it is done. None of the last three is ever met by a
number alone."""
NUMBERED = ("at_least", "more_than", "at_most", "less_than", "exactly")
LevelId = Literal["province", "city", "county", "subdistrict", "community"]
SAID = ("ownership", "registered", "demonstration", "opened", "area_m2", "visitors_per_day", "capacity", "name")
"""What files say of facilities beside the attributes of the catalogue."""


def _known_attribute(name: str) -> str:
    if name not in catalog.attributes() and name not in SAID:
        raise fault("unknown_attribute", name=name, attributes=[*SAID, *catalog.attributes()])
    return name


def _holds(name: str) -> str:
    """What an attribute holds: number, flag, text or date."""
    if name in catalog.attributes():
        return catalog.attributes()[name].holds
    return {"opened": "date", "demonstration": "flag", "registered": "flag"}.get(
        name, "number" if name in ("area_m2", "visitors_per_day", "capacity") else "text"
    )


def _number(name: str) -> str:
    if _holds(_known_attribute(name)) != "number":
        raise fault("attribute_no_number", name=name, attributes=[of for of in _every() if _holds(of) == "number"])
    return name


def _flag(name: str) -> str:
    if _holds(_known_attribute(name)) != "flag":
        raise fault("attribute_no_flag", name=name, attributes=[of for of in _every() if _holds(of) == "flag"])
    return name


def _every() -> list[str]:
    return [*SAID, *catalog.attributes()]


def _fitting(conditions: "dict[str, Condition]") -> "dict[str, Condition]":
    for name, condition in conditions.items():
        asked = {bool: ("flag",), list: ("text", "flag"), Bound: ("number", "date")}[type(condition)]
        if name in _every() and _holds(name) not in asked:
            raise fault("attribute_condition", name=name, holds=_holds(name))
    return conditions


def _known_unit(unit: str) -> str:
    if unit not in catalog.target_units():
        raise fault("unknown_unit", unit=unit, units=list(catalog.target_units()))
    return unit


Attribute = Annotated[str, AfterValidator(_known_attribute)]
Number = Annotated[str, AfterValidator(_number)]
Flag = Annotated[str, AfterValidator(_flag)]
Unit = Annotated[str, AfterValidator(_known_unit)]


class Bound(PlanModel):
    """A number, or the year of a date, from `least` to `most`, both inclusive."""

    least: float | None = None
    most: float | None = None

    @model_validator(mode="after")
    def _in_order(self) -> "Bound":
        if (self.least is None and self.most is None) or (self.least or -inf) > (self.most or inf):
            raise fault("bound_empty")
        return self


Condition = bool | list[Text] | Bound
"""Of a flag yes or no; of a text that it is, or lists, one of these words; of a number or a year its bounds."""


Conditions = Annotated[dict[Attribute, Condition], AfterValidator(_fitting)]


class Chosen(PlanModel):
    """Which facilities: of one of the `kinds`, if `words` are given named by one of them in the column of kinds, and
    for which all of `where` is so."""

    kinds: list[KindId] = Field(min_length=1)
    words: list[Text] = Field([])
    where: Conditions = Field({})


class Count(Chosen):
    """How many there are; with `sum`, how many of that attribute in all."""

    by: Literal["count"]
    sum: Number | None = None


class ShareOf(Chosen):
    """The share, per cent, of the chosen for which all of `having` is so."""

    by: Literal["share"]
    having: Conditions = Field(min_length=1)


class UnitsWith(Chosen):
    """The share, per cent, of the units of `levels` that have at least `least` of the chosen; with `each`, of every one
    of its `kinds`. `setting`: urban or rural units only."""

    by: Literal["units_with"]
    levels: list[LevelId] = Field(min_length=1)
    least: int = Field(1, ge=1)
    each: bool = False
    setting: Literal["urban", "rural"] | None = None


class PerUnit(Chosen):
    """How many of the chosen there are in the unit of `levels` that has fewest, among those with at least
    `residents_least` residents."""

    by: Literal["per_unit"]
    levels: list[LevelId] = Field(min_length=1)
    residents_least: int = Field(0, ge=0)


class PerFacility(Chosen):
    """The least that any of the chosen has: of a number (`of`), or of flags how many are yes (`flags`)."""

    by: Literal["per_facility"]
    of: Number | None = None
    flags: list[Flag] = Field([])

    @model_validator(mode="after")
    def _one(self) -> "PerFacility":
        if (self.of is None) == (not self.flags):
            raise fault("of_or_flags")
        return self


class PerThousand(Chosen):
    """The sum of `of` over the chosen for every thousand residents or children of 0-14 or 0-17."""

    by: Literal["per_thousand"]
    of: Number
    per: Literal["residents", "children_0_14", "children_0_17"]


class Covered(PlanModel):
    """The share, per cent, of children within the limit of a kind, or, without one, with their whole circle."""

    by: Literal["covered"]
    kind: KindId | None = None
    bands: list[BandId] = Field([])


class Balance(PlanModel):
    """Places of the `kinds` less the children of their bands."""

    by: Literal["balance"]
    kinds: list[KindId] = Field(min_length=1)


class NursingRooms(PlanModel):
    """The share, per cent, of places that must have a nursing room and have one: floor area over `area_over_m2` or
    more than `visitors_over` visitors a day, neither inclusive (国卫指导发〔2016〕63号)."""

    by: Literal["nursing_rooms"]
    kinds: list[KindId] = Field(["public_place"])
    area_over_m2: float = 10_000
    visitors_over: float = 10_000


class NoneWithin(Chosen):
    """How many of the chosen lie within `limit_m`, inclusive, in a straight line, of the grounds of `of`."""

    by: Literal["none_within"]
    of: list[KindId] = Field(min_length=1)
    limit_m: float = Field(gt=0, le=2_000)


class SchoolZones(PlanModel):
    """The share, per cent, of school gates that meet what GA/T 1215 asks."""

    by: Literal["school_zones"]
    of: Literal["all", "speed", "crossing", "signal"] = "all"


class Sidewalks(PlanModel):
    """The share, per cent, of the length of streets with cars that have a footway."""

    by: Literal["sidewalks"]


class Hubs(PlanModel):
    """1+N: the share, per cent, of the `kinds` that are no hubs themselves and are linked to one that is (attribute
    hub); `where` says which are hubs."""

    by: Literal["hubs"]
    kinds: list[KindId] = Field(min_length=1)
    hub: Conditions = Field(min_length=1)


class Lacking(PlanModel):
    """Nothing that the program reads holds it: `layer` and `column` say what would."""

    by: Literal["lacking"]
    layer: Literal["streets", "units", "parks", "land", "facilities"]
    column: Text


Method = Annotated[
    Count | ShareOf | UnitsWith | PerUnit | PerFacility | PerThousand | Covered | Balance | NursingRooms | NoneWithin
    | SchoolZones | Sidewalks | Hubs | Lacking,
    Field(discriminator="by"),
]  # fmt: skip
PERCENT = ("share", "units_with", "covered", "nursing_rooms", "school_zones", "sidewalks", "hubs")


class Said(PlanModel):
    """A text in both languages."""

    zh: Text
    en: Text


class Target(PlanModel):
    """One row of a plan.

    `rows`: S computed from layers, T filled in by an office, Q a checklist. `year`: due at its end; None: none stated.
    `same_as`: rows that state one thing share a word, and count once; the first of them is counted.
    """

    id: Text
    zh: Text
    en: Text
    rows: Literal["S", "T", "Q"]
    clause: Text
    compare: Compare
    value: float | None = None
    unit: Unit
    year: int | None = Field(None, ge=2000, le=2100)
    every_year: bool = False
    year_basis: Literal["explicit", "horizon", "none"]
    offices: list[Text] = Field([])
    of: Said | None = Field(None, description="denominator, or what a number counts")
    data: Said | None = Field(None, description="what the office counts it from")
    note: Said | None = None
    read_as: Said | None = Field(None, description="how the plan's words were read where they leave a choice")
    same_as: Text | None = None
    method: Method | None = None

    @property
    def counts_children(self) -> bool:
        """Whether its figure is computed of numbers of children, so that it tells of them."""
        method = self.method
        return isinstance(method, Covered | Balance) or (isinstance(method, PerThousand) and method.per != "residents")

    @model_validator(mode="after")
    def _whole(self) -> "Target":
        if (self.compare in NUMBERED) != (self.value is not None):
            raise fault("target_value", id=self.id, compare=self.compare)
        if (self.rows == "S") != (self.method is not None):
            raise fault("target_method", id=self.id)
        if self.rows != "S" and self.data is None:
            raise fault("target_data", id=self.id)
        if self.method is not None and self.method.by in PERCENT and self.unit != "%":
            raise fault("target_percent", id=self.id, by=self.method.by, unit=self.unit)
        return self


class TargetPlan(PlanModel):
    """A plan's targets. `scope`: the level whose targets they are; `version` is another where a row has changed."""

    id: Text
    zh: Text
    en: Text
    place: Said
    scope: LevelId
    version: Text
    draft: bool = False
    horizon: int | None = Field(None, ge=2000, le=2100)
    source: Said
    targets: list[Target] = Field(min_length=1)

    @model_validator(mode="after")
    def _apart(self) -> "TargetPlan":
        if twice := repeated([target.id for target in self.targets]):
            raise fault("target_twice", ids=twice)
        return self


def load_targets(named: str, folder: Path = Path()) -> TargetPlan:
    """The targets of a plan of the catalogue, by its id, or of a file (from `folder`).

    Raises `PlanError` with every fault: keys, methods, units or kinds that are not known, with the known ones.
    """
    findings = Findings()
    is_known = named in catalog.target_plans()
    file = Path(f"{named}.toml") if is_known else folder / named
    try:
        text = (_folder() / file.name if is_known else file).read_text(encoding="utf-8-sig")
        table = tomllib.loads(text)
    except FileNotFoundError:
        findings.error("targets.no_file", str(file), plans=catalog.target_plans())
    except (OSError, ValueError, RecursionError) as error:
        findings.error("targets.unreadable", str(file), reason=str(error))
    findings.raise_errors(PlanError)
    try:
        return TargetPlan.model_validate(table)
    except ValidationError as error:
        report(error, TargetPlan, [(file, table)], findings)
        raise PlanError(findings) from None


def changed_targets(old: TargetPlan, new: TargetPlan) -> list[tuple[str, Target | None, Target | None]]:
    """Ids of the targets that differ, with both; None where one has none."""
    before, after = ({target.id: target for target in plan.targets} for plan in (old, new))
    every: Iterable[str] = dict.fromkeys([*before, *after])
    return [(of, before.get(of), after.get(of)) for of in every if before.get(of) != after.get(of)]


def _folder() -> Any:
    return files(catalog.__name__).joinpath("targets")
