"""cntr: attach tools to running containers, and split images into a slim and a fat half.

The public surface for plugin authors: everything named here is stable, everything else is not.
"""

from .engine import Engine
from .errors import CntrError, EngineError
from .filesystem import AccessEvent, Branch, DirectoryTree, Filesystem, MountRequest, Observer, ServedMount
from .hookspecs import hookimpl
from .types import Container, ContainerProcess, ContainerRef, ContainerState, EngineStatus, Missing

__all__ = [
    "hookimpl",
    "Engine",
    "Filesystem",
    "Branch",
    "DirectoryTree",
    "MountRequest",
    "ServedMount",
    "AccessEvent",
    "Observer",
    "Container",
    "ContainerProcess",
    "ContainerRef",
    "ContainerState",
    "EngineStatus",
    "Missing",
    "CntrError",
    "EngineError",
]
