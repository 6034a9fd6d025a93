"""The whole service: stages put together, started, watched, and stopped from left to right."""

from __future__ import annotations

import threading
import time
from typing import Any

from confluent_kafka import Consumer
from prometheus_client import CollectorRegistry

from waiter_service.kafka.consumer import RequestConsumer
from waiter_service.kafka.producer import ReplyProducer
from waiter_service.kafka.topics import KnownTopics, ensure_topics
from waiter_service.observe.counters import Telemetry, logger
from waiter_service.observe.prometheus import Counts, Endpoint, Timings
from waiter_service.observe.tracing import Tracing
from waiter_service.pipeline.job import Answer, Job
from waiter_service.pipeline.queue import BoundedQueue, LateTimer, Stage
from waiter_service.pipeline.worker import Waiter
from waiter_service.settings import Settings


class Service:
    """consumers → [request queue] → waiters → [reply queue] → producers.

    Raises:
        KafkaUnavailable: no broker answered, or a topic could not be created.
        KafkaException: librdkafka refused a setting.
        PortTaken: the metrics cannot be served where they were asked for.
    """

    def __init__(self, settings: Settings, tracing: Tracing | None) -> None:
        self.telemetry = Telemetry()
        self.crash: BaseException | None = None
        """What ended a thread that must not end; the service stops with it."""
        self._wake = threading.Event()
        self._settings = settings
        Consumer(consumer_config(settings)).close()  # a refused setting is refused before anything is created
        ensure_topics(
            settings.client_config("admin"),
            [settings.request_topic, settings.reply_topic],
            settings.partitions,
            settings.replication_factor,
        )
        self._requests: BoundedQueue[Job] = BoundedQueue("request queue", settings.request_queue)
        self._replies: BoundedQueue[Answer] = BoundedQueue("reply queue", settings.reply_queue)
        self._late = LateTimer(self._replies.put)  # type: ignore[arg-type] # it hands on what it was given: answers
        self._tracing = tracing
        waiter = Waiter(settings.behaviour, settings.reply_topic, self._replies, self._late, self.telemetry, tracing)
        self._waiters = Stage("waiter", settings.waiters, self._requests, waiter.work, self._crashed)
        topics = KnownTopics(settings.client_config("consumer"))
        self._producers = [
            ReplyProducer(
                n + 1, producer_config(settings), self._replies, topics, self.telemetry, tracing, self._crashed
            )
            for n in range(settings.producers)
        ]
        self._consumers = [
            RequestConsumer(
                n + 1,
                consumer_config(settings),
                settings.request_topic,
                self._requests,
                self.telemetry,
                tracing,
                self._crashed,
            )
            for n in range(settings.consumers)
        ]

        self._endpoint: Endpoint | None = None
        if settings.metrics_port is not None:
            registry = CollectorRegistry()
            self.telemetry.timings = Timings(registry)
            registry.register(Counts(self))
            self._endpoint = Endpoint(settings.metrics_port, registry, self.health)

    @property
    def queues(self) -> tuple[BoundedQueue[Any], ...]:
        """Both, from left to right."""
        return self._requests, self._replies

    @property
    def in_flight(self) -> int:
        """Requests read and not yet answered."""
        return sum(consumer.in_flight for consumer in self._consumers)

    def health(self) -> tuple[bool, str]:
        """Whether it works, and a word about it."""
        if self.crash is not None:
            return False, f"stopped by a failure: {self.crash}"
        if self._wake.is_set():
            return False, "stopping"
        ready = all(consumer.assigned.is_set() for consumer in self._consumers)
        return ready, "ready" if ready else "waiting for partitions"

    def start(self) -> None:
        """Start from right to left, so that nothing is read before it can be answered."""
        for producer in self._producers:
            producer.start()
        self._late.start()
        self._waiters.start()
        for consumer in self._consumers:
            consumer.start()

    def request_stop(self) -> None:
        """Make `watch` return; may be called from a signal handler."""
        self._wake.set()

    def watch(self) -> None:
        """Log readiness and, at intervals, depths and counts; returns when a stop was requested or a thread crashed."""
        while not self._wake.wait(0.05):
            if all(consumer.assigned.is_set() for consumer in self._consumers):
                break
        s = self._settings
        if not self._wake.is_set():
            logger.info(
                "ready: %s -> %s on %s; %d consumers, %d waiters, %d producers",
                s.request_topic, s.reply_topic, s.bootstrap, s.consumers, s.waiters, s.producers,
            )  # fmt: skip
        answered = self.telemetry.value("replies")
        while not self._wake.wait(s.report_every_s):
            now = self.telemetry.value("replies")
            if now != answered or self._requests.depth:
                logger.info("%s; %.0f replies/s", self.status(), (now - answered) / s.report_every_s)
            answered = now

    def status(self) -> str:
        """One line: depths, time held back, and every counter."""
        queues = ", ".join(
            f"{queue.name} {queue.depth}/{queue.capacity} (held back {queue.blocked_ns / 1e9:.2f} s)"
            for queue in self.queues
        )
        counts = ", ".join(f"{name} {count}" for name, count in self.telemetry.snapshot().items())
        return f"{counts or 'nothing yet'}; {queues}, late timer {self._late.depth}"

    def stop(self) -> bool:
        """Stop reading, drain from left to right, flush, commit, close; within the shutdown timeout.

        Returns:
            Whether all that was read was answered.
        """
        deadline = time.monotonic() + self._settings.shutdown_timeout_s
        logger.info("stopping: %s", self.status())
        # The consumers end last of the reading: they wait for their own requests to come out at the right end.
        for consumer in self._consumers:
            consumer.stop(deadline)
        for consumer in self._consumers:
            consumer.join(max(0.0, deadline - time.monotonic()) + 5)  # closing leaves the group: one more round trip
        self._requests.close()
        self._late.close()
        self._replies.close()
        self._waiters.join(deadline)
        unacknowledged = sum(producer.close(deadline) for producer in self._producers)
        undrained = sum(consumer.undrained for consumer in self._consumers)
        if undrained or unacknowledged:
            logger.warning(
                "%d requests were read and not answered within the shutdown timeout of %.0f s "
                "(%d replies unacknowledged); their offsets are not committed: the group's next owner answers them",
                undrained, self._settings.shutdown_timeout_s, unacknowledged,
            )  # fmt: skip
        if self._tracing is not None:
            self._tracing.close()
        if self._endpoint is not None:
            self._endpoint.close()
        logger.info("stopped: %s", self.status())
        return not undrained and not unacknowledged

    def _crashed(self, crash: BaseException) -> None:
        self.crash = crash
        self._wake.set()


def consumer_config(settings: Settings) -> dict[str, object]:
    """Offsets are stored by us when answered, and committed by librdkafka each second and on revocation."""
    return {
        "group.id": settings.group,
        "group.protocol": settings.group_protocol,
        "auto.offset.reset": "earliest",
        "auto.commit.interval.ms": 1000,
        "fetch.wait.max.ms": 100,
        **settings.client_config("consumer"),
        "enable.auto.commit": True,
        "enable.auto.offset.store": False,
    }


def producer_config(settings: Settings) -> dict[str, object]:
    """One request in flight a broker: records gather while the last one is under way, so no linger is needed."""
    return {
        "enable.idempotence": True,
        "linger.ms": 0,
        "max.in.flight": 1,
        "queue.buffering.max.messages": 10_000,
        **settings.client_config("producer"),
    }
