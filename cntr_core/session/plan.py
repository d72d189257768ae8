"""From what the user asked and what the target is to a list of steps: decided here, done elsewhere."""

from __future__ import annotations

import os
import shlex
from collections.abc import Container, Iterable, Mapping, Sequence

from ..dataclass import dataclass, replace
from ..errors import UsageError
from ..kernel import capabilities
from ..reasons import reason
from . import accounts, merged_root, root_layout, root_steps, steps
from .accounts import parse_user
from .command import Command
from .environment import (
    NO_HISTORY,
    attach_environment,
    describe_left_out,
    exec_environment,
    left_out,
    parse_assignments,
)
from .identity import INHERITABLE, INHERITED, Identity, decide, user_of
from .layer import layer_files
from .skeleton import is_directory, is_regular
from .steps import Step
from .target import Target, namespace_kinds
from .tools import Tools

MOST_LIKELY = 1000
"""oom_score_adj of a session, unless it takes over the target's: the kernel shall not kill the application for what a
tool uses of the container's memory (proc(5))."""

_LONGEST_SOCKET = 107
"""Bytes of a socket's path: sun_path has 108, the last of them zero (unix(7))."""


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """What ``cntr attach`` and ``cntr exec`` take, besides the container. Paths and words as the user gave them."""

    command: tuple[bytes, ...] = ()
    tools: str = "host"
    filesystem: str = "auto"
    rw_tools: bool = False
    writable_tools: bool = False
    """Whether a layer lies over the tools that takes what the session writes, and is thrown away."""
    fat: str | None = None
    """The fat half to show below the live root: a reference, "" for what the container's labels name; or None."""
    scratch: bool = False
    shell: str | None = None
    user: str | None = None
    env: tuple[bytes, ...] = ()
    container_env: bool = False
    """Whether programs of the tools get all of the container's variables."""
    cwd: str | None = None
    workdir: str | None = None
    """A directory of the container's to start in, in place of `cwd`."""
    cap_add: tuple[str, ...] = ()
    inherit: frozenset[str] = INHERITED
    join_cgroup: bool = True
    forward_sockets: tuple[str, ...] = ()
    container_tmp: bool = False
    """Whether ``/tmp`` and ``/var/tmp`` are the container's own."""
    links_inside: bool = False
    """Whether absolute links below ``/var/lib/cntr`` lead into the container."""
    timeout: float | None = None
    terminal: bool | None = None
    """Whether the command gets a terminal; None: if the caller's stdin and stdout are one."""


@dataclass(frozen=True, slots=True)
class AttachPlan:
    """A session, decided: the steps that build its root, and the command, which has no streams yet."""

    steps: tuple[Step, ...]
    command: Command
    forwards: tuple[tuple[str, str], ...]
    joins_cgroup: bool
    left_out: tuple[bytes, ...]
    """The container's variables that the command does not get."""
    timeout: float | None
    terminal: bool | None
    layer: Mapping[str, bytes] | None = None
    """The files that a throw-away layer over the tools has from the beginning; None where there is no such layer."""

    @property
    def warnings(self) -> list[str]:
        """What a person should know before the session starts, a sentence each."""
        lacks = self.command.identity.filter.lacks
        return [f"the session runs without the container's seccomp filter: {lacks}"] if lacks else []

    @property
    def nested(self) -> bool:
        """Whether the session has a mount namespace of its own (attach), or the container's (exec)."""
        return self.command.adopt

    def describe(self) -> list[str]:
        """The plan in the order of its execution, one line a step, for ``--dry-run``."""
        program = shlex.join(word.decode(errors="backslashreplace") for word in self.command.programs[0])
        return [
            *(step.describe() for step in self.steps),
            "fork into the PID namespace",
            "join the container's cgroups" if self.joins_cgroup else "stay in the caller's cgroups",
            self.command.identity.describe(),
            *describe_left_out(self.left_out),
            f"execute {program} in {self.command.cwd.decode(errors='backslashreplace')}",
        ]


def plan_attach(
    target: Target, options: SessionOptions, tools: Tools, filesystem: str, caller: Mapping[bytes, bytes]
) -> AttachPlan:
    """The session of ``cntr attach``.

    :raises UsageError: an option does not fit the target.
    """
    identity, forwards = _identity(target, options), _forwards(options)
    files = accounts.shown(target.root, identity.user)
    layer = layer_files(target.root, files) if options.writable_tools else None
    access = "read-write" if options.rw_tools else "read-only" if layer is None else "writes are thrown away"
    root = f"{tools.description} ({access}, by {filesystem})"
    variables = [*_socket_variables(forwards, caller), *parse_assignments(options.env, caller)]
    programs = _programs(options, tools.shells)
    environment = attach_environment(
        target.environment,
        caller,
        accounts.as_shown(identity.user, files),
        {b"PATH": tools.path, b"SHELL": tools.shell},
        variables,
        whole=options.container_env,
    )
    cwd = _attach_cwd(target, options)
    command = Command(programs, environment, cwd, identity, target.cgroup_procs, adopt=True)
    own = _places(target, options, tools, files, () if layer is None else layer)
    container = steps.PlaceView() if options.links_inside else steps.PlaceContainer()
    todo = _nested_steps(target, identity, root, container, own, forwards)
    return replace(_plan(target, options, todo, command, forwards), layer=layer)


def plan_whole(
    target: Target, options: SessionOptions, fat: str, filesystem: str, caller: Mapping[bytes, bytes]
) -> AttachPlan:
    """The session of ``cntr attach --fat``: the container's own root, and below it what the slim image lacks, from the
    fat image `fat`.

    :raises UsageError: an option does not fit the target.
    """
    identity, forwards = _identity(target, options), _forwards(options)
    kept = "thrown away" if options.scratch else "the container's"
    root = f"the container's root over {fat} (writes are {kept}, by {filesystem})"
    programs = _programs(options, merged_root.shells(target.environment))
    command = _own_command(target, options, identity, programs, caller, whole=True)
    return _plan(
        target, options, _nested_steps(target, identity, root, steps.PlaceContainer(), (), forwards), command, forwards
    )


def plan_exec(target: Target, options: SessionOptions, caller: Mapping[bytes, bytes]) -> AttachPlan:
    """The session of ``cntr exec``: a program of the container's own, on the container's own root."""
    identity = _identity(target, options)
    if not options.command:  # pragma: no cover - the command line asks for one before
        raise UsageError("there is no command to execute", "write it after the name: cntr exec NAME COMMAND")
    command = _own_command(target, options, identity, _programs(options, ()), caller, whole=False)
    return _plan(target, options, (*_first_steps(target, identity), steps.ChangeRoot()), command)


def _plan(
    target: Target,
    options: SessionOptions,
    todo: tuple[Step, ...],
    command: Command,
    forwards: tuple[tuple[str, str], ...] = (),
) -> AttachPlan:
    missing = tuple(left_out(target.environment, command.environment))
    return AttachPlan(todo, command, forwards, options.join_cgroup, missing, options.timeout, options.terminal)


def _own_command(
    target: Target,
    options: SessionOptions,
    identity: Identity,
    programs: tuple[tuple[bytes, ...], ...],
    caller: Mapping[bytes, bytes],
    *,
    whole: bool,
) -> Command:
    """A command on the container's own root, with the container's variables; if `whole`, on its whole image, where it
    writes no history and its orphans are adopted."""
    history = NO_HISTORY.items() if whole else ()
    environment = exec_environment(
        target.environment,
        caller,
        identity.user,
        [*history, *parse_assignments(options.env, caller)],
        is_own_user=identity.user.uid == user_of(target).uid,
    )
    wanted = options.workdir or options.cwd
    cwd = os.fsencode(wanted) if wanted not in (None, "target") else target.cwd
    return Command(programs, environment, cwd, identity, target.cgroup_procs, adopt=whole)


def _places(
    target: Target, options: SessionOptions, tools: Tools, written: Mapping[str, bytes], layer: Container[str]
) -> list[Step]:
    """What is not the tools' in their tree: files of the container's, those that are `written` for the session, and
    directories of the session's. What the `layer` has is there already."""
    files = [path for path in root_layout.FILES if path in written or is_regular(target.root, path)]
    files = [path for path in files if path not in layer]
    if options.rw_tools:  # nothing hides a link of the tools then, and nothing stands in for a missing file
        files = [path for path in files if is_regular(tools.root, path, follow=False)]
    private = (_scratch(target, options, path) for path in root_layout.PRIVATE)
    shown = (root_steps.PlaceFile(f, written[f]) if f in written else root_steps.BindFile(f) for f in files)
    return [*shown, *private]


def _scratch(target: Target, options: SessionOptions, path: str) -> Step:
    """``/run``, ``/tmp`` or ``/var/tmp``: the container's where it is wanted, and there is one.

    :raises UsageError: sockets are to be made there that are not the container's.
    """
    if options.container_tmp and options.forward_sockets:
        raise UsageError(
            "--tmp container and --forward-socket contradict each other: the socket would be the container's",
            "leave one of them out",
        )
    own_run = options.forward_sockets or options.writable_tools  # packages' scripts write there
    wanted = options.container_tmp or (path == root_layout.RUN and not own_run)
    kind = root_steps.BindDirectory if wanted and is_directory(target.root, path) else root_steps.MountPrivate
    return kind(path, root_layout.PRIVATE[path])


def host_ids(target: Target, identity: Identity) -> tuple[int, int]:
    """The session user's uid and gid as the host sees them."""
    uid = target.users.to_outside(identity.user.uid)
    gid = target.groups.to_outside(identity.user.gid)
    return (identity.user.uid if uid is None else uid, identity.user.gid if gid is None else gid)


def _first_steps(target: Target, identity: Identity) -> list[Step]:
    return [
        steps.LeaveKeyring(),
        steps.SetOomScore(MOST_LIKELY if identity.oom_score_adj is None else identity.oom_score_adj),
        steps.JoinNamespaces(tuple(namespace_kinds(target))),
        steps.EnterMounts(),
    ]


def _nested_steps(
    target: Target,
    identity: Identity,
    root: str,
    container: Step,
    own: Iterable[Step],
    forwards: tuple[tuple[str, str], ...],
) -> tuple[Step, ...]:
    """The steps to a root of the session's own, which `root` describes; `container` shows the container's tree there,
    and `own` are those between all others."""
    owner = host_ids(target, identity)
    return (
        *_first_steps(target, identity),
        steps.UnshareMounts(),
        steps.AttachRoot(root),
        container,
        *(root_steps.BindSpecial(name) for name in root_layout.SPECIAL),
        *own,
        steps.PivotRoot(),
        *(steps.Listen(inside, owner) for _, inside in forwards),
    )


def _identity(target: Target, options: SessionOptions) -> Identity:
    if unknown := options.inherit - set(INHERITABLE):
        raise UsageError(
            f"--inherit: unknown value {', '.join(sorted(unknown))}", f"choose from {', '.join(INHERITABLE)}"
        )
    try:
        extra = capabilities.mask(options.cap_add)
    except ValueError as error:
        raise UsageError(f"--cap-add: {error}", "give a name of capabilities(7), such as SYS_PTRACE") from None
    user = parse_user(options.user, target.root) if options.user else None
    return decide(target, user, extra, options.inherit)


def _programs(options: SessionOptions, shells: Sequence[bytes]) -> tuple[tuple[bytes, ...], ...]:
    if options.command:
        return (_checked(options.command),)
    if options.shell is not None:
        return (_shell(options.shell),)
    return tuple((shell, b"sh") if shell.endswith(b"busybox") else (shell,) for shell in shells)


def _checked(command: tuple[bytes, ...]) -> tuple[bytes, ...]:
    if not command[0]:
        raise UsageError("the command is empty", "give the name of a program")
    return command


def _shell(text: str) -> tuple[bytes, ...]:
    """Read ``--shell``: words as in a shell."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--shell: {reason(error)} in {text}", "quote as in a shell") from None
    if not words or not words[0]:
        raise UsageError("--shell is empty", "for example --shell zsh")
    return tuple(os.fsencode(word) for word in words)


def _attach_cwd(target: Target, options: SessionOptions) -> bytes:
    container = b"/" + root_layout.CONTAINER.encode()
    if options.workdir is not None or options.cwd == "target":
        return (container + (os.fsencode(options.workdir) if options.workdir else target.cwd)).rstrip(b"/")
    if options.cwd is None:
        return container
    return os.fsencode(options.cwd)


def _forwards(options: SessionOptions) -> tuple[tuple[str, str], ...]:
    return tuple(_forward(text) for text in options.forward_sockets)


def _forward(text: str) -> tuple[str, str]:
    """Read ``--forward-socket PATH[:PATH-IN-SESSION]``."""
    outside, _, inside = text.partition(":")
    inside = inside or outside
    if ":" in inside:
        raise UsageError(f"--forward-socket takes two paths at most, not '{text}'", "give PATH or PATH:PATH-IN-SESSION")
    for path in (outside, inside):
        if not path.startswith("/"):
            raise UsageError(f"--forward-socket takes absolute paths, not '{path}'", "for example $SSH_AUTH_SOCK")
        if len(os.fsencode(path)) > _LONGEST_SOCKET:
            raise UsageError(f"no socket can have a path as long as {path}", f"{_LONGEST_SOCKET} bytes at most")
    inside = "/" + os.path.normpath(inside).lstrip("/")
    if not inside.startswith(tuple(f"/{place}/" for place in (*root_layout.PRIVATE, "var/run"))):
        raise UsageError(f"no socket can be made at {inside} in the session", "forward it to a path below /run or /tmp")
    return outside, inside


def _socket_variables(
    forwards: tuple[tuple[str, str], ...], caller: Mapping[bytes, bytes]
) -> list[tuple[bytes, bytes]]:
    """The caller's variables that name a forwarded socket (SSH_AUTH_SOCK …), with its path in the session."""
    found = []
    for outside, inside in forwards:
        for key, value in caller.items():
            if value.removeprefix(b"unix://").removeprefix(b"unix:path=") == os.fsencode(outside):
                found.append((key, value.replace(os.fsencode(outside), os.fsencode(inside))))
    return found
