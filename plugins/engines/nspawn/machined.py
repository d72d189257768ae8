"""systemd-machined, by D-Bus (org.freedesktop.machine1(5))."""

from __future__ import annotations

import logging
import os
from contextlib import closing
from typing import TYPE_CHECKING, Any

from cntr_core.dataclass import dataclass, field
from cntr_core.engine import SILENCE
from cntr_core.errors import EngineError
from cntr_core.reasons import reason
from cntr_core.timing import timed

if TYPE_CHECKING:
    from jeepney import DBusAddress, Message
    from jeepney.io.blocking import DBusConnection

_log = logging.getLogger(__name__)

_NAME = "org.freedesktop.machine1"
_VARIABLE, _BUS = "DBUS_SYSTEM_BUS_ADDRESS", "/var/run/dbus/system_bus_socket"
"""Where the system's bus is, as D-Bus' specification has it ("Well-known Message Bus Instances")."""
_LOOK = "see systemctl status dbus systemd-machined"
_DENIED = "org.freedesktop.DBus.Error.AccessDenied"
_NOT_THERE = ("org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner")


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that runs. `leader` is its PID 1, as the host sees it; `root` its directory or image."""

    name: str
    leader: int
    root: str = ""
    labels: dict[str, str] = field(default_factory=dict)


def machines() -> list[Machine] | None:
    """The containers that machined knows, virtual machines left out; None where no machined runs.

    It is not started for the question: it ends by itself when it has no machines.

    :raises EngineError: the bus or machined does not answer, refuses, or gives an invalid answer.
    """
    if not os.environ.get(_VARIABLE) and not os.path.exists(_BUS):
        return None
    from jeepney import DBusErrorResponse  # 15 ms
    from jeepney.io.blocking import open_dbus_connection

    try:
        with timed(_log, "list machined's machines"), closing(open_dbus_connection("SYSTEM")) as connection:
            return _listed(connection)
    except (FileNotFoundError, ConnectionRefusedError):  # there is no bus
        return None
    except DBusErrorResponse as error:
        if error.name in _NOT_THERE:
            return None
        if error.name == _DENIED:  # the bus tells the rule that was missing, in words of its configuration
            raise EngineError(f"the system's D-Bus does not let this user ask machined ({_DENIED})", _LOOK) from None
        raise EngineError(f"machined refused: {error.data[0] if error.data else error.name}", _LOOK) from None
    except TimeoutError:
        raise EngineError("the system's D-Bus or machined did not answer", _LOOK) from None
    except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise EngineError(f"the system's D-Bus cannot be asked ({reason(error):.100})", _LOOK) from None


def _listed(connection: DBusConnection) -> list[Machine]:
    from jeepney import DBusAddress, DBusErrorResponse

    manager = DBusAddress("/org/freedesktop/machine1", _NAME, f"{_NAME}.Manager")
    found = []
    for name, kind, service, path in _called(connection, manager, "ListMachines")[0]:
        if kind != "container":
            continue
        try:
            properties = _properties(connection, DBusAddress(path, _NAME, f"{_NAME}.Machine"))
        except DBusErrorResponse:  # it ended meanwhile
            continue
        labels = {"service": service, "unit": properties["Unit"]}
        found.append(Machine(name, properties["Leader"], properties["RootDirectory"], labels))
    return found


def _properties(connection: DBusConnection, machine: DBusAddress) -> dict[str, Any]:
    from jeepney import Properties

    return {key: value for key, (_, value) in _answer(connection, Properties(machine).get_all())[0].items()}


def _called(connection: DBusConnection, target: DBusAddress, method: str) -> tuple[Any, ...]:
    from jeepney import MessageFlag, new_method_call

    message = new_method_call(target, method)
    message.header.flags = MessageFlag.no_auto_start
    return _answer(connection, message)


def _answer(connection: DBusConnection, message: Message) -> tuple[Any, ...]:
    """:raises DBusErrorResponse: it is an error."""
    from jeepney import DBusErrorResponse, MessageType

    reply = connection.send_and_get_reply(message, timeout=SILENCE)
    if reply.header.message_type is MessageType.error:
        raise DBusErrorResponse(reply)
    return tuple(reply.body)
