"""HTTP requests to a container, made inside its network namespace. Only the probing process imports this module."""

from __future__ import annotations

import hashlib
import signal
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import NoReturn

import httpx

from cntr_core.reasons import reason

from .attempt import NoAnswer, NotReady
from .network import Endpoint
from .result import EXCERPT, Fact

_LIMIT = 30.0  # seconds for one request
_STREAM = 10.0  # seconds after which a body that still comes is one without an end; a third of the limit where less
_LARGEST = 64 << 20
_KEPT = 2 << 20
_PIECE = 1 << 20
_ENCODINGS = ("gzip", "x-gzip", "deflate")
_NOT_READY = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
_AGENT = "Mozilla/5.0 (compatible; cntr)"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a target; `content` is the body."""

    path: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """An answer. `content` is its decoded body's beginning, `complete` tells whether the body came to its end."""

    status: int
    headers: httpx.Headers
    content: bytes
    length: int
    sha256: str
    complete: bool

    @property
    def media_type(self) -> str:
        """The content type without its parameters."""
        return str(self.headers.get("content-type", "")).partition(";")[0].strip().lower()

    @property
    def text(self) -> str:
        """The beginning of the body, as UTF-8."""
        return self.content.decode(errors="replace")

    def facts(self) -> dict[str, Fact]:
        """What a replay must find again. A stream that never ends has no digest."""
        told: dict[str, Fact] = {"status": self.status}
        told.update((name, self.headers.get(name)) for name in ("content-type", "location"))
        told.update({"sha256": self.sha256, "length": self.length} if self.complete else {"complete": False})
        return told

    def excerpt(self) -> dict[str, str]:
        """The beginning of a body that people can read."""
        text = self.content[:EXCERPT].decode(errors="replace")
        return {"body": text} if text and "\0" not in text else {}


class Web:
    """A client that keeps connections, no cookies, asks no proxy and believes any certificate."""

    def __init__(self) -> None:
        self._client = httpx.Client(verify=False, trust_env=False, headers={"User-Agent": _AGENT})

    def fetch(self, target: Endpoint, request: Request, seconds: float) -> Page:
        """Make one request; redirects are not followed.

        :raises NotReady: nobody answers, or the connection breaks before an answer.
        :raises NoAnswer: it takes longer than `seconds` (at most 30), or what comes is not HTTP.
        """
        limit = min(seconds, _LIMIT)
        url = target.url + request.path
        try:
            headers = _headers(target, request)
            stream = self._client.stream(
                request.method, url, headers=headers, content=request.content, timeout=max(limit, 0.001)
            )
            with ExitStack() as stack:
                with _at_most(limit):
                    response = stack.enter_context(stream)
                return _read(response, min(limit / 3, _STREAM))
        except httpx.TimeoutException as error:
            raise NoAnswer(f"{request.path} did not answer within {limit:.3g} s") from error
        except (httpx.TransportError, httpx.InvalidURL, httpx.DecodingError, UnicodeError) as error:
            raise _refusal(error, target, request) from error
        finally:
            self._client.cookies.clear()  # every request is like the first, so that all can be repeated


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Until the headers are there: the client's own limit is one for each piece, and a server may send small ones, or
    100 Continue, without end. The caller is the main thread.

    :raises httpx.ReadTimeout: it took longer.
    """

    def end(_number: int, _frame: object) -> NoReturn:
        raise httpx.ReadTimeout("the headers have no end")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _headers(target: Endpoint, request: Request) -> httpx.Headers:
    """:raises UnicodeError: a name or a value is no text, as in a hostile document."""
    headers = httpx.Headers({"Host": target.host, "Accept-Encoding": "gzip, deflate"}, encoding="utf-8")
    headers.update(httpx.Headers(dict(request.headers), encoding="utf-8"))
    return headers


def _refusal(error: Exception, target: Endpoint, request: Request) -> Exception:
    if isinstance(error, httpx.ConnectError) and "SSL" in str(error):
        return NoAnswer(f"port {target.port} does not speak TLS: {reason(error)}")
    if isinstance(error, httpx.NetworkError) or "disconnected" in str(error):
        return NotReady(f"port {target.port} closed the connection without an answer")
    return NoAnswer(f"{request.path} of port {target.port} has no answer in HTTP: {reason(error)}")


def _read(response: httpx.Response, seconds: float) -> Page:
    """Read the body, up to a size and a time: a stream of events has no end."""
    end = time.monotonic() + seconds
    digest = hashlib.sha256()
    content = bytearray()
    length = 0
    complete = True
    try:
        for chunk in _decoded(response):
            digest.update(chunk)
            length += len(chunk)
            content += chunk[: _KEPT - len(content)]
            if length > _LARGEST or time.monotonic() > end:
                complete = False
                break
    except (httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.ReadError):
        complete = False
    return Page(response.status_code, response.headers, bytes(content), length, digest.hexdigest(), complete)


def _decoded(response: httpx.Response) -> Iterator[bytes]:
    """The body in pieces of limited size. An encoding that was not asked for is left as it is: the client's own decoder
    makes gigabytes of 64 kB that were compressed twice.

    :raises NoAnswer: it is not encoded as it says.
    """
    if response.headers.get("content-encoding", "").strip().lower() not in _ENCODINGS:
        yield from response.iter_raw()
        return
    decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)  # gzip or zlib, as it begins
    try:
        for raw in response.iter_raw():
            rest = raw
            while rest:
                yield decoder.decompress(rest, _PIECE)
                rest = decoder.unconsumed_tail
        yield decoder.flush()
    except zlib.error as error:
        raise NoAnswer(f"the body is not encoded as its header says: {reason(error)}") from error


def accepted(status: int, statuses: Iterable[Sequence[int]]) -> bool:
    """Whether the status lies in one of the ranges."""
    return any(low <= status <= high for low, high in statuses)


def entrance(web: Web, target: Endpoint, request: Request, statuses: Iterable[Sequence[int]], seconds: float) -> Page:
    """A probe's first page.

    :raises NotReady: nobody answers, or the server or one behind it is not ready yet (RFC 9110, 15.6.3 to 15.6.5).
    :raises NoAnswer: see :meth:`Web.fetch`.
    """
    page = web.fetch(target, request, seconds)
    if page.status in _NOT_READY and not accepted(page.status, statuses):
        raise NotReady(f"{target.name(request.path)} answers {page.status}, {HTTPStatus(page.status).phrase.lower()}")
    return page
