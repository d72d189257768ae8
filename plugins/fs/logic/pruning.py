"""Less memory: the kernel is told to forget files that it does not use, and what is free here is given back.

Each file that the kernel knows takes about a kilobyte there, and half of one here.
"""

from __future__ import annotations

import gc
import logging
import os
import struct
import threading
import time
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from cntr_core.kernel.process import trim_heap

from .inodes import InodeTable
from .notifier import Notifier

_log = logging.getLogger(__name__)

_NOTIFY_PRUNE = 9  # FUSE_NOTIFY_PRUNE of linux/fuse.h 7.45, Linux 6.18
MOST_LISTED = 50_000
"""Files that may be known for having been listed, where the kernel cannot be told to forget them: half a kilobyte of
memory each, for as long as it remembers them."""
MOST_KNOWN = 150_000
"""From this many on, it is told to forget those that it has known for longest."""
_AT_ONCE = 4096
"""Files more than before, after which it is told again; twice as many are to go."""
_QUIET = 1.0
"""Seconds without a change after which memory is given back."""
_HEADER = struct.Struct("=IiQ")  # struct fuse_out_header; unique is 0, so `error` is the kind of notification
_PRUNE = struct.Struct("=I4xQ")  # struct fuse_notify_prune_out: count; the numbers follow


class Pruner:
    """Tells the kernel, through its `device`, which files it may forget.

    Those in use, and directories with a known file below, it keeps; of the others come FORGET messages.
    """

    def __init__(self, device: int, notifier: Notifier) -> None:
        self._device = device
        self._notifier = notifier

    @cached_property
    def works(self) -> bool:
        """Whether the kernel can be told so."""
        try:
            os.write(self._device, _notice(()))
        except OSError as error:
            _log.debug("the kernel forgets by itself alone: %s", error)
            return False
        return True

    def prune(self, numbers: Sequence[int]) -> None:
        """Tell it to forget these, soon. Where the notifier is held up it does not, until the next time."""
        self._notifier.offer(_notice(numbers))


def _notice(numbers: Sequence[int]) -> bytes:
    body = _PRUNE.pack(len(numbers), 0) + struct.pack(f"={len(numbers)}Q", *numbers)
    return _HEADER.pack(_HEADER.size + len(body), _NOTIFY_PRUNE, 0) + body


class Known:
    """How many files the kernel knows, and that they do not become too many.

    `pruner` is the way to have it forget some, which a transport may have.
    """

    def __init__(self, inodes: InodeTable[Any]) -> None:
        self._inodes = inodes
        self._full = MOST_KNOWN
        self._giving_back = threading.Thread()
        self.pruner: Pruner | None = None

    def has_room(self) -> bool:
        """Whether one more may be known for a listing alone."""
        return len(self._inodes) < MOST_LISTED or (self.pruner is not None and self.pruner.works)

    def entered(self) -> None:
        """One more is known: have the kernel forget some, which it may take a while for."""
        if len(self._inodes) < self._full:
            return
        self._full = len(self._inodes) + _AT_ONCE
        if self.pruner is not None and self.pruner.works:
            self.pruner.prune(self._inodes.oldest(2 * _AT_ONCE))

    def forgotten(self) -> None:
        """The kernel has forgotten some: where they were many, give back the memory once that is over."""
        self._full = max(MOST_KNOWN, min(self._full, len(self._inodes) + _AT_ONCE))
        if self._inodes.shrink() and not self._giving_back.is_alive():
            self._giving_back = threading.Thread(target=self._give_back, name="memory", daemon=True)
            self._giving_back.start()

    def _give_back(self) -> None:
        """Python keeps some of the tuples that it has freed, and so whole blocks of memory, until it looks for
        garbage."""
        known = -1
        while len(self._inodes) != known:
            known = len(self._inodes)
            time.sleep(_QUIET)
        gc.collect()
        trim_heap()
