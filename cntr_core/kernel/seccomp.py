"""Installing a filter of system calls (seccomp(2)): a program of classic BPF, for good, inherited by all children."""

from __future__ import annotations

import ctypes

from ..dataclass import dataclass
from .syscall import Syscall

# linux/seccomp.h
SECCOMP_FILTER_FLAG_LOG = 1 << 1
SECCOMP_FILTER_FLAG_SPEC_ALLOW = 1 << 2
_SECCOMP_SET_MODE_FILTER = 1

_INSTRUCTION = 8  # bytes of a struct sock_filter

_seccomp = Syscall("seccomp", 277, 317, since="3.17", wants="CAP_SYS_ADMIN, or no_new_privs")


@dataclass(frozen=True, slots=True)
class SyscallFilter:
    """A filter that is made, so that nothing is loaded or looked up when it is installed."""

    instructions: bytes
    flags: int = 0


class _Program(ctypes.Structure):
    """struct sock_fprog: the number of instructions, and where they are."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def set_filter(instructions: bytes, flags: int = 0) -> None:
    """Have every later system call of the calling thread judged by the program `instructions`, which cannot be taken
    off again.

    :raises OSError: EACCES without CAP_SYS_ADMIN and no_new_privs, EINVAL for a program that is none or longer than
        4096 instructions.
    """
    program = _Program(len(instructions) // _INSTRUCTION, instructions)
    _seccomp(_SECCOMP_SET_MODE_FILTER, flags, ctypes.byref(program))
