"""Samples a run once a second, on the whole seconds of the wall clock, so that workers' seconds are the same."""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent

from locust_kafka.core.books import Outcome
from locust_kafka.core.counters import Counters
from locust_kafka.core.history import History, Second
from locust_kafka.core.latency import LatencySeries
from locust_kafka.core.results import RunResults
from locust_kafka.exchange.exchange import Exchange
from locust_kafka.exchange.observer import LaterReply

_UNDELIVERED = Outcome.UNDELIVERED
MAX_UNREPORTED = 60
"""Seconds that a worker keeps for its next report."""


class Sampler:
    """An observer that keeps the history of a run.

    Args:
        results: gives the results up to now.
        users: gives the number of Kafka users now.
        hub_lag_ns: gives the longest lag of the hub since it was asked last.
    """

    each = False

    def __init__(
        self, results: Callable[[], RunResults], users: Callable[[], int], hub_lag_ns: Callable[[], int]
    ) -> None:
        self.history = History()
        self._unreported: list[Second] = []
        self._results, self._users, self._hub_lag_ns = results, users, hub_lag_ns
        self._latencies = LatencySeries()
        self._before = Counters()
        # The wall clock as of the run's begin: a clock that is set meanwhile must not stretch or fold a second.
        self._wall_offset_s = time.time() - time.perf_counter()
        self._at_s, self._cpu_s = self._now_s(), time.thread_time()
        self._greenlet: gevent.Greenlet | None = None

    def start(self) -> None:
        """The run is open: sample from now on."""
        self._at_s, self._cpu_s = self._now_s(), time.thread_time()
        self._greenlet = gevent.spawn(self._sample_each_second)

    def take_unreported(self) -> list[Second]:
        """The seconds that the master has not been sent yet."""
        seconds, self._unreported = self._unreported, []
        return seconds

    def ended(self, exchange: Exchange) -> None:
        """Nothing: batches are enough."""

    def complete(self, batch: list[Exchange]) -> None:
        """Gather the latencies of what has ended."""
        self._latencies.extend([one.latency_ns for one in batch if one.outcome is not _UNDELIVERED])

    def later_reply(self, later: LaterReply) -> str | None:
        """Nothing: later replies are counted in the books."""

    def flush(self) -> None:
        """Count what was gathered."""
        self._latencies.aggregate()

    def reset(self) -> None:
        """Nothing: the history is of the whole run."""

    def close(self) -> None:
        """Take the last, shorter second."""
        if self._greenlet is not None:
            self._greenlet.kill()
            self.sample()

    def sample(self) -> None:
        """End the present second."""
        results, now_s, now_cpu_s = self._results(), self._now_s(), time.thread_time()
        length_s = max(now_s - self._at_s, 1e-3)
        counters = Counters.of(results)
        second = Second(
            round(now_s), length_s, counters.since(self._before), self._latencies,
            results.total.pending, self._users(), self._hub_lag_ns(), min(1.0, (now_cpu_s - self._cpu_s) / length_s),
        )  # fmt: skip
        self._before, self._at_s, self._cpu_s, self._latencies = counters, now_s, now_cpu_s, LatencySeries()
        self._unreported = [*self._unreported, second][-MAX_UNREPORTED:]
        self.history.add(second)

    def _sample_each_second(self) -> None:
        while True:
            gevent.sleep(1.0 - self._now_s() % 1.0)
            self.sample()

    def _now_s(self) -> float:
        return time.perf_counter() + self._wall_offset_s
