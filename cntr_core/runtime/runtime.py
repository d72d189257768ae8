"""The OCI runtime: an installed program that starts containers from bundles (runtime-spec, runc(8), crun(1))."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress

from ..dataclass import dataclass
from ..errors import CntrError, CommandNotExecutable, CommandNotFound, EngineError
from ..json_text import read_json
from ..kernel.namespaces import is_initial_user_namespace
from ..reasons import reason

# The first that is installed. crun 1.8 refuses hosts with both cgroup hierarchies.
_PROGRAMS = ("runc", "crun")
_PATIENCE = 60  # seconds that one call of the runtime may take
_POLL = 0.01
_LONGEST_LINE = 1 << 16  # bytes of our own calls; other processes have any that they like (prctl(2), PR_SET_MM)
_NOT_FOUND = ("executable file not found", "executable file `", "no such file or directory")
_NOT_EXECUTABLE = ("permission denied", "exec format error", "is a directory")


@dataclass(frozen=True, slots=True)
class Streams:
    """The descriptors that a container gets as its stdin, stdout and stderr."""

    stdin: int
    stdout: int
    stderr: int


def find_runtime() -> str | None:
    """The path of the runtime; None where none is installed."""
    return next(filter(None, map(shutil.which, _PROGRAMS)), None)


def need_runtime(otherwise: str = "") -> str:
    """The path of the runtime. `otherwise` ends the hint: what to do without one.

    :raises EngineError: no runtime is installed.
    """
    if found := find_runtime():
        return found
    raise EngineError("no OCI runtime is installed", f"install one: {' or '.join(_PROGRAMS)}{otherwise}")


def known_names(root: str) -> list[str]:
    """The runtime's ids of all containers that it keeps in `root`."""
    return sorted(os.listdir(root)) if os.path.isdir(root) else []


class Runtime:
    """Calls of `program` for the one container with the runtime's id `name`; what it knows of it is kept in `root`."""

    def __init__(self, program: str, root: str, name: str) -> None:
        self._program = program
        self._root = root
        self._name = name

    def create(self, bundle: str, streams: Streams, console: str = "") -> int:
        """Create the container from the directory `bundle`; gives the PID of its first process, which waits.

        `console` is the socket in `bundle` that gets the container's terminal, where it has one.

        :raises CommandNotFound, CommandNotExecutable: the image has no such command.
        :raises EngineError: the runtime refuses, with its reason.
        """
        pid_file, log = os.path.join(bundle, "pid"), os.path.join(bundle, "runtime.log")
        options = ["--log", log, "--log-format", "json"]
        terminal = ["--console-socket", console] if console else []
        call = ["create", "--bundle", bundle, "--pid-file", pid_file, *terminal, self._name]
        done = self._run(options, call, streams, bundle)
        if done.returncode != 0:
            raise _refusal(_reason(log) or _death(done.returncode))
        with open(pid_file, encoding="ascii") as file:
            return int(file.read())

    def start(self) -> None:
        """Let the created container run; :raises EngineError: the runtime refuses."""
        self._call(["start", self._name])

    def exec_line(self, command: Sequence[str], pid_file: str) -> list[str]:
        """The call that runs a command in the container, with the environment, user and directory of its first process;
        the host's PID of it goes to `pid_file`."""
        return self._line([], ["exec", "--pid-file", pid_file, self._name, *command])

    def resume(self) -> None:
        """Thaw a paused container; :raises EngineError: it cannot be."""
        self._call(["resume", self._name])

    def await_calls(self) -> None:
        """Wait for calls for this container that a killed process of ours has made: they go on without it."""
        deadline = time.monotonic() + _PATIENCE
        while self._is_called() and time.monotonic() < deadline:
            time.sleep(_POLL)

    def _is_called(self) -> bool:
        """Whether a program runs that has our root among its arguments (proc_pid_cmdline(5))."""
        root = os.fsencode(self._root)
        for pid in filter(str.isdecimal, os.listdir("/proc")):
            with suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
                if root in file.read(_LONGEST_LINE).split(b"\0"):
                    return True
        return False

    def delete(self) -> None:
        """End the container if it runs, and remove its cgroups; nothing happens where it is unknown.

        :raises EngineError: something of it is left.
        """
        if os.path.exists(os.path.join(self._root, self._name)):
            self._call(["delete", "--force", self._name])

    def state(self) -> tuple[str, int]:
        """The bundle of the container, and the PID of its first process, 0 where it has ended (runtime-spec, "Query
        State").

        :raises EngineError: the runtime refuses, or does not tell.
        """
        try:
            told = read_json(self._call(["state", self._name]))
            return str(told["bundle"]), int(told.get("pid") or 0) * (told["status"] != "stopped")
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise EngineError(f"the OCI runtime does not tell the state of {self._name}: {reason(error)}") from error

    def _call(self, call: list[str]) -> bytes:
        done = self._run([], call, Streams(subprocess.DEVNULL, subprocess.PIPE, subprocess.PIPE))
        if done.returncode != 0:
            raise _refusal(done.stderr.decode("utf-8", "replace").strip() or _death(done.returncode))
        return bytes(done.stdout)

    def _run(
        self, options: list[str], call: list[str], streams: Streams, directory: str | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            self._line(options, call),
            stdin=streams.stdin,
            stdout=streams.stdout,
            stderr=streams.stderr,
            cwd=directory,
            timeout=_PATIENCE,
            check=False,
            process_group=0,  # a Ctrl-C is ours to pass on, and not for the runtime to die of
        )

    def _line(self, options: list[str], call: list[str]) -> list[str]:
        return [self._program, "--root", self._root, *_rootless(self._program), *options, *call]


def _rootless(program: str) -> tuple[str, ...]:
    """What tells the runtime that the cgroups of this machine are not ours: it would fail to make some."""
    if is_initial_user_namespace():
        return ()
    return {"runc": ("--rootless", "true"), "crun": ("--cgroup-manager", "disabled")}[os.path.basename(program)]


def _reason(log: str) -> str:
    """The last error that the runtime logged."""
    reason = ""
    try:
        with open(log, encoding="utf-8", errors="replace") as file:
            for line in file:
                entry = read_json(line)
                if entry.get("level") in ("error", "fatal"):
                    reason = str(entry.get("msg", ""))
    except (OSError, ValueError):
        pass  # it died before it could tell
    return reason


def _death(code: int) -> str:
    return f"it was killed by signal {-code}" if code < 0 else "it gave no reason"


def _refusal(reason: str) -> CntrError:
    # Both runtimes look the command up themselves, and tell it in prose alone.
    if "exec" in reason and any(words in reason.lower() for words in _NOT_FOUND):
        return CommandNotFound(f"the image has no such command: {reason}")
    if "exec" in reason and any(words in reason.lower() for words in _NOT_EXECUTABLE):
        return CommandNotExecutable(f"the image's command cannot be executed: {reason}")
    return EngineError(f"the OCI runtime refuses: {reason}")
