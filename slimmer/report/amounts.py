"""Numbers as people read them, the same on the terminal and on the page."""

from __future__ import annotations

UNKNOWN = "\N{EN DASH}"


def size(count: int | None) -> str:
    """Bytes, in powers of 1000: ``11.5 MB``; a dash where they are not known."""
    if count is None:
        return UNKNOWN
    from rich.filesize import decimal

    return "1 byte" if count == 1 else decimal(count)


def percent(part: int, whole: int) -> str:
    """How much of `whole` is `part`, never 0 or 100 where it is not; a dash where there is nothing."""
    if not whole:
        return UNKNOWN
    exact = 100 * part / whole
    rounded = round(exact, 1)
    if rounded == 0 and part:
        return "< 0.1 %"
    if rounded == 100 and part != whole:
        return "> 99.9 %"
    return f"{rounded:.1f} %"


def seconds(time: float) -> str:
    """A duration."""
    return f"{1000 * time:.0f} ms" if time < 1 else f"{time:.1f} s"
