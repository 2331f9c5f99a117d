"""A plan's files → one checked Study in metres. Every fault of every file is found before anything is computed."""

from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import geopandas as gpd
import pandas as pd

from cfc_geo.blocks import Facilities, FileSource
from cfc_geo.errors import DataError, Findings
from cfc_geo.inputs.examine import Ground, examine_datums, ground_of
from cfc_geo.inputs.facilities import FacilityLayers, find_entrances, read_facilities
from cfc_geo.inputs.ground import Surroundings
from cfc_geo.inputs.normalise import Area, project
from cfc_geo.inputs.osm import OsmLayers, read_osm
from cfc_geo.inputs.population import Population, read_population
from cfc_geo.inputs.read import sha256, sniff
from cfc_geo.inputs.streets import read_streets
from cfc_geo.inputs.terrain import read_terrain
from cfc_geo.inputs.units import read_units
from cfc_geo.model import Source, Study
from cfc_geo.plan import Plan
from cfc_geo.tables import (
    BACKDROP_COLUMNS,
    ENTRANCES,
    FACILITIES,
    GROUND_COLUMNS,
    ORIGINS,
    STREETS,
    UNITS,
    check_table,
)


def read_study(plan: Plan) -> Study:
    """Read and check all inputs of `plan`. Raises `DataError` with every fault at once."""
    findings = Findings()
    units = read_units(plan, findings)
    area = None if units is None else study_area(plan, units)
    osm = _OsmFiles(plan, area, findings)
    streets = read_streets(plan, area, osm.of_streets(), findings)
    layers = read_facilities(plan, units, area, osm.facilities, findings)
    terrain = read_terrain(plan, area, streets[1] if streets else None, findings)

    def around() -> Surroundings | None:
        return None if streets is None or layers is None else osm.surroundings(streets[0], layers.facilities)

    population = read_population(plan, units, findings, around)
    if units is not None and streets and layers:
        ground = ground_of(plan, units, streets[0], osm.backdrop())
        examine_datums(plan, ground, units, population.origins if population else None, layers, findings)
    findings.raise_errors(DataError)
    assert units is not None and area is not None and population and streets and layers
    study = _assemble(plan, units, area, population, streets, layers, osm, findings)
    findings.raise_errors(DataError)
    return replace(study, terrain=terrain)


def read_ground(plan: Plan, findings: Findings) -> Ground | None:
    """What the datum doctor holds a layer against: units, streets and buildings; None, with errors, without them."""
    units = read_units(plan, findings)
    area = None if units is None else study_area(plan, units)
    osm = _OsmFiles(plan, area, findings)
    streets = read_streets(plan, area, osm.of_streets(), findings)
    return None if units is None or streets is None else ground_of(plan, units, streets[0], osm.backdrop())


def study_area(plan: Plan, units: gpd.GeoDataFrame) -> Area:
    """The units' rectangle, widened by the longest limit and both access legs: what lies outside cannot matter."""
    margin_m = horizon_m(plan) + 2 * plan.walk.snap_limit_m
    west, south, east, north = units.total_bounds
    return Area(str(units.crs), (west - margin_m, south - margin_m, east + margin_m, north + margin_m))


def horizon_m(plan: Plan) -> float:
    """The longest walk any question of the plan asks about."""
    return max(norm.limit_m for norm in plan.resolved_norms().values())


def _assemble(
    plan: Plan,
    units: gpd.GeoDataFrame,
    area: Area,
    population: Population,
    streets: tuple[gpd.GeoDataFrame, pd.DataFrame],
    layers: FacilityLayers,
    osm: "_OsmFiles",
    findings: Findings,
) -> Study:
    origins = population.origins
    segments, nodes = streets
    entrances = find_entrances(layers.facilities, layers.given, segments, plan.walk.snap_limit_m)
    _note_assumed_entrances(layers.facilities, entrances, findings)
    for frame, table, unique in (
        (units, UNITS, True), (origins, ORIGINS, True), (layers.facilities, FACILITIES, True),
        (entrances, ENTRANCES, False), (segments, STREETS, True),
    ):  # fmt: skip
        check_table(frame, table, unique=unique)
    return Study(
        name=plan.name,
        crs=area.crs,
        units=units,
        origins=origins,
        facilities=layers.facilities,
        entrances=entrances,
        streets=segments,
        nodes=nodes,
        backdrop=osm.backdrop(),
        surveyed=layers.surveyed,
        sources=plan_sources(plan),
        findings=tuple(findings),
        audit=population.account,
        unknown_bands=population.unknown_bands,
        unknown_units=population.unknown_units,
        review=layers.review,
        merged=layers.merged,
        duplicated=layers.duplicated,
    )


def _note_assumed_entrances(facilities: gpd.GeoDataFrame, entrances: gpd.GeoDataFrame, findings: Findings) -> None:
    kinds = facilities.set_index("facility_id")["kind"]
    assumed = entrances.loc[entrances["evidence"] == "nearest", "facility_id"]
    if len(assumed):
        findings.warning("entrances.assumed", "", count=len(assumed), kinds=sorted(set(kinds[assumed])))
    shut = ~facilities["facility_id"].isin(entrances["facility_id"])
    if shut.any():
        findings.warning(
            "entrances.none", "", ids=sorted(facilities.loc[shut, "facility_id"])[:8], count=int(shut.sum())
        )


class _OsmFiles:
    """The OSM files of a plan, each read once, for streets, facilities and the map's backdrop."""

    def __init__(self, plan: Plan, area: Area | None, findings: Findings) -> None:
        self.plan, self.area, self.findings = plan, area, findings
        self._read = cache(partial(_read_osm_file, plan, area, findings))

    def of_streets(self) -> OsmLayers | None:
        return self._read(self.plan.streets.file)

    def facilities(self, block: Facilities) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame] | None:
        layers = self._read(block.file)
        if layers is None or self.area is None:
            return None
        crs = self.area.crs
        facilities = layers.facilities.set_geometry(project(layers.facilities.geometry, crs))
        if block.only is not None:
            facilities = facilities[facilities["kind"].isin(block.only)]
        entrances = layers.entrances.set_geometry(project(layers.entrances.geometry, crs))
        entrances = entrances[entrances["facility_id"].isin(facilities["facility_id"])]
        return facilities.reset_index(drop=True), entrances.reset_index(drop=True)

    def surroundings(self, streets: gpd.GeoDataFrame, facilities: gpd.GeoDataFrame) -> Surroundings:
        """What lies around people's homes: homes and other ground of the files that streets and homes come from."""
        assert self.area is not None
        read = [self._read(file) for file in _ground_files(self.plan)]
        grounds = [project(layers.ground.geometry, self.area.crs) for layers in read if layers is not None]
        tables = [layers.ground for layers in read if layers is not None]
        shapes = pd.concat(grounds, ignore_index=True) if grounds else []
        columns = pd.concat(tables, ignore_index=True)[[*GROUND_COLUMNS]] if tables else {c: [] for c in GROUND_COLUMNS}
        ground = gpd.GeoDataFrame(columns, geometry=shapes, crs=self.area.crs)
        return Surroundings(ground, streets, self.backdrop(), facilities)

    def backdrop(self) -> gpd.GeoDataFrame:
        assert self.area is not None
        layers = self.of_streets()
        if layers is None:
            return gpd.GeoDataFrame({name: [] for name in BACKDROP_COLUMNS}, geometry=[], crs=self.area.crs)
        return layers.backdrop.set_geometry(project(layers.backdrop.geometry, self.area.crs))


def _read_osm_file(plan: Plan, area: Area | None, findings: Findings, file: str) -> OsmLayers | None:
    path = plan.path(file)
    if sniff(path) not in ("osm", "pbf"):
        return None
    layers = {"streets", "backdrop"} if file == plan.streets.file else set()
    layers |= {"ground"} if plan.population.spread and file in _ground_files(plan) else set()
    layers |= {"facilities"} if any(file == block.file for block in plan.facilities) else set()
    return read_osm(path, file, findings, bbox=area.lonlat_bounds() if area else None, layers=layers)


def _ground_files(plan: Plan) -> list[str]:
    """The files whose ground matters: the plan's streets, and what a census is spread over."""
    spread = plan.population.spread
    return list(dict.fromkeys(file for file in (plan.streets.file, spread and spread.file) if file))


def plan_sources(plan: Plan) -> tuple[Source, ...]:
    """Provenance of every file, in the order of the plan; of one that cannot be read without its checksum."""
    return tuple(_source(role, file, block, plan.path(file)) for role, file, block in plan.sources())


def _source(role: str, file: str, block: FileSource, path: Path) -> Source:
    format = sniff(path)
    digest = "" if format == "missing" else sha256(path)
    return Source(role, file, digest, format, block.datum or "", block.licence, block.date, block.citation)
