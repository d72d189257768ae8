"""cntr toolbox build: an image of packages of a signed archive, and a session that uses it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

from cntr_core.images import open_image, unpack
from tests.docs.test_schemas import holds
from tests.support.cntr import PROGRAM, cntr, output, running
from tests.support.debian_archive import SUITE, DebianArchive, served
from tests.support.images import DockerRun
from tests.support.reachable import command_as

pytestmark = pytest.mark.requires("root", "gpg", "gpgv", "busybox", "dpkg-deb")


def _from(archive: DebianArchive, mirror: str) -> list[str]:
    return ["--mirror", mirror, "--suite", SUITE, "--keyring", str(archive.signer.keyring)]


@pytest.fixture
def toolbox(tmp_path: Path) -> Path:
    return tmp_path / "toolbox.tar"


def test_it_has_the_packages_and_what_they_need(
    archive: DebianArchive, mirror: str, toolbox: Path, tmp_path: Path
) -> None:
    printed = output("toolbox", "build", "tool", "--json", *_from(archive, mirror), env={"CNTR_TOOLBOX": str(toolbox)})
    answer = json.loads(printed)
    holds("cntr-toolbox-build/1", printed)
    assert [package["name"] for package in answer["packages"]] == ["shell", "tool", "word"]
    assert answer["tools"] == "toolbox"
    root = tmp_path / "root"
    _unpack(toolbox, root)
    assert (root / "usr/bin/tool").stat().st_mode & 0o777 == 0o755
    assert (root / "bin").readlink() == Path("usr/bin")
    assert (root / "usr/share/doc/shell/copyright").read_text() == "MIT"
    assert not (root / "usr/share/man/man1").exists()
    assert not (root / "usr/share/doc/tool/README").exists()
    assert not (root / "run-by-dpkg").exists()


def _unpack(image: Path, target: Path) -> None:
    with open_image(str(image)) as opened:
        unpack(opened, str(target))


@pytest.mark.requires("dpkg-query")
def test_dpkg_knows_what_is_in_it(archive: DebianArchive, mirror: str, toolbox: Path, tmp_path: Path) -> None:
    output("toolbox", "build", "tool", *_from(archive, mirror), env={"CNTR_TOOLBOX": str(toolbox)})
    _unpack(toolbox, tmp_path / "root")
    line = ["dpkg-query", "--admindir", str(tmp_path / "root/var/lib/dpkg")]
    for words, expected in (
        (["--show", "--showformat", "${Package} ${Status}\n"], "word install ok installed"),
        (["--listfiles", "tool"], "/usr/bin/tool"),
    ):
        done = subprocess.run([*line, *words], check=True, capture_output=True, text=True, timeout=30)
        assert expected in done.stdout.splitlines()


def test_the_same_archive_gives_the_same_bytes(archive: DebianArchive, mirror: str, tmp_path: Path) -> None:
    for name in ("one.tar", "other.tar"):
        output("toolbox", "build", "tool", "-o", str(tmp_path / name), *_from(archive, mirror))
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "other.tar").read_bytes()
    env = {"SOURCE_DATE_EPOCH": "1000000000"}
    output("toolbox", "build", "tool", "-o", str(tmp_path / "old"), *_from(archive, mirror), env=env)
    _unpack(tmp_path / "old", tmp_path / "root")
    assert (tmp_path / "root/usr/bin/tool").stat().st_mtime == 1000000000


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nothing"], "the archive has no package nothing"),
        (["tool", "silent"], "exclude each other"),
        (["tool", "--suite", "sand"], "answers 404"),
        (["tool", "--keyring", "/nowhere"], "the archive's keys are not in /nowhere"),
        (["tool", "--mirror", "http://127.0.0.1:1/debian"], "cannot be read"),
    ],
)
def test_what_cannot_be_made_is_told_and_leaves_what_was(
    words: list[str], told: str, archive: DebianArchive, mirror: str, toolbox: Path, tmp_path: Path
) -> None:
    toolbox.write_text("before")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    env = {"CNTR_TOOLBOX": str(toolbox), "TMPDIR": str(temporary)}
    result = cntr("toolbox", "build", *_from(archive, mirror), *words, env=env)
    assert (result.returncode, told in result.stderr.decode()) == (125, True), result.stderr.decode()
    assert toolbox.read_text() == "before"
    assert os.listdir(temporary) == []


def test_who_has_no_apt_names_the_archive(toolbox: Path) -> None:
    result = cntr("toolbox", "build", env={"CNTR_TOOLBOX": str(toolbox), "PATH": "/nowhere"})
    assert (result.returncode, b"--mirror URL" in result.stderr) == (125, True), result.stderr.decode()


@pytest.mark.requires("ordinary-user")
def test_it_needs_no_root(archive: DebianArchive, mirror: str) -> None:
    with tempfile.TemporaryDirectory() as home:
        keyring = Path(home) / "keys.gpg"
        keyring.write_bytes(archive.signer.keyring.read_bytes())
        os.chown(home, 4711, 4711)
        keyring.chmod(0o644)
        words = ["toolbox", "build", "tool", "--mirror", mirror, "--suite", SUITE, "--keyring", str(keyring)]
        line = command_as(4711, "env", f"HOME={home}", "XDG_DATA_HOME=", PROGRAM, *words)
        subprocess.run(line, check=True, cwd="/", capture_output=True, timeout=120)
        assert (Path(home) / ".local/share/cntr-toolbox/toolbox.tar").stat().st_uid == 4711


@pytest.mark.requires("ordinary-user")
def test_an_image_elsewhere_needs_no_home(archive: DebianArchive, mirror: str) -> None:
    """As in a job of CI, whose user nobody has named."""
    with tempfile.TemporaryDirectory() as place:
        keyring = Path(place) / "keys.gpg"
        keyring.write_bytes(archive.signer.keyring.read_bytes())
        os.chown(place, 4711, 4711)
        keyring.chmod(0o644)
        words = ["--mirror", mirror, "--suite", SUITE, "--keyring", str(keyring), "-o", f"{place}/tools.tar"]
        bare = ("env", "--unset=HOME", "--unset=XDG_DATA_HOME", "--unset=XDG_CACHE_HOME", "--unset=CNTR_CACHE_DIR")
        line = command_as(4711, *bare, PROGRAM, "toolbox", "build", "tool", *words)
        done = subprocess.run(line, cwd="/", capture_output=True, text=True, timeout=120)
        assert (done.returncode, os.path.exists(f"{place}/tools.tar")) == (0, True), done.stderr


def test_an_interrupt_leaves_nothing(archive: DebianArchive, toolbox: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    asked = threading.Event()
    env = {"CNTR_TOOLBOX": str(toolbox), "TMPDIR": str(temporary)}
    with (
        served(archive.root, stall=asked) as address,
        running("toolbox", "build", "tool", *_from(archive, address), env=env) as process,
    ):
        assert asked.wait(60)
        assert os.listdir(temporary)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert os.listdir(temporary) == []
    assert not toolbox.exists()


@pytest.mark.requires("fuse", "docker")
def test_a_session_uses_it(archive: DebianArchive, mirror: str, toolbox: Path, docker_run: DockerRun) -> None:
    env = {"CNTR_TOOLBOX": str(toolbox)}
    name = docker_run("busybox")
    refused = cntr("attach", name, "--tools", "toolbox", "--", "tool", env=env)
    assert (refused.returncode, b"cntr toolbox build" in refused.stderr) == (125, True)
    output("toolbox", "build", "tool", *_from(archive, mirror), env=env)
    assert output("attach", name, "--tools", "toolbox", "--", "tool", env=env) == "a tool\n"
    writing = cntr("attach", name, "--tools", "toolbox", "--", "sh", "-c", "echo > /usr/x", env=env)
    assert (writing.returncode != 0, b"Read-only" in writing.stderr) == (True, True)


@pytest.mark.requires("fuse", "docker")
def test_it_is_used_where_the_host_has_no_ps(
    archive: DebianArchive, mirror: str, toolbox: Path, docker_run: DockerRun, tmp_path: Path
) -> None:
    name = docker_run("busybox")
    env = {"CNTR_TOOLBOX": str(toolbox), "PATH": str(tmp_path)}
    without = cntr("attach", name, "--dry-run", env=env)
    assert b"the host's tree" in without.stdout
    assert b"the host has no ps; cntr toolbox build" in without.stderr
    output("toolbox", "build", "tool", *_from(archive, mirror), env={"CNTR_TOOLBOX": str(toolbox)})
    told = cntr("attach", name, "--dry-run", env=env)
    assert (b"mount the toolbox" in told.stdout, b"the host has no ps" in told.stderr) == (True, True)
    assert output("attach", name, "--", "tool", env=env) == "a tool\n"
    asked = cntr("attach", name, "--tools", "host", "--dry-run", env=env)
    assert b"mount the toolbox" not in asked.stdout
