"""The podman of an ordinary user: what its engine tells that user, and root who came from it by sudo."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from tests.support.cntr import is_alive, wait_until
from tests.support.images import docker_tag
from tests.support.podman import podman, podman_image
from tests.support.rootless import NAME, UID, OrdinaryUser, made_user

pytestmark = pytest.mark.requires(
    "root", "podman", "runc", "busybox", "newuidmap", "nsenter", "setpriv", "unshare", "ordinary-user"
)


@pytest.fixture(scope="module")
def container(ordinary_user: OrdinaryUser) -> str:
    return ordinary_user.start("busybox")


@pytest.fixture
def roots(container: str, podman_settings: None) -> Iterator[str]:  # noqa: ARG001 - it sets the environment
    """A container of root's with the same name; gives its id."""
    yield podman("run", "--detach", "--name", container, "--network", "none", podman_image("busybox")).strip()
    podman("rm", "--force", "--time", "0", container)


def _processes_of_the_user() -> set[tuple[str, str]]:
    found = set()
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm") as file:
                if os.stat(f"/proc/{pid}").st_uid == UID and is_alive(int(pid)):
                    found.add((pid, file.read().strip()))
        except OSError:
            continue
    return found


def test_its_user_sees_it_and_nothing_is_left(ordinary_user: OrdinaryUser, container: str) -> None:
    before = _processes_of_the_user()
    done = ordinary_user.cntr("list", "--json")
    assert done.returncode == 0, done.stderr
    listed = {entry["name"]: entry for entry in json.loads(done.stdout)}
    assert listed[container]["engine"] == "podman"
    assert listed[container]["state"] == "running"
    assert docker_tag("busybox") in listed[container]["image"]
    wait_until(lambda: _processes_of_the_user() <= before, "nothing new runs as the user")


def test_root_sees_it_under_sudo_only(ordinary_user: OrdinaryUser, container: str) -> None:
    before = _processes_of_the_user()
    assert container in ordinary_user.sudo_cntr("list").stdout
    assert container not in ordinary_user.sudo_cntr("list", env={"SUDO_UID": ""}).stdout
    wait_until(lambda: _processes_of_the_user() <= before, "nothing new runs as the user")


def test_two_of_one_name_are_kept_apart_by_their_owners(
    ordinary_user: OrdinaryUser, container: str, roots: str
) -> None:
    settings = {"CONTAINERS_CONF": os.environ["CONTAINERS_CONF"]}
    listed = ordinary_user.sudo_cntr("list", env=settings).stdout
    assert f"root/{container} " in listed
    assert f"{NAME}/{container} " in listed
    ambiguous = ordinary_user.sudo_cntr("exec", container, "--", "/bin/busybox", "true", env=settings)
    assert ambiguous.returncode == 125
    assert f"podman://{NAME}/{container}, podman://root/{container}" in ambiguous.stderr
    for name, uid in ((f"podman://root/{container}", 0), (f"{NAME}/{container}", UID), (roots, 0)):
        done = ordinary_user.sudo_cntr("attach", name, "--", "cat", "/proc/1/uid_map", env=settings)
        assert done.returncode == 0, done.stderr
        assert done.stdout.split()[:2] == ["0", str(uid) if uid else "0"]


def test_a_stopped_container_says_so(ordinary_user: OrdinaryUser) -> None:
    name = ordinary_user.start("busybox")
    ordinary_user.podman("kill", name)
    ordinary_user.podman("wait", name)
    done = ordinary_user.cntr("attach", name, "--", "true")
    assert done.returncode == 125
    assert f"podman://{name} is not running" in done.stderr


def test_who_never_used_podman_gets_no_directories_by_being_asked() -> None:
    with made_user() as user:
        user.run("rm", "-r", ".config")
        for ask in (user.cntr, user.sudo_cntr):
            done = ask("engines")
            assert done.returncode == 0, done.stderr
        assert not (user.home / ".local").exists()
        assert f"{NAME} has never used podman" in user.cntr("engines").stdout


def test_doctor_tells_what_an_ordinary_user_can_and_lacks(ordinary_user: OrdinaryUser) -> None:
    def findings(user: OrdinaryUser) -> tuple[int, dict[str, dict[str, object]]]:
        done = user.cntr("doctor", "--json")
        return done.returncode, {finding["name"]: finding for finding in json.loads(done.stdout)}

    code, found = findings(ordinary_user)
    assert code == 0
    assert found["subordinate ids"]["ok"] is True
    with made_user(subordinates=False, fuse=False) as poor:
        code, found = findings(poor)
    assert code == 125
    assert "usermod" in str(found["subordinate ids"]["remedy"])
    assert "chmod 666" in str(found["direct"]["remedy"])
