"""A link between two network namespaces, with a rate and a delay.

The rate is the kernel's: a token bucket (tc-tbf(8)) at each end. The delay is a process between two TUN devices
(kernel: networking/tuntap.rst), which holds each packet for a while: tc's netem is a module that many kernels lack. The
devices are gone when that process is, and the namespaces with their last process.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from cntr_core.kernel.namespaces import CLONE_NEWNET, unshare

HERE, THERE = "198.18.0.1", "198.18.0.2"
"""The addresses of the two ends (RFC 2544: for measurements); nobody else sees them."""
_NAME = "cntr-link"
# linux/if_tun.h
_TUNSETIFF, _TUNSETOFFLOAD = 0x400454CA, 0x400454D0
_IFF_TUN, _IFF_NO_PI, _IFF_VNET_HDR = 0x1, 0x1000, 0x4000
_TUN_F_CSUM, _TUN_F_TSO4 = 0x1, 0x2
_LARGEST = 65536 + 10
"""Bytes of a packet that the kernel has not cut yet, with its struct virtio_net_hdr."""
_BURST, _QUEUE = "128kb", "50ms"


@dataclass(frozen=True, slots=True)
class Speed:
    """Mbit/s in each direction, and milliseconds for a packet and its answer."""

    mbit: float
    milliseconds: float


def new_network() -> None:
    """Enter a new network namespace, in which the loopback works. What was started before stays where it is."""
    unshare(CLONE_NEWNET)
    _run("ip", "link", "set", "lo", "up")


def end_of_link(address: str, peer: str, speed: Speed) -> int:
    """The descriptor of a new end in the namespace of this process; the other end has the address `peer`.

    :raises OSError: the kernel has no TUN devices.
    """
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    # Uncut packets, whose checksum is nobody's work, cost a process between little.
    fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", _NAME.encode(), _IFF_TUN | _IFF_NO_PI | _IFF_VNET_HDR))
    fcntl.ioctl(fd, _TUNSETOFFLOAD, _TUN_F_CSUM | _TUN_F_TSO4)
    _run("ip", "address", "add", address, "peer", peer, "dev", _NAME)
    _run("ip", "link", "set", "dev", _NAME, "up")
    _run(*f"tc qdisc add dev {_NAME} root tbf rate {speed.mbit}mbit burst {_BURST} latency {_QUEUE}".split())
    return fd


@contextmanager
def joined(one: int, other: int, speed: Speed) -> Iterator[None]:
    """Carry packets between the two ends while the block runs; the descriptors are given up."""
    line = [sys.executable, "-m", "evaluation.first_answer.link", str(one), str(other), str(speed.milliseconds / 2000)]
    carrier = subprocess.Popen(line, pass_fds=(one, other), start_new_session=True)  # a Ctrl-C is not its matter
    os.close(one)
    os.close(other)
    try:
        yield
    finally:
        carrier.kill()
        carrier.wait()


def carry(one: int, other: int, delay: float) -> None:
    """Give each packet of one end to the other, `delay` seconds after it came; without end."""
    ways = [(one, other, deque[tuple[float, bytes]]()), (other, one, deque[tuple[float, bytes]]())]
    while True:
        dues = [held[0][0] for _, _, held in ways if held]
        patience = max(0.0, min(dues) - time.monotonic()) if dues else None
        ready, _, _ = select.select([one, other], [], [], patience)
        for source, target, held in ways:
            if source in ready:
                _take(source, held, delay)
            _deliver(target, held)


def _take(source: int, held: deque[tuple[float, bytes]], delay: float) -> None:
    """All packets that are there."""
    with suppress(BlockingIOError):
        while True:
            held.append((time.monotonic() + delay, os.read(source, _LARGEST)))


def _deliver(target: int, held: deque[tuple[float, bytes]]) -> None:
    """All packets whose time has come; one that the other end refuses is lost, as on any link."""
    while held and held[0][0] <= time.monotonic():
        with suppress(OSError):
            os.write(target, held.popleft()[1])


def _run(*line: str) -> None:
    subprocess.run(line, check=True, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    carry(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
