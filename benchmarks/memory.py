"""`make memory`: ten minutes at 5 000/s; memory stays where it is once the window of remembered exchanges is full."""

from __future__ import annotations

import time

import psutil

from benchmarks.echo import echo
from benchmarks.generator import LOCUSTFILE, TOPICS
from locust_kafka.embedded import EmbeddedKafka
from tests.support import create_topics, locust

RATE, SECONDS = 5000, 600
FULL_S = 120
"""By then what is remembered for 60 s goes as fast as it comes, and everything has been used once."""


def main() -> None:
    with EmbeddedKafka(for_load=True, config={"log.retention.bytes": "200000000"}) as kafka:
        create_topics(kafka.bootstrap, *TOPICS)
        options = ["--headless", "--only-summary", "-u", "1", "-t", f"{SECONDS}s", "--kafka-rate", str(RATE)]
        options += ["--kafka-self-check", "show", "--kafka-settle", "0"]
        with echo(kafka.bootstrap, TOPICS), locust(
            kafka.bootstrap, TOPICS, LOCUSTFILE, *options, PRODUCERS="shared", HOW="arrivals"
        ) as run:  # fmt: skip
            process = psutil.Process(run.pid)
            began = time.monotonic()
            full = 0.0
            while time.monotonic() < began + SECONDS - 10:
                time.sleep(15)
                rss = process.memory_info().rss / 1e6
                if not full and time.monotonic() > began + FULL_S:
                    full = rss
                print(f"{time.monotonic() - began:6.0f} s  {rss:.0f} MB", flush=True)
            run.wait(120)
        print(f"from {FULL_S} s on: {rss - full:+.1f} MB")
        print("".join(line for line in run.lines if line.startswith(("Kafka request-reply:", "  e2e ", "  ok "))))


if __name__ == "__main__":
    main()
