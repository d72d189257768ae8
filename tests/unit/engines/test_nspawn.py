"""What the kernel tells of nspawn's machines, as values."""

from __future__ import annotations

import os

import pytest
from cntr_plugins.engines.nspawn.engine import NspawnEngine, name_by_mounts

from cntr_core.engine import statuses
from cntr_core.kernel.procfs import parse_mountinfo
from tests.support.recorded import fixture
from tests.support.sockets import chattering


@pytest.mark.parametrize(
    ("mounts", "name"),
    [("nspawn-252", "web"), ("nspawn-241", "old-one"), ("systemd-debian12", "")],
)
def test_the_name_of_a_machine(mounts: str, name: str) -> None:
    assert name_by_mounts(parse_mountinfo(fixture(f"mountinfo/{mounts}.mountinfo"))) == name


@pytest.mark.parametrize("said", [b"", b"OK\r\n", b"REJECTED EXTERNAL\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_bus_that_refuses_or_is_none(
    said: bytes, tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/bus")
    with chattering(f"{tmp_path}/bus", said):
        [(_, status)] = statuses([NspawnEngine()])
    assert not status.available
    assert status.detail.startswith("the system's D-Bus")
    assert status.hint
