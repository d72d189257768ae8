from __future__ import annotations

import errno
import os
import signal

import pytest

from cntr_core.kernel import namespaces
from cntr_core.kernel.namespaces import NAMESPACES
from tests.support.children import child, in_child, until


@pytest.fixture(autouse=True)
def _no_leaks() -> object:
    before = os.listdir("/proc/self/fd")
    yield
    assert os.listdir("/proc/self/fd") == before


def _close(opened: dict[str, int]) -> None:
    for fd in opened.values():
        os.close(fd)


def test_all_namespaces_of_a_process_are_opened_close_on_exec() -> None:
    opened = namespaces.open_namespaces()
    try:
        assert set(opened) == set(os.listdir("/proc/self/ns")) - {"pid_for_children", "time_for_children"}
        assert not any(os.get_inheritable(fd) for fd in opened.values())
        assert all(namespaces.same_namespace(fd, kind) for kind, fd in opened.items())
    finally:
        _close(opened)


@pytest.mark.requires("root")
@pytest.mark.parametrize("kind", ["net", "ipc", "uts", "cgroup", "mnt"])
def test_joining_a_namespace_makes_it_ones_own(kind: str) -> None:
    flag = NAMESPACES[kind].flag

    def stay() -> None:
        namespaces.unshare(flag)
        signal.pause()

    own = os.readlink(f"/proc/self/ns/{kind}")
    with child(stay) as pid:
        until(lambda: os.readlink(f"/proc/{pid}/ns/{kind}") != own)
        theirs = os.readlink(f"/proc/{pid}/ns/{kind}")

        def join() -> tuple[bool, bool, str]:
            opened = namespaces.open_namespaces(pid)
            before = namespaces.same_namespace(opened[kind], kind)
            namespaces.setns(opened[kind], flag)
            return before, namespaces.same_namespace(opened[kind], kind), os.readlink(f"/proc/self/ns/{kind}")

        assert in_child(join) == (False, True, theirs)
    assert os.readlink(f"/proc/self/ns/{kind}") == own


@pytest.mark.requires("root")
def test_setns_checks_the_kind() -> None:
    opened = namespaces.open_namespaces()
    try:
        with pytest.raises(OSError, match="setns: ") as caught:
            namespaces.setns(opened["net"], namespaces.CLONE_NEWUTS)
        assert caught.value.errno == errno.EINVAL
    finally:
        _close(opened)


def test_a_process_that_does_not_exist() -> None:
    with child() as pid:
        pass
    with pytest.raises(FileNotFoundError):
        namespaces.open_namespaces(pid)


@pytest.mark.requires("root")
def test_a_zombie_has_no_namespaces_and_nothing_stays_open() -> None:
    with child(lambda: None) as pid:
        until(lambda: _state(pid) == "Z")
        with pytest.raises((FileNotFoundError, PermissionError)):
            namespaces.open_namespaces(pid)


def _state(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(") ")[2][0]


def test_kinds_that_a_kernel_lacks_are_left_out(tmp_path: os.PathLike[str]) -> None:
    """Linux 4.5 had neither cgroup nor time namespaces; a directory of links stands for its /proc."""
    os.makedirs(f"{tmp_path}/7/ns")
    for kind in ("user", "mnt", "pid", "net", "ipc", "uts"):
        os.symlink(f"/proc/self/ns/{kind}", f"{tmp_path}/7/ns/{kind}")
    opened = namespaces.open_namespaces(7, proc=os.fspath(tmp_path))
    _close(opened)
    assert set(opened) == {"user", "mnt", "pid", "net", "ipc", "uts"}


def test_the_initial_user_namespace_is_roots() -> None:
    fd = os.open("/proc/self/ns/user", os.O_RDONLY)
    try:
        assert namespaces.owner(fd) == 0
    finally:
        os.close(fd)
