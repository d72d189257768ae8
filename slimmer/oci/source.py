"""Opening an image wherever it is: a path, an engine, a registry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from cntr_core.errors import ImageError
from cntr_core.images import Image, ImageHolder, Platform, Source, open_image
from cntr_core.images.blobs import Blobs, spooled_archive


def open_source(
    reference: str,
    *,
    platform: Platform | None = None,
    engines: Sequence[ImageHolder] = (),
    progress: Callable[[int], object] = lambda _: None,
) -> Image:
    """Open the image that `reference` means.

    Beside what :func:`cntr_core.images.open_image` knows (paths, names of images of any engine) these are
    ``ENGINE://NAME``, and ``registry://HOST[:PORT]/NAME[:TAG|@DIGEST]``. `progress` is told how many more bytes an
    ``ENGINE://`` gave.

    :raises ImageError: there is no such image, it is damaged or for another platform, or a registry refuses.
    :raises EngineError: the engine has it, and cannot give it.
    """
    sources: Mapping[str, Source] = {engine.name: partial(_from_engine, engine, progress) for engine in engines}
    return open_image(reference, platform=platform, engines=engines, sources={**sources, "registry": _from_registry})


def _from_registry(name: str) -> Blobs:
    from .pull import open_registry  # and with it the HTTP client, which most runs do not need

    return open_registry(name)


def _from_engine(engine: ImageHolder, progress: Callable[[int], object], name: str) -> Blobs:
    pieces = engine.export_image(name)
    if pieces is None:
        raise ImageError(f"{engine.name} has no such image", f"see the images of {engine.name}")
    return spooled_archive(_counted(pieces, progress))


def _counted(pieces: Iterable[bytes], progress: Callable[[int], object]) -> Iterator[bytes]:
    for piece in pieces:
        progress(len(piece))
        yield piece
