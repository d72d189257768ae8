"""Managers that serve no API, and are asked by the programs that they come with."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess

from cntr_core.errors import EngineAbsent, EngineError
from cntr_core.timing import timed

_log = logging.getLogger(__name__)


def check_installed(engine: str, program: str, absent: str) -> None:
    """Look whether a program is installed; `absent` as for :func:`printed`. :raises EngineAbsent: it is not."""
    if shutil.which(program) is None:
        raise _absent(engine, program, absent)


def _absent(engine: str, program: str, hint: str) -> EngineAbsent:
    return EngineAbsent(f"{engine} is not installed (no {program})", hint)


def printed(engine: str, *line: str, absent: str, may_find_nothing: bool = False) -> str:
    """What a program of `engine` prints, in the untranslated words of the C locale.

    `absent` is the next step where it is not installed. With `may_find_nothing`, exit code 1 without a word on standard
    error is an answer. It may take as long as it likes: who is asked for an engine is killed when time is up, with all
    that it started.

    :raises EngineAbsent: it is not installed.
    :raises EngineError: it fails.
    """
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    try:
        with timed(_log, "%s", " ".join(line)):
            run = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, env=environment, check=False)
    except FileNotFoundError:
        raise _absent(engine, line[0], absent) from None
    except OSError as error:
        raise EngineError(f"{line[0]} cannot be executed ({error.strerror})", "run it by hand") from None
    if run.returncode == 0 or (may_find_nothing and run.returncode == 1 and not run.stderr):
        return os.fsdecode(run.stdout)
    said = run.stderr.decode(errors="replace").strip().splitlines()
    reason = said[-1] if said else f"exit code {run.returncode}"
    raise EngineError(f"{line[0]} failed: {reason:.200}", f"run it by hand: {' '.join(line)}")
