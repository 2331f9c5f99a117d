"""A brief as PDF, the glyphs of a Chinese font of this machine embedded."""

import io
from html import escape
from pathlib import Path
from typing import Any

from cfc_geo.outputs.brief import NUMBER, Brief
from cfc_geo.outputs.drawing import POINT_MM, draw_on
from cfc_geo.outputs.fonts import embeddable_font, register
from cfc_geo.outputs.paper import (
    BOTTOM_MM,
    BULLET_INDENT_PT,
    CELL_LEADING,
    CELL_PAD_PT,
    CELL_PT,
    CELL_SIDE_PT,
    FOOT_PT,
    PAGE_MM,
    SIDE_MM,
    STYLES,
    TOP_MM,
    WIDTH_MM,
    Block,
    Grid,
    Picture,
)

ALWAYS = "".join(map(chr, range(32, 127))) + "•"


def brief_pdf(brief: Brief, font: Path | None = None) -> bytes:
    """Two pages of A4. Raises `OutputError` where this machine has no font that may be embedded."""
    from reportlab.platypus import BaseDocTemplate, Frame, PageBreak, PageTemplate

    name = register(embeddable_font(brief.words() + ALWAYS, font))
    width, height = (side / POINT_MM for side in PAGE_MM)
    side, top, bottom = (edge / POINT_MM for edge in (SIDE_MM, TOP_MM, BOTTOM_MM))

    def foot(canvas: Any, _: Any) -> None:
        canvas.setFont(name, FOOT_PT)
        canvas.setFillGray(0.35)
        canvas.drawCentredString(width / 2, bottom / 2, brief.foot.replace(NUMBER, str(canvas.getPageNumber())))

    frame = Frame(side, bottom, width - 2 * side, height - top - bottom, 0, 0, 0, 0)
    buffer = io.BytesIO()
    document = BaseDocTemplate(
        buffer, pagesize=(width, height), pageTemplates=[PageTemplate("page", [frame], onPage=foot)],
        title=brief.title, author="cfc-geo", lang=brief.lang, invariant=1,
    )  # fmt: skip
    first, second = ([one for block in page for one in _flowables(block, brief.lang, name)] for page in brief.pages)
    document.build([*first, PageBreak(), *second])
    return buffer.getvalue()


def _flowables(block: Block, lang: str, font: str) -> list[Any]:
    from reportlab.platypus import Paragraph, Spacer

    if isinstance(block, Grid):
        return [_table(block, lang, font), Spacer(0, 2)]
    if isinstance(block, Picture):
        key = [Paragraph(escape(block.key), _style("note", lang, font))] if block.key else []
        return [_drawn(block, font), Spacer(0, 1.5 / POINT_MM), *key]
    bullet = "•" if block.style == "bullet" else None
    return [Paragraph(escape(block.text), _style(block.style, lang, font), bulletText=bullet)]


def _style(key: str, lang: str, font: str) -> Any:
    from reportlab.lib.styles import ParagraphStyle

    style = STYLES[key]
    indent = BULLET_INDENT_PT if key == "bullet" else 0
    return ParagraphStyle(
        key, fontName=font, fontSize=style.size, leading=style.leading, spaceBefore=style.before,
        spaceAfter=style.after, textColor=style.colour, leftIndent=indent, bulletFontName=font,
        bulletFontSize=style.size, bulletIndent=1, wordWrap="CJK" if lang == "zh" else None,
    )  # fmt: skip


def _table(grid: Grid, lang: str, font: str) -> Any:
    from reportlab.lib.colors import HexColor
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph, Table

    wrap = "CJK" if lang == "zh" else None
    styles = [
        ParagraphStyle(
            f"cell{right}", fontName=font, fontSize=CELL_PT, leading=CELL_LEADING, wordWrap=wrap, alignment=2 * right
        )
        for right in grid.right
    ]
    cells = [
        [Paragraph(escape(cell), style) for cell, style in zip(row, styles, strict=True)]
        for row in (grid.head, *grid.rows)
    ]
    style = [
        ("GRID", (0, 0), (-1, -1), 0.5, HexColor("#b9c2c9")),
        ("BACKGROUND", (0, 0), (-1, 0), HexColor("#e4edf3")),
        ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
        ("TOPPADDING", (0, 0), (-1, -1), CELL_PAD_PT),
        ("BOTTOMPADDING", (0, 0), (-1, -1), CELL_PAD_PT),
        ("LEFTPADDING", (0, 0), (-1, -1), CELL_SIDE_PT),
        ("RIGHTPADDING", (0, 0), (-1, -1), CELL_SIDE_PT),
    ]
    return Table(cells, colWidths=[width / POINT_MM for width in grid.widths_mm], repeatRows=1, style=style)


def _drawn(picture: Picture, font: str) -> Any:
    from reportlab.platypus import Flowable

    class Drawn(Flowable):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.width, self.height = WIDTH_MM / POINT_MM, picture.drawing.height / POINT_MM

        def draw(self) -> None:
            draw_on(self.canv, picture.drawing, font)

    return Drawn()
