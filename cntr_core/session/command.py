"""The command: what is executed, and the last steps of its process before it.

That process is visible in the container, so it is not dumpable, and has the target's identity and no more.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import signal
import socket
from collections.abc import Sequence
from typing import NoReturn

from .. import debugging
from ..dataclass import dataclass
from ..errors import CommandNotExecutable, CommandNotFound, SessionError
from ..kernel import channel, mounts, process, pty
from ..timing import timed
from .container_filter import refusals_told
from .environment import DEFAULT_PATH
from .gate import wait_at
from .identity import Identity, assume, limit

_log = logging.getLogger(__name__)

FALLBACK_SHELL = b"/bin/sh"


@dataclass(frozen=True, slots=True)
class Stdio:
    """The command's standard streams: descriptors, None for the terminal."""

    stdin: int | None = None
    stdout: int | None = None
    stderr: int | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """What is executed. Several `programs` are tried in turn: shells, when the user named none."""

    programs: Sequence[tuple[bytes, ...]]
    environment: dict[bytes, bytes]
    cwd: bytes
    identity: Identity
    cgroup_procs: tuple[int, ...]
    adopt: bool
    """Whether orphans of the command belong to the session, and end with it."""
    is_there: bool = False
    """Whether the process is in `cwd` already."""
    gate: int | None = None
    """Where to wait before the program (gate.py)."""
    stdio: Stdio = Stdio()
    terminal: int | None = None
    """The terminal side of the session's pty."""


def needed(command: Command, sock: socket.socket) -> set[int]:
    """The descriptors that are used before the command executes."""
    stdio = command.stdio
    optional = (
        stdio.stdin,
        stdio.stdout,
        stdio.stderr,
        command.terminal,
        command.identity.user_namespace,
        command.gate,
    )
    return {
        0,
        1,
        2,
        *debugging.descriptors(),
        sock.fileno(),
        *command.cgroup_procs,
        *(fd for fd in optional if fd is not None),
    }


def own_proc() -> int | None:
    """``/proc/self`` of this process in the container's /proc; None where there is none, or it is no procfs."""
    with contextlib.suppress(OSError):
        fd = os.open("/proc/self", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        if mounts.statfs_type(fd) == mounts.PROC_SUPER_MAGIC:
            return fd
        os.close(fd)  # pragma: no cover - a container that mounts something else there
    return None


def become(command: Command, sock: socket.socket) -> NoReturn:
    """Turn the calling process into the command; an error goes to `sock`."""
    code = 125
    try:
        debugging.call_process("command")
        with refusals_told(command.identity.filter):
            _settle(command, sock)
        limit(command.identity)  # last: too few descriptors, or too little memory, would be ours to suffer
        execute(command.programs, command.environment)
    except (CommandNotFound, CommandNotExecutable) as error:
        code = error.exit_code
        channel.send_error(sock, error)
    except BaseException as error:
        channel.send_error(sock, error)
    finally:
        os._exit(code)


def _settle(command: Command, sock: socket.socket) -> None:
    """Everything that execve(2) leaves as it is."""
    os.setsid()
    _connect(command)
    if command.terminal is not None:
        channel.send(sock, "controlled")
    for fd in command.cgroup_procs:
        os.write(fd, b"0")  # the writer itself (cgroups(7)); checked against whoever opened the file
    with timed(_log, "%s", command.identity.describe()):
        assume(command.identity, own_proc())
    process.set_pdeathsig(signal.SIGKILL)
    if not command.is_there:
        _change_directory(command.cwd)
    if command.gate is not None:
        wait_at(command.gate)  # signals are blocked meanwhile, and the program's
    _reset_signals()


def _connect(command: Command) -> None:
    """Put the streams at 0, 1 and 2; a terminal becomes the controlling one."""
    terminal, stdio = command.terminal, command.stdio
    if terminal is not None:
        pty.make_controlling(terminal)
    for number, fd in enumerate((stdio.stdin, stdio.stdout, stdio.stderr)):
        if (source := terminal if fd is None else fd) is not None:
            os.dup2(source, number, inheritable=True)


def _change_directory(path: bytes) -> None:
    try:
        os.chdir(path)
    except OSError as error:
        raise SessionError(
            f"the working directory {path.decode(errors='backslashreplace')} cannot be entered: {error.strerror}",
            "choose another with --cwd",
        ) from None


def _reset_signals() -> None:
    """Every signal at its default and unblocked: Python ignores SIGPIPE, and ignored signals survive execve(2)."""
    signal.set_wakeup_fd(-1)
    for number in range(1, signal.NSIG):
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def execute(programs: Sequence[tuple[bytes, ...]], environment: dict[bytes, bytes]) -> NoReturn:
    """execve(2) the first of `programs` that exists, looked up in PATH as execvp(3) does.

    :raises CommandNotFound: none exists.
    :raises CommandNotExecutable: one exists, or may exist where this user may not look, and cannot be executed.
    """
    refusals = [
        _execute(path, arguments, environment)
        for arguments in programs
        for path in _candidates(arguments[0], environment.get(b"PATH", DEFAULT_PATH))
    ]
    for refusal in refusals:
        if os.path.lexists(refusal.filename) or (b"/" in programs[0][0] and refusal.errno not in _ABSENT):
            raise _not_executable(refusal)
    raise _not_found(programs[0][0], [refusal.filename for refusal in refusals if refusal.errno not in _ABSENT])


_ABSENT = (errno.ENOENT, errno.ENOTDIR)


def _not_executable(refusal: OSError) -> CommandNotExecutable:
    path, reason = refusal.filename.decode(errors="backslashreplace"), str(refusal.strerror).lower()
    if os.path.isdir(refusal.filename):
        return CommandNotExecutable(f"cannot execute {path}: it is a directory", "give a program")
    hint = "check its mode and type, and the modes of the directories above it"
    return CommandNotExecutable(f"cannot execute {path}: {reason}", hint)


def _not_found(program: bytes, closed: list[bytes]) -> CommandNotFound:
    """`closed` are the paths below directories of PATH that this user may not search."""
    name = program.decode(errors="backslashreplace")
    if b"/" in program:
        hint = "check the path: with cntr attach, the container's files are in /var/lib/cntr"
        return CommandNotFound(f"command not found: {name}", hint)
    if not closed:
        hint = "it is looked for in the session's PATH; cntr toolbox build makes tools that the host lacks, for attach"
        return CommandNotFound(f"command not found: {name}", hint)
    places = ", ".join(os.path.dirname(path).decode(errors="backslashreplace") for path in closed)
    return CommandNotFound(
        f"command not found: {name}; there is no permission to look in {places}", "choose another user with --user"
    )


def _execute(path: bytes, arguments: tuple[bytes, ...], environment: dict[bytes, bytes]) -> OSError:
    """execve(2) `path`; why the kernel refuses it."""
    _log.debug("execute %r", path)
    try:
        os.execve(path, arguments, environment)
    except OSError as error:
        if error.errno == errno.ENOEXEC:
            _execute_script(path, arguments, environment)  # pragma: no cover - execve(2) keeps no data
        is_there = error.errno in _ABSENT and os.path.lexists(path)
        reason = "its interpreter or loader is missing" if is_there else os.strerror(error.errno or 0)
        return OSError(error.errno, reason, path)


def _candidates(program: bytes, path: bytes) -> list[bytes]:
    if b"/" in program:
        return [program]
    return [(directory or b".") + b"/" + program for directory in path.split(b":")]


def _execute_script(  # pragma: no cover - as above
    path: bytes, arguments: tuple[bytes, ...], environment: dict[bytes, bytes]
) -> None:
    """A text file without ``#!`` is the shell's, as in execvp(3)."""
    with contextlib.suppress(OSError):
        os.execve(FALLBACK_SHELL, (FALLBACK_SHELL, path, *arguments[1:]), environment)
