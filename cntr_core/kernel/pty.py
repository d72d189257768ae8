"""Pseudo-terminals (pty(7)): allocation from a given devpts, raw mode that is always undone, window size."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import termios
import tty
from collections.abc import Iterator

from . import mounts, paths

TIOCGPTPEER = 0x5441
"""ioctl_tty(2): open the other side of a pty master without its path, Linux 4.13."""

DEVPTS_SUPER_MAGIC = 0x1CD1
_TIOCSPTLCK = 0x40045431  # ioctl_tty(2); Python names it from 3.13 on
_PTMX = os.makedev(5, 2)


def open_master(rootfd: int) -> int | None:
    """A new pty of the devpts at ``dev/pts`` below `rootfd`, so that tty(1) works there; None if there is none.

    Symbolic links are refused on the way, and it must be a devpts with its own ptmx: the tree is the container's, which
    may have planted something else. The descriptor is non-blocking and close-on-exec.
    """
    resolve = paths.RESOLVE_IN_ROOT | paths.RESOLVE_NO_SYMLINKS
    try:
        devpts = paths.openat2(rootfd, "dev/pts", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, resolve=resolve)
    except OSError:
        return None
    try:
        is_devpts = mounts.statfs_type(devpts) == DEVPTS_SUPER_MAGIC
        has_ptmx = os.stat("ptmx", dir_fd=devpts, follow_symlinks=False).st_rdev == _PTMX
        return _unlocked("ptmx", devpts) if is_devpts and has_ptmx else None
    except OSError:
        return None  # ptmxmode=000, or the limit of ptys in this instance is reached
    finally:
        os.close(devpts)


def open_host_master() -> int:
    """A new pty of the caller's own ``/dev/ptmx``.

    :raises OSError: there is none, or no pty is left.
    """
    return _unlocked("/dev/ptmx", None)


def _unlocked(path: str, dirfd: int | None) -> int:
    flags = os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW * (dirfd is not None)
    master = os.open(path, flags, dir_fd=dirfd)
    fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
    return master


def open_slave(master: int, owner: tuple[int, int]) -> int:
    """The terminal side of `master`, owned by `owner` (uid, gid) so that the session's user may reopen it."""
    slave = fcntl.ioctl(master, TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    os.fchown(slave, owner[0], owner[1])
    os.fchmod(slave, 0o620)
    return slave


def make_controlling(slave: int) -> None:
    """Make `slave` the controlling terminal of the calling session leader (ioctl_tty(2), TIOCSCTTY)."""
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)


def gives_keys(fd: int, *, lines_only: bool) -> bool:
    """Whether what is typed on terminal `fd` is for the calling process: not in the background of the terminal that
    controls it, where reading would stop it (SIGTTIN in signal(7)); with `lines_only` neither where somebody has turned
    off the editing of lines there, as pagers do for themselves."""
    try:
        is_ours = os.tcgetpgrp(fd) == os.getpgrp()
        return is_ours and not (lines_only and not termios.tcgetattr(fd)[3] & termios.ICANON)
    except (OSError, termios.error):  # it controls somebody else, or is gone, which its reader notices
        return True


def copy_window_size(source: int, target: int) -> None:
    """Give terminal `target` the size of terminal `source`; programs on it get SIGWINCH (ioctl_tty(2))."""
    with contextlib.suppress(OSError):  # the session may have ended
        fcntl.ioctl(target, termios.TIOCSWINSZ, fcntl.ioctl(source, termios.TIOCGWINSZ, b"\0" * 8))


@contextlib.contextmanager
def raw_mode(fd: int) -> Iterator[None]:
    """The terminal `fd` without line editing, echo and signals, until the context is left in whatever way."""
    saved = termios.tcgetattr(fd)
    try:
        tty.setraw(fd, termios.TCSADRAIN)
        yield
    finally:
        restore(fd, saved)


def restore(fd: int, saved: list[object]) -> None:
    """Set the attributes that termios.tcgetattr() gave, if the terminal still exists."""
    with contextlib.suppress(termios.error):
        termios.tcsetattr(fd, termios.TCSADRAIN, saved)  # type: ignore[arg-type]  # typeshed wants its own alias
