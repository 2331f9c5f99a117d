"""Settings of all tests: the same examples on every run, `--fix`, and the result of the sample plan."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("nightly", deadline=None, max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fix", action="store_true", help="rewrite generated files that are out of date")


@pytest.fixture(scope="session")
def result_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `cfc-geo run scenarios/base.toml` writes."""
    out, root = tmp_path_factory.mktemp("sample"), Path(__file__).parents[1]
    command = [sys.executable, "-m", "cfc_geo", "run", "scenarios/base.toml", "--out", str(out)]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    return out / "base"
