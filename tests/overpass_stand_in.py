"""Overpass and Nominatim on loopback: they answer as the real ones do from a drawn town, or misbehave as told.

A question is answered as its query says: objects of a named type that carry a named tag and lie in the box of the
polygon, ways and relations with all they are made of. `plays` is what to do with the next questions, one each; when it
is used up, all is well again.
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

OSM_BASE = "2026-11-24T20:21:05Z"
HTML = "<html><body><p>The dispatcher has been turned off. Log in first.</p></body></html>"
TRICKLE_S = 0.05
Element = dict[str, Any]


class StandIn:
    """`plays`: "slow", "cut_off", "truncated", "remark", "html", "empty", "reset", "nodes", or a status ("429", "429
    after 7", "504", "400"). `asked`: the queries and place names that came, in order."""

    def __init__(self, town: Path, places: list[dict[str, Any]]) -> None:
        self.elements, self.places = read_elements(town), places
        self.plays: list[str] = []
        self.asked: list[str] = []
        self.status_page = (
            "Connected as: 1\nCurrent time: 2026-11-24T20:21:05Z\nRate limit: 2\n2 slots available now.\n"
        )
        self.osm_base = OSM_BASE
        self.closing = threading.Event()
        self.url = ""

    @contextmanager
    def listening(self) -> Iterator["StandIn"]:
        """Answers at `url` for as long as the block lasts."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        server.daemon_threads = False
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield self
        finally:
            self.closing.set()
            server.shutdown()
            thread.join()
            server.server_close()

    def overpass(self, query: str) -> dict[str, Any]:
        return {
            "version": 0.6,
            "osm3s": {"timestamp_osm_base": self.osm_base, "copyright": "© OpenStreetMap, ODbL"},
            "elements": select(self.elements, query),
        }

    def nominatim(self, path: str, values: dict[str, list[str]]) -> list[dict[str, Any]]:
        if path.endswith("/lookup"):
            wanted = values["osm_ids"][0]
            return [place for place in self.places if f"{place['osm_type'][0].upper()}{place['osm_id']}" == wanted]
        return [place for place in self.places if values["q"][0] in place["display_name"]]


def select(elements: dict[tuple[str, int], Element], query: str) -> list[Element]:
    """What Overpass answers to a query of osmnx's kind: a union of `type['key'='value'](poly:'lat lon …');(._;>;);`."""
    chosen: set[tuple[str, int]] = set()
    for kind, key, value, polygon in re.findall(
        r"(node|way|relation)\['([^']+)'(?:='([^']+)')?\]\(poly:'([^']+)'\)", query
    ):
        numbers = [float(number) for number in polygon.split()]
        box = (min(numbers[1::2]), min(numbers[::2]), max(numbers[1::2]), max(numbers[::2]))
        for name, element in elements.items():
            tagged = element.get("tags", {}).get(key)
            if name[0] == kind and tagged is not None and value in ("", tagged) and _meets(elements, element, box):
                chosen.add(name)
    for kind in ("relation", "way"):
        chosen |= {part for name in chosen if name[0] == kind for part in _parts(elements[name])} & set(elements)
    return [elements[name] for name in sorted(chosen)]


def read_elements(path: Path) -> dict[tuple[str, int], Element]:
    """An .osm file as the elements of Overpass's JSON."""
    found: dict[tuple[str, int], Element] = {}
    for item in ElementTree.parse(path).getroot():
        if item.tag not in ("node", "way", "relation"):
            continue
        element: Element = {"type": item.tag, "id": int(item.attrib["id"])}
        if item.tag == "node":
            element |= {axis: float(item.attrib[axis]) for axis in ("lat", "lon")}
        if item.tag == "way":
            element["nodes"] = [int(node.attrib["ref"]) for node in item.iter("nd")]
        if item.tag == "relation":
            element["members"] = [dict(member.attrib, ref=int(member.attrib["ref"])) for member in item.iter("member")]
        if tags := {tag.attrib["k"]: tag.attrib["v"] for tag in item.iter("tag")}:
            element["tags"] = tags
        found[item.tag, element["id"]] = element
    return found


def _parts(element: Element) -> list[tuple[str, int]]:
    if element["type"] == "way":
        return [("node", node) for node in element["nodes"]]
    return [(member["type"], member["ref"]) for member in element.get("members", [])]


def _meets(elements: dict[tuple[str, int], Element], element: Element, box: tuple[float, ...]) -> bool:
    """Whether the rectangle around an object meets the box; a little more than Overpass's own rule."""
    nodes, open_ = [], [element]
    while open_:
        one = open_.pop()
        if one["type"] == "node":
            nodes.append((one["lon"], one["lat"]))
        else:
            open_ += [elements[part] for part in _parts(one) if part in elements]
    if not nodes:
        return False
    (west, south), (east, north) = map(min, zip(*nodes, strict=True)), map(max, zip(*nodes, strict=True))
    return west <= box[2] and east >= box[0] and south <= box[3] and north >= box[1]


def _handler(stand_in: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            query = parse_qs(body)["data"][0]
            stand_in.asked.append(query)
            self._play(json.dumps(stand_in.overpass(query), ensure_ascii=False).encode())

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            if address.path.endswith("/status"):
                self._send(200, stand_in.status_page.encode())
                return
            values = parse_qs(address.query)
            stand_in.asked.append(values.get("q", values.get("osm_ids", [""]))[0])
            self._play(json.dumps(stand_in.nominatim(address.path, values)).encode())

        def _play(self, good: bytes) -> None:
            play = stand_in.plays.pop(0) if stand_in.plays else "real"
            match play.split():
                case ["real"]:
                    self._send(200, good)
                case ["slow"]:
                    self._trickle(good)
                case ["truncated"]:
                    self._send(200, good[: len(good) // 2])
                case ["cut_off"]:
                    self._send(200, good[: len(good) // 2], length=len(good))
                case ["remark"]:
                    part = json.loads(good)
                    part["elements"] = part["elements"][:5]
                    part["remark"] = 'runtime error: Query timed out in "query" at line 1 after 180 seconds.'
                    self._send(200, json.dumps(part).encode())
                case ["html"]:
                    self._send(200, HTML.encode(), kind="text/html")
                case ["empty"]:
                    self._send(200, json.dumps(json.loads(good) | {"elements": []}).encode())
                case ["odd"]:
                    self._send(200, json.dumps(json.loads(good) | {"elements": [{"type": "node", "id": "1"}]}).encode())
                case ["reset"]:
                    self.close_connection = True
                case [status, "after", seconds]:
                    self._send(int(status), HTML.encode(), headers={"Retry-After": seconds})
                case [status]:
                    self._send(int(status), HTML.encode())

        def _send(
            self, status: int, body: bytes, *, kind: str = "application/json", length: int = -1, headers: Any = None
        ) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": kind, **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body) if length < 0 else length))
            self.end_headers()
            self.wfile.write(body)

        def _trickle(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            for at in range(len(body)):
                if stand_in.closing.wait(TRICKLE_S):
                    return
                try:
                    self.wfile.write(body[at : at + 1])
                except OSError:
                    return

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    return Handler
