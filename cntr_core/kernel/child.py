"""Getting one descriptor from another namespace: a child goes there, opens it, and hands it over."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from . import channel, process, syscall


def open_in_child(make: Callable[[], int]) -> int:
    """What `make` opens in a forked child, as a descriptor of the caller's.

    The caller must have one thread. The child is not dumpable, and imports nothing once it is elsewhere.

    :raises CntrError: `make` failed.
    """
    ours, theirs = channel.pair()
    child = os.fork()
    if child == 0:
        try:
            syscall.preload()
            process.set_dumpable(False)
            channel.send(theirs, "opened", make())
        except BaseException as error:  # pragma: no cover - what the kernel refuses here, it would have refused before
            channel.send_error(theirs, error)
        finally:
            os._exit(0)
    theirs.close()
    with ours:
        message = channel.receive(ours)
    os.waitpid(child, 0)
    if message is None or message.event == "error":  # pragma: no cover - as above
        raise channel.error_of(message or channel.Message("error", {"message": "a helper process died"}))
    return message.fds[0]


def die_with(parent: int) -> None:
    """Get SIGTERM when `parent` ends, and end at once if it has ended."""
    process.set_pdeathsig(signal.SIGTERM)
    if os.getppid() != parent:  # pragma: no cover - a race: the parent was killed just before
        os._exit(125)


def ended(pid: int) -> int | None:
    """The wait status of a child that has ended; None while it runs."""
    found, status = os.waitpid(pid, os.WNOHANG)
    return status if found else None
