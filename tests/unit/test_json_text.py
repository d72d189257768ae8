"""JSON of strangers is read in one place, which no depth of it surprises."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cntr_core.json_text import read_json
from tests.support.cntr import cntr

_ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "text",
    [b"[" * 1_000_000, '{"a":' * 1_000_000, b"[" * 1_000_000 + b"]" * 1_000_000, b"1" * 5000, b"\xff", b"", b"{"],
    ids=["lists", "objects", "closed", "number", "no text", "empty", "cut"],
)
def test_what_is_none_or_too_deep_is_refused(text: bytes | str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_json(text)


def test_nobody_else_parses_json() -> None:
    """What the parser raises of deep JSON (RecursionError) was forgotten in nine places of twelve."""
    sources = [path for name in ("cntr_core", "plugins", "slimmer") for path in (_ROOT / name).rglob("*.py")]
    found = {str(path.relative_to(_ROOT)) for path in sources if re.search(r"\bjson\.loads?\(", path.read_text())}
    assert found == {"cntr_core/json_text.py"}


@pytest.mark.parametrize("words", [("run",), ("slim",)])
def test_a_deep_seccomp_profile_is_a_sentence(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "profile.json").write_bytes(b"[" * 1_000_000)
    done = cntr(*words, "--security-opt", f"seccomp={tmp_path}/profile.json", "no-such-image", timeout=60)
    assert done.returncode == 125 and b"cannot be used: it is no JSON" in done.stderr, done.stderr
