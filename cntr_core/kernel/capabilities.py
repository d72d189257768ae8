"""Capabilities of a thread: the five sets, their names, and how to become what another process is
(capabilities(7)).

A set is a mask: bit n stands for capability number n.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from functools import lru_cache

from ..dataclass import dataclass
from .procfs import ProcessStatus
from .syscall import Syscall

_NAMES = """
CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT
SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP
MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
"""
NAMES = tuple(_NAMES.split())
"""The names of linux/capability.h without ``CAP_``, by number (Linux 5.9: 0 to 40)."""

SECBIT_NO_SETUID_FIXUP = 1 << 2
SECBIT_KEEP_CAPS = 1 << 4

_SETPCAP = 1 << NAMES.index("SETPCAP")
_VERSION_3 = 0x20080522
_PR_CAPBSET_READ, _PR_CAPBSET_DROP, _PR_CAP_AMBIENT = 23, 24, 47
_AMBIENT_IS_SET, _AMBIENT_RAISE, _AMBIENT_CLEAR_ALL = 1, 2, 4

_capget = Syscall("capget", 90, 125)
_capset = Syscall("capset", 91, 126, wants="the very capabilities it is to set")
_drop_bounding = Syscall("prctl(PR_CAPBSET_DROP)", 167, 157, wants="CAP_SETPCAP")
_read_bounding = Syscall("prctl(PR_CAPBSET_READ)", 167, 157)
_ambient = Syscall("prctl(PR_CAP_AMBIENT)", 167, 157, wants="the capability both permitted and inheritable")


@dataclass(frozen=True, slots=True)
class CapabilitySet:
    """The five sets of a thread."""

    bounding: int
    inheritable: int
    permitted: int
    effective: int
    ambient: int

    @classmethod
    def from_status(cls, status: ProcessStatus) -> CapabilitySet:
        """The sets as ``/proc/PID/status`` prints them."""
        return cls(
            bounding=status.cap_bounding,
            inheritable=status.cap_inheritable,
            permitted=status.cap_permitted,
            effective=status.cap_effective,
            ambient=status.cap_ambient,
        )


def names(mask: int) -> list[str]:
    """The capabilities of a mask, as ``CAP_SYS_ADMIN``; ``CAP_63`` for a number without a name here.

    >>> names(0b101)
    ['CAP_CHOWN', 'CAP_DAC_READ_SEARCH']
    """
    return [f"CAP_{NAMES[number] if number < len(NAMES) else number}" for number in _numbers(mask)]


def _numbers(mask: int) -> list[int]:
    return [number for number in range(mask.bit_length()) if mask >> number & 1]


def mask(capabilities: Iterable[str]) -> int:
    """The mask of names, in any case, with or without ``CAP_``; ``ALL`` means every one.

    :raises ValueError: a name that Linux 5.9 does not have.
    """
    result = 0
    for name in capabilities:
        short = name.upper().removeprefix("CAP_")
        if short == "ALL":
            return (1 << len(NAMES)) - 1
        if short not in NAMES:
            raise ValueError(f"unknown capability {name!r}")
        result |= 1 << NAMES.index(short)
    return result


def last_cap(proc: str = "/proc") -> int:
    """The highest capability number of the running kernel."""
    with open(f"{proc}/sys/kernel/cap_last_cap", "rb") as file:
        return int(file.read())


class _Header(ctypes.Structure):
    """struct __user_cap_header_struct; pid 0 is the calling thread."""

    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


_SELF = ctypes.byref(_Header(_VERSION_3, 0))

# struct __user_cap_data_struct, twice: the low words of effective, permitted, inheritable, then their high
# words.
_Data = ctypes.c_uint32 * 6


def capget() -> tuple[int, int, int]:
    """The effective, permitted and inheritable sets of the calling thread."""
    data = _Data()
    _capget(_SELF, data)
    effective, permitted, inheritable = (data[i] | data[i + 3] << 32 for i in range(3))
    return effective, permitted, inheritable


def capset(effective: int, permitted: int, inheritable: int) -> None:
    """Set the three sets of the calling thread. Nothing can be added to permitted."""
    _capset(_SELF, _data(effective, permitted, inheritable))


@lru_cache(maxsize=8)
def _data(*sets: int) -> ctypes.Array[ctypes.c_uint32]:
    """As capset(2) reads them. A filesystem's server goes to and fro between two, for each file that is made."""
    return _Data(*(word & 0xFFFFFFFF for word in sets), *(word >> 32 for word in sets))


def bounding(last: int) -> int:
    """The bounding set of the calling thread, up to capability number `last`."""
    return sum(1 << number for number in range(last + 1) if _read_bounding(_PR_CAPBSET_READ, number))


def ambient(last: int) -> int:
    """The ambient set of the calling thread, up to capability number `last`."""
    return sum(1 << number for number in range(last + 1) if _ambient(_PR_CAP_AMBIENT, _AMBIENT_IS_SET, number))


def apply(wanted: CapabilitySet, last: int) -> None:
    """Give the calling thread exactly the sets of `wanted`. `last` is :func:`last_cap`, read beforehand.

    Change uids first, with :func:`~cntr_core.kernel.process.set_keep_capabilities`: leaving uid 0 then empties the
    effective and the ambient set, and this fills them again from the permitted one. What the kernel does not know is
    left out. An execve(2) afterwards recomputes the sets: for a uid other than 0 only ambient ones survive a plain
    program.

    :raises PermissionError: `wanted` holds what the thread does not have, or CAP_SETPCAP is missing.
    """
    known = (1 << last + 1) - 1
    _, permitted, inheritable = capget()
    # New inheritable ones must lie within the bounding set and want CAP_SETPCAP to be effective, so they come before
    # the dropping; CAP_SETPCAP goes last.
    capset(permitted & _SETPCAP, permitted, inheritable)
    capset(permitted & _SETPCAP, permitted, wanted.inheritable & known)
    for number in _numbers(bounding(last) & ~wanted.bounding):
        _drop_bounding(_PR_CAPBSET_DROP, number)
    _ambient(_PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL)
    capset(wanted.effective & known, wanted.permitted & known, wanted.inheritable & known)
    for number in _numbers(wanted.ambient & known):
        _ambient(_PR_CAP_AMBIENT, _AMBIENT_RAISE, number)
