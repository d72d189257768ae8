"""The commands that tell what is there: what a person reads, what a program parses, what the shell completes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cntr import PROGRAM, cntr, environment, output
from tests.support.images import DockerRun
from tests.support.reachable import command_as

pytestmark = pytest.mark.requires("root", "docker")


def test_help_and_version_are_for_stdout() -> None:
    for arguments in ((), ("--help",), ("attach", "-h")):
        result = cntr(*arguments)
        assert (result.returncode, result.stderr) == (0, b"")
        assert b"Usage" in result.stdout
    assert re.fullmatch(r"cntr \d+\.\d+\.\d+\n", output("--version"))


def test_an_unknown_command_is_a_usage_error() -> None:
    result = cntr("atach", "x")
    assert result.returncode == 125
    assert b"atach" in result.stderr


def test_help_loads_no_library_of_an_engine_or_filesystem() -> None:
    line = [os.path.join(os.path.dirname(PROGRAM), "python"), "-X", "importtime", PROGRAM, "--help"]
    modules = subprocess.run(line, capture_output=True, env=environment(), timeout=60).stderr.decode()
    loaded = {text.rsplit("|", 1)[-1].strip() for text in modules.splitlines()}
    assert "typer" in loaded
    assert not {"docker", "requests", "pyfuse3", "trio", "zstandard", "cntr_core.session"} & loaded


def test_ctrl_c_while_the_program_is_loaded_ends_it_silently(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(30)\n")
    env = environment({"PYTHONPATH": str(tmp_path)})
    result = subprocess.run([PROGRAM, "list"], capture_output=True, env=env, timeout=20)
    assert (result.returncode, result.stdout, result.stderr) == (130, b"", b"")


def test_ctrl_c_while_engines_are_asked_is_130(tmp_path: Path) -> None:
    path = str(tmp_path / "hangs")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        line = [PROGRAM, "list"]
        with subprocess.Popen(
            line, stderr=subprocess.PIPE, env=environment({"DOCKER_HOST": f"unix://{path}"})
        ) as asking:
            listener.accept()
            asking.send_signal(signal.SIGINT)
            assert asking.communicate(timeout=20)[1] == b""
    assert asking.returncode == 130


@pytest.mark.requires("fuse")
def test_a_caller_that_ignores_or_blocks_signals_changes_nothing(docker_run: DockerRun) -> None:
    name = docker_run("debian", command=("sleep", "1000"))
    script = """
import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT})
os.execv(sys.argv[1], sys.argv[1:])
"""
    for arguments, printed in (("list",), name), (("attach", name, "--", "echo", "here"), "here"):
        line = [sys.executable, "-c", script, PROGRAM, *arguments]
        result = subprocess.run(line, capture_output=True, env=environment(), timeout=60)
        assert (result.returncode, result.stderr) == (0, b"")
        assert printed in result.stdout.decode()


def test_list_shows_running_containers_and_with_all_the_others(docker_run: DockerRun) -> None:
    running, stopped = docker_run("busybox"), docker_run("busybox", command=("true",))
    subprocess.run(["docker", "wait", stopped], check=True, capture_output=True, timeout=30)
    assert running in output("list")
    assert stopped not in output("list")
    assert stopped in output("list", "--all")
    assert running in output("list", "--engine", "docker")
    assert running not in cntr("list", "--engine", "oci").stdout.decode()


def test_list_as_json_has_everything(docker_run: DockerRun) -> None:
    name = docker_run("busybox", "--label", "a=b")
    entry = next(e for e in json.loads(output("list", "--json")) if e["name"] == name)
    assert entry["engine"] == "docker"
    assert re.fullmatch(r"[0-9a-f]{64}", entry["id"])
    assert (entry["state"], entry["labels"]["a"]) == ("running", "b")
    assert entry["image"].startswith("cntr-test/busybox:")


def test_list_of_an_engine_that_cannot_be_asked_is_an_error(tmp_path: Path) -> None:
    result = cntr("list", "--engine", "docker", env={"DOCKER_HOST": f"unix://{tmp_path}/none"})
    assert result.returncode == 125
    assert b"docker is not running" in result.stderr
    result = cntr("list", env={"DOCKER_HOST": f"unix://{tmp_path}/none", "CNTR_STATE_DIR": str(tmp_path)})
    assert result.returncode == 0, "the others still are listed"


@pytest.mark.parametrize("command", ["plugins", "engines --json", "--help", "--version"])
def test_output_that_cannot_be_written_is_an_error(command: str) -> None:
    line = ["sh", "-c", f"'{PROGRAM}' {command} >/dev/full"]
    result = subprocess.run(line, capture_output=True, env=environment(), timeout=60)
    assert result.returncode == 125
    assert b"/dev/full (devtmpfs at /dev) cannot be written: No space left on device" in result.stderr
    assert b"Traceback" not in result.stderr


def test_engines_tells_what_each_answered(tmp_path: Path) -> None:
    engines = {e["engine"]: e for e in json.loads(output("engines", "--json"))}
    assert engines["docker"]["available"]
    assert "version" in engines["docker"]["detail"]
    env = {"DOCKER_HOST": f"unix://{tmp_path}/none"}
    engines = {e["engine"]: e for e in json.loads(output("engines", "--json", env=env))}
    assert not engines["docker"]["available"]
    assert "not running" in engines["docker"]["detail"]
    assert engines["docker"]["hint"]
    assert engines["pid"]["available"]
    assert "not running" in output("engines", env=env)


def test_plugins_tells_who_offers_what() -> None:
    plugins = {p["plugin"]: p for p in json.loads(output("plugins", "--json"))}
    assert plugins["docker"]["offers"] == ["engine docker"]
    assert plugins["pyfuse3"]["offers"] == ["filesystem pyfuse3"]
    assert set(plugins["oci"]["offers"]) == {"engine oci", "commands"}
    assert not any(p["failure"] for p in plugins.values())
    disabled = json.loads(output("plugins", "--json", env={"CNTR_DISABLE_PLUGINS": "docker, oci"}))
    assert not {"docker", "oci"} & {p["plugin"] for p in disabled}
    assert "filesystem direct" in output("plugins")


def test_doctor_finds_this_machine_fit() -> None:
    result = cntr("doctor", "--json")
    findings = json.loads(result.stdout)
    assert result.returncode == 0
    assert {f["area"] for f in findings} == {"kernel", "filesystem", "engine"}
    assert all(f["remedy"] for f in findings if not f["ok"])
    engines = ", ".join(f["name"] for f in findings if f["area"] == "engine" and f["ok"])
    backend = "direct, the fastest of those whose mounts end with the session"
    assert result.stderr.decode() == f"cntr: attach works here: files by {backend}; containers of {engines}\n"
    assert "mount API" in output("doctor")


def test_doctor_tells_an_ordinary_user_what_is_missing() -> None:
    line = command_as(65534, PROGRAM, "doctor", "--json")
    result = subprocess.run(line, capture_output=True, env=environment({"HOME": "/"}), timeout=60)
    assert result.returncode == 125
    missing = {f["name"]: f for f in json.loads(result.stdout) if not f["ok"]}
    assert not [name for name in missing if name.startswith("CAP_")]  # rootless containers of one's own want none
    assert missing["any backend"]["needed"]  # but a filesystem, and so /dev/fuse
    assert "/dev/fuse" in missing["direct"]["remedy"]
    assert result.stderr.decode().startswith("cntr: attach cannot work here, for want of: any backend")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_can_be_shown_for_every_shell(shell: str) -> None:
    env = environment({"_CNTR_COMPLETE": f"source_{shell}"})
    script = subprocess.run([PROGRAM], capture_output=True, env=env, check=True, timeout=60).stdout.decode()
    assert "cntr" in script


def completed(words: str) -> list[str]:
    """What bash would offer after `words`."""
    env = {"_CNTR_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    return subprocess.run([PROGRAM], capture_output=True, env=environment(env), timeout=60).stdout.decode().split()


def test_running_containers_are_completed(docker_run: DockerRun) -> None:
    running, stopped = docker_run("busybox"), docker_run("busybox", command=("true",))
    subprocess.run(["docker", "wait", stopped], check=True, capture_output=True, timeout=30)
    assert running in completed("cntr attach cntr-te")
    assert stopped not in completed("cntr attach cntr-te")
    assert f"docker://{running}" in completed("cntr exec docker://cntr")
    assert completed("cntr attach zzz") == []


def test_backends_and_commands_are_completed() -> None:
    assert completed("cntr att") == ["attach"]
    assert set(completed("cntr attach x --fs ")) == {"auto", "direct", "kernel", "pyfuse3"}
    assert "--forward-socket" in completed("cntr attach --fo")
