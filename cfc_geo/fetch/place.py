"""What ground is asked for: a place by name, a file of units, or a box → units in WGS84."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import geopandas as gpd
import shapely

from cfc_geo.errors import DataError, FetchError, Finding, Findings
from cfc_geo.fetch.kept import Kept
from cfc_geo.fetch.overpass import Bounds
from cfc_geo.fetch.web import Refused, Servers, Web, parsed, refuse_bad_status
from cfc_geo.inputs.normalise import column, ids, only_types, positions, project, repaired, text
from cfc_geo.inputs.read import read_layer, sha256

WGS84 = "EPSG:4326"
OSM_ID = re.compile(r"[NWR]\d+")
SHOWN_PLACES = 8
AREAS = ("Polygon", "MultiPolygon")


@dataclass(frozen=True)
class UnitsFile:
    """The user's own polygons, and which of their columns hold what; without `id` they are numbered."""

    file: Path
    id: str | None = None
    name: str | None = None
    parent: str | None = None
    datum: str | None = None


@dataclass(frozen=True)
class Request:
    """What is to be fetched: one of `place` (a name, or an id of OpenStreetMap such as R2192363), `units` and `bbox`
    (degrees of WGS84). `residents` is the number that live there; None: not known."""

    place: str | None = None
    units: UnitsFile | None = None
    bbox: Bounds | None = None
    residents: int | None = None

    def record(self) -> dict[str, Any]:
        """The request as it is kept with the files, so that another one is not taken for it."""
        units = self.units and {
            **asdict(self.units),
            "file": self.units.file.name,
            "sha256": sha256(self.units.file) if self.units.file.is_file() else "",
        }
        bbox = None if self.bbox is None else list(self.bbox)
        return {"place": self.place, "units": units, "bbox": bbox, "residents": self.residents}


@dataclass(frozen=True, eq=False)
class Ground:
    """A place: its units (unit_id, name, parent_id, polygons in WGS84), whether they are of OpenStreetMap, and what was
    found in the user's file."""

    name: str
    units: gpd.GeoDataFrame
    from_osm: bool
    findings: tuple[Finding, ...] = ()


def find_ground(request: Request, web: Web, servers: Servers, kept: Kept) -> Ground:
    """The units of the request. Raises `FetchError` for a place that is not found or is one of several of its name, and
    `DataError` for a file that is wrong."""
    if request.units is not None:
        findings = Findings()
        units = _read_units(request.units, findings)
        return Ground(request.units.file.stem, units, False, tuple(findings))
    if request.bbox is not None:
        name = ", ".join(f"{degrees:g}" for degrees in request.bbox)
        return Ground(name, _one_unit("1", name, shapely.box(*request.bbox)), False)
    assert request.place is not None
    found = _look_up(request.place, web, servers, kept)
    name = str(found.get("name") or found.get("display_name") or request.place)
    return Ground(name, _one_unit(_osm_id(found), name, _shape(found)), True)


def _one_unit(unit_id: str, name: str, shape: shapely.Geometry) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({"unit_id": [unit_id], "name": [name], "parent_id": [""]}, geometry=[shape], crs=WGS84)


def _read_units(source: UnitsFile, findings: Findings) -> gpd.GeoDataFrame:
    raw = read_layer(source.file, str(source.file), None, findings)
    shapes = None
    if raw is not None:
        shapes = positions(raw, None, source.datum, findings)
        unit_id, name, parent = (
            ids(raw, source.id, findings),
            column(raw, source.name, findings),
            column(raw, source.parent, findings),
        )
        if shapes is not None and only_types(raw, shapes, AREAS, findings):
            shapes = repaired(raw, shapes, findings)
    findings.raise_errors(DataError)
    assert shapes is not None
    columns = {
        "unit_id": unit_id,
        "name": unit_id if name is None else text(name),
        "parent_id": "" if parent is None else text(parent),
    }
    return gpd.GeoDataFrame(columns, geometry=project(shapes, WGS84).to_numpy(), crs=WGS84)


# ------------------------------------------------------------------------------------------------------ places by name


def _look_up(place: str, web: Web, servers: Servers, kept: Kept) -> Mapping[str, Any]:
    """The one place that Nominatim knows under this name, kept or asked for. Raises `FetchError`."""
    import osmnx

    name = json.dumps(["nominatim", place])
    answer = kept.get(name)
    if answer is None:
        question = partial(osmnx.geocode_to_gdf, place, by_osmid=bool(OSM_ID.fullmatch(place)))
        answer = web.ask(servers.nominatim, question, _judge)
        _choose(place, json.loads(answer))  # what does not name one place is not kept
        kept.put(name, answer)
    return _choose(place, json.loads(answer))


def _judge(response: Any) -> None:
    """Raises `Refused` for everything but a list of places, which may be empty."""
    refuse_bad_status(response)
    answer = parsed(response)
    if not isinstance(answer, list) or not all(isinstance(found, dict) for found in answer):
        raise Refused("fetch.not_data")


def _choose(place: str, found: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The only one of the places that has an outline; of several, the only administrative unit.

    Raises `FetchError`, with the places there are, where that does not leave one.
    """
    outlined = list({_osm_id(one): one for one in found if _shape(one) is not None}.values())
    administrative = [one for one in outlined if one.get("class", one.get("category")) in ("boundary", "place")]
    chosen = administrative or outlined
    if len(chosen) == 1:
        return chosen[0]
    findings = Findings()
    if chosen:
        findings.error("fetch.place_ambiguous", place, count=len(chosen), places=_shown(chosen))
    elif found:
        findings.error("fetch.place_no_outline", place, places=_shown(found))
    else:
        findings.error("fetch.place_unknown", place)
    raise FetchError(findings)


def _shown(found: list[Mapping[str, Any]]) -> str:
    names = [f"{_osm_id(one)} {one.get('display_name', '')}" for one in found]
    return "; ".join(names[:SHOWN_PLACES])


def _osm_id(found: Mapping[str, Any]) -> str:
    """The id that Nominatim's lookup takes: R2192363."""
    return f"{str(found.get('osm_type', ''))[:1].upper()}{found.get('osm_id', '')}"


def _shape(found: Mapping[str, Any]) -> shapely.Geometry | None:
    """The outline of a place, valid, in degrees; None if it has none."""
    outline = found.get("geojson")
    if not isinstance(outline, dict) or outline.get("type") not in AREAS:
        return None
    try:
        shape = shapely.from_geojson(json.dumps(outline))
    except shapely.errors.GEOSException:
        return None
    return shape if shape.is_valid and not shape.is_empty else None
