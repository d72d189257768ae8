"""The parent's side of the process that speaks with the container."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Self

from cntr_core.errors import CntrError, UsageError
from cntr_core.json_text import read_json
from cntr_core.kernel.child import fork
from cntr_core.kernel.process import pidfd_open
from cntr_core.kernel.syscall import owned
from cntr_core.reasons import reason

from .attempt import Attempt
from .child import serve
from .message import contents
from .spec import Crawl, Http, Manual, OpenApi, Ports, Probe, Script, Tcp

_WEB = (Http, Crawl, OpenApi, Ports)
_NETWORK = (*_WEB, Tcp, Script)
_GRACE = 5.0
"""Seconds that an answer may be late before the process is taken to hang, and that it has for its own end."""


class Prober:
    """Makes tries in the container's network. Create it *before* the container is started: what the tries need is
    loaded meanwhile. Used as a context, it leaves no process behind.

    :raises UsageError: a probe cannot work here: a script is no program, or there is no terminal for ``manual``.
    """

    def __init__(self, probes: Sequence[Probe], ports: Sequence[int] = (), may_end: Sequence[Probe] = ()) -> None:
        """`ports` are those that the image exposes; `may_end` the probes that nobody named: for them the container may
        be a job, which ends with code 0 before it answers."""
        for probe in probes:
            check(probe)
        self.probes = tuple(probes)
        self.ports = tuple(ports)
        self.may_end = tuple(may_end)
        self._pid = 0
        self._received = bytearray()
        if any(isinstance(probe, _NETWORK) for probe in probes):
            self._start()

    def _start(self) -> None:
        parent = os.getpid()
        self._sock, theirs = socket.socketpair()
        self._pid = fork(lambda: serve(theirs, parent, any(isinstance(probe, _WEB) for probe in self.probes)))
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process, with what it has started. May be called again."""
        if not self._pid:
            return
        pid, self._pid = self._pid, 0
        self._sock.close()
        try:
            os.kill(pid, signal.SIGTERM)
            with owned(pidfd_open(pid)) as pidfd:
                select.select([pidfd], [], [], _GRACE)
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def enter(self, pid: int) -> str:
        """Enter the network of a process, where there are network probes; tells why it cannot, or nothing."""
        return self.ask("enter", _GRACE, pid=pid).detail if self._pid else ""

    def ask(self, question: str, seconds: float, **values: Any) -> Attempt:
        """Have the process make one try within `seconds`.

        :raises CntrError: the process died, or hangs.
        """
        self._sock.sendall(json.dumps([question, {**values, "seconds": max(seconds, 0.001)}]).encode() + b"\n")
        end = time.monotonic() + seconds + _GRACE
        while b"\n" not in self._received:
            ready, _, _ = select.select([self._sock], [], [], max(0.0, end - time.monotonic()))
            data = self._sock.recv(1 << 16) if ready else b""
            if not data:
                what = "died" if ready else "hangs"
                raise CntrError(f"the process that probes the container {what}", "run again with --debug")
            self._received += data
        line, _, rest = bytes(self._received).partition(b"\n")
        self._received[:] = rest
        return Attempt.from_json(read_json(line))


def check(probe: Probe) -> None:
    """Find out, before anything runs, whether `probe` can work here; :raises UsageError: it cannot."""
    if isinstance(probe, Script) and not os.path.isfile(probe.file):
        raise UsageError(f"{probe} is not a file", "name a program of this machine")
    if isinstance(probe, Script) and not os.access(probe.file, os.X_OK):
        raise UsageError(f"{probe.file} is not executable", f"chmod +x {probe.file}")
    if isinstance(probe, Http):
        _check_files(probe)
    if isinstance(probe, Manual) and not os.isatty(0):
        raise UsageError("the probe manual needs a terminal", "name another probe, such as quiet:10s")


def _check_files(probe: Http) -> None:
    try:
        contents(probe.message)
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be read: {error.strerror}", "name a file behind @") from None
    except ValueError as error:
        hint = "the file of -H has lines NAME: VALUE, that of -u one line NAME:PASSWORD"
        raise UsageError(f"a file of the probe cannot be used: {reason(error)}", hint) from None
