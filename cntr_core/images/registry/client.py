"""One repository of a registry: its API (distribution-spec 1.1), with patience and clear errors."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urljoin

import httpx

from ...errors import ImageError
from ...reasons import reason
from ..limits import LARGEST_DOCUMENT
from ..read.blobs import Pieces
from ..streams import CHUNK, Reader, decompressed
from ..values import Record
from .auth import RegistryAuth
from .reference import RegistryReference

DELAYS = (0.3, 1.0, 3.0)
"""Seconds before each further attempt."""
_LONGEST_DELAY = 60.0
"""Seconds that a registry may make us wait by Retry-After."""
_MOST_HOPS = 10
_BUSY = (408, 429, 500, 502, 503, 504)
_TIMEOUT = httpx.Timeout(60, connect=10)
# A layer must arrive as it is stored: its digest is that of the compressed bytes.
_HEADERS = {"User-Agent": "cntr", "Accept-Encoding": "identity"}


class RegistryError(ImageError):
    """A registry does not do what it is asked. `status` is HTTP's, 0 where no answer came; `passing` tells that another
    attempt may do better, after `delay` seconds where the registry says so."""

    def __init__(
        self, message: str, hint: str = "", *, status: int = 0, passing: bool = False, delay: float = 0
    ) -> None:
        super().__init__(message, hint)
        self.status = status
        self.passing = passing
        self.delay = delay


class NotFound(RegistryError):
    """The registry has no such thing."""


def pause(error: RegistryError, delays: Iterator[float], *, again: bool = False) -> None:
    """Wait before the next attempt, which `again` allows, too; :raises RegistryError: `error`, there will be none."""
    delay = next(delays, None)
    if delay is None or not (error.passing or again):
        raise error
    time.sleep(error.delay or delay)


@dataclass(frozen=True, slots=True)
class Answer:
    """A registry's answer: HTTP's status, the headers, the address it came from, the whole body."""

    status: int
    headers: httpx.Headers
    url: str
    content: bytes

    @property
    def location(self) -> str:
        """Where to go on, as a whole address; "" where the answer tells none."""
        return urljoin(self.url, self.headers["Location"]) if "Location" in self.headers else ""


class Repository:
    """A connection to the images of one name; a context manager."""

    def __init__(self, reference: RegistryReference, actions: str = "pull", also: Sequence[str] = ()) -> None:
        """`actions` are "pull" or "pull,push"; from the repositories `also` of the same registry we may read."""
        self.reference = reference
        self._auth = RegistryAuth(reference, actions, also)
        self._client = httpx.Client(
            headers=_HEADERS,
            timeout=_TIMEOUT,
            verify=ssl.create_default_context(),  # the system's certificates, or those of SSL_CERT_FILE
            trust_env=not reference.is_local,  # a proxy does not lead to this machine
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def url(self, path: str) -> str:
        """The address of ``manifests/…``, ``blobs/…`` or what else the repository has."""
        return f"{self.reference.base}{self.reference.name}/{path}"

    def request(self, method: str, path: str, **options: Any) -> Answer:
        """Ask, again where that may help, and give the answer with its body, which must fit in memory.

        :raises RegistryError: there is no answer, or it is an error.
        """
        delays = iter(DELAYS)
        while True:
            try:
                return self.once(method, path, **options)
            except RegistryError as error:
                pause(error, delays)

    def once(self, method: str, path: str, **options: Any) -> Answer:
        """One attempt of :meth:`request`."""
        with self.stream(method, path, **options) as response:
            return Answer(response.status_code, response.headers, str(response.url), self._body(response))

    @contextmanager
    def stream(self, method: str, path: str, **options: Any) -> Iterator[httpx.Response]:
        """One attempt, whose body is still to be read, inside of :meth:`reaching`; errors as for
        :meth:`request`."""
        with self.reaching():
            response = self._send(method, path if "://" in path else self.url(path), options)
        try:
            if not response.is_success:
                raise self._refused(response, self._body(response))
            yield response
        finally:
            response.close()

    def _send(self, method: str, url: str, options: dict[str, Any]) -> httpx.Response:
        """The response of whoever has it at last: redirects are followed, and the registry's own challenge is met. What
        lies on the way is not read, and credentials go to the registry's own scheme, host and port only."""
        met = False
        for _ in range(_MOST_HOPS):
            response = self._send_once(self._client.build_request(method, url, **options))
            try:
                if _is_redirect(response, method):
                    url, options = _redirected(response), {**options, "params": None}
                elif met or not self._is_met(response):
                    return response
                else:
                    met = True
            except BaseException:
                response.close()
                raise
            response.close()
        raise RegistryError(f"{self.reference.host} redirects more than {_MOST_HOPS} times")

    def _send_once(self, request: httpx.Request) -> httpx.Response:
        if self._auth.header and self._is_own(request.url):
            request.headers["Authorization"] = self._auth.header
        return self._client.send(request, stream=True)

    def _is_own(self, url: httpx.URL) -> bool:
        return _origin(url) == _origin(httpx.URL(self.reference.base))

    def _is_met(self, response: httpx.Response) -> bool:
        """Whether the response is a challenge of the registry's own, which the next request will meet."""
        if response.status_code != httpx.codes.UNAUTHORIZED or not self._is_own(response.url):
            return False
        return self._auth.meet(response.headers.get_list("WWW-Authenticate"), self._ask)

    def _ask(self, request: httpx.Request) -> tuple[httpx.Response, bytes]:
        """One request to a token service, which leads nowhere else."""
        response = self._client.send(request, stream=True)
        try:
            return response, self._body(response)
        finally:
            response.close()

    @contextmanager
    def reaching(self) -> Iterator[None]:
        """Turns failures of the connection into errors of ours; :raises RegistryError: it failed."""
        try:
            yield
        except (httpx.TransportError, httpx.StreamConsumed) as error:
            raise _unreachable(self.reference.host, error) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise RegistryError(f"{self.reference.host} sent an unexpected response: {reason(error)}") from error

    def _body(self, response: httpx.Response) -> bytes:
        """All that a response brings, decompressed once at the most, as far as a document may be long."""
        content = bytearray()
        with self.reaching():
            source: Reader = Pieces(response.iter_raw(CHUNK))
            if "Content-Encoding" in response.headers:  # although nobody asked for it
                source, _ = decompressed(source)
            while piece := source.read(CHUNK):
                content += piece
                if len(content) > LARGEST_DOCUMENT:
                    raise RegistryError(f"{self.reference.host} answers with more than {LARGEST_DOCUMENT} bytes")
        return bytes(content)

    def _refused(self, response: httpx.Response, body: bytes) -> RegistryError:
        host, status = self.reference.host, response.status_code
        said = _said(body)
        if status == httpx.codes.UNAUTHORIZED or (status == httpx.codes.FORBIDDEN and not self._auth.named_user):
            if self._auth.named_user:
                sentence = f"{host} does not accept the user name or password{said}"
            else:
                sentence = f"{host} requires a user name and password{said}"
            return RegistryError(sentence, f"docker login {host}", status=status)
        if status == httpx.codes.FORBIDDEN:
            return RegistryError(f"{host} does not allow it{said}", "ask for access there", status=status)
        if status == httpx.codes.NOT_FOUND:
            step = "check the spelling; for a private image, run docker login first"
            sentence = f"{host} has no {self.reference.name} of that tag or digest{said}"
            return NotFound(sentence, step, status=status)
        sentence = f"{host} answers {status} {response.reason_phrase}{said}"
        passing = status in _BUSY
        return RegistryError(
            sentence, "try again later" if passing else "", status=status, passing=passing, delay=_delay(response)
        )


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port  # httpx leaves the port of the scheme out


def _is_redirect(response: httpx.Response, method: str) -> bool:
    """Whether the same is to be asked elsewhere; after 301 to 303 only what changes nothing may be (RFC 9110, 15.4)."""
    same = response.status_code in (httpx.codes.TEMPORARY_REDIRECT, httpx.codes.PERMANENT_REDIRECT)
    return response.has_redirect_location and (same or method in ("GET", "HEAD"))


def _redirected(response: httpx.Response) -> str:
    return str(response.url.join(response.headers["Location"]))


def _said(body: bytes) -> str:
    """The registry's own words (distribution-spec, "Error codes"), if any."""
    try:
        errors = Record.parse(body, "the error").records("errors")
        words = [error.text("message") or error.text("code") for error in errors]
    except ImageError:
        return ""
    return f" ({'; '.join(words):.200})" if any(words) else ""


def _delay(response: httpx.Response) -> float:
    seconds = response.headers.get("Retry-After", "")
    return min(float(seconds), _LONGEST_DELAY) if seconds.isdecimal() else 0


_REASONS: Sequence[tuple[type[Exception], str, str, bool]] = (
    (
        ssl.SSLCertVerificationError,
        "the certificate of {host} cannot be trusted: {cause.verify_message}",
        "add its authority to the system's certificates, or name a file with it in SSL_CERT_FILE",
        False,
    ),
    (ssl.SSLError, "the TLS handshake with {host} failed: {cause.reason}", "check the port", False),
    (socket.gaierror, "cannot resolve the host {host}: {cause.strerror}", "check its name", True),
    (ConnectionRefusedError, "connection refused by {host}", "start the registry, or check host and port", True),
    (httpx.TimeoutException, "{host} does not answer", "check host, port and proxies", True),
)
"""What a failed connection means, the surest first: the sentence, the next step, whether it may pass."""


def _unreachable(host: str, error: Exception) -> RegistryError:
    """The innermost reason of a failed connection, as a sentence."""
    causes = list(_causes(error))
    for kind, sentence, step, passing in _REASONS:
        for cause in causes:
            if isinstance(cause, kind):
                return RegistryError(sentence.format(host=host, cause=cause), step, passing=passing)
    innermost = causes[-1]
    return RegistryError(f"the connection to {host} broke: {reason(innermost)}", "try again later", passing=True)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and what led to it, but for an earlier attempt."""
    while error and not isinstance(error, RegistryError):
        yield error
        error = error.__cause__ or error.__context__
