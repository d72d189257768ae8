"""The smallest ELF file that Linux executes (elf(5)), and the labels of its code."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_ADDRESS = 0x400000
_ALIGNMENT = 0x10000  # the largest page of the machines concerned
_EXECUTABLE, _CURRENT = 2, 1  # ET_EXEC, EV_CURRENT
_LOAD, _STACK = 1, 0x6474E551  # PT_LOAD, PT_GNU_STACK
_R_X, _RW_ = 5, 6
_IDENTITY = b"\x7fELF" + bytes([2, 1, 1])  # 64 bits, little-endian, version 1
_HEADER = struct.Struct("<16sHHIQQ12xHHH6x")  # there are no flags, and no sections to describe
_SEGMENT = struct.Struct("<IIQQQQQQ")


@dataclass(frozen=True, slots=True)
class Label:
    """A place in the code."""

    name: str


@dataclass(frozen=True, slots=True)
class Jump:
    """An instruction of `size` bytes that goes to a label; `encode` makes it of the distance from its own start."""

    target: str
    size: int
    encode: Callable[[int], bytes]


Line = bytes | Label | Jump


def assemble(lines: Sequence[Line]) -> bytes:
    """The code, with every jump led to its label."""
    places: dict[str, int] = {}
    at = 0
    for line in lines:
        if isinstance(line, Label):
            places[line.name] = at
        else:
            at += line.size if isinstance(line, Jump) else len(line)
    code = bytearray()
    for line in lines:
        if isinstance(line, Jump):
            code += line.encode(places[line.target] - len(code))
        elif isinstance(line, bytes):
            code += line
    return bytes(code)


def executable(machine: int, code: bytes) -> bytes:
    """A static program: `machine` is its e_machine, `code` begins with its first instruction."""
    start = _HEADER.size + 2 * _SEGMENT.size
    size = start + len(code)
    header = _HEADER.pack(
        _IDENTITY,
        _EXECUTABLE,
        machine,
        _CURRENT,
        _ADDRESS + start,
        _HEADER.size,  # where the segments are described
        _HEADER.size,
        _SEGMENT.size,
        2,
    )
    load = _SEGMENT.pack(_LOAD, _R_X, 0, _ADDRESS, _ADDRESS, size, size, _ALIGNMENT)
    stack = _SEGMENT.pack(_STACK, _RW_, 0, 0, 0, 0, 0, 16)  # which need not be executable
    return header + load + stack + code
