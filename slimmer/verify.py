"""Proving a pair: the slim image's files are the original's, and both images together give the original back."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from cntr_core.errors import ImageError
from cntr_core.images.tar.index import Entry
from cntr_core.images.tar.members import quoted
from cntr_core.images.tar.plain import PlainTar
from cntr_core.images.tree.layers import OpenLayers
from cntr_core.images.tree.tree import Directory, File
from cntr_core.images.write.new_image import PlainLayer
from cntr_core.kernel.syscall import owned

from .split.divide import join
from .split.pair import Pair

_log = logging.getLogger(__name__)

# Where a member's records are is no property of the file, and its path is that of one of its names.
_PLACES = ("path", "start", "data", "end")


@contextmanager
def open_plain(layers: Sequence[PlainLayer]) -> Iterator[OpenLayers]:
    """Layers that were just written, read back."""
    with ExitStack() as stack:
        tars = []
        for layer in layers:
            fd = stack.enter_context(owned(os.open(layer.path, os.O_RDONLY | os.O_CLOEXEC)))
            tars.append(PlainTar(fd, 0, layer.size))
        yield OpenLayers.of(tars)


def check_files(slim: OpenLayers, original: OpenLayers) -> None:
    """Compare every file of the slim image with the original's: type, mode, owner, time, attributes, links, and by
    the layer's digest the content.

    :raises ImageError: one differs, which would be a fault of ours.
    """
    _log.debug("comparing the slim image's files with the original's")
    for name in slim.tree.walk():
        try:
            there = original.tree.resolve(name.path, follow=False).file
        except OSError:
            raise ImageError(f"the slim image has {quoted(name.path)}, which the original lacks") from None
        if _described(name.file) != _described(there):
            raise ImageError(f"{quoted(name.path)} differs between the slim image and the original")


def _described(file: File) -> tuple[list[object], list[bytes]]:
    names = [] if isinstance(file, Directory) else sorted(name.path for name in file.names)
    return [getattr(file.entry, field) for field in Entry._fields if field not in _PLACES], names


def check_join(pair: Pair) -> None:
    """Join a pair that was just made, without keeping the result.

    :raises ImageError: it is not the original: somebody wrote to that meanwhile.
    """
    with ExitStack() as stack:
        for number, (theirs, layer) in enumerate(zip(pair.fat.layers, pair.split_map.layers, strict=False)):
            if number == 0 or not pair.split_map.squashed:
                one = stack.enter_context(open(pair.slim.layers[number].path, "rb"))
            with open(theirs.path, "rb") as other:
                _check_layer(number + 1, join(one, other, layer))


def _check_layer(number: int, pieces: Iterable[bytes]) -> None:
    try:
        for _ in pieces:
            pass
    except ImageError as error:
        sentence = f"layer {number} changed while it was read ({error.message})"
        raise ImageError(sentence, "make sure that nothing writes to the image's file, and run again") from error
