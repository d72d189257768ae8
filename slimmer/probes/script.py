"""A program of the host, run by the probing process, and so in the container's network."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress

from cntr_core.kernel.process import set_pdeathsig

from .attempt import Attempt, NoAnswer
from .result import Observation

_SHOWN = 1 << 16
"""Bytes of the end of its output that are kept."""


def run(file: str, environment: Mapping[str, str], seconds: float) -> Attempt:
    """Run the program to its end; whatever it left running in its process group is killed.

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
    code = code if code >= 0 else 128 - code
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
            preexec_fn=_die_with_parent,  # this process has one thread
        )
    except OSError as error:
        raise NoAnswer(f"{file} cannot be run: {error.strerror}") from error
    try:
        return script.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(script.pid, signal.SIGKILL)
        script.wait()


def _die_with_parent() -> None:
    set_pdeathsig(signal.SIGKILL)
