"""What the kernel tells of nspawn's machines, as values."""

from __future__ import annotations

import pytest
from cntr_plugins.engines.nspawn import name_by_mounts

from cntr_core.kernel.procfs import parse_mountinfo
from tests.recorded import fixture


@pytest.mark.parametrize(
    ("mounts", "name"),
    [("nspawn-252", "web"), ("nspawn-241", "old-one"), ("systemd-debian12", "")],
)
def test_the_name_of_a_machine(mounts: str, name: str) -> None:
    assert name_by_mounts(parse_mountinfo(fixture(f"mountinfo/{mounts}.mountinfo"))) == name
