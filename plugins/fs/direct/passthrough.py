"""FUSE passthrough (Linux 6.9): files that the kernel reads and writes without us.

All opens of an inode at one time are of one kind, or the kernel fails them: with one and the same backing file, or
with none.
"""

from __future__ import annotations

import fcntl
import os
from collections import OrderedDict

from cntr_core.dataclass import dataclass

from ..logic import notices
from ..logic.caller import keeping_set_id
from .protocol import BACKING_CLOSE, BACKING_ID, BACKING_MAP, BACKING_OPEN, Fopen

_MOST_IDLE = 256
"""Closed files whose backing is kept: each keeps the file below, also where it has been removed."""


@dataclass(slots=True)
class _Inode:
    backing: int
    below: tuple[int, int]
    opens: int = 0


class Backings:
    """What is registered with the kernel, for as long as the file is open; those closed last are kept for the next
    opening, for registering takes longer than all else. A file that was copied up meanwhile has another one."""

    def __init__(self, device: int) -> None:
        self._device = device
        self._inodes: dict[int, _Inode] = {}
        self._idle: OrderedDict[int, None] = OrderedDict()
        self._handles: dict[int, int] = {}
        self.enabled = False

    def prepare(self, number: int, fd: int | None) -> tuple[int, int]:
        """How inode `number` can be opened, whose content is `fd`: FOPEN_* flags and a backing id.

        Follow it with :meth:`opened`, or :meth:`settle` where the opening failed.
        """
        below = _identity(fd)
        inode = self._inodes.get(number)
        if inode is not None and number in self._idle and inode.below != below:
            self.forget(number)
            inode = None
        if inode is None:
            inode = self._inodes[number] = _Inode(0 if fd is None else self._register(fd), below)
        return (Fopen.PASSTHROUGH if inode.backing else 0), inode.backing

    def _register(self, fd: int) -> int:
        if not self.enabled:
            return 0
        try:
            # The kernel will write with the credentials we have now. For a caller without CAP_FSETID it asks us to
            # clear set-ID bits first, by a SETATTR that changes nothing; for root they are to stay.
            with keeping_set_id():
                # A mutable argument makes Python return the call's result, which is the id.
                return int(fcntl.ioctl(self._device, BACKING_OPEN, bytearray(BACKING_MAP.pack(fd, 0, 0))))
        except OSError:  # without CAP_SYS_ADMIN, or the file lies on a filesystem stacked too deeply
            return 0

    def opened(self, number: int, handle: int) -> None:
        """The file is open under `handle`."""
        self._inodes[number].opens += 1
        self._idle.pop(number, None)
        self._handles[handle] = number

    def changed(self, number: int) -> None:
        """What the kernel knows of an open file's attributes holds no longer. It takes no lock for that, and the file
        is not the last to go: so nobody is waited for."""
        notices.send(self._device, notices.attributes(number))

    def released(self, handle: int) -> None:
        """The handle is closed."""
        number = self._handles.pop(handle, None)
        if number is not None:
            self._inodes[number].opens -= 1
            self.settle(number)

    def settle(self, number: int) -> None:
        """Keep the backing of a file that is not open, instead of the one that was kept first."""
        inode = self._inodes[number]
        if inode.opens:
            return
        self._idle[number] = None
        if not inode.backing:
            self.forget(number)
        elif len(self._idle) > _MOST_IDLE:
            self.forget(next(iter(self._idle)))

    def forget(self, number: int) -> None:
        """Give up what is kept for a file that is not open."""
        if number in self._idle:
            del self._idle[number]
            backing = self._inodes.pop(number).backing
            if backing:
                fcntl.ioctl(self._device, BACKING_CLOSE, BACKING_ID.pack(backing))


def _identity(fd: int | None) -> tuple[int, int]:
    """Which file it is: as long as it is kept, no other has the same numbers."""
    if fd is None:
        return 0, 0
    status = os.fstat(fd)
    return status.st_dev, status.st_ino
