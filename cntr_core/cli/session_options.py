"""The options of ``cntr attach`` and ``cntr exec``, in groups of one value each."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from ..dataclass import dataclass
from ..errors import UsageError
from .backend import AUTO
from .completion import complete_container, complete_filesystem
from .env_file import variables
from .throwaway import Image, Stopped
from .waiting import Wait

if TYPE_CHECKING:
    from ..session import SessionOptions

WORDS = {"metavar": "[COMMAND [ARG]...]", "show_default": False}

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
ENV = typer.Option("--env", "-e", metavar="NAME[=VALUE]", help="Set a variable, or pass on the caller's. Repeatable.")
ENV_FILE = typer.Option(
    "--env-file", metavar="FILE", help="Set the variables in FILE: lines of NAME[=VALUE]. Repeatable."
)
Env = Annotated[list[str] | None, ENV]
EnvFile = Annotated[list[str] | None, ENV_FILE]
Workdir = Annotated[
    str | None,
    typer.Option("--workdir", "-w", metavar="PATH", help="Start in this directory of the container."),
]
Privileged = Annotated[
    bool,
    typer.Option(
        "--privileged", help="Add all capabilities; take over neither no_new_privs, LSM label nor seccomp filter."
    ),
]
CapAdd = Annotated[
    list[str] | None,
    typer.Option("--cap-add", metavar="CAP", help="Add a capability that the container lacks: SYS_PTRACE …, or ALL."),
]
Inherit = Annotated[
    str | None,
    typer.Option(
        metavar="LIST",
        show_default="all but oom_score_adj",
        help="Take only these over from the container's process: a comma-separated list of no_new_privs, umask, "
        "rlimits, oom_score_adj, lsm and seccomp; or none.",
    ),
]
NoSeccomp = Annotated[
    bool,
    typer.Option(
        "--no-seccomp",
        help="Leave out the container's filter of system calls, for tools that need more, such as perf.",
    ),
]
NoCgroup = Annotated[bool, typer.Option("--no-cgroup", help="Stay in the caller's cgroups.")]
Timeout = Annotated[
    float | None,
    typer.Option(min=0.01, metavar="SECONDS", help="End the session after this many seconds, with exit code 125."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the steps; do nothing.")]

Command = Annotated[list[str] | None, typer.Argument(help="Run this command; default: a shell.", **WORDS)]
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
        help="Use this filesystem backend, see cntr plugins; auto: the fastest that works and is safe.",
    ),
]
Links = Annotated[
    str,
    typer.Option(
        metavar="tools|container",
        help="Let absolute links in /var/lib/cntr lead to the tools' files, as the kernel follows them, or to the "
        "container's, by a filesystem server.",
    ),
]
Tmp = Annotated[
    str,
    typer.Option(
        metavar="private|container",
        help="Show in /tmp and /var/tmp an empty directory of the session's own, or the container's: jcmd, tmux and "
        "others look for the application's sockets there.",
    ),
]
RwTools = Annotated[
    bool,
    typer.Option("--rw-tools", help="Let the session write to the tools' tree; default: read-only."),
]
ContainerEnv = Annotated[
    bool,
    typer.Option(
        "--container-env",
        help="Give the tools all of the container's variables; some can make them run the container's code.",
    ),
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
    fs: Backend = AUTO
    tmp: Tmp = "private"
    links: Links = "tools"
    rw_tools: RwTools = False
    container_env: ContainerEnv = False
    fat: Fat = False
    fat_image: FatImage = None
    scratch: Scratch = False
    shell: Shell = None

    def are_links_inside(self) -> bool:
        """Whether links lead into the container; :raises UsageError: ``--links`` says neither that nor the contrary."""
        if self.links not in ("tools", "container"):
            raise UsageError(f"--links cannot be '{self.links}'", "use tools or container")
        if self.links == "container" and (self.fat or self.fat_image is not None):
            raise UsageError("--links is not for --fat, whose root is the container's", "leave it out")
        return self.links == "container"

    def is_tmp_shared(self) -> bool:
        """Whether ``/tmp`` is the container's; :raises UsageError: ``--tmp`` says neither that nor the contrary."""
        if self.tmp not in ("private", "container"):
            raise UsageError(f"--tmp cannot be '{self.tmp}'", "use private or container")
        return self.tmp == "container"

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
    env_file: EnvFile = None
    workdir: Workdir = None
    cwd: Cwd = None
    privileged: Privileged = False
    cap_add: CapAdd = None
    inherit: Inherit = None
    no_cgroup: NoCgroup = False
    no_seccomp: NoSeccomp = False

    def options(self, command: list[str] | None, timeout: float | None) -> SessionOptions:
        """The options of a session that runs `command`; :raises UsageError: they make no sense."""
        from ..session import SessionOptions

        return SessionOptions(
            command=_words(command),
            user=self.user,
            env=_words(self.variables()),
            cwd=self.cwd,
            workdir=self._workdir(),
            cap_add=("ALL",) if self.privileged else tuple(self.cap_add or ()),
            inherit=self._inherited(),
            join_cgroup=not self.no_cgroup,
            timeout=limit(timeout),
        )

    def variables(self) -> list[str]:
        """What ``--env-file`` and ``--env`` say; :raises UsageError: something of it is no variable."""
        return variables(self.env_file or (), self.env or ())

    def _inherited(self) -> frozenset[str]:
        left_out = {"no_new_privs", "lsm", "seccomp"} if self.privileged else {"seccomp"} if self.no_seccomp else set()
        return _inherit(self.inherit) - left_out

    def _workdir(self) -> str | None:
        if self.workdir is not None and not self.workdir.startswith("/"):
            raise UsageError(f"--workdir takes an absolute path, not '{self.workdir}'", "begin it with /")
        if self.workdir is not None and self.cwd is not None:
            raise UsageError("--workdir and --cwd contradict each other", "give one of them")
        return self.workdir


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
    wait: Wait = None
    image: Image = False
    stopped: Stopped = False

    def check(self) -> None:
        """:raises UsageError: the options say both that the container runs and that it does not."""
        if self.wait is not None or (self.image and self.stopped):
            raise UsageError("--image, --stopped and --wait contradict each other", "give one of them")


def _words(words: list[str] | None) -> tuple[bytes, ...]:
    return tuple(os.fsencode(word) for word in words or ())


def limit(timeout: float | None) -> float | None:
    """`timeout`, None for none; :raises UsageError: there can be no such one."""
    return None if timeout is None else seconds(timeout, "--timeout")


def seconds(number: float, option: str) -> float:
    """The `number` that `option` has; :raises UsageError: it is not of this world."""
    if not number <= _LONGEST:  # nan is no less than anything
        raise UsageError(f"{option} cannot be {number:g}", f"give seconds, {_LONGEST} at most")
    return number


def _inherit(text: str | None) -> frozenset[str]:
    if text is None:
        from ..session.identity import INHERITED

        return INHERITED
    return frozenset() if text == "none" else frozenset(filter(None, text.split(",")))
