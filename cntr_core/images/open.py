"""Opening an image, wherever it is and in whichever form."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from ..errors import CntrError, EngineAbsent, ImageError, some
from .image import Image
from .limits import MOST_LAYERS
from .location import locate
from .read.blobs import ArchiveBlobs, Blobs, DirectoryBlobs, open_archive, spooled_archive
from .read.docker_archive import is_docker_archive, read_docker_archive
from .read.layout import is_layout, read_layout
from .streams import Counter, uncounted
from .values import ImageConfig, Layer, Platform

_HINT = "give the path of an OCI layout, an OCI or docker archive, or a tar of a root directory"


class ImageHolder(Protocol):
    """An engine, as far as images go."""

    @property
    def name(self) -> str: ...

    def export_image(self, name: str) -> Iterable[bytes] | None:
        """See :meth:`cntr_core.Engine.export_image`."""


def open_image(
    reference: str,
    *,
    platform: Platform | None = None,
    engines: Sequence[ImageHolder] = (),
    progress: Counter = uncounted,
) -> Image:
    """Open the image that `reference` means:

    - a path: of an OCI layout (directory or tar), a docker archive, or a tar of a root directory; archives may be
      compressed with gzip, zstd or xz, and where one holds several images, ``PATH:NAME`` chooses one,
    - ``registry://HOST[:PORT]/NAME[:TAG|@DIGEST]``,
    - ``ENGINE://NAME``, of one of `engines`,
    - else a name that any of `engines` knows.

    `platform` is this machine's where none is given. `progress` is told how many more bytes an engine gave.

    :raises ImageError: there is no such image, it is damaged or for another platform, or a registry refuses.
    :raises EngineError: the engine of an ``ENGINE://NAME`` cannot give it.
    """
    with _about(reference):
        blobs, tag = _find(reference, engines, progress)
        try:
            return _read(reference, blobs, tag, platform or Platform.host())
        except BaseException:
            blobs.close()
            raise


def _find(reference: str, engines: Sequence[ImageHolder], progress: Counter) -> tuple[Blobs, str]:
    """The parts, and which of several images is meant."""
    scheme, separator, name = reference.partition("://")
    if separator and scheme == "registry":
        from .registry.pull import open_registry  # and with it the HTTP client, which most runs do not need

        return open_registry(name), ""
    for engine in engines:
        if separator and scheme == engine.name:
            return _of_engine(engine, name, progress), ""
    path, tag = locate(reference)
    if not path:
        return _of_any_engine(reference, engines, progress), ""
    return DirectoryBlobs(path) if os.path.isdir(path) else open_archive(path), tag


@contextmanager
def _about(reference: str) -> Iterator[None]:
    try:
        yield
    except ImageError as error:
        raise ImageError(f"image {reference}: {error.message}", error.hint or _HINT) from error


def _of_engine(engine: ImageHolder, name: str, progress: Counter) -> Blobs:
    pieces = engine.export_image(name)
    if pieces is None:
        raise ImageError(f"{engine.name} has no such image", f"see the images of {engine.name}")
    return spooled_archive(pieces, progress)


def _of_any_engine(reference: str, engines: Sequence[ImageHolder], progress: Counter) -> Blobs:
    if reference.startswith(("/", ".")):
        raise ImageError("no such file or directory")
    if reference == "-":
        raise ImageError("an image is not read from the standard input", "write it to a file, and give its path")
    failed = []
    for engine in engines:
        try:
            pieces = engine.export_image(reference)
        except EngineAbsent:
            continue
        except CntrError as error:
            failed.append(f"{engine.name}: {error.message}")
            continue
        if pieces is not None:
            return spooled_archive(pieces, progress)
    raise ImageError(
        "no such file, and no engine has such an image" + (f" ({some(failed)})" if failed else ""),
        _HINT,
    )


def _read(reference: str, blobs: Blobs, tag: str, platform: Platform) -> Image:
    if is_layout(blobs) or is_docker_archive(blobs):
        digest, config, layers = (read_layout if is_layout(blobs) else read_docker_archive)(blobs, tag, platform)
        if len(layers) > MOST_LAYERS:
            raise ImageError(f"it has {len(layers)} layers, and at most {MOST_LAYERS} are read")
        return Image(reference, config, layers, blobs, digest)
    if not isinstance(blobs, ArchiveBlobs):
        raise ImageError(
            "the directory is not an OCI layout (it has no oci-layout and index.json)",
            "for a root directory, make a tar of it",
        )
    return Image(reference, ImageConfig(platform), (Layer("root.tar"),), blobs.whole())
