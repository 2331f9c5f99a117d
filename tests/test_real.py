"""Two real places, files to tables. Skipped, by name, where their data is absent."""

from pathlib import Path

import numpy as np
import pytest

from cfc_geo.model import Result
from cfc_geo.plan import load_plan
from cfc_geo.run import run_plan
from cfc_geo.tables import children_columns
from tests.real import SHARED, shared_file, write_guixi, write_porto_alegre


@pytest.fixture(scope="module")
def guixi(tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = tmp_path_factory.mktemp("guixi")
    return run_plan(load_plan(write_guixi(folder, shared_file("guixi/guixi.osm")), allow=[SHARED]))


@pytest.fixture(scope="module")
def porto_alegre(tmp_path_factory: pytest.TempPathFactory) -> Result:
    data = shared_file("porto_alegre/porto_alegre.osm.pbf").parent
    return run_plan(load_plan(write_porto_alegre(tmp_path_factory.mktemp("poa"), data), allow=[SHARED]))


@pytest.fixture(params=["guixi", "porto_alegre"])
def place(request: pytest.FixtureRequest) -> Result:
    result: Result = request.getfixturevalue(request.param)
    return result


def test_every_child_of_the_file_is_accounted_for(place: Result) -> None:
    for column in children_columns():
        in_file, placed, outside = (place.audit[f"{column}_{part}"] for part in ("in_file", "placed", "outside_units"))
        assert in_file == pytest.approx(placed + outside, rel=1e-9)
        assert place.cells[column].sum() == pytest.approx(placed, rel=1e-9)


def test_statuses_add_up_to_the_children(place: Result) -> None:
    table = place.coverage_by_unit
    np.testing.assert_allclose(table["covered"] + table["gap"] + table["unknown"], table["children"], rtol=1e-9)


def test_covered_cells_are_those_within_the_limit(place: Result) -> None:
    for kind, norm in place.coverage.norms.items():
        metres, status = place.coverage.metres[kind], place.coverage.status[kind]
        assert ((metres <= norm.limit_m + 1e-6) == (status == "covered")).all()


def test_guixi_has_its_streets_and_knows_what_it_does_not_know(guixi: Result) -> None:
    assert guixi.audit["street_km"] == pytest.approx(115.5, abs=1.0)
    assert guixi.audit["children_not_attached"] > 0
    assert {finding.code for finding in guixi.findings} >= {
        "population.shares", "population.assumption", "streets.cells_far", "coverage.not_listed",
    }  # fmt: skip
    unlisted = guixi.coverage_by_unit.query("kind == 'playground'")
    assert (unlisted["unknown"] == unlisted["children"]).all()
    assert unlisted["covered_share"].isna().all()


def test_porto_alegre_counts_its_residents_and_schools(porto_alegre: Result) -> None:
    assert porto_alegre.cells["residents"].sum() == pytest.approx(812_935)
    assert (porto_alegre.facilities["kind"] == "school").sum() == 194
    schools = porto_alegre.coverage_by_unit.query("unit_id == 'all' and kind == 'school' and band == '6-11'")
    assert 0.3 < schools["covered_share"].item() < 0.9
    assert schools["unknown"].item() < 0.01 * schools["children"].item()


def test_real_files_are_read_from_where_the_plan_says(guixi: Result) -> None:
    assert all(len(source.sha256) == 64 for source in guixi.study.sources)
    assert Path(guixi.plan.streets.file).suffix == ".osm"
