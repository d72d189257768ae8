"""Containers of the embedded engine that an ordinary user starts."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cntr import PROGRAM, descendants, is_alive, wait_until
from tests.support.rootless import FIRST_SUBORDINATE, GID, NAME, UID, OrdinaryUser, made_user
from tests.unit.images.layouts import directory, file, layout, member, symlink, tar

pytestmark = pytest.mark.requires(
    "root", "fuse", "runc", "busybox", "newuidmap", "nsenter", "setpriv", "unshare", "ordinary-user"
)

APPLETS = "cat id ls sh sleep stat touch"


@pytest.fixture
def image(ordinary_user: OrdinaryUser) -> Iterator[str]:
    """The user's image, with what only root of the machine could make: a device, and files of several owners."""
    busybox = Path("/bin/busybox").read_bytes()
    content = tar(
        directory("bin"),
        file("bin/busybox", busybox, mode=0o755),
        *(symlink(f"bin/{applet}", "busybox") for applet in APPLETS.split()),
        directory("etc"),
        file("etc/passwd", b"root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/:/bin/sh\n"),
        file("etc/group", b"root:x:0:\napp:x:1000:\n"),
        directory("dev"),
        member("dev/console", b"3", devmajor=5, devminor=1),
        directory("private", uid=1000, gid=1000, mode=0o700),
        file("private/x", b"x", uid=1000, gid=1000, mode=0o600),
    )
    path = ordinary_user.home / "image"
    run = {"Env": ["PATH=/bin"], "Cmd": ["sh", "-c", "trap 'exit 9' TERM; while :; do sleep 0.1; done"], "User": "app"}
    name = layout(path, content, config=run)
    for one in (path, *path.rglob("*")):
        os.chown(one, UID, GID)
    yield name
    shutil.rmtree(path)
    assert not (ordinary_user.home / ".local/share/cntr-oci").exists(), "something was left"


def test_its_life(ordinary_user: OrdinaryUser, image: str) -> None:
    cntr = ordinary_user.cntr
    done = cntr("run", "--detach", "--name", "one", image)
    assert (done.stdout, done.returncode) == ("one\n", 0), done.stderr
    try:
        listed = json.loads(cntr("list", "--json").stdout)
        assert [(one["name"], one["state"]) for one in listed if one["engine"] == "oci"] == [("one", "running")]
        state = ordinary_user.home / ".local/share/cntr-oci/one/state.json"
        pid = json.loads(state.read_text())["pid"]
        assert os.stat(f"/proc/{pid}").st_uid == FIRST_SUBORDINATE + 999
        attached = cntr("attach", "one", "--", "sh", "-c", "id -u; cat /var/lib/cntr/private/x; touch private/made")
        assert (attached.stdout, attached.returncode) == ("1000\nx", 0), attached.stderr
        assert os.stat(f"/proc/{pid}/root/private/made").st_uid == FIRST_SUBORDINATE + 999
        assert cntr("exec", "one", "--", "id", "-u").stdout == "1000\n"
    finally:
        stopped = cntr("stop", "one")
    assert stopped.returncode == 0, stopped.stderr
    assert not is_alive(pid)


def test_its_output_and_exit_code(ordinary_user: OrdinaryUser, image: str) -> None:
    done = ordinary_user.cntr("run", "--rm", image, "--", "sh", "-c", "stat -c %u:%g /private; ls /dev/null; exit 3")
    assert (done.stdout, done.returncode) == ("1000:1000\n/dev/null\n", 3), done.stderr


def test_several_are_stopped_at_once(ordinary_user: OrdinaryUser, image: str) -> None:
    for name in ("one", "two"):
        assert ordinary_user.cntr("run", "--detach", "--name", name, image).returncode == 0
    done = ordinary_user.cntr("stop", "one", "two")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_it_and_nothing_is_left(ordinary_user: OrdinaryUser, image: str, number: int) -> None:
    script = f"trap 'exit 9' {number}; echo up; while :; do sleep 0.1; done"
    line = ordinary_user.command(PROGRAM, "run", "--rm", image, "--", "sh", "-c", script)
    with subprocess.Popen(line, stdout=subprocess.PIPE, env=ordinary_user.environment()) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        ours = descendants(process.pid)
        process.send_signal(number)
        assert process.wait(30) == 9
    wait_until(lambda: not any(map(is_alive, ours)), "all of it has ended")


def test_without_subordinate_ids_it_says_what_to_do(busybox_archive: str) -> None:
    with made_user(subordinates=False) as user:
        done = user.cntr("run", busybox_archive)
        assert not (user.home / ".local/share/cntr-oci").exists()
    assert done.returncode == 125
    said, hint = done.stderr.splitlines()
    assert "no subordinate ids in /etc/subuid" in said
    assert "usermod --add-subuids" in hint


def test_sudo_knows_the_containers_of_its_caller(ordinary_user: OrdinaryUser, image: str) -> None:
    started = ordinary_user.cntr("run", "--detach", "--name", "of-user", image)
    assert started.returncode == 0, started.stderr
    place = ordinary_user.home / ".local/share/cntr-oci"
    try:
        assert "of-user" in ordinary_user.sudo_cntr("list").stdout
        assert "of-user" not in ordinary_user.sudo_cntr("list", env={"SUDO_UID": ""}).stdout
        inside = ordinary_user.sudo_cntr("exec", "oci://of-user", "id", "-u")
        assert inside.stdout == "1000\n", inside.stderr
        (place / "liar").mkdir()
        state = json.loads((place / "of-user" / "state.json").read_text()) | {"name": "liar", "pid": 1}
        state["start_time"] = int(Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19])
        (place / "liar" / "state.json").write_text(json.dumps(state))
        (place / "fifo").mkdir()
        os.mkfifo(place / "fifo" / "state.json")
        listed = ordinary_user.sudo_cntr("list").stdout
        assert "of-user" in listed and "liar" not in listed
    finally:
        shutil.rmtree(place / "liar", ignore_errors=True)
        shutil.rmtree(place / "fifo", ignore_errors=True)
        ordinary_user.cntr("stop", "-t", "0", "of-user")


def test_sudo_stops_the_containers_of_its_caller(ordinary_user: OrdinaryUser, image: str) -> None:
    place = ordinary_user.home / ".local/share/cntr-oci"
    for name in ("plain", "owned", "both"):
        started = ordinary_user.cntr("run", "--detach", "--name", name, image)
        assert started.returncode == 0, started.stderr
    try:
        pid = json.loads((place / "plain" / "state.json").read_text())["pid"]
        unknown = ordinary_user.sudo_cntr("stop", "plain", env={"SUDO_UID": ""})
        assert unknown.returncode == 125 and is_alive(pid)
        absent = ordinary_user.sudo_cntr("stop", "absent")
        assert absent.returncode == 125 and "no container named 'absent'" in absent.stderr
        stopped = ordinary_user.sudo_cntr("stop", "-t", "0", "plain", f"{NAME}/owned")
        assert stopped.returncode == 0, stopped.stderr
        assert not is_alive(pid) and not (place / "plain").exists() and not (place / "owned").exists()
        _two_of_one_name(ordinary_user, image)
    finally:
        for name in ("plain", "owned", "both"):
            ordinary_user.cntr("stop", "-t", "0", name)


def _two_of_one_name(user: OrdinaryUser, image: str) -> None:
    """Root's own, and the caller's: neither is ended where it is not said which."""
    assert user.sudo_cntr("run", "--detach", "--name", "both", image).returncode == 0
    try:
        refused = user.sudo_cntr("stop", "both")
        assert refused.returncode == 125
        assert f"hint: say which: root/both, {NAME}/both" in refused.stderr
    finally:
        ended = user.sudo_cntr("stop", "-t", "0", "root/both")
    assert ended.returncode == 0, ended.stderr
    assert user.sudo_cntr("stop", "-t", "0", f"{NAME}/both").returncode == 0


def test_sudo_ends_nothing_that_its_caller_could_not_end(ordinary_user: OrdinaryUser) -> None:
    """What is remembered of a container is the user's to write: it may name any process, and any directory."""
    place = ordinary_user.home / ".local/share/cntr-oci"
    with subprocess.Popen(["sleep", "1000"]) as victim:
        try:
            start = int(Path(f"/proc/{victim.pid}/stat").read_text().rpartition(")")[2].split()[19])
            state = {"id": "x", "name": "liar", "image": "", "runtime": "runc", "stop_signal": 9, "pid": victim.pid}
            state["boot"] = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
            script = f"mkdir -p {place}/liar; ln -s /etc {place}/liar/rootfs; cat > {place}/liar/state.json"
            line = ordinary_user.command("sh", "-c", script)
            subprocess.run(line, input=json.dumps({**state, "start_time": start}).encode(), check=True)
            assert ordinary_user.sudo_cntr("stop", "-t", "0", "liar").returncode == 125
            assert victim.poll() is None and Path("/etc/passwd").exists()
        finally:
            victim.kill()
            shutil.rmtree(place)


def test_the_files_of_the_callers_stopped_container_are_for_the_caller(ordinary_user: OrdinaryUser, image: str) -> None:
    ended = ordinary_user.cntr("run", "--name", "ended", image, "--", "sh", "-c", "exit 0")
    try:
        done = ordinary_user.sudo_cntr("attach", "--stopped", "oci://ended", "--", "true")
        assert done.returncode == 125 and "is a container of another user" in done.stderr, (ended, done.stderr)
    finally:
        ordinary_user.cntr("stop", "ended")
