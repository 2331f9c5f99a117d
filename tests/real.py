"""Real places, from data that lies beside the project (`../shared/data`) and is never part of it."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

SHARED = Path(__file__).parents[2] / "shared" / "data"
M2_PER_RESIDENT = 35.0
DEFAULT_LEVELS = 3


def shared_file(name: str) -> Path:
    """A file of the shared data; the test is skipped, by name, where it is absent."""
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"no ../shared/data/{name} on this machine")
    return path


def write_guixi(folder: Path, osm: Path) -> Path:
    """A plan for 贵溪 with streets, schools and parks of the OSM file, and residents guessed from its buildings.

    Assumption: buildings that are residential or of no stated use, footprint × levels (3 where untagged) ÷ 35 m².
    """
    import osmium

    bounds = osmium.io.Reader(str(osm)).header().box()
    outline = shapely.box(bounds.bottom_left.lon, bounds.bottom_left.lat, bounds.top_right.lon, bounds.top_right.lat)
    units = gpd.GeoDataFrame(
        {"code": ["360681"], "name": ["贵溪城区（数据范围）"]}, geometry=[outline], crs="EPSG:4326"
    )
    units.to_file(folder / "units.geojson")
    cells = cells_of_buildings(osm)
    cells.to_csv(folder / "cells.csv", index=False)
    plan = folder / "guixi.toml"
    plan.write_text(
        f"""
name = "贵溪 试算"
[place]
units = {{ file = "units.geojson", id = "code", name = "name" }}
[population]
file = "cells.csv"
id = "id"
lon = "lon"
lat = "lat"
datum = "wgs84"
residents = "residents"
shares = {{ "0-2" = 0.026, "3-5" = 0.034, "6-11" = 0.078, "12-14" = 0.036, "15-17" = 0.030 }}
shares_source = "示意比例，非当地统计"
assumption = "常住人口由建筑轮廓 × 层数 ÷ 35 m² 推算，无当地统计核对"
[[facilities]]
file = "{osm.as_posix()}"
licence = "ODbL 1.0, © OpenStreetMap contributors"
surveys = ["school", "park"]
[streets]
file = "{osm.as_posix()}"
licence = "ODbL 1.0, © OpenStreetMap contributors"
[circle]
why = "数据中只有学校与公园"
[circle.baskets]
"6-11" = ["school", "park"]
"12-14" = ["school", "park"]
""",
        encoding="utf-8",
    )
    return plan


def cells_of_buildings(osm: Path) -> pd.DataFrame:
    """Residents on a 100 m grid: id, lon, lat (of the centre), residents."""
    import osmium

    rows = []
    for area in osmium.FileProcessor(str(osm)).with_areas(osmium.filter.KeyFilter("building")):
        if area.is_area() and area.tags.get("building") in ("yes", "apartments", "residential", "house"):
            levels = float(area.tags.get("building:levels", str(DEFAULT_LEVELS)))
            rows.append((shapely.from_wkb(osmium.geom.WKBFactory().create_multipolygon(area)), levels))
    buildings = gpd.GeoDataFrame({"levels": [r[1] for r in rows]}, geometry=[r[0] for r in rows], crs="EPSG:4326")
    buildings = buildings.to_crs("EPSG:4548")
    people = buildings.area * buildings["levels"] / M2_PER_RESIDENT
    corner = np.floor(shapely.get_coordinates(buildings.centroid) / 100).astype(int)
    grid = (
        pd.DataFrame({"col": corner[:, 0], "row": corner[:, 1], "residents": people})
        .groupby(["col", "row"], as_index=False)
        .sum()
    )
    centres = gpd.GeoSeries.from_xy(grid["col"] * 100 + 50, grid["row"] * 100 + 50, crs="EPSG:4548").to_crs("EPSG:4326")
    ids = grid["col"].astype(str) + "_" + grid["row"].astype(str)
    return pd.DataFrame({"id": ids, "lon": centres.x, "lat": centres.y, "residents": grid["residents"].round(2)})


def write_porto_alegre(folder: Path, data: Path) -> Path:
    """A plan for the centre of Porto Alegre: streets of the pbf, residents of the hexes, a point for each school.

    The unit is the hull of the hexes. Schools stand at the centre of their hex: an assumption as coarse as the hex.
    """
    hexes = pd.read_csv(data / "hexgrid.csv")
    points = gpd.GeoSeries.from_xy(hexes["lon"], hexes["lat"], crs="EPSG:4326").to_crs("EPSG:32722")
    hull = gpd.GeoSeries([shapely.union_all(points.buffer(200).to_numpy()).convex_hull], crs="EPSG:32722").to_crs(
        "EPSG:4326"
    )
    gpd.GeoDataFrame(
        {"code": ["4314902"], "name": ["Porto Alegre, centro"]}, geometry=hull.to_numpy(), crs="EPSG:4326"
    ).to_file(folder / "units.geojson")
    schools = hexes.loc[hexes.index.repeat(hexes["schools"]), ["id", "lon", "lat"]]
    schools["id"] = schools["id"] + "-" + (schools.groupby("id").cumcount() + 1).astype(str)
    schools.to_csv(folder / "schools.csv", index=False)
    hexes.to_csv(folder / "hexes.csv", index=False)
    pbf = (data / "porto_alegre.osm.pbf").as_posix()
    plan = folder / "porto_alegre.toml"
    plan.write_text(
        f"""
name = "Porto Alegre"
[place]
units = {{ file = "units.geojson", id = "code", name = "name" }}
[population]
file = "hexes.csv"
id = "id"
lon = "lon"
lat = "lat"
datum = "wgs84"
residents = "population"
shares = {{ "0-2" = 0.036, "3-5" = 0.037, "6-11" = 0.075, "12-14" = 0.039, "15-17" = 0.042 }}
shares_source = "illustrative, not a local statistic"
[[facilities]]
file = "schools.csv"
kind = "school"
datum = "wgs84"
columns = {{ id = "id", lon = "lon", lat = "lat" }}
[[facilities]]
file = "{pbf}"
only = ["park", "playground", "library"]
licence = "ODbL 1.0, © OpenStreetMap contributors"
[streets]
file = "{pbf}"
licence = "ODbL 1.0, © OpenStreetMap contributors"
[walk]
snap_limit_m = 200
[circle]
why = "only these kinds are in the data"
[circle.baskets]
"0-2" = ["playground", "park"]
"3-5" = ["playground", "park"]
"6-11" = ["school", "park"]
"12-14" = ["school", "park"]
"15-17" = ["park"]
""",
        encoding="utf-8",
    )
    return plan
