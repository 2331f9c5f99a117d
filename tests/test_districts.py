"""School districts: polygons and tables of units, and what is wrong with them in words."""

from pathlib import Path

import pytest
import shapely

from cfc_geo.cli import main
from tests.test_streets import rows_of
from tests.toyplan import PLAN, facility_rows, lonlat, write_csv, write_geojson, write_toy

TWO_SCHOOLS = [["T", "西小学", "primary_school", *lonlat(50, 0), 90]]
BLOCK = '[streets_for_children]\nkinds = ["primary_school"]\nmeasure = 0\ndistricts = {{ {} }}\n'


def toy(folder: Path, districts: str) -> Path:
    plan = write_toy(folder, PLAN + BLOCK.format(districts))
    write_csv(folder / "data/facilities.csv", [*facility_rows(), *TWO_SCHOOLS])
    return plan


def trips(folder: Path, plan: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    assert main(["streets", str(plan), "--out", str(folder / "out"), "--lang", "en"]) == 0, capsys.readouterr().err
    (row,) = rows_of(folder / "out/toy.streets/trips.csv")
    return row


def children(folder: Path) -> dict[str, str]:
    return {row["length_m"]: row["children"] for row in rows_of(folder / "out/toy.streets/streets.csv")}


def test_polygons_send_homes_to_their_own_school(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All west of 1000 are given T at 50, though d at 700 has S at 800 next door; e at 1200 is given none."""
    plan = toy(tmp_path, 'file = "data/xuequ.geojson", school = "学校"')
    west = shapely.box(-100, -100, 1000, 400)
    write_geojson(tmp_path / "data/xuequ.geojson", [({"学校": "T"}, west)])
    row = trips(tmp_path, plan, capsys)
    assert (row["assigned_by"], row["walking"], row["beyond"]) == ("district", "47", "16")
    assert children(tmp_path) == {"400.0": "47", "800.0": "8", "300.0": "36"}


def test_a_table_of_units_and_several_schools_of_one_unit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole town is given S; the west T as well, which is nearer to all of its homes; d (8) and e (16) have S
    alone."""
    plan = toy(tmp_path, 'file = "data/xuequ.csv", school = "学校", unit = "单元"')
    write_csv(tmp_path / "data/xuequ.csv", [["单元", "学校"], ["镇", "小学S"], ["西社区", "西小学"]])
    row = trips(tmp_path, plan, capsys)
    assert (row["assigned_by"], row["walking"], row["beyond"]) == ("district", "63", "0")
    assert children(tmp_path) == {"400.0": "39", "800.0": "24", "300.0": "36"}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([["西社区", "第九小学"]], "第九小学"),
        ([["北社区", "S"]], "北社区"),
        ([["西社区", ""]], "row 2"),
    ],
)
def test_what_is_wrong_is_said_with_its_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: list[list[object]], said: str
) -> None:
    plan = toy(tmp_path, 'file = "data/xuequ.csv", school = "学校", unit = "单元"')
    write_csv(tmp_path / "data/xuequ.csv", [["单元", "学校"], *rows])
    for verb in ("streets", "check", "run"):
        assert main([verb, str(plan), "--out", str(tmp_path / "out"), "--lang", "en"]) == 1
        told = capsys.readouterr().err
        assert said in told and "xuequ.csv" in told and "row 2" in told


def test_a_table_without_units_is_asked_for_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = toy(tmp_path, 'file = "data/xuequ.csv", school = "学校"')
    write_csv(tmp_path / "data/xuequ.csv", [["单元", "学校"], ["西社区", "S"]])
    assert main(["streets", str(plan), "--out", str(tmp_path / "out"), "--lang", "en"]) == 1
    assert "polygons" in capsys.readouterr().err
    assert main(["streets", str(plan), "--out", str(tmp_path / "out"), "--lang", "zh"]) == 1
