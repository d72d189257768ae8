"""How far a session has come, as its supervisor knows it."""

from __future__ import annotations

import enum


class State(enum.IntEnum):
    """It only moves on, and may leave some out; what comes late takes none back."""

    STARTING = enum.auto()
    """There is no command yet: any signal ends the session."""
    RUNNING = enum.auto()
    """Signals go to the command; the first that ends the session is only a request."""
    ASKED = enum.auto()
    """The command has been told to end, and has TERM_GRACE for it; the next such signal ends the session."""
    ENDING = enum.auto()
    """The monitor has been told to end the session, and has END_LIMIT for it."""
    ENDED = enum.auto()
    """The monitor is gone; what is left of the output is awaited."""
