"""What the pages for plugin authors say is what the code does."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator

import pytest

import cntr_core
from cntr_core import Filesystem
from cntr_core.testing import EngineContract, FilesystemContract, SessionContract
from tests.docs import bind_filesystem
from tests.docs.generators import hooks

_PAGES = [
    os.path.relpath(os.path.join(directory, name), hooks.ROOT)
    for directory, _, names in os.walk(os.path.join(hooks.ROOT, "docs"))
    for name in names
    if name.endswith(".md")
]
_INCLUDED = re.compile(r"<!-- file: (?P<path>\S+) -->\n```\w+\n(?P<code>.*?)```\n", re.DOTALL)
_LINK = re.compile(r"\]\((?P<target>[^)#:]+)(#[^)]*)?\)")


def _text(path: str) -> str:
    with open(os.path.join(hooks.ROOT, path), encoding="utf-8") as file:
        return file.read()


def _included() -> Iterator[tuple[str, str, str]]:
    for page in _PAGES:
        for match in _INCLUDED.finditer(_text(page)):
            yield page, match["path"], match["code"]


@pytest.mark.parametrize(("page", "path", "code"), list(_included()), ids=lambda value: str(value)[:60])
def test_code_on_a_page_is_the_code_that_is_tested(page: str, path: str, code: str) -> None:
    assert code == _text(path), f"{page} shows another {path}"


def test_the_how_tos_show_their_samples() -> None:
    shown = {(page, path) for page, path, _ in _included()}
    assert ("docs/how-to/write-an-engine.md", "tests/sample_engine/cntr_sample_engine.py") in shown
    assert ("docs/how-to/write-an-engine.md", "tests/sample_engine/pyproject.toml") in shown
    assert ("docs/how-to/write-a-filesystem.md", "tests/docs/bind_filesystem.py") in shown


def test_the_sample_engine_is_short() -> None:
    assert len(_text("tests/sample_engine/cntr_sample_engine.py").splitlines()) < 60


def test_the_reference_is_what_the_docstrings_say() -> None:
    assert _text(hooks.HOOKS) == hooks.render(), "run python -m tests.docs.generators.hooks"


def test_every_hook_is_documented_with_its_exact_signature_and_has_a_test() -> None:
    page, tests = _text(hooks.HOOKS), _text("tests/unit/test_plugins.py") + _text("tests/docs/bind_filesystem.py")
    assert len(hooks.hooks()) >= 3
    for name, hook in hooks.hooks().items():
        assert f"### {name}\n\n```python\n{hooks.signature(hook)}\n```\n" in page
        assert f"def {name}(" in tests


def test_every_class_that_the_reference_names_is_public() -> None:
    for name in re.findall(r"^## (\w+)$", _text(hooks.HOOKS), re.MULTILINE):
        assert name in ("Plugins", "Hooks") or name in cntr_core.__all__


@pytest.mark.parametrize("page", _PAGES)
def test_links_between_pages_lead_somewhere(page: str) -> None:
    for match in _LINK.finditer(_text(page)):
        target = os.path.normpath(os.path.join(hooks.ROOT, os.path.dirname(page), match["target"]))
        assert os.path.exists(target), f"{page} links to {match['target']}"


def test_the_contract_classes_are_named_in_the_how_tos() -> None:
    assert f"{EngineContract.__name__}" in _text("docs/how-to/write-an-engine.md")
    assert f"{SessionContract.__name__}" in _text("docs/how-to/write-an-engine.md")
    assert f"{FilesystemContract.__name__}" in _text("docs/how-to/write-a-filesystem.md")


@pytest.mark.requires("root")
class TestBind(FilesystemContract):
    """The backend of the how-to keeps the contract, as the page promises."""

    merges = False

    @pytest.fixture
    def filesystem(self) -> Filesystem:
        return bind_filesystem.BindFilesystem()


def test_the_backend_of_the_how_to_registers_itself() -> None:
    import pluggy

    from cntr_core import hookspecs

    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(sys.modules[bind_filesystem.__name__])
    manager.check_pending()
    assert [filesystem.name for filesystem in manager.hook.cntr_register_filesystem()] == ["bind"]
