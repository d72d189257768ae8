"""What ps(1) and ``/proc/PID/environ`` show of a process of the session."""

from __future__ import annotations

import ctypes
import os

from ..kernel import procfs
from ..kernel.syscall import owned


def forget_caller(title: bytes) -> None:
    """Put `title` in the place of the caller's arguments and variables, secrets among them, in this process's initial
    stack.

    ps(1) in the container shows the arguments of the session's processes, and a container that may trace them
    (CAP_SYS_PTRACE without a user namespace) could read the variables.
    """
    os.environ.clear()
    with owned(procfs.open_process("self")) as own:
        fields = procfs.read(own, "stat").rpartition(b")")[2].split()
    # arg_start, arg_end, env_start, env_end: fields 48 to 51 of proc(5), which begin at 3 here (Linux 3.5).
    arguments, arguments_end, environment, environment_end = (int(field) for field in fields[45:49])
    for start, end in ((arguments, arguments_end), (environment, environment_end)):
        ctypes.memset(start, 0, end - start)
    ctypes.memmove(arguments, title, min(len(title), arguments_end - arguments - 1))
