"""Copying a file from one branch to another, before it is changed there."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from typing import Any

from cntr_core.filesystem import Branch, Changes, OpenFile, Stat
from cntr_core.kernel.holes import data_ranges

from .caller import keeping_set_id
from .whiteouts import is_private

_BLOCK = 1 << 17
_ACL = b"system.posix_acl_"

BranchNode = tuple[Branch[Any], Any]
"""A branch, and a node of it."""


def copy_directory(source: BranchNode, status: Stat, target: BranchNode, name: bytes) -> Any:
    """An empty copy of a directory, `name` in `target`; its node."""
    branch, parent = target
    node, _ = branch.mkdir(parent, name, 0o700)
    _copy_metadata(source, status, (branch, node))
    return node


def copy_file(source: BranchNode, status: Stat, target: BranchNode, name: bytes | None, size: int | None) -> Any:
    """A copy of anything but a directory, `name` in `target`, or nameless; its node.

    Of a regular file at most `size` bytes are copied. The name appears when the copy is complete, where the filesystem
    has files without names.
    """
    branch, parent = target
    if stat.S_ISREG(status.st_mode):
        return _copy_regular(source, status, target, name, size)
    if name is None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    if stat.S_ISLNK(status.st_mode):
        node, _ = branch.symlink(parent, name, source[0].readlink(source[1]))
    else:
        node, _ = branch.mknod(parent, name, stat.S_IFMT(status.st_mode) | 0o600, status.st_rdev)
    _copy_metadata(source, status, (branch, node))
    return node


def _copy_regular(source: BranchNode, status: Stat, target: BranchNode, name: bytes | None, size: int | None) -> Any:
    branch, parent = target
    node, file, is_nameless = _new_file(target, name)
    try:
        _copy_content(source, file, status.st_size if size is None else min(size, status.st_size))
        _copy_metadata(source, status, (branch, node))
        if is_nameless and name is not None:
            named, _ = branch.link(node, parent, name)
            branch.adopt(node, named)
    except OSError:
        if not is_nameless and name is not None:
            branch.unlink(parent, name, node)
        branch.forget(node)
        raise
    finally:
        file.close()
    return node


def _new_file(target: BranchNode, name: bytes | None) -> tuple[Any, OpenFile, bool]:
    """An empty file, its node, and whether it is nameless: as it should, where the filesystem has files without names,
    else called `name`."""
    branch, parent = target
    try:
        node, _, file = branch.tmpfile(parent, os.O_RDWR, 0o600)
        return node, file, True
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT) or name is None:
            raise
    node, _, file = branch.create(parent, name, os.O_RDWR | os.O_EXCL, 0o600)
    return node, file, False


def _copy_content(source: BranchNode, target: OpenFile, size: int) -> None:
    """Blocks of zeros become holes."""
    assert target.descriptor is not None
    file = source[0].open(source[1], os.O_RDONLY)
    try:
        for start, end in _data(file, size):
            for offset in range(start, end, _BLOCK):
                block = file.read(min(_BLOCK, end - offset), offset)
                if block.count(0) < len(block):
                    os.pwrite(target.descriptor, block, offset)
    finally:
        file.close()
    os.ftruncate(target.descriptor, size)


def _data(file: OpenFile, size: int) -> Iterable[tuple[int, int]]:
    """Where the file has data, as far as it tells: of terabytes of holes nothing is to be read."""
    return ((0, size),) if file.descriptor is None else data_ranges(file.descriptor, size)


def _copy_metadata(source: BranchNode, status: Stat, target: BranchNode) -> None:
    """Owner before mode and xattrs: changing it clears set-ID bits and capabilities."""
    branch, node = target
    branch.setattr(node, Changes(uid=status.st_uid, gid=status.st_gid))
    names = set(source[0].listxattr(source[1]))
    for name in branch.listxattr(node):
        if name.startswith(_ACL) and name not in names:
            branch.removexattr(node, name)  # it came from the directory's default ACL
    for name in names:
        if not is_private(name):
            branch.setxattr(node, name, source[0].getxattr(source[1], name), 0)
    if not stat.S_ISLNK(status.st_mode):
        with keeping_set_id(bool(status.st_mode & stat.S_ISGID)):
            branch.setattr(node, Changes(mode=stat.S_IMODE(status.st_mode)))
    branch.setattr(node, Changes(atime_ns=status.st_atime_ns, mtime_ns=status.st_mtime_ns))
