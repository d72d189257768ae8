from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cntr_core.kernel import procfs
from cntr_core.kernel.procfs import CgroupLine, Ids, Mount, ProcfsError
from tests.support.children import child, until
from tests.support.recorded import fixture

_PARSERS: list[Callable[[bytes], object]] = [
    procfs.parse_status,
    procfs.parse_stat,
    procfs.parse_environ,
    procfs.parse_mountinfo,
    procfs.parse_cgroup,
    procfs.parse_children,
    procfs.unescape,
]


@pytest.mark.parametrize("parser", _PARSERS, ids=lambda parser: str(parser.__name__))
@given(data=st.binary(max_size=400))
@example(data=b"Name:\tx\nState:\t\nUid:\t1 2 3\n")
@example(data=b"1 (x) ) R 1")
@example(data=b"1 (x) R 1 1 1 0 0 -5 0 0 0 0 0 0 0 0 20 0 1 0 17 0")
@example(data=b"36 35 98:0 / / rw - ext3 x")
@example(data=b"36 35 98:0 / / rw x - ext3 /dev/root rw,\xff")
@example(data=b"1:\xff:/x")
def test_parsers_never_fail_but_by_their_own_error(parser: Callable[[bytes], object], data: bytes) -> None:
    try:
        parser(data)
    except ProcfsError as error:
        assert "cannot understand" in str(error)


# -- status ---------------------------------------------------------------------------------------------------------


def test_the_status_of_a_container_process() -> None:
    status = procfs.parse_status(fixture("status/linux-6.18-container.status"))
    assert status.uids == status.gids == Ids(1000, 1000, 1000, 1000)
    assert status.groups == (1000,)
    assert (status.state, status.pid, status.tgid, status.parent) == ("S", 3120, 3120, 3098)
    assert status.namespace_pids == (3120, 1)
    assert status.umask == 0o022
    assert (status.cap_bounding, status.cap_inheritable) == (0xA80425FB, 0xA80425FB)
    assert (status.cap_permitted, status.cap_effective, status.cap_ambient) == (0, 0, 0)
    assert (status.no_new_privs, status.has_memory) == (False, True)


def test_the_status_of_an_old_kernel_lacks_what_came_later() -> None:
    status = procfs.parse_status(fixture("status/linux-3.10.status"))
    assert status.cap_effective == 0x1FFFFFFFFF
    assert status.cap_ambient == 0
    assert (status.umask, status.no_new_privs) == (None, None)
    assert status.namespace_pids == ()
    assert status.groups == ()
    assert status.has_memory


def test_a_kernel_thread_is_recognised() -> None:
    status = procfs.parse_status(fixture("status/linux-6.18-kernel-thread.status"))
    assert not status.has_memory


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Pid:\t3120", b"Pid:\t-1"),
        (b"CapBnd:\t00000000a80425fb", b"CapBnd:\tnone"),
        (b"Uid:\t1000\t1000\t1000\t1000", b"Uid:\t1000\t1000\t1000"),
        (b"State:\tS", b"State:\t?"),
        (b"PPid:", b"Parent:"),
    ],
)
def test_a_status_with_a_broken_field_is_refused(old: bytes, new: bytes) -> None:
    text = fixture("status/linux-6.18-container.status")
    assert old in text
    with pytest.raises(ProcfsError, match="status"):
        procfs.parse_status(text.replace(old, new))


# -- stat -----------------------------------------------------------------------------------------------------------

_PLAIN = st.integers(0, 2**31)


@given(name=st.binary(max_size=15), parent=_PLAIN, start=st.integers(0, 2**63), terminal=st.integers())
def test_stat_survives_any_name(name: bytes, parent: int, start: int, terminal: int) -> None:
    numbers = f"R {parent} 7 8 {terminal} -1 5" + " 0" * 12 + f" {start} 0 0"
    stat = procfs.parse_stat(b"42 (" + name + b") " + numbers.encode())
    assert (stat.pid, stat.name, stat.state, stat.parent) == (42, name, "R", parent)
    assert stat.start_time == start


def test_a_process_called_like_the_fields_behind_its_name() -> None:
    def pose() -> None:
        with open("/proc/self/comm", "wb") as file:
            file.write(b") R 1 (x")
        signal.pause()

    with child(pose) as pid:
        process = procfs.open_process(pid)
        until(lambda: procfs.read_stat(process).name == b") R 1 (x")
        assert procfs.read_stat(process).parent == os.getpid()
        os.close(process)


# -- environ --------------------------------------------------------------------------------------------------------

_NAMES = st.binary(min_size=1).filter(lambda name: b"=" not in name and b"\0" not in name)
_VALUES = st.binary().filter(lambda value: b"\0" not in value)


@given(st.dictionaries(_NAMES, _VALUES))
def test_environments_round_trip_with_their_order(environment: dict[bytes, bytes]) -> None:
    data = b"".join(name + b"=" + value + b"\0" for name, value in environment.items())
    assert list(procfs.parse_environ(data).items()) == list(environment.items())


def test_the_first_of_several_values_wins_and_words_without_a_name_are_passed_over() -> None:
    assert procfs.parse_environ(b"A=1\0A=2\0junk\0=x\0\0B=\0C=a=b\n\xff") == {b"A": b"1", b"B": b"", b"C": b"a=b\n\xff"}


# -- mountinfo ------------------------------------------------------------------------------------------------------


def _mountinfo() -> dict[bytes, Mount]:
    return {m.point: m for m in procfs.parse_mountinfo(fixture("mountinfo/optional-fields.mountinfo"))}


def test_any_number_of_optional_fields() -> None:
    mounts = _mountinfo()
    assert mounts[b"/none"].optional == ()
    assert mounts[b"/mnt2"].optional == (b"master:1",)
    assert mounts[b"/three"].optional == (b"shared:11", b"master:2", b"propagate_from:3")


def test_the_example_of_the_manual() -> None:
    assert _mountinfo()[b"/mnt2"] == Mount(
        36, 35, (98, 0), b"/mnt1", b"/mnt2", (b"rw", b"noatime"), (b"master:1",), b"ext3", b"/dev/root",
        (b"rw", b"errors=continue"),
    )  # fmt: skip


def test_escapes_are_undone_and_odd_sources_understood() -> None:
    mounts = _mountinfo()
    odd = mounts[b"/with blank\ttab\nline\\back#hash"]
    assert (odd.root, odd.source, odd.fstype) == (b"/a b", b"user@host:/a b", b"fuse.sshfs")
    assert mounts[b"/empty-source"].source == b""
    assert mounts[b"/dash"].source == b"-"
    assert mounts[b"/run/netns/x"].root == b"net:[4026531840]"


def test_a_table_of_systemd() -> None:
    mounts = procfs.parse_mountinfo(fixture("mountinfo/systemd-debian12.mountinfo"))
    assert [m.fstype for m in mounts] == [b"sysfs", b"devtmpfs", b"ext4", b"autofs", b"overlay"]
    assert b"upperdir=/u" in mounts[-1].super_options


@given(st.binary())
def test_escaping_as_the_kernel_does_round_trips(path: bytes) -> None:
    escaped = b"".join(b"\\%03o" % c if c in b" \t\n\\#" else bytes([c]) for c in path)
    assert procfs.unescape(escaped) == path


# -- cgroup ---------------------------------------------------------------------------------------------------------


@given(
    st.integers(0, 99),
    st.lists(st.from_regex(r"[a-z_=]+", fullmatch=True)),
    st.from_regex(r"/[^\n\0]*", fullmatch=True),
)
def test_cgroup_lines_round_trip_whatever_the_path(hierarchy: int, controllers: list[str], path: str) -> None:
    line = f"{hierarchy}:{','.join(controllers)}:{path}\n".encode()
    assert procfs.parse_cgroup(line) == [CgroupLine(hierarchy, tuple(controllers), path.encode())]


def test_odd_cgroup_names() -> None:
    assert procfs.parse_cgroup(fixture("cgroup/odd-names.cgroup")) == [
        CgroupLine(3, ("pids",), b"/lxc.payload:web/a b"),
        CgroupLine(0, (), b"/gone (deleted)"),
    ]


@pytest.mark.parametrize("line", [b"0::", b"0:/x", b"x::/x", b"0::x"])
def test_what_is_no_cgroup_line_is_refused(line: bytes) -> None:
    with pytest.raises(ProcfsError, match="cgroup line"):
        procfs.parse_cgroup(line)


# -- readers --------------------------------------------------------------------------------------------------------


def test_readers_on_a_real_process() -> None:
    with child() as pid:
        process = procfs.open_process(pid)
        try:
            status, stat = procfs.read_status(process), procfs.read_stat(process)
            assert status.pid == stat.pid == pid
            assert status.parent == stat.parent == os.getpid()
            assert status.uids.real == os.getuid()
            assert procfs.read_environ(process) == procfs.parse_environ(procfs.read(process, "environ"))
            assert any(mount.point == b"/" for mount in procfs.read_mountinfo(process))
            assert procfs.read_cgroup(process)
            assert procfs.read_children(process) == []
        finally:
            os.close(process)


def test_children_of_every_thread_are_found() -> None:
    process, pids, done = procfs.open_process(), [], threading.Event()

    def fork() -> None:
        pid = os.fork()
        if pid == 0:
            signal.pause()
        pids.append(pid)
        done.wait(30)

    thread = threading.Thread(target=fork)
    thread.start()
    until(lambda: pids)
    try:
        assert pids[0] in procfs.read_children(process)
    finally:
        done.set()
        thread.join()
        os.close(process)
        os.kill(pids[0], signal.SIGKILL)
        os.waitpid(pids[0], 0)


def test_a_directory_of_a_process_that_ended_never_shows_another_one() -> None:
    with child() as pid:
        process = procfs.open_process(pid)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    try:
        with pytest.raises(OSError) as caught:
            procfs.read_status(process)
    finally:
        os.close(process)
    assert caught.value.errno in (errno.ESRCH, errno.ENOENT)
    with pytest.raises(FileNotFoundError):
        procfs.open_process(pid)
