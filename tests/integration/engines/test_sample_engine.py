"""A third party's engine, as its users meet it: pip installs it beside cntr, and cntr knows it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.children import child
from tests.support.cntr import docker_pid
from tests.support.images import DockerRun

_ROOT = os.path.abspath(f"{__file__}/../../../..")
_PROJECT = ("pyproject.toml", "README.md", "cntr_core", "plugins", "slimmer")


@dataclass
class Installation:
    """A virtual environment with cntr and the sample, both built and installed by pip; and a directory of PIDs."""

    path: str
    pids: str

    def run(self, program: str, *arguments: str, success: bool = True) -> str:
        # Coverage would measure the installed copy of the sources, which no report knows.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("COV") and k != "PYTHONPATH"}
        environment |= {"SAMPLE_ENGINE_DIR": self.pids}
        command = [f"{self.path}/bin/{program}", *arguments]
        run = subprocess.run(command, env=environment, cwd=self.path, capture_output=True, text=True, timeout=100)
        assert (run.returncode == 0) is success, run.stdout + run.stderr
        return run.stdout if success else run.stderr

    def name(self, container: str, pid: int) -> None:
        with open(f"{self.pids}/{container}.pid", "w") as file:
            file.write(str(pid))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    base = os.fspath(tmp_path_factory.mktemp("third-party"))
    environment = f"{base}/environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True, timeout=60)
    _lend_libraries(environment)
    # Copies, so that building leaves nothing in the sources.
    skip = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(f"{_ROOT}/tests/sample_engine", f"{base}/sample", ignore=skip)
    os.mkdir(f"{base}/cntr")
    for name in _PROJECT:
        copy = shutil.copytree if os.path.isdir(f"{_ROOT}/{name}") else shutil.copy
        copy(f"{_ROOT}/{name}", f"{base}/cntr/{name}")
    python = ["--python", f"{environment}/bin/python"]
    options = ["--quiet", "--no-build-isolation", "--no-deps", "--no-index", "--ignore-installed"]
    pip = [sys.executable, "-m", "pip", *python, "install", *options, f"{base}/cntr", f"{base}/sample"]
    run = subprocess.run(pip, capture_output=True, text=True, timeout=100)
    assert run.returncode == 0, run.stdout + run.stderr
    os.mkdir(f"{base}/pids")
    return Installation(environment, f"{base}/pids")


def _lend_libraries(environment: str) -> None:
    """Let it use the libraries of this interpreter, which saves the network; its own packages come first."""
    purelib = subprocess.run(
        [f"{environment}/bin/python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout.strip()  # fmt: skip
    with open(f"{purelib}/lent.pth", "w") as file:
        file.write("\n".join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}) + "\n")


@pytest.fixture(autouse=True)
def _no_containers(installed: Installation) -> Iterator[None]:
    yield
    for name in os.listdir(installed.pids):
        os.unlink(f"{installed.pids}/{name}")


def test_pip_installed_it_as_a_plugin(installed: Installation) -> None:
    plugins = {p["plugin"]: p for p in json.loads(installed.run("cntr", "plugins", "--json"))}
    assert plugins["sample"] == {
        "plugin": "sample", "distribution": "cntr-sample-engine", "version": "1.0", "offers": ["engine sample"],
        "failure": "",
    }  # fmt: skip
    assert not [name for name, plugin in plugins.items() if plugin["failure"]]


def test_the_packages_hold_every_module_of_the_sources(installed: Installation) -> None:
    names = ("cntr_core", "cntr_plugins", "cntr_slimmer")
    script = f"import {', '.join(names)}; print({', '.join(f'{name}.__path__[0]' for name in names)})"
    for package, source in zip(installed.run("python", "-c", script).split(), _PROJECT[2:], strict=True):
        assert package.startswith(installed.path)
        assert _modules(package) == _modules(f"{_ROOT}/{source}")


def _modules(directory: str) -> set[str]:
    found = set()
    for parent, _, files in os.walk(directory):
        found |= {os.path.relpath(f"{parent}/{name}", directory) for name in files if name.endswith((".py", ".typed"))}
    return found


def test_it_is_among_the_engines(installed: Installation) -> None:
    installed.name("web", os.getpid())
    engines = {e["engine"]: e for e in json.loads(installed.run("cntr", "engines", "--json"))}
    assert (engines["sample"]["available"], engines["sample"]["detail"]) == (True, "1 PID files")


def test_its_containers_are_listed(installed: Installation) -> None:
    with child() as gone:
        pass
    installed.name("web", os.getpid())
    installed.name("old", gone)
    listed = json.loads(installed.run("cntr", "list", "--all", "--json", "--engine", "sample"))
    assert {c["name"]: c["state"] for c in listed} == {"web": "running", "old": "exited"}


@pytest.mark.requires("root", "docker", "docker-cli", "busybox")
@pytest.mark.parametrize("reference", ["sample://{name}", "{name}", "sample-{name}"])
def test_attach_enters_its_container(installed: Installation, docker_run: DockerRun, reference: str) -> None:
    name = f"web-{uuid.uuid4().hex}"  # other engines of the machine may have a web, too
    container = docker_run("busybox", "--hostname", "from-the-sample")
    installed.name(name, docker_pid(container))
    printed = installed.run(
        "cntr", "attach", reference.format(name=name), "--", "sh", "-c", "hostname; cat /proc/1/comm"
    )
    assert printed == "from-the-sample\nbusybox\n"


@pytest.mark.requires("root")
def test_its_errors_are_sentences(installed: Installation) -> None:
    assert "container 'sample://web' not found" in installed.run("cntr", "attach", "sample://web", success=False)


@pytest.mark.requires("root", "fuse", "unshare", "busybox")
def test_it_keeps_the_contracts_that_are_shipped(installed: Installation) -> None:
    base = os.path.dirname(installed.path)
    options = [
        "-q",
        "-p",
        "no:cacheprovider",
        f"--basetemp={base}/tmp",
    ]  # else it tidies up after other runs, at length
    report = installed.run("python", "-m", "pytest", *options, f"{base}/sample/test_sample.py")
    assert "33 passed" in report
