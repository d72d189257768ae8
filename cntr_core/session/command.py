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
import termios
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from .. import debugging
from ..errors import CommandNotExecutable, CommandNotFound, SessionError
from ..kernel import channel, mounts, process, pty
from ..timing import timed
from .environment import DEFAULT_PATH
from .identity import Identity, assume

_log = logging.getLogger(__name__)

FALLBACK_SHELL = b"/bin/sh"


@dataclass(frozen=True, slots=True)
class Terminal:
    """The session's pty: its master, who owns the terminal side (host ids), and the caller's termios to start with."""

    master: int
    owner: tuple[int, int]
    attributes: list[Any]


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
    stdio: Stdio = Stdio()
    terminal: Terminal | None = None


def needed(command: Command, sock: socket.socket) -> set[int]:
    """The descriptors that are used before the command executes."""
    stdio, terminal = command.stdio, command.terminal
    optional = (
        stdio.stdin,
        stdio.stdout,
        stdio.stderr,
        terminal.master if terminal else None,
        command.identity.user_namespace,
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
        _settle(command)
        execute(command.programs, command.environment)
    except (CommandNotFound, CommandNotExecutable) as error:
        code = error.exit_code
        channel.send_error(sock, error)
    except BaseException as error:
        channel.send_error(sock, error)
    finally:
        os._exit(code)


def _settle(command: Command) -> None:
    """Everything that execve(2) leaves as it is."""
    os.setsid()
    _connect(command)
    for fd in command.cgroup_procs:
        os.write(fd, b"0")  # the writer itself (cgroups(7)); checked against whoever opened the file
    with timed(_log, "%s", command.identity.describe()):
        assume(command.identity, own_proc())
    process.set_pdeathsig(signal.SIGKILL)
    _change_directory(command.cwd)
    _reset_signals()


def _connect(command: Command) -> None:
    """Put the streams at 0, 1 and 2; a terminal becomes the controlling one."""
    terminal, stdio = command.terminal, command.stdio
    slave = -1
    if terminal is not None:
        slave = pty.open_slave(terminal.master, terminal.owner)
        termios.tcsetattr(slave, termios.TCSANOW, terminal.attributes)
        pty.make_controlling(slave)
    for number, fd in enumerate((stdio.stdin, stdio.stdout, stdio.stderr)):
        os.dup2(slave if fd is None else fd, number, inheritable=True)


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
    :raises CommandNotExecutable: one exists, and the kernel refuses it.
    """
    refusal: OSError | None = None
    for arguments in programs:
        for path in _candidates(arguments[0], environment.get(b"PATH", DEFAULT_PATH)):
            reason = _execute(path, arguments, environment)
            refusal = refusal or reason
    name = programs[0][0].decode(errors="backslashreplace")
    if refusal is not None:
        raise CommandNotExecutable(f"{channel.describe(refusal)}", "check the file's mode and type")
    raise CommandNotFound(
        f"command not found: {name}", "it is looked for in the session's PATH; see cntr attach --help"
    )


def _execute(path: bytes, arguments: tuple[bytes, ...], environment: dict[bytes, bytes]) -> OSError | None:
    """execve(2) `path`; why the kernel refuses it, None where there is no such file."""
    _log.debug("execute %r", path)
    try:
        os.execve(path, arguments, environment)
    except (FileNotFoundError, NotADirectoryError):
        refusal = OSError(errno.ENOENT, "its interpreter or loader is missing", path)
    except OSError as error:
        if error.errno == errno.ENOEXEC:
            _execute_script(path, arguments, environment)  # pragma: no cover - execve(2) keeps no data
        refusal = OSError(error.errno, os.strerror(error.errno or 0), path)
    return refusal if os.path.lexists(path) else None  # it may be below a directory of PATH that may not be searched


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
