"""What a container wrote to its log, compared by kinds of lines: times, numbers and order differ from run to run."""

from __future__ import annotations

import re

_MICRO = rb"\xc2\xb5|\xce\xbc"  # the signs for it in UTF-8: a duration is in ms or in microseconds, as it comes
_NUMBERED = re.compile(rb"\b\w*\d(?:[\w.]|" + _MICRO + rb")*")  # a time, a duration, a PID, a port, a hash
_SPACE = re.compile(rb"\s+")


def differing(replay: bytes, *originals: bytes) -> tuple[str, ...]:
    """Lines of the slim image's log that no log of the original has, after ``+``, and lines that all logs of the
    original have and the slim image's has not, after ``-``. Each kind is told once."""
    ours = _kinds(replay)
    theirs = [_kinds(log) for log in originals]
    lost = [line for kind, line in theirs[0].items() if kind not in ours and all(kind in log for log in theirs)]
    new = [line for kind, line in ours.items() if not any(kind in log for log in theirs)]
    return (*(f"- {_text(line)}" for line in lost), *(f"+ {_text(line)}" for line in new))


def _kinds(log: bytes) -> dict[bytes, bytes]:
    """Each kind of line with its first one."""
    kinds: dict[bytes, bytes] = {}
    for line in log.splitlines():
        kinds.setdefault(_SPACE.sub(b" ", _NUMBERED.sub(b"#", line)).strip(), line)
    kinds.pop(b"", None)
    return kinds


def _text(line: bytes) -> str:
    return line.decode(errors="backslashreplace").strip()
