"""The shim for x86-64 (Intel's manual, volume 2; system calls as in syscall(2)).

At the start rsp points at argc, behind which are argv, a null and the environment. rbx keeps that place, r12 argc.
"""

from __future__ import annotations

from .assembler import Jump, Label, Line, assemble

MACHINE = 62
"""EM_X86_64."""


def _jump(opcode: int, target: str) -> Jump:
    """A jump of two bytes, whose distance counts from its end."""
    return Jump(target, 2, lambda distance: bytes([opcode]) + (distance - 2).to_bytes(1, "little", signed=True))


def _always(target: str) -> Jump:
    return _jump(0xEB, target)


def _if_equal(target: str) -> Jump:
    return _jump(0x74, target)


def _unless_equal(target: str) -> Jump:
    return _jump(0x75, target)


def _if_less(target: str) -> Jump:
    return _jump(0x7C, target)


_SYSCALL = bytes.fromhex("0f05")

_START: tuple[Line, ...] = (
    bytes.fromhex("4889e3"),  #          mov rbx, rsp
    bytes.fromhex("4c8b23"),  #          mov r12, [rbx]
    bytes.fromhex("4983fc06"),  #        cmp r12, 6            shim, FIFO, WORKDIR, a candidate, "", ARGV0
    _if_less("near refuse"),
)
# fd = open(FIFO, O_RDONLY | O_NONBLOCK | O_CLOEXEC): a FIFO without a writer must not make us wait for one.
_OPEN: tuple[Line, ...] = (
    bytes.fromhex("488b7b10"),  #        mov rdi, [rbx+16]
    bytes.fromhex("be00080800"),  #      mov esi, 0x80800
    bytes.fromhex("b802000000"),  #      mov eax, 2            open
    _SYSCALL,
    bytes.fromhex("85c0"),  #            test eax, eax
    _if_less("near refuse"),
)
# fcntl(fd, F_SETFL, 0): from here on, wait.
_WAIT: tuple[Line, ...] = (
    bytes.fromhex("4189c5"),  #          mov r13d, eax
    bytes.fromhex("89c7"),  #            mov edi, eax
    bytes.fromhex("be04000000"),  #      mov esi, 4
    bytes.fromhex("31d2"),  #            xor edx, edx
    bytes.fromhex("b848000000"),  #      mov eax, 72           fcntl
    _SYSCALL,
    bytes.fromhex("85c0"),  #            test eax, eax
    _unless_equal("near refuse"),
)
# read(fd, below the stack, 1) == 1
_READ: tuple[Line, ...] = (
    bytes.fromhex("4489ef"),  #          mov edi, r13d
    bytes.fromhex("488d7424f8"),  #      lea rsi, [rsp-8]
    bytes.fromhex("ba01000000"),  #      mov edx, 1
    bytes.fromhex("31c0"),  #            xor eax, eax          read
    _SYSCALL,
    bytes.fromhex("83f801"),  #          cmp eax, 1
    _unless_equal("near refuse"),
)
# chdir(WORKDIR)
_CHDIR: tuple[Line, ...] = (
    bytes.fromhex("488b7b18"),  #        mov rdi, [rbx+24]
    bytes.fromhex("b850000000"),  #      mov eax, 80           chdir
    _SYSCALL,
    bytes.fromhex("85c0"),  #            test eax, eax
    _unless_equal("near refuse"),
)
# r14 = the first candidate's place, r15 = that behind the empty word
_SEARCH: tuple[Line, ...] = (
    bytes.fromhex("4c8d7320"),  #        lea r14, [rbx+32]
    bytes.fromhex("4d89f7"),  #          mov r15, r14
    Label("search"),
    bytes.fromhex("498b07"),  #          mov rax, [r15]
    bytes.fromhex("4885c0"),  #          test rax, rax
    _if_equal("near refuse"),
    bytes.fromhex("4983c708"),  #        add r15, 8
    bytes.fromhex("803800"),  #          cmp byte [rax], 0
    _unless_equal("search"),
)
# execve(candidate, r15, environment), one after the other; ebp is the code where all fail
_EXECUTE: tuple[Line, ...] = (
    bytes.fromhex("4a8d54e310"),  #      lea rdx, [rbx+r12*8+16]
    bytes.fromhex("bd7f000000"),  #      mov ebp, 127
    _always("try"),
    Label("near refuse"),
    _always("refuse"),
    Label("try"),
    bytes.fromhex("498b3e"),  #          mov rdi, [r14]
    bytes.fromhex("803f00"),  #          cmp byte [rdi], 0
    _if_equal("exit"),
    bytes.fromhex("4983c608"),  #        add r14, 8
    bytes.fromhex("4c89fe"),  #          mov rsi, r15
    bytes.fromhex("b83b000000"),  #      mov eax, 59           execve
    _SYSCALL,
    bytes.fromhex("83f8fe"),  #          cmp eax, -2           ENOENT
    _if_equal("try"),
    bytes.fromhex("bd7e000000"),  #      mov ebp, 126
    _always("try"),
)
_LEAVE: tuple[Line, ...] = (
    Label("refuse"),
    bytes.fromhex("bd7d000000"),  #      mov ebp, 125
    Label("exit"),
    bytes.fromhex("89ef"),  #            mov edi, ebp
    bytes.fromhex("b8e7000000"),  #      mov eax, 231          exit_group
    _SYSCALL,
)


def code() -> bytes:
    """The instructions."""
    return assemble((*_START, *_OPEN, *_WAIT, *_READ, *_CHDIR, *_SEARCH, *_EXECUTE, *_LEAVE))
