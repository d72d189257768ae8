"""LXD's containers by a real daemon, privileged and in user namespaces; and daemons that are strange."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from cntr_plugins.engines.lxd.engine import LxdEngine
from cntr_plugins.engines.lxd.incus import IncusEngine

from cntr_core import ContainerRef, ContainerState, Engine
from cntr_core.engine import find, resolve
from cntr_core.errors import AmbiguousContainer, ContainerNotRunning
from cntr_core.kernel.idmap import IdMapping
from cntr_core.testing import EngineContract
from tests.support.cntr import output
from tests.support.engines import OfTarget, Target, check_user_namespace
from tests.support.lxd import Lxd, lxd_server

pytestmark = pytest.mark.requires("root", "fuse", "lxd", "busybox", "getfacl", "unshare")


@pytest.fixture(scope="module")
def lxd() -> Iterator[Lxd]:
    with lxd_server() as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("LXD_DIR", str(server.path))
        patch.delenv("LXD_SOCKET", raising=False)
        yield server


@pytest.fixture(scope="module")
def unprivileged(lxd: Lxd) -> Target:
    """As LXD makes them unless it is told otherwise, here with two ids of the host among its own."""
    name = lxd.launch("-c", "user.greeting=hello", "-c", "raw.idmap=both 1234 1000")
    return Target(f"lxd://{name}", lxd.pid(name), lxd.root(name))


@pytest.fixture(scope="module")
def privileged(lxd: Lxd) -> Target:
    name = lxd.launch("-c", "security.privileged=true")
    return Target(f"lxd://{name}", lxd.pid(name), lxd.root(name))


class TestContract(EngineContract):
    @pytest.fixture
    def engine(self, lxd: Lxd) -> Engine:  # noqa: ARG002 - it sets the environment
        return LxdEngine()

    @pytest.fixture
    def running(self, unprivileged: Target) -> str:
        return unprivileged.name

    @pytest.fixture
    def absent(self, monkeypatch: pytest.MonkeyPatch) -> Engine:
        monkeypatch.setenv("LXD_SOCKET", "/no/such.sock")
        return LxdEngine()


class TestPrivileged(OfTarget):
    container = "lxd, privileged"

    @pytest.fixture
    def target(self, privileged: Target) -> Target:
        return privileged


class TestUnprivileged(OfTarget):
    container = "lxd, unprivileged"

    @pytest.fixture
    def target(self, unprivileged: Target) -> Target:
        return unprivileged


class TestIncus(EngineContract):
    """The API is the same one, and Debian 12 has no Incus: LXD stands in for it."""

    @pytest.fixture
    def engine(self, lxd: Lxd, monkeypatch: pytest.MonkeyPatch) -> Engine:
        monkeypatch.setenv("INCUS_DIR", str(lxd.path))
        return IncusEngine()

    @pytest.fixture
    def running(self, unprivileged: Target) -> str:
        return unprivileged.name

    @pytest.fixture
    def absent(self, monkeypatch: pytest.MonkeyPatch) -> Engine:
        monkeypatch.setenv("INCUS_SOCKET", "/no/such.sock")
        return IncusEngine()


def test_ids_and_owners_in_a_user_namespace(unprivileged: Target) -> None:
    mapping = IdMapping.parse(Path(f"/proc/{unprivileged.pid}/uid_map").read_bytes())
    assert len(mapping.extents) > 1
    ids = {inside: mapping.to_outside(inside) for inside in (0, 1, 1000, 65534)}
    assert ids[1000] == 1234
    unmapped = max(extent.inside + extent.count for extent in mapping.extents)
    check_user_namespace(unprivileged, {i: o for i, o in ids.items() if o is not None}, unmapped=unmapped)


def test_what_lxd_tells_of_a_container(lxd: Lxd, unprivileged: Target) -> None:
    details = lxd.query(f"/1.0/instances/{unprivileged.name}")
    identifier = details["config"]["volatile.uuid"]
    for reference in (unprivileged.name, unprivileged.reference, identifier, identifier[:8], identifier[:3]):
        found = find(ContainerRef.parse(reference), [LxdEngine()])
        assert (found.id, found.name, found.pid) == (identifier, unprivileged.name, unprivileged.pid)
    assert found.image == "busybox for cntr"
    assert found.labels["user.greeting"] == "hello"
    status = LxdEngine().status()
    assert status.detail == f"version {lxd.query('/1.0')['environment']['server_version']}"
    assert status.endpoint == f"{lxd.path}/unix.socket"


def test_states(lxd: Lxd) -> None:
    name = lxd.launch()
    reference = ContainerRef(name, "lxd")
    lxd.run("lxc", "pause", name)
    with pytest.raises(ContainerNotRunning, match="is paused"):
        resolve(reference, [LxdEngine()])
    assert {c.name: c.state for c in LxdEngine().containers()}[name] is ContainerState.PAUSED
    lxd.run("lxc", "start", name)
    assert resolve(reference, [LxdEngine()]).pid == lxd.pid(name)
    lxd.run("lxc", "stop", "--force", name)
    with pytest.raises(ContainerNotRunning, match="is not running \\(exited\\)"):
        resolve(reference, [LxdEngine()])


def test_containers_of_the_same_name_in_two_projects(lxd: Lxd, privileged: Target) -> None:
    lxd.run("lxc", "project", "create", "other", "-c", "features.images=false", "-c", "features.profiles=false")
    try:
        lxd.run("lxc", "launch", "busybox", privileged.name, "--project", "other")
        with pytest.raises(AmbiguousContainer) as caught:
            find(ContainerRef(privileged.name), [LxdEngine()])
        references = caught.value.hint.removeprefix("say which: ").split(", ")
        found = [resolve(ContainerRef.parse(reference), [LxdEngine()]) for reference in references]
        assert privileged.pid in [process.pid for process in found]
        assert len({process.pid for process in found}) == 2
        assert sorted(process.container.labels.get("project", "") for process in found) == ["", "other"]
    finally:
        lxd.run("lxc", "delete", "--force", privileged.name, "--project", "other")
        lxd.run("lxc", "project", "delete", "other")


def test_a_bare_name_is_enough(unprivileged: Target) -> None:
    assert output("attach", unprivileged.name, "--", "hostname").strip() == unprivileged.name


def test_a_daemon_that_hangs_delays_nobody_else(
    privileged: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INCUS_SOCKET", str(tmp_path / "socket"))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.environ["INCUS_SOCKET"])
        server.listen()  # and never answer
        assert output("attach", privileged.name, "--", "hostname").strip() == privileged.name
        answers = {one["engine"]: one for one in json.loads(output("engines", "--json"))}
    assert answers["lxd"]["available"]
    assert not answers["incus"]["available"]
    assert "not answer" in answers["incus"]["detail"]
