"""Unpacking: the layers of an image, one upon the other, become a directory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from ..errors import ImageError
from .image import Image
from .members import META, OPAQUE, WHITEOUT, Member, quoted, read_members
from .streams import Budget, Reader
from .target import DevicePolicy, Target
from .tree.remove import remove_tree


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What became of an image: how many members were there, and what could not be kept: (path, why)."""

    members: int
    skipped: tuple[tuple[bytes, str], ...]


def unpack(
    image: Image, target: str, *, devices: DevicePolicy = DevicePolicy.CREATE, budget: Budget | None = None
) -> Unpacked:
    """Make the new directory `target` hold the root of `image`.

    All digests are verified on the way. Owners, modes, times, extended attributes, hard links, holes,
    devices and FIFOs are kept; without root, everything belongs to the caller. `budget` is nine tenths of
    the free space where none is given.

    :raises ImageError: the image is damaged or hostile; the message names layer and member. Nothing is left
    of
        `target` then, nor after any other exception.
    :raises OSError: `target` cannot be made, or exists.
    """
    os.mkdir(target, 0o755)
    try:
        return _fill(image, target, devices, budget or Budget.of_filesystem(target))
    except BaseException:
        remove_tree(target)
        raise


def _fill(image: Image, target: str, devices: DevicePolicy, budget: Budget) -> Unpacked:
    root = os.open(target, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.chmod(".", 0o755, dir_fd=root)  # whatever the umask is
        members = 0
        with closing(Target(root, devices)) as tree:
            for number, layer in enumerate(image.layers, 1):
                with _about(f"image {image.reference}: layer {number} ({layer})"):
                    stream = image.open_layer(layer, budget)
                    members += _apply(stream, tree, budget)
                    stream.finish()
            tree.finish()
            return Unpacked(members, tuple(tree.skipped))
    finally:
        os.close(root)


def _apply(stream: Reader, tree: Target, budget: Budget) -> int:
    """Put one layer on the tree; returns the number of its members."""
    tree.begin_layer()
    count = 0
    for member, content in read_members(stream):
        count += 1
        budget.spend(entries=1)
        with _about(f"member {quoted(member.path)}"):
            if not _apply_whiteout(member, tree):
                tree.put(member, content)
    return count


def _apply_whiteout(member: Member, tree: Target) -> bool:
    """Whether the member is a whiteout, which then was applied, or AUFS's litter."""
    if any(part.startswith(META) for part in member.parts[:-1]):
        return True
    name = member.parts[-1] if member.parts else b""
    if name == OPAQUE:
        tree.hide_children(member.parts[:-1])
    elif name.startswith(WHITEOUT) and not name.startswith(META):
        hidden = name.removeprefix(WHITEOUT)
        if hidden in (b"", b".", b".."):
            raise ImageError("is a whiteout of no name")
        tree.hide((*member.parts[:-1], hidden))
    return name.startswith(WHITEOUT)


@contextmanager
def _about(what: str) -> Iterator[None]:
    """Say where it was."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{what}: {error.message}", error.hint) from error
    except OSError as error:
        raise ImageError(f"{what}: {error.strerror}", "nothing of the image was kept") from error
