"""Processes of several users, that do the same operation in two directories."""

from __future__ import annotations

import errno
import os
import posix
import socket
import stat
import struct
from collections.abc import Callable
from pickle import dumps, loads
from typing import Any

from cntr_plugins.fs.logic.syscalls import fallocate, renameat2

from cntr_core.kernel.mounts import AT_FDCWD
from cntr_core.kernel.process import setgroups, setresgid, setresuid

OLD = 10**18  # nanoseconds: a time before it was set by a test, and is the same in both directories

Answer = tuple[str, Any]


class Actor:
    """A process of user `uid`. Directories are known by number, open files by a number of the caller's choice."""

    def __init__(self, uid: int, gid: int, groups: list[int], directories: list[int]) -> None:
        self._connection, other = socket.socketpair()
        self._pid = os.fork()
        if not self._pid:
            self._connection.close()
            try:
                setgroups(groups)
                setresgid(gid, gid, gid)
                setresuid(uid, uid, uid)
                _Stage(directories).play(other)
            finally:
                posix._exit(0)  # not coverage's, which would save what the thousands of actors did here
        other.close()

    def do(self, directory: int, operation: str, *arguments: Any) -> Answer:
        """What became of `operation` there: ``("ok", result)`` or ``("error", "ENOENT")``."""
        _send(self._connection, (directory, operation, arguments))
        answer: Answer = _receive(self._connection)
        return answer

    def close(self) -> None:
        _send(self._connection, None)  # closing would not do: later actors have inherited this end
        self._connection.close()
        os.waitpid(self._pid, 0)


def _send(connection: socket.socket, value: Any) -> None:
    data = dumps(value)
    connection.sendall(struct.pack("=I", len(data)) + data)


def _receive(connection: socket.socket) -> Any:
    (length,) = struct.unpack("=I", _exactly(connection, 4))
    return loads(_exactly(connection, length))


def _exactly(connection: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        more = connection.recv(length - len(data))
        if not more:
            raise EOFError
        data += more
    return data


class _Stage:
    """The actor's side: one method an operation."""

    def __init__(self, directories: list[int]) -> None:
        self._directories = directories
        self._open: dict[tuple[int, int], int] = {}
        self._here = 0

    def play(self, connection: socket.socket) -> None:
        while True:
            request = _receive(connection)
            if request is None:
                return
            self._here, operation, arguments = request
            _send(connection, self._answer(getattr(self, operation), arguments))

    def _answer(self, operation: Callable[..., Any], arguments: tuple[Any, ...]) -> Answer:
        try:
            os.fchdir(self._directories[self._here])
            return "ok", operation(*arguments)
        except OSError as error:
            return "error", errno.errorcode.get(error.errno or 0, str(error.errno))

    def _fd(self, handle: int) -> int:
        return self._open[self._here, handle]

    # Names

    def open(self, handle: int, path: str, flags: int, mode: int) -> Any:
        fd = os.open(path, flags | os.O_NONBLOCK, mode)
        self._open[self._here, handle] = fd
        return state(os.fstat(fd))

    def mkdir(self, path: str, mode: int) -> None:
        os.mkdir(path, mode)

    def mknod(self, path: str, mode: int, device: int) -> None:
        os.mknod(path, mode, device)

    def symlink(self, path: str, target: str) -> None:
        os.symlink(target, path)

    def link(self, old: str, new: str) -> None:
        os.link(old, new, follow_symlinks=False)

    def unlink(self, path: str) -> None:
        os.unlink(path)

    def rmdir(self, path: str) -> None:
        os.rmdir(path)

    def rename(self, old: str, new: str, flags: int) -> None:
        renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), flags)

    def readlink(self, path: str) -> str:
        return os.readlink(path)

    def listdir(self, path: str) -> list[str]:
        return sorted(os.listdir(path))

    def stat(self, path: str) -> Any:
        return state(os.lstat(path))

    def access(self, path: str, mode: int) -> bool:
        return os.access(path, mode)

    # Attributes

    def chmod(self, path: str, mode: int) -> Any:
        os.chmod(path, mode)
        return state(os.stat(path))

    def chown(self, path: str, uid: int, gid: int) -> Any:
        os.chown(path, uid, gid, follow_symlinks=False)
        return state(os.lstat(path))

    def utime(self, path: str, atime: int, mtime: int) -> Any:
        os.utime(path, ns=(atime, mtime), follow_symlinks=False)
        status = os.lstat(path)
        return status.st_atime_ns, status.st_mtime_ns

    def touch(self, path: str) -> bool:
        os.utime(path)
        return os.stat(path).st_mtime_ns > OLD

    def truncate(self, path: str, size: int) -> Any:
        os.truncate(path, size)
        return state(os.stat(path))

    def umask(self, mask: int) -> int:
        return os.umask(mask)

    def setxattr(self, path: str, name: str, value: bytes, flags: int) -> Any:
        os.setxattr(path, name, value, flags, follow_symlinks=False)
        return state(os.lstat(path))

    def getxattr(self, path: str, name: str) -> bytes:
        return os.getxattr(path, name, follow_symlinks=False)

    def listxattr(self, path: str) -> list[str]:
        return sorted(os.listxattr(path, follow_symlinks=False))

    def removexattr(self, path: str, name: str) -> Any:
        os.removexattr(path, name, follow_symlinks=False)
        return state(os.lstat(path))

    # What is open

    def close(self, handle: int) -> None:
        os.close(self._open.pop((self._here, handle)))

    def read(self, handle: int, size: int, offset: int) -> bytes:
        return os.pread(self._fd(handle), size, offset)

    def write(self, handle: int, data: bytes, offset: int) -> Any:
        return os.pwrite(self._fd(handle), data, offset), state(os.fstat(self._fd(handle)))

    def ftruncate(self, handle: int, size: int) -> Any:
        os.ftruncate(self._fd(handle), size)
        return state(os.fstat(self._fd(handle)))

    def fchmod(self, handle: int, mode: int) -> None:
        os.fchmod(self._fd(handle), mode)

    def fstat(self, handle: int) -> Any:
        return state(os.fstat(self._fd(handle)))

    def fsync(self, handle: int) -> None:
        os.fsync(self._fd(handle))

    def fallocate(self, handle: int, mode: int, offset: int, length: int) -> Any:
        fallocate(self._fd(handle), mode, offset, length)
        return state(os.fstat(self._fd(handle)))

    def copy(self, source: int, target: int, length: int, offset: int, target_offset: int) -> Any:
        fd = self._fd(target)
        copied = os.copy_file_range(self._fd(source), fd, length, offset, target_offset)
        return copied, state(os.fstat(fd))

    def seek(self, handle: int, offset: int, whence: int) -> int:
        return os.lseek(self._fd(handle), offset, whence)

    # The whole

    def walk(self) -> Any:
        """Everything below, by path; files that are one are named by the first of their paths."""
        first: dict[int, str] = {}
        found = {}
        for path in _paths("."):
            status = os.lstat(path)
            same = first.setdefault(status.st_ino, path) if not stat.S_ISDIR(status.st_mode) else path
            names = sorted(os.listxattr(path, follow_symlinks=False))
            found[path] = (
                state(status),
                same,
                _content(path, status),
                [(name, os.getxattr(path, name, follow_symlinks=False)) for name in names],
            )
        return found

    def numbers(self) -> list[str]:
        """Paths whose inode number is another in their directory than by stat(2)."""
        return [path for path, ino in _listed(".") if os.lstat(path).st_ino != ino]


def state(status: os.stat_result) -> tuple[int, ...]:
    """What must be the same of a file in both directories. Sizes of directories are the filesystem's business."""
    directory = stat.S_ISDIR(status.st_mode)
    size = 0 if directory else status.st_size
    links = 0 if directory else status.st_nlink
    when = status.st_mtime_ns if status.st_mtime_ns < OLD else OLD
    return status.st_mode, links, status.st_uid, status.st_gid, status.st_rdev, size, when


def _paths(directory: str) -> list[str]:
    paths = []
    for name in sorted(os.listdir(directory)):
        path = f"{directory}/{name}"
        paths.append(path)
        if stat.S_ISDIR(os.lstat(path).st_mode):
            paths += _paths(path)
    return paths


def _listed(directory: str) -> list[tuple[str, int]]:
    with os.scandir(directory) as entries:
        found = [(entry.path, entry.inode(), entry.is_dir(follow_symlinks=False)) for entry in entries]
    below = [item for path, _, is_dir in found if is_dir for item in _listed(path)]
    return [(path, ino) for path, ino, _ in found] + below


def _content(path: str, status: os.stat_result) -> bytes | str:
    if stat.S_ISLNK(status.st_mode):
        return os.readlink(path)
    if stat.S_ISREG(status.st_mode):
        with open(path, "rb") as file:
            return file.read()
    return b""
