"""The gate: the command waits there, right before its program, until somebody stands ready to end what it starts."""

from __future__ import annotations

import os
from contextlib import suppress

from ..errors import SessionError


class Gate:
    """A pipe. `entrance` is for the command; the other end for who opens it, and where all of those have died nobody
    gets through."""

    def __init__(self) -> None:
        self.entrance, self.key = os.pipe2(os.O_CLOEXEC)

    def open(self) -> None:
        """Let the command go on; it may have ended."""
        with suppress(BrokenPipeError):
            os.write(self.key, b".")

    def close(self) -> None:
        """Be done with it."""
        os.close(self.entrance)
        os.close(self.key)


def wait_at(entrance: int) -> None:
    """Wait until the gate is opened.

    :raises SessionError: nobody is left to do so.
    """
    if not os.read(entrance, 1):
        raise SessionError("a process of the session was killed", "run again with --debug")
