"""Run a function in a forked child, where it may leave namespaces, roots and privileges behind."""

from __future__ import annotations

import os
import pickle
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn, TypeVar

T = TypeVar("T")
HANG = 30.0
"""After so many seconds a child is killed, and the test fails."""


def in_child(function: Callable[[], T]) -> T:
    """What `function` returns in a forked child; an exception there is raised here, with its traceback as a
    note.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _run(function, writer)
    os.close(writer)
    try:
        answer = _read(reader)
    finally:
        os.close(reader)
        os.waitpid(child, 0)
    if not answer:
        raise AssertionError("the child died without an answer")
    worked, value = pickle.loads(answer)
    if not worked:
        raise value
    return value  # type: ignore[no-any-return]  # pickled by _run from function's own result


def _run(function: Callable[[], object], writer: int) -> NoReturn:
    signal.setitimer(signal.ITIMER_REAL, HANG)  # SIGALRM ends a hanging child
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    try:
        answer = pickle.dumps((True, function()))
    except BaseException as error:
        error.add_note("in the child:\n" + traceback.format_exc())
        answer = pickle.dumps((False, error))
    with open(writer, "wb") as file:
        file.write(answer)
    os._exit(0)


def _read(fd: int) -> bytes:
    content = bytearray()
    while chunk := os.read(fd, 1 << 16):
        content += chunk
    return bytes(content)


@contextmanager
def child(function: Callable[[], object] = lambda: time.sleep(HANG)) -> Iterator[int]:
    """A forked child that runs `function`, by default just sleeping; killed and reaped at the end."""
    pid = os.fork()
    if pid == 0:
        try:
            function()
        finally:
            os._exit(0)
    try:
        yield pid
    finally:
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass  # the test has reaped it already


def until(condition: Callable[[], object], seconds: float = HANG) -> None:
    """Wait until `condition` holds; the limit is there only to end a hang."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("the condition never held")
        time.sleep(0.01)
