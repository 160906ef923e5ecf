"""Requests of our own to a catalogue and its files: each redirect is judged before it is followed, and time is bounded.

GDAL follows redirects by itself and cannot be told not to (3.12: `CURLOPT_FOLLOWLOCATION` is always set). Before GDAL
opens a file we therefore ask for its first byte, follow the redirects here (`judge_address` for each), and hand GDAL
the last address. What remains: a server that answers GDAL otherwise than us. The storage of AWS and Azure, whose
servers redirect to no foreign host, is not asked.
"""

from __future__ import annotations

import queue
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urljoin, urlsplit

from timesenclip.eo.stac.addresses import Origin, judge_address
from timesenclip.errors import InputError

if TYPE_CHECKING:
    from requests import Response, Session

__all__ = ["FileAnswer", "answers_of_files", "ask", "ask_file", "new_session", "redirects_nowhere", "within"]

T = TypeVar("T")

_MOST_HOPS = 8
_CONNECTIONS = 32
_FILE_TIMEOUT_S = (15.0, 30.0)
_FILE_S = 60.0
"""After this a file counts as not answering, however slowly the server still sends."""
_STATUS = (429, 500, 502, 503, 504)
_REDIRECTS = (301, 302, 303, 307, 308)
_BODILESS = (301, 302, 303)
_STORAGE = re.compile(
    r"(?:[a-z0-9._-]+\.)?s3(?:[.-][a-z]{2}(?:-[a-z]+)+-\d)?\.amazonaws\.com|[a-z0-9-]+\.blob\.core\.windows\.net"
)


@dataclass(frozen=True, slots=True)
class FileAnswer:
    """What a server says of a file, without its content."""

    address: str
    """After all redirects; as it was asked for where there are none."""
    status: int
    """HTTP status of the last answer."""
    version: str
    """ETag, time of change and size, as far as the server tells; empty where it has no file or tells none."""


def redirects_nowhere(address: str) -> bool:
    """Whether an address is in a storage that never redirects to another host, so that nobody need ask."""
    return _STORAGE.fullmatch((urlsplit(address).hostname or "").lower()) is not None


def within(seconds: float, call: Callable[[], T]) -> T:
    """Call a function in a thread of its own and wait for it; a server that sends a byte a second ends no sooner.

    Raises:
        TimeoutError: it has not ended after so many seconds. The thread is left; it does not keep the process alive.
        BaseException: what the function raises.
    """
    ended: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()

    def run() -> None:
        try:
            ended.put((True, call()))
        except BaseException as error:  # handed to the caller, who waits for it
            ended.put((False, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        fine, found = ended.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"timed out: no complete answer within {seconds:g} s") from None
    if fine:
        answer: T = found
        return answer
    raise found


def new_session(*, retries: int, wait_s: float) -> Session:
    """A session that repeats what may be temporary.

    Args:
        retries: how often; failed connections and the statuses 429, 500, 502, 503, 504.
        wait_s: pause before the first; it doubles.
    """
    from requests import Session
    from requests.adapters import HTTPAdapter
    from urllib3.util.retry import Retry

    # `allowed_methods=None`: the default of urllib3 repeats no POST, which is how searches are sent.
    retry = Retry(
        total=retries,
        backoff_factor=wait_s,
        backoff_jitter=wait_s / 2,
        status_forcelist=_STATUS,
        allowed_methods=None,
        respect_retry_after_header=True,
        raise_on_status=False,
    )
    session = Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # none is kept or sent
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry, pool_maxsize=_CONNECTIONS))
    return session


def ask(
    session: Session,
    method: str,
    address: str,
    origin: Origin,
    *,
    timeout: tuple[float, float],
    headers: Mapping[str, str] | None = None,
    **content: Any,
) -> Response:
    """Send a request, and follow redirects to addresses that the origin may name; the body is not read yet.

    Each request is prepared anew, so that a host gets its own credentials (netrc, user name in the address) and never
    those of the host that redirects to it.

    Args:
        session: of `new_session`.
        method: `GET` or `POST`.
        address: judged before.
        origin: what redirects are judged by.
        timeout: seconds to connect, and between two parts of the answer.
        headers: sent to every host, so no secrets.
        content: `params` or `json` of requests.

    Raises:
        InputError: a redirect leads to an address that is refused, or there are too many.
        requests.RequestException: there is no answer.
    """
    from requests import Request

    hops: list[Response] = []
    while len(hops) < _MOST_HOPS:
        request = session.prepare_request(Request(method, address, headers=dict(headers or {}), **content))
        here = str(request.url)
        settings = session.merge_environment_settings(here, {}, True, None, None)
        answer = session.send(request, timeout=timeout, allow_redirects=False, **settings)
        target = answer.headers.get("Location")
        if answer.status_code not in _REDIRECTS or not target:
            answer.history = hops
            return answer
        answer.close()
        hops.append(answer)
        address = urljoin(here, target)
        try:
            judge_address(address, origin)
        except InputError as error:
            raise InputError(f"{_short(here)} redirects to {_short(address)}, which is refused: {error}") from None
        content.pop("params", None)  # the address of a redirect is complete
        if answer.status_code in _BODILESS and method == "POST":
            method, content = "GET", {}
    raise InputError(f"{_short(here)} redirects {_MOST_HOPS} times; expected fewer")


def ask_file(address: str, origin: Origin, *, retries: int = 0, wait_s: float = 0.5) -> FileAnswer:
    """Ask for the first byte of a file: where it really is, and which version of it the server has.

    By GET rather than HEAD, since signed addresses are often good for GET only.

    Args:
        address: judged before.
        origin: what redirects are judged by.
        retries, wait_s: as of `new_session`.

    Raises:
        InputError: it is redirected to an address that is refused.
        requests.RequestException, TimeoutError: there is no answer.
    """

    def first_byte() -> FileAnswer:
        first = {"Range": "bytes=0-0", "Accept-Encoding": "identity"}
        with ask(_session(retries, wait_s), "GET", address, origin, timeout=_FILE_TIMEOUT_S, headers=first) as answer:
            if answer.status_code == 206:
                answer.raw.read(16)  # so that the connection can be used again
            return FileAnswer(answer.url if answer.history else address, answer.status_code, _version(answer))

    return within(_FILE_S, first_byte)


@lru_cache(maxsize=8)
def _session(retries: int, wait_s: float) -> Session:
    """One session for all threads, so that connections are used again."""
    return new_session(retries=retries, wait_s=wait_s)


def _version(answer: Response) -> str:
    if answer.status_code not in (200, 206):
        return ""
    told = answer.headers
    size = told.get("Content-Range", "").rpartition("/")[2] if answer.status_code == 206 else told.get("Content-Length")
    parts = [told.get("ETag"), told.get("Last-Modified"), size]
    return " ".join(str(part)[:200] for part in parts if part)


def answers_of_files(
    addresses: list[str], ask_one: Callable[[str], str], *, threads: int, limit_s: float
) -> dict[str, str]:
    """Ask for many files at the same time.

    Args:
        addresses: the files.
        ask_one: address -> version; it raises nothing.
        threads: how many at the same time.
        limit_s: after so many seconds the rest are left out.

    Returns:
        Address -> version, of those that have answered in time.
    """
    left: queue.SimpleQueue[str] = queue.SimpleQueue()
    for address in addresses:
        left.put(address)
    found: dict[str, str] = {}
    end = time.monotonic() + limit_s

    def work() -> None:
        while time.monotonic() < end:
            try:
                address = left.get_nowait()
            except queue.Empty:
                return
            found[address] = ask_one(address)

    workers = [threading.Thread(target=work, daemon=True) for _ in range(min(threads, len(addresses)))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(max(0.0, end - time.monotonic()))
    return dict(found)


def _short(address: str) -> str:
    return address.split("?", 1)[0][:120]
