"""Reading the kernel's requests and writing the answers, one after the other."""

from __future__ import annotations

import errno
import logging
import os
from typing import Any

from cntr_core.kernel.mounts import OVERLAYFS_SUPER_MAGIC, statfs_type

from ..logic.listener import listen
from ..logic.notifier import Notifier
from ..logic.operations import Operations
from ..logic.policy import Opening, Policy
from ..logic.pruning import Pruner
from ..logic.readahead import MOST
from ..logic.stop import Stopper
from ..logic.timeouts import Timeouts
from .passthrough import Backings
from .protocol import (
    IN_HEADER,
    INIT_IN,
    INIT_IN_FLAGS2,
    INIT_OUT,
    MAJOR,
    MINOR,
    OLDEST_MINOR,
    OUT_HEADER,
    Init,
    Opcode,
)
from .requests import Handler, Header, Requests

_log = logging.getLogger(__name__)

_MAX_PAGES = 256
_MAX_WRITE = _MAX_PAGES * 4096
_INTERRUPTED = (errno.ENOENT, errno.EAGAIN)
_GONE = (errno.ENODEV, errno.ECONNABORTED)  # unmounted; aborted

_WANTED = (
    Init.ASYNC_READ
    | Init.EXPORT_SUPPORT
    | Init.BIG_WRITES
    | Init.DONT_MASK
    | Init.AUTO_INVAL_DATA
    | Init.DO_READDIRPLUS
    | Init.ASYNC_DIO
    | Init.PARALLEL_DIROPS
    | Init.POSIX_ACL
    | Init.MAX_PAGES
    | Init.CACHE_SYMLINKS
    | Init.HANDLE_KILLPRIV_V2
    | Init.SETXATTR_EXT
    | Init.INIT_EXT
    | Init.DIRECT_IO_ALLOW_MMAP
)


def serve(device: int, operations: Operations[Any], policy: Policy, stopper: Stopper, notifier: Notifier) -> None:
    """Answer what comes from `device`, an open /dev/fuse with a mount, until the mount is gone."""
    buffer = bytearray(_MAX_WRITE + 4096)
    body = memoryview(buffer)
    backings = Backings(device)
    if not _received(device, buffer, stopper) or not _agree(device, buffer, operations, policy, backings):
        return
    timeouts = Timeouts(operations, policy, notifier)
    listen(notifier, operations, timeouts)
    handlers = Requests(operations, timeouts, backings).handlers
    operations.known.pruner = Pruner(device, notifier)
    while (size := _received(device, buffer, stopper)) is not None:
        if not size:
            continue
        header = Header._make(IN_HEADER.unpack_from(buffer))
        handler = handlers.get(header.opcode)
        if handler is not None:
            _handle(device, handler, header, body[IN_HEADER.size : size])
            continue
        _answer(device, header.unique, errno.ENOSYS)
        if header.opcode == Opcode.DESTROY:
            return


def _received(device: int, buffer: bytearray, stopper: Stopper) -> int | None:
    """The size of the next request; 0 where it was interrupted before we got it, None where the mount is gone."""
    stopper.wait()
    try:
        size = os.readv(device, [buffer])
    except OSError as error:
        if error.errno in _GONE:
            return None
        if error.errno in _INTERRUPTED:
            return 0
        raise
    stopper.work()
    return size


def _handle(device: int, handler: Handler, header: Header, body: memoryview) -> None:
    """Answer one request, whatever becomes of it."""
    try:
        reply = handler(header, body)
    except OSError as error:
        _answer(device, header.unique, error.errno or errno.EIO)
    except Exception:
        _log.exception("request %d of inode %d failed", header.opcode, header.node)
        _answer(device, header.unique, errno.EIO)
    else:
        if reply is not None:
            _answer(device, header.unique, 0, reply)


def _answer(device: int, unique: int, error: int, reply: bytes = b"") -> None:
    try:
        os.write(device, OUT_HEADER.pack(OUT_HEADER.size + len(reply), -error, unique) + reply)
    except OSError as failure:
        # ENOENT: nobody waits for it any more. A mount that is gone shows when the next request is read.
        if failure.errno not in (errno.ENOENT, *_GONE):
            _log.error("answer of %d bytes refused: %s", len(reply), failure)


def _agree(device: int, buffer: bytearray, operations: Operations[Any], policy: Policy, backings: Backings) -> bool:
    """Answer INIT, the first request; whether it is one that we can serve."""
    header = Header._make(IN_HEADER.unpack_from(buffer))
    major, minor, readahead, flags = INIT_IN.unpack_from(buffer, IN_HEADER.size)
    if (major, minor) < (MAJOR, OLDEST_MINOR):
        _answer(device, header.unique, errno.EPROTO)
        return False
    offered = flags
    if flags & Init.INIT_EXT:
        offered |= INIT_IN_FLAGS2.unpack_from(buffer, IN_HEADER.size + INIT_IN.size)[0] << 32
    agreed = int(_wanted(policy)) & offered
    backings.enabled = bool(agreed & Init.PASSTHROUGH)
    depth = _stack_depth(operations) if backings.enabled else 0
    _answer(device, header.unique, 0, _init_reply(minor, max(readahead, MOST), agreed, depth))
    return True


def _wanted(policy: Policy) -> Init:
    """What the policy has of the kernel's features."""
    wanted = _WANTED | (Init.PASSTHROUGH if policy.opening is Opening.PASSTHROUGH else Init(0))
    if not policy.readdirplus:
        wanted &= ~Init.DO_READDIRPLUS
    elif not policy.listed_timeout:
        wanted |= Init.READDIRPLUS_AUTO  # attributes that are not kept are worth it where somebody asks at once
    return wanted if policy.parallel_directories else wanted & ~Init.PARALLEL_DIROPS


def _init_reply(minor: int, readahead: int, agreed: int, depth: int) -> bytes:
    return INIT_OUT.pack(
        MAJOR,
        min(minor, MINOR),
        readahead,
        agreed & 0xFFFFFFFF,
        64,  # max_background
        48,  # congestion_threshold
        _MAX_WRITE,
        1,  # time_gran
        _MAX_PAGES,
        0,  # map_alignment
        agreed >> 32,
        depth,
        0,  # request_timeout
    )


def _stack_depth(operations: Operations[Any]) -> int:
    """How deeply stacked a backing file's filesystem may be: 2 for overlayfs. Then nothing can be stacked on this
    mount, so 1 where that will do (FILESYSTEM_MAX_STACK_DEPTH)."""
    below = [statfs_type(fd) for fd in operations.branch.descriptors()]
    return 2 if OVERLAYFS_SUPER_MAGIC in below else 1
