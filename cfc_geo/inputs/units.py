"""Boundary files → the units that results are summed to."""

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyproj import CRS, Proj

from cfc_geo import catalog
from cfc_geo.errors import Findings
from cfc_geo.inputs.ages import folded
from cfc_geo.inputs.datum import working_crs
from cfc_geo.inputs.headings import Wanted
from cfc_geo.inputs.normalise import column, ids, known_crs, only_types, positions, project, repaired, text
from cfc_geo.inputs.raw import RawLayer
from cfc_geo.inputs.read import read_layer
from cfc_geo.plan import Plan

MAX_PLACE_M = 200_000
OVERLAP_LIMIT = 0.01
"""Units of one level may overlap by this share of the smaller one; beyond it they are refused."""
SLIVER_M2 = 1.0
INSIDE_PARENT = 0.5
"""A unit lies in its parent with at least this share of its ground; else its parent is misnamed."""
SCALE_LIMIT = 0.01


def read_units(plan: Plan, findings: Findings) -> gpd.GeoDataFrame | None:
    """Units in the working CRS (`tables.UNIT_COLUMNS` and polygons); None, with errors in `findings`, if impossible.

    The working CRS is the plan's, else the CGCS2000 3-degree zone (in China) or UTM zone of the place's centre.
    """
    block = plan.place.units
    raw = read_layer(plan.path(block.file), block.file, block.layer, findings, wanted=Wanted(row=block.heading_row))
    if raw is None:
        return None
    shapes = positions(raw, None, block.datum, findings)
    unit_id = ids(raw, block.id, findings)
    name = column(raw, block.name, findings)
    level = column(raw, block.level, findings)
    parent = column(raw, block.parent, findings)
    setting = column(raw, block.setting, findings)
    if shapes is None or not only_types(raw, shapes, ("Polygon", "MultiPolygon"), findings):
        return None
    shapes = repaired(raw, shapes, findings)
    crs = _working_crs(plan, raw, shapes, findings)
    if crs is None:
        return None
    shapes = project(shapes, crs)
    if not _plausible_size(raw, shapes, findings):
        return None
    units = gpd.GeoDataFrame(
        {
            "unit_id": unit_id,
            "name": unit_id if name is None else text(name),
            "level": "" if level is None else text(level),
            "parent_id": "" if parent is None else text(parent),
            "setting": "" if setting is None else text(setting).map(catalog.setting),
        },
        geometry=shapes.to_numpy(),
        crs=shapes.crs,
    )
    if setting is not None and (blank := units["setting"].eq("").to_numpy()).any():
        findings.warning(
            "units.setting_unknown", raw.file, raw.rows(blank), values=sorted(set(text(setting)[blank]))[:5]
        )
    _check_reserved(raw, units, findings)
    _check_parents(raw, units, findings)
    if not findings.errors:
        _check_inside_parents(raw, units, findings)
        _check_overlaps(raw, units, findings)
        _check_gaps(raw, units, findings)
    return units.sort_values("unit_id", ignore_index=True)


def depth(units: gpd.GeoDataFrame) -> pd.Series:
    """How many ancestors each unit has, by unit_id."""
    parent = dict(zip(units["unit_id"], units["parent_id"], strict=True))
    return pd.Series({unit: len(ancestors(unit, parent)) for unit in parent}, dtype=int)


def split_name(name: str) -> tuple[str, int | None]:
    """A unit's name, folded, without the ending that says what kind of unit it is, and the kind; None: it does not say.

    Nothing is cut off where nothing would be left.
    """
    text = folded(name)
    endings = [(folded(end), kind) for kind, ends in enumerate(catalog.unit_endings()) for end in ends]
    for end, kind in sorted(endings, key=lambda found: -len(found[0])):
        if text.endswith(end) and text != end:
            return text.removesuffix(end), kind
    return text, None


class KnownUnits:
    """The units by id, by name, and by name without its ending: what an office may call them."""

    def __init__(self, units: gpd.GeoDataFrame) -> None:
        ids, names = list(units["unit_id"]), list(units["name"])
        self._level = dict(zip(ids, units["level"], strict=True))
        self._ids: dict[str, list[str]] = {unit: [unit] for unit in ids}
        self._names: dict[str, list[str]] = {}
        self._bare: dict[str, list[tuple[str, int | None]]] = {}
        for unit, name in sorted(zip(ids, names, strict=True)):
            self._names.setdefault(folded(name), []).append(unit)
            bare, kind = split_name(name)
            self._bare.setdefault(bare, []).append((unit, kind))

    def meant_by(self, name: str, heading: str = "") -> list[str]:
        """Ids of the units that `name` can mean; of several, those of the level that the heading names.

        An ending may be left out on either side, and 街道办 is 街道; but 文昌镇 is never 文昌街道.
        """
        if not name:
            return []
        found = self._ids.get(name) or self._names.get(folded(name)) or self._by_bare_name(name)
        at_level = [unit for unit in found if self._level[unit] and self._level[unit] in heading]
        return at_level or found

    def _by_bare_name(self, name: str) -> list[str]:
        bare, kind = split_name(name)
        return [unit for unit, other in self._bare.get(bare, []) if kind is None or other is None or kind == other]


def overlaps(shapes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of shapes that meet: their positions, the first the lesser, the area they share and that of the smaller."""
    first, second = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    first, second = first[first < second], second[first < second]
    shared = shapely.area(shapely.intersection(shapes[first], shapes[second]))
    return first, second, shared, np.minimum(shapely.area(shapes[first]), shapely.area(shapes[second]))


def ancestors(unit: str, parent: dict[str, str]) -> list[str]:
    """The units that `unit` lies in, nearest first; stops at an unknown or repeated one."""
    found: list[str] = []
    above = parent.get(unit, "")
    while above and above in parent and above not in found and above != unit:
        found.append(above)
        above = parent[above]
    return found


def assign_units(shapes: gpd.GeoSeries, units: gpd.GeoDataFrame) -> np.ndarray:
    """For each shape, the id of the unit its representative point lies in: the deepest, and of several the least id.

    "" where no unit holds the point. A point on a shared border belongs to the least id: one place, one count.
    """
    points = representative_points(shapes)
    point, unit = shapely.STRtree(units.geometry.to_numpy()).query(points, predicate="intersects")
    unit_ids = units["unit_id"].to_numpy()
    order = np.lexsort((unit_ids[unit].astype(str), -depth(units).reindex(unit_ids).to_numpy()[unit], point))
    first = order[np.unique(point[order], return_index=True)[1]]
    found = np.full(len(points), "", dtype=object)
    found[point[first]] = unit_ids[unit[first]]
    return found


def representative_points(shapes: gpd.GeoSeries) -> np.ndarray:
    """The point that stands for a cell: its centroid where that lies in the cell, else a point surely inside it."""
    geometries = shapes.to_numpy()
    points = shapely.centroid(geometries)
    astray = ~np.asarray(shapely.intersects(geometries, points))
    if astray.any():
        points[astray] = shapely.point_on_surface(geometries[astray])
    return np.asarray(points)


def home_points(origins: gpd.GeoDataFrame) -> np.ndarray:
    """Where the children of each origin walk from: its `home` where that is known, else what stands for its cell."""
    return origins["home"].to_numpy() if "home" in origins else representative_points(origins.geometry)


def _working_crs(plan: Plan, raw: RawLayer, shapes: gpd.GeoSeries, findings: Findings) -> str | None:
    """The plan's CRS if a metre on its sheet is a metre on the ground here, else the CRS that fits the place."""
    west, south, east, north = shapes.to_crs("EPSG:4326").total_bounds
    if not np.isfinite([west, south, east, north]).all():
        findings.error("units.not_finite", raw.file)
        return None
    lon, lat = (west + east) / 2, (south + north) / 2
    if plan.place.crs is None:
        return working_crs(lon, lat)
    crs = known_crs(plan.place.crs, plan.file.name, findings)
    if crs is not None and not abs(_metres_on_sheet(crs, lon, lat) - 1) <= SCALE_LIMIT:
        findings.error("plan.crs_unfit", plan.file.name, crs=crs.name)
        return None
    return None if crs is None else plan.place.crs


def _metres_on_sheet(crs: CRS, lon: float, lat: float) -> float:
    """How long a metre of ground at `lon`, `lat` is in the units of `crs`; NaN where that is not one number."""
    if not crs.is_projected:
        return float("nan")
    factors = Proj(crs).get_factors(lon, lat)
    return float(factors.meridional_scale / crs.axis_info[0].unit_conversion_factor)


def _plausible_size(raw: RawLayer, shapes: gpd.GeoSeries, findings: Findings) -> bool:
    bounds = shapes.total_bounds
    if not np.isfinite(bounds).all():
        findings.error("units.not_finite", raw.file)
        return False
    width = max(bounds[2] - bounds[0], bounds[3] - bounds[1])
    if width > MAX_PLACE_M:
        findings.error("units.too_wide", raw.file, km=round(width / 1000), most_km=MAX_PLACE_M // 1000)
        return False
    return True


def _check_reserved(raw: RawLayer, units: gpd.GeoDataFrame, findings: Findings) -> None:
    reserved = units["unit_id"] == "all"
    if reserved.any():
        findings.error("units.reserved_id", raw.file, raw.rows(reserved))


def _check_parents(raw: RawLayer, units: gpd.GeoDataFrame, findings: Findings) -> None:
    parent = dict(zip(units["unit_id"], units["parent_id"], strict=True))
    unknown = ~units["parent_id"].isin(["", *units["unit_id"]])
    if unknown.any():
        shown = sorted(set(units.loc[unknown, "parent_id"]))[:5]
        findings.error("units.unknown_parent", raw.file, raw.rows(unknown), parents=shown)
    circular = [unit for unit in parent if _runs_in_circle(unit, parent)]
    if circular:
        findings.error("units.parent_circle", raw.file, units=circular[:5])


def _runs_in_circle(unit: str, parent: dict[str, str]) -> bool:
    seen = {unit}
    while unit := parent.get(unit, ""):
        if unit in seen:
            return True
        seen.add(unit)
    return False


def _check_inside_parents(raw: RawLayer, units: gpd.GeoDataFrame, findings: Findings) -> None:
    """A unit must lie in its parent, or children there would count for a place they do not live in."""
    shapes = units.set_index("unit_id").geometry
    child = units.geometry.to_numpy()
    parent = shapes.reindex(units["parent_id"]).to_numpy()
    astray = shapely.area(shapely.intersection(child, parent)) < INSIDE_PARENT * shapely.area(child)
    if astray.any():
        shown = list(units.loc[astray, "unit_id"])[:5]
        findings.error("units.outside_parent", raw.file, raw.rows(astray), units=shown)


def _check_overlaps(raw: RawLayer, units: gpd.GeoDataFrame, findings: Findings) -> None:
    """Units of one depth must not share ground: a child there would count twice, or for the wrong unit."""
    level = depth(units).reindex(units["unit_id"]).to_numpy()
    first, second, shared, smaller = overlaps(units.geometry.to_numpy())
    first, second, shared, smaller = (part[level[first] == level[second]] for part in (first, second, shared, smaller))
    names = units["name"].to_numpy()
    for one, other, overlap, size in zip(first, second, shared, smaller, strict=True):
        if overlap > OVERLAP_LIMIT * size:
            findings.error("units.overlap", raw.file, one=names[one], other=names[other], m2=float(overlap))
    slight = (shared > SLIVER_M2) & (shared <= OVERLAP_LIMIT * smaller)
    if slight.any():
        findings.warning("units.overlap_slight", raw.file, count=int(slight.sum()), m2=float(shared[slight].sum()))


def _check_gaps(raw: RawLayer, units: gpd.GeoDataFrame, findings: Findings) -> None:
    """Report ground that the finest units leave uncovered inside their common outline."""
    leaves = units[~units["unit_id"].isin(units["parent_id"])]
    whole = shapely.union_all(leaves.geometry.to_numpy())
    holes = [hole for part in shapely.get_parts(whole) for hole in shapely.get_rings(part)[1:]]
    areas = shapely.area(shapely.polygons(holes)) if holes else np.array([])
    if (large := areas > SLIVER_M2).any():
        findings.warning("units.gaps", raw.file, count=int(large.sum()), m2=float(areas[large].sum()))
