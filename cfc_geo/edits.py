"""The edits of a scenario: what may be changed of the place that its plan describes, and how each change is written.

An edit says one thing and names what it touches (`targets`). No two edits of a scenario touch the same thing, so their
order cannot matter. What an edit does to a Study is in `inputs/scenario.py`.
"""

import unicodedata
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from cfc_geo.blocks import BandId, Datum, KindId, PlanModel, Text, fault

MOST_CHARACTERS = 100
MOST_PLACES = 1_000_000
MOST_COST = 1e12


def is_plain_id(of_id: str) -> bool:
    """Whether something new may be called so: not too long, and nothing in it that does not print."""
    return len(of_id) <= MOST_CHARACTERS and not any(unicodedata.category(mark) in UNSEEN for mark in of_id)


def _plain_id(of_id: str) -> str:
    if not is_plain_id(of_id):
        raise fault("edit_id", most=MOST_CHARACTERS)
    return of_id


UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Unicode categories of what does not print, or makes text read otherwise than it is written."""
NewId = Annotated[Text, AfterValidator(_plain_id)]
"""The id of something that is not there yet. It names a row of a table, and never a file."""
Coordinates = Annotated[list[float], Field(min_length=2, max_length=2)]
"""Longitude and latitude, or x and y of a projected CRS: which, `datum` says."""
Line = Annotated[list[Coordinates], Field(min_length=2)]
Places = Annotated[float, Field(ge=0, le=MOST_PLACES)]
Children = Annotated[float, Field(ge=0, le=10_000_000)]
Factor = Annotated[float, Field(ge=0, le=100)]
Target = tuple[Literal["facility", "street", "gate", "children", "cell"], str]
"""A thing an edit touches: of which table, and its id there; "children" are those of a unit."""


class AddFacility(PlanModel):
    """A facility that is not there yet."""

    id: NewId
    kind: KindId
    name: str = ""
    at: Coordinates
    datum: Datum
    capacity: Places | None = None
    area_m2: float | None = Field(None, gt=0)
    entrances: list[Coordinates] = Field([], description="where it can be entered; default: at its point")

    def targets(self) -> list[Target]:
        return [("facility", self.id)]


class CloseFacility(PlanModel):
    """A facility that will be gone."""

    facility: Text

    def targets(self) -> list[Target]:
        return [("facility", self.facility)]


class MoveFacility(PlanModel):
    """A facility that will be elsewhere, a point with its own entrances."""

    facility: Text
    at: Coordinates
    datum: Datum
    entrances: list[Coordinates] = Field([], description="where it can be entered; default: at its point")

    def targets(self) -> list[Target]:
        return [("facility", self.facility)]


class ResizeFacility(PlanModel):
    """A facility with other places."""

    facility: Text
    capacity: Places

    def targets(self) -> list[Target]:
        return [("facility", self.facility)]


class ConvertFacility(PlanModel):
    """Places of a facility that will serve another kind, behind the same entrances; all of it without `places`."""

    facility: Text
    to: KindId
    id: NewId | None = Field(None, description="id of the new facility that takes the places; needed with `places`")
    name: str = ""
    places: Places | None = Field(
        None, description="places taken from the facility; default: all, and its kind changes"
    )
    new_places: Places | None = Field(
        None, description="places that these make of the other kind, 15 of a class of 25; default: as many"
    )

    @model_validator(mode="after")
    def _block_has_id(self) -> "ConvertFacility":
        if (self.places is None) != (self.id is None):
            raise fault("edit_convert_id")
        return self

    def targets(self) -> list[Target]:
        ids = [self.facility] if self.id is None else [self.facility, self.id]
        return [("facility", of_id) for of_id in ids]


class _Street(PlanModel):
    """What may be said of a street; tags as in OpenStreetMap."""

    name: str | None = None
    highway: Text | None = None
    maxspeed: int | None = Field(None, ge=5, le=120, description="km/h")
    lanes: int | None = Field(None, ge=1, le=12)
    sidewalk: Literal["both", "left", "right", "no", "separate"] | None = None
    steps: bool | None = None


class AddLink(_Street):
    """A walkable link along a drawn line. It joins streets of the file at its two ends, and none that it crosses."""

    id: NewId
    line: Line
    datum: Datum
    within_m: float = Field(10, gt=0, le=50, description="both ends must lie so near a walkable street, metres")
    bridge: bool = False
    tunnel: bool = False
    oneway: bool = Field(False, description="may be walked only as drawn")

    def targets(self) -> list[Target]:
        return [("street", self.id)]


class CloseLink(PlanModel):
    """A street that nobody may walk through any longer: a segment (w123.4), or all segments of an OSM way (w123).

    Those who live on it, and entrances on it, are reached from its ends as before.
    """

    street: Text

    def targets(self) -> list[Target]:
        return [("street", self.street)]


class OpenGate(PlanModel):
    """A way through: another entrance of a facility, or a closed gate of the streets that will be open."""

    id: NewId
    at: Coordinates
    datum: Datum
    facility: Text | None = Field(None, description="the facility it leads into; default: a closed gate on a street")
    within_m: float = Field(20, gt=0, le=50, description="the closed gate lies so near `at`, metres")

    def targets(self) -> list[Target]:
        return [("gate", self.id)]


class ChangeStreet(_Street):
    """Other tags of a street; what is not named stays."""

    street: Text
    crossing: Literal["none", "uncontrolled", "traffic_signals"] | None = Field(
        None, description="how walkers cross at the ends of this segment"
    )

    @model_validator(mode="after")
    def _something(self) -> "ChangeStreet":
        if len(self.model_dump(exclude_none=True)) == 1:
            raise fault("edit_change_nothing")
        return self

    def targets(self) -> list[Target]:
        return [("street", self.street)]


class Grow(PlanModel):
    """More or fewer children of a unit, or a new estate with children where `at` says."""

    unit: Text | None = Field(None, description="id or name of the unit")
    id: NewId | None = Field(None, description="id of the new cell, for a new estate")
    at: Coordinates | None = None
    datum: Datum | None = None
    children: dict[BandId, Children] | None = Field(None, min_length=1, description="age band → children added")
    factor: dict[BandId, Factor] | None = Field(None, min_length=1, description="age band → times as many children")

    @model_validator(mode="after")
    def _unit_or_estate(self) -> "Grow":
        estate = [self.id is not None, self.at is not None, self.datum is not None]
        if any(estate) != all(estate) or all(estate) == (self.unit is not None):
            raise fault("edit_grow_where")
        if (self.children is None) == (self.factor is None) or (all(estate) and self.children is None):
            raise fault("edit_grow_how")
        return self

    def targets(self) -> list[Target]:
        return [("children", self.unit)] if self.unit is not None else [("cell", self.id or "")]


class MoveChildren(PlanModel):
    """Children who will live in another unit."""

    from_unit: Text
    to_unit: Text
    children: dict[BandId, Children] = Field(min_length=1)

    def targets(self) -> list[Target]:
        return [("children", self.from_unit), ("children", self.to_unit)]


class Edit(PlanModel):
    """One change, its reason and its cost (in the scenario's `cost_unit`)."""

    why: str = ""
    cost: float | None = Field(None, ge=0, le=MOST_COST)
    add: AddFacility | None = None
    close: CloseFacility | None = None
    move: MoveFacility | None = None
    resize: ResizeFacility | None = None
    convert: ConvertFacility | None = None
    add_link: AddLink | None = None
    footbridge: AddLink | None = Field(None, description="a link that is a bridge; with `steps` if it has them")
    close_link: CloseLink | None = None
    open_gate: OpenGate | None = None
    change_street: ChangeStreet | None = None
    grow: Grow | None = None
    move_children: MoveChildren | None = None

    @model_validator(mode="after")
    def _one_verb(self) -> "Edit":
        if (count := sum(getattr(self, verb) is not None for verb in VERBS)) != 1:
            raise fault("edit_one_verb", count=count, verbs=list(VERBS))
        return self

    @property
    def verb(self) -> str:
        """Which of `VERBS` it is."""
        return next(verb for verb in VERBS if getattr(self, verb) is not None)

    def targets(self) -> list[Target]:
        """What it touches."""
        targets: list[Target] = getattr(self, self.verb).targets()
        return targets


VERBS = tuple(name for name in Edit.model_fields if name not in ("why", "cost"))
OF_FACILITIES = frozenset({"add", "close", "move", "resize", "convert"})
OF_STREETS = frozenset({"add_link", "footbridge", "close_link", "open_gate", "change_street"})
OF_CHILDREN = frozenset({"grow", "move_children"})
