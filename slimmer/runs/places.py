"""Where images run: in containers of our own, or in an engine's."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from cntr_core.engine.tracing import GatedEngine, GatedOptions
from cntr_core.errors import PermissionMissing
from cntr_core.filesystem import Branch, Filesystem
from cntr_core.images import Image
from cntr_core.images.tree.layers import OpenLayers
from cntr_core.images.write.new_image import NewImage

from ..request import RunWishes
from ..trace.watch import Watch
from .embedded import RunRequest, become_private, running
from .imported import imported, whole_image
from .observe import Started


class Place(ABC):
    """Runs one image, or a half of it, as often as it is asked to."""

    def close(self) -> None:  # noqa: B027 - most have nothing to give up
        """Give up what was made for all runs."""

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


class EngineContainers(Place):
    """Containers of `engine`, which knows the original as `name`, or is given it once where that is empty."""

    def __init__(self, filesystem: Filesystem, engine: GatedEngine, options: GatedOptions, name: str) -> None:
        self._filesystem = filesystem
        self._engine = engine
        self._options = options
        self._name = name
        self._given = ExitStack()

    def close(self) -> None:
        self._given.close()

    @contextmanager
    def start(
        self, request: RunRequest, layers: OpenLayers, half: NewImage | None, watch: Watch | None
    ) -> Iterator[Started]:
        from .engine import running_in_engine  # and with it all of a session

        with ExitStack() as stack:
            if half is not None:
                name = stack.enter_context(imported(self._engine, lambda _: half))
            else:
                name = self._original(request, layers)
            yield stack.enter_context(
                running_in_engine(self._engine, name, request, self._options, self._filesystem, watch)
            )

    def _original(self, request: RunRequest, layers: OpenLayers) -> str:
        if not self._name:
            make = partial(whole_image, request.config, layers)
            self._name = self._given.enter_context(imported(self._engine, make))
        return self._name


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
