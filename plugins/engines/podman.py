"""Podman, by the docker API that it serves. It has no daemon: where none of its sockets answers, its service is started
for as long as there is something to ask."""

from __future__ import annotations

import os
import resource
import select
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import ClassVar

from cntr_core import Engine, hookimpl
from cntr_core.errors import EngineError
from cntr_core.kernel.capabilities import capget, names
from cntr_core.kernel.mounts import DetachedMount
from cntr_core.kernel.process import pidfd_open, set_pdeathsig

from .docker_api import LOCAL, ApiEngine

_SOCKET = "/run/podman/podman.sock"
_PATIENCE = 10.0
"""Seconds that the service may take to start."""
_POLL = 0.005


class PodmanEngine(ApiEngine):
    """The service of ``CONTAINER_HOST``, else that of root's podman."""

    name: ClassVar[str] = "podman"
    variable: ClassVar[str] = "CONTAINER_HOST"
    api_version: ClassVar[str | None] = "1.41"  # what every podman from 3.4 to 5 serves; to ask costs 0.3 s

    @contextmanager
    def endpoint(self) -> Iterator[str]:
        chosen = os.environ.get(self.variable, "")
        if chosen and not chosen.startswith(LOCAL):
            raise EngineError(
                f"podman's host {chosen} may be another machine, whose processes cannot be entered from here",
                "run cntr on that machine, or unset CONTAINER_HOST",
            )
        if chosen or _answers(_SOCKET):
            yield chosen or LOCAL + _SOCKET
        else:
            with _service() as endpoint:
                yield endpoint

    def ulimits(self) -> Mapping[str, tuple[int, int]]:
        """Without CAP_SYS_RESOURCE nobody can have more than we have, and podman's service asks for more."""
        if "CAP_SYS_RESOURCE" in names(capget()[1]):
            return {}
        files, processes = (resource.getrlimit(kind)[1] for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC))
        with open("/proc/sys/kernel/pid_max", encoding="ascii") as file:  # to which podman lowers its own limit
            most = int(file.read())
        processes = most if processes == resource.RLIM_INFINITY else min(processes, most)
        return {"nofile": (files, files), "nproc": (processes, processes)}


def _answers(path: str) -> bool:
    with closing(socket.socket(socket.AF_UNIX)) as connection:
        try:
            connection.connect(path)
        except OSError:
            return False
    return True


@contextmanager
def _service() -> Iterator[str]:
    """The URL of a service of our own, which ends with the block or with us.

    Its socket lies in a tmpfs that is mounted nowhere, so nothing is left of it, however we end.
    """
    program = shutil.which("podman")
    if program is None:
        raise EngineError("podman is not installed", "install it, or set CONTAINER_HOST")
    if os.geteuid() != 0:
        raise EngineError("only root can ask podman for root's containers", "run cntr as root, or set CONTAINER_HOST")
    try:
        directory = DetachedMount.new("tmpfs", {"mode": "700", "size": "64k"})
    except OSError as error:
        raise EngineError(f"podman's service has no place for its socket: {error}", "run `cntr doctor`") from error
    with directory:
        path = f"/proc/self/fd/{directory.fd}/socket"
        line = [program, "system", "service", "--time=0", LOCAL + path]
        with subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[directory.fd],
            preexec_fn=lambda: set_pdeathsig(signal.SIGTERM),
        ) as process:
            try:
                _await(path, process.pid)
                yield LOCAL + path
            finally:
                process.terminate()


def _await(path: str, pid: int) -> None:
    """Until the service answers; :raises EngineError: it ends instead, or takes too long."""
    deadline = time.monotonic() + _PATIENCE
    pidfd = pidfd_open(pid)
    try:
        while not _answers(path):
            if select.select([pidfd], [], [], _POLL)[0]:
                raise EngineError("podman's service ended when it was started", "try: podman system service --time=0")
            if time.monotonic() > deadline:
                raise EngineError(f"podman's service did not start within {_PATIENCE:g} s", "see podman info")
    finally:
        os.close(pidfd)


@hookimpl
def cntr_register_engine() -> Engine:
    return PodmanEngine()
