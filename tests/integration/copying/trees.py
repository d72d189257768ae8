"""Trees as a test compares them: what each file is, and not where."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple


class Seen(NamedTuple):
    """What counts of one file."""

    kind: str
    mode: int
    mtime: int
    content: bytes
    device: int


def seen(top: Path) -> dict[str, Seen]:
    """All files from `top` on, by their paths below it; ``.`` is itself."""
    found = {".": _look(top)}
    for directory, folders, files in os.walk(top):
        for name in (*folders, *files):
            path = Path(directory, name)
            found[str(path.relative_to(top))] = _look(path)
    return found


def _look(path: Path) -> Seen:
    status = path.lstat()
    content = b""
    if stat.S_ISREG(status.st_mode):
        content = path.read_bytes()
    elif stat.S_ISLNK(status.st_mode):
        content = os.fsencode(os.readlink(path))
    when = 0 if stat.S_ISDIR(status.st_mode) else int(status.st_mtime)
    return Seen(f"{stat.S_IFMT(status.st_mode):o}", stat.S_IMODE(status.st_mode), when, content, status.st_rdev)


def make(top: Path) -> None:
    """Some of everything."""
    (top / "dir/sub/empty").mkdir(parents=True)
    (top / "dir/file").write_text("content\n")
    (top / "dir/sub/program").write_bytes(b"\x7fELF")
    (top / "dir/sub/program").chmod(0o755)
    (top / "dir/sub").chmod(0o750)
    (top / "dir/up").symlink_to("sub/../file")
    (top / "dir/absolute").symlink_to("/etc/hostname")
    (top / "dir/dangling").symlink_to("nowhere")
    os.link(top / "dir/file", top / "dir/same")
    os.mkfifo(top / "dir/fifo", 0o640)
    os.mknod(top / "dir/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    (top / "file").write_text("a file\n")
    (top / "other").write_text("another\n")
    (top / "link").symlink_to("file")
    (top / "dirlink").symlink_to("dir")
    (top / "empty").mkdir()
    (top / "broken").symlink_to("missing")
    (top / "a\nb\x1b[31m").write_text("odd\n")
    for path in top.rglob("*"):
        os.utime(path, (1_500_000_000, 1_500_000_001), follow_symlinks=False)
