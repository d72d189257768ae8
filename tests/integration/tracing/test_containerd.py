"""What containerd leaves to its clients, and so to us: images unpacked, snapshots, and what is left of all that."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from cntr_slimmer.trace.observer import TraceObserver

from cntr_core.engine.tracing import TracingOptions
from cntr_core.errors import EngineError
from cntr_core.kernel.process import pidfd_send_signal
from cntr_core.runtime import LARGEST_LOG
from tests.integration.tracing.conftest import CONTAINERD, ContainerdCase
from tests.support.children import until
from tests.support.cntr import is_alive, running
from tests.support.images import archive

pytestmark = [
    pytest.mark.requires("root", "fuse", "docker", "docker-cli", "mmdebstrap", "busybox"),
    pytest.mark.parametrize("tested", [CONTAINERD], indirect=True),
]


def _snapshots(tested: ContainerdCase, snapshotter: str = "overlayfs") -> list[str]:
    lines = tested.command("snapshots", "--snapshotter", snapshotter, "list").splitlines()[1:]
    return sorted(line.split()[0] for line in lines)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (TracingOptions(network="no-such-network"), "containerd has no network no-such-network"),
        (TracingOptions(publish=("80",)), "a port cannot be published"),
        (TracingOptions(init=True), "containerd has no init"),
        (TracingOptions(volumes=("name:/data",)), "containerd has no volume 'name'"),
        (TracingOptions(volumes=("/etc:/data:z",)), "no volume option 'z'"),
        (TracingOptions(volumes=("/no/such/directory:/data",)), "containerd refused: "),
    ],
)
def test_what_it_has_not_is_told_and_leaves_nothing(
    tested: ContainerdCase, observer: TraceObserver, options: TracingOptions, message: str
) -> None:
    with pytest.raises(EngineError, match=message):  # noqa: SIM117 - it is entering that fails
        with tested.run(tested.image("busybox"), "true", options=options, observer=observer):
            pass
    assert tested.containers() == tested.left() == []
    assert os.listdir(os.environ["TMPDIR"]) == []


@pytest.mark.parametrize("snapshotter", ["overlayfs", "native"])
def test_users_are_the_images_own_with_every_snapshotter(
    tested: ContainerdCase, observer: TraceObserver, monkeypatch: pytest.MonkeyPatch, snapshotter: str
) -> None:
    monkeypatch.setenv("CONTAINERD_SNAPSHOTTER", snapshotter)
    image = tested.build("RUN useradd --uid 1234 --create-home somebody\nRUN true\nUSER somebody", "debian")
    with tested.run(image, "sh", "-c", "id -u; echo $HOME; exec sleep 1000", observer=observer) as run:
        until(lambda: run.log() == b"1234\n/home/somebody\n")
        assert [name for name in _snapshots(tested, snapshotter) if name.startswith("cntr-run-")] == tested.containers()
    assert not [name for name in _snapshots(tested, snapshotter) if not name.startswith("sha256:")]


def test_an_image_stays_unpacked_until_it_goes(tested: ContainerdCase) -> None:
    before = _snapshots(tested)
    image = tested.build("RUN echo once > /once")
    assert _snapshots(tested) == before
    seen = []
    for _ in range(2):
        with tested.run(image, "cat", "/once") as run:
            until(lambda: run.log() == b"once\n")
        seen.append(_snapshots(tested))
    assert seen[0] == seen[1] != before
    tested.forget(image)
    assert _snapshots(tested) == before


def test_the_container_is_where_the_image_is(tested: ContainerdCase) -> None:
    image = tested.daemon.load("busybox", "elsewhere")
    try:
        tested.daemon.ctr("images", "remove", "--sync", tested.image("busybox"))
        with tested.run(image, "sleep", "1000"):
            [name] = tested.daemon.ctr("containers", "list", "--quiet", namespace="elsewhere").split()
            assert [c.name for c in tested.engine.find(f"elsewhere/{name}")] == [f"elsewhere/{name}"]
        assert tested.daemon.ctr("containers", "list", "--quiet", namespace="elsewhere") == ""
    finally:
        tested.daemon.ctr("images", "remove", "--sync", image, namespace="elsewhere")


def test_user_volumes_hide_the_images(tested: ContainerdCase, tmp_path: Path) -> None:
    (tmp_path / "given").write_text("the user's\n")
    options = TracingOptions(volumes=(f"{tmp_path}:/data", "/data/scratch"), tmpfs=("/data/more:size=1m",))
    script = "cat /data/given; mount | grep -c ' on /data'; touch /data/new /data/scratch/new; exec sleep 1000"
    image = tested.build("RUN mkdir -p /data/scratch /data/more\nVOLUME /data")
    with tested.run(image, "sh", "-c", script, options=options) as run:
        until(lambda: run.log() == b"the user's\n3\n")
        until(lambda: (tmp_path / "new").exists())
    assert not (tmp_path / "scratch/new").exists()


def test_the_end_of_output_without_end_is_kept(tested: ContainerdCase) -> None:
    """Three times what is kept, of the container and of a command in it."""
    much = "echo first words; head -c 100000000 /dev/zero; echo; echo last words"
    with tested.run(tested.image("busybox"), "sh", "-c", f"{much}; exec sleep 1000") as run:
        until(lambda: run.log().endswith(b"\nlast words\n"))
        done = run.execute(["/bin/busybox", "sh", "-c", f"exec >&2; {much}"], 60)
        assert (done.code, done.stdout) == (0, b"")
        for output in (run.log(), done.stderr):
            said, _, rest = output.partition(b"\n")
            assert said.endswith(b"or gone") and rest.endswith(b"\nlast words\n") and len(rest) <= LARGEST_LOG
        directories = [path for path in Path(os.environ["TMPDIR"]).iterdir() if path.name.startswith("cntr-containerd")]
        assert sum(each.stat().st_size for path in directories for each in path.iterdir()) <= LARGEST_LOG + (1 << 20)


def test_a_cntr_that_dies_while_it_unpacks_leaves_nothing(
    tested: ContainerdCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = _snapshots(tested)
    with running("trace", "run", archive("nginx"), "--engine", "containerd", "--probe", "exit", "--", "true") as run:
        until(lambda: [name for name in tested.left() if name.startswith("cntr-run-")])  # the lease comes first
        run.send_signal(signal.SIGKILL)
        run.wait(60)
    until(lambda: not tested.containers() and not tested.tags() and not tested.left())
    until(lambda: os.listdir(os.environ["TMPDIR"]) == [])
    until(lambda: _snapshots(tested) == before)


def test_a_container_whose_shim_died_is_removed(tested: ContainerdCase) -> None:
    with pytest.raises(EngineError), tested.run(tested.image("busybox"), "sleep", "1000") as run:
        [name] = tested.containers()
        with open(f"/proc/{run.pid}/status") as file:
            shim = next(int(line.split()[1]) for line in file if line.startswith("PPid:"))
        pidfd = os.pidfd_open(shim)
        pidfd_send_signal(pidfd, signal.SIGKILL)
        os.close(pidfd)
        until(lambda: not is_alive(run.pid))
        run.end(0)
    assert tested.containers() == []
    assert name not in tested.left()
