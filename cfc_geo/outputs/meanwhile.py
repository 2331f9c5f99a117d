"""Do one thing in a second process while this one does another: a result is drawn and written on two processors."""

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

PR_SET_PDEATHSIG = 1


@contextmanager
def meanwhile(work: Callable[[], None]) -> Iterator[None]:
    """Run `work` in a forked process while the block runs, and wait for both; an error of either stops the other.

    A fork shares the finished result without copying it. Where forking is impossible or unsafe (Windows, macOS, other
    threads alive) or of no use (one processor), `work` is done after the block.
    """
    if sys.platform != "linux" or (os.cpu_count() or 1) < 2 or threading.active_count() > 1:
        yield
        work()
        return
    context = multiprocessing.get_context("fork")
    answer, reply = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(work, reply))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of idle threads inside libraries
        process.start()
    reply.close()
    try:
        yield
        error = _outcome(answer)
    except BaseException:
        process.kill()
        raise
    finally:
        process.join()
        answer.close()
    if error is not None:
        raise error


def _answer(work: Callable[[], None], reply: Connection) -> None:
    """In the second process: do the work and say how it went."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # it must not write on after the first is killed
    try:
        work()
    except BaseException as error:  # told to the first process, which raises it
        reply.send(error)
    else:
        reply.send(None)


def _outcome(answer: Connection) -> BaseException | None:
    """The error of the second process, or None; raises `OSError` if it died without a word."""
    try:
        error: BaseException | None = answer.recv()
    except EOFError:
        return OSError("the second writer ended early")
    return error
