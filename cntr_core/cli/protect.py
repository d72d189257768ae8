"""Keeping a hostile container away from the interpreter that runs cntr (the class of CVE-2019-5736).

A file of the container may say ``#!/proc/self/exe``, or name that as its ELF interpreter: execve(2) then runs the very
program that executes it, the host's python, as a process of the container, which can open it by ``/proc/PID/exe`` and
write to it as soon as nobody runs it. So the program runs from a read-only view of itself.
"""

from __future__ import annotations

import os
import sys

from ..errors import SessionError
from ..kernel.mounts import MOUNT_ATTR_RDONLY, DetachedMount
from ..kernel.syscall import AT_FDCWD

_MARK = "_CNTR_READ_ONLY"
_PROGRAM = "/proc/self/exe"


def run_read_only() -> None:
    """Execute this program again, from a detached read-only mount of its interpreter, unless it runs so already.

    Returns where it cannot be done, for want of privileges and of user namespaces: then no container is entered whose
    root could write to it. Costs one start of the interpreter.
    """
    done = os.environ.pop(_MARK, None)
    if done or os.statvfs(_PROGRAM).f_flag & os.ST_RDONLY:
        return
    try:
        with DetachedMount(_read_only_program()) as interpreter:
            os.execve(interpreter.fd, sys.orig_argv, {**os.environ, _MARK: "1"})
    except (OSError, SessionError):
        return


def _read_only_program() -> int:
    try:
        return _copy(_PROGRAM)
    except PermissionError:
        from ..kernel.child import open_in_child
        from ..kernel.user_namespaces import enter_alone

    def make() -> int:  # an ordinary user, whose own the interpreter may be, as the container is
        enter_alone()
        return _copy(os.readlink(_PROGRAM))  # the file that runs lies on a mount of the namespace that was left

    return open_in_child(make)


def _copy(program: str) -> int:
    mount = DetachedMount.clone(AT_FDCWD, program)
    mount.set_attributes(set=MOUNT_ATTR_RDONLY)
    return mount.fd
