"""An image's view over a directory, for tests of rules: links are followed as chroot(2) would."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence

from cntr_core.rules import Found

_MOST_LINKS = 40  # path_resolution(7)


class DirectoryView:
    """The tree below `root`."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self._root = os.fsencode(root)
        self.reads: list[bytes] = []

    def host(self, real: bytes) -> bytes:
        """Where the host has a real path of the tree."""
        return self._root + real

    def lookup(self, path: bytes, *, follow: bool = True) -> Found | None:
        pending = [part for part in reversed(path.split(b"/")) if part not in (b"", b".")]
        real, links = b"", []
        while pending:
            name = pending.pop()
            if name == b"..":
                real = os.path.dirname(real.rstrip(b"/")) if real else b""
                real = b"" if real == b"/" else real
                continue
            candidate = real + b"/" + name
            try:
                status = os.lstat(self.host(candidate))
            except (FileNotFoundError, NotADirectoryError):
                return None
            if stat.S_ISLNK(status.st_mode) and (pending or follow):
                links.append(candidate)
                if len(links) > _MOST_LINKS:
                    return None
                target = os.readlink(self.host(candidate))
                real = b"" if target.startswith(b"/") else real
                pending += [part for part in reversed(target.split(b"/")) if part not in (b"", b".")]
                continue
            real = candidate
        return self._found(real or b"/", tuple(links))

    def _found(self, real: bytes, links: tuple[bytes, ...] = ()) -> Found:
        status = os.lstat(self.host(real))
        target = os.readlink(self.host(real)) if stat.S_ISLNK(status.st_mode) else b""
        return Found(real, stat.S_IFMT(status.st_mode), stat.S_IMODE(status.st_mode), status.st_size, target, links)

    def _regular(self, path: bytes) -> bytes:
        found = self.lookup(path)
        if found is None or not stat.S_ISREG(found.kind):
            raise FileNotFoundError(path)
        self.reads.append(found.path)
        return self.host(found.path)

    def read(self, path: bytes, limit: int | None = None) -> bytes:
        with open(self._regular(path), "rb") as file:
            return file.read(-1 if limit is None else limit)

    def read_at(self, path: bytes, offset: int, size: int) -> bytes:
        with open(self._regular(path), "rb", buffering=0) as file:
            return os.pread(file.fileno(), size, offset)

    def list(self, path: bytes) -> Sequence[bytes]:
        found = self.lookup(path)
        return sorted(os.listdir(self.host(found.path))) if found and stat.S_ISDIR(found.kind) else []

    def walk(self, below: bytes = b"/") -> Iterator[Found]:
        top = self.lookup(below)
        if top is None or not stat.S_ISDIR(top.kind):
            return
        for name in self.list(top.path):
            try:
                found = self._found(top.path.rstrip(b"/") + b"/" + name)
            except FileNotFoundError:
                continue  # a live tree: what is written anew bears another name for a moment
            yield found
            if stat.S_ISDIR(found.kind):
                yield from self.walk(found.path)
