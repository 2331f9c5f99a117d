"""The command line as a user meets it: a program with arguments, a terminal or a pipe, a language and an exit code."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cfc_geo import catalog
from cfc_geo.cli import main
from tests.toyplan import PLAN, write_toy

ROOT = Path(__file__).parents[1]
HEAVY = ("geopandas", "pandas", "numpy", "numba", "folium", "osmnx", "rasterio", "pyogrio", "shapely", "pydantic")
VERBS = ("run", "check", "new")


def environment(**changes: str) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHONIOENCODING"))
    }
    return {**kept, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8", **changes}


def cfc_geo(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the program in a pipe."""
    return subprocess.run(
        [sys.executable, "-m", "cfc_geo", *arguments],
        capture_output=True,
        encoding="utf-8",
        env=environment(**env),
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy"))


# ------------------------------------------------------------------------------------------------------ help and usage


def test_help_and_usage_come_without_the_heavy_modules() -> None:
    code = (
        "import sys\n"
        "from cfc_geo.cli import main\n"
        "codes = [main(words) for words in (['--help'], ['run', '--help'], ['runn'], ['run'], [])]\n"
        f"print(codes, sorted(set(sys.modules) & set({HEAVY!r})))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", env=environment(), timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "[0, 0, 2, 2, 2] []"


@pytest.mark.parametrize(
    ("arguments", "env", "lang"),
    [
        (["--help"], {}, "en"),
        (["--help"], {"LC_ALL": "zh_CN.UTF-8"}, "zh"),
        (["--help"], {"LC_ALL": "", "LANG": "zh_CN.UTF-8"}, "zh"),
        (["--help"], {"LC_ALL": "en_GB.UTF-8", "LANG": "zh_CN.UTF-8"}, "en"),
        (["--lang", "zh", "--help"], {}, "zh"),
        (["run", "--help", "--lang", "zh"], {}, "zh"),
        (["--lang=en", "run", "--help"], {"LC_ALL": "zh_CN.UTF-8"}, "en"),
    ],
)
def test_help_speaks_the_language_of_the_locale_or_the_one_asked_for(
    arguments: list[str], env: dict[str, str], lang: str
) -> None:
    done = cfc_geo(*arguments, **env)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith(catalog.word("cli.usage", lang))
    about = catalog.word("cli.run.help" if "run" in arguments else "cli.group.help", lang)
    assert re.sub(r"\s", "", about) in re.sub(r"\s", "", done.stdout)
    assert "..." not in done.stdout, "no sentence is cut off"


def test_what_is_required_is_said_in_the_language(capsys: pytest.CaptureFixture[str]) -> None:
    for lang, word, other in (("zh", "[必填]", "[required]"), ("en", "[required]", "[必填]")):
        assert main(["route", "--help", "--lang", lang]) == 0
        told = capsys.readouterr().out
        assert word in told and other not in told


def test_each_verb_is_listed_with_its_whole_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    for lang in catalog.LANGUAGES:
        assert main(["--help", "--lang", lang]) == 0
        shown = re.sub(r"\s", "", capsys.readouterr().out)
        for verb in VERBS:
            assert re.sub(r"\s", "", catalog.word(f"cli.{verb}.help", lang)) in shown


@pytest.mark.parametrize(
    ("arguments", "english", "chinese"),
    [
        (["chek", "x"], "no command chek; did you mean check?", "没有命令“chek”；是否应为 check"),
        (["zzzzzz"], "no command zzzzzz\n", "没有命令“zzzzzz”\n"),
        (["run", "x", "--oot", "y"], "no option --oot; did you mean --out?", "没有选项 --oot；是否应为 --out"),
        (["check"], "PLAN.toml is missing", "缺少 方案.toml"),
        (["check", "a", "b"], "too many arguments: b", "多出的参数：b"),
        (["run", "x", "--out"], "option --out needs a value", "选项 --out 缺少值"),
        (["route", "x", "--to", "S"], "--from is missing", "缺少 --from"),
        (["streets", "x", "--corridors", "-1"], "must be a whole number (≥ 0, ≤ 50)", "应为整数（≥ 0, ≤ 50）"),
        (["route", "x", "--from", "a", "--to", "S", "--detour", "y"], "must be a number (≥ 1", "应为数（≥ 1, ≤ 10）"),
        (
            ["site", "x", "--kind", "primaryschool"],
            "kinds like it: primary school primary_school",
            "小学 primary_school",
        ),
        (["check", "x", "--lang", "fr"], "--lang must be one of zh, en", "--lang 只能是 zh, en"),
    ],
)
def test_wrong_usage_is_answered_with_what_would_be_right(
    arguments: list[str],
    english: str,
    chinese: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for locale, words in (("en_US.UTF-8", english), ("zh_CN.UTF-8", chinese)):
        monkeypatch.setenv("LC_ALL", locale)
        assert main(arguments) == 2
        told = capsys.readouterr()
        assert words in told.err and "--help" in told.err and told.out == ""


def test_no_argument_shows_the_help_and_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "run" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------------- run and check


def test_a_run_is_quiet_in_a_pipe_and_says_where_its_result_is(toy: Path, tmp_path: Path) -> None:
    done = cfc_geo("run", str(toy), "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert str(tmp_path / "out" / "toy") in done.stdout.splitlines()[0]
    assert "ages 3-5: 63 children" in done.stdout and "map.html" in done.stdout
    assert "\x1b" not in done.stdout
    assert (tmp_path / "out/toy/map.html").is_file()
    assert [path.name for path in (tmp_path / "out").iterdir() if not path.name.startswith(".")] == ["toy"]


def test_check_computes_nothing_and_writes_its_report_only(
    toy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from cfc_geo import run as running

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("check must not compute")

    for name in ("nearest_costs", "travel_costs", "measure_coverage", "sum_coverage", "judge_circle"):
        monkeypatch.setattr(running, name, forbidden)
    monkeypatch.chdir(tmp_path)
    before = sorted(toy.parent.rglob("*"))
    assert main(["check", str(toy), "--lang", "en"]) == 0
    told = capsys.readouterr()
    assert "ready to run" in told.out and "warning: " in told.out and told.err == ""
    assert sorted(toy.parent.rglob("*")) == before
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "out" / "toy.check" / "check.xlsx"]


def test_check_tells_what_run_would_tell(toy: Path) -> None:
    from cfc_geo.plan import load_plan
    from cfc_geo.run import check_plan, run_plan

    plan = load_plan(toy)
    assert list(check_plan(plan)) == list(run_plan(plan).findings)


def test_faults_go_to_the_error_stream_with_exit_code_1(toy: Path, tmp_path: Path) -> None:
    plan = tmp_path / "bad.toml"
    plan.write_text(
        PLAN.replace("data/", f"{toy.parent.as_posix()}/data/").replace("cells.csv", "cell.csv"), encoding="utf-8"
    )
    for verb in ("check", "run"):
        done = cfc_geo(verb, str(plan), "--allow", str(toy.parent), "--out", str(tmp_path / verb), LC_ALL="zh_CN.UTF-8")
        assert done.returncode == 1 and done.stdout == ""
        assert "错误: " in done.stderr and "cells.csv" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_new_writes_a_starter_and_check_says_what_is_missing(tmp_path: Path) -> None:
    folder = tmp_path / "区"
    assert cfc_geo("new", str(folder)).returncode == 0
    assert {path.name for path in folder.iterdir()} == {"plan.toml", "data"}
    done = cfc_geo("check", str(folder / "plan.toml"), "--lang", "zh", "--out", str(tmp_path))
    assert done.returncode == 1
    for name in ("units.geojson", "population.csv", "facilities.csv"):
        assert f"data/{name}：没有任何记录" in done.stderr
    assert done.stderr.splitlines()[-1].endswith("处错误，改正后再运行")


def test_new_never_writes_over_anything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("x")
    assert main(["new", str(tmp_path)]) == 1
    assert main(["new", str(tmp_path / "mine.txt")]) == 1
    assert main(["new", str(tmp_path / "mine.txt" / "sub")]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    assert "Traceback" not in capsys.readouterr().err


def test_two_plans_of_one_name_are_refused(toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = write_toy(tmp_path / "other").rename(tmp_path / "other" / "TOY.toml")
    assert main(["run", str(toy), str(other), "--out", str(tmp_path / "out"), "--lang", "en"]) == 2
    assert str(other) in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_result_folder_that_cannot_be_used_is_refused_before_anything_is_read(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from cfc_geo import run as running

    def too_late(*_: object) -> None:
        raise AssertionError("the folder must be looked at first")

    monkeypatch.setattr(running, "read_study", too_late)
    (tmp_path / "out").write_text("a file")
    assert main(["run", str(toy), "--out", str(tmp_path / "out"), "--lang", "en"]) == 1
    assert "error: " in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------ terminals and signals


class Terminal:
    """The program with its error stream on a terminal and its output in a pipe."""

    def __init__(self, *arguments: str) -> None:
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cfc_geo", *arguments], stdout=subprocess.PIPE, stderr=slave, env=environment()
        )
        os.close(slave)
        self.shown = ""

    def read_until(self, words: str, seconds: float = 60) -> None:
        """Read the terminal until `words` appear, or until the program ends."""
        end = time.monotonic() + seconds
        while words not in self.shown and time.monotonic() < end:
            if not select.select([self._master], [], [], 0.1)[0]:
                if self.process.poll() is not None:
                    return
                continue
            try:
                self.shown += os.read(self._master, 4096).decode("utf-8", "replace")
            except OSError:  # the program closed its end
                return

    def close(self) -> int:
        self.read_until("\0")
        os.close(self._master)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.process.wait(60)


def test_a_terminal_shows_the_stages_and_is_left_clean(toy: Path, tmp_path: Path) -> None:
    terminal = Terminal("run", str(toy), "--out", str(tmp_path / "out"))
    assert terminal.close() == 0
    for stage in ("read", "network", "nearest", "pairs", "coverage", "write"):
        assert catalog.word(f"run.{stage}", "en") in terminal.shown
    assert terminal.shown.endswith("\r\x1b[K")


@pytest.mark.parametrize("stage", ["read", "write"])
def test_an_interrupted_run_leaves_nothing(toy: Path, tmp_path: Path, stage: str) -> None:
    terminal = Terminal("run", str(toy), "--out", str(tmp_path / "out"))
    terminal.read_until(catalog.word(f"run.{stage}", "en"))
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.close() == 130
    assert catalog.word("cli.interrupted", "en") in terminal.shown and "Traceback" not in terminal.shown
    left = sorted((tmp_path / "out").rglob("*")) if (tmp_path / "out").exists() else []
    assert [path for path in left if not path.name.startswith(".")] == []


def test_an_interrupted_run_leaves_an_old_result_as_it_was(toy: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["run", str(toy), "--out", str(out)]) == 0
    before = {path.name: path.read_bytes() for path in (out / "toy").iterdir()}
    terminal = Terminal("run", str(toy), "--out", str(out))
    terminal.read_until(catalog.word("run.write", "en"))
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.close() == 130
    assert {path.name: path.read_bytes() for path in (out / "toy").iterdir()} == before


def test_output_that_nobody_reads_is_no_error(toy: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "cfc_geo", "check", str(toy), "--out", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    told = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 0 and b"Traceback" not in told and b"Exception" not in told


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "gbk", "utf-8"])
def test_chinese_on_any_terminal_is_no_error(toy: Path, encoding: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "cfc_geo",
            "--lang",
            "zh",
            "check",
            str(toy.parent / "没有.toml"),
            "--out",
            str(tmp_path),
        ],
        capture_output=True,
        env=environment(PYTHONIOENCODING=encoding),
        timeout=60,
        check=False,
    )
    assert done.returncode == 1 and b"Traceback" not in done.stderr and b"toml" in done.stderr
