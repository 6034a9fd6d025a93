"""Stacked bars, for the terminal and as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_WIDTH = 60
_MARKS = "░▒█▓"
_COLOURS = ("#9aa5b1", "#2f7ed8", "#e07b39", "#5ba55b")
_LEFT, _BAR, _ROW, _SCALE = 180, 22, 34, 560


def stacked_bars(rows: Sequence[tuple[str, Sequence[float]]], parts: Sequence[str], title: str) -> tuple[str, str]:
    """A bar for each row, made of its parts.

    Args:
        rows: name and the parts' lengths.
        parts: their names, four at most.
        title: what the lengths are.

    Returns:
        Text and SVG.
    """
    longest = max((sum(lengths) for _, lengths in rows), default=0) or 1.0
    return _text(rows, parts, title, longest), _svg(rows, parts, title, longest)


def _text(rows: Sequence[tuple[str, Sequence[float]]], parts: Sequence[str], title: str, longest: float) -> str:
    legend = "   ".join(f"{mark} {part}" for mark, part in zip(_MARKS, parts, strict=False))
    lines = [f"{title}     {legend}"]
    for name, lengths in rows:
        bar, done, drawn = "", 0.0, 0
        for mark, length in zip(_MARKS, lengths, strict=False):
            done += length
            until = round(done / longest * _WIDTH)
            bar += mark * (until - drawn)
            drawn = until
        lines.append(f"  {name:<22}{bar} {sum(lengths):.1f}")
    return "\n".join(lines)


def _svg(rows: Sequence[tuple[str, Sequence[float]]], parts: Sequence[str], title: str, longest: float) -> str:
    height = 70 + _ROW * len(rows)
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _SCALE + 80}" height="{height}" '
        'font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="10" y="22" font-weight="bold">{escape(title)}</text>',
    ]
    for number, (name, lengths) in enumerate(rows):
        top, left = 40 + number * _ROW, float(_LEFT)
        drawn.append(f'<text x="10" y="{top + 16}">{escape(name)}</text>')
        for colour, length in zip(_COLOURS, lengths, strict=False):
            width = length / longest * _SCALE
            drawn.append(f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{_BAR}" fill="{colour}"/>')
            left += width
        drawn.append(f'<text x="{left + 6:.1f}" y="{top + 16}">{sum(lengths):.1f}</text>')
    for number, (colour, part) in enumerate(zip(_COLOURS, parts, strict=False)):
        left = _LEFT + number * 110
        drawn.append(f'<rect x="{left}" y="{height - 22}" width="12" height="12" fill="{colour}"/>')
        drawn.append(f'<text x="{left + 18}" y="{height - 11}">{escape(part)}</text>')
    return "\n".join([*drawn, "</svg>", ""])
