"""Datum conversions against published coordinates of 332 Chinese places, and against their own inverses."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS

from cfc_geo.inputs import datum
from tests.real import shared_file

CHINA_LON = st.floats(73.6, 134.9)
CHINA_LAT = st.floats(18.1, 53.5)


@pytest.fixture(scope="module")
def cities() -> dict[str, np.ndarray]:
    places = json.loads(shared_file("coords/china_cities.json").read_text(encoding="utf-8"))
    return {name: np.array([place["coords"][name] for place in places]) for name in ("WGS84", "GCJ02", "BD09")}


def off(found: tuple[np.ndarray, np.ndarray], published: np.ndarray) -> float:
    return float(np.abs(np.column_stack(found) - published).max())


def test_published_coordinates_agree_within_their_tolerances(cities: dict[str, np.ndarray]) -> None:
    wgs84, gcj02, bd09 = (cities[name] for name in ("WGS84", "GCJ02", "BD09"))
    assert len(wgs84) >= 332
    assert off(datum.wgs84_to_gcj02(*wgs84.T), gcj02) < 1e-4
    assert off(datum.to_wgs84(*gcj02.T, "gcj02"), wgs84) < 1e-4
    assert off(datum.to_wgs84(*bd09.T, "bd09"), wgs84) < 1e-4
    assert off(datum.gcj02_to_bd09(*gcj02.T), bd09) < 1e-6
    assert off(datum.bd09_to_gcj02(*bd09.T), gcj02) < 1e-6


def test_the_shift_is_hundreds_of_metres_so_the_tolerance_can_fail(cities: dict[str, np.ndarray]) -> None:
    assert np.abs(cities["GCJ02"] - cities["WGS84"]).max(axis=1).min() > 1e-4


@given(CHINA_LON, CHINA_LAT)
def test_inverses_undo_the_shift(lon: float, lat: float) -> None:
    here = np.array([lon]), np.array([lat])
    gcj02 = datum.wgs84_to_gcj02(*here)
    assert off(datum.gcj02_to_wgs84(*gcj02), np.column_stack(here)) < 1e-9
    assert off(datum.bd09_to_gcj02(*datum.gcj02_to_bd09(*gcj02)), np.column_stack(gcj02)) < 1e-9


def test_outside_china_nothing_is_shifted() -> None:
    lon, lat = np.array([-51.2, 139.7]), np.array([-30.0, 35.7])
    assert off(datum.wgs84_to_gcj02(lon, lat), np.column_stack([lon, lat])) == 0


def test_wgs84_and_cgcs2000_pass_unchanged() -> None:
    lon, lat = np.array([119.9]), np.array([28.45])
    for name in ("wgs84", "cgcs2000"):
        assert off(datum.to_wgs84(lon, lat, name), np.column_stack([lon, lat])) == 0


@pytest.mark.parametrize(
    ("lon", "lat", "code", "meridian"),
    [(120.6, 28.0, 4549, 120), (117.9, 36.8, 4548, 117), (104.06, 30.6, 4544, 105), (119.90, 28.45, 4549, 120)],
)
def test_the_working_crs_is_the_nearest_three_degree_zone(lon: float, lat: float, code: int, meridian: int) -> None:
    crs = CRS(datum.working_crs(lon, lat))
    assert crs.to_epsg() == code
    assert crs.name == f"CGCS2000 / 3-degree Gauss-Kruger CM {meridian}E"


def test_outside_china_the_working_crs_is_utm() -> None:
    assert CRS(datum.working_crs(-51.2, -30.0)).name == "WGS 84 / UTM zone 22S"
