"""Control groups, v1, v2 and hybrid: where a process's are mounted here, and what state they are in
(cgroups(7)).

The core is pure: :func:`locate` joins ``/proc/PID/cgroup`` with our own mountinfo. Both are printed relative
to the reader's cgroup namespace, and a mount may show only a part of its hierarchy (Docker in Docker), so a
path is reached below a mount only when the mount's root is a prefix of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

from ..dataclass import dataclass
from .mounts import CGROUP2_SUPER_MAGIC, CGROUP_SUPER_MAGIC, statfs_type
from .paths import relative
from .procfs import CgroupLine, Mount, open_process, own_mounts, parse_mountinfo, read, read_cgroup
from .syscall import owned

_DELETED = b" (deleted)"


@dataclass(frozen=True, slots=True)
class Cgroup:
    """A process's group in one hierarchy.

    `controllers` are those of a v1 hierarchy (``name=systemd`` for one without), empty for v2. `directories`
    are where the group can be reached, best first; empty when no mount shows it or the group was removed.
    `roots` are the mount points that they lie below, pairwise.
    """

    version: int
    controllers: tuple[str, ...]
    path: bytes
    directories: tuple[str, ...]
    roots: tuple[str, ...]


def locate(mounts: Sequence[Mount], lines: Iterable[CgroupLine]) -> list[Cgroup]:
    """Find the directory of each line of ``/proc/PID/cgroup`` among the `mounts` of the caller."""
    return [_locate(mounts, line) for line in lines]


def _locate(mounts: Sequence[Mount], line: CgroupLine) -> Cgroup:
    version = 1 if line.controllers else 2
    found = []
    for mount in mounts:
        if _serves(mount, line) and (below := _relative(line.path, mount.root)) is not None:
            directory = os.fsdecode(mount.point.rstrip(b"/") + b"/" + below).rstrip("/")
            found.append((mount.root.count(b"/"), directory, os.fsdecode(mount.point)))
    found.sort(key=lambda candidate: candidate[0])  # mounts of a whole hierarchy before those of a part
    return Cgroup(version, line.controllers, line.path, tuple(f[1] for f in found), tuple(f[2] for f in found))


def _serves(mount: Mount, line: CgroupLine) -> bool:
    if not line.controllers:
        return mount.fstype == b"cgroup2"
    options = {option.decode(errors="surrogateescape") for option in mount.super_options}
    return mount.fstype == b"cgroup" and options.issuperset(line.controllers)


def _relative(path: bytes, root: bytes) -> bytes | None:
    """`path` below the mounted `root`; None when the mount does not show it, or cannot name it.

    >>> _relative(b"/docker/a/docker/b", b"/docker/a")
    b'docker/b'
    """
    if path.endswith(_DELETED):
        return None
    below = relative(path, root)
    # "/../x": outside of our cgroup namespace. Below a mount of its root such a path would leave the mount.
    return None if below is None or b".." in below.split(b"/") else below


def cgroups(pid: int | str, proc: str = "/proc", controller: str = "") -> list[Cgroup]:
    """The groups of a process (or of a thread, as ``PID/task/TID``), one for each hierarchy; for a `controller` those
    where it can be: the v1 hierarchy that has it, and v2.

    :raises FileNotFoundError, ProcessLookupError: no such process.
    """
    lines = _lines(pid, proc)
    wanted = [line for line in lines if not controller or not line.controllers or controller in line.controllers]
    return locate(_mounts(proc), wanted)


def _lines(pid: int | str, proc: str) -> list[CgroupLine]:
    with owned(open_process(pid, proc)) as process:
        return read_cgroup(process)


def _mounts(proc: str) -> list[Mount]:
    """Those of hierarchies, by the type behind the separator (proc(5)): a host of many containers has 1,000 others."""
    with owned(open_process("self", proc)) as own:
        lines = read(own, "mountinfo").split(b"\n")
    return parse_mountinfo(b"\n".join(line for line in lines if b" - cgroup" in line))


def reach(cgroup: Cgroup) -> tuple[str, str] | None:
    """The group's directory and its mount point, for the first one that is not hidden by another mount."""
    for directory, root in zip(cgroup.directories, cgroup.roots, strict=True):
        try:
            fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            continue
        with owned(fd):
            if statfs_type(fd) in (CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC):
                return directory, root
    return None


def procs_files(pid: int | str, proc: str = "/proc") -> list[str]:
    """The ``cgroup.procs`` files that a process writes its PID to in order to be where `pid` is.

    Hierarchies that cannot be reached from here are left out (see :func:`unreachable`), and so are those in
    which the caller already shares the group.
    """
    return [f"{found[0]}/cgroup.procs" for c in _elsewhere(pid, proc) if (found := reach(c))]


def unreachable(pid: int | str, proc: str = "/proc") -> list[Cgroup]:
    """The groups of `pid` that a caller who is not in them cannot join, because no mount shows them."""
    return [c for c in _elsewhere(pid, proc) if reach(c) is None]


def may_join(pid: int | str, proc: str = "/proc") -> bool:
    """Whether the caller, without privileges, may move a process of its own to where `pid` is: in each hierarchy it
    must be able to write there, and in v2 also to the nearest group above both (cgroups(7), delegation containment).
    """
    own = {(c.version, c.controllers): c.path for c in cgroups(os.getpid(), proc)}
    return all(_may_join(c, own.get((c.version, c.controllers), b"/")) for c in _elsewhere(pid, proc))


def _may_join(cgroup: Cgroup, own: bytes) -> bool:
    if not (found := reach(cgroup)):  # pragma: no cover - a hierarchy that is mounted nowhere
        return False
    directories = [found[0]]
    if cgroup.version == 2:
        below = os.path.relpath(cgroup.path, os.path.commonpath([cgroup.path, own]))
        directories.append(os.path.join(found[0], *[".."] * (0 if below == b"." else below.count(b"/") + 1)))
    return all(os.access(f"{directory}/cgroup.procs", os.W_OK, effective_ids=True) for directory in directories)


def _elsewhere(pid: int | str, proc: str) -> list[Cgroup]:
    own = {line.controllers: line.path for line in _lines(os.getpid(), proc)}
    return locate(_mounts(proc), [line for line in _lines(pid, proc) if own.get(line.controllers) != line.path])


def frozen(pid: int | str, proc: str = "/proc") -> bool:
    """Whether the process is stopped by a freezer (``docker pause``), its own group's or one above."""
    return any(_frozen(cgroup) for cgroup in cgroups(pid, proc, "freezer"))


def _frozen(cgroup: Cgroup) -> bool:
    if not (found := reach(cgroup)):
        return False
    if cgroup.version == 2:
        return b"frozen 1" in _content(f"{found[0]}/cgroup.events").split(b"\n")
    freezes = "freezer" in cgroup.controllers
    return freezes and _content(f"{found[0]}/freezer.state") in (b"FROZEN", b"FREEZING")


def leave_freezer(pid: int) -> None:
    """Move a process to the caller's own group of the v1 freezer, and so thaw it: there nothing ends who is frozen, not
    even SIGKILL. In v2 SIGKILL does.

    :raises OSError: it has ended, or the caller may not.
    """
    for cgroup in cgroups(os.getpid(), controller="freezer"):
        if "freezer" in cgroup.controllers and (found := reach(cgroup)):
            with open(f"{found[0]}/cgroup.procs", "wb", buffering=0) as file:
                file.write(b"%d" % pid)


def pids_left(pid: int | str, proc: str = "/proc") -> int | None:
    """How many processes the groups of `pid`, and those above, still admit; None when nothing limits them."""
    limits = []
    for cgroup in cgroups(pid, proc, "pids"):
        if found := reach(cgroup):
            limits += [left for directory in _upwards(*found) if (left := _left(directory)) is not None]
    return min(limits, default=None)


def pids_full(pid: int | str, needed: int = 1, proc: str = "/proc") -> bool:
    """Whether a fork in the groups of `pid` would fail with EAGAIN, as pids.max is reached."""
    left = pids_left(pid, proc)
    return left is not None and left < needed


def _upwards(directory: str, root: str) -> Iterator[str]:
    while directory != root:
        yield directory
        directory = os.path.dirname(directory)
    yield root


def _left(directory: str) -> int | None:
    maximum, current = _content(f"{directory}/pids.max"), _content(f"{directory}/pids.current")
    return int(maximum) - int(current) if maximum.isdigit() and current.isdigit() else None


def hierarchies() -> list[str]:
    """Where the hierarchies are mounted here."""
    return [os.fsdecode(one.point) for one in own_mounts() if one.fstype in (b"cgroup", b"cgroup2")]


def controllers() -> set[str]:
    """What the hierarchies that are mounted here can limit: ``memory``, ``pids`` …"""
    found: set[str] = set()
    for mount in own_mounts():
        if mount.fstype == b"cgroup":
            found |= {option.decode(errors="replace") for option in mount.super_options}
        elif mount.fstype == b"cgroup2":
            found |= set(_content(f"{os.fsdecode(mount.point)}/cgroup.controllers").decode().split())
    return found


def pids_events(pid: int | str) -> str:
    """The file that counts the forks that the limit of processes refused in the group of `pid`; empty without one."""
    for cgroup in cgroups(pid, controller="pids"):
        if (found := reach(cgroup)) and os.path.exists(path := f"{found[0]}/pids.events"):
            return path
    return ""


def refused_forks(events: str) -> int:
    """How many, by :func:`pids_events`."""
    words = _content(events).split() if events else []
    return int(words[words.index(b"max") + 1]) if b"max" in words else 0


def pids_limit(events: str) -> int:
    """How many processes the group with these :func:`pids_events` may have; 0 for any number."""
    return _limit(f"{os.path.dirname(events)}/pids.max")


def memory_limit(events: str) -> int:
    """How many bytes the group with these :func:`memory_events` may use; 0 for no limit of its own."""
    name = "memory.max" if events.endswith("memory.events") else "memory.limit_in_bytes"
    return _limit(f"{os.path.dirname(events)}/{name}")


def _limit(path: str) -> int:
    content = _content(path)
    return int(content) if content.isdigit() else 0


def memory_events(pid: int | str, proc: str = "/proc") -> str:
    """The file that counts what a lack of memory did to the group of `pid`; empty where no mount shows it."""
    for cgroup in cgroups(pid, proc, "memory"):
        if found := reach(cgroup):
            if "memory" in cgroup.controllers:
                return f"{found[0]}/memory.oom_control"
            if cgroup.version == 2 and os.path.exists(path := f"{found[0]}/memory.events"):
                return path
    return ""


def oom_kills(events: str) -> int:
    """How many processes of a group were killed for lack of memory, by its :func:`memory_events`; 0 where that cannot
    be told (v1 counts since Linux 4.13).
    """
    lines = dict(line.split() for line in _content(events).splitlines() if line.count(b" ") == 1)
    return int(lines.get(b"oom_kill", 0))


def _content(path: str) -> bytes:
    """The stripped content, empty where the group lacks the file (root groups and absent controllers do)."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(4096).strip()
    except OSError:
        return b""
