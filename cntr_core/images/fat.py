"""The fat image of a slim image, found by the labels that the slim one has."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeVar

from .. import labels
from ..errors import CntrError, ImageError, UsageError
from .location import sibling
from .open import ImageHolder
from .values import ImageConfig

_T = TypeVar("_T")


@contextmanager
def open_fat(
    what: str,
    image: str,
    own: Mapping[str, str],
    reference: str,
    engines: Sequence[ImageHolder],
    opened: Callable[[str, Sequence[ImageHolder]], AbstractContextManager[tuple[_T, ImageConfig]]],
) -> Iterator[tuple[_T, str]]:
    """The fat image of `image` with the labels `own`, as `opened` gives it, and its reference; `what` names its owner
    in errors.

    It is `reference`; where that is empty, what the labels name, wherever it is found. `opened` is
    :func:`~cntr_core.images.layers_of` or :func:`~cntr_core.images.unpacked`.

    :raises UsageError: there are no labels of a slim image.
    :raises ImageError: it cannot be found or read, or belongs to another image.
    """
    with ExitStack() as stack:
        refused: list[str] = []
        for candidate in [reference] if reference else _candidates(what, image, own, refused):
            try:
                fat, config = stack.enter_context(opened(candidate, engines))
            except CntrError as error:
                refused.append(error.message)
                continue
            if not reference and config.labels.get(labels.PAIR) != own.get(labels.PAIR):
                refused.append(f"{candidate} belongs to another image")
                continue
            yield fat, candidate
            return
        raise ImageError(f"the fat image of {what} was not found: {'; '.join(refused)}", _HINT)


_HINT = "name it: --fat-image REF"
# Docker takes the first component for a host where it has a dot or a port, or is localhost.
_HAS_HOST = re.compile(r"([^/:]+\.[^/]*|[^/:]+:[0-9]+|localhost)/[a-z0-9]")


def _candidates(what: str, image: str, own: Mapping[str, str], refused: list[str]) -> Iterator[str]:
    """Where the fat image may be: where the slim one is, in any engine by its digest and by its name, and in the slim
    one's registry, which knows what refers to it."""
    digest, name = (own.get(key, "") for key in (labels.FAT, labels.FAT_NAME))
    if not digest:
        raise UsageError(f"{what} does not come from a slim image (it has no label {labels.FAT})", _HINT)
    places = [sibling(image, name)] if name and image else []
    yield from dict.fromkeys([*places, digest, *([name] if name else [])])
    try:
        yield from _referring(image)
    except CntrError as error:
        refused.append(error.message)


def _referring(image: str) -> Iterable[str]:
    """The fat images that the slim image's registry knows; none where its name tells no registry.

    :raises CntrError: the registry cannot be reached, or refuses.
    """
    name = image.rpartition("://")[2]
    if not image.startswith("registry://") and not _HAS_HOST.match(name):
        return ()
    from .registry.referrers import fat_references  # and with it the HTTP client

    return fat_references(name)
