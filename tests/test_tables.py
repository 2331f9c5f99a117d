"""Tables as offices have them: whatever is done to a clean table, the same clean table comes back, and it is told."""

import datetime
from pathlib import Path

import geopandas as gpd
import numpy as np
import openpyxl
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from cfc_geo.cli import main
from cfc_geo.errors import Findings
from cfc_geo.inputs.ages import folded
from cfc_geo.inputs.cell_tables import _check_counted_once
from cfc_geo.inputs.cell_texts import read_date, read_degrees, read_numbers
from cfc_geo.inputs.headings import Wanted, match_headings, plain
from cfc_geo.inputs.normalise import ids, numbers, positions, text
from cfc_geo.inputs.raw import RawLayer
from cfc_geo.inputs.read import read_layer, sniff
from cfc_geo.tables import children_columns
from tests.messy import ENCODINGS, HEADINGS, NOTES, NUMBERS, ROLES, Mess, Record, write
from tests.toyplan import PLAN, cell_rows, facility_rows, write_csv, write_toy

DATA = Path(__file__).parent / "data"


def read(path: Path, findings: Findings, layer: str | None = None, wanted: Wanted = Wanted()) -> RawLayer:  # noqa: B008
    raw = read_layer(path, path.name, layer, findings, wanted=wanted)
    assert raw is not None, [finding.text() for finding in findings]
    return raw


def codes(findings: Findings, *severities: str) -> list[str]:
    return [finding.code for finding in findings if finding.severity in (severities or ("error", "warning", "note"))]


def clean_table(path: Path, findings: Findings) -> list[Record]:
    """The records of a file by the roles of its columns, without a word of the plan."""
    raw = read(path, findings)
    columns = match_headings(raw, ROLES, {}, "wgs84", findings)
    assert set(columns) == set(ROLES), (columns, [finding.text() for finding in findings])
    shapes = positions(raw, (columns["lon"], columns["lat"]), "wgs84", findings)
    assert shapes is not None, [finding.text() for finding in findings]
    capacity = numbers(raw, columns["capacity"], findings, blank=np.nan, measure="places")
    rows = zip(
        ids(raw, columns["id"], findings), text(raw.frame[columns["name"]]), text(raw.frame[columns["kind"]]),
        shapes.x, shapes.y, capacity, strict=True,
    )  # fmt: skip
    return [(i, name, kind, x, y, None if np.isnan(c) else int(c)) for i, name, kind, x, y, c in rows]


# -------------------------------------------------------------------------------------------------- messing up a table

NAMES = st.sampled_from(
    ["合计路幼儿园", "注音小学", "小计街小学", "日期桥幼儿园", "总计", "阳光幼儿园", "第一小学", "A-3号，甲"]
)
RECORDS = st.lists(
    st.tuples(
        st.sampled_from(["007", "7", "S-1", "330302001", "甲1", "0", "1e5x", "9.0", "Ａ１", "A1"]),
        NAMES,
        st.sampled_from(["幼儿园", "小学"]),
        st.floats(73.5, 135).map(lambda value: round(value, 7)),
        st.floats(18, 53).map(lambda value: round(value, 7)),
        st.one_of(st.none(), st.integers(0, 3_000)),
    ),
    min_size=2,
    max_size=6,
    unique_by=lambda record: record[0],
)
MESSES = st.builds(
    Mess,
    container=st.sampled_from([*ENCODINGS, "xlsx"]),
    delimiter=st.sampled_from(",\t;"),
    titles=st.sampled_from([(), ("某区设施一览表",), ("附件2", "某区2024年设施统计表", "填报单位：教育局")]),
    heading=st.fixed_dictionaries({role: st.integers(0, len(HEADINGS[role]) - 1) for role in ROLES if role != "lat"}),
    order=st.sampled_from(
        [ROLES, ("name", "id", "capacity", "lon", "lat", "kind"), ("kind", "lat", "lon", *["id", "name", "capacity"])]
    ),
    grouped=st.booleans(),
    numbers=st.sampled_from(NUMBERS),
    total=st.booleans(),
    note=st.integers(-1, len(NOTES) - 1),
    repeat_heading=st.booleans(),
    blank_rows=st.booleans(),
    padded=st.booleans(),
)


@settings(max_examples=200, deadline=None)
@given(RECORDS, MESSES)
def test_whatever_is_done_to_a_table_the_same_records_come_back(
    tmp_path_factory: pytest.TempPathFactory, records: list[Record], mess: Mess
) -> None:
    findings = Findings()
    path = write(tmp_path_factory.mktemp("mess"), records, mess)
    assert clean_table(path, findings) == records
    found = codes(findings)
    assert ("grid.totals_left_out" in found) == mess.total
    assert ("grid.notes_left_out" in found) == (mess.note >= 0)
    assert ("grid.heading_row" in found) == bool(mess.titles or mess.grouped)
    assert not codes(findings, "error")
    assert "grid.total_differs" not in found


def test_rows_in_messages_are_those_of_the_file(tmp_path: Path) -> None:
    mess = Mess(container="xlsx", titles=("表一", "单位：个"), grouped=True, total=True, note=0, blank_rows=True)
    findings = Findings()
    path = write(tmp_path, [("a", "甲", "小学", 120.0, 28.0, 1), ("b", "乙", "小学", 120.1, 28.1, 2)], mess)
    raw = read(path, findings)
    assert raw.numbers.tolist() == [6, 8] and raw.sheet == "Sheet"
    rows = {finding.code: finding.rows for finding in findings}
    assert rows == {"grid.heading_row": (3, 4), "grid.totals_left_out": (9,), "grid.notes_left_out": (10,)}


# ----------------------------------------------------------------------------------------------------------- encodings


def test_big5_is_warned_about_and_simplified_text_is_not(tmp_path: Path) -> None:
    for encoding, words, warned in (
        ("big5", "編號,名稱,類型,備註說明\n1,陽光幼兒園,國民小學,學校\n", True),
        ("gb18030", "编号,名称,类型,备注说明\n1,阳光幼儿园,国民小学,学校\n", False),
        ("gb18030", "編號,名稱,類型\n1,陽光幼兒園,小學\n", False),
    ):
        (tmp_path / "t.csv").write_bytes(words.encode(encoding))
        findings = Findings()
        read(tmp_path / "t.csv", findings)
        assert ("read.big5" in codes(findings)) == warned, (encoding, words)
        assert "read.encoding" in codes(findings)


def test_bytes_with_zeros_are_text_only_if_they_surely_are(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    for content, format in (
        ("编号,名称\n1,甲\n".encode("utf-16-le"), "csv"),
        ("a,b\n1,2\n".encode("utf-16-be"), "csv"),
        (b"\0\1\2\3" * 9, "unknown"),
        ("a,b\n1,2\n".encode("utf-16-le") + b"x", "unknown"),
        ("a,b\n1,\x072\n".encode("utf-16-le"), "unknown"),
    ):
        path.write_bytes(content)
        assert sniff(path) == format


# -------------------------------------------------------------------------------------------------------------- sheets


def book(path: Path, sheets: dict[str, list[list[object]]], merged: dict[str, list[str]] | None = None) -> Path:
    file = openpyxl.Workbook()
    file.remove(file.active)
    for name, rows in sheets.items():
        sheet = file.create_sheet(name)
        for row in rows:
            sheet.append(row)
        for cells in (merged or {}).get(name, []):
            sheet.merge_cells(cells)
    file.save(path)
    return path


FACILITIES: list[list[object]] = [["编号", "名称", "经度", "纬度"], [7, "甲", 120, 28], ["007", "乙", 121, 29]]


def test_the_sheet_with_the_wanted_columns_is_taken_and_told(tmp_path: Path) -> None:
    path = book(
        tmp_path / "t.xlsx", {"说明": [["本表由教育局填写"]], "设施": FACILITIES, "代码": [["码", "值"], [1, 2]]}
    )
    findings = Findings()
    raw = read(path, findings)
    assert raw.sheet == "设施" and text(raw.frame["编号"]).tolist() == ["7", "007"]
    assert [(finding.sheet, finding.values["others"]) for finding in findings if finding.code == "grid.picked"] == [
        ("设施", ["说明", "代码"])
    ]
    assert read(path, Findings(), wanted=Wanted({"kind": "值"})).sheet == "代码"
    assert read(path, Findings(), layer="代码").sheet == "代码"


def test_two_sheets_that_fit_are_a_question(tmp_path: Path) -> None:
    path = book(tmp_path / "t.xlsx", {"公办": FACILITIES, "民办": FACILITIES})
    findings = Findings()
    assert read_layer(path, "t.xlsx", None, findings) is None
    assert codes(findings) == ["read.which_layer"] and "公办, 民办" in findings[0].text()


def test_a_hidden_sheet_is_not_taken_unless_named(tmp_path: Path) -> None:
    path = book(tmp_path / "t.xlsx", {"设施": FACILITIES, "旧": FACILITIES})
    file = openpyxl.load_workbook(path)
    file["旧"].sheet_state = "hidden"
    file.save(path)
    findings = Findings()
    assert read(path, findings).sheet == "设施" and codes(findings) == ["grid.picked"]
    assert read(path, Findings(), layer="旧").sheet == "旧"


def test_merged_text_is_filled_and_a_merged_number_is_not(tmp_path: Path) -> None:
    rows: list[list[object]] = [
        ["编号", "名称", "类型", "街道", "学位", "经度", "纬度", "街道代码"],
        ["a", "甲", "幼儿园", "五马街道", 270, 120, 28, 330302],
        ["b", "乙", None, None, None, 120, 28, None],
        ["c", "丙", "小学", None, 45, 121, 29, None],
    ]
    path = book(tmp_path / "t.xlsx", {"表": rows}, {"表": ["C2:C3", "D2:D4", "E2:E3", "F2:F3", "H2:H4"]})
    findings = Findings()
    raw = read(path, findings)
    assert raw.frame["类型"].tolist() == ["幼儿园", "幼儿园", "小学"]
    assert raw.frame["街道"].tolist() == ["五马街道"] * 3
    assert raw.frame["经度"].tolist() == ["120", "120", "121"], "one point for several records"
    filled = {finding.values["column"]: finding.rows for finding in findings if finding.code == "grid.merged_filled"}
    assert filled == {"类型": (2, 3), "街道": (2, 3, 4), "经度": (2, 3)}
    assert raw.merged["学位"].tolist() == [True, True, False]
    values = numbers(raw, "学位", findings, blank=np.nan, measure="places")
    assert [(finding.code, finding.rows) for finding in findings.errors] == [("number.merged", (2, 3))]
    assert np.nansum(values) == 315, "270 places are never counted twice"


def test_what_the_plan_says_of_a_column_decides_whether_its_merged_numbers_repeat(tmp_path: Path) -> None:
    rows: list[list[object]] = [["编号", "片区", "规格"], ["a", 3303, 9], ["b", None, None]]
    path = book(tmp_path / "t.xlsx", {"表": rows}, {"表": ["B2:B3", "C2:C3"]})
    raw = read(path, Findings(), wanted=Wanted({"subdistrict": "片区", "capacity": "规格"}))
    assert raw.frame["片区"].tolist() == ["3303", "3303"] and set(raw.merged) == {"规格"}
    assert set(read(path, Findings()).merged) == {"片区", "规格"}


def test_a_merged_count_of_people_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = write_toy(tmp_path, PLAN.replace("data/cells.csv", "data/cells.xlsx"))
    book(tmp_path / "data/cells.xlsx", {"人口": cell_rows()}, {"人口": ["E3:E4"]})
    assert main(["check", str(plan), "--lang", "zh"]) == 1
    told = capsys.readouterr().err
    assert "data/cells.xlsx，工作表“人口”，第 3、4 行：“3-5岁”的一个合并单元格跨了这几行" in told and "1 处" in told


def test_coordinates_that_the_plan_names_make_a_row_a_record(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", [["号", "园", "东", "北"], [1, "甲", 120, 28], [2, "合计园", 121, 29]])
    findings = Findings()
    given = {"id": "号", "name": "园", "lon": "东", "lat": "北"}
    assert len(read(tmp_path / "t.csv", findings, wanted=Wanted(given)).frame) == 2 and not findings


def test_cells_that_are_errors_are_told(tmp_path: Path) -> None:
    path = book(tmp_path / "t.xlsx", {"表": [["编号", "学位"], ["a", "#N/A"], ["b", 2]]})
    findings = Findings()
    read(path, findings)
    assert codes(findings) == ["grid.faults"]


def test_an_old_workbook_reads_as_a_new_one(tmp_path: Path) -> None:
    """`office.xls` was saved by LibreOffice from these cells."""
    rows: list[list[object]] = [
        ["某区幼儿园一览表"],
        ["编号", "名称", "坐标", None, "街道", "学位", "开办时间"],
        [None, None, "经度", "纬度"],
        ["001", "甲幼儿园", 119.8936907, 28.4365924, "五马街道", "约１２０人", datetime.date(2019, 9, 1)],
        [2, "乙幼儿园", 119.9, 28.5, None, 90, "2020年9月"],
        ["合计", None, None, None, None, 210],
        ["备注：数据截至2024年底"],
    ]
    merged = ["A1:G1", "A2:A3", "B2:B3", "C2:D2", "E2:E3", "F2:F3", "G2:G3", "E4:E5"]
    new, old = Findings(), Findings()
    one = read(book(tmp_path / "t.xlsx", {"表": rows}, {"表": merged}), new)
    other = read(DATA / "office.xls", old)
    pd.testing.assert_frame_equal(one.frame, other.frame)
    assert codes(new) == codes(old) and one.numbers.tolist() == other.numbers.tolist() == [4, 5]
    assert text(one.frame["编号"]).tolist() == ["001", "2"] and other.format == "xls"
    values = numbers(other, "学位", old, blank=np.nan, measure="places")
    assert values.tolist() == [120, 90] and "number.about" in codes(old, "warning")
    assert [read_date(value) for value in text(other.frame["开办时间"])] == ["2019-09-01", "2020-09"]


def test_the_plan_can_fix_the_row_of_the_heading(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", [["编号", "名称"], ["旧", "表头"], ["码", "名"], ["1", "甲"]])
    assert list(read(tmp_path / "t.csv", Findings()).frame) == ["编号", "名称"]
    raw = read(tmp_path / "t.csv", Findings(), wanted=Wanted(row=3))
    assert list(raw.frame) == ["码", "名"] and raw.numbers.tolist() == [4]
    findings = Findings()
    assert read_layer(tmp_path / "t.csv", "t.csv", None, findings, wanted=Wanted(row=9)) is None
    assert codes(findings) == ["grid.no_heading_row"]


def test_one_known_word_in_a_record_does_not_make_it_a_heading(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", [["甲", "乙"], ["1", "位置"], ["2", "街道"]])
    assert read(tmp_path / "t.csv", Findings()).numbers.tolist() == [2, 3]
    assert read(tmp_path / "t.csv", Findings(), wanted=Wanted({"name": "位置"})).numbers.tolist() == [3]


def test_groups_with_equal_lower_names_are_joined(tmp_path: Path) -> None:
    rows: list[list[object]] = [
        ["编号", "高德", "", "百度", "", "学位"],
        ["", "经度", "纬度", "经度", "纬度", ""],
        ["a", 120, 28, 120.01, 28.01, 5],
    ]
    write_csv(tmp_path / "t.csv", rows)
    raw = read(tmp_path / "t.csv", Findings())
    assert list(raw.frame) == ["编号", "高德/经度", "高德/纬度", "百度/经度", "百度/纬度", "学位"]


# ------------------------------------------------------------------------------------------------------- rows left out


@pytest.mark.parametrize(
    "row",
    [
        ["S9", "合计", "小学", 120.3, 28.3, 5],
        ["S9", "合计路小学", "小学", "", "", ""],
        ["合计", "合计小学", "小学", 120.3, 28.3, 5],
        ["备注", "说明", "小学", 120.3, 28.3, 5],
        ["S9", "注：小学", "小学", "", "", ""],
        ["S9", "", "", "", "", ""],
    ],
)
def test_a_record_with_a_name_like_a_total_or_a_note_is_kept(tmp_path: Path, row: list[object]) -> None:
    write_csv(
        tmp_path / "t.csv", [["编号", "名称", "类型", "经度", "纬度", "学位"], ["S1", "甲", "小学", 120, 28, 5], row]
    )
    findings = Findings()
    assert read(tmp_path / "t.csv", findings).numbers.tolist() == [2, 3]
    assert codes(findings) == []


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (["合计", "", "", "", "", 10], "grid.totals_left_out"),
        (["", "总 计：", "", "", "", "10"], "grid.totals_left_out"),
        (["五马街道小计", "", "", "", "", 10], "grid.totals_left_out"),
        (["合计", "2所", "", "", "", "10人"], "grid.totals_left_out"),
        (["2024年合计", "", "", "", "", 10], "grid.totals_left_out"),
        (["（合計）", "", "", "", "", 10], "grid.totals_left_out"),
        (["*注：学位为核定数"], "grid.notes_left_out"),
        (["3", "共计2所", "", "/", "/", "10"], "grid.totals_left_out"),
        (["说明：学位为核定数"], "grid.notes_left_out"),
        (["填表人", "张三", "审核人：", "李四"], "grid.notes_left_out"),
        (["注：1.含在建园；2.不含村小。"], "grid.notes_left_out"),
        (["本表由各街道上报，截至年底。"], "grid.notes_left_out"),
        (["编号", "名称", "类型", "经度", "纬度", "学位"], "grid.headings_left_out"),
    ],
)
def test_totals_notes_and_headings_are_left_out_with_their_row(tmp_path: Path, row: list[object], code: str) -> None:
    heading = ["编号", "名称", "类型", "经度", "纬度", "学位"]
    records = [["S1", "甲", "小学", 120, 28, 5], ["S2", "乙", "小学", 120, 28, 5]]
    write_csv(tmp_path / "t.csv", [heading, *records, row])
    findings = Findings()
    assert read(tmp_path / "t.csv", findings).numbers.tolist() == [2, 3]
    assert [(finding.code, finding.rows, finding.severity) for finding in findings] == [(code, (4,), "note")]


def test_a_row_of_totals_with_coordinates_is_refused(tmp_path: Path) -> None:
    rows = [["名称", "经度", "纬度", "儿童"], ["甲", 120, 28, 5], ["乙", 120.2, 28, 7], ["合计", 120.1, 28, 12]]
    write_csv(tmp_path / "t.csv", rows)
    findings = Findings()
    read(tmp_path / "t.csv", findings)
    assert [(found.code, found.rows) for found in findings if found.severity == "error"] == [
        ("grid.total_placed", (4,))
    ]


def test_titles_of_sections_between_records_are_left_out(tmp_path: Path) -> None:
    rows = [["编号", "名称", "学位"], ["一、公办"], ["S1", "甲", 5], ["二、民办"], ["S2", "乙", 5]]
    write_csv(tmp_path / "t.csv", rows)
    findings = Findings()
    assert read(tmp_path / "t.csv", findings).numbers.tolist() == [3, 5]
    assert [(finding.code, finding.rows) for finding in findings] == [("grid.sections_left_out", (2, 4))]


def test_a_stated_total_that_the_records_do_not_add_up_to_is_a_warning(tmp_path: Path) -> None:
    rows = [["编号", "名称", "学位"], ["S1", "甲", "1,200"], ["S2", "乙", "３０人"], ["合计", "", 1300]]
    write_csv(tmp_path / "t.csv", rows)
    findings = Findings()
    read(tmp_path / "t.csv", findings)
    told = [finding for finding in findings if finding.code == "grid.total_differs"]
    assert [(found.rows, found.values["stated"], found.values["found"]) for found in told] == [((4,), 1300, 1230)]


# ------------------------------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("cell", "measure", "value", "how"),
    [
        ("36个", "places", 36, "unit"),
        ("３６", "places", 36, "tidied"),
        ("1,200", "places", 1200, "tidied"),
        ("１，２００", "places", 1200, "tidied"),
        ("300人", "places", 300, "unit"),
        ("1.2万", "count", 12_000, "unit"),
        ("1.2万人", "count", 12_000, "unit"),
        ("约1200㎡", "area_m2", 1200, "about"),
        ("1200平方米左右", "area_m2", 1200, "about"),
        ("0.5公顷", "area_m2", 5000, "unit"),
        ("120余人", "places", 120, "about"),
        ("36（含托小班）", "places", 36, "aside"),
        ("/", "places", np.nan, "blank_word"),
        ("——", "places", np.nan, "blank_word"),
        ("暂无", "places", np.nan, "blank_word"),
        ("", "places", np.nan, "empty"),
        ("3个班", "places", np.nan, "classes"),
        ("3班", "places", np.nan, "classes"),
        ("30-40", "places", np.nan, "range"),
        ("30～40人", "places", np.nan, "range"),
        ("12%", "places", np.nan, "percent"),
        ("2024-03-05", "places", np.nan, "date"),
        ("1200㎡", "places", np.nan, "unit_unknown"),
        ("36个", "area_m2", np.nan, "unit_unknown"),
        ("100以上", "places", np.nan, "unit_unknown"),
        ("36（另有12）", "places", np.nan, "other"),
        ("1 200", "places", np.nan, "other"),
        ("1,20", "places", np.nan, "other"),
        ("三十六", "places", np.nan, "other"),
        ("-5", "places", -5, "plain"),
        ("309①", "count", np.nan, "other"),
        ("90¹", "places", np.nan, "other"),
        ("1８0²", "places", np.nan, "other"),
        ("⒈90", "places", np.nan, "other"),
        ("90⑴", "places", np.nan, "other"),
        ("90m²", "area_m2", 90, "unit"),
        ("90㎡", "area_m2", 90, "unit"),
    ],
)
def test_cells_are_read_as_people_mean_them_or_not_at_all(cell: str, measure: str, value: float, how: str) -> None:
    values, ways = read_numbers(pd.Series([cell, "1"], dtype=object), measure)
    assert ways.tolist() == [how, "plain"]
    np.testing.assert_equal(values, [value, 1.0])


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_plain_numbers_stay_what_they_are(number: float) -> None:
    values, how = read_numbers(pd.Series([repr(number)], dtype=object), "count")
    assert values[0] == number and how[0] == "plain"


@pytest.mark.parametrize(
    ("cell", "axis", "degrees"),
    [
        ("119.8929317", "lon", 119.8929317),
        ("１１９．５", "lon", 119.5),
        ("119.5°E", "lon", 119.5),
        ("东经119°30′", "lon", 119.5),
        ("119°53′24″", "lon", 119.89),
        ("28度30分36秒", "lat", 28.51),
        ("28.5N", "lat", 28.5),
        ("28.5N", "lon", np.nan),
        ("119°75′", "lon", np.nan),
        ("119,5", "lon", np.nan),
        ("119.5W", "lon", np.nan),
        ("119.5①", "lon", np.nan),
    ],
)
def test_degrees_are_read_in_every_writing(cell: str, axis: str, degrees: float) -> None:
    values, _ = read_degrees(pd.Series([cell], dtype=object), axis)
    np.testing.assert_allclose(values, [degrees], rtol=0, atol=1e-12)


def test_marks_of_footnotes_in_headings_are_no_digits() -> None:
    assert plain("0-1①") == folded("0-1①") == "0-1"
    assert plain("面积（m²）") == "面积" and plain("学位⑴") == "学位" and folded("江南街道²") == "江南街道"


def test_a_longer_row_of_csv_is_refused_unless_most_rows_are_as_long(tmp_path: Path) -> None:
    heading, rows = "街道,幼儿,儿童,备注", ["甲,309,419,", "乙,419,916,", "丙,1,2,"]
    for lines, refused in (
        ([*rows, "丁,1,309,419,"], [5]),
        ([row + "," for row in rows], None),
        ([*[row + "," for row in rows], "丁,1,309,419,,"], [5]),
    ):
        (tmp_path / "t.csv").write_text("\n".join([heading, *lines]), encoding="utf-8")
        findings = Findings()
        raw = read_layer(tmp_path / "t.csv", "t.csv", None, findings)
        told = [(finding.code, list(finding.rows)) for finding in findings if finding.severity == "error"]
        assert told == ([] if refused is None else [("read.ragged", refused)]) and (raw is None) == bool(refused)


@given(st.dates(datetime.date(1950, 1, 1), datetime.date(2099, 12, 30)))
def test_dates_in_every_writing_are_one_date(day: datetime.date) -> None:
    serial = (day - datetime.date(1899, 12, 30)).days
    writings = [
        day.isoformat(), f"{day.year}/{day.month}/{day.day}", f"{day.year}.{day.month}.{day.day}",
        f"{day.year}年{day.month}月{day.day}日", f"{day:%Y%m%d}", f"{day} 00:00:00", str(serial),
    ]  # fmt: skip
    assert {read_date(writing) for writing in writings} == {day.isoformat()}
    assert read_date(f"{day.year}年{day.month}月") == f"{day:%Y-%m}"


@pytest.mark.parametrize(
    "cell", ["9月", "24/9/1", "2024-13-01", "20240931", "不详", "建成", "3", "12345678", "1" * 9_000]
)
def test_what_is_no_date_is_none(cell: str) -> None:
    assert read_date(cell) == ""


def test_every_way_of_reading_is_told_with_rows_and_examples(tmp_path: Path) -> None:
    cells = ["36个", "约30", "36（含托班）", "无", "3个班", "30-40", "12%", "5㎡", "多", "-1", ""]
    write_csv(tmp_path / "t.csv", [["编号", "学位"], *([str(at), cell] for at, cell in enumerate(cells))])
    findings = Findings()
    raw = read(tmp_path / "t.csv", findings)
    values = numbers(raw, "学位", findings, blank=np.nan, measure="places")
    np.testing.assert_equal(values[:4], [36, 30, 36, np.nan])
    assert [(finding.severity, finding.code, finding.rows) for finding in findings] == [
        ("note", "number.converted", (2,)),
        ("warning", "number.about", (3,)),
        ("warning", "number.aside", (4,)),
        ("note", "number.blank_word", (5,)),
        ("error", "number.not_one", (10,)),
        ("error", "number.range", (7,)),
        ("error", "number.percent", (8,)),
        ("error", "number.classes", (6,)),
        ("error", "number.unit", (9,)),
        ("error", "number.negative", (11,)),
    ]
    assert "36个 → 36" in findings[0].text("zh") and "约30 → 30" in findings[1].text("en")


# ----------------------------------------------------------------------------------------------------------------- ids


def test_ids_stay_text_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    path = book(tmp_path / "t.xlsx", {"表": [["编号"], ["007"], [7], ["7.0"], [330302199901011234]]})
    findings = Findings()
    assert ids(read(path, findings), "编号", findings).tolist()[:3] == ["007", "7", "7.0"]
    assert [(finding.code, finding.rows) for finding in findings] == [("id.damaged", (5,))]
    write_csv(tmp_path / "t.csv", [["编号"], ["1.23457E+17"], ["Ａ１"], ["A1"], ["/"]])
    findings = Findings()
    ids(read(tmp_path / "t.csv", findings), "编号", findings)
    assert [(finding.code, finding.rows) for finding in findings] == [
        ("id.missing", (5,)), ("id.damaged", (2,)), ("id.width", (3, 4)),
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------- what a planner does


def test_an_office_table_runs_without_a_word_about_its_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """GBK, a title, other headings, units, a total and a note: the same answer as the clean table."""
    lines = PLAN.splitlines(keepends=True)
    bare = "".join(line for line in lines if not line.startswith('columns = { id = "编号"'))
    clean, messy = write_toy(tmp_path / "clean"), write_toy(tmp_path / "messy", bare)
    heading, *records = facility_rows()
    rows = [["玩具镇设施表"], ["机构编号", "园所名称", "设施类型", "lng", "lat", "学位数（个）"], *records]
    rows[2][5] = "９０个"
    rows += [["合计", "", "", "", "", 270], ["备注：含在建"]]
    assert heading[0] == "编号"
    write_csv(messy.parent / "data/facilities.csv", rows, encoding="gb18030")
    for plan in (clean, messy):
        assert main(["run", str(plan), "--out", str(tmp_path / plan.parent.name / "out")]) == 0
    for file in ("coverage.csv", "circle.csv", "facilities.csv"):
        one, other = (tmp_path / name / "out/toy" / file for name in ("clean", "messy"))
        assert one.read_bytes() == other.read_bytes(), file
    capsys.readouterr()
    assert main(["check", str(messy), "--lang", "zh"]) == 0
    told = capsys.readouterr().out
    for words in (
        "GB18030",
        "第 2 行：以此为表头",
        "id = 机构编号",
        "capacity = 学位数（个）",
        "９０个 → 90",
        "第 6 行：合计",
        "第 7 行：备注",
    ):
        assert words in told, told


@pytest.mark.parametrize(("more", "code"), [(0, "population.same_twice"), (1, "population.same_place")])
def test_two_records_of_people_at_one_place(
    tmp_path: Path, more: int, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = write_toy(tmp_path)
    first = cell_rows()[1]
    write_csv(tmp_path / "data/cells.csv", [*cell_rows(), ["z", *first[1:-1], first[-1] + more]])
    assert main(["check", str(plan)]) == (1 if more == 0 else 0)
    words = {"population.same_twice": "同一|相同", "population.same_place": "同一位置"}[code].split("|")
    told = capsys.readouterr()
    assert any(word in told.out + told.err for word in [*words, "the same place and the same counts", "at one place"])


def test_polygons_of_people_that_overlap_are_refused(tmp_path: Path) -> None:
    shapes = gpd.GeoSeries([shapely.box(0, 0, 1, 1), shapely.box(0.5, 0, 1.5, 1), shapely.box(2, 0, 3, 1)])
    frame = pd.DataFrame({column: [1.0, 2.0, 3.0] for column in [*children_columns(), "residents"]})
    raw = RawLayer("p.geojson", "geojson", frame, None, "feature", np.array([1, 2, 3]))
    findings = Findings()
    _check_counted_once(raw, frame, shapes.to_numpy(), findings)
    assert [(found.code, found.rows) for found in findings] == [("population.overlap", (1, 2))]
