"""From an image's configuration and its root directory to a bundle that only waits for its runtime."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
from collections.abc import Mapping

from ..dataclass import dataclass, field
from ..errors import ImageError, UsageError
from ..images import ImageConfig
from ..kernel import capabilities
from ..kernel.namespaces import is_initial_user_namespace
from ..kernel.paths import open_in_root, read_in_root
from . import config_json
from .config_json import RuntimeOptions
from .image_user import resolve_user

_HOSTS = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"


@dataclass(frozen=True, slots=True)
class BundleRequest:
    """What is wanted beside the image's configuration: the container's host name, its cgroup (a path from the
    hierarchies' roots; without effect in a user namespace, to which they do not belong), and what the user asked for.
    """

    name: str
    cgroup: str
    options: RuntimeOptions = field(default_factory=RuntimeOptions)


def write_bundle(directory: str, root: int, config: ImageConfig, request: BundleRequest) -> None:
    """Write config.json, and the files that it binds, to `directory`; `root` describes the root directory, which is
    ``rootfs`` there.

    :raises CntrError: the image names no command, or a user that it does not have.
    """
    spec = config_json.ContainerSpec(
        name=request.name,
        cgroup=request.cgroup if is_initial_user_namespace() else "",
        identity=resolve_user(request.options.user or config.user, _read(root, "etc/passwd"), _read(root, "etc/group")),
        capabilities=capabilities.names(capabilities.capget()[1]),
        options=request.options,
        files=_network_files(directory, request),
        volumes={path: _owner_options(root, path) for path in (*config.volumes, *request.options.volumes)},
    )
    _write(os.path.join(directory, "config.json"), json.dumps(config_json.bundle(config, spec)))


def stop_signal(text: str) -> int:
    """The number of an image's STOPSIGNAL: a name in any case, with or without SIG, RTMIN+N, RTMAX-N, or a number (as
    docker reads it, moby/sys/signal); SIGTERM where it has none.

    :raises ImageError: there is no such signal.
    """
    name = text.upper().removeprefix("SIG")
    found = _numbered(name) or signal.Signals.__members__.get(f"SIG{name}", 0)
    if text and not 0 < found <= signal.SIGRTMAX:
        raise ImageError(f"the image's stop signal {text!r} does not exist")
    return int(found or signal.SIGTERM)


def _numbered(name: str) -> int:
    """The number of a signal that is written as one, or by its distance from the first or last of real time; else 0."""
    match = re.fullmatch(r"(?:(?P<first>RTMIN)\+?|(?P<last>RTMAX)-)?(?P<number>[0-9]{1,2})", name, re.ASCII)
    if match is None:
        return 0
    number = int(match["number"])
    if match["last"]:
        return signal.SIGRTMAX - number if number <= signal.SIGRTMAX - signal.SIGRTMIN else 0
    return number + (signal.SIGRTMIN if match["first"] else 0)


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


def _network_files(directory: str, request: BundleRequest) -> Mapping[str, str]:
    """The files that tell the container its name and its network; :raises UsageError: the host's cannot be read."""
    contents = {
        "hostname": f"{request.name}\n",
        # Its own name, too: Java's servers look it up.
        "hosts": _host("/etc/hosts") if request.options.host_network else f"{_HOSTS}127.0.0.1\t{request.name}\n",
        "resolv.conf": _host("/etc/resolv.conf"),
    }
    for name, content in contents.items():
        _write(os.path.join(directory, name), content)
    return {f"/etc/{name}": os.path.join(directory, name) for name in contents}


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
