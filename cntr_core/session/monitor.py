"""The monitor: it starts the builder, and then guards the session until it ends.

It stays in the host's PID namespace and cgroup, so that it outlives a paused or dying container; the session has a
mount namespace of its own, by which the monitor recognises every process that belongs to the session.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import os
import signal
import time
from typing import NoReturn

from .. import debugging
from ..kernel import channel, child, process, procfs, pty, syscall
from ..kernel.syscall import owned
from ..timing import timed
from .builder import Above, Task, build

_log = logging.getLogger(__name__)

GRACE = 2.0
"""Seconds that a process may take to disappear after SIGKILL."""

_TITLE = b"cntr: session"


def run_monitor(task: Task) -> NoReturn:
    """Have the root built and the command started by a child, and guard the session. Never returns."""
    code, parent, request = 125, os.getppid(), task.request
    try:
        proc = _prepare(parent)
        told, tell = channel.pair()
        builder = child.fork(lambda: build(task, Above(proc, tell)))
        _log.debug("the builder is process %d", builder)
        process.close_others(
            {0, 1, 2, *debugging.descriptors(), proc, told.fileno(), *((request.caller,) if request else ())}
        )
        built = channel.receive(told)
        code = _guard(builder, proc, built.fds[0] if built and built.fds else None)
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
    forget_caller()
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for number in (0, 1, 2):
        os.dup2(null, number)
    child.die_with(parent)
    return proc


def forget_caller(title: bytes = _TITLE) -> None:
    """Overwrite the caller's arguments, by `title`, and variables, secrets among them, in this process's initial stack.

    ps(1) in the container shows the arguments of the session's processes, and a container that may trace them
    (CAP_SYS_PTRACE without a user namespace) could read the variables.
    """
    os.environ.clear()
    with owned(procfs.open_process("self")) as own:
        fields = procfs.read(own, "stat").rpartition(b")")[2].split()
    # arg_start, arg_end, env_start, env_end: fields 48 to 51 of proc(5), which begin at 3 here (Linux 3.5).
    arguments, arguments_end, environment, environment_end = (int(field) for field in fields[45:49])
    for start, end in ((arguments, arguments_end), (environment, environment_end)):
        ctypes.memset(start, 0, end - start)
    ctypes.memmove(arguments, title, min(len(title), arguments_end - arguments - 1))


def _guard(builder: int, proc: int, session: int | None) -> int:
    """Wait until the builder has ended or SIGTERM tells to end the session; then end what is left of it.

    `session` is its mount namespace, None where it has none of its own. Gives the exit code: the builder's, or 125 when
    somebody killed it.
    """
    status = _status(builder)
    if status is None:
        os.kill(builder, signal.SIGTERM)  # the reaper kills and reaps its descendants, whatever their namespaces
        status = _status_soon(builder)
    _log.debug("the builder has %s", "not ended yet" if status is None else f"ended with {child.exit_code(status)}")
    if session is not None:
        with timed(_log, "end what is left of the session"):
            kill_members(proc, session)
    if status is None and (status := _status_soon(builder)) is None:  # pragma: no cover - a process in state D
        os.kill(builder, signal.SIGKILL)
        return 0
    return 125 if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


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


def kill_members(proc: int, session: int) -> None:
    """Kill every process of the mount namespace `session`, a descriptor, until none is left or GRACE is over.

    `proc` is the host's /proc. Zombies have no namespaces, and do not count.
    """
    deadline = time.monotonic() + GRACE
    while members := _members(proc, session):
        for pid in members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:  # pragma: no cover - a process in state D
            return
        time.sleep(0.005)


def _members(proc: int, session: int) -> list[int]:
    namespace = os.fstat(session)
    members = []
    for name in filter(str.isdecimal, os.listdir(proc)):
        with contextlib.suppress(OSError):
            if os.path.samestat(os.stat(f"{name}/ns/mnt", dir_fd=proc), namespace):
                members.append(int(name))
    return members
