"""How one user sends: from checked arguments to a produced record, with its arrival and its producer."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import gevent
from confluent_kafka import KafkaException
from gevent.hub import Waiter
from locust import User

from locust_kafka.core.traceparent import request_traceparent
from locust_kafka.exchange.exchange import Exchange
from locust_kafka.exchange.validation import failure_of
from locust_kafka.kafka.causes import BrokerError, delivery_failure
from locust_kafka.kafka.pool import WARM_NS
from locust_kafka.kafka.producer import RequestProducer
from locust_kafka.plugin.arguments import (
    DefaultKey,
    HeaderInput,
    HeaderList,
    Value,
    parent_context,
    payload,
    record_key,
    reply_timeout_s,
    request_headers,
    request_name,
)
from locust_kafka.plugin.classes import ClassSettings
from locust_kafka.plugin.payloads import Hook, serialize
from locust_kafka.plugin.topics import unknown_topic

if TYPE_CHECKING:
    from locust_kafka.run.run import Run

QUEUE_FULL_PAUSE_S = 0.002
REFUSED_PAUSE_S, MAX_REFUSED_PAUSE_S = 0.01, 1.0
"""After an immediate refusal, doubled with each further one: a refused user must not spin."""
MAX_TASKS_WITHOUT_YIELD = 16
MAX_NAMES_CHECKED = 10_000
_UUID = DefaultKey.UUID


class RequestSender:
    """The sending half of a user's Kafka client.

    Args:
        user: whose it is.
        run: the run it belongs to.
        settings: what holds for the user's class.
    """

    def __init__(self, user: User, run: Run, settings: ClassSettings) -> None:
        self._user = user
        self._run = run
        self._settings = settings
        self._timeout_ns = int(settings.reply_timeout_s * 1e9)
        self._reply_to = (run.settings.reply_to_header, run.own_topics.topic_for(settings.reply_topic))
        self._partitions = run.routing.headers.get(settings.reply_topic, {})
        self._reserved = (self._reply_to[0], run.routing.header) if self._partitions else self._reply_to[:1]
        self._producer: RequestProducer[Exchange] | None = None
        self._usable_from_ns = 0
        self._gone = False
        self._arrival_ns: int | None = None
        self._began_ns = 0
        self._tasks_without_yield = 0
        self._user_was_waiting = False
        self._last_iteration = -1
        self._refused_in_a_row = 0
        self._names: set[str] = set()
        self._hub = gevent.get_hub()
        run.users += 1
        if run.is_open:  # else there is nobody to connect to
            self._use(self._new_producer(settings.reply_timeout_s))

    def begin_task(self) -> None:
        """A task of the user begins: in the open model, as soon as an arrival is due for it."""
        if self._run.has_plan and self._run.is_open:
            self._arrival_ns = self._take_arrival()

    def yield_to_hub(self) -> None:
        """Between tasks: let others have a turn, if this user has had many without waiting for anything."""
        self._tasks_without_yield += 1
        if self._tasks_without_yield > MAX_TASKS_WITHOUT_YIELD:
            self._tasks_without_yield = 0
            gevent.sleep(0)

    def close(self) -> None:
        """Its user is gone: the producer drains its outstanding deliveries, then closes."""
        self._gone = True
        self._run.users -= 1
        if self._producer is not None:
            self._run.pool.take_back(self._producer)
        self._producer = None

    def _take_arrival(self) -> int:
        """Wait for the user's next arrival; its intended start."""
        run = self._run
        arrivals = run.arrivals or run.await_plan()
        if self._usable_from_ns:
            self._await_producer()  # before it takes an arrival, not on the arrival's time
        intended_ns = arrivals.take()
        # A late start is the generator's fault when the user was there, or was kept from being there by nothing but us.
        self._user_was_waiting = self._hub.loop.iteration == self._last_iteration
        if intended_ns is None:
            intended_ns = arrivals.wait()
            self._tasks_without_yield, self._user_was_waiting = 0, True
        self._began_ns = perf_counter_ns()
        if self._user_was_waiting and run.self_check is not None:
            run.self_check.started(intended_ns, self._began_ns)
        self.yield_to_hub()
        self._last_iteration = self._hub.loop.iteration  # its task begins: whether that takes a turn of the hub shows
        return intended_ns

    def _send(
        self,
        value: Value,
        key: Value | DefaultKey,
        headers: HeaderInput,
        name: str | None,
        topic: str | None,
        timeout: float | None,
        wakeup: Waiter[None] | None,
        *,
        until_ack: bool = False,
        deferred: bool = False,
        validator: Callable[[Exchange], object] | None = None,
    ) -> Exchange:
        """Check what was given, begin an exchange and produce its request."""
        run, settings = self._run, self._settings
        body = value if type(value) is bytes else payload(value)
        own_headers = None if headers is None else request_headers(headers, self._reserved)
        topic = settings.request_topic if topic is None else topic
        if name is None or name not in self._names:
            name = self._checked_name(topic if name is None else name)
        timeout_s = 0.0 if timeout is None else reply_timeout_s(timeout)
        own_key = None if key is _UUID else record_key(key)
        if not run.is_open:
            run.await_may_send()
        missing = unknown_topic(run, topic) if topic not in run.topics else ""
        producer = self._producer
        if producer is None or timeout_s or self._usable_from_ns:
            producer = self._ready_producer(timeout_s)

        trace_id, traceparent, default_key = new = run.ids.new()
        record = default_key if key is _UUID else own_key
        sampled = run.tracer is not None and run.tracer.sample(trace_id, perf_counter_ns())
        traceparent = request_traceparent(trace_id, sampled=True) if sampled else traceparent
        all_headers: HeaderList = [("traceparent", traceparent), self._reply_to]
        if self._partitions:
            all_headers.append(self._partitions[trace_id[30:]])
        root_id = parent_id = b""
        if own_headers is not None:
            trace_id, root_id, parent_id, sampled, all_headers = self._joined(
                own_headers, trace_id, sampled=sampled, ours=all_headers
            )
        correlation_id = trace_id if run.rule.ours else self._correlation_id(trace_id, record, body, all_headers)
        now_ns = perf_counter_ns()
        intended_ns = now_ns if self._arrival_ns is None else self._start_of(now_ns)
        deadline_ns = intended_ns + (int(timeout_s * 1e9) or self._timeout_ns)
        exchange = Exchange(correlation_id, name, intended_ns, now_ns, deadline_ns, trace_id, topic, record, wakeup)
        exchange.sampled, exchange.root_span_id, exchange.parent_span_id = sampled, root_id, parent_id
        exchange.until_ack, exchange.deferred, exchange.validator = until_ack, deferred, validator
        if run.recorder.rows.listened:
            exchange.context = self._user.context()
        run.engine.register(exchange, fresh=correlation_id is new[0])
        if missing:
            self._refused(exchange, missing)
        else:
            self._produce(producer, exchange, body, all_headers)
        return exchange

    def _send_serialized(
        self,
        serializer: Hook,
        value: Any,
        key: Value | DefaultKey,
        headers: HeaderInput,
        name: str | None,
        topic: str | None,
        *more: Any,
        **options: Any,
    ) -> Exchange:
        """As `_send`, of a value that is serialized first: the clock of the exchange does not run yet."""
        own = [] if headers is None else request_headers(headers, self._reserved)
        body, took_ns = serialize(serializer, value, self._settings.request_topic if topic is None else topic, own)
        exchange = self._send(body, key, own or None, name, topic, *more, **options)
        self._run.recorder.measure.payload("serialize", exchange, took_ns)
        return exchange

    def _joined(
        self, own: HeaderList, trace_id: bytes, *, sampled: bool, ours: HeaderList
    ) -> tuple[bytes, bytes, bytes, bool, HeaderList]:
        """The user's headers beside ours: trace id, root and parent span id, whether it is sampled, and all of them."""
        context, own = parent_context(own)
        if context is None:
            return trace_id, b"", b"", sampled, ours + own
        # The user has begun the trace: its span is the parent of our root, and its flag decides, as with any service.
        root_id = trace_id[16:]
        sampled = bool(context.flags & 1) and self._run.tracer is not None
        if self._run.rule.ours:
            self._run.engine.accept_other_ids()
        traceparent = b"00-%b-%b-%02x" % (context.trace_id, root_id, context.flags)
        return context.trace_id, root_id, context.span_id, sampled, [("traceparent", traceparent), *ours[1:], *own]

    def _correlation_id(self, trace_id: bytes, key: bytes | None, body: bytes | None, headers: HeaderList) -> bytes:
        """What another rule takes for the id; a header that the user did not give is filled in."""
        rule = self._run.rule
        found = rule.of_request(key, body, headers)
        if found is None and rule.header:
            headers.append((rule.header, trace_id))
        elif found is None and rule.text == "key":
            raise ValueError("key=None cannot be matched: with --kafka-match key every request needs a key of its own")
        return found or trace_id

    def _start_of(self, now_ns: int) -> int:
        """From when on a request counts: the first of a task from its arrival, without what its user did before."""
        if self._arrival_ns is None:
            return now_ns
        arrival_ns, self._arrival_ns = self._arrival_ns, None
        return now_ns - (self._began_ns - (arrival_ns or self._began_ns))

    def _produce(
        self, producer: RequestProducer[Exchange], exchange: Exchange, body: bytes | None, headers: HeaderList
    ) -> None:
        run = self._run
        run.recorder.results.request_bytes += len(body or b"")
        try:
            while True:
                try:
                    producer.produce(exchange, exchange.topic, body, exchange.key, headers)
                    if run.tracer is not None:
                        exchange.produced_ns = perf_counter_ns()
                    self._refused_in_a_row = 0
                    return
                except BufferError:
                    gevent.sleep(QUEUE_FULL_PAUSE_S)
                    if exchange.outcome is not None:  # it ended before librdkafka had room for it
                        exchange.never_queued = True
                        return
                    exchange.sent_ns = perf_counter_ns()
        except KafkaException as refused:
            error = refused.args[0]
            self._refused(exchange, delivery_failure(exchange.topic, BrokerError(error.name(), error.str())))
        except BaseException:
            run.engine.not_sent(exchange, "its user was stopped before it was sent")
            self._report_deferred(exchange)
            raise

    def _refused(self, exchange: Exchange, reason: str) -> None:
        """It never left; whoever is refused again and again pauses for longer and longer, at most for a second."""
        self._run.engine.not_sent(exchange, reason)
        pause_s = min(REFUSED_PAUSE_S * 2**self._refused_in_a_row, MAX_REFUSED_PAUSE_S)
        self._refused_in_a_row = min(self._refused_in_a_row + 1, 10)
        gevent.sleep(pause_s)

    def _report_deferred(self, exchange: Exchange) -> None:
        """Its user is gone, so nobody is left to report the row."""
        if exchange.deferred:
            exchange.deferred = False
            if exchange.outcome is not None:
                self._run.recorder.report(exchange, failure_of(exchange))

    def _checked_name(self, name: str) -> str:
        checked = request_name(name)
        if len(self._names) < MAX_NAMES_CHECKED:
            self._names.add(checked)
        return checked

    def _ready_producer(self, timeout_s: float) -> RequestProducer[Exchange]:
        """A producer that can be used, and whose records may wait as long as the timeout wants (0: the class's)."""
        producer = self._producer
        if producer is None:
            if self._gone:  # a greenlet that its user has left behind
                return self._run.pool.shared(timeout_s or self._settings.reply_timeout_s)
            producer = self._use(self._new_producer(timeout_s or self._settings.reply_timeout_s))
        if timeout_s > producer.timeout_s and (suited := self._run.pool.suited(producer, timeout_s)) is not producer:
            producer = self._use(suited)
        if self._usable_from_ns:
            self._await_producer()
        return producer

    def _new_producer(self, timeout_s: float) -> RequestProducer[Exchange]:
        pool = self._run.pool
        return pool.shared(timeout_s) if self._settings.shared_producer else pool.own(timeout_s)

    def _use(self, producer: RequestProducer[Exchange]) -> RequestProducer[Exchange]:
        self._producer, self._usable_from_ns = producer, producer.made_ns + WARM_NS
        return producer

    def _await_producer(self) -> None:
        gevent.sleep(max(0.0, (self._usable_from_ns - perf_counter_ns()) / 1e9))
        self._usable_from_ns = 0
