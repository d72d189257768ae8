"""An OCI archive and a docker archive in one file, which every engine loads."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator, Sequence

from ..registry.reference import is_engine_name
from ..values import Descriptor, Platform
from . import documents, index
from .atomic import replacing
from .new_image import Blob, Named, PackedImage, Progress, parts, silent


def write_archive(path: str, images: Sequence[Named], progress: Progress = silent) -> None:
    """Write `images` into a new archive, which replaces a file at `path`.

    :raises ImageError: it cannot be written; then nothing of it is left, and the old file is.
    """
    with replacing(path) as file:
        for piece in archive(images, progress):
            file.write(piece)


def archive(images: Sequence[Named], progress: Progress = silent) -> Iterator[bytes]:
    """The archive of `images` in pieces: ``oci-layout`` and ``index.json`` for some readers, ``manifest.json`` for
    others, and the blobs for all. The same images give the same bytes.

    :raises OSError: a layer's file is gone.
    """
    indexes, top = _index(images)
    written = {
        "oci-layout": documents.LAYOUT_MARK,
        "index.json": documents.dump(top),
        "manifest.json": documents.dump(_docker_manifest(images)),
    }
    for name, content in written.items():
        yield from _member(name, len(content), [content])
    for blob in (*parts(images), *indexes):
        yield from _member(blob.path, blob.descriptor.size, blob.pieces("writing", progress))
    yield bytes(2 * tarfile.BLOCKSIZE)  # the end mark


def _index(images: Sequence[Named]) -> tuple[list[Blob], documents.Document]:
    top = documents.index()
    made: dict[str, Blob] = {}

    def fetch(wanted: Descriptor) -> bytes:
        return made[wanted.digest].read()

    for name, image in images:
        top, new = index.put(top, name, image.descriptor, fetch)
        made |= {blob.descriptor.digest: blob for blob in new}
    named = {entry["digest"] for entry in top["manifests"]}
    return [blob for digest, blob in made.items() if digest in named], top


def _docker_manifest(images: Sequence[Named]) -> list[documents.Document]:
    """What ``docker load`` reads; it knows one platform of a name."""
    chosen: dict[str, PackedImage] = {}
    for name, image in images:
        if name not in chosen or Platform.host().runs(image.platform):
            chosen[name] = image
    return [
        {
            "Config": image.config.path,
            "RepoTags": [_tagged(name)] if is_engine_name(name) else None,
            "Layers": [layer.path for layer in image.layers],
        }
        for name, image in chosen.items()
    ]


def _tagged(name: str) -> str:
    """Docker wants a tag, and means this one where there is none."""
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _member(name: str, size: int, pieces: Iterable[bytes]) -> Iterator[bytes]:
    member = tarfile.TarInfo(name)  # mode 0644, owner root, no time
    member.size = size
    yield member.tobuf(tarfile.PAX_FORMAT)
    yield from pieces
    yield bytes(-size % tarfile.BLOCKSIZE)
