"""A complete tiny plan on disk, drawn by hand, for tests of everything between a file and an answer.

The town, in metres from (500000, 3100000) of EPSG:4549; on its central meridian a metre on the sheet is a metre:

     300 |          G           G   playground at (400, 300), the end of the lane
         |          f           f   cell at (400, 290)
         |          |
         |          |         PPPP  park, a polygon from (900, 20) to (1000, 120)
      10 a     b    c      d              e
       0 +-K--------+---------S-----------+    the street, from (0, 0) to (1200, 0)
         0 100 200  400   700 800       1200

Cells c and f lie on the lane, the others 10 m north of the street, each with a power of two children of every band, so
that a sum names its cells. K: kindergarten at (100, 0). S: primary school at (800, 0). Unit 01 lies west of 600, unit
02 east of it, both in unit 0.
"""

import csv
import json
from pathlib import Path

import shapely
from pyproj import Transformer

ORIGIN = (500_000.0, 3_100_000.0)
CRS = "EPSG:4549"
BANDS = ("0-2", "3-5", "6-11", "12-14", "15-17")
CELLS = {"a": (0, 10), "b": (200, 10), "c": (400, 10), "d": (700, 10), "e": (1200, 10), "f": (400, 290)}
CHILDREN = {cell: 2**power for power, cell in enumerate(CELLS)}
FACILITIES = {"K": ("幼儿园", 100, 0), "S": ("小学", 800, 0), "G": ("playground", 400, 300)}
PARK = shapely.box(900, 20, 1000, 120)
UNITS = {
    "0": ("镇", "街道", "", shapely.box(-100, -200, 1300, 400)),
    "01": ("西社区", "社区", "0", shapely.box(-100, -200, 600, 400)),
    "02": ("东社区", "社区", "0", shapely.box(600, -200, 1300, 400)),
}
STREETS = {
    "street": ([(0, 0), (400, 0), (800, 0), (1200, 0)], "residential"),
    "lane": ([(400, 0), (400, 300)], "footway"),
}

PLAN = """\
name = "玩具镇"
[place]
units = { file = "data/units.geojson", id = "code", name = "name", level = "level", parent = "parent" }
[population]
file = "data/cells.csv"
id = "编号"
lon = "经度"
lat = "纬度"
datum = "wgs84"
children = { "0-2" = "0-2岁", "3-5" = "3-5岁", "6-11" = "6-11岁", "12-14" = "12-14岁", "15-17" = "15-17岁" }
[[facilities]]
file = "data/facilities.csv"
datum = "wgs84"
columns = { id = "编号", name = "名称", kind = "类型", lon = "经度", lat = "纬度", capacity = "容量" }
[[facilities]]
file = "data/parks.geojson"
kind = "park"
columns = { id = "code", name = "name" }
[streets]
file = "data/streets.osm"
"""

_DEGREES = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)


def lonlat(x: float, y: float) -> tuple[float, float]:
    """Where a place of the sketch is, in WGS84 degrees."""
    lon, lat = _DEGREES.transform(ORIGIN[0] + x, ORIGIN[1] + y)
    return float(lon), float(lat)


def write_toy(folder: Path, plan: str = PLAN) -> Path:
    """Write the plan and its data into `folder`; returns the plan's path."""
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    write_csv(data / "cells.csv", cell_rows())
    write_csv(data / "facilities.csv", facility_rows())
    write_geojson(data / "units.geojson", unit_records())
    write_geojson(data / "parks.geojson", [({"code": "P", "name": "公园"}, PARK)])
    (data / "streets.osm").write_text(streets_osm(), encoding="utf-8")
    path = folder / "toy.toml"
    path.write_text(plan, encoding="utf-8")
    return path


def unit_records() -> list[tuple[dict[str, object], shapely.Geometry]]:
    return [
        ({"code": unit, "name": name, "level": level, "parent": parent}, shape)
        for unit, (name, level, parent, shape) in UNITS.items()
    ]


def cell_rows() -> list[list[object]]:
    rows: list[list[object]] = [["编号", "经度", "纬度", *(f"{band}岁" for band in BANDS)]]
    return rows + [[cell, *lonlat(*at), *[CHILDREN[cell]] * len(BANDS)] for cell, at in CELLS.items()]


def facility_rows() -> list[list[object]]:
    rows: list[list[object]] = [["编号", "名称", "类型", "经度", "纬度", "容量"]]
    return rows + [[name, f"{kind}{name}", kind, *lonlat(x, y), 90] for name, (kind, x, y) in FACILITIES.items()]


def write_csv(path: Path, rows: list[list[object]], encoding: str = "utf-8") -> None:
    with path.open("w", encoding=encoding, newline="") as stream:
        csv.writer(stream).writerows(rows)


def write_geojson(path: Path, records: list[tuple[dict[str, object], shapely.Geometry]]) -> None:
    """Features whose shapes are of the sketch."""
    features = [
        {"type": "Feature", "properties": properties, "geometry": shapely.geometry.mapping(in_degrees(shape))}
        for properties, shape in records
    ]
    path.write_text(
        json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False), encoding="utf-8"
    )


def in_degrees(shape: shapely.Geometry) -> shapely.Geometry:
    return shapely.transform(shape, lonlat_each)


def lonlat_each(xy):  # type: ignore[no-untyped-def]
    return [lonlat(x, y) for x, y in xy]


def streets_osm() -> str:
    places = sorted({place for line, _ in STREETS.values() for place in line})
    number = {place: position for position, place in enumerate(places, start=1)}
    nodes = [
        '<node id="{}" version="1" lon="{:.7f}" lat="{:.7f}"/>'.format(number[place], *lonlat(*place))
        for place in places
    ]
    ways = [
        f'<way id="{way}" version="1">'
        + "".join(f'<nd ref="{number[place]}"/>' for place in line)
        + f'<tag k="highway" v="{highway}"/></way>'
        for way, (line, highway) in enumerate(STREETS.values(), start=1)
    ]
    return '<?xml version="1.0" encoding="UTF-8"?>\n<osm version="0.6">' + "\n".join([*nodes, *ways]) + "</osm>\n"
