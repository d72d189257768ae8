"""The options of ``cntr attach`` and ``cntr exec``, as typer takes them. What has no options needs none of it."""

from __future__ import annotations

from typing import Annotated

import typer

from .completion import complete_capability, complete_container, complete_filesystem, complete_image, complete_words

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
    typer.Option(
        "--cap-add",
        metavar="CAP",
        autocompletion=complete_capability,
        help="Add a capability that the container lacks: SYS_PTRACE …, or ALL.",
    ),
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

Program = Annotated[list[str], typer.Argument(help="Run this program of the container.", **WORDS)]
Command = Annotated[list[str] | None, typer.Argument(help="Run this command; default: a shell.", **WORDS)]
ToolsSource = Annotated[
    str,
    typer.Option(
        metavar="SOURCE",
        autocompletion=complete_words("auto", "host", "toolbox"),
        help="Take the tools from host, toolbox, dir:PATH, container:NAME or image:REF; auto: from the host, or the "
        "toolbox where the host has no shell or ps.",
    ),
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
        autocompletion=complete_words("tools", "container"),
        help="Let absolute links in /var/lib/cntr lead to the tools' files, as the kernel follows them, or to the "
        "container's, by a filesystem server.",
    ),
]
Tmp = Annotated[
    str,
    typer.Option(
        metavar="private|container",
        autocompletion=complete_words("private", "container"),
        help="Show in /tmp and /var/tmp an empty directory of the session's own, or the container's: jcmd, tmux and "
        "others look for the application's sockets there.",
    ),
]
RwTools = Annotated[
    bool,
    typer.Option("--rw-tools", help="Let the session write to the tools' tree; default: read-only."),
]
WritableTools = Annotated[
    bool,
    typer.Option(
        "--writable-tools",
        help="Let the session write to a layer over the tools, in memory, which is gone after it: for apt-get install.",
    ),
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
FatImage = Annotated[
    str | None,
    typer.Option("--fat-image", metavar="REF", autocompletion=complete_image, help="Use this image for --fat."),
]
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
Wait = Annotated[
    str | None,
    typer.Option(
        "--wait",
        metavar="[DURATION]",
        help="Wait for the container's next start if it does not run or is not there yet, for so long (10s, 5m) or for "
        "ever.",
        show_default=False,
    ),
]
Image = Annotated[
    bool,
    typer.Option(
        "--image",
        help="Take CONTAINER as an image: attach to a throw-away container of it, in which nothing of it is started.",
    ),
]
Stopped = Annotated[
    bool,
    typer.Option(
        "--stopped",
        help="Attach to a throw-away container with the files of a container that does not run; writes are discarded.",
    ),
]

Interactive = Annotated[
    bool,
    typer.Option(
        "--interactive",
        "-i",
        help="Connect stdin without a terminal, or with -t: with one. Default: a terminal if stdin and stdout are one.",
    ),
]
Tty = Annotated[bool, typer.Option("--tty", "-t", help="Give the command a terminal, even where stdout is none.")]
NoStdin = Annotated[
    bool,
    typer.Option("--no-stdin", "-T", help="Leave stdin alone, as loops over its lines want; no terminal."),
]
Detach = Annotated[bool, typer.Option("--detach", "-d", hidden=True, help="Return at once: not supported.")]
DetachKeys = Annotated[str | None, typer.Option(metavar="KEYS", hidden=True, help="Set detach keys: not supported.")]
