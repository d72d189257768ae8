"""``cntr attach`` and ``cntr exec``."""

# ruff: noqa: ARG001 - --debug acts by its callback

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ..dataclass import replace
from ..errors import UsageError
from . import output
from .backend import AUTO, chosen_backend, why_chosen
from .session_options import Inside, InsideAlone, Session, Tools, limit
from .stream_options import Streams
from .throwaway import in_throwaway
from .tools_source import chosen_tools, tell_tools
from .waiting import on_container

if TYPE_CHECKING:
    from collections.abc import Sequence

    import typer

    from ..engine import Engine
    from ..session import SessionOptions
    from ..types import ContainerProcess
    from .options import Command, DryRun, Name, Program, Timeout, Wait


def register(app: typer.Typer, only: str = "") -> None:
    """Add the commands, or the one that is called `only`."""
    from . import options
    from .expanded import expanded
    from .words import MayWait

    for name, function in (("attach", attach), ("exec", execute)):
        if only in ("", name):
            app.command(name, cls=MayWait)(expanded(function, vars(options)))


def attach(
    container: Name,
    tools: Tools,
    inside: Inside,
    streams: Streams,
    session: Session,
    command: Command = None,
    debug: output.Debug = False,
) -> int:
    """Open a shell, or run a command, with tools that the container does not have.

    The tools are at [bold]/[/], the container's files at [bold]/var/lib/cntr[/]; processes, network, users and
    devices are the container's. The container itself does not change. Exit codes: the command's own, 128+n for a
    signal, 126 and 127 as in shells, 125 for errors of cntr.
    """
    terminal = streams.terminal()
    if session.via_kubectl:
        words = [*_flags_of_helper(tools, inside, session), *(("--", *command) if command else ())]
        return _attach_via_kubectl(container, words, session)
    options = replace(_options(tools, inside, session, command), terminal=terminal)

    def work(_: Sequence[Engine], process: ContainerProcess) -> int:
        return _attach(process, options, session.dry_run)

    if session.image or session.stopped:
        session.check()
        return in_throwaway(container, options, lambda p, o, _: _attach(p, o, session.dry_run), image=session.image)
    return on_container(container, session.wait, work, _import_session, paused=inside.no_cgroup)


def _options(tools: Tools, inside: Inside, session: Session, command: list[str] | None) -> SessionOptions:
    return replace(
        inside.options(command, session.timeout),
        tools=chosen_tools(tools.tools),
        filesystem=tools.fs,
        rw_tools=tools.rw_tools,
        writable_tools=tools.has_layer(),
        container_env=tools.container_env,
        container_tmp=tools.is_tmp_shared(),
        links_inside=tools.are_links_inside(),
        fat=tools.shown_fat(),
        scratch=tools.scratch,
        shell=tools.shell,
        forward_sockets=tuple(session.forward_socket or ()),
    )


def _attach(process: ContainerProcess, options: SessionOptions, dry_run: bool) -> int:
    from ..plugins import load
    from ..session import attach, describe_attach

    plugins = load()
    backend = chosen_backend(plugins, options)
    engines = () if options.tools == "host" and options.fat is None else plugins.engines
    if dry_run:
        output.print_lines(describe_attach(process, options, engines, backend))
        output.say(why_chosen(plugins, options, backend))
        tell_tools(options)
        return 0
    if not options.command:
        _greet(process, options)
    return attach(process, options, engines, backend, warn=_warn)


def _warn(sentence: str) -> None:
    """Tell a person; who reads our output by a program asks --dry-run."""
    if sys.stderr.isatty():
        output.say(f"warning: {sentence}")


def _greet(process: ContainerProcess, options: SessionOptions) -> None:
    """Tell a person where what is."""
    if sys.stdin.isatty() and sys.stderr.isatty():
        shown = "its files and its fat image's are /" if options.fat is not None else f"the tools are {options.tools}"
        output.say(f"{process.container.ref}: the container's files are in /var/lib/cntr, {shown}")
        tell_tools(options)
        if options.fat is None and not options.links_inside:
            output.say(_where_links_lead(options))


def _where_links_lead(options: SessionOptions) -> str:
    """What happens without a word of the kernel's: files of the tools are read, and what is written to /tmp is lost."""
    read = "absolute links in there do not lead to the container's files: those to /usr, /etc … show the tools'"
    if options.container_tmp:
        return f"{read}; see --links container"
    return f"{read}, those to /tmp this session's own; see --links container, --tmp container"


def _flags_of_helper(tools: Tools, inside: Inside, session: Session) -> list[str]:
    """The words that say to the helper's cntr what the user said to ours."""
    if tools.rw_tools or tools.fat or tools.fat_image is not None or tools.scratch or session.forward_socket:
        raise UsageError(
            "--via-kubectl does not support --rw-tools, --fat, --scratch and --forward-socket", "leave them out"
        )
    given: dict[str, object] = {"--shell": tools.shell, "--user": inside.user, "--cwd": inside.cwd}
    given["--workdir"] = inside.workdir
    given |= {"--inherit": inside.inherit, "--timeout": limit(session.timeout)}
    return [
        *(("--tools", tools.tools) if tools.tools != AUTO else ()),
        *(("--fs", tools.fs) if tools.fs != AUTO else ()),
        *(word for name in inside.variables() for word in ("--env", _with_value(name))),
        *(word for name in inside.cap_add or () for word in ("--cap-add", name)),
        *(("--tmp", tools.tmp) if tools.is_tmp_shared() else ()),
        *(("--links", tools.links) if tools.are_links_inside() else ()),
        *(("--writable-tools",) if tools.has_layer() else ()),
        *(("--container-env",) if tools.container_env else ()),
        *(("--privileged",) if inside.privileged else ()),
        *(("--no-cgroup",) if inside.no_cgroup else ()),
        *(("--no-seccomp",) if inside.no_seccomp else ()),
        *(word for name, value in given.items() if value is not None for word in (name, str(value))),
    ]


def execute(
    container: Name,
    inside: InsideAlone,
    streams: Streams,
    command: Program,
    timeout: Timeout = None,
    dry_run: DryRun = False,
    wait: Wait = None,
    debug: output.Debug = False,
) -> int:
    """Run one of the container's own programs in it, whatever engine runs the container.

    Exit codes: the command's own, 128+n for a signal, 126 and 127 as in shells, 125 for errors of cntr.
    """
    terminal = streams.terminal()
    options = replace(inside.options(command, timeout), terminal=terminal)

    def work(_: Sequence[Engine], process: ContainerProcess) -> int:
        from .. import session

        if dry_run:
            output.print_lines(session.describe_execute(process, options))
            return 0
        return session.execute(process, options, warn=_warn)

    return on_container(container, wait, work, _import_session, paused=inside.no_cgroup)


def _attach_via_kubectl(pod: str, arguments: Sequence[str], session: Session) -> int:
    from . import kubectl

    image = session.helper_image
    if not image:
        raise UsageError(
            "--via-kubectl needs the image of its helper", "give --helper-image an image that has cntr in it"
        )
    target = kubectl.find(pod)
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if session.dry_run:
        output.print_lines(kubectl.describe(target, image, arguments, terminal=terminal))
        return 0
    return kubectl.attach(target, image, arguments, terminal=terminal)


def _with_value(variable: str) -> str:
    """``NAME=VALUE`` for a variable of ours that is to be handed on: the helper does not have it."""
    return variable if "=" in variable else f"{variable}={os.environ.get(variable, '')}"


def _import_session() -> None:
    """What comes next needs this, and the engines take their time anyway."""
    from .. import session  # noqa: F401 - for sys.modules
