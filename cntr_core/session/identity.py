"""Who the session is: the target's user, groups, capabilities, limits and filter, decided first, then assumed."""

from __future__ import annotations

import contextlib
import errno
import resource
from collections.abc import Mapping

from ..dataclass import dataclass, replace
from ..errors import SessionError
from ..kernel import capabilities, idmap, lsm, namespaces, process, seccomp
from ..kernel.capabilities import CapabilitySet
from ..kernel.namespaces import CLONE_NEWUSER
from .accounts import User, described
from .container_filter import NO_FILTER, ContainerFilter, container_filter
from .target import Target

INHERITABLE = ("no_new_privs", "umask", "rlimits", "oom_score_adj", "lsm", "seccomp")
"""What ``--inherit`` chooses from."""

INHERITED = frozenset(INHERITABLE) - {"oom_score_adj"}
"""What a session takes over by default."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a process must be before it may run a command of the session's. Ids are the user namespace's own."""

    user: User
    capabilities: CapabilitySet
    user_namespace: int | None
    no_new_privs: bool
    umask: int | None
    rlimits: Mapping[int, tuple[int, int]]
    oom_score_adj: int | None
    profile: lsm.LsmProfile | None
    last_cap: int
    filter: ContainerFilter = NO_FILTER

    def describe(self) -> str:
        """One line for ``--dry-run``."""
        names = ", ".join(capabilities.names(self.capabilities.effective)) or "none"
        taken = [
            "in the target's user namespace" if self.user_namespace is not None else "",
            "no_new_privs" if self.no_new_privs else "",
            f"umask {self.umask:04o}" if self.umask is not None else "",
            "the target's resource limits" if self.rlimits else "",
            f"label {self.profile.label.decode(errors='replace')}" if self.profile else "",
            "the container's seccomp filter" if self.filter.program else "",
            f"no seccomp filter, although the container has one: {self.filter.lacks}" if self.filter.lacks else "",
        ]
        user = f"be uid {self.user.uid}, gid {self.user.gid}, groups {self.user.groups}; capabilities: {names}"
        return "; ".join([user, *filter(None, taken)])


def decide(target: Target, user: User | None, cap_add: int, inherit: frozenset[str]) -> Identity:
    """The target's identity; `user` (``--user``) and `cap_add` (a mask of ``--cap-add``) change what they name."""
    chosen = user or user_of(target)
    return Identity(
        user=chosen,
        capabilities=_capabilities(target, chosen, is_override=user is not None, extra=cap_add),
        user_namespace=target.namespaces.get("user"),
        no_new_privs="no_new_privs" in inherit and bool(target.status.no_new_privs),
        umask=target.status.umask if "umask" in inherit else None,
        rlimits=_limits(target) if "rlimits" in inherit else {},
        oom_score_adj=target.oom_score_adj if "oom_score_adj" in inherit else None,
        profile=target.profile if "lsm" in inherit else None,
        last_cap=target.last_cap,
        filter=container_filter(target) if "seccomp" in inherit else NO_FILTER,
    )


def _limits(target: Target) -> dict[int, tuple[int, int]]:
    """Without the number of processes: it counts all that the user has on the machine, the application's and ours, so
    that a session would neither start nor fork (getrlimit(2)). The cgroup's limit holds."""
    return {number: values for number, values in target.rlimits.items() if number != resource.RLIMIT_NPROC}


def user_of(target: Target) -> User:
    """The target's own: its ids, translated into its user namespace: status(5) shows the reader's view."""
    status = target.status
    user = User(
        uid=_inside(target.users, status.uids.effective, idmap.overflow_ids()[0]),
        gid=_inside(target.groups, status.gids.effective, idmap.overflow_ids()[1]),
        groups=tuple(g for g in map(target.groups.to_inside, status.groups) if g is not None),
    )
    return described(user, target.root)


def _inside(mapping: idmap.IdMapping, number: int, overflow: int) -> int:
    inner = mapping.to_inside(number)
    return overflow if inner is None else inner


def _capabilities(target: Target, user: User, *, is_override: bool, extra: int) -> CapabilitySet:
    """The sets that make the command's permitted and effective capabilities, after execve(2), equal the target's.

    execve gives uid 0 its whole bounding set, so that set shrinks to what a root target still permits itself. It gives
    other users their ambient set alone, so what such a target holds is made ambient (capabilities(7)).
    """
    status = target.status
    if user.uid == 0:
        was_root = not is_override or user_of(target).uid == 0
        bounding = (status.cap_permitted if was_root else status.cap_bounding) | extra
        inheritable = status.cap_inheritable & bounding
        return CapabilitySet(bounding, inheritable, bounding, bounding, 0)
    held = extra if is_override else (status.cap_effective | extra)
    return CapabilitySet(status.cap_bounding | extra, status.cap_inheritable | held, held, held, held)


def raise_limits(identity: Identity) -> None:
    """Take over those resource limits that are higher than ours, while we may: that wants CAP_SYS_RESOURCE. Lower ones
    are the command's alone (:func:`limit`): our processes would fail by them."""
    for number, wanted in identity.rlimits.items():
        own = resource.getrlimit(number)
        _set_limit(number, _higher(own[0], wanted[0]), _higher(own[1], wanted[1]))


def limit(identity: Identity) -> None:
    """Take over the resource limits, as far as one may."""
    for number, (soft, hard) in identity.rlimits.items():
        _set_limit(number, soft, hard)


def _set_limit(number: int, soft: int, hard: int) -> None:
    try:
        resource.setrlimit(number, (soft, hard))
    except (OSError, ValueError):  # pragma: no cover - root without CAP_SYS_RESOURCE
        ceiling = _lower(hard, resource.getrlimit(number)[1])
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(number, (_lower(soft, ceiling), ceiling))


def _install(identity: Identity) -> None:
    if (program := identity.filter.program) is not None:
        seccomp.set_filter(program.instructions, program.flags)


def filter_before_fork(identity: Identity) -> None:
    """Take the filter, where that wants CAP_SYS_ADMIN: before a process is visible in the container, which might trace
    it. With no_new_privs it wants no privilege, and within a user namespace it is that namespace's: then it is taken
    as late as possible, by :func:`assume`."""
    if identity.user_namespace is None and not identity.no_new_privs:
        _install(identity)


def narrow(identity: Identity) -> None:
    """Give up, before a process becomes visible in the container, what it will not need to assume `identity`.

    A container that may trace any process could use it otherwise, in the moment before :func:`assume`. A process that
    joins a user namespace keeps all: only a tracer with the capability outside of that namespace could reach it.
    """
    if identity.user_namespace is not None:
        return
    wanted, needed = identity.capabilities, capabilities.mask(["KILL", "SETUID", "SETGID", "SETPCAP"])
    kept = (wanted.bounding | wanted.permitted | needed) & capabilities.capget()[1]
    capabilities.apply(CapabilitySet(kept, wanted.inheritable & kept, kept, kept, 0), identity.last_cap)


def assume(identity: Identity, proc: int | None) -> None:
    """Become `identity`, for good. `proc` is the process's own ``/proc/self``, where there is one.

    The order matters: the label before no_new_privs forbids it, groups while still privileged outside, the user
    namespace before ids that only exist there, capabilities last. The process is not dumpable afterwards, until it
    execs.

    :raises OSError: a step was refused.
    :raises SessionError: the label cannot be taken over.
    """
    if identity.profile is not None:  # pragma: no cover - a kernel with AppArmor or SELinux, which CI has not
        _take_label(identity.profile, proc)
    if identity.umask is not None:
        process.set_umask(identity.umask)
    if identity.user_namespace is not None:
        process.setgroups(())  # the caller's own; what the namespace forbids to set must not be kept either
        namespaces.setns(identity.user_namespace, CLONE_NEWUSER)
        if not identity.no_new_privs:
            _install(identity)
    _take_ids(identity.user)
    capabilities.apply(_possible(identity.capabilities), identity.last_cap)
    if identity.no_new_privs:
        process.set_no_new_privs()
    process.set_dumpable(False)
    if identity.no_new_privs:
        _install(identity)


def _higher(one: int, other: int) -> int:
    return resource.RLIM_INFINITY if resource.RLIM_INFINITY in (one, other) else max(one, other)


def _lower(one: int, other: int) -> int:  # pragma: no cover - as above, root without CAP_SYS_RESOURCE
    if resource.RLIM_INFINITY in (one, other):
        return other if one == resource.RLIM_INFINITY else one
    return min(one, other)


def _take_label(profile: lsm.LsmProfile, proc: int | None) -> None:  # pragma: no cover - as in `assume`
    if proc is None:
        raise SessionError(
            f"the label {profile.label.decode(errors='replace')} cannot be taken over without /proc",
            "leave lsm out of --inherit to run without it",
        )
    lsm.set_exec_profile(proc, profile)


def _take_ids(user: User) -> None:
    process.set_keep_capabilities(True)
    try:
        with contextlib.suppress(PermissionError):  # /proc/PID/setgroups says deny, and there are none any more
            process.setgroups(user.groups)
        process.setresgid(user.gid, user.gid, user.gid)
        process.setresuid(user.uid, user.uid, user.uid)
    except OSError as error:
        if error.errno != errno.EINVAL:  # pragma: no cover - what setresuid(2) does not tell otherwise
            raise
        raise SessionError(
            f"uid {user.uid} or gid {user.gid} does not exist in the container's user namespace",
            "choose ids that its uid_map and gid_map have",
        ) from None


def _possible(wanted: CapabilitySet) -> CapabilitySet:
    """`wanted` without what the caller does not have: a container may hold more than whoever looks into it."""
    _, have, inheritable = capabilities.capget()
    return replace(
        wanted,
        inheritable=wanted.inheritable & (have | inheritable),
        permitted=wanted.permitted & have,
        effective=wanted.effective & have,
        ambient=wanted.ambient & have,
    )
