"""Who sends with which producer: one a user, or one for the whole process."""

from __future__ import annotations

import resource
from collections.abc import Callable
from time import perf_counter_ns

from locust_kafka.errors import KafkaPluginError, RunInvalid
from locust_kafka.exchange.exchange import Exchange
from locust_kafka.hub.queue import HubQueue
from locust_kafka.kafka.config import producer_config
from locust_kafka.kafka.producer import DeliveryReport, RequestProducer
from locust_kafka.settings import Settings

FILES_PER_PRODUCER = 5
# An idempotent producer asks for its id when it is made, finds no broker connected yet, and asks again after 500 ms
# (librdkafka's fixed retry): a first request sent before that would measure the tester, not the system.
WARM_NS = 700_000_000


class ProducerPool:
    """Makes producers and takes them back.

    Args:
        settings: the run's.
        delivery_reports: where what the hub must hear of goes.
        on_fatal: is called when one more would pass the limit of open files.
    """

    def __init__(
        self, settings: Settings, delivery_reports: HubQueue[DeliveryReport[Exchange]], on_fatal: Callable[[KafkaPluginError], None]
    ) -> None:
        self._settings = settings
        self._delivery_reports = delivery_reports
        self._on_fatal = on_fatal
        self._shared: tuple[RequestProducer[Exchange], int] | None = None
        self._own: set[RequestProducer[Exchange]] = set()
        self._retired: list[RequestProducer[Exchange]] = []

    def shared(self) -> tuple[RequestProducer[Exchange], int]:
        """The process's one producer, and from when on (ns) it may be used: see WARM_NS."""
        if self._shared is None:
            producer = RequestProducer(producer_config(self._settings, shared=True), self._delivery_reports)
            self._shared = producer, perf_counter_ns() + WARM_NS
        return self._shared

    def own(self) -> tuple[RequestProducer[Exchange], int]:
        """A producer for one user, and from when on (ns) it may be used."""
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if (len(self._own) + 1) * FILES_PER_PRODUCER > limit:
            self._on_fatal(RunInvalid(
                f"{len(self._own) + 1} producers would pass the limit of {limit} open files (ulimit -n): "
                'raise it, or set producers = "shared" on the user class'
            ))  # fmt: skip
        producer = RequestProducer(producer_config(self._settings, shared=False), self._delivery_reports)
        self._own.add(producer)
        return producer, perf_counter_ns() + WARM_NS

    def take_back(self, producer: RequestProducer[Exchange]) -> None:
        """Its user is gone: an own producer is drained and closed in its native thread; the shared one stays."""
        if producer in self._own:
            self._own.remove(producer)
            self._retired = [retired for retired in self._retired if not retired.ended]
            self._retired.append(producer)
            producer.retire()

    def stop(self) -> None:
        """End them all; what is outstanding is reported as failed."""
        producers = [*self._own, *self._retired, *([self._shared[0]] if self._shared else [])]
        for producer in producers:
            producer.stop()
        for producer in producers:
            producer.join()
