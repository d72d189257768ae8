"""containerd, by its gRPC API: the containers of all its namespaces, also nerdctl's.

What Docker and Kubernetes keep in containerd is left to the engines of these names, which know it better: it is found
here only by ``NAMESPACE/ID``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from cntr_core import (
    Container,
    ContainerState,
    Engine,
    EngineStatus,
    ShimEntry,
    TracedContainer,
    TracingEngine,
)
from cntr_core.dataclass import dataclass
from cntr_core.engine import SILENCE
from cntr_core.errors import EngineError

from ..sockets import LOCAL, check_socket
from .grpc import Client, connected
from .namespace import ContainerdNamespace, check_pid

if TYPE_CHECKING:
    from .images import Store

_DEFAULT = "/run/containerd/containerd.sock"
_PATIENCE = 60.0
"""Seconds that containerd may take for one piece of an image, or to remove something."""
_UNPACKING = 600.0
"""Seconds that it may take to unpack a layer."""
_NERDCTL = "nerdctl/name"
_OTHERS = ("com.docker/engine.bundle.path", "io.cri-containerd.kind")
"""Labels that tell that a container is Docker's, or Kubernetes'."""

_STATES = {  # enum Status
    1: ContainerState.CREATED,
    2: ContainerState.RUNNING,
    3: ContainerState.EXITED,
    4: ContainerState.PAUSED,
    5: ContainerState.PAUSED,  # pausing
}


@dataclass(frozen=True, slots=True)
class NamedContainer:
    """A container, its namespace, the name in that namespace, and whether another engine takes care of it."""

    container: Container
    namespace: str
    name: str
    is_others: bool

    @property
    def full_name(self) -> str:
        return f"{self.namespace}/{self.name}"


class ContainerdEngine(Engine, TracingEngine):
    """The daemon of ``CONTAINERD_ADDRESS``. Names outside of the default namespace are ``NAMESPACE/NAME``."""

    name: ClassVar[str] = "containerd"

    def status(self) -> EngineStatus:
        endpoint = _endpoint()
        try:
            with self.connected(_PATIENCE) as client:
                answer = ContainerdNamespace(client).call("version.v1.Version/Version", "Empty", "VersionResponse")
        except EngineError as error:
            return EngineStatus(available=False, detail=error.message, hint=error.hint, endpoint=endpoint)
        return EngineStatus(available=True, detail=f"version {answer.version.removeprefix('v')}", endpoint=endpoint)

    def containers(self) -> Iterable[Container]:
        return [found.container for found in self._all() if not found.is_others]

    def find(self, name: str) -> Sequence[Container]:
        known = self._all()
        own = [found for found in known if not found.is_others]
        classes = (
            [found for found in known if name in (found.full_name, f"{found.namespace}/{found.container.id}")],
            [found for found in own if name == found.container.name],
            [found for found in own if name in (found.name, found.container.id)],
            [found for found in own if name and found.container.id.startswith(name)],
        )
        matches = [found.container for found in next(filter(None, classes), [])]
        for container in matches:
            if container.pid is not None:
                check_pid(container.pid, container.id, container.name)
        return matches

    def export_image(self, name: str) -> Iterable[bytes] | None:
        holder = self._holder(name)
        return None if holder is None else self._export(holder, name)

    def import_image(self, archive: Iterable[bytes]) -> None:
        with self._store(_default_namespace()) as store:
            store.take(archive)

    def image_names(self) -> Iterable[str]:
        with self._store(_default_namespace()) as store:
            return store.names()

    def remove_image(self, name: str) -> None:
        with self._store(_default_namespace()) as store:
            store.remove(name)

    def create_traced(self, image: str, entry: ShimEntry) -> TracedContainer:
        from .tracing import TaskContainer

        namespace = self._holder(image)
        if namespace is None:
            raise EngineError(f"containerd has no image {image}", "see ctr images list")
        container = TaskContainer(partial(self._space, namespace), entry.name)
        with self._space(namespace, _UNPACKING) as space:
            container.start(space, image, entry)
        return container

    def remove_traced(self, name: str) -> None:
        from .tracing import remove_directory, remove_parts

        with self.connected(_PATIENCE) as client:
            for space in _namespaces(client):
                remove_parts(space, name)
        remove_directory(name)

    def _export(self, namespace: str, name: str) -> Iterator[bytes]:
        with self._store(namespace) as store:
            yield from store.archive(name)

    def _holder(self, image: str) -> str | None:
        """The namespace that has an image, the default one first."""
        from .images import Store

        with self.connected() as client:
            spaces = sorted(_namespaces(client), key=lambda space: space.name != _default_namespace())
            return next((space.name for space in spaces if Store(space).target(image) is not None), None)

    @contextmanager
    def _space(self, namespace: str, limit: float = _PATIENCE) -> Iterator[ContainerdNamespace]:
        with self.connected(limit) as client:
            yield ContainerdNamespace(client, namespace)

    @contextmanager
    def _store(self, namespace: str) -> Iterator[Store]:
        from .images import Store

        with self._space(namespace) as space:
            yield Store(space)

    def _all(self) -> list[NamedContainer]:
        with self.connected() as client:
            return [found for space in _namespaces(client) for found in self._in(space)]

    def _in(self, space: ContainerdNamespace) -> list[NamedContainer]:
        containers = space.call("containers.v1.Containers/List", "Empty", "ListContainersResponse").containers
        tasks = {task.id: task for task in space.call("tasks.v1.Tasks/List", "Empty", "ListTasksResponse").tasks}
        return [self._found(one, tasks.get(one.id), space.name) for one in containers]

    def _found(self, one: Any, task: Any, namespace: str) -> NamedContainer:
        name = one.labels.get(_NERDCTL) or one.id
        state = _STATES.get(task.status, ContainerState.UNKNOWN) if task else ContainerState.CREATED
        alive = state in (ContainerState.RUNNING, ContainerState.PAUSED)
        container = Container(
            engine=self.name,
            id=one.id,
            name=name if namespace == _default_namespace() else f"{namespace}/{name}",
            state=state,
            pid=task.pid if alive else None,
            image=one.image,
            labels=dict(one.labels),
        )
        return NamedContainer(container, namespace, name, any(label in one.labels for label in _OTHERS))

    def check_presence(self) -> None:
        check_socket(self.name, _socket(), "start it, or set CONTAINERD_ADDRESS")

    @contextmanager
    def connected(self, limit: float = SILENCE) -> Iterator[Client]:
        """A client; `limit` is in seconds, for each call. :raises EngineError: there is no daemon to be asked."""
        self.check_presence()
        with connected(self.name, _socket(), limit) as client:
            yield client


def _socket() -> str:
    return _endpoint().removeprefix(LOCAL)


def _endpoint() -> str:
    """The socket, as ctr and nerdctl choose it."""
    return os.environ.get("CONTAINERD_ADDRESS") or _DEFAULT


def _default_namespace() -> str:
    return os.environ.get("CONTAINERD_NAMESPACE") or "default"


def _namespaces(client: Client) -> list[ContainerdNamespace]:
    listed = ContainerdNamespace(client).call("namespaces.v1.Namespaces/List", "Empty", "ListNamespacesResponse")
    return [ContainerdNamespace(client, namespace.name) for namespace in listed.namespaces]
