"""The fat image of a slim image, found by the labels that the slim one has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from .. import labels
from ..errors import CntrError, ImageError, UsageError, about
from .image import Image
from .location import sibling
from .open import ImageHolder, open_image
from .streams import digest_of


@contextmanager
def open_fat(
    what: str, image: str, own: Mapping[str, str], reference: str, engines: Sequence[ImageHolder]
) -> Iterator[Image]:
    """The fat image of `image` with the labels `own`; `what` names its owner in errors.

    It is `reference`; where that is empty, what the labels name, wherever it is found. Labels are a stranger's words:
    they name an image of an engine or a registry, or one where the slim one is, and never a file; and what is found is
    not read before its digest and its pair are those of the labels.

    :raises UsageError: there are no labels of a slim image.
    :raises ImageError: it cannot be found or read, or belongs to another image.
    """
    if reference:
        with about("--fat-image"):
            named = open_image(reference, engines=engines)
        with named:
            yield named
        return
    refused: list[str] = []
    for candidate in _candidates(what, image, own, engines, refused):
        try:
            found = open_image(candidate, engines=engines)
        except CntrError as error:
            refused.append(error.message)
            continue
        with found:
            if _belongs(found, own):
                yield found
                return
        refused.append(f"{candidate} belongs to another image")
    more = [f"and {len(refused) - _MOST_TOLD} other places"] if len(refused) > _MOST_TOLD else []
    raise ImageError(f"the fat image of {what} was not found: {'; '.join([*refused[:_MOST_TOLD], *more])}", _HINT)


_MOST_TOLD = 3
_HINT = "name it: --fat-image REF"
# Docker takes the first component for a host where it has a dot or a port, or is localhost.
_HAS_HOST = re.compile(r"([^/:]+\.[^/]*|[^/:]+:[0-9]+|localhost)/[a-z0-9]")


def _belongs(fat: Image, own: Mapping[str, str]) -> bool:
    return digest_of(fat.config.raw) == own[labels.FAT] and fat.config.labels.get(labels.PAIR) == own[labels.PAIR]


def _candidates(
    what: str, image: str, own: Mapping[str, str], engines: Sequence[ImageHolder], refused: list[str]
) -> Iterator[str]:
    """Where the fat image may be: where the slim one is, in any engine by its digest and by its name, and in the slim
    one's registry, which knows what refers to it."""
    digest, name = (own.get(key, "") for key in (labels.FAT, labels.FAT_NAME))
    for key in (labels.FAT, labels.PAIR):
        if not own.get(key):
            raise UsageError(f"{what} does not come from a slim image (it has no label {key})", _HINT)
    there = sibling(image, name) if name and image else ""
    if there != name:  # else it would be taken for a path
        yield there
    yield from (f"{engine.name}://{known}" for known in (digest, name) if known for engine in engines)
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
