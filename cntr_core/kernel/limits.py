"""Resource limits of another process, from ``/proc/PID/limits``: prlimit(2) would want CAP_SYS_RESOURCE for it."""

from __future__ import annotations

import re
import resource

from .procfs import ProcfsError, read

NAMES = {
    b"cpu time": resource.RLIMIT_CPU,
    b"file size": resource.RLIMIT_FSIZE,
    b"data size": resource.RLIMIT_DATA,
    b"stack size": resource.RLIMIT_STACK,
    b"core file size": resource.RLIMIT_CORE,
    b"resident set": resource.RLIMIT_RSS,
    b"processes": resource.RLIMIT_NPROC,
    b"open files": resource.RLIMIT_NOFILE,
    b"locked memory": resource.RLIMIT_MEMLOCK,
    b"address space": resource.RLIMIT_AS,
    b"file locks": 10,  # RLIMIT_LOCKS, which Python does not name
    b"pending signals": resource.RLIMIT_SIGPENDING,
    b"msgqueue size": resource.RLIMIT_MSGQUEUE,
    b"nice priority": resource.RLIMIT_NICE,
    b"realtime priority": resource.RLIMIT_RTPRIO,
    b"realtime timeout": resource.RLIMIT_RTTIME,
}
"""What the kernel calls each limit (fs/proc/base.c, lnames), and its number."""

_LINE = re.compile(rb"Max (?P<name>[a-z ]+?)\s+(?P<soft>\d+|unlimited)\s+(?P<hard>\d+|unlimited)(?:\s+[a-z]+)?\s*")


def parse_limits(data: bytes) -> dict[int, tuple[int, int]]:
    """Soft and hard limits by RLIMIT number; RLIM_INFINITY for unlimited. Names of newer kernels are left out.

    :raises ProcfsError: it is no such file.
    """
    limits = {}
    for line in data.splitlines()[1:]:
        match = _LINE.fullmatch(line)
        if match is None:
            raise ProcfsError(f"not a line of /proc/PID/limits: {line[:80]!r}")
        if match["name"] in NAMES:
            limits[NAMES[match["name"]]] = (_value(match["soft"]), _value(match["hard"]))
    return limits


def _value(text: bytes) -> int:
    number = resource.RLIM_INFINITY if text == b"unlimited" else int(text)
    # Python takes RLIM_INFINITY as -1, and the kernel's largest number is the same thing.
    return resource.RLIM_INFINITY if number == 2**64 - 1 else number


def read_limits(process: int) -> dict[int, tuple[int, int]]:
    """:func:`parse_limits` of a process, given as a ``/proc/PID`` descriptor."""
    return parse_limits(read(process, "limits"))
