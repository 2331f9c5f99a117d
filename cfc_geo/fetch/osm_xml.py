"""OpenStreetMap's objects as a .osm file, as https://wiki.openstreetmap.org/wiki/OSM_XML describes it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import XMLGenerator
from xml.sax.xmlreader import AttributesImpl

from cfc_geo.fetch.overpass import Elements

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
    with path.open("w", encoding="utf-8", newline="\n") as file:
        xml = XMLGenerator(file, "utf-8", short_empty_elements=True)
        xml.startDocument()
        xml.startElement("osm", _attributes({"version": "0.6", **SOURCE}))
        _write(xml, "meta", {"osm_base": osm_base})
        for (kind, number), element in elements.items():
            xml.startElement(kind, _attributes({"id": number, **_position(element), "version": 1}))
            for node in element.get("nodes", []):
                _write(xml, "nd", {"ref": node})
            for member in element.get("members", []):
                _write(xml, "member", {name: member.get(name, "") for name in ("type", "ref", "role")})
            for key, value in element.get("tags", {}).items():
                _write(xml, "tag", {"k": key, "v": value})
            xml.endElement(kind)
            xml.characters("\n")
        xml.endElement("osm")
        xml.characters("\n")


def _position(element: Mapping[str, Any]) -> dict[str, str]:
    return {axis: f"{element[axis]:.7f}" for axis in ("lat", "lon")} if element["type"] == "node" else {}


def _write(xml: XMLGenerator, name: str, values: Mapping[str, Any]) -> None:
    xml.startElement(name, _attributes(values))
    xml.endElement(name)


def _attributes(values: Mapping[str, Any]) -> "AttributesImpl[str]":
    return AttributesImpl({name: NOT_XML.sub("", str(value)) for name, value in values.items()})
