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
from .command import Command, Terminal, run_command
from .steps import Nest, Step

GRACE = 2.0
"""Seconds that a process may take to disappear after SIGKILL."""

_TITLE = b"cntr: session"


@dataclass(frozen=True, slots=True)
class TerminalRequest:
    """A pty is wanted: the caller's terminal, its size and attributes, and the owner of the new one (host ids)."""

    caller: int
    attributes: list[Any]
    owner: tuple[int, int]


def run_nest(
    nest: Nest,
    steps: Sequence[Step],
    command: Command,
    request: TerminalRequest | None,
    sock: socket.socket,
) -> NoReturn:
    """Build the root, start the command, guard the session. Never returns."""
    code, parent = 125, os.getppid()
    try:
        proc = _prepare(parent)
        for step in steps:
            _execute(step, nest)
        command = _with_terminal(command, request, sock)
        listeners = [listener.fileno() for listener in nest.listeners]
        reaper = os.fork()
        if reaper == 0:
            run_command(command, sock)
        channel.send(sock, "started", *listeners)
        _release(nest, command)
        _guard(reaper, proc, adopt=command.adopt)
        code = 0
    except BaseException as error:
        channel.send_error(sock, error)
    finally:
        if request is not None and os.getppid() != parent:  # killed, and nobody else can do it
            pty.restore(request.caller, request.attributes)
        os._exit(code)


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
    process.set_pdeathsig(signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(125)
    return proc


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
    os.close(root)
    pty.copy_window_size(request.caller, master)
    channel.send(sock, "terminal", master)
    return replace(command, terminal=Terminal(master, request.owner, request.attributes))


def _release(nest: Nest, command: Command) -> None:
    """Close what only the command and the parent need, so that they see each other's end."""
    stdio = command.stdio
    fds = [stdio.stdin, stdio.stdout, stdio.stderr, command.terminal.master if command.terminal else None]
    for fd in (fd for fd in fds if fd is not None):
        os.close(fd)
    for listener in nest.listeners:
        listener.close()


def _guard(reaper: int, proc: int, *, adopt: bool) -> None:
    """Wait until the reaper has ended or SIGTERM tells to end the session; then end what is left of it."""
    session = os.readlink("self/ns/mnt", dir_fd=proc)
    ended = False
    # A SIGCHLD may be an old one, of a helper that has long been waited for.
    while not ended and signal.sigwait({signal.SIGTERM, signal.SIGCHLD}) == signal.SIGCHLD:
        ended = _has_ended(reaper)
    if adopt:
        kill_members(proc, session, spared={os.getpid(), reaper})
    elif not ended:
        os.kill(reaper, signal.SIGTERM)
    if not ended:
        _await_end(reaper)
    if adopt:
        kill_members(proc, session, spared={os.getpid()})


def _has_ended(child: int) -> bool:
    return os.waitpid(child, os.WNOHANG) != (0, 0)


def _await_end(reaper: int) -> None:
    """The reaper ends when it has no children; one that does not is killed."""
    deadline = time.monotonic() + GRACE
    while not _has_ended(reaper):
        if time.monotonic() > deadline:
            os.kill(reaper, signal.SIGKILL)
            os.waitpid(reaper, 0)
            return
        time.sleep(0.005)


def kill_members(proc: int, session: str, spared: set[int]) -> None:
    """Kill every process whose mount namespace is `session` (``mnt:[…]``), until none is left or GRACE is over.

    `proc` is the host's /proc. Zombies have no namespaces, and do not count.
    """
    deadline = time.monotonic() + GRACE
    while members := _members(proc, session) - spared:
        for pid in members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            return
        time.sleep(0.005)


def _members(proc: int, session: str) -> set[int]:
    members = set()
    for name in os.listdir(proc):
        if name.isdecimal():
            with contextlib.suppress(OSError):
                if os.readlink(f"{name}/ns/mnt", dir_fd=proc) == session:
                    members.add(int(name))
    return members
