"""The filter of system calls that the container's engine gave it, for the session, too."""

from __future__ import annotations

from ..dataclass import dataclass
from ..errors import EngineError
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
