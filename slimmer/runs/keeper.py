"""A process that stays with a run: it keeps the container's output, and ends everything should we die.

Our own death leaves nobody who could: SIGKILL runs no handler. So the keeper holds a pipe whose other end only we have.
"""

from __future__ import annotations

import os
import select
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import NoReturn

from cntr_core.kernel.process import close_others, set_name
from cntr_core.runtime import Streams

_DONE = b"d"
_CHUNK = 1 << 16
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
def kept(output: Output, clean: Callable[[], None]) -> Iterator[Streams]:
    """The streams for a container; `clean` is called in the keeper when this process dies within the block.

    Leaving the block waits until all output is written; the container must have ended by then. Fork while there is one
    thread.
    """
    stdin = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    out, stdout = os.pipe2(os.O_CLOEXEC)
    err, stderr = os.pipe2(os.O_CLOEXEC)
    alive, ours = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        _keep(output, (out, err), alive, clean)
    for fd in (out, err, alive):
        os.close(fd)
    streams = Streams(stdin, stdout, stderr)
    try:
        yield streams
    finally:
        for fd in (stdin, stdout, stderr):
            os.close(fd)
        os.write(ours, _DONE)
        os.close(ours)
        os.waitpid(pid, 0)


def _keep(output: Output, pipes: tuple[int, int], alive: int, clean: Callable[[], None]) -> NoReturn:
    """The keeper's life."""
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        set_name("cntr-keeper")
        close_others({0, 1, 2, *pipes, alive})
        if not _copy(output, pipes, alive):
            clean()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def _copy(output: Output, pipes: tuple[int, int], alive: int) -> bool:
    """Write what comes from the pipes until both end, or we are told that all is over; whether we were told."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    files = {
        pipe: os.open(path, flags, 0o600) for pipe, path in zip(pipes, (output.stdout, output.stderr), strict=True)
    }
    log = os.open(output.log, flags, 0o600)
    told = False
    while files or not told:
        waiting = [*files, *(() if told else (alive,))]
        ready, _, _ = select.select(waiting, [], [], _PATIENCE if told else None)
        if not ready:
            break
        for fd in ready:
            data = os.read(fd, _CHUNK)
            if fd == alive:
                told = data == _DONE
                if not told:
                    return False
            elif data:
                for file in (files[fd], log):
                    with suppress(OSError):  # a full disk loses output, not the container
                        os.write(file, data)
            else:
                os.close(files.pop(fd))
    return True
