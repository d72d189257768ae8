"""Who the session is: the target's user, groups, capabilities and limits, decided by a pure function, then assumed."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..errors import UsageError
from ..kernel import capabilities, idmap, lsm, namespaces, paths, process
from ..kernel.capabilities import CapabilitySet
from ..kernel.namespaces import CLONE_NEWUSER
from .target import Target

INHERITABLE = ("no_new_privs", "umask", "rlimits", "oom_score_adj", "lsm")
"""What ``--inherit`` chooses from. A seccomp filter cannot be copied from a running process and never is."""


OVERFLOW_ID = 65534
"""What an unmapped id looks like inside a user namespace (``/proc/sys/kernel/overflowuid``)."""


@dataclass(frozen=True, slots=True)
class User:
    """Ids inside the container's user namespace."""

    uid: int
    gid: int
    groups: tuple[int, ...]


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

    def describe(self) -> str:
        """One line for ``--dry-run``."""
        names = ", ".join(capabilities.names(self.capabilities.effective)) or "none"
        extra = "; no_new_privs" if self.no_new_privs else ""
        return f"be uid {self.user.uid}, gid {self.user.gid}, groups {self.user.groups}; capabilities: {names}{extra}"


def decide(target: Target, user: User | None, cap_add: int, inherit: frozenset[str]) -> Identity:
    """The target's identity; `user` (``--user``) and `cap_add` (a mask of ``--cap-add``) change what they name."""
    chosen = user or _user_of(target)
    return Identity(
        user=chosen,
        capabilities=_capabilities(target, chosen, is_override=user is not None, extra=cap_add),
        user_namespace=target.namespaces.get("user"),
        no_new_privs="no_new_privs" in inherit and bool(target.status.no_new_privs),
        umask=target.status.umask if "umask" in inherit else None,
        rlimits=target.rlimits if "rlimits" in inherit else {},
        oom_score_adj=target.oom_score_adj if "oom_score_adj" in inherit else None,
        profile=target.profile if "lsm" in inherit else None,
        last_cap=target.last_cap,
    )


def _user_of(target: Target) -> User:
    """The target's ids, translated into its user namespace: status(5) shows the reader's view."""
    status = target.status
    return User(
        uid=_inside(target.users, status.uids.effective),
        gid=_inside(target.groups, status.gids.effective),
        groups=tuple(_inside(target.groups, group) for group in status.groups),
    )


def _inside(mapping: idmap.IdMapping, number: int) -> int:
    inner = mapping.to_inside(number)
    return OVERFLOW_ID if inner is None else inner


def _capabilities(target: Target, user: User, *, is_override: bool, extra: int) -> CapabilitySet:
    """The sets that make the command's permitted and effective capabilities, after execve(2), equal the target's.

    execve gives uid 0 its whole bounding set, so that set shrinks to what a root target still permits itself. It gives
    other users their ambient set alone, so what such a target holds is made ambient (capabilities(7)).
    """
    status = target.status
    if user.uid == 0:
        was_root = not is_override or _user_of(target).uid == 0
        bounding = (status.cap_permitted if was_root else status.cap_bounding) | extra
        inheritable = status.cap_inheritable & bounding
        return CapabilitySet(bounding, inheritable, bounding, bounding, 0)
    held = extra if is_override else (status.cap_effective | extra)
    return CapabilitySet(status.cap_bounding | extra, status.cap_inheritable | held, held, held, held)


def assume(identity: Identity, proc: int | None) -> None:
    """Become `identity`, for good. `proc` is the process's own ``/proc/self``, where there is one.

    The order matters: limits while still privileged, the label before no_new_privs forbids it, the user namespace
    before ids that only exist there, capabilities last. The process is not dumpable afterwards, until it execs.

    :raises OSError: a step was refused.
    """
    _limit(identity)
    if identity.profile is not None and proc is not None:
        lsm.set_exec_profile(proc, identity.profile)
    if identity.umask is not None:
        os.umask(identity.umask)
    if identity.user_namespace is not None:
        namespaces.setns(identity.user_namespace, CLONE_NEWUSER)
    _take_ids(identity.user)
    capabilities.apply(_possible(identity.capabilities), identity.last_cap)
    if identity.no_new_privs:
        process.set_no_new_privs()
    process.set_dumpable(False)


def _limit(identity: Identity) -> None:
    """rlimits and the OOM score, as far as one may: raising a hard limit wants CAP_SYS_RESOURCE."""
    for number, (soft, hard) in identity.rlimits.items():
        current = resource.getrlimit(number)[1]
        ceiling = _lower(hard, current)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(number, (hard, hard) if hard == ceiling else (ceiling, ceiling))
            resource.setrlimit(number, (_lower(soft, ceiling), ceiling))


def _lower(one: int, other: int) -> int:
    if resource.RLIM_INFINITY in (one, other):
        return other if one == resource.RLIM_INFINITY else one
    return min(one, other)


def _take_ids(user: User) -> None:
    process.set_keep_capabilities(True)
    with contextlib.suppress(PermissionError):  # /proc/PID/setgroups says deny: the namespace has no say in groups
        process.setgroups(user.groups)
    process.setresgid(user.gid, user.gid, user.gid)
    process.setresuid(user.uid, user.uid, user.uid)


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


def parse_user(text: str, rootfd: int) -> User:
    """Read ``--user NAME|UID[:GROUP|GID]`` by the container's own passwd and group files (passwd(5), group(5)).

    :raises UsageError: the container knows no such name.
    """
    name, _, group = text.partition(":")
    row = next((r for r in _rows(rootfd, "etc/passwd") if name in (r[0], r[2])), None)
    if row is None and not name.isdecimal():
        raise UsageError(f"the container knows no user '{name}'", "give a name of its /etc/passwd, or a number")
    uid = int(row[2]) if row else int(name)
    gid = _group(group, rootfd) if group else int(row[3]) if row else 0
    member = row[0] if row else None
    groups = (
        [int(r[2]) for r in _rows(rootfd, "etc/group") if member in r[3].split(",")] if member and not group else []
    )
    return User(uid, gid, tuple(dict.fromkeys([gid, *groups])))


def _group(text: str, rootfd: int) -> int:
    row = next((r for r in _rows(rootfd, "etc/group") if text in (r[0], r[2])), None)
    if row is None and not text.isdecimal():
        raise UsageError(f"the container knows no group '{text}'", "give a name of its /etc/group, or a number")
    return int(row[2]) if row else int(text)


def _rows(rootfd: int, path: str) -> list[list[str]]:
    try:
        content = paths.read_in_root(rootfd, path)
    except OSError:
        return []
    rows = [line.split(":") for line in content.decode(errors="replace").splitlines()]
    return [row for row in rows if len(row) >= 4 and row[2].isdecimal()]
