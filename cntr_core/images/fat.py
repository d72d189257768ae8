"""The fat half of a slim image, found by the labels that the slim one has."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from .. import labels
from ..errors import CntrError, ImageError, UsageError
from .cache import unpacked
from .location import beside
from .open import ImageHolder


@dataclass(frozen=True, slots=True)
class FatTree:
    """The unpacked fat half: its directory, and an O_PATH descriptor of it."""

    path: str
    root: int
    reference: str


@contextmanager
def open_fat(
    what: str, image: str, own: Mapping[str, str], reference: str, engines: Sequence[ImageHolder]
) -> Iterator[FatTree]:
    """Open the fat half of `image` with the labels `own`; `what` names its owner in errors.

    It is `reference`; where that is empty, what the labels name, wherever it is found.

    :raises UsageError: there are no labels of a slim image.
    :raises ImageError: it cannot be found or read, or belongs to another image.
    """
    with ExitStack() as stack:
        refused = []
        for candidate in [reference] if reference else _candidates(what, image, own):
            try:
                tree, config = stack.enter_context(unpacked(candidate, engines))
            except CntrError as error:
                refused.append(error.message)
                continue
            if not reference and config.labels.get(labels.PAIR) != own.get(labels.PAIR):
                refused.append(f"{candidate} belongs to another image")
                continue
            root = os.open(tree, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, root)
            yield FatTree(tree, root, candidate)
            return
        raise ImageError(f"the fat image of {what} was not found: {'; '.join(refused)}", _HINT)


_HINT = "name it: --fat-image REF"


def _candidates(what: str, image: str, own: Mapping[str, str]) -> list[str]:
    """Where the fat half may be: beside the slim one, and in any engine, by its digest and by its name."""
    digest, name = (own.get(key, "") for key in (labels.FAT, labels.FAT_NAME))
    if not digest:
        raise UsageError(f"{what} is not of a slim image (it has no label {labels.FAT})", _HINT)
    places = [beside(image, name)] if name and image else []
    return list(dict.fromkeys([*places, digest, *([name] if name else [])]))
