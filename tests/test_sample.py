"""The bundled sample, run as the README runs it."""

import json
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
import shapely

from cfc_geo import catalog
from cfc_geo.plan import load_plan
from cfc_geo.tables import ALL_UNITS, children_columns

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def coverage(result_folder: Path) -> pd.DataFrame:
    return pd.read_csv(result_folder / "coverage.csv", dtype={"unit_id": str})


def test_units_are_a_true_coverage() -> None:
    units = gpd.read_file(ROOT / "data" / "boundaries" / "units.geojson")
    for _, level in units.groupby("level"):
        assert shapely.coverage_is_valid(level.geometry.to_numpy())


def test_the_sample_has_every_kind_it_promises(result_folder: Path) -> None:
    kinds = pd.read_csv(result_folder / "facilities.csv")["kind"]
    assert kinds.nunique() == 14
    assert 150 <= len(kinds) <= 190


def test_nobody_is_lost(result_folder: Path) -> None:
    audit = json.loads((result_folder / "run.json").read_text(encoding="utf-8"))["audit"]
    cells = gpd.read_parquet(result_folder / "cells.parquet")
    assert cells["residents"].sum() == pytest.approx(120_000, rel=0.02)
    for column in children_columns():
        assert cells[column].sum() == audit[f"{column}_placed"]
        assert audit[f"{column}_in_file"] == audit[f"{column}_placed"] + audit[f"{column}_outside_units"]


def test_parents_are_the_sums_of_their_children(coverage: pd.DataFrame) -> None:
    keys, counts = ["kind", "band"], ["children", "covered", "gap", "unknown"]
    whole = coverage[coverage["unit_id"] == ALL_UNITS].set_index(keys)[counts]
    for level in ("区", "街道", "社区"):
        summed = coverage[coverage["level"] == level].groupby(keys)[counts].sum()
        pd.testing.assert_frame_equal(summed.loc[whole.index], whole, check_dtype=False)


def test_it_is_worth_a_plan(coverage: pd.DataFrame) -> None:
    """Neither all well nor all bad, and the places across river and railway worse than the old core."""
    whole = coverage[coverage["unit_id"] == ALL_UNITS]
    assert whole["covered_share"].between(0.05, 0.99).all()
    primary = coverage.query("kind == 'primary_school' and level == '街道'").set_index("unit_name")["covered_share"]
    assert primary.max() - primary.min() > 0.3


def test_the_deliberate_flaws_are_reported(result_folder: Path) -> None:
    findings = json.loads((result_folder / "run.json").read_text(encoding="utf-8"))["findings"]
    assert not [finding for finding in findings if finding["severity"] == "error"]
    assert {"facilities.far", "streets.islands", "osm.gates_closed", "norms.assumed"} <= {f["code"] for f in findings}
    facilities = pd.read_csv(result_folder / "facilities.csv", dtype={"unit_id": str})
    assert (facilities["evidence"] == "given").any() and (facilities["evidence"] == "outline").any()
    assert facilities["unit_id"].isna().sum() == 1  # beyond the border, and still counted
    assert facilities.loc[facilities["unit_id"].isna(), "children_within"].item() > 0


def test_the_plan_uses_the_default_norms_and_baskets() -> None:
    plan = load_plan(ROOT / "scenarios" / "base.toml")
    assert plan.resolved_norms() == catalog.norms("gb50180")
    assert plan.resolved_baskets() == catalog.baskets()
