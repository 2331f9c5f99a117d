"""How the two numbers of a record may be read as a place: in which datum or zone, and in which order.

A reading is a hypothesis; `doctor` weighs them. Numbers alone rule most of them out: degrees are no metres, no place
in China has its latitude above its longitude, and a zone's prefix is written in front of its eastings.
"""

from dataclasses import dataclass

import numpy as np
from pyproj import Transformer

from cfc_geo.inputs import datum as datums

DEGREES = ("wgs84", "gcj02", "bd09")
LAND_LON, LAND_LAT = (73.0, 136.0), (3.0, 54.0)
"""Longitudes and latitudes of China; the two ranges do not meet, so that their order can be told."""
LAND_NORTH_M = (300_000.0, 6_000_000.0)
EAST_OF_CENTRE_M = {3: 200_000.0, 6: 380_000.0}
"""How far from its central meridian a zone of 3 or 6 degrees is used, with some margin."""
FALSE_EASTING_M = 500_000.0
MOST = 0.9
"""A reading must fit this share of the records: single wrong ones do not decide about a file."""


@dataclass(frozen=True, order=True)
class Reading:
    """One way to read the numbers of a layer.

    `datum` is as a plan writes it: wgs84 (cgcs2000 is the same here), gcj02, bd09 or EPSG:n. `swapped`: the columns
    have changed places. `streets` is not "" where the points are as declared and the streets are not: then it is the
    datum that the streets would be in.
    """

    datum: str
    swapped: bool = False
    streets: str = ""


def possible_readings(xy: np.ndarray, lon: float | None = None) -> list[Reading]:
    """Every reading under which most of the numbers (n × 2, finite) are places in China; else WGS84 degrees, if any.

    Eastings without a zone's prefix fit every zone: only those near `lon`, the longitude of the place, are taken; none
    where it is not known.
    """
    found = [
        Reading(datum, swapped)
        for swapped in (False, True)
        for datum in (*DEGREES, *_zones(_ordered(xy, swapped), lon))
        if _fits(_ordered(xy, swapped), datum)
    ]
    if not found and _share(np.abs(xy) <= (180, 90)) >= MOST:
        return [Reading("wgs84")]
    return found


def is_unnumbered_zone(xy: np.ndarray) -> bool:
    """Whether most of the numbers, in either order, look like eastings without a zone's prefix, and northings."""
    return any(_share(_is_easting(east, 6) & _is_northing(north)) >= MOST for east, north in (xy.T, xy.T[::-1]))


def lonlat_of(xy: np.ndarray, reading: Reading) -> tuple[np.ndarray, np.ndarray]:
    """WGS84 longitudes and latitudes of numbers (n × 2) read as `reading`."""
    x, y = _ordered(xy, reading.swapped).T
    if reading.datum.startswith("EPSG:"):
        lon, lat = Transformer.from_crs(reading.datum, "EPSG:4326", always_xy=True).transform(x, y)
        return np.asarray(lon), np.asarray(lat)
    return datums.to_wgs84(x, y, reading.datum)


def shift_declared(lon: np.ndarray, lat: np.ndarray, declared: str, actual: str) -> tuple[np.ndarray, np.ndarray]:
    """Where WGS84 positions that were read as `declared` would be if their numbers were `actual`."""
    return datums.to_wgs84(*datums.from_wgs84(lon, lat, declared), actual)


def in_china(lon: np.ndarray, lat: np.ndarray) -> bool:
    """Whether most places lie where GCJ-02 is defined."""
    (west, east), (south, north) = datums.CHINA_LON, datums.CHINA_LAT
    return _share((lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)) >= MOST


def _ordered(xy: np.ndarray, swapped: bool) -> np.ndarray:
    return xy[:, ::-1] if swapped else xy


def _share(true: np.ndarray) -> float:
    return float(np.mean(true.all(axis=1) if true.ndim == 2 else true)) if len(true) else 0.0


def _fits(xy: np.ndarray, datum: str) -> bool:
    if datum.startswith("EPSG:"):
        return True  # `_zones` has looked already
    (west, east), (south, north) = LAND_LON, LAND_LAT
    return _share((xy >= (west, south)) & (xy <= (east, north))) >= MOST


def _zones(xy: np.ndarray, lon: float | None) -> list[str]:
    """CGCS2000 Gauss-Kruger zones whose eastings and northings these can be, by their EPSG codes.

    EPSG:4491 to 4501 are the 6-degree zones 13 to 23 with prefix, 4502 to 4512 those without, by meridian 75 to 135;
    EPSG:4513 to 4533 are the 3-degree zones 25 to 45 with prefix, 4534 to 4554 those without. A zone of 6 degrees
    without prefix is the same sheet as that of 3 degrees with its meridian.
    """
    if not len(xy) or _share(_is_northing(xy[:, 1])) < MOST:
        return []
    prefix = int(np.median(xy[:, 0]) // 1_000_000)
    width, code = (3, 4513 + prefix - 25) if 25 <= prefix <= 45 else (6, 4491 + prefix - 13)
    if 25 <= prefix <= 45 or 13 <= prefix <= 23:
        return [f"EPSG:{code}"] if _share(_is_easting(xy[:, 0] - prefix * 1_000_000, width)) >= MOST else []
    if lon is None or prefix or _share(_is_easting(xy[:, 0], 6)) < MOST:
        return []
    near = [meridian for meridian in range(75, 136, 3) if abs(meridian - lon) <= 4.5]
    return [f"EPSG:{4534 + (meridian - 75) // 3}" for meridian in near]


def _is_easting(east: np.ndarray, width: int) -> np.ndarray:
    return np.asarray(np.abs(east - FALSE_EASTING_M) <= EAST_OF_CENTRE_M[width])


def _is_northing(north: np.ndarray) -> np.ndarray:
    return np.asarray((north >= LAND_NORTH_M[0]) & (north <= LAND_NORTH_M[1]))
