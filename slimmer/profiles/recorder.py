"""Counting the system calls of a container, in the kernel: two small programs at the tracepoints ``sys_enter`` and
``sys_exit`` add to counters that we can read. Nothing is lost however many calls there are, nothing waits for us, and
the processes notice nothing (bpf(2); kernel: bpf/standardization/instruction-set.rst).

A call counts where its process is in the container's PID namespace, whoever its parent is. What the OCI runtime does
there before it executes a program does not count. A call that a filter refuses never enters (kernel/entry/common.c), so
it is one that only leaves.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import NamedTuple, Self

from cntr_core.errors import KernelFeatureMissing, PermissionMissing, SessionError
from cntr_core.kernel import bpf
from cntr_core.kernel.bpf import instruction
from cntr_core.kernel.syscall import owned
from cntr_core.reasons import reason
from cntr_core.runtime.seccomp import call_name

from .calls import Calls

OTHER, X32 = 1023, 1022
"""Where calls count whose number is greater, or negative; and those of x86's x32, whose numbers have a bit more."""
_X32_BIT = 0x40000000  # asm/unistd.h
_SLOTS = OTHER + 1
_COUNTERS = 4 * _SLOTS  # what enters and what leaves, each by the machine's own calls and by those of 32 bits
_LEAVING = 2 * _SLOTS
_RUNTIME = b"runc:[2:"  # runc's first process calls itself so until it executes a program (libcontainer/nsenter)

# linux/bpf.h: helpers
_LOOK_UP, _COMM, _READ_KERNEL, _IN_NAMESPACE = 1, 16, 113, 120
# instruction-set.rst: classes and operations
_CALL, _EXIT = 0x85, 0x95
_MOVE, _MOVE_VALUE, _ADD_VALUE, _AND_VALUE = 0xBF, 0xB7, 0x07, 0x57
_LOAD, _STORE_WORD, _STORE_VALUE, _ADD_ATOMIC = 0x79, 0x63, 0x7A, 0xDB
_IF_EQUAL, _IF_SAME, _IF_OTHER_VALUE, _IF_ABOVE, _IF_AT_MOST = 0x15, 0x1D, 0x55, 0x25, 0xB5
_STACK = 10  # the register
_KEY, _WORD, _TEXT = -8, -16, -32  # what is on the stack


class _Machine(NamedTuple):
    """Where ``struct pt_regs`` (asm/ptrace.h) has the number of a call, and what tells a process of 32 bits."""

    number: int
    number_bytes: int
    state: int
    mask: int
    narrow: int


_MACHINES = {"x86_64": _Machine(120, 8, 136, 0xFFFF, 0x23), "aarch64": _Machine(280, 4, 264, 0x10, 0x10)}


class CallRecorder:
    """Counts the calls of one container. Have it :meth:`watch` before the image's program runs."""

    def __init__(self) -> None:
        self._owned = ExitStack()
        self._counters: mmap.mmap | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._owned.close()

    def watch(self, pid: int) -> None:
        """From now on count the calls in the PID namespace of process `pid`.

        :raises CntrError: this kernel or this user cannot, or the namespace is our own.
        """
        namespace = os.stat(f"/proc/{pid}/ns/pid")
        if os.path.samestat(namespace, os.stat("/proc/self/ns/pid")):
            raise SessionError("the container has no PID namespace of its own, so its calls cannot be told from others")
        counters = _allowed(lambda: _start(namespace, self._owned))
        self._counters = self._owned.enter_context(
            mmap.mmap(counters, _COUNTERS * bpf.COUNTER, mmap.MAP_SHARED, mmap.PROT_READ)
        )

    def calls(self) -> Calls:
        """What was called so far."""
        if self._counters is None:
            return Calls()
        counts = struct.unpack(f"={_COUNTERS}Q", self._counters[:])
        made: list[set[str]] = [set(), set()]
        refused: set[str] = set()
        unnamed: set[int] = set()
        for index in range(_LEAVING):
            width, number = divmod(index, _SLOTS)
            name = call_name(number, narrow=bool(width)) if counts[index] or counts[_LEAVING + index] else None
            if counts[index]:
                made[width].add(name) if name else unnamed.add(number)
            elif name:
                refused.add(name)
        own, narrow = map(frozenset, made)
        return Calls(own, narrow, frozenset(refused), frozenset(unnamed - {X32}), X32 in unnamed)


def check_recorder() -> None:
    """:raises CntrError: calls cannot be counted or named here."""
    with ExitStack() as stack:
        _allowed(lambda: _start(os.stat("/proc/self/ns/pid"), stack))
    call_name(0)


def _allowed(start: Callable[[], int]) -> int:
    try:
        return start()
    except PermissionError as error:
        raise PermissionMissing(f"system calls cannot be counted: {reason(error)}", "run it as root") from error
    except OSError as error:
        raise KernelFeatureMissing(
            f"the kernel cannot count system calls: {reason(error)}", "leave --profile seccomp out"
        ) from error


def _start(namespace: os.stat_result, stack: ExitStack) -> int:
    """Both programs, which run until `stack` is left; gives a descriptor of their counters.

    :raises OSError: the kernel refuses.
    :raises KernelFeatureMissing: nobody knows the registers of this machine.
    """
    machine = _MACHINES.get(os.uname().machine)
    if machine is None:
        raise KernelFeatureMissing(
            f"system calls are not counted on {os.uname().machine}", f"use {' or '.join(_MACHINES)}"
        )
    counters = stack.enter_context(owned(bpf.counters(_COUNTERS)))
    entering = [instruction(_LOAD, 7, 6, 8)]  # args[1] of include/trace/events/syscalls.h
    leaving = [*_read(machine.number, machine.number_bytes), instruction(_LOAD, 7, _STACK, _WORD)]
    for name, number, base in (("sys_enter", entering, 0), ("sys_exit", leaving, _LEAVING)):
        program = _program(namespace, machine, counters, number, base)
        stack.enter_context(owned(bpf.raw_tracepoint(name, program)))
    return counters


def _program(
    namespace: os.stat_result, machine: _Machine, counters: int, number: Sequence[bytes], base: int
) -> list[bytes]:
    """Count one call, whose number the instructions `number` leave in register 7, from the counter `base` on."""
    end = [instruction(_MOVE_VALUE, 0), instruction(_EXIT)]
    count = [
        instruction(_MOVE, 1, 7),
        instruction(_ADD_VALUE, 1, value=-_X32_BIT),
        instruction(_IF_ABOVE, 1, offset=1, value=X32),  # without a sign, so a negative one is a great one
        instruction(_MOVE_VALUE, 7, value=X32),
        instruction(_IF_AT_MOST, 7, offset=1, value=OTHER),
        instruction(_MOVE_VALUE, 7, value=OTHER),
        *_read(machine.state, 8),
        instruction(_LOAD, 1, _STACK, _WORD),
        instruction(_AND_VALUE, 1, value=machine.mask),
        instruction(_IF_OTHER_VALUE, 1, offset=1, value=machine.narrow),
        instruction(_ADD_VALUE, 7, value=_SLOTS),
        instruction(_ADD_VALUE, 7, value=base),
        instruction(_STORE_WORD, _STACK, 7, _KEY),
        bpf.load_map(1, counters),
        *_pointer(2, _KEY),
        instruction(_CALL, value=_LOOK_UP),
        instruction(_IF_EQUAL, 0, offset=2),
        instruction(_MOVE_VALUE, 1, value=1),
        instruction(_ADD_ATOMIC, 0, 1),
    ]
    of_program = [
        *_pointer(1, _TEXT),
        instruction(_MOVE_VALUE, 2, value=16),
        instruction(_CALL, value=_COMM),
        instruction(_LOAD, 1, _STACK, _TEXT),
        bpf.load_constant(2, struct.unpack("=Q", _RUNTIME)[0]),
        instruction(_IF_SAME, 1, 2, _length([*number, *count])),
    ]
    # The kernel's own form of a device number (linux/kdev_t.h); for nsfs only the minor one is not 0.
    device = os.major(namespace.st_dev) << 20 | os.minor(namespace.st_dev)
    return [
        instruction(_MOVE, 6, 1),
        bpf.load_constant(1, device),
        bpf.load_constant(2, namespace.st_ino),
        *_pointer(3, _WORD),
        instruction(_MOVE_VALUE, 4, value=8),
        instruction(_CALL, value=_IN_NAMESPACE),
        instruction(_IF_OTHER_VALUE, 0, offset=_length([*of_program, *number, *count])),
        *of_program,
        *number,
        *count,
        *end,
    ]


def _read(offset: int, size: int) -> list[bytes]:
    """Read `size` bytes of the registers of who calls; they are left on the stack."""
    return [
        instruction(_STORE_VALUE, _STACK, offset=_WORD),
        *_pointer(1, _WORD),
        instruction(_MOVE_VALUE, 2, value=size),
        instruction(_LOAD, 3, 6),  # args[0]
        instruction(_ADD_VALUE, 3, value=offset),
        instruction(_CALL, value=_READ_KERNEL),
    ]


def _pointer(register: int, place: int) -> list[bytes]:
    return [instruction(_MOVE, register, _STACK), instruction(_ADD_VALUE, register, value=place)]


def _length(instructions: Sequence[bytes]) -> int:
    return sum(map(len, instructions)) // bpf.INSTRUCTION.size
