"""The one process of a throw-away container: it makes its namespaces and mounts, becomes its user, and waits.

It runs no program of the root that it shows. When whoever started it ends, it is killed, and with it the PID namespace,
the mounts and everything that ran there.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from ..dataclass import dataclass
from ..kernel import capabilities, channel, child, mounts, namespaces, process, syscall
from ..kernel.capabilities import CapabilitySet
from ..kernel.mounts import DetachedMount
from ..kernel.syscall import AT_FDCWD, AT_RECURSIVE, owned
from ..runtime.config_json import CAPABILITIES, MASKED, READ_ONLY
from .title import forget_caller

_NAMESPACES = (
    namespaces.CLONE_NEWNS
    | namespaces.CLONE_NEWPID
    | namespaces.CLONE_NEWNET
    | namespaces.CLONE_NEWIPC
    | namespaces.CLONE_NEWUTS
    | namespaces.CLONE_NEWCGROUP
)
_TITLE = b"cntr: image"
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1  # netdevice(7)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the process becomes: its root, a detached mount with the directories proc, sys and dev, and its user."""

    root: int
    name: str
    uid: int
    gid: int
    groups: Sequence[int]
    directory: str


def run(settings: Settings, sock: socket.socket, parent: int) -> NoReturn:
    """In a child of `parent`: make the namespaces, and the process in them, which tells `sock` that it is ready, or why
    it is not; before, `sock` is told its PID. Never returns."""
    try:
        child.die_with(parent, signal.SIGKILL)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        forget_caller(_TITLE)
        namespaces.unshare(_NAMESPACES)
        mounts.mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, propagation=mounts.MS_PRIVATE)
        above, below = os.pipe2(os.O_CLOEXEC)
        inner = child.fork(lambda: _wait_inside(settings, sock, above))
        channel.send(sock, "pid", pid=inner)
        os.close(above)
        sock.close()
        os.waitpid(inner, 0)
        os.close(below)
    except BaseException as error:
        channel.send_error(sock, error)
    finally:
        os._exit(0)


def _wait_inside(settings: Settings, sock: socket.socket, above: int) -> None:
    """The first process of the PID namespace. `above` is a pipe whose other end is its parent's."""
    try:
        process.set_pdeathsig(signal.SIGKILL)
        last_cap, is_machines_root = capabilities.last_cap(), namespaces.is_initial_user_namespace()
        syscall.preload()
        null = os.open("/dev/null", os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        _enter(settings)
        _become(settings, last_cap)
        # Only the machine's root may enter a process that is not dumpable; whoever else may trace it could do the same
        # to cntr itself.
        process.set_dumpable(not is_machines_root)
        process.set_name(_TITLE.decode())
        process.close_others({0, 1, 2, sock.fileno(), above})
        process.set_pdeathsig(signal.SIGKILL)  # which a change of credentials has cleared
        channel.send(sock, "ready")
    except BaseException as error:
        channel.send_error(sock, error)
        return
    sock.close()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    while True:  # orphans are ours to reap
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        signal.sigwait({signal.SIGCHLD})


def _enter(settings: Settings) -> None:
    """Mount what a container has, and make the root ours. Nothing of the root is followed: the directories to mount on
    are in its topmost layer, which is ours."""
    socket.sethostname(settings.name)
    _bring_up("lo")
    DetachedMount(settings.root).attach(AT_FDCWD, "/tmp")
    root = os.open("/tmp", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    quiet = mounts.MOUNT_ATTR_NOSUID | mounts.MOUNT_ATTR_NODEV
    _place(DetachedMount.new("proc", (), quiet), root, "proc")
    _place(DetachedMount.new("sysfs", (), quiet | mounts.MOUNT_ATTR_RDONLY), root, "sys")
    _place(DetachedMount.new("tmpfs", {"mode": "755", "size": "64k"}, mounts.MOUNT_ATTR_NOSUID), root, "dev")
    _make_devices(root)
    _protect(root)
    os.fchdir(root)
    mounts.pivot_root(".", ".")
    mounts.umount2(".", mounts.MNT_DETACH)
    os.chdir("/")


def _place(mount: DetachedMount, directory: int, name: str) -> None:
    with mount:
        mount.attach(directory, name)


def _make_devices(root: int) -> None:
    with owned(os.open("dev", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root)) as dev:
        for name in _DEVICES:
            os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666, dir_fd=dev))
            _place(DetachedMount.clone(AT_FDCWD, f"/dev/{name}"), dev, name)
        for name, target in _LINKS.items():
            os.symlink(target, name, dir_fd=dev)
        for name in ("pts", "shm"):
            os.mkdir(name, 0o755, dir_fd=dev)
        _place(DetachedMount.new("devpts", {"newinstance": None, "ptmxmode": "0666", "mode": "0620"}), dev, "pts")
        _place(DetachedMount.new("tmpfs", {"mode": "1777", "size": "64m"}, mounts.MOUNT_ATTR_NOSUID), dev, "shm")


def _protect(root: int) -> None:
    """Hide from the container's root what docker hides of /proc and /sys."""
    for path in READ_ONLY.split():
        with suppress(FileNotFoundError):
            mount = DetachedMount.clone(root, path.lstrip("/"), recursive=True)
            mount.set_attributes(set=mounts.MOUNT_ATTR_RDONLY, recursive=True)
            _place(mount, root, path.lstrip("/"))
    for path in MASKED.split():
        with suppress(FileNotFoundError):
            is_directory = os.path.isdir(f"/proc/self/fd/{root}{path}")
            mount = (
                DetachedMount.new("tmpfs", {"mode": "755", "size": "4k"}, mounts.MOUNT_ATTR_RDONLY)
                if is_directory
                else DetachedMount.clone(AT_FDCWD, "/dev/null")
            )
            _place(mount, root, path.lstrip("/"))


def _bring_up(name: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as control:
        request = struct.pack("16sh14x", name.encode(), 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(control, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", name.encode(), flags | _IFF_UP))


def _become(settings: Settings, last_cap: int) -> None:
    """The image's user, with docker's capabilities: a session takes over both."""
    given = capabilities.mask(CAPABILITIES.split()) & capabilities.capget()[1]
    held = given if settings.uid == 0 else 0
    process.set_keep_capabilities(True)
    process.setgroups(tuple(settings.groups))
    process.setresgid(settings.gid, settings.gid, settings.gid)
    process.setresuid(settings.uid, settings.uid, settings.uid)
    capabilities.apply(CapabilitySet(given, 0, held, held, 0), last_cap)
    with suppress(OSError):
        os.chdir(settings.directory)
