"""An ordinary user slims images: where its subordinate ids and /dev/fuse allow, to the very bytes that root gets."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.slim.conftest import MakeApp, Slim
from tests.support.cntr import PROGRAM, descendants, is_alive, wait_until
from tests.support.rootless import GID, UID, OrdinaryUser, made_user
from tests.unit.images.layouts import directory

pytestmark = pytest.mark.requires(
    "root", "fuse", "overlayfs", "runc", "busybox", "newuidmap", "nsenter", "setpriv", "unshare", "ordinary-user"
)


@dataclass
class UserSlim:
    """Runs ``cntr slim`` and others as the user, in a directory of the user's."""

    user: OrdinaryUser
    place: Path

    @property
    def temporary(self) -> Path:
        return self.user.home / "tmp"

    def line(self, *arguments: str) -> list[str]:
        return self.user.command("env", f"--chdir={self.place}", PROGRAM, *arguments)

    def cntr(self, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.line(*arguments),
            env=self.user.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def popen(self, *arguments: str) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        line = self.line(*arguments)
        return subprocess.Popen(line, env=self.user.environment(), stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe)

    def image(self, layout: str) -> str:
        """A copy of an image for the user."""
        copy = shutil.copytree(layout, self.place / "image")
        for path in (copy, *copy.rglob("*")):
            os.chown(path, UID, GID)
        return str(copy)


def _place(user: OrdinaryUser) -> Path:
    place = user.home / "slim"
    place.mkdir()
    os.chown(place, UID, GID)
    return place


@pytest.fixture
def mine(ordinary_user: OrdinaryUser) -> Iterator[UserSlim]:
    place = _place(ordinary_user)
    try:
        yield UserSlim(ordinary_user, place)
        assert list((ordinary_user.home / "tmp").iterdir()) == [], "something was left"
        with open(f"/proc/{ordinary_user.holder}/mounts") as mounts:
            assert str(ordinary_user.home) not in mounts.read()
    finally:
        shutil.rmtree(place)


def _index(archive: Path) -> bytes:
    """What names all content of an OCI archive, by digests."""
    with tarfile.open(archive) as tar:
        file = tar.extractfile("index.json")
        assert file is not None
        return file.read()


@pytest.mark.requires("mmdebstrap")
def test_the_halves_are_those_that_root_gets(mine: UserSlim, slim: Slim, nginx_archive: str) -> None:
    done = mine.cntr("slim", nginx_archive, "-o", "out.tar")
    assert done.returncode == 0, done.stderr
    assert "does what the original does" in done.stdout
    assert slim.cntr("slim", nginx_archive, "-o", "out.tar", timeout=120).returncode == 0
    archive = mine.place / "out.tar"
    assert _index(archive) == _index(slim.place / "out.tar")
    assert (archive.stat().st_uid, archive.stat().st_gid) == (UID, GID)


def test_an_image_with_users_volumes_and_changes_to_its_root(mine: UserSlim, slim: Slim, app: MakeApp) -> None:
    script = (
        "set -e; id -u; stat -c %u:%g:%a /data /mine; echo x >/mine/x; echo y >/data/y; rm -r /old; mkdir /old; "
        "test -z $(ls /old); cat /proc/self/setgroups; test -c /dev/null"
    )
    members = [
        directory("mine", uid=1000, gid=1000),
        directory("data", uid=1000, mode=0o700),
        directory("old", uid=1000, mode=0o777),
        directory("old/below", uid=1000),
        directory("", mode=0o777),
    ]
    image = app(script, *members, User="app", Volumes={"/data": {}})
    ours = mine.cntr("slim", mine.image(image), "-o", "out.tar", "--probe", "exit")
    assert ours.returncode == 0, ours.stderr
    assert slim.cntr("slim", image, "-o", "out.tar", "--probe", "exit").returncode == 0
    assert _index(mine.place / "out.tar") == _index(slim.place / "out.tar")


def test_a_trace_of_its_own_run(mine: UserSlim, app: MakeApp) -> None:
    done = mine.cntr("trace", "run", mine.image(app("cat /etc/group; sleep 60")), "-o", "trace", "--probe", "exec:id")
    assert done.returncode == 0, done.stderr
    assert "/etc/group" in mine.cntr("trace", "show", "trace").stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_leaves_nothing(mine: UserSlim, app: MakeApp, number: int) -> None:
    image = mine.image(app("echo up; while :; do sleep 1; done", User="app"))
    process = mine.popen("slim", image, "-o", "out.tar", "--probe", "quiet:600s", "--timeout", "900")
    logs = "cntr-run-*/log"
    wait_until(lambda: any(b"up" in log.read_bytes() for log in mine.temporary.glob(logs)), "the container runs")
    family = descendants(process.pid)
    process.send_signal(number)
    process.communicate(timeout=30)
    wait_until(lambda: not any(map(is_alive, family)), "all its processes are gone")
    wait_until(lambda: not os.listdir(mine.temporary), "its files are gone")
    assert not (mine.place / "out.tar").exists()


@pytest.mark.parametrize(
    ("lacks", "said", "hint"),
    [
        ("subordinates", "no subordinate ids in /etc/subuid", "usermod --add-subuids"),
        ("fuse", "/dev/fuse: Permission denied", "chmod 666 /dev/fuse"),
    ],
)
def test_what_the_user_lacks_is_one_sentence_and_a_next_step(app: MakeApp, lacks: str, said: str, hint: str) -> None:
    with made_user(**{lacks: False}) as user:
        mine = UserSlim(user, _place(user))
        done = mine.cntr("slim", mine.image(app("true")), "-o", "out.tar")
        assert list(mine.temporary.iterdir()) == []
    assert done.returncode == 125
    first, second = done.stderr.splitlines()
    assert said in first
    assert hint in second


@pytest.mark.requires("podman", "mmdebstrap")
def test_a_pair_in_the_users_podman_is_whole_again(mine: UserSlim, nginx_archive: str) -> None:
    """The slim half runs there, its label names the fat one, which podman holds as well."""
    names = ("--slim-name", "localhost/app:slim", "--fat-name", "localhost/app:fat")
    done = mine.cntr("slim", nginx_archive, "-o", "out.tar", *names)
    assert done.returncode == 0, done.stderr
    mine.user.podman("load", "--quiet", "--input", str(mine.place / "out.tar"))
    name = f"cntr-test-{os.getpid()}"
    mine.user.podman("run", "--detach", "--name", name, "--network", "none", "localhost/app:slim")
    try:
        assert mine.user.cntr("exec", name, "--", "/usr/bin/perl", "-v").returncode == 127
        line = ("perl", "-e", 'print join " ", (stat "/var/log/btmp")[4, 5]')
        whole = mine.user.cntr("attach", name, "--fat", "--", *line)
        assert (whole.stdout, whole.returncode) == ("0 43", 0), whole.stderr
    finally:
        mine.user.podman("rm", "--force", "--time", "0", name)
        mine.user.podman("rmi", "localhost/app:slim", "localhost/app:fat")
