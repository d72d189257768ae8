"""cntr: attach tools to running containers, and split images into a slim and a fat image.

The public surface for plugin authors: everything named here is stable, everything else is not.

Each name is imported when it is first asked for: ``cntr attach`` starts its interpreter twice (cli/protect.py), and the
first start needs none of them.
"""

from __future__ import annotations

from .lazily import lazily

TYPE_CHECKING = False  # typing's takes 2 ms, in which Python would answer Ctrl-C with a traceback

if TYPE_CHECKING:
    from .engine import Engine
    from .engine.tracing import ShimEntry, TracedContainer, TracingEngine, TracingOptions
    from .errors import CntrError, EngineAbsent, EngineError
    from .filesystem import (
        AccessEvent,
        Branch,
        DirectoryTree,
        Filesystem,
        MountRequest,
        Observer,
        Part,
        PartialTree,
        ServedMount,
    )
    from .marks import hookimpl
    from .rules import Found, ImageView, Keep, LeftOut, Profile, Rule, RuleContext
    from .types import Container, ContainerProcess, ContainerRef, ContainerState, EngineStatus, Missing, StoppedRoot

__all__ = [
    "hookimpl",
    "Engine",
    "Filesystem",
    "Branch",
    "DirectoryTree",
    "PartialTree",
    "Part",
    "MountRequest",
    "ServedMount",
    "AccessEvent",
    "Observer",
    "Rule",
    "RuleContext",
    "ImageView",
    "Found",
    "Keep",
    "LeftOut",
    "Profile",
    "Container",
    "ContainerProcess",
    "ContainerRef",
    "ContainerState",
    "EngineStatus",
    "Missing",
    "StoppedRoot",
    "TracedContainer",
    "TracingEngine",
    "ShimEntry",
    "TracingOptions",
    "CntrError",
    "EngineAbsent",
    "EngineError",
]

__getattr__ = lazily(
    __name__,
    {
        "engine": "Engine",
        "engine.tracing": "ShimEntry TracedContainer TracingEngine TracingOptions",
        "errors": "CntrError EngineAbsent EngineError",
        "filesystem": "AccessEvent Branch DirectoryTree Filesystem MountRequest Observer Part PartialTree ServedMount",
        "marks": "hookimpl",
        "rules": "Found ImageView Keep LeftOut Profile Rule RuleContext",
        "types": "Container ContainerProcess ContainerRef ContainerState EngineStatus Missing StoppedRoot",
    },
)
