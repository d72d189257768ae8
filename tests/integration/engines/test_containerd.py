"""The containerd engine with a real daemon."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cntr_plugins.engines.containerd import images as containerd_images
from cntr_plugins.engines.containerd.engine import ContainerdEngine

from cntr_core import Container, ContainerRef, ContainerState, Engine
from cntr_core.engine import find, resolve
from cntr_core.errors import AmbiguousContainer, CntrError, ContainerNotFound, ContainerNotRunning, EngineError
from cntr_core.images import open_image
from cntr_core.images.streams import Budget
from cntr_core.testing import EngineContract
from tests.support.cntr import output
from tests.support.containerd import Containerd, Pods
from tests.support.images import archive, docker_tag

pytestmark = pytest.mark.requires("root", "containerd", "runc", "busybox")

Run = Callable[..., int]


@pytest.fixture(autouse=True)
def daemon(containerd: Containerd, monkeypatch: pytest.MonkeyPatch) -> Iterator[Containerd]:
    monkeypatch.setenv("CONTAINERD_ADDRESS", containerd.socket)
    monkeypatch.delenv("CONTAINERD_NAMESPACE", raising=False)
    yield containerd
    containerd.remove_all()


@pytest.fixture
def name() -> str:
    return f"test-{uuid.uuid4().hex}"


def _find(text: str) -> Container:
    return find(ContainerRef.parse(text), [ContainerdEngine()])


class TestContract(EngineContract):
    @pytest.fixture
    def engine(self, daemon: Containerd) -> Engine:  # noqa: ARG002 - it sets the environment
        return ContainerdEngine()

    @pytest.fixture
    def running(self, daemon: Containerd, name: str) -> str:
        daemon.run(name)
        return name

    @pytest.fixture
    def absent(self, monkeypatch: pytest.MonkeyPatch) -> Engine:
        monkeypatch.setenv("CONTAINERD_ADDRESS", "/no/such.sock")
        return ContainerdEngine()


def test_the_daemon_tells_its_version(daemon: Containerd) -> None:
    status = ContainerdEngine().status()
    said = subprocess.run(["containerd", "--version"], capture_output=True, text=True, check=True, timeout=30).stdout
    assert (status.available, status.detail) == (True, f"version {said.split()[2]}")
    assert status.endpoint == daemon.socket


def test_a_container_is_found_by_name_id_and_prefix(daemon: Containerd, name: str) -> None:
    pid = daemon.run(name, "--label", "greeting=hello")
    for reference in (name, f"containerd://{name}", name[:20], f"default/{name}"):
        found = _find(reference)
        assert (found.engine, found.id, found.name, found.pid) == ("containerd", name, name, pid)
    assert found.state is ContainerState.RUNNING
    assert found.image == daemon.load("busybox")
    assert found.labels["greeting"] == "hello"


def test_the_prefix_of_two_ids_is_ambiguous(daemon: Containerd) -> None:
    for end in ("a", "b"):
        daemon.run(f"prefix-{end}")
    with pytest.raises(AmbiguousContainer) as caught:
        _find("prefix-")
    assert "containerd://prefix-a, containerd://prefix-b" in caught.value.hint


def test_containers_of_other_namespaces_are_named_by_them(daemon: Containerd, name: str) -> None:
    pid = daemon.run(name, namespace="other")
    assert [c.name for c in ContainerdEngine().containers()] == [f"other/{name}"]
    for reference in (f"containerd://other/{name}", name, name[:12]):
        assert _find(reference).pid == pid


def test_the_callers_default_namespace_counts(daemon: Containerd, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon.run(name, namespace="other")
    monkeypatch.setenv("CONTAINERD_NAMESPACE", "other")
    assert _find(name).name == name


def test_a_name_in_two_namespaces_is_the_default_ones_or_ambiguous(daemon: Containerd) -> None:
    for namespace in ("one", "two"):
        daemon.run("web", namespace=namespace)
    with pytest.raises(AmbiguousContainer) as caught:
        _find("web")
    assert "containerd://one/web, containerd://two/web" in caught.value.hint
    pid = daemon.run("web")
    assert _find("web").pid == pid
    assert _find("two/web").pid == daemon.pid("web", "two")


def test_nerdctls_names(daemon: Containerd, name: str) -> None:
    """Its ids are 64 hex digits, and the name is a label (nerdctl, pkg/labels)."""
    identifier = uuid.uuid4().hex * 2
    pid = daemon.run(identifier, "--label", f"nerdctl/name={name}")
    for reference in (name, identifier, identifier[:12], f"default/{name}", f"default/{identifier}"):
        found = _find(reference)
        assert (found.name, found.id, found.pid) == (name, identifier, pid)


def test_all_containers_are_listed_whatever_their_state(daemon: Containerd) -> None:
    for name in ("runs", "sleeps", "ended"):
        daemon.run(name)
    daemon.ctr("containers", "create", daemon.load("busybox"), "made")
    daemon.ctr("tasks", "pause", "sleeps")
    daemon.kill("ended")
    assert {c.name: c.state for c in ContainerdEngine().containers()} == {
        "runs": ContainerState.RUNNING,
        "sleeps": ContainerState.PAUSED,
        "ended": ContainerState.EXITED,
        "made": ContainerState.CREATED,
    }
    for name, words in (("sleeps", "is paused"), ("ended", "is not running"), ("made", "is not running")):
        with pytest.raises(ContainerNotRunning, match=f"containerd://{name} {words}"):
            resolve(ContainerRef(name), [ContainerdEngine()])
    daemon.ctr("tasks", "resume", "sleeps")


def test_a_name_that_containerd_does_not_know() -> None:
    with pytest.raises(ContainerNotFound, match="container 'containerd://nobody' not found"):
        _find("containerd://nobody")


def test_what_kubernetes_keeps_there_is_left_to_its_engine(daemon: Containerd) -> None:
    pods = Pods(daemon)
    pod = pods.pod("shop", "web")
    container = pods.container(pod, "main")
    own = daemon.run("own", namespace="k8s.io")
    assert [c.name for c in ContainerdEngine().containers()] == ["k8s.io/own"]
    assert ContainerdEngine().find(container) == []
    assert _find("own").pid == own
    assert _find(f"k8s.io/{container}").pid == daemon.pid(container, "k8s.io")
    pods.remove_all()


def test_the_program_lists_and_enters(daemon: Containerd, name: str) -> None:
    daemon.run(name, namespace="other")
    assert f"other/{name}" in output("list", "--engine", "containerd")
    assert output("attach", name, "--", "cat", "/proc/1/comm") == "busybox\n"


# -- images -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("namespace", ["default", "other"])
def test_an_image_is_exported_whole(daemon: Containerd, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containerd_images, "CHUNK", 1 << 16)  # so that a small image comes in many pieces
    name = daemon.load("busybox", namespace)
    for known in (name, name.removeprefix("docker.io/")):
        with open_image(known, engines=[ContainerdEngine()]) as exported, open_image(archive("busybox")) as original:
            assert exported.config == original.config
            for layer, same in zip(exported.layers, original.layers, strict=True):
                assert layer.diff_id == same.diff_id
                exported.open_layer(layer, Budget.unlimited()).finish()  # which compares the digests


@pytest.mark.parametrize("name", ["no-such-image", "no/such:image", "Not A Reference"])
def test_an_image_that_containerd_does_not_hold(name: str) -> None:
    assert ContainerdEngine().export_image(name) is None


def test_an_image_without_its_layers_is_told(daemon: Containerd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTAINERD_NAMESPACE", "partial")
    name = daemon.load("busybox", "partial")
    daemon.ctr("content", "delete", daemon.largest_blob("partial"), namespace="partial")
    pieces = ContainerdEngine().export_image(name)
    assert pieces is not None
    with pytest.raises(EngineError, match="not all of its content") as caught:
        list(pieces)
    assert "pull it again" in caught.value.hint
    daemon.ctr("images", "remove", name, namespace="partial")


def test_an_image_is_taken_and_runs(daemon: Containerd, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("CONTAINERD_NAMESPACE", "taken")
    daemon.ctr("namespaces", "create", "taken")
    with open(archive("busybox"), "rb") as file:
        content = file.read()
    for _ in range(2):  # the second finds all of it there
        ContainerdEngine().import_image([content[:1000], content[1000:]])
    image = f"docker.io/{docker_tag('busybox')}"
    assert daemon.ctr("images", "list", "--quiet", namespace="taken").split() == [image]
    assert daemon.ctr("leases", "list", "--quiet", namespace="taken") == ""
    assert daemon.run(name, namespace="taken") == _find(name).pid
    assert _find(name).image == image


def test_a_damaged_image_is_not_taken(daemon: Containerd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTAINERD_NAMESPACE", "damaged")
    daemon.ctr("namespaces", "create", "damaged")
    with open(archive("busybox"), "rb") as file:
        content = bytearray(file.read())
    content[len(content) // 2] ^= 1
    with pytest.raises(CntrError):
        ContainerdEngine().import_image([bytes(content)])
    assert daemon.ctr("images", "list", "--quiet", namespace="damaged") == ""


def test_attach_takes_tools_from_an_image_of_containerds(daemon: Containerd, name: str, tmp_path: Path) -> None:
    daemon.run(name)
    options = ("--tools", f"image:{daemon.load('busybox', 'other')}")
    env = {"CNTR_CACHE_DIR": str(tmp_path), "CNTR_DISABLE_PLUGINS": "docker,podman"}
    assert output("attach", name, *options, "--", "/bin/busybox", "echo", "from containerd", env=env) == (
        "from containerd\n"
    )
