"""Docker, by its API on a local socket."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from cntr_core.errors import EngineError
from cntr_core.reasons import reason

from ..sockets import LOCAL
from .api import PATIENCE, ApiEngine

_CONTEXTS = "see docker context ls"


class DockerEngine(ApiEngine):
    """The daemon of ``DOCKER_HOST``, or of docker's current context."""

    name: ClassVar[str] = "docker"
    variable: ClassVar[str] = "DOCKER_HOST"

    @contextmanager
    def endpoint(self) -> Iterator[str]:
        yield _endpoint()

    def remove_traced(self, name: str) -> None:
        from .compose import remove_project

        super().remove_traced(name)
        with self.connected(PATIENCE) as client:
            remove_project(client, name)


def _endpoint() -> str:
    """Where the docker command would connect to.

    :raises EngineError: it is no unix socket: the PIDs of another machine mean nothing here.
    """
    host = os.environ.get("DOCKER_HOST") or _context_host() or "unix:///var/run/docker.sock"
    host = host.replace("http+unix://", LOCAL)
    if not host.startswith(LOCAL):
        raise EngineError(
            f"docker's host {host} may be another machine, whose processes cannot be entered from here",
            "run cntr on that machine, or unset DOCKER_HOST",
        )
    return host


def _configuration() -> str:
    return os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")


def _context_host() -> str:
    """The host of the context that ``docker context use`` or DOCKER_CONTEXT chose; empty for the default one."""
    name = os.environ.get("DOCKER_CONTEXT")  # which the docker package does not look at
    if not name and not os.path.exists(os.path.join(_configuration(), "config.json")):
        return ""
    from docker.context import ContextAPI

    try:
        context = ContextAPI.get_context(name) if name else ContextAPI.get_current_context()
    except Exception as error:  # the package raises plain ones for a corrupt file
        raise EngineError(f"docker's context cannot be read ({reason(error)})", _CONTEXTS) from None
    if context is None:
        raise EngineError(f"docker has no context '{name}'" if name else "docker's context is missing", _CONTEXTS)
    return str(context.Host or "")
