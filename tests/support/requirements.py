"""What tests may require of the machine, by name, and how each is probed.

``@pytest.mark.requires("root", "docker")`` skips a test on a laptop that lacks one of them and says what to
install; where CNTR_CI=1 promises them all, the test fails instead. A name that is not in this list is an
error.
"""

from __future__ import annotations

import functools
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable

Probe = Callable[[], str]
"""Tells what is missing, in one phrase; empty when nothing is."""


def _root() -> str:
    return "" if os.geteuid() == 0 else "run the tests as root"


def _fuse() -> str:
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return f"/dev/fuse: {error.strerror}"
    return ""


def _docker() -> str:
    """A daemon that answers on the default socket, and runs on this machine."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect("/var/run/docker.sock")
            connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            answer = connection.recv(64)
    except OSError as error:
        return f"docker: {error.strerror or error}"
    return "" if b" 200 " in answer else f"docker: {answer!r}"


def _overlayfs() -> str:
    from cntr_core.kernel.probes import filesystem_known

    return "" if filesystem_known("overlay") else "modprobe overlay"


def _userns() -> str:
    """A user namespace can be made; what its maps may hold is another matter."""
    from cntr_core.kernel.namespaces import CLONE_NEWUSER, unshare

    child = os.fork()
    if child == 0:
        try:
            unshare(CLONE_NEWUSER)
        except OSError as error:
            os._exit(error.errno or 255)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return f"user namespaces: {os.strerror(status)}" if status else ""


def _cgroup_v1(controller: str) -> Probe:
    """The v1 hierarchy of a controller, writable."""
    path = f"/sys/fs/cgroup/{controller}/cgroup.procs"
    return lambda: "" if os.access(path, os.W_OK) else f"no writable {path}"


def _cgroup_v2() -> str:
    """A v2 hierarchy, alone or beside v1 ones."""
    roots = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
    return "" if any(os.access(f"{r}/cgroup.subtree_control", os.W_OK) for r in roots) else "no cgroup2 mount"


def _linux(major: int, minor: int) -> Probe:
    from cntr_core.kernel.probes import kernel_version

    new_enough = kernel_version(os.uname().release) >= (major, minor)
    return lambda: "" if new_enough else f"boot Linux {major}.{minor} or newer"


def _machine(name: str) -> Probe:
    """Programs for that processor run: natively, or by user-mode emulation."""
    return lambda: "" if os.uname().machine == name or shutil.which(f"qemu-{name}") else "apt-get install qemu-user"


def _ordinary_user() -> str:
    """Another user may run the program under test, and its interpreter."""
    from tests.support.cntr import PROGRAM
    from tests.support.reachable import command_as

    try:
        done = subprocess.run(command_as(4711, PROGRAM, "--version"), cwd="/", capture_output=True, timeout=60)
    except FileNotFoundError:
        return "apt-get install util-linux"
    return "" if done.returncode == 0 else f"{PROGRAM} is not for others: {done.stderr.decode()[-80:]}"


def _program(name: str, package: str = "") -> Probe:
    return lambda: "" if shutil.which(name) else f"apt-get install {package or name}"


def _file(path: str, package: str) -> Probe:
    return lambda: "" if os.path.exists(path) else f"apt-get install {package}"


def _dask() -> str:
    there = os.path.exists(os.path.join(os.path.dirname(sys.executable), "dask"))
    return "" if there else "pip install -e '.[dev]'"


REQUIREMENTS: dict[str, Probe] = {
    "root": _root,
    "fuse": _fuse,
    "docker": _docker,
    "overlayfs": _overlayfs,
    "userns": _userns,
    "cgroup-v1-freezer": _cgroup_v1("freezer"),
    "cgroup-v1-pids": _cgroup_v1("pids"),
    "cgroup-v2": _cgroup_v2,
    "aarch64": _machine("aarch64"),
    "x86_64": _machine("x86_64"),
    "linux-6.9": _linux(6, 9),
    "linux-6.13": _linux(6, 13),
    "linux-6.18": _linux(6, 18),
    "apparmor_parser": _program("apparmor_parser", "apparmor"),
    "ar": _program("ar", "binutils"),
    "btrfs": _program("btrfs", "btrfs-progs"),
    "busybox": _program("busybox", "busybox-static"),
    "catatonit": _program("catatonit"),
    "chromium": _program("chromium"),
    "containerd": _program("containerd"),
    "crun": _program("crun"),
    "curl": _program("curl"),
    "dask": _dask,
    "dbus": _program("dbus-daemon", "dbus"),
    "dpkg-deb": _program("dpkg-deb", "dpkg"),
    "dpkg-query": _program("dpkg-query", "dpkg"),
    "docker-cli": _program("docker", "docker.io"),
    "docker-compose": _program("docker-compose"),
    "docker-registry": _program("docker-registry"),
    "dockerd": _program("dockerd", "docker.io"),
    "gcc": _program("gcc"),
    "gdb": _program("gdb"),
    "gpg": _program("gpg"),
    "gpgv": _program("gpgv"),
    "getfacl": _program("getfacl", "acl"),
    "getfattr": _program("getfattr", "attr"),
    "htpasswd": _program("htpasswd", "apache2-utils"),
    "lxc": _program("lxc-start", "lxc"),
    "lxd": _program("lxd"),
    "man": _program("man", "man-db"),
    "machined": _file("/lib/systemd/systemd-machined", "systemd-container"),
    "kubectl": _program("kubectl", "kubernetes-client"),
    "mmdebstrap": _program("mmdebstrap"),
    "newuidmap": _program("newuidmap", "uidmap"),
    "nsenter": _program("nsenter", "util-linux"),
    "nspawn": _program("systemd-nspawn", "systemd-container"),
    "objdump": _program("objdump", "binutils"),
    "openssl": _program("openssl"),
    "ordinary-user": _ordinary_user,
    "pgrep": _program("pgrep", "procps"),
    "podman": _program("podman"),
    "bash": _program("bash"),
    "bash-completion": _file("/usr/share/bash-completion/bash_completion", "bash-completion"),
    "fish": _program("fish"),
    "runc": _program("runc"),
    "zsh": _program("zsh"),
    "script": _program("script", "bsdutils"),
    "setpriv": _program("setpriv", "util-linux"),
    "strace": _program("strace"),
    "stress-ng": _program("stress-ng"),
    "tar": _program("tar"),
    "tc": _program("tc", "iproute2"),
    "tun": _file("/dev/net/tun", "a kernel with TUN devices"),
    "umoci": _program("umoci"),
    "unshare": _program("unshare", "util-linux"),
}


@functools.cache
def missing(name: str) -> str:
    """What the machine lacks for requirement `name`, in one phrase; empty when nothing.

    :raises LookupError: no such requirement.
    """
    if name not in REQUIREMENTS:
        raise LookupError(f"unknown requirement {name!r}; tests/support/requirements.py has: {', '.join(REQUIREMENTS)}")
    return REQUIREMENTS[name]()
