"""Engines behind a unix socket of this machine."""

from __future__ import annotations

import os

from cntr_core.errors import EngineAbsent, EngineError
from cntr_core.reasons import reason

LOCAL = "unix://"
NONSENSE = (KeyError, TypeError, ValueError, AttributeError, RecursionError)
"""What goes wrong where an answer is not what it should be; see :func:`not_understood`."""


def check_socket(engine: str, path: str, hint: str) -> None:
    """Whether somebody may serve at `path`.

    :raises EngineAbsent: there is no socket; `hint` is the next step.
    :raises EngineError: it may not be opened.
    """
    if not os.path.exists(path):
        raise EngineAbsent(f"{engine} is not running (no socket at {path})", hint)
    if not os.access(path, os.R_OK | os.W_OK):
        raise EngineError(f"{engine}'s socket {path} may not be opened", "run cntr as root, for example with sudo")


def unanswered(engine: str, path: str, why: str) -> EngineError:
    """Nobody answers at `path`, though there is a socket."""
    return EngineError(f"{engine} does not answer at {path} ({why:.100})", "check whether it runs, and see its log")


def not_understood(engine: str, error: BaseException) -> EngineError:
    """An answer led to `error`."""
    sentence = f"{engine}'s answer cannot be understood ({reason(error):.100})"
    return EngineError(sentence, "check which program serves that socket")
