"""The plain tars of an image's layers: where they are, or decompressed once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from ...errors import ImageError
from .. import Budget, Image, Layer
from ..read.blobs import spool, spool_directory
from ..streams import Reader
from ..tar.plain import PlainTar

Progress = Callable[[int], None]
"""Told how many more bytes were read."""


@contextmanager
def plain_tars(image: Image, progress: Progress | None = None) -> Iterator[Sequence[PlainTar]]:
    """The tars of all layers, the lowest first, every digest verified. They stay readable while the context is open.

    A compressed layer goes to a nameless temporary file; another is read where it is, so nobody may change the image's
    file meanwhile.

    :raises ImageError: a layer is damaged; the message names it.
    """
    budget = Budget.of_filesystem(spool_directory())
    with ExitStack() as stack:
        yield [
            _plain_tar(image, number, layer, budget, stack, progress) for number, layer in enumerate(image.layers, 1)
        ]


def _plain_tar(
    image: Image, number: int, layer: Layer, budget: Budget, stack: ExitStack, progress: Progress | None
) -> PlainTar:
    try:
        window = image.plain_layer(layer)
        tar = image.open_layer(layer, budget if window is None else Budget.unlimited())
        counted = _Counted(tar, progress)
        if window is not None:
            counted.drain()
            tar.finish()
            return PlainTar(window.fd, window.offset, window.size)
        fd = spool(counted)
        stack.callback(os.close, fd)
        tar.finish()
        return PlainTar(fd, 0, os.fstat(fd).st_size)
    except ImageError as error:
        raise ImageError(f"image {image.reference}: layer {number} ({layer}): {error.message}", error.hint) from error


class _Counted:
    """Passes bytes through, and tells how many."""

    def __init__(self, source: Reader, progress: Progress | None) -> None:
        self._source = source
        self._progress = progress

    def read(self, size: int, /) -> bytes:
        data = self._source.read(size)
        if self._progress is not None:
            self._progress(len(data))
        return data

    def drain(self) -> None:
        while self.read(1 << 20):
            pass
