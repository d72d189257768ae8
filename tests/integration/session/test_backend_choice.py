"""``--fs auto``: what is chosen where something is missing, and what is said of it."""

from __future__ import annotations

import subprocess

import pytest

from tests.integration.session.conftest import Running
from tests.support.cntr import PROGRAM, cntr, environment, output
from tests.support.images import archive

pytestmark = pytest.mark.requires("root", "docker", "fuse", "overlayfs")

_WITHOUT_FUSE = """
mount -t tmpfs none /dev
for device in "null 1 3" "zero 1 5" "full 1 7" "random 1 8" "urandom 1 9" "tty 5 0"; do
    set -- $device; mknod -m 666 "/dev/$1" c "$2" "$3"
done
ln -s /proc/self/fd /dev/fd
"""


def _without_fuse(container: str, *words: str) -> subprocess.CompletedProcess[bytes]:
    line = f'{_WITHOUT_FUSE} exec "$0" attach "docker://{container}" {" ".join(words)}'
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", line, PROGRAM]
    return subprocess.run(command, capture_output=True, env=environment(), timeout=60)


def _type_of_root(container: str, *options: str) -> str:
    return output("attach", container, *options, "--", "stat", "-f", "-c", "%T", "/").strip()


def test_a_server_of_ours_shows_the_hosts_tree(debian: Running) -> None:
    assert _type_of_root(debian.name) == _type_of_root(debian.name, "--fs", "auto") == "fuseblk"
    told = cntr("attach", debian.name, "--dry-run", "--", "true")
    assert b"by direct" in told.stdout
    assert told.stderr == b"cntr: filesystem backend direct: the fastest of those whose mounts end with the session\n"
    asked = cntr("attach", debian.name, "--fs", "pyfuse3", "--dry-run", "--", "true")
    assert asked.stderr == b"cntr: filesystem backend pyfuse3: as asked for\n"


def test_what_outlives_a_session_is_said_and_never_a_default(debian: Running) -> None:
    assert "outlives the session" in output("attach", debian.name, "--fs", "kernel", "--dry-run", "--", "true")
    result = _without_fuse(debian.name, "--", "true")
    assert (result.returncode, result.stdout) == (125, b"")
    assert result.stderr.startswith(b"cntr: --fs direct: /dev/fuse")


def test_the_kernel_shows_an_image_where_nothing_else_can(debian: Running) -> None:
    result = _without_fuse(debian.name, "--tools", f"image:{archive('debian')}", "--", "cat", "/etc/debian_version")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(b"12")
    assert b"using the filesystem backend kernel, for direct lacks /dev/fuse and pyfuse3 lacks" in result.stderr


def test_a_backend_that_is_named_is_not_replaced(debian: Running) -> None:
    result = _without_fuse(debian.name, "--fs", "pyfuse3", "--", "true")
    assert result.returncode == 125
    assert b"--fs pyfuse3" in result.stderr
    assert cntr("attach", debian.name, "--fs", "none", "--", "true").returncode == 125
