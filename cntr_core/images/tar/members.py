"""Members of a layer's tar: their kinds, their paths, and the names that stand for what is gone."""

from __future__ import annotations

import enum
import os

from ...errors import ImageError
from ..limits import LONGEST_NAME, LONGEST_PATH

# image-spec 1.1, layer.md, "Whiteouts"; names with the second prefix were AUFS's own.
WHITEOUT = b".wh."
META = b".wh..wh."
OPAQUE = b".wh..wh..opq"

FOREIGN_XATTRS = ("trusted.overlay.", "user.overlay.", "security.selinux", "system.nfs4_acl")
"""Prefixes of extended attributes that are not content: what overlayfs keeps for itself, labels of the policy of the
machine that made the image, and what only an NFS client may set."""

_MOST_SHOWN = 200  # bytes


class Kind(enum.Enum):
    """What a member is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symbolic link"
    HARD_LINK = "hard link"
    CHARACTER = "character device"
    BLOCK = "block device"
    FIFO = "FIFO"


def quoted(path: bytes) -> str:
    """A path for people: no newline, escape sequence or invalid UTF-8 reaches their terminal, and no endless name."""
    return repr(os.fsdecode(path[:_MOST_SHOWN])) + "…" * (len(path) > _MOST_SHOWN)


def split_path(path: bytes) -> tuple[bytes, ...]:
    """The components of a member's path, which counts from the root with or without a leading slash.

    :raises ImageError: it holds ``..``, which no honest archive does, or a NUL, or is longer than Linux allows.
    """
    parts = tuple(part for part in path.split(b"/") if part not in (b"", b"."))
    if b".." in parts or b"\0" in path:
        raise ImageError(f"the path {quoted(path)} leads outside")
    if len(path) > LONGEST_PATH or any(len(part) > LONGEST_NAME for part in parts):
        raise ImageError(f"has too long a path (at most {LONGEST_PATH} bytes in all, and {LONGEST_NAME} in a name)")
    return parts
