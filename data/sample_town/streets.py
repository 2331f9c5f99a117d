"""The ground of the fictional district: its form, its communities and its large streets."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import shapely
import shapely.affinity
from shapely import LineString, Point, Polygon, STRtree
from shapely.geometry.base import BaseGeometry
from shapely.ops import nearest_points, polygonize, substring

from .files import XY, Town, lines

ORIGIN = (488_100.0, 3_145_500.0)  # south-west corner of the sheet, in EPSG:4549
SHEET = (2920, 3200)
Axis = tuple[LineString, str]
ARTERIES = ("primary", "secondary", "tertiary")
PLAN = tomllib.loads((Path(__file__).parent / "plan.toml").read_text(encoding="utf-8"))
COMMUNITIES, SCHOOLS, PARKS = PLAN["communities"], PLAN["schools"], PLAN["parks"]


def bend(u: float, v: float) -> XY:
    """Design coordinates to EPSG:4549: two slow waves, then a turn of seven degrees."""
    x = u + 85 * math.sin(v / 560 + 0.4) + 28 * math.sin(u / 300 + v / 620) - SHEET[0] / 2
    y = v + 88 * math.sin(u / 600 + 0.8) + 25 * math.sin(v / 330 - u / 490) - SHEET[1] / 2
    c, s = math.cos(math.radians(7)), math.sin(math.radians(7))
    return ORIGIN[0] + SHEET[0] / 2 + c * x - s * y, ORIGIN[1] + SHEET[1] / 2 + s * x + c * y


def ground(u: float, v: float) -> Point:
    """The place on the ground of a place on the sheet."""
    return Point(bend(u, v))


def smooth(points: Sequence[XY], closed: bool = False) -> list[XY]:
    """Cut the corners three times (Chaikin); the ends of an open line stay where they are."""
    pts = np.array(points, float)
    for _ in range(3):
        line = np.vstack([pts, pts[:1]]) if closed else pts
        a, b = line[:-1], line[1:]
        cut = np.stack([0.75 * a + 0.25 * b, 0.25 * a + 0.75 * b], axis=1).reshape(-1, 2)
        pts = cut if closed else np.vstack([pts[:1], cut, pts[-1:]])
    return [(float(x), float(y)) for x, y in pts]


def draw(*points: XY) -> LineString:
    """A line through design points, smoothed when it has more than two, bent onto the ground."""
    line = LineString(smooth(points) if len(points) > 2 else points).segmentize(40)
    return LineString([bend(u, v) for u, v in line.coords])


def piece(line: LineString, start: BaseGeometry | None, end: BaseGeometry | None) -> LineString:
    """The part of a line from where it meets `start` to where it meets `end` (None: its own end)."""

    def at(other: BaseGeometry) -> float:
        return line.project(Point(shapely.get_coordinates(line.intersection(other))[0]))

    return substring(line, 0 if start is None else at(start), line.length if end is None else at(end))


def polygons(shape: BaseGeometry) -> list[Polygon]:
    return [p for p in shapely.get_parts(shape) if p.geom_type == "Polygon" and not p.is_empty]


def largest(shape: BaseGeometry) -> Polygon:
    return max(polygons(shape), key=lambda p: p.area, default=Polygon())


def frame() -> Polygon:
    """The edge of the sheet on the ground; the streets run a little beyond the district."""
    w, h = SHEET
    return Polygon([bend(u, v) for u, v in Polygon([(0, 0), (w, 0), (w, h), (0, h)]).exterior.segmentize(40).coords])


def draw_skeleton() -> dict[str, LineString]:
    """The lines that give the town its form: water, rail, the large streets."""
    line = {name: draw(*points) for name, points in PLAN["lines"].items()}
    river, rail = line["river"], line["rail"]
    return line | {
        "滨江北路": river.offset_curve(96),
        "滨江南路": river.offset_curve(-96),
        "铁东路": rail.offset_curve(46),
        "铁西路": rail.offset_curve(-46),
    }


def merge_unnamed(cells: list[Polygon], seeds: list[Point]) -> list[Polygon]:
    """One polygon per seed; a cell without a seed joins the neighbour with the longest common border."""
    named = [next(c for c in cells if c.contains(s)) for s in seeds]
    loose = [c for c in cells if not any(c.contains(s) for s in seeds)]
    while loose:
        share = [[c.intersection(n).length for n in named] for c in loose]
        k = max(range(len(loose)), key=lambda i: max(share[i]))
        home = int(np.argmax(share[k]))
        named[home] = shapely.union(named[home], loose.pop(k))
    return named


def draw_communities(line: dict[str, LineString]) -> list[Polygon]:
    """The 社区 between the large streets, the river and the railway, inside the outline of the district."""
    outline = Polygon([bend(u, v) for u, v in smooth(PLAN["outline"], closed=True)])
    borders = ["river", "rail", "江南大道", "书院路", "春晖大道", "云山路", "文昌路", "望江路", "东洲路", "环山路"]
    willow = piece(line["柳岸路"], None, line["环山路"])
    academy = piece(draw((820, 960), (840, 1470), (820, 1920)), line["river"], line["书院路"])
    net = shapely.union_all([outline.exterior, extend(willow, 2), extend(academy, 2), *(line[b] for b in borders)])
    cells = [c for c in polygonize(shapely.get_parts(net)) if outline.contains(c.representative_point())]
    return merge_unnamed(cells, [ground(u, v) for *_, u, v in COMMUNITIES])


def twin(line: LineString, half_m: float) -> list[LineString]:
    """The two carriageways of a street, each in its direction of travel (China drives on the right)."""
    return [line.offset_curve(-half_m), line.offset_curve(half_m).reverse()]


def add_street(town: Town, line: BaseGeometry, highway: str, name: str, level: int = 0, **tags: str) -> None:
    speed = {"primary": "60", "secondary": "50", "tertiary": "40"}[highway]
    lanes = {"primary": "6", "secondary": "4", "tertiary": "2"}[highway]
    usual = {"highway": highway, "name": name, "lanes": lanes, "maxspeed": speed, "sidewalk": "both"}
    town.way(line, level, **usual | tags)


def add_main_streets(town: Town, line: dict[str, LineString], sheet: Polygon) -> tuple[list[Axis], BaseGeometry]:
    """The large streets and bridges. Returns their axes and the median strips of dual carriageways."""
    s = {name: lines(shape.intersection(sheet))[0] for name, shape in line.items()}
    north, south, east, west = s["滨江北路"], s["滨江南路"], s["铁东路"], s["铁西路"]
    for name in ("滨江北路", "滨江南路", "环山路"):
        add_street(town, s[name], "tertiary", name)
    add_street(town, west, "tertiary", "铁西路", sidewalk="left")
    add_street(town, east, "tertiary", "铁东路", sidewalk="no")
    add_street(town, s["服务路"], "tertiary", "南环辅路", sidewalk="left")
    add_street(town, s["江南大道"], "secondary", "江南大道")
    add_street(town, piece(s["书院路"], None, west), "secondary", "书院路")
    add_street(town, piece(s["云山路"], s["环山路"], west), "secondary", "云山路")
    add_street(town, piece(s["云山路"], east, None), "secondary", "云山路", sidewalk="left")
    add_street(town, piece(s["柳岸路"], s["服务路"], south), "secondary", "柳岸路")
    add_street(town, piece(s["柳岸路"], north, s["环山路"]), "secondary", "柳岸路")
    add_street(town, piece(s["望江路"], s["服务路"], south), "secondary", "望江路")
    add_street(town, piece(s["望江路"], north, None), "secondary", "望江路")
    add_street(town, piece(s["东洲路"], s["服务路"], south), "tertiary", "东洲路")
    add_street(town, piece(s["东洲路"], north, west), "tertiary", "东洲路")
    add_street(town, piece(s["东洲路"], east, None), "tertiary", "东篱路", sidewalk="no")
    add_street(town, piece(s["文昌路"], s["服务路"], south), "secondary", "文昌路")
    add_street(town, piece(s["春晖大道"], s["望江路"], west), "secondary", "春晖大道")
    add_street(town, piece(s["春晖大道"], east, None), "secondary", "春晖大道", sidewalk="right")
    duals = [piece(s["春晖大道"], None, s["望江路"]), piece(s["文昌路"], north, None)]
    add_dual(town, duals[0], "春晖大道", separate=True)
    add_dual(town, duals[1], "文昌路", separate=False)
    add_bridges(town, s)
    axes = [
        (w.line, w.tags["highway"])
        for w in town.ways
        if w.level == 0 and w.tags.get("highway") in ARTERIES and "oneway" not in w.tags
    ]
    return axes + [(d, "primary") for d in duals], shapely.union_all([d.buffer(7.5, cap_style="flat") for d in duals])


def across(line: LineString, at: float, half_m: float) -> LineString:
    """A short line square across another."""
    here = np.array(line.interpolate(at).coords[0])
    ahead = np.array(line.interpolate(at + 2).coords[0]) - np.array(line.interpolate(at - 2).coords[0])
    left = np.array([-ahead[1], ahead[0]]) / np.hypot(*ahead)
    return LineString([here + half_m * left, here - half_m * left])


def add_dual(town: Town, middle: LineString, name: str, *, separate: bool) -> None:
    """Two one-way carriageways that meet at both ends; perhaps pavements drawn as ways of their own."""
    ends = (middle.coords[0], middle.coords[-1])
    sides = [
        LineString([a, *substring(side, 15, side.length - 15).coords, b])
        for side, (a, b) in zip(twin(middle, 7.5), (ends, ends[::-1]), strict=True)
    ]
    for side in sides:
        add_street(town, side, "primary", name, lanes="3", oneway="yes", sidewalk="separate" if separate else "right")
    for half in (-16, 16) if separate else ():
        town.way(middle.offset_curve(half), highway="footway", footway="sidewalk", surface="paving_stones")
    for at in np.arange(190, middle.length - 100, 270) if separate else ():
        zebra = across(middle, at, 16)
        town.way(zebra, highway="footway", footway="crossing", crossing="uncontrolled")
        for side in sides:
            town.point(zebra.intersection(side), highway="crossing", crossing="uncontrolled")


def add_bridges(town: Town, s: dict[str, LineString]) -> None:
    """Over the river, the railway and the expressway."""
    north, south, east, west = s["滨江北路"], s["滨江南路"], s["铁东路"], s["铁西路"]
    over, under = {"bridge": "yes", "layer": "1"}, {"tunnel": "yes", "layer": "-1"}
    add_street(town, piece(s["文昌路"], south, north), "secondary", "文昌大桥", 1, **over)
    add_street(town, piece(s["东洲路"], south, north), "tertiary", "东洲桥", 1, sidewalk="right", **over)
    town.way(piece(s["柳岸路"], south, north), 1, highway="footway", name="古渡廊桥", bicycle="no", **over)
    town.way(
        piece(s["望江路"], south, north),
        1,
        highway="construction",
        construction="secondary",
        name="望江大桥（在建）",
        **over,
    )
    add_street(town, piece(s["春晖大道"], west, east), "secondary", "春晖大道下穿", -1, **under)
    walk = piece(s["云山路"], west, east)
    town.way(substring(walk, 0, 16), 1, highway="steps", incline="up")
    town.way(substring(walk, 16, walk.length - 16), 1, highway="footway", name="铁路人行天桥", **over)
    town.way(substring(walk, walk.length - 16, walk.length), 1, highway="steps", incline="down")
    for side in twin(s["expressway"], 11):
        town.way(side, highway="motorway", name="绕城高速", oneway="yes", lanes="3", maxspeed="100", foot="no")
    ramp = piece(s["文昌路"], None, s["服务路"])
    middle = ramp.project(ramp.intersection(s["expressway"]))
    add_street(town, substring(ramp, 0, middle - 45), "secondary", "文昌路")
    add_street(town, substring(ramp, middle - 45, middle + 45), "secondary", "文昌路", 1, **over)
    add_street(town, substring(ramp, middle + 45, ramp.length), "secondary", "文昌路")
    for offset in (-2.4, 2.4):
        town.way(s["rail"].offset_curve(offset), railway="rail", gauge="1435", electrified="contact_line")


def add_river(town: Town, line: dict[str, LineString], sheet: Polygon) -> tuple[Polygon, Polygon]:
    """The river, the paths on its banks and steps down to them. Returns the water and the riverside park."""
    river = line["river"]
    at = np.arange(5, river.length - 5, 45)
    width = 44 + 7 * np.sin(at / 310) + 4 * np.sin(at / 97)
    banks = [across(river, d, w).coords for d, w in zip(at, width, strict=True)]
    water = largest(Polygon([b[0] for b in banks] + [b[1] for b in reversed(banks)]).intersection(sheet))
    town.area(water, natural="water", water="river", name="示例江")
    town.way(river.intersection(sheet), 9, waterway="river", name="示例江")
    stretch = {
        66: (line["滨江北路"], 0, river.length),
        -66: (line["滨江南路"], *(river.project(river.intersection(line[b])) for b in ("文昌路", "东洲路"))),
    }
    for offset, (road, start, end) in stretch.items():
        path = lines(substring(river, start, end).offset_curve(offset).intersection(sheet.buffer(-40)))[0]
        town.way(path, highway="footway", name="滨江步道", surface="paving_stones")
        for k, d in enumerate(np.arange(60, path.length, 210)):
            foot = nearest_points(path.interpolate(d), road)
            town.way(LineString(foot), highway="steps" if k % 3 == 1 else "footway")
    start, end = (river.project(ground(u, 1155)) for u in (845, 1585))
    bank = substring(river, start, end)
    return water, largest(bank.buffer(83, single_sided=True) - bank.buffer(56))


def add_verges(town: Town, line: dict[str, LineString], sheet: Polygon, water: Polygon) -> None:
    """Grass on the river banks, trees along the expressway, the land of the railway."""
    roads = shapely.union_all([w.line for w in town.ways if "highway" in w.tags]).buffer(9)
    for strip, tags in (
        (line["river"].buffer(90) - water.buffer(4), {"landuse": "grass"}),
        (line["expressway"].buffer(70) - line["expressway"].buffer(24), {"landuse": "forest"}),
        (line["rail"].buffer(18), {"landuse": "railway"}),
    ):
        clear = strip if "railway" in tags.values() else strip - roads
        for part in polygons(clear & sheet):
            if part.area > 2000 and not part.interiors:
                town.area(part.simplify(1), **tags)


def add_signals(town: Town) -> None:
    """Lights and zebras where large streets meet, as nodes on each arm of the junction."""
    large = [w for w in town.ways if w.level == 0 and w.tags.get("highway") in ARTERIES]
    shapes = [w.line for w in large]
    tree = STRtree(shapes)
    for i, j in sorted(tree.query(shapes, "dwithin", 0.8).T.tolist()):
        if i >= j or large[i].tags["name"] == large[j].tags["name"]:
            continue
        lights = all(large[k].tags["highway"] != "tertiary" for k in (i, j))
        for x, y in shapely.get_coordinates(nearest_points(shapes[i], shapes[j])[0]):
            if lights:
                town.point(Point(x, y), highway="traffic_signals")
            for k, step in ((i, -17), (i, 17), (j, -17), (j, 17)):
                at = shapes[k].project(Point(x, y)) + step
                arm = shapes[k].interpolate(at)
                near = [n for n in tree.query(arm, "dwithin", 9) if n != k]
                if 5 < at < shapes[k].length - 5 and not near:
                    kind = "traffic_signals" if lights else "marked" if (i + j) % 2 else "uncontrolled"
                    town.point(arm, highway="crossing", crossing=kind)


def extend(line: LineString, by: float) -> LineString:
    """The line made a little longer at both ends, so that it surely reaches what it ends on."""
    c = np.array(line.coords)
    a, b = c[0] - c[1], c[-1] - c[-2]
    return LineString([c[0] + a / np.hypot(*a) * by, *c, c[-1] + b / np.hypot(*b) * by])
