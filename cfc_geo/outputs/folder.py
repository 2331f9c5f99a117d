"""A result folder, whole or not at all.

Everything is written into a hidden folder beside the final one, checked, flushed to the disk, and then exchanged
with the old result in one step. Whoever looks, and whenever the program dies, the folder holds the old result or the
new one.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from cfc_geo.errors import CfcError, Findings, OutputError
from cfc_geo.model import ChildStreets, Result, Scorecard
from cfc_geo.outputs import lock, swap
from cfc_geo.outputs.kept import Kept
from cfc_geo.outputs.meanwhile import meanwhile
from cfc_geo.outputs.provenance import PROGRAM, RUN_RECORD, write_resolved_plan, write_run_record
from cfc_geo.outputs.tables import csv_tables, write_cells, write_csv
from cfc_geo.plan import Plan

STREETS_PAGE: Final = "streets.html"
"""The map of where children walk, beside that of coverage."""
REGISTER: Final = "gaps.csv"
NOTHING: Final[Mapping[str, bytes]] = MappingProxyType({})
MAX_NAME_BYTES = 200
RESERVED = {
    "con",
    "prn",
    "aux",
    "nul",
    *(f"{device}{number}" for device in ("com", "lpt") for number in range(1, 10)),
}
"""Names that Windows keeps for devices, whatever follows the first dot."""
UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')

LITTER = re.compile(
    r"\.DS_Store|Thumbs\.db|desktop\.ini|\._.*|~\$.*|\.~lock\..*|result\.gpkg-(wal|shm|journal)",
    re.IGNORECASE,
)
"""What other programs leave in a folder by merely looking into it."""

NO_ROOM = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS}
LITTLE_ROOM_BYTES = 1_000_000


def write_result(
    result: Result, out_dir: Path, lang: str, kept: Kept | None = None, sheets: Mapping[str, bytes] = NOTHING
) -> Path:
    """Write everything about `result` into `out_dir/<name of the plan file>/`, with the audit `sheets` of its corridors
    (name → PDF), and return that folder.

    `kept` is for results of one place, written one after another: what is the same in all is made once, and every byte
    is as without it. An old result there is replaced in one step. Raises `OutputError`, with the folder as it was, if
    it cannot be written, holds something that this program did not write, or is being written by another run.
    """
    folder = check_folder(result.plan, out_dir)
    with renewed(folder) as new:
        check_folder(result.plan, out_dir)
        if result.child_streets is not None:
            write_walks(result, result.child_streets, new, sheets, lang, folder)
        write_files(result, new, lang, kept)
    return folder


@contextlib.contextmanager
def renewed(folder: Path) -> Iterator[Path]:
    """An empty hidden folder that takes the place of `folder` in one step when the block ends, and goes if it fails.

    The folder's lock is held meanwhile. Raises `OutputError` for what the system refuses, in the block too.
    """
    with _as_output_errors(folder), _made(folder.parent), lock.held(folder):
        swap.recover(folder)
        new = swap.beside(folder, secrets.token_hex(4))
        try:
            new.mkdir()
            yield new
            swap.flush(new)
            swap.exchange(new, folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)  # what failed or, after the exchange, the old result


def write_files(result: Result, folder: Path, lang: str, kept: Kept | None = None) -> None:
    """All files of a result into `folder`; `run.json`, which lists all that is there, comes last."""
    from cfc_geo.outputs.geopackage import write_geopackage

    if kept is not None:
        keep_place(result, lang, kept)  # in this process: what the other one makes, it takes along when it ends
    with meanwhile(lambda: write_pages(result, folder, lang, kept)):
        for name, table in csv_tables(result).items():
            write_csv(table, folder / name)
        if result.scorecard is not None:
            write_scores(result, result.scorecard, folder, lang)
        write_cells(result, folder / "cells.parquet")
        write_geopackage(result, folder / "result.gpkg", lang, kept)
        write_resolved_plan(result.plan, folder / "plan.resolved.toml")
    write_run_record(result, folder / RUN_RECORD, list(folder.iterdir()))


def write_walks(
    result: Result, found: ChildStreets, folder: Path, sheets: Mapping[str, bytes], lang: str, later: Path
) -> None:
    """The pages about where children walk, into `folder`, which will be `later`."""
    from cfc_geo.outputs.streets_report import write_walk_pages

    pages = folder / STREETS_PAGE, folder / "streets.md"
    write_walk_pages(result.plan, result.study, found, result.findings, pages, sheets, lang, later)


def write_scores(result: Result, scorecard: Scorecard, folder: Path, lang: str) -> None:
    """The tables of the scorecard, its map `scorecard.html`, and its words."""
    from cfc_geo.outputs.score_report import write_score_pages
    from cfc_geo.outputs.score_tables import no_changes, score_tables

    for name, table in score_tables(scorecard, lang).items():
        write_csv(table, folder / name)
    write_score_pages(result, scorecard, no_changes(), (folder / "scorecard.html", folder / "scorecard.md"), lang)


def write_pages(result: Result, folder: Path, lang: str, kept: Kept | None = None) -> None:
    """What people open: the workbook and the map."""
    from cfc_geo.outputs.workbook import write_workbook

    write_workbook(result, folder / "workbook.xlsx", lang)
    write_map(result, folder / "map.html", lang, kept)


def write_map(result: Result, path: Path, lang: str, kept: Kept | None = None) -> None:
    """The map, one page that needs no other file. Raises `OSError`."""
    from cfc_geo.outputs.maps import draw_map

    path.write_text(draw_map(result, lang, kept), encoding="utf-8", newline="\n")


def keep_place(result: Result, lang: str, kept: Kept) -> None:
    """Load what writes pages, and make what the map of `result` has in common with others of the place."""
    from cfc_geo.outputs import maps, workbook

    workbook.load_writer()
    maps.keep_place(result, lang, kept)


def write_file(content: bytes, name: str, folder: Path) -> Path:
    """The file `name` in `folder`, which `check_report_folder` gave: whole, in the place of an old one, or not at all.

    Raises `OutputError`.
    """
    file = folder / name
    with _as_output_errors(folder), _made(folder):
        new = swap.beside(file, secrets.token_hex(4))
        try:
            new.write_bytes(content)
            new.replace(file)
        finally:
            new.unlink(missing_ok=True)
    return file


def check_folder(plan: Plan, out_dir: Path) -> Path:
    """The folder a result of `plan` goes to in `out_dir`; looks, and changes nothing.

    Raises `OutputError` if its name is not safe, it lies outside `out_dir`, or it holds what this program did not
    write.
    """
    return check_named_folder(plan.file, out_dir, plan.file.stem)


def check_register(folder: Path, previous: Path | None) -> None:
    """Refuses to write over a register of gaps into which somebody wrote since, unless it is read (`previous`).

    Raises `OutputError`.
    """
    register = folder / REGISTER
    if not register.is_file() or (previous is not None and previous.resolve() == folder.resolve()):
        return
    try:
        record = json.loads((folder / RUN_RECORD).read_text(encoding="utf-8"))
        written = {row["file"]: row["sha256"] for row in record["files"]}.get(REGISTER)
    except (OSError, ValueError, KeyError, TypeError):
        return  # what is not ours is refused elsewhere
    if written != hashlib.sha256(register.read_bytes()).hexdigest():
        findings = Findings()
        findings.error("output.register_edited", str(register), folder=str(folder))
        raise OutputError(findings)


def check_report_folder(plan_file: Path, out_dir: Path) -> Path:
    """The folder the report of a check goes to in `out_dir`; looks, and changes nothing.

    Raises `OutputError` as `check_folder` does. A folder that holds a result is left alone.
    """
    return _safe_folder(plan_file, out_dir, f"{plan_file.stem}.check", _result_files)


def check_named_folder(plan_file: Path, out_dir: Path, name: str) -> Path:
    """`out_dir/name`, where something that a plan was asked goes; looks, and changes nothing.

    Raises `OutputError` as `check_folder` does.
    """
    return _safe_folder(plan_file, out_dir, name, _foreign_files)


def check_brief_folder(result: Path) -> Path:
    """The folder beside a result where its briefs go, `<result>.brief`; looks, and changes nothing.

    Raises `OutputError` as `check_folder` does.
    """
    whole = result.resolve()
    return _safe_folder(Path(f"{whole.name}.toml"), result.parent, f"{whole.name}.brief", _foreign_files)


def file_stems(names: Sequence[str], spare: str) -> list[str]:
    """For every name one that can name a file on every system, all different there; `spare` and its position where the
    name itself cannot."""
    used, stems = set[str](), list[str]()
    for position, name in enumerate(names, start=1):
        fits = _is_plain_name(name) and name.casefold() not in used
        stems.append(name if fits else f"{spare}-{position}")
        used.add(stems[-1].casefold())
    return stems


def check_comparison_folder(name: str, out_dir: Path) -> Path:
    """The folder a comparison called `name` goes to in `out_dir`; looks, and changes nothing.

    Raises `OutputError` as `check_folder` does. A folder that holds a result is left alone.
    """
    return _safe_folder(Path(f"{name}.toml"), out_dir, name, _not_a_comparison)


def _not_a_comparison(folder: Path) -> list[str]:
    """What `folder` holds that no comparison wrote: files of others, or a result."""
    foreign = _foreign_files(folder)
    return foreign or ([RUN_RECORD] if (folder / RUN_RECORD).exists() and not _is_comparison(folder) else [])


def _is_comparison(folder: Path) -> bool:
    try:
        return "comparison" in json.loads((folder / RUN_RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False


def _safe_folder(plan_file: Path, out_dir: Path, name: str, foreign_in: Callable[[Path], list[str]]) -> Path:
    findings, folder = Findings(), out_dir / name
    if not _is_plain_name(plan_file.stem) or not _is_plain_name(name) or UNSAFE.search(plan_file.name):
        findings.error("output.name", plan_file.name, name=plan_file.stem)
    elif out_dir.exists() and not out_dir.is_dir():
        findings.error("output.not_a_folder", str(out_dir))
    elif folder.is_symlink() or folder.resolve().parent != out_dir.resolve():
        findings.error("output.link", str(folder))
    elif foreign := foreign_in(folder):
        findings.error("output.not_ours", str(folder), files=foreign[:5])
    findings.raise_errors(OutputError)
    return folder


def _result_files(folder: Path) -> list[str]:
    """What says that a result is in `folder`: a report put beside it would stop the next run."""
    return [RUN_RECORD] if (folder / RUN_RECORD).exists() else []


def same_folder(plans: Iterable[Path]) -> list[Path]:
    """Plan files whose results would go to one folder, because their names differ in case at most."""
    plans = list(plans)
    names = [plan.stem.casefold() for plan in plans]
    return [plan for plan, name in zip(plans, names, strict=True) if names.count(name) > 1]


# ------------------------------------------------------------------------------------------------------------ refusals


def _is_plain_name(name: str) -> bool:
    """Whether `name` can name a folder on every system, and cannot lead elsewhere."""
    safe = bool(name) and not UNSAFE.search(name) and not name.startswith(".") and not name.endswith((".", " "))
    return safe and len(os.fsencode(name)) <= MAX_NAME_BYTES and name.split(".")[0].strip().casefold() not in RESERVED


def _foreign_files(folder: Path) -> list[str]:
    """What `folder` holds that this program did not write; nothing if it is absent, empty, or one of its results."""
    if not os.path.lexists(folder):
        return []
    if not folder.is_dir():
        return [folder.name]
    written = _written_before(folder)
    inside = {name.partition("/")[0] for name in written if "/" in name}
    paths = [path for path in folder.iterdir() if path.is_symlink() or path.name not in inside]
    paths += [path for name in inside if not (folder / name).is_symlink() for path in (folder / name).glob("*")]
    held = sorted(path.relative_to(folder).as_posix() for path in paths if not LITTER.fullmatch(path.name))
    return [name for name in held if name not in written]


def _written_before(folder: Path) -> set[str]:
    """The files of the result in `folder`, by its own record."""
    try:
        record = json.loads((folder / RUN_RECORD).read_text(encoding="utf-8"))
        return {RUN_RECORD, *(row["file"] for row in record["files"])} if record["program"] == PROGRAM else set()
    except (OSError, ValueError, KeyError, TypeError):
        return set()


@contextlib.contextmanager
def _as_output_errors(folder: Path) -> Iterator[None]:
    """Turns what the system refuses into an `OutputError` that says how to mend it."""
    try:
        yield
    except CfcError:
        raise
    except OSError as error:
        findings = Findings()
        reason = error.strerror or str(error)
        if error.errno in NO_ROOM or _room_left(folder) < LITTLE_ROOM_BYTES:
            findings.error("output.disk_full", str(folder))
        elif error.errno in NOT_ALLOWED:
            findings.error("output.not_allowed", str(folder))
        elif error.errno in (errno.ENOTDIR, errno.EEXIST):
            findings.error("output.not_a_folder", str(folder.parent))
        else:
            findings.error("output.failed", str(folder), reason=reason)
        raise OutputError(findings) from error


def _room_left(folder: Path) -> float:
    for place in folder.parents:
        with contextlib.suppress(OSError):
            return shutil.disk_usage(place).free
    return float("inf")


# -------------------------------------------------------------------------------------------------------------- writing


@contextlib.contextmanager
def _made(folder: Path) -> Iterator[None]:
    """`folder` exists; whatever of it had to be made goes again if nothing was put there."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        for place in missing:
            with contextlib.suppress(OSError):  # not empty: it holds the result
                place.rmdir()
