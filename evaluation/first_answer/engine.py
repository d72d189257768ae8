"""A docker daemon of our own, with nothing in its store, and a container of it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from cntr_slimmer.runs.embedded import become_private

from cntr_core.images import remove_tree
from cntr_core.kernel.mounts import MNT_DETACH, DetachedMount, umount2
from cntr_core.kernel.procfs import own_mounts
from cntr_core.kernel.syscall import AT_FDCWD

from ..children import last_words
from ..docker import Docker
from ..manifest import Entry
from ..sources import Failed

_PATIENCE = 60.0
_RUN = "/run"
_NAME = "corpus"


def hide_the_machines_engines() -> None:
    """An empty ``/run`` in the mount namespace of this process: what daemons keep there is ours alone, by paths short
    enough for sockets (unix(7)), and nobody reaches those of the machine."""
    become_private()
    with DetachedMount.new("tmpfs", {"mode": "0755"}) as mount:
        mount.attach(AT_FDCWD, _RUN)


class Engine(Docker):
    """A running daemon, whose files are below `place` and in our ``/run``. It knows no bridge: containers have a
    loopback alone."""

    def __init__(self, place: str) -> None:
        self._socket = f"unix://{_RUN}/docker.sock"
        environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        super().__init__({**environment, "DOCKER_HOST": self._socket, "DOCKER_CONFIG": place})

    def start(self, place: str, registry: str) -> subprocess.Popen[bytes]:
        """Start the daemon, which pulls from `registry` without TLS; :raises Failed: it does not start."""
        line = ["dockerd", "--host", self._socket, "--insecure-registry", registry, "--data-root", f"{place}/data-root"]
        line += [f"--exec-root={_RUN}/docker", f"--pidfile={_RUN}/docker.pid"]
        line += ["--bridge=none", "--iptables=false", "--ip-forward=false", "--storage-driver=overlay2"]
        line += ["--exec-opt=native.cgroupdriver=cgroupfs", f"--cgroup-parent=/{group_of(place)}"]
        with open(os.path.join(place, "log"), "wb") as log:
            process = subprocess.Popen(line, env=self.environment, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + _PATIENCE
        while self.docker("version").returncode:
            if process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"dockerd does not start: {last_words(os.path.join(place, 'log'))}")
            time.sleep(0.05)
        return process

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """Remove its containers, whose first processes may ignore signals, and end the daemon."""
        for name in self.docker("ps", "--all", "--quiet").stdout.decode().split():
            self.docker("rm", "--force", "--volumes", name)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE)
        process.kill()
        process.wait()


@contextmanager
def fresh_engine(place: str, registry: str) -> Iterator[Engine]:
    """A daemon with an empty store in the new directory `place`, which goes with the block."""
    os.mkdir(place)
    engine = Engine(place)
    try:
        process = engine.start(place, registry)
        try:
            yield engine
        finally:
            engine.end(process)
    finally:
        _unmount(place)
        remove_tree(place)


def _unmount(place: str) -> None:
    """What the daemon has left mounted: its own directory is, on itself."""
    for mount in reversed(own_mounts()):
        if mount.point.startswith(os.fsencode(f"{place}/")):
            umount2(os.fsdecode(mount.point), MNT_DETACH)


def group_of(place: str) -> str:
    """The control group of the containers of an engine at `place`."""
    return os.path.basename(os.path.dirname(place))


def run_line(entry: Entry, image: str) -> list[str]:
    """The words of ``docker run`` that start `image` as the entry says."""
    env = [f"--env={name}={value}" for name, value in entry.env.items()]
    # Without a network, docker gives no address to the container's own name, which Java programs ask for.
    line = ["run", "--detach", "--network=none", f"--hostname={_NAME}", f"--add-host={_NAME}:127.0.0.1"]
    return [*line, *env, image, *entry.command]
