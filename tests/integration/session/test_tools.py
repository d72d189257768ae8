"""Where tools can come from: the host, a directory, another container, an image."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from cntr_core.session import root_layout
from tests.integration.session.conftest import Running
from tests.support.cntr import cntr, docker_pid, output
from tests.support.images import DockerRun, archive, docker_image

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
    kept = [name for _, names, _ in os.walk(tmp_path) for name in names if name in ("trees", "layers")]
    assert kept == (["trees"] if fs == "kernel" else []), "the layers are plain, and only the kernel wants directories"
    if fs == "kernel":
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


@pytest.mark.parametrize("program", ["true", "/no/such/program"])
def test_writable_tools_are_left_without_our_directories(scratch: Running, toolbox: Path, program: str) -> None:
    (toolbox / "bin/true").symlink_to("busybox")
    before = sorted(toolbox.rglob("*"))
    result = cntr("attach", scratch.name, "--tools", f"dir:{toolbox}", "--rw-tools", "--", program)
    assert result.returncode == (0 if program == "true" else 127), result.stderr
    assert sorted(toolbox.rglob("*")) == before


def test_an_images_tree_is_shared_and_so_not_writable(scratch: Running, tmp_path: Path) -> None:
    options = ("--tools", f"image:{archive('debian')}", "--rw-tools")
    result = cntr("attach", scratch.name, *options, "--", "touch", "/x", env={"CNTR_CACHE_DIR": str(tmp_path)})
    assert result.returncode == 125
    assert b"dir:" in result.stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("tools", ["host", "container:pid://{pid}"])
def test_of_the_host_only_what_tools_need_is_shown(debian: Running, fs: str, tools: str) -> None:
    tools = tools.format(pid=os.getpid())
    script = "for f in /etc/shadow /etc/fstab /etc/ssl/private /var/log; do test -e $f && echo $f; done; echo end"
    assert output("attach", debian.name, "--fs", fs, "--tools", tools, "--", "/bin/sh", "-c", script) == "end\n"


def test_a_directory_shows_all_of_itself_also_if_it_is_the_hosts_root(debian: Running) -> None:
    assert output("attach", debian.name, "--tools", "dir:/", "--", "ls", "/etc/shadow") == "/etc/shadow\n"


@pytest.mark.parametrize("link", ["/usr/etc", "usr/etc"])
def test_a_directory_whose_etc_is_a_link(scratch: Running, toolbox: Path, fs: str, link: str) -> None:
    (toolbox / "usr/etc").mkdir(parents=True)
    (toolbox / "usr/etc/own").write_text("own\n")
    (toolbox / "etc").symlink_to(link)
    (toolbox / "var").mkdir()
    (toolbox / "srv/lib").mkdir(parents=True)
    (toolbox / "var/lib").symlink_to("/srv/lib")
    options = ("--fs", fs, "--tools", f"dir:{toolbox}")
    printed = output("attach", scratch.name, *options, "--", "sh", "-c", "cat /etc/own /etc/passwd; ls /srv/lib; pwd")
    assert printed.startswith("own\nroot:x:0:0:")
    assert printed.endswith("\ncntr\n/srv/lib/cntr\n"), printed


def test_a_container_that_may_mount_cannot_make_the_tools_writable(
    docker_run: DockerRun, toolbox: Path, fs: str
) -> None:
    """With all mount points and files in place the tools need no skeleton, and are the only tree."""
    for name in (*root_layout.SPECIAL, *root_layout.PRIVATE, root_layout.CONTAINER, "etc"):
        (toolbox / name).mkdir(parents=True, exist_ok=True)
    for name in root_layout.FILES:
        (toolbox / name).touch()
    for name in ("mount", "touch"):
        (toolbox / "bin" / name).symlink_to("busybox")
    before = sorted(toolbox.rglob("*"))
    privileges = ("--cap-add", "SYS_ADMIN", "--security-opt", "apparmor=unconfined")
    container = docker_run("debian", *privileges, command=("sleep", "1000"))
    script = """
        mount -t tmpfs none /tmp && echo may mount
        for options in remount,bind,rw remount,rw; do mount -o $options / 2>/dev/null; done
        mount -o bind / /run; mount -o remount,bind,rw /run
        touch /bin/new /run/bin/new /bin/busybox; echo x > /bin/busybox; rm -f /bin/sh; exit 0
    """
    result = cntr("attach", container, "--fs", fs, "--tools", f"dir:{toolbox}", "--", "sh", "-c", script)
    assert result.stdout == b"may mount\n", result.stderr
    assert result.stderr.count(b"Read-only file system") >= 4
    assert sorted(toolbox.rglob("*")) == before
    assert (toolbox / "bin/busybox").read_bytes() == Path("/bin/busybox").read_bytes()


def test_owners_and_modes_of_tools_are_shown_as_they_are(scratch: Running, toolbox: Path, fs: str) -> None:
    (toolbox / "bin/owned").write_text("")
    os.chown(toolbox / "bin/owned", 4321, 8765)
    os.chmod(toolbox / "bin/owned", stat.S_ISUID | 0o755)
    options = ("--fs", fs, "--tools", f"dir:{toolbox}")
    printed = output("attach", scratch.name, *options, "--", "/bin/busybox", "stat", "-c", "%u %g %a", "/bin/owned")
    assert printed.split() == ["4321", "8765", "4755"]


@pytest.mark.parametrize("link", ["/data/lib", "../data/lib"])
def test_the_live_root_of_a_container_whose_var_lib_is_a_link(docker_run: DockerRun, link: str) -> None:
    container = docker_run("debian", command=("sleep", "1000"))
    script = f"mkdir /data && mv /var/lib /data/lib && ln -s {link} /var/lib"
    subprocess.run(["docker", "exec", container, "sh", "-c", script], check=True, timeout=30)
    options = ("--fat-image", archive("debian"), "--", "sh", "-c")
    printed = output("attach", container, *options, "ls -d /data/lib/cntr/bin /var/lib/cntr/data/lib/dpkg")
    assert printed.split() == ["/data/lib/cntr/bin", "/var/lib/cntr/data/lib/dpkg"]
    listed = subprocess.run(
        ["docker", "exec", container, "ls", "/data/lib"], check=True, capture_output=True, timeout=30
    )
    assert b"cntr" not in listed.stdout.split()
