"""What an ELF file says of the files that it needs (System V ABI, "Dynamic Section"; elf(5))."""

from __future__ import annotations

import io
import os
import stat
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from cntr_core.rules import ImageView

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from elftools.elf.elffile import ELFFile

MAGIC = b"\x7fELF"
_GO_NOTE = b"\4\0\0\0Go\0\0"  # type and name of the note with a Go program's build id (cmd/internal/buildid)
_NOTES = 1 << 13  # bytes: notes are loaded, and come first
_AHEAD = 1 << 12  # bytes read at once: program headers and dynamic sections are far apart, and small
_LONGEST = 1 << 12  # PATH_MAX, and more entries than any dynamic section has
_STRINGS = {"DT_NEEDED": "needed", "DT_RPATH": "rpath", "DT_RUNPATH": "runpath"}


@dataclass(frozen=True, slots=True)
class Binary:
    """One ELF file. `kind` is its class, byte order and machine: only files of one kind can be loaded together.
    `rpath` and `runpath` are lists of directories as they stand, with colons between."""

    kind: bytes
    interpreter: bytes
    needed: tuple[bytes, ...]
    rpath: bytes
    runpath: bytes


def kind_of(image: ImageView, path: bytes) -> bytes:
    """The :attr:`Binary.kind` of the file at `path`, b"" where it is no ELF file."""
    header = image.read_at(path, 0, 20)
    return header[4:6] + header[18:20] if header.startswith(MAGIC) else b""


def is_go(image: ImageView, path: bytes) -> bool:
    """Whether the file is a program that Go's compiler made."""
    found = image.lookup(path, follow=False)
    if found is None or not (stat.S_ISREG(found.kind) and found.mode & 0o111):
        return False
    return bool(kind_of(image, path)) and _GO_NOTE in image.read_at(path, 0, _NOTES)


def read_binary(image: ImageView, path: bytes) -> Binary | None:
    """The ELF file at `path`; None where it is none, or so damaged that no loader takes it."""
    if not (kind := kind_of(image, path)):
        return None
    from elftools.common.exceptions import ELFError  # importing it costs 30 ms
    from elftools.elf.elffile import ELFFile

    stream = io.BufferedReader(_Content(image, path), _AHEAD)
    try:
        return _described(ELFFile(stream), kind)
    except (ELFError, ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError):
        return None  # pyelftools has no one error for headers full of nonsense


def _described(file: ELFFile, kind: bytes) -> Binary:
    """As the dynamic loader reads: by program headers alone. A file's sections may be gone, or say something else."""
    from elftools.common.utils import struct_parse

    interpreter, found = b"", defaultdict(list)
    for number in range(file.header.e_phnum):
        at = file.header.e_phoff + number * file.header.e_phentsize
        header = struct_parse(file.structs.Elf_Phdr, file.stream, at)
        if header.p_type == "PT_INTERP":
            file.stream.seek(header.p_offset)
            interpreter = file.stream.read(min(header.p_filesz, _LONGEST)).rstrip(b"\0")
        elif header.p_type == "PT_DYNAMIC":
            for tag, text in _strings(file, header.p_offset, header.p_filesz):
                found[tag].append(text)
    rpath, runpath = (b":".join(found[tag]) for tag in ("rpath", "runpath"))
    return Binary(kind, interpreter, tuple(found["needed"]), rpath, runpath)


def _strings(file: ELFFile, offset: int, size: int) -> Iterator[tuple[str, bytes]]:
    """The entries of a dynamic section that name files."""
    from elftools.elf.dynamic import Dynamic

    for tag in islice(Dynamic(file.stream, file, None, offset, empty=size == 0).iter_tags(), _LONGEST):
        if attribute := _STRINGS.get(tag.entry.d_tag):
            yield attribute, os.fsencode(getattr(tag, attribute))


class _Content(io.RawIOBase):
    """A file of an image as Python's libraries read files."""

    def __init__(self, image: ImageView, path: bytes) -> None:
        self._image = image
        self._path = path
        found = image.lookup(path)
        self._size = found.size if found else 0
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = start + offset
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        content = self._image.read_at(self._path, self._at, len(view))
        view[: len(content)] = content
        self._at += len(content)
        return len(content)
