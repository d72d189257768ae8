"""Where tools can come from: the host, a directory, another container, an image."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.cntr import cntr, docker_pid, output
from tests.images import DockerRun, archive, docker_image
from tests.integration.session.conftest import Running

pytestmark = pytest.mark.requires("root", "docker", "fuse")


@pytest.fixture
def toolbox(tmp_path: Path) -> Path:
    """A directory with busybox as its only tool, and no mount points at all."""
    (tmp_path / "bin").mkdir()
    shutil.copy("/bin/busybox", tmp_path / "bin/busybox")
    for name in ("sh", "ls", "cat", "ps", "id"):
        (tmp_path / "bin" / name).symlink_to("busybox")
    return tmp_path


def test_a_directory(scratch: Running, toolbox: Path, fs: str) -> None:
    before = sorted(os.listdir(toolbox))
    printed = output(
        "attach", scratch.name, "--fs", fs, "--tools", f"dir:{toolbox}", "--", "sh", "-c", "ls /; ls /bin; ls"
    )
    assert printed.split() == [
        *sorted(("bin", "dev", "etc", "proc", "run", "sys", "tmp", "var")),
        *("busybox", "cat", "id", "ls", "ps", "sh"),
        *("bin", "dev", "etc", "proc", "sys"),
    ]
    assert sorted(os.listdir(toolbox)) == before


def test_a_shell_is_found_among_the_tools(scratch: Running, toolbox: Path) -> None:
    assert output("attach", scratch.name, "--tools", f"dir:{toolbox}", stdin=b"echo from $0\n") == "from /bin/sh\n"


def test_another_container(scratch: Running, docker_run: DockerRun, fs: str) -> None:
    other = docker_run("debian", "--env", "PATH=/opt/mine:/usr/bin:/bin", command=("sleep", "1000"))
    subprocess.run(["docker", "exec", other, "sh", "-c", "echo tool > /opt/marker"], check=True, timeout=30)
    options = ("--fs", fs, "--tools", f"container:{other}")
    printed = output(
        "attach", scratch.name, *options, "--", "sh", "-c", "cat /opt/marker; echo $PATH; ls; cat /proc/1/comm"
    )
    assert printed.split() == ["tool", "/opt/mine:/usr/bin:/bin", "bin", "dev", "etc", "proc", "sys", "busybox"]
    with open(f"/proc/{docker_pid(other)}/mountinfo") as file:
        assert "cntr" not in file.read().replace("cntr-test", "")


def test_an_image_from_an_archive(scratch: Running, fs: str, tmp_path: Path) -> None:
    env = {"CNTR_CACHE_DIR": str(tmp_path)}
    options = ("--fs", fs, "--tools", f"image:{archive('debian')}")
    for _ in range(2):
        printed = output(
            "attach", scratch.name, *options, "--", "bash", "-c", ". /etc/os-release; echo $ID; ls", env=env
        )
        assert printed.split() == ["debian", "bin", "dev", "etc", "proc", "sys"]
    trees = [name for name in os.listdir(tmp_path / "trees") if not name.startswith(".")]
    assert len(trees) == 1, "unpacked once, and whole"


def test_an_image_that_docker_holds(scratch: Running, tmp_path: Path) -> None:
    env = {"CNTR_CACHE_DIR": str(tmp_path)}
    options = ("--tools", f"image:{docker_image('debian')}")
    assert output("attach", scratch.name, *options, "--", "bash", "-c", "echo $BASH", env=env) == "/usr/bin/bash\n"


def test_tools_can_be_made_writable(scratch: Running, toolbox: Path, fs: str) -> None:
    if fs == "kernel":
        result = cntr("attach", scratch.name, "--fs", fs, "--tools", f"dir:{toolbox}", "--rw-tools", "--", "true")
        assert result.returncode == 125
        assert b"--fs" in result.stderr
        return
    options = ("--fs", fs, "--tools", f"dir:{toolbox}", "--rw-tools")
    assert (
        output("attach", scratch.name, *options, "--", "sh", "-c", "echo new > /bin/added; cat /bin/added") == "new\n"
    )
    assert (toolbox / "bin/added").read_text() == "new\n"


def test_owners_and_modes_of_tools_are_shown_as_they_are(scratch: Running, toolbox: Path, fs: str) -> None:
    (toolbox / "bin/owned").write_text("")
    os.chown(toolbox / "bin/owned", 4321, 8765)
    os.chmod(toolbox / "bin/owned", stat.S_ISUID | 0o755)
    options = ("--fs", fs, "--tools", f"dir:{toolbox}")
    printed = output("attach", scratch.name, *options, "--", "/bin/busybox", "stat", "-c", "%u %g %a", "/bin/owned")
    assert printed.split() == ["4321", "8765", "4755"]
