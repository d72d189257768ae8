"""A containerd for tests, with sockets, root and state of its own, and with pods by its CRI plugin."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from cntr_plugins.engines.containerd.grpc import connected
from cntr_plugins.engines.containerd.messages import message_types

from tests.support.cntr import is_alive, wait_until
from tests.support.images import archive, docker_tag

# Isolated: an image that a test loads is written, and not found to be there by another test's namespace.
# Without CAP_SYS_RESOURCE the CRI plugin cannot make the OOM killer spare pods: restrict_oom_score_adj.
_CONFIGURATION = """\
version = 2
root = "{directory}/root"
state = "{directory}/state"
[grpc]
  address = "{directory}/containerd.sock"
[ttrpc]
  address = "{directory}/ttrpc.sock"
[plugins."io.containerd.metadata.v1.bolt"]
  content_sharing_policy = "isolated"
[plugins."io.containerd.internal.v1.opt"]
  path = "{directory}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  Root = "{directory}/runc"
"""
_NODE = 2  # enum NamespaceMode: the node's network, which needs no CNI

# kubernetes/cri-api, pkg/apis/runtime/v1/api.proto
_TABLE = {
    "RunPodSandboxRequest": ("PodSandboxConfig config = 1",),
    "PodSandboxConfig": ("PodSandboxMetadata metadata = 1", "LinuxPodSandboxConfig linux = 8"),
    "PodSandboxMetadata": ("string name = 1", "string uid = 2", "string namespace = 3"),
    "LinuxPodSandboxConfig": ("LinuxSandboxSecurityContext security_context = 2",),
    "LinuxSandboxSecurityContext": ("NamespaceOption namespace_options = 1",),
    "NamespaceOption": ("int32 network = 1",),
    "Sandbox": ("string pod_sandbox_id = 1",),
    "CreateContainerRequest": (
        "string pod_sandbox_id = 1",
        "ContainerConfig config = 2",
        "PodSandboxConfig sandbox_config = 3",
    ),
    "ContainerConfig": (
        "ContainerMetadata metadata = 1",
        "ImageSpec image = 2",
        "map<string, string> labels = 9",
        "LinuxContainerConfig linux = 15",
    ),
    "ContainerMetadata": ("string name = 1", "uint32 attempt = 2"),
    "ImageSpec": ("string image = 1",),
    "LinuxContainerConfig": ("LinuxContainerSecurityContext security_context = 2",),
    "LinuxContainerSecurityContext": ("NamespaceOption namespace_options = 3",),
    "Container": ("string container_id = 1", "int64 timeout = 2"),
}


class Containerd:
    """A running daemon."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.socket = f"{directory}/containerd.sock"
        self._namespaces: set[str] = set()

    def ctr(self, *arguments: str, namespace: str = "default") -> str:
        """What ``ctr`` prints, the client that comes with containerd."""
        line = ["ctr", "--address", self.socket, "--namespace", namespace, *arguments]
        run = subprocess.run(line, capture_output=True, text=True, timeout=120)
        assert run.returncode == 0, run.stderr
        return run.stdout

    def load(self, recipe: str, namespace: str = "default") -> str:
        """Take an image of tests.support.images; its name, with the host that Kubernetes wants in one."""
        name = f"docker.io/{docker_tag(recipe)}"
        if name not in self.ctr("images", "list", "--quiet", namespace=namespace).split():
            self.ctr("images", "import", archive(recipe), namespace=namespace)
            self.ctr("images", "tag", docker_tag(recipe), name, namespace=namespace)
            self.ctr("images", "remove", docker_tag(recipe), namespace=namespace)
        return name

    def largest_blob(self, namespace: str) -> str:
        """The digest of the largest blob that a namespace has: a layer."""
        store = f"{self.directory}/root/io.containerd.content.v1.content/blobs"
        digests = self.ctr("content", "list", "--quiet", namespace=namespace).split()
        return max(digests, key=lambda one: os.path.getsize(f"{store}/{one.replace(':', '/')}"))

    def run(self, name: str, *options: str, namespace: str = "default", recipe: str = "busybox") -> int:
        """Start a container in the background; its process."""
        image = self.load(recipe, namespace)
        line = ("run", "--detach", "--null-io", "--runc-root", f"{self.directory}/runc", *options, image, name)
        self.ctr(*line, namespace=namespace)
        return self.pid(name, namespace)

    def pid(self, name: str, namespace: str = "default") -> int:
        return int(self._task(name, namespace)[1])

    def _task(self, name: str, namespace: str) -> list[str]:
        """The name, process and state of a container's task."""
        lines = self.ctr("tasks", "list", namespace=namespace).splitlines()[1:]
        return next(words for words in map(str.split, lines) if words[0] == name)

    def kill(self, name: str, namespace: str = "default") -> None:
        """End a container's process; the container stays."""
        self.ctr("tasks", "kill", "--signal", "SIGKILL", name, namespace=namespace)
        wait_until(lambda: self._task(name, namespace)[2] == "STOPPED", f"{name} has ended")

    def remove(self, name: str, namespace: str = "default") -> None:
        """Remove a container that has ended."""
        self.ctr("tasks", "delete", name, namespace=namespace)
        self.ctr("containers", "delete", name, namespace=namespace)

    def remove_all(self) -> None:
        """End and remove all containers, also those of pods."""
        for namespace in self.ctr("namespaces", "list", "--quiet").split():
            for task in self.ctr("tasks", "list", "--quiet", namespace=namespace).split():
                with contextlib.suppress(AssertionError):  # it ended meanwhile
                    self.ctr("tasks", "delete", "--force", task, namespace=namespace)
            for name in self.ctr("containers", "list", "--quiet", namespace=namespace).split():
                self.ctr("containers", "delete", name, namespace=namespace)


class Pods:
    """Pods of a containerd, made as the kubelet makes them: by the Container Runtime Interface."""

    def __init__(self, containerd: Containerd) -> None:
        self._containerd = containerd
        self._types = message_types(_TABLE)
        self._image = containerd.load("busybox", "k8s.io")
        self._made: list[str] = []

    def pod(self, namespace: str, name: str) -> tuple[str, Any]:
        """Start a pod's sandbox; its id, and its configuration."""
        metadata = {"name": name, "uid": uuid.uuid4().hex, "namespace": namespace}
        config = {"metadata": metadata, "linux": {"security_context": {"namespace_options": {"network": _NODE}}}}
        made = self._call("RunPodSandbox", "RunPodSandboxRequest", "Sandbox", config=config).pod_sandbox_id
        self._made.append(made)
        return made, config

    def container(self, pod: tuple[str, Any], name: str, attempt: int = 0) -> str:
        """Start a container in a pod; its id."""
        sandbox, sandbox_config = pod
        config = {
            "metadata": {"name": name, "attempt": attempt},
            "image": {"image": self._image},
            "labels": {"io.kubernetes.container.name": name},
            "linux": {"security_context": {"namespace_options": {"network": _NODE}}},
        }
        wishes = {"pod_sandbox_id": sandbox, "config": config, "sandbox_config": sandbox_config}
        created = self._call("CreateContainer", "CreateContainerRequest", "Container", **wishes).container_id
        self._call("StartContainer", "Container", "Container", container_id=created)
        return str(created)

    def stop(self, container: str) -> None:
        """End a container; it stays."""
        self._call("StopContainer", "Container", "Container", container_id=container, timeout=0)

    def remove_all(self) -> None:
        """End and remove the pods that were made here, with all that is in them."""
        for sandbox in self._made:
            for method in ("StopPodSandbox", "RemovePodSandbox"):
                self._call(method, "Sandbox", "Sandbox", pod_sandbox_id=sandbox)

    def _call(self, method: str, request: str, reply: str, **fields: Any) -> Any:
        with connected("the test's containerd", self._containerd.socket, limit=60) as client:
            message = self._types[request](**fields)
            return client.call(f"/runtime.v1.RuntimeService/{method}", message, self._types[reply])


@contextlib.contextmanager
def running_containerd(*, pods: bool = True) -> Iterator[Containerd]:
    """A daemon of our own, which serves pods or not; at the end it is gone, with its containers and all that is its."""
    directory = tempfile.mkdtemp(prefix="cntr-test-containerd-")  # short: a socket's path has 107 bytes at most
    with open(f"{directory}/config.toml", "w") as file:
        file.write("" if pods else 'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
        file.write(_CONFIGURATION.format(directory=directory, pause=f"docker.io/{docker_tag('busybox')}"))
    line = ["containerd", "--config", f"{directory}/config.toml"]
    with open(f"{directory}/log", "wb") as log:
        process = subprocess.Popen(line, stdout=log, stderr=log)
    daemon = Containerd(directory)
    try:
        wait_until(lambda: _answers(daemon), "containerd answers")
        yield daemon
        daemon.remove_all()
    finally:
        process.terminate()
        process.wait(30)
        for pid in _shims(daemon):
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda pid=pid: not is_alive(pid), "the shim is gone")  # type: ignore[misc]
        subprocess.run(["umount", "--lazy", *_mounts(directory)], check=False, stderr=subprocess.DEVNULL, timeout=60)
        shutil.rmtree(directory)


@pytest.fixture(scope="module")
def containerd() -> Iterator[Containerd]:
    """One daemon for all tests of a module; each removes its own containers. For a module only, since it is our child:
    other tests look whether they leave some behind."""
    with running_containerd() as daemon:
        yield daemon


def _answers(daemon: Containerd) -> bool:
    line = ["ctr", "--address", daemon.socket, "--connect-timeout", "1s", "version"]
    return os.path.exists(daemon.socket) and subprocess.run(line, capture_output=True, timeout=30).returncode == 0


def _shims(daemon: Containerd) -> list[int]:
    """The daemon's shims, which outlive it: they know its address."""
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
            if daemon.socket.encode() in file.read() and is_alive(int(pid)):
                found.append(int(pid))
    return found


def _mounts(directory: str) -> list[str]:
    with open("/proc/self/mountinfo") as table:
        points = [line.split()[4] for line in table]
    return [point for point in reversed(points) if point.startswith(f"{directory}/")]
