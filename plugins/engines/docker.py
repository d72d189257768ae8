"""Docker, by its API on a local socket."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from cntr_core import Container, ContainerState, Engine, EngineStatus, hookimpl
from cntr_core.engine import LIMIT, matching
from cntr_core.errors import EngineError
from cntr_core.kernel import procfs

if TYPE_CHECKING:
    from docker import APIClient

_LOCAL = "unix://"
_CONTEXTS = "see docker context ls"
_ARCHIVE_LIMIT = 600
"""Seconds of silence that docker may take to prepare an image's archive, or to unpack one."""
_STATES = {
    "created": ContainerState.CREATED,
    "running": ContainerState.RUNNING,
    "restarting": ContainerState.EXITED,  # between two runs: there is no process
    "paused": ContainerState.PAUSED,
    "exited": ContainerState.EXITED,
    "dead": ContainerState.EXITED,
    "removing": ContainerState.EXITED,
}


class DockerEngine(Engine):
    """The daemon of ``DOCKER_HOST``, or of docker's current context."""

    name: ClassVar[str] = "docker"

    def status(self) -> EngineStatus:
        endpoint = ""
        try:
            endpoint = _endpoint()
            with _client(endpoint) as client:
                version = str(client.version(api_version=False)["Version"])
        except EngineError as error:
            return EngineStatus(available=False, detail=error.message, hint=error.hint, endpoint=endpoint)
        return EngineStatus(available=True, detail=f"version {version}", endpoint=endpoint)

    def containers(self) -> Iterable[Container]:
        with _client(_endpoint()) as client:
            return [_from_list(entry) for entry in client.containers(all=True)]

    def find(self, name: str) -> Sequence[Container]:
        with _client(_endpoint()) as client:
            listed = [_from_list(entry) for entry in client.containers(all=True)]
            return [_inspected(client, match) for match in matching(name, listed)]

    def export_image(self, name: str) -> Iterable[bytes] | None:
        with _client(_endpoint()) as client:
            if not _has_image(client, name):
                return None
        return _export(name)

    def import_image(self, archive: Iterable[bytes]) -> None:
        with _client(_endpoint(), timeout=_ARCHIVE_LIMIT) as client:
            said = list(client.load_image(iter(archive), quiet=True))  # type: ignore[no-untyped-call]  # as in _has_image
        errors = [one["error"] for one in said if "error" in one]
        if errors or not said:
            reason = errors[0] if errors else "it loads nothing"
            raise EngineError(f"docker does not take the image: {reason}", "see the daemon's log")


def _endpoint() -> str:
    """Where the docker command would connect to.

    :raises EngineError: it is no unix socket: the PIDs of another machine mean nothing here.
    """
    host = os.environ.get("DOCKER_HOST") or _context_host() or "unix:///var/run/docker.sock"
    host = host.replace("http+unix://", _LOCAL)
    if not host.startswith(_LOCAL):
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
        raise EngineError(f"docker's context cannot be read ({error})", _CONTEXTS) from None
    if context is None:
        raise EngineError(f"docker has no context '{name}'" if name else "docker's context is missing", _CONTEXTS)
    return str(context.Host or "")


@contextmanager
def _client(endpoint: str, timeout: int = int(LIMIT)) -> Iterator[APIClient]:
    """A client of the API, whose errors become one sentence each."""
    path = endpoint.removeprefix(_LOCAL)
    if not os.path.exists(path):
        raise EngineError(f"docker is not running (no socket at {path})", "start it, or set DOCKER_HOST")
    if not os.access(path, os.R_OK | os.W_OK):
        raise EngineError(f"docker's socket {path} may not be opened", "run cntr as root, for example with sudo")
    from docker import APIClient  # 150 ms, and only worth them where there is somebody to ask
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException

    try:
        client = APIClient(base_url=endpoint, timeout=timeout)
        try:
            yield client
        finally:
            client.close()
    except APIError as error:
        raise EngineError(f"docker refused: {error.explanation or error}", "see the daemon's log") from None
    except (DockerException, RequestException) as error:
        raise _unanswered(path, error) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _nonsense(error) from None


def _unanswered(path: str, error: Exception) -> EngineError:
    """The innermost reason of a failed request, without the layers that wrap it."""
    innermost: BaseException = error
    while cause := innermost.__cause__ or innermost.__context__:
        if isinstance(cause, (KeyError, ValueError)):
            return _nonsense(cause)
        innermost = cause
    reason = getattr(innermost, "strerror", None) or str(innermost) or type(innermost).__name__
    return EngineError(f"docker does not answer at {path} ({reason:.100})", "look whether it runs, and see its log")


def _nonsense(error: BaseException) -> EngineError:
    text = f"docker's answer cannot be understood ({type(error).__name__}: {error!s:.60})"
    return EngineError(text, "look which program serves that socket")


def _from_list(entry: dict[str, Any]) -> Container:
    names = [name.removeprefix("/") for name in entry["Names"] or []]
    return Container(
        engine=DockerEngine.name,
        id=entry["Id"],
        # Links of other containers are names as well, with a slash inside.
        name=next((name for name in names if "/" not in name), ""),
        state=_STATES.get(entry["State"], ContainerState.UNKNOWN),
        image=entry["Image"],
        labels=dict(entry["Labels"] or {}),
    )


def _inspected(client: APIClient, listed: Container) -> Container:
    """The container with its PID, which only an inspection tells."""
    details = client.inspect_container(listed.id)
    state = details["State"]
    pid = int(state["Pid"]) or None
    if pid is not None and not _is_ours(pid, listed.id):
        raise EngineError(
            f"docker says that {listed.name} is process {pid}, which is something else on this machine",
            "run cntr where the daemon runs: on its machine, outside of any container",
        )
    return Container(
        engine=listed.engine,
        id=listed.id,
        name=listed.name,
        state=_STATES.get(state["Status"], ContainerState.UNKNOWN),
        pid=pid,
        image=str(details["Config"]["Image"]),
        labels=dict(details["Config"].get("Labels") or {}),
    )


def _is_ours(pid: int, container: str) -> bool:
    """Whether process `pid` of this machine belongs to the container: its cgroup or its mounts name the id."""
    try:
        directory = procfs.open_process(pid)
    except FileNotFoundError:
        return False
    try:
        return any(container.encode() in procfs.read(directory, name) for name in ("cgroup", "mountinfo"))
    except OSError:
        return True  # it may not be looked into, and the session will say so
    finally:
        os.close(directory)


def _has_image(client: APIClient, name: str) -> bool:
    from docker.errors import APIError

    try:
        client.inspect_image(name)  # type: ignore[no-untyped-call]  # types-docker has no annotation for it
    except APIError as error:
        if error.status_code in (400, 404):  # 400: no image could have such a name
            return False
        raise
    return True


def _export(name: str) -> Iterator[bytes]:
    with _client(_endpoint(), timeout=_ARCHIVE_LIMIT) as client:
        yield from client.get_image(name)


@hookimpl
def cntr_register_engine() -> Engine:
    return DockerEngine()
