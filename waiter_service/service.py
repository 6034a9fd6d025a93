"""The whole service: its stages are put together, started, watched, and stopped from left to right."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version

import confluent_kafka
from confluent_kafka import Consumer, Producer
from prometheus_client import CollectorRegistry

from waiter_service.kafka.cluster import Cluster, KafkaUnavailable, TopicLookup
from waiter_service.kafka.consumer import RequestConsumer
from waiter_service.kafka.producer import ReplyProducer
from waiter_service.kafka.properties import mask
from waiter_service.kafka.topics import TopicChecker, ensure_topics
from waiter_service.observe.counters import Counters
from waiter_service.observe.prometheus import Bounded, Collector, Endpoint, Timings
from waiter_service.observe.tracing import OtelTracing
from waiter_service.pipeline.job import Answer, Job
from waiter_service.pipeline.queue import BoundedQueue
from waiter_service.pipeline.stage import Stage
from waiter_service.pipeline.timer import LateTimer
from waiter_service.pipeline.worker import RequestWorker
from waiter_service.settings import Settings

AFTER_CRASH_S = 3.0
_logger = logging.getLogger("waiter_service")


class Service:
    """consumers → [request queue] → waiters → [reply queue] → producers.

    Args:
        settings: the service's settings.
        tracing: makes spans; None for none.

    Raises:
        KafkaUnavailable: no broker answered, one refused the connection, or a topic could not be created.
        KafkaException: librdkafka refused a setting.
        TokenError: the function that gives tokens gave none.
        PortTaken: the metrics cannot be served where they were asked for.
    """

    def __init__(self, settings: Settings, tracing: OtelTracing | None) -> None:
        self.counters = Counters()
        self.crash: BaseException | None = None
        """What ended a thread that must not end; the service stops with it."""
        self._wake = threading.Event()
        self._settings = settings
        self._tracing = tracing
        clients = settings.clients
        if clients.tokens is not None:
            clients.tokens.await_token()
        # A refused setting is refused before anything is created.
        unconnected = replace(clients, tokens=None)
        Consumer(unconnected.consumer()).close()
        Producer(unconnected.producer())
        self._say_what_is_used()
        names = [settings.request_topic, settings.reply_topic]
        cluster = Cluster(clients.consumer(), clients.admin())
        _logger.info("cluster %s at %s", cluster.connect(names[0]) or "without an id", clients.bootstrap)
        ensure_topics(cluster, names, settings.partitions, settings.replication_factor)
        cluster.close()
        registry = CollectorRegistry()
        self._make_stages(None if settings.metrics_port is None else Timings(registry))
        self._endpoint: Endpoint | None = None
        if settings.metrics_port is not None:
            registry.register(Collector(self))
            self._endpoint = Endpoint(settings.metrics_port, registry, self.health)

    def _make_stages(self, timings: Timings | None) -> None:
        settings, clients, counters, tracing = self._settings, self._settings.clients, self.counters, self._tracing
        self._requests: BoundedQueue[Job] = BoundedQueue("request queue", settings.request_queue)
        self._replies: BoundedQueue[Answer] = BoundedQueue("reply queue", settings.reply_queue)
        self._late: LateTimer[Answer] = LateTimer(settings.late_capacity, self._replies.put, self._on_crash)
        worker = RequestWorker(settings.behaviour, settings.reply_topic, self._replies, self._late, counters, tracing)
        self._waiters = Stage("waiter", settings.waiters, self._requests, worker.work, self._on_crash)
        lookup = TopicLookup(clients.consumer())
        self._topics = TopicChecker([settings.reply_topic], lookup.exists, self._on_crash)
        self._producers = [
            ReplyProducer(n + 1, clients.producer(), self._replies, self._topics, counters, self._on_crash)
            for n in range(settings.producers)
        ]
        self._consumers = [
            RequestConsumer(
                n + 1,
                clients.consumer(n + 1),
                settings.request_topic,
                self._requests,
                counters,
                timings,
                tracing,
                self._on_crash,
            )
            for n in range(settings.consumers)
        ]

    @property
    def crash_text(self) -> str:
        """The crash in words; "" without one."""
        if isinstance(self.crash, KafkaUnavailable):
            return str(self.crash)
        return "" if self.crash is None else f"{type(self.crash).__name__}: {self.crash}"

    @property
    def bounded(self) -> Mapping[str, Bounded]:
        """The queues and the timer, from left to right."""
        return {"request": self._requests, "late": self._late, "reply": self._replies}

    @property
    def in_flight(self) -> int:
        """Requests read and not yet answered."""
        return sum(consumer.in_flight for consumer in self._consumers)

    def snapshot(self) -> dict[str, int]:
        """All counters that are not zero, by name."""
        return self.counters.snapshot()

    def health(self) -> tuple[bool, str]:
        """Whether it works, and a word about it."""
        if self.crash is not None:
            return False, mask(f"stopped by a failure: {self.crash_text}", self._settings.clients.file.values)
        if self._wake.is_set():
            return False, "stopping"
        ready = all(consumer.assigned.is_set() for consumer in self._consumers)
        return ready, "ready" if ready else "waiting for partitions"

    def start(self) -> None:
        """Start from right to left, so that nothing is read before it can be answered."""
        for producer in self._producers:
            producer.start()
        self._topics.start()
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
            _logger.info(
                "ready: %s -> %s on %s; %d consumers, %d waiters, %d producers",
                s.request_topic, s.reply_topic, s.clients.bootstrap, s.consumers, s.waiters, s.producers,
            )  # fmt: skip
        answered = self.counters.value("replies")
        while not self._wake.wait(s.report_every_s):
            now = self.counters.value("replies")
            if now != answered or self._requests.depth:
                _logger.info("%s; %.0f replies/s", self.status(), (now - answered) / s.report_every_s)
            answered = now
            self._say_token_failure()

    def _say_token_failure(self) -> None:
        tokens = self._settings.clients.tokens
        if tokens is not None and tokens.failure:
            _logger.warning("%s; the last token is used until it expires", tokens.failure)

    def status(self) -> str:
        """One line: depths, time held back, and every counter."""
        depths = ", ".join(
            f"{name} {items.depth}/{items.capacity} (held back {items.blocked_ns / 1e9:.2f} s)"
            for name, items in (
                ("request queue", self._requests), ("late timer", self._late), ("reply queue", self._replies),
            )
        )  # fmt: skip
        counts = ", ".join(f"{name} {count}" for name, count in self.snapshot().items())
        return f"{counts or 'nothing yet'}; {depths}"

    def stop(self) -> bool:
        """Stop reading, drain from left to right, flush, commit, close; within the shutdown timeout.

        Returns:
            Whether all that was read was answered.
        """
        timeout_s = self._settings.shutdown_timeout_s
        # After a failure there is little hope for what is in flight; the group's next owner answers it.
        deadline = time.monotonic() + (timeout_s if self.crash is None else min(timeout_s, AFTER_CRASH_S))
        _logger.info("stopping: %s", self.status())
        # The consumers end last of the reading: they wait for their own requests to come out at the right end.
        for consumer in self._consumers:
            consumer.stop(deadline)
        for consumer in self._consumers:
            consumer.join(max(0.0, deadline - time.monotonic()) + 5)  # closing leaves the group: one more round trip
        self._requests.close()
        self._late.close()
        self._replies.close()
        self._waiters.join(deadline)
        for producer in self._producers:
            producer.join_sender(deadline)
        self._topics.close(deadline)
        unacknowledged = sum(producer.close(deadline) for producer in self._producers)
        unanswered = sum(consumer.unanswered for consumer in self._consumers)
        if unanswered or unacknowledged:
            _logger.warning(
                "%d requests were read and not answered within the shutdown timeout of %.0f s "
                "(%d replies unacknowledged); their offsets are not committed: the group's next owner answers them",
                unanswered, self._settings.shutdown_timeout_s, unacknowledged,
            )  # fmt: skip
        if self._tracing is not None:
            self._tracing.close()
        if self._endpoint is not None:
            self._endpoint.close()
        _logger.info("stopped: %s", self.status())
        return not unanswered and not unacknowledged

    def _say_what_is_used(self) -> None:
        settings = self._settings
        try:
            ours = version("locust-kafka")
        except PackageNotFoundError:  # run from a copy of the source
            ours = "(source)"
        _logger.info(
            "waiter-service %s, confluent-kafka %s, librdkafka %s; topics %s -> %s, group %s",
            ours, confluent_kafka.__version__, confluent_kafka.libversion()[0],
            settings.request_topic, settings.reply_topic, settings.clients.group,
        )  # fmt: skip

    def _on_crash(self, crash: BaseException) -> None:
        self.crash = self.crash or crash  # what follows a first failure is mostly its consequence
        self._wake.set()
