"""Signals while a container is made: they end the work at once, or wait for the container."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial

from cntr_core import leftovers
from cntr_core.dataclass import dataclass, field
from cntr_core.errors import CntrError
from cntr_core.images.temporary import remove_noted
from cntr_core.kernel.child import ForkedCall, die_with
from cntr_core.kernel.user_namespaces import enter_with_subordinates

from .prepare import ContainerOptions, create
from .remove import discard
from .state import ContainerDirectory, ContainerRecord

_NOTED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class NotedSignals:
    """The signals that `came` so far; `pipe` can be read when there is one more."""

    pipe: int
    came: list[int] = field(default_factory=list)


@contextmanager
def signals_noted() -> Iterator[NotedSignals]:
    """SIGINT, SIGTERM and SIGHUP interrupt nothing within the block, but are noted; one that is ignored stays so."""
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    noted = NotedSignals(reader)
    handled = [number for number in _NOTED if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, lambda number, _: noted.came.append(number)) for number in handled}
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield noted
    except CntrError:
        if noted.came:  # what fails then, fails for that: the runtime may have got the signal, too
            raise SystemExit(128 + noted.came[0]) from None
        raise
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)


def created(directory: ContainerDirectory, options: ContainerOptions, signals: NotedSignals) -> ContainerRecord:
    """As :func:`~.prepare.create`, in a child, which the first signal ends. An ordinary user is then root of a user
    namespace, for good.

    :raises SystemExit: a signal came; nothing of the container is left.
    """
    leftovers.keep_notes()
    making = ForkedCall(lambda: create(directory, options), partial(_settle, os.getpid()))
    with closing(making):
        while not making.finished and not signals.came:
            if making.pipe in select.select([making.pipe, signals.pipe], [], [])[0]:
                making.read()
        if not signals.came:
            record = making.read_all()
    if signals.came:
        discard(directory, None)
        remove_noted()
        raise SystemExit(128 + signals.came[0])
    if os.geteuid() != 0:
        enter_with_subordinates()
    return record


def _settle(parent: int) -> None:
    for number in _NOTED:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    die_with(parent, signal.SIGKILL)
