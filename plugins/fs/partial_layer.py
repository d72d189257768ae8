"""A layer for overlayfs that leaves a part of the tree below it to be seen.

Directories of which a part is shown are opaque, so that names which come later do not appear; a directory that is
shown whole is redirected to the one below (kernel: overlayfs.rst, redirect_dir); files, which cannot be, are copied.
Overlayfs looks at no mark of its root: there the other names have whiteouts, as they are when the layer is made.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from cntr_core.filesystem import Part, PartialTree
from cntr_core.kernel.syscall import owned

_LARGEST = 1 << 24
"""Bytes of a file that is copied; a larger one is absent."""
_XATTR = "trusted.overlay."
_LISTED = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def fill_layer(layer: int, tree: PartialTree) -> None:
    """Make of an empty tmpfs the layer to put on `tree`.

    :raises OSError: no mark can be made.
    """
    with owned(os.open(".", _LISTED, dir_fd=tree.fd)) as lower, owned(os.open(".", _LISTED, dir_fd=layer)) as upper:
        _copy_attributes(os.fstat(lower), upper)
        for name in os.listdir(lower):
            if not _add(name, lower, upper, tree.part, ""):
                os.mknod(name, stat.S_IFCHR, os.makedev(0, 0), dir_fd=upper)


def _add(name: str, lower: int, upper: int, directory: Part, path: str) -> bool:
    """Show an entry of the directory at `path` as its part says; whether any of it is shown."""
    part = directory.child(os.fsencode(name))
    with suppress(OSError):  # it went, or cannot be read
        status = os.stat(name, dir_fd=lower, follow_symlinks=False)
        if part is None or not part.admits(status.st_mode):
            return False
        if stat.S_ISDIR(status.st_mode):
            _add_directory(name, lower, upper, part, f"{path}/{name}")
        elif stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(name, dir_fd=lower), name, dir_fd=upper)
        elif stat.S_ISREG(status.st_mode) and status.st_size <= _LARGEST:
            _copy(name, lower, upper, status)
        else:
            return False
        return True
    return False


def _add_directory(name: str, lower: int, upper: int, part: Part, path: str) -> None:
    os.mkdir(name, 0o700, dir_fd=upper)
    with owned(os.open(name, _LISTED, dir_fd=lower)) as source, owned(os.open(name, _LISTED, dir_fd=upper)) as made:
        if part.whole:
            os.setxattr(made, f"{_XATTR}redirect", os.fsencode(path))
        else:
            os.setxattr(made, f"{_XATTR}opaque", b"y")
            for entry in os.listdir(source):
                _add(entry, source, made, part, path)
        _copy_attributes(os.fstat(source), made)


def _copy(name: str, lower: int, upper: int, status: os.stat_result) -> None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with owned(os.open(name, flags, dir_fd=lower)) as source:
        made = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=upper)
        with owned(made):
            os.sendfile(made, source, 0, status.st_size)
            _copy_attributes(status, made)


def _copy_attributes(status: os.stat_result, fd: int) -> None:
    os.fchown(fd, status.st_uid, status.st_gid)
    os.fchmod(fd, stat.S_IMODE(status.st_mode))
    os.utime(fd, ns=(status.st_atime_ns, status.st_mtime_ns))
