"""Starting a container and staying with it: its output, its exit code, its end."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import pickle
import signal
import time
from collections.abc import Callable, Iterator, Sequence

from cntr_core.errors import CntrError, EngineError, LimitReached
from cntr_core.kernel import child
from cntr_core.kernel.process import pidfd_open, pidfd_send_signal, set_child_subreaper, start_time
from cntr_core.kernel.syscall import owned
from cntr_core.reasons import reason
from cntr_core.runtime import LimitWatch, Streams
from cntr_core.session.relay import Loop, Stream
from cntr_core.timing import timed

from .background import BackgroundOutput
from .console import NAME, ConsoleSocket, carried, connected
from .remove import discard
from .state import ContainerDirectory, ContainerRecord, runtime_of

_log = logging.getLogger(__name__)

_EXECUTION, _POLL = 1.0, 0.002
"""Seconds between the runtime's word that a container runs and its program's start."""
_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


@dataclasses.dataclass(frozen=True, slots=True)
class Lifetime:
    """How a container lives: whether its stdin stays open (connected to ours, if it runs in the foreground), whether it
    has a terminal, and whether it is removed at its end."""

    interactive: bool = False
    terminal: bool = False
    remove: bool = False


def run_foreground(
    directory: ContainerDirectory, record: ContainerRecord, wanted: Lifetime, came: Sequence[int] = ()
) -> int:
    """Run the container with our streams, until its first process ends; gives its exit code, 128+n for signal n.

    Signals that reach us reach it, and so do those that `came` before it was there. Its stdin is empty unless it is
    interactive.

    :raises CntrError: it could not be started; then nothing of it is left.
    """
    set_child_subreaper()
    with _removed_by_failure(directory, record), _root(directory, record):
        if wanted.terminal:
            record, code = _on_terminal(directory, record, wanted.interactive, came)
        else:
            with contextlib.ExitStack() as stack:
                streams, loop = _piped(stack, wanted.interactive)
                record = _start(directory, record, streams)
            code = _carry(loop, record, came)
    limit = _limit_met(record, code)
    _finish(directory, record, code, wanted.remove)
    if limit:
        raise LimitReached(limit, "raise the limit with --memory or --pids-limit", code)
    return code


def _limit_met(record: ContainerRecord, code: int) -> str:
    """Which limit a container that failed with `code` had met, in a sentence; its cgroup must still be there."""
    return LimitWatch(*record.limits).met() if code else ""


def _on_terminal(
    directory: ContainerDirectory, record: ContainerRecord, interactive: bool, came: Sequence[int]
) -> tuple[ContainerRecord, int]:
    with owned(os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)) as null:
        record, master = _start_on_terminal(directory, record, null)
    loop = Loop()
    with connected(loop, master, interactive=interactive):
        return record, _carry(loop, record, came)


def run_detached(directory: ContainerDirectory, record: ContainerRecord, wanted: Lifetime) -> None:
    """Run the container in the background, its output in the file ``log``; processes of ours stay with it.

    :raises CntrError: it could not be started; then nothing of it is left.
    """
    reader, writer = os.pipe()
    pid = child.fork(lambda: _watch(directory, record, writer, wanted))
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        report = answer.read()
    if not report:
        os.waitpid(pid, 0)
        raise EngineError("the process that watches the container died")
    error = pickle.loads(report)  # from our own child
    if isinstance(error, CntrError):
        os.waitpid(pid, 0)
        raise error


def _watch(directory: ContainerDirectory, record: ContainerRecord, report: int, wanted: Lifetime) -> None:
    """The background process: starts the container, says so, waits for its end, and keeps the exit code."""
    logging.disable(logging.DEBUG)  # our stderr is the container's log from here on
    null = _leave_caller()
    loop = Loop()
    try:
        with contextlib.ExitStack() as stack:
            stack.enter_context(_removed_by_failure(directory, record))
            output = BackgroundOutput(directory.file("log"), null)
            stack.callback(output.finish)
            stack.enter_context(_root(directory, record))
            if wanted.terminal:
                record, master = _start_on_terminal(directory, record, null)
                carried(loop, master, 2)
            else:
                stdin = stack.enter_context(_open_pipe()) if wanted.interactive else null
                record = _start(directory, record, Streams(stdin, output.writer, output.writer))
            _tell(report, None)
            output.watch(loop)
            code = _until_end(loop, record)
            if limit := _limit_met(record, code):
                os.write(2, f"cntr: {limit}\n".encode())
    except CntrError as refused:
        _tell(report, refused)
    except Exception as unexpected:
        _tell(report, EngineError(f"the container could not be started: {reason(unexpected)}"))
    else:
        _finish(directory, record, code, wanted.remove)


@contextlib.contextmanager
def _open_pipe() -> Iterator[int]:
    """The end to read from of a pipe that nobody writes to, and that does not end: stdin of ``--detach -i``."""
    reader, writer = os.pipe()
    with owned(reader), owned(writer):
        yield reader


def _leave_caller() -> int:
    """Give up the caller's terminal, directory, signals and files; gives /dev/null, which our streams are from now
    on."""
    os.setsid()
    os.chdir("/")
    set_child_subreaper()
    for number in _FORWARDED:
        signal.signal(number, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    _close_inherited()
    return null


def _tell(report: int, error: CntrError | None) -> None:
    with contextlib.suppress(BrokenPipeError):  # who started us may be gone, and the container is there anyway
        os.write(report, pickle.dumps(error))
    os.close(report)


@contextlib.contextmanager
def _removed_by_failure(directory: ContainerDirectory, record: ContainerRecord) -> Iterator[None]:
    """Remove the container if the block fails, when nothing is mounted there any more."""
    try:
        yield
    except BaseException:
        discard(directory, record)
        raise


@contextlib.contextmanager
def _root(directory: ContainerDirectory, record: ContainerRecord) -> Iterator[None]:
    """Serve the fat image below the root, where one is wanted, until the container has ended; for that this process
    leaves its mount namespace."""
    if not record.fat:
        yield
        return
    from .fallback import leave_mount_namespace, merged

    leave_mount_namespace()
    with merged(directory.file("rootfs"), record.fat, record.misses):
        yield


def _close_inherited() -> None:
    """Close what the caller left open for us, a pipe whose reader waits for its end; our own are close-on-exec."""
    for number in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError):  # the listing's own is gone
            if number > 2 and os.get_inheritable(number):
                os.close(number)


def _start_on_terminal(
    directory: ContainerDirectory, record: ContainerRecord, null: int
) -> tuple[ContainerRecord, int]:
    """Start it on a terminal of its own; gives our side of that, too."""
    with contextlib.closing(ConsoleSocket(directory.path)) as console:
        masters: list[int] = []
        streams = Streams(null, null, null)
        record = _start(directory, record, streams, console=NAME, created=lambda: masters.append(console.master()))
        return record, masters[0]


def _start(
    directory: ContainerDirectory,
    record: ContainerRecord,
    streams: Streams,
    console: str = "",
    created: Callable[[], None] = lambda: None,
) -> ContainerRecord:
    """Start it; `created` is called when its terminal is there, before its program runs."""
    runtime = runtime_of(record)
    directory.write(record)  # first: whoever cleans up after a crash must know the id
    with timed(_log, "create container %s by %s", record.name, record.runtime):
        pid = runtime.create(directory.path, streams, console)
    record = dataclasses.replace(
        record, pid=pid, start_time=start_time(pid), limits=dataclasses.astuple(LimitWatch.of(pid))
    )
    directory.write(record)
    created()
    program = _program(pid)
    runtime.start()
    deadline = time.monotonic() + _EXECUTION
    while _program(pid) == program and time.monotonic() < deadline:
        time.sleep(_POLL)  # a signal that came now would end the runtime's own program there, by another exit code
    return record


def _program(pid: int) -> str:
    """What the process executes; "" where it has ended."""
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


def _finish(directory: ContainerDirectory, record: ContainerRecord, code: int, remove: bool) -> int:
    if remove:
        discard(directory, record)
    else:
        directory.write(dataclasses.replace(record, exit_code=code))
        runtime_of(record).delete()
    return code


def _piped(stack: contextlib.ExitStack, interactive: bool) -> tuple[Streams, Loop]:
    """Pipes for the container, whose ends `stack` closes, and the loop that carries between them and our streams.

    Our own descriptors are not given away: the runtime makes the image's user the owner of what it gets, and that must
    not be the caller's terminal.
    """
    loop = Loop()
    ends = []
    for ours in (1, 2):
        reader, writer = os.pipe()
        ends.append(writer)
        stack.callback(os.close, writer)
        loop.streams.append(Stream(reader, ours, lambda fd=reader: os.close(fd)))  # type: ignore[misc]
    stdin, feeder = os.pipe()
    stack.callback(os.close, stdin)
    if interactive:
        loop.streams.append(Stream(0, feeder, lambda: os.close(feeder)))
    else:
        os.close(feeder)
    return Streams(stdin, *ends), loop


def _carry(loop: Loop, record: ContainerRecord, came: Sequence[int]) -> int:
    """As :func:`_until_end`; meanwhile signals that reach us reach the container."""
    with owned(pidfd_open(record.pid)) as pidfd, _forwarding(pidfd, came):
        return _until_end(loop, record)


def _until_end(loop: Loop, record: ContainerRecord) -> int:
    """Carry bytes until the container has ended and all its output went out; gives its exit code."""
    outputs = [stream for stream in loop.streams if stream.sink in (1, 2)]

    def deadline() -> None:
        if not loop.watched and all(stream.ended for stream in outputs if isinstance(stream, Stream)):
            loop.stop()

    with owned(pidfd_open(record.pid)) as pidfd:
        loop.watched[pidfd] = loop.watched.clear
        loop.run(deadline)
    return child.wait(record.pid)


@contextlib.contextmanager
def _forwarding(pidfd: int, came: Sequence[int]) -> Iterator[None]:
    """Pass signals on, first those that `came` already. A container whose first process ignores the second request to
    end is killed."""
    requests = 0

    def forward(number: int, _frame: object) -> None:
        nonlocal requests
        requests += number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        with contextlib.suppress(ProcessLookupError):
            pidfd_send_signal(pidfd, signal.SIGKILL if requests > 1 else number)

    before = {number: signal.signal(number, forward) for number in _FORWARDED}
    for number in came:
        forward(number, None)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
