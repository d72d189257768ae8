"""The process that speaks with the container: it enters the network namespace, and makes tries when it is asked.

Questions and answers are lines of JSON. It never asks anything of its own, and ends with the socket or the parent.
"""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from cntr_core.json_text import read_json
from cntr_core.kernel.namespaces import CLONE_NEWNET, same_namespace, setns
from cntr_core.kernel.process import set_child_subreaper, set_pdeathsig
from cntr_core.kernel.syscall import owned
from cntr_core.reasons import reason

from .attempt import Attempt, NoAnswer, NotReady
from .listening import addresses, listeners
from .message import Contents, Message, contents
from .network import Endpoint, Network
from .result import Observation
from .spec import ANSWERED

_LOOK = 0.005
_LONGEST_PATIENCE = 5.0


def serve(sock: socket.socket, parent: int, needs_web: bool) -> NoReturn:
    """Be the child: answer until the socket closes. Never returns."""
    status = 1
    try:
        _settle(sock, parent)
        server = _Server(needs_web)
        with sock.makefile("rwb") as stream:
            server.run(stream)
        status = 0
    finally:
        _leave(status)


def _leave(status: int) -> NoReturn:
    """Exit, even where the signal to end comes just now: its exception would lead back into the parent's code."""
    while True:
        try:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os._exit(status)
        except BaseException:
            continue


def _settle(sock: socket.socket, parent: int) -> None:
    """Be a process of its own: a Ctrl-C is the parent's matter, and no descriptor of the parent's stays open here."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, _end)
    os.setpgid(0, 0)
    set_pdeathsig(signal.SIGTERM)
    set_child_subreaper()  # for what a script leaves behind
    if os.getppid() != parent:
        raise SystemExit
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.closerange(3, sock.fileno())
    os.closerange(sock.fileno() + 1, os.sysconf("SC_OPEN_MAX"))


def _end(_number: int, _frame: object) -> NoReturn:
    raise SystemExit


class _Server:
    """Knows the network after ``enter``, and has one method for each question."""

    def __init__(self, needs_web: bool) -> None:
        self._network = Network(shared=True)
        self._host = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._asked: float | None = None
        self._patience: float | None = None
        if needs_web:
            from .web import Web  # httpx takes 100 ms, which pass while the container starts

            self._web = Web()
        self._questions: dict[str, Callable[..., Attempt]] = {
            "enter": self._enter,
            "http": self._http,
            "tcp": self._tcp,
            "crawl": self._crawl,
            "openapi": self._openapi,
            "ports": self._ports,
            "script": self._script,
        }

    def run(self, stream: io.BufferedRWPair) -> None:
        """Answer all questions."""
        for line in stream:
            name, values = read_json(line)
            try:
                answer = self._questions[name](**values)
            except NotReady as error:
                answer = Attempt(False, str(error), ready=False)
            except NoAnswer as error:
                answer = Attempt(False, str(error))
            stream.write(json.dumps(answer.to_json()).encode() + b"\n")
            stream.flush()

    def _enter(self, pid: int, seconds: float) -> Attempt:  # noqa: ARG002 - every question has a limit
        try:
            with owned(os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)) as namespace:
                if not same_namespace(namespace, "net"):
                    setns(namespace, CLONE_NEWNET)
                self._network = Network(shared=os.path.sameopenfile(namespace, self._host))
        except OSError as error:
            raise NoAnswer(error.strerror) from error
        return Attempt(True, "")

    def _http(self, message: Mapping[str, Any], **values: Any) -> Attempt:
        """One request, whose secrets nobody hears of, also where the server sends them back."""
        said = Message(**{**message, "headers": tuple(message["headers"])})
        try:
            read = contents(said)
        except (OSError, ValueError) as error:
            raise NoAnswer(f"a file of the probe cannot be used: {reason(error)}") from error
        try:
            return self._request(said, read, **values)
        except NoAnswer as error:
            raise NoAnswer(read.hidden(str(error))) from None

    def _request(
        self,
        said: Message,
        read: Contents,
        ports: list[int],
        path: str,
        statuses: list[list[int]],
        secure: bool,
        seconds: float,
    ) -> Attempt:
        from .web import Request, accepted, entrance

        target = self._network.http_target(ports, secure, seconds)
        try:
            page = entrance(self._web, target, Request(path, said.verb, read.headers, read.body), statuses, seconds)
        except NotReady as error:
            if other := self._network.speaks_otherwise(target, seconds):
                raise NoAnswer(f"port {target.port} speaks {other.upper()}, and not {target.scheme.upper()}") from error
            raise
        name = f"{said.verb} " * (said.verb != "GET") + target.name(path)
        facts = {key: read.hidden(value) if isinstance(value, str) else value for key, value in page.facts().items()}
        shown = {} if read.secrets else page.excerpt()  # who is known is shown what is not for all
        seen = Observation(name, facts, once=said.writes, shown=shown)
        return Attempt(accepted(page.status, statuses), f"{name} answered {page.status}", [seen])

    def _tcp(self, port: int, seconds: float) -> Attempt:
        self._network.connect(port, seconds)
        return Attempt(True, f"port {port} took a connection", [Observation(f"tcp:{port}", {"connected": True})])

    def _crawl(self, ports: list[int], path: str, seconds: float) -> Attempt:
        from .crawl import crawl

        return crawl(self._web, self._network.http_target(ports, None, seconds), path, seconds)

    def _openapi(self, ports: list[int], path: str, write: bool, seconds: float) -> Attempt:
        from .openapi import call_all

        target = self._network.http_target(ports, None, seconds)
        return call_all(self._web, target, path, write, seconds)

    def _ports(self, ports: list[int], seconds: float) -> Attempt:
        end = time.monotonic() + seconds
        attempts = [self._port(port, end) for port in self._settled(ports, end)]
        observations = [one for attempt in attempts for one in attempt.observations]
        return Attempt(all(one.ok for one in attempts), "; ".join(one.detail for one in attempts), observations)

    def _settled(self, ports: list[int], end: float) -> list[int]:
        """The wanted ports, or all that are listened on, once one is and the others had as much time again.

        :raises NotReady: there is none yet.
        :raises NoAnswer: there is no telling which are the container's.
        """
        self._asked = self._asked or time.monotonic()
        there = self._network.listening(self._network.candidates(ports))
        if not there:
            raise NotReady(f"nobody listens on port {' or '.join(map(str, ports))}")
        if self._patience is None:
            now = time.monotonic()
            self._patience = now + min(now - self._asked + 0.1, _LONGEST_PATIENCE)
        while time.monotonic() < min(self._patience, end) and not (ports and self._network.listening(ports) == ports):
            time.sleep(_LOOK)
        return ports or self._network.open_ports()

    def _port(self, port: int, end: float) -> Attempt:
        """One port: pages where HTTP is spoken, a connection elsewhere, and a fact where nobody listens."""
        seconds = end - time.monotonic()
        try:
            target = self._network.connect(port, seconds)
        except NotReady:
            return Attempt(True, f"nobody listens on port {port}", [_spoken(port, "none")])
        spoken = self._network.protocol(target, seconds)
        if spoken == "tcp":
            return Attempt(True, f"port {port} took a connection", [_spoken(port, spoken)])
        from .crawl import crawl, missing_page

        server = Endpoint(target.address, port, spoken == "https")
        pages = crawl(self._web, server, "/", seconds, ANSWERED)
        seen = [_spoken(port, spoken), *pages.observations]
        if not pages.ok or (left := end - time.monotonic()) <= 0:
            return Attempt(pages.ok, pages.detail, seen)
        missing = missing_page(self._web, server, left)
        detail = f"{pages.detail}, and a missing page ({missing.facts['status'] or 'no answer'})"
        return Attempt(True, detail, [*seen, missing])

    def _script(self, file: str, environment: Mapping[str, str], ports: list[int], seconds: float) -> Attempt:
        from .script import run

        there = self._network.listening(ports) if ports else self._network.open_ports()
        if ports and not there:
            raise NotReady(f"nobody listens on port {' or '.join(map(str, ports))}")
        hosts = [address for port in there for address in addresses(port, listeners())]
        found = {"CNTR_HOST": hosts[0] if hosts else "127.0.0.1", "CNTR_PORTS": " ".join(map(str, there))}
        return run(file, {**environment, **found}, seconds)


def _spoken(port: int, what: str) -> Observation:
    return Observation(f"port {port}", {"protocol": what})
