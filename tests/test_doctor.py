"""The datum doctor on towns drawn by hand, where the answer is forced; and where nobody could tell, that it says so."""

import csv
import json
from itertools import pairwise
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from cfc_geo.cli import main
from cfc_geo.errors import DataError, Finding
from cfc_geo.inputs import datum as datums
from cfc_geo.inputs.doctor import CERTAIN, Evidence, diagnose
from cfc_geo.inputs.readings import Reading, lonlat_of, possible_readings
from cfc_geo.inputs.records import away_from_named, stand_alone
from cfc_geo.plan import load_plan
from cfc_geo.run import check_plan
from tests.toyplan import BANDS, CRS, ORIGIN, lonlat, write_csv, write_geojson

WGS84, GCJ02, BD09 = Reading("wgs84"), Reading("gcj02"), Reading("bd09")
MOVES = {WGS84: (0.0, 0.0), GCJ02: (-460.0, 290.0), BD09: (-1080.0, -370.0)}
"""About what the datums differ by; here simply three different moves."""

# Streets at uneven distances, so that no move lays one upon the next.
ACROSS = np.cumsum([0, 130, 90, 210, 70, 160, 110, 240, 80, 190, 140, 60, 230, 100, 170, 120, 220, 150]).astype(float)
UP = np.cumsum([0, 110, 180, 75, 225, 95, 150, 65, 205, 125, 170, 85, 235, 105, 145, 215, 100, 190]).astype(float)
SIDE_M = 6.0


def street_lines() -> list[shapely.LineString]:
    """The blocks' sides: an uneven grid whose pieces meet at their ends."""
    along = [shapely.LineString([(a, y), (b, y)]) for y in UP for a, b in pairwise(ACROSS)]
    return along + [shapely.LineString([(x, a), (x, b)]) for x in ACROSS for a, b in pairwise(UP)]


def doors(count: int) -> np.ndarray:
    """Places 6 m north of streets or east of them, all over the town, each in the middle of another block."""
    middle_x, middle_y = (ACROSS[:-1] + ACROSS[1:]) / 2, (UP[:-1] + UP[1:]) / 2
    picks = [(3 + 5 * k % 11, 3 + 7 * k % 12, k % 2) for k in range(count)]
    return np.array(
        [(middle_x[i], UP[j] + SIDE_M) if north else (ACROSS[i] + SIDE_M, middle_y[j]) for i, j, north in picks]
    )


EVIDENCE = Evidence(np.array(street_lines()), np.array([], dtype=object), shapely.box(0, 0, ACROSS[-1], UP[-1]))


def as_read(true: Reading, xy: np.ndarray) -> dict[Reading, np.ndarray]:
    """Where each reading puts points that really are in `true`."""
    return {reading: xy + np.subtract(MOVES[reading], MOVES[true]) for reading in MOVES}


# ----------------------------------------------------------------------------------------------------------- the core


@pytest.mark.parametrize("true", MOVES)
def test_points_beside_streets_belong_to_the_reading_that_puts_them_there(true: Reading) -> None:
    found = diagnose(as_read(true, doors(20)), EVIDENCE)
    assert found.verdict == true and found.probability(true) > CERTAIN
    assert found.weighed[0].street_m == pytest.approx(SIDE_M)
    assert sum(row.probability for row in found.weighed) <= 1 + 1e-12


@pytest.mark.parametrize("true", MOVES)
def test_points_in_houses_far_from_streets_belong_there_too(true: Reading) -> None:
    rng = np.random.default_rng(5)
    houses = shapely.buffer(shapely.points(rng.uniform(0, 3_000, (60, 2))), 8, cap_style="square")
    evidence = Evidence(np.array([], dtype=object), houses, EVIDENCE.place)
    assert diagnose(as_read(true, shapely.get_coordinates(shapely.centroid(houses[:25]))), evidence).verdict == true


@settings(max_examples=15)
@given(st.permutations(range(20)), st.lists(st.integers(0, 19), max_size=30))
def test_neither_order_nor_duplicates_matter(order: list[int], twice: list[int]) -> None:
    places = as_read(GCJ02, doors(20))
    mixed = {reading: xy[[*order, *twice]] for reading, xy in places.items()}
    assert repr(diagnose(mixed, EVIDENCE)) == repr(diagnose(places, EVIDENCE))  # NaN is not NaN


@settings(max_examples=15)
@given(st.integers(0, 10_000))
def test_points_at_random_are_never_refused(seed: int) -> None:
    anywhere = np.random.default_rng(seed).uniform(500, 2_000, (30, 2))
    found = diagnose(as_read(WGS84, anywhere), EVIDENCE)
    assert found.weighed[0].probability < CERTAIN


@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_points_tell_nothing(count: int) -> None:
    found = diagnose(as_read(WGS84, doors(count)), EVIDENCE)
    assert (found.verdict, found.reason) == (None, "few")


def test_many_records_at_one_place_are_one_point() -> None:
    found = diagnose(as_read(WGS84, np.repeat(doors(1), 50, axis=0)), EVIDENCE)
    assert (found.verdict, found.reason, found.points) == (None, "few", 1)


def test_without_streets_nobody_can_tell() -> None:
    none = np.array([], dtype=object)
    assert diagnose(as_read(WGS84, doors(20)), Evidence(none, none, EVIDENCE.place)).reason == "no_evidence"
    far = shapely.transform(EVIDENCE.streets, lambda xy: xy + 20_000)
    assert diagnose(as_read(WGS84, doors(20)), Evidence(far, none, EVIDENCE.place)).reason == "no_evidence"


def test_two_readings_that_fit_alike_are_no_verdict() -> None:
    found = diagnose({WGS84: doors(20), GCJ02: doors(20)}, EVIDENCE)
    assert (found.verdict, found.reason) == (None, "alike")
    assert found.probability(WGS84) == found.probability(GCJ02)


def test_only_the_place_decides_where_no_other_reading_is_there() -> None:
    zone = Reading("EPSG:4549")
    places = {zone: doors(3), Reading("EPSG:4550"): doors(3) + 300_000}
    found = diagnose(places, EVIDENCE)
    assert (found.verdict, found.reason) == (zone, "alone")
    nowhere = diagnose({WGS84: doors(9) + 90_000, GCJ02: doors(9) + 90_400}, EVIDENCE)
    assert (nowhere.verdict, nowhere.reason) == (None, "elsewhere")


# ----------------------------------------------------------------------------------------------------------- readings


@given(st.floats(74, 135), st.floats(19, 53), st.sampled_from([3, 6]), st.booleans())
def test_a_numbered_zone_is_recognised_by_its_numbers(lon: float, lat: float, width: int, swapped: bool) -> None:
    zone = round(lon / 3) if width == 3 else int(lon // 6) + 1
    code = f"EPSG:{4513 + zone - 25 if width == 3 else 4491 + zone - 13}"
    xy = np.array([Transformer.from_crs("EPSG:4326", code, always_xy=True).transform(lon, lat)])
    written = xy[:, ::-1] if swapped else xy
    assert possible_readings(written) == [Reading(code, swapped)]
    assert np.allclose(np.column_stack(lonlat_of(written, Reading(code, swapped))), [[lon, lat]], rtol=0, atol=1e-8)


@given(st.floats(74, 135), st.floats(19, 53), st.booleans())
def test_a_zone_without_number_is_one_of_those_near_the_place(lon: float, lat: float, swapped: bool) -> None:
    code = f"EPSG:{4534 + round(lon / 3) - 25}"
    xy = np.array([Transformer.from_crs("EPSG:4326", code, always_xy=True).transform(lon, lat)])
    written = xy[:, ::-1] if swapped else xy
    assert possible_readings(written) == []
    assert Reading(code, swapped) in possible_readings(written, lon)


def test_degrees_and_their_order_show() -> None:
    here = np.array([[119.9, 28.4]])
    assert possible_readings(here) == [WGS84, GCJ02, BD09]
    assert {(one.datum, one.swapped) for one in possible_readings(here[:, ::-1])} == {
        ("wgs84", True), ("gcj02", True), ("bd09", True)
    }  # fmt: skip
    assert possible_readings(np.array([[-51.2, -30.0]])) == [WGS84]


@given(st.sampled_from(["wgs84", "cgcs2000", "gcj02", "bd09"]), st.floats(74, 134), st.floats(19, 53))
def test_forward_and_inverse_by_name_undo_each_other(name: str, lon: float, lat: float) -> None:
    there = datums.from_wgs84(np.array([lon]), np.array([lat]), name)
    assert np.allclose(datums.to_wgs84(*there, name), [[lon], [lat]], rtol=0, atol=1e-9)


# --------------------------------------------------------------------------------------------------- plans and files

PLAN = """\
name = "格子镇"
[place]
units = { file = "units.geojson", id = "code", name = "name" }
[population]
file = "cells.csv"
lon = "经度"
lat = "纬度"
datum = "wgs84"
children = { "0-2" = "0-2", "3-5" = "3-5", "6-11" = "6-11", "12-14" = "12-14", "15-17" = "15-17" }
[[facilities]]
file = "schools.csv"
kind = "primary_school"
datum = "DECLARED"
columns = { id = "编号", lon = "经度", lat = "纬度" }
[streets]
file = "streets.geojson"
"""
HALF = shapely.box(-50, -50, 1_200, UP[-1] + 50), shapely.box(1_200, -50, ACROSS[-1] + 50, UP[-1] + 50)


def write_town(folder: Path, *, actual: str = "wgs84", declared: str = "wgs84", streets: str = "wgs84") -> Path:
    """A plan and its files; schools beside the streets, written down in `actual`."""
    units = [
        ({"code": str(n), "name": name}, shape)
        for n, (name, shape) in enumerate(zip(("东门街道", "西门街道"), HALF, strict=True))
    ]
    write_geojson(folder / "units.geojson", units)
    write_geojson(folder / "streets.geojson", [({}, line) for line in street_lines()])
    if streets != "wgs84":
        shift_layer(folder / "streets.geojson", streets)
    cells = [[*lonlat(x, y), *[1] * len(BANDS)] for x, y in doors(12)]
    write_csv(folder / "cells.csv", [["经度", "纬度", *BANDS], *cells])
    write_schools(folder / "schools.csv", actual)
    plan = folder / "town.toml"
    plan.write_text(PLAN.replace("DECLARED", declared), encoding="utf-8")
    return plan


def written(datum: str, count: int = 20) -> np.ndarray:
    """Schools (n × 2) as `datum` writes them, to seven places; a zone is an EPSG code."""
    lon, lat = np.array([lonlat(x, y) for x, y in doors(count)]).T
    if datum.startswith("EPSG:"):
        return np.column_stack(Transformer.from_crs("EPSG:4326", datum, always_xy=True).transform(lon, lat)).round(3)
    return np.column_stack(datums.from_wgs84(lon, lat, datum)).round(7)


def write_schools(path: Path, datum: str, *, swapped: bool = False) -> Path:
    xy = written(datum)[:, ::-1] if swapped else written(datum)
    write_csv(path, [["编号", "经度", "纬度"], *([f"s{n:02}", *place] for n, place in enumerate(xy))])
    return path


def shift_layer(path: Path, datum: str) -> None:
    frame = gpd.read_file(path)
    move = lambda xy: np.column_stack(datums.from_wgs84(*xy.T, datum))  # noqa: E731
    frame.set_geometry(shapely.transform(frame.geometry.to_numpy(), move), crs="EPSG:4326").to_file(path)


def said(plan: Path) -> list[Finding]:
    """What the datum doctor says of the plan's schools, in a plan that is refused or not."""
    try:
        findings = list(check_plan(load_plan(plan)))
    except DataError as error:
        findings = list(error.findings)
    return [one for one in findings if one.code.startswith("doctor.") and one.file == "schools.csv"]


@pytest.mark.parametrize("datum", ["wgs84", "gcj02", "bd09"])
def test_a_datum_rightly_declared_is_confirmed(tmp_path: Path, datum: str) -> None:
    (one,) = said(write_town(tmp_path, actual=datum, declared=datum))
    assert (one.severity, one.code, one.values["declared"]) == ("note", "doctor.agrees", datum)
    assert one.values["street_m"] == SIDE_M


@pytest.mark.parametrize(
    ("actual", "declared"),
    [("gcj02", "wgs84"), ("bd09", "wgs84"), ("wgs84", "gcj02"), ("bd09", "gcj02"), ("gcj02", "bd09")],
)
def test_a_datum_wrongly_declared_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], actual: str, declared: str
) -> None:
    plan = write_town(tmp_path, actual=actual, declared=declared)
    assert main(["--lang", "en", "check", str(plan)]) == 1
    told = capsys.readouterr().err
    line = next(line for line in told.splitlines() if line.startswith("error: schools.csv"))
    assert f"the declared datum is {declared}" in line and f'write datum = "{actual}"' in line


def test_a_plan_may_trust_its_datum_and_must_say_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = write_town(tmp_path, actual="gcj02")
    text = plan.read_text(encoding="utf-8").replace(
        'kind = "primary_school"', 'kind = "primary_school"\ntrust_datum = "实测"'
    )
    plan.write_text(text, encoding="utf-8")
    assert main(["--lang", "zh", "check", str(plan)]) == 0
    assert "假设：坐标系 wgs84 由方案认定（实测），尽管证据表明是 gcj02" in capsys.readouterr().out
    assert main(["run", str(plan), "--out", str(tmp_path / "out")]) == 0
    (record,) = (tmp_path / "out").rglob("run.json")
    assumptions = json.loads(record.read_text(encoding="utf-8"))["assumptions"]
    assert "schools.csv 的坐标系按方案的说明采信：实测" in assumptions["zh"]


def test_shifted_streets_are_a_disagreement_not_a_fault_of_the_points(tmp_path: Path) -> None:
    (one,) = said(write_town(tmp_path, streets="gcj02"))
    assert (one.severity, one.code) == ("error", "doctor.contradicted_streets")
    assert (one.values["actual"], one.values["streets"]) == ("gcj02", "streets.geojson")


def test_layers_that_disagree_are_named_and_where_all_do_the_streets_are_suspected(tmp_path: Path) -> None:
    def whole(plan: Path) -> dict[str, Finding]:
        with pytest.raises(DataError) as refused:
            check_plan(load_plan(plan))
        return {one.code: one for one in refused.value.findings}

    differ = whole(write_town(tmp_path, actual="bd09"))
    assert differ["doctor.layers_differ"].values["files"] == ["schools.csv"]
    assert "doctor.streets_suspect" not in differ
    suspect = whole(write_town(tmp_path, streets="bd09"))["doctor.streets_suspect"]
    assert suspect.file == "streets.geojson" and {"cells.csv", "schools.csv"} <= set(suspect.values["files"])


def test_cells_and_the_outlines_of_units_are_weighed_too(tmp_path: Path) -> None:
    findings = check_plan(load_plan(write_town(tmp_path)))
    weighed = {one.file: one.code for one in findings if one.code.startswith("doctor.")}
    assert weighed["cells.csv"] == "doctor.agrees" and "units.geojson" in weighed


def ask(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["--lang", "en", "datum", *arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("datum", ["wgs84", "gcj02", "bd09", "EPSG:4549", "EPSG:4528", "EPSG:4498"])
def test_the_verb_tells_the_datum_of_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], datum: str, swapped: bool
) -> None:
    plan = write_town(tmp_path)
    told = ask(capsys, str(write_schools(tmp_path / "points.csv", datum, swapped=swapped)), "--plan", str(plan))
    assert f'datum = "{datum}"' in told
    assert ('lon = "纬度", lat = "经度"' in told) == swapped


def test_without_a_plan_only_the_numbers_speak(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def told(datum: str, *, swapped: bool = False) -> str:
        return ask(capsys, str(write_schools(tmp_path / "points.csv", datum, swapped=swapped)))

    assert 'datum = "EPSG:4528"' in told("EPSG:4528")
    for datum in ("wgs84", "gcj02", "bd09"):
        assert "numbers alone do not show: give a plan" in (words := told(datum)) and "cannot tell" in words
        assert "have changed places" in told(datum, swapped=True)
    assert "without the zone's prefix" in (words := told("EPSG:4549")) and "cannot tell" in words


def test_layers_need_no_columns_and_tables_may_name_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = write_town(tmp_path)
    layer = gpd.GeoSeries.from_xy(*written("gcj02").T, crs="EPSG:4326")
    gpd.GeoDataFrame(geometry=layer).to_file(tmp_path / "points.gpkg")
    assert 'datum = "gcj02"' in ask(capsys, str(tmp_path / "points.gpkg"), "--plan", str(plan))
    write_csv(tmp_path / "odd.csv", [["a", "b"], *written("bd09").tolist()])
    odd = str(tmp_path / "odd.csv")
    assert 'datum = "bd09"' in ask(capsys, odd, "--plan", str(plan), "--lon", "a", "--lat", "b")
    assert main(["--lang", "en", "datum", odd]) == 1
    assert "--lon COLUMN --lat COLUMN" in capsys.readouterr().err
    assert main(["--lang", "en", "datum", odd, "--lon", "a"]) == 2


@pytest.mark.parametrize("content", [None, b"\0\1\2", "编号,经度,纬度\n1,东,西\n".encode()])
def test_a_file_without_coordinates_is_a_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    path = tmp_path / "points.csv"
    if content is not None:
        path.write_bytes(content)
    assert main(["--lang", "en", "datum", str(path)]) == 1
    assert "points.csv" in capsys.readouterr().err


def test_swapped_columns_show_even_where_the_datum_does_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = write_town(tmp_path)
    write_csv(tmp_path / "two.csv", [["经度", "纬度"], *written("gcj02", 2)[:, ::-1].tolist()])
    told = ask(capsys, str(tmp_path / "two.csv"), "--plan", str(plan))
    assert "too few" in told and "have changed places" in told and "cannot tell" in told


def test_outside_china_there_is_nothing_to_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_csv(tmp_path / "poa.csv", [["lon", "lat"], [-51.23, -30.03], [-51.22, -30.02], [-51.21, -30.04]])
    assert "outside China" in (told := ask(capsys, str(tmp_path / "poa.csv"))) and "cannot tell" in told


# ------------------------------------------------------------------------------------------------------ single records


def test_names_of_units_agree_without_their_endings_and_the_distance_is_that_to_the_unit() -> None:
    units = gpd.GeoDataFrame(
        {"unit_id": ["1", "2"], "name": ["东门街道", "西门街道"], "level": ""},
        geometry=[shapely.box(0, 0, 9, 9), shapely.box(9, 0, 20, 9)],
    )
    points = gpd.GeoSeries.from_xy([5, 5, 5, 5], [5, 5, 5, 5])
    away = away_from_named(points, pd.Series(["东门", "西门街道办事处", "北门", ""]), "街道", units)
    assert away[:2].tolist() == [0, 4] and np.isnan(away[2:]).all()


def test_a_record_alone_is_far_from_all_others_and_twins_are_not() -> None:
    near = [(100.0 * k, 0.0) for k in range(12)]
    lone = stand_alone(gpd.GeoSeries.from_xy(*np.array([*near, (50_000.0, 0.0)]).T))
    assert lone.tolist() == [False] * 12 + [True]
    assert not stand_alone(gpd.GeoSeries.from_xy(*np.array([*near, (9e4, 0.0), (9e4, 0.0)]).T)).any()
    assert not stand_alone(gpd.GeoSeries.from_xy([0, 1e6], [0, 0])).any()


def test_records_that_contradict_themselves_are_named(tmp_path: Path) -> None:
    plan = write_town(tmp_path)
    with (tmp_path / "schools.csv").open(encoding="utf-8", newline="") as stream:
        heading, *rows = csv.reader(stream)
    amap = written("gcj02")
    amap[4] += 0.002  # some 300 m
    unit = ["东门" if x < 1_200 else "西门街道" for x, _ in doors(20)]
    wrong = int(np.argmax([abs(x - 1_200) for x, _ in doors(20)]))
    unit[wrong] = "西门街道" if unit[wrong] == "东门" else "东门"
    rows = [[*row, *pair, name] for row, pair, name in zip(rows, amap.tolist(), unit, strict=True)]
    write_csv(tmp_path / "schools.csv", [[*heading, "高德经度", "高德纬度", "所属街道"], *rows])
    told = {one.code: one for one in said(plan)}
    other = told["doctor.record_other_unit"]
    assert (other.severity, other.rows) == ("warning", (wrong + 2,))
    assert other.values["away_m"] == round(abs(doors(20)[wrong][0] - 1_200))
    pairs = told["doctor.record_two_places"]
    assert pairs.rows == (4 + 2,) and 200 < pairs.values["away_m"] < 400
    assert told["doctor.agrees"].severity == "note"


def test_the_sketch_is_where_its_zone_says() -> None:
    """The files' degrees and the core's metres are one town."""
    xy = written(CRS)
    assert np.allclose(xy - ORIGIN, doors(20), rtol=0, atol=1e-3)
