"""The reaper: the parent of the command, in the container's PID namespace. It waits for the command and its orphans.

It is visible in the container, so it is not dumpable, and has the target's identity and no more.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import socket
from typing import NoReturn

from .. import debugging
from ..kernel import channel, child, process, procfs
from .command import Command, become, own_proc
from .container_filter import refusals_told
from .identity import assume

_log = logging.getLogger(__name__)


def run_reaper(command: Command, sock: socket.socket) -> NoReturn:
    """Fork once more for the command and wait for it, telling `sock` how it ended. Never returns."""
    status = 125
    try:
        with refusals_told(command.identity.filter):
            status = _Reaper(command, sock).run()
    except BaseException as error:
        channel.send_error(sock, error)
    finally:
        os._exit(status)


class _Reaper:
    """Waits for the command and for whatever is orphaned meanwhile; passes signals on; ends all when cntr ends."""

    def __init__(self, command: Command, sock: socket.socket) -> None:
        self._command = command
        self._sock = sock
        self._proc = own_proc()
        self._ending = False
        self._wakeup, self._signalled = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(self._signalled)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        self._child = 0

    def _on_signal(self, number: int, _frame: object) -> None:
        self._ending = self._ending or number == signal.SIGTERM

    def run(self) -> int:
        debugging.call_process("reaper")
        parent = os.getppid()
        if self._command.adopt:
            process.set_child_subreaper()
        # What comes before it executes its program waits until then, and is the program's.
        self._child = child.fork(lambda: become(self._command, self._sock), block_signals=True)
        channel.send(self._sock, "forked")
        _log.debug("the command is process %d", self._child)
        self._settle(parent)
        self._wait()
        return 0

    def _settle(self, parent: int) -> None:
        """Drop what is not needed to wait: every privilege beyond the target's, and every other descriptor."""
        assume(self._command.identity, self._proc)
        kept = {0, 1, 2, *debugging.descriptors(), self._wakeup, self._signalled, self._sock.fileno(), self._proc}
        process.close_others({fd for fd in kept if fd is not None})
        process.set_pdeathsig(signal.SIGTERM)
        if os.getppid() != parent:  # pragma: no cover - a race: the parent was killed just before
            self._ending = True

    def _wait(self) -> None:
        poll = select.poll()
        for fd in (self._wakeup, self._sock.fileno()):
            poll.register(fd, select.POLLIN)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        while self._reap():
            if self._ending:
                self._kill()
            for fd, _ in poll.poll(5 if self._ending else None):
                if fd == self._wakeup:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._wakeup, 512)
                else:
                    self._obey()

    def _obey(self) -> None:
        message = channel.receive(self._sock)
        if message is None:
            self._ending = True
        elif message.event == "signal" and self._child:
            self._hand_on(message.values["number"])

    def _hand_on(self, number: int) -> None:
        """Send a signal to the command's process group; to the command alone before it leads one."""
        for kill in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(self._child, number)
                return

    def _reap(self) -> bool:
        """Collect whoever ended; False when there is nobody left to wait for."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._child:
                _log.debug("the command has ended with %d", child.exit_code(status))
                channel.send(self._sock, "exit", code=child.exit_code(status))
                self._child = 0
                if not self._command.adopt:
                    return False

    def _kill(self) -> None:
        """Kill all children; theirs become ours, and are killed in the next round."""
        children = {self._child} - {0}
        if self._proc is not None:
            with contextlib.suppress(OSError):
                children.update(procfs.read_children(self._proc))
        for pid in children:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
