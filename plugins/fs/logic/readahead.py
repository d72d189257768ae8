"""How far the kernel reads ahead of who reads a file from its beginning on."""

from __future__ import annotations

from contextlib import suppress

from .syscalls import device_of

MOST = 1 << 20
"""Bytes: what one message asks for at most."""


def read_far_ahead(mount: int) -> None:
    """Have it read so far ahead in the files of a mount, not 128 kB, where /sys can be written
    (Documentation/ABI/testing/sysfs-class-bdi)."""
    major, minor = device_of(mount)
    with suppress(OSError), open(f"/sys/class/bdi/{major}:{minor}/read_ahead_kb", "w", encoding="ascii") as file:
        file.write(str(MOST >> 10))
