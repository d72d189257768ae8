"""Where the parts of an image are read from: a directory, or the members of an archive."""

from __future__ import annotations

import os
import posixpath
import stat
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from ...errors import ImageError, about
from ...kernel.paths import open_in_root
from ...room import room
from ..limits import LARGEST_DOCUMENT
from ..streams import CHUNK, Budget, Checked, Counted, Counter, Reader, Window, decompressed, uncounted
from ..tar.index import Entry, read_index
from ..tar.members import Kind
from ..tar.plain import PlainTar

_LINK_HOPS = 8


class Blobs(ABC):
    """Named parts of an image. Owns what it reads from until :meth:`close`."""

    @abstractmethod
    def open(self, name: str) -> Reader:
        """The bytes of the part; :raises ImageError: there is none of that name, or it is no regular file."""

    @abstractmethod
    def __contains__(self, name: str) -> bool: ...

    @abstractmethod
    def close(self) -> None:
        """Close everything that was opened."""

    def names(self) -> Collection[str]:
        """The names of all parts, where they are known: those of an archive are."""
        return ()

    def read(self, name: str, digest: str = "", size: int | None = None) -> bytes:
        """A whole document, checked; :raises ImageError: as :meth:`open`, larger than 4 MiB, or not as
        promised."""
        source = Checked(self.open(name), name, digest, size)
        content = bytearray()
        while data := source.read(CHUNK):
            content += data
            if len(content) > LARGEST_DOCUMENT:
                raise ImageError(f"{name} is larger than {LARGEST_DOCUMENT} bytes")
        source.finish()
        return bytes(content)


class DirectoryBlobs(Blobs):
    """The files below a directory; links that lead out of it are not followed."""

    def __init__(self, path: str) -> None:
        self._root = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._opened: list[int] = []

    def open(self, name: str) -> Reader:
        try:
            # O_NONBLOCK: a FIFO in place of a blob must not hang us.
            fd = open_in_root(self._root, name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        except OSError as error:
            raise ImageError(f"{name} cannot be read: {error.strerror}") from error
        self._opened.append(fd)
        return _window(fd, name)

    def __contains__(self, name: str) -> bool:
        try:
            os.close(open_in_root(self._root, name, os.O_PATH))
        except OSError:
            return False
        return True

    def close(self) -> None:
        for fd in (self._root, *self._opened):
            os.close(fd)
        self._root, self._opened = -1, []


def _window(fd: int, name: str) -> Window:
    """All of an open file."""
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise ImageError(f"{name} is not a regular file")
    return Window(fd, 0, status.st_size)


@dataclass(frozen=True, slots=True)
class Part:
    """A regular member of an archive: where its content is."""

    offset: int
    size: int


class ArchiveBlobs(Blobs):
    """Members of an uncompressed archive, by name; links in `links` lead to other members."""

    def __init__(self, fd: int, parts: Mapping[str, Part], links: Mapping[str, str]) -> None:
        self._fd = fd
        self._parts = parts
        self._links = links

    def open(self, name: str) -> Reader:
        part = self._find(name)
        if part is None:
            raise ImageError(f"{name} is missing from the archive")
        return Window(self._fd, part.offset, part.size)

    def __contains__(self, name: str) -> bool:
        return self._find(name) is not None

    def close(self) -> None:
        os.close(self._fd)

    def names(self) -> Collection[str]:
        return self._parts.keys()

    def whole(self) -> ArchiveBlobs:
        """The archive itself as the one part "root.tar"."""
        return ArchiveBlobs(self._fd, {"root.tar": Part(0, os.fstat(self._fd).st_size)}, {})

    def _find(self, name: str) -> Part | None:
        # Old dockers save a layer that two images share once, and link to it.
        for _ in range(_LINK_HOPS):
            if name not in self._links:
                break
            name = self._links[name]
        return self._parts.get(name)


def open_archive(path: str) -> ArchiveBlobs:
    """The members of the archive at `path`, decompressed to a nameless temporary file where need be.

    :raises ImageError: it cannot be read, or is no tar.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}") from error
    with closed_by_failure(fd):
        plain, compression = decompressed(_window(fd, path))
        if not compression:
            return _index(fd)
        archive = _spooled(plain)
    os.close(fd)
    return archive


@contextmanager
def closed_by_failure(fd: int) -> Iterator[None]:
    """Closes the descriptor if the block fails."""
    try:
        yield
    except BaseException:
        os.close(fd)
        raise


def spool_directory() -> str:
    """Where temporary files of an image's size go."""
    return os.environ.get("TMPDIR", "/var/tmp")


def spool(source: Reader) -> int:
    """A descriptor of a nameless file with all the bytes of `source`; in $TMPDIR or /var/tmp, which has
    room."""
    directory = spool_directory()
    with room(directory, "TMPDIR"), tempfile.TemporaryFile(dir=directory) as file:
        write_all(source, file.fileno(), Budget.of_filesystem(directory))
        return os.dup(file.fileno())


class Verified(Reader, Protocol):
    """What knows, when all is read, whether it was what it should be."""

    def finish(self) -> None:
        """Read what is left; :raises ImageError: it was something else."""


def spool_verified(source: Verified) -> int:
    """As :func:`spool`; :raises ImageError: the bytes are not what they should be."""
    fd = spool(source)
    with closed_by_failure(fd):
        source.finish()
    return fd


def write_all(source: Reader, fd: int, budget: Budget) -> None:
    """Write all bytes of `source` to the descriptor.

    :raises ImageError: they are more than the budget.
    """
    with open(fd, "wb", closefd=False) as file:
        while data := source.read(CHUNK):
            budget.spend(size=len(data))
            file.write(data)


class Pieces:
    """Makes a :class:`Reader` of an iterable of byte strings, as engines send images."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)

    def read(self, size: int, /) -> bytes:  # noqa: ARG002 - pieces come in the sizes they come in
        return next((piece for piece in self._pieces if piece), b"")


def spooled_archive(pieces: Iterable[bytes], progress: Counter = uncounted) -> ArchiveBlobs:
    """The members of an archive that comes as a stream; :raises ImageError: it is no tar."""
    return _spooled(Counted(Pieces(pieces), progress))


def _spooled(source: Reader) -> ArchiveBlobs:
    fd = spool(source)
    with closed_by_failure(fd):
        return _index(fd)


def _index(fd: int) -> ArchiveBlobs:
    parts: dict[str, Part] = {}
    links: dict[str, str] = {}
    with about("it is not a tar archive, or is damaged"):
        index = read_index(PlainTar(fd, 0, os.fstat(fd).st_size))
    for entry in index.entries:
        _record(entry, parts, links)
    return ArchiveBlobs(fd, parts, links)


def _record(entry: Entry, parts: dict[str, Part], links: dict[str, str]) -> None:
    name, link = _normal(os.fsdecode(entry.path)), os.fsdecode(entry.link)
    parts.pop(name, None)
    links.pop(name, None)
    if entry.kind is Kind.FILE and entry.segments is None:
        parts[name] = Part(entry.data, entry.size)
    elif entry.kind is Kind.SYMLINK:
        links[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), link))
    elif entry.kind is Kind.HARD_LINK:
        links[name] = _normal(link)


def _normal(name: str) -> str:
    return posixpath.normpath(name).lstrip("/")
