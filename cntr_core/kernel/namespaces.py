"""Namespaces: setns(2), unshare(2), and the descriptors in ``/proc/PID/ns``."""

from __future__ import annotations

import fcntl
import os
import sys
from contextlib import ExitStack

from ..dataclass import dataclass
from .syscall import Syscall, owned

_ADMIN = "CAP_SYS_ADMIN in the namespace's user namespace and in one's own"
_setns = Syscall("setns", 268, 308, wants=_ADMIN)
_unshare = Syscall("unshare", 97, 272, wants=_ADMIN)

# linux/sched.h
CLONE_NEWTIME = 0x00000080
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

_INITIAL_USER = 0xEFFFFFFD  # PROC_USER_INIT_INO of linux/proc_ns.h
_NS_GET_OWNER_UID = 0xB704  # linux/nsfs.h


@dataclass(frozen=True, slots=True)
class Namespace:
    """A kind of namespace: its name in ``/proc/PID/ns`` and its flag for setns(2) and unshare(2)."""

    kind: str
    flag: int


NAMESPACES = {
    namespace.kind: namespace
    for namespace in (
        Namespace("user", CLONE_NEWUSER),
        Namespace("mnt", CLONE_NEWNS),
        Namespace("pid", CLONE_NEWPID),
        Namespace("net", CLONE_NEWNET),
        Namespace("ipc", CLONE_NEWIPC),
        Namespace("uts", CLONE_NEWUTS),
        Namespace("cgroup", CLONE_NEWCGROUP),  # Linux 4.6
        Namespace("time", CLONE_NEWTIME),  # Linux 5.6
    )
}


def open_namespaces(pid: int | str = "self", proc: str = "/proc") -> dict[str, int]:
    """Descriptors of all namespaces of a process, by kind. Kinds that the kernel was built without are absent.

    The caller owns the descriptors, which keep the namespaces alive. None is left open on an error.

    :raises FileNotFoundError: no such process.
    :raises PermissionError: ptrace(2)'s access rules forbid it.
    """
    with owned(os.open(f"{proc}/{pid}/ns", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)) as directory:
        return _open_all(directory)


def _open_all(directory: int) -> dict[str, int]:
    opened: dict[str, int] = {}
    with ExitStack() as half_way:
        for kind in NAMESPACES:
            try:
                opened[kind] = os.open(kind, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
                half_way.callback(os.close, opened[kind])
            except FileNotFoundError:
                # A process that ended meanwhile has no links at all; the kernel's own gaps are cgroup and time.
                if kind == "mnt":
                    raise
        half_way.pop_all()
    return opened


def same_namespace(fd: int, kind: str) -> bool:
    """Whether `fd` is the calling thread's own namespace of that kind. Needs the host's /proc, so ask before
    setns.
    """
    own, other = os.stat(f"/proc/thread-self/ns/{kind}"), os.fstat(fd)
    return (own.st_dev, own.st_ino) == (other.st_dev, other.st_ino)


def is_initial_user_namespace() -> bool:
    """Whether the caller is in the user namespace in which root is the machine's root."""
    return os.stat("/proc/self/ns/user").st_ino == _INITIAL_USER


def owner(fd: int) -> int:
    """The uid of whoever made the user namespace `fd`, in the caller's ids (ioctl_ns(2), Linux 4.11)."""
    answer = bytearray(4)
    fcntl.ioctl(fd, _NS_GET_OWNER_UID, answer)
    return int.from_bytes(answer, sys.byteorder)


def setns(fd: int, flag: int = 0) -> None:
    """Join the namespace `fd` (setns(2)); `flag` is its CLONE_NEW* for a check, or 0.

    For mnt, user and time the process must have one thread only; pid affects children, not the caller.
    Joining mnt resets root and working directory to the namespace's.
    """
    _setns(fd, flag)


def unshare(flags: int) -> None:
    """Move the calling thread into new namespaces (unshare(2))."""
    _unshare(flags)
