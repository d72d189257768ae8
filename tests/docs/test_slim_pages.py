"""What the pages on rules of slimming say is what the code does."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pluggy
from cntr_slimmer.rules.builtin import RULES
from cntr_slimmer.rules.closure import Reason
from cntr_slimmer.rules.elf import Elf
from cntr_slimmer.rules.presets import builtin, parse

from cntr_core import hookspecs
from tests.docs import git_rule
from tests.docs.generators import hooks
from tests.unit.slimmer.rules.trees import ask, plant


def _text(path: str) -> str:
    with open(os.path.join(hooks.ROOT, path), encoding="utf-8") as file:
        return file.read()


def test_the_how_to_shows_the_rule_that_is_tested() -> None:
    assert "<!-- file: tests/docs/git_rule.py -->" in _text("docs/how-to/write-a-slim-rule.md")


def test_the_rule_of_the_how_to_registers_itself() -> None:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(sys.modules[git_rule.__name__])
    manager.check_pending()
    [[rule]] = manager.hook.cntr_slim_rules()
    assert rule.name == "git"


def test_the_rule_of_the_how_to_keeps_what_git_starts(tmp_path: Path) -> None:
    git = ("git-remote-http", "git-remote-https", "git-daemon")
    plant(tmp_path, {f"usr/lib/git-core/{name}": "" for name in git})
    plant(tmp_path, {"usr/bin/git": "", "usr/bin/other": "", "usr/share/git-core/templates/info/exclude": ""})
    assert ask(tmp_path, [git_rule.Git()], ["/usr/bin/other"]) == {}
    kept = ask(tmp_path, [Elf(), git_rule.Git()], ["/usr/bin/git"])
    assert kept == {
        "/usr/lib/git-core/git-remote-http": Reason("git", "git starts it for the URL of a repository"),
        "/usr/lib/git-core/git-remote-https": Reason("git", "git starts it for the URL of a repository"),
        "/usr/share/git-core/templates/info/exclude": Reason("git", "git copies it into new repositories"),
    }


def _rows(page: str) -> list[tuple[str, ...]]:
    return [
        tuple(cell.strip() for cell in line.strip("|").split("|")) for line in page.splitlines() if line[:3] == "| `"
    ]


def test_every_built_in_rule_is_on_the_page() -> None:
    page = _text("docs/reference/slim-rules.md")
    expected = [(f"`{rule.name}`", rule.profile.value, rule.description) for rule in RULES]
    assert _rows(page) == expected


def test_every_preset_is_on_the_page() -> None:
    page = _text("docs/reference/slim-presets.md")
    assert _rows(page) == [(f"`{preset.name}`", preset.because) for preset in builtin()]


def test_the_example_of_a_preset_is_one() -> None:
    [example] = re.findall(r"```toml\n(.*?)```", _text("docs/reference/slim-presets.md"), re.DOTALL)
    [preset] = parse(example, "the page")
    assert preset in builtin()
