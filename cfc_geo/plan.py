"""The plan file: its schema, and how a file that extends another becomes one checked `Plan`.

`load_plan` reads TOML, follows `extends`, merges, and validates; every fault of the file is reported at once, with the
key, what is wrong and, for an unknown key, the nearest right one. Nothing else of the package reads a plan file.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from cfc_geo import catalog, reach
from cfc_geo.blocks import (
    Access,
    AuditLimits,
    Circle,
    Duplicates,
    Facilities,
    FileSource,
    Map,
    Norms,
    Place,
    PlanModel,
    Population,
    Scoring,
    Siting,
    Streets,
    StreetsForChildren,
    Terrain,
    Text,
    Walk,
    fault,
)
from cfc_geo.edits import Edit
from cfc_geo.errors import Findings, PlanError
from cfc_geo.faults import Chain, report, short

MAX_BYTES = 1_000_000
LONG_KEY = re.compile(r"""(?<![\w"'-])(?:[\w"'-]+[ \t]*\.[ \t]*){32}""")
"""A key of so many parts; tomllib needs memory that grows with their square, gigabytes for a key of 100 kB."""
MAX_DEPTH = 16
"""Tables and lists of a plan lie at most this deep in one another; no key of the schema lies deeper than 5."""


class Plan(PlanModel):
    """One place and its question."""

    name: Text
    why: str = ""
    place: Place
    population: Population
    facilities: list[Facilities] = Field(min_length=1)
    duplicates: Duplicates | None = None
    streets: Streets
    terrain: Terrain | None = None
    norms: Norms = Norms()
    circle: Circle = Circle()
    walk: Walk = Walk()
    access: Access = Access()
    audit: AuditLimits = AuditLimits()
    map: Map = Map()
    siting: Siting = Siting()
    streets_for_children: StreetsForChildren | None = None
    scorecard: Scoring | None = None
    edits: list[Edit] = Field([], description="what this scenario changes; those of the plan it extends hold too")
    cost: float | None = Field(None, ge=0, le=1e12, description="cost of the whole scenario; default: its edits' costs")
    cost_unit: Text = Field("万元", description="what costs are counted in")

    _file: Path = PrivateAttr(default=Path("plan.toml"))
    _folders: reach.Folders = PrivateAttr(default_factory=lambda: reach.folders_of(Path("plan.toml"), ()))
    _chain: tuple[Path, ...] = PrivateAttr(default=())

    @model_validator(mode="after")
    def _limits_known(self) -> "Plan":
        norms = self.resolved_norms()
        for band, basket in self.circle.baskets.items():
            if without := [kind for kind in basket if kind not in norms]:
                raise fault("basket_without_limit", band=band, kinds=without)
        if without := [kind for kind in [*(self.access.kinds or []), *self.access.participation] if kind not in norms]:
            raise fault("access_without_limit", kinds=without)
        return self

    @model_validator(mode="after")
    def _edits_apart(self) -> "Plan":
        touched = [target for edit in self.edits for target in edit.targets()]
        if twice := sorted({of_id for target in touched if touched.count(target) > 1 for of_id in target[1:]}):
            raise fault("edited_twice", ids=twice)
        if self.cost is not None and any(edit.cost is not None for edit in self.edits):
            raise fault("cost_twice")
        return self

    @property
    def file(self) -> Path:
        """The plan file; relative paths in the plan start at its folder."""
        return self._file

    @property
    def chain(self) -> tuple[Path, ...]:
        """The plan file, and those that it extends."""
        return self._chain

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
        if self.terrain is not None:
            found.append(("terrain", self.terrain.file, self.terrain))
        if self.streets_for_children is not None and self.streets_for_children.districts is not None:
            districts = self.streets_for_children.districts
            found.append(("districts", districts.file, districts))
        if self.scorecard is not None:
            found += [("targets", one.file, FileSource()) for one in self.scorecard.targets]
            found += [("form", form.file, FileSource()) for form in self.scorecard.forms]
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
        plan = Plan.model_validate(_merged(chain, findings))
    except ValidationError as error:
        report(error, Plan, chain, findings)
        raise PlanError(findings) from None
    _check_reach(file, dict.fromkeys(_files_in(plan.model_dump())), folders, findings)
    findings.raise_errors(PlanError)
    plan._file, plan._folders, plan._chain = file, folders, tuple(path for path, _ in chain)
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
            findings.error("plan.not_text", str(current), key="extends", given=short(base))
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


def _merged(chain: Chain, findings: Findings) -> dict[str, Any]:
    """The first table laid over all those it extends; paths are rewritten to start at the folder of its file.

    Edits add up: those of the plan that is extended come first. The cost of a whole scenario is of the edits that it
    was stated for, and not of more. Costs that one file states may not be counted in the unit of another.
    """
    merged: dict[str, Any] = {}
    for path, table in reversed(chain):
        before = merged.get("edits")
        if "cost" in table or table.get("edits"):
            merged.pop("cost", None)
        unit = merged.get("cost_unit", Plan.model_fields["cost_unit"].default)
        if table.get("cost_unit", unit) != unit and _states_cost(merged):
            findings.error("plan.cost_units", str(path), unit=short(table["cost_unit"]), other=short(unit))
        merged = _lay_over(merged, _from_folder(table, path.parent, chain[0][0].parent))
        if isinstance(before, list) and isinstance(table.get("edits"), list):
            merged["edits"] = [*before, *table["edits"]]
    return merged


def _states_cost(table: Mapping[str, Any]) -> bool:
    edits = table.get("edits")
    of_edits = [edit for edit in edits if isinstance(edit, dict) and "cost" in edit] if isinstance(edits, list) else []
    return "cost" in table or bool(of_edits)


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
