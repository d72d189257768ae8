"""The builder: it enters the container's namespaces, builds the session's root, and starts the reaper.

It then waits as the reaper's parent, which only the host sees.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import termios
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn

from .. import debugging
from ..dataclass import dataclass, replace
from ..errors import SessionError
from ..kernel import channel, child, paths, process, pty
from ..kernel.syscall import owned
from ..timing import timed
from .command import Command, needed
from .container_filter import BY_FILTER, killed, refusals_told
from .gate import Gate
from .identity import filter_before_fork, narrow, raise_limits
from .reaper import run_reaper
from .steps import MountContext, Step

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TerminalRequest:
    """A pty is wanted: the caller's terminal and its attributes, the owner of the new one (host ids), and a master of
    the host's own for a container that has no devpts."""

    caller: int
    fallback: int
    attributes: list[Any]
    owner: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Task:
    """What a session's processes are for; `sock` leads to the supervisor. The command waits at the gate."""

    context: MountContext
    steps: Sequence[Step]
    command: Command
    request: TerminalRequest | None
    sock: socket.socket
    gate: Gate


@dataclass(frozen=True, slots=True)
class Above:
    """What the builder has of the monitor: the host's /proc, and a socket on which it tells that the root is built."""

    proc: int
    tell: socket.socket


def build(task: Task, above: Above) -> NoReturn:
    """Build the root, start the reaper, and wait for it as the parent that only the host sees. Never returns."""
    code, guard = 125, os.getppid()
    try:
        debugging.call_process("builder")
        child.die_with(guard)
        for step in task.steps:
            _execute(step, task.context)
        command = _with_terminal(task.command, task.request, task.sock)
        command = replace(command, is_there=_enter(command.cwd))
        session = [_own_mounts(above.proc)] if command.adopt else []
        channel.send(above.tell, "built", *session)
        channel.send(task.sock, "started", *session, *(listener.fileno() for listener in task.context.listeners))
        with refusals_told(command.identity.filter):
            _wait(_start_reaper(command, task.sock))
        code = 0
    except BaseException as error:
        channel.send_error(task.sock, error)
    finally:
        os._exit(code)


def _start_reaper(command: Command, sock: socket.socket) -> int:
    """Its PID. That fork is visible in the container: nothing of the host may be in its reach from the first moment."""
    raise_limits(command.identity)
    process.close_others(needed(command, sock))
    process.close_on_exec_from(3)
    filter_before_fork(command.identity)
    _try_to_wait()
    narrow(command.identity)
    reaper = child.fork(lambda: run_reaper(command, sock))
    _log.debug("the reaper is process %d", reaper)
    process.close_others({0, 1, 2, *debugging.descriptors(), sock.fileno()})
    return reaper


def _try_to_wait() -> None:
    """Fail before the command begins, and not while it runs, where the filter refuses what it takes to wait for it.

    :raises OSError: it is so.
    """
    signal.sigtimedwait((), 0)
    select.poll().poll(0)
    with suppress(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def _wait(reaper: int) -> None:
    """Until the reaper has ended; SIGTERM is handed on to it.

    :raises SessionError: the container's filter killed it.
    """
    while (status := child.ended(reaper)) is None:
        if signal.sigwait({signal.SIGTERM, signal.SIGCHLD}) == signal.SIGTERM:
            os.kill(reaper, signal.SIGTERM)
    if child.exit_code(status) == BY_FILTER:
        raise killed(BY_FILTER)


def _execute(step: Step, context: MountContext) -> None:
    try:
        with timed(_log, "%s", step.describe()):
            step.execute(context)
    except OSError as error:
        raise SessionError(
            f"cannot {step.describe()} ({channel.describe(error)})",
            "run cntr doctor to see what this machine lacks, or again with --debug",
        ) from error


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
    # Opened here, since a narrow filter would refuse fchown(2) and fchmod(2) to the command's process.
    slave = pty.open_slave(master, request.owner)
    termios.tcsetattr(slave, termios.TCSANOW, request.attributes)
    return replace(command, terminal=slave)


def _enter(path: bytes) -> bool:
    """Go to the command's working directory, which its user may not be allowed to enter, as runc does; whether it could
    be done.

    The links of /proc are left to the command: here they could lead to what this process has open (CVE-2024-21626).
    """
    try:
        with (
            owned(os.open("/", os.O_PATH | os.O_CLOEXEC)) as root,
            owned(paths.open_in_root(root, path, os.O_PATH | os.O_DIRECTORY)) as directory,
        ):
            os.fchdir(directory)
    except OSError:
        return False
    return True


def _own_mounts(proc: int) -> int:
    """A descriptor of the session's mount namespace, which only a member may open where nobody is root.

    Whoever means to kill its members must hold it: the number of a namespace that is gone is soon given to another.
    """
    return os.open("self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
