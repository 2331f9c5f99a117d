"""What a page of A4 consists of, and how much room that takes at most, before any font is at hand."""

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cfc_geo.outputs.drawing import POINT_MM, Drawing

WIDE, NARROW = 1.0, 0.56
"""Width of a Chinese and of any other character, in sizes of the font."""
LOOSE: Final = 1.06
"""Lines are never filled to their end: words and figures do not break."""


def text_em(text: str) -> float:
    """Width of a text, in sizes of its font."""
    wide = sum(unicodedata.east_asian_width(mark) in "WFA" for mark in text)
    return wide * WIDE + (len(text) - wide) * NARROW


def text_mm(text: str, size_pt: float) -> float:
    return text_em(text) * size_pt * POINT_MM


def lines(text: str, width_mm: float, size_pt: float) -> int:
    """How many lines a text takes in a column."""
    needed = text_mm(text, size_pt)
    return 1 if needed <= width_mm else math.ceil(needed * LOOSE / width_mm)


def row_lines(cells: Sequence[str], widths_mm: Sequence[float], size_pt: float) -> int:
    """How many lines a row of a table takes."""
    return max(lines(cell, width, size_pt) for cell, width in zip(cells, widths_mm, strict=True))


# --------------------------------------------------------------------------------------------------------------- blocks

PAGE_MM: Final = (210.0, 297.0)
SIDE_MM, TOP_MM, BOTTOM_MM = 18.0, 13.0, 16.0
WIDTH_MM: Final = PAGE_MM[0] - 2 * SIDE_MM
HEIGHT_MM: Final = PAGE_MM[1] - TOP_MM - BOTTOM_MM
FOOT_PT: Final = 9.0
CELL_PT, CELL_LEADING, CELL_PAD_PT, CELL_SIDE_PT = 9.0, 11.5, 1.5, 3.0
"""A table's text, its lines, and the room above and below it and at its sides; a rule is a half point."""


@dataclass(frozen=True)
class Style:
    """How a text stands, in points: its size, its lines, the room before and after it."""

    size: float
    leading: float
    before: float = 0.0
    after: float = 0.0
    colour: str = "#222222"


STYLES: Final = {
    "title": Style(17, 22, colour="#12466b"),
    "about": Style(9, 12, after=3, colour="#555555"),
    "lead": Style(11, 15.5, after=4),
    "heading": Style(11.5, 15, before=6, after=2.5, colour="#12466b"),
    "strong": Style(9.5, 12.6, before=2),
    "body": Style(9.5, 12.6, before=2, after=1),
    "bullet": Style(9, 12, colour="#222222"),
    "note": Style(9, 11.8, before=2, after=1, colour="#555555"),
}
BULLET_INDENT_PT: Final = 10.0


@dataclass(frozen=True)
class Text:
    """One paragraph; `style` is a key of `STYLES`."""

    text: str
    style: str = "body"


@dataclass(frozen=True)
class Grid:
    """A table with a heading row; `right`: which columns are numbers."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    widths_mm: tuple[float, ...]
    right: tuple[bool, ...]


@dataclass(frozen=True, eq=False)
class Picture:
    """A drawing as wide as the text, and what explains the numbers in it where its words had no font ("" nothing)."""

    drawing: Drawing
    key: str = ""


Block = Text | Grid | Picture
Page = tuple[Block, ...]


def height_mm(block: Block) -> float:
    """How high a block is, at most."""
    if isinstance(block, Picture):
        return block.drawing.height + 1.5 + (height_mm(Text(block.key, "note")) if block.key else 0)
    if isinstance(block, Grid):
        inner = [width - 2 * CELL_SIDE_PT * POINT_MM for width in block.widths_mm]
        rows = (block.head, *block.rows)
        taken = [row_lines(row, inner, CELL_PT) * CELL_LEADING + 2 * CELL_PAD_PT + 0.5 for row in rows]
        return (sum(taken) + 2) * POINT_MM
    style = STYLES[block.style]
    width = WIDTH_MM - (BULLET_INDENT_PT * POINT_MM if block.style == "bullet" else 0)
    return (lines(block.text, width, style.size) * style.leading + style.before + style.after) * POINT_MM


def page_height_mm(page: Page) -> float:
    return sum(map(height_mm, page))
