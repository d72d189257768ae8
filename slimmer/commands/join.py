"""``cntr join`` and ``cntr verify``: a pair becomes the original again, or is proved to."""

# ruff: noqa: ARG001 - --debug acts by its callback

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from cntr_core.cli import output
from cntr_core.cli.completion import complete_image
from cntr_core.cli.interrupts import undo_on_signals
from cntr_core.errors import UsageError

from . import options

if TYPE_CHECKING:
    from cntr_core.images.write.destination import Destination

    from ..split.joined import OpenPair
    from .answers import Verified

Slim = Annotated[
    str,
    typer.Argument(
        metavar="SLIM",
        autocompletion=complete_image,
        help="Read this slim image; forms as for cntr slim.",
        show_default=False,
    ),
]
Fat = Annotated[
    str | None,
    typer.Argument(
        metavar="[FAT]",
        autocompletion=complete_image,
        help="Read this fat image; default: the one that SLIM names, in the same place.",
        show_default=False,
    ),
]
Target = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="DEST",
        help="Write the image to PATH.tar, a directory (OCI layout), ENGINE://NAME or registry://HOST/NAME.",
        show_default=False,
    ),
]
Name = Annotated[
    str,
    typer.Option(
        "--name",
        metavar="NAME",
        help="Name the image; default: the name in DEST, or joined:latest.",
        show_default=False,
    ),
]
Sbom = Annotated[
    list[str] | None,
    typer.Option(
        "--sbom",
        metavar="FILE",
        help="Also verify that this document of cntr slim --sbom is about one of both images. Repeatable.",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("join")(join)
    app.command("verify")(verify)


def join(
    slim: Slim,
    fat: Fat = None,
    target: Target = "",
    name: Name = "",
    platform: options.ForPlatform = None,
    debug: output.Debug = False,
) -> int:
    """Rebuild the original image from its slim and its fat image.

    Its layers have the original digests (DiffIDs), and its configuration is the same byte for byte.
    """
    if not target:
        raise UsageError("--output is missing", "give a destination: -o original.tar")
    undo_on_signals()
    if name:
        options.check_name(name, "--name")
    destination = options.destination(target, slim)
    _save(_opened(slim, fat, platform), name or ("" if "://" in target else "joined:latest"), destination)
    typer.echo(target)
    return 0


def _save(opened: AbstractContextManager[OpenPair], name: str, destination: Destination) -> None:
    from cntr_core.cli.progress import display
    from cntr_core.images.write.pack import pack

    from ..runs.cleanup import scratch

    with display() as shown, scratch("cntr-join-") as directory, opened as pair:
        size = pair.split_map.size
        original = pair.original(directory, shown.counting("joining", size))
        shown.expect("compressing", size)
        images = [(name, pack(original, directory, destination.compression, shown.moved))]
        shown.expect_saved(images)
        destination.save(images, shown.moved)


def verify(
    slim: Slim,
    fat: Fat = None,
    sbom: Sbom = None,
    platform: options.ForPlatform = None,
    json: output.Json = False,
    debug: output.Debug = False,
) -> int:
    """Verify that a slim and a fat image rebuild their original: compute every layer's digest, write nothing.

    The slim image's lists of packages must be the original's without the packages of which it has no file. Both images
    must have the original's settings.

    Of images in a registry, the documents that [bold]cntr slim --sbom[/] has attached must be about them, too.
    """
    undo_on_signals()
    from cntr_core.cli.progress import display

    from ..verify import check_pair

    with display() as shown, _opened(slim, fat, platform) as pair:
        documents = [*_documents(pair, sbom or ()), *_attached(pair)]
        check_pair(pair, shown.counting("joining", pair.split_map.size))
        layers = [layer.diff_id for layer in pair.split_map.layers]
    said = [f"{_count(len(layers), 'layer')} verified: both images rebuild the original"]
    if documents:
        said.append(f"{_count(len(documents), 'document')} verified: they are about these images")
    answer: Verified = {"ok": True, "layers": layers, "documents": documents}
    output.print_answer(json, answer, said)
    return 0


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _documents(pair: OpenPair, files: Sequence[str]) -> Iterator[str]:
    """The names of these files; :raises ImageError: one is about none of both images."""
    from ..sbom.check import check_document, read_document

    for path in files:
        check_document(path, read_document(path), pair.slim, pair.fat)
        yield path


def _attached(pair: OpenPair) -> Iterator[str]:
    """The names of the documents that a registry has about both images; :raises ImageError: one is about another."""
    from ..sbom.check import check_attached

    for image in (pair.slim, pair.fat):
        if image.reference.startswith("registry://"):
            yield from check_attached(image)


@contextmanager
def _opened(slim: str, fat: str | None, platform: str | None) -> Iterator[OpenPair]:
    from cntr_core.images import sibling
    from cntr_core.labels import FAT_NAME, FAT_ROLE, ROLE

    from ..split.joined import OpenPair

    with options.opened(slim, platform) as image:
        if fat is None:
            known = image.config.labels.get(FAT_NAME)
            if image.config.labels.get(ROLE) == FAT_ROLE:
                raise UsageError(f"{slim} is a fat image, and must be a slim one", "give the slim one first")
            if not known:
                raise UsageError(f"{slim} does not name its fat image", "give the fat image as the second argument")
            fat = sibling(slim, known)
        with options.opened(fat, platform) as other:
            yield OpenPair.of(image, other)
