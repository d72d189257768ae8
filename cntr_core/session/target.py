"""Everything a session takes over from the target, read from the host's /proc before any namespace is joined.

Afterwards the target's /proc may be absent, or lie.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from ..dataclass import dataclass
from ..engine import pin
from ..errors import ContainerNotRunning, KernelFeatureMissing, PermissionMissing
from ..kernel import capabilities, cgroups, idmap, limits, lsm, procfs
from ..kernel.channel import describe
from ..kernel.namespaces import NAMESPACES, open_namespaces, same_namespace
from ..types import ContainerProcess
from .oci_bundle import read_environment


@dataclass(frozen=True, slots=True)
class Target:
    """A held process: its descriptors stay valid, and name it and no other, as long as the context is open.

    `root` is ``/proc/PID/root`` and so the process's own root, also when it is chrooted; `cwd` is a path below it.
    `thread` is the path below /proc of its main thread, or of another where that has ended.
    `namespaces` holds only those that differ from the caller's. `cgroup_procs` are the ``cgroup.procs`` files, open for
    writing.
    """

    process: ContainerProcess
    thread: str
    pidfd: int
    root: int
    cwd: bytes
    namespaces: Mapping[str, int]
    status: procfs.ProcessStatus
    environment: Mapping[bytes, bytes]
    users: idmap.IdMapping
    groups: idmap.IdMapping
    cgroup_procs: tuple[int, ...]
    rlimits: Mapping[int, tuple[int, int]]
    oom_score_adj: int
    profile: lsm.LsmProfile | None
    last_cap: int


@contextmanager
def pin_target(process: ContainerProcess, *, join_cgroup: bool = True) -> Iterator[Target]:
    """Open and read all of `process`, and make sure at the end that it still was the same process.

    :raises ContainerNotRunning: it ended, or its cgroup is frozen or full.
    :raises PermissionMissing: the caller may not look into it.
    """
    with ExitStack() as stack:
        pidfd = stack.enter_context(pin(process))
        try:
            target = _read(process, pidfd, join_cgroup, stack)
            if select.select([pidfd], [], [], 0)[0]:  # pragma: no cover - as below
                raise ProcessLookupError  # what was read by its number may be another's
        except (ProcessLookupError, FileNotFoundError):  # pragma: no cover - a race: it ended while it was read
            raise ContainerNotRunning(f"{process.container.ref} ended just now", "start it again") from None
        except PermissionError as error:  # pragma: no cover - a security module's refusal
            raise PermissionMissing(
                f"the processes of {process.container.ref} cannot be entered ({describe(error)})",
                "run cntr as root, for example with sudo",
            ) from None
        yield target


def _read(process: ContainerProcess, pidfd: int, join_cgroup: bool, stack: ExitStack) -> Target:
    thread = procfs.living_thread(process.pid)
    if thread is None:  # pragma: no cover - a race: it lived just before
        raise ProcessLookupError
    directory = procfs.open_process(thread)
    stack.callback(os.close, directory)
    if join_cgroup:
        _check_cgroup(process, thread)
    status = procfs.read_status(directory)
    namespaces = _foreign_namespaces(thread, stack)
    return Target(
        process=process,
        thread=thread,
        pidfd=pidfd,
        root=_opened(stack, "root", directory),
        cwd=_cwd(directory),
        namespaces=namespaces,
        status=status,
        environment=_environment(process, directory),
        users=_ids(directory, "uid_map", namespaces),
        groups=_ids(directory, "gid_map", namespaces),
        cgroup_procs=_cgroup_procs(thread, stack) if join_cgroup else (),
        rlimits=limits.read_limits(directory),
        oom_score_adj=int(procfs.read(directory, "oom_score_adj")),
        profile=_profile(directory),
        last_cap=capabilities.last_cap(),
    )


def _environment(process: ContainerProcess, directory: int) -> Mapping[bytes, bytes]:
    """The variables of the container's configuration; where its engine keeps none, what the process shows of its own,
    which it may have rewritten."""
    configured = read_environment(process) if process.environment is None else process.environment
    return procfs.read_environ(directory) if configured is None else configured


def _cwd(directory: int) -> bytes:
    """The working directory as the process itself would name it: the links show paths as the host would."""
    root, cwd = (os.fsencode(os.readlink(name, dir_fd=directory)).rstrip(b"/") for name in ("root", "cwd"))
    inside = cwd == root or cwd.startswith(root + b"/")
    return cwd[len(root) :] or b"/" if inside and not cwd.endswith(b" (deleted)") else b"/"


def _opened(stack: ExitStack, name: str, directory: int) -> int:
    fd = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
    stack.callback(os.close, fd)
    return fd


def _foreign_namespaces(thread: str, stack: ExitStack) -> dict[str, int]:
    """The namespaces to join. A mount namespace is always kept: the session makes its own out of it."""
    opened = open_namespaces(thread)
    for fd in opened.values():
        stack.callback(os.close, fd)
    for kind in ("mnt", "pid"):
        if kind not in opened:  # pragma: no cover - a kernel that is built without
            raise KernelFeatureMissing(f"this kernel has no {kind} namespaces", "use one with CONFIG_NAMESPACES")
    return {k: fd for k, fd in opened.items() if k == "mnt" or not same_namespace(fd, k)}


def _ids(directory: int, name: str, namespaces: Mapping[str, int]) -> idmap.IdMapping:
    """The map from the target's ids to ours. A member of the namespace would read its map to the parent's instead."""
    return idmap.IdMapping.parse(procfs.read(directory, name)) if "user" in namespaces else idmap.ALL_IDS


def _profile(directory: int) -> lsm.LsmProfile | None:
    profile = lsm.read_profile(directory, lsm.active_modules())
    return profile if profile and profile.confines else None


def _check_cgroup(process: ContainerProcess, thread: str) -> None:
    if cgroups.frozen(thread):
        raise ContainerNotRunning(
            f"the cgroup of {process.container.ref} is frozen, so no command could run in it",
            "thaw or unpause the container, or use --no-cgroup",
        )
    if cgroups.pids_full(thread):
        raise ContainerNotRunning(
            f"{process.container.ref} has as many processes as its pids limit allows",
            "raise the limit, or use --no-cgroup",
        )


def _cgroup_procs(thread: str, stack: ExitStack) -> tuple[int, ...]:
    if hidden := cgroups.unreachable(thread):
        paths = ", ".join(sorted({os.fsdecode(cgroup.path) for cgroup in hidden}))
        raise PermissionMissing(
            f"the container's cgroup cannot be joined (no mount shows {paths})",
            "use --no-cgroup to leave the session in yours",
        )
    fds = []
    for path in cgroups.procs_files(thread):
        try:
            fds.append(os.open(path, os.O_WRONLY | os.O_CLOEXEC))
        except OSError as error:  # pragma: no cover - root may, and an ordinary user is not asked to
            raise PermissionMissing(
                f"the container's cgroup cannot be joined ({error.strerror}: {path})",
                "use --no-cgroup to leave the session in yours",
            ) from None
        stack.callback(os.close, fds[-1])
    return tuple(fds)


def namespace_kinds(target: Target) -> list[str]:
    """The kinds to join besides mnt and user, in the order of :data:`NAMESPACES`."""
    return [kind for kind in NAMESPACES if kind in target.namespaces and kind not in ("mnt", "user")]
