"""`make names`: what 1 000 request names cost beside ten: the hub's time, and the size of all that is written of them.

Somebody looks at the page meanwhile.  Exits with 1 when the books do not balance, or something is larger than its bound.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from benchmarks.echo import echo
from locust_kafka.core.results import MAX_NAMES
from locust_kafka.embedded import EmbeddedKafka
from tests.support import await_answer, create_topics, free_port, locust, read_page, read_summary

TOPICS = ("names-requests", "names-replies")
RATE, SECONDS = 2000, 40
BOUNDS_KB = {"summary.json": 4_000, "report.html": 4_000, "a report": 400, "a report with latencies": 8_000}


def main() -> int:
    """Both runs, a row each; 1 when something is wrong."""
    print(f"| names | CPU µs each | hub lag p99.9, max, ms | {', kB | '.join(BOUNDS_KB)}, kB |")
    print("|--:|--:|--:|" + "--:|" * len(BOUNDS_KB), flush=True)
    findings: list[str] = []
    with EmbeddedKafka(for_load=True) as kafka:
        create_topics(kafka.bootstrap, *TOPICS)
        with echo(kafka.bootstrap, TOPICS):
            for names in (10, MAX_NAMES, MAX_NAMES + 200):
                findings += run(kafka.bootstrap, names)
    print("\n".join(f"FAILED: {one}" for one in findings) or "all within their bounds, and the books balance")
    return 1 if findings else 0


def run(bootstrap: str, names: int) -> list[str]:
    """One run; what is wrong with it."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        options = ["--autostart", "--autoquit", "2", "-u", "1", "-t", f"{SECONDS}s", "--web-port", str(port)]
        options += ["--web-host", "127.0.0.1", "--kafka-rate", str(RATE), "--kafka-settle", "0", "--kafka-warmup", "5"]
        options += ["--kafka-self-check", "show", "--kafka-report", folder, "--exit-code-on-error", "0"]
        with locust(bootstrap, TOPICS, "benchmarks/names_locustfile.py", *options, NAMES=str(names)) as process:
            await_answer(f"http://127.0.0.1:{port}")
            threading.Thread(target=read_page, args=(port,), daemon=True).start()
            code = process.wait(SECONDS + 90)
        reports = [line.split()[1:] for line in process.lines if line.startswith("REPORT ")]
        if code or not reports:
            return [f"{names} names: the run ended with {code}:\n{process.output}"]
        sizes = [
            *((Path(folder) / name).stat().st_size for name in ("summary.json", "report.html")),
            *map(int, reports[0]),
        ]
        summary = read_summary(Path(folder) / "summary.json")
    return judged(names, summary, [size / 1e3 for size in sizes])


def judged(names: int, summary: dict[str, Any], sizes_kb: list[float]) -> list[str]:
    """Print the row; what is wrong with it."""
    check, count = summary["self_check"], summary["requests"]["matched"]
    lag = check["lag_ms"]["hub"]
    cells = [f"{check['cpu'] * check['watched_s'] / max(1, count) * 1e6:.0f}", f"{lag['p999']:.1f}, {lag['max']:.1f}"]
    print(f"| {names} | {' | '.join([*cells, *(f'{size:.0f}' for size in sizes_kb)])} |", flush=True)
    findings = [
        f"{names} names: {what} has {size:.0f} kB, more than {bound:,}"
        for (what, bound), size in zip(BOUNDS_KB.items(), sizes_kb, strict=True)
        if size > bound
    ]
    if not summary["balanced"]:
        findings.append(f"{names} names: the books do not balance: {summary['equations']}")
    if len(summary["names"]) > MAX_NAMES + 1:
        findings.append(f"{names} names: the summary has {len(summary['names'])}")
    return findings


if __name__ == "__main__":
    sys.exit(main())
