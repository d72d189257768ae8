"""FUSE passthrough (Linux 6.9): files that the kernel reads and writes without us.

All opens of an inode at one time are of one kind, or the kernel fails them: with one and the same backing file, or
with none.
"""

from __future__ import annotations

import fcntl
import os
import stat
from dataclasses import dataclass

from .protocol import BACKING_CLOSE, BACKING_ID, BACKING_MAP, BACKING_OPEN, Fopen

_SET_ID = stat.S_ISUID | stat.S_ISGID


@dataclass(slots=True)
class _Inode:
    backing: int
    opens: int = 0


class Backings:
    """What is registered with the kernel, for as long as the file is open."""

    def __init__(self, device: int) -> None:
        self._device = device
        self._inodes: dict[int, _Inode] = {}
        self._handles: dict[int, int] = {}
        self.enabled = False

    def prepare(self, number: int, fd: int | None, flags: int) -> tuple[int, int]:
        """How inode `number` can be opened, whose content is `fd`: FOPEN_* flags and a backing id.

        Follow it with :meth:`opened`, or :meth:`settle` where the opening failed.
        """
        inode = self._inodes.get(number)
        set_id = flags & os.O_ACCMODE != os.O_RDONLY and fd is not None and _has_set_id(fd)
        if inode is None:
            inode = self._inodes[number] = _Inode(0 if set_id or fd is None else self._register(fd))
        if not inode.backing:
            return 0, 0
        if set_id:
            # The kernel would write without CAP_FSETID, also for root: such writes come to us.
            return Fopen.DIRECT_IO, 0
        return Fopen.PASSTHROUGH, inode.backing

    def _register(self, fd: int) -> int:
        if not self.enabled:
            return 0
        try:
            # A mutable argument makes Python return the call's result, which is the id.
            return int(fcntl.ioctl(self._device, BACKING_OPEN, bytearray(BACKING_MAP.pack(fd, 0, 0))))
        except OSError:  # without CAP_SYS_ADMIN, or the file lies on a filesystem stacked too deeply
            return 0

    def opened(self, number: int, handle: int) -> None:
        """The file is open under `handle`."""
        self._inodes[number].opens += 1
        self._handles[handle] = number

    def released(self, handle: int) -> None:
        """The handle is closed."""
        number = self._handles.pop(handle, None)
        if number is not None:
            self._inodes[number].opens -= 1
            self.settle(number)

    def settle(self, number: int) -> None:
        """Give up the backing of a file that is not open."""
        inode = self._inodes[number]
        if not inode.opens:
            del self._inodes[number]
            if inode.backing:
                fcntl.ioctl(self._device, BACKING_CLOSE, BACKING_ID.pack(inode.backing))


def _has_set_id(fd: int) -> bool:
    return bool(os.fstat(fd).st_mode & _SET_ID)
