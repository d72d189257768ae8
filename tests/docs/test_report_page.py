"""The page on the report tells of every field, and of no other."""

from __future__ import annotations

import os
import re

import msgspec
import pytest
from cntr_slimmer.report import schema as values
from cntr_slimmer.report.write import HTML, JSON, TRACE

from tests.docs.generators import hooks

_TYPES = {
    each.__name__: each
    for each in vars(values).values()
    if isinstance(each, type) and issubclass(each, values.Value) and each is not values.Value
}


def _page() -> str:
    with open(os.path.join(hooks.ROOT, "docs/reference/report.md"), encoding="utf-8") as file:
        return file.read()


def _section(name: str) -> str:
    return _page().partition(f"\n### {name}\n")[2].partition("\n### ")[0]


def _own(kind: type[values.Value]) -> list[str]:
    """The fields that are not those of a share, which the page tells of once."""
    names = [field.name for field in msgspec.structs.fields(kind)]
    shared = {field.name for field in msgspec.structs.fields(values.Share)}
    return [name for name in names if kind is values.Share or not issubclass(kind, values.Share) or name not in shared]


@pytest.mark.parametrize("name", _TYPES)
def test_every_field_is_on_the_page_in_order(name: str) -> None:
    assert re.findall(r"^\| `(\w+)` \|", _section(name), re.MULTILINE) == _own(_TYPES[name])


@pytest.mark.parametrize("name", [name for name, kind in _TYPES.items() if issubclass(kind, values.Share)])
def test_shares_are_called_so(name: str) -> None:
    assert name == "Share" or "A [Share](#share)" in _section(name)


def test_the_page_has_no_other_parts() -> None:
    assert sorted(re.findall(r"^### (\w+)$", _page(), re.MULTILINE)) == sorted(_TYPES)


def test_the_files_and_the_format_are_named() -> None:
    for name in (HTML, JSON, TRACE, values.SCHEMA):
        assert f"`{name}`" in _page()


def test_links_lead_to_sections() -> None:
    sections = {name.lower() for name in re.findall(r"^### (\w+)$", _page(), re.MULTILINE)}
    assert set(re.findall(r"\(#(\w+)\)", _page())) <= sections
