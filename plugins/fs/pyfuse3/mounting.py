"""A FUSE mount whose kernel leaves the umask to us, which libfuse does not ask for.

A directory's default ACL overrides the umask (umask(2)), so the kernel must not apply it before the server has looked.
INIT's DONT_MASK says so, and pyfuse3 cannot set it. The kernel does the same for a superblock with SB_POSIXACL
(fs/fuse/inode.c, fuse_fill_super_common), which only the old mount(2) can give it. That wants a place to mount at: it
is made in a namespace of its own, and a detached copy is brought out.
"""

from __future__ import annotations

import os
import socket

from cntr_core.filesystem import MountRequest
from cntr_core.kernel.child import fork
from cntr_core.kernel.mounts import AT_RECURSIVE, MS_PRIVATE, DetachedMount, mount_setattr
from cntr_core.kernel.namespaces import CLONE_NEWNS, unshare
from cntr_core.kernel.syscall import AT_FDCWD, Syscall, encode

_MS_RDONLY = 1
_MS_POSIXACL = 1 << 16
_PLACE = "/dev"  # it exists where /dev/fuse does

_mount = Syscall("mount", 40, 165, wants="CAP_SYS_ADMIN")


def mount(request: MountRequest, device: int) -> DetachedMount:
    """A detached mount of the connection `device`.

    :raises OSError: the kernel refuses.
    """
    ours, theirs = socket.socketpair()
    with ours:
        pid = fork(lambda: _make(request, device, theirs))
        theirs.close()
        message, fds, _, _ = socket.recv_fds(ours, 16, 1, socket.MSG_CMSG_CLOEXEC)
        os.waitpid(pid, 0)
    if not fds:
        number = int(message or b"0")
        raise OSError(number, f"mount: {os.strerror(number)}")
    os.set_inheritable(fds[0], False)  # as socket.recv_fds leaves it, a session's command would have it
    return DetachedMount(fds[0])


def _make(request: MountRequest, device: int, connection: socket.socket) -> None:
    """The helper's life: mount out of everybody's sight, and send a copy."""
    try:
        unshare(CLONE_NEWNS)
        mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, propagation=MS_PRIVATE)
        options = f"fd={device},rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other"
        flags = _MS_POSIXACL | (_MS_RDONLY if request.read_only else 0)
        _mount(encode(request.source), encode(_PLACE), b"fuse.cntr", flags, encode(options))
        with DetachedMount.clone(AT_FDCWD, _PLACE) as copy:
            socket.send_fds(connection, [b"0"], [copy.fd])
    except OSError as error:
        connection.send(b"%d" % (error.errno or 0))
