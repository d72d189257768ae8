"""What a copy has done so far, and what it left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

MOST_NOTES = 1000
"""Notes that are kept; all are counted."""


@dataclass(slots=True)
class Summary:
    """Counted on one side of the copy. `left_out` are (path, why); `current` is the file that is on its way."""

    files: int = 0
    directories: int = 0
    others: int = 0
    size: int = 0
    left_out: list[tuple[bytes, str]] = field(default_factory=list)
    left_out_count: int = 0
    current: bytes = b""

    def leave_out(self, path: bytes, why: str) -> None:
        """Note something that is not copied, or not whole."""
        self.left_out_count += 1
        if len(self.left_out) < MOST_NOTES:
            self.left_out.append((path, why))


Watcher = Callable[[Summary], None]
"""Is told whenever something was carried."""


def unwatched(_: Summary) -> None:
    """Nobody looks."""
