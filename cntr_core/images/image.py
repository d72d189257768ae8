"""An opened image: its configuration, and its layers as tars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from .read.blobs import Blobs
from .streams import Budget, Checked, Counted, Counter, Reader, Window, decompressed, is_compressed, uncounted
from .values import ImageConfig, Layer


class LayerTar:
    """The plain tar of a layer. :meth:`finish` reads what is left and compares all digests; `progress` is told how many
    more bytes of the tar were read."""

    def __init__(self, blob: Reader, layer: Layer, budget: Budget, progress: Counter) -> None:
        self._blob = Checked(blob, "it", layer.digest, layer.size)
        plain, _ = decompressed(self._blob)
        # An uncompressed blob's digest is the tar's: once is enough.
        diff_id = layer.diff_id if layer.diff_id != layer.digest else ""
        self._tar = Checked(Counted(plain, progress), "its tar", diff_id, budget=budget)

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

    def open_layer(self, layer: Layer, budget: Budget, progress: Counter = uncounted) -> LayerTar:
        """The layer's tar, decompressed and checked on the way.

        :raises ImageError: here or while reading, the blob is missing, corrupt or too large.
        """
        return LayerTar(self.blobs.open(layer.blob), layer, budget, progress)

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
