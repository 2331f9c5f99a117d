"""Which files a plan may name: those of its own folder, of the one where the user works, and of those the user allows.

A plan is data that travels. One that came from elsewhere must not be able to read its new owner's private files.
"""

import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

Folders = tuple[Path, ...]
"""Folders, resolved; what lies in them, at any depth, may be read."""


def folders_of(plan_file: Path, allow: Iterable[Path]) -> Folders:
    """Where the files of a plan may lie: the plan's folder, and what is allowed.

    Where the plan lies in the folder that the user works in, that one counts too, unless it is the user's home or
    above it.
    """
    home, here = _followed(plan_file).parent, _followed(Path())
    works_here = home.is_relative_to(here) and not _is_too_wide(here)
    return (home, *([here] if works_here else []), *map(_followed, allow))


def is_address(file: str) -> bool:
    """Whether `file` is an address, a prefix by which GDAL reads elsewhere, or no path at all."""
    return "://" in file or file.startswith("/vsi") or "\0" in file


def is_within(path: Path, folders: Folders) -> bool:
    """Whether `path`, links followed, lies in one of the folders."""
    found = _followed(path)
    return any(found.is_relative_to(folder) for folder in folders)


def _followed(path: Path) -> Path:
    """Where a path leads; of links that run in a circle, itself, where there is no file to read."""
    return Path(os.path.realpath(path))


def option_for(paths: Sequence[Path], home: Path | None = None) -> str:
    """The words of the command line that would allow these paths: `--allow ../data`. They start at the folder that the
    user works in, in full where that is shorter; with `home` they start there."""
    folders = sorted({_followed(path).parent for path in paths})
    try:
        common = Path(os.path.commonpath(folders))
    except ValueError:  # on several drives
        common = Path("/")
    wanted = folders if _is_too_wide(common) else [common]
    return " ".join(f"--allow {shlex.quote(_from_here(folder, home))}" for folder in wanted)


def _is_too_wide(folder: Path) -> bool:
    """Whether the folder holds the user's home, or is the root of a file system."""
    return folder == Path(folder.anchor) or Path("~").expanduser().is_relative_to(folder)


def _from_here(folder: Path, home: Path | None) -> str:
    """The folder as it is reached from `home`; without one from here, or in full where that is shorter."""
    try:
        relative = os.path.relpath(folder, _followed(home or Path()))
    except ValueError:  # on another drive
        return str(folder)
    return relative if home else min(relative, str(folder), key=len)
