"""``cntr attach`` and ``cntr exec`` as functions: everything is opened, planned, run and closed here."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager

from ..dataclass import dataclass, replace
from ..engine import Engine
from ..errors import KernelFeatureMissing, UsageError
from ..filesystem import DirectoryTree, Filesystem, MountRequest, Part, PartialTree, ServedMount, Tree
from ..kernel import cgroups
from ..kernel.child import call_in_child
from ..timing import timed
from ..types import ContainerProcess
from .hidden import hidden_programs_told
from .host_programs import shown_of_host
from .layer import PACKAGE_MANAGERS
from .memory import MemoryWatch
from .merged_root import whole_branches
from .plan import AttachPlan, SessionOptions, plan_attach, plan_exec, plan_whole
from .privileges import join_user_namespace, lacking_privileges
from .skeleton import mount_points, session_skeleton, writable_skeleton
from .supervisor import run_session
from .target import Target, pin_target
from .tools import Tools, check_writable, open_tools, tools_container

_log = logging.getLogger(__name__)


Warn = Callable[[str], object]
"""Is told a sentence for a person."""


def quietly(_: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """`branches` makes what the session's root is merged from."""

    target: Target
    plan: AttachPlan
    branches: Callable[[], AbstractContextManager[tuple[Tree, ...]]]
    read_only: bool
    hides: Part | None = None
    """What is shown of the host's tree, where that is the tools' and not all of it."""


def attach(
    process: ContainerProcess,
    options: SessionOptions,
    engines: Sequence[Engine],
    filesystem: Filesystem,
    caller: Mapping[bytes, bytes] = os.environb,
    warn: Warn = quietly,
) -> int:
    """Run a command, or a shell, with the tools as ``/`` and the container below ``/var/lib/cntr``. `warn` is told what
    a person should know.

    :returns: the command's exit code, or 128+n when signal n ended it.
    :raises CntrError: the session could not be built, or something of ours failed while it ran.
    """
    tools = _find_tools(options, engines)
    options = _join_where_needed(process, options)
    with ExitStack() as stack:
        with timed(_log, "pin process %d of %s, open the tools, plan", process.pid, process.container.ref):
            ready = stack.enter_context(_prepared(process, options, tools, engines, filesystem, caller))
        with timed(_log, "make the layer of mount points"):
            branches = stack.enter_context(ready.branches())
        with timed(_log, "mount %d branches by %s", len(branches), filesystem.name):
            mount = stack.enter_context(filesystem.mount(MountRequest(branches=branches, read_only=ready.read_only)))
        view = stack.enter_context(filesystem.mount(_view(ready.target))) if options.links_inside else None
        if (part := ready.hides) is not None:
            stack.enter_context(hidden_programs_told(ready.plan.command.programs[0][0], part, caller))
        return _run(ready.target, ready.plan, mount, warn, view)


def describe_attach(
    process: ContainerProcess,
    options: SessionOptions,
    engines: Sequence[Engine],
    filesystem: Filesystem,
    caller: Mapping[bytes, bytes] = os.environb,
) -> list[str]:
    """What :func:`attach` would do, one line a step; nothing is changed.

    :raises CntrError: as :func:`attach` would, as far as can be told before.
    """
    tools = _find_tools(options, engines)
    first = _joining(process)

    def describe() -> list[str]:
        joined = _join_where_needed(process, options)
        with _prepared(process, joined, tools, engines, filesystem, caller) as ready:
            return [*first, *ready.plan.describe()]

    return _looking_only(describe)


def _find_tools(options: SessionOptions, engines: Sequence[Engine]) -> ContainerProcess | None:
    """The container that has the tools, if one has. Engines are asked while we still are who we were."""
    return tools_container(options.tools, engines) if options.fat is None else None


@contextmanager
def _prepared(
    process: ContainerProcess,
    options: SessionOptions,
    container: ContainerProcess | None,
    engines: Sequence[Engine],
    filesystem: Filesystem,
    caller: Mapping[bytes, bytes],
) -> Iterator[_Prepared]:
    """Everything that only looks: the target is pinned, the tools are open, the steps are decided."""
    _check_filesystem(filesystem)
    if options.rw_tools:
        check_writable(options.tools)
    with pin_target(process, join_cgroup=options.join_cgroup) as target:
        if options.fat is not None:
            from ..images import layers_of, open_fat

            slim = process.container
            with (
                open_fat(str(slim.ref), slim.image, slim.labels, options.fat, engines) as fat,
                layers_of(fat) as layers,
            ):
                plan = plan_whole(target, options, fat.reference, filesystem.name, caller)
                below = layers.branch()
                yield _Prepared(target, plan, lambda: whole_branches(target, below, scratch=options.scratch), False)
        else:
            with open_tools(options.tools, container, engines, filesystem, caller, _part(options, caller)) as tools:
                plan = plan_attach(target, options, tools, _told(filesystem), caller)
                part = tools.tree.part if isinstance(tools.tree, PartialTree) else None
                read_only = not options.rw_tools and plan.layer is None
                branches = _writable_branches if options.rw_tools else _branches
                yield _Prepared(target, plan, lambda: branches(target, tools, plan.layer), read_only, part)


def _told(filesystem: Filesystem) -> str:
    """The backend for people."""
    if filesystem.ends_with_session:
        return filesystem.name
    return f"{filesystem.name}: what the container's processes keep open of it outlives the session"


def _part(options: SessionOptions, caller: Mapping[bytes, bytes]) -> Part | None:
    """What is shown of the host's tree, should the tools be the host's; None for all, where they are to be written."""
    if options.rw_tools:
        return None
    shell = options.shell.split()[:1] if options.shell else []
    part = shown_of_host(caller, [*options.command[:1], *map(os.fsencode, shell), caller.get(b"SHELL", b"")])
    for path in PACKAGE_MANAGERS if options.writable_tools else ():
        part.add(path, public=True)
    return part


_Files = Mapping[str, bytes] | None


@contextmanager
def _branches(target: Target, tools: Tools, layer: _Files) -> Iterator[tuple[Tree, ...]]:
    """What the session's root is merged from: the tools, below a skeleton, or a `layer` that takes what is written."""
    if layer is None:
        with session_skeleton(tools.tree, target.root) as upper:
            yield (tools.tree,) if upper is None else (DirectoryTree(upper), tools.tree)
    else:
        with writable_skeleton(tools.tree, target.root, layer) as top:
            yield (DirectoryTree(top), tools.tree)


@contextmanager
def _writable_branches(_target: Target, tools: Tools, _layer: _Files) -> Iterator[tuple[Tree, ...]]:
    """The tools themselves, which are to be written to."""
    with ExitStack() as stack:
        try:
            stack.enter_context(mount_points(tools.root))
        except OSError as error:
            raise UsageError(
                f"--rw-tools: {tools.description} cannot be written to ({error.strerror})",
                "choose a directory that is yours with --tools dir:PATH",
            ) from None
        yield (tools.tree,)


def execute(
    process: ContainerProcess,
    options: SessionOptions,
    caller: Mapping[bytes, bytes] = os.environb,
    warn: Warn = quietly,
) -> int:
    """Run a command of the container's own, in all of its namespaces and on its own root; `warn` as :func:`attach`.

    :returns: as :func:`attach`.
    :raises CntrError: as :func:`attach`.
    """
    options = _join_where_needed(process, options)
    with pin_target(process, join_cgroup=options.join_cgroup) as target:
        return _run(target, plan_exec(target, options, caller), None, warn)


def _view(target: Target) -> MountRequest:
    """The container's tree with links that stay inside; the session may write, and the container does at any time."""
    return MountRequest(branches=(DirectoryTree(target.root),), read_only=False, links_inside=True)


def _run(
    target: Target, plan: AttachPlan, mount: ServedMount | None, warn: Warn, view: ServedMount | None = None
) -> int:
    for warning in plan.warnings:
        warn(warning)
    memory = MemoryWatch(target, joins_cgroup=plan.joins_cgroup)
    return memory.check(run_session(target, plan, mount, view))


def describe_execute(
    process: ContainerProcess, options: SessionOptions, caller: Mapping[bytes, bytes] = os.environb
) -> list[str]:
    """What :func:`execute` would do, one line a step; nothing is changed."""
    first = _joining(process)

    def describe() -> list[str]:
        joined = _join_where_needed(process, options)
        with pin_target(process, join_cgroup=joined.join_cgroup) as target:
            return [*first, *plan_exec(target, joined, caller).describe()]

    return _looking_only(describe)


def _looking_only(describe: Callable[[], list[str]]) -> list[str]:
    """What `describe` gives. Where it takes another user namespace to look, a child goes there."""
    return call_in_child(describe) if lacking_privileges() else describe()


def _joining(process: ContainerProcess) -> list[str]:
    """The step before all others, where it is taken."""
    return [f"join the user namespace of {process.container.ref}"] if lacking_privileges() else []


def _join_where_needed(process: ContainerProcess, options: SessionOptions) -> SessionOptions:
    """Join the container's user namespace, for good, if that is how this process may enter it.

    The cgroup of one's own container may be out of one's reach, where nobody has delegated it: then the session stays
    in the caller's, as the options that are given back say.

    :raises PermissionMissing: it may not.
    """
    if not lacking_privileges():
        return options
    with timed(_log, "join the user namespace of %s", process.container.ref):
        join_user_namespace(process)
    return replace(options, join_cgroup=options.join_cgroup and cgroups.may_join(process.pid))


def _check_filesystem(filesystem: Filesystem) -> None:
    for missing in filesystem.missing():
        raise KernelFeatureMissing(f"--fs {filesystem.name}: {missing.what}", missing.remedy)
