"""A docker daemon of our own, with nothing in its store, and a container of it."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from cntr_slimmer.probes.running import Executed
from cntr_slimmer.runs.embedded import become_private

from cntr_core.errors import EngineError
from cntr_core.images import remove_tree
from cntr_core.kernel.mounts import MNT_DETACH, DetachedMount, umount2
from cntr_core.kernel.process import pidfd_open
from cntr_core.kernel.procfs import own_mounts
from cntr_core.kernel.syscall import AT_FDCWD

from ..children import last_words
from ..manifest import Entry
from ..sources import Failed

_PATIENCE = 60.0
_LONGEST = 1800.0
"""Seconds that one command of docker may take."""
_RUN = "/run"


def hide_the_machines_engines() -> None:
    """An empty ``/run`` in the mount namespace of this process: what daemons keep there is ours alone, by paths short
    enough for sockets (unix(7)), and nobody reaches those of the machine."""
    become_private()
    with DetachedMount.new("tmpfs", {"mode": "0755"}) as mount:
        mount.attach(AT_FDCWD, _RUN)


class Engine:
    """A running daemon, whose files are below `place` and in our ``/run``. It knows no bridge: containers have a
    loopback alone."""

    def __init__(self, place: str) -> None:
        self._socket = f"unix://{_RUN}/docker.sock"
        self._environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        self._environment |= {"DOCKER_HOST": self._socket, "DOCKER_CONFIG": place}

    def start(self, place: str, registry: str) -> subprocess.Popen[bytes]:
        """Start the daemon, which pulls from `registry` without TLS; :raises Failed: it does not start."""
        line = ["dockerd", "--host", self._socket, "--insecure-registry", registry, "--data-root", f"{place}/data-root"]
        line += [f"--exec-root={_RUN}/docker", f"--pidfile={_RUN}/docker.pid"]
        line += ["--bridge=none", "--iptables=false", "--ip-forward=false", "--storage-driver=overlay2"]
        line += ["--exec-opt=native.cgroupdriver=cgroupfs", f"--cgroup-parent=/{group_of(place)}"]
        with open(os.path.join(place, "log"), "wb") as log:
            process = subprocess.Popen(line, env=self._environment, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + _PATIENCE
        while self.docker("version").returncode:
            if process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"dockerd does not start: {last_words(os.path.join(place, 'log'))}")
            time.sleep(0.05)
        return process

    def docker(self, *words: str, timeout: float = _LONGEST) -> subprocess.CompletedProcess[bytes]:
        """A command of docker's client, by this daemon; :raises subprocess.TimeoutExpired: it was killed."""
        line = ["docker", *words]
        return subprocess.run(
            line, env=self._environment, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=timeout
        )

    def must(self, *words: str) -> str:
        """The same, its stdout; :raises Failed: docker refuses."""
        done = self.docker(*words)
        if done.returncode:
            raise Failed(f"docker {words[0]}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode().strip()

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
    return ["run", "--detach", "--network=none", *env, image, *entry.command]


class Container:
    """A container of `engine` that was started, as probes see it."""

    environment: Mapping[str, str] = {}

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = name
        self.pid = int(engine.must("inspect", "--format={{.State.Pid}}", name))
        self._pidfd = _opened(self.pid)

    def ended(self) -> int | None:
        """The exit code of the first process; None while it runs."""
        if self._pidfd is not None and not select.select([self._pidfd], [], [], 0)[0]:
            return None
        return int(self._engine.must("wait", self._name))

    def execute(self, command: Sequence[str], timeout: float) -> Executed:
        """Run a command in the container, as the image's user.

        :raises TimeoutError: it did not end within `timeout` seconds.
        :raises EngineError: the container has ended.
        """
        if self.ended() is not None:
            raise EngineError("the container has ended", "look at its log")
        try:
            done = self._engine.docker("exec", self._name, *command, timeout=timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{command[0]} did not end within {timeout:g} s") from None
        return Executed(done.returncode, done.stdout, done.stderr)

    def log(self) -> bytes:
        """What it wrote to stdout and stderr so far."""
        done = self._engine.docker("logs", self._name)
        return done.stdout + done.stderr

    def activity(self) -> int:
        """Nobody watches it."""
        return 0


def _opened(pid: int) -> int | None:
    """A pidfd; None for a process that has ended, which is docker's 0."""
    try:
        return pidfd_open(pid) if pid else None
    except ProcessLookupError:
        return None
