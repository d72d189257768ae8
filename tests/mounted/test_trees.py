"""What mounts of each backend show: types, submounts, merged trees, and that read-only means it."""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import shutil
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from cntr_core.kernel.mounts import AT_FDCWD, MNT_DETACH, DetachedMount, umount2
from tests.mounted.mounting import mounted

pytestmark = pytest.mark.requires("root", "fuse", "linux-6.9")

every = pytest.mark.parametrize("backend", ["direct", "pyfuse3", "kernel"])
both = pytest.mark.parametrize("transport", ["direct", "pyfuse3"])


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    path = tmp_path / "tree"
    path.mkdir()
    return path


@every
def test_a_read_only_tree_cannot_be_written_even_after_a_remount(backend: str, tree: Path, tmp_path: Path) -> None:
    (tree / "file").write_text("content")
    place = tmp_path / "mount"
    with mounted(backend, place, tree):
        subprocess.run(["mount", "-o", "remount,rw,bind", place], check=False, stderr=subprocess.DEVNULL)
        changes = [
            lambda: (place / "file").write_text("x"),
            lambda: (place / "new").mkdir(),
            lambda: (place / "file").unlink(),
            lambda: (place / "file").chmod(0o777),
            lambda: os.setxattr(place / "file", "user.x", b""),
        ]
        for change in changes:
            with pytest.raises(OSError) as caught:
                change()
            assert caught.value.errno == errno.EROFS
    assert (tree / "file").read_text() == "content"


@every
def test_reading_leaves_no_trace_in_a_read_only_tree(backend: str, tree: Path, tmp_path: Path) -> None:
    (tree / "file").write_text("content")
    os.utime(tree / "file", ns=(1, 2))
    with mounted(backend, tmp_path / "mount", tree):
        assert (tmp_path / "mount/file").read_text() == "content"
    assert (tree / "file").stat().st_atime_ns == 1


@every
def test_mounts_below_the_tree_are_seen_and_later_ones_are_not(backend: str, tree: Path, tmp_path: Path) -> None:
    for name in ("below", "later"):
        (tree / name).mkdir()
    with DetachedMount.new("tmpfs") as mount:
        mount.attach(AT_FDCWD, tree / "below")
    (tree / "below/file").write_text("on tmpfs")
    try:
        with mounted(backend, tmp_path / "mount", tree):
            if backend == "kernel":  # a copy of the mount could be made writable again
                assert os.listdir(tmp_path / "mount/below") == []
            else:
                assert (tmp_path / "mount/below/file").read_text() == "on tmpfs"
            with DetachedMount.new("tmpfs") as mount:
                mount.attach(AT_FDCWD, tree / "later")
            (tree / "later/file").write_text("")
            assert os.listdir(tmp_path / "mount/later") == []
            umount2(tree / "later")
    finally:
        umount2(tree / "below")


@both
def test_one_directory_at_two_places_has_the_mounts_of_each(transport: str, tree: Path, tmp_path: Path) -> None:
    for name in ("one/sub", "two"):
        (tree / name).mkdir(parents=True)
    with DetachedMount.clone(AT_FDCWD, tree / "one") as mount:
        mount.attach(AT_FDCWD, tree / "two")
    with DetachedMount.new("tmpfs") as mount:
        mount.attach(AT_FDCWD, tree / "two/sub")
    (tree / "two/sub/file").write_text("")
    place = tmp_path / "mount"
    try:
        with mounted(transport, place, tree):
            assert os.listdir(place / "one/sub") == []
            assert os.listdir(place / "two/sub") == ["file"]
            assert os.listdir(place / "one/sub") == []
    finally:
        umount2(tree / "two/sub")
        umount2(tree / "two")


@both
def test_inode_numbers_are_unique_across_devices_and_stable(transport: str, tree: Path, tmp_path: Path) -> None:
    (tree / "below").mkdir()
    with DetachedMount.new("tmpfs") as mount:
        mount.attach(AT_FDCWD, tree / "below")
    for number in range(50):
        (tree / str(number)).touch()
        (tree / "below" / str(number)).touch()
    place = tmp_path / "mount"

    def numbers() -> list[int]:
        return [path.stat().st_ino for path in sorted(place.rglob("*"))]

    try:
        with mounted(transport, place, tree):
            first = numbers()
            Path("/proc/sys/vm/drop_caches").write_text("2")
            assert numbers() == first
            assert len(set(first)) == len(first)
            with os.scandir(place) as entries:
                listed = {entry.name: entry.inode() for entry in entries if entry.name != "below"}
            assert listed == {name: (place / name).stat().st_ino for name in listed}
    finally:
        umount2(tree / "below")


@both
def test_set_user_id_programs_and_devices_work(transport: str, tree: Path, tmp_path: Path) -> None:
    shutil.copy("/usr/bin/id", tree / "id")
    (tree / "id").chmod(0o4755)
    os.mknod(tree / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    for path in (tmp_path, *tmp_path.parents):  # the way to it, which pytest makes private
        if path.owner() == "root" and str(path).startswith("/tmp/pytest"):
            path.chmod(0o755)
    with mounted(transport, tmp_path / "mount", tree):
        run = subprocess.run([tmp_path / "mount/id"], user=1000, group=1000, extra_groups=[], capture_output=True)
        assert b"euid=0" in run.stdout
        assert (tmp_path / "mount/null").read_bytes() == b""


@both
def test_sockets_fifos_and_maps_work(transport: str, tree: Path, tmp_path: Path) -> None:
    place = tmp_path / "mount"
    with mounted(transport, place, tree, read_only=False):
        with (
            contextlib.chdir(place),  # a socket's path is short
            socket.socket(socket.AF_UNIX) as listener,
            socket.socket(socket.AF_UNIX) as client,
        ):
            listener.bind("socket")
            listener.listen()
            client.connect("socket")
        (place / "file").write_bytes(bytes(8192))
        with (place / "file").open("r+b") as file, mmap.mmap(file.fileno(), 8192) as memory:
            memory[5000:5005] = b"hello"
            memory.flush()
        assert (tree / "file").read_bytes()[5000:5005] == b"hello"


@every
def test_merged_trees_show_what_overlayfs_shows(backend: str, tmp_path: Path) -> None:
    top, middle, lower = (tmp_path / name for name in ("top", "middle", "lower"))
    for path in (top / "d", top / "opaque", middle / "d", lower / "d", lower / "opaque", lower / "gone"):
        path.mkdir(parents=True)
    for path in (top / "d/one", middle / "d/two", lower / "d/three", lower / "d/two", lower / "opaque/hidden"):
        path.write_text(str(path.parent.parent.name))
    os.mknod(middle / "gone", stat.S_IFCHR, 0)
    os.mknod(middle / "d/three", stat.S_IFCHR, 0)
    os.setxattr(top / "opaque", "trusted.overlay.opaque", b"y")
    place = tmp_path / "mount"
    with mounted(backend, place, top, middle, lower):
        assert sorted(os.listdir(place)) == ["d", "opaque"]
        assert sorted(os.listdir(place / "d")) == ["one", "two"]
        assert (place / "d/two").read_text() == "middle"
        assert os.listdir(place / "opaque") == []
        assert not (place / "d/three").exists()
        assert os.listxattr(place / "opaque") == []


@both
def test_what_a_session_changes_in_a_union_overlayfs_understands(transport: str, tmp_path: Path) -> None:
    top, lower, work, place = (tmp_path / name for name in ("top", "lower", "work", "mount"))
    for path in (top, work, lower / "tree/deep", lower / "other", lower / "empty"):
        path.mkdir(parents=True)
    for name in ("tree/a", "tree/deep/b", "other/c", "file", "second"):
        (lower / name).write_text(name)
    script = """
        rm -r tree; mkdir tree; echo new > tree/new; rm file; mv second other/moved; echo more >> other/c
        rmdir empty; echo file > empty; mkdir dir; mv dir other/dir; chmod 700 other; ln other/c linked
    """
    with mounted(transport, place, top, lower, read_only=False):
        subprocess.run(["sh", "-e", "-c", script], cwd=place, check=True)
        ours = snapshot(place)
    options = {"lowerdir": str(lower), "upperdir": str(top), "workdir": str(work)}
    with DetachedMount.new("overlay", options) as overlay:
        overlay.attach(AT_FDCWD, place)
        theirs = snapshot(place)
        umount2(place, MNT_DETACH)
    assert ours == theirs
    assert snapshot(lower).keys() >= {"tree/deep/b", "file", "second"}, "the lower branch is as it was"


def snapshot(root: Path) -> dict[str, tuple[int, int, int, int, bytes]]:
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(root))] = (
            status.st_mode,
            status.st_uid,
            status.st_gid,
            0 if path.is_dir() else status.st_mtime_ns,
            content,
        )
    return found


@both
def test_a_union_whose_top_is_itself_an_overlay_can_delete(transport: str, tmp_path: Path) -> None:
    """Docker's root filesystems are overlays, which refuse whiteouts that are devices."""
    image, upper, work, root, fat = (tmp_path / name for name in ("image", "upper", "work", "root", "fat"))
    for path in (image, upper, work, root, fat / "usr/empty"):
        path.mkdir(parents=True)
    for path in (image / "own", fat / "usr/tool", fat / "usr/other", fat / "single"):
        path.write_text(path.name)
    options = {"lowerdir": str(image), "upperdir": str(upper), "workdir": str(work)}
    place = tmp_path / "mount"
    with DetachedMount.new("overlay", options) as overlay:
        overlay.attach(AT_FDCWD, root)
        try:
            with mounted(transport, place, root, fat, read_only=False):
                (place / "own").unlink()
                (place / "usr/tool").unlink()
                (place / "usr/empty").rmdir()
                (place / "single").rename(place / "renamed")
                (place / "usr/other").write_text("changed")
                assert sorted(os.listdir(place)) == ["renamed", "usr"]
                assert os.listdir(place / "usr") == ["other"]
                assert not (place / "usr/tool").exists()
                (place / "usr/tool").write_text("anew")
                assert sorted(os.listdir(place / "usr")) == ["other", "tool"]
                (place / "usr/tool").unlink()
            with mounted(transport, tmp_path / "again", root, fat, read_only=False):
                assert os.listdir(tmp_path / "again/usr") == ["other"], "the next mount remembers"
            assert (root / "usr/other").read_text() == "changed"
        finally:
            umount2(root, MNT_DETACH)


@both
def test_the_live_root_of_another_mount_namespace_is_merged_and_written_through(
    transport: str, tree: Path, tmp_path: Path
) -> None:
    """The kernel refuses to clone mounts of other namespaces: a container's root is served as it is."""
    (tree / "tool").write_text("from below")
    root = tmp_path / "root"
    root.mkdir()
    script = 'mount -t tmpfs none "$1" && echo own > "$1/own" && echo ready && exec sleep 60'
    container = subprocess.Popen(["unshare", "--mount", "sh", "-c", script, "sh", root], stdout=-1)
    try:
        assert container.stdout is not None
        container.stdout.readline()
        live = Path(f"/proc/{container.pid}/root{root}")
        with mounted(transport, tmp_path / "mount", live, tree, read_only=False):
            assert sorted(os.listdir(tmp_path / "mount")) == ["own", "tool"]
            (tmp_path / "mount/new").write_text("written")
            assert (live / "new").read_text() == "written"
            (tmp_path / "mount/tool").unlink()
            assert not (tmp_path / "mount/tool").exists()
        assert os.listdir(root) == []
    finally:
        container.kill()
        container.wait()


@both
def test_copying_up_keeps_everything_and_disturbs_no_reader(transport: str, tmp_path: Path) -> None:
    top, lower, place = (tmp_path / name for name in ("top", "lower", "mount"))
    for path in (top, lower / "d"):
        path.mkdir(parents=True)
    file = lower / "d/file"
    with file.open("wb") as output:
        output.write(b"start")
        output.seek(1 << 20)
        output.write(b"end")
    os.chown(file, 12, 34)
    file.chmod(0o6711)
    os.setxattr(file, "user.one", b"1")
    os.setxattr(file, "security.capability", b"\x01\0\0\x02" + bytes(16))
    os.utime(file, ns=(5, 7))
    os.link(file, lower / "d/second")
    os.utime(lower / "d", ns=(9, 11))
    with mounted(transport, place, top, lower, read_only=False):
        before = (place / "d/file").stat()
        with (place / "d/file").open("rb", buffering=0) as reader:
            assert reader.read(5) == b"start"
            os.setxattr(place / "d/file", "user.two", b"2")
            after = (place / "d/file").stat()
            for field in ("st_ino", "st_mode", "st_uid", "st_gid", "st_size", "st_mtime_ns"):
                assert getattr(before, field) == getattr(after, field), field
            assert os.getxattr(place / "d/file", "user.one") == b"1"
            assert os.getxattr(place / "d/file", "security.capability")
            assert (place / "d").stat().st_mtime_ns == 11
            assert (top / "d/file").stat().st_blocks * 512 < 1 << 19, "holes stay holes"
            with (place / "d/second").open("r+b") as writer:
                writer.write(b"START")
            assert reader.seek(0) == 0
            assert reader.read(5) == b"START", "the other link was written, this one was open for reading"
        assert (place / "d/second").stat().st_ino == before.st_ino
        assert (place / "d/file").read_bytes()[:5] == b"START"
    assert file.read_bytes()[:5] == b"start"
    assert "user.two" not in os.listxattr(file)


@both
def test_a_big_directory_is_listed_whole_while_it_is_emptied(transport: str, tree: Path, tmp_path: Path) -> None:
    names = {f"file-with-a-longish-name-{number}" for number in range(3000)}
    for name in names:
        (tree / name).touch()
    place = tmp_path / "mount"
    with mounted(transport, place, tree, read_only=False):
        assert set(os.listdir(place)) == names
        seen = []
        with os.scandir(place) as entries:
            for entry in entries:
                seen.append(entry.name)
                os.unlink(entry.path)
        assert sorted(seen) == sorted(names)
        assert os.listdir(place) == []
