"""Engines behind a unix socket of this machine."""

from __future__ import annotations

import os

from cntr_core.errors import EngineAbsent, EngineError

LOCAL = "unix://"


def check_socket(engine: str, path: str, hint: str) -> None:
    """Whether somebody may serve at `path`.

    :raises EngineAbsent: there is no socket; `hint` is the next step.
    :raises EngineError: it may not be opened.
    """
    if not os.path.exists(path):
        raise EngineAbsent(f"{engine} is not running (no socket at {path})", hint)
    if not os.access(path, os.R_OK | os.W_OK):
        raise EngineError(f"{engine}'s socket {path} may not be opened", "run cntr as root, for example with sudo")
