"""The datum doctor's round: every layer of a plan is weighed against the plan's streets, buildings and units.

A layer that the evidence confirms gets a note, one that it speaks against a warning, and one that it contradicts beyond
doubt is refused, unless the plan trusts it and says why. Streets and points can only be compared with each other: where
points fit the streets only if the *streets* were shifted, that is what is said.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import shapely

from cfc_geo.blocks import FileSource
from cfc_geo.errors import Findings
from cfc_geo.inputs.doctor import CERTAIN, Diagnosis, Evidence, diagnose
from cfc_geo.inputs.facilities import FacilityLayers
from cfc_geo.inputs.readings import DEGREES, Reading, in_china, shift_declared
from cfc_geo.plan import Plan

OUTLINE_EVERY_M = 100.0
SAME_M = 50.0
"""Two readings that differ by less, in the median, are one."""
OFF_THE_SHEET_M = 1e9
"""What a projection cannot show lies nowhere near."""


@dataclass(frozen=True, eq=False)
class Ground:
    """What layers are held against, in the working CRS, and its longitude in degrees."""

    crs: str
    lon: float
    evidence: Evidence
    street_datum: str


@dataclass(frozen=True, eq=False)
class Layer:
    """Points of one file, in WGS84 degrees as its declared datum puts them (n × 2); `firm` if they are its records,
    not places along its outlines: only records can refuse a file."""

    file: str
    block: FileSource
    lonlat: np.ndarray
    firm: bool = True

    @property
    def datum(self) -> str:
        """The declared datum, as far as shifts go: a layer with a CRS of its own, or CGCS2000, is not shifted."""
        return self.block.datum if self.block.datum in ("gcj02", "bd09") else "wgs84"


def ground_of(plan: Plan, units: gpd.GeoDataFrame, streets: gpd.GeoDataFrame, backdrop: gpd.GeoDataFrame) -> Ground:
    """The ground of a plan; all tables in the CRS of the units."""
    buildings = backdrop.geometry.to_numpy()[(backdrop["theme"] == "building").to_numpy()]
    west, _, east, _ = units.to_crs("EPSG:4326").total_bounds
    evidence = Evidence(streets.geometry.to_numpy(), buildings, shapely.union_all(units.geometry.to_numpy()))
    datum = plan.streets.datum if plan.streets.datum in ("gcj02", "bd09") else "wgs84"
    return Ground(str(units.crs), float((west + east) / 2), evidence, datum)


def examine_datums(
    plan: Plan,
    ground: Ground,
    units: gpd.GeoDataFrame,
    origins: gpd.GeoDataFrame | None,
    layers: FacilityLayers,
    findings: Findings,
) -> None:
    """Weigh every layer of the plan; notes, warnings and errors go to `findings`."""
    against: list[tuple[str, Reading]] = []
    agreeing = 0
    for layer in _layers_of(plan, units, origins, layers):
        diagnosis = diagnose(places_of(layer, ground), ground.evidence)
        _report(layer, diagnosis, plan, findings)
        if diagnosis.verdict == Reading(layer.datum):
            agreeing += 1
        elif diagnosis.verdict is not None:
            against.append((layer.file, diagnosis.verdict))
    if len({file for file, _ in against}) > 1 and not agreeing:
        findings.warning("doctor.streets_suspect", plan.streets.file, files=sorted({file for file, _ in against}))
    elif against and agreeing:
        findings.warning("doctor.layers_differ", plan.streets.file, files=sorted({file for file, _ in against}))


def _layers_of(
    plan: Plan, units: gpd.GeoDataFrame, origins: gpd.GeoDataFrame | None, layers: FacilityLayers
) -> Iterator[Layer]:
    """The layers whose positions are not those of the streets' own file."""
    yield Layer(plan.place.units.file, plan.place.units, _degrees(_outlines(units.geometry)), firm=False)
    population = plan.population
    if origins is not None and population.file is not None:
        points = origins.geometry[origins.geometry.geom_type == "Point"]
        yield Layer(population.file, population, _degrees(points))
    blocks = {block.file: block for block in plan.facilities if block.file != plan.streets.file}
    for file, block in blocks.items():
        shapes = layers.facilities.geometry[(layers.facilities["source"] == file).to_numpy()]
        is_point = (shapes.geom_type == "Point").to_numpy()
        yield Layer(file, block, _degrees(shapes[is_point]))
        yield Layer(file, block, _degrees(_outlines(shapes[~is_point])), firm=False)
        if block.entrances:
            inside = layers.given["facility_id"].isin(
                layers.facilities["facility_id"][(layers.facilities["source"] == file)]
            )
            yield Layer(block.entrances.file, block.entrances, _degrees(layers.given.geometry[inside.to_numpy()]))


def _outlines(polygons: gpd.GeoSeries) -> gpd.GeoSeries:
    """Places along the outlines of polygons, at most `OUTLINE_EVERY_M` apart."""
    lines = shapely.segmentize(shapely.boundary(polygons.to_numpy()), OUTLINE_EVERY_M)
    return gpd.GeoSeries(shapely.points(shapely.get_coordinates(lines)), crs=polygons.crs)


def _degrees(points: gpd.GeoSeries) -> np.ndarray:
    return np.asarray(points.to_crs("EPSG:4326").get_coordinates().to_numpy(), dtype=float)


def places_of(layer: Layer, ground: Ground) -> dict[Reading, np.ndarray]:
    """Where each reading puts the layer, in the working CRS: as each datum, and as the streets would be shifted."""
    lon, lat = layer.lonlat.T
    if not in_china(lon, lat):
        return {Reading("wgs84"): projected(lon, lat, ground.crs)}
    read = {Reading(datum): shift_declared(lon, lat, layer.datum, datum) for datum in DEGREES}
    places = {reading: projected(*place, ground.crs) for reading, place in read.items()}
    return with_shifted_streets(places, lon, lat, layer.datum, ground)


def with_shifted_streets(
    places: dict[Reading, np.ndarray], lon: np.ndarray, lat: np.ndarray, declared: str, ground: Ground
) -> dict[Reading, np.ndarray]:
    """`places` and where points at WGS84 degrees would be among streets that are not in the datum they are read in.

    To move the streets from where they are read to where a datum puts them is to move the points back. Where that is
    what another datum of the points would do, nobody can tell the two apart, and the simpler reading stands for both.
    """
    found = dict(places)
    for datum in DEGREES:
        if datum != ground.street_datum:
            xy = projected(*shift_declared(lon, lat, datum, ground.street_datum), ground.crs)
            if all(np.median(np.hypot(*(xy - other).T)) > SAME_M for other in places.values()):
                found[Reading(declared, streets=datum)] = xy
    return found


def projected(lon: np.ndarray, lat: np.ndarray, crs: str) -> np.ndarray:
    """WGS84 degrees as coordinates (n × 2) of `crs`."""
    xy = gpd.GeoSeries.from_xy(lon, lat, crs="EPSG:4326").to_crs(crs).get_coordinates().to_numpy(dtype=float)
    return np.where(np.isfinite(xy), xy, OFF_THE_SHEET_M)


def _report(layer: Layer, diagnosis: Diagnosis, plan: Plan, findings: Findings) -> None:
    verdict, declared = diagnosis.verdict, Reading(layer.datum)
    if not len(layer.lonlat):
        return
    if verdict is None:
        findings.note(
            {
                "few": "doctor.cannot_tell_few",
                "no_evidence": "doctor.cannot_tell_no_evidence",
                "alike": "doctor.cannot_tell_alike",
                "elsewhere": "doctor.cannot_tell_elsewhere",
                "no_rival": "doctor.cannot_tell_no_rival",
            }[diagnosis.reason],
            layer.file,
            points=diagnosis.points,
        )
        return
    said = _said(layer, diagnosis, plan)
    streets = bool(verdict.streets)
    if verdict == declared:
        findings.note("doctor.agrees", layer.file, **said)
    elif layer.block.trust_datum or plan.streets.trust_datum:
        findings.warning("doctor.trusted_streets" if streets else "doctor.trusted_points", layer.file, **said)
    elif diagnosis.weighed[0].probability >= CERTAIN and layer.firm:
        findings.error("doctor.contradicted_streets" if streets else "doctor.contradicted_points", layer.file, **said)
    else:
        findings.warning("doctor.leans_streets" if streets else "doctor.leans_points", layer.file, **said)


def _said(layer: Layer, diagnosis: Diagnosis, plan: Plan) -> dict[str, Any]:
    """What the messages of the datum doctor may say."""
    best = diagnosis.weighed[0]
    as_declared = next(row for row in diagnosis.weighed if row.reading == Reading(layer.datum))
    return {
        "declared": layer.block.datum or layer.datum,
        "actual": best.reading.streets or best.reading.datum,
        "percent": percent(best.probability),
        "street_m": float(round(best.street_m)),
        "declared_m": float(round(as_declared.street_m)),
        "points": diagnosis.points,
        "streets": plan.streets.file,
        "why": layer.block.trust_datum or plan.streets.trust_datum,
    }


def percent(probability: float) -> float:
    """A probability as per cent, never rounded up to certainty."""
    return min(float(np.floor(probability * 1000) / 10), 99.9)
