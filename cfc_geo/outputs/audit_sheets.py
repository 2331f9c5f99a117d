"""A sheet per corridor for a walk audit at a child's eye height: map strip, what is known of each part, a form to tick.

PDF by reportlab (BSD), with the glyphs of a Chinese font of this machine embedded (`fonts`); text that every reader has
glyphs for needs none. A sheet is the same to the byte for the same corridor, font and words.
"""

import io
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, Final, NamedTuple

import geopandas as gpd
import pandas as pd
import shapely

from cfc_geo import catalog
from cfc_geo.errors import OutputError
from cfc_geo.model import Study
from cfc_geo.outputs.drawn import credit
from cfc_geo.outputs.fonts import embeddable_font, register
from cfc_geo.outputs.map_strip import Strip, ends, map_strip, stop_number, stops
from cfc_geo.outputs.remedy_words import remedies_in_words
from cfc_geo.outputs.stress_words import why_in_words
from cfc_geo.outputs.strip_drawing import strip_flowable
from cfc_geo.outputs.tables import text
from cfc_geo.plan import Plan
from cfc_geo.questions.corridors import JOINED_M, PARKS, SCHOOLS, Corridors

PAPERS: Final = {"A4": (595.28, 841.89), "A3": (1190.55, 841.89)}
"""Points; A4 stands, A3 lies."""
MARGIN: Final = 36.0
PADDING: Final = 6.0
"""Between the margin and the text, as reportlab's frames have it, and in the cells of tables."""
STRIP_SHARE: Final = 0.3
"""How much of the page's height the map strip takes at most."""
ASKED: Final = ("footway", "width", "clear", "see", "slow", "cross", "level", "shade", "light", "play")
ASKED_OF: Final = {"crossing": {"see", "slow", "cross", "level", "light"}, "segment": set(ASKED) - {"cross"}}
"""Crossings are asked only about crossing, and streets about all else."""
COLUMNS: Final = ("part", "along", "name", "length", "children", "stress", "why", "remedy")
SHARES: Final = (0.07, 0.08, 0.22, 0.08, 0.1, 0.08, 0.19, 0.18)
TICK_POINTS: Final = 13.0
FORM_ROW: Final = 23.0
"""A box to tick, and the height of its row: 8 mm."""
NOTE_ROW: Final = 24.0
LEAST_NOTES: Final = 4
"""A title and lines to write on, so far apart; as many as the page still holds, or so many on the next."""
SMALL: Final = 7.5
LONGEST_NAME: Final = 60
LONGEST_TITLE: Final = 160
NEAR_END_M: Final = 300.0
"""An end at no named street is told by the nearest named facility within so many metres."""
PIECE: Final = re.compile(r"[（《“(\[]*(?:[\u0021-\u2fff]+|[_＿]+|\s+|.)[，。；：？！、）》”%]*")
"""What is not broken at the end of a line: a word or blank, a Chinese character, with the marks that cling to it."""


class About(NamedTuple):
    """What every sheet says of the plan: its name, who walks, and the approval of its map."""

    plan: str
    walkers: str
    review: str


def about(plan: Plan, trips: pd.DataFrame, lang: str) -> About:
    """What the sheets of a plan say of it; `trips`: one row a kind that children walk to."""
    walkers = [
        _say("walkers", lang, kind=catalog.kind_name(kind, lang), profile=getattr(catalog.profiles()[profile], lang))
        for kind, profile in zip(trips["kind"], trips["profile"], strict=True)
    ]
    number = _short(plan.map.approval_no)
    review = _say("approval", lang, no=number) if number else _say("internal", lang)
    return About(_short(plan.map.title or plan.name), _say("list", lang).join(walkers), review)


def audit_sheets(
    corridors: Corridors, study: Study, said: About, lang: str, *, papers: Sequence[str] = ("A4", "A3"),
    font: Path | None = None,
) -> dict[str, bytes]:  # fmt: skip
    """File name `<corridor_id>.<paper>.pdf` → sheet, for every corridor. Raises `OutputError` where a sheet needs a
    Chinese font, and this machine has none that may be embedded."""
    return {
        f"{corridor}.{paper}.pdf": audit_sheet(corridors, corridor, study, said, lang, paper=paper, font=font)
        for corridor in corridors.table["corridor_id"]
        for paper in papers
    }


def audit_sheet(
    corridors: Corridors, corridor_id: str, study: Study, said: About, lang: str, *, paper: str = "A4",
    font: Path | None = None,
) -> bytes:  # fmt: skip
    """The sheet of one corridor. Raises `OutputError` as `audit_sheets` does."""
    from reportlab.platypus import SimpleDocTemplate

    row = corridors.table.set_index("corridor_id", drop=False).loc[corridor_id]
    parts = corridors.parts[corridors.parts["corridor_id"] == corridor_id]
    joined = _joined(row.geometry, study)
    width, height = PAPERS[paper]
    inner = width - 2 * (MARGIN + PADDING)
    strip = map_strip(parts, study, joined, width=inner, most=STRIP_SHARE * height)
    title = _say("title", lang, name=f"{corridor_id} {_name(row['name'], lang, LONGEST_TITLE)}")
    told, table = _told(row, parts, joined, study, said, lang), _parts_rows(parts, lang)
    page = _say("page", lang, name=corridor_id, number="{}")
    foot = " · ".join(part for part in (said.plan, said.walkers, credit(study.sources)) if part)
    on_strip = [str(what) for kind, _, what in strip.shapes if kind in ("place", "name")]
    words = "".join(
        [
            title,
            *told,
            *(cell for cells in table for cell in cells),
            foot,
            said.review,
            page,
            *on_strip,
            *_all_words(lang),
            ALWAYS,
        ]
    )
    font_name = _font(words, font)
    below = _broken(foot, font_name, SMALL, width - 2 * MARGIN).split("\n")
    buffer = io.BytesIO()
    document = SimpleDocTemplate(
        buffer, pagesize=(width, height), leftMargin=MARGIN, rightMargin=MARGIN, topMargin=MARGIN,
        bottomMargin=MARGIN + 10 * len(below), title=title, author="cfc-geo", lang=lang, invariant=1,
    )  # fmt: skip

    def draw_foot(canvas: Any, _: Any) -> None:
        canvas.setFont(font_name, SMALL)
        canvas.setFillGray(0.35)
        for line, said_there in enumerate([said.review, *below]):
            canvas.drawString(MARGIN, MARGIN / 2 + 10 * (len(below) - line), said_there)
        canvas.drawRightString(width - MARGIN, MARGIN / 2 + 10 * len(below), page.format(canvas.getPageNumber()))

    story = _story(title, told, table, parts, strip, lang, font_name)
    document.build(story, onFirstPage=draw_foot, onLaterPages=draw_foot)
    return buffer.getvalue()


def _font(words: str, font: Path | None) -> str:
    """The name of a font with the glyphs of `words`, known to reportlab."""
    try:
        return register(embeddable_font(words, font))
    except OutputError:
        if font is not None or words != words.encode("cp1252", "ignore").decode("cp1252"):
            raise
        return "Helvetica"


ALWAYS: Final = "".join(map(chr, range(32, 127))) + "—–…×"


# -------------------------------------------------------------------------------------------------------------- content


def _story(
    title: str, told: list[str], table: list[list[str]], parts: gpd.GeoDataFrame, strip: Strip, lang: str, font: str
) -> list[Any]:
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import KeepTogether, Spacer

    body = ParagraphStyle("body", fontName=font, fontSize=9, leading=13)
    head = ParagraphStyle("head", parent=body, fontSize=15, leading=20)
    part = ParagraphStyle("part", parent=body, fontSize=11, leading=16, spaceBefore=6)
    wide = strip.width
    return [
        _text(title, head, wide),
        *(_text(said, body, wide) for said in told),
        Spacer(0, 4),
        strip_flowable(strip, lambda key: catalog.room_words("audit_sheet", lang)[key], font),
        _text(_say("parts", lang), part, wide),
        _table(table, [wide * share for share in SHARES], body),
        KeepTogether(
            [
                _text(_say("form", lang), part, wide),
                _text(_say("how", lang), body, wide),
                Spacer(0, 4),
                _form(parts, wide, lang, body),
            ]
        ),
        _notes(_say("notes", lang), part, wide),
    ]


def _told(
    row: pd.Series, parts: gpd.GeoDataFrame, joined: gpd.GeoDataFrame, study: Study, said: About, lang: str
) -> list[str]:
    names = zip(("from_street", "to_street"), ends(parts), strict=True)
    met = {end: _short(row[end]) or _near(at, study, lang) for end, at in names}
    figures = _say(
        "figures", lang, children=f"{row['children_on_it']:,.0f}", beside=f"{row['children_beside']:,.0f}",
        worst=row["stress_worst"], mean=f"{row['stress_mean']:.1f}", crossings=row["crossings_hard"],
        walkers=said.walkers,
    )  # fmt: skip
    told = [
        _say("who", lang),
        _say("stretch", lang, unit=_short(row["unit_name"]), metres=f"{row['length_m']:,.0f}", **met),
        figures,
    ]
    if row["assumed_share"] > 0:
        told.append(_say("assumed", lang, share=_share(row["assumed_share"])))
    if row["children_gaining"] > 0:
        children, unit = f"{row['children_gaining']:,.0f}", _short(row["gaining_unit"])
        told.append(_say("gain", lang, children=children, share=_share(row["gaining_share"]), unit=unit))
    elif row["children_gaining"] == 0:
        told.append(_say("no_gain", lang))
    if len(joined):
        told.append(_say("joined", lang, places=_say("list", lang).join(map(_short, joined["name"]))))
    return told


def _near(at: shapely.Point, study: Study, lang: str) -> str:
    """An end that meets no named street: what lies near it, or where it is."""
    named = study.facilities[study.facilities["name"].fillna("") != ""]
    metres = named.distance(at)
    if not (metres <= NEAR_END_M).any():
        degrees = gpd.GeoSeries([at], crs=study.crs).to_crs(4326).iloc[0]
        return _say("end", lang, lat=f"{degrees.y:.5f}", lon=f"{degrees.x:.5f}")
    return _say("near", lang, place=_short(named.loc[metres.idxmin(), "name"]))


def _parts_rows(parts: gpd.GeoDataFrame, lang: str) -> list[list[str]]:
    """The heading, and a row a stop; of crossings the children of all arms together, and what is said of the worst."""
    rows = [[_say(f"head.{name}", lang) for name in COLUMNS]]
    for stop in stops(parts):
        worst = stop.sort_values(["stress", "exposure"], ascending=False, kind="stable").iloc[0]
        crossing, street = worst["element"] == "crossing", _name(worst["name"], lang)
        least, most = (f"{count:,.0f}" for count in (stop["children"].min(), stop["children"].max()))
        hard = (stop["exposure"] > 0).any()
        rows.append(
            [
                stop_number(stop),
                f"{stop['along_m'].min():,.0f}",
                _say("crossing", lang, name=street) if crossing else street,
                "" if crossing else f"{stop['length_m'].sum():,.0f}",
                f"{stop['children'].sum():,.0f}" if crossing else least if least == most else f"{least}–{most}",
                str(int(worst["stress"])),
                why_in_words(worst["governed_by"], worst["stress_evidence"], lang),
                remedies_in_words(worst["remedies"] or "none_alone", lang) if hard else "",
            ]
        )
    return rows


def _form(parts: gpd.GeoDataFrame, width: float, lang: str, body: Any) -> Any:
    """One row a stop, one box a question that is asked of it."""
    from reportlab.graphics.shapes import Drawing, Rect

    rows: list[list[Any]] = [[_say("head.part", lang), *(_say(f"ask.{name}", lang) for name in ASKED)]]
    for stop in stops(parts):
        asked = ASKED_OF[stop["element"].iloc[0]]
        box = Rect(0, 0, TICK_POINTS, TICK_POINTS, fillColor=None, strokeWidth=0.7)
        ticks = [Drawing(TICK_POINTS, TICK_POINTS, box, hAlign="CENTER") if name in asked else "—" for name in ASKED]
        rows.append([stop_number(stop), *ticks])
    first = width * SHARES[0]
    widths = [first, *[(width - first) / len(ASKED)] * len(ASKED)]
    return _table(rows, widths, body, centred=True, heights=[None, *[FORM_ROW] * (len(rows) - 1)])


def _joined(line: Any, study: Study) -> gpd.GeoDataFrame:
    near = study.entrances[study.entrances.dwithin(line, JOINED_M)]
    here = study.facilities["facility_id"].isin(near["facility_id"]) & study.facilities["kind"].isin((*SCHOOLS, *PARKS))
    joined = study.facilities[here].sort_values("facility_id")
    name = joined["name"].fillna("")
    return joined.assign(name=name.where(name != "", joined["facility_id"]).map(_short))


def _all_words(lang: str) -> list[str]:
    return list(catalog.room_words("audit_sheet", lang).values())


def _share(value: float) -> str:
    return "—" if pd.isna(value) else f"{value:.1%}" if 0 < value < 0.01 else f"{value:.0%}"


def _name(name: Any, lang: str, most: int = LONGEST_NAME) -> str:
    return _short(name, most) or _say("nameless", lang)


def _short(value: Any, most: int = LONGEST_NAME) -> str:
    """A text of data, no longer than fits; what does not print is gone."""
    plain = "".join(mark for mark in text(value) if mark.isprintable())
    return plain if len(plain) <= most else plain[: most - 1] + "…"


def _say(key: str, lang: str, **values: Any) -> str:
    return catalog.word(f"audit_sheet.{key}", lang, **values)


# --------------------------------------------------------------------------------------------------------------- layout


def _table(rows: list[list[Any]], widths: list[float], body: Any, *, centred: bool = False, heights: Any = None) -> Any:
    from reportlab.lib import colors
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Table

    small = ParagraphStyle("small", parent=body, fontSize=8, leading=11, alignment=1 if centred else 0)
    cells = [
        [
            _text(cell, small, wide - 2 * PADDING) if isinstance(cell, str) else cell
            for cell, wide in zip(row, widths, strict=True)
        ]
        for row in rows
    ]
    style = [
        ("GRID", (0, 0), (-1, -1), 0.5, colors.grey),
        ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke),
        ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
        ("ALIGN", (0, 0), (-1, -1), "CENTER" if centred else "LEFT"),
        ("LEFTPADDING", (0, 0), (-1, -1), PADDING),
        ("RIGHTPADDING", (0, 0), (-1, -1), PADDING),
        ("TOPPADDING", (0, 0), (-1, -1), 2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
    ]
    return Table(cells, colWidths=widths, rowHeights=heights, repeatRows=1, style=style)


def _notes(title: str, style: Any, width: float) -> Any:
    """A title, and lines to write on, as far down as the page goes."""
    from reportlab.platypus import Flowable

    class Lines(Flowable):  # type: ignore[misc]
        def wrap(self, _: float, left: float) -> tuple[float, float]:
            self.width, self.height = width, max(LEAST_NOTES, left // NOTE_ROW) * NOTE_ROW
            return self.width, self.height

        def draw(self) -> None:
            self.canv.setFillGray(0)
            self.canv.setFont(style.fontName, style.fontSize)
            self.canv.drawString(0, self.height - style.leading, title)
            self.canv.setStrokeGray(0.75)
            self.canv.setLineWidth(0.5)
            for line in range(round(self.height / NOTE_ROW) - 1):
                self.canv.line(0, line * NOTE_ROW, self.width, line * NOTE_ROW)

    return Lines()


def _text(said: str, style: Any, width: float) -> Any:
    """A paragraph with its lines broken: between words, and between Chinese characters, but before no comma."""
    from reportlab.platypus import XPreformatted

    return XPreformatted(escape(_broken(said, style.fontName, style.fontSize, width)), style)


def _broken(said: str, font: str, size: float, width: float) -> str:
    from reportlab.pdfbase.pdfmetrics import stringWidth

    lines = [""]
    for whole in PIECE.findall(said):
        for piece in [whole] if stringWidth(whole, font, size) <= width else whole:
            if stringWidth(lines[-1] + piece.rstrip(), font, size) > width and lines[-1]:
                lines.append(piece.lstrip())
            else:
                lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)
