"""The guard: it ends a session whose monitor was killed (of ``cntr exec``: whose supervisor), with all others that
could have ended it.

It is no child of any of them, holds nothing of theirs, and does not go by the program's name: what kills all processes
of cntr at once, by their parents or by name, does not find it. It only waits.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Collection
from contextlib import suppress

from ..kernel import child, process
from .title import forget_caller

_NAME = "session-guard"
_DISMISSED = b"."
_LARGEST = 100  # bytes of a message


class Guard:
    """Stands ready to `kill` what there is of a session once the calling process is dead. It keeps the descriptors in
    `needs` for that, and passes on the numbers that it was told last."""

    def __init__(self, kill: Callable[..., None], needs: Collection[int]) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            # No signal is its: the handlers are the calling process's, and so is the terminal at first.
            child.wait(child.fork(lambda: _leave(kill, needs, theirs.fileno()), block_signals=True))

    def tell(self, *numbers: int) -> None:
        """What `kill` needs to know, and nobody knew before."""
        with suppress(ConnectionError):  # somebody killed it
            self._ours.send(b" ".join(b"%d" % number for number in numbers))

    def dismiss(self) -> None:
        """Have it go, and wait until it has gone."""
        with self._ours, suppress(ConnectionError):
            self._ours.send(_DISMISSED)
            self._ours.recv(1)


def _leave(kill: Callable[..., None], needs: Collection[int], sock: int) -> None:
    """Fork once more, so that the guard has no parent that is ours."""
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # who reads what the caller writes waits for its end
        os.dup2(null, stream)
    process.close_others({0, 1, 2, sock, *needs})
    child.fork(lambda: _wait(kill, sock))


def _wait(kill: Callable[..., None], sock: int) -> None:
    os.setsid()
    process.set_name(_NAME)
    forget_caller(_NAME.encode())
    told: list[bytes] = []
    while message := os.read(sock, _LARGEST):
        if message == _DISMISSED:
            return
        told = message.split()
    kill(*map(int, told))  # nobody holds the other end any more
