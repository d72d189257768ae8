"""A cleanup process that stays with a run, and meanwhile collects the container's output."""

from __future__ import annotations

import fcntl
import os
import select
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

from cntr_core.runtime import Streams

from .cleanup import DONE, cleanup_process

_CHUNK = 1 << 16
_PAUSE = 0.002
_PATIENCE = 1.0
"""Seconds of silence on pipes that somebody still holds open after the container's end."""


@dataclass(frozen=True, slots=True)
class Output:
    """Paths of the files with what the container wrote: to stdout, to stderr, and to both as it came."""

    stdout: str
    stderr: str
    log: str

    @classmethod
    def below(cls, directory: str) -> Output:
        """The three files in one directory."""
        return cls(*(os.path.join(directory, name) for name in ("stdout", "stderr", "log")))


@contextmanager
def collected_output(output: Output, clean: Callable[[], None], lock: int) -> Iterator[Streams]:
    """The streams for a container; `clean` is called in the collector when this process dies within the block. The
    collector keeps `lock`, the descriptor of the output's directory's lock.

    Leaving the block waits until all output is written; the container must have ended by then. Fork while there is one
    thread.
    """
    stdin = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    out, stdout = os.pipe2(os.O_CLOEXEC)
    err, stderr = os.pipe2(os.O_CLOEXEC)
    with cleanup_process(clean, partial(_copy, output, (out, err)), needs=(out, err, lock), name="cntr-collector"):
        for fd in (out, err):
            os.close(fd)
        try:
            yield Streams(stdin, stdout, stderr)
        finally:
            for fd in (stdin, stdout, stderr):
                os.close(fd)


def await_copied(streams: Streams) -> None:
    """Wait until the collector has taken all that is in the pipes, once nobody writes there any more."""
    deadline = time.monotonic() + _PATIENCE
    while any(_waiting(fd) for fd in (streams.stdout, streams.stderr)) and time.monotonic() < deadline:
        time.sleep(_PAUSE)


def _waiting(pipe: int) -> int:
    """Bytes in the pipe (ioctl FIONREAD, pipe(7))."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def _copy(output: Output, pipes: tuple[int, int], alive: int) -> bool:
    """Write what comes from the pipes until both end, or we are told that all is over; whether we were told."""
    files = {pipe: _opened(path) for pipe, path in zip(pipes, (output.stdout, output.stderr), strict=True)}
    log = _opened(output.log)
    untold = [alive]
    while files or untold:
        ready, _, _ = select.select([*files, *untold], [], [], None if untold else _PATIENCE)
        if not ready:
            break
        for fd in ready:
            data = os.read(fd, _CHUNK)
            if fd == alive:
                if data != DONE:
                    return False
                untold.clear()
            elif data:
                _write(data, files[fd], log)
            else:
                os.close(files.pop(fd))
    return True


def _opened(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def _write(data: bytes, *files: int) -> None:
    for file in files:
        with suppress(OSError):  # a full disk loses output, not the container
            os.write(file, data)
