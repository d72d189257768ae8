"""Overlays that follow what others change in their layers.

Overlayfs asks a layer for a name once, and believes the answer as long as it keeps it (Documentation/filesystems/
overlayfs.rst, "Changes to underlying filesystems"). To reconfigure a filesystem, which changes nothing here, makes the
kernel forget all names of it that nobody uses (shrink_dcache_sb in reconfigure_super, fs/super.c): so it asks again. A
process does that when fanotify(7) tells that names in a layer's filesystem were made, renamed or removed; of a layer
where it cannot, each second.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from cntr_core import debugging
from cntr_core.filesystem import Watched
from cntr_core.kernel import fanotify
from cntr_core.kernel.child import fork
from cntr_core.kernel.mounts import fsconfig_reconfigure, fsconfig_set_flag, fspick
from cntr_core.kernel.process import pidfd_open, set_name
from cntr_core.kernel.syscall import owned

from .beside import leave_parent, reap
from .logic.watch import NAMES, Watch

_log = logging.getLogger(__name__)

_PAUSE = 0.005  # seconds between two looks at the queue
_AGAIN = 0.5  # seconds until it is done once more: somebody may have used a name just then
_EACH_TIME = 1.0  # seconds, where nobody tells
_REST = 4  # times as long as it has worked
_BYTES = 1 << 16


@contextmanager
def following(overlay: int, layers: Sequence[int]) -> Iterator[None]:
    """Have the read-only overlay of this mount follow changes of its layers' names, for as long as the block lasts."""
    with owned(pidfd_open(os.getpid())) as parent:
        pid = fork(lambda: _process(overlay, layers, parent), block_signals=True)
    with owned(pidfd_open(pid)) as pidfd:
        try:
            yield
        finally:
            signal.pidfd_send_signal(pidfd, signal.SIGTERM)
            reap(pid, pidfd)


def _process(overlay: int, layers: Sequence[int], parent: int) -> None:
    """The process's life: until it is ended, or its parent has."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    leave_parent([overlay, parent, *layers])
    set_name("cntr-fs-follow")
    debugging.call_process("fs")
    try:
        _follow(overlay, layers, parent)
    except OSError as error:
        _log.debug("the overlay follows no changes of its layers any longer: %s", error)


def _follow(overlay: int, layers: Sequence[int], parent: int) -> None:
    watch = Watch.start(NAMES | fanotify.FAN_ONDIR)
    watched = [watch.add(layer, b".") for layer in layers] if watch is not None else [Watched.NOT]
    context = fspick(overlay)
    poll = select.poll()
    poll.register(parent, select.POLLIN)
    if watch is not None:
        poll.register(watch.group, select.POLLIN)
    pause = None if min(watched) is Watched.WHOLLY else 1000 * _EACH_TIME
    again = False
    while parent not in (ready := dict(poll.poll(1000 * _AGAIN if again else pause))):
        began = time.thread_time()
        if watch is not None and watch.group in ready:
            _empty(watch.group)
        _forget_names(context)
        again = bool(ready)
        time.sleep(max(_PAUSE, _REST * (time.thread_time() - began)))


def _empty(group: int) -> None:
    """Which names have changed is no matter, nor how many."""
    with suppress(BlockingIOError):
        while os.read(group, _BYTES):
            pass


def _forget_names(context: int) -> None:
    """Read-only it is, and has to stay."""
    fsconfig_set_flag(context, "ro")
    fsconfig_reconfigure(context)
