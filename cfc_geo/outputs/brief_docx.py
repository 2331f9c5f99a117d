"""A brief as DOCX, to be edited: real tables, the map as a picture, and the Chinese fonts that offices have."""

import io
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from cfc_geo.errors import OutputError
from cfc_geo.outputs.brief import NUMBER, Brief
from cfc_geo.outputs.drawing import png
from cfc_geo.outputs.fonts import embeddable_font
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
    Style,
)

LATIN, HEADS, BODY = "Arial", "黑体", "宋体"
FIXED_DATE: Final = datetime(2000, 1, 1)
ZIP_DATE: Final = (1980, 1, 1, 0, 0, 0)
IN_HEADS: Final = ("title", "heading", "strong")
TWIPS: Final = 20


def map_font(words: str, font: Path | None = None) -> bytes | None:
    """The font for the words of a map; None where this machine has none that has them."""
    try:
        return embeddable_font(words, font)
    except OutputError:
        return None


def brief_docx(brief: Brief, font: Path | None = None) -> bytes:
    """Two pages of A4. The map is written in a font of this machine, all else in those of the reader."""
    from docx import Document
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Mm

    document = Document()
    section = document.sections[0]
    section.page_width, section.page_height = Mm(PAGE_MM[0]), Mm(PAGE_MM[1])
    section.left_margin = section.right_margin = Mm(SIDE_MM)
    section.top_margin, section.bottom_margin = Mm(TOP_MM), Mm(BOTTOM_MM)
    section.header_distance = section.footer_distance = Mm(BOTTOM_MM / 2 - 2)
    for position, page in enumerate(brief.pages):
        for number, block in enumerate(page):
            _add(document, block, font, new_page=position > 0 and number == 0)
    foot = section.footer.paragraphs[0]
    foot.alignment = WD_ALIGN_PARAGRAPH.CENTER
    before, _, after = brief.foot.partition(NUMBER)
    _run(foot, before, Style(FOOT_PT, 11, colour="#595959"), BODY)
    _page_number(foot)
    _run(foot, after, Style(FOOT_PT, 11, colour="#595959"), BODY)
    about = document.core_properties
    about.title, about.author, about.comments, about.language = brief.title, "cfc-geo", "", brief.lang
    about.created = about.modified = FIXED_DATE
    about.last_modified_by = "cfc-geo"
    package = document.part.package
    for name in [name for name, rel in package.rels.items() if rel.reltype.endswith("/thumbnail")]:
        del package.rels[name]  # a picture of the empty template
    buffer = io.BytesIO()
    document.save(buffer)
    return _undated(buffer.getvalue())


def _add(document: Any, block: Block, font: Path | None, *, new_page: bool) -> None:
    if isinstance(block, Grid):
        _add_table(document, block)
    elif isinstance(block, Picture):
        _add_picture(document, block, font)
    else:
        style = STYLES[block.style]
        paragraph = document.add_paragraph()
        _set(paragraph, style)
        paragraph.paragraph_format.page_break_before = new_page
        if block.style == "bullet":
            _indent(paragraph)
        said = f"•\t{block.text}" if block.style == "bullet" else block.text
        _run(paragraph, said, style, HEADS if block.style in IN_HEADS else BODY, bold=block.style in IN_HEADS)


def _add_picture(document: Any, block: Picture, font: Path | None) -> None:
    from docx.shared import Mm

    paragraph = document.add_paragraph()
    paragraph.paragraph_format.space_before = paragraph.paragraph_format.space_after = 0
    image = png(block.drawing, map_font(block.drawing.words(), font))
    shape = paragraph.add_run().add_picture(io.BytesIO(image), width=Mm(WIDTH_MM))
    for side in ("distT", "distB", "distL", "distR"):
        shape._inline.set(side, "0")
    shape._inline.docPr.set("descr", block.drawing.said)
    shape._inline.docPr.set("name", "map")
    if block.key:
        key = document.add_paragraph()
        _set(key, STYLES["note"])
        _run(key, block.key, STYLES["note"], BODY)


def _add_table(document: Any, grid: Grid) -> None:
    from docx.enum.table import WD_ALIGN_VERTICAL, WD_TABLE_ALIGNMENT
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.oxml.ns import qn
    from docx.oxml.parser import OxmlElement
    from docx.shared import Mm

    table = document.add_table(rows=1 + len(grid.rows), cols=len(grid.head), style="Table Grid")
    table.alignment, table.autofit = WD_TABLE_ALIGNMENT.CENTER, False
    for column, width in zip(table.columns, grid.widths_mm, strict=True):
        column.width = Mm(width)
    _table_look(table)
    for position, cells in enumerate((grid.head, *grid.rows)):
        row = table.rows[position]
        settings = row._tr.get_or_add_trPr()
        settings.append(OxmlElement("w:cantSplit"))
        if position == 0:
            settings.append(OxmlElement("w:tblHeader"))
        for cell, said, width, right in zip(row.cells, cells, grid.widths_mm, grid.right, strict=True):
            cell.width = Mm(width)
            if position == 0:
                shade = OxmlElement("w:shd")
                for name, value in (("val", "clear"), ("color", "auto"), ("fill", "E4EDF3")):
                    shade.set(qn(f"w:{name}"), value)
                cell._tc.get_or_add_tcPr().append(shade)
            cell.vertical_alignment = WD_ALIGN_VERTICAL.CENTER
            paragraph = cell.paragraphs[0]
            style = Style(CELL_PT, CELL_LEADING, CELL_PAD_PT, CELL_PAD_PT)
            _set(paragraph, style)
            if right:
                paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT
            _run(paragraph, said, style, BODY)
    gap = document.add_paragraph()
    _set(gap, Style(1, 2))


def _table_look(table: Any) -> None:
    """Thin grey rules, and the room at the sides of cells."""
    from docx.oxml.ns import qn
    from docx.oxml.parser import OxmlElement

    settings = table._tbl.tblPr
    borders, margins = OxmlElement("w:tblBorders"), OxmlElement("w:tblCellMar")
    for side in ("top", "left", "bottom", "right", "insideH", "insideV"):
        border = OxmlElement(f"w:{side}")
        for name, value in (("val", "single"), ("sz", "4"), ("space", "0"), ("color", "B9C2C9")):
            border.set(qn(f"w:{name}"), value)
        borders.append(border)
    for side in ("left", "right"):
        margin = OxmlElement(f"w:{side}")
        margin.set(qn("w:w"), str(round(CELL_SIDE_PT * TWIPS)))
        margin.set(qn("w:type"), "dxa")
        margins.append(margin)
    layout = settings.find(qn("w:tblLayout"))
    (settings.append if layout is None else layout.addprevious)(borders)
    (settings.append if layout is None else layout.addnext)(margins)


def _set(paragraph: Any, style: Style) -> None:
    from docx.enum.text import WD_LINE_SPACING
    from docx.shared import Pt

    look = paragraph.paragraph_format
    look.line_spacing_rule, look.line_spacing = WD_LINE_SPACING.EXACTLY, Pt(style.leading)
    look.space_before, look.space_after = Pt(style.before), Pt(style.after)


def _indent(paragraph: Any) -> None:
    from docx.shared import Pt

    paragraph.paragraph_format.left_indent = Pt(BULLET_INDENT_PT)
    paragraph.paragraph_format.first_line_indent = Pt(-BULLET_INDENT_PT)
    paragraph.paragraph_format.tab_stops.add_tab_stop(Pt(BULLET_INDENT_PT))


def _run(paragraph: Any, said: str, style: Style, chinese: str, *, bold: bool = False) -> Any:
    from docx.oxml.ns import qn
    from docx.shared import Pt, RGBColor

    run = paragraph.add_run(said)
    run.font.name, run.font.size, run.font.bold = LATIN, Pt(style.size), bold
    run.font.color.rgb = RGBColor.from_string(style.colour[1:].upper())
    run._r.get_or_add_rPr().get_or_add_rFonts().set(qn("w:eastAsia"), chinese)
    return run


def _page_number(paragraph: Any) -> None:
    """A field that Word fills in."""
    from docx.oxml.ns import qn
    from docx.oxml.parser import OxmlElement

    for kind in ("begin", "", "end"):
        part = OxmlElement("w:fldChar" if kind else "w:instrText")
        if kind:
            part.set(qn("w:fldCharType"), kind)
        else:
            part.text = "PAGE"
        run = _run(paragraph, "", Style(FOOT_PT, 11, colour="#595959"), BODY)
        run._r.append(part)


def _undated(content: bytes) -> bytes:
    """The same file, with no trace of when it was written."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(zipfile.ZipInfo(name, ZIP_DATE), old.read(name), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
