"""The embedded engine, as the others see it."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable, Iterator, Sequence

from cntr_core import Container, ContainerState, Engine, EngineStatus, StoppedRoot
from cntr_core.dataclass import replace
from cntr_core.engine import matching
from cntr_core.errors import EngineError, PermissionMissing
from cntr_core.json_text import read_json
from cntr_core.kernel import namespaces
from cntr_core.kernel.cgroups import frozen
from cntr_core.kernel.syscall import owned
from cntr_core.reasons import reason

from .of_caller import caller
from .state import ContainerDirectory, ContainerRecord, directories, is_noexec, of_account, state_directory

_OF_IDS = frozenset("0123456789abcdef")


class OciEngine(Engine):
    """Containers that ``cntr run`` started."""

    name = "oci"

    def status(self) -> EngineStatus:
        from cntr_core.runtime import find_runtime  # not for who only lists containers

        try:
            where = state_directory()
        except PermissionMissing as error:
            return EngineStatus(False, error.message, error.hint)
        program = find_runtime()
        if not program:
            return EngineStatus(False, "no OCI runtime is installed", "install runc or crun", where)
        if is_noexec(where):
            hint = "set CNTR_STATE_DIR to a directory on another filesystem"
            return EngineStatus(False, f"{where} is on a filesystem that is mounted noexec", hint, where)
        return EngineStatus(True, f"runs images by {os.path.basename(program)}", endpoint=where)

    def containers(self) -> Iterable[Container]:
        own = [_container(directory) for directory in _own_directories()]
        account = caller()
        if account is None:
            return own
        return _of_both(own, list(_of_account(account)), account.pw_name)

    def find(self, name: str) -> Sequence[Container]:
        return matching(name, self.containers()) if _may_have(name.rpartition("/")[2]) else []

    def stopped_root(self, container: Container) -> StoppedRoot | None:
        directory = ContainerDirectory(container.name.removeprefix("root/"))
        if container.bundle not in ("", directory.path):
            raise PermissionMissing(f"{container.name} is a container of another user", "run cntr without sudo")
        try:
            with open(directory.file("config.json"), encoding="utf-8") as file:
                process = read_json(file.read())["process"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise EngineError(f"the bundle of container {container.name} cannot be read: {reason(error)}") from error
        user = f"{process['user']['uid']}:{process['user']['gid']}"
        return StoppedRoot((directory.file("rootfs"),), tuple(process["env"]), user, process["cwd"])


def _own_directories() -> list[ContainerDirectory]:
    try:
        return directories()
    except PermissionError as error:
        raise PermissionMissing(f"{error.filename} cannot be read", "run cntr with sudo") from error


def _may_have(name: str) -> bool:
    """Whether there may be a container of that name, or with an id that begins so, by their directories' names. What is
    in them is read by msgspec, which takes 25 ms to import."""
    account = caller()
    known = [*_own_directories(), *(of_account(account.pw_dir) if account else ())]
    return set(name) <= _OF_IDS or any(directory.name.startswith(name) for directory in known)


def _of_account(account: pwd.struct_passwd) -> Iterator[Container]:
    """The containers of who called sudo. A state that names a process of somebody else is none of theirs."""
    for directory in of_account(account.pw_dir):
        found = _container(directory)
        if found.pid is None or _owner_of(found.pid) == account.pw_uid:
            yield found


def _owner_of(pid: int) -> int | None:
    """Who made the user namespace of a process; None where that cannot be told."""
    try:
        with owned(os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)) as namespace:
            return namespaces.owner(namespace)
    except OSError:
        return None


def _of_both(own: list[Container], others: list[Container], name: str) -> list[Container]:
    """All, with the owner before a name that both have, as the engine podman does it."""
    both = {each.name for each in own} & {each.name for each in others}

    def named(container: Container, owner: str) -> Container:
        return replace(container, name=f"{owner}/{container.name}") if container.name in both else container

    return [*(named(each, "root") for each in own), *(named(each, name) for each in others)]


def _container(directory: ContainerDirectory) -> Container:
    try:
        record = directory.read()
    except EngineError:
        return Container("oci", directory.name, directory.name, ContainerState.UNKNOWN)
    if record is None:
        return Container("oci", directory.name, directory.name, ContainerState.CREATED)
    state = _state(record)
    live = state in (ContainerState.RUNNING, ContainerState.PAUSED)
    pid = record.pid if live else None
    return Container("oci", record.id, record.name, state, pid, record.image, record.labels, directory.path)


def _state(record: ContainerRecord) -> ContainerState:
    if not record.pid:
        return ContainerState.CREATED
    if not record.runs:
        return ContainerState.EXITED
    try:
        return ContainerState.PAUSED if frozen(record.pid) else ContainerState.RUNNING
    except OSError:
        return ContainerState.UNKNOWN if record.runs else ContainerState.EXITED
