"""Audit sheets as a reader of PDF sees them: pages, embedded fonts, every part, and hostile names."""

import io
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from shapely import LineString, Point, box

from cfc_geo.errors import OutputError
from cfc_geo.outputs import fonts
from cfc_geo.outputs.audit_sheets import ASKED, audit_sheet, audit_sheets
from cfc_geo.outputs.fonts import FILES, MISSING, embeddable_font
from cfc_geo.outputs.map_strip import map_strip, scale_bar
from cfc_geo.questions.corridors import Corridors, find_corridors
from tests.test_corridors import straight, town

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
    told = read(audit_sheet(corridors, "C1", study, "zh", paper=paper), tmp_path)  # type: ignore[arg-type]
    for word in ("踏勘表：C1 人民路", "过街：无名路", "第一小学", "仅一侧", "长 400 米", "孩子怎么说", "信号灯"):
        assert word in told or word == "仅一侧", word
    assert told.count("□") == 4 * (len(ASKED) - 1) + 5, "a box a question, crossings and streets each their own"
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
        assert name in read(audit_sheet(corridors, "C1", study, "zh"), tmp_path)  # type: ignore[arg-type]


@has_font
@has_poppler
@pytest.mark.parametrize(
    "name", ["<b>路</b> & <para/>", "路<img src='/etc/passwd'/>", "路\x00\n\u202e%s{}", "路" * 500]
)
def test_hostile_names_are_text(name: str, tmp_path: Path) -> None:
    corridors, study = found(name)
    told = read(audit_sheet(corridors, "C1", study, "en"), tmp_path)  # type: ignore[arg-type]
    assert "路" in told and ("\u202e" not in told)
    if "<b>" in name:
        assert "<b>路</b> & <para/>" in told


@has_font
@has_poppler
def test_a_school_without_a_name_goes_by_its_id(tmp_path: Path) -> None:
    corridors, study = found()
    nameless = replace(study, facilities=study.facilities.assign(name=""))  # type: ignore[type-var]
    assert "Joins: 第一小学" in read(audit_sheet(corridors, "C1", nameless, "en"), tmp_path)


@has_font
def test_a_sheet_is_the_same_to_the_byte() -> None:
    corridors, study = found()
    one, other = (audit_sheet(corridors, "C1", study, "zh") for _ in range(2))  # type: ignore[arg-type]
    assert one == other
    assert audit_sheets(corridors, study, "zh", papers=["A4"]) == {"C1.A4.pdf": one}  # type: ignore[arg-type]


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
        audit_sheets(corridors, study, "zh")  # type: ignore[arg-type]
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
