"""The REST API of LXD, which Incus kept when it left: what both engines share.

Answers hold what was asked for as ``metadata``: https://documentation.ubuntu.com/lxd/en/latest/rest-api/
"""

from __future__ import annotations

import logging
import os
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from cntr_core import Container, ContainerState, Engine, EngineStatus
from cntr_core.dataclass import replace
from cntr_core.engine import SILENCE, matching
from cntr_core.errors import EngineError
from cntr_core.json_text import read_json
from cntr_core.reasons import reason
from cntr_core.timing import timed

from ..sockets import NONSENSE, check_socket, not_understood, unanswered

if TYPE_CHECKING:
    from httpx import Client

_log = logging.getLogger(__name__)

_STATES = {
    "Created": ContainerState.CREATED,
    "Starting": ContainerState.CREATED,
    "Running": ContainerState.RUNNING,
    "Stopping": ContainerState.RUNNING,
    "Freezing": ContainerState.PAUSED,
    "Frozen": ContainerState.PAUSED,
    "Thawed": ContainerState.RUNNING,
    "Stopped": ContainerState.EXITED,
    "Aborting": ContainerState.EXITED,
    "Error": ContainerState.UNKNOWN,
}
_LABELS = ("image.", "user.")
"""Beginnings of the names of those settings that say what a container is, and not how it is run."""
_DEFAULT = "default"


class RestEngine(Engine):
    """An engine behind a unix socket that speaks LXD's API; its virtual machines are left out."""

    variable: ClassVar[str]
    """What names the socket in the environment, for a hint."""

    @abstractmethod
    def socket(self) -> str:
        """The path of the socket, whether there is one or not."""

    def status(self) -> EngineStatus:
        path = self.socket()
        try:
            with self.connected() as client:
                environment = _asked(client, "/1.0").get("environment")
        except EngineError as error:
            return EngineStatus(available=False, detail=error.message, hint=error.hint, endpoint=path)
        if not environment:  # the server tells a stranger no more than that it is there
            return EngineStatus(False, f"{self.name} does not trust this user", "run cntr as root", path)
        return EngineStatus(available=True, detail=f"version {environment['server_version']}", endpoint=path)

    def check_presence(self) -> None:
        check_socket(self.name, self.socket(), f"start it, or set {self.variable}")

    def containers(self) -> Iterable[Container]:
        with self.connected() as client:
            return [self._container(instance) for instance in _instances(client)]

    def find(self, name: str) -> Sequence[Container]:
        """Only the state of one container tells its process, and costs a question of its own."""
        with self.connected() as client:
            known = {(c := self._container(instance)).id: (c, instance) for instance in _instances(client)}
            found = [known[match.id] for match in matching(name, (c for c, _ in known.values()))]
            return [self._with_process(client, container, instance) for container, instance in found]

    @contextmanager
    def connected(self) -> Iterator[Client]:
        """A client of the API, whose errors become one sentence each."""
        path = self.socket()
        check_socket(self.name, path, f"start it, or set {self.variable}")
        from httpx import Client, HTTPError, HTTPTransport  # 100 ms, and only worth them where there is somebody to ask

        try:
            with Client(transport=HTTPTransport(uds=path), base_url="http://local", timeout=SILENCE) as client:
                yield client
        except HTTPError as error:
            raise unanswered(self.name, path, reason(error)) from None
        except NONSENSE as error:
            raise not_understood(self.name, error) from None

    def _container(self, instance: dict[str, Any]) -> Container:
        project, config = instance.get("project", _DEFAULT), instance["config"]
        labels = {key: value for key, value in config.items() if key.startswith(_LABELS)}
        return Container(
            engine=self.name,
            id=config.get("volatile.uuid") or f"{project}/{instance['name']}",  # LXD gives none before 4.8
            name=instance["name"],
            state=_STATES.get(instance["status"], ContainerState.UNKNOWN),
            image=config.get("image.description") or config.get("volatile.base_image", ""),
            labels=labels if project == _DEFAULT else {**labels, "project": project},
        )

    def _with_process(self, client: Client, container: Container, instance: dict[str, Any]) -> Container:
        """The container with its PID and its state as they are now."""
        self._check_location(client, instance)
        project = instance.get("project", _DEFAULT)
        state = _asked(client, f"/1.0/instances/{container.name}/state", {"project": project})
        pid = int(state["pid"])
        return replace(
            container, state=_STATES.get(state["status"], ContainerState.UNKNOWN), pid=pid if pid > 0 else None
        )

    def _check_location(self, client: Client, instance: dict[str, Any]) -> None:
        """:raises EngineError: it runs on another member of a cluster, whose PIDs mean nothing here."""
        location = instance.get("location", "none")
        if location != "none" and location != _asked(client, "/1.0")["environment"]["server_name"]:
            raise EngineError(f"{instance['name']} runs on {location}, another machine", "run cntr on that machine")


def _instances(client: Client) -> list[dict[str, Any]]:
    """The containers of all projects; servers that cannot show all (LXD 4.0) show those of the default one."""
    listed = _asked(client, "/1.0/instances", {"recursion": "1", "all-projects": "true"})
    return [instance for instance in listed if instance["type"] == "container"]


def _asked(client: Client, path: str, parameters: dict[str, str] | None = None) -> Any:
    """The metadata of the answer.

    :raises EngineError: the server refuses.
    """
    with timed(_log, "GET %s", path):
        answer = read_json(client.get(path, params=parameters).content)
    if answer["type"] == "error":
        raise EngineError(f"the server refused: {answer['error']}", "see its log")
    return answer["metadata"]


def first_socket(variable: str, directory: str, usual: Sequence[str]) -> str:
    """The path in the variable, else ``unix.socket`` in the directory that another one names, else the first of the
    `usual` ones that exists, else the last of them."""
    if chosen := os.environ.get(variable):
        return chosen
    if parent := os.environ.get(directory):
        return f"{parent}/unix.socket"
    return next(filter(os.path.exists, usual), usual[-1])
