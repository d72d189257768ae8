"""The mount API by file descriptors (Linux 5.2, mount_setattr 5.12), pivot_root(2) and umount2(2).

A mount exists detached, owned by a descriptor, until move_mount(2) puts it somewhere; closing the descriptor
of one that was never attached makes it vanish. So nothing is left behind by a caller that dies half-way.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable, Mapping
from types import TracebackType

from .syscall import AT_EMPTY_PATH, AT_FDCWD, AT_NO_AUTOMOUNT, AT_RECURSIVE, AT_SYMLINK_NOFOLLOW, Syscall, encode, owned

TYPE_CHECKING = False  # as in cntr_core/__init__.py

if TYPE_CHECKING:
    from .syscall import Path

    OptionValue = str | bytes | int | None
    Options = Mapping[str, OptionValue] | Iterable[tuple[str, OptionValue]]

__all__ = [
    "AT_EMPTY_PATH",
    "AT_FDCWD",
    "AT_NO_AUTOMOUNT",
    "AT_RECURSIVE",
    "AT_SYMLINK_NOFOLLOW",
    "DetachedMount",
    "fsconfig_create",
    "fsconfig_reconfigure",
    "fsconfig_set_fd",
    "fsconfig_set_flag",
    "fsconfig_set_string",
    "fsmount",
    "fsopen",
    "fspick",
    "mount_setattr",
    "move_mount",
    "open_tree",
    "pivot_root",
    "statfs_type",
    "umount2",
]

# linux/mount.h
OPEN_TREE_CLONE = 1
OPEN_TREE_CLOEXEC = os.O_CLOEXEC
MOVE_MOUNT_F_SYMLINKS = 0x01
MOVE_MOUNT_F_EMPTY_PATH = 0x04
MOVE_MOUNT_T_SYMLINKS = 0x10
MOVE_MOUNT_T_EMPTY_PATH = 0x40

MOUNT_ATTR_RDONLY = 0x01
MOUNT_ATTR_NOSUID = 0x02
MOUNT_ATTR_NODEV = 0x04
MOUNT_ATTR_IDMAP = 0x100000

MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20

MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8

# linux/magic.h: what statfs_type() answers.
TMPFS_MAGIC = 0x01021994
PROC_SUPER_MAGIC = 0x9FA0
CGROUP_SUPER_MAGIC = 0x27E0EB
CGROUP2_SUPER_MAGIC = 0x63677270
OVERLAYFS_SUPER_MAGIC = 0x794C7630

_CLOEXEC = 1  # FSOPEN_CLOEXEC and FSMOUNT_CLOEXEC
_FSPICK_CLOEXEC, _FSPICK_EMPTY_PATH = 1, 8
_SET_FLAG, _SET_STRING, _SET_FD, _CMD_CREATE, _CMD_RECONFIGURE = 0, 1, 5, 6, 7  # enum fsconfig_command

_ADMIN = "CAP_SYS_ADMIN in the mount namespace's user namespace"
_open_tree = Syscall("open_tree", 428, since="5.2", wants=_ADMIN)
_move_mount = Syscall("move_mount", 429, since="5.2", wants=_ADMIN)
_fsopen = Syscall("fsopen", 430, since="5.2", wants=_ADMIN)
_fsconfig = Syscall("fsconfig", 431, since="5.2", wants=_ADMIN)
_fsmount = Syscall("fsmount", 432, since="5.2", wants=_ADMIN)
_fspick = Syscall("fspick", 433, since="5.2", wants=_ADMIN)
_mount_setattr = Syscall("mount_setattr", 442, since="5.12", wants=_ADMIN)
_umount2 = Syscall("umount2", 39, 166, wants=_ADMIN)
_pivot_root = Syscall("pivot_root", 41, 155, wants=_ADMIN)
_fstatfs = Syscall("fstatfs", 44, 138)


class _MountAttributes(ctypes.Structure):
    """struct mount_attr of mount_setattr(2)."""

    _fields_ = (
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def open_tree(dirfd: int, path: Path, flags: int = 0) -> int:
    """A descriptor of the mount at `path`; with OPEN_TREE_CLONE, of a detached copy (open_tree(2)).

    AT_RECURSIVE copies the mounts below as well. The descriptor is always close-on-exec.
    """
    return _open_tree(dirfd, encode(path), flags | OPEN_TREE_CLOEXEC, path=path)


def move_mount(from_fd: int, from_path: Path, to_fd: int, to_path: Path, flags: int = 0) -> None:
    """Attach or move a mount (move_mount(2)). An empty path means the descriptor itself; no flag is needed
    for it.

    Symbolic links at the end of either path are followed only with MOVE_MOUNT_F_SYMLINKS,
    MOVE_MOUNT_T_SYMLINKS.
    """
    source, target = encode(from_path), encode(to_path)
    flags |= (0 if source else MOVE_MOUNT_F_EMPTY_PATH) | (0 if target else MOVE_MOUNT_T_EMPTY_PATH)
    _move_mount(from_fd, source, to_fd, target, flags, path=to_path)


def fsopen(fstype: str) -> int:
    """A configuration descriptor for a new superblock of type `fstype` (fsopen(2))."""
    return _fsopen(encode(fstype), _CLOEXEC, path=fstype)


def _configure(fsfd: int, command: int, key: str | None, value: bytes | None = None, extra: int = 0) -> None:
    try:
        _fsconfig(fsfd, command, None if key is None else encode(key), value, extra, path=key)
    except OSError as error:
        raise _fsconfig.error(error.errno or 0, key, _messages(fsfd)) from None


def _messages(fsfd: int) -> str:
    """What the kernel says in its own words about the last failure: the configuration descriptor is a log to
    read.
    """
    lines = []
    while True:
        try:
            lines.append(os.read(fsfd, 4096))
        except OSError:  # ENODATA: no more
            # Each begins with its level and a space: "e tmpfs: Unknown parameter 'x'".
            return "; ".join(line[2:].decode(errors="replace").strip() for line in lines)


def fsconfig_set_string(fsfd: int, key: str, value: str | bytes) -> None:
    """Set the option ``key=value``."""
    _configure(fsfd, _SET_STRING, key, encode(value))


def fsconfig_set_flag(fsfd: int, key: str) -> None:
    """Set an option without a value, such as ``ro``."""
    _configure(fsfd, _SET_FLAG, key)


def fsconfig_set_fd(fsfd: int, key: str, fd: int) -> None:
    """Set an option to an open file, such as (Linux 6.13) overlayfs' ``lowerdir+``.

    FUSE wants the number of its ``fd`` as a string instead.
    """
    _configure(fsfd, _SET_FD, key, None, fd)


def fsconfig_create(fsfd: int) -> None:
    """Make the superblock from the options that were set."""
    _configure(fsfd, _CMD_CREATE, None)


def fspick(mount: int) -> int:
    """A configuration descriptor for the superblock of a mount (fspick(2))."""
    return _fspick(mount, b"", _FSPICK_CLOEXEC | _FSPICK_EMPTY_PATH)


def fsconfig_reconfigure(fsfd: int) -> None:
    """Give the superblock the options that were set, which takes its mount flags for all of them ("ro")."""
    _configure(fsfd, _CMD_RECONFIGURE, None)


def fsmount(fsfd: int, attributes: int = 0) -> int:
    """A detached mount of the configured superblock, with MOUNT_ATTR_* `attributes` (fsmount(2))."""
    try:
        return _fsmount(fsfd, _CLOEXEC, attributes)
    except OSError as error:
        raise _fsmount.error(error.errno or 0, None, _messages(fsfd)) from None


def mount_setattr(
    dirfd: int,
    path: Path,
    flags: int = 0,
    *,
    set: int = 0,
    clear: int = 0,
    propagation: int = 0,
    userns_fd: int = 0,
) -> None:
    """Change the MOUNT_ATTR_* bits and the propagation (MS_PRIVATE …) of a mount (mount_setattr(2)).

    With AT_RECURSIVE all mounts below change too, or none. `userns_fd` is the map for MOUNT_ATTR_IDMAP.
    """
    attributes = _MountAttributes(set, clear, propagation, userns_fd)
    target = encode(path)
    flags |= 0 if target else AT_EMPTY_PATH
    size = ctypes.sizeof(attributes)
    _mount_setattr(dirfd, target, flags, ctypes.byref(attributes), size, path=path)


def umount2(path: Path, flags: int = 0) -> None:
    """Unmount (umount2(2)): MNT_DETACH for a lazy one, UMOUNT_NOFOLLOW against planted links."""
    _umount2(encode(path), flags, path=path)


def pivot_root(new_root: Path, put_old: Path) -> None:
    """Exchange the namespace's root mount (pivot_root(2)); ``pivot_root(".", ".")`` stacks the old one on
    top.
    """
    _pivot_root(encode(new_root), encode(put_old), path=new_root)


def statfs_type(fd: int) -> int:
    """The kind of filesystem that `fd` lies on, as one of the ``*_MAGIC`` numbers (fstatfs(2))."""
    buffer = (ctypes.c_long * 32)()  # struct statfs takes 15 of them; f_type is the first
    _fstatfs(fd, buffer)
    return int(buffer[0]) & 0xFFFFFFFF


class DetachedMount:
    """Owner of a mount's descriptor. Left unattached, the mount vanishes when the owner is closed."""

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    @classmethod
    def clone(cls, dirfd: int, path: Path = "", *, recursive: bool = False) -> DetachedMount:
        """A copy of the mount at `path`: a bind mount, yet nowhere. Recursive copies the mounts below too."""
        flags = OPEN_TREE_CLONE | (AT_RECURSIVE if recursive else 0) | (0 if encode(path) else AT_EMPTY_PATH)
        return cls(open_tree(dirfd, path, flags))

    @classmethod
    def new(cls, fstype: str, options: Options = (), attributes: int = 0) -> DetachedMount:
        """A mount of a new superblock. An option's value is a string, a descriptor (int), or None for a flag."""
        with owned(fsopen(fstype)) as fsfd:
            for key, value in options.items() if isinstance(options, Mapping) else options:
                if value is None:
                    fsconfig_set_flag(fsfd, key)
                elif isinstance(value, int):
                    fsconfig_set_fd(fsfd, key, value)
                else:
                    fsconfig_set_string(fsfd, key, value)
            fsconfig_create(fsfd)
            return cls(fsmount(fsfd, attributes))

    def attach(self, dirfd: int, path: Path = "", flags: int = 0) -> None:
        """Put the mount at `path`, whose last component is not followed if it is a symbolic link."""
        move_mount(self.fd, "", dirfd, path, flags)

    def set_attributes(self, *, set: int = 0, clear: int = 0, propagation: int = 0, recursive: bool = False) -> None:
        """mount_setattr(2) on this mount."""
        flags = AT_RECURSIVE if recursive else 0
        mount_setattr(self.fd, "", flags, set=set, clear=clear, propagation=propagation)

    def close(self) -> None:
        """Close the descriptor; may be called again."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self) -> DetachedMount:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
