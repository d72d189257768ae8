"""Connections to a container's ports, made inside its network namespace, and what is spoken there."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass

from . import listening
from .attempt import NoAnswer, NotReady

_SILENCE = 15.0
"""Seconds after which a server that answers nothing to an HTTP request is taken to speak something else; a third of the
time that is left, where that is less. A server may take connections long before it has loaded its application."""
_GREETING = b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: cntr\r\nAccept: */*\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A port of the container at an address where it can be reached."""

    address: str
    port: int
    secure: bool = False

    @property
    def scheme(self) -> str:
        """``https`` or ``http``."""
        return "https" if self.secure else "http"

    @property
    def url(self) -> str:
        """The beginning of every URL."""
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.scheme}://{address}:{self.port}"

    @property
    def host(self) -> str:
        """What requests call the server: most applications answer to the name localhost."""
        return "localhost" if self.port == (443 if self.secure else 80) else f"localhost:{self.port}"

    def names(self) -> frozenset[str]:
        """All that this server is called in links, with the port where it is not the default."""
        bare = {"localhost", "127.0.0.1", "[::1]", f"[{self.address}]" if ":" in self.address else self.address}
        suffix = self.host.removeprefix("localhost")
        return frozenset(name + suffix for name in bare) | frozenset(f"{name}:{self.port}" for name in bare)

    def name(self, path: str) -> str:
        """A path of this server, as a probe writes it."""
        return f"{self.scheme}:{self.port}{path}"


class Network:
    """The namespace that the process has entered; `shared` with the host or not."""

    def __init__(self, shared: bool) -> None:
        self._shared = shared
        self._spoken: dict[int, str] = {}

    def listening(self, ports: list[int]) -> list[int]:
        """Those of the ports that are listened on, in the same order."""
        there = {listener.port for listener in listening.listeners()}
        return [port for port in ports if port in there]

    def open_ports(self) -> list[int]:
        """The ports that are listened on; none where the host's own cannot be told apart."""
        return [] if self._shared else sorted({listener.port for listener in listening.listeners()})

    def connect(self, port: int, seconds: float) -> Endpoint:
        """Connect once to `port` wherever it is listened on.

        :raises NotReady: nobody listens, or nobody accepts.
        """
        for address in listening.addresses(port, listening.listeners()):
            try:
                socket.create_connection((address, port), seconds).close()
            except OSError:
                continue
            return Endpoint(address, port)
        found = self.open_ports()
        raise NotReady(f"nobody listens on port {port}" + (f", only on {_list(found)}" if found else ""))

    def candidates(self, ports: list[int]) -> list[int]:
        """The wanted ports, or all that are listened on.

        :raises NotReady: there are none yet.
        :raises NoAnswer: there is no telling.
        """
        if ports:
            return ports
        if self._shared:
            raise NoAnswer("the container has no network of its own, so the port must be given")
        if not (found := self.open_ports()):
            raise NotReady("nobody listens on any port")
        return found

    def http_target(self, ports: list[int], secure: bool | None, seconds: float) -> Endpoint:
        """The first port that speaks HTTP, as wanted: `secure`, or not, or either (None).

        :raises NotReady: none does yet.
        """
        wanted = self.candidates(ports)
        reasons = []
        for port in wanted:
            try:
                target = self.connect(port, seconds)
            except NotReady as error:
                reasons.append(str(error))
                continue
            if secure is not None and len(wanted) == 1:  # the request itself will tell
                return Endpoint(target.address, port, secure)
            found = self.protocol(target, seconds)
            if found != "tcp" and secure in (None, found == "https"):
                return Endpoint(target.address, port, found == "https")
            reasons.append(f"port {port} speaks {'no HTTP' if found == 'tcp' else found.upper()}")
        raise NotReady("; ".join(reasons))

    def protocol(self, target: Endpoint, seconds: float) -> str:
        """``http``, ``https`` or ``tcp``, found out by speaking; who has answered is not asked again."""
        if found := self._spoken.get(target.port):
            return found
        found, answered = _protocol(target, min(seconds / 3, _SILENCE))
        if answered:
            self._spoken[target.port] = found
        return found

    def speaks_otherwise(self, target: Endpoint, seconds: float) -> str:
        """What is spoken instead of what the target was thought to speak; empty where that is right, or unknown."""
        found = self.protocol(target, seconds)
        return found if found != target.scheme and target.port in self._spoken else ""


def _protocol(target: Endpoint, seconds: float) -> tuple[str, bool]:
    """What is spoken, and whether that is certain: a server may close connections until it is ready.

    One for HTTPS may well answer a plain request, by HTTP's status 400; it never waits for more.
    """
    answer = _greet(target, seconds)
    if answer is None:
        return "tcp", True
    if answer.startswith(b"HTTP/") and b" 400" not in answer:
        return "http", True
    if _speaks_tls(target, seconds):
        return "https", True
    return "http" if answer.startswith(b"HTTP/") else "tcp", bool(answer)


def _greet(target: Endpoint, seconds: float) -> bytes | None:
    """The beginning of the answer to an HTTP request: the version and the status. None: there was only silence."""
    answer = b""
    try:
        with socket.create_connection((target.address, target.port), seconds) as connection:
            connection.sendall(_GREETING)
            while len(answer) < 16 and (data := connection.recv(16)):
                answer += data
    except TimeoutError:
        return answer or None
    except OSError:
        return answer
    return answer


def _speaks_tls(target: Endpoint, seconds: float) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((target.address, target.port), seconds) as connection,
            context.wrap_socket(connection, server_hostname="localhost"),
        ):
            return True
    except OSError:  # ssl.SSLError is one
        return False


def _list(ports: list[int]) -> str:
    return " and ".join(filter(None, (", ".join(map(str, ports[:-1])), str(ports[-1]))))
