"""Signals to the supervisor arrive as bytes in a pipe, so that they are handled between two turns of its loop."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from .relay import Loop


@contextmanager
def signals_heard(loop: Loop, wanted: Iterable[signal.Signals], on_signal: Callable[[int], None]) -> Iterator[None]:
    """Within the block `loop` calls `on_signal` for each signal of `wanted`."""
    read, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    # What the caller ignores stays ignored: nohup(1), and jobs that a shell starts in the background.
    heard = [number for number in wanted if signal.getsignal(number) is not signal.SIG_IGN]
    before = signal.set_wakeup_fd(write)  # first: what comes meanwhile would be lost
    previous = {number: signal.signal(number, lambda *_: None) for number in heard}

    def on_bytes() -> None:
        for number in os.read(read, 512):
            on_signal(number)

    loop.watched[read] = on_bytes
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        for number, handler in previous.items():
            signal.signal(number, handler)
        os.close(read)
        os.close(write)
