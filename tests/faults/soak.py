"""`make soak`: half an hour at 2 000/s with faults, the page open: whether anything grows, and whether the books are exact.

python -m tests.faults.soak [--minutes 30] [--rate 2000] [--table FILE]
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from locust_kafka.embedded import EmbeddedKafka
from tests.faults.rig import SESSIONS, Rig
from tests.faults.scenarios import foreign_replies
from tests.support import await_answer, free_port, locust, read_page

WARM_S, WINDOW_S, SAMPLE_S = 60, 300, 10
"""Seconds before the first window, of the first and the last window, and between two samples."""
FAULT_EACH_S, AWAY_S, SETTLED_S = 150, 3, 60
KINDS = ("memory", "files", "threads")
MAX_GROWTH, MAX_GROWTH_MB = 0.10, 10
MAX_P99_RATIO = 1.10
USERS = 4


@dataclass
class Watched:
    """A process from the first window to the last one."""

    name: str
    pid: int
    samples: list[tuple[float, float, int, int]] = field(default_factory=list)
    """When (s), RSS in MB, file descriptors, threads."""

    def sample(self, now_s: float) -> None:
        """Look at it."""
        process = psutil.Process(self.pid)
        self.samples.append((now_s, process.memory_info().rss / 1e6, process.num_fds(), process.num_threads()))

    def __str__(self) -> str:
        _at_s, rss, files, threads = self.samples[-1]
        return f"{self.name} {rss:.0f} MB, {files} files, {threads} threads"

    def medians(self, from_s: float, to_s: float) -> tuple[float, float, float]:
        """RSS, file descriptors and threads in a window."""
        chosen = [one for one in self.samples if from_s <= one[0] <= to_s]
        return tuple(median(column) for column in list(zip(*chosen, strict=True))[1:])  # type: ignore[return-value]


def main() -> int:
    """Run it; 1 when something grew, the books are not exact, or the latency changed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=int, default=2000)
    parser.add_argument("--table", type=Path)
    given = parser.parse_args()
    config = {**SESSIONS, "log.segment.bytes": "100000000"}
    with (
        EmbeddedKafka(config=config, for_load=True) as kafka,
        tempfile.TemporaryDirectory() as folder,
        Rig(kafka, Path(folder), brokers=1) as rig,
    ):
        lines, findings = _soak(rig, given.minutes * 60, given.rate)
    print("\n".join(lines))
    if given.table is not None:
        given.table.write_text("\n".join(lines) + "\n", "utf-8")
    print("\n".join(f"FAILED: {one}" for one in findings) or "nothing grew, the books are exact, the latency stayed")
    return 1 if findings else 0


def _soak(rig: Rig, seconds: float, rate: int) -> tuple[list[str], list[str]]:
    rig.create_topics()
    steady = rig.start_waiter("--waiters", "32", "--consumers", "2")
    port = free_port()
    options = ["-u", str(USERS), "-r", "4", "-t", f"{seconds:.0f}s", "--autostart", "--autoquit", "2"]
    options += ["--web-host", "127.0.0.1", "--web-port", str(port), "--kafka-rate", str(rate)]
    options += ["--kafka-reply-timeout", "30", "--kafka-report", str(rig.folder), "--kafka-settle", "3"]
    with locust(rig.kafka.bootstrap, rig.topics, "tests/faults/locustfile.py", *options) as rig.run:
        await_answer(f"http://127.0.0.1:{port}")
        threading.Thread(target=read_page, args=(port,), daemon=True).start()
        rig.run.await_users()
        began = time.monotonic()
        watched = [Watched("tester", rig.run.pid), Watched("service", steady.pid)]
        foreign = _watch(rig, watched, began, seconds)
        rig.run.wait(180)
    summary = rig.summary()
    return _judge(rig, watched, summary, seconds, foreign)


def _watch(rig: Rig, watched: Sequence[Watched], began: float, seconds: float) -> int:
    """Sample all along; put the faults in, one after the other, between the two windows.  How many were foreign."""
    next_fault, number, foreign = WARM_S + WINDOW_S, 0, 0
    while (now := time.monotonic() - began) < seconds - 2:
        for one in watched:
            one.sample(now)
        print(f"{now:6.0f} s  {', '.join(map(str, watched))}", flush=True)
        if next_fault <= now < seconds - WINDOW_S - FAULT_EACH_S / 2:
            words, fault = FAULTS[number % len(FAULTS)]
            print(f"{now:6.0f} s  {words}", flush=True)
            rig.foreign = 0
            fault(rig)
            foreign += rig.foreign
            number += 1
            next_fault += FAULT_EACH_S
        time.sleep(SAMPLE_S)
    return foreign


def _restart_broker(rig: Rig) -> None:
    rig.kafka.kill_brokers(1)
    time.sleep(AWAY_S)
    rig.kafka.restart_brokers(1)


def _replace_second_service(rig: Rig) -> None:
    rig.start_waiter("--waiters", "32")
    for process in rig.waiter.processes[1:-1]:
        process.signal(signal.SIGKILL)


FAULTS: tuple[tuple[str, Callable[[Rig], None]], ...] = (
    ("the broker is killed, and restarted after three seconds", _restart_broker),
    ("another instance of the service comes; the one that came before it is killed", _replace_second_service),
    ("ten thousand foreign replies a second for five seconds", foreign_replies),
)


def _judge(
    rig: Rig, watched: Sequence[Watched], summary: dict[str, Any], seconds: float, foreign: int
) -> tuple[list[str], list[str]]:
    first, last = (WARM_S, WARM_S + WINDOW_S), (seconds - WINDOW_S, seconds)
    # What was pending while a broker was away has taken its room, which Python keeps: from then on it must do.
    once = (WARM_S + WINDOW_S + SETTLED_S, WARM_S + WINDOW_S + FAULT_EACH_S)
    findings = []
    lines = ["| | first five minutes | after the first fault | last five minutes |", "|---|--:|--:|--:|"]
    for one in watched:
        fresh, before, after = (one.medians(*window) for window in (first, once, last))
        for what, unit, new, was, now in zip(KINDS, (" MB", "", ""), fresh, before, after, strict=True):
            lines.append(f"| {one.name}: {what} | {new:.0f}{unit} | {was:.0f}{unit} | {now:.0f}{unit} |")
            room = max(was * MAX_GROWTH, MAX_GROWTH_MB) if unit else 2
            if now > was + room:
                findings.append(f"{what} of the {one.name} grew from {was:.0f} to {now:.0f}{unit}")
    p99 = [_p99(summary, *window) for window in (first, last)]
    lines.append(f"| e2e p99 of a second, median | {p99[0]:.1f} ms | | {p99[1]:.1f} ms |")
    if not 1 / MAX_P99_RATIO <= p99[1] / p99[0] <= MAX_P99_RATIO:
        findings.append(f"e2e p99 went from {p99[0]:.1f} to {p99[1]:.1f} ms")
    requests, replies = summary["requests"], summary["replies"]
    written = [rig.written(topic) for topic in rig.topics]
    lines += [
        "",
        f"{requests['registered']:,} requests, {written[0]:,} on their topic; {written[1]:,} replies on theirs,",
    ]
    lines += [f"{replies['read']:,} read, of them {foreign:,} foreign; outcomes {requests}; verdicts {replies}"]
    if not summary["balanced"] or summary["invalid"]:
        findings.append(f"the books: {summary['equations']} {summary['invalid']}")
    if requests["registered"] - requests["undelivered"] != written[0]:
        findings.append("requests that were not undelivered are not what lies on the topic")
    if replies["read"] != written[1]:
        findings.append(f"{written[1]} replies lie on the topic, {replies['read']} were read")
    return lines, findings


def _p99(summary: dict[str, Any], from_s: float, to_s: float) -> float:
    columns, rows = summary["history"]["columns"], summary["history"]["rows"]
    at, p99 = columns.index("at_s"), columns.index("p99_ms")
    begin = rows[0][at]
    return median(row[p99] for row in rows if from_s <= row[at] - begin <= to_s and row[p99] is not None)


if __name__ == "__main__":
    sys.exit(main())
