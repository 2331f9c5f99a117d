"""What is written can be opened again by others, says what the Result says, is inert, and is the same every time."""

import csv
import hashlib
import io
import json
import os
import re
import sqlite3
import subprocess
import sys
import types
import zipfile
from pathlib import Path

import geopandas as gpd
import numpy as np
import openpyxl
import pandas as pd
import pyogrio
import pytest
from geopandas.testing import assert_geodataframe_equal
from hypothesis import given
from hypothesis import strategies as st
from pyogrio.raw import read_arrow
from shapely import MultiPolygon, box

from cfc_geo import catalog, tables
from cfc_geo.model import Result
from cfc_geo.outputs import geopackage, spreadsheet, workbook
from cfc_geo.outputs.folder import write_result
from cfc_geo.outputs.provenance import shown_file, write_resolved_plan
from cfc_geo.outputs.tables import FORMULA_STARTS, csv_tables, figure, guarded, text, write_csv
from cfc_geo.plan import load_plan
from tests.toy_result import HOSTILE, toy_plan, toy_result, with_names

FILES = {
    "access.csv", "cells.parquet", "circle.csv", "coverage.csv", "facilities.csv", "map.html", "plan.resolved.toml",
    "result.gpkg", "run.json", "workbook.xlsx",
}  # fmt: skip
SHEETS = ["说明", "覆盖率", "生活圈", "可达数量与学位", "设施", "质量审计", "提示", "数据字典"]
ALIASES = "select table_name, column_name, name from gpkg_data_columns"
ROOT = Path(__file__).parents[1]


def stub_map() -> types.ModuleType:
    """Stands for the map, which has tests of its own."""
    module = types.ModuleType("cfc_geo.outputs.maps")
    module.draw_map = lambda result, *_: f"<!doctype html><title>{result.plan.map.title}</title>"  # type: ignore[attr-defined]
    return module


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return toy_result(toy_plan(tmp_path_factory.mktemp("plan")))


@pytest.fixture(scope="module")
def written(result: Result, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "cfc_geo.outputs.maps", stub_map())
        return write_result(result, tmp_path_factory.mktemp("out"), "zh")


@pytest.fixture(scope="module")
def book(written: Path) -> openpyxl.Workbook:
    return openpyxl.load_workbook(written / "workbook.xlsx")


def rows_of_csv(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))


def rows_of_sheet(sheet) -> list[list[object]]:  # type: ignore[no-untyped-def]
    return [list(row) for row in sheet.iter_rows(values_only=True)]


# -------------------------------------------------------------------------------------------------------------- folder


def test_the_folder_is_named_as_the_plan_file_and_holds_every_output(written: Path) -> None:
    assert written.name == "toy"
    assert {path.name for path in written.iterdir()} == FILES


def test_writing_changes_nothing_in_the_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cfc_geo.outputs.maps", stub_map())
    plan = toy_plan(tmp_path)
    result, untouched = toy_result(plan), toy_result(plan)
    write_result(result, tmp_path / "out", "en")
    for frame in ("coverage_by_unit", "circle_by_unit", "facilities", "cells"):
        pd.testing.assert_frame_equal(getattr(result, frame), getattr(untouched, frame))
    for frame in ("units", "streets"):
        assert_geodataframe_equal(getattr(result.study, frame), getattr(untouched.study, frame))


def test_equal_results_have_equal_bytes_whoever_writes_them_and_where(tmp_path: Path) -> None:
    """So no output holds a time, a path, a user or a random order either."""
    code = (
        "import sys; from pathlib import Path; from tests.test_outputs import stub_map; "
        "sys.modules['cfc_geo.outputs.maps'] = stub_map(); "
        "from tests.toy_result import toy_plan, toy_result; from cfc_geo.outputs.folder import write_result; "
        "result = toy_result(toy_plan(Path(sys.argv[1]))); "
        "[write_result(result, Path(sys.argv[1]) / lang, lang) for lang in ('zh', 'en')]"
    )
    settings = [
        {
            "PYTHONHASHSEED": "1",
            "TZ": "Asia/Shanghai",
            "LC_ALL": "C.UTF-8",
            "LOGNAME": "zhang",
            "HOME": "/tmp",
        },
        {"PYTHONHASHSEED": "2", "TZ": "America/St_Johns", "LC_ALL": "C", "LOGNAME": "li", "HOME": "/"},
    ]
    places = [tmp_path / "here", tmp_path / "some" / "where" / "else"]
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(place)], cwd=ROOT, env=os.environ | setting)
        for place, setting in zip(places, settings, strict=True)
    ]
    assert [process.wait(60) for process in running] == [0, 0]
    for lang in catalog.LANGUAGES:
        first, second = ({p.name: p.read_bytes() for p in (place / lang / "toy").iterdir()} for place in places)
        assert set(first) == FILES
        assert [name for name in sorted(FILES) if first[name] != second[name]] == []


# ----------------------------------------------------------------------------------------------------------------- csv


def test_csv_files_have_the_columns_of_the_vocabulary_in_the_order_of_the_result(written: Path, result: Result) -> None:
    for name, columns in {
        "coverage.csv": tables.COVERAGE_COLUMNS,
        "circle.csv": tables.CIRCLE_COLUMNS,
        "access.csv": tables.ACCESS_COLUMNS,
        "facilities.csv": tables.FACILITY_RESULT_COLUMNS,
    }.items():
        rows = rows_of_csv(written / name)
        assert tuple(rows[0]) == columns
        assert len(rows) - 1 == len(csv_tables(result)[name])
    assert [row[0] for row in rows_of_csv(written / "coverage.csv")[1:]] == list(result.coverage_by_unit["unit_id"])


def test_csv_files_open_in_a_spreadsheet_as_utf8_and_have_plain_line_ends(written: Path) -> None:
    for name in ("coverage.csv", "circle.csv", "facilities.csv"):
        content = (written / name).read_bytes()
        assert content.startswith(b"\xef\xbb\xbf") and content.count(b"\xef\xbb\xbf") == 1
        assert b"\r" not in content and content.endswith(b"\n")


def test_csv_figures_are_those_of_the_result_and_undefined_ones_are_empty(written: Path, result: Result) -> None:
    table = pd.read_csv(written / "coverage.csv", encoding="utf-8-sig", dtype={"unit_id": str})
    for name, within in {"children": 5e-4, "gap": 5e-4, "covered_share": 5e-5, "mean_walk_m": 0.05}.items():
        np.testing.assert_allclose(table[name], result.coverage_by_unit[name], rtol=0, atol=within)
    childcare = [row for row in rows_of_csv(written / "coverage.csv") if row[3] == "childcare"]
    assert childcare and all(row[10:] == ["", "", ""] for row in childcare), "unknown is not a share of 0"
    assert rows_of_csv(written / "facilities.csv")[2][5] == "", "an unknown capacity is not 0"
    assert rows_of_csv(written / "facilities.csv")[3][5] == "0"


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (12.0, "children", "12"), (12, "count", "12"), (1200, "children", "1200"), (0.12345, "children", "0.123"),
        (10.10, "places", "10.1"), (-0.0, "children", "0"), (-1e-9, "m", "0.0"), (1e15, "children", "1000000000000000"),
        (1 / 3, "share", "0.3333"), (1.0, "share", "1.0000"), (300.0, "m", "300.0"), (99.96, "m", "100.0"),
        (4.25, "min", "4.2"), (1.05, "m/s", "1.05"), (float("nan"), "m", ""), (None, "children", ""),
        (np.int64(3), "count", "3"), (np.nan, "share", ""),
    ],
)  # fmt: skip
def test_a_figure_is_written_by_its_unit(value: object, unit: str, shown: str) -> None:
    assert figure(value, unit) == shown


@given(st.text(st.characters(codec=None)))
def test_no_text_can_start_a_formula_and_the_guard_takes_nothing_away(value: str) -> None:
    shown = guarded(text(value))
    assert not shown.startswith(FORMULA_STARTS)
    assert shown.removeprefix("'") == text(value).removeprefix("'") or shown == text(value)
    shown.encode()


@given(st.lists(st.text(st.characters(codec=None)), min_size=2, max_size=2, unique=True))
def test_any_name_comes_back_from_csv(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    path = tmp_path_factory.getbasetemp() / "names.csv"
    write_csv(pd.DataFrame({"name": names, "kind": ["park", "x,y"]}, dtype=object), path)
    rows = list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline=""), strict=True))
    assert [row[0] for row in rows[1:]] == [guarded(text(name)) for name in names]


def test_the_hostile_name_is_inert_in_csv(written: Path) -> None:
    names = [row[2] for row in rows_of_csv(written / "facilities.csv")]
    assert names[1] == "'" + HOSTILE and names[4] == "'@park"


# --------------------------------------------------------------------------------------------------------------- cells


def test_cells_come_back_from_parquet_unchanged(written: Path, result: Result) -> None:
    cells = gpd.read_parquet(written / "cells.parquet")
    assert_geodataframe_equal(cells, result.cells)
    assert cells.crs == result.study.crs


# ------------------------------------------------------------------------------------------------------------ workbook


def test_every_table_has_its_sheet_and_the_cells_are_said_to_be_elsewhere(book: openpyxl.Workbook) -> None:
    assert book.sheetnames == SHEETS
    about = " ".join(str(value) for row in rows_of_sheet(book["说明"]) for value in row if value)
    assert "cells.parquet" in about


def test_the_first_sheet_says_what_the_figures_rest_on(book: openpyxl.Workbook) -> None:
    about = " ".join(str(value) for row in rows_of_sheet(book["说明"]) for value in row if value is not None)
    for said in (
        "玩具区 现状", "2025-03", "ODbL 1.0", "规划局", "GB 50180-2018 附录C", "由本方案设定", "地方标准",
        "假设", "600",
        "均匀分布", "七普", "3.0%", "100 米", "EPSG:4549", "托育机构、儿童游乐场地",
    ):  # fmt: skip
        assert said in about, said
    assert "/home" not in about


def test_headings_are_readable_and_carry_units(book: openpyxl.Workbook) -> None:
    assert rows_of_sheet(book["覆盖率"])[0] == [
        "单元编号", "单元名称", "层级", "设施类型", "年龄段", "距离标准\n（米）", "儿童数\n（人）",
        "已覆盖\n（人）", "未覆盖\n（人）",
        "无法判断\n（人）", "覆盖率\n（%）", "平均步行距离\n（米）", "平均步行时间\n（分钟）",
    ]  # fmt: skip


def test_codes_are_named_and_figures_are_numbers_equal_to_those_in_csv(book: openpyxl.Workbook, written: Path) -> None:
    first = rows_of_sheet(book["覆盖率"])[2]
    assert first[:6] == ["all", "全域合计", None, "儿童游乐场地", "0-2岁", 300]
    in_csv = rows_of_csv(written / "coverage.csv")
    for shown, stored in zip(rows_of_sheet(book["覆盖率"])[1:], in_csv[1:], strict=True):
        assert shown[5:] == [float(figure) if figure else None for figure in stored[5:]]
    evidence = [row[-1] for row in rows_of_sheet(book["设施"])[1:]]
    assert evidence == ["设施为点", "设施为点", "道路穿过边界", "边界最近点（假设）", "无出入口"]
    assert "儿童游乐场地" in {row[-1] for row in rows_of_sheet(book["生活圈"])}


def test_shares_show_as_percent_and_fractional_children_with_one_decimal(book: openpyxl.Workbook) -> None:
    formats = [cell.number_format for cell in book["覆盖率"][3]]
    assert formats[10] == "0.0%" and formats[6:10] == ["#,##0.0"] * 4 and formats[5] == "#,##0"


def test_no_cell_is_a_formula_a_link_or_an_id_turned_number(book: openpyxl.Workbook) -> None:
    for sheet in book:
        assert not sheet._hyperlinks
        assert [cell.coordinate for row in sheet.iter_rows() for cell in row if cell.data_type == "f"] == []
    facilities = rows_of_sheet(book["设施"])
    assert facilities[1][:3] == ["007", "儿童游乐场地", HOSTILE]


def test_tables_are_frozen_filterable_and_print_with_their_heading_on_one_page_width(
    book: openpyxl.Workbook,
) -> None:
    for name in SHEETS[1:]:
        sheet = book[name]
        assert sheet.freeze_panes and sheet.freeze_panes.endswith("2"), name
        assert sheet.auto_filter.ref.startswith("A1:"), name
        assert sheet.print_title_rows == "$1:$1"
    for sheet in book:
        assert sheet.page_setup.orientation == "landscape" and sheet.page_setup.fitToHeight == 0
        assert sheet.sheet_properties.pageSetUpPr.fitToPage


def test_columns_are_wide_enough_for_chinese(book: openpyxl.Workbook) -> None:
    assert spreadsheet.display_width("儿童游乐场地 a") == 14
    sheet = book["覆盖率"]
    assert sheet.column_dimensions["D"].width >= spreadsheet.display_width("儿童游乐场地")
    assert sheet.column_dimensions["L"].width >= spreadsheet.display_width("平均步行距离")


def test_the_workbook_names_nobody_and_carries_no_time(book: openpyxl.Workbook) -> None:
    assert not book.properties.creator and not book.properties.lastModifiedBy
    assert book.properties.created.year == book.properties.modified.year == 2000


def test_findings_come_warnings_first_without_absolute_paths(book: openpyxl.Workbook) -> None:
    rows = rows_of_sheet(book["提示"])
    assert [row[0] for row in rows] == ["程度", "注意", "说明"]
    assert rows[1][1] == "cells.csv" and "第 3、4 行" in str(rows[1][2]) and "/home" not in str(rows[1][2])


def test_the_audit_is_in_words_and_shows_an_item_without_words_by_its_key(book: openpyxl.Workbook) -> None:
    rows = rows_of_sheet(book["质量审计"])
    assert rows[0] == ["类别", "核对项", "数值", "单位", "上限", "含义"]
    measures = [row[:5] for row in rows[1:] if row[0] != "所用假设"]
    assert measures == [
        ["人口账目", "人口格", 6, "个", None], ["人口账目", "数据中的儿童（0-2岁）", 10.125, "人", None],
        ["住处与道路", "人口格到道路的直线距离，中位数", 3.2, "米", None], ["其他", "brand_new", None, "个", None],
    ]  # fmt: skip
    assumed = {row[1]: row[5] for row in rows if row[0] == "所用假设"}
    assert "均匀分布" in " ".join(row[5] for row in rows[1:] if row[1] == "人口")
    assert {"人口", "道路", "距离标准", "生活圈清单", "步行速度"} <= set(assumed)


def test_the_english_workbook_has_no_chinese_of_ours(result: Result, tmp_path: Path) -> None:
    workbook.write_workbook(result, tmp_path / "en.xlsx", "en")
    book = openpyxl.load_workbook(tmp_path / "en.xlsx")
    assert book.sheetnames == ["About", "Coverage", "Circle", "Access", "Facilities", "Audit", "Findings", "Dictionary"]
    headings = [str(value) for sheet in book.worksheets[1:] for value in rows_of_sheet(sheet)[0]]
    explained = [str(value) for row in rows_of_sheet(book["Dictionary"]) for value in row]
    assert not re.search("[\u4e00-\u9fff]", " ".join(headings + explained))


def test_a_text_longer_than_a_cell_is_cut_and_says_so(tmp_path: Path) -> None:
    for name in ("长" * 40_000, "😀" * 20_000):
        long = with_names(toy_result(toy_plan(tmp_path)), name)
        workbook.write_workbook(long, tmp_path / "long.xlsx", "zh")
        cell = openpyxl.load_workbook(tmp_path / "long.xlsx")["设施"]["C2"].value
        assert cell.endswith("…") and name.startswith(cell[:-1])
        assert 32_760 < len(cell.encode("utf-16-le")) / 2 <= 32_767


def test_a_table_too_long_for_a_sheet_is_left_out_whole_and_says_where_it_is(
    result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreadsheet, "MAX_ROWS", len(result.coverage_by_unit))
    workbook.write_workbook(result, tmp_path / "short.xlsx", "zh")
    rows = rows_of_sheet(openpyxl.load_workbook(tmp_path / "short.xlsx")["覆盖率"])
    assert len(rows) == 1 and "coverage.csv" in str(rows[0][0]) and str(len(result.coverage_by_unit)) in str(rows[0][0])
    assert len(rows_of_sheet(openpyxl.load_workbook(tmp_path / "short.xlsx")["生活圈"])) > 1


def test_control_characters_in_names_do_not_break_the_workbook(tmp_path: Path) -> None:
    odd = with_names(toy_result(toy_plan(tmp_path)), "a\x00\x0b\ufffe\ud800_x0041_\n")
    workbook.write_workbook(odd, tmp_path / "odd.xlsx", "zh")
    assert len(rows_of_sheet(openpyxl.load_workbook(tmp_path / "odd.xlsx")["设施"])) == 6


# ---------------------------------------------------------------------------------------------------------- dictionary


def test_the_dictionary_explains_every_column_that_is_written(book: openpyxl.Workbook, written: Path) -> None:
    explained: dict[str, set[str]] = {}
    for place, column, heading, _, meaning in rows_of_sheet(book["数据字典"])[1:]:
        assert heading and meaning
        for part in str(place).split("；"):
            explained.setdefault(part, set()).add(str(column))
    for name in ("coverage.csv", "circle.csv", "access.csv", "facilities.csv"):
        assert explained.pop(name) == set(rows_of_csv(written / name)[0])
    assert explained.pop("cells.parquet") == set(gpd.read_parquet(written / "cells.parquet").columns)
    for layer in pyogrio.list_layers(written / "result.gpkg")[:, 0]:
        assert explained.pop(f"result.gpkg，图层 {layer}") == set(
            pyogrio.read_dataframe(written / "result.gpkg", layer=layer).columns
        )
    assert explained == {}


def test_every_column_of_the_vocabulary_and_every_kind_and_band_has_its_words() -> None:
    known = [
        *tables.UNIT_COLUMNS, *tables.STREET_COLUMNS, *tables.COVERAGE_COLUMNS, *tables.CIRCLE_COLUMNS,
        *tables.FACILITY_RESULT_COLUMNS, *tables.children_columns(),
    ]  # fmt: skip
    bands = [band.replace("-", "_") for band in catalog.bands()]
    known += [f"{kind}_{part}" for kind in catalog.kinds() for part in ("m", "status", "nearest_id")]
    known += [f"{kind}_{band}_{part}" for kind in catalog.kinds() for band in bands for part in ("share", "gap")]
    known += [f"circle_{band}{part}" for band in bands for part in ("", "_share")]
    columns = [catalog.column(name) for name in known]
    assert [column.name for column in columns] == known
    for column in columns:
        words = (column.zh, column.en, column.help_zh, column.help_en)
        assert all(words) and not any(mark in word for word in words for mark in "{}<>"), column.name
        assert column.unit == "" or catalog.word(f"outputs.unit.{column.unit}", "zh")
    assert catalog.column("park_3_5_gap").zh == "公园未覆盖儿童（3-5岁）"
    assert catalog.column("primary_school_m").en == "walk to primary school"
    for unknown in ("nonsense", "parks_m", "park_3_4_gap", "children_<band>"):
        with pytest.raises(KeyError):
            catalog.column(unknown) if "<" not in unknown else catalog.column(unknown + "x")


# ---------------------------------------------------------------------------------------------------------- geopackage


def test_the_geopackage_has_the_figures_of_the_tables(written: Path, result: Result) -> None:
    path = written / "result.gpkg"
    assert list(pyogrio.list_layers(path)[:, 0]) == ["units", "cells", "facilities", "streets", "ground"]
    for layer, table in geopackage.layers(result).items():
        back = gpd.read_file(path, layer=layer)
        assert back.crs == result.study.crs and list(back.columns) == list(table.columns)
        for name in table.columns.drop("geometry"):
            stored = table[name].astype(object).where(table[name].notna(), None).to_numpy()
            read = back[name].astype(object).where(back[name].notna(), None).to_numpy()
            assert list(read) == list(stored), (layer, name)
        assert back.geometry.geom_equals(table.geometry.reset_index(drop=True)).all()


def test_a_unit_has_its_shares_and_gaps_side_by_side(written: Path, result: Result) -> None:
    units = pyogrio.read_dataframe(written / "result.gpkg", layer="units").set_index("unit_id")
    for row in result.coverage_by_unit[result.coverage_by_unit["unit_id"] != "all"].itertuples():
        name = f"{row.kind}_{row.band.replace('-', '_')}"
        np.testing.assert_equal(units.loc[row.unit_id, f"{name}_share"], row.covered_share)
        assert units.loc[row.unit_id, f"{name}_gap"] == row.gap
    for row in result.circle_by_unit[result.circle_by_unit["unit_id"] != "all"].itertuples():
        band = row.band.replace("-", "_")
        assert units.loc[row.unit_id, f"children_{band}"] == row.children
        np.testing.assert_equal(units.loc[row.unit_id, f"circle_{band}_share"], row.complete_share)
    assert np.isnan(units.loc["0101", "park_15_17_share"]), "no child of the band lives there"


def test_fields_have_chinese_aliases_that_gdal_reads_back(written: Path) -> None:
    path = written / "result.gpkg"
    with sqlite3.connect(path) as database:
        stored = {(table, column): name for table, column, name in database.execute(ALIASES)}
        extensions = set(database.execute("select table_name, extension_name from gpkg_extensions"))
    database.close()
    assert ("gpkg_data_columns", "gpkg_schema") in extensions
    for layer in ("units", "cells", "facilities", "streets"):
        fields = [field for field in read_arrow(path, layer=layer)[1].schema if field.name not in ("geom", "geometry")]
        aliases = [field.metadata[b"GDAL:OGR:alternative_name"].decode() for field in fields]
        assert (
            aliases
            == [catalog.column(field.name).zh for field in fields]
            == [stored[layer, field.name] for field in fields]
        )
        assert all(
            field.metadata[b"GDAL:OGR:comment"].decode() == catalog.column(field.name).help_zh for field in fields
        )
        assert len(set(aliases)) == len(aliases)


def test_english_aliases_are_unique_too(result: Result, tmp_path: Path) -> None:
    geopackage.write_geopackage(result, tmp_path / "en.gpkg", "en")
    schema = read_arrow(tmp_path / "en.gpkg", layer="units")[1].schema
    assert schema.field("park_0_2_gap").metadata[b"GDAL:OGR:alternative_name"] == b"not covered, park, ages 0-2"


def test_the_geopackage_carries_no_time_and_leaves_gdal_as_it_was(written: Path) -> None:
    with sqlite3.connect(written / "result.gpkg") as database:
        assert {date for (date,) in database.execute("select last_change from gpkg_contents")} == {
            geopackage.FIXED_DATE
        }
    database.close()
    assert pyogrio.get_gdal_config_option("OGR_CURRENT_DATE") is None
    assert pyogrio.get_gdal_config_option("OGR_SQLITE_SYNCHRONOUS") is None


def test_single_and_multi_part_shapes_share_a_layer_as_multi_part(result: Result, tmp_path: Path) -> None:
    mixed = gpd.GeoSeries([box(0, 0, 1, 1), MultiPolygon([box(0, 0, 1, 1), box(2, 2, 3, 3)])], index=[7, 3])
    made = geopackage._of_one_type(mixed)
    assert list(made.geom_type) == ["MultiPolygon"] * 2 and made.geom_equals(mixed).all()
    points_and_areas = result.facilities.geometry
    assert geopackage._of_one_type(points_and_areas) is points_and_areas
    assert geopackage._type_of_layer(points_and_areas) == "Unknown"


# ---------------------------------------------------------------------------------------------------------- provenance


def test_the_record_names_inputs_settings_versions_and_findings(written: Path, result: Result) -> None:
    record = json.loads((written / "run.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert record["inputs"][0] == {
        "role": "units", "file": "units.geojson", "sha256": "a" * 64, "format": "geojson", "datum": "",
        "licence": "公开", "date": "2024", "citation": "",
    }  # fmt: skip
    limits = {norm["kind"]: norm for norm in record["settings"]["norms"]["limits"]}
    assert limits["park"] == {
        "kind": "park", "limit_m": 600.0, "tier": "10 min", "clause": "玩具区 现状", "certainty": "plan",
        "why": "地方标准",
    }  # fmt: skip
    assert record["settings"]["norms"]["version"] == "2018" and record["settings"]["snap_limit_m"] == 100
    assert record["settings"]["circle"]["baskets"]["3-5"] == ["playground", "park"]
    assert [row["speed_ms"] for row in record["settings"]["walk"]["speeds"]] == [
        result.plan.speed_ms(b) for b in catalog.bands()
    ]
    assert {"python", "cfc_geo", "pyogrio"} <= set(record["versions"])
    assert record["audit"]["children_0_2_in_file"] == 10.125 and record["audit"]["brand_new"] is None
    assert record["timings_s"] == {"read": 0.1}
    warning = record["findings"][0]
    assert warning["rows"] == [3, 4] and "均匀分布" in warning["text_zh"] and warning["text_en"] != warning["text_zh"]


def test_the_record_lists_every_other_file_with_its_checksum(written: Path) -> None:
    record = json.loads((written / "run.json").read_text(encoding="utf-8"))
    assert {row["file"] for row in record["files"]} == FILES - {"run.json"}
    for row in record["files"]:
        content = (written / row["file"]).read_bytes()
        assert (row["bytes"], row["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


def test_no_output_holds_an_absolute_path(written: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    told = [str(tmp_path_factory.getbasetemp()).encode(), b"somebody"]
    for path in written.iterdir():
        content = path.read_bytes()
        if path.suffix == ".xlsx":
            with zipfile.ZipFile(path) as parts:
                content = b"".join(parts.read(name) for name in parts.namelist())
        assert [words for words in told if words in content] == [], path.name


@pytest.mark.parametrize(
    ("file", "shown"),
    [
        ("data/cells.csv", "data/cells.csv"), ("../cells.csv", "../cells.csv"), ("/home/li/cells.csv", "cells.csv"),
        ("C:\\Users\\li\\cells.csv", "cells.csv"), ("\\\\server\\li\\cells.csv", "cells.csv"), ("", ""),
    ],
)  # fmt: skip
def test_an_absolute_path_is_shown_by_its_last_part(file: str, shown: str) -> None:
    assert shown_file(file) == shown


def test_the_resolved_plan_loads_beside_the_original_and_is_the_same_plan(tmp_path: Path) -> None:
    toy_plan(tmp_path / "base")
    child = tmp_path / "scenarios" / "child.toml"
    child.parent.mkdir()
    child.write_text('extends = "../base/toy.toml"\nname = "改"\n[walk]\nsnap_limit_m = 80\n', encoding="utf-8")
    plan = load_plan(child, allow=[tmp_path])
    write_resolved_plan(plan, child.parent / "again.toml")
    again = load_plan(child.parent / "again.toml", allow=[tmp_path])
    assert again.model_dump() == plan.model_dump()
    assert again.path(again.population.file or "").resolve() == (tmp_path / "base" / "cells.csv").resolve()
    first_lines = (child.parent / "again.toml").read_text(encoding="utf-8").splitlines()[:2]
    assert all(line.startswith("#") and "child.toml" in line for line in first_lines)


def test_numbers_that_bring_their_own_unit_are_no_formulas(tmp_path: Path) -> None:
    write_csv(pd.DataFrame({"lon": [-51.2, 117.25], "speed_kmh": [np.nan, 30.0]}), tmp_path / "places.csv")
    rows = list(csv.reader(io.StringIO((tmp_path / "places.csv").read_text(encoding="utf-8-sig"))))
    assert rows[1:] == [["-51.2", ""], ["117.25", "30"]]
