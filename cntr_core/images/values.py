"""What an image consists of, in OCI's words (image-spec 1.1), and how its JSON is read without trusting
it."""

from __future__ import annotations

import os
import platform as machine
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

from ..errors import ImageError
from ..json_text import read_json
from ..reasons import reason
from .limits import MOST_ENTRIES

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
MANIFESTS = (MANIFEST, "application/vnd.docker.distribution.manifest.v2+json")
INDEXES = (INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")
REF_NAME = "org.opencontainers.image.ref.name"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
_NOTHING: Mapping[str, str] = MappingProxyType({})
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Platform:
    """An operating system and a processor, in Go's names: ``linux/amd64``, ``linux/arm/v7``."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Read ``OS/ARCHITECTURE[/VARIANT]``.

        :raises ImageError: there are fewer or more parts, or an empty one.
        """
        parts = text.split("/")
        if len(parts) not in (2, 3) or not all(parts):
            raise ImageError(f"{text!r} is not a platform", "write it like linux/amd64")
        return cls(*parts)

    @classmethod
    def host(cls) -> Platform:
        """The platform of this machine."""
        name = machine.machine()
        return cls("linux", _ARCHITECTURES.get(name, name))

    def runs(self, other: Platform) -> bool:
        """Whether an image for `other` is one for this platform; a variant that one of them omits is any."""
        same = (self.os, self.architecture) == (other.os, other.architecture)
        return same and (not self.variant or not other.variant or self.variant == other.variant)

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Points at a blob: what it is, its digest (``sha256:…``), its size in bytes."""

    media_type: str
    digest: str
    size: int
    platform: Platform | None = None
    annotations: Mapping[str, str] = field(default_factory=lambda: _NOTHING)

    @classmethod
    def read(cls, record: Record) -> Descriptor:
        """Read a descriptor; :raises ImageError: it has no digest or size."""
        where = record.record("platform")
        return cls(
            media_type=record.text("mediaType"),
            digest=record.text("digest"),
            size=record.number("size"),
            platform=_read_platform(where) if where else None,
            annotations=record.texts_by_name("annotations"),
        )

    @classmethod
    def read_all(cls, record: Record, key: str) -> list[Descriptor]:
        """The list of descriptors at `key`; :raises ImageError: as :meth:`read`."""
        return list(map(cls.read, record.records(key)))


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: `blob` is its name in the source, `digest` and `size` (None: unknown) those of the blob,
    `diff_id` the digest of the tar inside. An empty digest means that the source states none."""

    blob: str
    digest: str = ""
    size: int | None = None
    diff_id: str = ""
    media_type: str = ""

    def __str__(self) -> str:
        return (self.digest or self.diff_id or self.blob)[:19]


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """How the image wants to be run. `raw` is the configuration's JSON, byte for byte; empty for a bare
    root."""

    platform: Platform
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    stop_signal: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    diff_ids: tuple[str, ...] = ()
    raw: bytes = b""

    @property
    def environment(self) -> dict[str, str]:
        """`env` by names."""
        return environment(self.env)

    @classmethod
    def parse(cls, raw: bytes) -> ImageConfig:
        """Read a configuration (OCI's or docker's, they agree here).

        :raises ImageError: it is not JSON, or a field is of another type than the specification says.
        """
        top = Record.parse(raw, "the image's configuration")
        run = top.record("config")
        _check_entries(run)
        return cls(
            platform=_read_platform(top),
            env=run.texts("Env"),
            entrypoint=run.texts("Entrypoint"),
            cmd=run.texts("Cmd"),
            user=run.text("User"),
            working_dir=run.text("WorkingDir"),
            exposed_ports=run.names("ExposedPorts"),
            volumes=run.names("Volumes"),
            stop_signal=run.text("StopSignal"),
            labels=run.texts_by_name("Labels"),
            diff_ids=top.record("rootfs").texts("diff_ids"),
            raw=raw,
        )


def _check_entries(run: Record) -> None:
    """:raises ImageError: a list or a table of the configuration has too many."""
    for key in ("Env", "Entrypoint", "Cmd", "ExposedPorts", "Volumes", "Labels"):
        value = run.values.get(key)
        count = len(value) if isinstance(value, (list, dict)) else 0
        if count > MOST_ENTRIES:
            raise ImageError(f"{key!r} of the image's configuration has {count} entries, and may have {MOST_ENTRIES}")


def environment(lines: Iterable[str]) -> dict[str, str]:
    """Lines ``NAME=VALUE`` as a dictionary: the last of a name counts."""
    return dict(line.partition("=")[::2] for line in lines)


class Record:
    """A JSON object from an untrusted place: every getter checks the type, and null is the same as absent."""

    def __init__(self, values: dict[str, Any], what: str) -> None:
        self.values = values
        self._what = what

    @classmethod
    def parse(cls, raw: bytes, what: str) -> Record:
        """:raises ImageError: `raw` is no JSON object; the message names `what`."""
        return cls(_typed(parse_json(raw, what), dict, what), what)

    def __bool__(self) -> bool:
        return bool(self.values)

    def text(self, key: str) -> str:
        """The string at `key`, "" when absent."""
        return self._text(self._get(key, str, ""), key)

    def number(self, key: str) -> int:
        """The size at `key`; :raises ImageError: absent or negative."""
        value = self._get(key, int, -1)
        if value < 0 or isinstance(value, bool):
            raise ImageError(f"{self._what} has no valid {key!r}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """The list of strings at `key`."""
        return tuple(self._text(_typed(item, str, key), key) for item in self._get(key, list, []))

    def names(self, key: str) -> tuple[str, ...]:
        """The keys of the object at `key`: Go's way to write a set."""
        return tuple(self._text(name, key) for name in self._get(key, dict, {}))

    def texts_by_name(self, key: str) -> Mapping[str, str]:
        """The object of strings at `key`."""
        found = self._get(key, dict, {})
        return MappingProxyType({k: self._text(_typed(v, str, key), key) for k, v in found.items()})

    def record(self, key: str) -> Record:
        """The object at `key`, empty when absent."""
        return Record(self._get(key, dict, {}), f"{key!r} of {self._what}")

    def records(self, key: str) -> tuple[Record, ...]:
        """The list of objects at `key`."""
        what = f"an entry of {key!r} of {self._what}"
        return tuple(Record(_typed(item, dict, what), what) for item in self._get(key, list, []))

    def _get(self, key: str, kind: type[_T], default: _T) -> _T:
        value = self.values.get(key)
        return default if value is None else _typed(value, kind, f"{key!r} of {self._what}")

    def _text(self, text: str, key: str) -> str:
        try:
            os.fsencode(text)  # JSON can spell surrogates that no file name, variable or argument can hold
        except UnicodeEncodeError as error:
            raise ImageError(f"{key!r} of {self._what} is not valid Unicode") from error
        if "\0" in text:
            raise ImageError(f"{key!r} of {self._what} holds a NUL character")
        return text


def parse_json(raw: bytes, what: str) -> object:
    """Parse JSON; :raises ImageError: it is none; the message names `what`."""
    try:
        return read_json(raw)
    except ValueError as error:
        raise ImageError(f"{what} is not valid JSON: {reason(error)}") from error


_IN_JSON: Mapping[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a text",
    int: "a number",
    float: "a number",
    bool: "a boolean",
    type(None): "null",
}


def _typed(value: object, kind: type[_T], what: str) -> _T:
    if isinstance(value, kind):
        return value
    raise ImageError(f"{what} is {_IN_JSON[type(value)]} where {_IN_JSON[kind]} belongs")


def _read_platform(record: Record) -> Platform:
    return Platform(record.text("os") or "linux", record.text("architecture"), record.text("variant"))
