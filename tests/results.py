"""Finished results made by hand, for the outputs: a square town of square cells, with any names one likes."""

from collections.abc import Sequence
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo import catalog
from cfc_geo.errors import Finding
from cfc_geo.model import Coverage, Result, Source, Study
from cfc_geo.plan import Plan
from cfc_geo.tables import STATUSES, STREET_COLUMNS, children_column

CRS = "EPSG:4549"
ORIGIN = (490_000.0, 3_147_000.0)
KINDS = ("playground", "primary_school", "park")

HOSTILE = [
    "</script><img src=x onerror=alert(1)>",
    "{{ 7*7 }}",
    "{% raw %}",
    "{{ cycler.__init__.__globals__.os.mkdir('cfc_was_here') }}",
    "${1} `back\\tick` \\u003cb\\u003e",
    "'\"><svg onload=alert(2)>",
    "<!-- <script> \u2028 &lt;b&gt; ]]>",
    "=1+1",
]
"""Names as nobody should call a playground: each breaks out of some kind of markup or template."""


def make_result(
    *,
    columns: int = 6,
    rows: int = 6,
    cell_m: float = 100.0,
    lines: Sequence[Any] | None = None,
    facilities: int = 9,
    names: Sequence[str] = (),
    points: bool = False,
    plan: dict[str, Any] | None = None,
) -> Result:
    """A result over columns × rows cells; the tables of figures are sums of its cells.

    Two units side by side lie in a third. `names` are given in turn to all that has a name. Facilities: in turn a
    playground, a primary school and a park (a polygon); the last one is attached to no street.
    """
    named = _namer(names)
    study = _study(columns, rows, cell_m, lines, facilities, named, points)
    baskets = dict.fromkeys(("3-5", "6-11"), KINDS)
    cells = _cells(study)
    norms = {kind: catalog.norms("gb50180")[kind] for kind in KINDS}
    coverage = Coverage(
        status=pd.DataFrame({kind: cells[f"{kind}_status"] for kind in KINDS}),
        metres=pd.DataFrame({kind: cells[f"{kind}_m"] for kind in KINDS}),
        nearest_id=pd.DataFrame({kind: cells[f"{kind}_nearest_id"] for kind in KINDS}),
        norms=norms,
    )
    return Result(
        plan=make_plan(named, plan or {}),
        study=study,
        coverage=coverage,
        baskets=baskets,
        coverage_by_unit=_coverage_by_unit(cells, study.units),
        circle_by_unit=_circle_by_unit(cells, study.units, baskets),
        facilities=_facility_results(study),
        cells=cells,
        findings=(Finding("warning", "table.id_repeated", named("list.csv"), (3,), {"ids": [named("id")]}),),
        audit={},
        timings_s={},
    )


def make_plan(named: Any, changes: dict[str, Any]) -> Plan:
    """A plan with an overridden limit and an assumed population."""
    return Plan.model_validate(
        {
            "name": named("示例区"),
            "place": {"units": {"file": "units.geojson"}},
            "population": {
                "file": "cells.csv",
                "residents": "r",
                "shares": {"6-11": 0.1},
                "shares_source": named("普查"),
                "assumption": named("估计"),
            },
            "facilities": [{"file": "a.csv"}],
            "streets": {"file": "s.osm"},
            "norms": {"override": [{"kind": "playground", "limit_m": 400, "why": named("过渡目标")}]},
        }
        | changes
    )


def _namer(names: Sequence[str]) -> Any:
    """A function that gives the hostile names in turn, or its argument where there are none."""
    used = -1

    def named(plain: str) -> str:
        nonlocal used
        used += 1
        return names[used % len(names)] if names else plain

    return named


def _study(
    columns: int, rows: int, cell_m: float, lines: Sequence[Any] | None, facilities: int, named: Any, points: bool
) -> Study:
    rng = np.random.default_rng(1)
    x0, y0 = ORIGIN
    width, height = columns * cell_m, rows * cell_m
    column, row = (grid.ravel() for grid in np.meshgrid(np.arange(columns), np.arange(rows)))
    left, bottom = x0 + column * cell_m, y0 + row * cell_m
    squares = shapely.box(left, bottom, left + cell_m, bottom + cell_m)
    children = {children_column(band): rng.integers(0, 40, len(squares)) / 4 for band in catalog.bands()}
    half = columns // 2
    units = gpd.GeoDataFrame(
        {
            "unit_id": ["u0", "u1", "u2"],
            "name": [named("全区"), named("西街道"), named("东街道")],
            "level": [named("区"), "街道", "街道"],
            "parent_id": ["", "u0", "u0"],
        },
        geometry=[
            shapely.box(x0, y0, x0 + width, y0 + height),
            shapely.box(x0, y0, x0 + half * cell_m, y0 + height),
            shapely.box(x0 + half * cell_m, y0, x0 + width, y0 + height),
        ],
        crs=CRS,
    )
    origins = gpd.GeoDataFrame(
        {
            "origin_id": [f"{named('c')} {i}" for i in range(len(squares))],
            "unit_id": np.where(column < half, "u1", "u2"),
            **children,
        },
        geometry=shapely.centroid(squares) if points else squares,
        crs=CRS,
    )
    if lines is None:
        along = [
            shapely.LineString([(0, i * cell_m), (width / 2, i * cell_m), (width, i * cell_m)]) for i in range(rows + 1)
        ]
        lines = along + [shapely.LineString([(i * cell_m, 0), (i * cell_m, height)]) for i in range(columns + 1)]
    shapes = shapely.transform(np.asarray(lines), lambda xy: xy + ORIGIN)
    streets = gpd.GeoDataFrame(dict.fromkeys(STREET_COLUMNS, ""), index=range(len(shapes)), geometry=shapes, crs=CRS)
    streets["street_id"] = [f"s{i}" for i in range(len(shapes))]
    streets["highway"] = np.resize(["residential", "secondary_link", "footway"], len(shapes))
    streets["name"] = [named("路") for _ in range(len(shapes))] if len(shapes) < 1000 else "路"
    kind = np.resize(KINDS, facilities)
    at = np.column_stack([x0 + rng.uniform(0, width, facilities), y0 + rng.uniform(0, height, facilities)])
    spots = shapely.points(at)
    table = gpd.GeoDataFrame(
        {
            "facility_id": [f"f{i}" for i in range(facilities)],
            "kind": kind,
            "name": [named(f"设施{i}") for i in range(facilities)],
            "capacity": np.where(kind == "park", np.nan, 120.0),
            "unit_id": np.where(at[:, 0] < x0 + half * cell_m, "u1", "u2"),
            "source": "a.csv",
        },
        geometry=np.where(kind == "park", shapely.buffer(spots, cell_m / 4, quad_segs=2), spots),
        crs=CRS,
    )
    backdrop = gpd.GeoDataFrame(
        {"theme": ["water", "green", "rail", "building"], "name": [named("河"), named("山"), "", ""]},
        geometry=shapely.transform(
            np.array(
                [
                    shapely.box(0, 0, width, cell_m / 2),
                    shapely.GeometryCollection([shapely.Point(1, 1), shapely.box(0, height, width, height + cell_m)]),
                    shapely.LineString([(0, 0), (width, height)]),
                    shapely.MultiPolygon([shapely.box(0, 0, 10, 10), shapely.box(20, 0, 30, 10)]),
                ]
            ),
            lambda xy: xy + ORIGIN,
        ),
        crs=CRS,
    )
    return Study(
        name=named("示例区"),
        crs=CRS,
        units=units,
        origins=origins,
        facilities=table,
        entrances=gpd.GeoDataFrame({"facility_id": table["facility_id"], "evidence": "point"}, geometry=spots, crs=CRS),
        streets=streets,
        nodes=pd.DataFrame({"node_id": [], "x": [], "y": [], "crossing": []}),
        backdrop=backdrop,
        surveyed=frozenset(KINDS),
        sources=(
            Source(
                named("units"),
                named("units.geojson"),
                "0" * 64,
                "GeoJSON",
                "wgs84",
                named("CC0"),
                named("2025-06"),
                named("局"),
            ),
            Source("streets", "s.osm", "1" * 64, "OSM", "wgs84", "ODbL 1.0", "2025-05", "© OpenStreetMap contributors"),
        ),
    )


def _cells(study: Study) -> gpd.GeoDataFrame:
    """Cells whose walk is the straight line to the nearest facility; the first two are attached to nothing."""
    cells = study.origins.copy()
    cells["residents"] = np.nan
    cells["snap_m"] = np.where(np.arange(len(cells)) < 2, np.nan, 10.0)
    middles = shapely.centroid(cells.geometry.to_numpy())
    codes = {}
    for kind in KINDS:
        own = study.facilities[study.facilities["kind"] == kind]
        tree = shapely.STRtree(shapely.centroid(own.geometry.to_numpy()))
        (_, nearest), metres = tree.query_nearest(middles, all_matches=False, return_distance=True)
        known = cells["snap_m"].notna().to_numpy()
        codes[kind] = np.where(known, np.where(metres <= catalog.norms("gb50180")[kind].limit_m, 0, 1), 2)
        cells[f"{kind}_nearest_id"] = np.where(known, own["facility_id"].to_numpy(dtype=object)[nearest], "")
        cells[f"{kind}_m"] = np.where(known, metres, np.nan)
        cells[f"{kind}_status"] = pd.Categorical.from_codes(codes[kind], list(STATUSES))
    worst = np.max(list(codes.values()), axis=0)
    for band in ("3_5", "6_11"):
        cells[f"circle_{band}"] = pd.Categorical.from_codes(worst, list(STATUSES))
    return cells


def _sums(cells: gpd.GeoDataFrame, units: gpd.GeoDataFrame, column: str, band: str) -> pd.DataFrame:
    """unit_id, unit_name, level and children by status, for `all` and every unit."""
    rows = []
    for unit_id, name, level in [("all", "", ""), *units[["unit_id", "name", "level"]].itertuples(index=False)]:
        inside = cells if unit_id in ("all", "u0") else cells[cells["unit_id"] == unit_id]
        by_status = [inside.loc[inside[column] == status, children_column(band)].sum() for status in STATUSES]
        rows.append((unit_id, name, level, band, *by_status, sum(by_status)))
    return pd.DataFrame(rows, columns=["unit_id", "unit_name", "level", "band", *STATUSES, "children"])


def _coverage_by_unit(cells: gpd.GeoDataFrame, units: gpd.GeoDataFrame) -> pd.DataFrame:
    blocks = []
    for kind in KINDS:
        for band in catalog.kinds()[kind].bands:
            sums = _sums(cells, units, f"{kind}_status", band)
            blocks.append(
                sums.assign(
                    kind=kind,
                    limit_m=catalog.norms("gb50180")[kind].limit_m,
                    covered_share=sums["covered"] / sums["children"],
                    mean_walk_m=123.4,
                    mean_walk_min=2.1,
                )
            )
    return pd.concat(blocks, ignore_index=True)


def _circle_by_unit(cells: gpd.GeoDataFrame, units: gpd.GeoDataFrame, baskets: Any) -> pd.DataFrame:
    blocks = []
    for band in baskets:
        sums = _sums(cells, units, "circle_" + band.replace("-", "_"), band)
        sums = sums.assign(
            complete_share=sums["covered"] / sums["children"], mean_items_share=0.5, most_missing_kind="park"
        )
        blocks.append(sums.rename(columns={"covered": "complete", "gap": "incomplete"}))
    return pd.concat(blocks, ignore_index=True)


def _facility_results(study: Study) -> gpd.GeoDataFrame:
    last = np.arange(len(study.facilities)) == len(study.facilities) - 1
    school = (study.facilities["kind"] == "primary_school") & ~last
    return study.facilities.drop(columns="source").assign(
        snap_m=np.where(last, np.nan, 5.0),
        children_within=np.where(last, np.nan, 321.0),
        assigned_children=np.where(last, np.nan, 120.0),
        crowding=np.where(school, 1.2, np.nan),
        overflow_children=np.where(school, 20.0, np.nan),
        overflow_room=np.where(school, 5.0, np.nan),
        entrances=np.where(last, 0, 1),
        evidence=np.where(last, "", "point"),
    )
