"""`make memory`: twenty minutes at 5 000/s; memory stays where it is once the window of remembered exchanges is full.

python -m benchmarks.memory [--seconds 1200] [--rate 5000]

Exits with 1 when the memory grew after the first two minutes, or when the books do not balance.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.echo import echo
from benchmarks.generator import LOCUSTFILE, TOPICS
from locust_kafka.embedded import EmbeddedKafka
from tests.support import create_topics, locust, read_summary

FULL_S = 120
"""By then what is remembered for 60 s goes as fast as it comes, and everything has been used once."""
SAMPLE_S = 15
MAX_GROWTH, MAX_GROWTH_MB = 0.05, 10
"""Whichever is more.  A row of the history for each second is 1 MB in twenty minutes, pages that are let go of and filled
again move the RSS by some MB; 20 bytes kept of each exchange would be 100 MB."""


class Sample(NamedTuple):
    """The tester at one moment."""

    at_s: float
    rss_mb: float
    files: int
    threads: int

    def __str__(self) -> str:
        return f"{self.at_s:6.0f} s  {self.rss_mb:.0f} MB, {self.files} files, {self.threads} threads"


def main() -> int:
    """Run it; 1 when something grew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=1200)
    parser.add_argument("--rate", type=int, default=5000)
    given = parser.parse_args()
    if given.seconds < FULL_S + 2 * SAMPLE_S:
        parser.error(
            f"--seconds {given.seconds}: what grows is seen after {FULL_S} s; give {FULL_S + 2 * SAMPLE_S} or more"
        )
    with (
        EmbeddedKafka(for_load=True, config={"log.retention.bytes": "200000000"}) as kafka,
        tempfile.TemporaryDirectory() as folder,
    ):
        create_topics(kafka.bootstrap, *TOPICS)
        with echo(kafka.bootstrap, TOPICS):
            findings = run(kafka.bootstrap, given.seconds, given.rate, Path(folder) / "s.json")
    print("\n".join(f"FAILED: {one}" for one in findings) or "nothing grew, and the books balance")
    return 1 if findings else 0


def run(bootstrap: str, seconds: int, rate: int, path: Path) -> list[str]:
    """One run, looked at from outside; what is wrong with it."""
    options = ["--headless", "--only-summary", "-u", "1", "-t", f"{seconds}s", "--kafka-rate", str(rate)]
    options += ["--kafka-self-check", "show", "--kafka-settle", "0", "--exit-code-on-error", "0"]
    options += ["--kafka-summary", str(path)]
    samples: list[Sample] = []
    with locust(bootstrap, TOPICS, LOCUSTFILE, *options, PRODUCERS="shared", HOW="arrivals") as process:
        watched, began = psutil.Process(process.pid), time.monotonic()
        while (left_s := began + seconds - time.monotonic()) > 0:
            time.sleep(min(SAMPLE_S, left_s))
            rss_mb = watched.memory_info().rss / 1e6
            now_s = time.monotonic() - began
            samples.append(Sample(now_s, rss_mb, watched.num_fds(), watched.num_threads()))
            print(samples[-1], flush=True)
        code = process.wait(120)
        if code or not path.exists():
            return [f"the run ended with {code}:\n{process.output}"]
        print("".join(line for line in process.lines if line.startswith(("Kafka request-reply:", "  e2e ", "  ok "))))
    return grown(samples) + ([] if read_summary(path)["balanced"] else ["the books do not balance"])


def grown(samples: list[Sample]) -> list[str]:
    """What grew between the first sample after FULL_S and the last one, in sentences."""
    full, last = next(sample for sample in samples if sample.at_s >= FULL_S), samples[-1]
    print(f"from {full.at_s:.0f} s to {last.at_s:.0f} s: {last.rss_mb - full.rss_mb:+.1f} MB")
    room_mb = max(full.rss_mb * MAX_GROWTH, MAX_GROWTH_MB)
    findings = []
    if last.rss_mb > full.rss_mb + room_mb:
        findings.append(f"memory grew from {full.rss_mb:.0f} to {last.rss_mb:.0f} MB: by more than {room_mb:.0f} MB")
    for what in ("files", "threads"):
        was, now = getattr(full, what), getattr(last, what)
        if now > was + 2:
            findings.append(f"{what} grew from {was} to {now}")
    return findings


if __name__ == "__main__":
    sys.exit(main())
