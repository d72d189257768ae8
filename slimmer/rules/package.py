"""Which package a file belongs to, and which files a package has: dpkg's and apk's databases, read from the image.

deb(5), dpkg(1) "FILES", and the APKINDEX fields that apk-package(5) explains. RPM's database is binary (SQLite,
Berkeley DB), and is not read: :attr:`PackageDatabase.unreadable` says so.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from cntr_core.errors import UsageError
from cntr_core.rules import ImageView, Keep, Rule, RuleContext

from .reading import content

DPKG_STATUS, STATUS_DIRECTORY = b"/var/lib/dpkg/status", b"/var/lib/dpkg/status.d"
APK_INSTALLED = b"/lib/apk/db/installed"
SUMS = b".md5sums"
_DPKG = b"/var/lib/dpkg/"
_RPM = (b"/var/lib/rpm", b"/usr/lib/sysimage/rpm")
_READ: WeakKeyDictionary[ImageView, PackageDatabase] = WeakKeyDictionary()
"""Reading takes 50 ms for 90 packages, and several rules ask."""


@dataclass(frozen=True, slots=True)
class Package:
    """An installed package. `manager` is ``dpkg`` or ``apk``; packages of one `source` are made together; `place` is
    the file that describes it."""

    name: str
    version: str
    manager: str
    source: str = field(default="", compare=False)
    architecture: str = ""
    place: bytes = field(default=b"", compare=False)


class PackageDatabase:
    """The packages of one image. Paths are real ones. Of those that are `unlisted` nobody knows the files."""

    def __init__(
        self,
        files: Mapping[Package, Sequence[bytes]],
        unreadable: str = "",
        unlisted: Collection[Package] = frozenset(),
    ) -> None:
        self._files = files
        self._unlisted = unlisted
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

    def lists(self, package: Package) -> bool:
        """Whether it is known which files the package has brought: who makes images may have removed the lists."""
        return package not in self._unlisted

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
    found = dict((*_dpkg(image), *_apk(image)))
    files = {package: real.files(paths or ()) for package, paths in found.items()}
    rpm = any(image.list(directory) for directory in _RPM)
    unlisted = frozenset(package for package, paths in found.items() if paths is None)
    return PackageDatabase(files, "rpm" if rpm else "", unlisted)


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


_Listed = tuple[Package, Sequence[bytes] | None]
"""A package and the paths that it brought; None where no list is there."""


def _dpkg(image: ImageView) -> Iterator[_Listed]:
    information = frozenset(image.list(_DPKG + b"info"))
    for package in _described(image, DPKG_STATUS):
        name, architecture = package.name.encode(), package.architecture.encode()
        # A package of which several architectures can be installed has its own in the name.
        names = (name + b":" + architecture + b".list", name + b".list")
        listed = next((_DPKG + b"info/" + n for n in names if n in information), None)
        yield package, content(image, listed).splitlines() if listed else None
    for file in image.list(STATUS_DIRECTORY):
        # Distroless: a paragraph in a file of its own, and beside it the sums of the files.
        place = posixpath.join(STATUS_DIRECTORY, file)
        for package in _described(image, place):
            yield package, _sums(image, place + SUMS)


def _sums(image: ImageView, path: bytes) -> Sequence[bytes] | None:
    if image.lookup(path) is None:
        return None
    return [b"/" + line.partition(b"  ")[2] for line in content(image, path).splitlines()]


def _apk(image: ImageView) -> Iterator[_Listed]:
    for block in paragraphs(content(image, APK_INSTALLED)):
        if package := described(block, APK_INSTALLED):
            yield package, list(_apk_files(block))


def _apk_files(block: bytes) -> Iterator[bytes]:
    directory = b""
    for key, value in _fields(block):
        if key == b"F":
            directory = b"/" + value
        elif key == b"R":
            yield posixpath.join(directory, value)


def _described(image: ImageView, place: bytes) -> Iterator[Package]:
    blocks = paragraphs(content(image, place))
    return filter(None, (described(block, place) for block in blocks))


def paragraphs(text: bytes) -> Iterator[bytes]:
    """The parts of a list, each with the blank lines behind it; all together are the list."""
    start = 0
    for gap in _GAP.finditer(text):
        yield text[start : gap.end()]
        start = gap.end()
    if start < len(text):
        yield text[start:]


_GAP = re.compile(rb"\n\n+")
_APK_KEYS = {b"Package": b"P", b"Version": b"V", b"Source": b"o", b"Architecture": b"A"}


def described(paragraph: bytes, place: bytes) -> Package | None:
    """The installed package that a paragraph of the list `place` is about; None where it is about none, or several."""
    pairs = list(_fields(paragraph))
    is_apk = place == APK_INSTALLED
    name_key = _APK_KEYS[b"Package"] if is_apk else b"Package"
    if [key for key, _ in pairs].count(name_key) != 1:
        return None
    fields = dict(pairs)
    if is_apk:
        fields = {word: fields.get(key, b"") for word, key in _APK_KEYS.items()}
    elif place == DPKG_STATUS and not fields.get(b"Status", b"").endswith(b" installed"):
        return None
    return _package(fields, "apk" if is_apk else "dpkg", place) if fields[b"Package"] else None


def _package(fields: Mapping[bytes, bytes], manager: str, place: bytes) -> Package:
    name = fields[b"Package"]
    source = (fields.get(b"Source", b"").split() or [name])[0]  # "redis (5:7.0)", where its version is another
    architecture, version = fields.get(b"Architecture", b""), fields.get(b"Version", b"")
    return Package(_text(name), _text(version), manager, _text(source), _text(architecture), place)


def _text(word: bytes) -> str:
    return word.decode(errors="replace")


def _fields(paragraph: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The fields of a paragraph (deb-control(5)), without continued lines."""
    for line in paragraph.splitlines():
        key, colon, value = line.partition(b":")
        if colon and line[:1] not in (b" ", b"\t"):
            yield key, value.strip()
