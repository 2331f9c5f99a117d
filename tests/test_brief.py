"""Briefs by hand on a toy town: what they say, two pages each, fonts within, and nothing of data that runs."""

import io
import re
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import docx
import pandas as pd
import pytest

from cfc_geo.cli import main
from cfc_geo.errors import DataError, OutputError
from cfc_geo.handout import hand_out
from cfc_geo.inputs.dossier import chosen_units, read_dossier
from cfc_geo.model import Dossier, Sited
from cfc_geo.outputs import drawing, fonts
from cfc_geo.outputs.brief import Brief, Subject, briefed_units, make_brief
from cfc_geo.outputs.brief_docx import brief_docx
from cfc_geo.outputs.brief_html import brief_html
from cfc_geo.outputs.brief_map import colour_of, metres_of
from cfc_geo.outputs.brief_pdf import brief_pdf
from cfc_geo.outputs.briefs import protected_dossier
from cfc_geo.outputs.figures import Figures
from cfc_geo.outputs.folder import file_stems, write_result
from cfc_geo.outputs.paper import HEIGHT_MM, Grid, Text, lines, page_height_mm
from cfc_geo.plan import load_plan
from cfc_geo.questions.disclosure.rules import Rules
from cfc_geo.run import run_plan
from cfc_geo.tables import ALL_UNITS, SITE_COLUMNS
from tests.toyplan import write_toy

HOSTILE = '=1+{x}<img src=x onerror="alert(1)">&{{7*7}}\x07\u202e]]>'
HAS_FONT = bool(list(fonts._on_this_machine()))
needs_font = pytest.mark.skipif(not HAS_FONT, reason="this machine has no Chinese font")


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy")
    plan = load_plan(write_toy(folder))
    return write_result(run_plan(plan), folder / "out", "zh")


@pytest.fixture(scope="module")
def dossier(result: Path) -> Dossier:
    return read_dossier(result)


def subject(dossier: Dossier, unit: str = "01", lang: str = "zh") -> Subject:
    return Subject(dossier, Figures(dossier.coverage, dossier.circle, lang), unit, lang)


def texts(brief: Brief) -> list[str]:
    return [block.text for page in brief.pages for block in page if isinstance(block, Text)]


def grids(brief: Brief) -> list[Grid]:
    return [block for page in brief.pages for block in page if isinstance(block, Grid)]


def hostile(dossier: Dossier) -> Dossier:
    """The dossier with every text that data can give as bad as can be, and long."""
    done = dossier.finished
    name = HOSTILE * 4
    return replace(
        dossier,
        said=dict.fromkeys(dossier.said, name),
        approval_no=name,
        finished=replace(
            done,
            title=name,
            units=done.units.assign(name=name, level=name),
            sources=tuple(replace(one, file=name, date=name, licence=name, citation=name) for one in done.sources),
        ),
        sited={kind: Sited(kind, 300.0, _sites(name, kind), _gains()) for kind in done.rules.limits},
    )


def _sites(name: str, kind: str) -> pd.DataFrame:
    row = dict.fromkeys(SITE_COLUMNS, name) | {"kind": kind, "unit_id": "01"}
    return pd.DataFrame([row] * 9)


def _gains() -> pd.DataFrame:
    return pd.DataFrame({"unit_id": ["01", ALL_UNITS], "children_gained": [7.0, 7.0]})


# -------------------------------------------------------------------------------------------------------------- content


def test_a_brief_says_of_a_unit_what_the_sketch_says(dossier: Dossier) -> None:
    """West of 600 live a, b, c and f: 1 + 2 + 4 + 32 children of each of five bands; the kindergarten at 100 is within
    300 m of a (100 + 20 m) and b, not of c (300 + 10 m)."""
    brief = make_brief(subject(dossier))
    assert "195 名 0–17 岁儿童" in texts(brief)[2]
    kinds = {row[0]: row[1:] for row in grids(brief)[1].rows}
    assert kinds["幼儿园"][:5] == ("300 米", "1", "3", "36", "0")
    assert kinds["小学"][:5] == ("500 米", "0", "4", "35", "0")
    assert kinds["儿童游乐场地"][2] == "108"  # f and c, of the three bands it is for


def test_gaps_are_the_three_largest_and_say_what_would_close_them(dossier: Dossier) -> None:
    counts = dossier.coverage[dossier.coverage["unit_id"] == "01"].groupby("kind")["gap"].sum()
    wanted = {kind for kinds in dossier.finished.rules.baskets.values() for kind in kinds}
    expected = counts[counts.index.isin(wanted)].sort_values(ascending=False, kind="stable")
    said = [line for line in texts(make_brief(subject(dossier))) if re.match(r"\d\. ", line)]
    assert len(said) == 3
    assert [int(re.findall(r"：(\d+) 名", line)[0]) for line in said] == expected.head(3).astype(int).tolist()
    line = next(line for line in texts(make_brief(subject(dossier))) if line.startswith("怎么补"))
    assert "还没有测算" in line and "cfc-geo site" in line
    kind = next(iter(expected.index))
    sited = replace(dossier, sited={kind: Sited(kind, 300.0, _sites("S", kind).head(2), _gains())})
    line = next(line for line in texts(make_brief(subject(sited))) if line.startswith("怎么补"))
    assert "其中 2 处在本地" in line and "又有 7 名" in line
    elsewhere = replace(sited, sited={kind: Sited(kind, 300.0, _sites("S", kind).assign(unit_id="02"), _gains())})
    line = next(line for line in texts(make_brief(subject(elsewhere))) if line.startswith("怎么补"))
    assert "都不在本地" in line and "7 名" in line


def test_what_was_not_asked_is_said(dossier: Dossier) -> None:
    told = "\n".join(texts(make_brief(subject(dossier))))
    assert "还没有对照规划目标" in told and "cfc-geo streets" in told
    assert "没有列全" in told
    assert "未注明日期" in told and "未注明许可" in told


def test_targets_are_counted_and_the_missed_come_first(dossier: Dossier) -> None:
    scores = pd.DataFrame(
        {
            "plan_id": "p", "target_id": ["a", "b", "c"], "counted": ["True", "True", "False"], "draft": "True",
            "status": ["met", "missed", "missed"], "compare": "at_least", "target_value": 90.0, "target_unit": "%",
            "earlier": "", "counts_children": ["True", "False", "False"],
            "measured": [95.0, 40.0, 1.0], "measured_most": [95.0, 40.0, 1.0], "year": [2025.0, 2030.0, 2020.0],
            "target_name": ["甲", "乙", "丙"], "office": ["教育局", HOSTILE, ""],
        }
    )  # fmt: skip
    units = pd.DataFrame(
        {"plan_id": "p", "target_id": ["a", "b"], "unit_id": "01", "unit_name": "西", "level": "社区",
         "measured": [99.0, 30.0], "measured_most": [99.0, 30.0], "status": ["met", "missed"]}
    )  # fmt: skip
    scored = replace(dossier, scores=scores, score_units=units)
    brief = make_brief(subject(scored))
    grid = next(grid for grid in grids(brief) if grid.head[0] == "目标")
    assert [row[0][-1] for row in grid.rows] == ["乙", "甲"]
    assert grid.rows[0][1:5] == ("≥ 90 %", "30 %", "未达标", "2030")
    assert "征求意见稿" in grid.rows[0][0]
    assert any("共 2 项目标：达标 1，未达标 1" in line for line in texts(make_brief(subject(scored, ALL_UNITS))))
    handed = hand_out(dossier.finished, Rules())
    kept, figures = protected_dossier(scored, handed), Figures(handed.coverage, handed.circle, "zh", Rules())
    brief = make_brief(Subject(kept, figures, "01", "zh"))
    grid = next(g for g in grids(brief) if g.head[0] == "目标")
    assert [row[2:4] for row in grid.rows] == [("不公布", "未达标"), ("不公布", "不公布")]
    told = next(line for line in texts(brief) if line.startswith("能分到本地的目标"))
    assert "达标 0，未达标 1" in told and "另有 1 项由儿童数算出" in told
    many = replace(kept, score_units=pd.concat([kept.score_units] * 8))
    lines = texts(make_brief(Subject(many, figures, "01", "zh")))
    after = lines[lines.index("规划目标") : lines.index("数据从哪里来")]
    assert re.fullmatch(r"另有 \d+ 项。", after[-1])  # the shared workbook has no targets by unit


def test_protected_figures_say_only_what_is_shown(dossier: Dossier) -> None:
    handed = hand_out(dossier.finished, Rules())
    figures = Figures(handed.coverage, handed.circle, "zh", Rules())
    assert figures.of_circle("01", "children").text == "200"  # 39 children of each of five bands
    kept = figures.of_kind("01", "kindergarten", "covered")
    assert kept.text == "不公布" and not kept.whole
    assert figures.share(kept, figures.of_kind("01", "kindergarten", "children")) == "—"
    assert [figures.loose(gain).text for gain in (0.0, 3.0, 19.9)] == ["不公布"] * 3
    assert figures.loose(20.0).text == "至少 20" and figures.loose(129.0).text == "至少 120"
    sited = replace(
        dossier, sited={kind: Sited(kind, 300.0, _sites("S", kind), _gains()) for kind in dossier.finished.rules.limits}
    )
    for unit in ("01", "02"):  # whether 7 children here gain, or none, is not told
        lines = [line for line in texts(make_brief(Subject(sited, figures, unit, "zh"))) if line.startswith("怎么补")]
        assert lines and not [line for line in lines if "又有" in line or "也有" in line or "补不上" in line]
    assert figures.most_missing("01", "6-11", ["park"]) == "park"  # nobody has one
    assert figures.most_missing("01", "3-5", ["kindergarten", "playground"]) == ""  # what is withheld might be more
    whole = make_brief(Subject(dossier, figures, ALL_UNITS, "zh"))
    assert not any("最多的是" in line for line in texts(whole)[3:])
    words = make_brief(Subject(dossier, figures, "01", "zh")).words()
    assert "可对外提供" in words and "未经地图审核，公开前须送审" in words


def test_shares_are_never_rounded_to_none_or_all(dossier: Dossier) -> None:
    figures = subject(dossier).figures
    shown = figures.loose
    assert figures.share(shown(1.0), shown(1000.0)) == "0.1%"
    assert figures.share(shown(999.0), shown(1000.0)) == "99.9%"
    assert figures.share(shown(0.0), shown(0.0)) == "—"
    assert figures.share(shown(1.0), shown(2.0), shown(1.0)) == "≥50%"


def test_a_map_says_what_it_must(dossier: Dossier) -> None:
    words = make_brief(subject(dossier)).words()
    assert "未经地图审核，仅供内部使用" in words and "北" in words and "100 米" in words and "幼儿园" in words
    approved = make_brief(subject(replace(dossier, approval_no="GS(2025)1号"))).words()
    assert "审图号：GS(2025)1号" in approved and "未经地图审核" not in approved
    assert metres_of(0.1, 30) == 200 and metres_of(0.02, 30) == 1000
    assert colour_of(float("nan")) not in {colour_of(0.0), colour_of(1.0)} and colour_of(0.2) != colour_of(0.19)


def test_units_of_a_place_are_its_subdistricts(dossier: Dossier) -> None:
    units = dossier.finished.units
    assert briefed_units(units) == ["0"]
    assert briefed_units(units.assign(level="x")) == ["01", "02"]
    assert chosen_units(units, ["东社区", "01", "02"]) == ["02", "01"]
    with pytest.raises(DataError, match="西社区"):
        chosen_units(units, ["西社区里"])


# ---------------------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("unit", ["01", ALL_UNITS])
def test_two_pages_however_long_the_texts(dossier: Dossier, lang: str, unit: str) -> None:
    for told in (dossier, hostile(dossier)):
        brief = make_brief(subject(told, unit, lang))
        assert all(page_height_mm(page) <= HEIGHT_MM for page in brief.pages)
        if HAS_FONT:
            assert len(re.findall(rb"/Type /Page\b", brief_pdf(brief))) == 2


def test_room_is_measured_generously() -> None:
    assert lines("字" * 10, 10 * 9 * 25.4 / 72, 9) == 1
    assert lines("字" * 11, 10 * 9 * 25.4 / 72, 9) == 2


@needs_font
def test_pdf_holds_its_font_and_is_the_same_twice(dossier: Dossier) -> None:
    brief = make_brief(subject(dossier))
    pdf = brief_pdf(brief)
    assert b"/FontFile2" in pdf and pdf == brief_pdf(brief)
    assert b"/JavaScript" not in pdf and b"/URI" not in pdf


@needs_font
def test_a_page_holds_its_font_and_asks_for_nothing(dossier: Dossier) -> None:
    page = brief_html(make_brief(subject(hostile(dossier)))).decode()
    assert "font/woff2;base64,d09GMg" in page and "default-src 'none'" in page
    assert page.count('class="sheet"') == 2 and "@page{size:A4" in page
    assert "<img" not in page and "<script" not in page and "&lt;img" in page
    addresses = set(re.findall(r'(?:https?:)?//[^\s"\'<)]+', page.split("</style>")[1]))
    assert addresses == {"http://www.w3.org/2000/svg"}
    assert "\x07" not in page and "\u202e" not in page


def test_docx_has_real_tables_inert_texts_and_fonts_of_offices(dossier: Dossier) -> None:
    content = brief_docx(make_brief(subject(hostile(dossier))))
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        document = package.read("word/document.xml").decode()
        relations = package.read("word/_rels/document.xml.rels").decode()
        assert {entry.date_time[0] for entry in package.infolist()} == {1980}
        assert b"<dc:creator>cfc-geo</dc:creator>" in package.read("docProps/core.xml")
    ElementTree.fromstring(document)
    assert "w:tblHeader" in document and 'w:eastAsia="宋体"' in document and 'w:eastAsia="黑体"' in document
    assert "<img" not in document and "External" not in relations
    assert document.count("w:fldChar") == 0  # the page's number is in the foot only
    assert document.count("<w:pageBreakBefore/>") == 1
    assert content == brief_docx(make_brief(subject(hostile(dossier))))
    opened = docx.Document(io.BytesIO(content))
    assert len(opened.tables) >= 2
    assert not any("thumbnail" in str(part.partname) for part in opened.part.package.parts)


def test_without_a_font_only_docx_is_made(result: Path, dossier: Dossier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "FILES", ())
    brief = make_brief(subject(dossier), lettered=False)
    with pytest.raises(OutputError, match="fonts-noto-cjk"):
        brief_pdf(brief)
    with pytest.raises(OutputError):
        brief_html(brief)
    picture = next(block for block in brief.pages[0] if hasattr(block, "drawing"))
    assert picture.drawing.words().isascii() and "幼儿园" in picture.key and "未经地图审核" in picture.key
    assert brief_docx(brief)[:2] == b"PK"


def test_names_of_files_are_safe() -> None:
    assert file_stems(["01", "../x", "con", "A", "a", ""], "unit") == [
        "01",
        "unit-2",
        "unit-3",
        "A",
        "unit-5",
        "unit-6",
    ]


# ---------------------------------------------------------------------------------------------------------------- verbs


@pytest.fixture
def copied(result: Path, tmp_path: Path) -> Iterator[Path]:
    shutil.copytree(result, tmp_path / "toy")
    yield tmp_path / "toy"


def test_the_verb_writes_two_folders_whole(
    copied: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "PNG_DPI", 30)
    call = ["brief", str(copied), "--all", "--format", "docx"]
    assert main(call) == 0 and main(call) == 0  # the second takes the place of the first
    folder = copied.parent / "toy.brief"
    told = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    of_each = ["0.zh.docx", "all.zh.docx"]
    shared = sorted([*of_each, "map.html", "workbook.xlsx"])
    assert told == [*(f"internal/{name}" for name in of_each), "run.json", *(f"share/{name}" for name in shared)]
    assert re.search(r"本次 10|here 10", capsys.readouterr().out)  # one release, one k
    (folder / "share" / "notes.txt").write_text("mine")
    assert main(call) == 1
    assert "share/notes.txt" in capsys.readouterr().err


def test_the_verb_says_what_is_wrong(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def told(*arguments: str) -> tuple[int, str]:
        return main(["brief", *arguments, "--lang", "zh"]), capsys.readouterr().err

    assert told(str(copied.parent / "nothing"))[0] == 1
    assert told(str(copied), "--unit", "西社区", "--all")[0] == 2
    code, said = told(str(copied), "--unit", "西社")
    assert code == 1 and "西社区" in said
    assert told(str(copied), "--format", "odt")[0] == 2
    (copied / "coverage.csv").write_text("unit_id\n")
    code, said = told(str(copied))
    assert code == 1 and "coverage.csv" in said
    assert not (copied.parent / "toy.brief").exists()


def test_siting_of_other_data_is_left_out(copied: Path) -> None:
    from cfc_geo.outputs.provenance import write_record
    from cfc_geo.outputs.tables import write_csv
    from cfc_geo.tables import GAIN_COLUMNS

    beside = copied.parent / "toy.site-kindergarten"
    beside.mkdir()
    sites = pd.DataFrame([dict.fromkeys(SITE_COLUMNS, 1.0) | {"kind": "kindergarten", "unit_id": "01", "name": "N"}])
    for covered, kept in ((3.0, True), (4.0, False)):
        gains = pd.DataFrame([("01", "西社区", "社区", "3-5", 39.0, covered, 9.0, 6.0)], columns=list(GAIN_COLUMNS))
        write_csv(sites, beside / "sites.csv")
        write_csv(gains, beside / "gain.csv")
        files = [beside / "sites.csv", beside / "gain.csv"]
        write_record({"program": "cfc_geo", "verb": "site", "limit_m": 300.0}, beside / "run.json", files)
        dossier = read_dossier(copied)
        assert ("kindergarten" in dossier.sited) == kept
        assert [finding.code for finding in dossier.findings] == ([] if kept else ["brief.other_data"])
