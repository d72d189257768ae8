"""From an image to a bundle that only waits for its runtime."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from cntr_core.errors import ImageError, PermissionMissing, UsageError
from cntr_core.images import Image, ImageHolder, open_image, unpack
from cntr_core.kernel import capabilities
from cntr_core.kernel.paths import open_in_root, read_in_root

from . import spec, state
from .runtime import need_runtime
from .state import Directory, Record
from .users import resolve_user

_HOSTS = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
_LONGEST_BASE = 40


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What the user asked for; an empty `name` is derived from the image's."""

    image: str
    name: str = ""
    command: tuple[str, ...] = ()
    host_network: bool = False
    read_only: bool = False


def check_privileges() -> None:
    """:raises PermissionMissing: we are not root."""
    if os.geteuid() != 0:
        raise PermissionMissing("only root can start containers by the oci engine", "Run it with sudo.")


def new_directory(request: RunRequest) -> Directory:
    """A directory with the name asked for, or the first free one that tells the image.

    :raises UsageError: the name is taken or malformed.
    """
    if request.name:
        return state.create(request.name)
    base = _base_name(request.image)
    taken = {directory.name for directory in state.directories()}
    candidates = (base if number == 1 else f"{base}-{number}" for number in range(1, len(taken) + 2))
    return state.create(next(name for name in candidates if name not in taken))


def fill(directory: Directory, request: RunRequest, engines: Sequence[ImageHolder]) -> Record:
    """Unpack the image and write the bundle.

    :raises CntrError: the image cannot be read, or not be run; what was written stays, for the caller to remove.
    """
    program = need_runtime()
    with open_image(request.image, engines=engines) as image:
        spec.arguments(image.config, request.command)  # better now than after a minute of unpacking
        record = _record(directory, image, program)
        unpack(image, directory.file("rootfs"))
    with _opened(directory.file("rootfs")) as root:
        wishes = spec.Wishes(
            name=directory.name,
            cgroup=f"/{record.id}",
            identity=resolve_user(image.config.user, _read(root, "etc/passwd"), _read(root, "etc/group")),
            capabilities=capabilities.names(capabilities.capget()[1]),
            command=request.command,
            host_network=request.host_network,
            read_only=request.read_only,
            files=_network_files(directory, request.host_network),
            volumes={path: _owner_options(root, path) for path in image.config.volumes},
        )
    _write(directory.file("config.json"), json.dumps(spec.bundle(image.config, wishes)))
    return record


def stop_signal(text: str) -> int:
    """The number of an image's STOPSIGNAL, a name with or without SIG or a number; SIGTERM where it has none.

    :raises ImageError: there is no such signal.
    """
    match = re.fullmatch(r"(?P<realtime>(SIG)?RTMIN\+?)?(?P<number>[0-9]{0,2})", text)
    number = int(match["number"] or 0) + (signal.SIGRTMIN if match["realtime"] else 0) if match else 0
    names = signal.Signals.__members__
    found = names.get(text) or names.get(f"SIG{text}") or number
    if text and not 0 < found <= signal.SIGRTMAX:
        raise ImageError(f"the image's stop signal {text!r} does not exist")
    return int(found or signal.SIGTERM)


def _record(directory: Directory, image: Image, program: str) -> Record:
    return Record(
        id=uuid.uuid4().hex,
        name=directory.name,
        image=image.reference,
        runtime=program,
        stop_signal=stop_signal(image.config.stop_signal),
        labels=dict(image.config.labels),
    )


def _base_name(image: str) -> str:
    """What is a name in the image's: ``/tmp/nginx.tar:latest`` is nginx."""
    last = re.sub(r"[:@].*", "", image.rstrip("/").rpartition("/")[2])
    last = re.sub(r"(\.tar)?(\.(gz|xz|zst|tgz|oci))?$", "", last)
    return re.sub(r"[^A-Za-z0-9_.-]|^[^A-Za-z0-9]+", "", last)[:_LONGEST_BASE] or "container"


@contextmanager
def _opened(path: str) -> Iterator[int]:
    fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def _owner_options(root: int, volume: str) -> list[str]:
    """Give a volume the owner and mode of the image's directory; the runtime copies only what is inside."""
    try:
        fd = open_in_root(root, volume, os.O_PATH | os.O_DIRECTORY)
    except OSError:
        return []  # the runtime makes it, or tells what is in its way
    status = os.fstat(fd)
    os.close(fd)
    return [f"uid={status.st_uid}", f"gid={status.st_gid}", f"mode={stat.S_IMODE(status.st_mode):o}"]


def _read(root: int, path: str) -> bytes:
    try:
        return read_in_root(root, path)
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError as error:
        raise ImageError(f"the image's /{path} cannot be read: {error.strerror}") from error


def _network_files(directory: Directory, host_network: bool) -> Mapping[str, str]:
    """The files that tell the container its name and its network; :raises UsageError: the host's cannot be read."""
    contents = {
        "hostname": f"{directory.name}\n",
        "hosts": _host("/etc/hosts") if host_network else _HOSTS,
        "resolv.conf": _host("/etc/resolv.conf"),
    }
    for name, content in contents.items():
        _write(directory.file(name), content)
    return {f"/etc/{name}": directory.file(name) for name in contents}


def _host(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def _write(path: str, content: str) -> None:
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(content)
        os.fchmod(file.fileno(), 0o644)  # whatever the umask is: the container's users read some of them
