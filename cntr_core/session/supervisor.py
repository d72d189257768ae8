"""The caller's side of a session: starts it, carries bytes and signals, and ends it, whatever happens."""

from __future__ import annotations

import logging
import os
import signal
import socket
import termios
from contextlib import ExitStack
from functools import partial

from .. import debugging
from ..dataclass import replace
from ..errors import CntrError, ContainerEnded, ContainerNotRunning, SessionError
from ..filesystem import ServedMount
from ..kernel import channel, child, process, pty
from . import proxy
from .builder import Task, TerminalRequest
from .container_filter import killed
from .deadlines import Deadlines
from .gate import Gate
from .guard import Guard
from .heard import signals_heard
from .keyboard import input_stream, is_interactive
from .members import Leader, kill_members, kill_session, leader_below
from .monitor import run_monitor
from .pipes import Ends, make_streams, reopened
from .plan import AttachPlan, host_ids
from .relay import Loop, Stream, is_readable
from .state import State
from .steps import MountContext
from .target import Target

_log = logging.getLogger(__name__)

SETUP_LIMIT = 20.0
"""Seconds until the command must have started."""
TERM_GRACE = 2.0
"""Seconds between a forwarded SIGTERM or SIGHUP and the end of the session."""
END_LIMIT = 5.0
"""Seconds that the monitor may take to end the session, before this process does it."""
DRAIN_LIMIT = 1.0
"""Seconds of silence after the end for output that somebody still could write."""

DEATH_LIMIT = 1.0
"""Seconds between the deaths of a PID namespace's other processes and of its init, which waits for them."""

_FORWARDED = (signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_ENDING = (signal.SIGTERM, signal.SIGHUP)
_HEARD = (*_FORWARDED, *_ENDING, signal.SIGWINCH)


def run_session(target: Target, plan: AttachPlan, mount: ServedMount | None, view: ServedMount | None = None) -> int:
    """Run `plan` to its end, and give the exit code of its command.

    `mount` becomes the session's root; None for the container's own. `view` shows the container's tree in it, where the
    plan does not bind it.

    :raises CntrError: the session could not be built, or something of ours failed while it ran.
    """
    with ExitStack() as stack:
        context = MountContext(target, mount.fd if mount else None, view.fd if view else None)
        return _Supervisor(context, plan, mount.server if mount else None, stack).run()


class _Supervisor:
    def __init__(self, context: MountContext, plan: AttachPlan, server: int | None, stack: ExitStack) -> None:
        self._target = context.target
        self._plan = plan
        self._context = context
        self._server = server
        self._stack = stack
        self._loop = Loop()
        self._outputs: list[Stream] = []
        self._stdin: Stream | None = None
        self._code: int | None = None
        self._error: CntrError | None = None
        self._session: int | None = None
        self._leader: Leader | None = None
        self._guard: Guard | None = None
        self._gate = Gate()
        stack.callback(self._gate.close)
        self._proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, self._proc)
        self._master = -1
        self._state = State.STARTING
        self._began = False
        self._deadlines = Deadlines()

    def run(self) -> int:
        wants_terminal = is_interactive() if self._plan.terminal is None else self._plan.terminal
        ends = make_streams(wants_terminal)
        request = self._terminal_request() if wants_terminal else None
        self._sock, theirs = channel.pair()
        self._stack.callback(self._sock.close)
        self._monitor = self._start(ends, request, theirs)
        self._stack.callback(self._reap)
        theirs.close()
        self._stack.enter_context(signals_heard(self._loop, _HEARD, self._on_signal))
        self._watch(ends)
        if not self._plan.nested:
            self._guard = Guard(partial(kill_session, self._proc), [self._proc])  # while the others work
            self._stack.callback(self._guard.dismiss)
        if request is not None and os.isatty(0):
            self._stack.enter_context(pty.raw_mode(0))
        self._deadlines.set("setup", SETUP_LIMIT, self._setup_took_too_long)
        self._loop.run(self._deadlines.next)
        return self._result()

    # Starting

    def _terminal_request(self) -> TerminalRequest:
        # A duplicate, because the monitor puts /dev/null at 0, 1 and 2.
        caller = os.dup(0 if os.isatty(0) else 1)
        self._stack.callback(os.close, caller)
        fallback = pty.open_host_master()
        self._stack.callback(os.close, fallback)
        owner = host_ids(self._target, self._plan.command.identity)
        return TerminalRequest(caller, fallback, termios.tcgetattr(0 if os.isatty(0) else fallback), owner)

    def _start(self, ends: Ends, request: TerminalRequest | None, sock: socket.socket) -> int:
        """Fork the monitor; gives its PID. This process has one thread."""
        command = replace(self._plan.command, stdio=ends.child, gate=self._gate.entrance)
        task = Task(self._context, self._plan.steps, command, request, sock, self._gate)
        lines = self._debug_lines()

        def monitor() -> None:
            debugging.call_process("monitor", lines)
            self._sock.close()
            ends.close_ours()
            run_monitor(task)

        pid = child.fork(monitor, block_signals=True)  # until the monitor's first step
        _log.debug("the monitor is process %d", pid)
        if lines is not None:
            os.close(lines)
        ends.close_the_childs()
        self._monitor_pidfd = process.pidfd_open(pid)
        self._stack.callback(os.close, self._monitor_pidfd)
        return pid

    def _debug_lines(self) -> int | None:
        """Where the session's processes write what ``--debug`` tells: a pipe, as no stream of the host's is theirs."""
        if not debugging.is_on():
            return None
        read, write = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(read, False)
        self._add_output(read, 2)
        return write

    def _watch(self, ends: Ends) -> None:
        watched = self._loop.watched
        watched[self._sock.fileno()] = self._on_message
        watched[self._monitor_pidfd] = self._on_monitor_end
        if self._server is not None:
            watched[self._server] = self._on_server_end
        for read, sink in ends.outputs:
            self._add_output(read, self._stack.enter_context(reopened(sink)))
        if ends.stdin >= 0:
            self._stdin = input_stream(ends.stdin, self._stack, self._deadlines, is_shared=self._plan.terminal is None)
            self._loop.streams.append(self._stdin)

    def _add_output(self, source: int, sink: int) -> None:
        def on_end() -> None:
            os.close(source)
            self._loop.streams.remove(stream)
            self._stop_when_done()

        stream = Stream(source, sink, on_end)
        self._outputs.append(stream)
        self._loop.streams.append(stream)

    # What happens meanwhile

    def _on_message(self) -> None:
        message = channel.receive(self._sock)
        if message is not None:
            _log.debug("told by the session: %s %s", message.event, message.values)
        if message is None:
            del self._loop.watched[self._sock.fileno()]
        elif message.event == "terminal":
            self._use_terminal(*message.descriptors(1))
        elif message.event == "controlled":
            self._read_terminal()
        elif message.event == "started":
            self._on_started(message.descriptors(self._plan.nested + len(self._plan.forwards)))
        elif message.event == "forked":
            self._on_forked()
        elif message.event == "exit":
            self._leader = None
            self._code = message.number("code") if self._code is None else self._code
            self._end()
        elif message.event == "error" and self._error is None:
            self._error = channel.error_of(message)
            # Whoever reports an error ends by itself, and the rest follows.
            self._deadlines.set("term", TERM_GRACE, self._end)

    def _use_terminal(self, master: int) -> None:
        os.set_blocking(master, False)
        self._master = os.dup(master)
        self._stack.callback(os.close, self._master)
        self._add_output(master, self._stack.enter_context(reopened(1)))

    def _read_terminal(self) -> None:
        """Only now: Ctrl-C on a terminal that controls nobody yet is lost. The end of ours is a hangup in any case."""
        if os.isatty(0) and self._state < State.ENDING:
            self._stdin = Stream(0, self._master, lambda: self._on_ending_signal(signal.SIGHUP))
            self._loop.streams.append(self._stdin)

    def _on_started(self, fds: list[int]) -> None:
        self._move_on(State.RUNNING)
        self._deadlines.cancel("setup")
        if self._plan.nested:
            self._session = fds.pop(0)
            self._stack.callback(os.close, self._session)
        if self._plan.timeout is not None:
            self._deadlines.set("timeout", self._plan.timeout, self._on_time_is_up)
        for fd, (outside, _) in zip(fds, self._plan.forwards, strict=True):
            proxy.start(socket.socket(fileno=fd), outside)

    def _on_forked(self) -> None:
        """The command waits: tell the guard whom to kill with us, and open the gate. Nested ones are the monitor's."""
        self._began = True
        if self._guard is not None:
            self._leader = leader_below(self._proc, self._monitor)
            if self._leader is not None:
                self._guard.tell(*self._leader)
            self._gate.open()

    def _on_monitor_end(self) -> None:
        del self._loop.watched[self._monitor_pidfd]
        self._move_on(State.ENDED)
        self._deadlines.cancel("end")
        status = os.waitpid(self._monitor, 0)[1]
        if self._session is not None:
            kill_members(self._proc, self._session)
        if self._leader is not None:  # it did not end by itself
            kill_session(self._proc, *self._leader)
        self._stop_reading_stdin()
        self._deadlines.set("drain", DRAIN_LIMIT, self._on_silence)
        while self._sock.fileno() in self._loop.watched and is_readable(self._sock):
            self._on_message()
        if status != 0 and self._error is None:
            self._error = killed(child.exit_code(status))
        self._stop_when_done()

    def _on_server_end(self) -> None:
        assert self._server is not None
        self._loop.watched.pop(self._server, None)
        # A server whose last mount is gone ends by itself with 0.
        if child.failed(self._server) and self._error is None:
            self._error = SessionError(
                "the filesystem server died, which ended the session",
                "run again with --debug; --fs kernel needs none",
            )
        self._end()

    def _on_silence(self) -> None:
        if any(stream.wants_write or is_readable(stream.source) for stream in self._outputs if not stream.ended):
            self._deadlines.set("drain", DRAIN_LIMIT, self._on_silence)  # pragma: no cover - a slow reader
        else:
            self._loop.stop()  # pragma: no cover - somebody kept the command's output open, and says nothing

    def _setup_took_too_long(self) -> None:  # pragma: no cover - it takes a kernel that hangs
        self._error = SessionError(
            f"the command did not start within {SETUP_LIMIT:.0f} s",
            "check whether the container's cgroup is frozen, or use --no-cgroup",
        )
        self._end()

    def _on_time_is_up(self) -> None:
        self._error = SessionError(f"the session was ended after {self._plan.timeout:g} s", "raise or drop --timeout")
        self._forward(signal.SIGTERM)
        self._deadlines.set("term", TERM_GRACE, self._end)

    def _move_on(self, state: State) -> None:
        self._state = max(self._state, state)

    # Signals

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGWINCH and self._master >= 0:
            pty.copy_window_size(0, self._master)
        elif number in _FORWARDED:
            self._forward(number)
        elif number in _ENDING:
            self._on_ending_signal(number)

    def _on_ending_signal(self, number: int) -> None:
        if self._state is not State.RUNNING:
            self._end()
        self._move_on(State.ASKED)
        self._code = 128 + number
        self._forward(number)
        self._deadlines.set("term", TERM_GRACE, self._end)
        # Output that nobody reads keeps nobody here.
        self._deadlines.set("stuck", TERM_GRACE + END_LIMIT, self._loop.stop)

    def _forward(self, number: int) -> None:
        if self._state is State.STARTING:  # pragma: no cover - a race: a signal before there is a command
            self._code = 128 + number
            self._end()
        _log.debug("hand on signal %d", number)
        channel.send(self._sock, "signal", number=int(number))

    # Ending

    def _end(self) -> None:
        """Have the monitor end the session; it takes the rest of the way itself."""
        _log.debug("end the session")
        self._stop_reading_stdin()
        self._deadlines.cancel("setup", "timeout", "term")
        if self._state is not State.ENDED:
            self._move_on(State.ENDING)
            process.pidfd_send_signal(self._monitor_pidfd, signal.SIGTERM)
            self._deadlines.set("end", END_LIMIT, self._kill_monitor)

    def _kill_monitor(self) -> None:  # pragma: no cover - it takes a monitor that hangs
        process.pidfd_send_signal(self._monitor_pidfd, signal.SIGKILL)

    def _stop_reading_stdin(self) -> None:
        self._loop.streams = [stream for stream in self._loop.streams if stream is not self._stdin]

    def _stop_when_done(self) -> None:
        if self._state is State.ENDED and all(stream.ended for stream in self._outputs):
            self._loop.stop()

    def _reap(self) -> None:
        """Whatever went wrong here: no monitor stays behind."""
        if self._state is not State.ENDED:
            process.pidfd_send_signal(self._monitor_pidfd, signal.SIGTERM)
            if not is_readable(self._monitor_pidfd, END_LIMIT):  # pragma: no cover - as above
                self._kill_monitor()
            os.waitpid(self._monitor, 0)

    def _result(self) -> int:
        # A dying server closes its files before it counts as dead: who has mapped one may get SIGBUS first.
        patience = DEATH_LIMIT if self._code == 128 + signal.SIGBUS else 0
        if self._server in self._loop.watched and is_readable(self._server, patience):  # the loop had already stopped
            self._on_server_end()  # pragma: no cover - a race: the container died, and the server with it
        name = self._target.process.container.ref
        if self._code is None and not self._began and is_readable(self._target.pidfd, 0):
            raise ContainerNotRunning(f"{name} ended before the session began", "wait for its next start: --wait")
        if self._error is not None:
            raise self._error
        if self._code is None:
            if is_readable(self._target.pidfd, DEATH_LIMIT):
                raise ContainerEnded(f"{name} ended, and the session with it", "start it again")
            raise killed()
        return self._code
