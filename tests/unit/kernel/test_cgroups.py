"""Paths are located in recorded tables of other systems; states are seen on groups of this kernel."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cntr_core.kernel import cgroups, procfs
from cntr_core.kernel.cgroups import Cgroup
from cntr_core.kernel.mounts import MS_PRIVATE, DetachedMount, mount_setattr
from cntr_core.kernel.namespaces import CLONE_NEWCGROUP, CLONE_NEWNS, unshare
from cntr_core.kernel.procfs import CgroupLine, Mount
from cntr_core.kernel.syscall import AT_FDCWD, AT_RECURSIVE
from tests.support.children import child, in_child
from tests.support.recorded import fixture


def _located(mounts: str, lines: str) -> list[Cgroup]:
    return cgroups.locate(
        procfs.parse_mountinfo(fixture(f"cgroup/{mounts}.mountinfo")),
        procfs.parse_cgroup(fixture(f"cgroup/{lines}.cgroup")),
    )


def _directories(mounts: str, lines: str) -> dict[str, tuple[str, ...]]:
    return {",".join(c.controllers): c.directories for c in _located(mounts, lines)}


def test_version_2_with_systemd() -> None:
    [group] = _located("v2", "v2-systemd-docker")
    assert group.version == 2
    assert group.directories == (f"/sys/fs/cgroup{group.path.decode()}",)
    assert group.roots == ("/sys/fs/cgroup",)


def test_version_1_finds_every_hierarchy_whatever_the_order_of_its_controllers() -> None:
    directories = _directories("v1", "v1-docker")
    assert directories["cpuacct,cpu"] == ("/sys/fs/cgroup/cpu,cpuacct/docker/aaaa",)
    assert directories["net_prio,net_cls"] == ("/sys/fs/cgroup/net_cls,net_prio/docker/aaaa",)
    assert directories["name=systemd"] == ("/sys/fs/cgroup/systemd/docker/aaaa",)
    assert all(len(found) == 1 for found in directories.values())


def test_a_hybrid_system_has_both_versions() -> None:
    located = _located("hybrid", "hybrid-docker")
    assert {c.version for c in located} == {1, 2}
    assert _directories("hybrid", "hybrid-docker")[""] == ("/sys/fs/cgroup/unified/docker/bbbb",)
    assert len([c for c in located if c.directories]) == 10


def test_a_mount_of_a_part_shows_the_rest_of_the_path() -> None:
    directories = _directories("dind", "dind")
    assert directories["memory"] == ("/sys/fs/cgroup/memory/docker/inner",)
    assert directories["name=systemd"] == ("/sys/fs/cgroup/systemd/docker/inner",)


@pytest.mark.parametrize(
    ("mounts", "lines"),
    [
        ("dind", "v1-docker"),  # another container of the same machine
        ("v2", "outside"),  # another cgroup namespace
        ("v2", "v1-docker"),
        ("v1", "v2-systemd-docker"),
    ],
)
def test_what_no_mount_shows_has_no_directory(mounts: str, lines: str) -> None:
    assert not any(_directories(mounts, lines).values())


def test_the_root_group_of_rootless_podman() -> None:
    assert _directories("v2", "rootless-podman") == {"": ("/sys/fs/cgroup",)}


def test_kubernetes() -> None:
    assert _directories("v2", "kubernetes-systemd")[""] == (
        "/sys/fs/cgroup/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1f2e_3d4c.slice/"
        "cri-containerd-cccc.scope",
    )
    assert _directories("v1", "kubernetes-cgroupfs")["memory"] == (
        "/sys/fs/cgroup/memory/kubepods/burstable/pod1f2e-3d4c/dddd",
    )


def test_a_removed_group_has_no_directory_and_odd_names_survive() -> None:
    assert _directories("v2", "odd-names")[""] == ()
    assert _directories("v1", "odd-names")["pids"] == ("/sys/fs/cgroup/pids/lxc.payload:web/a b",)


def test_mounts_of_the_whole_hierarchy_come_first() -> None:
    def mount(root: bytes, point: bytes) -> Mount:
        return Mount(1, 0, (0, 1), root, point, (b"rw",), (), b"cgroup2", b"none", (b"rw",))

    mounts = [mount(b"/docker/a", b"/part"), mount(b"/", b"/whole"), mount(b"/docker", b"/half")]
    [group] = cgroups.locate(mounts, [CgroupLine(0, (), b"/docker/a/b")])
    assert group.directories == ("/whole/docker/a/b", "/half/a/b", "/part/b")
    assert group.roots == ("/whole", "/half", "/part")
    [group] = cgroups.locate(mounts, [CgroupLine(0, (), b"/docker/ab")])
    assert group.directories == ("/whole/docker/ab", "/half/ab")


_COMPONENTS = st.lists(st.sampled_from([b"a", b"b", b"..", b"a b"]), max_size=4)


@given(_COMPONENTS, _COMPONENTS)
def test_a_directory_never_leaves_its_mount(path: list[bytes], root: list[bytes]) -> None:
    mount = Mount(1, 0, (0, 1), b"/" + b"/".join(root), b"/cg", (b"rw",), (), b"cgroup2", b"none", (b"rw",))
    [group] = cgroups.locate([mount], [CgroupLine(0, (), b"/" + b"/".join(path))])
    for directory in group.directories:
        assert (os.path.normpath(directory) + "/").startswith("/cg/")
        assert path[: len(root)] == root


# -- on this kernel -------------------------------------------------------------------------------------------------


@contextmanager
def _group(hierarchy: str) -> Iterator[str]:
    """A group of our own below a mounted hierarchy; whoever is in it is moved out at the end."""
    path = f"{hierarchy}/cntr-test-{uuid.uuid4().hex[:8]}"
    os.mkdir(path)
    try:
        yield path
    finally:
        for name in os.listdir(path):
            if os.path.isdir(f"{path}/{name}"):
                os.rmdir(f"{path}/{name}")
        os.rmdir(path)


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def _hierarchy(controller: str) -> str:
    return f"/sys/fs/cgroup/{controller}"


def _unified() -> str:
    return next(c.roots[0] for c in cgroups.cgroups(os.getpid()) if c.version == 2 and c.roots)


@pytest.mark.requires("root", "cgroup-v1-pids")
def test_joining_by_the_files_that_were_found() -> None:
    with _group(_hierarchy("pids")) as path, child() as pid:
        _write(f"{path}/cgroup.procs", str(pid))
        assert cgroups.procs_files(pid) == [f"{path}/cgroup.procs"]

        def join() -> list[str]:
            for file in cgroups.procs_files(pid):
                _write(file, str(os.getpid()))
            return cgroups.procs_files(pid)

        assert in_child(join) == []  # now it shares all of them
        os.kill(pid, 9)
        os.waitpid(pid, 0)


@pytest.mark.requires("root", "cgroup-v1-freezer")
def test_a_frozen_process_of_version_1_even_by_a_group_above() -> None:
    with _group(_hierarchy("freezer")) as path, child() as pid:
        os.mkdir(f"{path}/below")
        _write(f"{path}/below/cgroup.procs", str(pid))
        assert not cgroups.frozen(pid)
        _write(f"{path}/freezer.state", "FROZEN")
        try:
            assert cgroups.frozen(pid)
        finally:
            _write(f"{path}/freezer.state", "THAWED")
        assert not cgroups.frozen(pid)
        os.kill(pid, 9)
        os.waitpid(pid, 0)


@pytest.mark.requires("root", "cgroup-v2")
def test_a_frozen_process_of_version_2() -> None:
    from tests.support.children import until

    with _group(_unified()) as path, child() as pid:
        _write(f"{path}/cgroup.procs", str(pid))
        assert not cgroups.frozen(pid)
        _write(f"{path}/cgroup.freeze", "1")
        try:
            until(lambda: cgroups.frozen(pid))
        finally:
            _write(f"{path}/cgroup.freeze", "0")
        until(lambda: not cgroups.frozen(pid))
        os.kill(pid, 9)
        os.waitpid(pid, 0)


@pytest.mark.requires("root", "cgroup-v1-pids")
def test_a_full_group_even_above_the_process() -> None:
    with _group(_hierarchy("pids")) as path, child() as pid:
        os.mkdir(f"{path}/below")
        _write(f"{path}/below/cgroup.procs", str(pid))
        before = cgroups.pids_left(pid)
        _write(f"{path}/pids.max", "3")
        assert cgroups.pids_left(pid) == 2
        assert not cgroups.pids_full(pid, needed=2)
        assert cgroups.pids_full(pid, needed=3)
        _write(f"{path}/below/pids.max", "1")
        assert cgroups.pids_full(pid)
        _write(f"{path}/below/pids.max", "max")
        _write(f"{path}/pids.max", "max")
        assert cgroups.pids_left(pid) == before
        os.kill(pid, 9)
        os.waitpid(pid, 0)


@pytest.mark.requires("root", "docker", "docker-cli", "nsenter")
def test_a_paused_container_is_frozen(docker_run: object) -> None:
    name = docker_run("busybox")  # type: ignore[operator]  # a fixture of tests.support.images
    inspect = ["docker", "inspect", "--format", "{{.State.Pid}}", name]
    pid = int(subprocess.run(inspect, capture_output=True, check=True, timeout=60).stdout)
    assert not cgroups.frozen(pid)
    assert len(cgroups.procs_files(pid)) >= 1
    subprocess.run(["docker", "pause", name], check=True, capture_output=True, timeout=60)
    assert cgroups.frozen(pid)
    subprocess.run(["docker", "unpause", name], check=True, capture_output=True, timeout=60)
    assert not cgroups.frozen(pid)


@pytest.mark.requires("root")
def test_a_machine_without_cgroup_mounts_finds_none_and_says_so() -> None:
    """Also a hidden mount: the table still lists it, and what lies at its place is no cgroup."""

    def look() -> tuple[list[str], bool, int | None]:
        unshare(CLONE_NEWNS)
        mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, propagation=MS_PRIVATE)
        with DetachedMount.new("tmpfs") as empty:
            empty.attach(AT_FDCWD, "/sys/fs/cgroup")
        groups = [c for c in cgroups.cgroups(1) if cgroups.reach(c)]
        return [c.path.decode() for c in groups], cgroups.frozen(os.getpid()), cgroups.pids_left(os.getpid())

    assert in_child(look) == ([], False, None)


@pytest.mark.requires("root")
def test_something_else_at_the_place_of_a_cgroup_is_not_taken_for_one(tmp_path: os.PathLike[str]) -> None:
    plain = Cgroup(2, (), b"/", (os.fspath(tmp_path), "/nowhere"), (os.fspath(tmp_path), "/nowhere"))
    assert cgroups.reach(plain) is None


@pytest.mark.requires("root", "cgroup-v1-pids")
def test_a_group_above_our_cgroup_namespace_is_reached_by_a_mount_from_outside() -> None:
    def look() -> list[tuple[bytes, tuple[str, ...]]]:
        with _group(_hierarchy("pids")) as path:
            home = next(c.directories[0] for c in cgroups.cgroups(os.getpid()) if "pids" in c.controllers)
            _write(f"{path}/cgroup.procs", str(os.getpid()))
            unshare(CLONE_NEWCGROUP)
            seen = [(c.path, c.directories) for c in cgroups.cgroups(os.getppid()) if "pids" in c.controllers]
            _write(f"{home}/cgroup.procs", str(os.getpid()))
            return seen

    [(path, directories)] = in_child(look)
    assert path.startswith(b"/..")
    assert directories == tuple(
        d for c in cgroups.cgroups(os.getpid()) if "pids" in c.controllers for d in c.directories
    )


def test_a_process_that_does_not_exist() -> None:
    with child() as pid:
        pass
    before = os.listdir("/proc/self/fd")
    with pytest.raises(FileNotFoundError):
        cgroups.cgroups(pid)
    assert os.listdir("/proc/self/fd") == before
