"""Put a finished folder in the place of an old one, in one step where the system can."""

import contextlib
import ctypes
import errno
import os
import re
import shutil
import sys
from pathlib import Path

AT_FDCWD, RENAME_EXCHANGE, RENAME_SWAP = -100, 2, 2
CANNOT = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
"""What a system or file system answers that knows no exchange."""


def beside(folder: Path, mark: str, role: str = "tmp") -> Path:
    """A hidden place next to `folder` (so on the same file system); `mark` is eight hexadecimal digits."""
    return folder.with_name(f".{folder.name}.{role}-{mark}")


def exchange(new: Path, folder: Path) -> None:
    """`new` takes the place of `folder`; an old result then lies at `new`, for the caller to remove. Raises `OSError`.

    Linux and macOS exchange the two in one step. Elsewhere the old one is first moved aside: a program that dies
    between the two moves leaves no `folder`, and `recover` puts the old one back.
    """
    if not folder.exists():
        new.rename(folder)
    elif not _exchange_in_one_step(new, folder):
        aside = beside(folder, new.name[-8:], "old")
        folder.rename(aside)
        try:
            new.rename(folder)
        except BaseException:
            aside.rename(folder)
            raise
        aside.rename(new)
    _flush_folder(folder.parent)


def recover(folder: Path) -> None:
    """Clear away what a run that died left next to `folder`, and put back an old result that it had moved aside.

    Only the holder of the folder's lock may call this: what lies there then belongs to nobody alive. Raises `OSError`.
    """
    old, unfinished = (_left_over(folder, role) for role in ("old", "tmp"))
    if old and not folder.exists():
        max(old, key=lambda path: path.stat().st_mtime_ns).rename(folder)
    for path in [*old, *unfinished]:
        shutil.rmtree(path, ignore_errors=True)


def flush(folder: Path) -> None:
    """Have the disk hold every file of `folder` and of those in it, and the folder itself. Raises `OSError`."""
    for path in folder.iterdir():
        if path.is_dir():
            flush(path)
            continue
        with path.open("rb+") as file:
            os.fsync(file.fileno())
    _flush_folder(folder)


def _left_over(folder: Path, role: str) -> list[Path]:
    name = re.compile(re.escape(f".{folder.name}.{role}-") + "[0-9a-f]{8}")
    return [path for path in folder.parent.iterdir() if name.fullmatch(path.name)]


def _flush_folder(folder: Path) -> None:
    """As far as the system can: Windows opens no folders, and some network drives flush none."""
    if os.name == "nt":
        return
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _exchange_in_one_step(first: Path, second: Path) -> bool:
    """Exchange two folders atomically; False, with nothing done, where that is impossible. Raises `OSError`."""
    if os.name == "nt":
        return False
    names, library = (os.fsencode(first), os.fsencode(second)), ctypes.CDLL(None, use_errno=True)
    if sys.platform == "linux" and hasattr(library, "renameat2"):
        failed = library.renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], ctypes.c_uint(RENAME_EXCHANGE))
    elif sys.platform == "darwin" and hasattr(library, "renamex_np"):
        failed = library.renamex_np(*names, ctypes.c_uint(RENAME_SWAP))
    else:
        return False
    if failed and ctypes.get_errno() not in CANNOT:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(second))
    return not failed
