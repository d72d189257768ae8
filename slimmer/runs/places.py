"""Where images run: in containers of our own, or in an engine's."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from cntr_core.errors import PermissionMissing
from cntr_core.filesystem import Branch, Filesystem
from cntr_core.gated import GatedEngine, GatedOptions
from cntr_core.images import Image

from ..layers.opened import OpenLayers
from ..oci.image import NewImage
from ..request import RunWishes
from ..trace.watch import Watch
from .embedded import RunRequest, become_private, running
from .engine import running_in_engine
from .imported import imported, whole_image
from .observe import Started


class Place(ABC):
    """Runs one image, or a half of it."""

    @abstractmethod
    def start(
        self, request: RunRequest, layers: OpenLayers, half: NewImage | None, watch: Watch | None
    ) -> AbstractContextManager[Started]:
        """A container of `layers`, which are those of `half`, or the original's where that is None."""


@dataclass(frozen=True, slots=True)
class OwnContainers(Place):
    """Containers of our own: the layers are not even unpacked."""

    filesystem: Filesystem

    def start(
        self, request: RunRequest, layers: OpenLayers, half: NewImage | None, watch: Watch | None
    ) -> AbstractContextManager[Started]:
        del half  # its layers are all that counts here
        branches: list[Branch[Any]] = [layers.branch()]
        return running(branches, request, self.filesystem, watch)


@dataclass(frozen=True, slots=True)
class EngineContainers(Place):
    """Containers of `engine`, which knows the original as `name`, or not at all where that is empty."""

    filesystem: Filesystem
    engine: GatedEngine
    options: GatedOptions
    name: str

    @contextmanager
    def start(
        self, request: RunRequest, layers: OpenLayers, half: NewImage | None, watch: Watch | None
    ) -> Iterator[Started]:
        with ExitStack() as stack:
            if half is None and self.name:
                name = self.name
            else:
                make = partial(whole_image, request.config, layers) if half is None else lambda _: half
                name = stack.enter_context(imported(self.engine, make))
            yield stack.enter_context(
                running_in_engine(self.engine, name, request, self.options, self.filesystem, watch)
            )


def place_of(image: Image, wishes: RunWishes, filesystem: Filesystem) -> Place:
    """Where `image` runs."""
    if wishes.engine is None:
        return OwnContainers(filesystem)
    scheme, separator, name = image.reference.partition("://")
    known = name if separator and scheme == wishes.engine.name else ""
    return EngineContainers(filesystem, wishes.engine, wishes.options, known)


def prepare(wishes: RunWishes) -> None:
    """Make this process ready for runs, once. An engine's mounts must not become ours alone.

    :raises PermissionMissing: we are not root.
    """
    if wishes.engine is None:
        become_private()
    elif os.geteuid() != 0:
        raise PermissionMissing("only root can watch an engine's containers", "run it with sudo")
