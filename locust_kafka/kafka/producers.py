"""Who sends with which producer: one a user, or one for the whole process."""

from __future__ import annotations

import resource
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any

from confluent_kafka import Producer

from locust_kafka.errors import KafkaPluginError, RunInvalid
from locust_kafka.kafka.config import producer_config
from locust_kafka.kafka.producer import DeliveryPoller
from locust_kafka.settings import Settings

FILES_PER_PRODUCER = 5
# An idempotent producer asks for its id when it is made, finds no broker connected yet, and asks again after 500 ms
# (librdkafka's fixed retry): a first request sent before that would measure the tester, not the system.
WARM_NS = 700_000_000


class Producers:
    """Makes producers and takes them back.

    Args:
        settings: the run's.
        poller: serves their delivery reports, and their end.
        on_fatal: is called when one more would pass the limit of open files.
    """

    def __init__(
        self, settings: Settings, poller: DeliveryPoller[Any], on_fatal: Callable[[KafkaPluginError], None]
    ) -> None:
        self._settings = settings
        self._poller = poller
        self._on_fatal = on_fatal
        self._shared: tuple[Producer, int] | None = None
        self._own = 0

    def shared(self) -> tuple[Producer, int]:
        """The process's one producer, and from when on (ns) it may be used: see WARM_NS."""
        if self._shared is None:
            producer = Producer(producer_config(self._settings, shared=True))
            self._shared = producer, perf_counter_ns() + WARM_NS
            self._poller.only = None if self._own else producer
        return self._shared

    def own(self) -> tuple[Producer, int]:
        """A producer for one user, and from when on (ns) it may be used."""
        self._own += 1
        self._poller.only = None
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if self._own * FILES_PER_PRODUCER > limit:
            self._on_fatal(RunInvalid(
                f"{self._own} producers would pass the limit of {limit} open files (ulimit -n): "
                'raise it, or set producers = "shared" on the user class'
            ))  # fmt: skip
        return Producer(producer_config(self._settings, shared=False)), perf_counter_ns() + WARM_NS

    def take_back(self, producer: Producer) -> None:
        """Its user is gone: an own producer is drained and closed in the native thread; the shared one stays."""
        if self._shared is None or producer is not self._shared[0]:
            self._own -= 1
            self._poller.retire(producer)
