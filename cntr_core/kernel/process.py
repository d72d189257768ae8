"""What a process may do to itself and to others: pidfds, prctl(2), and its ids.

The ids are set by raw system calls, for the calling thread alone; call them in a process of one thread.
"""

from __future__ import annotations

import ctypes
import itertools
import os
from collections.abc import Collection, Sequence

from .procfs import parse_stat
from .syscall import Syscall

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs are looked for without a PATH, as docker and shells have it."""

_SETUID = "CAP_SETUID in the user namespace"
_SETGID = "CAP_SETGID in the user namespace"
_pidfd_open = Syscall("pidfd_open", 434, since="5.3")
_pidfd_send_signal = Syscall("pidfd_send_signal", 424, since="5.1", wants="CAP_KILL, or the same user")
_prctl = Syscall("prctl", 167, 157)
_setresuid = Syscall("setresuid", 147, 117, wants=_SETUID)
_setresgid = Syscall("setresgid", 149, 119, wants=_SETGID)
_setgroups = Syscall("setgroups", 159, 116, wants=_SETGID)
_setfsuid = Syscall("setfsuid", 151, 122)
_setfsgid = Syscall("setfsgid", 152, 123)
_close_range = Syscall("close_range", 436, since="5.9")
_umask = Syscall("umask", 166, 95)

_malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none

_CLOSE_RANGE_CLOEXEC = 4  # linux/close_range.h
_LARGEST_FD = 0x7FFFFFFF

# linux/prctl.h
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_KEEPCAPS = 8
_PR_SET_NAME = 15
_PR_GET_SECUREBITS = 27
_PR_SET_SECUREBITS = 28
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38


def pidfd_open(pid: int, flags: int = 0) -> int:
    """A descriptor of the process, readable when it ends; always close-on-exec (pidfd_open(2)).

    :raises ProcessLookupError: no such process, or (EINVAL, a plain OSError, before Linux 6.9) `pid` is a
        thread and not the first one of its process.
    """
    return _pidfd_open(pid, flags, path=str(pid))


def pidfd_send_signal(pidfd: int, signal: int) -> None:
    """Signal the process that `pidfd` was opened for, and never another that got its number.

    :raises ProcessLookupError: it has ended, and was reaped.
    """
    _pidfd_send_signal(pidfd, signal, None, 0)


def start_time(pid: int, proc: str = "/proc") -> int:
    """When the process started, in clock ticks since boot; with the PID it names a process for ever.

    :raises FileNotFoundError, ProcessLookupError: no such process.
    """
    with open(f"{proc}/{pid}/stat", "rb", buffering=0) as file:
        return parse_stat(file.read()).start_time


def boot_id() -> str:
    """A name for this start of the machine, which no other has (random(4))."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def set_dumpable(dumpable: bool) -> None:
    """Forbid or allow ptrace(2) and ``/proc/PID/{exe,fd,root,mem}`` to processes of the same user.

    execve(2) of a readable program sets it again.
    """
    _prctl(_PR_SET_DUMPABLE, int(dumpable))


def set_pdeathsig(signal: int) -> None:
    """Have the kernel send `signal` to this process when its parent *thread* ends; 0 for none.

    Cleared by fork, and by changes of credentials. A parent that ended before the call sends nothing: compare
    os.getppid() afterwards.
    """
    _prctl(_PR_SET_PDEATHSIG, signal)


def set_child_subreaper(on: bool = True) -> None:
    """Become the parent of orphaned descendants, instead of the PID namespace's init."""
    _prctl(_PR_SET_CHILD_SUBREAPER, int(on))


def set_no_new_privs() -> None:
    """Make set-user-id bits and file capabilities void for this process and its children, irrevocably."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def set_keep_capabilities(keep: bool) -> None:
    """Keep the permitted capabilities when all uids change from 0 to others; cleared by execve(2)."""
    _prctl(_PR_SET_KEEPCAPS, int(keep))


def securebits() -> int:
    """The SECBIT_* flags of the thread (capabilities(7))."""
    return _prctl(_PR_GET_SECUREBITS)


def set_securebits(bits: int) -> None:
    """Set the SECBIT_* flags; wants CAP_SETPCAP."""
    _prctl(_PR_SET_SECUREBITS, bits)


def set_umask(mask: int) -> None:
    """umask(2), which fails only where a filter refuses it: the C library then leaves errno as it was.

    :raises OSError: it is so.
    """
    _umask(mask)


def set_name(name: str) -> None:
    """Set the thread's name as ps(1) and ``/proc/PID/comm`` show it; cut after 15 bytes."""
    _prctl(_PR_SET_NAME, os.fsencode(name)[:15] + b"\0")


def setresuid(real: int, effective: int, saved: int) -> None:
    """Set the three user ids; -1 leaves one as it is. The filesystem uid follows the effective one."""
    _setresuid(real, effective, saved)


def setresgid(real: int, effective: int, saved: int) -> None:
    """Set the three group ids; -1 leaves one as it is."""
    _setresgid(real, effective, saved)


def setgroups(groups: Sequence[int]) -> None:
    """Set the supplementary groups, at most 65536. In a user namespace `/proc/PID/setgroups` may deny it."""
    _setgroups(len(groups), (ctypes.c_uint32 * max(len(groups), 1))(*groups))


def setfsuid(uid: int) -> int:
    """Set the uid used for file access, and return the one before. The kernel reports no error (setfsuid(2)).

    Leaving 0 drops the file capabilities (CAP_DAC_OVERRIDE …) from the effective set, unless
    SECBIT_NO_SETUID_FIXUP is set.
    """
    return _setfsuid(uid)


def setfsgid(gid: int) -> int:
    """Set the gid used for file access, and return the one before."""
    return _setfsgid(gid)


def close_others(kept: Collection[int]) -> None:
    """Close every descriptor but those of `kept`, however high their numbers."""
    edges = [-1, *sorted(kept), _LARGEST_FD]
    for before, after in itertools.pairwise(edges):
        if before + 1 < after:
            os.closerange(before + 1, after)


def close_on_exec_from(first: int) -> None:
    """Set close-on-exec on every descriptor from `first` on (close_range(2), the flag since Linux 5.11)."""
    _close_range(first, 0xFFFFFFFF, _CLOSE_RANGE_CLOEXEC)


def trim_heap() -> None:
    """Give back to the kernel what the C library keeps of freed memory (malloc_trim(3)), where it can."""
    if _malloc_trim is not None:
        _malloc_trim(0)
