"""What is asked of Overpass, and what its answers hold.

The ground is asked for in tiles. Ways and relations that reach into a tile come whole, so tiles share objects; an
object is taken from the newest answer that holds it.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import shapely

from cfc_geo import catalog
from cfc_geo.fetch.kept import Kept
from cfc_geo.fetch.web import Refused, Servers, Web, parsed, refuse_bad_status, user_agent
from cfc_geo.inputs.osm import AREA_THEMES, RAILS, WATER_LINES

TILE_KM = 10.0
"""A tile is at most so wide and high: a dense city's answer then has some tens of megabytes."""
KM_A_DEGREE = 111.2
STATUS_S = 10
NO_HOMES = {
    "landuse": {"commercial", "retail", "industrial", "military", "railway", "construction", "education"},
    "amenity": {"school", "kindergarten", "university", "college", "hospital"},
}
"""Grounds on which a building that is tagged as nothing else is no home."""

WHOLE_KEYS = ("highway", "barrier", "crossing", "entrance", "building", "landuse", "leisure", "amenity")

Bounds = tuple[float, float, float, float]
Tags = dict[str, bool | str | list[str]]
"""As osmnx takes them: True is any value."""
Element = dict[str, Any]
Elements = dict[tuple[str, int], Element]
"""OpenStreetMap's objects as Overpass writes them in JSON, by type (node, way, relation) and id."""


def tiles(ground: shapely.Geometry) -> list[Bounds]:
    """Equal boxes (west, south, east, north in degrees) of at most `TILE_KM` that cover `ground`, row by row.

    Boxes that do not touch the ground are left out.
    """
    west, south, east, north = ground.bounds
    widest_km = (east - west) * KM_A_DEGREE * math.cos(math.radians(min(abs(south), abs(north))))
    columns = max(math.ceil(widest_km / TILE_KM), 1)
    rows = max(math.ceil((north - south) * KM_A_DEGREE / TILE_KM), 1)
    x = np.linspace(west, east, columns + 1).round(6).tolist()
    y = np.linspace(south, north, rows + 1).round(6).tolist()
    boxes = [(x[at], y[row], x[at + 1], y[row + 1]) for row in range(rows) for at in range(columns)]
    return [box for box in boxes if shapely.box(*box).intersects(ground)]


def wanted_tags() -> Tags:
    """Every tag by which the reader knows streets, gates, facilities and the map's backdrop, and
    where nobody lives, as osmnx wants them.

    Of a kind's tag set that must match as a whole, the first tag is asked for. Keys of which many values are wanted are
    asked for as such: a question of a hundred tags is slow to answer.
    """
    wanted: dict[str, set[str]] = {}
    pairs = [next(iter(tag_set.items())) for kind in catalog.kinds().values() for tag_set in kind.osm]
    grounds = (*AREA_THEMES.values(), *catalog.ground().themes.values())
    themes = [(key, value) for theme in grounds for key, values in theme.items() for value in values]
    lines = [("waterway", value) for value in WATER_LINES] + [("railway", value) for value in RAILS]
    for key, value in [*pairs, *themes, *lines]:
        wanted.setdefault(key, set()).add(value)
    chosen: Tags = {key: "*" in values or sorted(values) for key, values in wanted.items()}
    return chosen | dict.fromkeys(WHOLE_KEYS, True)


def ask_tile(web: Web, servers: Servers, kept: Kept, box: Bounds) -> bytes:
    """The answer of Overpass for one tile, kept or asked for. Raises `FetchError`."""
    import osmnx

    tags = wanted_tags()
    name = json.dumps(["overpass", box, tags], sort_keys=True)
    answer = kept.get(name)
    if answer is None:
        question = partial(osmnx.features_from_polygon, shapely.box(*box), tags)
        answer = web.ask(servers.overpass, question, partial(_judge, servers.overpass))
        kept.put(name, answer)
    return answer


def merged(answers: Sequence[bytes]) -> tuple[Elements, list[str]]:
    """The objects of all answers, sorted by type and id, and the times of OpenStreetMap that they show, sorted."""
    read = sorted((json.loads(answer) for answer in answers), key=_osm_base)
    elements = {(element["type"], element["id"]): element for answer in read for element in answer["elements"]}
    return dict(sorted(elements.items())), sorted({_osm_base(answer) for answer in read} - {""})


def _osm_base(answer: Mapping[str, Any]) -> str:
    """The minute of OpenStreetMap that an answer shows ("2026-11-24T20:21:05Z"); "" if it does not say."""
    stated = answer.get("osm3s")
    return str(stated.get("timestamp_osm_base", "")) if isinstance(stated, dict) else ""


def _judge(url: str, response: Any) -> None:
    """Raises `Refused` for everything but a whole answer of Overpass. No object at all may be right: a tile of sea."""
    try:
        refuse_bad_status(response)
    except Refused as refused:
        if refused.code == "fetch.busy" and refused.wait_s is None:
            refused.wait_s = _slot_free_in_s(url)
        raise
    answer = parsed(response)
    if not isinstance(answer, dict) or not isinstance(answer.get("elements"), list):
        raise Refused("fetch.not_data")
    if "remark" in answer:
        raise Refused("fetch.partial", remark=str(answer["remark"])[:200])
    if not all(map(_is_element, answer["elements"])):
        raise Refused("fetch.not_data")


def _is_element(element: Any) -> bool:
    if not isinstance(element, dict) or type(element.get("id")) is not int:
        return False
    tags = element.get("tags", {})
    if not (isinstance(tags, dict) and all(isinstance(value, str) for value in tags.values())):
        return False
    match element.get("type"):
        case "node":
            return _is_degrees(element.get("lon"), 180) and _is_degrees(element.get("lat"), 90)
        case "way":
            return all(type(node) is int for node in element.get("nodes", []))
        case "relation":
            return all(_is_member(member) for member in element.get("members", []))
        case _:
            return False


def _is_degrees(value: Any, most: int) -> bool:
    return isinstance(value, (int, float)) and abs(value) <= most


def _is_member(member: Any) -> bool:
    return (
        isinstance(member, dict)
        and member.get("type") in ("node", "way", "relation")
        and type(member.get("ref")) is int
        and isinstance(member.get("role", ""), str)
    )


def _slot_free_in_s(url: str) -> float | None:
    """What the status page says of the first slot to get free; None if it does not."""
    import requests

    try:
        page = requests.get(f"{url.rstrip('/')}/status", timeout=STATUS_S, headers={"User-Agent": user_agent()}).text
    except requests.RequestException:
        return None
    waits = [int(seconds) for seconds in re.findall(r"in (-?\d+) seconds", page)]
    return max(float(min(waits)), 1.0) if waits else None
