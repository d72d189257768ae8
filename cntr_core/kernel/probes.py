"""What this kernel and this process can do: the material of ``cntr doctor``.

A probe asks the kernel itself where that is harmless (a system call with arguments that cannot succeed tells
ENOSYS from any other error), and reads /proc where it is not. Nothing is changed, and probes need no
privilege to run.
"""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Callable, Iterator

from ..dataclass import dataclass
from . import capabilities, mounts, namespaces, paths, process
from .syscall import Syscall

_fanotify_init = Syscall("fanotify_init", 262, 300, since="2.6.36", wants="CAP_SYS_ADMIN")

MINIMUM_FILES = 1024
"""A soft limit of open files below which a FUSE server has to reopen files all the time."""

_PRIVILEGES = {
    "SYS_ADMIN": "mount, and join namespaces",
    "SYS_CHROOT": "join mount namespaces",
    "SYS_PTRACE": "read other users' /proc entries",
    "SETUID": "become the container's user",
    "SETGID": "become the container's groups",
    "SETPCAP": "give up capabilities that the container lacks",
    "DAC_OVERRIDE": "reach files whatever their owner",
    "KILL": "end a session of another user",
}


@dataclass(frozen=True, slots=True)
class Feature:
    """One thing that cntr may use. `detail` is what was found, `remedy` the next step where it is missing.

    Nothing works without the `required` ones; the others each make one thing possible.
    """

    name: str
    available: bool
    detail: str
    remedy: str = ""
    required: bool = False


def probe() -> list[Feature]:
    """Ask for everything, in the order in which one would repair it."""
    return [feature for group in _GROUPS for feature in group()]


def kernel_version(release: str) -> tuple[int, int]:
    """The two leading numbers of ``uname -r``.

    >>> kernel_version("6.1.0-42-amd64")
    (6, 1)
    """
    major, _, rest = release.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    return int(major), int(digits or 0)


def _release() -> str:
    return os.uname().release


def _kernel() -> Iterator[Feature]:
    release = _release()
    enough = kernel_version(release) >= (5, 12)
    yield Feature("kernel", enough, f"Linux {release}", "use Linux 5.12 or newer", required=True)


_TRIALS: dict[str, tuple[str, list[Callable[[], object]]]] = {
    "mount API": (
        "5.2",
        [
            lambda: mounts.open_tree(-1, "x"),
            lambda: mounts.move_mount(-1, "x", -1, "x"),
            lambda: mounts.fsopen("no-such-filesystem"),
            lambda: mounts.fsconfig_set_flag(-1, "x"),
            lambda: mounts.fsmount(-1),
        ],
    ),
    "mount_setattr": ("5.12", [lambda: mounts.mount_setattr(-1, "x")]),
    "openat2": ("5.6", [lambda: paths.openat2(-1, "x", os.O_PATH)]),
    "pidfd": ("5.3", [lambda: process.pidfd_open(-1), lambda: process.pidfd_send_signal(-1, 0)]),
}
"""System calls, each tried with descriptors that are not open; and the kernel that brought them."""


def _calls() -> Iterator[Feature]:
    for name, (since, calls) in _TRIALS.items():
        absent = next((reason for call in calls if (reason := missing_call(call))), "")
        remedy = f"use Linux {since} or newer, outside of a sandbox that filters system calls"
        yield Feature(name, not absent, absent or "present", remedy, required=True)


def missing_call(call: Callable[[], object]) -> str:
    """Why a system call, invoked with arguments that cannot succeed, is not there; empty where it is."""
    try:
        call()
    except OSError as error:
        if error.errno == errno.ENOSYS:
            return str(error.strerror)
    return ""


def _filesystems() -> Iterator[Feature]:
    for fstype, required in (("tmpfs", True), ("proc", True), ("overlay", False), ("fuse", False)):
        known = filesystem_known(fstype)
        detail = "present" if known else "unknown to this kernel"
        yield Feature(f"{fstype} filesystem", known, detail, f"load it: modprobe {fstype}", required)


def filesystem_known(fstype: str) -> bool:
    """Whether the kernel has a filesystem, or can load its module."""
    try:
        os.close(mounts.fsopen(fstype))  # loads the module, where the caller may
    except OSError:
        with open("/proc/filesystems", "rb") as file:
            return fstype.encode() in file.read().split()
    return True


def _fuse() -> Iterator[Feature]:
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        remedy = {
            errno.ENOENT: "modprobe fuse; in a container, pass --device /dev/fuse",
            errno.EACCES: "run as root, or chmod 666 /dev/fuse",
        }.get(error.errno or 0, "a devices cgroup may forbid it; run cntr on the host")
        yield Feature("/dev/fuse", False, str(error.strerror), remedy)
    else:
        yield Feature("/dev/fuse", True, "opens")
    built = kernel_config("CONFIG_FUSE_PASSTHROUGH")
    new = kernel_version(_release()) >= (6, 9)
    detail = {None: "kernel configuration not readable", True: "built in", False: "not built in"}[built]
    available = new and built is not False
    yield Feature("FUSE passthrough", available, detail if new else "came with Linux 6.9", "reads go through cntr")


def kernel_config(option: str, places: tuple[str, ...] = ("/proc/config.gz", "/boot/config-{release}")) -> bool | None:
    """Whether the kernel was built with `option`; None when its configuration is nowhere to be read."""
    import gzip  # only doctor comes here

    for place in places:
        path = place.format(release=_release())
        try:
            with gzip.open(path) if path.endswith(".gz") else open(path, "rb") as file:
                return f"{option}=y".encode() in file.read().splitlines()
        except OSError:
            continue
    return None


def _namespaces() -> Iterator[Feature]:
    links = set(os.listdir("/proc/self/ns"))
    for kind in namespaces.NAMESPACES:
        present = kind in links
        detail = "present" if present else "not in this kernel"
        yield Feature(f"{kind} namespaces", present, detail, "use a kernel that has them", required=kind == "mnt")
    limit = _sysctl("user/max_user_namespaces")
    restricted = _sysctl("kernel/apparmor_restrict_unprivileged_userns") == b"1"
    clone = _sysctl("kernel/unprivileged_userns_clone") == b"0"
    forbidden = limit == b"0" or restricted or clone
    yield Feature(
        "unprivileged user namespaces",
        not forbidden and "user" in links,
        "forbidden by sysctl" if forbidden else f"up to {(limit or b'?').decode()}",
        "sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone=1, "
        "kernel.apparmor_restrict_unprivileged_userns=0",
        required=os.geteuid() != 0,
    )


def _sysctl(name: str) -> bytes | None:
    try:
        with open(f"/proc/sys/{name}", "rb") as file:
            return file.read().strip()
    except OSError:
        return None


def _fanotify() -> Iterator[Feature]:
    try:
        os.close(_fanotify_init(0, os.O_RDONLY))
    except OSError as error:
        yield Feature("fanotify", False, str(error.strerror), "run as root, on a kernel with CONFIG_FANOTIFY")
    else:
        yield Feature("fanotify", True, "present")


def _privileges() -> Iterator[Feature]:
    effective, _, _ = capabilities.capget()
    for name, purpose in _PRIVILEGES.items():
        held = bool(effective & capabilities.mask([name]))
        remedy = "run as root: sudo cntr …; in a container, grant the capability"
        required = name == "SYS_ADMIN" and os.geteuid() == 0  # rootless containers of one's own need none
        yield Feature(f"CAP_{name}", held, f"to {purpose}", remedy, required)


def _limits() -> Iterator[Feature]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield Feature("open files", hard >= MINIMUM_FILES, f"{soft}, may be raised to {hard}", "raise `ulimit -Hn`")


_GROUPS = (_kernel, _calls, _filesystems, _fuse, _namespaces, _fanotify, _privileges, _limits)
