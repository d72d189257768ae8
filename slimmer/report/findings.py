"""What makes an intruder's work easier: shells, package managers, programs with privileges of their own."""

from __future__ import annotations

import posixpath
import struct
from collections.abc import Iterator, Mapping

from cntr_core.images.tar.index import Entry
from cntr_core.images.tar.members import Kind
from cntr_core.images.tree.layers import OpenLayers
from cntr_core.kernel import capabilities

from . import schema
from .text import path_of

_SHELLS = frozenset(
    ("sh", "ash", "bash", "busybox", "csh", "dash", "fish", "ksh", "mksh", "rbash", "tcsh", "toybox", "zsh")
)
_MANAGERS = frozenset(
    (
        "apk",
        "apt",
        "apt-get",
        "aptitude",
        "dnf",
        "dpkg",
        "gem",
        "microdnf",
        "npm",
        "opkg",
        "pacman",
        "pip",
        "pip3",
        "rpm",
    )
)
_SETUID, _SETGID, _GROUP_EXECUTE = 0o4000, 0o2000, 0o010
_PROGRAMS = ("file", schema.SYMLINK, schema.HARD_LINK)
_MAGIC, _SETS = "<I", "<IIII"  # struct vfs_ns_cap_data, linux/capability.h: permitted and inheritable, low then high


def findings(files: Mapping[str, schema.File], layers: OpenLayers) -> tuple[schema.Finding, ...]:
    """All of them, those that went as well, by kind and path."""
    found = [finding for file in files.values() if file.type in _PROGRAMS for finding in _of(file, layers)]
    return tuple(sorted(found, key=lambda each: (each.kind, each.path)))


def _of(file: schema.File, layers: OpenLayers) -> Iterator[schema.Finding]:
    for kind, detail in (*_by_name(file), *_by_mode(file, layers)):
        yield schema.Finding(kind=kind, path=file.path, kept=file.kept, detail=detail, package=file.package)


def _by_name(file: schema.File) -> Iterator[tuple[str, str]]:
    directory, name = posixpath.split(file.path)
    if posixpath.basename(directory) in ("bin", "sbin"):
        leads = f"→ {file.target}" if file.target else ""
        if name in _SHELLS:
            yield "shell", leads
        if name in _MANAGERS:
            yield "package manager", leads


def _by_mode(file: schema.File, layers: OpenLayers) -> Iterator[tuple[str, str]]:
    """What execve(2) gives to whoever starts it."""
    entry = layers.tree.resolve(path_of(file.path), follow=False).file.entry
    if entry.kind is not Kind.FILE:
        return
    if entry.mode & _SETUID:
        yield "setuid", f"{entry.mode:04o}, user {entry.uid}"
    if entry.mode & _SETGID and entry.mode & _GROUP_EXECUTE:
        yield "setgid", f"{entry.mode:04o}, group {entry.gid}"
    if granted := _capabilities(entry):
        yield "capabilities", granted


def _capabilities(entry: Entry) -> str:
    """The file's permitted and inheritable capabilities in words; "" where it has none (capabilities(7))."""
    raw = entry.xattrs.get(b"security.capability", b"")
    if len(raw) < struct.calcsize(_MAGIC) + struct.calcsize(_SETS):
        return "" if not raw else "of an old or damaged form"
    low, inherited_low, high, inherited_high = struct.unpack_from(_SETS, raw, struct.calcsize(_MAGIC))
    return " ".join(capabilities.names(low | inherited_low | (high | inherited_high) << 32))
