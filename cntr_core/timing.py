"""What ``--debug`` tells of a step: what it is, with what, and how long it took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from logging import Logger


@contextmanager
def timed(log: Logger, step: str, *arguments: object) -> Iterator[None]:
    """One debug line when the block is left, in whatever way: `step`, with `arguments` as for :meth:`Logger.debug`, and
    the block's milliseconds."""
    start = time.monotonic()
    try:
        yield
    finally:
        log.debug(f"{step}: %.1f ms", *arguments, 1000 * (time.monotonic() - start))
