"""What an engine is: an author writes `status` and `containers`; everything else has a default."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar

from ..errors import EngineError
from ..types import Container, EngineStatus, StoppedRoot


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

        :raises EngineAbsent: the engine is not there.
        :raises EngineError: the engine cannot be asked, or gave an invalid answer.
        """

    def check_presence(self) -> None:  # noqa: B027 - for engines of which it can be seen
        """Look whether the engine is here at all, by the path of its socket or program, and ask nobody: the caller
        waits for it, and needs no process for an engine that is not there.

        :raises EngineAbsent: it plainly is not. Where nothing is raised, nothing is known.
        """

    def find(self, name: str) -> Sequence[Container]:
        """The containers that answer to `name`, best match class only: exact name or full id, else id prefixes.

        :raises CntrError: the engine cannot be asked; or the message says why the name cannot be one of its own.
        """
        return matching(name, self.containers())

    def stopped_root(self, container: Container) -> StoppedRoot | None:  # noqa: ARG002 - for engines that know
        """The files of a container that does not run; None where this engine cannot tell where they are.

        :raises EngineError: it should know, and does not.
        """
        return None

    def export_image(self, name: str) -> Iterable[bytes] | None:  # noqa: ARG002 - for engines that hold images
        """The image `name` as a docker or OCI archive, in pieces; None where the engine has none of that name.

        :raises EngineError: the engine has it, and cannot give it.
        """
        return None

    def import_image(self, archive: Iterable[bytes]) -> None:  # noqa: ARG002 - for engines that hold images
        """Take the images of `archive`, an OCI and a docker archive in one that comes in pieces, under its names.

        :raises EngineError: the engine holds no images, or does not take these.
        """
        raise EngineError(f"{self.name} cannot take images", "write an archive instead, and load that")


def matching(name: str, containers: Iterable[Container]) -> list[Container]:
    """Those that answer to `name`: by exact name, also with docker's slash before it, or full id; else by the
    beginning of the id, however short."""
    known, name = list(containers), name.removeprefix("/")
    exact = [c for c in known if name in (c.name, c.id)]
    return exact or [c for c in known if name and c.id.startswith(name)]
