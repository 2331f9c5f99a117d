"""Single records that contradict themselves: they lie elsewhere than the rest of their row, or their file, says."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo.errors import Findings
from cfc_geo.inputs import datum as datums
from cfc_geo.inputs.normalise import text
from cfc_geo.inputs.raw import RawLayer

APART_M = 100.0
"""Two coordinate pairs of one record, or a record and the unit that it names, may lie so far apart, in metres."""
ALONE_M, ALONE_TIMES, ALONE_LEAST = 3_000.0, 10.0, 10
"""A record is alone if its nearest neighbour is farther than the first, and farther than so many times the median
distance between neighbours; of fewer records than the last nobody can say."""

UNIT_ENDINGS = re.compile(r"(街道办事处|街道办|街道|社区居委会|居委会|村委会|社区|镇|乡|村)$")
UNIT_HEADINGS = re.compile(
    r"^(所属|所在)?(街道|乡镇|镇街|街镇|乡镇街道|街道（乡镇）|街道\(乡镇\)|社区|村居|社区村)(名称)?$"
)
LON, LAT = re.compile(r"经度|lon|lng", re.IGNORECASE), re.compile(r"纬度|lat", re.IGNORECASE)
SERVICES = {
    "gcj02": re.compile(r"高德|腾讯|火星|gcj|amap|gaode", re.IGNORECASE),
    "bd09": re.compile(r"百度|bd-?09|baidu|bd_", re.IGNORECASE),
    "wgs84": re.compile(r"wgs|gps|天地图|cgcs|国家2000", re.IGNORECASE),
}
"""Words by which a heading says whose coordinates it holds."""


class Pair(NamedTuple):
    """Two columns with one position of every record; `datum` is None where their headings do not say."""

    lon: str
    lat: str
    datum: str | None


def check_records(
    raw: RawLayer, points: gpd.GeoSeries, lonlat: tuple[str | None, str | None], units: gpd.GeoDataFrame,
    findings: Findings,
) -> None:  # fmt: skip
    """Warn of records far from the unit they name, from their other coordinates, or from all the rest.

    `points`, one a record of `raw`, are in the CRS of the units; `lonlat` are the columns they come from.
    """
    _warn_of_named_units(raw, points, units, findings)
    _warn_of_pairs(raw, points, lonlat, findings)
    alone = stand_alone(points)
    if alone.any():
        findings.warning("doctor.record_alone", raw.file, raw.rows(alone), km=ALONE_M / 1000)


def away_from_named(points: gpd.GeoSeries, named: pd.Series, units: gpd.GeoDataFrame) -> np.ndarray:
    """Metres from each point to the unit its record names (0 inside it), NaN where no unit has that name.

    Names agree without their endings (城东 is 城东街道); of several units with one name the nearest counts.
    """
    unit_names = units["name"].map(_bare)
    found = np.full(len(points), np.nan)
    shapes, words = points.to_numpy(), named.map(_bare).to_numpy()
    for name in set(words) & set(unit_names) - {""}:
        rows = words == name
        whole = shapely.union_all(units.geometry.to_numpy()[(unit_names == name).to_numpy()])
        found[rows] = shapely.distance(shapes[rows], whole)
    return found


def coordinate_pairs(headings: Sequence[str]) -> list[Pair]:
    """The pairs of longitude and latitude columns of a table, matched by what is left of their headings."""
    lon = {LON.sub("", name): name for name in headings if LON.search(name)}
    lat = {LAT.sub("", name): name for name in headings if LAT.search(name)}
    return [Pair(lon[rest], lat[rest], _service(rest)) for rest in lon if rest in lat]


def stand_alone(points: gpd.GeoSeries) -> np.ndarray:
    """Which points are far from all others. Points at one place are neighbours."""
    shapes = points.to_numpy()
    present = ~shapely.is_missing(shapes)
    alone = np.zeros(len(shapes), dtype=bool)
    if present.sum() < ALONE_LEAST:
        return alone
    xy = shapely.get_coordinates(shapes[present])
    places, which, count = np.unique(xy, axis=0, return_inverse=True, return_counts=True)
    if len(places) < 2:
        return alone
    tree = shapely.STRtree(shapely.points(places))
    away_m = tree.query_nearest(tree.geometries, exclusive=True, all_matches=False, return_distance=True)[1]
    far = (count == 1) & (away_m > max(ALONE_M, ALONE_TIMES * float(np.median(away_m))))
    alone[present] = far[which.reshape(-1)]
    return alone


def _warn_of_named_units(raw: RawLayer, points: gpd.GeoSeries, units: gpd.GeoDataFrame, findings: Findings) -> None:
    for heading in [str(name) for name in raw.frame.columns if UNIT_HEADINGS.match(str(name))]:
        named = text(raw.frame[heading])
        away_m = away_from_named(points, named, units)
        for row in np.flatnonzero(away_m > APART_M):
            findings.warning(
                "doctor.record_other_unit",
                raw.file,
                raw.rows(np.arange(len(points)) == row),
                column=heading,
                named=named.iloc[row],
                found=_unit_at(points.iloc[row], units) or "–",
                away_m=float(round(away_m[row])),
            )


def _warn_of_pairs(
    raw: RawLayer, points: gpd.GeoSeries, lonlat: tuple[str | None, str | None], findings: Findings
) -> None:
    for pair in _other_pairs(raw, lonlat):
        assert pair.datum is not None
        lon, lat = (pd.to_numeric(text(raw.frame[name]), errors="coerce").to_numpy(float) for name in pair[:2])
        other = gpd.GeoSeries.from_xy(*datums.to_wgs84(lon, lat, pair.datum), crs="EPSG:4326").to_crs(points.crs)
        away_m = shapely.distance(points.to_numpy(), other.to_numpy())
        if (apart := away_m > APART_M).any():
            findings.warning(
                "doctor.record_two_places",
                raw.file,
                raw.rows(apart),
                lon=pair.lon,
                lat=pair.lat,
                datum=pair.datum,
                count=int(apart.sum()),
                away_m=float(round(np.median(away_m[apart]))),
            )


def _other_pairs(raw: RawLayer, lonlat: tuple[str | None, str | None]) -> Iterator[Pair]:
    """Pairs beside the one that was read whose headings say their datum."""
    pairs = coordinate_pairs([str(name) for name in raw.frame.columns])
    return (pair for pair in pairs if pair.datum is not None and (pair.lon, pair.lat) != lonlat)


def _unit_at(point: shapely.Point, units: gpd.GeoDataFrame) -> str:
    """The name of the smallest unit around a point."""
    shapes = units.geometry.to_numpy()
    around = np.flatnonzero(shapely.intersects(shapes, point))
    return "" if not len(around) else str(units["name"].iloc[around[np.argmin(shapely.area(shapes[around]))]])


def _service(words: str) -> str | None:
    return next((datum for datum, known in SERVICES.items() if known.search(words)), None)


def _bare(name: str) -> str:
    return UNIT_ENDINGS.sub("", name.strip()) or name.strip()
