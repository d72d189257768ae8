"""The application's own files: what no run came to, and belongs to it."""

from __future__ import annotations

import json

import pytest

from tests.integration.slim.conftest import MakeApp, Slim
from tests.unit.images.layouts import file, tar

pytestmark = pytest.mark.requires("root", "fuse", "overlayfs", "runc", "busybox")

PAGE = b"""#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\n'
. /srv/inc/late.sh
"""


def test_pages_and_parts_that_no_probe_came_to_are_there(slim: Slim, app: MakeApp) -> None:
    """As of a site: one page is linked, others are not, and what they include neither."""
    files = [file("srv/index.html", b"first"), file("srv/cgi-bin/other", PAGE, mode=0o755)]
    image = app(
        "exec httpd -f -p 8080 -h /srv",
        *files,
        file("srv/inc/late.sh", b"echo late"),
        WorkingDir="/srv",
        ExposedPorts={"8080/tcp": {}},
        StopSignal="SIGKILL",
    )
    result = slim.made(image, application=True)
    assert {"/srv/index.html", "/srv/cgi-bin/other", "/srv/inc/late.sh"} <= result.paths()
    assert "/unused" not in result.paths(), "the base is no application"
    assert "2 files by rule application" in result.stdout and "of at most 67.1 MB" in result.stdout
    why = slim.cntr("why", "report", "/srv/inc/late.sh")
    assert why.returncode == 0
    assert (
        "no package has it, and it lies below the working directory /srv (rule application, profile balanced)"
        in why.stdout
    )
    without = slim.made(image, "--probe", "http:8080/")
    assert "/srv/inc/late.sh" not in without.paths()


def test_what_is_beyond_the_limit_is_told(slim: Slim, app: MakeApp) -> None:
    model = tar(file("srv/model", bytes(68_000_000)))
    image = app("exec cat /srv/a", file("srv/a"), file("srv/b"), layers=(model,), WorkingDir="/srv")
    result = slim.made(image, "--probe", "exit", application=True)
    assert "/srv/b" in result.paths() and "/srv/model" not in result.paths()
    assert "1 more file of rule application, 68.0 MB, are beyond its 67.1 MB" in result.stdout
    [share] = [rule for rule in result.report["rules"] if rule["name"] == "application"]
    assert share == {
        "name": "application",
        "profile": "balanced",
        "files": 1,
        "limit": 64 << 20,
        "left_out_files": 1,
        "left_out_bytes": 68_000_000,
    }
    why = slim.cntr("why", "report", "/srv/model")
    assert why.returncode == 1 and "beyond 67 MB" in why.stdout and "--include /srv/model" in why.stdout
    assert json.loads(slim.cntr("why", "--json", "report", "/srv/model").stdout)["state"] == "gone"
