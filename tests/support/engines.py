"""What tests of several engines share."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from cntr_core.testing import SessionContract
from tests.support.cntr import cntr, output


class Running(NamedTuple):
    """A container that runs for several tests, and its first process."""

    reference: str
    pid: int


class Target(NamedTuple):
    """The same with its root, as the host sees it."""

    reference: str
    pid: int
    root: Path

    @property
    def name(self) -> str:
        return self.reference.partition("://")[2]


class OfTarget(SessionContract):
    """The contract for the container that the fixture `target` gives."""

    @pytest.fixture
    def target(self) -> Running | Target:
        raise NotImplementedError("override the fixture `target`")

    @pytest.fixture
    def reference(self, target: Running | Target) -> str:
        return target.reference

    @pytest.fixture
    def pid(self, target: Running | Target) -> int:
        return target.pid


def check_user_namespace(target: Target, ids: Mapping[int, int], *, unmapped: int) -> None:
    """A session in a user namespace has the container's ids, and its files belong to whom they should on the host.

    `ids` are some of the namespace's with those of the host, 0 among them; `unmapped` is one that it does not have.
    """
    assert output("attach", target.reference, "--", "sh", "-c", "id -u; id -g").split() == ["0", "0"]
    for inside, outside in ids.items():
        _check_owner(target, inside, outside)
    _check_foreign_owner(target)
    _check_acl(target, *next((i, o) for i, o in ids.items() if i))
    refused = cntr("attach", "--user", str(unmapped), target.reference, "--", "true")
    assert refused.returncode == 125
    assert refused.stderr.startswith(b"cntr: ") and b"Traceback" not in refused.stderr


def _check_owner(target: Target, inside: int, outside: int) -> None:
    """What a user of the container makes is that user's, for the session, for the container and on the host."""
    file = target.root / f"srv/of-{inside}"
    script = f"umask 022; echo x >/var/lib/cntr/srv/{file.name}; stat -c %u:%g /var/lib/cntr/srv/{file.name}; id -u"
    user = ("--user", f"{inside}:{inside}")
    printed = output("attach", *user, target.reference, "--", "sh", "-c", script).split()
    assert printed == [f"{inside}:{inside}", str(inside)]
    assert (file.stat().st_uid, file.stat().st_gid) == (outside, outside)
    file.unlink()


def _check_foreign_owner(target: Target) -> None:
    """What belongs to an id that the container does not have is nobody's there, and its users may not change it."""
    file = target.root / "srv/foreign"
    file.write_text("not yours\n")
    os.chown(file, 99, 99)
    overflow = Path("/proc/sys/kernel/overflowuid").read_text().strip()
    script = "stat -c %u /var/lib/cntr/srv/foreign; chown 0 /var/lib/cntr/srv/foreign 2>/dev/null || echo refused"
    assert output("attach", target.reference, "--", "sh", "-c", script).split() == [overflow, "refused"]
    file.unlink()


def _check_acl(target: Target, inside: int, outside: int) -> None:
    """An ACL names the container's users in the session, and the host's users on the host."""
    file = target.root / "srv/with-acl"
    path = f"/var/lib/cntr/srv/{file.name}"
    script = f"echo x >{path}; setfacl -m u:{inside}:r {path}; getfacl -cn {path}"
    assert f"user:{inside}:r--" in output("attach", target.reference, "--", "sh", "-c", script).split()
    entries = os.getxattr(file, "system.posix_acl_access")[4:]
    named = [entries[i : i + 8] for i in range(0, len(entries), 8) if entries[i] == 2]  # ACL_USER, linux/posix_acl.h
    assert [int.from_bytes(entry[4:], "little") for entry in named] == [outside]
    file.unlink()
