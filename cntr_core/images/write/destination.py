"""Where new images go: an archive, a layout, an engine, a registry."""

from __future__ import annotations

import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ...errors import EngineError, UsageError
from ...types import EngineStatus
from .. import locate
from ..registry.reference import RegistryReference, is_engine_name
from .archive import archive, write_archive
from .atomic import writing
from .compress import Compression
from .layout import write_layout
from .new_image import Attachment, Named, PackedImage, Progress, silent

_FORMS = "PATH.tar, a directory, registry://HOST/NAME:TAG or ENGINE://NAME:TAG"


class ImageTaker(Protocol):
    """An engine, as far as new images go."""

    @property
    def name(self) -> str: ...

    def status(self) -> EngineStatus:
        """See :meth:`cntr_core.Engine.status`."""

    def import_image(self, archive: Iterable[bytes]) -> None:
        """See :meth:`cntr_core.Engine.import_image`."""


class Destination(ABC):
    """A place for images."""

    compression: Compression = Compression.GZIP
    """What suits it best, where the user has no wish."""

    @abstractmethod
    def check(self) -> None:
        """Find out, before long work, whether images can come here, as far as that can be told without one.

        :raises ImageError: it cannot be written, or reached, or refuses.
        :raises EngineError: the engine cannot be asked.
        """

    @abstractmethod
    def save(self, images: Sequence[Named], progress: Progress = silent) -> None:
        """Put `images` there, each under its own name; where that is empty, under the one that the destination has.

        :raises ImageError: it cannot be written, or reached, or refuses; a file or directory is then as before.
        :raises EngineError: the engine does not take it.
        """

    def attach(self, image: PackedImage, documents: Sequence[Attachment]) -> None:  # noqa: B027 - most places have no room
        """Put `documents` about `image`, which was saved here, where they are found by it; nothing where there is no
        such place.

        :raises ImageError: it cannot be reached, or refuses.
        """


def parse_destination(text: str, engines: Sequence[ImageTaker] = (), source: str = "") -> Destination:
    """The place that `text` means: ``PATH.tar``, ``DIRECTORY``, ``registry://HOST/NAME:TAG``, ``ENGINE://NAME:TAG``.

    `source` is where the images come from: what a registry has there need not be sent to it again, and no archive takes
    its place.

    :raises UsageError: it means nothing, or is the archive that is the source.
    """
    scheme, separator, name = text.partition("://")
    if not text:
        raise UsageError("the destination is empty", f"write {_FORMS}")
    if not separator:
        return _path(text, source)
    if scheme == "registry":
        return RegistryDestination(RegistryReference.parse(text), _mountable(text, source))
    for engine in engines:
        if engine.name == scheme:
            return EngineDestination(engine, _engine_name(name))
    known = ", ".join(["registry", *sorted(engine.name for engine in engines)])
    raise UsageError(f"unknown destination '{scheme}://'", f"choose from {known}, or write a path")


def _engine_name(name: str) -> str:
    if not is_engine_name(name):
        raise UsageError(
            f"'{name}' is not a valid name for an image of an engine", "write NAME:TAG, in lower-case letters"
        )
    return name


def _path(text: str, source: str) -> Destination:
    if os.path.isdir(text):
        return LayoutDestination(text)
    parent = os.path.dirname(os.path.abspath(text))
    if not os.path.isdir(parent):
        raise UsageError(f"there is no directory {parent} to write to", "create it first")
    if text.endswith(".tar"):
        _refuse_to_replace(text, source)
        return ArchiveDestination(text)
    if os.path.exists(text):
        raise UsageError(f"{text} is a file whose name is not that of an archive", f"write {_FORMS}")
    return LayoutDestination(text)


def _refuse_to_replace(path: str, source: str) -> None:
    file, _ = locate(source)
    if file and os.path.exists(path) and os.path.samefile(path, file):
        raise UsageError(f"{path} is the source of the image, and would be overwritten", "write to another file")


def _mountable(text: str, source: str) -> tuple[str, ...]:
    if not source.startswith("registry://"):
        return ()
    here, there = RegistryReference.parse(text), RegistryReference.parse(source)
    return (there.name,) if there.host == here.host and there.name != here.name else ()


def check_writable(directory: str) -> None:
    with writing(directory), tempfile.TemporaryFile(dir=directory):
        pass


@dataclass(frozen=True, slots=True)
class ArchiveDestination(Destination):
    """A new archive, an OCI and a docker archive in one."""

    path: str

    def check(self) -> None:
        check_writable(os.path.dirname(os.path.abspath(self.path)))

    def save(self, images: Sequence[Named], progress: Progress = silent) -> None:
        write_archive(self.path, images, progress)


@dataclass(frozen=True, slots=True)
class LayoutDestination(Destination):
    """An OCI layout, new or there already."""

    path: str

    def check(self) -> None:
        path = os.path.abspath(self.path)
        check_writable(path if os.path.isdir(path) else os.path.dirname(path))

    def save(self, images: Sequence[Named], progress: Progress = silent) -> None:
        write_layout(self.path, images, progress)


@dataclass(frozen=True, slots=True)
class EngineDestination(Destination):
    """An engine's own store."""

    engine: ImageTaker
    name: str
    compression = Compression.NONE  # it unpacks them at once

    def check(self) -> None:
        status = self.engine.status()
        if not status.available:
            raise EngineError(status.detail, status.hint)

    def save(self, images: Sequence[Named], progress: Progress = silent) -> None:
        named = [(_engine_name(name or self.name), image) for name, image in images]
        self.engine.import_image(archive(named, progress))


@dataclass(frozen=True, slots=True)
class RegistryDestination(Destination):
    """A repository of a registry, where the tag of an image's name counts, or all of it where that is no more."""

    reference: RegistryReference
    mount_from: tuple[str, ...] = ()

    def check(self) -> None:
        from ..registry.push import check_push

        check_push(self.reference)

    def save(self, images: Sequence[Named], progress: Progress = silent) -> None:
        from ..registry.push import push  # and with it the HTTP client

        tagged = [(name.rpartition(":")[2], image) for name, image in images]
        push(self.reference, tagged, progress, self.mount_from)

    def attach(self, image: PackedImage, documents: Sequence[Attachment]) -> None:
        from ..registry.push import attach

        attach(self.reference, image.descriptor, documents)
