"""Images made by hand for tests: tars with any member, layouts and docker archives around them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import lzma
import os
import platform
import stat
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import zstandard

MemberSpec = tuple[tarfile.TarInfo, bytes]
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
COMPRESSORS: Mapping[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "xz": lzma.compress,
}


def member(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", **attributes: Any) -> MemberSpec:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.uid, info.gid = kind, len(content), os.geteuid(), os.getegid()
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, content


def file(name: str, content: bytes = b"", **attributes: Any) -> MemberSpec:
    return member(name, tarfile.REGTYPE, content, **attributes)


def directory(name: str, **attributes: Any) -> MemberSpec:
    return member(name, tarfile.DIRTYPE, **attributes)


def symlink(name: str, target: str) -> MemberSpec:
    return member(name, tarfile.SYMTYPE, linkname=target)


def hard_link(name: str, target: str) -> MemberSpec:
    return member(name, tarfile.LNKTYPE, linkname=target)


def tar(*members: MemberSpec) -> bytes:
    """A PAX tar."""
    stream = io.BytesIO()
    with tarfile.open(
        fileobj=stream, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape"
    ) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Layout:
    """An OCI layout as a mapping of paths to bytes, to be spoiled at will and then written."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}

    def blob(self, content: bytes, media_type: str = "application/octet-stream", **more: Any) -> dict[str, Any]:
        """Add a blob; gives its descriptor."""
        name = digest(content)
        self.files["blobs/" + name.replace(":", "/")] = content
        return {"mediaType": media_type, "digest": name, "size": len(content), **more}

    def image(
        self,
        layers: Sequence[bytes],
        compression: str = "",
        architecture: str = ARCHITECTURE,
        config: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """Add an image of plain layer tars; gives its manifest's descriptor."""
        document = {
            "os": "linux",
            "architecture": architecture,
            "config": config or {},
            "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.blob(json.dumps(document).encode(), "application/vnd.oci.image.config.v1+json"),
            "layers": [self.blob(COMPRESSORS[compression](layer), LAYER) for layer in layers],
        }
        return self.blob(json.dumps(manifest).encode(), MANIFEST, **more)

    def index(self, *descriptors: dict[str, Any]) -> bytes:
        return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": descriptors}).encode()

    def top(self, *descriptors: dict[str, Any]) -> Layout:
        """Make these the images of the layout."""
        self.files["index.json"] = self.index(*descriptors)
        return self

    def write(self, path: str) -> str:
        """As a directory."""
        for name, content in self.files.items():
            full = os.path.join(path, name)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "wb") as out:
                out.write(content)
        return path

    def tar(self) -> bytes:
        """As an archive."""
        return tar(*(file(name, content) for name, content in self.files.items()))


def write(path: object, content: bytes) -> str:
    with open(str(path), "wb") as out:
        out.write(content)
    return str(path)


def layout(path: object, *layers: bytes, compression: str = "", config: Mapping[str, Any] | None = None) -> str:
    """Write an OCI layout directory of one image."""
    made = Layout()
    return made.top(made.image(layers, compression, config=config)).write(str(path))


def docker_archive(layers: Sequence[bytes], tag: str = "app:latest", **config: Any) -> dict[str, bytes]:
    """The files of an archive as old dockers save it."""
    document = json.dumps(
        {
            "os": "linux",
            "architecture": ARCHITECTURE,
            "config": config,
            "rootfs": {"diff_ids": [digest(layer) for layer in layers]},
        }
    ).encode()
    names = [f"{digest(layer)[7:]}/layer.tar" for layer in layers]
    config_name = f"{digest(document)[7:]}.json"
    manifest = [{"Config": config_name, "RepoTags": [tag], "Layers": names}]
    return {
        config_name: document,
        **dict(zip(names, layers, strict=True)),
        "manifest.json": json.dumps(manifest).encode(),
    }


def tree(root: object) -> dict[str, tuple[object, ...]]:
    """All of a tree that a user could notice: kind, mode, owner, time, device, content, xattrs, hard links."""
    base = os.fsencode(str(root))
    found: dict[str, tuple[object, ...]] = {}
    names: dict[int, list[str]] = {}
    for path in _walk(base):
        status = os.lstat(path)
        name = os.fsdecode(os.path.relpath(path, base))
        if not stat.S_ISDIR(status.st_mode):
            names.setdefault(status.st_ino, []).append(name)
        found[name] = (
            oct(status.st_mode),
            status.st_uid,
            status.st_gid,
            status.st_mtime_ns,
            status.st_rdev,
            _content(path, status.st_mode),
            {key: os.getxattr(path, key, follow_symlinks=False) for key in _xattrs(path)},
            names.get(status.st_ino),  # completed while walking: the same list for all names
        )
    return {name: (*values[:-1], sorted(values[-1] or [])) for name, values in found.items()}  # type: ignore[call-overload, misc]


def _walk(base: bytes) -> Iterable[bytes]:
    yield base
    for parent, directories, files in os.walk(base):
        yield from (os.path.join(parent, name) for name in directories + files)


def _content(path: bytes, mode: int) -> bytes | None:
    if stat.S_ISLNK(mode):
        return os.readlink(path)
    if stat.S_ISREG(mode):
        with open(path, "rb") as opened:
            return hashlib.sha256(opened.read()).digest()
    return None


def _xattrs(path: bytes) -> list[str]:
    # overlayfs notes where it copied from, and shows it to root below its own mount.
    return [key for key in os.listxattr(path, follow_symlinks=False) if not key.startswith("trusted.overlay.")]
