"""The command line: the only package that prints or exits. Heavy imports happen inside the commands."""

from __future__ import annotations

import sys

_ENTERING = ("attach", "exec")
"""The commands that enter containers, and so must not run from an interpreter that one could write to."""


def main() -> None:
    """Entry point of the ``cntr`` program. Does not return."""
    if next((word for word in sys.argv[1:] if not word.startswith("-")), "") in _ENTERING:
        from ..protect import run_read_only

        run_read_only()
    from .app import main as run

    run()
