"""The light echo of the benchmarks."""

from __future__ import annotations

from benchmarks.java import java
from tests.support import Process


def echo(bootstrap: str, topics: tuple[str, str], delay_ms: float = 0) -> Process:
    """Start it and wait until it listens; it answers that long after it has polled a request."""
    process = java("Echo.java", bootstrap, *topics, str(delay_ms), options=("-Xmx512m",))
    process.await_line("ready")
    return process
