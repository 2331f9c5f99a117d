"""Blocks between the streets: cut from the land, given a use, and built."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import shapely
import shapely.affinity
from shapely import LineString, Point, Polygon, STRtree
from shapely.geometry.base import BaseGeometry
from shapely.ops import nearest_points, polygonize, substring
from shapely.ops import split as cut_apart

from .files import Tags, Town, lines
from .streets import COMMUNITIES, PARKS, PLAN, SCHOOLS, Axis, draw, extend, ground, largest, polygons

HOMES = ("compound", "houses", "shops")
SCHOOL_KINDS = ("小学", "初中", "高中")
LAKE_PARK = "澄湖公园"
WALKED = ("primary", "secondary", "tertiary", "residential", "living_street", "pedestrian", "unclassified")
CORRIDOR_M = {"primary": 24, "secondary": 18, "tertiary": 15}  # kept free on either side of the middle


@dataclass(frozen=True)
class Zone:
    """How a kind of neighbourhood is built and who lives in it."""

    block_m2: float
    """Blocks larger than about 1.4 times this are cut by another street."""
    wiggle: float
    """How crooked the streets are: 0 straight, 1 medieval."""
    setback_m: float
    """From the middle of a small street to the wall or the house front."""
    density: float
    """Relative number of residents per area."""
    ages: list[float]
    """Share of each age band relative to the district."""
    service: float
    """How well the past has provided it with facilities, 1 is average."""


@dataclass(frozen=True)
class Site:
    """What every builder needs to know."""

    town: Town
    streets: BaseGeometry
    median: BaseGeometry
    rng: np.random.Generator


ZONES = {name: Zone(**values) for name, values in PLAN["zones"].items()}


@dataclass
class Block:
    """Land between streets: its shape to the middle of the streets, the parcel behind the pavements."""

    shape: Polygon
    parcel: Polygon
    zone: str
    unit: int
    inside: bool
    use: str = ""
    name: str = ""
    places: int | None = None
    closed: bool = False
    gates: list[Point] = field(default_factory=list)

    @property
    def middle(self) -> Point:
        return (
            self.parcel.centroid if self.parcel.contains(self.parcel.centroid) else self.parcel.representative_point()
        )


def cut_line(shape: Polygon, wiggle: float, rng: np.random.Generator) -> LineString:
    """A line across the short way of a block, near its middle."""
    c = np.array(shape.minimum_rotated_rectangle.exterior.coords[:4])
    if np.hypot(*(c[1] - c[0])) < np.hypot(*(c[2] - c[1])):
        c = np.roll(c, -1, axis=0)
    t = rng.uniform(0.42, 0.58)
    a = c[0] + t * (c[1] - c[0])
    b = c[3] + (t + wiggle * rng.uniform(-0.14, 0.14)) * (c[2] - c[3])
    along = (b - a) / np.hypot(*(b - a))
    side = np.array([-along[1], along[0]])
    bends = [a + f * (b - a) + side * rng.uniform(-9, 9) * wiggle for f in (0.3, 0.7)] if wiggle > 0.3 else []
    return LineString([a - 9 * along, *bends, b + 9 * along])


def cut_block(
    shape: Polygon, zone: Zone, keep: list[Point], rng: np.random.Generator, depth: int = 0
) -> tuple[list[Polygon], list[tuple[LineString, int]]]:
    """Cut a block in two again and again. Returns the small blocks and the new streets with their rank."""
    kept = shape.area < 78_000 and any(shape.contains(p) for p in keep)
    small = shape.area < zone.block_m2 * rng.uniform(1.0, 1.9)
    for _ in range(0 if kept or small else 8):
        line = cut_line(shape, zone.wiggle, rng)
        parts = polygons(cut_apart(shape, line))
        if len(parts) == 2 and min(p.area for p in parts) > 0.3 * shape.area:
            halves = [cut_block(p, zone, keep, rng, depth + 1) for p in parts]
            streets = [(s, depth) for s in lines(line.intersection(shape))]
            (one, in_one), (two, in_two) = halves
            return one + two, streets + in_one + in_two
    return [shape], []


def street_tags(zone: str, rank: int, rng: np.random.Generator) -> Tags:
    """What a small street is like; rank 0 was cut first and is the longest."""
    draw_one = rng.random()
    if zone == "old":
        lane = "living_street" if rank < 3 else "pedestrian" if draw_one < 0.6 else "footway"
        return {"highway": lane, "surface": "sett"}
    if zone == "village":
        return {"highway": "residential" if rank < 2 else "living_street" if draw_one < 0.7 else "footway"} | (
            {"sidewalk": "no"} if rank < 2 else {}
        )
    if zone == "industry":
        return {"highway": "unclassified", "sidewalk": "no", "maxspeed": "30"}
    if zone == "farm":
        return {"highway": "track" if rank < 2 else "path"}
    sidewalk = "both" if rank < 2 or draw_one < 0.55 else "left" if draw_one < 0.8 else "no"
    tags = {
        "highway": "residential",
        "lanes": "2" if rank < 2 else "1",
        "maxspeed": "30",
        "sidewalk": sidewalk,
    }
    first, second = (
        "锦竹兰枫星梧荷榕棠樟桐菱"[int(rng.integers(12))],
        "园溪泉亭井坊塘桥岗湾"[int(rng.integers(10))],
    )
    return tags | ({"name": f"{first}{second}{'路' if rank == 0 else '街'}"} if rank < 2 else {})


def lay_blocks(
    town: Town,
    axes: list[Axis],
    median: BaseGeometry,
    line: dict[str, LineString],
    units: list[Polygon],
    sheet: Polygon,
    rng: np.random.Generator,
) -> list[Block]:
    """Cut the land between the large streets into blocks, and draw the small streets between them."""
    net = shapely.union_all([sheet.exterior, *(extend(axis, 3) for axis, _ in axes)])
    strips = shapely.union_all([line["river"], line["rail"], line["expressway"]])
    district, tree = shapely.union_all(units), STRtree(units)
    corridor = shapely.union_all([axis.buffer(CORRIDOR_M[kind]) for axis, kind in axes])
    keep = [ground(u, v) for *_, u, v in PARKS]
    blocks = []
    for land in polygonize(shapely.get_parts(net)):
        if land.intersection(strips).length > 1 or land.area < 900:
            continue
        zone = COMMUNITIES[int(tree.nearest(land.representative_point()))][2]
        for shape, kind in cut_land(town, land, zone, keep, median, rng):
            parcel = (shape.buffer(-ZONES[kind].setback_m, join_style="mitre") - corridor).buffer(
                -4, join_style="mitre"
            )
            parcel = largest(parcel.buffer(4, join_style="mitre")).simplify(0.5)
            if parcel.area > 350:
                unit = int(tree.nearest(parcel.representative_point()))
                blocks.append(Block(shape, parcel, kind, unit, district.contains(parcel)))
    return blocks


def cut_land(
    town: Town, land: Polygon, zone: str, keep: list[Point], median: BaseGeometry, rng: np.random.Generator
) -> list[tuple[Polygon, str]]:
    """The blocks of one piece of land with their zones; in the fields a hamlet is cut finer."""
    parts, streets = cut_block(land, ZONES[zone], keep, rng)
    for street, rank in streets:
        town.way(street - median, **street_tags(zone, rank, rng))
    out = [(p, zone) for p in parts]
    if zone == "farm":
        hamlet = [p for p in parts if p.distance(ground(*PLAN["hamlet"])) < 1]
        out = [(p, z) for p, z in out if p not in hamlet]
        out += [b for p in hamlet for b in cut_land(town, p, "village", keep, median, rng)]
    return out


def nearest_block(blocks: list[Block], place: Point, uses: Sequence[str] = ("",)) -> Block:
    return min((b for b in blocks if b.use in uses), key=lambda b: b.parcel.distance(place))


def serve(places: list[Point], homes: list[Block], n: int, reach_m: float) -> list[int]:
    """Which n of the places to take: each time the one that reaches the most people not yet served.

    Where the past was less generous people count for less.
    """
    at, to = shapely.get_coordinates(places), shapely.get_coordinates([b.middle for b in homes])
    near = np.hypot(*(at[:, None] - to[None]).transpose(2, 0, 1)) < reach_m
    left = np.array([round(b.parcel.area * ZONES[b.zone].density * ZONES[b.zone].service) for b in homes])
    chosen: list[int] = []
    while len(chosen) < min(n, len(places)):
        gain = np.where(near, left, 0).sum(axis=1)
        gain[chosen] = -1
        chosen.append(int(np.argmax(gain)))
        left[near[chosen[-1]]] = 0
    return chosen


def assign_uses(blocks: list[Block], district: Polygon, rng: np.random.Generator) -> None:
    """Schools and parks where the plan says; small corners become pocket parks; the rest by zone."""
    for name, kind, u, v, places in SCHOOLS:
        block = nearest_block([b for b in blocks if b.parcel.area > 7000], ground(u, v))
        block.use, block.name, block.places = kind, name, places if places > 0 else None
    for name, u, v in PARKS:
        block = nearest_block([b for b in blocks if b.parcel.area > 15_000], ground(u, v))
        block.use, block.name = "park", name
    nearest_block([b for b in blocks if b.parcel.area > 12_000], ground(*PLAN["island"])).use = "island"
    for use, largest_m2 in (("sports_ground", 15_000), ("pocket_park", 9500)):
        homes = [b for b in blocks if not b.use and b.inside]
        small = [b for b in homes if 450 < b.parcel.area < largest_m2]
        for k in serve([b.middle for b in small], homes, *PLAN["spread"][use]):
            small[k].use = use
    near = district.buffer(130)
    default = {"old": "houses", "village": "houses", "industry": "works", "farm": "fields", "hill": "hill"}
    for block in blocks:
        shops = rng.random() < {"core": 0.22, "estate": 0.06}.get(block.zone, 0.0)
        usual = "shops" if shops else default.get(block.zone, "compound")
        block.use = block.use or (usual if near.intersects(block.parcel) else "beyond")
    for u, v in PLAN["private_estates"]:
        nearest_block(blocks, ground(u, v), ("compound",)).closed = True


def farthest_first(points: list[Point], n: int, start: int) -> list[Point]:
    """n of the points, each as far as possible from those already taken."""
    chosen = [points[start % len(points)]] if points else []
    while len(chosen) < min(n, len(points)):
        chosen.append(max(points, key=lambda p: min(p.distance(c) for c in chosen)))
    return chosen


def street_sides(block: Block, streets: BaseGeometry, step_m: float = 11) -> list[Point]:
    """Places on the edge of the block where there is a street, away from the corners of the parcel."""
    ring = block.shape.exterior
    corners = shapely.multipoints(block.parcel.simplify(6).exterior.coords)
    places = [ring.interpolate(d) for d in np.arange(step_m / 2, ring.length, step_m)]
    return [
        p
        for p in places
        if streets.distance(p) < 0.5
        and block.parcel.distance(p) < 34
        and corners.distance(nearest_points(block.parcel, p)[0]) > min(12, ring.length / 20)
    ]


def entrances(site: Site, block: Block, n: int, inner: BaseGeometry) -> list[tuple[Point, LineString]]:
    """Gates in the edge of the parcel, each with the short way from the street through it to `inner`."""
    places = farthest_first(street_sides(block, site.streets), n, int(site.rng.integers(1000)))
    out = []
    for place in places:
        gate = Point(np.round(nearest_points(block.parcel.exterior, place)[0].coords, 1))
        way = LineString([place, gate, nearest_points(inner, gate)[0]])
        out += [(gate, part) for part in lines(way - site.median) if part.distance(gate) < 0.1]
    return out


def slabs(free: BaseGeometry, width: float, depth: float, gap_x: float, gap_y: float) -> list[Polygon]:
    """Rows of equal houses wherever they fit, facing south as nearly as the streets around them allow."""
    if free.is_empty:
        return []
    a, b = np.array(free.minimum_rotated_rectangle.exterior.coords[:2])
    turn = (math.degrees(math.atan2(*(b - a)[::-1])) + 45) % 90 - 45
    turned = shapely.affinity.rotate(free, -turn, origin=(0, 0))
    x0, y0, x1, y1 = turned.bounds
    shapely.prepare(turned)
    out: list[Polygon] = []
    y = y0
    while y < y1 - depth:
        x, row = x0, len(out)
        while x < x1 - width:
            house = shapely.box(x, y, x + width, y + depth)
            fits = turned.contains(house)
            out += [house] if fits else []
            x += width + gap_x if fits else 3
        y += depth + gap_y if len(out) > row else 3
    return [shapely.affinity.rotate(h, turn, origin=(0, 0)) for h in out]


def build_compound(site: Site, block: Block) -> None:
    """A 小区: a wall, gates, a ring road, a path across the court, and rows of houses."""
    tall = block.zone == "new"
    block.name = (
        "锦翠和丰雅瑞兰枫星明"[int(site.rng.integers(10))]
        + "景园庭溪山湖林岸"[int(site.rng.integers(8))]
        + (["湾", "府", "名城"] if tall else ["花园", "新村", "家园", "小区", "苑"])[
            int(site.rng.integers(3 if tall else 5))
        ]
    )
    site.town.area(block.parcel, landuse="residential", name=block.name)
    site.town.way(block.parcel.exterior, barrier="wall")
    loop = largest(block.parcel.buffer(-6, join_style="mitre")).simplify(1)
    inner = loop.exterior if loop.area > 2500 else LineString([block.middle, block.middle.buffer(3).exterior.coords[0]])
    count = 2 + (block.parcel.area > 6000) + (block.parcel.area > 18_000)
    ways: list[BaseGeometry] = [inner]
    for k, (gate, way) in enumerate(entrances(site, block, count, inner)):
        private = block.closed or (k > 0 and site.rng.random() < 0.12)
        foot = "permissive" if site.rng.random() < 0.5 else "yes"
        site.town.point(gate, barrier="gate", **({"access": "private", "foot": "no"} if private else {"foot": foot}))
        site.town.way(way, highway="service" if k % 2 == 0 else "footway")
        ways.append(way)
        block.gates += [] if private else [gate]
    if loop.area > 2500:
        cut = cut_line(loop, 0.1, site.rng).intersection(loop)
        site.town.way(loop.exterior, highway="living_street" if tall else "service")
        site.town.way(cut, highway="footway")
        ways.append(cut)
    free = block.parcel.buffer(-9) - shapely.union_all(ways).buffer(3.5) - block.middle.buffer(10)
    size = (26, 17, 12, 22) if tall else (36, 12, 7, 14) if site.rng.random() < 0.5 else (24, 12, 6, 14)
    for house in slabs(free, *size):
        site.town.area(house, building="apartments", **{"building:levels": "26" if tall else "6"})


def build_houses(site: Site, block: Block) -> None:
    """Old houses and village houses: crooked lots built to the edge."""
    lot = Zone(300, 0.25, 0, 0, [], 0)
    for shape in cut_block(block.parcel, lot, [], site.rng)[0]:
        house = largest(shape.buffer(-1.2, join_style="mitre")).simplify(0.6)
        if house.area > 60 and site.rng.random() < 0.62:
            site.town.area(house, building="house")


def build_park(site: Site, block: Block) -> None:
    """A park with a loop path; one has a lake."""
    site.town.area(block.parcel, leisure="park", name=block.name)
    loop = largest(block.parcel.buffer(-20).simplify(2))
    site.town.way(loop.exterior, highway="footway")
    for gate, way in entrances(site, block, 4, loop.exterior):
        site.town.way(way, highway="footway")
        block.gates.append(gate)
    if block.name == LAKE_PARK:
        lake = largest(block.parcel.buffer(-58).buffer(25).simplify(2))
        site.town.area(lake, natural="water", water="lake", name="澄湖")
    else:
        site.town.way(cut_line(loop, 0.5, site.rng).intersection(loop), highway="footway")


def build_pocket(site: Site, block: Block) -> None:
    """A small green or a ball court, with a path in from one or two streets."""
    green = block.use == "pocket_park"
    site.town.area(block.parcel, leisure="park" if green else "pitch")
    for gate, way in entrances(site, block, 3 if green else 2, block.middle):
        site.town.way(way, highway="footway")
        block.gates.append(gate)


def build_island(site: Site, block: Block) -> None:
    """Streets that somebody drew and forgot to join: a deliberate flaw of the street file."""
    site.town.area(block.parcel, landuse="residential", name="沙湾安置房")
    loop = largest(block.parcel.buffer(-22)).simplify(2)
    cut = cut_line(loop, 0.0, site.rng).intersection(loop)
    site.town.way(loop.exterior, highway="residential", name="沙湾巷")
    site.town.way(cut, highway="living_street")
    for house in slabs(loop.buffer(-7) - cut.buffer(5), 30, 12, 12, 24):
        site.town.area(house, building="apartments")


def build_hill(town: Town, hill: Block, road: LineString) -> tuple[Polygon, list[Point]]:
    """Woods, three ways up with steps, a loop at half height. Returns the hill park and its gates."""
    top = ground(*PLAN["hilltop"])
    park = largest((hill.parcel & top.buffer(430)).buffer(-6).simplify(3))
    town.area(hill.parcel, natural="wood")
    town.area(park, leisure="park", name="云山公园")
    town.area(shapely.affinity.translate(top, -16, 9).buffer(6, quad_segs=2), building="pavilion", name="望云亭")
    gates, feet = [], [(340, 2415), (715, 2635), (910, 2960)]
    for k, (u, v) in enumerate(feet):
        foot = nearest_points(road, ground(u, v))[0]
        away = np.array(top.coords[0]) - np.array(foot.coords[0])
        square = np.array([-away[1], away[0]]) / np.hypot(*away)
        t = np.linspace(0, 1, 40)[:, None]
        path = LineString(np.array(foot.coords[0]) + t * away + square * 40 * np.sin(t * math.pi * (3 + k)) * (1 - t))
        for a, b, kind in (
            (0, 0.45, "footway"),
            (0.45, 0.6, "steps"),
            (0.6, 0.85, "footway"),
            (0.85, 1, "steps"),
        ):
            town.way(substring(path, a, b, normalized=True), highway=kind, surface="stone")
        gates.append(Point(shapely.get_coordinates(path.intersection(park.exterior))[0]))
    ring = [
        (PLAN["hilltop"][0] + r * math.cos(a), PLAN["hilltop"][1] + r * math.sin(a))
        for a in np.linspace(-2.4, 1.3, 30)
        for r in [200 + 20 * math.sin(3 * a)]
    ]
    town.way(draw(*ring).intersection(hill.parcel), highway="path", surface="ground")
    return park, gates


def build_rows(site: Site, block: Block, land: Tags, margin_m: float, *size: float) -> None:
    """Halls, shops and schools: a yard with rows of equal houses."""
    site.town.area(block.parcel, **land)
    kind = land.get("landuse", "school").replace("commercial", "retail")
    for house in slabs(block.parcel.buffer(-margin_m), *size):
        site.town.area(house, building=kind)


def fill_blocks(site: Site, blocks: list[Block]) -> None:
    """Build every block according to its use."""
    for block in blocks:
        if block.use == "compound":
            build_compound(site, block)
        elif block.use == "houses":
            build_houses(site, block)
        elif block.use == "park":
            build_park(site, block)
        elif block.use in ("pocket_park", "sports_ground"):
            build_pocket(site, block)
        elif block.use == "island":
            build_island(site, block)
        elif block.use == "fields":
            site.town.area(block.parcel, landuse="farmland")
        elif block.use == "works":
            build_rows(site, block, {"landuse": "industrial"}, 8, 70, 34, 22, 24)
        elif block.use == "shops":
            build_rows(site, block, {"landuse": "commercial"}, 8, 36, 22, 12, 16)
        elif block.use in SCHOOL_KINDS:
            build_rows(site, block, {"amenity": "school", "name": block.name}, 12, 44, 13, 24, 26)


def clear_ground(town: Town) -> None:
    """Take away houses that stand on a street or on another house."""
    houses = [shape for shape, tags in town.areas if "building" in tags]
    streets = STRtree([w.line for w in town.ways if "highway" in w.tags and w.level == 0])
    gone = set(streets.query(houses, "intersects")[0].tolist())
    gone |= {max(i, j) for i, j in STRtree(houses).query(houses, "overlaps").T.tolist()}
    lost = {id(houses[k]) for k in gone}
    town.areas = [(shape, tags) for shape, tags in town.areas if id(shape) not in lost]
