"""The containers of Kubernetes manifests, as words for ``cntr slim``."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from cntr_core.errors import UsageError
from cntr_core.reasons import reason

OPTIONS = "cntr/options"
"""The annotation of a pod, or of a pod's template, with options for ``cntr slim``."""
_TEMPLATES = ("template", "jobTemplate")
_CONTAINERS = ("initContainers", "containers")


def containers(document: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    """The words for each container that an object's pods have, and its name; for a List, of all its objects.

    :raises UsageError: what is needed of it has another form than Kubernetes'.
    """
    if not isinstance(document, dict):
        return
    for inner in _list(document.get("items")):
        yield from containers(inner)
    kind = f"{document.get('kind', 'object')} {_dict(document.get('metadata')).get('name', '')}".strip()
    for pod in _pods(document):
        options = _options(_dict(_dict(pod.get("metadata")).get("annotations")), kind)
        spec = _dict(pod.get("spec"))
        user = _dict(spec.get("securityContext")).get("runAsUser")
        for container in (one for part in _CONTAINERS for one in _list(spec.get(part)) if isinstance(one, dict)):
            where = f"{kind}, container {container.get('name', '')}"
            if container.get("image") is not None:
                yield (*options, *_words(container, user, where)), where


def _pods(value: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The object itself where it is a pod, and the templates of pods in it."""
    spec = _dict(value.get("spec"))
    if any(part in spec for part in _CONTAINERS):
        yield value
    for template in filter(None, (_dict(place.get(part)) for place in (value, spec) for part in _TEMPLATES)):
        yield from _pods(template)


def _words(container: Mapping[str, Any], pod_user: Any, where: str) -> tuple[str, ...]:
    image, entrypoint = container["image"], _texts(container.get("command"), f"{where}: command")
    command = [*entrypoint[1:], *_texts(container.get("args"), f"{where}: args")]
    if not isinstance(image, str) or not image or image.startswith("-"):
        raise UsageError(f"{where}: image is not a name", "write NAME:TAG")
    variables = ((_dict(one).get("name"), _dict(one).get("value")) for one in _list(container.get("env")))
    user = _dict(container.get("securityContext")).get("runAsUser", pod_user)
    directory = container.get("workingDir")
    return (
        *(f"--env={name}={value}" for name, value in variables if isinstance(value, str)),
        *((f"--user={user}",) if isinstance(user, str) else ()),
        *((f"--workdir={directory}",) if isinstance(directory, str) else ()),
        *(f"--entrypoint={word}" for word in entrypoint[:1]),
        image,
        *(("--", *command) if command else ()),  # its first word may look like an option
    )


def _options(annotations: Mapping[str, Any], where: str) -> list[str]:
    try:
        return shlex.split(str(annotations.get(OPTIONS, "")))
    except ValueError as error:
        raise UsageError(f"{where}: {OPTIONS}: {reason(error)}", "quote as in a shell") from None


def _texts(value: Any, where: str) -> list[str]:
    if not all(isinstance(one, str) for one in _list(value)):
        raise UsageError(f"{where} is not a list of words", "correct the manifest")
    return _list(value)


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
