"""Where the pair of each image goes, and its report: no two of them to the same place."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from cntr_core.errors import UsageError

from ..commands.names import output, pair_names, report

_SHORT = 8
"""Hexadecimal digits that tell two images of one name apart."""


@dataclass(frozen=True, slots=True)
class Place:
    """The destination of a pair, and what the directory of its report is called."""

    destination: str
    report: str


def places(images: Sequence[str], identities: Sequence[str], target: str, engines: Sequence[str]) -> list[Place]:
    """A place for each of `images`, below `target`; images that would share one get a part of the digest of their
    `identities` into their names, which depends on nothing else in the batch.

    :raises UsageError: `target` can only hold one pair.
    """
    if target.endswith(".tar"):
        raise UsageError(f"--output: {target} has room for one pair", "name a directory, registry://HOST/PREFIX")
    plain = [_place(image, target, engines, "") for image in images]
    destinations, reports = Counter(one.destination for one in plain), Counter(one.report for one in plain)
    return [
        _place(image, target, engines, f"-{hashlib.sha256(identity.encode()).hexdigest()[:_SHORT]}")
        if destinations[place.destination] > 1 or reports[place.report] > 1
        else place
        for place, image, identity in zip(plain, images, identities, strict=True)
    ]


def _place(image: str, target: str, engines: Sequence[str], mark: str) -> Place:
    folder = f"{report(image).removesuffix('-report')}{mark}"
    scheme, separator, prefix = target.partition("://")
    if separator:
        base = f"{prefix.rstrip('/')}/" if prefix else ""
        return Place(f"{scheme}://{base}{_marked(pair_names(_without_host(image))[0], mark)}", folder)
    own = output(image, engines)
    if "://" in own and not target:
        return Place(_marked(own, mark), folder)
    return Place(os.path.join(os.path.abspath(target or "."), f"{folder}-slim.tar"), folder)


def _marked(name: str, mark: str) -> str:
    """``web:1-slim`` with a mark: ``web:1-0f3a-slim``."""
    return f"{name.removesuffix('-slim')}{mark}-slim" if name.endswith("-slim") else f"{name}{mark}"


def _without_host(image: str) -> str:
    """``registry://HOST/NAME:TAG`` as ``registry://NAME:TAG``: another registry takes it below its own name."""
    scheme, separator, place = image.partition("://")
    return f"{scheme}://{place.partition('/')[2]}" if separator and scheme == "registry" else image
