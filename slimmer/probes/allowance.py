"""How much one OpenAPI document may mean: by references a short one can spell requests without end."""

from __future__ import annotations

import json
from typing import Any

_MOST_STEPS = 500_000
_MOST_BYTES = 32 << 20
_TOO_MUCH = "it describes too much: more than"


class Allowance:
    """What is left for one document. Its time and its memory are bounded by what is asked for here, before it is done.

    Each method raises ValueError where nothing is left; the text is a phrase.
    """

    def __init__(self) -> None:
        self._steps = _MOST_STEPS
        self._bytes = _MOST_BYTES

    def look(self, count: int = 1) -> None:
        """So many values are looked at."""
        self._steps -= count
        if self._steps < 0:
            raise ValueError(f"{_TOO_MUCH} {_MOST_STEPS} values")

    def take(self, size: int) -> None:
        """So many bytes go into a request."""
        self._bytes -= size
        if self._bytes < 0:
            raise ValueError(f"{_TOO_MUCH} {_MOST_BYTES >> 20} MiB of requests")

    def taken(self, value: Any) -> Any:
        """The value, which goes into a request."""
        self.take(len(spelt(value)))
        return value


def spelt(value: Any) -> str:
    """The value as JSON; :raises ValueError: it is nested too deeply."""
    try:
        return json.dumps(value)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
