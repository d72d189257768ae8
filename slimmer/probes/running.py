"""What a probe may ask of the container that it drives, whoever runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Executed:
    """How a command in the container ended: its exit code (128+n for signal n) and what it wrote."""

    code: int
    stdout: bytes
    stderr: bytes


class Running(Protocol):
    """A container that runs, or has just ended."""

    @property
    def pid(self) -> int:
        """The container's first process, in the host's view."""

    @property
    def environment(self) -> Mapping[str, str]:
        """What the first process was started with."""

    def ended(self) -> int | None:
        """The exit code of the first process, None while it runs."""

    def execute(self, command: Sequence[str], timeout: float) -> Executed:
        """Run a command in the container, as the image's user.

        :raises TimeoutError: it did not end within `timeout` seconds, and was killed.
        :raises CntrError: it could not be started, for example because the container has ended.
        """

    def log(self) -> bytes:
        """What the container wrote to its stdout and stderr so far."""

    def activity(self) -> int:
        """A counter that grows with every access to a file that the tracer sees."""
