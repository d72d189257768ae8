"""Where images run: in containers of our own, or in an engine's."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from cntr_core.engine.tracing import TracingEngine, TracingOptions
from cntr_core.errors import PermissionMissing
from cntr_core.filesystem import Branch, Filesystem
from cntr_core.images import Image
from cntr_core.images.tree.layers import OpenLayers
from cntr_core.images.write.new_image import NewImage

from ..request import RunOptions
from ..trace.observer import TraceObserver
from .embedded import Launch, become_private, running
from .imported import imported, original_image
from .observe import Started


class RunBackend(ABC):
    """Runs one image, or its slim image, as often as it is asked to."""

    def close(self) -> None:  # noqa: B027 - most have nothing to give up
        """Give up what was made for all runs."""

    @abstractmethod
    def start(
        self, launch: Launch, layers: OpenLayers, slim_image: NewImage | None, observer: TraceObserver | None
    ) -> AbstractContextManager[Started]:
        """A container of `layers`, which are those of `slim_image`, or the original's where that is None."""


@dataclass(frozen=True, slots=True)
class OwnContainers(RunBackend):
    """Containers of our own: the layers are not even unpacked."""

    filesystem: Filesystem

    def start(
        self, launch: Launch, layers: OpenLayers, slim_image: NewImage | None, observer: TraceObserver | None
    ) -> AbstractContextManager[Started]:
        del slim_image  # its layers are all that counts here
        branches: list[Branch[Any]] = [layers.branch()]
        return running(branches, launch, self.filesystem, observer)


class EngineContainers(RunBackend):
    """Containers of `engine`, which knows the original as `name`, or is given it once where that is empty."""

    def __init__(self, filesystem: Filesystem, engine: TracingEngine, options: TracingOptions, name: str) -> None:
        self._filesystem = filesystem
        self._engine = engine
        self._options = options
        self._name = name
        self._given = ExitStack()

    def close(self) -> None:
        self._given.close()

    @contextmanager
    def start(
        self, launch: Launch, layers: OpenLayers, slim_image: NewImage | None, observer: TraceObserver | None
    ) -> Iterator[Started]:
        from .engine import running_in_engine  # and with it all of a session

        with ExitStack() as stack:
            if slim_image is not None:
                name = stack.enter_context(imported(self._engine, lambda _: slim_image))
            else:
                name = self._original(launch, layers)
            yield stack.enter_context(
                running_in_engine(self._engine, name, launch, self._options, self._filesystem, observer)
            )

    def _original(self, launch: Launch, layers: OpenLayers) -> str:
        if not self._name:
            make = partial(original_image, launch.config, layers)
            self._name = self._given.enter_context(imported(self._engine, make))
        return self._name


def backend_of(image: Image, options: RunOptions, filesystem: Filesystem) -> RunBackend:
    """Where `image` runs."""
    if options.engine is None:
        return OwnContainers(filesystem)
    scheme, separator, name = image.reference.partition("://")
    known = name if separator and scheme == options.engine.name else ""
    return EngineContainers(filesystem, options.engine, options.options, known)


def leave_namespaces(options: RunOptions) -> None:
    """Have this process leave the caller's mount namespace for good, so that runs leave no mount behind; that of an
    ordinary user also leaves the user namespace. Not for runs in an engine, whose mounts must be seen everywhere.

    :raises PermissionMissing: only root can do what these options want.
    """
    if options.engine is None:
        become_private()
    elif os.geteuid() != 0:
        raise PermissionMissing("only root can trace containers of an engine", "run it with sudo")
