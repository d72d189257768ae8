"""Filesystems that are watched for changes made behind the mount, by fanotify(7)."""

from __future__ import annotations

import errno
import logging
import os
from contextlib import suppress

from cntr_core.kernel import fanotify
from cntr_core.kernel.fanotify import FileHandle
from cntr_core.kernel.mounts import statfs_type
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


class Watch:
    """One group, and for each filesystem a descriptor by which handles of its files are opened."""

    def __init__(self, group: int) -> None:
        self.group = group
        self._mounts: dict[bytes, int] = {}

    @classmethod
    def start(cls) -> Watch | None:
        """None where the kernel or our privileges do not allow it."""
        if kernel_version(os.uname().release) < _EXPIRES_NAMES:
            return None
        try:
            return cls(fanotify.fanotify_init(_GROUP))
        except OSError as error:
            _log.debug("changes from outside are not told of: %s", error)
            return None

    def add(self, directory: int, name: bytes) -> bool:
        """See :class:`cntr_core.filesystem.Watcher`. Overlayfs, above all, has no handles that could be opened."""
        if len(self._mounts) >= _MOST:
            return False
        try:
            return self._add(directory, name)
        except OSError as error:
            _log.debug("changes on the filesystem of %r are not told of: %s", name, error)
            return False

    def _add(self, directory: int, name: bytes) -> bool:
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        try:
            if statfs_type(fd) not in _OF_THIS_MACHINE:
                raise OSError(errno.EOPNOTSUPP, "others than this kernel change it")
            with owned(fanotify.open_by_handle_at(fd, fanotify.name_to_handle_at(fd, b"."), os.O_PATH)):
                fanotify.fanotify_mark(self.group, _MARK, _MASK, fd, b".")
        except OSError:
            os.close(fd)
            raise
        self._mounts[os.fstatvfs(fd).f_fsid.to_bytes(8, "little")] = fd
        return True

    def find(self, handle: FileHandle) -> os.stat_result | None:
        """The file that a handle names, where it still exists."""
        mount = self._mounts.get(handle.fsid)
        if mount is None:
            return None
        with suppress(OSError), owned(fanotify.open_by_handle_at(mount, handle.handle, os.O_PATH)) as fd:
            return os.fstat(fd)
        return None
