"""Labels of Linux security modules: which are active, how a process is confined, how to exec confined like
it.

AppArmor: Documentation/admin-guide/LSM/apparmor.rst and libapparmor's aa_change_onexec(2); SELinux: proc(5)
and setexeccon(3). Where the kernel runs neither, nothing here finds or changes anything.
"""

from __future__ import annotations

import errno
import os
import re

from ..dataclass import dataclass
from .procfs import read

_MODE = re.compile(rb"(?P<label>.+) \((?P<mode>[a-z_]+)\)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class LsmProfile:
    """How a process is confined: `module` is ``apparmor`` or ``selinux``, `mode` AppArmor's enforce, complain
    …
    """

    module: str
    label: bytes
    mode: str = ""

    @property
    def confines(self) -> bool:
        """Whether there is anything to take over."""
        return self.label not in (b"", b"unconfined", b"kernel")


def parse_apparmor(data: bytes) -> LsmProfile:
    """Read AppArmor's ``attr/current``: the label is the text before the last `` (mode)``, if there is a
    mode.

    >>> parse_apparmor(b"/usr/bin/my (odd) tool (enforce)").label
    b'/usr/bin/my (odd) tool'
    """
    text = data.rstrip(b"\n\0")
    match = _MODE.fullmatch(text)
    if match:
        return LsmProfile("apparmor", match["label"], match["mode"].decode())
    return LsmProfile("apparmor", text)


def parse_selinux(data: bytes) -> LsmProfile:
    """Read SELinux's ``attr/current``: ``user:role:type[:range]``, closed by a NUL byte."""
    return LsmProfile("selinux", data.rstrip(b"\n\0"))


def parse_active(data: bytes) -> list[str]:
    """Read ``/sys/kernel/security/lsm``: names with commas between (Linux 4.18)."""
    return [name for name in data.decode(errors="replace").strip().split(",") if name]


def active_modules(sys: str = "/sys") -> list[str]:
    """The security modules that this kernel runs, major ones only where securityfs is not mounted."""
    try:
        with open(f"{sys}/kernel/security/lsm", "rb") as file:
            return parse_active(file.read())
    except FileNotFoundError:
        return [*_apparmor(sys), *(["selinux"] if os.path.exists(f"{sys}/fs/selinux/enforce") else [])]


def _apparmor(sys: str) -> list[str]:
    try:
        with open(f"{sys}/module/apparmor/parameters/enabled", "rb") as file:
            return ["apparmor"] if file.read().strip() == b"Y" else []
    except FileNotFoundError:
        return []


def read_profile(process: int, active: list[str]) -> LsmProfile | None:
    """The confinement of a process (a ``/proc/PID`` descriptor) by the first module of `active` that labels
    it.
    """
    for module, parse in (("apparmor", parse_apparmor), ("selinux", parse_selinux)):
        if module in active:
            return parse(_attribute(process, module))
    return None


def _attribute(process: int, module: str) -> bytes:
    # Since Linux 5.8 each module has a directory of its own; attr/current belongs to the first major one.
    try:
        return read(process, f"attr/{module}/current")
    except FileNotFoundError:
        return read(process, "attr/current")


def exec_request(profile: LsmProfile) -> bytes:
    """What to write into ``attr/exec`` for the next execve(2) to run under `profile`."""
    return b"exec " + profile.label if profile.module == "apparmor" else profile.label


def set_exec_profile(process: int, profile: LsmProfile) -> None:
    """Run the next execve(2) under `profile`. `process` is ``/proc/self`` of the very process that will exec.

    :raises OSError: the module refuses; ENOENT when the profile is not loaded.
    """
    request = exec_request(profile)
    try:
        fd = os.open(f"attr/{profile.module}/exec", os.O_WRONLY | os.O_CLOEXEC, dir_fd=process)
    except FileNotFoundError:
        fd = os.open("attr/exec", os.O_WRONLY | os.O_CLOEXEC, dir_fd=process)
    try:
        os.write(fd, request)
    except OSError as error:
        number = error.errno or errno.EINVAL
        text = f"{profile.module} refuses {os.fsdecode(profile.label)}: {os.strerror(number)}"
        raise OSError(number, text) from None
    finally:
        os.close(fd)
