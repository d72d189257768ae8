"""The filesystem's handlers on a plain directory, without a mount."""

from __future__ import annotations

import errno
import os
import resource
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cntr_plugins.fs.logic import pruning, recall
from cntr_plugins.fs.logic.caller import Caller, prepare_credentials
from cntr_plugins.fs.logic.descriptors import FileNode
from cntr_plugins.fs.logic.directory import DirectoryBranch
from cntr_plugins.fs.logic.inodes import ROOT
from cntr_plugins.fs.logic.operations import Operations
from cntr_plugins.fs.logic.syscalls import RENAME_EXCHANGE, RENAME_NOREPLACE

from cntr_core.filesystem import NOW, Changes
from tests.support.children import in_child

ME = Caller(os.getuid(), os.getgid()) if os.getuid() else Caller(0, 0)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    path = tmp_path / "tree"
    path.mkdir()
    return path


def serve(tree: Path, limit: int | None = None, read_only: bool = False) -> Operations[Any]:
    fd = os.open(tree, os.O_PATH | os.O_DIRECTORY)
    return Operations(DirectoryBranch(fd, writable=not read_only, limit=limit), read_only=read_only)


@pytest.fixture
def filesystem(tree: Path) -> Iterator[Operations[Any]]:
    operations = serve(tree)
    yield operations
    forget_everything(operations)


def forget_everything(operations: Operations[Any]) -> None:
    operations.forget([(inode.number, inode.lookups) for inode in list(operations.inodes)])
    for fd in operations.branch.descriptors():
        os.close(fd)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def fails_with(number: int) -> Any:
    return pytest.raises(OSError, match=rf"\[Errno {number}\]")


def test_a_file_is_found_by_its_number_when_the_name_by_which_it_was_known_last_is_gone(
    filesystem: Operations[Any], tree: Path
) -> None:
    """Whether or not the kernel had forgotten it in between, when it was known by the other name."""
    (tree / "one").touch()
    os.link(tree / "one", tree / "two")
    filesystem.lookup(ROOT, b"two")
    inode, _ = filesystem.lookup(ROOT, b"one")
    filesystem.unlink(ROOT, b"one")
    filesystem.forget([(inode.number, 2)])
    found, status = recall.find(filesystem, inode.number, b".")
    assert found.node.name == b"two"
    assert status.st_ino == (tree / "two").stat().st_ino


def test_look_ups_are_counted_until_they_are_forgotten(filesystem: Operations[Any], tree: Path) -> None:
    (tree / "file").touch()
    inode, _ = filesystem.lookup(ROOT, b"file")
    again, _ = filesystem.lookup(ROOT, b"file")
    assert again is inode
    assert inode.lookups == 2
    filesystem.forget([(inode.number, 1)])
    assert filesystem.getattr(inode.number)[0] is inode
    filesystem.forget([(inode.number, 1)])
    with pytest.raises(KeyError):
        filesystem.getattr(inode.number)
    filesystem.forget([(inode.number, 1)])  # the kernel's mistake is not ours


def test_a_number_is_the_same_after_it_was_forgotten(filesystem: Operations[Any], tree: Path) -> None:
    (tree / "file").touch()
    inode, _ = filesystem.lookup(ROOT, b"file")
    filesystem.forget([(inode.number, 1)])
    assert filesystem.lookup(ROOT, b"file")[0].number == inode.number == (tree / "file").stat().st_ino


def test_hard_links_are_one_inode(filesystem: Operations[Any], tree: Path) -> None:
    (tree / "one").touch()
    one, _ = filesystem.lookup(ROOT, b"one")
    two, status = filesystem.link(one.number, ROOT, b"two")
    assert two is one
    assert status.st_nlink == 2
    filesystem.unlink(ROOT, b"one")
    assert filesystem.getattr(one.number)[1].st_nlink == 1
    assert filesystem.lookup(ROOT, b"two")[0] is one


def test_an_open_file_outlives_its_name(filesystem: Operations[Any]) -> None:
    inode, _, handle = filesystem.create(ROOT, b"file", os.O_RDWR, 0o644, ME)
    filesystem.write(inode.number, handle, b"content", 0, ME)
    filesystem.unlink(ROOT, b"file")
    assert filesystem.read(inode.number, handle, 100, 0) == b"content"
    assert filesystem.getattr(inode.number)[1].st_nlink == 0
    filesystem.setattr(inode.number, Changes(size=3, mode=0o600), ME)
    assert filesystem.read(inode.number, handle, 100, 0) == b"con"
    other = filesystem.open(inode.number, os.O_RDONLY)
    assert filesystem.read(inode.number, other, 100, 1) == b"on"
    for number in (handle, other):
        filesystem.release(number)


def test_a_file_that_takes_the_number_of_a_removed_one_is_another(filesystem: Operations[Any], tree: Path) -> None:
    (tree / "file").touch()
    inode, _ = filesystem.lookup(ROOT, b"file")
    generation = inode.generation
    number = (tree / "file").stat().st_ino
    (tree / "file").unlink()  # behind our back, which holds no descriptor of it
    (tree / "file").mkdir()
    if (tree / "file").stat().st_ino != number:
        pytest.skip("this filesystem does not use the number again at once")
    again, status = filesystem.lookup(ROOT, b"file")
    assert stat.S_ISDIR(status.st_mode)
    assert (again.number, again.generation) != (inode.number, generation)


def test_what_was_exchanged_behind_our_back_is_stale(filesystem: Operations[Any], tree: Path) -> None:
    (tree / "file").touch()
    inode, _ = filesystem.lookup(ROOT, b"file")
    (tree / "file").rename(tree / "elsewhere")
    with fails_with(errno.ENOENT):
        filesystem.getattr(inode.number)
    (tree / "file").touch()
    with fails_with(errno.ESTALE):
        filesystem.getattr(inode.number)
    with fails_with(errno.ESTALE):
        filesystem.open(inode.number, os.O_RDONLY)
    assert filesystem.lookup(ROOT, b"elsewhere")[0] is inode
    assert filesystem.getattr(inode.number)


def test_a_storm_of_look_ups_needs_few_descriptors(tree: Path) -> None:
    """Ten thousand names in a deep tree, all of them known and used, with 16 descriptors for them."""
    deep = tree
    for level in range(40):
        deep = deep / f"level{level}"
        deep.mkdir()
        for number in range(25):
            (deep / str(number)).touch()
    operations = serve(tree, limit=16)
    before = descriptors()
    known = []
    for _ in range(2):
        parent = ROOT
        for level in range(40):
            parent = operations.lookup(parent, f"level{level}".encode())[0].number
            for number in range(25):
                inode, _ = operations.lookup(parent, str(number).encode())
                operations.setattr(inode.number, Changes(mode=0o600), ME)
                known.append(inode.number)
    for number in known:
        assert stat.S_IMODE(operations.getattr(number)[1].st_mode) == 0o600
        operations.listxattr(number, ME)
        assert descriptors() - before <= 17
    operations.rename((parent, b"0"), (ROOT, b"moved"), 0)
    operations.link(known[-1], ROOT, b"linked")
    assert {"moved", "linked"} < set(os.listdir(tree))
    forget_everything(operations)
    assert descriptors() == before - 1
    assert len(operations.inodes) == 1


_DESCRIPTORS = 256


def _hogged(tree: Path) -> Operations[Any]:
    """A filesystem whose process may have few descriptors, and a file that somebody else has had open."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (_DESCRIPTORS, _DESCRIPTORS))
    return serve(tree)


def _until_refused(step: Callable[[int], object]) -> int:
    """How often `step` works before it is refused for want of descriptors; then it is so for good."""
    for number in range(2 * _DESCRIPTORS):
        try:
            step(number)
        except OSError as error:
            assert error.errno == errno.EMFILE
            for later in range(5):
                with fails_with(errno.EMFILE):
                    step(1000 + later)
            return number
    raise AssertionError("nobody was refused")


@pytest.mark.parametrize("how", ["open", "unlinked", "nameless"])
def test_who_opens_too_much_is_refused_and_nobody_else_notices(tree: Path, how: str) -> None:
    (tree / "dir/sub").mkdir(parents=True)
    for name in ("dir/sub/known", "dir/sub/unknown", "gone"):
        (tree / name).write_text("theirs")

    def act() -> tuple[int, int]:
        filesystem = _hogged(tree)
        directory = filesystem.lookup(filesystem.lookup(ROOT, b"dir")[0].number, b"sub")[0].number
        known = filesystem.lookup(directory, b"known")[0].number
        handle = filesystem.open(known, os.O_RDWR)
        gone = filesystem.lookup(ROOT, b"gone")[0].number
        nameless = filesystem.open(gone, os.O_RDWR)
        filesystem.unlink(ROOT, b"gone")

        def hog(number: int) -> None:
            name = f"hog{number}".encode()
            if how == "nameless":
                filesystem.tmpfile(ROOT, os.O_RDWR, 0o600, ME)
            else:
                filesystem.create(ROOT, name, os.O_RDWR, 0o600, ME)
                if how == "unlinked":
                    filesystem.unlink(ROOT, name)

        worked = _until_refused(hog)
        for number, opened in ((known, handle), (gone, nameless)):
            assert filesystem.read(number, opened, 10, 0) == b"theirs"
            assert filesystem.write(number, opened, b"theirs", 0, ME) == 6
            assert filesystem.getattr(number)[1].st_size == 6
            filesystem.setattr(number, Changes(mode=0o640), ME)
            filesystem.setxattr(number, b"user.mine", b"1", 0)
        names = [entry.name for entry in filesystem.readdir(directory, filesystem.opendir(directory), 0)]
        assert {b"known", b"unknown"} <= set(names)
        unknown = filesystem.lookup(directory, b"unknown")[0].number
        filesystem.setattr(unknown, Changes(mode=0o600), ME)
        filesystem.mkdir(directory, b"new", 0o700, ME)
        filesystem.release(handle)
        return worked, filesystem.open(known, os.O_RDONLY)

    worked, again = in_child(act)
    assert worked > _DESCRIPTORS // 8
    assert again


def test_a_hog_keeps_nobody_from_removing_and_replacing_files_that_are_not_open(tree: Path) -> None:
    def act() -> None:
        filesystem = _hogged(tree)

        def hog(number: int) -> None:
            name = f"hog{number}".encode()
            filesystem.create(ROOT, name, os.O_RDWR, 0o600, ME)
            filesystem.unlink(ROOT, name)

        for name in (b"file", b"old", b"new", b"one"):
            filesystem.mknod(ROOT, name, stat.S_IFREG | 0o600, 0, ME)
        filesystem.mkdir(ROOT, b"dir", 0o700, ME)
        linked = filesystem.lookup(ROOT, b"one")[0].number
        filesystem.link(linked, ROOT, b"link")
        _until_refused(hog)
        with fails_with(errno.EMFILE):  # else the other name would lose its file
            filesystem.unlink(ROOT, b"link")
        assert filesystem.getattr(linked)[1].st_nlink == 2
        filesystem.unlink(ROOT, b"one")  # it is known by the other one
        assert filesystem.getattr(linked)[1].st_nlink == 1
        filesystem.unlink(ROOT, b"file")
        filesystem.rename((ROOT, b"old"), (ROOT, b"new"), 0)
        filesystem.rmdir(ROOT, b"dir")
        for number in range(2 * _DESCRIPTORS):  # also many, and the names can be had again
            name = f"mine{number}".encode()
            filesystem.mknod(ROOT, name, stat.S_IFREG | 0o600, 0, ME)
            filesystem.unlink(ROOT, name)
        filesystem.mkdir(ROOT, b"file", 0o700, ME)
        assert {b"new", b"link", b"file"} <= {
            entry.name for entry in filesystem.readdir(ROOT, filesystem.opendir(ROOT), 0)
        }

    in_child(act)


def test_a_tree_is_deeper_than_python_may_recurse(tree: Path) -> None:
    """Two thousand directories, and a descriptor for few of them."""
    filesystem = serve(tree, limit=8)
    numbers = [ROOT]
    for _ in range(2000):
        numbers.append(filesystem.mkdir(numbers[-1], b"d", 0o700, ME)[0].number)
    filesystem.mknod(numbers[-1], b"file", stat.S_IFREG | 0o600, 0, ME)
    assert filesystem.getattr(numbers[1])[1].st_nlink
    assert [entry.name for entry in filesystem.readdir(numbers[-1], filesystem.opendir(numbers[-1]), 0)][2:] == [
        b"file"
    ]
    assert filesystem.getattr(numbers[1000])[1].st_nlink
    filesystem.unlink(numbers[-1], b"file")
    for number in numbers[-2::-1]:
        filesystem.rmdir(number, b"d")
    forget_everything(filesystem)


def test_directories_that_were_moved_into_each_other_behind_our_back_are_stale(tree: Path) -> None:
    (tree / "one/two").mkdir(parents=True)
    filesystem = serve(tree, limit=8)
    one = filesystem.lookup(ROOT, b"one")[0]
    two = filesystem.lookup(one.number, b"two")[0]
    one.node.parent = two.node  # as a look-up finds it, when two is above one by now
    for inode in (one, two):
        filesystem.branch.forget(inode.node)  # their descriptors
    for _ in range(2):
        with fails_with(errno.ESTALE):
            filesystem.readdir(one.number, filesystem.opendir(one.number), 0)


def test_what_a_hog_gives_back_can_be_had_again(tree: Path) -> None:
    def act() -> int:
        filesystem = _hogged(tree)
        worked = 0
        for _ in range(3):
            made: list[tuple[int, int]] = []

            def hog(number: int, made: list[tuple[int, int]] = made) -> None:
                inode, _, handle = filesystem.create(ROOT, f"hog{number}".encode(), os.O_RDWR, 0o600, ME)
                made.append((inode.number, handle))
                filesystem.unlink(ROOT, f"hog{number}".encode())

            worked = _until_refused(hog)
            for number, handle in made:
                filesystem.release(handle)
                filesystem.forget([(number, 1)])
        return worked

    assert in_child(act) > _DESCRIPTORS // 8


def test_a_listing_alone_enters_no_more_than_a_bound(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "MOST_LISTED", 10)
    for number in range(30):
        (tree / f"file{number}").touch()
    (tree / "dir").mkdir()
    filesystem = serve(tree)
    handle = filesystem.opendir(ROOT)
    entries = [entry for entry in filesystem.readdir(ROOT, handle, 0) if entry.name not in (b".", b"..")]
    found = {entry.name: filesystem.listed_entry(ROOT, entry) for entry in entries}
    assert len(found) == 31
    assert len([each for each in found.values() if each]) <= 10
    assert found[b"dir"] is not None, "a directory is walked into, and would be asked for at once"
    unlisted = next(name for name, each in found.items() if each is None)
    assert stat.S_ISREG(filesystem.lookup(ROOT, unlisted)[1].st_mode), "who asks for it gets it"
    forget_everything(filesystem)


def test_the_memory_of_what_is_forgotten_is_given_back(tree: Path) -> None:
    """A find over a large tree must not make the server large for ever."""
    filesystem = serve(tree)
    table = filesystem.inodes
    for number in range(2, 30_000):
        table.enter(FileNode((0, number), number, None, b""), stat.S_IFREG)
    large = sys.getsizeof(table._numbered) + sys.getsizeof(table._keyed)
    filesystem.forget([(inode.number, inode.lookups) for inode in list(table)])
    assert sys.getsizeof(table._numbered) + sys.getsizeof(table._keyed) < large / 2
    assert len(table) == 1
    forget_everything(filesystem)


def test_forgetting_closes_what_was_opened_for_it(filesystem: Operations[Any]) -> None:
    before = descriptors()
    inode, _, handle = filesystem.create(ROOT, b"file", os.O_RDWR, 0o644, ME)
    filesystem.setattr(inode.number, Changes(mode=0o600), ME)
    filesystem.unlink(ROOT, b"file")
    assert descriptors() > before
    filesystem.release(handle)
    filesystem.forget([(inode.number, 1)])
    assert descriptors() == before
    assert len(filesystem.handles) == 0


def test_renaming_moves_what_is_known(filesystem: Operations[Any], tree: Path) -> None:
    (tree / "dir/sub").mkdir(parents=True)
    (tree / "dir/sub/file").write_text("x")
    (tree / "target").write_text("old")
    directory = filesystem.lookup(ROOT, b"dir")[0]
    sub = filesystem.lookup(directory.number, b"sub")[0]
    file = filesystem.lookup(sub.number, b"file")[0]
    target = filesystem.lookup(ROOT, b"target")[0]
    filesystem.rename((ROOT, b"dir"), (ROOT, b"renamed"), 0)
    assert filesystem.getattr(file.number)[1].st_size == 1
    filesystem.rename((sub.number, b"file"), (ROOT, b"target"), 0)
    assert filesystem.getattr(file.number)[1].st_size == 1
    assert filesystem.getattr(target.number)[1].st_nlink == 0
    with fails_with(errno.EEXIST):
        filesystem.rename((ROOT, b"target"), (ROOT, b"renamed"), RENAME_NOREPLACE)
    filesystem.rename((ROOT, b"target"), (ROOT, b"renamed"), RENAME_EXCHANGE)
    assert filesystem.lookup(ROOT, b"renamed")[0] is file
    assert filesystem.lookup(ROOT, b"target")[0] is directory
    assert filesystem.getattr(file.number)
    assert filesystem.lookup(directory.number, b"sub")[0] is sub


def test_a_listing_stays_as_it_was_until_it_is_rewound(filesystem: Operations[Any], tree: Path) -> None:
    for number in range(100):
        (tree / str(number)).touch()
    os.mkfifo(tree / "fifo")
    handle = filesystem.opendir(ROOT)
    entries = filesystem.readdir(ROOT, handle, 0)
    assert [entry.name for entry in entries[:2]] == [b".", b".."]
    kinds = {entry.name: entry.kind for entry in entries}
    assert kinds[b"fifo"] == stat.S_IFIFO
    assert kinds[b"0"] == stat.S_IFREG
    for number in range(100):
        filesystem.unlink(ROOT, str(number).encode())
    assert filesystem.readdir(ROOT, handle, 50) is entries
    assert [entry.name for entry in filesystem.readdir(ROOT, handle, 0)] == [b".", b"..", b"fifo"]
    filesystem.release(handle)


def test_listed_and_looked_up_numbers_agree(filesystem: Operations[Any], tree: Path) -> None:
    for name in ("file", "other"):
        (tree / name).touch()
    handle = filesystem.opendir(ROOT)
    for entry in filesystem.readdir(ROOT, handle, 0)[2:]:
        assert filesystem.lookup(ROOT, entry.name)[0].node.ino == entry.ino
    filesystem.release(handle)


def test_times_can_be_set_apart_to_now_and_before_the_epoch(filesystem: Operations[Any]) -> None:
    inode, _ = filesystem.mknod(ROOT, b"fifo", stat.S_IFIFO | 0o600, 0, ME)
    filesystem.setattr(inode.number, Changes(atime_ns=-1, mtime_ns=5), ME)
    _, status = filesystem.setattr(inode.number, Changes(mtime_ns=NOW), ME)
    assert status.st_atime_ns == -1
    assert status.st_mtime_ns > 10**18


def test_extended_attributes_of_every_kind_of_file(filesystem: Operations[Any], tree: Path) -> None:
    (tree / "file").touch()
    inode, _ = filesystem.lookup(ROOT, b"file")
    filesystem.setxattr(inode.number, b"user.x", b"\0\xff", os.XATTR_CREATE)
    with fails_with(errno.EEXIST):
        filesystem.setxattr(inode.number, b"user.x", b"", os.XATTR_CREATE)
    assert filesystem.getxattr(inode.number, b"user.x") == b"\0\xff"
    assert filesystem.listxattr(inode.number, ME) == [b"user.x"]
    filesystem.removexattr(inode.number, b"user.x")
    with fails_with(errno.ENODATA):
        filesystem.getxattr(inode.number, b"user.x")


@pytest.mark.requires("root")
def test_trusted_attributes_are_on_links_too_and_for_root_alone(filesystem: Operations[Any], tree: Path) -> None:
    inode, _ = filesystem.symlink(ROOT, b"link", b"nowhere", ME)
    filesystem.setxattr(inode.number, b"trusted.x", b"1", 0)
    assert filesystem.getxattr(inode.number, b"trusted.x") == b"1"
    assert filesystem.listxattr(inode.number, Caller(0, 0)) == [b"trusted.x"]
    assert filesystem.listxattr(inode.number, Caller(1000, 1000)) == []
    assert filesystem.readlink(inode.number) == b"nowhere"
    filesystem.setattr(inode.number, Changes(uid=5, gid=6), ME)
    assert os.lstat(tree / "link").st_uid == 5


def test_a_filesystem_without_acls_has_none() -> None:
    """/proc knows no ACLs: ENOTSUP, which access(2) would pass on, becomes "none set"."""
    operations = serve(Path("/proc"), read_only=True)
    with fails_with(errno.ENODATA):
        operations.getxattr(ROOT, b"system.posix_acl_access")
    forget_everything(operations)


@pytest.mark.requires("root")
def test_new_files_are_their_makers(tree: Path) -> None:
    """In a directory where only root may write: the kernel has allowed it already, by a group perhaps."""
    tree.chmod(0o700)
    maker = Caller(1000, 1001, 0, 0o027)
    child = os.fork()
    if not child:
        try:
            prepare_credentials()
            filesystem = serve(tree)
            filesystem.create(ROOT, b"file", os.O_WRONLY, 0o666, maker)
            filesystem.mkdir(ROOT, b"dir", 0o2777, maker)
            filesystem.symlink(ROOT, b"link", b"x", maker)
            filesystem.mkdir(ROOT, b"mine", 0o755, Caller(0, 0))
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    made = {path.name: path.lstat() for path in tree.iterdir()}
    owners = {name: (status.st_uid, status.st_gid) for name, status in made.items()}
    assert owners == {"file": (1000, 1001), "dir": (1000, 1001), "link": (1000, 1001), "mine": (0, 0)}
    assert stat.S_IMODE(made["file"].st_mode) == 0o640
    assert stat.S_IMODE(made["dir"].st_mode) & 0o777 == 0o750


def test_creating_what_exists_opens_it_unless_exclusive(filesystem: Operations[Any], tree: Path) -> None:
    (tree / "file").write_text("content")
    inode, status, handle = filesystem.create(ROOT, b"file", os.O_RDONLY, 0o600, ME)
    assert status.st_size == 7
    assert filesystem.read(inode.number, handle, 10, 0) == b"content"
    filesystem.release(handle)
    with fails_with(errno.EEXIST):
        filesystem.create(ROOT, b"file", os.O_RDONLY | os.O_EXCL, 0o600, ME)
    _, status, handle = filesystem.create(ROOT, b"file", os.O_WRONLY | os.O_TRUNC, 0o600, ME)
    assert status.st_size == 0
    filesystem.release(handle)


def test_appending_goes_to_the_end_wherever_that_is(filesystem: Operations[Any], tree: Path) -> None:
    inode, _, handle = filesystem.create(ROOT, b"log", os.O_WRONLY | os.O_APPEND, 0o600, ME)
    with (tree / "log").open("ab") as other:
        other.write(b"theirs;")
    filesystem.write(inode.number, handle, b"ours;", 0, ME)
    assert (tree / "log").read_bytes() == b"theirs;ours;"
    filesystem.release(handle)


def test_a_nameless_file_gets_a_name(filesystem: Operations[Any], tree: Path) -> None:
    inode, _, handle = filesystem.tmpfile(ROOT, os.O_RDWR, 0o600, ME)
    filesystem.write(inode.number, handle, b"x", 0, ME)
    named, _ = filesystem.link(inode.number, ROOT, b"named")
    assert named is inode
    assert (tree / "named").read_bytes() == b"x"
    filesystem.release(handle)


def test_holes_are_found_and_made(filesystem: Operations[Any], tree: Path) -> None:
    inode, _, handle = filesystem.create(ROOT, b"file", os.O_RDWR, 0o600, ME)
    filesystem.fallocate(inode.number, handle, 0, 0, 8192, ME)
    assert (tree / "file").stat().st_size == 8192
    filesystem.write(inode.number, handle, b"x" * 8192, 0, ME)
    filesystem.fallocate(inode.number, handle, 3, 0, 4096, ME)
    assert filesystem.lseek(inode.number, handle, 0, os.SEEK_DATA) == 4096
    assert filesystem.lseek(inode.number, handle, 0, os.SEEK_HOLE) == 0
    copy, _, other = filesystem.create(ROOT, b"copy", os.O_RDWR, 0o600, ME)
    copied = filesystem.copy_file_range((inode.number, handle, 4096), (copy.number, other, 10), 50, ME)
    assert copied == 50
    assert (tree / "copy").read_bytes() == bytes(10) + b"x" * 50
    for number in (handle, other):
        filesystem.release(number)


def test_a_read_only_filesystem_refuses_every_change(tree: Path) -> None:
    (tree / "file").touch()
    operations = serve(tree, read_only=True)
    inode, _ = operations.lookup(ROOT, b"file")
    attempts = [
        lambda: operations.create(ROOT, b"x", os.O_WRONLY, 0o600, ME),
        lambda: operations.tmpfile(ROOT, os.O_WRONLY, 0o600, ME),
        lambda: operations.mkdir(ROOT, b"x", 0o700, ME),
        lambda: operations.mknod(ROOT, b"x", stat.S_IFREG, 0, ME),
        lambda: operations.symlink(ROOT, b"x", b"y", ME),
        lambda: operations.link(inode.number, ROOT, b"x"),
        lambda: operations.unlink(ROOT, b"file"),
        lambda: operations.rmdir(ROOT, b"file"),
        lambda: operations.rename((ROOT, b"file"), (ROOT, b"x"), 0),
        lambda: operations.setattr(inode.number, Changes(mode=0), ME),
        lambda: operations.setxattr(inode.number, b"user.x", b"", 0),
        lambda: operations.removexattr(inode.number, b"user.x"),
        lambda: operations.open(inode.number, os.O_WRONLY),
        lambda: operations.backing(inode.number, os.O_RDWR),
    ]
    for attempt in attempts:
        with fails_with(errno.EROFS):
            attempt()
    assert os.listdir(tree) == ["file"]
    forget_everything(operations)


def test_a_file_is_read_that_was_never_opened(filesystem: Operations[Any], tree: Path) -> None:
    """As the kernel does where it was told that opening is not needed."""
    before = descriptors()
    for number in range(300):
        (tree / str(number)).write_text(str(number))
    numbers = [filesystem.lookup(ROOT, str(number).encode())[0].number for number in range(300)]
    for index, number in enumerate(numbers):
        assert filesystem.read(number, 0, 10, 0) == str(index).encode()
    assert filesystem.readdir(ROOT, 0, 0) is filesystem.readdir(ROOT, 0, 5)
    filesystem.forget([(number, 1) for number in numbers])
    assert descriptors() == before
