"""The house rules that a reader may rely on: which way imports go, who prints, that every word and message exists."""

import ast
import re
import string
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "cfc_geo"
MODULES = sorted(PACKAGE.rglob("*.py"))
ORDER = [
    "catalog",
    "errors",
    "tables",
    "reach",
    "faults",
    "blocks",
    "edits",
    "targets",
    "forms",
    "plan",
    "model",
    "inputs",
    "network",
    "questions",
    "streets",
    "scoring",
    "handout",
    "sharing",
    "run",
    "siting",
    "routing",
    "outputs",
    "fetch",
    "options",
    "spoken",
    "cli",
    "__main__",
]
"""A module imports only from its own room and from rooms before it."""
SHARED_BY_QUESTIONS = {"sums"}
LANGUAGES = ("zh", "en")
FILE_ENDINGS = {
    "toml",
    "json",
    "geojson",
    "html",
    "csv",
    "gpkg",
    "xlsx",
    "parquet",
    "osm",
    "tif",
    "md",
    "py",
    "js",
    "css",
}


def load(name: str) -> dict[str, dict[str, str]]:
    return tomllib.loads((PACKAGE / "catalog" / name).read_text(encoding="utf-8"))


FINDINGS = load("findings.toml")
WORDS = {
    f"{path.stem}.{key}": texts
    for path in sorted((PACKAGE / "catalog/words").glob("*.toml"))
    for key, texts in load(f"words/{path.name}").items()
}
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in MODULES}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> Iterator[str]:
    """Full names of what a module imports from the package, inside functions and for type checking too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("cfc_geo"))
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            if node.module == "cfc_geo":
                yield from (f"cfc_geo.{alias.name}" for alias in node.names)
            elif node.module and node.module.startswith("cfc_geo."):
                yield node.module


def calls(tree: ast.AST, *names: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in names:
                yield node


def constants(node: ast.AST | None) -> list[str]:
    return (
        [part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)]
        if node
        else []
    )


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


# ------------------------------------------------------------------------------------------------------------- imports


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    here = room(path)
    if here == "__init__":
        return
    assert here in ORDER, "a new room needs its place in the order"
    for name in imported(TREES[path]):
        there = name.split(".")[1]
        assert there == here or ORDER.index(there) < ORDER.index(here), f"{here} imports {name}"


def test_questions_are_siblings() -> None:
    for path, tree in TREES.items():
        if room(path) == "questions":
            siblings = {name.split(".")[2] for name in imported(tree) if name.startswith("cfc_geo.questions.")}
            itself = path.relative_to(PACKAGE / "questions").parts[0]
            assert siblings <= SHARED_BY_QUESTIONS | {itself}, path.name


def test_nothing_is_called_by_a_name_that_says_nothing() -> None:
    names = {path.stem for path in [*MODULES, *(ROOT / "tests").rglob("*.py")]}
    assert names.isdisjoint({"utils", "util", "helpers", "helper", "common", "misc", "tools"})


def test_only_the_command_line_prints_and_reads_arguments() -> None:
    for path, tree in TREES.items():
        if path.name not in ("cli.py", "__main__.py"):
            assert not list(calls(tree, "print", "echo", "secho", "basicConfig", "filterwarnings")), path
            assert not [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "argv"], (
                path
            )


def test_only_fetch_goes_to_the_network() -> None:
    for path, tree in TREES.items():
        nodes = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
        names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)} - {"urllib.parse"}
        used = {name.split(".")[0] for name in names} & {"osmnx", "requests", "urllib", "urllib3", "socket", "http"}
        assert not used or room(path) == "fetch", f"{path}: {used}"


def test_nothing_reads_pickles_or_evaluates_text() -> None:
    for path, tree in TREES.items():
        assert not list(calls(tree, "eval", "exec", "literal_eval", "read_pickle", "unpack_archive", "extractall")), (
            path
        )
        modules = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
        assert set(modules).isdisjoint({"pickle", "marshal", "shelve", "yaml"}), path


# ------------------------------------------------------------------------------------------------------------ messages


def codes_in(path: Path) -> set[str]:
    """Every text of a module that is the code of a finding, or is meant to be one."""
    rooms = {code.split(".")[0] for code in FINDINGS}
    found = {
        text
        for text in constants(TREES[path])
        if re.fullmatch(r"[a-z0-9]+\.[a-z0-9_]+", text)
        and text.split(".")[0] in rooms
        and text.split(".")[1] not in FILE_ENDINGS
        and text not in WORDS
        and f"cli.{text}" not in WORDS
    }
    found |= {f"plan.{constants(call.args[0])[0]}" for call in calls(TREES[path], "fault")}
    if path.name == "faults.py":
        kept = next(n for n in TREES[path].body if isinstance(n, ast.Assign) and n.targets[0].id == "_CODES")  # type: ignore[attr-defined]
        found |= {f"plan.{value.value}" for value in kept.value.values}  # type: ignore[attr-defined]
    return found


USED = set().union(*(codes_in(path) for path in MODULES if room(path) != "catalog"))


def reported(*severities: str) -> Iterator[tuple[Path, ast.Call, list[str]]]:
    for path, tree in TREES.items():
        for call in calls(tree, *severities):
            codes = [text for text in constants(call.args[0] if call.args else None) if re.fullmatch(r"\w+\.\w+", text)]
            if codes:
                yield path, call, codes


def test_every_code_in_use_is_in_the_catalogue_and_every_entry_is_in_use() -> None:
    assert sorted(USED - set(FINDINGS)) == []
    assert sorted(set(FINDINGS) - USED) == []


def test_every_message_fills_its_placeholders() -> None:
    for path, call, codes in reported("error", "warning", "note"):
        named = {keyword.arg for keyword in call.keywords}
        if None in named:
            continue
        for code in codes:
            wanted = set().union(*(placeholders(text) for text in FINDINGS[code].values()))
            assert wanted <= named, f"{path.name}:{call.lineno} {code} lacks {wanted - named}"


@pytest.mark.parametrize("code", FINDINGS)
def test_messages_stand_in_both_languages_with_the_same_values(code: str) -> None:
    entry = FINDINGS[code]
    assert set(entry) in ({"zh", "en"}, {"zh", "en", "mend_zh", "mend_en"})
    assert all(text.strip() == text and text for text in entry.values())
    assert re.search(r"[\u4e00-\u9fff]", entry["zh"]) and not re.search(
        r"[\u4e00-\u9fff]", entry["en"].replace("步", "")
    )
    assert placeholders(entry["zh"]) == placeholders(entry["en"])
    assert placeholders(entry.get("mend_zh", "")) == placeholders(entry.get("mend_en", ""))


def test_every_error_says_how_to_mend_it() -> None:
    mild = {code for _, _, codes in reported("warning", "note") for code in codes}
    errors = {code for _, _, codes in reported("error") for code in codes} | (set(FINDINGS) - mild)
    assert sorted(code for code in errors if "mend_zh" not in FINDINGS[code]) == []


@pytest.mark.parametrize("key", WORDS)
def test_words_stand_in_both_languages_with_the_same_values(key: str) -> None:
    texts = WORDS[key]
    assert set(texts) == set(LANGUAGES) and bool(texts["zh"]) == bool(texts["en"])
    assert placeholders(texts["zh"]) == placeholders(texts["en"])


def test_every_word_in_use_exists() -> None:
    for path, tree in TREES.items():
        for call in calls(tree, "word"):
            assert is_word(call.args[0], ""), f"{path.name}:{call.lineno}"
    for name in ("cli.py", "options.py", "spoken.py"):
        for call in calls(TREES[PACKAGE / name], "say"):
            assert is_word(call.args[0], "cli.") or is_word(call.args[0], "cli.run."), f"{name}:{call.lineno}"


def is_word(key: ast.expr, room: str) -> bool:
    """Whether a key, or one of its form, is among the words; keys made elsewhere are taken on trust."""
    if isinstance(key, ast.Constant):
        return room + str(key.value) in WORDS
    if not isinstance(key, ast.JoinedStr):
        return True
    parts = [re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".+" for part in key.values]
    return any(re.fullmatch(re.escape(room) + "".join(parts), known) for known in WORDS)


def test_every_word_of_the_command_line_and_of_a_run_is_in_use() -> None:
    texts = {text for tree in TREES.values() for text in constants(tree)}
    for key in WORDS:
        name, entry = key.split(".", 1)
        if name in ("cli", "run", "place") and key not in ("cli.options", "cli.commands"):  # by click's own headings
            last = entry.split(".")[-1].removesuffix("s")
            assert {entry, key, last, entry.split(".")[-1], f".{entry.split('.')[-1]}"} & texts, key


# ---------------------------------------------------------------------------------------------------------------- tree


def project_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    ).stdout.split("\n")
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]


def test_no_file_names_a_machine_or_a_registry() -> None:
    places = ["/wo" + "rk/", "/ro" + "ot/", "/tmp/ve" + "nv", "index" + "-url", "py" + r"pi\.", "127.0.0.1:" + r"\d{4}"]
    secret = re.compile("|".join(places))
    files = project_files()
    if not files:
        pytest.skip("no git here to list the project's files")
    for path in files:
        content = path.read_bytes()
        if b"\0" in content[:4096] or path.name in ("leaflet.js", "test_architecture.py"):
            continue
        found = secret.search(content.decode("utf-8", "replace"))
        assert found is None, f"{path.relative_to(ROOT)}: {found}"
