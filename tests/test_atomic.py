"""However a run ends, the folder of its results holds the old result or the new one, whole, and nobody else's files."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cfc_geo.errors import OutputError
from cfc_geo.outputs import folder as folders
from cfc_geo.outputs import lock, swap
from cfc_geo.outputs.folder import check_folder, same_folder, write_result
from tests.dying_writer import digest
from tests.test_outputs import ROOT, stub_map
from tests.toy_result import toy_plan, toy_result

posix_only = pytest.mark.skipif(os.name == "nt", reason="forks and signals are POSIX")
REFUSED_FULL, STOPPED, KILLED = 3, 4, -signal.SIGTERM if os.name == "nt" else -signal.SIGKILL


@pytest.fixture(autouse=True)
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """The slow writers put down a few bytes: what is in the files has tests of its own."""
    monkeypatch.setitem(sys.modules, "cfc_geo.outputs.maps", stub_map())
    monkeypatch.setattr("cfc_geo.outputs.workbook.write_workbook", lambda result, path, _: path.write_bytes(b"xlsx"))
    monkeypatch.setattr(
        "cfc_geo.outputs.geopackage.write_geopackage", lambda result, path, *_: path.write_bytes(b"gpkg")
    )


def write(tmp_path: Path, *, name: str = "toy", title: str = "", out: str = "out") -> Path:
    return write_result(toy_result(toy_plan(tmp_path / "plans", name), title=title), tmp_path / out, "zh")


def refusal(tmp_path: Path, **how: str) -> str:
    """The code of the error that writing ends in."""
    with pytest.raises(OutputError) as caught:
        write(tmp_path, **how)
    assert caught.value.findings[0].text("zh") and caught.value.findings[0].text("en")
    return caught.value.findings[0].code


def beside(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "out").iterdir())


Attempt = dict[str, object]
Steps = Callable[[str], list[Attempt]]


def attempts(place: Path, how: str) -> list[Attempt]:
    """What every attempt of a dying writer met and left; the last of a mode is an ordinary run after the others."""
    command = [sys.executable, "-m", "tests.dying_writer", str(place), how]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


@pytest.fixture(scope="module")
def at_every_step(tmp_path_factory: pytest.TempPathFactory) -> Steps:
    """The attempts of one mode: ended at the first thing it does to a file, at the second, and so on to the last."""
    every = attempts(tmp_path_factory.mktemp("steps"), "steps")
    return lambda mode: [
        {name: value for name, value in attempt.items() if name != "mode"}
        for attempt in every
        if attempt["mode"] == mode
    ]


# ---------------------------------------------------------------------------------------------------------------- death


@posix_only
def test_killed_at_random_moments_the_folder_is_always_a_whole_result(tmp_path: Path) -> None:
    *killed, last = attempts(tmp_path, "random")
    assert [attempt["ended"] for attempt in killed] == [KILLED] * len(killed) and len(killed) >= 20
    assert {attempt["left"] for attempt in killed} <= {"old", "new"}
    assert any(attempt["beside"] for attempt in killed), "some died while writing"
    assert last == {"mode": "random", "ended": 0, "left": "new", "beside": []}, (
        "the next run clears away what the dead left"
    )


@posix_only
def test_killed_at_every_single_step_the_folder_is_the_old_result_and_then_the_new_one(
    at_every_step: Steps,
) -> None:
    *killed, survived, last = at_every_step("kill")
    assert {attempt["ended"] for attempt in killed} == {KILLED} and len(killed) > 25
    left = [attempt["left"] for attempt in killed]
    switch = left.index("new")
    assert switch > 0 and set(left[:switch]) == {"old"} and set(left[switch:]) == {"new"}
    assert survived == last == {"ended": 0, "left": "new", "beside": []}


@posix_only
def test_without_an_exchange_an_interrupted_swap_is_undone_by_the_next_run(at_every_step: Steps) -> None:
    *killed, survived, last = at_every_step("no-exchange")
    between = [attempt for attempt in killed if attempt["left"] == "none"]
    assert len(between) == 1 and any(".old-" in name for name in between[0]["beside"])  # type: ignore[attr-defined]
    assert {attempt["left"] for attempt in killed} == {"old", "none", "new"}
    assert survived == last == {"ended": 0, "left": "new", "beside": []}


def test_an_old_result_that_a_dead_run_moved_aside_is_put_back(tmp_path: Path) -> None:
    place = write(tmp_path)
    before = digest(place)
    place.rename(place.with_name(".toy.old-0123abcd"))
    swap.recover(place)
    assert digest(place) == before and beside(tmp_path) == ["toy"]


def test_without_an_exchange_a_failed_second_move_puts_the_old_result_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = write(tmp_path)
    before, move, moves = digest(place), Path.rename, []

    def rename(self: Path, target: Path) -> Path:
        moves.append(self.name)
        if len(moves) == 2:
            raise PermissionError(13, "in use")
        return move(self, target)

    monkeypatch.setattr(swap, "_exchange_in_one_step", lambda new, old: False)
    monkeypatch.setattr(Path, "rename", rename)
    assert refusal(tmp_path, title="new") == "output.not_allowed"
    assert digest(place) == before and beside(tmp_path) == ["toy"]


@posix_only
def test_every_file_is_on_the_disk_before_the_exchange_and_the_folders_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, done = write(tmp_path), []
    fsync, in_one_step = os.fsync, swap._exchange_in_one_step

    def flush(handle: int) -> None:
        done.append(Path(f"/dev/fd/{handle}").readlink().name)
        fsync(handle)

    def exchange(new: Path, old: Path) -> bool:
        done.append("exchange")
        return in_one_step(new, old)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(swap, "_exchange_in_one_step", exchange)
    write(tmp_path, title="new")
    step = done.index("exchange")
    assert set(done[: step - 1]) == {path.name for path in place.iterdir()} and ".tmp-" in done[step - 1]
    assert done[step + 1 :] == ["out"]


@posix_only
def test_interrupted_at_every_single_step_nothing_is_left_behind(at_every_step: Steps) -> None:
    *stopped, _, _ = at_every_step("interrupt")
    stopped = [attempt for attempt in stopped if attempt["ended"] == STOPPED]
    assert len(stopped) > 20
    assert {str(attempt["left"]) for attempt in stopped} == {"old", "new"}
    assert [attempt for attempt in stopped if attempt["beside"]] == []


def test_interrupted_at_the_first_run_not_even_the_output_folder_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(folders, "write_map", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, out="new/deep/out")
    assert not (tmp_path / "new").exists()


# ----------------------------------------------------------------------------------------------------------- disk full


@posix_only
def test_with_the_disk_full_at_every_single_step_the_old_result_stays_and_the_error_says_so(
    at_every_step: Steps,
) -> None:
    refused = [attempt for attempt in at_every_step("full") if attempt["ended"] != 0]
    assert len(refused) > 20
    assert all(attempt == {"ended": REFUSED_FULL, "left": "old", "beside": []} for attempt in refused)


@posix_only
def test_with_files_refused_room_by_the_system_every_writer_fails_cleanly(tmp_path: Path) -> None:
    *refused, last = attempts(tmp_path, "size")
    assert len(refused) >= 5 and all(attempt["ended"] in (REFUSED_FULL, 9) for attempt in refused)
    assert all(attempt["left"] == "old" and attempt["beside"] == [] for attempt in refused)
    assert last["left"] == "new"


def test_a_bug_in_a_writer_is_not_dressed_up_as_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("children")

    monkeypatch.setattr(folders, "write_map", broken)
    with pytest.raises(KeyError):
        write(tmp_path)
    assert not (tmp_path / "out").exists()


# ------------------------------------------------------------------------------------------------------- second writer


@pytest.fixture
def other_writer(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another program that holds the lock of out/toy until it is killed."""
    (tmp_path / "out").mkdir()
    code = (
        "import sys; from pathlib import Path; from cfc_geo.outputs import lock\n"
        "with lock.held(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "out" / "toy")]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_writer_is_refused_by_name_and_the_death_of_the_first_frees_the_folder(
    tmp_path: Path, other_writer: subprocess.Popen[str]
) -> None:
    with pytest.raises(OutputError, match=f"process {other_writer.pid}"):
        write(tmp_path)
    assert beside(tmp_path) == [".toy.lock"]
    write(tmp_path, name="other")
    other_writer.kill()
    other_writer.wait(10)
    write(tmp_path)
    assert beside(tmp_path) == ["other", "toy"]


def test_two_threads_cannot_write_one_folder_either(tmp_path: Path) -> None:
    place = write(tmp_path)
    with lock.held(place):
        assert refusal(tmp_path) == "output.busy"
    write(tmp_path)


def test_a_lock_file_that_its_holder_has_just_removed_is_not_taken_for_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, lock_at_once, times = tmp_path / "toy", lock._lock_at_once, []

    def lock_late(handle: int) -> None:
        times.append(handle)
        if len(times) == 1:
            (tmp_path / ".toy.lock").unlink()
        lock_at_once(handle)

    monkeypatch.setattr(lock, "_lock_at_once", lock_late)
    with lock.held(place):
        assert len(times) == 2 and (tmp_path / ".toy.lock").read_text() == str(os.getpid())


def test_a_file_system_without_locks_is_used_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none(handle: int) -> None:
        raise OSError(next(iter(lock.CANNOT)), "no locks here")

    monkeypatch.setattr(lock, "_lock_at_once", none)
    assert write(tmp_path).is_dir()
    assert "no file locks" in caplog.text


# ---------------------------------------------------------------------------------------------------- names and places


@pytest.mark.parametrize(
    "name", [".hidden", "CON", "nul", "Com1.old", "a:b", "a?b", "ends.", "ends ", "长" * 70, "a\nb"]
)
def test_a_name_that_is_no_plain_folder_name_is_refused(tmp_path: Path, name: str) -> None:
    plan = toy_plan(tmp_path / "plans")
    plan._file = plan.file.with_name(f"{name}.toml")
    with pytest.raises(OutputError) as caught:
        write_result(toy_result(plan), tmp_path / "out", "zh")
    assert caught.value.findings[0].code == "output.name"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["方案 一", "a.b", "two-playgrounds", "console", "x.tmp-0123abcd"])
def test_an_ordinary_name_is_taken(tmp_path: Path, name: str) -> None:
    assert write(tmp_path, name=name).name == name


def test_leftovers_of_another_plan_are_not_swept(tmp_path: Path) -> None:
    write(tmp_path)
    others = [
        tmp_path / "out" / name for name in (".toy.tmp-0123abcd.tmp-0123abcd", ".toy2.tmp-0123abcd", ".toy.tmp-x")
    ]
    for other in others:
        other.mkdir()
    stale = tmp_path / "out" / ".toy.tmp-0123abcd"
    stale.mkdir()
    write(tmp_path)
    assert all(other.exists() for other in others) and not stale.exists()


def test_a_folder_that_somebody_else_filled_is_left_alone(tmp_path: Path) -> None:
    theirs = tmp_path / "out" / "toy" / "论文.docx"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("x")
    assert refusal(tmp_path) == "output.not_ours"
    assert theirs.read_text() == "x" and beside(tmp_path) == ["toy"]


@pytest.mark.parametrize("record", ["not json", "[]", "{}", '{"program": "other", "files": [{"file": "a.txt"}]}'])
def test_a_run_json_of_another_program_makes_no_folder_ours(tmp_path: Path, record: str) -> None:
    place = tmp_path / "out" / "toy"
    place.mkdir(parents=True)
    (place / "run.json").write_text(record)
    (place / "a.txt").write_text("x")
    assert refusal(tmp_path) == "output.not_ours"
    assert (place / "a.txt").exists()


def test_a_file_that_somebody_added_to_a_result_stops_the_run_and_is_named(tmp_path: Path) -> None:
    place = write(tmp_path)
    (place / "批注.docx").write_text("x")
    with pytest.raises(OutputError, match=r"批注\.docx"):
        write(tmp_path, title="new")
    (place / "批注.docx").unlink()
    for litter in (".DS_Store", "Thumbs.db", "~$workbook.xlsx", "result.gpkg-wal"):
        (place / litter).touch()
    assert not [path for path in write(tmp_path).iterdir() if path.name in (".DS_Store", "result.gpkg-wal")]


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    (tmp_path / "out" / "toy").mkdir(parents=True)
    assert (write(tmp_path) / "run.json").exists() and beside(tmp_path) == ["toy"]


def test_a_link_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "toy").symlink_to(elsewhere, target_is_directory=True)
    assert refusal(tmp_path) == "output.link"
    assert list(elsewhere.iterdir()) == []
    linked_out = tmp_path / "linked"
    linked_out.symlink_to(elsewhere, target_is_directory=True)
    assert write(tmp_path, out="linked").resolve() == elsewhere / "toy"


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    assert refusal(tmp_path) == "output.not_a_folder"
    assert refusal(tmp_path, out="out/deeper") == "output.not_a_folder"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "toy").write_text("x")
    assert refusal(tmp_path, out="other") == "output.not_ours"
    assert (tmp_path / "out").read_text() == (tmp_path / "other" / "toy").read_text() == "x"


def test_a_folder_without_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", forbid)
    with pytest.raises(OutputError) as caught:
        write(tmp_path)
    monkeypatch.undo()
    assert caught.value.findings[0].code == "output.not_allowed" and not (tmp_path / "out").exists()


def test_the_check_alone_changes_nothing(tmp_path: Path) -> None:
    plan = toy_plan(tmp_path / "plans")
    assert check_folder(plan, tmp_path / "out") == tmp_path / "out" / "toy"
    assert not (tmp_path / "out").exists()


def test_plans_whose_results_would_share_a_folder_are_found() -> None:
    plans = [Path("a/base.toml"), Path("b/Base.toml"), Path("c/other.toml")]
    assert same_folder(plans) == plans[:2]
    assert same_folder(plans[1:]) == []
