"""The options of ``cntr attach`` and ``cntr exec``, in groups of one value each."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..dataclass import dataclass
from ..errors import UsageError
from .backend import AUTO
from .env_file import variables

if TYPE_CHECKING:
    from ..session import SessionOptions
    from .options import (
        Backend,
        CapAdd,
        ContainerEnv,
        Cwd,
        DryRun,
        Env,
        EnvFile,
        Fat,
        FatImage,
        ForwardSocket,
        HelperImage,
        Image,
        Inherit,
        Links,
        NoCgroup,
        NoSeccomp,
        OwnCwd,
        Privileged,
        RwTools,
        Scratch,
        Shell,
        Stopped,
        Timeout,
        Tmp,
        ToolsSource,
        User,
        ViaKubectl,
        Wait,
        Workdir,
        WritableTools,
    )

_LONGEST = 2_000_000
"""Seconds: poll(2) counts milliseconds in an int."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What the session has beside the container's files."""

    tools: ToolsSource = AUTO
    fs: Backend = AUTO
    tmp: Tmp = "private"
    links: Links = "tools"
    rw_tools: RwTools = False
    writable_tools: WritableTools = False
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

    def has_layer(self) -> bool:
        """Whether what is written is thrown away; :raises UsageError: it is to be kept as well."""
        if self.writable_tools and self.rw_tools:
            raise UsageError("--rw-tools and --writable-tools contradict each other", "leave one of them out")
        return self.writable_tools

    def shown_fat(self) -> str | None:
        """The fat half to show, as :attr:`SessionOptions.fat` wants it."""
        if not self.fat and self.fat_image is None:
            if self.scratch:
                hint = "leave it out: without --rw-tools the tools are read-only"
                raise UsageError("--scratch is only for --fat", hint)
            return None
        if self.rw_tools or self.writable_tools or self.tools not in (AUTO, "host"):
            hint = "leave --tools, --rw-tools and --writable-tools out; --scratch throws writes away"
            raise UsageError("--fat brings its own tools", hint)
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
