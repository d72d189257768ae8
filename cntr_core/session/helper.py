"""Getting one descriptor from another namespace: a child goes there, opens it, and hands it over."""

from __future__ import annotations

import os
from collections.abc import Callable

from ..kernel import libc, process
from . import channel


def open_in_child(make: Callable[[], int]) -> int:
    """What `make` opens in a forked child, as a descriptor of the caller's.

    The caller must have one thread. The child is not dumpable, and imports nothing once it is elsewhere.

    :raises CntrError: `make` failed.
    """
    ours, theirs = channel.pair()
    child = os.fork()
    if child == 0:
        try:
            libc.preload()
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
