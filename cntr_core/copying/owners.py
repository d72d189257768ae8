"""Whose files are, by number: in the container, on the machine, and after the copy."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from ..kernel.idmap import ALL_IDS, IdMapping, overflow_ids


@dataclass(frozen=True, slots=True)
class Ids:
    """How the numbers that a tar has translate to those that this process sees, and back."""

    users: IdMapping = ALL_IDS
    groups: IdMapping = ALL_IDS

    def in_tar(self, status: os.stat_result) -> tuple[int, int]:
        """The owner of a file; one that does not exist there is nobody."""
        uid, gid = self.users.to_inside(status.st_uid), self.groups.to_inside(status.st_gid)
        overflow = overflow_ids() if None in (uid, gid) else (0, 0)
        return (overflow[0] if uid is None else uid, overflow[1] if gid is None else gid)

    def here(self, uid: int, gid: int) -> tuple[int, int] | None:
        """The owner that a file gets; None where the container has no such user or group."""
        user, group = self.users.to_outside(uid), self.groups.to_outside(gid)
        return None if user is None or group is None else (user, group)


def harmless_mode(status: os.stat_result, new_owner: tuple[int, int] | None) -> int:
    """The permissions that a file may keep with the owner `new_owner`; None is its own.

    A set-user-id program of somebody else would become one of the new owner's, and a device that is open to all a door
    to the machine.
    """
    mode = stat.S_IMODE(status.st_mode)
    if new_owner is None or stat.S_ISDIR(status.st_mode):
        return mode
    if status.st_uid != new_owner[0]:
        mode &= ~stat.S_ISUID
        if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
            mode &= 0o700
    return mode if status.st_gid == new_owner[1] else mode & ~stat.S_ISGID
