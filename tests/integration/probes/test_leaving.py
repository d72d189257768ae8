"""The process that probes never runs on into its parent's code, however its end is timed."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest
from cntr_slimmer.probes.prober import Prober
from cntr_slimmer.probes.spec import parse


def test_a_signal_in_the_last_moment_leads_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave, owner, visitors = os._exit, os.getpid(), tmp_path / "visitors"

    def slowly(code: int) -> None:
        time.sleep(0.3)  # as when something is saved before the end: time for the parent's SIGTERM
        leave(code)

    monkeypatch.setattr(os, "_exit", slowly)
    try:
        with Prober([parse("tcp:1")]) as prober:
            prober._sock.shutdown(socket.SHUT_RDWR)
            time.sleep(0.1)
    finally:
        with open(visitors, "a") as file:
            file.write(f"{os.getpid()}\n")
        if os.getpid() != owner:
            leave(1)
    assert visitors.read_text().split() == [str(owner)]
