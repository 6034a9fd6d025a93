"""The demonstration: what no producer-plus-consumer test can show, on a real Kafka, in a minute."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from locust_kafka.embedded import EmbeddedKafka, EmbeddedKafkaError

REQUESTS = 50
WAIT_MS = 500
FAULTS = ("--drop", "2%", "--duplicate", "2%", "--late", "2%:3s")
TIMEOUT_S = 2
REPLY_TOPIC = "Waiter-Responses"
REQUEST_TOPIC = "Waiter-Requests"


def run_demo(locustfile: str, seconds: int, *, web: bool) -> int:
    """Run it; returns the exit code.

    Raises:
        EmbeddedKafkaError: Kafka or the waiter could not be started, or the locustfile is not there.
    """
    if not Path(locustfile).is_file():
        raise EmbeddedKafkaError(f"--locustfile {locustfile!r} does not exist")
    _say("Starting a real Apache Kafka ...")
    with EmbeddedKafka() as kafka:
        _say(f"Apache Kafka is up at {kafka.bootstrap}")
        with waiter_process(kafka.bootstrap, "--wait", f"{WAIT_MS}ms", "--waiters", str(REQUESTS)):
            elapsed = _wait_together(kafka.bootstrap)
        _say(
            f"{REQUESTS} requests of {WAIT_MS} ms each, sent at once: {REQUESTS * WAIT_MS / 1000:.0f} seconds of "
            f"waiting done in {elapsed:.2f} seconds."
        )
        with waiter_process(kafka.bootstrap, "--wait", "uniform:20ms-120ms", *FAULTS):
            return _web(kafka.bootstrap, locustfile) if web else _load(kafka.bootstrap, locustfile, seconds)


@contextlib.contextmanager
def waiter_process(bootstrap: str, *options: str) -> Iterator[None]:
    """The waiter service as a process of its own, ready when this yields."""
    command = [sys.executable, "-m", "waiter_service", "--bootstrap", bootstrap, *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        seen.append(line)
        if "ready:" in line:
            break
    else:
        raise EmbeddedKafkaError(f"the waiter did not start: {''.join(seen[-3:]).strip()}")
    threading.Thread(target=process.stderr.read, daemon=True).start()  # or it would block on a full pipe
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _wait_together(bootstrap: str) -> float:
    """Send all requests at once; seconds from the first send to the last reply."""
    producer = Producer({"bootstrap.servers": bootstrap})
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "demo", "fetch.wait.max.ms": 50})
    partitions = consumer.list_topics(REPLY_TOPIC, timeout=10).topics[REPLY_TOPIC].partitions
    consumer.assign([TopicPartition(REPLY_TOPIC, number, 0) for number in partitions])
    elapsed = 0.0
    # Once to warm up connections and the fresh JVM, once for the figure.
    for _ in range(2):
        began = time.perf_counter()
        for number in range(REQUESTS):
            trace_id = os.urandom(16).hex()
            headers: list[tuple[str, str | bytes | None]] = [
                ("traceparent", f"00-{trace_id}-0000000000000001-00".encode())
            ]
            producer.produce(REQUEST_TOPIC, b"Ada", key=str(number).encode(), headers=headers)
        producer.flush(10)
        replies = 0
        while replies < REQUESTS:
            if time.perf_counter() - began > 30:
                raise EmbeddedKafkaError(f"only {replies} of {REQUESTS} replies came within 30 s")
            replies += len(consumer.consume(REQUESTS - replies, 0.02))
        elapsed = time.perf_counter() - began
    consumer.close()
    return elapsed


def _locust(bootstrap: str, locustfile: str, *options: str) -> int:
    command = [sys.executable, "-m", "locust", "-f", locustfile, "--kafka-bootstrap", bootstrap]
    command += ["--kafka-reply-timeout", str(TIMEOUT_S), "--kafka-settle", "4", "--kafka-self-check", "show", *options]
    return subprocess.run(command, check=False).returncode


def _web(bootstrap: str, locustfile: str) -> int:
    _say("Locust's web UI: http://localhost:8089 (Ctrl-C ends all). Start a test there with, say, 50 users.")
    return _locust(bootstrap, locustfile)


def _load(bootstrap: str, locustfile: str, seconds: int) -> int:
    _say(
        f"Now {seconds} s of load from 50 users. The service drops 2 % of the requests, answers 2 % twice and 2 % "
        f"three seconds late; the testers' timeout is {TIMEOUT_S} s. Failures are therefore expected."
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "summary.json"
        # Locust exits with 1 when a request failed, which here is the point of the exercise.
        options = [
            "--headless",
            "--only-summary",
            "-u",
            "50",
            "-r",
            "50",
            "-t",
            f"{seconds}s",
            "--exit-code-on-error",
            "0",
        ]
        code = _locust(bootstrap, locustfile, *options, "--kafka-summary", str(path))
        if code == 0:
            _explain(json.loads(path.read_text()))
    return code


def _explain(summary: dict[str, Any]) -> None:
    requests, replies, latency = summary["requests"], summary["replies"], summary["latency_ms"]
    count = max(1, requests["registered"])
    never = requests["timed_out"] - replies["late"]
    _say("What this says:")
    for line in (
        f"A customer waited {latency['e2e']['p50']:.0f} ms at the median, {latency['e2e']['p99']:.0f} ms at the 99th "
        "percentile: timeouts count there, at the time the customer gave up.",
        f"{requests['timed_out']} requests ({requests['timed_out'] / count:.1%}) got no reply in time: {never} never "
        f"got one, {replies['late']} got one late, {_median(latency['late'])} after they were sent.",
        f"{replies['duplicate']} replies ({replies['duplicate'] / count:.1%}) were duplicates: a consumer that only "
        "counts records would have taken them for answers.",
        f"A consumer would have counted {replies['read']} replies to {requests['registered']} requests, and could not "
        "have said which were missing.",
        "The books balance." if summary["balanced"] else "THE BOOKS DO NOT BALANCE.",
    ):
        print(f"  - {line}", flush=True)


def _median(series: dict[str, Any]) -> str:
    return f"{series['p50']:.0f} ms" if series["count"] else "none"


def _say(line: str) -> None:
    print(f"\n>>> {line}", flush=True)
