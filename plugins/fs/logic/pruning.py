"""Less memory: the kernel is told to forget files that it does not use, and what is free here is given back.

Each file that the kernel knows takes about a kilobyte there, and half of one here.
"""

from __future__ import annotations

import gc
import logging
import os
import struct
import threading
from collections.abc import Sequence
from functools import cached_property
from queue import SimpleQueue

from cntr_core.kernel.process import trim_heap

_log = logging.getLogger(__name__)

_NOTIFY_PRUNE = 9  # FUSE_NOTIFY_PRUNE of linux/fuse.h 7.45, Linux 6.18
_HEADER = struct.Struct("=IiQ")  # struct fuse_out_header; unique is 0, so `error` is the kind of notification
_PRUNE = struct.Struct("=I4xQ")  # struct fuse_notify_prune_out: count; the numbers follow


class Pruner:
    """Tells the kernel, through its `device`, which files it may forget.

    Those in use, and directories with a known file below, it keeps; of the others come FORGET messages.
    """

    def __init__(self, device: int) -> None:
        self._device = device
        self._wanted: SimpleQueue[Sequence[int]] = SimpleQueue()
        self._thread: threading.Thread | None = None

    @cached_property
    def works(self) -> bool:
        """Whether the kernel can be told so."""
        try:
            self._tell(())
        except OSError as error:
            _log.debug("the kernel forgets by itself alone: %s", error)
            return False
        return True

    def prune(self, numbers: Sequence[int]) -> None:
        """Tell it to forget these, soon.

        A thread does so: forgetting may wait for the answer to a request, which only the caller's thread can give.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="prune", daemon=True)
            self._thread.start()
        self._wanted.put(numbers)

    def _work(self) -> None:
        while True:
            numbers = self._wanted.get()
            try:
                self._tell(numbers)
            except OSError as error:
                _log.debug("the kernel does not forget %d files: %s", len(numbers), error)

    def _tell(self, numbers: Sequence[int]) -> None:
        body = _PRUNE.pack(len(numbers), 0) + struct.pack(f"={len(numbers)}Q", *numbers)
        os.write(self._device, _HEADER.pack(_HEADER.size + len(body), _NOTIFY_PRUNE, 0) + body)


def give_back() -> None:
    """Give the kernel the memory that is free.

    Python keeps some of the tuples that it has freed, and so whole blocks of memory, until it looks for garbage.
    """
    gc.collect()
    trim_heap()
