"""LXC for tests: containers below a directory of their own, ended with their monitors and cgroups."""

from __future__ import annotations

import glob
import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from cntr_core.testing.processes import wait_until
from tests.support.roots import busybox_root

_CONFIG = """\
lxc.rootfs.path = dir:{root}
lxc.uts.name = {name}
lxc.net.0.type = empty
lxc.apparmor.profile = unconfined
lxc.mount.auto = proc:mixed sys:ro
lxc.init.cmd = /sbin/init
"""


@dataclass
class Lxc:
    """The containers below `path`, which is an LXCPATH."""

    path: Path
    started: list[str] = field(default_factory=list)

    def create(self, *settings: str, name: str = "") -> str:
        """Define a container with a root of its own; gives its name."""
        name = name or f"cntr-test-{uuid.uuid4().hex[:12]}"
        place = self.path / name
        place.mkdir()
        config = _CONFIG.format(root=busybox_root(place), name=name)
        (place / "config").write_text(config + "".join(f"{setting}\n" for setting in settings))
        return name

    def root(self, name: str) -> Path:
        """The container's root, as the host sees it."""
        return self.path / name / "root"

    def start(self, name: str) -> int:
        """Start a container; gives its first process when that runs its program."""
        self.started.append(name)
        self.run("lxc-start", "-n", name, "-o", f"{self.path}/{name}/log")
        pid = int(self.run("lxc-info", "-n", name, "-p", "-H"))
        wait_until(lambda: os.readlink(f"/proc/{pid}/root/proc/1/exe").endswith("busybox"), "its init runs")
        return pid

    def run(self, tool: str, *arguments: str) -> str:
        """What one of LXC's tools prints."""
        line = [tool, "-P", os.fspath(self.path), *arguments]
        return subprocess.run(line, check=True, capture_output=True, text=True, timeout=60).stdout.strip()

    def stop_all(self) -> None:
        for name in self.started:
            with suppress(subprocess.CalledProcessError):  # it has ended already
                self.run("lxc-stop", "-n", name, "-k")


@contextmanager
def lxc_containers(path: Path) -> Iterator[Lxc]:
    """Containers below `path`, which end with the block."""
    path.chmod(0o755)  # a root in a user namespace is reached by users who own nothing above it
    containers = Lxc(path)
    try:
        yield containers
    finally:
        containers.stop_all()
        remove_pivots()


def remove_pivots() -> None:
    """The cgroup into which a monitor of liblxc moves at last, and which it leaves behind."""
    for pivot in (*glob.glob("/sys/fs/cgroup/lxc.pivot"), *glob.glob("/sys/fs/cgroup/*/lxc.pivot")):
        with suppress(OSError):  # another one's monitor is in it
            os.rmdir(pivot)
