"""`cfc-geo site` as a planner uses it: what it promises the pipeline measures, to the child; what it refuses."""

import csv
import io
import json
import re
import tomllib
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import shapely

from cfc_geo import edits, options
from cfc_geo.cli import main
from cfc_geo.plan import load_plan
from cfc_geo.questions.siting.problem import Objective
from cfc_geo.run import run_plan
from cfc_geo.siting.ask import Ask
from cfc_geo.siting.find import find_sites
from tests.toyplan import CHILDREN, PLAN, lonlat, write_csv, write_toy

ROOT = Path(__file__).parents[1]
SPOTS = {"s1": (150, 5), "s2": (650, -5), "s3": (1150, 5), "s4": (400, 280), "far": (400, 390)}


def candidates(folder: Path, heading: tuple[str, ...] = (), rows: dict[str, tuple[object, ...]] | None = None) -> Path:
    """A table of the spots along the toy's streets, with more columns if wanted."""
    table: list[list[object]] = [["编号", "名称", "经度", "纬度", *heading]]
    for name, place in SPOTS.items():
        table.append([name, f"候选{name}", *lonlat(*place), *((rows or {}).get(name, ("",) * len(heading)))])
    write_csv(folder / "candidates.csv", table)
    return folder / "candidates.csv"


def site(folder: Path, *options: str, plan: str = PLAN) -> int:
    """Run the verb on the toy town, for kindergartens unless told otherwise."""
    file = folder / "toy.toml" if (folder / "toy.toml").exists() else write_toy(folder, plan)
    kind = [] if "--kind" in options else ["--kind", "kindergarten"]
    return main(["site", str(file), *kind, *options, "--out", str(folder / "out"), "--lang", "en"])


def listed(folder: Path, *options: str) -> int:
    return site(folder, "--candidates", str(folder / "candidates.csv"), "--datum", "wgs84", *options)


def table(folder: Path, name: str, kind: str = "kindergarten") -> pd.DataFrame:
    text = (folder / f"out/toy.site-{kind}" / name).read_text(encoding="utf-8-sig")
    return pd.read_csv(io.StringIO(text), dtype={"sites": str, "facility_id": str, "unit_id": str})


def covered(folder: Path, plan: Path, kind: str = "kindergarten") -> dict[str, str]:
    """Cell → status, of a run from scratch."""
    result = run_plan(load_plan(plan))
    return dict(zip(result.cells["origin_id"], result.cells[f"{kind}_status"], strict=True))


# ---------------------------------------------------------------------------------------------------- what is promised


def test_the_scenario_that_it_writes_measures_what_it_promised(tmp_path: Path) -> None:
    candidates(tmp_path)
    write_toy(tmp_path)
    assert listed(tmp_path, "--sites", "2", "--write", str(tmp_path / "new.toml")) == 0
    before, after = covered(tmp_path, tmp_path / "toy.toml"), covered(tmp_path, tmp_path / "new.toml")
    gained = sum(CHILDREN[cell] for cell in CHILDREN if after[cell] == "covered" != before[cell])
    sites = table(tmp_path, "sites.csv")
    assert gained > 0 and sites["children_added"].sum() == gained
    gain = table(tmp_path, "gain.csv")
    assert gain.loc[gain["unit_id"] == "all", "children_gained"].sum() == gained
    best = max(  # every pair of spots, each scenario run from scratch
        _gain_of(tmp_path, pair, before)
        for pair in ((a, b) for a in SPOTS for b in SPOTS if a < b and "far" not in (a, b))
    )
    assert gained == best


def _gain_of(folder: Path, spots: tuple[str, ...], before: dict[str, str]) -> int:
    edits = [
        f'[[edits]]\nadd = {{ id = "{s}", kind = "kindergarten", at = {list(lonlat(*SPOTS[s]))}, datum = "wgs84" }}'
        for s in spots
    ]
    (folder / "try.toml").write_text("\n".join(['extends = "toy.toml"', *edits]), encoding="utf-8")
    after = covered(folder, folder / "try.toml")
    return sum(CHILDREN[cell] for cell in CHILDREN if after[cell] == "covered" != before[cell])


@pytest.mark.parametrize("seed", range(4))
def test_promised_is_measured_on_random_towns(tmp_path: Path, seed: int) -> None:
    """`find_sites` raises unless the pipeline measures, cell by cell, what the answer promises."""
    rng = np.random.default_rng(seed)
    write_toy(tmp_path)
    places = {f"c{i}": (int(rng.integers(-90, 1290)), int(rng.integers(-90, 390))) for i in range(40)}
    rows: list[list[object]] = [
        ["编号", "经度", "纬度", *(f"{band}岁" for band in ("0-2", "3-5", "6-11", "12-14", "15-17"))]
    ]
    rows += [[cell, *lonlat(*place), *rng.integers(0, 9, 5).tolist()] for cell, place in places.items()]
    write_csv(tmp_path / "data/cells.csv", rows)
    plan = load_plan(tmp_path / "toy.toml")
    for ask in (
        Ask("kindergarten", sites=2, grid_m=90.0),
        Ask("primary_school", objective="p-median", sites=1, grid_m=90.0),
        Ask("playground", objective="equity", sites=2, grid_m=110.0, bands=("0-2",)),
        Ask("childcare", objective="set-cover", cover_share=0.3, grid_m=90.0),
        Ask("kindergarten", sites=1, grid_m=90.0, limit_m=150.0),
    ):
        found = find_sites(plan, ask)
        assert found.answer.status == "optimal"
        assert found.sites["children_added"].sum() == pytest.approx(
            found.problem.children[_newly(found.problem, found.answer.opened)].sum()
        )


def _newly(problem, opened):  # type: ignore[no-untyped-def]
    near = problem.metres <= problem.limit_m + 1e-6
    now, had = np.zeros((2, len(problem.children)), dtype=bool)
    now[problem.demand[near & np.isin(problem.site, opened)]] = True
    had[problem.demand[near & problem.existing[problem.site]]] = True
    return now & ~had


def test_the_sample_gets_playgrounds_and_says_so_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--kind", "playground", "--sites", "3", "--front", "--out", str(tmp_path), "--lang", "zh"]
    assert main(["site", str(ROOT / "scenarios/base.toml"), *options]) == 0
    said = capsys.readouterr().out
    assert "已证明为最优" in said and "新增覆盖儿童" in said
    folder = tmp_path / "base.site-playground"
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert record["answer"]["status"] == "optimal" and record["answer"]["gap"] == 0
    held = {path.name for path in folder.iterdir()} - {"run.json"}
    assert {row["file"] for row in record["files"]} == held
    assert held == {
        "sites.csv", "alternatives.csv", "gain.csv", "front.csv", "front.svg", "summary.md", "map.html",
    }  # fmt: skip
    words = (folder / "summary.md").read_text(encoding="utf-8")
    assert f"增加 {record['children_gained']:,.0f} 名" in words and "到现场核实" in words
    front = pd.read_csv(folder / "front.csv", encoding="utf-8-sig")
    for _, points in front.groupby("objective"):
        figures = points["children_covered" if points["objective"].iloc[0] == "cover" else "worst_unit_share"]
        assert figures.is_monotonic_increasing
    ranked = pd.read_csv(folder / "alternatives.csv", encoding="utf-8-sig")["children_covered"]
    assert ranked.is_monotonic_decreasing and len(ranked) == 3


# ------------------------------------------------------------------------------------------------ what may be asked for


def test_required_forbidden_cost_and_budget(tmp_path: Path) -> None:
    heading = ("造价", "选择")
    candidates(
        tmp_path, heading, {"s1": (100, "必选"), "s2": (50, ""), "s3": (50, "禁选"), "s4": (40, ""), "far": (1, "")}
    )
    assert listed(tmp_path, "--budget", "145") == 0
    sites = table(tmp_path, "sites.csv")
    assert "s1" in set(sites["facility_id"]) and "s3" not in set(sites["facility_id"])
    assert sites["cost"].sum() <= 145
    assert listed(tmp_path, "--budget", "99") == 1


def test_sites_stay_apart(tmp_path: Path) -> None:
    assert site(tmp_path, "--sites", "3", "--grid", "100", "--apart", "350") == 0
    sites = table(tmp_path, "sites.csv")
    places = shapely.points(sites[["lon", "lat"]].to_numpy() * [97_500, 110_800])
    away = shapely.distance(places[:, None], places[None, :])[np.triu_indices(len(places), 1)]
    assert len(sites) >= 2 and away.min() >= 345


def test_weights_of_a_plan_move_the_answer_and_are_told(tmp_path: Path) -> None:
    weights = '[siting]\nunit_weights = { "东社区" = 100 }\nwhy = "先补东片"\n'
    write_toy(tmp_path, PLAN + weights)
    candidates(tmp_path)
    assert listed(tmp_path, "--sites", "1") == 0
    assert table(tmp_path, "sites.csv")["unit_name"].tolist() == ["东社区"]
    assert "先补东片" in (tmp_path / "out/toy.site-kindergarten/summary.md").read_text(encoding="utf-8")
    (tmp_path / "toy.toml").write_text(PLAN, encoding="utf-8")
    assert listed(tmp_path, "--sites", "1") == 0
    assert table(tmp_path, "sites.csv")["unit_name"].tolist() == ["西社区"]


def test_places_count_where_they_are_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    candidates(tmp_path)
    assert listed(tmp_path, "--sites", "1", "--objective", "cover-capacitated") == 1
    assert "--capacity" in capsys.readouterr().err
    assert listed(tmp_path, "--sites", "1", "--objective", "cover-capacitated", "--capacity", "5") == 0
    found = json.loads((tmp_path / "out/toy.site-kindergarten/run.json").read_text(encoding="utf-8"))
    had = CHILDREN["a"] + CHILDREN["b"]  # K has 90 places
    assert found["answer"]["objective"] == had + 5


def test_children_who_take_part_of_a_place_leave_the_rest(tmp_path: Path) -> None:
    candidates(tmp_path)
    write_toy(tmp_path, PLAN + '[access]\nparticipation = { kindergarten = 0.5 }\nwhy = "半日制"\n')
    assert listed(tmp_path, "--sites", "1", "--objective", "cover-capacitated", "--capacity", "5") == 0
    folder = tmp_path / "out/toy.site-kindergarten"
    found = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert found["children_with_a_place"]["after"] - found["children_with_a_place"]["before"] == 10
    assert "半日制" in (folder / "summary.md").read_text(encoding="utf-8")


# --------------------------------------------------------------------------------------------------- what it refuses


def test_what_cannot_be_done_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    candidates(tmp_path)
    assert listed(tmp_path, "--sites", "1", "--cover-share", "1") == 1
    said = capsys.readouterr().err
    assert "it takes at least" in said and not (tmp_path / "out").exists()
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--kind", "kindergarden", "--sites", "1"], "no kind kindergarden"),
        ([], "--sites"),
        (["--sites", "0"], "--sites"),
        (["--sites", "1", "--bands", "12-14"], "12-14"),
        (["--sites", "1", "--objective", "coverr"], "cover"),
        (["--sites", "1", "--datum", "wgs84"], "--candidates"),
        (["--sites", "1", "--kind", "high_school"], "--limit"),
        (["--sites", "1", "--gap", "nan"], "--gap"),
    ],
)
def test_wrong_usage(tmp_path: Path, options: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert site(tmp_path, *options) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--candidates", "nowhere.csv"], "nowhere.csv"),
        (["--candidates", "{folder}/candidates.csv"], "datum"),
        (["--candidates", "{folder}/candidates.csv", "--datum", "gcj02", "--level", "镇"], "镇"),
        (["--candidates", "https://example.org/c.csv", "--datum", "wgs84"], "https"),
        (["--write", "{folder}/data/cells.csv"], ".toml"),
        (["--write", "{folder}/toy.toml"], "would be lost"),
        (["--write", "{folder}/other.toml"], "left alone"),
        (["--write", "{folder}/no/such/folder.toml"], "no/such"),
        (["--grid", "20", "--kind", "playground"], "no-parks"),
    ],
)
def test_faults_are_told_and_nothing_is_written(
    tmp_path: Path, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_toy(tmp_path)
    candidates(tmp_path, ("选择",), {"s1": ("也许",)})
    (tmp_path / "other.toml").write_text("name = 'x'", encoding="utf-8")
    given = [option.format(folder=tmp_path) for option in options]
    if "--grid" in given:
        (tmp_path / "toy.toml").write_text(
            PLAN.replace('file = "data/parks', 'file = "data/no-parks'), encoding="utf-8"
        )
    assert site(tmp_path, "--sites", "1", *given) == 1
    err = capsys.readouterr().err
    assert said in err and "Traceback" not in err and not (tmp_path / "out").exists()
    assert (tmp_path / "toy.toml").read_text(encoding="utf-8").startswith("name")


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    write_toy(tmp_path)
    rows: list[list[object]] = [["编号", "名称", "经度", "纬度"]]
    rows += [["../../up", '=cmd()"]\nadd = { "', *lonlat(650, -5)], ["<script>", "|a|**b**", *lonlat(1150, 5)]]
    write_csv(tmp_path / "candidates.csv", rows)
    assert listed(tmp_path, "--sites", "2", "--write", str(tmp_path / "new.toml")) == 0
    written = tomllib.loads((tmp_path / "new.toml").read_text(encoding="utf-8"))
    assert {edit["add"]["id"] for edit in written["edits"]} == {"../../up", "<script>"}
    assert load_plan(tmp_path / "new.toml").edits
    assert {path.name for path in tmp_path.iterdir()} == {"toy.toml", "data", "candidates.csv", "new.toml", "out"}
    assert [path.name for path in (tmp_path / "out").iterdir() if not path.name.startswith(".")] == [
        "toy.site-kindergarten"
    ]
    words = (tmp_path / "out/toy.site-kindergarten/summary.md").read_text(encoding="utf-8")
    assert "<script>" not in words and "**b**" not in words
    text = (tmp_path / "out/toy.site-kindergarten/sites.csv").read_text(encoding="utf-8-sig")
    cells = list(csv.reader(io.StringIO(text)))
    assert not any(cell.startswith("=") for row in cells for cell in row)


def test_a_scenario_is_written_again_but_only_by_its_own_verb(tmp_path: Path) -> None:
    candidates(tmp_path)
    write = ["--sites", "1", "--write", str(tmp_path / "new.toml")]
    assert listed(tmp_path, *write) == 0 and listed(tmp_path, *write) == 0
    text = (tmp_path / "new.toml").read_text(encoding="utf-8")
    (tmp_path / "new.toml").write_text("# mine now\n" + text, encoding="utf-8")
    assert listed(tmp_path, *write) == 1
    assert (tmp_path / "new.toml").read_text(encoding="utf-8").startswith("# mine now")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([["x" * 150, *lonlat(650, -5), "", ""]], "longer than 100"),
        ([["a\u202eb", *lonlat(650, -5), "", ""]], "do not show"),
        ([["K", *lonlat(650, -5), "", ""]], "facilities"),
        ([["a", *lonlat(650, -5), "", ""], ["a", *lonlat(1150, 5), "", ""]], "repeated"),
        ([["a", *lonlat(650, -5), 1e15, ""]], "造价 is more than"),
        ([["a", *lonlat(650, -5), "", 5e6]], "容量 is more than"),
    ],
)
def test_candidates_that_no_scenario_could_build_are_told_by_row(
    tmp_path: Path, rows: list[list[object]], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_toy(tmp_path)
    write_csv(tmp_path / "candidates.csv", [["编号", "经度", "纬度", "造价", "容量"], *rows])
    assert listed(tmp_path, "--sites", "1") == 1
    err = capsys.readouterr().err
    assert said in err and "row" in err and not (tmp_path / "out").exists()


def test_an_id_that_the_plan_edits_is_no_new_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_toy(tmp_path)
    closing = 'extends = "base.toml"\n[[edits]]\nclose = { facility = "K" }\n'
    (tmp_path / "toy.toml").rename(tmp_path / "base.toml")
    (tmp_path / "toy.toml").write_text(closing, encoding="utf-8")
    write_csv(tmp_path / "candidates.csv", [["编号", "经度", "纬度"], ["K", *lonlat(650, -5)]])
    assert listed(tmp_path, "--sites", "1") == 1
    assert "candidates.csv, row 2" in capsys.readouterr().err


def test_a_plan_is_asked_again_and_again_with_one_grid_and_never_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_toy(tmp_path)
    out = ["--out", str(tmp_path / "out"), "--lang", "en"]
    for step, kind in enumerate(("kindergarten", "childcare", "playground")):
        plan = tmp_path / (f"step{step - 1}.toml" if step else "toy.toml")
        options = ["--kind", kind, "--sites", "1", "--grid", "390", "--write", str(tmp_path / f"step{step}.toml")]
        assert main(["site", str(plan), *options, *out]) == 0
    text = (tmp_path / "step1.toml").read_text(encoding="utf-8")
    write = ["--write", str(tmp_path / "step1.toml")]
    assert main(["site", str(tmp_path / "step2.toml"), "--kind", "kindergarten", "--sites", "1", *write, *out]) == 1
    assert "would be lost" in capsys.readouterr().err
    assert (tmp_path / "step1.toml").read_text(encoding="utf-8") == text
    (tmp_path / "sub").mkdir()
    far = ["--sites", "1", "--grid", "390", "--write", str(tmp_path / "sub/far.toml")]
    assert main(["site", str(tmp_path / "toy.toml"), "--kind", "kindergarten", *far, *out]) == 0
    assert "--allow" in capsys.readouterr().out


def test_a_limit_that_would_do_is_told_and_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    candidates(tmp_path)
    assert listed(tmp_path, "--sites", "3", "--cover-share", "0.9", "--limit", "60") == 1
    said = re.search(r"with a limit of ([\d.,]+) m", capsys.readouterr().err)
    assert said is not None
    least_m = float(said[1].replace(",", ""))
    assert listed(tmp_path, "--sites", "3", "--cover-share", "0.9", "--limit", f"{least_m:.1f}") == 0
    assert listed(tmp_path, "--sites", "3", "--cover-share", "0.9", "--limit", f"{least_m - 0.2:.1f}") == 1


def test_candidates_far_from_streets_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_toy(tmp_path)
    write_csv(
        tmp_path / "candidates.csv", [["编号", "经度", "纬度"], ["a", *lonlat(650, -5)], ["b", *lonlat(700, 385)]]
    )
    snap = "[walk]\nsnap_limit_m = 50\n" if "[walk]" not in PLAN else ""
    (tmp_path / "toy.toml").write_text(PLAN + snap, encoding="utf-8")
    assert listed(tmp_path, "--sites", "1") == 0
    assert "cannot be chosen: b" in capsys.readouterr().err


def test_options_ask_for_no_more_than_an_edit_may_say() -> None:
    assert (options.MOST_PLACES, options.MOST_COST) == (edits.MOST_PLACES, edits.MOST_COST)


def test_every_objective_may_be_asked_for() -> None:
    assert set(options.OBJECTIVES) == set(get_args(Objective))
