"""What was unpacked or decompressed of images, kept by content: the next session with the same image need not do it.

A tree appears under its name complete or not at all. Whatever an interrupted run left is removed by the next one.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from .. import leftovers
from ..kept import cache_directory, private_directory
from ..room import room
from .image import Image
from .tree.extract import unpack
from .tree.layers import OpenLayers, open_layers
from .tree.remove import remove_tree
from .tree.store import CachedLayers

_PARTIAL = ".partial-"


@contextmanager
def layers_of(image: Image) -> Iterator[OpenLayers]:
    """The image's layers, open and merged. Those that had to be decompressed are kept.

    :raises ImageError: as :func:`open_layers` does.
    """
    with open_layers(image, store=CachedLayers(os.path.join(cache_directory(), "layers"))) as layers:
        yield layers


def unpacked(image: Image) -> str:
    """The directory that holds the image's root, for reading only.

    :raises ImageError: as :func:`unpack` does.
    """
    trees = os.path.join(cache_directory(), "trees")
    tree = os.path.join(trees, _key(image))
    with room(trees, "CNTR_CACHE_DIR"):
        private_directory(trees)
        with open(os.path.join(trees, ".lock"), "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not os.path.isdir(tree):
                _add(image, trees, tree)
    return tree


def _add(image: Image, trees: str, tree: str) -> None:
    """Called with the lock held, so that any partial tree is a dead one."""
    for name in os.listdir(trees):
        if name.startswith(_PARTIAL):
            remove_tree(os.path.join(trees, name))
    partial = os.path.join(trees, f"{_PARTIAL}{os.path.basename(tree)}-{secrets.token_hex(6)}")
    leftovers.note(partial)
    unpack(image, partial)
    os.rename(partial, tree)
    leftovers.forget(partial)


def _key(image: Image) -> str:
    """A name for the content: by the image's own digests, and for a bare root, which has none, by its file."""
    content = hashlib.sha256(image.config.raw)
    for layer in image.layers:
        content.update(f"{layer.diff_id} {layer.digest}\n".encode())
        if not layer.diff_id and not layer.digest:
            status = os.stat(image.reference)
            content.update(f"{status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns}\n".encode())
    return content.hexdigest()
