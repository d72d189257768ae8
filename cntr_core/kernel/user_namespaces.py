"""User namespaces that an ordinary user makes: root inside, and outside no more than before (user_namespaces(7)).

The functions to enter move the calling process, which has one thread, for good, and give it mounts of its own: what it
mounts nobody else sees, and nothing of it outlives the last process inside.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Sequence

from ..errors import KernelFeatureMissing, PermissionMissing
from . import child
from .idmap import Extent, IdMapping
from .mounts import MS_PRIVATE, mount_setattr
from .namespaces import CLONE_NEWNS, CLONE_NEWUSER, is_initial_user_namespace, unshare
from .process import set_dumpable, setresgid, setresuid
from .syscall import AT_FDCWD, AT_RECURSIVE

_FILES = {"newuidmap": "/etc/subuid", "newgidmap": "/etc/subgid"}


def enter_alone() -> None:
    """Become root where nobody else exists: enough to mount, for who needs no files of several owners.

    :raises OSError: the kernel forbids it.
    """
    maps = {"setgroups": "deny", "uid_map": f"0 {os.geteuid()} 1", "gid_map": f"0 {os.getegid()} 1"}
    set_dumpable(True)  # else the files are root's
    unshare(CLONE_NEWUSER | CLONE_NEWNS)
    for name, content in maps.items():
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(content)


def lacking() -> PermissionMissing | None:
    """What keeps this user from :func:`enter_with_subordinates`, as far as can be told before."""
    try:
        _mappings()
    except PermissionMissing as error:
        return error
    return None


def enter_with_subordinates() -> None:
    """Become root among one's subordinate ids (subuid(5)): whoever an image's files belong to exists there.

    :raises PermissionMissing: the user has none, or the programs that map them are not there.
    :raises KernelFeatureMissing: the kernel forbids it.
    """
    if _unshare_mapped(_mappings()):
        raise PermissionMissing(
            f"the subordinate ids of {_name()} cannot be mapped", f"look at {' and '.join(_FILES.values())}"
        )
    setresgid(0, 0, 0)
    setresuid(0, 0, 0)
    unshare(CLONE_NEWNS)
    mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, propagation=MS_PRIVATE)


def user_outside() -> tuple[int, int] | None:
    """The uid and gid, on the machine, of an ordinary user who is root in a namespace of its own; None for all others.

    In a container one is root as well, of what is there: that can be written to.
    """
    if is_initial_user_namespace() or os.access("/", os.W_OK):
        return None
    own = []
    for name, number in (("uid_map", os.geteuid()), ("gid_map", os.getegid())):
        with open(f"/proc/self/{name}", "rb") as file:
            own.append(IdMapping.parse(file.read()).to_outside(number))
    uid, gid = own
    return (uid, gid) if uid is not None and gid is not None else None


def own_directory(of_root: str, variable: str, below_home: str) -> str:
    """The directory `of_root` for root of this machine; for others one of the same name, in the directory that
    `variable` names (XDG base directory specification), else in the one below the home.

    :raises PermissionMissing: the user has no home.
    """
    if os.geteuid() == 0 and user_outside() is None:
        return of_root
    path = os.environ.get(variable) or os.path.expanduser(f"~/{below_home}")
    if not path.startswith("/"):
        raise PermissionMissing("HOME is not set, and the system knows no home of yours", f"set HOME, or {variable}")
    return os.path.join(path, os.path.basename(of_root))


def _unshare_mapped(lines: Sequence[list[str]]) -> int:
    """Go to a new namespace, whose ids a child maps; its exit code."""
    go, gone = os.pipe2(os.O_CLOEXEC)
    pid = child.fork(lambda: _map(lines, go, gone))
    os.close(go)
    try:
        unshare(CLONE_NEWUSER)
        os.write(gone, b"1")
    except OSError as error:
        raise KernelFeatureMissing(
            f"an ordinary user cannot create a user namespace here ({error.strerror})",
            "sysctl user.max_user_namespaces and kernel.apparmor_restrict_unprivileged_userns decide; or use sudo",
        ) from None
    finally:
        os.close(gone)
        failed = child.wait(pid)
    return failed


def _map(lines: Sequence[list[str]], go: int, gone: int) -> None:
    """In a child, for the programs must run outside of the namespace of our parent, which they map when it is there."""
    code = 1
    os.close(gone)
    try:
        if os.read(go, 1):
            pid = str(os.getppid())
            done = [subprocess.run([line[0], pid, *line[1:]], capture_output=True, check=False) for line in lines]
            code = int(any(one.returncode for one in done))
    finally:
        os._exit(code)


def _mappings() -> list[list[str]]:
    return [_mapping(program, own) for program, own in zip(_FILES, (os.geteuid(), os.getegid()), strict=True)]


def _mapping(program: str, own: int) -> list[str]:
    """The words for newuidmap(1) or newgidmap(1), without the PID: we as 0, then all that is ours."""
    path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/bin")
    if path is None:
        raise PermissionMissing(f"without root this needs {program}", "as root: apt-get install uidmap; or use sudo")
    extents, inside = [Extent(0, own, 1)], 1
    for first, count in _subordinates(_FILES[program]):
        extents.append(Extent(inside, first, count))
        inside += count
    if len(extents) == 1:
        raise PermissionMissing(
            f"{_name()} has no subordinate ids in {_FILES[program]}",
            f"as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {_name()}; or use sudo",
        )
    if os.geteuid() != 0 and not _may_map(path):
        raise PermissionMissing(
            f"{path} may not map subordinate ids: it is not set-user-ID, and has no capability",
            f"as root: chmod u+s {path}; or use sudo",
        )
    return [path, *(str(number) for e in extents for number in (e.inside, e.outside, e.count))]


def _may_map(program: str) -> bool:
    """Whether a file has the privilege to map ids: by its set-user-ID bit or capabilities, where the mount allows."""
    if os.statvfs(program).f_flag & os.ST_NOSUID:
        return False
    with contextlib.suppress(OSError):
        return bool(os.stat(program).st_mode & stat.S_ISUID or os.getxattr(program, "security.capability"))
    return False


def _subordinates(path: str) -> list[tuple[int, int]]:
    """The ranges of this user, as first id and count: lines ``NAME:FIRST:COUNT`` or ``UID:FIRST:COUNT`` (subuid(5))."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            rows = [line.strip().split(":") for line in file]
    except OSError:
        return []
    ours = {_name(), str(os.geteuid())}
    numbers = [row[1:] for row in rows if len(row) == 3 and row[0] in ours]
    return [(int(first), int(count)) for first, count in numbers if first.isdecimal() and count.isdecimal()]


def _name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
