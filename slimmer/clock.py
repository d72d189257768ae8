"""How long each step of slimming takes."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from types import MappingProxyType

_log = logging.getLogger(__name__)
_NOTHING: Mapping[str, float] = MappingProxyType({})


class Clock:
    """Seconds for each phase, and since the clock was made."""

    def __init__(self, phases: Mapping[str, float] = _NOTHING) -> None:
        self.phases: dict[str, float] = dict(phases)
        self._began = self._last = time.monotonic()

    def lap(self, phase: str) -> None:
        """Count the time since the last lap to `phase`."""
        now = time.monotonic()
        _log.debug("%s: %.1f ms", phase, 1000 * (now - self._last))
        self.phases[phase] = round(self.phases.get(phase, 0.0) + now - self._last, 4)
        self._last = now

    def skip(self) -> None:
        """Count the time since the last lap to no phase."""
        self._last = time.monotonic()

    def total(self) -> float:
        """Seconds since the clock was made; never less than all phases."""
        return round(max(time.monotonic() - self._began, sum(self.phases.values())), 4)
