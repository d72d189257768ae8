"""Small roots for tests of rules, and the question to them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cntr_slimmer.rules.closure import Reason, close

from cntr_core.rules import ImageView, Rule, RuleContext
from tests.unit.slimmer.rules.directory_view import DirectoryView

ANY = frozenset({"lookup", "open", "read"})


def plant(root: str | os.PathLike[str], files: Mapping[str, str | bytes]) -> None:
    """Write files below `root`; a text that begins with ``->`` makes a link. What begins with #! is executable."""
    for path, content in files.items():
        place = os.path.join(root, path.lstrip("/"))
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if isinstance(content, str) and content.startswith("->"):
            os.symlink(content.removeprefix("->"), place)
            continue
        with open(place, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        os.chmod(place, 0o755 if content[:2] in ("#!", b"#!") else 0o644)


def ask(
    root: str | os.PathLike[str],
    rules: Sequence[Rule],
    used: Iterable[str] | Mapping[str, Iterable[str]],
    environment: Mapping[str, str] | None = None,
    absent: Iterable[str] = (),
    **more: Any,
) -> dict[str, Reason]:
    """What the rules keep beside `used`, without directories; `more` is for the context."""
    view = DirectoryView(root)
    operations = used if isinstance(used, Mapping) else dict.fromkeys(used, ANY)
    trace = {os.fsencode(path): frozenset(names) for path, names in operations.items()}
    kept, _ = close(context(view, trace, map(os.fsencode, absent), environment, **more), rules)
    return {os.fsdecode(path): reason for path, reason in kept.items() if not _is_directory(view.host(path))}


def context(
    view: ImageView,
    used: Mapping[bytes, frozenset[str]],
    absent: Iterable[bytes] = (),
    environment: Mapping[str, str] | None = None,
    **more: Any,
) -> RuleContext:
    """What rules are told."""
    return RuleContext(view, used, frozenset(absent), frozenset(), frozenset(), environment or {}, **more)


def _is_directory(path: bytes) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)
