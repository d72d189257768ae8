"""The contract of sessions in a rootless container of podman's: for its user, and for root under that user's sudo."""

from __future__ import annotations

import shlex
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from cntr_core.testing import SessionContract
from tests.support.rootless import GID, NAME, UID, OrdinaryUser

pytestmark = pytest.mark.requires(
    "root", "fuse", "podman", "runc", "busybox", "newuidmap", "nsenter", "setpriv", "unshare", "ordinary-user"
)


@pytest.fixture(scope="module")
def name(ordinary_user: OrdinaryUser) -> str:
    return ordinary_user.start("busybox")


class OfUser(SessionContract):
    """Everything is below the user's home, and written by the user: root outside is nobody in there."""

    shell = ("/bin/busybox", "sh")
    writable = "/"
    user: OrdinaryUser
    target: str

    @pytest.fixture(autouse=True)
    def _as_the_user(self, ordinary_user: OrdinaryUser, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.user, self.target = ordinary_user, name
        for variable, value in ordinary_user.environment().items():
            monkeypatch.setenv(variable, value)

    @pytest.fixture
    def tmp_path(self, ordinary_user: OrdinaryUser) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(dir=ordinary_user.home / "tmp") as place:
            Path(place).chmod(0o777)
            yield Path(place)

    @pytest.fixture
    def reference(self, name: str) -> str:
        return f"podman://{name}"

    @pytest.fixture
    def pid(self, ordinary_user: OrdinaryUser, name: str) -> int:
        return ordinary_user.pid(name)

    @contextmanager
    def file_of_the_container(self, pid: int, content: str) -> Iterator[str]:  # noqa: ARG002 - podman knows it by name
        path = f"{self.writable}{uuid.uuid4().hex}"
        self._inside(f"printf %s {shlex.quote(content)} >{path}; /bin/busybox chmod 666 {path}")
        yield path
        self._inside(f"/bin/busybox rm {path}")

    def _inside(self, script: str) -> None:
        self.user.podman("exec", self.target, "/bin/busybox", "sh", "-c", script)


class TestByItsUser(OfUser):
    container = "podman, rootless, by its user"
    no_cgroup = "podman puts it into a cgroup that is not the user's to write to"
    without: ClassVar[Mapping[str, str]] = {
        "kernel": "the kernel lets no ordinary user put files of the host into a container: FUSE does"
    }

    @pytest.fixture(autouse=True)
    def _by_the_user(self, _as_the_user: None) -> None:
        self.caller = tuple(self.user.command())


class TestByRoot(OfUser):
    container = "podman, rootless, by root"

    @pytest.fixture(autouse=True)
    def _under_sudo(self, _as_the_user: None, monkeypatch: pytest.MonkeyPatch) -> None:
        self.caller = tuple(self.user.root_command())
        for variable in ("XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
            monkeypatch.delenv(variable, raising=False)
        sudo = {"SUDO_UID": str(UID), "SUDO_GID": str(GID), "SUDO_USER": NAME, "HOME": "/root", "USER": "root"}
        for variable, value in sudo.items():
            monkeypatch.setenv(variable, value)
