"""New images for tests, from layers made member by member."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cntr_core.images import Budget, Image, open_image
from cntr_core.images.values import Descriptor
from cntr_core.images.write.compress import Compression
from cntr_core.images.write.new_image import NewImage, PackedImage, PlainLayer
from cntr_core.images.write.pack import pack
from tests.unit.images.layouts import ARCHITECTURE, digest, file, tar, write

ROOM = 1 << 40


def config(*layers: bytes, architecture: str = ARCHITECTURE, variant: str = "", **run: Any) -> bytes:
    """A configuration's JSON, with a field that no tool of ours knows."""
    document: dict[str, Any] = {
        "os": "linux",
        "architecture": architecture,
        "config": run,
        "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]},
        "unknown": "kept",
    }
    if variant:
        document["variant"] = variant
    return json.dumps(document, indent=3).encode()


def new_image(
    work: Path,
    *layers: bytes,
    annotations: Mapping[str, str] | None = None,
    subject: Descriptor | None = None,
    **fields: Any,
) -> NewImage:
    """The image of plain layer tars, which are written to `work`."""
    work.mkdir(exist_ok=True)
    paths = [write(work / digest(layer)[7:19], layer) for layer in layers]
    plain = tuple(map(PlainLayer.of_file, paths))
    return NewImage(config(*layers, **fields), plain, annotations or {}, subject)


def packed(work: Path, text: str, compression: Compression = Compression.GZIP, **fields: Any) -> PackedImage:
    """An image of one layer with one file, ``which``, that holds `text`."""
    return pack(new_image(work, tar(file("which", text.encode())), **fields), str(work), compression)


def layers(image: Image) -> list[bytes]:
    """The plain tars of an opened image, all of it checked; closes the image."""
    with image:
        return list(_layers(image))


def _layers(image: Image) -> Iterator[bytes]:
    for layer in image.layers:
        opened = image.open_layer(layer, Budget(ROOM, ROOM))
        content = b"".join(iter(lambda opened=opened: opened.read(1 << 16), b""))  # type: ignore[misc]
        opened.finish()
        yield content


def which(reference: object, **options: Any) -> str:
    """What an image of :func:`packed` says that it is, read from `reference`."""
    [layer] = layers(open_image(str(reference), **options))
    return text_of(layer)


def text_of(layer: bytes) -> str:
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        member = archive.extractfile("which")
        assert member is not None
        return member.read().decode()


def names(directory: Path) -> set[str]:
    """All files below `directory`, hidden ones too."""
    return {
        os.path.relpath(os.path.join(top, name), directory) for top, _, found in os.walk(directory) for name in found
    }
