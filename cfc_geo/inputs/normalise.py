"""Rules that repair or refuse what was read: columns, ids, numbers, coordinates, geometries.

Every rule takes a raw layer and a collector of findings and returns clean values; a rule that refuses adds an error and
goes on with what it has, so that one reading reports every fault of a file. The only place that reprojects input.
"""

import difflib
import string
import unicodedata
from dataclasses import dataclass
from functools import partial
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError

from cfc_geo import catalog
from cfc_geo.errors import Findings
from cfc_geo.inputs import datum as datums
from cfc_geo.inputs.cell_texts import read_degrees, read_numbers
from cfc_geo.inputs.headings import AXES, agree, plain, stated_datum
from cfc_geo.inputs.raw import RawLayer

SHIFTED = ("gcj02", "bd09")
SAME_PLACE_DEGREES = 1e-5
HALF_THE_EARTH_M = 20_000_000.0
REPAIR_LIMIT = 0.01
"""A repaired polygon may differ from the drawn one by this share of the larger area; beyond it, it is refused."""

TRIMMED = string.whitespace + "\u3000\u00a0\u2002\u2003\u2009\u200b\u200e\u200f\u2060\ufeff"
"""Marks around a cell that nobody sees."""
SCIENTIFIC = r"\d(?:\.\d+)?[eE]\+?\d{2,3}"
SHOWN_CELLS = 5
REFUSED_NUMBERS = {
    "other": "number.not_one",
    "range": "number.range",
    "percent": "number.percent",
    "date": "number.date",
    "classes": "number.classes",
    "unit_unknown": "number.unit",
}
"""The finding for each way in which a cell holds no number that can be taken."""


@dataclass(frozen=True)
class Area:
    """The rectangle, in the working CRS, in which streets and facilities can matter to the units."""

    crs: str
    bounds: tuple[float, float, float, float]

    def lonlat_bounds(self) -> tuple[float, float, float, float]:
        """The rectangle's outline in WGS84 degrees: west, south, east, north."""
        box = gpd.GeoSeries([shapely.segmentize(shapely.box(*self.bounds), 1_000)], crs=self.crs)
        west, south, east, north = box.to_crs("EPSG:4326").total_bounds
        return float(west), float(south), float(east), float(north)


def column(raw: RawLayer, name: str | None, findings: Findings) -> pd.Series | None:
    """The column the plan names, or None (with an error naming the nearest heading if it is not there)."""
    if name is None:
        return None
    if name in raw.frame.columns and name != "geometry":
        return raw.frame[name]
    alike = [heading for heading in raw.frame.columns if plain(str(heading)) == plain(name)]
    if len(alike) == 1 and raw.counted == "row":
        return raw.frame[alike[0]]
    headings = [str(heading) for heading in raw.frame.columns if heading != "geometry"]
    near = difflib.get_close_matches(name, headings, n=1, cutoff=0.5)
    if near:
        findings.error("column.missing_near", raw.file, raw.whole, column=name, near=near[0])
    else:
        findings.error("column.missing", raw.file, raw.whole, column=name, columns=headings[:12])
    return None


def text(values: pd.Series) -> pd.Series:
    """Values as text, trimmed; missing is "". Whole floats lose their decimal point: an id 7.0 is 7."""
    if pd.api.types.is_float_dtype(values):
        shown = [
            str(int(value)) if np.isfinite(value) and value % 1 == 0 else value for value in values.to_numpy(float)
        ]
        values = pd.Series(shown, index=values.index, dtype=object)
    return values.astype(object).where(values.notna(), "").astype(str).str.strip(TRIMMED).astype(object)


def texts(raw: RawLayer, name: str | None, findings: Findings) -> pd.Series:
    """A column as text, trimmed; "" where a cell, or the column, is missing."""
    given = column(raw, name, findings)
    if given is None:
        return pd.Series("", index=range(len(raw.frame)), dtype=object)
    return text(given).reset_index(drop=True)


def ids(raw: RawLayer, name: str | None, findings: Findings) -> pd.Series:
    """Ids as text. Missing, repeated or damaged ids are errors with their rows. Without a column, records are numbered.

    Damaged: a spreadsheet made a number of it and kept 15 digits (1.23457E+17). Ids that differ only by the width of
    their letters are two ids, but said to be so.
    """
    given = column(raw, name, findings)
    if given is None:
        return pd.Series([str(number) for number in raw.numbers], dtype=object)
    values = text(given).reset_index(drop=True)
    if (missing := values.isin({"", *catalog.cell_words("blank")})).any():
        findings.error("id.missing", raw.file, raw.rows(missing), column=name)
    if (damaged := values.str.fullmatch(SCIENTIFIC)).any():
        shown = sorted(set(values[damaged]))[:5]
        findings.error("id.damaged", raw.file, raw.rows(damaged), column=name, ids=shown)
    repeated = values.duplicated(keep=False) & ~missing & ~damaged
    if repeated.any():
        shown = sorted(set(values[repeated]))[:5]
        findings.error("id.repeated", raw.file, raw.rows(repeated), column=name, ids=shown)
    if not all(map(str.isascii, values)):
        narrow = values.map(partial(unicodedata.normalize, "NFKC"))
        if (twins := narrow.duplicated(keep=False) & ~values.duplicated(keep=False)).any():
            findings.warning("id.width", raw.file, raw.rows(twins), column=name, ids=sorted(values[twins])[:6])
    return values


def numbers(
    raw: RawLayer, name: str | None, findings: Findings, *, blank: float | None, measure: str = "count"
) -> np.ndarray:
    """A column as float64. `blank` is what an empty cell stands for; None makes an empty cell an error.

    `measure` names the units of the catalogue that cells may carry (36个, 约1200㎡, 1.2万人); what was dropped or
    converted is told with examples. Errors, with rows: not a number, a range, a percentage, a date, classes in place
    of places, an unknown unit, one merged cell for several records, negative.
    """
    given = column(raw, name, findings)
    if given is None:
        return np.full(len(raw.frame), np.nan if blank is None else blank)
    cells = text(given).reset_index(drop=True)
    values, how = read_numbers(cells, measure)
    shared = raw.merged.get(str(given.name), np.zeros(len(values), dtype=bool))
    empty = np.isin(how, ("empty", "blank_word"))
    told = partial(_tell_cells, raw, cells, values, column=name)
    told(findings.note, "number.converted", np.isin(how, ("tidied", "unit")))
    told(findings.warning, "number.about", how == "about")
    told(findings.warning, "number.aside", how == "aside")
    if blank is not None:
        told(findings.note, "number.blank_word", how == "blank_word")
    units = list(catalog.units_of(measure))[:6]
    for way, code in REFUSED_NUMBERS.items():
        told(findings.error, code, (how == way) & ~shared, units=units)
    if shared.any():
        findings.error("number.merged", raw.file, raw.rows(shared), column=name)
    if blank is None and (lacking := empty & ~shared).any():
        findings.error("number.blank", raw.file, raw.rows(lacking), column=name)
    if (negative := values < 0).any():
        findings.error("number.negative", raw.file, raw.rows(negative), column=name)
    values[empty] = np.nan if blank is None else blank
    return values


def _tell_cells(
    raw: RawLayer, cells: pd.Series, values: np.ndarray, tell: Any, code: str, mask: np.ndarray, **filled: Any
) -> None:
    """One finding for all cells that were read one way, with some of them and what they became."""
    if mask.any():
        became = [("" if np.isnan(value) else f" → {value:g}") for value in values[mask]]
        shown = list(dict.fromkeys(map("".join, zip(cells[mask], became, strict=True))))[:SHOWN_CELLS]
        tell(code, raw.file, raw.rows(mask), values=shown, **filled)


# ------------------------------------------------------------------------------------------------------- positions


LonLat = tuple[str | None, str | None]
"""The columns of a table that hold longitude (or x) and latitude (or y)."""


def positions(raw: RawLayer, lonlat: LonLat | None, datum: str | None, findings: Findings) -> gpd.GeoSeries | None:
    """The geometry of a layer with its CRS known and its datum undone; None, with errors, where it is not known.

    Tables give two columns and must declare a datum; where `lonlat` is None a table will not do. What the plan
    declares overrides longitudes and latitudes that a layer states; it may not contradict a projected CRS. The result
    is in the layer's own CRS (WGS84 after a shift).
    """
    if raw.counted == "feature":
        shapes = _shapes_of_layer(raw, findings)
    elif lonlat is not None:
        shapes = _shapes_of_table(raw, lonlat, findings)
        if not _headings_agree(raw, lonlat, datum, findings):
            return None
    else:
        findings.error("read.no_shapes", raw.file, raw.whole)
        return None
    crs = _crs_of(raw, shapes, datum, findings)
    if shapes is None or crs is None:
        return None
    if crs.is_geographic and not _degrees_possible(raw, shapes, findings):
        return None
    if datum in SHIFTED:
        shapes = gpd.GeoSeries(_unshift(shapes.to_numpy(), datum))
    return shapes.set_crs(crs)


def _shapes_of_table(raw: RawLayer, lonlat: LonLat, findings: Findings) -> gpd.GeoSeries | None:
    """Points, without a CRS; None where a row has no two numbers."""
    if None in lonlat:
        findings.error(
            "table.no_coordinates", raw.file, raw.whole, columns=[str(name) for name in raw.frame.columns][:12]
        )
        return None
    columns = [column(raw, name, findings) for name in lonlat]
    if columns[0] is None or columns[1] is None:
        return None
    cells = [text(values).reset_index(drop=True) for values in columns if values is not None]
    (x, how_x), (y, how_y) = (read_degrees(texts, axis) for texts, axis in zip(cells, AXES, strict=True))
    bad = ~(np.isfinite(x) & np.isfinite(y))
    converted = ((how_x == "converted") | (how_y == "converted")) & ~bad
    if converted.any():
        at = int(np.flatnonzero(converted)[0])
        shown = [f"{cells[0][at]}, {cells[1][at]} → {x[at]:.7f}, {y[at]:.7f}"]
        findings.note("coordinates.converted", raw.file, raw.rows(converted), values=shown)
    if bad.any():
        findings.error("coordinates.not_numbers", raw.file, raw.rows(bad))
    points = np.full(len(x), None, dtype=object)
    points[~bad] = shapely.points(x[~bad], y[~bad])
    return gpd.GeoSeries(points)


def _headings_agree(raw: RawLayer, lonlat: LonLat, datum: str | None, findings: Findings) -> bool:
    """Whether the headings of the coordinates ("经度(高德)") state no other datum than the plan does."""
    stated = {name: said for name in lonlat if name and (said := stated_datum(name))}
    if not stated:
        return True
    name, said = next(iter(stated.items()))
    if datum is None:
        findings.error("datum.undeclared_said", raw.file, raw.whole, column=name, datum=said)
    elif len(set(stated.values())) > 1 or not agree(said, datum):
        findings.error("datum.heading_contradicts", raw.file, raw.whole, columns=list(stated), datum=datum, said=said)
    else:
        return True
    return False


def _shapes_of_layer(raw: RawLayer, findings: Findings) -> gpd.GeoSeries:
    """The layer's shapes, without a CRS; None where a shape is empty or not finite."""
    shapes = raw.frame["geometry"].to_numpy(dtype=object, copy=True)
    empty = shapely.is_missing(shapes) | shapely.is_empty(shapes)
    xy, owner = shapely.get_coordinates(shapes, return_index=True)
    broken = np.zeros(len(shapes), dtype=bool)
    broken[owner[~np.isfinite(xy).all(axis=1)]] = True
    for code, wrong in (("geometry.empty", empty), ("geometry.not_finite", broken)):
        if wrong.any():
            findings.error(code, raw.file, raw.rows(wrong))
    shapes[empty | broken] = None
    return gpd.GeoSeries(shapes)


def _crs_of(raw: RawLayer, shapes: gpd.GeoSeries | None, datum: str | None, findings: Findings) -> CRS | None:
    """The CRS of the coordinates (of a shifted datum: once undone); None, with an error, where it is not known."""
    stated = raw.crs
    if datum is None:
        crs = stated
        if crs is None:
            findings.error("datum.undeclared" if raw.counted == "row" else "crs.missing", raw.file, raw.whole)
    else:
        crs = known_crs(datums.GEOGRAPHIC.get(datum, datum), raw.file, findings)
        if raw.format == "geojson" and shapes is not None and _beyond_degrees(shapes).any():
            stated = None  # GeoJSON says WGS84 whatever it holds
    if crs is None:
        return None
    if datums.is_untransformable(crs):
        findings.error("crs.untransformable", raw.file, raw.whole, crs=crs.name)
        return None
    if not (crs.is_geographic or crs.is_projected):
        findings.error("crs.unknown", raw.file, raw.whole, crs=crs.name)
        return None
    if reason := unusable(crs):
        findings.error("crs.unusable", raw.file, raw.whole, crs=crs.name, reason=reason)
        return None
    if datum in SHIFTED and stated is not None and stated.is_projected:
        findings.error("datum.projected", raw.file, raw.whole, datum=datum, crs=stated.name)
        return None
    if datum is not None and stated is not None and shapes is not None and not _agree(crs, stated, shapes):
        findings.error("datum.contradicts", raw.file, raw.whole, datum=datum, crs=stated.name)
        return None
    return crs


def unusable(crs: CRS) -> str:
    """Why coordinates in `crs` cannot be turned into WGS84, as those of the Moon cannot ("" = they can)."""
    try:
        Transformer.from_crs(crs, "EPSG:4326")
    except ProjError as error:
        return str(error).splitlines()[0]
    return ""


def known_crs(name: str, file: str, findings: Findings) -> CRS | None:
    """The CRS of an EPSG code on a sheet or in degrees; None, with an error, if there is no such one."""
    try:
        crs = CRS.from_user_input(name)
    except CRSError:
        crs = None
    if crs is None or not (crs.is_geographic or crs.is_projected):
        findings.error("crs.unknown", file, crs=name)
        return None
    return crs


def _agree(declared: CRS, stated: CRS, shapes: gpd.GeoSeries) -> bool:
    """Whether two CRS are of degrees, or put the middle of the layer at one place (two zones do not)."""
    if declared.is_geographic and stated.is_geographic:
        return True
    middle = gpd.GeoSeries([shapely.box(*shapes.total_bounds).centroid])
    one, other = (middle.set_crs(crs).to_crs("EPSG:4326").get_coordinates().to_numpy() for crs in (declared, stated))
    return bool(np.allclose(one, other, rtol=0, atol=SAME_PLACE_DEGREES))


def _degrees_possible(raw: RawLayer, shapes: gpd.GeoSeries, findings: Findings) -> bool:
    """Whether all coordinates can be longitudes and latitudes; if not, an error says whether they look swapped."""
    wrong = _beyond_degrees(shapes)
    if not wrong.any():
        return True
    code = "coordinates.impossible" if _beyond_degrees(_swapped(shapes[wrong])).any() else "coordinates.swapped"
    findings.error(code, raw.file, raw.rows(wrong))
    return False


def _beyond_degrees(shapes: gpd.GeoSeries) -> np.ndarray:
    """Which shapes hold coordinates that are no longitude and latitude."""
    west, south, east, north = shapes.bounds.to_numpy().T
    return np.asarray((west < -180) | (east > 180) | (south < -90) | (north > 90))


def _swapped(shapes: gpd.GeoSeries) -> gpd.GeoSeries:
    return gpd.GeoSeries(shapely.transform(shapely.force_2d(shapes.to_numpy()), np.fliplr), crs=shapes.crs)


def _unshift(shapes: np.ndarray, datum: str) -> np.ndarray:
    def undo(xy: np.ndarray) -> np.ndarray:
        return np.column_stack(datums.to_wgs84(xy[:, 0], xy[:, 1], datum))

    return np.asarray(shapely.transform(shapely.force_2d(shapes), undo))


def project(shapes: gpd.GeoSeries, crs: str) -> gpd.GeoSeries:
    """Geometries, two-dimensional, in the working CRS."""
    if shapes.has_z.any():
        shapes = gpd.GeoSeries(shapely.force_2d(shapes.to_numpy()), index=shapes.index, crs=shapes.crs)
    return shapes.to_crs(crs)


def inside_area(
    raw: RawLayer, shapes: gpd.GeoSeries, area: Area, findings: Findings
) -> tuple[gpd.GeoSeries, np.ndarray]:
    """The shapes in the working CRS, and which of them touch the area.

    Some outside: a warning; all outside: an error that says how far, or that swapped coordinates would lie inside.
    """
    projected = project(shapes, area.crs)
    present = ~np.asarray(projected.isna() | projected.is_empty)
    hits = np.asarray(shapely.intersects(projected.to_numpy(), shapely.box(*area.bounds)))
    outside = present & ~hits
    if outside.any() and not hits.any():
        away_m = shapely.distance(projected.to_numpy()[outside], shapely.box(*area.bounds))
        km = round(float(np.fmin(away_m, HALF_THE_EARTH_M).min()) / 1000, 1)
        swapped = swap_would_help(shapes, area)
        findings.error("place.all_outside_swapped" if swapped else "place.all_outside", raw.file, raw.whole, km=km)
    elif outside.any():
        count = int(outside.sum())
        findings.warning("place.some_outside", raw.file, raw.rows(outside), count=count)
    return projected, hits


def swap_would_help(shapes: gpd.GeoSeries, area: Area) -> bool:
    """Whether most shapes (in their own CRS) would touch the area if their two coordinates changed places."""
    if shapes.crs.is_geographic and _beyond_degrees(_swapped(shapes)).any():
        return False
    turned = _swapped(shapes).to_crs(area.crs).to_numpy()
    return bool(shapely.intersects(turned, shapely.box(*area.bounds)).mean() > 0.5)


# --------------------------------------------------------------------------------------------------------- polygons


def only_types(raw: RawLayer, shapes: gpd.GeoSeries, allowed: tuple[str, ...], findings: Findings) -> bool:
    """Whether every geometry is of an allowed type; an error names those that are not."""
    wrong = ~shapes.geom_type.isin(allowed) & shapes.notna()
    if wrong.any():
        found = sorted(set(shapes.geom_type[wrong].dropna()))
        findings.error("geometry.type", raw.file, raw.rows(wrong), found=found, wanted=list(allowed))
    return not wrong.any()


def repaired(raw: RawLayer, shapes: gpd.GeoSeries, findings: Findings) -> gpd.GeoSeries:
    """Polygons made valid. A repair is reported; one that changes the area by more than 1 % is refused.

    The drawn area is that of the ring as surveyors reckon it, so the two wings of a bow-tie cancel out.
    """
    drawn = shapes.to_numpy()
    broken = np.isin(shapely.get_type_id(drawn), (3, 6)) & ~shapely.is_valid(drawn)
    if not broken.any():
        return shapes
    fixed = drawn.copy()
    fixed[broken] = [_polygonal(shape) for shape in shapely.make_valid(drawn[broken])]
    before, after = shapely.area(drawn), shapely.area(fixed)
    larger = np.fmax(before, after)
    change = np.divide(np.abs(after - before), larger, out=np.ones(len(larger)), where=larger > 0)
    refused, mended = broken & (change > REPAIR_LIMIT), broken & (change <= REPAIR_LIMIT)
    if refused.any():
        percent = float(change[refused].max() * 100)
        findings.error("geometry.invalid", raw.file, raw.rows(refused), percent=percent)
    if mended.any():
        findings.warning("geometry.repaired", raw.file, raw.rows(mended))
    return gpd.GeoSeries(fixed, index=shapes.index, crs=shapes.crs)


def _polygonal(shape: shapely.Geometry) -> shapely.Geometry:
    parts = [part for part in shapely.get_parts(shape) if part.geom_type in ("Polygon", "MultiPolygon")]
    return shapely.union_all(parts)
