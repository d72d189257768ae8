"""The seam for rules of slimming: what an application needs although no trace can show it.

A rule looks at an image and at what a run of it used, and names files that belong to the slim image too. It does no
I/O of its own: all that it may know is in the :class:`RuleContext`. Paths are bytes, and count from the image's root
with a leading slash.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import chain
from typing import ClassVar, Protocol

from .dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Found:
    """A file of an image. `path` is its real one: every link on the way is resolved, and stands in `links`, by its own
    real path. `kind` is the S_IFMT part of a mode; a link is found as such only where a link was asked for. `layer` is
    the number of the layer that has it, 0 for the lowest."""

    path: bytes
    kind: int
    mode: int
    size: int
    target: bytes = b""
    links: tuple[bytes, ...] = ()
    layer: int = 0


class ImageView(Protocol):
    """An image's merged tree, for reading."""

    def lookup(self, path: bytes, *, follow: bool = True) -> Found | None:
        """The file at `path`, by links as a process in the image's root would follow them; None where there is none, or
        where links go in circles. `follow` says what to do with a link at the very end."""

    def read(self, path: bytes, limit: int | None = None) -> bytes:
        """The content of a regular file, or its first `limit` bytes.

        :raises FileNotFoundError: there is no regular file at `path`.
        """

    def read_at(self, path: bytes, offset: int, size: int) -> bytes:
        """`size` bytes of a regular file from `offset`; fewer at its end. Errors as :meth:`read`."""

    def list(self, path: bytes) -> Sequence[bytes]:
        """The names in the directory at `path`, sorted; none where there is no directory."""

    def walk(self, below: bytes = b"/") -> Iterator[Found]:
        """Everything below the directory, itself not included, parents first, in sorted order; links as links."""


@dataclass(frozen=True, slots=True)
class RuleContext:
    """What a rule may know.

    `used` has the real paths that the run saw to exist, each with the operations in FUSE's words (lookup, open, read,
    readlink, readdir …). `absent` has those that it looked for in vain. `kept` has the real paths that are kept so far,
    by the trace and by the rules before, and `fresh` those of them that this rule has not been shown yet: a rule that
    looks into files looks into these alone, and so into each one once. `environment`, `working_dir` and `volumes` are
    the image's, `commands` those that the image names, and that ran, and `layers` is how many layers the image has.
    """

    image: ImageView
    used: Mapping[bytes, frozenset[str]]
    absent: frozenset[bytes]
    kept: frozenset[bytes]
    fresh: frozenset[bytes]
    environment: Mapping[str, str]
    working_dir: bytes = b"/"
    commands: tuple[tuple[bytes, ...], ...] = ()
    volumes: tuple[bytes, ...] = ()
    layers: int = 1

    @property
    def first(self) -> bool:
        """Whether the rule is asked for the first time: when to say what depends on nothing that is kept."""
        return self.fresh == self.kept

    @property
    def arguments(self) -> Sequence[bytes]:
        """The words of all commands, each once."""
        return tuple(dict.fromkeys(chain.from_iterable(self.commands)))


@dataclass(frozen=True, slots=True)
class Keep:
    """One file to keep, and why, as a phrase for people: ``needed by /usr/sbin/nginx``. A directory is kept as such,
    without what is in it. Links on the way, and other names of the same file, are kept by themselves."""

    path: bytes
    because: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One file that a rule would keep, and does not because of its limit; `because` says so as a phrase."""

    path: bytes
    because: str


class Profile(StrEnum):
    """How much a slim image keeps beside what was used, from the least to the most; each has the rules of those before.

    `MINIMAL` is what must be, `BALANCED` adds what an application commonly needs next and costs little, `CAREFUL` adds
    whole packages of the languages in use.
    """

    MINIMAL = "minimal"
    BALANCED = "balanced"
    CAREFUL = "careful"


class Rule(ABC):
    """One reason to keep files. Rules are asked in turn, and again, until none has anything new to say."""

    name: ClassVar[str]
    """What reports and the command line call it: lower-case letters, digits and dashes."""

    description: ClassVar[str]
    """What it keeps, in one sentence."""

    profile: ClassVar[Profile] = Profile.BALANCED
    """The lowest profile that has it: with that one and those above it is asked, unless the user says otherwise."""

    limit: ClassVar[int | None] = None
    """How many bytes of files it keeps at most, beside those that are kept already; None: as many as there are."""

    @abstractmethod
    def keep(self, context: RuleContext) -> Iterable[Keep | LeftOut]:
        """The files to keep; those that are kept already, or do not exist, may be named too."""
