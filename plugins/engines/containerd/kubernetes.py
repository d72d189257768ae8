"""The pods of this node, by the Container Runtime Interface: the kubelet's own way to its containers.

Names are ``[NAMESPACE/]POD[/CONTAINER]``. No cluster is asked, so it works without one, and on a node that lost it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, TypeVar

from cntr_core import Container, Engine, EngineStatus, hookimpl
from cntr_core.engine import LIMIT, SILENCE
from cntr_core.errors import EngineAbsent, EngineError

from ..docker.engine import DockerEngine
from ..processes import is_ours
from ..sockets import LOCAL, check_socket

if TYPE_CHECKING:
    from .cri import PodContainer, PodRuntime

T = TypeVar("T")

_SOCKETS = (
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/cri-dockerd.sock",
    "/run/k3s/containerd/containerd.sock",
)
_CRICTL = "/etc/crictl.yaml"
_ENDPOINT = re.compile(r"^runtime-endpoint:\s*['\"]?(?P<url>[^'\"\s#]+)", re.MULTILINE)


class KubernetesEngine(Engine):
    """The runtime of ``CONTAINER_RUNTIME_ENDPOINT`` or of crictl's configuration, else all behind the usual sockets."""

    name: ClassVar[str] = "kubernetes"

    def check_presence(self) -> None:
        _check_socket(_paths()[0])

    def status(self) -> EngineStatus:
        paths = _paths()
        endpoint = ", ".join(LOCAL + path for path in paths)
        try:
            versions = _of_each(lambda runtime: runtime.version(), paths)
        except EngineError as error:
            return EngineStatus(available=False, detail=error.message, hint=error.hint, endpoint=endpoint)
        return EngineStatus(available=True, detail=", ".join(versions), endpoint=endpoint)

    def containers(self) -> Iterable[Container]:
        lists = _of_each(lambda runtime: [self._listed(one) for one in runtime.containers()], _paths())
        return [container for found in lists for container in found]

    def find(self, name: str) -> Sequence[Container]:
        lists = _of_each(lambda runtime: self._found(runtime, name), _paths())
        return [container for found in lists for container in found]

    def _found(self, runtime: PodRuntime, name: str) -> list[Container]:
        return [self._inspected(runtime, one) for one in named(name, runtime.containers())]

    def _listed(self, one: PodContainer) -> Container:
        return Container(self.name, one.id, one.full_name, one.state, image=one.image, labels=one.labels)

    def _inspected(self, runtime: PodRuntime, one: PodContainer) -> Container:
        """The container with its process, which only its status tells."""
        status = runtime.status(one.id)
        pid = _docker_pid(one.id) if status.pid is None else status.pid
        if pid and not is_ours(pid, one.id):
            raise EngineError(
                f"the runtime reports process {pid} for {one.full_name}, which is another process on this machine",
                "run cntr on the pod's node, outside of any container",
            )
        image = status.image or one.image
        return Container(self.name, one.id, one.full_name, status.state, pid or None, image, one.labels)


def named(name: str, containers: Sequence[PodContainer]) -> list[PodContainer]:
    """Those that answer to ``[NAMESPACE/]POD[/CONTAINER]`` or a full id, else to the beginning of an id.

    Of a container that was made again the youngest counts: the kubelet keeps the dead one before it for its log.
    """
    exact = [one for one in containers if name == one.id or name in _names(one)]
    found = exact or [one for one in containers if name and one.id.startswith(name)]
    youngest = {one.full_name: one for one in sorted(found, key=lambda one: one.attempt)}
    return found if name in [one.id for one in found] else list(youngest.values())


def _names(one: PodContainer) -> tuple[str, ...]:
    in_pod = f"{one.pod}/{one.name}"
    return one.pod, in_pod, f"{one.namespace}/{one.pod}", f"{one.namespace}/{in_pod}"


def _docker_pid(container: str) -> int | None:
    """An old cri-dockerd tells no process; Docker, whose container it is, does."""
    return next((found.pid for found in DockerEngine().find(container)), None)


def _of_each(question: Callable[[PodRuntime], T], paths: Sequence[str]) -> list[T]:
    """The answers of all runtimes that have one. Several share the time of an engine: a silent one loses its part.

    :raises EngineError: none has; the error is that of the first which is there.
    """
    from .cri import runtime

    answers: list[T] = []
    errors: list[EngineError] = []
    for path in paths:
        try:
            _check_socket(path)
            with runtime(path, LIMIT / len(paths) if len(paths) > 1 else SILENCE) as serving:
                answers.append(question(serving))
        except EngineError as error:
            errors.append(error)
    if not answers:
        raise next((error for error in errors if not isinstance(error, EngineAbsent)), errors[0])
    return answers


def _check_socket(path: str) -> None:
    check_socket(KubernetesEngine.name, path, "start the node's container runtime")


def _paths() -> Sequence[str]:
    """The sockets to ask, at least one."""
    chosen = os.environ.get("CONTAINER_RUNTIME_ENDPOINT") or _of_crictl()
    if chosen:
        return [chosen.removeprefix(LOCAL)]
    return [path for path in _SOCKETS if os.path.exists(path)] or _SOCKETS[:1]


def _of_crictl() -> str:
    try:
        with open(_CRICTL, encoding="utf-8", errors="replace") as file:
            match = _ENDPOINT.search(file.read())
    except OSError:
        return ""
    return match["url"] if match else ""


@hookimpl
def cntr_register_engine() -> Engine:
    return KubernetesEngine()
