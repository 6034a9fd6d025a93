"""`make bench`: rate, CPU, latency and memory of the generator, closed model, against a minimal echo."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from locust_kafka.embedded import EmbeddedKafka
from tests.bench.echo import echo
from tests.support import create_topics, locust, read_summary

TOPICS = ("bench-requests", "bench-replies")


def main() -> None:
    print("| users | producers | exchanges/s | CPU µs each | p50 ms | p99 ms | RSS MB |\n|--:|---|--:|--:|--:|--:|--:|")
    with EmbeddedKafka(for_load=True) as kafka:
        create_topics(kafka.bootstrap, *TOPICS)
        with echo(kafka.bootstrap, TOPICS):
            for users in (1, 50, 200):
                for producers in ("shared", "own"):
                    print(row(kafka.bootstrap, users, producers), flush=True)


def row(bootstrap: str, users: int, producers: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.json"
        options = ["--headless", "--only-summary", "-u", str(users), "-r", "100", "-t", "16s", "--kafka-warmup", "5"]
        options += ["--kafka-settle", "0", "--kafka-summary", str(path)]
        with locust(bootstrap, TOPICS, "tests/bench/closed_locustfile.py", *options, PRODUCERS=producers) as run:
            code = run.wait()
        summary = read_summary(path)
        if code or not summary["balanced"]:
            raise SystemExit(f"the bench run failed with {code}:\n{run.output}")
        figures = json.loads(next(line for line in run.lines if line.startswith("BENCH"))[6:])
    e2e = summary["latency_ms"]["e2e"]
    return (
        f"| {users} | {producers} | {figures['rate']:.0f} | {figures['cpu_us']:.0f} | {e2e['p50']:.1f} | "
        f"{e2e['p99']:.1f} | {figures['rss_mb']:.0f} |"
    )


if __name__ == "__main__":
    main()
