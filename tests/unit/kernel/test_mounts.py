"""The mount API on the real kernel. What attaches a mount does so in a forked child's own mount namespace."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import TypeVar

import pytest

from cntr_core.kernel import mounts
from cntr_core.kernel.mounts import DetachedMount
from cntr_core.kernel.namespaces import CLONE_NEWNS, unshare
from cntr_core.kernel.procfs import open_process, parse_mountinfo, read_mountinfo
from cntr_core.kernel.syscall import AT_FDCWD, AT_RECURSIVE
from tests.support.children import in_child

pytestmark = pytest.mark.requires("root")
T = TypeVar("T")


def privately(function: Callable[[], T]) -> T:
    """Run in a child with a private mount namespace; and check that ours is as before."""

    def run() -> T:
        unshare(CLONE_NEWNS)
        mounts.mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, propagation=mounts.MS_PRIVATE)
        return function()

    return in_child(run)


def _write(directory: int, name: str, content: bytes = b"") -> None:
    fd = os.open(name, os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=directory)
    os.write(fd, content)
    os.close(fd)


def _points() -> list[bytes]:
    process = open_process()
    try:
        return [mount.point for mount in read_mountinfo(process)]
    finally:
        os.close(process)


def test_a_detached_mount_is_a_filesystem_that_no_table_shows() -> None:
    before = _points()
    with DetachedMount.new("tmpfs", {"mode": "0751", "size": "1m"}) as mount:
        assert mounts.statfs_type(mount.fd) == mounts.TMPFS_MAGIC
        assert stat.S_IMODE(os.fstat(mount.fd).st_mode) == 0o751
        _write(mount.fd, "file")
        assert _points() == before
    assert mount.fd == -1
    mount.close()  # twice does no harm


def test_a_detached_mount_is_never_inherited_by_programs() -> None:
    with DetachedMount.new("tmpfs") as mount, DetachedMount.clone(mount.fd) as copy:
        assert not os.get_inheritable(mount.fd)
        assert not os.get_inheritable(copy.fd)


def test_an_attached_mount_appears_at_its_place_and_only_in_that_namespace(
    tmp_path: os.PathLike[str],
) -> None:
    place = os.fspath(tmp_path)

    def attach() -> tuple[list[str], bool]:
        with DetachedMount.new("tmpfs") as mount:
            _write(mount.fd, "inside")
            mount.attach(AT_FDCWD, place)
        return os.listdir(place), os.fsencode(place) in _points()

    assert privately(attach) == (["inside"], True)
    assert os.listdir(place) == []


def test_attach_to_a_directory_descriptor_and_move_on(tmp_path: os.PathLike[str]) -> None:
    first, second = f"{tmp_path}/first", f"{tmp_path}/second"
    os.mkdir(first)
    os.mkdir(second)

    def move() -> tuple[list[str], list[str]]:
        target = os.open(first, os.O_PATH)
        with DetachedMount.new("tmpfs") as mount:
            _write(mount.fd, "inside")
            mount.attach(target)
            mounts.move_mount(mount.fd, "", AT_FDCWD, second)
        return os.listdir(first), os.listdir(second)

    assert privately(move) == ([], ["inside"])


def test_a_planted_link_is_not_followed_when_attaching(tmp_path: os.PathLike[str]) -> None:
    os.mkdir(f"{tmp_path}/elsewhere")
    os.symlink("elsewhere", f"{tmp_path}/link")

    def attach(flags: int) -> str:
        try:
            with DetachedMount.new("tmpfs") as mount:
                mount.attach(AT_FDCWD, f"{tmp_path}/link", flags)
        except OSError as error:
            return errno.errorcode[error.errno or 0]
        return "followed" if os.path.ismount(f"{tmp_path}/elsewhere") else "attached to the link"

    assert privately(lambda: attach(0)) != "followed"
    assert privately(lambda: attach(mounts.MOVE_MOUNT_T_SYMLINKS)) == "followed"


def test_a_clone_shows_the_same_files_with_attributes_of_its_own(tmp_path: os.PathLike[str]) -> None:
    with open(f"{tmp_path}/file", "w") as file:
        file.write("old")
    with DetachedMount.clone(AT_FDCWD, tmp_path) as clone:
        clone.set_attributes(set=mounts.MOUNT_ATTR_RDONLY | mounts.MOUNT_ATTR_NOSUID)
        assert os.fstatvfs(clone.fd).f_flag & os.ST_RDONLY
        with pytest.raises(OSError) as caught:
            _write(clone.fd, "file", b"new")
        assert caught.value.errno == errno.EROFS
        clone.set_attributes(clear=mounts.MOUNT_ATTR_RDONLY)
        _write(clone.fd, "file", b"new")
    with open(f"{tmp_path}/file") as file:
        assert file.read() == "new"


@pytest.mark.parametrize("recursive", [True, False])
def test_recursive_clones_and_attributes_include_what_is_mounted_below(
    tmp_path: os.PathLike[str], recursive: bool
) -> None:
    os.mkdir(f"{tmp_path}/below")

    def clone() -> tuple[list[str], int]:
        with DetachedMount.new("tmpfs") as mount:
            _write(mount.fd, "inside")
            mount.attach(AT_FDCWD, f"{tmp_path}/below")
        with DetachedMount.clone(AT_FDCWD, tmp_path, recursive=recursive) as copy:
            copy.set_attributes(set=mounts.MOUNT_ATTR_RDONLY, recursive=recursive)
            below = os.open("below", os.O_RDONLY, dir_fd=copy.fd)
            return os.listdir(below), os.fstatvfs(below).f_flag & os.ST_RDONLY

    assert privately(clone) == (["inside"] if recursive else [], os.ST_RDONLY)


def test_propagation_can_be_set_and_is_seen_in_mountinfo(tmp_path: os.PathLike[str]) -> None:
    place = os.fspath(tmp_path)

    def groups() -> list[bool]:
        with DetachedMount.new("tmpfs") as mount:
            mount.attach(AT_FDCWD, place)
        found = []
        for propagation in (mounts.MS_SHARED, mounts.MS_PRIVATE):
            mounts.mount_setattr(AT_FDCWD, place, propagation=propagation)
            with open("/proc/self/mountinfo", "rb") as file:
                table = parse_mountinfo(file.read())
            fields = next(m.optional for m in table if m.point == os.fsencode(place))
            found.append(any(field.startswith(b"shared:") for field in fields))
        return found

    assert privately(groups) == [True, False]


def test_pivot_root_exchanges_the_root_and_the_old_one_can_go() -> None:
    def pivot() -> list[str]:
        with DetachedMount.new("tmpfs") as root:
            os.mkdir("new", dir_fd=root.fd)
            root.attach(AT_FDCWD, "/mnt")
            os.fchdir(root.fd)
        mounts.pivot_root(".", ".")
        mounts.umount2(".", mounts.MNT_DETACH)
        os.chdir("/")
        return os.listdir("/")

    assert privately(pivot) == ["new"]


def test_pivot_root_to_a_directory_that_does_not_exist() -> None:
    with pytest.raises(FileNotFoundError, match="pivot_root: ") as caught:
        mounts.pivot_root("/no/such/root", "/no/such/root")
    assert caught.value.filename == "/no/such/root"


def test_umount2_takes_a_mount_away_and_names_the_path_it_cannot(tmp_path: os.PathLike[str]) -> None:
    place = os.fspath(tmp_path)

    def unmount() -> bool:
        with DetachedMount.new("tmpfs") as mount:
            mount.attach(AT_FDCWD, place)
        mounts.umount2(place, mounts.UMOUNT_NOFOLLOW)
        return os.path.ismount(place)

    assert privately(unmount) is False
    with pytest.raises(OSError, match="umount2: Invalid argument") as caught:
        mounts.umount2(place)
    assert caught.value.filename == place


@pytest.mark.parametrize("options", [{"bogus": "1"}, {"bogus": None}])
def test_the_kernels_own_words_about_an_option_reach_the_caller(options: dict[str, str | None]) -> None:
    with pytest.raises(OSError, match="fsconfig: tmpfs: Unknown parameter 'bogus'") as caught:
        DetachedMount.new("tmpfs", options)
    assert caught.value.filename == "bogus"


def test_an_unknown_filesystem_is_named() -> None:
    with pytest.raises(OSError, match="fsopen: No such device") as caught:
        mounts.fsopen("no-such-filesystem")
    assert caught.value.filename == "no-such-filesystem"


def test_fsmount_before_the_superblock_exists_fails_and_leaks_nothing() -> None:
    before = os.listdir("/proc/self/fd")
    fsfd = mounts.fsopen("tmpfs")
    with pytest.raises(OSError, match="fsmount: "):
        mounts.fsmount(fsfd)
    os.close(fsfd)
    with pytest.raises(OSError):
        DetachedMount.new("tmpfs", [("size", "nonsense")])
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.requires("fuse")
def test_options_and_flags_of_a_filesystem() -> None:
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = {"fd": str(device), "rootmode": "40000", "user_id": "0", "group_id": "0", "allow_other": None}
    try:
        # Touching such a mount would wait for a server for ever, even with fstatfs(2); so only make it.
        with DetachedMount.new("fuse", options, mounts.MOUNT_ATTR_NODEV) as mount:
            assert mount.fd >= 0
    finally:
        os.close(device)


@pytest.mark.requires("overlayfs", "linux-6.13")
def test_an_option_can_be_a_descriptor_and_occur_twice(tmp_path: os.PathLike[str]) -> None:
    layers = []
    for name in ("upper", "lower"):
        os.makedirs(f"{tmp_path}/{name}/{name}")
        layers.append(("lowerdir+", os.open(f"{tmp_path}/{name}", os.O_PATH)))
    with DetachedMount.new("overlay", layers) as mount:
        top = os.open(".", os.O_RDONLY, dir_fd=mount.fd)
        assert sorted(os.listdir(top)) == ["lower", "upper"]
        os.close(top)
    for _, fd in layers:
        os.close(fd)


def test_without_privileges_the_error_says_what_is_wanted() -> None:
    from cntr_core.kernel.process import setresuid

    def try_it() -> str:
        setresuid(65534, 65534, 65534)
        try:
            DetachedMount.new("tmpfs")
        except PermissionError as error:
            return str(error.strerror)
        return "worked"

    assert "fsopen: Operation not permitted; it wants CAP_SYS_ADMIN" in in_child(try_it)
