"""What a program writes, up to a limit: one that prints without end takes no memory without end."""

from __future__ import annotations

import os
import selectors
import subprocess
import time

LARGEST = 16 << 20
"""Bytes of each stream that are kept, its beginning; the rest is read and dropped."""
_CHUNK = 1 << 16


def communicated(process: subprocess.Popen[bytes], timeout: float) -> tuple[bytes, bytes]:
    """As Popen.communicate, for a program with pipes as stdout and stderr: what it wrote there, when it has ended.

    :raises subprocess.TimeoutExpired: it has not within `timeout` seconds.
    """
    assert process.stdout is not None and process.stderr is not None
    deadline = time.monotonic() + timeout
    kept = {process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
    with selectors.DefaultSelector() as selector:
        for fd in kept:
            selector.register(fd, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select(max(0.0, deadline - time.monotonic())):
                data = os.read(key.fd, _CHUNK)
                kept[key.fd] += data[: LARGEST - len(kept[key.fd])]
                if not data:
                    selector.unregister(key.fd)
            if time.monotonic() >= deadline and selector.get_map():
                raise subprocess.TimeoutExpired(process.args, timeout)
    process.wait(max(0.0, deadline - time.monotonic()))
    process.stdout.close()
    process.stderr.close()
    stdout, stderr = map(bytes, kept.values())
    return stdout, stderr
