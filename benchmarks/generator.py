"""`make bench`: rate, latency, CPU and memory of the generator, against warm echoes, beside the floors.

python -m benchmarks.generator [--only SUBSTRING] [--seconds N] [--threads] [--json FILE]

Broker and echoes stay up over all rows, are warm before the first, and are measured as the tool is: from outside, in the
same window.  A fresh JVM would decide everything beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import psutil
from confluent_kafka import Consumer, TopicPartition

from benchmarks import probe
from benchmarks.cases import BARE, JAVA, LOCUST, SLOW_MS, SLOW_TOPICS, TOPICS, Case, chosen
from benchmarks.echo import echo
from benchmarks.java import java
from benchmarks.probe import Usage
from benchmarks.rows import HEADING, Latency, Row, by_threads, row, to_json, to_markdown
from locust_kafka.embedded import EmbeddedKafka
from locust_kafka.paths import writable_file
from tests.support import Process, create_topics, locust, read_summary

LOCUSTFILE = "benchmarks/generator_locustfile.py"
WARM_S, JAVA_WARM_S = 3.0, 20.0
"""Before each window, and before that of a JVM that is the tool itself."""
WARM_TURN_S, MAX_WARM_TURNS, STILL_WARMING = 10.0, 8, 0.9
"""The first two turns of load warm broker and echo; more follow while a turn costs them less than nine tenths of the last."""
MAX_LAG_S = 60.0
PARTITIONS = 4


class Testbed(NamedTuple):
    """What stays up over all rows."""

    bootstrap: str
    broker: psutil.Process
    echoes: dict[tuple[str, str], psutil.Process]


def main() -> None:
    arguments = read_arguments()
    if sys.platform != "linux":
        raise SystemExit("the bench reads /proc, which this system does not have: run it on Linux")
    cases = chosen(arguments.only)
    if not cases:
        raise SystemExit(f"--only {arguments.only!r} is in no row's name: see benchmarks/cases.py")
    try:
        rows = Path(arguments.json).open("w") if arguments.json else None  # noqa: SIM115 - closed below
    except OSError as refused:
        raise SystemExit(
            f"--json {arguments.json!r} cannot be written: {refused.strerror}; give another file"
        ) from refused
    with rows or contextlib.nullcontext():
        measure(cases, arguments.seconds, rows, threads=arguments.threads)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.generator", description="Rate, latency, CPU and memory.")
    parser.add_argument("--only", metavar="SUBSTRING", help="only the rows with this in their name")
    parser.add_argument("--seconds", type=float, default=8, metavar="N", help="the measured window, 1 to 600 (8)")
    parser.add_argument("--threads", action="store_true", help="also say what each kind of the tool's threads used")
    parser.add_argument("--json", default="", metavar="FILE", help="also write each row as a line of JSON")
    arguments = parser.parse_args()
    if not 1 <= arguments.seconds <= 600:
        parser.error(f"--seconds {arguments.seconds:g} is refused: give a number from 1 to 600")
    try:
        writable_file(arguments.json, "--json")
    except ValueError as refused:
        parser.error(str(refused))
    return arguments


def measure(cases: list[Case], seconds: float, rows: TextIO | None, *, threads: bool) -> None:
    """Print each row as soon as it is known."""
    with warm_testbed({case.topics for case in cases}) as testbed:
        print(HEADING, flush=True)
        for case in cases:
            if case.own_core and len(os.sched_getaffinity(0)) < 2:
                print(f"{case.name}: left out, for it needs two cores", file=sys.stderr)
                continue
            found, usage = measured(testbed, case, seconds)
            print(to_markdown(found), flush=True)
            if threads:
                print(by_threads(usage, found.rate * usage.seconds), file=sys.stderr, flush=True)
            if rows is not None:
                rows.write(to_json(found) + "\n")
                rows.flush()


@contextlib.contextmanager
def warm_testbed(topics: set[tuple[str, str]]) -> Iterator[Testbed]:
    """Broker and echoes, after load on each pair of topics."""
    with contextlib.ExitStack() as stack:
        kafka = stack.enter_context(EmbeddedKafka(for_load=True))
        create_topics(kafka.bootstrap, *TOPICS, *SLOW_TOPICS, partitions=PARTITIONS)
        broker = next(process for process in psutil.Process().children(recursive=True) if process.name() == "java")
        echoes = {}
        for pair in sorted(topics):
            process = stack.enter_context(echo(kafka.bootstrap, pair, SLOW_MS if pair == SLOW_TOPICS else 0))
            echoes[pair] = psutil.Process(process.pid)
        testbed = Testbed(kafka.bootstrap, broker, echoes)
        for pair in sorted(topics):
            warm(testbed, Case("warm-up", "", 200, tool=BARE, slow=pair == SLOW_TOPICS))
        yield testbed


def warm(testbed: Testbed, case: Case) -> None:
    """Load, until the JVMs have compiled what it needs: on a busy machine that takes longer than on an idle one."""
    costs: list[float] = []
    while len(costs) < 2 or (costs[-1] < STILL_WARMING * costs[-2] and len(costs) < MAX_WARM_TURNS):
        found, _usage = measured(testbed, case, WARM_TURN_S)
        costs.append(found.broker_cpu_us + found.echo_cpu_us)
    words = ", ".join(f"{cost:.0f}" for cost in costs)
    print(f"warm-up on {case.topics[0]}: broker and echo used {words} µs an exchange", file=sys.stderr, flush=True)


def measured(testbed: Testbed, case: Case, seconds: float) -> tuple[Row, Usage]:
    """One row, and what the tool used; what is left of it in the topics is answered before it ends."""
    services = [testbed.broker, *testbed.echoes.values()]
    warm_s = JAVA_WARM_S if case.tool == JAVA else WARM_S
    with (
        tempfile.TemporaryDirectory() as folder,
        probe.cores_apart(services) if case.own_core else contextlib.nullcontext(),
        start_tool(testbed, case, warm_s, seconds, f"{folder}/summary.json") as run,
    ):
        try:
            run.await_line("BENCH begin", warm_s + MAX_LAG_S)
            kinds = probe.family(run.pid), [testbed.broker], [testbed.echoes[case.topics]]
            begin = [probe.read(kind) for kind in kinds]
            run.await_line("BENCH end", seconds + MAX_LAG_S)
            end = [probe.read(kind) for kind in kinds]
            run.await_line("BENCH {", MAX_LAG_S)
            figures = figures_of(run)
            latency = ended_locust(run, Path(folder, "summary.json")) if case.tool == LOCUST else None
        except AssertionError as failure:
            raise SystemExit(f"{case.name}: {failure}") from failure
    await_idle(testbed.bootstrap, case.topics)
    usages = [probe.between(*pair) for pair in zip(begin, end, strict=True)]
    latency = latency or Latency(figures["p50"], figures["p99"])
    return row(case.name, case.group, figures["count"], latency, *usages, hub=case.tool != JAVA), usages[0]


def start_tool(testbed: Testbed, case: Case, warm_s: float, seconds: float, summary: str) -> Process:
    """Start a case's tool; it sends until it is ended."""
    window = f"{warm_s:g}", f"{seconds:g}"
    if case.tool == BARE:
        target = testbed.bootstrap, *case.topics, str(case.users)
        return Process([sys.executable, "-m", "benchmarks.bare", *target, *window])
    if case.tool == JAVA:
        return java("JavaClient.java", testbed.bootstrap, *case.topics, str(case.users), *window)
    options = ["--headless", "--only-summary", "-u", str(case.users), "-r", "200", "-t", "900s"]
    options += ["--exit-code-on-error", "0", "--kafka-settle", "0", "--kafka-summary", summary, *case.options]
    if case.processes:
        options += ["--processes", str(case.processes)]
    environment = {"PRODUCERS": case.producers, "HOW": case.how, "WARM_S": window[0], "MEASURE_S": window[1]}
    return locust(testbed.bootstrap, case.topics, LOCUSTFILE, *options, **environment)


def figures_of(run: Process) -> dict[str, Any]:
    """What a tool says of its own window."""
    figures: dict[str, Any] = json.loads(next(line for line in run.lines if line.startswith("BENCH {"))[6:])
    return figures


def ended_locust(run: Process, path: Path) -> Latency:
    """End Locust; its summary's latencies began with the window."""
    run.signal(signal.SIGTERM)
    code = run.wait()
    summary = read_summary(path) if path.exists() else {"balanced": False}
    if code or not summary["balanced"]:
        raise SystemExit(f"the bench run failed with {code}:\n{run.output}")
    e2e, schedule = summary["latency_ms"]["e2e"], summary["legs_ms"].get("schedule", {})
    return Latency(e2e["p50"], e2e["p99"], schedule.get("p99"))


def await_idle(bootstrap: str, topics: tuple[str, str]) -> None:
    """Wait until there are as many replies as requests: the echo owes the next row nothing."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench-idle"})
    deadline = time.monotonic() + MAX_LAG_S
    try:
        while True:
            requests, replies = (
                sum(consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)[1]
                    for number in range(PARTITIONS))
                for topic in topics
            )  # fmt: skip
            if requests == replies:
                return
            if time.monotonic() > deadline:
                raise SystemExit(f"the echo still owes {requests - replies} replies after {MAX_LAG_S:.0f} s")
            time.sleep(0.1)
    finally:
        consumer.close()


if __name__ == "__main__":
    main()
