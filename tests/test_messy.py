"""The messy edition of the sample, files as offices hand them over, must tell what the clean one does."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
CLOSE = 0.005
"""Half a percentage point: coordinates of map services have six decimals."""


@pytest.fixture(scope="module")
def messy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("messy")
    command = [sys.executable, "-m", "cfc_geo", "run", "scenarios/messy.toml", "--out", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return out / "messy"


def read(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / name, dtype={"unit_id": str}, keep_default_na=False, na_values=[""])


def test_coverage_is_that_of_the_clean_sample(result_folder: Path, messy_folder: Path) -> None:
    keys = ["unit_id", "kind", "band"]
    clean, messy = (read(folder, "coverage.csv").set_index(keys) for folder in (result_folder, messy_folder))
    assert list(messy.index) == list(clean.index)
    of_streets = clean["level"].isin(["街道", "区"]) | (clean["level"].isna())
    assert of_streets.sum() > 300
    for status in ("covered", "gap", "unknown"):
        share, told = (table.loc[of_streets, status] / table.loc[of_streets, "children"] for table in (clean, messy))
        assert (share - told).abs().max() <= CLOSE, status


def test_every_child_is_in_its_subdistrict(result_folder: Path, messy_folder: Path) -> None:
    clean, messy = (read(folder, "coverage.csv") for folder in (result_folder, messy_folder))
    assert messy["children"].tolist() == pytest.approx(clean["children"].tolist(), abs=0.05)


def test_every_facility_is_read_as_it_is(result_folder: Path, messy_folder: Path) -> None:
    columns = ["facility_id", "kind", "name", "unit_id", "capacity"]
    clean, messy = (read(folder, "facilities.csv")[columns] for folder in (result_folder, messy_folder))
    pd.testing.assert_frame_equal(messy, clean, check_dtype=False)


def test_the_script_makes_the_files_that_are_there(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "data/make_messy.py", "--out", str(tmp_path)], cwd=ROOT, check=True)
    there = ROOT / "data" / "messy"
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in there.iterdir()}
    for name in ("childcare.csv", "community.tsv", "play.csv"):  # in the others, libraries may write new bytes
        assert (tmp_path / name).read_bytes() == (there / name).read_bytes(), name
