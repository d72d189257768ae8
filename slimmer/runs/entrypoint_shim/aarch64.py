"""The shim for aarch64 (Arm's manual, DDI 0487, C6; system calls as in syscall(2)).

At the start sp points at argc, behind which are argv, a null and the environment. x19 keeps that place, x20 argc.
"""

from __future__ import annotations

from .assembler import Jump, Label, Line, assemble

MACHINE = 183
"""EM_AARCH64."""


def _word(value: int) -> bytes:
    """An instruction."""
    return value.to_bytes(4, "little")


def _jump(opcode: int, target: str, shift: int = 5, bits: int = 19) -> Jump:
    """A jump whose distance, in instructions, is a field of `bits` bits."""
    mask = (1 << bits) - 1
    return Jump(target, 4, lambda distance: _word(opcode | (distance // 4 & mask) << shift))


def _if_less(target: str) -> Jump:
    return _jump(0x5400000B, target)


def _if_equal(target: str) -> Jump:
    return _jump(0x54000000, target)


def _unless_equal(target: str) -> Jump:
    return _jump(0x54000001, target)


def _if_not_zero_x0(target: str) -> Jump:
    return _jump(0xB5000000, target)


def _always(target: str) -> Jump:
    return _jump(0x14000000, target, shift=0, bits=26)


_CALL = _word(0xD4000001)  # svc 0

_START: tuple[Line, ...] = (
    _word(0x910003F3),  # mov x19, sp
    _word(0xF9400274),  # ldr x20, [x19]
    _word(0xF1001A9F),  # cmp x20, #6               shim, FIFO, WORKDIR, a candidate, "", ARGV0
    _if_less("refuse"),
)
# fd = openat(AT_FDCWD, FIFO, O_RDONLY | O_NONBLOCK | O_CLOEXEC): a FIFO without a writer must not make us wait.
_OPEN: tuple[Line, ...] = (
    _word(0x92800C60),  # mov x0, #-100
    _word(0xF9400A61),  # ldr x1, [x19, #16]
    _word(0x52810002),  # mov w2, #0x800
    _word(0x72A00102),  # movk w2, #8, lsl #16
    _word(0xD2800708),  # mov x8, #56               openat
    _CALL,
    _word(0xF100001F),  # cmp x0, #0
    _if_less("refuse"),
)
# fcntl(fd, F_SETFL, 0): from here on, wait.
_WAIT: tuple[Line, ...] = (
    _word(0xAA0003F5),  # mov x21, x0
    _word(0xD2800081),  # mov x1, #4
    _word(0xD2800002),  # mov x2, #0
    _word(0xD2800328),  # mov x8, #25               fcntl
    _CALL,
    _if_not_zero_x0("refuse"),
)
# read(fd, below the stack, 1) == 1
_READ: tuple[Line, ...] = (
    _word(0xAA1503E0),  # mov x0, x21
    _word(0xD10043E1),  # sub x1, sp, #16
    _word(0xD2800022),  # mov x2, #1
    _word(0xD28007E8),  # mov x8, #63               read
    _CALL,
    _word(0xF100041F),  # cmp x0, #1
    _unless_equal("refuse"),
)
# chdir(WORKDIR)
_CHDIR: tuple[Line, ...] = (
    _word(0xF9400E60),  # ldr x0, [x19, #24]
    _word(0xD2800628),  # mov x8, #49               chdir
    _CALL,
    _if_not_zero_x0("refuse"),
)
# x22 = the first candidate's place, x23 = that behind the empty word
_SEARCH: tuple[Line, ...] = (
    _word(0x91008276),  # add x22, x19, #32
    _word(0xAA1603F7),  # mov x23, x22
    Label("search"),
    _word(0xF84086E9),  # ldr x9, [x23], #8
    _jump(0xB4000009, "refuse"),  # cbz x9
    _word(0x3940012A),  # ldrb w10, [x9]
    _jump(0x3500000A, "search"),  # cbnz w10
)
# execve(candidate, x23, environment), one after the other; w25 is the code where all fail
_EXECUTE: tuple[Line, ...] = (
    _word(0x8B140E78),  # add x24, x19, x20, lsl #3
    _word(0x91004318),  # add x24, x24, #16
    _word(0x52800FF9),  # mov w25, #127
    Label("try"),
    _word(0xF84086C0),  # ldr x0, [x22], #8
    _word(0x3940000A),  # ldrb w10, [x0]
    _jump(0x3400000A, "exit"),  # cbz w10
    _word(0xAA1703E1),  # mov x1, x23
    _word(0xAA1803E2),  # mov x2, x24
    _word(0xD2801BA8),  # mov x8, #221              execve
    _CALL,
    _word(0xB100081F),  # cmn x0, #2                -ENOENT
    _if_equal("try"),
    _word(0x52800FD9),  # mov w25, #126
    _always("try"),
)
_LEAVE: tuple[Line, ...] = (
    Label("refuse"),
    _word(0x52800FB9),  # mov w25, #125
    Label("exit"),
    _word(0x2A1903E0),  # mov w0, w25
    _word(0xD2800BC8),  # mov x8, #94               exit_group
    _CALL,
)


def code() -> bytes:
    """The instructions."""
    return assemble((*_START, *_OPEN, *_WAIT, *_READ, *_CHDIR, *_SEARCH, *_EXECUTE, *_LEAVE))
