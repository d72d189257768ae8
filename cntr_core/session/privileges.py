"""Who may enter a container: whoever has the capabilities, and whoever owns its user namespace.

The maker of a user namespace has all capabilities in it, and in all below (user_namespaces(7)). So an ordinary user
joins that of a container of its own first, for good: what is opened and mounted afterwards belongs to that namespace,
as the kernel wants it. Files of the host are still read as that user.
"""

from __future__ import annotations

import os

from ..errors import ContainerNotRunning, PermissionMissing
from ..kernel import capabilities, idmap, mounts, namespaces, process, procfs
from ..kernel.namespaces import CLONE_NEWNS, CLONE_NEWUSER
from ..kernel.syscall import AT_FDCWD, AT_RECURSIVE, owned
from ..types import ContainerProcess, ContainerRef

_NEEDED = ("SYS_ADMIN", "SYS_PTRACE", "SYS_CHROOT", "SETUID", "SETGID")
_HINT = "run cntr as root, for example with sudo"


def lacking_privileges() -> list[str]:
    """The capabilities that this process would need to enter any container; none for root."""
    effective, _, _ = capabilities.capget()
    return capabilities.names(capabilities.mask(_NEEDED) & ~effective)


def has_user_namespace(target: ContainerProcess) -> bool:
    """Whether the target's user namespace is another than ours."""
    with owned(_opened(target)) as namespace:
        return not namespaces.same_namespace(namespace, "user")


def join_user_namespace(target: ContainerProcess) -> None:
    """Make this process, which has one thread, a member of the user namespace of `target`, for good, with a copy of its
    own of the host's mounts. There it has all capabilities.

    :raises PermissionMissing: it may not; the message tells why.
    """
    with owned(_open_namespace(target, lacking_privileges())) as namespace:
        _check_program()
        _join(namespace, target)


def _open_namespace(target: ContainerProcess, lacking: list[str]) -> int:
    """The target's user namespace, which is another than ours."""
    ref = target.container.ref
    refusal = f"entering {ref} needs {', '.join(lacking)}: it is not a rootless container of yours"
    try:
        namespace = _opened(target)
    except PermissionError:
        raise PermissionMissing(refusal, _HINT) from None
    if namespaces.same_namespace(namespace, "user"):
        os.close(namespace)
        raise PermissionMissing(refusal, _HINT)
    return namespace


def _opened(target: ContainerProcess) -> int:
    try:
        return os.open(f"/proc/{procfs.living_thread(target.pid)}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):  # pragma: no cover - a race: it was held as alive just before
        raise ContainerNotRunning(f"{target.container.ref} ended just now", "start it again") from None


def _check_program() -> None:
    """Our interpreter must not be the container's to write, whose root we are (see cli/protect.py)."""
    if os.access("/proc/self/exe", os.W_OK):  # pragma: no cover - tests run the system's interpreter
        program = os.readlink("/proc/self/exe")
        raise PermissionMissing(
            f"{program} is writable for you, and so for the container: no user namespace can protect it",
            "install cntr with the system's Python, or see cntr doctor on user namespaces",
        )


def _join(namespace: int, target: ContainerProcess) -> None:
    uid, gid = _inner_ids(target.pid)
    try:
        namespaces.setns(namespace, CLONE_NEWUSER)
    except PermissionError:  # pragma: no cover - whoever may open it may join it, but for security modules
        raise _foreign(namespace, target.container.ref) from None
    process.setresgid(gid, gid, gid)
    process.setresuid(uid, uid, uid)
    namespaces.unshare(CLONE_NEWNS)
    mounts.mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, propagation=mounts.MS_PRIVATE)


def _inner_ids(pid: int) -> tuple[int, int]:
    """Who we are in the namespace of a process: root where it has no number for us, since nobody can do nothing."""
    with owned(procfs.open_process(procfs.living_thread(pid) or pid)) as directory:
        maps = [idmap.IdMapping.parse(procfs.read(directory, name)) for name in ("uid_map", "gid_map")]
    uid, gid = (m.to_inside(number) for m, number in zip(maps, (os.geteuid(), os.getegid()), strict=True))
    return uid or 0, gid or 0


def _foreign(namespace: int, ref: ContainerRef) -> PermissionMissing:  # pragma: no cover - as above
    owner = namespaces.owner(namespace)
    return PermissionMissing(
        f"the user namespace of {ref} belongs to uid {owner}, so only that user may enter it", _HINT
    )
