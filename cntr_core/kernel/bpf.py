"""Programs that the kernel runs where something happens in it (bpf(2)), and the memory that they share with us.

Everything lives as long as its descriptor: whoever is killed leaves nothing behind.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Sequence

from .syscall import Syscall

# linux/bpf.h
_MAP_CREATE, _PROG_LOAD, _RAW_TRACEPOINT_OPEN = 0, 5, 17
_MAP_TYPE_ARRAY, _F_MMAPABLE = 2, 1 << 10
_PROG_TYPE_RAW_TRACEPOINT = 17
_PSEUDO_MAP_FD = 1
_MAP_LOAD = 0x18  # BPF_LD | BPF_DW | BPF_IMM
COUNTER = 8
"""Bytes of one counter of an array."""

_LICENSE = ctypes.create_string_buffer(b"Dual MIT/GPL")  # some helpers ask for one that goes with the kernel's
_LOG = 1 << 16

_bpf = Syscall("bpf", 280, 321, since="3.18", wants="CAP_BPF and CAP_PERFMON in the machine's own user namespace")


def counters(count: int) -> int:
    """A descriptor of `count` counters, all 0, which programs add to, and mmap(2) shows; since Linux 5.5.

    :raises OSError: EPERM without privileges, EINVAL where the kernel is older.
    """
    attributes = struct.pack("=5I", _MAP_TYPE_ARRAY, 4, COUNTER, count, _F_MMAPABLE)
    return _call(_MAP_CREATE, attributes)


def raw_tracepoint(name: str, instructions: Sequence[bytes]) -> int:
    """A descriptor, until whose end the kernel runs the program `instructions` whenever it comes by the tracepoint
    `name`, in whichever process; since Linux 4.17.

    :raises OSError: EPERM without privileges; EACCES or EINVAL with the verifier's last words, where the program is
        none that this kernel runs; ENOENT where it has no such tracepoint.
    """
    program = _load(b"".join(instructions))
    try:
        text = ctypes.create_string_buffer(name.encode())
        return _call(_RAW_TRACEPOINT_OPEN, struct.pack("=QI4x", ctypes.addressof(text), program))
    finally:
        os.close(program)


def _load(code: bytes) -> int:
    program, log = ctypes.create_string_buffer(code, len(code)), ctypes.create_string_buffer(_LOG)
    attributes = struct.pack(
        "=IIQQIIQ",
        _PROG_TYPE_RAW_TRACEPOINT,
        len(code) // INSTRUCTION.size,
        ctypes.addressof(program),
        ctypes.addressof(_LICENSE),
        1,
        _LOG,
        ctypes.addressof(log),
    )
    try:
        return _call(_PROG_LOAD, attributes)
    except OSError as error:
        words = log.value.decode(errors="replace").strip().splitlines()
        raise _bpf.error(error.errno or 0, detail="; ".join(words[-2:])) from None


def _call(command: int, attributes: bytes) -> int:
    return _bpf(command, ctypes.create_string_buffer(attributes, len(attributes)), len(attributes))


INSTRUCTION = struct.Struct("=BBhi")
"""struct bpf_insn: code, registers (source above target, four bits each), jump or offset, constant."""


def instruction(code: int, target: int = 0, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
    """One instruction (kernel: bpf/standardization/instruction-set.rst)."""
    return INSTRUCTION.pack(code, source << 4 | target, offset, value)


def load_constant(target: int, value: int, source: int = 0) -> bytes:
    """Two instructions: register `target` becomes the 64 bits of `value`."""
    low, high = struct.unpack("=ii", struct.pack("=Q", value))
    return instruction(_MAP_LOAD, target, source, 0, low) + instruction(0, value=high)


def load_map(target: int, descriptor: int) -> bytes:
    """Two instructions: register `target` becomes the map of that descriptor."""
    return load_constant(target, descriptor, _PSEUDO_MAP_FD)
