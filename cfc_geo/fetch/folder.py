"""A fetched folder: units, streets with all that is mapped on them, homes, and a plan that runs on them.

`streets.osm` is what OpenStreetMap knows; everything is written into a hidden folder, checked as `cfc-geo check` would,
and appears whole or not at all. Until then good answers are kept beside it.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import shapely
import tomli_w

from cfc_geo import catalog
from cfc_geo.errors import DataError, FetchError, Findings, OutputError
from cfc_geo.fetch.homes import Homes, find_homes
from cfc_geo.fetch.kept import Kept
from cfc_geo.fetch.osm_xml import write_osm
from cfc_geo.fetch.overpass import Elements, ask_tile, merged, tiles
from cfc_geo.fetch.place import WGS84, Ground, Request, find_ground
from cfc_geo.fetch.web import Announce, Patience, Servers, Web, connected
from cfc_geo.inputs.study import study_area
from cfc_geo.inputs.units import read_units
from cfc_geo.outputs.folder import renewed
from cfc_geo.outputs.provenance import PROGRAM
from cfc_geo.plan import Plan, load_plan
from cfc_geo.run import check_plan

PLAN, UNITS, STREETS, CELLS, RECORD = "plan.toml", "units.geojson", "streets.osm", "cells.csv", "fetch.json"
LICENCE = "ODbL 1.0"
CITATION = "© OpenStreetMap contributors"
CHILDREN = 100
"""Where residents are not known, so many children of every band stand for all of the place."""


@dataclass(frozen=True)
class Fetched:
    """A folder that is there: its plan, the days of OpenStreetMap it shows (first, last), what the check of the plan
    found, and whether it was there before."""

    folder: Path
    plan: Path
    days: tuple[str, str]
    findings: Findings
    before: bool = False


def fetch(
    request: Request,
    folder: Path,
    *,
    servers: Servers,
    patience: Patience,
    announce: Announce = lambda event, **values: None,
) -> Fetched:
    """Fetch what `request` asks for into `folder`, whole or not at all; a folder that holds it already is left alone.

    What was answered before a failure, or before Ctrl-C, is kept: the next call asks only for the rest. Raises
    `FetchError` if the servers do not answer well in time, `DataError` if the plan would not run, `OutputError` if the
    folder holds something else or cannot be written.
    """
    if before := _there(request, folder):
        return before
    kept = Kept(folder)
    with renewed(folder) as new, connected(servers, patience, announce) as web:
        ground = find_ground(request, web, servers, kept)
        write_units(ground.units, new / UNITS)
        write_plan(ground, new / PLAN, {"children": _columns_of_bands()})
        units, boxes = _area(load_plan(new / PLAN))
        answers = _ask(boxes, web, servers, kept, announce)
        announce("put_together")
        elements, times = _whole(answers, kept)
        days = (times[0][:10], times[-1][:10])
        write_osm(elements, times[0], new / STREETS)
        write_population(ground, units, request.residents, days[0], new)
        findings = check_plan(load_plan(new / PLAN))
        write_record(request, days, servers, new)
    kept.clear()
    return Fetched(folder, folder / PLAN, days, Findings([*ground.findings, *findings]))


def write_units(units: gpd.GeoDataFrame, path: Path) -> None:
    """Units in WGS84 as GeoJSON (RFC 7946). Raises `OSError`."""
    features = [
        {
            "type": "Feature",
            "properties": {"unit_id": row.unit_id, "name": row.name, "parent_id": row.parent_id},
            "geometry": shapely.geometry.mapping(shapely.force_2d(row.geometry)),
        }
        for row in units.itertuples(index=False, name="Unit")
    ]
    table = {"type": "FeatureCollection", "features": features}
    path.write_text(json.dumps(table, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")


def write_plan(ground: Ground, path: Path, children: Mapping[str, Any], day: str = "") -> None:
    """The plan; `children` is what its population block says of them. Raises `OSError`."""
    source = {"licence": LICENCE, "date": day, "citation": CITATION}
    units = {"file": UNITS, "id": "unit_id", "name": "name", "parent": "parent_id"}
    population = {"file": CELLS, "id": "id", "lon": "lon", "lat": "lat", "datum": "wgs84"}
    plan = {
        "name": ground.name,
        "place": {"units": units | (source if ground.from_osm else {})},
        "population": population | dict(children) | source,
        "facilities": [{"file": STREETS, **source}],
        "streets": {"file": STREETS, **source},
    }
    head = "".join(f"# {catalog.word('fetch.plan', lang)}\n" for lang in catalog.LANGUAGES)
    path.write_text(f"{head}\n{tomli_w.dumps(plan)}", encoding="utf-8", newline="\n")


def write_population(ground: Ground, units: gpd.GeoDataFrame, residents: int | None, day: str, folder: Path) -> None:
    """Cells of probable homes, and the plan that says of them that they are an assumption. Raises `DataError` if nobody
    can live here, and `OSError`."""
    findings = Findings()
    homes = find_homes(folder / STREETS, units, findings)
    findings.raise_errors(DataError)
    assert homes is not None
    columns, total = (list(_columns_of_bands().values()), CHILDREN) if residents is None else (["residents"], residents)
    people = dict.fromkeys(columns, homes.cells["weight"] * total)
    cells = homes.cells.assign(**people).drop(columns="weight")
    cells.to_csv(folder / CELLS, index_label="id", float_format="%.9f", lineterminator="\n")
    shares, source = catalog.age_shares()
    stated: dict[str, Any] = (
        {"children": _columns_of_bands()}
        if residents is None
        else {"residents": "residents", "shares": shares, "shares_source": source}
    )
    write_plan(ground, folder / PLAN, stated | {"assumption": _assumption(homes, residents)}, day)


def write_record(request: Request, days: tuple[str, str], servers: Servers, folder: Path) -> None:
    """`fetch.json`: what was asked for, of whom, what it shows, and every file. Raises `OSError`."""
    record = {
        "program": PROGRAM,
        "request": request.record(),
        "servers": {"overpass": servers.overpass, "nominatim": servers.nominatim},
        "licence": LICENCE,
        "citation": CITATION,
        "days": days,
        "files": [
            {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
            for path in sorted(folder.iterdir())
        ],
    }
    text = json.dumps(record, ensure_ascii=False, indent=1)
    (folder / RECORD).write_text(text + "\n", encoding="utf-8", newline="\n")


# --------------------------------------------------------------------------------------------------------------- steps


def _columns_of_bands() -> dict[str, str]:
    return {band: f"children {band}" for band in catalog.bands()}


def _there(request: Request, folder: Path) -> Fetched | None:
    """The folder as fetched before by the same request; None if it is absent or empty.

    Raises `OutputError` if it holds anything else, and if it cannot be put in place as a whole.
    """
    findings = Findings()
    if folder.name in ("", "..") or folder.is_symlink() or folder.resolve() == Path.cwd():
        findings.error("fetch.not_new", str(folder))
    findings.raise_errors(OutputError)
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return None
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        same = record["program"] == PROGRAM and record["request"] == request.record()
        if same and all((folder / row["file"]).is_file() for row in record["files"]):
            first, last = record["days"]
            return Fetched(folder, folder / PLAN, (str(first), str(last)), Findings(), before=True)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    findings.error("fetch.not_ours", str(folder))
    raise OutputError(findings)


def _area(plan: Plan) -> tuple[gpd.GeoDataFrame, list[tuple[float, float, float, float]]]:
    """The units in metres, and the tiles in which streets and facilities can matter to them. Raises `DataError`."""
    findings = Findings()
    units = read_units(plan, findings)
    findings.raise_errors(DataError)
    assert units is not None
    rectangle = shapely.box(*study_area(plan, units).bounds)
    margin_m = units.total_bounds[0] - rectangle.bounds[0]
    near = shapely.buffer(shapely.union_all(units.geometry.to_numpy()), margin_m)
    ground = gpd.GeoSeries([near], crs=units.crs).to_crs(WGS84)
    return units, tiles(ground.iloc[0])


def _ask(
    boxes: Sequence[tuple[float, float, float, float]], web: Web, servers: Servers, kept: Kept, announce: Announce
) -> list[bytes]:
    """The answers for all tiles; however this ends before the last, it is announced how many are kept, if any."""
    answers: list[bytes] = []
    try:
        for number, box in enumerate(boxes, start=1):
            announce("part", number=number, count=len(boxes))
            answers.append(ask_tile(web, servers, kept, box))
    finally:
        if 0 < len(answers) < len(boxes):
            announce("kept", number=len(answers), count=len(boxes))
    return answers


def _whole(answers: Iterable[bytes], kept: Kept) -> tuple[Elements, list[str]]:
    """All objects, and the times they show, sorted.

    Raises `FetchError` if there is no street among them; then it is of no use to keep the answers."""
    elements, times = merged(list(answers))
    if not any(kind == "way" and "highway" in element.get("tags", {}) for (kind, _), element in elements.items()):
        kept.clear()
        findings = Findings()
        findings.error("fetch.empty")
        raise FetchError(findings)
    return elements, times or [""]


def _assumption(homes: Homes, residents: int | None) -> str:
    """What the plan says of its population, in Chinese and English: it is printed with every result."""
    words = {
        lang: catalog.word(
            f"fetch.{'children' if residents is None else 'residents'}",
            lang,
            basis=catalog.word(
                f"fetch.{homes.basis}",
                lang,
                percent="?" if homes.unmapped != homes.unmapped else f"{100 * homes.unmapped:.0f}",
            ),
            children=CHILDREN,
            residents=f"{residents or 0:,.0f}",
        )
        for lang in catalog.LANGUAGES
    }
    return " / ".join(words.values())
