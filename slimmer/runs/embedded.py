"""Running an image without unpacking it: its layers by FUSE below, a tmpfs above for what it writes, an OCI runtime.

Everything is mounted in a namespace of our own, and so is gone when we are.
"""

from __future__ import annotations

import logging
import os
import stat
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from cntr_core.errors import CntrError, CommandNotFound, KernelFeatureMissing
from cntr_core.filesystem import Branch, Filesystem, MountRequest, Node, ServedMount
from cntr_core.images import ImageConfig, remove_tree
from cntr_core.images.temporary import swept, temporary_directory
from cntr_core.images.values import environment as environment_of
from cntr_core.kernel.mounts import AT_RECURSIVE, MNT_DETACH, MS_PRIVATE, DetachedMount, mount_setattr, umount2
from cntr_core.kernel.namespaces import CLONE_NEWNS, is_initial_user_namespace, unshare
from cntr_core.kernel.process import set_child_subreaper
from cntr_core.kernel.syscall import AT_FDCWD, owned
from cntr_core.kernel.user_namespaces import enter_with_subordinates
from cntr_core.reasons import reason
from cntr_core.runtime import (
    BundleRequest,
    LimitWatch,
    Log,
    Runtime,
    RuntimeOptions,
    need_runtime,
    stop_signal,
    variables,
    write_bundle,
)
from cntr_core.timing import timed

from ..trace.observer import TraceObserver
from ..trace.record import Phase
from .cgroup_leftovers import noted_cgroups, remove_cgroups
from .container import OwnContainer
from .output_collector import collected_output
from .written import UpperLayer

_log = logging.getLogger(__name__)


NOT_MOUNTED = "if it is mounted where the image runs, mount it here, too: -v FILE:PATH"
"""A hint where the command is not found."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What runs: the image's configuration, and what the user says beside it. `name` becomes the host name. `created`
    is told the first process, before a program of the image runs; with `watch_writes` the container then tells where it
    wrote. `seccomp` is a profile of system calls in docker's
    format, None for that of the options."""

    config: ImageConfig
    name: str
    options: RuntimeOptions = field(default_factory=RuntimeOptions)
    created: Callable[[int], object] = int
    watch_writes: bool = False
    seccomp: Mapping[str, Any] | None = None


def become_private() -> None:
    """Leave the caller's mount namespace, so that no mount of ours is ever seen there, or outlives us; an ordinary user
    also leaves the user namespace, and is root from now on.

    :raises CntrError: an ordinary user lacks what that wants.
    """
    if os.geteuid() == 0:
        unshare(CLONE_NEWNS)
        mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, propagation=MS_PRIVATE)
    else:
        enter_with_subordinates()
    set_child_subreaper()


@contextmanager
def running(
    branches: Sequence[Branch[Node]], launch: Launch, filesystem: Filesystem, observer: TraceObserver | None = None
) -> Iterator[OwnContainer]:
    """The image's program, started, on the union of `branches`. Leaving the block ends it, by its stop signal.

    Call :func:`become_private` once before, and this while the process has one thread.

    :raises CntrError: it cannot be started.
    """
    program = need_runtime("; or let an engine run the image: --engine docker")
    number = stop_signal(launch.config.stop_signal)
    with ExitStack() as stack:
        bundle, lock = stack.enter_context(temporary_directory("cntr-run-"))
        remove_cgroups(swept())
        stack.enter_context(noted_cgroups(os.path.basename(bundle)))
        runtime = Runtime(program, os.path.join(bundle, "runtime"), uuid.uuid4().hex)
        with timed(_log, "mount the image's root by %s below %s", filesystem.name, bundle):
            wanted = MountRequest(branches=branches, immutable=True, source="cntr-image", observer=observer)
            server = _mount_root(bundle, filesystem.mount(wanted), stack)
        _describe(bundle, launch)
        log = Log(os.path.join(bundle, "log"))
        streams, collector = stack.enter_context(collected_output(log, lambda: _clean(runtime, bundle), lock))
        stack.callback(runtime.delete)
        with timed(_log, "create the container by %s", program), _explained():
            pid = runtime.create(bundle, streams)
        limits = LimitWatch.of(pid)
        environment = environment_of(variables(launch.config, launch.options))
        container = OwnContainer(pid, environment, runtime, log, streams, observer, number, server, collector, limits)
        if launch.watch_writes:
            container.upper = UpperLayer(os.path.join(bundle, "changes", "upper"))
        stack.callback(container.close)
        stack.callback(container.end, 0)  # whoever wants a graceful end asks for it within the block
        launch.created(pid)
        if observer is not None:
            observer.enter(Phase.START)
        runtime.start()
        yield container


@contextmanager
def _explained() -> Iterator[None]:
    """Whose command is not in the image may have it mounted where it runs."""
    try:
        yield
    except CommandNotFound as error:
        raise CommandNotFound(error.message, NOT_MOUNTED) from error


def _mount_root(bundle: str, tree: AbstractContextManager[ServedMount], stack: ExitStack) -> int | None:
    """The image's `tree` at ``rootfs`` in the bundle, writable; gives a pidfd of its server."""
    lower, changes, root = places = [os.path.join(bundle, name) for name in ("lower", "changes", "rootfs")]
    for place in places:
        os.mkdir(place)
    served = stack.enter_context(tree)
    DetachedMount(served.fd).attach(AT_FDCWD, lower)
    stack.callback(umount2, lower, MNT_DETACH)
    _attach(DetachedMount.new("tmpfs", {"mode": "0700"}), changes, stack)
    _mount_overlay(lower, changes, root, stack)
    return served.server


def _mount_overlay(lower: str, changes: str, root: str, stack: ExitStack) -> None:
    """Mount `lower` at `root`, with what is written in `changes`; :raises KernelFeatureMissing: the kernel refuses."""
    upper, work = os.path.join(changes, "upper"), os.path.join(changes, "work")
    os.mkdir(work)
    _copy_directory(lower, upper)
    # volatile: what a throw-away run writes need not reach a disk.
    options = {"lowerdir": lower, "upperdir": upper, "workdir": work, "volatile": None}
    if not is_initial_user_namespace():
        options["userxattr"] = None  # the others are for the machine's root (kernel: overlayfs.rst)
    try:
        _attach(DetachedMount.new("overlay", options), root, stack)
    except OSError as error:
        raise KernelFeatureMissing(
            f"the kernel cannot mount an overlay: {reason(error)}", "run `cntr doctor`"
        ) from error


def _attach(mount: DetachedMount, path: str, stack: ExitStack) -> None:
    with mount:
        mount.attach(AT_FDCWD, path)
    stack.callback(umount2, path, MNT_DETACH)


def _copy_directory(source: str, target: str) -> None:
    """A new directory with the owner and mode of `source`: the root of an overlay has its upper layer's."""
    status = os.stat(source)
    os.mkdir(target)
    os.chown(target, status.st_uid, status.st_gid)
    os.chmod(target, stat.S_IMODE(status.st_mode))
    os.utime(target, ns=(status.st_mtime_ns, status.st_mtime_ns))


def _describe(bundle: str, launch: Launch) -> None:
    options = launch.options
    if launch.seccomp is not None:
        options = replace(options, confinement=replace(options.confinement, seccomp=launch.seccomp))
    wanted = BundleRequest(launch.name, f"/{os.path.basename(bundle)}", options)
    with owned(os.open(os.path.join(bundle, "rootfs"), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)) as root:
        write_bundle(bundle, root, launch.config, wanted)


def _clean(runtime: Runtime, bundle: str) -> None:
    """In the output collector, whose mount namespace is ours, and now its alone."""
    runtime.await_calls()  # of ours, which has died: a container may just be made
    with suppress(CntrError):
        runtime.delete()
    for name in ("rootfs", "changes", "lower"):
        with suppress(OSError):
            umount2(os.path.join(bundle, name), MNT_DETACH)
    remove_tree(bundle)
