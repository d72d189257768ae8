"""What ``--debug`` tells: one line a step on stderr, with the process, the milliseconds since the start, the module.

A line is written without importing, opening or looking up anything: who writes it may have entered a container.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress

_FAMILIES = ("cntr", "cntr_core", "cntr_plugins", "cntr_slimmer")
_started = time.monotonic()


class _Lines(logging.Handler):
    """Writes each record to a descriptor that is open already."""

    def __init__(self) -> None:
        super().__init__()
        self.fd = 2
        self.process = "cntr"
        self._end = "\r\n" if os.isatty(2) else "\n"  # a session has its caller's terminal in raw mode

    def emit(self, record: logging.LogRecord) -> None:
        # Neither the time of day nor a traceback: the one reads /etc/localtime, the other the sources.
        past = (time.monotonic() - _started) * 1000
        text = f"{self.process}[{os.getpid()}] +{past:.0f} ms {record.name}: {record.getMessage()}"
        line = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
        with suppress(OSError):
            os.write(self.fd, (f"debug: {line}{self._end}").encode("utf-8", "backslashreplace"))


_lines: _Lines | None = None


def switch_on() -> None:
    """Tell every step from now on, also in the processes that are forked."""
    global _lines
    if _lines is None:
        _lines = _Lines()
        for family in _FAMILIES:
            logging.getLogger(family).addHandler(_lines)
            logging.getLogger(family).setLevel(logging.DEBUG)


def is_on() -> bool:
    """Whether steps are told."""
    return _lines is not None


def call_process(name: str, fd: int | None = None) -> None:
    """Name this process in its lines, and write them to `fd` from now on."""
    if _lines is not None:
        _lines.process = name
        _lines.fd = _lines.fd if fd is None else fd


def descriptors() -> set[int]:
    """What must stay open for the lines."""
    return {_lines.fd} if _lines is not None else set()
