"""Which names of a tree are shown: a list of what is allowed, so that a name that nobody thought of is not."""

from __future__ import annotations

import fnmatch
import re
import stat

_SIGNS = frozenset(b"*?[")
_KEYS = re.compile(
    b"|".join(
        fnmatch.translate(pattern).encode()
        for pattern in (
            *("private", "*.key", "*key.pem", "*.p12", "*.pfx", "*.jks", "*.keytab"),
            *("*password*", "*passwd*", "*secret*", "*credential*"),
        )
    )
)
"""Names of keys and passwords, which lie beside what everybody may read by mistake alone."""


class Part:
    """What of one directory is shown: names, each with the part that is shown of it, in turn.

    `whole` is a file or directory that is shown with all below it. `public` is as whole, but only what every user may
    read, and no name that a key or a password would have.
    """

    __slots__ = ("_names", "_patterns", "public", "whole")

    def __init__(self) -> None:
        self._names: dict[bytes, list[Part]] = {}
        self._patterns: list[tuple[bytes, Part]] = []
        self.whole = False
        self.public = False

    def add(self, path: str, *, public: bool = False) -> None:
        """Show `path`, whose components may be patterns (fnmatch(3)), with all below it. "" is the directory itself."""
        part = self
        for name in path.encode(errors="surrogateescape").split(b"/") if path else ():
            part = part._made(name)
        if public:
            part.public = True
        else:
            part.whole = True

    def _made(self, name: bytes) -> Part:
        """The part for a name or pattern, made where there is none."""
        if _SIGNS.isdisjoint(name):
            return self._names.setdefault(name, [Part()])[0]
        for pattern, part in self._patterns:
            if pattern == name:
                return part
        self._patterns.append((name, Part()))
        return self._patterns[-1][1]

    def child(self, name: bytes) -> Part | None:
        """What is shown of an entry called `name`; None when nothing is. Ask :meth:`admits`, too."""
        if self.whole:
            return self
        found = [*self._names.get(name, ()), *(part for pattern, part in self._patterns if _matches(name, pattern))]
        if self.public and not _KEYS.match(name):
            found.append(_PUBLIC)
        return _merged(found) if found else None

    def admits(self, mode: int) -> bool:
        """Whether an entry of this `mode` (st_mode of stat(2)) is shown: all that is whole, what everybody may read of
        what is public, and else directories on the way to more."""
        if self.whole or stat.S_ISLNK(mode):
            return True
        if self.public:
            return bool(mode & stat.S_IROTH) and (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
        return stat.S_ISDIR(mode)

    def shows(self, path: str) -> bool:
        """Whether `path` could be shown, whatever its mode; the links on the way are not followed."""
        part: Part | None = self
        for name in filter(None, path.encode(errors="surrogateescape").split(b"/")):
            part = part.child(name) if part else None
        return part is not None


def _matches(name: bytes, pattern: bytes) -> bool:
    return fnmatch.fnmatchcase(name, pattern)


def _merged(parts: list[Part]) -> Part:
    """What any of them shows."""
    if len(parts) == 1:
        return parts[0]
    merged = Part()
    for part in parts:
        merged.whole |= part.whole
        merged.public |= part.public
        merged._patterns += part._patterns
        for name, children in part._names.items():
            merged._names[name] = [*merged._names.get(name, ()), *children]
    return merged


_PUBLIC = Part()
_PUBLIC.public = True
