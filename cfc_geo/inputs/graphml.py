"""GraphML as osmnx writes it (longitude and latitude) → walkable segments and their junctions, in EPSG:4326.

The file is read here and not by osmnx: only the few attributes needed are taken, each with its type, and none is
evaluated as Python. Files that declare a document type or entities are refused unread.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from cfc_geo.errors import Findings, Rows
from cfc_geo.inputs import xml_guard
from cfc_geo.inputs.street_tags import STREET_TAGS
from cfc_geo.inputs.walkable import Tags, crossing_of_node, crossing_of_way, is_true, is_tunnel, walking_directions
from cfc_geo.tables import STREET_COLUMNS

CRS = "EPSG:4326"
NAMESPACE = "{http://graphml.graphdrawing.org/xmlns}"
LONLAT = re.compile(r"epsg:4326|crs84|wgs\s*84", re.IGNORECASE)
FIRST_OF_LIST = re.compile(r"""^\[\s*(['"]?)(.*?)\1\s*[,\]]""")
WHOLE_NUMBER = re.compile(r"0|-?[1-9]\d{0,17}")
LONGEST_M = 100_000.0
MOST_STRANGE = 100_000
LOST_SHAPE = 1.01
"""An edge without geometry whose stated length exceeds the straight line by this factor has lost its bends: the stated
length is kept. (osmnx measures on a sphere, up to 0.6 % off.)"""


@dataclass(frozen=True)
class _Graph:
    """The file as it is: attributes by name, texts. `edges` are (from, to, attributes)."""

    attributes: Tags
    nodes: dict[str, Tags]
    edges: list[tuple[str, str, Tags]]
    directed: bool


def read_graphml(path: Path, findings: Findings, *, file: str = "") -> tuple[gpd.GeoDataFrame, pd.DataFrame] | None:
    """Segments (`tables.STREET_COLUMNS`) and nodes (node_id, x, y, crossing, barrier); None if there are errors.

    Two edges that are one another's reverse become one two-way segment. Plain one-way edges (oneway=True, as in
    driving networks) bind vehicles: walkers use them both ways; any other single edge is walked only as it points.
    Edges with a `highway` follow `walkable.py`. `length_m` is NaN (measured after projecting), except for edges that
    lost their shape.
    `file` is the name used in messages (default: the file's name). Edge numbers in messages count from 1.
    """
    file = file or path.name
    graph = _read(path, file, findings)
    if graph is None:
        return None
    places = _node_places(graph, file, findings)
    if places is None:
        return None
    edges = _edge_table(graph, places, file, findings)
    if edges is None:
        return None
    if edges.empty:
        findings.error("graphml.none_walkable", file)
        return None
    numbers = _node_numbers(graph.nodes)
    segments = _segments(_merged(edges), numbers)
    return segments, _nodes(segments, graph, places, numbers)


# ------------------------------------------------------------------------------------------------------------- reading


def _read(path: Path, file: str, findings: Findings) -> _Graph | None:
    try:
        reason = xml_guard.refusal(path)
        graph = None if reason else _parse(path)
    except (OSError, ElementTree.ParseError, LookupError, ValueError) as error:  # LookupError: an unknown encoding
        reason, graph = str(error).replace(str(path), file), None
    if graph is None:
        findings.error("graphml.unreadable", file, reason=reason)
    return graph


def _parse(path: Path) -> _Graph:
    """Raises ValueError if the root is not a graphml element with one graph."""
    names: dict[str, str] = {}
    attributes: Tags = {}
    nodes: dict[str, Tags] = {}
    edges: list[tuple[str, str, Tags]] = []
    directed: bool | None = None
    strange = 0
    for event, element in ElementTree.iterparse(path, events=("start", "end")):
        tag = element.tag.removeprefix(NAMESPACE)
        if event == "start":
            if tag == "graph":
                if directed is not None:
                    raise ValueError("more than one graph")
                directed = element.get("edgedefault") != "undirected"
            continue
        if tag == "key":
            names[element.get("id", "")] = element.get("attr.name", "")
        elif tag == "node":
            nodes[element.get("id", "")] = _data(element, names)
            element.clear()
        elif tag == "edge":
            edges.append((element.get("source", ""), element.get("target", ""), _data(element, names)))
            element.clear()
        elif tag == "graph":
            attributes = _data(element, names)
        elif tag not in ("data", "graphml"):
            strange += 1
            if strange > MOST_STRANGE:
                raise ValueError("too many elements that are neither nodes nor edges")
    if directed is None:
        raise ValueError("no graph element")
    return _Graph(attributes, nodes, edges, directed)


def _data(element: ElementTree.Element, names: Mapping[str, str]) -> Tags:
    children = element.findall(f"{NAMESPACE}data") or element.findall("data")
    return {names.get(child.get("key", ""), ""): (child.text or "").strip() for child in children}


def _node_places(graph: _Graph, file: str, findings: Findings) -> dict[str, tuple[float, float]] | None:
    """Longitude and latitude of every node; None, with an error, unless all have them."""
    crs = graph.attributes.get("crs", "")
    if crs and not LONLAT.search(crs):
        findings.error("graphml.not_lonlat", file, crs=crs[:60])
        return None
    places = {node: (_number(tags.get("x", "")), _number(tags.get("y", ""))) for node, tags in graph.nodes.items()}
    lost = [node for node, (x, y) in places.items() if not (abs(x) <= 180 and abs(y) <= 90)]
    if lost:
        findings.error("graphml.node_nowhere", file, ids=lost[:8], count=len(lost))
    return None if lost else places


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _scalar(text: str) -> str:
    """The text, or of a list as osmnx writes it ("['a', 'b']", after merging ways) the first item."""
    found = FIRST_OF_LIST.match(text)
    return found[2] if found else text


# --------------------------------------------------------------------------------------------------------------- edges


def _edge_table(
    graph: _Graph, places: Mapping[str, tuple[float, float]], file: str, findings: Findings
) -> pd.DataFrame | None:
    """One row an edge: start, end, tags, geometry, length_m, whether it may be walked forward and backward."""
    unknown = [row for row, (start, end, _) in enumerate(graph.edges) if not {start, end} <= places.keys()]
    if unknown:
        findings.error("graphml.unknown_node", file, Rows.features(unknown))
        return None
    shapes = _edge_shapes(graph, places)
    if shapes is None:
        findings.error("graphml.unreadable", file, reason="geometry")
        return None
    stated = np.array([_number(tags["length"]) if "length" in tags else np.nan for _, _, tags in graph.edges])
    wrong = np.array(["length" in tags for _, _, tags in graph.edges], dtype=bool) & ~(
        np.isfinite(stated) & (stated >= 0) & (stated <= LONGEST_M)
    )
    if wrong.any():
        findings.error("graphml.length_wrong", file, Rows.features(np.flatnonzero(wrong)))
        return None
    straight = np.array(["geometry" not in tags for _, _, tags in graph.edges], dtype=bool)
    bent = straight & (stated > LOST_SHAPE * _ground_m(shapes) + 1.0)
    tags = [{key: _scalar(text) for key, text in of.items()} for _, _, of in graph.edges]
    directions = np.array([_directions(of, graph.directed) for of in tags], dtype=bool).reshape(-1, 2)
    table = {
        "start": [start for start, _, _ in graph.edges],
        "end": [end for _, end, _ in graph.edges],
        "tags": tags,
        "shape": shapes,
        "length_m": np.where(bent, stated, np.nan),
        "forward": directions[:, 0],
        "backward": directions[:, 1],
    }
    return pd.DataFrame(table)[directions.any(axis=1)]


def _edge_shapes(graph: _Graph, places: Mapping[str, tuple[float, float]]) -> np.ndarray | None:
    """The edges' lines from their start to their end; straight where the file gives none; None if one is broken."""
    ends = np.array([(places[start], places[end]) for start, end, _ in graph.edges], dtype=float).reshape(-1, 2, 2)
    shapes = shapely.linestrings(ends)
    drawn = [row for row, (_, _, tags) in enumerate(graph.edges) if tags.get("geometry")]
    if drawn:
        read = shapely.from_wkt([graph.edges[row][2]["geometry"] for row in drawn], on_invalid="ignore")
        whole = (
            (shapely.get_type_id(read) == 1) & ~shapely.is_empty(read) & np.isfinite(shapely.bounds(read)).all(axis=1)
        )
        if not whole.all():
            return None
        start = shapely.get_coordinates(shapely.get_point(read, 0))
        turned = ((start - ends[drawn, 1]) ** 2).sum(axis=1) < ((start - ends[drawn, 0]) ** 2).sum(axis=1)
        shapes[drawn] = shapely.force_2d(np.where(turned, shapely.reverse(read), read))
    return np.asarray(shapes, dtype=object)


def _ground_m(shapes: np.ndarray) -> np.ndarray:
    """Rough length of short lines given in degrees, in metres."""
    latitude = np.radians(shapely.get_y(shapely.get_point(shapes, 0)))
    ends = shapely.get_coordinates(shapely.get_point(shapes, -1)) - shapely.get_coordinates(
        shapely.get_point(shapes, 0)
    )
    length: np.ndarray = 111_195.0 * np.hypot(ends[:, 0] * np.cos(latitude), ends[:, 1])
    return length


def _directions(tags: Tags, directed: bool) -> tuple[bool, bool]:
    forward, backward = walking_directions(tags if tags.get("highway") else {**tags, "highway": "footway"})
    if directed and not is_true(tags.get("oneway")):
        # a two-way street has an edge of its own for the way back
        return forward, False
    return forward, backward


def _merged(edges: pd.DataFrame) -> pd.DataFrame:
    """Edges with the same course, once: walkable in a direction if one of them is.

    Several edges of one direction with the same course stay several; each finds its own reverse.
    """
    ways = [_course(shape) for shape in edges["shape"]]
    turned = np.array([is_turned for _, is_turned in ways], dtype=bool)
    edges = edges.assign(course=[course for course, _ in ways], turned=turned)
    low = np.where(edges["start"] <= edges["end"], edges["start"], edges["end"])
    high = np.where(edges["start"] <= edges["end"], edges["end"], edges["start"])
    edges = edges.assign(low=low, high=high)
    edges["nth"] = edges.groupby(["low", "high", "course", "turned"]).cumcount()
    key = ["low", "high", "course", "nth"]
    first = edges.drop_duplicates(key).reset_index(drop=True)
    against = edges.duplicated(key).to_numpy()
    back = first[key].merge(edges.loc[against, [*key, "forward", "backward"]], on=key, how="left")
    first["forward"] |= back["backward"].eq(True)
    first["backward"] |= back["forward"].eq(True)
    return first


def _course(shape: Any) -> tuple[bytes, bool]:
    """The line's points in the same order whichever way it is drawn, and whether that turned it."""
    xy = shapely.get_coordinates(shape)
    ahead, back = xy.tobytes(), xy[::-1].tobytes()
    return (back, True) if back < ahead else (ahead, False)


# -------------------------------------------------------------------------------------------------------------- tables


def _segments(edges: pd.DataFrame, numbers: Mapping[str, int]) -> gpd.GeoDataFrame:
    tags: list[Tags] = edges["tags"].tolist()
    columns = {
        "street_id": _street_ids(edges),
        "from_node": edges["start"].map(numbers).to_numpy(dtype=np.int64),
        "to_node": edges["end"].map(numbers).to_numpy(dtype=np.int64),
        "length_m": edges["length_m"].to_numpy(),
        "forward": edges["forward"].to_numpy(),
        "backward": edges["backward"].to_numpy(),
        **{
            name: _text(of.get(name, "") for of in tags)
            for name in ("highway", "name", "maxspeed", "lanes", "sidewalk")
        },
        "crossing": _text(crossing_of_way(of) for of in tags),
        **{name: _text(read(of) for of in tags) for name, read in STREET_TAGS.items()},
        "bridge": np.array([is_true(of.get("bridge")) for of in tags], dtype=bool),
        "tunnel": np.array([is_tunnel(of) for of in tags], dtype=bool),
        "steps": np.array([of.get("highway") == "steps" for of in tags], dtype=bool),
    }
    ordered = {name: columns[name] for name in STREET_COLUMNS}
    return gpd.GeoDataFrame(ordered, geometry=edges["shape"].to_numpy(), crs=CRS)


def _street_ids(edges: pd.DataFrame) -> np.ndarray:
    """ "<from>-<to>.<n>": n tells parallel edges apart."""
    names = edges["start"] + "-" + edges["end"]
    return _text(f"{name}.{nth}" for name, nth in zip(names, names.groupby(names).cumcount(), strict=True))


def _node_numbers(names: Iterable[str]) -> dict[str, int]:
    """Node ids as whole numbers: as they are if all are, else numbered in order of name."""
    unique = sorted(set(names))
    if all(WHOLE_NUMBER.fullmatch(name) for name in unique):
        return {name: int(name) for name in unique}
    return {name: number for number, name in enumerate(unique)}


def _nodes(
    segments: gpd.GeoDataFrame,
    graph: _Graph,
    places: Mapping[str, tuple[float, float]],
    numbers: Mapping[str, int],
) -> pd.DataFrame:
    used = set(segments["from_node"]) | set(segments["to_node"])
    rows = sorted((number, name) for name, number in numbers.items() if number in used)
    tags = [graph.nodes[name] for _, name in rows]
    return pd.DataFrame(
        {
            "node_id": np.array([number for number, _ in rows], dtype=np.int64),
            "x": [places[name][0] for _, name in rows],
            "y": [places[name][1] for _, name in rows],
            "crossing": _text(crossing_of_node(of) for of in tags),
            "barrier": _text(of.get("barrier", "") for of in tags),
        }
    )


def _text(values: Iterable[str]) -> np.ndarray:
    return np.array(list(values), dtype=object)
