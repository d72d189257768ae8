"""A program of the host, run by the probing process, and so in the container's network."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from functools import partial

from cntr_core.kernel.child import die_with, shell_code
from cntr_core.kernel.procfs import open_process, read_children
from cntr_core.kernel.syscall import owned

from .attempt import Attempt, NoAnswer
from .result import Observation

_SHOWN = 1 << 16
"""Bytes of the end of its output that are kept."""


def run(file: str, environment: Mapping[str, str], seconds: float) -> Attempt:
    """Run the program to its end; whatever it left running is killed, also what has left its process group.

    The calling process must be a subreaper (prctl(2)) without other children.

    :raises NoAnswer: it cannot be started.
    """
    with tempfile.TemporaryFile() as output:
        code = _run(file, environment, seconds, output.fileno())
        size = output.seek(0, os.SEEK_END)
        output.seek(max(0, size - _SHOWN))
        text = output.read().decode(errors="replace")
    if code is None:
        return Attempt(False, f"it did not end within {seconds:.3g} s", output=text)
    detail = f"it ended with code {code}" if code >= 0 else f"signal {-code} ended it"
    code = shell_code(code)
    return Attempt(code == 0, detail, [Observation("script", {"code": code})], text)


def _run(file: str, environment: Mapping[str, str], seconds: float, output: int) -> int | None:
    """Its exit code, negative for a signal, or None when it was killed for being late."""
    try:
        script = subprocess.Popen(
            [os.path.abspath(file)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **environment},
            start_new_session=True,
            preexec_fn=partial(die_with, os.getpid(), signal.SIGKILL),  # this process has one thread
        )
    except OSError as error:
        raise NoAnswer(f"{file} cannot be run: {error.strerror}") from error
    try:
        return script.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        _kill_children()


def _kill_children() -> None:
    """Orphans of a child that is killed become children too, and follow."""
    with owned(open_process()) as own:
        while children := read_children(own):
            for child in children:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
