"""What is to be done at a certain time, unless something else happens before."""

from __future__ import annotations

import time
from collections.abc import Callable


class Deadlines:
    """Actions by name, each with its time."""

    def __init__(self) -> None:
        self._pending: dict[str, tuple[float, Callable[[], None]]] = {}

    def set(self, name: str, seconds: float, action: Callable[[], None]) -> None:
        """Do `action` in so many seconds, instead of what had that name."""
        self._pending[name] = (time.monotonic() + seconds, action)

    def cancel(self, *names: str) -> None:
        """Forget them; those that are not there are no error."""
        for name in names:
            self._pending.pop(name, None)

    def next(self) -> float | None:
        """Do what is due; the seconds until the next, None for never."""
        now = time.monotonic()
        for name, (due, action) in list(self._pending.items()):
            if due <= now:
                self.cancel(name)
                action()
        return min((due - now for due, _ in self._pending.values()), default=None)
