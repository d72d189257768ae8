"""Which imports stand in a source, and what a hostile one costs."""

from __future__ import annotations

import textwrap

import pytest
from cntr_slimmer.rules.python_source import Imported, attributes, imported, listed, named

SOURCE = textwrap.dedent(
    '''
    """Text."""
    import a, b.c as d  # of all
    import os; import sys
    from . import e
    from ..f import (
        g,  # (one)
        h as i,
    )
    from j \\
        import no
    from k import l, \\
        m
    if TYPE_CHECKING:
        import types_only
        from x import y
    if typing.TYPE_CHECKING: import types_too
    else:
        import o
    try: import p
    except ImportError: p = None

    def f(
        q,
    ):
        import r
        def inner():
            from s import t
        return importlib.import_module("u.v"), __import__('w'), import_module(".x", __package__)

    class C:
        import y

    async def g():
        import z

    if __name__ == "__main__":
        import own
    '''
).encode()
EARLY = {
    *(Imported(0, name) for name in ("a", "b.c", "os", "sys", "o", "p", "y")),
    Imported(1, "", ("e",)),
    Imported(2, "f", ("g", "h")),
    Imported(0, "j", ("no",)),
    Imported(0, "k", ("l", "m")),
}
LATE = {*(Imported(0, name) for name in ("r", "u.v", "w", "z", "own")), Imported(0, "s", ("t",)), Imported(1, "x")}


def test_imports_of_a_module_and_those_in_its_functions() -> None:
    assert set(imported(SOURCE, late=False)) == EARLY
    assert set(imported(SOURCE, late=True)) == EARLY | LATE


def test_modules_that_texts_name() -> None:
    source = b"""t = {"a": "b.c.d", 'e': ".f", "g": "..h.i", "j.k:L", "m", "n.py", "o p.q", f"r.s"}"""
    assert named(source) == [
        Imported(0, "b.c", ("d",)),
        Imported(1, "", ("f",)),
        Imported(2, "h", ("i",)),
        Imported(0, "j", ("k",)),
        Imported(0, "r", ("s",)),
    ]


def test_words_of_a_list_but_not_where_a_package_loads_late() -> None:
    assert listed(b"plugins = ['One', \"two\", 'no.t', 'n o']") == Imported(1, "", ("One", "two"))
    assert listed(b"names = ['One']\ndef __getattr__(name): ...").names == ()


def test_attributes_of_imported_modules() -> None:
    source = b"import sp as s, os.path\nimport z\ns.optimize.minimize(s.name, pass.s2, os.path.join)"
    assert attributes(source) == [Imported(0, "sp", ("name", "optimize.minimize")), Imported(0, "os.path", ("join",))]


def test_a_text_may_say_from_at_the_beginning_of_a_line() -> None:
    assert imported(b'"""\nfrom here on\nimport-free\nfrom x import\n"""\nimport a', late=True) == [Imported(0, "a")]


@pytest.mark.parametrize(
    "source",
    [
        b"import " + b"a." * 400_000 + b"a",
        b"import " + b"a, " * 300_000 + b"a",
        b"from " + b"." * 900_000 + b" import a",
        b"from a import (" + b"b, " * 300_000,
        b"from a import (" + b"#\n" * 450_000 + b")",
        b"x=f'" + b"{a}" * 300_000 + b"'",
        b"(" * 900_000,
        b"import a\n" + b" " * 900_000 + b"def f():\n",
        b"def f():\n" * 100_000,
        b":from " * 150_000,
        b"import \xff\x00",
        "import \ud800".encode("utf-8", "surrogatepass"),
        b"# coding: nope\nimport",
    ],
    ids=range(13),
)
def test_a_hostile_source_is_cheap(source: bytes) -> None:
    """Python's own parser takes minutes for the first of them, and many gigabytes."""
    for late in (False, True):
        assert len(imported(source, late=late)) <= 1000
    assert len(named(source)) + len(attributes(source)) + len(listed(source).names) <= 1000
