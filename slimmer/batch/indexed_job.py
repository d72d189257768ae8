"""An Indexed Job of Kubernetes that slims each image of a batch in a pod, from registry to registry.

https://kubernetes.io/docs/concepts/workloads/controllers/job/#completion-mode; ``backoffLimitPerIndex`` is stable since
Kubernetes 1.33.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from cntr_core.errors import UsageError

from .items import Item

SECRET = "cntr-registry"
"""The secret of type ``kubernetes.io/dockerconfigjson`` with the credentials, if there is one."""
_INDEX = "$(JOB_COMPLETION_INDEX)"
_IMAGES, _WORK, _CREDENTIALS = "/etc/cntr", "/scratch", "/credentials"
_LABELS = {"app.kubernetes.io/name": "cntr", "app.kubernetes.io/component": "slim"}


def in_registries(item: Item, image_of: Callable[[Item], str]) -> Item:
    """The item with its image as a registry has it: ``nginx:1`` is ``registry://docker.io/nginx:1``.

    :raises UsageError: a pod cannot have it.
    """
    image = image_of(item)
    if image.startswith(("/", ".")) or ("://" in image and not image.startswith("registry://")):
        raise UsageError(f"{item.where}: {image} is not in a registry, and a pod has no other", "push it to one")
    if any("\n" in word for word in item.words):
        raise UsageError(f"{item.where}: a word has several lines", "put it into the image, or leave it out")
    position = item.words.index(image)
    return replace(item, words=(*item.words[:position], _in_registry(image), *item.words[position + 1 :]))


def _in_registry(image: str) -> str:
    if image.startswith("registry://"):
        return image
    first, slash, _ = image.partition("/")
    has_host = slash and (re.search(r"[.:]", first) or first == "localhost")
    return f"registry://{image}" if has_host else f"registry://docker.io/{image}"


def manifest(items: Sequence[Item], common: Sequence[str], program: str, target: str, at_once: int) -> dict[str, Any]:
    """A list of Kubernetes objects: the batch as a ConfigMap, and the job. `program` is an image that has cntr,
    `common` are options for each image, `target` is where the pairs go; `at_once` is how many pods run at a time."""
    text = "".join(f"{shlex.join(item.words)}\n" for item in items)
    name = f"cntr-slim-{hashlib.sha256(text.encode()).hexdigest()[:10]}"
    objects = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _named(name), "data": {"images": text}},
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": _named(name),
            "spec": {
                "completionMode": "Indexed",
                "completions": len(items),
                "parallelism": min(at_once, len(items)),
                "backoffLimitPerIndex": 1,
                "template": {"metadata": {"labels": _LABELS}, "spec": _pod(name, common, program, target)},
            },
        },
    ]
    return {"apiVersion": "v1", "kind": "List", "items": objects}


def _named(name: str) -> dict[str, Any]:
    return {"name": name, "labels": _LABELS}


def _pod(name: str, common: Sequence[str], program: str, target: str) -> dict[str, Any]:
    line = ["cntr", "slim", f"--batch={_IMAGES}/images", f"--index={_INDEX}", f"--output={target}"]
    container = {
        "name": "slim",
        "image": program,
        "command": [*line, f"--report={_WORK}/report", *(word.replace("$(", "$$(") for word in common)],
        "env": [{"name": key, "value": value} for key, value in _ENVIRONMENT.items()],
        "securityContext": {"privileged": True, "runAsUser": 0},  # /dev/fuse, and containers in the container
        "volumeMounts": [{"name": key, "mountPath": path} for key, path in _MOUNTS.items()],
    }
    secret = {"secretName": SECRET, "optional": True, "items": [{"key": ".dockerconfigjson", "path": "config.json"}]}
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "containers": [container],
        "volumes": [
            {"name": "images", "configMap": {"name": name}},
            {"name": "work", "emptyDir": {}},
            {"name": "credentials", "secret": secret},
        ],
    }


_ENVIRONMENT = {"TMPDIR": _WORK, "CNTR_CACHE_DIR": f"{_WORK}/cache", "DOCKER_CONFIG": _CREDENTIALS}
_MOUNTS = {"images": _IMAGES, "work": _WORK, "credentials": _CREDENTIALS}
