"""The filter of system calls that the container's engine gave it, for the session, too."""

from __future__ import annotations

import errno
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from ..dataclass import dataclass
from ..errors import EngineError, SessionError
from ..kernel import channel
from ..kernel.seccomp import SyscallFilter
from ..runtime.seccomp import compile_filter
from .oci_bundle import read_config
from .target import Target


@dataclass(frozen=True, slots=True)
class ContainerFilter:
    """What the session has of the container's filter: `program`, or none where the container has none, or none and a
    reason for what it `lacks`."""

    program: SyscallFilter | None = None
    lacks: str = ""


NO_FILTER = ContainerFilter()

BY_FILTER = 128 + signal.SIGSYS
"""The exit code of who was killed for a system call (seccomp(2), SECCOMP_RET_KILL_PROCESS), as shells tell it."""

_WITHOUT = "run it again with --no-seccomp"

_REFUSALS = (errno.EPERM, errno.ENOSYS)


def container_filter(target: Target) -> ContainerFilter:
    """The filter of the container of `target`, compiled. The process itself is not touched: stopping it to read its
    filter could end a system call of the application's (see docs/adr/0032)."""
    if not target.status.seccomp:
        return NO_FILTER
    config = read_config(target.process)
    if config is None:
        return ContainerFilter(lacks="its engine keeps no OCI bundle of it")
    profile = (config.get("linux") or {}).get("seccomp")
    if not profile:  # the application's own filter, then, which exec of its engine does not have either
        return NO_FILTER
    try:
        return ContainerFilter(compile_filter(profile))
    except EngineError as error:
        return ContainerFilter(lacks=str(error))


@contextmanager
def refusals_told(taken: ContainerFilter) -> Iterator[None]:
    """Says of a system call that was refused where the filter is taken: by it, perhaps, since a profile need not allow
    what a process of a session calls before the command's program runs.

    :raises SessionError: one was refused.
    """
    try:
        yield
    except OSError as error:
        if taken.program is None or error.errno not in _REFUSALS:
            raise
        told = channel.describe(error)
        raise SessionError(
            f"the session was refused a system call ({told}), perhaps by the container's seccomp filter", _WITHOUT
        ) from error


def killed(code: int = 0) -> SessionError:
    """A process of ours was, which tells the exit code `code`: by the filter, or by somebody."""
    if code == BY_FILTER:
        return SessionError("the container's seccomp filter killed a process of the session", _WITHOUT)
    return SessionError("a process of the session was killed", "run again with --debug")
