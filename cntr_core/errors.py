"""Every error that a user can meet, as one tree.

::

    CntrError                     125  ours; `message` is one sentence, `hint` the next step
    ├── UsageError                125  the request itself makes no sense
    ├── ContainerNotFound         125  no engine knows the name
    ├── AmbiguousContainer        125  several containers answer to the name
    ├── ContainerNotRunning       125  stopped, paused, frozen, or gone
    │   └── ContainerEnded        125  it ended while a command of ours ran in it
    ├── EngineError               125  an engine did not answer as it should
    │   └── EngineAbsent          125  it is not there at all, and so has no containers
    ├── PermissionMissing         125  a privilege or a device is missing
    ├── KernelFeatureMissing      125  this kernel cannot do it
    ├── ImageError                125  an image is missing, corrupt or hostile
    ├── PluginError               125  a plugin is broken or unknown
    ├── CopyError                 125  files cannot be copied
    ├── SessionError              125  the session could not start, or an internal component failed
    ├── CommandNotExecutable      126  the command exists and cannot be executed
    ├── CommandNotFound           127  the command does not exist
    └── CommandOutOfMemory        137  the kernel killed the command for lack of memory

Any other exit code is the command's own: its status, or 128+n when signal n ended it.
Only the command line formats these; everybody else raises them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class CntrError(Exception):
    """Root of the tree. `code` is the stable name that ``--json`` shows; `exit_code` is the process's."""

    code = "error"
    exit_code = 125

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type[CntrError], tuple[str, str]]:
        return type(self), (self.message, self.hint)


class UsageError(CntrError):
    """The request makes no sense: contradicting or malformed arguments."""

    code = "usage"


class ContainerNotFound(CntrError):
    """No engine that answered knows a container of this name."""

    code = "container-not-found"


class AmbiguousContainer(CntrError):
    """Several containers answer to the name; the hint lists a reference for each."""

    code = "container-ambiguous"


class ContainerNotRunning(CntrError):
    """The container exists, and has no process that could be joined: stopped, paused, frozen or gone."""

    code = "container-not-running"


class ContainerEnded(ContainerNotRunning):
    """It ended while a command of ours ran in it."""


class EngineError(CntrError):
    """An engine is absent, hangs, refuses, or answers with something that cannot be understood."""

    code = "engine"


class EngineAbsent(EngineError):
    """An engine is not installed, or does not run: it has no container of any name."""


class PermissionMissing(CntrError):
    """A privilege, capability or device access is missing."""

    code = "permission"


class KernelFeatureMissing(CntrError):
    """The running kernel lacks a system call or a feature."""

    code = "kernel-feature"


class ImageError(CntrError):
    """An image is missing, unreadable, corrupt, or tries to reach outside its root."""

    code = "image"


class GateFailed(CntrError):
    """A slim image is not what the user demands of it."""

    code = "gate"


class PluginError(CntrError):
    """A plugin is unknown, broken, or registered twice."""

    code = "plugin"


class CopyError(CntrError):
    """Files cannot be copied to or from a container: what is not there, cannot be written, or does not go together."""

    code = "copy"


class SessionError(CntrError):
    """The session could not be built, or an internal component failed while it ran."""

    code = "session"


class CommandNotExecutable(CntrError):
    """The command was found, and execve(2) refused it."""

    code = "command-not-executable"
    exit_code = 126


class CommandNotFound(CntrError):
    """The command was not found in the session's PATH."""

    code = "command-not-found"
    exit_code = 127


class CommandOutOfMemory(CntrError):
    """The command ran, and the kernel killed it (SIGKILL) for lack of memory."""

    code = "command-out-of-memory"
    exit_code = 137


MOST_TOLD = 3
"""Of how many an error tells, where many were asked."""


def some(texts: Sequence[str], most: int = MOST_TOLD) -> str:
    """The first of `texts` in one phrase, and how many there are more.

    >>> some(["a", "b", "c"], 2)
    'a; b; and 1 more'
    """
    more = len(texts) - most
    return "; ".join([*texts[:most], *([f"and {more} more"] if more > 0 else [])])


class LimitReached(CntrError):
    """A container of ours failed, with `exit_code`, and had met a limit that we gave it."""

    code = "limit-reached"

    def __init__(self, message: str, hint: str = "", exit_code: int = 137) -> None:
        super().__init__(message, hint)
        self.exit_code = exit_code


@contextmanager
def about(what: str) -> Iterator[None]:
    """Says of an :class:`ImageError` what it is about."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{what}: {error.message}", error.hint) from error


class EndedBySignal(SystemExit):
    """A signal n asks the program to end, with the code 128+n. Who catches what others' code raises lets it pass."""
