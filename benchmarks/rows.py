"""A row of the generator's table: as a line of the table, and as a line of JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from benchmarks.probe import Usage


class Row(NamedTuple):
    """What one case used and how fast it was, all of one window."""

    name: str
    group: str
    rate: float
    """Exchanges a second."""
    cpu_us: float
    """CPU of all the tool's processes, an exchange."""
    p50_ms: float
    p99_ms: float
    schedule_p99_ms: float | None
    """Open model only: from the intended start to the send."""
    broker_cpu_us: float
    echo_cpu_us: float
    hub_run: float | None
    """None for a tool without a hub."""
    hub_wait: float | None
    switches: float
    """Context switches of all the tool's threads, an exchange."""
    rss_mb: float


COLUMNS = {
    "rate": ("exchanges/s", ".0f"),
    "cpu_us": ("CPU µs each", ".0f"),
    "p50_ms": ("p50 ms", ".1f"),
    "p99_ms": ("p99 ms", ".1f"),
    "schedule_p99_ms": ("schedule p99 ms", ".1f"),
    "broker_cpu_us": ("broker's CPU µs", ".0f"),
    "echo_cpu_us": ("echo's CPU µs", ".0f"),
    "hub_run": ("hub runs", ".0%"),
    "hub_wait": ("hub waits for a core", ".0%"),
    "switches": ("switches each", ".2f"),
    "rss_mb": ("RSS MB", ".0f"),
}
HEADING = f"| | {' | '.join(title for title, _ in COLUMNS.values())} |\n|---|{'--:|' * len(COLUMNS)}"


class Latency(NamedTuple):
    """Of the window, in ms."""

    p50: float
    p99: float
    schedule_p99: float | None = None


def row(
    name: str, group: str, count: int, latency: Latency, tool: Usage, broker: Usage, echo: Usage, *, hub: bool
) -> Row:
    """Everything of a window for each of its exchanges."""
    return Row(
        name=name,
        group=group,
        rate=count / tool.seconds,
        cpu_us=tool.cpu_s / count * 1e6,
        p50_ms=latency.p50,
        p99_ms=latency.p99,
        schedule_p99_ms=latency.schedule_p99,
        broker_cpu_us=broker.cpu_s / count * 1e6,
        echo_cpu_us=echo.cpu_s / count * 1e6,
        hub_run=tool.hub_run if hub else None,
        hub_wait=tool.hub_wait if hub else None,
        switches=tool.switches / count,
        rss_mb=tool.rss_mb,
    )


def to_markdown(row: Row) -> str:
    figures = ((getattr(row, name), form) for name, (_, form) in COLUMNS.items())
    cells = ["" if figure is None else f"{figure:{form}}" for figure, form in figures]
    return f"| {row.name} | {' | '.join(cells)} |"


def by_threads(usage: Usage, count: float) -> str:
    """CPU of each kind of thread for an exchange, in its own code and in the kernel."""
    kinds = sorted(usage.by_kind.items())
    words = (f"{kind} {user_s / count * 1e6:.1f} + {system_s / count * 1e6:.1f}" for kind, (user_s, system_s) in kinds)
    return f"  CPU µs of an exchange, code + kernel: {', '.join(words)}"


def to_json(row: Row) -> str:
    return json.dumps(row._asdict())


def read_rows(path: Path) -> list[Row]:
    """Those that a run wrote with `--json`.

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds something else; the sentence says so.
    """
    try:
        return [Row(**json.loads(line)) for line in path.read_text().splitlines()]
    except (TypeError, ValueError) as other:
        raise ValueError(f"{path} does not hold the generator's rows; write it with --json") from other
