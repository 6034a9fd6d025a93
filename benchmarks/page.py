"""What the page costs: 2 000 requests/s with somebody looking at it, and without, in turns.

python -m benchmarks.page [PAIRS]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
from pathlib import Path
from typing import NamedTuple

from benchmarks.cases import TOPICS
from benchmarks.generator import LOCUSTFILE, warm_testbed
from tests.support import await_answer, free_port, locust, read_page, read_summary

RATE, SECONDS = "2000", "22s"


class Figures(NamedTuple):
    """Of one run: CPU µs for each exchange, and the hub's lag at p99.9 in ms."""

    cpu_us: float
    lag_ms: float


def main() -> None:
    """Run the pairs and print medians and ratios."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    found: dict[bool, list[Figures]] = {False: [], True: []}
    with warm_testbed({TOPICS}) as testbed:
        for _ in range(pairs):
            for looked_at in (False, True):
                found[looked_at].append(run(testbed.bootstrap, looked_at=looked_at))
                print("with a reader   " if looked_at else "without a reader", found[looked_at][-1], flush=True)
    without, with_one = (Figures(*map(statistics.median, zip(*found[key], strict=True))) for key in (False, True))
    print(f"medians of {pairs}: without {without}, with {with_one}")
    print(f"ratio: CPU {with_one.cpu_us / without.cpu_us:.3f}, hub lag p99.9 {with_one.lag_ms / without.lag_ms:.3f}")


def run(bootstrap: str, *, looked_at: bool) -> Figures:
    """One run in the web UI's process; a reader takes all events of the page."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.json"
        options = ["--autostart", "--autoquit", "0", "-u", "50", "-r", "100", "-t", SECONDS, "--web-port", str(port)]
        options += ["--web-host", "127.0.0.1", "--kafka-rate", RATE, "--kafka-settle", "0", "--kafka-warmup", "4"]
        options += ["--kafka-self-check", "show", "--kafka-summary", str(path)]
        with locust(bootstrap, TOPICS, LOCUSTFILE, *options, PRODUCERS="shared", HOW="send") as process:
            await_answer(f"http://127.0.0.1:{port}")
            if looked_at:
                threading.Thread(target=read_page, args=(port,), daemon=True).start()
            process.wait()
        summary = read_summary(path)
    check, count = summary["self_check"], summary["latency_ms"]["e2e"]["count"]
    return Figures(check["cpu"] * check["watched_s"] / count * 1e6, check["lag_ms"]["hub"]["p999"])


if __name__ == "__main__":
    main()
