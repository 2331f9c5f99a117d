"""What `cfc-geo site` may not do with costs, places and sites that bring nothing."""

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest

from tests.test_site import CHILDREN, PLAN, candidates, listed, site, table
from tests.toyplan import write_toy

PART = {"s1": (3_000_000,), "s3": (2_500_000,), "far": (1,)}


def record(folder: Path) -> dict:  # type: ignore[type-arg]
    text = (folder / "out/toy.site-kindergarten/run.json").read_text(encoding="utf-8")
    return json.loads(text)  # type: ignore[no-any-return]


def test_a_site_without_a_cost_is_never_the_cheapest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    candidates(tmp_path, ("造价",), {name: PART.get(name, ("",)) for name in ("s1", "s2", "s3", "s4", "far")})
    for asked in (["--budget", "2000000"], ["--objective", "set-cover"], ["--sites", "1", "--front"]):
        assert listed(tmp_path, *asked) == 1
        said = capsys.readouterr().err
        assert "2 candidates have no cost" in said and "s2" in said and "s4" in said
    assert not (tmp_path / "out").exists()
    assert listed(tmp_path, "--budget", "2000000", "--cost", "1500000") == 0
    assert table(tmp_path, "sites.csv")["cost"].sum() <= 2_000_000
    assert listed(tmp_path, "--sites", "1") == 0  # costs play no part, and that is said
    assert "it played no part" in (tmp_path / "out/toy.site-kindergarten/summary.md").read_text(encoding="utf-8")


def test_a_budget_is_not_a_number_of_sites(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    candidates(tmp_path)
    assert listed(tmp_path, "--budget", "2") == 1
    assert "5 candidates have no cost" in capsys.readouterr().err


def test_a_share_alone_takes_the_fewest_sites_that_reach_it(tmp_path: Path) -> None:
    candidates(tmp_path)
    assert listed(tmp_path, "--cover-share", "0.5") == 0
    assert len(table(tmp_path, "sites.csv")) == 1 and record(tmp_path)["asked"]["objective"] == "set-cover"


def test_sites_that_bring_nobody_are_not_built(tmp_path: Path) -> None:
    candidates(tmp_path)
    assert listed(tmp_path, "--sites", "5", "--alternatives", "6") == 0
    sites, others = table(tmp_path, "sites.csv"), table(tmp_path, "alternatives.csv")
    assert set(sites["facility_id"]) == {"s2", "s3", "s4"} and (sites["children_added"] > 0).all()
    assert sites["children_added"].sum() == sum(CHILDREN.values()) - CHILDREN["a"] - CHILDREN["b"] == 60
    assert others["sites"].is_unique


def test_a_required_site_is_built_though_it_brings_nobody(tmp_path: Path) -> None:
    candidates(
        tmp_path, ("选择",), {name: ("必选" if name == "far" else "",) for name in ("s1", "s2", "s3", "s4", "far")}
    )
    assert listed(tmp_path, "--sites", "5") == 0
    assert "far" in set(table(tmp_path, "sites.csv")["facility_id"])


def test_children_with_a_place_are_told_apart_from_children_near_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    candidates(tmp_path)
    assert listed(tmp_path, "--sites", "1", "--objective", "cover-capacitated", "--capacity", "5") == 0
    had = CHILDREN["a"] + CHILDREN["b"]
    assert f"children with a place: {had} → {had + 5}" in capsys.readouterr().out
    assert record(tmp_path)["children_with_a_place"] == {"before": had, "after": had + 5}


def test_a_kind_that_no_run_measures_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    circle = '[circle]\nwhy = "test"\n[circle.baskets]\n'
    circle += "".join(f'"{band}" = ["park"]\n' for band in ("0-2", "3-5", "6-11", "12-14", "15-17"))
    write_toy(tmp_path, PLAN + circle)
    assert site(tmp_path, "--kind", "library", "--limit", "500", "--sites", "1") == 1
    said = capsys.readouterr().err
    assert "no file lists it" in said and "Traceback" not in said and not (tmp_path / "out").exists()


def test_a_kind_of_which_nobody_listed_those_that_stand_is_sited_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert site(tmp_path, "--kind", "childcare", "--sites", "1") == 0
    assert "no file is the full list" in capsys.readouterr().err
    words = (tmp_path / "out/toy.site-childcare/summary.md").read_text(encoding="utf-8")
    assert "no file is the full list" in words


def test_children_whom_nobody_knows_cannot_be_sited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_toy(tmp_path, PLAN.replace('"3-5" = "3-5岁", ', ""))
    assert site(tmp_path, "--sites", "1", "--kind", "kindergarten", "--grid", "200") == 1
    said = capsys.readouterr().err
    assert "3-5" in said and "nobody" in said and "Traceback" not in said


def test_the_front_is_drawn_in_steps_and_no_dearer_than_the_sites_asked_for(tmp_path: Path) -> None:
    """Nothing is gained before the next site stands; of three sites the dearest three are the most that is spent."""
    candidates(tmp_path, ("造价",), {"s1": (10,), "s2": (20,), "s3": (30,), "s4": (400,), "far": (500,)})
    write_toy(tmp_path)
    assert listed(tmp_path, "--sites", "2", "--front") == 0
    assert table(tmp_path, "front.csv")["allowed"].max() <= 900
    drawn = (tmp_path / "out/toy.site-kindergarten/front.svg").read_text(encoding="utf-8")
    for line in re.findall(r'<polyline points="([^"]*)"', drawn):
        places = [tuple(map(float, point.split(","))) for point in line.split()]
        for (x, y), (next_x, next_y) in pairwise(places):
            assert x == next_x or y == next_y


def test_two_units_of_one_name_do_not_gain_as_one(tmp_path: Path) -> None:
    candidates(tmp_path)
    write_toy(tmp_path)
    for file in (tmp_path / "data").iterdir():
        if (text := file.read_bytes()).find("西社区".encode()) >= 0:
            file.write_bytes(
                text.replace("西社区".encode(), "和平".encode()).replace("东社区".encode(), "和平".encode())
            )
    assert listed(tmp_path, "--sites", "3") == 0
    words = (tmp_path / "out/toy.site-kindergarten/summary.md").read_text(encoding="utf-8")
    gain = table(tmp_path, "gain.csv")
    of_unit = gain[gain["unit_name"] == "和平"].groupby("unit_id")["children_gained"].sum()
    assert (of_unit > 0).all() and len(of_unit) == 2
    assert all(f"和平 {children:.0f}" in words for children in of_unit)
