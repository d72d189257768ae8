"""A new image as values: what somebody wants to be written, and that same image ready for any destination."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import BinaryIO

from ..read.layout import blob_path
from ..streams import CHUNK, Checked, digest_of
from ..values import Descriptor, Platform

Progress = Callable[[str, int], None]
"""Called with what is done just now ("compressing", "writing", "uploading") and how many more bytes of it are done;
less than 0 where bytes must be done again."""


def silent(_what: str, _size: int) -> None:
    """A :data:`Progress` that shows nothing."""


@dataclass(frozen=True, slots=True)
class PlainLayer:
    """An uncompressed layer tar in the file `path`; `diff_id` is its digest, `size` its bytes."""

    path: str
    diff_id: str
    size: int

    @classmethod
    def of_file(cls, path: str) -> PlainLayer:
        """The layer in the file at `path`, which is read once for its digest."""
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return cls(path, f"sha256:{digest}", os.fstat(file.fileno()).st_size)


@dataclass(frozen=True, slots=True)
class NewImage:
    """An image to be written. `config` is the configuration's JSON, byte for byte; `annotations` go into the manifest,
    and `subject` is the manifest that this image belongs to (image-spec 1.1): a fat image's is the slim one's."""

    config: bytes
    layers: tuple[PlainLayer, ...]
    annotations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    subject: Descriptor | None = None


@dataclass(frozen=True, slots=True)
class Blob:
    """A part of an image, wherever it goes: `content` is a document's bytes, or the path of a file."""

    descriptor: Descriptor
    content: bytes | str

    @classmethod
    def of_bytes(
        cls,
        content: bytes,
        media_type: str,
        platform: Platform | None = None,
        annotations: Mapping[str, str] = MappingProxyType({}),
    ) -> Blob:
        """A document."""
        return cls(Descriptor(media_type, digest_of(content), len(content), platform, annotations), content)

    def open(self) -> BinaryIO:
        """A stream of its bytes, which the caller closes; :raises OSError: the file is gone."""
        return io.BytesIO(self.content) if isinstance(self.content, bytes) else open(self.content, "rb")

    def read(self) -> bytes:
        """All its bytes: for documents, which are small."""
        with self.open() as file:
            return file.read()

    def pieces(self, what: str, progress: Progress) -> Iterator[bytes]:
        """Its bytes, told to `progress` as `what`.

        :raises ImageError: its file is not what its descriptor says; that may be told behind the last piece only.
        """
        with self.open() as file:
            digest, size = self.descriptor.digest, self.descriptor.size
            source = Checked(file, f"blob {digest}", digest, size)
            while data := source.read(CHUNK):
                yield data
                progress(what, len(data))
            source.finish()

    @property
    def path(self) -> str:
        """Its name below the root of an image layout."""
        return blob_path(self.descriptor.digest)


@dataclass(frozen=True, slots=True)
class PackedImage:
    """An image whose parts are final, as :func:`~.pack.pack` makes it; its layers' files belong to the caller."""

    manifest: Blob
    config: Blob
    layers: tuple[Blob, ...]
    subject: Descriptor | None = None

    @property
    def descriptor(self) -> Descriptor:
        """The manifest's, with the platform: what an index lists, and a fat image names as its subject."""
        return self.manifest.descriptor

    @property
    def platform(self) -> Platform:
        """What the image runs on."""
        assert self.descriptor.platform is not None
        return self.descriptor.platform


@dataclass(frozen=True, slots=True)
class Attachment:
    """A document about an image, that is to be found by it: its file's `name`, its media type, its `content`."""

    name: str
    media_type: str
    content: bytes


Named = tuple[str, PackedImage]
"""An image, and what it is to be called at its destination."""


def parts(images: Sequence[Named]) -> Iterator[Blob]:
    """All blobs of `images`, each once: layers first, and every manifest behind what it names."""
    seen = set()
    for _, image in images:
        for blob in (*image.layers, image.config, image.manifest):
            if blob.descriptor.digest not in seen:
                seen.add(blob.descriptor.digest)
                yield blob
