"""Ending containers of who called sudo(8): as that user, since all that is remembered of them can be changed by it."""

from __future__ import annotations

import os
import pwd
import signal
import socket

from cntr_core.errors import AmbiguousContainer, ContainerNotFound, EngineError
from cntr_core.kernel import channel, child, process

from ..sudo import invoking_account
from .remove import find, stop
from .state import of_account


def caller() -> pwd.struct_passwd | None:
    """Whose containers count beside root's, None where nobody's do."""
    return None if os.environ.get("CNTR_STATE_DIR") else invoking_account()


def stop_named(name: str, timeout: float) -> None:
    """End and remove the container of this name, of ours or of who called sudo; as :func:`.remove.stop`.

    :raises ContainerNotFound, AmbiguousContainer: there is none, or both have one.
    """
    account = caller()
    if account is None:
        stop(find(name), timeout)
        return
    owner, _, alone = name.removeprefix("oci://").removeprefix("/").rpartition("/")
    if owner not in ("", "root", account.pw_name):
        raise ContainerNotFound(f"engine oci has no container named {name!r}", "see cntr list")
    if owner == account.pw_name:
        _stop_as(account, alone, timeout)
        return
    try:
        own = find(alone)
    except ContainerNotFound:
        if owner:
            raise
        _stop_as(account, alone, timeout)
        return
    if not owner and any(one.name == own.name for one in of_account(account.pw_dir)):
        choice = f"say which: root/{own.name}, {account.pw_name}/{own.name}"
        raise AmbiguousContainer(f"{name!r} names 2 containers", choice)
    stop(own, timeout)


def _stop_as(account: pwd.struct_passwd, name: str, timeout: float) -> None:
    ours, theirs = channel.pair()
    parent = os.getpid()
    pid = child.fork(lambda: _stop_here(account, name, timeout, theirs, parent))
    theirs.close()
    with ours:
        message = channel.receive(ours)  # text alone: what comes from a process of the user is not to be trusted
    code = child.wait(pid)
    if message is not None:
        raise channel.error_of(message)
    if code:
        raise EngineError(f"the process that ends {name} was killed", "run again with --debug")


def _stop_here(account: pwd.struct_passwd, name: str, timeout: float, sock: socket.socket, parent: int) -> None:
    try:
        process.close_others({0, 1, 2, sock.fileno()})
        _become(account)
        child.die_with(parent, signal.SIGKILL)
        stop(find(name), timeout)
    except BaseException as error:
        channel.send_error(sock, error)


def _become(account: pwd.struct_passwd) -> None:
    """For good, with no more of root's environment than programs need."""
    runtime = f"/run/user/{account.pw_uid}"
    variables = {"HOME": account.pw_dir, "USER": account.pw_name, "LOGNAME": account.pw_name}
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "CNTR_DEBUG") if name in os.environ}
    os.environ.clear()
    os.environ.update({**kept, **variables, **({"XDG_RUNTIME_DIR": runtime} if os.path.isdir(runtime) else {})})
    os.initgroups(account.pw_name, account.pw_gid)
    process.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
    process.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
    os.chdir("/")
