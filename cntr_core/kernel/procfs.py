"""What /proc says about a process, as values (proc(5)).

Parsers are pure functions over bytes, and raise :class:`ProcfsError` for what they cannot read; other kernels
print fields that this one does not, and those are passed over. Readers take the descriptor of a ``/proc/PID``
directory, which stays with its process: when the PID is given to another one, reads fail with ESRCH.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import NoReturn

from ..dataclass import dataclass
from ..reasons import reason
from .syscall import owned

_OCTAL = re.compile(rb"\\([0-3][0-7]{2})")


class ProcfsError(ValueError):
    """A file under /proc holds something that its documentation does not describe."""


@dataclass(frozen=True, slots=True)
class Ids:
    """The four ids of one kind, as the reader's user namespace sees them."""

    real: int
    effective: int
    saved: int
    filesystem: int


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """``/proc/PID/status``. Fields of newer kernels are None (or empty) where the kernel did not print them.

    `state` is one letter: R, S, D, T, t, X, Z, I. `tgid` is the
    process and `pid` the thread. `namespace_pids` are its numbers, from the reader's PID namespace down to
    its own (Linux 4.1). Capability sets are masks; `cap_ambient` came with Linux 4.3, `umask` with 4.7,
    `no_new_privs` with 4.10.
    """

    state: str
    tgid: int
    pid: int
    parent: int
    uids: Ids
    gids: Ids
    groups: tuple[int, ...]
    namespace_pids: tuple[int, ...]
    umask: int | None
    cap_inheritable: int
    cap_permitted: int
    cap_effective: int
    cap_bounding: int
    cap_ambient: int
    no_new_privs: bool | None
    seccomp: int | None
    """0 without a filter of system calls, 1 in strict mode, 2 with filters (seccomp(2))."""
    has_memory: bool
    """Whether it has an address space: false for kernel threads and zombies."""


@dataclass(frozen=True, slots=True)
class Stat:
    """The part of ``/proc/PID/stat`` that status does not have.

    `start_time` is in clock ticks since boot.
    """

    pid: int
    name: bytes
    state: str
    parent: int
    session: int
    start_time: int


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of ``/proc/PID/mountinfo``; paths are raw bytes, with the kernel's octal escapes undone.

    `root` is the part of the filesystem that is shown; `optional` are the fields before the separator, such
    as ``shared:1`` and ``master:2``.
    """

    id: int
    parent: int
    device: tuple[int, int]
    root: bytes
    point: bytes
    options: tuple[bytes, ...]
    optional: tuple[bytes, ...]
    fstype: bytes
    source: bytes
    super_options: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class CgroupLine:
    """One line of ``/proc/PID/cgroup``: hierarchy 0 without controllers is cgroup v2."""

    hierarchy: int
    controllers: tuple[str, ...]
    path: bytes


def _fail(what: str, data: bytes) -> NoReturn:
    raise ProcfsError(f"cannot understand {what}: {data[:80]!r}")


def parse_status(data: bytes) -> ProcessStatus:
    """Read ``/proc/PID/status``."""
    fields: dict[bytes, bytes] = {}
    for line in data.split(b"\n"):
        key, separator, value = line.partition(b":")
        if separator:
            fields.setdefault(key, value.removeprefix(b"\t"))
    try:
        return _status(fields)
    except (KeyError, ValueError, IndexError) as error:
        raise ProcfsError(f"cannot understand a process's status: {reason(error)}") from error


def _status(fields: dict[bytes, bytes]) -> ProcessStatus:
    return ProcessStatus(
        state=_letter(fields[b"State"]),
        tgid=_number(fields[b"Tgid"]),
        pid=_number(fields[b"Pid"]),
        parent=_number(fields[b"PPid"]),
        uids=_ids(fields[b"Uid"]),
        gids=_ids(fields[b"Gid"]),
        groups=_numbers(fields[b"Groups"]),
        namespace_pids=_numbers(fields.get(b"NSpid", b"")),
        umask=_number(fields[b"Umask"], 8) if b"Umask" in fields else None,
        cap_inheritable=_number(fields[b"CapInh"], 16),
        cap_permitted=_number(fields[b"CapPrm"], 16),
        cap_effective=_number(fields[b"CapEff"], 16),
        cap_bounding=_number(fields[b"CapBnd"], 16),
        cap_ambient=_number(fields.get(b"CapAmb", b"0"), 16),
        no_new_privs=bool(_number(fields[b"NoNewPrivs"])) if b"NoNewPrivs" in fields else None,
        seccomp=_number(fields[b"Seccomp"]) if b"Seccomp" in fields else None,
        has_memory=b"VmSize" in fields,
    )


def _number(text: bytes, base: int = 10) -> int:
    text = text.strip(b" \t")
    if not text.isalnum():  # int() alone would take signs and underscores too
        raise ValueError(f"not a number: {text!r}")
    return int(text, base)


def _numbers(text: bytes) -> tuple[int, ...]:
    return tuple(_number(word) for word in text.split())


def _ids(text: bytes) -> Ids:
    numbers = _numbers(text)
    if len(numbers) != 4:
        raise ValueError(f"not four ids: {text!r}")
    return Ids(*numbers)


def _letter(text: bytes) -> str:
    letter = text[:1].decode("ascii")
    if not letter.isalpha():
        raise ValueError(f"not a state: {text!r}")
    return letter


def parse_stat(data: bytes) -> Stat:
    """Read ``/proc/PID/stat``. The name stands in parentheses and may itself hold blanks and parentheses."""
    pid, opening, rest = data.partition(b" (")
    name, closing, numbers = rest.rpartition(b") ")
    fields = numbers.split()
    if not (opening and closing and len(fields) >= 20):
        _fail("a process's stat", data)
    try:
        return Stat(
            pid=_number(pid),
            name=name,
            state=_letter(fields[0]),
            parent=_number(fields[1]),
            session=_number(fields[3]),
            start_time=_number(fields[19]),
        )
    except ValueError:
        _fail("a process's stat", data)


def parse_environ(data: bytes) -> dict[bytes, bytes]:
    """Read ``/proc/PID/environ`` in its order. Of a name that occurs twice the first wins, as in getenv(3).

    Words without ``=`` (a process may write anything there) are passed over.
    """
    environment: dict[bytes, bytes] = {}
    for word in data.split(b"\0"):
        name, separator, value = word.partition(b"=")
        if separator and name:
            environment.setdefault(name, value)
    return environment


def unescape(text: bytes) -> bytes:
    r"""Undo the kernel's ``\040``-style escapes of blanks, tabs, newlines, backslashes and ``#``."""
    return _OCTAL.sub(lambda match: bytes([int(match[1], 8)]), text)


def parse_mountinfo(data: bytes) -> list[Mount]:
    """Read ``/proc/PID/mountinfo``: any number of optional fields stand before the separator ``-``."""
    return [_mount(line) for line in data.split(b"\n") if line]


def _mount(line: bytes) -> Mount:
    words = line.split(b" ")
    try:
        separator = words.index(b"-", 6)
        major, minor = words[2].split(b":")
        fstype, source, super_options = words[separator + 1 : separator + 4]
        return Mount(
            id=_number(words[0]),
            parent=_number(words[1]),
            device=(_number(major), _number(minor)),
            root=unescape(words[3]),
            point=unescape(words[4]),
            options=tuple(words[5].split(b",")),
            optional=tuple(words[6:separator]),
            fstype=unescape(fstype),
            source=unescape(source),
            super_options=tuple(super_options.split(b",")),
        )
    except ValueError:
        _fail("a line of mountinfo", line)


def parse_cgroup(data: bytes) -> list[CgroupLine]:
    """Read ``/proc/PID/cgroup``. A path may hold colons: only the first two separate."""
    lines: list[CgroupLine] = []
    for line in data.split(b"\n"):
        hierarchy, _, rest = line.partition(b":")
        controllers, colon, path = rest.partition(b":")
        if not line:
            continue
        if not (colon and hierarchy.isdigit() and path.startswith(b"/")):
            _fail("a cgroup line", line)
        names = tuple(controllers.decode(errors="surrogateescape").split(",")) if controllers else ()
        lines.append(CgroupLine(int(hierarchy), names, path))
    return lines


def parse_children(data: bytes) -> list[int]:
    """Read ``/proc/PID/task/TID/children``."""
    try:
        return list(_numbers(data))
    except ValueError:
        _fail("a list of children", data)


def open_process(pid: int | str = "self", proc: str = "/proc") -> int:
    """A descriptor of the directory ``/proc/PID``, for the readers below.

    :raises FileNotFoundError: no such process.
    """
    return os.open(f"{proc}/{pid}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def living_thread(pid: int, proc: str = "/proc") -> str | None:
    """The path below `proc` of a thread of `pid` that lives: ``PID``, or where its main thread has ended before others,
    ``PID/task/TID``, as ``/proc/PID`` itself has no files, namespaces and variables any more. None if none lives.

    :raises FileNotFoundError, ProcessLookupError: no such process.
    """
    for thread in (str(pid), *(f"{pid}/task/{tid}" for tid in os.listdir(f"{proc}/{pid}/task"))):
        with suppress(FileNotFoundError, ProcessLookupError), owned(open_process(thread, proc)) as directory:
            if read_stat(directory).state not in "ZX":
                return thread
    return None


LONGEST_MEMORY = 6 << 20
"""Bytes of ``environ`` and ``cmdline``, which are any part of its memory that a process names (prctl(2), PR_SET_MM): no
program is started with more (execve(2), 3/4 of ``_STK_LIM``)."""


def read(process: int, name: str, limit: int | None = None) -> bytes:
    """All of one file of a process, such as ``"status"`` or ``"attr/current"``, or its first `limit` bytes.

    :raises ProcessLookupError: the process has ended.
    """
    with owned(os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=process)) as fd:
        content = bytearray()
        while (limit is None or len(content) < limit) and (chunk := os.read(fd, 1 << 16)):
            content += chunk
        return bytes(content[:limit])


def read_status(process: int) -> ProcessStatus:
    """:func:`parse_status` of a process."""
    return parse_status(read(process, "status"))


def read_stat(process: int) -> Stat:
    """:func:`parse_stat` of a process."""
    return parse_stat(read(process, "stat"))


def read_environ(process: int) -> dict[bytes, bytes]:
    """:func:`parse_environ` of a process: what it was started with, unless it has overwritten it since."""
    return parse_environ(read(process, "environ", LONGEST_MEMORY))


def read_mountinfo(process: int) -> list[Mount]:
    """:func:`parse_mountinfo` of a process: the mounts below its own root."""
    return parse_mountinfo(read(process, "mountinfo"))


def read_cgroup(process: int) -> list[CgroupLine]:
    """:func:`parse_cgroup` of a process, relative to the reader's cgroup namespace."""
    return parse_cgroup(read(process, "cgroup"))


def own_mounts() -> list[Mount]:
    """The caller's own ``mountinfo``."""
    with owned(open_process("self")) as process:
        return read_mountinfo(process)


def read_children(process: int) -> list[int]:
    """The children of all threads of a process (CONFIG_PROC_CHILDREN)."""
    with owned(os.open("task", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=process)) as tasks:
        children: list[int] = []
        for thread in os.listdir(tasks):
            children += parse_children(read(tasks, f"{thread}/children"))
        return children
