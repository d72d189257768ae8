"""Machines on which nothing was prepared for cntr: their root directories, with this machine's kernel and engines."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .images import docker_image

_MOUNT = """
mount -t overlay -o lowerdir="$1/lower",upperdir="$1/upper",workdir="$1/work" overlay "$1/root"
for each in proc sys dev run; do mount --rbind "/$each" "$1/root/$each"; done
mount --bind "$2" "$1/root/mnt"
echo ready
exec sleep infinity
"""
_PATH = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_AS_FEDORA = """
cp --archive --remove-destination /usr/lib/x86_64-linux-gnu/. /usr/lib64/
echo /usr/lib64 > /etc/ld.so.conf
ldconfig
rm -rf /usr/lib/x86_64-linux-gnu /var/lib/dpkg /etc/apt /usr/bin/apt* /usr/bin/dpkg* /etc/debian_version
printf 'ID=fedora\\nNAME="Fedora Linux"\\n' > /etc/os-release
"""
"""What tells the two apart for programs: where libraries are, and no package manager of Debian's. No Fedora can be had
from Debian's packages."""


class CleanRoot:
    """A root directory below `place`; what commands write to it stays there. `shared` is its /mnt. A block that ends
    unmounts it."""

    def __init__(self, place: Path, shared: Path) -> None:
        for name in ("lower", "upper", "work", "root"):
            (place / name).mkdir()
        _export(place / "lower")
        line = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", _MOUNT, "sh", str(place), str(shared)]
        self._root = place / "root"
        self._holder = subprocess.Popen(line, stdout=subprocess.PIPE)
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"ready\n"

    def __enter__(self) -> CleanRoot:
        return self

    def __exit__(self, *_: object) -> None:
        with self._holder:
            self._holder.kill()

    def run(self, *command: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a command with this root."""
        enter = ["nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt", "env", "-i", "HOME=/root", f"PATH={_PATH}"]
        line = [*enter, "chroot", str(self._root), *command]
        return subprocess.run(line, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=timeout)

    def become_fedora(self) -> None:
        """Look to programs as Fedora does."""
        done = self.run("sh", "-euc", _AS_FEDORA)
        assert done.returncode == 0, done.stderr


def _export(target: Path) -> None:
    """The files of the test image ``clean``."""
    create = ["docker", "create", docker_image("clean")]
    container = subprocess.run(create, check=True, capture_output=True, text=True, timeout=60).stdout.strip()
    try:
        unpack = f"docker export {container} | tar --extract --directory {target}"
        subprocess.run(["bash", "-o", "pipefail", "-c", unpack], check=True, timeout=120)
    finally:
        subprocess.run(["docker", "rm", container], check=True, capture_output=True, timeout=60)
