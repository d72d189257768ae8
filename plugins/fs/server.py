"""The process that serves a FUSE mount, and its owner's side of it."""

from __future__ import annotations

import gc
import logging
import os
import resource
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NoReturn

from cntr_core import debugging
from cntr_core.errors import KernelFeatureMissing, PermissionMissing
from cntr_core.filesystem import MountRequest, ServedMount
from cntr_core.kernel.child import fork
from cntr_core.kernel.mounts import MOUNT_ATTR_RDONLY, DetachedMount
from cntr_core.kernel.process import pidfd_open, set_name
from cntr_core.kernel.syscall import owned
from cntr_core.reasons import reason
from cntr_core.types import Missing

from .beside import PATIENCE, leave_parent, reap
from .branches import branch_of
from .logic import notices
from .logic import notifier as notifiers
from .logic.caller import prepare_credentials
from .logic.notifier import Notifier
from .logic.observed import operations
from .logic.operations import Operations
from .logic.policy import Policy
from .logic.readahead import read_far_ahead
from .logic.stop import AGAIN, Stop, Stopper, end_server

_log = logging.getLogger(__name__)

DEVICE = "/dev/fuse"

Serve = Callable[[int, Operations[Any], Policy, Stopper, Notifier], None]
"""A transport: answers what comes from the device (first argument), until the mount is gone or it is stopped."""


def missing_for_fuse() -> list[Missing]:
    """What a FUSE mount needs and this machine lacks."""
    try:
        os.close(os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return [Missing(DEVICE, "load the kernel module: modprobe fuse")]
    except OSError as error:
        hint = f"run as root, with the device allowed; or as root once: chmod 666 {DEVICE}"
        return [Missing(f"access to {DEVICE} ({error.strerror})", hint)]
    return []


class _Served(ServedMount):
    def __init__(self, mount: DetachedMount, pidfd: int) -> None:
        self._mount = mount
        self._pidfd = pidfd

    @property
    def fd(self) -> int:
        return self._mount.fd

    @property
    def server(self) -> int:
        return self._pidfd


Mounter = Callable[[MountRequest, int], DetachedMount]
"""Makes the mount of a request that is served through the device."""


def fuse_mount(request: MountRequest, device: int) -> DetachedMount:
    """By the mount API; libfuse would add nosuid and nodev."""
    options: list[tuple[str, str | bytes | int | None]] = [
        ("source", request.source),
        ("subtype", "cntr"),
        ("fd", str(device)),
        ("rootmode", "40000"),
        ("user_id", "0"),
        ("group_id", "0"),
        ("default_permissions", None),
        ("allow_other", None),
    ]
    if request.read_only:
        options.append(("ro", None))
    return DetachedMount.new("fuse", options, MOUNT_ATTR_RDONLY if request.read_only else 0)


@contextmanager
def served(request: MountRequest, serve: Serve, mounter: Mounter = fuse_mount) -> Iterator[ServedMount]:
    """A FUSE mount of the request, served by `serve` in a process of its own, which ends with the block."""
    with ExitStack() as stack:
        with ExitStack() as servers:  # what is the server's alone after the fork
            branch = branch_of(request, servers)
            device = _open_device(servers)
            mount = stack.enter_context(_mount(request, device, mounter))
            if request.read_only:
                read_far_ahead(mount.fd)
            filesystem = operations(branch, request)
            parent = pidfd_open(os.getpid())
            servers.callback(os.close, parent)
            connection = servers.enter_context(_notifier(device, stack))
            # No handler of ours may run in the server before it has its own.
            _log.debug("serve %s by a process of its own, read-only: %s", request.source, request.read_only)
            pid = fork(lambda: _child(serve, device, filesystem, request, parent, connection), block_signals=True)
        pidfd = pidfd_open(pid)
        stack.callback(os.close, pidfd)
        stack.callback(_end, pid, pidfd)
        yield _Served(mount, pidfd)


def _open_device(owned: ExitStack) -> int:
    try:
        device = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        hint = f"run as root, load the module fuse, or as root once: chmod 666 {DEVICE}"
        raise PermissionMissing(f"cannot open {DEVICE}: {error.strerror}", hint) from error
    owned.callback(os.close, device)
    return device


def _mount(request: MountRequest, device: int, mounter: Mounter) -> DetachedMount:
    """The kernel sends INIT and waits for nobody: the server answers when it runs."""
    try:
        return mounter(request, device)
    except PermissionError as error:
        raise PermissionMissing(f"cannot mount: {reason(error)}", "run as root") from error
    except OSError as error:
        raise KernelFeatureMissing(f"cannot mount a FUSE filesystem: {reason(error)}", "run `cntr doctor`") from error


def _notifier(device: int, stack: ExitStack) -> socket.socket:
    """The server's connection to a process that writes its notices, and ends with it."""
    ours, theirs = notifiers.pair()
    with theirs, owned(notifiers.cloned(device)) as clone:
        pid = fork(lambda: _notify(theirs, clone), block_signals=True)
    pidfd = pidfd_open(pid)
    stack.callback(os.close, pidfd)
    stack.callback(reap, pid, pidfd)
    return ours


def _notify(connection: socket.socket, device: int) -> None:
    """The notifier's life, from fork to exit. A signal must not end it before the server."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    leave_parent([connection.fileno(), device])
    set_name("cntr-fs-notices")
    notifiers.write_notices(connection, device)


def _end(pid: int, pidfd: int) -> None:
    """End the server, by force if need be, and reap it."""
    for _ in range(round(PATIENCE / AGAIN)):
        signal.pidfd_send_signal(pidfd, signal.SIGTERM)
        if select.select([pidfd], [], [], AGAIN)[0]:
            break
    else:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    if select.select([pidfd], [], [], PATIENCE)[0]:
        os.waitpid(pid, 0)
        return
    _log.error("the filesystem server %d does not end", pid)


def _child(
    serve: Serve,
    device: int,
    filesystem: Operations[Any],
    request: MountRequest,
    parent: int,
    connection: socket.socket,
) -> NoReturn:
    """The server's life, from fork to exit."""
    status = 1
    try:
        observed = request.observer.descriptors() if request.observer is not None else ()
        kept = [device, parent, connection.fileno(), *filesystem.branch.descriptors(), *observed]
        stopper = Stopper()
        signal.signal(signal.SIGTERM, stopper.stop)
        _become_server(kept, parent)
        _log.debug("serving %s", request.source)
        serve(device, filesystem, Policy.of(request), stopper, Notifier(connection))
        status = 0
    except Stop:
        status = 0
    except BaseException:
        _log.exception("the filesystem server failed")
    finally:
        if request.observer is not None:
            request.observer.close()
        _revoke(device, filesystem)
        os._exit(status)


def _revoke(device: int, filesystem: Operations[Any]) -> None:
    """Have the kernel ask for what it kept of each file: who has one open cannot read of it any longer."""
    for inode in filesystem.inodes.all():
        if not notices.send(device, notices.attributes(inode.number)):
            return


def _become_server(kept: list[int], parent: int) -> None:
    leave_parent(kept)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    prepare_credentials()
    os.umask(0)
    set_name("cntr-fs")
    debugging.call_process("fs")
    gc.freeze()
    threading.Thread(target=_end_with, args=(parent, threading.get_ident()), daemon=True).start()


def _end_with(parent: int, server: int) -> None:
    """Stop the serving thread when the parent ends. PR_SET_PDEATHSIG will not do: setfsuid(2) clears it (prctl(2))."""
    select.select([parent], [], [])
    end_server(server)
