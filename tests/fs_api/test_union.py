"""What a union makes of its branches, without a mount."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cntr_plugins.fs.logic.caller import Caller
from cntr_plugins.fs.logic.directory import DirectoryBranch
from cntr_plugins.fs.logic.inodes import ROOT, Inode
from cntr_plugins.fs.logic.operations import Operations
from cntr_plugins.fs.logic.syscalls import RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT
from cntr_plugins.fs.logic.writable import WritableUnion

from cntr_core.filesystem import Changes

pytestmark = pytest.mark.requires("root")

ME = Caller(0, 0)


class Union:
    """Two directories and the filesystem over them."""

    def __init__(self, work: Path) -> None:
        self.top, self.lower = work / "top", work / "lower"
        self.top.mkdir()
        for name in ("dir/sub", "empty"):
            (self.lower / name).mkdir(parents=True)
        for name in ("file", "dir/one", "dir/sub/two"):
            (self.lower / name).write_text(name)
        self._served: list[Operations[Any]] = []
        self.filesystem = self.serve()

    def serve(self) -> Operations[Any]:
        fds = [os.open(path, os.O_PATH | os.O_DIRECTORY) for path in (self.top, self.lower)]
        branches = [DirectoryBranch(fd, writable=not index) for index, fd in enumerate(fds)]
        self._served.append(Operations(WritableUnion(branches), read_only=False))
        return self._served[-1]

    def close(self) -> None:
        for filesystem in self._served:
            filesystem.forget([(inode.number, inode.lookups) for inode in list(filesystem.inodes)])
            for fd in filesystem.branch.descriptors():
                os.close(fd)

    def find(self, path: str) -> Inode[Any]:
        number = ROOT
        for name in path.split("/"):
            inode, _ = self.filesystem.lookup(number, name.encode())
            number = inode.number
        return inode

    def place(self, path: str) -> tuple[int, bytes]:
        parent, _, name = path.rpartition("/")
        return (self.find(parent).number if parent else ROOT), name.encode()

    def list(self, path: str = "") -> list[str]:
        number = self.find(path).number if path else ROOT
        handle = self.filesystem.opendir(number)
        names = [entry.name.decode() for entry in self.filesystem.readdir(number, handle, 0)[2:]]
        self.filesystem.release(handle)
        return sorted(names)

    def read(self, path: str) -> bytes:
        return self.filesystem.read(self.find(path).number, 0, 1000, 0)

    def rename(self, old: str, new: str, flags: int = 0) -> None:
        self.filesystem.rename(self.place(old), self.place(new), flags)


@pytest.fixture
def union(tmp_path: Path) -> Iterator[Union]:
    union = Union(tmp_path)
    yield union
    union.close()


def fails_with(number: int) -> Any:
    return pytest.raises(OSError, match=rf"\[Errno {number}\]")


def is_whiteout(path: Path) -> bool:
    status = path.lstat()
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def test_removing_what_is_below_leaves_a_whiteout(union: Union) -> None:
    union.filesystem.unlink(*union.place("file"))
    assert is_whiteout(union.top / "file")
    assert union.list() == ["dir", "empty"]
    with fails_with(errno.ENOENT):
        union.find("file")
    union.filesystem.unlink(*union.place("dir/sub/two"))
    assert is_whiteout(union.top / "dir/sub/two")
    assert (union.lower / "file").exists()


def test_removing_what_is_on_top_alone_leaves_nothing(union: Union) -> None:
    union.filesystem.mkdir(ROOT, b"new", 0o755, ME)
    union.filesystem.rmdir(ROOT, b"new")
    assert os.listdir(union.top) == []


def test_a_directory_can_be_removed_when_only_whiteouts_are_left(union: Union) -> None:
    with fails_with(errno.ENOTEMPTY):
        union.filesystem.rmdir(*union.place("dir/sub"))
    union.filesystem.unlink(*union.place("dir/sub/two"))
    inside = union.find("dir/sub")
    union.filesystem.rmdir(*union.place("dir/sub"))
    assert union.list("dir") == ["one"]
    assert union.filesystem.getattr(inside.number)[1].st_nlink == 0
    with fails_with(errno.ENOENT):
        union.filesystem.lookup(inside.number, b"two")


def test_a_directory_that_may_not_be_removed_is_refused_for_that_and_not_for_being_full(union: Union) -> None:
    union.filesystem.mkdir(ROOT, b"new", 0o755, ME)
    union.filesystem.mkdir(*union.place("new/full"), 0o755, ME)
    union.filesystem.mkdir(*union.place("new/full/one"), 0o755, ME)
    subprocess.run(["chattr", "+i", union.top / "new"], check=True)
    try:
        with fails_with(errno.EPERM):
            union.filesystem.rmdir(*union.place("new/full"))
    finally:
        subprocess.run(["chattr", "-i", union.top / "new"], check=True)
    with fails_with(errno.ENOTEMPTY):
        union.filesystem.rmdir(*union.place("new/full"))
    assert union.list("new/full") == ["one"]


def test_a_directory_made_over_a_whiteout_is_empty(union: Union) -> None:
    union.filesystem.unlink(*union.place("dir/one"))
    union.filesystem.unlink(*union.place("dir/sub/two"))
    union.filesystem.rmdir(*union.place("dir/sub"))
    union.filesystem.rmdir(ROOT, b"dir")
    union.filesystem.mkdir(ROOT, b"dir", 0o700, ME)
    assert union.list("dir") == []
    assert os.getxattr(union.top / "dir", "trusted.overlay.opaque") == b"y"


def test_a_failed_creation_does_not_bring_back_what_is_below(union: Union) -> None:
    union.filesystem.unlink(ROOT, b"file")
    with fails_with(errno.ENAMETOOLONG):
        union.filesystem.symlink(ROOT, b"file", b"x" * 5000, ME)
    assert is_whiteout(union.top / "file")
    with fails_with(errno.ENOENT):
        union.find("file")


def test_what_exists_below_is_not_created_again(union: Union) -> None:
    with fails_with(errno.EEXIST):
        union.filesystem.mkdir(ROOT, b"dir", 0o700, ME)
    with fails_with(errno.EEXIST):
        union.filesystem.link(union.find("file").number, *union.place("dir/one"))
    assert os.listdir(union.top) == ["file"], "link(2) had copied it up; nothing else happened"


def test_a_whiteout_cannot_be_made_by_users(union: Union) -> None:
    with fails_with(errno.EPERM):
        union.filesystem.mknod(ROOT, b"x", stat.S_IFCHR | 0o600, 0, ME)
    with fails_with(errno.ENOTSUP):
        union.filesystem.setxattr(union.find("dir").number, b"trusted.overlay.opaque", b"y", 0)
    assert os.listdir(union.top) == []


def test_an_empty_file_is_a_whiteout_in_a_marked_directory_only_and_not_on_the_lowest_branch(union: Union) -> None:
    """As overlayfs takes them, and the same by name and in a listing."""
    for place in (union.top / "dir", union.top / "marked", union.lower / "marked"):
        place.mkdir(exist_ok=True)
        (place / "one").touch()
        os.setxattr(place / "one", "trusted.overlay.whiteout", b"")
    (union.lower / "marked/two").touch()
    os.setxattr(union.lower / "marked/two", "trusted.overlay.whiteout", b"")
    for place in (union.top / "marked", union.lower / "marked"):
        os.setxattr(place, "trusted.overlay.opaque", b"x")
    assert union.list("dir") == ["one", "sub"]
    assert union.find("dir/one").node.is_top, "its directory has no mark"
    assert union.list("marked") == ["two"]
    assert union.find("marked/two"), "below there is nothing to be hidden"
    with fails_with(errno.ENOENT):
        union.find("marked/one")


def test_changing_copies_up_and_keeps_the_number(union: Union) -> None:
    inode = union.find("dir/one")
    before = inode.node.ino
    directory = union.find("dir").node.ino
    union.filesystem.setattr(inode.number, Changes(mode=0o600), ME)
    assert (union.top / "dir/one").read_text() == "dir/one"
    assert stat.S_IMODE((union.lower / "dir/one").stat().st_mode) != 0o600
    union.filesystem.forget([(number.number, number.lookups) for number in list(union.filesystem.inodes)])
    assert union.find("dir/one").node.ino == before
    assert union.find("dir").node.ino == directory
    handle = union.filesystem.opendir(union.find("dir").number)
    listed = {entry.name: entry.ino for entry in union.filesystem.readdir(0, handle, 0)}
    assert listed[b"one"] == before


def test_what_lies_very_deep_is_copied_up(union: Union) -> None:
    """Deeper than Python may recurse."""
    here, depth = os.open(union.lower, os.O_PATH), 1500
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_PATH, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    number = ROOT
    for _ in range(depth):
        number = union.filesystem.lookup(number, b"d")[0].number
    file = union.filesystem.lookup(number, b"file")[0].number
    union.filesystem.setattr(file, Changes(mode=0o600), ME)
    found = union.filesystem.getattr(file)[1]
    assert stat.S_IMODE(found.st_mode) == 0o600
    os.close(here)
    for tree in (union.top, union.lower):
        subprocess.run(["rm", "-rf", tree / "d"], check=True)


def test_truncating_to_nothing_copies_nothing(union: Union) -> None:
    with (union.lower / "big").open("wb") as file:
        file.truncate(1 << 40)
    union.filesystem.setattr(union.find("big").number, Changes(size=0), ME)
    assert (union.top / "big").stat().st_size == 0


def test_of_a_file_with_terabytes_of_holes_only_the_data_is_copied(union: Union) -> None:
    """To read the holes takes half an hour, in which nobody else gets an answer."""
    places = (0, 1 << 20, 1 << 41)
    with (union.lower / "big").open("wb") as file:
        for place in places:
            file.seek(place)
            file.write(b"data")
        file.truncate(1 << 42)
    union.filesystem.setattr(union.find("big").number, Changes(mode=0o600), ME)
    copy = union.top / "big"
    assert copy.stat().st_size == 1 << 42
    assert copy.stat().st_blocks * 512 < 1 << 20
    with copy.open("rb") as file:
        for place in places:
            file.seek(place)
            assert file.read(5) == b"data\0"


def test_a_removed_file_that_is_open_can_still_be_changed(union: Union) -> None:
    inode = union.find("file")
    handle = union.filesystem.open(inode.number, os.O_RDONLY)
    union.filesystem.unlink(ROOT, b"file")
    assert union.filesystem.getattr(inode.number)[1].st_nlink == 0
    assert union.filesystem.read(0, handle, 100, 0) == b"file"
    union.filesystem.setattr(inode.number, Changes(size=2, mode=0o600), ME)
    assert union.filesystem.read(0, handle, 100, 0) == b"fi"
    assert union.filesystem.getattr(inode.number)[1].st_nlink == 0
    assert is_whiteout(union.top / "file")
    assert len(os.listdir(union.top)) == 1


def test_directories_below_are_not_renamed_and_new_ones_are(union: Union) -> None:
    with fails_with(errno.EXDEV):
        union.rename("dir", "other")
    union.filesystem.mkdir(ROOT, b"new", 0o755, ME)
    union.rename("new", "dir/new")
    with fails_with(errno.EXDEV):
        union.rename("dir/new", "dir/sub", RENAME_EXCHANGE)
    with fails_with(errno.ENOTEMPTY):
        union.rename("dir/new", "dir/sub")
    union.rename("dir/new", "empty")
    assert union.list("empty") == []
    assert os.getxattr(union.top / "empty", "trusted.overlay.opaque") == b"y"
    assert union.list("dir") == ["one", "sub"]


def test_renaming_a_file_leaves_a_whiteout_and_takes_its_number_along(union: Union) -> None:
    ino = union.find("file").node.ino
    union.rename("file", "dir/moved")
    assert is_whiteout(union.top / "file")
    assert union.read("dir/moved") == b"file"
    assert union.find("dir/moved").node.ino == ino
    union.rename("dir/moved", "file")
    assert union.read("file") == b"file"
    assert union.list("dir") == ["one", "sub"]
    union.rename("file", "dir/one")
    assert union.read("dir/one") == b"file"
    assert union.list() == ["dir", "empty"]


def test_the_flags_of_rename(union: Union) -> None:
    with fails_with(errno.EEXIST):
        union.rename("file", "dir/one", RENAME_NOREPLACE)
    with fails_with(errno.ENOENT):
        union.rename("file", "absent", RENAME_EXCHANGE)
    with fails_with(errno.EINVAL):
        union.rename("file", "absent", RENAME_WHITEOUT)
    union.rename("file", "dir/one", RENAME_EXCHANGE)
    assert (union.read("file"), union.read("dir/one")) == (b"dir/one", b"file")


def test_links_of_one_file_below_stay_links(union: Union) -> None:
    os.link(union.lower / "file", union.lower / "dir/linked")
    inode = union.find("file")
    assert union.find("dir/linked") is inode
    union.filesystem.setattr(inode.number, Changes(size=1), ME)
    assert (union.read("file"), union.read("dir/linked")) == (b"f", b"f")
    assert union.find("dir/linked") is inode
    assert (union.top / "file").stat().st_ino == (union.top / "dir/linked").stat().st_ino
    union.filesystem.unlink(ROOT, b"file")
    assert union.read("dir/linked") == b"f"
    union.filesystem.unlink(*union.place("dir/linked"))
    assert union.list("dir") == ["one", "sub"]


def test_a_copy_that_was_removed_behind_our_back_is_not_mistaken_for_another(union: Union) -> None:
    inode = union.find("file")
    union.filesystem.setattr(inode.number, Changes(mode=0o600), ME)
    number = (union.top / "file").stat().st_ino
    union.filesystem.forget([(inode.number, inode.lookups)])
    (union.top / "file").unlink()
    for attempt in range(50):
        path = union.top / f"new{attempt}"
        path.write_text("another")
        if path.stat().st_ino == number:
            break
    else:
        pytest.skip("this filesystem does not use the number again at once")
    below, other = union.find("file"), union.find(path.name)
    assert below is not other
    assert union.read("file") == b"file"
    assert union.read(path.name) == b"another"


def test_special_files_and_links_are_copied_up(union: Union) -> None:
    os.mkfifo(union.lower / "fifo")
    os.mknod(union.lower / "device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    (union.lower / "link").symlink_to("dir/one")
    for name in ("fifo", "device", "link"):
        union.filesystem.setattr(union.find(name).number, Changes(uid=7), ME)
        below, above = (union.lower / name).lstat(), (union.top / name).lstat()
        assert (above.st_uid, above.st_rdev, stat.S_IFMT(above.st_mode)) == (
            7,
            below.st_rdev,
            stat.S_IFMT(below.st_mode),
        )
    assert os.readlink(union.top / "link") == "dir/one"


def test_a_default_acl_on_the_way_does_not_reach_what_is_copied_up(union: Union) -> None:
    default = bytes.fromhex(
        "02000000 01000700ffffffff 02000700e8030000 04000500ffffffff 10000700ffffffff 20000500ffffffff"
    )
    os.setxattr(union.lower / "dir", "system.posix_acl_default", default)
    union.filesystem.setattr(union.find("dir/one").number, Changes(mode=0o640), ME)
    union.filesystem.setattr(union.find("dir/sub").number, Changes(mode=0o750), ME)
    assert os.listxattr(union.top / "dir") == ["system.posix_acl_default"]
    for name in ("one", "sub"):
        assert os.listxattr(union.top / "dir" / name) == []
    assert stat.S_IMODE((union.top / "dir/sub").stat().st_mode) == 0o750


def test_a_new_mount_of_the_same_branches_shows_the_same(union: Union) -> None:
    union.filesystem.unlink(ROOT, b"file")
    union.rename("dir/one", "one")
    union.filesystem.mkdir(ROOT, b"file", 0o755, ME)
    before = union.list(), union.list("dir"), union.list("file")
    union.filesystem = union.serve()
    assert (union.list(), union.list("dir"), union.list("file")) == before
