"""Squares of a map as they may leave the office: cells merged until each holds enough children, figures in classes."""

from dataclasses import dataclass
from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo import catalog
from cfc_geo.questions.disclosure.rules import SHOWN, SUPPRESSED, UNKNOWN, Rules
from cfc_geo.tables import COVERED, children_column, circle_column

LEAST_SIDE_M: Final = 250.0
POINT_SIDE_M: Final = 100.0
"""The side of the square that a point stands for."""
MOST_DOUBLINGS: Final = 2
"""Squares do not grow farther for the sake of a few children far from others, who are not shown then."""
CLASSES: Final = (25.0, 50.0, 100.0, 200.0, 400.0, 800.0)
"""Where classes of children end, and the next begin; the first class begins at `Rules.k`."""
SHARE_CLASSES: Final = (0.25, 0.5, 0.75)


@dataclass(frozen=True, eq=False)
class Blocks:
    """Squares, and who lives in them: never to be shown as they are.

    squares    block_id, side_m, geometry in the CRS of the cells
    fragments  block_id, unit_id, band, children, complete (of whom the circle is complete; NaN of a band without one):
               the children of a unit in a square
    """

    squares: gpd.GeoDataFrame
    fragments: pd.DataFrame


def merge_cells(cells: gpd.GeoDataFrame, baskets: tuple[str, ...], rules: Rules) -> Blocks:
    """Squares of `LEAST_SIDE_M` or more, doubled where one has few children (under `rules.k`, but some), and doubled
    again; few are left only where there are few for `MOST_DOUBLINGS` around. `baskets`: bands with a circle."""
    fragments = _by_band(cells, baskets)
    points = shapely.centroid(cells.geometry.array)
    side = _least_side(cells)
    column, row = (np.floor(axis(points) / side).astype(np.int64) for axis in (shapely.get_x, shapely.get_y))
    children = fragments.groupby("cell")["children"].sum().reindex(range(len(cells)), fill_value=0.0).to_numpy()
    doublings = _merged(column, row, children, rules)
    x, y = column >> doublings, row >> doublings
    block_id = np.array([f"{n}/{across}/{up}" for n, across, up in zip(doublings, x, y, strict=True)], dtype=object)
    peopled = pd.DataFrame({"block_id": block_id, "n": doublings, "x": x, "y": y})[children > 0]
    peopled = peopled.drop_duplicates("block_id").sort_values(["n", "x", "y"], ignore_index=True)
    sides = side * 2.0 ** peopled["n"].to_numpy()
    west, south = peopled["x"].to_numpy() * sides, peopled["y"].to_numpy() * sides
    squares = gpd.GeoDataFrame(
        {"block_id": peopled["block_id"], "side_m": sides},
        geometry=shapely.box(west, south, west + sides, south + sides),
        crs=cells.crs,
    )
    fragments = fragments.assign(block_id=block_id[fragments["cell"].to_numpy()])
    keys = ["block_id", "unit_id", "band"]
    summed = fragments.groupby(keys, as_index=False, sort=True)[["children", "complete"]].sum(min_count=1)
    return Blocks(squares, summed[summed["children"] > 0].reset_index(drop=True))


def shown_blocks(blocks: Blocks, kept: set[tuple[str, str]], rules: Rules) -> gpd.GeoDataFrame:
    """block_id, side_m, then for `children` and `complete_share` the class (`<figure>_from` inclusive, `<figure>_below`
    exclusive) and `<figure>_state`; NaN where `kept` back (block_id, figure), or unknown."""
    children, of_circle, complete = block_counts(blocks)
    ids = blocks.squares["block_id"]
    bounds = {
        "children": class_bounds(children, rules),
        "complete_share": share_bounds(complete, of_circle),
    }
    table = blocks.squares.copy()
    for figure, (lower, upper) in bounds.items():
        hidden = np.array([(block, figure) in kept for block in ids], dtype=bool)
        state = np.where(hidden, SUPPRESSED, np.where(np.isnan(lower), UNKNOWN, SHOWN))
        table[f"{figure}_from"] = np.where(state == SHOWN, lower, np.nan)
        table[f"{figure}_below"] = np.where((state == SHOWN) & np.isfinite(upper), upper, np.nan)
        table[f"{figure}_state"] = state
    return table


def block_counts(blocks: Blocks) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """By square its children; those of bands with a circle; of them those with a complete one."""
    of_circle = blocks.fragments["complete"].notna()
    table = blocks.fragments.assign(asked=blocks.fragments["children"].where(of_circle, 0.0))
    summed = table.groupby("block_id")[["children", "asked", "complete"]].sum()
    children, asked, complete = summed.reindex(blocks.squares["block_id"], fill_value=0.0).to_numpy(dtype=float).T
    return children, asked, complete


def band_of_blocks(blocks: Blocks) -> dict[str, str]:
    """Square → the band of most of its children, if there is one with a circle of such."""
    table = blocks.fragments.assign(asked=blocks.fragments["complete"].notna())
    summed = table.groupby(["block_id", "band"], as_index=False).agg({"children": "sum", "asked": "any"})
    summed = summed.sort_values(["asked", "children", "band"]).drop_duplicates("block_id", keep="last")
    return dict(zip(summed["block_id"], summed["band"], strict=True))


def class_bounds(children: np.ndarray, rules: Rules) -> tuple[np.ndarray, np.ndarray]:
    """The classes of counts: from (inclusive), below."""
    edges = np.array([rules.k, *(edge for edge in CLASSES if edge > rules.k), np.inf])
    at = np.clip(np.searchsorted(edges, children, side="right") - 1, 0, len(edges) - 2)
    return edges[at], edges[at + 1]


def share_bounds(complete: np.ndarray, children: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The classes of complete ÷ children: from (inclusive), below (the last: at most); NaN where nobody lives."""
    edges = np.array([0.0, *SHARE_CLASSES, 1.0])
    share = np.divide(complete, children, out=np.full(len(children), np.nan), where=children > 0)
    at = np.clip(np.searchsorted(edges, np.nan_to_num(share), side="right") - 1, 0, len(edges) - 2)
    return np.where(np.isnan(share), np.nan, edges[at]), np.where(np.isnan(share), np.nan, edges[at + 1])


def _by_band(cells: gpd.GeoDataFrame, baskets: tuple[str, ...]) -> pd.DataFrame:
    """cell (its position), unit_id, band, children, complete."""
    tables = []
    for band in catalog.bands():
        children = cells[children_column(band)].fillna(0.0).to_numpy(dtype=float)
        complete = np.full(len(cells), np.nan)
        if band in baskets:
            complete = children * (cells[circle_column(band)].astype(object) == COVERED).to_numpy()
        units = cells["unit_id"].to_numpy(dtype=object)
        columns = {"cell": range(len(cells)), "unit_id": units, "band": band, "children": children}
        tables.append(pd.DataFrame({**columns, "complete": complete}))
    return pd.concat(tables, ignore_index=True)


def _least_side(cells: gpd.GeoDataFrame) -> float:
    """The side of a cell, doubled until it is no less than `LEAST_SIDE_M`."""
    areas = shapely.area(cells.geometry.array)
    side = float(np.sqrt(np.median(areas))) if len(areas) and areas.min() > 0 else POINT_SIDE_M
    return float(side * 2.0 ** max(np.ceil(np.log2(LEAST_SIDE_M / side)), 0.0))


def _merged(column: np.ndarray, row: np.ndarray, children: np.ndarray, rules: Rules) -> np.ndarray:
    """By cell how often the side of its square is doubled: squares that hold too few children merge with the three
    beside them (those of the same square of twice the side), and with all that these are made of."""
    doublings = np.zeros(len(column), dtype=np.int64)
    for turn in range(MOST_DOUBLINGS):
        square = pd.MultiIndex.from_arrays([doublings, column >> doublings, row >> doublings])
        total = pd.Series(children).groupby(square).transform("sum").to_numpy()
        around = pd.MultiIndex.from_arrays([column >> (turn + 1), row >> (turn + 1)])
        too_few = pd.Series(rules.is_small(total)).groupby(around).transform("any").to_numpy()
        if not rules.is_small(total).any():
            break
        doublings = np.where(too_few, turn + 1, doublings)
    return doublings
