"""LXC's containers, privileged and in user namespaces of several extents."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cntr_plugins.engines.lxc import LxcEngine

from cntr_core import ContainerRef, ContainerState, Engine
from cntr_core.engine import find, resolve
from cntr_core.errors import ContainerNotRunning
from cntr_core.testing import EngineContract
from tests.support.cntr import output
from tests.support.engines import OfTarget, Target, check_user_namespace
from tests.support.lxc import Lxc, lxc_containers
from tests.support.roots import give

pytestmark = pytest.mark.requires("root", "fuse", "lxc", "busybox", "getfacl")

# Root, the ids up to 999, a user of its own far away, and 65534: each somewhere else, and nothing in between.
_EXTENTS = ((0, 200_000, 1000), (1000, 500_000, 1), (2000, 310_000, 10), (65534, 299_999, 1))
_IDMAP = [f"lxc.idmap = {kind} {inside} {outside} {count}" for inside, outside, count in _EXTENTS for kind in "ug"]


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lxc]:
    path = tmp_path_factory.mktemp("lxc")
    for parent in path.parents[:2]:
        parent.chmod(0o711)  # pytest's own are 0700, and a mapped root owns nothing on the way
    with lxc_containers(path) as lxc, pytest.MonkeyPatch.context() as patch:
        patch.setenv("LXCPATH", str(path))
        yield lxc


@pytest.fixture(scope="module")
def privileged(containers: Lxc) -> Target:
    name = containers.create("lxc.group = web,onboot")
    return Target(f"lxc://{name}", containers.start(name), containers.root(name))


@pytest.fixture(scope="module")
def mapped(containers: Lxc) -> Target:
    name = containers.create(*_IDMAP)
    give(containers.root(name), _EXTENTS[0][1], _EXTENTS[0][1])
    return Target(f"lxc://{name}", containers.start(name), containers.root(name))


class TestContract(EngineContract):
    @pytest.fixture
    def engine(self, containers: Lxc) -> Engine:  # noqa: ARG002 - it sets the environment
        return LxcEngine()

    @pytest.fixture
    def running(self, privileged: Target) -> str:
        return privileged.name

    @pytest.fixture
    def absent(self, monkeypatch: pytest.MonkeyPatch) -> Engine:
        monkeypatch.setenv("PATH", "/nowhere")
        return LxcEngine()


class TestPrivileged(OfTarget):
    container = "lxc"

    @pytest.fixture
    def target(self, privileged: Target) -> Target:
        return privileged


class TestUserNamespace(OfTarget):
    container = "lxc, in a user namespace"

    @pytest.fixture
    def target(self, mapped: Target) -> Target:
        return mapped


def test_ids_and_owners_in_a_user_namespace_of_several_extents(mapped: Target) -> None:
    check_user_namespace(mapped, {inside: outside for inside, outside, _ in _EXTENTS}, unmapped=1500)


def test_what_lxc_tells_of_a_container(containers: Lxc, privileged: Target, mapped: Target) -> None:
    [found] = LxcEngine().find(privileged.name)
    assert (found.pid, dict(found.labels)) == (privileged.pid, {"lxc.group": "web,onboot", "unprivileged": "false"})
    assert LxcEngine().find(mapped.name)[0].labels["unprivileged"] == "true"
    status = LxcEngine().status()
    assert (status.detail, status.endpoint) == (
        f"version {containers.run('lxc-ls', '--version')}",
        str(containers.path),
    )


def test_states(containers: Lxc) -> None:
    name = containers.create(name="a name with blanks")
    reference = ContainerRef(name, "lxc")
    with pytest.raises(ContainerNotRunning, match="is not running"):
        resolve(reference, [LxcEngine()])
    pid = containers.start(name)
    assert resolve(reference, [LxcEngine()]).pid == pid
    containers.run("lxc-freeze", "-n", name)
    with pytest.raises(ContainerNotRunning, match="is paused"):
        resolve(reference, [LxcEngine()])
    containers.run("lxc-unfreeze", "-n", name)
    assert find(reference, [LxcEngine()]).state is ContainerState.RUNNING
    containers.run("lxc-stop", "-n", name, "-k")
    assert find(reference, [LxcEngine()]).state is ContainerState.EXITED


def test_a_container_is_known_by_the_beginning_of_its_name(containers: Lxc) -> None:
    for name in ("prefix-one", "prefix-two"):
        containers.create(name=name)
    assert [c.name for c in LxcEngine().find("prefix-o")] == ["prefix-one"]
    assert {c.name for c in LxcEngine().find("prefix")} == {"prefix-one", "prefix-two"}
    assert {c.name for c in LxcEngine().find("p")} == {"prefix-one", "prefix-two"}


def test_a_bare_name_is_enough(privileged: Target) -> None:
    assert output("attach", privileged.name, "--", "hostname").strip() == privileged.name


def test_without_a_path_lxc_says_where_containers_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LXCPATH")
    assert LxcEngine().status().endpoint == os.path.realpath("/var/lib/lxc")
    monkeypatch.setenv("LXCPATH", str(tmp_path))
    assert (LxcEngine().status().endpoint, list(LxcEngine().containers())) == (str(tmp_path), [])
