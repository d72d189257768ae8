"""Child processes of this one: how they are forked, what they answer, and how they ended. The caller has one thread."""

from __future__ import annotations

import os
import pickle
import select
import signal
import socket
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, NoReturn, TypeVar

from ..errors import CntrError
from . import channel, process, syscall

T = TypeVar("T")


def fork(work: Callable[[], object], *, block_signals: bool = False) -> int:
    """The PID of a child that does `work` and exits with 0, or with 1 and a traceback where that fails.

    With `block_signals` all signals wait in the child until it unblocks them: a handler that it inherited would lose
    one.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() if block_signals else ())
    pid = os.fork()
    if pid == 0:
        _do(work)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def go_on_in_child() -> int:
    """Fork, as fork(2): gives 0 in the child, which goes on, and the child's PID in the parent."""
    return os.fork()


def _do(work: Callable[[], object]) -> NoReturn:
    code = 1
    try:
        work()
        code = 0
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(code)


def die_with(parent: int, number: int = signal.SIGTERM) -> None:
    """Get the signal `number` when `parent` ends, and end at once if it has ended."""
    process.set_pdeathsig(number)
    if os.getppid() != parent:  # pragma: no cover - a race: the parent was killed just before
        os._exit(125)


def ended(pid: int) -> int | None:
    """The wait status of a child that has ended, which is reaped; None while it runs."""
    found, status = os.waitpid(pid, os.WNOHANG)
    return status if found else None


def failed(pidfd: int) -> bool:
    """Whether a child that has ended was killed, or ended with another code than 0; it is not reaped."""
    end = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOWAIT)
    return end is None or end.si_status != 0


def wait(pid: int) -> int:
    """Wait for the end of a child; its exit code as :func:`shell_code` gives it."""
    return exit_code(os.waitpid(pid, 0)[1])


def exit_code(status: int) -> int:
    """A wait status as shells tell it: the exit code, or 128+n for signal n."""
    return shell_code(os.waitstatus_to_exitcode(status))


def shell_code(code: int) -> int:
    """An exit code of Python's, -n for signal n, as shells tell it."""
    return 128 - code if code < 0 else code


def open_in_child(make: Callable[[], int]) -> int:
    """What `make` opens in a forked child, which may go to other namespaces for it, as a descriptor of the caller's.

    The child is not dumpable, and imports nothing once it is elsewhere.

    :raises CntrError: `make` failed.
    """
    ours, theirs = channel.pair()
    pid = fork(lambda: _send_opened(make, theirs))
    theirs.close()
    with ours:
        message = channel.receive(ours)
    os.waitpid(pid, 0)
    if message is None or message.event == "error":  # pragma: no cover - as below
        raise channel.error_of(message or channel.Message("error", {"message": "a helper process died"}))
    return message.fds[0]


def _send_opened(make: Callable[[], int], sock: socket.socket) -> None:
    try:
        syscall.preload()
        process.set_dumpable(False)
        channel.send(sock, "opened", make())
    except BaseException as error:  # pragma: no cover - what the kernel refuses here, it would have refused before
        channel.send_error(sock, error)


class ChildDied(CntrError):
    """A child ended before it answered."""


class ForkedCall(Generic[T]):
    """A call in a forked process. What it gives or raises comes back by `pipe`, and must be picklable."""

    def __init__(self, call: Callable[[], T], settle: Callable[[], object]) -> None:
        """`settle` is what the child does before."""
        self.pipe, theirs = os.pipe2(os.O_CLOEXEC)
        self._pid = fork(lambda: _answer(call, settle, theirs))
        os.close(theirs)
        self._received = bytearray()
        self.finished = False

    def read(self) -> None:
        """Take what has come by the pipe, or wait for it; `finished` after the last of it."""
        data = os.read(self.pipe, 1 << 16)
        self._received += data
        self.finished = not data

    def value(self) -> T:
        """What the call gave; what it raised is raised here. Only for one that is finished.

        :raises ChildDied: it did not answer.
        """
        if not self._received:
            raise ChildDied("a process of cntr was killed", "check whether memory ran out")
        value, error = pickle.loads(self._received)  # from a fork of this very process
        if error is not None:
            raise error
        result: T = value
        return result

    def read_all(self) -> T:
        """Wait for what the call gives, as :meth:`value`, and for the end of the process."""
        while not self.finished:
            self.read()
        self.wait()
        return self.value()

    def wait(self, seconds: float | None = None) -> None:
        """Let the process end by itself, for so long."""
        pidfd = process.pidfd_open(self._pid)
        select.select([pidfd], [], [], seconds)
        os.close(pidfd)

    def end(self, seconds: float) -> None:
        """Ask the process to end (SIGTERM), give it so long, then end it. May be called again."""
        if self._pid:
            os.kill(self._pid, signal.SIGTERM)
            self.wait(seconds)
            self.close()

    def close(self) -> None:
        """End the process, whatever it does, with its process group if it leads one. May be called again."""
        if not self._pid:
            return
        os.close(self.pipe)
        for kill in (os.killpg, os.kill):  # before it is reaped, so the number still is its own
            with suppress(ProcessLookupError, PermissionError):
                kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        self._pid = 0


def call_in_child(call: Callable[[], T]) -> T:
    """What `call` gives in a forked child, whose namespaces, ids and descriptors may then be others than ours.

    :raises ChildDied: the child was killed. What `call` raises is raised here.
    """
    parent = os.getpid()
    forked = ForkedCall(call, lambda: die_with(parent))
    try:
        return forked.read_all()
    finally:
        forked.close()


def _answer(call: Callable[[], object], settle: Callable[[], object], pipe: int) -> None:
    settle()
    answer: tuple[object, Exception | None]
    try:
        answer = call(), None
    except Exception as error:
        answer = None, error
    with suppress(Exception), open(pipe, "wb") as file:  # what cannot be pickled is no answer
        pickle.dump(answer, file)
