"""One writer a folder. The system drops the lock of a program that dies, so none ever has to be cleared by hand."""

import contextlib
import errno
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

from cfc_geo.errors import Findings, OutputError

log = logging.getLogger(__name__)

BUSY = {errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK}
CANNOT = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
"""What a file system answers that has no locks (some network drives)."""

PATIENCE_S = 0.5
"""How long a lock is waited for: the second process of a run that was killed needs a moment to follow it."""


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the lock of `folder`, a file `.<name>.lock` beside it with this program's process id.

    Raises `OutputError` if another run holds it, and `OSError` if the file cannot be made.
    """
    path = folder.with_name(f".{folder.name}.lock")
    handle = _acquire(path, folder)
    try:
        os.ftruncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        yield
    finally:
        _release(path, handle)


def _acquire(path: Path, folder: Path) -> int:
    """An open, locked handle of `path` itself: not of a file that its last holder has just removed."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(handle, path, folder)
            if _is_still(path, handle):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _lock(handle: int, path: Path, folder: Path) -> None:
    patience = time.monotonic() + PATIENCE_S
    while True:
        try:
            return _lock_at_once(handle)
        except OSError as error:
            if error.errno in BUSY and time.monotonic() < patience:
                time.sleep(0.02)
                continue
            return _cannot_lock(error, path, folder)


def _cannot_lock(error: OSError, path: Path, folder: Path) -> None:
    """Another run holds it: an error; the file system has no locks: a warning. Anything else is raised as it is."""
    if error.errno in BUSY:
        findings = Findings()
        findings.error("output.busy", str(folder), pid=_holder(path))
        raise OutputError(findings) from None
    if error.errno not in CANNOT:
        raise error
    log.warning("%s has no file locks: do not run twice into it at once", folder.parent)


def _lock_at_once(handle: int) -> None:
    if os.name == "nt":
        import msvcrt

        os.lseek(handle, 1 << 30, os.SEEK_SET)  # far from the process id, which others may then still read
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        os.lseek(handle, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _release(path: Path, handle: int) -> None:
    """Remove the file while it is still locked, then let go; Windows must let go first."""
    if os.name == "nt":
        os.close(handle)
        with contextlib.suppress(OSError):  # the next run already holds it
            path.unlink()
        return
    with contextlib.suppress(OSError):
        path.unlink()
    os.close(handle)


def _is_still(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip() or "–"
    except (OSError, ValueError):
        return "–"
