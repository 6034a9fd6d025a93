"""Who sends with which producer: one a user, or one for the whole process."""

from __future__ import annotations

import math
import os
import resource
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns
from typing import Generic

from locust_kafka.core.before_wire import BeforeWire
from locust_kafka.errors import KafkaPluginError, RunInvalid
from locust_kafka.hub.queue import HubQueue
from locust_kafka.kafka.config import has_own_message_timeout, producer_config
from locust_kafka.kafka.login import FIRST_TOKEN_NS, is_slow_to_make
from locust_kafka.kafka.producer import DeliveryReport, RequestProducer, T
from locust_kafka.settings import Settings

# Measured: a producer has 3 librdkafka threads, one more for each broker, and our own; and one file for each broker
# beside the 4 of its own.
FILES_PER_PRODUCER, THREADS_PER_PRODUCER = 4, 4
FILES_FOR_THE_REST = 64
# An idempotent producer asks for its id when it is made, finds no broker connected yet, and asks again after 500 ms
# (librdkafka's fixed retry): a first request sent before that would measure the tester, not the system.
WARM_NS = 700_000_000
MAX_WATCHED = 8
"""Own producers at a time whose statistics are taken: those of all, with a producer for each of 1 000 users, cost too
much."""


def warm_ns(settings: Settings) -> int:
    """How long after it is asked for a producer can be used."""
    slow = bool(settings.oauth_callback) or is_slow_to_make(settings.client_config("producer"))
    return WARM_NS + (FIRST_TOKEN_NS if slow else 0)


class ProducerPool(Generic[T]):
    """Makes producers and takes them back.

    Args:
        settings: the run's.
        delivery_reports: queue of what the hub must know.
        on_fatal: is called when one more would pass a limit of the system.
    """

    def __init__(
        self,
        settings: Settings,
        delivery_reports: HubQueue[DeliveryReport[T]],
        on_fatal: Callable[[KafkaPluginError], None],
    ) -> None:
        self.brokers = 1
        """How many the cluster has: each producer connects to all of them."""
        self._settings = settings
        self._delivery_reports = delivery_reports
        self._on_fatal = on_fatal
        self._fixed_timeout = has_own_message_timeout(settings)
        self._shared: RequestProducer[T] | None = None
        self._own: set[RequestProducer[T]] = set()
        self._retired: list[RequestProducer[T]] = []
        self._watched: list[RequestProducer[T]] = []
        self._watched_count = self._made_count = 0

    def shared(self, timeout_s: float) -> RequestProducer[T]:
        """The process's one producer, for requests with at most this reply timeout (s)."""
        if self._shared is None or not self._suits(self._shared, timeout_s):
            if self._shared is not None:
                self._retire(self._shared)
            self._shared = self._made(timeout_s, shared=True)
        return self._shared

    def own(self, timeout_s: float) -> RequestProducer[T]:
        """A producer for one user, for requests with at most this reply timeout (s)."""
        self._check_limits()
        producer = self._made(timeout_s, shared=False)
        self._own.add(producer)
        return producer

    def suited(self, producer: RequestProducer[T], timeout_s: float) -> RequestProducer[T]:
        """This producer, or one in its place whose records may wait as long as this reply timeout (s) wants."""
        if self._suits(producer, timeout_s):
            return producer
        if producer not in self._own:
            return self.shared(timeout_s)
        self.take_back(producer)
        return self.own(timeout_s)

    def take_back(self, producer: RequestProducer[T]) -> None:
        """Its user is gone: an own producer is drained and closed in its native thread; the shared one stays."""
        if producer in self._own:
            self._own.remove(producer)
            self._retire(producer)

    def stop(self) -> None:
        """End them all; what is outstanding is reported as failed."""
        producers = [*self._own, *self._retired, *([self._shared] if self._shared else [])]
        for producer in producers:
            producer.stop()
        for producer in producers:
            producer.join()

    def note_waits(self, waits: BeforeWire, from_ns: int) -> None:
        """Add what producers have told of waits before the wire since the last call.

        Args:
            waits: where they are added.
            from_ns: what was told before it is passed over: the warm-up's.
        """
        waits.watched, waits.producers = self._watched_count, self._made_count
        counts = perf_counter_ns() >= from_ns
        for producer in self._watched[:]:
            ended = producer.ended  # asked first: what it told last is there then
            while producer.statistics:
                text = producer.statistics.popleft()
                if counts:
                    waits.add_statistics(text)
            if ended:
                self._watched.remove(producer)

    def _retire(self, producer: RequestProducer[T]) -> None:
        self._retired = [retired for retired in self._retired if not retired.ended]
        self._retired.append(producer)
        producer.retire()

    def _suits(self, producer: RequestProducer[T], timeout_s: float) -> bool:
        return self._fixed_timeout or timeout_s <= producer.timeout_s

    def _made(self, timeout_s: float, *, shared: bool) -> RequestProducer[T]:
        longest = self._settings.longest_timeout_s
        if timeout_s > longest:
            # In steps of powers of two: a user who asks for ever longer timeouts gets few producers.
            mantissa, exponent = math.frexp(timeout_s)
            longest = 2.0**exponent if mantissa > 0.5 else timeout_s
        watched = shared or sum(one in self._own for one in self._watched) < MAX_WATCHED
        config = producer_config(self._settings, shared=shared, longest_timeout_s=longest, watched=watched)
        producer: RequestProducer[T] = RequestProducer(config, self._delivery_reports, longest)
        self._made_count += 1
        if watched:
            self._watched.append(producer)
            self._watched_count += 1
        return producer

    def _check_limits(self) -> None:
        count = len(self._own) + 1
        files = count * (FILES_PER_PRODUCER + self.brokers) + FILES_FOR_THE_REST
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if limit != resource.RLIM_INFINITY and files > limit:
            self._refuse(count, f"{limit} open files (ulimit -n)")
        threads, most = count * (THREADS_PER_PRODUCER + self.brokers), _most_threads()
        if threads > most:
            self._refuse(count, f"{most:.0f} threads (ulimit -u, or the container's pids limit)")

    def _refuse(self, count: int, limit: str) -> None:
        self._on_fatal(RunInvalid(
            f"{count} producers with {self.brokers} brokers would pass the limit of {limit}: "
            'raise it, or set producers = "shared" on the user class'
        ))  # fmt: skip


def _most_threads() -> float:
    """How many threads this process may have; infinite when nobody says."""
    limits = [math.inf]
    if os.geteuid():  # root is exempt from the number of processes, which counts threads
        most = resource.getrlimit(resource.RLIMIT_NPROC)[0]
        limits.append(math.inf if most == resource.RLIM_INFINITY else most)
    try:
        text = Path("/sys/fs/cgroup/pids.max").read_text("ascii").strip()
    except OSError:
        text = "max"
    limits.append(float(text) if text.isdigit() else math.inf)
    return min(limits)
