"""How much room text takes on paper, before any font is at hand: a little more than it will."""

import math
import unicodedata
from collections.abc import Sequence
from typing import Final

POINT_MM: Final = 25.4 / 72
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
