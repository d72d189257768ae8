"""Docker's API, which podman speaks as well: what both engines share."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from cntr_core import (
    Container,
    ContainerState,
    Engine,
    EngineStatus,
    ShimEntry,
    StoppedRoot,
    TracedContainer,
    TracingEngine,
)
from cntr_core.dataclass import replace
from cntr_core.engine import matching
from cntr_core.errors import EngineError

from .client import ApiClient, remove_container
from .questions import Questions, Refused

if TYPE_CHECKING:
    from docker import APIClient

PATIENCE = 600
"""Seconds of silence that an engine may take to prepare an image's archive, to unpack one, or to start a container."""
_BUSY = 60
"""Seconds of silence that a busy engine may take to tell of itself or of an image, before long work is given up."""
_ALL = "/containers/json?all=1"
_TRIES = 4
_PAUSE = 0.1
"""Seconds before containers are listed again."""
_STATES = {
    "created": ContainerState.CREATED,
    "running": ContainerState.RUNNING,
    "restarting": ContainerState.EXITED,  # between two runs: there is no process
    "paused": ContainerState.PAUSED,
    "exited": ContainerState.EXITED,
    "dead": ContainerState.EXITED,
    "removing": ContainerState.EXITED,
}


class ApiEngine(ApiClient, Engine, TracingEngine):
    """An engine behind a unix socket that speaks docker's API."""

    def status(self) -> EngineStatus:
        endpoint = ""
        try:
            with self.endpoint() as endpoint, self.questions(endpoint, _BUSY) as questions:
                version = questions.server_version()
        except EngineError as error:
            return EngineStatus(available=False, detail=error.message, hint=error.hint, endpoint=endpoint)
        return EngineStatus(available=True, detail=f"version {version}", endpoint=endpoint)

    def containers(self) -> Iterable[Container]:
        with self.asked() as questions:
            return self.listed(questions)

    def find(self, name: str) -> Sequence[Container]:
        with self.asked() as questions:
            return self.found(questions, name)

    def listed(self, questions: Questions) -> list[Container]:
        """All containers, as the answers to `questions` tell."""
        return [self._from_list(entry) for entry in _listed(questions)]

    def found(self, questions: Questions, name: str) -> list[Container]:
        """Those that answer to `name`, with their PIDs; none that was removed meanwhile."""
        found = (self._inspected(questions, match) for match in matching(name, self.listed(questions)))
        return [container for container in found if container is not None]

    def stopped_root(self, container: Container) -> StoppedRoot | None:
        with self.asked() as questions:
            return self.files(questions, container)

    def files(self, questions: Questions, container: Container) -> StoppedRoot | None:
        """Where the files of a container are; None where the engine does not tell."""
        details = _details(questions, container)
        layers = (details.get("GraphDriver") or {}).get("Data") or {}
        if not layers.get("UpperDir"):  # another storage driver than overlayfs
            return None
        below = filter(None, (layers.get("LowerDir") or "").split(":"))
        config = details["Config"]
        return StoppedRoot(
            (layers["UpperDir"], *below), tuple(config["Env"] or ()), config["User"] or "", config["WorkingDir"] or ""
        )

    def export_image(self, name: str) -> Iterable[bytes] | None:
        with self.connected(_BUSY) as client:
            identifier = _image_id(client, name)
        # By its id: a name without a tag means :latest, and to export it would give the whole repository.
        return self._export(identifier) if identifier else None

    def import_image(self, archive: Iterable[bytes]) -> None:
        with self.connected(PATIENCE) as client:
            said = list(client.load_image(iter(archive), quiet=True))  # type: ignore[no-untyped-call]  # as in _image_id
        errors = [one["error"] for one in said if "error" in one]
        if errors or not said:
            reason = errors[0] if errors else "it loads nothing"
            raise EngineError(f"{self.name} does not take the image: {reason}", "see the daemon's log")

    def image_names(self) -> Iterable[str]:
        with self.connected(PATIENCE) as client:
            return [name for image in client.images() for name in image.get("RepoTags") or ()]

    def remove_image(self, name: str) -> None:
        from docker.errors import ImageNotFound

        with self.connected(PATIENCE) as client, suppress(ImageNotFound):
            if _image_id(client, name):  # podman 4 calls it an error of its own (500) to remove what is unknown
                client.remove_image(name)

    def create_traced(self, image: str, entry: ShimEntry) -> TracedContainer:
        from .tracing import ApiContainer

        with ExitStack() as stack:
            endpoint = stack.enter_context(self.endpoint())
            container = ApiContainer(self, endpoint, entry.name)
            container.start(image, entry)
            container.owned = stack.pop_all()
            return container

    def remove_traced(self, name: str) -> None:
        with self.connected(PATIENCE) as client:
            remove_container(client, name)

    def _from_list(self, entry: dict[str, Any]) -> Container:
        names = [name.removeprefix("/") for name in entry["Names"] or []]
        return Container(
            engine=self.name,
            id=entry["Id"],
            # Links of other containers are names as well, with a slash inside.
            name=next((name for name in names if "/" not in name), ""),
            state=_STATES.get(entry["State"], ContainerState.UNKNOWN),
            image=entry["Image"],
            labels=dict(entry["Labels"] or {}),
        )

    def _inspected(self, questions: Questions, listed: Container) -> Container | None:
        """The container with its PID, which only an inspection tells; None where it is gone."""
        try:
            details = _details(questions, listed)
        except Refused as error:
            if not error.is_missing:
                raise
            return None
        told = details["State"]
        pid = self.checked_pid(questions.endpoint, int(told["Pid"]), listed.id, listed.name)
        state = _STATES.get(told["Status"], ContainerState.UNKNOWN)
        return replace(
            listed,
            state=ContainerState.EXITED if told["Pid"] and pid is None else state,
            pid=pid,
            # Podman's Image here is the one that was asked for, too.
            image=str(details["Config"]["Image"]),
            labels=dict(details["Config"].get("Labels") or {}),
        )

    def _export(self, identifier: str) -> Iterator[bytes]:
        with self.connected(PATIENCE) as client:
            yield from client.get_image(identifier)


def _listed(questions: Questions) -> list[dict[str, Any]]:
    """All containers. Podman fails where one comes or goes just then, and does not a moment later."""
    for _ in range(_TRIES - 1):
        try:
            return list(questions.ask(_ALL))
        except Refused as error:
            if not error.by_server:
                raise
        time.sleep(_PAUSE)
    return list(questions.ask(_ALL))


def _details(questions: Questions, container: Container) -> Any:
    return questions.ask(f"/containers/{container.id}/json")


def _image_id(client: APIClient, name: str) -> str:
    """The id of the one image that `name` means, as to run it; empty where there is none."""
    from docker.errors import APIError

    try:
        told = client.inspect_image(name)  # type: ignore[no-untyped-call]  # types-docker has no annotation for it
    except APIError as error:
        # No image could have such a name: docker says so by 400, podman in words.
        if error.status_code in (400, 404) or "invalid reference" in str(error.explanation):
            return ""
        raise
    return str(told["Id"])
