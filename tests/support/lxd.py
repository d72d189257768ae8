"""LXD for tests: a daemon with a directory, mounts and subordinate ids of its own, and an image of busybox."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cntr_core.testing.processes import descendants, is_alive, wait_until
from tests.support.lxc import remove_pivots
from tests.support.roots import busybox_root

_PRESEED = """\
storage_pools: [{name: default, driver: dir}]
profiles: [{name: default, devices: {root: {path: /, pool: default, type: disk}}}]
"""
_METADATA = """\
architecture: x86_64
creation_date: 1700000000
properties: {description: busybox for cntr, os: busybox}
"""
_IMAGE = "busybox"
_SUBORDINATES = "root:1000000:1000000000\nroot:1234:1\n"
"""What LXD may give to containers; the second line for ``raw.idmap``."""
_DAEMON = """\
for name in subuid subgid; do mount --bind "$LXD_DIR/subordinates" /etc/$name || exit; done
exec lxd --group root
"""


@dataclass(frozen=True)
class Lxd:
    """A daemon at work; `path` is its LXD_DIR."""

    path: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "LXD_DIR": str(self.path), "LXD_CONF": f"{self.path}/client"}

    def run(self, *line: str, stdin: str = "") -> str:
        """What a program prints that talks to the daemon."""
        run = subprocess.run(line, input=stdin, env=self.environment, capture_output=True, text=True, timeout=120)
        assert run.returncode == 0, (line, run.stdout, run.stderr)
        return run.stdout.strip()

    def launch(self, *options: str, name: str = "") -> str:
        """Start a container of the image; gives its name. Options are `-c KEY=VALUE` and such."""
        name = name or f"cntr-test-{uuid.uuid4().hex[:12]}"
        self.run("lxc", "launch", _IMAGE, name, *options)
        return name

    def pid(self, name: str) -> int:
        return int(self.query(f"/1.0/instances/{name}/state")["pid"])

    def root(self, name: str) -> Path:
        """The container's root, as the host sees it."""
        return self.path / "storage-pools/default/containers" / name / "rootfs"

    def query(self, path: str) -> Any:
        return json.loads(self.run("lxc", "query", path))

    def delete_all(self) -> None:
        for project in [p["name"] for p in self.query("/1.0/projects?recursion=1")]:
            for instance in self.query(f"/1.0/instances?recursion=1&project={project}"):
                self.run("lxc", "delete", "--force", "--project", project, instance["name"])


@contextmanager
def lxd_server() -> Iterator[Lxd]:
    """A daemon with the image, which ends with the block, and its containers before it."""
    place = Path(tempfile.mkdtemp(prefix="cntr-lxd-", dir="/var/tmp"))  # a socket's path must be short
    place.chmod(0o711)  # containers in user namespaces look up their roots below it
    try:
        lxd = Lxd(place)
        (place / "subordinates").write_text(_SUBORDINATES)
        line = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _DAEMON]
        with (
            open(place / "log", "wb") as log,
            subprocess.Popen(line, env=lxd.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log) as daemon,
        ):
            try:
                lxd.run("lxd", "waitready", "--timeout=60")
                lxd.run("lxd", "init", "--preseed", stdin=_PRESEED)
                _import_image(lxd)
                yield lxd
            finally:
                _end(lxd, daemon)
    finally:
        shutil.rmtree(place)
        remove_pivots()


def _end(lxd: Lxd, daemon: subprocess.Popen[bytes]) -> None:
    """End the daemon in good order, so that it takes its mounts along."""
    helpers = descendants(daemon.pid)
    try:
        lxd.delete_all()
        lxd.run("lxd", "shutdown", "--timeout=30")
        daemon.wait(60)
    finally:
        daemon.kill()
        for pid in filter(is_alive, helpers):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, helpers)), "LXD's helpers have ended")


def _import_image(lxd: Lxd) -> None:
    with tempfile.TemporaryDirectory(prefix="image-", dir=lxd.path) as directory:
        root = busybox_root(Path(directory))
        Path(directory, "metadata.yaml").write_text(_METADATA.replace("x86_64", os.uname().machine))
        with tarfile.open(f"{directory}/image.tar", "w") as tar:
            tar.add(f"{directory}/metadata.yaml", "metadata.yaml")
            tar.add(root, "rootfs")
        lxd.run("lxc", "image", "import", f"{directory}/image.tar", "--alias", _IMAGE)
