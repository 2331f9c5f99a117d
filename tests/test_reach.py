"""Which files a plan may name: a plan from elsewhere reads nothing of its new owner."""

from pathlib import Path

import pytest

from cfc_geo.cli import main
from cfc_geo.errors import DataError, PlanError
from cfc_geo.plan import load_plan
from cfc_geo.reach import option_for
from cfc_geo.run import check_plan
from tests.toyplan import PLAN, write_toy


def project(folder: Path) -> Path:
    """A plan in scenarios/ with its data in data/, as the sample has it."""
    toy = write_toy(folder)
    plan = folder / "scenarios" / "base.toml"
    plan.parent.mkdir()
    toy.replace(plan)
    plan.write_text(PLAN.replace('"data/', '"../data/'), encoding="utf-8")
    return plan


def outside(plan: Path, **allow: list[Path]) -> str:
    with pytest.raises(PlanError) as caught:
        load_plan(plan, **allow)
    assert [finding.code for finding in caught.value.findings] == ["plan.outside"]
    return str(caught.value)


def test_a_plan_reads_beside_its_folder_from_the_root_of_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["check", "scenarios/base.toml"]) == 0
    monkeypatch.chdir(tmp_path / "scenarios")
    capsys.readouterr()
    assert main(["check", "base.toml", "--lang", "en"]) == 1
    told = capsys.readouterr().err
    assert "../data/cells.csv" in told and "run it with: --allow ../data" in told
    assert main(["check", "base.toml", "--allow", "../data"]) == 0
    assert main(["run", "base.toml", "--allow", "..", "--out", str(tmp_path / "out")]) == 0


def test_a_plan_from_elsewhere_reads_nothing_of_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = project(tmp_path / "theirs")
    mine = tmp_path / "mine"
    mine.mkdir()
    monkeypatch.chdir(mine)
    assert "../data/units.geojson" in outside(plan)
    assert load_plan(plan, allow=[tmp_path / "theirs"]).name == "玩具镇"


@pytest.mark.parametrize("above", [".", ".."])
def test_working_at_home_allows_nothing_of_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, above: str
) -> None:
    home = tmp_path / "home"
    plan = write_toy(home / "downloads")
    (home / ".ssh").mkdir()
    (home / ".ssh" / "id").write_text("secret")
    plan.write_text(PLAN.replace("data/cells.csv", "../.ssh/id"), encoding="utf-8")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home / above)
    assert "--allow" in outside(plan) and "secret" not in outside(plan)


def test_absolute_paths_count_by_where_they_lead(tmp_path: Path) -> None:
    plan = write_toy(tmp_path / "plan")
    plan.write_text(PLAN.replace("data/cells.csv", (tmp_path / "plan/data/cells.csv").as_posix()), encoding="utf-8")
    assert load_plan(plan).name == "玩具镇"
    plan.write_text(PLAN.replace("data/cells.csv", "/etc/passwd"), encoding="utf-8")
    assert "/etc/passwd" in outside(plan) and "--allow /etc" in outside(plan)


def test_links_are_followed_before_they_are_judged(tmp_path: Path) -> None:
    plan = write_toy(tmp_path / "plan")
    cells = plan.parent / "data" / "cells.csv"
    cells.rename(tmp_path / "cells.csv")
    cells.symlink_to(tmp_path / "cells.csv")
    assert "data/cells.csv" in outside(plan)
    assert load_plan(plan, allow=[tmp_path]).name == "玩具镇"
    cells.unlink()
    cells.symlink_to(cells.name)
    with pytest.raises(DataError, match=r"data/cells.csv: there is no such file"):
        check_plan(load_plan(plan))


def test_what_a_plan_extends_lies_in_reach_too(tmp_path: Path) -> None:
    write_toy(tmp_path / "theirs")
    plan = tmp_path / "mine" / "plan.toml"
    plan.parent.mkdir()
    plan.write_text('extends = "../theirs/toy.toml"', encoding="utf-8")
    assert "../theirs/toy.toml" in outside(plan)
    assert load_plan(plan, allow=[tmp_path / "theirs"]).name == "玩具镇"


def test_files_by_band_and_entrances_are_no_way_out(tmp_path: Path) -> None:
    plan = write_toy(tmp_path / "plan")
    start, end = PLAN.index("[population]"), PLAN.index("[[facilities]]")
    by_band = '[population]\nfiles = { "3-5" = "../a.tif" }\n'
    gates = 'entrances = { file = "../gates.csv", facility = "x" }\ncolumns = { id = "code"'
    plan.write_text(PLAN[:start] + by_band + PLAN[end:].replace('columns = { id = "code"', gates), encoding="utf-8")
    told = outside(plan)
    assert "../a.tif" in told and "../gates.csv" in told


def test_the_plan_is_the_one_gate(tmp_path: Path) -> None:
    plan = load_plan(write_toy(tmp_path))
    assert plan.path("data/new.csv") == tmp_path / "data/new.csv"
    for away in ("../x.csv", "/etc/passwd", "https://example.org/x", "/vsicurl/http://example.org/x", "a\0b"):
        with pytest.raises(PlanError):
            plan.path(away)


def test_far_apart_folders_are_allowed_one_by_one() -> None:
    there = option_for([Path("/etc/passwd"), Path("/usr/share/a b/x")])
    assert there == "--allow /etc --allow '/usr/share/a b'"
