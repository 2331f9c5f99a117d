"""Where on Earth a coordinate is: the datums Chinese map services use, and the projected CRS of a place.

GCJ-02 (Amap, Tencent) adds an undocumented-but-published offset of up to some 700 m to WGS84; BD-09 (Baidu) adds a
second one on top. Forward formulas are closed; inverses are iterated until they agree with them to 1e-10°.
CGCS2000 and WGS84 differ by centimetres and are taken as one. All arrays are degrees; nothing here is scalar.
"""

import re
from collections.abc import Callable

import numpy as np
from pyproj import CRS

Degrees = np.ndarray
Shift = Callable[[Degrees, Degrees], tuple[Degrees, Degrees]]

SEMI_MAJOR_M = 6378245.0  # Krasovsky 1940, which GCJ-02 is defined on
ECCENTRICITY_SQUARED = 0.00669342162296594323
BD09_SPIN = np.pi * 3000.0 / 180.0
BD09_SHIFT_LON, BD09_SHIFT_LAT = 0.0065, 0.006

GEOGRAPHIC = {"wgs84": "EPSG:4326", "cgcs2000": "EPSG:4490", "gcj02": "EPSG:4326", "bd09": "EPSG:4326"}
"""Datum a plan may declare → CRS of its longitudes and latitudes once they are unshifted."""

CHINA_LON, CHINA_LAT = (72.004, 137.8347), (0.8293, 55.8271)
"""The box in which GCJ-02 is defined; outside it the shift is zero by definition."""

CLOSE_DEG = 1e-8
"""A last step so small leaves an error a hundred times smaller: every step shrinks it to less than 1 %."""
MAX_STEPS = 30
BLOCK = 1 << 14
"""Points undone together: their intermediate results stay in the processor's cache."""


def to_wgs84(lon: Degrees, lat: Degrees, datum: str) -> tuple[Degrees, Degrees]:
    """Longitudes and latitudes in `datum` as WGS84, within 1e-9°. wgs84 and cgcs2000 pass unchanged."""
    if datum == "bd09":
        lon, lat = bd09_to_gcj02(lon, lat)
        datum = "gcj02"
    if datum == "gcj02":
        lon, lat = gcj02_to_wgs84(lon, lat)
    return lon, lat


def from_wgs84(lon: Degrees, lat: Degrees, datum: str) -> tuple[Degrees, Degrees]:
    """WGS84 longitudes and latitudes as `datum` writes them; wgs84 and cgcs2000 pass unchanged."""
    if datum in ("gcj02", "bd09"):
        lon, lat = wgs84_to_gcj02(lon, lat)
    if datum == "bd09":
        lon, lat = gcj02_to_bd09(lon, lat)
    return lon, lat


def wgs84_to_gcj02(lon: Degrees, lat: Degrees) -> tuple[Degrees, Degrees]:
    """The shift of Chinese map services (published reimplementations agree to centimetres); zero outside China."""
    x, y = lon - 105.0, lat - 35.0
    wave = np.sin(2 * np.pi * x)
    waves_x = 80 * (wave - wave * wave * wave)  # 20 sin 6πx + 20 sin 2πx, for sin 3a = 3 sin a - 4 sin³ a
    east = 300 + x + 2 * y + 0.1 * x**2 + 0.1 * x * y + 0.1 * np.sqrt(np.abs(x))
    east = east + 2 / 3 * (
        waves_x
        + 20 * np.sin(np.pi * x) + 40 * np.sin(np.pi * x / 3)
        + 150 * np.sin(np.pi * x / 12) + 300 * np.sin(np.pi * x / 30)
    )  # fmt: skip
    north = -100 + 2 * x + 3 * y + 0.2 * y**2 + 0.1 * x * y + 0.2 * np.sqrt(np.abs(x))
    north = north + 2 / 3 * (
        waves_x
        + 20 * np.sin(np.pi * y) + 40 * np.sin(np.pi * y / 3)
        + 160 * np.sin(np.pi * y / 12) + 320 * np.sin(np.pi * y / 30)
    )  # fmt: skip
    latitude = np.radians(lat)
    root = np.sqrt(1 - ECCENTRICITY_SQUARED * np.sin(latitude) ** 2)
    north = np.degrees(north * root * root * root / (SEMI_MAJOR_M * (1 - ECCENTRICITY_SQUARED)))
    east = np.degrees(east * root / (SEMI_MAJOR_M * np.cos(latitude)))
    inside = (lon >= CHINA_LON[0]) & (lon <= CHINA_LON[1]) & (lat >= CHINA_LAT[0]) & (lat <= CHINA_LAT[1])
    return lon + np.where(inside, east, 0.0), lat + np.where(inside, north, 0.0)


def gcj02_to_wgs84(lon: Degrees, lat: Degrees) -> tuple[Degrees, Degrees]:
    """Inverse of `wgs84_to_gcj02`, to 1e-10°."""
    return _undo(wgs84_to_gcj02, lon, lat)


def gcj02_to_bd09(lon: Degrees, lat: Degrees) -> tuple[Degrees, Degrees]:
    """Baidu's second shift, on top of GCJ-02."""
    radius = np.hypot(lon, lat) + 0.00002 * np.sin(lat * BD09_SPIN)
    angle = np.arctan2(lat, lon) + 0.000003 * np.cos(lon * BD09_SPIN)
    return radius * np.cos(angle) + BD09_SHIFT_LON, radius * np.sin(angle) + BD09_SHIFT_LAT


def bd09_to_gcj02(lon: Degrees, lat: Degrees) -> tuple[Degrees, Degrees]:
    """Inverse of `gcj02_to_bd09`, to 1e-10°."""
    return _undo(gcj02_to_bd09, lon, lat)


def _undo(shift: Shift, lon: Degrees, lat: Degrees) -> tuple[Degrees, Degrees]:
    """What `shift` moves to `lon`, `lat`: fixed-point iteration, for a shift changes by < 1 % over its own length."""
    place = np.array(np.broadcast_arrays(lon, lat), dtype=float)
    for start in range(0, place.shape[1], BLOCK):
        wanted = place[:, start : start + BLOCK].copy()
        guess = wanted.copy()
        for _ in range(MAX_STEPS):
            step = wanted - shift(*guess)
            guess += step
            if np.abs(step).max() < CLOSE_DEG:
                break
        place[:, start : start + BLOCK] = guess
    return place[0], place[1]


def working_crs(lon: float, lat: float) -> str:
    """The projected CRS, in metres, for a place at `lon`, `lat`.

    China (73.5° E to 136.5° E): the CGCS2000 3-degree Gauss-Kruger zone without zone prefix, EPSG:4534 to 4554, chosen
    by the nearest central meridian. Elsewhere: the WGS84 UTM zone.
    """
    if 73.5 <= lon < 136.5 and 0 < lat < 56:
        return f"EPSG:{4534 + (3 * round(lon / 3) - 75) // 3}"
    zone = int((lon + 180) // 6) % 60 + 1
    return f"EPSG:{(32600 if lat >= 0 else 32700) + zone}"


def is_untransformable(crs: CRS) -> bool:
    """Whether PROJ has no exact path from `crs` to CGCS2000: Xi'an 80 and Beijing 54 need local parameters."""
    names = [crs.name] + [part.name for part in (crs.geodetic_crs, crs.datum) if part is not None]
    return any(re.search(r"Xi'?an[ _]?(19)?80|Beijing[ _]?(19)?54|New[ _]Beijing", name) for name in names)
