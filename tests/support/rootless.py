"""An ordinary user and its rootless podman, on a machine that knows neither.

The user, its subordinate ids and a /dev/fuse for everybody exist in a mount namespace alone, below which the machine is
as it is: nothing has to be undone but that.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.cntr import PROGRAM, environment
from tests.support.images import archive, docker_tag
from tests.support.reachable import opening_script

UID = 4711
GID = 4712
NAME = "cntr-user"
RUNTIME_DIRECTORY = f"/run/user/{UID}"
PAUSE = f"{RUNTIME_DIRECTORY}/libpod/tmp/pause.pid"
FIRST_SUBORDINATE = 700_000
SUBORDINATES = 65536

# As in tests.support.podman. Nobody here has cgroups to give away, nor a journal for events.
_SETTINGS = """\
[containers]
default_ulimits = ["nofile=1024:2048", "nproc=1024:2048"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
"""
_STORAGE = """\
[storage]
driver = "overlay"
"""
_NAMESPACE = """\
set -e
{open}mount -t tmpfs -o mode=755 tmpfs {devices}
mknod -m {fuse_mode} {devices}/fuse c 10 229
mount --bind {devices}/fuse /dev/fuse
mkdir -p /run/user
mount -t tmpfs -o mode=755 tmpfs /run/user
mkdir -m 700 /run/user/{uid}
chown {uid}:{gid} /run/user/{uid}
for name in passwd group subuid subgid; do mount --bind {etc}/$name /etc/$name; done
echo ready
exec sleep infinity
"""


@dataclass(frozen=True)
class OrdinaryUser:
    """Runs programs as the user, or as root who came from the user, where the user exists."""

    home: Path
    holder: int
    """The process whose mount namespace that is."""

    def environment(self) -> dict[str, str]:
        return environment(
            {
                "HOME": str(self.home),
                "USER": NAME,
                "LOGNAME": NAME,
                "XDG_RUNTIME_DIR": RUNTIME_DIRECTORY,
                "TMPDIR": str(self.home / "tmp"),
            }
        )

    def command(self, *line: str) -> list[str]:
        """The line that runs `line` as the user."""
        become = ["setpriv", f"--reuid={UID}", f"--regid={GID}", "--clear-groups", "--inh-caps=-all", "--"]
        return [*self.root_command(*become), *line]

    def root_command(self, *line: str) -> list[str]:
        """The line that runs `line` as root among the user's files."""
        return ["nsenter", f"--mount=/proc/{self.holder}/ns/mnt", f"--wdns={self.home}", "--", *line]

    def run(
        self, *line: str, timeout: float = 120, check: bool = True, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program as the user."""
        return self._run(self.command(*line), timeout, check, env)

    def cntr(
        self, *arguments: str, timeout: float = 60, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run ``cntr ARGUMENTS`` as the user."""
        return self._run(self.command(PROGRAM, *arguments), timeout, False, env)

    def sudo_cntr(
        self, *arguments: str, timeout: float = 60, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run ``cntr ARGUMENTS`` as root, as sudo(8) would: its variables, and none of the user's own."""
        sudo = {"SUDO_UID": str(UID), "SUDO_GID": str(GID), "SUDO_USER": NAME, "HOME": "/root", "USER": "root"}
        kept = {name: value for name, value in self.environment().items() if not name.startswith("XDG_")}
        line = self.root_command(PROGRAM, *arguments)
        return subprocess.run(
            line,
            env={**kept, **sudo, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def _run(
        self, line: list[str], timeout: float, check: bool, env: Mapping[str, str] | None
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            line,
            env={**self.environment(), **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert not check or done.returncode == 0, (line, done.stdout, done.stderr)
        return done

    def podman(self, *arguments: str, timeout: float = 120) -> str:
        """What a podman command of the user prints."""
        return self.run("podman", *arguments, timeout=timeout).stdout.strip()

    def podman_image(self, recipe: str) -> str:
        """Load an image of tests.support.images where it is missing, and give its name."""
        tag = docker_tag(recipe)
        if self.run("podman", "image", "exists", tag, check=False).returncode != 0:
            self.podman("load", "--quiet", "--input", archive(recipe), timeout=300)
        return tag

    def start(self, recipe: str, *options: str, command: tuple[str, ...] = ()) -> str:
        """Start a container of the user's; gives its name."""
        name = f"cntr-test-{uuid.uuid4().hex[:12]}"
        tag = self.podman_image(recipe)
        self.podman("run", "--detach", "--name", name, "--network", "none", *options, tag, *command)
        return name

    def pid(self, name: str) -> int:
        """The first process of a container."""
        return int(self.podman("inspect", "--format", "{{.State.Pid}}", name))


@pytest.fixture(scope="session")
def ordinary_user() -> Iterator[OrdinaryUser]:
    """A user with subordinate ids, who may open /dev/fuse; its containers end with the tests."""
    with made_user() as user:
        yield user


@contextmanager
def made_user(*, subordinates: bool = True, fuse: bool = True) -> Iterator[OrdinaryUser]:
    """The user, with or without subordinate ids and access to /dev/fuse."""
    place = Path(tempfile.mkdtemp(prefix="cntr-test-user-", dir="/var/tmp"))
    try:
        place.chmod(0o755)
        script = _prepare(place, subordinates=subordinates, fuse=fuse)
        line = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
        with subprocess.Popen(line, stdout=subprocess.PIPE) as holder:
            try:
                assert holder.stdout is not None and holder.stdout.readline() == b"ready\n"
                user = OrdinaryUser(place / "home", holder.pid)
                try:
                    yield user
                finally:
                    _remove_containers(user)
            finally:
                holder.kill()
    finally:
        shutil.rmtree(place)


def _prepare(place: Path, *, subordinates: bool, fuse: bool) -> str:
    """Make the user's files; gives the script that makes them the machine's."""
    for name in ("devices", "etc", "home", "home/.config", "home/.config/containers", "home/tmp"):
        (place / name).mkdir()
    line = f"{NAME}:{FIRST_SUBORDINATE}:{SUBORDINATES}\n" if subordinates else ""
    own = {
        "passwd": f"{NAME}:x:{UID}:{GID}::{place}/home:/bin/sh\n",
        "group": f"{NAME}:x:{GID}:\n",
        "subuid": line,
        "subgid": line,
    }
    for name, text in own.items():
        file = Path("/etc", name)
        (place / "etc" / name).write_text((file.read_text() if file.exists() else "") + text)
    (place / "home/.config/containers/containers.conf").write_text(_SETTINGS)
    (place / "home/.config/containers/storage.conf").write_text(_STORAGE)
    for path in (place / "home", *(place / "home").rglob("*")):
        os.chown(path, UID, GID)
        path.chmod(0o700 if path.is_dir() else 0o600)
    return _NAMESPACE.format(
        open=opening_script(),
        devices=place / "devices",
        etc=place / "etc",
        uid=UID,
        gid=GID,
        fuse_mode=666 if fuse else 600,
    )


def _remove_containers(user: OrdinaryUser) -> None:
    """End the user's containers, and the process with which its podman holds the user namespace."""
    if user.run("test", "-e", PAUSE, check=False).returncode == 0:
        user.podman("rm", "--all", "--force", "--time", "0")
        user.run("sh", "-c", f"kill -KILL $(cat {PAUSE})", check=False)
