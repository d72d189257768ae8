"""Health checks of images, whose output nobody limits and everybody shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.slim.conftest import MakeApp, Slim, app, slim
from tests.unit.images.layouts import file

__all__ = ["app", "slim"]

pytestmark = pytest.mark.requires("root", "fuse", "overlayfs", "runc", "busybox")

_CHECKS = {
    "megabytes": ("busybox head -c 60000000 /dev/zero; busybox head -c 60000000 /dev/zero >&2", True),
    "endless": ("cat /dev/zero", False),
    "binary": ("cat /odd; cat /odd >&2", True),
    "binary that fails": ("cat /odd; cat /odd >&2; exit 1", False),
    "in the background": ("cat /dev/zero & echo on", None),
}
_ODD = b"\x1b[2J\x1b]0;title\x07\x9b31m\xff\xfe\0\r\x85 \xe2\x80\xae reversed" * 1000 + b"\x1b[5m the end"


@pytest.mark.parametrize("name", _CHECKS)
def test_what_a_health_check_prints(slim: Slim, app: MakeApp, name: str) -> None:
    check, healthy = _CHECKS[name]
    busybox = file("bin/busybox", Path("/bin/busybox").read_bytes(), mode=0o755)
    image = app("sleep 600", busybox, file("odd", _ODD), Healthcheck={"Test": ["CMD-SHELL", check]})
    arguments = ("--timeout", "3", "--stop-timeout", "0.1") if healthy is not True else ("--stop-timeout", "0.1")
    done = slim(image, *arguments)
    assert healthy is None or (done.code == 0) is healthy, done.stderr[-2000:]
    assert done.code in (0, 125) and "Traceback" not in done.stderr
    for text in (done.stdout, done.stderr):
        assert len(text) < 20_000 and all(c.isprintable() or c == "\n" for c in text), text[:2000]
    if done.code:
        assert done.stderr.startswith("cntr: the probe exec:") and "hint: " in done.stderr
