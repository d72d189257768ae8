"""Attaching to a pod of another node: a privileged helper pod on that node runs cntr there, by the program ``kubectl``.

Nobody but kubectl talks to the cluster, so its contexts, credentials and plugins are those of the user. The helper goes
with the session; should we be killed, the cluster ends it by its deadline.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ..dataclass import dataclass
from ..errors import AmbiguousContainer, ContainerNotFound, ContainerNotRunning, EngineError, UsageError
from ..json_text import read_json
from ..reasons import reason
from . import end_by_signals

DEADLINE = 86_400
"""Seconds after which the cluster ends a helper that nobody removed (``activeDeadlineSeconds``)."""

_READY = 120
"""Seconds that the node may take to pull the helper's image and start it."""
_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
_PATHS = {"run": "/run", "cgroup": "/sys/fs/cgroup"}
"""What the helper sees of the node: the runtime's socket, and the cgroups that a session joins."""


@dataclass(frozen=True, slots=True)
class PodContainer:
    """A container that runs in the cluster. `id` is the one that the node's runtime knows."""

    namespace: str
    pod: str
    container: str
    node: str
    id: str


def find(reference: str) -> PodContainer:
    """The container that ``[NAMESPACE/]POD[/CONTAINER]`` or ``pod/NAME`` means; without a namespace, in kubectl's.

    :raises ContainerNotFound: there is none.
    :raises AmbiguousContainer: the pod has several.
    :raises ContainerNotRunning: it does not run.
    :raises EngineError: kubectl is missing, or fails.
    """
    for namespace, pod, container in _readings(reference):
        scope = ("--namespace", namespace) if namespace else ()
        answer = _printed("get", "pod", pod, *scope, "--ignore-not-found", "--output", "json")
        if answer.strip():
            with _understood():
                found = read_json(answer)
                if container is None or container in _statuses(found):
                    return _target(found, container)
    raise ContainerNotFound(f"the cluster has no container '{reference}'", "see kubectl get pods --all-namespaces")


@contextmanager
def _understood() -> Iterator[None]:
    """:raises EngineError: kubectl answers with something else than a pod."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise EngineError(f"kubectl's answer cannot be understood: {reason(error)}", "try kubectl get pod") from error


def manifest(target: PodContainer, image: str) -> dict[str, Any]:
    """The helper pod: privileged, among the node's processes, and idle until cntr is executed in it."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"cntr-{uuid.uuid4().hex[:12]}",
            "namespace": target.namespace,
            "labels": {"app.kubernetes.io/name": "cntr", "app.kubernetes.io/component": "helper"},
        },
        "spec": _spec(target.node, image),
    }


def _spec(node: str, image: str) -> dict[str, Any]:
    container = {
        "name": "cntr",
        "image": image,
        "command": ["sleep", str(DEADLINE)],
        "securityContext": {"privileged": True, "runAsUser": 0},
        "volumeMounts": [{"name": name, "mountPath": path} for name, path in _PATHS.items()],
    }
    return {
        "nodeName": node,
        "hostPID": True,
        "restartPolicy": "Never",
        "activeDeadlineSeconds": DEADLINE,
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
        "volumes": [{"name": name, "hostPath": {"path": path}} for name, path in _PATHS.items()],
    }


def attach(target: PodContainer, image: str, arguments: Sequence[str], *, terminal: bool) -> int:
    """Run ``cntr attach`` with `arguments` for the target's container on its node; the exit code of the session.

    `image` is one that has cntr; its files are the tools. With `terminal`, stdin is one.

    :raises EngineError: the helper cannot be made, or does not start.
    """
    helper = manifest(target, image)
    line = [_program(), *_session(helper, target, arguments, terminal)]
    end_by_signals()
    with _created(helper):
        return subprocess.run(line, check=False).returncode


def describe(target: PodContainer, image: str, arguments: Sequence[str], *, terminal: bool) -> list[str]:
    """What :func:`attach` would do."""
    helper = manifest(target, image)
    session = ["kubectl", *_session(helper, target, arguments, terminal)]
    return [
        f"kubectl create --filename - <<< {shlex.quote(json.dumps(helper))}",
        shlex.join(["kubectl", *_waiting(helper)]),
        shlex.join(session),
        shlex.join(["kubectl", *_removal(helper)]),
    ]


def _session(helper: Mapping[str, Any], target: PodContainer, arguments: Sequence[str], terminal: bool) -> list[str]:
    streams = ["--stdin", "--tty"] if terminal else ["--stdin"]
    cntr = ["cntr", "attach", f"kubernetes://{target.id}", *arguments]
    return ["exec", *_name(helper), *streams, "--container", "cntr", "--", *cntr]


def _waiting(helper: Mapping[str, Any]) -> list[str]:
    return ["wait", *_name(helper), "--for=condition=Ready", f"--timeout={_READY}s"]


def _removal(helper: Mapping[str, Any]) -> list[str]:
    return ["delete", *_name(helper), "--ignore-not-found", "--wait=false"]


def _readings(reference: str) -> list[tuple[str | None, str, str | None]]:
    """What a reference may mean: namespace, pod and container."""
    words = reference.removeprefix("pod/").split("/")
    if not all(words) or any(word.startswith("-") for word in words) or len(words) > 3:
        raise UsageError(f"'{reference}' is not a pod", "give [NAMESPACE/]POD[/CONTAINER]")
    if len(words) == 3:
        return [(words[0], words[1], words[2])]
    if len(words) == 2:
        return [(None, words[0], words[1]), (words[0], words[1], None)]
    return [(None, words[0], None)]


def _statuses(pod: Mapping[str, Any]) -> dict[str, Any]:
    """The pod's containers as its node reports them, by name."""
    status = pod.get("status", {})
    kinds = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
    return {one["name"]: one for kind in kinds for one in status.get(kind) or ()}


def _target(pod: Mapping[str, Any], container: str | None) -> PodContainer:
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    known = _statuses(pod)
    running = [one for one, status in known.items() if "running" in status.get("state", {})]
    preferred = (pod["metadata"].get("annotations") or {}).get(_DEFAULT_CONTAINER)
    chosen = container or (preferred if preferred in running else running[0] if len(running) == 1 else None)
    if chosen is None and running:
        hint = "say which: " + ", ".join(f"{namespace}/{name}/{one}" for one in running)
        raise AmbiguousContainer(f"pod {namespace}/{name} has {len(running)} containers", hint)
    if chosen not in running:
        raise ContainerNotRunning(f"pod {namespace}/{name} has no such container that runs", "see kubectl get pods")
    identifier = known[chosen]["containerID"].partition("://")[2]
    return PodContainer(namespace, name, chosen, pod["spec"]["nodeName"], identifier)


@contextmanager
def _created(helper: Mapping[str, Any]) -> Iterator[None]:
    try:
        _printed("create", "--filename", "-", stdin=json.dumps(helper))
        _printed(*_waiting(helper))
        yield
    finally:
        _printed(*_removal(helper))


def _name(helper: Mapping[str, Any]) -> tuple[str, ...]:
    return f"pod/{helper['metadata']['name']}", "--namespace", helper["metadata"]["namespace"]


def _program() -> str:
    program = shutil.which("kubectl")
    if program is None:
        raise EngineError("kubectl is not installed", "install it, or run cntr on the pod's node")
    return program


def _printed(*arguments: str, stdin: str = "") -> str:
    """What kubectl prints; :raises EngineError: it fails, with its last words."""
    run = subprocess.run([_program(), *arguments], input=stdin, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        said = run.stderr.strip().splitlines()
        reason = said[-1] if said else f"exit code {run.returncode}"
        raise EngineError(f"kubectl {arguments[0]} failed: {reason:.200}", "try it by hand")
    return run.stdout
