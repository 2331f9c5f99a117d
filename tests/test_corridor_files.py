"""What `cfc-geo streets` writes of corridors and new links of the sample, as a planner finds it."""

import json
from pathlib import Path
from types import SimpleNamespace

import geopandas as gpd
import pandas as pd
import pytest
import tomli_w

from cfc_geo.cli import main
from cfc_geo.outputs import fonts
from cfc_geo.outputs.streets_report import sheets_of
from cfc_geo.plan import load_plan
from cfc_geo.questions.corridors import find_corridors
from tests.test_corridors import straight, town
from tests.toyplan import PLAN, write_toy

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out")
    assert (
        main(["--lang", "en", "streets", str(ROOT / "scenarios" / "base.toml"), "--out", str(out), "--measure", "0"])
        == 0
    )
    return out / "base.streets"


def test_at_least_three_corridors_come_out(folder: Path) -> None:
    corridors = pd.read_csv(folder / "corridors.csv")
    parts = pd.read_csv(folder / "corridor_parts.csv")
    assert len(corridors) >= 3 and (corridors["length_m"].between(400, 1500)).all()
    assert corridors["name"].notna().all() and (corridors["exposure_m"] + corridors["crossing_exposure"] > 0).all()
    assert set(parts["corridor_id"]) == set(corridors["corridor_id"])
    length = parts.groupby("corridor_id")["length_m"].sum()
    assert corridors.set_index("corridor_id")["length_m"].to_dict() == pytest.approx(length.to_dict(), abs=1)
    drawn = gpd.read_file(folder / "streets.gpkg", layer="corridors")
    assert len(drawn) == len(corridors) and drawn.length.tolist() == pytest.approx(corridors["length_m"], rel=0.01)
    said = (folder / "summary.md").read_text(encoding="utf-8")
    assert all(name in said for name in corridors["name"])


@pytest.mark.skipif(not list(fonts._on_this_machine()), reason="this machine has no Chinese font")
def test_every_corridor_has_its_sheets(folder: Path) -> None:
    corridors = pd.read_csv(folder / "corridors.csv")["corridor_id"]
    written = {path.name for path in folder.glob("*.pdf")}
    assert written == {f"{corridor}.{paper}.pdf" for corridor in corridors for paper in ("A4", "A3")}
    assert all((folder / name).read_bytes().startswith(b"%PDF-") for name in written)
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert written <= {file["file"] for file in record["files"]}


def test_new_links_are_scenarios_and_one_spans_the_river(folder: Path) -> None:
    links = pd.read_csv(folder / "links.csv")
    assert "示例江" in set(links["barrier_name"]) and "rail" in set(links["barrier"])
    for number in range(1, len(links) + 1):
        scenario = folder / f"base.link-{number}.toml"
        said = scenario.read_text(encoding="utf-8").splitlines()[1]
        command, allow = said.removeprefix("# run it in the folder of this file: ").split(" --allow ")
        assert command == f"cfc-geo run {scenario.name}"
        plan = load_plan(scenario, allow=[folder / allow])
        assert [edit.verb for edit in plan.edits] == ["footbridge"]
        assert all(plan.path(file).is_file() for _, file, _ in plan.sources()), "one option allows plan and data"


def test_with_the_bridge_the_river_parts_nobody_any_longer_and_options_hold(folder: Path, tmp_path: Path) -> None:
    links = pd.read_csv(folder / "links.csv")
    river = links[links["barrier_name"] == "示例江"].iloc[0]
    scenario = folder / f"base.link-{river['link_id'][1:]}.toml"
    lengths = ["--corridors", "9", "--corridor-m", "500", "--corridors-total-m", "1500"]
    asked = ["--measure", "0", *lengths, "--allow", str(ROOT)]
    assert main(["streets", str(scenario), "--out", str(tmp_path), *asked]) == 0
    after = tmp_path / f"{scenario.stem}.streets"
    assert "water" not in set(pd.read_csv(after / "links.csv")["barrier"])
    before_m, after_m = (
        pd.read_csv(of / "detours.csv").set_index("unit_id").loc["all", "detour_child_m"] for of in (folder, after)
    )
    assert before_m - after_m == pytest.approx(river["child_m_saved"], abs=0.3)
    corridors = pd.read_csv(after / "corridors.csv")
    assert len(corridors) and (corridors["length_m"] >= 500).all() and corridors["length_m"].sum() <= 1500


def test_without_a_font_the_planner_is_told_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "font_folders", list)
    ranked, study = town(straight("人民路", 0, 500))
    found = find_corridors(ranked, study)
    trips = pd.DataFrame({"kind": ["primary_school"], "profile": ["alone_9_11"]})
    answer = SimpleNamespace(corridors=found.table, corridor_parts=found.parts, trips=trips)
    plan = load_plan(ROOT / "scenarios" / "base.toml")
    sheets, told = sheets_of(plan, answer, study, "zh")  # type: ignore[arg-type]
    assert sheets == {} and [finding.severity for finding in told] == ["warning"]
    assert "fonts-noto-cjk" in told[0].text("zh")


def test_keys_of_the_plan_say_how_many_and_how_long(tmp_path: Path) -> None:
    keys = {"corridors": 0, "new_links": 0, "measure": 0}
    path = write_toy(tmp_path, PLAN + tomli_w.dumps({"streets_for_children": keys}))
    assert main(["streets", str(path), "--out", str(tmp_path / "out")]) == 0
    for name in ("corridors.csv", "links.csv"):
        assert pd.read_csv(tmp_path / "out" / "toy.streets" / name).empty
    assert not list((tmp_path / "out").glob("*/*.pdf"))
