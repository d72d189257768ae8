"""Every name in the image: whether the slim half has it, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cntr_core.images.tree.tree import NO_MEMBER, File, Name

from ..pipeline import Slimmed
from ..rules.closure import Reason
from ..rules.package import PackageDatabase
from ..selection import Selection
from . import schema
from .text import shown, words

_SKELETON = Reason("directories", "directories stay, with owner and mode")
_PLACE = Reason("split", "the layers need it to put kept files where they belong")


def files(result: Slimmed, packages: PackageDatabase) -> Iterator[schema.File]:
    """All names below the root, parents first, sorted."""
    used = result.trace.used()
    for name in result.layers.tree.walk():
        path = name.path
        short = result.pair.lists.get(path)
        reason = _reason(name, path, result.selection.reasons) if short is not None or _kept(name, result) else None
        package = packages.owner_of(path)
        yield schema.File(
            path=shown(path),
            type=_type(name),
            bytes=0 if _is_further(name) else name.file.entry.size,
            kept_bytes=None if short is None else len(short),
            package=words(packages.name_of(package)) if package else "",
            target=_target(name),
            rule=words(reason.rule) if reason else "",
            because=words(_because(reason, short)) if reason else _why_not(path, used, result.selection),
        )


def _because(reason: Reason, short: bytes | None) -> str:
    return reason.because if short is None else f"{reason.because}; packages without a file left are not in it"


def _why_not(path: bytes, used: Mapping[bytes, object], selection: Selection) -> str:
    """Why a path is not kept, where somebody wanted it."""
    if path in selection.left_out:
        reason = selection.left_out[path]
        return words(f"{reason.because} (rule {reason.rule})")
    return schema.EXCLUDED if path in used else ""


def _kept(name: Name, result: Slimmed) -> bool:
    """A directory that no member describes is in both halves, unless the selection leaves it out."""
    if name.number == NO_MEMBER:
        return name.file.ino not in result.selection.hollow
    return name.number in result.pair.members[name.layer]


def _reason(name: Name, path: bytes, reasons: Mapping[bytes, Reason]) -> Reason:
    """A name is kept for its own sake, or for that of another name of the same file."""
    if path in reasons:
        return reasons[path]
    known = (reasons[other.path] for other in name.file.names if other.path in reasons)
    return next(known, _SKELETON if _type(name) == schema.DIRECTORY else _PLACE)


def _type(name: Name) -> str:
    return schema.HARD_LINK if _is_further(name) else name.file.entry.kind.value


def _is_further(name: Name) -> bool:
    return name is not name.file.names[0]


def _target(name: Name) -> str:
    file: File = name.file
    return shown(file.path if _is_further(name) else file.entry.link)
