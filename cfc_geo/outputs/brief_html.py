"""A brief as one page that asks for nothing else, its font within; printed, it is two pages of A4."""

import base64
import hashlib
from html import escape
from pathlib import Path

from cfc_geo.outputs.brief import NUMBER, Brief
from cfc_geo.outputs.drawing import svg
from cfc_geo.outputs.fonts import web_font
from cfc_geo.outputs.page import LANG_TAGS
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
    Block,
    Grid,
    Picture,
)

TAGS = {"title": "h1", "heading": "h2", "strong": "h3"}


def brief_html(brief: Brief, font: Path | None = None) -> bytes:
    """The page. Raises `OutputError` where this machine has no font that may be embedded."""
    packed = base64.b64encode(web_font(brief.words() + " •", font)).decode("ascii")
    widths = {width for page in brief.pages for block in page if isinstance(block, Grid) for width in block.widths_mm}
    style = _style(packed, sorted(widths))
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    sheets = "\n".join(
        f'<section class="sheet">\n{"".join(map(_html, page))}'
        f"<footer>{escape(brief.foot.replace(NUMBER, str(number)))}</footer>\n</section>"
        for number, page in enumerate(brief.pages, start=1)
    )
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; font-src data:"
    return (
        f'<!DOCTYPE html>\n<html lang="{LANG_TAGS[brief.lang]}">\n<head>\n<meta charset="utf-8"/>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        f"<title>{escape(brief.title)}</title>\n<style>{style}</style>\n</head>\n<body>\n{sheets}\n</body>\n</html>\n"
    ).encode()


def _html(block: Block) -> str:
    if isinstance(block, Picture):
        key = f'<p class="note">{escape(block.key)}</p>\n' if block.key else ""
        return f"<figure>\n{svg(block.drawing)}\n</figure>\n{key}"
    if isinstance(block, Grid):
        return _table(block)
    tag = TAGS.get(block.style, "p")
    return f'<{tag} class="{block.style}">{escape(block.text)}</{tag}>\n'


def _table(grid: Grid) -> str:
    columns = "".join(f'<col class="{_mark(width)}"/>' for width in grid.widths_mm)

    def row(cells: tuple[str, ...], tag: str) -> str:
        told = zip(cells, grid.right, strict=True)
        return "".join(f"<{tag}{' class=right' if right else ''}>{escape(cell)}</{tag}>" for cell, right in told)

    body = "".join(f"<tr>{row(cells, 'td')}</tr>\n" for cells in grid.rows)
    head = f"<colgroup>{columns}</colgroup><thead><tr>{row(grid.head, 'th')}</tr></thead>"
    return f"<table>{head}<tbody>\n{body}</tbody></table>\n"


def _mark(width_mm: float) -> str:
    """The class of columns of a width: the page's policy allows no style in an element."""
    return f"w{round(width_mm * 10)}"


def _style(font: str, widths_mm: list[float]) -> str:
    rules = [
        f"@font-face{{font-family:brief;src:url(data:font/woff2;base64,{font}) format('woff2')}}",
        "@page{size:A4;margin:0}",
        "*{box-sizing:border-box}",
        "body{margin:0;background:#d9dde0;font-family:brief,sans-serif;color:#222;-webkit-print-color-adjust:exact;"
        "print-color-adjust:exact}",
        f".sheet{{position:relative;width:{PAGE_MM[0]}mm;height:{PAGE_MM[1]}mm;margin:6mm auto;background:#fff;"
        f"padding:{TOP_MM}mm {SIDE_MM}mm {BOTTOM_MM}mm}}",
        "@media print{body{background:#fff}.sheet{margin:0;break-after:page}.sheet:last-child{break-after:auto}}",
        "h1,h2,h3,p,figure{margin:0;font-weight:normal}",
        "figure{line-height:0;margin-bottom:1.5mm}svg text{line-height:normal}",
        f"footer{{position:absolute;left:0;right:0;bottom:{BOTTOM_MM / 2 - 1}mm;text-align:center;"
        f"font-size:{FOOT_PT}pt;line-height:1;color:#595959}}",
        f"table{{border-collapse:collapse;table-layout:fixed;width:100%;font-size:{CELL_PT}pt;"
        f"line-height:{CELL_LEADING}pt;margin-bottom:2pt}}",
        f"td,th{{border:.5pt solid #b9c2c9;padding:{CELL_PAD_PT}pt {CELL_SIDE_PT}pt;text-align:left;"
        "font-weight:normal;overflow-wrap:anywhere}",
        "th{background:#e4edf3}.right{text-align:right}",
        f".bullet{{padding-left:{BULLET_INDENT_PT}pt;text-indent:-{BULLET_INDENT_PT - 1}pt}}",
        ".bullet::before{content:'• '}",
    ]
    rules += [f".{_mark(width)}{{width:{width}mm}}" for width in widths_mm]
    for key, style in STYLES.items():
        rules.append(
            f".{key}{{font-size:{style.size}pt;line-height:{style.leading}pt;margin-top:{style.before}pt;"
            f"margin-bottom:{style.after}pt;color:{style.colour};overflow-wrap:anywhere}}"
        )
    return "\n".join(rules)
