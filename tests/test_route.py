"""`cfc-geo route` as a planner uses it: what it writes and says, and what it refuses."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import Transformer

from cfc_geo import catalog
from cfc_geo.cli import main
from cfc_geo.inputs.datum import from_wgs84
from cfc_geo.inputs.units import home_points
from cfc_geo.network.costs import attach, nearest_costs, steps_onto, travel_costs
from cfc_geo.network.graph import build_network
from cfc_geo.network.pareto import least_walk
from cfc_geo.network.sided import sided_graph
from cfc_geo.network.stress import segment_stress
from cfc_geo.network.trip import plan_trip
from cfc_geo.options import route_options
from cfc_geo.outputs.route_map import draw_routes
from cfc_geo.outputs.route_words import MOST_DETOUR, verdict
from cfc_geo.plan import load_plan
from cfc_geo.questions.walks import walk_nm
from cfc_geo.routing import RouteAsk, Routing, find_routes, ways_of, with_ties
from tests.results import HOSTILE
from tests.toyplan import CRS, ORIGIN, PLAN, STREETS, lonlat, write_geojson, write_toy

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "scenarios/base.toml"
SNAP_M = 100.0
BIG_ROAD = '<tag k="highway" v="primary"/><tag k="lanes" v="6"/><tag k="maxspeed" v="60"/><tag k="name" v="人民路"/>'
STEPS = '<tag k="highway" v="steps"/>'


def toy(folder: Path, *, street: str = "", lane: str = "", plan: str = PLAN) -> Path:
    """The toy town, with other tags on its street or its lane."""
    path = write_toy(folder, plan)
    osm = folder / "data/streets.osm"
    text = osm.read_text(encoding="utf-8")
    for tags, highway in ((street, "residential"), (lane, "footway")):
        text = text.replace(f'<tag k="highway" v="{highway}"/>', tags) if tags else text
    osm.write_text(text, encoding="utf-8")
    return path


def route(plan: Path, start: str, goal: str, *options: str, lang: str = "en") -> int:
    ends = ["--from", start, "--to", goal]
    return main(["route", str(plan), *ends, *options, "--out", str(plan.parent / "out"), "--lang", lang])


def table(plan: Path, name: str, number: int = 1) -> pd.DataFrame:
    return pd.read_csv(plan.parent / f"out/{plan.stem}.route-{number}" / name, encoding="utf-8-sig")


def features(plan: Path, what: str) -> list[dict]:  # type: ignore[type-arg]
    text = (plan.parent / f"out/{plan.stem}.route-1/routes.geojson").read_text(encoding="utf-8")
    return [one for one in json.loads(text)["features"] if one["properties"]["what"] == what]


def place(x: float, y: float) -> str:
    lon, lat = lonlat(x, y)
    return f"{lon:.9f},{lat:.9f}"


# ------------------------------------------------------------------------------------------------------ what is told


def test_a_walk_in_the_toy_town(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = toy(tmp_path)
    assert route(plan, "a", "S") == 0
    walks, parts = table(plan, "walks.csv"), table(plan, "parts.csv")
    assert walks["length_m"].tolist() == pytest.approx([810], abs=0.05)
    assert walks["minutes"][0] == pytest.approx(810 / 0.88 / 60, abs=0.05)
    assert walks["minutes_access"][0] == pytest.approx(10 / 0.88 / 60, abs=0.05)
    assert parts["element"].tolist() == ["access", "segment", "segment", "access"]
    assert parts["length_m"].tolist() == pytest.approx([10, 400, 400, 0], abs=0.05)
    said = capsys.readouterr().out
    assert "810 m (1.00 × the shortest)" in said and "least stress, and shortest" in said
    (walk,) = features(plan, "walk")
    to_metres = Transformer.from_crs("EPSG:4326", CRS, always_xy=True)
    line = shapely.transform(shapely.geometry.shape(walk["geometry"]), to_metres.transform, interleaved=False)
    drawn = shapely.get_coordinates(line) - ORIGIN
    assert np.allclose(drawn[[0, 1, 2, -1]], [(0, 10), (0, 0), (400, 0), (800, 0)], atol=0.05)


def test_the_record_lists_every_file_and_an_answer_takes_the_place_of_its_own_only(tmp_path: Path) -> None:
    plan = toy(tmp_path)
    assert [route(plan, "a", "S"), route(plan, "a", "S"), route(plan, "b", "S")] == [0, 0, 0]
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == ["toy.route-1", "toy.route-2"]
    folder = tmp_path / "out/toy.route-1"
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert record["asked"]["from"] == "a" and record["verb"] == "route"
    assert {row["file"] for row in record["files"]} | {"run.json"} == {one.name for one in folder.iterdir()}
    assert str(tmp_path) not in (folder / "run.json").read_text(encoding="utf-8")


def test_a_kind_is_reached_at_whichever_is_nearest_and_may_be_named_in_chinese(tmp_path: Path) -> None:
    plan = toy(tmp_path)
    assert route(plan, "c", "playground") == 0
    assert route(plan, "c", "小学") == 0
    assert table(plan, "walks.csv")["facility_id"].tolist() == ["G"]
    assert table(plan, "walks.csv", 2)["facility_id"].tolist() == ["S"]


def test_hazards_are_named_in_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From the north of a big road, without footways, to its south: crossed at home, at the door, or on the way."""
    plan = toy(tmp_path, street=BIG_ROAD)
    assert route(plan, place(100, 10), "S", "--profile", "alone_6_8") == 0
    told = capsys.readouterr().out
    assert "no footway beside 60 km/h for 700 m (人民路) (stress 4" in told and "; too hard" in told
    assert "are to be mended on walk 1:" in told
    north = toy(tmp_path / "gate", street=BIG_ROAD)
    facilities = tmp_path / "gate/data/facilities.csv"
    rows = facilities.read_text(encoding="utf-8").splitlines()
    south = ",".join(map(repr, lonlat(800, -10)))
    at = ",".join(map(str, lonlat(800, 0)))
    facilities.write_text("\n".join(rows).replace(at, south) + "\n", encoding="utf-8")
    assert route(north, place(700, 10), "S", lang="en") == 0
    assert "crosses 6-lane 人民路 (60 km/h) without a signal or a marked crossing" in capsys.readouterr().out
    hazards = table(north, "hazards.csv")
    assert sorted(hazards["element"]) == ["crossing", "segment"]
    assert table(north, "walks.csv")["hard_m"][0] == pytest.approx(100 + 6 * 3.5, abs=0.05)
    assert route(north, place(700, 10), "S", lang="zh") == 0
    assert "横过 6 车道的人民路，没有信号灯" in capsys.readouterr().out


def test_steps_are_a_hazard_for_a_child_and_the_end_for_a_stroller(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = toy(tmp_path, lane=STEPS)
    assert route(plan, "b", "G") == 0
    assert "steps for 300 m" in capsys.readouterr().out
    profile = catalog.profiles()["child_with_adult"]
    mean = (1 / profile.steps_up.value + 1 / profile.steps_down.value) / 2
    climbing = 300 * (mean - 1) / profile.speed_ms.value / 60
    assert table(plan, "walks.csv")["minutes_climbing"][0] == pytest.approx(climbing, abs=0.05)
    assert route(plan, "b", "G", "--profile", "stroller") == 1
    assert "the one with the fewest has 300 m of them (streets w2.0)" in capsys.readouterr().err


def test_a_street_that_a_scenario_adds_is_walked(tmp_path: Path) -> None:
    plan = toy(tmp_path)
    assert route(plan, "f", "S") == 0
    line = [list(lonlat(400, 300)), list(lonlat(800, 0))]
    scenario = tmp_path / "link.toml"
    link = f'\n[[edits]]\nadd_link = {{ id = "斜路", line = {line}, datum = "wgs84" }}\n'
    scenario.write_text(PLAN + link, encoding="utf-8")
    assert route(scenario, "f", "S") == 0
    lengths = [table(one, "walks.csv")["length_m"][0] for one in (plan, scenario)]
    assert lengths == pytest.approx([290 + 400, 10 + 500], abs=0.1)


def test_climbing_is_what_a_slope_adds(tmp_path: Path) -> None:
    """A plane that rises 5 % to the east: Tobler's factor uphill, and none that helps a child downhill."""
    plan = toy(tmp_path, plan=PLAN + '[terrain]\nfile = "data/dem.tif"\n')
    columns = 0.05 * 20 * np.arange(100)
    corner = Affine(20, 0, ORIGIN[0] - 300, 0, -20, ORIGIN[1] + 600)
    made = {"width": 100, "height": 60, "count": 1, "dtype": "float64", "crs": CRS, "transform": corner}
    with rasterio.open(tmp_path / "data/dem.tif", "w", driver="GTiff", **made) as dem:
        dem.write(np.tile(columns, (60, 1)), 1)
    flat = 600 / catalog.profiles()["child_with_adult"].speed_ms.value / 60
    assert route(plan, "b", "S") == 0 and route(plan, place(800, 0), "K") == 0
    assert table(plan, "walks.csv")["minutes_climbing"][0] == pytest.approx(flat * (np.exp(3.5 * 0.05) - 1), abs=0.1)
    assert table(plan, "walks.csv", 2)["minutes_climbing"][0] == 0


def test_the_datum_of_a_place_counts(tmp_path: Path) -> None:
    plan = toy(tmp_path)
    lon, lat = (float(part[0]) for part in from_wgs84(*(np.array([one]) for one in lonlat(0, 10)), "gcj02"))
    assert route(plan, f"{lon:.8f},{lat:.8f}", "S", "--datum", "gcj02") == 0
    assert table(plan, "walks.csv")["length_m"][0] == pytest.approx(810, abs=0.2)


# --------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("start", "goal", "said"),
    [
        ("q", "S", "no facility, cell or kind called q"),
        ("a", "playgroud", "names like it: playground"),
        ("S", "S", "S is both start and end"),
        ("a", "library", "the data list no (other)"),
        ("S", "primary_school", "the data list no (other)"),
        ("0.5,0.5", "S", "outside the place of the plan"),
        ("28.2,121.0", "S", "--from"),
        (place(600, 290), "S", "the nearest walkable street is 200 m away"),
        ("</script><b>\x1b[31m", "S", "called </script><b>�[31m"),
    ],
)
def test_a_planners_mistake_is_answered_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], start: str, goal: str, said: str
) -> None:
    plan = toy(tmp_path)
    assert route(plan, start, goal) == 1
    told = capsys.readouterr().err
    assert said in told and "Traceback" not in told and not (tmp_path / "out").exists()


def test_a_facility_may_be_named_where_no_other_has_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = toy(tmp_path)
    assert route(plan, "幼儿园K", "小学S", lang="zh") == 0
    assert table(plan, "walks.csv")["facility_id"].tolist() == ["S"]
    assert "幼儿园K（K） → 小学S（S）" in capsys.readouterr().out
    assert route(plan, "小学S", "S") == 1 and "both start and end" in capsys.readouterr().err
    assert route(plan, "a", "小学K", lang="zh") == 1 and "S 小学S" in capsys.readouterr().err
    facilities = tmp_path / "data/facilities.csv"
    facilities.write_text(facilities.read_text(encoding="utf-8").replace("幼儿园K", "小学S"), encoding="utf-8")
    assert route(plan, "a", "小学S", lang="zh") == 1
    assert "叫“小学S”的设施不止一处：K 小学S、S 小学S" in capsys.readouterr().err


def test_a_facility_without_entrance_is_told_without_metres(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = toy(tmp_path)
    far = [({"code": "P", "name": "公园"}, shapely.box(900, 150, 1000, 250))]
    write_geojson(tmp_path / "data/parks.geojson", far)
    for goal in ("P", "park"):
        assert route(plan, "a", goal) == 1
        told = capsys.readouterr().err
        assert "has no entrance" in told and "nan" not in told


def test_of_a_kind_that_no_walk_leads_to_it_is_told_what_was_tried(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STREETS, "lane", ([(420, 20), (400, 300)], "footway"))
    plan = toy(tmp_path)
    assert route(plan, "a", "playground") == 1
    assert "no walk leads from the start to any playground; tried: 1 (G playgroundG)" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        ["--detour", "0.9"], ["--detour", "nan"], ["--profile", "nobody"], ["--alternatives", "0"], ["--datum", "x"],
        ["--from", " "],
    ],
)  # fmt: skip
def test_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]) -> None:
    assert route(toy(tmp_path), "a", "S", *options) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_what_others_keep_in_the_folder_is_left_alone(tmp_path: Path) -> None:
    plan = toy(tmp_path)
    kept = tmp_path / "out/toy.route-1/notes.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine", encoding="utf-8")
    assert route(plan, "a", "S") == 0
    assert kept.read_text(encoding="utf-8") == "mine" and (tmp_path / "out/toy.route-2/run.json").exists()


# -------------------------------------------------------------------------------------------------------- the sample


@pytest.fixture(scope="module")
def sample() -> Routing:
    return find_routes(load_plan(SAMPLE), RouteAsk("r10c11", "S001", profile="alone_6_8"))


def test_the_samples_shortest_walks_are_the_spines(sample: Routing) -> None:
    study, ends = sample.study, sample.study.entrances
    network, stress = build_network(study.streets, study.nodes), segment_stress(study.streets)
    graph = sided_graph(network, study.streets, study.nodes, stress)
    attached = attach(network, study.origins, ends, limit_m=SNAP_M)
    nearest = nearest_costs(network, attached, study.facilities, kinds=["middle_school"], horizon_m=9_000).metres
    schools = study.facilities.loc[study.facilities["kind"] == "middle_school", "facility_id"]
    doors = np.array(ends.loc[ends["facility_id"].isin(schools), "geometry"], dtype=object)
    homes = np.asarray(home_points(study.origins), dtype=object)
    goals, profile = (doors, steps_onto(network, doors, SNAP_M)), catalog.profiles()["alone_9_11"]
    for cell in range(0, len(homes), 60):
        starts = (homes[[cell]], steps_onto(network, homes[[cell]], SNAP_M))
        trip = plan_trip(graph, network, study.streets, stress, starts=starts, goals=goals)
        found = least_walk(ways_of(trip), with_ties(trip, profile), np.ones(len(trip.nm), dtype=bool))
        assert found is not None
        assert walk_nm(found) / 1e9 == pytest.approx(nearest["middle_school"].iloc[cell], abs=1e-6)


def test_the_shortest_alternative_is_the_spines(sample: Routing) -> None:
    study, ask = sample.study, sample.ask
    network = build_network(study.streets, study.nodes)
    attached = attach(network, study.origins, study.entrances, limit_m=SNAP_M)
    school = study.facilities[study.facilities["facility_id"] == ask.goal]
    pairs = travel_costs(network, attached, school, horizon_m=9_000).pairs
    metres = pairs.loc[pairs["origin_id"] == ask.start, "metres"].item()
    assert sample.walks["length_m"].iloc[-1] == pytest.approx(metres, abs=1e-6)


def test_alternatives_trade_length_for_stress(sample: Routing) -> None:
    walks = sample.walks
    assert len(walks) == 3 < sample.not_beaten
    assert walks["length_m"].is_monotonic_decreasing and walks["hard_m"].is_monotonic_increasing
    assert (walks["detour"] <= 1.25 + 1e-9).all() and walks["detour"].iloc[-1] == 1
    for walk, mine in sample.parts.groupby("walk"):
        row = walks[walks["walk"] == walk].iloc[0]
        assert mine["length_m"].sum() == pytest.approx(row["length_m"], abs=1e-6)
        minutes = mine[[name for name in mine if name.startswith("minutes_")]].sum().sum()
        assert minutes == pytest.approx(row["minutes"])
        assert shapely.length(row["geometry"]) == pytest.approx(row["length_m"], rel=0.01)
        hard = mine.loc[mine["hazard"] & (mine["element"] == "segment"), "length_m"].sum()
        assert hard <= row["hard_m"] + 1e-6


def test_what_stands_in_the_way_is_on_the_walk_that_is_named(tmp_path: Path) -> None:
    """No walk along the big road is borne, and of those within the ceiling none has fewer metres to mend."""
    found = find_routes(load_plan(toy(tmp_path, street=BIG_ROAD)), RouteAsk("a", "S", profile="alone_6_8"))
    assert np.isnan(found.borne_m) and found.least_m == pytest.approx(found.walks["length_m"][found.least_walk - 1])
    assert f"on walk {found.least_walk}:" in verdict(found, "en")[0]
    same = found.hazards[(found.hazards["walk"] == found.least_walk) & ~found.hazards["borne"]]
    assert len(same) and same["at_m"].tolist() == found.in_the_way["at_m"].tolist()


def test_a_longer_walk_that_is_borne_can_be_asked_for(sample: Routing) -> None:
    longer = replace(sample, borne_m=2.09 * sample.profile_m)
    assert "With --detour 2.1 it is shown." in verdict(longer, "en")
    assert not any("--detour" in line for line in verdict(replace(sample, borne_m=11 * sample.profile_m), "en"))
    (detour,) = (one for one in route_options(str) if one.name == "detour")
    assert detour.type.max == MOST_DETOUR  # type: ignore[attr-defined]


# ------------------------------------------------------------------------------------------------------------ the map


@pytest.fixture
def shown(browser, tmp_path: Path):  # type: ignore[no-untyped-def]
    """Opens a page offline; returns it and what went wrong."""
    opened = []

    def show(text: str, width: int, height: int):  # type: ignore[no-untyped-def]
        file, wrong = tmp_path / "map.html", list[str]()
        file.write_text(text, encoding="utf-8")
        opened.append(context := browser.new_context(viewport={"width": width, "height": height}, offline=True))
        page = context.new_page()
        page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: None if request.url == file.as_uri() else wrong.append(request.url))
        page.goto(file.as_uri())
        page.wait_for_selector("html.ready", timeout=15_000)
        return page, wrong

    yield show
    for context in opened:
        context.close()


@pytest.mark.parametrize(("width", "height"), [(1200, 760), (390, 844)])
def test_the_map_shows_each_walk_and_its_hazards(sample: Routing, shown: Callable, width: int, height: int) -> None:  # type: ignore[type-arg]
    page, wrong = shown(draw_routes(sample, "en"), width, height)
    assert page.locator("#walks button").count() == 3
    for walk, button in enumerate(page.locator("#walks button").all(), start=1):
        button.click()
        assert page.locator("#chosen ol li").count() == (sample.hazards["walk"] == walk).sum()
        pins = page.locator(".pin:not(.end)").all_inner_texts()
        runs = [run.split("–") for pin in pins for run in pin.split(", ")]
        told = [number for run in runs for number in range(int(run[0]), int(run[-1]) + 1)]
        assert told == list(range(1, (sample.hazards["walk"] == walk).sum() + 1)), "each once, some on one pin"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert wrong == []


def test_names_cannot_run(tmp_path: Path, shown: Callable) -> None:  # type: ignore[type-arg]
    osm = "".join(f'<tag k="name" v="{name}"/>' for name in ["&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;"])
    plan = toy(tmp_path, street=BIG_ROAD.replace('<tag k="name" v="人民路"/>', osm))
    facilities = tmp_path / "data/facilities.csv"
    text = facilities.read_text(encoding="utf-8")
    quoted = '"' + HOSTILE[0].replace('"', '""') + HOSTILE[1] + HOSTILE[5].replace('"', '""') + '"'
    facilities.write_text(text.replace("小学S", quoted), encoding="utf-8")
    assert "小学S" in text and route(plan, "a", "S") == 0
    folder = tmp_path / "out/toy.route-1"
    page, wrong = shown((folder / "map.html").read_text(encoding="utf-8"), 1200, 760)
    page.locator(".pin:not(.end)").first.hover()
    assert wrong == [] and page.locator("img").count() == 0
    assert HOSTILE[1] in page.locator("#title").inner_text()
    assert "<img" not in (folder / "summary.md").read_text(encoding="utf-8").replace("\\<img", "")


def test_streets_of_the_sketch_are_the_ones_that_tests_retag() -> None:
    assert {highway for _, highway in STREETS.values()} == {"residential", "footway"}
