"""Every file of tests/data/bad ends in a message that names the file, the place and the mend, in both languages.

`manifest.toml` there says what is wrong with each; `make_bad_files.py` makes them.
"""

import shutil
import tomllib
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from cfc_geo.cli import main
from cfc_geo.errors import Finding
from tests import make_bad_files
from tests.make_bad_files import BAD, raster_plan
from tests.toyplan import PLAN, write_toy

MANIFEST: dict[str, dict[str, Any]] = tomllib.loads((BAD / "manifest.toml").read_text(encoding="utf-8"))
LINES = 'file = "data/{}"\ncolumns = {{ length = "metres" }}'
MOST_BYTES = 500_000
TEXTS = {".toml", ".csv", ".geojson", ".osm", ".graphml", ".xml"}


def laid_out(folder: Path, name: str, entry: dict[str, Any]) -> Path:
    """The toy plan with the bad file in it; returns the plan's path."""
    toy = write_toy(folder)
    for file in [name, *entry.get("also", ())]:
        shutil.copy(BAD / file, folder / "data")
    if name.endswith(".toml"):
        return Path(shutil.copy(BAD / name, folder))
    if "plan" in entry:
        return Path(shutil.copy(BAD / entry["plan"], folder))
    if entry["for"] == "children.tif":
        text = raster_plan(name)
    elif entry["for"] == "lines":
        text = PLAN.replace('file = "data/streets.osm"', LINES.format(name))
    else:
        text = PLAN.replace(f"data/{entry['for']}", f"data/{name}")
    toy.write_text(text, encoding="utf-8")
    return toy


def told_of(plan: Path, *, code: int) -> list[Finding]:
    """What is said of a plan, after checking how: the exit code; nothing written; each message with file and mend."""
    out, told = plan.parent / "out", list[Finding]()
    with patch("cfc_geo.cli._print_findings", lambda findings, *_: told.extend(findings)):
        verb = ["run", str(plan), "--out", str(out)] if code else ["check", str(plan)]
        assert main(verb) == code
    assert not out.exists()
    for finding in told:
        for lang in ("zh", "en") if finding.severity == "error" else ():
            text = finding.text(lang)
            file = finding.file.replace("\0", "�")
            assert " → " in text and file and text.startswith(file) and text.isprintable(), text
            assert str(plan.parent / "data") not in text, "a path of this machine"
    return told


@pytest.mark.parametrize("name", MANIFEST)
def test_a_bad_file_is_named_with_its_place_and_mend(tmp_path: Path, name: str) -> None:
    entry = MANIFEST[name]
    severity = entry.get("severity", "error")
    told = told_of(laid_out(tmp_path, name, entry), code=int(severity == "error"))
    wanted = [finding for finding in told if finding.severity == severity]
    found = [finding for finding in wanted if finding.code == entry["code"]]
    assert found, [finding.text() for finding in wanted]
    assert entry["en"] in found[0].text("en"), found[0].text("en")
    assert entry["zh"] in found[0].text("zh"), found[0].text("zh")
    assert severity == "warning" or len(wanted) <= entry.get("kept", 1), [finding.text() for finding in wanted]


def test_every_file_is_in_the_manifest_and_all_are_small() -> None:
    named = {"manifest.toml", *MANIFEST, *(file for entry in MANIFEST.values() for file in entry.get("also", ()))}
    named |= {entry["plan"] for entry in MANIFEST.values() if "plan" in entry}
    assert {path.name for path in BAD.iterdir()} == named
    assert sum(path.stat().st_size for path in BAD.iterdir()) < MOST_BYTES


def test_the_files_are_those_that_the_script_makes(tmp_path: Path) -> None:
    """Of binary files only the names: their bytes are those of the libraries that wrote them."""
    make_bad_files.main(tmp_path)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {*made, "manifest.toml"} == {path.name for path in BAD.iterdir()}
    assert [name for name in made if Path(name).suffix in TEXTS and made[name] != (BAD / name).read_bytes()] == []
