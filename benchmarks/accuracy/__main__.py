"""`make accuracy`: what is reported, held against what the wire saw, and against what the waiter really waited.

Exits with 1, and a sentence for each, when bounds are broken (`bounds`).
"""

from __future__ import annotations

import csv
import itertools
import os
import shutil
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.accuracy import bounds
from benchmarks.accuracy.bounds import Late
from benchmarks.accuracy.wire import Seen, frames, packets, ways
from benchmarks.echo import echo
from locust_kafka.embedded import EmbeddedKafka
from tests.support import Process, Waiter, create_topics, locust, read_summary

TOPICS = ("accuracy-requests", "accuracy-replies")
LOCUSTFILE = "benchmarks/accuracy/locustfile.py"
WARM_S = 3
STARTING_S = 3
SECONDS = 18
MS = 1e6
KNOWN_NS = 2_000_000
"""At most so long between a produce request and its response, and the append is known to a millisecond either way."""
HELD = "2 000/s constant"
"""The run whose stamps have a bound."""


class Case(NamedTuple):
    """One run: its name, its options."""

    name: str
    options: list[str]
    delay_ms: float = 0


CASES = (
    Case("200/s constant", ["--kafka-rate", "200", "-u", "20"]),
    Case("1 000/s constant", ["--kafka-rate", "1000", "-u", "50"]),
    Case(HELD, ["--kafka-rate", "2000", "-u", "50"]),
    Case("1 000/s Poisson", ["--kafka-rate", "1000", "--kafka-arrivals", "poisson", "-u", "50"]),
    Case("closed, 10 users", ["-u", "10"]),
    Case("200/s, service of 50 ms", ["--kafka-rate", "200", "-u", "50"], 50),
)


class Result(NamedTuple):
    """One run's rows (after the warm-up) with what the wire saw of each, its summary, and how late an idle process was.

    The last: p50, p99, p99.9 and the maximum, ms.
    """

    rows: list[tuple[dict[str, str], list[Seen]]]
    summary: dict[str, Any]
    idle: tuple[str, ...]


def main() -> int:
    """Measure all; 1 when a bound is broken."""
    if shutil.which("tcpdump") is None or os.geteuid() != 0:
        sys.exit("make accuracy captures the loopback device: it needs tcpdump (package tcpdump) and root")
    with EmbeddedKafka(for_load=True) as kafka:
        create_topics(kafka.bootstrap, *TOPICS)
        broken = wired(kafka.bootstrap)
        broken += stalled(kafka.bootstrap)
        create_topics(kafka.bootstrap, *(f"waiter-{topic}" for topic in TOPICS))
        calibrated(kafka.bootstrap)
        create_topics(kafka.bootstrap, *(f"silent-{topic}" for topic in TOPICS))
        broken += timeouts(kafka.bootstrap)
    print("\n" + ("\n".join(f"FAILED: {one}" for one in broken) or "every bound is kept"))
    return 1 if broken else 0


def timeouts(bootstrap: str) -> list[str]:
    """How long after its deadline a timeout reaches the user; what is broken by it."""
    topics = (f"silent-{TOPICS[0]}", f"silent-{TOPICS[1]}")
    options = ["--headless", "--only-summary", "-u", "20", "-r", "7", "-t", "15s", "--exit-code-on-error", "0"]
    with locust(bootstrap, topics, "benchmarks/accuracy/timeouts_locustfile.py", *options) as process:
        if process.wait() != 0:
            sys.exit(process.output)
    late = sorted(float(line.split()[1]) for line in process.lines if line.startswith("LATE"))
    broken = bounds.timeouts(late)
    if not late:
        return broken
    print(
        f"\n{len(late)} timeouts on an idle hub were told their users after the deadline by {late[len(late) // 2]:.1f} ms at "
        f"the median, {late[len(late) * 99 // 100]:.1f} ms at p99, {late[-1]:.1f} ms at most; none before it: {late[0] >= 0}.",
        flush=True,
    )
    return broken


def wired(bootstrap: str) -> list[str]:
    """Each case under capture; what is broken by them."""
    latencies = [
        "| run | exchanges | p50 | p99 | p99.9 | max | min | before the wire p50, p99 | after it p50, p99 | longest stall "
        "| an idle process beside: p99, p99.9, max late |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    legs = ["| run | request | service | reply | ack | offset known to |", "|---|--:|--:|--:|--:|--:|"]
    broken: list[str] = []
    biases: list[dict[str, float | None]] = []
    for delay_ms, cases in itertools.groupby(CASES, key=lambda case: case.delay_ms):
        with echo(bootstrap, TOPICS, delay_ms):
            run(bootstrap, CASES[2])  # the JVMs compile, which would hold up everybody else on the machine
            for case in cases:
                result = run(bootstrap, case)
                latencies.append(f"| {case.name} | {reported_less_wire(result)} |")
                bias = legs_less_wire(result)
                known_to = result.summary["legs_uncertainty_ms"]
                cells = [f"{ms:+.3f}" if ms is not None else "legs_unavailable" for ms in bias.values()]
                legs.append(f"| {case.name} | {' | '.join(cells)} | {known_to} |")
                biases.append(bias)
                broken += bounds.legs(case.name, bias)
                if case.name == HELD:
                    idle_p50, idle_p99, *_ = map(float, result.idle)
                    broken += bounds.after_the_wire(case.name, after_wire(result), Late(idle_p50, idle_p99))
                print(latencies[-1], legs[-1], flush=True)
    print("\nReported latency less the wire's, ms (produce request complete at the broker's port → fetch response):\n")
    print("\n".join(latencies))
    print("\nMean of each leg less the wire's, ms (append: between a produce request and its response, the middle):\n")
    print("\n".join(legs), flush=True)
    return broken + bounds.offsets(biases)


def run(bootstrap: str, case: Case) -> Result:
    """One run under capture."""
    port = int(bootstrap.rpartition(":")[2])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        control = [sys.executable, "-m", "benchmarks.accuracy.control", str(WARM_S + STARTING_S)]
        with capture(port, folder / "wire.pcap"), Process(control) as beside:
            summary = load(bootstrap, TOPICS, folder, case.options)
            beside.signal(signal.SIGINT)
            beside.wait()
        seen = ways(frames(packets(folder / "wire.pcap")), port)
        rows = list(csv.DictReader((folder / "x.csv").open()))
    from_ns = min(int(row["intended_ns"]) for row in rows) + WARM_S * 10**9
    measured = [row for row in rows if row["outcome"] == "MATCHED" and int(row["intended_ns"]) >= from_ns]
    found = [(row, seen[row["trace_id"]]) for row in measured if len(seen.get(row["trace_id"], [])) == 2]
    if len(found) < 0.95 * len(measured):
        sys.exit(f"{case.name}: the capture has only {len(found)} of {len(measured)} exchanges")
    return Result(found, summary, tuple(beside.lines[-1].split()[1:]))


def load(bootstrap: str, topics: tuple[str, str], folder: Path, options: list[str]) -> dict[str, Any]:
    with locust(
        bootstrap, topics, LOCUSTFILE, "--headless", "--only-summary", "-r", "100", "-t", f"{SECONDS}s",
        "--kafka-settle", "0", "--kafka-warmup", str(WARM_S), "--kafka-summary", str(folder / "s.json"),
        "--kafka-exchange-log", str(folder / "x.csv"), *options,
    ) as process:  # fmt: skip
        if process.wait() != 0:
            sys.exit(process.output)
    return read_summary(folder / "s.json")


@contextmanager
def capture(port: int, path: Path) -> Iterator[None]:
    """Tcpdump on the broker's port while the block runs."""
    command = ["tcpdump", "-i", "lo", "-w", str(path), "-B", "65536", "-s", "0"]
    process = Process([*command, "--time-stamp-precision=nano", "tcp", "port", str(port)])
    process.await_line("listening on")
    try:
        yield
    finally:
        process.signal(signal.SIGINT)
        process.wait()


def reported_less_wire(result: Result) -> str:
    """The difference, and its two parts: before the wire (the producer) and after it (our ear)."""
    before = [(request.produced_ns - int(row["sent_ns"])) / MS for row, (request, _) in result.rows]
    after = [(int(row["received_ns"]) - reply.fetched_ns) / MS for row, (_, reply) in result.rows]
    both = sorted(map(sum, zip(before, after, strict=True)))
    stalls = result.summary["self_check"]["stalls"]
    longest = f"{stalls[0]['length_ms']:.0f} ({stalls[0]['kind']})" if stalls else "below 5"
    figures = [f"{_rank(both, share):.2f}" for share in (500, 990, 999)]
    parts = [f"{_rank(sorted(part), 500):.2f}, {_rank(sorted(part), 990):.2f}" for part in (before, after)]
    idle = ", ".join(result.idle[1:])
    return " | ".join([str(len(both)), *figures, f"{both[-1]:.1f}", f"{both[0]:.2f}", *parts, longest, idle])


def _rank(ordered: list[float], per_mille: int) -> float:
    return ordered[-(-len(ordered) * per_mille // 1000) - 1]


def after_wire(result: Result) -> Late:
    """From the fetch response to the stamp."""
    after = sorted((int(row["received_ns"]) - reply.fetched_ns) / MS for row, (_, reply) in result.rows)
    return Late(_rank(after, 500), _rank(after, 990))


def legs_less_wire(result: Result) -> dict[str, float | None]:
    """Mean of each leg in ms, told less seen; None for one that was not told.

    Of exchanges whose appends the wire knows: while a broker stands still, nobody can say when in that time it appended.
    """
    known = [
        (row, seen) for row, seen in result.rows if all(one.answered_ns - one.produced_ns <= KNOWN_NS for one in seen)
    ]
    wire: dict[str, list[float]] = {"request": [], "service": [], "reply": [], "ack": []}
    for row, (request, reply) in known:
        sent, received = int(row["sent_ns"]), int(row["received_ns"])
        appended = (request.produced_ns + request.answered_ns) / 2
        replied = (reply.produced_ns + reply.answered_ns) / 2
        wire["request"].append(appended - sent)
        wire["service"].append(replied - appended)
        wire["reply"].append(received - replied)
        wire["ack"].append(request.answered_ns - sent)
    told = {leg: [float(row[f"{leg}_ms"]) for row, _ in known if row[f"{leg}_ms"]] for leg in wire}
    return {
        leg: statistics.fmean(told[leg]) - statistics.fmean(truth) / MS if told[leg] else None
        for leg, truth in wire.items()
    }


def stalled(bootstrap: str) -> list[str]:
    """The service stands still for 3 s at 500/s: the report's p99 against the samples', and every arrival counted."""
    with tempfile.TemporaryDirectory() as name, echo(bootstrap, TOPICS) as service:

        def stop() -> None:
            time.sleep(8)
            os.kill(service.pid, signal.SIGSTOP)
            time.sleep(3)
            os.kill(service.pid, signal.SIGCONT)

        threading.Thread(target=stop, daemon=True).start()
        summary = load(bootstrap, TOPICS, Path(name), ["--kafka-rate", "500", "-u", "50"])
        rows = list(csv.DictReader((Path(name) / "x.csv").open()))
    first = min(int(row["intended_ns"]) for row in rows)
    samples = sorted(
        int(row["received_ns"]) - int(row["intended_ns"])
        for row in rows
        if int(row["intended_ns"]) >= first + WARM_S * 10**9
    )
    exact = samples[-(-len(samples) * 99 // 100) - 1] / MS
    told = summary["latency_ms"]["e2e"]["p99"]
    dropped = summary["notes"].get("arrivals dropped: nobody was free in time, or by the end", 0)
    print(
        f"\nThe service stood still for 3 s at 500/s: p99 {told:.1f} ms reported, {exact:.1f} ms by the samples "
        f"({told / exact - 1:+.2%}); {len(rows)} requests in {summary['duration_s']:.1f} s, {dropped} arrivals dropped.",
        flush=True,
    )
    return bounds.stall(told, exact)


def calibrated(bootstrap: str) -> None:
    """The waiter waits a known time and says how long it really was."""
    print("\n| the waiter waits, ms | e2e p50 | service leg, mean | e2e p50 less the wait |\n|--:|--:|--:|--:|")
    topics = (f"waiter-{TOPICS[0]}", f"waiter-{TOPICS[1]}")
    with tempfile.TemporaryDirectory() as name:
        for wait_ms in (1, 10, 50, 500):
            with Waiter(bootstrap, topics) as waiter:
                waiter.start("--waiters", "200", wait=f"{wait_ms}ms")
                summary = load(bootstrap, topics, Path(name), ["--kafka-rate", "200", "-u", "50"])
            p50 = summary["latency_ms"]["e2e"]["p50"]
            service = summary["legs_ms"]["service"]["mean"]
            print(f"| {wait_ms} | {p50:.2f} | {service:.2f} | {p50 - wait_ms:.2f} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
