"""Layers of any members, for tests of the merged tree; and what a tree has, as `layouts.tree` tells it."""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import hypothesis.strategies as st

from cntr_core.images.tar.plain import PlainTar
from cntr_core.images.tree.branch import file_mode, file_size, file_xattrs
from cntr_core.images.tree.layers import OpenLayers
from cntr_core.images.tree.tree import Directory, File
from tests.unit.images.layouts import MemberSpec, directory, file, hard_link, member, symlink, tar

_NAMES = st.sampled_from(["a", "b", "c"])
_PATHS = st.lists(_NAMES, min_size=1, max_size=3).map("/".join)
_TARGETS = st.one_of(_PATHS, _PATHS.map("/{}".format), st.just("../a"), st.just("."), st.just("/"))
_WHITEOUTS = st.tuples(st.lists(_NAMES, max_size=2), st.one_of(_NAMES.map(".wh.{}".format), st.just(".wh..wh..opq")))
MEMBERS: st.SearchStrategy[MemberSpec] = st.one_of(
    st.builds(file, _PATHS, st.binary(max_size=600), mode=st.sampled_from([0o644, 0o4755]), mtime=st.integers(0, 9)),
    st.builds(directory, _PATHS, mode=st.sampled_from([0o755, 0o1777]), mtime=st.integers(0, 9)),
    st.builds(symlink, _PATHS, _TARGETS),
    st.builds(hard_link, _PATHS, _PATHS),
    st.builds(lambda path: member(path, tarfile.FIFOTYPE), _PATHS),
    _WHITEOUTS.map(lambda both: file("/".join([*both[0], both[1]]))),
)
LAYERS: st.SearchStrategy[list[bytes]] = st.lists(
    st.lists(MEMBERS, max_size=8).map(lambda members: tar(*members)), min_size=1, max_size=4
)


@contextmanager
def opened(layers: Sequence[bytes]) -> Iterator[OpenLayers]:
    """The layers of plain tars."""
    with ExitStack() as stack:
        tars = []
        for content in layers:
            out = stack.enter_context(tempfile.TemporaryFile())
            out.write(content)
            out.flush()
            tars.append(PlainTar(out.fileno(), 0, len(content)))
        yield OpenLayers.of(tars)


def described(layers: OpenLayers) -> dict[str, tuple[object, ...]]:
    """Everything about each path, the root by the name ``.``."""
    found = {".": _described(layers, layers.tree.root)}
    found |= {os.fsdecode(name.path[1:]): _described(layers, name.file) for name in layers.tree.walk()}
    return found


def _described(layers: OpenLayers, one: File) -> tuple[object, ...]:
    entry = one.entry
    mode = file_mode(entry)
    content = entry.link if stat.S_ISLNK(mode) else None
    if stat.S_ISREG(mode):
        whole = layers.contents.read(one, entry.size, 0)
        assert file_size(entry) == len(whole)
        content = hashlib.sha256(whole).digest()
    return (
        oct(mode),
        entry.uid,
        entry.gid,
        entry.mtime,
        entry.device,
        content,
        {os.fsdecode(key): value for key, value in file_xattrs(entry).items()},
        [] if isinstance(one, Directory) else sorted(os.fsdecode(name.path[1:]) for name in one.names),
    )
