"""Processes and clients that several rooms use."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

ROOT = Path(__file__).parent.parent
NO_BROKER = "127.0.0.1:1"


def create_topics(bootstrap: str, *names: str, partitions: int = 4, **config: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    config = {"message.timestamp.type": "LogAppendTime", **config}
    for done in admin.create_topics([NewTopic(name, partitions, config=config) for name in names]).values():
        done.result(30)


def hear_interrupts() -> None:
    """A shell that runs us in the background has SIGINT ignored, and children inherit that: Ctrl-C must be one."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Process:
    """A child whose output is gathered; ended at the latest when the block ends."""

    def __init__(self, command: list[str], directory: Path = ROOT, **environment: str) -> None:
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=directory,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment}, start_new_session=True,
            preexec_fn=hear_interrupts,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def output(self) -> str:
        return "".join(self.lines)

    @property
    def pid(self) -> int:
        return self._process.pid

    def await_line(self, text: str, timeout_s: float = 60, times: int = 1) -> None:
        deadline = time.monotonic() + timeout_s
        while self.output.count(text) < times:
            assert time.monotonic() < deadline, f"{text!r} did not come:\n{self.output}"
            assert self._process.poll() is None or not self._reader.is_alive() or self.output.count(text) >= times, (
                f"it ended before {text!r}:\n{self.output}"
            )
            time.sleep(0.02)

    def await_users(self, timeout_s: float = 60, times: int = 1) -> None:
        """All users are there; on a busy machine Locust's master says instead that a worker's report is late."""
        said, deadline = ("All users spawned", "Spawning is complete and report waittime is expired"), timeout_s
        deadline += time.monotonic()
        while sum(self.output.count(text) for text in said) < times:
            assert time.monotonic() < deadline, f"users did not come:\n{self.output}"
            assert self._process.poll() is None, f"it ended before there were users:\n{self.output}"
            time.sleep(0.02)

    def signal(self, number: signal.Signals, *, group: bool = False) -> None:
        (os.killpg if group else os.kill)(self.pid, number)

    def wait(self, timeout_s: float = 90) -> int:
        """The exit code; a hang is a failure."""
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise AssertionError(f"it hangs:\n{self.output}") from None
        self._reader.join(10)
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._process.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        self.lines.extend(self._process.stdout)


class Waiter:
    """The waiter service as a process on given topics."""

    def __init__(self, bootstrap: str, topics: tuple[str, str]) -> None:
        self.bootstrap = bootstrap
        self.topics = topics
        self.processes: list[Process] = []

    def start(self, *options: str, wait: str = "0ms", ready: bool = True, **environment: str) -> Process:
        command = [sys.executable, "-m", "waiter_service", "--bootstrap", self.bootstrap, "--wait", wait]
        command += ["--request-topic", self.topics[0], "--reply-topic", self.topics[1], "--group", self.topics[0]]
        process = Process([*command, *options], **environment)
        self.processes.append(process)
        if ready:
            process.await_line("ready:")
        return process

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for process in self.processes:
            process.__exit__(*error)


def locust(bootstrap: str, topics: tuple[str, str], locustfile: str, *options: str, **environment: str) -> Process:
    command = [sys.executable, "-m", "locust", "-f", locustfile, "--kafka-bootstrap", bootstrap]
    command += ["--kafka-request-topic", topics[0], "--kafka-reply-topic", topics[1], *options]
    if "--processes" in options:  # beside another run on this machine
        port = str(free_port())
        command += ["--master-bind-port", port, "--master-port", port]
    # A shared machine stands still at times, and the self-check is right to say so: where it is not what is tested, it
    # only shows what it found.
    return Process(command, **{"LOCUST_KAFKA_SELF_CHECK": "show", **environment})


def assert_headed(text: str, verdict: str) -> None:
    """A run's verdict; on a busy machine the self-check, which only shows what it found, has the first word."""
    assert verdict in text or "the generator was the bottleneck" in text, text
    assert "FAILED" not in text
    assert "**failed**" not in text


def read_summary(path: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(path.read_text())
    return result


def send(bootstrap: str, topic: str, records: list[dict[str, Any]]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap})
    for record in records:
        producer.produce(topic, **record)
    assert producer.flush(30) == 0


def read(bootstrap: str, topic: str, count: int, timeout_s: float = 30) -> list[Any]:
    """At least `count` messages from the beginning of a topic, and what else comes within half a second."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "tests"})
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
    found: list[Any] = []
    deadline = time.monotonic() + timeout_s
    while len(found) < count:
        assert time.monotonic() < deadline, f"only {len(found)} of {count} came to {topic}"
        found.extend(consumer.consume(1000, 0.2))
    found.extend(consumer.consume(1000, 0.5))
    consumer.close()
    assert not [m.error() for m in found if m.error()]
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def http_post(url: str, form: Sequence[tuple[str, object]]) -> bytes:
    body: bytes = urllib.request.urlopen(url, urllib.parse.urlencode(form).encode(), timeout=60).read()
    return body


def await_answer(url: str, timeout_s: float = 30) -> bytes:
    """What a server says as soon as it listens."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            body: bytes = urllib.request.urlopen(url, timeout=10).read()
            return body
        except OSError:
            assert time.monotonic() < deadline, f"nothing answers at {url}"
            time.sleep(0.1)


def read_page(port: int) -> None:
    """Read the page's events as a browser does, to the end of the run."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/kafka/events", timeout=120) as answer:
            for line in answer:
                if line.startswith(b"data: "):
                    json.loads(line[6:])
    except OSError:
        pass  # Locust has ended


def assert_well_behaved(output: str) -> None:
    """No traceback reaches a user."""
    assert "Traceback" not in output, output


def assert_balanced(path: Path, *, at_least: int = 1) -> dict[str, int]:
    """The counts of requests in a summary whose books balance and whose run is valid."""
    summary = read_summary(path)
    assert summary["balanced"], summary["equations"]
    assert not summary["invalid"]
    requests: dict[str, int] = summary["requests"]
    assert requests["pending"] == 0
    assert requests["registered"] >= at_least
    return requests
