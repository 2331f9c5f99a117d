"""Closed and planned facilities: never counted without a word of the plan."""

from pathlib import Path

import pytest

from cfc_geo.errors import DataError
from cfc_geo.inputs.study import read_study
from cfc_geo.plan import load_plan
from tests.toyplan import PLAN, facility_rows, write_csv, write_toy

SAID = [
    ("状态", "停办"), ("办学状态", "规划"), ("备注", "2026年9月投用，在建"), ("备注", "已撤并"), ("status", "Closed"),
]  # fmt: skip
HARMLESS = [("备注", "未停办"), ("状态", "正常"), ("备注", "按规划执行"), ("备注", ""), ("状态", "开放")]


def town(folder: Path, heading: str, said: str, plan: str = PLAN, name: str | None = None) -> Path:
    """The toy town, whose kindergarten K has one more cell, or another name."""
    file = write_toy(folder, plan)
    head, *rows = facility_rows()
    rows = [[*row, said if row[0] == "K" else ""] for row in rows]
    if name is not None:
        rows = [[row[0], name if row[0] == "K" else row[1], *row[2:]] for row in rows]
    write_csv(folder / "data/facilities.csv", [[*head, heading], *rows])
    return file


@pytest.mark.parametrize(("heading", "said"), SAID)
def test_a_record_called_closed_or_planned_is_a_question(tmp_path: Path, heading: str, said: str) -> None:
    with pytest.raises(DataError, match=r"closed or not built yet.*not_open"):
        read_study(load_plan(town(tmp_path, heading, said)))


@pytest.mark.parametrize("name", ["阳光幼儿园（规划）", "阳光幼儿园【已关闭】", "阳光幼儿园(在建)"])
def test_so_is_one_whose_name_says_so_in_brackets(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"row 2: 1 records seem to be closed"):
        read_study(load_plan(town(tmp_path, "其他", "", name=name)))


@pytest.mark.parametrize(("heading", "said"), HARMLESS)
def test_others_count(tmp_path: Path, heading: str, said: str) -> None:
    assert "K" in set(read_study(load_plan(town(tmp_path, heading, said))).facilities["facility_id"])


@pytest.mark.parametrize(("answer", "counts"), [("ignore", False), ("keep", True)])
def test_the_plan_says_whether_they_count(tmp_path: Path, answer: str, counts: bool) -> None:
    plan = PLAN.replace('datum = "wgs84"\ncolumns = { id', f'not_open = "{answer}"\ndatum = "wgs84"\ncolumns = {{ id')
    study = read_study(load_plan(town(tmp_path, "状态", "停办", plan)))
    assert ("K" in set(study.facilities["facility_id"])) == counts
    assert "kindergarten" in study.surveyed, "the list is full: there is just no open one in it"
    assert any(finding.code.startswith("facilities.not_open_") for finding in study.findings)
