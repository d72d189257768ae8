"""What is remembered of our containers: a directory for each, with everything that belongs to it."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import re
import stat
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from cntr_core.dataclass import dataclass, field
from cntr_core.errors import ContainerNotFound, EngineError, UsageError
from cntr_core.kernel.process import boot_id
from cntr_core.kernel.procfs import living_thread, parse_stat
from cntr_core.kernel.user_namespaces import own_directory
from cntr_core.reasons import reason

if TYPE_CHECKING:
    from cntr_core.runtime import Runtime

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_LONGEST_STATE = 1 << 20
_RUNTIME_ROOT = ".runtime"
# Not below /run: that is a tmpfs of little size, mounted noexec and nosuid on many systems, and a container's whole
# root is kept here.
_OF_ROOT = "/var/lib/cntr-oci"


@dataclass(frozen=True, slots=True)
class ContainerRecord:
    """A container as its directory's state.json has it. `pid` is 0 until it was started. `fat` is the unpacked fat half
    that is served below a slim root, "" where none is; `misses` the file that tells what came from it. `boot` is the
    start of the machine that `pid` and `start_time` belong to."""

    id: str
    name: str
    image: str
    runtime: str
    stop_signal: int
    boot: str
    pid: int = 0
    start_time: int = 0
    exit_code: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    fat: str = ""
    misses: str = ""
    limits: tuple[str, str] = ("", "")
    """The files that tell which limit it met, as LimitWatch has them."""

    @property
    def runs(self) -> bool:
        """Whether its first process lives. A zombie does not: PID 1 of the host need not reap."""
        begun = self.pid > 0 and self.exit_code is None and not self.is_of_other_boot
        return begun and _lives(self.pid, self.start_time)

    @property
    def is_of_other_boot(self) -> bool:
        """Whether the machine was started again since: nothing of the container lives, and its PID is another's."""
        return self.boot != boot_id()


class ContainerDirectory:
    """A container's directory."""

    def __init__(self, name: str, place: str = "") -> None:
        self.name = name
        self.path = os.path.join(place or state_directory(), name)

    def file(self, name: str) -> str:
        """The path of one of its files: rootfs, config.json, log, state.json …"""
        return os.path.join(self.path, name)

    def write(self, record: ContainerRecord) -> None:
        """Remember; a reader sees the old or the new state, never half of one, also where the machine stops meanwhile.

        :raises ImageError: there is no room.
        """
        from cntr_core.images.write.atomic import replacing  # not for who only lists containers

        with replacing(self.file("state.json")) as file:
            file.write(json.dumps(dataclasses.asdict(record)).encode())

    def read(self) -> ContainerRecord | None:
        """What is remembered; None where the container did not come that far.

        :raises EngineError: the file is damaged.
        """
        from msgspec import json as typed_json  # not for who has no containers

        try:
            with open(self.file("state.json"), "rb", opener=_open_regular) as file:
                record = typed_json.decode(file.read(_LONGEST_STATE), type=ContainerRecord)
            if not _NAME.fullmatch(record.id):  # it becomes part of a path
                raise ValueError(f"{record.id!r} is no id")
            return record
        except FileNotFoundError:
            return None
        except (ValueError, RecursionError) as error:
            raise EngineError(f"the state of container {self.name} is damaged: {reason(error)}") from error

    @contextlib.contextmanager
    def lock(self, patience: float) -> Iterator[bool]:
        """Hold the container, as whoever starts or watches it does; False when `patience` seconds were not enough.

        The kernel lets go of it when the holder dies.

        :raises ContainerNotFound: the container is gone.
        """
        try:
            file = open(self.file("lock"), "wb")  # noqa: SIM115 - closed below, in whatever way the block ends
        except FileNotFoundError:
            raise ContainerNotFound(f"engine oci has no container named {self.name!r}") from None
        with file:
            yield _locked(file.fileno(), time.monotonic() + patience)


def _open_regular(path: str, flags: int) -> int:
    """For open(): of another user's, to root, it may be a FIFO, a device, or a link."""
    fd = os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise ValueError("it is no regular file")
    return fd


def of_account(home: str) -> list[ContainerDirectory]:
    """The containers of the user with this home, for root whom that user called by sudo(8)."""
    place = os.path.join(home, ".local/share", os.path.basename(_OF_ROOT))
    with contextlib.suppress(OSError):
        return [ContainerDirectory(name, place) for name in sorted(os.listdir(place)) if _NAME.fullmatch(name)]
    return []


def state_directory() -> str:
    """Where containers live: ``$CNTR_STATE_DIR``, else below ``/var/lib`` for root, ``$XDG_DATA_HOME`` for others."""
    if path := os.environ.get("CNTR_STATE_DIR"):
        return path
    return own_directory(_OF_ROOT, "XDG_DATA_HOME", ".local/share")


def runtime_root() -> str:
    """Where the OCI runtime keeps what it knows (its option ``--root``)."""
    return os.path.join(state_directory(), _RUNTIME_ROOT)


def runtime_of(record: ContainerRecord) -> Runtime:
    """The OCI runtime, for this container."""
    from cntr_core.runtime import Runtime

    return Runtime(record.runtime, runtime_root(), record.id)


def create(name: str) -> ContainerDirectory:
    """The directory of a new container.

    :raises UsageError: the name is taken, or cannot be one.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is not a valid container name", "use letters and digits, and inside also _ . -")
    directory = ContainerDirectory(name)
    while True:
        # 0700: set-user-id programs of an image are no business of the host's users.
        _make(state_directory())
        try:
            os.mkdir(directory.path, 0o700)
        except FileNotFoundError:
            continue  # the last container just went, and the directory of all with it
        except FileExistsError:
            raise UsageError(
                f"a container named {name!r} exists", f"choose another name, or remove it: cntr stop {name}"
            ) from None
        return directory


def _make(path: str) -> None:
    """:raises UsageError: no program could run there, or nothing can be written."""
    hint = "set CNTR_STATE_DIR to a directory on another filesystem"
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{path}, for containers, cannot be made: {error.strerror}", hint) from None
    if is_noexec(path):
        raise UsageError(f"{path}, for containers, is on a filesystem that is mounted noexec", hint)


def is_noexec(path: str) -> bool:
    """Whether programs cannot be executed at `path`, which need not be there yet."""
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    return bool(os.statvfs(path).f_flag & os.ST_NOEXEC)


def directories() -> list[ContainerDirectory]:
    """All containers, in the order of their names."""
    try:
        names = os.listdir(state_directory())
    except FileNotFoundError:
        return []
    return [ContainerDirectory(name) for name in sorted(names) if _NAME.fullmatch(name)]


def tidy() -> None:
    """Remove the directories that are empty once the last container is gone."""
    for path in (runtime_root(), state_directory()):
        with contextlib.suppress(OSError):
            os.rmdir(path)


def _locked(fd: int, deadline: float) -> bool:
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)


def _lives(pid: int, start_time: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            status = parse_stat(file.read())
        return status.start_time == start_time and living_thread(pid) is not None
    except (FileNotFoundError, ProcessLookupError):
        return False
