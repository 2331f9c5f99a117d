"""`cfc-geo score` as a planner uses it: the command line, the files, the workbook opened, the page looked at."""

import csv
import json
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from cfc_geo.cli import main
from cfc_geo.tables import GAP_COLUMNS, SCORE_COLUMNS, SCORE_UNIT_COLUMNS
from tests.toyplan import PLAN, write_toy

SCORED = PLAN + (
    '[scorecard]\ntargets = [{ plan = "zhoucun" }]\nyear = 2026\nthresholds = { "ZC-038" = 100 }\nwhy = "试算"\n'
)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("score")
    plan = write_toy(folder, SCORED)
    asked = ["--targets", "zhoucun", "--targets", "lucheng", "--year", "2026", "--lang", "zh"]
    assert main(["score", str(plan), *asked, "--out", str(folder / "out")]) == 0
    return folder / "out" / "toy.score"


def test_every_target_has_a_row_and_a_reason(scored: Path) -> None:
    rows = rows_of(scored / "scorecard.csv")
    assert len(rows) == 162 and set(SCORE_COLUMNS) <= set(rows[0])
    assert {row["status"] for row in rows} <= {"met", "missed", "no_data", "not_judged"}
    for row in rows:
        assert (row["why_not"] == "") == (row["status"] in ("met", "missed")), row["target_id"]
        assert row["target_name"] and row["method_said"] and row["office"], row["target_id"]
        assert row["lacking"] or row["why_not"] != "lacking", row["target_id"]
    assert {row["draft"] for row in rows if row["plan_id"] == "lucheng"} == {"True"}
    assert all("征求意见稿" in row["note"] for row in rows if row["plan_id"] == "lucheng")
    assert set(rows_of(scored / "score_units.csv")[0]) == {*SCORE_UNIT_COLUMNS, "draft"}
    assert set(GAP_COLUMNS) <= set(rows_of(scored / "gaps.csv")[0])
    record = json.loads((scored / "run.json").read_text(encoding="utf-8"))
    assert {row["file"] for row in record["files"]} == {path.name for path in scored.iterdir()} - {"run.json"}
    assert record["counts"]["zhoucun"]["count"] == 62
    assert "征求意见稿" in (scored / "summary.md").read_text(encoding="utf-8")


def test_the_workbook_reads_as_a_table_of_targets(scored: Path) -> None:
    book = openpyxl.load_workbook(scored / "scorecard.xlsx")
    assert book.sheetnames == ["目标体检", "短板台账", "目标分单元", "公平"]
    heading, first, *rest = book["目标体检"].iter_rows(values_only=True)
    wanted = {"指标", "目标", "现状", "差距", "数据来源", "计算方法", "责任单位", "判定"}
    assert wanted <= set(heading) and len(rest) == 161, list(heading)
    assert first[heading.index("判定")] in ("达标", "未达标", "缺数据", "不判定")
    for sheet in book:
        assert not any(cell.data_type == "f" for row in sheet.iter_rows() for cell in row)


def test_what_was_written_into_the_register_stays_and_what_got_worse_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From folder to folder: a gap that is met is closed, one nobody asked about stays, a figure is compared unrounded
    and with an earlier year only, and no register is lost."""
    plan = write_toy(tmp_path, SCORED.replace("year = 2026\n", ""))
    asked = ["score", str(plan), "--lang", "zh", "--out", str(tmp_path / "out")]
    assert main([*asked, "--targets", "zhoucun", "--year", "2025"]) == 0
    folder = tmp_path / "out/toy.score"
    gaps = rows_of(folder / "gaps.csv")
    assert len(gaps) > 1
    gaps[0] |= {"gap_status": "已立项", "remarks": "=cmd|' /C calc'!A0"}
    gaps.append(gaps[0] | {"gap_id": "lucheng/LC-082/x", "target_id": "LC-082", "plan_id": "lucheng"})
    gaps.append(gaps[0] | {"gap_id": "zhoucun/ZC-057", "target_id": "ZC-057", "gap_status": "new"})
    write_rows(folder / "gaps.csv", gaps, encoding="gb18030")
    assert main([*asked, "--targets", "zhoucun", "--year", "2026"]) == 1
    assert "--previous" in capsys.readouterr().err, "nobody's work is written over"
    before = ["--previous", str(folder)]
    assert main([*asked, "--targets", "zhoucun", "--year", "2026", *before]) == 0
    assert "比上次差" not in capsys.readouterr().err, "nothing changed"
    status = {row["gap_id"]: (row["gap_status"], row["remarks"]) for row in rows_of(folder / "gaps.csv")}
    assert status[gaps[0]["gap_id"]] == ("已立项", "'=cmd|' /C calc'!A0"), "kept, and no formula"
    assert status["lucheng/LC-082/x"][0] == "已立项" and status["zhoucun/ZC-057"][0] == "open", (
        "nothing is known of them"
    )
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    for one in record["scorecard"]["figures"]:
        if one["target"] == "ZC-038":
            one |= {"least": 100.0, "most": 100.0}
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    assert main([*asked, "--targets", "zhoucun", "--year", "2027", *before]) == 0
    assert "ZC-038" in capsys.readouterr().err, "a share that was 100 % is a warning"
    again = rows_of(folder / "scorecard.csv")
    assert {row["earlier"] for row in again if row["target_id"] == "ZC-038"} == {"100"}
    assert main([*asked, "--targets", "zhoucun", "--year", "2027", *before]) == 0
    assert "2027" in capsys.readouterr().err, "not before the year reported"


def write_rows(path: Path, rows: list[dict[str, str]], encoding: str) -> None:
    with path.open("w", encoding=encoding, newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_another_version_of_targets_shows_what_it_alone_does(
    scored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = write_toy(tmp_path, SCORED)
    mine = tmp_path / "mine.toml"
    source = (Path(__file__).parents[1] / "cfc_geo/catalog/targets/zhoucun.toml").read_text(encoding="utf-8")
    head, row, tail = source.partition('id = "ZC-048"')
    mine.write_text(head + row + tail.replace("value = 12", "value = 0", 1), encoding="utf-8")
    out = ["--out", str(tmp_path / "out"), "--lang", "en"]
    assert main(["score", str(plan), "--targets", "zhoucun", "--against", str(mine), *out]) == 0
    changes = rows_of(tmp_path / "out/toy.score/changes.csv")
    assert [row["target_id"] for row in changes] == ["ZC-048"] and changes[0]["asked_before"].startswith("≥ 0")
    assert main(["score", str(write_toy(tmp_path / "b")), "--targets", "lucheng", "--against", str(mine), *out]) == 1
    assert "zhoucun" in capsys.readouterr().err


def test_what_offices_filled_in_is_judged_and_named(tmp_path: Path) -> None:
    plan = write_toy(tmp_path, SCORED + 'forms = [{ file = "back.xlsx" }]\n')
    bare, out = write_toy(tmp_path / "bare"), ["--out", str(tmp_path / "out"), "--lang", "zh"]
    assert main(["form", str(bare), "--targets", "zhoucun", *out]) == 0
    sent = tmp_path / "out/toy.forms/区卫生健康局.xlsx"
    book = openpyxl.load_workbook(sent)
    sheet = book["数据"]
    headings = next(row for row in sheet.iter_rows() if any(cell.value == "数值" for cell in row))
    column = {cell.value: cell.column for cell in headings}
    at = next(row[0].row for row in sheet.iter_rows() if any(cell.value == "ZC-018" for cell in row))
    for name, filled in (("数值", 99), ("数据年份", 2025), ("来源文件", "区卫健统计 2025")):
        sheet.cell(at, column[name], filled)
    book.save(tmp_path / "back.xlsx")
    assert main(["score", str(plan), *out]) == 0
    row = next(row for row in rows_of(tmp_path / "out/toy.score/scorecard.csv") if row["target_id"] == "ZC-018")
    assert (row["measured"], row["figure_is"]) == ("99", "answered") and "区卫健统计" in row["document"]
    assert row["status"] in ("met", "missed")
    record = json.loads((tmp_path / "out/toy.score/run.json").read_text(encoding="utf-8"))
    assert any(one["role"] == "form" and one["sha256"] for one in record["inputs"])


def test_mistakes_are_told_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare = write_toy(tmp_path)
    out = ["--out", str(tmp_path / "out"), "--lang", "zh"]
    assert main(["score", str(bare), *out]) == 2
    assert "lucheng" in capsys.readouterr().err
    assert main(["score", str(bare), "--targets", "luchen", *out]) == 1
    assert "luchen" in capsys.readouterr().err
    wrong = write_toy(tmp_path / "w", SCORED.replace("ZC-038", "ZC-838"))
    assert main(["score", str(wrong), *out]) == 1
    assert "ZC-038" in capsys.readouterr().err, "the nearest right one"
    overruled = write_toy(tmp_path / "o", SCORED.replace("ZC-038", "ZC-048"))
    assert main(["score", str(overruled), *out]) == 1
    assert "12" in capsys.readouterr().err, "the plan has a number of its own"
    assert main(["score", str(bare), "--targets", "zhoucun", "--previous", str(tmp_path), *out]) == 1
    assert "run.json" in capsys.readouterr().err
    assert not (tmp_path / "out").exists(), "nothing half-written"


def test_a_run_that_asks_writes_the_same_tables(scored: Path, tmp_path: Path) -> None:
    plan = write_toy(tmp_path, SCORED.replace('[{ plan = "zhoucun" }]', '[{ plan = "zhoucun" }, { plan = "lucheng" }]'))
    assert main(["run", str(plan), "--out", str(tmp_path / "out"), "--lang", "zh"]) == 0
    for name in ("scorecard.csv", "score_units.csv", "gaps.csv", "equity.csv"):
        assert (tmp_path / "out/toy" / name).read_bytes() == (scored / name).read_bytes(), name
    assert "目标体检" in openpyxl.load_workbook(tmp_path / "out/toy/workbook.xlsx", read_only=True).sheetnames


def test_the_page_colours_units_by_any_indicator(scored: Path, browser: Any) -> None:
    context = browser.new_context(offline=True, viewport={"width": 390, "height": 844})
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto((scored / "map.html").as_uri())
    page.wait_for_selector("html.ready", state="attached")
    assert page.evaluate("window.cfcScore.indicators") > 20 and page.evaluate("window.cfcScore.units") > 0
    for number in range(0, page.evaluate("window.cfcScore.indicators"), 7):
        page.select_option("#indicator", str(number))
        assert page.locator("#rows tr").count() == page.evaluate("window.cfcScore.units") > 0
    assert "审核" in page.locator("#review").inner_text() and faults == []
    context.close()
