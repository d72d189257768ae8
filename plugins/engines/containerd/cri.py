"""The Container Runtime Interface of Kubernetes, version 1: what its runtimes tell of pods and their containers.

Source: kubernetes/cri-api, pkg/apis/runtime/v1/api.proto. Served by containerd from 1.6, CRI-O from 1.23, cri-dockerd.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cntr_core import ContainerState
from cntr_core.dataclass import dataclass
from cntr_core.errors import EngineAbsent, EngineError
from cntr_core.json_text import read_json

from .grpc import Client, Refused, connected

_TABLE = {
    "VersionRequest": ("string version = 1",),
    "VersionResponse": ("string runtime_name = 2", "string runtime_version = 3"),
    "ListPodSandboxRequest": (),
    "ListPodSandboxResponse": ("repeated PodSandbox items = 1",),
    "PodSandbox": ("string id = 1", "PodSandboxMetadata metadata = 2"),
    "PodSandboxMetadata": ("string name = 1", "string namespace = 3"),
    "ListContainersRequest": (),
    "ListContainersResponse": ("repeated Container containers = 1",),
    "Container": (
        "string id = 1",
        "string pod_sandbox_id = 2",
        "ContainerMetadata metadata = 3",
        "ImageSpec image = 4",
        "int32 state = 6",
        "map<string, string> labels = 8",
    ),
    "ContainerMetadata": ("string name = 1", "uint32 attempt = 2"),
    "ImageSpec": ("string image = 1",),
    "ContainerStatusRequest": ("string container_id = 1", "bool verbose = 2"),
    "ContainerStatusResponse": ("ContainerStatus status = 1", "map<string, string> info = 2"),
    "ContainerStatus": ("string id = 1", "int32 state = 3", "ImageSpec image = 8"),
}
_STATES = {0: ContainerState.CREATED, 1: ContainerState.RUNNING, 2: ContainerState.EXITED}  # enum ContainerState


@dataclass(frozen=True, slots=True)
class PodContainer:
    """A container of a pod. `attempt` counts how often the kubelet has made it again."""

    id: str
    namespace: str
    pod: str
    name: str
    attempt: int
    state: ContainerState
    image: str
    labels: Mapping[str, str]

    @property
    def full_name(self) -> str:
        return f"{self.namespace}/{self.pod}/{self.name}"


@dataclass(frozen=True, slots=True)
class ContainerStatus:
    """What only a question about one container tells. `pid` is 0 without a process, None where no number is told."""

    pid: int | None
    image: str
    state: ContainerState


class PodRuntime:
    """A runtime of this node. Made by :func:`runtime`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def version(self) -> str:
        """Its name and version, in words."""
        answer = self._call("Version", "VersionRequest", "VersionResponse")
        return f"{answer.runtime_name} {answer.runtime_version.removeprefix('v')}"

    def containers(self) -> list[PodContainer]:
        """All containers of all pods, without the pods' own pause processes."""
        sandboxes = self._call("ListPodSandbox", "ListPodSandboxRequest", "ListPodSandboxResponse").items
        pods = {sandbox.id: sandbox.metadata for sandbox in sandboxes}
        listed = self._call("ListContainers", "ListContainersRequest", "ListContainersResponse").containers
        return [_container(one, pods[one.pod_sandbox_id]) for one in listed if one.pod_sandbox_id in pods]

    def status(self, identifier: str) -> ContainerStatus:
        """One container, by its full id."""
        fields = {"container_id": identifier, "verbose": True}
        answer = self._call("ContainerStatus", "ContainerStatusRequest", "ContainerStatusResponse", fields)
        return ContainerStatus(
            _pid(answer.info.get("info", "")),
            answer.status.image.image,
            _STATES.get(answer.status.state, ContainerState.UNKNOWN),
        )

    def _call(self, method: str, request: str, reply: str, fields: Mapping[str, Any] | None = None) -> Any:
        types = _types()
        return self._client.call(f"/runtime.v1.RuntimeService/{method}", types[request](**fields or {}), types[reply])


@contextmanager
def runtime(path: str, limit: float) -> Iterator[PodRuntime]:
    """The runtime behind the socket `path`, which has `limit` seconds for each answer.

    :raises EngineAbsent: nobody there serves the interface.
    :raises EngineError: it is not answered.
    """
    try:
        with connected("kubernetes", path, limit) as client:
            yield PodRuntime(client)
    except Refused as error:
        if error.status != "UNIMPLEMENTED":
            raise
        sentence = f"the runtime at {path} does not serve Kubernetes"
        raise EngineAbsent(sentence, "enable its CRI plugin (disabled_plugins in containerd's configuration)") from None


def _container(one: Any, pod: Any) -> PodContainer:
    return PodContainer(
        id=one.id,
        namespace=pod.namespace,
        pod=pod.name,
        name=one.metadata.name,
        attempt=one.metadata.attempt,
        state=_STATES.get(one.state, ContainerState.UNKNOWN),
        image=one.image.image,
        labels=dict(one.labels),
    )


def _pid(info: str) -> int | None:
    """The process in the JSON of a verbose answer, whose form the interface leaves to the runtimes: containerd, CRI-O
    and cri-dockerd have ``pid`` at its top (``container_status.go`` of each); an old cri-dockerd has no such answer."""
    if not info:
        return None
    try:
        return int(read_json(info)["pid"])
    except (ValueError, KeyError, TypeError):
        raise EngineError("the container's runtime reports no process", "see crictl inspect") from None


@functools.cache
def _types() -> dict[str, Any]:
    from .messages import message_types

    return message_types(_TABLE)
