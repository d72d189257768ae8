"""Id maps of user namespaces: ``/proc/PID/uid_map`` and ``gid_map`` (user_namespaces(7))."""

from __future__ import annotations

from itertools import pairwise

from ..dataclass import dataclass

MAX_EXTENTS = 340
"""Since Linux 4.15; five before."""

_IDS = 1 << 32


@dataclass(frozen=True, slots=True)
class Extent:
    """`count` ids that begin at `inside` in the namespace and at `outside` in the reader's (or parent)
    namespace.
    """

    inside: int
    outside: int
    count: int


@dataclass(frozen=True, slots=True)
class IdMapping:
    """The ids of a user namespace, seen from the namespace of whoever read the map."""

    extents: tuple[Extent, ...]

    @classmethod
    def parse(cls, data: bytes) -> IdMapping:
        """Read a uid_map or gid_map. An empty one, of a namespace that nobody has mapped yet, maps nothing.

        :raises ValueError: it is not one: more than 340 extents, overlaps, or ids above 32 bits.
        """
        extents = tuple(_extent(line) for line in data.splitlines() if line.strip())
        if len(extents) > MAX_EXTENTS:
            raise ValueError(f"an id map of {len(extents)} extents; the kernel takes {MAX_EXTENTS}")
        for begins in ([(e.inside, e.count) for e in extents], [(e.outside, e.count) for e in extents]):
            begins.sort()
            if any(a + n > b for (a, n), (b, _) in pairwise(begins)):
                raise ValueError("an id map whose extents overlap")
        return cls(extents)

    def format(self) -> bytes:
        """As the kernel wants it written."""
        return b"".join(b"%d %d %d\n" % (e.inside, e.outside, e.count) for e in self.extents)

    def to_outside(self, number: int) -> int | None:
        """The outer id of an inner one; None where there is none, and the inner id cannot exist."""
        for extent in self.extents:
            if 0 <= number - extent.inside < extent.count:
                return number - extent.inside + extent.outside
        return None

    def to_inside(self, number: int) -> int | None:
        """The inner id of an outer one; None where there is none, and the namespace sees the overflow id."""
        for extent in self.extents:
            if 0 <= number - extent.outside < extent.count:
                return number - extent.outside + extent.inside
        return None


def _extent(line: bytes) -> Extent:
    words = line.split()
    if len(words) != 3 or not all(word.isdigit() for word in words):
        raise ValueError(f"not a line of an id map: {line[:80]!r}")
    inside, outside, count = (int(word) for word in words)
    if count == 0 or inside + count > _IDS or outside + count > _IDS:
        raise ValueError(f"ids out of range: {line[:80]!r}")
    return Extent(inside, outside, count)


ALL_IDS = IdMapping((Extent(0, 0, _IDS - 1),))
"""Of a namespace as its own members see it: every id stands for itself. (The last number is no id.)"""


def overflow_ids(proc: str = "/proc") -> tuple[int, int]:
    """The uid and gid that stand for unmapped ids, 65534 each unless somebody changed them."""

    def number(name: str) -> int:
        with open(f"{proc}/sys/kernel/{name}", "rb") as file:
            return int(file.read())

    return number("overflowuid"), number("overflowgid")
