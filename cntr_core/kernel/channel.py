"""Messages between the processes of a session: one datagram each, JSON, with file descriptors attached (unix(7)).

JSON and not pickle: the far side has entered a container, and what it sends must not be able to run code here.
"""

from __future__ import annotations

import array
import json
import socket
from typing import Any

from .. import errors
from ..dataclass import dataclass, field
from ..errors import CntrError, SessionError
from ..json_text import read_json

_LARGEST = 1 << 16
_MOST_FDS = 32
_LARGEST_NUMBER = 255
_LONGEST = 2000  # characters of a sentence; a name in it is the user's, and may be of any length


@dataclass(frozen=True, slots=True)
class Message:
    """What happened (`event`), with its values and descriptors; the receiver owns the descriptors."""

    event: str
    values: dict[str, Any] = field(default_factory=dict)
    fds: tuple[int, ...] = ()

    def number(self, name: str) -> int:
        """The value `name`: an exit code or a signal.

        :raises SessionError: it is none.
        """
        value = self.values.get(name)
        if not isinstance(value, int) or not 0 <= value <= _LARGEST_NUMBER:
            raise no_message(f"{name} is {value!r}")
        return value

    def descriptors(self, count: int) -> list[int]:
        """Its descriptors.

        :raises SessionError: they are not `count`.
        """
        if len(self.fds) != count:
            raise no_message(f"{len(self.fds)} descriptors instead of {count}")
        return list(self.fds)


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends; message boundaries are kept and the end of one side is seen by the other."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(sock: socket.socket, event: str, *fds: int, **values: Any) -> None:
    """Send one message; a receiver that is gone is no error, its absence is noticed otherwise."""
    payload = json.dumps([event, values]).encode()
    try:
        socket.send_fds(sock, [payload], list(fds), socket.MSG_NOSIGNAL)
    except (BrokenPipeError, ConnectionResetError):
        return


def receive_fds(sock: socket.socket, size: int, most: int) -> tuple[bytes, list[int]]:
    """Bytes and descriptors, close-on-exec from the first moment: Python 3.11's recv_fds() forgets its flags."""
    room = socket.CMSG_LEN(most * array.array("i").itemsize)
    payload, controls, _, _ = sock.recvmsg(size, room, socket.MSG_CMSG_CLOEXEC)
    fds = array.array("i")
    for level, kind, data in controls:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):  # pragma: no branch - nothing else is asked for
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return payload, list(fds)


def receive(sock: socket.socket) -> Message | None:
    """The next message, or None when the other side is closed."""
    try:
        payload, fds = receive_fds(sock, _LARGEST, _MOST_FDS)
    except ConnectionResetError:  # pragma: no cover - a race: the other side was killed with messages unread
        return None
    if not payload:
        return None
    try:
        event, values = read_json(payload)
    except (ValueError, TypeError) as error:
        raise no_message(str(error)) from error
    if not isinstance(values, dict):
        raise no_message("its values have no names")
    return Message(event, values, tuple(fds))


def no_message(why: str) -> SessionError:
    """What to raise where somebody in the container took over a process of the session, and speaks for it."""
    return SessionError(
        f"a process of the session sent what is no message ({why[:_LONGEST]})",
        "who may trace processes in the container can do this: see SYS_PTRACE among its capabilities",
    )


def send_error(sock: socket.socket, error: BaseException) -> None:
    """Send an error so that :func:`error_of` makes its like on the other side."""
    if isinstance(error, CntrError):
        kind, message, hint = type(error).__name__, error.message, error.hint
    else:
        kind, message, hint = "SessionError", describe(error), "run again with --debug"
    send(sock, "error", kind=kind, message=message[:_LONGEST], hint=hint[:_LONGEST])


def describe(error: BaseException) -> str:
    """One phrase for an unexpected error: an OSError's own text and path, or the kind and text of another."""
    if isinstance(error, OSError) and error.strerror:
        path = error.filename
        name = path.decode(errors="backslashreplace") if isinstance(path, bytes) else path
        return f"{error.strerror}: {name}" if name else error.strerror
    return f"{type(error).__name__}: {error}"


def error_of(message: Message) -> CntrError:
    """The error that :func:`send_error` sent."""
    kind = getattr(errors, str(message.values.get("kind")), None)
    if not (isinstance(kind, type) and issubclass(kind, CntrError)):
        kind = SessionError
    return kind(str(message.values.get("message")), str(message.values.get("hint", "")))
