"""The plain tars of an image's layers: where they are, or decompressed once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from ...errors import about
from ..image import Image
from ..read.blobs import spool_directory, spool_verified
from ..streams import Budget, Counter
from ..tar.plain import PlainTar
from ..values import Layer
from .store import CachedLayers


@contextmanager
def plain_tars(
    image: Image, titles: Sequence[str], store: CachedLayers | None, progress: Counter, budget: Budget | None
) -> Iterator[Sequence[PlainTar]]:
    """The tars of all layers, the lowest first, every digest verified. They stay readable while the context is open.

    A compressed layer goes to the `store`, or to a temporary file where there is none; another is read where it is, so
    nobody may change the image's file meanwhile. `budget` is for all bytes; where none is given, what is decompressed
    must fit into the temporary directory. `titles` name the layers in errors.

    :raises ImageError: a layer is damaged; the message names it.
    """
    room = budget or Budget.of_filesystem(spool_directory())
    with ExitStack() as stack:
        tars = []
        for title, layer in zip(titles, image.layers, strict=True):
            with about(f"image {image.reference}: {title}"):
                tars.append(_plain_tar(image, layer, store, budget, room, stack, progress))
        yield tars


def _plain_tar(
    image: Image,
    layer: Layer,
    store: CachedLayers | None,
    budget: Budget | None,
    room: Budget,
    stack: ExitStack,
    progress: Counter,
) -> PlainTar:
    fd = store.find(layer.diff_id) if store else None
    if fd is None:
        if (window := image.plain_layer(layer)) is not None:
            image.open_layer(layer, budget or Budget.unlimited(), progress).finish()
            return PlainTar(window.fd, window.offset, window.size)
        tar = image.open_layer(layer, room, progress)
        fd = store.add(layer.diff_id, tar) if store else spool_verified(tar)
    stack.callback(os.close, fd)
    return PlainTar(fd, 0, os.fstat(fd).st_size)
