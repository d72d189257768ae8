"""Images of containerd, out of its content store as archives, and into it.

Messages: api/services/{content,images,leases}/v1/*.proto and api/types/descriptor.proto of containerd 1.6 and 2.
"""

from __future__ import annotations

import datetime
import functools
import json
import re
import tarfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

from cntr_core.errors import EngineError
from cntr_core.images.blobs import ArchiveBlobs, spooled_archive

from .grpc_api import Client, Refused

CHUNK = 1 << 22
"""Bytes that are asked for, or sent, at once: containerd takes messages of up to 16 MiB."""

_LEASE = datetime.timedelta(hours=1)
"""How long what is being written is safe from containerd's garbage collection, should we die."""

_REFERENCES = "containerd.io/gc.ref.content"
_TABLE = {
    "Empty": (),
    "Descriptor": ("string media_type = 1", "string digest = 2", "int64 size = 3"),
    "Image": ("string name = 1", "Descriptor target = 3"),
    "ByName": ("string name = 1",),
    "OneImage": ("Image image = 1",),
    "ByDigest": ("string digest = 1",),
    "ReadContentRequest": ("string digest = 1", "int64 offset = 2", "int64 size = 3"),
    "ReadContentResponse": ("int64 offset = 1", "bytes data = 2"),
    "WriteContentRequest": (
        "int32 action = 1",
        "string ref = 2",
        "int64 total = 3",
        "string expected = 4",
        "int64 offset = 5",
        "bytes data = 6",
        "map<string, string> labels = 7",
    ),
    "Lease": ("string id = 1", "map<string, string> labels = 3"),
}
_WRITE, _COMMIT = 1, 2  # enum WriteAction


class Store:
    """The images of one namespace."""

    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self._metadata = {"containerd-namespace": namespace}

    def target(self, name: str) -> Any:
        """The descriptor of an image; None where there is none of that name, in full or as Docker shortens it."""
        for candidate in (name, full_name(name)):
            try:
                return self._call("images.v1.Images/Get", "ByName", "OneImage", name=candidate).image.target
            except Refused as error:
                if error.status != "NOT_FOUND":
                    raise
        return None

    def archive(self, name: str) -> Iterator[bytes]:
        """The image `name` as an OCI archive, in pieces.

        :raises EngineError: a part of it is gone.
        """
        target = self.target(name)
        root = {"mediaType": target.media_type, "digest": target.digest, "size": target.size}
        parts = dict(self._complete(target.digest, target.size) or ())
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
            for entry in json.loads(blobs.read("index.json"))["manifests"]:
                self._write_tree(blobs, entry["digest"], entry["size"])
                name = (entry.get("annotations") or {}).get("org.opencontainers.image.ref.name")
                if name:
                    self._name(full_name(name), entry)

    def _complete(self, digest: str, size: int) -> list[tuple[str, int]] | None:
        """The digest and size of a manifest or index and all that it names; None where a part is missing. Of an index,
        the manifests of platforms that were not pulled are left out."""
        if not self._has(digest):
            return None
        document = json.loads(b"".join(self._read(digest, size)))
        if "manifests" in document:
            children = [self._complete(one["digest"], one["size"]) for one in document["manifests"]]
            found = [part for child in children if child for part in child]
            return [(digest, size), *found] if found else None
        named = [document["config"], *document["layers"]]
        if not all(self._has(one["digest"]) for one in named):
            return None
        return [(digest, size), *((one["digest"], one["size"]) for one in named)]

    def _has(self, digest: str) -> bool:
        try:
            self._call("content.v1.Content/Info", "ByDigest", "Empty", digest=digest)
        except Refused as error:
            if error.status != "NOT_FOUND":
                raise
            return False
        return True

    def _read(self, digest: str, size: int) -> Iterator[bytes]:
        types = _types()
        for offset in range(0, size, CHUNK):
            request = types["ReadContentRequest"](digest=digest, offset=offset, size=min(CHUNK, size - offset))
            method = "/containerd.services.content.v1.Content/Read"
            for piece in self._client.stream(method, request, types["ReadContentResponse"], self._metadata):
                yield piece.data

    def _write_tree(self, blobs: ArchiveBlobs, digest: str, size: int) -> None:
        """A manifest or index, after all that it names: what has no owner is collected."""
        document = json.loads(blobs.read(_path(digest), digest, size))
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
        types = _types()
        request = types["WriteContentRequest"](**fields)
        self._client.exchange("/containerd.services.content.v1.Content/Write", request, types["Empty"], self._metadata)

    def _name(self, name: str, entry: Mapping[str, Any]) -> None:
        target = {"media_type": entry["mediaType"], "digest": entry["digest"], "size": entry["size"]}
        image = {"name": name, "target": target}
        try:
            self._call("images.v1.Images/Create", "OneImage", "OneImage", image=image)
        except Refused as error:
            if error.status != "ALREADY_EXISTS":
                raise
            self._call("images.v1.Images/Update", "OneImage", "OneImage", image=image)

    @contextmanager
    def _lease(self) -> Iterator[None]:
        """Nothing that is written within the block is collected before its end."""
        expires = (datetime.datetime.now(datetime.UTC) + _LEASE).strftime("%Y-%m-%dT%H:%M:%SZ")
        lease = {"id": f"cntr-{uuid.uuid4().hex}", "labels": {"containerd.io/gc.expire": expires}}
        self._call("leases.v1.Leases/Create", "Lease", "Empty", **lease)
        self._metadata["containerd-lease"] = lease["id"]  # type: ignore[assignment]  # the id is a string
        try:
            yield
        finally:
            del self._metadata["containerd-lease"]
            self._call("leases.v1.Leases/Delete", "Lease", "Empty", id=lease["id"])

    def _call(self, method: str, request: str, reply: str, **fields: Any) -> Any:
        types = _types()
        return self._client.call(
            f"/containerd.services.{method}", types[request](**fields), types[reply], self._metadata
        )


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


@functools.cache
def _types() -> dict[str, Any]:
    from .messages import message_types

    return message_types(_TABLE)
