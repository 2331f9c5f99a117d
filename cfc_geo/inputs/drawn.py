"""Places that a plan draws: coordinates in their stated datum → the working CRS, inside the area of the study; and the
water where none can be."""

from collections.abc import Sequence

import geopandas as gpd
import numpy as np
import shapely

from cfc_geo.errors import Findings, Rows
from cfc_geo.inputs import datum as datums
from cfc_geo.inputs.normalise import HALF_THE_EARTH_M, SHIFTED, Area, known_crs, project, unusable

MOST_DEGREES = (180.0, 90.0)


def place_drawn(
    coordinates: Sequence[Sequence[float]], datum: str, area: Area, *, file: str, at: Rows, findings: Findings
) -> np.ndarray | None:
    """Metres (n × 2) in the area's CRS of places given in `datum`; None, with an error, unless all lie in the area."""
    crs = known_crs(datums.GEOGRAPHIC.get(datum, datum), file, findings)
    if crs is None:
        return None
    if datums.is_untransformable(crs):
        findings.error("crs.untransformable", file, at, crs=crs.name)
        return None
    if reason := unusable(crs):
        findings.error("crs.unusable", file, at, crs=crs.name, reason=reason)
        return None
    given = np.array(coordinates, dtype=float)
    if crs.is_geographic and not _are_degrees(given):
        findings.error("drawn.swapped" if _are_degrees(given[:, ::-1]) else "drawn.impossible", file, at)
        return None
    place = _projected(given, datum, str(crs), area)
    away_m = _metres_outside(place, area)
    if away_m > 0:
        swapped = given[:, ::-1]
        helps = crs.is_geographic and _are_degrees(swapped)
        helps = helps and _metres_outside(_projected(swapped, datum, str(crs), area), area) == 0
        km = round(away_m / 1000, 1)
        findings.error("drawn.swapped" if helps else "drawn.outside", file, at, km=km)
        return None
    return place


def degrees_shown(points: gpd.GeoSeries) -> str:
    """Places as a planner reads them: longitude, latitude of WGS84 to six decimals."""
    return "; ".join(f"{point.x:.6f}, {point.y:.6f}" for point in points.to_crs("EPSG:4326"))


def water_areas(backdrop: gpd.GeoDataFrame) -> np.ndarray:
    """The polygons of water, where nothing can be built."""
    water = backdrop.geometry[backdrop["theme"] == "water"].to_numpy()
    return np.asarray(water[shapely.get_dimensions(water) == 2])


def _are_degrees(xy: np.ndarray) -> bool:
    return bool((np.abs(xy) <= MOST_DEGREES).all())


def _projected(given: np.ndarray, datum: str, crs: str, area: Area) -> np.ndarray:
    xy = np.column_stack(datums.to_wgs84(given[:, 0], given[:, 1], datum)) if datum in SHIFTED else given
    points = gpd.GeoSeries(shapely.points(xy), crs=crs)
    return np.asarray(shapely.get_coordinates(project(points, area.crs).to_numpy()))


def _metres_outside(place: np.ndarray, area: Area) -> float:
    """How far the farthest place lies outside the area; 0 where all lie in it."""
    west, south, east, north = area.bounds
    beyond = np.maximum([west, south] - place, place - [east, north]).max(axis=1)
    return float(np.nan_to_num(np.clip(beyond, 0, HALF_THE_EARTH_M), nan=HALF_THE_EARTH_M).max())
