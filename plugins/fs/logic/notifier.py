"""Notices are written by a process of their own, so that a killed server takes nobody with it.

Who writes one may wait, beyond any signal, for an answer that the server owes (see notices.py). Were that the server,
and it killed meanwhile, the device would stay open, and whoever asked would wait for ever. So the device is cloned for
another process (FUSE_DEV_IOC_CLONE, Linux 4.2): when the server is gone the kernel fails what the server has read
(fuse_dev_release, fs/fuse/dev.c), and the notifier fails what nobody has read. Then nothing holds it up, and it ends.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
import struct
import threading

from . import notices

_CLONE = 0x8004E500  # FUSE_DEV_IOC_CLONE
_MOST_BYTES = 1 << 17  # of a notice
_LARGEST_REQUEST = 1 << 21
_UNIQUE = struct.Struct("=8xQ")  # struct fuse_in_header begins with length and opcode
_MISSED = (errno.ENOENT, errno.EAGAIN, errno.EINTR)  # it was interrupted before we got it


class Notifier:
    """The server's end."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def fileno(self) -> int:
        """What poll(2) reports as hung up once nobody is left to write notices."""
        return self._connection.fileno()

    def tell(self, notice: bytes) -> bool:
        """Have a notice written, perhaps after others; whether anybody is left to do so. Not for the thread that
        answers: it waits where the others have to wait."""
        try:
            self._connection.send(notice)
        except OSError:
            return False
        return True

    def offer(self, notice: bytes) -> bool:
        """The same without waiting; whether there was room for it."""
        try:
            self._connection.send(notice, socket.MSG_DONTWAIT)
        except OSError:
            return False
        return True


def pair() -> tuple[socket.socket, socket.socket]:
    """The server's end and the notifier's."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def cloned(device: int) -> int:
    """Another descriptor for the connection of `device`, with requests of its own."""
    clone = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(clone, _CLONE, struct.pack("=I", device))
    except OSError:
        os.close(clone)
        raise
    return clone


def write_notices(connection: socket.socket, device: int) -> None:
    """The notifier's life, as long as the server lives."""
    threading.Thread(target=_refuse, args=(connection, device), daemon=True).start()
    while notice := connection.recv(_MOST_BYTES):
        if not notices.send(device, notice):
            return


def _refuse(connection: socket.socket, device: int) -> None:
    """When the server is gone, fail what is still asked until this process has ended."""
    poll = select.poll()
    poll.register(connection, 0)  # POLLHUP alone
    poll.poll()
    buffer = bytearray(_LARGEST_REQUEST)
    while _read(device, buffer) and notices.send(device, notices.failure(_UNIQUE.unpack_from(buffer)[0])):
        pass


def _read(device: int, buffer: bytearray) -> bool:
    """Take a request, or what was one; whether there still is a mount."""
    try:
        os.readv(device, [buffer])
    except OSError as error:
        return error.errno in _MISSED
    return True
