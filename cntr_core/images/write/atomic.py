"""Files and directories that appear complete, or not at all."""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from ...errors import ImageError
from ..tree.remove import remove_tree

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
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            remove_tree(name, directory)
        else:
            os.unlink(name, dir_fd=directory)
    finally:
        os.close(fd)


def _partial(name: str) -> str:
    return f".{name}{_MARK}{secrets.token_hex(6)}"


@contextmanager
def writing(path: str) -> Iterator[None]:
    """Says of a failure what could not be written; :raises ImageError: instead of any OSError."""
    try:
        yield
    except OSError as error:
        sentence = f"{path} cannot be written: {error.strerror or error}"
        raise ImageError(sentence, "free some space, or write to another place") from error


@contextmanager
def new_file(name: str, directory: int) -> Iterator[BinaryIO]:
    """A file for writing that takes the place of `name` in the directory of the descriptor when all is well.

    :raises OSError: it cannot be written; nothing is left of it.
    """
    remove_leftovers(directory, name)
    partial = _partial(name)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    fd = os.open(partial, flags, 0o666, dir_fd=directory)
    try:
        with os.fdopen(fd, "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.rename(partial, name, src_dir_fd=directory, dst_dir_fd=directory)
        os.fsync(directory)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(partial, dir_fd=directory)
        raise


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
    path = os.path.abspath(path)
    parent, name = os.path.split(path)
    with opened_directory(parent) as directory:
        remove_leftovers(directory, name)
        partial = _partial(name)
        os.mkdir(partial, dir_fd=directory)
        try:
            with opened_directory(os.path.join(parent, partial)) as made:
                fcntl.flock(made, fcntl.LOCK_EX)
                yield os.path.join(parent, partial)
                os.rename(partial, name, src_dir_fd=directory, dst_dir_fd=directory)
            os.fsync(directory)
        except BaseException:
            remove_tree(partial, directory)
            raise


@contextmanager
def opened_directory(path: str) -> Iterator[int]:
    """A descriptor of the directory."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)
