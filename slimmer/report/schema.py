"""The report as values, which are its JSON: docs/reference/report.md tells of every field.

A field with its default value is left out of the JSON. Paths are text as :func:`.text.shown` writes it, sizes are in
bytes. Files are those that are no directories; a file with hard links counts once, at its first name.
"""

from __future__ import annotations

from typing import Any

import msgspec

from cntr_core.errors import ImageError
from cntr_core.reasons import reason

SCHEMA = "cntr-report/1"

HARD_LINK = "hard link"
"""The type of every name of a file but the first, which its `target` says."""

EXCLUDED = "used by the run, and left out as --exclude asks"
"""Why a file is not kept that the user does not want."""

DIRECTORY = "directory"
SYMLINK = "symbolic link"


class Value(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What all parts of a report have in common."""


class Share(Value, frozen=True, kw_only=True):
    """How many files there are, how many of them the slim half has, and the bytes of the regular ones."""

    files: int = 0
    kept_files: int = 0
    bytes: int = 0
    kept_bytes: int = 0


class Half(Value, frozen=True, kw_only=True):
    """One of the two images: its name where it is, its manifest's digest, its layers' bytes as stored. `destination` is
    where it is, if that is another place than the report's."""

    role: str
    name: str
    digest: str
    compressed: int
    destination: str = ""


class Layer(Share, frozen=True, kw_only=True):
    """A layer of the original: all that it holds, also what a later one hides. `tar` are the bytes of its tar, plain,
    and those of both halves' layers; `compressed` are those of what is stored, None where the source does not say."""

    diff_id: str
    created_by: str = ""
    tar: int
    slim_tar: int
    fat_tar: int
    compressed: int | None = None
    slim_compressed: int | None = None
    fat_compressed: int | None = None


class Directory(Share, frozen=True, kw_only=True):
    """A directory, with all below it."""

    path: str


class Package(Share, frozen=True, kw_only=True):
    """An installed package; `manager` is ``dpkg`` or ``apk``. The name has the architecture after a colon where the
    package is installed for several."""

    name: str
    version: str = ""
    architecture: str = ""
    manager: str

    @property
    def gone(self) -> bool:
        """Whether it had files, and none of them is kept."""
        return bool(self.files) and not self.kept_files


class File(Value, frozen=True, kw_only=True):
    """A name in the original image. It is kept where a `rule` says so; `because` is the rule's reason. `kept_bytes` are
    those of the slim half, where they differ: of a list of packages."""

    path: str
    type: str = "file"
    bytes: int = 0
    kept_bytes: int | None = None
    package: str = ""
    target: str = ""
    rule: str = ""
    because: str = ""

    @property
    def kept(self) -> bool:
        """Whether the slim half has it."""
        return bool(self.rule)

    @property
    def slim_bytes(self) -> int:
        """Its bytes in the slim half."""
        if not self.kept:
            return 0
        return self.bytes if self.kept_bytes is None else self.kept_bytes

    @property
    def counts(self) -> bool:
        """Whether sums have it: directories and further names do not count."""
        return self.type not in (DIRECTORY, HARD_LINK)


class RuleShare(Value, frozen=True, kw_only=True):
    """What one rule keeps that nothing before it did: files and their bytes; and what it left out for its `limit`, in
    bytes, None where it has none. `profile` is the lowest that has the rule; empty where that is no matter of one."""

    name: str
    profile: str = ""
    files: int = 0
    bytes: int = 0
    limit: int | None = None
    left_out_files: int = 0
    left_out_bytes: int = 0


class Finding(Value, frozen=True, kw_only=True):
    """A file that makes an intruder's work easier: its `kind` is ``shell``, ``package manager``, ``setuid``, ``setgid``
    or ``capabilities``, which are its `detail`."""

    kind: str
    path: str
    kept: bool = False
    detail: str = ""
    package: str = ""


class Gate(Value, frozen=True, kw_only=True, omit_defaults=False):
    """What the user demands of the slim image: the option that says so, what was `found` and what is `wanted`, both as
    people read them."""

    name: str
    found: str
    wanted: str
    passed: bool


class Step(Value, frozen=True, kw_only=True):
    """A command to go on with, and its `purpose`. Values of variables are not in it."""

    command: str
    purpose: str


class SecurityProfile(Value, frozen=True, kw_only=True, omit_defaults=False):
    """A profile of what the image needs, in its `file` in the report's directory: its `kind` is ``seccomp`` or
    ``apparmor``. It is `verified` where the slim image passed all probes under it; `trouble` says why it did not.
    `summary` says how much is in it. `allowed` are the system calls that it allows, `learnt` what of that was only
    missed in a replay. `based_on` and `missed` are lines for people."""

    kind: str
    file: str
    verified: bool = False
    trouble: str = ""
    summary: str = ""
    allowed: tuple[str, ...] = ()
    learnt: tuple[str, ...] = ()
    based_on: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()


class Probes(Value, frozen=True, kw_only=True):
    """What the probes saw, as in a trace (docs/reference/trace-format.md), and what the slim image does otherwise.

    `log` has lines that only the original's log has, after ``-``, or only the slim image's, after ``+``.
    """

    original: tuple[dict[str, Any], ...] = ()
    slim: tuple[dict[str, Any], ...] = ()
    differences: tuple[dict[str, Any], ...] = ()
    log: tuple[str, ...] = ()
    original_code: int = 0
    slim_code: int | None = None


class Report(Value, frozen=True, kw_only=True, omit_defaults=False):
    """What became of an image, and why."""

    schema: str = SCHEMA
    image: str
    digest: str
    platform: str
    created: str
    cntr: str
    kernel: str
    profile: str = ""
    ok: bool
    trouble: str
    verified: bool
    evidence: tuple[str, ...] = ()
    doubt: str = ""
    unasked: tuple[str, ...] = ()
    content: Share
    destination: str
    halves: tuple[Half, ...]
    layers: tuple[Layer, ...]
    directories: tuple[Directory, ...]
    packages: tuple[Package, ...]
    unread_packages: str
    largest_gone: tuple[File, ...]
    gone_directories: tuple[Directory, ...]
    findings: tuple[Finding, ...]
    gates: tuple[Gate, ...] = ()
    profiles: tuple[SecurityProfile, ...] = ()
    probes: Probes
    repairs: tuple[tuple[str, ...], ...]
    unmatched: tuple[str, ...]
    rules: tuple[RuleShare, ...] = ()
    phases: dict[str, float]
    seconds: float = 0.0
    directory: str = ""
    steps: tuple[Step, ...] = ()
    absent: tuple[str, ...]
    files: tuple[File, ...]

    def to_json(self) -> dict[str, Any]:
        """The report as JSON's own types."""
        made: dict[str, Any] = msgspec.to_builtins(self)
        return made

    @classmethod
    def from_json(cls, values: object) -> Report:
        """What :meth:`to_json` told.

        :raises ImageError: these are no values of a report, or those of another version.
        """
        schema = values.get("schema") if isinstance(values, dict) else None
        if schema != SCHEMA:
            raise ImageError(f"this is not a report of the format {SCHEMA}", "make one with cntr slim")
        try:
            return msgspec.convert(values, cls)
        except msgspec.ValidationError as error:
            raise ImageError(f"the report is damaged: {reason(error)}", "make a new one with cntr slim") from error
