"""Options that several commands share, and how their words become values."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from .completion import complete_image_or_service

if TYPE_CHECKING:
    from cntr_core import Engine
    from cntr_core.images import Image as OpenImage
    from cntr_core.images.write.compress import Compression
    from cntr_core.images.write.destination import Destination

    from ..probes.spec import Probe

Image = Annotated[
    str,
    typer.Argument(
        metavar="IMAGE",
        autocompletion=complete_image_or_service,
        help="Read this image: path of an OCI layout, an OCI or docker archive (PATH:NAME if it holds several), or a "
        "tar of a root directory; ENGINE://NAME; registry://HOST/NAME:TAG; or a name that an engine knows.",
        show_default=False,
    ),
]
OptionalImage = Annotated[str | None, *Image.__metadata__]
"""The same, where there is another way to name one."""
Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="[COMMAND [ARG]...]", help="Run this instead of the image's CMD.", show_default=False),
]
ForPlatform = Annotated[
    str | None,
    typer.Option(
        "--platform", metavar="OS/ARCH[/VARIANT]", help="Choose an image of an index; default: this machine's platform."
    ),
]


def probes_of(specs: Sequence[str] | None) -> tuple[Probe, ...]:
    """The probes that an option names; :raises UsageError: one is malformed, or cannot work here."""
    if not specs:
        return ()
    from ..probes.prober import check
    from ..probes.spec import parse

    probes = tuple(map(parse, specs))
    for probe in probes:
        check(probe)
    return probes


def listed(files: Sequence[str] | None) -> list[str]:
    """The paths that ``cntr run --misses`` wrote to `files`, as patterns; :raises UsageError: one cannot be read."""
    import glob

    from cntr_core.errors import UsageError

    found = []
    for path in files or ():
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                lines = file.read().splitlines()
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}", "name a file of cntr run --misses") from None
        found += [glob.escape(re.sub(r"\\(.)", _unescaped, line)) for line in lines]
    return found


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]


def located(reference: str, preferred: str | None) -> str:
    """`reference`, with the engine before it where it is a name that an engine knows: `preferred`, or the first."""
    from cntr_core.engine import LIMIT, PATIENCE
    from cntr_core.engine.query import query
    from cntr_core.images import locate

    if "://" in reference or reference.startswith(("/", ".")) or locate(reference)[0]:
        return reference
    answers = query(engines(), lambda one: one.export_image(reference) is not None, LIMIT, patience=PATIENCE)
    holders = [answer.engine for answer in answers if answer.value]
    holders.sort(key=lambda name: name != preferred)
    return f"{holders[0]}://{reference}" if holders else reference


def opened(reference: str, platform: str | None, progress: Callable[[int], object] = lambda _: None) -> OpenImage:
    """The image that the words of a call mean; `progress` is told how many more bytes came from an engine.

    :raises CntrError: there is none, or it cannot be read.
    """
    from cntr_core.images import Platform, open_image

    wanted = Platform.parse(platform) if platform else None
    return open_image(reference, platform=wanted, engines=engines(), progress=progress)


def destination(text: str, source: str) -> Destination:
    """Where images go that come from `source`; :raises CntrError: `text` means nothing, or they cannot go there."""
    from cntr_core.images.write.destination import parse_destination

    found = parse_destination(text, engines(), source)
    found.check()
    return found


def check_place(path: str, option: str) -> None:
    """Find out, before long work, whether the file or directory `path` of `option` can be made.

    :raises CntrError: it cannot.
    """
    from cntr_core.errors import UsageError
    from cntr_core.images.write.destination import check_writable

    place = os.path.abspath(path)
    while not os.path.lexists(place):
        place = os.path.dirname(place)
    if not os.path.isdir(place):
        raise UsageError(f"{option}: {place} is not a directory", "choose another place")
    check_writable(place)


def check_file(path: str, option: str) -> None:
    """The same for a file in a directory that is there."""
    from cntr_core.errors import UsageError

    parent = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path):
        raise UsageError(f"{option}: {path} is a directory", "name a file")
    if not os.path.isdir(parent):
        raise UsageError(f"{option}: there is no directory {parent}", "create it first")
    check_place(parent, option)


_IMAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]*")


def check_name(name: str, option: str) -> str:
    """`name`; :raises UsageError: no image can be called so."""
    from cntr_core.errors import UsageError

    if not _IMAGE_NAME.fullmatch(name):
        raise UsageError(f"{option}: '{name}' cannot be the name of an image", "write it like app:slim")
    return name


def engines() -> Sequence[Engine]:
    """All engines."""
    from cntr_core.plugins import load

    return load().engines


def compression_of(word: str | None) -> Compression | None:
    """The compression that `word` names; None for none.

    :raises UsageError: there is no such compression.
    """
    from cntr_core.errors import UsageError
    from cntr_core.images.write.compress import Compression

    if word is None:
        return None
    try:
        return Compression(word)
    except ValueError:
        raise UsageError(f"unknown compression '{word}'", f"choose from {', '.join(Compression)}") from None
