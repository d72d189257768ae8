"""The terminal of a container: its runtime opens one inside, and hands the other side over by a socket
(runc's docs/terminals.md).
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator

from cntr_core.errors import EngineError
from cntr_core.kernel import pty
from cntr_core.kernel.syscall import owned
from cntr_core.session.relay import Loop, Stream

NAME = "console"
"""The socket, in the container's directory."""


class ConsoleSocket:
    """What the runtime sends the terminal to."""

    def __init__(self, directory: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        with owned(os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)) as where:
            self._path = f"{directory}/{NAME}"
            self._socket.bind(f"/proc/self/fd/{where}/{NAME}")  # a path of any length
        self._socket.listen(1)
        self._socket.setblocking(False)

    def master(self) -> int:
        """Our side of the terminal, which does not block, once the container was created; it has the size of ours, if
        we have one, before a program can ask for it.

        :raises EngineError: the runtime sent none.
        """
        try:
            with self._socket.accept()[0] as connection:
                descriptors = socket.recv_fds(connection, 4096, 1)[1]
            os.set_blocking(descriptors[0], False)
            pty.copy_window_size(1, descriptors[0])
            return descriptors[0]
        except (OSError, IndexError):
            raise EngineError("the OCI runtime gave the container no terminal", "leave -t out") from None

    def close(self) -> None:
        """Remove it."""
        self._socket.close()
        with contextlib.suppress(OSError):
            os.unlink(self._path)


def carried(loop: Loop, master: int, sink: int) -> None:
    """Let `loop` carry what the container writes to its terminal `master` to `sink`."""
    loop.streams.append(Stream(master, sink, lambda: os.close(master)))


@contextlib.contextmanager
def connected(loop: Loop, master: int, *, interactive: bool) -> Iterator[None]:
    """The container's terminal `master` at our streams: keys (`interactive`), output, and the size of the window."""
    size = os.dup(master)
    with owned(size), contextlib.ExitStack() as stack:
        carried(loop, master, 1)
        if interactive:
            keys = os.dup(master)
            stack.callback(os.close, keys)
            loop.streams.append(Stream(0, keys, lambda: None))
            stack.enter_context(pty.raw_mode(0))
        stack.enter_context(_resizing(size))
        yield


@contextlib.contextmanager
def _resizing(master: int) -> Iterator[None]:
    def resize(*_: object) -> None:
        pty.copy_window_size(1, master)

    resize()
    before = signal.signal(signal.SIGWINCH, resize)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
