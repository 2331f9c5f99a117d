"""Toy towns everyone can draw: a picture in letters → the tables of a Study, in metres."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from textwrap import dedent

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from shapely import LineString, Point

from cfc_geo.tables import STREET_COLUMNS, children_columns

CRS = "EPSG:4547"
CELL_M = 10.0

ALONG = {(0, 1): "-+><", (1, 0): "|+v^"}
"""Marks of a street that runs east, and of one that runs south."""


@dataclass(frozen=True, eq=False)
class Town:
    """`streets` and `nodes` as in a Study; `spots`: what the small letters of the picture mark."""

    streets: gpd.GeoDataFrame
    nodes: pd.DataFrame
    spots: dict[str, Point]


def draw(picture: str) -> Town:
    """Read a picture: one character is 10 m both ways, north is up, the first row is y = 0.

    Capitals are junctions; `-` and `|` are streets between them; `>`, `<`, `v`, `^` somewhere on a street make it
    one-way; `+` is where two streets cross without meeting (a bridge). Small letters (but not v) are spots: on a street
    where they stand in its line, beside it otherwise.

        A--a--B     a: a spot on the street AB, 30 m from A
        |     v     B → D is one-way
        C-----D b   b: a spot 20 m east of D
    """
    rows = dedent(picture.strip("\n")).splitlines()
    cells = {(r, c): mark for r, row in enumerate(rows) for c, mark in enumerate(row) if mark != " "}
    where = {cell: Point(cell[1] * CELL_M, -cell[0] * CELL_M) for cell in cells}
    lines = [
        (LineString([where[cell], where[end]]), way)
        for cell, mark in sorted(cells.items())
        if _is_junction(mark)
        for step in ALONG
        if (found := _follow(cells, cell, step))
        for end, way in [found]
    ]
    streets, nodes = street_table([line for line, _ in lines], ways=[way for _, way in lines])
    return Town(streets, nodes, {mark: where[cell] for cell, mark in cells.items() if _is_spot(mark)})


def street_table(
    lines: Iterable[LineString | list[tuple[float, float]]],
    *,
    ways: Iterable[str] | None = None,
    length_m: Iterable[float] | None = None,
) -> tuple[gpd.GeoDataFrame, pd.DataFrame]:
    """(streets, nodes) of lines that meet where their ends coincide.

    `ways`: for each "both", "forward" or "backward" (default: both). `length_m`: stated lengths (default: as drawn).
    """
    shapes = np.array([LineString(line) for line in lines], dtype=object)
    ends = shapely.get_coordinates([[shapely.get_point(shape, 0), shapely.get_point(shape, -1)] for shape in shapes])
    places, number = np.unique(ends, axis=0, return_inverse=True)
    number = number.reshape(-1, 2)
    allowed = list(ways) if ways is not None else ["both"] * len(shapes)
    streets = gpd.GeoDataFrame(dict.fromkeys(STREET_COLUMNS, ""), index=range(len(shapes)), geometry=shapes, crs=CRS)
    streets = streets.assign(
        street_id=[f"s{row}" for row in range(len(shapes))],
        from_node=number[:, 0].astype(np.int64),
        to_node=number[:, 1].astype(np.int64),
        length_m=shapely.length(shapes) if length_m is None else np.array(list(length_m), dtype=float),
        forward=[way != "backward" for way in allowed],
        backward=[way != "forward" for way in allowed],
    )
    x, y = places.T
    return streets, pd.DataFrame({"node_id": np.arange(len(places)), "x": x, "y": y, "crossing": ""})


def origin_table(places: Mapping[str, Point]) -> gpd.GeoDataFrame:
    """Origins by id, each with one child of every band, in unit "u"."""
    table = {"origin_id": list(places), "unit_id": "u", "residents": np.nan, **dict.fromkeys(children_columns(), 1.0)}
    return gpd.GeoDataFrame(table, geometry=list(places.values()), crs=CRS)


def facility_tables(
    places: Mapping[str, Point | list[Point]], *, kinds: Mapping[str, str] | None = None
) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """(facilities, entrances) by id; several points are several entrances. `kinds` by id (default: playground)."""
    doors = {facility: at if isinstance(at, list) else [at] for facility, at in places.items()}
    facilities = gpd.GeoDataFrame(
        {
            "facility_id": list(doors),
            "kind": [(kinds or {}).get(facility, "playground") for facility in doors],
            "name": list(doors),
            "capacity": np.nan,
            "unit_id": "u",
            "source": "drawn",
        },
        geometry=[points[0] for points in doors.values()],
        crs=CRS,
    )
    rows = [(facility, point) for facility, points in doors.items() for point in points]
    entrances = gpd.GeoDataFrame(
        {"facility_id": [facility for facility, _ in rows], "evidence": "given"},
        geometry=[point for _, point in rows],
        crs=CRS,
    )
    return facilities, entrances


def _is_junction(mark: str) -> bool:
    return mark.isalpha() and mark.isupper()


def _is_spot(mark: str) -> bool:
    return mark.isalpha() and mark.islower() and mark != "v"


def _follow(
    cells: dict[tuple[int, int], str], start: tuple[int, int], step: tuple[int, int]
) -> tuple[tuple[int, int], str] | None:
    """The junction at the other end of the street that leaves `start` by `step`, and its way; None where none does."""
    cell, marks = start, ""
    while (cell := (cell[0] + step[0], cell[1] + step[1])) in cells and not _is_junction(cells[cell]):
        marks += cells[cell]
        if not (marks[-1] in ALONG[step] or _is_spot(marks[-1])):
            return None
    if cell not in cells or not set(marks) & set(ALONG[step]):
        return None
    ahead, back = ALONG[step][2:] if step == (0, 1) else "v^"
    return cell, "forward" if ahead in marks else "backward" if back in marks else "both"
