"""Value types that travel between engines, plans and sessions: frozen, slotted, without behaviour of their own."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping

from .dataclass import dataclass, field

_REFERENCE = re.compile(r"(?P<engine>[a-z][a-z0-9_-]*)://(?P<name>.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ContainerRef:
    """What a user typed to name a container: ``NAME`` or ``ENGINE://NAME``."""

    name: str
    engine: str | None = None

    @classmethod
    def parse(cls, text: str) -> ContainerRef:
        """Read a reference; without ``ENGINE://`` every engine is asked.

        >>> ContainerRef.parse("docker://web")
        ContainerRef(name='web', engine='docker')
        """
        match = _REFERENCE.fullmatch(text)
        return cls(match["name"], match["engine"]) if match else cls(text)

    def __str__(self) -> str:
        return f"{self.engine}://{self.name}" if self.engine else self.name


class ContainerState(enum.Enum):
    """The life of a container, in the words all engines share."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    EXITED = "exited"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Container:
    """One container as its engine describes it.

    `id` is the engine's own identifier, in full; `pid` is the container's init process as the host sees it, and
    None when it does not run. `labels` and `image` lead to the fat image of a slim image. `bundle` is the directory of
    its OCI bundle, with the PID of its first process in the file ``pid``, for an engine that runs it by none of
    containerd's shims or conmon; empty for all others.
    """

    engine: str
    id: str
    name: str
    state: ContainerState
    pid: int | None = None
    image: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    bundle: str = ""

    @property
    def ref(self) -> ContainerRef:
        """The reference that names this container and no other."""
        return ContainerRef(self.name or self.id, self.engine)


@dataclass(frozen=True, slots=True)
class ContainerProcess:
    """A process inside a container, pinned against PID reuse by its start time.

    `start_time` is field 22 of ``/proc/PID/stat``, in clock ticks since boot (proc(5)). `environment` are its variables
    where they are known otherwise than from the kernel.
    """

    container: Container
    pid: int
    start_time: int
    environment: Mapping[bytes, bytes] | None = None


@dataclass(frozen=True, slots=True)
class StoppedRoot:
    """The files of a container that does not run, as directories, the topmost first (whiteouts as in overlayfs); and
    what its configuration says: variables as ``NAME=VALUE``, the user as ``USER[:GROUP]``, and the directory."""

    layers: tuple[str, ...]
    environment: tuple[str, ...] = ()
    user: str = ""
    working_directory: str = ""


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """An engine's answer to "are you there?", shown by ``cntr engines`` and in the error of a failed search.

    `detail` is one phrase: a version when available, else the reason. `hint` is what the user can do about it.
    """

    available: bool
    detail: str
    hint: str = ""
    endpoint: str = ""


@dataclass(frozen=True, slots=True)
class Missing:
    """One thing that a plugin or the session needs and this machine does not have, with the remedy."""

    what: str
    remedy: str
