"""Run a program whose kernel refuses one system call: ``python refusing.py NUMBER ERRNO PROGRAM [ARG]...``."""

from __future__ import annotations

import ctypes
import os
import struct
import sys


def refusing(number: int, error: int) -> list[str]:
    """The words before a command line: a seccomp filter answers the call `number` with `error`."""
    return [sys.executable, os.path.abspath(__file__), str(number), str(error)]


def _filter(number: int, error: int) -> None:
    # Load the number; if it is that one, SECCOMP_RET_ERRNO, else SECCOMP_RET_ALLOW (seccomp(2)).
    code = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050000 | error), (0x06, 0, 0, 0x7FFF0000)]
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
    header = struct.pack("HxxxxxxP", len(code), ctypes.addressof(program))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    if libc.prctl(22, 2, ctypes.c_char_p(header), 0, 0):  # PR_SET_SECCOMP
        raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    _filter(int(sys.argv[1]), int(sys.argv[2]))
    os.execv(sys.argv[3], sys.argv[3:])
