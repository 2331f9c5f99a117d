"""A sheet per corridor for a walk audit at a child's eye height: map strip, what is known of each part, a form to tick.

PDF by reportlab (BSD), with the glyphs of a Chinese font of this machine embedded (`fonts`). A sheet is the same to the
byte for the same corridor, font and words.
"""

import io
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import pandas as pd

from cfc_geo import catalog
from cfc_geo.model import Study
from cfc_geo.outputs.fonts import embeddable_font, register
from cfc_geo.outputs.map_strip import GROUND_COLOURS, STRESS_COLOURS, Strip, map_strip, scale_bar
from cfc_geo.outputs.tables import text
from cfc_geo.questions.corridors import JOINED_M, PARKS, SCHOOLS, Corridors

PAPERS: Final = {"A4": (595.28, 841.89), "A3": (1190.55, 841.89)}
"""Points; A4 stands, A3 lies."""
MARGIN: Final = 36.0
PADDING: Final = 6.0
"""Between the margin and the text, as reportlab's frames have it."""
STRIP_SHARE: Final = 0.3
"""How much of the page's height the map strip takes at most."""
ASKED: Final = ("footway", "width", "clear", "see", "slow", "cross", "level", "shade", "light", "play")
COLUMNS: Final = ("part", "along", "name", "length", "children", "stress", "why", "remedy")
SHARES: Final = (0.05, 0.1, 0.25, 0.08, 0.08, 0.07, 0.2, 0.17)
FORM_STARTS_WITH: Final = 150.0
"""The form starts on the next page where less than so much is left of this one."""
LONGEST_NAME: Final = 60


def audit_sheets(
    corridors: Corridors, study: Study, lang: str, *, papers: Sequence[str] = ("A4", "A3"),
    font: Path | None = None,
) -> dict[str, bytes]:  # fmt: skip
    """File name `<corridor_id>.<paper>.pdf` → sheet, for every corridor. Raises `OutputError` where this machine has no
    Chinese font that may be embedded."""
    return {
        f"{corridor}.{paper}.pdf": audit_sheet(corridors, corridor, study, lang, paper=paper, font=font)
        for corridor in corridors.table["corridor_id"]
        for paper in papers
    }


def audit_sheet(
    corridors: Corridors, corridor_id: str, study: Study, lang: str, *, paper: str = "A4", font: Path | None = None
) -> bytes:
    """The sheet of one corridor. Raises `OutputError` as `audit_sheets` does."""
    from reportlab.platypus import SimpleDocTemplate

    row = corridors.table.set_index("corridor_id", drop=False).loc[corridor_id]
    parts = corridors.parts[corridors.parts["corridor_id"] == corridor_id]
    joined = _joined(row.geometry, study)
    width, height = PAPERS[paper]
    strip = map_strip(parts, study, joined, width=width - 2 * (MARGIN + PADDING), most=STRIP_SHARE * height)
    name = _say("title", lang, name=f"{corridor_id} {_name(row['name'], lang)}")
    words = "".join(map(str, [name, *_texts(row, parts, joined, lang)]))
    font_name = register(embeddable_font(words + ALWAYS + _all_words(lang), font))
    buffer = io.BytesIO()
    document = SimpleDocTemplate(
        buffer, pagesize=(width, height), leftMargin=MARGIN, rightMargin=MARGIN, topMargin=MARGIN, bottomMargin=MARGIN,
        title=name, author="cfc-geo", lang=lang, invariant=1,
    )  # fmt: skip
    told = _say("page", lang, name=corridor_id, number="{}")

    def foot(canvas: Any, _: Any) -> None:
        canvas.setFont(font_name, 8)
        canvas.setFillGray(0.35)
        canvas.drawString(MARGIN, MARGIN / 2, _say("internal", lang))
        canvas.drawRightString(width - MARGIN, MARGIN / 2, told.format(canvas.getPageNumber()))

    document.build(_story(name, row, parts, joined, strip, lang, font_name), onFirstPage=foot, onLaterPages=foot)
    return buffer.getvalue()


ALWAYS: Final = "".join(map(chr, range(32, 127))) + "□—…、×"


# -------------------------------------------------------------------------------------------------------------- content


def _story(
    name: str, row: pd.Series, parts: gpd.GeoDataFrame, joined: gpd.GeoDataFrame, strip: Strip, lang: str, font: str
) -> list[Any]:
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import CondPageBreak, Paragraph, Spacer

    body = ParagraphStyle("body", fontName=font, fontSize=9, leading=13, wordWrap="CJK")
    head = ParagraphStyle("head", parent=body, fontSize=15, leading=20)
    part = ParagraphStyle("part", parent=body, fontSize=11, leading=16, spaceBefore=6)
    lines = [Paragraph(escape(said), body) for said in _said(row, joined, lang)]
    return [
        Paragraph(escape(name), head),
        *lines,
        Spacer(0, 4),
        _drawing(strip, lang, font),
        Paragraph(escape(_say("parts", lang)), part),
        _parts_table(parts, strip.width, lang, body),
        CondPageBreak(FORM_STARTS_WITH),
        Paragraph(escape(_say("form", lang)), part),
        Paragraph(escape(_say("how", lang)), body),
        Spacer(0, 4),
        _form(parts, strip.width, lang, body),
        Paragraph(escape(_say("notes", lang)), part),
        *[Spacer(0, 22), _rule(strip.width)] * 3,
    ]


def _said(row: pd.Series, joined: gpd.GeoDataFrame, lang: str) -> list[str]:
    ends = {end: _short(row[end]) or _say("end", lang) for end in ("from_street", "to_street")}
    said = [
        _say("who", lang),
        _say("stretch", lang, unit=_short(row["unit_name"]), metres=f"{row['length_m']:,.0f}", **ends),
        _say(
            "figures",
            lang,
            children=f"{row['children_on_it']:,.0f}",
            beside=f"{row['children_beside']:,.0f}",
            worst=row["stress_worst"],
            mean=f"{row['stress_mean']:.1f}",
            crossings=row["crossings_hard"],
            assumed=f"{row['assumed_share']:.0%}",
        ),
    ]
    if row["children_gaining"] > 0:
        share = "—" if pd.isna(row["gaining_share"]) else f"{row['gaining_share']:.0%}"
        children, unit = f"{row['children_gaining']:,.0f}", _short(row["gaining_unit"])
        said.append(_say("gain", lang, children=children, share=share, unit=unit))
    elif row["children_gaining"] == 0:
        said.append(_say("no_gain", lang))
    if len(joined):
        said.append(_say("joined", lang, places="、".join(map(_short, joined["name"]))))
    return said


def _parts_table(parts: gpd.GeoDataFrame, width: float, lang: str, body: Any) -> Any:
    rows = [[_say(f"head.{name}", lang) for name in COLUMNS]]
    for part in parts.itertuples():
        crossing = part.element == "crossing"
        street = _name(part.name, lang)
        rows.append(
            [
                str(part.part),
                f"{part.along_m:,.0f}",
                _say("crossing", lang, name=street) if crossing else street,
                "" if crossing else f"{part.length_m:,.0f}",
                f"{part.children:,.0f}",
                str(int(part.stress)),
                f"{_known('why', part.governed_by, lang)} ({_known('evidence', part.stress_evidence, lang)})",
                _remedy(part.remedies, part.exposure, lang),
            ]
        )
    return _table(rows, [width * share for share in SHARES], body)


def _form(parts: gpd.GeoDataFrame, width: float, lang: str, body: Any) -> Any:
    """One row a part, one box a question; crossings are asked only about crossing, and streets about all else."""
    rows = [[_say("head.part", lang), *(_say(f"ask.{name}", lang) for name in ASKED)]]
    asked_of = {"crossing": {"see", "slow", "cross", "level", "light"}, "segment": set(ASKED) - {"cross"}}
    rows += [
        [str(part.part), *("□" if name in asked_of[part.element] else "—" for name in ASKED)]
        for part in parts.itertuples()
    ]
    first = width * SHARES[0]
    return _table(rows, [first, *[(width - first) / len(ASKED)] * len(ASKED)], body, centred=True)


def _remedy(remedies: str, exposure: float, lang: str) -> str:
    if not exposure > 0:
        return ""
    if not remedies:
        return _say("remedy.none_alone", lang)
    ways = [" + ".join(_known("remedy", one, lang) for one in way.split("+")) for way in remedies.split(";")]
    return _say("remedy.or", lang).join(ways)


def _joined(line: Any, study: Study) -> gpd.GeoDataFrame:
    near = study.entrances[study.entrances.dwithin(line, JOINED_M)]
    here = study.facilities["facility_id"].isin(near["facility_id"]) & study.facilities["kind"].isin((*SCHOOLS, *PARKS))
    joined = study.facilities[here].sort_values("facility_id")
    name = joined["name"].fillna("")
    return joined.assign(name=name.where(name != "", joined["facility_id"]))


def _texts(row: pd.Series, parts: gpd.GeoDataFrame, joined: gpd.GeoDataFrame, lang: str) -> list[str]:
    """Every text of data on the sheet."""
    return [*_said(row, joined, lang), *(_name(name, lang) for name in parts["name"]), *map(str, parts["governed_by"])]


def _all_words(lang: str) -> str:
    return "".join(catalog.room_words("audit_sheet", lang).values())


def _known(room: str, key: str, lang: str) -> str:
    """The word for a key of the catalogue, and a key that has none as it is."""
    return catalog.room_words("audit_sheet", lang).get(f"{room}.{key}", _short(key))


def _name(name: Any, lang: str) -> str:
    return _short(name) or _say("nameless", lang)


def _short(value: Any) -> str:
    """A text of data, no longer than fits; what does not print is gone."""
    plain = "".join(mark for mark in text(value) if mark.isprintable())
    return plain if len(plain) <= LONGEST_NAME else plain[: LONGEST_NAME - 1] + "…"


def _say(key: str, lang: str, **values: Any) -> str:
    return catalog.word(f"audit_sheet.{key}", lang, **values)


# -------------------------------------------------------------------------------------------------------------- drawing


def _table(rows: list[list[str]], widths: list[float], body: Any, *, centred: bool = False) -> Any:
    from reportlab.lib import colors
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph, Table

    small = ParagraphStyle("small", parent=body, fontSize=8, leading=11, alignment=1 if centred else 0)
    cells = [[Paragraph(escape(cell), small) for cell in row] for row in rows]
    style = [
        ("GRID", (0, 0), (-1, -1), 0.5, colors.grey),
        ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke),
        ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
        ("TOPPADDING", (0, 0), (-1, -1), 2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
    ]
    return Table(cells, colWidths=widths, repeatRows=1, style=style)


def _rule(width: float) -> Any:
    from reportlab.platypus import HRFlowable

    return HRFlowable(width=width, thickness=0.5)


def _drawing(strip: Strip, lang: str, font: str) -> Any:
    from reportlab.platypus import Flowable

    class Drawn(Flowable):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.width, self.height = strip.width, strip.height + 14

        def draw(self) -> None:
            self.canv.translate(0, 14)
            _draw_strip(self.canv, strip, lang, font)

    return Drawn()


def _draw_strip(canvas: Any, strip: Strip, lang: str, font: str) -> None:
    from reportlab.lib.colors import HexColor

    canvas.saveState()
    for kind, shape, what in strip.shapes:
        if kind == "ground":
            canvas.setFillColor(HexColor(GROUND_COLOURS[what]))
            _trace(canvas, shape, fill=True)
        elif kind in ("street", "barrier", "segment"):
            colour = {"street": "#bbbbbb", "barrier": "#444444"}.get(kind) or STRESS_COLOURS[what]
            canvas.setStrokeColor(HexColor(colour))
            canvas.setLineWidth({"street": 1.2, "barrier": 0.8}.get(kind) or 1.5 + what)
            canvas.setLineCap(1)
            _trace(canvas, shape)
        elif kind == "mark":
            number, element = what
            _draw_mark(canvas, shape, number, element, font)
        else:
            canvas.setFillColor(HexColor("#006644"))
            canvas.rect(shape.x - 3, shape.y - 3, 6, 6, stroke=0, fill=1)
            canvas.setFont(font, 7)
            wide = canvas.stringWidth(_short(what), font, 7)
            canvas.drawString(min(shape.x + 5, strip.width - wide - 2), shape.y - 2.5, _short(what))
    canvas.setStrokeGray(0.5)
    canvas.setLineWidth(0.5)
    canvas.rect(0, 0, strip.width, strip.height)
    _draw_legend(canvas, strip, lang, font)
    canvas.restoreState()


def _draw_mark(canvas: Any, at: Any, number: str, element: str, font: str) -> None:
    """A segment's number in a circle; a crossing is a triangle with its numbers below."""
    canvas.setStrokeGray(0.1)
    canvas.setFillGray(1)
    canvas.setLineWidth(0.8)
    low = at.y - 2.4
    if element == "crossing":
        path = canvas.beginPath()
        path.moveTo(at.x - 5, at.y - 3)
        path.lineTo(at.x + 5, at.y - 3)
        path.lineTo(at.x, at.y + 6)
        path.close()
        canvas.drawPath(path, stroke=1, fill=1)
        low = at.y - 11
        wide = canvas.stringWidth(number, font, 6.5) + 2
        canvas.rect(at.x - wide / 2, low - 1.5, wide, 7.5, stroke=0, fill=1)
    else:
        canvas.circle(at.x, at.y, 5.5, stroke=1, fill=1)
    canvas.setFillGray(0)
    canvas.setFont(font, 6.5)
    canvas.drawCentredString(at.x, low, number)


def _draw_legend(canvas: Any, strip: Strip, lang: str, font: str) -> None:
    """Below the frame: the levels of stress, the scale; in its corner, north."""
    from reportlab.lib.colors import HexColor

    canvas.setFont(font, 7)
    canvas.setFillGray(0)
    canvas.drawString(0, -10, _say("legend", lang))
    x = canvas.stringWidth(_say("legend", lang), font, 7) + 8
    for level, colour in STRESS_COLOURS.items():
        canvas.setStrokeColor(HexColor(colour))
        canvas.setLineWidth(1.5 + level)
        canvas.line(x, -7.5, x + 16, -7.5)
        canvas.drawString(x + 20, -10, str(level))
        x += 36
    metres, points = scale_bar(strip)
    canvas.setStrokeGray(0)
    canvas.setLineWidth(1.2)
    canvas.line(strip.width - points, -7.5, strip.width, -7.5)
    canvas.drawRightString(strip.width - points - 4, -10, _say("metres", lang, metres=metres))
    canvas.saveState()
    canvas.translate(strip.width - 16, strip.height - 18)
    canvas.setFillGray(1)
    canvas.circle(0, 0, 13, stroke=0, fill=1)
    canvas.rotate(strip.north - 90)
    canvas.setFillGray(0)
    canvas.line(0, -10, 0, 4)
    canvas.line(-3, 0, 0, 4)
    canvas.line(3, 0, 0, 4)
    canvas.drawCentredString(0, 5, _say("north", lang))
    canvas.restoreState()


def _trace(canvas: Any, shape: Any, *, fill: bool = False) -> None:
    """Draw lines, or fill polygons, holes left out."""
    path = canvas.beginPath()
    for piece in getattr(shape, "geoms", [shape]):
        if piece.geom_type == "Polygon":
            rings = [piece.exterior, *piece.interiors]
        elif piece.geom_type == "LineString" and not fill:
            rings = [piece]
        else:
            continue
        for ring in rings:
            first, *others = ring.coords
            path.moveTo(*first[:2])
            for place in others:
                path.lineTo(*place[:2])
            if fill:
                path.close()
    canvas.drawPath(path, stroke=not fill, fill=fill, fillMode=0)
