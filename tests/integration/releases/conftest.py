"""What is released, built once for all tests."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.images import archive, cache_directory

ROOT = Path(__file__).parents[3]


def build(output: Path) -> dict[str, str]:
    """Run packaging/build; the SHA-256 sums of what it made, by name."""
    env = {**os.environ, "CNTR_BUILD_CACHE": os.path.join(cache_directory(), "build")}
    done = subprocess.run(
        [ROOT / "packaging/build", "--output", output], env=env, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr
    sums = subprocess.run(["sha256sum", *os.listdir(output)], cwd=output, check=True, capture_output=True, text=True)
    return {name: digest for digest, name in (line.split() for line in sums.stdout.splitlines())}


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the released files, and images to try them on."""
    directory = tmp_path_factory.mktemp("released") / "dist"
    build(directory)
    shutil.copyfile(archive("nginx"), directory / "nginx.tar")
    return directory
