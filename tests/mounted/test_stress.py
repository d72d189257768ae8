"""stress-ng's filesystem stressors, verifying what they do."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.mounted.mounting import mounted

pytestmark = [pytest.mark.requires("root", "fuse", "stress-ng"), pytest.mark.timeout(300)]

STRESSORS = [
    "access",
    "chmod",
    "chown",
    "copy-file",
    "dentry",
    "dir",
    "dirdeep",
    "dirmany",
    "dup",
    "fallocate",
    "fcntl",
    "fiemap",
    "file-ioctl",
    "filename",
    "flock",
    "fpunch",
    "fstat",
    "fsize",
    "getdent",
    "handle",
    "hdd",
    "iomix",
    "lease",
    "link",
    "locka",
    "lockf",
    "lockofd",
    "mknod",
    "open",
    "readahead",
    "rename",
    "rotate",
    "seek",
    "sendfile",
    "splice",
    "symlink",
    "sync-file",
    "touch",
    "utime",
    "xattr",
]


@pytest.mark.parametrize("branches", [1, 2], ids=["passthrough", "union"])
@pytest.mark.parametrize("transport", ["direct", "pyfuse3"])
def test_every_stressor_finds_what_it_wrote(transport: str, branches: int, tmp_path: Path) -> None:
    trees = [tmp_path / f"branch{number}" for number in range(branches)]
    for tree in trees:
        tree.mkdir()
    failed = {}
    with mounted(transport, tmp_path / "mount", *trees, read_only=False):
        for name in STRESSORS:
            command = ["stress-ng", "--temp-path", ".", "--verify", "--timeout", "1", f"--{name}", "1"]
            run = subprocess.run(
                [*command, f"--{name}-ops", "100"], cwd=tmp_path / "mount", capture_output=True, text=True, timeout=60
            )
            if run.returncode:
                failed[name] = run.stdout + run.stderr
    assert not failed
    assert not [path for path in trees[0].rglob("*") if path.is_file()], "everything was cleaned up"
