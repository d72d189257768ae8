"""What a FUSE server tells the kernel unasked: that something it keeps is no longer true (linux/fuse.h).

A notice is a message on the device like an answer, whichever library answers the requests. Writing one waits for
requests in progress: the kernel takes the directory's lock, or those of the file's pages. So it is for a process that
answers none (notifier.py), but for a notice on attributes alone, which takes no lock.
"""

from __future__ import annotations

import errno
import os
from struct import Struct

_INVAL_INODE, _INVAL_ENTRY = 2, 3  # enum fuse_notify_code
_EXPIRE_ONLY = 1  # Linux 6.2: ask again, and keep what is mounted there

_HEADER = Struct("=IiQ")  # struct fuse_out_header: length, code, no request
_INODE = Struct("=Qqq")  # struct fuse_notify_inval_inode_out: inode, offset, length
_ENTRY = Struct("=QII")  # struct fuse_notify_inval_entry_out: parent, length of the name, flags
_GONE = (errno.ENODEV, errno.ECONNABORTED, errno.EBADF)


def attributes(number: int) -> bytes:
    """Attributes and ACLs of an inode are to be asked for again."""
    return _message(_INVAL_INODE, _INODE.pack(number, -1, 0))


def content(number: int) -> bytes:
    """So is what it contains: a file's data, a directory's listing, a link's target."""
    return _message(_INVAL_INODE, _INODE.pack(number, 0, 0))


def name(directory: int, name: bytes) -> bytes:
    """What a name in a directory stands for, or that it is absent, is to be asked for again."""
    return _message(_INVAL_ENTRY, _ENTRY.pack(directory, len(name), _EXPIRE_ONLY) + name + b"\0")


def failure(unique: int) -> bytes:
    """An answer: nobody serves this request any more."""
    return _HEADER.pack(_HEADER.size, -errno.ENOTCONN, unique)


def _message(code: int, body: bytes) -> bytes:
    return _HEADER.pack(_HEADER.size + len(body), code, 0) + body


def send(device: int, message: bytes) -> bool:
    """Tell the kernel; whether there still is a mount to be told of. What the kernel does not know is no matter."""
    try:
        os.write(device, message)
    except OSError as error:
        return error.errno not in _GONE
    return True
