"""docker and kubectl call cntr as a part of theirs: the real programs, and a link to ours."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from cntr_core.cli.plugin_of import words_of
from tests.support.cntr import PROGRAM, environment
from tests.support.images import DockerRun


def _run(place: Path, *line: str) -> subprocess.CompletedProcess[str]:
    path = f"{place}:{os.environ['PATH']}"
    env = environment({"DOCKER_CONFIG": str(place), "PATH": path})
    return subprocess.run(line, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)


@pytest.fixture
def docker_config(tmp_path: Path) -> Path:
    (tmp_path / "cli-plugins").mkdir()
    (tmp_path / "cli-plugins/docker-cntr").symlink_to(PROGRAM)
    return tmp_path


@pytest.mark.requires("root", "docker", "docker-cli")
def test_docker_has_a_command_more(docker_config: Path, docker_run: DockerRun) -> None:
    assert "Attach tools to containers" in _run(docker_config, "docker", "--help").stdout
    name = docker_run("busybox")
    line = ("cntr", "attach", name, "--", "sh", "-c", "echo out; exit 7")
    for before in ((), ("--host", "unix:///var/run/docker.sock"), ("-D",)):
        attached = _run(docker_config, "docker", *before, *line)
        assert (attached.returncode, attached.stdout) == (7, "out\n"), attached.stderr
        assert ("debug: " in attached.stderr) == (before == ("-D",))
    missing = _run(docker_config, "docker", "-H", f"unix://{docker_config}/none", "cntr", "attach", f"docker://{name}")
    assert missing.returncode == 125 and f"{docker_config}/none" in missing.stderr


def test_a_program_called_kubectl_cntr_attaches_by_kubectl(tmp_path: Path) -> None:
    program = tmp_path / "kubectl-cntr"
    program.symlink_to(PROGRAM)
    assert _run(tmp_path, str(program), "--version").stdout.startswith("cntr ")
    attached = _run(tmp_path, str(program), "attach", "shop/web")
    assert (attached.returncode, attached.stderr.splitlines()[0]) == (
        125,
        "cntr: --via-kubectl needs the image of its helper",
    )


@pytest.mark.parametrize(
    ("program", "words", "wanted"),
    [
        ("docker-cntr", "cntr", ""),
        ("docker-cntr", "--log-level debug cntr slim x --debug", "slim x --debug"),
        ("docker-cntr", "--log-level=debug --tls cntr cntr", "cntr"),
        ("cntr", "attach web -- cntr", "attach web -- cntr"),
        ("cntr", "--debug list", "--debug list"),
        ("cntr", "--host", "--host"),
        ("/usr/local/bin/kubectl-cntr", "attach web -- ls", "attach --via-kubectl web -- ls"),
        ("kubectl-cntr", "list", "list"),
    ],
)
def test_words_of_others_are_ours(program: str, words: str, wanted: str) -> None:
    assert words_of(program, words.split()) == wanted.split()
