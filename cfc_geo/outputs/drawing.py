"""A drawing of areas, lines and words, in millimetres from its upper left corner, as SVG, in a PDF, and as PNG.

What is drawn is decided once; the three hands below only draw. Text of data is escaped where a format has markup.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final, Literal

import numpy as np
import shapely

Anchor = Literal["start", "middle", "end"]
POINT_MM: Final = 25.4 / 72
PNG_DPI: Final = 220
FINER: Final = 2
"""How much finer a PNG is drawn before it is reduced, which smooths its edges."""
HALO_MM: Final = 0.45


@dataclass(frozen=True, eq=False)
class Area:
    """Polygons, holes left out."""

    shape: Any
    fill: str = ""
    stroke: str = ""
    stroke_mm: float = 0.2


@dataclass(frozen=True, eq=False)
class Line:
    """Lines with round ends."""

    shape: Any
    colour: str
    width_mm: float


@dataclass(frozen=True)
class Words:
    """A text whose base line begins, has its middle or ends at (x, y)."""

    text: str
    x: float
    y: float
    size_pt: float = 9.0
    anchor: Anchor = "start"
    colour: str = "#222222"
    halo: bool = False


Item = Area | Line | Words


@dataclass(frozen=True, eq=False)
class Drawing:
    """Items in the order of drawing; `said`: what it shows, for those who cannot see it."""

    width: float
    height: float
    items: tuple[Item, ...]
    said: str

    def words(self) -> str:
        """All that is written in it."""
        return "".join(item.text for item in self.items if isinstance(item, Words))


def paths(shape: Any, *, closed: bool) -> list[list[np.ndarray]]:
    """Of polygons (`closed`) their rings, the outer first, or of lines their points; one list a piece."""
    found = []
    for piece in shapely.get_parts(shape, return_index=False).tolist():
        if closed and piece.geom_type == "Polygon":
            found.append([shapely.get_coordinates(ring) for ring in (piece.exterior, *piece.interiors)])
        elif not closed and piece.geom_type in ("LineString", "LinearRing"):
            found.append([shapely.get_coordinates(piece)])
        elif piece.geom_type.startswith(("Multi", "Geometry")):
            found += paths(piece, closed=closed)
    return found


# ---------------------------------------------------------------------------------------------------------------- SVG


def svg(drawing: Drawing) -> str:
    """The drawing as an element of a page, its words in the font of the page."""
    drawn = "\n".join(_svg_item(item) for item in drawing.items)
    size = f"{drawing.width:g}"
    return (
        f'<svg role="img" aria-label="{escape(drawing.said)}" viewBox="0 0 {size} {drawing.height:.2f}" '
        f'width="{size}mm" height="{drawing.height:.2f}mm" xmlns="http://www.w3.org/2000/svg">\n{drawn}\n</svg>'
    )


def _svg_item(item: Item) -> str:
    if isinstance(item, Words):
        halo = f' stroke="#ffffff" stroke-width="{2 * HALO_MM}" stroke-linejoin="round" paint-order="stroke"'
        return (
            f'<text x="{item.x:.2f}" y="{item.y:.2f}" font-size="{item.size_pt * POINT_MM:.3f}" '
            f'text-anchor="{item.anchor}" fill="{item.colour}"{halo if item.halo else ""}>{escape(item.text)}</text>'
        )
    closed = isinstance(item, Area)
    rings = [ring for piece in paths(item.shape, closed=closed) for ring in piece]
    trace = "".join("M" + " ".join(f"{x:.2f},{y:.2f}" for x, y in ring) + ("Z" if closed else "") for ring in rings)
    if isinstance(item, Area):
        stroke = f' stroke="{item.stroke}" stroke-width="{item.stroke_mm:g}"' if item.stroke else ""
        return f'<path d="{trace}" fill="{item.fill or "none"}" fill-rule="evenodd"{stroke}/>'
    round_ends = 'stroke-linecap="round" stroke-linejoin="round"'
    return f'<path d="{trace}" fill="none" stroke="{item.colour}" stroke-width="{item.width_mm:g}" {round_ends}/>'


# ---------------------------------------------------------------------------------------------------------------- PDF


def draw_on(canvas: Any, drawing: Drawing, font: str) -> None:
    """Draw on a canvas of reportlab, lower left corner at its origin; `font` is the name reportlab knows it by."""
    from reportlab.lib.colors import HexColor

    canvas.saveState()
    canvas.scale(1 / POINT_MM, 1 / POINT_MM)
    canvas.setLineCap(1)
    canvas.setLineJoin(1)
    for item in drawing.items:
        if isinstance(item, Words):
            _write_on(canvas, item, drawing.height - item.y, font)
            continue
        path, closed = canvas.beginPath(), isinstance(item, Area)
        for piece in paths(item.shape, closed=closed):
            for ring in piece:
                path.moveTo(ring[0][0], drawing.height - ring[0][1])
                for x, y in ring[1:]:
                    path.lineTo(x, drawing.height - y)
                if closed:
                    path.close()
        colour, width = (item.stroke, item.stroke_mm) if isinstance(item, Area) else (item.colour, item.width_mm)
        if colour:
            canvas.setStrokeColor(HexColor(colour))
            canvas.setLineWidth(width)
        fill = item.fill if isinstance(item, Area) else ""
        if fill:
            canvas.setFillColor(HexColor(fill))
        canvas.drawPath(path, stroke=bool(colour), fill=bool(fill), fillMode=0)
    canvas.restoreState()


def _write_on(canvas: Any, item: Words, y: float, font: str) -> None:
    from reportlab.lib.colors import HexColor

    size = item.size_pt * POINT_MM
    wide = canvas.stringWidth(item.text, font, size)
    x = item.x - wide * {"start": 0, "middle": 0.5, "end": 1}[item.anchor]
    if item.halo:
        canvas.setStrokeColor(HexColor("#ffffff"))
        canvas.setLineWidth(2 * HALO_MM)
        text = canvas.beginText(x, y)
        text.setFont(font, size)
        text.setTextRenderMode(1)
        text.textOut(item.text)
        text.setTextRenderMode(0)
        canvas.drawText(text)
    canvas.setFillColor(HexColor(item.colour))
    text = canvas.beginText(x, y)
    text.setFont(font, size)
    text.textOut(item.text)
    canvas.drawText(text)


# ---------------------------------------------------------------------------------------------------------------- PNG


def png(drawing: Drawing, font: bytes | None) -> bytes:
    """The drawing as PNG, its words in a TrueType `font`; None: in one that has Latin letters only."""
    from PIL import Image, ImageDraw

    scale = PNG_DPI * FINER / 25.4
    image = Image.new("RGB", (round(drawing.width * scale), round(drawing.height * scale)), "#ffffff")
    draw = ImageDraw.Draw(image)
    fonts: dict[int, Any] = {}
    for item in drawing.items:
        if isinstance(item, Words):
            size = round(item.size_pt * POINT_MM * scale)
            if size not in fonts:
                fonts[size] = _png_font(font, size)
            anchor = {"start": "ls", "middle": "ms", "end": "rs"}[item.anchor]
            halo = round(HALO_MM * scale) if item.halo else 0
            at = (item.x * scale, item.y * scale)
            draw.text(at, item.text, item.colour, fonts[size], anchor, stroke_width=halo, stroke_fill="#ffffff")
        elif isinstance(item, Line):
            width = max(1, round(item.width_mm * scale))
            for (points,) in paths(item.shape, closed=False):
                draw.line(_pixels(points, scale), item.colour, width, joint="curve")
        else:
            for rings in paths(item.shape, closed=True):
                _fill(image, draw, [_pixels(ring, scale) for ring in rings], item, scale)
    buffer = io.BytesIO()
    image.reduce(FINER).save(buffer, "PNG", dpi=(PNG_DPI, PNG_DPI))
    return buffer.getvalue()


def _png_font(font: bytes | None, size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size) if font is None else ImageFont.truetype(io.BytesIO(font), size)


def _fill(image: Any, draw: Any, rings: Sequence[list[tuple[float, float]]], area: Area, scale: float) -> None:
    from PIL import Image, ImageDraw

    if area.fill and len(rings) == 1:
        draw.polygon(rings[0], fill=area.fill)
    elif area.fill:
        mask = Image.new("1", image.size)
        of_mask = ImageDraw.Draw(mask)
        for position, ring in enumerate(rings):
            of_mask.polygon(ring, fill=0 if position else 1)
        image.paste(area.fill, mask=mask)
    if area.stroke:
        width = max(1, round(area.stroke_mm * scale))
        for ring in rings:
            draw.line([*ring, ring[1]], area.stroke, width, joint="curve")


def _pixels(points: np.ndarray, scale: float) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in points * scale]
