"""A terminal for tests: a pty whose other side a program uses, with everything that it prints collected."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import subprocess
import termios
import threading
import tty
from types import TracebackType

from tests.support.cntr import PROGRAM, environment, wait_until


class Terminal:
    """`slave` is for the program, the rest for the test that plays the person."""

    def __init__(self, *, raw: bool = False) -> None:
        self.master, self.slave = os.openpty()
        if raw:
            tty.setraw(self.slave)
        self.printed = bytearray()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(self.master, 1 << 16):
                self.printed += data

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """An interactive cntr, on this terminal, which it controls, as a shell would start it."""
        return subprocess.Popen(
            [PROGRAM, *words],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            env=environment({"TERM": "xterm", "SHELL": "/bin/bash"}),
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )

    def type(self, text: bytes) -> None:
        """Press keys; large texts in pieces, as a paste does."""
        view = memoryview(text)
        while view:
            view = view[os.write(self.master, view[:1024]) :]

    def expect(self, text: bytes, limit: float = 20) -> None:
        """Wait until `text` was printed."""
        wait_until(lambda: text in self.printed, f"{text!r} in {bytes(self.printed[-2000:])!r}", limit)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def attributes(self) -> list[object]:
        return termios.tcgetattr(self.slave)

    def settle(self) -> bytes:
        """Close the program's side and give all that was printed."""
        os.close(self.slave)
        self.slave = -1
        self._reader.join(10)
        return bytes(self.printed)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.slave >= 0:
            os.close(self.slave)
        self._reader.join(10)
        os.close(self.master)
