"""From a bundle's ``linux.seccomp`` (runtime-spec, config-linux.md) to the program that the kernel takes, as runc makes
it: by libseccomp, and with ENOSYS for system calls that are newer than the whole profile."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import struct
import sys
import types
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from ..errors import EngineError
from ..kept import kept
from ..kernel.seccomp import SECCOMP_FILTER_FLAG_LOG, SECCOMP_FILTER_FLAG_SPEC_ALLOW, SyscallFilter
from ..reasons import reason

_LIBRARY = "libseccomp.so.2"
_FLAGS = {
    "SECCOMP_FILTER_FLAG_LOG": SECCOMP_FILTER_FLAG_LOG,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": SECCOMP_FILTER_FLAG_SPEC_ALLOW,
}
_PERMISSIVE = ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG")
_WITH_VALUE = ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE")
_NARROW = {"x86_64": "X86", "aarch64": "ARM"}
_UNKNOWN = -1  # seccomp_syscall_resolve_name(3): no architecture has it

# linux/bpf_common.h, and the offsets of struct seccomp_data in linux/seccomp.h
_LOAD, _JUMP_EQUAL, _JUMP_GREATER, _JUMP_SET, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_NUMBER, _ARCHITECTURE = 0, 4
_X32_BIT = 0x40000000
_RETURN_ENOSYS = 0x00050000 | errno.ENOSYS


def compile_filter(profile: Mapping[str, Any]) -> SyscallFilter:
    """The filter that `profile`, a ``linux.seccomp``, describes.

    System calls that libseccomp does not know are passed over, as runc does. What the profile gives to a listener
    (``SCMP_ACT_NOTIFY``) is answered with ENOSYS by the kernel, since there is none.

    :raises EngineError: libseccomp is missing, or the profile is no profile.
    """
    try:
        flags = sum(_FLAGS[name] for name in profile.get("flags") or () if name in _FLAGS)
        return SyscallFilter(_kept_program(profile), flags)
    except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        raise EngineError(f"its seccomp profile makes no filter ({reason(error)})", "check linux.seccomp") from None


def _kept_program(profile: Mapping[str, Any]) -> bytes:
    """The program of `profile`, which takes 12 ms to make, from the cache where there is one of the same profile,
    machine, libseccomp, and code of ours."""
    with suppress(OSError), open(__file__, "rb") as source:  # OSError: it lies in an archive
        here = (*os.uname(), *_version(), json.dumps(profile))
        return kept("filters", source.read() + repr(here).encode(), lambda: _program(profile))
    return _program(profile)


def _version() -> tuple[int, int, int]:
    """Of libseccomp (seccomp_version(3)): another one knows other system calls. :raises OSError: it is not there."""
    get = ctypes.CDLL(_LIBRARY).seccomp_version
    get.restype = ctypes.POINTER(ctypes.c_uint * 3)
    major, minor, micro = get().contents
    return major, minor, micro


def _program(profile: Mapping[str, Any]) -> bytes:
    return _Compiler(profile, _loaded()).compile()


def call_name(number: int, *, narrow: bool = False) -> str | None:
    """libseccomp's name of the system call `number` of this machine, or of its processes of 32 bits if `narrow`; None
    where it knows none.

    :raises EngineError: libseccomp is missing.
    """
    library = _loaded()
    architecture = getattr(library.Arch, _NARROW.get(os.uname().machine, "")) if narrow else library.system_arch()
    try:
        return str(library.resolve_syscall(architecture, number), "ascii")
    except ValueError:
        return None


def _loaded() -> Any:
    """:raises EngineError: libseccomp is missing."""
    try:
        return _library()
    except (ImportError, RuntimeError, OSError) as error:  # pragma: no cover - a machine without it
        raise EngineError(f"libseccomp cannot be loaded ({reason(error)})", "install libseccomp2") from None


def _library() -> Any:
    """pyseccomp, which loads libseccomp. By ctypes.util, where it looks for that and for libc, ldconfig(8) would be run
    twice, which takes as long as the filter."""
    before = sys.modules.get("ctypes.util")
    names = types.ModuleType("ctypes.util")
    names.find_library = {"seccomp": _LIBRARY}.get  # type: ignore[attr-defined]  # libc: what this process has
    sys.modules["ctypes.util"] = ctypes.util = names  # type: ignore[attr-defined]
    try:
        import pyseccomp
    finally:
        del sys.modules["ctypes.util"], ctypes.util  # type: ignore[attr-defined]
        if before is not None:
            sys.modules["ctypes.util"] = ctypes.util = before  # type: ignore[attr-defined]
    return pyseccomp


class _Compiler:
    """One profile; `library` is pyseccomp."""

    def __init__(self, profile: Mapping[str, Any], library: Any) -> None:
        self._library = library
        self._default = str(profile["defaultAction"])
        self._default_errno = profile.get("defaultErrnoRet")
        self._rules = list(profile.get("syscalls") or ())
        names = profile.get("architectures") or ()
        # The machine's own is always in a filter of libseccomp's.
        self._architectures = {self._architecture(name) for name in names} | {library.system_arch()}

    def compile(self) -> bytes:
        return b"".join(self._newer_calls()) + self._program()

    def _program(self) -> bytes:
        default = self._action(self._default, self._default_errno)
        made = self._library.SyscallFilter(default)
        for architecture in self._architectures - {self._library.system_arch()}:
            made.add_arch(architecture)
        for rule in self._rules:
            action = self._action(rule["action"], rule.get("errnoRet"))
            if action != default:  # libseccomp refuses a rule that says what is said already
                self._add(made, action, rule)
        with open(os.memfd_create("filter"), "rb+", buffering=0) as file:
            made.export_bpf(file)
            file.seek(0)
            return file.read()

    def _add(self, made: Any, action: int, rule: Mapping[str, Any]) -> None:
        for name in rule["names"]:
            number = self._library.resolve_syscall(self._library.Arch.NATIVE, name)
            if number != _UNKNOWN:
                for conditions in self._conditions(rule.get("args") or ()):
                    made.add_rule(action, number, *conditions)

    def _conditions(self, args: Iterable[Mapping[str, Any]]) -> Iterator[list[Any]]:
        """The lists of conditions, any of which makes the rule apply; all of one list must hold. As with runc, several
        conditions on one argument are alternatives."""
        made = [self._condition(arg) for arg in args]
        indices = Counter(arg["index"] for arg in args)
        if max(indices.values(), default=0) > 1:
            yield from ([condition] for condition in made)
        else:
            yield made

    def _condition(self, arg: Mapping[str, Any]) -> Any:
        operator = getattr(self._library, arg["op"].removeprefix("SCMP_CMP_"))
        return self._library.Arg(arg["index"], operator, arg["value"], arg.get("valueTwo") or 0)

    def _action(self, name: str, value: int | None) -> int:
        action = getattr(self._library, name.removeprefix("SCMP_ACT_"))
        return int(action(errno.EPERM if value is None else value) if name in _WITH_VALUE else action)

    def _architecture(self, name: str) -> int:
        return int(getattr(self._library.Arch, name.removeprefix("SCMP_ARCH_")))

    def _newer_calls(self) -> Iterator[bytes]:
        """Answer ENOSYS to every call with a higher number than the profile has: a program that tries a new call, and
        then an older one, would take the profile's EPERM for the last word."""
        if self._default in _PERMISSIVE:
            return
        for architecture in self._architectures - {self._library.Arch.X32}:  # which goes by the name of x86-64
            yield _instruction(_LOAD, _ARCHITECTURE)
            yield _instruction(_JUMP_EQUAL, architecture, otherwise=4)
            yield _instruction(_LOAD, _NUMBER)
            yield _instruction(_JUMP_SET, _X32_BIT, then=2)
            yield _instruction(_JUMP_GREATER, self._highest(architecture), otherwise=1)
            yield _instruction(_RETURN, _RETURN_ENOSYS)

    def _highest(self, architecture: int) -> int:
        names = {name for rule in self._rules for name in rule["names"]}
        return max((self._library.resolve_syscall(architecture, name) for name in names), default=0)


def _instruction(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    """One struct sock_filter: the jumps are over so many instructions."""
    return struct.pack("=HBBI", code, then, otherwise, value & 0xFFFFFFFF)
