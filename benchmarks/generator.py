"""`make bench`: rate, CPU, latency and memory of the generator, against a light echo, beside a bare client."""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from benchmarks.echo import echo
from locust_kafka.embedded import EmbeddedKafka
from tests.support import Process, create_topics, locust, read_summary

TOPICS = ("bench-requests", "bench-replies")
VALUE = b"x" * 200
LOCUSTFILE = "benchmarks/generator_locustfile.py"


class Case(NamedTuple):
    """One row: users, their way to send, the echo's delay; `bare` users for the floor beside it."""

    name: str
    users: int
    how: str
    options: tuple[str, ...] = ()
    delay_ms: float = 0
    producers: str = "shared"
    bare: bool = False


CASES = (
    Case("closed, 50 users", 50, "request", bare=True),
    Case("closed, 200 users", 200, "request", bare=True),
    Case("closed, 50 users, a producer each", 50, "request", producers="own"),
    Case("open, tasks, 2 000/s", 50, "send", ("--kafka-rate", "2000")),
    Case("open, tasks, 20 000/s", 200, "send", ("--kafka-rate", "20000")),
    Case("open, arrivals(), 20 000/s", 1, "arrivals", ("--kafka-rate", "20000")),
    Case("open, arrivals(), 50 000/s", 1, "arrivals", ("--kafka-rate", "50000")),
    Case("closed, 1 000 users (memory)", 1000, "request"),
    Case("open, tasks, 2 000/s, service of 50 ms", 50, "send", ("--kafka-rate", "2000"), 50),
)


def main() -> None:
    print("| | exchanges/s | CPU µs each | p50 ms | p99 ms | schedule p99 ms | hub's core | RSS MB |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    with EmbeddedKafka(for_load=True) as kafka:
        create_topics(kafka.bootstrap, *TOPICS)
        for delay_ms, cases in itertools.groupby(CASES, key=lambda case: case.delay_ms):
            with echo(kafka.bootstrap, TOPICS, delay_ms):
                bare(kafka.bootstrap, 50)  # the JVMs compile
                for case in cases:
                    if case.bare:
                        print(bare(kafka.bootstrap, case.users), flush=True)
                    print(row(kafka.bootstrap, case), flush=True)


def bare(bootstrap: str, users: int) -> str:
    with Process([sys.executable, "-m", "benchmarks.bare", bootstrap, str(users)]) as process:
        process.wait()
        figures = json.loads(next(line for line in process.lines if line.startswith("BENCH"))[6:])
    return (
        f"| bare client, {users} in flight | {figures['rate']:.0f} | {figures['cpu_us']:.0f} | {figures['p50']:.1f} | "
        f"{figures['p99']:.1f} | | | |"
    )


def row(bootstrap: str, case: Case) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.json"
        options = [
            "--headless",
            "--only-summary",
            "-u",
            str(case.users),
            "-r",
            "200",
            "-t",
            "17s",
            "--kafka-warmup",
            "7",
        ]
        options += ["--exit-code-on-error", "0", "--kafka-settle", "0", "--kafka-summary", str(path), *case.options]
        with locust(bootstrap, TOPICS, LOCUSTFILE, *options, PRODUCERS=case.producers, HOW=case.how) as run:
            code = run.wait()
        summary = read_summary(path)
        if code or not summary["balanced"]:
            raise SystemExit(f"the bench run failed with {code}:\n{run.output}")
        figures = json.loads(next(line for line in run.lines if line.startswith("BENCH"))[6:])
    e2e, schedule = summary["latency_ms"]["e2e"], summary["legs_ms"].get("schedule", {}).get("p99")
    return (
        f"| {case.name} | {figures['rate']:.0f} | {figures['cpu_us']:.0f} | {e2e['p50']:.1f} | {e2e['p99']:.1f} | "
        f"{'' if schedule is None else f'{schedule:.1f}'} | {summary['self_check']['hub_cpu']:.0%} | "
        f"{figures['rss_mb']:.0f} |"
    )


if __name__ == "__main__":
    main()
