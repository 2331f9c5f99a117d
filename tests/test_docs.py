"""What the documents say is so: commands, verbs, files, links and figures."""

import re
from pathlib import Path

import pytest

import cfc_geo
from cfc_geo import catalog
from cfc_geo.cli import build_command
from cfc_geo.inputs.vector import FORMATS as VECTOR_FORMATS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "data" / "README.md", ROOT / "CHANGELOG.md"]


def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_verb_is_in_the_readme_and_the_guide() -> None:
    guide = (ROOT / "docs" / "guide.zh.md").read_text(encoding="utf-8")
    for verb in build_command("en").commands:
        assert f"cfc-geo {verb}" in readme()
        assert f"cfc-geo {verb}" in guide


def test_the_readme_names_every_file_of_a_result(result_folder: Path) -> None:
    written = {path.name for path in result_folder.iterdir()}
    named = set(re.findall(r"^\| `([\w.]+)` \|", readme(), flags=re.MULTILINE))
    assert named == written


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        assert target.startswith("http") or (page.parent / target).exists(), target


def test_the_two_commands_that_ci_takes_from_the_readme_are_there() -> None:
    for mark, needed in (("main-job", "cfc-geo run scenarios/base.toml"), ("tests", "-m pytest")):
        block = re.search(rf"<!-- {mark} -->\n```sh\n(.*)\n```", readme())
        assert block and needed in block[1] and "\n" not in block[1]


def test_methods_state_every_limit_of_the_default_norms() -> None:
    methods = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    stated = {
        row[0]: (float(row[1]), row[2]) for row in re.findall(r"^\| ([\w ,']+) \| (\d+) m \| (\S+) \|", methods, re.M)
    }
    by_name = {name.strip(): norm for names, norm in stated.items() for name in names.split(",")}
    for kind, norm in catalog.norms("gb50180").items():
        name = catalog.kind_name(kind, "en").removeprefix("community ")
        if kind != "school":  # the catalogue's stand-in for schools of unknown stage
            assert (norm.limit_m, norm.certainty) in (by_name.get(name), by_name.get(f"community {name}")), kind


def test_methods_state_every_walking_speed() -> None:
    methods = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    for band in catalog.bands().values():
        assert re.search(rf"^\| [^|]*{band.id}[^|]* \| {band.speed_ms:.2f} \|", methods, re.MULTILINE), band.id


def test_formats_are_documented() -> None:
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8").lower()
    assert all(name in page for name in (*VECTOR_FORMATS, "csv", "xlsx", "xls"))


def test_public_names_can_be_had() -> None:
    assert all(getattr(cfc_geo, name) for name in cfc_geo.__all__)
    with pytest.raises(AttributeError):
        cfc_geo.no_such_name  # noqa: B018
