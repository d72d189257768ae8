"""``--image`` and ``--stopped``: sessions with files that nobody runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cntr import PROGRAM, UNMEASURED, cntr, descendants, environment, is_alive, output, wait_until
from tests.support.images import archive, docker_image
from tests.support.rootless import OrdinaryUser

pytestmark = pytest.mark.requires("root", "fuse", "docker")


@pytest.fixture
def stopped() -> Iterator[str]:
    """A container that has written something, and ended."""
    name = f"cntr-test-{uuid.uuid4().hex[:12]}"
    script = "echo why >/tmp/crash; rm /etc/issue; rm -r /etc/apt; mkdir /etc/apt; exit 3"
    options = ["--env", "SECRET=of\nthe container", "--workdir", "/srv"]
    line = ["docker", "run", "--name", name, *options, docker_image("debian"), "sh", "-c", script]
    subprocess.run(line, check=False, capture_output=True, timeout=120)
    yield name
    subprocess.run(["docker", "rm", "--force", name], check=True, capture_output=True, timeout=60)


def _attach(*words: str) -> str:
    return output("attach", *words)


def test_the_files_of_a_stopped_container_are_seen_and_not_changed(stopped: str, fs: str) -> None:
    script = "cat tmp/crash; ls etc/apt; test -e etc/issue || echo gone; echo changed >tmp/crash; cat tmp/crash"
    for _ in range(2):
        assert _attach("--stopped", stopped, "--fs", fs, "--", "sh", "-c", script) == "why\ngone\nchanged\n"
    details = json.loads(subprocess.run(["docker", "inspect", stopped], capture_output=True, timeout=60).stdout)
    assert details[0]["State"]["Status"] == "exited"


def test_it_is_whom_and_where_the_container_was(stopped: str) -> None:
    script = "id -u; pwd; tr '\\0' '|' </proc/self/environ"
    said = _attach("--container-env", "--cwd", "target", "--stopped", stopped, "--", "sh", "-c", script)
    uid, directory, variables = said.split("\n", 2)
    assert (uid, directory) == ("0", "/var/lib/cntr/srv")
    assert "SECRET=of\nthe container|" in variables


def test_a_running_container_is_not_stopped(stopped: str) -> None:
    refused = cntr("attach", stopped)
    assert refused.returncode == 125
    assert b"hint: start it first; or look at its files: cntr attach --stopped" in refused.stderr
    subprocess.run(["docker", "start", stopped], check=True, capture_output=True, timeout=60)
    line = ["docker", "run", "--detach", "--name", f"{stopped}-runs", docker_image("debian"), "sleep", "1000"]
    try:
        subprocess.run(line, check=True, capture_output=True, timeout=60)
        refused = cntr("attach", "--stopped", f"{stopped}-runs")
        assert refused.returncode == 125
        assert b"is running" in refused.stderr
    finally:
        subprocess.run(["docker", "rm", "--force", f"{stopped}-runs"], check=True, capture_output=True, timeout=60)


def test_nothing_of_an_image_is_started(busybox_archive: str) -> None:
    """Its own namespaces, docker's capabilities, loopback alone, and our process as the first."""
    script = "cat /proc/1/cmdline; echo; ls /proc | grep -c '^[0-9]'; ls /sys/class/net; cat /proc/1/environ | wc -c"
    script += "; grep CapBnd /proc/self/status | cut -f 2; touch /proc/sys/kernel/hostname || echo protected"
    said = _attach("--image", busybox_archive, "--cap-add", "SYS_PTRACE", "--", "sh", "-c", f"{script} 2>&1").split(
        "\n"
    )
    assert said[0].rstrip("\0") == "cntr: image"
    assert int(said[1]) <= 6
    assert said[2] == "lo"
    assert "protected" in said
    assert f"{0xA80425FB | 1 << 19:016x}" in said
    assert "hunter2" not in cntr(
        "attach", "--image", busybox_archive, "--cap-add", "SYS_PTRACE", "--", "cat", "/proc/1/environ",
        env={"CALLERS_SECRET": "hunter2"},
    ).stdout.decode()  # fmt: skip


def test_the_images_own_programs_can_be_started(nginx_archive: str) -> None:
    done = cntr("attach", "--image", nginx_archive, "--", "chroot", "/var/lib/cntr", "nginx", "-t")
    assert done.returncode == 0, done.stderr
    script = "chroot /var/lib/cntr nginx; curl --silent --fail http://127.0.0.1/ >/dev/null && echo served"
    assert _attach("--image", nginx_archive, "--", "sh", "-c", script).endswith("served\n")


def test_references_of_engines_and_mistakes(busybox_archive: str) -> None:
    tag = docker_image("busybox")
    assert "busybox" in _attach("--image", f"docker://{tag}", "--", "ls", "/var/lib/cntr/bin")
    for words, said in (
        (("--image", "/no/such.tar"), "/no/such.tar"),
        (("--image", "--stopped", busybox_archive), "contradict each other"),
        (("--image", "--wait", busybox_archive), "contradict each other"),
        (("--stopped", "nobody-has-this"), "not found"),
    ):
        refused = cntr("attach", *words)
        assert refused.returncode == 125
        assert said in refused.stderr.decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_however_cntr_ends(busybox_archive: str, number: int) -> None:
    line = [PROGRAM, "attach", "--image", busybox_archive, "--", "sh", "-c", "echo ready; sleep 1000"]
    process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment(UNMEASURED))
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    family = descendants(process.pid)
    assert len(family) >= 4
    process.send_signal(number)
    process.wait(20)
    process.stdout.close()
    wait_until(lambda: not any(map(is_alive, family)), "all of its processes end", 20)
    assert "cntr-image" not in Path("/proc/self/mountinfo").read_text()


def test_an_image_whose_places_are_links_changes_nothing_of_the_host(tmp_path: Path) -> None:
    """proc, sys and dev that lead away are hidden by ours."""
    (tmp_path / "root/etc").mkdir(parents=True)
    for name in ("proc", "sys", "dev"):
        (tmp_path / "root" / name).symlink_to("/etc")
    subprocess.run(["tar", "--create", "--file", tmp_path / "evil.tar", "-C", tmp_path / "root", "."], check=True)
    before = sorted(os.listdir("/etc"))
    script = "ls /var/lib/cntr/dev/null /var/lib/cntr/proc/1/status; ls -A /var/lib/cntr/etc"
    said = _attach("--image", str(tmp_path / "evil.tar"), "--", "sh", "-c", script)
    assert said == "/var/lib/cntr/dev/null\n/var/lib/cntr/proc/1/status\n"
    assert sorted(os.listdir("/etc")) == before


def test_a_stopped_container_of_the_embedded_engine(busybox_archive: str, tmp_path: Path) -> None:
    env = {"CNTR_STATE_DIR": str(tmp_path / "state")}
    command = ("--name", "once", busybox_archive, "sh", "-c", "echo why >/crash")
    assert cntr("run", *command, env=env).returncode == 0
    try:
        assert output("attach", "--stopped", "oci://once", "cat", "/var/lib/cntr/crash", env=env) == "why\n"
    finally:
        cntr("stop", "once", env=env)


@pytest.mark.requires("podman", "runc", "newuidmap", "nsenter", "setpriv", "unshare", "ordinary-user")
def test_an_ordinary_user_looks_at_images_and_stopped_containers(ordinary_user: OrdinaryUser) -> None:
    script = "id -u; ls /var/lib/cntr/bin; head -1 /proc/1/status; echo x >/var/lib/cntr/new"
    done = ordinary_user.cntr("attach", "--image", archive("busybox"), "--", "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "0\nbusybox\nName:\tcntr: image\n"
    name = ordinary_user.start("busybox", command=("sh", "-c", "echo why >/crash"))
    ordinary_user.podman("wait", name)
    for program in (ordinary_user.cntr, ordinary_user.sudo_cntr):
        done = program("attach", "--stopped", name, "--", "cat", "/var/lib/cntr/crash")
        assert (done.returncode, done.stdout) == (0, "why\n"), done.stderr
