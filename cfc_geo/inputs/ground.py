"""Where people may live: homes and ground less water, roads, rail, parks and school grounds, in cells of units."""

from collections.abc import Iterable
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo import catalog
from cfc_geo.inputs.units import ancestors

SLIVER_M2 = 0.01
SAME_GROUND = 0.9
"""A facility of which this share lies in one home is in that home."""


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What lies around people's homes, in the working CRS; any of them may be empty.

    `ground` (`tables.GROUND_COLUMNS`, polygons), `streets` (`tables.STREETS`), `backdrop` (theme, lines and polygons),
    `facilities` (`tables.FACILITIES`).
    """

    ground: gpd.GeoDataFrame
    streets: gpd.GeoDataFrame
    backdrop: gpd.GeoDataFrame
    facilities: gpd.GeoDataFrame


@dataclass(frozen=True, eq=False)
class NoHomes:
    """Polygons on which nobody lives.

    `hard`: mapped water, parks, school grounds and railway land. `lines`: streets, rails and rivers that are drawn as
    lines, with an assumed width. `soft`: works, fields and the like, where only what is mapped as a home is one.
    """

    hard: np.ndarray
    lines: np.ndarray
    soft: np.ndarray


def no_homes(around: Surroundings) -> NoHomes:
    """Where nobody lives."""
    known, ground = catalog.ground(), around.ground
    hard = [ground.geometry[ground["theme"].isin(known.hard)].to_numpy(), _facility_grounds(around)]
    soft = ground.geometry[ground["theme"].isin(set(known.themes) - known.hard)].to_numpy()
    return NoHomes(polygons(np.concatenate(hard)), _lines_with_width(around), polygons(soft))


def _facility_grounds(around: Surroundings) -> np.ndarray:
    """Grounds of parks and schools; not the outline of one that is mapped as a home: a kindergarten below flats."""
    known, buildings = catalog.ground(), around.ground[around.ground["theme"] == "building"]
    homes = buildings.geometry[~buildings["use"].isin(known.not_homes | known.untyped)].to_numpy()
    grounds = polygons(around.facilities.geometry[around.facilities["kind"].isin(known.kinds)].to_numpy())
    of, home = shapely.STRtree(homes).query(grounds, predicate="intersects")
    shared = shapely.area(shapely.intersection(grounds[of], shapely.buffer(homes[home], 0)))
    return np.delete(grounds, of[shared > SAME_GROUND * shapely.area(grounds[of])])


def _lines_with_width(around: Surroundings) -> np.ndarray:
    width = catalog.ground().half_width_m
    streets = around.streets[~around.streets["tunnel"].to_numpy(dtype=bool)]
    other = around.backdrop[around.backdrop["theme"].isin(("rail", "water", "road"))]
    other = other[other.geometry.geom_type.isin(("LineString", "MultiLineString"))]
    classes = [
        *(str(name).removesuffix("_link") for name in streets["highway"]),
        *("motorway" if theme == "road" else theme for theme in other["theme"]),
    ]
    half_m = [width.get(name, width["other"]) for name in classes]
    lines = np.concatenate([streets.geometry.to_numpy(), other.geometry.to_numpy()])
    return polygons(shapely.buffer(lines, np.array(half_m, dtype=float), quad_segs=2))


def polygons(shapes: np.ndarray) -> np.ndarray:
    """The polygons among shapes and in them, valid, one by one; what has no area is left out."""
    parts = shapely.get_parts(shapes)
    parts = parts[np.isin(shapely.get_type_id(parts), (3, 6))]
    mended = shapely.get_parts(shapely.get_parts(shapely.make_valid(parts)))
    return np.asarray(mended[shapely.area(mended) > 0])


def own_ground(units: gpd.GeoDataFrame, listed: Iterable[str]) -> gpd.GeoDataFrame:
    """The ground of every unit in or under the listed ones, without that of the units inside it.

    unit_id, listed_id (of which listed unit it is part), polygon.
    """
    parent = dict(zip(units["unit_id"], units["parent_id"], strict=True))
    wanted = set(listed)
    above = units["unit_id"].map(lambda unit: next((u for u in (unit, *ancestors(unit, parent)) if u in wanted), ""))
    shapes = units.geometry.to_numpy().copy()
    for unit in set(units["parent_id"]) & set(units["unit_id"]):
        at = np.flatnonzero(units["unit_id"] == unit)[0]
        inside = units.geometry[units["parent_id"] == unit].to_numpy()
        shapes[at] = shapely.difference(shapes[at], shapely.union_all(inside))
    grounds = gpd.GeoDataFrame(
        {"unit_id": units["unit_id"], "listed_id": above}, geometry=shapely.buffer(shapes, 0), crs=units.crs
    )
    return grounds[(above != "") & (grounds.area > 1.0)].reset_index(drop=True)


def parts_in_cells(
    shapes: np.ndarray, per_m2: np.ndarray, grounds: gpd.GeoDataFrame, cell_m: float, without: np.ndarray
) -> pd.DataFrame:
    """What is left of polygons, without those of `without`, in every unit's ground and every cell of the grid.

    ground (position in `grounds`), row, col (cells north and east of the CRS's origin), weight (m² × `per_m2`), part.
    """
    ground, shape = shapely.STRtree(shapes).query(grounds.geometry.to_numpy(), predicate="intersects")
    outlines = grounds.geometry.to_numpy()
    shapely.prepare(outlines)
    whole = shapely.covers(outlines[ground], shapes[shape])
    parts = shapes[shape]
    parts[~whole] = shapely.intersection(outlines[ground[~whole]], parts[~whole])
    parts, owner, row, col = _cut_by_grid(parts, cell_m)
    parts = less(parts, without)
    weight = shapely.area(parts) * per_m2[shape[owner]]
    some = shapely.area(parts) > SLIVER_M2
    return pd.DataFrame(
        {"ground": ground[owner], "row": row, "col": col, "weight": weight, "part": parts}
    )[some].reset_index(drop=True)  # fmt: skip


def _cut_by_grid(shapes: np.ndarray, cell_m: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Shapes cut along a grid of whole multiples of `cell_m`: parts, the shape each is of, row and column."""
    parts, owner, row = _cut_in_strips(shapes, cell_m, north=True)
    parts, again, col = _cut_in_strips(parts, cell_m, north=False)
    return parts, owner[again], row[again], col


def _cut_in_strips(shapes: np.ndarray, cell_m: float, *, north: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    bounds = shapely.bounds(shapes)
    low, high = (bounds[:, 1], bounds[:, 3]) if north else (bounds[:, 0], bounds[:, 2])
    empty = np.isnan(low)
    first = np.where(empty, 0, np.floor(np.nan_to_num(low) / cell_m)).astype(int)
    last = np.where(empty, 0, np.ceil(np.nan_to_num(high) / cell_m) - 1).astype(int)
    count = np.maximum(last - first + 1, 1)
    owner = np.repeat(np.arange(len(shapes)), count)
    strip = first[owner] + np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    parts = shapes[owner]
    cut = count[owner] > 1
    start, end = strip[cut] * cell_m, (strip[cut] + 1) * cell_m
    of = bounds[owner[cut]]
    boxes = shapely.box(of[:, 0], start, of[:, 2], end) if north else shapely.box(start, of[:, 1], end, of[:, 3])
    parts[cut] = shapely.intersection(parts[cut], boxes)
    return parts, owner, strip


def less(shapes: np.ndarray, without: np.ndarray) -> np.ndarray:
    """Each shape without the polygons of `without`."""
    left = shapes.copy()
    if not len(without):
        return left
    shape, other = shapely.STRtree(without).query(left, predicate="intersects")
    order = np.argsort(shape, kind="stable")
    shape, other = shape[order], other[order]
    turn = np.arange(len(shape)) - np.searchsorted(shape, shape)
    for now in range(int(turn.max(initial=-1)) + 1):
        here = np.flatnonzero(turn == now)
        here = here[~shapely.is_empty(left[shape[here]])]
        left[shape[here]] = shapely.difference(left[shape[here]], without[other[here]])
    return left


def homes_of(parts: pd.DataFrame, grounds: gpd.GeoDataFrame, cell_m: float) -> gpd.GeoDataFrame:
    """Parts gathered by unit and cell: origin_id, unit_id, listed_id, weight, the cell within the unit as polygon, and
    `home`: the point of the parts nearest to their weighted middle."""
    keys = ["ground", "row", "col"]
    parts = parts.sort_values(keys, kind="stable", ignore_index=True)
    cells, cell = np.unique(parts[keys].to_numpy(), axis=0, return_inverse=True)
    cell = cell.reshape(-1)
    weight = parts["weight"].to_numpy()
    total = np.bincount(cell, weight, len(cells))
    shapes = parts["part"].to_numpy()
    middle = shapely.centroid(shapes)
    x, y = (np.bincount(cell, weight * axis(middle), len(cells)) / total for axis in (shapely.get_x, shapely.get_y))
    centre = shapely.points(x, y)
    order = np.lexsort((shapely.distance(shapes, centre[cell]), cell))
    nearest = order[np.unique(cell[order], return_index=True)[1]]
    home = shapely.get_point(shapely.shortest_line(shapes[nearest], centre), 0)
    outline = grounds.geometry.to_numpy()[cells[:, 0]]
    west, south = cells[:, 2] * cell_m, cells[:, 1] * cell_m
    unit_id = grounds["unit_id"].to_numpy()[cells[:, 0]]
    return gpd.GeoDataFrame(
        {
            "origin_id": [f"r{r}c{c}-{unit}" for (_, r, c), unit in zip(cells, unit_id, strict=True)],
            "unit_id": unit_id,
            "listed_id": grounds["listed_id"].to_numpy()[cells[:, 0]],
            "weight": total,
            "home": home,
        },
        geometry=_within(shapely.box(west, south, west + cell_m, south + cell_m), outline),
        crs=grounds.crs,
    )


def _within(boxes: np.ndarray, outlines: np.ndarray) -> np.ndarray:
    """Boxes cut to outlines; where they touch along a line, only what has an area."""
    shapely.prepare(outlines)
    cut = boxes.copy()
    over = ~shapely.covers(outlines, boxes)
    cut[over] = shapely.intersection(boxes[over], outlines[over])
    mixed = ~np.isin(shapely.get_type_id(cut), (3, 6))
    cut[mixed] = [shapely.union_all(polygons(np.array([shape]))) for shape in cut[mixed]]
    return cut
