"""A session is the same in the containers of every built-in engine: the contract that is shipped for others."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Iterator

import pytest

from tests.support.cntr import children, docker_pid, output, wait_until
from tests.support.containerd import Containerd, Pods
from tests.support.engines import OfTarget, Running
from tests.support.images import docker_image
from tests.support.podman import podman, podman_environment, podman_image


def new_name() -> str:
    return f"cntr-test-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="module")
def docker_target() -> Iterator[Running]:
    name = new_name()
    line = ["docker", "run", "--detach", "--name", name, docker_image("busybox")]
    subprocess.run(line, check=True, capture_output=True, timeout=60)
    yield Running(f"docker://{name}", docker_pid(name))
    subprocess.run(["docker", "rm", "--force", name], check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def podman_target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    name = new_name()
    with podman_environment(os.fspath(tmp_path_factory.mktemp("podman"))):
        podman("run", "--detach", "--name", name, podman_image("busybox"))
        yield Running(f"podman://{name}", int(podman("inspect", "--format", "{{.State.Pid}}", name)))
        podman("rm", "--force", "--time", "0", name)


@pytest.fixture(scope="module")
def oci_target(tmp_path_factory: pytest.TempPathFactory, busybox_archive: str) -> Iterator[Running]:
    name = new_name()
    state = os.fspath(tmp_path_factory.mktemp("oci"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CNTR_STATE_DIR", state)
        output("run", "--detach", "--name", name, busybox_archive)
        with open(f"{state}/{name}/state.json") as file:
            pid = int(json.load(file)["pid"])
        yield Running(f"oci://{name}", pid)
        output("stop", "--timeout", "0", name)


@pytest.fixture(scope="module")
def pid_target() -> Iterator[Running]:
    """A process in namespaces of its own, which no engine knows."""
    kinds = ("--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--uts", "--ipc", "--net", "--cgroup")
    with subprocess.Popen(["unshare", *kinds, "sleep", "1000000"]) as process:
        try:
            wait_until(lambda: children(process.pid), "unshare has forked")
            [pid] = children(process.pid)
            wait_until(lambda: os.readlink(f"/proc/{pid}/exe").endswith("sleep"), "its command runs")
            yield Running(f"pid://{pid}", pid)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def containerd_target(containerd: Containerd) -> Iterator[Running]:
    """In a namespace of its own, as the names of other tools' containers."""
    name = new_name()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTAINERD_ADDRESS", containerd.socket)
        yield Running(f"containerd://cntr-test/{name}", containerd.run(name, namespace="cntr-test"))
    containerd.kill(name, "cntr-test")
    containerd.remove(name, "cntr-test")


@pytest.fixture(scope="module")
def kubernetes_target(containerd: Containerd) -> Iterator[Running]:
    """A container in a pod with its own sandbox, by containerd's CRI plugin."""
    pods = Pods(containerd)
    name = new_name()
    pod = pods.pod("cntr-test", name)
    container = pods.container(pod, "main")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTAINER_RUNTIME_ENDPOINT", f"unix://{containerd.socket}")
        yield Running(f"kubernetes://cntr-test/{name}/main", containerd.pid(container, "k8s.io"))
    pods.remove_all()


class OfBusybox(OfTarget):
    """The image of tests.support.images that holds nothing but /bin/busybox."""

    shell = ("/bin/busybox", "sh")
    writable = "/dev"


@pytest.mark.requires("root", "fuse", "docker", "docker-cli", "busybox")
class TestDocker(OfBusybox):
    container = "docker"

    @pytest.fixture
    def target(self, docker_target: Running) -> Running:
        return docker_target


@pytest.mark.requires("root", "fuse", "podman", "runc", "busybox")
class TestPodman(OfBusybox):
    container = "podman"

    @pytest.fixture
    def target(self, podman_target: Running) -> Running:
        return podman_target


@pytest.mark.requires("root", "fuse", "containerd", "runc", "busybox")
class TestContainerd(OfBusybox):
    container = "containerd"

    @pytest.fixture
    def target(self, containerd_target: Running) -> Running:
        return containerd_target


@pytest.mark.requires("root", "fuse", "containerd", "runc", "busybox")
class TestKubernetes(OfBusybox):
    container = "kubernetes"

    @pytest.fixture
    def target(self, kubernetes_target: Running) -> Running:
        return kubernetes_target


@pytest.mark.requires("root", "fuse", "runc", "mmdebstrap", "busybox")
class TestOci(OfBusybox):
    container = "oci"

    @pytest.fixture
    def target(self, oci_target: Running) -> Running:
        return oci_target


@pytest.mark.requires("root", "fuse", "unshare", "busybox")
class TestPid(OfBusybox):
    container = "pid"
    shell = ("/bin/sh",)
    writable = "/tmp"

    @pytest.fixture
    def target(self, pid_target: Running) -> Running:
        return pid_target
