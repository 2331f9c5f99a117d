"""The scenarios that ship: each helps somebody and harms nobody, and README says of them what they measure."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cfc_geo.model import Result
from cfc_geo.plan import load_plan
from cfc_geo.run import run_plans
from cfc_geo.tables import children_column

ROOT = Path(__file__).parents[1]
NAMES = ("base", "two-pocket-parks", "childcare-conversion", "gate-and-footbridge")


@pytest.fixture(scope="module")
def results() -> Iterator[dict[str, Result]]:
    plans = [load_plan(ROOT / f"scenarios/{name}.toml") for name in NAMES]
    yield dict(zip(NAMES, run_plans(plans), strict=True))


def newly_covered(before: Result, after: Result, kind: str, band: str) -> float:
    children = after.study.origins[children_column(band)].to_numpy()
    was, now = (result.coverage.status[kind].to_numpy() == "covered" for result in (before, after))
    return float(children[now & ~was].sum())


@pytest.mark.parametrize("name", NAMES[1:])
def test_nobody_is_worse_off_by_a_scenario_that_only_adds(results: dict[str, Result], name: str) -> None:
    before, after = results["base"], results[name]
    for kind in before.coverage.status.columns:
        if (name, kind) == ("childcare-conversion", "kindergarten"):
            continue
        was, now = (result.coverage.status[kind].to_numpy() == "covered" for result in (before, after))
        assert (now | ~was).all(), kind  # a gate may show that what was unknown is a gap
        walked, walks = (np.nan_to_num(result.coverage.metres[kind], nan=np.inf) for result in (before, after))
        assert (walks <= walked + 1e-6).all(), kind


def test_pocket_parks_are_where_siting_puts_them(results: dict[str, Result]) -> None:
    bands = ("0-2", "3-5", "6-11", "12-14", "15-17")
    gained = sum(newly_covered(results["base"], results["two-pocket-parks"], "pocket_park", band) for band in bands)
    assert gained > 1_200


def test_the_conversion_moves_places_and_loses_none_but_what_it_says(results: dict[str, Result]) -> None:
    before, after = (
        results[name].study.facilities.set_index("facility_id") for name in ("base", "childcare-conversion")
    )
    assert after.loc["S018", "capacity"] == before.loc["S018", "capacity"] - 60
    assert after.loc["T-S018", "capacity"] == 40 and after.loc["T-S018", "kind"] == "childcare"
    assert newly_covered(results["base"], results["childcare-conversion"], "childcare", "0-2") > 100


def test_the_readme_says_what_the_footbridge_brings(results: dict[str, Result]) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    said = re.search(r"小学新走得到：6-11岁 (\d+) 名儿童", readme)
    gained = newly_covered(results["base"], results["gate-and-footbridge"], "primary_school", "6-11")
    assert said and int(said[1]) == round(gained)
    stated = re.search(r"增加造价 (\d+) 万元", readme)
    plan = results["gate-and-footbridge"].plan
    assert stated and int(stated[1]) == sum(edit.cost or 0 for edit in plan.edits)
