"""What a process does to itself is done in a forked child."""

from __future__ import annotations

import errno
import os
import select
import signal
import time
from collections.abc import Callable

import pytest

from cntr_core.kernel import process, procfs
from tests.support.children import child, in_child, until


def _status() -> procfs.ProcessStatus:
    return procfs.read_status(procfs.open_process("thread-self"))


def test_a_pidfd_tells_when_its_process_ends() -> None:
    with child() as pid:
        pidfd = process.pidfd_open(pid)
        assert not os.get_inheritable(pidfd)
        assert select.select([pidfd], [], [], 0) == ([], [], [])
        process.pidfd_send_signal(pidfd, signal.SIGKILL)
        assert select.select([pidfd], [], [], 30)[0] == [pidfd]
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    with pytest.raises(ProcessLookupError):
        process.pidfd_send_signal(pidfd, signal.SIGTERM)
    os.close(pidfd)


def test_a_pidfd_of_nobody() -> None:
    with child() as pid:
        pass
    with pytest.raises(ProcessLookupError) as caught:
        process.pidfd_open(pid)
    assert caught.value.filename == str(pid)


def test_start_times_tell_processes_apart() -> None:
    with child() as first:
        time.sleep(0.05)
        with child() as second:
            assert process.start_time(first) == process.start_time(first)
            assert process.start_time(os.getpid()) <= process.start_time(first) < process.start_time(second)
    with pytest.raises(FileNotFoundError):
        process.start_time(first)


@pytest.mark.requires("root", "setpriv")
def test_a_process_that_is_not_dumpable_hides_from_its_own_user() -> None:
    def hide(dumpable: bool) -> None:
        process.setresuid(65534, 65534, 65534)
        process.set_dumpable(dumpable)
        process.set_name("ready")
        signal.pause()

    def peek(pid: int) -> str:
        process.setresuid(65534, 65534, 65534)
        process.set_dumpable(True)
        try:
            return os.readlink(f"/proc/{pid}/exe")
        except PermissionError:
            return "hidden"

    for dumpable in (True, False):
        with child(lambda dumpable=dumpable: hide(dumpable)) as pid:  # type: ignore[misc]  # bound in the loop
            until(lambda pid=pid: _name(pid) == "ready")  # type: ignore[misc]  # bound in the loop
            assert (in_child(lambda pid=pid: peek(pid)) == "hidden") is not dumpable  # type: ignore[misc]  # same


def _name(pid: int) -> str:
    with open(f"/proc/{pid}/comm") as file:
        return file.read().rstrip("\n")


def test_a_long_name_is_cut() -> None:
    def rename() -> bytes:
        process.set_name("a name of many letters")
        return os.fsencode(_name(os.getpid()))

    assert in_child(rename) == b"a name of many "


def test_a_child_dies_with_its_parent() -> None:
    reader, writer = os.pipe()

    def parent() -> None:
        pid = os.fork()
        if pid == 0:
            process.set_pdeathsig(signal.SIGKILL)
            os.write(writer, b"%d" % os.getpid())
            signal.pause()
        signal.pause()

    with child(parent) as pid:
        grandchild = process.pidfd_open(int(os.read(reader, 20)))
        os.kill(pid, signal.SIGKILL)
        assert select.select([grandchild], [], [], 30)[0] == [grandchild]
    for fd in (reader, writer, grandchild):
        os.close(fd)


def test_a_subreaper_inherits_orphans() -> None:
    def reap() -> bool:
        process.set_child_subreaper()
        reader, writer = os.pipe()
        middle = os.fork()
        if middle == 0:
            orphan = os.fork()
            if orphan:
                os.write(writer, b"%d" % orphan)
            os._exit(0)
        os.waitpid(middle, 0)
        return os.waitpid(int(os.read(reader, 20)), 0)[1] == 0

    assert in_child(reap)


def test_no_new_privs_is_shown_by_the_status() -> None:
    def lock() -> tuple[bool | None, bool | None]:
        before = _status().no_new_privs
        process.set_no_new_privs()
        return before, _status().no_new_privs

    assert in_child(lock) == (False, True)


@pytest.mark.requires("root")
def test_ids_are_what_the_status_shows() -> None:
    def change() -> procfs.ProcessStatus:
        process.setgroups([5, 7])
        process.setresgid(1001, 1002, 1003)
        process.setresuid(2001, 0, 2003)
        assert process.setfsgid(1004) == 1002
        assert process.setfsuid(2004) == 0
        return _status()

    status = in_child(change)
    assert status.gids == procfs.Ids(1001, 1002, 1003, 1004)
    assert status.uids == procfs.Ids(2001, 0, 2003, 2004)
    assert status.groups == (5, 7)


def test_asking_for_what_one_is_changes_nothing() -> None:
    def change() -> bool:
        before = _status()
        process.setresgid(-1, -1, -1)
        process.setresuid(-1, -1, -1)
        process.set_pdeathsig(0)
        same = (process.setfsuid(before.uids.filesystem), process.setfsgid(before.gids.filesystem))
        return _status() == before and same == (before.uids.filesystem, before.gids.filesystem)

    assert in_child(change)


@pytest.mark.requires("root")
def test_minus_one_leaves_an_id_as_it_is_and_groups_can_be_empty() -> None:
    def change() -> procfs.ProcessStatus:
        process.setgroups([1])
        process.setgroups([])
        process.setresgid(-1, -1, 9)
        process.setresuid(-1, -1, 9)
        return _status()

    status = in_child(change)
    assert status.groups == ()
    assert (status.uids.real, status.uids.saved, status.gids.saved) == (0, 9, 9)


@pytest.mark.requires("root")
def test_ids_without_the_right_to_change_them() -> None:
    calls: list[Callable[[], None]] = [
        lambda: process.setresuid(0, 0, 0),
        lambda: process.setresgid(1, 1, 1),
        lambda: process.setgroups([0]),
    ]

    def change() -> list[str]:
        process.setresuid(65534, 65534, 65534)
        texts = []
        for call in calls:
            with pytest.raises(PermissionError) as caught:
                call()
            texts.append(str(caught.value.strerror))
        return texts

    first, second, third = in_child(change)
    assert first.startswith("setresuid: ") and first.endswith("it wants CAP_SETUID in the user namespace")
    assert second.startswith("setresgid: ") and "CAP_SETGID" in second
    assert third.startswith("setgroups: ") and "CAP_SETGID" in third


@pytest.mark.requires("root")
def test_securebits_keep_capabilities_over_a_change_of_uid() -> None:
    from cntr_core.kernel.capabilities import SECBIT_KEEP_CAPS, SECBIT_NO_SETUID_FIXUP

    def change() -> tuple[int, int]:
        process.set_securebits(SECBIT_NO_SETUID_FIXUP)
        process.set_keep_capabilities(True)
        bits = process.securebits()
        process.set_keep_capabilities(False)
        assert process.securebits() == SECBIT_NO_SETUID_FIXUP
        process.setresuid(65534, 65534, 65534)
        return bits, _status().cap_effective

    bits, effective = in_child(change)
    assert bits == SECBIT_NO_SETUID_FIXUP | SECBIT_KEEP_CAPS
    assert effective != 0


def test_every_descriptor_above_can_be_made_close_on_exec() -> None:
    def mark() -> list[bool]:
        fds = [os.open("/dev/null", os.O_RDONLY) for _ in range(3)]
        for fd in fds:
            os.set_inheritable(fd, True)
        process.close_on_exec_from(fds[1])
        return [os.get_inheritable(fd) for fd in fds]

    assert in_child(mark) == [True, False, False]


def test_a_closed_descriptor_is_an_error_of_the_call() -> None:
    with pytest.raises(OSError, match="pidfd_send_signal: ") as caught:
        process.pidfd_send_signal(-1, 0)
    assert caught.value.errno == errno.EBADF
