"""The kubernetes engine with the CRI plugin of a real containerd: pods made as the kubelet makes them."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest
from cntr_plugins.engines.containerd import kubernetes
from cntr_plugins.engines.containerd.kubernetes import KubernetesEngine

from cntr_core import Container, ContainerRef, ContainerState, Engine
from cntr_core.engine import find, resolve
from cntr_core.errors import AmbiguousContainer, ContainerNotRunning, EngineError
from cntr_core.testing import EngineContract
from tests.support.cntr import output
from tests.support.containerd import Containerd, Pods, running_containerd

pytestmark = pytest.mark.requires("root", "containerd", "runc", "busybox")


@pytest.fixture(autouse=True)
def pods(containerd: Containerd, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pods]:
    monkeypatch.setenv("CONTAINER_RUNTIME_ENDPOINT", f"unix://{containerd.socket}")
    made = Pods(containerd)
    yield made
    made.remove_all()


@pytest.fixture
def pod() -> str:
    return f"pod-{uuid.uuid4().hex[:10]}"


def _find(text: str) -> Container:
    return find(ContainerRef.parse(text), [KubernetesEngine()])


class TestContract(EngineContract):
    @pytest.fixture
    def engine(self, pods: Pods) -> Engine:  # noqa: ARG002 - it sets the environment
        return KubernetesEngine()

    @pytest.fixture
    def running(self, pods: Pods, pod: str) -> str:
        pods.container(pods.pod("shop", pod), "main")
        return f"shop/{pod}/main"

    @pytest.fixture
    def absent(self, monkeypatch: pytest.MonkeyPatch) -> Engine:
        monkeypatch.setenv("CONTAINER_RUNTIME_ENDPOINT", "unix:///no/such.sock")
        return KubernetesEngine()


def test_the_runtime_tells_its_version(containerd: Containerd) -> None:
    status = KubernetesEngine().status()
    assert status.available
    assert status.detail.startswith("containerd 1.") or status.detail.startswith("containerd 2.")
    assert status.endpoint == f"unix://{containerd.socket}"


def test_a_container_is_found_by_every_part_of_its_name(containerd: Containerd, pods: Pods, pod: str) -> None:
    identifier = pods.container(pods.pod("shop", pod), "main")
    pid = containerd.pid(identifier, "k8s.io")
    for name in (pod, f"{pod}/main", f"shop/{pod}", f"shop/{pod}/main", identifier, identifier[:12]):
        found = _find(f"kubernetes://{name}")
        assert (found.id, found.name, found.pid) == (identifier, f"shop/{pod}/main", pid)
    assert found.state is ContainerState.RUNNING
    assert found.image == containerd.load("busybox", "k8s.io")
    assert found.labels["io.kubernetes.container.name"] == "main"
    for name in ("main", "shop", f"other/{pod}", f"{pod}/other", "shop//main"):
        assert KubernetesEngine().find(name) == []


def test_a_pod_of_two_containers_wants_a_choice(pods: Pods, pod: str) -> None:
    sandbox = pods.pod("shop", pod)
    for name in ("main", "sidecar"):
        pods.container(sandbox, name)
    with pytest.raises(AmbiguousContainer) as caught:
        _find(pod)
    assert f"kubernetes://shop/{pod}/main, kubernetes://shop/{pod}/sidecar" in caught.value.hint
    assert _find(f"{pod}/sidecar").name == f"shop/{pod}/sidecar"


def test_a_pod_name_in_two_namespaces_wants_a_choice(pods: Pods, pod: str) -> None:
    for namespace in ("one", "two"):
        pods.container(pods.pod(namespace, pod), "main")
    with pytest.raises(AmbiguousContainer) as caught:
        _find(f"{pod}/main")
    assert f"kubernetes://one/{pod}/main, kubernetes://two/{pod}/main" in caught.value.hint


def test_of_a_container_that_was_made_again_the_youngest_counts(pods: Pods, pod: str) -> None:
    sandbox = pods.pod("shop", pod)
    first = pods.container(sandbox, "main")
    pods.stop(first)
    second = pods.container(sandbox, "main", attempt=1)
    assert _find(pod).id == second
    assert _find(first).state is ContainerState.EXITED, "by its id the dead one is still reached"
    states = {c.id: c.state for c in KubernetesEngine().containers()}
    assert states == {first: ContainerState.EXITED, second: ContainerState.RUNNING}


def test_a_container_that_has_ended_says_so(pods: Pods, pod: str) -> None:
    pods.stop(pods.container(pods.pod("shop", pod), "main"))
    with pytest.raises(ContainerNotRunning, match=f"kubernetes://shop/{pod}/main is not running \\(exited\\)"):
        resolve(ContainerRef(pod), [KubernetesEngine()])


def test_containers_of_a_namespace_of_containerd_that_no_pod_has_are_not_listed(containerd: Containerd) -> None:
    containerd.run("own", namespace="k8s.io")
    try:
        assert list(KubernetesEngine().containers()) == []
    finally:
        containerd.remove_all()


def test_the_usual_sockets_are_asked(
    containerd: Containerd, pods: Pods, pod: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where one of them is dead."""
    pods.container(pods.pod("shop", pod), "main")
    monkeypatch.delenv("CONTAINER_RUNTIME_ENDPOINT")
    monkeypatch.setattr(kubernetes, "_SOCKETS", ("/dev/null", "/no/such.sock", containerd.socket))
    monkeypatch.setattr(kubernetes, "_CRICTL", "/no/such/file")
    assert [c.name for c in KubernetesEngine().containers()] == [f"shop/{pod}/main"]


@pytest.mark.parametrize("quote", ["", '"'])
def test_crictls_configuration_is_read(
    containerd: Containerd, quote: str, tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(f"{tmp_path}/crictl.yaml", "w") as file:
        file.write(f"timeout: 2\nruntime-endpoint: {quote}unix://{containerd.socket}{quote} # ours\n")
    monkeypatch.delenv("CONTAINER_RUNTIME_ENDPOINT")
    monkeypatch.setattr(kubernetes, "_CRICTL", f"{tmp_path}/crictl.yaml")
    assert KubernetesEngine().status().available


def test_a_containerd_without_its_cri_plugin_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Docker's packages configure it."""
    with running_containerd(pods=False) as daemon:
        monkeypatch.setenv("CONTAINER_RUNTIME_ENDPOINT", f"unix://{daemon.socket}")
        with pytest.raises(EngineError, match="does not serve Kubernetes") as caught:
            list(KubernetesEngine().containers())
        assert "CRI plugin" in caught.value.hint


def test_the_program_lists_and_enters(pods: Pods, pod: str) -> None:
    pods.container(pods.pod("shop", pod), "main")
    assert f"shop/{pod}/main" in output("list", "--engine", "kubernetes")
    assert output("attach", f"shop/{pod}", "--", "cat", "/proc/1/comm") == "busybox\n"
    assert output("exec", pod, "--", "/bin/busybox", "echo", "inside") == "inside\n"
