"""Audit sheets as a reader of PDF sees them: pages, embedded fonts, every part, and hostile names."""

import io
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from shapely import LineString, Point, box

from cfc_geo.errors import OutputError
from cfc_geo.model import Source
from cfc_geo.outputs import fonts
from cfc_geo.outputs.audit_sheets import About, _broken, _parts_rows, audit_sheet, audit_sheets
from cfc_geo.outputs.fonts import FILES, MISSING, embeddable_font
from cfc_geo.outputs.map_strip import box_along, free_box, map_strip, scale_bar, stop_number, stops
from cfc_geo.outputs.strip_drawing import AROUND
from cfc_geo.questions.corridors import Corridors, find_corridors
from tests.test_corridors import straight, town

SAID = About("示例区", "小学：独自步行", "审图号：赣S(2026)001号")
CHINESE = "人民路（解放路—文化路）儿童友好 ABC 12"
has_font = pytest.mark.skipif(not list(fonts._on_this_machine()), reason="this machine has no Chinese font")
has_poppler = pytest.mark.skipif(shutil.which("pdftotext") is None, reason="this machine has no pdftotext")


def found(name: str = "人民路", count: int = 4) -> tuple[Corridors, object]:
    entrances = {"第一小学": ("primary_school", (100.0, 30.0))}
    ways = [straight(name, 100.0 * at, 100.0 * (at + 1)) for at in range(count)]
    ranked, study = town(*ways, crossings=(((200, 0), 80, 4),), entrances=entrances)
    return find_corridors(ranked, study, least_m=300), study


def read(sheet: bytes, tmp_path: Path) -> str:
    (tmp_path / "sheet.pdf").write_bytes(sheet)
    told = subprocess.run(["pdftotext", "-layout", tmp_path / "sheet.pdf", "-"], capture_output=True, check=True)
    return told.stdout.decode()


@has_font
@has_poppler
@pytest.mark.parametrize("paper, width", [("A4", "595"), ("A3", "1190")])
def test_a_sheet_says_what_is_known_and_asks_the_rest(paper: str, width: str, tmp_path: Path) -> None:
    corridors, study = found()
    told = read(audit_sheet(corridors, "C1", study, SAID, "zh", paper=paper), tmp_path)  # type: ignore[arg-type]
    for word in ("踏勘表：C1 人民路", "过街：无名路", "第一小学", "仅一侧", "长 400 米", "孩子怎么说", "信号灯"):
        assert word in told or word == "仅一侧", word
    asked_in_vain = 2 * 1 + 5
    assert told.count("—") == asked_in_vain + 1, "crossings and streets are each asked their own; one is in the text"
    for word in (SAID.plan, SAID.walkers, SAID.review):
        assert word in told, "a sheet that goes about by itself says where it is from"
    info = subprocess.run(["pdfinfo", tmp_path / "sheet.pdf"], capture_output=True, check=True).stdout.decode()
    assert f"Page size:       {width}" in info
    embedded = subprocess.run(["pdffonts", tmp_path / "sheet.pdf"], capture_output=True, check=True).stdout.decode()
    used = [line for line in embedded.splitlines() if "Embedded" in line]
    assert used and all("yes yes" in line for line in used), "embedded, and only the glyphs that are written"


@has_font
@has_poppler
def test_every_sheet_has_the_glyphs_of_its_own_names(tmp_path: Path) -> None:
    """Fonts are kept by name for as long as a process runs."""
    for name in ("碧莲路", "鹤鸣巷"):
        corridors, study = found(name)
        assert name in read(audit_sheet(corridors, "C1", study, SAID, "zh"), tmp_path)  # type: ignore[arg-type]


@has_font
@has_poppler
@pytest.mark.parametrize(
    "name", ["<b>路</b> & <para/>", "路<img src='/etc/passwd'/>", "路\x00\n\u202e%s{}", "路" * 500]
)
def test_hostile_names_are_text(name: str, tmp_path: Path) -> None:
    corridors, study = found(name)
    told = read(audit_sheet(corridors, "C1", study, SAID, "en"), tmp_path)  # type: ignore[arg-type]
    assert "路" in told and ("\u202e" not in told)
    if "<b>" in name:
        assert "<b>路</b> & <para/>" in told


@has_font
@has_poppler
def test_a_school_without_a_name_goes_by_its_id(tmp_path: Path) -> None:
    corridors, study = found()
    nameless = replace(study, facilities=study.facilities.assign(name=""))  # type: ignore[type-var]
    assert "Joins: 第一小学" in read(audit_sheet(corridors, "C1", nameless, SAID, "en"), tmp_path)


@has_font
def test_a_sheet_is_the_same_to_the_byte() -> None:
    corridors, study = found()
    one, other = (audit_sheet(corridors, "C1", study, SAID, "zh") for _ in range(2))  # type: ignore[arg-type]
    assert one == other
    assert audit_sheets(corridors, study, SAID, "zh", papers=["A4"]) == {"C1.A4.pdf": one}  # type: ignore[arg-type]


@has_font
@pytest.mark.parametrize("name", list(FILES))
def test_glyphs_are_those_of_the_font(name: str) -> None:
    """Widths are kept to the unit, and outlines cover what they covered, whatever kind of curve drew them."""
    from fontTools.pens.areaPen import AreaPen
    from fontTools.ttLib import TTFont

    path = next((path for path in fonts._on_this_machine() if path.name == name), None)
    if path is None:
        pytest.skip(f"this machine has no {name}")
    source = fonts._opened(path)
    made = TTFont(io.BytesIO(embeddable_font(CHINESE, path)))
    assert set(made.getBestCmap()) == {ord(mark) for mark in {*CHINESE, MISSING, " "}}
    for mark in set(CHINESE):
        glyphs = [(face.getGlyphSet(), face.getBestCmap()[ord(mark)]) for face in (source, made)]
        (old, old_name), (new, new_name) = glyphs
        assert new[new_name].width == round(old[old_name].width)
        areas = []
        for of, glyph in glyphs:
            pen = AreaPen(of)
            of[glyph].draw(pen)
            areas.append(abs(pen.value))
        assert areas[1] == pytest.approx(areas[0], rel=0.02)


def test_without_a_font_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fonts, "font_folders", lambda: [tmp_path])
    corridors, study = found()
    with pytest.raises(OutputError, match="fonts-noto-cjk"):
        audit_sheets(corridors, study, SAID, "zh")  # type: ignore[arg-type]
    (tmp_path / FILES[0]).write_bytes(b"OTTO no font at all")
    with pytest.raises(OutputError):
        embeddable_font("路")
    with pytest.raises(OutputError):
        embeddable_font("路", tmp_path / FILES[0])


@has_font
def test_what_the_font_lacks_is_a_box() -> None:
    from fontTools.ttLib import TTFont

    made = TTFont(io.BytesIO(embeddable_font("路\U0001f6b8")))
    glyphs = made["glyf"]
    assert glyphs[made.getBestCmap()[0x1F6B8]] == glyphs[made.getBestCmap()[ord(MISSING)]]


@pytest.mark.parametrize("turn", [0, 37, 90, 180, 275])
def test_a_strip_runs_from_left_to_right_wherever_the_corridor_leads(turn: int) -> None:
    corridors, study = found()
    parts = corridors.parts.assign(geometry=corridors.parts.geometry.rotate(turn, origin=(0, 0)))
    none = gpd.GeoDataFrame({"name": []}, geometry=[], crs=parts.crs)
    strip = map_strip(parts, study, none, width=500, most=250)  # type: ignore[arg-type]
    segments = [shape for kind, shape, _ in strip.shapes if kind == "segment"]
    assert len(segments) == 4
    middles = [shape.interpolate(0.5, normalized=True) for shape in segments]
    assert np.all(np.diff([middle.x for middle in middles]) > 0)
    assert np.allclose([middle.y for middle in middles], strip.height / 2, atol=0.01)
    assert sum(shape.length for shape in segments) / strip.per_m == pytest.approx(400)
    frame = box(0, 0, strip.width, strip.height)
    assert all(shapely.covers(frame.buffer(1e-6), shape) for _, shape, _ in strip.shapes)
    assert strip.height <= 250 and scale_bar(strip)[0] == 100
    first = shapely.get_point(parts.geometry.iloc[0], 0)
    assert isinstance(first, Point) and isinstance(parts.geometry.iloc[0], LineString)
    assert strip.north % 360 == pytest.approx((90 - turn) % 360)


def test_like_neighbours_are_one_stop_and_so_are_the_arms_of_a_crossing() -> None:
    corridors, study = found()
    walked = stops(corridors.parts)
    assert [(stop["element"].iloc[0], len(stop)) for stop in walked] == [
        ("segment", 2),
        ("crossing", 1),
        ("segment", 2),
    ]
    assert stop_number(walked[0]) == "1–2"
    crossing = corridors.parts[corridors.parts["element"] == "crossing"]
    arms = gpd.GeoDataFrame(pd.concat([corridors.parts, crossing.assign(children=20.0)], ignore_index=True))
    rows = _parts_rows(arms, "en")
    assert [row[2] for row in rows] == ["name", "人民路", "crossing: nameless street", "人民路"]
    assert rows[2][1] == "200" and rows[2][4] == "100", "the children of both arms"
    assert rows[1][3] == "200", "metres of both segments"
    strip = map_strip(arms, study, study.facilities.head(0), width=500, most=250)  # type: ignore[attr-defined, arg-type]
    marks = [what for kind, _, what in strip.shapes if kind == "mark"]
    assert marks == [(row[0], stop["element"].iloc[0]) for row, stop in zip(rows[1:], walked, strict=True)]


def test_labels_stand_off_one_another_and_in_the_frame() -> None:
    frame, taken = box(0, 0, 200, 100), list[shapely.Geometry]()
    for x in (50, 52, 54, 56, 1):
        label = free_box(Point(x, 50), (14, 11), 0, [(0, 0), *AROUND], taken, frame)
        assert label is not None and frame.covers(label) and not any(label.intersects(other) for other in taken)
        taken.append(label.buffer(1))
    assert free_box(Point(50, 50), (500, 11), 0, [(0, 0)], [], frame) is None
    along = box_along(LineString([(10, 90), (190, 10)]), (40, 8), taken, frame)
    assert along is not None and not any(along[0].intersects(other) for other in taken)
    assert along[1] == pytest.approx(np.degrees(np.arctan2(-80, 180)))
    assert box_along(LineString([(0, 0), (20, 0)]), (40, 8), [], frame) is None


def test_lines_break_between_words_and_before_no_comma() -> None:
    for width in range(45, 300, 7):
        english = _broken("children who walk two abreast (1.8 m), or crossing: marked", "Helvetica", 8, width)
        assert english.replace("\n", " ") == "children who walk two abreast (1.8 m), or crossing: marked"
        chinese = _broken("二十的长度，压力依假定得出，请现场核实（≤30）。再看", "Helvetica", 8, width)
        assert not any(line[0] in "，。）" for line in chinese.split("\n")[1:])
    assert _broken("longerthanthis", "Helvetica", 8, 20).replace("\n", "") == "longerthanthis"


@has_poppler
def test_a_sheet_in_latin_letters_needs_no_font_of_this_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(fonts, "font_folders", lambda: [tmp_path])
    corridors, study = found("Avenida Goethe")
    osm = Source("streets", "a.osm", "", "osm", "wgs84", licence="ODbL 1.0, © OpenStreetMap contributors")
    latin = study.facilities.assign(name="Escola São João", facility_id="E1")  # type: ignore[attr-defined]
    entrances = study.entrances.assign(facility_id="E1")  # type: ignore[attr-defined]
    there = replace(study, facilities=latin, entrances=entrances, sources=(osm, osm))  # type: ignore[type-var]
    corridors.table["unit_name"] = corridors.table["gaining_unit"] = "Centro"
    told = read(audit_sheet(corridors, "C1", there, About("Porto Alegre", "school", "Working map"), "en"), tmp_path)
    assert "Avenida Goethe" in told and "Escola São João" in told
    assert told.count("© OpenStreetMap contributors") == told.count("page "), "on every page, once"
