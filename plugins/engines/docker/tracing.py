"""A container behind docker's API that was started to be traced."""

from __future__ import annotations

import logging
import math
import os
import select
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from cntr_core import ShimEntry, TracedContainer, TracingOptions
from cntr_core.dataclass import replace
from cntr_core.engine.tracing import NEVER_ENDS
from cntr_core.errors import EngineError, UsageError
from cntr_core.kernel.process import pidfd_open
from cntr_core.timing import timed

from ..sockets import LOCAL
from .client import ApiClient, remove_container
from .compose import remove_project, start_service
from .execute import run_exec

if TYPE_CHECKING:
    from docker import APIClient

_log = logging.getLogger(__name__)

_LARGEST_LOG = "32m"
"""What is kept of a container's output, of its end."""
_DEATH = 5.0
"""Seconds between the engine's word that a container was ended and its end."""
_PATIENCE = 60.0
"""Seconds of silence that the engine may take to create, start or remove a container."""


class ApiContainer(TracedContainer):
    """The container `name` of an engine; `owned` is given up when it is removed."""

    def __init__(self, engine: ApiClient, endpoint: str, name: str) -> None:
        self._engine = engine
        self._endpoint = endpoint
        self._name = name
        self._pid = 0
        self._pidfd = -1
        self._code: int | None = None
        self._is_service = False
        self.owned = ExitStack()

    def start(self, image: str, entry: ShimEntry) -> None:
        """Create it, start it, and find its process; :raises EngineError: one of that fails."""
        with (
            self._engine.client(self._endpoint, _PATIENCE) as client,
            self._engine.profile_value(entry.options.seccomp) as profile,
        ):
            if entry.options.compose:
                self._is_service = True
                start_service(entry.options.compose, self._endpoint, image, entry)
            else:
                entry = replace(entry, options=replace(entry.options, seccomp=profile))
                client.start(client.create_container(**_creation(self._engine, client, image, entry))["Id"])
            made = client.inspect_container(self._name)
            _log.debug("started %s as %s", self._name, made["Id"])
            self._pid = self._engine.checked_pid(self._endpoint, int(made["State"]["Pid"]), made["Id"], self._name) or 0
        try:
            self._pidfd = pidfd_open(self._pid)
        except OSError:  # 0, or gone meanwhile
            words = self.logs().decode(errors="replace").strip()
            raise EngineError(f"the container ended before its program ran: {words or 'no output'}") from None

    @property
    def pid(self) -> int:
        return self._pid

    def ended(self) -> int | None:
        if self._code is None and select.select([self._pidfd], [], [], 0)[0]:
            with self._engine.client(self._endpoint, _PATIENCE) as client:
                self._code = int(client.wait(self._name)["StatusCode"])
        return self._code

    def execute(self, command: Sequence[str], timeout: float) -> tuple[int, bytes, bytes]:
        deadline = time.monotonic() + timeout
        with self._engine.client(self._endpoint, _PATIENCE) as client:
            identifier = client.exec_create(self._name, list(command))["Id"]
            path = self._endpoint.removeprefix(LOCAL)
            try:
                stdout, stderr = run_exec(path, str(client.api_version), identifier, deadline)
            except TimeoutError:
                self._kill(int(client.exec_inspect(identifier)["Pid"]))
                raise TimeoutError(f"{command[0]} did not end within {timeout:g} s") from None
            return int(client.exec_inspect(identifier)["ExitCode"]), stdout, stderr

    def _kill(self, pid: int) -> None:
        """Kill a process, if it is one of the container's: what was executed may have ended just now."""
        namespace = "/proc/{}/ns/pid"
        with suppress(OSError):
            if pid and os.path.samefile(namespace.format(pid), namespace.format(self._pid)):
                os.kill(pid, signal.SIGKILL)

    def logs(self) -> bytes:
        with self._engine.client(self._endpoint, _PATIENCE) as client:
            return bytes(client.logs(self._name, stdout=True, stderr=True))

    def stop(self, timeout: float) -> int:
        limit = timeout + _PATIENCE
        with timed(_log, "stop %s", self._name), self._engine.client(self._endpoint, limit) as client:
            client.stop(self._name, timeout=math.ceil(timeout))
        select.select([self._pidfd], [], [], _DEATH)  # podman answers when it has sent SIGKILL
        code = self.ended()
        if code is None:
            raise EngineError(*NEVER_ENDS)
        return code

    def remove(self) -> None:
        with self.owned:
            if self._pidfd >= 0:
                os.close(self._pidfd)
                self._pidfd = -1
            with self._engine.client(self._endpoint, _PATIENCE) as client:
                remove_container(client, self._name)
                if self._is_service:
                    remove_project(client, self._name)


def _creation(engine: ApiClient, client: APIClient, image: str, entry: ShimEntry) -> dict[str, Any]:
    """The arguments of the docker package's call that creates the container.

    Where an entrypoint is given the image's command does not count, and everything else of the image does.
    """
    options = entry.options
    ports = _port_bindings(options.publish)
    return {
        "image": image,
        "name": entry.name,
        "hostname": entry.hostname,
        "command": [],
        "entrypoint": list(entry.arguments),
        "environment": list(options.environment),
        "user": options.user or None,
        "working_dir": options.working_dir or None,
        "labels": dict(entry.labels),
        "ports": [tuple(port.split("/")) for port in ports],
        "volumes": [volume for volume in options.volumes if ":" not in volume],
        "host_config": _host_config(engine, client, entry, ports),
    }


def _port_bindings(publish: Sequence[str]) -> Any:
    from docker.utils.ports import build_port_bindings

    try:
        return build_port_bindings(list(publish))
    except ValueError as error:
        raise UsageError(f"a port cannot be published: {error}", "write [[IP:]PORT:]CONTAINERPORT") from None


def _host_config(
    engine: ApiClient, client: APIClient, entry: ShimEntry, ports: Mapping[int | str, Any]
) -> Mapping[str, Any]:
    from docker.types import LogConfig, Ulimit

    options = entry.options
    return client.create_host_config(
        binds=[f"{entry.directory}:{entry.target}:ro", *(v for v in options.volumes if ":" in v)],
        port_bindings=ports,
        ulimits=[Ulimit(name=name, soft=soft, hard=hard) for name, (soft, hard) in engine.ulimits().items()],
        # Whatever the daemon's default is: its log is read again, and must not fill its disk.
        log_config=LogConfig(type=LogConfig.types.JSON, config={"max-size": _LARGEST_LOG}),
        **_chosen_options(options),
    )


def _chosen_options(options: TracingOptions) -> dict[str, Any]:
    """What stays the engine's own default where the user says nothing."""
    chosen = {
        "network_mode": options.network or None,
        "tmpfs": {path: rest for path, _, rest in (text.partition(":") for text in options.tmpfs)} or None,
        "read_only": options.read_only or None,
        "init": options.init or None,
        "security_opt": [f"seccomp={options.seccomp}"] if options.seccomp else None,
    }
    return {name: value for name, value in chosen.items() if value is not None}
