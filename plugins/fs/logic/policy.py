"""How long the kernel may keep what it was told, and how files are opened."""

from __future__ import annotations

import enum

from cntr_core.dataclass import dataclass
from cntr_core.filesystem import MountRequest

FOR_EVER = 365 * 86400
NOT_LONG = 1


class Opening(enum.Enum):
    """What happens when a file is opened, for transports that have the choice."""

    NONE = "the kernel opens without asking"
    PASSTHROUGH = "the kernel reads and writes the file below itself"
    HANDLES = "each is opened, read and written by a message"


@dataclass(frozen=True, slots=True)
class Policy:
    """`timeout` in seconds is for names, absent names and attributes, where nobody tells of changes (see timeouts.py);
    `listed_timeout` for names that came with a listing of their directory. `unchanging`: nobody changes the tree behind
    the mount. `stable_listings`: a directory may be read without having been opened. What is true else in each policy
    is false where its gain is measured: `absent_names` are kept as long as others, `readdirplus` gives attributes with
    names, of `parallel_directories` the kernel asks for several names at once, and `watched` trees have their
    changes told."""

    timeout: int
    listed_timeout: int
    unchanging: bool
    opening: Opening
    stable_listings: bool
    absent_names: bool = True
    readdirplus: bool = True
    parallel_directories: bool = True
    watched: bool = True

    @classmethod
    def of(cls, request: MountRequest) -> Policy:
        """The policy that suits a request.

        What others may change behind the mount is kept for a second (for ever where timeouts.py knows better), what
        nobody can for ever. A read-only tree is read more than it is opened. An observer has to see each look-up of a
        name that was only listed, and of each file that it was opened: of what nobody can change, the first read tells
        as much, at a sixth of the price.
        """
        watched = request.observer is not None
        unchanging = request.immutable and request.read_only
        timeout = FOR_EVER if request.immutable else NOT_LONG
        return cls(
            timeout=timeout,
            listed_timeout=0 if watched else timeout,
            unchanging=request.immutable,
            opening=Opening.NONE if unchanging or (request.read_only and not watched) else Opening.PASSTHROUGH,
            stable_listings=unchanging and not watched,
        )
