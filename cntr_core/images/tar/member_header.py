"""The headers of members, written."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Sequence
from typing import NamedTuple

from .index import Entry
from .members import Kind

_TYPES = {
    Kind.FILE: tarfile.REGTYPE,
    Kind.DIRECTORY: tarfile.DIRTYPE,
    Kind.SYMLINK: tarfile.SYMTYPE,
    Kind.HARD_LINK: tarfile.LNKTYPE,
    Kind.CHARACTER: tarfile.CHRTYPE,
    Kind.BLOCK: tarfile.BLKTYPE,
    Kind.FIFO: tarfile.FIFOTYPE,
}


class Holes(NamedTuple):
    """How a file with holes is stored: the map before its data, and the (offset, size) of what is there."""

    map: bytes
    segments: Sequence[tuple[int, int]]


def header(entry: Entry, holes: Holes | None = None) -> bytes:
    """The headers of a member, PAX ones first where they are needed (POSIX, pax; GNU tar manual, "Sparse Formats")."""
    info = tarfile.TarInfo(os.fsdecode(entry.path))
    info.type = _TYPES[entry.kind]
    info.mode, info.uid, info.gid, info.size = entry.mode, entry.uid, entry.gid, entry.size
    info.linkname = os.fsdecode(entry.link)
    info.devmajor, info.devminor = os.major(entry.device), os.minor(entry.device)
    info.mtime = entry.mtime // 10**9
    info.pax_headers = {f"SCHILY.xattr.{os.fsdecode(k)}": os.fsdecode(v) for k, v in entry.xattrs.items()}
    if entry.mtime % 10**9 and entry.mtime > 0:
        info.pax_headers["mtime"] = f"{entry.mtime // 10**9}.{entry.mtime % 10**9:09}"
    if holes:
        info.size = len(holes.map) + sum(size for _, size in holes.segments)
        info.pax_headers |= {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
        info.pax_headers |= {"GNU.sparse.name": info.name, "GNU.sparse.realsize": str(entry.size)}
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
