"""An archive with a shell, a tool and what they need."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.debian_archive import DebianArchive, Signer, served


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signer]:
    signer = Signer(tmp_path_factory.mktemp("keys") / "home")
    yield signer
    signer.close()


def shell_package(archive: DebianArchive) -> None:
    """A package of /bin/sh, whose directory is that of old packages."""
    busybox = shutil.which("busybox")
    assert busybox is not None
    archive.add("shell", {"bin/sh": Path(busybox), "usr/share/doc/shell/copyright": "MIT"}, Essential="yes")


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory, signer: Signer) -> DebianArchive:
    archive = DebianArchive(tmp_path_factory.mktemp("archive") / "debian", signer)
    shell_package(archive)
    told = 'echo "$(cat /usr/share/word) tool"'
    files = {"usr/bin/tool": f"#!/bin/sh\n{told}\n", "usr/share/doc/tool/README": "no", "usr/share/man/man1/tool": "no"}
    archive.add("tool", files, script="touch /run-by-dpkg", Depends="absent | word (>= 1), shell:any")
    archive.add("word", {"usr/share/word": "a"}, Provides="speech")
    archive.add("silent", {"usr/share/silent": "s"}, Conflicts="speech")
    archive.add(
        "speaker", {"usr/bin/speaker": f"#!/bin/sh\n{told}\n"}, script="touch /usr/share/set-up", Depends="word"
    )
    archive.publish()
    return archive


@pytest.fixture(scope="session")
def mirror(archive: DebianArchive) -> Iterator[str]:
    with served(archive.root) as address:
        yield address
