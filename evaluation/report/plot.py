"""The paper's figure as SVG: by how much each image shrinks, sorted, and how that is distributed.

Colours are variables of CSS with a value for dark pages: the picture is itself in a page of its own, in ours, and as an
image of another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

_ROW, _LABEL, _BAR, _TOP = 16, 170, 220, 24
_LINE, _DOT = "var(--line)", "var(--accent)"
_FIT = 'style="max-width:100%;height:auto"'
STYLE = """
svg { --text: #1f2328; --muted: #59636e; --line: #d1d9e0; --accent: #0969da; --other: #8c959f; }
@media (prefers-color-scheme: dark) {
  svg { --text: #e6edf3; --muted: #9198a1; --line: #3d444d; --accent: #4493f8; --other: #6e7681; }
}
svg text { font: 11px system-ui, sans-serif; fill: var(--text); }
svg .muted { fill: var(--muted); }
"""


def bars(rows: Sequence[tuple[str, float, bool]], title: str) -> str:
    """A bar for each row: its label, its share from 0 to 1, and whether it is of the first kind or of the other."""
    height = _TOP + _ROW * len(rows) + 20
    parts = [_text(0, 14, title)]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x = _LABEL + share * _BAR
        parts.append(f'<path d="M{x:.1f} {_TOP}V{height - 18}" stroke="{_LINE}"/>')
        parts.append(_text(x, height - 6, f"{share:.0%}", "middle", muted=True))
    for number, (label, share, first) in enumerate(rows):
        y = _TOP + _ROW * number
        colour = _DOT if first else "var(--other)"
        parts.append(_text(_LABEL - 6, y + 11, label, "end"))
        parts.append(f'<rect x="{_LABEL}" y="{y + 2}" width="{share * _BAR:.1f}" height="{_ROW - 4}" fill="{colour}"/>')
        parts.append(_text(_LABEL + share * _BAR + 4, y + 11, f"{100 * share:.1f}", muted=True))
    return _picture(_LABEL + _BAR + 50, height, parts, title)


def ratio_bars(rows: Sequence[tuple[str, float, float | None]], title: str) -> str:
    """Two bars for each row, of its label, its ratio, and another's, if there is one: from 1 on, each doubling of the
    ratio is as long as the one before."""
    top, most = _TOP, max([2.0, *(ratio for _, *both in rows for ratio in both if ratio)])
    height, ends = top + _ROW * len(rows) + 20, math.ceil(math.log2(most))
    step, one = _BAR / (ends + 1), _LABEL + _BAR / (ends + 1)
    parts = [_text(0, 14, title)]
    for power in range(-1, ends + 1):
        x = one + power * step
        parts.append(f'<path d="M{x:.1f} {top}V{height - 18}" stroke="{_LINE}"/>')
        parts.append(_text(x, height - 6, f"{2.0**power:g}", "middle", muted=True))
    for number, (label, *both) in enumerate(rows):
        y = top + _ROW * number
        parts.append(_text(_LABEL - 6, y + 11, label, "end"))
        for ratio, colour, lower in zip(both, (_DOT, "var(--other)"), (2, 8), strict=True):
            if ratio:
                left, right = sorted((one, max(_LABEL, one + math.log2(ratio) * step)))
                size = f'width="{max(right - left, 1):.1f}" height="5"'
                parts.append(f'<rect x="{left:.1f}" y="{y + lower}" {size} fill="{colour}"/>')
    return _picture(_LABEL + _BAR + 50, height, parts, title)


def distribution(
    shares: Sequence[float], marks: Sequence[tuple[float, str]], band: tuple[float, float], title: str
) -> str:
    """How many images shrink by at most so much, as steps; `marks` are values to show with their names, `band` is a
    range to show."""
    left, top, width, height = 40, 24, 360, 240
    ordered = sorted(shares)
    points = [(0.0, 0.0)]
    for number, share in enumerate(ordered, 1):
        points += [(share, points[-1][1]), (share, number / len(ordered))]
    points.append((1.0, 1.0))
    low, high = (left + share * width for share in band)
    parts = [_text(0, 14, title)]
    parts.append(f'<path d="M{low:.1f} {top}H{high:.1f}v{height}H{low:.1f}z" fill="{_DOT}" opacity="0.1"/>')
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = left + share * width, top + (1 - share) * height
        parts.append(f'<path d="M{x:.1f} {top}v{height}M{left} {y:.1f}h{width}" stroke="{_LINE}"/>')
        parts.append(_text(x, top + height + 14, f"{share:.0%}", "middle", muted=True))
        parts.append(_text(left - 6, y + 4, f"{share:.0%}", "end", muted=True))
    path = "L".join(f"{left + x * width:.1f} {top + (1 - y) * height:.1f}" for x, y in points)
    parts.append(f'<path d="M{path}" fill="none" stroke="{_DOT}" stroke-width="2"/>')
    for number, (share, name) in enumerate(sorted(marks)):
        x, right = left + share * width, number == len(marks) - 1
        parts.append(f'<path d="M{x:.1f} {top}v{height}" stroke="var(--text)" stroke-dasharray="3 3"/>')
        parts.append(_text(x + (4 if right else -4), top + 14 + 14 * number, name, "start" if right else "end"))
    return _picture(left + width + 20, top + height + 24, parts, title)


def _text(x: float, y: float, text: str, anchor: str = "start", *, muted: bool = False) -> str:
    kind = ' class="muted"' if muted else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind}>{escape(text)}</text>'


def _picture(width: int, height: int, parts: Sequence[str], title: str) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" viewBox="0 0 {width} {height}" role="img" {_FIT}>'
    return "\n".join([head, f"<title>{escape(title)}</title><style>{STYLE}</style>", *parts, "</svg>\n"])
