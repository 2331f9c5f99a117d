"""Wrong, broken and hostile files: every one ends in exit code 1 with a message that names the file, the place and the
mend, in Chinese and in English; nothing is written, and every fault of a run is told at once."""

import os
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from cfc_geo.cli import main
from cfc_geo.errors import Finding, Findings
from cfc_geo.inputs.normalise import numbers, positions, repaired
from cfc_geo.inputs.read import read_layer
from cfc_geo.inputs.sheets import MAX_CELLS
from tests.make_bad_files import BAD, book_of_rows
from tests.toyplan import (
    CRS,
    PLAN,
    cell_rows,
    facility_rows,
    lonlat,
    write_csv,
    write_toy,
)

Break = Callable[[Path], str | None]
"""Spoils the data folder of the toy plan; returns a new plan text where the plan itself changes."""


def refused(plan: Path) -> list[Finding]:
    """The errors of a plan that must be refused, after checking how: exit code 1, nothing written, both languages."""
    out = plan.parent / "out"
    told: list[Finding] = []
    with patch("cfc_geo.cli._print_findings", lambda findings, *_: told.extend(findings)):
        assert main(["run", str(plan), "--out", str(out)]) == 1
    assert not out.exists()
    errors = [finding for finding in told if finding.severity == "error"]
    for error in errors:
        for lang in ("zh", "en"):
            text = error.text(lang)
            assert " → " in text and error.file and text.startswith(error.file), text
            assert str(plan.parent / "data") not in text, "a path of this machine"
    return errors


def refused_after(folder: Path, spoil: Break) -> list[Finding]:
    plan = write_toy(folder)
    text = spoil(folder / "data")
    if text is not None:
        plan.write_text(text, encoding="utf-8")
    return refused(plan)


def edited_csv(name: str, row: int, column: int, value: object) -> Break:
    """Row 1 is the heading, column 1 the first."""

    def spoil(data: Path) -> None:
        rows = cell_rows() if name == "cells.csv" else facility_rows()
        rows[row - 1][column - 1] = value
        write_csv(data / name, rows)

    return spoil


def content(name: str, given: bytes | str) -> Break:
    def spoil(data: Path) -> None:
        (data / name).write_bytes(given.encode() if isinstance(given, str) else given)

    return spoil


# ------------------------------------------------------------------------------------------------- large and cut off


def with_sheet(path: Path, rows: bytes) -> Path:
    path.write_bytes(book_of_rows(rows))
    return path


@pytest.mark.parametrize(
    "rows",
    [
        b'<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>',
        b"<row><c r='a1'><v>1</v></c></row><row ><c  r = 'xfd1048576' ><v>1</v></c></row>",
        b'<row r="1"><c r="A1"/></row><row r="1048576">' + b"<c><v>1</v></c>" * 20 + b"</row>",
        b'<x:row xmlns:x="urn:x" r="9"><x:c r="XFD999999"/></x:row>',
    ],
)
def test_a_stray_cell_far_out_does_not_fill_the_memory(tmp_path: Path, rows: bytes) -> None:
    assert codes(with_sheet(tmp_path / "stray.xlsx", rows)) == ["read.stray_cells"]


def test_a_large_honest_sheet_is_not_mistaken_for_a_bomb(tmp_path: Path) -> None:
    rows = b"".join(
        b'<row r="%d"><c r="A%d"><v>%d</v></c></row>' % (row, row, row * 7919 % 1000) for row in range(1, 3000)
    )
    findings = Findings()
    raw = read_layer(with_sheet(tmp_path / "big.xlsx", rows), "big.xlsx", None, findings)
    assert raw is not None and len(raw.frame) == 2998 and len(raw.frame) < MAX_CELLS


def codes(path: Path) -> list[str]:
    findings = Findings()
    assert read_layer(path, path.name, None, findings) is None
    return [finding.code for finding in findings.errors]


@pytest.mark.parametrize(
    "name", ["parks.geojson", "parks.gpkg", "parks.fgb", "parks.parquet", "parks.shp", "parks.xlsx"]
)
def test_truncated_files_are_refused_or_lose_nothing(tmp_path: Path, name: str) -> None:
    path, records = a_layer(tmp_path, name)
    whole = path.read_bytes()
    for kept in (0.3, 0.6, 0.9):
        path.write_bytes(whole[: int(len(whole) * kept)])
        findings = Findings()
        raw = read_layer(path, name, None, findings)
        if raw is not None and name != "parks.xlsx":
            positions(raw, None, None, findings)
        assert findings.errors or (raw is not None and len(raw.frame) == records), (name, kept)


def a_layer(folder: Path, name: str) -> tuple[Path, int]:
    """A good file of some format with 300 records."""
    rng = np.random.default_rng(1)
    xy = rng.random((300, 2)) / 100 + (120, 28)
    frame = gpd.GeoDataFrame({"code": [f"{i:03}" for i in range(300)]}, geometry=shapely.points(xy), crs="EPSG:4326")
    path = folder / name
    if name.endswith("parquet"):
        frame.to_parquet(path)
    elif name.endswith("xlsx"):
        frame.assign(x=xy[:, 0], y=xy[:, 1])[["code", "x", "y"]].to_excel(path, index=False)
    else:
        frame.to_file(path)
    return path, len(frame)


# ------------------------------------------------------------------------------------------------------------ odd text

ODD = ["名\u202e称", "a\u0000b", "\x1b[2J", "line\nbreak", "{{7*7}}", "{file}", "=1+1", "../../x", "<script>", "𠮷"]


@pytest.mark.parametrize("odd", ODD)
def test_odd_names_neither_break_a_message_nor_take_part_in_it(tmp_path: Path, odd: str) -> None:
    finding = Finding("error", "facilities.unknown_kind", "data/f.csv", (3,), {"word": odd, "near": odd})
    for lang in ("zh", "en"):
        text = finding.text(lang)
        assert text.isprintable() and len(text.splitlines()) == 1
        printable = "".join(mark if mark.isprintable() else " " if mark.isspace() else "�" for mark in odd)
        assert text.count(printable) == 2


def test_bytes_that_are_no_text_end_in_a_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    heading = "编号,名称,类型,经度,纬度,容量\n".encode()
    errors = refused_after(tmp_path, content("facilities.csv", heading + b"K,x,\xed\xa0\x80,1,2,3\n"))
    assert [error.code for error in errors] == ["read.encoding_unknown"]
    plan = os.fsdecode(b"\xff\xfe.toml")
    assert main(["run", plan, "--out", str(tmp_path / "out")]) == 1
    assert "��.toml: there is no such plan file" in capsys.readouterr().err


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = write_toy(tmp_path)
    real = Path.open

    def closed(self: Path, *given: object, **named: object) -> object:
        if self.name == "facilities.csv":
            raise PermissionError(13, "Permission denied")
        return real(self, *given, **named)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", closed)
    errors = refused(plan)
    assert [error.code for error in errors] == ["read.denied"]
    assert "facilities.csv" in errors[0].text()


# ---------------------------------------------------------------------------------------------------------- all at once


def test_every_fault_of_a_run_is_told_at_once(tmp_path: Path) -> None:
    def spoil(data: Path) -> str:
        edited_csv("cells.csv", 3, 5, "三十六")(data)
        edited_csv("facilities.csv", 2, 3, "幼稚园")(data)
        (data / "units.geojson").write_bytes((BAD / "unknown_parent.geojson").read_bytes())
        (data / "streets.osm").write_bytes(b"")
        return PLAN.replace("parks.geojson", "parcs.geojson")

    errors = refused_after(tmp_path, spoil)
    assert {(error.code, error.file) for error in errors} == {
        ("number.not_one", "data/cells.csv"),
        ("facilities.unknown_kind", "data/facilities.csv"),
        ("units.unknown_parent", "data/units.geojson"),
        ("read.no_file_near", "data/parcs.geojson"),
        ("read.empty_file", "data/streets.osm"),
    }


def test_broken_units_do_not_hide_the_faults_of_the_other_files(tmp_path: Path) -> None:
    def spoil(data: Path) -> None:
        (data / "units.geojson").write_text("{")
        edited_csv("cells.csv", 3, 5, "")(data)
        edited_csv("facilities.csv", 2, 3, "幼稚园")(data)

    assert {error.code for error in refused_after(tmp_path, spoil)} == {
        "read.unreadable",
        "number.blank",
        "facilities.unknown_kind",
    }


def test_the_faults_of_all_plans_are_told_before_any_is_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write_toy(tmp_path / "a")
    bad = [tmp_path / "bad1.toml", tmp_path / "bad2.toml"]
    for number, path in enumerate(bad):
        path.write_text(PLAN + f"zz{number} = 1\n", encoding="utf-8")
    assert main(["run", str(good), *map(str, bad), "--out", str(tmp_path / "out"), "--lang", "en"]) == 1
    told = capsys.readouterr().err
    assert "bad1.toml: the plan has no key streets.zz0" in told and "bad2.toml: the plan has no key streets.zz1" in told
    assert not (tmp_path / "out").exists()


def test_many_unknown_kinds_point_at_the_column(tmp_path: Path) -> None:
    def spoil(data: Path) -> str:
        rows = [facility_rows()[0], *([f"f{i}", f"名{i}", "小学", *lonlat(i, 0), 1] for i in range(40))]
        write_csv(data / "facilities.csv", rows)
        return PLAN.replace('kind = "类型"', 'kind = "名称"')

    errors = refused_after(tmp_path, spoil)
    assert len(errors) == 13 and errors[-1].code == "facilities.more_unknown_kinds"
    assert "28" in errors[-1].text() and "名称" in errors[-1].text()


def test_a_message_lists_few_rows_and_counts_the_rest(tmp_path: Path) -> None:
    def spoil(data: Path) -> None:
        heading, first, *_ = cell_rows()
        first[5] = "x"
        write_csv(data / "cells.csv", [heading, *([f"c{i}", *first[1:]] for i in range(20))])

    error = refused_after(tmp_path, spoil)[0]
    assert "rows 2, 3, 4, 5, 6, 7, 8, 9, … (20 in all):" in error.text("en")
    assert "第 2、3、4、5、6、7、8、9 等 20 行：" in error.text("zh")


# ------------------------------------------------------------------------------------------- numbers and text in cells


@pytest.mark.parametrize("word", ["1,5", "1_000", "0x10", "٣", "true", "#N/A", "NULL", "1 200", "三十"])
def test_only_plain_numbers_are_numbers(tmp_path: Path, word: str) -> None:
    write_csv(tmp_path / "t.csv", [["n"], ["1"], [word], ["2.5"], ["1e2"]])
    findings = Findings()
    raw = read_layer(tmp_path / "t.csv", "t.csv", None, findings)
    assert raw is not None
    values = numbers(raw, "n", findings, blank=None)
    assert [(finding.code, finding.rows) for finding in findings.errors] == [("number.not_one", (3,))]
    assert values[[0, 2, 3]].tolist() == [1, 2.5, 100]


@settings(max_examples=100)
@given(st.lists(st.tuples(st.floats(-10, 10), st.floats(-10, 10)), min_size=3, max_size=8))
def test_a_repair_never_changes_an_area_unnoticed(corners: list[tuple[float, float]]) -> None:
    from cfc_geo.inputs.raw import RawLayer

    shape = shapely.Polygon(corners)
    frame = gpd.GeoDataFrame({"code": ["1"]}, geometry=[shape], crs=CRS)
    findings = Findings()
    raw = RawLayer("u.gpkg", "geopackage", frame, frame.crs, "feature", np.array([1]))
    mended = repaired(raw, frame.geometry, findings).iloc[0]
    if not findings.errors:
        assert mended.is_valid and not mended.is_empty
        assert mended.area == pytest.approx(shape.area, rel=0.011)
    assert bool(findings) == (not shape.is_valid)
