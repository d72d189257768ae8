"""Machines on which nothing was prepared for cntr: their root directories, with this machine's kernel and engines."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from .images import cache_directory

_MOUNT = """
mount -t overlay -o lowerdir="$1/lower",upperdir="$1/upper",workdir="$1/work" overlay "$1/root"
for each in proc sys dev run; do mount --rbind "/$each" "$1/root/$each"; done
mount --bind "$2" "$1/root/mnt"
echo ready
exec sleep infinity
"""
_PATH = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PACKAGES = ("procps", "python3", "runc")
"""What comes on top of Debian's minbase: Python, and a runtime for images."""
_DOWNLOAD = """
chroot "$1" apt-get --quiet=2 --yes --no-install-recommends --download-only install python3-pyfuse3
mkdir "$1/root/pyfuse3"
mv "$1"/var/cache/apt/archives/*.deb "$1/root/pyfuse3"
"""
"""The suite's own pyfuse3 is there to be installed."""
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
    """A root directory below `place` with the files of the tar `archive`; what commands write to it stays there.
    `shared` is its /mnt. A block that ends unmounts it."""

    def __init__(self, archive: str, place: Path, shared: Path) -> None:
        for name in ("lower", "upper", "work", "root"):
            (place / name).mkdir()
        unpack = ["tar", "--extract", "--numeric-owner", "--file", archive, "--directory", str(place / "lower")]
        subprocess.run(unpack, check=True, timeout=120)
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


def prepared(suite: str) -> str:
    """Debian's `suite` with Python and a runtime, as a tar, kept as the images are."""
    kept = os.path.join(cache_directory(), f"clean-{suite}.tar")
    if not os.path.exists(kept):
        with tempfile.TemporaryDirectory(dir=cache_directory()) as work:
            made = os.path.join(work, "root.tar")
            line = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(_PACKAGES)}"]
            line += ["--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*"]
            line += ['--aptopt=Acquire::Check-Valid-Until "false"', f"--customize-hook={_DOWNLOAD}"]
            done = subprocess.run([*line, suite, made], capture_output=True, text=True, timeout=400)
            assert done.returncode == 0, done.stderr
            os.rename(made, kept)
    return kept
