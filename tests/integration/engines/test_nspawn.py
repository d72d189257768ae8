"""systemd-nspawn's machines, with a machined that registers them and without one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cntr_plugins.engines.nspawn.engine import NspawnEngine

from cntr_core import ContainerRef, ContainerState, Engine
from cntr_core.engine import find, resolve, statuses
from cntr_core.errors import ContainerNotRunning
from cntr_core.kernel import cgroups
from cntr_core.kernel.idmap import IdMapping
from cntr_core.testing import EngineContract
from tests.support.cntr import output, wait_until
from tests.support.engines import OfTarget, Target, check_user_namespace
from tests.support.nspawn import bus, machine

pytestmark = pytest.mark.requires("root", "fuse", "nspawn", "busybox", "getfacl")
_NO_BUS = "unix:path=/no/such/bus"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("nspawn")
    for parent in (path, *path.parents[:2]):
        parent.chmod(0o711)  # for machines in user namespaces
    return path


@pytest.fixture
def no_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", _NO_BUS)


@pytest.fixture(scope="module")
def alone(place: Path) -> Iterator[Target]:
    """A machine that nobody knows but its nspawn."""
    with machine(place) as it:
        yield Target(f"nspawn://{it.name}", it.pid, it.root)


@pytest.fixture(scope="module")
def mapped(place: Path) -> Iterator[Target]:
    """A machine in a user namespace, whose root was given to that namespace's ids."""
    with machine(place, "--private-users=524288:65536", "--private-users-ownership=chown") as it:
        yield Target(f"nspawn://{it.name}", it.pid, it.root)


@pytest.fixture(scope="module")
def machined(place: Path) -> Iterator[None]:
    with bus(place, machined=True):
        yield


@pytest.fixture(scope="module")
def registered(place: Path, machined: None) -> Iterator[Target]:  # noqa: ARG001 - it has to run
    with machine(place, register=True) as it:
        yield Target(f"nspawn://{it.name}", it.pid, it.root)


def _listed(name: str) -> str:
    """The image of a machine, as cntr list has it."""
    found = json.loads(output("list", "--engine", "nspawn", "--json", env={"DBUS_SYSTEM_BUS_ADDRESS": _NO_BUS}))
    return str(next(one["image"] for one in found if one["name"] == name))


def test_the_image_of_a_machine_on_an_overlay_is_its_directory(place: Path, alone: Target, tmp_path: Path) -> None:
    assert _listed(alone.name.removeprefix("nspawn://")) == str(alone.root)
    for part in ("upper", "work", "lower"):
        (tmp_path / part).mkdir()
    layers = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    whole = place / "on-overlay"
    whole.mkdir()
    subprocess.run(["mount", "-t", "overlay", "-o", layers, "overlay", str(whole)], check=True)
    try:
        with machine(whole) as it:
            assert _listed(it.name) == str(it.root)
    finally:
        subprocess.run(["umount", str(whole)], check=True)


class TestContract(EngineContract):
    @pytest.fixture
    def engine(self, no_bus: None) -> Engine:  # noqa: ARG002 - it sets the environment
        return NspawnEngine()

    @pytest.fixture
    def running(self, alone: Target) -> str:
        return alone.name

    @pytest.fixture
    def absent(self, no_bus: None, monkeypatch: pytest.MonkeyPatch) -> Engine:  # noqa: ARG002 - as above
        monkeypatch.setenv("PATH", "/nowhere")
        return NspawnEngine()


@pytest.mark.requires("dbus", "machined")
class TestContractWithMachined(EngineContract):
    @pytest.fixture
    def engine(self, machined: None) -> Engine:  # noqa: ARG002 - as above
        return NspawnEngine()

    @pytest.fixture
    def running(self, registered: Target) -> str:
        return registered.name


class TestAlone(OfTarget):
    container = "nspawn"

    @pytest.fixture
    def target(self, alone: Target, no_bus: None) -> Target:  # noqa: ARG002 - as above
        return alone


class TestUserNamespace(OfTarget):
    container = "nspawn, in a user namespace"

    @pytest.fixture
    def target(self, mapped: Target, no_bus: None) -> Target:  # noqa: ARG002 - as above
        return mapped


@pytest.mark.requires("dbus", "machined")
class TestRegistered(OfTarget):
    container = "nspawn, with machined"

    @pytest.fixture
    def target(self, registered: Target) -> Target:
        return registered


def test_ids_and_owners_in_a_user_namespace(mapped: Target) -> None:
    mapping = IdMapping.parse(Path(f"/proc/{mapped.pid}/uid_map").read_bytes())
    ids = {inside: mapping.to_outside(inside) for inside in (0, 1000, 65534)}
    check_user_namespace(mapped, {i: o for i, o in ids.items() if o is not None}, unmapped=70_000)


@pytest.mark.usefixtures("no_bus")
def test_the_session_has_the_machines_variables_and_none_of_the_hosts(
    alone: Target, monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    """The stub init of --as-pid2 is nspawn itself, and still has those of whoever called it."""
    monkeypatch.setenv("A_SECRET_OF_THE_HOST", "1")
    with machine(place) as it:
        variables = output("attach", f"nspawn://{it.name}", "--container-env", "--", "env").splitlines()
    assert "container=systemd-nspawn" in variables
    assert not [line for line in variables if "A_SECRET" in line]
    assert output("attach", alone.reference, "--", "hostname").strip() == alone.name


@pytest.mark.requires("dbus", "machined")
def test_what_machined_tells(registered: Target) -> None:
    [(_, status)] = statuses([NspawnEngine()])
    assert (status.available, status.detail) == (True, "machined answers")
    found = find(ContainerRef.parse(registered.reference), [NspawnEngine()])
    assert (found.state, found.pid, found.image) == (ContainerState.RUNNING, registered.pid, str(registered.root))
    assert dict(found.labels) == {"service": "systemd-nspawn", "unit": f"{registered.name}.scope"}


@pytest.mark.requires("dbus", "machined")
def test_a_machine_that_is_not_registered_is_found_beside_those_that_are(registered: Target, alone: Target) -> None:
    names = [container.name for container in NspawnEngine().containers()]
    assert names.count(registered.name) == names.count(alone.name) == 1


@pytest.mark.requires("dbus")
def test_a_bus_without_machined(alone: Target, tmp_path: Path) -> None:
    with bus(tmp_path, machined=False):
        assert NspawnEngine().status().detail == "without machined, by its processes"
        assert find(ContainerRef.parse(alone.reference), [NspawnEngine()]).pid == alone.pid


@pytest.mark.requires("dbus", "machined")
def test_a_bus_that_refuses_has_a_sentence(tmp_path: Path) -> None:
    allowed = ('user="*"', 'own="*"', 'receive_sender="*"', 'send_destination="org.freedesktop.DBus"')
    with bus(tmp_path, machined=True, rules="".join(f"<allow {what}/>" for what in allowed)):
        [(_, status)] = statuses([NspawnEngine()])
    assert not status.available
    denied = "org.freedesktop.DBus.Error.AccessDenied"
    assert status.detail == f"the system's D-Bus does not let this user ask machined ({denied})"


@pytest.mark.usefixtures("no_bus")
def test_a_machine_without_a_stub_init(place: Path) -> None:
    with machine(place, as_pid2=False) as it:
        assert resolve(ContainerRef(it.name), [NspawnEngine()]).pid == it.leader


@pytest.mark.requires("cgroup-v2")
@pytest.mark.usefixtures("no_bus")
def test_a_frozen_machine_is_paused(place: Path) -> None:
    with machine(place) as it:
        [group] = [group for group in cgroups.cgroups(it.pid) if group.version == 2]
        switch = Path(group.directories[0], "cgroup.freeze")
        switch.write_text("1")
        try:
            wait_until(lambda: cgroups.frozen(it.pid), "it is frozen")
            with pytest.raises(ContainerNotRunning, match="is paused"):
                resolve(ContainerRef(it.name), [NspawnEngine()])
        finally:
            switch.write_text("0")


@pytest.mark.usefixtures("no_bus")
def test_machines_that_do_not_run_are_listed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = place / "images"
    for name in ("a-directory", ".#snapshot"):
        (images / name).mkdir(parents=True)
    (images / "an-image.raw").touch()
    monkeypatch.setattr("cntr_plugins.engines.nspawn.engine._IMAGES", str(images))
    listed = {c.name: c.state for c in NspawnEngine().containers() if c.state is ContainerState.EXITED}
    assert set(listed) == {"a-directory", "an-image"}


def test_a_bus_that_hangs_costs_two_seconds_and_has_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/bus")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{tmp_path}/bus")
        server.listen()  # and never answer
        [(_, status)] = statuses([NspawnEngine()])
    assert not status.available
    assert "did not answer" in status.detail


@pytest.mark.parametrize("address", ["tcp:host=192.0.2.1", "nonsense", ""])
def test_addresses_that_lead_nowhere(address: str, alone: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
    [(_, status)] = statuses([NspawnEngine()])
    if address:
        assert "the system's D-Bus cannot be asked" in status.detail
    else:  # the usual one, if there is one
        assert status.available
        assert os.path.exists(f"/proc/{alone.pid}")
