"""OpenStreetMap files (.osm, .osm.pbf) → walkable segments, facilities with their gates, and the map's backdrop.

Everything is in degrees (EPSG:4326). Which ways are walkable is ruled by `walkable.py`. Ways meet only where they share
a node: a bridge does not meet the street under it, and two nodes at one place are two places. Of pedestrian squares
(area=yes, or a multipolygon) the outline is walkable: an assumption, since walkers may also cross them.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo import catalog
from cfc_geo.errors import Findings
from cfc_geo.inputs import pbf_guard, xml_guard
from cfc_geo.inputs.opl import Bounds, RawOsm, RawWays, read_raw
from cfc_geo.inputs.street_tags import STREET_TAGS
from cfc_geo.inputs.walkable import (
    Tags,
    crossing_of_node,
    crossing_of_way,
    is_closed_barrier,
    is_private,
    is_true,
    is_tunnel,
    is_walkable,
    walking_directions,
)
from cfc_geo.tables import BACKDROP_COLUMNS, GROUND_COLUMNS, STREET_COLUMNS

CRS = "EPSG:4326"
LAYERS = frozenset({"streets", "facilities", "backdrop"})

AREA_THEMES = {
    "water": {"natural": {"water"}, "waterway": {"riverbank", "dock"}, "landuse": {"reservoir", "basin"}},
    "green": {
        "leisure": {"park", "garden", "nature_reserve", "recreation_ground", "golf_course"},
        "landuse": {"grass", "forest", "recreation_ground", "meadow", "village_green", "orchard"},
        "natural": {"wood", "scrub", "grassland", "heath"},
    },
}
AREA_KEYS = frozenset({"building", *(key for values in AREA_THEMES.values() for key in values)})
WATER_LINES = frozenset({"river", "canal"})
RAILS = frozenset({"rail", "light_rail", "subway"})
FAST_ROADS = frozenset({"motorway", "motorway_link", "trunk", "trunk_link"})
AREA_RELATIONS = frozenset({"multipolygon", "boundary"})
SIDES = frozenset({"sidewalk:both", "sidewalk:left", "sidewalk:right"})
PRESENT = ("yes", "separate")
"""What says that a side has a footway, beside the road or mapped as a way of its own."""
GATES = frozenset({"gate", "entrance", "swing_gate", "sliding_gate", "lift_gate", "kissing_gate"})
NOT_AN_ENTRANCE = frozenset({"no", "exit", "emergency", "garage", "service"})


@dataclass(frozen=True, eq=False)
class OsmLayers:
    """What an OSM file holds, in EPSG:4326; layers that were not wanted are empty.

    streets     `tables.STREET_COLUMNS`, lines; `length_m` is NaN: lengths are measured after projecting
    nodes       node_id, x, y (longitude, latitude), crossing and barrier ("" = none): the ends of `streets`
    facilities  facility_id ("n1", "w1", "r1"), kind, name, capacity (NaN unknown); points or polygons
    entrances   facility_id; points: mapped gates and entrances on the outline of a facility
    backdrop    theme (water, green, rail, building, road), name; lines and polygons
    ground      `tables.GROUND_COLUMNS`, polygons: buildings, residential land, land where nobody lives; if wanted
    """

    streets: gpd.GeoDataFrame
    nodes: pd.DataFrame
    facilities: gpd.GeoDataFrame
    entrances: gpd.GeoDataFrame
    backdrop: gpd.GeoDataFrame
    ground: gpd.GeoDataFrame


def read_osm(
    path: Path, file: str, findings: Findings, *, bbox: Bounds | None = None, layers: Collection[str] = LAYERS
) -> OsmLayers | None:
    """The wanted layers of an OSM file; None, with an error among the findings, if it cannot be read.

    `file` is the name used in messages. With `bbox` (west, south, east, north in degrees) only what overlaps it is
    kept; segments stay whole. Whether the file is XML or PBF is decided by its content.
    """
    raw = _read(path, file, findings, bbox, layers)
    if raw is None:
        return None
    streets, nodes = _streets(raw, file, findings) if "streets" in layers else _no_streets()
    shapes = _relation_shapes(raw)
    facilities, entrances = _facilities(raw, shapes, file, findings) if "facilities" in layers else _no_facilities()
    backdrop = _backdrop(raw, shapes) if "backdrop" in layers else _backdrop_frame([], [], [])
    ground = _ground(raw, shapes) if "ground" in layers else _ground_frame([], [])
    if bbox is not None:
        streets, facilities, backdrop, ground = (
            _overlapping(frame, bbox) for frame in (streets, facilities, backdrop, ground)
        )
        nodes = nodes[nodes["node_id"].isin(np.union1d(streets["from_node"], streets["to_node"]))]
        entrances = entrances[entrances["facility_id"].isin(facilities["facility_id"])]
    if "streets" in layers and streets.empty:
        findings.warning("osm.no_streets", file)
    entrances = entrances.reset_index(drop=True)
    return OsmLayers(streets, nodes.reset_index(drop=True), facilities, entrances, backdrop, ground)


def read_areas(path: Path, keys: Sequence[str]) -> tuple[list[Tags], np.ndarray]:
    """Tags and polygons (EPSG:4326) of the closed ways and area relations of an XML file that carry one of `keys`.

    Raises OSError, RuntimeError or ValueError for what cannot be read.
    """
    raw = read_raw(path, "xml", keys, wanted=lambda tags: tags.get("type") in AREA_RELATIONS, bbox=None)
    shapes = _relation_shapes(raw)
    areas = [*_polygons(raw.ways, range(len(raw.ways.ids))), *(shapes[relation.id] for relation in raw.relations)]
    tags = [*raw.ways.tags, *(relation.tags for relation in raw.relations)]
    drawn = [at for at, area in enumerate(areas) if area is not None]
    return [tags[at] for at in drawn], _shapes([areas[at] for at in drawn])


def kind_of(tags: Tags) -> str:
    """The kind of facility an object is ("" none): of the matching tag sets the one with most pairs, then the first."""
    if _kind_keys().isdisjoint(tags):
        return ""
    for kind, pairs in _tag_sets():
        if all(tags.get(key) == value or (value == "*" and key in tags) for key, value in pairs):
            return kind
    return ""


# ---------------------------------------------------------------------------------------------------------- reading


def _read(path: Path, file: str, findings: Findings, bbox: Bounds | None, layers: Collection[str]) -> RawOsm | None:
    try:
        with path.open("rb") as stream:
            file_format = "pbf" if b"OSMHeader" in stream.read(64) else "xml"
        if reason := (pbf_guard if file_format == "pbf" else xml_guard).refusal(path):
            findings.error("osm.unreadable", file, reason=reason)
            return None
        wanted = _is_wanted_or_ground if "ground" in layers else _is_wanted_relation
        return read_raw(path, file_format, _keys(layers), wanted=wanted, bbox=bbox)
    except (OSError, RuntimeError, ValueError) as error:
        findings.error("osm.unreadable", file, reason=_first_line(error, path, file))
        return None


def _first_line(error: Exception, path: Path, file: str) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0].replace(str(path.resolve()), file).replace(str(path), file)


def _keys(layers: Collection[str]) -> list[str]:
    """Tag keys an object needs one of to matter to the wanted layers."""
    keys = {
        "streets": ["highway", "barrier", "crossing"],
        "facilities": ["entrance", "barrier", *(key for _, pairs in _tag_sets() for key, _ in pairs)],
        "backdrop": [*AREA_KEYS, "railway", "highway"],
        "ground": ["building", *(key for tags in catalog.ground().themes.values() for key in tags)],
    }
    return sorted({key for layer in layers for key in keys[layer]})


def _is_wanted_relation(tags: Tags) -> bool:
    if tags.get("type") not in AREA_RELATIONS:
        return False
    return bool(kind_of(tags) or _area_theme(tags)) or _is_square(tags)


def _is_wanted_or_ground(tags: Tags) -> bool:
    return _is_wanted_relation(tags) or (tags.get("type") in AREA_RELATIONS and bool(_ground_theme(tags)))


def _is_square(tags: Tags) -> bool:
    return tags.get("type") == "multipolygon" and is_walkable(tags)


# ---------------------------------------------------------------------------------------------------------- streets


@dataclass(frozen=True, eq=False)
class _Runs:
    """Walkable stretches of known vertices. A way with a gap in it gives two runs. `run` and `way` are per vertex;
    `place` is the vertex's place in its way."""

    refs: np.ndarray
    xy: np.ndarray
    way: np.ndarray
    run: np.ndarray
    place: np.ndarray


def _streets(raw: RawOsm, file: str, findings: Findings) -> tuple[gpd.GeoDataFrame, pd.DataFrame]:
    """Walkable ways, cut where they meet, at crossings and at barriers; and the ends of the pieces."""
    ways, directions = _walkable_ways(raw, file, findings)
    runs = _known_runs(ways, file, findings)
    points = {ref: tags for ref, tags in zip(raw.nodes.ids, raw.nodes.tags, strict=True) if _is_point_of_interest(tags)}
    closed = np.array([ref for ref, tags in points.items() if is_closed_barrier(tags)], dtype=np.int64)
    first, last = _cut(runs, np.array(list(points), dtype=np.int64))
    ends, nodes = _ends(runs, first, last, closed, points)
    if shut := len(set(runs.refs[np.isin(runs.refs, closed)].tolist())):
        findings.note("osm.gates_closed", file, count=shut)
    return _segments(ways, directions, runs, first, last, ends), nodes


def _walkable_ways(raw: RawOsm, file: str, findings: Findings) -> tuple[RawWays, np.ndarray]:
    """Ways that may be walked, with their directions (forward, backward).

    Outlines of pedestrian squares drawn as multipolygons are among them, tagged as the square.
    """
    directions = np.array([walking_directions(tags) for tags in raw.ways.tags], dtype=bool).reshape(-1, 2)
    walkable = directions.any(axis=1)
    if private := sum(is_private(raw.ways.tags[at]) for at in np.flatnonzero(~walkable).tolist()):
        findings.note("osm.private", file, count=private)
    ways, directions = raw.ways.take(np.flatnonzero(walkable)), directions[walkable]
    squares = {way: relation.tags for relation in raw.relations if _is_square(relation.tags) for way in relation.ways}
    outlines = np.isin(raw.members.ids, list(squares)) & ~np.isin(raw.members.ids, ways.ids)
    if outlines.any():
        added = raw.members.take(np.flatnonzero(outlines))
        ways = _appended(ways, added, [{**squares[way], "area": "yes"} for way in added.ids.tolist()])
        directions = np.concatenate((directions, np.ones((len(added.ids), 2), dtype=bool)))
    if areas := sum("area" in tags and is_true(tags["area"]) for tags in ways.tags):
        findings.note("osm.squares", file, count=areas)
    return ways, directions


def _appended(ways: RawWays, added: RawWays, tags: Iterable[Tags]) -> RawWays:
    return RawWays(
        np.concatenate((ways.ids, added.ids)),
        [*ways.tags, *tags],
        np.concatenate((ways.start, ways.start[-1] + added.start[1:])),
        np.concatenate((ways.refs, added.refs)),
        np.concatenate((ways.xy, added.xy)),
    )


def _known_runs(ways: RawWays, file: str, findings: Findings) -> _Runs:
    """The vertices of `ways` without unknown ones and immediate repeats."""
    counts = np.diff(ways.start)
    way = np.repeat(np.arange(len(counts)), counts)
    at = np.arange(len(way)) - np.repeat(ways.start[:-1], counts)
    known = ~np.isnan(ways.xy[:, 0])
    if incomplete := len(np.unique(way[~known])):
        findings.note("osm.incomplete", file, count=incomplete)
    follows = (at > 0) & np.concatenate(([False], known[:-1]))
    repeat = (at > 0) & np.concatenate(([False], ways.refs[1:] == ways.refs[:-1]))
    run = np.cumsum(known & ~follows)
    keep = known & ~repeat
    return _Runs(ways.refs[keep], ways.xy[keep], way[keep], run[keep], at[keep])


def _is_point_of_interest(tags: Tags) -> bool:
    return "barrier" in tags or bool(crossing_of_node(tags))


def _cut(runs: _Runs, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions (into the vertices) of the first and last vertex of every segment."""
    _, number, uses = np.unique(runs.refs, return_inverse=True, return_counts=True)
    new_run = np.concatenate(([True], runs.run[1:] != runs.run[:-1]))[: len(runs.refs)]
    is_end = new_run | np.concatenate((new_run[1:], [True]))[: len(runs.refs)]
    cut = np.flatnonzero(is_end | (uses[number] > 1) | np.isin(runs.refs, points))
    joined = runs.run[cut[:-1]] == runs.run[cut[1:]]
    return cut[:-1][joined], cut[1:][joined]


def _ends(
    runs: _Runs, first: np.ndarray, last: np.ndarray, closed: np.ndarray, points: Mapping[int, Tags]
) -> tuple[np.ndarray, pd.DataFrame]:
    """From- and to-node of every segment (two columns), and the node table.

    At a closed barrier every segment gets an end of its own: the first keeps the node's id, the others get new ones.
    """
    at = np.column_stack((first, last)).ravel()
    refs = runs.refs[at]
    ids = refs.copy()
    shut = np.flatnonzero(np.isin(refs, closed))
    again = shut[pd.Series(refs[shut]).duplicated().to_numpy()]
    ids[again] = max(int(refs.max()), 0) + 1 + np.arange(len(again)) if len(again) else ids[again]
    node_ids, where = np.unique(ids, return_index=True)
    known = np.flatnonzero(np.isin(refs[where], np.array(list(points), dtype=np.int64)))
    tags = [points[ref] for ref in refs[where[known]].tolist()]
    crossing, barrier = np.full((2, len(node_ids)), "", dtype=object)
    crossing[known] = [crossing_of_node(of_node) for of_node in tags]
    barrier[known] = [of_node.get("barrier", "") for of_node in tags]
    xy = runs.xy[at[where]]
    nodes = pd.DataFrame(
        {"node_id": node_ids, "x": xy[:, 0], "y": xy[:, 1], "crossing": _text(crossing), "barrier": _text(barrier)}
    )
    return ids.reshape(-1, 2), nodes


def _segments(
    ways: RawWays, directions: np.ndarray, runs: _Runs, first: np.ndarray, last: np.ndarray, ends: np.ndarray
) -> gpd.GeoDataFrame:
    """One row a segment. Its id is the way's and the place in the way where it starts ("w12.0" is the beginning of way
    12), so that it does not depend on where the extract was cut."""
    way = runs.way[first]
    of_way = {
        "highway": [tags["highway"] for tags in ways.tags],
        "name": [_name(tags) for tags in ways.tags],
        "maxspeed": [tags.get("maxspeed", "") for tags in ways.tags],
        "lanes": [tags.get("lanes", "") for tags in ways.tags],
        "sidewalk": [_sidewalk(tags) for tags in ways.tags],
        "crossing": [crossing_of_way(tags) for tags in ways.tags],
        **{column: [read(tags) for tags in ways.tags] for column, read in STREET_TAGS.items()},
    }
    yes_or_no = {
        "bridge": ["bridge" in tags and is_true(tags["bridge"]) for tags in ways.tags],
        "tunnel": [is_tunnel(tags) for tags in ways.tags],
        "steps": [tags["highway"] == "steps" for tags in ways.tags],
    }
    names = zip(ways.ids[way].tolist(), runs.place[first].tolist(), strict=True)
    columns: dict[str, Any] = {
        "street_id": _text([f"w{of_way}.{at}" for of_way, at in names]),
        "from_node": ends[:, 0],
        "to_node": ends[:, 1],
        "length_m": np.full(len(way), np.nan),
        "forward": directions[way, 0],
        "backward": directions[way, 1],
        **{column: _text(values)[way] for column, values in of_way.items()},
        **{column: np.array(values, dtype=bool)[way] for column, values in yes_or_no.items()},
    }
    return gpd.GeoDataFrame(
        {column: columns[column] for column in STREET_COLUMNS}, geometry=_lines(runs.xy, first, last), crs=CRS
    )


def _lines(xy: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """One line for the vertices `first[i]` to `last[i]`, both included."""
    counts = last - first + 1
    offset = np.concatenate(([0], np.cumsum(counts)))[:-1]
    flat = np.repeat(first - offset, counts) + np.arange(int(counts.sum()))
    lines: np.ndarray = shapely.linestrings(xy[flat], indices=np.repeat(np.arange(len(counts)), counts))
    return lines


def _sidewalk(tags: Tags) -> str:
    """`sidewalk`, or what it, sidewalk:both, sidewalk:left and sidewalk:right say together ("" untagged). A side's own
    tag goes first; "separate" is of both sides."""
    whole = tags.get("sidewalk:both") or tags.get("sidewalk", "")
    if SIDES.isdisjoint(tags):
        return whole
    by_side = {"both": ("yes", "yes"), "left": ("yes", "no"), "right": ("no", "yes")}.get(whole, (whole, whole))
    left, right = (tags.get(f"sidewalk:{side}") or of for side, of in zip(("left", "right"), by_side, strict=True))
    match left in PRESENT, right in PRESENT:
        case True, True:
            return "separate" if left == right == "separate" else "both"
        case True, False:
            return "left"
        case False, True:
            return "right"
    return left or right


# ------------------------------------------------------------------------------------------------------- facilities


@cache
def _tag_sets() -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    """(kind, pairs) of every tag set of the catalogue, the most specific first."""
    sets = [(kind.id, tuple(pairs.items())) for kind in catalog.kinds().values() for pairs in kind.osm]
    return tuple(sorted(sets, key=lambda tag_set: -len(tag_set[1])))


@cache
def _kind_keys() -> frozenset[str]:
    """The tag keys that decide on a kind; most objects have none of them."""
    return frozenset(key for _, pairs in _tag_sets() for key, _ in pairs)


@dataclass(frozen=True)
class _Found:
    """A facility as mapped: its shape (None where its outline is incomplete) and the nodes of its outline."""

    id: str
    kind: str
    tags: Tags
    shape: Any
    refs: np.ndarray
    xy: np.ndarray


def _facilities(
    raw: RawOsm, shapes: Mapping[int, Any], file: str, findings: Findings
) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Facilities of the catalogue's kinds, and the gates on their outlines.

    An outline that is not closed or partly unknown becomes a point amid its known nodes; where none is known, the
    facility is left out. Both are reported. A way that draws the outline of a facility relation of the same kind is
    that facility, not another one.
    """
    found = [*_node_facilities(raw), *_way_facilities(raw), *_relation_facilities(raw, shapes)]
    open_outline = [facility for facility in found if facility.shape is None]
    if open_outline:
        findings.warning(
            "osm.outline_open", file, count=len(open_outline), ids=[facility.id for facility in open_outline]
        )
    placed = [facility for facility in found if facility.shape is not None or not np.isnan(facility.xy).all()]
    positions = [_middle(facility.xy) if facility.shape is None else facility.shape for facility in placed]
    return _facility_frame(placed, positions), _entrances(raw, placed)


def _node_facilities(raw: RawOsm) -> list[_Found]:
    nodes = zip(raw.nodes.ids, raw.nodes.tags, raw.nodes.xy, strict=True)
    none = np.zeros(0, dtype=np.int64)
    return [
        _Found(f"n{node}", kind, tags, None if np.isnan(xy).any() else shapely.Point(xy), none, xy[None])
        for node, tags, xy in nodes
        if (kind := kind_of(tags))
    ]


def _way_facilities(raw: RawOsm) -> list[_Found]:
    kinds = [kind_of(tags) for tags in raw.ways.tags]
    drawn = {(way, kind_of(relation.tags)) for relation in raw.relations for way in relation.ways}
    ids = raw.ways.ids.tolist()
    ways = [at for at, kind in enumerate(kinds) if kind and (ids[at], kind) not in drawn]
    found = zip(ways, _polygons(raw.ways, ways), strict=True)
    return [
        _Found(f"w{ids[at]}", kinds[at], raw.ways.tags[at], shape, *_outline(raw.ways, [at])) for at, shape in found
    ]


def _relation_facilities(raw: RawOsm, shapes: Mapping[int, Any]) -> list[_Found]:
    position = {way: at for at, way in enumerate(raw.members.ids.tolist())}
    return [
        _Found(
            f"r{relation.id}",
            kind,
            relation.tags,
            shapes[relation.id],
            *_outline(raw.members, [position[way] for way in relation.ways if way in position]),
        )
        for relation in raw.relations
        if (kind := kind_of(relation.tags))
    ]


def _outline(ways: RawWays, positions: Iterable[int]) -> tuple[np.ndarray, np.ndarray]:
    """Node ids and coordinates of these ways, one after the other."""
    slices = [ways.vertices(at) for at in positions]
    refs = [ways.refs[part] for part in slices] or [np.zeros(0, dtype=np.int64)]
    xy = [ways.xy[part] for part in slices] or [np.zeros((0, 2))]
    return np.concatenate(refs), np.concatenate(xy)


def _middle(xy: np.ndarray) -> Any:
    return shapely.Point(np.nanmean(xy, axis=0))


def _facility_frame(found: list[_Found], shapes: list[Any]) -> gpd.GeoDataFrame:
    columns = {
        "facility_id": _text(facility.id for facility in found),
        "kind": _text(facility.kind for facility in found),
        "name": _text(_name(facility.tags) for facility in found),
        "capacity": np.array([_capacity(facility.tags) for facility in found], dtype=float),
    }
    return gpd.GeoDataFrame(columns, geometry=_shapes(shapes), crs=CRS)


def _capacity(tags: Tags) -> float:
    """The tag `capacity` as a number ≥ 0; NaN if it is none."""
    try:
        number = float(tags.get("capacity", ""))
    except ValueError:
        return float("nan")
    return number if np.isfinite(number) and number >= 0 else float("nan")


def _entrances(raw: RawOsm, found: list[_Found]) -> gpd.GeoDataFrame:
    """Mapped entrances and gates that are nodes of a facility's outline, once for each facility they open."""
    nodes = zip(raw.nodes.ids, raw.nodes.tags, raw.nodes.xy, strict=True)
    gates = {node: xy for node, tags, xy in nodes if _is_entrance(tags)}
    owned = [
        (facility.id, gates[ref])
        for facility in found
        if facility.shape is not None
        for ref in dict.fromkeys(facility.refs.tolist())
        if ref in gates
    ]
    points = [shapely.Point(xy) for _, xy in owned]
    return gpd.GeoDataFrame({"facility_id": _text(owner for owner, _ in owned)}, geometry=_shapes(points), crs=CRS)


def _is_entrance(tags: Tags) -> bool:
    """Whether visitors get in here: a private gate counts (schools' gates are), one marked no or locked does not."""
    if "no" in (tags.get("foot"), tags.get("access")) or tags.get("locked") == "yes":
        return False
    if "entrance" in tags:
        return tags["entrance"] not in NOT_AN_ENTRANCE
    return tags.get("barrier") in GATES


# --------------------------------------------------------------------------------------------------------- backdrop


def _backdrop(raw: RawOsm, shapes: Mapping[int, Any]) -> gpd.GeoDataFrame:
    """Water, green, rails on the surface, buildings, and roads that cannot be walked."""
    ways = raw.ways
    drawn = {(way, _area_theme(relation.tags)) for relation in raw.relations for way in relation.ways}
    tagged = list(zip(ways.ids.tolist(), ways.tags, _is_ring(ways).tolist(), strict=True))
    area_themes = [_area_theme(tags) if ring else "" for _, tags, ring in tagged]
    areas = [at for at, theme in enumerate(area_themes) if theme and (tagged[at][0], theme) not in drawn]
    lines = [at for at, theme in enumerate(area_themes) if not theme and _line_theme(tagged[at][1])]
    relations = [of for of in raw.relations if shapes[of.id] is not None and _area_theme(of.tags)]
    themes = [
        *(area_themes[at] for at in areas),
        *(_line_theme(tagged[at][1]) for at in lines),
        *(_area_theme(relation.tags) for relation in relations),
    ]
    names = [_name(tags) for tags in (*(tagged[at][1] for at in (*areas, *lines)), *(of.tags for of in relations))]
    geometry = [*_polygons(ways, areas), *_polylines(ways, lines), *(shapes[relation.id] for relation in relations)]
    return _backdrop_frame(themes, names, geometry)


def _backdrop_frame(themes: list[str], names: list[str], geometry: list[Any]) -> gpd.GeoDataFrame:
    drawn = [shape is not None for shape in geometry]
    columns = dict(zip(BACKDROP_COLUMNS, (_text(themes)[drawn], _text(names)[drawn]), strict=True))
    return gpd.GeoDataFrame(columns, geometry=_shapes(geometry)[drawn], crs=CRS)


def _area_theme(tags: Tags) -> str:
    """What a closed outline with these tags shows on the map ("" nothing)."""
    if AREA_KEYS.isdisjoint(tags):
        return ""
    if tags.get("building", "no") != "no":
        return "building"
    for theme, values in AREA_THEMES.items():
        if any(tags.get(key) in of_key for key, of_key in values.items()):
            return theme
    return ""


def _line_theme(tags: Tags) -> str:
    """What a line with these tags shows on the map ("" nothing); what runs underground is not shown."""
    if tags.get("waterway") in WATER_LINES:
        theme = "water"
    elif tags.get("railway") in RAILS:
        theme = "rail"
    elif tags.get("highway") in FAST_ROADS and not is_walkable(tags):
        theme = "road"
    else:
        return ""
    below = is_true(tags.get("tunnel")) or tags.get("location") == "underground"
    return "" if below or tags.get("layer", "").startswith("-") else theme


# ----------------------------------------------------------------------------------------------------------- ground


def _ground(raw: RawOsm, shapes: Mapping[int, Any]) -> gpd.GeoDataFrame:
    """Buildings, residential land and land where nobody lives, as polygons."""
    ways = raw.ways
    drawn = {(way, _ground_theme(of.tags)) for of in raw.relations if shapes[of.id] is not None for way in of.ways}
    themes = [_ground_theme(tags) if ring else "" for tags, ring in zip(ways.tags, _is_ring(ways), strict=True)]
    areas = [at for at, theme in enumerate(themes) if theme and (int(ways.ids[at]), theme) not in drawn]
    relations = [of for of in raw.relations if shapes[of.id] is not None and _ground_theme(of.tags)]
    tags = [*(ways.tags[at] for at in areas), *(of.tags for of in relations)]
    return _ground_frame(tags, [*_polygons(ways, areas), *(shapes[of.id] for of in relations)])


def _ground_frame(tags: Sequence[Tags], geometry: Sequence[Any]) -> gpd.GeoDataFrame:
    drawn = [shape is not None for shape in geometry]
    theme, use = _text(map(_ground_theme, tags)), _text(of.get("building", of.get("landuse", "")) for of in tags)
    levels = np.array([_levels(of) for of in tags], dtype=float)
    columns = dict(zip(GROUND_COLUMNS, (theme[drawn], use[drawn], levels[drawn]), strict=True))
    return gpd.GeoDataFrame(columns, geometry=_shapes(geometry)[drawn], crs=CRS)


def _ground_theme(tags: Tags) -> str:
    """building, residential, or a theme of the catalogue's ground ("" none)."""
    if tags.get("building", "no") != "no":
        return "building"
    if tags.get("landuse") == "residential":
        return "residential"
    for theme, values in catalog.ground().themes.items():
        if any(tags.get(key) in of_key for key, of_key in values.items()):
            return theme
    return ""


def _levels(tags: Tags) -> float:
    """The tag `building:levels` as a number above 0; NaN if it is none."""
    try:
        number = float(tags.get("building:levels", ""))
    except ValueError:
        return float("nan")
    return number if np.isfinite(number) and number > 0 else float("nan")


# ----------------------------------------------------------------------------------------------------------- shapes


def _relation_shapes(raw: RawOsm) -> dict[int, Any]:
    """The area of every relation, from the lines of its ways whatever their roles say; None where they do not close."""
    known = np.flatnonzero(~_has_gap(raw.members) & (np.diff(raw.members.start) >= 2))
    position = {way: at for at, way in enumerate(raw.members.ids[known].tolist())}
    listed = [
        (row, position[way])
        for row, relation in enumerate(raw.relations)
        for way in dict.fromkeys(relation.ways)
        if way in position
    ]
    shapes = np.full(len(raw.relations), None, dtype=object)
    if listed:
        rows, members = np.array(listed).T
        lines = _polylines(raw.members, known.tolist())
        bundles = shapely.multilinestrings(lines[members], indices=np.unique(rows, return_inverse=True)[1])
        areas = shapely.build_area(shapely.node(bundles))
        shapes[np.unique(rows)] = np.where(shapely.is_empty(areas), None, areas)
    return {relation.id: shape for relation, shape in zip(raw.relations, shapes, strict=True)}


def _polygons(ways: RawWays, positions: Sequence[int]) -> np.ndarray:
    """The polygons drawn by these ways; None where a way is not closed, has unknown nodes or encloses nothing."""
    chosen = ways.take(np.array(positions, dtype=np.int64))
    ring = np.flatnonzero(_is_ring(chosen))
    polygons = np.full(len(chosen.ids), None, dtype=object)
    rings = chosen.take(ring)
    if len(ring):
        owner = np.repeat(np.arange(len(ring)), np.diff(rings.start))
        drawn = shapely.polygons(shapely.linearrings(rings.xy, indices=owner))
        polygons[ring] = np.where(shapely.area(drawn) > 0, drawn, None)
    return polygons


def _polylines(ways: RawWays, positions: Sequence[int]) -> np.ndarray:
    """The lines drawn by the known nodes of these ways; None where fewer than two are known."""
    chosen = ways.take(np.array(positions, dtype=np.int64))
    known = ~np.isnan(chosen.xy[:, 0])
    owner = np.repeat(np.arange(len(chosen.ids)), np.diff(chosen.start))[known]
    counts = np.bincount(owner, minlength=len(chosen.ids))
    drawn = np.flatnonzero(counts >= 2)
    lines = np.full(len(chosen.ids), None, dtype=object)
    if len(drawn):
        on_line = counts[owner] >= 2
        place = np.cumsum(counts >= 2) - 1
        lines[drawn] = shapely.linestrings(chosen.xy[known][on_line], indices=place[owner[on_line]])
    return lines


def _is_ring(ways: RawWays) -> np.ndarray:
    """Which ways end where they begin, go round something (4 vertices or more) and are known throughout."""
    enough = np.diff(ways.start) >= 4
    ring = np.zeros(len(ways.ids), dtype=bool)
    ring[enough] = ways.refs[ways.start[:-1][enough]] == ways.refs[ways.start[1:][enough] - 1]
    ring &= ~_has_gap(ways)
    return ring


def _has_gap(ways: RawWays) -> np.ndarray:
    owner = np.repeat(np.arange(len(ways.ids)), np.diff(ways.start))
    gap: np.ndarray = np.bincount(owner[np.isnan(ways.xy[:, 0])], minlength=len(ways.ids)) > 0
    return gap


def _shapes(shapes: Sequence[Any]) -> np.ndarray:
    array = np.empty(len(shapes), dtype=object)
    array[:] = list(shapes)
    return array


def _text(values: Iterable[str]) -> np.ndarray:
    return np.array(list(values), dtype=object)


def _name(tags: Tags) -> str:
    return tags.get("name:zh") or tags.get("name", "")


def _overlapping(frame: gpd.GeoDataFrame, bbox: Bounds) -> gpd.GeoDataFrame:
    """Rows whose bounding box meets `bbox`, borders included."""
    west, south, east, north = bbox
    bounds = shapely.bounds(frame.geometry.to_numpy())
    meets = (bounds[:, 0] <= east) & (bounds[:, 2] >= west) & (bounds[:, 1] <= north) & (bounds[:, 3] >= south)
    return frame[meets].reset_index(drop=True)


def _no_streets() -> tuple[gpd.GeoDataFrame, pd.DataFrame]:
    streets = gpd.GeoDataFrame({column: [] for column in STREET_COLUMNS}, geometry=[], crs=CRS)
    return streets, pd.DataFrame({column: [] for column in ("node_id", "x", "y", "crossing", "barrier")})


def _no_facilities() -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    return _facility_frame([], []), gpd.GeoDataFrame({"facility_id": []}, geometry=[], crs=CRS)
