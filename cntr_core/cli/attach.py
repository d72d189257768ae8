"""``cntr attach`` and ``cntr exec``."""

# ruff: noqa: ARG001 - --debug acts by its callback

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError
from ..types import ContainerRef
from . import output
from .completion import complete_container, complete_filesystem
from .expanded import expanded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..engine import Engine
    from ..session import SessionOptions
    from ..types import ContainerProcess

_WORDS = {"metavar": "[-- COMMAND [ARG]...]", "show_default": False}

Name = Annotated[
    str,
    typer.Argument(
        metavar="CONTAINER",
        autocompletion=complete_container,
        help="Name the container: its name, its id or the beginning of one, or ENGINE://NAME.",
    ),
]
User = Annotated[
    str | None,
    typer.Option("--user", "-u", metavar="USER[:GROUP]", help="Run as this user of the container instead of its own."),
]
Env = Annotated[
    list[str] | None,
    typer.Option("--env", "-e", metavar="NAME[=VALUE]", help="Set a variable, or pass on the caller's. Repeatable."),
]
CapAdd = Annotated[
    list[str] | None,
    typer.Option("--cap-add", metavar="CAP", help="Add a capability that the container lacks, such as SYS_PTRACE."),
]
Inherit = Annotated[
    str | None,
    typer.Option(
        metavar="LIST",
        show_default="all of them",
        help="Take only these over from the container's process: a comma-separated list of no_new_privs, umask, "
        "rlimits, oom_score_adj and lsm; or none.",
    ),
]
NoCgroup = Annotated[bool, typer.Option("--no-cgroup", help="Stay in the caller's cgroups.")]
Timeout = Annotated[
    float | None,
    typer.Option(min=0.01, metavar="SECONDS", help="End the session after this many seconds, with exit code 125."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the steps; do nothing.")]

Command = Annotated[list[str] | None, typer.Argument(help="Run this command; default: a shell.", **_WORDS)]
ToolsSource = Annotated[
    str,
    typer.Option(metavar="SOURCE", help="Take the tools from host, dir:PATH, container:NAME or image:REF."),
]
Backend = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        envvar="CNTR_FS",
        autocompletion=complete_filesystem,
        help="Use this filesystem backend; see cntr plugins.",
    ),
]
RwTools = Annotated[
    bool,
    typer.Option("--rw-tools", help="Let the session write to the tools' tree; default: read-only."),
]
Fat = Annotated[
    bool,
    typer.Option(
        "--fat",
        help="Show the whole image of a slim container as /: its live root on top of its fat image.",
    ),
]
FatImage = Annotated[str | None, typer.Option("--fat-image", metavar="REF", help="Use this image for --fat.")]
Scratch = Annotated[bool, typer.Option("--scratch", help="Discard what the session writes; only with --fat.")]
Shell = Annotated[str | None, typer.Option(metavar="COMMAND", help="Start this shell when no COMMAND is given.")]
Cwd = Annotated[
    str | None,
    typer.Option(
        metavar="PATH",
        help="Start in this directory; 'target': the container's own.",
        show_default="/var/lib/cntr",
    ),
]
ForwardSocket = Annotated[
    list[str] | None,
    typer.Option(metavar="PATH[:PATH]", help="Forward a unix socket of the host into the session. Repeatable."),
]
OwnCwd = Annotated[
    str | None,
    typer.Option(metavar="PATH", help="Start in this directory.", show_default="the container's own"),
]
ViaKubectl = Annotated[
    bool,
    typer.Option(
        "--via-kubectl",
        help="Attach to a pod of a cluster by a privileged helper pod on the same node; CONTAINER is then POD or "
        "NAMESPACE/POD/CONTAINER.",
    ),
]
HelperImage = Annotated[
    str,
    typer.Option(
        metavar="IMAGE",
        envvar="CNTR_HELPER_IMAGE",
        help="Use this image for the helper pod of --via-kubectl; it must have cntr and the tools.",
    ),
]

_LONGEST = 2_000_000
"""Seconds: poll(2) counts milliseconds in an int."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What the session has beside the container's files."""

    tools: ToolsSource = "host"
    fs: Backend = "pyfuse3"
    rw_tools: RwTools = False
    fat: Fat = False
    fat_image: FatImage = None
    scratch: Scratch = False
    shell: Shell = None

    def shown_fat(self) -> str | None:
        """The fat half to show, as :attr:`SessionOptions.fat` wants it."""
        if not self.fat and self.fat_image is None:
            if self.scratch:
                hint = "leave it out: without --rw-tools the tools are read-only"
                raise UsageError("--scratch is only for --fat", hint)
            return None
        if self.rw_tools or self.tools != "host":
            raise UsageError("--fat brings its own tools", "leave --tools and --rw-tools out")
        return self.fat_image or ""


@dataclass(frozen=True, slots=True)
class Inside:
    """As whom, where and with what the command runs."""

    user: User = None
    env: Env = None
    cwd: Cwd = None
    cap_add: CapAdd = None
    inherit: Inherit = None
    no_cgroup: NoCgroup = False

    def options(self, command: list[str] | None, timeout: float | None) -> SessionOptions:
        """The options of a session that runs `command`; :raises UsageError: there can be no such `timeout`."""
        from ..session import SessionOptions

        return SessionOptions(
            command=_words(command),
            user=self.user,
            env=_words(self.env),
            cwd=self.cwd,
            cap_add=tuple(self.cap_add or ()),
            inherit=_inherit(self.inherit),
            join_cgroup=not self.no_cgroup,
            timeout=_seconds(timeout),
        )


@dataclass(frozen=True, slots=True)
class InsideAlone(Inside):
    """The same without tools."""

    cwd: OwnCwd = None


@dataclass(frozen=True, slots=True)
class Session:
    """How the session runs."""

    forward_socket: ForwardSocket = None
    timeout: Timeout = None
    via_kubectl: ViaKubectl = False
    helper_image: HelperImage = ""
    dry_run: DryRun = False


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("attach")(expanded(attach))
    app.command("exec")(expanded(execute))


def attach(
    container: Name,
    tools: Tools,
    inside: Inside,
    session: Session,
    command: Command = None,
    debug: output.Debug = False,
) -> int:
    """Open a shell, or run a command, with tools that the container does not have.

    The tools are at [bold]/[/], the container's files at [bold]/var/lib/cntr[/]; processes, network, users and
    devices are the container's. The container itself does not change. Exit codes: the command's own, 128+n for a
    signal, 126 and 127 as in shells, 125 for errors of cntr.
    """
    if session.via_kubectl:
        words = [*_flags_of_helper(tools, inside, session), *(("--", *command) if command else ())]
        return _attach_via_kubectl(container, words, session)
    engines, process = _resolve(container)
    options = _options(tools, inside, session, command)
    return _attach(process, options, engines, session.dry_run)


def _options(tools: Tools, inside: Inside, session: Session, command: list[str] | None) -> SessionOptions:
    return replace(
        inside.options(command, session.timeout),
        tools=tools.tools,
        filesystem=tools.fs,
        rw_tools=tools.rw_tools,
        fat=tools.shown_fat(),
        scratch=tools.scratch,
        shell=tools.shell,
        forward_sockets=tuple(session.forward_socket or ()),
    )


def _attach(process: ContainerProcess, options: SessionOptions, engines: Sequence[Engine], dry_run: bool) -> int:
    from ..plugins import load
    from ..session import attach, describe_attach

    backend = load().filesystem(options.filesystem)
    if dry_run:
        output.print_lines(describe_attach(process, options, engines, backend))
        return 0
    if not options.command:
        _greet(process, options)
    return attach(process, options, engines, backend)


def _greet(process: ContainerProcess, options: SessionOptions) -> None:
    """Tell a person where what is."""
    if sys.stdin.isatty() and sys.stderr.isatty():
        shown = "its files and its fat image's are /" if options.fat is not None else f"the tools are {options.tools}"
        output.say(f"{process.container.ref}: the container's files are in /var/lib/cntr, {shown}")


def _flags_of_helper(tools: Tools, inside: Inside, session: Session) -> list[str]:
    """The words that say to the helper's cntr what the user said to ours."""
    if tools.rw_tools or tools.fat or tools.fat_image is not None or tools.scratch or session.forward_socket:
        raise UsageError(
            "--via-kubectl does not support --rw-tools, --fat, --scratch and --forward-socket", "leave them out"
        )
    given: dict[str, object] = {"--shell": tools.shell, "--user": inside.user, "--cwd": inside.cwd}
    given |= {"--inherit": inside.inherit, "--timeout": _seconds(session.timeout)}
    return [
        *(("--tools", tools.tools) if tools.tools != "host" else ()),
        *(("--fs", tools.fs) if tools.fs != "pyfuse3" else ()),
        *(word for name in inside.env or () for word in ("--env", _with_value(name))),
        *(word for name in inside.cap_add or () for word in ("--cap-add", name)),
        *(("--no-cgroup",) if inside.no_cgroup else ()),
        *(word for name, value in given.items() if value is not None for word in (name, str(value))),
    ]


def execute(
    container: Name,
    inside: InsideAlone,
    command: Annotated[list[str], typer.Argument(help="Run this program of the container.", **_WORDS)],
    timeout: Timeout = None,
    dry_run: DryRun = False,
    debug: output.Debug = False,
) -> int:
    """Run one of the container's own programs in it, whatever engine runs the container.

    Exit codes: the command's own, 128+n for a signal, 126 and 127 as in shells, 125 for errors of cntr.
    """
    _, process = _resolve(container)
    from .. import session

    options = inside.options(command, timeout)
    if dry_run:
        output.print_lines(session.describe_execute(process, options))
        return 0
    return session.execute(process, options)


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


def _words(words: list[str] | None) -> tuple[bytes, ...]:
    return tuple(os.fsencode(word) for word in words or ())


def _seconds(timeout: float | None) -> float | None:
    if timeout is not None and not timeout <= _LONGEST:  # nan is no less than anything
        raise UsageError(f"--timeout cannot be {timeout:g}", f"give seconds, {_LONGEST} at most")
    return timeout


def _inherit(text: str | None) -> frozenset[str]:
    if text is None:
        from ..session.identity import INHERITABLE

        return frozenset(INHERITABLE)
    return frozenset() if text == "none" else frozenset(filter(None, text.split(",")))


def _resolve(name: str) -> tuple[Sequence[Engine], ContainerProcess]:
    from ..engine import resolve
    from ..plugins import load

    engines = load().engines
    return engines, resolve(ContainerRef.parse(name), engines, meanwhile=_import_session)


def _import_session() -> None:
    """What comes next needs this, and the engines take their time anyway."""
    from .. import session  # noqa: F401 - for sys.modules
