"""Reading images from a registry, as if it were an image layout."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import ExitStack, closing
from types import MappingProxyType

import httpx

from ...errors import ImageError
from ..read.blobs import Blobs, spool_verified
from ..streams import CHUNK, Checked, Reader, Window
from ..values import INDEXES, MANIFESTS, Descriptor, Record
from ..write.documents import LAYOUT_MARK, describe, dump, index
from ..write.new_image import Blob
from .client import DELAYS, RegistryError, Repository, pause
from .reference import RegistryReference

_KNOWN = (*MANIFESTS, *INDEXES)
_ACCEPT = MappingProxyType({"Accept": ", ".join(_KNOWN)})


def open_registry(name: str) -> Blobs:
    """The parts of the image ``HOST[:PORT]/NAME[:TAG|@DIGEST]``.

    :raises ImageError: the registry cannot be reached, refuses, or has no such image.
    """
    repository = Repository(RegistryReference.parse(name))
    try:
        return RegistryBlobs(repository)
    except BaseException:
        repository.close()
        raise


def fetch_manifest(repository: Repository, target: str) -> Blob:
    """The manifest or index of a tag or digest; :raises ImageError: there is none, or it is not what it should be."""
    answer = repository.request("GET", f"manifests/{target}", headers=_ACCEPT)
    content = answer.content
    if ":" in target:
        Checked(io.BytesIO(content), f"manifest {target}", target).finish()
    media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
    if media_type not in _KNOWN:
        media_type = Record.parse(content, f"manifest {target}").text("mediaType") or media_type
    if media_type not in _KNOWN:
        raise ImageError(f"{repository.reference} is of the unknown type {media_type!r}")
    return Blob.of_bytes(content, media_type)


class RegistryBlobs(Blobs):
    """A repository of a registry as an image layout: its index is made up, and names the one image that is meant."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._expected: dict[str, Descriptor] = {}
        self._fetched: dict[str, int] = {}
        reference = repository.reference
        top = fetch_manifest(repository, reference.target)
        self._documents = {
            "oci-layout": LAYOUT_MARK,
            "index.json": dump(index([describe(top.descriptor)])),
        }
        self._keep(top.path, top)

    def open(self, name: str) -> Reader:
        if name in self._documents:
            return io.BytesIO(self._documents[name])
        digest = name.removeprefix("blobs/").replace("/", ":", 1)
        expected = self._expected.get(digest)
        if expected is None:
            raise ImageError(f"{name} is not part of the image")
        if expected.media_type in _KNOWN:
            self._keep(name, fetch_manifest(self._repository, digest))
            return self.open(name)
        if digest not in self._fetched:
            self._fetched[digest] = _fetch(self._repository, expected)
        return Window(self._fetched[digest], 0, expected.size)

    def __contains__(self, name: str) -> bool:
        return name in self._documents

    def close(self) -> None:
        for fd in self._fetched.values():
            os.close(fd)
        self._fetched.clear()
        self._repository.close()

    def _keep(self, name: str, document: Blob) -> None:
        """Keep a manifest or index as the part `name`, and note what it names: nothing else is ever asked for."""
        self._documents[name] = document.read()
        record = Record.parse(self._documents[name], f"manifest {document.descriptor.digest}")
        named = [*record.records("manifests"), *record.records("layers")]
        if config := record.record("config"):
            named.append(config)
        self._expected |= {one.digest: one for one in map(Descriptor.read, named)}


def _fetch(repository: Repository, expected: Descriptor) -> int:
    """A nameless file with the whole blob, checked."""
    with closing(_Download(repository, expected.digest)) as download:
        return spool_verified(Checked(download, f"blob {expected.digest}", expected.digest, expected.size))


class _Download:
    """The bytes of a blob. A connection that breaks is made again, from where it broke."""

    def __init__(self, repository: Repository, digest: str) -> None:
        self._repository = repository
        self._path = f"blobs/{digest}"
        self._delays = iter(DELAYS)
        self._count = 0
        self._connection = ExitStack()
        self._pieces: Iterator[bytes] | None = None

    def close(self) -> None:
        self._connection.close()

    def read(self, size: int, /) -> bytes:  # noqa: ARG002 - pieces come in the sizes they come in
        while True:
            try:
                if self._pieces is None:
                    self._pieces = self._connect()
                with self._repository.reaching():
                    piece = next(self._pieces, b"")
            except RegistryError as error:
                self._pieces = None
                self._connection.close()
                pause(error, self._delays)
            else:
                self._count += len(piece)
                return piece

    def _connect(self) -> Iterator[bytes]:
        headers = {"Range": f"bytes={self._count}-"} if self._count else {}
        response = self._connection.enter_context(self._repository.stream("GET", self._path, headers=headers))
        return _behind(response, 0 if response.status_code == httpx.codes.PARTIAL_CONTENT else self._count)


def _behind(response: httpx.Response, skip: int) -> Iterator[bytes]:
    """The body without its first `skip` bytes: not all registries send a part only."""
    for piece in response.iter_raw(CHUNK):
        if skip < len(piece):
            yield piece[skip:]
        skip = max(0, skip - len(piece))
