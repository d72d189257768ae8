"""The monitor: it starts the builder, and then guards the session until it ends.

It stays in the host's PID namespace and cgroup, so that it outlives a paused or dying container; the session has a
mount namespace of its own, by which the monitor recognises every process that belongs to the session.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import time
from functools import partial
from typing import NoReturn

from .. import debugging
from ..kernel import channel, child, process, pty, syscall
from ..timing import timed
from .builder import Above, Task, build
from .container_filter import BY_FILTER
from .guard import Guard
from .members import GRACE, kill_members, thaw_members
from .title import forget_caller

_log = logging.getLogger(__name__)


def run_monitor(task: Task) -> NoReturn:
    """Have the root built and the command started by a child, and guard the session. Never returns."""
    code, parent, request = 125, os.getppid(), task.request
    try:
        proc = _prepare(parent)
        told, tell = channel.pair()
        builder = child.fork(lambda: build(task, Above(proc, tell)))
        _log.debug("the builder is process %d", builder)
        kept = {0, 1, 2, *debugging.descriptors(), proc, told.fileno(), task.gate.key}
        process.close_others(kept | ({request.caller} if request else set()))
        built = channel.receive(told)
        session = built.fds[0] if built and built.fds else None
        guard = None if session is None else Guard(partial(kill_members, proc, session), (proc, session))
        if guard is not None:
            task.gate.open()
        code = _guard(builder, proc, session)
        if guard is not None:
            guard.dismiss()
    finally:
        if request is not None and os.getppid() != parent:  # killed, and nobody else can do it
            pty.restore(request.caller, request.attributes)
        os._exit(code)


def _prepare(parent: int) -> int:
    """Become inconspicuous: undumpable, without the caller's environment and streams, tied to the parent's life.

    Gives a descriptor of the host's /proc.
    """
    gc.disable()
    syscall.preload()
    process.set_name("cntr")
    process.set_dumpable(False)
    signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_SETMASK, {signal.SIGTERM, signal.SIGCHLD, signal.SIGTTOU})
    for ignored in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTSTP, signal.SIGWINCH):
        signal.signal(ignored, signal.SIG_IGN)
    proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    forget_caller(b"cntr: session")
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for number in (0, 1, 2):
        os.dup2(null, number)
    child.die_with(parent)
    return proc


def _guard(builder: int, proc: int, session: int | None) -> int:
    """Wait until the builder has ended or SIGTERM tells to end the session; then end what is left of it.

    `session` is its mount namespace, None where it has none of its own. Gives the exit code: the builder's, or 125 when
    somebody killed it, or what tells that the container's filter did.
    """
    status = _status(builder)
    if status is None:
        if session is not None:
            thaw_members(proc, session)
        os.kill(builder, signal.SIGTERM)  # the reaper kills and reaps its descendants, whatever their namespaces
        status = _status_soon(builder)
    _log.debug("the builder has %s", "not ended yet" if status is None else f"ended with {child.exit_code(status)}")
    if session is not None:
        with timed(_log, "end what is left of the session"):
            kill_members(proc, session)
    if status is None and (status := _status_soon(builder)) is None:  # pragma: no cover - a process in state D
        os.kill(builder, signal.SIGKILL)
        return 0
    return code if (code := child.exit_code(status)) <= 128 or code == BY_FILTER else 125


def _status(builder: int) -> int | None:
    """How the builder has ended; None when SIGTERM came before."""
    status: int | None = None
    # A SIGCHLD may come for a child that has stopped only.
    while status is None and signal.sigwait({signal.SIGTERM, signal.SIGCHLD}) == signal.SIGCHLD:
        status = child.ended(builder)
    return status


def _status_soon(pid: int) -> int | None:
    deadline = time.monotonic() + GRACE
    while (status := child.ended(pid)) is None and time.monotonic() < deadline:
        time.sleep(0.005)
    return status
