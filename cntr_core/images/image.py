"""Opening an image, whatever it comes as."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol, Self

from ..errors import CntrError, ImageError
from .beside import locate
from .blobs import ArchiveBlobs, Blobs, DirectoryBlobs, open_archive, spooled_archive
from .docker_archive import is_docker_archive, read_docker_archive
from .layout import is_layout, read_layout
from .streams import Budget, Checked, Reader, Window, decompressed, is_compressed
from .values import ImageConfig, Layer, Platform


class ImageHolder(Protocol):
    """An engine, as far as images go."""

    @property
    def name(self) -> str: ...

    def export_image(self, name: str) -> Iterable[bytes] | None:
        """See :meth:`cntr_core.Engine.export_image`."""


class LayerTar:
    """The plain tar of a layer. :meth:`finish` reads what is left and compares all digests."""

    def __init__(self, blob: Reader, layer: Layer, budget: Budget) -> None:
        self._blob = Checked(blob, "it", layer.digest, layer.size)
        plain, _ = decompressed(self._blob)
        # An uncompressed blob's digest is the tar's: once is enough.
        diff_id = layer.diff_id if layer.diff_id != layer.digest else ""
        self._tar = Checked(plain, "its tar", diff_id, budget=budget)

    def read(self, size: int, /) -> bytes:
        return self._tar.read(size)

    def finish(self) -> None:
        """:raises ImageError: a size or digest is not what the image says."""
        self._tar.finish()
        self._blob.finish()


@dataclass(frozen=True, slots=True)
class Image:
    """An opened image: a context manager that owns its source. `digest` is the manifest's, "" where none
    is."""

    reference: str
    config: ImageConfig
    layers: tuple[Layer, ...]
    blobs: Blobs
    digest: str = ""

    def open_layer(self, layer: Layer, budget: Budget) -> LayerTar:
        """The layer's tar, decompressed and checked on the way.

        :raises ImageError: here or while reading, the blob is missing, corrupt or too large.
        """
        return LayerTar(self.blobs.open(layer.blob), layer, budget)

    def plain_layer(self, layer: Layer) -> Window | None:
        """Where the layer's tar lies plain in an open file, which this image owns; None where it is compressed.

        :raises ImageError: the blob is missing.
        """
        blob = self.blobs.open(layer.blob)
        return blob if isinstance(blob, Window) and not is_compressed(blob) else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.blobs.close()


Source = Callable[[str], Blobs]
"""Gives the parts of the image that a reference means, as those of a layout or an archive; :raises ImageError: it has
no such image."""


def open_image(
    reference: str,
    *,
    platform: Platform | None = None,
    engines: Sequence[ImageHolder] = (),
    sources: Mapping[str, Source] = MappingProxyType({}),
) -> Image:
    """Open an image by path, or by a name that one of `engines` knows, or one of `sources` by ``SCHEME://NAME``.

    A path is that of an OCI layout (directory or tar), a docker archive, or a tar of a root directory;
    where an archive holds several images, ``PATH:NAME`` chooses one. Archives may be compressed with gzip,
    zstd or xz. `platform` is this machine's where none is given.

    :raises ImageError: there is no such image, it is damaged, or it is for another platform.
    """
    with _about(reference):
        blobs, tag = _open(reference, engines, sources)
        try:
            return _read(reference, blobs, tag, platform or Platform.host())
        except BaseException:
            blobs.close()
            raise


def _open(reference: str, engines: Sequence[ImageHolder], sources: Mapping[str, Source]) -> tuple[Blobs, str]:
    """The parts, and which of several images is meant."""
    scheme, separator, name = reference.partition("://")
    if separator and scheme in sources:
        return sources[scheme](name), ""
    path, tag = locate(reference)
    if not path:
        return _exported(reference, engines), ""
    return DirectoryBlobs(path) if os.path.isdir(path) else open_archive(path), tag


_HINT = "Give the path of an OCI layout, an OCI or docker archive, or a tar of a root directory."


@contextmanager
def _about(reference: str) -> Iterator[None]:
    try:
        yield
    except ImageError as error:
        raise ImageError(f"image {reference}: {error.message}", error.hint or _HINT) from error


def _exported(reference: str, engines: Sequence[ImageHolder]) -> Blobs:
    if reference.startswith(("/", ".")):
        raise ImageError("no such file or directory")
    answers = []
    for engine in engines:
        try:
            pieces = engine.export_image(reference)
        except CntrError as error:
            answers.append(f"{engine.name}: {error.message}")
            continue
        if pieces is not None:
            return spooled_archive(pieces)
        answers.append(f"{engine.name}: no such image")
    raise ImageError(
        "there is no such file, and no engine holds it" + (f" ({'; '.join(answers)})" if answers else ""),
        _HINT,
    )


def _read(reference: str, blobs: Blobs, tag: str, platform: Platform) -> Image:
    if is_layout(blobs):
        digest, config, layers = read_layout(blobs, tag, platform)
        return Image(reference, config, layers, blobs, digest)
    if is_docker_archive(blobs):
        config, layers = read_docker_archive(blobs, tag, platform)
        return Image(reference, config, layers, blobs)
    if not isinstance(blobs, ArchiveBlobs):
        raise ImageError(
            "the directory is no OCI layout (it has no oci-layout and index.json)",
            "For a root directory, make a tar of it.",
        )
    return Image(reference, ImageConfig(platform), (Layer("root.tar"),), blobs.whole())
