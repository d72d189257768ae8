"""The pipes between the caller's streams and the command's, where no terminal is between them."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress

from ..dataclass import dataclass, field
from ..kernel.syscall import owned
from .command import Stdio

_WITHOUT_BLOCKING = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NULL = os.makedev(1, 3)  # Linux: Documentation/admin-guide/devices.txt
_ROOM = 1 << 18
"""Bytes that a pipe of the command's holds: with the usual 64 KiB, two processes wake each other up too often."""


@dataclass(slots=True)
class Ends:
    """Both ends of the command's streams: `child` for the command, the others for us. `stdin` is -1 for the terminal;
    `outputs` has what is to be read, and where it goes."""

    child: Stdio
    stdin: int = -1
    outputs: list[tuple[int, int]] = field(default_factory=list)

    def close_ours(self) -> None:
        """In the command's process."""
        for fd in (self.stdin, *(read for read, _ in self.outputs)):
            if fd >= 0:
                os.close(fd)

    def close_the_childs(self) -> None:
        """In the caller's process."""
        for fd in (self.child.stdin, self.child.stdout, self.child.stderr):
            if fd is not None:
                os.close(fd)


def make_streams(wants_terminal: bool) -> Ends:
    """A pipe for each of 0, 1 and 2 that is not the terminal's; ours never block."""
    stdin: int | None = None
    stdout: int | None = None
    stderr: int | None = None
    ends = Ends(Stdio(None, None, None))
    if not wants_terminal:
        stdin, ends.stdin = _roomy_pipe()
        os.set_blocking(ends.stdin, False)
        stdout = _output_pipe(ends, 1)
    if not (wants_terminal and os.isatty(2)):
        stderr = _output_pipe(ends, 2)
    ends.child = Stdio(stdin, stdout, stderr)
    return ends


def _output_pipe(ends: Ends, sink: int) -> int:
    read, write = _roomy_pipe()
    os.set_blocking(read, False)
    ends.outputs.append((read, sink))
    return write


def _roomy_pipe() -> tuple[int, int]:
    read, write = os.pipe2(os.O_CLOEXEC)
    with suppress(OSError):  # a user has so much for pipes (pipe-user-pages-soft in pipe(7))
        fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, _ROOM)
    return read, write


def reopened(sink: int) -> AbstractContextManager[int]:
    """The same terminal, pipe or ``/dev/null``, opened again, as one that is not read blocks its writers. It is `sink`
    itself where that cannot be, and for files, whose offset belongs to the open file.
    """
    return opened_again(sink, os.O_WRONLY) if _is_writable(sink) and _has_no_offset(sink) else nullcontext(sink)


@contextmanager
def opened_again(fd: int, mode: int) -> Iterator[int]:
    """The file of `fd`, opened again in a `mode` of open(2): non-blocking for us alone. It is `fd` itself where that
    cannot be."""
    try:
        own = os.open(f"/proc/self/fd/{fd}", mode | _WITHOUT_BLOCKING)
    except OSError:  # nobody reads, or it is another user's
        yield fd
        return
    with owned(own):
        yield own


def _is_writable(fd: int) -> bool:
    return fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY


def _has_no_offset(fd: int) -> bool:
    status = os.fstat(fd)
    return stat.S_ISFIFO(status.st_mode) or status.st_rdev == _NULL or os.isatty(fd)
