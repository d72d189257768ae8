"""Containers that an engine starts for us, whose program waits until their root has been prepared.

This is what tracing inside an engine's own containers takes of it: an ability that an :class:`Engine` may have.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from ..dataclass import dataclass, field
from ..errors import EngineError

NEVER_ENDS = (
    "the container does not end, even after SIGKILL",
    "look for its processes in state D (ps -eo pid,stat,args)",
)
"""The sentence and the hint of the error for that."""


@dataclass(frozen=True, slots=True)
class ComposeService:
    """A service of a compose file, with all that it needs: `document` is the whole project as the words `program` of
    Compose read it, ``$`` written as ``$$``; relative paths count from `directory`."""

    program: tuple[str, ...]
    directory: str
    document: Mapping[str, Any]
    name: str


@dataclass(frozen=True, slots=True)
class TracingOptions:
    """What the user says beside the image's configuration, in the words of ``docker run``.

    `environment` has ``NAME=VALUE``, `volumes` ``SOURCE:TARGET[:OPTIONS]``, `tmpfs` ``TARGET[:OPTIONS]``, `publish`
    ``[[IP:]PORT:]CONTAINERPORT[/PROTOCOL]``. `network` is a name that the engine knows, "" for its default. With `init`
    a small process of the engine's is the container's first. `user` is ``USER[:GROUP]``; it and `working_dir` are ""
    for the image's own. `seccomp` is the text of a profile of system calls in docker's format, "" for the engine's own.
    With `compose` Compose starts the container, with all that it depends on, and nothing else here
    counts but what the image's own are replaced by.
    """

    environment: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    tmpfs: tuple[str, ...] = ()
    publish: tuple[str, ...] = ()
    network: str = ""
    read_only: bool = False
    init: bool = False
    user: str = ""
    working_dir: str = ""
    seccomp: str = ""
    compose: ComposeService | None = None


@dataclass(frozen=True, slots=True)
class ShimEntry:
    """What stands in for the image's entrypoint: `arguments` is the whole command line, and its program lies in the
    host's `directory`, which is bound read-only to `target` in the container. `name` and `hostname` are the
    container's, and it gets the `labels`."""

    name: str
    hostname: str
    directory: str
    target: str
    arguments: tuple[str, ...]
    options: TracingOptions = field(default_factory=TracingOptions)
    labels: Mapping[str, str] = field(default_factory=dict)


class TracedContainer(ABC):
    """A container that :meth:`TracingEngine.create_traced` started. It may have ended already."""

    @property
    @abstractmethod
    def pid(self) -> int:
        """The first process, in the caller's PID namespace."""

    @abstractmethod
    def ended(self) -> int | None:
        """The exit code of the first process, 128+n for signal n; None while it runs."""

    @abstractmethod
    def execute(self, command: Sequence[str], timeout: float) -> tuple[int, bytes, bytes]:
        """Run a command in the container, as the image's user; its exit code, stdout and stderr.

        :raises TimeoutError: it did not end within `timeout` seconds, and was killed.
        :raises EngineError: it could not be started, for example because the container has ended.
        """

    @abstractmethod
    def logs(self) -> bytes:
        """What the container wrote to its stdout and stderr so far; :raises EngineError: the engine lost it."""

    @abstractmethod
    def stop(self, timeout: float) -> int:
        """End it by its stop signal, after `timeout` seconds by SIGKILL; its exit code.

        :raises EngineError: it does not end.
        """

    @abstractmethod
    def remove(self) -> None:
        """Remove the container, running or not, with the volumes that have no name, and give up what is held."""


class TracingEngine(ABC):
    """An engine whose containers can be traced: derive from this class beside :class:`Engine`."""

    name: ClassVar[str]

    @abstractmethod
    def create_traced(self, image: str, entry: ShimEntry) -> TracedContainer:
        """Start a container of `image` with `entry` in place of the image's entrypoint and command.

        All else is as the image's configuration and the engine's defaults have it, but it is never restarted. The
        processes must be those of this machine.

        :raises EngineError: the engine refuses, or its containers are elsewhere.
        """

    @abstractmethod
    def remove_traced(self, name: str) -> None:
        """Remove the container `name`, which somebody made by :meth:`create_traced`, or began to make; nothing happens
        where it is unknown.

        :raises EngineError: the engine does not remove it.
        """

    @abstractmethod
    def import_image(self, archive: Iterable[bytes]) -> None:
        """See :meth:`Engine.import_image`."""

    @abstractmethod
    def image_names(self) -> Iterable[str]:
        """The names of all images, each as :meth:`remove_image` takes it."""

    @abstractmethod
    def remove_image(self, name: str) -> None:
        """Take the name `name` from its image, which goes with its last name; nothing happens where it is unknown.

        :raises EngineError: the engine does not let go of it.
        """


def tracing_engine(engine: object, name: str) -> TracingEngine:
    """`engine`, called `name`, if it has the ability; :raises EngineError: it has not."""
    if isinstance(engine, TracingEngine):
        return engine
    raise EngineError(f"{name} cannot trace what runs in its containers", "name docker, podman or containerd")
