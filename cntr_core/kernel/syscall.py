"""Plumbing of system calls: numbers, argument types, and errors that name the call and the path.

Calls go through syscall(2), so that they act on the calling thread alone. glibc's own setresuid(3) and
friends change every thread of the process by signals, and may load NSS modules; neither is wanted in a child
between fork and exec.

Everything here is resolved when the module is imported. A caller that has entered a container's mount
namespace must not import, dlopen or look up a codec any more: those would read the container's files (compare
CVE-2019-14271). See :func:`preload`.
"""

from __future__ import annotations

import codecs
import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

TYPE_CHECKING = False  # as in cntr_core/__init__.py

if TYPE_CHECKING:
    from typing import Any

    Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]

AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW = 0x100
AT_NO_AUTOMOUNT = 0x800
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
# c_void_p takes what system calls take: integers of register size, bytes, None, and references to structures.
_syscall.argtypes = [ctypes.c_long] + [ctypes.c_void_p] * 6
_syscall.restype = ctypes.c_long

# Calls from before Linux 5.0 have numbers of their own on x86-64; every later 64-bit architecture (aarch64,
# riscv64, loongarch64) uses the generic table of include/uapi/asm-generic/unistd.h. Newer calls have one
# number everywhere.
_IS_X86_64 = os.uname().machine == "x86_64"


class Syscall:
    """One system call: called with its arguments, it returns the result or raises OSError.

    The error's text names the call; its `filename` is the path, where one was given. ENOSYS says which kernel
    has the call, EPERM which privilege it wants.
    """

    __slots__ = ("name", "number", "since", "wants")

    def __init__(self, name: str, generic: int, x86_64: int | None = None, *, since: str = "", wants: str = "") -> None:
        self.name = name
        self.number = x86_64 if x86_64 is not None and _IS_X86_64 else generic
        self.since = since
        self.wants = wants

    def __call__(self, *arguments: Any, path: Path | None = None) -> int:
        padded = arguments + (0,) * (6 - len(arguments))
        while (result := int(_syscall(self.number, *padded))) == -1:
            if (number := ctypes.get_errno()) != errno.EINTR:
                raise self.error(number, path)
        return result

    def error(self, number: int, path: Path | None = None, detail: str = "") -> OSError:
        """The OSError for errno `number`; `detail` is what the kernel said beyond it."""
        text = detail or os.strerror(number)
        if number == errno.ENOSYS:
            text = "this kernel lacks the call" + (f"; it came with Linux {self.since}" if self.since else "")
        elif number == errno.EPERM and self.wants:
            text += f"; it wants {self.wants}"
        return OSError(number, f"{self.name}: {text}", None if path is None else os.fspath(path))


@contextmanager
def owned(fd: int) -> Iterator[int]:
    """The descriptor `fd`, which is closed at the end."""
    try:
        yield fd
    finally:
        os.close(fd)


def encode(path: Path) -> bytes:
    """A path as the bytes the kernel takes.

    :raises ValueError: it holds a NUL, which the kernel would take for its end.
    """
    raw = os.fsencode(path)
    if b"\0" in raw:
        raise ValueError(f"embedded null byte in path {path!r}")
    return raw


def preload() -> None:
    """Load what error messages and byte strings need later, while the host's files still are the process's
    own.

    Call it before setns(2) into a mount namespace. Afterwards no function of this package imports or opens a
    library.
    """
    for name in ("ascii", "latin-1", "utf-8"):
        codecs.lookup(name)
    for handler in ("strict", "surrogateescape", "backslashreplace", "replace", "ignore"):
        codecs.lookup_error(handler)
    str(OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), b"/"))
