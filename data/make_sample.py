"""Make the sample data: 示例区, a small fictional district in which nobody lives.

    python data/make_sample.py [--out DIR]

The town is drawn on a flat sheet of design coordinates (u metres east, v metres north), bent by a smooth
function so that no street is straight, and from then on worked on in metres (EPSG:4549). Vector files hold
WGS84 longitude and latitude. The same seed gives the same bytes.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import shapely
from rasterio.features import rasterize
from rasterio.transform import from_origin
from sample_town.blocks import (
    HOMES,
    WALKED,
    ZONES,
    Block,
    Site,
    assign_uses,
    build_hill,
    clear_ground,
    fill_blocks,
    lay_blocks,
    serve,
)
from sample_town.files import XY, Globe, Town, write_csv, write_geojson, write_osm, write_tiff
from sample_town.streets import (
    COMMUNITIES,
    PLAN,
    SCHOOLS,
    add_main_streets,
    add_river,
    add_signals,
    add_verges,
    draw_communities,
    draw_skeleton,
    frame,
    ground,
    largest,
)
from shapely import LineString, Point, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.ops import nearest_points

SEED = 339901
RESIDENTS = 120_000
BANDS = {
    "children 0-2": 0.024,
    "children 3-5": 0.032,
    "children 6-11": 0.068,
    "children 12-14": 0.031,
    "children 15-17": 0.026,
}
NODATA = -1.0
WITHOUT_HOME = ("澄湖社区", "东篱社区")
Spot = tuple[Block, Point]


@dataclass(frozen=True)
class Facility:
    kind: str
    name: str
    place: Point
    places: int | None = None


class Planner:
    """Gives facilities their places: at gates and beside streets, where most people are still without."""

    def __init__(self, blocks: list[Block], streets: BaseGeometry) -> None:
        self.homes = [b for b in blocks if b.inside and b.use in HOMES]
        self.streets, self.taken = streets, [Point(0, 0)]
        self.spots = [(b, p) for b in self.homes for p in self.doors(b)]

    def doors(self, block: Block) -> list[Point]:
        """Places just outside a block: beside its gates, or along the street if it has none."""
        ring = block.parcel.buffer(min(2.5, ZONES[block.zone].setback_m / 2)).exterior
        beside = [ring.project(gate) + side for gate in block.gates for side in (-6, 6)]
        places = [ring.interpolate(d % ring.length) for d in beside or np.arange(0, ring.length, 12)]
        return [p for p in places if self.streets.distance(p) < 30] or places

    def within(self, *subdistricts: int) -> list[Spot]:
        return [s for s in self.spots if COMMUNITIES[s[0].unit][1] in subdistricts]

    def choose(self, spots: list[Spot], n: int, reach_m: float, homes: list[Block] | None = None) -> list[Spot]:
        free = [(b, p) for b, p in spots if min(p.distance(t) for t in self.taken) > 10]
        chosen = [free[k] for k in serve([p for _, p in free], homes or self.homes, n, reach_m)]
        self.taken += [p for _, p in chosen]
        return chosen

    def place(self, kind: str, word: str = "", sizes: Sequence[int] = ()) -> list[Facility]:
        """The facilities of one kind, named after their communities; `sizes` are dealt out in turn."""
        spots = self.choose(self.spots, *PLAN["spread"][kind])
        names = numbered(f"{short(b.unit)}|{word or kind}" for b, _ in spots)
        return [
            Facility(kind, name, p, sizes[k * 7 % len(sizes)] if sizes else None)
            for k, ((_, p), name) in enumerate(zip(spots, names, strict=True))
        ]

    def one(self, kind: str, name: str, spots: list[Spot], reach_m: float, places: int | None = None) -> Facility:
        """One facility at the spot that suits the people of these blocks best; a school, those around it."""
        homes = [b for b in {id(b): b for b, _ in spots}.values() if b.use in HOMES]
        return Facility(kind, name, self.choose(spots, 1, reach_m, homes)[0][1], places)


def short(unit: int) -> str:
    return COMMUNITIES[unit][0].removesuffix("社区")


def numbered(names: Iterable[str]) -> list[str]:
    """The second of the same name becomes 第二, and so on, before the last word."""
    seen: dict[str, int] = defaultdict(int)
    out = []
    for name in names:
        place, kind = name.split("|")
        seen[name] += 1
        out.append(place + ("" if seen[name] == 1 else f"第{'零一二三四五六七八九'[seen[name]]}") + kind)
    return out


def place_schools(blocks: list[Block], district: Polygon, planner: Planner) -> list[Facility]:
    """Kindergartens and schools, with one kindergarten across the border and one listed twice."""
    small = planner.place("幼儿园", sizes=(90, 180, 180, 270, 270))
    small[9] = replace(small[9], places=None)
    outside = [b for b in blocks if b.use == "compound" and 5 < b.parcel.distance(district) < 200]
    twice = small[4]
    again = replace(twice, name=f"示例区{twice.name}（普惠）", place=Point(twice.place.x + 4, twice.place.y + 3))
    beyond = planner.choose([(b, p) for b in outside for p in planner.doors(b)], 1, 300)
    small += [Facility("幼儿园", "城郊幼儿园", beyond[0][1], 180), again]
    own = {b.name: b for b in blocks}
    schools = [own[name] for name, *_ in SCHOOLS]
    return small + [planner.one(b.use, b.name, [(b, p) for p in planner.doors(b)], 400, b.places) for b in schools]


def place_community(blocks: list[Block], town: Town, planner: Planner) -> list[Facility]:
    """Children's homes, reading rooms, culture and health."""
    out = []
    for unit, (name, _, zone, *_) in enumerate(COMMUNITIES):
        own = [s for s in planner.spots if s[0].unit == unit]
        if ZONES[zone].service and name not in WITHOUT_HOME:
            out.append(planner.one("儿童之家", f"{name}儿童之家", own, 300))
    out += planner.place("社区阅读站")
    hill = max((b for b in blocks if b.use == "hill"), key=lambda b: b.parcel.area)
    out.append(Facility("社区阅读站", "云山书屋", lonely_place(hill, town)))
    for name, numbers in (("示例区青少年活动中心", (3, 4, 5)), ("江南文化活动中心", (1,))):
        out.append(planner.one("文化活动中心", name, planner.within(*numbers), 750))
    out += planner.place("社区卫生服务站")
    for number, name in enumerate(PLAN["subdistricts"][:5], 1):
        out.append(planner.one("社区卫生服务中心", f"{name}社区卫生服务中心", planner.within(number), 800))
    return out


def lonely_place(hill: Block, town: Town) -> Point:
    """Somewhere on the hill 110 to 160 m from every path."""
    ways = shapely.union_all([w.line for w in town.ways if "highway" in w.tags])
    x, y = ground(*PLAN["hilltop"]).coords[0]
    spots = [
        Point(x + r * math.cos(a), y + r * math.sin(a)) for r in range(60, 400, 20) for a in np.arange(0, 6.28, 0.1)
    ]
    return next(p for p in spots if hill.parcel.buffer(-60).contains(p) and 110 < ways.distance(p) < 160)


def place_play(blocks: list[Block], planner: Planner) -> list[Facility]:
    """Playgrounds in courts, on corners and in parks; pocket parks and ball courts on their blocks."""
    courts = [(b, Point(b.middle.x + 5, b.middle.y + 5)) for b in planner.homes if b.parcel.area > 9000 and b.gates]
    corners = [(b, p) for b, p in planner.spots if b.use == "houses"]
    spots = planner.choose(courts + corners, *PLAN["spread"]["playground"])
    spots += [(b, nearest_points(b.parcel.buffer(-24), b.gates[0])[0]) for b in blocks if b.use == "park"]
    names = numbered(f"{short(b.unit)}|儿童游乐场" for b, _ in spots)
    out = [Facility("playground", name, p) for (_, p), name in zip(spots, names, strict=True)]
    for kind, word in (("pocket_park", "口袋公园"), ("sports_ground", "运动场")):
        own = [b for b in blocks if b.use == kind]
        names = numbered(f"{short(b.unit)}|{word}" for b in own)
        out += [Facility(kind, name, b.middle) for b, name in zip(own, names, strict=True)]
    return out


def write_units(path: Path, units: list[Polygon], globe: Globe) -> None:
    """Three levels; the upper ones are unions of the lower, so that borders agree to the last digit."""
    small = [globe.shape(u) for u in units]
    number = np.array([c[1] for c in COMMUNITIES])
    middle = [
        shapely.coverage_union_all([s for s, n in zip(small, number, strict=True) if n == k + 1])
        for k in range(len(PLAN["subdistricts"]))
    ]
    code = "339901{:03d}{:03d}".format
    rows: list[tuple[BaseGeometry, dict[str, object]]] = [
        (
            shapely.coverage_union_all(small),
            {"code": code(0, 0), "name": "示例区", "level": "区", "parent": None},
        )
    ]
    rows += [
        (
            shape,
            {"code": code(k, 0), "name": PLAN["subdistricts"][k - 1], "level": "街道", "parent": code(0, 0)},
        )
        for k, shape in enumerate(middle, 1)
    ]
    for k, (name, sub, *_) in enumerate(COMMUNITIES):
        place = code(sub, 1 + int((number[:k] == sub).sum()))
        rows.append((small[k], {"code": place, "name": name, "level": "社区", "parent": code(sub, 0)}))
    write_geojson(path, [(largest(shapely.normalize(shape)), row) for shape, row in rows])


def write_children(path: Path, blocks: list[Block], district: Polygon, rng: np.random.Generator) -> None:
    """Residents and children of five age bands on a 100 m grid, counted from 20 m squares of homes."""
    x0, y0, x1, y1 = (
        f(c / 100) * 100 for f, c in zip((math.floor,) * 2 + (math.ceil,) * 2, district.bounds, strict=True)
    )
    rows, cols = round((y1 - y0) / 100), round((x1 - x0) / 100)
    fine = from_origin(x0, y1, 20, 20)
    homes = [b for b in blocks if b.use in ("compound", "houses", "island")]
    at = rasterize(
        [(b.parcel, k + 1) for k, b in enumerate(homes)], (rows * 5, cols * 5), transform=fine, dtype="int32"
    )
    inside = rasterize([(district, 1)], (rows, cols), transform=from_origin(x0, y1, 100, 100), dtype="uint8") == 1
    density = np.array([0.0, *(ZONES[b.zone].density * rng.uniform(0.75, 1.25) for b in homes)])
    ages = np.array([[1.0] * len(BANDS), *(ZONES[b.zone].ages for b in homes)])
    people = density[at] * np.repeat(np.repeat(inside, 5, 0), 5, 1)
    people *= RESIDENTS / people.sum()

    def by_cell(values: np.ndarray) -> np.ndarray:
        exact = values.reshape(rows, 5, cols, 5).sum(axis=(1, 3))
        return np.floor(exact + rng.random(exact.shape))

    bands = []
    for k, share in enumerate(BANDS.values()):
        weighted = people * ages[at, k]
        bands.append(by_cell(weighted * (share * RESIDENTS / weighted.sum())))
    residents = np.maximum(by_cell(people), np.sum(bands, axis=0))
    stack = np.where(inside, np.stack([*bands, residents]), NODATA).astype("float32")
    write_tiff(path, stack, from_origin(x0, y1, 100, 100), [*BANDS, "residents"], NODATA)


def write_dem(path: Path, line: dict[str, LineString], sheet: Polygon) -> None:
    """Heights on a 30 m grid: a hill in the north-west, land that falls gently to the river."""
    x0, y0, x1, y1 = sheet.buffer(60).bounds
    rows, cols = math.ceil((y1 - y0) / 30), math.ceil((x1 - x0) / 30)
    x, y = np.meshgrid(x0 + 15 + 30 * np.arange(cols), y1 - 15 - 30 * np.arange(rows))
    top, to_river = ground(*PLAN["hilltop"]), shapely.distance(shapely.points(x, y), line["river"])
    far = np.hypot(x - top.x, y - top.y)
    spurs = 1 + 0.16 * np.sin(3 * np.arctan2(y - top.y, x - top.x) + 0.7)
    shoulder = 24 * np.exp(-((np.hypot(x - top.x + 230, y - top.y + 115) / 165) ** 2))
    hill = 105 * np.exp(-((far / (350 * spurs)) ** 2)) + shoulder
    plain = 31 + 7 * (1 - np.exp(-to_river / 60)) + 0.008 * to_river + 0.6 * np.sin(x / 150) * np.sin(y / 180)
    heights = np.round(np.where(to_river < 45, 30.0, plain + hill), 1)[None].astype("float32")
    write_tiff(path, heights, from_origin(x0, y1, 30, 30), ["height above sea level, m"], -9999.0)


def write_facilities(
    folder: Path, lists: dict[str, list[Facility]], parks: list[tuple[str, Polygon, list[Point]]], globe: Globe
) -> None:
    """The facility lists as several offices would keep them."""

    def lay_out(prefix: str) -> list[tuple[str, Facility, XY]]:
        return [(f"{prefix}{k:03d}", f, globe.point(f.place)) for k, f in enumerate(lists[prefix], 1)]

    def runs_it(number: str, f: Facility) -> str:
        return "民办" if f.kind == "幼儿园" and int(number[1:]) % 4 == 0 else "公办"

    write_csv(
        folder / "schools.csv",
        ["编号", "名称", "类型", "经度", "纬度", "学位", "办园性质"],
        [(number, f.name, f.kind, *at, f.places, runs_it(number, f)) for number, f, at in lay_out("S")],
    )
    write_csv(
        folder / "childcare.csv",
        ["编号", "名称", "经度", "纬度", "托位数"],
        [(number, f.name, *at, f.places) for number, f, at in lay_out("T")],
    )
    write_csv(
        folder / "community.csv",
        ["编号", "名称", "类型", "经度", "纬度"],
        [(number, f.name, f.kind, *at) for number, f, at in lay_out("C")],
    )
    write_geojson(
        folder / "play.geojson",
        [(Point(at), {"id": number, "name": f.name, "kind": f.kind}) for number, f, at in lay_out("Y")],
    )
    write_geojson(
        folder / "parks.geojson",
        [
            (globe.shape(shape), {"id": f"P{k:03d}", "name": name, "area_m2": round(shape.area)})
            for k, (name, shape, _) in enumerate(parks, 1)
        ],
    )
    write_geojson(
        folder / "park_gates.geojson",
        [
            (Point(globe.point(gate)), {"park_id": f"P{k:03d}", "name": f"{name}{n}号门"})
            for k, (name, _, gates) in enumerate(parks, 1)
            for n, gate in enumerate(gates, 1)
        ],
    )


def make_sample(out: Path) -> None:
    """Draw the town, settle it, and write every file."""
    rng = np.random.default_rng(SEED)
    globe, town = Globe(), Town()
    for folder in ("boundaries", "streets", "population", "facilities", "terrain"):
        (out / folder).mkdir(parents=True, exist_ok=True)

    sheet, line = frame(), draw_skeleton()
    units = draw_communities(line)
    district = shapely.union_all(units)
    axes, median = add_main_streets(town, line, sheet)
    water, riverside = add_river(town, line, sheet)
    add_verges(town, line, sheet, water)
    town.area(riverside, leisure="park", name="江滨公园")

    blocks = lay_blocks(town, axes, median, line, units, sheet, rng)
    assign_uses(blocks, district, rng)
    streets = shapely.union_all([w.line for w in town.ways if w.tags.get("highway") in WALKED] + [a for a, _ in axes])
    fill_blocks(Site(town, streets, median, rng), blocks)
    hill = max((b for b in blocks if b.zone == "hill"), key=lambda b: b.shape.area)
    hill_park, hill_gates = build_hill(town, hill, line["环山路"])
    add_signals(town)
    clear_ground(town)

    planner = Planner(blocks, streets)
    lists = {"S": place_schools(blocks, district, planner)}
    lists["T"] = planner.place("托育机构", "托育园", (15, 20, 20, 25, 30, 40))
    lists["T"][6] = replace(lists["T"][6], places=None)
    lists["C"] = place_community(blocks, town, planner)
    lists["Y"] = place_play(blocks, planner)
    parks = [(b.name, b.parcel, b.gates) for b in blocks if b.use == "park"]
    parks += [("云山公园", hill_park, hill_gates), ("江滨公园", riverside, [])]

    write_units(out / "boundaries/units.geojson", units, globe)
    write_osm(out / "streets/streets.osm", town, globe)
    write_children(out / "population/children.tif", blocks, district, rng)
    write_dem(out / "terrain/dem.tif", line, sheet)
    write_facilities(out / "facilities", lists, parks, globe)


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the sample data of the fictional district 示例区.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder to write into")
    make_sample(parser.parse_args().out)


if __name__ == "__main__":
    main()
