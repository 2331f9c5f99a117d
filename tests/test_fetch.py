"""`cfc-geo fetch` against servers on loopback: what it writes, what it does when they misbehave, and what it leaves.

The oracle of what is fetched is the file that the servers answer from, read by the same reader.
"""

import csv
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

import numpy as np
import osmnx
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from cfc_geo import catalog
from cfc_geo.catalog import bands
from cfc_geo.cli import main
from cfc_geo.errors import FetchError, Findings
from cfc_geo.fetch import homes, overpass
from cfc_geo.fetch.folder import fetch as fetch_folder
from cfc_geo.fetch.kept import Kept
from cfc_geo.fetch.osm_xml import write_osm
from cfc_geo.fetch.place import Request
from cfc_geo.fetch.web import Patience, Servers
from cfc_geo.inputs.osm import read_osm
from cfc_geo.outputs import lock
from cfc_geo.plan import load_plan
from tests.mapped_town import BBOX, NAME, write_town
from tests.overpass_stand_in import OSM_BASE, StandIn
from tests.real import shared_file
from tests.toyplan import lonlat, write_geojson

ROOT = Path(__file__).parents[1]
FILES = {"plan.toml", "units.geojson", "streets.osm", "cells.csv", "fetch.json"}
TRIES = Patience().tries
ROUNDING = 3e-4
"""What seven decimals of a degree do to the area of a house."""
Text = pytest.CaptureFixture[str]


def place(name: str, number: int, outline: shapely.Geometry | None, kind: str = "boundary") -> dict[str, object]:
    """A place as Nominatim lists it; without an outline it is a node."""
    west, south, east, north = (shapely.Point(lonlat(0, 0)) if outline is None else outline).bounds
    shape = shapely.geometry.mapping(shapely.Point(west, south) if outline is None else outline)
    return {
        "osm_type": "node" if outline is None else "relation", "osm_id": number, "class": kind, "importance": 0.5,
        "name": name.split(", ")[0], "display_name": name, "lat": f"{south}", "lon": f"{west}",
        "boundingbox": [f"{south}", f"{north}", f"{west}", f"{east}"], "geojson": shape,
    }  # fmt: skip


TOWN = shapely.Polygon([lonlat(*corner) for corner in ((-100, -200), (1300, -200), (1300, 400), (-100, 400))])
PLACES = [
    place("鹿城区, 温州市", 101, TOWN),
    place("鼓楼区, 南京市", 102, TOWN),
    place("鼓楼区, 徐州市", 103, TOWN),
    place("五马街, 温州市", 104, None, "place"),
    place("鹿城区人民政府, 温州市", 105, TOWN.buffer(-0.001), "amenity"),
]


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing leaves this machine, names are not looked up, and no wait takes time."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: tuple[str, int]) -> None:
        assert address[0] == "127.0.0.1", f"asked {address}"
        connect(self, address)

    def no_names(host: str, *_: object, **__: object) -> str:
        if host != "127.0.0.1":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return host

    monkeypatch.setattr(socket.socket, "connect", guarded)
    monkeypatch.setattr(socket, "gethostbyname", no_names)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[StandIn]:
    with StandIn(write_town(tmp_path / "town.osm"), PLACES).listening() as stand_in:
        yield stand_in


def fetch(folder: Path, servers: StandIn, *options: str, lang: str = "en") -> int:
    """The exit code of `cfc-geo fetch` of the drawn town, or of what the options say."""
    ground = () if {"--place", "--units", "--bbox"} & set(options) else ("--bbox", BBOX)
    urls = ("--overpass-url", f"{servers.url}/api", "--nominatim-url", servers.url)
    return main(["fetch", str(folder), *ground, *urls, "--lang", lang, *options])


def left_by(folder: Path) -> set[str]:
    """What lies beside the folder that fetching made, and the folder itself."""
    return {path.name for path in folder.parent.iterdir()} - {"town.osm", "units.geojson"}


def cells(folder: Path) -> list[dict[str, str]]:
    with (folder / "cells.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


# ----------------------------------------------------------------------------------------------------- what is written


def test_what_is_fetched_runs(servers: StandIn, tmp_path: Path, capsys: Text) -> None:
    assert fetch(tmp_path / "town", servers) == 0
    said = capsys.readouterr()
    assert "© OpenStreetMap contributors, ODbL 1.0, as of 2026-11-24" in said.out
    assert "placeholder, not real counts" in said.err
    assert {path.name for path in (tmp_path / "town").iterdir()} == FILES
    assert left_by(tmp_path / "town") == {"town"}
    assert main(["run", str(tmp_path / "town/plan.toml"), "--out", str(tmp_path / "out"), "--lang", "en"]) == 0
    assert "ages 3-5: 100 children" in capsys.readouterr().out
    record = json.loads((tmp_path / "out/plan/run.json").read_text(encoding="utf-8"))
    assert {(source["licence"], source["date"]) for source in record["inputs"] if source["role"] != "units"} == {
        ("ODbL 1.0", "2026-11-24")
    }
    assert "占位人口" in json.dumps(record["findings"], ensure_ascii=False)


def same_layers(one: Path, other: Path, bbox: tuple[float, float, float, float]) -> None:
    """Both files hold the same streets, facilities, entrances and backdrop in the box."""
    read = [read_osm(path, path.name, Findings(), bbox=bbox) for path in (one, other)]
    assert read[0] is not None and read[1] is not None
    for name, columns in (
        ("streets", ["street_id", "highway", "name", "from_node", "to_node"]),
        ("facilities", ["facility_id", "kind", "name"]),
        ("entrances", ["facility_id"]),
        ("backdrop", ["theme", "name"]),
    ):
        tables = [getattr(layers, name) for layers in read]
        rows = [sorted(zip(*(table[column] for column in columns), strict=True)) for table in tables]
        assert rows[0] == rows[1], name
        drawn = [np.sort(shapely.length(table.geometry.to_numpy())) for table in tables]
        assert np.allclose(*drawn, rtol=0, atol=1e-9), name


def test_nothing_that_the_reader_reads_is_left_out(servers: StandIn, tmp_path: Path) -> None:
    assert fetch(tmp_path / "town", servers) == 0
    bbox = tuple(float(part) for part in BBOX.split(","))
    same_layers(tmp_path / "town.osm", tmp_path / "town/streets.osm", bbox)
    layers = read_osm(tmp_path / "town/streets.osm", "", Findings())
    assert layers is not None
    assert set(layers.facilities["kind"]) == {"kindergarten", "school", "playground", "park"}
    assert NAME in set(layers.facilities["name"])
    assert len(layers.entrances) == 1


@pytest.mark.parametrize(
    ("name", "bbox"), [("bupt", "116.349,39.956,116.362,39.965"), ("guixi", "117.20,28.27,117.24,28.31")]
)
def test_real_places_come_whole_and_run(name: str, bbox: str, tmp_path: Path) -> None:
    source = shared_file(f"{name}/{name}.osm")
    with StandIn(source, []).listening() as servers:
        assert fetch(tmp_path / name, servers, "--bbox", bbox) == 0
    same_layers(source, tmp_path / name / "streets.osm", tuple(float(part) for part in bbox.split(",")))  # type: ignore[arg-type]
    assert main(["run", str(tmp_path / name / "plan.toml"), "--out", str(tmp_path / "out")]) == 0


def test_tiles_give_the_same_file_as_one_question(
    servers: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fetch(tmp_path / "one", servers) == 0
    monkeypatch.setattr(overpass, "TILE_KM", 1.0)
    assert fetch(tmp_path / "many", servers) == 0
    assert len(servers.asked) > 4
    assert (tmp_path / "one/streets.osm").read_bytes() == (tmp_path / "many/streets.osm").read_bytes()


def test_the_older_day_stands_in_the_plan_and_both_are_named(
    servers: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Text
) -> None:
    monkeypatch.setattr(overpass, "TILE_KM", 2.0)
    servers.plays = ["real"] + ["504"] * TRIES
    assert fetch(tmp_path / "town", servers) == 1
    servers.osm_base = "2026-11-26T00:00:00Z"
    assert fetch(tmp_path / "town", servers) == 0
    assert "as of 2026-11-24 – 2026-11-26" in capsys.readouterr().out
    assert load_plan(tmp_path / "town/plan.toml").streets.date == "2026-11-24"


# --------------------------------------------------------------------------------------------------------- population


def test_children_live_in_flats_by_their_floor_space(servers: StandIn, tmp_path: Path) -> None:
    assert fetch(tmp_path / "town", servers) == 0
    places = [[float(row[column]) for column in ("lon", "lat", "children 3-5")] for row in cells(tmp_path / "town")]
    assert np.allclose([row[:2] for row in places], [lonlat(200, 20), lonlat(1000, 20)], rtol=0, atol=1e-6)
    assert [row[2] for row in places] == pytest.approx([75, 25], rel=ROUNDING)
    why = load_plan(tmp_path / "town/plan.toml").population.assumption
    assert "占地 × 层数" in why and "footprint × floors" in why


def test_where_no_homes_are_mapped_children_live_along_residential_streets(tmp_path: Path) -> None:
    with StandIn(write_town(tmp_path / "town.osm", homes=False), []).listening() as servers:
        assert fetch(tmp_path / "town", servers) == 0
    rows = cells(tmp_path / "town")
    assert sum(float(row["children 3-5"]) for row in rows) == pytest.approx(100, abs=1e-6)
    assert {round(float(row["lat"]), 5) for row in rows} == {
        round(lonlat(0, 0)[1], 5)
    }  # on the street, none on the lane
    assert "the length of residential streets" in load_plan(tmp_path / "town/plan.toml").population.assumption


def test_residents_are_spread_and_multiplied_by_shares(servers: StandIn, tmp_path: Path, capsys: Text) -> None:
    assert fetch(tmp_path / "town", servers, "--residents", "20000") == 0
    assert [float(row["residents"]) for row in cells(tmp_path / "town")] == pytest.approx([15_000, 5_000], rel=ROUNDING)
    population = load_plan(tmp_path / "town/plan.toml").population
    assert population.shares == catalog.age_shares()[0]
    assert "20,000 residents" in population.assumption
    assert "shares" in capsys.readouterr().err
    assert main(["run", str(tmp_path / "town/plan.toml"), "--out", str(tmp_path / "out"), "--lang", "en"]) == 0
    assert f"ages 3-5: {20_000 * population.shares['3-5']:,.0f} children" in capsys.readouterr().out


def test_shares_are_those_of_the_census_groups() -> None:
    total = 1_409_778_724
    years = [group / 5 / total for group in (77_883_888, 90_244_056, 85_255_994, 72_684_140) for _ in range(5)]
    shares, _ = catalog.age_shares()
    assert list(shares) == list(bands())
    for band, share in shares.items():
        first, last = map(int, band.split("-"))
        assert share == pytest.approx(sum(years[first : last + 1]), abs=5e-5)


# -------------------------------------------------------------------------------------------------- answers that fail

FAULTS = {
    "429": "limits how often",
    "504": "overloaded or away for a while (504)",
    "502": "overloaded or away for a while (502)",
    "500": "HTTP 500",
    "truncated": "broke off",
    "cut_off": "broke off",
    "remark": "in part only, and that was not used: runtime error: Query timed out",
    "html": "not the data asked for",
    "odd": "not the data asked for",
    "reset": "the connection broke",
}


@pytest.mark.parametrize("play", FAULTS)
def test_a_fault_that_lasts_is_told_and_leaves_nothing(
    play: str, servers: StandIn, tmp_path: Path, capsys: Text
) -> None:
    servers.plays = [play] * TRIES
    assert fetch(tmp_path / "town", servers) == 1
    said = capsys.readouterr()
    assert re.search(rf"^error: 127\.0\.0\.1:\d+: .*{re.escape(FAULTS[play])}.* → ", said.err, re.MULTILINE)
    assert len(servers.asked) == TRIES
    assert left_by(tmp_path / "town") == set()
    assert said.out == ""


@pytest.mark.parametrize("play", FAULTS)
def test_a_fault_that_passes_costs_one_announced_wait(
    play: str, servers: StandIn, tmp_path: Path, capsys: Text
) -> None:
    servers.plays = [play]
    assert fetch(tmp_path / "town", servers) == 0
    assert "waiting 5 s to try again: 127.0.0.1" in capsys.readouterr().err
    assert len(servers.asked) == 2
    assert left_by(tmp_path / "town") == {"town"}


def test_faults_are_told_in_chinese(servers: StandIn, tmp_path: Path, capsys: Text) -> None:
    servers.plays = ["504"] * TRIES
    assert fetch(tmp_path / "town", servers, lang="zh") == 1
    said = capsys.readouterr().err
    assert "等待 5 秒再试" in said and "服务器过载" in said and "再运行同一命令" in said


def test_waits_double_unless_the_server_says_how_long(servers: StandIn, tmp_path: Path, capsys: Text) -> None:
    servers.plays = ["504", "429 after 7", "504", "504"]
    assert fetch(tmp_path / "town", servers) == 0
    assert re.findall(r"waiting (\d+) s", capsys.readouterr().err) == ["5", "7", "20", "40"]


def test_a_429_without_a_time_is_looked_up_on_the_status_page(servers: StandIn, tmp_path: Path, capsys: Text) -> None:
    servers.status_page = "Rate limit: 2\nSlot available after: 2026-11-24T20:21:17Z, in 12 seconds.\n"
    servers.plays = ["429"]
    assert fetch(tmp_path / "town", servers) == 0
    assert "waiting 12 s" in capsys.readouterr().err


def test_a_refused_question_is_not_repeated(servers: StandIn, tmp_path: Path, capsys: Text) -> None:
    servers.plays = ["400"]
    assert fetch(tmp_path / "town", servers) == 1
    assert "HTTP 400" in capsys.readouterr().err
    assert len(servers.asked) == 1


def test_no_wait_goes_beyond_the_deadline(servers: StandIn, tmp_path: Path, capsys: Text) -> None:
    servers.plays = ["429 after 3600"]
    assert fetch(tmp_path / "town", servers) == 1
    said = capsys.readouterr().err
    assert "the 300 s for all questions together are used up → run the same line again" in said
    assert "waiting" not in said and len(servers.asked) == 1


@pytest.mark.parametrize(
    ("patience", "last"), [(Patience(deadline_s=0.2), "deadline"), (Patience(1, answer_s=0.2), "timeout")]
)
def test_a_trickle_is_cut_off_in_time(patience: Patience, last: str, servers: StandIn, tmp_path: Path) -> None:
    servers.plays = ["slow"]
    west, south, east, north = map(float, BBOX.split(","))
    request, at = Request(bbox=(west, south, east, north)), Servers(f"{servers.url}/api", servers.url)
    with pytest.raises(FetchError) as refused:
        fetch_folder(request, tmp_path / "town", servers=at, patience=patience)
    assert [finding.code for finding in refused.value.findings][-1] == f"fetch.{last}"
    assert left_by(tmp_path / "town") == set()


def test_nothing_mapped_is_an_error_and_not_kept(servers: StandIn, tmp_path: Path, capsys: Text) -> None:
    servers.plays = ["empty"]
    assert fetch(tmp_path / "town", servers) == 1
    assert "no street here" in capsys.readouterr().err
    assert left_by(tmp_path / "town") == set()
    assert fetch(tmp_path / "town", servers) == 0


def test_a_server_without_an_address(tmp_path: Path, capsys: Text) -> None:
    nowhere = ["--overpass-url", "http://overpass.invalid/api"]
    assert main(["fetch", str(tmp_path / "town"), "--bbox", BBOX, *nowhere, "--lang", "en"]) == 1
    assert "error: overpass.invalid: the server's address cannot be found" in capsys.readouterr().err


def test_a_server_that_is_not_there(tmp_path: Path, capsys: Text) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    assert main(["fetch", str(tmp_path / "town"), "--bbox", BBOX, "--overpass-url", url, "--lang", "en"]) == 1
    assert "cannot be reached, or the connection broke (Connection refused)" in capsys.readouterr().err


@pytest.mark.parametrize("plays", [[], ["504"] * TRIES])
def test_osmnx_is_left_as_it_was(plays: list[str], servers: StandIn, tmp_path: Path) -> None:
    def settings() -> dict[str, object]:
        return {name: value for name, value in vars(osmnx.settings).items() if not name.startswith("_")}

    before, resolver = settings(), socket.getaddrinfo
    servers.plays = plays
    fetch(tmp_path / "town", servers)
    assert settings() == before and socket.getaddrinfo is resolver
    assert not Path("cache").exists()


# ------------------------------------------------------------------------------------------------------------ resuming


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overpass, "TILE_KM", 1.5)


@pytest.mark.usefixtures("small_tiles")
def test_a_second_call_asks_only_for_what_is_missing(servers: StandIn, tmp_path: Path, capsys: Text) -> None:
    servers.plays = ["real", "real"] + ["504"] * TRIES
    assert fetch(tmp_path / "town", servers) == 1
    said = capsys.readouterr().err
    count = int(re.findall(r"part 1 of (\d+)", said)[0])
    assert f"2 of {count} parts are kept; run the same line again to go on" in said
    assert left_by(tmp_path / "town") == {".town.parts"}
    first = list(servers.asked)
    servers.asked.clear()
    assert fetch(tmp_path / "town", servers) == 0
    assert len(servers.asked) == count - 2 and set(servers.asked).isdisjoint(first[:2])
    assert left_by(tmp_path / "town") == {"town"}


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("damage", [b"", b"{}", b"x" * 100])
def test_a_damaged_part_is_asked_for_again(damage: bytes, servers: StandIn, tmp_path: Path) -> None:
    servers.plays = ["real", "real"] + ["504"] * TRIES
    assert fetch(tmp_path / "town", servers) == 1
    part = min((tmp_path / ".town.parts").iterdir())
    part.write_bytes(damage)
    asked = len(servers.asked)
    assert fetch(tmp_path / "town", servers) == 0
    again = servers.asked[asked:]
    assert len(set(again) & set(servers.asked[:2])) == 1


@pytest.mark.usefixtures("small_tiles")
def test_ctrl_c_keeps_what_is_there(
    servers: StandIn, tmp_path: Path, capsys: Text, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(seconds: float) -> None:
        if seconds:  # osmnx sleeps no time at all before each question
            raise KeyboardInterrupt

    servers.plays = ["real", "504"]
    with monkeypatch.context() as during:
        during.setattr(time, "sleep", interrupt)
        assert fetch(tmp_path / "town", servers) == 130
    assert "1 of" in capsys.readouterr().err
    assert left_by(tmp_path / "town") == {".town.parts"}
    asked = len(servers.asked)
    assert fetch(tmp_path / "town", servers) == 0
    assert servers.asked[0] not in servers.asked[asked:]


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize(("with_signal", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_a_program_that_dies_leaves_no_half_folder(
    with_signal: signal.Signals, code: int, servers: StandIn, tmp_path: Path
) -> None:
    servers.plays = ["slow"]
    command = [sys.executable, "-m", "cfc_geo", "fetch", str(tmp_path / "town"), "--bbox", BBOX]
    with subprocess.Popen([*command, "--overpass-url", servers.url], cwd=ROOT, stderr=subprocess.DEVNULL) as program:
        while not servers.asked and program.poll() is None:
            servers.closing.wait(0.01)
        program.send_signal(with_signal)
        assert program.wait() == code
    assert not (tmp_path / "town").exists()
    assert fetch(tmp_path / "town", servers) == 0
    assert left_by(tmp_path / "town") == {"town"}


def test_a_fetched_folder_is_left_alone(servers: StandIn, tmp_path: Path, capsys: Text) -> None:
    assert fetch(tmp_path / "town", servers) == 0
    (tmp_path / "town/plan.toml").write_text("changed by hand", encoding="utf-8")
    asked = len(servers.asked)
    assert fetch(tmp_path / "town", servers) == 0
    assert "has been fetched before" in capsys.readouterr().out
    assert len(servers.asked) == asked
    assert (tmp_path / "town/plan.toml").read_text(encoding="utf-8") == "changed by hand"
    assert fetch(tmp_path / "town", servers, "--residents", "5") == 1
    assert "what it holds is not this download" in capsys.readouterr().err


def test_a_folder_of_other_files_is_left_alone(servers: StandIn, tmp_path: Path, capsys: Text) -> None:
    (tmp_path / "town").mkdir()
    (tmp_path / "town/mine.txt").write_text("mine", encoding="utf-8")
    assert fetch(tmp_path / "town", servers) == 1
    assert "the folder is not empty" in capsys.readouterr().err
    assert servers.asked == [] and [path.name for path in (tmp_path / "town").iterdir()] == ["mine.txt"]


def test_neither_the_current_folder_nor_a_link_is_replaced(
    servers: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    for folder in (Path(), Path(".."), tmp_path / "here", tmp_path / "link"):
        assert fetch(folder, servers) == 1
    assert servers.asked == []


def test_two_do_not_fetch_into_one_folder(servers: StandIn, tmp_path: Path, capsys: Text) -> None:
    with lock.held(tmp_path / "town"):
        assert fetch(tmp_path / "town", servers) == 1
    assert f"process {os.getpid()}" in capsys.readouterr().err
    assert servers.asked == []


def test_an_empty_folder_is_filled(servers: StandIn, tmp_path: Path) -> None:
    (tmp_path / "town").mkdir()
    assert fetch(tmp_path / "town", servers) == 0
    assert {path.name for path in (tmp_path / "town").iterdir()} == FILES


# -------------------------------------------------------------------------------------------------------------- places


def test_a_place_by_its_name(servers: StandIn, tmp_path: Path) -> None:
    assert fetch(tmp_path / "town", servers, "--place", "温州市") == 0
    unit = json.loads((tmp_path / "town/units.geojson").read_text(encoding="utf-8"))["features"][0]
    assert unit["properties"] == {"unit_id": "R101", "name": "鹿城区", "parent_id": ""}
    assert shapely.geometry.shape(unit["geometry"]).equals_exact(TOWN, 1e-9)
    plan = load_plan(tmp_path / "town/plan.toml")
    assert plan.name == "鹿城区" and plan.place.units.licence == "ODbL 1.0"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("鼓楼区", "2 places have this name: R102 鼓楼区, 南京市; R103 鼓楼区, 徐州市"),
        ("五马街", "this place has no outline; there is only: N104 五马街, 温州市"),
        ("桃花源", "there is no such place"),
    ],
)
def test_a_name_that_is_no_single_place(
    name: str, message: str, servers: StandIn, tmp_path: Path, capsys: Text
) -> None:
    assert fetch(tmp_path / "town", servers, "--place", name) == 1
    assert f"error: {name}: {message}" in capsys.readouterr().err
    assert servers.asked == [name] and left_by(tmp_path / "town") == set()


def test_a_place_by_its_id(servers: StandIn, tmp_path: Path) -> None:
    assert fetch(tmp_path / "town", servers, "--place", "R103") == 0
    assert load_plan(tmp_path / "town/plan.toml").name == "鼓楼区"


def test_the_name_is_not_asked_for_twice(servers: StandIn, tmp_path: Path) -> None:
    servers.plays = ["real"] + ["504"] * TRIES
    assert fetch(tmp_path / "town", servers, "--place", "温州市") == 1
    assert fetch(tmp_path / "town", servers, "--place", "温州市") == 0
    assert servers.asked.count("温州市") == 1


@pytest.mark.parametrize("play", ["html", "504", "429", "truncated", "reset"])
def test_faults_of_the_name_server_are_told(play: str, servers: StandIn, tmp_path: Path, capsys: Text) -> None:
    servers.plays = [play] * TRIES
    assert fetch(tmp_path / "town", servers, "--place", "温州市") == 1
    assert FAULTS[play] in capsys.readouterr().err
    assert left_by(tmp_path / "town") == set()


def test_own_units_with_their_columns_and_parents(servers: StandIn, tmp_path: Path) -> None:
    halves = [shapely.box(-100, -200, 600, 400), shapely.box(600, -200, 1300, 400)]
    whole = ({"代码": "007", "名": "镇", "上级": ""}, shapely.union_all(halves))
    parts = [({"代码": f"00{at}", "名": f"{at}村", "上级": "007"}, half) for at, half in enumerate(halves)]
    write_geojson(tmp_path / "units.geojson", [whole, *parts])
    options = ["--units", str(tmp_path / "units.geojson"), "--id", "代码", "--name", "名", "--parent", "上级"]
    assert fetch(tmp_path / "town", servers, *options) == 0
    assert main(["run", str(tmp_path / "town/plan.toml"), "--out", str(tmp_path / "out")]) == 0
    with (tmp_path / "out/plan/circle.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = {(row["unit_id"], row["band"]): float(row["children"]) for row in csv.DictReader(stream)}
    assert {unit: rows[unit, "3-5"] for unit in ("007", "000", "001")} == pytest.approx(
        {"007": 100, "000": 75, "001": 25}, rel=ROUNDING
    )


def test_faults_of_own_units_are_told_before_anything_is_asked(servers: StandIn, tmp_path: Path, capsys: Text) -> None:
    write_geojson(tmp_path / "units.geojson", [({"code": "1"}, shapely.box(0, 0, 9, 9))])
    assert fetch(tmp_path / "town", servers, "--units", str(tmp_path / "units.geojson"), "--id", "cod") == 1
    assert "units.geojson: " in (said := capsys.readouterr().err) and "code" in said
    assert fetch(tmp_path / "town", servers, "--units", str(tmp_path / "nowhere.geojson")) == 1
    assert servers.asked == [] and not (tmp_path / "town").exists()


def test_a_place_too_wide_is_refused_before_anything_is_asked(servers: StandIn, tmp_path: Path, capsys: Text) -> None:
    assert fetch(tmp_path / "town", servers, "--bbox", "119,28,122,29") == 1
    assert "200 km" in capsys.readouterr().err
    assert servers.asked == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "exactly one of --place, --units and --bbox"),
        (["--place", "温州市", "--bbox", BBOX], "exactly one of"),
        (["--bbox", "120,28,121"], "--bbox must be W,S,E,N"),
        (["--bbox", "121,28,120,29"], "--bbox must be W,S,E,N"),
        (["--bbox", "nan,28,121,29"], "--bbox must be W,S,E,N"),
        (["--bbox", "-190,28,121,29"], "--bbox must be W,S,E,N"),
        (["--place", "温州市", "--id", "code"], "--id goes with --units only"),
        (["--units", "a.geojson", "--datum", "wgs"], "--datum must be"),
        (["--place", "温州市", "--overpass-url", "file:///etc/passwd"], "--overpass-url must be an address"),
        (["--place", "温州市", "--residents", "-1"], "--residents must be a whole number (≥ 1, ≤ 100,000,000)"),
    ],
)
def test_wrong_usage(options: list[str], message: str, tmp_path: Path, capsys: Text) -> None:
    assert main(["fetch", str(tmp_path / "town"), *options, "--lang", "en"]) == 2
    assert message in capsys.readouterr().err


def test_help_does_not_wait_for_osmnx() -> None:
    asks = "import sys; from cfc_geo.cli import main; main(['fetch', '--help']); sys.exit('osmnx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asks], capture_output=True, check=False).returncode == 0


# ------------------------------------------------------------------------------------------------------- small pieces

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.integers(1, 10**12)


@given(st.dictionaries(texts, texts, max_size=4), numbers)
def test_every_tag_survives_the_file(tags: dict[str, str], number: int) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.osm"
        element = {"type": "node", "id": number, "lat": 28.0000001, "lon": 120.1234567, "tags": tags}
        write_osm({("node", number): element}, OSM_BASE, path)
        node = ElementTree.parse(path).getroot().find("node")
    assert node is not None and node.attrib["lat"] == "28.0000001" and node.attrib["lon"] == "120.1234567"
    illegal = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
    expected = [tuple(illegal.sub("", part) for part in pair) for pair in tags.items()]
    assert [(tag.attrib["k"], tag.attrib["v"]) for tag in node.iter("tag")] == expected


@given(
    st.floats(-170, 170), st.floats(-80, 80), st.floats(0.001, 1.5), st.floats(0.001, 1.5)
)  # fmt: skip
def test_tiles_cover_the_ground_once(west: float, south: float, width: float, height: float) -> None:
    ground = shapely.box(west, south, west + width, south + height)
    boxes = overpass.tiles(ground)
    drawn = shapely.box(*np.array(boxes).T)
    assert shapely.union_all(drawn).buffer(2e-6).covers(ground)
    assert shapely.area(drawn).sum() == pytest.approx(shapely.union_all(drawn).area, rel=1e-6)
    for box in boxes:
        east_km = (box[2] - box[0]) * 111.32 * np.cos(np.radians(min(abs(box[1]), abs(box[3]))))
        assert east_km < overpass.TILE_KM * 1.01 and (box[3] - box[1]) * 111.2 < overpass.TILE_KM * 1.001


def test_tiles_off_the_ground_are_not_asked_for() -> None:
    corner = shapely.Polygon([(120, 28), (121, 28), (121, 28.05), (120.05, 28.05), (120.05, 29), (120, 29)])
    boxes = overpass.tiles(corner)
    assert len(boxes) < 30 and shapely.union_all([shapely.box(*box) for box in boxes]).buffer(1e-5).covers(corner)


def test_every_kind_and_theme_of_the_reader_is_asked_for() -> None:
    asked = overpass.wanted_tags()

    def is_asked(key: str, value: str) -> bool:
        values = asked.get(key, [])
        return values is True or (isinstance(values, list) and value in values)

    for kind in catalog.kinds().values():
        assert all(any(is_asked(*pair) for pair in tag_set.items()) for tag_set in kind.osm), kind.id


def test_kept_answers_come_back_as_they_were(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "town")
    assert kept.get("a") is None
    for answer in (b"", b"\n\n{}", bytes(range(256)) * 100):
        kept.put("a", answer)
        assert kept.get("a") == answer and kept.get("b") is None
    kept.clear()
    assert kept.get("a") is None and list(tmp_path.iterdir()) == []


def test_floors_that_are_not_mapped_are_the_usual_ones(tmp_path: Path) -> None:
    assert [homes._floors({"building:levels": text}) for text in ("6", "1.5")] == [6, 1.5]
    assert all(np.isnan(homes._floors({"building:levels": text})) for text in ("", "-2", "0", "many", "inf", "1e9"))
