"""What every filesystem backend does, as tests."""

from __future__ import annotations

import errno
import os
import select
import signal
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar

import pytest

from ..filesystem import DirectoryTree, Filesystem, MountRequest, ServedMount
from ..kernel import child, process
from ..kernel.procfs import open_process, read_mountinfo
from ..types import Missing
from .processes import PATIENCE

_GONE = (errno.ENOTCONN, errno.ECONNABORTED, errno.ECONNREFUSED)
"""Of a mount whose server was killed. The kernel refuses whoever waits for the server's first answer, where that never
comes (fuse_get_req, fs/fuse/dev.c)."""


class FilesystemContract:
    """What every filesystem backend does. Override `filesystem`."""

    writes: ClassVar[bool] = True
    """Whether it can write to the topmost branch."""

    merges: ClassVar[bool] = True
    """Whether it can show several branches as one."""

    @pytest.fixture
    def filesystem(self) -> Filesystem:
        """The backend."""
        raise NotImplementedError("override the fixture `filesystem`")

    @pytest.fixture(autouse=True)
    def _usable(self, filesystem: Filesystem, tmp_path: os.PathLike[str]) -> Iterator[None]:
        missing = filesystem.missing()
        assert all(isinstance(m, Missing) and m.what and m.remedy for m in missing)
        if missing:
            pytest.skip("; ".join(f"{m.what} is missing: {m.remedy}" for m in missing))
        before = set(os.listdir("/proc/self/fd"))
        yield
        assert _mounts(os.fsencode(tmp_path)) == [], "mounts were left behind"
        # Fewer are fine: what an earlier test forgot may be collected only now.
        assert set(os.listdir("/proc/self/fd")) <= before, "descriptors were left open"

    @pytest.fixture
    def tree(self, tmp_path: os.PathLike[str]) -> str:
        """A directory with something of each kind."""
        base = f"{os.fspath(tmp_path)}/tree"
        os.makedirs(f"{base}/directory/below")
        _write(f"{base}/file", b"content")
        os.chmod(f"{base}/file", 0o4755)
        _write(f"{base}/directory/below/deep", b"x" * 300_000)
        os.symlink("/absolute/target", f"{base}/link")
        os.link(f"{base}/file", f"{base}/hard")
        os.mkfifo(f"{base}/fifo")
        return base

    def test_its_name_can_be_typed(self, filesystem: Filesystem) -> None:
        assert filesystem.name.replace("-", "").replace("_", "").isalnum()

    def test_it_shows_the_tree_as_it_is(self, filesystem: Filesystem, tree: str) -> None:
        with _served(filesystem, tree) as mount:
            for path in ("file", "hard", "link", "directory/below/deep", "fifo"):
                shown = os.stat(path, dir_fd=mount.fd, follow_symlinks=False)
                real = os.stat(f"{tree}/{path}", follow_symlinks=False)
                for field in ("st_mode", "st_nlink", "st_uid", "st_gid", "st_size", "st_mtime_ns"):
                    assert getattr(shown, field) == getattr(real, field), (path, field)
            assert _read(mount.fd, "file") == b"content"
            assert _read(mount.fd, "directory/below/deep") == b"x" * 300_000
            assert os.readlink("link", dir_fd=mount.fd) == "/absolute/target"
            assert _list(mount.fd, ".") == sorted(os.listdir(tree))
            same = [os.stat(name, dir_fd=mount.fd).st_ino for name in ("file", "hard")]
            assert same[0] == same[1]

    def test_the_mount_is_in_no_table_until_it_is_moved(self, filesystem: Filesystem, tree: str) -> None:
        with _served(filesystem, tree) as mount:
            os.stat("file", dir_fd=mount.fd)
            assert _mounts(os.fsencode(os.path.dirname(tree))) == []

    def test_changes_to_the_tree_are_seen(self, filesystem: Filesystem, tree: str) -> None:
        with _served(filesystem, tree) as mount:
            _write(f"{tree}/new", b"new")
            assert _read(mount.fd, "new") == b"new"

    def test_read_only_means_that_nothing_can_be_changed(self, filesystem: Filesystem, tree: str) -> None:
        with _served(filesystem, tree) as mount:
            attempts: list[Callable[[], None]] = [
                lambda: _write("new", b"", mount.fd),
                lambda: os.unlink("file", dir_fd=mount.fd),
                lambda: os.chmod("file", 0o600, dir_fd=mount.fd),
                lambda: os.rename("file", "other", src_dir_fd=mount.fd, dst_dir_fd=mount.fd),
            ]
            for attempt in attempts:
                with pytest.raises(OSError) as caught:
                    attempt()
                assert caught.value.errno == errno.EROFS
        assert sorted(os.listdir(tree)) == ["directory", "fifo", "file", "hard", "link"]

    def test_writes_reach_the_topmost_branch(self, filesystem: Filesystem, tree: str) -> None:
        if not self.writes:
            pytest.skip("it cannot write")
        with _served(filesystem, tree, read_only=False) as mount:
            _write("directory/new", b"written", mount.fd)
            os.rename("file", "moved", src_dir_fd=mount.fd, dst_dir_fd=mount.fd)
            os.mkdir("made", 0o700, dir_fd=mount.fd)
        with open(f"{tree}/directory/new", "rb") as file:
            assert file.read() == b"written"
        assert os.path.exists(f"{tree}/moved") and not os.path.exists(f"{tree}/file")
        assert stat.S_IMODE(os.stat(f"{tree}/made").st_mode) == 0o700

    def test_branches_are_merged_and_whiteouts_hide(
        self, filesystem: Filesystem, tree: str, tmp_path: os.PathLike[str]
    ) -> None:
        if not self.merges:
            pytest.skip("it shows one branch")
        top = f"{os.fspath(tmp_path)}/top"
        os.makedirs(f"{top}/directory")
        _write(f"{top}/directory/above", b"above")
        _write(f"{top}/file", b"topmost")
        os.mknod(f"{top}/hard", stat.S_IFCHR, 0)
        with _served(filesystem, top, tree) as mount:
            assert _list(mount.fd, ".") == ["directory", "fifo", "file", "link"]
            assert _list(mount.fd, "directory") == ["above", "below"]
            assert _read(mount.fd, "file") == b"topmost"

    def test_the_mount_travels_to_another_namespace(
        self, filesystem: Filesystem, tree: str, tmp_path: os.PathLike[str]
    ) -> None:
        place = f"{os.fspath(tmp_path)}/place"
        os.mkdir(place)
        with _served(filesystem, tree) as mount:
            assert not os.get_inheritable(mount.fd)
            assert child.wait(child.fork(lambda: _check_attached(mount.fd, place))) == 0
        assert os.listdir(place) == []

    def test_a_server_that_is_killed_is_noticed(self, filesystem: Filesystem, tree: str) -> None:
        with _served(filesystem, tree) as mount:
            if mount.server is None:
                pytest.skip("the kernel itself serves")
            process.pidfd_send_signal(mount.server, signal.SIGKILL)
            assert select.select([mount.server], [], [], PATIENCE)[0]
            with pytest.raises(OSError) as caught:
                os.stat("file", dir_fd=mount.fd)
            assert caught.value.errno in _GONE

    def test_the_server_ends_with_the_context(self, filesystem: Filesystem, tree: str) -> None:
        server = None
        with _served(filesystem, tree) as mount:
            if mount.server is not None:
                server = os.dup(mount.server)
        if server is not None:
            assert select.select([server], [], [], PATIENCE)[0]
            os.close(server)


@contextmanager
def _served(filesystem: Filesystem, *directories: str, read_only: bool = True) -> Iterator[ServedMount]:
    """The mount of directories, topmost first."""
    fds = [os.open(directory, os.O_PATH | os.O_CLOEXEC) for directory in directories]
    trees = [DirectoryTree(fd) for fd in fds]
    try:
        with filesystem.mount(MountRequest(branches=trees, read_only=read_only, source="contract")) as mount:
            yield mount
    finally:
        for fd in fds:
            os.close(fd)


def _check_attached(mount: int, place: str) -> None:
    """In a child, which gets mounts of its own."""
    from ..kernel.mounts import MS_PRIVATE, mount_setattr, move_mount
    from ..kernel.namespaces import CLONE_NEWNS, unshare
    from ..kernel.syscall import AT_FDCWD, AT_RECURSIVE

    unshare(CLONE_NEWNS)
    mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, propagation=MS_PRIVATE)
    move_mount(mount, "", AT_FDCWD, place)
    with open(f"{place}/file", "rb") as file:
        assert file.read() == b"content"


def _mounts(below: bytes) -> list[bytes]:
    """Where something is mounted that the contract could have left; others may mount elsewhere meanwhile."""
    directory = open_process()
    try:
        table = read_mountinfo(directory)
    finally:
        os.close(directory)
    return [mount.point for mount in table if mount.source == b"contract" or mount.point.startswith(below)]


def _write(path: str, content: bytes, directory: int | None = None) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644, dir_fd=directory)
    try:
        os.write(fd, content)
    finally:
        os.close(fd)


def _read(directory: int, path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
    with open(fd, "rb") as file:
        return file.read()


def _list(directory: int, path: str) -> list[str]:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
    try:
        return sorted(os.listdir(fd))
    finally:
        os.close(fd)
