"""Which package a file belongs to, and which files a package has: dpkg's and apk's databases, read from the image.

deb(5), dpkg(1) "FILES", and the APKINDEX fields that apk-package(5) explains. RPM's database is binary (SQLite,
Berkeley DB), and is not read: :attr:`PackageDatabase.unreadable` says so.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from cntr_core.errors import UsageError
from cntr_core.rules import ImageView, Keep, Rule, RuleContext

from .reading import content

_DPKG = b"/var/lib/dpkg/"
_APK = b"/lib/apk/db/installed"
_RPM = (b"/var/lib/rpm", b"/usr/lib/sysimage/rpm")
_READ: WeakKeyDictionary[ImageView, PackageDatabase] = WeakKeyDictionary()
"""Reading takes 50 ms for 90 packages, and several rules ask."""


@dataclass(frozen=True, slots=True)
class Package:
    """An installed package. `manager` is ``dpkg`` or ``apk``; packages of one `source` are made together."""

    name: str
    version: str
    manager: str
    source: str = field(default="", compare=False)
    architecture: str = ""


class PackageDatabase:
    """The packages of one image. Paths are real ones."""

    def __init__(self, files: Mapping[Package, Sequence[bytes]], unreadable: str = "") -> None:
        self._files = files
        self._owners = {path: package for package, paths in files.items() for path in paths}
        self.unreadable = unreadable
        """The package manager whose database is there and cannot be read; empty where there is none."""
        self._number = Counter(package.name for package in files)

    def __iter__(self) -> Iterator[Package]:
        return iter(self._files)

    def owner_of(self, path: bytes) -> Package | None:
        """The package that brought the file; None where none did, as of files that an installation script made."""
        return self._owners.get(path)

    def files_of(self, package: Package) -> Sequence[bytes]:
        """The files of the package that are there, without directories."""
        return self._files[package]

    def name_of(self, package: Package) -> str:
        """The name, with the architecture where several are installed: ``libc6:i386``, as dpkg(1) writes it."""
        return _qualified(package) if self._number[package.name] > 1 else package.name

    def find(self, name: str) -> Package | None:
        """The installed package called `name`, which may have its architecture."""
        return next((package for package in self._files if name in (package.name, _qualified(package))), None)


def _qualified(package: Package) -> str:
    return f"{package.name}:{package.architecture}"


def read_packages(image: ImageView) -> PackageDatabase:
    """What the image's package managers know; the image does not change."""
    if image not in _READ:
        _READ[image] = _read(image)
    return _READ[image]


def _read(image: ImageView) -> PackageDatabase:
    real = _RealPaths(image)
    files = {package: real.files(paths) for package, paths in (*_dpkg(image), *_apk(image))}
    rpm = any(image.list(directory) for directory in _RPM)
    return PackageDatabase(files, "rpm" if rpm else "")


class WholePackages(Rule):
    """A rule for one run, of the packages that the user wants whole: each by its name, or by a file of it.

    :raises UsageError: there is no such package.
    """

    name = "include-package"
    description = "All files of the packages that the user named."

    def __init__(self, image: ImageView, packages: PackageDatabase, wanted: Sequence[str]) -> None:
        self._packages = packages
        self._wanted = [_wanted(image, packages, name) for name in wanted]

    def keep(self, context: RuleContext) -> Iterable[Keep]:
        for package in self._wanted if context.first else ():
            for path in self._packages.files_of(package):
                yield Keep(path, f"the package {package.name} was asked for")


def _wanted(image: ImageView, packages: PackageDatabase, name: str) -> Package:
    if name.startswith("/"):
        found = image.lookup(os.fsencode(name), follow=False)
        package = packages.owner_of(found.path) if found else None
        problem = f"no package has the file {name}"
    else:
        package, problem = packages.find(name), f"there is no package {name}"
    if package is None:
        hint = f"the database of {packages.unreadable} cannot be read here; name paths instead"
        raise UsageError(problem, hint if packages.unreadable else "give a name as the image's package manager has it")
    return package


class _RealPaths:
    """Databases have paths as packages do: /lib/x, though /lib is a link to /usr/lib in the image."""

    def __init__(self, image: ImageView) -> None:
        self._image = image
        self._directories: dict[bytes, bytes] = {}

    def files(self, paths: Sequence[bytes]) -> list[bytes]:
        """The real paths of those that are there, and no directories: a path with others below it is one."""
        parents = {posixpath.dirname(path) for path in paths}
        return [real for path in dict.fromkeys(paths) if path not in parents and (real := self._real(path))]

    def _real(self, path: bytes) -> bytes:
        directory, name = posixpath.split(path)
        if directory not in self._directories:
            found = self._image.lookup(directory)
            self._directories[directory] = found.path if found else b""
        # Not what a lookup says: a file with hard links would be given by another of its names.
        real = posixpath.join(self._directories[directory], name)
        there = self._image.lookup(real, follow=False)
        return real if there and not stat.S_ISDIR(there.kind) else b""


def _dpkg(image: ImageView) -> Iterator[tuple[Package, Sequence[bytes]]]:
    information = frozenset(image.list(_DPKG + b"info"))
    for fields in _paragraphs(image, _DPKG + b"status"):
        name, architecture = fields.get(b"Package", b""), fields.get(b"Architecture", b"")
        if fields.get(b"Status", b"").endswith(b" installed"):
            # A package of which several architectures can be installed has its own in the name.
            names = (name + b":" + architecture + b".list", name + b".list")
            listed = next((_DPKG + b"info/" + n for n in names if n in information), b"")
            yield _package(name, fields, "dpkg"), content(image, listed).splitlines() if listed else ()
    for file in image.list(_DPKG + b"status.d"):
        # Distroless: a paragraph in a file of its own, and beside it the sums of the files.
        for fields in _paragraphs(image, _DPKG + b"status.d/" + file):
            if name := fields.get(b"Package", b""):
                yield _package(name, fields, "dpkg"), _sums(image, _DPKG + b"status.d/" + file + b".md5sums")


def _sums(image: ImageView, path: bytes) -> Sequence[bytes]:
    return [b"/" + line.partition(b"  ")[2] for line in content(image, path).splitlines()]


def _apk(image: ImageView) -> Iterator[tuple[Package, Sequence[bytes]]]:
    for block in _blocks(image, _APK):
        fields: dict[bytes, bytes] = {}
        directory, files = b"", []
        for line in block.splitlines():
            key, _, value = line.partition(b":")
            if key == b"F":
                directory = b"/" + value
            elif key == b"R":
                files.append(posixpath.join(directory, value))
            else:
                fields[key] = value
        if name := fields.get(b"P"):
            keys = {b"Version": b"V", b"Source": b"o", b"Architecture": b"A"}
            yield _package(name, {word: fields.get(key, b"") for word, key in keys.items()}, "apk"), files


def _package(name: bytes, fields: Mapping[bytes, bytes], manager: str) -> Package:
    source = (fields.get(b"Source", b"").split() or [name])[0]  # "redis (5:7.0)", where its version is another
    said = (name, fields.get(b"Version", b""), manager.encode(), source, fields.get(b"Architecture", b""))
    return Package(*(word.decode(errors="replace") for word in said))


def _paragraphs(image: ImageView, path: bytes) -> Iterator[Mapping[bytes, bytes]]:
    """The fields of each paragraph of a control file (deb-control(5)), without continued lines."""
    for block in _blocks(image, path):
        pairs = (line.partition(b":") for line in block.splitlines() if line[:1] not in (b" ", b"\t"))
        yield {key: value.strip() for key, _, value in pairs}


def _blocks(image: ImageView, path: bytes) -> Sequence[bytes]:
    return [block for block in content(image, path).split(b"\n\n") if block]
