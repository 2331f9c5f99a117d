"""Counts on grids: of several grids, all people on one of them, and nobody lost."""

from collections.abc import Mapping
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import shapely
from pyproj import CRS, Transformer

from cfc_geo.errors import Findings

MAX_RASTER_BYTES = 300_000_000
EQUAL_AREA = "EPSG:6933"
PARTS = 10
"""A pixel is moved to another grid in parts of a tenth of that grid's pixels."""
MAX_PARTS = 20
PARTS_AT_ONCE = 2_000_000
KEY = 1 << 31
"""Row × `KEY` + column is one number for a pixel; rows and columns lie within ± half of it."""

CORNERS = np.array([(-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5)])
"""Of a pixel, in rows and columns from its middle."""


@dataclass(frozen=True, eq=False)
class Grid:
    """People by column name on one grid, NaN unknown; `transform` is GDAL's: width, 0, west, 0, -height, north."""

    layers: dict[str, np.ndarray]
    transform: tuple[float, ...]
    crs: CRS | None

    @property
    def shape(self) -> tuple[int, int]:
        rows, columns = next(iter(self.layers.values())).shape
        return rows, columns

    def same_grid(self, other: "Grid") -> bool:
        return (
            self.crs == other.crs
            and np.allclose(self.transform, other.transform, rtol=0, atol=1e-9)
            and self.shape == other.shape
        )


def on_one_grid(grids: Mapping[str, Grid], findings: Findings) -> Grid | None:
    """All columns on the finest grid, which grows where others reach beyond it; None, with an error, if they cannot be
    brought together. Keys are files."""
    finest = min(grids, key=lambda file: abs(_pixel_m2(grids[file])))
    base = grids[finest]
    others = {file: grid for file, grid in grids.items() if not grid.same_grid(base)}
    if others and any((grid.crs is None) != (base.crs is None) for grid in others.values()):
        findings.error("raster.grids_differ", next(iter(others)), files=list(grids))
        return None
    moved = {file: _moved(grid, base) for file, grid in others.items()}
    where = [(rows, columns) for rows, columns, _ in moved.values() if len(rows)]
    top, left = (min([0, *(int(place[axis].min()) for place in where)]) for axis in (0, 1))
    bottom, right = (max([base.shape[axis], *(int(place[axis].max()) + 1 for place in where)]) for axis in (0, 1))
    shape = (bottom - top, right - left)
    if shape[0] * shape[1] * 8 * sum(len(grid.layers) for grid in grids.values()) > MAX_RASTER_BYTES:
        findings.error("raster.too_large", finest, width=shape[1], height=shape[0])
        return None
    width, _, west, _, height, north = base.transform
    whole = Grid({}, (width, 0.0, west + left * width, 0.0, height, north + top * height), base.crs)
    for file, grid in grids.items():
        for name, layer in grid.layers.items():
            if file in moved:
                rows, columns, people = moved[file]
                whole.layers[name] = _laid_out(grid, name, whole, shape, (rows - top, columns - left, people[name]))
            else:
                whole.layers[name] = np.full(shape, np.nan)
                whole.layers[name][-top : -top + base.shape[0], -left : -left + base.shape[1]] = layer
    for file in others:
        findings.note("raster.resampled", file, onto=finest)
    return whole


def _pixel_m2(grid: Grid) -> float:
    """Area of the raster's middle pixel; in its own units where its CRS is not known."""
    middle = squares(grid.transform, np.array([grid.shape[0] // 2]), np.array([grid.shape[1] // 2]))
    known = gpd.GeoSeries(middle, crs=grid.crs)
    return float((known if grid.crs is None else known.to_crs(EQUAL_AREA)).to_numpy()[0].area)


def _moved(grid: Grid, base: Grid) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Rows and columns of `base` (they may lie beyond it), and the people of `grid` who live there, by column.

    Every pixel is cut into n × n equal parts, each at most a tenth of the other grid's pixels (but n ≤ 20), and a part
    goes to the pixel that holds its centre: nobody is lost, whatever the two grids are.
    """
    row, col = np.nonzero(np.logical_or.reduce([np.nan_to_num(layer) > 0 for layer in grid.layers.values()]))
    n = int(np.clip(np.ceil(PARTS * np.sqrt(_pixel_m2(grid) / _pixel_m2(base))), 1, MAX_PARTS))
    inside = _inside(n)
    counts = np.stack([np.nan_to_num(layer)[row, col] / n**2 for layer in grid.layers.values()], axis=1)
    keys, people = [np.zeros(0, dtype=np.int64)], [np.zeros((0, len(grid.layers)))]
    at_once = max(1, PARTS_AT_ONCE // n**2)
    for start in range(0, len(row), at_once):
        some = slice(start, start + at_once)
        corners = _centres_of(grid, row[some, None] + CORNERS[:, 0], col[some, None] + CORNERS[:, 1])
        x, y = (inside @ of_corner.reshape(-1, 4, 1) for of_corner in _transformed(corners, grid, base))
        place = _pixel_at(base, x.reshape(-1), y.reshape(-1))
        key, which = np.unique(place[:, 0] * KEY + place[:, 1], return_inverse=True)
        keys.append(key)
        by_column = [np.bincount(which, np.repeat(count, n**2), len(key)) for count in counts[some].T]
        people.append(np.stack(by_column, axis=1))
    key, which = np.unique(np.concatenate(keys), return_inverse=True)
    total = np.zeros((len(key), len(grid.layers)))
    np.add.at(total, which, np.concatenate(people))
    before = np.array([np.nansum(layer) for layer in grid.layers.values()])
    after = total.sum(axis=0)
    total *= np.divide(before, after, out=np.ones_like(before), where=after > 0)
    column = (key + KEY // 2) % KEY - KEY // 2
    return (key - column) // KEY, column, dict(zip(grid.layers, total.T, strict=True))


def _inside(n: int) -> np.ndarray:
    """How near the middles of n × n parts are to each corner of their pixel (n² × 4): weights that add up to 1."""
    along = (np.arange(n) + 0.5) / n
    down, right = np.repeat(along, n), np.tile(along, n)
    return np.stack([(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right], axis=1)


def _centres_of(grid: Grid, row: np.ndarray, col: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y = centres(grid.transform, row.reshape(-1), col.reshape(-1)).T
    return x, y


def _transformed(xy: tuple[np.ndarray, np.ndarray], grid: Grid, base: Grid) -> tuple[np.ndarray, np.ndarray]:
    if grid.crs is None or base.crs is None or grid.crs == base.crs:
        return xy
    x, y = Transformer.from_crs(grid.crs, base.crs, always_xy=True).transform(*xy)
    return np.asarray(x), np.asarray(y)


def _pixel_at(grid: Grid, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Row and column of the pixel that holds each place; counted on beyond the grid's edges."""
    width, _, west, _, height, north = grid.transform
    return np.floor(np.column_stack([(y - north) / height, (x - west) / width])).astype(np.int64)


def _laid_out(
    grid: Grid, name: str, whole: Grid, shape: tuple[int, int], people: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> np.ndarray:
    """A moved column on the whole grid: NaN where its own raster says nothing of the middle of the pixel and nobody was
    moved there."""
    rows, columns = np.indices(shape)
    there = _pixel_at(grid, *_transformed(_centres_of(whole, rows, columns), whole, grid)).reshape(*shape, 2)
    beyond = np.any((there < 0) | (there >= grid.shape), axis=-1)
    there = np.where(beyond[..., None], 0, there)
    layer = np.where(beyond | np.isnan(grid.layers[name][there[..., 0], there[..., 1]]), np.nan, 0.0)
    row, col, count = people
    inhabited = count > 0
    layer[row[inhabited], col[inhabited]] = count[inhabited]
    return layer


def squares(transform: tuple[float, ...], row: np.ndarray, col: np.ndarray) -> np.ndarray:
    """The outlines of pixels, in the coordinates of their raster."""
    width, _, west, _, height, north = transform
    x, y = west + col * width, north + row * height
    ring = np.stack(
        [np.stack([x + i * width, y + j * height], axis=1) for i, j in ((0, 0), (1, 0), (1, 1), (0, 1), (0, 0))], axis=1
    )
    return np.asarray(shapely.polygons(ring))


def centres(transform: tuple[float, ...], row: np.ndarray, col: np.ndarray) -> np.ndarray:
    """The middles of pixels (n × 2), in the coordinates of their raster."""
    width, _, west, _, height, north = transform
    return np.column_stack([west + (col + 0.5) * width, north + (row + 0.5) * height])
