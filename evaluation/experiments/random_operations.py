#!/usr/bin/env python3
"""Random operations on files, each compared with what they must give: a small program of our own, in fsstress's place.

    python3 evaluation/experiments/random_operations.py DIRECTORY [--seconds 10] [--seed 0]

It knows what every file below DIRECTORY holds, and reads it back. An operation that takes longer than PATIENCE ends the
program by SIGALRM. EMFILE is an answer that may be had; any other error, or another content, is a failure. At the end
all files are read once more; the last line is JSON.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable

PATIENCE = 60  # seconds for one operation, on a busy machine
MOST_FILES = 200
LONGEST = 1 << 16


class Files:
    """A directory, and what must be in it."""

    def __init__(self, place: str, seed: int) -> None:
        self.place = place
        self.random = random.Random(seed)
        self.contents: dict[str, bytearray] = {}
        self.held: list[tuple[int, bytes]] = []
        self.last = 0
        os.mkdir(place)

    def _path(self, name: str) -> str:
        return os.path.join(self.place, name)

    def _some(self) -> str:
        return self.random.choice(list(self.contents)) if self.contents else self.create()

    def _new_name(self) -> str:
        self.last += 1
        directory = f"directory-{self.random.randrange(8)}"
        os.makedirs(self._path(directory), exist_ok=True)
        return f"{directory}/file-{self.last}"

    def _bytes(self) -> bytes:
        return self.random.randbytes(self.random.randrange(1, LONGEST))

    def create(self) -> str:
        if len(self.contents) >= MOST_FILES:
            self.unlink()
        name, content = self._new_name(), self._bytes()
        with open(self._path(name), "xb") as file:
            self.contents[name] = bytearray()  # there, whatever becomes of the writing
            file.write(content)
        self.contents[name] = bytearray(content)
        return name

    def overwrite(self) -> None:
        name, content = self._some(), self._bytes()
        offset = self.random.randrange(len(self.contents[name]) + 1)
        with open(self._path(name), "r+b") as file:
            file.seek(offset)
            file.write(content)
        self.contents[name][offset : offset + len(content)] = content

    def append(self) -> None:
        name, content = self._some(), self._bytes()[:100]
        with open(self._path(name), "ab") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        self.contents[name] += content

    def truncate(self) -> None:
        name, size = self._some(), self.random.randrange(LONGEST)
        os.truncate(self._path(name), size)
        self.contents[name] = self.contents[name][:size].ljust(size, b"\0")

    def read(self) -> None:
        self.check(self._some())

    def rename(self) -> None:
        """To a new name, or over another file."""
        old, new = self._some(), self.random.choice([self._new_name(), self._some()])
        os.rename(self._path(old), self._path(new))
        self.contents[new] = self.contents.pop(old)

    def link(self) -> None:
        """A second name, which is dropped, or takes the first one's place."""
        old, new = self._some(), self._new_name()
        os.link(self._path(old), self._path(new))
        assert os.stat(self._path(old)).st_nlink == 2
        gone = self.random.choice([old, new])
        self._unlink(gone)
        self.contents[new if gone == old else old] = self.contents.pop(old)

    def _unlink(self, name: str) -> None:
        """Remove a name of several, when there is a descriptor for it: one of ours is given back."""
        while True:
            try:
                return os.unlink(self._path(name))
            except OSError as error:
                if error.errno != errno.EMFILE:
                    raise
            if self.held:
                self._give_back()
            time.sleep(0.05)

    def _give_back(self) -> None:
        """Look at one of the files that are kept open, and close it."""
        fd, content = self.held.pop(self.random.randrange(len(self.held)))
        assert os.pread(fd, len(content) + 1, 0) == content, "a file without a name"
        os.close(fd)

    def chmod(self) -> None:
        path, mode = self._path(self._some()), self.random.choice([0o600, 0o640, 0o644])
        os.chmod(path, mode)
        assert os.stat(path).st_mode & 0o777 == mode

    def symlink(self) -> None:
        name = self._path(self._new_name())
        os.symlink("target", name)
        assert os.readlink(name) == "target"
        os.unlink(name)

    def list(self) -> None:
        found = {
            f"{directory}/{name}" for directory in os.listdir(self.place) for name in os.listdir(self._path(directory))
        }
        assert found == set(self.contents), found ^ set(self.contents)

    def unlink(self) -> None:
        name = self._some()
        os.unlink(self._path(name))
        del self.contents[name]

    def hold(self) -> None:
        """Keep a file open that has no name any more, and look at those that are kept."""
        if len(self.held) > 20:
            self._give_back()
        name = self._some()
        fd = os.open(self._path(name), os.O_RDWR)
        try:
            os.unlink(self._path(name))
        except OSError:
            os.close(fd)
            raise
        self.held.append((fd, bytes(self.contents.pop(name))))
        assert os.fstat(fd).st_nlink == 0
        os.fchmod(fd, 0o600)

    def check(self, name: str) -> None:
        with open(self._path(name), "rb") as file:
            found = file.read()
        expected = self.contents[name]
        assert found == expected, f"{name}: {len(found)} bytes for {len(expected)}, or others"

    def check_all(self) -> None:
        for name in self.contents:
            self.check(name)
        for fd, content in self.held:
            assert os.pread(fd, len(content) + 1, 0) == content, "a file without a name"
            os.close(fd)
        self.list()


def run(files: Files, seconds: float) -> Counter[str]:
    operations: list[Callable[[], object]] = [
        *(files.create, files.overwrite, files.append, files.truncate, files.read, files.rename, files.link),
        *(files.chmod, files.symlink, files.list, files.unlink, files.hold),
    ]
    done: Counter[str] = Counter()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        operation = files.random.choice(operations)
        signal.alarm(PATIENCE)
        try:
            operation()
        except OSError as error:
            if error.errno != errno.EMFILE:
                raise
            done["EMFILE"] += 1
        done[operation.__name__] += 1
    signal.alarm(10 * PATIENCE)
    files.check_all()
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("directory")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    place = os.path.join(arguments.directory, f"random-{arguments.seed}")
    files = Files(place, arguments.seed)
    done = run(files, arguments.seconds)
    shutil.rmtree(place)
    json.dump(done, sys.stdout)


if __name__ == "__main__":
    main()
