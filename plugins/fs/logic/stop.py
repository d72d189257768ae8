"""Ending a server between two requests, never within one."""

from __future__ import annotations

import signal
import time
from typing import NoReturn

AGAIN = 0.2  # seconds between two signals: one may come right before the server waits, and be noticed after that


class Stop(BaseException):
    """The server shall end. Raised only while it waits for a request."""


class Stopper:
    """Joins a signal handler and a transport, which says when it waits.

    An exception out of a signal handler could otherwise hit a change half done, or a callback of libfuse, where it
    would be lost. A signal that comes right before the system call that waits does not end that call: who wants the end
    sends another one, until it has come (:func:`end_server`).
    """

    __slots__ = ("_waiting", "_wanted")

    def __init__(self) -> None:
        self._waiting = False
        self._wanted = False

    def stop(self, *_: object) -> None:
        """The signal handler."""
        self._wanted = True
        if self._waiting:
            self._waiting = False  # the next signal is not to disturb the end
            raise Stop

    def wait(self) -> None:
        """From now on the server waits.

        :raises Stop: it need not, or (later, until :meth:`work`) it shall not any longer.
        """
        self._waiting = True
        if self._wanted:
            self._waiting = False
            raise Stop

    def work(self) -> None:
        """A request came."""
        self._waiting = False


def end_server(thread: int) -> NoReturn:
    """For another thread of the server's process: have the `thread` that serves stop, which ends the process."""
    while True:
        signal.pthread_kill(thread, signal.SIGTERM)
        time.sleep(AGAIN)
