"""Writing OCI image layouts, new ones and into those that are there."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Any

from ...errors import ImageError
from ...kernel.paths import open_in_root
from ..read.blobs import Blobs, DirectoryBlobs
from ..read.layout import is_layout, read_document
from . import documents, index
from .atomic import new_directory, new_file, opened_directory, remove_leftovers, writing
from .new_image import Blob, Named, Progress, parts, silent

_BLOBS = "blobs/sha256"


def write_layout(path: str, images: Sequence[Named], progress: Progress = silent) -> None:
    """Write `images` into the OCI layout at `path`, each under its name; the layout is made where there is none.

    Whatever else a layout holds stays, as do the images for other platforms that have the same name. Either all
    `images` are added or none.

    :raises ImageError: `path` is something else, or damaged, or cannot be written.
    """
    with writing(path):
        if os.path.isdir(path) and os.listdir(path):
            with opened_directory(path) as directory:
                fcntl.flock(directory, fcntl.LOCK_EX)  # against other runs of ours
                _add(path, directory, images, progress)
            return
        with new_directory(path) as partial, opened_directory(partial) as directory:
            os.makedirs(os.path.join(partial, _BLOBS))
            _write(directory, "oci-layout", documents.LAYOUT_MARK)
            _write(directory, "index.json", documents.dump(documents.index()))
            _add(partial, directory, images, progress)


def _add(path: str, directory: int, images: Sequence[Named], progress: Progress) -> None:
    blobs = DirectoryBlobs(path)
    try:
        if not is_layout(blobs):
            raise ImageError(f"{path} is a directory with other files in it", "name a new or an empty directory")
        with _Additions(directory) as additions:
            for blob in parts(images):
                additions.add(blob, progress)
            top = _merged(blobs, images, additions)
            additions.finish()
            _write(directory, "index.json", documents.dump(top))
    finally:
        blobs.close()


def _merged(blobs: Blobs, images: Sequence[Named], additions: _Additions) -> documents.Document:
    top = index.parse(blobs.read("index.json"), "index.json")
    for name, image in images:
        top, new = index.put(top, name, image.descriptor, lambda one: read_document(blobs, one))
        for blob in new:
            additions.add(blob, silent)
    return top


class _Additions:
    """Blobs that are added to a layout: they get their names all at once, by :meth:`finish`, and lose them again
    unless the ``with`` block ends well."""

    def __init__(self, layout: int) -> None:
        # A layout is untrusted: a link must not lead us out of it.
        self._directory = open_in_root(layout, _BLOBS, os.O_RDONLY | os.O_DIRECTORY)
        self._unnamed = ExitStack()
        self._names: list[str] = []
        remove_leftovers(self._directory)

    def __enter__(self) -> _Additions:
        return self

    def __exit__(self, *failure: Any) -> None:
        try:
            self._unnamed.__exit__(*failure)
            for name in self._names if failure[0] else ():
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=self._directory)
        finally:
            os.close(self._directory)

    def add(self, blob: Blob, progress: Progress) -> None:
        """Add the blob unless it is there."""
        name = os.path.basename(blob.path)
        if self._has(name, blob.descriptor.size):
            progress("writing", blob.descriptor.size)
            return
        target = self._unnamed.enter_context(new_file(name, self._directory))
        for piece in blob.pieces("writing", progress):
            target.write(piece)
        target.flush()
        self._names.append(name)

    def finish(self) -> None:
        """Give all blobs their names."""
        self._unnamed.close()

    def _has(self, name: str, size: int) -> bool:
        try:
            return os.stat(name, dir_fd=self._directory, follow_symlinks=False).st_size == size
        except FileNotFoundError:
            return False


def _write(directory: int, name: str, content: bytes) -> None:
    with new_file(name, directory) as file:
        file.write(content)
