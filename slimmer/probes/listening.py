"""Which TCP ports are listened on in a network namespace: ``/proc/net/tcp`` and ``tcp6`` (proc(5))."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable
from typing import NamedTuple

_LISTEN = "0A"  # TCP_LISTEN, include/net/tcp_states.h
_LOOPBACK = {"0.0.0.0": ("127.0.0.1",), "::": ("127.0.0.1", "::1")}


class Listener(NamedTuple):
    """A socket that listens: its address, which may be a wildcard, and its port."""

    address: str
    port: int


def parse(table: str) -> list[Listener]:
    """The listening sockets of one table; lines that cannot be understood are passed over."""
    found = []
    for line in table.splitlines()[1:]:
        words = line.split()
        if len(words) > 3 and words[3] == _LISTEN:
            address, _, port = words[1].partition(":")
            found.append(Listener(_address(address), int(port, 16)))
    return found


def _address(digits: str) -> str:
    """The kernel prints each 32-bit word of an address in the machine's own byte order."""
    words = [int(digits[start : start + 8], 16) for start in range(0, len(digits), 8)]
    return str(ipaddress.ip_address(struct.pack(f"={len(words)}I", *words)))


def listeners() -> list[Listener]:
    """The listening sockets of the calling process's own network namespace."""
    found = []
    for name in ("tcp", "tcp6"):
        try:
            with open(f"/proc/self/net/{name}", encoding="ascii") as table:
                found += parse(table.read())
        except FileNotFoundError:  # a kernel without IPv6
            continue
    return found


def addresses(port: int, known: Iterable[Listener]) -> list[str]:
    """Where to connect to reach `port` from inside the namespace, loopback first; none where nobody listens.

    The wildcard of IPv6 mostly takes IPv4 as well (IPV6_V6ONLY, ipv6(7)), so both loopbacks may do.
    """
    found: list[str] = []
    for listener in known:
        if listener.port == port:
            found += _LOOPBACK.get(listener.address, (listener.address,))
    return sorted(dict.fromkeys(found), key=lambda address: not ipaddress.ip_address(address).is_loopback)
