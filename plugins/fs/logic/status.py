"""What stat(2) tells, changed."""

from __future__ import annotations

from typing import NamedTuple

from cntr_core.filesystem import Stat


class Status(NamedTuple):
    """A :class:`~cntr_core.filesystem.Stat` of our own making."""

    st_mode: int
    st_nlink: int
    st_uid: int
    st_gid: int
    st_rdev: int
    st_size: int
    st_blocks: int
    st_blksize: int
    st_atime_ns: int
    st_mtime_ns: int
    st_ctime_ns: int


def without_links(status: Stat) -> Status:
    """The state of a file whose last name is gone, though not on the branch it comes from."""
    values = {name: getattr(status, name) for name in Status._fields}
    return Status(**values)._replace(st_nlink=0)
