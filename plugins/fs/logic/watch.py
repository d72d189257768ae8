"""Filesystems and directories that are watched for changes made behind the mount, by fanotify(7)."""

from __future__ import annotations

import errno
import logging
import os
import resource
from collections.abc import Hashable
from contextlib import ExitStack, suppress

from cntr_core.filesystem import Watched
from cntr_core.kernel import fanotify
from cntr_core.kernel.fanotify import FileHandle
from cntr_core.kernel.mounts import OVERLAYFS_SUPER_MAGIC, statfs_type
from cntr_core.kernel.probes import kernel_version
from cntr_core.kernel.syscall import owned

_log = logging.getLogger(__name__)

_GROUP = (
    fanotify.FAN_CLOEXEC
    | fanotify.FAN_NONBLOCK
    | fanotify.FAN_REPORT_FID
    | fanotify.FAN_REPORT_DIR_FID
    | fanotify.FAN_REPORT_NAME
    | fanotify.FAN_REPORT_TARGET_FID
)
NAMES = fanotify.FAN_CREATE | fanotify.FAN_DELETE | fanotify.FAN_MOVED_FROM | fanotify.FAN_MOVED_TO
_MASK = NAMES | fanotify.FAN_MODIFY | fanotify.FAN_ATTRIB | fanotify.FAN_CLOSE_WRITE | fanotify.FAN_ONDIR
_MARK = fanotify.FAN_MARK_ADD | fanotify.FAN_MARK_FILESYSTEM | fanotify.FAN_MARK_DONT_FOLLOW

_OF_THIS_MACHINE = {  # linux/magic.h, and the sources of bcachefs, F2FS, JFS, XFS and ZFS
    0xEF53: "ext2, ext3, ext4",
    0x58465342: "XFS",
    0x9123683E: "Btrfs",
    0x01021994: "tmpfs",
    0xF2F52010: "F2FS",
    0xCA451A4E: "bcachefs",
    0x2FC12FC1: "ZFS",
    0x3153464A: "JFS",
    0xE0F5E1E2: "EROFS",
    0x73717368: "squashfs",
}
"""Filesystems that nobody changes but by this kernel's calls, which fanotify sees. Others are accepted by it as well,
and change by themselves (cgroups) or on other machines (Ceph, OCFS2)."""

_EXPIRES_NAMES = (6, 2)  # Linux; an older kernel would detach what is mounted on a name that changed
_MOST = 16  # filesystems: each keeps a descriptor
_MOST_DIRECTORIES = 4096  # the same
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Watch:
    """One group, and for each filesystem a descriptor by which handles of its files are opened; for each directory that
    is watched by itself, one by which names in it are found."""

    def __init__(self, group: int, mask: int = _MASK) -> None:
        self.group = group
        self._mask = mask
        self._mounts: dict[bytes, int] = {}
        self._directories: dict[FileHandle, int] = {}
        self._most = min(_MOST_DIRECTORIES, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 8)

    @classmethod
    def start(cls, mask: int = _MASK) -> Watch | None:
        """One that is told of FAN_* events in `mask`; None where the kernel or our privileges do not allow it."""
        if kernel_version(os.uname().release) < _EXPIRES_NAMES:
            return None
        try:
            return cls(fanotify.fanotify_init(_GROUP), mask)
        except OSError as error:
            _log.debug("changes from outside are not told of: %s", error)
            return None

    def add(self, directory: int, name: bytes) -> Watched:
        """See :class:`cntr_core.filesystem.Watcher`. Overlayfs, above all, has no handles that could be opened."""
        try:
            with ExitStack() as stack:
                fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
                stack.callback(os.close, fd)
                kind = statfs_type(fd)
                if kind == OVERLAYFS_SUPER_MAGIC:
                    return Watched.BY_NAME
                if kind not in _OF_THIS_MACHINE:
                    raise OSError(errno.EOPNOTSUPP, "others than this kernel change it")
                self._add(fd, stack)
                return Watched.WHOLLY
        except OSError as error:
            _log.debug("changes on the filesystem of %r are not told of: %s", name, error)
            return Watched.NOT

    def _add(self, fd: int, stack: ExitStack) -> None:
        """Watch the filesystem of `fd`, which is kept open for it."""
        filesystem = os.fstatvfs(fd).f_fsid.to_bytes(8, "little")
        if filesystem in self._mounts:
            return
        if len(self._mounts) >= _MOST:
            raise OSError(errno.EMFILE, "there are too many filesystems")
        with owned(fanotify.open_by_handle_at(fd, fanotify.name_to_handle_at(fd, b"."), os.O_PATH)):
            fanotify.fanotify_mark(self.group, _MARK, self._mask, fd, b".")
        stack.pop_all()
        self._mounts[filesystem] = fd

    def add_directory(self, directory: int, name: bytes) -> tuple[FileHandle, os.stat_result] | None:
        """See :class:`cntr_core.filesystem.Watcher`."""
        if len(self._directories) >= self._most:
            return None
        try:
            with ExitStack() as stack:
                fd = os.open(name, _DIRECTORY, dir_fd=directory)
                stack.callback(os.close, fd)
                handle = self._handle(fd)
                fanotify.fanotify_mark(
                    self.group, fanotify.FAN_MARK_ADD, self._mask | fanotify.FAN_EVENT_ON_CHILD, fd, b"."
                )
                stack.pop_all()
        except OSError as error:
            _log.debug("changes in the directory %r are not told of: %s", name, error)
            return None
        self._directories[handle] = fd
        return handle, os.fstat(fd)

    def _handle(self, fd: int) -> FileHandle:
        """By which events name a directory. Two overlays of the same layers may have the same ones."""
        filesystem = os.fstatvfs(fd).f_fsid.to_bytes(8, "little")
        handle = FileHandle(filesystem, fanotify.name_to_handle_at(fd, b".", fanotify.AT_HANDLE_FID))
        if handle in self._directories:
            raise OSError(errno.EEXIST, "another one has the same handle")
        return handle

    def remove_directory(self, watched: Hashable) -> None:
        """See :class:`cntr_core.filesystem.Watcher`. An event that is read meanwhile may be told of in vain."""
        assert isinstance(watched, FileHandle)
        fd = self._directories.pop(watched)
        with suppress(OSError):  # a directory that was removed has lost its mark
            fanotify.fanotify_mark(
                self.group, fanotify.FAN_MARK_REMOVE, self._mask | fanotify.FAN_EVENT_ON_CHILD, fd, b"."
            )
        os.close(fd)

    def find(self, handle: FileHandle) -> os.stat_result | None:
        """The file that a handle names, where it still exists."""
        directory = self._directories.get(handle)
        if directory is not None:
            with suppress(OSError):
                return os.fstat(directory)
        mount = self._mounts.get(handle.fsid)
        if mount is None:
            return None
        with suppress(OSError), owned(fanotify.open_by_handle_at(mount, handle.handle, os.O_PATH)) as fd:
            return os.fstat(fd)
        return None

    def find_name(self, directory: FileHandle, name: bytes) -> os.stat_result | None:
        """The file that has a name in a directory that is watched by itself."""
        fd = self._directories.get(directory)
        if fd is None or name == b".":
            return None
        with suppress(OSError):
            return os.stat(name, dir_fd=fd, follow_symlinks=False)
        return None
