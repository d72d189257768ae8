"""On whose behalf the server acts: ids of new files, and the capability that keeps set-ID bits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple

from cntr_core.kernel.capabilities import SECBIT_NO_SETUID_FIXUP, capget, capset, mask
from cntr_core.kernel.process import securebits, set_securebits, setfsgid, setfsuid

_FSETID = mask(["FSETID"])
_RESOURCE = mask(["SYS_RESOURCE"])


class Caller(NamedTuple):
    """Who asks, in the ids of the server's user namespace."""

    uid: int
    gid: int
    pid: int = 0
    umask: int = 0


def prepare_credentials() -> None:
    """Make this thread fit to act for others, for good.

    It keeps its capabilities when its file-system uid changes: so a new file gets its owner from setfsuid(2)
    while the directories on the way stay accessible; the kernel has checked permissions with all groups of
    the caller, which a message does not carry. And it gives up CAP_FSETID, so that whatever is written loses
    its set-ID bits, also by FUSE passthrough, which acts with these credentials; see :func:`keeping_set_id`. So it
    does CAP_SYS_RESOURCE, which would lift quotas, and let everybody have a file's data journaled (quotactl(2),
    ext4's part in ioctl_iflags(2)).
    """
    set_securebits(securebits() | SECBIT_NO_SETUID_FIXUP)
    effective, permitted, inheritable = capget()
    capset(effective & ~_FSETID & ~_RESOURCE, permitted & ~_RESOURCE, inheritable)


@contextmanager
def acting_as(caller: Caller) -> Iterator[None]:
    """Make files as `caller`: owner, group and umask, which a default ACL overrides (umask(2))."""
    os.umask(caller.umask)
    if not caller.uid and not caller.gid:
        yield
        return
    gid, uid = setfsgid(caller.gid), setfsuid(caller.uid)
    try:
        yield
    finally:
        setfsuid(uid)
        setfsgid(gid)


def keeping_set_id(wanted: bool = True) -> AbstractContextManager[None]:
    """Where `wanted`, write as a caller with CAP_FSETID does: set-ID bits stay (inode(7))."""
    return _with_fsetid() if wanted else nullcontext()


def writing_as(caller: Caller, *, keep: bool) -> AbstractContextManager[None]:
    """Write to a file with set-ID bits: they stay with `keep`, else go as they do when `caller` writes.

    That of the group stays without the group's execute bit, if the writer is in the group.
    """
    return _with_fsetid() if keep else _with_group(caller.gid)


@contextmanager
def _with_group(gid: int) -> Iterator[None]:
    before = setfsgid(gid)
    try:
        yield
    finally:
        setfsgid(before)


@contextmanager
def _with_fsetid() -> Iterator[None]:
    effective, permitted, inheritable = capget()
    capset(effective | _FSETID & permitted, permitted, inheritable)
    try:
        yield
    finally:
        capset(effective, permitted, inheritable)
