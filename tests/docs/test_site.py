"""The documentation builds as a site, its pages are all in the index, and all relative links lead somewhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DECISIONS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
PAGES = sorted(page.relative_to(ROOT) for page in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")))
_PATH = re.compile(r"`((?:cntr_core|plugins|slimmer|tests|evaluation|docs)/[\w./*-]*)`")
_LINK = re.compile(r"\]\((?P<target>[^)#:]+)(#[^)]*)?\)")


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    built = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert built.returncode == 0, built.stderr
    assert (tmp_path / "site" / "index.html").exists()


@pytest.mark.parametrize("page", sorted(path.name for path in ROOT.glob("*.md")))
def test_links_of_the_top_folder_lead_somewhere(page: str) -> None:
    for match in _LINK.finditer((ROOT / page).read_text()):
        assert (ROOT / match["target"]).exists(), f"{page} links to {match['target']}"


@pytest.mark.parametrize("page", [page for page in PAGES if "adr/0001" not in str(page)], ids=str)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    for path in _PATH.findall((ROOT / page).read_text()):
        assert next(ROOT.glob(path), None), f"{page} names {path}"


def test_the_times_of_the_page_on_installing_are_the_measured_ones() -> None:
    """Each way takes less than five minutes."""
    ways = json.loads((ROOT / "evaluation/results/first_use.json").read_text())["ways"]
    page = (ROOT / "docs/how-to/install.md").read_text()
    rows = [f"| {name} | {len(way['steps'])} | {way['seconds']:.0f} |" for name, way in ways.items()]
    assert "\n".join(rows) in page
    assert all(way["seconds"] < 300 for way in ways.values())


def _row(decision: Path) -> str:
    """The line of the index for a decision, from its title and its status."""
    heading = re.match(r"# (\d+)\. (.+)\n\nStatus: (.+)\n\n", decision.read_text())
    assert heading, f"{decision.name} does not begin with `# NUMBER. TITLE` and `Status: STATUS`"
    number, title, status = heading.groups()
    assert decision.name.startswith(f"{int(number):04}-")
    return f"| [{number}]({decision.name}) | {title} | {status} |"


def test_every_decision_is_in_the_index_with_its_title_and_status() -> None:
    index = (ROOT / "docs" / "adr" / "README.md").read_text()
    assert re.findall(r"^\| \[.*$", index, re.MULTILINE) == [_row(decision) for decision in DECISIONS]


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.name)
def test_the_status_of_a_decision_is_known(decision: Path) -> None:
    status = _row(decision).rsplit("|", 2)[1].strip()
    successor = re.fullmatch(r"superseded by (\d+)", status)
    assert status == "accepted" or (successor and any(d.name.startswith(f"{int(successor[1]):04}-") for d in DECISIONS))


def test_the_forms_and_the_workflow_are_there() -> None:
    assert ".ci/run" in (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
