"""Ctrl-C, SIGTERM and SIGHUP at any moment: the work is done by a child, and its parent ends it.

Python raises KeyboardInterrupt between any two instructions, also between the making of a thing and the note that it
must be removed, and inside of what removes it. So nothing is raised: the child is killed as it stands, the processes
that clean up after a killed one do so (``slimmer/runs/cleanup.py``), and the parent removes what the child had noted.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from typing import NoReturn

from .. import leftovers
from ..kernel.child import exit_code, go_on_in_child
from ..kernel.process import set_child_subreaper, set_pdeathsig

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PATIENCE = 1.6
"""Seconds that processes may clean up after an interrupt before we leave them to it."""
_PATIENCE_AFTER_DEATH = 15.0
"""The same, where nobody interrupts: the engine may have to be waited for."""


def undo_on_signals() -> None:
    """SIGINT, SIGTERM and SIGHUP end the program from now on, whatever it does, and all that it began is undone.

    Returns in a child of the process that called it. Call it while there is one thread, before anything is made. A
    signal that is ignored stays so (nohup(1), a background job).
    """
    ending = {number for number in _ENDING if signal.getsignal(number) != signal.SIG_IGN}
    leftovers.keep_notes()
    parent = os.getpid()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, *ending})
    worker = go_on_in_child()
    if worker:
        _stay_with(worker, ending)
    set_pdeathsig(signal.SIGKILL)
    if os.getppid() != parent:  # pragma: no cover - a race: it was killed just before
        os._exit(125)
    own = os.getpid()
    for number in ending:
        signal.signal(number, lambda number, _: _await_end(number, own, parent))
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _await_end(number: int, worker: int, parent: int) -> NoReturn:
    """In the child: do nothing more, for the parent has got the signal as well, from the terminal or now from us."""
    if os.getpid() != worker:  # a fork of the child, which has no handlers of its own yet
        raise SystemExit(128 + number)
    os.kill(parent, number)
    while True:
        signal.pause()


def _stay_with(worker: int, ending: Collection[int]) -> NoReturn:
    """The parent's life: exits as the child does, or ends it."""
    set_child_subreaper()  # who cleans up after the child is to be waited for
    code = None
    while code is None:
        number = signal.sigwait({signal.SIGCHLD, *ending})
        if number != signal.SIGCHLD:
            os.kill(worker, signal.SIGKILL)
            _clean_up(_PATIENCE)
            os._exit(128 + number)
        code = _reaped(worker)
    if code == 128 + signal.SIGKILL:
        _clean_up(_PATIENCE_AFTER_DEATH)
        sys.stderr.write("cntr: a process of cntr was killed; hint: check whether memory ran out\n")
    os._exit(code)


def _reaped(worker: int) -> int | None:
    """Reap whatever has ended; the exit code of `worker` if it is among that."""
    code = None
    with suppress(ChildProcessError):
        while found := os.waitpid(-1, os.WNOHANG):
            pid, status = found
            if pid == 0:
                break
            if pid == worker:
                code = exit_code(status)
    return code


def _clean_up(patience: float) -> None:
    """Wait for all who clean up, and remove what nobody does; the terminal is as it was."""
    deadline = time.monotonic() + patience
    with suppress(ChildProcessError):
        while (left := deadline - time.monotonic()) > 0:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
            signal.sigtimedwait({signal.SIGCHLD}, left)
    if leftovers.noted():
        from ..images.temporary import remove_noted

        remove_noted()
    if sys.stderr is not None and os.isatty(2):
        os.write(2, b"\r\x1b[K\x1b[?25h")  # the line of progress goes, the cursor comes back
