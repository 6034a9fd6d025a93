"""What a locustfile calls: `self.kafka.request(...)` and `self.kafka.send(...)`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter_ns
from typing import TYPE_CHECKING, Literal, overload

import gevent
from confluent_kafka import KafkaException, Producer
from gevent.hub import Waiter

from locust_kafka.core.traceparent import root_span_id, traceparent_of
from locust_kafka.exchange import Live
from locust_kafka.reply import CheckedReply, Reply, Sent

if TYPE_CHECKING:
    from locust_kafka.lifecycle import Run
    from locust_kafka.user import KafkaUser

Value = bytes | str | None
HeaderInput = Mapping[str, bytes | str] | Sequence[tuple[str, bytes | str]] | None
QUEUE_FULL_PAUSE_S = 0.002


class KafkaClient:
    """One user's way to Kafka, as `self.kafka`.

    Args:
        user: whose it is.
        run: the run it belongs to.
    """

    def __init__(self, user: KafkaUser, run: Run) -> None:
        self._user = user
        self._run = run
        self._arrival_ns: int | None = None
        self._producer: Producer | None = None
        self._warm_ns = 0
        if run.is_open:  # else there is nobody to connect to
            self._producer, self._warm_ns = (
                run.producers.shared() if user.producers == "shared" else run.producers.own()
            )

    @overload
    def request(
        self, value: Value, *, key: Value = ..., headers: HeaderInput = ..., name: str | None = ...,
        topic: str | None = ..., timeout: float | None = ..., catch_response: Literal[False] = ...,
    ) -> Reply: ...  # fmt: skip

    @overload
    def request(
        self, value: Value, *, key: Value = ..., headers: HeaderInput = ..., name: str | None = ...,
        topic: str | None = ..., timeout: float | None = ..., catch_response: Literal[True],
    ) -> CheckedReply: ...  # fmt: skip

    def request(
        self,
        value: Value,
        *,
        key: Value = None,
        headers: HeaderInput = None,
        name: str | None = None,
        topic: str | None = None,
        timeout: float | None = None,
        catch_response: bool = False,
    ) -> Reply:
        """Send a request and wait for its outcome (closed model).  A timeout raises nothing: it is a failed row.

        Args:
            value: the record's value; text is sent as UTF-8.
            key: the record's key; a random UUID by default.
            headers: more headers; traceparent and reply-to are added.
            name: of its row in the statistics; the topic by default.
            topic: the request topic; the user class's by default.
            timeout: the reply timeout in seconds; the user class's by default.
            catch_response: return a reply for a `with` block that decides about the row.

        Raises:
            CorrelationIdInUse: with `--kafka-match key` or `header:`, when the id is that of another request.
        """
        exchange = self._begin(name, topic, timeout)
        exchange.waiter = Waiter()
        exchange.deferred = catch_response
        try:
            self._produce(exchange, value, key, headers)
            if exchange.outcome is None:
                exchange.waiter.get()
        except BaseException:
            exchange.deferred = False  # the user is gone: nobody is left to report the row
            raise
        return CheckedReply(exchange, self._run.outlet) if catch_response else Reply(exchange)

    def send(
        self,
        value: Value,
        *,
        key: Value = None,
        headers: HeaderInput = None,
        name: str | None = None,
        topic: str | None = None,
        timeout: float | None = None,
        wait_for_ack: bool = True,
        on_reply: Callable[[Reply], object] | None = None,
    ) -> Sent:
        """Send a request and return at the broker's ack, or at once; the exchange is tracked all the same (open model).

        Args:
            value: as in `request`, and so are key, headers, name, topic and timeout.
            key: as in `request`.
            headers: as in `request`.
            name: as in `request`.
            topic: as in `request`.
            timeout: as in `request`.
            wait_for_ack: False returns as soon as the record is in librdkafka's queue.
            on_reply: is called with a matched reply; what it returns (if true) or raises is the row's failure.  It
                runs in the greenlet that judges all replies: it must not wait for anything.

        Raises:
            CorrelationIdInUse: as in `request`.
        """
        exchange = self._begin(name, topic, timeout)
        if on_reply is not None:
            exchange.check = lambda ended: on_reply(Reply(ended))
        if wait_for_ack:
            exchange.ack_waiter = Waiter()
        self._produce(exchange, value, key, headers)
        if wait_for_ack and not exchange.acked_ns and exchange.outcome is None and exchange.ack_waiter is not None:
            exchange.ack_waiter.get()
        return Sent(exchange, waited=wait_for_ack)

    def await_arrival(self) -> None:
        """Open model: wait for this user's next arrival; its request will count from the intended instant."""
        self._arrival_ns = None
        schedule = self._run.schedule
        if schedule is None:
            return
        self._warm_up()  # before it takes an arrival, not on the arrival's time
        intended_ns = schedule.take(perf_counter_ns())
        try:
            remaining_s = (intended_ns - perf_counter_ns()) / 1e9
            gevent.sleep(max(0.0, remaining_s))
        except BaseException:
            schedule.give_back(intended_ns)
            raise
        self._arrival_ns = intended_ns

    def close(self) -> None:
        """Its user is gone: let the producer hear what is outstanding, then go."""
        if self._arrival_ns is not None and self._run.schedule is not None:
            self._run.schedule.give_back(self._arrival_ns)
            self._arrival_ns = None
        if self._producer is not None:
            self._run.producers.take_back(self._producer)
        self._producer = None

    def _warm_up(self) -> None:
        if self._warm_ns:
            gevent.sleep(max(0.0, (self._warm_ns - perf_counter_ns()) / 1e9))
            self._warm_ns = 0

    def _begin(self, name: str | None, topic: str | None, timeout: float | None) -> Live:
        run = self._run
        self._warm_up()
        run.await_open()
        if run.schedule is not None and self._arrival_ns is None:
            self.await_arrival()
            run.await_open()
        trace_id = run.ids.new()
        now = perf_counter_ns()
        intended_ns, self._arrival_ns = self._arrival_ns or now, None
        timeout_s = self._user.reply_timeout if timeout is None else timeout
        topic = topic or self._user.request_topic
        exchange = Live(
            trace_id, name or topic, intended_ns, now, intended_ns + int(timeout_s * 1e9), trace_id.decode(), topic
        )
        tracer = run.outlet.tracer
        exchange.sampled = tracer is not None and tracer.sample(trace_id, now)
        exchange.context = self._user.context()
        return exchange

    def _produce(self, exchange: Live, value: Value, key: Value, headers: HeaderInput) -> None:
        run, producer = self._run, self._producer
        assert producer is not None
        key_bytes = run.ids.key() if key is None else _bytes(key)
        value_bytes = _bytes(value)
        exchange.key = key_bytes
        trace_id = exchange.trace_id.encode()
        traceparent = traceparent_of(trace_id, root_span_id(trace_id), exchange.sampled)
        all_headers: list[tuple[str, bytes | str]] = [
            ("traceparent", traceparent), ("reply-to", self._user.reply_topic.encode()), *_pairs(headers),
        ]  # fmt: skip
        if not run.rule.ours:
            correlation_id = run.rule.of_request(key_bytes, value_bytes, all_headers)
            exchange.correlation_id = correlation_id or exchange.correlation_id
        run.exchanges.register(exchange)
        try:
            while True:
                exchange.sent_ns = perf_counter_ns()
                try:
                    run.exchanges.poller.produce(
                        producer, exchange, exchange.topic, value=value_bytes, key=key_bytes, headers=all_headers
                    )
                    exchange.produced_ns = perf_counter_ns()
                    return
                except BufferError:
                    gevent.sleep(QUEUE_FULL_PAUSE_S)
                    if exchange.outcome is not None:  # it timed out before librdkafka had room for it
                        run.outlet.acked(exchange)  # no report will come
                        return
        except KafkaException as refused:
            run.exchanges.not_sent(exchange, refused.args[0].str())
        except BaseException:
            exchange.deferred = False
            run.exchanges.not_sent(exchange, "its user was stopped before it was sent")
            raise


def _bytes(value: Value) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


def _pairs(headers: HeaderInput) -> Sequence[tuple[str, bytes | str]]:
    if headers is None:
        return ()
    return list(headers.items()) if isinstance(headers, Mapping) else headers
