"""What others change behind a mount shows in it, whatever the kernel was told and keeps."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from cntr_plugins.fs.logic import timeouts
from cntr_plugins.fs.logic.watch import Watch

from cntr_core.filesystem import Watched
from cntr_core.kernel.mounts import AT_FDCWD, MNT_DETACH, DetachedMount, move_mount, umount2
from tests.mounted.mounting import mounted

pytestmark = pytest.mark.requires("root", "fuse")

_PATIENCE = 10.0  # seconds: names and attributes are kept for a second, or for ever until told otherwise


def _state(root: Path) -> dict[str, object]:
    """All that a user sees of a tree."""
    state: dict[str, object] = {}
    for directory, _, names in os.walk(root):
        for path in [Path(directory), *(Path(directory) / name for name in names)]:
            status = path.lstat()
            content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
            xattrs = {name: os.getxattr(path, name, follow_symlinks=False) for name in _xattrs(path)}
            key = str(path.relative_to(root))
            links = None if path.is_dir() else status.st_nlink
            state[key] = status.st_mode, status.st_uid, links, status.st_mtime_ns, content, xattrs
    return state


def _state_meanwhile(place: Path) -> dict[str, object]:
    """The same while changes arrive: a name may be listed already and not be found yet."""
    try:
        return _state(place)
    except OSError as error:
        return {"error": str(error)}


def _xattrs(path: Path) -> list[str]:
    return [name for name in os.listxattr(path, follow_symlinks=False) if name.startswith("user.")]


def _write(path: Path, content: str, how: str = "w") -> None:
    with path.open(how) as file:
        file.write(content)


def _replace(tree: Path) -> None:
    _write(tree / "d/new", "replaced")
    (tree / "d/new").rename(tree / "d/file")


def _change_link(tree: Path) -> None:
    (tree / "link").unlink()
    (tree / "link").symlink_to("elsewhere")


_BY_ANOTHER_NAME = "write by another name"
_MERGED = (".", "d")  # directories of both halves


_CHANGES: dict[str, Callable[[Path], object]] = {
    "create": lambda tree: _write(tree / "d/absent", "here"),
    "remove": lambda tree: (tree / "d/file").unlink(),
    "rename": lambda tree: (tree / "d/file").rename(tree / "absent"),
    "replace": _replace,
    "truncate": lambda tree: os.truncate(tree / "d/file", 3),
    "append": lambda tree: _write(tree / "d/file", "and more", "a"),
    "overwrite": lambda tree: _write(tree / "d/file", "CONTENT", "r+"),
    "chmod": lambda tree: (tree / "d/file").chmod(0o4711),
    "chown": lambda tree: os.chown(tree / "d/file", 5, 6),
    "xattr": lambda tree: os.setxattr(tree / "d/file", "user.test", b"value"),
    "link": lambda tree: os.link(tree / "d/file", tree / "absent"),
    _BY_ANOTHER_NAME: lambda tree: _write(tree / "e/twin", "by the other name"),
    "mkdir": lambda tree: (tree / "d/absent").mkdir(),
    "rmdir": lambda tree: (tree / "e/empty").rmdir(),
    "rename a directory": lambda tree: (tree / "e").rename(tree / "d/absent"),
    "exchange by a new directory": lambda tree: ((tree / "e").rename(tree / "old"), (tree / "e").mkdir()),
    "symlink": _change_link,
}


def _fill(tree: Path) -> None:
    for name in ("d", "e", "e/empty"):
        (tree / name).mkdir(parents=True)
    _write(tree / "d/file", "content")
    _write(tree / "d/other", "other")
    os.link(tree / "d/other", tree / "e/twin")
    (tree / "link").symlink_to("d/file")


def _look(place: Path) -> None:
    """Have the kernel keep all there is, and that some names are absent."""
    for _ in range(2):
        _state(place)
        for name in ("absent", "d/absent", "d/new", "old"):
            assert not os.path.lexists(place / name)


def _looked_up(root: Path, names: Iterable[str]) -> dict[str, object]:
    """What stat(2) tells of names, also of absent ones: without listings, which tell the kernel anew."""
    found: dict[str, object] = {}
    for name in names:
        try:
            status = (root / name).lstat()
            found[name] = status.st_mode, status.st_uid, status.st_size, status.st_mtime_ns
        except OSError:
            found[name] = None
    return found


def _wait_until_same(place: Path, tree: Path, names: str, merged: Collection[str] = ()) -> None:
    """`merged` directories have other attributes than those of `tree`."""
    end = time.monotonic() + _PATIENCE
    paths = {*_state(tree), "absent", "d/absent", "d/new", "d/file", "e/empty", "old"}.difference(merged)
    while (found := _looked_up(place, paths)) != (right := _looked_up(tree, paths)):
        assert time.monotonic() < end, f"{names}: {[path for path in paths if found[path] != right[path]]}"
        time.sleep(0.01)
    while (seen := _state_meanwhile(place)) != (wanted := _state(tree)):
        different = [key for key in {**seen, **wanted} if seen.get(key) != wanted.get(key) and key not in merged]
        if not different:
            break
        assert time.monotonic() < end, f"{names}: {different}"
        time.sleep(0.01)
    for name in ("absent", "d/absent", "d/new", "old"):
        assert os.path.lexists(place / name) == os.path.lexists(tree / name), name


@contextmanager
def _overlaid(tree: Path) -> Iterator[None]:
    """An overlay at `tree`, as a container's root is one, whose lower half has what was there."""
    upper, work = (tree.parent / f"{tree.name}-{name}" for name in ("upper", "work"))
    upper.mkdir()
    work.mkdir()
    options = {"lowerdir": str(tree), "upperdir": str(upper), "workdir": str(work), "redirect_dir": "on"}
    with DetachedMount.new("overlay", options) as overlay:
        move_mount(overlay.fd, "", AT_FDCWD, tree)
    try:
        yield
    finally:
        umount2(tree, MNT_DETACH)


@contextmanager
def _shown(
    backend: str, kind: str, writable: bool, directory: Path, parts: Collection[str] = ("",)
) -> Iterator[tuple[Path, Path, int]]:
    """A tree, the place where it is mounted, and the server. It is mounted alone, on overlayfs, as the upper half of a
    union, or as the lower one, whose upper half has some of its directories. Each of the `parts` is filled."""
    tree, other, place = directory / "tree", directory / "other", directory / "place"
    for part in parts:
        _fill(tree / part)
        (other / part / "d").mkdir(parents=True)
    trees = {"union": [tree, other], "lower": [other, tree]}.get(kind, [tree])
    with ExitStack() as stack:
        if kind == "overlay":
            stack.enter_context(_overlaid(tree))
        served = stack.enter_context(mounted(backend, place, *trees, read_only=not writable))
        yield tree, place, served.server or -1


_MODES = [
    (backend, kind, writable)
    for backend in ("kernel", "direct", "pyfuse3")
    for kind in ("passthrough", "overlay", "union", "lower")
    for writable in (False, True)
    if backend != "kernel" or not writable
]


_LIMIT = Path("/proc/sys/fs/fanotify/max_queued_events")


@pytest.fixture
def short_queue() -> Iterator[None]:
    """Few events wait for those that listen from now on: the others are lost."""
    before = _LIMIT.read_text()
    _LIMIT.write_text("8")
    yield
    _LIMIT.write_text(before)


@pytest.mark.usefixtures("short_queue")
@pytest.mark.parametrize("backend", ["direct", "pyfuse3"])
def test_more_changes_than_the_queue_of_events_holds_are_all_seen(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Among them names that were absent, of which few are remembered."""
    monkeypatch.setattr(timeouts, "_MOST_ABSENT", 20)
    with _shown(backend, "passthrough", True, tmp_path) as (tree, place, _):
        for number in range(100):
            _write(tree / f"e/{number}", "before")
        _look(place)
        for number in range(100):
            assert not (place / f"d/{number}").exists()
        for number in range(100):
            _write(tree / f"d/{number}", "new")
            _write(tree / f"e/{number}", "changed")
        _wait_until_same(place, tree, "a flood")
        for number in range(100):
            assert (place / f"d/{number}").read_text() == "new"


@pytest.mark.parametrize(("kind", "is_told"), [("tmpfs", True), ("cgroup2", False), ("sysfs", False)])
def test_only_filesystems_that_this_kernel_alone_changes_are_watched(kind: str, is_told: bool) -> None:
    """fanotify accepts cgroups, too, where most changes are nobody's call."""
    with DetachedMount.new(kind) as mount:
        watch = Watch.start()
        assert watch is not None
        assert (watch.add(mount.fd, b".") is Watched.WHOLLY) is is_told
        os.close(watch.group)


@pytest.mark.parametrize("backend", ["direct", "pyfuse3"])
def test_a_directory_that_is_there_twice_changes_in_both_places(backend: str, tmp_path: Path) -> None:
    """As a volume that a container has at two places: what is changed through one of them is no change by others."""
    tree, place = tmp_path / "tree", tmp_path / "place"
    for name in ("one", "two"):
        (tree / name).mkdir(parents=True)
    for name in ("removed", "renamed"):
        _write(tree / "one" / name, "content")
    with DetachedMount.clone(AT_FDCWD, tree / "one") as copy:
        copy.attach(AT_FDCWD, tree / "two")
    try:
        with mounted(backend, place, tree, read_only=False):
            _look(place)
            (place / "one/removed").unlink()
            (place / "one/renamed").rename(place / "one/other")
            (place / "one").chmod(0o700)
            _wait_until_same(place, tree, "a change through the other place")
    finally:
        umount2(tree / "two", MNT_DETACH)


@pytest.mark.parametrize("backend", ["direct", "pyfuse3"])
def test_what_is_kept_of_an_open_file_ends_with_the_server(backend: str, tmp_path: Path) -> None:
    """Names and contents are kept for ever; a container's process that holds them is to read no more of the host."""
    tree = tmp_path / "tree"
    _fill(tree)
    with mounted(backend, tmp_path / "place", tree):
        _look(tmp_path / "place")
        file = os.open(tmp_path / "place/d/file", os.O_RDONLY)
        directory = os.open(tmp_path / "place/d", os.O_RDONLY)
        assert os.pread(file, 9, 0) == b"content"
    for access in (lambda: os.pread(file, 9, 0), lambda: os.stat("other", dir_fd=directory)):
        with pytest.raises(OSError) as caught:
            access()
        assert caught.value.errno in (errno.ENOTCONN, errno.ECONNABORTED)
    os.close(file)
    os.close(directory)


@pytest.mark.parametrize(("backend", "kind", "writable"), _MODES)
def test_each_change_behind_the_mount_is_seen(backend: str, kind: str, writable: bool, tmp_path: Path) -> None:
    """Each in a directory of its own."""
    with _shown(backend, kind, writable, tmp_path, _CHANGES) as (tree, place, _):
        for what, change in _CHANGES.items():
            if kind == "overlay" and what == _BY_ANOTHER_NAME:
                continue  # names of a lower file part there when it is changed (overlayfs.rst, "Non-standard behavior")
            _look(place / what)
            change(tree / what)
            _wait_until_same(place / what, tree / what, what, _MERGED if kind == "lower" else ())


_FIND = "import os, sys; print(os.access(sys.argv[2], os.F_OK, dir_fd=int(sys.argv[1])))"


def _is_kept(directory: int, name: str, server: int) -> bool:
    """Whether the kernel knows that the name is absent, without the server."""
    signal.pidfd_send_signal(server, signal.SIGSTOP)
    try:
        words = [sys.executable, "-c", _FIND, str(directory), name]
        found = subprocess.run(words, pass_fds=[directory], timeout=2, capture_output=True, check=True)
    except subprocess.TimeoutExpired:
        return False
    finally:
        signal.pidfd_send_signal(server, signal.SIGCONT)
    return found.stdout == b"False\n"


@pytest.mark.parametrize("kind", ["passthrough", "overlay", "union", "lower"])
@pytest.mark.parametrize("backend", ["direct", "pyfuse3"])
def test_names_are_kept_for_longer_than_a_second(backend: str, kind: str, tmp_path: Path) -> None:
    """Else the test above would pass where nobody tells of changes. Whoever drops the kernel's caches meanwhile has it
    ask: so one time of five will do."""
    with _shown(backend, kind, False, tmp_path) as (_, place, server):
        directory = os.open(place / "d", os.O_PATH)  # the root's attributes are kept for a second in any case
        try:
            for _ in range(5):
                _look(place)
                time.sleep(1.5)
                if _is_kept(directory, "new", server):
                    return
            pytest.fail("the kernel asks")
        finally:
            os.close(directory)
