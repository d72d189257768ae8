"""Images of containerd, out of its content store as archives, and into it."""

from __future__ import annotations

import io
import json
import re
import tarfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

from cntr_core.errors import EngineError, ImageError
from cntr_core.images import ImageConfig, Layer, Platform
from cntr_core.images.read.blobs import ArchiveBlobs, Blobs, spooled_archive
from cntr_core.images.read.layout import read_layout
from cntr_core.images.streams import Reader, digest_of
from cntr_core.json_text import read_json
from cntr_core.reasons import reason

from .grpc import Refused
from .namespace import ContainerdNamespace

CHUNK = 1 << 22
"""Bytes that are asked for, or sent, at once: containerd takes messages of up to 16 MiB."""

_REFERENCES = "containerd.io/gc.ref.content"
_WRITE, _COMMIT = 1, 2  # enum WriteAction


class Store:
    """The images of one namespace."""

    def __init__(self, space: ContainerdNamespace) -> None:
        self._space = space

    def names(self) -> list[str]:
        """The names of all."""
        return [one.name for one in self._space.call("images.v1.Images/List", "Empty", "ListImagesResponse").images]

    def target(self, name: str) -> Any:
        """The descriptor of an image; None where there is none of that name, in full or as Docker shortens it."""
        for candidate in (name, full_name(name)):
            try:
                return self._space.call("images.v1.Images/Get", "ByName", "OneImage", name=candidate).image.target
            except Refused as error:
                if error.status != "NOT_FOUND":
                    raise
        return None

    def archive(self, name: str) -> Iterator[bytes]:
        """The image `name` as an OCI archive, in pieces.

        :raises EngineError: a part of it is gone, or damaged.
        """
        target = self.target(name)
        root = {"mediaType": target.media_type, "digest": target.digest, "size": target.size}
        try:
            parts = dict(self._complete(target.digest, target.size) or ())
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise EngineError(f"{name} is damaged in containerd: {reason(error)}", "pull it again") from error
        if not parts:
            hint = "pull it again; CRI keeps layers where discard_unpacked_layers is false"
            raise EngineError(f"containerd has {name}, but not all of its content", hint)
        entry = {**root, "annotations": {"org.opencontainers.image.ref.name": name}}
        yield from _member("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        yield from _member("index.json", json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode())
        for digest, size in parts.items():
            yield _header(f"blobs/{digest.replace(':', '/')}", size)
            yield from self._read(digest, size)
            yield bytes(-size % tarfile.BLOCKSIZE)
        yield bytes(2 * tarfile.BLOCKSIZE)

    def take(self, archive: Iterable[bytes]) -> None:
        """Take the images of an OCI archive under their names, in full; containerd unpacks them when they are run."""
        with closing(spooled_archive(archive)) as blobs, self._lease():
            for entry in read_json(blobs.read("index.json"))["manifests"]:
                self._write_tree(blobs, entry["digest"], entry["size"])
                name = (entry.get("annotations") or {}).get("org.opencontainers.image.ref.name")
                if name:
                    self._name(full_name(name), entry)

    def read(self, name: str) -> tuple[str, ImageConfig, tuple[Layer, ...]]:
        """The digest of the configuration, the configuration and the layers of an image, as this machine runs it.

        :raises EngineError: there is none of that name.
        :raises ImageError: it is damaged, or for another platform.
        """
        target = self.target(name)
        if target is None:
            raise EngineError(f"containerd has no image {name}", "see ctr images list")
        try:
            _, config, layers = read_layout(_Parts(self._space, target), "", Platform.host())
        except ImageError as error:
            raise ImageError(f"image {name}: {error.message}", error.hint) from error
        return digest_of(config.raw), config, layers

    def remove(self, name: str) -> None:
        """Take the name from its image, which goes with its last one; nothing happens where it is unknown."""
        for candidate in (name, full_name(name)):
            if self._space.knows("images.v1.Images/Delete", "DeleteImageRequest", name=candidate, sync=True):
                return

    def _complete(self, digest: str, size: int) -> list[tuple[str, int]] | None:
        """The digest and size of a manifest or index and all that it names; None where a part is missing. Of an index,
        the manifests of platforms that were not pulled are left out."""
        if not self._has(digest):
            return None
        document = read_json(b"".join(self._read(digest, size)))
        if "manifests" in document:
            children = [self._complete(one["digest"], one["size"]) for one in document["manifests"]]
            found = [part for child in children if child for part in child]
            return [(digest, size), *found] if found else None
        named = [document["config"], *document["layers"]]
        if not all(self._has(one["digest"]) for one in named):
            return None
        return [(digest, size), *((one["digest"], one["size"]) for one in named)]

    def _has(self, digest: str) -> bool:
        return self._space.knows("content.v1.Content/Info", "ByDigest", digest=digest)

    def _read(self, digest: str, size: int) -> Iterator[bytes]:
        for offset in range(0, size, CHUNK):
            wanted = {"digest": digest, "offset": offset, "size": min(CHUNK, size - offset)}
            method = "content.v1.Content/Read"
            for piece in self._space.stream(method, "ReadContentRequest", "ReadContentResponse", **wanted):
                yield piece.data

    def _write_tree(self, blobs: ArchiveBlobs, digest: str, size: int) -> None:
        """A manifest or index, after all that it names: what has no owner is collected."""
        document = read_json(blobs.read(_path(digest), digest, size))
        labels = {}
        for number, one in enumerate(document.get("manifests", ())):
            self._write_tree(blobs, one["digest"], one["size"])
            labels[f"{_REFERENCES}.m.{number}"] = one["digest"]
        if "config" in document:
            for kind, one in (("config", document["config"]), *enumerate(document["layers"])):
                self._write(blobs, one["digest"], one["size"], {})
                labels[f"{_REFERENCES}.{kind if kind == 'config' else f'l.{kind}'}"] = one["digest"]
        self._write(blobs, digest, size, labels)

    def _write(self, blobs: ArchiveBlobs, digest: str, size: int, labels: Mapping[str, str]) -> None:
        """One blob, unless containerd has it; it compares the digest."""
        common = {"ref": f"cntr-{uuid.uuid4().hex}", "total": size, "expected": digest}
        source, offset = blobs.open(_path(digest)), 0
        try:
            while data := source.read(CHUNK):
                self._send(action=_WRITE, offset=offset, data=data, **common)
                offset += len(data)
            self._send(action=_COMMIT, offset=offset, labels=labels, **common)
        except Refused as error:
            if error.status != "ALREADY_EXISTS":
                raise

    def _send(self, **fields: Any) -> None:
        self._space.exchange("content.v1.Content/Write", "WriteContentRequest", **fields)

    def _name(self, name: str, entry: Mapping[str, Any]) -> None:
        target = {"media_type": entry["mediaType"], "digest": entry["digest"], "size": entry["size"]}
        image = {"name": name, "target": target}
        if not self._space.done("images.v1.Images/Create", "OneImage", "ALREADY_EXISTS", image=image):
            self._space.call("images.v1.Images/Update", "OneImage", image=image)

    @contextmanager
    def _lease(self) -> Iterator[None]:
        """Nothing that is written within the block is collected before its end."""
        name = f"cntr-{uuid.uuid4().hex}"
        self._space.begin_lease(name)
        try:
            yield
        finally:
            self._space.end_lease(name)


class _Parts(Blobs):
    """The documents of one image, as a layout has them."""

    def __init__(self, space: ContainerdNamespace, target: Any) -> None:
        self._space = space
        entry = {"mediaType": target.media_type, "digest": target.digest, "size": target.size}
        self._index = json.dumps({"manifests": [entry]}).encode()

    def open(self, name: str) -> Reader:
        if name == "index.json":
            return io.BytesIO(self._index)
        digest = name.removeprefix("blobs/").replace("/", ":")
        pieces = self._space.stream(
            "content.v1.Content/Read", "ReadContentRequest", "ReadContentResponse", digest=digest
        )
        return io.BytesIO(b"".join(piece.data for piece in pieces))

    def __contains__(self, name: str) -> bool:
        return True  # what is not there is told when it is read

    def close(self) -> None:
        """Nothing is open."""


def full_name(name: str) -> str:
    """The name with host and tag, as nerdctl and Docker complete it: ``docker.io/library/web:latest`` for ``web``."""
    host, slash, _ = name.partition("/")
    is_host = slash and re.search(r"[.:]|^localhost$", host)
    complete = name if is_host else f"docker.io/{name}" if slash else f"docker.io/library/{name}"
    return complete if "@" in complete or ":" in complete.rpartition("/")[2] else f"{complete}:latest"


def _path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/', 1)}"


def _member(name: str, content: bytes) -> Iterator[bytes]:
    yield _header(name, len(content))
    yield content + bytes(-len(content) % tarfile.BLOCKSIZE)


def _header(name: str, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = size
    return member.tobuf(tarfile.GNU_FORMAT)
