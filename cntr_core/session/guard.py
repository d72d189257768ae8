"""The guard: it ends a session whose monitor was killed, with all others that could have ended it.

It is no child of any of them, holds nothing of theirs, and does not go by the program's name: what kills all processes
of cntr at once, by their parents or by name, does not find it. It only waits.
"""

from __future__ import annotations

import os
import socket

from ..kernel import child, process
from .members import kill_members
from .title import forget_caller

_NAME = "session-guard"


class Guard:
    """Stands ready to kill the members of the mount namespace `session`, a descriptor, once the calling process is
    dead. `proc` is the host's /proc."""

    def __init__(self, proc: int, session: int) -> None:
        self._ours, theirs = socket.socketpair()
        with theirs:
            child.wait(child.fork(lambda: _leave(proc, session, theirs.fileno())))

    def dismiss(self) -> None:
        """Have it go, and wait until it has gone."""
        with self._ours:
            self._ours.send(b".")
            self._ours.recv(1)


def _leave(proc: int, session: int, sock: int) -> None:
    """Fork once more, so that the guard has no parent that is ours."""
    process.close_others({0, 1, 2, proc, session, sock})
    child.fork(lambda: _wait(proc, session, sock))


def _wait(proc: int, session: int, sock: int) -> None:
    os.setsid()
    process.set_name(_NAME)
    forget_caller(_NAME.encode())
    if not os.read(sock, 1):  # nobody holds the other end any more
        kill_members(proc, session)
