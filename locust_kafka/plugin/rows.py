"""Locust's own rows: one per exchange, merged in batches.

`events.request.fire` costs about 5 µs each.  As long as nobody but Locust's own statistics listens, results are
gathered in fresh `StatsEntry` objects and merged a few times a second, the way the master merges its workers.  When
somebody listens, each row is fired as an event, in a greenlet of its own: a listener may take its time.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from time import perf_counter_ns

import gevent
from gevent.event import Event
from locust.env import Environment
from locust.exception import InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately, StopTest, StopUser
from locust.stats import StatsEntry, StatsError

from locust_kafka.core.books import Outcome
from locust_kafka.core.results import Pause, no_pause
from locust_kafka.exchange.exchange import Exchange
from locust_kafka.exchange.observer import Failure
from locust_kafka.plugin.compat import bucket, is_heard_elsewhere

logger = logging.getLogger("locust_kafka")

METHOD = "E2E"
SECOND_NS = 1_000_000_000

_MATCHED = Outcome.MATCHED
_WISHES = (
    StopUser, StopTest, RescheduleTask, RescheduleTaskImmediately, InterruptTaskSet, gevent.GreenletExit,
    gevent.Timeout,
)  # fmt: skip
"""What a listener may raise that Locust's event lets pass."""


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
        self._to_fire: deque[tuple[Exchange, Failure]] = deque()
        self._fire = Event()
        self._firer: gevent.Greenlet | None = None
        self._disconnected = self._closed = False
        self.listened = False
        """Whether anybody but Locust's own statistics listens to `request`: then each row is an event of its own."""

    def result(self, exchange: Exchange, failure: Failure) -> None:
        """The row of one ended exchange."""
        if self.listened:
            if not self._disconnected:
                self._to_fire.append((exchange, failure))
                self._fire.set()
            return
        row = self._row(exchange.name)
        at_ns = exchange.ended_ns + time.time_ns() - perf_counter_ns()
        row.last = max(row.last, at_ns / SECOND_NS)
        row.latencies.append(exchange.latency_ns)
        row.seconds.append(at_ns // SECOND_NS)
        row.length += len(exchange.reply) if exchange.outcome is _MATCHED else 0
        if failure is not None:
            row.failures += 1
            row.fails_at[at_ns // SECOND_NS] += 1
            self._count_error(exchange.name, failure)

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

    def flush(self, pause: Pause = no_pause) -> None:
        """Merge what was gathered into Locust's statistics, name by name."""
        self._refresh_listeners()
        for name in [*self._rows]:  # during a pause somebody else may have merged them
            if (row := self._rows.pop(name, None)) is not None and not self._disconnected:
                self._merge(name, row)
                pause()
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

    def close(self, patience_s: float) -> int:
        """Merge the last; wait for listeners so long at most (s).  How many rows they have not taken."""
        self.flush()
        if self._firer is not None:
            with gevent.Timeout(patience_s, False):
                while self._to_fire:
                    gevent.sleep(0.01)
            self._closed = True
            self._firer.kill(block=False)
        return len(self._to_fire)

    def disconnect(self) -> None:
        """A new run has cleared Locust's rows: what is still to come is not theirs."""
        self._disconnected = True
        self._to_fire.clear()

    def _refresh_listeners(self) -> None:
        self.listened = is_heard_elsewhere(self._environment)
        if self.listened and self._firer is None:
            self._firer = gevent.spawn(self._fire_all)

    def _row(self, name: str) -> _Row:
        row = self._rows.get(name)
        if row is None:
            row = self._rows[name] = _Row()
        return row

    def _merge(self, name: str, row: _Row) -> None:
        """Add the results of one name, as the master adds those of a worker."""
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
        # Microseconds, and whether there is more than them, decide the bucket: far fewer to ask for than nanoseconds.
        for halves, times in Counter([ns // 1000 + (ns - 1) // 1000 + 1 for ns in row.latencies]).items():
            entry.response_times[bucket(halves / 2000)] += times  # type: ignore[index] # Locust's keys are floats too
        entry.num_failures = row.failures
        entry.num_fail_per_sec.update(row.fails_at)
        stats.entries[(name, METHOD)].extend(entry)
        stats.total.extend(entry)

    def _fire_all(self) -> None:
        while True:
            self._fire.wait()
            self._fire.clear()
            while self._to_fire:
                self._fire_one(*self._to_fire[0])
                if self._to_fire:  # a new run may have cleared it meanwhile
                    self._to_fire.popleft()

    def _fire_one(self, exchange: Exchange, failure: Failure) -> None:
        milliseconds = exchange.latency_ns / 1e6
        began = (exchange.intended_ns + time.time_ns() - perf_counter_ns()) / SECOND_NS
        length = len(exchange.reply) if exchange.outcome is _MATCHED else 0
        try:
            self._environment.events.request.fire(
                request_type=METHOD, name=exchange.name, response_time=milliseconds, response_length=length,
                exception=failure, context=exchange.context, response=exchange.reply, start_time=began,
            )  # fmt: skip
        except _WISHES as wish:
            if self._closed:
                raise
            # Meant for a user's greenlet; this one serves all rows, and must go on.
            logger.warning("a request listener raised %r, which has no effect on this exchange's user", wish)

    def _count_error(self, name: str, failure: Exception | str) -> None:
        text = StatsError.parse_error(failure)
        error = self._errors.get((name, text))
        if error is None:
            error = self._errors[(name, text)] = StatsError(METHOD, name, failure)
        error.occurred()
