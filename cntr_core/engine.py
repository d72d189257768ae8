"""Engines name containers and find their processes.

An author writes `status` and `containers`; everything else has a default. Engines are asked side by side, each in a
process of its own with a time limit, so that one that hangs, crashes or lies never delays or breaks the others.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar

from .types import Container, EngineStatus


class Engine(ABC):
    """One kind of container manager: Docker, Podman, LXC, a bare PID …"""

    name: ClassVar[str]
    """The scheme of references, ``NAME://``: lower-case letters, digits and dashes."""

    @abstractmethod
    def status(self) -> EngineStatus:
        """Tell whether the engine can be asked now. Must not raise."""

    @abstractmethod
    def containers(self) -> Iterable[Container]:
        """All containers, running or not.

        :raises EngineError: the engine cannot be asked, or answered with nonsense.
        """

    def find(self, name: str) -> Sequence[Container]:
        """The containers that answer to `name`, best match class only: exact name or full id, else id prefixes."""
        known = list(self.containers())
        exact = [c for c in known if name in (c.name, c.id)]
        return exact or [c for c in known if len(name) >= 3 and c.id.startswith(name)]
