"""Files and directories that appear complete, or not at all."""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from ... import leftovers
from ...room import refused
from ..tree.remove import remove_tree

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_MARK = ".partial-"
"""In the name that a file or directory has, beside its place, while it is made. Its writer holds a lock on it."""


def remove_leftovers(directory: int, name: str = "") -> None:
    """Remove what killed writers of `name` (of anything where it is "") left in the directory of the descriptor."""
    for found in os.listdir(directory):
        if found.startswith(f".{name}{_MARK}" if name else ".") and _MARK in found:
            with suppress(OSError):  # somebody else's, or alive
                _remove_unlocked(found, directory)


def _remove_unlocked(name: str, directory: int) -> None:
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(name, directory)
    finally:
        os.close(fd)


def _remove(name: str, directory: int) -> None:
    if stat.S_ISDIR(os.lstat(name, dir_fd=directory).st_mode):
        remove_tree(name, directory)
    else:
        os.unlink(name, dir_fd=directory)


@contextmanager
def _in_place(name: str, directory: int, create: Callable[[str], int]) -> Iterator[tuple[str, int]]:
    """What `create` makes beside `name`, and opens, takes that place when all is well; gives its name until then."""
    remove_leftovers(directory, name)
    partial = f".{name}{_MARK}{secrets.token_hex(6)}"
    path = os.path.join(os.readlink(f"/proc/self/fd/{directory}"), partial)
    leftovers.note(path)
    fd = create(partial)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield partial, fd
        os.rename(partial, name, src_dir_fd=directory, dst_dir_fd=directory)
        os.fsync(directory)
    except BaseException:
        with suppress(FileNotFoundError):
            _remove(partial, directory)
        raise
    finally:
        os.close(fd)
        leftovers.forget(path)


@contextmanager
def writing(path: str) -> Iterator[None]:
    """Says of a failure what could not be written; :raises ImageError: instead of any OSError."""
    try:
        yield
    except OSError as error:
        raise refused(path, error) from error


@contextmanager
def new_file(name: str, directory: int) -> Iterator[BinaryIO]:
    """A file for writing that takes the place of `name` in the directory of the descriptor when all is well.

    :raises OSError: it cannot be written; nothing is left of it.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with _in_place(name, directory, lambda partial: os.open(partial, flags, 0o666, dir_fd=directory)) as (_, fd):
        with os.fdopen(fd, "wb", closefd=False) as file:
            yield file
        os.fsync(fd)


@contextmanager
def replacing(path: str) -> Iterator[BinaryIO]:
    """A file for writing that takes the place of `path` when all is well; :raises ImageError: it cannot be written."""
    parent, name = os.path.split(os.path.abspath(path))
    with writing(path), opened_directory(parent) as directory, new_file(name, directory) as file:
        yield file


@contextmanager
def new_directory(path: str) -> Iterator[str]:
    """A directory to be filled, which becomes `path` (an empty directory, or nothing) when all is well.

    :raises OSError: it cannot be made; nothing is left of it.
    """
    parent, name = os.path.split(os.path.abspath(path))
    with opened_directory(parent) as directory:

        def create(partial: str) -> int:
            os.mkdir(partial, dir_fd=directory)
            return os.open(partial, _DIRECTORY, dir_fd=directory)

        with _in_place(name, directory, create) as (partial, _):
            yield os.path.join(parent, partial)


@contextmanager
def opened_directory(path: str) -> Iterator[int]:
    """A descriptor of the directory."""
    fd = os.open(path, _DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)
