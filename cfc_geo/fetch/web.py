"""Questions to OpenStreetMap's servers, bounded in tries and in time.

osmnx words and sends the questions; a response hook of ours sees every answer first. Left alone, osmnx repeats a 429 or
504 for ever, takes a partial answer for a whole one, and keeps broken answers. Here an answer that is not whole and
good is `Refused`, asked for again after a wait that is announced, and given up when tries or time are used up.
"""

import json
import math
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from queue import Empty, Queue
from threading import Event, Thread
from typing import Any
from urllib.parse import urlsplit

from cfc_geo.errors import FetchError, Findings

Announce = Callable[..., None]
"""Told what happens: `announce(event, **values)`; the events are the keys `fetch.<event>` of `words/cli.toml`."""
Judge = Callable[[Any], None]
"""Looks at a `requests.Response` and raises `Refused` if it is no good answer."""

LOOK_S = 0.1
"""Between two looks at the clock while an answer is awaited, so that Ctrl-C is heard on every system."""


@dataclass(frozen=True)
class Servers:
    """Base addresses; there are mirrors of both, some nearer to China."""

    overpass: str = "https://overpass-api.de/api"
    nominatim: str = "https://nominatim.openstreetmap.org/"


@dataclass(frozen=True)
class Patience:
    """`tries` a question, the second after `first_wait_s`, each next after twice as long, unless the server says when;
    at most `answer_s` for one answer and `deadline_s` for all of them together."""

    tries: int = 5
    first_wait_s: float = 5.0
    answer_s: float = 180.0
    deadline_s: float = 300.0


class Refused(Exception):
    """An answer that cannot be used: the finding that says so, whether it may pass, and how long the server says."""

    def __init__(self, code: str, *, passing: bool = True, wait_s: float | None = None, **values: Any) -> None:
        super().__init__(code)
        self.code, self.passing, self.wait_s, self.values = code, passing, wait_s, values


@contextmanager
def connected(servers: Servers, patience: Patience, announce: Announce) -> "Iterator[Web]":
    """A `Web` for as long as the block lasts; osmnx's settings, which are global, are put back afterwards."""
    import osmnx

    ours = {
        "overpass_url": servers.overpass.rstrip("/"),
        "nominatim_url": servers.nominatim,
        "overpass_rate_limit": False,  # its sleeps have no end
        "use_cache": False,
        "cache_only_mode": True,  # the answer itself is all we want of osmnx
        "doh_url_template": None,  # or it asks a third party for addresses
        "max_query_area_size": float("inf"),  # `overpass.tiles` has divided the ground already
        "http_user_agent": user_agent(),
        "http_referer": user_agent(),
        "http_accept_language": "zh-CN,zh;q=0.9,en;q=0.5",
        "requests_kwargs": {},
        "requests_timeout": patience.answer_s,
    }
    before = {name: getattr(osmnx.settings, name) for name in ours}
    resolver = socket.getaddrinfo  # osmnx replaces it for good
    try:
        for name, value in ours.items():
            setattr(osmnx.settings, name, value)
        yield Web(patience, announce)
    finally:
        for name, value in before.items():
            setattr(osmnx.settings, name, value)
        socket.getaddrinfo = resolver


class Web:
    """Asks until the time of all questions together is up."""

    def __init__(self, patience: Patience, announce: Announce) -> None:
        self._patience, self._announce = patience, announce
        self._end = time.monotonic() + patience.deadline_s

    def ask(self, url: str, question: Callable[[], object], judge: Judge) -> bytes:
        """The body of the answer to `question`, a call of osmnx that asks `url` once; `judge` has passed it.

        Raises `FetchError` with the last refusal when the tries are used up or it is of no use to ask again, and with
        `fetch.deadline` besides when the time is.
        """
        waits_s = [self._patience.first_wait_s * 2**tried for tried in range(self._patience.tries - 1)]
        for usual_s in [*waits_s, None]:
            if self._left_s() <= 0:
                raise FetchError(self._out_of_time(url))
            try:
                return self._ask_once(question, judge)
            except Refused as refused:
                self._wait(url, refused, usual_s)
        raise AssertionError("the last refusal is raised")

    def _wait(self, url: str, refused: Refused, usual_s: float | None) -> None:
        """Wait before the next try, the usual time or what the server says. Raises `FetchError` if there is none."""
        findings = Findings()
        findings.error(refused.code, urlsplit(url).netloc, **refused.values)
        if usual_s is None or not refused.passing:
            raise FetchError(findings)
        wait_s = usual_s if refused.wait_s is None else refused.wait_s
        if wait_s >= self._left_s():
            raise FetchError([*findings, *self._out_of_time(url)])
        self._announce("wait", seconds=math.ceil(wait_s), reason=findings[0])
        time.sleep(wait_s)

    def _ask_once(self, question: Callable[[], object], judge: Judge) -> bytes:
        """One try. Raises `Refused`."""
        import osmnx

        limit_s = max(min(self._patience.answer_s, self._left_s()), 0.0)
        heard: list[bytes] = []
        given_up = Event()

        def listen(response: Any, **_: Any) -> None:
            if response.is_redirect:
                return
            try:
                judge(response)
                if given_up.is_set():
                    raise Refused("fetch.timeout", seconds=limit_s)
            except BaseException:
                response.close()
                raise
            heard.append(response.content)

        osmnx.settings.requests_kwargs = {"hooks": {"response": listen}}
        osmnx.settings.requests_timeout = max(math.ceil(limit_s), 1)
        try:
            _within(limit_s, question)
        except TimeoutError:
            raise Refused("fetch.timeout", seconds=round(limit_s, 1)) from None
        except Refused:
            raise
        except Exception as error:
            if not heard:  # else the answer is here, and what osmnx makes of it does not matter
                raise _as_refusal(error, limit_s) from error
        finally:
            given_up.set()
        return heard[-1]

    def _out_of_time(self, url: str) -> Findings:
        findings = Findings()
        findings.error("fetch.deadline", urlsplit(url).netloc, seconds=self._patience.deadline_s)
        return findings

    def _left_s(self) -> float:
        return self._end - time.monotonic()


def user_agent() -> str:
    """Who asks, as the servers' terms of use want to know."""
    return f"cfc_geo/{version('cfc_geo')} (planning of child-friendly cities)"


def refuse_bad_status(response: Any) -> None:
    """Raises `Refused` for any status but success, with the wait the server asks for."""
    status = response.status_code
    if status == 429:
        raise Refused("fetch.busy", wait_s=_retry_after_s(response))
    if status in (502, 503, 504):
        raise Refused("fetch.overloaded", wait_s=_retry_after_s(response), status=status)
    if status >= 300:
        raise Refused("fetch.status", passing=status >= 500, status=status)


def parsed(response: Any) -> Any:
    """The JSON of an answer. Raises `Refused` for one that broke off, and for a web page."""
    try:
        return json.loads(response.content)
    except ValueError:
        cut_off = response.content.strip()[:1] in (b"", b"{", b"[")
        raise Refused("fetch.cut_off" if cut_off else "fetch.not_data") from None


def _retry_after_s(response: Any) -> float | None:
    """Seconds by the header Retry-After, which holds seconds or a date (RFC 9110, 10.2.3); None without one."""
    given = response.headers.get("Retry-After", "")
    try:
        if given.strip().isdecimal():
            return float(given)
        return max((parsedate_to_datetime(given) - datetime.now(UTC)).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None


def _within(limit_s: float, call: Callable[[], object]) -> None:
    """Do `call`, or raise `TimeoutError` after `limit_s`, whatever it hangs on: a name server, a trickle of bytes."""
    outcome: Queue[BaseException | None] = Queue(1)

    def work() -> None:
        try:
            call()
            outcome.put(None)
        except BaseException as error:
            outcome.put(error)

    Thread(target=work, daemon=True).start()
    end = time.monotonic() + limit_s
    while True:
        try:
            error = outcome.get(timeout=max(min(LOOK_S, end - time.monotonic()), 0.001))
            break
        except Empty:
            if time.monotonic() >= end:
                raise TimeoutError from None
    if error is not None:
        raise error


def _as_refusal(error: Exception, limit_s: float) -> Refused:
    """What went wrong on the way to the server or back."""
    import requests

    causes = list(_causes(error))
    reason = next((cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror), "")
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return Refused("fetch.no_address")
    if isinstance(error, requests.Timeout):
        return Refused("fetch.timeout", seconds=limit_s)
    if isinstance(error, (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError)):
        return Refused("fetch.cut_off")
    passing = isinstance(error, requests.ConnectionError)
    return Refused("fetch.no_connection", passing=passing, reason=reason or type(error).__name__)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, what caused it, what caused that, …; the last is the one nearest to the wire."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
