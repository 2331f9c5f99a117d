"""How make_sample.py writes its files: OSM XML, GeoJSON, CSV and GeoTIFF, the same bytes every time."""

from __future__ import annotations

import csv
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
import rasterio
import shapely
from pyproj import Transformer
from shapely import LineString, Point, Polygon, STRtree
from shapely.geometry.base import BaseGeometry

CRS = "EPSG:4549"
XY = tuple[float, float]
Tags = dict[str, str]


def lines(shape: BaseGeometry) -> list[LineString]:
    parts = (p for p in shapely.get_parts(shape) if p.geom_type in ("LineString", "LinearRing") and not p.is_empty)
    return [LineString(p.coords) for p in parts]


@dataclass
class Way:
    line: LineString
    tags: Tags
    level: int = 0
    """Ways meet only on their own level; bridges are 1, tunnels -1. Their ends join the ground."""


@dataclass
class Town:
    """Everything that goes into the street file."""

    ways: list[Way] = field(default_factory=list)
    areas: list[tuple[Polygon, Tags]] = field(default_factory=list)
    points: list[tuple[Point, Tags]] = field(default_factory=list)

    def way(self, line: BaseGeometry, level: int = 0, **tags: str) -> None:
        for part in lines(line):
            if part.length > 2:
                self.ways.append(Way(LineString(np.round(part.simplify(0.2).coords, 1)), tags, level))

    def area(self, shape: Polygon, **tags: str) -> None:
        self.areas.append((shape, tags))

    def point(self, place: Point, **tags: str) -> None:
        self.points.append((Point(np.round(place.coords, 1)), tags))


class Globe:
    """Metres to longitude and latitude, 7 decimals (about a centimetre)."""

    def __init__(self) -> None:
        self.transformer = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)

    def shape(self, shape: BaseGeometry) -> BaseGeometry:
        return shapely.transform(shape, lambda xy: np.round(np.column_stack(self.transformer.transform(*xy.T)), 7))

    def point(self, place: Point) -> XY:
        lon, lat = self.transformer.transform(place.x, place.y)
        return round(lon, 7), round(lat, 7)


def write_geojson(path: Path, rows: Iterable[tuple[BaseGeometry, dict[str, object]]]) -> None:
    """Rows are geometries in longitude and latitude with their properties; one feature a line."""
    features = [
        json.dumps(
            {"type": "Feature", "properties": p, "geometry": shapely.geometry.mapping(g)},
            ensure_ascii=False,
            separators=(",", ":"),
        )
        for g, p in rows
    ]
    path.write_text('{"type":"FeatureCollection","features":[\n' + ",\n".join(features) + "\n]}\n", encoding="utf-8")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(header)
        table.writerows(["" if cell is None else cell for cell in row] for row in rows)


def shared_nodes(town: Town) -> list[list[XY]]:
    """The vertices of every way, with one more wherever ways meet on the ground or a tagged point lies."""
    shapes = [w.line for w in town.ways]
    ends = [{line.coords[0], line.coords[-1]} for line in shapes]
    extra: dict[int, set[XY]] = defaultdict(set)
    tree, marks = STRtree(shapes), STRtree([place for place, _ in town.points])

    def near_marks(p: XY) -> set[XY]:
        return {town.points[k][0].coords[0] for k in marks.query(Point(p), "dwithin", 1.5)}

    for i, j in sorted(tree.query(shapes, "dwithin", 0.8).T.tolist()):
        if i == j or town.ways[j].level != 0:
            continue
        extra[j] |= {e for e in ends[i] if town.ways[i].level != 9 and shapes[j].distance(Point(e)) < 0.8}
        if i < j and town.ways[i].level == 0:
            met = {(round(x, 1), round(y, 1)) for x, y in shapely.get_coordinates(shapes[i].intersection(shapes[j]))}
            met = {p for p in met if all(math.dist(p, e) > 1.5 for e in ends[i] | ends[j] | near_marks(p))}
            extra[i] |= met
            extra[j] |= met
    for place, _ in town.points:
        for j in tree.query(place, "dwithin", 0.5).tolist():
            if town.ways[j].level == 0:
                extra[j].add(place.coords[0])
    return [with_vertices(line, sorted(extra[k] - set(line.coords))) for k, line in enumerate(shapes)]


def with_vertices(line: LineString, more: list[XY]) -> list[XY]:
    """The line's coordinates with more vertices slipped in where they belong."""
    coords = list(line.coords)
    steps = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(np.array(coords), axis=0).T))])
    keyed = [(float(d), k, c) for k, (d, c) in enumerate(zip(steps, coords, strict=True))]
    keyed += [(line.project(Point(c)), 1 if line.project(Point(c)) < 1e-6 else -1, c) for c in more]
    return [c for *_, c in sorted(keyed)]


def write_osm(path: Path, town: Town, globe: Globe) -> None:
    """OSM XML: nodes, then ways. Equal places (to a decimetre) are one node."""
    ids: dict[XY, int] = {}
    ways = [(shared, w.tags) for shared, w in zip(shared_nodes(town), town.ways, strict=True)]
    ways += [([(round(x, 1), round(y, 1)) for x, y in shape.exterior.coords], tags) for shape, tags in town.areas]
    refs = [[ids.setdefault((float(x), float(y)), len(ids) + 1) for x, y in coords] for coords, _ in ways]
    tagged = {place.coords[0]: tags for place, tags in town.points}
    lon, lat = np.round(globe.transformer.transform(*np.array(list(ids)).T), 7)
    out = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<osm version="0.6" generator="cfc_geo make_sample">',
        f'<bounds minlat="{lat.min():.7f}" minlon="{lon.min():.7f}"'
        f' maxlat="{lat.max():.7f}" maxlon="{lon.max():.7f}"/>',
    ]
    for (place, node), x, y in zip(ids.items(), lon, lat, strict=True):
        head = f'<node id="{node}" version="1" lat="{y:.7f}" lon="{x:.7f}"'
        out.append(f"{head}>{tag_xml(tagged[place])}</node>" if place in tagged else head + "/>")
    for number, ((_, tags), nodes) in enumerate(zip(ways, refs, strict=True), 1):
        chain = "".join(f'<nd ref="{a}"/>' for k, a in enumerate(nodes) if k == 0 or a != nodes[k - 1])
        out.append(f'<way id="{number}" version="1">{chain}{tag_xml(tags)}</way>')
    path.write_text("\n".join([*out, "</osm>", ""]), encoding="utf-8")


def tag_xml(tags: Tags) -> str:
    return "".join(f"<tag k={quoteattr(k)} v={quoteattr(v)}/>" for k, v in tags.items())


def write_tiff(path: Path, stack: np.ndarray, place: rasterio.Affine, names: Sequence[str], nodata: float) -> None:
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=len(stack),
        height=stack.shape[1],
        width=stack.shape[2],
        dtype="float32",
        crs=CRS,
        transform=place,
        nodata=nodata,
        compress="deflate",
    ) as file:
        file.write(stack)
        file.descriptions = tuple(names)
