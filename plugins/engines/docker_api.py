"""Docker's API, which podman speaks as well: what both engines share."""

from __future__ import annotations

import os
import time
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from cntr_core import Container, ContainerState, Engine, EngineStatus, GatedContainer, GatedEngine, GatedEntry
from cntr_core.engine import LIMIT, matching
from cntr_core.errors import EngineAbsent, EngineError
from cntr_core.kernel import procfs

if TYPE_CHECKING:
    from docker import APIClient

LOCAL = "unix://"
_PATIENCE = 600
"""Seconds of silence that an engine may take to prepare an image's archive, to unpack one, or to start a container."""
_NOTICE = 1
"""Seconds within which a daemon notices that a container has ended."""
_TRIES = 4
_PAUSE = 0.1
"""Seconds before containers are listed again."""
_STATES = {
    "created": ContainerState.CREATED,
    "running": ContainerState.RUNNING,
    "restarting": ContainerState.EXITED,  # between two runs: there is no process
    "paused": ContainerState.PAUSED,
    "exited": ContainerState.EXITED,
    "dead": ContainerState.EXITED,
    "removing": ContainerState.EXITED,
}


class ApiEngine(Engine, GatedEngine):
    """An engine behind a unix socket that speaks docker's API."""

    api_version: ClassVar[str | None] = None
    """The version to speak; None to agree on one, which costs a question."""

    variable: ClassVar[str]
    """What names the socket in the environment, for a hint."""

    @abstractmethod
    def endpoint(self) -> AbstractContextManager[str]:
        """The URL of the socket, good for the block.

        :raises EngineError: it cannot be known, or is no socket of this machine.
        """

    def ulimits(self) -> Mapping[str, tuple[int, int]]:
        """Limits that containers of ours must be given, soft and hard, by name."""
        return {}

    def status(self) -> EngineStatus:
        endpoint = ""
        try:
            with self.endpoint() as endpoint, self.client(endpoint) as client:
                version = str(client.version(api_version=False)["Version"])
        except EngineError as error:
            return EngineStatus(available=False, detail=error.message, hint=error.hint, endpoint=endpoint)
        return EngineStatus(available=True, detail=f"version {version}", endpoint=endpoint)

    def containers(self) -> Iterable[Container]:
        with self.connected() as client:
            return self.listed(client)

    def find(self, name: str) -> Sequence[Container]:
        with self.connected() as client:
            return self.found(client, name)

    def listed(self, client: APIClient) -> list[Container]:
        """All containers that `client` tells of."""
        return [self._from_list(entry) for entry in _listed(client)]

    def found(self, client: APIClient, name: str) -> list[Container]:
        """Those that answer to `name`, with their PIDs."""
        return [self._inspected(client, match) for match in matching(name, self.listed(client))]

    def export_image(self, name: str) -> Iterable[bytes] | None:
        with self.connected() as client:
            if not _has_image(client, name):
                return None
        return self._export(name)

    def import_image(self, archive: Iterable[bytes]) -> None:
        with self.connected(_PATIENCE) as client:
            said = list(client.load_image(iter(archive), quiet=True))  # type: ignore[no-untyped-call]  # as in _has_image
        errors = [one["error"] for one in said if "error" in one]
        if errors or not said:
            reason = errors[0] if errors else "it loads nothing"
            raise EngineError(f"{self.name} does not take the image: {reason}", "see the daemon's log")

    def remove_image(self, name: str) -> None:
        from docker.errors import ImageNotFound

        with self.connected(_PATIENCE) as client:
            try:
                client.remove_image(name)
            except ImageNotFound:
                return

    def create_gated(self, image: str, entry: GatedEntry) -> GatedContainer:
        from .docker_gated import ApiContainer

        with ExitStack() as stack:
            endpoint = stack.enter_context(self.endpoint())
            container = ApiContainer(self, endpoint, entry.name)
            container.start(image, entry)
            container.owned = stack.pop_all()
            return container

    def remove_gated(self, name: str) -> None:
        with self.connected(_PATIENCE) as client:
            remove_container(client, name)

    @contextmanager
    def connected(self, timeout: float = LIMIT) -> Iterator[APIClient]:
        """A client, wherever the socket is; as :meth:`client`."""
        with self.endpoint() as endpoint, self.client(endpoint, timeout) as client:
            yield client

    @contextmanager
    def client(self, endpoint: str, timeout: float = LIMIT) -> Iterator[APIClient]:
        """A client of the API, whose errors become one sentence each; `timeout` is in seconds of silence."""
        path = endpoint.removeprefix(LOCAL)
        check_socket(self.name, path, f"start it, or set {self.variable}")
        from docker import APIClient  # 150 ms, and only worth them where there is somebody to ask
        from docker.errors import APIError, DockerException
        from requests.exceptions import RequestException

        try:
            client = APIClient(base_url=endpoint, version=self.api_version, timeout=int(timeout))
            try:
                yield client
            finally:
                client.close()
        except APIError as error:
            raise EngineError(f"{self.name} refused: {error.explanation or error}", "see the daemon's log") from None
        except (DockerException, RequestException) as error:
            raise self._unanswered(path, error) from None
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._nonsense(error) from None

    def _unanswered(self, path: str, error: Exception) -> EngineError:
        """The innermost reason of a failed request, without the layers that wrap it."""
        innermost: BaseException = error
        while cause := innermost.__cause__ or innermost.__context__:
            if isinstance(cause, (KeyError, ValueError)):
                return self._nonsense(cause)
            innermost = cause
        reason = getattr(innermost, "strerror", None) or str(innermost) or type(innermost).__name__
        sentence = f"{self.name} does not answer at {path} ({reason:.100})"
        return EngineError(sentence, "look whether it runs, and see its log")

    def _nonsense(self, error: BaseException) -> EngineError:
        text = f"{self.name}'s answer cannot be understood ({type(error).__name__}: {error!s:.60})"
        return EngineError(text, "look which program serves that socket")

    def _from_list(self, entry: dict[str, Any]) -> Container:
        names = [name.removeprefix("/") for name in entry["Names"] or []]
        return Container(
            engine=self.name,
            id=entry["Id"],
            # Links of other containers are names as well, with a slash inside.
            name=next((name for name in names if "/" not in name), ""),
            state=_STATES.get(entry["State"], ContainerState.UNKNOWN),
            image=entry["Image"],
            labels=dict(entry["Labels"] or {}),
        )

    def _inspected(self, client: APIClient, listed: Container) -> Container:
        """The container with its PID, which only an inspection tells."""
        details = client.inspect_container(listed.id)
        told = details["State"]
        pid = self.checked_pid(client, int(told["Pid"]), listed.id, listed.name)
        state = _STATES.get(told["Status"], ContainerState.UNKNOWN)
        return Container(
            engine=listed.engine,
            id=listed.id,
            name=listed.name,
            state=ContainerState.EXITED if told["Pid"] and pid is None else state,
            pid=pid,
            # Podman's Image here is the one that was asked for, too.
            image=str(details["Config"]["Image"]),
            labels=dict(details["Config"].get("Labels") or {}),
        )

    def checked_pid(self, client: APIClient, pid: int, container: str, name: str) -> int | None:
        """The process `pid` that the daemon told of the container with that full id; None where that was 0, or the
        container has ended meanwhile.

        :raises EngineError: the container runs, and `pid` is something else on this machine.
        """
        from docker.errors import NotFound
        from requests.exceptions import RequestException

        if not pid or is_ours(pid, container):
            return pid or None
        try:
            client.wait(container, timeout=_NOTICE)
        except NotFound:
            return None
        except RequestException:  # it has not ended
            raise EngineError(
                f"{self.name} says that {name} is process {pid}, which is something else on this machine",
                "run cntr where the daemon runs: on its machine, outside of any container",
            ) from None
        return None

    def _export(self, name: str) -> Iterator[bytes]:
        with self.connected(_PATIENCE) as client:
            yield from client.get_image(name)


def check_socket(engine: str, path: str, hint: str) -> None:
    """Whether somebody may serve at `path`.

    :raises EngineAbsent: there is no socket; `hint` is the next step.
    :raises EngineError: it may not be opened.
    """
    if not os.path.exists(path):
        raise EngineAbsent(f"{engine} is not running (no socket at {path})", hint)
    if not os.access(path, os.R_OK | os.W_OK):
        raise EngineError(f"{engine}'s socket {path} may not be opened", "run cntr as root, for example with sudo")


def is_ours(pid: int, container: str) -> bool:
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


def _listed(client: APIClient) -> list[dict[str, Any]]:
    """All containers. Podman fails where one comes or goes just then, and does not a moment later."""
    from docker.errors import APIError

    for _ in range(_TRIES - 1):
        try:
            return list(client.containers(all=True))
        except APIError as error:
            if not error.is_server_error():
                raise
        time.sleep(_PAUSE)
    return list(client.containers(all=True))


def _has_image(client: APIClient, name: str) -> bool:
    from docker.errors import APIError

    try:
        client.inspect_image(name)  # type: ignore[no-untyped-call]  # types-docker has no annotation for it
    except APIError as error:
        # No image could have such a name: docker says so by 400, podman in words.
        if error.status_code in (400, 404) or "invalid reference" in str(error.explanation):
            return False
        raise
    return True


def remove_container(client: APIClient, name: str) -> None:
    """End and remove a container with its nameless volumes; nothing happens where it is unknown."""
    from docker.errors import NotFound

    try:
        client.remove_container(name, v=True, force=True)
    except NotFound:
        return
