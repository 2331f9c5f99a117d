"""Where homes probably are: a stand-in for the population that OpenStreetMap does not know.

Homes are buildings, each with the weight footprint × floors. Where too few are mapped, they are the residential
streets, with their length. Only shares of a place mean anything; see docs/methods.md.
"""

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo.errors import Findings
from cfc_geo.fetch.overpass import NO_HOMES
from cfc_geo.inputs.osm import CRS, kind_of, read_areas, read_osm
from cfc_geo.inputs.walkable import Tags

HOMES = frozenset(
    {"yes", "residential", "apartments", "house", "detached", "semidetached_house", "terrace", "bungalow"}
)
OTHER_USES = frozenset(
    {"amenity", "shop", "office", "tourism", "leisure", "healthcare", "industrial", "railway", "religion"}
)
"""A building that is `yes` and tagged with one of these is taken for no home."""
HOME_STREETS = frozenset({"residential", "living_street"})
MOST_FLOORS = 100
CELL_M = 50.0
NEAR_HOME_M = 200.0
FEW_HOMES = 0.5
"""Buildings are used if no more than this share of residential street length is farther than `NEAR_HOME_M` from any."""


@dataclass(frozen=True, eq=False)
class Homes:
    """`cells`: lon, lat (WGS84), weight, summed to 1. `basis`: buildings, home_streets or all_streets. `unmapped`: the
    share of residential street length that has no mapped home near (NaN: there are no such streets)."""

    cells: pd.DataFrame
    basis: str
    unmapped: float


def find_homes(path: Path, units: gpd.GeoDataFrame, findings: Findings) -> Homes | None:
    """Cells of probable homes inside `units` (in metres) by an .osm file; None, with an error, where there are none."""
    inside = shapely.union_all(units.geometry.to_numpy())
    buildings = _within(_buildings(path, str(units.crs)), inside)
    streets = _within(_street_points(path, str(units.crs), findings), inside)
    home_streets = streets[streets["highway"].isin(HOME_STREETS)]
    unmapped = _share_without(home_streets, buildings)
    if len(buildings) and not unmapped > FEW_HOMES:
        return Homes(_cells(buildings), "buildings", unmapped)
    if len(home_streets):
        return Homes(_cells(home_streets), "home_streets", unmapped)
    if len(streets):
        return Homes(_cells(streets), "all_streets", unmapped)
    findings.error("fetch.no_homes")
    return None


def _buildings(path: Path, crs: str) -> gpd.GeoDataFrame:
    """A point with a weight (m² of floor) for every building that may be a home.

    Floors that are not mapped are taken as the median of those that are, 1 where none is.
    """
    tags, shapes = read_areas(path, ["building", *NO_HOMES, "leisure"])
    areas = gpd.GeoSeries(shapes, crs=CRS).to_crs(crs).to_numpy()
    points = shapely.point_on_surface(areas)
    homes = np.flatnonzero([_may_be_home(of_one) for of_one in tags])
    grounds = shapely.STRtree(areas[[_is_no_home_ground(of_one) for of_one in tags]])
    plain = np.array([tags[at]["building"] == "yes" for at in homes], dtype=bool)
    on_grounds = np.zeros(len(homes), dtype=bool)
    on_grounds[grounds.query(points[homes], predicate="intersects")[0]] = True
    homes = homes[~(plain & on_grounds)]
    floors = np.array([_floors(tags[at]) for at in homes], dtype=float)
    usual = np.nanmedian(floors) if np.isfinite(floors).any() else 1.0
    weight = shapely.area(areas[homes]) * np.where(np.isfinite(floors), floors, usual)
    return gpd.GeoDataFrame({"weight": weight}, geometry=points[homes], crs=crs)


def _may_be_home(tags: Tags) -> bool:
    building = tags.get("building", "no")
    return building in HOMES and (building != "yes" or OTHER_USES.isdisjoint(tags))


def _is_no_home_ground(tags: Tags) -> bool:
    return "building" not in tags and bool(kind_of(tags) or any(tags.get(key) in NO_HOMES[key] for key in NO_HOMES))


def _floors(tags: Tags) -> float:
    try:
        floors = float(tags.get("building:levels", ""))
    except ValueError:
        return float("nan")
    return floors if 0 < floors <= MOST_FLOORS else float("nan")


def _street_points(path: Path, crs: str, findings: Findings) -> gpd.GeoDataFrame:
    """Walkable streets as points at the middles of pieces of at most `CELL_M`, weighted by their length."""
    layers = read_osm(path, path.name, findings, layers=["streets"])
    if layers is None or layers.streets.empty:
        return gpd.GeoDataFrame({"highway": [], "weight": []}, geometry=[], crs=crs)
    lines = shapely.segmentize(layers.streets.geometry.to_crs(crs).to_numpy(), CELL_M)
    xy, owner = shapely.get_coordinates(lines, return_index=True)
    joined = owner[1:] == owner[:-1]
    start, end = xy[:-1][joined], xy[1:][joined]
    columns = {
        "highway": layers.streets["highway"].to_numpy()[owner[1:][joined]],
        "weight": np.hypot(*(end - start).T),
    }
    return gpd.GeoDataFrame(columns, geometry=shapely.points((start + end) / 2), crs=crs)


def _within(points: gpd.GeoDataFrame, ground: shapely.Geometry) -> gpd.GeoDataFrame:
    shapely.prepare(ground)
    return points[shapely.intersects(ground, points.geometry.to_numpy())].reset_index(drop=True)


def _share_without(streets: gpd.GeoDataFrame, buildings: gpd.GeoDataFrame) -> float:
    """The share of street length farther than `NEAR_HOME_M` from every building; NaN without streets."""
    length_m = streets["weight"].sum()
    if not length_m:
        return float("nan")
    tree = shapely.STRtree(buildings.geometry.to_numpy())
    near, _ = tree.query_nearest(streets.geometry.to_numpy(), max_distance=NEAR_HOME_M, all_matches=False)
    return float(1 - streets["weight"].iloc[np.unique(near)].sum() / length_m)


def _cells(points: gpd.GeoDataFrame) -> pd.DataFrame:
    """Points summed by squares of `CELL_M`, at the middle of their weight; weights sum to 1."""
    xy, weight = points.geometry.get_coordinates().to_numpy(), points["weight"].to_numpy()
    square = np.floor(xy / CELL_M).astype(np.int64)
    _, cell = np.unique(square, axis=0, return_inverse=True)
    sums = [np.bincount(cell, values) for values in (weight, weight * xy[:, 0], weight * xy[:, 1])]
    middles = gpd.GeoSeries(gpd.points_from_xy(sums[1] / sums[0], sums[2] / sums[0]), crs=points.crs).to_crs(CRS)
    return pd.DataFrame({"lon": middles.x, "lat": middles.y, "weight": sums[0] / sums[0].sum()})
