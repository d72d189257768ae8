"""What a command does not need is not imported by it, in none of its processes: a budget by name, not by time."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.session.conftest import Containers
from tests.support.cntr import PROGRAM, UNMEASURED, environment

pytestmark = pytest.mark.requires("root", "docker", "fuse")

_IMPORTED = re.compile(rb"^import time: *\d+ \| *\d+ \| *([\w.]+)$", re.MULTILINE)
_TYPER = {"typer", "annotated_doc", "shellingham"}
_ENTERING = {*_TYPER, "pluggy", "pyseccomp"}
_SLOW = {"asyncio", "http", "ssl", "tarfile", "tomllib", "unittest", "urllib", "xml"}
"""Packages of Python's own that take longest to import."""


def _imported(*words: str) -> set[str]:
    line = [sys.executable, "-X", "importtime", *words]
    run = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, env=environment(UNMEASURED), timeout=60)
    assert run.returncode == 0, run.stderr
    return {name.decode() for name in _IMPORTED.findall(run.stderr)}


def imported(*arguments: str) -> set[str]:
    """The modules that the processes of a ``cntr`` import, beside those of every Python."""
    return _imported(PROGRAM, *arguments) - _imported("-c", "import copy")  # which looks for a module of Jython


def packages(modules: set[str]) -> set[str]:
    """Those of others, and those of Python's own that are slow."""
    tops = {name.partition(".")[0] for name in modules} - {"cntr_core", "cntr_plugins", "cntr_slimmer"}
    return {name for name in tops if name not in sys.stdlib_module_names - _SLOW}


@pytest.mark.parametrize(
    ("words", "budget"),
    [
        ("attach docker://NAME --fs direct -- true", _ENTERING),
        ("attach docker://NAME --fs pyfuse3 -- true", _ENTERING | {"pyfuse3"}),
        ("exec docker://NAME -- true", _ENTERING),
        ("cp docker://NAME:/etc/hostname -", {*_TYPER, "pluggy", "isal", "tarfile", "zstandard"}),
        ("list --engine docker", {*_TYPER, "pluggy", "rich"}),
        ("attach --help", {*_TYPER, "rich"}),
        ("--help", {*_TYPER, "pluggy", "rich"}),
    ],
    ids=lambda value: value.split(" -- ")[0] if isinstance(value, str) else "",
)
def test_a_command_imports_what_it_needs(containers: Containers, words: str, budget: set[str]) -> None:
    name = containers.get("debian").name
    modules = imported(*words.replace("NAME", name).split())
    assert packages(modules) <= budget
    if words.startswith(("attach d", "exec")):
        ours = {module for module in modules if module.startswith("cntr_")}
        assert not {module for module in ours if module.startswith(("cntr_slimmer", "cntr_core.images"))}
        engines = {module.split(".")[2] for module in ours if module.startswith("cntr_plugins.engines.")}
        assert engines <= {"docker", "processes", "sockets"}


@pytest.mark.parametrize("words", ["", "--help", "attach --help", "slim --help", "list -h"])
def test_a_help_page_is_what_typer_alone_would_print(words: str) -> None:
    def printed(*program: str) -> bytes:
        line = [sys.executable, *program, *words.split()]
        env = environment({**UNMEASURED, "COLUMNS": "100", "FORCE_COLOR": "1"})
        return subprocess.run(line, check=True, capture_output=True, env=env, timeout=60).stdout

    import_first = f"import sys, typer.rich_utils, rich.markdown; sys.argv[0] = {PROGRAM!r}; "
    assert printed(PROGRAM) == printed("-c", f"{import_first}from cntr_core.cli import main; main()") != b""


_MANY_HOMES = """
mount -t tmpfs none "$1" && cp /etc/passwd "$1" && cd "$1" || exit 3
for i in $(seq "$2"); do echo "user$i:x:$((20000 + i)):20000::$1/user$i:/bin/sh"; done >> passwd
seq "$2" | sed s/^/user/ | xargs --no-run-if-empty mkdir
mount --bind passwd /etc/passwd
shift 2
exec strace --follow-forks --quiet=all --seccomp-bpf -e trace=openat2,openat,open -o /dev/stdout "$@" 2>&1
"""


@pytest.mark.requires("strace")
def test_no_more_is_opened_where_the_host_has_more_users(containers: Containers, tmp_path: Path) -> None:
    def opened(homes: int) -> int:
        session = [PROGRAM, "attach", f"docker://{containers.get('debian').name}", "--fs", "direct", "--", "true"]
        line = ["unshare", "--mount", "sh", "-c", _MANY_HOMES, "sh", tmp_path, str(homes), *session]
        env = environment(UNMEASURED)
        run = subprocess.run(line, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=env, timeout=60)
        return run.stdout.count(b"open")

    few, many = opened(0), opened(1000)
    assert few > 100, "it is counted"
    assert many < few + 100
