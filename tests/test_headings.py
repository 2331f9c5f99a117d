"""Which column is which: by the catalogue's aliases, by the plan first of all, and never a datum by accident."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfc_geo import catalog
from cfc_geo.blocks import FacilityColumns
from cfc_geo.cli import main
from cfc_geo.errors import Findings
from cfc_geo.inputs.headings import coordinate_pairs, match_headings, plain, stated_datum
from cfc_geo.inputs.normalise import positions
from cfc_geo.inputs.raw import RawLayer
from cfc_geo.inputs.standing import SAYING
from cfc_geo.tables import FACILITY_NUMBERS, FACILITY_TEXTS
from tests.messy import wide
from tests.toyplan import PLAN, facility_rows, lonlat, write_csv, write_toy

ROLES = ("id", "name", "kind", "lon", "lat", "capacity")


def table(*headings: str, rows: int = 2, **columns: list[str]) -> RawLayer:
    cells = {name: columns.get(name, [str(row) for row in range(rows)]) for name in headings}
    return RawLayer("t.csv", "csv", pd.DataFrame(cells, dtype=str), None, "row", np.arange(2, rows + 2))


def match(
    raw: RawLayer, given: dict[str, str] | None = None, datum: str | None = "wgs84"
) -> tuple[dict[str, str], list[str]]:
    findings = Findings()
    found = match_headings(raw, ROLES, given or {}, datum, findings)
    return found, [finding.code for finding in findings]


@pytest.mark.parametrize("role", catalog.roles())
def test_every_alias_is_recognised_in_any_width_and_case(role: str) -> None:
    for tier in catalog.roles()[role].tiers:
        for alias in tier:
            for heading in (
                alias,
                wide(alias) if alias.isascii() else alias,
                f" {alias.upper()} ",
                f"*{alias}（必填）",
            ):
                found = match_headings(table(heading, "另"), [role], {}, "wgs84", Findings())
                assert found == ({} if role in ("lon", "lat") else {role: heading})


def test_every_alias_of_longitude_goes_with_every_alias_of_latitude() -> None:
    lons, lats = (catalog.roles()[axis].tiers for axis in ("lon", "lat"))
    for lon in (name for tier in lons for name in tier):
        for lat in (name for tier in lats for name in tier):
            assert coordinate_pairs(["编号", wide(lat) if lat.isascii() else lat, lon.upper()]).keys() == {""}, (
                lon,
                lat,
            )


def test_no_alias_stands_twice_in_a_role() -> None:
    for role in catalog.roles().values():
        names = [plain(name) for tier in role.tiers for name in tier]
        assert len(set(names)) == len(names), role.id


def test_every_role_of_a_facility_is_a_key_of_the_plan_and_in_the_catalogue() -> None:
    columns = set(FacilityColumns.model_fields)
    said = {*FACILITY_TEXTS, *FACILITY_NUMBERS}
    assert columns | set(catalog.attributes()) == {*ROLES, *said, *SAYING} and columns <= set(catalog.roles())
    assert all((of in FACILITY_NUMBERS) == (row.holds == "number") for of, row in catalog.attributes().items())


def test_what_was_matched_is_a_note() -> None:
    findings = Findings()
    found = match_headings(
        table("编码", "园所名称", "经度坐标", "纬度坐标", "托位数（个）"), ROLES, {}, "wgs84", findings
    )
    assert found == {"id": "编码", "name": "园所名称", "lon": "经度坐标", "lat": "纬度坐标", "capacity": "托位数（个）"}
    assert [finding.code for finding in findings] == ["headings.matched"]
    assert "lon = 经度坐标" in findings[0].text("zh") and "capacity = 托位数（个）" in findings[0].text("en")


def test_the_plan_wins_and_is_not_noted() -> None:
    raw = table("编号", "名称", "校名", "学位", "床位")
    assert match(raw) == ({"id": "编号", "name": "名称"}, ["headings.ambiguous", "headings.matched"])
    assert match(raw, {"capacity": "床位", "name": "校名", "id": "名称"}) == (
        {"capacity": "床位", "name": "校名", "id": "名称"}, [],
    )  # fmt: skip


def test_two_columns_for_one_role_are_an_error_that_names_them() -> None:
    findings = Findings()
    match_headings(table("编号", "id", "名称"), ROLES, {}, "wgs84", findings)
    assert [finding.code for finding in findings.errors] == ["headings.ambiguous"]
    assert "编号, id" in findings[0].text("en") and 'id = "…"' in findings[0].text("en")
    findings = Findings()
    assert match_headings(table("地址", "详细地址"), ["address"], {}, None, findings) == {}
    assert [finding.severity for finding in findings] == ["warning"]


def test_a_running_number_is_an_id_only_if_it_is_unique_and_nothing_better_is_there() -> None:
    assert match(table("序号", "名称"))[0] == {"id": "序号", "name": "名称"}
    assert match(table("序号", "统一社会信用代码"))[0] == {"id": "统一社会信用代码"}
    assert match(table("序号", "名称", 序号=["1", "1"]))[0] == {"name": "名称"}
    assert match(table("序号", "名称", 序号=["1", " "]))[0] == {"name": "名称"}


@pytest.mark.parametrize(
    "heading", ["学位（规划）", "名称备注", "原编号", "经度误差", "幼儿园", "经度(高德)", "lon_gcj02", ""]
)
def test_what_only_looks_like_an_alias_is_none(heading: str) -> None:
    found, _ = match(table(heading, "另"), datum=None)
    assert found == {}


@given(st.text(max_size=12))
def test_any_heading_is_matched_or_not_without_fail(heading: str) -> None:
    plain(heading), stated_datum(heading), coordinate_pairs([heading, "lat"])


# --------------------------------------------------------------------------------------------------- stated datums


@pytest.mark.parametrize(
    ("lon", "lat", "datum"),
    [
        ("经度", "纬度", ""),
        ("lon", "lat", ""),
        ("lon_gcj02", "lat_gcj02", "gcj02"),
        ("GCJ-02经度", "GCJ-02纬度", "gcj02"),
        ("经度（高德）", "纬度（高德）", "gcj02"),
        ("高德/经度", "高德/纬度", "gcj02"),
        ("坐标/经度", "坐标/纬度", ""),
        ("高德坐标/经度", "高德坐标/纬度", "gcj02"),
        ("百度经度", "百度纬度", "bd09"),
        ("bd09_lng", "bd09_lat", "bd09"),
        ("经度（WGS84）", "纬度（WGS84）", "wgs84"),
        ("X（CGCS2000）", "Y（CGCS2000）", "cgcs2000"),
    ],
)
def test_a_heading_states_its_datum(lon: str, lat: str, datum: str) -> None:
    assert coordinate_pairs(["编号", lat, lon]) == {datum: (lon, lat)}
    assert stated_datum(lon) == stated_datum(lat) == datum


BOTH = ("编号", "高德经度", "高德纬度", "经度", "纬度")


def test_the_pair_of_the_declared_datum_is_taken() -> None:
    assert coordinate_pairs(BOTH) == {"gcj02": ("高德经度", "高德纬度"), "": ("经度", "纬度")}
    for datum, lon in (("gcj02", "高德经度"), ("wgs84", "经度"), ("EPSG:4490", "经度"), (None, "经度")):
        assert match(table(*BOTH), datum=datum)[0]["lon"] == lon, datum


def test_both_in_one_cell_are_split(tmp_path: Path) -> None:
    from cfc_geo.inputs.read import read_layer

    rows = [
        ["id", "name", "location"],
        ["B01", "甲", "120.65,28.01"],
        ["B02", "合计", "120.66, 28.02"],
        ["", "合计", ""],
    ]
    write_csv(tmp_path / "t.csv", rows)
    findings = Findings()
    raw = read_layer(tmp_path / "t.csv", "t.csv", None, findings)
    assert raw is not None
    columns, _ = match(raw, datum="gcj02")
    assert columns == {"id": "id", "name": "name", "lon": "location/经度", "lat": "location/纬度"}
    shapes = positions(raw, (columns["lon"], columns["lat"]), "wgs84", findings)
    assert shapes is not None and shapes.x.tolist() == [120.65, 120.66] and shapes.y.tolist() == [28.01, 28.02]
    assert [finding.code for finding in findings] == ["grid.totals_left_out", "grid.pairs_split"]
    write_csv(tmp_path / "t.csv", [*rows[:2], ["B02", "乙", "见地图"]])
    raw = read_layer(tmp_path / "t.csv", "t.csv", None, findings)
    assert raw is not None and "lon" not in match(raw)[0]


def test_degrees_win_over_a_sheet_and_two_pairs_of_one_kind_are_none() -> None:
    assert coordinate_pairs(["x", "y", "经度", "纬度"]) == {"": ("经度", "纬度")}
    assert coordinate_pairs(["lon", "lat", "经度", "纬度"]) == {}


@pytest.mark.parametrize(
    ("headings", "datum", "code"),
    [
        (("经度(高德)", "纬度(高德)"), None, "datum.undeclared_said"),
        (("经度(高德)", "纬度(高德)"), "wgs84", "datum.heading_contradicts"),
        (("经度(高德)", "纬度(高德)"), "EPSG:4549", "datum.heading_contradicts"),
        (("经度(百度)", "纬度(高德)"), "gcj02", "datum.heading_contradicts"),
        (("经度", "纬度"), None, "datum.undeclared"),
        (("经度(高德)", "纬度(高德)"), "gcj02", None),
        (("经度(WGS84)", "纬度(WGS84)"), "cgcs2000", None),
        (("经度(WGS84)", "纬度(WGS84)"), "EPSG:4326", None),
    ],
)
def test_a_datum_in_the_heading_is_held_against_the_plan(
    headings: tuple[str, str], datum: str | None, code: str | None
) -> None:
    findings = Findings()
    cells = {headings[0]: ["120", "121"], headings[1]: ["28", "29"]}
    shapes = positions(table(*headings, **cells), headings, datum, findings)
    assert [finding.code for finding in findings] == ([code] if code else [])
    assert (shapes is None) == bool(code)


# --------------------------------------------------------------------------------------------------------- in a study


def test_a_contradiction_and_a_missing_datum_are_refused_with_the_heading(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = facility_rows()
    rows[0] = ["编号", "名称", "类型", "经度(高德)", "纬度(高德)", "容量"]
    block = 'columns = { id = "编号", name = "名称", kind = "类型", lon = "经度", lat = "纬度", capacity = "容量" }\n'
    for datum, words in (("", ["gcj02", "经度(高德)", "没有声明"]), ('datum = "wgs84"\n', ["wgs84", "gcj02"])):
        plan = write_toy(tmp_path, PLAN.replace('datum = "wgs84"\n' + block, datum))
        write_csv(tmp_path / "data/facilities.csv", rows)
        assert main(["check", str(plan), "--lang", "zh"]) == 1
        told = capsys.readouterr().err
        assert all(word in told for word in words) and "1 处" in told, told


def test_what_a_file_says_besides_is_kept_with_the_facilities(tmp_path: Path) -> None:
    from cfc_geo.inputs.study import read_study
    from cfc_geo.plan import load_plan

    rows = facility_rows()
    rows[0] += ["办园性质", "是否备案", "所属街道", "建筑面积（㎡）", "开办时间", "日均人流量"]
    more = [
        ["公办", "是", "甲街道", "约1200㎡", "2019年9月", "1.2万人次"],
        ["民办", "/", "乙街道", "见附件", "建成后", ""],
    ]
    for row, said in zip(rows[1:], [*more, [""] * 6], strict=True):
        row += said
    plan = write_toy(tmp_path)
    write_csv(tmp_path / "data/facilities.csv", rows)
    study = read_study(load_plan(plan))
    kept = study.facilities.set_index("facility_id")
    assert kept.loc["K", ["ownership", "registered", "subdistrict", "opened"]].tolist() == [
        "公办",
        "是",
        "甲街道",
        "2019-09",
    ]
    assert kept.loc["K", ["area_m2", "visitors_per_day"]].tolist() == [1200, 12_000]
    assert np.isnan(kept.loc[["S", "P"], "area_m2"].to_numpy(dtype=float)).all() and kept.loc["P", "ownership"] == ""
    assert kept.loc["S", "opened"] == ""
    warned = {finding.code for finding in study.findings if finding.severity == "warning"}
    assert {"number.about", "number.not_one", "facilities.no_date"} <= warned


def test_entrances_and_cells_need_no_columns_either(tmp_path: Path) -> None:
    from cfc_geo.inputs.study import read_study
    from cfc_geo.plan import load_plan

    gate = 'entrances = { file = "data/gates.csv", datum = "wgs84" }\n'
    text = PLAN.replace('columns = { id = "code"', gate + 'columns = { id = "code"')
    plan = write_toy(tmp_path, text.replace('id = "编号"\nlon = "经度"\nlat = "纬度"\n', ""))
    write_csv(tmp_path / "data/gates.csv", [["公园编号", "lng", "lat"], ["P", *lonlat(900, 20)]])
    study = read_study(load_plan(plan))
    assert sorted(study.origins["origin_id"]) == list("abcdef")
    assert study.entrances.set_index("facility_id").loc["P", "evidence"] == "given"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            'file = "data/parks.geojson"\n',
            'file = "data/parks.geojson"\nheading_row = 2\n',
            "parks.geojson: the content is",
        ),
        (
            'columns = { id = "code"',
            'entrances = { file = "data/gates.csv", datum = "wgs84" }\ncolumns = { id = "code"',
            "gates.csv: no column says which facility",
        ),
        (
            'columns = { id = "编号"',
            'heading_row = 99\ncolumns = { id = "编号"',
            "facilities.csv, row 99: the row that",
        ),
    ],
)
def test_what_a_block_cannot_say_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, words: str
) -> None:
    plan = write_toy(tmp_path, PLAN.replace(old, new))
    write_csv(tmp_path / "data/gates.csv", [["门", "经度", "纬度"], ["P", *lonlat(900, 20)]])
    assert main(["check", str(plan), "--lang", "en"]) == 1
    told = capsys.readouterr().err
    assert words in told and told.count("error:") == 1, told
