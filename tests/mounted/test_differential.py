"""Every operation, by several users, on a mount and on a plain directory: the same answers, and the same trees.

CNTR_DIFFERENTIAL_EXAMPLES makes it longer than the default of 150 sequences a combination.
"""

from __future__ import annotations

import itertools
import os
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.mounted.actors import Actor, Answer
from tests.mounted.mounting import mounted

pytestmark = [pytest.mark.requires("root", "fuse", "linux-6.9"), pytest.mark.timeout(900)]

EXAMPLES = int(os.environ.get("CNTR_DIFFERENTIAL_EXAMPLES", "150"))
STEPS = 60
MODEL, MOUNT = 0, 1

USERS = {"root": (0, 0, []), "alice": (1000, 1000, [2000]), "bob": (1001, 1001, [2000])}

users = st.sampled_from(sorted(USERS))
names = st.sampled_from(["a", "b", "c", "d"])
directories = st.sampled_from([".", "d", "e", "d/d"])
paths = st.builds("{}/{}".format, directories, names)
existing = st.one_of(paths, directories)
modes = st.sampled_from([0o644, 0o600, 0o666, 0o755, 0o777, 0o700, 0o000, 0o2775, 0o1777, 0o4755, 0o2755, 0o6777])
sizes = st.sampled_from([0, 1, 100, 4095, 4096, 4097, 10000])
offsets = st.sampled_from([0, 1, 100, 4096, 8191, 20000])
times = st.sampled_from([0, 1, -1, -(10**9) - 1, 10**9 + 5, 123456789123456789, 2**31 * 10**9 - 1]).filter(
    lambda t: t < 10**18
)
handles = st.integers(0, 3)
flags = st.builds(
    lambda access, *rest: access | sum(rest),
    st.sampled_from([os.O_RDONLY, os.O_WRONLY, os.O_RDWR]),
    *(st.sampled_from([0, flag]) for flag in (os.O_CREAT, os.O_EXCL, os.O_TRUNC, os.O_APPEND)),
)
ids = st.sampled_from([-1, 0, 1000, 1001, 2000])
xattrs = st.sampled_from(["user.one", "user.two", "trusted.one", "security.capability"])
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)


def acl(owner: int, user: int, group: int, mask: int, other: int) -> bytes:
    """A POSIX ACL with one named user, alice, as the kernel keeps it (linux/posix_acl_xattr.h)."""
    entries = [(1, owner, -1), (2, user, 1000), (4, group, -1), (16, mask, -1), (32, other, -1)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)


acls = st.builds(acl, *(st.integers(0, 7) for _ in range(5)))


class Differential(RuleBasedStateMachine):
    """Each rule is one system call. Subclasses say where."""

    places: ClassVar[Iterator[tuple[int, int]]]
    """Fresh pairs of directories: the model, and the mounted one."""
    can_everything: ClassVar[bool]
    """Whether the transport has fallocate, O_TMPFILE and the rest."""
    merges: ClassVar[bool]

    def __init__(self) -> None:
        super().__init__()
        self.roots = list(next(self.places))
        self.actors = {name: Actor(*ids, self.roots) for name, ids in USERS.items()}
        self.open: set[tuple[str, int]] = set()
        self.directories: set[tuple[str, int]] = set()

    def teardown(self) -> None:
        try:
            self.same("root", "walk")
            assert self.actors["root"].do(MOUNT, "numbers") == ("ok", [])
        finally:
            for actor in self.actors.values():
                actor.close()
            for fd in self.roots:
                os.close(fd)

    def same(self, user: str, operation: str, *arguments: Any) -> Answer:
        model = self.actors[user].do(MODEL, operation, *arguments)
        mount = self.actors[user].do(MOUNT, operation, *arguments)
        assert mount == model, (user, operation, arguments)
        return mount

    @rule(user=users, handle=handles, path=paths, flags=flags, mode=modes)
    def open_(self, user: str, handle: int, path: str, flags: int, mode: int) -> None:
        if (user, handle) in self.open:
            self.same(user, "close", handle)
            self.open.discard((user, handle))
        answer, status = self.same(user, "open", handle, path, flags, mode)
        if answer == "ok":
            self.open.add((user, handle))
            self.directories.discard((user, handle))
            if stat.S_ISDIR(status[0]):
                self.directories.add((user, handle))

    @rule(user=users, handle=handles, directory=directories, mode=modes)
    def open_nameless(self, user: str, handle: int, directory: str, mode: int) -> None:
        if not self.can_everything or (user, handle) in self.open:
            return
        if self.same(user, "open", handle, directory, os.O_TMPFILE | os.O_RDWR, mode)[0] == "ok":
            self.open.add((user, handle))

    @rule(user=users, path=paths, mode=modes)
    def mkdir(self, user: str, path: str, mode: int) -> None:
        self.same(user, "mkdir", path, mode)

    @rule(user=users, path=directories, mode=modes)
    def mkdir_known(self, user: str, path: str, mode: int) -> None:
        self.same(user, "mkdir", path, mode)

    @rule(
        user=users,
        path=paths,
        kind=st.sampled_from([stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFREG, stat.S_IFCHR, stat.S_IFBLK]),
        mode=modes,
        device=st.sampled_from([os.makedev(1, 3), os.makedev(259, 300)]),
    )
    def mknod(self, user: str, path: str, kind: int, mode: int, device: int) -> None:
        self.same(user, "mknod", path, kind | mode, device if kind in (stat.S_IFCHR, stat.S_IFBLK) else 0)

    @rule(user=users, path=paths, to=st.one_of(paths, st.just("x" * 300)))
    def symlink(self, user: str, path: str, to: str) -> None:
        self.same(user, "symlink", path, to)

    @rule(user=users, old=paths, new=paths)
    def link(self, user: str, old: str, new: str) -> None:
        self.same(user, "link", old, new)

    @rule(user=users, path=paths)
    def unlink(self, user: str, path: str) -> None:
        self.same(user, "unlink", path)

    @rule(user=users, path=existing)
    def rmdir(self, user: str, path: str) -> None:
        if path != ".":
            self.same(user, "rmdir", path)

    @rule(user=users, old=existing, new=existing, flags=st.sampled_from([0, 0, 0, 1, 2]))
    def rename(self, user: str, old: str, new: str, flags: int) -> None:
        if "." in (old, new):
            return
        mount = self.actors[user].do(MOUNT, "rename", old, new, flags)
        if self.merges and mount == ("error", "EXDEV"):
            return  # a directory that is on a lower branch
        assert mount == self.actors[user].do(MODEL, "rename", old, new, flags), (user, old, new, flags)

    @rule(user=users, path=existing)
    def look(self, user: str, path: str) -> None:
        self.same(user, "stat", path)
        self.same(user, "listdir", path)
        self.same(user, "readlink", path)

    @rule(user=users, path=existing, mode=st.integers(0, 7))
    def access(self, user: str, path: str, mode: int) -> None:
        self.same(user, "access", path, mode)

    @rule(user=users, path=existing, mode=modes)
    def chmod(self, user: str, path: str, mode: int) -> None:
        if path != ".":
            self.same(user, "chmod", path, mode)

    @rule(user=users, path=existing, uid=ids, gid=ids)
    def chown(self, user: str, path: str, uid: int, gid: int) -> None:
        # A stranger's chown of -1, -1 is told from a write only by what is open: see test_set_id.
        if path != "." and (user == "root" or (uid, gid) != (-1, -1)):
            self.same(user, "chown", path, uid, gid)

    @rule(user=users, path=existing, atime=times, mtime=times)
    def utime(self, user: str, path: str, atime: int, mtime: int) -> None:
        self.same(user, "utime", path, atime, mtime)

    @rule(user=users, path=existing)
    def touch(self, user: str, path: str) -> None:
        self.same(user, "touch", path)

    @rule(user=users, path=existing, size=sizes)
    def truncate(self, user: str, path: str, size: int) -> None:
        self.same(user, "truncate", path, size)

    @rule(user=users, mask=st.sampled_from([0, 0o022, 0o077, 0o027]))
    def umask(self, user: str, mask: int) -> None:
        self.actors[user].do(MODEL, "umask", mask)

    @rule(user=users, path=existing, name=xattrs, value=st.sampled_from([b"", b"1", b"x" * 200]), how=st.integers(0, 2))
    def setxattr(self, user: str, path: str, name: str, value: bytes, how: int) -> None:
        value = CAPABILITY if name == "security.capability" else value
        self.same(user, "setxattr", path, name, value, how)

    @rule(user=users, path=existing, default=st.booleans(), value=acls)
    def set_acl(self, user: str, path: str, default: bool, value: bytes) -> None:
        if path != ".":
            self.same(user, "setxattr", path, f"system.posix_acl_{'default' if default else 'access'}", value, 0)

    @rule(user=users, path=existing, name=st.one_of(xattrs, st.just("system.posix_acl_access")))
    def getxattr(self, user: str, path: str, name: str) -> None:
        self.same(user, "getxattr", path, name)
        self.same(user, "listxattr", path)

    @rule(user=users, path=existing, name=st.one_of(xattrs, st.just("system.posix_acl_default")))
    def removexattr(self, user: str, path: str, name: str) -> None:
        self.same(user, "removexattr", path, name)

    def on_open(self, user: str, handle: int, operation: str, *arguments: Any) -> None:
        if (user, handle) in self.open:
            self.same(user, operation, handle, *arguments)

    @rule(user=users, handle=handles, size=sizes, offset=offsets)
    def read(self, user: str, handle: int, size: int, offset: int) -> None:
        self.on_open(user, handle, "read", size, offset)

    @rule(user=users, handle=handles, size=sizes, offset=offsets, seed=st.integers(1, 255))
    def write(self, user: str, handle: int, size: int, offset: int, seed: int) -> None:
        self.on_open(user, handle, "write", bytes([seed]) * size, offset)

    @rule(user=users, handle=handles, size=sizes)
    def ftruncate(self, user: str, handle: int, size: int) -> None:
        self.on_open(user, handle, "ftruncate", size)

    @rule(user=users, handle=handles, mode=modes)
    def fchmod(self, user: str, handle: int, mode: int) -> None:
        self.on_open(user, handle, "fchmod", mode)

    @rule(user=users, handle=handles)
    def fstat(self, user: str, handle: int) -> None:
        self.on_open(user, handle, "fstat")

    @rule(user=users, handle=handles)
    def fsync(self, user: str, handle: int) -> None:
        self.on_open(user, handle, "fsync")

    @rule(user=users, handle=handles, mode=st.sampled_from([0, 1, 3, 16]), offset=offsets, length=sizes)
    def fallocate(self, user: str, handle: int, mode: int, offset: int, length: int) -> None:
        if self.can_everything:
            self.on_open(user, handle, "fallocate", mode, offset, length)

    @rule(user=users, source=handles, to=handles, length=sizes, offset=offsets, to_offset=offsets)
    def copy(self, user: str, source: int, to: int, length: int, offset: int, to_offset: int) -> None:
        if {(user, source), (user, to)} <= self.open and source != to:
            self.same(user, "copy", source, to, length, offset, to_offset)

    @rule(user=users, handle=handles, offset=offsets, whence=st.sampled_from([os.SEEK_DATA, os.SEEK_HOLE]))
    def seek(self, user: str, handle: int, offset: int, whence: int) -> None:
        if self.can_everything and (user, handle) not in self.directories:
            self.on_open(user, handle, "seek", offset, whence)

    @rule(user=users, handle=handles)
    def close(self, user: str, handle: int) -> None:
        if (user, handle) in self.open:
            self.open.discard((user, handle))
            self.same(user, "close", handle)

    @rule()
    def walk(self) -> None:
        self.same("root", "walk")


def populate(directory: Path) -> None:
    """What lies on the lower branch, and in the model from the start."""
    for name in ("d", "d/d", "e"):
        (directory / name).mkdir(mode=0o777)
        (directory / name).chmod(0o777)
    for number, name in enumerate(["a", "d/a", "d/b", "d/d/c", "e/c"]):
        path = directory / name
        path.write_bytes(bytes([65 + number]) * 5000)
        os.chown(path, *[(0, 0), (1000, 1000), (1001, 2000)][number % 3])
        path.chmod([0o644, 0o4755, 0o666][number % 3])
        os.setxattr(path, "user.one", b"below")
    (directory / "b").symlink_to("d/a")
    os.mkfifo(directory / "c")


def places(work: Path, tree: Path) -> Iterator[tuple[int, int]]:
    """Fresh pairs of open directories, with the same content."""
    for number in itertools.count():
        model, mounted_one = work / f"model/{number}", tree / str(number)
        for directory in (model, mounted_one):
            if not directory.exists():
                make(directory)
        yield os.open(model, os.O_RDONLY | os.O_DIRECTORY), os.open(mounted_one, os.O_RDONLY | os.O_DIRECTORY)


def make(directory: Path) -> None:
    directory.mkdir(parents=True)
    directory.chmod(0o777)
    populate(directory)


@pytest.mark.parametrize("tree", ["passthrough", "union"])
@pytest.mark.parametrize("transport", ["direct", "pyfuse3"])
def test_a_mount_behaves_like_a_plain_directory(transport: str, tree: str, tmp_path: Path) -> None:
    """The union's lower branch holds what the model holds from the start; its top is empty."""
    branches = [tmp_path / "top", tmp_path / "lower"] if tree == "union" else [tmp_path / "top"]
    for branch in branches:
        branch.mkdir()
    if tree == "union":
        for number in range(4 * EXAMPLES):
            make(branches[-1] / str(number))

    class Machine(Differential):
        can_everything = transport == "direct"
        merges = tree == "union"

    with mounted(transport, tmp_path / "mount", *branches, read_only=False):
        Machine.places = places(tmp_path, tmp_path / "mount")
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                suppress_health_check=list(HealthCheck),
                report_multiple_bugs=False,
            ),
        )
