"""A small finished Result: three units, six cells, five facilities, four streets, every state a figure can be in."""

from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
from shapely import LineString, Point, box

from cfc_geo import catalog
from cfc_geo.errors import Finding
from cfc_geo.model import Coverage, Result, Source, Study
from cfc_geo.plan import Plan, load_plan
from cfc_geo.questions.circle import judge_circle, sum_circle
from cfc_geo.questions.coverage import sum_coverage
from cfc_geo.tables import BACKDROP_COLUMNS, FACILITY_RESULT_COLUMNS, STATUSES, STREET_COLUMNS, children_columns

CRS = "EPSG:4549"
KINDS = ["childcare", "playground", "park"]
HOSTILE = '=HYPERLINK("http://example.org","click")'

PLAN = """
name = "玩具区 现状"
why = "看看哪里缺"
[place.units]
file = "units.geojson"
[population]
file = "cells.csv"
residents = "residents"
shares = { "0-2" = 0.03, "3-5" = 0.03 }
shares_source = "七普"
assumption = "居住在建筑中均匀分布"
[[facilities]]
file = "sub/facilities.csv"
datum = "gcj02"
licence = "CC BY 4.0"
date = "2025-03"
[streets]
file = "walk.osm.pbf"
[circle]
why = "试验"
[circle.baskets]
"0-2" = ["childcare", "playground"]
"3-5" = ["playground", "park"]
"6-11" = ["park"]
"12-14" = ["park"]
"15-17" = ["park"]
[[norms.override]]
kind = "park"
limit_m = 600
why = "地方标准"
"""


def toy_plan(folder: Path, name: str = "toy") -> Plan:
    """The toy's plan, written to `folder` and loaded again."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.toml"
    file.write_text(PLAN, encoding="utf-8")
    return load_plan(file)


def toy_result(plan: Plan, *, title: str = "") -> Result:
    """The toy's result. `title` changes what is written, and nothing else."""
    plan_as_titled = plan.model_copy(update={"map": plan.map.model_copy(update={"title": title})})
    study = _study()
    coverage = _coverage(study, plan)
    baskets = plan.resolved_baskets()
    circle = judge_circle(coverage, baskets)
    speeds_ms = {band: plan.speed_ms(band) for band in catalog.bands()}
    return Result(
        plan=plan_as_titled,
        study=study,
        coverage=coverage,
        baskets=baskets,
        coverage_by_unit=sum_coverage(coverage, study.origins, study.units, speeds_ms),
        circle_by_unit=sum_circle(coverage, circle, baskets, study.origins, study.units),
        facilities=_facilities(study),
        cells=_cells(study, coverage, circle),
        findings=study.findings,
        audit={
            "cells": 6.0,
            "children_0_2_in_file": 10.125,
            "snap_m_p50": 3.25,
            "brand_new": float("nan"),
        },
        timings_s={"read": 0.1},
    )


def with_names(result: Result, name: str) -> Result:
    """The same result with every facility called `name`."""
    names = pd.Series([name] * len(result.facilities), dtype=object)
    return replace(result, facilities=result.facilities.assign(name=names))


def _study() -> Study:
    units = gpd.GeoDataFrame(
        {
            "unit_id": ["01", "0101", "0102"],
            "name": ["甲区", "乙街道", "丙街道"],
            "level": ["区", "街道", "街道"],
            "parent_id": ["", "01", "01"],
        },
        geometry=[box(0, 0, 600, 200), box(0, 0, 300, 200), box(300, 0, 600, 200)],
        crs=CRS,
    )
    origins = gpd.GeoDataFrame(
        {
            "origin_id": [f"c{n}" for n in range(1, 7)],
            "unit_id": ["0101", "0101", "0101", "0102", "0102", "0102"],
            **{column: [1.0, 2.0, 4.0, 8.125, 16.0, 32.0] for column in children_columns()},
            "residents": [10.0, 20.0, np.nan, 80.0, 160.0, 320.0],
        },
        geometry=[box(100 * n, 0, 100 * n + 100, 100) for n in range(6)],
        crs=CRS,
    )
    origins.loc[:2, "children_15_17"] = 0.0  # a unit without children of a band
    facilities = gpd.GeoDataFrame(
        {
            "facility_id": ["007", "p2", "k1", "k2", "out"],
            "kind": ["playground", "playground", "park", "park", "clinic"],
            "name": [HOSTILE, "乐园, “小”", "儿童公园", "@park", "儿科"],
            "capacity": [60.0, np.nan, 0.0, np.nan, 12.5],
            "unit_id": ["0101", "0102", "0101", "0102", ""],
            "source": "facilities.csv",
        },
        geometry=[
            Point(50, 150),
            Point(350, 150),
            box(0, 120, 40, 160),
            box(400, 120, 440, 160),
            Point(900, 900),
        ],
        crs=CRS,
    )
    streets = gpd.GeoDataFrame(
        dict.fromkeys(STREET_COLUMNS, ""),
        index=range(4),
        geometry=[LineString([(200 * n, 110), (200 * n + 200, 110)]) for n in range(4)],
        crs=CRS,
    )
    streets = streets.assign(
        street_id=["s0", "s1", "s2", "s3"], from_node=range(4), to_node=range(1, 5), length_m=200.0, forward=True,
        backward=[True, True, False, True], highway="residential", name=["人民路", "+1", "", "中山路"],
    )  # fmt: skip
    backdrop = gpd.GeoDataFrame(
        {name: ["water"] for name in BACKDROP_COLUMNS}, geometry=[box(0, -50, 600, -10)], crs=CRS
    )
    return Study(
        name="玩具区",
        crs=CRS,
        units=units,
        origins=origins,
        facilities=facilities,
        entrances=gpd.GeoDataFrame(
            {"facility_id": ["007", "p2"], "evidence": "point"},
            geometry=[Point(50, 150), Point(350, 150)],
            crs=CRS,
        ),
        streets=streets,
        nodes=pd.DataFrame({"node_id": range(5), "x": [0.0, 200.0, 400.0, 600.0, 800.0], "y": 110.0, "crossing": ""}),
        backdrop=backdrop,
        surveyed=frozenset({"playground", "park", "clinic"}),
        sources=(
            Source("units", "units.geojson", "a" * 64, "geojson", "", "公开", "2024"),
            Source(
                "facilities",
                "/home/somebody/facilities.csv",
                "b" * 64,
                "csv",
                "gcj02",
                "CC BY 4.0",
                "2025-03",
                "规划局",
            ),
            Source("streets", "walk.osm.pbf", "c" * 64, "pbf", "wgs84", "ODbL 1.0"),
        ),
        findings=(
            Finding(
                "note",
                "norms.overridden",
                "toy.toml",
                values={"kind": "park", "limit_m": 600.0, "why": "地方标准"},
            ),
            Finding(
                "warning",
                "population.assumption",
                "/home/somebody/cells.csv",
                (3, np.int64(4)),
                {"why": "均匀分布"},
            ),
        ),
    )


def _coverage(study: Study, plan: Plan) -> Coverage:
    """Every status of every kind that has a limit; no file lists childcare, and the last cell is on no street."""
    nan, ids = np.nan, pd.Index(study.origins["origin_id"])
    metres = {
        "childcare": [nan] * 6,
        "playground": [300.0, 300.04, 120.26, nan, 80.0, nan],
        "park": [600.0, 601.0, 240.0, 100.0, nan, nan],
    }
    nearest = {
        "childcare": [""] * 6,
        "playground": ["007", "007", "p2", "", "p2", ""],
        "park": ["k1", "k1", "k2", "k2", "", ""],
    }
    codes = {"childcare": [2] * 6, "playground": [0, 1, 0, 1, 0, 2], "park": [0, 1, 0, 0, 1, 2]}
    return Coverage(
        status=pd.DataFrame({kind: pd.Categorical.from_codes(codes[kind], STATUSES) for kind in KINDS}, ids),
        metres=pd.DataFrame(metres, ids),
        nearest_id=pd.DataFrame(nearest, ids, dtype=object),
        norms={kind: norm for kind, norm in plan.resolved_norms().items() if kind in KINDS},
    )


def _facilities(study: Study) -> gpd.GeoDataFrame:
    table = study.facilities.assign(
        snap_m=[40.0, 40.04, 10.0, 10.0, np.nan],
        children_within=[1.0, 20.125, 5.0, 12.125, np.nan],
        assigned_children=[1.0, 20.125, 5.0, 12.125, np.nan],
        crowding=np.nan,
        overflow_children=np.nan,
        overflow_room=np.nan,
        entrances=[1, 1, 4, 4, 0],
        evidence=["point", "point", "outline", "nearest", ""],
    )
    return table[[*FACILITY_RESULT_COLUMNS, "geometry"]]


def _cells(study: Study, coverage: Coverage, circle: pd.DataFrame) -> gpd.GeoDataFrame:
    columns = {name: study.origins[name] for name in ("origin_id", "unit_id", *children_columns(), "residents")}
    columns["snap_m"] = pd.Series([5.0, 5.0, 5.0, 5.0, 5.0, np.nan])
    for kind in coverage.status.columns:
        columns[f"{kind}_nearest_id"] = coverage.nearest_id[kind].to_numpy()
        columns[f"{kind}_m"] = coverage.metres[kind].to_numpy()
        columns[f"{kind}_status"] = coverage.status[kind].array
    for band in circle.columns:
        columns[f"circle_{band.replace('-', '_')}"] = circle[band].array
    return gpd.GeoDataFrame(columns, geometry=study.origins.geometry.to_numpy(), crs=study.crs)
