"""How a branch says that a name below it is gone, or a directory hides what is below: as overlayfs does.

A whiteout is a character device 0/0. Where none can be made, because the directory itself lies on overlayfs, it is an
empty file with the xattr ``overlay.whiteout`` in a directory marked by ``overlay.opaque=x`` (Linux 6.7,
Documentation/filesystems/overlayfs.rst, "Nesting overlayfs mounts"). Both namespaces of xattrs are read: ``trusted.``,
and ``user.`` that unprivileged mounts use.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from typing import Any

from cntr_core.filesystem import Branch, DirEntry, Stat

_PREFIXES = (b"trusted.overlay.", b"user.overlay.")
_OPAQUE = b"opaque"
_WHITEOUT = b"whiteout"
_HIDES = b"y"
_HAS_EMPTY_WHITEOUTS = b"x"


def is_private(name: bytes) -> bool:
    """Whether an xattr is one of the union's own."""
    return name.startswith(_PREFIXES)


def is_whiteout(branch: Branch[Any], directory: Any, node: Any, status: Stat, *, lowest: bool = False) -> bool:
    """Whether the file, which is in `directory`, stands for an absent one; on the `lowest` branch, which has nothing to
    hide, no empty file does."""
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFCHR:
        return status.st_rdev == 0
    if kind == stat.S_IFREG and not status.st_size and not lowest and _has_empty_whiteouts(branch, directory):
        return _read(branch, node, _WHITEOUT) is not None
    return False


def is_opaque(branch: Branch[Any], node: Any) -> bool:
    """Whether the directory hides those below."""
    return _read(branch, node, _OPAQUE) == _HIDES


def _has_empty_whiteouts(branch: Branch[Any], directory: Any) -> bool:
    return _read(branch, directory, _OPAQUE) == _HAS_EMPTY_WHITEOUTS


def listed(branch: Branch[Any], directory: Any, *, lowest: bool = False) -> Sequence[tuple[DirEntry, bool]]:
    """The names of a directory, each with whether it is a whiteout; see :func:`is_whiteout`."""
    suspicious = [stat.S_IFCHR, 0]
    if not lowest and _has_empty_whiteouts(branch, directory):
        suspicious.append(stat.S_IFREG)
    return [
        (entry, entry.kind in suspicious and names_whiteout(branch, directory, entry.name, lowest=lowest))
        for entry in branch.list(directory)
    ]


def names_whiteout(branch: Branch[Any], directory: Any, name: bytes, *, lowest: bool = False) -> bool:
    """Whether the name in the directory is a whiteout's."""
    try:
        return is_whiteout(branch, directory, *branch.lookup(directory, name), lowest=lowest)
    except FileNotFoundError:
        return False


def make_whiteout(branch: Branch[Any], directory: Any, name: bytes) -> None:
    """Make `name` absent, whatever is below."""
    try:
        branch.mknod(directory, name, stat.S_IFCHR, 0)
    except PermissionError:
        if not is_opaque(branch, directory):
            branch.setxattr(directory, _PREFIXES[0] + _OPAQUE, _HAS_EMPTY_WHITEOUTS, 0)
        node, _, file = branch.create(directory, name, os.O_WRONLY, 0)
        file.close()
        branch.setxattr(node, _PREFIXES[0] + _WHITEOUT, b"", 0)


def make_opaque(branch: Branch[Any], directory: Any) -> None:
    """Hide what is below `directory`."""
    branch.setxattr(directory, _PREFIXES[0] + _OPAQUE, _HIDES, 0)


def _read(branch: Branch[Any], node: Any, name: bytes) -> bytes | None:
    for prefix in _PREFIXES:
        try:
            return branch.getxattr(node, prefix + name)
        except OSError as error:
            if error.errno not in (errno.ENODATA, errno.ENOTSUP, errno.EPERM):
                raise
    return None
