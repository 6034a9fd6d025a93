"""`make bench-tracing`: what tracing costs the generator, and what a bad collector does to a run.

Every figure comes from pairs of runs, one without and one with, taken in turns; of the pairs' ratios the median.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from time import perf_counter_ns
from typing import NamedTuple

from confluent_kafka import Message

from benchmarks import probe
from benchmarks.cases import TOPICS
from benchmarks.generator import LOCUSTFILE, ended_locust, figures_of, warm_testbed
from locust_kafka.core.books import Outcome, Verdict
from locust_kafka.core.legs import Legs
from locust_kafka.core.results import RunResults
from locust_kafka.core.sampling import Sampling
from locust_kafka.core.traceparent import TraceIds
from locust_kafka.exchange.exchange import Exchange
from locust_kafka.exchange.measure import Measure
from locust_kafka.telemetry import spans
from locust_kafka.telemetry.export import Export, Provider
from locust_kafka.telemetry.otlp import Encoder
from locust_kafka.telemetry.tracer import Tracer
from tests.support import Process, free_port, locust

PAIRS = 5
LEGS = Legs(0, 1_000_000, 2_000_000, 1_000_000, 1_000_000)
SECONDS = {"WARM_S": "4", "MEASURE_S": "6"}


class Figures(NamedTuple):
    rate: float
    cpu_us: float
    p99_ms: float
    lag_ms: float
    wall_s: float


def main() -> None:
    microbenchmarks()
    with warm_testbed({TOPICS}) as testbed:
        costs(testbed.bootstrap)
        providers(testbed.bootstrap)
        bad_collectors(testbed.bootstrap)


def microbenchmarks() -> None:
    """The added code alone, in µs an exchange."""
    ids = [TraceIds().new()[0] for _ in range(100_000)]
    tracer = Tracer(Sampling(1, 10, 10), Export(Provider(None)), 1000, RunResults(), Measure(RunResults()), ours=True)  # type: ignore[arg-type] # never sent to
    exchanges = [ended(trace_id) for trace_id in ids]
    began = perf_counter_ns()
    for exchange, trace_id in zip(exchanges, ids, strict=True):
        tracer.sample(trace_id, began + 1)
        tracer._judge(exchange)
    print(f"default sampling, one exchange: {(perf_counter_ns() - began) / len(ids) / 1e3:.2f} µs")
    encoder = Encoder([("service.name", "bench")], ("bench", "1"))
    few = exchanges[:5000]
    for exchange in few:
        exchange.sampled = True
        tracer._judge(exchange)
    began = perf_counter_ns()
    for exchange in few:
        assert exchange.kept is not None
        for span in spans.spans_of_exchange(exchange, LEGS, exchange.kept, exchange.judged_ns, 0):
            encoder.add(span)
    encoder.take()
    print(f"three spans made and encoded: {(perf_counter_ns() - began) / len(few) / 1e3:.1f} µs")


def ended(trace_id: bytes) -> Exchange:
    """A matched exchange as the exchange greenlet leaves it."""
    exchange = Exchange(trace_id, "bench", 1000, 1000, 10**12, trace_id, "Waiter-Requests")
    exchange.outcome, exchange.ended_ns, exchange.verdict = Outcome.MATCHED, 2_000_000, Verdict.MATCH
    exchange.produced_ns, exchange.acked_ns, exchange.received_ns = 2000, 1_000_000, 2_000_000
    exchange.key = "0" * 36
    exchange.delivery = Message(topic="Waiter-Requests", partition=1, offset=2, timestamp=(2, 3))
    headers = [("traceparent", b"00-%b-%b-01" % (trace_id, b"1234567890abcdef"))]
    exchange.reply = Message(topic="Waiter-Responses", partition=1, offset=5, headers=headers, timestamp=(2, 5))
    return exchange


def costs(bootstrap: str) -> None:
    """Every exchange traced at 1 000/s, against none."""
    port = free_port()
    options = ["--kafka-rate", "1000", "-u", "50", "--kafka-trace-rate", "2000"]
    with Process([sys.executable, "-m", "benchmarks.collector", "ok", str(port)]) as collector:
        collector.await_line("ready")
        pairs = in_turns(bootstrap, options, f"http://127.0.0.1:{port}", lag=True)
    more = statistics.median(traced.cpu_us - plain.cpu_us for plain, traced in pairs)
    plain_lag = statistics.median(plain.lag_ms for plain, _ in pairs)
    lag = statistics.median(traced.lag_ms for _, traced in pairs)
    print(f"every exchange traced, 1 000/s: {more:+.0f} µs CPU an exchange (median of {PAIRS} pairs)")
    print(f"hub lag p99.9, 1 000/s: {plain_lag:.1f} ms without tracing, {lag:.1f} ms with", flush=True)


def providers(bootstrap: str) -> None:
    """50 closed users, default sampling: our own exporter, and Locust's provider with and without its metrics."""
    port = free_port()
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}", "OTEL_LOGS_EXPORTER": "none"}
    quiet = {**endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
    ways: dict[str, tuple[list[str], dict[str, str]]] = {
        "own exporter": ([], endpoint),
        "--otel, no metrics of Locust's": (["--otel"], {**quiet, "OTEL_METRICS_EXPORTER": "none"}),
        "--otel with Locust's metrics": (["--otel"], quiet),
    }
    print("| spans by | rate, ratio | CPU, ratio |\n|---|--:|--:|", flush=True)
    with Process([sys.executable, "-m", "benchmarks.collector", "ok", str(port)]) as collector:
        collector.await_line("ready")
        for way, (options, environment) in ways.items():
            pairs = [
                (run(bootstrap, ["-u", "50"], SECONDS, lag=False),
                 run(bootstrap, ["-u", "50", *options], {**SECONDS, **environment}, lag=False))
                for _ in range(PAIRS)
            ]  # fmt: skip
            rate = statistics.median(traced.rate / plain.rate for plain, traced in pairs)
            cpu = statistics.median(traced.cpu_us / plain.cpu_us for plain, traced in pairs)
            print(f"| {way} | {rate:.3f} | {cpu:.2f} |", flush=True)


def bad_collectors(bootstrap: str) -> None:
    """A collector that is closed, hangs, or answers after 2 s; 50 closed users, default sampling."""
    print("| collector | rate, ratio | p99, ratio | exit later by |\n|---|--:|--:|--:|", flush=True)
    for mode in ("closed", "hang", "slow"):
        port = free_port()
        if mode == "closed":
            pairs = in_turns(bootstrap, ["-u", "50"], f"http://127.0.0.1:{port}")
        else:
            with Process([sys.executable, "-m", "benchmarks.collector", mode, str(port)]) as collector:
                collector.await_line("ready")
                pairs = in_turns(bootstrap, ["-u", "50"], f"http://127.0.0.1:{port}")
        rate = statistics.median(traced.rate / plain.rate for plain, traced in pairs)
        p99 = statistics.median(traced.p99_ms / plain.p99_ms for plain, traced in pairs)
        later = statistics.median(traced.wall_s - plain.wall_s for plain, traced in pairs)
        print(f"| {mode} | {rate:.3f} | {p99:.2f} | {later:.1f} s |", flush=True)


def in_turns(bootstrap: str, options: list[str], endpoint: str, *, lag: bool = False) -> list[tuple[Figures, Figures]]:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **SECONDS}
    pairs = []
    for number in range(PAIRS):
        sides = [
            run(bootstrap, options, side, lag=lag) for side in ((SECONDS, environment)[:: -1 if number % 2 else 1])
        ]
        pairs.append((sides[0], sides[1]) if number % 2 == 0 else (sides[1], sides[0]))
    return pairs


def run(bootstrap: str, options: list[str], environment: dict[str, str], *, lag: bool) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.json"
        options = [*options, "--headless", "--only-summary", "-r", "100", "-t", "900s"]
        options += ["--kafka-settle", "0", "--kafka-summary", str(path)]
        began = time.monotonic()
        environment = {**environment, "PRODUCERS": "shared", "LAG": "1" if lag else ""}
        with locust(bootstrap, TOPICS, LOCUSTFILE, *options, **environment) as process:
            process.await_line("BENCH begin")
            begin = probe.read(probe.family(process.pid))
            process.await_line("BENCH end")
            usage = probe.between(begin, probe.read(probe.family(process.pid)))
            process.await_line("BENCH {")
            p99 = ended_locust(process, path).p99
        figures = figures_of(process)
    rate, cpu_us = figures["count"] / usage.seconds, usage.cpu_s / figures["count"] * 1e6
    return Figures(rate, cpu_us, p99, figures["lag_ms"], time.monotonic() - began)


if __name__ == "__main__":
    main()
