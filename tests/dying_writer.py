"""Writes results and dies of it: run as a program, it forks writers that are killed or refused at any moment.

    python -m tests.dying_writer FOLDER random|steps|size

Prints one JSON line an attempt: what the attempt met (`ended`) and how it left the folder (`left`): "old", "new",
"none", or "torn"; and what else lies beside it (`beside`).
"""

import errno
import hashlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet  # noqa: F401  (before the fork, not in every child)
import pyogrio  # noqa: F401
import tomli_w  # noqa: F401
import xlsxwriter  # noqa: F401

from cfc_geo.errors import OutputError
from cfc_geo.outputs import folder, geopackage, provenance, swap, tables, workbook
from cfc_geo.outputs.folder import write_result
from tests.test_outputs import stub_map
from tests.toy_result import toy_plan, toy_result

CREATING = ("open", "os.mkdir", "os.rename")
REMOVING = ("os.remove", "os.rmdir", "os.truncate")
DONE, REFUSED, STOPPED = 0, 3, 4

in_one_step = swap._exchange_in_one_step


def digest(place: Path) -> str:
    """Names and contents of a folder as one word; "none" without one."""
    if not place.exists():
        return "none"
    parts = [f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in sorted(place.iterdir())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


class Bench:
    """Two results, the old and the new, of one plan, and the folder they compete for."""

    def __init__(self, base: Path, mode: str) -> None:
        self.mode = mode
        sys.modules["cfc_geo.outputs.maps"] = stub_map()
        plan = toy_plan(base / "plans")
        self.results = {name: toy_result(plan, title=name) for name in ("old", "new")}
        for table in tables.csv_tables(
            self.results["old"]
        ).values():  # read the catalogue before the forks, not in each
            tables.write_csv(table, base / "read.csv")
        provenance.run_record(self.results["old"])
        self.out = base / "out"
        self.place = self.out / "toy"
        self.known = {"none": "none"}
        for name in self.results:
            self.write_in_child(name)
            self.known[digest(self.place)] = name
        self.write_in_child("old")

    def write(self, name: str) -> None:
        write_result(self.results[name], self.out, "zh")

    def write_in_child(self, name: str) -> None:
        assert self.fork(lambda: self.write(name)) == DONE

    def fork(self, work: Callable[[], None], *, after_s: float | None = None) -> int:
        """What became of a child that does `work`: its exit code, or minus the signal that ended it."""
        child = os.fork()
        if child == 0:
            try:
                work()
            except OutputError as error:
                os._exit(REFUSED if error.findings[0].code == "output.disk_full" else 9)
            except KeyboardInterrupt:
                os._exit(STOPPED)
            except BaseException:
                import traceback

                traceback.print_exc()
                os._exit(8)
            os._exit(DONE)
        if after_s is not None:
            time.sleep(after_s)
            os.kill(child, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def report(self, ended: int) -> str:
        left = self.known.get(digest(self.place), "torn")
        beside = sorted(path.name for path in self.out.iterdir() if path != self.place) if self.out.exists() else []
        print(json.dumps({"mode": self.mode, "ended": ended, "left": left, "beside": beside}), flush=True)  # noqa: T201
        return left

    def finish(self) -> None:
        """An ordinary run after all the others, reported as the last attempt."""
        self.report(self.fork(lambda: self.write("new")))


def at_moment(number: int, act: Callable[[], None], *, where: Path, events: tuple[str, ...]) -> None:
    """Have `act` called in place of the `number`-th thing this process does to a file under `where`."""
    seen = 0

    def count() -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            act()

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event in events and str(where) in os.fsdecode(str(arguments[0])) and not _only_reads(event, arguments):
            count()

    def watched(function: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            count()
            return function(*arguments, **named)

        return call

    os.fsync = watched(os.fsync)  # type: ignore[assignment]
    swap._exchange_in_one_step = watched(swap._exchange_in_one_step)  # type: ignore[assignment]
    geopackage._write_layer = watched(geopackage._write_layer)  # type: ignore[assignment]
    sys.addaudithook(watch)


def _only_reads(event: str, arguments: tuple[object, ...]) -> bool:
    return event == "open" and not int(arguments[2]) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)  # type: ignore[call-overload]


def make_light() -> None:
    """The slow writers put down a few bytes instead, so that every moment can be tried in little time."""
    workbook.write_workbook = lambda result, path, lang: path.write_bytes(b"xlsx " + result.plan.map.title.encode())  # type: ignore[assignment]
    folder.write_cells = lambda result, path: path.write_bytes(b"cells")  # type: ignore[attr-defined]
    geopackage.write_geopackage = lambda result, path, *_: path.write_bytes(b"gpkg")  # type: ignore[assignment]


def die_at_random(bench: Bench) -> None:
    """A child writes new, old, new, … until it is killed."""
    chance = random.Random(20)

    def write_for_ever() -> None:
        while True:
            bench.write("new")
            bench.write("old")

    for _ in range(22):
        bench.report(bench.fork(write_for_ever, after_s=chance.uniform(0.01, 0.5)))


def at_every_moment(bench: Bench, act: Callable[[], None], events: tuple[str, ...]) -> None:
    """The old result is there; the new one is being written when `act` strikes, at every moment in turn."""

    def strike(number: int) -> None:
        at_moment(number, act, where=bench.out, events=events)
        bench.write("new")

    number, ended = 0, -1
    while ended != DONE or number < 20:
        number += 1
        ended = bench.fork(lambda: strike(number))  # noqa: B023
        if bench.report(ended) != "old":
            bench.write_in_child("old")


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fill_disk() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def interrupt() -> None:
    raise KeyboardInterrupt


def limit_file_size(bench: Bench) -> None:
    """The system itself refuses to let any file grow past a size, in GDAL's writing too."""
    import resource

    def write(size: int) -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        bench.write("new")

    for size in (0, 100, 2_000, 8_000, 20_000, 60_000, 150_000):
        bench.report(bench.fork(lambda: write(size)))  # noqa: B023


def no_exchange(first: Path, second: Path) -> bool:
    """As on a system that cannot exchange two folders in one step."""
    return False


def at_every_step(base: Path) -> None:
    """Every way to end, at every moment, with light writers."""
    make_light()
    for mode, (act, events) in {
        "kill": (kill, CREATING + REMOVING),
        "no-exchange": (kill, CREATING + REMOVING),
        "full": (fill_disk, CREATING),
        "interrupt": (interrupt, CREATING),
    }.items():
        swap._exchange_in_one_step = no_exchange if mode == "no-exchange" else in_one_step
        bench = Bench(base / mode, mode)
        at_every_moment(bench, act, events)
        bench.finish()


def main(base: Path, how: str) -> None:
    if how == "steps":
        return at_every_step(base)
    bench = Bench(base, how)
    {"random": die_at_random, "size": limit_file_size}[how](bench)
    bench.finish()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
