"""Where the tools come from: ``--tools host``, ``toolbox``, ``dir:PATH``, ``container:NAME`` or
``image:REF``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ..dataclass import dataclass
from ..engine import Engine, resolve
from ..errors import UsageError
from ..filesystem import Branch, DirectoryTree, Filesystem, Part, PartialTree, Tree, find
from ..kernel import paths
from ..kernel.child import open_in_child
from ..kernel.mounts import DetachedMount
from ..kernel.namespaces import CLONE_NEWNS, setns
from ..kernel.syscall import AT_FDCWD, owned
from ..toolbox.place import has_toolbox, toolbox_path
from ..types import ContainerProcess, ContainerRef
from .environment import DEFAULT_PATH
from .target import Target, pin_target

if TYPE_CHECKING:
    from ..images import ImageConfig


@dataclass(frozen=True, slots=True)
class Tools:
    """A tree of tools, the PATH that its programs want, and shells to try."""

    tree: Tree
    path: bytes
    shells: tuple[bytes, ...]
    description: str

    @property
    def root(self) -> int:
        """The descriptor of a tree that is a directory, as each is that can be written."""
        assert isinstance(self.tree, DirectoryTree)
        return self.tree.fd

    @property
    def shell(self) -> bytes:
        """The first of the shells that is there, or the first."""
        return next((shell for shell in self.shells if _exists(self.tree, shell)), self.shells[0])


def _exists(tree: Tree, path: bytes) -> bool:
    with suppress(OSError):
        if isinstance(tree, Branch):
            find(tree, path)
        else:
            os.close(paths.open_in_root(tree.fd, path, os.O_PATH))
        return True
    return False


TOOLBOX = "toolbox"
"""The source of tools that ``cntr toolbox build`` has made."""
_SHELLS = (b"/bin/bash", b"/bin/sh", b"/bin/busybox")


def tools_container(spec: str, engines: Sequence[Engine]) -> ContainerProcess | None:
    """The container whose tree `spec` wants, None where it wants none.

    :raises CntrError: there is no such container, or it does not run.
    """
    kind, _, name = spec.partition(":")
    return resolve(ContainerRef.parse(name), engines) if kind == "container" and name else None


@contextmanager
def open_tools(
    spec: str,
    container: ContainerProcess | None,
    engines: Sequence[Engine],
    filesystem: Filesystem,
    caller: Mapping[bytes, bytes],
    part: Part | None,
) -> Iterator[Tools]:
    """Open what `spec` names; `container` is its :func:`tools_container`. The tree is usable within the context, and
    such as `filesystem` can show. `part` is what is shown of the host's own tree, None for all.

    :raises UsageError: `spec` is malformed, or names no directory.
    :raises CntrError: the container or image cannot be opened.
    """
    kind, _, name = spec.partition(":")
    if kind == "host" and not name:
        shells = (caller[b"SHELL"], *_SHELLS) if caller.get(b"SHELL", b"").startswith(b"/") else _SHELLS
        with _directory("/") as root:
            shown = "what tools need of the host's tree" if part else "the host's tree"
            yield Tools(_host(root, part), caller.get(b"PATH", DEFAULT_PATH), shells, shown)
    elif kind == "dir" and name:
        with _directory(name) as root:
            yield Tools(DirectoryTree(root), DEFAULT_PATH, _SHELLS, f"the directory {name}")
    elif container is not None:
        with pin_target(container, join_cgroup=False) as other:
            path = other.environment.get(b"PATH", DEFAULT_PATH)
            with DetachedMount(open_in_child(lambda: _clone(other))) as tree:
                yield Tools(_host(tree.fd, part), path, _SHELLS, f"the tree of {container.container.ref}")
    elif kind == "image" and name:
        with image_tree(name, engines, filesystem) as (image, config):
            path = config.environment["PATH"].encode() if "PATH" in config.environment else DEFAULT_PATH
            yield Tools(image, path, _SHELLS, f"the image {name}")
    elif spec == TOOLBOX:
        with image_tree(_made_toolbox(), engines, filesystem) as (image, _):
            yield Tools(image, DEFAULT_PATH, _SHELLS, "the toolbox")
    else:
        raise UsageError(
            f"'{spec}' is not a source of tools",
            "use host, toolbox, dir:PATH, container:NAME or image:REF after --tools",
        )


def _made_toolbox() -> str:
    """Where it is; :raises UsageError: there is none."""
    if not has_toolbox():
        raise UsageError(f"there is no toolbox at {toolbox_path()}", "make one: cntr toolbox build")
    return toolbox_path()


def shows_image(spec: str) -> bool:
    """Whether `spec` names an image's tree, which nobody can write."""
    return spec == TOOLBOX or spec.startswith("image:")


def _host(fd: int, part: Part | None) -> Tree:
    """A tree that may be this machine's own, by whatever name: then `part` of it."""
    if part is not None and os.path.samestat(os.fstat(fd), os.stat("/")):
        return PartialTree(fd, part)
    return DirectoryTree(fd)


def check_writable(spec: str) -> None:
    """Refuse tools that are not the user's to write, although they could be written.

    :raises UsageError: `spec` names an image, whose tree all sessions share.
    """
    if shows_image(spec):
        raise UsageError(
            "all sessions share an image's tree, so --rw-tools cannot write to it",
            "use --writable-tools for writes that are thrown away, or --tools dir:PATH with a copy",
        )


def _clone(other: Target) -> int:
    """A copy of another container's tree with its mounts, which only a member of its mount namespace can make."""
    setns(other.namespaces["mnt"], CLONE_NEWNS)
    os.fchdir(other.root)
    return DetachedMount.clone(AT_FDCWD, ".", recursive=True).fd


@contextmanager
def image_tree(name: str, engines: Sequence[Engine], filesystem: Filesystem) -> Iterator[tuple[Tree, ImageConfig]]:
    """The image's tree, straight from its layers where the filesystem can show that."""
    from ..images import layers_of, open_image, unpacked

    if filesystem.directories_only:
        with open_image(name, engines=engines) as image, _directory(unpacked(image)) as root:
            yield DirectoryTree(root), image.config
    else:
        with open_image(name, engines=engines) as image, layers_of(image) as layers:
            yield layers.branch(), image.config


@contextmanager
def _directory(path: str) -> Iterator[int]:
    try:
        fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(f"the tools' directory {path} cannot be opened: {error.strerror}", "check --tools") from None
    with owned(fd):
        yield fd
