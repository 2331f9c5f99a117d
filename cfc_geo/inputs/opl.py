"""An .osm or .osm.pbf file as arrays: osmium does what must be done per node, Python only what is done per object.

osmium drops untagged objects, looks up the position of every node of a way, and writes what is left in OPL, its text
format with one object a line (https://osmcode.org/opl-file-format/). numpy then reads the numbers of all ways at once,
which is several times faster than asking for one node reference after the other.

Nodes are read in a first pass and ways in a second, so files that list ways before nodes (as Overpass does) come out
right. Positions are degrees of longitude and latitude (EPSG:4326).
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from mmap import ACCESS_READ, mmap
from pathlib import Path
from subprocess import DEVNULL, PIPE
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from cfc_geo.inputs.walkable import Tags

Bounds = tuple[float, float, float, float]

LINES_AT_ONCE = 200_000
DELETED_IN_JOSM = re.compile(rb"<(node|way|relation)\b[^>]*?\baction=[\"']delete[\"'][^>]*")
ID_ATTRIBUTE = re.compile(rb"\bid=[\"'](-?\d+)[\"']")


@dataclass(frozen=True, eq=False)
class RawNodes:
    """Tagged nodes: `xy` has one row a node (NaN = unknown)."""

    ids: list[int]
    tags: list[Tags]
    xy: np.ndarray


@dataclass(frozen=True, eq=False)
class RawWays:
    """Ways, each once. Way `i` has the vertices `start[i]:start[i + 1]` of `refs` (node ids) and `xy` (NaN unknown)."""

    ids: np.ndarray
    tags: list[Tags]
    start: np.ndarray
    refs: np.ndarray
    xy: np.ndarray

    def vertices(self, way: int) -> slice:
        return slice(int(self.start[way]), int(self.start[way + 1]))

    def take(self, ways: np.ndarray) -> "RawWays":
        """The ways at these positions, in this order."""
        counts = np.diff(self.start)[ways]
        start = np.concatenate(([0], np.cumsum(counts)))
        flat = np.repeat(self.start[:-1][ways] - start[:-1], counts) + np.arange(start[-1])
        return RawWays(self.ids[ways], [self.tags[way] for way in ways.tolist()], start, self.refs[flat], self.xy[flat])


@dataclass(frozen=True)
class RawRelation:
    """A relation and the ids of the ways it lists, in order."""

    id: int
    tags: Tags
    ways: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class RawOsm:
    """Tagged nodes and ways, the wanted relations, and the ways those relations list (tagged or not)."""

    nodes: RawNodes
    ways: RawWays
    relations: list[RawRelation]
    members: RawWays


def read_raw(
    path: Path, file_format: str, keys: Sequence[str], *, wanted: Callable[[Tags], bool], bbox: Bounds | None
) -> RawOsm:
    """Objects that carry one of `keys`; of relations, those whose tags are `wanted`.

    `file_format` is "xml" or "pbf". With `bbox` (west, south, east, north) only ways with a vertex inside or on it are
    kept, whole. Objects marked as deleted are dropped. Raises RuntimeError or ValueError for what osmium cannot read.
    """
    deleted = _deleted_in_josm(path) if file_format == "xml" else frozenset()
    with TemporaryDirectory() as folder, _Osmium(path, file_format, keys, Path(folder)) as osmium:

        def lines(entities: str, ids: list[int] | None = None) -> Iterator[list[str]]:
            return _without(deleted, osmium.lines(entities, ids))

        nodes = _parse_nodes(lines("n"))
        locate = _Locator(path, file_format)
        blocks, relation_lines = [], []
        for block in lines("wr"):
            relation_lines += [line for line in block if line[0] == "r"]
            blocks.append(_parse_ways([line for line in block if line[0] == "w"], locate, bbox))
        relations = [relation for relation in map(_parse_relation, relation_lines) if wanted(relation.tags)]
        members: list[RawWays] = []
        if listed := sorted({way for relation in relations for way in relation.ways}):
            # osmium's id filter knows only positive ids; unsaved drawings have negative ones, and are small
            found = lines("w", listed if listed[0] > 0 else [])
            members += [_parse_ways(block, locate, None) for block in found]
    return RawOsm(nodes, _join(blocks), relations, _join(members))


def _without(deleted: frozenset[str], blocks: Iterable[list[str]]) -> Iterator[list[str]]:
    """The lines of objects that are not deleted, neither by their file's word nor in JOSM."""
    for block in blocks:
        kept = [line for line in block if " dD " not in line]
        yield [line for line in kept if line.split(" ", 1)[0] not in deleted] if deleted else kept


class _Osmium:
    """osmium at work on a file, in a process of its own (`osmium_child.py`). Use it in a `with` statement."""

    def __init__(self, path: Path, file_format: str, keys: Sequence[str], folder: Path) -> None:
        self._folder = folder
        command = [sys.executable, "-P", str(Path(__file__).with_name("osmium_child.py"))]
        self._child = subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, encoding="utf-8")
        self._tell({"path": str(path.resolve()), "format": file_format, "keys": list(keys)})

    def __enter__(self) -> "_Osmium":
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.communicate()

    def lines(self, entities: str, ids: list[int] | None) -> Iterator[list[str]]:
        """Nodes ("n"), ways ("w") and relations ("r") that carry a key, or have one of `ids` ([]: all), as OPL lines.

        They come in blocks. Raises RuntimeError with what osmium says against the file, or that it did not survive it.
        """
        target = self._folder / f"{entities}{ids is not None}.opl"
        self._tell({"entities": entities, "ids": ids, "target": str(target)})
        assert self._child.stdout is not None
        answer = self._child.stdout.readline()
        if not answer:
            raise RuntimeError(f"osmium: {self._child.wait()}")
        if said := json.loads(answer):
            raise RuntimeError(said)
        with target.open(encoding="utf-8", newline="\n") as file:
            while block := list(islice(file, LINES_AT_ONCE)):
                yield block

    def _tell(self, order: dict[str, Any]) -> None:
        assert self._child.stdin is not None
        with suppress(BrokenPipeError):  # a child that is gone answers nothing, which `lines` sees
            self._child.stdin.write(json.dumps(order) + "\n")
            self._child.stdin.flush()


class _Locator:
    """Finds nodes with negative ids (drawings not yet uploaded), which osmium's table of positions does not hold."""

    def __init__(self, path: Path, file_format: str) -> None:
        self._path, self._format = path, file_format
        self._known: dict[int, tuple[float, float]] | None = None

    def __call__(self, ref: int) -> tuple[float, float]:
        import osmium

        if self._known is None:
            nodes: Iterable[Any] = osmium.FileProcessor(osmium.io.File(str(self._path), self._format), osmium.osm.NODE)
            self._known = {n.id: (n.lon, n.lat) for n in nodes if n.id < 0 and n.location.valid()}
        return self._known.get(ref, (np.nan, np.nan))


def _parse_nodes(blocks: Iterable[list[str]]) -> RawNodes:
    ids, tags, xy, pairs = [], [], [], _Pairs()
    for block in blocks:
        for line in block:
            fields = _fields(line)
            ids.append(int(fields["n"]))
            tags.append(_parse_tags(fields["T"], pairs))
            xy.append((float(fields["x"] or "nan"), float(fields["y"] or "nan")))
    return RawNodes(ids, tags, _on_globe(np.array(xy, dtype=float).reshape(-1, 2)))


def _parse_ways(lines: list[str], locate: _Locator, bbox: Bounds | None) -> RawWays:
    ids, tags, counts, node_lists, pairs = [], [], [], [], _Pairs()
    for line in lines:
        head, tag_text, nodes = line.rsplit(" ", 2)
        ids.append(int(head[1 : head.index(" ")]))
        tags.append(_parse_tags(tag_text[1:], pairs))
        counts.append(nodes.count("n"))
        node_lists.append(nodes[1:].rstrip("\n"))
    refs, xy = _numbers([node_list for node_list in node_lists if node_list])
    for vertex in np.flatnonzero(refs < 0):
        xy[vertex] = locate(int(refs[vertex]))
    start = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
    ways = RawWays(np.array(ids, dtype=np.int64), tags, start, refs, xy)
    return ways if bbox is None else ways.take(_touching(ways, bbox))


def _numbers(node_lists: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Refs and positions of node lists such as "n1x117.1y28.3,n2xy"; positions missing or off the globe are NaN.

    Decimals are read as whole numbers and shifted afterwards: exact, and twice as fast as reading floats.
    """
    text = ",".join(node_lists).replace("xy", "x999y999").encode()
    plain = text.translate(bytes.maketrans(b"xy", b",,"), b"n")
    whole = np.fromstring(plain.translate(None, b"."), dtype=np.int64, sep=",")
    characters = np.frombuffer(plain, dtype=np.uint8)
    ends = np.append(np.flatnonzero(characters == ord(",")), len(characters))
    dots = np.flatnonzero(characters == ord("."))
    with_dot = np.searchsorted(ends, dots)
    decimals = np.zeros(len(whole), dtype=np.int64)
    decimals[with_dot] = ends[with_dot] - dots - 1
    xy = (whole / 10.0**decimals).reshape(-1, 3)[:, 1:]
    return whole[::3].copy(), _on_globe(xy)


def _on_globe(xy: np.ndarray) -> np.ndarray:
    """The positions; NaN for those that are none."""
    there = (np.abs(xy) <= (180.0, 90.0)).all(axis=1)
    return np.where(there[:, None], xy, np.nan)


def _touching(ways: RawWays, bbox: Bounds) -> np.ndarray:
    """Positions of the ways with a vertex inside or on the box, or an edge that may pass through it."""
    occupied = np.flatnonzero(np.diff(ways.start))
    starts = ways.start[:-1][occupied]
    if not len(occupied):
        return occupied
    low, high = np.fmin.reduceat(ways.xy, starts), np.fmax.reduceat(ways.xy, starts)
    west, south, east, north = bbox
    meets = (low[:, 0] <= east) & (high[:, 0] >= west) & (low[:, 1] <= north) & (high[:, 1] >= south)
    return occupied[meets]


def _join(blocks: list[RawWays]) -> RawWays:
    """The ways of all blocks; of ways listed more than once, the last."""
    ids = np.concatenate([block.ids for block in blocks] or [np.zeros(0, dtype=np.int64)])
    counts = np.concatenate([np.diff(block.start) for block in blocks] or [np.zeros(0, dtype=np.int64)])
    joined = RawWays(
        ids,
        [tags for block in blocks for tags in block.tags],
        np.concatenate(([0], np.cumsum(counts))),
        np.concatenate([block.refs for block in blocks] or [np.zeros(0, dtype=np.int64)]),
        np.concatenate([block.xy for block in blocks] or [np.zeros((0, 2))]),
    )
    last = len(ids) - 1 - np.unique(ids[::-1], return_index=True)[1]
    return joined if len(last) == len(ids) else joined.take(np.sort(last))


def _parse_relation(line: str) -> RawRelation:
    fields = _fields(line)
    members = (member.split("@")[0] for member in fields["M"].split(",") if member.startswith("w"))
    return RawRelation(
        int(fields["r"]), _parse_tags(fields["T"], _Pairs()), tuple(int(member[1:]) for member in members)
    )


def _fields(line: str) -> dict[str, str]:
    return {field[0]: field[1:] for field in line.rstrip("\n").split(" ") if field}


class _Pairs(dict[str, tuple[str, str]]):
    """Tags by their OPL text, "highway=steps"; the same few come again and again, so each is decoded once."""

    def __missing__(self, text: str) -> tuple[str, str]:
        key, value = text.split("=")
        self[text] = pair = (_unescape(key), _unescape(value))
        return pair


def _parse_tags(text: str, pairs: _Pairs) -> Tags:
    return dict(map(pairs.__getitem__, text.split(","))) if text else {}


def _unescape(text: str) -> str:
    """Undo OPL's escapes: %20% is a space, %8def% is 路."""
    return "".join(chr(int(part, 16)) if odd % 2 else part for odd, part in enumerate(text.split("%")))


def _deleted_in_josm(path: Path) -> frozenset[str]:
    """Objects that JOSM keeps in its files although the user deleted them, as OPL names them: "w12"."""
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        if content.find(b"action=") < 0:
            return frozenset()
        found = [(match[1], ID_ATTRIBUTE.search(match[0])) for match in DELETED_IN_JOSM.finditer(content)]
    return frozenset((kind[:1] + number[1]).decode() for kind, number in found if number)
