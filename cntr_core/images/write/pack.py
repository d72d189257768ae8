"""From a new image to its final parts: layers compressed, manifest written, all digests known."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import IO

from ...errors import ImageError
from ..streams import Checked, Counted, Window
from ..values import CONFIG, MANIFEST, Descriptor, ImageConfig
from . import documents
from .atomic import writing
from .compress import Compression, compress
from .new_image import Blob, NewImage, PackedImage, PlainLayer, Progress, silent


def pack(
    image: NewImage,
    directory: str,
    compression: Compression = Compression.GZIP,
    progress: Progress = silent,
) -> PackedImage:
    """Make the parts of `image`; compressed layers become files in `directory`, which the caller removes.

    The same image and compression give the same digests. Uncompressed layers stay where they are, and are proved to be
    what their diff_id says when they are written somewhere.

    :raises ImageError: a layer's file is not what its diff_id says, the configuration names other layers, or
        there is no room.
    """
    config = ImageConfig.parse(image.config)
    if config.diff_ids != tuple(layer.diff_id for layer in image.layers):
        raise ImageError("the new image's configuration does not name the layers that it has")
    layers = tuple(_pack_layer(layer, directory, compression, progress) for layer in image.layers)
    packed_config = Blob.of_bytes(image.config, CONFIG)
    return PackedImage(_manifest(image, config, packed_config, layers), packed_config, layers, image.subject)


def _manifest(image: NewImage, config: ImageConfig, packed_config: Blob, layers: Sequence[Blob]) -> Blob:
    described = [layer.descriptor for layer in layers]
    manifest = documents.manifest(packed_config.descriptor, described, image.annotations, image.subject)
    return Blob.of_bytes(documents.dump(manifest), MANIFEST, config.platform, image.annotations)


def _pack_layer(layer: PlainLayer, directory: str, compression: Compression, progress: Progress) -> Blob:
    if compression is Compression.NONE:
        return Blob(Descriptor(compression.media_type, layer.diff_id, layer.size), layer.path)
    with open(layer.path, "rb") as file, _new_file(directory) as target:
        plain = Checked(Window(file.fileno(), 0, layer.size + 1), f"layer {layer.path}", layer.diff_id, layer.size)
        digest, size = compress(Counted(plain, partial(progress, "compressing")), target, compression)
        plain.finish()
    return Blob(Descriptor(compression.media_type, digest, size), target.name)


@contextmanager
def _new_file(directory: str) -> Iterator[IO[bytes]]:
    """A file with a name of its own, which goes if it cannot be completed."""
    with writing(directory), tempfile.NamedTemporaryFile("wb", prefix="layer-", dir=directory, delete=False) as file:
        try:
            yield file
            file.flush()
        except BaseException:
            os.unlink(file.name)
            raise
