"""The process that builds the session's root, and then guards the session until it ends.

It stays in the host's PID namespace and cgroup, so that it outlives a paused or dying container; its mount namespace is
the session's, which is how it recognises every process that belongs to the session.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import signal
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from .. import pty
from ..errors import SessionError
from ..kernel import libc, process, procfs
from . import channel
from .command import Command, Terminal, needed, run_command
from .identity import limit, narrow
from .steps import Nest, Step

GRACE = 2.0
"""Seconds that a process may take to disappear after SIGKILL."""

_TITLE = b"cntr: session"


@dataclass(frozen=True, slots=True)
class TerminalRequest:
    """A pty is wanted: the caller's terminal and its attributes, the owner of the new one (host ids), and a master of
    the host's own for a container that has no devpts."""

    caller: int
    fallback: int
    attributes: list[Any]
    owner: tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Above:
    """What the builder has of the nest: the host's /proc, and a socket on which it tells that the root is built."""

    proc: int
    tell: socket.socket


def run_nest(
    nest: Nest,
    steps: Sequence[Step],
    command: Command,
    request: TerminalRequest | None,
    sock: socket.socket,
) -> NoReturn:
    """Have the root built and the command started by a child, and guard the session. Never returns."""
    code, parent = 125, os.getppid()
    try:
        proc = _prepare(parent)
        told, tell = channel.pair()
        builder = os.fork()
        if builder == 0:
            _build(nest, steps, command, request, sock, _Above(proc, tell))
        process.close_others({0, 1, 2, proc, told.fileno(), *((request.caller,) if request else ())})
        built = channel.receive(told)
        code = _guard(builder, proc, built.fds[0] if built and built.fds else None)
    finally:
        if request is not None and os.getppid() != parent:  # killed, and nobody else can do it
            pty.restore(request.caller, request.attributes)
        os._exit(code)


def _build(
    nest: Nest,
    steps: Sequence[Step],
    command: Command,
    request: TerminalRequest | None,
    sock: socket.socket,
    above: _Above,
) -> NoReturn:
    """Build the root, start the reaper, and wait for it as the parent that only the host sees. Never returns."""
    code, guard = 125, os.getppid()
    try:
        _die_with(guard)
        for step in steps:
            _execute(step, nest)
        command = _with_terminal(command, request, sock)
        session = [_own_mounts(above.proc)] if command.adopt else []
        channel.send(above.tell, "built", *session)
        channel.send(sock, "started", *session, *(listener.fileno() for listener in nest.listeners))
        limit(command.identity)
        # The next fork is visible in the container: nothing of the host may be in its reach from its first moment on.
        process.close_others(needed(command, sock))
        narrow(command.identity)
        reaper = os.fork()
        if reaper == 0:
            run_command(command, sock)
        process.close_others({0, 1, 2, sock.fileno()})
        _wait(reaper)
        code = 0
    except BaseException as error:
        channel.send_error(sock, error)
    finally:
        os._exit(code)


def _wait(reaper: int) -> None:
    """Until the reaper has ended; SIGTERM is handed on to it."""
    while _status_of(reaper) is None:
        if signal.sigwait({signal.SIGTERM, signal.SIGCHLD}) == signal.SIGTERM:
            os.kill(reaper, signal.SIGTERM)


def _execute(step: Step, nest: Nest) -> None:
    try:
        step.execute(nest)
    except OSError as error:
        raise SessionError(
            f"cannot {step.describe()} ({channel.describe(error)})",
            "cntr doctor tells what this machine lacks; --debug tells more",
        ) from error


def _prepare(parent: int) -> int:
    """Become inconspicuous: undumpable, without the caller's environment and streams, tied to the parent's life.

    Gives a descriptor of the host's /proc.
    """
    gc.disable()
    libc.preload()
    process.set_name("cntr")
    process.set_dumpable(False)
    signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_SETMASK, {signal.SIGTERM, signal.SIGCHLD, signal.SIGTTOU})
    for ignored in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTSTP, signal.SIGWINCH):
        signal.signal(ignored, signal.SIG_IGN)
    proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    _forget_caller()
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for number in (0, 1, 2):
        os.dup2(null, number)
    _die_with(parent)
    return proc


def _die_with(parent: int) -> None:
    """Get SIGTERM when `parent` ends, and end at once if it has ended."""
    process.set_pdeathsig(signal.SIGTERM)
    if os.getppid() != parent:  # pragma: no cover - a race: the parent was killed just before
        os._exit(125)


def _forget_caller() -> None:
    """Overwrite the caller's arguments and variables, secrets among them, in this process's initial stack.

    ps(1) in the container shows the arguments of the session's processes, and a container that may trace them
    (CAP_SYS_PTRACE without a user namespace) could read the variables.
    """
    os.environ.clear()
    own = procfs.open_process("self")
    try:
        fields = procfs.read(own, "stat").rpartition(b")")[2].split()
    finally:
        os.close(own)
    # arg_start, arg_end, env_start, env_end: fields 48 to 51 of proc(5), which begin at 3 here (Linux 3.5).
    arguments, arguments_end, environment, environment_end = (int(field) for field in fields[45:49])
    for start, end in ((arguments, arguments_end), (environment, environment_end)):
        ctypes.memset(start, 0, end - start)
    ctypes.memmove(arguments, _TITLE, min(len(_TITLE), arguments_end - arguments - 1))


def _with_terminal(command: Command, request: TerminalRequest | None, sock: socket.socket) -> Command:
    if request is None:
        return command
    root = os.open("/", os.O_PATH | os.O_CLOEXEC)
    master = pty.open_master(root)
    if master is None:
        master = request.fallback
    os.close(root)
    pty.copy_window_size(request.caller, master)
    channel.send(sock, "terminal", master)
    return replace(command, terminal=Terminal(master, request.owner, request.attributes))


def _own_mounts(proc: int) -> int:
    """A descriptor of the session's mount namespace, which only a member may open where nobody is root.

    Whoever means to kill its members must hold it: the number of a namespace that is gone is soon given to another.
    """
    return os.open("self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)


def _guard(builder: int, proc: int, session: int | None) -> int:
    """Wait until the builder has ended or SIGTERM tells to end the session; then end what is left of it.

    `session` is its mount namespace, None where it has none of its own. Gives the exit code: the builder's, or 125 when
    somebody killed it.
    """
    status: int | None = None
    # A SIGCHLD may come for a child that has stopped only.
    while status is None and signal.sigwait({signal.SIGTERM, signal.SIGCHLD}) == signal.SIGCHLD:
        status = _status_of(builder)
    if status is None:
        os.kill(builder, signal.SIGTERM)  # the reaper kills and reaps its descendants, whatever their namespaces
        status = _status_soon(builder)
    if session is not None:
        kill_members(proc, session)
    if status is None and (status := _status_soon(builder)) is None:  # pragma: no cover - a process in state D
        os.kill(builder, signal.SIGKILL)
        return 0
    return 125 if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _status_of(child: int) -> int | None:
    """The wait status of a child that has ended; None while it runs."""
    pid, status = os.waitpid(child, os.WNOHANG)
    return status if pid else None


def _status_soon(child: int) -> int | None:
    deadline = time.monotonic() + GRACE
    while (status := _status_of(child)) is None and time.monotonic() < deadline:
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
