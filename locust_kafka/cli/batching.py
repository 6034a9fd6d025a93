"""The batching lesson: what the producer's batches do to everybody else, on a real Kafka, in a minute and a half."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

from locust_kafka.cli.demo import waiter_process
from locust_kafka.embedded import EmbeddedKafka, EmbeddedKafkaError
from locust_kafka.paths import writable_file, write_output
from locust_kafka.report.charts import stacked_bars

RATE, WAIT_MS, WAITERS = 400, 10, 8
SECONDS, WARM_S, START_S = 15, 5, 2
LEGS = ("schedule", "request", "service", "reply")


class Case(NamedTuple):
    """One way to batch: its name, librdkafka's settings, whether one key sends everything to one partition."""

    name: str
    settings: dict[str, str]
    one_partition: bool = False


CASES = (
    Case("linger.ms 0", {"linger.ms": "0"}),
    Case("linger.ms 5", {"linger.ms": "5"}),
    Case("linger.ms 100", {"linger.ms": "100"}),
    Case("large, one partition", {"linger.ms": "500", "batch.size": "1000000"}, one_partition=True),
)


def run_lesson(locustfile: str, picture: str) -> int:
    """Run the same load four times; prints the figures and a picture, and writes the picture as SVG.

    Args:
        locustfile: sends without waiting.
        picture: path of the SVG file.

    Raises:
        EmbeddedKafkaError: Kafka or the waiter could not be started, or a run failed.
        SettingsError: the picture cannot be written.
    """
    if not Path(locustfile).is_file():
        raise EmbeddedKafkaError(f"--locustfile {locustfile!r} does not exist")
    writable_file(picture, "--picture")
    port = _free_port()
    print(f"{RATE} requests/s; the service has {WAITERS} threads that take {WAIT_MS} ms for each. {SECONDS} s a run.\n")
    rows: list[tuple[str, list[float]]] = []
    print(f"{'mean, ms':<22}{'ack':>8}{''.join(f'{leg:>10}' for leg in LEGS)}{'e2e p99':>10}  longest queue there")
    with EmbeddedKafka(config={"num.partitions": "4"}) as kafka, waiter_process(
        kafka.bootstrap, "--wait", f"{WAIT_MS}ms", "--waiters", str(WAITERS), "--metrics-port", str(port)
    ):  # fmt: skip
        for case in CASES:
            summary, deepest = _run(kafka.bootstrap, locustfile, case, port)
            legs = {leg: figures["mean"] for leg, figures in summary["legs_ms"].items()}
            rows.append((case.name, [max(0.0, legs.get(leg, 0.0)) for leg in LEGS]))
            cells = "".join(f"{legs.get(leg, 0.0):>10.1f}" for leg in LEGS)
            p99 = summary["latency_ms"]["e2e"]["p99"]
            print(f"{case.name:<22}{legs.get('ack', 0.0):>8.1f}{cells}{p99:>10.1f}  {deepest:.0f} requests", flush=True)
    text, svg = stacked_bars(rows, LEGS, "Mean time of a request by leg, ms")
    print("\n" + text)
    write_output(picture, svg)
    print(f"\nThe picture: {picture}\n{_MORAL}")
    return 0


_MORAL = (
    "A batch is not free for those who come after it: what it saves the producer, its records wait for (request), and "
    "the service gets them all at once, with its threads idle before and a queue after (service)."
)


def _run(bootstrap: str, locustfile: str, case: Case, port: int) -> tuple[dict[str, Any], float]:
    """One run: its summary, and the longest request queue that the service had."""
    with tempfile.TemporaryDirectory() as name:
        config, path = Path(name) / "producer.properties", Path(name) / "summary.json"
        config.write_text("".join(f"producer.{key}={value}\n" for key, value in case.settings.items()))
        options = ["-u", "20", "-r", "100", "-t", f"{SECONDS}s", "--kafka-bootstrap", bootstrap]
        options += ["--kafka-rate", str(RATE), "--kafka-warmup", str(WARM_S), "--kafka-settle", "0"]
        options += ["--kafka-self-check", "show", "--kafka-config", str(config), "--kafka-summary", str(path)]
        command = [sys.executable, "-m", "locust", "-f", locustfile, "--headless", "--only-summary", *options]
        environment = {**os.environ, "ONE_PARTITION": "1" if case.one_partition else ""}
        deepest = _Deepest(port)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        depth = deepest.stop()
        if done.returncode != 0:
            raise EmbeddedKafkaError(f"the run with {case.name} ended with {done.returncode}: {done.stderr[-2000:]}")
        summary: dict[str, Any] = json.loads(path.read_text())
        return summary, depth


class _Deepest:
    """Asks the service's metrics, after the warm-up, ten times a second how long its request queue is."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/metrics"
        self._most = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """The longest that was seen."""
        self._stop.set()
        self._thread.join()
        return self._most

    def _look(self) -> None:
        self._stop.wait(WARM_S + START_S)
        while not self._stop.wait(0.1):
            page = urllib.request.urlopen(self._url, timeout=5).read().decode()
            for depth in re.findall(r'^waiter_queue_depth\{queue="request"\} ([\d.e+]+)', page, re.MULTILINE):
                self._most = max(self._most, float(depth))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
