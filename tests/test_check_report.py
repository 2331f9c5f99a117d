"""check.xlsx holds every finding, a record a row; it is inert, the same every time, and there whatever is wrong."""

import errno
from collections.abc import Sequence
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfc_geo import catalog
from cfc_geo.cli import main
from cfc_geo.errors import Finding
from cfc_geo.inputs.study import plan_sources
from cfc_geo.model import Source
from cfc_geo.outputs.check_report import MOST_RECORDS, records_table, report_bytes, summary_table, write_check_report
from cfc_geo.plan import load_plan
from tests import toyplan
from tests.toyplan import PLAN, write_toy

COLUMNS = ["程度", "文件", "工作表", "行", "问题", "如何处理", "代码", "处理结果", "处理人"]
HOSTILE = [
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2",
    "@SUM(A1)",
    "\t=1",
    "a\x00\x0b\ufffe_x0041_",
    "长" * 40_000,
    "http://x.cn",
]


def report_of(tmp_path: Path, plan: Path, *arguments: str) -> tuple[int, openpyxl.Workbook]:
    code = main(["check", str(plan), "--out", str(tmp_path / "out"), "--lang", "zh", *arguments])
    return code, openpyxl.load_workbook(tmp_path / "out" / f"{plan.stem}.check" / "check.xlsx")


def rows_of(sheet) -> list[list[object]]:  # type: ignore[no-untyped-def]
    return [list(row) for row in sheet.iter_rows(values_only=True)]


def bad_toy(folder: Path) -> Path:
    """Empty counts in rows 3 and 5, an unknown kind in row 4, and no streets at all."""
    plan = write_toy(folder, PLAN.replace("streets.osm", "street.osm"))
    cells = toyplan.cell_rows()
    cells[2][3] = cells[4][3] = ""
    toyplan.write_csv(folder / "data/cells.csv", cells, encoding="gb18030")
    facilities = toyplan.facility_rows()
    facilities[3][2] = "火星基地"
    toyplan.write_csv(folder / "data/facilities.csv", facilities)
    return plan


# ---------------------------------------------------------------------------------------------------- what a user sees


def test_every_fault_is_a_row_with_its_file_row_and_mend(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, book = report_of(tmp_path, bad_toy(tmp_path / "toy"))
    assert code == 1 and str(tmp_path / "out" / "toy.check" / "check.xlsx") in capsys.readouterr().err
    assert book.sheetnames == ["概况", "提示"]
    rows = rows_of(book["提示"])
    assert rows[0] == COLUMNS
    places = [(row[0], row[1], row[3]) for row in rows[1:]]
    for place in (
        ("错误", "data/cells.csv", "第 3 行"), ("错误", "data/cells.csv", "第 5 行"),
        ("错误", "data/facilities.csv", "第 4 行"), ("错误", "data/street.osm", None), ("说明", "data/cells.csv", None),
    ):  # fmt: skip
        assert place in places
    assert places == sorted(places, key=lambda place: ["错误", "注意", "说明"].index(str(place[0])))
    kind = next(row for row in rows if "火星基地" in str(row[4]))
    assert kind[5] and kind[6] == "facilities.unknown_kind" and kind[7:] == [None, None]
    assert not any("→" in str(row[4]) or str(row[4]).startswith("data/") for row in rows)


def test_the_summary_has_every_file_with_what_is_known_of_it(tmp_path: Path) -> None:
    plan = bad_toy(tmp_path / "toy")
    _, book = report_of(tmp_path, plan)
    rows = rows_of(book["概况"])
    assert "toy.toml" in str(rows[0][0]) and "错误" in str(rows[1][1])
    heading = next(number for number, row in enumerate(rows) if row[1] == "文件")
    files = {row[1]: row for row in rows[heading + 1 :] if row[1]}
    cells = files["data/cells.csv"]
    digest = {source.file: source.sha256 for source in plan_sources(load_plan(plan))}
    assert cells[0] == "人口" and cells[2:5] == [1, 0, 1] and cells[5:7] == ["csv", "GB18030"]
    assert cells[8] == "wgs84" and cells[9] == digest["data/cells.csv"] and len(str(cells[9])) == 64
    assert files["data/street.osm"][2] == 1 and files["data/street.osm"][5] == "找不到"
    assert files["data/street.osm"][9] is None
    assert files["data/parks.geojson"][2:5] == [0, 0, 0]


def test_a_plan_that_cannot_be_read_has_a_report_too(tmp_path: Path) -> None:
    plan = tmp_path / "broken.toml"
    plan.write_text("name = ", encoding="utf-8")
    code, book = report_of(tmp_path, plan)
    rows = rows_of(book["提示"])
    assert code == 1 and [row[6] for row in rows[1:]] == ["plan.not_toml"] and rows[1][1] == "broken.toml"
    code, book = report_of(tmp_path, tmp_path / "none.toml")
    assert code == 1 and rows_of(book["提示"])[1][6] == "plan.no_file"


def test_a_plan_without_fault_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, book = report_of(tmp_path, write_toy(tmp_path / "toy"))
    assert code == 0 and "check.xlsx" in capsys.readouterr().out
    assert "没有错误" in str(rows_of(book["概况"])[1][1])
    assert {row[0] for row in rows_of(book["提示"])[1:]} <= {"注意", "说明"}


# ------------------------------------------------------------------------------------------------------- where it goes


def test_an_old_report_is_replaced_and_a_result_is_left_alone(tmp_path: Path) -> None:
    plan = write_toy(tmp_path / "toy")
    report_of(tmp_path, plan)
    folder = tmp_path / "out" / "toy.check"
    first = (folder / "check.xlsx").read_bytes()
    report_of(tmp_path, plan)
    assert [path.name for path in folder.iterdir()] == ["check.xlsx"] and (folder / "check.xlsx").read_bytes() == first
    assert main(["run", str(plan), "--out", str(tmp_path / "out")]) == 0
    assert (folder / "check.xlsx").read_bytes() == first
    other = plan.rename(plan.with_name("toy.check.toml"))
    assert main(["run", str(other), "--out", str(tmp_path / "out2")]) == 0
    before = sorted(path.name for path in (tmp_path / "out2/toy.check").iterdir())
    again = other.rename(other.with_name("toy.toml"))
    assert main(["check", str(again), "--out", str(tmp_path / "out2")]) == 1
    assert sorted(path.name for path in (tmp_path / "out2/toy.check").iterdir()) == before


@pytest.mark.parametrize("obstacle", ["out", "out/toy.check", "out/toy.check/check.xlsx"])
def test_where_nothing_can_be_written_the_findings_are_printed_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], obstacle: str
) -> None:
    place = tmp_path / obstacle
    place.parent.mkdir(parents=True, exist_ok=True)
    if obstacle.endswith("xlsx"):
        (place / "inside").mkdir(parents=True)
    else:
        place.write_text("mine", encoding="utf-8")
    plan = bad_toy(tmp_path / "toy")
    assert main(["check", str(plan), "--out", str(tmp_path / "out"), "--lang", "en"]) == 1
    told = capsys.readouterr().err
    assert "火星基地" in told and "out" in told.splitlines()[-1] and "Traceback" not in told
    assert place.is_dir() or place.read_text(encoding="utf-8") == "mine"
    assert not list(tmp_path.rglob("*.tmp-*"))


def test_a_full_disk_leaves_the_old_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = write_toy(tmp_path / "toy")
    report_of(tmp_path, plan)
    report = tmp_path / "out" / "toy.check" / "check.xlsx"
    before = report.read_bytes()

    def full(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert main(["check", str(plan), "--out", str(tmp_path / "out"), "--lang", "en"]) == 1
    assert "toy.check" in capsys.readouterr().err.splitlines()[-1]
    assert report.read_bytes() == before and [path.name for path in report.parent.iterdir()] == ["check.xlsx"]


def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "toy.check").symlink_to(tmp_path / "elsewhere")
    assert main(["check", str(write_toy(tmp_path / "toy")), "--out", str(tmp_path / "out")]) == 1
    assert list((tmp_path / "elsewhere").iterdir()) == []


# -------------------------------------------------------------------------------------------------------- what is in it


def found(*rows: int | str, file: str = "a.csv", sheet: str = "", word: str = "x") -> Finding:
    return Finding("error", "facilities.unknown_kind", file, rows, {"word": word, "near": word}, sheet=sheet)


@given(st.lists(st.integers(2, 10**6), unique=True, max_size=MOST_RECORDS))
def test_up_to_two_hundred_records_have_a_row_each(numbers: list[int]) -> None:
    table = records_table([found(*numbers)], "en")
    assert list(table["row"]) == ([f"row {number}" for number in numbers] or [""])


@given(st.sets(st.integers(2, 2_000), min_size=MOST_RECORDS + 1))
def test_more_are_one_row_that_names_all_of_them(numbers: set[int]) -> None:
    table = records_table([found(*numbers)], "en")
    assert len(table) == 1
    text = table["row"][0].removeprefix("rows ")
    spans = [list(map(int, span.split("-"))) for span in text.split(", ")]
    assert {number for span in spans for number in range(span[0], span[-1] + 1)} == numbers


def test_the_two_hundredth_record_still_has_its_row() -> None:
    assert len(records_table([found(*range(2, 2 + MOST_RECORDS))], "en")) == MOST_RECORDS == 200
    assert records_table([found(*range(2, 3 + MOST_RECORDS))], "en")["row"].tolist() == ["rows 2-202"]


def test_the_sheet_of_a_workbook_is_named_and_features_are_features() -> None:
    table = records_table(
        [found(4, sheet="机构"), Finding("note", "read.encoding", "b", (2,), {"encoding": "x"}, "feature")], "zh"
    )
    assert table["sheet"].tolist() == ["机构", ""] and table["row"].tolist() == ["第 4 行", "第 2 个要素"]


def test_a_file_used_twice_is_one_row_of_the_summary() -> None:
    sources = [Source(role, "a.osm", "0" * 64, "osm", "", "", "2025") for role in ("facilities", "streets")]
    table = summary_table([found(3, file="a.osm"), found(4, file="")], sources, "zh")
    assert table["role"].tolist() == ["设施、街道", ""] and table["errors"].tolist() == [1, 1]
    assert table["file"].tolist() == ["a.osm", "（不限于一个文件）"] and table["date"].tolist() == ["2025", ""]


def test_no_text_of_a_file_is_anything_but_text(tmp_path: Path) -> None:
    findings = [found(2, file=word[:60], sheet=word, word=word) for word in HOSTILE]
    write_check_report(tmp_path / "p.toml", findings, [Source("units", "=1+1", "0" * 64, "@csv", "-x")], tmp_path, "zh")
    book = openpyxl.load_workbook(tmp_path / "p.check" / "check.xlsx")
    for sheet in book:
        assert not sheet._hyperlinks
        cells = [cell for row in sheet.iter_rows() for cell in row if cell.value is not None]
        assert {cell.data_type for cell in cells} <= {"s", "n"}
        assert all(len(str(cell.value)) <= 32_767 for cell in cells)
    shown = rows_of(book["提示"])
    assert shown[1][2] == HOSTILE[0] and HOSTILE[0] in str(shown[1][4])


def test_equal_findings_have_equal_bytes_and_no_absolute_path(tmp_path: Path) -> None:
    findings: Sequence[Finding] = [found(2, file="/home/somebody/a.csv")]
    for lang in catalog.LANGUAGES:
        first, second = (report_bytes(tmp_path / "p.toml", findings, (), lang) for _ in range(2))
        assert first == second
    assert records_table(findings, "en")["file"].tolist() == ["a.csv"]


def test_the_line_printed_is_its_three_parts() -> None:
    finding = found(4, word="火星\n基地")
    for lang in catalog.LANGUAGES:
        where, what, mend = finding.words(lang)
        assert finding.text(lang) == f"{where}{what} → {mend}" and "\n" not in finding.text(lang)
        assert "a.csv" in where and "火星 基地" in what and mend
