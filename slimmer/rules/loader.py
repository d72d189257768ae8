"""Where the dynamic loader looks for libraries: ld.so(8), and musl's (its manual, "Dynamic linking").

Nothing of the image is executed. Where the loader would choose by the processor, every choice is found.
"""

from __future__ import annotations

import os
import posixpath
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence

from cntr_core.rules import ImageView

from .binaries import Binary, kind_of
from .globs import expand
from .reading import content, lines, regular

CONFIGURATION = b"/etc/ld.so.conf"
CACHE = b"/etc/ld.so.cache"
_CACHE_MAGIC = b"glibc-ld.so.cache1.1"
_CACHE_HEADER = 28  # bytes behind the magic: the number of entries, and what is not needed here
_CACHE_ENTRY = struct.Struct("<8xI12x")  # where its path stands, from the magic on
_LONGEST_PATH = 4096
_HWCAPS = b"glibc-hwcaps"
MUSL_PATHS = b"/etc/ld-musl-*.path"
_MUSL_LOADERS = b"/lib/ld-musl-*.so.1"
_MUSL_DEFAULT = (b"/lib", b"/usr/local/lib", b"/usr/lib")
_DEFAULT = (b"/lib64", b"/usr/lib64", b"/lib", b"/usr/lib", b"/lib32", b"/usr/lib32", b"/libx32", b"/usr/libx32")

# Debian's name of an architecture's directories, by ELF class and machine (elf.h); little-endian ones but s390x.
_MULTIARCH = {
    b"\x02\x01\x3e\x00": (b"x86_64", b"x86_64-linux-gnu"),
    b"\x01\x01\x3e\x00": (b"x86_64", b"x86_64-linux-gnux32"),
    b"\x01\x01\x03\x00": (b"i686", b"i386-linux-gnu"),
    b"\x02\x01\xb7\x00": (b"aarch64", b"aarch64-linux-gnu"),
    b"\x01\x01\x28\x00": (b"v7l", b"arm-linux-gnueabihf"),
    b"\x02\x01\xf3\x00": (b"riscv64", b"riscv64-linux-gnu"),
    b"\x02\x01\x15\x00": (b"powerpc64le", b"powerpc64le-linux-gnu"),
    b"\x02\x02\x00\x16": (b"s390x", b"s390x-linux-gnu"),
    b"\x02\x01\x02\x01": (b"loongarch64", b"loongarch64-linux-gnu"),
}


class LibrarySearch:
    """The search of one image's loader, with an environment."""

    def __init__(self, image: ImageView, environment: Mapping[str, str]) -> None:
        self._image = image
        self._variable = _of_variable(environment)
        known = (*configured_directories(image), *cached_directories(image), *_musl_directories(image))
        self._configured = list(dict.fromkeys(known))
        self._hwcaps: dict[bytes, tuple[bytes, ...]] = {}
        self._system: dict[tuple[bytes, bytes], tuple[bytes, ...]] = {}

    def find(self, name: bytes, binary: Binary, origin: bytes, inherited: Sequence[bytes] = ()) -> Iterator[bytes]:
        """The paths of library `name`, needed by `binary`, which lies in the directory `origin`.

        One path, and one for each kind of processor that has its own. `inherited` are the DT_RPATH directories of what
        loaded the binary.
        """
        if b"/" in name:
            yield from (p for p in _expanded(name, binary.kind, origin) if self._loadable(p, binary.kind))
            return
        before = [] if binary.runpath else [*directories(binary.rpath, binary.kind, origin), *inherited]
        after = directories(binary.runpath, binary.kind, origin)
        variable = [d for item in self._variable for d in _expanded(item, binary.kind, origin)]
        found, certain = self._in((*before, *variable, *after), name, binary.kind)
        yield from found
        if not certain:
            yield from self._in_system(name, binary.kind)

    def _in_system(self, name: bytes, kind: bytes) -> tuple[bytes, ...]:
        if (name, kind) not in self._system:
            triplet = _MULTIARCH.get(kind, (b"", b""))[1]
            multiarch = (b"/lib/" + triplet, b"/usr/lib/" + triplet) if triplet else ()
            found, _ = self._in((*self._configured, *multiarch, *_DEFAULT), name, kind)
            self._system[name, kind] = tuple(found)
        return self._system[name, kind]

    def _in(self, places: Iterable[bytes], name: bytes, kind: bytes) -> tuple[list[bytes], bool]:
        """What `places` have, up to the first that has the library for every processor."""
        found = []
        for place in places:
            for directory in self._with_hwcaps(place):
                if self._loadable(path := posixpath.join(directory, name), kind):
                    found.append(path)
                    if directory == place:
                        return found, True
        return found, False

    def _with_hwcaps(self, place: bytes) -> tuple[bytes, ...]:
        """The directory, after its variants for newer processors."""
        if place not in self._hwcaps:
            above = posixpath.join(place, _HWCAPS)
            self._hwcaps[place] = (*(posixpath.join(above, name) for name in self._image.list(above)), place)
        return self._hwcaps[place]

    def _loadable(self, path: bytes, kind: bytes) -> bool:
        """The loader passes over files of other architectures."""
        return regular(self._image, path) is not None and kind_of(self._image, path) == kind


def library_directories(image: ImageView, environment: Mapping[str, str]) -> list[bytes]:
    """All directories that libraries of the system are looked for in, of whatever architecture, each once."""
    known = (*configured_directories(image), *cached_directories(image), *_musl_directories(image), *_DEFAULT)
    return list(dict.fromkeys([*_of_variable(environment), *known]))


def _of_variable(environment: Mapping[str, str]) -> list[bytes]:
    variable = os.fsencode(environment.get("LD_LIBRARY_PATH", ""))
    return [d for d in variable.replace(b";", b":").split(b":") if d]


def directories(path: bytes, kind: bytes, origin: bytes) -> list[bytes]:
    """The directories of a DT_RPATH or DT_RUNPATH; relative ones depend on where a program is started, and are not
    among them."""
    expanded = (d for item in path.split(b":") for d in _expanded(item, kind, origin))
    return [d for d in expanded if d.startswith(b"/")]


def _expanded(text: bytes, kind: bytes, origin: bytes) -> Iterator[bytes]:
    """`text` with ld.so's tokens replaced; $LIB is what the distribution made it: Debian's, or lib64 and lib."""
    platform, triplet = _MULTIARCH.get(kind, (b"", b""))
    text = _replaced(_replaced(text, b"ORIGIN", origin), b"PLATFORM", platform)
    libraries = (b"lib/" + triplet, b"lib64", b"lib") if b"$LIB" in text or b"${LIB}" in text else (b"",)
    for library in libraries:
        yield _replaced(text, b"LIB", library)


def _replaced(text: bytes, token: bytes, value: bytes) -> bytes:
    return text.replace(b"${%s}" % token, value).replace(b"$%s" % token, value)


def configured_directories(image: ImageView) -> list[bytes]:
    """The directories of /etc/ld.so.conf and what it includes, in order: those that ldconfig puts into its cache."""
    found = []
    for file in configuration_files(image):
        for line in lines(image, file):
            if not _is_include(line):
                # "dir=type" is from the days of libc 5.
                found += [d.partition(b"=")[0] for d in line.replace(b",", b" ").replace(b":", b" ").split()]
    return found


def cached_directories(image: ImageView) -> list[bytes]:
    """The directories of the libraries in ld.so's cache: ldconfig(8) takes some on its command line, too.

    The format is in glibc's sysdeps/generic/dl-cache.h, struct cache_file_new.
    """
    # Older ones have a cache of the days before 1999 in front.
    cache = content(image, CACHE).partition(_CACHE_MAGIC)[2]
    if len(cache) < _CACHE_HEADER:
        return []
    count, offset = int.from_bytes(cache[:4], "little"), len(_CACHE_MAGIC)
    entries = cache[_CACHE_HEADER : _CACHE_HEADER + count * _CACHE_ENTRY.size]
    places = []
    for (at,) in _CACHE_ENTRY.iter_unpack(entries[: len(entries) // _CACHE_ENTRY.size * _CACHE_ENTRY.size]):
        begin = max(at - offset, 0)
        places.append(posixpath.dirname(cache[begin : begin + _LONGEST_PATH].partition(b"\0")[0]))
    return [place for place in dict.fromkeys(places) if place.startswith(b"/")]


def configuration_files(image: ImageView) -> list[bytes]:
    """/etc/ld.so.conf, and the files that it includes."""
    pending, files = [CONFIGURATION], []
    while pending:
        file = pending.pop(0)
        if file in files or not regular(image, file):
            continue
        files.append(file)
        for line in lines(image, file):
            if _is_include(line):
                for pattern in line.split()[1:]:
                    pending += expand(image, posixpath.join(posixpath.dirname(file), pattern))
    return files


def _is_include(line: bytes) -> bool:
    return line.split()[0] == b"include"


def _musl_directories(image: ImageView) -> list[bytes]:
    """musl reads a list of its own, with colons or newlines between; without one it has defaults."""
    if files := list(expand(image, MUSL_PATHS)):
        return [d for file in files for line in lines(image, file) for d in line.split(b":") if d]
    return list(_MUSL_DEFAULT) if any(expand(image, _MUSL_LOADERS)) else []
