"""OpenStreetMap's objects as a .osm file, as https://wiki.openstreetmap.org/wiki/OSM_XML describes it."""

import re
from pathlib import Path
from xml.sax.saxutils import quoteattr

from cfc_geo.fetch.overpass import Element, Elements

SOURCE = {
    "generator": "cfc_geo",
    "copyright": "OpenStreetMap and contributors",
    "attribution": "https://www.openstreetmap.org/copyright",
    "license": "https://opendatacommons.org/licenses/odbl/1-0/",
}
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Marks that no XML file may hold, escaped or not."""


def write_osm(elements: Elements, osm_base: str, path: Path) -> None:
    """Write `elements` in their order. Raises `OSError`."""
    source = " ".join(f"{name}={_quoted(value)}" for name, value in SOURCE.items())
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f'<?xml version="1.0" encoding="UTF-8"?>\n<osm version="0.6" {source}>\n')
        file.write(f"<meta osm_base={_quoted(osm_base)}/>\n")
        file.writelines(_object(element) for element in elements.values())
        file.write("</osm>\n")


def _object(element: Element) -> str:
    """One object as a line. What is not quoted is a number, or a word that was checked when the answer came."""
    kind, position = element["type"], ""
    if kind == "node":
        position = f' lat="{element["lat"]:.7f}" lon="{element["lon"]:.7f}"'
    inside = [f'<nd ref="{node}"/>' for node in element.get("nodes", [])]
    inside += [
        f'<member type="{member["type"]}" ref="{member["ref"]}" role={_quoted(member.get("role", ""))}/>'
        for member in element.get("members", [])
    ]
    inside += [f"<tag k={_quoted(key)} v={_quoted(value)}/>" for key, value in element.get("tags", {}).items()]
    return f'<{kind} id="{element["id"]}"{position} version="1">{"".join(inside)}</{kind}>\n'


def _quoted(text: str) -> str:
    return quoteattr(NOT_XML.sub("", text))
