"""What the shell completes: live containers, engines and filesystem backends. Never an error, never more than 2 s."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from .backend import AUTO

if TYPE_CHECKING:
    from ..types import Container

_WORDS, _CURRENT, _KEPT = "COMP_WORDS", "COMP_CWORD", "_CNTR_COMPLETE_KEPT"
"""What bash's completion says: the words, a line each, and the number of the current one; and of that, what bash keeps
whatever is offered."""


class _Offer(str):
    """Text that is offered whatever the word is: typer drops what does not begin with it."""

    __slots__ = ()

    def startswith(self, *_: object) -> bool:
        return True


def join_words() -> None:
    """Put together again what bash broke: to readline a colon ends a word, so ``docker://web`` comes as three.

    Called before typer reads them.
    """
    if _WORDS not in os.environ or not os.environ.get(_CURRENT, "").isdecimal():
        return
    words, current, kept = joined(os.environ[_WORDS].split("\n"), int(os.environ[_CURRENT]))
    os.environ.update({_WORDS: "\n".join(words), _CURRENT: str(current), _KEPT: kept})


def joined(broken: Sequence[str], current: int) -> tuple[list[str], int, str]:
    """Whole words, the number of the one that has the word `current` of `broken`, and what stands in it before that,
    up to the last colon.

    >>> joined(["cntr", "exec", "docker", ":", "//w"], 4)
    (['cntr', 'exec', 'docker://w'], 2, 'docker:')
    """
    words: list[str] = []
    place, kept, is_open = current, "", False
    for number, word in enumerate(broken):
        is_colon = bool(word) and not word.strip(":")
        if words and (is_open or (is_colon and not words[-1].startswith("-"))):
            words[-1] += word
        else:
            words.append(word)
        is_open = is_colon
        if number == current:
            place = len(words) - 1
            kept = words[-1] if is_colon else words[-1].removesuffix(word)
    return words, place, kept


def complete_container(incomplete: str) -> list[tuple[str, str]]:
    """Running containers whose name, or ``ENGINE://NAME``, begins like `incomplete`, each with a description.

    A name that several engines have gives a reference for each.
    """
    from ..engine import list_containers
    from ..errors import CntrError
    from ..plugins import load
    from ..types import ContainerState

    with contextlib.suppress(CntrError, OSError):
        found = list_containers(load().engines).containers
        return list(_offers([one for one in found if one.state is ContainerState.RUNNING], incomplete))
    return []


def _offers(containers: Sequence[Container], incomplete: str) -> Iterator[tuple[str, str]]:
    names = Counter(one.name for one in containers)
    for one in containers:
        text = next((text for text in (one.name, str(one.ref)) if text.startswith(incomplete)), None)
        if text is not None:
            yield offer(str(one.ref) if names[one.name] > 1 else text), f"{one.engine} {one.image}"


def offer(text: str) -> str:
    """`text` as the shell wants it, which keeps what stands before the last colon."""
    return _Offer(text.removeprefix(os.environ.get(_KEPT, "")))


def begun(words: Iterable[str], incomplete: str) -> list[str]:
    """The words that begin like `incomplete`."""
    return [word for word in words if word.startswith(incomplete)]


def complete_words(*words: str) -> Callable[[str], list[str]]:
    """What completes one of these words."""
    return lambda incomplete: begun(words, incomplete)


def complete_capability(incomplete: str) -> list[str]:
    """The capabilities of Linux, and ALL, as they are written: also in small letters, and with ``CAP_``."""
    from ..kernel.capabilities import NAMES

    is_small = incomplete != incomplete.upper()
    prefix = "CAP_" if incomplete.upper().startswith("CAP_") else ""
    names = [f"{prefix}{name}" for name in ("ALL", *NAMES)]
    return begun([name.lower() for name in names] if is_small else names, incomplete)


def complete_image(incomplete: str) -> list[str]:
    """The images of the containers that engines have, ``ENGINE://NAME``; of files the shell knows."""
    from ..engine import list_containers
    from ..errors import CntrError
    from ..plugins import load

    with contextlib.suppress(CntrError, OSError):
        found = {f"{one.engine}://{one.image}" for one in list_containers(load().engines).containers if one.image}
        return [offer(text) for text in begun(sorted(found), incomplete)]
    return []


def complete_filesystem(incomplete: str) -> list[str]:
    """The backends that are installed."""
    from ..plugins import load

    return begun((AUTO, *(filesystem.name for filesystem in load().filesystems)), incomplete)


def complete_engine(incomplete: str) -> list[str]:
    """The engines that are installed."""
    from ..plugins import load

    return begun((engine.name for engine in load().engines), incomplete)
