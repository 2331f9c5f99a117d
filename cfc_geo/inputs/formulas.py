"""Cells of an XLSX workbook that hold a formula, or a fault, and no value: readers take them for blank ones."""

import html
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

CELL: Final = re.compile(rb"<(?:[\w.-]+:)?c(?=[\s/>])")
CELL_END: Final = re.compile(rb"</(?:[\w.-]+:)?c\s*>")
FORMULA: Final = re.compile(rb"<(?:[\w.-]+:)?f[\s/>]")
VALUE: Final = re.compile(rb"<(?:[\w.-]+:)?v(?:\s[^<>]*)?>\s*[^<\s]")
FAULT: Final = re.compile(rb"""\bt\s*=\s*["']e["']""")
PLACE: Final = re.compile(rb"""\br\s*=\s*["']([A-Za-z]{1,3}\d{1,7})["']""")
ELEMENT: Final = re.compile(rb"""<(?:[\w.-]+:)?(sheet|Relationship)(\s(?:[^<>"']|"[^"<]*"|'[^'<]*')*)>""")
ATTRIBUTE: Final = re.compile(rb"""([\w.:-]+)\s*=\s*(?:"([^"<]*)"|'([^'<]*)')""")


def cells_without_value(path: Path) -> set[tuple[str, str]]:
    """Sheet and cell, such as ("Figures", "K7"), of each. A formula whose result was saved has a value.

    The workbook must be one that `sheets` found to be sane. Raises `OSError`, `zipfile.BadZipFile` or `KeyError`.
    """
    found = set()
    with zipfile.ZipFile(path) as archive:
        for sheet, part in _parts(archive):
            for cell in CELL.split(archive.read(part))[1:]:
                attributes, _, content = CELL_END.split(cell, maxsplit=1)[0].partition(b">")
                is_formula = FORMULA.search(content) and not VALUE.search(content) and not attributes.endswith(b"/")
                if (is_formula or FAULT.search(attributes)) and (place := PLACE.search(attributes)):
                    found.add((sheet, place[1].decode().upper()))
    return found


def _parts(archive: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    """Name of each sheet, and the part of the archive that holds its cells."""
    named = {of["Id"]: of["Target"] for of in _elements(archive.read("xl/_rels/workbook.xml.rels"), "Relationship")}
    there = set(archive.namelist())
    for sheet in _elements(archive.read("xl/workbook.xml"), "sheet"):
        target = next((named[value] for key, value in sheet.items() if key.endswith(":id") and value in named), "")
        part = target.removeprefix("/") if target.startswith("/") else str(PurePosixPath("xl") / target)
        if part in there:
            yield sheet.get("name", ""), part


def _elements(content: bytes, name: str) -> Iterator[dict[str, str]]:
    for element, attributes in ELEMENT.findall(content):
        if element.decode() == name:
            yield {
                key.decode(): html.unescape((double or single).decode("utf-8", "replace"))
                for key, double, single in ATTRIBUTE.findall(attributes)
            }
