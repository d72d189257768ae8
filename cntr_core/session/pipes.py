"""The pipes between the caller's streams and the command's, where no terminal is between them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from ..dataclass import dataclass, field
from ..kernel.syscall import owned
from .command import Stdio


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
        stdin, ends.stdin = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(ends.stdin, False)
        stdout = _output_pipe(ends, 1)
    if not (wants_terminal and os.isatty(2)):
        stderr = _output_pipe(ends, 2)
    ends.child = Stdio(stdin, stdout, stderr)
    return ends


def _output_pipe(ends: Ends, sink: int) -> int:
    read, write = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(read, False)
    ends.outputs.append((read, sink))
    return write


@contextmanager
def reopened(terminal: int) -> Iterator[int]:
    """The same terminal, opened again: non-blocking for us alone, as one that is not read blocks its writers. It is
    `terminal` itself where that cannot be.
    """
    try:
        own = os.open(f"/proc/self/fd/{terminal}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        yield terminal
        return
    with owned(own):
        yield own
