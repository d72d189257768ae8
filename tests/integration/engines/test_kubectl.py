"""``cntr attach --via-kubectl`` with a kubectl of ours: it knows one pod, of a real containerd, and runs the helper's
commands here. What it is told is what a cluster would be told."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.cntr import PROGRAM, cntr, environment, output, running
from tests.support.containerd import Containerd, Pods
from tests.support.terminal import Terminal

pytestmark = pytest.mark.requires("root", "containerd", "runc", "busybox")

_KUBECTL = """\
#!{python}
import json, os, subprocess, sys
place, arguments = {place!r}, sys.argv[1:]
stdin = sys.stdin.read() if arguments[0] == "create" else ""
with open(place + "/calls", "a") as file:
    print(json.dumps([arguments, stdin]), file=file)
if os.path.exists(place + "/fails-" + arguments[0]):
    sys.exit("Error from server (Forbidden): " + arguments[0] + " is not for you")
if arguments[:2] == ["get", "pod"]:
    namespace = arguments[arguments.index("--namespace") + 1] if "--namespace" in arguments else "shop"
    path = place + "/pods/" + namespace + "/" + arguments[2]
    print(open(path).read() if os.path.exists(path) else "", end="")
elif arguments[0] == "exec":
    command = arguments[arguments.index("--") + 1 :]
    assert command[0] == "cntr"
    sys.exit(subprocess.run([{program!r}, *command[1:]]).returncode)
"""


@dataclass
class Cluster:
    """What kubectl knows, and what it was told."""

    place: Path
    container: str

    def calls(self, verb: str) -> list[tuple[list[str], str]]:
        with open(self.place / "calls") as file:
            told = [json.loads(line) for line in file]
        return [(arguments, stdin) for arguments, stdin in told if arguments[0] == verb]

    def helper(self) -> dict[str, Any]:
        [(arguments, stdin)] = self.calls("create")
        assert arguments == ["create", "--filename", "-"]
        return json.loads(stdin)  # type: ignore[no-any-return]  # JSON

    def pod(self, name: str, *, preferred: str = "", **states: str) -> None:
        """Tell of a pod with these containers, each running or not; all are the one that is there."""
        (self.place / "pods/shop").mkdir(parents=True, exist_ok=True)
        statuses = [
            {"name": one, "state": {state: {}}, "containerID": f"containerd://{self.container}"}
            for one, state in states.items()
        ]
        pod = {
            "metadata": {
                "name": name,
                "namespace": "shop",
                "annotations": {"kubectl.kubernetes.io/default-container": preferred} if preferred else None,
            },
            "spec": {"nodeName": "node-7"},
            "status": {"containerStatuses": statuses},
        }
        (self.place / "pods/shop" / name).write_text(json.dumps(pod))


@pytest.fixture
def cluster(containerd: Containerd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    pods = Pods(containerd)
    container = pods.container(pods.pod("shop", "web"), "main")
    program = tmp_path / "bin/kubectl"
    program.parent.mkdir()
    program.write_text(_KUBECTL.format(python=sys.executable, place=str(tmp_path), program=PROGRAM))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("CONTAINER_RUNTIME_ENDPOINT", f"unix://{containerd.socket}")
    monkeypatch.setenv("CNTR_HELPER_IMAGE", "registry.example/cntr:1")
    made = Cluster(tmp_path, container)
    made.pod("web", main="running")
    yield made
    pods.remove_all()


@pytest.mark.parametrize("reference", ["web", "pod/web", "web/main", "shop/web", "shop/web/main"])
def test_a_pod_is_entered_by_its_helper(cluster: Cluster, reference: str) -> None:
    assert output("attach", "--via-kubectl", reference, "--", "cat", "/proc/1/comm") == "busybox\n"
    name = cluster.helper()["metadata"]["name"]
    scope = ["--namespace", "shop"]
    assert [call for call, _ in cluster.calls("wait")] == [
        ["wait", f"pod/{name}", *scope, "--for=condition=Ready", "--timeout=120s"]
    ]
    assert [call for call, _ in cluster.calls("delete")] == [
        ["delete", f"pod/{name}", *scope, "--ignore-not-found", "--wait=false"]
    ]
    [(call, _)] = cluster.calls("exec")
    assert call[:6] == ["exec", f"pod/{name}", *scope, "--stdin", "--container"]
    assert call[call.index("--") + 1 :] == [
        *("cntr", "attach", f"kubernetes://{cluster.container}", "--", "cat", "/proc/1/comm")
    ]


def test_the_helper_is_among_the_nodes_processes_and_may_enter_them(cluster: Cluster) -> None:
    output("attach", "--via-kubectl", "web", "--", "true")
    helper = cluster.helper()
    spec, [container] = helper["spec"], helper["spec"]["containers"]
    assert (helper["kind"], helper["metadata"]["namespace"]) == ("Pod", "shop")
    assert (spec["nodeName"], spec["hostPID"], spec["restartPolicy"]) == ("node-7", True, "Never")
    assert 0 < spec["activeDeadlineSeconds"] <= 86_400, "the cluster removes what we cannot"
    assert spec["automountServiceAccountToken"] is False
    assert container["image"] == "registry.example/cntr:1"
    assert container["securityContext"]["privileged"] is True
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/run", "/sys/fs/cgroup"}
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in spec["volumes"]}


@pytest.mark.requires("kubectl")
def test_kubernetes_knows_every_field_of_the_helper(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    output("attach", "--via-kubectl", "web", "--", "true")
    monkeypatch.setenv("PATH", os.environ["PATH"].partition(":")[2])
    helper = cluster.helper()
    assert _missing(helper, _decoded(helper)) == []
    helper["spec"]["privileged"] = True
    assert _missing(helper, _decoded(helper)) == [".spec.privileged"], "what it does not know is dropped"


def _decoded(pod: dict[str, Any]) -> Any:
    """The pod after the real kubectl has decoded it by Kubernetes' own types; no cluster is asked."""
    line = ["kubectl", "set", "env", "--local", "--filename", "-", "--output", "json", "EXTRA=variable"]
    run = subprocess.run(line, input=json.dumps(pod), capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def _missing(wanted: Any, given: Any, path: str = "") -> list[str]:
    """Where `given` has not what `wanted` has."""
    if isinstance(wanted, dict):
        known = given if isinstance(given, dict) else {}
        pairs = [(value, known.get(key), f"{path}.{key}") for key, value in wanted.items()]
    elif isinstance(wanted, list):
        items = dict(enumerate(given or ()))
        pairs = [(value, items.get(number), f"{path}[{number}]") for number, value in enumerate(wanted)]
    else:
        return [] if wanted == given else [path]
    return [name for pair in pairs for name in _missing(*pair)]


def test_options_and_exit_codes_travel(cluster: Cluster) -> None:
    options = ("--user", "1234:56", "--env", "GREETING=hello", "--env", "OURS", "--cwd", "/usr")
    script = "id -u; echo $GREETING $OURS; pwd; exit 3"
    result = cntr("attach", "--via-kubectl", "web", *options, "--", "sh", "-c", script, env={"OURS": "handed on"})
    assert (result.returncode, result.stdout) == (3, b"1234\nhello handed on\n/usr\n"), result.stderr
    assert len(cluster.calls("delete")) == 1


def test_a_terminal_is_asked_for_where_there_is_one(cluster: Cluster) -> None:
    with Terminal() as terminal:
        ends = {"stdin": terminal.slave, "stdout": terminal.slave, "stderr": terminal.slave}
        line = [PROGRAM, "attach", "--via-kubectl", "web", "--", "sh", "-c", "test -t 0 && echo terminal"]
        process = subprocess.Popen(line, **ends, env=environment(), start_new_session=True)  # type: ignore[call-overload]
        assert process.wait(60) == 0
        assert b"terminal" in terminal.settle()
    [(call, _)] = cluster.calls("exec")
    assert "--tty" in call


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_helper_is_removed_however_we_end(cluster: Cluster, number: signal.Signals) -> None:
    with running("attach", "--via-kubectl", "web", "--", "sh", "-c", "echo ready; read end") as session:
        assert session.stdout is not None
        assert session.stdout.readline() == b"ready\n"
        session.send_signal(number)
        assert session.wait(20) == 128 + number
    assert len(cluster.calls("delete")) == 1


@pytest.mark.parametrize("verb", ["create", "wait"])
def test_a_helper_that_does_not_start_is_told_and_removed(cluster: Cluster, verb: str) -> None:
    (cluster.place / f"fails-{verb}").touch()
    result = cntr("attach", "--via-kubectl", "web", "--", "true")
    assert result.returncode == 125
    assert f"kubectl {verb} failed: Error from server (Forbidden)".encode() in result.stderr
    assert len(cluster.calls("delete")) == 1
    assert cluster.calls("exec") == []


def test_pods_that_cannot_be_entered(cluster: Cluster) -> None:
    cluster.pod("two", main="running", sidecar="running")
    cluster.pod("chosen", main="running", sidecar="running", preferred="main")
    cluster.pod("dead", main="terminated")
    for reference, words in {
        "two": "shop/two/main, shop/two/sidecar",
        "dead": "has no such container that runs",
        "nobody": "the cluster has no container 'nobody'",
        "web/nobody": "the cluster has no container 'web/nobody'",
        "a/b/c/d": "is not a pod",
        "web/": "is not a pod",
        "--all": "no such option",
    }.items():
        result = cntr("attach", "--via-kubectl", reference, "--", "true")
        assert (result.returncode, result.stdout) == (125, b"")
        assert words in result.stderr.decode()
    assert output("attach", "--via-kubectl", "chosen", "--", "echo", "in") == "in\n"
    assert output("attach", "--via-kubectl", "two/sidecar", "--", "echo", "in") == "in\n"


def test_a_dry_run_shows_the_manifest_and_makes_nothing(cluster: Cluster) -> None:
    printed = output("attach", "--via-kubectl", "web", "--dry-run", "--", "ps", "-e f")
    create, wait, session, delete = printed.splitlines()
    manifest = shlex.split(create.partition("<<<")[2])[0]
    assert json.loads(manifest)["spec"]["nodeName"] == "node-7"
    assert "--for=condition=Ready" in wait
    assert session.endswith(f"-- cntr attach kubernetes://{cluster.container} -- ps '-e f'")
    assert "kubectl delete pod/cntr-" in delete
    assert cluster.calls("create") == cluster.calls("exec") == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--helper-image", ""), "needs the image of its helper"),
        (("--rw-tools",), "--via-kubectl does not support"),
        (("--fat",), "--via-kubectl does not support"),
    ],
)
def test_what_it_does_not_do(cluster: Cluster, options: tuple[str, ...], words: str) -> None:
    result = cntr("attach", "--via-kubectl", "web", *options, "--", "true", env={"CNTR_HELPER_IMAGE": ""})
    assert result.returncode == 125
    assert words in result.stderr.decode()
    assert not (cluster.place / "calls").exists()


def test_without_kubectl_it_says_so(cluster: Cluster) -> None:
    result = cntr("attach", "--via-kubectl", "web", "--", "true", env={"PATH": str(cluster.place)})
    assert result.returncode == 125
    assert b"kubectl is not installed" in result.stderr
