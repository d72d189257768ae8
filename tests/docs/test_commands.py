"""Every command that a page shows is run, and prints what the page says it does, numbers aside."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.cntr import PROGRAM, UNMEASURED, environment
from tests.support.images import archive

pytestmark = pytest.mark.requires("root", "fuse", "runc", "gdb", "curl")

ROOT = Path(__file__).parents[2]
ELSEWHERE = {
    "evaluation/demo.sh": "tests/integration/test_demo.py runs it",
    "tests/run.sh": "it is what runs these tests",
    "pip install .": "the test of the sample engine installs it",
    "SAMPLE_ENGINE_DIR=/tmp/pids cntr list --engine sample": "the test of the sample engine",
    "SAMPLE_ENGINE_DIR=/tmp/pids cntr attach sample://web -- ps": "the test of the sample engine",
    "cntr attach shop/web": "tests/integration/engines/test_kubernetes.py makes pods, and enters them",
    "cntr attach shop/web/sidecar -- ps -ef": "the same",
    "cntr attach --via-kubectl shop/web -- ps -ef": "tests/integration/engines/test_kubectl.py",
}
"""Shown commands that another test runs."""


@dataclass(frozen=True)
class Shown:
    """A command and the lines below it."""

    page: str
    command: str
    printed: tuple[str, ...]


def pages() -> list[Path]:
    """All pages for readers: decisions and the changelog tell a story, and are not followed."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    return sorted(page for page in found if "adr" not in page.parts)


def shown_in(page: Path) -> Iterator[Shown]:
    """The commands of a page: lines that begin with a prompt, in blocks marked ``console``."""
    for block in re.findall(r"^```console\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        entries: list[tuple[str, list[str]]] = []
        for line in block.splitlines():
            if line.startswith(("# ", "$ ")):
                entries.append((line[2:], []))
            elif entries:
                entries[-1][1].append(line)
        for command, printed in entries:
            yield Shown(str(page.relative_to(ROOT)), command, tuple(printed))


def plain(line: str) -> str:
    """A line without what differs from run to run: numbers, times, addresses, the width of columns."""
    return re.sub(r"\s+", " ", re.sub(r"0x[0-9a-f]+|[0-9a-f]{12,}|\d+", "0", line)).strip()


def test_pages_show_commands() -> None:
    assert sum(1 for page in pages() for _ in shown_in(page)) >= 10


@pytest.mark.parametrize("page", [str(p.relative_to(ROOT)) for p in pages() if any(shown_in(p))])
def test_the_commands_of_a_page_do_what_it_says(page: str, tmp_path: Path) -> None:
    (tmp_path / "nginx.tar").symlink_to(archive("nginx"))
    (tmp_path / "tools.tar").symlink_to(archive("debian"))
    path = os.pathsep.join((os.path.dirname(PROGRAM), "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"))
    env = environment(
        {
            "CNTR_STATE_DIR": str(tmp_path / "state"),
            "CNTR_CACHE_DIR": str(tmp_path / "cache"),
            "DOCKER_HOST": f"unix://{tmp_path}/none",  # it may have a container of the same name as a page
            "PATH": path,
            **UNMEASURED,
        }
    )
    try:
        for shown in shown_in(ROOT / page):
            if shown.command.split("#")[0].strip() not in ELSEWHERE:
                _check(shown, tmp_path, env)
    finally:
        subprocess.run([PROGRAM, "stop", "web"], cwd=tmp_path, env=env, capture_output=True, timeout=60)


def _check(shown: Shown, directory: Path, env: dict[str, str]) -> None:
    line = ["bash", "-c", shown.command]
    result = subprocess.run(
        line, cwd=directory, env=env, stdin=subprocess.DEVNULL, stdout=-1, stderr=subprocess.STDOUT, timeout=120
    )
    printed = [plain(text) for text in result.stdout.decode(errors="replace").splitlines()]
    assert result.returncode == 0 or shown.printed, f"{shown.command}: {result.stdout.decode()}"
    for expected in filter(None, map(plain, shown.printed)):
        if expected not in ("...", "…"):
            assert expected in printed, f"{shown.command} prints no line like: {expected}\n" + "\n".join(printed)
