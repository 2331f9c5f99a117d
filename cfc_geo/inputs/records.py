"""Single records that contradict themselves: they lie elsewhere than the rest of their row, or their file, says."""

from collections.abc import Mapping

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo.errors import Findings
from cfc_geo.inputs import datum as datums
from cfc_geo.inputs.cell_texts import read_degrees
from cfc_geo.inputs.headings import AXES, coordinate_pairs
from cfc_geo.inputs.normalise import text
from cfc_geo.inputs.raw import RawLayer
from cfc_geo.inputs.units import KnownUnits

APART_M = 100.0
"""Two coordinate pairs of one record, or a record and the unit that it names, may lie so far apart, in metres."""
ALONE_M, ALONE_TIMES, ALONE_LEAST = 3_000.0, 10.0, 10
"""A record is alone if its nearest neighbour is farther than the first, and farther than so many times the median
distance between neighbours; of fewer records than the last nobody can say."""


def check_records(
    raw: RawLayer, shapes: gpd.GeoSeries, columns: Mapping[str, str], units: gpd.GeoDataFrame, findings: Findings
) -> None:
    """Warn of records far from the unit they name, from their other coordinates, or from all the rest.

    `shapes`, one a record of `raw`, are in the CRS of the units; `columns` says which column holds what: lon, lat,
    subdistrict, community.
    """
    _warn_of_named_units(raw, shapes, columns, units, findings)
    _warn_of_pairs(raw, shapes, columns, findings)
    if (alone := stand_alone(shapes)).any():
        findings.warning("doctor.record_alone", raw.file, raw.rows(alone), km=ALONE_M / 1000)


def away_from_named(points: gpd.GeoSeries, named: pd.Series, heading: str, units: gpd.GeoDataFrame) -> np.ndarray:
    """Metres from each point to the unit its record names under `heading` (0 inside it), NaN where there is no such
    unit; of several that may be meant, the nearest counts."""
    known_as, shape = KnownUnits(units), dict(zip(units["unit_id"], units.geometry, strict=True))
    found = np.full(len(points), np.nan)
    for name in named.unique():
        if meant := known_as.meant_by(name, heading):
            rows = (named == name).to_numpy()
            found[rows] = shapely.distance(points.to_numpy()[rows], shapely.union_all([shape[unit] for unit in meant]))
    return found


def stand_alone(places: gpd.GeoSeries) -> np.ndarray:
    """Which shapes are far from all others, by their centroids. Those at one place are neighbours."""
    shapes = shapely.centroid(places.to_numpy())
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


def _warn_of_named_units(
    raw: RawLayer, points: gpd.GeoSeries, columns: Mapping[str, str], units: gpd.GeoDataFrame, findings: Findings
) -> None:
    for heading in [columns[role] for role in ("subdistrict", "community") if columns.get(role) in raw.frame]:
        named = text(raw.frame[heading]).reset_index(drop=True)
        away_m = away_from_named(points, named, heading, units)
        for name in sorted(named[away_m > APART_M].unique()):
            astray = (named == name).to_numpy() & (away_m > APART_M)
            findings.warning(
                "doctor.record_other_unit", raw.file, raw.rows(astray), column=heading, named=name,
                count=int(astray.sum()), found=_unit_at(points[astray].iloc[0], units) or "–",
                away_m=float(round(np.median(away_m[astray]))),
            )  # fmt: skip


def _warn_of_pairs(raw: RawLayer, points: gpd.GeoSeries, columns: Mapping[str, str], findings: Findings) -> None:
    """Pairs beside the one that was read, where their headings say their datum."""
    pairs = coordinate_pairs(map(str, raw.frame.columns)) if raw.counted == "row" else {}
    taken = tuple(columns.get(axis) for axis in AXES)
    for datum, pair in pairs.items():
        if not datum or pair == taken:
            continue
        lon, lat = (read_degrees(text(raw.frame[name]), axis)[0] for name, axis in zip(pair, AXES, strict=True))
        other = gpd.GeoSeries.from_xy(*datums.to_wgs84(lon, lat, datum), crs="EPSG:4326").to_crs(points.crs)
        away_m = shapely.distance(points.to_numpy(), other.to_numpy())
        if (apart := away_m > APART_M).any():
            findings.warning(
                "doctor.record_two_places", raw.file, raw.rows(apart), lon=pair[0], lat=pair[1], datum=datum,
                count=int(apart.sum()), away_m=float(round(np.median(away_m[apart]))),
            )  # fmt: skip


def _unit_at(point: shapely.Point, units: gpd.GeoDataFrame) -> str:
    """The name of the smallest unit around a point."""
    shapes = units.geometry.to_numpy()
    around = np.flatnonzero(shapely.intersects(shapes, point))
    return "" if not len(around) else str(units["name"].iloc[around[np.argmin(shapely.area(shapes[around]))]])
