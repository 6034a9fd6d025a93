"""Locust's own rows: one per exchange, merged in batches.

`events.request.fire` costs about 5 µs each.  As long as nobody but Locust's own statistics listens, results are
gathered in fresh `StatsEntry` objects and merged a few times a second, the way the master merges its workers.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from locust import stats as locust_stats
from locust.env import Environment
from locust.exception import InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately, StopTest, StopUser
from locust.stats import StatsEntry, StatsError

if TYPE_CHECKING:
    from locust_kafka.exchange.exchange import Exchange

logger = logging.getLogger("locust_kafka")

METHOD = "E2E"
SECOND_NS = 1_000_000_000
FLUSH_S = 0.25

Failure = Exception | str | None


class _Row:
    """The results of one request name: gathered only, counted when they are merged."""

    __slots__ = ("fails_at", "failures", "last", "latencies", "length", "seconds")

    def __init__(self) -> None:
        self.last = 0.0
        self.latencies: list[int] = []
        self.seconds: list[int] = []
        self.length = 0
        self.failures = 0
        self.fails_at: Counter[int] = Counter()


class LocustRows:
    """Collects results for Locust.

    Args:
        environment: whose statistics and `request` event are served.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._rows: dict[str, _Row] = {}
        self._errors: dict[tuple[str, str], StatsError] = {}
        self._disconnected = False
        self.listened = False
        """Whether anybody but Locust's own statistics listens to `request`: then each row is an event of its own."""

    def refresh_listeners(self) -> None:
        """Find out who listens now."""
        # Locust's runner adds its one listener when it is made; `run_single_user` has no runner.
        handlers = self._environment.events.request._handlers  # noqa: SLF001 - there is no public way to ask
        self.listened = not (len(handlers) == 1 and _is_locusts_own(handlers[0]))

    def result(
        self,
        name: str,
        latency_ns: int,
        length: int,
        failure: Failure,
        context: Mapping[str, Any],
        response: Any,
    ) -> None:
        """One row's worth: an exchange that ended now."""
        if self.listened:
            self._fire_singly(name, latency_ns / 1e6, length, failure, context, response)
            return
        row = self._row(name)
        row.last = time.time()
        row.latencies.append(latency_ns)
        row.seconds.append(int(row.last))
        row.length += length
        if failure is not None:
            row.failures += 1
            row.fails_at[int(row.last)] += 1
            self._count_error(name, failure)

    def matched(self, name: str, exchanges: list[Exchange]) -> None:
        """Rows of many exchanges that were matched, and not looked at by the user's code."""
        if not exchanges:
            return
        wall_ns = time.time_ns() - perf_counter_ns()
        row = self._row(name)
        row.latencies += [x.ended_ns - x.intended_ns for x in exchanges]
        row.seconds += [(x.ended_ns + wall_ns) // SECOND_NS for x in exchanges]
        row.last = max(row.last, (exchanges[-1].ended_ns + wall_ns) / SECOND_NS)
        row.length += sum([len(x.reply) for x in exchanges])

    def add_failure_note(self, name: str, what: str) -> None:
        """A line in the Failures table that fails no request: a late or duplicate reply."""
        self._count_error(name, what)

    def flush(self) -> None:
        """Merge what was gathered into Locust's statistics."""
        self.refresh_listeners()
        rows, self._rows = self._rows, {}
        for name, row in rows.items():
            self._merge(name, row)
        errors, self._errors = self._errors, {}
        if self._disconnected:
            return
        stats = self._environment.stats
        for error in errors.values():
            key = StatsError.create_key(error.method, error.name, error.error)
            existing = stats.errors.setdefault(key, StatsError(error.method, error.name, error.error))
            existing.occurrences += error.occurrences
            existing.first_seen = existing.first_seen or error.first_seen
            existing.last_seen = error.last_seen

    def disconnect(self) -> None:
        """A new run has cleared Locust's rows: what this one still has is not theirs."""
        self._disconnected = True

    def _row(self, name: str) -> _Row:
        row = self._rows.get(name)
        if row is None:
            row = self._rows[name] = _Row()
        return row

    def _merge(self, name: str, row: _Row) -> None:
        """Add the results of one name, as the master adds those of a worker."""
        if self._disconnected:
            return
        stats = self._environment.stats
        entry = StatsEntry(stats, name, METHOD)
        entry.start_time = stats.start_time  # its own is younger: it would drag the total's start
        entry.num_requests = len(row.latencies)
        entry.num_reqs_per_sec.update(Counter(row.seconds))
        entry.last_request_timestamp = row.last
        entry.total_content_length = row.length
        entry.total_response_time = sum(row.latencies) / 1e6  # type: ignore[assignment] # Locust adds floats too
        entry.min_response_time = min(row.latencies) / 1e6  # type: ignore[assignment]
        entry.max_response_time = max(row.latencies) / 1e6  # type: ignore[assignment]
        bucket = locust_stats.bucket_response_time
        # Microseconds decide the bucket: far fewer to ask for than nanoseconds.
        for us, times in Counter([latency // 1000 for latency in row.latencies]).items():
            entry.response_times[bucket(us / 1000)] += times
        entry.num_failures = row.failures
        entry.num_fail_per_sec.update(row.fails_at)
        stats.entries[(name, METHOD)].extend(entry)
        stats.total.extend(entry)

    def _fire_singly(
        self,
        name: str,
        response_time_ms: float,
        length: int,
        failure: Failure,
        context: Mapping[str, Any],
        response: Any,
    ) -> None:
        try:
            self._environment.events.request.fire(
                request_type=METHOD, name=name, response_time=response_time_ms, response_length=length,
                exception=failure, context=context, response=response, start_time=time.time() - response_time_ms / 1e3,
            )  # fmt: skip
        except (StopUser, StopTest, RescheduleTask, RescheduleTaskImmediately, InterruptTaskSet) as wish:
            # Meant for a user's greenlet, but raised in the one that judges all replies, which must go on.
            logger.warning("a request listener raised %r, which has no effect on this exchange's user", wish)

    def _count_error(self, name: str, failure: Exception | str) -> None:
        text = StatsError.parse_error(failure)
        error = self._errors.get((name, text))
        if error is None:
            error = self._errors[(name, text)] = StatsError(METHOD, name, failure)
        error.occurred()


def _is_locusts_own(handler: Callable[..., Any]) -> bool:
    return getattr(handler, "__module__", "") == "locust.runners"
