"""Rate against CPU of every row of one run, as a picture that is readable on light and on dark.

python -m benchmarks.picture ROWS.jsonl PICTURE.svg
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from benchmarks.rows import Row, read_rows
from locust_kafka.paths import writable_file, write_output

WIDTH, LEFT, RIGHT, TOP, LINE = 860, 60, 480, 44, 18
COLOURS = ("#8794a1", "#2f7ed8", "#c94f6d", "#5ba55b", "#e07b39", "#a05fc4")
STYLE = (
    "<style>.back{fill:#fff}.ink{fill:#1c2126}.line{stroke:#d5dade}"
    "@media (prefers-color-scheme: dark){.back{fill:#14181c}.ink{fill:#e4e8eb}.line{stroke:#39424a}}</style>"
)
NEAR = (
    (11, 4), (-11, 4), (0, -8), (0, 16), (13, -7), (-13, -7), (13, 15), (-13, 15), (24, 4), (-24, 4), (0, -20), (0, 28)
)  # fmt: skip
"""Where a point's number may stand, the best first."""


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit("give two files: python -m benchmarks.picture ROWS.jsonl PICTURE.svg")
    source, target = sys.argv[1:]
    try:
        rows = read_rows(Path(source))
        writable_file(target, "the picture")
    except (OSError, ValueError) as refused:
        raise SystemExit(f"no picture: {refused}") from refused
    if not rows:
        raise SystemExit(f"no picture: {source} holds no row")
    write_output(target, picture(rows))


def picture(rows: Sequence[Row]) -> str:
    """A point for each row, numbered as in the list beside it; both axes are logarithmic."""
    height = max(420, TOP + LINE * len(rows) + 40)
    bottom = height - 50
    across = Axis([row.rate for row in rows], LEFT, RIGHT)
    up = Axis([row.cpu_us for row in rows], bottom, TOP)
    groups = list(dict.fromkeys(row.group for row in rows))
    colours = [COLOURS[groups.index(row.group) % len(COLOURS)] for row in rows]
    points = [(across.position(row.rate), up.position(row.cpu_us)) for row in rows]
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="13">',
        STYLE,
        '<rect width="100%" height="100%" class="back"/>',
        '<text x="10" y="22" font-weight="bold" class="ink">CPU of the tool, µs an exchange, against exchanges/s</text>',
        *_grid(across, up, bottom),
        *_points(points, colours),
        *_list(rows, colours),
        "</svg>",
        "",
    ])  # fmt: skip


class Axis:
    """A logarithmic scale with ticks at 1, 2 and 5, from the last tick below the smallest figure to the first above."""

    def __init__(self, figures: Sequence[float], start: float, end: float) -> None:
        steps = [step * 10**power for power in range(-3, 8) for step in (1, 2, 5)]
        low = max(step for step in steps if step <= min(figures))
        high = min(step for step in steps if step > max(figures))
        self.ticks = [step for step in steps if low <= step <= high]
        self._start, self._end = start, end

    def position(self, figure: float) -> float:
        low, high = self.ticks[0], self.ticks[-1]
        return self._start + (self._end - self._start) * math.log(figure / low) / math.log(high / low)


def _grid(across: Axis, up: Axis, bottom: int) -> Iterator[str]:
    for tick in across.ticks:
        x = across.position(tick)
        yield f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}" class="line"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle" class="ink">{_short(tick)}</text>'
    for tick in up.ticks:
        y = up.position(tick)
        yield f'<line x1="{LEFT}" y1="{y:.1f}" x2="{RIGHT}" y2="{y:.1f}" class="line"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" class="ink">{tick:g}</text>'
    yield f'<text x="{(LEFT + RIGHT) / 2:.1f}" y="{bottom + 38}" text-anchor="middle" class="ink">exchanges/s</text>'


def _points(points: Sequence[tuple[float, float]], colours: Sequence[str]) -> Iterator[str]:
    taken = [(x, y + 4) for x, y in points]
    for number, ((x, y), colour) in enumerate(zip(points, colours, strict=True), 1):
        free = ((x + dx, y + dy) for dx, dy in NEAR)
        spot = next((spot for spot in free if not any(_overlap(spot, other) for other in taken if other != (x, y + 4))),
                    (x + NEAR[0][0], y + NEAR[0][1]))  # fmt: skip
        taken.append(spot)
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'
        yield (
            f'<text x="{spot[0]:.1f}" y="{spot[1]:.1f}" font-size="10" text-anchor="middle" class="ink">{number}</text>'
        )


def _overlap(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return abs(one[0] - other[0]) < 12 and abs(one[1] - other[1]) < 9


def _list(rows: Sequence[Row], colours: Sequence[str]) -> Iterator[str]:
    for number, (row, colour) in enumerate(zip(rows, colours, strict=True), 1):
        y = TOP + LINE * number
        yield f'<circle cx="{RIGHT + 36}" cy="{y - 4}" r="4" fill="{colour}"/>'
        yield f'<text x="{RIGHT + 64}" y="{y}" text-anchor="end" font-size="12" class="ink">{number}</text>'
        yield f'<text x="{RIGHT + 72}" y="{y}" font-size="12" class="ink">{escape(row.name)}</text>'


def _short(tick: float) -> str:
    return f"{tick / 1000:g}k" if tick >= 1000 else f"{tick:g}"


if __name__ == "__main__":
    main()
