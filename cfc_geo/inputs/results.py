"""A result folder → `Finished`: whole, as this program wrote it, or refused with what is wrong.

A folder is data that travels: nothing in it is believed before its record has the expected shape, every file it lists
has the stated hash, and the guards of vector files have looked at it.
"""

import json
from pathlib import Path
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cfc_geo import catalog
from cfc_geo.blocks import BandId, KindId
from cfc_geo.catalog import Norm
from cfc_geo.edits import OF_CHILDREN
from cfc_geo.errors import DataError, Findings
from cfc_geo.inputs.read import sha256
from cfc_geo.inputs.vector import read_vector
from cfc_geo.model import Cost, Finished, Ruled, Source
from cfc_geo.tables import (
    BACKDROP_COLUMNS,
    FACILITY_RESULT_COLUMNS,
    STATUSES,
    STREET_COLUMNS,
    UNIT_COLUMNS,
    children_column,
    circle_column,
)

RECORD = "run.json"
PROGRAM = "cfc_geo"
MAX_RECORD_BYTES = 50_000_000
LAYERS, CELLS = "result.gpkg", "cells.parquet"
POPULATION_ROLES = ("population", "spread")


def read_result(folder: Path) -> Finished:
    """The result in `folder`. Raises `DataError` that says what it is instead, or what of it was changed."""
    findings = Findings()
    record = _read_record(folder, findings)
    if record is None or not _is_whole(folder, record, findings):
        raise DataError(findings)
    tables = {
        layer: _read_table(folder, LAYERS, layer, findings) for layer in ("units", "facilities", "streets", "ground")
    }
    tables["cells"] = _read_table(folder, CELLS, None, findings)
    findings.raise_errors(DataError)
    finished = _finished(folder, record, {name: table for name, table in tables.items() if table is not None})
    _check_tables(finished, folder, findings)
    findings.raise_errors(DataError)
    return finished


def is_result(path: Path) -> bool:
    """Whether a path of the command line is meant as a result folder; anything else is taken for a plan."""
    return path.is_dir()


# --------------------------------------------------------------------------------------------------------- the record


class _Part(BaseModel):
    """Part of `run.json`; what is not needed here is passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class _File(_Part):
    file: str = Field(pattern=r"^[^/\\\x00-\x1f:]{1,200}$")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class _Limit(_Part):
    kind: KindId
    limit_m: float = Field(gt=0, lt=1e6)
    tier: str
    clause: str
    certainty: str
    why: str


class _Norms(_Part):
    set: str
    version: str
    limits: list[_Limit]


class _Circle(_Part):
    baskets: dict[BandId, list[KindId]]


class _Speed(_Part):
    band: BandId
    speed_ms: float = Field(gt=0, lt=10)


class _Walk(_Part):
    speeds: list[_Speed]


class _Units(_Part):
    sha256: str


class _Settings(_Part):
    crs: str = Field(pattern=r"^EPSG:\d{4,6}$")
    snap_limit_m: float
    norms: _Norms
    circle: _Circle
    walk: _Walk
    population: dict[str, Any]
    surveyed: list[KindId]
    horizon_m: float = Field(gt=0, lt=1e6)
    units: _Units
    unknown_bands: list[BandId]
    unknown_units: list[str]


class _Input(_Part):
    role: str
    file: str
    sha256: str
    format: str
    datum: str
    licence: str
    date: str
    citation: str


class _Edit(_Part):
    verb: str


class _Scenario(_Part):
    edits: list[_Edit]
    cost: float | None = Field(ge=0, le=1e15)
    cost_known: Literal["all", "partly", "none"]
    cost_unit: str


class _Plan(_Part):
    name: str


class _Record(_Part):
    program: Literal["cfc_geo"]
    plan: _Plan
    versions: dict[str, str]
    inputs: list[_Input]
    settings: _Settings
    scenario: _Scenario | None = None
    files: list[_File]


def _read_record(folder: Path, findings: Findings) -> _Record | None:
    """The record of a result folder; an error says what is there instead."""
    path, name = folder / RECORD, str(folder)
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_RECORD_BYTES:
            findings.error("compare.no_result", name)
            return None
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except (OSError, ValueError, RecursionError):
        findings.error("compare.no_result", name)
        return None
    if not isinstance(content, dict) or content.get("program") != PROGRAM:
        findings.error("compare.no_result", name)
    elif "comparison" in content:
        findings.error("compare.is_comparison", name)
    else:
        try:
            return _Record.model_validate_json(json.dumps(content))
        except ValidationError as error:
            wrong = sorted({".".join(map(str, fault["loc"]))[:80] for fault in error.errors()})
            findings.error("compare.record", name, keys=wrong[:5])
    return None


def _refuse(constant: str) -> float:
    raise ValueError(constant)


def _is_whole(folder: Path, record: _Record, findings: Findings) -> bool:
    """Whether every file is there as it was written; an error names those that are not."""
    listed = {row.file: row.sha256 for row in record.files}
    changed = [name for name in (LAYERS, CELLS) if name not in listed]
    for name, stated in listed.items():
        path = folder / name
        try:
            if path.is_symlink() or not path.is_file() or sha256(path) != stated:
                changed.append(name)
        except OSError:
            changed.append(name)
    if changed:
        findings.error("compare.changed", str(folder), files=sorted(changed)[:8])
    return not changed


# --------------------------------------------------------------------------------------------------------- the tables


def _read_table(folder: Path, name: str, layer: str | None, findings: Findings) -> gpd.GeoDataFrame | None:
    path, shown = folder / name, str(folder / name)
    raw = read_vector(path, shown, "geoparquet" if layer is None else "geopackage", layer, findings)
    return None if raw is None else gpd.GeoDataFrame(raw.frame, geometry="geometry")


def _finished(folder: Path, record: _Record, tables: dict[str, gpd.GeoDataFrame]) -> Finished:
    settings, scenario = record.settings, record.scenario
    norms = {row.kind: Norm(**row.model_dump()) for row in settings.norms.limits}
    population = [row.sha256 for row in record.inputs if row.role in POPULATION_ROLES]
    return Finished(
        name=folder.resolve().name,
        title=record.plan.name,
        record_sha256=sha256(folder / RECORD),
        rules=Ruled(
            program=record.versions.get(PROGRAM, "unknown"),
            crs=settings.crs,
            horizon_m=settings.horizon_m,
            snap_limit_m=settings.snap_limit_m,
            norm_set=f"{settings.norms.set} {settings.norms.version}",
            limits=norms,
            baskets={band: tuple(kinds) for band, kinds in settings.circle.baskets.items()},
            speeds_ms={row.band: row.speed_ms for row in settings.walk.speeds},
            units_sha256=settings.units.sha256,
            unknown_bands=frozenset(settings.unknown_bands),
            unknown_units=frozenset(settings.unknown_units),
            population=(*sorted(population), json.dumps(settings.population, sort_keys=True)),
        ),
        cost=_cost(scenario),
        edited=scenario is not None and any(edit.verb in OF_CHILDREN for edit in scenario.edits),
        surveyed=frozenset(settings.surveyed),
        sources=tuple(Source(**row.model_dump()) for row in record.inputs),
        units=_texts(tables["units"], UNIT_COLUMNS),
        cells=_texts(tables["cells"], ("origin_id", "unit_id")),
        facilities=_texts(tables["facilities"], ("facility_id", "kind", "name", "unit_id", "evidence")),
        streets=tables["streets"],
        ground=_texts(tables["ground"], BACKDROP_COLUMNS),
    )


def _cost(scenario: _Scenario | None) -> Cost:
    if scenario is None:
        return Cost()
    known = scenario.cost is not None and scenario.cost_known != "none"
    return Cost(
        scenario.cost if known and scenario.cost is not None else float("nan"),
        scenario.cost_unit,
        scenario.cost_known == "partly",
    )


def _texts(table: gpd.GeoDataFrame, names: tuple[str, ...]) -> gpd.GeoDataFrame:
    """`table` with plain texts in these columns, "" where there is none."""
    there = [name for name in names if name in table]
    return table.assign(**{name: table[name].astype(object).where(table[name].notna(), "").map(str) for name in there})


# ------------------------------------------------------------------------------------------------------------- checks


def _check_tables(finished: Finished, folder: Path, findings: Findings) -> None:
    """Errors for tables that this program would not have written, whatever their hashes say."""
    if not set(BACKDROP_COLUMNS) <= set(finished.ground.columns):
        findings.error("compare.table", str(folder / LAYERS), layer="ground", columns=list(BACKDROP_COLUMNS))
    wanted = {
        "units": ("unit_id", UNIT_COLUMNS),
        "cells": ("origin_id", ("origin_id", "unit_id", "snap_m", *_cell_columns(finished.rules))),
        "facilities": ("facility_id", FACILITY_RESULT_COLUMNS[:7]),
        "streets": ("street_id", STREET_COLUMNS),
    }
    for name, (of_id, columns) in wanted.items():
        table = getattr(finished, name)
        file = str(folder / (CELLS if name == "cells" else LAYERS))
        missing = [column for column in columns if column not in table]
        odd = [] if missing else _odd_columns(name, table, of_id, finished)
        if missing or odd:
            findings.error("compare.table", file, layer=name, columns=[*missing, *odd][:8])


def _cell_columns(rules: Ruled) -> list[str]:
    of_kinds = [f"{kind}_{what}" for kind in rules.limits for what in ("status", "m", "nearest_id")]
    return [*map(children_column, catalog.bands()), *of_kinds, *map(circle_column, rules.baskets)]


def _odd_columns(name: str, table: gpd.GeoDataFrame, of_id: str, finished: Finished) -> list[str]:
    """Columns whose values cannot be: ids that repeat, children below 0, statuses that are none, circles of parents."""
    odd = [of_id] if table[of_id].duplicated().any() or table[of_id].isna().any() else []
    shapes = table.geometry
    if table.crs is None or table.crs != finished.rules.crs or (shapes.isna() | shapes.is_empty).any():
        odd.append("geometry")
    if name == "units":
        return odd + ([] if _parents_end(table) else ["parent_id"])
    if name == "facilities" and not set(table["kind"]) <= set(catalog.kinds()):
        odd.append("kind")
    if name != "cells":
        return odd
    known = [band for band in catalog.bands() if band not in finished.rules.unknown_bands]
    odd += [column for column in map(children_column, known) if not _are_counts(table[column])]
    if not set(table["unit_id"]) <= set(finished.units["unit_id"]):
        odd.append("unit_id")
    of_status = [column for column in _cell_columns(finished.rules) if column.endswith("_status") or "circle" in column]
    odd += [column for column in of_status if not set(table[column].astype(object)) <= set(STATUSES)]
    metres = [f"{kind}_m" for kind in finished.rules.limits]
    return odd + [column for column in metres if not _are_counts(table[column].fillna(0.0))]


def _are_counts(values: pd.Series) -> bool:
    """Whether all are finite numbers, none below 0."""
    if not pd.api.types.is_numeric_dtype(values):
        return False
    numbers = values.to_numpy(dtype=float)
    return bool(np.isfinite(numbers).all() and (numbers >= 0).all())


def _parents_end(units: gpd.GeoDataFrame) -> bool:
    """Whether every line of parents comes to an end."""
    parent = dict(zip(units["unit_id"], units["parent_id"], strict=True))
    above = set(parent)
    for _ in range(len(parent)):
        above = {parent[unit] for unit in above} & set(parent)
        if not above:
            return True
    return not above
