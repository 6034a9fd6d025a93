"""Locust's own rows: one per exchange, merged in batches.

`events.request.fire` costs about 5 µs each.  As long as nobody but Locust's own statistics listens, results are
gathered in fresh `StatsEntry` objects and merged a few times a second, the way the master merges its workers.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from locust import stats as locust_stats
from locust.env import Environment
from locust.exception import InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately, StopTest, StopUser
from locust.stats import StatsEntry, StatsError

logger = logging.getLogger("locust_kafka")

METHOD = "E2E"
FLUSH_S = 0.25

Failure = Exception | str | None


class Statistics:
    """Collects results for Locust.

    Args:
        environment: whose statistics and `request` event are served.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._batch: dict[str, StatsEntry] = {}
        self._errors: dict[tuple[str, str], StatsError] = {}
        self._detached = False

    def result(
        self,
        name: str,
        response_time_ms: float,
        length: int,
        failure: Failure,
        context: dict[str, Any],
        response: Any,
    ) -> None:
        """One row's worth: an exchange that ended now."""
        if self._someone_listens():
            self._fire_singly(name, response_time_ms, length, failure, context, response)
            return
        now = time.time()
        entry = self._batch.get(name)
        if entry is None:
            # Its start is the run's: an older one would drag the total's start back when it is merged.
            entry = self._batch[name] = StatsEntry(self._environment.stats, name, METHOD)
            entry.start_time = now
        second = int(now)
        entry.num_requests += 1
        entry.num_reqs_per_sec[second] += 1
        entry.last_request_timestamp = now
        entry.total_content_length += length
        entry.total_response_time += response_time_ms  # type: ignore[assignment] # Locust adds floats too
        if entry.min_response_time is None or response_time_ms < entry.min_response_time:
            entry.min_response_time = response_time_ms  # type: ignore[assignment]
        if response_time_ms > entry.max_response_time:
            entry.max_response_time = response_time_ms  # type: ignore[assignment]
        entry.response_times[locust_stats.bucket_response_time(response_time_ms)] += 1
        if failure is not None:
            entry.num_failures += 1
            entry.num_fail_per_sec[second] += 1
            self._count_error(name, failure)

    def remark(self, name: str, what: str) -> None:
        """A line in the Failures table that fails no request: a late or duplicate reply."""
        self._count_error(name, what)

    def flush(self) -> None:
        """Merge the batch into Locust's statistics."""
        batch, self._batch = self._batch, {}
        errors, self._errors = self._errors, {}
        if self._detached:
            return
        stats = self._environment.stats
        for name, entry in batch.items():
            # A batch is younger than the rows it joins, whatever was cleared meanwhile.
            entry.start_time = max(entry.start_time, stats.start_time)
            stats.entries[(name, METHOD)].extend(entry)
            stats.total.extend(entry)
        for error in errors.values():
            key = StatsError.create_key(error.method, error.name, error.error)
            existing = stats.errors.setdefault(key, StatsError(error.method, error.name, error.error))
            existing.occurrences += error.occurrences
            existing.first_seen = existing.first_seen or error.first_seen
            existing.last_seen = error.last_seen

    def discard(self) -> None:
        """Forget the batch: Locust's rows were reset after these results."""
        self._batch = {}
        self._errors = {}

    def detach(self) -> None:
        """A new run has cleared Locust's rows: what this one still has is not theirs."""
        self._detached = True

    def _fire_singly(
        self, name: str, response_time_ms: float, length: int, failure: Failure, context: dict[str, Any], response: Any
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

    def _someone_listens(self) -> bool:
        # Locust's runner adds its one listener when it is made; `run_single_user` has no runner.
        handlers = self._environment.events.request._handlers  # noqa: SLF001 - there is no public way to ask
        return not (len(handlers) == 1 and _is_locusts_own(handlers[0]))


def _is_locusts_own(handler: Callable[..., Any]) -> bool:
    return getattr(handler, "__module__", "") == "locust.runners"
