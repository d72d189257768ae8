"""Every example in docs/reference/probes.md is a probe, and every kind of probe has one."""

from __future__ import annotations

import os
import re

from cntr_slimmer.probes import parse
from cntr_slimmer.probes.spec import KINDS

PAGE = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "reference", "probes.md")


def _rows() -> list[tuple[str, list[str]]]:
    with open(PAGE, encoding="utf-8") as file:
        table = file.read().partition("## ")[0]
    rows = [line.strip("| \n").split(" | ") for line in table.splitlines() if line.startswith("| `")]
    return [(syntax.strip("`"), re.findall("`([^`]+)`", examples)) for syntax, _, examples in rows]


def test_every_example_is_read_as_a_probe_of_its_row() -> None:
    for syntax, examples in _rows():
        kind = re.split(r"[:\[]", syntax)[0]
        assert examples, syntax
        for example in examples:
            assert str(parse(example)).startswith(kind), example


def test_every_kind_has_a_row_with_the_syntax_of_its_hint() -> None:
    page = [syntax for syntax, _ in _rows()]
    for kind, value in KINDS.items():
        syntax = value.syntax.partition(", ")[0].replace("[+write]", "")
        assert syntax in page, kind
