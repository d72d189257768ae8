"""Every command that a page shows is run, and prints what the page says it does, numbers aside."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.cntr import PROGRAM, UNMEASURED, environment
from tests.support.images import archive
from tests.support.shown import Shown, shown_in

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
FOLLOWED = {"docs/how-to/install.md": "tests/integration/releases/test_clean_roots.py, on machines without cntr"}
"""Pages all of whose commands another test runs."""


def pages() -> list[Path]:
    """All pages for readers: decisions and the changelog tell a story, and are not followed."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    return sorted(page for page in found if "adr" not in page.parts)


PAGES = [str(page.relative_to(ROOT)) for page in pages() if any(shown_in(page.read_text()))]


def test_pages_show_commands() -> None:
    assert sum(1 for page in pages() for _ in shown_in(page.read_text())) >= 10


@pytest.mark.parametrize("page", [page for page in PAGES if page not in FOLLOWED])
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
        for shown in shown_in((ROOT / page).read_text()):
            if shown.command.split("#")[0].strip() not in ELSEWHERE:
                _check(shown, tmp_path, env)
    finally:
        subprocess.run([PROGRAM, "stop", "web"], cwd=tmp_path, env=env, capture_output=True, timeout=60)


def _check(shown: Shown, directory: Path, env: dict[str, str]) -> None:
    line = ["bash", "-c", shown.command]
    result = subprocess.run(
        line, cwd=directory, env=env, stdin=subprocess.DEVNULL, stdout=-1, stderr=subprocess.STDOUT, timeout=120
    )
    printed = result.stdout.decode(errors="replace")
    assert result.returncode == 0 or shown.printed, f"{shown.command}: {printed}"
    assert not shown.lacking(printed), f"{shown.command} prints no line like {shown.lacking(printed)}\n{printed}"
