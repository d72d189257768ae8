"""Whose podman it is, and how to reach its API: by the socket of its service, else by a service of our own."""

from __future__ import annotations

import logging
import os
import pwd
import select
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

from cntr_core.dataclass import dataclass
from cntr_core.errors import CntrError, EngineAbsent, EngineError
from cntr_core.kernel.child import die_with, open_in_child
from cntr_core.kernel.mounts import DetachedMount
from cntr_core.kernel.process import pidfd_open
from cntr_core.kernel.syscall import owned
from cntr_core.kernel.user_namespaces import enter_alone, user_outside
from cntr_core.reasons import reason

from ..sockets import LOCAL
from ..sudo import invoking_account

_log = logging.getLogger(__name__)

_PATIENCE = 10.0
"""Seconds that the service may take to start."""
_POLL = 0.005


@dataclass(frozen=True, slots=True)
class Owner:
    """A user whose containers podman has apart from all others'. `is_us`: it is who runs this process."""

    name: str
    uid: int
    gid: int
    home: str
    is_us: bool

    @property
    def runtime_directory(self) -> str:
        """Where the user's sockets are."""
        own = os.environ.get("XDG_RUNTIME_DIR", "") if self.is_us else ""
        return own or f"/run/user/{self.uid}"

    @property
    def socket(self) -> str:
        """Where the service listens, if the system starts one."""
        return "/run/podman/podman.sock" if self.uid == 0 else f"{self.runtime_directory}/podman/podman.sock"

    @property
    def data_directory(self) -> str:
        """Where programs keep what lasts."""
        own = os.environ.get("XDG_DATA_HOME", "") if self.is_us else ""
        return own or f"{self.home}/.local/share"

    @property
    def has_storage(self) -> bool:
        """Whether it ever used podman, which makes directories in the home of whoever asks it."""
        places = (f"{self.data_directory}/containers/storage", f"{self.home}/.config/containers")
        return self.uid == 0 or any(map(os.path.isdir, places))

    def environment(self) -> Mapping[str, str]:
        """The variables of a program that runs as this user."""
        if self.is_us:
            inside = {"USERNS_CONFIGURED": "done", "ROOTLESS_UID": str(self.uid), "ROOTLESS_GID": str(self.gid)}
            # How podman tells itself that it need not make the user namespace: it is in it.
            told = {f"_CONTAINERS_{name}": value for name, value in inside.items()} if user_outside() else {}
            return {**os.environ, **told}
        variables = {"HOME": self.home, "USER": self.name, "LOGNAME": self.name, "PATH": os.environ.get("PATH", "")}
        if os.path.isdir(self.runtime_directory):
            variables["XDG_RUNTIME_DIR"] = self.runtime_directory
        return variables


def ourselves() -> Owner:
    """Who runs this process, also from within a user namespace of its own."""
    uid, gid = user_outside() or (os.geteuid(), os.getegid())
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return Owner(str(uid), uid, gid, os.environ.get("HOME", "/"), True)
    return Owner(entry.pw_name, uid, gid, os.environ.get("HOME") or entry.pw_dir, True)


def invoking_user() -> Owner | None:
    """Who called sudo(8) to become root, as it tells by SUDO_UID."""
    entry = invoking_account()
    if entry is None:
        return None
    return Owner(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir, False)


def answers(path: str) -> bool:
    """Whether somebody listens there."""
    with closing(socket.socket(socket.AF_UNIX)) as connection:
        try:
            connection.connect(path)
        except OSError:
            return False
    return True


@contextmanager
def service(owner: Owner) -> Iterator[Callable[[], str]]:
    """A service of our own, which ends with the block or with us; gives what waits for it, and then tells its URL.

    Its socket lies in a tmpfs that is mounted nowhere, so nothing is left of it, however we end. Starting it and
    waiting for it are two things, so that several can start at once.
    """
    program = shutil.which("podman")
    if program is None:
        raise EngineAbsent("podman is not installed", "install it, or set CONTAINER_HOST")
    if not owner.has_storage:
        raise EngineAbsent(f"{owner.name} has never used podman", "start a container: podman run …")
    with _directory(owner) as directory:
        path = f"/proc/self/fd/{directory.fd}/socket"
        line = [program, "system", "service", "--time=0", LOCAL + path]
        with _started(line, directory.fd, owner) as process:
            try:
                yield partial(_awaited, owner, process.pid, path)
            finally:
                process.terminate()


def _awaited(owner: Owner, pid: int, path: str) -> str:
    """The URL of the service, once it answers; :raises EngineError: it ends instead, or takes too long."""
    deadline = time.monotonic() + _PATIENCE
    with owned(pidfd_open(pid)) as pidfd:
        _log.debug("waiting for podman's service %d of %s", pid, owner.name)
        while not answers(path):
            if select.select([pidfd], [], [], _POLL)[0]:
                whose = "" if owner.is_us else f" for {owner.name}"
                sentence = f"podman's service ended when it was started{whose}"
                raise EngineError(sentence, "try: podman system service --time=0")
            if time.monotonic() > deadline:
                raise EngineError(f"podman's service did not start within {_PATIENCE:g} s", "see podman info")
    return LOCAL + path


def _started(line: list[str], directory: int, owner: Owner) -> subprocess.Popen[bytes]:
    become: dict[str, Any] = {}
    if not owner.is_us:
        groups = os.getgrouplist(owner.name, owner.gid)
        become = {"user": owner.uid, "group": owner.gid, "extra_groups": groups, "cwd": "/"}
    return subprocess.Popen(
        line,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=owner.environment(),
        pass_fds=[directory],
        preexec_fn=partial(die_with, os.getpid()),
        **become,
    )


@contextmanager
def _directory(owner: Owner) -> Iterator[DetachedMount]:
    options = {"mode": "700", "size": "64k"}
    try:
        if os.geteuid() == 0:
            owned = {} if owner.is_us else {"uid": str(owner.uid), "gid": str(owner.gid)}
            made = DetachedMount.new("tmpfs", {**options, **owned})
        else:
            made = DetachedMount(open_in_child(lambda: _in_own_namespace(options)))
    except (OSError, CntrError) as error:
        hint = "run `cntr doctor`" if owner.uid == 0 else "start it yourself: systemctl --user start podman.socket"
        raise EngineError(f"podman's service cannot have a socket: {reason(error)}", hint) from error
    with made:
        yield made


def _in_own_namespace(options: Mapping[str, str]) -> int:
    enter_alone()
    return DetachedMount.new("tmpfs", options).fd
