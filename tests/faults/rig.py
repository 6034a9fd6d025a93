"""A cluster, the waiter and a load: where a fault is put in, and what has come of it is gathered."""

from __future__ import annotations

import signal
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from locust_kafka.embedded import EmbeddedKafka
from tests.faults.oracle import Proof, Record, prove, read_log, read_topic
from tests.support import Process, Waiter, create_topics, locust, read_summary

LOCUSTFILE = "tests/faults/locustfile.py"
RATE, TIMEOUT_S = 100, 30
ANSWERED_S = 40
"""How long the service may take to answer what is left when the run has ended."""
BEFORE_S, AFTER = 5, 5 * RATE
"""Seconds of load before the fault, and replies to newer requests after it, before the run is ended."""
# A broker that is gone is noticed soon: with Kafka's default of 9 s the tests would take that much longer each.
SESSIONS = {
    "broker.session.timeout.ms": "2500", "broker.heartbeat.interval.ms": "500", "group.min.session.timeout.ms": "3000",
    "controller.quorum.fetch.timeout.ms": "1500", "controller.quorum.election.timeout.ms": "700",
}  # fmt: skip

SERVICE = "consumer.session.timeout.ms=6000\n"
"""A service that is killed is missed soon: its group waits so long for it."""


class Rig:
    """One fault on a running cluster.

    Args:
        kafka: runs.
        folder: receives the run's report and exchange log.
    """

    def __init__(self, kafka: EmbeddedKafka, folder: Path, *, brokers: int) -> None:
        self.kafka, self.folder, self.brokers = kafka, folder, brokers
        suffix = uuid.uuid4().hex[:8]
        self.topics = (f"requests-{suffix}", f"replies-{suffix}")
        self.waiter = Waiter(kafka.bootstrap, self.topics)
        self.run: Process | None = None
        self.fault_ms = self.mended_ms = 0.0
        self.foreign = 0
        self.admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self.waiter)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def create_topics(self, *names: str, **config: str) -> None:
        """Four partitions each, LogAppendTime, on all brokers."""
        if self.brokers == 3:
            config = {"min.insync.replicas": "2", **config}
        create_topics(self.kafka.bootstrap, *(names or self.topics), **config)

    def start_load(self, options: Sequence[str] = (), client_config: str = "", **environment: str) -> Process:
        """Start Locust, and wait until it has measured for some seconds."""
        settings = self.folder / "client.properties"
        settings.write_text(client_config)
        everything = ["--headless", "--only-summary", "-u", "2", "-r", "2", "-t", "300s", "--kafka-rate", str(RATE)]
        everything += ["--kafka-reply-timeout", str(TIMEOUT_S), "--kafka-report", str(self.folder)]
        everything += ["--kafka-exchange-log", str(self.folder / "log.csv"), "--kafka-settle", "1"]
        everything += ["--kafka-config", str(settings), *options]
        run = locust(self.kafka.bootstrap, self.topics, LOCUSTFILE, *everything, **environment)
        self.run = self._stack.enter_context(run)
        self.run.await_users()
        self.await_replies(BEFORE_S * RATE)
        return self.run

    def begin_fault(self) -> None:
        """The fault is put in now."""
        self.fault_ms = time.time() * 1e3

    def end_fault(self) -> None:
        """What was broken is whole again, as far as the fault goes."""
        self.mended_ms = time.time() * 1e3

    def await_recovery(self) -> None:
        """Wait until requests that were sent after the fault have been answered for a while."""
        self.await_replies(self.written(self.topics[0]) + AFTER)

    def await_replies(self, count: int, limit_s: float = 60) -> None:
        """Wait until so many records lie on the reply topic."""
        await_true(lambda: self.written(self.topics[1]) >= count, f"{count} replies", limit_s, self.run)

    def written(self, topic: str) -> int:
        """How many records were appended to a topic; 0 while it cannot be asked."""
        consumer = Consumer({"bootstrap.servers": self.kafka.bootstrap, "group.id": "rig", "log_level": 0})
        try:
            numbers = consumer.list_topics(topic, timeout=3).topics[topic].partitions
            return sum(
                consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=3)[1] for number in numbers
            )
        except KafkaException:
            return 0
        finally:
            consumer.close()

    @property
    def output(self) -> str:
        """What the tester has written."""
        assert self.run is not None
        return self.run.output

    def start_waiter(self, *options: str) -> Process:
        """One more instance of the service."""
        settings = self.folder / "waiter.properties"
        settings.write_text(SERVICE)
        return self.waiter.start("--config", str(settings), "--waiters", "8", *options, wait="5ms")

    def start_transactional(self) -> Process:
        """A service of its own that answers in transactions."""
        command = [sys.executable, "-m", "tests.faults.transactional", self.kafka.bootstrap, *self.topics]
        process = self._stack.enter_context(Process(command))
        process.await_line("ready")
        return process

    def alter_topic(self, topic: str, name: str, value: str) -> None:
        """Set one setting of a topic."""
        entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
        for done in self.admin.incremental_alter_configs([resource]).values():
            done.result(30)

    def count(self, outcome: str) -> int:
        """How often the progress lines speak of an outcome."""
        return self.output.count(outcome)

    def leader(self, topic: str, partition: int = 0) -> int:
        """Which broker leads a partition."""
        return int(self.admin.list_topics(topic, timeout=10).topics[topic].partitions[partition].leader)

    def end_load(self) -> int:
        """End the run as a person does; its exit code."""
        assert self.run is not None
        self.run.signal(signal.SIGINT)
        return self.run.wait(120)

    def summary(self) -> dict[str, Any]:
        """The run's own."""
        return read_summary(self.folder / "summary.json")

    def prove(self, summary: Mapping[str, Any]) -> Proof:
        """What the topics and the log prove, once the service has answered all."""
        log = read_log(self.folder / "log.csv")
        requests: list[Record] = []
        replies: list[Record] = []

        def all_answered() -> bool:
            requests[:], replies[:] = (read_topic(self.kafka.bootstrap, topic) for topic in self.topics)
            return {one.trace_id for one in requests} <= {one.trace_id for one in replies}

        with suppress(AssertionError):  # the proof tells how many are missing
            await_true(all_answered, "an answer to each request", ANSWERED_S)
        return prove(log, requests, replies, summary, timeout_s=TIMEOUT_S, fault_ms=self.fault_ms)


def await_true(condition: Callable[[], bool], what: str, limit_s: float, run: Process | None = None) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + limit_s
    while not condition():
        output = run.output if run is not None else ""
        assert time.monotonic() < deadline, f"{what} did not come within {limit_s:.0f} s\n{output[-4000:]}"
        time.sleep(0.2)
