"""A reply to a request that was sent by other means: over HTTP, say, with the answer on a Kafka topic."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from time import perf_counter_ns

import gevent
from confluent_kafka import KafkaException
from gevent.event import AsyncResult
from gevent.hub import Waiter

from locust_kafka.core.books import Outcome
from locust_kafka.core.routing import Partition
from locust_kafka.core.traceparent import request_traceparent
from locust_kafka.exchange.exchange import Exchange
from locust_kafka.exchange.observer import Failure
from locust_kafka.kafka.cluster import Cluster
from locust_kafka.plugin.arguments import reply_timeout_s, request_name
from locust_kafka.plugin.classes import ClassSettings
from locust_kafka.plugin.payloads import NO_PAYLOAD, Hook, Payload, deserialize
from locust_kafka.plugin.reply import Reply, row_failure
from locust_kafka.run.run import Run

_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")


class Expected:
    """An exchange that waits for its reply.

    Attributes:
        correlation_id: what the reply must carry, by the run's matching rule.
        traceparent: W3C header for the request, so that the service can hand it on.
    """

    __slots__ = ("_exchange", "_reading", "_waiter", "correlation_id", "traceparent")

    def __init__(
        self, exchange: Exchange, waiter: Waiter[None], traceparent: str, reading: _Reading | None = None
    ) -> None:
        self._exchange, self._waiter, self._reading = exchange, waiter, reading
        self.correlation_id = exchange.correlation_id.decode("utf-8", "backslashreplace")
        self.traceparent = traceparent

    def wait(self) -> Reply:
        """Wait for the reply, or the timeout, which raises nothing: it is a failed row."""
        if self._exchange.outcome is None:
            self._waiter.get()
        if self._reading is None or self._exchange.outcome is not Outcome.MATCHED:
            return Reply(self._exchange)
        return Reply(self._exchange, self._reading.payload.get())


class _Reading:
    """Deserializes the reply in a greenlet of its own, as `on_reply`: `wait()` may never be called."""

    def __init__(self, run: Run, deserializer: Hook) -> None:
        self.payload: AsyncResult[Payload] = AsyncResult()
        self._run, self._deserializer = run, deserializer

    def __call__(self, ended: Exchange) -> Failure:
        payload = NO_PAYLOAD
        try:
            payload = deserialize(self._deserializer, ended, self._run.recorder.measure)
        finally:
            self.payload.set(payload)
        return row_failure(ended, self._run.recorder, payload)


def expect(
    run: Run,
    settings: ClassSettings,
    correlation_id: str | bytes | None,
    name: str | None,
    timeout: float | None,
    intended: Callable[[int], int],
) -> Expected:
    """Register an exchange whose request somebody else sends; see `KafkaClient.expect`."""
    if correlation_id is not None and not isinstance(correlation_id, (str, bytes)):
        raise TypeError(f"the correlation id must be str, bytes or None, not {type(correlation_id).__name__}")
    _read_all(run)
    called = request_name(settings.reply_topic if name is None else name)
    timeout_s = settings.reply_timeout_s if timeout is None else reply_timeout_s(timeout)
    if not run.is_open:
        run.await_may_send()
    trace_id = run.ids.new()[0]
    wanted = trace_id
    if correlation_id is not None:
        wanted = correlation_id.encode() if isinstance(correlation_id, str) else correlation_id
        if run.rule.ours:
            if not _TRACE_ID.fullmatch(wanted.decode("ascii", "replace")):
                raise ValueError(f"the correlation id {correlation_id!r} is no trace id: use 32 lower-case hex digits")
            trace_id = wanted
            run.engine.accept_other_ids()
        if not wanted:
            raise ValueError("the correlation id is empty: no reply could be matched to it")
    now_ns = perf_counter_ns()
    start_ns = intended(now_ns)
    deadline_ns = start_ns + int(timeout_s * 1e9)
    sampled = run.tracer is not None and run.tracer.sample(trace_id, now_ns)
    exchange = Exchange(wanted, called, start_ns, now_ns, deadline_ns, trace_id, settings.request_topic)
    waiter = exchange.wakeup = Waiter()
    exchange.sampled = sampled
    exchange.never_queued = True  # there will be no delivery report
    reading = exchange.validator = None if settings.deserializer is None else _Reading(run, settings.deserializer)
    run.engine.register(exchange)
    return Expected(exchange, waiter, request_traceparent(trace_id, sampled=sampled).decode(), reading)


def _read_all(run: Run) -> None:
    """Read all reply partitions from here on: the reply may come to any of them."""
    with run.routing.widening:  # whoever comes second must not go on before the first has seen to it
        unread, connection = run.routing.unread(), run.connection
        if unread and connection is not None:
            # Explicit offsets, asked before anybody sends: whatever is written later is read, however late that begins.
            connection.consumer.add(gevent.get_hub().threadpool.apply(_ends, (connection.cluster, unread)))
        run.routing.widen()


def _ends(cluster: Cluster, partitions: list[Partition]) -> dict[Partition, int]:
    """Where they end, also when that takes a while; gevent's thread pool prints the traceback of what is raised."""
    while True:
        with contextlib.suppress(KafkaException):
            return cluster.ends(partitions)
