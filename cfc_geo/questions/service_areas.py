"""The area that a facility serves, as a drawing along the streets from which it is reached. No figure comes from it."""

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

SIDE_M = 40.0
"""How far an area reaches to either side of a street."""
DECK_M = 1.0
"""The same over water, where a bridge is reached."""
BLOCK_M2 = 10_000.0
"""Holes smaller than a block are filled."""
SIMPLER_M = 2.0
"""How far outlines and streets may be off, to be simpler."""
RIVER_M = 2.0
"""Half the width of a river that is drawn as a line, at the least."""


def draw_service_areas(
    reached: gpd.GeoDataFrame, facilities: pd.DataFrame, limit_m: pd.Series, backdrop: gpd.GeoDataFrame
) -> gpd.GeoDataFrame:
    """facility_id, kind, limit_m, reached_m and polygon of each facility that is reached from any street.

    The parts of streets in `reached` (facility_id, from_m, to_m, line), widened by `SIDE_M`; holes smaller than a block
    are filled; water is cut out, and what then holds none of the streets is dropped: an area goes over a river only on
    a bridge.
    """
    owner = reached["facility_id"]
    lengths = (reached["to_m"] - reached["from_m"]).groupby(owner).sum().round(6)  # sums may differ in their last bit
    kept = facilities[facilities["facility_id"].isin(lengths.index)]
    ids = kept["facility_id"]
    number = pd.Index(ids).get_indexer(owner)
    order = np.argsort(number, kind="stable")
    lines, number = reached.geometry.to_numpy()[order], number[order]
    areas = _without_water(_widened(lines, number), shapely.multilinestrings(lines, indices=number), _water(backdrop))
    table = {
        "facility_id": ids.to_numpy(),
        "kind": kept["kind"].to_numpy(),
        "limit_m": limit_m.loc[ids].to_numpy(dtype=float),
        "reached_m": lengths.loc[ids].to_numpy(dtype=float),
    }
    return gpd.GeoDataFrame(table, geometry=areas, crs=reached.crs)


def _widened(lines: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """One area of every owner (0, 1, 2 …, sorted). Each line is widened by itself and the pieces are united: many times
    as fast as to widen a whole net."""
    wide = shapely.buffer(shapely.simplify(lines, SIMPLER_M), SIDE_M, quad_segs=2)
    pieces = np.split(wide, np.flatnonzero(np.diff(owner)) + 1) if len(owner) else []
    united = np.array([shapely.union_all(mine) for mine in pieces], dtype=object)
    return np.asarray(shapely.simplify(_without_small_holes(united), SIMPLER_M))


def _without_small_holes(areas: np.ndarray) -> np.ndarray:
    parts, part_of = shapely.get_parts(areas, return_index=True)
    rings, ring_of = shapely.get_rings(parts, return_index=True)
    outer = np.diff(ring_of, prepend=-1) > 0
    keep = outer | (shapely.area(shapely.polygons(rings)) >= BLOCK_M2)
    rings, ring_of = rings[keep], ring_of[keep]
    by_part = np.split(rings, np.searchsorted(ring_of, np.arange(1, len(parts))))
    filled = [shapely.Polygon(shell, holes) for shell, *holes in (by_part if len(parts) else [])]
    return np.asarray(shapely.multipolygons(np.array(filled, dtype=object), indices=part_of))


def _water(backdrop: gpd.GeoDataFrame) -> np.ndarray:
    """Water as polygons; of rivers drawn as lines a narrow strip."""
    shapes = shapely.get_parts(backdrop.geometry.to_numpy()[(backdrop["theme"] == "water").to_numpy()])
    dimension = shapely.get_dimensions(shapes)
    return np.concatenate([shapes[dimension == 2], shapely.buffer(shapes[dimension == 1], RIVER_M)])


def _without_water(areas: np.ndarray, streets: np.ndarray, water: np.ndarray) -> np.ndarray:
    """Areas less the water in them, but for the decks of bridges, and only those pieces that hold a street."""
    areas = areas.copy()
    area, wet = shapely.STRtree(water).query(areas, predicate="intersects")
    for position in np.unique(area):
        drowned = shapely.union_all(water[wet[area == position]])
        pieces = shapely.get_parts(shapely.difference(areas[position], drowned))
        dry = pieces[shapely.intersects(pieces, streets[position])]
        deck = shapely.buffer(shapely.intersection(streets[position], drowned), DECK_M)
        areas[position] = shapely.union_all([*dry, deck])
    return areas
